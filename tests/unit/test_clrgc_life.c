/*
 * The managed heap, natively: handles and finalizers, threads, and the random mutator
 * (tests/guest/gc/mutator.h) with blocking and background collections.
 */
#include <pthread.h>
#include <unistd.h>
#include "tests/guest/gc/mutator.h"
#include "tests/unit/clrgc_heap.h"

Suite *clrgc_life_suite(void);

/* ---- finalizers ---- */

static _Atomic unsigned ran;
static unsigned order[64];
static GCHandle *risen;

static void note(void *object)
{
	unsigned n = atomic_load(&ran);

	order[n % 64] = (unsigned)((struct node *)object)->value;
	atomic_store(&ran, n + 1);
}

static void rise(void *object)
{
	GCHandle_set_Target(risen, object);
	note(object);
}

static const GCType ordinary = {
    .name = "Ordinary", .base_size = 40, .ref_count = 2, .refs = node_refs, .finalize = note};
static const GCType critical = {.name = "Critical",
				.base_size = 40,
				.ref_count = 2,
				.refs = node_refs,
				.finalize = note,
				.critical = true};
static const GCType riser = {
    .name = "Riser", .base_size = 40, .ref_count = 2, .refs = node_refs, .finalize = rise};

START_TEST(two_collections)
{
	GCHandle *weak, *longer;

	begin((GCConfig){0});
	slot[0] = make(&ordinary, 1);
	weak = GCHandle_Alloc(slot[0], GCHandleType_Weak);
	longer = GCHandle_Alloc(slot[0], GCHandleType_WeakTrackResurrection);
	collect(0);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 0);
	ck_assert_ptr_eq(GCHandle_get_Target(weak), slot[0]);
	slot[0] = NULL;
	collect(1);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 1);
	ck_assert_ptr_null(GCHandle_get_Target(weak));
	ck_assert_ptr_nonnull(GCHandle_get_Target(longer)); /* its memory is still there */
	ck_assert_int_eq(GC_GetGeneration(GCHandle_get_Target(longer)), 2);
	collect(1); /* it has become generation 2 */
	ck_assert_ptr_nonnull(GCHandle_get_Target(longer));
	collect(2);
	ck_assert_ptr_null(GCHandle_get_Target(longer));
	ck_assert_uint_eq(ran, 1);
	end();
}
END_TEST

START_TEST(suppress_and_again)
{
	begin((GCConfig){0});
	slot[0] = make(&ordinary, 1);
	GC_SuppressFinalize(slot[0]);
	slot[0] = NULL;
	collect(2);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 0);
	slot[0] = make(&ordinary, 2);
	GC_SuppressFinalize(slot[0]);
	collect(0);
	ck_assert_int_eq(GC_ReRegisterForFinalize(slot[0]), GC_OK);
	slot[0] = NULL;
	collect(2);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 1);
	end();
}
END_TEST

START_TEST(resurrection)
{
	begin((GCConfig){0});
	risen = GCHandle_Alloc(NULL, GCHandleType_Normal);
	slot[0] = make(&riser, 5);
	slot[1] = make(&ordinary, 6);
	GC_WriteBarrier((void **)&((struct node *)slot[0])->left, slot[1]);
	slot[1] = make(&ordinary, 7);
	GC_SuppressFinalize(slot[1]);
	GC_WriteBarrier((void **)&((struct node *)slot[0])->right, slot[1]);
	slot[1] = NULL;
	slot[0] = NULL;
	collect(0);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 2); /* both were dead */
	slot[0] = GCHandle_get_Target(risen);
	ck_assert_uint_eq(((struct node *)slot[0])->left->value, 6);
	collect_compacting(2);
	ck_assert_uint_eq(((struct node *)slot[0])->left->value, 6);
	GCHandle_set_Target(risen, NULL);
	/* not registered any more: dies silently; registered again: once more */
	ck_assert_int_eq(GC_ReRegisterForFinalize(((struct node *)slot[0])->left), GC_OK);
	/* the same for one whose finalizer was suppressed when it died */
	ck_assert_int_eq(GC_ReRegisterForFinalize(((struct node *)slot[0])->right), GC_OK);
	slot[0] = NULL;
	collect(2);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 4);
	ck_assert_uint_eq(order[2] + order[3], 6 + 7);
	end();
}
END_TEST

START_TEST(critical_last)
{
	begin((GCConfig){0});
	for (unsigned i = 0; i < 20; i++)
		make(i % 2 ? &ordinary : &critical, i);
	collect(0);
	GC_WaitForPendingFinalizers();
	ck_assert_uint_eq(ran, 20);
	for (unsigned i = 0; i < 20; i++)
		ck_assert_uint_eq(order[i] % 2, i < 10);
	end();
}
END_TEST

/* ---- handles ---- */

START_TEST(dependent)
{
	GCHandle *chain[3];

	begin((GCConfig){0});
	slot[0] = make(&node_type, 0);
	for (unsigned i = 0; i < 3; i++) {
		slot[1] = make(&node_type, i + 1);
		chain[i] = DependentHandle_Alloc(
		    i ? DependentHandle_get_Dependent(chain[i - 1]) : slot[0], slot[1]);
	}
	/* the second refers to the first, and does not keep it */
	GC_WriteBarrier((void **)&((struct node *)slot[1])->left, slot[0]);
	slot[1] = NULL;
	collect(0);
	collect_compacting(2);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(((struct node *)DependentHandle_get_Dependent(chain[i]))->value,
				  i + 1);
	slot[0] = NULL;
	collect(2);
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_ptr_null(GCHandle_get_Target(chain[i]));
		ck_assert_ptr_null(DependentHandle_get_Dependent(chain[i]));
		GCHandle_Free(chain[i]);
	}
	end();
}
END_TEST

/* ---- threads ---- */

#define THREADS 4

static struct node *tree(unsigned depth)
{
	void *part[2] = {NULL, NULL};
	struct node *n;
	GCFrame here;

	GCFrame_Push(&here, part, 2, false);
	if (depth) {
		part[0] = tree(depth - 1);
		part[1] = tree(depth - 1);
	}
	n = GC_Alloc(&node_type);
	GC_WriteBarrier((void **)&n->left, part[0]);
	GC_WriteBarrier((void **)&n->right, part[1]);
	n->value = depth;
	GCFrame_Pop(&here);
	return n;
}

static bool is_tree(const struct node *n, unsigned depth)
{
	return n->value == depth &&
	       (depth ? is_tree(n->left, depth - 1) && is_tree(n->right, depth - 1)
		      : !n->left && !n->right);
}

static void *grow(void *argument)
{
	unsigned rounds = 150;
	void *kept = NULL;
	GCFrame here;
	bool good = true;

	(void)argument;
	ck_assert_int_eq(GCThread_Attach(), GC_OK);
	GCFrame_Push(&here, &kept, 1, false);
	while (good && rounds--) {
		if (rounds % 5 == 0)
			kept = tree(9);
		tree(7);
		good = !kept || is_tree(kept, 9);
		if (rounds % 40 == 0)
			GC_Collect(2, GCCollectionMode_Forced, rounds % 80 == 0, false);
	}
	GCFrame_Pop(&here);
	GCThread_Detach();
	return good ? &ran : NULL;
}

START_TEST(threads)
{
	pthread_t thread[THREADS];
	void *good;

	begin((GCConfig){.gen0_size = 1 << 16, .concurrent = _i == 1});
	GCThread_EnterPreemptive();
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, grow, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &good);
		ck_assert_ptr_nonnull(good);
	}
	GCThread_LeavePreemptive();
	ck_assert_int_gt(GC_CollectionCount(0), 10);
	end();
}
END_TEST

/* ---- the mutator ---- */

START_TEST(random_graph)
{
	const char *wrong;

	begin((GCConfig){.gen0_size = 1 << 17, .mark_stack = _i == 3 ? 16 : 0});
	wrong = mutate((uint64_t)_i + 1, 50000, 60);
	ck_assert_msg(!wrong, "seed %d: %s", _i + 1, wrong);
	end();
}
END_TEST

START_TEST(random_graph_concurrent)
{
	GCMemoryInfo info;
	const char *wrong;

	begin((GCConfig){.gen0_size = 1 << 17, .concurrent = true});
	wrong = mutate((uint64_t)_i + 100, 25000, 60);
	ck_assert_msg(!wrong, "seed %d: %s", _i + 100, wrong);
	GC_GetGCMemoryInfo(&info);
	ck_assert_int_gt(info.background, 0);
	end();
}
END_TEST

/* Budgets alone start it: large garbage, and what gets old. */
START_TEST(background_by_budget)
{
	GCMemoryInfo info;

	begin((GCConfig){.concurrent = true, .mark_stack = _i ? 4 : 0});
	slot[0] = GC_AllocateArray(&refs_type, 20000, false);
	for (unsigned i = 0; i < 20000; i++) {
		put(&slot[0], i, tree(2));
		if (i % 20 == 0)
			slot[1] = bytes(100000 + i);
	}
	GC_GetGCMemoryInfo(&info);
	ck_assert_int_gt(info.background, 2);
	collect(2);
	for (unsigned i = 0; i < 20000; i++)
		ck_assert(is_tree(*element_of(slot[0], i), 2));
	end();
}
END_TEST

static void wait_background(int64_t until)
{
	GCMemoryInfo info;

	do { /* not at full speed: the question stops all threads, the one in the background, too */
		GCThread_EnterPreemptive();
		usleep(1000);
		GCThread_LeavePreemptive();
		GC_GetGCMemoryInfo(&info);
	} while (info.background < until);
}

/* What is moved from place to place just when the background mark begins is not missed. */
START_TEST(moved_meanwhile)
{
	GCHandle *handle;
	struct node *n;

	begin((GCConfig){.concurrent = true});
	handle = GCHandle_Alloc(NULL, GCHandleType_Normal);
	slot[0] = tree(15);
	slot[1] = GC_AllocateArray(&refs_type, 20000, false);
	collect(1);
	collect(1);
	for (unsigned i = 0; i < 9; i++) {
		GC_Collect(2, GCCollectionMode_Default, false, false);
		n = slot[0];
		if (i % 3 == 0)
			slot[2] = n->right; /* to a frame */
		else if (i % 3 == 1)
			GCHandle_set_Target(handle, n->right);
		else
			GC_WriteBarrier(element_of(slot[1], i * 1000), n->right);
		GC_WriteBarrier((void **)&n->right, NULL);
		slot[3] = n->left;
		wait_background(i + 1);
		ck_assert_ptr_null(GC_VerifyHeap());
		n = slot[0];
		slot[4] = i % 3 == 0   ? slot[2]
			  : i % 3 == 1 ? GCHandle_get_Target(handle)
				       : *element_of(slot[1], i * 1000);
		ck_assert(is_tree(slot[4], 14));
		GC_WriteBarrier((void **)&n->right, slot[4]);
		slot[2] = slot[3] = slot[4] = NULL;
		GCHandle_set_Target(handle, NULL);
		put(&slot[1], i * 1000, NULL);
	}
	end();
}
END_TEST

static void *allocate_a_little(void *argument)
{
	(void)argument;
	GCThread_Attach();
	GC_Alloc(&node_type);
	GCThread_Detach();
	return NULL;
}

/* A thread that ends leaves its chunk so that the heap can be walked. */
START_TEST(detached)
{
	pthread_t thread;

	begin((GCConfig){0});
	for (unsigned i = 0; i < 3; i++) {
		GCThread_EnterPreemptive();
		pthread_create(&thread, NULL, allocate_a_little, NULL);
		pthread_join(thread, NULL);
		GCThread_LeavePreemptive();
		slot[i] = make(&node_type, i);
	}
	ck_assert_ptr_null(GC_VerifyHeap());
	end();
}
END_TEST

/* Younger generations are collected while the background marks, and nothing is lost. */
START_TEST(foreground)
{
	GCMemoryInfo info;
	unsigned tries = 0;

	begin((GCConfig){.concurrent = true});
	slot[0] = tree(14);
	collect(1);
	collect(1);
	do {
		slot[1] = tree(5);
		GC_Collect(2, GCCollectionMode_Default, false, false);
		slot[2] = tree(4); /* promoted while its background collection runs, if it does */
		collect(0);
		collect(1);
		slot[1] = NULL;
		GC_GetGCMemoryInfo(&info);
	} while (!info.foreground && ++tries < 200);
	ck_assert_int_gt(info.foreground, 0);
	collect(2); /* waits for the one in the background */
	GC_GetGCMemoryInfo(&info);
	ck_assert(is_tree(slot[0], 14));
	ck_assert(is_tree(slot[2], 4));
	ck_assert_int_gt(info.background, 0);
	end();
}
END_TEST

static void *mutate_beside(void *argument)
{
	const char *wrong;

	GCThread_Attach();
	wrong = mutate(*(unsigned *)argument, 12000, 100);
	GCThread_Detach();
	return (void *)wrong;
}

START_TEST(random_graphs_at_once)
{
	unsigned seed[THREADS];
	pthread_t thread[THREADS];
	void *wrong;

	/* Four threads' pinned objects may hold on to many regions. */
	begin((GCConfig){
	    .gen0_size = 1 << 17, .region_range = (size_t)1 << 30, .concurrent = _i == 1});
	GCThread_EnterPreemptive();
	for (unsigned i = 0; i < THREADS; i++) {
		seed[i] = 1000 + i;
		pthread_create(&thread[i], NULL, mutate_beside, &seed[i]);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(thread[i], &wrong);
		ck_assert_msg(!wrong, "seed %u: %s", seed[i], (char *)wrong);
	}
	GCThread_LeavePreemptive();
	end();
}
END_TEST

Suite *clrgc_life_suite(void)
{
	Suite *s = suite_create("clrgc_life");
	TCase *t = tcase_create("clrgc_life");

	tcase_set_timeout(t, 120);
	tcase_add_test(t, two_collections);
	tcase_add_test(t, suppress_and_again);
	tcase_add_test(t, resurrection);
	tcase_add_test(t, critical_last);
	tcase_add_test(t, dependent);
	tcase_add_loop_test(t, threads, 0, 2);
	tcase_add_loop_test(t, random_graph, 0, 4);
	tcase_add_loop_test(t, random_graph_concurrent, 0, 2);
	tcase_add_loop_test(t, background_by_budget, 0, 2);
	tcase_add_test(t, moved_meanwhile);
	tcase_add_test(t, detached);
	tcase_add_test(t, foreground);
	tcase_add_loop_test(t, random_graphs_at_once, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
