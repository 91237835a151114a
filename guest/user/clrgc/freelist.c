/*
 * Holes: free objects, and the lists of those that are large enough to be filled again.
 *
 * A hole is an array of bytes as far as anyone can see who walks a region. Those of FREE_LISTED
 * bytes or more are linked behind their length, in buckets by powers of two; smaller ones wait
 * until a neighbour dies. A hole is taken from its own bucket if one there is large enough, else
 * the first of a larger bucket. What remains beside an object has to be nothing or a hole, so sizes
 * in between do not fit.
 *
 * Lock: heap_lock.
 */
#include "guest/user/clrgc/gc.h"

const GCType free_type = {.name = "Free", .base_size = MIN_OBJECT, .component_size = 1};

void make_hole(uint8_t *block, size_t bytes)
{
	struct object *o = object_at(block);

	set_flags(o, 0);
	o->type = &free_type;
	o->length = bytes - MIN_OBJECT;
}

static unsigned bucket_of(size_t bytes)
{
	unsigned log = 63 - (unsigned)__builtin_clzll(bytes / FREE_LISTED);

	return log < FREE_BUCKETS ? log : FREE_BUCKETS - 1;
}

void free_list_clear(struct free_list *list)
{
	memset(list, 0, sizeof(*list));
}

void free_list_add(struct free_list *list, struct object *hole)
{
	size_t bytes = size_of(hole);
	struct object **head;

	if (bytes < FREE_LISTED)
		return;
	head = &list->bucket[bucket_of(bytes)];
	hole->next_free = *head;
	*head = hole;
}

struct object *free_list_take(struct free_list *list, size_t bytes)
{
	for (unsigned b = bucket_of(at_least(bytes, FREE_LISTED)); b < FREE_BUCKETS; b++) {
		struct object *before = NULL, *o = list->bucket[b];

		for (; o; before = o, o = o->next_free) {
			size_t have = size_of(o);

			if (have != bytes && have < bytes + MIN_OBJECT)
				continue;
			if (before)
				before->next_free = o->next_free;
			else
				list->bucket[b] = o->next_free;
			return o;
		}
	}
	return NULL;
}
