/*
 * Files by handle: opening, reading, writing, positions, sizes.
 *
 * A synchronous handle carries its position in the kernel. With an OVERLAPPED the position comes
 * from there, and its first two words are the IO_STATUS_BLOCK, as on Windows.
 */
#include "guest/user/kernel32/k32.h"

static const struct {
	PCWSTR name;
	PCWSTR device;
} console_names[] = {
    {L"CONIN$", L"\\Device\\ConIn"},
    {L"CONOUT$", L"\\Device\\ConOut"},
};

/* CONIN$, CONOUT$ and CON by their devices; TRUE when name is one of them. */
static BOOL console_device(LPCWSTR name, DWORD access, UNICODE_STRING *device)
{
	if (!_wcsnicmp(name, L"\\\\.\\", 4))
		name += 4;
	for (size_t i = 0; i < ARRAY_COUNT(console_names); i++) {
		if (!_wcsicmp(name, console_names[i].name)) {
			RtlInitUnicodeString(device, console_names[i].device);
			return TRUE;
		}
	}
	if (_wcsicmp(name, L"CON"))
		return FALSE;
	RtlInitUnicodeString(device, console_names[(access & GENERIC_WRITE) != 0].device);
	return TRUE;
}

static ULONG open_options(DWORD access, DWORD flags)
{
	ULONG options = 0;

	if (!(flags & FILE_FLAG_OVERLAPPED))
		options |= FILE_SYNCHRONOUS_IO_NONALERT;
	if (flags & FILE_FLAG_WRITE_THROUGH)
		options |= FILE_WRITE_THROUGH;
	if (flags & FILE_FLAG_NO_BUFFERING)
		options |= FILE_NO_INTERMEDIATE_BUFFERING;
	if (flags & FILE_FLAG_RANDOM_ACCESS)
		options |= FILE_RANDOM_ACCESS;
	if (flags & FILE_FLAG_SEQUENTIAL_SCAN)
		options |= FILE_SEQUENTIAL_ONLY;
	if (flags & FILE_FLAG_DELETE_ON_CLOSE)
		options |= FILE_DELETE_ON_CLOSE;
	if (flags & FILE_FLAG_OPEN_REPARSE_POINT)
		options |= FILE_OPEN_REPARSE_POINT;
	if (flags & FILE_FLAG_BACKUP_SEMANTICS)
		options |= FILE_OPEN_FOR_BACKUP_INTENT;
	else
		options |= FILE_NON_DIRECTORY_FILE;
	(void)access;
	return options;
}

HANDLE WINAPI CreateFileW(LPCWSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES sa,
			  DWORD disposition, DWORD flags, HANDLE template)
{
	static const ULONG dispositions[] = {
	    [CREATE_NEW] = FILE_CREATE,		  [CREATE_ALWAYS] = FILE_OVERWRITE_IF,
	    [OPEN_EXISTING] = FILE_OPEN,	  [OPEN_ALWAYS] = FILE_OPEN_IF,
	    [TRUNCATE_EXISTING] = FILE_OVERWRITE,
	};
	BOOL inherit = sa && sa->bInheritHandle;
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING nt, device;
	IO_STATUS_BLOCK iosb = {{0}, 0};
	NTSTATUS status;
	HANDLE h = INVALID_HANDLE_VALUE;

	(void)template;
	if (!name || !*name) {
		fail(ERROR_PATH_NOT_FOUND);
		return INVALID_HANDLE_VALUE;
	}
	if (disposition < CREATE_NEW || disposition > TRUNCATE_EXISTING) {
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if (console_device(name, access, &device)) {
		InitializeObjectAttributes(
		    &attr, &device, OBJ_CASE_INSENSITIVE | (inherit ? OBJ_INHERIT : 0), NULL, NULL);
		status =
		    NtOpenFile(&h, access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attr, &iosb,
			       FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_SYNCHRONOUS_IO_NONALERT);
		return succeed(status) ? h : INVALID_HANDLE_VALUE;
	}
	if (!path_attributes(name, &attr, &nt, inherit))
		return INVALID_HANDLE_VALUE;
	if (flags & FILE_FLAG_DELETE_ON_CLOSE)
		access |= DELETE;
	status = NtCreateFile(
	    &h, access | SYNCHRONIZE | FILE_READ_ATTRIBUTES, &attr, &iosb, NULL,
	    flags & (FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM |
		     FILE_ATTRIBUTE_ARCHIVE | FILE_ATTRIBUTE_NORMAL | FILE_ATTRIBUTE_TEMPORARY),
	    share & 7, dispositions[disposition], open_options(access, flags), NULL, 0);
	RtlFreeUnicodeString(&nt);
	if (!NT_SUCCESS(status)) {
		if (status == STATUS_OBJECT_NAME_COLLISION)
			fail(ERROR_FILE_EXISTS);
		else if (status == STATUS_FILE_IS_A_DIRECTORY)
			fail(ERROR_ACCESS_DENIED);
		else
			succeed(status);
		return INVALID_HANDLE_VALUE;
	}
	fail((disposition == CREATE_ALWAYS && iosb.Information == FILE_OVERWRITTEN) ||
		     (disposition == OPEN_ALWAYS && iosb.Information == FILE_OPENED)
		 ? ERROR_ALREADY_EXISTS
		 : ERROR_SUCCESS);
	return h;
}

HANDLE WINAPI CreateFileA(LPCSTR name, DWORD access, DWORD share, LPSECURITY_ATTRIBUTES sa,
			  DWORD disposition, DWORD flags, HANDLE template)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return INVALID_HANDLE_VALUE;
	h = CreateFileW(w, access, share, sa, disposition, flags, template);
	heap_delete(w);
	return h;
}

HANDLE WINAPI CreateFile2(LPCWSTR name, DWORD access, DWORD share, DWORD disposition,
			  LPCREATEFILE2_EXTENDED_PARAMETERS x)
{
	if (!x)
		return CreateFileW(name, access, share, NULL, disposition, 0, NULL);
	return CreateFileW(name, access, share, x->lpSecurityAttributes, disposition,
			   x->dwFileAttributes | x->dwFileFlags, x->hTemplateFile);
}

WINBOOL WINAPI CloseHandle(HANDLE h)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;

	/* The three small numbers older programs use for standard handles */
	if (h == (HANDLE)(ULONG_PTR)STD_INPUT_HANDLE)
		h = params->StandardInput;
	else if (h == (HANDLE)(ULONG_PTR)STD_OUTPUT_HANDLE)
		h = params->StandardOutput;
	else if (h == (HANDLE)(ULONG_PTR)STD_ERROR_HANDLE)
		h = params->StandardError;
	return succeed(NtClose(h));
}

static HANDLE real_handle(HANDLE h)
{
	ULONG_PTR n = (ULONG_PTR)h;

	return n == (ULONG)STD_INPUT_HANDLE || n == (ULONG)STD_OUTPUT_HANDLE ||
		       n == (ULONG)STD_ERROR_HANDLE
		   ? GetStdHandle((DWORD)n)
		   : h;
}

/* Waits for a request on an asynchronous handle that was made without an OVERLAPPED. */
NTSTATUS settle(HANDLE h, NTSTATUS status, PIO_STATUS_BLOCK iosb)
{
	if (status != STATUS_PENDING)
		return status;
	NtWaitForSingleObject(h, FALSE, NULL);
	return iosb->Status;
}

static PIO_STATUS_BLOCK overlapped_status(LPOVERLAPPED ov, PLARGE_INTEGER at)
{
	at->LowPart = ov->Offset;
	at->HighPart = (LONG)ov->OffsetHigh;
	ov->Internal = STATUS_PENDING;
	ov->InternalHigh = 0;
	return (PIO_STATUS_BLOCK)&ov->Internal;
}

WINBOOL WINAPI ReadFile(HANDLE h, LPVOID buffer, DWORD count, LPDWORD done, LPOVERLAPPED ov)
{
	IO_STATUS_BLOCK own = {{0}, 0}, *iosb = &own;
	LARGE_INTEGER at, *position = NULL;
	HANDLE event = NULL;
	NTSTATUS status;

	if (done)
		*done = 0;
	if (ov) {
		iosb = overlapped_status(ov, &at);
		position = &at;
		event = ov->hEvent;
	} else if (!done) {
		return fail(ERROR_INVALID_PARAMETER);
	}
	status = NtReadFile(real_handle(h), event, NULL, packet_context(ov), iosb, buffer, count,
			    position, NULL);
	if (!ov)
		status = settle(h, status, iosb);
	if (done && status != STATUS_PENDING && NT_SUCCESS(status))
		*done = (DWORD)iosb->Information;
	if (status == STATUS_END_OF_FILE && !ov)
		return TRUE; /* reading at the end is no error: nothing was read */
	if (status == STATUS_PENDING)
		return fail(ERROR_IO_PENDING);
	if (status == STATUS_BUFFER_OVERFLOW) { /* part of a pipe's message */
		if (done)
			*done = (DWORD)iosb->Information;
		return fail(ERROR_MORE_DATA);
	}
	return succeed(status);
}

WINBOOL WINAPI WriteFile(HANDLE h, LPCVOID buffer, DWORD count, LPDWORD done, LPOVERLAPPED ov)
{
	IO_STATUS_BLOCK own = {{0}, 0}, *iosb = &own;
	LARGE_INTEGER at, *position = NULL;
	HANDLE event = NULL;
	NTSTATUS status;

	if (done)
		*done = 0;
	if (ov) {
		iosb = overlapped_status(ov, &at);
		position = &at;
		event = ov->hEvent;
	}
	status = NtWriteFile(real_handle(h), event, NULL, packet_context(ov), iosb, buffer, count,
			     position, NULL);
	if (!ov)
		status = settle(h, status, iosb);
	if (done && status != STATUS_PENDING && NT_SUCCESS(status))
		*done = (DWORD)iosb->Information;
	if (status == STATUS_PENDING)
		return fail(ERROR_IO_PENDING);
	return succeed(status);
}

/* Page by page to or from anywhere; always overlapped, and the file's handle unbuffered. */
WINBOOL WINAPI ReadFileScatter(HANDLE h, FILE_SEGMENT_ELEMENT *segments, DWORD bytes,
			       LPDWORD reserved, LPOVERLAPPED ov)
{
	LARGE_INTEGER at;
	PIO_STATUS_BLOCK iosb = overlapped_status(ov, &at);

	(void)reserved;
	return succeed(NtReadFileScatter(h, ov->hEvent, NULL, packet_context(ov), iosb, segments,
					 bytes, &at, NULL));
}

WINBOOL WINAPI WriteFileGather(HANDLE h, FILE_SEGMENT_ELEMENT *segments, DWORD bytes,
			       LPDWORD reserved, LPOVERLAPPED ov)
{
	LARGE_INTEGER at;
	PIO_STATUS_BLOCK iosb = overlapped_status(ov, &at);

	(void)reserved;
	return succeed(NtWriteFileGather(h, ov->hEvent, NULL, packet_context(ov), iosb, segments,
					 bytes, &at, NULL));
}

/* Carried by ...Ex requests from the kernel's APC to the program's completion routine. */
static VOID NTAPI completion(PVOID context, PIO_STATUS_BLOCK iosb, ULONG reserved)
{
	LPOVERLAPPED_COMPLETION_ROUTINE routine = (LPOVERLAPPED_COMPLETION_ROUTINE)context;

	(void)reserved;
	routine(RtlNtStatusToDosError(iosb->Status), (DWORD)iosb->Information, (LPOVERLAPPED)iosb);
}

WINBOOL WINAPI ReadFileEx(HANDLE h, LPVOID buffer, DWORD count, LPOVERLAPPED ov,
			  LPOVERLAPPED_COMPLETION_ROUTINE routine)
{
	LARGE_INTEGER at;
	PIO_STATUS_BLOCK iosb = overlapped_status(ov, &at);

	return succeed(
	    NtReadFile(h, NULL, completion, (PVOID)routine, iosb, buffer, count, &at, NULL));
}

WINBOOL WINAPI WriteFileEx(HANDLE h, LPCVOID buffer, DWORD count, LPOVERLAPPED ov,
			   LPOVERLAPPED_COMPLETION_ROUTINE routine)
{
	LARGE_INTEGER at;
	PIO_STATUS_BLOCK iosb = overlapped_status(ov, &at);

	return succeed(
	    NtWriteFile(h, NULL, completion, (PVOID)routine, iosb, buffer, count, &at, NULL));
}

WINBOOL WINAPI GetOverlappedResultEx(HANDLE h, LPOVERLAPPED ov, LPDWORD done, DWORD ms,
				     WINBOOL alertable)
{
	LARGE_INTEGER t;
	NTSTATUS status = STATUS_SUCCESS;

	if (*(volatile ULONG_PTR *)&ov->Internal == STATUS_PENDING) {
		if (!ms)
			return fail(ERROR_IO_INCOMPLETE);
		status =
		    NtWaitForSingleObject(ov->hEvent ? (HANDLE)((ULONG_PTR)ov->hEvent & ~1ull) : h,
					  (BOOLEAN)alertable, nt_timeout(ms, &t));
		if (status == STATUS_TIMEOUT)
			return fail(WAIT_TIMEOUT);
		if (status == STATUS_USER_APC)
			return fail(WAIT_IO_COMPLETION);
		if (!NT_SUCCESS(status))
			return succeed(status);
	}
	*done = (DWORD)ov->InternalHigh;
	return succeed((NTSTATUS)ov->Internal);
}

WINBOOL WINAPI GetOverlappedResult(HANDLE h, LPOVERLAPPED ov, LPDWORD done, WINBOOL wait)
{
	return GetOverlappedResultEx(h, ov, done, wait ? INFINITE : 0, FALSE);
}

WINBOOL WINAPI CancelIo(HANDLE h)
{
	IO_STATUS_BLOCK iosb;

	return succeed(NtCancelIoFile(h, &iosb));
}

/* --- position, size, end --- */

WINBOOL WINAPI SetFilePointerEx(HANDLE h, LARGE_INTEGER distance, PLARGE_INTEGER out, DWORD method)
{
	FILE_POSITION_INFORMATION pos;
	FILE_STANDARD_INFORMATION std;
	IO_STATUS_BLOCK iosb;
	LONGLONG base = 0;

	switch (method) {
	case FILE_BEGIN:
		break;
	case FILE_CURRENT:
		if (!succeed(NtQueryInformationFile(h, &iosb, &pos, sizeof(pos),
						    FilePositionInformation)))
			return FALSE;
		base = pos.CurrentByteOffset.QuadPart;
		break;
	case FILE_END:
		if (!succeed(NtQueryInformationFile(h, &iosb, &std, sizeof(std),
						    FileStandardInformation)))
			return FALSE;
		base = std.EndOfFile.QuadPart;
		break;
	default:
		return fail(ERROR_INVALID_PARAMETER);
	}
	pos.CurrentByteOffset.QuadPart = base + distance.QuadPart;
	if (pos.CurrentByteOffset.QuadPart < 0)
		return fail(ERROR_NEGATIVE_SEEK);
	if (!succeed(NtSetInformationFile(h, &iosb, &pos, sizeof(pos), FilePositionInformation)))
		return FALSE;
	if (out)
		*out = pos.CurrentByteOffset;
	return TRUE;
}

DWORD WINAPI SetFilePointer(HANDLE h, LONG low, PLONG high, DWORD method)
{
	LARGE_INTEGER distance, now;

	if (high) {
		distance.LowPart = (DWORD)low;
		distance.HighPart = *high;
	} else {
		distance.QuadPart = low;
	}
	if (!SetFilePointerEx(h, distance, &now, method))
		return INVALID_SET_FILE_POINTER;
	if (!high && now.HighPart) {
		/* The position cannot be told in 32 bits: it does not move. */
		LARGE_INTEGER back = {.QuadPart = now.QuadPart - distance.QuadPart};

		if (method == FILE_CURRENT)
			SetFilePointerEx(h, back, NULL, FILE_BEGIN);
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_SET_FILE_POINTER;
	}
	if (high)
		*high = now.HighPart;
	if (now.LowPart == INVALID_SET_FILE_POINTER)
		fail(ERROR_SUCCESS);
	return now.LowPart;
}

WINBOOL WINAPI GetFileSizeEx(HANDLE h, PLARGE_INTEGER size)
{
	FILE_STANDARD_INFORMATION std;
	IO_STATUS_BLOCK iosb;

	if (!succeed(NtQueryInformationFile(h, &iosb, &std, sizeof(std), FileStandardInformation)))
		return FALSE;
	*size = std.EndOfFile;
	return TRUE;
}

DWORD WINAPI GetFileSize(HANDLE h, LPDWORD high)
{
	LARGE_INTEGER size;

	if (!GetFileSizeEx(h, &size))
		return INVALID_FILE_SIZE;
	if (high)
		*high = (DWORD)size.HighPart;
	if (size.LowPart == INVALID_FILE_SIZE)
		fail(ERROR_SUCCESS);
	return size.LowPart;
}

WINBOOL WINAPI SetEndOfFile(HANDLE h)
{
	FILE_POSITION_INFORMATION pos;
	FILE_END_OF_FILE_INFORMATION eof;
	IO_STATUS_BLOCK iosb;

	if (!succeed(NtQueryInformationFile(h, &iosb, &pos, sizeof(pos), FilePositionInformation)))
		return FALSE;
	eof.EndOfFile = pos.CurrentByteOffset;
	return succeed(NtSetInformationFile(h, &iosb, &eof, sizeof(eof), FileEndOfFileInformation));
}

WINBOOL WINAPI SetFileValidData(HANDLE h, LONGLONG length)
{
	LARGE_INTEGER size;

	if (!GetFileSizeEx(h, &size))
		return FALSE;
	if (length < 0 || length > size.QuadPart)
		return fail(ERROR_INVALID_PARAMETER);
	return TRUE; /* what was never written reads as zero here: always valid */
}

WINBOOL WINAPI FlushFileBuffers(HANDLE h)
{
	IO_STATUS_BLOCK iosb;

	return succeed(NtFlushBuffersFile(real_handle(h), &iosb));
}

/* --- kinds, times, identity --- */

DWORD WINAPI GetFileType(HANDLE h)
{
	FILE_FS_DEVICE_INFORMATION dev;
	IO_STATUS_BLOCK iosb;

	if (!succeed(NtQueryVolumeInformationFile(real_handle(h), &iosb, &dev, sizeof(dev),
						  FileFsDeviceInformation)))
		return FILE_TYPE_UNKNOWN;
	switch (dev.DeviceType) {
	case FILE_DEVICE_NAMED_PIPE_:
		return FILE_TYPE_PIPE;
	case FILE_DEVICE_CONSOLE_:
	case FILE_DEVICE_NULL_:
		return FILE_TYPE_CHAR;
	default:
		return FILE_TYPE_DISK;
	}
}
