/*
 * virtio: the modern PCI transport (virtio 1.2, section 4.1) and split virtqueues (2.7).
 *
 * A device has one MSI-X vector for all its queues. Its interrupt routine only queues the driver's
 * DPC; queues are touched with the driver's own spin lock held, at DISPATCH_LEVEL.
 * What the device writes (used ring, configuration) is checked; a device that breaks the rules is
 * reset and marked broken, and its driver fails what is outstanding.
 */
#ifndef NTMM_IO_VIRTIO_H
#define NTMM_IO_VIRTIO_H

#include "guest/io/pci.h"

#define VIRTIO_VENDOR	   0x1af4
#define VIRTIO_MODERN_BASE 0x1040 /* + type = PCI device id */
enum virtio_type { VIRTIO_BLOCK = 2, VIRTIO_CONSOLE = 3, VIRTIO_9P = 9 };

#define VIRTIO_F_EVENT_IDX (1ull << 29)
#define VIRTIO_F_VERSION_1 (1ull << 32)

struct virtio_device {
	const struct pci_function *pci;
	enum virtio_type type;
	volatile u8 *common, *notify, *config;
	u32 notify_bytes, notify_multiplier, config_bytes;
	u64 features; /* negotiated */
	u16 queues;   /* the device has */
	volatile bool broken;
	KDPC dpc; /* the driver's: runs after an interrupt */
};

/* A piece of a buffer in guest-physical memory. */
struct vq_seg {
	u64 pa;
	u32 bytes;
};

struct vring_desc;
struct virtqueue {
	struct virtio_device *dev;
	u16 index, size;
	u16 free_head, free_count;
	u16 avail_idx;	/* next entry of the available ring */
	u16 kicked_idx; /* avail_idx at the last look at whether to notify */
	u16 last_used;	/* next entry of the used ring */
	volatile struct vring_desc *desc;
	volatile u16 *avail; /* flags, idx, ring[size], used_event */
	volatile u16 *used;  /* flags, idx, {u32 id, len}[size], avail_event */
	volatile u16 *notify;
	struct vq_slot *slot; /* private, one a descriptor: the device cannot change it */
};

/* Maps the device's structures and resets it. False: not a usable modern device. */
bool virtio_open(struct virtio_device *d, const struct pci_function *pci);
/* Accepts those of `wanted` that are offered; VERSION_1 is always needed. */
bool virtio_negotiate(struct virtio_device *d, u64 wanted);
/* Sets up queue `index` with at most max_size descriptors. */
bool virtio_queue_setup(struct virtio_device *d, struct virtqueue *q, u16 index, u16 max_size);
/* Interrupts run `dpc`. Before the queues are set up. */
bool virtio_connect(struct virtio_device *d, dpc_fn *dpc, void *context);
void virtio_start(struct virtio_device *d); /* DRIVER_OK */
/* Resets the device for good and says why; outstanding buffers are the driver's again. */
void virtio_break(struct virtio_device *d, const char *why);

u8 virtio_config8(struct virtio_device *d, u32 offset);
u16 virtio_config16(struct virtio_device *d, u32 offset);
u32 virtio_config32(struct virtio_device *d, u32 offset);
u64 virtio_config64(struct virtio_device *d, u32 offset);

/* Offers seg[0..out) to be read and seg[out..out+in) to be written by the device. `cookie` (not
 * NULL) comes back from vq_pop. False: not enough descriptors now. */
bool vq_add(struct virtqueue *q, const struct vq_seg *seg, u32 out, u32 in, void *cookie);
/* Notifies the device of what was added since the last call, if it wants to know. */
void vq_kick(struct virtqueue *q);
/* Takes back a buffer; *bytes is what the device says it wrote, never more than it could. NULL:
 * none, or the device is broken now. */
void *vq_pop(struct virtqueue *q, u32 *bytes);
/* Asks for an interrupt at the next completion. False: there is one already, pop again. */
bool vq_rearm(struct virtqueue *q);
/* For a broken device: takes any outstanding buffer back. NULL: none left. */
void *vq_reclaim(struct virtqueue *q);

/* Cuts kernel memory (pool, image) into segments by page; returns how many, 0 when max is short. */
u32 vq_segments(const void *kernel, u32 bytes, struct vq_seg *seg, u32 max);

#endif
