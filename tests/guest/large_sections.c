/* Sections of large pages: what making and mapping them wants, and that views show the same memory.
 */
#include "tests/guest/vm.h"
#include "guest/abi/counters.h"

#define SEC_COMMIT_LARGE (0x8000000u | 0x80000000u)
#define MAPPED_ALIGNMENT ((LONG)0xc0000220)

NTSYSAPI LONG NTAPI NtCreateSection(HANDLE *, ULONG access, void *attributes, LARGE_INTEGER *size,
				    ULONG protect, ULONG allocation, HANDLE file);
NTSYSAPI LONG NTAPI NtMapViewOfSection(HANDLE section, HANDLE process, void *base, ULONG_PTR,
				       SIZE_T, LARGE_INTEGER *offset, SIZE_T *size, ULONG inherit,
				       ULONG type, ULONG protect);
NTSYSAPI LONG NTAPI NtUnmapViewOfSection(HANDLE process, void *base);
NTSYSAPI LONG NTAPI NtClose(HANDLE);

static LONG create(ULONG64 bytes, HANDLE *section)
{
	LARGE_INTEGER size;
	size.QuadPart = (LONGLONG)bytes;
	return NtCreateSection(section, 0xf001f, NULL, &size, PAGE_READWRITE, SEC_COMMIT_LARGE,
			       NULL);
}

static LONG map(HANDLE section, void *at, ULONG64 offset, SIZE_T size, ULONG protect,
		unsigned char **view)
{
	LARGE_INTEGER from;
	LONG st;

	from.QuadPart = (LONGLONG)offset;
	st =
	    NtMapViewOfSection(section, SELF, &at, 0, 0, &from, &size, 2, MEM_LARGE_PAGES, protect);
	*view = st < 0 ? NULL : at;
	return st;
}

static ULONG64 large_pages(void)
{
	struct ntmm_counters c = {0};
	CHECK_EQ(NtSystemDebugControl(0x1001, NULL, 0, &c, sizeof(c), NULL), 0);
	return c.large_pages;
}

int main(void)
{
	unsigned char *a, *b, *c;
	HANDLE section;
	LONG st;

	probes_begin();
	CHECK_EQ(create(2 * LARGE, &section), ST_PRIVILEGE_NOT_HELD);
	hold_lock_privilege(TRUE);
	CHECK_EQ(create(LARGE + PAGE, &section), ST_INVALID_PARAMETER_4);
	CHECK_EQ(create(0, &section), ST_INVALID_PARAMETER_4);
	CHECK(create(1ull << 40, &section) < 0);
	CHECK_EQ(create(3 * LARGE, &section), 0);
	CHECK_EQ(map(section, NULL, 0, 0, PAGE_READWRITE, &a), 0);
	CHECK_EQ((ULONG_PTR)a % LARGE, 0);
	CHECK_EQ(large_pages(), 3);
	CHECK_EQ(basic(a).RegionSize, 3 * LARGE);
	CHECK_EQ(basic(a).Type, MEM_MAPPED);
	CHECK_EQ(basic(a).State, MEM_COMMIT);
	for (unsigned i = 0; i < 3 * LARGE; i += PAGE) {
		if (a[i])
			CHECK_EQ(a[i], 0);
		*(unsigned *)(a + i) = i + 1;
	}
	/* a part of it, read-only */
	CHECK_EQ(map(section, NULL, LARGE, LARGE, PAGE_READONLY, &b), 0);
	CHECK_EQ(basic(b).RegionSize, LARGE);
	CHECK_EQ(*(unsigned *)(b + 5 * PAGE), LARGE + 5 * PAGE + 1);
	a[LARGE + 100] = 0x77;
	CHECK_EQ(b[100], 0x77);
	CHECK(!try_write(b));
	CHECK_EQ(resident(b) & (WS_VALID | WS_LARGE | WS_SHARED), WS_VALID | WS_LARGE | WS_SHARED);
	CHECK_EQ(large_pages(), 4);
	/* refusals */
	CHECK_EQ(map(section, NULL, 0x10000, LARGE, PAGE_READWRITE, &c), MAPPED_ALIGNMENT);
	CHECK_EQ(map(section, (void *)0x40010000, 0, LARGE, PAGE_READWRITE, &c), MAPPED_ALIGNMENT);
	CHECK(map(section, NULL, 0, PAGE, PAGE_READWRITE, &c) < 0);
	CHECK(map(section, NULL, 0, LARGE, PAGE_WRITECOPY, &c) < 0);
	CHECK(map(section, a, 0, LARGE, PAGE_READWRITE, &c) < 0);
	CHECK(map(section, NULL, 2 * LARGE, 2 * LARGE, PAGE_READWRITE, &c) < 0);
	CHECK(protect_pages(a, PAGE, PAGE_READONLY) < 0);
	CHECK(release(a) < 0);
	CHECK(!allocate_at(a, PAGE, MEM_COMMIT, PAGE_READWRITE, &st));
	/* it stays with its views, whatever happens to memory */
	CHECK_EQ(NtClose(section), 0);
	send_all_to_pagefile();
	CHECK_EQ(*(unsigned *)(a + 2 * LARGE + PAGE), 2 * LARGE + PAGE + 1);
	CHECK_EQ(NtUnmapViewOfSection(SELF, a + 12345), 0);
	CHECK(!try_read(a));
	CHECK_EQ(b[100], 0x77);
	CHECK_EQ(pfncheck_errors(), 0);
	CHECK_EQ(NtUnmapViewOfSection(SELF, b), 0);
	CHECK_EQ(large_pages(), 0);
	/* and small pages at its addresses */
	CHECK_EQ(allocate_at(a, LARGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE, NULL), a);
	CHECK_EQ(a[100], 0);
	CHECK_EQ(release(a), 0);
	/* everything has come back: as much again, several times */
	for (unsigned i = 0; i < 20; i++) {
		CHECK_EQ(create(8 * LARGE, &section), 0);
		CHECK_EQ(map(section, NULL, 0, 0, PAGE_READWRITE, &a), 0);
		CHECK(try_write(a + 8 * LARGE - 1));
		CHECK_EQ(NtUnmapViewOfSection(SELF, a), 0);
		CHECK_EQ(NtClose(section), 0);
	}
	CHECK_EQ(pfncheck_errors(), 0);
	return checks_end();
}
