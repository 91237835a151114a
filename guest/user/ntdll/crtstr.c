/*
 * String functions of the C runtime that ntdll exports: bytes are ASCII in the "C" locale, wide
 * characters fold as RtlUpcaseUnicodeChar does. Every function comes in a char and a WCHAR form
 * from one body, a macro for each family.
 */
#include "guest/user/ntdll/ntdll.h"
#include <ctype.h>
#include <wctype.h>

int tolower(int c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : c;
}

int toupper(int c)
{
	return c >= 'a' && c <= 'z' ? c - 32 : c;
}

wint_t towlower(wint_t c)
{
	return RtlDowncaseUnicodeChar(c);
}

wint_t towupper(wint_t c)
{
	return RtlUpcaseUnicodeChar(c);
}

/* The "C" locale's classes, for the is*() functions. */
#define CLASS_FUNCTION(name, test) \
	int(is##name)(int c)       \
	{                          \
		return test;       \
	}                          \
	int(isw##name)(wint_t c)   \
	{                          \
		return test;       \
	}
CLASS_FUNCTION(digit, c >= '0' && c <= '9')
CLASS_FUNCTION(alpha, (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
CLASS_FUNCTION(lower, c >= 'a' && c <= 'z')
CLASS_FUNCTION(upper, c >= 'A' && c <= 'Z')
CLASS_FUNCTION(space, c == ' ' || (c >= 9 && c <= 13))
CLASS_FUNCTION(xdigit, (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
CLASS_FUNCTION(alnum, (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
CLASS_FUNCTION(print, c >= 32 && c < 127)
CLASS_FUNCTION(graph, c > 32 && c < 127)
CLASS_FUNCTION(cntrl, c < 32 || c == 127)
CLASS_FUNCTION(punct, isgraph(c) && !isalnum(c))

#define STRING_FAMILY(T, len, nlen, cpy, ncpy, cat, ncat, cmp, ncmp, chr, rchr, str, spn, cspn, \
		      pbrk)                                                                     \
	size_t len(const T *s)                                                                  \
	{                                                                                       \
		const T *p = s;                                                                 \
		while (*p)                                                                      \
			p++;                                                                    \
		return p - s;                                                                   \
	}                                                                                       \
	size_t nlen(const T *s, size_t n)                                                       \
	{                                                                                       \
		size_t i = 0;                                                                   \
		while (i < n && s[i])                                                           \
			i++;                                                                    \
		return i;                                                                       \
	}                                                                                       \
	T *cpy(T *d, const T *s)                                                                \
	{                                                                                       \
		T *p = d;                                                                       \
		while ((*p++ = *s++))                                                           \
			;                                                                       \
		return d;                                                                       \
	}                                                                                       \
	T *ncpy(T *d, const T *s, size_t n)                                                     \
	{                                                                                       \
		size_t i = 0;                                                                   \
		for (; i < n && s[i]; i++)                                                      \
			d[i] = s[i];                                                            \
		for (; i < n; i++)                                                              \
			d[i] = 0;                                                               \
		return d;                                                                       \
	}                                                                                       \
	T *cat(T *d, const T *s)                                                                \
	{                                                                                       \
		cpy(d + len(d), s);                                                             \
		return d;                                                                       \
	}                                                                                       \
	T *ncat(T *d, const T *s, size_t n)                                                     \
	{                                                                                       \
		T *p = d + len(d);                                                              \
		while (n-- && *s)                                                               \
			*p++ = *s++;                                                            \
		*p = 0;                                                                         \
		return d;                                                                       \
	}                                                                                       \
	T *chr(const T *s, U_##T c)                                                             \
	{                                                                                       \
		for (;; s++) {                                                                  \
			if (*s == (T)c)                                                         \
				return (T *)s;                                                  \
			if (!*s)                                                                \
				return NULL;                                                    \
		}                                                                               \
	}                                                                                       \
	T *rchr(const T *s, U_##T c)                                                            \
	{                                                                                       \
		const T *hit = NULL;                                                            \
		for (;; s++) {                                                                  \
			if (*s == (T)c)                                                         \
				hit = s;                                                        \
			if (!*s)                                                                \
				return (T *)hit;                                                \
		}                                                                               \
	}                                                                                       \
	T *str(const T *s, const T *sub)                                                        \
	{                                                                                       \
		size_t n = len(sub);                                                            \
		for (;; s++) {                                                                  \
			if (!ncmp(s, sub, n))                                                   \
				return (T *)s;                                                  \
			if (!*s)                                                                \
				return NULL;                                                    \
		}                                                                               \
	}                                                                                       \
	size_t spn(const T *s, const T *set)                                                    \
	{                                                                                       \
		size_t i = 0;                                                                   \
		while (s[i] && chr(set, s[i]))                                                  \
			i++;                                                                    \
		return i;                                                                       \
	}                                                                                       \
	size_t cspn(const T *s, const T *set)                                                   \
	{                                                                                       \
		size_t i = 0;                                                                   \
		while (s[i] && !chr(set, s[i]))                                                 \
			i++;                                                                    \
		return i;                                                                       \
	}                                                                                       \
	T *pbrk(const T *s, const T *set)                                                       \
	{                                                                                       \
		s += cspn(s, set);                                                              \
		return *s ? (T *)s : NULL;                                                      \
	}

#define COMPARE(name, T, UT, fold)                              \
	int name(const T *a, const T *b)                        \
	{                                                       \
		for (;; a++, b++) {                             \
			int x = fold((UT)*a), y = fold((UT)*b); \
			if (x != y)                             \
				return x < y ? -1 : 1;          \
			if (!x)                                 \
				return 0;                       \
		}                                               \
	}
#define COMPARE_N(name, T, UT, fold)                            \
	int name(const T *a, const T *b, size_t n)              \
	{                                                       \
		for (; n; n--, a++, b++) {                      \
			int x = fold((UT)*a), y = fold((UT)*b); \
			if (x != y)                             \
				return x < y ? -1 : 1;          \
			if (!x)                                 \
				return 0;                       \
		}                                               \
		return 0;                                       \
	}
#define SAME(c) (c)

/* Eight bytes at a time while they are the same and none is 0; no load crosses into another page.
 */
int strcmp(const char *a, const char *b)
{
	const ULONG_PTR last = 0x1000 - sizeof(ULONGLONG);

	while (((ULONG_PTR)a & 0xfff) <= last && ((ULONG_PTR)b & 0xfff) <= last) {
		ULONGLONG x, y, end;

		__builtin_memcpy(&x, a, sizeof(x));
		__builtin_memcpy(&y, b, sizeof(y));
		end = (x - 0x0101010101010101ull) & ~x & 0x8080808080808080ull;
		if (end) { /* a 0 in x: what comes after the first does not count */
			x &= end ^ (end - 1);
			y &= end ^ (end - 1);
		}
		if (x != y)
			return __builtin_bswap64(x) < __builtin_bswap64(y) ? -1 : 1;
		if (end)
			return 0;
		a += sizeof(x);
		b += sizeof(y);
	}
	for (; *a && *a == *b; a++)
		b++;
	return *a == *b ? 0 : (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}
COMPARE_N(strncmp, char, unsigned char, SAME)
COMPARE(_stricmp, char, unsigned char, tolower)
COMPARE_N(_strnicmp, char, unsigned char, tolower)
COMPARE(wcscmp, wchar_t, wchar_t, SAME)
COMPARE_N(wcsncmp, wchar_t, wchar_t, SAME)
COMPARE(_wcsicmp, wchar_t, wchar_t, towlower)
COMPARE_N(_wcsnicmp, wchar_t, wchar_t, towlower)

typedef int U_char;
typedef wchar_t U_wchar_t;
STRING_FAMILY(char, strlen, strnlen, strcpy, strncpy, strcat, strncat, strcmp, strncmp, strchr,
	      strrchr, strstr, strspn, strcspn, strpbrk)
STRING_FAMILY(wchar_t, wcslen, wcsnlen, wcscpy, wcsncpy, wcscat, wcsncat, wcscmp, wcsncmp, wcschr,
	      wcsrchr, wcsstr, wcsspn, wcscspn, wcspbrk)

#define MAP_CASE(name, T, map)           \
	T *name(T *s)                    \
	{                                \
		for (T *p = s; *p; p++)  \
			*p = (T)map(*p); \
		return s;                \
	}
MAP_CASE(_strlwr, char, tolower)
MAP_CASE(_strupr, char, toupper)
MAP_CASE(_wcslwr, wchar_t, towlower)
MAP_CASE(_wcsupr, wchar_t, towupper)
