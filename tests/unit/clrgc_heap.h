/*
 * A heap for a test and a frame of slots in it: begin() makes both, end() verifies the heap and
 * checks that all its memory has gone back. Static, since each suite is a program of its own.
 */
#ifndef NTMM_TESTS_CLRGC_HEAP_H
#define NTMM_TESTS_CLRGC_HEAP_H

#include <check.h>
#include "tests/guest/gc/types.h"
#include "tests/unit/clrgc_platform.h"

#define SLOTS 16

static void *slot[SLOTS];
static GCFrame frame;

/* With the heap verified before and after each collection. */
static void begin(GCConfig config)
{
	config.verify = true;
	if (!config.region_range)
		config.region_range = (size_t)256 << 20;
	ck_assert_int_eq(GC_Initialize(&config), GC_OK);
	for (unsigned i = 0; i < SLOTS; i++)
		slot[i] = NULL;
	GCFrame_Push(&frame, slot, SLOTS, false);
}

static void end(void)
{
	ck_assert_ptr_null(GC_VerifyHeap());
	GCFrame_Pop(&frame);
	GC_Shutdown();
	ck_assert_uint_eq(gcp_committed, 0);
}

static inline struct node *make(const GCType *type, uint64_t value)
{
	struct node *n = GC_Alloc(type);

	ck_assert_ptr_nonnull(n);
	n->value = value;
	return n;
}

/* The last two slots hold the parts meanwhile. */
static inline struct node *node(void *left, void *right, uint64_t value)
{
	struct node *n;

	slot[SLOTS - 2] = left;
	slot[SLOTS - 1] = right;
	n = make(&node_type, value);
	GC_WriteBarrier((void **)&n->left, slot[SLOTS - 2]);
	GC_WriteBarrier((void **)&n->right, slot[SLOTS - 1]);
	slot[SLOTS - 2] = slot[SLOTS - 1] = NULL;
	return n;
}

static inline void *bytes(size_t size)
{
	void *o = GC_AllocateArray(&bytes_type, BYTES_FOR(size), false);

	ck_assert_ptr_nonnull(o);
	return o;
}

#endif
