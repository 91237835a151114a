/*
 * policy: what a policy file says. Private to host/policy*.c.
 *
 *   policy.c      reading and checking a file (YAML)
 *   policytest.c  running its attacks, comparing, telling the outcome
 *   policytable.c what came of each attack at each level, as a table
 *
 * A file:
 *
 *   name: text                          what is shown
 *   level: off | text | kdp | hvci
 *   actions:                            rule: action, over the level's own
 *     integrity: audit                  `integrity` is every rule found by scans
 *   regions:                            more memory to protect
 *     - {name: text, symbol: NAME, action: refuse}
 *   approve: [FILE | SHA-256, ...]      kernel modules that hvci lets in; files beside this one
 *   scan: {exits: N, mean-ms: N, seed: N}
 *   vm: {memory: SIZE, cpus: N, pagefiles: N, vulnerable: BOOL, timeout: SECONDS}
 *   attacks:                            in this order, in one machine
 *     - {run: NAME, outcome: succeeded | refused | ends, events: [RULE | RULE ACTION, ...]}
 *   outcome: exit N | stop | bugcheck   how the machine ends (default: exit 0)
 */
#ifndef HOST_POLICY_H
#define HOST_POLICY_H

#include "host/host.h"

#define POLICY_ATTACKS 96
#define POLICY_EVENTS  8

enum policy_outcome { ATTACK_SUCCEEDED, ATTACK_REFUSED, ATTACK_ENDS, ATTACK_OUTCOMES };

struct policy_event {
	enum ept_rule rule;
	bool any_action;
	enum ept_action action;
};

struct policy_attack {
	char *name;
	enum policy_outcome outcome;
	unsigned nevents;
	struct policy_event event[POLICY_EVENTS];
	unsigned line;
};

struct policy {
	char *path, *name;
	struct vm_protection protection;
	char *symbol[VM_MAX_REGIONS]; /* owns what the regions point to */
	uint64_t memory;
	unsigned cpus, pagefiles, timeout;
	unsigned nattacks;
	struct policy_attack attack[POLICY_ATTACKS];
	enum status end_status; /* of ntmm run */
};

/* Reads the file: 0, or STATUS_USAGE after a line that names file, line and column. */
int policy_load(const char *path, struct policy *p);
void policy_free(struct policy *p);
const char *outcome_name(enum policy_outcome outcome);

/* policytable.c. `seen` lives on. */
struct policy_table *table_new(void); /* free() it */
void table_note(struct policy_table *t, enum ept_level level, const char *attack, const char *seen);
bool table_write(const struct policy_table *t, const char *path);

#endif
