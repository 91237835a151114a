/*
 * Cards and bricks: what a collection of the younger generations has to look at in the older ones.
 *
 * A card covers 256 bytes. It is set when a reference is stored there to an object of a younger
 * generation: by the write barrier, and by a collection that leaves such a reference behind. A
 * bundle covers 32 cards and is set with any of them, so that clean memory is passed over 8 KB at a
 * time. Cards say where in a region, not in which object: bricks do. A brick is the offset of the
 * first object that starts in its 4 KB, in eights and plus one, 0 if none does; from there, or from
 * the last brick before that has one, objects are walked. Generation 0 needs no bricks.
 *
 * Locks: none. The barrier's stores race with nobody who clears, since clearing is done while all
 * threads are stopped.
 */
#include "guest/user/clrgc/gc.h"

#define CARDS_IN_BUNDLE (1u << (BUNDLE_SHIFT - CARD_SHIFT))
#define CARD_BYTES	((uintptr_t)1 << CARD_SHIFT)

static size_t offset_of(const void *p)
{
	return (size_t)((uintptr_t)p - (uintptr_t)heap.base);
}

void card_set(const void *slot)
{
	size_t at = offset_of(slot);

	__atomic_store_n(&heap.cards[at >> CARD_SHIFT], 1, __ATOMIC_RELAXED);
	__atomic_store_n(&heap.bundles[at >> BUNDLE_SHIFT], 1, __ATOMIC_RELAXED);
}

void GC_WriteBarrier(void **slot, void *value)
{
	__atomic_store_n(slot, value, __ATOMIC_RELEASE);
	if (value && in_heap(slot) && generation_at(value) < GEN2 &&
	    generation_at(value) < generation_at(slot))
		card_set(slot);
}

void cards_clear(struct region *r)
{
	size_t from = offset_of(r->start), to = offset_of(r->end);

	/* Only what bundles say is set: memory nobody has used stays untouched. */
	for (size_t b = from >> BUNDLE_SHIFT; b < to >> BUNDLE_SHIFT; b++)
		if (heap.bundles[b]) {
			memset(heap.cards + b * CARDS_IN_BUNDLE, 0, CARDS_IN_BUNDLE);
			heap.bundles[b] = 0;
		}
}

void brick_set(const struct object *o)
{
	size_t at = offset_of(block_of(o));
	uint16_t *brick = &heap.bricks[at >> BRICK_SHIFT];
	uint16_t value = (uint16_t)(((at & ((1u << BRICK_SHIFT) - 1)) >> 3) + 1);

	if (!*brick || *brick > value)
		*brick = value;
}

void bricks_clear(struct region *r)
{
	size_t from = offset_of(r->start) >> BRICK_SHIFT;
	size_t to = (offset_of(r->used) + (1u << BRICK_SHIFT) - 1) >> BRICK_SHIFT;

	memset(heap.bricks + from, 0, (to - from) * sizeof(*heap.bricks));
}

struct object *object_around(struct region *r, uintptr_t p)
{
	size_t first = offset_of(r->start) >> BRICK_SHIFT;
	size_t brick = offset_of((void *)p) >> BRICK_SHIFT;
	struct object *o = object_at(r->start), *next;

	for (;; brick--) {
		size_t value = heap.bricks[brick], start;

		if (value) {
			start = (uintptr_t)heap.base + (brick << BRICK_SHIFT) + 8 * (value - 1);
			if (start <= p) {
				o = object_at((void *)start);
				break;
			}
		}
		if (brick == first)
			break;
	}
	while ((uintptr_t)block_of(next = next_object(o)) <= p)
		o = next;
	return o;
}

struct scan {
	struct region *region;
	struct object *o; /* the one visited last, since a card seldom is the last of an object */
	visit_slot *visit;
	void *context;
};

static void visit_card(struct scan *s, size_t card)
{
	uintptr_t from = (uintptr_t)heap.base + (card << CARD_SHIFT), to = from + CARD_BYTES;
	uintptr_t end = (uintptr_t)s->region->allocated;

	if (from >= end)
		return;
	if (!s->o || (uintptr_t)block_of(next_object(s->o)) <= from)
		s->o = object_around(s->region, from);
	for (;; s->o = next_object(s->o)) {
		visit_range(s->o, s->visit, s->context, from, to);
		if ((uintptr_t)block_of(next_object(s->o)) >= at_most(to, end))
			return;
	}
}

void cards_visit(struct region *r, visit_slot *visit, void *context, bool clear)
{
	struct scan s = {r, NULL, visit, context};
	size_t last = (offset_of(r->allocated) + (1u << BUNDLE_SHIFT) - 1) >> BUNDLE_SHIFT;

	for (size_t b = offset_of(r->start) >> BUNDLE_SHIFT; b < last; b++) {
		uint8_t set[CARDS_IN_BUNDLE];

		if (!heap.bundles[b])
			continue;
		memcpy(set, heap.cards + b * CARDS_IN_BUNDLE, CARDS_IN_BUNDLE);
		if (clear) {
			memset(heap.cards + b * CARDS_IN_BUNDLE, 0, CARDS_IN_BUNDLE);
			heap.bundles[b] = 0;
		}
		for (size_t i = 0; i < CARDS_IN_BUNDLE; i++)
			if (set[i])
				visit_card(&s, b * CARDS_IN_BUNDLE + i);
	}
}
