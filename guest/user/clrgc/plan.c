/*
 * Planning a compaction: where each survivor of a generation goes. Nothing moves yet; the new
 * address is written to the upper bits of the object's header.
 *
 * Sources are taken in order: region by region as listed, object by object. Destinations are, for
 * survivors of a generation that become an older one which is not collected now:
 *   GAP    holes of the older generation
 *   TAIL   what is behind the last object of its last region
 * and then for all:
 *   OWN    the generation's own regions, in the same order, so that a destination is never behind
 *          its source and copying in source order overwrites nothing that has yet to move.
 *
 * Pinned objects stay. OWN flows around them: a pin that the source has passed waits in a queue
 * until the destination comes to it; then what is left before it will be a hole, and where that
 * hole starts is what the pin's header is for. (The queue itself is linked through the same bits,
 * so that planning needs no memory.) A hole has to be nothing or MIN_OBJECT at least. Before a pin
 * that is known, an object fits accordingly; before one that is not known yet, the distance between
 * destination and source is a sum of whole objects, and is right by itself.
 *
 * Demotion. A region of generation 0 or 1 with few bytes, but pinned ones, becomes generation 0
 * with its pins, and what is free between them is where the next allocations go. Other survivors do
 * not get younger, so they leave it, for a FRESH region if OWN would be behind the source; if there
 * is none, the region is not demoted.
 */
#include "guest/user/clrgc/gc.h"

#define DEMOTE_BELOW (UNIT / 4) /* pinned bytes */

enum where { NOWHERE, GAP, TAIL, OWN, FRESH };

struct pins {
	struct object *first, *last;
};

struct plan {
	unsigned target;
	bool older; /* the target is not condemned: GAP and TAIL are there */
	enum where where;
	struct region *region;	 /* of the destination, but for GAP */
	uint8_t *at, *limit;	 /* the limit is GAP's */
	struct region *own_next; /* the first own region that has not been a destination */
	struct pins ahead;	 /* passed by the source, not by the destination */
	struct pins held;	 /* of the demoted region that is the source now */
};

/* Regions that were made for survivors, and the one whose tail took some. */
static struct region *fresh, *tail;

/* ---- pins ---- */

static void set_upper(struct object *o, const void *value)
{
	set_flags(o, (flags_of(o) & H_FLAGS) | (uint64_t)(uintptr_t)value << H_SHIFT);
}

static void pins_add(struct pins *p, struct object *o)
{
	set_upper(o, NULL);
	if (p->last)
		set_upper(p->last, o);
	else
		p->first = o;
	p->last = o;
}

static struct object *pins_take(struct pins *p)
{
	struct object *o = p->first;

	p->first = (struct object *)(flags_of(o) >> H_SHIFT);
	if (!p->first)
		p->last = NULL;
	return o;
}

/* A destination at `at` comes to the first pin; where it goes on is returned. */
static uint8_t *pass_pin(struct pins *p, uint8_t *at)
{
	struct object *o = pins_take(p);

	set_upper(o, at < block_of(o) ? at : NULL);
	return block_of(o) + size_of(o);
}

/* ---- destinations ---- */

static bool leaves_hole(const struct plan *p, size_t size, const uint8_t *limit)
{
	size_t room = (size_t)(limit - p->at);

	return room == size || room >= size + MIN_OBJECT;
}

static struct object *pin_here(const struct plan *p)
{
	return p->ahead.first && region_of(p->ahead.first) == p->region ? p->ahead.first : NULL;
}

static bool fits(const struct plan *p, size_t size, const struct region *source)
{
	switch (p->where) {
	case NOWHERE:
		return false;
	case GAP:
		return leaves_hole(p, size, p->limit);
	case OWN:
		if (pin_here(p))
			return leaves_hole(p, size, block_of(pin_here(p)));
		if (p->region == source)
			return true;
		break;
	default:
		break;
	}
	/* Up to the region's end; pages behind its last object may have been given back. */
	return size <= (size_t)(p->region->end - p->at) && region_commit(p->region, p->at + size);
}

static void leave(struct plan *p)
{
	struct free_list *list = &heap.gen[p->target].free;

	if (p->where == GAP && p->at < p->limit) {
		make_hole(p->at, (size_t)(p->limit - p->at));
		brick_set(object_at(p->at));
		free_list_add(list, object_at(p->at));
	} else if (p->where != GAP && p->where != NOWHERE) {
		p->region->plan_allocated = p->at;
	}
	p->where = NOWHERE;
}

static void enter(struct plan *p, enum where where, struct region *r, uint8_t *at)
{
	p->where = where;
	p->region = r;
	p->at = at;
}

static bool enter_older(struct plan *p, size_t size)
{
	struct object *hole = free_list_take(&heap.gen[p->target].free, size);

	if (hole) {
		enter(p, GAP, NULL, block_of(hole));
		p->limit = p->at + size_of(hole);
		return true;
	}
	if (tail || !heap.gen[p->target].last)
		return false;
	tail = heap.gen[p->target].last;
	enter(p, TAIL, tail, tail->allocated);
	return true;
}

static bool enter_fresh(struct plan *p, size_t size)
{
	struct region *r = region_new(p->target, UNIT);

	if (!r)
		return false;
	if (!region_commit(r, r->start + size)) {
		region_free(r);
		return false;
	}
	r->next = fresh;
	fresh = r;
	enter(p, FRESH, r, r->start);
	return true;
}

/* The demoted region is needed: its pins are pins like others again. */
static void keep_generation(struct plan *p, struct region *r)
{
	r->demoted = false;
	r->plan_generation = (uint8_t)p->target;
	p->ahead = p->held; /* the destination has passed all that came before */
	p->held = (struct pins){0};
}

/* The source itself, if there is none before it that takes survivors. */
static struct region *next_own(const struct plan *p, struct region *source)
{
	struct region *r = p->own_next;

	while (r && r != source && r->demoted)
		r = r->next;
	return r ? r : source;
}

static void advance(struct plan *p, size_t size, struct region *source)
{
	struct region *own;

	if (p->where == OWN && pin_here(p)) {
		p->at = pass_pin(&p->ahead, p->at);
		return;
	}
	leave(p);
	if (p->older && enter_older(p, size))
		return;
	own = next_own(p, source);
	if (own->demoted) {
		p->own_next = own;
		if (enter_fresh(p, size))
			return;
		keep_generation(p, own);
	}
	enter(p, OWN, own, own->start);
	p->own_next = own->next;
}

/* ---- sources ---- */

static void plan_object(struct plan *p, struct object *o, struct region *source)
{
	size_t size = size_of(o);

	if (flags_of(o) & H_PIN) {
		pins_add(source->demoted ? &p->held : &p->ahead, o);
		return;
	}
	while (!fits(p, size, source))
		advance(p, size, source);
	set_upper(o, object_at(p->at));
	p->at += size;
}

static void plan_region(struct plan *p, struct region *r)
{
	uint8_t *at = r->start;

	for (struct object *o = object_at(r->start); block_of(o) < r->allocated; o = next_object(o))
		if (flags_of(o) & H_MARK)
			plan_object(p, o, r);
	if (!r->demoted)
		return;
	while (p->held.first)
		at = pass_pin(&p->held, at);
	r->plan_allocated = at;
}

/* Pins behind the last destination keep their regions. */
static void pass_rest(struct plan *p)
{
	while (p->ahead.first) {
		struct region *r = region_of(p->ahead.first);

		if (p->where != OWN || p->region != r) {
			leave(p);
			enter(p, OWN, r, r->start);
		}
		p->at = pass_pin(&p->ahead, p->at);
	}
	leave(p);
}

void plan_generation(unsigned g)
{
	struct plan p = {.target = next_generation(g), .own_next = heap.gen[g].first};

	p.older = !heap.condemned[p.target];
	for (struct region *r = heap.gen[g].first; r; r = r->next) {
		r->demoted = g <= GEN1 && r->pinned && r->pinned < DEMOTE_BELOW;
		r->plan_generation = (uint8_t)(r->demoted ? (unsigned)GEN0 : p.target);
		r->plan_allocated = r->start;
	}
	for (struct region *r = heap.gen[g].first; r; r = r->next)
		plan_region(&p, r);
	pass_rest(&p);
}

void plan_in_place(unsigned g)
{
	for (struct region *r = heap.gen[g].first; r; r = r->next)
		r->plan_generation = (uint8_t)next_generation(g);
}

static void take_on(struct region *r)
{
	r->allocated = r->plan_allocated;
	r->used = r->used > r->allocated ? r->used : r->allocated;
}

void plan_done(void)
{
	if (tail)
		take_on(tail);
	tail = NULL;
	while (fresh) {
		struct region *r = fresh;

		fresh = r->next;
		take_on(r);
		region_append(&heap.gen[r->generation], r);
	}
}
