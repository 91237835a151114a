/*
 * rules: what the host forbids, what it does when it happens, and the record of it.
 *
 * One row a rule, with the action that each level takes unless a policy says otherwise. A
 * violation names the rule; everything else in the record says where and by whom.
 */
#ifndef EPT_RULES_H
#define EPT_RULES_H

#include "ept/insn.h"

/* off: nothing; text, the default: kernel code and constants cannot be written, the least that
 * costs nothing; kdp: writes to what is protected are prevented, the rest is found by scans; hvci:
 * page tables are the host's, so that nothing but approved code runs in kernel mode. */
enum ept_level { LEVEL_OFF, LEVEL_TEXT, LEVEL_KDP, LEVEL_HVCI, LEVELS };

enum ept_action {
	ACTION_NONE,   /* the rule is not in force */
	ACTION_AUDIT,  /* it happens, and is recorded */
	ACTION_REFUSE, /* it does not happen; the guest gets an exception or an error */
	ACTION_STOP,   /* the machine ends */
	ACTIONS
};

/*
 * name, text, kind (P: prevented at the access, F: found by a scan or after the fact, H: prevented
 * at hvci, found below), action at kdp, at hvci. At off no rule is in force; at text those of
 * rules.c's AT_TEXT.
 */
/* clang-format off */
#define EPT_RULES(X)                                                                                      \
	X(TEXT,         "text",            "write to kernel code or constants",        P, REFUSE, REFUSE) \
	X(KDP,          "kdp",             "write to protected kernel data",           P, REFUSE, REFUSE) \
	X(POOL,         "pool",            "write to sealed secure pool",              P, REFUSE, REFUSE) \
	X(SECURE,       "secure",          "access to memory that is not the guest's", P, REFUSE, REFUSE) \
	X(REGION,       "region",          "write to a region of the policy",          P, REFUSE, REFUSE) \
	X(MSR,          "msr",             "write to a locked MSR",                    P, REFUSE, REFUSE) \
	X(DMA,          "dma",             "device told to write protected memory",    P, REFUSE, REFUSE) \
	X(HYPERCALL,    "hypercall",       "hypercall that its owner has not allowed", P, REFUSE, REFUSE) \
	X(CR,           "cr",              "control register changed",                 F, STOP,   STOP)   \
	X(DESCRIPTORS,  "descriptors",     "descriptor table register changed",        F, STOP,   STOP)   \
	X(MSR_VALUE,    "msr-value",       "MSR changed",                              F, STOP,   STOP)   \
	X(CODE_HASH,    "code-hash",       "kernel code changed",                      F, STOP,   STOP)   \
	X(WX,           "wx",              "kernel page writable and executable",      H, STOP,   REFUSE) \
	X(UNKNOWN_CODE, "unknown-code",    "kernel page executable without approval",  H, STOP,   REFUSE) \
	X(ALIAS,        "alias",           "writable mapping of protected memory",     H, STOP,   REFUSE) \
	X(USER_KERNEL,  "user-kernel",     "kernel page that user mode can reach",     H, STOP,   REFUSE) \
	X(SUPERVISOR,   "supervisor-user", "user address executable in kernel mode",   H, STOP,   REFUSE) \
	X(REMAP,        "remap",           "kernel address mapped to other memory",    H, STOP,   REFUSE) \
	X(TABLE,        "table",           "page-table entry that leads astray",       P, NONE,   REFUSE) \
	X(CR3,          "cr3",             "load of page tables that are not known",   P, NONE,   REFUSE) \
	X(MODULE,       "module",          "kernel module that is not approved",       P, NONE,   REFUSE)
/* clang-format on */

#define EPT_RULE_ENUM(id, name, text, kind, kdp, hvci) RULE_##id,
enum ept_rule { EPT_RULES(EPT_RULE_ENUM) RULES };
#undef EPT_RULE_ENUM

/* An action for each rule. */
struct ept_rules {
	enum ept_action action[RULES];
};

void rules_default(struct ept_rules *rules, enum ept_level level);
const char *rule_name(enum ept_rule rule);
const char *rule_text(enum ept_rule rule);
/* Prevented at the access (else found by a scan). */
bool rule_prevents(enum ept_rule rule, enum ept_level level);
bool rule_by_name(const char *name, enum ept_rule *rule);

const char *level_name(enum ept_level level);
bool level_by_name(const char *name, enum ept_level *level);
const char *action_name(enum ept_action action);
bool action_by_name(const char *name, enum ept_action *action);

enum ept_access_kind { ACCESS_READ, ACCESS_WRITE, ACCESS_EXECUTE, ACCESS_STATE };
const char *access_name(enum ept_access_kind kind);

/* The record of one violation. Where a part is not known, its has_ flag is false or it is empty. */
struct ept_violation {
	uint64_t ns; /* since the machine was started */
	unsigned cpu;
	enum ept_rule rule;
	enum ept_action action;
	enum ept_access_kind access;
	bool has_gpa, has_gva;
	gpa_t gpa;
	uint64_t gva;
	uint32_t bytes;
	uint64_t value;	 /* written, or found */
	char target[48]; /* what lies at the address: "idt", "syscall_table+0x10", "LSTAR" */
	uint64_t rip;	 /* 0: no instruction did it */
	char symbol[96]; /* of rip */
	char insn[96];	 /* disassembled */
	uint64_t cr3;
	uint32_t pid;
	char process[32];  /* as the guest's kernel names it */
	char note[48];	   /* what the guest said it was doing (--vulnerable) */
	uint64_t repeated; /* times the same happened again right after */
};

#endif
