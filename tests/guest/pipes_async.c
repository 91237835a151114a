/*
 * Pipes on overlapped handles: a connect and a read that must wait answer ERROR_IO_PENDING and end
 * later, with event, completion routine and GetOverlappedResult; cancelling; closing; the write
 * watch of a buffer that is being read into.
 */
#include <string.h>
#include "tests/guest/vm.h"

#define NAME "\\\\.\\pipe\\pipes_async"

static HANDLE server(DWORD mode)
{
	HANDLE h = CreateNamedPipeA(NAME, FILE_FLAG_OVERLAPPED | PIPE_ACCESS_INBOUND,
				    mode | PIPE_WAIT, 1, 1024, 1024, 0, NULL);

	CHECK(h != INVALID_HANDLE_VALUE);
	return h;
}

static HANDLE client(void)
{
	HANDLE h = CreateFileA(NAME, GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0, NULL);

	CHECK(h != INVALID_HANDLE_VALUE);
	return h;
}

static void fresh(OVERLAPPED *ov)
{
	HANDLE event = ov->hEvent;

	memset(ov, 0, sizeof(*ov));
	ov->hEvent = event ? event : CreateEventA(NULL, TRUE, FALSE, NULL);
	ResetEvent(ov->hEvent);
}

#define CHECK_PENDING(call)                                 \
	do {                                                \
		SetLastError(0);                            \
		CHECK(!(call));                             \
		CHECK_EQ(GetLastError(), ERROR_IO_PENDING); \
	} while (0)

static void connect_and_read(DWORD mode)
{
	static char buffer[64];
	HANDLE from = server(mode), to;
	OVERLAPPED ov = {0};
	DWORD n = 99;

	fresh(&ov);
	CHECK_PENDING(ConnectNamedPipe(from, &ov));
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 0), WAIT_TIMEOUT);
	SetLastError(0);
	CHECK(!GetOverlappedResult(from, &ov, &n, FALSE));
	CHECK_EQ(GetLastError(), ERROR_IO_INCOMPLETE);
	to = client();
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 5000), 0);
	CHECK(GetOverlappedResult(from, &ov, &n, FALSE));
	CHECK(!ConnectNamedPipe(from, &ov));
	CHECK_EQ(GetLastError(), ERROR_PIPE_CONNECTED);

	fresh(&ov);
	CHECK_PENDING(ReadFile(from, buffer, sizeof(buffer), NULL, &ov));
	CHECK_EQ(ov.Internal, 0x103);
	CHECK(WriteFile(to, "hello", 5, &n, NULL) && n == 5);
	n = 0;
	CHECK(GetOverlappedResult(from, &ov, &n, TRUE));
	CHECK_EQ(n, 5);
	CHECK(!memcmp(buffer, "hello", 5));

	fresh(&ov); /* what is there comes at once */
	CHECK(WriteFile(to, "again", 5, &n, NULL));
	CHECK(ReadFile(from, buffer, sizeof(buffer), &n, &ov));
	CHECK_EQ(n, 5);
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 0), 0);

	fresh(&ov); /* a message longer than the buffer */
	CHECK_PENDING(ReadFile(from, buffer, 3, NULL, &ov));
	CHECK(WriteFile(to, "abcdef", 6, &n, NULL));
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 5000), 0);
	CHECK_EQ(GetOverlappedResult(from, &ov, &n, TRUE), !(mode & PIPE_READMODE_MESSAGE));
	CHECK_EQ(n, 3);
	if (mode & PIPE_READMODE_MESSAGE)
		CHECK_EQ(GetLastError(), ERROR_MORE_DATA);
	CHECK(ReadFile(from, buffer, 64, &n, &ov) && n == 3 && !memcmp(buffer, "def", 3));

	fresh(&ov); /* cancelled */
	CHECK_PENDING(ReadFile(from, buffer, 64, NULL, &ov));
	CHECK(CancelIo(from));
	CHECK(!GetOverlappedResult(from, &ov, &n, TRUE));
	CHECK_EQ(GetLastError(), ERROR_OPERATION_ABORTED);
	CHECK(!CancelIoEx(from, &ov));
	CHECK_EQ(GetLastError(), ERROR_NOT_FOUND);
	fresh(&ov);
	CHECK_PENDING(ReadFile(from, buffer, 64, NULL, &ov));
	CHECK(CancelIoEx(from, &ov));
	CHECK_EQ(WaitForSingleObject(ov.hEvent, 5000), 0);
	CHECK_EQ(ov.Internal, 0xc0000120);

	fresh(&ov); /* the other end goes */
	CHECK_PENDING(ReadFile(from, buffer, 64, NULL, &ov));
	CloseHandle(to);
	CHECK(!GetOverlappedResult(from, &ov, &n, TRUE));
	CHECK_EQ(GetLastError(), ERROR_BROKEN_PIPE);
	CloseHandle(from);
	CloseHandle(ov.hEvent);
}

static DWORD completed, completed_bytes;
static OVERLAPPED *completed_ov;

static void WINAPI completion(DWORD error, DWORD bytes, OVERLAPPED *ov)
{
	completed = error + 1;
	completed_bytes = bytes;
	completed_ov = ov;
}

static void completion_routine(void)
{
	HANDLE from = server(PIPE_TYPE_BYTE), to = client();
	OVERLAPPED ov = {0};
	char buffer[8];
	DWORD n;

	CHECK(ReadFileEx(from, buffer, sizeof(buffer), &ov, completion));
	CHECK_EQ(SleepEx(20, TRUE), 0);
	CHECK_EQ(completed, 0);
	CHECK(WriteFile(to, "xyz", 3, &n, NULL));
	CHECK_EQ(SleepEx(5000, TRUE), WAIT_IO_COMPLETION);
	CHECK_EQ(completed, 1);
	CHECK_EQ(completed_bytes, 3);
	CHECK(completed_ov == &ov);
	CloseHandle(from);
	CloseHandle(to);
}

static char *late_buffer;
static OVERLAPPED late;

static DWORD WINAPI reader_that_ends(void *pipe)
{
	CHECK_PENDING(ReadFile(pipe, late_buffer, 16, NULL, &late));
	return 0;
}

/* What a thread had under way ends with it. */
static void ended_thread(void)
{
	HANDLE from = server(PIPE_TYPE_BYTE), to = client(), t;
	char buffer[16] = {0};
	OVERLAPPED ov = {0};
	DWORD n;

	late_buffer = calloc(1, 16);
	late.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
	t = CreateThread(NULL, 0, reader_that_ends, from, 0, NULL);
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CHECK_EQ(WaitForSingleObject(late.hEvent, 5000), 0);
	CHECK_EQ(late.Internal, 0xc0000120);
	CHECK(WriteFile(to, "mine", 4, &n, NULL));
	fresh(&ov);
	CHECK(ReadFile(from, buffer, 16, &n, &ov) && n == 4);
	CHECK(!late_buffer[0]);
	CloseHandle(from);
	CloseHandle(to);
	CloseHandle(t);
}

static ULONG written(void *base, SIZE_T size, void **page)
{
	ULONG_PTR count = 64;
	ULONG granularity;

	CHECK_EQ(GetWriteWatch(WRITE_WATCH_FLAG_RESET, base, size, page, &count, &granularity), 0);
	return (ULONG)count;
}

/* The whole buffer counts as written when the read begins, what arrives once more. */
static void watched_buffer(void)
{
	char *base = VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
				  PAGE_READWRITE);
	HANDLE from = server(PIPE_TYPE_BYTE), to = client(),
	       event = CreateEventA(NULL, TRUE, FALSE, NULL);
	OVERLAPPED ov = {0}, *inside;
	void *page[64];
	DWORD n;

	fresh(&ov);
	memset(base, 0, 16 * PAGE);
	CHECK_EQ(written(base, 16 * PAGE, page), 16);
	CHECK_PENDING(ReadFile(from, base, 16 * PAGE, NULL, &ov));
	CHECK_EQ(written(base, 16 * PAGE, page), 16);
	CHECK(WriteFile(to, "data", 4, &n, NULL));
	CHECK(GetOverlappedResult(from, &ov, &n, TRUE) && n == 4);
	CHECK_EQ(written(base, 16 * PAGE, page), 1);
	CHECK(page[0] == base);

	inside = (OVERLAPPED *)(base + 16 * PAGE - sizeof(*inside));
	inside->hEvent = event;
	written(base, 16 * PAGE, page);
	CHECK_PENDING(ReadFile(from, base, 16, NULL, inside));
	CHECK_EQ(written(base, 16 * PAGE, page), 2);
	CHECK(WriteFile(to, "data", 4, &n, NULL));
	CHECK(GetOverlappedResult(from, inside, &n, TRUE) && n == 4);
	CHECK_EQ(written(base, 16 * PAGE, page), 2);
	CHECK(!ReadFile((HANDLE)0xdead, base, 16 * PAGE, &n, NULL));
	CHECK_EQ(written(base, 16 * PAGE, page), 0);
	CloseHandle(from);
	CloseHandle(to);
	VirtualFree(base, 0, MEM_RELEASE);
}

/* Files: all of the buffer, though less comes; and at the end of the file. */
static void watched_file(void)
{
	char *base = VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
				  PAGE_READWRITE);
	char folder[MAX_PATH], name[MAX_PATH];
	void *page[64];
	HANDLE h;
	DWORD n;

	GetTempPathA(sizeof(folder), folder);
	GetTempFileNameA(folder, "pip", 0, name);
	h = CreateFileA(name, GENERIC_READ | GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	CHECK(h != INVALID_HANDLE_VALUE);
	SetFilePointer(h, 2 * PAGE + 3, NULL, FILE_BEGIN);
	CHECK(SetEndOfFile(h));
	SetFilePointer(h, 0, NULL, FILE_BEGIN);
	for (int i = 0; i < 2; i++) {
		CHECK(ReadFile(h, base, 16 * PAGE, &n, NULL));
		CHECK_EQ(n, i ? 0 : 2 * PAGE + 3);
		CHECK_EQ(written(base, 16 * PAGE, page), 16);
	}
	CloseHandle(h);
	DeleteFileA(name);
	VirtualFree(base, 0, MEM_RELEASE);
}

int main(void)
{
	connect_and_read(PIPE_TYPE_BYTE);
	connect_and_read(PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE);
	completion_routine();
	ended_thread();
	watched_buffer();
	watched_file();
	return checks_end();
}
