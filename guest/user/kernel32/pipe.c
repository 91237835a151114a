/*
 * Pipes: anonymous and named, over the kernel's named-pipe device.
 */
#include "guest/user/kernel32/k32.h"

#define PIPE_FOLDER L"\\\\.\\pipe\\"

HANDLE WINAPI CreateNamedPipeW(LPCWSTR name, DWORD open_mode, DWORD mode, DWORD instances,
			       DWORD out_size, DWORD in_size, DWORD timeout,
			       LPSECURITY_ATTRIBUTES sa)
{
	static const ULONG shares[4] = {0, FILE_SHARE_WRITE, FILE_SHARE_READ,
					FILE_SHARE_READ | FILE_SHARE_WRITE};
	LARGE_INTEGER wait = {.QuadPart = -(LONGLONG)(timeout ? timeout : 50) * TICKS_PER_MS};
	ACCESS_MASK access = SYNCHRONIZE | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;
	ULONG options = open_mode & FILE_FLAG_OVERLAPPED ? 0 : FILE_SYNCHRONOUS_IO_NONALERT;
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING nt;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE h;

	if (!(open_mode & 3) || !name || _wcsnicmp(name, PIPE_FOLDER, wcslen(PIPE_FOLDER))) {
		fail(name && (open_mode & 3) ? ERROR_INVALID_NAME : ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if (instances == 0 || instances > PIPE_UNLIMITED_INSTANCES) {
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if ((mode & PIPE_READMODE_MESSAGE) && !(mode & PIPE_TYPE_MESSAGE)) {
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if (!path_attributes(name, &attr, &nt, sa && sa->bInheritHandle))
		return INVALID_HANDLE_VALUE;
	access |= open_mode & PIPE_ACCESS_INBOUND ? GENERIC_READ : 0;
	access |= open_mode & PIPE_ACCESS_OUTBOUND ? GENERIC_WRITE : 0;
	status = NtCreateNamedPipeFile(
	    &h, access, &attr, &iosb, shares[open_mode & 3],
	    open_mode & FILE_FLAG_FIRST_PIPE_INSTANCE ? FILE_CREATE : FILE_OPEN_IF, options,
	    mode & PIPE_TYPE_MESSAGE ? FILE_PIPE_MESSAGE_TYPE : FILE_PIPE_BYTE_STREAM_TYPE,
	    mode & PIPE_READMODE_MESSAGE ? FILE_PIPE_MESSAGE_MODE : FILE_PIPE_BYTE_STREAM_MODE,
	    mode & PIPE_NOWAIT ? FILE_PIPE_COMPLETE_OPERATION : FILE_PIPE_QUEUE_OPERATION,
	    instances == PIPE_UNLIMITED_INSTANCES ? MAXDWORD : instances, in_size, out_size, &wait);
	RtlFreeUnicodeString(&nt);
	return succeed(status) ? h : INVALID_HANDLE_VALUE;
}

HANDLE WINAPI CreateNamedPipeA(LPCSTR name, DWORD open_mode, DWORD mode, DWORD instances,
			       DWORD out_size, DWORD in_size, DWORD timeout,
			       LPSECURITY_ATTRIBUTES sa)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return INVALID_HANDLE_VALUE;
	h = CreateNamedPipeW(w, open_mode, mode, instances, out_size, in_size, timeout, sa);
	heap_delete(w);
	return h;
}

WINBOOL WINAPI CreatePipe(PHANDLE reader, PHANDLE writer, LPSECURITY_ATTRIBUTES sa, DWORD size)
{
	static LONG serial;
	WCHAR name[64];

	_snwprintf(name, ARRAY_COUNT(name), PIPE_FOLDER L"Win32.Pipes.%08x.%08x",
		   GetCurrentProcessId(), _InterlockedIncrement(&serial));
	*reader = CreateNamedPipeW(name, PIPE_ACCESS_INBOUND, PIPE_TYPE_BYTE | PIPE_WAIT, 1,
				   size ? size : 4096, size ? size : 4096, 120000, sa);
	if (*reader == INVALID_HANDLE_VALUE)
		return FALSE;
	*writer = CreateFileW(name, GENERIC_WRITE, 0, sa, OPEN_EXISTING, 0, NULL);
	if (*writer == INVALID_HANDLE_VALUE) {
		DWORD error = GetLastError();

		NtClose(*reader);
		return fail(error);
	}
	return TRUE;
}

static BOOL pipe_control(HANDLE h, ULONG code, LPOVERLAPPED ov, PVOID in, ULONG in_size, PVOID out,
			 ULONG out_size, NTSTATUS *result)
{
	IO_STATUS_BLOCK own = {{0}, 0}, *iosb = ov ? (PIO_STATUS_BLOCK)&ov->Internal : &own;
	NTSTATUS status;

	if (ov)
		ov->Internal = STATUS_PENDING;
	status = NtFsControlFile(h, ov ? ov->hEvent : NULL, NULL, packet_context(ov), iosb, code,
				 in, in_size, out, out_size);
	if (status == STATUS_PENDING && !ov) {
		NtWaitForSingleObject(h, FALSE, NULL);
		status = iosb->Status;
	}
	if (result)
		*result = status;
	if (status == STATUS_PENDING)
		return fail(ERROR_IO_PENDING);
	return succeed(status);
}

WINBOOL WINAPI ConnectNamedPipe(HANDLE h, LPOVERLAPPED ov)
{
	return pipe_control(h, FSCTL_PIPE_LISTEN_, ov, NULL, 0, NULL, 0, NULL);
}

WINBOOL WINAPI DisconnectNamedPipe(HANDLE h)
{
	return pipe_control(h, FSCTL_PIPE_DISCONNECT_, NULL, NULL, 0, NULL, 0, NULL);
}

WINBOOL WINAPI PeekNamedPipe(HANDLE h, LPVOID buffer, DWORD room, LPDWORD got, LPDWORD available,
			     LPDWORD left)
{
	struct {
		ULONG state, available, messages, length;
		CHAR data[];
	} * peek;
	ULONG size = sizeof(*peek) + room;
	NTSTATUS status;

	peek = heap_new(size);
	if (!peek)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	memset(peek, 0, sizeof(*peek));
	if (!pipe_control(h, FSCTL_PIPE_PEEK_, NULL, NULL, 0, peek, size, &status) &&
	    status != STATUS_BUFFER_OVERFLOW) {
		heap_delete(peek);
		return FALSE;
	}
	room = min(room, peek->available);
	if (buffer)
		memcpy(buffer, peek->data, room);
	if (got)
		*got = buffer ? room : 0;
	if (available)
		*available = peek->available;
	if (left)
		*left = peek->length > room ? peek->length - room : 0;
	heap_delete(peek);
	return TRUE;
}

WINBOOL WINAPI SetNamedPipeHandleState(HANDLE h, LPDWORD mode, LPDWORD count, LPDWORD timeout)
{
	FILE_PIPE_INFORMATION info;
	IO_STATUS_BLOCK iosb;

	(void)count;
	(void)timeout;
	if (!mode)
		return TRUE;
	info.ReadMode =
	    *mode & PIPE_READMODE_MESSAGE ? FILE_PIPE_MESSAGE_MODE : FILE_PIPE_BYTE_STREAM_MODE;
	info.CompletionMode =
	    *mode & PIPE_NOWAIT ? FILE_PIPE_COMPLETE_OPERATION : FILE_PIPE_QUEUE_OPERATION;
	return succeed(NtSetInformationFile(h, &iosb, &info, sizeof(info), FilePipeInformation));
}

static NTSTATUS pipe_information(HANDLE h, FILE_PIPE_INFORMATION *info,
				 FILE_PIPE_LOCAL_INFORMATION *local)
{
	IO_STATUS_BLOCK iosb;
	NTSTATUS status =
	    NtQueryInformationFile(h, &iosb, info, sizeof(*info), FilePipeInformation);

	if (NT_SUCCESS(status))
		status = NtQueryInformationFile(h, &iosb, local, sizeof(*local),
						FilePipeLocalInformation);
	return status;
}

/* Nobody is impersonated, and nothing is sent in batches: what asks for that is refused. */
WINBOOL WINAPI GetNamedPipeHandleStateW(HANDLE h, LPDWORD state, LPDWORD instances, LPDWORD collect,
					LPDWORD timeout, LPWSTR user, DWORD user_room)
{
	FILE_PIPE_INFORMATION info;
	FILE_PIPE_LOCAL_INFORMATION local;

	(void)user_room;
	if (!succeed(pipe_information(h, &info, &local)))
		return FALSE;
	if (user)
		return fail(ERROR_CANNOT_IMPERSONATE);
	if ((collect || timeout) && local.NamedPipeEnd)
		return fail(ERROR_INVALID_PARAMETER); /* of a client's end only */
	if (state)
		*state = (info.ReadMode ? PIPE_READMODE_MESSAGE : PIPE_READMODE_BYTE) |
			 (info.CompletionMode ? PIPE_NOWAIT : PIPE_WAIT);
	if (instances)
		*instances = min(local.CurrentInstances, PIPE_UNLIMITED_INSTANCES);
	if (collect)
		*collect = 0;
	if (timeout)
		*timeout = 0;
	return TRUE;
}

WINBOOL WINAPI GetNamedPipeHandleStateA(HANDLE h, LPDWORD state, LPDWORD instances, LPDWORD collect,
					LPDWORD timeout, LPSTR user, DWORD user_room)
{
	return GetNamedPipeHandleStateW(h, state, instances, collect, timeout, (LPWSTR)user,
					user_room);
}

/* A request and its answer, as one call. */
WINBOOL WINAPI TransactNamedPipe(HANDLE h, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
				 LPDWORD done, LPOVERLAPPED ov)
{
	IO_STATUS_BLOCK own = {{0}, 0}, *iosb = ov ? (PIO_STATUS_BLOCK)&ov->Internal : &own;
	NTSTATUS status;

	if (ov)
		ov->Internal = STATUS_PENDING;
	status = NtFsControlFile(h, ov ? ov->hEvent : NULL, NULL, packet_context(ov), iosb,
				 FSCTL_PIPE_TRANSCEIVE_, in, in_size, out, out_size);
	if (!ov)
		status = settle(h, status, iosb);
	if (status == STATUS_PENDING)
		return fail(ERROR_IO_PENDING);
	if (done)
		*done = (DWORD)iosb->Information;
	return succeed(status);
}

WINBOOL WINAPI CallNamedPipeW(LPCWSTR name, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
			      LPDWORD done, DWORD ms)
{
	DWORD mode = PIPE_READMODE_MESSAGE;
	BOOL ok = FALSE;
	DWORD error;
	HANDLE h;

	for (;;) {
		h = CreateFileW(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0,
				NULL);
		if (h != INVALID_HANDLE_VALUE)
			break;
		if (GetLastError() != ERROR_PIPE_BUSY || ms == NMPWAIT_NOWAIT ||
		    !WaitNamedPipeW(name, ms))
			return FALSE;
	}
	if (SetNamedPipeHandleState(h, &mode, NULL, NULL))
		ok = TransactNamedPipe(h, in, in_size, out, out_size, done, NULL);
	error = GetLastError();
	NtClose(h);
	return ok || fail(error);
}

WINBOOL WINAPI CallNamedPipeA(LPCSTR name, LPVOID in, DWORD in_size, LPVOID out, DWORD out_size,
			      LPDWORD done, DWORD ms)
{
	BOOL ok;
	PWSTR w;

	if (!wide_copy(name, &w))
		return FALSE;
	ok = CallNamedPipeW(w, in, in_size, out, out_size, done, ms);
	heap_delete(w);
	return ok;
}

WINBOOL WINAPI GetNamedPipeInfo(HANDLE h, LPDWORD flags, LPDWORD out_size, LPDWORD in_size,
				LPDWORD instances)
{
	FILE_PIPE_LOCAL_INFORMATION info;
	IO_STATUS_BLOCK iosb;

	if (!succeed(
		NtQueryInformationFile(h, &iosb, &info, sizeof(info), FilePipeLocalInformation)))
		return FALSE;
	if (flags)
		*flags = (info.NamedPipeEnd ? PIPE_SERVER_END : PIPE_CLIENT_END) |
			 (info.NamedPipeType ? PIPE_TYPE_MESSAGE : PIPE_TYPE_BYTE);
	if (out_size)
		*out_size = info.OutboundQuota;
	if (in_size)
		*in_size = info.InboundQuota;
	if (instances)
		*instances =
		    info.MaximumInstances > 255 ? PIPE_UNLIMITED_INSTANCES : info.MaximumInstances;
	return TRUE;
}

/* Waits by trying: an instance is free when it can be opened for a moment's look. */
WINBOOL WINAPI WaitNamedPipeW(LPCWSTR name, DWORD ms)
{
	ULONGLONG until = GetTickCount64() + (ms == NMPWAIT_USE_DEFAULT_WAIT ? 50 : ms);

	for (;;) {
		OBJECT_ATTRIBUTES attr;
		UNICODE_STRING nt;
		FILE_BASIC_INFORMATION info;
		NTSTATUS status;

		if (!path_attributes(name, &attr, &nt, FALSE))
			return FALSE;
		status = NtQueryAttributesFile(&attr, &info);
		RtlFreeUnicodeString(&nt);
		if (status != STATUS_PIPE_NOT_AVAILABLE && status != STATUS_INSTANCE_NOT_AVAILABLE)
			return succeed(status);
		if (ms != NMPWAIT_WAIT_FOREVER && GetTickCount64() >= until)
			return fail(ERROR_SEM_TIMEOUT);
		Sleep(10);
	}
}

WINBOOL WINAPI WaitNamedPipeA(LPCSTR name, DWORD ms)
{
	PWSTR w;
	BOOL ok;

	if (!wide_copy(name, &w))
		return FALSE;
	ok = WaitNamedPipeW(w, ms);
	heap_delete(w);
	return ok;
}
