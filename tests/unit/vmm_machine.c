/* The machine of vmm_machine.h, and its driver. */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "tests/unit/vmm_machine.h"
#include "vmm/pci.h"

struct vm *vm;
struct vm_error err;
static struct pagefile *pf;
char warning[400];
unsigned warnings, routes;
int in_pipe[2], out_pipe[2], err_pipe[2];

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

void machine_setup(void)
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

void machine_teardown(void)
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

void work(void)
{
	while (loop_once(&vm->loop, &vm->io_lock, 0))
		;
}

/* ---- a driver ---- */

struct driver blk, con, fs;

uint64_t mmio(struct driver *d, uint32_t at, unsigned len, bool write, uint64_t v)
{
	ck_assert(bus_access(&vm->mmio, d->bar + at, &v, len, write));
	return len == 8 ? v : v & ((1ull << 8 * len) - 1);
}

uint8_t config8(struct driver *d, unsigned reg)
{
	uint8_t b[4];

	put32(b, 0x80000000u | (d->function + 1) << 11 | (reg & 0xfc));
	bus_access(&vm->ports, NTMM_PORT_PCI_ADDR, b, 4, true);
	bus_access(&vm->ports, (uint16_t)(NTMM_PORT_PCI_DATA + (reg & 3)), b, 1, false);
	return b[0];
}

void config_out(struct driver *d, unsigned reg, uint32_t v, unsigned len)
{
	uint8_t b[4];

	put32(b, 0x80000000u | (d->function + 1) << 11 | (reg & 0xfc));
	bus_access(&vm->ports, NTMM_PORT_PCI_ADDR, b, 4, true);
	put32(b, v);
	bus_access(&vm->ports, (uint16_t)(NTMM_PORT_PCI_DATA + (reg & 3)), b, len, true);
}

uint32_t config32(struct driver *d, unsigned reg)
{
	return config8(d, reg) | config8(d, reg + 1) << 8 | config8(d, reg + 2) << 16 |
	       (uint32_t)config8(d, reg + 3) << 24;
}

void find(struct driver *d, unsigned function)
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

void start(struct driver *d, uint64_t features)
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

struct vring_desc *desc(struct driver *d, unsigned q)
{
	return (struct vring_desc *)(vm->ram.base + d->desc[q]);
}

struct vring_avail *avail(struct driver *d, unsigned q)
{
	return (struct vring_avail *)(vm->ram.base + d->desc[q] + 0x1000);
}

struct vring_used *used(struct driver *d, unsigned q)
{
	return (struct vring_used *)(vm->ram.base + d->desc[q] + 0x2000);
}

void offer(struct driver *d, unsigned q, uint16_t head, const struct part *p, unsigned n)
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

void ring(struct driver *d, unsigned q)
{
	mmio(d, d->notify + q * d->notify_mult, 2, true, q);
}

void wait_used(struct driver *d, unsigned q, uint16_t idx)
{
	ring(d, q);
	for (unsigned i = 0; i < 2000 && used(d, q)->idx != idx; i++)
		loop_once(&vm->loop, &vm->io_lock, 5);
	ck_assert_uint_eq(used(d, q)->idx, idx);
}

bool interrupted(struct driver *d, unsigned vector)
{
	eventfd_t n;

	return d->dev->vector[vector].eventfd >= 0 &&
	       eventfd_read(d->dev->vector[vector].eventfd, &n) == 0;
}

/* ---- blk ---- */

uint8_t blk_do(uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len)
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

void start_blk(void)
{
	find(&blk, 0);
	start(&blk, 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_DISCARD |
			1ull << VIRTIO_BLK_F_WRITE_ZEROES);
}
