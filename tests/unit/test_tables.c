/*
 * Page tables that the host changes, without a machine: a small guest of its own in 8 MB, entered;
 * then one forbidden change at a time, each refused under its own rule and without effect; and what
 * has to go on working.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ept/gadget.h"
#include "ept/tables.h"
#include "guest/abi/machine.h"

Suite *tables_suite(void);

#define MB	  (1ull << 20)
#define RAM	  (8 * MB)
#define IMAGE_VA  0xfffff80000200000ull
#define IMAGE_GPA 0x200000ull
#define TEXT	  4u /* pages */
#define IMAGE	  8u
#define DIRECT_VA 0xffffa00000000000ull
#define POOL	  (4 * MB)
#define POOL_END  (6 * MB)
#define PAGES	  512u
#define PAGE(n)	  (POOL + (n)*4096ull)
#define ROOT	  PAGE(0)
#define KPDPT	  PAGE(1) /* of the image */
#define KPD	  PAGE(2)
#define KPT	  PAGE(3)
#define DPDPT	  PAGE(4) /* of the direct map */
#define DPD	  PAGE(5)
#define UPDPT	  PAGE(6)
#define UPD	  PAGE(7)
#define UPT	  PAGE(8)
#define SPARE	  PAGE(20) /* never used */
#define DATA	  (7 * MB) /* ordinary memory */
#define DEVICE	  NTMM_PCI_HOLE_START
#define NX	  PT_NX
#define P	  PT_PRESENT
#define W	  PT_WRITE
#define U	  PT_USER
#define PS	  PT_LARGE

static struct ept_map map;
static struct ept_memory mem;
static struct ept_tables tables;
static struct table_page page[PAGES];
static struct table_refusal no;

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

static void build(void)
{
	mem = (struct ept_memory){calloc(1, RAM), &map};
	ck_assert_int_eq(ept_layout_ram(&map, RAM), 0);
	ck_assert_int_eq(ept_carve(&map, (struct gpa_range){IMAGE_GPA, IMAGE_GPA + TEXT * 4096},
				   EPT_KERNEL_TEXT, EPT_RX, 0),
			 0);
	ck_assert_int_eq(ept_carve(&map, (struct gpa_range){POOL, POOL_END}, EPT_TABLES, EPT_R, 0),
			 0);
	memset(page, 0, sizeof(page));
	ck_assert_int_eq(tables_init(&tables, &mem, (struct gpa_range){POOL, POOL_END}, page), 0);
	tables.image_va = IMAGE_VA;
	tables.image_gpa = IMAGE_GPA;
	tables.image_bytes = IMAGE * 4096;
	tables.devices = (struct gpa_range){NTMM_PCI_HOLE_START, NTMM_PCI_HOLE_END};
	tables.protected_ = is_protected;
	ck_assert_int_eq(tables_approve(&tables, IMAGE_VA, IMAGE_GPA, TEXT * 4096 - 10), 0);
	*at(ROOT, 496) = KPDPT | P | W;
	*at(ROOT, 320) = DPDPT | P | W;
	*at(ROOT, 0) = UPDPT | P | W | U;
	*at(KPDPT, 0) = KPD | P | W;
	*at(KPD, 1) = KPT | P | W;
	*at(DPDPT, 0) = DPD | P | W;
	*at(UPDPT, 0) = UPD | P | W | U;
	*at(UPD, 2) = UPT | P | W | U;
	for (unsigned i = 0; i < IMAGE; i++)
		*at(KPT, i) = (IMAGE_GPA + i * 4096) | P | (i < TEXT ? 0 : W | NX);
	for (unsigned i = 0; i < RAM / (2 * MB); i++)
		*at(DPD, i) = i * 2 * MB | P | PS | NX | (i == 1 || i == 2 ? 0 : W);
	*at(UPT, 0) = DATA | P | W | U;
	ck_assert_int_eq(tables_system_root(&tables, ROOT), 0);
}

static void setup(void)
{
	build();
	ck_assert_int_eq(tables_enter(&tables, &no), 0);
}

static void teardown(void)
{
	free(mem.base);
}

static int set(uint64_t table, unsigned slot, uint64_t value)
{
	uint64_t old;

	return tables_change(&tables, table + slot * 8, ~0ull, value, false, &old, &no);
}

/* What is refused: table, slot, the new value, the rule. */
static const struct {
	const char *name;
	uint64_t table;
	unsigned slot;
	uint64_t value;
	enum ept_rule rule;
} refusals[] = {
    {"code writable", KPT, 1, (IMAGE_GPA + 4096) | P | W, RULE_ALIAS},
    {"data writable and executable", KPT, 100, DATA | P | W, RULE_WX},
    {"data executable", KPT, 100, DATA | P, RULE_UNKNOWN_CODE},
    {"code at another address", KPT, 100, IMAGE_GPA | P, RULE_UNKNOWN_CODE},
    {"behind the code", KPT, 4, (IMAGE_GPA + 4 * 4096) | P, RULE_UNKNOWN_CODE},
    {"code for the user in the kernel", KPT, 100, IMAGE_GPA | P | U | NX, RULE_USER_KERNEL},
    {"image elsewhere", KPT, 5, DATA | P | W | NX, RULE_REMAP},
    {"image elsewhere in 2 MB", KPD, 1, 6 * MB | P | PS | NX, RULE_REMAP},
    {"writable alias of code", KPT, 100, IMAGE_GPA | P | W | NX, RULE_ALIAS},
    {"writable alias of a table", KPT, 100, UPT | P | W | NX, RULE_ALIAS},
    {"writable alias of a spare table", KPT, 100, SPARE | P | W | NX, RULE_ALIAS},
    {"the pool writable in 2 MB", DPD, 2, POOL | P | W | PS | NX, RULE_ALIAS},
    {"all memory writable in 1 GB", DPDPT, 1, 0 | P | W | PS | NX, RULE_TABLE},
    {"2 MB executable", DPD, 3, 6 * MB | P | PS, RULE_UNKNOWN_CODE},
    {"2 MB writable and executable", DPD, 3, 6 * MB | P | W | PS, RULE_WX},
    {"reserved bits of 2 MB", DPD, 0, 1 << 13 | P | PS | NX, RULE_TABLE},
    {"beyond memory", KPT, 100, RAM | P | NX, RULE_TABLE},
    {"far beyond memory", KPT, 100, 1ull << 51 | P | NX, RULE_TABLE},
    {"2 MB at memory's end", DPD, 4, RAM | P | PS | NX, RULE_TABLE},
    {"a device executable", KPT, 100, DEVICE | P | W, RULE_TABLE},
    {"devices and more in 1 GB", DPDPT, 1, DEVICE | P | W | PS | NX, RULE_TABLE},
    {"beside the devices", KPT, 100, NTMM_PCI_HOLE_END | P | NX, RULE_TABLE},
    {"a device for the user", UPT, 5, DEVICE | P | U | NX, RULE_TABLE},
    {"a user page for the kernel", UPT, 0, DATA | P | W, RULE_SUPERVISOR},
    {"a user page of 2 MB for the kernel", UPD, 3, 6 * MB | P | W | PS, RULE_SUPERVISOR},
    {"code writable for the user", UPT, 5, IMAGE_GPA | P | W | U, RULE_ALIAS},
    {"a table writable for the user", UPT, 5, ROOT | P | W | U | NX, RULE_ALIAS},
    {"memory as a table", UPD, 5, DATA | P | W | U, RULE_TABLE},
    {"memory as a table of the kernel", KPD, 5, DATA | P | W, RULE_TABLE},
    {"a table of the wrong level", UPD, 5, UPD | P | W | U, RULE_TABLE},
    {"a root as a table", UPDPT, 5, ROOT | P | W | U, RULE_TABLE},
    {"a user table in the kernel", KPD, 5, UPT | P | W, RULE_TABLE},
    {"a kernel table for the user", UPD, 5, KPT | P | W | U, RULE_TABLE},
    {"a kernel table at another address", KPD, 5, KPT | P | W, RULE_TABLE},
    {"a user table without user", UPD, 2, UPT | P | W, RULE_TABLE},
    {"a user table without execute", UPD, 2, UPT | P | W | U | NX, RULE_TABLE},
    {"a user table read-only", UPD, 2, UPT | P | U, RULE_TABLE},
    {"a kernel table for user mode", KPD, 1, KPT | P | W | U, RULE_TABLE},
    {"a large entry in the root", ROOT, 5, SPARE | P | W | U | PS, RULE_TABLE},
    {"a user root entry for the kernel", ROOT, 0, UPDPT | P | W, RULE_TABLE},
    {"a new slot of the kernel's half", ROOT, 400, SPARE | P | W, RULE_REMAP},
    {"a slot of the kernel's half less", ROOT, 496, 0, RULE_REMAP},
    {"a slot of the kernel's half for the user", ROOT, 496, KPDPT | P | W | U, RULE_REMAP},
};

START_TEST(each_forbidden_change_is_refused)
{
	uint64_t was = *at(refusals[_i].table, refusals[_i].slot);

	ck_assert_msg(set(refusals[_i].table, refusals[_i].slot, refusals[_i].value) == -EPERM,
		      "%s: it is allowed", refusals[_i].name);
	ck_assert_msg(no.rule == refusals[_i].rule, "%s: by rule %s", refusals[_i].name,
		      rule_name(no.rule));
	ck_assert_uint_eq(*at(refusals[_i].table, refusals[_i].slot), was);
	ck_assert_uint_eq(no.entry, refusals[_i].value);
}
END_TEST

static const struct {
	const char *name;
	uint64_t table;
	unsigned slot;
	uint64_t value;
} permissions[] = {
    {"data of the kernel", KPT, 100, DATA | P | W | NX},
    {"a device", KPT, 100, DEVICE | P | W | NX},
    {"a table to read", KPT, 100, ROOT | P | NX},
    {"code to read", KPT, 100, IMAGE_GPA | P | NX},
    {"code in its place", KPT, 1, (IMAGE_GPA + 4096) | P},
    {"code that is gone", KPT, 1, 0},
    {"user code, writable", UPT, 5, DATA | P | W | U},
    {"2 MB for the user, with its attribute bit", UPD, 5, 6 * MB | 1 << 12 | P | W | U | PS},
    {"a new page table", UPD, 5, SPARE | P | W | U | 1 << 5},
    {"any word that is not present", UPT, 7, ~1ull},
    {"a table of the user's half less", UPD, 2, 0},
    {"a root's user slot", ROOT, 7, SPARE | P | W | U},
};

START_TEST(what_is_allowed_is_done)
{
	ck_assert_msg(set(permissions[_i].table, permissions[_i].slot, permissions[_i].value) == 0,
		      "%s", permissions[_i].name);
	ck_assert_uint_eq(*at(permissions[_i].table, permissions[_i].slot), permissions[_i].value);
}
END_TEST

START_TEST(a_change_keeps_the_bits_it_does_not_name)
{
	uint64_t old;

	*at(UPT, 0) |= 0x60; /* the processor */
	ck_assert_int_eq(tables_change(&tables, UPT, W, 1ull << 58, false, &old, &no), 0);
	ck_assert_uint_eq(old, DATA | P | W | U | 0x60);
	ck_assert_uint_eq(*at(UPT, 0), DATA | P | U | 0x60 | 1ull << 58);
	/* the bits that stay count, too */
	ck_assert_int_eq(tables_change(&tables, KPT + 5 * 8, NX, 0, false, &old, &no), -EPERM);
	ck_assert_int_eq(no.rule, RULE_WX);
}
END_TEST

START_TEST(only_entries_of_tables_are_changed)
{
	uint64_t old;

	ck_assert_int_eq(tables_change(&tables, DATA, 0, 1, false, &old, &no), -EFAULT);
	ck_assert_int_eq(tables_change(&tables, POOL - 8, 0, 1, false, &old, &no), -EFAULT);
	ck_assert_int_eq(tables_change(&tables, POOL_END, 0, 1, false, &old, &no), -EFAULT);
	ck_assert_int_eq(tables_change(&tables, ~7ull, 0, 1, false, &old, &no), -EFAULT);
	ck_assert_int_eq(tables_change(&tables, UPT + 4, 0, 0, false, &old, &no), -EFAULT);
	ck_assert_int_eq(tables_change(&tables, SPARE, 0, 0, false, &old, &no), -EFAULT);
}
END_TEST

START_TEST(a_page_keeps_its_kind)
{
	ck_assert_int_eq(set(UPD, 2, 0), 0); /* UPT is free, and stays a page table */
	ck_assert_int_eq(set(UPDPT, 5, UPT | P | W | U), -EPERM);
	ck_assert_int_eq(set(UPT, 0, 0), 0);
	ck_assert_int_eq(set(KPD, 5, UPT | P | W), -EPERM);
	ck_assert_int_eq(tables_add_root(&tables, UPT), -EINVAL);
	ck_assert_int_eq(set(UPD, 9, UPT | P | W | U), 0);
	ck_assert_int_eq(set(KPD, 7, SPARE | P | W), 0);
	ck_assert_int_eq(set(KPD, 7, 0), 0);
	ck_assert_int_eq(set(KPD, 8, SPARE | P | W), -EPERM);
	ck_assert_int_eq(set(KPD, 7, SPARE | P | W), 0);
	ck_assert_int_eq(set(SPARE, 3, DATA | P), -EPERM);
	ck_assert(no.has_va);
	ck_assert_uint_eq(no.va, 0xfffff80000e03000ull);
}
END_TEST

START_TEST(an_image_in_the_middle_of_2_mb_stays)
{
	tables.image_va += 0x3000;
	tables.image_gpa += 0x3000;
	ck_assert_int_eq(set(KPD, 1, 6 * MB | P | PS | NX), -EPERM);
	ck_assert_int_eq(no.rule, RULE_REMAP);
	ck_assert_int_eq(set(KPD, 1, IMAGE_GPA | P | PS | NX), 0);
	ck_assert_int_eq(set(KPD, 0, 6 * MB | P | PS | NX), 0);
}
END_TEST

START_TEST(a_new_table_is_empty)
{
	*at(SPARE, 511) = DATA | P | W | U;
	ck_assert_int_eq(set(UPD, 5, SPARE | P | W | U), -EPERM);
	ck_assert_int_eq(tables_add_root(&tables, SPARE), -EINVAL);
	*at(SPARE, 511) = 0;
	ck_assert_int_eq(set(UPD, 5, SPARE | P | W | U), 0);
}
END_TEST

START_TEST(roots_have_the_systems_half)
{
	ck_assert(tables_is_root(&tables, ROOT));
	ck_assert(!tables_is_root(&tables, SPARE));
	ck_assert(!tables_is_root(&tables, UPT));
	ck_assert(!tables_is_root(&tables, DATA));
	ck_assert(!tables_is_root(&tables, POOL_END));
	ck_assert_int_eq(tables_add_root(&tables, DATA), -EINVAL);
	ck_assert_int_eq(tables_add_root(&tables, SPARE + 8), -EINVAL);
	ck_assert_int_eq(tables_add_root(&tables, KPT), -EINVAL);
	ck_assert_int_eq(tables_add_root(&tables, SPARE), 0);
	ck_assert_int_eq(tables_add_root(&tables, SPARE), 0);
	ck_assert(tables_is_root(&tables, SPARE));
	ck_assert(!tables_is_root(&tables, SPARE + 1));
	ck_assert_uint_eq(*at(SPARE, 0), 0);
	ck_assert_uint_eq(*at(SPARE, 496), *at(ROOT, 496));
	ck_assert_int_eq(set(SPARE, 0, UPDPT | P | W | U), 0);
	ck_assert_int_eq(set(SPARE, 300, UPDPT | P | W | U), -EPERM);
	ck_assert_int_eq(set(SPARE, 496, *at(ROOT, 496) | 0x60), 0); /* the processor's bits */
	ck_assert_int_eq(tables_system_root(&tables, SPARE), -EALREADY);
}
END_TEST

/* ---- coming into force ---- */

START_TEST(tables_that_break_a_rule_are_not_entered)
{
	*at(refusals[_i].table, refusals[_i].slot) = refusals[_i].value;
	/* a slot of the system's own root is what the others are compared with */
	if (refusals[_i].table == ROOT && refusals[_i].slot == 496 && !refusals[_i].value)
		return;
	if (refusals[_i].table == ROOT && refusals[_i].slot == 400)
		return;
	ck_assert_msg(tables_enter(&tables, &no) == -EPERM, "%s", refusals[_i].name);
	ck_assert(!tables.entered);
}
END_TEST

START_TEST(all_roots_are_looked_at)
{
	uint64_t old;

	ck_assert_int_eq(tables_enter(&tables, &no), 0);
	teardown();
	build();
	ck_assert_int_eq(tables_add_root(&tables, SPARE), 0);
	*at(SPARE, 496) = DPDPT | P | W;
	ck_assert_int_eq(tables_enter(&tables, &no), -EPERM);
	ck_assert_int_eq(no.rule, RULE_REMAP);
	teardown();
	build();
	/* until then entries are what the kernel makes them */
	ck_assert_int_eq(tables_change(&tables, KPT + 800, ~0ull, DATA | P | W, false, &old, &no),
			 0);
	ck_assert_int_eq(tables_enter(&tables, &no), -EPERM);
	ck_assert_int_eq(no.rule, RULE_WX);
	ck_assert_uint_eq(no.va, IMAGE_VA + 100 * 4096);
}
END_TEST

START_TEST(without_a_root_there_is_nothing_to_enter)
{
	struct ept_tables t;

	ck_assert_int_eq(tables_init(&t, &mem, (struct gpa_range){POOL, POOL_END}, page), 0);
	ck_assert_int_eq(tables_add_root(&t, SPARE), -EINVAL);
	ck_assert_int_eq(tables_enter(&t, &no), -EPERM);
	ck_assert_int_eq(tables_system_root(&t, DATA), -EINVAL);
	ck_assert_int_eq(tables_system_root(&t, ROOT + 8), -EINVAL);
	ck_assert_int_eq(tables_init(&t, &mem, (struct gpa_range){POOL, RAM + 4096}, page),
			 -EINVAL);
	ck_assert_int_eq(tables_init(&t, &mem, (struct gpa_range){POOL + 1, POOL_END}, page),
			 -EINVAL);
	ck_assert_int_eq(tables_enter(&tables, &no), 0);
	ck_assert_int_eq(tables_enter(&tables, &no), -EPERM);
}
END_TEST

START_TEST(approval_comes_and_goes)
{
	const gpa_t gpa = DATA + 0x10000;
	const uint64_t va = IMAGE_VA + 200 * 4096;

	ck_assert_int_eq(set(KPT, 200, gpa | P), -EPERM);
	ck_assert_int_eq(tables_approve(&tables, va, gpa, 4096), 0);
	ck_assert_int_eq(set(KPT, 200, gpa | P), 0);
	ck_assert_int_eq(set(KPT, 201, (gpa + 4096) | P), -EPERM);
	ck_assert(tables_maps(&tables, gpa, 4096));
	ck_assert(!tables_maps(&tables, gpa + 4096, 4096));
	ck_assert_int_eq(set(KPT, 200, gpa | P | NX), 0);
	ck_assert(!tables_maps(&tables, gpa, 4096));
	tables_disapprove(&tables, gpa);
	ck_assert_int_eq(set(KPT, 200, gpa | P), -EPERM);
	/* other code at its addresses waits until nobody remembers it */
	ck_assert_int_eq(tables_approve(&tables, va, gpa + 8192, 4096), -EEXIST);
	tables_forgotten(&tables, gpa + 8192);
	ck_assert_int_eq(tables_approve(&tables, va, gpa + 8192, 4096), -EEXIST);
	tables_forgotten(&tables, gpa);
	ck_assert_int_eq(tables_approve(&tables, va, gpa + 8192, 4096), 0);
	tables_forgotten(&tables, gpa + 8192); /* is not leaving */
	ck_assert_int_eq(set(KPT, 200, (gpa + 8192) | P), 0);
	ck_assert_int_eq(set(KPT, 200, 0), 0);
	tables_disapprove(&tables, gpa + 8192);
	tables_forgotten(&tables, gpa + 8192);
	ck_assert_int_eq(tables_approve(&tables, IMAGE_VA + TEXT * 4096, gpa, 4096), -EEXIST);
	ck_assert_int_eq(tables_approve(&tables, IMAGE_VA - 4096, gpa, 4096), -EEXIST);
	for (unsigned i = 0; i < TABLES_MAX_CODE - 1; i++)
		ck_assert_int_eq(tables_approve(&tables, va + i * 8192, gpa, 4096), 0);
	ck_assert_int_eq(tables_approve(&tables, va - 16384, gpa, 4096), -ENOSPC);
}
END_TEST

static unsigned recycle(gpa_t p)
{
	return tables_recycle(&tables, &p, 1, (const gpa_t[]){PAGE(31), PAGE(30)}, 2);
}

START_TEST(idle_tables_lose_their_kind)
{
	const gpa_t table = PAGE(21), both[] = {PAGE(22), table, ROOT, PAGE(23)};

	for (unsigned i = 22; i <= 31; i++)
		if (i != 23)
			ck_assert_int_eq(tables_add_root(&tables, PAGE(i)), 0);
	ck_assert_uint_eq(recycle(PAGE(30)), 0); /* loaded */
	ck_assert_uint_eq(recycle(PAGE(31)), 0);
	ck_assert_int_eq(set(ROOT, 0, 0), 0);
	ck_assert_uint_eq(recycle(ROOT), 0); /* the system's, empty though it be */
	ck_assert_int_eq(set(ROOT, 0, UPDPT | P | W | U), 0);
	ck_assert_uint_eq(recycle(PAGE(40)), 0); /* has none */
	ck_assert_uint_eq(recycle(PAGE(29) + 8), 0);
	ck_assert_uint_eq(recycle(POOL_END), 0);
	ck_assert_uint_eq(recycle(DATA), 0);
	/* of the kernel's half, empty and in no table */
	ck_assert_int_eq(set(KPD, 7, PAGE(24 + 20) | P | W), 0);
	ck_assert_int_eq(set(KPD, 7, 0), 0);
	ck_assert_uint_eq(recycle(PAGE(24 + 20)), 0);
	/* linked, by an entry of each level */
	ck_assert_int_eq(set(UPD, 9, table | P | W | U), 0);
	ck_assert_uint_eq(recycle(table), 0);
	ck_assert_int_eq(set(UPDPT, 9, PAGE(50) | P | W | U), 0);
	ck_assert_uint_eq(recycle(PAGE(50)), 0);
	ck_assert_int_eq(set(PAGE(29), 255, PAGE(51) | P | W | U), 0);
	ck_assert_uint_eq(recycle(PAGE(51)), 0);
	ck_assert_uint_eq(recycle(PAGE(29)), 0); /* a root that is not empty */
	/* large pages and what the page tables say are no links */
	ck_assert_int_eq(set(UPD, 9, 0), 0);
	ck_assert_int_eq(set(UPT, 9, table | P | U), 0);
	ck_assert_int_eq(set(UPD, 10, POOL | P | U | PS), 0);
	*at(table, 511) = 1 << 5;
	ck_assert_uint_eq(recycle(table), 0); /* not empty */
	*at(table, 511) = 0;
	/* as many as there are up to the first that is none */
	ck_assert_uint_eq(tables_recycle(&tables, both, 4, NULL, 0), 2);
	ck_assert(!tables_is_root(&tables, PAGE(22)));
	ck_assert_uint_eq(*at(PAGE(22), 496), 0);
	ck_assert_int_eq(set(PAGE(22), 0, 0), -EFAULT);
	ck_assert_int_eq(set(table, 0, 0), -EFAULT);
	/* and are something else then */
	ck_assert_int_eq(set(KPD, 8, PAGE(22) | P | W), 0);
	ck_assert_int_eq(tables_add_root(&tables, table), 0);
	ck_assert_uint_eq(recycle(table), 1);
}
END_TEST

START_TEST(a_leaf_can_be_forced)
{
	uint64_t old;

	ck_assert_int_eq(tables_change(&tables, KPT + 800, ~0ull, DATA | P | W, true, &old, &no),
			 0);
	ck_assert_uint_eq(*at(KPT, 100), DATA | P | W);
	/* but nothing that would leave the rest without rules */
	ck_assert_int_eq(
	    tables_change(&tables, KPT + 800, ~0ull, UPT | P | W | NX, true, &old, &no), -EPERM);
	ck_assert_int_eq(tables_change(&tables, UPD + 40, ~0ull, DATA | P | W | U, true, &old, &no),
			 -EPERM);
}
END_TEST

/* ---- code ---- */

START_TEST(gadgets_are_found_at_any_byte)
{
	static const struct {
		uint8_t code[6];
		bool found;
	} rows[] = {
	    {{0x90, 0x0f, 0x22, 0xc0}, true},	    /* mov %rax, %cr0 */
	    {{0x90, 0x0f, 0x22, 0xdf}, true},	    /* mov %rdi, %cr3 */
	    {{0x44, 0x0f, 0x22, 0xe0}, true},	    /* with a prefix that is left out */
	    {{0xb8, 0x0f, 0x22, 0x00, 0x00}, true}, /* in an immediate */
	    {{0x90, 0x0f, 0x22, 0xd0}, false},	    /* mov %rax, %cr2 */
	    {{0x90, 0x0f, 0x20, 0xc0}, false},	    /* mov %cr0, %rax */
	    {{0x90, 0x0f, 0x01, 0x10}, true},	    /* lgdt (%rax) */
	    {{0x90, 0x0f, 0x01, 0x5d, 0x08}, true}, /* lidt 8(%rbp) */
	    {{0x90, 0x0f, 0x01, 0xf0}, true},	    /* lmsw %ax */
	    {{0x90, 0x0f, 0x01, 0x30}, true},	    /* lmsw (%rax) */
	    {{0x90, 0x0f, 0x01, 0xd0}, false},	    /* xgetbv */
	    {{0x90, 0x0f, 0x01, 0xd8}, true},	    /* vmrun */
	    {{0x90, 0x0f, 0x01, 0x38}, false},	    /* invlpg (%rax) */
	    {{0x90, 0x0f, 0x01, 0xcb}, false},	    /* stac */
	    {{0x90, 0x0f, 0x00, 0x10}, true},	    /* lldt (%rax) */
	    {{0x90, 0x0f, 0x00, 0xd8}, true},	    /* ltr %ax */
	    {{0x90, 0x0f, 0x00, 0xc0}, false},	    /* sldt %ax */
	    {{0x90, 0x0f, 0x01, 0xc1}, true},	    /* vmcall */
	    {{0x90, 0x0f, 0x01, 0xd9}, true},	    /* vmmcall */
	    {{0x90, 0x0f, 0x01, 0x00}, false},	    /* sgdt (%rax) */
	};
	const char *name;
	size_t offset;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_msg(gadget_find(rows[i].code, 6, 0, &offset, &name) == rows[i].found,
			      "row %zu", i);
		if (rows[i].found)
			ck_assert_uint_eq(offset, 1);
		ck_assert(!gadget_find(rows[i].code, 6, 2, &offset, &name));
	}
	/* behind the end there are zeroes */
	ck_assert(gadget_find((const uint8_t[]){0x90, 0x0f, 0x22}, 3, 0, &offset, &name));
	ck_assert(!gadget_find((const uint8_t[]){0x90, 0x90, 0x0f}, 3, 0, &offset, &name));
}
END_TEST

Suite *tables_suite(void)
{
	const int n = sizeof(refusals) / sizeof(refusals[0]);
	Suite *s = suite_create("tables");
	TCase *t = tcase_create("entered"), *b = tcase_create("before");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_loop_test(t, each_forbidden_change_is_refused, 0, n);
	tcase_add_loop_test(t, what_is_allowed_is_done, 0,
			    sizeof(permissions) / sizeof(permissions[0]));
	tcase_add_test(t, a_change_keeps_the_bits_it_does_not_name);
	tcase_add_test(t, only_entries_of_tables_are_changed);
	tcase_add_test(t, a_page_keeps_its_kind);
	tcase_add_test(t, an_image_in_the_middle_of_2_mb_stays);
	tcase_add_test(t, a_new_table_is_empty);
	tcase_add_test(t, roots_have_the_systems_half);
	tcase_add_test(t, approval_comes_and_goes);
	tcase_add_test(t, idle_tables_lose_their_kind);
	tcase_add_test(t, a_leaf_can_be_forced);
	tcase_add_test(t, gadgets_are_found_at_any_byte);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(b, build, teardown);
	tcase_add_loop_test(b, tables_that_break_a_rule_are_not_entered, 0, n);
	tcase_add_test(b, all_roots_are_looked_at);
	tcase_add_test(b, without_a_root_there_is_nothing_to_enter);
	suite_add_tcase(s, b);
	return s;
}
