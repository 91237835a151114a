/*
 * Allocation.
 *
 * A thread bumps a pointer through a chunk of 8 KB of its own, zeroed in advance, its allocation
 * context. Only for a new chunk does it take heap_lock: chunks come from holes of generation 0
 * (left between pinned objects) or from behind the last object of its last region. Each chunk is
 * charged to the generation's budget, and when that is used up a collection comes first. Large and
 * pinned objects are cut out of their own heaps under the lock, and charged there.
 *
 * A chunk's last MIN_OBJECT bytes are kept back, so that what is left of it can always become a
 * hole when a collection needs to walk the region.
 */
#include "guest/user/clrgc/gc.h"

#define CONTEXT KB(8)

/* ---- contexts ---- */

/* => heap_lock; the thread is stopped or calls it itself */
void alloc_context_close(struct gc_thread *t)
{
	struct alloc_context *c = &t->alloc;
	struct region *r;
	uint8_t *end;

	if (!c->at)
		return;
	r = region_of(c->at);
	end = c->limit + MIN_OBJECT;
	if (end == r->allocated)
		r->allocated = c->at;
	else
		make_hole(c->at, (size_t)(end - c->at));
	*c = (struct alloc_context){0};
}

void alloc_contexts_close(void)
{
	for (struct gc_thread *t = heap.threads; t; t = t->next)
		alloc_context_close(t);
}

static void context_open(struct gc_thread *t, struct region *r, uint8_t *block, size_t bytes)
{
	region_clear(r, block, block + bytes);
	t->alloc = (struct alloc_context){block, block + bytes - MIN_OBJECT};
	heap.gen[GEN0].left -= (int64_t)bytes;
	if (heap.in_no_gc)
		heap.no_gc_left -= (int64_t)bytes;
}

static bool context_from_hole(struct gc_thread *t, size_t need)
{
	struct object *hole = free_list_take(&heap.gen[GEN0].free, need);
	size_t bytes, take;

	if (!hole)
		return false;
	bytes = size_of(hole);
	take = at_most(bytes, at_least(need, CONTEXT));
	if (bytes - take < FREE_LISTED)
		take = bytes;
	if (take < bytes) {
		make_hole(block_of(hole) + take, bytes - take);
		free_list_add(&heap.gen[GEN0].free, object_at(block_of(hole) + take));
	}
	context_open(t, region_of(hole), block_of(hole), take);
	return true;
}

/* From behind the region's last object. */
static bool context_from_tail(struct gc_thread *t, struct region *r, size_t need)
{
	uint8_t *block = r->allocated;
	size_t room = (size_t)(r->end - block), take = at_most(room, at_least(need, CONTEXT));

	if (room < need || !region_commit(r, block + take))
		return false;
	r->allocated = block + take;
	context_open(t, r, block, take);
	return true;
}

static bool context_refill(struct gc_thread *t, size_t size)
{
	struct generation *g = &heap.gen[GEN0];
	size_t need = size + MIN_OBJECT;
	struct region *r;

	alloc_context_close(t);
	if (context_from_hole(t, need) || (g->last && context_from_tail(t, g->last, need)))
		return true;
	r = region_new(GEN0, UNIT);
	if (!r)
		return false;
	region_append(g, r);
	return context_from_tail(t, r, need);
}

/* ---- large and pinned objects ---- */

/* NULL: no room. */
static struct object *cut_from_tail(struct region *r, size_t size)
{
	uint8_t *block = r->allocated;

	if ((size_t)(r->end - block) < size || !region_commit(r, block + size))
		return NULL;
	r->allocated = block + size;
	return object_at(block);
}

static struct object *cut(unsigned g, size_t size)
{
	struct object *o = free_list_take(&heap.gen[g].free, size);
	struct region *r = heap.gen[g].last;

	if (o) {
		size_t rest = size_of(o) - size;

		if (rest) {
			make_hole(block_of(o) + size, rest);
			brick_set(object_at(block_of(o) + size));
			free_list_add(&heap.gen[g].free, object_at(block_of(o) + size));
		}
		return o;
	}
	o = r ? cut_from_tail(r, size) : NULL;
	if (o)
		return o;
	r = region_new(g, size);
	if (!r)
		return NULL;
	region_append(&heap.gen[g], r);
	return cut_from_tail(r, size);
}

static struct object *cut_zeroed(unsigned g, size_t size)
{
	struct object *o = cut(g, size);

	if (!o)
		return NULL;
	region_clear(region_of(o), block_of(o), block_of(o) + size);
	brick_set(o);
	heap.gen[g].left -= (int64_t)size;
	if (heap.in_no_gc)
		heap.no_gc_left -= (int64_t)size;
	return o;
}

/* ---- the slow path ---- */

struct request {
	struct gc_thread *thread;
	unsigned generation;
	size_t size;
	struct object *o;
};

static bool try_once(struct request *q)
{
	if (q->generation == GEN0) {
		if (!context_refill(q->thread, q->size))
			return false;
		q->o = object_at(q->thread->alloc.at);
		q->thread->alloc.at += q->size;
		return true;
	}
	q->o = cut_zeroed(q->generation, q->size);
	return q->o != NULL;
}

static bool budget_is_used_up(unsigned g)
{
	return heap.in_no_gc ? heap.no_gc_left <= 0 : heap.gen[g].left <= 0;
}

/* => heap_lock. Collects when it is time, and harder when there is no memory. */
static bool allocate_slowly(struct request *q)
{
	if (budget_is_used_up(q->generation)) {
		heap.in_no_gc = false;
		collect_for_budget(q->thread, q->generation);
	}
	if (try_once(q))
		return true;
	heap.in_no_gc = false;
	collect_locked(q->thread, GEN1, true, GC_NO_MEMORY);
	if (try_once(q))
		return true;
	collect_locked(q->thread, GEN2, true, GC_NO_MEMORY);
	return try_once(q);
}

static struct object *allocate(struct gc_thread *t, size_t size, unsigned g)
{
	struct request q = {t, g, size, NULL};

	if (g == GEN0 && t->alloc.at && size <= (size_t)(t->alloc.limit - t->alloc.at)) {
		q.o = object_at(t->alloc.at);
		t->alloc.at += size;
		return q.o;
	}
	heap_enter(t);
	if (!allocate_slowly(&q))
		q.o = NULL;
	heap_leave();
	return q.o;
}

static bool is_sound(const GCType *type, size_t length)
{
	return type->base_size >= MIN_OBJECT && !(type->base_size & 7) &&
	       (!type->component_size || length <= (SIZE_MAX >> 2) / type->component_size);
}

static void *alloc_object(const GCType *type, size_t length, bool pinned)
{
	struct gc_thread *t = thread_self();
	struct object *o;
	size_t size;
	unsigned g;

	if (!is_sound(type, length))
		return NULL;
	size = type->base_size + type->component_size * length;
	g = pinned ? POH : size >= heap.loh_threshold ? LOH : GEN0;
	o = allocate(t, align_up(size, 8), g);
	if (!o)
		return NULL;
	/* The length first: whoever sees the type walks on by it. */
	if (type->component_size)
		o->length = length;
	__atomic_store_n(&o->type, type, __ATOMIC_RELEASE);
	return type->finalize && !finalize_register(o) ? NULL : o;
}

void *GC_Alloc(const GCType *type)
{
	return alloc_object(type, 0, false);
}

void *GC_AllocateArray(const GCType *type, size_t length, bool pinned)
{
	return type->component_size ? alloc_object(type, length, pinned) : NULL;
}

size_t GC_GetObjectSize(const void *object)
{
	return size_of(object);
}

size_t GC_GetArrayLength(const void *array)
{
	const struct object *o = array;

	return o->type->component_size ? o->length : 0;
}

int GC_GetGeneration(const void *object)
{
	return in_heap(object) ? (int)logical(generation_at(object)) : GC_MaxGeneration;
}
