/*
 * Windows command lines. A program gets one string and splits it itself; both CommandLineToArgvW
 * and the C run-time undo this quoting: inside quotes a backslash is itself, unless backslashes
 * stand before a quote, where each pair is one backslash and an odd one makes the quote literal.
 * The first argument, the program's name, has no escapes at all.
 */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

void text_add(struct text *t, const void *data, size_t len)
{
	if (t->failed)
		return;
	if (t->len + len + 1 > t->size) {
		size_t size = (t->len + len + 1) * 2;
		char *p = realloc(t->data, size);

		if (!p) {
			t->failed = true;
			return;
		}
		t->data = p;
		t->size = size;
	}
	if (len)
		memcpy(t->data + t->len, data, len);
	t->len += len;
	t->data[t->len] = 0;
}

void text_puts(struct text *t, const char *s)
{
	text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *fmt, ...)
{
	char buf[512];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf, sizeof(buf), fmt, ap);
	va_end(ap);
	if (n < 0 || (size_t)n >= sizeof(buf))
		t->failed = true;
	else
		text_add(t, buf, (size_t)n);
}

void text_free(struct text *t)
{
	free(t->data);
	memset(t, 0, sizeof(*t));
}

static void add_backslashes(struct text *line, size_t n)
{
	while (n-- > 0)
		text_add(line, "\\", 1);
}

void winargs_add(struct text *line, const char *arg)
{
	size_t slashes = 0;

	if (line->len)
		text_add(line, " ", 1);
	if (*arg && !strpbrk(arg, " \t\n\v\"")) {
		text_puts(line, arg);
		return;
	}
	text_add(line, "\"", 1);
	for (; *arg; arg++) {
		if (*arg == '\\') {
			slashes++;
			continue;
		}
		add_backslashes(line, *arg == '"' ? slashes * 2 + 1 : slashes);
		slashes = 0;
		text_add(line, arg, 1);
	}
	add_backslashes(line, slashes * 2);
	text_add(line, "\"", 1);
}

void winargs_add_program(struct text *line, const char *name)
{
	text_add(line, "\"", 1);
	text_puts(line, name);
	text_add(line, "\"", 1);
}

bool utf8_valid(const char *s)
{
	const uint8_t *p = (const uint8_t *)s;

	while (*p) {
		uint32_t c, min;
		int more;

		if (*p < 0x80) {
			p++;
			continue;
		}
		if ((*p & 0xe0) == 0xc0)
			more = 1, c = *p & 0x1f, min = 0x80;
		else if ((*p & 0xf0) == 0xe0)
			more = 2, c = *p & 0x0f, min = 0x800;
		else if ((*p & 0xf8) == 0xf0)
			more = 3, c = *p & 0x07, min = 0x10000;
		else
			return false;
		for (p++; more > 0; more--, p++) {
			if ((*p & 0xc0) != 0x80)
				return false;
			c = c << 6 | (*p & 0x3f);
		}
		if (c < min || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
			return false;
	}
	return true;
}
