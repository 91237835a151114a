/* Seeded by the run block's aslr=SEED, else by the TSC and the wall clock. splitmix64. */
#include "guest/ke/aslr.h"
#include "guest/ke/cpu.h"
#include "guest/ke/ke.h"

static u64 state;
static bool off;

static void seed(void)
{
	const char *s = runblock_get("aslr");

	off = s && !strcmp(s, "off");
	state = s && !off ? runblock_number("aslr", 0) : rdtsc() ^ runblock_number("time", 0) << 20;
	state |= 1ul << 63;
}

u64 ke_random(void)
{
	u64 z;

	if (!state)
		seed();
	z = __atomic_add_fetch(&state, 0x9e3779b97f4a7c15ul, __ATOMIC_RELAXED);
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ul;
	z = (z ^ z >> 27) * 0x94d049bb133111ebul;
	return z ^ z >> 31;
}

bool ke_aslr_enabled(void)
{
	if (!state)
		seed();
	return !off;
}

u64 ke_aslr(u64 below)
{
	return ke_aslr_enabled() && below ? ke_random() % below : 0;
}
