/*
 * A full collection in the background: threads go on while the older generations are marked.
 *
 *   begin    threads stopped: what the roots refer to goes on the mark stack; all pages of the
 * range count as not written from here (write watch) mark     threads run. Only objects of
 * generation 2, large and pinned ones are marked. finish   threads stopped: roots again, everything
 * in generations 0 and 1 taken as reached, and on each page written since the beginning the
 * references of marked objects looked at again. Then handles and finalization as in any collection,
 * and a sweep; nothing moves.
 *
 * A reference that a thread stores meanwhile, or takes out of an object before the marking has seen
 * it, lies in a frame, a handle, a young object, or on a written page: so finish finds its object,
 * wherever that was made or has come to since.
 *
 * Generations 0 and 1 may be collected in between, in the foreground: the marking stops for that
 * like any other thread, and what was moved is referred to from pages that are written thereby.
 * Full collections wait for the end.
 *
 * Lock: heap_lock for heap.background; the mark stack belongs to who runs this collection.
 */
#include "guest/user/clrgc/gc.h"

static void *thread;
static bool stop;
static struct gcp_condition begin, done;
static struct mark_stack stack;

/* ---- marking ---- */

static void mark(struct object *o)
{
	if (!o || generation_at(o) < GEN2 || flags_of(o) & H_BACKGROUND)
		return;
	atomic_fetch_or(header(o), H_BACKGROUND); /* others may suppress its finalizer */
	mark_push(&stack, o);
}

static void background_slot(void **slot, void *context)
{
	(void)context;
	mark(__atomic_load_n(slot, __ATOMIC_RELAXED));
}

static bool background_reached(const void *object)
{
	return generation_at(object) < GEN2 || flags_of(object) & H_BACKGROUND;
}

static void empty_stack(void)
{
	struct object *o;

	while ((o = mark_pop(&stack)))
		visit_object(o, background_slot, NULL);
}

/* The same while other threads run, and stop this one. */
static void mark_beside_others(void)
{
	struct object *o;

	while ((o = mark_pop(&stack))) {
		visit_object(o, background_slot, NULL);
		GC_SafePoint();
	}
}

/* Visits the objects of a region that are taken as reached. */
static void look_at(struct region *r)
{
	for (struct object *o = object_at(r->start); block_of(o) < r->allocated;
	     o = next_object(o)) {
		if (!background_reached(o))
			continue;
		visit_object(o, background_slot, NULL);
		empty_stack();
	}
}

static void each_region(unsigned from, unsigned to, void (*visit)(struct region *))
{
	for (unsigned g = from; g <= to; g++)
		for (struct region *r = heap.gen[g].first; r; r = r->next)
			visit(r);
}

static void drain(void)
{
	empty_stack();
	while (stack.overflow) {
		stack.overflow = false;
		each_region(GEN2, POH, look_at);
	}
}

static void visit_roots(void)
{
	visit_frames(background_slot, background_slot);
	handles_mark(background_slot, background_slot);
	finalize_mark(background_slot);
}

/* ---- pages written ---- */

static void forget_written(struct region *r)
{
	gcp_forget_written(r->start, (size_t)(r->end - r->start));
}

static void look_at_page(struct region *r, uintptr_t page)
{
	uintptr_t end = page + GCP_PAGE, last = (uintptr_t)r->allocated;

	if (page >= last)
		return;
	for (struct object *o = object_around(r, page); (uintptr_t)block_of(o) < at_most(end, last);
	     o = next_object(o))
		if (background_reached(o))
			visit_range(o, background_slot, NULL, page, end);
	empty_stack();
}

static void look_at_written(struct region *r)
{
	void *page[64];
	size_t n;

	do {
		n = gcp_written(r->start, (size_t)(r->end - r->start), page, 64);
		for (size_t i = 0; i < n; i++)
			look_at_page(r, (uintptr_t)page[i]);
	} while (n == 64);
}

/* ---- the collection ---- */

bool background_start(struct gc_thread *self)
{
	if (!thread)
		return false;
	if (heap.background)
		return true;
	threads_stop(self);
	alloc_contexts_close();
	each_region(GEN2, POH, forget_written);
	heap.background = true;
	visit_roots();
	threads_go();
	gcp_wake_all(&begin);
	return true;
}

static void finish(struct gc_thread *self)
{
	static const struct marker marker = {background_slot, background_reached, drain};

	threads_stop(self);
	alloc_contexts_close();
	visit_roots();
	each_region(GEN0, GEN1, look_at);
	each_region(GEN2, POH, look_at_written);
	drain();
	mark_rest(&marker);
	vector_shrink(&stack.objects);
	heap.background = false;
	for (unsigned g = GEN2; g < GENERATIONS; g++) {
		heap.condemned[g] = true;
		free_list_clear(&heap.gen[g].free);
		plan_in_place(g);
		sweep_generation(g, H_BACKGROUND);
	}
	count_survivors();
	regroup();
	budgets_after(GEN2, GC_BUDGET);
	memset(heap.condemned, 0, sizeof(heap.condemned));
	heap.info.background++;
	count_collection(GEN2, GC_BUDGET);
	verify_or_fail();
	finalize_wake();
	threads_go();
	gcp_wake_all(&done);
}

static void background_main(void *argument)
{
	struct gc_thread *self;

	(void)argument;
	if (GCThread_Attach() != GC_OK)
		gcp_fail("no memory for the background thread");
	self = gcp_self();
	heap_enter(self);
	while (!stop || heap.background) {
		if (!heap.background) {
			heap_wait(self, &begin);
			continue;
		}
		heap_leave();
		mark_beside_others();
		heap_enter(self);
		finish(self);
	}
	heap_leave();
	GCThread_Detach();
}

void background_wait(struct gc_thread *self)
{
	while (heap.background)
		heap_wait(self, &done);
}

bool background_make(void)
{
	stop = false;
	thread = NULL;
	if (!heap.config.concurrent)
		return true;
	if (mark_stack_make(&stack))
		thread = gcp_start_thread(background_main, NULL, false);
	return thread != NULL;
}

void background_stop(void)
{
	if (!thread)
		return;
	gcp_lock(&heap.lock);
	stop = true;
	gcp_wake_all(&begin);
	gcp_unlock(&heap.lock);
	gcp_join_thread(thread);
	vector_free(&stack.objects);
	thread = NULL;
}
