/* The heap: alignment, contents kept, sizes, limits, aligned blocks. */
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <malloc.h>
#include <stdint.h>

static void blocks(void)
{
	unsigned char *p, *q;
	void *(*volatile get)(size_t) = malloc;
	void *(*volatile clear)(size_t, size_t) = calloc;

	for (size_t n = 0; n < 300; n++) {
		p = get(n);
		CHECK(p && (uintptr_t)p % 16 == 0);
		CHECK(_msize(p) >= n);
		memset(p, 0xAA, n);
		free(p);
	}
	p = clear(1000, 7);
	for (int i = 0; i < 7000; i++)
		if (p[i]) {
			CHECK(!"calloc");
			break;
		}
	for (int i = 0; i < 7000; i++)
		p[i] = (unsigned char)(i * 13);
	q = realloc(p, 100000);
	CHECK(q != NULL);
	for (int i = 0; i < 7000; i++)
		if (q[i] != (unsigned char)(i * 13)) {
			CHECK(!"realloc");
			break;
		}
	q = realloc(q, 50);
	CHECK(q[49] == (unsigned char)(49 * 13));
	CHECK(_expand(q, 40) == q);
	CHECK(!realloc(q, 0));
	errno = 0;
	CHECK(!get(SIZE_MAX - 100));
	CHECK_EQ(errno, ENOMEM);
	CHECK(!clear(SIZE_MAX / 2, 4));
	free(NULL);
	CHECK_EQ(_heapchk(), _HEAPOK);
}

static void aligned(void)
{
	for (size_t align = 8; align <= 65536; align *= 2) {
		unsigned char *p = _aligned_malloc(1000, align);

		CHECK(p && (uintptr_t)p % align == 0);
		memset(p, 0x5A, 1000);
		p = _aligned_realloc(p, 5000, align);
		CHECK(p && (uintptr_t)p % align == 0 && p[999] == 0x5A);
		_aligned_free(p);
		p = _aligned_offset_malloc(1000, align, 24);
		CHECK(p && ((uintptr_t)p + 24) % align == 0);
		_aligned_free(p);
	}
}

/* A working set of blocks of all sizes, replaced at random, each with its own pattern. */
static void churn(void)
{
	enum { SLOTS = 500, ROUNDS = 50000 };
	static unsigned char *block[SLOTS];
	static unsigned size[SLOTS];
	unsigned seed = 1;

	for (int i = 0; i < ROUNDS; i++) {
		unsigned slot, n;

		seed = seed * 1664525 + 1013904223;
		slot = (seed >> 8) % SLOTS;
		n = (seed >> 20) % (i % 100 ? 600 : 60000) + 1;
		if (block[slot] && (block[slot][0] != (unsigned char)slot ||
				    block[slot][size[slot] - 1] != (unsigned char)slot)) {
			CHECK(!"contents");
			return;
		}
		if (i % 3) {
			free(block[slot]);
			block[slot] = malloc(n);
		} else {
			block[slot] = realloc(block[slot], n);
		}
		if (!block[slot]) {
			CHECK(!"memory");
			return;
		}
		size[slot] = n;
		memset(block[slot], (int)slot, n);
	}
	for (int i = 0; i < SLOTS; i++)
		free(block[i]);
}

int main(void)
{
	blocks();
	aligned();
	churn();
	return checks_end();
}
