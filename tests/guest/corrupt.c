/*
 * A page that changed in the pagefile is never handed out: the access raises STATUS_IN_PAGE_ERROR.
 * Its neighbours are whole, and writing the page anew, after decommitting it, mends it.
 */
#include "tests/guest/inject.h"

#define PAGE  4096u
#define PAGES 256u
#define HIT   77u

int main(void)
{
	probes_begin();
	unsigned char *p =
	    VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(p != NULL);
	for (unsigned i = 0; i < PAGES; i++)
		memset(p + i * PAGE, (int)(i + 1), PAGE);
	send_all_to_pagefile();
	rehearse();

	unsigned char *at = p + HIT * PAGE + 3000;
	CHECK_EQ(inject(NTMM_INJECT_CORRUPT, 1u << 20), 0);
	CHECK(!try_read(at));
	CHECK_EQ(fault.ExceptionCode, STATUS_IN_PAGE_ERROR);
	CHECK_EQ(fault.ExceptionInformation[1], at);
	CHECK_EQ(inject(NTMM_INJECT_NONE, 0), 0);
	CHECK(!try_read(at)); /* for good */
	CHECK_EQ(fault.ExceptionCode, STATUS_IN_PAGE_ERROR);

	/* What a cluster had along with it may be hit too; everything else must be right. */
	unsigned wrong = 0, lost = 0;
	for (unsigned i = 0; i < PAGES; i++) {
		if (!try_read(p + i * PAGE)) {
			CHECK_EQ(fault.ExceptionCode, STATUS_IN_PAGE_ERROR);
			lost++;
			continue;
		}
		for (unsigned k = 0; k < PAGE; k++)
			wrong += p[i * PAGE + k] != (unsigned char)(i + 1);
	}
	CHECK_EQ(wrong, 0);
	CHECK(lost >= 1 && lost <= 64);

	unsigned char *page = p + HIT * PAGE;
	CHECK(VirtualFree(page, PAGE, MEM_DECOMMIT));
	CHECK(VirtualAlloc(page, PAGE, MEM_COMMIT, PAGE_READWRITE) == page);
	CHECK(try_read(page));
	CHECK_EQ(*page, 0);
	memset(page, 0x42, PAGE);
	send_all_to_pagefile();
	CHECK(try_read(page));
	CHECK_EQ(*page, 0x42);
	CHECK_EQ(pfncheck_errors(), 0);
	printf("%u pages lost\n", lost);
	return checks_end();
}
