/*
 * The one heap of the process: how it begins and ends.
 */
#include "guest/user/clrgc/gc.h"

#define DEFAULT_RANGE GB(256)
#define WATCHED_RANGE GB(4) /* write watch costs the kernel two bits for each page of it */
#define LEAST_RANGE   MB(64)

struct heap heap;

/* The range, at a multiple of a unit; less of it, if the address space has no room for all. */
static bool reserve_range(size_t bytes)
{
	for (bytes = align_up(bytes, UNIT); bytes >= LEAST_RANGE;
	     bytes = align_up(bytes / 2, UNIT)) {
		heap.reserved_bytes = bytes + UNIT;
		heap.reserved = gcp_reserve(heap.reserved_bytes, heap.config.concurrent);
		if (!heap.reserved)
			continue;
		heap.base = (uint8_t *)align_up((uintptr_t)heap.reserved, UNIT);
		heap.units = bytes >> UNIT_SHIFT;
		return true;
	}
	return false;
}

static void release_all(void)
{
	vector_free(&heap.mark_stack.objects);
	vector_free(&heap.thread_table);
	handles_free();
	regions_free();
	if (heap.reserved)
		gcp_release(heap.reserved, heap.reserved_bytes);
	memset(&heap, 0, sizeof(heap));
	gcp_set_self(NULL);
	gcp_stop();
}

static bool make(void)
{
	size_t range = heap.config.region_range;

	if (!range)
		range = heap.config.concurrent ? WATCHED_RANGE : DEFAULT_RANGE;
	if (!reserve_range(range) || !regions_make() || !threads_make() || !handles_make() ||
	    !mark_stack_make(&heap.mark_stack))
		return false;
	budgets_make();
	pressure_make();
	if (GCThread_Attach() != GC_OK)
		return false;
	if (finalize_make() && background_make())
		return true;
	finalize_stop();
	return false;
}

GCStatus GC_Initialize(const GCConfig *config)
{
	if (heap.ready)
		return GC_INVALID_OPERATION;
	memset(&heap, 0, sizeof(heap));
	if (config)
		heap.config = *config;
	if (heap.config.loh_threshold > UNIT / 4 ||
	    (heap.config.region_range && heap.config.region_range < LEAST_RANGE))
		return GC_ARGUMENT_OUT_OF_RANGE;
	heap.loh_threshold = at_least(heap.config.loh_threshold, GC_LARGE_OBJECT);
	if (!gcp_start())
		return GC_OUT_OF_MEMORY;
	if (!make()) {
		release_all();
		return GC_OUT_OF_MEMORY;
	}
	heap.ready = true;
	return GC_OK;
}

void GC_Shutdown(void)
{
	struct gc_thread *t = thread_self();

	enter_preemptive(t);
	background_stop();
	finalize_stop();
	release_all();
}
