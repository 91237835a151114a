/*
 * pfslots: which pages ("slots") of a pagefile are in use: a bitmap, a set bit = taken.
 *
 * Runs of consecutive slots make clustered writes possible, so the search goes on from where the
 * last one ended (next-fit) and prefers a run of the full length wanted; without one near by
 * it takes the longest it has seen. Slot 0 is never given out: 0 means none.
 * Bits past the current size are set, so that no search finds them.
 *
 * Pure logic. Locks: the caller's, for every function.
 */
#ifndef NTMM_MM_PFSLOTS_H
#define NTMM_MM_PFSLOTS_H

#include "guest/ke/types.h"

/* 64-bit words of bitmap for a pagefile that may grow to max_pages. */
#define SLOTS_WORDS(max_pages) (((u64)(max_pages) + 63) / 64)

struct pfslots {
	u64 *bitmap;
	u64 pages;     /* current size, slot 0 included */
	u64 max_pages; /* what the bitmap has room for */
	u64 used;      /* slots taken, without slot 0 */
	u64 next;      /* where the next search begins */
};

/* The bitmap has SLOTS_WORDS(max_pages) words; its contents do not matter. */
void slots_init(struct pfslots *s, u64 *bitmap, u64 pages, u64 max_pages);
/* Takes up to `want` (>= 1) consecutive slots. Returns the first, and in *got how many; 0 = full.
 */
u64 slots_alloc(struct pfslots *s, u64 want, u64 *got);
/* Gives back slots; false, and nothing changed, when one of them was not taken. */
bool slots_free(struct pfslots *s, u64 first, u64 n);
/* The pagefile now has `pages` pages; never fewer than before, at most max_pages. */
void slots_grow(struct pfslots *s, u64 pages);
bool slots_is_used(const struct pfslots *s, u64 slot);
/* Slots that slots_alloc can still give. */
static inline u64 slots_available(const struct pfslots *s)
{
	return s->pages ? s->pages - 1 - s->used : 0;
}
/* Counts the bits: false when they disagree with the counters or the limits. */
bool slots_check(const struct pfslots *s);

#endif
