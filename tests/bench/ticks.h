/* The time-stamp counter: under -icount shift=0 one tick an instruction. */
#ifndef NTMM_TESTS_BENCH_TICKS_H
#define NTMM_TESTS_BENCH_TICKS_H

#include <stdint.h>

static inline uint64_t ticks(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

#endif
