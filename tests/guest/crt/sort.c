/* qsort on inputs of many shapes and element sizes, bsearch, lfind, the random numbers. */
#include "tests/guest/crt/expect.h"
#include <search.h>

static long compares;

static int by_int(const void *a, const void *b)
{
	int x = *(const int *)a, y = *(const int *)b;

	compares++;
	return (x > y) - (x < y);
}

static unsigned seed;

static unsigned next(void)
{
	seed = seed * 1664525 + 1013904223;
	return seed >> 8;
}

static int value(int shape, int i, int n)
{
	switch (shape) {
	case 0:
		return (int)next();
	case 1:
		return i;
	case 2:
		return n - i;
	case 3:
		return 7;
	case 4:
		return i % 3;
	case 5:
		return i < n / 2 ? i : n - i;
	default:
		return i % 2 ? i : n - i;
	}
}

static void shapes(void)
{
	enum { MOST = 20000 };
	static int items[MOST];
	static const int counts[] = {0, 1, 2, 3, 10, 13, 100, 1000, MOST};

	for (int shape = 0; shape < 7; shape++) {
		for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++) {
			int n = counts[c], sum = 0, after = 0, ordered = 1;

			for (int i = 0; i < n; i++)
				sum += items[i] = value(shape, i, n);
			compares = 0;
			qsort(items, n, sizeof(*items), by_int);
			for (int i = 0; i < n; i++) {
				after += items[i];
				ordered &= !i || items[i - 1] <= items[i];
			}
			CHECK(ordered);
			CHECK_EQ(after, sum);
			/* No input may cost more than n log n, times a constant. */
			CHECK(compares <= 100L * (n + 20));
		}
	}
}

struct wide {
	char head[5];
	unsigned char key;
	char tail[7];
};

static int by_key(const void *a, const void *b)
{
	return ((const struct wide *)a)->key - ((const struct wide *)b)->key;
}

static void sizes(void)
{
	static struct wide items[500];
	int ordered = 1;

	for (int i = 0; i < 500; i++) {
		items[i].key = (unsigned char)next();
		memset(items[i].head, items[i].key, 5);
		memset(items[i].tail, items[i].key, 7);
	}
	qsort(items, 500, sizeof(*items), by_key);
	for (int i = 0; i < 500; i++)
		ordered &= (!i || items[i - 1].key <= items[i].key) &&
			   (unsigned char)items[i].head[4] == items[i].key &&
			   (unsigned char)items[i].tail[6] == items[i].key;
	CHECK(ordered);
}

static void searches(void)
{
	int items[100], key, *found;
	unsigned count = 100;

	for (int i = 0; i < 100; i++)
		items[i] = i * 2;
	for (key = -1; key < 202; key++) {
		found = bsearch(&key, items, 100, sizeof(*items), by_int);
		CHECK((found && *found == key) == (key >= 0 && key < 200 && key % 2 == 0));
	}
	key = 44;
	found = _lfind(&key, items, &count, sizeof(*items), by_int);
	CHECK(found && *found == 44);
	key = 45;
	CHECK(!_lfind(&key, items, &count, sizeof(*items), by_int));
}

/* The sequence that every Windows program sees after srand(1). */
static void random_numbers(void)
{
	static const int want[] = {41, 18467, 6334, 26500, 19169, 15724, 11478, 29358};

	srand(1);
	for (int i = 0; i < 8; i++)
		CHECK_EQ(rand(), want[i]);
	CHECK_EQ(div(-7, 2).quot, -3);
	CHECK_EQ(div(-7, 2).rem, -1);
}

int main(void)
{
	shapes();
	sizes();
	searches();
	random_numbers();
	return checks_end();
}
