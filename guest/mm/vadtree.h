/*
 * vadtree: the disjoint page ranges of one address space, as a balanced tree of embedded nodes.
 *
 * An AVL tree ordered by page number. Each node also knows the free range before it (from the end
 * of its predecessor), and the largest such range in its subtree, twice: in pages, and in pages
 * counted from the first 64 KB boundary in it, because allocations begin on 64 KB. So a search for
 * free space never enters a subtree that cannot help.
 *
 * Pure logic, no memory of its own. Locks: the caller's. Searches may run side by side; everything
 * that changes the tree needs it alone.
 */
#ifndef NTMM_MM_VADTREE_H
#define NTMM_MM_VADTREE_H

#include "guest/ke/types.h"

#define VAD_GRANULE_PAGES 16u /* 64 KB */
#define VAD_NO_GAP	  (~0ull)

struct vad_node {
	struct vad_node *left, *right, *parent;
	u64 start, end;	  /* page numbers, inclusive */
	u64 free_from;	  /* end of the predecessor + 1; 0 for the first node */
	u64 max_gap;	  /* of the subtree: largest start - free_from */
	u64 max_granules; /* the same from free_from rounded up to 64 KB, in pages */
	u8 height;	  /* of the subtree; a leaf has 1 */
};

struct vad_tree {
	struct vad_node *root;
	struct vad_node *hint; /* the node found last; any value is harmless but a removed node */
	u64 count;
};

void vad_tree_init(struct vad_tree *t);

struct vad_node *vad_find_slow(struct vad_tree *t, u64 vpn);
/* The node that holds page `vpn`, or NULL. */
static inline struct vad_node *vad_find(struct vad_tree *t, u64 vpn)
{
	struct vad_node *n = __atomic_load_n(&t->hint, __ATOMIC_RELAXED);

	if (LIKELY(n != NULL) && LIKELY(vpn - n->start <= n->end - n->start))
		return n;
	return vad_find_slow(t, vpn);
}

/* The lowest node that shares a page with [start, end], or NULL. */
struct vad_node *vad_find_overlap(const struct vad_tree *t, u64 start, u64 end);

/* => start <= end; false when the range overlaps another (then nothing has changed) */
bool vad_insert(struct vad_tree *t, struct vad_node *n);
/* => n is in t */
void vad_remove(struct vad_tree *t, struct vad_node *n);
/* Gives a node other bounds; false when they would touch its neighbours' or are reversed. */
bool vad_resize(struct vad_tree *t, struct vad_node *n, u64 start, u64 end);

struct vad_node *vad_first(const struct vad_tree *t);
struct vad_node *vad_last(const struct vad_tree *t);
struct vad_node *vad_next(const struct vad_node *n);
struct vad_node *vad_prev(const struct vad_node *n);

/*
 * Where `pages` free pages lie inside [lo, hi] (inclusive), beginning at a multiple of align_pages
 * (a power of two): the lowest such place, or the highest with top_down. VAD_NO_GAP without one.
 * Logarithmic for alignments of 1 and 16; for others it may look at more gaps.
 */
u64 vad_find_gap(const struct vad_tree *t, u64 lo, u64 hi, u64 pages, u64 align_pages,
		 bool top_down);

/* Proves order, balance, parents and the gap sums; false when something is broken. */
bool vad_check(const struct vad_tree *t);

#endif
