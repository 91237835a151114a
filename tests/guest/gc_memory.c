/*
 * What the managed heap does with the system's memory: one reservation, committed in pieces, given
 * back page by page; and what the system tells it: that memory is low.
 */
#include "tests/guest/check.h"
#include <psapi.h>
#include "tests/guest/gc/types.h"

static void *slot[4];

static MEMORY_BASIC_INFORMATION about(const void *p)
{
	MEMORY_BASIC_INFORMATION m = {0};

	CHECK_EQ(VirtualQuery(p, &m, sizeof(m)), sizeof(m));
	return m;
}

static size_t commit_charge(void)
{
	PROCESS_MEMORY_COUNTERS c = {.cb = sizeof(c)};

	CHECK(GetProcessMemoryInfo(GetCurrentProcess(), &c, sizeof(c)));
	return c.PagefileUsage;
}

static size_t reservation_of(const void *p)
{
	char *base = about(p).AllocationBase, *at = base;

	for (MEMORY_BASIC_INFORMATION m = about(at); m.AllocationBase == base; m = about(at))
		at = (char *)m.BaseAddress + m.RegionSize;
	return (size_t)(at - base);
}

static void one_range(void)
{
	MEMORY_BASIC_INFORMATION node, array;

	slot[0] = GC_Alloc(&node_type);
	slot[1] = GC_AllocateArray(&bytes_type, 100000, false);
	node = about(slot[0]);
	array = about(slot[1]);
	CHECK_EQ(node.AllocationBase, array.AllocationBase);
	CHECK_EQ(node.State, MEM_COMMIT);
	CHECK_EQ(array.State, MEM_COMMIT);
	CHECK_EQ(node.Protect, PAGE_READWRITE);
	CHECK(reservation_of(slot[0]) >= (size_t)256 << 30);
	CHECK(node.RegionSize < 1 << 20); /* not all of a region */
}

static void given_back(void)
{
	size_t before = commit_charge();
	char *inside;

	slot[1] = GC_AllocateArray(&bytes_type, 40 << 20, false);
	CHECK(slot[1] != NULL);
	inside = (char *)slot[1] + (20 << 20);
	CHECK_EQ(about(inside).State, MEM_COMMIT);
	CHECK(commit_charge() >= before + (40 << 20));
	slot[1] = NULL;
	collect(2);
	CHECK_EQ(about(inside).State, MEM_RESERVE);
	CHECK(commit_charge() < before + (1 << 20));

	/* what dead small objects have left, once no empty region is kept for later */
	slot[1] = GC_AllocateArray(&refs_type, 300, true);
	for (int i = 0; i < 300; i++)
		put(&slot[1], i, GC_AllocateArray(&bytes_type, 10000, false));
	collect_compacting(2);
	collect_compacting(2);
	inside = *element_of(slot[1], 299);
	CHECK_EQ(GC_GetGeneration(inside), 2);
	CHECK_EQ(about(inside).State, MEM_COMMIT);
	for (int i = 100; i < 300; i++)
		*element_of(slot[1], i) = NULL;
	before = commit_charge();
	CHECK_EQ(GC_Collect(2, GCCollectionMode_Aggressive, true, true), GC_OK);
	CHECK_EQ(about(inside).State, MEM_RESERVE);
	CHECK_EQ(about(*element_of(slot[1], 99)).State, MEM_COMMIT);
	CHECK(commit_charge() < before - (1 << 20));
	slot[1] = NULL;
}

/* Garbage that no collection has been worth yet, and then a machine that runs short. */
static void low_memory(size_t hog_mb)
{
	GCMemoryInfo before, now;
	DWORD start = GetTickCount();
	volatile char *hog;

	for (int i = 0; i < 40; i++)
		GC_AllocateArray(&bytes_type, 50000, false);
	GC_GetGCMemoryInfo(&before);
	CHECK_EQ(before.low_memory, 0);
	hog = VirtualAlloc(NULL, hog_mb << 20, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(hog != NULL);
	if (!hog)
		return;
	do {
		for (size_t at = 0; at < hog_mb << 20; at += 4096) {
			hog[at]++;
			if (at % (1 << 20) == 0)
				GC_SafePoint();
		}
		GC_GetGCMemoryInfo(&now);
	} while (!now.low_memory && GetTickCount() - start < 60000);
	CHECK(now.low_memory > 0);
	CHECK(now.committed < before.committed);
	CHECK(now.heap_size < before.heap_size);
	VirtualFree((void *)hog, 0, MEM_RELEASE);
}

int main(int argc, char **argv)
{
	GCConfig config = {.gen0_size = 4 << 20, .verify = true};
	GCFrame frame;

	CHECK_EQ(GC_Initialize(&config), GC_OK);
	GCFrame_Push(&frame, slot, 4, false);
	one_range();
	given_back();
	low_memory(argc > 1 ? strtoul(argv[1], NULL, 0) : 96);
	CHECK(GC_VerifyHeap() == NULL);
	GCFrame_Pop(&frame);
	GC_Shutdown();
	return checks_end();
}
