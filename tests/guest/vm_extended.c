/* NtAllocateVirtualMemoryEx: extended parameters, and placeholders through their whole life. */
#include "tests/guest/vm.h"

#define NO_ACCESS_HOLE (MEM_RESERVE | 0x40000u) /* MEM_RESERVE_PLACEHOLDER */
#define REPLACE	       0x4000u
#define PRESERVE       (MEM_RELEASE | 2u)
#define COALESCE       (MEM_RELEASE | 1u)

struct parameter {
	ULONG64 type;
	void *value;
};
struct requirements {
	void *lowest, *highest;
	SIZE_T alignment;
};

static LONG allocate_ex(void *base, SIZE_T size, ULONG type, ULONG protect,
			struct parameter *parameters, ULONG count, unsigned char **out)
{
	LONG st = NtAllocateVirtualMemoryEx(SELF, &base, &size, type, protect, parameters, count);
	if (out)
		*out = st < 0 ? NULL : base;
	return st;
}

static LONG with_requirements(void *base, ULONG_PTR lowest, ULONG_PTR highest, SIZE_T alignment,
			      ULONG type, unsigned char **out)
{
	struct requirements r = {(void *)lowest, (void *)highest, alignment};
	struct parameter p = {1, &r};
	return allocate_ex(base, 0x20000, type, PAGE_READWRITE, &p, 1, out);
}

static void check_requirements(void)
{
	static const SIZE_T bad_alignment[] = {1, 0x8000, 0x30000, 0x10001};
	unsigned char *p;

	CHECK_EQ(with_requirements(NULL, 0, 0, 0, MEM_RESERVE, &p), 0);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(with_requirements(NULL, 0x20000000, 0x2fffffff, 0, MEM_RESERVE | MEM_COMMIT, &p),
		 0);
	CHECK((ULONG_PTR)p >= 0x20000000 && (ULONG_PTR)p + 0x20000 <= 0x30000000);
	CHECK_EQ(p[0], 0);
	/* all-zero requirements go with a base; others do not, nor with a commit */
	CHECK_EQ(with_requirements(p, 0, 0, 0, MEM_COMMIT, NULL), 0);
	CHECK_EQ(with_requirements(p, 0, 0x2fffffff, 0, MEM_COMMIT, NULL), ST_INVALID_PARAMETER);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(with_requirements(p, 0, 0x2fffffff, 0, MEM_RESERVE, NULL), ST_INVALID_PARAMETER);

	for (SIZE_T a = 0x10000; a <= 0x40000000; a *= 4) {
		CHECK_EQ(with_requirements(NULL, 0, 0, a, MEM_RESERVE, &p), 0);
		CHECK_EQ((ULONG_PTR)p % a, 0);
		CHECK_EQ(release(p), 0);
	}
	for (unsigned i = 0; i < sizeof(bad_alignment) / sizeof(bad_alignment[0]); i++)
		CHECK_EQ(with_requirements(NULL, 0, 0, bad_alignment[i], MEM_RESERVE, NULL),
			 ST_INVALID_PARAMETER);
	/* the highest address is the last one of a page, and inside user memory */
	CHECK_EQ(with_requirements(NULL, 0, 0x2fffff00, 0, MEM_RESERVE, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(with_requirements(NULL, 0, 0x30000000, 0, MEM_RESERVE, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(with_requirements(NULL, 0, ~(ULONG_PTR)0, 0, MEM_RESERVE, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(with_requirements(NULL, 0x20000000, 0x1fffffff, 0, MEM_RESERVE, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(with_requirements(NULL, 0x20000000, 0x2000ffff, 0, MEM_RESERVE, NULL),
		 ST_NO_MEMORY);
	CHECK_EQ(with_requirements(NULL, 0x20000000, 0x2001ffff, 0, MEM_RESERVE, &p), 0);
	CHECK_EQ(p, 0x20000000);
	CHECK_EQ(with_requirements(NULL, 0x20000000, 0x2001ffff, 0, MEM_RESERVE, NULL),
		 ST_NO_MEMORY);
	CHECK_EQ(release(p), 0);
}

static void check_array(void)
{
	struct requirements r = {0};
	struct parameter p[2] = {{1, &r}, {1, &r}};

	CHECK_EQ(allocate_ex(NULL, PAGE, MEM_RESERVE, PAGE_READWRITE, NULL, 1, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(allocate_ex(NULL, PAGE, MEM_RESERVE, PAGE_READWRITE, p, 2, NULL),
		 ST_INVALID_PARAMETER); /* twice the same */
	p[0].type = 0;
	CHECK_EQ(allocate_ex(NULL, PAGE, MEM_RESERVE, PAGE_READWRITE, p, 1, NULL),
		 ST_INVALID_PARAMETER);
	p[0].type = 200;
	CHECK_EQ(allocate_ex(NULL, PAGE, MEM_RESERVE, PAGE_READWRITE, p, 1, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(allocate_ex(NULL, PAGE, MEM_RESERVE, PAGE_READWRITE, (void *)8, 1, NULL),
		 ST_ACCESS_VIOLATION);
}

static void check_split_and_coalesce(void)
{
	unsigned char *p;
	void *base;
	SIZE_T size;
	LONG st;

	CHECK_EQ(allocate_ex(NULL, 0x40000, NO_ACCESS_HOLE, PAGE_READWRITE, NULL, 0, NULL),
		 ST_INVALID_PARAMETER);
	CHECK(!allocate_at(NULL, 0x40000, NO_ACCESS_HOLE, PAGE_NOACCESS, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER); /* only through the Ex call */
	CHECK_EQ(allocate_ex(NULL, 0x40000, NO_ACCESS_HOLE, PAGE_NOACCESS, NULL, 0, &p), 0);
	CHECK_EQ(basic(p).State, MEM_RESERVE);
	CHECK_EQ(basic(p).AllocationProtect, PAGE_NOACCESS);
	CHECK_EQ(basic(p).Type, MEM_PRIVATE);
	CHECK_EQ(basic(p).RegionSize, 0x40000);

	CHECK(!allocate_at(p, PAGE, MEM_COMMIT, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_CONFLICTING_ADDRESSES);
	CHECK(!allocate_at(p, PAGE, MEM_RESERVE, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_CONFLICTING_ADDRESSES);

	base = p;
	size = 0x40000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), ST_CONFLICTING_ADDRESSES);
	size = 0;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), ST_INVALID_PARAMETER_3);
	base = p + 0x11000; /* by pages; it becomes three */
	size = 0x2000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), 0);
	CHECK_EQ(basic(p).RegionSize, 0x11000);
	CHECK_EQ(basic(p + 0x11000).RegionSize, 0x2000);
	CHECK_EQ(basic(p + 0x11000).AllocationBase, p + 0x11000);
	CHECK_EQ(basic(p + 0x13000).RegionSize, 0x2d000);

	base = p;
	size = 0x40000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE), ST_UNABLE_TO_FREE_VM);
	size = 0;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), ST_INVALID_PARAMETER_3);
	size = 0x12000; /* cuts the second */
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), ST_CONFLICTING_ADDRESSES);
	size = 0x41000; /* goes beyond the last */
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), ST_CONFLICTING_ADDRESSES);
	base = p + PAGE;
	size = 0x12000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), ST_CONFLICTING_ADDRESSES);
	base = p;
	size = 0x13000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), 0);
	CHECK_EQ(basic(p).RegionSize, 0x13000);
	size = 0x40000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), 0);
	CHECK_EQ(basic(p).RegionSize, 0x40000);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(basic(p).State, MEM_FREE);
}

static void check_replace(void)
{
	unsigned char *p, *q;
	void *base;
	SIZE_T size = 0x20000;

	CHECK_EQ(allocate_ex(NULL, 0x40000, NO_ACCESS_HOLE, PAGE_NOACCESS, NULL, 0, &p), 0);
	base = p;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), 0);
	CHECK_EQ(allocate_ex(p, PAGE, MEM_COMMIT | REPLACE, PAGE_READWRITE, NULL, 0, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(allocate_ex(p, 0x10000, MEM_RESERVE | MEM_COMMIT | REPLACE, PAGE_READWRITE, NULL,
			     0, NULL),
		 ST_CONFLICTING_ADDRESSES); /* too short */
	CHECK_EQ(allocate_ex(p, 0x20000, MEM_RESERVE | MEM_COMMIT | REPLACE, PAGE_READWRITE, NULL,
			     0, &q),
		 0);
	CHECK_EQ(q, p);
	CHECK(try_write(p + 0x1ffff));
	CHECK(!try_read(p + 0x20000));
	CHECK_EQ(basic(p).State, MEM_COMMIT);
	CHECK_EQ(basic(p).RegionSize, 0x20000);
	CHECK_EQ(basic(p + 0x20000).State, MEM_RESERVE);
	/* a replaced part cannot be coalesced */
	base = p;
	size = 0x40000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, COALESCE), ST_CONFLICTING_ADDRESSES);
	/* back to a placeholder; what was in it is gone */
	size = 0x20000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), 0);
	CHECK_EQ(basic(p).State, MEM_RESERVE);
	CHECK(!try_read(p));
	CHECK_EQ(allocate_ex(p, 0x20000, MEM_RESERVE | MEM_COMMIT | REPLACE | MEM_WRITE_WATCH,
			     PAGE_READWRITE, NULL, 0, &q),
		 0);
	CHECK_EQ(p[0x1ffff], 0);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(release(p + 0x20000), 0);
	/* an ordinary reservation is no placeholder */
	p = allocate(0x20000, MEM_RESERVE, PAGE_NOACCESS);
	base = p;
	size = 0x10000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, PRESERVE), ST_CONFLICTING_ADDRESSES);
	CHECK_EQ(release(p), 0);
}

/* ---- nonpaged memory ---- */

#define NONPAGED 2u /* MEM_EXTENDED_PARAMETER_NONPAGED */
#define BOTH	 (MEM_RESERVE | MEM_COMMIT)

static LONG nonpaged(SIZE_T size, ULONG type, ULONG protect, unsigned char **out)
{
	struct parameter p = {5, (void *)NONPAGED};
	return allocate_ex(NULL, size, type, protect, &p, 1, out);
}

static LONG decommit(void *base, SIZE_T size)
{
	return NtFreeVirtualMemory(SELF, &base, &size, MEM_DECOMMIT);
}

static void check_nonpaged_refusals(void)
{
	unsigned char *p;

	CHECK_EQ(nonpaged(PAGE, BOTH, PAGE_READWRITE, NULL), ST_PRIVILEGE_NOT_HELD);
	hold_lock_privilege(TRUE);
	CHECK_EQ(nonpaged(PAGE, MEM_RESERVE, PAGE_READWRITE, NULL), ST_INVALID_PARAMETER);
	CHECK_EQ(nonpaged(PAGE, BOTH | MEM_WRITE_WATCH, PAGE_READWRITE, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(nonpaged(PAGE, BOTH, PAGE_NOACCESS, NULL), ST_INVALID_PAGE_PROTECTION);
	CHECK_EQ(nonpaged(PAGE, BOTH, PAGE_READWRITE | PAGE_GUARD, NULL),
		 ST_INVALID_PAGE_PROTECTION);
	/* more than there is of memory: a status, and all is as before */
	CHECK(nonpaged(0x7fffffff000, BOTH, PAGE_READWRITE, NULL) < 0);
	CHECK(nonpaged(80u << 20, BOTH, PAGE_READWRITE, NULL) < 0);
	CHECK_EQ(pfncheck_errors(), 0);
	/* what is reserved already cannot become it */
	p = allocate(0x10000, MEM_RESERVE, PAGE_READWRITE);
	CHECK_EQ(allocate_ex(p, PAGE, MEM_COMMIT, PAGE_READWRITE,
			     &(struct parameter){5, (void *)NONPAGED}, 1, NULL),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(release(p), 0);
}

static void check_nonpaged(void)
{
	const unsigned pages = 600; /* more than a page table's */
	unsigned char *p;
	unsigned bad = 0;
	SIZE_T size;
	void *base;

	check_nonpaged_refusals();
	CHECK_EQ(nonpaged(pages * PAGE - 5, BOTH, PAGE_READWRITE, &p), 0);
	if (!p)
		return;
	CHECK_EQ(basic(p).RegionSize, pages * PAGE);
	CHECK_EQ(basic(p).State, MEM_COMMIT);
	CHECK_EQ(basic(p).Type, MEM_PRIVATE);
	for (unsigned i = 0; i < pages; i++) {
		bad += !(resident(p + i * PAGE) & WS_VALID) || p[i * PAGE + 77];
		*(unsigned *)(p + i * PAGE) = i;
	}
	CHECK_EQ(bad, 0);
	/* neither trimmed nor written out, whatever is asked for */
	send_all_to_pagefile();
	CHECK(SetProcessWorkingSetSize(SELF, (SIZE_T)-1, (SIZE_T)-1));
	for (unsigned i = 0; i < pages; i++)
		bad +=
		    (resident(p + i * PAGE) & (WS_VALID | WS_LOCKED)) != (WS_VALID | WS_LOCKED) ||
		    *(unsigned *)(p + i * PAGE) != i;
	CHECK_EQ(bad, 0);
	CHECK(VirtualLock(p, 10 * PAGE));
	CHECK(VirtualUnlock(p, 10 * PAGE));
	CHECK_EQ(resident(p) & WS_LOCKED, WS_LOCKED);
	/* any protection that leaves it accessible */
	CHECK_EQ(protect_pages(p + PAGE, PAGE, PAGE_READONLY), 0);
	CHECK(!try_write(p + PAGE));
	CHECK_EQ(*(unsigned *)(p + PAGE), 1);
	CHECK_EQ(protect_pages(p, 2 * PAGE, PAGE_EXECUTE_READWRITE), 0);
	CHECK(try_write(p + PAGE));
	CHECK_EQ(protect_pages(p, PAGE, PAGE_NOACCESS), ST_INVALID_PAGE_PROTECTION);
	CHECK_EQ(protect_pages(p, PAGE, PAGE_READWRITE | PAGE_GUARD), ST_INVALID_PAGE_PROTECTION);
	CHECK(decommit(p, PAGE) < 0);
	/* freed in parts, and all of it comes back */
	base = p + 0x10000;
	size = 0x10000;
	CHECK_EQ(NtFreeVirtualMemory(SELF, &base, &size, MEM_RELEASE), 0);
	CHECK(!try_read(p + 0x10000));
	CHECK_EQ(*(unsigned *)(p + 0x20000), 32);
	CHECK_EQ(pfncheck_errors(), 0);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(release(p + 0x20000), 0);
	CHECK(!try_read(p));
	CHECK_EQ(pfncheck_errors(), 0);
	/* the end of the process frees what is left; twice as much as there is of RAM in all */
	for (unsigned i = 0; i < 16; i++) {
		CHECK_EQ(nonpaged(8u << 20, BOTH, PAGE_READWRITE, &p), 0);
		if (p && i < 15)
			CHECK_EQ(release(p), 0);
	}
}

int main(void)
{
	probes_begin();
	check_nonpaged();
	check_requirements();
	check_array();
	check_split_and_coalesce();
	check_replace();
	return checks_end();
}
