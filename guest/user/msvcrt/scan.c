/*
 * The engine of the scanf family, for narrow and wide formats and sources.
 *
 * Characters are read one at a time with one of look-ahead. Each conversion consumes what matches
 * it, as the C standard says, so an input like "1e+x" for %f is gone to the x.
 */
#include "guest/user/msvcrt/scan.h"
#include "guest/user/msvcrt/number.h"
#include <ctype.h>
#include <wctype.h>

enum size { SIZE_NONE, SIZE_SHORT, SIZE_LONG, SIZE_64 };
enum { SET_WORDS = 256 / 64 };

struct scan {
	struct source *source;
	const char *narrow; /* one of these two is the rest of the format */
	const wchar_t *wide;
	const uint64_t *args;
	bool sizes;
	int stored;
	/* the present conversion */
	bool suppress, wide_size;
	long long width;
	enum size size;
};

static wint_t take(struct source *source)
{
	wint_t c;

	source->taken++;
	if (source->has_pushed) {
		source->has_pushed = false;
		return source->pushed;
	}
	if (source->stream) {
		if (source->wide_input)
			return stream_getwc(source->stream);
		{
			int byte = stream_getc(source->stream);

			return byte == EOF ? WEOF : (wint_t)byte;
		}
	}
	if (!source->left)
		return WEOF;
	c = source->wide_input ? *source->wide : (unsigned char)*source->narrow;
	if (!c)
		return WEOF;
	source->left--;
	source->narrow += !source->wide_input;
	source->wide += source->wide_input;
	return c;
}

static void give_back(struct source *source, wint_t c)
{
	source->taken--;
	if (c == WEOF)
		return;
	source->pushed = c;
	source->has_pushed = true;
}

static bool is_space(const struct source *source, wint_t c)
{
	if (c == WEOF)
		return false;
	return source->wide_input ? iswspace(c) : isspace(c);
}

static wint_t skip_space(struct source *source)
{
	wint_t c;

	do {
		c = take(source);
	} while (is_space(source, c));
	return c;
}

static unsigned peek(const struct scan *s)
{
	return s->narrow ? (unsigned char)*s->narrow : *s->wide;
}

static unsigned next(struct scan *s)
{
	return s->narrow ? (unsigned char)*s->narrow++ : *s->wide++;
}

/* A conversion's outcome. */
enum outcome { STORED, SKIPPED, MISMATCH, INPUT_END };

/* Takes the next character of a number or string if its width allows. */
static wint_t take_within(struct scan *s)
{
	if (!s->width)
		return WEOF;
	if (s->width > 0)
		s->width--;
	return take(s->source);
}

static void return_unused(struct scan *s, wint_t c)
{
	if (c != WEOF)
		give_back(s->source, c);
	else if (s->width)
		s->source->taken--;
}

static unsigned digit_value(wint_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return UINT_MAX;
}

static void store_integer(struct scan *s, uint64_t value)
{
	void *to = (void *)*s->args++;

	switch (s->size) {
	case SIZE_64:
		*(uint64_t *)to = value;
		break;
	case SIZE_SHORT:
		*(uint16_t *)to = (uint16_t)value;
		break;
	default:
		*(uint32_t *)to = (uint32_t)value;
		break;
	}
}

static enum outcome scan_integer(struct scan *s, unsigned base, bool prefix)
{
	bool negative = false, any = false;
	uint64_t value = 0;
	wint_t c = skip_space(s->source);

	if (c == WEOF)
		return INPUT_END;
	give_back(s->source, c);
	c = take_within(s);
	if (c == '+' || c == '-') {
		negative = c == '-';
		c = take_within(s);
	}
	if (c == '0' && prefix) {
		any = true;
		c = take_within(s);
		if (c == 'x' || c == 'X') {
			base = 16;
			any = false;
			c = take_within(s);
		} else if (base == 0) {
			base = 8;
		}
	}
	if (base == 0)
		base = 10;
	for (; c != WEOF && digit_value(c) < base; c = take_within(s)) {
		any = true;
		value = value * base + digit_value(c);
	}
	return_unused(s, c);
	if (!any)
		return c == WEOF && s->width ? INPUT_END : MISMATCH;
	if (s->suppress)
		return SKIPPED;
	store_integer(s, negative ? -value : value);
	return STORED;
}

static enum outcome scan_float(struct scan *s)
{
	struct number_scan number;
	wint_t c = skip_space(s->source);
	void *to;

	if (c == WEOF)
		return INPUT_END;
	give_back(s->source, c);
	number_begin(&number);
	do {
		c = take_within(s);
	} while (c != WEOF && number_feed(&number, c));
	return_unused(s, c);
	if (!number.digits)
		return MISMATCH;
	if (s->suppress)
		return SKIPPED;
	to = (void *)*s->args++;
	if (s->size == SIZE_LONG || s->size == SIZE_64)
		*(double *)to = number_value(&number);
	else
		*(float *)to = (float)number_value(&number);
	return STORED;
}

/* A text's destination, whose width the conversion tells. */
struct text_target {
	void *at;
	size_t room;
	bool wide;
};

static struct text_target text_target(struct scan *s, bool opposite)
{
	struct text_target target = {.room = SIZE_MAX};

	target.wide = s->wide_size || s->size == SIZE_LONG ||
		      (s->size != SIZE_SHORT && (s->wide != NULL) != opposite);
	if (s->suppress)
		return target;
	target.at = (void *)*s->args++;
	if (s->sizes)
		target.room = (unsigned)*s->args++;
	return target;
}

/* One character into the target; false if it has no room. */
static bool put_text(struct scan *s, struct text_target *target, wint_t c)
{
	if (!target->at)
		return true;
	if (!target->room)
		return false;
	target->room--;
	if (target->wide) {
		wchar_t unit = (wchar_t)c;

		if (!s->source->wide_input)
			crt_mbtowc(&unit, &(char){(char)c}, 1);
		*(wchar_t *)target->at = unit;
		target->at = (wchar_t *)target->at + 1;
	} else {
		char byte = (char)c;

		if (s->source->wide_input && crt_wctomb(&byte, (wchar_t)c) < 0)
			return false;
		*(char *)target->at = byte;
		target->at = (char *)target->at + 1;
	}
	return true;
}

/* Without room the buffer is left empty, and nothing more is converted. */
static enum outcome no_room(void *start, bool wide)
{
	if (wide)
		*(wchar_t *)start = 0;
	else
		*(char *)start = 0;
	errno = ENOMEM;
	return MISMATCH;
}

static bool end_text(struct text_target *target)
{
	if (!target->at)
		return true;
	if (!target->room)
		return false;
	if (target->wide)
		*(wchar_t *)target->at = 0;
	else
		*(char *)target->at = 0;
	return true;
}

static enum outcome scan_characters(struct scan *s, bool opposite)
{
	struct text_target target = text_target(s, opposite);
	void *start = target.at;
	bool any = false;

	if (s->width < 0)
		s->width = 1;
	while (s->width) {
		wint_t c = take_within(s);

		if (c == WEOF) {
			s->source->taken--;
			return any ? MISMATCH : INPUT_END;
		}
		if (!put_text(s, &target, c))
			return no_room(start, target.wide);
		any = true;
	}
	return s->suppress ? SKIPPED : STORED;
}

/* %s (set: NULL) or the characters of a set. */
static enum outcome scan_text(struct scan *s, bool opposite,
			      bool (*in_set)(const void *set, wint_t c), const void *set)
{
	struct text_target target = text_target(s, opposite);
	void *start = target.at;
	bool any = false;
	wint_t c;

	if (!in_set) {
		c = skip_space(s->source);
		if (c == WEOF)
			return INPUT_END;
		give_back(s->source, c);
	}
	for (;;) {
		c = take_within(s);
		if (c == WEOF || (in_set ? !in_set(set, c) : is_space(s->source, c)))
			break;
		if (!put_text(s, &target, c))
			return no_room(start, target.wide);
		any = true;
	}
	return_unused(s, c);
	if (!any)
		return c == WEOF ? INPUT_END : MISMATCH;
	if (!end_text(&target))
		return no_room(start, target.wide);
	return s->suppress ? SKIPPED : STORED;
}

/* %[...]: bits for the first 256 characters, and the format's own text for those beyond. */
struct char_set {
	bool inverted;
	uint64_t bits[SET_WORDS];
	const wchar_t *from, *to;
};

static bool in_char_set(const void *set_, wint_t c)
{
	const struct char_set *set = set_;
	bool found = false;

	if (c < 256)
		return (set->bits[c / 64] >> c % 64 & 1) != set->inverted;
	for (const wchar_t *at = set->from; at && at < set->to && !found; at++) {
		if (at + 2 < set->to && at[1] == '-') {
			found = c >= at[0] && c <= at[2];
			at += 2;
		} else {
			found = c == *at;
		}
	}
	return found != set->inverted;
}

static enum outcome scan_set(struct scan *s)
{
	struct char_set set = {0};
	unsigned c, last = 0;
	bool has_last = false;

	if (peek(s) == '^') {
		set.inverted = true;
		next(s);
	}
	set.from = s->wide;
	for (bool first = true; (c = peek(s)) && (c != ']' || first); first = false) {
		next(s);
		if (c == '-' && has_last && peek(s) && peek(s) != ']') {
			unsigned end = next(s), from = last < end ? last : end;

			for (unsigned i = from; i <= (last < end ? end : last) && i < 256; i++)
				set.bits[i / 64] |= 1ull << i % 64;
			has_last = false;
			continue;
		}
		if (c < 256)
			set.bits[c / 64] |= 1ull << c % 64;
		last = c;
		has_last = true;
	}
	set.to = s->wide;
	if (c)
		next(s);
	return scan_text(s, false, in_char_set, &set);
}

static void take_modifiers(struct scan *s)
{
	s->suppress = s->wide_size = false;
	s->width = -1;
	s->size = SIZE_NONE;
	if (peek(s) == '*') {
		next(s);
		s->suppress = true;
	}
	for (;;) { /* width and sizes, in any order */
		if (peek(s) >= '0' && peek(s) <= '9') {
			s->width = (s->width < 0 ? 0 : s->width) * 10 + (next(s) - '0');
			if (s->width > INT_MAX)
				s->width = INT_MAX;
			continue;
		}
		switch (peek(s)) {
		case 'h': /* a second one takes the first back */
			s->size = s->size == SIZE_SHORT ? SIZE_NONE : SIZE_SHORT;
			break;
		case 'l':
			s->size = s->size == SIZE_LONG ? SIZE_64 : SIZE_LONG;
			break;
		case 'L':
		case 'j':
		case 'z':
		case 't':
			s->size = SIZE_64;
			break;
		case 'w':
			s->wide_size = true;
			break;
		case 'I':
			next(s);
			s->size = SIZE_64;
			if (peek(s) == '6' || peek(s) == '3') {
				s->size = next(s) == '6' ? SIZE_64 : SIZE_NONE;
				if (peek(s) == '4' || peek(s) == '2')
					next(s);
			}
			continue;
		default:
			return;
		}
		next(s);
	}
}

static enum outcome convert(struct scan *s, unsigned conversion)
{
	wint_t c;

	switch (conversion) {
	case 'd':
	case 'u':
		return scan_integer(s, 10, false);
	case 'i':
		return scan_integer(s, 0, true);
	case 'o':
		return scan_integer(s, 8, false);
	case 'x':
	case 'X':
		return scan_integer(s, 16, true);
	case 'p':
	case 'P':
		s->size = SIZE_64;
		return scan_integer(s, 16, false);
	case 'a':
	case 'A':
	case 'e':
	case 'E':
	case 'f':
	case 'F':
	case 'g':
	case 'G':
		return scan_float(s);
	case 'c':
	case 'C':
		return scan_characters(s, conversion == 'C');
	case 's':
	case 'S':
		return scan_text(s, conversion == 'S', NULL, NULL);
	case '[':
		return scan_set(s);
	case 'n':
		if (!s->suppress)
			store_integer(s, s->source->taken);
		return SKIPPED;
	default:
		/* "%%", or a character that stands for itself. */
		c = conversion == '%' ? skip_space(s->source) : take(s->source);
		if (c == conversion)
			return SKIPPED;
		give_back(s->source, c);
		return c == WEOF ? INPUT_END : MISMATCH;
	}
}

/* Follows the format until something does not match. */
static enum outcome run(struct scan *s)
{
	enum outcome outcome = SKIPPED;
	unsigned f;

	while ((f = peek(s))) {
		wint_t c;

		if (s->wide ? iswspace((wint_t)f) : isspace((int)f)) {
			next(s);
			give_back(s->source, skip_space(s->source));
			continue;
		}
		if (f != '%') {
			next(s);
			c = take(s->source);
			if (c == f)
				continue;
			give_back(s->source, c);
			return c == WEOF ? INPUT_END : MISMATCH;
		}
		next(s);
		take_modifiers(s);
		if (!peek(s))
			break;
		outcome = convert(s, next(s));
		if (outcome == STORED)
			s->stored++;
		else if (outcome != SKIPPED)
			return outcome;
	}
	return outcome;
}

int scan_input(struct source *source, const void *format, bool wide_format, va_list list,
	       unsigned options)
{
	struct scan s = {
	    .source = source,
	    .narrow = wide_format ? NULL : format,
	    .wide = wide_format ? format : NULL,
	    .args = (const uint64_t *)list,
	    .sizes = options & SCAN_SIZES,
	};
	enum outcome outcome = run(&s);

	if (source->has_pushed && source->stream) {
		if (source->wide_input)
			stream_ungetwc(source->stream, source->pushed);
		else
			stream_ungetc(source->stream, (int)source->pushed);
	}
	return outcome == INPUT_END && !s.stored ? EOF : s.stored;
}
