/*
 * What the collector decides by figures: budgets, compact or sweep, how much memory to keep.
 *
 * A generation's budget is how many bytes it may take on before a collection of it is worth its
 * work. Generation 0 begins with the size of the processor's last cache, so that what is allocated
 * between two collections stays there, but no more than a sixth of memory; afterwards the more a
 * generation keeps the larger its budget, since a collection costs what survives and not what dies.
 *
 * Lock: heap_lock.
 */
#include "guest/user/clrgc/gc.h"

#define LEAST_GEN0   KB(256)
#define LEAST_GEN1   KB(256)
#define LEAST_GEN2   MB(1)
#define LEAST_LARGE  MB(3)
#define MOST_GEN1    MB(6)
#define GEN0_GROWTH  4u /* times its first budget */
#define MEMORY_SHARE 6u
#define GROWTH	     8 /* of old generations, that makes a full collection for low memory worth it */

static size_t first_gen0;

void budgets_make(void)
{
	size_t most = gcp_physical_memory() / MEMORY_SHARE;

	first_gen0 =
	    heap.config.gen0_size ? heap.config.gen0_size : at_least(gcp_cache_size(), LEAST_GEN0);
	while (!heap.config.gen0_size && first_gen0 > most && first_gen0 / 2 >= LEAST_GEN0)
		first_gen0 /= 2;
	for (unsigned g = 0; g < GENERATIONS; g++) {
		static const size_t least[] = {0, LEAST_GEN1, LEAST_GEN2, LEAST_LARGE, LEAST_LARGE};

		heap.gen[g].budget = g == GEN0 ? first_gen0 : least[g];
		heap.gen[g].left = (int64_t)heap.gen[g].budget;
	}
}

size_t generation_bytes(unsigned g)
{
	size_t bytes = 0;

	for (struct region *r = heap.gen[g].first; r; r = r->next)
		bytes += (size_t)(r->allocated - r->start);
	return bytes;
}

static size_t new_budget(unsigned g)
{
	size_t kept = heap.gen[g].survivors;

	switch (g) {
	case GEN0:
		return at_most(at_least(2 * kept, first_gen0), GEN0_GROWTH * first_gen0);
	case GEN1:
		return at_most(at_least(2 * kept, LEAST_GEN1), MOST_GEN1);
	case GEN2:
		return at_least(kept / 2, LEAST_GEN2);
	default:
		return at_least(kept / 2, LEAST_LARGE);
	}
}

/* => stopped, after marking: holes are worth moving survivors for if they are many bytes and a good
   part of the generation */
bool wants_compaction(unsigned g)
{
	size_t bytes = generation_bytes(g), holes = bytes - heap.gen[g].survivors;

	return holes > KB(40) * (g + 1) && holes > bytes / (g == GEN2 ? 4 : 2);
}

bool old_have_grown(void)
{
	int64_t taken = 0, kept = 0;

	for (unsigned g = GEN2; g < GENERATIONS; g++) {
		taken += (int64_t)heap.gen[g].budget - heap.gen[g].left;
		kept += (int64_t)heap.gen[g].survivors;
	}
	return taken >= kept / GROWTH;
}

static void trim(unsigned g)
{
	for (struct region *r = heap.gen[g].first; r; r = r->next)
		region_trim(r);
}

/* Generations 0 and 1 keep their pages, unless memory is low: they will soon be used again. */
static void give_back(unsigned condemned, enum gc_reason reason)
{
	bool all = reason == GC_LOW_MEMORY || reason == GC_AGGRESSIVE;

	if (all) {
		trim(GEN0);
		trim(GEN1);
	}
	if (condemned == GEN2)
		for (unsigned g = GEN2; g < GENERATIONS; g++)
			trim(g);
	if (condemned >= GEN1)
		regions_decommit(all ? 0 : heap.gen[GEN0].budget + UNIT);
}

void budgets_after(unsigned condemned, enum gc_reason reason)
{
	for (unsigned g = 0; g < GENERATIONS; g++) {
		struct generation *old = &heap.gen[g];

		if (!heap.condemned[g])
			continue;
		old->budget = new_budget(g);
		old->left = (int64_t)old->budget;
	}
	/* What has come to an older generation is charged there. */
	for (unsigned g = GEN0; g <= GEN1; g++)
		if (heap.condemned[g])
			heap.gen[g + 1].left -= (int64_t)heap.gen[g].survivors;
	give_back(condemned, reason);
}
