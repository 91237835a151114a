/*
 * The handle table: references that native code holds, of each kind that GCHandle and
 * DependentHandle know. A handle is the address of its entry, which never moves.
 *
 * What each kind does while a collection marks, in the order in which it happens:
 *   Normal, Pinned         roots; the target of a pinned one does not move
 *   Dependent              when its target is reached, the second object is, until no more are
 *   Weak                   cleared if the target is not reached
 *   (finalizable objects that are not reached become reachable again)
 *   WeakTrackResurrection  cleared if the target is still not reached
 *   Dependent              the same, with the second object
 *
 * Lock: handle_lock, for the free entries. An entry itself belongs to who allocated it, and to a
 * collection while threads are stopped.
 */
#include "guest/user/clrgc/gc.h"

#define MOST_BYTES MB(256)

struct GCHandle {
	void *target;
	void *second; /* of a dependent handle; a free entry's next */
	GCHandleType type;
	bool used;
};

static struct gcp_lock handle_lock;
static struct vector table;
static GCHandle *free_handles;

bool handles_make(void)
{
	free_handles = NULL;
	return vector_make(&table, sizeof(GCHandle), MOST_BYTES);
}

void handles_free(void)
{
	vector_free(&table);
}

static GCHandle *take(void)
{
	GCHandle *h;

	gcp_lock(&handle_lock);
	h = free_handles;
	if (h)
		free_handles = h->second;
	else
		h = vector_add(&table);
	gcp_unlock(&handle_lock);
	return h;
}

static GCHandle *make(void *target, void *second, GCHandleType type)
{
	GCHandle *h = take();

	if (h)
		*h = (GCHandle){target, second, type, true};
	return h;
}

GCHandle *GCHandle_Alloc(void *target, GCHandleType type)
{
	return make(target, NULL, type);
}

GCHandle *DependentHandle_Alloc(void *target, void *dependent)
{
	return make(target, dependent, GCHandleType_Dependent);
}

void GCHandle_Free(GCHandle *handle)
{
	if (!handle->used)
		gcp_fail("GCHandle_Free: the handle is free already");
	gcp_lock(&handle_lock);
	*handle = (GCHandle){.second = free_handles};
	free_handles = handle;
	gcp_unlock(&handle_lock);
}

void *GCHandle_get_Target(const GCHandle *handle)
{
	return handle->target;
}

void GCHandle_set_Target(GCHandle *handle, void *target)
{
	handle->target = target;
}

void *DependentHandle_get_Dependent(const GCHandle *handle)
{
	return handle->target ? handle->second : NULL;
}

/* ---- for a collection ---- */

/* NULL: a free entry. */
static GCHandle *handle_at(size_t i)
{
	GCHandle *h = vector_item(&table, i);

	return h->used ? h : NULL;
}

void handles_mark(visit_slot *mark, visit_slot *pin)
{
	for (size_t i = 0; i < table.count; i++) {
		GCHandle *h = handle_at(i);

		if (h && h->type == GCHandleType_Normal)
			mark(&h->target, NULL);
		else if (h && h->type == GCHandleType_Pinned)
			pin(&h->target, NULL);
	}
}

bool handles_mark_dependent(const struct marker *m)
{
	bool any = false;

	for (size_t i = 0; i < table.count; i++) {
		GCHandle *h = handle_at(i);

		if (!h || h->type != GCHandleType_Dependent || !h->target || !h->second ||
		    !m->reached(h->target) || m->reached(h->second))
			continue;
		m->slot(&h->second, NULL);
		any = true;
	}
	return any;
}

void handles_clear(GCHandleType type, const struct marker *m)
{
	for (size_t i = 0; i < table.count; i++) {
		GCHandle *h = handle_at(i);

		if (!h || h->type != type || !h->target || m->reached(h->target))
			continue;
		h->target = NULL;
		h->second = NULL;
	}
}

void handles_visit(visit_slot *visit)
{
	for (size_t i = 0; i < table.count; i++) {
		GCHandle *h = handle_at(i);

		if (!h)
			continue;
		visit(&h->target, NULL);
		visit(&h->second, NULL);
	}
}
