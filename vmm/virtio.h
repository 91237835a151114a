/*
 * virtio: what a virtio device is made of, whatever it does. virtio_pci.c is the transport, one
 * file a device kind fills in struct virtio_ops.
 *
 * A notification arrives as an ioeventfd in the loop and becomes ops->notify(). A device takes
 * chains with virtio_pop(), works on as many at once as it likes, gives each back with
 * virtio_complete() and ends a batch with virtio_signal().
 *
 * Reset: when the driver writes status 0, ops->cancel() has to give back what can be given up at
 * once; the reset is done, and status reads 0, when no chain is outstanding any more. What is
 * completed meanwhile is dropped.
 *
 * Breaking: the first malformed thing in a queue stops the device: DEVICE_NEEDS_RESET, one line of
 * warning, no chain is taken any more until the driver resets it.
 *
 * Everything here is under vm.io_lock.
 */
#ifndef VMM_VIRTIO_H
#define VMM_VIRTIO_H

#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>

#include "vmm/loop.h"
#include "vmm/pci.h"
#include "vmm/virtqueue.h"
#include "vmm/vmm.h"

#define VIRTIO_MAX_QUEUES  8
#define VIRTIO_MAX_VECTORS (VIRTIO_MAX_QUEUES + 1)

struct virtio_dev;

struct virtio_ops {
	uint16_t device_id; /* VIRTIO_ID_* */
	uint32_t pci_class; /* class, subclass, interface in bits 31..8 */
	void (*notify)(struct virtio_dev *dev, unsigned queue);
	void (*cancel)(struct virtio_dev *dev); /* may be NULL */
	void (*reset)(struct virtio_dev *dev);	/* nothing is outstanding; may be NULL */
	void (*destroy)(struct virtio_dev *dev);
};

struct virtio_vector {
	uint32_t addr_lo, addr_hi, data, control; /* the MSI-X table entry */
	bool pending;
	int gsi, eventfd; /* eventfd -1: not allocated */
};

struct virtio_queue {
	struct virtq vq;
	uint16_t max_size, vector;
	bool held; /* the device waits for something else before it takes more chains */
	struct loop_source kick; /* the ioeventfd */
	struct virtio_dev *dev;
};

struct virtio_dev {
	struct pci_dev pci; /* first */
	struct vm *vm;
	const struct virtio_ops *ops;
	char name[24]; /* for messages: "pagefile0" */
	uint64_t offered, accepted;
	uint32_t offered_select, accepted_select;
	uint8_t status, config_generation;
	bool resetting, broken;
	uint16_t queue_select, config_vector;
	unsigned nqueues, outstanding;
	struct virtio_queue queue[VIRTIO_MAX_QUEUES];
	const void *config; /* the device's own configuration, config_len bytes */
	unsigned config_len;
	unsigned msix_cap, window_cap; /* offsets in configuration space */
	struct virtio_vector vector[VIRTIO_MAX_VECTORS];
};

/* Puts a device on the bus; ops, name, offered, nqueues and config are set. */
int virtio_attach(struct vm *vm, struct virtio_dev *dev, uint16_t queue_size, struct vm_error *err);
void virtio_detach(struct virtio_dev *dev);

static inline bool virtio_ready(const struct virtio_dev *dev)
{
	return (dev->status & VIRTIO_CONFIG_S_DRIVER_OK) && !dev->broken && !dev->resetting;
}

/* Takes a chain: false when there is none or the device is not to work. */
bool virtio_pop(struct virtio_dev *dev, unsigned queue, struct virtq_chain *chain);
void virtio_complete(struct virtio_dev *dev, unsigned queue, uint16_t head, uint32_t written);
/* Interrupts the driver for what was completed on the queue, if it wants that. */
void virtio_signal(struct virtio_dev *dev, unsigned queue);
/* The device's configuration has changed. */
void virtio_config_changed(struct virtio_dev *dev);
/* A request was malformed: stops the device. */
void virtio_break(struct virtio_dev *dev, unsigned queue, const char *why);
/* Runs notify of every queue that has something, as if the driver had notified. */
void virtio_poll(struct virtio_dev *dev);

/* virtio_blk.c: the pagefile has grown. */
void virtio_blk_resized(struct virtio_dev *dev);

/* virtio_console.c: writes out what the guest has given so far; wait: even if that takes long. */
void virtio_console_flush(struct virtio_dev *dev, bool wait);

#endif
