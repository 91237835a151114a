/*
 * What kernel32's files share: status to last error, names to attributes, ANSI to wide.
 */
#ifndef NTMM_KERNEL32_K32_H
#define NTMM_KERNEL32_K32_H

#include <intrin.h>
#include "guest/user/include/nt.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Exported by forwarding to ntdll; here it is one load. */
#define GetLastError() (NtCurrentTeb()->LastErrorValue)

/* Sets the last error from a failed status; TRUE when it succeeded. */
BOOL succeed(NTSTATUS status);

/* search.c: TRUE as soon as the visitor takes a candidate; the last error is set otherwise. */
typedef BOOL search_visit(PCWSTR path, PVOID context);
BOOL search_along(PCWSTR path, PCWSTR file, PCWSTR extension, search_visit *visit, PVOID context);
BOOL search_program(PCWSTR command, search_visit *visit, PVOID context);

/* Sets the last error; returns FALSE, for `return fail(...)`. */
BOOL fail(DWORD error);

/* The process heap. A NULL result has set ERROR_NOT_ENOUGH_MEMORY. */
void *heap_new(SIZE_T bytes);
void heap_delete(void *p);

/* A wide copy of ANSI text (NULL stays NULL and is no error); heap_delete it. */
BOOL wide_copy(LPCSTR text, PWSTR *out);

/* Wide text to an ANSI buffer, as the Get...A calls return it: length without the terminator, or
   the size needed with it when the room is too small. */
DWORD ansi_result(PCWSTR text, SIZE_T chars, LPSTR out, DWORD room);

/* Milliseconds to a relative NT time; NULL for INFINITE. */
PLARGE_INTEGER nt_timeout(DWORD ms, PLARGE_INTEGER t);

struct named {
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING name;
	WCHAR buffer[300];
};

/* Attributes for a named object under \BaseNamedObjects; name NULL: none. FALSE: name too long. */
BOOL named_attributes(struct named *n, LPCWSTR name, LPSECURITY_ATTRIBUTES sa, ULONG more);

/* Attributes of a DOS path; free with RtlFreeUnicodeString(&n). */
BOOL path_attributes(LPCWSTR path, OBJECT_ATTRIBUTES *attr, UNICODE_STRING *n, BOOL inherit);

/* Creates-or-opens: last error 0 or ERROR_ALREADY_EXISTS; the handle, or NULL. */
HANDLE created(NTSTATUS status, const HANDLE *handle);

/* Opens a named object by its Nt call; NULL and the last error on failure. */
typedef NTSTATUS(NTAPI *open_call)(PHANDLE, ACCESS_MASK, POBJECT_ATTRIBUTES);
HANDLE open_named(open_call call, DWORD access, BOOL inherit, LPCWSTR name);
HANDLE open_named_a(open_call call, DWORD access, BOOL inherit, LPCSTR name);

/* console.c: handles from CreateFile("CONOUT$") and its like, and whether a handle is a console */
BOOL is_console(HANDLE h);

/* The CommandLine of this process in ANSI is made once; see process start. */
void init_command_line(void);
void init_unhandled_filter(void);

/* ---- file.c ---- */

/* What the packet of a request names, where its file has a completion port: the OVERLAPPED, unless
   the lowest bit of its event says that no packet is wanted. */
static inline PVOID packet_context(LPOVERLAPPED ov)
{
	return ov && !((ULONG_PTR)ov->hEvent & 1) ? ov : NULL;
}

/* Waits for a request on an asynchronous handle that was made without an OVERLAPPED. */
NTSTATUS settle(HANDLE h, NTSTATUS status, PIO_STATUS_BLOCK iosb);

/* ---- modlist.c ---- */

struct module_note {
	PVOID base, entry;
	ULONG size;
	WCHAR name[MAX_PATH], path[MAX_PATH * 2];
};
/* TRUE ends the walk. */
typedef BOOL module_visit(const struct module_note *m, PVOID context);
/* FALSE: the process cannot be read, and the last error says why. */
BOOL walk_modules(HANDLE process, module_visit *visit, PVOID context);

/* ---- dlldir.c ---- */

/* The folders one LoadLibraryEx looks in, of the heap; NULL: the loader's own order. FALSE: the
   flags do not fit each other or the name. */
BOOL dll_search_path(LPCWSTR name, DWORD flags, PWSTR *path);

/* ---- sysinfo.c ---- */

BOOL system_memory(SYSTEM_BASIC_INFORMATION *b, SYSTEM_PERFORMANCE_INFORMATION *p);

/* ---- locale.c ---- */

#define ENGLISH 0x409 /* the locale there is: English (United States) */
BOOL known_locale(LPCWSTR name);

#endif
