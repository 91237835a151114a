/*
 * A machine without KVM for native tests: RAM, a PCI bus with a pagefile's block device, a console
 * and a share, protected and secure memory at the end of RAM; and a small driver that finds the
 * devices and talks to them through configuration space, their BARs and memory, as a kernel would.
 * Interrupts and doorbells are plain eventfds. What a real machine does besides is left out or
 * counted.
 */
#ifndef TESTS_VMM_MACHINE_H
#define TESTS_VMM_MACHINE_H

#include <linux/virtio_pci.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/machine.h"
#include "vmm/protect.h"
#include "vmm/virtio.h"

#define RAM_BYTES  (4u << 20)
#define RING_BYTES 0x4000u /* for each queue: descriptors, available, used ring */
#define RINGS	   0x100000u
#define DATA	   0x200000u
#define QSIZE	   32u
#define PF_BYTES   (1u << 20)

extern struct vm *vm;
extern struct vm_error err;
extern char warning[400];			 /* the last one */
extern unsigned warnings, routes;		 /* how many */
extern int in_pipe[2], out_pipe[2], err_pipe[2]; /* of the console */

void machine_setup(void); /* fixtures */
void machine_teardown(void);
void work(void); /* the loop, as long as there is something to do */

struct driver {
	struct virtio_dev *dev;
	uint32_t bar, common, notify, device, table, notify_mult;
	unsigned function;
	uint64_t desc[VIRTIO_MAX_QUEUES]; /* gpa of each queue's rings */
};
extern struct driver blk, con, fs; /* functions 0, 1, 2 */

uint64_t mmio(struct driver *d, uint32_t at, unsigned len, bool write, uint64_t v);
#define COMMON(d, field, len, write, v) \
	mmio(d, (d)->common + offsetof(struct virtio_pci_common_cfg, field), len, write, v)
uint8_t config8(struct driver *d, unsigned reg);
void config_out(struct driver *d, unsigned reg, uint32_t v, unsigned len);
uint32_t config32(struct driver *d, unsigned reg);

void find(struct driver *d, unsigned function);
void start(struct driver *d, uint64_t features); /* resets it, and starts all its queues */
struct vring_desc *desc(struct driver *d, unsigned q);
struct vring_avail *avail(struct driver *d, unsigned q);
struct vring_used *used(struct driver *d, unsigned q);

struct part {
	uint64_t gpa;
	uint32_t len;
	bool in;
};
/* Offers a chain whose descriptors start at `head`. */
void offer(struct driver *d, unsigned q, uint16_t head, const struct part *p, unsigned n);
void ring(struct driver *d, unsigned q);
void wait_used(struct driver *d, unsigned q, uint16_t idx);
bool interrupted(struct driver *d, unsigned vector);

void start_blk(void);
/* One request waited for: its status. */
uint8_t blk_do(uint32_t type, uint64_t sector, uint64_t gpa, uint32_t len);

#endif
