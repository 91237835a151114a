/*
 * Two threads fault in one process at once: on the same pages in the same order, and in opposite
 * order over more memory than there is, each writing words of its own in every page.
 */
#include "tests/guest/check.h"

#define PAGE 4096u

static unsigned char *region;
static size_t pages;
static volatile LONG at_start, errors;

static uint64_t word(size_t page, unsigned thread, unsigned pass)
{
	return (page + 1) * 0x9e3779b97f4a7c15ull ^ ((uint64_t)thread << 32) ^ pass;
}

/* Waits until both have come for the nth time. */
static void meet(LONG nth)
{
	InterlockedIncrement(&at_start);
	while (at_start < 2 * nth)
		SwitchToThread();
}

static DWORD WINAPI toucher(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	for (unsigned pass = 0; pass < 3; pass++) {
		meet((LONG)pass + 1);
		int backwards = pass && me;
		for (size_t i = 0; i < pages; i++) {
			size_t page = backwards ? pages - 1 - i : i;
			uint64_t *slot = (uint64_t *)(region + page * PAGE) + me * 256 + me;
			uint64_t want = pass ? word(page, me, pass - 1) : 0;
			if (*slot != want)
				InterlockedIncrement(&errors);
			*slot = word(page, me, pass);
		}
	}
	return 100 + me;
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : 16;
	SYSTEM_INFO system;
	GetSystemInfo(&system);
	pages = mb << 20 >> 12;
	region = VirtualAlloc(NULL, pages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(region != NULL);
	if (!region)
		return checks_end();
	HANDLE thread[2];
	for (uintptr_t i = 0; i < 2; i++) {
		thread[i] = CreateThread(NULL, 0, toucher, (void *)i, 0, NULL);
		CHECK(thread[i] != NULL);
	}
	CHECK_EQ(WaitForMultipleObjects(2, thread, TRUE, INFINITE), WAIT_OBJECT_0);
	for (unsigned i = 0; i < 2; i++) {
		DWORD code = 0;
		CHECK(GetExitCodeThread(thread[i], &code));
		CHECK_EQ(code, 100 + i);
		CloseHandle(thread[i]);
	}
	for (size_t page = 0; page < pages; page++)
		for (unsigned me = 0; me < 2; me++)
			if (((uint64_t *)(region + page * PAGE))[me * 256 + me] !=
			    word(page, me, 2))
				errors++;
	CHECK_EQ(errors, 0);
	printf("%lu processors, %zu MB\n", (unsigned long)system.dwNumberOfProcessors, mb);
	return checks_end();
}
