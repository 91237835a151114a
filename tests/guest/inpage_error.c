/*
 * A read error of the pagefile reaches the program as STATUS_IN_PAGE_ERROR at the access, with the
 * address and the reason; the page is not lost: without the error it reads as it was written.
 */
#include "tests/guest/inject.h"

#define PAGE  4096u
#define PAGES 256u

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

	/* More than any cluster: whatever is read next fails, again and again. */
	unsigned char *at = p + 100 * PAGE + 12;
	CHECK_EQ(inject(NTMM_INJECT_READ_ERROR, 1u << 20), 0);
	for (unsigned round = 0; round < 3; round++) {
		CHECK(round == 1 ? !try_write(at) : !try_read(at));
		CHECK_EQ(fault.ExceptionCode, STATUS_IN_PAGE_ERROR);
		CHECK_EQ(fault.NumberParameters, 3);
		CHECK_EQ(fault.ExceptionInformation[0], round == 1);
		CHECK_EQ(fault.ExceptionInformation[1], at);
		CHECK((LONG)fault.ExceptionInformation[2] < 0); /* an error status */
	}
	CHECK_EQ(inject(NTMM_INJECT_NONE, 0), 0);
	unsigned bad = 0;
	for (unsigned i = 0; i < PAGES; i++)
		for (unsigned k = 0; k < PAGE; k += 64)
			bad += p[i * PAGE + k] != (unsigned char)(i + 1);
	CHECK_EQ(bad, 0);
	CHECK_EQ(pfncheck_errors(), 0);
	return checks_end();
}
