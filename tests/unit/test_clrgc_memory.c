/*
 * The managed heap and the system's memory, natively: what is given back, what happens when there
 * is none at each place where some is asked for, and address space that runs out.
 */
#include "tests/unit/clrgc_heap.h"

Suite *clrgc_memory_suite(void);

/* ---- given back ---- */

START_TEST(memory_given_back)
{
	size_t full;
	void *tail;

	begin((GCConfig){.gen0_size = 1 << 20});
	slot[0] = GC_AllocateArray(&refs_type, 2000, true);
	for (unsigned i = 0; i < 2000; i++)
		put(&slot[0], i, bytes(10000));
	collect(2);
	collect(2);
	full = gcp_committed;
	tail = *element_of(slot[0], 1999);
	for (unsigned i = 1000; i < 2000; i++)
		*element_of(slot[0], i) = NULL;
	collect(2);
	ck_assert_uint_lt(gcp_committed, full - (4u << 20));
	GC_Collect(2, GCCollectionMode_Aggressive, true, true);
	ck_assert(!gcp_is_committed(tail));
	ck_assert_uint_lt(gcp_committed, 12u << 20);
	end();
}
END_TEST

START_TEST(holes_are_reset)
{
	begin((GCConfig){0});
	for (unsigned i = 0; i < 3; i++)
		slot[i] = bytes(300000);
	slot[1] = NULL;
	gcp_resets = 0;
	collect(2);
	ck_assert_uint_eq(gcp_resets, 1);
	slot[1] = bytes(290000);
	ck_assert((char *)slot[1] < (char *)slot[2]);
	end();
}
END_TEST

START_TEST(low_memory)
{
	GCMemoryInfo info;
	int64_t full;

	begin((GCConfig){0});
	for (unsigned i = 0; i < 20; i++)
		slot[0] = bytes(50000);
	gcp_set_low_memory(true);
	do {
		GC_SafePoint();
		GC_GetGCMemoryInfo(&info);
	} while (!info.low_memory);
	ck_assert_int_eq(info.low_memory, 1);
	ck_assert_int_ge(GC_CollectionCount(2), 1);
	ck_assert_int_ge(info.compactions, 1);
	/* it stays low, and no garbage is made: a full collection would find nothing */
	slot[1] = bytes(1 << 20);
	collect(2);
	full = GC_CollectionCount(2);
	do {
		GC_SafePoint();
		gcp_set_low_memory(false);
		gcp_set_low_memory(true);
		GC_GetGCMemoryInfo(&info);
	} while (info.low_memory < 2);
	ck_assert_int_eq(GC_CollectionCount(2), full);
	gcp_set_low_memory(false);
	end();
}
END_TEST

/* With no memory to be had the answer is NULL, and the heap is what it was. */
START_TEST(no_memory)
{
	unsigned n = 0;
	void *o;

	begin((GCConfig){.hard_limit = _i ? 0 : (size_t)16 << 20});
	gcp_commit_most = _i ? gcp_committed + ((size_t)16 << 20) : 0;
	slot[0] = GC_AllocateArray(&refs_type, 4000, false);
	while (n < 4000 && (o = GC_AllocateArray(&bytes_type, 8000, false)))
		GC_WriteBarrier(element_of(slot[0], n++), o);
	ck_assert_uint_gt(n, 1000);
	ck_assert_uint_lt(n, 2100);
	ck_assert_ptr_null(GC_AllocateArray(&bytes_type, 8000000, false));
	ck_assert_int_eq(GC_TryStartNoGCRegion((size_t)64 << 20), GC_OUT_OF_MEMORY);
	for (unsigned i = 0; i < n; i++)
		ck_assert_uint_eq(GC_GetArrayLength(*element_of(slot[0], i)), 8000);
	for (unsigned i = 0; i < n; i += 2)
		*element_of(slot[0], i) = NULL;
	for (unsigned i = 0; i < n - n / 16; i += 2) /* not quite as full as it can be */
		put(&slot[0], i, bytes(8024));
	gcp_commit_most = 0;
	end();
}
END_TEST

/* ---- none to be had ---- */

/* Whatever step of the start it is that gets no memory, nothing of it stays. */
START_TEST(no_memory_to_begin)
{
	GCConfig config = {.region_range = (size_t)64 << 20, .concurrent = true};
	unsigned refused = 0;
	GCStatus status;

	for (size_t most = 4096;; most += 4096) {
		gcp_commit_most = most;
		status = GC_Initialize(&config);
		if (status == GC_OK)
			break;
		ck_assert_int_eq(status, GC_OUT_OF_MEMORY);
		ck_assert_uint_eq(gcp_committed, 0);
		refused++;
	}
	gcp_commit_most = 0;
	GC_Shutdown();
	ck_assert_uint_gt(refused, 10);
	ck_assert_uint_eq(gcp_committed, 0);
}
END_TEST

/* Survivors that should leave pinned ones' regions find no other: they stay, and no pin moves. */
START_TEST(no_memory_beside_pins)
{
	GCHandle *pin[8];
	void *at[8];

	begin((GCConfig){.gen0_size = (size_t)8 << 20});
	slot[0] = GC_AllocateArray(&refs_type, 800, true);
	for (unsigned i = 0; i < 800; i++) {
		put(&slot[0], i, bytes(10000));
		bytes(2000);
		if (i % 100)
			continue;
		at[i / 100] = *element_of(slot[0], i);
		pin[i / 100] = GCHandle_Alloc(at[i / 100], GCHandleType_Pinned);
	}
	gcp_commit_most = gcp_committed;
	for (int round = 0; round < 4; round++) {
		collect_compacting(round % 2);
		for (unsigned i = 0; i < 8; i++)
			ck_assert_ptr_eq(GCHandle_get_Target(pin[i]), at[i]);
		ck_assert_int_eq(GC_GetGeneration(*element_of(slot[0], 1)), round ? 2 : 1);
	}
	gcp_commit_most = 0;
	for (unsigned i = 0; i < 8; i++)
		GCHandle_Free(pin[i]);
	for (unsigned i = 0; i < 800; i++)
		ck_assert_uint_eq(GC_GetObjectSize(*element_of(slot[0], i)), 10000);
	end();
}
END_TEST

static unsigned finalized;

static void count_one(void *object)
{
	(void)object;
	finalized++;
}

/* No memory for the queue of the finalizer thread: dead objects wait for a better time. */
START_TEST(no_memory_to_finalize)
{
	static const GCType type = {.name = "Final", .base_size = 40, .finalize = count_one};

	begin((GCConfig){.gen0_size = (size_t)8 << 20});
	for (unsigned i = 0; i < 20000; i++)
		make(&type, i);
	gcp_commit_most = gcp_committed;
	collect(2);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(finalized, 0);
	gcp_commit_most = 0;
	collect(2);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(finalized, 20000);
	end();
}
END_TEST

/* 16 units: the large object heap takes 8, so the pinned one gets a region smaller than usual. */
START_TEST(no_address_space)
{
	unsigned n = 0;
	void *o;

	begin((GCConfig){.region_range = (size_t)64 << 20});
	slot[0] = GC_AllocateArray(&refs_type, 1000, false);
	slot[1] = bytes(1 << 20);
	slot[2] = GC_AllocateArray(&bytes_type, 1000, true);
	ck_assert_ptr_nonnull(slot[2]);
	while (n < 1000 && (o = GC_AllocateArray(&bytes_type, 84000, false)))
		put(&slot[0], n++, o);
	ck_assert_uint_gt(n, 240);
	ck_assert_uint_lt(n, 1000);
	slot[0] = NULL;
	ck_assert_ptr_nonnull(bytes(1000));
	ck_assert_ptr_null(GC_AllocateArray(&bytes_type, (size_t)40 << 20, false));
	end();
}
END_TEST

/* Bytes committed that are not for objects. */
static size_t beside_objects(void)
{
	GCMemoryInfo info;

	GC_GetGCMemoryInfo(&info);
	return gcp_committed - info.committed;
}

/* More entries than the mark stack starts with; they do not stay committed. */
START_TEST(mark_stack_grows)
{
	size_t before;

	begin((GCConfig){.gen0_size = (size_t)8 << 20, .concurrent = _i == 1});
	slot[0] = GC_AllocateArray(&refs_type, 30000, false);
	for (unsigned i = 0; i < 30000; i++)
		put(&slot[0], i, make(&node_type, i));
	collect(1);
	collect(1);
	before = beside_objects();
	GC_Collect(2, GCCollectionMode_Default, false, false);
	if (!_i)
		collect(2);
	GC_VerifyHeap(); /* waits for the background */
	ck_assert_uint_lt(beside_objects(), before + (128 << 10));
	for (unsigned i = 0; i < 30000; i++)
		ck_assert_uint_eq((*(struct node **)element_of(slot[0], i))->value, i);
	end();
}
END_TEST

/* ---- ahead ---- */

START_TEST(no_gc_region)
{
	int64_t before;

	begin((GCConfig){.gen0_size = 1 << 18});
	ck_assert_int_eq(GC_TryStartNoGCRegion(8 << 20), GC_OK);
	ck_assert_int_eq(GC_TryStartNoGCRegion(8 << 20), GC_INVALID_OPERATION);
	before = GC_CollectionCount(0);
	for (unsigned i = 0; i < 380; i++)
		bytes(20000);
	ck_assert_int_eq(GC_CollectionCount(0), before);
	ck_assert_int_eq(GC_EndNoGCRegion(), GC_OK);
	ck_assert_int_eq(GC_TryStartNoGCRegion(4 << 20), GC_OK);
	slot[0] = bytes(3 << 20); /* large ones count as well */
	before = GC_CollectionCount(0);
	for (unsigned i = 0; i < 100; i++)
		bytes(20000);
	ck_assert_int_gt(GC_CollectionCount(0), before);
	ck_assert_int_eq(GC_EndNoGCRegion(), GC_INVALID_OPERATION);
	end();
}
END_TEST

Suite *clrgc_memory_suite(void)
{
	Suite *s = suite_create("clrgc_memory");
	TCase *t = tcase_create("clrgc_memory");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, memory_given_back);
	tcase_add_test(t, holes_are_reset);
	tcase_add_test(t, low_memory);
	tcase_add_loop_test(t, no_memory, 0, 2);
	tcase_add_test(t, no_memory_to_begin);
	tcase_add_test(t, no_memory_beside_pins);
	tcase_add_test(t, no_memory_to_finalize);
	tcase_add_test(t, no_address_space);
	tcase_add_loop_test(t, mark_stack_grows, 0, 2);
	tcase_add_test(t, no_gc_region);
	suite_add_tcase(s, t);
	return s;
}
