/*
 * scan: is the guest's kernel still what it was when it was sealed? Looked at from outside, with
 * every CPU stopped: registers, code, and the kernel's page tables as a whole.
 *
 * Pure. What is wrong is given to a callback, one call a finding.
 */
#ifndef EPT_SCAN_H
#define EPT_SCAN_H

#include "ept/rules.h"

#define SCAN_MAX_MSRS 16u

/* Registers of one CPU that may not change once the machine is sealed. */
struct scan_cpu {
	bool valid; /* it runs in long mode */
	uint64_t cr0, cr3, cr4, efer;
	uint64_t gdt_base, idt_base;
	uint16_t gdt_limit, idt_limit;
	uint16_t ldt, tr;
	uint64_t msr[SCAN_MAX_MSRS]; /* in the order of the caller's table */
};

struct scan_code {
	uint64_t va, bytes; /* where the kernel executes it */
	gpa_t gpa;
	uint64_t hash;
};
#define SCAN_MAX_CODE 48u

/* What was so when the machine was sealed. */
struct scan_baseline {
	struct scan_cpu cpu; /* cr3, gdt_base, tr: differ from CPU to CPU, not compared from here */
	unsigned nmsrs;
	const char *const *msr_name;
	uint64_t root;	   /* page tables whose upper half everyone shares */
	uint64_t top[256]; /* their entries, without accessed and dirty */
	unsigned ncode;
	struct scan_code code[SCAN_MAX_CODE]; /* approved */
	uint64_t image_va, image_bytes;	      /* kernel image: va - image_va + image_gpa */
	gpa_t image_gpa;
	bool (*protected_)(void *arg, gpa_t gpa, uint64_t bytes); /* none of it may be mapped
								     writable */
	void *arg;
};

struct scan_finding {
	enum ept_rule rule;
	bool has_gpa, has_gva;
	gpa_t gpa;
	uint64_t gva;
	uint64_t value;
	const char *target;
};
typedef void scan_fn(void *arg, const struct scan_finding *finding);

/* Fills in root, top and code hashes; the rest is the caller's. -EFAULT: tables not in memory. */
int scan_begin(struct scan_baseline *b, const struct ept_memory *m, uint64_t cr3);
/* Approves more code. -ENOSPC, -EFAULT. */
int scan_approve(struct scan_baseline *b, const struct ept_memory *m, uint64_t va, gpa_t gpa,
		 uint64_t bytes);

/* Takes approval back of code that is gone. */
void scan_disapprove(struct scan_baseline *b, gpa_t gpa);

/* own: this CPU at the time of sealing; now: as it is. */
void scan_registers(const struct scan_baseline *b, const struct scan_cpu *own,
		    const struct scan_cpu *now, scan_fn *found, void *arg);
void scan_hashes(const struct scan_baseline *b, const struct ept_memory *m, scan_fn *found,
		 void *arg);
/* The tables that cr3 names: both halves; the upper one against the baseline. */
void scan_tables(const struct scan_baseline *b, const struct ept_memory *m, uint64_t cr3,
		 scan_fn *found, void *arg);

#endif
