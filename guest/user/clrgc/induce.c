/*
 * What the program asks of the collector: collections, memory pressure, a time without collections,
 * figures.
 */
#include "guest/user/clrgc/gc.h"

/* ---- GC.Collect ---- */

static bool are_sound(int generation, GCCollectionMode mode, bool blocking, bool compacting)
{
	if (generation < 0 || (unsigned)mode > GCCollectionMode_Aggressive)
		return false;
	return mode != GCCollectionMode_Aggressive ||
	       (generation >= GC_MaxGeneration && blocking && compacting);
}

/* Optimized: less than a third of the budget used means that there is little to find. */
static bool is_worth_it(unsigned g)
{
	return heap.gen[g].left * 3 < (int64_t)heap.gen[g].budget * 2;
}

GCStatus GC_Collect(int generation, GCCollectionMode mode, bool blocking, bool compacting)
{
	struct gc_thread *t = thread_self();
	unsigned g = (unsigned)(generation > GC_MaxGeneration ? GC_MaxGeneration : generation);
	bool background;

	if (!are_sound(generation, mode, blocking, compacting))
		return GC_ARGUMENT_OUT_OF_RANGE;
	heap_enter(t);
	heap.in_no_gc = false;
	background = g == GEN2 && !blocking && heap.config.concurrent;
	if (mode == GCCollectionMode_Optimized && !is_worth_it(g))
		goto out;
	if (background)
		collect_locked(t, GEN1, false, GC_INDUCED);
	if (!background || !background_start(t))
		collect_locked(t, g, compacting,
			       mode == GCCollectionMode_Aggressive ? GC_AGGRESSIVE : GC_INDUCED);
out:
	heap_leave();
	return GC_OK;
}

int64_t GC_CollectionCount(int generation)
{
	if (generation < 0 || generation > GC_MaxGeneration)
		return -1;
	return atomic_load(&heap.count[generation]);
}

void GC_KeepAlive(const void *object)
{
	__asm__ volatile("" : : "r"(object) : "memory");
}

GCStatus GCSettings_set_LargeObjectHeapCompactionMode(GCLargeObjectHeapCompactionMode mode)
{
	if (mode != GCLargeObjectHeapCompactionMode_Default &&
	    mode != GCLargeObjectHeapCompactionMode_CompactOnce)
		return GC_ARGUMENT_OUT_OF_RANGE;
	heap_enter(thread_self());
	heap.loh_compact_once = mode == GCLargeObjectHeapCompactionMode_CompactOnce;
	heap_leave();
	return GC_OK;
}

GCLargeObjectHeapCompactionMode GCSettings_get_LargeObjectHeapCompactionMode(void)
{
	return heap.loh_compact_once ? GCLargeObjectHeapCompactionMode_CompactOnce
				     : GCLargeObjectHeapCompactionMode_Default;
}

/* ---- memory pressure ---- */

#define LEAST_PRESSURE (4 << 20) /* bytes added that are worth a collection */

/* Pressure added since the last collection for it: as much as there was, and LEAST_PRESSURE. */
GCStatus GC_AddMemoryPressure(int64_t bytes)
{
	struct gc_thread *t = thread_self();
	int64_t now;

	if (bytes <= 0)
		return GC_ARGUMENT_OUT_OF_RANGE;
	now = atomic_fetch_add(&heap.pressure, bytes) + bytes;
	if (now < atomic_load(&heap.pressure_limit))
		return GC_OK;
	heap_enter(t);
	if (now >= atomic_load(&heap.pressure_limit) && !heap.in_no_gc) {
		collect_locked(t, GEN2, false, GC_INDUCED);
		atomic_store(&heap.pressure_limit, 2 * now + LEAST_PRESSURE);
	}
	heap_leave();
	return GC_OK;
}

GCStatus GC_RemoveMemoryPressure(int64_t bytes)
{
	int64_t now, limit;

	if (bytes <= 0)
		return GC_ARGUMENT_OUT_OF_RANGE;
	now = atomic_load(&heap.pressure);
	do {
		if (bytes > now)
			return GC_INVALID_OPERATION;
	} while (!atomic_compare_exchange_weak(&heap.pressure, &now, now - bytes));
	/* Less is held now, so less is needed for the next one. */
	limit = 2 * (now - bytes) + LEAST_PRESSURE;
	if (limit < atomic_load(&heap.pressure_limit))
		atomic_store(&heap.pressure_limit, limit);
	return GC_OK;
}

void pressure_make(void)
{
	atomic_store(&heap.pressure, 0);
	atomic_store(&heap.pressure_limit, LEAST_PRESSURE);
}

/* ---- no collections for a while ---- */

/* Memory for small objects, in free regions, and for large ones; false: not all of it. */
static bool commit_ahead(size_t bytes)
{
	size_t usable = UNIT - heap.loh_threshold - KB(8);
	struct region *list = NULL, *r;
	bool enough = true;

	for (size_t have = 0; have < bytes && enough; have += usable) {
		r = region_new(GEN0, UNIT);
		enough = r && region_commit(r, r->end);
		if (r) {
			r->next = list;
			list = r;
		}
	}
	while ((r = list)) {
		list = r->next;
		region_free(r);
	}
	if (!enough || bytes < heap.loh_threshold)
		return enough;
	r = region_new(LOH, bytes);
	if (!r)
		return false;
	region_append(&heap.gen[LOH], r);
	return region_commit(r, r->start + bytes);
}

GCStatus GC_TryStartNoGCRegion(size_t bytes)
{
	struct gc_thread *t = thread_self();
	GCStatus status = GC_OK;

	if (!bytes || bytes > (heap.units << UNIT_SHIFT) / 2)
		return GC_ARGUMENT_OUT_OF_RANGE;
	heap_enter(t);
	if (heap.in_no_gc) {
		status = GC_INVALID_OPERATION;
	} else {
		collect_locked(t, GEN2, true, GC_INDUCED);
		heap.in_no_gc = commit_ahead(bytes);
		heap.no_gc_left = (int64_t)bytes;
		status = heap.in_no_gc ? GC_OK : GC_OUT_OF_MEMORY;
	}
	heap_leave();
	return status;
}

GCStatus GC_EndNoGCRegion(void)
{
	GCStatus status;

	heap_enter(thread_self());
	status = heap.in_no_gc ? GC_OK : GC_INVALID_OPERATION;
	heap.in_no_gc = false;
	heap_leave();
	return status;
}

/* ---- figures ---- */

static size_t hole_bytes(unsigned g)
{
	size_t bytes = 0;

	for (struct region *r = heap.gen[g].first; r; r = r->next)
		for (struct object *o = object_at(r->start); block_of(o) < r->allocated;
		     o = next_object(o))
			bytes += is_free(o) ? size_of(o) : 0;
	return bytes;
}

void GC_GetGCMemoryInfo(GCMemoryInfo *info)
{
	struct gc_thread *t = thread_self();

	heap_enter(t);
	threads_stop(t);
	alloc_contexts_close();
	*info = heap.info;
	info->heap_size = info->fragmented = 0;
	for (unsigned g = 0; g < GENERATIONS; g++) {
		info->generation_size[g] = generation_bytes(g);
		info->heap_size += info->generation_size[g];
		info->fragmented += hole_bytes(g);
	}
	info->committed = heap.committed;
	info->finalization_pending = finalize_pending();
	threads_go();
	heap_leave();
}

static size_t bytes_in_objects(void)
{
	GCMemoryInfo info;

	GC_GetGCMemoryInfo(&info);
	return info.heap_size - info.fragmented;
}

size_t GC_GetTotalMemory(bool full)
{
	size_t bytes = bytes_in_objects(), before;
	unsigned tries = 20;

	if (!full)
		return bytes;
	do {
		before = bytes;
		GC_WaitForPendingFinalizers();
		GC_Collect(GC_MaxGeneration, GCCollectionMode_Default, true, false);
		bytes = bytes_in_objects();
	} while (--tries && (bytes > before ? bytes - before : before - bytes) > before / 20);
	return bytes;
}
