/*
 * Numbers of the C runtime that ntdll exports: text to integer, integer to text, sorting.
 */
#include "guest/user/ntdll/ntdll.h"

static int digit_of(wint_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 99;
}

/*
 * One parser for all: value of the digits, saturated at max (or max + 1 when negative), *end after
 * the last digit, or at the start when there was none.
 */
#define PARSER(name, T)                                                                      \
	static uint64_t name(const T *s, T **end, int base, uint64_t max, BOOLEAN is_signed) \
	{                                                                                    \
		const T *p = s, *digits;                                                     \
		BOOLEAN negative, over = FALSE;                                              \
		uint64_t v = 0, limit;                                                       \
                                                                                             \
		while (*p == ' ' || (*p >= 9 && *p <= 13))                                   \
			p++;                                                                 \
		negative = *p == '-';                                                        \
		if (*p == '-' || *p == '+')                                                  \
			p++;                                                                 \
		if ((base == 0 || base == 16) && p[0] == '0' && (p[1] | 32) == 'x' &&        \
		    digit_of(p[2]) < 16) {                                                   \
			p += 2;                                                              \
			base = 16;                                                           \
		} else if (base == 0) {                                                      \
			base = *p == '0' ? 8 : 10;                                           \
		}                                                                            \
		limit = max + (is_signed && negative);                                       \
		for (digits = p; digit_of(*p) < base; p++) {                                 \
			int d = digit_of(*p);                                                \
			if (v > (limit - d) / base)                                          \
				over = TRUE;                                                 \
			v = v * base + d;                                                    \
		}                                                                            \
		if (end)                                                                     \
			*end = (T *)(p == digits ? s : p);                                   \
		if (over)                                                                    \
			v = limit;                                                           \
		return negative && (is_signed || !over) ? 0 - v : v;                         \
	}
PARSER(parse, char)
PARSER(wparse, wchar_t)

long strtol(const char *s, char **end, int base)
{
	return (long)parse(s, end, base, LONG_MAX, TRUE);
}

unsigned long strtoul(const char *s, char **end, int base)
{
	return (unsigned long)parse(s, end, base, ULONG_MAX, FALSE);
}

long wcstol(const wchar_t *s, wchar_t **end, int base)
{
	return (long)wparse(s, end, base, LONG_MAX, TRUE);
}

unsigned long wcstoul(const wchar_t *s, wchar_t **end, int base)
{
	return (unsigned long)wparse(s, end, base, ULONG_MAX, FALSE);
}

int atoi(const char *s)
{
	return (int)parse(s, NULL, 10, LONG_MAX, TRUE);
}

long atol(const char *s)
{
	return (long)parse(s, NULL, 10, LONG_MAX, TRUE);
}

__int64 _atoi64(const char *s)
{
	return (__int64)parse(s, NULL, 10, INT64_MAX, TRUE);
}

int _wtoi(const wchar_t *s)
{
	return (int)wparse(s, NULL, 10, LONG_MAX, TRUE);
}

long _wtol(const wchar_t *s)
{
	return (long)wparse(s, NULL, 10, LONG_MAX, TRUE);
}

__int64 _wtoi64(const wchar_t *s)
{
	return (__int64)wparse(s, NULL, 10, INT64_MAX, TRUE);
}

#define FORMATTER(name, T)                                                       \
	static T *name(uint64_t v, T *out, int base, BOOLEAN negative)           \
	{                                                                        \
		T buf[65], *p = buf + 64, *q = out;                              \
                                                                                 \
		*p = 0;                                                          \
		do                                                               \
			*--p = "0123456789abcdefghijklmnopqrstuvwxyz"[v % base]; \
		while ((v /= base));                                             \
		if (negative)                                                    \
			*q++ = '-';                                              \
		while ((*q++ = *p++))                                            \
			;                                                        \
		return out;                                                      \
	}
FORMATTER(format, char)
FORMATTER(wformat, wchar_t)

#define TO_TEXT(name, T, fmt, V, UV)                                                 \
	T *name(V v, T *out, int base)                                               \
	{                                                                            \
		BOOLEAN negative = base == 10 && v < 0;                              \
		return fmt(negative ? 0 - (uint64_t)v : (UV)v, out, base, negative); \
	}
#define UTO_TEXT(name, T, fmt, V)                \
	T *name(V v, T *out, int base)           \
	{                                        \
		return fmt(v, out, base, FALSE); \
	}
TO_TEXT(_itoa, char, format, int, unsigned)
TO_TEXT(_ltoa, char, format, long, unsigned long)
TO_TEXT(_i64toa, char, format, __int64, uint64_t)
UTO_TEXT(_ultoa, char, format, unsigned long)
UTO_TEXT(_ui64toa, char, format, unsigned __int64)
TO_TEXT(_itow, wchar_t, wformat, int, unsigned)
TO_TEXT(_ltow, wchar_t, wformat, long, unsigned long)
TO_TEXT(_i64tow, wchar_t, wformat, __int64, uint64_t)
UTO_TEXT(_ultow, wchar_t, wformat, unsigned long)
UTO_TEXT(_ui64tow, wchar_t, wformat, unsigned __int64)

int abs(int v)
{
	return v < 0 ? -v : v;
}

long labs(long v)
{
	return v < 0 ? -v : v;
}

void *bsearch(const void *key, const void *base, size_t n, size_t size,
	      int (*cmp)(const void *, const void *))
{
	const char *lo = base;

	while (n) {
		const char *mid = lo + (n / 2) * size;
		int c = cmp(key, mid);

		if (!c)
			return (void *)mid;
		if (c > 0) {
			lo = mid + size;
			n--;
		}
		n /= 2;
	}
	return NULL;
}

static void swap_items(char *a, char *b, size_t size)
{
	for (; size; size--, a++, b++) {
		char t = *a;
		*a = *b;
		*b = t;
	}
}

static void sift_down(char *v, size_t root, size_t n, size_t size,
		      int (*cmp)(const void *, const void *))
{
	for (;;) {
		size_t child = 2 * root + 1;

		if (child >= n)
			return;
		if (child + 1 < n && cmp(v + child * size, v + (child + 1) * size) < 0)
			child++;
		if (cmp(v + root * size, v + child * size) >= 0)
			return;
		swap_items(v + root * size, v + child * size, size);
		root = child;
	}
}

/* Heap sort: no recursion and no bad cases, which counts for more here than the last bit of speed.
 */
void qsort(void *base, size_t n, size_t size, int (*cmp)(const void *, const void *))
{
	char *v = base;

	if (n < 2 || !size)
		return;
	for (size_t i = n / 2; i-- > 0;)
		sift_down(v, i, n, size, cmp);
	for (size_t end = n - 1; end > 0; end--) {
		swap_items(v, v + end * size, size);
		sift_down(v, 0, end, size, cmp);
	}
}
