/*
 * Compacting and sweeping: the survivors move to where plan.c has put them, or stay and what is
 * dead between them becomes holes. Either way headers lose the bits of the collection, bricks are
 * made anew and holes listed. Then regions come to the generations they are planned for.
 */
#include "guest/user/clrgc/gc.h"

#define RESET_FROM KB(64) /* a hole of so much is not worth writing to a pagefile */

/* => in a region whose bricks are being made anew */
static void list_hole(struct region *r, uint8_t *block, size_t bytes)
{
	struct object *o = object_at(block);

	make_hole(block, bytes);
	brick_set(o);
	free_list_add(&heap.gen[r->plan_generation].free, o);
}

static void settle(struct region *r, struct object *o, uint64_t flags)
{
	uint8_t *hole = (uint8_t *)(uintptr_t)(flags >> H_SHIFT);

	set_flags(o, flags & H_SUPPRESS);
	brick_set(o);
	if (flags & H_PIN && hole)
		list_hole(r, hole, (size_t)(block_of(o) - hole));
}

static void move(struct object *o, uint64_t flags)
{
	struct object *to = (struct object *)(uintptr_t)(flags >> H_SHIFT);

	set_flags(o, flags & H_SUPPRESS);
	memmove(block_of(to), block_of(o), size_of(o));
	brick_set(to);
}

static void compact_region(struct region *r)
{
	struct object *o = object_at(r->start), *next;

	bricks_clear(r);
	for (; block_of(o) < r->allocated; o = next) {
		uint64_t flags = flags_of(o);

		next = next_object(o); /* before anything is written there */
		if (!(flags & H_MARK))
			continue;
		if (flags & H_PIN)
			settle(r, o, flags);
		else
			move(o, flags);
	}
}

void compact_generation(unsigned g)
{
	for (struct region *r = heap.gen[g].first; r; r = r->next)
		compact_region(r);
}

/* The inner pages of a large hole: the next to use them need not find what is there now. */
static void reset_hole(uint8_t *block, size_t bytes)
{
	uintptr_t from = align_up((uintptr_t)block + sizeof(struct object) + HEADER, GCP_PAGE);
	uintptr_t to = align_down((uintptr_t)block + bytes, GCP_PAGE);

	if (bytes >= RESET_FROM && from < to)
		gcp_reset((void *)from, to - from);
}

static void sweep_region(struct region *r, uint64_t live)
{
	struct object *o = object_at(r->start), *next;
	uint8_t *hole = NULL;

	bricks_clear(r);
	r->survived = 0;
	for (; block_of(o) < r->allocated; o = next) {
		next = next_object(o);
		if (!(flags_of(o) & live)) {
			hole = hole ? hole : block_of(o);
			continue;
		}
		if (hole) {
			list_hole(r, hole, (size_t)(block_of(o) - hole));
			if (heap.condemned[GEN2])
				reset_hole(hole, (size_t)(block_of(o) - hole));
			hole = NULL;
		}
		r->survived += size_of(o);
		settle(r, o, flags_of(o) & H_FLAGS);
	}
	r->plan_allocated = hole ? hole : r->allocated;
}

void sweep_generation(unsigned g, uint64_t live)
{
	for (struct region *r = heap.gen[g].first; r; r = r->next)
		sweep_region(r, live);
}

static void regroup_region(struct region *r)
{
	r->allocated = r->plan_allocated;
	if (r->allocated == r->start) {
		region_free(r);
		return;
	}
	r->used = r->used > r->allocated ? r->used : r->allocated;
	region_set_generation(r, r->plan_generation);
	region_append(&heap.gen[r->generation], r);
}

void regroup(void)
{
	static const uint8_t oldest_first[GENERATIONS] = {GEN2, GEN1, GEN0, LOH, POH};
	struct region *list[GENERATIONS] = {0};

	for (unsigned g = 0; g < GENERATIONS; g++) {
		if (!heap.condemned[g])
			continue;
		list[g] = heap.gen[g].first;
		heap.gen[g].first = heap.gen[g].last = NULL;
	}
	for (unsigned i = 0; i < GENERATIONS; i++)
		for (struct region *r = list[oldest_first[i]], *next; r; r = next) {
			next = r->next;
			regroup_region(r);
		}
	plan_done();
}
