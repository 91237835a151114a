/*
 * Policy files: YAML by libyaml's document loader, checked row by row against tables of keys. The
 * first thing that is wrong is told with its line and column.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <yaml.h>

#include "host/policy.h"

#define MAX_NUMBER 1000000000u

struct reader {
	struct policy *p;
	yaml_document_t doc;
	int status;
};

typedef void field_fn(struct reader *r, const yaml_node_t *value);
struct field {
	const char *key;
	field_fn *set;
};

static const char *const outcomes[ATTACK_OUTCOMES] = {"succeeded", "refused", "ends"};

const char *outcome_name(enum policy_outcome outcome)
{
	return outcomes[outcome];
}

__attribute__((format(printf, 3, 4))) static void wrong(struct reader *r, yaml_mark_t at,
							const char *fmt, ...)
{
	char text[256];
	va_list ap;

	if (r->status)
		return;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	r->status =
	    complain(STATUS_USAGE, "%s:%zu:%zu: %s", r->p->path, at.line + 1, at.column + 1, text);
}

/* ---- values ---- */

static const char *scalar(struct reader *r, const yaml_node_t *n, const char *what)
{
	if (n->type == YAML_SCALAR_NODE)
		return (const char *)n->data.scalar.value;
	wrong(r, n->start_mark, "%s has to be a single value", what);
	return NULL;
}

static uint64_t number(struct reader *r, const yaml_node_t *n, const char *what, uint64_t least,
		       uint64_t most)
{
	const char *s = scalar(r, n, what);
	char *end;
	unsigned long long v;

	if (!s)
		return 0;
	errno = 0;
	v = strtoull(s, &end, 0);
	if (errno || *end || end == s || *s == '-' || v < least || v > most)
		wrong(r, n->start_mark, "%s: %s is not a number from %llu to %llu", what, s,
		      (unsigned long long)least, (unsigned long long)most);
	return v;
}

/* Each pair of a mapping goes to the row of its key. */
static void mapping(struct reader *r, const yaml_node_t *n, const char *what,
		    const struct field *fields, size_t nfields)
{
	if (n->type != YAML_MAPPING_NODE) {
		wrong(r, n->start_mark, "%s has to be a mapping (key: value)", what);
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
		const char *name = scalar(r, key, "a key");
		size_t i = 0;

		if (!name)
			return;
		while (i < nfields && strcmp(fields[i].key, name) != 0)
			i++;
		if (i == nfields) {
			wrong(r, key->start_mark, "%s has no key `%s`", what, name);
			return;
		}
		for (yaml_node_pair_t *q = n->data.mapping.pairs.start; q < p; q++) {
			const yaml_node_t *other = yaml_document_get_node(&r->doc, q->key);

			if (other->type == YAML_SCALAR_NODE &&
			    strcmp((const char *)other->data.scalar.value, name) == 0)
				wrong(r, key->start_mark, "`%s` is given twice", name);
		}
		fields[i].set(r, value);
	}
}
#define MAPPING(r, n, what, fields) \
	mapping(r, n, what, (fields), sizeof(fields) / sizeof((fields)[0]))

static void sequence(struct reader *r, const yaml_node_t *n, const char *what, field_fn *each)
{
	if (n->type != YAML_SEQUENCE_NODE) {
		wrong(r, n->start_mark, "%s has to be a list", what);
		return;
	}
	for (yaml_node_item_t *i = n->data.sequence.items.start; i < n->data.sequence.items.top;
	     i++)
		if (!r->status)
			each(r, yaml_document_get_node(&r->doc, *i));
}

/* ---- the keys ---- */

static void set_text(struct reader *r, const yaml_node_t *n, const char *what, char **out)
{
	const char *s = scalar(r, n, what);

	if (s && !*s)
		wrong(r, n->start_mark, "%s is empty", what);
	free(*out);
	*out = s ? strdup(s) : NULL;
}

static void set_name(struct reader *r, const yaml_node_t *n)
{
	set_text(r, n, "name", &r->p->name);
}

static void set_level(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "level");

	if (s && !level_by_name(s, &r->p->protection.level))
		wrong(r, n->start_mark, "level: %s is not off, text, kdp or hvci", s);
}

static void set_action(struct reader *r, enum ept_rule rule, enum ept_action action, yaml_mark_t at)
{
	if (!rule_prevents(rule, r->p->protection.level) && action == ACTION_REFUSE)
		wrong(r, at, "%s is found afterwards and cannot be refused: audit, stop or none",
		      rule_name(rule));
	r->p->protection.rules.action[rule] = action;
}

static void set_actions(struct reader *r, const yaml_node_t *n)
{
	if (n->type != YAML_MAPPING_NODE) {
		wrong(r, n->start_mark, "actions has to be a mapping (rule: action)");
		return;
	}
	for (yaml_node_pair_t *p = n->data.mapping.pairs.start; p < n->data.mapping.pairs.top;
	     p++) {
		const yaml_node_t *key = yaml_document_get_node(&r->doc, p->key);
		const yaml_node_t *value = yaml_document_get_node(&r->doc, p->value);
		const char *name = scalar(r, key, "a rule"), *v = scalar(r, value, "an action");
		enum ept_action action;
		enum ept_rule rule;

		if (!name || !v)
			return;
		if (!action_by_name(v, &action)) {
			wrong(r, value->start_mark, "%s is not none, audit, refuse or stop", v);
		} else if (strcmp(name, "integrity") == 0) {
			for (unsigned i = 0; i < RULES; i++)
				if (!rule_prevents((enum ept_rule)i, r->p->protection.level))
					set_action(r, (enum ept_rule)i, action, value->start_mark);
		} else if (!rule_by_name(name, &rule)) {
			wrong(r, key->start_mark, "there is no rule `%s`", name);
		} else {
			set_action(r, rule, action, value->start_mark);
		}
	}
}

static struct vm_region *region(struct reader *r)
{
	return &r->p->protection.region[r->p->protection.nregions];
}
static void set_region_name(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "a region's name");

	if (s)
		snprintf(region(r)->name, sizeof(region(r)->name), "%s", s);
}
static void set_region_symbol(struct reader *r, const yaml_node_t *n)
{
	char **own = &r->p->symbol[r->p->protection.nregions];

	set_text(r, n, "a region's symbol", own);
	region(r)->symbol = *own;
}
static void set_region_action(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "an action");

	if (s && !action_by_name(s, &region(r)->action))
		wrong(r, n->start_mark, "%s is not none, audit, refuse or stop", s);
}
static void add_region(struct reader *r, const yaml_node_t *n)
{
	static const struct field fields[] = {{"name", set_region_name},
					      {"symbol", set_region_symbol},
					      {"action", set_region_action}};

	if (r->p->protection.nregions == VM_MAX_REGIONS) {
		wrong(r, n->start_mark, "there can be %d regions at most", VM_MAX_REGIONS);
		return;
	}
	region(r)->action = ACTION_REFUSE;
	MAPPING(r, n, "a region", fields);
	if (!region(r)->symbol || !region(r)->name[0])
		wrong(r, n->start_mark, "a region needs a name and a symbol");
	r->p->protection.nregions++;
}
static void set_regions(struct reader *r, const yaml_node_t *n)
{
	sequence(r, n, "regions", add_region);
}

static void set_exits(struct reader *r, const yaml_node_t *n)
{
	r->p->protection.scan_exits = number(r, n, "exits", 0, MAX_NUMBER);
}
static void set_mean(struct reader *r, const yaml_node_t *n)
{
	r->p->protection.scan_mean_ns = 1000000 * number(r, n, "mean-ms", 0, MAX_NUMBER);
}
static void set_seed(struct reader *r, const yaml_node_t *n)
{
	r->p->protection.scan_seed = number(r, n, "seed", 0, UINT64_MAX);
}
static void set_scan(struct reader *r, const yaml_node_t *n)
{
	static const struct field fields[] = {
	    {"exits", set_exits}, {"mean-ms", set_mean}, {"seed", set_seed}};

	MAPPING(r, n, "scan", fields);
}

static void add_approval(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "a module");
	int e = s ? approve_module(&r->p->protection, s, r->p->path) : 0;

	if (e < 0)
		wrong(r, n->start_mark, "%s: %s", s, strerror(-e));
}
static void set_approve(struct reader *r, const yaml_node_t *n)
{
	sequence(r, n, "approve", add_approval);
}

static void set_memory(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "memory");

	if (s && (parse_size(s, &r->p->memory) < 0 || r->p->memory < VM_MIN_MEMORY ||
		  r->p->memory > VM_MAX_MEMORY))
		wrong(r, n->start_mark, "memory: %s is not a size from %uM to %lluG", s,
		      VM_MIN_MEMORY >> 20, VM_MAX_MEMORY >> 30);
}
static void set_cpus(struct reader *r, const yaml_node_t *n)
{
	r->p->cpus = (unsigned)number(r, n, "cpus", 1, VM_MAX_CPUS);
}
static void set_pagefiles(struct reader *r, const yaml_node_t *n)
{
	r->p->pagefiles = (unsigned)number(r, n, "pagefiles", 1, NTMM_MAX_PAGEFILES);
}
static void set_timeout(struct reader *r, const yaml_node_t *n)
{
	r->p->timeout = (unsigned)number(r, n, "timeout", 1, 100000);
}
static void set_vulnerable(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "vulnerable");

	if (s && strcmp(s, "true") != 0 && strcmp(s, "false") != 0)
		wrong(r, n->start_mark, "vulnerable: %s is not true or false", s);
	r->p->protection.vulnerable = s && strcmp(s, "true") == 0;
}
static void set_vm(struct reader *r, const yaml_node_t *n)
{
	static const struct field fields[] = {{"memory", set_memory},
					      {"cpus", set_cpus},
					      {"pagefiles", set_pagefiles},
					      {"vulnerable", set_vulnerable},
					      {"timeout", set_timeout}};

	MAPPING(r, n, "vm", fields);
}

static struct policy_attack *attack(struct reader *r)
{
	return &r->p->attack[r->p->nattacks];
}
static void set_run(struct reader *r, const yaml_node_t *n)
{
	set_text(r, n, "run", &attack(r)->name);
}
static void set_outcome(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "outcome");

	for (unsigned i = 0; s && i < ATTACK_OUTCOMES; i++)
		if (strcmp(s, outcomes[i]) == 0) {
			attack(r)->outcome = (enum policy_outcome)i;
			return;
		}
	if (s)
		wrong(r, n->start_mark, "outcome: %s is not succeeded, refused or ends", s);
}
static void add_event(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "an event");
	struct policy_attack *a = attack(r);
	struct policy_event *e = &a->event[a->nevents];
	char rule[48], action[16];
	int words = s ? sscanf(s, "%47s %15s", rule, action) : 0;

	if (!s)
		return;
	if (a->nevents == POLICY_EVENTS)
		wrong(r, n->start_mark, "an attack can have %d events at most", POLICY_EVENTS);
	else if (words < 1 || !rule_by_name(rule, &e->rule))
		wrong(r, n->start_mark, "there is no rule `%s`", s);
	else if (words == 2 && !action_by_name(action, &e->action))
		wrong(r, n->start_mark, "%s is not none, audit, refuse or stop", action);
	else {
		e->any_action = words == 1;
		a->nevents++;
	}
}
static void set_events(struct reader *r, const yaml_node_t *n)
{
	sequence(r, n, "events", add_event);
}
static void add_attack(struct reader *r, const yaml_node_t *n)
{
	static const struct field fields[] = {
	    {"run", set_run}, {"outcome", set_outcome}, {"events", set_events}};

	if (r->p->nattacks == POLICY_ATTACKS) {
		wrong(r, n->start_mark, "there can be %d attacks at most", POLICY_ATTACKS);
		return;
	}
	attack(r)->line = (unsigned)n->start_mark.line + 1;
	MAPPING(r, n, "an attack", fields);
	if (!attack(r)->name)
		wrong(r, n->start_mark, "an attack needs `run`");
	r->p->nattacks++;
}
static void set_attacks(struct reader *r, const yaml_node_t *n)
{
	sequence(r, n, "attacks", add_attack);
}

static void set_end(struct reader *r, const yaml_node_t *n)
{
	const char *s = scalar(r, n, "outcome");
	unsigned code;
	char rest;

	if (!s)
		return;
	if (strcmp(s, "stop") == 0)
		r->p->end_status = STATUS_VIOLATION;
	else if (strcmp(s, "bugcheck") == 0)
		r->p->end_status = STATUS_BUGCHECK;
	else if (sscanf(s, "exit %u%c", &code, &rest) == 1 && code <= 255)
		r->p->end_status = (enum status)code;
	else
		wrong(r, n->start_mark, "outcome: %s is not exit N, stop or bugcheck", s);
}

static void ignore(struct reader *r, const yaml_node_t *n)
{
	(void)r;
	(void)n;
}

/* The level comes first, since it sets what the others change. */
static const struct field first_pass[] = {
    {"name", set_name},	 {"level", set_level}, {"actions", ignore},
    {"regions", ignore}, {"approve", ignore},  {"scan", ignore},
    {"vm", ignore},	 {"attacks", ignore},  {"outcome", ignore}};
static const struct field second_pass[] = {
    {"name", ignore},	      {"level", ignore},	{"actions", set_actions},
    {"regions", set_regions}, {"approve", set_approve}, {"scan", set_scan},
    {"vm", set_vm},	      {"attacks", set_attacks}, {"outcome", set_end}};

static void read_document(struct reader *r)
{
	const yaml_node_t *root = yaml_document_get_root_node(&r->doc);

	if (!root) {
		wrong(r, (yaml_mark_t){0}, "the file is empty");
		return;
	}
	r->p->protection.level = LEVELS;
	MAPPING(r, root, "a policy", first_pass);
	if (!r->status && r->p->protection.level == LEVELS)
		wrong(r, root->start_mark, "`level` is missing: off, text, kdp or hvci");
	if (r->status)
		return;
	rules_default(&r->p->protection.rules, r->p->protection.level);
	MAPPING(r, root, "a policy", second_pass);
}

int policy_load(const char *path, struct policy *p)
{
	struct reader r = {.p = p};
	yaml_parser_t parser;
	FILE *f;

	memset(p, 0, sizeof(*p));
	p->path = strdup(path);
	p->memory = 48u << 20;
	p->cpus = 1;
	p->pagefiles = 1;
	p->timeout = 120;
	f = fopen(path, "re");
	if (!f)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	if (!yaml_parser_initialize(&parser)) {
		fclose(f);
		return complain(STATUS_HOST, "out of memory");
	}
	yaml_parser_set_input_file(&parser, f);
	if (yaml_parser_load(&parser, &r.doc)) {
		read_document(&r);
		yaml_document_delete(&r.doc);
	} else {
		wrong(&r, parser.problem_mark, "%s", parser.problem ? parser.problem : "no YAML");
	}
	yaml_parser_delete(&parser);
	fclose(f);
	if (!r.status && !p->name)
		p->name = strdup(path);
	return r.status;
}

int policy_apply(const char *path, struct run_options *o)
{
	struct policy p;
	int r = policy_load(path, &p);

	if (r == 0) {
		o->protection = p.protection;
		memset(p.symbol, 0, sizeof(p.symbol)); /* the options keep them to the end */
	}
	policy_free(&p);
	return r;
}

void policy_free(struct policy *p)
{
	for (unsigned i = 0; i < p->nattacks; i++)
		free(p->attack[i].name);
	for (unsigned i = 0; i < VM_MAX_REGIONS; i++)
		free(p->symbol[i]);
	free(p->path);
	free(p->name);
}
