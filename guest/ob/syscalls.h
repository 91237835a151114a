/* System calls on handles. All pointers are user memory. */
#ifndef NTMM_OB_SYSCALLS_H
#define NTMM_OB_SYSCALLS_H

#include "guest/ke/syscall.h"
#include "guest/ob/ob.h"

NTSYSCALL NTSTATUS NtClose(HANDLE h);
NTSYSCALL NTSTATUS NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process,
				     HANDLE *target, ACCESS_MASK access, u32 attributes,
				     u32 options);
NTSYSCALL NTSTATUS NtQueryObject(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned);
NTSYSCALL NTSTATUS NtSetInformationObject(HANDLE h, u32 class, const void *buffer, u32 length);

#endif
