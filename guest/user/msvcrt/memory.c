/*
 * Memory: mem* functions, 16 bytes at a time where that pays.
 *
 * Built without the compiler's loop recognition, which would turn these loops into calls of
 * themselves.
 */
#include "guest/user/msvcrt/crt.h"
#include <emmintrin.h>

enum { CHUNK = 16, UNROLLED = 64 };

static inline __m128i load(const unsigned char *at)
{
	return _mm_loadu_si128((const __m128i *)at);
}

static inline void store(unsigned char *at, __m128i value)
{
	_mm_storeu_si128((__m128i *)at, value);
}

/* Up to 16 bytes, read whole before anything is written: right for any overlap. */
static void move_small(unsigned char *to, const unsigned char *from, size_t n)
{
	if (n >= 8) {
		uint64_t a, b;

		__builtin_memcpy(&a, from, 8);
		__builtin_memcpy(&b, from + n - 8, 8);
		__builtin_memcpy(to, &a, 8);
		__builtin_memcpy(to + n - 8, &b, 8);
	} else if (n >= 4) {
		uint32_t a, b;

		__builtin_memcpy(&a, from, 4);
		__builtin_memcpy(&b, from + n - 4, 4);
		__builtin_memcpy(to, &a, 4);
		__builtin_memcpy(to + n - 4, &b, 4);
	} else if (n) {
		unsigned char a = from[0], b = from[n / 2], c = from[n - 1];

		to[0] = a;
		to[n / 2] = b;
		to[n - 1] = c;
	}
}

static void move_up(unsigned char *to, const unsigned char *from, size_t n)
{
	/* The last chunk is read before it can be overwritten. */
	__m128i last = load(from + n - CHUNK);
	unsigned char *end = to + n - CHUNK;

	for (; n > UNROLLED; n -= UNROLLED, to += UNROLLED, from += UNROLLED) {
		__m128i a = load(from), b = load(from + 16), c = load(from + 32),
			d = load(from + 48);

		store(to, a);
		store(to + 16, b);
		store(to + 32, c);
		store(to + 48, d);
	}
	for (; n > CHUNK; n -= CHUNK, to += CHUNK, from += CHUNK)
		store(to, load(from));
	store(end, last);
}

static void move_down(unsigned char *to, const unsigned char *from, size_t n)
{
	__m128i first = load(from);

	for (; n > UNROLLED; n -= UNROLLED) {
		const unsigned char *f = from + n - UNROLLED;
		unsigned char *t = to + n - UNROLLED;
		__m128i a = load(f), b = load(f + 16), c = load(f + 32), d = load(f + 48);

		store(t + 48, d);
		store(t + 32, c);
		store(t + 16, b);
		store(t, a);
	}
	for (; n > CHUNK; n -= CHUNK)
		store(to + n - CHUNK, load(from + n - CHUNK));
	store(to, first);
}

void *memmove(void *to, const void *from, size_t n)
{
	if (n <= CHUNK)
		move_small(to, from, n);
	else if ((uintptr_t)to - (uintptr_t)from >= n)
		move_up(to, from, n);
	else
		move_down(to, from, n);
	return to;
}

/* As on Windows, overlapping blocks do no harm. */
void *memcpy(void *to, const void *from, size_t n)
{
	return memmove(to, from, n);
}

void *memset(void *to, int c, size_t n)
{
	unsigned char *at = to, *end = at + n;
	__m128i value = _mm_set1_epi8((char)c);

	if (n < CHUNK) {
		while (at < end)
			*at++ = (unsigned char)c;
		return to;
	}
	for (; n >= UNROLLED; n -= UNROLLED, at += UNROLLED) {
		store(at, value);
		store(at + 16, value);
		store(at + 32, value);
		store(at + 48, value);
	}
	for (; n >= CHUNK; n -= CHUNK, at += CHUNK)
		store(at, value);
	if (n)
		store(end - CHUNK, value);
	return to;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n >= CHUNK; n -= CHUNK, x += CHUNK, y += CHUNK)
		if (_mm_movemask_epi8(_mm_cmpeq_epi8(load(x), load(y))) != 0xFFFF)
			break;
	for (; n; n--, x++, y++)
		if (*x != *y)
			return *x < *y ? -1 : 1;
	return 0;
}

void *memchr(const void *in, int c, size_t n)
{
	const unsigned char *at = in;
	__m128i value = _mm_set1_epi8((char)c);

	for (; n >= CHUNK; n -= CHUNK, at += CHUNK) {
		unsigned mask = _mm_movemask_epi8(_mm_cmpeq_epi8(load(at), value));

		if (mask)
			return (void *)(at + __builtin_ctz(mask));
	}
	for (; n; n--, at++)
		if (*at == (unsigned char)c)
			return (void *)at;
	return NULL;
}

/* The first aligned load may look before the string, never over a page's end. */
size_t strlen(const char *text)
{
	const unsigned char *at =
	    (const unsigned char *)((uintptr_t)text & ~(uintptr_t)(CHUNK - 1));
	__m128i zero = _mm_setzero_si128();
	unsigned skip = (unsigned)((uintptr_t)text % CHUNK);
	unsigned mask =
	    _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)at), zero));

	mask = mask >> skip << skip;
	while (!mask) {
		at += CHUNK;
		mask = _mm_movemask_epi8(_mm_cmpeq_epi8(_mm_load_si128((const __m128i *)at), zero));
	}
	return at + __builtin_ctz(mask) - (const unsigned char *)text;
}

void *_memccpy(void *to, const void *from, int c, size_t n)
{
	const unsigned char *found = memchr(from, c, n);
	size_t size = found ? (size_t)(found - (const unsigned char *)from) + 1 : n;

	memmove(to, from, size);
	return found ? (unsigned char *)to + size : NULL;
}

int _memicmp(const void *a, const void *b, size_t n)
{
	const unsigned char *x = a, *y = b;

	for (; n; n--, x++, y++) {
		int difference = tolower(*x) - tolower(*y);

		if (difference)
			return difference;
	}
	return 0;
}

void _swab(char *from, char *to, int n)
{
	for (; n > 1; n -= 2, from += 2, to += 2) {
		char first = from[0];

		to[0] = from[1];
		to[1] = first;
	}
}

errno_t memcpy_s(void *to, size_t room, const void *from, size_t n)
{
	if (!n)
		return 0;
	if (!to)
		return crt_invalid(EINVAL);
	if (!from || room < n) {
		memset(to, 0, room);
		return crt_invalid(from ? ERANGE : EINVAL);
	}
	memcpy(to, from, n);
	return 0;
}

errno_t memmove_s(void *to, size_t room, const void *from, size_t n)
{
	if (!n)
		return 0;
	if (!to || !from)
		return crt_invalid(EINVAL);
	if (room < n)
		return crt_invalid(ERANGE);
	memmove(to, from, n);
	return 0;
}

errno_t wmemcpy_s(wchar_t *to, size_t room, const wchar_t *from, size_t n)
{
	return memcpy_s(to, room * sizeof(*to), from, n * sizeof(*to));
}

errno_t wmemmove_s(wchar_t *to, size_t room, const wchar_t *from, size_t n)
{
	return memmove_s(to, room * sizeof(*to), from, n * sizeof(*to));
}
