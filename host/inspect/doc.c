/*
 * Sections with cells, and the two ways to put them out. In text a column is as wide as its widest
 * cell; numbers stand to the right.
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "host/inspect/doc.h"

#define GAP	 2 /* blanks between columns */
#define SECTIONS 24u
#define COLUMNS	 20u

struct cell {
	enum doc_format format;
	uint64_t v;
	double real;
	char *text;
};

struct section {
	const char *key, *title;
	bool pairs;
	unsigned columns;
	struct doc_column column[COLUMNS];
	/* pairs: key, title of each cell */
	const char **name;
	struct cell *cell;
	size_t cells, room;
};

struct doc {
	struct section section[SECTIONS];
	unsigned sections;
	char **note;
	size_t notes;
	bool failed;
};

struct doc *doc_new(void)
{
	return calloc(1, sizeof(struct doc));
}

void doc_free(struct doc *d)
{
	if (!d)
		return;
	for (unsigned i = 0; i < d->sections; i++) {
		struct section *s = &d->section[i];

		for (size_t k = 0; k < s->cells; k++)
			free(s->cell[k].text);
		free(s->cell);
		free(s->name);
	}
	for (size_t i = 0; i < d->notes; i++)
		free(d->note[i]);
	free(d->note);
	free(d);
}

bool doc_failed(const struct doc *d)
{
	return d->failed;
}

/* ---- filling it ---- */

static struct section *add_section(struct doc *d, const char *key, const char *title)
{
	struct section *s = &d->section[d->sections];

	if (d->sections == SECTIONS) {
		d->failed = true;
		return NULL;
	}
	d->sections++;
	s->key = key;
	s->title = title;
	return s;
}

void doc_table(struct doc *d, const char *key, const char *title, const struct doc_column *column,
	       unsigned n)
{
	struct section *s = add_section(d, key, title);

	if (!s || n > COLUMNS) {
		d->failed = true;
		return;
	}
	s->columns = n;
	memcpy(s->column, column, n * sizeof(*column));
}

void doc_pairs(struct doc *d, const char *key, const char *title)
{
	struct section *s = add_section(d, key, title);

	if (s)
		s->pairs = true;
}

static struct cell *add_cell(struct doc *d, bool pair)
{
	struct section *s = d->sections ? &d->section[d->sections - 1] : NULL;

	if (d->failed || !s || s->pairs != pair) {
		d->failed = true;
		return NULL;
	}
	if (s->cells == s->room) {
		size_t room = s->room * 2 + 64;
		struct cell *more = realloc(s->cell, room * sizeof(*more));
		const char **names = pair ? realloc(s->name, room * 2 * sizeof(*names)) : NULL;

		if (more)
			s->cell = more;
		if (names)
			s->name = names;
		if (!more || (pair && !names)) {
			d->failed = true;
			return NULL;
		}
		s->room = room;
	}
	s->cell[s->cells] = (struct cell){0};
	return &s->cell[s->cells++];
}

static void put(struct doc *d, enum doc_format f, uint64_t v, double real, const char *text)
{
	struct section *s = d->sections ? &d->section[d->sections - 1] : NULL;
	struct cell *c = add_cell(d, false);

	if (!c)
		return;
	*c = (struct cell){f, v, real, NULL};
	if (f != DOC_TEXT && f != DOC_REAL)
		c->format = s->column[(s->cells - 1) % s->columns].format;
	if (text && !(c->text = strdup(text)))
		d->failed = true;
}

void doc_u64(struct doc *d, uint64_t v)
{
	put(d, DOC_COUNT, v, 0, NULL);
}

void doc_real(struct doc *d, double v)
{
	put(d, DOC_REAL, 0, v, NULL);
}

void doc_text(struct doc *d, const char *s)
{
	put(d, DOC_TEXT, 0, 0, s);
}

static void put_pair(struct doc *d, const char *key, const char *title, struct cell value)
{
	struct cell *c = add_cell(d, true);
	struct section *s = &d->section[d->sections - 1];

	if (!c) {
		free(value.text);
		return;
	}
	*c = value;
	s->name[2 * (s->cells - 1)] = key;
	s->name[2 * (s->cells - 1) + 1] = title;
}

void doc_pair(struct doc *d, const char *key, const char *title, enum doc_format f, uint64_t v)
{
	put_pair(d, key, title, (struct cell){f, v, 0, NULL});
}

void doc_pair_real(struct doc *d, const char *key, const char *title, double v)
{
	put_pair(d, key, title, (struct cell){DOC_REAL, 0, v, NULL});
}

void doc_pair_text(struct doc *d, const char *key, const char *title, const char *v)
{
	char *copy = strdup(v);

	if (copy)
		put_pair(d, key, title, (struct cell){DOC_TEXT, 0, 0, copy});
	else
		d->failed = true;
}

void doc_note(struct doc *d, const char *fmt, ...)
{
	char line[320], **more = realloc(d->note, (d->notes + 1) * sizeof(*more));
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (!more) {
		d->failed = true;
		return;
	}
	d->note = more;
	d->note[d->notes] = strdup(line);
	if (d->note[d->notes])
		d->notes++;
	else
		d->failed = true;
}

/* ---- text ---- */

static const char *shown(const struct cell *c, char buf[40])
{
	switch (c->format) {
	case DOC_TEXT:
		return c->text ? c->text : "";
	case DOC_COUNT:
		snprintf(buf, 40, "%" PRIu64, c->v);
		break;
	case DOC_KB:
		snprintf(buf, 40, "%" PRIu64 " K", c->v >> 10);
		break;
	case DOC_HEX:
		snprintf(buf, 40, "%" PRIx64, c->v);
		break;
	case DOC_REAL:
		snprintf(buf, 40, "%.1f", c->real);
		break;
	}
	return buf;
}

static int width_of(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80; /* characters of UTF-8 */
	return n;
}

static void pad(FILE *f, int n)
{
	if (n > 0)
		fprintf(f, "%*s", n, "");
}

static void print_cell(FILE *f, const char *text, int width, bool left, bool last)
{
	int w = width_of(text);

	if (!left)
		pad(f, width - w);
	fputs(text, f);
	if (left && !last)
		pad(f, width - w);
	if (!last)
		pad(f, GAP);
}

static void print_table(FILE *f, const struct section *s)
{
	int width[COLUMNS];
	char buf[40];

	for (unsigned i = 0; i < s->columns; i++)
		width[i] = width_of(s->column[i].title);
	for (size_t i = 0; i < s->cells; i++) {
		int w = width_of(shown(&s->cell[i], buf));

		if (w > width[i % s->columns])
			width[i % s->columns] = w;
	}
	for (unsigned i = 0; i < s->columns; i++)
		print_cell(f, s->column[i].title, width[i], s->column[i].format == DOC_TEXT,
			   i + 1 == s->columns);
	for (size_t i = 0; i < s->cells; i++) {
		unsigned k = (unsigned)(i % s->columns);

		if (k == 0)
			fputc('\n', f);
		print_cell(f, shown(&s->cell[i], buf), width[k], s->column[k].format == DOC_TEXT,
			   k + 1 == s->columns);
	}
	fputc('\n', f);
}

static void print_pairs(FILE *f, const struct section *s)
{
	int name = 0, value = 0;
	char buf[40];

	for (size_t i = 0; i < s->cells; i++) {
		int w = width_of(s->name[2 * i + 1]), v = width_of(shown(&s->cell[i], buf));

		name = w > name ? w : name;
		if (s->cell[i].format != DOC_TEXT)
			value = v > value ? v : value;
	}
	for (size_t i = 0; i < s->cells; i++) {
		print_cell(f, s->name[2 * i + 1], name, true, false);
		print_cell(f, shown(&s->cell[i], buf), value, s->cell[i].format == DOC_TEXT, true);
		fputc('\n', f);
	}
}

void doc_print(const struct doc *d, FILE *f)
{
	for (unsigned i = 0; i < d->sections; i++) {
		const struct section *s = &d->section[i];

		if (i)
			fputc('\n', f);
		if (s->title)
			fprintf(f, "--- %s\n", s->title);
		if (s->pairs)
			print_pairs(f, s);
		else if (s->columns)
			print_table(f, s);
	}
	for (size_t i = 0; i < d->notes; i++)
		fprintf(f, "%s(%s)\n", i ? "" : "\n", d->note[i]);
}

/* ---- JSON ---- */

static void add_value(cJSON *o, const char *key, const struct cell *c)
{
	char hex[24];

	switch (c->format) {
	case DOC_TEXT:
		if (c->text && *c->text)
			cJSON_AddStringToObject(o, key, c->text);
		break;
	case DOC_HEX:
		snprintf(hex, sizeof(hex), "0x%" PRIx64, c->v);
		cJSON_AddStringToObject(o, key, hex);
		break;
	case DOC_REAL:
		cJSON_AddNumberToObject(o, key, c->real);
		break;
	default:
		cJSON_AddNumberToObject(o, key, (double)c->v);
	}
}

static cJSON *table_json(const struct section *s)
{
	cJSON *rows = cJSON_CreateArray(), *row = NULL;

	for (size_t i = 0; i < s->cells; i++) {
		if (i % s->columns == 0) {
			row = cJSON_CreateObject();
			cJSON_AddItemToArray(rows, row);
		}
		add_value(row, s->column[i % s->columns].key, &s->cell[i]);
	}
	return rows;
}

static cJSON *pairs_json(const struct section *s)
{
	cJSON *o = cJSON_CreateObject();

	for (size_t i = 0; i < s->cells; i++)
		add_value(o, s->name[2 * i], &s->cell[i]);
	return o;
}

struct cJSON *doc_json(const struct doc *d)
{
	cJSON *o = cJSON_CreateObject(), *notes;

	if (!o)
		return NULL;
	for (unsigned i = 0; i < d->sections; i++) {
		const struct section *s = &d->section[i];

		if (s->key)
			cJSON_AddItemToObject(o, s->key, s->pairs ? pairs_json(s) : table_json(s));
	}
	if (d->notes) {
		notes = cJSON_AddArrayToObject(o, "notes");
		for (size_t i = 0; i < d->notes; i++)
			cJSON_AddItemToArray(notes, cJSON_CreateString(d->note[i]));
	}
	return o;
}
