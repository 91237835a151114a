/* The checks, each over one table of what may not change. */
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include <xxhash.h>

#include "ept/scan.h"
#include "guest/abi/machine.h"

#define CR0_PINNED 0x80010001ull /* PG, WP, PE */
#define EFER_LMA   (1ull << 10)
#define AD_BITS	   0x60ull
#define HALF	   256u

static uint64_t hash_of(const void *p, uint64_t bytes)
{
	return XXH3_64bits(p, bytes);
}

int scan_approve(struct scan_baseline *b, const struct ept_memory *m, uint64_t va, gpa_t gpa,
		 uint64_t bytes)
{
	const void *p = ept_at(m, gpa, bytes);

	if (b->ncode == SCAN_MAX_CODE)
		return -ENOSPC;
	if (!p)
		return -EFAULT;
	b->code[b->ncode++] = (struct scan_code){va, bytes, gpa, hash_of(p, bytes)};
	return 0;
}

void scan_disapprove(struct scan_baseline *b, gpa_t gpa)
{
	for (unsigned i = 0; i < b->ncode; i++)
		if (b->code[i].gpa == gpa)
			b->code[i--] = b->code[--b->ncode];
}

int scan_begin(struct scan_baseline *b, const struct ept_memory *m, uint64_t cr3)
{
	const uint64_t *t = ept_at(m, cr3 & PT_FRAME, NTMM_PAGE_SIZE);

	if (!t)
		return -EFAULT;
	b->root = cr3 & PT_FRAME;
	for (unsigned i = 0; i < HALF; i++)
		b->top[i] = t[HALF + i] & ~AD_BITS;
	return 0;
}

static void report(scan_fn *found, void *arg, enum ept_rule rule, const char *target, uint64_t gva,
		   uint64_t value)
{
	const struct scan_finding f = {
	    .rule = rule, .has_gva = gva != 0, .gva = gva, .value = value, .target = target};

	found(arg, &f);
}

/* The registers: which rule, mask of the bits that are pinned. */
static const struct {
	const char *name;
	size_t offset;
	uint64_t mask;
	enum ept_rule rule;
} registers[] = {
    {"CR0", offsetof(struct scan_cpu, cr0), CR0_PINNED, RULE_CR},
    {"CR4", offsetof(struct scan_cpu, cr4), ~0ull, RULE_CR},
    {"EFER", offsetof(struct scan_cpu, efer), ~EFER_LMA, RULE_MSR_VALUE},
    {"GDTR", offsetof(struct scan_cpu, gdt_base), ~0ull, RULE_DESCRIPTORS},
    {"IDTR", offsetof(struct scan_cpu, idt_base), ~0ull, RULE_DESCRIPTORS},
};

void scan_registers(const struct scan_baseline *b, const struct scan_cpu *own,
		    const struct scan_cpu *now, scan_fn *found, void *arg)
{
	if (!own->valid || !now->valid)
		return;
	for (size_t i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		uint64_t was, is;

		memcpy(&was, (const char *)own + registers[i].offset, sizeof(was));
		memcpy(&is, (const char *)now + registers[i].offset, sizeof(is));
		if ((was ^ is) & registers[i].mask)
			report(found, arg, registers[i].rule, registers[i].name, 0, is);
	}
	if (own->gdt_limit != now->gdt_limit || own->idt_limit != now->idt_limit)
		report(found, arg, RULE_DESCRIPTORS, "limit", 0,
		       (uint64_t)now->gdt_limit << 16 | now->idt_limit);
	if (own->ldt != now->ldt || own->tr != now->tr)
		report(found, arg, RULE_DESCRIPTORS, "LDTR/TR", 0,
		       (uint64_t)now->ldt << 16 | now->tr);
	for (unsigned i = 0; i < b->nmsrs; i++)
		if (own->msr[i] != now->msr[i])
			report(found, arg, RULE_MSR_VALUE, b->msr_name[i], 0, now->msr[i]);
}

void scan_hashes(const struct scan_baseline *b, const struct ept_memory *m, scan_fn *found,
		 void *arg)
{
	for (unsigned i = 0; i < b->ncode; i++) {
		const struct scan_code *c = &b->code[i];
		const void *p = ept_at(m, c->gpa, c->bytes);

		if (!p || hash_of(p, c->bytes) != c->hash) {
			const struct scan_finding f = {.rule = RULE_CODE_HASH,
						       .has_gpa = true,
						       .has_gva = true,
						       .gpa = c->gpa,
						       .gva = c->va,
						       .target = "code"};

			found(arg, &f);
		}
	}
}

/* Is all of the leaf approved code, where it is approved to be? */
static bool approved(const struct scan_baseline *b, const struct ept_leaf *l)
{
	for (unsigned i = 0; i < b->ncode; i++) {
		const struct scan_code *c = &b->code[i];
		uint64_t bytes = (c->bytes + NTMM_PAGE_SIZE - 1) & ~(uint64_t)(NTMM_PAGE_SIZE - 1);

		if (l->gpa >= c->gpa && l->gpa + l->bytes <= c->gpa + bytes &&
		    l->va - c->va == l->gpa - c->gpa)
			return true;
	}
	return false;
}

struct tables {
	const struct scan_baseline *b;
	scan_fn *found;
	void *arg;
};

static void report_leaf(const struct tables *t, enum ept_rule rule, const struct ept_leaf *l)
{
	const struct scan_finding f = {.rule = rule,
				       .has_gpa = true,
				       .has_gva = true,
				       .gpa = l->gpa,
				       .gva = l->va,
				       .value = l->entry};

	t->found(t->arg, &f);
}

static int kernel_leaf(void *arg, const struct ept_leaf *l)
{
	const struct tables *t = arg;
	const struct scan_baseline *b = t->b;

	if (l->user)
		report_leaf(t, RULE_USER_KERNEL, l);
	if (l->execute && l->write)
		report_leaf(t, RULE_WX, l);
	else if (l->execute && !approved(b, l))
		report_leaf(t, RULE_UNKNOWN_CODE, l);
	if (l->write && b->protected_(b->arg, l->gpa, l->bytes))
		report_leaf(t, RULE_ALIAS, l);
	if (l->va - b->image_va < b->image_bytes && l->gpa != b->image_gpa + (l->va - b->image_va))
		report_leaf(t, RULE_REMAP, l);
	return 0;
}

static int user_leaf(void *arg, const struct ept_leaf *l)
{
	const struct tables *t = arg;

	if (!l->user && l->execute)
		report_leaf(t, RULE_SUPERVISOR, l);
	if (l->write && t->b->protected_(t->b->arg, l->gpa, l->bytes))
		report_leaf(t, RULE_ALIAS, l);
	return 0;
}

void scan_tables(const struct scan_baseline *b, const struct ept_memory *m, uint64_t cr3,
		 scan_fn *found, void *arg)
{
	struct tables t = {b, found, arg};
	const uint64_t *top = ept_at(m, cr3 & PT_FRAME, NTMM_PAGE_SIZE);

	if (!top) {
		report(found, arg, RULE_REMAP, "CR3", 0, cr3);
		return;
	}
	for (unsigned i = 0; i < HALF; i++)
		if ((top[HALF + i] & ~AD_BITS) != b->top[i]) {
			report(found, arg, RULE_REMAP, "PML4",
			       ~0ull << 48 | (HALF + i) * PT_SPAN(4), top[HALF + i]);
			break;
		}
	ept_walk_all(m, cr3, HALF, PT_ENTRIES, kernel_leaf, &t);
	ept_walk_all(m, cr3, 0, HALF, user_leaf, &t);
}
