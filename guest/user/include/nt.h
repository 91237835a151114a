/*
 * The native interface as our user-mode DLLs see it: basic types, handles and attributes.
 *
 * mingw-w64's windows.h gives the Win32 types; what it lacks of NT is here and in the headers
 * included at the end: ntinfo.h (information classes and their structures), ntpeb.h (PEB, TEB and
 * loader lists at their Windows 10 x64 offsets), ntcalls.h (system calls), ntrtl.h (Rtl, Ldr, Dbg).
 * A DLL defines _NTSYSTEM_, _KERNEL32_ or its like so that its own functions are not imports.
 */
#ifndef NTMM_USER_NT_H
#define NTMM_USER_NT_H

#define WIN32_NO_STATUS
#define COM_NO_WINDOWS_H
#include <stdint.h>
#include <stddef.h>
#include <stdarg.h>
#include <windows.h>
#undef WIN32_NO_STATUS
#include <ntstatus.h>

#ifdef _NTSYSTEM_
#define NTAPI_DECL
#else
#define NTAPI_DECL __declspec(dllimport)
#endif

typedef LONG NTSTATUS, *PNTSTATUS;
typedef ULONG_PTR KAFFINITY;
typedef LONG KPRIORITY;
typedef ULONG LOGICAL;

#define NT_SUCCESS(s) ((NTSTATUS)(s) >= 0)
#define NT_ERROR(s)   (((ULONG)(s) >> 30) == 3)

#ifndef __UNICODE_STRING_DEFINED
#define __UNICODE_STRING_DEFINED
typedef struct _UNICODE_STRING {
	USHORT Length; /* bytes, without the terminator */
	USHORT MaximumLength;
	PWSTR Buffer;
} UNICODE_STRING, *PUNICODE_STRING;
#endif
typedef const UNICODE_STRING *PCUNICODE_STRING;

#ifndef __STRING_DEFINED
#define __STRING_DEFINED
typedef struct _STRING {
	USHORT Length;
	USHORT MaximumLength;
	PCHAR Buffer;
} STRING, *PSTRING, ANSI_STRING, *PANSI_STRING, OEM_STRING, *POEM_STRING;
#endif
typedef const STRING *PCANSI_STRING;

/* A UNICODE_STRING of a literal. */
#define WSTR_LITERAL(text)                                                \
	{                                                                 \
		sizeof(text) - sizeof(WCHAR), sizeof(text), (PWSTR)(text) \
	}

typedef struct _CLIENT_ID {
	HANDLE UniqueProcess;
	HANDLE UniqueThread;
} CLIENT_ID, *PCLIENT_ID;

#ifndef __OBJECT_ATTRIBUTES_DEFINED
#define __OBJECT_ATTRIBUTES_DEFINED
typedef struct _OBJECT_ATTRIBUTES {
	ULONG Length;
	HANDLE RootDirectory;
	PUNICODE_STRING ObjectName;
	ULONG Attributes;
	PVOID SecurityDescriptor;
	PVOID SecurityQualityOfService;
} OBJECT_ATTRIBUTES, *POBJECT_ATTRIBUTES;
#endif

#define OBJ_INHERIT	     0x02
#define OBJ_PERMANENT	     0x10
#define OBJ_EXCLUSIVE	     0x20
#define OBJ_CASE_INSENSITIVE 0x40
#define OBJ_OPENIF	     0x80

#define InitializeObjectAttributes(p, n, a, r, s)        \
	do {                                             \
		(p)->Length = sizeof(OBJECT_ATTRIBUTES); \
		(p)->RootDirectory = (r);                \
		(p)->Attributes = (a);                   \
		(p)->ObjectName = (n);                   \
		(p)->SecurityDescriptor = (s);           \
		(p)->SecurityQualityOfService = NULL;    \
	} while (0)

typedef struct _IO_STATUS_BLOCK {
	union {
		NTSTATUS Status;
		PVOID Pointer;
	};
	ULONG_PTR Information;
} IO_STATUS_BLOCK, *PIO_STATUS_BLOCK;

typedef VOID(NTAPI *PIO_APC_ROUTINE)(PVOID context, PIO_STATUS_BLOCK iosb, ULONG reserved);
typedef VOID(NTAPI *PPS_APC_ROUTINE)(PVOID arg1, PVOID arg2, PVOID arg3);

#define NtCurrentProcess() ((HANDLE)(LONG_PTR)-1)
#define NtCurrentThread()  ((HANDLE)(LONG_PTR)-2)

typedef enum _EVENT_TYPE { NotificationEvent, SynchronizationEvent } EVENT_TYPE;
typedef enum _TIMER_TYPE { NotificationTimer, SynchronizationTimer } TIMER_TYPE;
typedef enum _WAIT_TYPE { WaitAll, WaitAny } WAIT_TYPE;
typedef enum _SECTION_INHERIT { ViewShare = 1, ViewUnmap = 2 } SECTION_INHERIT;

/* NtCreateFile */
#define FILE_SUPERSEDED	 0
#define FILE_OPENED	 1
#define FILE_CREATED	 2
#define FILE_OVERWRITTEN 3

#define FILE_PIPE_BYTE_STREAM_TYPE   0
#define FILE_PIPE_MESSAGE_TYPE	     1
#define FILE_PIPE_BYTE_STREAM_MODE   0
#define FILE_PIPE_MESSAGE_MODE	     1
#define FILE_PIPE_QUEUE_OPERATION    0
#define FILE_PIPE_COMPLETE_OPERATION 1
#define FILE_PIPE_INBOUND	     0
#define FILE_PIPE_OUTBOUND	     1
#define FILE_PIPE_FULL_DUPLEX	     2
#define FSCTL_PIPE_LISTEN_	     0x110008
#define FSCTL_PIPE_DISCONNECT_	     0x110004
#define FSCTL_PIPE_PEEK_	     0x11400c
#define FSCTL_PIPE_TRANSCEIVE_	     0x11c017
#define FSCTL_PIPE_WAIT_	     0x110018

#define DUPLICATE_SAME_ATTRIBUTES 4

/* KUSER_SHARED_DATA, read-only in every process (docs/user-kernel.md). */
#define KUSER_BASE	       0x7ffe0000ull
#define KUSER_TICK_MULTIPLIER  0x004
#define KUSER_INTERRUPT_TIME   0x008
#define KUSER_SYSTEM_TIME      0x014
#define KUSER_TIMEZONE_BIAS    0x020
#define KUSER_QPC_FREQUENCY    0x300
#define KUSER_TICK_COUNT       0x320
#define KUSER_COOKIE	       0x330
#define KUSER_QPC_BIAS	       0x3b8
#define KUSER_TSC_INTERRUPT    0xf00
#define KUSER_TSC_SYSTEM       0xf08
#define KUSER_FIELD(type, off) (*(const volatile type *)(KUSER_BASE + (off)))

#define TICKS_PER_MS  10000ll /* 100 ns units */
#define TICKS_PER_SEC 10000000ll
#define PAGE_SIZE     0x1000u
#define GRANULARITY   0x10000u

#include "guest/user/include/ntinfo.h"
#include "guest/user/include/ntpeb.h"
#include "guest/user/include/ntcalls.h"
#include "guest/user/include/ntrtl.h"

#endif
