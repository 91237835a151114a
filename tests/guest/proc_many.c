/*
 * Many processes of one image at once: they share its clean pages, each has its own data, and when
 * they are gone so is all they held. `proc_many N`: N children (20).
 */
#include "tests/guest/proc.h"
#include <psapi.h>
#include <winternl.h>

#define MAX_CHILDREN 64
#define CODE_PAGES   64

static char data[8 * 4096] = {1}; /* copy-on-write */

/* Pages that are only read, so that every process can have the same frames. */
static const char constant[CODE_PAGES * 4096] = {1, 2, 3};

static int child(const char *argument)
{
	unsigned me = strtoul(argument, NULL, 10), sum = 0;
	HANDLE go = OpenEventA(SYNCHRONIZE, FALSE, "ntmm-many-go");
	HANDLE here = OpenSemaphoreA(SEMAPHORE_MODIFY_STATE, FALSE, "ntmm-many-here");

	if (!go || !here)
		return 200;
	for (unsigned i = 0; i < sizeof(data); i += 4096) {
		if (data[i] != (i ? 0 : 1))
			return 201;
		data[i] = (char)me;
	}
	for (unsigned i = 0; i < sizeof(constant); i += 512)
		sum += ((volatile const char *)constant)[i];
	ReleaseSemaphore(here, 1, NULL);
	if (WaitForSingleObject(go, 120000) != WAIT_OBJECT_0)
		return 202;
	for (unsigned i = 0; i < sizeof(data); i += 4096)
		if (data[i] != (char)me)
			return 203;
	return sum == 1 ? (int)me : 204;
}

/* How many processes share a page of ours, as the working set tells (7: that many or more). */
static unsigned shared_by(const volatile void *page)
{
	PSAPI_WORKING_SET_EX_INFORMATION info = {.VirtualAddress = (void *)page};

	(void)*(const volatile char *)page;
	CHECK(QueryWorkingSetEx(GetCurrentProcess(), &info, sizeof(info)));
	CHECK(info.VirtualAttributes.Valid);
	return info.VirtualAttributes.Shared ? (unsigned)info.VirtualAttributes.ShareCount : 0;
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

static void round_of(unsigned count)
{
	HANDLE go = CreateEventA(NULL, TRUE, FALSE, "ntmm-many-go");
	HANDLE here = CreateSemaphoreA(NULL, 0, MAX_CHILDREN, "ntmm-many-here");
	PROCESS_INFORMATION pi[MAX_CHILDREN];
	PROCESS_MEMORY_COUNTERS_EX one = {.cb = sizeof(one)};
	char text[16];

	for (unsigned i = 0; i < count; i++) {
		snprintf(text, sizeof(text), "%u", i + 1);
		CHECK(spawn("many", text, FALSE, 0, NULL, &pi[i]));
	}
	for (unsigned i = 0; i < count; i++)
		CHECK_EQ(WaitForSingleObject(here, 120000), WAIT_OBJECT_0);
	CHECK(GetProcessMemoryInfo(pi[0].hProcess, (PROCESS_MEMORY_COUNTERS *)&one, sizeof(one)));
	CHECK(one.PrivateUsage && one.PrivateUsage < 16u << 20);
	if (count >= 7)
		CHECK_EQ(shared_by(constant + 4096 * 7), 7);
	CHECK(data[0] == 1 && !data[4096]); /* ours are as they were */
	SetEvent(go);
	for (unsigned i = 0; i < count; i++)
		CHECK_EQ(finish(&pi[i]), i + 1);
	CloseHandle(go);
	CloseHandle(here);
}

int main(int argc, char **argv)
{
	unsigned count = argc > 1 ? strtoul(argv[1], NULL, 10) : 20;
	SIZE_T before;

	if (argc > 3 && !strcmp(argv[1], "child"))
		return child(argv[3]);
	if (count > MAX_CHILDREN)
		return 2;
	round_of(count); /* what stays for good (images, pool) is there after this one */
	Sleep(100);
	before = committed();
	round_of(count);
	Sleep(100); /* their last frames are freed in the background */
	CHECK_EQ(committed(), before);
	printf("%u at once; %u pages committed before, %u after\n", count, (unsigned)before,
	       (unsigned)committed());
	return checks_end();
}
