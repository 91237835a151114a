/*
 * A small JSON writer: objects and arrays are opened and closed, commas and indentation come by
 * themselves. Numbers keep their 64 bits.
 */
#include <inttypes.h>

#include "host/host.h"

static void quote(FILE *f, const char *s)
{
	bool utf8 = utf8_valid(s); /* a path may be anything */

	fputc('"', f);
	for (; *s; s++) {
		unsigned char c = (unsigned char)*s;

		if (c >= 0x80 && !utf8)
			c = '?';
		if (c == '"' || c == '\\')
			fprintf(f, "\\%c", c);
		else if (c < 0x20)
			fprintf(f, "\\u%04x", c);
		else
			fputc(c, f);
	}
	fputc('"', f);
}

static void start(struct json *j, const char *key)
{
	if (j->more)
		fputc(',', j->f);
	if (j->depth)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	if (key) {
		quote(j->f, key);
		fputs(": ", j->f);
	}
	j->more = true;
}

void json_open(struct json *j, const char *key, char bracket)
{
	start(j, key);
	fputc(bracket, j->f);
	j->depth++;
	j->more = false;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->more)
		fprintf(j->f, "\n%*s", j->depth * 2, "");
	fputc(bracket, j->f);
	if (j->depth == 0)
		fputc('\n', j->f);
	j->more = true;
}

void json_u64(struct json *j, const char *key, uint64_t v)
{
	start(j, key);
	fprintf(j->f, "%" PRIu64, v);
}

void json_i64(struct json *j, const char *key, int64_t v)
{
	start(j, key);
	fprintf(j->f, "%" PRId64, v);
}

void json_ms(struct json *j, const char *key, uint64_t ns)
{
	start(j, key);
	fprintf(j->f, "%" PRIu64 ".%03" PRIu64, ns / 1000000, ns / 1000 % 1000);
}

void json_bool(struct json *j, const char *key, bool v)
{
	start(j, key);
	fputs(v ? "true" : "false", j->f);
}

void json_str(struct json *j, const char *key, const char *v)
{
	start(j, key);
	if (v)
		quote(j->f, v);
	else
		fputs("null", j->f);
}
