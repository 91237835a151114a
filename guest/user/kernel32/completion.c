/*
 * I/O completion ports: the kernel's, by Win32's names and errors.
 */
#include "guest/user/kernel32/k32.h"

HANDLE WINAPI CreateIoCompletionPort(HANDLE file, HANDLE existing, ULONG_PTR key, DWORD threads)
{
	FILE_COMPLETION_INFORMATION info = {existing, (PVOID)key};
	IO_STATUS_BLOCK iosb;

	if (file == INVALID_HANDLE_VALUE && existing) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (!existing &&
	    !succeed(NtCreateIoCompletion(&info.Port, IO_COMPLETION_ALL_ACCESS, NULL, threads)))
		return NULL;
	if (file == INVALID_HANDLE_VALUE ||
	    succeed(
		NtSetInformationFile(file, &iosb, &info, sizeof(info), FileCompletionInformation)))
		return info.Port;
	if (!existing)
		NtClose(info.Port);
	return NULL;
}

/* What the end of a wait for packets means without a packet. */
static BOOL no_packet(NTSTATUS status)
{
	switch (status) {
	case STATUS_TIMEOUT:
		return fail(WAIT_TIMEOUT);
	case STATUS_USER_APC:
		return fail(WAIT_IO_COMPLETION);
	case STATUS_ABANDONED_WAIT_0:
		return fail(ERROR_ABANDONED_WAIT_0);
	default:
		return succeed(status);
	}
}

WINBOOL WINAPI GetQueuedCompletionStatus(HANDLE port, LPDWORD bytes, PULONG_PTR key,
					 LPOVERLAPPED *ov, DWORD ms)
{
	IO_STATUS_BLOCK iosb;
	LARGE_INTEGER t;
	NTSTATUS status;

	*ov = NULL;
	status = NtRemoveIoCompletion(port, key, (PVOID *)ov, &iosb, nt_timeout(ms, &t));
	if (status != STATUS_SUCCESS)
		return no_packet(status);
	*bytes = (DWORD)iosb.Information;
	return succeed(iosb.Status);
}

WINBOOL WINAPI GetQueuedCompletionStatusEx(HANDLE port, LPOVERLAPPED_ENTRY entries, ULONG count,
					   PULONG removed, DWORD ms, WINBOOL alertable)
{
	LARGE_INTEGER t;
	NTSTATUS status = NtRemoveIoCompletionEx(port, entries, count, removed, nt_timeout(ms, &t),
						 (BOOLEAN)alertable);

	return status == STATUS_SUCCESS || no_packet(status);
}

WINBOOL WINAPI PostQueuedCompletionStatus(HANDLE port, DWORD bytes, ULONG_PTR key, LPOVERLAPPED ov)
{
	return succeed(NtSetIoCompletion(port, key, ov, STATUS_SUCCESS, bytes));
}

WINBOOL WINAPI SetFileCompletionNotificationModes(HANDLE file, UCHAR flags)
{
	ULONG wide = flags;
	IO_STATUS_BLOCK iosb;

	return succeed(NtSetInformationFile(file, &iosb, &wide, sizeof(wide),
					    FileIoCompletionNotificationInformation));
}
