/* AWE: physical pages by number, windows onto them, and who may do what. */
#include "tests/guest/vm.h"

#define PAGES 64u

static ULONG_PTR page[PAGES];
static ULONG_PTR *window;

static unsigned char *make_window(SIZE_T size)
{
	return allocate(size, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE);
}

static void check_privilege(void)
{
	ULONG_PTR count = PAGES;
	LONG st;

	CHECK_EQ(NtAllocateUserPhysicalPages(SELF, &count, page), ST_PRIVILEGE_NOT_HELD);
	CHECK(!allocate_at(NULL, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_PRIVILEGE_NOT_HELD);
	hold_lock_privilege(TRUE);
	CHECK(
	    !allocate_at(NULL, PAGE, MEM_RESERVE | MEM_COMMIT | MEM_PHYSICAL, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER_5);
	CHECK(!allocate_at(NULL, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READONLY, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER_6);
}

static ULONG_PTR *at(unsigned i)
{
	return window + i * (PAGE / sizeof(ULONG_PTR));
}

static void check_windows(void)
{
	ULONG_PTR count = PAGES, three[3];
	void *where[3];

	CHECK_EQ(NtAllocateUserPhysicalPages(SELF, &count, page), 0);
	CHECK_EQ(count, PAGES);
	window = (ULONG_PTR *)make_window(PAGES * PAGE);
	CHECK(window != NULL);
	CHECK(!try_read(window)); /* nothing there yet */
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
	CHECK_EQ(NtMapUserPhysicalPages(window, PAGES, page), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		CHECK_EQ(*at(i), 0); /* zeroed */
		*at(i) = 0x1000 + i;
	}
	CHECK_EQ(resident(at(3)) & WS_VALID, WS_VALID);
	/* the window moves over the pages: page 10 is seen where page 0 was */
	CHECK_EQ(NtMapUserPhysicalPages(window, 1, NULL), 0);
	CHECK(!try_read(window));
	CHECK_EQ(NtMapUserPhysicalPages(at(10), 1, NULL), 0);
	CHECK_EQ(NtMapUserPhysicalPages(window, 1, &page[10]), 0);
	CHECK_EQ(*window, 0x1000 + 10);
	CHECK(!try_write(at(10)));
	/* mapped already, elsewhere */
	CHECK_EQ(NtMapUserPhysicalPages(at(10), 1, &page[10]), ST_INVALID_PARAMETER_3);
	CHECK(!try_read(at(10)));
	/* a failed call changes nothing: the second number is nobody's */
	three[0] = page[0];
	three[1] = ~(ULONG_PTR)0;
	CHECK_EQ(NtMapUserPhysicalPages(window, 2, three), ST_INVALID_PARAMETER_3);
	three[1] = 1; /* the kernel's */
	CHECK_EQ(NtMapUserPhysicalPages(window, 2, three), ST_INVALID_PARAMETER_3);
	three[1] = page[0]; /* named twice */
	CHECK_EQ(NtMapUserPhysicalPages(window, 2, three), ST_CONFLICTING_ADDRESSES);
	CHECK_EQ(*window, 0x1000 + 10);
	CHECK_EQ(*at(1), 0x1001);
	/* two pages change places in one call */
	three[0] = page[6];
	three[1] = page[5];
	CHECK_EQ(NtMapUserPhysicalPages(at(5), 2, three), 0);
	CHECK_EQ(*at(5), 0x1006);
	CHECK_EQ(*at(6), 0x1005);
	/* scattered; a zero number unmaps */
	where[0] = at(20);
	where[1] = at(30);
	where[2] = at(40);
	three[0] = page[40];
	three[1] = 0;
	three[2] = page[20];
	CHECK_EQ(NtMapUserPhysicalPagesScatter(where, 3, three), 0);
	CHECK_EQ(*at(20), 0x1000 + 40);
	CHECK(!try_read(at(30)));
	CHECK_EQ(*at(40), 0x1000 + 20);
	/* addresses that are no window */
	CHECK_EQ(NtMapUserPhysicalPages((char *)window + PAGES * PAGE, 1, &page[30]),
		 ST_INVALID_PARAMETER_1);
	where[1] = &page;
	CHECK_EQ(NtMapUserPhysicalPagesScatter(where, 3, NULL), ST_INVALID_PARAMETER_1);
	CHECK_EQ(*at(20), 0x1000 + 40);
	where[1] = (void *)0xffff800000000000ull;
	CHECK_EQ(NtMapUserPhysicalPagesScatter(where, 3, NULL), ST_INVALID_PARAMETER_1);
	CHECK_EQ(NtMapUserPhysicalPagesScatter(NULL, 3, NULL), ST_ACCESS_VIOLATION);
	/* never paged */
	send_all_to_pagefile();
	CHECK_EQ(resident(at(40)) & WS_VALID, WS_VALID);
	CHECK_EQ(*at(40), 0x1000 + 20);
	CHECK(protect_pages(window, PAGE, PAGE_READONLY) < 0);
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_release(void)
{
	ULONG_PTR count, all[2 * PAGES];

	/* the window goes, the pages stay; another window shows them */
	CHECK_EQ(release(window), 0);
	window = (ULONG_PTR *)make_window(2 * PAGES * PAGE);
	CHECK_EQ(NtMapUserPhysicalPages(window, PAGES, page), 0);
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(*at(i), 0x1000 + i);
	/* freed while mapped */
	count = 4;
	CHECK_EQ(NtFreeUserPhysicalPages(SELF, &count, page), 0);
	CHECK_EQ(count, 4);
	CHECK(!try_read(at(3)));
	CHECK(try_read(at(4)));
	/* stops at the first that is not ours any more */
	all[0] = page[4];
	all[1] = page[0];
	all[2] = page[5];
	count = 3;
	CHECK(NtFreeUserPhysicalPages(SELF, &count, all) < 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(*at(5), 0x1005);
	count = PAGES - 5;
	CHECK_EQ(NtFreeUserPhysicalPages(SELF, &count, page + 5), 0);
	CHECK_EQ(count, PAGES - 5);
	CHECK_EQ(release(window), 0);
	/* some are left to the end of the process, mapped */
	count = PAGES;
	CHECK_EQ(NtAllocateUserPhysicalPages(SELF, &count, page), 0);
	window = (ULONG_PTR *)make_window(PAGES * PAGE);
	CHECK_EQ(NtMapUserPhysicalPages(window, PAGES / 2, page), 0);
	for (unsigned i = 0; i < PAGES / 2; i++)
		CHECK_EQ(*at(i), 0);
	CHECK_EQ(pfncheck_errors(), 0);
}

/* Fewer than asked is success. */
static void check_too_many(void)
{
	ULONG_PTR want = 1u << 20, count = want;
	SIZE_T size = want * sizeof(ULONG_PTR);
	ULONG_PTR *many = (ULONG_PTR *)allocate(size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	CHECK_EQ(NtAllocateUserPhysicalPages(SELF, &count, many), 0);
	printf("%u of %u pages\n", (unsigned)count, (unsigned)want);
	CHECK(count > 100 && count < want);
	want = count;
	CHECK_EQ(NtFreeUserPhysicalPages(SELF, &count, many), 0);
	CHECK_EQ(count, want);
	CHECK_EQ(release(many), 0);
}

int main(void)
{
	probes_begin();
	check_privilege();
	check_windows();
	check_release();
	check_too_many();
	return checks_end();
}
