/* NtLockVirtualMemory: what can be locked, that it stays in memory, and what unlocking wants. */
#include "tests/guest/vm.h"

#define WORKING_SET 1u /* map type */
#define SYSTEM	    2u

static LONG lock(void *base, SIZE_T size)
{
	return NtLockVirtualMemory(SELF, &base, &size, WORKING_SET);
}

static LONG unlock(void *base, SIZE_T size)
{
	return NtUnlockVirtualMemory(SELF, &base, &size, WORKING_SET);
}

static void check_residency(unsigned char *p)
{
	void *base = p + 0x1800;
	SIZE_T size = 0x1000;

	/* whole pages around the bytes: the second and third */
	CHECK_EQ(NtLockVirtualMemory(SELF, &base, &size, WORKING_SET), 0);
	CHECK_EQ(base, p + PAGE);
	CHECK_EQ(size, 2 * PAGE);
	CHECK_EQ(resident(p) & WS_VALID, 0);
	CHECK_EQ(resident(p + PAGE) & (WS_VALID | WS_LOCKED), WS_VALID | WS_LOCKED);
	CHECK_EQ(resident(p + 2 * PAGE) & (WS_VALID | WS_LOCKED), WS_VALID | WS_LOCKED);
	p[0] = p[PAGE] = p[2 * PAGE] = p[3 * PAGE] = 7;
	send_all_to_pagefile();
	CHECK_EQ(resident(p) & WS_VALID, 0);
	CHECK_EQ(resident(p + PAGE) & WS_VALID, WS_VALID);
	CHECK_EQ(resident(p + 2 * PAGE) & WS_VALID, WS_VALID);
	CHECK_EQ(resident(p + 3 * PAGE) & WS_VALID, 0);
	CHECK_EQ(p[0] + p[PAGE] + p[2 * PAGE] + p[3 * PAGE], 28);

	/* no lock count */
	CHECK_EQ(lock(p + PAGE, PAGE), ST_WAS_LOCKED);
	CHECK_EQ(unlock(p + PAGE, PAGE), 0);
	CHECK_EQ(resident(p + PAGE) & WS_LOCKED, 0);
	CHECK_EQ(unlock(p + PAGE, PAGE), ST_NOT_LOCKED);
	/* that took it out of the working set; a locked one stays */
	CHECK_EQ(resident(p + PAGE) & WS_VALID, 0);
	CHECK_EQ(p[PAGE], 7);
	CHECK_EQ(unlock(p, 4 * PAGE), ST_NOT_LOCKED);
	CHECK_EQ(resident(p + PAGE) & WS_VALID, 0);
	CHECK_EQ(resident(p + 2 * PAGE) & (WS_VALID | WS_LOCKED), WS_VALID | WS_LOCKED);
	CHECK_EQ(unlock(p + 2 * PAGE, PAGE), 0);
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_refusals(unsigned char *p)
{
	void *base = p;
	SIZE_T size = PAGE;

	CHECK_EQ(NtLockVirtualMemory(SELF, &base, &size, 4), ST_INVALID_PARAMETER);
	CHECK_EQ(NtLockVirtualMemory(SELF, &base, &size, 0), ST_INVALID_PARAMETER);
	CHECK_EQ(NtLockVirtualMemory(SELF, &base, &size, SYSTEM), ST_PRIVILEGE_NOT_HELD);
	CHECK_EQ(NtLockVirtualMemory(NULL, &base, &size, WORKING_SET), ST_INVALID_HANDLE);
	CHECK_EQ(lock(p, 0), ST_INVALID_PARAMETER_3);
	CHECK_EQ(lock((void *)0x12340000, PAGE), ST_ACCESS_VIOLATION);
	CHECK_EQ(lock((void *)0xffff800000000000ull, PAGE), ST_INVALID_PARAMETER_2);
	/* reserved, not committed: all or nothing */
	CHECK_EQ(lock(p + 14 * PAGE, 4 * PAGE), ST_ACCESS_VIOLATION);
	CHECK_EQ(resident(p + 14 * PAGE) & WS_VALID, 0);
	CHECK_EQ(protect_pages(p + 5 * PAGE, PAGE, PAGE_NOACCESS), 0);
	CHECK_EQ(lock(p + 4 * PAGE, 2 * PAGE), ST_ACCESS_VIOLATION);
	CHECK_EQ(resident(p + 4 * PAGE) & WS_LOCKED, 0);
	CHECK_EQ(protect_pages(p + 5 * PAGE, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(lock(p + 4 * PAGE, 2 * PAGE), 0);
	CHECK_EQ(unlock(p + 4 * PAGE, 2 * PAGE), 0);
	/* a guard page: once, and the guard is gone */
	CHECK_EQ(protect_pages(p + 6 * PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD), 0);
	CHECK_EQ(lock(p + 6 * PAGE, PAGE), ST_GUARD_PAGE);
	CHECK_EQ(basic(p + 6 * PAGE).Protect, PAGE_READWRITE);
	CHECK_EQ(lock(p + 6 * PAGE, PAGE), 0);
	/* no access after all: the lock goes with it */
	CHECK_EQ(protect_pages(p + 6 * PAGE, PAGE, PAGE_NOACCESS), 0);
	CHECK_EQ(unlock(p + 6 * PAGE, PAGE), ST_NOT_LOCKED);
}

/* The minimum working set, less a little, is the limit. */
static void check_quota(void)
{
	unsigned char *p = allocate(64 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	CHECK_EQ(lock(p, 64 * PAGE), ST_WORKING_SET_QUOTA);
	CHECK_EQ(resident(p) & WS_LOCKED, 0);
	CHECK_EQ(lock(p, 32 * PAGE), 0);
	CHECK_EQ(lock(p + 32 * PAGE, 32 * PAGE), ST_WORKING_SET_QUOTA);
	CHECK_EQ(unlock(p, 32 * PAGE), 0);
	CHECK_EQ(lock(p + 32 * PAGE, 32 * PAGE), 0);
	CHECK_EQ(release(p), 0); /* with its locks */
	p = allocate(32 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK_EQ(lock(p, 32 * PAGE), 0); /* which are free again */
	CHECK_EQ(release(p), 0);
	CHECK_EQ(pfncheck_errors(), 0);
}

int main(void)
{
	unsigned char *p;

	probes_begin();
	p = allocate(32 * PAGE, MEM_RESERVE, PAGE_READWRITE);
	CHECK_EQ(allocate_at(p, 16 * PAGE, MEM_COMMIT, PAGE_READWRITE, NULL), p);
	check_residency(p);
	check_refusals(p);
	check_quota();
	return checks_end();
}
