/*
 * The collector's own structures.
 *
 * The range. One reserved range of address space is divided into units of 4 MB. A *region* is a run
 * of units that belongs to one generation: one unit for small objects, 32 MB and more for large
 * and pinned ones. In a region, objects lie one behind the other from `start` to `allocated`, holes
 * between them being *free objects*, so that it can be walked.
 *
 *     start          allocated       used          committed           end
 *       | objects, holes  |  old bytes |   zero          |  reserved only |
 *
 * Generations 0, 1, 2, then the large object heap and the pinned object heap, which are logically 2
 * and collected with it. The remembered set is a card (byte) for each 256 bytes, and a bundle
 * (byte) for each 32 cards; bricks tell for each 4 KB where its first object starts.
 *
 * An object's header, the eight bytes before it: flags below, and while a collection runs what plan
 * found in the upper 48 bits (plan.c).
 *
 * Locks, in this order:
 *   heap_lock       everything here but what follows. A thread waits for it in preemptive mode
 * only. finalize_lock   the queues of finalize.c handle_lock     the handle table stop_lock the
 * hand-shake of stopping threads (thread.c)
 * "=> stopped" on a function: heap_lock is held and every other attached thread is stopped.
 */
#ifndef NTMM_CLRGC_GC_H
#define NTMM_CLRGC_GC_H

#include <stdatomic.h>
#include <string.h>
#include "guest/user/clrgc/clrgc.h"
#include "guest/user/clrgc/platform.h"

#define KB(n) ((size_t)(n) << 10)
#define MB(n) ((size_t)(n) << 20)
#define GB(n) ((size_t)(n) << 30)

#define UNIT_SHIFT   22u
#define UNIT	     ((size_t)1 << UNIT_SHIFT)
#define LARGE_REGION MB(32)
#define CARD_SHIFT   8u
#define BUNDLE_SHIFT 13u
#define BRICK_SHIFT  12u

#define MIN_OBJECT GC_MIN_OBJECT
#define HEADER	   8u

enum { GEN0, GEN1, GEN2, LOH, POH, GENERATIONS };
#define NO_GENERATION 0xff

static inline size_t align_up(size_t n, size_t to)
{
	return (n + to - 1) & ~(to - 1);
}

static inline size_t align_down(size_t n, size_t to)
{
	return n & ~(to - 1);
}

static inline size_t at_most(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t at_least(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* ---- objects ---- */

struct object {
	const GCType *type;
	uint64_t length; /* of an array; else the first field */
	void *next_free; /* of a free object of FREE_LISTED bytes or more */
};

#define H_MARK	     1ull /* reached; only while a collection runs */
#define H_PIN	     2ull /* stays where it is; only while a collection runs */
#define H_SUPPRESS   4ull /* its finalizer is not to run */
#define H_BACKGROUND 8ull /* reached by the background mark */
#define H_FLAGS	     0xffffull
#define H_SHIFT	     16u

static inline _Atomic uint64_t *header(const struct object *o)
{
	return (_Atomic uint64_t *)((uintptr_t)o - HEADER);
}

static inline uint64_t flags_of(const struct object *o)
{
	return atomic_load_explicit(header(o), memory_order_relaxed);
}

static inline void set_flags(struct object *o, uint64_t flags)
{
	atomic_store_explicit(header(o), flags, memory_order_relaxed);
}

/* Where an object's bytes begin, and the object whose bytes begin there. */
static inline uint8_t *block_of(const struct object *o)
{
	return (uint8_t *)((uintptr_t)o - HEADER);
}

static inline struct object *object_at(const void *block)
{
	return (struct object *)((uintptr_t)block + HEADER);
}

static inline size_t object_bytes(const GCType *type, size_t length)
{
	return align_up(type->base_size + type->component_size * length, 8);
}

static inline size_t size_of(const struct object *o)
{
	return object_bytes(o->type, o->type->component_size ? o->length : 0);
}

static inline struct object *next_object(const struct object *o)
{
	return (struct object *)((uintptr_t)o + size_of(o));
}

extern const GCType free_type; /* what a hole is an array of */

static inline bool is_free(const struct object *o)
{
	return o->type == &free_type;
}

/* Calls visit(slot, context) for each reference of an object that lies in [from, to). */
typedef void visit_slot(void **slot, void *context);
static inline __attribute__((always_inline)) void
visit_range(struct object *o, visit_slot *visit, void *context, uintptr_t from, uintptr_t to)
{
	const GCType *type = o->type;
	uintptr_t base = (uintptr_t)o, first, end;
	uint64_t i, n;

	for (uint32_t r = 0; r < type->ref_count; r++)
		if (base + type->refs[r] >= from && base + type->refs[r] < to)
			visit((void **)(base + type->refs[r]), context);
	first = base + type->base_size - HEADER;
	if (!type->component_ref_count || to <= first)
		return;
	end = first + o->length * type->component_size;
	i = from > first ? (from - first) / type->component_size : 0;
	n = to < end ? (to - first + type->component_size - 1) / type->component_size : o->length;
	for (; i < n; i++)
		for (uint32_t r = 0; r < type->component_ref_count; r++) {
			uintptr_t at = first + i * type->component_size + type->component_refs[r];

			if (at >= from && at < to)
				visit((void **)at, context);
		}
}

static inline __attribute__((always_inline)) void visit_object(struct object *o, visit_slot *visit,
							       void *context)
{
	visit_range(o, visit, context, 0, UINTPTR_MAX);
}

/* ---- regions ---- */

struct region {
	struct region *head; /* of the region that has this unit; NULL: the unit is free */
	struct region *next; /* in its generation, or of the free ones */
	uint8_t *start, *end;
	uint8_t *allocated;
	uint8_t *used;
	uint8_t *committed;
	uint8_t generation;
	/* Only while a collection runs: */
	uint8_t plan_generation; /* equal to generation at all other times */
	bool demoted;		 /* keeps its pins, takes nothing, becomes generation 0 */
	size_t survived;	 /* bytes of marked objects */
	size_t pinned;		 /* thereof pinned */
	uint8_t *plan_allocated;
};

/* Holes of one generation by size, from FREE_LISTED bytes on. */
#define FREE_LISTED  64u
#define FREE_BUCKETS 16u
struct free_list {
	struct object *bucket[FREE_BUCKETS];
};

struct generation {
	struct region *first, *last;
	struct free_list free;
	size_t budget;	  /* bytes it may take before a collection of it is worth it */
	int64_t left;	  /* thereof */
	size_t survivors; /* bytes, at the last collection */
};

struct vector {
	uint8_t *base;
	size_t item, count, room; /* bytes, items, items committed */
	size_t most;		  /* items that fit the reservation */
};

struct mark_stack {
	struct vector objects;
	bool overflow; /* something was marked that there was no room for */
};

struct alloc_context {
	uint8_t *at; /* zeroed from here */
	uint8_t
	    *limit; /* MIN_OBJECT bytes before the chunk's end, so that the rest can be a hole */
};

struct gc_thread {
	struct gc_thread *next;
	bool used;
	atomic_bool cooperative;
	GCFrame *frames;
	struct alloc_context alloc;
};

struct heap {
	bool ready;
	GCConfig config;
	size_t loh_threshold;
	uint8_t *reserved;
	size_t reserved_bytes;
	uint8_t *base; /* immutable from here: */
	size_t units;
	struct region *region; /* one for each unit */
	uint8_t *unit_generation;
	uint8_t *cards, *bundles;
	uint16_t *bricks;
	struct gcp_lock lock; /* heap_lock */
	struct generation gen[GENERATIONS];
	struct region *free_regions; /* of one unit, still committed */
	size_t low_unit, high_unit;  /* no unit in use from the one up to the other */
	size_t committed;
	struct gc_thread *threads;
	struct vector thread_table;
	struct mark_stack mark_stack;
	/* The collection that runs: */
	bool condemned[GENERATIONS];
	bool moving[GENERATIONS];
	/* Figures and settings: */
	_Atomic int64_t count[GC_MaxGeneration + 1];
	GCMemoryInfo info;
	bool loh_compact_once;
	bool in_no_gc;
	int64_t no_gc_left;
	_Atomic int64_t pressure, pressure_limit; /* bytes; from where on it collects */
	bool background;			  /* a background mark is going on */
};
extern struct heap heap;

static inline bool in_heap(const void *p)
{
	return (uintptr_t)p - (uintptr_t)heap.base < heap.units << UNIT_SHIFT;
}

static inline size_t unit_of(const void *p)
{
	return ((uintptr_t)p - (uintptr_t)heap.base) >> UNIT_SHIFT;
}

static inline struct region *region_of(const void *p)
{
	return heap.region[unit_of(p)].head;
}

/* A region's generation without the way through its structure; what is no object has a large one.
 */
static inline unsigned generation_at(const void *p)
{
	return heap.unit_generation[unit_of(p)] - 1u;
}

/* An object's generation as the program sees it, by that of its region. */
static inline unsigned logical(unsigned generation)
{
	return generation > GEN2 ? GEN2 : generation;
}

/* vector.c: an array that never moves. */
bool vector_make(struct vector *v, size_t item, size_t most_bytes);
void vector_free(struct vector *v);
/* Gives back what an empty one does not soon need again. */
void vector_shrink(struct vector *v);
/* The new last item, not cleared; NULL: no memory. */
void *vector_add(struct vector *v);
static inline void *vector_item(const struct vector *v, size_t i)
{
	return v->base + i * v->item;
}

/* region.c => heap_lock for all */
bool regions_make(void);
void regions_free(void);
/* With no byte committed or listed anywhere; NULL: no units or no memory for its tables. */
struct region *region_new(unsigned generation, size_t bytes);
/* Commits up to `to`, or more; the caller has checked that it is not behind the end. */
bool region_commit(struct region *r, uint8_t *to);
/* To the free regions, or if it is large to the system. */
void region_free(struct region *r);
void region_set_generation(struct region *r, unsigned generation);
void region_append(struct generation *g, struct region *r);
/* Gives back what is behind the last object. */
void region_trim(struct region *r);
/* Gives free regions back until so many bytes of them stay. */
void regions_decommit(size_t keep);
/* The memory from `block` to `end` is made zero and counted as used. */
void region_clear(struct region *r, uint8_t *block, uint8_t *end);

/* freelist.c => heap_lock */
void make_hole(uint8_t *block, size_t bytes);
void free_list_clear(struct free_list *list);
void free_list_add(struct free_list *list, struct object *hole);
/* Takes a hole out that can hold `bytes`, so that what remains is nothing or a hole; or NULL. */
struct object *free_list_take(struct free_list *list, size_t bytes);

/* card.c */
void card_set(const void *slot);
void cards_clear(struct region *r);
void brick_set(const struct object *o);
void bricks_clear(struct region *r);
/* Visits the references on the region's set cards. With `clear` each card is cleared first, so that
   the visitor sets it again if it must stay. => stopped */
void cards_visit(struct region *r, visit_slot *visit, void *context, bool clear);
/* The object whose bytes hold `p`, which lies between start and allocated; bricks must be right. */
struct object *object_around(struct region *r, uintptr_t p);

/* alloc.c */
void alloc_context_close(struct gc_thread *t);
void alloc_contexts_close(void); /* => stopped; what is left of them becomes holes */

/* thread.c */
bool threads_make(void);
struct gc_thread *thread_self(void);
/* heap_lock; the calling thread may have been in a collection meanwhile. */
void heap_enter(struct gc_thread *t);
void heap_leave(void);
/* => heap_lock, which is free while it waits */
void heap_wait(struct gc_thread *t, struct gcp_condition *condition);
/* => heap_lock */
void threads_stop(struct gc_thread *self);
void threads_go(void);
void enter_preemptive(struct gc_thread *t);
void leave_preemptive(struct gc_thread *t);
void visit_frames(visit_slot *visit, visit_slot *pin); /* => stopped */

/* How a collection marks: in the way of mark.c, or of background.c. */
struct marker {
	visit_slot *slot;
	bool (*reached)(const void *object); /* or not what this collection is about */
	void (*drain)(void);
};

/* handle.c => stopped, but for the first two */
bool handles_make(void);
void handles_free(void);
void handles_mark(visit_slot *mark, visit_slot *pin);
/* Marks the second objects of reached first ones; true if there were any not marked before. */
bool handles_mark_dependent(const struct marker *m);
/* NULL to what was not reached. */
void handles_clear(GCHandleType type, const struct marker *m);
void handles_visit(visit_slot *visit);

/* finalize.c */
bool finalize_make(void);
void finalize_stop(void);
bool finalize_register(struct object *o);
/* => stopped. Moves what was not reached to the queue of the thread, and marks it; true if any. */
bool finalize_scan(const struct marker *m);
void finalize_mark(visit_slot *mark); /* => stopped; what waits for its finalizer */
void finalize_visit(visit_slot *visit);
void finalize_wake(void);
size_t finalize_pending(void);

/* mark.c => stopped */
void mark_condemned(void);
/* If it has references; if there is no room, it has to be found by walking. */
void mark_push(struct mark_stack *stack, struct object *o);
static inline struct object *mark_pop(struct mark_stack *stack)
{
	struct vector *v = &stack->objects;

	return v->count ? *(struct object **)vector_item(v, --v->count) : NULL;
}
bool mark_stack_make(struct mark_stack *stack);
/* All that comes after the roots: dependent and weak handles, finalization. */
void mark_rest(const struct marker *m);

/* plan.c => stopped */
void plan_generation(unsigned g); /* it will be compacted */
void plan_in_place(unsigned g);	  /* it will be swept */
/* The generation that survivors of g become. */
static inline unsigned next_generation(unsigned g)
{
	return g < GEN2 ? g + 1 : g;
}

/* Where an object will be; itself, if it stays. => after plan, before compact */
static inline struct object *new_address(const struct object *o)
{
	uint64_t flags;

	if (!heap.moving[generation_at(o)])
		return (struct object *)o;
	flags = flags_of(o);
	return flags & H_PIN ? (struct object *)o : (struct object *)(flags >> H_SHIFT);
}
/* The regions that survivors were put in beside their own come to their generations. */
void plan_done(void);

/* relocate.c => stopped */
void relocate_all(void);

/* compact.c => stopped */
void compact_generation(unsigned g);
void sweep_generation(unsigned g, uint64_t live); /* what does not have that bit is dead */
/* Regions come to the generation that was planned, empty ones become free. */
void regroup(void);

/* collect.c */
enum gc_reason {
	GC_BUDGET,
	GC_INDUCED,
	GC_NO_MEMORY,
	GC_LOW_MEMORY,
	GC_AGGRESSIVE,
};
/* => heap_lock; other threads are stopped and go on within */
void collect_locked(struct gc_thread *self, unsigned generation, bool compact,
		    enum gc_reason reason);
void count_survivors(void);
void count_collection(unsigned n, enum gc_reason reason);
/* When an allocation has used up generation g's budget; which one is collected, the budgets say. */
void collect_for_budget(struct gc_thread *self, unsigned g);
void collect_low_memory(struct gc_thread *self); /* takes heap_lock */

void pressure_make(void); /* induce.c */

/* tune.c => heap_lock */
void budgets_make(void);
/* After a collection: new budgets of those that were condemned, memory given back. */
void budgets_after(unsigned condemned, enum gc_reason reason);
bool wants_compaction(unsigned g);
/* Since the last full collection. A full one touches all of the heap, which is the last thing
   wanted when memory stays low and there is nothing new to find. */
bool old_have_grown(void);
size_t generation_bytes(unsigned g); /* from the regions' starts to their last objects */

/* background.c */
bool background_make(void);
void background_stop(void);
/* => heap_lock; until none runs, others may collect meanwhile */
void background_wait(struct gc_thread *self);
/* => heap_lock. True if there is one now. */
bool background_start(struct gc_thread *self);

/* verify.c => stopped */
const char *verify_heap(void);
void verify_or_fail(void); /* if the settings ask for it */

#endif
