/*
 * An array that grows and never moves: address space for the most it may hold, committed in pieces
 * as it is filled. The collector has no other memory of its own, so that it takes none from a heap
 * that the program uses. Locks: the owner's.
 */
#include "guest/user/clrgc/gc.h"

#define PIECE KB(64)

bool vector_make(struct vector *v, size_t item, size_t most_bytes)
{
	*v = (struct vector){.item = item, .most = most_bytes / item};
	v->base = gcp_reserve(align_up(most_bytes, PIECE), false);
	return v->base != NULL;
}

void vector_free(struct vector *v)
{
	if (v->base)
		gcp_release(v->base, align_up(v->most * v->item, PIECE));
	*v = (struct vector){0};
}

void *vector_add(struct vector *v)
{
	if (v->count == v->room) {
		size_t have = align_up(v->room * v->item, GCP_PAGE);
		size_t most = align_up(v->most * v->item, GCP_PAGE);
		size_t more = at_most(PIECE, most - have);

		if (v->count == v->most || !more || !gcp_commit(v->base + have, more))
			return NULL;
		v->room = at_most((have + more) / v->item, v->most);
	}
	return v->base + v->count++ * v->item;
}

void vector_shrink(struct vector *v)
{
	size_t have = align_up(v->room * v->item, GCP_PAGE);

	if (v->count || have <= PIECE)
		return;
	gcp_decommit(v->base + PIECE, have - PIECE);
	v->room = PIECE / v->item;
}
