/*
 * The managed heap (guest/user/clrgc), natively: what .NET documents of generations and the large
 * object heap, pins, cards, budgets, a full mark stack, and that the verifier sees what is wrong.
 */
#include "tests/unit/clrgc_heap.h"

Suite *clrgc_suite(void);

/* ---- generations ---- */

START_TEST(generations)
{
	begin((GCConfig){0});
	slot[0] = bytes(84999);
	slot[1] = bytes(85000);
	ck_assert_int_eq(GC_GetGeneration(slot[0]), 0);
	ck_assert_int_eq(GC_GetGeneration(slot[1]), 2);
	slot[2] = node(NULL, NULL, 7);
	collect(0);
	ck_assert_int_eq(GC_GetGeneration(slot[0]), 1);
	ck_assert_int_eq(GC_GetGeneration(slot[2]), 1);
	slot[3] = node(slot[2], NULL, 8);
	collect(0);
	ck_assert_int_eq(GC_GetGeneration(slot[2]), 1);
	ck_assert_int_eq(GC_GetGeneration(slot[3]), 1);
	collect(1);
	ck_assert_int_eq(GC_GetGeneration(slot[2]), 2);
	ck_assert_int_eq(GC_GetGeneration(slot[3]), 2);
	collect(2);
	ck_assert_int_eq(GC_GetGeneration(slot[2]), 2);
	ck_assert_ptr_eq(((struct node *)slot[3])->left, slot[2]);
	ck_assert_uint_eq(((struct node *)slot[2])->value, 7);
	ck_assert_int_eq(GC_CollectionCount(0), 4);
	ck_assert_int_eq(GC_CollectionCount(1), 2);
	ck_assert_int_eq(GC_CollectionCount(2), 1);
	ck_assert_int_eq(GC_CollectionCount(3), -1);
	ck_assert_uint_eq(GC_GetObjectSize(slot[2]), 40);
	ck_assert_uint_eq(GC_GetArrayLength(slot[1]), 84976);
	end();
}
END_TEST

START_TEST(refusals)
{
	GCType odd = node_type;

	begin((GCConfig){0});
	ck_assert_int_eq(GC_Initialize(NULL), GC_INVALID_OPERATION);
	ck_assert_int_eq(GCThread_Attach(), GC_INVALID_OPERATION);
	ck_assert_int_eq(GC_Collect(-1, GCCollectionMode_Default, true, false),
			 GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_Collect(0, (GCCollectionMode)4, true, false), GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_Collect(1, GCCollectionMode_Aggressive, true, true),
			 GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_Collect(2, GCCollectionMode_Aggressive, false, true),
			 GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_CollectionCount(0), 0);
	ck_assert_int_eq(GC_Collect(99, GCCollectionMode_Default, true, false), GC_OK);
	ck_assert_int_eq(GC_CollectionCount(2), 1);
	ck_assert_int_eq(GC_AddMemoryPressure(0), GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_RemoveMemoryPressure(1), GC_INVALID_OPERATION);
	ck_assert_int_eq(GC_RemoveMemoryPressure(-1), GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(
	    GCSettings_set_LargeObjectHeapCompactionMode((GCLargeObjectHeapCompactionMode)0),
	    GC_ARGUMENT_OUT_OF_RANGE);
	ck_assert_int_eq(GC_EndNoGCRegion(), GC_INVALID_OPERATION);
	ck_assert_int_eq(GC_TryStartNoGCRegion(0), GC_ARGUMENT_OUT_OF_RANGE);
	odd.base_size = 16;
	ck_assert_ptr_null(GC_Alloc(&odd));
	odd.base_size = 42;
	ck_assert_ptr_null(GC_Alloc(&odd));
	ck_assert_ptr_null(GC_AllocateArray(&node_type, 1, false));
	ck_assert_ptr_null(GC_AllocateArray(&bytes_type, SIZE_MAX - 8, false));
	ck_assert_ptr_null(GC_AllocateArray(&bytes_type, (size_t)1 << 40, false));
	end();
	ck_assert_int_eq(GC_Initialize(&(GCConfig){.region_range = 4096}),
			 GC_ARGUMENT_OUT_OF_RANGE);
}
END_TEST

/* An old object keeps a young one alive by its card alone, in each kind of old memory. */
START_TEST(old_to_young)
{
	begin((GCConfig){0});
	slot[0] = node(NULL, NULL, 1);
	slot[1] = GC_AllocateArray(&refs_type, 20000, false);
	slot[2] = GC_AllocateArray(&refs_type, 10, true);
	collect(0);
	collect(1);
	ck_assert_int_eq(GC_GetGeneration(slot[0]), 2);
	for (unsigned i = 0; i < 50; i++) {
		struct node *young = node(NULL, NULL, 100 + i);

		GC_WriteBarrier((void **)&((struct node *)slot[0])->left, young);
		GC_WriteBarrier(element_of(slot[1], i * 397), young);
		GC_WriteBarrier(element_of(slot[2], i % 10), young);
		collect((int)(i % 2));
	}
	ck_assert_uint_eq(((struct node *)slot[0])->left->value, 149);
	for (unsigned i = 0; i < 50; i++)
		ck_assert_uint_eq((*(struct node **)element_of(slot[1], i * 397))->value, 100 + i);
	ck_assert_uint_eq((*(struct node **)element_of(slot[2], 9))->value, 149);
	end();
}
END_TEST

START_TEST(verifier_sees)
{
	struct node *old;

	begin((GCConfig){0});
	slot[0] = node(NULL, NULL, 1);
	collect(0);
	slot[1] = node(NULL, NULL, 2);
	old = slot[0];
	old->left = slot[1]; /* without the barrier */
	ck_assert_str_eq(GC_VerifyHeap(), "a reference to a younger generation has no card");
	old->left = (struct node *)((char *)slot[1] + 8);
	ck_assert_str_eq(GC_VerifyHeap(), "a reference is no object");
	old->left = NULL;
	((uint64_t *)old)[-1] |= 1;
	ck_assert_str_eq(GC_VerifyHeap(), "an object's header has bits of a collection");
	((uint64_t *)old)[-1] = 0;
	end();
}
END_TEST

/* ---- pins and large objects ---- */

START_TEST(pinned_stay)
{
	GCHandle *pin[40];
	void *at[40];
	GCMemoryInfo info;

	begin((GCConfig){0});
	slot[0] = GC_AllocateArray(&refs_type, 400, false);
	for (unsigned i = 0; i < 400; i++) {
		put(&slot[0], i, node(NULL, NULL, i));
		bytes(24 + 8 * (i % 50)); /* dies */
		if (i % 10)
			continue;
		at[i / 10] = *element_of(slot[0], i);
		pin[i / 10] = GCHandle_Alloc(at[i / 10], GCHandleType_Pinned);
	}
	for (int round = 0; round < 6; round++) {
		collect_compacting(round % 3);
		for (unsigned i = 0; i < 400; i++)
			ck_assert_uint_eq((*(struct node **)element_of(slot[0], i))->value, i);
		for (unsigned i = 0; i < 40; i++)
			ck_assert_ptr_eq(GCHandle_get_Target(pin[i]), at[i]);
		/* what is not pinned is older, what is keeps its region young */
		ck_assert_int_eq(GC_GetGeneration(*element_of(slot[0], 1)), round ? 2 : 1);
		ck_assert_int_eq(GC_GetGeneration(at[0]), 0);
		slot[1] = bytes(64);
	}
	GC_GetGCMemoryInfo(&info);
	ck_assert_uint_gt(info.generation_size[0], 0);
	for (unsigned i = 0; i < 40; i++)
		GCHandle_Free(pin[i]);
	collect_compacting(0);
	ck_assert_int_eq(GC_GetGeneration(*element_of(slot[0], 0)), 1);
	ck_assert_ptr_ne(*element_of(slot[0], 390), at[39]);
	end();
}
END_TEST

START_TEST(pinned_frame)
{
	GCFrame fixed;
	void *pinned = NULL, *at;

	begin((GCConfig){0});
	bytes(1000);
	pinned = at = bytes(200);
	GCFrame_Push(&fixed, &pinned, 1, true);
	collect_compacting(0);
	collect_compacting(2);
	ck_assert_ptr_eq(pinned, at);
	GCFrame_Pop(&fixed);
	slot[0] = pinned;
	collect_compacting(0);
	ck_assert_ptr_ne(slot[0], at);
	/* the pinned object heap: never, and without a handle */
	slot[1] = at = GC_AllocateArray(&bytes_type, 100, true);
	ck_assert_int_eq(GC_GetGeneration(at), 2);
	GCSettings_set_LargeObjectHeapCompactionMode(GCLargeObjectHeapCompactionMode_CompactOnce);
	collect_compacting(2);
	ck_assert_ptr_eq(slot[1], at);
	end();
}
END_TEST

START_TEST(large_objects)
{
	void *at;

	begin((GCConfig){0});
	for (unsigned i = 0; i < 4; i++)
		slot[i] = bytes(200000 + i);
	at = slot[3];
	slot[1] = NULL;
	collect_compacting(2);
	ck_assert_ptr_eq(slot[3], at);
	/* what is free there is used again */
	slot[1] = bytes(150000);
	ck_assert((char *)slot[1] < (char *)slot[2]);
	slot[1] = NULL;
	ck_assert_int_eq(GCSettings_get_LargeObjectHeapCompactionMode(),
			 GCLargeObjectHeapCompactionMode_Default);
	GCSettings_set_LargeObjectHeapCompactionMode(GCLargeObjectHeapCompactionMode_CompactOnce);
	collect(1);
	ck_assert_ptr_eq(slot[3], at);
	collect(2);
	ck_assert((char *)slot[3] < (char *)at);
	ck_assert_int_eq(GCSettings_get_LargeObjectHeapCompactionMode(),
			 GCLargeObjectHeapCompactionMode_Default);
	ck_assert_int_eq(GC_GetGeneration(slot[3]), 2);
	/* larger than any region, and back to the system when it is dead */
	slot[4] = bytes((size_t)40 << 20);
	at = slot[4];
	ck_assert(gcp_is_committed((char *)at + ((size_t)20 << 20)));
	slot[4] = NULL;
	collect(2);
	ck_assert(!gcp_is_committed((char *)at + ((size_t)20 << 20)));
	end();
}
END_TEST

START_TEST(full_mark_stack)
{
	begin((GCConfig){.mark_stack = 4});
	slot[0] = GC_AllocateArray(&refs_type, 300, false);
	for (unsigned i = 0; i < 300; i++) {
		slot[1] = NULL;
		for (unsigned k = 0; k < 5; k++) {
			slot[2] = slot[1] ? node(slot[1], NULL, k) : NULL;
			slot[1] = node(slot[1], slot[2], i);
		}
		put(&slot[0], i, slot[1]);
	}
	slot[1] = slot[2] = NULL;
	collect(0);
	collect(1);
	collect(2);
	for (unsigned i = 0; i < 300; i++) {
		struct node *n = *element_of(slot[0], i);

		for (unsigned k = 5; k-- > 1; n = n->left) {
			ck_assert_uint_eq(n->value, i);
			ck_assert_ptr_eq(n->right->left, n->left);
		}
		ck_assert_ptr_null(n->left);
	}
	end();
}
END_TEST

/* What gets old is charged to the older generations, so that they are collected in their turn. */
START_TEST(budgets)
{
	begin((GCConfig){0});
	slot[0] = GC_AllocateArray(&refs_type, 200000, false);
	for (unsigned i = 0; i < 200000; i++)
		put(&slot[0], i, node(NULL, NULL, i));
	ck_assert_int_gt(GC_CollectionCount(2), 0);
	ck_assert_int_gt(GC_CollectionCount(1), GC_CollectionCount(2));
	ck_assert_int_gt(GC_CollectionCount(0), GC_CollectionCount(1));
	end();
}
END_TEST

START_TEST(pressure_and_modes)
{
	begin((GCConfig){0});
	ck_assert_int_eq(GC_AddMemoryPressure(3 << 20), GC_OK);
	ck_assert_int_eq(GC_CollectionCount(2), 0);
	ck_assert_int_eq(GC_AddMemoryPressure(2 << 20), GC_OK);
	ck_assert_int_eq(GC_CollectionCount(2), 1);
	ck_assert_int_eq(GC_AddMemoryPressure(3 << 20), GC_OK);
	ck_assert_int_eq(GC_CollectionCount(2), 1);
	ck_assert_int_eq(GC_RemoveMemoryPressure(8 << 20), GC_OK);
	/* optimized: nothing was allocated, so nothing is done */
	GC_Collect(0, GCCollectionMode_Optimized, true, false);
	ck_assert_int_eq(GC_CollectionCount(0), 1);
	for (unsigned i = 0; i < 12; i++)
		bytes(20000);
	GC_Collect(0, GCCollectionMode_Optimized, true, false);
	ck_assert_int_eq(GC_CollectionCount(0), 2);
	slot[0] = bytes(50000);
	ck_assert_uint_eq(GC_GetTotalMemory(true), 50000);
	end();
}
END_TEST

Suite *clrgc_suite(void)
{
	Suite *s = suite_create("clrgc");
	TCase *t = tcase_create("clrgc");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, generations);
	tcase_add_test(t, refusals);
	tcase_add_test(t, old_to_young);
	tcase_add_test(t, verifier_sees);
	tcase_add_test(t, pinned_stay);
	tcase_add_test(t, pinned_frame);
	tcase_add_test(t, large_objects);
	tcase_add_test(t, full_mark_stack);
	tcase_add_test(t, budgets);
	tcase_add_test(t, pressure_and_modes);
	suite_add_tcase(s, t);
	return s;
}
