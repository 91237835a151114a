/*
 * virtqueue: the device's half of a split virtqueue (virtio 1.2, section 2.7). Pure: guest RAM and
 * its map are all it needs.
 *
 * The guest may write anything into the rings at any time. So every index, address, length and
 * link is copied once and checked before use; the first thing that is wrong makes virtq_pop() fail
 * with -EPROTO and a text in `bad`, and the queue gives nothing more until it is reset.
 */
#ifndef VMM_VIRTQUEUE_H
#define VMM_VIRTQUEUE_H

#include <linux/virtio_ring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "vmm/ram.h"

#define VIRTQ_MAX_SIZE 128

struct virtq {
	const struct guest_ram *ram;
	/* What the driver sets before it enables the queue. */
	uint16_t size;
	gpa_t desc_gpa, avail_gpa, used_gpa;
	bool enabled;
	bool event_idx; /* VIRTIO_RING_F_EVENT_IDX was negotiated */
	bool indirect;	/* VIRTIO_RING_F_INDIRECT_DESC likewise */
	/* Since it was enabled. */
	const struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	uint16_t last_avail; /* next entry of the available ring to take */
	uint16_t next_used;  /* next entry of the used ring to fill */
	uint16_t signalled;  /* next_used when the driver was last told */
	const char *bad;     /* what the driver did wrong; NULL: nothing */
	gpa_t bad_gpa;	     /* the address it gave, when that was wrong; else 0 */
};

/* A descriptor chain: first the buffers the device reads, then those it writes. */
struct virtq_chain {
	uint16_t head;
	unsigned nout, nin; /* iov[0 .. nout) are read, iov[nout .. nout + nin) written */
	uint64_t out_bytes, in_bytes;
	struct iovec iov[VIRTQ_MAX_SIZE];
};

void virtq_reset(struct virtq *q, const struct guest_ram *ram, uint16_t size);

/* Checks size, addresses and rights of the three rings. -EPROTO with `bad` set. */
int virtq_enable(struct virtq *q);

/* Takes the next chain: 1, 0 when there is none, -EPROTO. */
int virtq_pop(struct virtq *q, struct virtq_chain *chain);

/* Is something there to pop? */
bool virtq_pending(const struct virtq *q);

/* Gives a chain back; `written` bytes of its device-writable buffers were filled. */
void virtq_push(struct virtq *q, uint16_t head, uint32_t written);

/* Should the driver be interrupted for what was pushed since the last call? */
bool virtq_should_signal(struct virtq *q);

/* Asks the driver to notify, or not to, when it adds chains. After asking for it, look once more
 * whether something is pending. */
void virtq_want_notify(struct virtq *q, bool want);

/* Copies from or to the front of an iovec array and cuts that off; returns the bytes done. */
size_t iov_take(struct iovec **iov, unsigned *count, void *buf, size_t len);
size_t iov_put(struct iovec **iov, unsigned *count, const void *buf, size_t len);
/* Cuts the array down to its first `len` bytes. */
void iov_limit(struct iovec *iov, unsigned *count, uint64_t len);

#endif
