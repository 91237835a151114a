/*
 * Threads of the C library: errno and rand of each its own, streams written by many at once,
 * malloc by many at once, results of _beginthreadex.
 */
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <process.h>
#include <time.h>
#include <windows.h>

enum { THREADS = 4, ROUNDS = 2000 };

static FILE *shared;

static unsigned __stdcall work(void *argument)
{
	int id = (int)(INT_PTR)argument;
	void *blocks[64] = {0};
	unsigned first[4];

	srand(id);
	for (int i = 0; i < 4; i++)
		first[i] = rand();
	for (int i = 0; i < ROUNDS; i++) {
		int slot = i * 7 % 64;

		errno = id;
		free(blocks[slot]);
		blocks[slot] = malloc(1 + (i * 31 + id) % 3000);
		if (!blocks[slot])
			return 1000;
		memset(blocks[slot], id, 1 + (i * 31 + id) % 3000);
		if ((uintptr_t)blocks[slot] % 16)
			return 1001;
		if (i % 10 == 0)
			fprintf(shared, "thread %d line %d\n", id, i);
		if (errno != id)
			return 1002;
	}
	for (int i = 0; i < 64; i++)
		free(blocks[i]);
	srand(id);
	for (int i = 0; i < 4; i++)
		if (first[i] != (unsigned)rand())
			return 1003;
	return (unsigned)id;
}

static volatile LONG plain_done;

static void __cdecl plain(void *argument)
{
	InterlockedExchange(&plain_done, (LONG)(INT_PTR)argument);
	if (argument)
		_endthread();
}

int main(void)
{
	HANDLE threads[THREADS];
	char line[64];
	int lines = 0, last[THREADS + 1] = {0};

	shared = fopen("crt_thread.tmp", "w");
	for (int i = 0; i < THREADS; i++) {
		unsigned id = 0;

		threads[i] =
		    (HANDLE)_beginthreadex(NULL, 0, work, (void *)(INT_PTR)(i + 1), 0, &id);
		CHECK(threads[i] && id);
	}
	CHECK_EQ(WaitForMultipleObjects(THREADS, threads, TRUE, 60000), WAIT_OBJECT_0);
	for (int i = 0; i < THREADS; i++) {
		DWORD code = 0;

		GetExitCodeThread(threads[i], &code);
		CHECK_EQ(code, i + 1);
		CloseHandle(threads[i]);
	}
	fclose(shared);
	/* Lines of different threads are whole. */
	shared = fopen("crt_thread.tmp", "r");
	while (fgets(line, sizeof(line), shared)) {
		int id, number;

		CHECK_EQ(sscanf(line, "thread %d line %d", &id, &number), 2);
		CHECK(id >= 1 && id <= THREADS && number >= last[id]);
		last[id] = number;
		lines++;
	}
	fclose(shared);
	CHECK_EQ(lines, THREADS * ROUNDS / 10);
	remove("crt_thread.tmp");
	CHECK(_beginthread(plain, 0, (void *)77) != (uintptr_t)-1);
	for (int i = 0; i < 500 && plain_done != 77; i++)
		Sleep(10);
	CHECK_EQ(plain_done, 77);
	return checks_end();
}
