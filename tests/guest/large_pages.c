/* Large pages: what they need, that they hold data and stay, and that all memory comes back. */
#include "tests/guest/vm.h"
#include "guest/abi/counters.h"

#define LARGE_TYPE (MEM_RESERVE | MEM_COMMIT | MEM_LARGE_PAGES)

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c = {0};
	CHECK_EQ(NtSystemDebugControl(0x1001, NULL, 0, &c, sizeof(c), NULL), 0);
	return c;
}

static void check_refusals(void)
{
	LONG st;

	CHECK(!allocate_at(NULL, LARGE, LARGE_TYPE, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_PRIVILEGE_NOT_HELD);
	hold_lock_privilege(TRUE);
	CHECK(!allocate_at(NULL, LARGE, MEM_RESERVE | MEM_LARGE_PAGES, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(!allocate_at(NULL, LARGE + PAGE, LARGE_TYPE, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(!allocate_at((void *)0x40010000, LARGE, LARGE_TYPE, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(!allocate_at(NULL, LARGE, LARGE_TYPE | MEM_WRITE_WATCH, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(!allocate_at(NULL, LARGE, LARGE_TYPE, PAGE_READWRITE | PAGE_GUARD, &st));
	CHECK_EQ(st, ST_INVALID_PAGE_PROTECTION);
	/* more than there is: a status, and nothing lost */
	CHECK(!allocate_at(NULL, 1ull << 40, LARGE_TYPE, PAGE_READWRITE, &st));
	CHECK(st < 0);
}

static void check_use(void)
{
	struct ntmm_counters before = counters(), now;
	unsigned char *p = allocate(2 * LARGE, LARGE_TYPE, PAGE_READWRITE);
	ULONG_PTR *word;
	SIZE_T size;
	void *base;
	LONG st;

	CHECK(p != NULL);
	if (!p)
		return;
	word = (ULONG_PTR *)p;
	now = counters();
	CHECK_EQ(now.large_pages, before.large_pages + 2);
	CHECK(now.commit_total >= before.commit_total + 1024);
	CHECK_EQ((ULONG_PTR)p % LARGE, 0);
	for (unsigned i = 0; i < 2 * LARGE; i += PAGE)
		if (p[i] || p[i + PAGE - 1])
			CHECK_EQ(p[i], 0);
	for (unsigned i = 0; i < 2 * LARGE / sizeof(*word); i++)
		word[i] = i * 0x9e3779b97f4a7c15ull;
	now = counters();
	CHECK(now.faults_total < before.faults_total + 100); /* no fault a page */
	CHECK_EQ(resident(p + 5) & (WS_VALID | WS_LARGE), WS_VALID | WS_LARGE);
	CHECK_EQ(WS_PROTECT(resident(p)), PAGE_READWRITE);
	send_all_to_pagefile();
	CHECK_EQ(resident(p) & WS_VALID, WS_VALID);
	for (unsigned i = 0; i < 2 * LARGE / sizeof(*word); i++)
		if (word[i] != i * 0x9e3779b97f4a7c15ull) {
			CHECK_EQ(word[i], i * 0x9e3779b97f4a7c15ull);
			break;
		}
	CHECK_EQ(basic(p).RegionSize, 2 * LARGE);
	CHECK_EQ(basic(p + LARGE + PAGE).Protect, PAGE_READWRITE);
	CHECK_EQ(basic(p + LARGE + PAGE).RegionSize, LARGE - PAGE);
	/* no part of it can go or change */
	CHECK(protect_pages(p, PAGE, PAGE_READONLY) < 0);
	base = p;
	size = LARGE;
	CHECK(NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE) < 0);
	base = p;
	size = PAGE;
	CHECK(NtFreeVirtualMemory(SELF, &base, &size, MEM_DECOMMIT) < 0);
	CHECK_EQ(pfncheck_errors(), 0);
	CHECK_EQ(release(p), 0);
	CHECK(!try_read(p));
	now = counters();
	CHECK_EQ(now.large_pages, before.large_pages);
	CHECK(now.commit_total < before.commit_total + 64);

	/* the same addresses again, and with small pages */
	CHECK_EQ(allocate_at(p, LARGE, LARGE_TYPE, PAGE_READWRITE, &st), p);
	CHECK_EQ(p[12345], 0);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(allocate_at(p, LARGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, &st), p);
	CHECK(try_write(p + LARGE - 1));
	CHECK_EQ(release(p), 0);
	CHECK_EQ(allocate_at(p, LARGE, LARGE_TYPE, PAGE_READWRITE, &st), p);
	CHECK_EQ(p[LARGE - 1], 0);
	CHECK_EQ(release(p), 0);
	p = allocate(LARGE, LARGE_TYPE, PAGE_READONLY);
	CHECK(p && try_read(p) && !try_write(p) && !try_execute(p));
	CHECK_EQ(release(p), 0);
}

/* Takes all there is; the kernel says when it is enough, and everything comes back. */
static void check_exhaustion(void)
{
	struct ntmm_counters before = counters(), now;
	unsigned char *block[512];
	unsigned n = 0;
	LONG st = 0;

	while (n < 512 && (block[n] = allocate_at(NULL, LARGE, LARGE_TYPE, PAGE_READWRITE, &st))) {
		block[n][0x1234] = 1;
		n++;
	}
	printf("%u large pages at once\n", n);
	CHECK(n > 2);
	CHECK(n == 512 || st == ST_INSUFFICIENT_RESOURCES);
	CHECK_EQ(counters().large_pages, before.large_pages + n);
	while (n)
		CHECK_EQ(release(block[--n]), 0);
	now = counters();
	CHECK_EQ(now.large_pages, before.large_pages);
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_huge(void)
{
	struct {
		ULONG64 type, value;
	} huge = {5, 0x10}; /* attribute flags: MEM_EXTENDED_PARAMETER_NONPAGED_HUGE */
	SIZE_T size = LARGE;
	void *base = NULL;

	CHECK_EQ(
	    NtAllocateVirtualMemoryEx(SELF, &base, &size, LARGE_TYPE, PAGE_READWRITE, &huge, 1),
	    ST_INVALID_PARAMETER); /* not a gigabyte */
	CHECK_EQ(NtAllocateVirtualMemoryEx(SELF, &base, &size, MEM_RESERVE | MEM_COMMIT,
					   PAGE_READWRITE, &huge, 1),
		 ST_INVALID_PARAMETER);
	size = 1u << 30;
	LONG st =
	    NtAllocateVirtualMemoryEx(SELF, &base, &size, LARGE_TYPE, PAGE_READWRITE, &huge, 1);
	if (st == 0) {
		unsigned char *p = base;

		CHECK_EQ(counters().huge_pages, 1);
		CHECK_EQ((ULONG_PTR)p % size, 0);
		p[0] = 1;
		p[size - 1] = 2;
		CHECK_EQ(p[0] + p[size - 1], 3);
		CHECK_EQ(release(p), 0);
		CHECK_EQ(counters().huge_pages, 0);
		printf("huge page\n");
	} else {
		CHECK(st == ST_NOT_SUPPORTED || st == ST_INSUFFICIENT_RESOURCES ||
		      st == (LONG)0xc000012d);
		printf("no huge page: %lx\n", (unsigned long)st);
	}
}

int main(void)
{
	probes_begin();
	check_refusals();
	check_use();
	check_exhaustion();
	check_huge();
	return checks_end();
}
