/* A committed page is zero at first touch: fresh, decommitted and committed again, freed and had
 * again. */
#include "tests/guest/check.h"

#define PAGES 512u
#define PAGE  4096u

static unsigned not_zero(const unsigned char *p, unsigned pages)
{
	const uint64_t *word = (const uint64_t *)p;
	unsigned bad = 0;
	for (unsigned i = 0; i < pages * PAGE / 8; i++)
		bad += word[i] != 0;
	return bad;
}

int main(void)
{
	unsigned char *last = NULL;
	for (unsigned round = 0; round < 4; round++) {
		unsigned char *p =
		    VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
		CHECK(p != NULL);
		if (!p)
			break;
		CHECK_EQ(not_zero(p, PAGES), 0);
		memset(p, 0xff, PAGES * PAGE);
		CHECK(VirtualFree(p + 16 * PAGE, 64 * PAGE, MEM_DECOMMIT));
		CHECK(VirtualAlloc(p + 16 * PAGE, 64 * PAGE, MEM_COMMIT, PAGE_READWRITE) ==
		      p + 16 * PAGE);
		CHECK_EQ(not_zero(p + 16 * PAGE, 64), 0);
		CHECK_EQ(p[16 * PAGE - 1], 0xff);
		CHECK_EQ(p[80 * PAGE], 0xff);
		/* Committing what is committed changes nothing. */
		CHECK(VirtualAlloc(p, PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE) == p);
		CHECK_EQ(p[0], 0xff);
		CHECK(VirtualFree(p, 0, MEM_RELEASE));
		last = p;
	}
	MEMORY_BASIC_INFORMATION info;
	CHECK_EQ(VirtualQuery(last, &info, sizeof(info)), sizeof(info));
	CHECK_EQ(info.State, MEM_FREE);
	return checks_end();
}
