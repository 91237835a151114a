/*
 * A blocking collection, from stopping the threads to letting them go:
 *
 *   close the allocation contexts      so that regions can be walked
 *   mark                               mark.c; counts what survives in each region
 *   decide                             compact or sweep (tune.c, or who asked)
 *   plan                               plan.c: new addresses
 *   relocate                           relocate.c: references and cards
 *   compact or sweep, regroup          compact.c
 *   budgets, memory given back         tune.c
 *
 * Generation n is condemned with all that are younger, 2 with the large and pinned object heaps.
 * Those two are swept; the large object heap moves when it was asked to, the pinned one never.
 */
#include "guest/user/clrgc/gc.h"

static void condemn(unsigned n)
{
	for (unsigned g = 0; g < GENERATIONS; g++) {
		heap.condemned[g] = logical(g) <= n;
		heap.moving[g] = false;
		for (struct region *r = heap.gen[g].first; heap.condemned[g] && r; r = r->next)
			r->survived = r->pinned = 0;
	}
}

void count_survivors(void)
{
	for (unsigned g = 0; g < GENERATIONS; g++) {
		size_t bytes = 0;

		if (!heap.condemned[g])
			continue;
		for (struct region *r = heap.gen[g].first; r; r = r->next)
			bytes += r->survived;
		heap.gen[g].survivors = bytes;
	}
}

static void decide(unsigned n, bool compact, enum gc_reason reason)
{
	for (unsigned g = 0; g <= n; g++)
		compact |= wants_compaction(g);
	for (unsigned g = 0; g <= n; g++)
		heap.moving[g] = compact;
	if (n == GEN2 && (heap.loh_compact_once || reason == GC_AGGRESSIVE)) {
		heap.moving[LOH] = true;
		heap.loh_compact_once = false;
	}
	heap.info.compactions += compact;
}

/* Oldest first: their survivors' places are settled before younger ones could want them. */
static void each_condemned(void (*moves)(unsigned), void (*stays)(unsigned))
{
	static const uint8_t order[GENERATIONS] = {GEN2, GEN1, GEN0, LOH, POH};

	for (unsigned i = 0; i < GENERATIONS; i++)
		if (heap.condemned[order[i]])
			(heap.moving[order[i]] ? moves : stays)(order[i]);
}

static void sweep(unsigned g)
{
	sweep_generation(g, H_MARK);
}

static void forget_holes(unsigned g)
{
	free_list_clear(&heap.gen[g].free);
}

void count_collection(unsigned n, enum gc_reason reason)
{
	for (unsigned g = 0; g <= n; g++)
		atomic_fetch_add(&heap.count[g], 1);
	heap.info.collections++;
	heap.info.low_memory += reason == GC_LOW_MEMORY;
}

void collect_locked(struct gc_thread *self, unsigned n, bool compact, enum gc_reason reason)
{
	if (n == GEN2)
		background_wait(self);
	threads_stop(self);
	alloc_contexts_close();
	verify_or_fail();
	condemn(n);
	mark_condemned();
	count_survivors();
	decide(n, compact, reason);
	each_condemned(forget_holes, forget_holes);
	each_condemned(plan_generation, plan_in_place);
	relocate_all();
	each_condemned(compact_generation, sweep);
	regroup();
	budgets_after(n, reason);
	heap.info.foreground += heap.background;
	memset(heap.condemned, 0, sizeof(heap.condemned));
	memset(heap.moving, 0, sizeof(heap.moving));
	count_collection(n, reason);
	verify_or_fail();
	finalize_wake();
	threads_go();
}

/* ---- triggers ---- */

/* While the background marks, a heap of large objects may exceed its budget, but not for ever. */
#define PATIENCE 4

static bool may_go_on(const struct generation *g)
{
	return g->left > -PATIENCE * (int64_t)g->budget;
}

/* The generation to collect: the oldest that has used up its budget. */
static unsigned worth_collecting(unsigned g)
{
	unsigned n = logical(g);

	if (n == GEN0 && heap.gen[GEN1].left <= 0)
		n = GEN1;
	for (unsigned old = GEN2; old < GENERATIONS; old++)
		if (heap.gen[old].left <= 0)
			n = GEN2;
	return n;
}

void collect_for_budget(struct gc_thread *self, unsigned g)
{
	unsigned n = worth_collecting(g);

	if (heap.background && (g == LOH || g == POH)) {
		if (may_go_on(&heap.gen[g]))
			return;
		background_wait(self);
		if (heap.gen[g].left > 0)
			return;
		n = worth_collecting(g);
	}
	if (heap.background && n == GEN2)
		n = GEN1; /* the older ones are seen to */
	if (n < GEN2 || !heap.config.concurrent) {
		collect_locked(self, n, false, GC_BUDGET);
		return;
	}
	collect_locked(self, GEN1, false, GC_BUDGET);
	if (!background_start(self))
		collect_locked(self, GEN2, false, GC_BUDGET);
}

void collect_low_memory(struct gc_thread *self)
{
	heap_enter(self);
	heap.in_no_gc = false;
	collect_locked(self, old_have_grown() ? GEN2 : GEN1, true, GC_LOW_MEMORY);
	heap_leave();
}
