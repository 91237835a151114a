/*
 * Floating-point numbers as printf writes them: %e, %f, %g and %a, with Microsoft's three-digit
 * exponents and its names for infinities and NaN ("1.#INF"), and the _ecvt family.
 */
#include "guest/user/msvcrt/format.h"
#include "guest/user/msvcrt/number.h"

enum {
	DEFAULT_PRECISION = 6,
	MANTISSA_HEX_DIGITS = 13,
	EXPONENT_BIAS = 1023,
	MAX_SIGNIFICANT = 1100, /* a double has no more decimal digits that are not zero */
};

static unsigned output_format;

unsigned crt_get_output_format(void)
{
	return output_format;
}

unsigned crt_set_output_format(unsigned format)
{
	unsigned old = output_format;

	output_format = format;
	return old;
}

static uint64_t bits_of(double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	return bits;
}

/* The "digits" after "1." of a value that is no number; NULL for a number. */
static const char *special(double value)
{
	const uint64_t fraction_mask = (1ull << 52) - 1, quiet = 1ull << 51;
	uint64_t bits = bits_of(value), fraction = bits & fraction_mask;

	if ((bits >> 52 & 0x7FF) != 0x7FF)
		return NULL;
	if (!fraction)
		return "#INF";
	if (fraction == quiet && bits >> 63)
		return "#IND";
	return fraction & quiet ? "#QNAN" : "#SNAN";
}

static void set_exponent(struct float_text *text, char mark, int value, int min_digits)
{
	char *at = text->exponent;
	int size = value < 0 ? -value : value;

	*at++ = mark;
	*at++ = value < 0 ? '-' : '+';
	if (size >= 1000)
		*at++ = (char)('0' + size / 1000);
	if (size >= 100 || min_digits >= 3)
		*at++ = (char)('0' + size / 100 % 10);
	if (size >= 10 || min_digits >= 2)
		*at++ = (char)('0' + size / 10 % 10);
	*at++ = (char)('0' + size % 10);
	*at = 0;
}

/* d.ddd: the digits, filled with zeros to `precision` after the point. */
static char *put_scientific(struct float_text *text, char *at, const char *digits, int precision,
			    bool alternate)
{
	size_t n = strlen(digits);

	*at++ = n ? *digits++ : '0';
	n -= n > 0;
	if (precision > 0 || alternate)
		*at++ = '.';
	memcpy(at, digits, n);
	text->zeros = precision - (int)n;
	return at + n;
}

/* ddd.ddd with the point after `point` digits. */
static char *put_fixed(struct float_text *text, char *at, const char *digits, int point,
		       int precision, bool alternate)
{
	int n = (int)strlen(digits), leading = 0;

	if (point <= 0)
		*at++ = '0';
	for (int i = 0; i < point; i++)
		*at++ = i < n ? digits[i] : '0';
	if (precision > 0 || alternate)
		*at++ = '.';
	if (point < 0)
		leading = n ? (-point < precision ? -point : precision) : precision;
	memset(at, '0', leading);
	at += leading;
	for (int i = point > 0 ? point : 0; i < n; i++)
		*at++ = digits[i];
	text->zeros = precision - leading;
	if (n > (point > 0 ? point : 0))
		text->zeros -= n - (point > 0 ? point : 0);
	return at;
}

/*
 * The names go through the same steps as digits do on Windows, rounding included: half an "N" is
 * cut off and the character before it goes up, so that "%.2f" gives "1.#J".
 */
static char *put_special(struct float_text *text, char *at, const char *name, unsigned conversion,
			 int precision)
{
	enum { ROUNDS_UP_FROM = '5' };
	bool scientific = conversion == 'e' || conversion == 'E';
	bool fixed = conversion == 'f' || conversion == 'F';
	int length = (int)strlen(name), places = scientific || fixed ? precision : precision - 1;
	int n = places < length ? places : length;

	*at++ = '1';
	if (n > 0) {
		*at++ = '.';
		memcpy(at, name, n);
		at += n;
		if (n < length && name[n] >= ROUNDS_UP_FROM)
			at[-1]++;
	}
	if (scientific || fixed)
		text->zeros = precision - (n > 0 ? n : 0);
	if (scientific)
		set_exponent(text, (char)conversion, 0, 3);
	return at;
}

static char *put_hexadecimal(struct float_text *text, char *at, double value, unsigned conversion,
			     int precision, bool alternate)
{
	const char *names = conversion == 'A' ? "0123456789ABCDEF" : "0123456789abcdef";
	uint64_t bits = bits_of(value), fraction = bits & ((1ull << 52) - 1);
	int exponent = (int)(bits >> 52 & 0x7FF), whole = exponent != 0;

	text->hexadecimal = true;
	if (precision < 0)
		precision = MANTISSA_HEX_DIGITS;
	if (precision < MANTISSA_HEX_DIGITS) {
		int cut = 4 * (MANTISSA_HEX_DIGITS - precision);
		uint64_t all = (uint64_t)whole << 52 | fraction, half = 1ull << (cut - 1);
		uint64_t rest = all & ((half << 1) - 1);

		all = all >> cut << cut;
		if (rest > half || (rest == half && (all >> cut & 1)))
			all += half << 1;
		whole = (int)(all >> 52);
		fraction = all & ((1ull << 52) - 1);
	}
	*at++ = (char)('0' + whole);
	if (precision > 0 || alternate)
		*at++ = '.';
	for (int i = 0; i < precision && i < MANTISSA_HEX_DIGITS; i++)
		*at++ = names[fraction >> (48 - 4 * i) & 0xF];
	text->zeros = precision > MANTISSA_HEX_DIGITS ? precision - MANTISSA_HEX_DIGITS : 0;
	exponent = exponent ? exponent - EXPONENT_BIAS : bits << 1 ? 1 - EXPONENT_BIAS : 0;
	set_exponent(text, conversion == 'A' ? 'P' : 'p', exponent, 1);
	return at;
}

/* %g: scientific when the exponent is under -4 or reaches the precision; no trailing zeros. */
static char *put_general(struct float_text *text, char *at, double value, unsigned conversion,
			 int precision, bool alternate, int exponent_digits)
{
	char digits[MAX_SIGNIFICANT];
	bool negative;
	int point, n;

	if (precision == 0)
		precision = 1;
	point =
	    number_digits(value, NUMBER_SIGNIFICANT, precision, digits, sizeof(digits), &negative);
	if (value == 0)
		point = 1;
	n = (int)strlen(digits);
	if (point - 1 < -4 || point - 1 >= precision) {
		set_exponent(text, conversion == 'G' ? 'E' : 'e', point - 1, exponent_digits);
		return put_scientific(text, at, digits, alternate ? precision - 1 : n - 1,
				      alternate);
	}
	return put_fixed(text, at, digits, point,
			 alternate   ? precision - point
			 : n > point ? n - point
				     : 0,
			 alternate);
}

void format_float(struct float_text *text, double value, unsigned conversion, int precision,
		  bool alternate, bool short_exponent)
{
	char digits[MAX_SIGNIFICANT], *at;
	const char *name = special(value);
	int exponent_digits = short_exponent ? 2 : 3, point;
	bool negative;

	text->negative = bits_of(value) >> 63;
	text->hexadecimal = false;
	text->zeros = 0;
	text->exponent[0] = 0;
	text->allocated = NULL;
	if (precision < 0 && conversion != 'a' && conversion != 'A')
		precision = DEFAULT_PRECISION;
	text->body = at = text->small;
	if (name) {
		at = put_special(text, at, name, conversion, precision);
		text->length = at - text->body;
		return;
	}
	switch (conversion) {
	case 'a':
	case 'A':
		at = put_hexadecimal(text, at, value, conversion, precision, alternate);
		break;
	case 'e':
	case 'E':
		/* At most 309 + 1074 places matter; longer texts need room of their own. */
		if (precision >= (int)sizeof(text->small) - 8)
			text->body = at = text->allocated = malloc(MAX_SIGNIFICANT + 8);
		if (!at)
			break;
		point = number_digits(value, NUMBER_SIGNIFICANT, precision + 1, digits,
				      sizeof(digits), &negative);
		set_exponent(text, (char)conversion, value == 0 ? 0 : point - 1, exponent_digits);
		at = put_scientific(text, at, digits, precision, alternate);
		break;
	case 'f':
	case 'F':
		if (precision > 40)
			text->body = at = text->allocated = malloc(2 * MAX_SIGNIFICANT + 400);
		if (!at)
			break;
		point = number_digits(value, NUMBER_AFTER_POINT, precision, digits, sizeof(digits),
				      &negative);
		at = put_fixed(text, at, digits, point, precision, alternate);
		break;
	default:
		if (precision >= (int)sizeof(text->small) - 16)
			text->body = at = text->allocated = malloc(2 * MAX_SIGNIFICANT);
		if (at)
			at = put_general(text, at, value, conversion, precision, alternate,
					 exponent_digits);
		break;
	}
	text->length = at - text->body;
}

void format_float_free(struct float_text *text)
{
	free(text->allocated);
}

/*
 * _ecvt and _fcvt: digits alone, filled up with zeros, the point's place and the sign apart.
 */
static errno_t write_digits(char *to, size_t room, double value, int mode, int count, int *point,
			    int *negative)
{
	char digits[MAX_SIGNIFICANT];
	const char *name = special(value);
	size_t n, wanted;
	bool sign = false;

	if (!to || !room || !point || !negative)
		return crt_invalid(EINVAL);
	if (count < 0)
		count = 0;
	if (name) {
		/* "1#INF" and the like, with the point after the first. */
		sign = bits_of(value) >> 63;
		strcpy(digits, "1");
		strcat(digits, name);
		*point = 1;
	} else {
		*point = number_digits(value, mode, count, digits, sizeof(digits), &sign);
	}
	*negative = sign;
	n = strlen(digits);
	wanted = mode == NUMBER_SIGNIFICANT ? (size_t)count
		 : *point + count > 0	    ? (size_t)(*point + count)
					    : 0;
	if (wanted >= room)
		return crt_invalid(ERANGE);
	memset(to, '0', wanted);
	memcpy(to, digits, n < wanted ? n : wanted);
	to[wanted] = 0;
	return 0;
}

errno_t _ecvt_s(char *to, size_t room, double value, int count, int *point, int *negative)
{
	return write_digits(to, room, value, NUMBER_SIGNIFICANT, count, point, negative);
}

errno_t _fcvt_s(char *to, size_t room, double value, int count, int *point, int *negative)
{
	return write_digits(to, room, value, NUMBER_AFTER_POINT, count, point, negative);
}

/* The longest text that the thread's buffer takes. */
static int fitting(int count, int other)
{
	enum { ROOM = sizeof(crt_thread()->cvt_text) };

	return count + other > ROOM - 2 ? ROOM - 2 - other : count;
}

char *_ecvt(double value, int count, int *point, int *negative)
{
	char *text = crt_thread()->cvt_text;

	_ecvt_s(text, sizeof(crt_thread()->cvt_text), value, fitting(count, 0), point, negative);
	return text;
}

char *_fcvt(double value, int count, int *point, int *negative)
{
	enum { MOST_WHOLE_DIGITS = 309 };
	char *text = crt_thread()->cvt_text;

	_fcvt_s(text, sizeof(crt_thread()->cvt_text), value, fitting(count, MOST_WHOLE_DIGITS),
		point, negative);
	return text;
}

/* As %g, but a whole number keeps its point. */
errno_t _gcvt_s(char *to, size_t room, double value, int count)
{
	struct float_text text;
	bool point;
	size_t n;

	if (!to || !room || count < 0)
		return crt_invalid(EINVAL);
	format_float(&text, value, 'g', count, false, false);
	point = text.length && !memchr(text.body, '.', text.length);
	n = text.negative + text.length + point + strlen(text.exponent);
	if (n >= room) {
		format_float_free(&text);
		*to = 0;
		return crt_invalid(ERANGE);
	}
	if (text.negative)
		*to++ = '-';
	memcpy(to, text.body, text.length);
	to += text.length;
	if (point)
		*to++ = '.';
	strcpy(to, text.exponent);
	format_float_free(&text);
	return 0;
}

char *_gcvt(double value, int count, char *to)
{
	_gcvt_s(to, SIZE_MAX, value, count);
	return to;
}
