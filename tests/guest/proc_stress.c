/*
 * Processes that begin and end in every way at once: they return, are ended while they run, make
 * threads or allocate, before they have run, alone and by their job. What they held comes back.
 * `proc_stress ROUNDS SEED`: by 4 threads.
 */
#include "tests/guest/proc.h"
#include <psapi.h>

#define THREADS 4

/* ---- the child's side ---- */

static DWORD WINAPI touch(void *argument)
{
	char *p = VirtualAlloc(NULL, 1 << 18, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	for (unsigned i = 0; p && i < 1 << 18; i += 4096)
		p[i] = (char)(uintptr_t)argument;
	if (p)
		VirtualFree(p, 0, MEM_RELEASE);
	return 0;
}

/* Goes on until somebody ends it; but not for ever. */
static int child_busy(void)
{
	DWORD64 end = GetTickCount64() + 60000;

	while (GetTickCount64() < end) {
		HANDLE t = CreateThread(NULL, 0, touch, (void *)1, 0, NULL);

		touch((void *)2);
		if (t)
			CloseHandle(t);
	}
	return 99;
}

static int child(const char *role)
{
	if (!strcmp(role, "busy"))
		return child_busy();
	if (!strcmp(role, "touch"))
		touch((void *)3);
	return 17;
}

/* ---- the parent's ---- */

static unsigned rounds = 12, seed = 1;
static LONG failures;

static unsigned next_random(unsigned *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 16;
}

static void expect(BOOL good, const char *what)
{
	if (!good) {
		InterlockedIncrement(&failures);
		printf("%s (last error %lu)\n", what, GetLastError());
	}
}

static void returns(unsigned random)
{
	PROCESS_INFORMATION pi;

	expect(spawn(random & 1 ? "touch" : "quick", NULL, random & 2, 0, NULL, &pi), "spawn");
	expect(finish(&pi) == 17, "a child that returns");
}

static void is_ended(unsigned random)
{
	PROCESS_INFORMATION pi;

	expect(spawn("busy", NULL, FALSE, random & 1 ? CREATE_SUSPENDED : 0, NULL, &pi), "spawn");
	if (random & 2)
		Sleep(random % 40);
	expect(TerminateProcess(pi.hProcess, 23), "TerminateProcess");
	expect(finish(&pi) == 23, "a child that is ended");
}

static void ends_with_job(unsigned random)
{
	HANDLE job = CreateJobObjectA(NULL, NULL);
	PROCESS_INFORMATION pi[2];

	for (unsigned i = 0; i < 2; i++) {
		expect(spawn("busy", NULL, FALSE, CREATE_SUSPENDED, NULL, &pi[i]), "spawn");
		expect(AssignProcessToJobObject(job, pi[i].hProcess), "AssignProcessToJobObject");
		ResumeThread(pi[i].hThread);
	}
	Sleep(random % 30);
	expect(TerminateJobObject(job, 29), "TerminateJobObject");
	for (unsigned i = 0; i < 2; i++)
		expect(finish(&pi[i]) == 29, "a child that ends with its job");
	CloseHandle(job);
}

static DWORD WINAPI worker(void *argument)
{
	static void (*const ways[])(unsigned) = {returns, returns, is_ended, ends_with_job};
	unsigned state = seed * 7919 + (unsigned)(uintptr_t)argument;

	for (unsigned i = 0; i < rounds; i++)
		ways[next_random(&state) % 4](next_random(&state));
	return 0;
}

/* Pages committed by anybody but this process, whose heap may grow. */
static SIZE_T committed(void)
{
	PERFORMANCE_INFORMATION info = {.cb = sizeof(info)};
	PROCESS_MEMORY_COUNTERS_EX own = {.cb = sizeof(own)};

	CHECK(GetPerformanceInfo(&info, sizeof(info)));
	CHECK(GetProcessMemoryInfo(GetCurrentProcess(), (PROCESS_MEMORY_COUNTERS *)&own,
				   sizeof(own)));
	return info.CommitTotal - own.PrivateUsage / 4096;
}

static void all_threads(void)
{
	HANDLE t[THREADS];

	for (uintptr_t i = 0; i < THREADS; i++)
		t[i] = CreateThread(NULL, 0, worker, (void *)i, 0, NULL);
	CHECK_EQ(WaitForMultipleObjects(THREADS, t, TRUE, 600000), WAIT_OBJECT_0);
	for (unsigned i = 0; i < THREADS; i++)
		CloseHandle(t[i]);
}

int main(int argc, char **argv)
{
	SIZE_T before;

	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argv[2]);
	if (argc > 1)
		rounds = strtoul(argv[1], NULL, 10);
	if (argc > 2)
		seed = strtoul(argv[2], NULL, 10);
	all_threads();
	Sleep(200);
	before = committed();
	seed++;
	all_threads();
	Sleep(200);
	printf("%u pages committed before, %u after\n", (unsigned)before, (unsigned)committed());
	CHECK_EQ(committed(), before);
	CHECK_EQ(failures, 0);
	return checks_end();
}
