/* VirtualProtect and VirtualQuery: what they return, what they refuse, and that pages obey. */
#include "tests/guest/check.h"

#define PAGE 0x1000u

static const struct {
	DWORD protect;
	int read, write, execute;
} rights[] = {
    {PAGE_NOACCESS, 0, 0, 0},	  {PAGE_READONLY, 1, 0, 0},	     {PAGE_READWRITE, 1, 1, 0},
    {PAGE_EXECUTE, 1, 0, 1}, /* x86 cannot deny reading to what may execute */
    {PAGE_EXECUTE_READ, 1, 0, 1}, {PAGE_EXECUTE_READWRITE, 1, 1, 1},
};
#define RIGHTS (sizeof(rights) / sizeof(rights[0]))

static MEMORY_BASIC_INFORMATION query(const void *p)
{
	MEMORY_BASIC_INFORMATION info = {0};
	CHECK_EQ(VirtualQuery(p, &info, sizeof(info)), sizeof(info));
	return info;
}

static void check_rights(unsigned char *p)
{
	DWORD old, last = PAGE_READWRITE;
	for (unsigned i = 0; i < RIGHTS; i++) {
		CHECK(VirtualProtect(p, PAGE, PAGE_READWRITE, &old));
		CHECK_EQ(old, last);
		p[0x100] = 0xc3; /* RET */
		CHECK(VirtualProtect(p, PAGE, rights[i].protect, &old));
		CHECK_EQ(old, PAGE_READWRITE);
		last = rights[i].protect;
		CHECK_EQ(query(p).Protect, rights[i].protect);
		CHECK_EQ(try_read(p + 0x100), rights[i].read);
		if (!rights[i].read) {
			CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
			CHECK_EQ(fault.ExceptionInformation[0], 0);
			CHECK_EQ(fault.ExceptionInformation[1], p + 0x100);
		}
		CHECK_EQ(try_write(p + 8), rights[i].write);
		if (!rights[i].write) {
			CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
			CHECK_EQ(fault.ExceptionInformation[0], 1);
		}
		CHECK_EQ(try_execute(p + 0x100), rights[i].execute);
		if (!rights[i].execute)
			CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
	}
	CHECK(VirtualProtect(p, PAGE, PAGE_READWRITE, &old));
}

static void check_regions(unsigned char *p)
{
	DWORD old = 0;
	MEMORY_BASIC_INFORMATION info = query(p);
	CHECK_EQ(info.BaseAddress, p);
	CHECK_EQ(info.AllocationBase, p);
	CHECK_EQ(info.AllocationProtect, PAGE_READWRITE);
	CHECK_EQ(info.RegionSize, 8 * PAGE);
	CHECK_EQ(info.State, MEM_COMMIT);
	CHECK_EQ(info.Type, MEM_PRIVATE);

	/* Two bytes over a page boundary touch both pages. */
	CHECK(VirtualProtect(p + 3 * PAGE - 1, 2, PAGE_READONLY, &old));
	CHECK_EQ(query(p).RegionSize, 2 * PAGE);
	CHECK_EQ(query(p + 2 * PAGE).RegionSize, 2 * PAGE);
	CHECK_EQ(query(p + 2 * PAGE).Protect, PAGE_READONLY);
	CHECK_EQ(query(p + 4 * PAGE).RegionSize, 4 * PAGE);
	/* An address inside a page is rounded down. */
	CHECK_EQ(query(p + 3 * PAGE + 5).BaseAddress, p + 3 * PAGE);
	CHECK_EQ(query(p + 3 * PAGE + 5).RegionSize, PAGE);
	CHECK_EQ(query(p + 3 * PAGE).AllocationBase, p);

	/* The old protection is that of the first page. */
	CHECK(VirtualProtect(p + PAGE, 2 * PAGE, PAGE_NOACCESS, &old));
	CHECK_EQ(old, PAGE_READWRITE);
	CHECK(VirtualProtect(p + 2 * PAGE, 2 * PAGE, PAGE_READWRITE, &old));
	CHECK_EQ(old, PAGE_NOACCESS);

	CHECK(VirtualFree(p + 5 * PAGE, PAGE, MEM_DECOMMIT));
	info = query(p + 5 * PAGE);
	CHECK_EQ(info.State, MEM_RESERVE);
	CHECK_EQ(info.Protect, 0);
	CHECK_EQ(info.RegionSize, PAGE);
	CHECK(!try_read(p + 5 * PAGE));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
}

static void check_refusals(unsigned char *p)
{
	DWORD old;
	SetLastError(0);
	CHECK(!VirtualProtect(p, PAGE, 0x33, &old));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	SetLastError(0);
	CHECK(!VirtualProtect(p, PAGE, PAGE_READWRITE, NULL));
	CHECK_EQ(GetLastError(), ERROR_NOACCESS);
	SetLastError(0);
	CHECK(!VirtualProtect(p + 4 * PAGE, 2 * PAGE, PAGE_READONLY,
			      &old)); /* one is not committed */
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	CHECK_EQ(query(p + 4 * PAGE).Protect, PAGE_READWRITE); /* all or nothing */
	SetLastError(0);
	CHECK(!VirtualProtect(p + 4 * PAGE, 0x100000, PAGE_READONLY,
			      &old)); /* beyond the allocation */
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	SetLastError(0);
	CHECK(VirtualAlloc(p, PAGE, MEM_RESERVE, PAGE_READWRITE) == NULL);
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	SetLastError(0);
	CHECK(!VirtualFree(p, PAGE, MEM_RELEASE)); /* a size with MEM_RELEASE */
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	SetLastError(0);
	CHECK(!VirtualFree(p + PAGE, 0, MEM_RELEASE)); /* not the base */
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
	SetLastError(0);
	CHECK(VirtualAlloc(NULL, 0, MEM_RESERVE, PAGE_READWRITE) == NULL);
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(VirtualFree(p, 0, MEM_RELEASE));
	SetLastError(0);
	CHECK(!VirtualProtect(p, PAGE, PAGE_READONLY, &old));
	CHECK_EQ(GetLastError(), ERROR_INVALID_ADDRESS);
}

int main(void)
{
	probes_begin();
	unsigned char *p = VirtualAlloc(NULL, 8 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(p != NULL);
	CHECK_EQ((uintptr_t)p % 0x10000, 0);
	check_rights(p);
	check_regions(p);
	check_refusals(p);
	return checks_end();
}
