/*
 * What the host looks at and refuses, without a machine: page tables made by hand in 4 MB of
 * memory, attacked one entry at a time. Each attack has to be found under its own rule, and nothing
 * else.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ept/kdp.h"
#include "ept/scan.h"
#include "guest/abi/machine.h"

Suite *protect_suite(void);

#define MB	    (1ull << 20)
#define RAM	    (4 * MB)
#define IMAGE_VA    0xfffff80000200000ull
#define IMAGE_GPA   0x200000ull
#define TEXT_PAGES  4u
#define IMAGE_PAGES 8u
#define DATA_VA	    (IMAGE_VA + TEXT_PAGES * 4096)
#define USER_VA	    0x400000ull
#define ROOT	    0x1000ull
#define KPDPT	    0x2000ull
#define KPD	    0x3000ull
#define KPT	    0x4000ull
#define UPDPT	    0x5000ull
#define UPD	    0x6000ull
#define UPT	    0x7000ull
#define KDP_GPA	    0x300000ull
#define FREE_GPA    0x100000ull

static struct ept_map map;
static struct ept_memory mem;
static struct scan_baseline base;
static struct ept_kdp kdp;
static unsigned found[RULES], findings;

static uint64_t *at(uint64_t table, unsigned slot)
{
	return (uint64_t *)(mem.base + table) + slot;
}

static bool is_protected(void *arg, gpa_t gpa, uint64_t bytes)
{
	(void)arg;
	for (unsigned i = 0; i < map.count; i++)
		if (gpa < map.arena[i].gpa.end && gpa + bytes > map.arena[i].gpa.start &&
		    ept_is_protected(&map.arena[i]))
			return true;
	return false;
}

static void on_finding(void *arg, const struct scan_finding *f)
{
	(void)arg;
	found[f->rule]++;
	findings++;
}

static void setup(void)
{
	mem = (struct ept_memory){calloc(1, RAM), &map};
	ck_assert_int_eq(ept_layout_ram(&map, RAM), 0);
	ck_assert_int_eq(ept_carve(&map,
				   (struct gpa_range){IMAGE_GPA, IMAGE_GPA + TEXT_PAGES * 4096},
				   EPT_KERNEL_TEXT, EPT_RX, 0),
			 0);
	ck_assert_int_eq(
	    ept_carve(&map, (struct gpa_range){KDP_GPA, KDP_GPA + 0x10000}, EPT_KDP, EPT_R, 0), 0);
	ck_assert_int_eq(
	    kdp_init(&kdp, (struct gpa_range){KDP_GPA, KDP_GPA + 0x10000}, KDP_GPA + 0x1800), 0);
	*at(ROOT, 496) = KPDPT | PT_PRESENT | PT_WRITE;
	*at(ROOT, 0) = UPDPT | PT_PRESENT | PT_WRITE | PT_USER;
	*at(KPDPT, 0) = KPD | PT_PRESENT | PT_WRITE;
	*at(KPD, 1) = KPT | PT_PRESENT | PT_WRITE;
	*at(UPDPT, 0) = UPD | PT_PRESENT | PT_WRITE | PT_USER;
	*at(UPD, 2) = UPT | PT_PRESENT | PT_WRITE | PT_USER;
	for (unsigned i = 0; i < IMAGE_PAGES; i++)
		*at(KPT, i) =
		    (IMAGE_GPA + i * 4096) | PT_PRESENT | (i < TEXT_PAGES ? 0 : PT_WRITE | PT_NX);
	*at(UPT, 0) = FREE_GPA | PT_PRESENT | PT_WRITE | PT_USER;
	base = (struct scan_baseline){.image_va = IMAGE_VA,
				      .image_gpa = IMAGE_GPA,
				      .image_bytes = IMAGE_PAGES * 4096,
				      .protected_ = is_protected};
	ck_assert_int_eq(scan_begin(&base, &mem, ROOT), 0);
	ck_assert_int_eq(scan_approve(&base, &mem, IMAGE_VA, IMAGE_GPA, TEXT_PAGES * 4096 - 100),
			 0);
	memset(found, 0, sizeof(found));
	findings = 0;
}

static void teardown(void)
{
	free(mem.base);
}

static void scan(void)
{
	memset(found, 0, sizeof(found));
	findings = 0;
	scan_hashes(&base, &mem, on_finding, NULL);
	scan_tables(&base, &mem, ROOT, on_finding, NULL);
}

START_TEST(nothing_is_found_where_nothing_is)
{
	scan();
	ck_assert_uint_eq(findings, 0);
}
END_TEST

static const struct {
	const char *name;
	uint64_t table;
	unsigned slot;
	uint64_t clear, set;
	enum ept_rule rule;
} attacks[] = {
    {"data made executable", KPT, 5, PT_NX, 0, RULE_WX},
    {"data executable, not writable", KPT, 5, PT_NX | PT_WRITE, 0, RULE_UNKNOWN_CODE},
    {"a new executable page", KPT, 100, 0, FREE_GPA | PT_PRESENT, RULE_UNKNOWN_CODE},
    {"code writable", KPT, 1, 0, PT_WRITE, RULE_WX},
    {"protected data mapped writable", KPT, 101, 0,
     (KDP_GPA + 0x3000) | PT_PRESENT | PT_WRITE | PT_NX, RULE_ALIAS},
    {"code mapped writable elsewhere", KPT, 102, 0, IMAGE_GPA | PT_PRESENT | PT_WRITE | PT_NX,
     RULE_ALIAS},
    {"2 MB over protected memory", KPD, 7, 0, 0x200000 | PT_PRESENT | PT_WRITE | PT_NX | PT_LARGE,
     RULE_ALIAS},
    {"a user page for the kernel", UPT, 0, PT_USER, 0, RULE_SUPERVISOR},
    {"a user page over code", UPT, 3, 0, IMAGE_GPA | PT_PRESENT | PT_WRITE | PT_USER, RULE_ALIAS},
    {"data elsewhere", KPT, 6, PT_FRAME, FREE_GPA, RULE_REMAP},
    {"a new slot at the top", ROOT, 300, 0, UPDPT | PT_PRESENT | PT_WRITE | PT_NX, RULE_REMAP},
    {"a slot of the top less", ROOT, 496, PT_PRESENT, 0, RULE_REMAP},
};

START_TEST(each_attack_on_the_tables_is_found)
{
	*at(attacks[_i].table, attacks[_i].slot) &= ~attacks[_i].clear;
	*at(attacks[_i].table, attacks[_i].slot) |= attacks[_i].set;
	scan();
	ck_assert_msg(found[attacks[_i].rule] > 0, "%s", attacks[_i].name);
	/* writable code is an alias of protected memory as well */
	ck_assert_msg(findings == found[attacks[_i].rule] +
				      (attacks[_i].table == KPT && attacks[_i].slot == 1),
		      "%s: something else, too", attacks[_i].name);
}
END_TEST

START_TEST(a_kernel_page_for_the_user_is_found)
{
	*at(ROOT, 496) |= PT_USER;
	*at(KPDPT, 0) |= PT_USER;
	*at(KPD, 1) |= PT_USER;
	scan();
	ck_assert_uint_eq(found[RULE_USER_KERNEL], 0); /* one level still says no */
	*at(KPT, 5) |= PT_USER;
	scan();
	ck_assert_uint_eq(found[RULE_USER_KERNEL], 1);
	ck_assert_uint_eq(found[RULE_REMAP], 1); /* the top has changed */
}
END_TEST

START_TEST(approved_code_at_another_address_is_not_approved)
{
	*at(KPT, 200) = IMAGE_GPA | PT_PRESENT;
	scan();
	ck_assert_uint_eq(found[RULE_UNKNOWN_CODE], 1);
}
END_TEST

START_TEST(changed_code_is_found)
{
	mem.base[IMAGE_GPA + 5000] ^= 1;
	scan();
	ck_assert_uint_eq(found[RULE_CODE_HASH], 1);
	ck_assert_uint_eq(findings, 1);
}
END_TEST

START_TEST(tables_outside_of_memory_are_survived)
{
	*at(KPDPT, 1) = 0x7ffffffff000ull | PT_PRESENT;
	*at(UPD, 9) = PT_FRAME | PT_PRESENT;
	scan();
	ck_assert_uint_eq(findings, 0);
	scan_tables(&base, &mem, 1ull << 45, on_finding, NULL);
	ck_assert_uint_eq(found[RULE_REMAP], 1);
	*at(ROOT, 200) = ROOT | PT_PRESENT | PT_WRITE | PT_USER | PT_NX; /* a loop ends */
	scan();
}
END_TEST

START_TEST(each_register_is_compared)
{
	static const char *const names[] = {"LSTAR"};
	struct scan_cpu own = {.valid = true,
			       .cr0 = 0x80010033,
			       .cr4 = 0x3008a0,
			       .efer = 0xd01,
			       .gdt_base = 1,
			       .idt_base = 2,
			       .gdt_limit = 79,
			       .idt_limit = 4095,
			       .tr = 0x40,
			       .msr = {5}};
	struct scan_cpu now;
	struct {
		void *field;
		uint64_t flip;
		enum ept_rule rule; /* RULES: none */
	} rows[] = {
	    {&now.cr0, 1u << 16, RULE_CR},
	    {&now.cr0, 1u << 31, RULE_CR},
	    {&now.cr0, 1u << 3, RULES},
	    {&now.cr4, 1u << 20, RULE_CR},
	    {&now.cr4, 1u << 21, RULE_CR},
	    {&now.efer, 1u << 11, RULE_MSR_VALUE},
	    {&now.efer, 1u << 10, RULES},
	    {&now.gdt_base, 8, RULE_DESCRIPTORS},
	    {&now.idt_base, 8, RULE_DESCRIPTORS},
	    {&now.msr[0], 1, RULE_MSR_VALUE},
	    {&now.cr3, 0x1000, RULES},
	};

	base.nmsrs = 1;
	base.msr_name = names;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		now = own;
		*(uint64_t *)rows[i].field ^= rows[i].flip;
		memset(found, 0, sizeof(found));
		findings = 0;
		scan_registers(&base, &own, &now, on_finding, NULL);
		ck_assert_uint_eq(findings, rows[i].rule != RULES);
		if (rows[i].rule != RULES)
			ck_assert_uint_eq(found[rows[i].rule], 1);
	}
	now = own;
	now.idt_limit = 0;
	scan_registers(&base, &own, &now, on_finding, NULL);
	now = own;
	now.gdt_limit = 0xffff;
	scan_registers(&base, &own, &now, on_finding, NULL);
	now = own;
	now.ldt = 8;
	scan_registers(&base, &own, &now, on_finding, NULL);
	now = own;
	now.tr = 8;
	findings = 0;
	scan_registers(&base, &own, &now, on_finding, NULL);
	ck_assert_uint_eq(findings, 1);
	ck_assert_uint_eq(found[RULE_DESCRIPTORS], 4);
	now.valid = false;
	scan_registers(&base, &own, &now, on_finding, NULL);
	ck_assert_uint_eq(findings, 1);
}
END_TEST

/* ---- instructions ---- */

static const struct {
	const char *code; /* ends where RIP is */
	unsigned len;
	uint64_t rdi, rsi, rcx, rsp; /* after it */
	uint32_t bytes;
	uint64_t value, address; /* of the access */
	unsigned found;		 /* length */
	uint64_t before_rdi, before_rcx, before_rsp;
} stores[] = {
    /* mov %rsi, (%rdi) behind a byte that could be its prefix */
    {"\x40\x48\x89\x37", 4, DATA_VA, 1, 0, 0, 8, 1, DATA_VA, 3, DATA_VA, 0, 0},
    /* mov %esi, (%rdi) behind 0x48, the end of another instruction */
    {"\x48\x89\x37", 3, DATA_VA, 1, 0, 0, 4, 1, DATA_VA, 2, DATA_VA, 0, 0},
    /* rep stosb, last element done */
    {"\xf3\xaa", 2, DATA_VA + 9, 0, 0, 0, 1, 0, DATA_VA + 8, 2, DATA_VA + 8, 1, 0},
    /* push %rsi */
    {"\x56", 1, 0, 7, 0, DATA_VA + 16, 8, 7, DATA_VA + 16, 1, 0, 0, DATA_VA + 24},
};

START_TEST(stores_are_found_again)
{
	struct ept_access a = {.write = true, .bytes = stores[_i].bytes, .value = stores[_i].value};
	struct ept_regs r = {.rip = IMAGE_VA + 0x800 + stores[_i].len}, before;
	struct ept_insn insn;

	memcpy(mem.base + IMAGE_GPA + 0x800, stores[_i].code, stores[_i].len);
	memset(mem.base + IMAGE_GPA + 0x800 + stores[_i].len, 0x90, 15);
	r.gpr[RDI] = stores[_i].rdi;
	r.gpr[RSI] = stores[_i].rsi;
	r.gpr[RCX] = stores[_i].rcx;
	r.gpr[RSP] = stores[_i].rsp;
	a.gpa = stores[_i].address - IMAGE_VA + IMAGE_GPA;
	if (_i == 1) { /* without a sweep the width that was seen decides */
		ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, 0, &insn, &before), 0);
		ck_assert_uint_eq(insn.length, 2);
	}
	if (_i == 1) { /* the sweep knows where it begins: mov $0x48, %al is before it */
		memcpy(mem.base + IMAGE_GPA + 0x7ff, "\xb0\x48\x89\x37", 4);
		ck_assert_int_eq(
		    insn_find_store(&mem, ROOT, &r, &a, IMAGE_VA + 0x7ff, &insn, &before), 0);
	} else {
		ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, 0, &insn, &before), 0);
	}
	ck_assert_uint_eq(insn.length, stores[_i].found + (_i == 0));
	ck_assert_uint_eq(insn.address, stores[_i].address);
	ck_assert_uint_eq(before.gpr[RDI], stores[_i].before_rdi);
	ck_assert_uint_eq(before.gpr[RCX], stores[_i].before_rcx);
	ck_assert_uint_eq(before.gpr[RSP], stores[_i].before_rsp);
	a.gpa += 4096; /* it was not that one */
	ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, 0, &insn, &before), -ENOENT);
}
END_TEST

START_TEST(an_unfinished_string_store_begins_where_it_is)
{
	struct ept_access a = {.gpa = IMAGE_GPA + 0x5008, .write = true, .bytes = 8};
	struct ept_regs r = {.rip = IMAGE_VA + 0x800}, before;
	struct ept_insn insn;

	memcpy(mem.base + IMAGE_GPA + 0x800, "\xf3\x48\xa5", 3); /* rep movsq */
	r.gpr[RDI] = IMAGE_VA + 0x5010;
	r.gpr[RSI] = IMAGE_VA + 0x6010;
	r.gpr[RCX] = 3;
	ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, 0, &insn, &before), 0);
	ck_assert_uint_eq(insn.rip, r.rip);
	ck_assert_uint_eq(before.gpr[RDI], IMAGE_VA + 0x5008);
	ck_assert_uint_eq(before.gpr[RSI], IMAGE_VA + 0x6008);
	ck_assert_uint_eq(before.gpr[RCX], 4);
	ck_assert_ptr_nonnull(strstr(insn.text, "movsq"));
}
END_TEST

START_TEST(exchanges_get_their_register_back)
{
	struct ept_access a = {.gpa = IMAGE_GPA + 0x5000, .write = true, .bytes = 8, .value = 100};
	struct ept_regs r = {.rip = IMAGE_VA + 0x804}, before;
	struct ept_insn insn;

	memcpy(mem.base + IMAGE_GPA + 0x800, "\x90\x48\x87\x37", 4); /* xchg %rsi, (%rdi) */
	r.gpr[RDI] = IMAGE_VA + 0x5000;
	r.gpr[RSI] = 30; /* what memory held */
	ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, IMAGE_VA + 0x800, &insn, &before), 0);
	ck_assert_uint_eq(before.gpr[RSI], 100);
	memcpy(mem.base + IMAGE_GPA + 0x800, "\x48\x0f\xc1\x37", 4); /* xadd %rsi, (%rdi) */
	ck_assert_int_eq(insn_find_store(&mem, ROOT, &r, &a, IMAGE_VA + 0x800, &insn, &before), 0);
	ck_assert_uint_eq(before.gpr[RSI], 70);
}
END_TEST

/* ---- protected data ---- */

START_TEST(static_data_is_open_until_sealed)
{
	enum ept_rule rule;

	ck_assert(kdp_open(&kdp, KDP_GPA, 8, &rule));
	ck_assert(kdp_open(&kdp, KDP_GPA + 0x1ff8, 8, &rule)); /* whole pages */
	ck_assert(!kdp_open(&kdp, KDP_GPA + 0x1ff9, 8, &rule));
	ck_assert(!kdp_open(&kdp, KDP_GPA + 0x2000, 8, &rule)); /* the pool never is */
	ck_assert_int_eq(rule, RULE_POOL);
	ck_assert(!kdp_open(&kdp, KDP_GPA - 8, 8, &rule));
	ck_assert(!kdp_open(&kdp, KDP_GPA, 0, &rule));
	ck_assert(!kdp_open(&kdp, KDP_GPA, UINT64_MAX, &rule));
	kdp_seal(&kdp);
	ck_assert(!kdp_open(&kdp, KDP_GPA, 8, &rule));
	ck_assert_int_eq(rule, RULE_KDP);
}
END_TEST

START_TEST(pool_blocks_keep_their_keys)
{
	gpa_t a, b, c;
	uint64_t bytes;

	ck_assert_int_eq(kdp_alloc(&kdp, 100, 1, false, &a), 0);
	ck_assert_int_eq(kdp_alloc(&kdp, 64, 2, false, &b), 0);
	ck_assert_uint_eq(b, a + 128);
	ck_assert_int_eq(kdp_may_write(&kdp, a, 128, 1), 0);
	ck_assert_int_eq(kdp_may_write(&kdp, a, 129, 1), -ENOENT); /* into the next */
	ck_assert_int_eq(kdp_may_write(&kdp, a + 127, 1, 1), 0);
	ck_assert_int_eq(kdp_may_write(&kdp, a, 8, 2), -EACCES);
	ck_assert_int_eq(kdp_may_write(&kdp, b + 64, 1, 2), -ENOENT);
	ck_assert_int_eq(kdp_may_write(&kdp, a, UINT64_MAX, 1), -ENOENT);
	ck_assert_int_eq(kdp_seal_block(&kdp, a, 2), -EACCES);
	ck_assert_int_eq(kdp_seal_block(&kdp, a + 8, 1), -ENOENT);
	ck_assert_int_eq(kdp_seal_block(&kdp, a, 1), 0);
	ck_assert_int_eq(kdp_seal_block(&kdp, a, 1), -EALREADY);
	ck_assert_int_eq(kdp_may_write(&kdp, a, 8, 1), -EROFS);
	ck_assert_int_eq(kdp_free(&kdp, a, 2, &bytes), -EACCES);
	ck_assert_int_eq(kdp_free(&kdp, a, 1, &bytes), 0);
	ck_assert_uint_eq(bytes, 128);
	ck_assert_int_eq(kdp_may_write(&kdp, b, 64, 2), 0);
	ck_assert_int_eq(kdp_alloc(&kdp, 128, 3, false, &c), 0);
	ck_assert_uint_eq(c, a); /* first fit */
	ck_assert_int_eq(kdp_alloc(&kdp, 0, 3, false, &c), -EINVAL);
	ck_assert_int_eq(kdp_alloc(&kdp, 0xf000, 3, false, &c), -ENOMEM);
	ck_assert_int_eq(kdp_alloc(&kdp, UINT64_MAX, 3, false, &c), -EINVAL);
}
END_TEST

START_TEST(sections_are_open_until_sealed)
{
	enum ept_rule rule;
	gpa_t a, s;

	ck_assert_int_eq(kdp_alloc(&kdp, 64, 1, false, &a), 0);
	ck_assert_int_eq(kdp_alloc(&kdp, 5000, 0, true, &s), 0);
	ck_assert_uint_eq(s % 4096, 0);
	ck_assert(kdp_open(&kdp, s + 8191, 1, &rule));
	ck_assert(!kdp_open(&kdp, s + 8191, 2, &rule));
	ck_assert(!kdp_open(&kdp, a, 1, &rule));
	ck_assert_int_eq(kdp_seal_block(&kdp, s, 0), 0);
	ck_assert(!kdp_open(&kdp, s, 1, &rule));
	ck_assert_int_eq(rule, RULE_KDP);
}
END_TEST

START_TEST(sections_are_freed_by_nobody_but_the_host)
{
	uint64_t bytes;
	gpa_t gpa;

	ck_assert_int_eq(kdp_alloc(&kdp, 4096, 0, true, &gpa), 0);
	ck_assert_int_eq(kdp_free(&kdp, gpa, 0, &bytes), -EACCES);
	ck_assert_int_eq(kdp_release(&kdp, gpa + 64, &bytes), -ENOENT);
	ck_assert_int_eq(kdp_release(&kdp, gpa, &bytes), 0);
	ck_assert_uint_eq(bytes, 4096);
	ck_assert_int_eq(kdp_release(&kdp, gpa, &bytes), -ENOENT);
	ck_assert_int_eq(kdp_alloc(&kdp, 64, 0, false, &gpa), 0);
	ck_assert_int_eq(kdp_release(&kdp, gpa, &bytes), -ENOENT);
}
END_TEST

START_TEST(code_can_lose_its_approval)
{
	scan_disapprove(&base, FREE_GPA);
	scan();
	ck_assert_uint_eq(findings, 0);
	scan_disapprove(&base, IMAGE_GPA);
	scan();
	ck_assert_uint_eq(found[RULE_UNKNOWN_CODE], TEXT_PAGES);
}
END_TEST

START_TEST(secrets_keep_to_their_keys)
{
	uint8_t memory[VAULT_SLOTS * VAULT_SLOT], buf[VAULT_SLOT];
	struct ept_vault v = {.memory = memory};
	const uint64_t key[2] = {1, 2}, low[2] = {3, 2}, high[2] = {1, 3};
	int h;

	ck_assert_int_eq(vault_store(&v, "secret", 0, key), -EINVAL);
	ck_assert_int_eq(vault_store(&v, buf, VAULT_SLOT + 1, key), -E2BIG);
	h = vault_store(&v, "secret", 7, key);
	ck_assert_int_gt(h, 0);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, key, buf, sizeof(buf)), 7);
	ck_assert_str_eq((char *)buf, "secret");
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, key, buf, 6), -E2BIG);
	ck_assert_int_eq(vault_read(&v, 0, key, buf, 6), -ENOENT);
	ck_assert_int_eq(vault_read(&v, VAULT_SLOTS + 1, key, buf, 6), -ENOENT);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h + 1, key, buf, 6), -ENOENT);
	ck_assert_int_eq(vault_replace(&v, (uint64_t)h, key, "other", 6), 0);
	ck_assert_int_eq(vault_seal(&v, (uint64_t)h, low), -EACCES);
	ck_assert_int_eq(vault_seal(&v, (uint64_t)h, key), 0);
	ck_assert_int_eq(vault_replace(&v, (uint64_t)h, key, "third", 6), -EROFS);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, low, buf, 9), -EACCES);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, high, buf, 9), -EACCES);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, key, buf, 9), 6); /* counts anew */
	for (unsigned i = 0; i < VAULT_TRIES; i++)
		ck_assert_int_eq(vault_erase(&v, (uint64_t)h, high), -EACCES);
	ck_assert_int_eq(vault_read(&v, (uint64_t)h, key, buf, 9), -EPERM);
	h = vault_store(&v, "x", 2, key);
	ck_assert_int_eq(vault_erase(&v, (uint64_t)h, key), 0);
	ck_assert_uint_eq(memory[(unsigned)(h - 1) * VAULT_SLOT], 0);
	for (unsigned i = 1; i < VAULT_SLOTS; i++)
		ck_assert_int_gt(vault_store(&v, "y", 2, key), 0);
	ck_assert_int_eq(vault_store(&v, "y", 2, key), -ENOSPC);
}
END_TEST

START_TEST(rules_have_names_and_actions)
{
	struct ept_rules off, on, hvci;
	enum ept_rule rule;

	rules_default(&off, LEVEL_OFF);
	rules_default(&on, LEVEL_KDP);
	rules_default(&hvci, LEVEL_HVCI);
	for (unsigned i = 0; i < RULES; i++) {
		ck_assert(rule_by_name(rule_name((enum ept_rule)i), &rule));
		ck_assert_uint_eq(rule, i);
		ck_assert_int_eq(off.action[i], ACTION_NONE);
		if (on.action[i] != ACTION_NONE)
			ck_assert_int_eq(on.action[i], rule_prevents((enum ept_rule)i, LEVEL_KDP)
							   ? ACTION_REFUSE
							   : ACTION_STOP);
		ck_assert_int_eq(hvci.action[i], rule_prevents((enum ept_rule)i, LEVEL_HVCI)
						     ? ACTION_REFUSE
						     : ACTION_STOP);
	}
	ck_assert(!rule_by_name("", &rule));
}
END_TEST

Suite *protect_suite(void)
{
	Suite *s = suite_create("protect");
	TCase *t = tcase_create("protect");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, nothing_is_found_where_nothing_is);
	tcase_add_loop_test(t, each_attack_on_the_tables_is_found, 0,
			    sizeof(attacks) / sizeof(attacks[0]));
	tcase_add_test(t, a_kernel_page_for_the_user_is_found);
	tcase_add_test(t, approved_code_at_another_address_is_not_approved);
	tcase_add_test(t, changed_code_is_found);
	tcase_add_test(t, tables_outside_of_memory_are_survived);
	tcase_add_test(t, each_register_is_compared);
	tcase_add_loop_test(t, stores_are_found_again, 0, sizeof(stores) / sizeof(stores[0]));
	tcase_add_test(t, an_unfinished_string_store_begins_where_it_is);
	tcase_add_test(t, exchanges_get_their_register_back);
	tcase_add_test(t, static_data_is_open_until_sealed);
	tcase_add_test(t, pool_blocks_keep_their_keys);
	tcase_add_test(t, sections_are_open_until_sealed);
	tcase_add_test(t, sections_are_freed_by_nobody_but_the_host);
	tcase_add_test(t, code_can_lose_its_approval);
	tcase_add_test(t, secrets_keep_to_their_keys);
	tcase_add_test(t, rules_have_names_and_actions);
	suite_add_tcase(s, t);
	return s;
}
