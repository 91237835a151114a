/* A guard page raises its exception once, then is an ordinary page. */
#include "tests/guest/check.h"

int main(void)
{
	probes_begin();
	unsigned char *p = VirtualAlloc(NULL, 0x3000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	DWORD old;
	MEMORY_BASIC_INFORMATION info;
	CHECK(p != NULL);
	CHECK(VirtualProtect(p + 0x1000, 0x1000, PAGE_READWRITE | PAGE_GUARD, &old));
	CHECK_EQ(old, PAGE_READWRITE);
	CHECK_EQ(VirtualQuery(p + 0x1000, &info, sizeof(info)), sizeof(info));
	CHECK_EQ(info.Protect, PAGE_READWRITE | PAGE_GUARD);
	CHECK_EQ(info.RegionSize, 0x1000);

	CHECK(try_write(p));
	CHECK(!try_write(p + 0x1234));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK_EQ(fault.NumberParameters, 2);
	CHECK_EQ(fault.ExceptionInformation[0], 1);
	CHECK_EQ(fault.ExceptionInformation[1], p + 0x1234);
	CHECK(try_write(p + 0x1234));
	CHECK_EQ(p[0x1234], 0x5a);
	CHECK_EQ(VirtualQuery(p, &info, sizeof(info)), sizeof(info));
	CHECK_EQ(info.Protect, PAGE_READWRITE);
	CHECK_EQ(info.RegionSize, 0x3000);

	/* On a page that has never been touched, and on one that has contents. */
	memset(p, 0x77, 0x1000);
	CHECK(VirtualProtect(p, 0x3000, PAGE_READONLY | PAGE_GUARD, &old));
	CHECK(!try_read(p));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK_EQ(fault.ExceptionInformation[0], 0);
	CHECK(try_read(p));
	CHECK_EQ(p[0xfff], 0x77);
	CHECK(!try_read(p + 0x2fff));
	CHECK(try_read(p + 0x2fff));
	CHECK_EQ(p[0x2000], 0);
	CHECK(!try_write(p + 0x2000));
	CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);

	/* A guard page is not committed at first touch: VirtualAlloc with PAGE_GUARD. */
	unsigned char *q =
	    VirtualAlloc(NULL, 0x1000, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
	CHECK(q != NULL);
	CHECK(!try_read(q));
	CHECK_EQ(fault.ExceptionCode, STATUS_GUARD_PAGE_VIOLATION);
	CHECK(try_read(q));
	CHECK_EQ(*q, 0);
	return checks_end();
}
