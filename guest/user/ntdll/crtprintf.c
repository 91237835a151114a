/*
 * ntdll's printf family: integers, characters, strings, pointers, no floating point (as the real
 * ntdll's kernel-style formatter is mostly used), in char and wide forms, Microsoft's length
 * modifiers (I64, I32, I, w, h, l, ll).
 *
 * One engine writes through struct sink; %s of the wide forms means wide, %S the other kind.
 */
#include "guest/user/ntdll/ntdll.h"

struct sink {
	BOOLEAN wide;
	union {
		char *out;
		wchar_t *wout;
	};
	size_t size;  /* room, in characters */
	size_t count; /* characters the whole text has */
};

static void put(struct sink *s, wint_t c)
{
	if (s->count < s->size) {
		if (s->wide)
			s->wout[s->count] = c;
		else
			s->out[s->count] = (char)c;
	}
	s->count++;
}

static void pad(struct sink *s, wint_t c, int n)
{
	while (n-- > 0)
		put(s, c);
}

struct spec {
	BOOLEAN left, plus, space, alt, zero;
	int width, precision; /* -1: none given */
	int length;	      /* bytes of an integer; 1 or 2 as a character: narrow or wide */
};

static void put_number(struct sink *s, const struct spec *f, uint64_t v, BOOLEAN negative,
		       unsigned base, BOOLEAN upper, BOOLEAN is_signed)
{
	const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char buf[32], prefix[3] = {0};
	int n = 0, np = 0, zeros, blanks;

	if (v || f->precision != 0)
		for (uint64_t t = v; n == 0 || t; t /= base)
			buf[n++] = digits[t % base];
	if (negative)
		prefix[np++] = '-';
	else if (is_signed && f->plus)
		prefix[np++] = '+';
	else if (is_signed && f->space)
		prefix[np++] = ' ';
	if (f->alt && base == 16 && v) {
		prefix[np++] = '0';
		prefix[np++] = upper ? 'X' : 'x';
	}
	zeros = f->precision > n ? f->precision - n : 0;
	if (f->alt && base == 8 && !zeros)
		zeros = 1;
	if (f->zero && !f->left && f->precision < 0 && f->width > n + np + zeros)
		zeros = f->width - n - np;
	blanks = f->width - n - np - zeros;
	if (!f->left)
		pad(s, ' ', blanks);
	for (int i = 0; i < np; i++)
		put(s, prefix[i]);
	pad(s, '0', zeros);
	while (n)
		put(s, buf[--n]);
	if (f->left)
		pad(s, ' ', blanks);
}

static void put_text(struct sink *s, const struct spec *f, const void *text, BOOLEAN wide)
{
	size_t n, max = f->precision < 0 ? (size_t)-1 : (size_t)f->precision;

	if (!text) {
		text = wide ? (const void *)L"(null)" : "(null)";
	}
	n = wide ? wcsnlen(text, max) : strnlen(text, max);
	if (!f->left)
		pad(s, f->zero ? '0' : ' ', f->width - (int)n);
	for (size_t i = 0; i < n; i++)
		put(s, wide ? ((const wchar_t *)text)[i] : ((const unsigned char *)text)[i]);
	if (f->left)
		pad(s, ' ', f->width - (int)n);
}

/* Character i of the format, which is of the sink's own width. */
static wint_t at(const struct sink *s, const void *fmt, size_t i)
{
	return s->wide ? ((const wchar_t *)fmt)[i] : ((const unsigned char *)fmt)[i];
}

static int number_at(const struct sink *s, const void *fmt, size_t *i)
{
	int v = 0;

	for (; isdigit(at(s, fmt, *i)); ++*i)
		v = v * 10 + at(s, fmt, *i) - '0';
	return v;
}

static size_t parse_spec(const struct sink *s, const void *fmt, size_t i, struct spec *f,
			 va_list *ap)
{
	*f = (struct spec){.precision = -1, .length = 4};
	for (;; i++) {
		wint_t c = at(s, fmt, i);

		if (c == '-')
			f->left = TRUE;
		else if (c == '+')
			f->plus = TRUE;
		else if (c == ' ')
			f->space = TRUE;
		else if (c == '#')
			f->alt = TRUE;
		else if (c == '0')
			f->zero = TRUE;
		else
			break;
	}
	if (at(s, fmt, i) == '*') {
		f->width = va_arg(*ap, int);
		if (f->width < 0) {
			f->left = TRUE;
			f->width = -f->width;
		}
		i++;
	} else {
		f->width = number_at(s, fmt, &i);
	}
	if (at(s, fmt, i) == '.') {
		i++;
		if (at(s, fmt, i) == '*') {
			f->precision = va_arg(*ap, int);
			i++;
		} else {
			f->precision = number_at(s, fmt, &i);
		}
	}
	for (;; i++) {
		wint_t c = at(s, fmt, i);

		if (c == 'l') {
			f->length = at(s, fmt, i + 1) == 'l' ? 8 : 4;
			i += f->length == 8;
		} else if (c == 'h') {
			f->length = 2;
		} else if (c == 'w') {
			f->length = 4;
		} else if (c == 'z' || c == 'j' || c == 't') {
			f->length = 8;
		} else if (c == 'I') {
			if (at(s, fmt, i + 1) == '6' && at(s, fmt, i + 2) == '4') {
				f->length = 8;
				i += 2;
			} else if (at(s, fmt, i + 1) == '3' && at(s, fmt, i + 2) == '2') {
				i += 2;
			} else {
				f->length = 8;
			}
		} else {
			return i;
		}
	}
}

/* Was an l or w, or an h, given? They choose the kind of %s and %c. */
static int char_modifier(const struct sink *s, const void *fmt, size_t end)
{
	wint_t c = at(s, fmt, end - 1);

	return c == 'l' || c == 'w' ? 2 : c == 'h' ? 1 : 0;
}

static void format_into(struct sink *s, const void *fmt, va_list *ap)
{
	for (size_t i = 0; at(s, fmt, i);) {
		struct spec f;
		wint_t c = at(s, fmt, i++);
		int kind;
		uint64_t v;

		if (c != '%') {
			put(s, c);
			continue;
		}
		i = parse_spec(s, fmt, i, &f, ap);
		c = at(s, fmt, i);
		kind = char_modifier(s, fmt, i);
		if (!c)
			return;
		i++;
		switch (c) {
		case 'd':
		case 'i': {
			int64_t d = f.length == 8   ? va_arg(*ap, int64_t)
				    : f.length == 2 ? (short)va_arg(*ap, int)
						    : va_arg(*ap, int);
			put_number(s, &f, d < 0 ? 0 - (uint64_t)d : (uint64_t)d, d < 0, 10, FALSE,
				   TRUE);
			break;
		}
		case 'u':
		case 'x':
		case 'X':
		case 'o':
			v = f.length == 8   ? va_arg(*ap, uint64_t)
			    : f.length == 2 ? (unsigned short)va_arg(*ap, unsigned)
					    : va_arg(*ap, unsigned);
			put_number(s, &f, v, FALSE,
				   c == 'u'   ? 10
				   : c == 'o' ? 8
					      : 16,
				   c == 'X', FALSE);
			break;
		case 'p':
		case 'P':
			f.precision = 16;
			put_number(s, &f, va_arg(*ap, uint64_t), FALSE, 16, TRUE, FALSE);
			break;
		case 'c':
		case 'C': {
			wchar_t one[2] = {0, 0};
			one[0] = (wchar_t)va_arg(*ap, int);
			if (!one[0])
				put(s, 0);
			else
				put_text(s, &f, one, TRUE);
			break;
		}
		case 's':
		case 'S': {
			BOOLEAN wide = (c == 's') == s->wide;
			if (kind)
				wide = kind == 2;
			put_text(s, &f, va_arg(*ap, void *), wide);
			break;
		}
		case 'Z': {
			PUNICODE_STRING u = va_arg(*ap, PUNICODE_STRING);
			f.precision = u ? u->Length / (kind == 2 ? 2 : 1) : 0;
			put_text(s, &f, u ? u->Buffer : NULL, kind == 2);
			break;
		}
		default:
			put(s, c);
		}
	}
}

/* Microsoft's rule: no terminator and -1 when the text does not fit. */
static int finish(struct sink *s)
{
	if (s->count < s->size) {
		if (s->wide)
			s->wout[s->count] = 0;
		else
			s->out[s->count] = 0;
		return (int)s->count;
	}
	return s->count == s->size ? (int)s->count : -1;
}

int _vsnprintf(char *out, size_t size, const char *fmt, va_list ap)
{
	struct sink s = {.out = out, .size = out ? size : 0};
	va_list copy;

	va_copy(copy, ap);
	format_into(&s, fmt, &copy);
	va_end(copy);
	return out ? finish(&s) : (int)s.count;
}

int _vsnwprintf(wchar_t *out, size_t size, const wchar_t *fmt, va_list ap)
{
	struct sink s = {.wide = TRUE, .wout = out, .size = out ? size : 0};
	va_list copy;

	va_copy(copy, ap);
	format_into(&s, fmt, &copy);
	va_end(copy);
	return out ? finish(&s) : (int)s.count;
}

int _snprintf(char *out, size_t size, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = _vsnprintf(out, size, fmt, ap);
	va_end(ap);
	return n;
}

int _snwprintf(wchar_t *out, size_t size, const wchar_t *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = _vsnwprintf(out, size, fmt, ap);
	va_end(ap);
	return n;
}

int vsprintf(char *out, const char *fmt, va_list ap)
{
	return _vsnprintf(out, INT_MAX, fmt, ap);
}

int sprintf(char *out, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = _vsnprintf(out, INT_MAX, fmt, ap);
	va_end(ap);
	return n;
}

int swprintf(wchar_t *out, const wchar_t *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = _vsnwprintf(out, INT_MAX, fmt, ap);
	va_end(ap);
	return n;
}
