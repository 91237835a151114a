/*
 * The virtio devices without KVM: a small driver finds them on the PCI bus and talks to them
 * through configuration space, their BARs and memory, as a kernel would; interrupts and doorbells
 * are plain eventfds. Then the same devices meet a driver that does anything at all.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <linux/virtio_pci.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/pci.h"
#include "vmm/protect.h"
#include "vmm/virtio.h"

Suite *vmm_devices_suite(void);

#define RAM_BYTES  (4u << 20)
#define RING_BYTES 0x4000u /* for each queue: descriptors, available, used ring */
#define RINGS	   0x100000u
#define DATA	   0x200000u
#define QSIZE	   32u
#define PF_BYTES   (1u << 20)

static struct vm *vm;
static struct vm_error err;
static struct pagefile *pf;
static char warning[400];
static unsigned warnings, routes;
static int in_pipe[2], out_pipe[2], err_pipe[2];

/* ---- what the devices need of a machine ---- */

int vm_fail(struct vm_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

bool violation_plain(struct vm *m, struct vcpu *v, enum ept_rule rule, enum ept_access_kind access,
		     gpa_t gpa, const char *target)
{
	(void)m;
	(void)v;
	(void)rule;
	(void)access;
	(void)gpa;
	(void)target;
	return true;
}

bool violation(struct vm *m, struct vcpu *v, struct ept_violation *r)
{
	(void)m;
	(void)v;
	(void)r;
	return true;
}

struct ept_regs vcpu_regs(const struct vcpu *v)
{
	(void)v;
	return (struct ept_regs){0};
}

void vm_set_crash(struct vm *m, enum vm_end end, const char *fmt, ...)
{
	(void)m;
	(void)end;
	(void)fmt;
}

void world_stop(struct vcpu *v)
{
	(void)v;
}

void world_resume(struct vcpu *v)
{
	(void)v;
}

bool protect_is_protected(void *arg, gpa_t gpa, uint64_t bytes)
{
	const struct protect *p = arg;

	for (gpa_t at = gpa; at < gpa + bytes; at += NTMM_PAGE_SIZE) {
		const struct ept_arena *a = ept_find(p->memory.map, at);

		if (a && ept_is_protected(a))
			return true;
	}
	return false;
}

void vm_warn(struct vm *v, const char *fmt, ...)
{
	va_list ap;

	(void)v;
	va_start(ap, fmt);
	vsnprintf(warning, sizeof(warning), fmt, ap);
	va_end(ap);
	warnings++;
}

void vm_set_end(struct vm *v, const struct vm_result *result)
{
	v->result = *result;
	v->ended = true;
}

uint64_t vm_now_ns(void)
{
	return 1;
}

int msi_alloc(struct vm *v, int *gsi, int *fd)
{
	*gsi = (int)v->ngsi++;
	*fd = eventfd(0, EFD_NONBLOCK);
	return *fd < 0 ? -errno : 0;
}

int msi_route(struct vm *v, int gsi, uint64_t address, uint32_t data)
{
	(void)v;
	(void)gsi;
	(void)address;
	(void)data;
	routes++;
	return 0;
}

int doorbell_bind(struct vm *v, gpa_t gpa, int fd)
{
	(void)v;
	(void)gpa;
	(void)fd;
	return 0;
}

/* ---- the machine ---- */

/* Protected data and secure memory at the end of the 4 MB. */
static void make_protected(void)
{
	const struct gpa_range kdp = {NTMM_KDP_GPA, NTMM_KDP_END - NTMM_VAULT_BYTES};
	const struct gpa_range secure = {kdp.end, NTMM_KDP_END};

	vm->prot = calloc(1, sizeof(*vm->prot));
	vm->prot->has_kdp = true;
	vm->prot->config.vulnerable = true;
	ck_assert_int_eq(ept_carve(&vm->ram.map, kdp, EPT_KDP, EPT_R, 0), 0);
	ck_assert_int_eq(ept_carve(&vm->ram.map, secure, EPT_SECURE, (enum ept_rights)0, 0), 0);
	ck_assert_int_eq(kdp_init(&vm->prot->kdp, kdp, kdp.start + 0x4000), 0);
	vm->prot->memory = ram_memory(&vm->ram);
	vm->prot->vault.memory = vm->ram.base + secure.start;
}

static void setup(void)
{
	struct pagefile_config c = {"/tmp", PF_BYTES, 2 * PF_BYTES, PAGEFILE_TEMPORARY};
	struct vm_share_dir dir = {"", -1};
	char why[PAGEFILE_WHY];

	vm = calloc(1, sizeof(*vm));
	vm->ram.size = RAM_BYTES;
	vm->ram.base = calloc(1, RAM_BYTES);
	ept_layout_ram(&vm->ram.map, RAM_BYTES);
	pthread_mutex_init(&vm->io_lock, NULL);
	make_protected();
	vm->pci = calloc(1, sizeof(*vm->pci));
	vm->config.test_faults = true;
	ck_assert_int_eq(pci_init(vm->pci, &vm->ports), 0);
	ck_assert_int_eq(loop_init(&vm->loop), 0);
	ck_assert_msg(pagefile_open(&c, &pf, why) == 0, "%s", why);
	ck_assert_int_eq(pipe(in_pipe), 0);
	ck_assert_int_eq(pipe(out_pipe), 0);
	ck_assert_int_eq(pipe(err_pipe), 0);
	ck_assert_int_eq(vm_add_pagefile(vm, 0, pf, &err), 0);
	ck_assert_int_eq(vm_add_console(vm, in_pipe[0], out_pipe[1], err_pipe[1], &err), 0);
	dir.dirfd = open("/usr/share/doc", O_PATH | O_DIRECTORY);
	ck_assert_int_eq(vm_add_share(vm, 'd', false, &dir, 1, &err), 0);
	warnings = routes = 0;
}

static void teardown(void)
{
	for (unsigned i = 0; i < vm->ndevices; i++)
		vm->device[i]->ops->destroy(vm->device[i]);
	pagefile_close(pf);
	loop_destroy(&vm->loop);
	free(vm->ram.base);
	hvci_destroy(vm);
	free(vm->prot);
	free(vm->pci);
	free(vm);
}

static void work(void)
{
	while (loop_once(&vm->loop, &vm->io_lock, 0))
		;
}

/* ---- a driver ---- */

struct driver {
	struct virtio_dev *dev;
	uint32_t bar, common, notify, device, table, notify_mult;
	unsigned function;
	uint64_t desc[VIRTIO_MAX_QUEUES]; /* gpa of each queue's rings */
};

static struct driver blk, con, fs;

static uint64_t mmio(struct driver *d, uint32_t at, unsigned len, bool write, uint64_t v)
{
	ck_assert(bus_access(&vm->mmio, d->bar + at, &v, len, write));
	return len == 8 ? v : v & ((1ull << 8 * len) - 1);
}

static uint8_t config8(struct driver *d, unsigned reg)
{
	uint8_t b[4];

	put32(b, 0x80000000u | (d->function + 1) << 11 | (reg & 0xfc));
	bus_access(&vm->ports, NTMM_PORT_PCI_ADDR, b, 4, true);
	bus_access(&vm->ports, (uint16_t)(NTMM_PORT_PCI_DATA + (reg & 3)), b, 1, false);
	return b[0];
}

static void config_out(struct driver *d, unsigned reg, uint32_t v, unsigned len)
{
	uint8_t b[4];

	put32(b, 0x80000000u | (d->function + 1) << 11 | (reg & 0xfc));
	bus_access(&vm->ports, NTMM_PORT_PCI_ADDR, b, 4, true);
	put32(b, v);
	bus_access(&vm->ports, (uint16_t)(NTMM_PORT_PCI_DATA + (reg & 3)), b, len, true);
}

static uint32_t config32(struct driver *d, unsigned reg)
{
	return config8(d, reg) | config8(d, reg + 1) << 8 | config8(d, reg + 2) << 16 |
	       (uint32_t)config8(d, reg + 3) << 24;
}

#define COMMON(d, field, len, write, v) \
	mmio(d, (d)->common + offsetof(struct virtio_pci_common_cfg, field), len, write, v)

static void find(struct driver *d, unsigned function)
{
	memset(d, 0, sizeof(*d));
	d->function = function;
	d->dev = vm->device[function];
	d->bar = config32(d, PCI_BASE_ADDRESS_0);
	for (unsigned at = config8(d, PCI_CAPABILITY_LIST); at; at = config8(d, at + 1)) {
		uint32_t offset = config32(d, at + 8);

		if (config8(d, at) == PCI_CAP_ID_MSIX) {
			d->table = config32(d, at + PCI_MSIX_TABLE);
			config_out(d, at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE, 2);
		} else if (config8(d, at + 3) == VIRTIO_PCI_CAP_COMMON_CFG) {
			d->common = offset;
		} else if (config8(d, at + 3) == VIRTIO_PCI_CAP_NOTIFY_CFG) {
			d->notify = offset;
			d->notify_mult = config32(d, at + 16);
		} else if (config8(d, at + 3) == VIRTIO_PCI_CAP_DEVICE_CFG) {
			d->device = offset;
		}
	}
}

static void start_queue(struct driver *d, unsigned q)
{
	uint64_t at = RINGS + (d->function * VIRTIO_MAX_QUEUES + q) * RING_BYTES;

	d->desc[q] = at;
	memset(vm->ram.base + at, 0, RING_BYTES);
	COMMON(d, queue_select, 2, true, q);
	COMMON(d, queue_size, 2, true, QSIZE);
	COMMON(d, queue_msix_vector, 2, true, q + 1);
	COMMON(d, queue_desc_lo, 4, true, at);
	COMMON(d, queue_avail_lo, 4, true, at + 0x1000);
	COMMON(d, queue_used_lo, 4, true, at + 0x2000);
	COMMON(d, queue_enable, 2, true, 1);
	mmio(d, d->table + (q + 1) * 16, 4, true, 0xfee00000);
	mmio(d, d->table + (q + 1) * 16 + 8, 4, true, 0x40 + q);
	mmio(d, d->table + (q + 1) * 16 + 12, 4, true, 0);
}

static void start(struct driver *d, uint64_t features)
{
	COMMON(d, device_status, 1, true, 0);
	ck_assert_uint_eq(COMMON(d, device_status, 1, false, 0), 0);
	COMMON(d, device_status, 1, true, 3);
	features |= 1ull << VIRTIO_F_VERSION_1;
	for (uint32_t i = 0; i < 2; i++) {
		COMMON(d, guest_feature_select, 4, true, i);
		COMMON(d, guest_feature, 4, true, (uint32_t)(features >> 32 * i));
	}
	COMMON(d, device_status, 1, true, 11);
	ck_assert_uint_eq(COMMON(d, device_status, 1, false, 0), 11);
	for (unsigned q = 0; q < COMMON(d, num_queues, 2, false, 0); q++)
		start_queue(d, q);
	COMMON(d, device_status, 1, true, 15);
	ck_assert_uint_eq(COMMON(d, device_status, 1, false, 0), 15);
}

static struct vring_desc *desc(struct driver *d, unsigned q)
{
	return (struct vring_desc *)(vm->ram.base + d->desc[q]);
}

static struct vring_avail *avail(struct driver *d, unsigned q)
{
	return (struct vring_avail *)(vm->ram.base + d->desc[q] + 0x1000);
}

static struct vring_used *used(struct driver *d, unsigned q)
{
	return (struct vring_used *)(vm->ram.base + d->desc[q] + 0x2000);
}

struct part {
	uint64_t gpa;
	uint32_t len;
	bool in;
};

/* Offers a chain whose descriptors start at `head`. */
static void offer(struct driver *d, unsigned q, uint16_t head, const struct part *p, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		desc(d, q)[head + i] =
		    (struct vring_desc){p[i].gpa, p[i].len,
					(uint16_t)((p[i].in ? VRING_DESC_F_WRITE : 0) |
						   (i + 1 < n ? VRING_DESC_F_NEXT : 0)),
					(uint16_t)(head + i + 1)};
	avail(d, q)->ring[avail(d, q)->idx % QSIZE] = head;
	avail(d, q)->idx++;
}

static void ring(struct driver *d, unsigned q)
{
	mmio(d, d->notify + q * d->notify_mult, 2, true, q);
}

static void wait_used(struct driver *d, unsigned q, uint16_t idx)
{
	ring(d, q);
	for (unsigned i = 0; i < 2000 && used(d, q)->idx != idx; i++)
		loop_once(&vm->loop, &vm->io_lock, 5);
	ck_assert_uint_eq(used(d, q)->idx, idx);
}

static bool interrupted(struct driver *d, unsigned vector)
{
	eventfd_t n;

	return d->dev->vector[vector].eventfd >= 0 &&
	       eventfd_read(d->dev->vector[vector].eventfd, &n) == 0;
}

/* ---- blk ---- */

/* One request waited for: its status. */
static uint8_t blk_do(uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len)
{
	struct virtio_blk_outhdr *h = (void *)(vm->ram.base + DATA);
	uint8_t *status = vm->ram.base + DATA + 64;
	bool in = type == VIRTIO_BLK_T_IN || type == VIRTIO_BLK_T_GET_ID;
	struct part p[3] = {{DATA, sizeof(*h), false}, {gpa, len, in}, {DATA + 64, 1, true}};

	*h = (struct virtio_blk_outhdr){.type = type, .sector = sector};
	*status = 0xee;
	if (len == 0)
		p[1] = p[2];
	offer(&blk, 0, 0, p, len ? 3 : 2);
	wait_used(&blk, 0, (uint16_t)(used(&blk, 0)->idx + 1));
	return *status;
}

static void start_blk(void)
{
	find(&blk, 0);
	start(&blk, 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_DISCARD |
			1ull << VIRTIO_BLK_F_WRITE_ZEROES);
}

START_TEST(blk_keeps_pages)
{
	uint8_t *page = vm->ram.base + DATA + 0x10000;
	struct virtio_blk_discard_write_zeroes *range = (void *)page;

	start_blk();
	ck_assert_uint_eq(mmio(&blk, blk.device, 4, false, 0), PF_BYTES / 512);
	memset(page, 0x5a, 65536);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 16, DATA + 0x10000, 65536), VIRTIO_BLK_S_OK);
	ck_assert(interrupted(&blk, 1));
	memset(page, 0, 65536);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 16, DATA + 0x10000, 65536), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(used(&blk, 0)->ring[1].len, 65537);
	for (unsigned i = 0; i < 65536; i++)
		if (page[i] != 0x5a)
			ck_abort_msg("byte %u was lost", i);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	range[0] = (struct virtio_blk_discard_write_zeroes){24, 8, 0};
	range[1] = (struct virtio_blk_discard_write_zeroes){40, 0, 0}; /* nothing */
	range[2] = (struct virtio_blk_discard_write_zeroes){16, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, DATA + 0x10000, 48), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 16, DATA + 0x10000, 12288), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(page[0], 0);
	ck_assert_uint_eq(page[8191], 0);
	ck_assert_uint_eq(page[8192], 0x5a);
	range[0] =
	    (struct virtio_blk_discard_write_zeroes){32, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA + 0x10000, 16),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 32, DATA + 0x10000, 4096), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(page[0], 0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_GET_ID, 0, DATA + 0x10000, 20), VIRTIO_BLK_S_OK);
	ck_assert_str_eq((char *)page, "pagefile0");
	ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(blk_refuses_what_is_wrong)
{
	struct virtio_blk_discard_write_zeroes *r = (void *)(vm->ram.base + DATA + 0x10000);
	uint64_t g = DATA + 0x10000;

	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, PF_BYTES / 512, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, PF_BYTES / 512 - 8, g, 8192), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, UINT64_MAX, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, UINT64_MAX / 512, g, 4096), VIRTIO_BLK_S_IOERR);
	/* A number of bytes that wraps round to 0. */
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 1ull << 55, g, 4096), VIRTIO_BLK_S_IOERR);
	*r = (struct virtio_blk_discard_write_zeroes){1ull << 55, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 1, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 0, g, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(99, 0, g, 4096), VIRTIO_BLK_S_UNSUPP);
	*r = (struct virtio_blk_discard_write_zeroes){0, 8, 2};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_UNSUPP);
	*r = (struct virtio_blk_discard_write_zeroes){0, UINT32_MAX, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	*r = (struct virtio_blk_discard_write_zeroes){UINT64_MAX, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 15), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16 * 33), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(warnings, 0); /* none of these stops the device */
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, g, 4096), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(blk_has_many_in_flight)
{
	unsigned seen[QSIZE / 3] = {0};

	start_blk();
	for (unsigned i = 0; i < QSIZE / 3; i++) {
		struct virtio_blk_outhdr *h = (void *)(vm->ram.base + DATA + i * 32);
		struct part p[3] = {{DATA + i * 32, sizeof(*h), false},
				    {DATA + 0x10000 + i * 4096, 4096, false},
				    {DATA + i * 32 + 16, 1, true}};

		*h = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_OUT, .sector = i * 8};
		memset(vm->ram.base + DATA + 0x10000 + i * 4096, (int)i + 1, 4096);
		offer(&blk, 0, (uint16_t)(i * 3), p, 3);
	}
	wait_used(&blk, 0, QSIZE / 3);
	for (unsigned i = 0; i < QSIZE / 3; i++)
		seen[used(&blk, 0)->ring[i].id / 3]++;
	for (unsigned i = 0; i < QSIZE / 3; i++)
		ck_assert_uint_eq(seen[i], 1);
	for (unsigned i = 0; i < QSIZE / 3; i++) {
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, i * 8, DATA + 0x80000, 4096),
				  VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(vm->ram.base[DATA + 0x80000 + i], i + 1);
	}
}
END_TEST

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

/* ---- console ---- */

static void start_console(void)
{
	find(&con, 1);
	start(&con, 1ull << VIRTIO_CONSOLE_F_MULTIPORT);
}

static void control(uint32_t id, uint16_t event, uint16_t value)
{
	struct part p = {DATA + 0x100, sizeof(struct virtio_console_control), false};

	*(struct virtio_console_control *)(vm->ram.base + DATA + 0x100) =
	    (struct virtio_console_control){id, event, value};
	offer(&con, 3, 0, &p, 1);
	wait_used(&con, 3, (uint16_t)(used(&con, 3)->idx + 1));
}

/* Buffers for control messages; the n-th message that came. */
static void give_control(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct part p = {DATA + 0x200 + i * 16, 8, true};

		offer(&con, 2, (uint16_t)i, &p, 1);
	}
	ring(&con, 2);
	work();
}

static struct virtio_console_control *message(unsigned n)
{
	ck_assert_uint_gt(used(&con, 2)->idx, n);
	return (void *)(vm->ram.base + DATA + 0x200 + used(&con, 2)->ring[n].id * 16);
}

static void open_ports(void)
{
	start_console();
	give_control(8);
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert_uint_eq(used(&con, 2)->idx, 2);
	ck_assert_uint_eq(message(1)->id, 1);
	ck_assert_uint_eq(message(1)->event, VIRTIO_CONSOLE_PORT_ADD);
	control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_uint_eq(message(2)->event, VIRTIO_CONSOLE_PORT_OPEN);
	ck_assert_uint_eq(message(2)->value, 1);
}

START_TEST(console_carries_output)
{
	struct part p[2] = {{DATA + 0x1000, 6, false}, {DATA + 0x2000, 5, false}};
	char buf[32] = {0};

	open_ports();
	memcpy(vm->ram.base + DATA + 0x1000, "hello ", 6);
	memcpy(vm->ram.base + DATA + 0x2000, "world", 5);
	offer(&con, 1, 0, p, 2);
	wait_used(&con, 1, 1);
	ck_assert_int_eq(read(out_pipe[0], buf, sizeof(buf)), 11);
	ck_assert_str_eq(buf, "hello world");
	offer(&con, 5, 0, p, 1);
	wait_used(&con, 5, 1);
	ck_assert_int_eq(read(err_pipe[0], buf, sizeof(buf)), 6);
}
END_TEST

START_TEST(console_waits_for_a_full_pipe)
{
	static char buf[1 << 20];
	struct part p = {DATA, 200000, false};
	size_t got = 0;

	open_ports();
	for (unsigned i = 0; i < p.len; i++)
		vm->ram.base[DATA + i] = (uint8_t)(i * 7);
	offer(&con, 1, 0, &p, 1);
	ring(&con, 1);
	work(); /* does not block */
	ck_assert_uint_eq(used(&con, 1)->idx, 0);
	while (got < p.len) {
		ssize_t n = read(out_pipe[0], buf + got, 5000);

		ck_assert_int_gt(n, 0);
		got += (size_t)n;
		work();
	}
	ck_assert_uint_eq(used(&con, 1)->idx, 1);
	for (unsigned i = 0; i < p.len; i++)
		if ((uint8_t)buf[i] != (uint8_t)(i * 7))
			ck_abort_msg("byte %u is wrong", i);
}
END_TEST

START_TEST(console_reads_only_when_asked)
{
	struct part p[2] = {{DATA + 0x3000, 4, true}, {DATA + 0x3100, 100, true}};
	int left;

	open_ports();
	ck_assert_int_eq(write(in_pipe[1], "abcdefgh", 8), 8);
	work();
	ck_assert_int_eq(ioctl(in_pipe[0], FIONREAD, &left), 0);
	ck_assert_int_eq(left, 8); /* nobody asked */
	offer(&con, 0, 0, p, 1);
	wait_used(&con, 0, 1);
	ck_assert_uint_eq(used(&con, 0)->ring[0].len, 4);
	ck_assert_int_eq(memcmp(vm->ram.base + DATA + 0x3000, "abcd", 4), 0);
	ck_assert_int_eq(ioctl(in_pipe[0], FIONREAD, &left), 0);
	ck_assert_int_eq(left, 4);
	close(in_pipe[1]);
	ck_assert_uint_eq(used(&con, 2)->idx, 4); /* two added, two opened: no end yet */
	offer(&con, 0, 1, p + 1, 1);
	wait_used(&con, 0, 2);
	ck_assert_uint_eq(used(&con, 0)->ring[1].len, 4);
	ck_assert_uint_eq(used(&con, 2)->idx, 4);
	offer(&con, 0, 2, p + 1, 1);
	wait_used(&con, 0, 3);
	ck_assert_uint_eq(used(&con, 0)->ring[2].len, 0);
	work();
	ck_assert_uint_eq(message(4)->event, VIRTIO_CONSOLE_PORT_OPEN);
	ck_assert_uint_eq(message(4)->id, 0);
	ck_assert_uint_eq(message(4)->value, 0);
}
END_TEST

START_TEST(console_tells_of_a_reader_that_left)
{
	struct part p = {DATA, 10, false};

	open_ports();
	signal(SIGPIPE, SIG_IGN);
	close(out_pipe[0]);
	offer(&con, 1, 0, &p, 1);
	wait_used(&con, 1, 1);
	ck_assert(vm->ended);
	ck_assert_int_eq(vm->result.signal, SIGPIPE);
}
END_TEST

/* ---- transport ---- */

START_TEST(features_must_make_sense)
{
	find(&blk, 0);
	COMMON(&blk, device_status, 1, true, 3);
	COMMON(&blk, device_status, 1, true, 11); /* without VERSION_1 */
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	COMMON(&blk, guest_feature_select, 4, true, 1);
	COMMON(&blk, guest_feature, 4, true, 0xffffffff); /* what was never offered */
	COMMON(&blk, device_status, 1, true, 11);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	COMMON(&blk, device_status, 1, true, 15);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0) & 4, 0);
}
END_TEST

START_TEST(a_masked_vector_waits)
{
	start_blk();
	mmio(&blk, blk.table + 16 + 12, 4, true, 1);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	ck_assert(!interrupted(&blk, 1));
	ck_assert_uint_eq(mmio(&blk, blk.table + 0x1000, 4, false, 0), 2); /* its pending bit */
	mmio(&blk, blk.table + 16 + 12, 4, true, 0);
	ck_assert(interrupted(&blk, 1));
	ck_assert_uint_eq(mmio(&blk, blk.table + 0x1000, 4, false, 0), 0);
}
END_TEST

START_TEST(a_bad_chain_stops_one_device)
{
	struct part p = {RAM_BYTES - 8, 64, false};

	start_blk();
	start_console();
	offer(&blk, 0, 0, &p, 1);
	ring(&blk, 0);
	work();
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(warning, "pagefile0: device stopped"));
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0) & 0x40, 0x40);
	ring(&blk, 0);
	work();
	ck_assert_uint_eq(warnings, 1); /* said once */
	ck_assert_uint_eq(COMMON(&con, device_status, 1, false, 0), 15);
	/* A reset makes it work again. */
	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
}
END_TEST

START_TEST(a_request_without_status_stops_the_device)
{
	struct part p = {DATA, 16, false};

	start_blk();
	offer(&blk, 0, 0, &p, 1);
	ring(&blk, 0);
	work();
	ck_assert_ptr_nonnull(strstr(warning, "without header or status"));
}
END_TEST

START_TEST(a_reset_in_flight_waits)
{
	for (unsigned round = 0; round < 200; round++) {
		start_blk();
		for (unsigned i = 0; i < 8; i++) {
			struct virtio_blk_outhdr *h = (void *)(vm->ram.base + DATA + i * 32);
			struct part p[3] = {{DATA + i * 32, 16, false},
					    {DATA + 0x10000 + i * 65536, 65536, i & 1},
					    {DATA + i * 32 + 16, 1, true}};

			*h = (struct virtio_blk_outhdr){
			    .type = i & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, .sector = i * 128};
			offer(&blk, 0, (uint16_t)(i * 3), p, 3);
		}
		ring(&blk, 0);
		loop_once(&vm->loop, &vm->io_lock, 0);
		COMMON(&blk, device_status, 1, true, 0);
		for (unsigned i = 0; i < 2000 && COMMON(&blk, device_status, 1, false, 0); i++)
			loop_once(&vm->loop, &vm->io_lock, 5);
		ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 0);
		ck_assert_uint_eq(blk.dev->outstanding, 0);
	}
}
END_TEST

START_TEST(the_window_reaches_the_bar)
{
	unsigned at;

	find(&blk, 0);
	for (at = config8(&blk, PCI_CAPABILITY_LIST);
	     config8(&blk, at) != PCI_CAP_ID_VNDR ||
	     config8(&blk, at + 3) != VIRTIO_PCI_CAP_PCI_CFG;
	     at = config8(&blk, at + 1))
		ck_assert_uint_ne(at, 0);
	config_out(&blk, at + 4, 0, 1);
	config_out(&blk, at + 8, blk.common + 20, 4); /* device_status */
	config_out(&blk, at + 12, 1, 4);
	config_out(&blk, at + 16, 3, 1);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	ck_assert_uint_eq(config8(&blk, at + 16), 3);
	config_out(&blk, at + 8, UINT32_MAX - 3, 4); /* far outside */
	config_out(&blk, at + 12, 4, 4);
	config32(&blk, at + 16);
	config_out(&blk, at + 16, 1, 4);
	config_out(&blk, at + 12, UINT32_MAX, 4);
	config32(&blk, at + 16);
}
END_TEST

/* ---- anything at all ---- */

static void random_access_to(struct driver *d)
{
	unsigned len = 1u << random() % 4;
	uint32_t area = (uint32_t)(random() % 6) * 0x1000;
	uint32_t at = area + (uint32_t)(random() % 0x40) * (random() % 8 ? 1 : 61);
	uint64_t v =
	    random() % 3 ? (uint64_t)random() % 20 : (uint64_t)random() << 40 ^ (uint64_t)random();

	if (at + len <= 0x8000)
		mmio(d, at, len, random() % 3, v);
}

static void random_ring(struct driver *d)
{
	unsigned nq = d->dev->nqueues, q = (unsigned)random() % nq;

	if (!d->desc[q])
		return;
	for (unsigned i = 0; i < QSIZE; i++)
		desc(d, q)[i] = (struct vring_desc){
		    random() % 16 ? DATA + (uint64_t)random() % 0x100000 : (uint64_t)random() << 33,
		    (uint32_t)random() % (random() % 4 ? 100 : 20000), (uint16_t)(random() % 4),
		    (uint16_t)(random() % 8 ? (i + 1) % QSIZE : (unsigned)random() % 40)};
	for (unsigned i = 0; i < 64; i++) {
		uint32_t *h = (uint32_t *)(vm->ram.base + DATA + (uint64_t)random() % 0x100000);

		h = (uint32_t *)((uintptr_t)h & ~3ul);
		*h = (uint32_t)random() % 16;
	}
	for (unsigned i = 0; i < QSIZE; i++)
		avail(d, q)->ring[i] = (uint16_t)(random() % QSIZE);
	avail(d, q)->idx = (uint16_t)(d->dev->queue[q].vq.last_avail + random() % QSIZE);
	ring(d, q);
}

START_TEST(any_driver_is_survived)
{
	struct driver *d[3] = {&blk, &con, &fs};
	unsigned alive = 0;

	srandom((unsigned)_i + 1);
	fcntl(in_pipe[1], F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 3; i++)
		find(d[i], i);
	for (unsigned round = 0; round < 3000; round++) {
		struct driver *x = d[random() % 3];
		char junk[4096];

		if (random() % 8 == 0) {
			COMMON(x, device_status, 1, true, 0);
			for (unsigned i = 0; i < 2000 && COMMON(x, device_status, 1, false, 0); i++)
				loop_once(&vm->loop, &vm->io_lock, 5);
			ck_assert_uint_eq(COMMON(x, device_status, 1, false, 0), 0);
			start(x, x == &con ? 1ull << VIRTIO_CONSOLE_F_MULTIPORT : 0);
		}
		for (unsigned i = random() % 4; i > 0; i--)
			random_access_to(x);
		random_ring(x);
		alive += virtio_ready(x->dev);
		if (write(in_pipe[1], junk, 10) < 0)
			ck_assert_int_eq(errno, EAGAIN);
		work();
		for (int fd = 0; fd < 2; fd++) {
			int p = fd ? err_pipe[0] : out_pipe[0];

			fcntl(p, F_SETFL, O_NONBLOCK);
			while (read(p, junk, sizeof(junk)) > 0)
				;
		}
	}
	ck_assert_uint_gt(alive, 100);
	ck_assert(!vm->ended);
	/* And everything still works. */
	for (unsigned i = 0; i < 2000 && blk.dev->outstanding; i++)
		loop_once(&vm->loop, &vm->io_lock, 5);
	COMMON(&blk, device_status, 1, true, 0);
	work();
	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
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
		hypercall_do(2 + (uint64_t)random() % 8, a[0], a[1], a[2]);
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

		r->rax = xorshift(&s) % 24;
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

Suite *vmm_devices_suite(void)
{
	Suite *s = suite_create("vmm_devices");
	TCase *t = tcase_create("devices");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, blk_keeps_pages);
	tcase_add_test(t, blk_refuses_what_is_wrong);
	tcase_add_test(t, blk_has_many_in_flight);
	tcase_add_test(t, hypercalls_check_what_they_get);
	tcase_add_test(t, console_carries_output);
	tcase_add_test(t, console_waits_for_a_full_pipe);
	tcase_add_test(t, console_reads_only_when_asked);
	tcase_add_test(t, console_tells_of_a_reader_that_left);
	tcase_add_test(t, features_must_make_sense);
	tcase_add_test(t, a_masked_vector_waits);
	tcase_add_test(t, a_bad_chain_stops_one_device);
	tcase_add_test(t, a_request_without_status_stops_the_device);
	tcase_add_test(t, a_reset_in_flight_waits);
	tcase_add_test(t, the_window_reaches_the_bar);
	tcase_add_loop_test(t, any_driver_is_survived, 0, 4);
	tcase_add_test(t, random_hypercalls_are_survived);
	tcase_add_loop_test(t, random_hypercalls_change_nothing_else, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
