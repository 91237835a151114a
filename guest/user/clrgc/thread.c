/*
 * Threads: how they come to a stop, and the roots on their stacks.
 *
 * A thread is cooperative, when it may touch objects, or preemptive, when it does not. To stop all,
 * the collecting thread says so in `stopping` and waits until nobody is cooperative. A thread sees
 * that at its next safe point (an allocation that needs the heap's lock, GC_SafePoint, a change to
 * cooperative mode), says that it is preemptive, and waits. Each side writes its own flag before it
 * reads the other's, both sequentially consistent, so one of them sees the other.
 *
 * Whoever waits for heap_lock is preemptive meanwhile, and only its holder stops threads: so with
 * the lock held a thread is free to be cooperative.
 */
#include "guest/user/clrgc/gc.h"

#define MOST_THREADS 4096u

static atomic_bool stopping;
static struct gcp_lock stop_lock;
static struct gcp_condition stopped, resumed;

bool threads_make(void)
{
	heap.threads = NULL;
	atomic_store(&stopping, false);
	return vector_make(&heap.thread_table, sizeof(struct gc_thread),
			   MOST_THREADS * sizeof(struct gc_thread));
}

struct gc_thread *thread_self(void)
{
	struct gc_thread *t = gcp_self();

	if (!t)
		gcp_fail("the calling thread is not attached to the heap");
	return t;
}

/* ---- modes ---- */

void enter_preemptive(struct gc_thread *t)
{
	atomic_store(&t->cooperative, false);
	if (!atomic_load(&stopping))
		return;
	gcp_lock(&stop_lock);
	gcp_wake_all(&stopped);
	gcp_unlock(&stop_lock);
}

void leave_preemptive(struct gc_thread *t)
{
	for (;;) {
		atomic_store(&t->cooperative, true);
		if (!atomic_load(&stopping))
			return;
		gcp_lock(&stop_lock);
		atomic_store(&t->cooperative, false);
		gcp_wake_all(&stopped);
		while (atomic_load(&stopping))
			gcp_wait(&resumed, &stop_lock);
		gcp_unlock(&stop_lock);
	}
}

void GCThread_EnterPreemptive(void)
{
	enter_preemptive(thread_self());
}

void GCThread_LeavePreemptive(void)
{
	leave_preemptive(thread_self());
}

void GC_SafePoint(void)
{
	struct gc_thread *t;

	if (!atomic_load_explicit(&stopping, memory_order_relaxed))
		return;
	t = thread_self();
	enter_preemptive(t);
	leave_preemptive(t);
}

void heap_enter(struct gc_thread *t)
{
	if (gcp_try_lock(&heap.lock))
		return;
	enter_preemptive(t);
	gcp_lock(&heap.lock);
	atomic_store(&t->cooperative, true);
}

void heap_wait(struct gc_thread *t, struct gcp_condition *condition)
{
	enter_preemptive(t);
	gcp_wait(condition, &heap.lock);
	atomic_store(&t->cooperative, true);
}

void heap_leave(void)
{
	gcp_unlock(&heap.lock);
}

void threads_stop(struct gc_thread *self)
{
	atomic_store(&stopping, true);
	gcp_lock(&stop_lock);
	for (struct gc_thread *t = heap.threads; t; t = t->next)
		while (t != self && atomic_load(&t->cooperative))
			gcp_wait(&stopped, &stop_lock);
	gcp_unlock(&stop_lock);
}

void threads_go(void)
{
	gcp_lock(&stop_lock);
	atomic_store(&stopping, false);
	gcp_wake_all(&resumed);
	gcp_unlock(&stop_lock);
}

/* ---- attaching ---- */

GCStatus GCThread_Attach(void)
{
	struct gc_thread *t = NULL;

	if (gcp_self())
		return GC_INVALID_OPERATION;
	gcp_lock(&heap.lock);
	for (size_t i = 0; i < heap.thread_table.count && !t; i++) {
		t = vector_item(&heap.thread_table, i);
		t = t->used ? NULL : t;
	}
	if (!t)
		t = vector_add(&heap.thread_table);
	if (t) {
		memset(t, 0, sizeof(*t));
		t->used = true;
		atomic_store(&t->cooperative, true);
		t->next = heap.threads;
		heap.threads = t;
		gcp_set_self(t);
	}
	gcp_unlock(&heap.lock);
	return t ? GC_OK : GC_OUT_OF_MEMORY;
}

void GCThread_Detach(void)
{
	struct gc_thread *t = thread_self(), **link = &heap.threads;

	heap_enter(t);
	alloc_context_close(t);
	while (*link != t)
		link = &(*link)->next;
	*link = t->next;
	t->used = false;
	gcp_set_self(NULL);
	heap_leave();
}

/* ---- roots ---- */

void GCFrame_Push(GCFrame *frame, void **slots, size_t count, bool pinned)
{
	struct gc_thread *t = thread_self();

	*frame = (GCFrame){t->frames, slots, count, pinned};
	t->frames = frame;
}

void GCFrame_Pop(GCFrame *frame)
{
	struct gc_thread *t = thread_self();

	if (t->frames != frame)
		gcp_fail("GCFrame_Pop: not the frame pushed last");
	t->frames = frame->previous;
}

void visit_frames(visit_slot *visit, visit_slot *pin)
{
	for (struct gc_thread *t = heap.threads; t; t = t->next)
		for (GCFrame *f = t->frames; f; f = f->previous)
			for (size_t i = 0; i < f->count; i++)
				(f->pinned ? pin : visit)(&f->slots[i], NULL);
}
