/*
 * The random mutator of the managed heap (gc/mutator.h) in the virtual machine.
 *   gc_fuzz.exe SEED STEPS THREADS [concurrent]
 */
#include "tests/guest/check.h"
#include "tests/guest/gc/mutator.h"

static unsigned steps;
static uint64_t first_seed;

static DWORD WINAPI run(LPVOID n)
{
	uint64_t seed = first_seed + (uintptr_t)n;
	const char *wrong;

	CHECK_EQ(GCThread_Attach(), GC_OK);
	wrong = mutate(seed, steps, 100);
	if (wrong)
		printf("seed %llu: %s\n", (unsigned long long)seed, wrong);
	GCThread_Detach();
	return wrong != NULL;
}

int main(int argc, char **argv)
{
	unsigned threads = argc > 3 ? strtoul(argv[3], NULL, 0) : 1;
	GCConfig config = {.gen0_size = 1 << 18, .verify = true, .concurrent = argc > 4};
	HANDLE thread[16];
	DWORD code;

	first_seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	steps = argc > 2 ? strtoul(argv[2], NULL, 0) : 20000;
	threads = threads > 16 ? 16 : threads;
	CHECK_EQ(GC_Initialize(&config), GC_OK);
	GCThread_EnterPreemptive();
	for (unsigned i = 0; i < threads; i++)
		thread[i] = CreateThread(NULL, 0, run, (LPVOID)(uintptr_t)i, 0, NULL);
	for (unsigned i = 0; i < threads; i++) {
		CHECK_EQ(WaitForSingleObject(thread[i], INFINITE), WAIT_OBJECT_0);
		CHECK(GetExitCodeThread(thread[i], &code));
		CHECK_EQ(code, 0);
		CloseHandle(thread[i]);
	}
	GCThread_LeavePreemptive();
	CHECK(GC_CollectionCount(0) > 0);
	CHECK(GC_VerifyHeap() == NULL);
	GC_Shutdown();
	return checks_end();
}
