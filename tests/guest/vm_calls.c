/*
 * The arguments of the memory calls: what each refuses and with which status, in which order, what
 * is rounded and written back, and what nobody may touch on failure. Handles, rights, bad pointers.
 */
#include "tests/guest/vm.h"

#define RESERVE_COMMIT (MEM_RESERVE | MEM_COMMIT)
#define TOP_USER       0x7fffffff0000ull
#define COUNT(a)       (sizeof(a) / sizeof((a)[0]))

static unsigned char *region; /* 64 KB reserved; pages 0..3 committed */

static void allocation(void)
{
	static const struct {
		ULONG64 base,
		    size; /* base: offset in the region, or an address above 4 GB; ~0: NULL */
		ULONG type, protect;
		LONG want;
	} row[] = {
	    /* flags, before anything else */
	    {~0ull, PAGE, 0, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {~0ull, PAGE, MEM_TOP_DOWN, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {~0ull, PAGE, MEM_DECOMMIT | MEM_COMMIT, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {~0ull, PAGE, MEM_RESERVE | 0x40000, PAGE_NOACCESS, ST_INVALID_PARAMETER},
	    {~0ull, PAGE, MEM_RESERVE | 0x40000000, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {~0ull, 0, 0, 0, ST_INVALID_PARAMETER},
	    {0, PAGE, MEM_RESET | MEM_COMMIT, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {0, PAGE, MEM_RESET | 0x1000000, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {0, PAGE, MEM_COMMIT | MEM_WRITE_WATCH, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    /* protections */
	    {~0ull, PAGE, MEM_RESERVE, 0, ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_WRITECOPY, ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_COMMIT, PAGE_EXECUTE_WRITECOPY, ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_READWRITE | PAGE_READONLY, ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_NOACCESS | PAGE_GUARD, ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_READWRITE | PAGE_GUARD | PAGE_NOCACHE,
	     ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_READWRITE | PAGE_NOCACHE | PAGE_WRITECOMBINE,
	     ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_NOACCESS | PAGE_WRITECOMBINE,
	     ST_INVALID_PAGE_PROTECTION},
	    {~0ull, PAGE, MEM_RESERVE, PAGE_READWRITE | PAGE_TARGETS_INVALID,
	     ST_INVALID_PAGE_PROTECTION},
	    {0, PAGE, MEM_RESET, 0, ST_INVALID_PAGE_PROTECTION},
	    {0, PAGE, MEM_COMMIT, PAGE_WRITECOPY, ST_INVALID_PAGE_PROTECTION},
	    /* ranges */
	    {~0ull, 0, MEM_RESERVE, PAGE_READWRITE, ST_INVALID_PARAMETER_4},
	    {0, 0, MEM_COMMIT, PAGE_READWRITE, ST_INVALID_PARAMETER_4},
	    {TOP_USER, PAGE, MEM_RESERVE, PAGE_READWRITE, ST_INVALID_PARAMETER_2},
	    {~0ull >> 1, PAGE, MEM_RESERVE, PAGE_READWRITE, ST_INVALID_PARAMETER_2},
	    {TOP_USER - PAGE, 2 * PAGE, MEM_RESERVE, PAGE_READWRITE, ST_INVALID_PARAMETER_4},
	    {0, ~0ull, MEM_COMMIT, PAGE_READWRITE, ST_INVALID_PARAMETER_4},
	    {~0ull, 1ull << 47, MEM_RESERVE, PAGE_READWRITE, ST_NO_MEMORY},
	    {~0ull, ~0ull, MEM_RESERVE, PAGE_READWRITE, ST_NO_MEMORY},
	    /* what is there */
	    {0, PAGE, MEM_RESERVE, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {PAGE, PAGE, RESERVE_COMMIT, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {15 * PAGE, 2 * PAGE, MEM_COMMIT, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {0, 17 * PAGE, MEM_RESET, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {0x20000000000ull, PAGE, MEM_COMMIT, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {0x20000000000ull, PAGE, MEM_RESET, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    {0x20000000000ull, 1ull << 40, MEM_COMMIT, PAGE_READWRITE, ST_CONFLICTING_ADDRESSES},
	    /* AWE and large pages ask for what goes with them */
	    {~0ull, PAGE, RESERVE_COMMIT | MEM_PHYSICAL, PAGE_READWRITE, ST_INVALID_PARAMETER_5},
	    {~0ull, PAGE, MEM_RESERVE | MEM_PHYSICAL, PAGE_READONLY, ST_INVALID_PARAMETER_6},
	    {~0ull, LARGE, MEM_RESERVE | MEM_LARGE_PAGES, PAGE_READWRITE, ST_INVALID_PARAMETER},
	    {~0ull, LARGE, RESERVE_COMMIT | MEM_LARGE_PAGES, PAGE_READWRITE, ST_PRIVILEGE_NOT_HELD},
	};

	for (ULONG i = 0; i < COUNT(row); i++) {
		ULONG64 given = row[i].base == ~0ull	   ? 0
				: row[i].base < 1ull << 32 ? (ULONG64)region + row[i].base
							   : row[i].base;
		void *base = (void *)given;
		SIZE_T size = row[i].size;
		LONG st =
		    NtAllocateVirtualMemory(SELF, &base, 0, &size, row[i].type, row[i].protect);

		CHECK_EQ(st, row[i].want);
		if (st != row[i].want)
			printf("  in row %lu\n", i);
		CHECK_EQ((ULONG64)base, given); /* as it was */
		CHECK_EQ(size, row[i].size);
		if (!st)
			release(base);
	}
}

static void rounding(void)
{
	unsigned char *p = allocate(0xfffc, MEM_RESERVE, PAGE_NOACCESS);
	void *base = p + 0x1fff;
	SIZE_T size = 2;

	CHECK_EQ((ULONG64)p & 0xffff, 0);
	CHECK_EQ(basic(p).RegionSize, 0x10000);
	CHECK_EQ(NtAllocateVirtualMemory(SELF, &base, 0, &size, MEM_COMMIT, PAGE_READWRITE), 0);
	CHECK(base == p + 0x1000 && size == 0x2000);
	CHECK_EQ(basic(p + 0x1000).RegionSize, 0x2000);
	CHECK_EQ(basic(p + 0x1000).AllocationProtect, PAGE_NOACCESS);
	CHECK_EQ(basic(p + 0x3000).State, MEM_RESERVE);
	CHECK_EQ(basic(p + 0x3000).Protect, 0);
	p[0x1000] = 7; /* a commit of what is committed keeps contents, and sets the protection */
	CHECK(allocate_at(p + 0x1000, 0x2000, MEM_COMMIT, PAGE_READONLY, NULL) == p + 0x1000);
	CHECK_EQ(basic(p + 0x1000).Protect, PAGE_READONLY);
	CHECK_EQ(p[0x1000], 7);
	CHECK_EQ(release(p), 0);
	p = allocate(3 * PAGE + 1, MEM_COMMIT, PAGE_READWRITE); /* alone, it reserves */
	CHECK_EQ((ULONG64)p & 0xffff, 0);
	CHECK_EQ(basic(p).RegionSize, 4 * PAGE);
	CHECK_EQ(release(p), 0);
	base = (void *)0x30000012345ull; /* a given base goes down to 64 KB, the end up to a page */
	size = PAGE;
	CHECK_EQ(NtAllocateVirtualMemory(SELF, &base, 0, &size, MEM_RESERVE, PAGE_READWRITE), 0);
	CHECK_EQ((ULONG64)base, 0x30000010000ull);
	CHECK_EQ(size, 0x4000);
	CHECK_EQ(release(base), 0);
}

static LONG with_bits(ULONG64 given, ULONG_PTR bits, ULONG64 *at)
{
	void *base = (void *)given;
	SIZE_T size = PAGE;
	LONG st = NtAllocateVirtualMemory(SELF, &base, bits, &size, MEM_RESERVE | MEM_TOP_DOWN,
					  PAGE_READWRITE);

	*at = (ULONG64)base;
	if (!st)
		CHECK_EQ(release(base), 0);
	return st;
}

static void zero_bits(void)
{
	ULONG64 at;

	for (ULONG bits = 1; bits <= 15; bits++) {
		CHECK_EQ(with_bits(0, bits, &at), 0);
		CHECK_EQ(at >> (32 - bits), 0);
	}
	for (ULONG bits = 16; bits <= 20; bits++) {
		LONG st = with_bits(0, bits, &at);

		CHECK(st == ST_NO_MEMORY || (!st && !(at >> (32 - bits))));
	}
	CHECK_EQ(with_bits(0, 21, &at), ST_NO_MEMORY);
	for (ULONG bits = 22; bits < 32; bits++)
		CHECK_EQ(with_bits(0, bits, &at), ST_INVALID_PARAMETER_3);
	CHECK_EQ(with_bits(0, 0x1aaaaaaa, &at), 0); /* a mask: its leading zeroes count */
	CHECK_EQ(at >> 29, 0);
	CHECK_EQ(with_bits(0, 0x7fffffffffull, &at), 0);
	CHECK_EQ(at >> 39, 0);
	CHECK(at >> 29);
	/* with a base they say nothing about it */
	CHECK_EQ(with_bits((ULONG64)region + PAGE, 12, &at), ST_CONFLICTING_ADDRESSES);
}

static LONG free_call(void *at, SIZE_T bytes, ULONG type, ULONG64 *base, SIZE_T *size)
{
	LONG st;

	*base = (ULONG64)at;
	*size = bytes;
	st = NtFreeVirtualMemory(SELF, base, size, type);
	return st;
}

static void freeing(void)
{
	unsigned char *p = allocate(0x10000, RESERVE_COMMIT, PAGE_READWRITE);
	static const ULONG bad[] = {0, MEM_FREE, MEM_DECOMMIT | MEM_RELEASE, MEM_COMMIT,
				    1, 2,	 MEM_DECOMMIT | 2,	     MEM_RELEASE | 3};
	LARGE_INTEGER zero = {.QuadPart = 0};
	HANDLE section =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, NULL);
	void *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
	ULONG64 base;
	SIZE_T size;

	(void)zero;
	for (ULONG i = 0; i < COUNT(bad); i++) {
		CHECK_EQ(free_call(p, 0, bad[i], &base, &size), ST_INVALID_PARAMETER_4);
		CHECK(base == (ULONG64)p && !size);
	}
	CHECK_EQ(free_call(p + 0x1fff, 2, MEM_DECOMMIT, &base, &size), 0);
	CHECK(base == (ULONG64)p + 0x1000 && size == 0x2000);
	CHECK_EQ(free_call(p + 0x1000, PAGE, MEM_DECOMMIT, &base, &size),
		 0); /* twice is no error */
	CHECK_EQ(free_call(p + 0x1001, 0, MEM_DECOMMIT, &base, &size), ST_FREE_VM_NOT_AT_BASE);
	CHECK(base == (ULONG64)p + 0x1001 && !size);
	CHECK_EQ(free_call(p + 0xffe, 0, MEM_DECOMMIT, &base, &size), 0);
	CHECK(base == (ULONG64)p && !size);
	CHECK_EQ(basic(p).State, MEM_RESERVE);
	CHECK_EQ(basic(p).RegionSize, 0x10000);
	CHECK_EQ(free_call(p + 0x1001, 0, MEM_RELEASE, &base, &size), ST_FREE_VM_NOT_AT_BASE);
	CHECK_EQ(free_call(p, 0x11000, MEM_RELEASE, &base, &size), ST_UNABLE_TO_FREE_VM);
	CHECK_EQ(free_call(p, 0x11000, MEM_DECOMMIT, &base, &size), ST_UNABLE_TO_FREE_VM);
	CHECK(base == (ULONG64)p && size == 0x11000);
	CHECK_EQ(free_call(p + 0x1001, 0xfff, MEM_RELEASE, &base, &size), 0); /* a hole */
	CHECK(base == (ULONG64)p + 0x1000 && size == 0x1000);
	CHECK_EQ(basic(p + 0x1000).State, MEM_FREE);
	CHECK(basic(p + 0x2000).AllocationBase == p + 0x2000);
	CHECK_EQ(free_call(p + 0x1000, PAGE, MEM_DECOMMIT, &base, &size), ST_MEMORY_NOT_ALLOCATED);
	CHECK_EQ(free_call(p + 0x1000, 0, MEM_RELEASE, &base, &size), ST_MEMORY_NOT_ALLOCATED);
	CHECK_EQ(free_call(p + 0x2fff, 0, MEM_RELEASE, &base, &size), 0);
	CHECK(base == (ULONG64)p + 0x2000 && size == 0xe000);
	CHECK_EQ(free_call(p, 0, MEM_RELEASE, &base, &size), 0);
	CHECK_EQ(size, 0x1000);
	CHECK_EQ(free_call(view, 0, MEM_RELEASE, &base, &size), ST_UNABLE_TO_DELETE_SECTION);
	CHECK_EQ(free_call(view, PAGE, MEM_DECOMMIT, &base, &size), ST_UNABLE_TO_DELETE_SECTION);
	CHECK_EQ(free_call((void *)(TOP_USER + PAGE), 0, MEM_RELEASE, &base, &size),
		 ST_INVALID_PARAMETER_2);
	SetLastError(0);
	CHECK(!VirtualFree(view, 0, MEM_RELEASE) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!VirtualFree(region, 1, MEM_RELEASE) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!VirtualFree(region, 0x10000, 0) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!VirtualFree(region + PAGE, 0, MEM_RELEASE) &&
	      GetLastError() == ERROR_INVALID_ADDRESS);
	UnmapViewOfFile(view);
	CloseHandle(section);
}

static LONG protect_call(ULONG64 at, SIZE_T bytes, ULONG protect, ULONG64 *base, SIZE_T *size,
			 ULONG *old)
{
	*base = at;
	*size = bytes;
	return NtProtectVirtualMemory(SELF, base, size, protect, old);
}

static void protection(void)
{
	ULONG64 r = (ULONG64)region, base;
	unsigned char *beside =
	    allocate_at(region + 0x10000, PAGE, RESERVE_COMMIT, PAGE_READWRITE, NULL);
	SIZE_T size;
	ULONG old = 99;

	for (ULONG p = 0; p < 0x100;
	     p++) { /* one of eight, and copy-on-write is not for private memory */
		BOOL good =
		    p && !(p & (p - 1)) && p != PAGE_WRITECOPY && p != PAGE_EXECUTE_WRITECOPY;

		CHECK_EQ(protect_call(r, PAGE, p, &base, &size, &old),
			 good ? 0 : ST_INVALID_PAGE_PROTECTION);
		if (good)
			CHECK_EQ(basic(region).Protect, p);
	}
	CHECK_EQ(protect_call(r, PAGE, PAGE_READWRITE, &base, &size, &old), 0);
	CHECK_EQ(protect_call(r + 0xfff, 2, PAGE_READONLY, &base, &size, &old), 0);
	CHECK(base == r && size == 0x2000 && old == PAGE_READWRITE);
	CHECK_EQ(protect_call(r + 0x1000, PAGE, PAGE_READWRITE, &base, &size, &old), 0);
	CHECK_EQ(protect_call(r, 0x2000, PAGE_READWRITE, &base, &size, &old), 0);
	CHECK_EQ(old, PAGE_READONLY); /* of the first page */
	old = 99;
	CHECK_EQ(protect_call(r, 5 * PAGE, PAGE_READONLY, &base, &size, &old), ST_NOT_COMMITTED);
	CHECK(base == r && size == 5 * PAGE);
	CHECK_EQ(basic(region).Protect, PAGE_READWRITE); /* nothing has changed */
	CHECK_EQ(protect_call(r, 0x11000, PAGE_READONLY, &base, &size, &old),
		 ST_CONFLICTING_ADDRESSES);
	CHECK(beside != NULL);
	CHECK_EQ(protect_call(r, 0, PAGE_READONLY, &base, &size, &old), ST_INVALID_PARAMETER_3);
	CHECK_EQ(protect_call(0x20000000000ull, PAGE, PAGE_READONLY, &base, &size, &old),
		 ST_CONFLICTING_ADDRESSES);
	CHECK_EQ(protect_call(TOP_USER + PAGE, PAGE, PAGE_READONLY, &base, &size, &old),
		 ST_INVALID_PARAMETER_2);
	CHECK_EQ(protect_call(r, PAGE, PAGE_READONLY, &base, &size, NULL), ST_ACCESS_VIOLATION);
	CHECK_EQ(basic(region).Protect, PAGE_READWRITE);
	SetLastError(0);
	CHECK(!VirtualProtect(region, PAGE, PAGE_READONLY, NULL) &&
	      GetLastError() == ERROR_NOACCESS);
	CHECK(!VirtualProtect(region, 0x10000, PAGE_READONLY, &old) &&
	      GetLastError() == ERROR_INVALID_ADDRESS);
	CHECK_EQ(basic(region).AllocationProtect, PAGE_READWRITE);
	/* NOACCESS and back: contents stay; PAGE_TARGETS_NO_UPDATE is no protection */
	region[5] = 5;
	CHECK_EQ(protect_call(r, PAGE, PAGE_NOACCESS, &base, &size, &old), 0);
	CHECK(!try_read(region));
	CHECK_EQ(protect_call(r, PAGE, PAGE_EXECUTE_READWRITE | 0x40000000, &base, &size, &old), 0);
	CHECK_EQ(basic(region).Protect, PAGE_EXECUTE_READWRITE);
	CHECK_EQ(region[5], 5);
	CHECK_EQ(protect_call(r, PAGE, PAGE_READWRITE, &base, &size, &old), 0);
	release(beside);
}

/* Caching is the region's: protections neither add nor remove it. */
static void caching(void)
{
	unsigned char *p = allocate(PAGE, RESERVE_COMMIT, PAGE_READWRITE | PAGE_NOCACHE);
	unsigned char *q = allocate(PAGE, RESERVE_COMMIT, PAGE_READWRITE);

	CHECK_EQ(basic(p).Protect, PAGE_READWRITE | PAGE_NOCACHE);
	CHECK_EQ(protect_pages(p, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(basic(p).Protect, PAGE_READONLY | PAGE_NOCACHE);
	CHECK_EQ(protect_pages(q, PAGE, PAGE_READONLY | PAGE_NOCACHE), 0);
	CHECK_EQ(basic(q).Protect, PAGE_READONLY);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(release(q), 0);
}

static void queries(void)
{
	MEMORY_BASIC_INFORMATION m;
	SYSTEM_INFO si;
	SIZE_T n = 0;

	GetSystemInfo(&si);
	CHECK_EQ((ULONG64)si.lpMinimumApplicationAddress, 0x10000);
	CHECK_EQ((ULONG64)si.lpMaximumApplicationAddress, TOP_USER - 1);
	CHECK_EQ(NtQueryVirtualMemory(SELF, region, 0, &m, sizeof(m) - 1, &n),
		 ST_INFO_LENGTH_MISMATCH);
	CHECK_EQ(NtQueryVirtualMemory(SELF, region, 0, &m, sizeof(m) + 100, &n), 0);
	CHECK_EQ(n, sizeof(m));
	CHECK_EQ(NtQueryVirtualMemory(SELF, region, 0, NULL, sizeof(m), &n), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtQueryVirtualMemory(SELF, (void *)TOP_USER, 0, &m, sizeof(m), &n),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(NtQueryVirtualMemory(SELF, (void *)~0ull, 0, &m, sizeof(m), &n),
		 ST_INVALID_PARAMETER);
	CHECK_EQ(NtQueryVirtualMemory(SELF, (void *)TOP_USER, 0, &m, 3, &n),
		 ST_INFO_LENGTH_MISMATCH);
	SetLastError(0);
	CHECK(!VirtualQuery((void *)TOP_USER, &m, sizeof(m)) &&
	      GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!VirtualQuery(region, &m, sizeof(m) - 1) && GetLastError() == ERROR_BAD_LENGTH);
	/* the partitions at both ends */
	m = basic((void *)0x1234);
	CHECK_EQ(m.State, MEM_FREE);
	CHECK_EQ(m.Protect, PAGE_NOACCESS);
	CHECK_EQ((ULONG64)m.BaseAddress, 0x1000);
	CHECK(!m.AllocationBase && !m.AllocationProtect && !m.Type);
	m = basic((void *)(TOP_USER - 1));
	CHECK_EQ((ULONG64)m.BaseAddress + m.RegionSize, m.State == MEM_FREE ? TOP_USER : TOP_USER);
	CHECK(!try_read((void *)8) && fault.ExceptionInformation[1] == 8);
	CHECK(!try_write((void *)0xffff));
	CHECK(!try_read((void *)TOP_USER));
	CHECK_EQ(fault.ExceptionInformation[1], TOP_USER);
	CHECK(!try_read((void *)(TOP_USER + 0xffff)));
	CHECK(!try_read((void *)0xfffff80000000000ull)); /* the kernel's half */
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
	CHECK_EQ(fault.ExceptionInformation[1], 0xfffff80000000000ull);
	CHECK(!try_read((void *)0x800000000000ull)); /* no address at all */
	CHECK_EQ(fault.ExceptionInformation[0], 0);
	CHECK_EQ(fault.ExceptionInformation[1], ~0ull);
	m = basic((void *)0x7ffe0000);
	CHECK_EQ(m.State, MEM_COMMIT);
	CHECK_EQ(m.Protect, PAGE_READONLY);
	CHECK_EQ(m.Type, MEM_PRIVATE);
	CHECK_EQ(m.RegionSize, PAGE);
	CHECK(!try_write((void *)0x7ffe0300));
	CHECK(*(ULONG64 *)0x7ffe03d8 & 3); /* XState: enabled features, all of them volatile */
	CHECK_EQ(*(ULONG64 *)0x7ffe03e0, *(ULONG64 *)0x7ffe03d8);
	CHECK_EQ(protect_pages((void *)0x7ffe0000, PAGE, PAGE_READWRITE),
		 ST_INVALID_PAGE_PROTECTION);
}

/* Memory that nothing can be written back to: nothing happens. */
static void bad_pointers(void)
{
	unsigned char *page = allocate(2 * PAGE, RESERVE_COMMIT, PAGE_READWRITE);
	void **base = (void **)page, *at = region;
	SIZE_T *size = (SIZE_T *)(page + 8), bytes = PAGE;
	ULONG old;

	*base = NULL;
	*size = PAGE;
	CHECK_EQ(NtAllocateVirtualMemory(SELF, NULL, 0, &bytes, MEM_RESERVE, PAGE_READWRITE),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(NtAllocateVirtualMemory(SELF, &at, 0, NULL, MEM_RESERVE, PAGE_READWRITE),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(
	    NtAllocateVirtualMemory(SELF, (void *)TOP_USER, 0, &bytes, MEM_RESERVE, PAGE_READWRITE),
	    ST_ACCESS_VIOLATION);
	CHECK_EQ(NtAllocateVirtualMemory(SELF, (void *)0xfffff80000200000ull, 0, &bytes,
					 MEM_RESERVE, PAGE_READWRITE),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(protect_pages(page, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(NtAllocateVirtualMemory(SELF, base, 0, size, MEM_RESERVE, PAGE_READWRITE),
		 ST_ACCESS_VIOLATION);
	*(&at) = region;
	CHECK_EQ(NtFreeVirtualMemory(SELF, base, size, MEM_RELEASE), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtFreeVirtualMemory(SELF, NULL, size, MEM_RELEASE), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtProtectVirtualMemory(SELF, base, size, PAGE_READONLY, &old),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(NtProtectVirtualMemory(SELF, &at, &bytes, PAGE_READONLY, (ULONG *)page),
		 ST_ACCESS_VIOLATION);
	CHECK_EQ(basic(region).Protect, PAGE_READWRITE);
	CHECK_EQ(NtLockVirtualMemory(SELF, NULL, &bytes, 1), ST_ACCESS_VIOLATION);
	CHECK_EQ(release(page), 0);
}

static LONG call_with(HANDLE process, ULONG which)
{
	MEMORY_BASIC_INFORMATION m;
	ULONG64 range[2] = {(ULONG64)region, PAGE}, word = 0;
	void *base = region, *none = NULL;
	SIZE_T size = PAGE, done;
	ULONG old, zero = 0;

	switch (which) {
	case 0:
		return NtAllocateVirtualMemory(process, &base, 0, &size, MEM_COMMIT,
					       PAGE_READWRITE);
	case 1:
		return NtProtectVirtualMemory(process, &base, &size, PAGE_READWRITE, &old);
	case 2:
		base = region + 3 * PAGE;
		return NtFreeVirtualMemory(process, &base, &size, MEM_DECOMMIT);
	case 3:
		return NtAllocateVirtualMemoryEx(process, &base, &size, MEM_COMMIT, PAGE_READWRITE,
						 NULL, 0);
	case 4:
		return NtSetInformationVirtualMemory(process, 0, 1, range, &zero, sizeof(zero));
	case 5:
		return NtReadVirtualMemory(process, region, &word, 8, &done);
	case 6:
		return NtWriteVirtualMemory(process, region, &word, 8, &done);
	case 7:
		return NtQueryVirtualMemory(process, region, 0, &m, sizeof(m), NULL);
	}
	(void)none;
	return 0;
}

static void handles(void)
{
	static const ULONG right[] = {PROCESS_VM_OPERATION, PROCESS_VM_OPERATION,
				      PROCESS_VM_OPERATION, PROCESS_VM_OPERATION,
				      PROCESS_VM_OPERATION, PROCESS_VM_READ,
				      PROCESS_VM_WRITE,	    PROCESS_QUERY_INFORMATION};
	HANDLE event = CreateEventA(NULL, FALSE, FALSE, NULL);

	for (ULONG i = 0; i < COUNT(right); i++) {
		HANDLE process = OpenProcess(right[i], FALSE, GetCurrentProcessId());
		HANDLE weak = OpenProcess(SYNCHRONIZE, FALSE, GetCurrentProcessId());

		CHECK(process && weak);
		CHECK_EQ(call_with(process, i), 0);
		CHECK_EQ(call_with(weak, i), (LONG)0xc0000022); /* STATUS_ACCESS_DENIED */
		CHECK_EQ(call_with(NULL, i), ST_INVALID_HANDLE);
		CHECK_EQ(call_with((HANDLE)0xdeadbee0, i), ST_INVALID_HANDLE);
		CHECK_EQ(call_with(event, i), (LONG)0xc0000024); /* STATUS_OBJECT_TYPE_MISMATCH */
		CloseHandle(process);
		CloseHandle(weak);
	}
	CHECK(!VirtualAllocEx(NULL, NULL, PAGE, MEM_COMMIT, PAGE_READWRITE));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CloseHandle(event);
}

/* Control-flow guard's calls in a process that does not run with it. */
static void call_targets(void)
{
	unsigned char *code =
	    allocate(PAGE, RESERVE_COMMIT, PAGE_EXECUTE_READ | PAGE_TARGETS_INVALID);
	struct {
		ULONG_PTR offset, flags;
	} target[2] = {{0, 1}, {16, 1}};
	BOOL(WINAPI * set)
	(HANDLE, PVOID, SIZE_T, ULONG, void *) =
	    (void *)GetProcAddress(GetModuleHandleA("kernel32.dll"), "SetProcessValidCallTargets");

	CHECK(code && set);
	CHECK_EQ(basic(code).Protect, PAGE_EXECUTE_READ); /* not shown */
	CHECK(!set(SELF, code, PAGE, 2, target) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!set(SELF, code, PAGE, 0, target) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!set(SELF, code + 1, PAGE, 1, target) && GetLastError() == ERROR_INVALID_PARAMETER);
	target[1].offset = 8;
	CHECK(!set(SELF, code, PAGE, 2, target) && GetLastError() == ERROR_INVALID_PARAMETER);
	CHECK(!set(SELF, code, PAGE, 2, NULL) && GetLastError() == ERROR_NOACCESS);
	CHECK_EQ(release(code), 0);
}

/* A commit that is refused leaves the charge as it was; a huge reservation is nothing to walk. */
static void accounting(void)
{
	unsigned char *p = allocate(1ull << 40, MEM_RESERVE, PAGE_READWRITE);
	MEMORYSTATUSEX before = {.dwLength = sizeof(before)}, after = before;

	CHECK(p != NULL);
	GlobalMemoryStatusEx(&before);
	for (int i = 0; i < 100; i++) {
		LONG st;

		allocate_at((void *)0x20000000000ull, 1ull << 40, MEM_COMMIT, PAGE_READWRITE, &st);
		CHECK_EQ(st, ST_CONFLICTING_ADDRESSES);
		allocate_at(p, 1ull << 40, MEM_COMMIT, PAGE_READWRITE, &st);
		CHECK_EQ(st, ST_COMMITMENT_LIMIT);
		CHECK_EQ(basic(p).RegionSize, 1ull << 40);
	}
	GlobalMemoryStatusEx(&after);
	CHECK(after.ullAvailPageFile + (1 << 20) > before.ullAvailPageFile &&
	      before.ullAvailPageFile + (1 << 20) > after.ullAvailPageFile);
	CHECK_EQ(release(p), 0);
}

int main(void)
{
	probes_begin();
	region = allocate_at((void *)0x40000000000ull, 0x10000, MEM_RESERVE, PAGE_READWRITE, NULL);
	CHECK(region && allocate_at(region, 4 * PAGE, MEM_COMMIT, PAGE_READWRITE, NULL));
	allocation();
	rounding();
	zero_bits();
	freeing();
	protection();
	caching();
	queries();
	bad_pointers();
	handles();
	call_targets();
	accounting();
	return checks_end();
}
