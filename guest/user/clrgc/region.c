/*
 * Regions: which units belong to what, and which of their pages are committed.
 *
 * The range and the tables beside it are reserved once and committed as regions need them. Regions
 * of one unit come from the low end, larger ones from the high end, so that neither cuts up the
 * other's space. An empty region of one unit stays committed on a list, for generation 0 to fill
 * again; regions_decommit() gives back those that are too many. Pages of the range are never
 * released one by one: decommitted is all that a part of a reservation can be.
 *
 * Lock: heap_lock.
 */
#include "guest/user/clrgc/gc.h"

#define COMMIT_STEP KB(128)

/* A region is free only after a collection that left no object in it, and so no brick. */

/* In unit_generation: 0 is a free unit, else the generation and one, or: */
#define UNIT_KEPT (GENERATIONS + 1)

static struct {
	uint8_t *base;
	size_t bytes;
} tables;

/* The next table of so many bytes, from its own pages on. */
static size_t place(size_t *at, size_t bytes)
{
	size_t here = *at;

	*at += align_up(bytes, GCP_PAGE);
	return here;
}

bool regions_make(void)
{
	size_t range = heap.units << UNIT_SHIFT, cards, bundles, bricks, regions, generations;

	tables.bytes = 0;
	cards = place(&tables.bytes, range >> CARD_SHIFT);
	bundles = place(&tables.bytes, range >> BUNDLE_SHIFT);
	bricks = place(&tables.bytes, (range >> BRICK_SHIFT) * sizeof(uint16_t));
	regions = place(&tables.bytes, heap.units * sizeof(struct region));
	generations = place(&tables.bytes, heap.units);
	tables.base = gcp_reserve(tables.bytes, false);
	if (!tables.base || !gcp_commit(tables.base + generations, align_up(heap.units, GCP_PAGE)))
		return false;
	heap.cards = tables.base + cards;
	heap.bundles = tables.base + bundles;
	heap.bricks = (uint16_t *)(tables.base + bricks);
	heap.region = (struct region *)(tables.base + regions);
	heap.unit_generation = tables.base + generations;
	heap.low_unit = 0;
	heap.high_unit = heap.units;
	return true;
}

void regions_free(void)
{
	if (tables.base)
		gcp_release(tables.base, tables.bytes);
	tables.base = NULL;
}

static bool commit_table(void *from, void *to)
{
	uintptr_t first = align_down((uintptr_t)from, GCP_PAGE);

	return gcp_commit((void *)first, align_up((uintptr_t)to, GCP_PAGE) - first);
}

/* The tables' parts for `count` units from `unit` on. */
static bool commit_tables(size_t unit, size_t count)
{
	size_t from = unit << UNIT_SHIFT, to = (unit + count) << UNIT_SHIFT;

	return commit_table(heap.region + unit, heap.region + unit + count) &&
	       commit_table(heap.cards + (from >> CARD_SHIFT), heap.cards + (to >> CARD_SHIFT)) &&
	       commit_table(heap.bundles + (from >> BUNDLE_SHIFT),
			    heap.bundles + (to >> BUNDLE_SHIFT)) &&
	       commit_table(heap.bricks + (from >> BRICK_SHIFT), heap.bricks + (to >> BRICK_SHIFT));
}

/* heap.units when there is none. */
static size_t find_low(void)
{
	const uint8_t *hole = heap.low_unit ? memchr(heap.unit_generation, 0, heap.low_unit) : NULL;

	if (hole)
		return (size_t)(hole - heap.unit_generation);
	return heap.low_unit < heap.high_unit ? heap.low_unit : heap.units;
}

static size_t find_high(size_t count)
{
	size_t run = 0;

	for (size_t u = heap.units; u-- > heap.low_unit;) {
		run = heap.unit_generation[u] ? 0 : run + 1;
		if (run == count)
			return u;
	}
	return heap.units;
}

static void own_units(struct region *r, size_t unit, size_t count, uint8_t mark)
{
	for (size_t i = 0; i < count; i++) {
		heap.region[unit + i].head = mark ? r : NULL;
		heap.unit_generation[unit + i] = mark;
	}
}

static size_t units_of(const struct region *r)
{
	return (size_t)(r->end - r->start) >> UNIT_SHIFT;
}

void region_set_generation(struct region *r, unsigned generation)
{
	r->generation = r->plan_generation = (uint8_t)generation;
	own_units(r, unit_of(r->start), units_of(r), (uint8_t)(generation + 1));
}

static void begin(struct region *r, unsigned generation)
{
	r->next = NULL;
	r->allocated = r->start;
	r->demoted = false;
	r->survived = r->pinned = 0;
	region_set_generation(r, generation);
	cards_clear(r);
}

struct region *region_new(unsigned generation, size_t bytes)
{
	size_t count =
	    generation <= GEN2 ? 1 : align_up(at_least(bytes, LARGE_REGION), UNIT) >> UNIT_SHIFT;
	struct region *r = heap.free_regions;
	size_t unit;

	if (count == 1 && r) {
		heap.free_regions = r->next;
		begin(r, generation);
		return r;
	}
	unit = count == 1 ? find_low() : find_high(count);
	if (unit == heap.units && count > 1 && bytes <= UNIT) {
		count = 1; /* the range is nearly full: a smaller one will do */
		unit = find_low();
	}
	if (unit == heap.units || !commit_tables(unit, count))
		return NULL;
	if (unit < heap.high_unit && count == 1)
		heap.low_unit = at_least(heap.low_unit, unit + 1);
	else
		heap.high_unit = at_most(heap.high_unit, unit);
	r = &heap.region[unit];
	r->start = r->committed = r->used = heap.base + (unit << UNIT_SHIFT);
	r->end = r->start + (count << UNIT_SHIFT);
	begin(r, generation);
	return r;
}

bool region_commit(struct region *r, uint8_t *to)
{
	uint8_t *end;
	size_t more;

	if (to <= r->committed)
		return true;
	end = r->start + align_up((size_t)(to - r->start), COMMIT_STEP);
	more = (size_t)(end - r->committed);
	if (heap.config.hard_limit && heap.committed + more > heap.config.hard_limit)
		return false;
	if (!gcp_commit(r->committed, more))
		return false;
	heap.committed += more;
	r->committed = end;
	return true;
}

static void decommit_from(struct region *r, uint8_t *from)
{
	size_t bytes = (size_t)(r->committed - from);

	if (!bytes)
		return;
	gcp_decommit(from, bytes);
	heap.committed -= bytes;
	r->committed = from;
	r->used = r->used < from ? r->used : from;
}

static void give_back(struct region *r)
{
	decommit_from(r, r->start);
	own_units(r, unit_of(r->start), units_of(r), 0);
	while (heap.low_unit && !heap.unit_generation[heap.low_unit - 1])
		heap.low_unit--;
	while (heap.high_unit < heap.units && !heap.unit_generation[heap.high_unit])
		heap.high_unit++;
}

void region_free(struct region *r)
{
	if (units_of(r) > 1) {
		give_back(r);
		return;
	}
	r->allocated = r->start;
	own_units(r, unit_of(r->start), 1, UNIT_KEPT);
	r->next = heap.free_regions;
	heap.free_regions = r;
}

void regions_decommit(size_t keep)
{
	struct region **link = &heap.free_regions, *r;
	size_t kept = 0;

	while ((r = *link)) {
		size_t bytes = (size_t)(r->committed - r->start);

		if (kept + bytes <= keep) {
			kept += bytes;
			link = &r->next;
			continue;
		}
		*link = r->next;
		give_back(r);
	}
}

void region_append(struct generation *g, struct region *r)
{
	r->next = NULL;
	if (g->last)
		g->last->next = r;
	else
		g->first = r;
	g->last = r;
}

void region_trim(struct region *r)
{
	uint8_t *end = r->start + align_up((size_t)(r->allocated - r->start), GCP_PAGE);

	if (end < r->committed)
		decommit_from(r, end);
}

void region_clear(struct region *r, uint8_t *block, uint8_t *end)
{
	uint8_t *old = end < r->used ? end : r->used;

	if (block < old)
		memset(block, 0, (size_t)(old - block));
	r->used = end > r->used ? end : r->used;
}
