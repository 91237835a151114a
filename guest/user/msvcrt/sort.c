/*
 * Sorting and searching.
 *
 * qsort is an introsort: quicksort on the median of three, insertion sort for short parts, heap
 * sort when the recursion gets deep, so that no input costs more than n log n.
 */
#include "guest/user/msvcrt/crt.h"
#include <search.h>

enum { SHORT_PART = 12 };

/* The context is handed to the comparison of qsort_s; plain qsort has none. */
struct sorter {
	size_t size;
	int (*plain)(const void *, const void *);
	int (*with_context)(void *, const void *, const void *);
	void *context;
};

static int compare(const struct sorter *s, const void *a, const void *b)
{
	return s->plain ? s->plain(a, b) : s->with_context(s->context, a, b);
}

static void swap(const struct sorter *s, char *a, char *b)
{
	size_t n = s->size;

	if (a == b)
		return;
	for (; n >= sizeof(uint64_t); n -= sizeof(uint64_t)) {
		uint64_t x, y;

		memcpy(&x, a, sizeof(x));
		memcpy(&y, b, sizeof(y));
		memcpy(a, &y, sizeof(y));
		memcpy(b, &x, sizeof(x));
		a += sizeof(x);
		b += sizeof(x);
	}
	for (; n; n--, a++, b++) {
		char c = *a;

		*a = *b;
		*b = c;
	}
}

static void insertion_sort(const struct sorter *s, char *base, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (char *at = base + i * s->size; at > base && compare(s, at - s->size, at) > 0;
		     at -= s->size)
			swap(s, at - s->size, at);
}

static void sift(const struct sorter *s, char *base, size_t root, size_t count)
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= count)
			return;
		if (child + 1 < count &&
		    compare(s, base + child * s->size, base + (child + 1) * s->size) < 0)
			child++;
		if (compare(s, base + root * s->size, base + child * s->size) >= 0)
			return;
		swap(s, base + root * s->size, base + child * s->size);
		root = child;
	}
}

static void heap_sort(const struct sorter *s, char *base, size_t count)
{
	for (size_t i = count / 2; i-- > 0;)
		sift(s, base, i, count);
	for (size_t n = count; n-- > 1;) {
		swap(s, base, base + n * s->size);
		sift(s, base, 0, n);
	}
}

/* Splits around the median of first, middle and last; returns the pivot's place. */
static size_t partition(const struct sorter *s, char *base, size_t count)
{
	char *low = base, *mid = base + count / 2 * s->size, *high = base + (count - 1) * s->size;
	char *left, *right;

	if (compare(s, low, mid) > 0)
		swap(s, low, mid);
	if (compare(s, mid, high) > 0) {
		swap(s, mid, high);
		if (compare(s, low, mid) > 0)
			swap(s, low, mid);
	}
	/* The pivot waits at the start; the ends bound both searches. */
	swap(s, low, mid);
	left = low;
	right = high;
	for (;;) {
		do {
			left += s->size;
		} while (left < right && compare(s, left, low) < 0);
		while (right > low && compare(s, right, low) > 0)
			right -= s->size;
		if (left >= right)
			break;
		swap(s, left, right);
		right -= s->size;
	}
	swap(s, low, right);
	return (right - base) / s->size;
}

static void sort(const struct sorter *s, char *base, size_t count, int depth)
{
	while (count > SHORT_PART) {
		size_t pivot;

		if (!depth--) {
			heap_sort(s, base, count);
			return;
		}
		pivot = partition(s, base, count);
		/* The shorter part by recursion, the longer one by going on. */
		if (pivot < count - pivot) {
			sort(s, base, pivot, depth);
			base += (pivot + 1) * s->size;
			count -= pivot + 1;
		} else {
			sort(s, base + (pivot + 1) * s->size, count - pivot - 1, depth);
			count = pivot;
		}
	}
	insertion_sort(s, base, count);
}

static int depth_for(size_t count)
{
	return count ? 2 * (64 - __builtin_clzll(count)) : 0;
}

void qsort(void *base, size_t count, size_t size, int (*function)(const void *, const void *))
{
	struct sorter s = {.size = size, .plain = function};

	if (!function || (!base && count) || !size) {
		crt_invalid(EINVAL);
		return;
	}
	sort(&s, base, count, depth_for(count));
}

void qsort_s(void *base, size_t count, size_t size,
	     int (*function)(void *, const void *, const void *), void *context)
{
	struct sorter s = {.size = size, .with_context = function, .context = context};

	if (!function || (!base && count) || !size) {
		crt_invalid(EINVAL);
		return;
	}
	sort(&s, base, count, depth_for(count));
}

static void *search(const struct sorter *s, const void *key, const char *base, size_t count)
{
	while (count) {
		const char *mid = base + count / 2 * s->size;
		int order = compare(s, key, mid);

		if (!order)
			return (void *)mid;
		if (order > 0) {
			base = mid + s->size;
			count -= count / 2 + 1;
		} else {
			count /= 2;
		}
	}
	return NULL;
}

void *bsearch(const void *key, const void *base, size_t count, size_t size,
	      int (*function)(const void *, const void *))
{
	struct sorter s = {.size = size, .plain = function};

	return search(&s, key, base, count);
}

void *bsearch_s(const void *key, const void *base, size_t count, size_t size,
		int (*function)(void *, const void *, const void *), void *context)
{
	struct sorter s = {.size = size, .with_context = function, .context = context};

	return search(&s, key, base, count);
}

static void *find(const struct sorter *s, const void *key, const char *base, unsigned count)
{
	for (; count; count--, base += s->size)
		if (!compare(s, key, base))
			return (void *)base;
	return NULL;
}

/* As find, but what is not there is added. */
static void *find_or_add(const struct sorter *s, const void *key, char *base, unsigned *count)
{
	void *found = find(s, key, base, *count);

	return found ? found : memcpy(base + (*count)++ * s->size, key, s->size);
}

void *_lfind(const void *key, const void *base, unsigned *count, unsigned size,
	     int (*function)(const void *, const void *))
{
	struct sorter s = {.size = size, .plain = function};

	return find(&s, key, base, *count);
}

void *_lfind_s(const void *key, const void *base, unsigned *count, size_t size,
	       int (*function)(void *, const void *, const void *), void *context)
{
	struct sorter s = {.size = size, .with_context = function, .context = context};

	return find(&s, key, base, *count);
}

void *_lsearch(const void *key, void *base, unsigned *count, unsigned size,
	       int (*function)(const void *, const void *))
{
	struct sorter s = {.size = size, .plain = function};

	return find_or_add(&s, key, base, count);
}

void *_lsearch_s(const void *key, void *base, unsigned *count, size_t size,
		 int (*function)(void *, const void *, const void *), void *context)
{
	struct sorter s = {.size = size, .with_context = function, .context = context};

	return find_or_add(&s, key, base, count);
}
