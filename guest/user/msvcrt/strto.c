/*
 * Whole numbers and text, both ways.
 *
 * One reader serves all the strto and ato functions: it gathers a 64-bit magnitude, and the
 * callers hold it against the range of their type.
 */
#include "guest/user/msvcrt/crt.h"
#include <ctype.h>
#include <wctype.h>

struct whole {
	uint64_t magnitude;
	bool negative, overflow;
};

static unsigned character(const void *text, bool wide, size_t at)
{
	return wide ? ((const wchar_t *)text)[at] : ((const unsigned char *)text)[at];
}

static unsigned digit_value(unsigned c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return UINT_MAX;
}

/* Reads a number; *used is 0 if there is none. */
static struct whole read_whole(const void *text, bool wide, unsigned base, size_t *used)
{
	struct whole result = {0};
	size_t at = 0, digits = 0;
	unsigned c;

	*used = 0;
	if (base == 1 || base > 36) {
		crt_invalid(EINVAL);
		return result;
	}
	while ((c = character(text, wide, at)) && (wide ? iswspace((wint_t)c) : isspace((int)c)))
		at++;
	if (c == '+' || c == '-') {
		result.negative = c == '-';
		at++;
	}
	if ((base == 0 || base == 16) && character(text, wide, at) == '0' &&
	    (character(text, wide, at + 1) | 0x20) == 'x' &&
	    digit_value(character(text, wide, at + 2)) < 16) {
		at += 2;
		base = 16;
	} else if (base == 0) {
		base = character(text, wide, at) == '0' ? 8 : 10;
	}
	for (; digit_value(c = character(text, wide, at)) < base; at++, digits++) {
		if (__builtin_mul_overflow(result.magnitude, base, &result.magnitude) ||
		    __builtin_add_overflow(result.magnitude, digit_value(c), &result.magnitude))
			result.overflow = true;
	}
	if (digits)
		*used = at;
	return result;
}

static int64_t to_signed(struct whole number, int64_t max)
{
	uint64_t limit = (uint64_t)max + number.negative;

	if (number.overflow || number.magnitude > limit) {
		errno = ERANGE;
		return number.negative ? -max - 1 : max;
	}
	return (int64_t)(number.negative ? -number.magnitude : number.magnitude);
}

static uint64_t to_unsigned(struct whole number, uint64_t max)
{
	if (number.overflow || number.magnitude > max) {
		errno = ERANGE;
		return max;
	}
	return (number.negative ? -number.magnitude : number.magnitude) & max;
}

#define STRTO(name, C, wide, type, convert, max)                                                \
	type name(const C *text, C **end, int base)                                             \
	{                                                                                       \
		size_t used;                                                                    \
		type value = (type)convert(read_whole(text, wide, (unsigned)base, &used), max); \
		if (end)                                                                        \
			*end = (C *)text + used;                                                \
		return value;                                                                   \
	}

STRTO(strtol, char, false, long, to_signed, LONG_MAX)
STRTO(strtoul, char, false, unsigned long, to_unsigned, ULONG_MAX)
STRTO(_strtoi64, char, false, __int64, to_signed, INT64_MAX)
STRTO(_strtoui64, char, false, unsigned __int64, to_unsigned, UINT64_MAX)
STRTO(wcstol, wchar_t, true, long, to_signed, LONG_MAX)
STRTO(wcstoul, wchar_t, true, unsigned long, to_unsigned, ULONG_MAX)
STRTO(_wcstoi64, wchar_t, true, __int64, to_signed, INT64_MAX)
STRTO(_wcstoui64, wchar_t, true, unsigned __int64, to_unsigned, UINT64_MAX)

/* The ato functions: decimal; a number out of range loses its upper bits, and errno stays. */
#define ATO(name, C, wide, type)                                                       \
	type name(const C *text)                                                       \
	{                                                                              \
		size_t used;                                                           \
		struct whole number = read_whole(text, wide, 10, &used);               \
		return (type)(number.negative ? -number.magnitude : number.magnitude); \
	}

ATO(atoi, char, false, int)
ATO(atol, char, false, long)
ATO(_atoi64, char, false, __int64)
ATO(_wtoi, wchar_t, true, int)
ATO(_wtol, wchar_t, true, long)
ATO(_wtoi64, wchar_t, true, __int64)

/* Digits of a number at the end of `text`; where they start. */
enum { WHOLE_TEXT = 66 };

static char *digits_of(char text[WHOLE_TEXT], uint64_t value, unsigned radix, bool negative)
{
	char *at = text + WHOLE_TEXT;

	*--at = 0;
	do {
		*--at = "0123456789abcdefghijklmnopqrstuvwxyz"[value % radix];
	} while (value /= radix);
	if (negative)
		*--at = '-';
	return at;
}

/* Only decimal numbers have a sign. */
static errno_t write_whole(char *to, wchar_t *wide_to, size_t room, int64_t value, uint64_t mask,
			   bool is_signed, int radix)
{
	char text[WHOLE_TEXT], *from;
	bool negative = is_signed && radix == 10 && value < 0;
	size_t n;

	if ((!to && !wide_to) || !room || radix < 2 || radix > 36) {
		if (to && room)
			*to = 0;
		if (wide_to && room)
			*wide_to = 0;
		return crt_invalid(EINVAL);
	}
	from = digits_of(text, (negative ? -(uint64_t)value : (uint64_t)value) & mask,
			 (unsigned)radix, negative);
	n = text + WHOLE_TEXT - from;
	if (n > room) {
		if (to)
			*to = 0;
		else
			*wide_to = 0;
		return crt_invalid(ERANGE);
	}
	for (size_t i = 0; i < n; i++) {
		if (to)
			to[i] = from[i];
		else
			wide_to[i] = (unsigned char)from[i];
	}
	return 0;
}

#define TO_TEXT(plain, checked, wide_plain, wide_checked, type, mask, is_signed)            \
	errno_t checked(type value, char *to, size_t room, int radix)                       \
	{                                                                                   \
		return write_whole(to, NULL, room, (int64_t)value, mask, is_signed, radix); \
	}                                                                                   \
	char *plain(type value, char *to, int radix)                                        \
	{                                                                                   \
		checked(value, to, WHOLE_TEXT, radix);                                      \
		return to;                                                                  \
	}                                                                                   \
	errno_t wide_checked(type value, wchar_t *to, size_t room, int radix)               \
	{                                                                                   \
		return write_whole(NULL, to, room, (int64_t)value, mask, is_signed, radix); \
	}                                                                                   \
	wchar_t *wide_plain(type value, wchar_t *to, int radix)                             \
	{                                                                                   \
		wide_checked(value, to, WHOLE_TEXT, radix);                                 \
		return to;                                                                  \
	}

TO_TEXT(_itoa, _itoa_s, _itow, _itow_s, int, UINT32_MAX, true)
TO_TEXT(_ltoa, _ltoa_s, _ltow, _ltow_s, long, UINT32_MAX, true)
TO_TEXT(_ultoa, _ultoa_s, _ultow, _ultow_s, unsigned long, UINT32_MAX, false)
TO_TEXT(_i64toa, _i64toa_s, _i64tow, _i64tow_s, __int64, UINT64_MAX, true)
TO_TEXT(_ui64toa, _ui64toa_s, _ui64tow, _ui64tow_s, unsigned __int64, UINT64_MAX, false)
