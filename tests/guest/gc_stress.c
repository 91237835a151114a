/*
 * A managed heap larger than memory, used by several threads: each keeps its share of the given
 * megabytes in arrays that it replaces, links and checks at random, and makes garbage besides.
 *   gc_stress.exe MB STEPS [THREADS [concurrent]]
 */
#include "tests/guest/check.h"
#include "tests/guest/gc/types.h"

#define ARRAY_BYTES 8192u

static size_t arrays; /* of each thread */
static unsigned steps;
static volatile LONG wrong;

/* An array's first element is the reference to another of its thread's arrays, the rest numbers. */
struct block {
	const GCType *type;
	uint64_t length;
	struct block *other;
	uint64_t number[1];
};

static const uint32_t first_element[] = {8 + 8};
static const GCType block_type = {
    .name = "Block", .base_size = 32, .component_size = 8, .ref_count = 1, .refs = first_element};
#define NUMBERS ((ARRAY_BYTES - 32) / 8)

static uint64_t next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static struct block *new_block(uint64_t number)
{
	struct block *b = GC_AllocateArray(&block_type, NUMBERS, false);

	if (!b)
		return NULL;
	for (unsigned i = 0; i < NUMBERS; i++)
		b->number[i] = number + i;
	return b;
}

static int is_good(const struct block *b, uint64_t number)
{
	for (unsigned i = 0; i < NUMBERS; i += 37)
		if (b->number[i] != number + i)
			return 0;
	return b->length == NUMBERS;
}

static void replace(void **table, uint64_t *numbers, size_t at, uint64_t *random)
{
	uint64_t number = next(random);
	struct block *b = new_block(number);

	if (!b) {
		InterlockedIncrement(&wrong);
		return;
	}
	GC_WriteBarrier((void **)&b->other, *element_of(*table, next(random) % arrays));
	GC_WriteBarrier(element_of(*table, at), b);
	numbers[at] = number;
}

static void check(void **table, const uint64_t *numbers, size_t at)
{
	struct block *b = *element_of(*table, at);

	if (!b || !is_good(b, numbers[at]))
		InterlockedIncrement(&wrong);
	/* chains grow no longer than two */
	else if (b->other)
		GC_WriteBarrier((void **)&b->other->other, NULL);
}

static DWORD WINAPI work(LPVOID seed)
{
	uint64_t random = (uint64_t)(uintptr_t)seed * 0x9e3779b97f4a7c15ull + 1;
	uint64_t *numbers = calloc(arrays, sizeof(*numbers));
	void *table = NULL;
	GCFrame frame;

	GCThread_Attach();
	GCFrame_Push(&frame, &table, 1, false);
	table = GC_AllocateArray(&refs_type, arrays, false);
	for (size_t i = 0; i < arrays; i++)
		replace(&table, numbers, i, &random);
	for (unsigned i = 0; i < steps && !wrong; i++) {
		replace(&table, numbers, next(&random) % arrays, &random);
		check(&table, numbers, next(&random) % arrays);
		for (int k = 0; k < 20; k++)
			GC_Alloc(&node_type);
	}
	for (size_t i = 0; i < arrays; i++)
		check(&table, numbers, i);
	GCFrame_Pop(&frame);
	GCThread_Detach();
	free(numbers);
	return 0;
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : 16;
	unsigned threads = argc > 3 ? strtoul(argv[3], NULL, 0) : 4;
	GCConfig config = {.concurrent = argc > 4};
	HANDLE thread[16];
	GCMemoryInfo info;

	steps = argc > 2 ? strtoul(argv[2], NULL, 0) : 500;
	threads = threads > 16 ? 16 : threads;
	arrays = (mb << 20) / threads / ARRAY_BYTES;
	CHECK_EQ(GC_Initialize(&config), GC_OK);
	GCThread_EnterPreemptive();
	for (unsigned i = 0; i < threads; i++)
		thread[i] = CreateThread(NULL, 0, work, (LPVOID)(uintptr_t)(i + 1), 0, NULL);
	for (unsigned i = 0; i < threads; i++) {
		CHECK_EQ(WaitForSingleObject(thread[i], INFINITE), WAIT_OBJECT_0);
		CloseHandle(thread[i]);
	}
	GCThread_LeavePreemptive();
	GC_GetGCMemoryInfo(&info);
	printf("%zu MB in objects, %zu MB committed\n", (info.heap_size - info.fragmented) >> 20,
	       info.committed >> 20);
	printf("%lld collections of generation 0, %lld of 1, %lld of 2, %lld in the background\n",
	       (long long)GC_CollectionCount(0), (long long)GC_CollectionCount(1),
	       (long long)GC_CollectionCount(2), (long long)info.background);
	CHECK_EQ(wrong, 0);
	CHECK(info.collections > 0);
	CHECK(GC_VerifyHeap() == NULL);
	GC_Shutdown();
	return checks_end();
}
