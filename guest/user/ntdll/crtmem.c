/*
 * Memory functions of the C runtime that ntdll exports and the compiler calls.
 *
 * Bulk work goes 16 bytes a move: string instructions are slow where the CPU is emulated, and
 * count one instruction an iteration. Ends of a block are done by two overlapping moves.
 */
#include "guest/user/ntdll/ntdll.h"

typedef long long v16 __attribute__((vector_size(16), aligned(1), may_alias));
typedef uint64_t u64u __attribute__((aligned(1), may_alias));
typedef uint32_t u32u __attribute__((aligned(1), may_alias));
typedef uint16_t u16u __attribute__((aligned(1), may_alias));

#define AT(type, p, off) (*(type *)((char *)(p) + (off)))

/* 0 to 32 bytes; all loads come before the stores, so the blocks may overlap. */
static inline void copy_small(void *d, const void *s, size_t n)
{
	if (n >= 16) {
		v16 a = AT(const v16, s, 0), b = AT(const v16, s, n - 16);
		AT(v16, d, 0) = a;
		AT(v16, d, n - 16) = b;
	} else if (n >= 8) {
		uint64_t a = AT(const u64u, s, 0), b = AT(const u64u, s, n - 8);
		AT(u64u, d, 0) = a;
		AT(u64u, d, n - 8) = b;
	} else if (n >= 4) {
		uint32_t a = AT(const u32u, s, 0), b = AT(const u32u, s, n - 4);
		AT(u32u, d, 0) = a;
		AT(u32u, d, n - 4) = b;
	} else if (n >= 2) {
		uint16_t a = AT(const u16u, s, 0), b = AT(const u16u, s, n - 2);
		AT(u16u, d, 0) = a;
		AT(u16u, d, n - 2) = b;
	} else if (n) {
		*(char *)d = *(const char *)s;
	}
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if (n <= 32) {
		copy_small(d, s, n);
		return dst;
	}
	if ((size_t)(d - s) >= n) { /* forward is safe */
		v16 tail0 = AT(const v16, s, n - 32), tail1 = AT(const v16, s, n - 16);
		char *end = d + n;

		while (n > 64) {
			v16 a = AT(const v16, s, 0), b = AT(const v16, s, 16);
			v16 c = AT(const v16, s, 32), e = AT(const v16, s, 48);
			AT(v16, d, 0) = a;
			AT(v16, d, 16) = b;
			AT(v16, d, 32) = c;
			AT(v16, d, 48) = e;
			s += 64, d += 64, n -= 64;
		}
		if (n > 32) {
			v16 a = AT(const v16, s, 0), b = AT(const v16, s, 16);
			AT(v16, d, 0) = a;
			AT(v16, d, 16) = b;
		}
		AT(v16, end, -32) = tail0;
		AT(v16, end, -16) = tail1;
	} else {
		v16 head0 = AT(const v16, s, 0), head1 = AT(const v16, s, 16);

		while (n > 64) {
			v16 a = AT(const v16, s, n - 16), b = AT(const v16, s, n - 32);
			v16 c = AT(const v16, s, n - 48), e = AT(const v16, s, n - 64);
			AT(v16, d, n - 16) = a;
			AT(v16, d, n - 32) = b;
			AT(v16, d, n - 48) = c;
			AT(v16, d, n - 64) = e;
			n -= 64;
		}
		if (n > 32) {
			v16 a = AT(const v16, s, n - 16), b = AT(const v16, s, n - 32);
			AT(v16, d, n - 16) = a;
			AT(v16, d, n - 32) = b;
		}
		AT(v16, dst, 0) = head0;
		AT(v16, dst, 16) = head1;
	}
	return dst;
}

/* Windows' memcpy copes with overlap as well; programs came to rely on it. */
void *memcpy(void *__restrict__ dst, const void *__restrict__ src, size_t n)
{
	return memmove(dst, src, n);
}

void *memset(void *dst, int c, size_t n)
{
	uint64_t w = 0x0101010101010101ull * (unsigned char)c;
	v16 v = {(long long)w, (long long)w};
	char *d = dst, *end = d + n;

	if (n >= 16) {
		AT(v16, d, 0) = v;
		d = (char *)(((uintptr_t)d + 16) & ~(uintptr_t)15);
		while (end - d >= 64) {
			AT(v16, d, 0) = v;
			AT(v16, d, 16) = v;
			AT(v16, d, 32) = v;
			AT(v16, d, 48) = v;
			d += 64;
		}
		while (end - d >= 16) {
			AT(v16, d, 0) = v;
			d += 16;
		}
		AT(v16, end, -16) = v;
	} else if (n >= 8) {
		AT(u64u, d, 0) = w;
		AT(u64u, end, -8) = w;
	} else if (n >= 4) {
		AT(u32u, d, 0) = (uint32_t)w;
		AT(u32u, end, -4) = (uint32_t)w;
	} else {
		while (d < end)
			*d++ = (char)c;
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	while (n >= 8) {
		uint64_t x = AT(const u64u, p, 0), y = AT(const u64u, q, 0);
		if (x != y) {
			x = __builtin_bswap64(x);
			y = __builtin_bswap64(y);
			return x < y ? -1 : 1;
		}
		p += 8, q += 8, n -= 8;
	}
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p < *q ? -1 : 1;
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	const unsigned char *p = s;

	for (; n; n--, p++)
		if (*p == (unsigned char)c)
			return (void *)p;
	return NULL;
}

void *_memccpy(void *dst, const void *src, int c, size_t n)
{
	unsigned char *d = dst;
	const unsigned char *s = src;

	while (n--)
		if ((*d++ = *s++) == (unsigned char)c)
			return d;
	return NULL;
}

int _memicmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n; n--, p++, q++) {
		int d = tolower(*p) - tolower(*q);
		if (d)
			return d;
	}
	return 0;
}

SIZE_T NTAPI RtlCompareMemory(const VOID *a, const VOID *b, SIZE_T n)
{
	const unsigned char *p = a, *q = b;
	SIZE_T i = 0;

	while (n - i >= 8 && AT(const u64u, p, i) == AT(const u64u, q, i))
		i += 8;
	while (i < n && p[i] == q[i])
		i++;
	return i;
}

SIZE_T NTAPI RtlCompareMemoryUlong(PVOID source, SIZE_T length, ULONG pattern)
{
	const ULONG *p = source;
	SIZE_T i, n = length / sizeof(ULONG);

	for (i = 0; i < n && p[i] == pattern; i++)
		;
	return i * sizeof(ULONG);
}

VOID NTAPI RtlFillMemoryUlong(PVOID dst, SIZE_T length, ULONG pattern)
{
	ULONG *p = dst;

	for (SIZE_T n = length / sizeof(ULONG); n; n--)
		*p++ = pattern;
}

VOID NTAPI RtlFillMemory(VOID *dst, SIZE_T n, BYTE c)
{
	memset(dst, c, n);
}

VOID NTAPI RtlZeroMemory(VOID *dst, SIZE_T n)
{
	memset(dst, 0, n);
}

VOID NTAPI RtlMoveMemory(VOID *dst, const VOID *src, SIZE_T n)
{
	memmove(dst, src, n);
}

VOID NTAPI RtlCopyMemory(VOID *dst, const VOID *src, SIZE_T n)
{
	memmove(dst, src, n);
}
