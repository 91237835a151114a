/*
 * The checksum of a page: 64 bits that any change of the page changes, but for one chance in 2^64.
 *
 * With AES instructions four lanes take 64 bytes at a time, one AES round each; the lanes are
 * folded into each other by more rounds at the end. That is some 350 instructions a page, a quarter
 * of what XXH3 takes, which is used where there are none. Sums live no longer than the process, so
 * the two never meet. Neither is meant against somebody who forges pages.
 */
#include <immintrin.h>
#include <xxh_x86dispatch.h>

#include "pagefile/internal.h"

#define LANES	    4
#define LANE_BYTES  16
#define FINAL_TURNS 4 /* each byte of each lane reaches every bit of the sum */

__attribute__((target("aes,sse4.1"))) static uint64_t sum_aes(const void *page)
{
	/* Digits of pi: any numbers, but not those of a page full of zeroes. */
	__m128i a = _mm_set_epi64x(0x243f6a8885a308d3, 0x13198a2e03707344);
	__m128i b = _mm_set_epi64x((long long)0xa4093822299f31d0, 0x082efa98ec4e6c89);
	__m128i c = _mm_set_epi64x(0x452821e638d01377, (long long)0xbe5466cf34e90c6c);
	__m128i d = _mm_set_epi64x((long long)0xc0ac29b7c97c50dd, 0x3f84d5b5b5470917);
	const __m128i *at = page, *end = at + PAGEFILE_PAGE / LANE_BYTES;

	for (; at < end; at += (ptrdiff_t)2 * LANES) {
		a = _mm_aesenc_si128(a, at[0]);
		b = _mm_aesenc_si128(b, at[1]);
		c = _mm_aesenc_si128(c, at[2]);
		d = _mm_aesenc_si128(d, at[3]);
		a = _mm_aesenc_si128(a, at[4]);
		b = _mm_aesenc_si128(b, at[5]);
		c = _mm_aesenc_si128(c, at[6]);
		d = _mm_aesenc_si128(d, at[7]);
	}
	for (int i = 0; i < FINAL_TURNS; i++) {
		a = _mm_aesenc_si128(a, b);
		b = _mm_aesenc_si128(b, c);
		c = _mm_aesenc_si128(c, d);
		d = _mm_aesenc_si128(d, a);
	}
	a = _mm_aesenc_si128(_mm_aesenc_si128(a, d), c);
	return (uint64_t)_mm_extract_epi64(a, 0) ^ (uint64_t)_mm_extract_epi64(a, 1);
}

static uint64_t sum_xxh3(const void *page)
{
	return XXH3_64bits_dispatch(page, PAGEFILE_PAGE);
}

uint64_t pagefile_sum(const void *page)
{
	static uint64_t (*how)(const void *);

	if (!how)
		how = __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.1") ? sum_aes
											: sum_xxh3;
	return how(page);
}
