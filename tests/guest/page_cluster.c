/*
 * How many pages a page-in reads: few for a program that goes about at random, whole neighbourhoods
 * for one that walks up or down, also after it went about at random, and for one whose pages are
 * used soon after, in whatever order.
 */
#include "guest/abi/counters.h"
#include "tests/guest/inject.h"

#define PAGES	   8192
#define PAGE	   4096
#define STEP	   7919 /* prime */
#define LEARNING   192	/* reads until the kernel has seen enough */
#define MEASURED   100
#define NEIGHBOURS 16 /* pages a read brings at least where neighbours are wanted */

static volatile uint64_t *base;

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c;
	ULONG returned;

	CHECK_EQ(NtSystemDebugControl(0x1001, NULL, 0, &c, sizeof(c), &returned), 0);
	return c;
}

static void touch(unsigned page)
{
	CHECK_EQ(base[page * (PAGE / 8)], page * 3 + 1);
}

static void at_random(void)
{
	static uint32_t x = 1;
	struct ntmm_counters before = {0}, after;
	uint64_t pages, reads;

	send_all_to_pagefile();
	for (unsigned i = 0; i < LEARNING + MEASURED; i++) {
		if (i == LEARNING)
			before = counters();
		x = x * 1664525 + 1013904223;
		touch((x >> 16) % PAGES);
	}
	after = counters();
	pages = after.pages_in - before.pages_in;
	reads = after.reads_pagefile - before.reads_pagefile;
	printf("at random: %llu pages in %llu reads\n", (unsigned long long)pages,
	       (unsigned long long)reads);
	CHECK(reads >= MEASURED / 2);
	CHECK(pages <= 2 * reads);
}

/* All pages, the i-th one being first + i * step; each read is to bring many. */
static void in_order(const char *how, unsigned first, unsigned step)
{
	struct ntmm_counters before, after;
	uint64_t reads;

	send_all_to_pagefile();
	before = counters();
	for (unsigned i = 0; i < PAGES; i++)
		touch((first + i * step) % PAGES);
	after = counters();
	reads = after.reads_pagefile - before.reads_pagefile;
	printf("%s: %llu reads\n", how, (unsigned long long)reads);
	CHECK(reads <= PAGES / NEIGHBOURS);
}

/* Neighbourhoods at random, the pages of each in disorder: to read them whole stays worth it. */
static void by_neighbourhood(void)
{
	struct ntmm_counters before, after;
	uint64_t reads;

	send_all_to_pagefile();
	before = counters();
	for (unsigned i = 0; i < PAGES / NEIGHBOURS; i++)
		for (unsigned k = 0; k < NEIGHBOURS; k++)
			touch(i * STEP % (PAGES / NEIGHBOURS) * NEIGHBOURS + k * 5 % NEIGHBOURS);
	after = counters();
	reads = after.reads_pagefile - before.reads_pagefile;
	printf("by neighbourhood: %llu reads\n", (unsigned long long)reads);
	CHECK(reads <= PAGES / NEIGHBOURS * 5 / 4);
}

int main(void)
{
	probes_begin();
	base = VirtualAlloc(NULL, PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(base != NULL);
	for (unsigned i = 0; i < PAGES; i++)
		base[i * (PAGE / 8)] = i * 3 + 1;
	by_neighbourhood();
	at_random();
	in_order("upwards", 0, 1);
	at_random();
	in_order("downwards", PAGES - 1, PAGES - 1);
	return checks_end();
}
