/*
 * Finalization.
 *
 * An object whose type has a finalizer is registered when it is made. A collection that does not
 * reach it moves it from there to a queue of the finalizer thread, ordinary or critical, and marks
 * it with all that it refers to: so it survives, as old as any other survivor, and its memory is
 * free only after a later collection of the generation it has come to, unless the finalizer made it
 * reachable again. The thread takes critical ones only when no ordinary one waits.
 *
 * The same thread waits for the system's notification of low memory, and collects.
 *
 * Lock: finalize_lock for the lists.
 */
#include "guest/user/clrgc/gc.h"

#define MOST_BYTES     MB(256)
#define LOW_MEMORY_GAP 2000u /* milliseconds between collections for low memory */

enum { ORDINARY, CRITICAL, QUEUES };

static struct gcp_lock finalize_lock;
static struct gcp_condition idle;
static struct vector registered, queue[QUEUES]; /* of struct object * */
static size_t taken[QUEUES];			/* items of a queue that the thread has had */
static bool running;
static atomic_bool stop;
static void *thread;
static struct gc_thread *finalizer;

static struct object **slot_of(const struct vector *v, size_t i)
{
	return vector_item(v, i);
}

static bool add(struct vector *v, struct object *o)
{
	struct object **slot = vector_add(v);

	if (slot)
		*slot = o;
	return slot != NULL;
}

bool finalize_register(struct object *o)
{
	bool done;

	gcp_lock(&finalize_lock);
	done = add(&registered, o);
	gcp_unlock(&finalize_lock);
	return done;
}

void GC_SuppressFinalize(void *object)
{
	struct object *o = object;

	if (o->type->finalize)
		atomic_fetch_or(header(o), H_SUPPRESS);
}

GCStatus GC_ReRegisterForFinalize(void *object)
{
	struct object *o = object;

	if (!o->type->finalize)
		return GC_OK;
	/* Suppressed, but still registered: it only has to count again. */
	if (atomic_fetch_and(header(o), ~H_SUPPRESS) & H_SUPPRESS)
		return GC_OK;
	return finalize_register(o) ? GC_OK : GC_OUT_OF_MEMORY;
}

/* ---- for a collection ---- */

bool finalize_scan(const struct marker *m)
{
	size_t before[QUEUES], keep = 0;
	bool any = false;

	gcp_lock(&finalize_lock); /* who waits for the queues to be empty looks at any time */
	for (unsigned q = 0; q < QUEUES; q++)
		before[q] = queue[q].count;
	for (size_t i = 0; i < registered.count; i++) {
		struct object *o = *slot_of(&registered, i);

		if (!m->reached(o)) {
			if (flags_of(o) & H_SUPPRESS) {
				atomic_fetch_and(header(o), ~H_SUPPRESS);
				continue;
			}
			if (add(&queue[o->type->critical ? CRITICAL : ORDINARY], o))
				continue;
			/* No memory for the queue: it stays registered for the next time. */
			m->slot((void **)slot_of(&registered, i), NULL);
			any = true;
		}
		*slot_of(&registered, keep++) = *slot_of(&registered, i);
	}
	registered.count = keep;
	for (unsigned q = 0; q < QUEUES; q++)
		for (size_t i = before[q]; i < queue[q].count; i++, any = true)
			m->slot((void **)slot_of(&queue[q], i), NULL);
	gcp_unlock(&finalize_lock);
	return any;
}

void finalize_mark(visit_slot *mark)
{
	for (unsigned q = 0; q < QUEUES; q++)
		for (size_t i = taken[q]; i < queue[q].count; i++)
			mark((void **)slot_of(&queue[q], i), NULL);
}

void finalize_visit(visit_slot *visit)
{
	for (size_t i = 0; i < registered.count; i++)
		visit((void **)slot_of(&registered, i), NULL);
	finalize_mark(visit);
}

/* ---- the thread ---- */

static size_t waiting(unsigned q)
{
	return queue[q].count - taken[q];
}

size_t finalize_pending(void)
{
	size_t n;

	gcp_lock(&finalize_lock);
	n = waiting(ORDINARY) + waiting(CRITICAL) + running;
	gcp_unlock(&finalize_lock);
	return n;
}

void finalize_wake(void)
{
	if (waiting(ORDINARY) || waiting(CRITICAL))
		gcp_signal_work();
}

/* The next one, or NULL and whoever waits for that is woken. */
static struct object *take(void)
{
	struct object *o = NULL;

	gcp_lock(&finalize_lock);
	for (unsigned q = 0; q < QUEUES && !o; q++) {
		if (waiting(q)) {
			o = *slot_of(&queue[q], taken[q]++);
			continue;
		}
		queue[q].count = taken[q] = 0;
	}
	running = o != NULL;
	if (!running)
		gcp_wake_all(&idle);
	gcp_unlock(&finalize_lock);
	return o;
}

static void run_all(void)
{
	struct object *o = NULL;
	GCFrame frame;

	GCFrame_Push(&frame, (void **)&o, 1, false);
	while (!stop && (o = take())) {
		o->type->finalize(o);
		GC_SafePoint();
	}
	GCFrame_Pop(&frame);
}

static void finalizer_main(void *argument)
{
	bool watch = true;

	(void)argument;
	if (GCThread_Attach() != GC_OK)
		gcp_fail("no memory for the finalizer thread");
	finalizer = gcp_self();
	while (!stop) {
		enum gcp_wake wake;

		enter_preemptive(finalizer);
		wake = gcp_wait_for_work(watch, watch ? GCP_FOREVER : LOW_MEMORY_GAP);
		leave_preemptive(finalizer);
		if (wake == GCP_LOW_MEMORY && !stop)
			collect_low_memory(finalizer);
		/* Memory may stay low: no more than one collection in a while. */
		watch = wake == GCP_WORK ? watch : wake == GCP_TIMEOUT && !gcp_memory_is_low();
		run_all();
	}
	GCThread_Detach();
}

void GC_WaitForPendingFinalizers(void)
{
	struct gc_thread *t = thread_self();

	if (t == finalizer)
		return;
	enter_preemptive(t);
	gcp_lock(&finalize_lock);
	while (waiting(ORDINARY) || waiting(CRITICAL) || running)
		gcp_wait(&idle, &finalize_lock);
	gcp_unlock(&finalize_lock);
	leave_preemptive(t);
}

bool finalize_make(void)
{
	stop = false;
	running = false;
	memset(taken, 0, sizeof(taken));
	if (!vector_make(&registered, sizeof(struct object *), MOST_BYTES))
		return false;
	for (unsigned q = 0; q < QUEUES; q++)
		if (!vector_make(&queue[q], sizeof(struct object *), MOST_BYTES))
			return false;
	thread = gcp_start_thread(finalizer_main, NULL, true);
	return thread != NULL;
}

/* => the calling thread is in preemptive mode, or no collection can be */
void finalize_stop(void)
{
	stop = true;
	gcp_signal_work();
	if (thread)
		gcp_join_thread(thread);
	thread = NULL;
	finalizer = NULL;
	vector_free(&registered);
	for (unsigned q = 0; q < QUEUES; q++)
		vector_free(&queue[q]);
}
