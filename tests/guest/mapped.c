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

static void sha256_block(struct sha256 *s, const unsigned char *b)
{
	uint32_t w[64], v[8];
	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)b[4 * i] << 24 | (uint32_t)b[4 * i + 1] << 16 |
		       (uint32_t)b[4 * i + 2] << 8 | b[4 * i + 3];
	for (int i = 16; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] +
		       (rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3) +
		       (rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10);
	memcpy(v, s->h, sizeof(v));
	for (int i = 0; i < 64; i++) {
		uint32_t t1 = v[7] + (rotate(v[4], 6) ^ rotate(v[4], 11) ^ rotate(v[4], 25)) +
			      ((v[4] & v[5]) ^ (~v[4] & v[6])) + k[i] + w[i];
		uint32_t t2 = (rotate(v[0], 2) ^ rotate(v[0], 13) ^ rotate(v[0], 22)) +
			      ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
		memmove(v + 1, v, 7 * sizeof(v[0]));
		v[4] += t1;
		v[0] = t1 + t2;
	}
	for (int i = 0; i < 8; i++)
		s->h[i] += v[i];
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
