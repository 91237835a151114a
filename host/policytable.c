/*
 * What came of each attack at each level, as a table in Markdown: made from what a test run has
 * seen, not from what its policies say. Policies that change what rules do that prevent are left
 * out; of several of one level, the first that runs an attack counts.
 *
 *   succeeds    it happened, and no event tells of it
 *   detected    it happened, and an event tells of it
 *   prevented   it was refused
 *   ends        the machine ended before it could say anything
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/policy.h"

#define MAX_ROWS 200

static const struct {
	enum ept_level level;
	const char *name;
} columns[] = {{LEVEL_OFF, "off"}, {LEVEL_KDP, "kdp"}, {LEVEL_HVCI, "hvci"}};
#define COLUMNS (sizeof(columns) / sizeof(columns[0]))

struct policy_table {
	unsigned rows;
	struct {
		char name[48];
		const char *seen[COLUMNS];
	} row[MAX_ROWS];
};

struct policy_table *table_new(void)
{
	return calloc(1, sizeof(struct policy_table));
}

void table_note(struct policy_table *t, enum ept_level level, const char *attack, const char *seen)
{
	unsigned r = 0;

	while (r < t->rows && strcmp(t->row[r].name, attack) != 0)
		r++;
	if (r == MAX_ROWS)
		return;
	if (r == t->rows) {
		snprintf(t->row[r].name, sizeof(t->row[r].name), "%s", attack);
		t->rows++;
	}
	for (unsigned c = 0; c < COLUMNS; c++)
		if (columns[c].level == level && !t->row[r].seen[c])
			t->row[r].seen[c] = seen;
}

bool table_write(const struct policy_table *t, const char *path)
{
	FILE *f = fopen(path, "we");

	if (!f)
		return false;
	fputs("| attack |", f);
	for (unsigned c = 0; c < COLUMNS; c++)
		fprintf(f, " %s |", columns[c].name);
	fputs("\n| --- |", f);
	for (unsigned c = 0; c < COLUMNS; c++)
		fputs(" --- |", f);
	fputc('\n', f);
	for (unsigned r = 0; r < t->rows; r++) {
		fprintf(f, "| %s |", t->row[r].name);
		for (unsigned c = 0; c < COLUMNS; c++)
			fprintf(f, " %s |", t->row[r].seen[c] ? t->row[r].seen[c] : "");
		fputc('\n', f);
	}
	return fclose(f) == 0;
}
