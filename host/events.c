/*
 * Violations as text for people and as JSON for programs: one line each. `ntmm events` shows the
 * file that `ntmm run --events FILE` writes, and follows it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "host/host.h"

#define FOLLOW_MS 100

void event_line(FILE *f, const struct ept_violation *v)
{
	fprintf(f, "%9.3f ms cpu %u %s %s: %s", (double)v->ns / 1e6, v->cpu, action_name(v->action),
		rule_name(v->rule), rule_text(v->rule));
	if (v->target[0])
		fprintf(f, ", %s", v->target);
	if (v->has_gpa)
		fprintf(f, ", gpa 0x%" PRIx64, v->gpa);
	if (v->has_gva)
		fprintf(f, ", va 0x%" PRIx64, v->gva);
	if (v->access == ACCESS_WRITE && v->bytes)
		fprintf(f, ", %u bytes, value 0x%" PRIx64, v->bytes, v->value);
	else if (v->access == ACCESS_STATE)
		fprintf(f, ", value 0x%" PRIx64, v->value);
	if (v->rip)
		fprintf(f, ", at 0x%" PRIx64 " (%s) %s", v->rip,
			v->symbol[0] ? v->symbol : "no symbol", v->insn);
	if (v->process[0])
		fprintf(f, ", process %u %s", v->pid, v->process);
	if (v->repeated)
		fprintf(f, ", and %" PRIu64 " times more", v->repeated);
	fputc('\n', f);
}

static void add_hex(cJSON *o, const char *key, uint64_t v)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%" PRIx64, v);
	cJSON_AddStringToObject(o, key, text);
}

static void add_text(cJSON *o, const char *key, const char *v)
{
	if (v[0])
		cJSON_AddStringToObject(o, key, v);
}

void event_json(FILE *f, const struct ept_violation *v)
{
	cJSON *o = cJSON_CreateObject();
	char *line;

	cJSON_AddNumberToObject(o, "time_ms", (double)v->ns / 1e6);
	cJSON_AddNumberToObject(o, "cpu", v->cpu);
	cJSON_AddStringToObject(o, "rule", rule_name(v->rule));
	cJSON_AddStringToObject(o, "action", action_name(v->action));
	cJSON_AddStringToObject(o, "access", access_name(v->access));
	add_text(o, "target", v->target);
	if (v->has_gpa)
		add_hex(o, "gpa", v->gpa);
	if (v->has_gva)
		add_hex(o, "va", v->gva);
	if (v->bytes)
		cJSON_AddNumberToObject(o, "bytes", v->bytes);
	if (v->access != ACCESS_READ)
		add_hex(o, "value", v->value);
	if (v->rip)
		add_hex(o, "rip", v->rip);
	add_text(o, "symbol", v->symbol);
	add_text(o, "instruction", v->insn);
	add_hex(o, "cr3", v->cr3);
	if (v->process[0]) {
		cJSON_AddNumberToObject(o, "pid", v->pid);
		cJSON_AddStringToObject(o, "process", v->process);
	}
	add_text(o, "note", v->note);
	cJSON_AddNumberToObject(o, "repeated", (double)v->repeated);
	line = cJSON_PrintUnformatted(o);
	if (line)
		fprintf(f, "%s\n", line);
	fflush(f);
	free(line);
	cJSON_Delete(o);
}

/* ---- ntmm events ---- */

static const char *text_of(const cJSON *o, const char *key)
{
	const cJSON *i = cJSON_GetObjectItemCaseSensitive(o, key);

	return cJSON_IsString(i) ? i->valuestring : NULL;
}

static uint64_t number_of(const cJSON *o, const char *key)
{
	const cJSON *i = cJSON_GetObjectItemCaseSensitive(o, key);

	if (cJSON_IsString(i))
		return strtoull(i->valuestring, NULL, 16);
	return cJSON_IsNumber(i) && i->valuedouble > 0 ? (uint64_t)i->valuedouble : 0;
}

static void copy_text(char *to, size_t size, const cJSON *o, const char *key)
{
	const char *t = text_of(o, key);

	snprintf(to, size, "%s", t ? t : "");
}

bool event_parse(const char *line, struct ept_violation *v)
{
	cJSON *o = cJSON_Parse(line);
	const char *rule = text_of(o, "rule"), *action = text_of(o, "action"),
		   *access = text_of(o, "access");
	bool ok;

	memset(v, 0, sizeof(*v));
	ok = rule && action && access && rule_by_name(rule, &v->rule) &&
	     action_by_name(action, &v->action);
	if (ok) {
		const cJSON *ms = cJSON_GetObjectItemCaseSensitive(o, "time_ms");

		v->ns = cJSON_IsNumber(ms) ? (uint64_t)(ms->valuedouble * 1e6) : 0;
		v->cpu = (unsigned)number_of(o, "cpu");
		for (unsigned k = ACCESS_READ; k <= ACCESS_STATE; k++)
			if (strcmp(access_name((enum ept_access_kind)k), access) == 0)
				v->access = (enum ept_access_kind)k;
		v->has_gpa = text_of(o, "gpa") != NULL;
		v->has_gva = text_of(o, "va") != NULL;
		v->gpa = number_of(o, "gpa");
		v->gva = number_of(o, "va");
		v->bytes = (uint32_t)number_of(o, "bytes");
		v->value = number_of(o, "value");
		v->rip = number_of(o, "rip");
		v->cr3 = number_of(o, "cr3");
		v->pid = (uint32_t)number_of(o, "pid");
		v->repeated = number_of(o, "repeated");
		copy_text(v->target, sizeof(v->target), o, "target");
		copy_text(v->symbol, sizeof(v->symbol), o, "symbol");
		copy_text(v->insn, sizeof(v->insn), o, "instruction");
		copy_text(v->process, sizeof(v->process), o, "process");
		copy_text(v->note, sizeof(v->note), o, "note");
	}
	cJSON_Delete(o);
	return ok;
}

const char events_help[] =
    "usage: ntmm events [--json] [--follow] FILE\n\n"
    "Shows the violations that `ntmm run --events FILE` has written, one line each, or as JSON.\n"
    "With --follow it waits for more, until interrupted. - is standard input.\n";

int cmd_events(int argc, char **argv)
{
	bool json = false, follow = false;
	struct ept_violation v;
	size_t size = 0, number = 0;
	char *line = NULL;
	int i = 1, status = 0;
	FILE *f;

	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++)
		if (strcmp(argv[i], "--json") == 0)
			json = true;
		else if (strcmp(argv[i], "--follow") == 0 || strcmp(argv[i], "-f") == 0)
			follow = true;
		else
			return complain(STATUS_USAGE, "no option `%s`; see `ntmm help events`",
					argv[i]);
	if (argc - i != 1)
		return complain(STATUS_USAGE, "one file of events has to be named; see `ntmm help "
					      "events`");
	f = strcmp(argv[i], "-") == 0 ? stdin : fopen(argv[i], "re");
	if (!f)
		return complain(STATUS_USAGE, "%s: %s", argv[i], strerror(errno));
	for (;;) {
		if (getline(&line, &size, f) < 0) {
			if (!follow || ferror(f))
				break;
			fflush(stdout);
			clearerr(f);
			poll(NULL, 0, FOLLOW_MS);
			continue;
		}
		number++;
		if (!event_parse(line, &v)) {
			status =
			    complain(STATUS_USAGE, "%s: line %zu is not an event", argv[i], number);
			break;
		}
		if (json)
			fputs(line, stdout);
		else
			event_line(stdout, &v);
	}
	free(line);
	if (f != stdin)
		fclose(f);
	return status;
}
