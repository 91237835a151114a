/*
 * Every state a page table entry can be in, and each way from one to the next, driven through the
 * private commands that empty working sets, write the modified list and drop the standby list.
 * After each step: the contents, and which kind of fault the kernel counted.
 */
#include "guest/abi/counters.h"
#include "tests/guest/inject.h"

#define PAGES 40
#define PAGE  4096

static struct ntmm_counters before;

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c;
	ULONG returned;

	CHECK_EQ(NtSystemDebugControl(0x1001, NULL, 0, &c, sizeof(c), &returned), 0);
	return c;
}

static void start(void)
{
	before = counters();
}

#define COUNTED(field, least)                                \
	do {                                                 \
		struct ntmm_counters now_ = counters();      \
		CHECK(now_.field - before.field >= (least)); \
	} while (0)

/* Each fault is of one kind: one that read its page is not soft besides, one that copied neither.
 */
static void check_counted_once(void)
{
	struct ntmm_counters now = counters();
#define SINCE(field) (now.field - before.field)
	uint64_t kinds = SINCE(faults_demand_zero) - SINCE(faults_ahead) +
			 SINCE(faults_transition) + SINCE(faults_prototype) + SINCE(faults_cow) +
			 SINCE(faults_hard);

	CHECK(kinds <= SINCE(faults_total));
#undef SINCE
}

static uint64_t value(int page, int pass)
{
	return (uint64_t)page * 0x9e3779b97f4a7c15ull + (uint64_t)pass * 77;
}

static void fill(char *base, int pass)
{
	for (int i = 0; i < PAGES; i++)
		*(volatile uint64_t *)(base + i * PAGE) = value(i, pass);
}

static void verify(char *base, int pass)
{
	for (int i = 0; i < PAGES; i++)
		CHECK_EQ(*(volatile uint64_t *)(base + i * PAGE), value(i, pass));
}

static void trim(void)
{
	CHECK_EQ(debug(DEBUG_TRIM), 0);
}
static void flush(void)
{
	CHECK_EQ(debug(DEBUG_FLUSH_MODIFIED), 0);
}
static void purge(void)
{
	CHECK_EQ(debug(DEBUG_PURGE_STANDBY), 0);
}

static void check_kernel(const char *what)
{
	uint64_t errors = pfncheck_errors();

	if (errors)
		printf("after %s:\n", what);
	CHECK_EQ(errors, 0);
}

static void private_pages(void)
{
	char *p = VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	DWORD old;

	CHECK(p != NULL);
	start();
	for (int i = 0; i < PAGES; i++)
		CHECK_EQ(*(volatile uint64_t *)(p + i * PAGE), 0);
	COUNTED(faults_demand_zero, PAGES); /* zero -> valid */
	check_kernel("demand zero");

	trim(); /* valid and clean -> transition, standby */
	start();
	for (int i = 0; i < PAGES; i++)
		CHECK_EQ(*(volatile uint64_t *)(p + i * PAGE), 0);
	COUNTED(faults_transition, PAGES);
	trim();
	purge(); /* standby, never written: back to demand-zero, no slot was spent */
	check_kernel("purge of clean pages");
	start();
	fill(p, 1);
	COUNTED(faults_demand_zero, PAGES);

	trim(); /* valid and dirty -> transition, modified */
	check_kernel("trim of dirty pages");
	start();
	verify(p, 1); /* modified -> valid, still to be written */
	COUNTED(faults_transition, PAGES);

	trim();
	start();
	flush(); /* modified -> written -> standby, with a slot */
	COUNTED(pages_out, PAGES);
	check_kernel("page-out");
	start();
	verify(p, 1); /* standby -> valid; the slot stays */
	COUNTED(faults_transition, PAGES);
	check_kernel("soft fault of written pages");
	fill(p, 2); /* the copy in the pagefile is old now */
	trim();
	check_kernel("trim of pages that were written before");
	flush();
	purge(); /* standby -> pagefile */
	check_kernel("purge");
	start();
	verify(p, 2); /* pagefile -> read -> valid */
	COUNTED(pages_in, PAGES);
	COUNTED(faults_hard, 1);
	check_counted_once();
	{
		struct ntmm_counters now = counters();

		CHECK(now.reads_pagefile - before.reads_pagefile <= PAGES / 4); /* clustered */
	}
	check_kernel("page-in");

	/* protections of pages that are not there */
	trim();
	CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_READONLY, &old)); /* transition */
	verify(p, 2);
	CHECK(!try_write(p));
	flush();
	trim();
	flush();
	purge();
	CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_NOACCESS, &old)); /* pagefile */
	CHECK_EQ(old, PAGE_READONLY);
	CHECK(!try_read(p));
	CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_READWRITE, &old));
	verify(p, 2);
	CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_NOACCESS, &old)); /* valid -> transition */
	CHECK(!try_read(p));
	check_kernel("no access");
	CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_READWRITE, &old));
	verify(p, 2);

	/* decommit of pages in every state */
	for (int state = 0; state < 4; state++) {
		fill(p, 3 + state);
		if (state >= 1)
			trim();
		if (state >= 2)
			flush();
		if (state >= 3)
			purge();
		CHECK(VirtualFree(p + PAGE, (PAGES - 2) * PAGE, MEM_DECOMMIT));
		check_kernel("decommit");
		CHECK(!try_read(p + PAGE)); /* decommitted */
		CHECK_EQ(*(volatile uint64_t *)p, value(0, 3 + state));
		CHECK(VirtualAlloc(p, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE) == p);
		CHECK_EQ(*(volatile uint64_t *)(p + PAGE), 0);
		CHECK_EQ(*(volatile uint64_t *)(p + (PAGES - 1) * PAGE),
			 value(PAGES - 1, 3 + state));
	}
	/* release likewise */
	fill(p, 9);
	trim();
	flush();
	purge();
	CHECK(VirtualFree(p, 0, MEM_RELEASE));
	check_kernel("release");
}

static void guards(void)
{
	char *p = VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	DWORD old;

	for (int state = 0; state < 4; state++) {
		fill(p, state);
		if (state >= 1)
			trim();
		if (state >= 2)
			flush();
		if (state >= 3)
			purge();
		CHECK(VirtualProtect(p, PAGES * PAGE, PAGE_READWRITE | PAGE_GUARD, &old));
		check_kernel("guard");
		for (int i = 0; i < PAGES; i++) {
			CHECK(!try_read(p + i * PAGE));
			CHECK_EQ(fault.ExceptionCode, 0x80000001);
		}
		verify(p, state);
	}
	CHECK(VirtualFree(p, 0, MEM_RELEASE));
	check_kernel("guards");
}

/* Prototype PTEs: a pagefile section through two views, and copy-on-write. */
static void shared_pages(void)
{
	HANDLE s =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGES * PAGE, NULL);
	char *a = MapViewOfFile(s, FILE_MAP_WRITE, 0, 0, 0);
	char *b = MapViewOfFile(s, FILE_MAP_WRITE, 0, 0, 0);
	char *c = MapViewOfFile(s, FILE_MAP_COPY, 0, 0, 0);

	CHECK(s && a && b && c && a != b);
	if (!a || !b || !c)
		return;
	start();
	fill(a, 1);
	COUNTED(faults_demand_zero, PAGES);
	start();
	verify(b, 1);
	verify(c, 1);
	COUNTED(faults_prototype, 2 * PAGES);
	check_kernel("shared pages");
	trim();
	start();
	verify(b, 1);
	COUNTED(faults_transition, PAGES);
	for (int round = 0; round < 2; round++) {
		trim();
		flush();
		purge();
		check_kernel("shared pages in the pagefile");
		start();
		verify(round ? a : b, 1);
		COUNTED(pages_in, PAGES);
	}
	start();
	fill(c, 5); /* private copies */
	COUNTED(faults_cow, PAGES);
	check_counted_once();
	verify(a, 1);
	verify(c, 5);
	trim();
	flush();
	purge();
	verify(b, 1);
	verify(c, 5);
	check_kernel("copy on write");
	CHECK(UnmapViewOfFile(c));
	c = MapViewOfFile(s, FILE_MAP_COPY, 0, 0, 0);
	start();
	fill(c, 6); /* copied at the first touch */
	COUNTED(faults_cow, PAGES);
	check_counted_once();
	CHECK(UnmapViewOfFile(c));
	CHECK(UnmapViewOfFile(a));
	verify(b, 1);
	CHECK(UnmapViewOfFile(b));
	check_kernel("views unmapped");
	a = MapViewOfFile(s, FILE_MAP_READ, 0, 0, 0); /* the section still has it all */
	verify(a, 1);
	CHECK(UnmapViewOfFile(a));
	CHECK(CloseHandle(s));
	check_kernel("section closed");
}

int main(void)
{
	probes_begin();
	private_pages();
	guards();
	shared_pages();
	return checks_end();
}
