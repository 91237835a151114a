/*
 * Hypercalls, on the machine of vmm_machine.h: each checks what it gets, and a million of any kind
 * leave the host alive, and all that is protected as it was.
 */
#include <check.h>
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdlib.h>
#include <string.h>

#include "tests/unit/vmm_machine.h"

Suite *vmm_hypercalls_suite(void);

static int64_t hypercall_do(uint64_t n, uint64_t a, uint64_t b, uint64_t c)
{
	static struct kvm_run run;
	struct vcpu v = {.vm = vm, .run = &run};

	run.s.regs.regs = (struct kvm_regs){.rax = n, .rdi = a, .rsi = b, .r8 = c};
	return hypercall(&v) ? (int64_t)run.s.regs.regs.rax : 1;
}

START_TEST(hypercalls_check_what_they_get)
{
	start_blk();
	ck_assert_int_eq(hypercall_do(0, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(hypercall_do(UINT32_MAX, 0, 0, 0), -ENOSYS);
	ck_assert_int_eq(hypercall_do(NTMM_HC_BUGCHECK, RAM_BYTES - 100, 0, 0), -EFAULT);
	ck_assert_int_eq(hypercall_do(NTMM_HC_BUGCHECK, UINT64_MAX, 0, 0), -EFAULT);
	ck_assert_int_eq(hypercall_do(NTMM_HC_MARK, NTMM_MARK_COUNT, 0, 0), -EINVAL);
	ck_assert_int_eq(hypercall_do(NTMM_HC_MARK, NTMM_MARK_MM_READY, 0, 0), 0);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PUBLISH, 9, DATA, 4096), -EINVAL);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PUBLISH, 0, DATA, 8), -EINVAL);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PUBLISH, 0, RAM_BYTES, 4096), -EFAULT);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PUBLISH, 0, DATA, UINT64_MAX), -EFAULT);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PAGEFILE_GROW, 1, 0, 0), -ENODEV);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PAGEFILE_GROW, UINT64_MAX, 0, 0), -ENODEV);
	ck_assert_int_eq(hypercall_do(NTMM_HC_INJECT, 0, 99, 1), -EINVAL);
	vm->config.test_faults = false;
	ck_assert_int_eq(hypercall_do(NTMM_HC_INJECT, 0, 1, 1), -EPERM);
	vm->config.test_faults = true;
	/* Growing shows in the configuration and interrupts. */
	COMMON(&blk, msix_config, 2, true, 0);
	mmio(&blk, blk.table + 12, 4, true, 0);
	ck_assert_int_eq(hypercall_do(NTMM_HC_PAGEFILE_GROW, 0, PF_BYTES * 3 / 2, 0),
			 PF_BYTES * 3 / 2);
	ck_assert_uint_eq(mmio(&blk, blk.device, 4, false, 0), PF_BYTES * 3 / 2 / 512);
	ck_assert(interrupted(&blk, 0));
	ck_assert_int_eq(hypercall_do(NTMM_HC_PAGEFILE_GROW, 0, UINT64_MAX, 0), PF_BYTES * 2);
	ck_assert_int_eq(hypercall_do(NTMM_HC_INJECT, 0, NTMM_INJECT_READ_ERROR, 1), 0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, DATA + 0x10000, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, DATA + 0x10000, 4096), VIRTIO_BLK_S_OK);
	ck_assert(!vm->ended);
	ck_assert_int_eq(hypercall_do(NTMM_HC_EXIT, 0x1c0000005ull, 0, 0), 1);
	ck_assert_uint_eq(vm->result.exit_code, 0xc0000005u);
}
END_TEST

START_TEST(random_hypercalls_are_survived)
{
	srandom((unsigned)_i + 1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t a[3];

		for (unsigned k = 0; k < 3; k++)
			a[k] = random() % 2 ? (uint64_t)random() % 8
					    : (uint64_t)random() << 33 ^ (uint64_t)random();
		/* Not EXIT: that has one meaning only. */
		hypercall_do(2 + (uint64_t)random() % NTMM_HC_COUNT, a[0], a[1], a[2]);
	}
}
END_TEST

/* ---- anything at all as a hypercall ---- */

#define RANDOM_CALLS 1000000u
#define SEALED	     0x4000u

static uint64_t xorshift(uint64_t *s)
{
	*s ^= *s << 13;
	*s ^= *s >> 7;
	*s ^= *s << 17;
	return *s;
}

static uint64_t any_argument(uint64_t *s)
{
	static const uint64_t often[] = {0,
					 1,
					 2,
					 8,
					 16,
					 64,
					 4095,
					 4096,
					 4097,
					 1056,
					 ~0ull,
					 ~0ull - 4095,
					 1ull << 63,
					 NTMM_PCI_HOLE_START,
					 NTMM_KDP_GPA,
					 NTMM_KDP_GPA + SEALED,
					 NTMM_KDP_GPA + SEALED + 64,
					 NTMM_KDP_END - NTMM_VAULT_BYTES,
					 NTMM_KDP_END - NTMM_VAULT_BYTES - 8,
					 NTMM_KDP_END - 16,
					 RAM_BYTES,
					 RAM_BYTES - 8,
					 DATA};
	uint64_t r = xorshift(s);

	switch (r >> 60) {
	case 0 ... 7:
		return often[(r >> 8) % (sizeof(often) / sizeof(often[0]))];
	case 8 ... 11:
		return (r >> 8) % RAM_BYTES;
	case 12 ... 13:
		return (r >> 8) % 5000;
	default:
		return xorshift(s);
	}
}

#define POOL	   0x280000ull
#define POOL_PAGES 16u

/* A machine at level hvci whose page tables are empty, but for their root. */
static void enter_hvci(void)
{
	struct protect *p = vm->prot;
	struct table_refusal no;

	p->config.level = vm->config.protection.level = LEVEL_HVCI;
	rules_default(&p->config.rules, LEVEL_HVCI);
	pthread_mutex_init(&p->table_lock, NULL);
	p->table_pool = (struct gpa_range){POOL, POOL + POOL_PAGES * 4096};
	ck_assert_int_eq(ept_carve(&vm->ram.map, p->table_pool, EPT_TABLES, EPT_R, 0), 0);
	ck_assert_int_eq(hvci_start(vm, &err), 0);
	memset(vm->ram.base + POOL, 0, POOL_PAGES * 4096);
	*(uint64_t *)(void *)(vm->ram.base + POOL + 256 * 8) = POOL + 4096 + 3;
	ck_assert_int_eq(tables_system_root(&p->tables, POOL), 0);
	ck_assert_int_eq(tables_enter(&p->tables, &no), 0);
}

/* An entry, mostly one that could be. */
static uint64_t any_entry(uint64_t *s)
{
	uint64_t r = xorshift(s);
	uint64_t page =
	    r & 1 ? POOL + (r >> 8) % POOL_PAGES * 4096 : (r >> 8) % RAM_BYTES & ~4095ull;

	return page | (r >> 40 & 0x87) | (r >> 60 & 1) << 63 | (r >> 61 ? 1 : 0);
}

/* Whatever was asked for: no table says what the rules forbid. */
static unsigned check_entries(void)
{
	const struct ept_tables *t = &vm->prot->tables;
	unsigned present = 0;

	for (unsigned i = 0; i < POOL_PAGES; i++)
		for (unsigned k = 0; k < 512; k++) {
			uint64_t e = ((uint64_t *)(void *)(vm->ram.base + POOL + i * 4096))[k];
			bool user = t->page[i].kind <= TABLE_USER1;
			bool leaf = t->page[i].kind == TABLE_USER1 ||
				    t->page[i].kind == TABLE_KERNEL1 ||
				    (t->page[i].kind != TABLE_ROOT && e & PT_LARGE);

			if (!(e & PT_PRESENT))
				continue;
			present++;
			ck_assert_uint_ne(t->page[i].kind, TABLE_NONE);
			if (leaf && e & PT_WRITE)
				ck_assert(!protect_is_protected(vm->prot, e & PT_FRAME, 4096));
			if (leaf && !user)
				ck_assert(e & PT_NX && !(e & PT_USER));
			if (leaf && user)
				ck_assert(e & PT_USER);
			if (!leaf)
				ck_assert((e & PT_FRAME) - POOL < POOL_PAGES * 4096);
		}
	return present;
}

START_TEST(random_hypercalls_change_nothing_else)
{
	uint8_t *sealed = vm->ram.base + NTMM_KDP_GPA;
	uint64_t s = 0x9e3779b97f4a7c15ull + (uint64_t)_i;
	unsigned ended = 0, succeeded = 0;

	memset(sealed, 0xa5, SEALED);
	kdp_seal(&vm->prot->kdp);
	enter_hvci();
	for (unsigned i = 0; i < RANDOM_CALLS / 4; i++) {
		struct kvm_run run = {0};
		struct vcpu v = {.vm = vm, .run = &run};
		struct kvm_regs *r = &run.s.regs.regs;
		bool goes_on;

		r->rax = xorshift(&s) % (NTMM_HC_COUNT + 2);
		if (xorshift(&s) % 50 == 0)
			r->rax = xorshift(&s);
		r->rdi = any_argument(&s);
		r->rsi = any_argument(&s);
		r->r8 = any_argument(&s);
		r->r9 = any_argument(&s);
		if (r->rax == NTMM_HC_PAGEFILE_GROW)
			continue; /* the disk's business: see growth above */
		if (r->rax == NTMM_HC_VAULT && r->rdi < DATA) { /* one that makes sense, mostly */
			struct ntmm_vault *c = (void *)(vm->ram.base + DATA);

			c->op = (uint32_t)xorshift(&s) % 6;
			c->handle = (uint32_t)xorshift(&s) % 40;
			c->key[0] = xorshift(&s) % 2;
			c->key[1] = 0;
			c->bytes = any_argument(&s);
			r->rdi = DATA;
		}
		if (r->rax == NTMM_HC_PTE && i % 8) {
			r->rdi = POOL + xorshift(&s) % (POOL_PAGES * 512) * 8;
			r->rsi = ~0ull;
			r->r8 = any_entry(&s);
		}
		if (r->rax == NTMM_HC_PTES && i % 8) {
			struct ntmm_pte *e = (void *)(vm->ram.base + DATA);

			r->rdi = DATA;
			r->rsi = 1 + i % 3;
			for (unsigned k = 0; k < 3; k++)
				e[k] =
				    (struct ntmm_pte){POOL + xorshift(&s) % (POOL_PAGES * 512) * 8,
						      ~0ull, any_entry(&s), 0};
		}
		if (r->rax == NTMM_HC_RECYCLE && i % 8) {
			uint64_t *page = (void *)(vm->ram.base + DATA);

			r->rdi = DATA;
			r->rsi = 1 + i % 3;
			for (unsigned k = 0; k < 3; k++)
				page[k] = POOL + xorshift(&s) % POOL_PAGES * 4096;
		}
		if (!hvci_call(&v, &goes_on))
			goes_on = hypercall(&v);
		ended += !goes_on;
		succeeded += goes_on && (int64_t)r->rax >= 0;
	}
	ck_assert_uint_gt(ended, 0);
	ck_assert_uint_gt(succeeded, 1000);
	for (unsigned i = 0; i < SEALED; i++)
		ck_assert_uint_eq(sealed[i], 0xa5);
	ck_assert(ept_check(&vm->ram.map));
	ck_assert_uint_gt(check_entries(), 200);
}
END_TEST

Suite *vmm_hypercalls_suite(void)
{
	Suite *s = suite_create("vmm_hypercalls");
	TCase *t = tcase_create("hypercalls");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, machine_setup, machine_teardown);
	tcase_add_test(t, hypercalls_check_what_they_get);
	tcase_add_test(t, random_hypercalls_are_survived);
	tcase_add_loop_test(t, random_hypercalls_change_nothing_else, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
