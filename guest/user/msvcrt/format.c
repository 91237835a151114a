/*
 * The engine of the printf family, for narrow and wide formats and destinations.
 *
 * A call is a struct sink (where characters go), a format and arguments. A conversion becomes a
 * prefix (sign, 0x), zeros, a body and more zeros, which are padded to the field's width. Numbers
 * are ASCII and only widened; text changes its width through the locale.
 */
#include "guest/user/msvcrt/crt.h"
#include "guest/user/msvcrt/format.h"
#include <winternl.h>

enum { FLAG_LEFT = 1, FLAG_PLUS = 2, FLAG_SPACE = 4, FLAG_ALTERNATE = 8, FLAG_ZERO = 16 };
enum size { SIZE_NONE, SIZE_CHAR, SIZE_SHORT, SIZE_LONG, SIZE_64 };
enum { SMALL = 64, POSITIONS = 1000 };

/*
 * The arguments. On x64 each is one 8-byte slot, whatever its type, so a position is an index.
 */
struct format_args {
	const uint64_t *first, *next;
	int position; /* of the next argument; 0: in turn */
	bool positional;
};

struct format {
	struct sink *sink;
	const char *narrow; /* one of these two is the rest of the format */
	const wchar_t *wide;
	unsigned flags;
	int width, precision;
	enum size size;
	bool wide_size; /* %ws */
};

static uint64_t take_argument(struct format_args *args)
{
	return args->position ? args->first[args->position - 1] : *args->next++;
}

static double take_double(struct format_args *args)
{
	uint64_t raw = take_argument(args);
	double value;

	memcpy(&value, &raw, sizeof(value));
	return value;
}

static unsigned peek(const struct format *f)
{
	return f->narrow ? (unsigned char)*f->narrow : *f->wide;
}

static unsigned next(struct format *f)
{
	return f->narrow ? (unsigned char)*f->narrow++ : *f->wide++;
}

static void put_narrow(struct sink *sink, const char *text, size_t n)
{
	wchar_t chunk[SMALL];

	sink->count += n;
	if (!sink->wide) {
		sink->put(sink, text, n);
		return;
	}
	while (n) {
		size_t part = n < SMALL ? n : SMALL;

		for (size_t i = 0; i < part; i++)
			if (crt_mbtowc(&chunk[i], &text[i], 1) < 0)
				chunk[i] = '?';
		sink->put(sink, chunk, part);
		text += part;
		n -= part;
	}
}

/* Characters that the locale cannot write end the call with an error. */
static void put_wide(struct sink *sink, const wchar_t *text, size_t n)
{
	sink->count += n;
	if (sink->wide) {
		sink->put(sink, text, n);
		return;
	}
	for (size_t i = 0; i < n; i++) {
		char byte;

		if (crt_wctomb(&byte, text[i]) < 0) {
			sink->failed = true;
			return;
		}
		sink->put(sink, &byte, 1);
	}
}

static void put_repeated(struct sink *sink, char c, int n)
{
	char chunk[SMALL];

	if (n <= 0)
		return;
	memset(chunk, c, n < SMALL ? n : SMALL);
	for (; n > SMALL; n -= SMALL)
		put_narrow(sink, chunk, SMALL);
	put_narrow(sink, chunk, n);
}

struct field {
	const char *prefix;
	int zeros; /* between prefix and body */
	const void *body;
	bool wide_body;
	size_t length;
	int trailing_zeros;
	const char *suffix;
};

static void put_field(struct format *f, const struct field *field)
{
	struct sink *sink = f->sink;
	size_t prefix = field->prefix ? strlen(field->prefix) : 0;
	size_t suffix = field->suffix ? strlen(field->suffix) : 0;
	long long used =
	    (long long)(prefix + field->length + suffix) + field->zeros + field->trailing_zeros;
	int padding = f->width > used ? (int)(f->width - used) : 0;

	if (!(f->flags & (FLAG_LEFT | FLAG_ZERO)))
		put_repeated(sink, ' ', padding);
	put_narrow(sink, field->prefix, prefix);
	if ((f->flags & (FLAG_LEFT | FLAG_ZERO)) == FLAG_ZERO)
		put_repeated(sink, '0', padding);
	put_repeated(sink, '0', field->zeros);
	if (field->wide_body)
		put_wide(sink, field->body, field->length);
	else
		put_narrow(sink, field->body, field->length);
	put_repeated(sink, '0', field->trailing_zeros);
	put_narrow(sink, field->suffix, suffix);
	if (f->flags & FLAG_LEFT)
		put_repeated(sink, ' ', padding);
}

static const char *sign_prefix(const struct format *f, bool negative)
{
	return negative ? "-" : f->flags & FLAG_PLUS ? "+" : f->flags & FLAG_SPACE ? " " : "";
}

static void put_integer(struct format *f, uint64_t value, unsigned base, bool capital,
			const char *prefix)
{
	const char *digits = capital ? "0123456789ABCDEF" : "0123456789abcdef";
	char text[24], *at = text + sizeof(text);
	struct field field = {.prefix = prefix};
	bool zero = !value;

	for (; value; value /= base)
		*--at = digits[value % base];
	if (f->precision >= 0)
		f->flags &= ~FLAG_ZERO;
	else
		f->precision = 1;
	field.body = at;
	field.length = text + sizeof(text) - at;
	if ((f->flags & FLAG_ALTERNATE) && base == 8 && (zero || *at != '0') &&
	    f->precision <= (int)field.length)
		f->precision = (int)field.length + 1;
	if ((f->flags & FLAG_ALTERNATE) && base == 16 && !zero)
		field.prefix = capital ? "0X" : "0x";
	if (f->precision > (int)field.length)
		field.zeros = f->precision - (int)field.length;
	put_field(f, &field);
}

static uint64_t take_unsigned(struct format *f, struct format_args *args)
{
	uint64_t raw = take_argument(args);

	switch (f->size) {
	case SIZE_64:
		return raw;
	case SIZE_SHORT:
		return (uint16_t)raw;
	case SIZE_CHAR:
		return (uint8_t)raw;
	default:
		return (uint32_t)raw;
	}
}

static int64_t take_signed(struct format *f, struct format_args *args)
{
	uint64_t raw = take_argument(args);

	switch (f->size) {
	case SIZE_64:
		return (int64_t)raw;
	case SIZE_SHORT:
		return (int16_t)raw;
	case SIZE_CHAR:
		return (int8_t)raw;
	default:
		return (int32_t)raw;
	}
}

static void put_float(struct format *f, double value, unsigned conversion)
{
	struct float_text text;
	struct field field = {0};
	char prefix[4];

	format_float(&text, value, conversion, f->precision, f->flags & FLAG_ALTERNATE,
		     crt_get_output_format() & _TWO_DIGIT_EXPONENT);
	field.prefix = sign_prefix(f, text.negative);
	if (text.hexadecimal) {
		strcpy(prefix, field.prefix);
		strcat(prefix, conversion == 'A' ? "0X" : "0x");
		field.prefix = prefix;
	}
	field.body = text.body;
	field.length = text.length;
	field.trailing_zeros = text.zeros;
	field.suffix = text.exponent;
	put_field(f, &field);
	format_float_free(&text);
}

/* A string or character: `wide` is its own width, after l, h, w and the conversion's own rule. */
static void put_string(struct format *f, const void *text, bool wide)
{
	struct field field = {.wide_body = wide};
	size_t limit = f->precision >= 0 ? (size_t)f->precision : SIZE_MAX;

	if (!text) {
		text = "(null)";
		field.wide_body = wide = false;
	}
	field.body = text;
	field.length = wide ? wcsnlen(text, limit) : strnlen(text, limit);
	put_field(f, &field);
}

static bool text_is_wide(const struct format *f, bool opposite)
{
	if (f->wide_size || f->size == SIZE_LONG)
		return true;
	if (f->size == SIZE_SHORT)
		return false;
	return (f->wide != NULL) != opposite;
}

static void put_character(struct format *f, unsigned c, bool wide)
{
	wchar_t wide_c = (wchar_t)c;
	char narrow = (char)c;
	struct field field = {
	    .body = wide ? (const void *)&wide_c : &narrow,
	    .wide_body = wide,
	    .length = 1,
	};

	put_field(f, &field);
}

/* %n: how many characters have been written. */
static void store_count(struct format *f, void *to)
{
	switch (f->size) {
	case SIZE_64:
		*(int64_t *)to = (int64_t)f->sink->count;
		break;
	case SIZE_SHORT:
		*(int16_t *)to = (int16_t)f->sink->count;
		break;
	case SIZE_CHAR:
		*(int8_t *)to = (int8_t)f->sink->count;
		break;
	default:
		*(int32_t *)to = (int32_t)f->sink->count;
		break;
	}
}

static unsigned flag_of(unsigned c)
{
	switch (c) {
	case '-':
		return FLAG_LEFT;
	case '+':
		return FLAG_PLUS;
	case ' ':
		return FLAG_SPACE;
	case '#':
		return FLAG_ALTERNATE;
	case '0':
		return FLAG_ZERO;
	default:
		return 0;
	}
}

static int take_number(struct format *f)
{
	int value = 0;

	while (peek(f) >= '0' && peek(f) <= '9') {
		int digit = (int)(next(f) - '0');

		value = value > (INT_MAX - digit) / 10 ? INT_MAX : value * 10 + digit;
	}
	return value;
}

/* After '%' or '*': "12$" chooses an argument. */
static void take_position(struct format *f, struct format_args *args)
{
	struct format saved = *f;
	int number;

	if (!args->positional || peek(f) < '1' || peek(f) > '9')
		return;
	number = take_number(f);
	if (peek(f) != '$' || number > POSITIONS) {
		*f = saved;
		return;
	}
	next(f);
	args->position = number;
}

static void take_size(struct format *f)
{
	for (;;) {
		switch (peek(f)) {
		case 'h':
			f->size = f->size == SIZE_SHORT ? SIZE_CHAR : SIZE_SHORT;
			break;
		case 'l':
			f->size = f->size == SIZE_LONG ? SIZE_64 : SIZE_LONG;
			break;
		case 'w':
			f->wide_size = true;
			break;
		case 'L':
			break;
		case 'j':
		case 'z':
		case 't':
			f->size = SIZE_64;
			break;
		case 'I':
			next(f);
			f->size = SIZE_64; /* as wide as a pointer */
			if (peek(f) == '6' || peek(f) == '3') {
				f->size = next(f) == '6' ? SIZE_64 : SIZE_NONE;
				if (peek(f) == '4' || peek(f) == '2')
					next(f);
			}
			continue;
		default:
			return;
		}
		next(f);
	}
}

static void convert(struct format *f, struct format_args *args, unsigned conversion)
{
	int64_t number;

	switch (conversion) {
	case 'd':
	case 'i':
		number = take_signed(f, args);
		put_integer(f, number < 0 ? -(uint64_t)number : (uint64_t)number, 10, false,
			    sign_prefix(f, number < 0));
		break;
	case 'u':
		put_integer(f, take_unsigned(f, args), 10, false, "");
		break;
	case 'o':
		put_integer(f, take_unsigned(f, args), 8, false, "");
		break;
	case 'x':
	case 'X':
		put_integer(f, take_unsigned(f, args), 16, conversion == 'X', "");
		break;
	case 'p':
		f->precision = 2 * sizeof(void *);
		f->size = SIZE_64;
		put_integer(f, take_unsigned(f, args), 16, true, "");
		break;
	case 'a':
	case 'A':
	case 'e':
	case 'E':
	case 'f':
	case 'F':
	case 'g':
	case 'G':
		put_float(f, take_double(args), conversion);
		break;
	case 'c':
	case 'C':
		put_character(f, (unsigned)take_argument(args), text_is_wide(f, conversion == 'C'));
		break;
	case 's':
	case 'S':
		put_string(f, (const void *)take_argument(args),
			   text_is_wide(f, conversion == 'S'));
		break;
	case 'Z': {
		const STRING *counted = (const void *)take_argument(args);
		bool wide = text_is_wide(f, false) && f->size == SIZE_LONG;

		if (counted && counted->Buffer)
			f->precision = wide ? counted->Length / 2 : counted->Length;
		put_string(f, counted ? counted->Buffer : NULL, wide);
		break;
	}
	case 'n':
		store_count(f, (void *)take_argument(args));
		break;
	default:
		/* Not a conversion: the character stands for itself. */
		if (f->narrow)
			put_narrow(f->sink, &(char){(char)conversion}, 1);
		else
			put_wide(f->sink, &(wchar_t){(wchar_t)conversion}, 1);
		break;
	}
}

static void take_specification(struct format *f, struct format_args *args)
{
	unsigned flag;

	f->flags = 0;
	f->width = 0;
	f->precision = -1;
	f->size = SIZE_NONE;
	f->wide_size = false;
	args->position = 0;
	take_position(f, args);
	while ((flag = flag_of(peek(f)))) {
		f->flags |= flag;
		next(f);
	}
	if (peek(f) == '*') {
		int position = args->position;

		next(f);
		take_position(f, args);
		f->width = (int)take_argument(args);
		args->position = position;
		if (f->width < 0) {
			f->flags |= FLAG_LEFT;
			f->width = f->width == INT_MIN ? INT_MAX : -f->width;
		}
	} else {
		f->width = take_number(f);
	}
	if (peek(f) == '.') {
		next(f);
		if (peek(f) == '*') {
			int position = args->position;

			next(f);
			take_position(f, args);
			f->precision = (int)take_argument(args);
			args->position = position;
			if (f->precision < 0)
				f->precision = -1;
		} else {
			f->precision = take_number(f);
		}
	}
	take_size(f);
}

/* Walks the format once, writing to f->sink. */
static void run(struct format *f, struct format_args *args)
{
	for (;;) {
		const char *narrow = f->narrow;
		const wchar_t *wide = f->wide;
		size_t n = 0;

		while (peek(f) && peek(f) != '%') {
			next(f);
			n++;
		}
		if (n && narrow)
			put_narrow(f->sink, narrow, n);
		else if (n)
			put_wide(f->sink, wide, n);
		if (!peek(f) || f->sink->failed)
			return;
		next(f);
		take_specification(f, args);
		if (!peek(f))
			return;
		convert(f, args, next(f));
	}
}

int format_output(struct sink *sink, const void *format, bool wide_format, va_list list,
		  unsigned options)
{
	struct format f = {
	    .sink = sink,
	    .narrow = wide_format ? NULL : format,
	    .wide = wide_format ? format : NULL,
	};
	struct format_args args = {
	    .first = (const uint64_t *)list,
	    .next = (const uint64_t *)list,
	    .positional = options & FORMAT_POSITIONAL,
	};

	run(&f, &args);
	return sink->failed || sink->count > INT_MAX ? -1 : (int)sink->count;
}
