/* System calls of the executive's objects, waits, time, information and tokens. All pointers are
 * user memory. */
#ifndef NTMM_EX_SYSCALLS_H
#define NTMM_EX_SYSCALLS_H

#include "guest/ke/syscall.h"
#include "guest/ob/ob.h"

NTSYSCALL NTSTATUS NtCreateEvent(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				 u32 type, u8 signalled);
NTSYSCALL NTSTATUS NtOpenEvent(HANDLE *handle, ACCESS_MASK access, const void *attributes);
NTSYSCALL NTSTATUS NtSetEvent(HANDLE h, u32 *previous);
NTSYSCALL NTSTATUS NtResetEvent(HANDLE h, u32 *previous);
NTSYSCALL NTSTATUS NtClearEvent(HANDLE h);
NTSYSCALL NTSTATUS NtPulseEvent(HANDLE h, u32 *previous);
NTSYSCALL NTSTATUS NtQueryEvent(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtCreateMutant(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				  u8 owned);
NTSYSCALL NTSTATUS NtOpenMutant(HANDLE *handle, ACCESS_MASK access, const void *attributes);
NTSYSCALL NTSTATUS NtReleaseMutant(HANDLE h, u32 *previous);
NTSYSCALL NTSTATUS NtQueryMutant(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtCreateSemaphore(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				     s32 count, s32 limit);
NTSYSCALL NTSTATUS NtOpenSemaphore(HANDLE *handle, ACCESS_MASK access, const void *attributes);
NTSYSCALL NTSTATUS NtReleaseSemaphore(HANDLE h, s32 count, u32 *previous);
NTSYSCALL NTSTATUS NtQuerySemaphore(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtCreateTimer(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				 u32 type);
NTSYSCALL NTSTATUS NtOpenTimer(HANDLE *handle, ACCESS_MASK access, const void *attributes);
NTSYSCALL NTSTATUS NtQueryTimer(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtSetTimer(HANDLE h, const s64 *due, u64 routine, u64 context, u8 resume,
			      s32 period, u8 *previous);
NTSYSCALL NTSTATUS NtCancelTimer(HANDLE h, u8 *current);

NTSYSCALL NTSTATUS NtWaitForSingleObject(HANDLE h, u8 alertable, const s64 *timeout);
NTSYSCALL NTSTATUS NtWaitForMultipleObjects(u32 count, const HANDLE *user_handles, u32 type,
					    u8 alertable, const s64 *timeout);
NTSYSCALL NTSTATUS NtSignalAndWaitForSingleObject(HANDLE signal, HANDLE wait, u8 alertable,
						  const s64 *timeout);
NTSYSCALL NTSTATUS NtDelayExecution(u8 alertable, const s64 *interval);

NTSYSCALL NTSTATUS NtQuerySystemTime(s64 *time);
NTSYSCALL NTSTATUS NtQueryPerformanceCounter(s64 *counter, s64 *frequency);
NTSYSCALL NTSTATUS NtQueryTimerResolution(u32 *coarsest, u32 *finest, u32 *current);
NTSYSCALL NTSTATUS NtSetTimerResolution(u32 desired, u8 request, u32 *current);

NTSYSCALL NTSTATUS NtQuerySystemInformation(u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtSetSystemInformation(u32 class, const void *buffer, u32 length);

NTSYSCALL NTSTATUS NtOpenProcessToken(HANDLE process, ACCESS_MASK access, HANDLE *token);
NTSYSCALL NTSTATUS NtOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, u32 attributes,
					HANDLE *token);
NTSYSCALL NTSTATUS NtOpenThreadToken(HANDLE thread, ACCESS_MASK access, u8 as_self, HANDLE *token);
NTSYSCALL NTSTATUS NtAdjustPrivilegesToken(HANDLE token, u8 disable_all, const void *wanted,
					   u32 length, void *previous, u32 *returned);
NTSYSCALL NTSTATUS NtQueryInformationToken(HANDLE token, u32 class, void *buffer, u32 length,
					   u32 *returned);

#endif
