/* Types and small steps that the tests of the managed heap share, native ones and guest programs.
 */
#ifndef NTMM_TESTS_GC_TYPES_H
#define NTMM_TESTS_GC_TYPES_H

#include "guest/user/clrgc/clrgc.h"

struct node {
	const GCType *type;
	struct node *left, *right;
	uint64_t value;
};

static const uint32_t node_refs[] = {8, 16}, element_ref[] = {0};
static const GCType node_type = {
    .name = "Node", .base_size = 40, .ref_count = 2, .refs = node_refs};
static const GCType bytes_type = {.name = "Byte[]", .base_size = 24, .component_size = 1};
static const GCType refs_type = {.name = "Object[]",
				 .base_size = 24,
				 .component_size = 8,
				 .component_ref_count = 1,
				 .component_refs = element_ref};

#define BYTES_FOR(size) ((size)-24u) /* elements of a byte array of that size */

static inline void **element_of(void *array, size_t i)
{
	return (void **)array + 2 + i;
}

/* The array by its slot: making the value may have moved it. */
static inline void put(void **array, size_t i, void *value)
{
	GC_WriteBarrier(element_of(*array, i), value);
}

static inline void collect(int generation)
{
	GC_Collect(generation, GCCollectionMode_Forced, true, false);
}

static inline void collect_compacting(int generation)
{
	GC_Collect(generation, GCCollectionMode_Forced, true, true);
}

#endif
