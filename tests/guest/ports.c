/*
 * I/O completion ports: packets posted and taken, who gets them, files and jobs that post them, the
 * thread pool's callbacks; and writes to a full pipe, which wait only on overlapped handles.
 */
#include <string.h>
#include "tests/guest/vm.h"

#define NAME "\\\\.\\pipe\\ports"

static HANDLE new_port(void)
{
	HANDLE h = CreateIoCompletionPort(INVALID_HANDLE_VALUE, NULL, 0, 0);

	CHECK(h != NULL);
	return h;
}

static void take(HANDLE port, BOOL ok, ULONG_PTR want_key, OVERLAPPED *want_ov, DWORD want_bytes)
{
	OVERLAPPED *ov = (OVERLAPPED *)1;
	ULONG_PTR key = 99;
	DWORD n = 99;

	SetLastError(0);
	CHECK_EQ(GetQueuedCompletionStatus(port, &n, &key, &ov, 5000), ok);
	CHECK_EQ(key, want_key);
	CHECK(ov == want_ov);
	CHECK_EQ(n, want_bytes);
}

static void none(HANDLE port)
{
	OVERLAPPED *ov = (OVERLAPPED *)1;
	ULONG_PTR key;
	DWORD n;

	SetLastError(0);
	CHECK(!GetQueuedCompletionStatus(port, &n, &key, &ov, 0));
	CHECK_EQ(GetLastError(), WAIT_TIMEOUT);
	CHECK(!ov);
}

static void posting(void)
{
	OVERLAPPED_ENTRY e[8];
	HANDLE port = new_port(), file;
	OVERLAPPED a, b;
	ULONG n = 99;

	none(port);
	CHECK_EQ(WaitForSingleObject(port, 0), WAIT_TIMEOUT);
	CHECK(PostQueuedCompletionStatus(port, 7, 1, &a));
	CHECK(PostQueuedCompletionStatus(port, 8, 2, &b));
	CHECK_EQ(WaitForSingleObject(port, 0), 0); /* which takes nothing */
	take(port, TRUE, 1, &a, 7);
	take(port, TRUE, 2, &b, 8);
	none(port);
	CHECK_EQ(WaitForSingleObject(port, 0), WAIT_TIMEOUT);
	for (DWORD i = 0; i < 5; i++)
		CHECK(PostQueuedCompletionStatus(port, i, i + 10, NULL));
	CHECK(GetQueuedCompletionStatusEx(port, e, 3, &n, 0, FALSE));
	CHECK_EQ(n, 3);
	for (DWORD i = 0; i < 3; i++)
		CHECK(e[i].lpCompletionKey == i + 10 && e[i].dwNumberOfBytesTransferred == i &&
		      !e[i].lpOverlapped);
	CHECK(GetQueuedCompletionStatusEx(port, e, 8, &n, 0, FALSE));
	CHECK_EQ(n, 2);
	SetLastError(0);
	CHECK(!GetQueuedCompletionStatusEx(port, e, 8, &n, 10, FALSE));
	CHECK_EQ(GetLastError(), WAIT_TIMEOUT);
	CHECK(!GetQueuedCompletionStatusEx(port, e, 0, &n, 0, FALSE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);

	CHECK(!CreateIoCompletionPort(INVALID_HANDLE_VALUE, port, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!CreateIoCompletionPort(NULL, port, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	file = CreateFileA("NUL", GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(!CreateIoCompletionPort(file, port, 0, 0)); /* not overlapped */
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CloseHandle(file);
	CloseHandle(port);
	CHECK(!PostQueuedCompletionStatus(port, 0, 0, NULL));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
}

/* ---- who waits ---- */

struct waiter {
	HANDLE port, thread;
	ULONG_PTR key;
	DWORD error;
	OVERLAPPED *ov;
};

static DWORD WINAPI wait_for_packet(void *arg)
{
	struct waiter *w = arg;
	DWORD n;

	SetLastError(0);
	w->ov = (OVERLAPPED *)1;
	GetQueuedCompletionStatus(w->port, &n, &w->key, &w->ov, INFINITE);
	w->error = GetLastError();
	return 0;
}

static void start_waiter(struct waiter *w, HANDLE port)
{
	*w = (struct waiter){.port = port};
	w->thread = CreateThread(NULL, 0, wait_for_packet, w, 0, NULL);
	Sleep(60);
}

static DWORD WINAPI wait_alertably(void *arg)
{
	struct waiter *w = arg;
	OVERLAPPED_ENTRY e;
	ULONG n;

	SetLastError(0);
	w->key = GetQueuedCompletionStatusEx(w->port, &e, 1, &n, INFINITE, TRUE);
	w->error = GetLastError();
	return 0;
}

static void CALLBACK apc(ULONG_PTR arg)
{
	(*(LONG *)arg)++;
}

static void waiting(void)
{
	HANDLE port = new_port();
	struct waiter w[3];
	LONG calls = 0;

	/* who began to wait last is served first */
	for (int i = 0; i < 3; i++)
		start_waiter(&w[i], port);
	for (int i = 2; i >= 0; i--) {
		CHECK(PostQueuedCompletionStatus(port, 0, (ULONG_PTR)(i + 20), NULL));
		CHECK_EQ(WaitForSingleObject(w[i].thread, 5000), 0);
		CHECK_EQ(w[i].key, i + 20);
		CloseHandle(w[i].thread);
	}
	/* a waiter that is ended takes nothing along */
	start_waiter(&w[0], port);
	start_waiter(&w[1], port);
	TerminateThread(w[1].thread, 0);
	CHECK_EQ(WaitForSingleObject(w[1].thread, 5000), 0);
	CHECK(PostQueuedCompletionStatus(port, 0, 5, NULL));
	CHECK_EQ(WaitForSingleObject(w[0].thread, 5000), 0);
	CHECK_EQ(w[0].key, 5);

	w[0] = (struct waiter){.port = port};
	w[0].thread = CreateThread(NULL, 0, wait_alertably, &w[0], 0, NULL);
	Sleep(60);
	CHECK(QueueUserAPC(apc, w[0].thread, (ULONG_PTR)&calls));
	CHECK_EQ(WaitForSingleObject(w[0].thread, 5000), 0);
	CHECK_EQ(calls, 1);
	CHECK_EQ(w[0].key, 0);
	CHECK_EQ(w[0].error, WAIT_IO_COMPLETION);

	start_waiter(&w[0], port);
	CloseHandle(port);
	CHECK_EQ(WaitForSingleObject(w[0].thread, 5000), 0);
	CHECK_EQ(w[0].error, ERROR_ABANDONED_WAIT_0);
	CHECK(!w[0].ov);
}

/* ---- files ---- */

static void pipe_pair(HANDLE *from, HANDLE *to, DWORD flags)
{
	*from = CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE, 1,
				 1024, 1024, 0, NULL);
	*to = CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, flags, NULL);
	CHECK(*from != INVALID_HANDLE_VALUE && *to != INVALID_HANDLE_VALUE);
}

#define CHECK_PENDING(call)                                 \
	do {                                                \
		SetLastError(0);                            \
		CHECK(!(call));                             \
		CHECK_EQ(GetLastError(), ERROR_IO_PENDING); \
	} while (0)

static char buffer[64];
static OVERLAPPED ended_ov;

static DWORD WINAPI reader_that_ends(void *pipe)
{
	CHECK_PENDING(ReadFile(pipe, buffer, 16, NULL, &ended_ov));
	return 0;
}

static void WINAPI never(DWORD error, DWORD bytes, OVERLAPPED *ov)
{
	(void)error;
	(void)bytes;
	(void)ov;
	CHECK(!"called");
}

static void files(void)
{
	HANDLE port = new_port(), other = new_port(), from, to, thread;
	OVERLAPPED ov = {0}, quiet = {0};
	DWORD n;

	pipe_pair(&from, &to, 0);
	CHECK(CreateIoCompletionPort(from, port, 0xabc, 0) == port);
	CHECK(!CreateIoCompletionPort(from, other, 1, 0)); /* one, and for good */
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);

	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	none(port);
	CHECK(WriteFile(to, "hello", 5, &n, NULL));
	take(port, TRUE, 0xabc, &ov, 5);
	CHECK(WriteFile(to, "again", 5, &n, NULL));
	CHECK(ReadFile(from, buffer, 16, &n, &ov)); /* what ends at once is told, too */
	take(port, TRUE, 0xabc, &ov, 5);

	/* the lowest bit of the event: no packet */
	quiet.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	quiet.hEvent = (HANDLE)((ULONG_PTR)quiet.hEvent | 1);
	CHECK(WriteFile(to, "quiet", 5, &n, NULL));
	CHECK(ReadFile(from, buffer, 16, &n, &quiet));
	none(port);
	CHECK_EQ(WaitForSingleObject((HANDLE)((ULONG_PTR)quiet.hEvent & ~1ull), 0), 0);

	/* a completion routine and a port: not both */
	CHECK(!ReadFileEx(from, buffer, 16, &ov, never));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);

	/* cancelled, and still told: of the thread that asked, nothing is left */
	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	CHECK(CancelIoEx(from, &ov));
	take(port, FALSE, 0xabc, &ov, 0);
	CHECK_EQ(GetLastError(), ERROR_OPERATION_ABORTED);
	thread = CreateThread(NULL, 0, reader_that_ends, from, 0, NULL);
	CHECK_EQ(WaitForSingleObject(thread, 5000), 0);
	none(port);
	CHECK(WriteFile(to, "late", 4, &n, NULL));
	take(port, TRUE, 0xabc, &ended_ov, 4);

	CHECK(SetFileCompletionNotificationModes(from, FILE_SKIP_COMPLETION_PORT_ON_SUCCESS));
	CHECK(WriteFile(to, "skip", 4, &n, NULL));
	CHECK(ReadFile(from, buffer, 16, &n, &ov));
	none(port);
	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	CloseHandle(to);
	take(port, FALSE, 0xabc, &ov, 0);
	CHECK_EQ(GetLastError(), ERROR_BROKEN_PIPE);
	CHECK(
	    !ReadFile(from, buffer, 16, &n, &ov)); /* an error at once is told by the call alone */
	CHECK_EQ(GetLastError(), ERROR_BROKEN_PIPE);
	none(port);
	CloseHandle(from);
	CloseHandle(port);
	CloseHandle(other);
}

static void disk_file(void)
{
	char folder[MAX_PATH], name[MAX_PATH];
	HANDLE port, h;
	OVERLAPPED ov = {.Offset = 3}, end = {.Offset = 100};
	DWORD n;

	GetTempPathA(sizeof(folder), folder);
	GetTempFileNameA(folder, "prt", 0, name);
	h = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS,
			FILE_FLAG_OVERLAPPED, NULL);
	port = CreateIoCompletionPort(h, NULL, 4, 0);
	CHECK(port != NULL);
	CHECK(WriteFile(h, "abcdef", 6, NULL, &ov) || GetLastError() == ERROR_IO_PENDING);
	take(port, TRUE, 4, &ov, 6);
	CHECK(ReadFile(h, buffer, 16, NULL, &ov) || GetLastError() == ERROR_IO_PENDING);
	take(port, TRUE, 4, &ov, 6);
	CHECK(!memcmp(buffer, "abcdef", 6));
	SetLastError(0);
	CHECK(!ReadFile(h, buffer, 16, &n, &end));
	CHECK_EQ(GetLastError(), ERROR_HANDLE_EOF);
	none(port);
	CloseHandle(h);
	CloseHandle(port);
	DeleteFileA(name);
}

/* ---- writes that wait ---- */

static void full_pipe(void)
{
	static char data[5000], got[5000];
	OVERLAPPED first = {0}, second = {0}, third = {0};
	HANDLE from, to;
	DWORD n, total = 0;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (char)(i * 7);
	pipe_pair(&from, &to, FILE_FLAG_OVERLAPPED);
	first.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	second.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	third.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	CHECK_PENDING(WriteFile(to, data, 4000, NULL, &first)); /* more than fits */
	CHECK_PENDING(WriteFile(to, data + 4000, 1000, NULL, &second));
	memset(data, 0, sizeof(data)); /* it has been taken by the call */
	CHECK_EQ(WaitForSingleObject(first.hEvent, 20), WAIT_TIMEOUT);
	while (total < sizeof(got)) {
		OVERLAPPED ov = {0};

		if (!ReadFile(from, got + total, 700, &n, &ov))
			CHECK(GetOverlappedResult(from, &ov, &n, TRUE));
		total += n;
	}
	CHECK(GetOverlappedResult(to, &first, &n, TRUE) && n == 4000);
	CHECK(GetOverlappedResult(to, &second, &n, TRUE) && n == 1000);
	CHECK_EQ(total, sizeof(got));
	for (unsigned i = 0; i < sizeof(got); i++)
		if (got[i] != (char)(i * 7)) {
			CHECK(!"data in order");
			break;
		}
	CHECK_PENDING(WriteFile(to, data, 4000, NULL, &first));
	CHECK_PENDING(WriteFile(to, data, 10, NULL, &second));
	CHECK(CancelIoEx(to, &first));
	CHECK(!GetOverlappedResult(to, &first, &n, TRUE));
	CHECK_EQ(GetLastError(), ERROR_OPERATION_ABORTED);
	CHECK_PENDING(WriteFile(to, data, 4000, NULL, &third));
	CloseHandle(from);
	CHECK(!GetOverlappedResult(to, &third, &n, TRUE));
	CHECK_EQ(GetLastError(), ERROR_NO_DATA);
	CloseHandle(to);
}

/* ---- jobs ---- */

static void job(const char *self)
{
	JOBOBJECT_ASSOCIATE_COMPLETION_PORT a = {(void *)0x77, new_port()};
	HANDLE h = CreateJobObjectA(NULL, NULL);
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	char line[MAX_PATH + 16];
	OVERLAPPED *pid;

	CHECK(
	    SetInformationJobObject(h, JobObjectAssociateCompletionPortInformation, &a, sizeof(a)));
	CHECK(!SetInformationJobObject(h, JobObjectAssociateCompletionPortInformation, &a,
				       sizeof(a)));
	for (int abnormal = 0; abnormal < 2; abnormal++) {
		snprintf(line, sizeof(line), "\"%s\" %s", self, abnormal ? "crash" : "end");
		CHECK(CreateProcessA(NULL, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL,
				     &si, &pi));
		CHECK(AssignProcessToJobObject(h, pi.hProcess));
		pid = (OVERLAPPED *)(ULONG_PTR)pi.dwProcessId;
		take(a.CompletionPort, TRUE, 0x77, pid, JOB_OBJECT_MSG_NEW_PROCESS);
		none(a.CompletionPort);
		ResumeThread(pi.hThread);
		take(a.CompletionPort, TRUE, 0x77, pid,
		     abnormal ? JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS : JOB_OBJECT_MSG_EXIT_PROCESS);
		take(a.CompletionPort, TRUE, 0x77, NULL, JOB_OBJECT_MSG_ACTIVE_PROCESS_ZERO);
		CloseHandle(pi.hProcess);
		CloseHandle(pi.hThread);
	}
	CloseHandle(h);
	CloseHandle(a.CompletionPort);
}

/* ---- the thread pool ---- */

static HANDLE called;
static volatile LONG bytes_told, error_told;

static void WINAPI bound(DWORD error, DWORD bytes, OVERLAPPED *ov)
{
	(void)ov;
	error_told = (LONG)error;
	bytes_told = (LONG)bytes;
	SetEvent(called);
}

static void CALLBACK pool_io(PTP_CALLBACK_INSTANCE instance, void *context, void *ov, ULONG result,
			     ULONG_PTR bytes, PTP_IO io)
{
	(void)instance;
	(void)ov;
	(void)io;
	error_told = (LONG)result;
	bytes_told = (LONG)bytes;
	InterlockedIncrement(context);
}

static void pool(void)
{
	OVERLAPPED ov = {0};
	LONG calls = 0;
	HANDLE from, to;
	PTP_IO io;
	DWORD n;

	called = CreateEventA(NULL, FALSE, FALSE, NULL);
	pipe_pair(&from, &to, 0);
	CHECK(BindIoCompletionCallback(from, bound, 0));
	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	CHECK(WriteFile(to, "abc", 3, &n, NULL));
	CHECK_EQ(WaitForSingleObject(called, 5000), 0);
	CHECK_EQ(bytes_told, 3);
	CHECK_EQ(error_told, 0);
	CloseHandle(from);
	CloseHandle(to);

	pipe_pair(&from, &to, 0);
	io = CreateThreadpoolIo(from, pool_io, &calls, NULL);
	CHECK(io != NULL);
	StartThreadpoolIo(io);
	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	CHECK(WriteFile(to, "abcd", 4, &n, NULL));
	WaitForThreadpoolIoCallbacks(io, FALSE);
	CHECK_EQ(calls, 1);
	CHECK_EQ(bytes_told, 4);
	StartThreadpoolIo(io);
	CHECK_PENDING(ReadFile(from, buffer, 16, NULL, &ov));
	CloseHandle(to);
	WaitForThreadpoolIoCallbacks(io, FALSE);
	CHECK_EQ(calls, 2);
	CHECK_EQ(error_told, ERROR_BROKEN_PIPE);
	StartThreadpoolIo(io);
	CancelThreadpoolIo(io); /* the request could not be made */
	WaitForThreadpoolIoCallbacks(io, FALSE);
	CloseThreadpoolIo(io);
	CloseHandle(from);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "crash"))
		TerminateProcess(GetCurrentProcess(), EXCEPTION_ACCESS_VIOLATION);
	if (argc > 1)
		return 0;
	posting();
	waiting();
	files();
	disk_file();
	full_pipe();
	job(argv[0]);
	pool();
	return checks_end();
}
