/* The tables of names and actions. */
#include <string.h>

#include "ept/rules.h"

enum { P, F, H };
static const struct {
	const char *name, *text;
	int kind;
	enum ept_action action[LEVELS];
} rules[RULES] = {
/* A bug of the kernel's own then ends the machine where it happens. */
#define AT_TEXT(rule) \
	((rule) == RULE_TEXT ? ACTION_STOP : (rule) == RULE_DMA ? ACTION_REFUSE : ACTION_NONE)
#define ROW(id, name, text, kind, kdp, hvci) \
	[RULE_##id] = {                      \
	    name, text, kind, {ACTION_NONE, AT_TEXT(RULE_##id), ACTION_##kdp, ACTION_##hvci}},
    EPT_RULES(ROW)
#undef ROW
};
static const char *const levels[LEVELS] = {"off", "text", "kdp", "hvci"};
static const char *const actions[ACTIONS] = {"none", "audit", "refuse", "stop"};
static const char *const accesses[] = {"read", "write", "execute", "state"};

void rules_default(struct ept_rules *r, enum ept_level level)
{
	for (unsigned i = 0; i < RULES; i++)
		r->action[i] = rules[i].action[level];
}

const char *rule_name(enum ept_rule rule)
{
	return rules[rule].name;
}

const char *rule_text(enum ept_rule rule)
{
	return rules[rule].text;
}

bool rule_prevents(enum ept_rule rule, enum ept_level level)
{
	return rules[rule].kind == P || (rules[rule].kind == H && level >= LEVEL_HVCI);
}

bool rule_by_name(const char *name, enum ept_rule *rule)
{
	for (unsigned i = 0; i < RULES; i++)
		if (strcmp(rules[i].name, name) == 0) {
			*rule = (enum ept_rule)i;
			return true;
		}
	return false;
}

static bool find(const char *const *names, unsigned count, const char *name, unsigned *index)
{
	for (unsigned i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0) {
			*index = i;
			return true;
		}
	return false;
}

const char *level_name(enum ept_level level)
{
	return levels[level];
}

bool level_by_name(const char *name, enum ept_level *level)
{
	unsigned i;
	bool ok = find(levels, LEVELS, name, &i);

	if (ok)
		*level = (enum ept_level)i;
	return ok;
}

const char *action_name(enum ept_action action)
{
	return actions[action];
}

bool action_by_name(const char *name, enum ept_action *action)
{
	unsigned i;
	bool ok = find(actions, ACTIONS, name, &i);

	if (ok)
		*action = (enum ept_action)i;
	return ok;
}

const char *access_name(enum ept_access_kind kind)
{
	return accesses[kind];
}
