/*
 * The managed heap as .NET documents it: generations, the large and the pinned object heap,
 * handles, finalizers and their thread.
 */
#include "tests/guest/check.h"
#include "tests/guest/gc/types.h"

static void *slot[8];
static DWORD main_thread;

static struct node *node(uint64_t value)
{
	struct node *n = GC_Alloc(&node_type);

	n->value = value;
	return n;
}

static void *bytes(size_t size)
{
	return GC_AllocateArray(&bytes_type, BYTES_FOR(size), false);
}

static void ages(void)
{
	int64_t before[3];

	for (int g = 0; g < 3; g++)
		before[g] = GC_CollectionCount(g);
	slot[0] = bytes(84999);
	slot[1] = bytes(85000);
	slot[2] = node(1);
	CHECK_EQ(GC_GetGeneration(slot[0]), 0);
	CHECK_EQ(GC_GetGeneration(slot[1]), GC_MaxGeneration);
	CHECK_EQ(GC_GetGeneration(slot[2]), 0);
	collect(0);
	CHECK_EQ(GC_GetGeneration(slot[0]), 1);
	CHECK_EQ(GC_GetGeneration(slot[2]), 1);
	collect(0);
	CHECK_EQ(GC_GetGeneration(slot[2]), 1); /* of generation 1 nothing was collected */
	collect(1);
	CHECK_EQ(GC_GetGeneration(slot[0]), 2);
	CHECK_EQ(GC_GetGeneration(slot[2]), 2);
	collect(2);
	CHECK_EQ(GC_GetGeneration(slot[2]), 2);
	CHECK_EQ(((struct node *)slot[2])->value, 1);
	CHECK_EQ(GC_CollectionCount(0) - before[0], 4);
	CHECK_EQ(GC_CollectionCount(1) - before[1], 2);
	CHECK_EQ(GC_CollectionCount(2) - before[2], 1);
}

/* Only a card leads from the old object to the young one. */
static void old_to_young(void)
{
	struct node *old;

	slot[0] = node(1);
	collect(2);
	collect(2);
	CHECK_EQ(GC_GetGeneration(slot[0]), 2);
	slot[1] = node(2);
	old = slot[0];
	GC_WriteBarrier((void **)&old->left, slot[1]);
	slot[1] = NULL;
	collect_compacting(0);
	for (int i = 0; i < 1000; i++)
		node(99);
	old = slot[0];
	CHECK_EQ(old->left->value, 2);
	CHECK_EQ(GC_GetGeneration(old->left), 1);
}

static void pins(void)
{
	GCHandle *pin;
	void *at;

	for (int i = 0; i < 100; i++)
		node(0);
	slot[0] = at = node(7);
	slot[1] = node(8);
	pin = GCHandle_Alloc(slot[0], GCHandleType_Pinned);
	for (int round = 0; round < 4; round++) {
		collect_compacting(round % 3);
		CHECK_EQ(slot[0], at);
		CHECK_EQ(GCHandle_get_Target(pin), at);
		CHECK_EQ(((struct node *)at)->value, 7);
		CHECK_EQ(((struct node *)slot[1])->value, 8);
	}
	GCHandle_Free(pin);
	collect_compacting(2);
	CHECK(slot[0] != at);
	CHECK_EQ(((struct node *)slot[0])->value, 7);
	slot[0] = at = GC_AllocateArray(&bytes_type, 100, true);
	CHECK_EQ(GC_GetGeneration(at), 2);
	collect_compacting(2);
	CHECK_EQ(slot[0], at);
}

static void large(void)
{
	void *at;

	slot[0] = bytes(500000);
	slot[1] = bytes(500000);
	at = slot[1];
	slot[0] = NULL;
	collect_compacting(2);
	CHECK_EQ(slot[1], at); /* swept */
	GCSettings_set_LargeObjectHeapCompactionMode(GCLargeObjectHeapCompactionMode_CompactOnce);
	collect_compacting(2);
	CHECK(slot[1] != at);
	CHECK_EQ(GCSettings_get_LargeObjectHeapCompactionMode(),
		 GCLargeObjectHeapCompactionMode_Default);
	at = slot[1];
	collect_compacting(2);
	CHECK_EQ(slot[1], at);
}

/* ---- finalizers ---- */

static volatile LONG ran, elsewhere, urgent;
static uint64_t order[32];
static GCHandle *risen;

static void note(void *object)
{
	elsewhere += GetCurrentThreadId() != main_thread;
	urgent += GetThreadPriority(GetCurrentThread()) == THREAD_PRIORITY_HIGHEST;
	order[ran % 32] = ((struct node *)object)->value;
	ran++;
}

static void rise(void *object)
{
	GCHandle_set_Target(risen, object);
	note(object);
}

static const GCType ordinary = {.name = "Ordinary", .base_size = 40, .finalize = note};
static const GCType critical = {
    .name = "Critical", .base_size = 40, .finalize = note, .critical = true};
static const GCType riser = {.name = "Riser", .base_size = 40, .finalize = rise};

static void make(const GCType *type, uint64_t value)
{
	slot[7] = GC_Alloc(type);
	((struct node *)slot[7])->value = value;
}

static void finalizers(void)
{
	GCHandle *weak, *longer;

	make(&ordinary, 1);
	weak = GCHandle_Alloc(slot[7], GCHandleType_Weak);
	longer = GCHandle_Alloc(slot[7], GCHandleType_WeakTrackResurrection);
	collect(2);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 0);
	CHECK_EQ(GCHandle_get_Target(weak), slot[7]);
	slot[7] = NULL;
	collect(2);
	CHECK(GCHandle_get_Target(weak) == NULL);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 1);
	CHECK_EQ(elsewhere, 1);
	CHECK_EQ(urgent, 1);
	CHECK(GCHandle_get_Target(longer) != NULL); /* one collection: the memory is still there */
	collect(2);
	CHECK(GCHandle_get_Target(longer) == NULL); /* two: it is not */

	/* critical ones after ordinary ones */
	ran = 0;
	for (uint64_t i = 0; i < 20; i++)
		make(i % 2 ? &ordinary : &critical, i);
	slot[7] = NULL;
	collect(0);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 20);
	for (unsigned i = 0; i < 20; i++)
		CHECK_EQ(order[i] % 2, i < 10);

	/* suppressed; and asked for again */
	ran = 0;
	make(&ordinary, 3);
	GC_SuppressFinalize(slot[7]);
	slot[7] = NULL;
	collect(2);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 0);
	make(&riser, 4);
	risen = GCHandle_Alloc(NULL, GCHandleType_Normal);
	slot[7] = NULL;
	collect(2);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 1);
	CHECK(GCHandle_get_Target(risen) != NULL);
	CHECK_EQ(((struct node *)GCHandle_get_Target(risen))->value, 4);
	CHECK_EQ(GC_ReRegisterForFinalize(GCHandle_get_Target(risen)), GC_OK);
	GCHandle_set_Target(risen, NULL);
	collect(2);
	GC_WaitForPendingFinalizers();
	CHECK_EQ(ran, 2);
}

static void dependents(void)
{
	GCHandle *pair;

	slot[0] = node(1);
	slot[1] = node(2);
	pair = DependentHandle_Alloc(slot[0], slot[1]);
	slot[1] = NULL;
	collect_compacting(2);
	CHECK_EQ(GCHandle_get_Target(pair), slot[0]);
	CHECK_EQ(((struct node *)DependentHandle_get_Dependent(pair))->value, 2);
	slot[0] = NULL;
	collect(2);
	CHECK(GCHandle_get_Target(pair) == NULL);
	CHECK(DependentHandle_get_Dependent(pair) == NULL);
	GCHandle_Free(pair);
}

int main(void)
{
	GCConfig config = {.verify = true};
	GCFrame frame;

	main_thread = GetCurrentThreadId();
	CHECK_EQ(GC_Initialize(&config), GC_OK);
	GCFrame_Push(&frame, slot, 8, false);
	ages();
	old_to_young();
	pins();
	large();
	finalizers();
	dependents();
	CHECK(GC_VerifyHeap() == NULL);
	GCFrame_Pop(&frame);
	GC_Shutdown();
	return checks_end();
}
