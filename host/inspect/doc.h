/*
 * doc: what a view says, before it becomes text for people or JSON for programs: tables (an array
 * of objects in JSON), lists of pairs (an object), notes. A view fills it cell by cell and never
 * formats anything itself.
 *
 * Memory that cannot be had is remembered, not told at each call: doc_failed().
 */
#ifndef HOST_INSPECT_DOC_H
#define HOST_INSPECT_DOC_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

struct cJSON;

enum doc_format {
	DOC_TEXT,
	DOC_COUNT,
	DOC_KB,	  /* bytes; shown as K */
	DOC_HEX,  /* in JSON a string */
	DOC_REAL, /* one decimal */
};

struct doc_column {
	const char *key, *title; /* constants */
	enum doc_format format;
};

struct doc;
struct doc *doc_new(void); /* NULL without memory */
void doc_free(struct doc *d);
bool doc_failed(const struct doc *d);

/* A table; the cells that follow fill its rows from left to right. key NULL: in text only. */
void doc_table(struct doc *d, const char *key, const char *title, const struct doc_column *column,
	       unsigned n);
void doc_u64(struct doc *d, uint64_t v);
void doc_real(struct doc *d, double v);
void doc_text(struct doc *d, const char *s); /* copied; "" leaves the key out */

/* Named values, one a line. */
void doc_pairs(struct doc *d, const char *key, const char *title);
void doc_pair(struct doc *d, const char *key, const char *title, enum doc_format f, uint64_t v);
void doc_pair_real(struct doc *d, const char *key, const char *title, double v);
void doc_pair_text(struct doc *d, const char *key, const char *title, const char *v);

__attribute__((format(printf, 2, 3))) void doc_note(struct doc *d, const char *fmt, ...);

void doc_print(const struct doc *d, FILE *f);
struct cJSON *doc_json(const struct doc *d); /* NULL without memory; the caller's */

#endif
