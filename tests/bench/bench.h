/*
 * What the two benchmark programs share: one row an operation, each a function that does it n times
 * and gives the ticks that took. Under -icount a tick is an instruction.
 *
 * A row's figure is the median of its rounds, so a timer interrupt in one of them does not show.
 * Output: one line a row, "op NAME TICKS"; a line "skip NAME" when it cannot be done here.
 */
#ifndef NTMM_TESTS_BENCH_H
#define NTMM_TESTS_BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/bench/ticks.h"

#define PAGE	   4096u
#define MAX_ROUNDS 15

#define UNABLE UINT64_MAX

struct op {
	const char *name;
	uint64_t (*run)(unsigned n); /* ticks for n of them, or UNABLE */
	unsigned n, rounds;
};

static int by_size(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* The median of the rounds, for one operation. The first round only warms up. */
static uint64_t measure(const struct op *op)
{
	uint64_t round[MAX_ROUNDS];

	if (op->run(op->n) == UNABLE)
		return UNABLE;
	for (unsigned i = 0; i < op->rounds; i++) {
		round[i] = op->run(op->n);
		if (round[i] == UNABLE)
			return UNABLE;
	}
	qsort(round, op->rounds, sizeof(round[0]), by_size);
	return (round[op->rounds / 2] + op->n / 2) / op->n;
}

/* Those named, or all. The exit status: 1 if one could not be done. */
static int measure_all(const struct op *ops, unsigned count, int names, char **name)
{
	int unable = 0;

	for (unsigned i = 0; i < count; i++) {
		int wanted = names == 0;
		uint64_t got;

		for (int k = 0; k < names; k++)
			wanted |= strcmp(name[k], ops[i].name) == 0;
		if (!wanted)
			continue;
		got = measure(&ops[i]);
		unable |= got == UNABLE;
		if (got == UNABLE)
			printf("skip %s\n", ops[i].name);
		else
			printf("op %s %llu\n", ops[i].name, (unsigned long long)got);
		fflush(stdout);
	}
	return unable;
}

static inline void touch_read(const volatile char *at, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		(void)at[(size_t)i * PAGE];
}

static inline void touch_write(volatile char *at, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++)
		at[(size_t)i * PAGE] = 1;
}

static inline uint64_t time_read(const volatile char *at, unsigned pages)
{
	uint64_t start = ticks();

	touch_read(at, pages);
	return ticks() - start;
}

static inline uint64_t time_write(volatile char *at, unsigned pages)
{
	uint64_t start = ticks();

	touch_write(at, pages);
	return ticks() - start;
}

/*
 * Paging, in phases the runner brackets (tests/bench/runner.c): a line "phase NAME" is written, the
 * runner answers with a line, the phase runs, and a line "done PAGES" ends it.
 */
static inline void phase_begin(const char *name)
{
	char answer[16];

	printf("phase %s\n", name);
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		exit(3);
}

static inline void phase_end(unsigned pages)
{
	printf("done %u\n", pages);
	fflush(stdout);
}

/* The pages of a buffer in an order without neighbours: a full-period step through them. */
static inline unsigned shuffled(unsigned i, unsigned pages)
{
	return (unsigned)((uint64_t)i * 7919u % pages);
}

/* first: pages go out; again: each comes in and another goes out; random: the same in disorder. */
static inline void paging_phases(volatile char *at, unsigned pages)
{
	phase_begin("first");
	touch_write(at, pages);
	phase_end(pages);
	phase_begin("again");
	touch_write(at, pages);
	phase_end(pages);
	phase_begin("read");
	touch_read(at, pages);
	phase_end(pages);
	phase_begin("random");
	for (unsigned i = 0; i < pages / 4; i++)
		at[(size_t)shuffled(i, pages) * PAGE] = 2;
	phase_end(pages / 4);
}

#endif
