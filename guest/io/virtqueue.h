/* Private between virtio.c and virtqueue.c: memory of a new queue. */
#ifndef NTMM_IO_VIRTQUEUE_H
#define NTMM_IO_VIRTQUEUE_H

#include "guest/io/virtio.h"

struct virtqueue_rings {
	u64 desc, avail, used; /* guest-physical */
};
bool virtqueue_init(struct virtqueue *q, struct virtio_device *d, u16 index, u16 size,
		    struct virtqueue_rings *pa);

#endif
