/* Write watch: which accesses count, in which order they are told, and what clears them. */
#include "tests/guest/vm.h"

#define PAGES 16u

static void *page[PAGES + 1];
static ULONG_PTR count;
static ULONG granularity;

static LONG get(void *base, SIZE_T size, ULONG flags, ULONG_PTR room)
{
	count = room;
	return NtGetWriteWatch(SELF, flags, base, size, page, &count, &granularity);
}

static unsigned written(unsigned char *p)
{
	CHECK_EQ(get(p, PAGES * PAGE, 0, PAGES), 0);
	return (unsigned)count;
}

static void check_marks(unsigned char *p)
{
	CHECK_EQ(written(p), 0);
	CHECK_EQ(granularity, PAGE);
	CHECK(try_read(p + 3 * PAGE));
	CHECK_EQ(written(p), 0);
	p[9 * PAGE + 5] = 1;
	p[2 * PAGE] = 1;
	p[2 * PAGE + 1] = 1;
	CHECK_EQ(written(p), 2);
	CHECK_EQ(page[0], p + 2 * PAGE);
	CHECK_EQ(page[1], p + 9 * PAGE);
	*(volatile ULONG *)(p + 5 * PAGE - 2) = 0x12345678; /* over a page boundary */
	CHECK_EQ(written(p), 4);
	CHECK_EQ(page[1], p + 4 * PAGE);
	CHECK_EQ(page[2], p + 5 * PAGE);
	/* part of the region */
	CHECK_EQ(get(p + 4 * PAGE + 17, PAGE, 0, PAGES), 0);
	CHECK_EQ(count, 2);
	CHECK_EQ(page[0], p + 4 * PAGE);
	/* a small array gets the lowest; with reset only those are cleared */
	CHECK_EQ(get(p, PAGES * PAGE, 1, 1), 0);
	CHECK_EQ(count, 1);
	CHECK_EQ(page[0], p + 2 * PAGE);
	CHECK_EQ(written(p), 3);
	CHECK_EQ(page[0], p + 4 * PAGE);
	CHECK_EQ(get(p, PAGES * PAGE, 1, PAGES), 0);
	CHECK_EQ(count, 3);
	CHECK_EQ(written(p), 0);
	/* writable again, seen again; the data is still there */
	CHECK_EQ(p[2 * PAGE] + p[9 * PAGE + 5], 2);
	p[9 * PAGE] = 2;
	CHECK_EQ(written(p), 1);
	CHECK_EQ(page[0], p + 9 * PAGE);
}

static void check_paging(unsigned char *p)
{
	unsigned char bytes[4] = {1, 2, 3, 4};
	SIZE_T done;

	CHECK_EQ(NtResetWriteWatch(SELF, p, PAGES * PAGE), 0);
	CHECK_EQ(written(p), 0);
	p[PAGE] = 77;
	send_all_to_pagefile();
	CHECK_EQ(written(p), 1); /* marks outlive residency */
	CHECK_EQ(p[PAGE], 77);
	CHECK(try_read(p + 9 * PAGE)); /* comes in for reading */
	CHECK_EQ(written(p), 1);
	p[9 * PAGE]++;
	CHECK_EQ(written(p), 2);
	CHECK_EQ(NtResetWriteWatch(SELF, p + 9 * PAGE, 1), 0);
	CHECK_EQ(written(p), 1);
	send_all_to_pagefile();
	p[9 * PAGE]++;
	CHECK_EQ(written(p), 2);
	/* the kernel's stores count */
	CHECK_EQ(NtWriteVirtualMemory(SELF, p + 12 * PAGE, bytes, 4, &done), 0);
	CHECK_EQ(written(p), 3);
	CHECK_EQ(NtReadVirtualMemory(SELF, bytes, p + 13 * PAGE, 4, &done), 0);
	CHECK_EQ(written(p), 4);
	CHECK_EQ(p[13 * PAGE + 3], 4);
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_protection(unsigned char *p)
{
	void *base = p + 12 * PAGE;
	SIZE_T size = 2 * PAGE;

	CHECK_EQ(protect_pages(p, PAGES * PAGE, PAGE_READONLY), 0);
	CHECK_EQ(written(p), 4);
	CHECK(!try_write(p + 3 * PAGE));
	CHECK_EQ(NtResetWriteWatch(SELF, p, PAGES * PAGE), 0);
	CHECK_EQ(protect_pages(p, PAGES * PAGE, PAGE_READWRITE), 0);
	CHECK_EQ(written(p), 0);
	p[12 * PAGE] = p[13 * PAGE] = p[14 * PAGE] = 9;
	CHECK_EQ(written(p), 3);
	/* a guard page: the exception first, then the write */
	CHECK_EQ(protect_pages(p + 4 * PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD), 0);
	CHECK(!try_write(p + 4 * PAGE));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK_EQ(written(p), 3);
	CHECK(try_write(p + 4 * PAGE));
	CHECK_EQ(written(p), 4);
	/* decommitted pages forget */
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, MEM_DECOMMIT), 0);
	CHECK_EQ(written(p), 2);
	CHECK_EQ(page[1], p + 14 * PAGE);
	CHECK_EQ(NtResetWriteWatch(SELF, p, PAGES * PAGE), 0); /* reserved pages among them */
	CHECK_EQ(allocate_at(p + 12 * PAGE, PAGE, MEM_COMMIT, PAGE_READWRITE, NULL), p + 12 * PAGE);
	CHECK_EQ(written(p), 0);
	CHECK_EQ(p[12 * PAGE], 0);
	p[12 * PAGE] = 1;
	CHECK_EQ(written(p), 1);
}

static void check_refusals(unsigned char *p)
{
	unsigned char *other = allocate(PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	LONG st;

	CHECK(!allocate_at(NULL, PAGE, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(get(other, PAGE, 0, 1) < 0); /* not watched */
	CHECK(NtResetWriteWatch(SELF, other, PAGE) < 0);
	CHECK_EQ(get(p, PAGE, 2, 1), ST_INVALID_PARAMETER);
	CHECK(get(p, 0, 0, 1) < 0);
	CHECK(get(p, (PAGES + 1) * PAGE, 0, 1) < 0);
	CHECK(get(NULL, PAGE, 0, 1) < 0);
	CHECK(get(p, PAGE, 0, 0) < 0);
	count = 1;
	CHECK_EQ(NtGetWriteWatch(SELF, 0, p, PAGE, NULL, &count, &granularity),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(NtGetWriteWatch(SELF, 0, p, PAGE, page, NULL, &granularity), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtGetWriteWatch(SELF, 0, p, PAGE, page, &count, NULL), ST_ACCESS_VIOLATION);
	CHECK_EQ(release(other), 0);
}

int main(void)
{
	unsigned char *p;

	probes_begin();
	p = allocate(PAGES * PAGE, MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE);
	CHECK(p != NULL);
	check_marks(p);
	check_paging(p);
	check_protection(p);
	check_refusals(p);
	CHECK_EQ(release(p), 0);
	return checks_end();
}
