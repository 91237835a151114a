/*
 * The heap's invariants, checked by walking all of it:
 *
 *  1. Regions lie within their units, start <= allocated <= used <= committed <= end, and each is
 * in the list of its own generation.
 *  2. From start to allocated there are objects and holes with sound types, without gaps; headers
 *     have no bit of a collection.
 *  3. Every reference, in objects, frames, handles and queues, is NULL or the address of an object.
 *  4. A reference to an object of a younger generation than the holder's has its card and bundle.
 *  5. Bricks of all generations but 0 name exactly the first object that starts in their 4 KB.
 *  6. Listed holes are holes of their generation and large enough.
 *
 * The first pass notes where objects start, in a bitmap made for the time; the second looks at
 * references. => stopped, allocation contexts closed
 */
#include "guest/user/clrgc/gc.h"

#define BIT_SHIFT  3u /* a bit for each 8 bytes */
#define BYTE_SHIFT (BIT_SHIFT + 3)

static uint8_t *starts;
static const char *complaint;

static const char no_memory[] = "no memory to verify the heap";

static bool complain_unless(bool holds, const char *what)
{
	if (!holds && !complaint)
		complaint = what;
	return holds;
}

static size_t bit_of(const void *p)
{
	return (size_t)((uintptr_t)p - (uintptr_t)heap.base) >> BIT_SHIFT;
}

static bool is_object(const void *p)
{
	size_t bit;

	if (!in_heap(p) || (uintptr_t)p & 7 || generation_at(p) >= GENERATIONS ||
	    (uint8_t *)p >= region_of(p)->allocated)
		return false;
	bit = bit_of(p);
	return starts[bit / 8] >> (bit % 8) & 1;
}

/* ---- first pass ---- */

static bool region_is_sound(struct region *r, unsigned g)
{
	return complain_unless(region_of(r->start) == r && region_of(r->end - 1) == r &&
				   generation_at(r->start) == g && generation_at(r->end - 1) == g,
			       "a region's units are not its own") &&
	       complain_unless(r->generation == g && r->plan_generation == g,
			       "a region is in another generation's list") &&
	       complain_unless(r->start <= r->allocated && r->allocated <= r->used &&
				   r->used <= r->committed && r->committed <= r->end,
			       "a region's marks are out of order");
}

static bool object_is_sound(const struct region *r, const struct object *o)
{
	uint64_t odd = H_MARK | H_PIN | ~H_FLAGS | (heap.background ? 0 : H_BACKGROUND);
	size_t room = (size_t)(r->allocated - block_of(o)), size;

	if (!complain_unless(room >= MIN_OBJECT, "the last object of a region is cut off") ||
	    !complain_unless(o->type && o->type->base_size >= MIN_OBJECT,
			     "an object has no type") ||
	    !complain_unless(!(flags_of(o) & odd), "an object's header has bits of a collection"))
		return false;
	size = size_of(o);
	return complain_unless(size >= MIN_OBJECT && size <= room, "an object has a wrong size");
}

static void note_start(const struct object *o)
{
	size_t bit = bit_of(o);

	if (!is_free(o))
		starts[bit / 8] |= (uint8_t)(1u << (bit % 8));
}

static void check_bricks(struct region *r, const struct object *o, size_t *done)
{
	size_t at = (size_t)(block_of(o) - heap.base), brick = at >> BRICK_SHIFT;
	size_t value = ((at & ((1u << BRICK_SHIFT) - 1)) >> 3) + 1;

	if (r->generation == GEN0 || brick + 1 == *done)
		return;
	for (; *done < brick; ++*done)
		complain_unless(!heap.bricks[*done], "a brick without an object has one");
	complain_unless(heap.bricks[brick] == value, "a brick is not that of its first object");
	*done = brick + 1;
}

static void walk(struct region *r)
{
	size_t done = (size_t)(r->start - heap.base) >> BRICK_SHIFT;
	uint8_t *from = starts + ((size_t)(r->start - heap.base) >> BYTE_SHIFT);
	uint8_t *to = starts + ((size_t)(r->committed - heap.base) >> BYTE_SHIFT);
	uintptr_t first = align_down((uintptr_t)from, GCP_PAGE);

	if (r->allocated == r->start)
		return;
	if (!complain_unless(
		gcp_commit((void *)first, align_up((uintptr_t)to + 1, GCP_PAGE) - first),
		no_memory))
		return;
	for (struct object *o = object_at(r->start); !complaint && block_of(o) < r->allocated;
	     o = next_object(o)) {
		if (!object_is_sound(r, o))
			return;
		note_start(o);
		check_bricks(r, o, &done);
	}
}

static void check_holes(unsigned g)
{
	for (unsigned b = 0; b < FREE_BUCKETS; b++)
		for (struct object *o = heap.gen[g].free.bucket[b]; o && !complaint;
		     o = o->next_free)
			if (complain_unless(in_heap(o) && generation_at(o) == g,
					    "a listed hole is in another generation"))
				complain_unless(is_free(o) && size_of(o) >= FREE_LISTED,
						"a listed hole is none");
}

/* ---- second pass ---- */

static void check_root(void **slot, void *context)
{
	(void)context;
	complain_unless(!*slot || is_object(*slot), "a root is no object");
}

static void check_field(void **slot, void *context)
{
	unsigned holder = logical(((const struct region *)context)->generation);
	size_t at = (size_t)((uint8_t *)slot - heap.base);

	if (!*slot || !complain_unless(is_object(*slot), "a reference is no object"))
		return;
	complain_unless(logical(generation_at(*slot)) >= holder ||
			    (heap.cards[at >> CARD_SHIFT] && heap.bundles[at >> BUNDLE_SHIFT]),
			"a reference to a younger generation has no card");
}

static void check_references(struct region *r)
{
	for (struct object *o = object_at(r->start); !complaint && block_of(o) < r->allocated;
	     o = next_object(o))
		visit_object(o, check_field, r);
}

static void each_region(void (*visit)(struct region *))
{
	for (unsigned g = 0; g < GENERATIONS; g++)
		for (struct region *r = heap.gen[g].first; r && !complaint; r = r->next)
			visit(r);
}

const char *verify_heap(void)
{
	size_t bytes = align_up((heap.units << UNIT_SHIFT) >> BYTE_SHIFT, GCP_PAGE) + GCP_PAGE;

	complaint = NULL;
	starts = gcp_reserve(bytes, false);
	if (!starts)
		return no_memory;
	for (unsigned g = 0; g < GENERATIONS; g++) {
		for (struct region *r = heap.gen[g].first; r && !complaint; r = r->next)
			complain_unless(region_is_sound(r, g), "a region is unsound");
		complain_unless(!heap.gen[g].first == !heap.gen[g].last &&
				    (!heap.gen[g].last || !heap.gen[g].last->next),
				"a list of regions has no end");
	}
	each_region(walk);
	for (unsigned g = 0; g < GENERATIONS; g++)
		check_holes(g);
	each_region(check_references);
	if (!complaint) {
		visit_frames(check_root, check_root);
		handles_visit(check_root);
		finalize_visit(check_root);
	}
	gcp_release(starts, bytes);
	return complaint;
}

void verify_or_fail(void)
{
	const char *what = heap.config.verify ? verify_heap() : NULL;

	if (what && what != no_memory) /* which may be what led to the collection */
		gcp_fail(what);
}

const char *GC_VerifyHeap(void)
{
	struct gc_thread *t = thread_self();
	const char *what;

	heap_enter(t);
	background_wait(t);
	threads_stop(t);
	alloc_contexts_close();
	what = verify_heap();
	threads_go();
	heap_leave();
	return what;
}
