/*
 * Floating-point numbers and text, both ways correctly rounded, by David M. Gay's routines in
 * mingw-w64's libmingwex.
 *
 * Reading takes Microsoft's grammar (an exponent after e, E, d or D; no infinities, no hexadecimal)
 * one character at a time, so that strings, wide strings and streams share it; what it gathers is
 * plain ASCII for __strtod. Digits beyond any effect on the result are only counted.
 */
#include "guest/user/msvcrt/crt.h"
#include "guest/user/msvcrt/number.h"
#include <ctype.h>
#include <wctype.h>

/* gdtoa's interface */
extern char *__dtoa(double value, int mode, int digits, int *point, int *sign, char **end);
extern void __freedtoa(char *digits);
extern double __strtod(const char *text, char **end);

enum scan_state { SIGN, WHOLE, FRACTION, EXPONENT_SIGN, EXPONENT };

void number_begin(struct number_scan *scan)
{
	*scan = (struct number_scan){.state = SIGN};
}

static void take_digit(struct number_scan *scan, char c, bool fraction)
{
	scan->digits = true;
	if (c == '0' && !scan->used) {
		scan->scale -= fraction; /* a leading zero only moves the point */
		return;
	}
	if (scan->used < NUMBER_DIGITS) {
		scan->text[scan->used++] = c;
		scan->scale -= fraction;
		return;
	}
	scan->scale += !fraction;
	if (c != '0')
		scan->sticky = true;
}

bool number_feed(struct number_scan *scan, unsigned c)
{
	bool digit = c >= '0' && c <= '9';

	switch (scan->state) {
	case SIGN:
		scan->state = WHOLE;
		if (c == '+' || c == '-') {
			scan->negative = c == '-';
			return true;
		}
		/* fall through */
	case WHOLE:
		if (c == '.') {
			scan->state = FRACTION;
			scan->valid = scan->digits;
			return true;
		}
		/* fall through */
	case FRACTION:
		if (digit) {
			take_digit(scan, (char)c, scan->state == FRACTION);
			scan->valid = true;
			return true;
		}
		if (scan->digits && (c == 'e' || c == 'E' || c == 'd' || c == 'D')) {
			scan->state = EXPONENT_SIGN;
			scan->valid = false;
			return true;
		}
		return false;
	case EXPONENT_SIGN:
		scan->state = EXPONENT;
		if (c == '+' || c == '-') {
			scan->negative_exponent = c == '-';
			return true;
		}
		/* fall through */
	case EXPONENT:
		if (!digit)
			return false;
		scan->valid = true;
		if (scan->exponent < NUMBER_EXPONENT_MAX)
			scan->exponent = scan->exponent * 10 + (int)(c - '0');
		return true;
	}
	return false;
}

double number_value(struct number_scan *scan)
{
	char *at = scan->text + scan->used;
	long long exponent = scan->scale;
	unsigned long long left;
	char reversed[24];
	int n = 0;
	double value;

	if (!scan->used)
		return scan->negative ? -0.0 : 0.0;
	exponent += scan->negative_exponent ? -scan->exponent : scan->exponent;
	if (scan->sticky) {
		*at++ = '1';
		exponent--;
	}
	*at++ = 'e';
	*at++ = exponent < 0 ? '-' : '+';
	left = exponent < 0 ? -exponent : exponent;
	do {
		reversed[n++] = (char)('0' + left % 10);
	} while (left /= 10);
	while (n)
		*at++ = reversed[--n];
	*at = 0;
	value = __strtod(scan->text, NULL);
	return scan->negative ? -value : value;
}

double number_read(const void *text, bool wide, size_t *used)
{
	struct number_scan scan;
	size_t at = 0, last = 0;

	number_begin(&scan);
	for (bool leading = true;; at++) {
		unsigned c = wide ? ((const wchar_t *)text)[at] : ((const unsigned char *)text)[at];

		if (leading && (wide ? iswspace((wint_t)c) : isspace((int)c)))
			continue;
		leading = false;
		if (!number_feed(&scan, c))
			break;
		/* An exponent without digits is not part of the number. */
		if (scan.valid)
			last = at + 1;
	}
	*used = last;
	return last ? number_value(&scan) : 0;
}

double strtod(const char *text, char **end)
{
	size_t used;
	double value = number_read(text, false, &used);

	if (end)
		*end = (char *)text + used;
	return value;
}

double wcstod(const wchar_t *text, wchar_t **end)
{
	size_t used;
	double value = number_read(text, true, &used);

	if (end)
		*end = (wchar_t *)text + used;
	return value;
}

double atof(const char *text)
{
	return strtod(text, NULL);
}

double _wtof(const wchar_t *text)
{
	return wcstod(text, NULL);
}

enum { OVERFLOWED = 3, UNDERFLOWED = 4 }; /* _CRT_DOUBLE's results of _atodbl and the like */

int crt_atodbl(double *value, char *text)
{
	int saved = errno, result = 0;

	errno = 0;
	*value = strtod(text, NULL);
	if (errno == ERANGE)
		result = *value ? OVERFLOWED : UNDERFLOWED;
	errno = saved;
	return result;
}

int crt_atoflt(float *value, char *text)
{
	double wide;
	int result = crt_atodbl(&wide, text);

	*value = (float)wide;
	return result;
}

/*
 * Gay's routines round ties to even, Microsoft's printf away from zero. So one digit more than
 * wanted is asked for; when that is a 5, the exact expansion decides.
 */
int number_digits(double value, int mode, int count, char *digits, size_t room, bool *negative)
{
	enum { EXACT = 1100 };
	int point, sign, wanted;
	char *text;

	*digits = 0;
	*negative = __builtin_signbit(value);
	if (value == 0)
		return 0;
	text = __dtoa(value, mode, count + 1, &point, &sign, NULL);
	if (!text)
		return 0;
	wanted = mode == NUMBER_SIGNIFICANT ? count : point + count;
	if (wanted >= 0 && (int)strlen(text) > wanted && text[wanted] == '5') {
		__freedtoa(text);
		text = __dtoa(value, NUMBER_SIGNIFICANT, EXACT, &point, &sign, NULL);
		if (!text)
			return 0;
	}
	if (wanted < 0 || (int)strlen(text) <= wanted) {
		strcpy_s(digits, room, text);
	} else {
		bool up = text[wanted] >= '5';
		int n = wanted;

		memcpy(digits, text, wanted);
		while (up && n > 0 && digits[n - 1] == '9')
			n--;
		if (up && n > 0) {
			digits[n - 1]++;
		} else if (up) {
			digits[n++] = '1';
			point++;
		}
		while (n > 0 && digits[n - 1] == '0')
			n--;
		digits[n] = 0;
	}
	__freedtoa(text);
	return point;
}
