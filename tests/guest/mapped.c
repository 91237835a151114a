/*
 * A file much larger than memory, every page of it written through a view, then flushed.
 *   mapped.exe FILE MB [KEEP]    prints the sha256 of what it wrote; with KEEP the file is there
 *                                already, every page of it "old", and becomes "new"
 * Page n is one 64-bit word over and over: a mix of n and of how often it was written. So a page
 * that is neither old nor new shows.
 */
#include "tests/guest/check.h"
#include <string.h>

#define PAGE  4096u
#define WORDS (PAGE / 8)

/* ---- SHA-256, as FIPS 180-4 has it ---- */

struct sha256 {
	uint32_t h[8];
	uint64_t bytes;
};

static uint32_t k[64];

static uint32_t rotate(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* The constants are the fractions of the roots of the first primes: exact in integers by bisection.
 */
static uint32_t root_fraction(unsigned prime, int cube)
{
	/* the largest r with r^2 (r^3) <= prime * 2^64 (2^96), r of 32 fractional bits */
	unsigned __int128 target = prime;
	uint64_t lo = 0, hi = 1ull << 37;
	while (hi - lo > 1) {
		uint64_t mid = lo + (hi - lo) / 2;
		int above;
		if (!cube) {
			above = (unsigned __int128)mid * mid > target << 64;
		} else { /* mid^3 may take 111 bits; prime << 96 fits 128 */
			above = (unsigned __int128)mid * mid > (target << 96) / mid;
		}
		if (above)
			hi = mid;
		else
			lo = mid;
	}
	return (uint32_t)lo;
}

static void sha256_begin(struct sha256 *s)
{
	unsigned n = 0;
	for (unsigned p = 2; n < 64; p++) {
		unsigned d = 2;
		while (d * d <= p && p % d)
			d++;
		if (d * d <= p)
			continue;
		if (n < 8)
			s->h[n] = root_fraction(p, 0);
		k[n++] = root_fraction(p, 1);
	}
	s->bytes = 0;
}

/* Eight rounds a turn, so that the eight words change their names and not their places. */
#define ROUND(a, b, c, d, e, f, g, h, i)                                           \
	do {                                                                       \
		uint32_t t_ = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + \
			      (g ^ (e & (f ^ g))) + k[i] + w[(i)&15];              \
		d += t_;                                                           \
		h = t_ + (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) +          \
		    ((a & b) | (c & (a | b)));                                     \
	} while (0)
static void sha256_block(struct sha256 *s, const unsigned char *bytes)
{
	uint32_t w[16], a = s->h[0], b = s->h[1], c = s->h[2], d = s->h[3], e = s->h[4],
			f = s->h[5], g = s->h[6], h = s->h[7];
	for (int i = 0; i < 16; i++) {
		memcpy(&w[i], bytes + 4 * i, 4);
		w[i] = __builtin_bswap32(w[i]);
	}
	for (int i = 0; i < 64; i += 8) {
		if (i >= 16)
#pragma GCC unroll 8
			for (int j = i; j < i + 8; j++) {
				uint32_t x = w[(j + 1) & 15], y = w[(j + 14) & 15];
				w[j & 15] += w[(j + 9) & 15] +
					     (rotate(x, 7) ^ rotate(x, 18) ^ x >> 3) +
					     (rotate(y, 17) ^ rotate(y, 19) ^ y >> 10);
			}
		ROUND(a, b, c, d, e, f, g, h, i);
		ROUND(h, a, b, c, d, e, f, g, i + 1);
		ROUND(g, h, a, b, c, d, e, f, i + 2);
		ROUND(f, g, h, a, b, c, d, e, i + 3);
		ROUND(e, f, g, h, a, b, c, d, i + 4);
		ROUND(d, e, f, g, h, a, b, c, i + 5);
		ROUND(c, d, e, f, g, h, a, b, i + 6);
		ROUND(b, c, d, e, f, g, h, a, i + 7);
	}
	s->h[0] += a;
	s->h[1] += b;
	s->h[2] += c;
	s->h[3] += d;
	s->h[4] += e;
	s->h[5] += f;
	s->h[6] += g;
	s->h[7] += h;
	s->bytes += 64;
}

static void sha256_end(struct sha256 *s)
{
	unsigned char last[64] = {0x80};
	uint64_t bits = s->bytes * 8;
	for (int i = 0; i < 8; i++)
		last[63 - i] = (unsigned char)(bits >> 8 * i);
	sha256_block(s, last);
}

/* ---- the pages ---- */

static uint64_t word(uint64_t page, uint64_t generation)
{
	uint64_t x = page * 0x9e3779b97f4a7c15ull + generation;
	x ^= x >> 29;
	return x * 0xbf58476d1ce4e5b9ull | 1;
}

int main(int argc, char **argv)
{
	uint64_t bytes, pages, generation = argc > 3 ? 2 : 1;
	struct sha256 s;
	HANDLE f, h;
	unsigned char *v;

	if (argc < 3)
		return 2;
	bytes = strtoull(argv[2], NULL, 10) << 20;
	pages = bytes / PAGE;
	f = CreateFileA(argv[1], GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
			argc > 3 ? OPEN_EXISTING : CREATE_ALWAYS, 0, NULL);
	CHECK(f != INVALID_HANDLE_VALUE);
	h = CreateFileMappingA(f, NULL, PAGE_READWRITE, (DWORD)(bytes >> 32), (DWORD)bytes, NULL);
	CHECK(h != NULL);
	v = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(v != NULL);
	if (!v)
		return checks_end();
	for (uint64_t p = 0; p < pages; p++) {
		uint64_t *at = (uint64_t *)(v + p * PAGE), w = word(p, generation);
		if (argc > 3 && at[7] != word(p, 1)) {
			printf("page %llu is not what it was\n", (unsigned long long)p);
			return 3;
		}
		for (unsigned i = 0; i < WORDS; i++)
			at[i] = w;
		if (p == pages * 3 / 4) {
			printf("three quarters\n");
			fflush(stdout);
		}
	}
	printf("flushing\n");
	fflush(stdout);
	CHECK(FlushViewOfFile(v, 0));
	CHECK(FlushFileBuffers(f));
	printf("flushed\n");
	fflush(stdout);
	sha256_begin(&s);
	for (uint64_t p = 0; p < bytes / 64; p++)
		sha256_block(&s, v + p * 64);
	sha256_end(&s);
	printf("sha256 ");
	for (int i = 0; i < 8; i++)
		printf("%08lx", (unsigned long)s.h[i]);
	printf("\n");
	CHECK(UnmapViewOfFile(v));
	CloseHandle(h);
	CloseHandle(f);
	return checks_end();
}
