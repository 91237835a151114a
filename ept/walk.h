/*
 * walk: the guest's own page tables, read from outside. Pure: guest memory as bytes and the map.
 *
 * The guest may change its tables at any time: every entry is read once. What a walk finds is a
 * picture of one moment; a caller that needs a consistent one stops the machine first.
 */
#ifndef EPT_WALK_H
#define EPT_WALK_H

#include "ept/ept.h"

/* Guest memory: the backing as one run of bytes, and the map that says where things lie in it. */
struct ept_memory {
	uint8_t *base;
	const struct ept_map *map;
};

/* Host address of [gpa, gpa + len) whatever the guest's rights; NULL: not memory, or not in one
 * piece. */
void *ept_at(const struct ept_memory *m, gpa_t gpa, uint64_t len);

#define PT_PRESENT	   (1ull << 0)
#define PT_WRITE	   (1ull << 1)
#define PT_USER		   (1ull << 2)
#define PT_LARGE	   (1ull << 7)
#define PT_NX		   (1ull << 63)
#define PT_FRAME	   0x000ffffffffff000ull
#define PT_ENTRIES	   512u
#define PT_LEVELS	   4u /* 4: PML4 ... 1: page table */
#define PT_SLOT(va, level) ((unsigned)((va) >> (12 + 9 * ((level)-1)) & (PT_ENTRIES - 1)))
#define PT_SPAN(level)	   (1ull << (12 + 9 * ((level)-1))) /* bytes one entry maps */

/* A present leaf, with the rights of the whole path. */
struct ept_leaf {
	uint64_t va;	/* of its first byte, canonical */
	gpa_t gpa;	/* where it points */
	uint64_t bytes; /* 4 KB, 2 MB, 1 GB */
	bool write, user, execute;
	gpa_t entry; /* of the leaf entry itself */
};

/* The leaf that maps va: 0, or -EFAULT when there is none. */
int ept_walk(const struct ept_memory *m, uint64_t cr3, uint64_t va, struct ept_leaf *leaf);

/* The gpa of one byte: 0, or -EFAULT when it is not mapped. */
int ept_virtual(const struct ept_memory *m, uint64_t cr3, uint64_t va, gpa_t *gpa);

/* Copies len bytes at va, as far as they are mapped; returns how many. */
uint64_t ept_read_virtual(const struct ept_memory *m, uint64_t cr3, uint64_t va, void *buf,
			  uint64_t len);

/* Calls fn for every leaf of PML4 slots [first, last). Stops and returns its value if it is not 0.
 * Tables that lie outside of memory are passed over. */
int ept_walk_all(const struct ept_memory *m, uint64_t cr3, unsigned first, unsigned last,
		 int (*fn)(void *arg, const struct ept_leaf *leaf), void *arg);

#endif
