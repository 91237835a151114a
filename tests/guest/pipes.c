/*
 * Anonymous and named pipes between threads: blocking, byte order, ends that go, messages, several
 * clients one after the other.
 */
#include <string.h>

#include "tests/guest/check.h"

#define TOTAL 500000u
#define NAME  "\\\\.\\pipe\\ntmm test pipe"

static unsigned char byte_at(unsigned i)
{
	return (unsigned char)(i * 7 + (i >> 8) * 3);
}

static DWORD WINAPI feed(LPVOID arg)
{
	HANDLE h = arg;
	unsigned char buffer[9000];
	DWORD n;

	for (unsigned at = 0; at < TOTAL;) {
		unsigned part = 1 + at * 2654435761u % (sizeof(buffer) - 1);

		if (part > TOTAL - at)
			part = TOTAL - at;
		for (unsigned i = 0; i < part; i++)
			buffer[i] = byte_at(at + i);
		if (!WriteFile(h, buffer, part, &n, NULL) || n != part)
			return 1;
		at += part;
	}
	CloseHandle(h);
	return 0;
}

static void anonymous(void)
{
	unsigned char buffer[7000];
	HANDLE in, out, thread;
	DWORD n, available, code;
	unsigned at = 0, wrong = 0;

	CHECK(CreatePipe(&in, &out, NULL, 0));
	CHECK_EQ(GetFileType(in), FILE_TYPE_PIPE);
	CHECK(PeekNamedPipe(in, NULL, 0, NULL, &available, NULL));
	CHECK_EQ(available, 0);
	CHECK(WriteFile(out, "hello", 5, &n, NULL));
	CHECK(PeekNamedPipe(in, buffer, 2, &n, &available, NULL));
	CHECK(n == 2 && available == 5 && memcmp(buffer, "he", 2) == 0);
	CHECK(ReadFile(in, buffer, 100, &n, NULL));
	CHECK(n == 5 && memcmp(buffer, "hello", 5) == 0);
	CHECK(!WriteFile(in, "x", 1, &n, NULL));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	thread = CreateThread(NULL, 0, feed, out, 0, NULL);
	while (ReadFile(in, buffer, 1 + at % sizeof(buffer), &n, NULL))
		for (unsigned i = 0; i < n; i++)
			wrong += buffer[i] != byte_at(at++);
	CHECK_EQ(GetLastError(), ERROR_BROKEN_PIPE);
	CHECK_EQ(at, TOTAL);
	CHECK_EQ(wrong, 0);
	WaitForSingleObject(thread, INFINITE);
	CHECK(GetExitCodeThread(thread, &code));
	CHECK_EQ(code, 0);
	CloseHandle(thread);
	CloseHandle(in);
	CHECK(CreatePipe(&in, &out, NULL, 0));
	CloseHandle(in);
	CHECK(!WriteFile(out, "x", 1, &n, NULL));
	CHECK_EQ(GetLastError(), ERROR_NO_DATA);
	CloseHandle(out);
}

#define CLIENTS 3

/* Answers every message with the same in capitals. */
static DWORD WINAPI serve(LPVOID arg)
{
	HANDLE h = arg;
	char buffer[100];
	DWORD n;

	for (unsigned i = 0; i < CLIENTS; i++) {
		if (!ConnectNamedPipe(h, NULL) && GetLastError() != ERROR_PIPE_CONNECTED)
			return 1;
		while (ReadFile(h, buffer, sizeof(buffer), &n, NULL)) {
			for (DWORD k = 0; k < n; k++)
				if (buffer[k] >= 'a' && buffer[k] <= 'z')
					buffer[k] -= 32;
			if (!WriteFile(h, buffer, n, &n, NULL))
				return 2;
		}
		if (GetLastError() != ERROR_BROKEN_PIPE)
			return 3;
		DisconnectNamedPipe(h);
	}
	CloseHandle(h);
	return 0;
}

static void named(void)
{
	DWORD mode = PIPE_READMODE_MESSAGE, n, code;
	HANDLE server, client, thread;
	char buffer[100];

	CHECK(CreateFileA(NAME, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) ==
	      INVALID_HANDLE_VALUE);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	server = CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX,
				  PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE | PIPE_WAIT, 1, 4096,
				  4096, 0, NULL);
	CHECK(server != INVALID_HANDLE_VALUE);
	CHECK(CreateNamedPipeA(NAME, PIPE_ACCESS_DUPLEX, PIPE_TYPE_MESSAGE, 1, 0, 0, 0, NULL) ==
	      INVALID_HANDLE_VALUE);
	CHECK_EQ(GetLastError(), ERROR_PIPE_BUSY);
	thread = CreateThread(NULL, 0, serve, server, 0, NULL);
	for (unsigned i = 0; i < CLIENTS; i++) {
		CHECK(WaitNamedPipeA(NAME, 5000));
		client = CreateFileA(NAME, GENERIC_READ | GENERIC_WRITE, 0, NULL, OPEN_EXISTING, 0,
				     NULL);
		CHECK(client != INVALID_HANDLE_VALUE);
		CHECK(CreateFileA(NAME, GENERIC_READ, 0, NULL, OPEN_EXISTING, 0, NULL) ==
		      INVALID_HANDLE_VALUE);
		CHECK_EQ(GetLastError(), ERROR_PIPE_BUSY);
		CHECK(SetNamedPipeHandleState(client, &mode, NULL, NULL));
		CHECK(WriteFile(client, "first", 5, &n, NULL));
		CHECK(WriteFile(client, "second message", 14, &n, NULL));
		CHECK(ReadFile(client, buffer, sizeof(buffer), &n, NULL));
		CHECK(n == 5 && memcmp(buffer, "FIRST", 5) == 0);
		CHECK(!ReadFile(client, buffer, 6, &n, NULL));
		CHECK_EQ(GetLastError(), ERROR_MORE_DATA);
		CHECK(n == 6 && memcmp(buffer, "SECOND", 6) == 0);
		CHECK(ReadFile(client, buffer, sizeof(buffer), &n, NULL));
		CHECK(n == 8 && memcmp(buffer, " MESSAGE", 8) == 0);
		CloseHandle(client);
	}
	WaitForSingleObject(thread, INFINITE);
	CHECK(GetExitCodeThread(thread, &code));
	CHECK_EQ(code, 0);
	CloseHandle(thread);
}

int main(void)
{
	anonymous();
	named();
	return checks_end();
}
