/*
 * bench.exe: what memory operations of the guest cost, in ticks (see bench.h).
 *
 *   bench micro [NAME...]   the rows below
 *   bench page MB           the paging phases over MB megabytes
 *   bench clusters N        one phase: N clusters of 64 KB are read back from the pagefile
 *   bench levels            phases of what a level of protection can make dearer
 *   bench counters          the kernel's counters, "counter NAME VALUE"
 *   bench null              ends at once
 */
#include <windows.h>

#include "guest/abi/counters.h"
#include "tests/bench/bench.h"

#define DEBUG_COUNTERS	     0x1001
#define DEBUG_TRIM	     0x1003
#define DEBUG_FLUSH_MODIFIED 0x1004
#define DEBUG_PURGE_STANDBY  0x1005
#define DEBUG_NULL	     0x1006

#define ZERO_SPARE 64  /* zeroed frames that page tables may take */
#define WARM_SPARE 300 /* frames that stay free, so that nothing is trimmed */

NTSYSAPI LONG NTAPI NtSystemDebugControl(ULONG command, void *in, ULONG in_bytes, void *out,
					 ULONG out_bytes, ULONG *returned);

static LONG debug(ULONG command)
{
	return NtSystemDebugControl(command, NULL, 0, NULL, 0, NULL);
}

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c = {0};
	ULONG returned;

	NtSystemDebugControl(DEBUG_COUNTERS, NULL, 0, &c, sizeof(c), &returned);
	return c;
}

static char *commit(unsigned pages)
{
	return VirtualAlloc(NULL, (size_t)pages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
}

static void release(void *at)
{
	VirtualFree(at, 0, MEM_RELEASE);
}

/* Every frame is used once, so that the host has given it memory before anything is timed. */
static void warm_up(void)
{
	struct ntmm_counters c = counters();
	uint64_t frames = c.list_free + c.list_zeroed;
	char *at = frames > WARM_SPARE ? commit((unsigned)frames - WARM_SPARE) : NULL;

	if (at) {
		touch_write(at, (unsigned)frames - WARM_SPARE);
		release(at);
	}
}

/* ---- calls ---- */

static uint64_t null_call(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++)
		NtSystemDebugControl(DEBUG_NULL, NULL, 0, NULL, 0, NULL);
	return ticks() - start;
}

static uint64_t commit_decommit(unsigned n)
{
	char *at = VirtualAlloc(NULL, 1 << 20, MEM_RESERVE, PAGE_NOACCESS);
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		if (!VirtualAlloc(at + PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE) ||
		    !VirtualFree(at + PAGE, PAGE, MEM_DECOMMIT))
			return UNABLE;
	}
	start = ticks() - start;
	release(at);
	return start;
}

static uint64_t reserve_release(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++)
		release(commit(16));
	return ticks() - start;
}

static uint64_t protect(unsigned n)
{
	char *at = commit(16);
	uint64_t start;
	DWORD old;

	touch_write(at, 16);
	start = ticks();
	for (unsigned i = 0; i < n; i++)
		if (!VirtualProtect(at + PAGE, PAGE, i & 1 ? PAGE_READWRITE : PAGE_READONLY, &old))
			return UNABLE;
	start = ticks() - start;
	release(at);
	return start;
}

static uint64_t query(unsigned n)
{
	char *at = commit(16);
	MEMORY_BASIC_INFORMATION info;
	uint64_t start;

	touch_write(at, 16);
	start = ticks();
	for (unsigned i = 0; i < n; i++)
		if (VirtualQuery(at, &info, sizeof(info)) != sizeof(info))
			return UNABLE;
	start = ticks() - start;
	release(at);
	return start;
}

static uint64_t map_unmap(unsigned n)
{
	HANDLE section =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 16 * PAGE, NULL);
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		void *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);

		if (!view || !UnmapViewOfFile(view))
			return UNABLE;
	}
	start = ticks() - start;
	CloseHandle(section);
	return start;
}

static uint64_t load_library(unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		HMODULE library = LoadLibraryA("tiny.dll");

		if (!library || !FreeLibrary(library))
			return UNABLE;
	}
	return ticks() - start;
}

/* ---- faults ---- */

static uint64_t demand_zero_ready(unsigned n)
{
	char *at = commit(n);
	uint64_t took;

	for (int i = 0; counters().list_zeroed < n + ZERO_SPARE; i++) {
		if (i == 100)
			return UNABLE;
		Sleep(20); /* lets the zero-page thread work */
	}
	took = time_write(at, n);
	release(at);
	return took;
}

/* Frames just freed are not zeroed yet; the zeroed ones are taken before. */
static uint64_t demand_zero_dirty(unsigned n)
{
	unsigned zeroed = (unsigned)counters().list_zeroed + 1;
	char *at = commit(zeroed + n), *again = commit(n);
	uint64_t took;

	if (!at || !again)
		return UNABLE;
	touch_write(at, zeroed + n);
	VirtualFree(at, (size_t)n * PAGE, MEM_DECOMMIT);
	took = counters().list_zeroed ? UNABLE : time_write(again, n);
	release(at);
	release(again);
	return took;
}

static uint64_t soft_fault(unsigned n)
{
	char *at = commit(n);
	uint64_t took;

	touch_write(at, n);
	if (debug(DEBUG_TRIM))
		return UNABLE;
	touch_write(at, 1);
	took = time_write(at + PAGE, n - 1);
	release(at);
	return took * n / (n - 1);
}

/* Pages of one section in two views, all resident through the first. */
static uint64_t on_views(unsigned n, DWORD access, uint64_t (*timed)(volatile char *, unsigned))
{
	HANDLE section =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, n * PAGE, NULL);
	char *first = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
	char *second = MapViewOfFile(section, access, 0, 0, 0);
	uint64_t took;

	if (!first || !second)
		return UNABLE;
	touch_write(first, n);
	took = timed(second, n);
	UnmapViewOfFile(second);
	UnmapViewOfFile(first);
	CloseHandle(section);
	return took;
}

static uint64_t timed_read(volatile char *at, unsigned pages)
{
	return time_read(at, pages);
}

static uint64_t timed_copy(volatile char *at, unsigned pages)
{
	touch_read(at, pages);
	return time_write(at, pages);
}

static uint64_t shared_soft(unsigned n)
{
	return on_views(n, FILE_MAP_READ, timed_read);
}

static uint64_t copy_on_write(unsigned n)
{
	return on_views(n, FILE_MAP_COPY, timed_copy);
}

/* ---- exceptions ---- */

static volatile unsigned guards_hit;

static LONG CALLBACK on_guard(EXCEPTION_POINTERS *info)
{
	if (info->ExceptionRecord->ExceptionCode != STATUS_GUARD_PAGE_VIOLATION)
		return EXCEPTION_CONTINUE_SEARCH;
	guards_hit++;
	return EXCEPTION_CONTINUE_EXECUTION;
}

/* With the call that sets the guard; without a hit the second call takes it off again. */
static uint64_t guard_cycle(char *at, unsigned n, int hit)
{
	uint64_t start = ticks();
	DWORD old;

	for (unsigned i = 0; i < n; i++) {
		VirtualProtect(at, PAGE, PAGE_READWRITE | PAGE_GUARD, &old);
		if (hit)
			*(volatile char *)at = 1;
		else
			VirtualProtect(at, PAGE, PAGE_READWRITE, &old);
	}
	return ticks() - start;
}

static uint64_t guard_exception(unsigned n)
{
	char *at = commit(1);
	void *handler = AddVectoredExceptionHandler(1, on_guard);
	uint64_t with, without;

	touch_write(at, 1);
	guards_hit = 0;
	with = guard_cycle(at, n, 1);
	without = guard_cycle(at, n, 0) / 2;
	RemoveVectoredExceptionHandler(handler);
	release(at);
	return guards_hit == n ? with - without : UNABLE;
}

/* ---- threads and processes ---- */

static HANDLE ping, pong;

static DWORD CALLBACK answer(void *rounds)
{
	for (uintptr_t i = (uintptr_t)rounds; i; i--) {
		WaitForSingleObject(ping, INFINITE);
		SetEvent(pong);
	}
	return 0;
}

/* n switches: half as many rounds of two threads, less the same calls without a switch. */
static uint64_t context_switch(unsigned n)
{
	uint64_t with, without;
	HANDLE thread;

	ping = CreateEventA(NULL, FALSE, FALSE, NULL);
	pong = CreateEventA(NULL, FALSE, FALSE, NULL);
	thread = CreateThread(NULL, 0, answer, (void *)(uintptr_t)(n / 2 + 1), 0, NULL);
	SetEvent(ping);
	WaitForSingleObject(pong, INFINITE);
	with = ticks();
	for (unsigned i = 0; i < n / 2; i++) {
		SetEvent(ping);
		WaitForSingleObject(pong, INFINITE);
	}
	with = ticks() - with;
	WaitForSingleObject(thread, INFINITE);
	without = ticks();
	for (unsigned i = 0; i < n; i++) {
		SetEvent(ping);
		WaitForSingleObject(ping, INFINITE);
	}
	without = ticks() - without;
	CloseHandle(thread);
	CloseHandle(ping);
	CloseHandle(pong);
	return with - without;
}

static uint64_t run_program(const char *command, unsigned n)
{
	uint64_t start = ticks();

	for (unsigned i = 0; i < n; i++) {
		STARTUPINFOA startup = {.cb = sizeof(startup)};
		PROCESS_INFORMATION process;
		char line[64];
		DWORD code;

		strcpy(line, command);
		if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &startup,
				    &process))
			return UNABLE;
		WaitForSingleObject(process.hProcess, INFINITE);
		GetExitCodeProcess(process.hProcess, &code);
		CloseHandle(process.hThread);
		CloseHandle(process.hProcess);
		if (code)
			return UNABLE;
	}
	return ticks() - start;
}

static uint64_t process(unsigned n)
{
	return run_program("null.exe", n);
}

static uint64_t c_program(unsigned n)
{
	return run_program("bench.exe null", n);
}

static const struct op ops[] = {
    {"null_call", null_call, 200, 9},
    {"demand_zero", demand_zero_ready, 256, 5},
    {"demand_zero_dirty", demand_zero_dirty, 128, 5},
    {"soft_fault", soft_fault, 128, 9},
    {"commit_decommit", commit_decommit, 50, 9},
    {"reserve_release", reserve_release, 50, 9},
    {"protect", protect, 100, 9},
    {"query", query, 100, 9},
    {"guard_exception", guard_exception, 50, 9},
    {"context_switch", context_switch, 50, 9},
    {"map_unmap", map_unmap, 50, 9},
    {"shared_soft", shared_soft, 128, 9},
    {"copy_on_write", copy_on_write, 128, 9},
    {"process", process, 4, 7},
    {"c_program", c_program, 4, 7},
    {"load_library", load_library, 10, 9},
};

/* ---- the rest ---- */

static int page(unsigned mb)
{
	char *at = commit(mb * 256);

	if (!at)
		return 1;
	paging_phases(at, mb * 256);
	return 0;
}

static int clusters(unsigned n)
{
	char *at = commit(n * 16);

	if (!at)
		return 1;
	touch_write(at, n * 16);
	if (debug(DEBUG_TRIM) || debug(DEBUG_FLUSH_MODIFIED) || debug(DEBUG_PURGE_STANDBY))
		return 1;
	phase_begin("cluster");
	touch_read(at, n * 16);
	phase_end(n);
	return 0;
}

#define LEVEL_FAULTS	2048u
#define LEVEL_SWITCHES	2000u
#define LEVEL_PROCESSES 16u

/* Whole operations, whatever they lead to: their calls, page tables and exits are in the figures.
 */
static int levels(void)
{
	char *at = commit(LEVEL_FAULTS);
	HANDLE thread;

	if (!at || run_program("null.exe", 2) == UNABLE)
		return 1;
	phase_begin("fault");
	touch_write(at, LEVEL_FAULTS);
	phase_end(LEVEL_FAULTS);
	release(at);

	ping = CreateEventA(NULL, FALSE, FALSE, NULL);
	pong = CreateEventA(NULL, FALSE, FALSE, NULL);
	thread = CreateThread(NULL, 0, answer, (void *)(uintptr_t)(LEVEL_SWITCHES / 2), 0, NULL);
	phase_begin("switch");
	for (unsigned i = 0; i < LEVEL_SWITCHES / 2; i++) {
		SetEvent(ping);
		WaitForSingleObject(pong, INFINITE);
	}
	phase_end(LEVEL_SWITCHES);
	WaitForSingleObject(thread, INFINITE);

	phase_begin("process");
	if (run_program("null.exe", LEVEL_PROCESSES) == UNABLE)
		return 1;
	phase_end(LEVEL_PROCESSES);
	return 0;
}

static int print_counters(void)
{
	struct ntmm_counters c = counters();

#define PRINT(name, text) printf("counter %s %llu\n", #name, (unsigned long long)c.name);
	NTMM_COUNTERS(PRINT)
	return c.magic != NTMM_COUNTERS_MAGIC;
}

int main(int argc, char **argv)
{
	const char *mode = argc > 1 ? argv[1] : "";
	unsigned n = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 0;

	if (strcmp(mode, "null") == 0)
		return 0;
	warm_up();
	if (strcmp(mode, "micro") == 0)
		return measure_all(ops, sizeof(ops) / sizeof(ops[0]), argc - 2, argv + 2);
	if (strcmp(mode, "page") == 0 && n)
		return page(n);
	if (strcmp(mode, "clusters") == 0)
		return clusters(n);
	if (strcmp(mode, "levels") == 0)
		return levels();
	if (strcmp(mode, "counters") == 0)
		return print_counters();
	printf("usage: bench micro [NAME...] | page MB | clusters N | levels | counters | null\n");
	return 2;
}
