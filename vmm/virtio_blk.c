/*
 * virtio-blk (virtio 1.2, section 5.2) over a pagefile.
 *
 * A request is a chain: 16 bytes of header, data, one status byte. Reads, writes and flushes become
 * one pagefile request each, straight on guest memory. A discard or write-zeroes request may name
 * several ranges: they are copied first and then done one after the other. As many requests are in
 * flight as the queue holds; they end in whatever order the pagefile ends them.
 */
#include <errno.h>
#include <linux/virtio_blk.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "guest/abi/runblock.h"
#include "vmm/machine.h"
#include "vmm/virtio.h"

#define SECTOR	     512u
#define PAGE_SECTORS (PAGEFILE_PAGE / SECTOR)
#define QUEUE_SIZE   128
#define MAX_RANGES   32
#define PCI_CLASS    0x01800000u /* mass storage, other */

struct blk_request {
	struct pagefile_request pf; /* first */
	struct blk_request *free_next;
	struct virtq_chain chain;
	uint8_t *status;
	uint32_t written; /* bytes put into the chain, the status byte included */
	unsigned range, nranges;
	struct virtio_blk_discard_write_zeroes ranges[MAX_RANGES];
};

struct blk {
	struct virtio_dev dev; /* first */
	struct pagefile *pf;
	unsigned index;
	struct virtio_blk_config config;
	struct loop_source done; /* the pagefile's eventfd */
	struct blk_request *free;
};

static struct blk_request *request_get(struct blk *b)
{
	struct blk_request *r = b->free;

	if (r)
		b->free = r->free_next;
	else
		r = malloc(sizeof(*r));
	return r;
}

static void request_put(struct blk *b, struct blk_request *r)
{
	r->free_next = b->free;
	b->free = r;
}

static void finish(struct blk *b, struct blk_request *r, uint8_t status)
{
	*r->status = status;
	virtio_complete(&b->dev, 0, r->chain.head, r->written);
	request_put(b, r);
}

/* Gives the next range of a discard or write-zeroes request to the pagefile; false: no more. */
static bool submit_range(struct blk *b, struct blk_request *r, int *error)
{
	const struct virtio_blk_discard_write_zeroes *g;

	while (r->range < r->nranges) {
		g = &r->ranges[r->range++];
		if (g->num_sectors == 0)
			continue;
		if (g->sector > UINT64_MAX / SECTOR) {
			*error = -EINVAL;
			return false;
		}
		r->pf.offset = g->sector * SECTOR;
		r->pf.bytes = (uint64_t)g->num_sectors * SECTOR;
		*error = pagefile_submit(b->pf, &r->pf);
		return *error == 0;
	}
	*error = 0;
	return false;
}

static uint8_t start_ranges(struct blk *b, struct blk_request *r, struct iovec *iov, unsigned n,
			    bool discard)
{
	const uint32_t known = discard ? 0 : VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP;
	size_t bytes = iov_take(&iov, &n, r->ranges, sizeof(r->ranges));
	int error;

	if (n > 0 || bytes == 0 || bytes % sizeof(r->ranges[0]))
		return VIRTIO_BLK_S_UNSUPP;
	r->nranges = (unsigned)(bytes / sizeof(r->ranges[0]));
	r->range = 0;
	for (unsigned i = 0; i < r->nranges; i++)
		if (r->ranges[i].flags & ~known)
			return VIRTIO_BLK_S_UNSUPP;
	r->pf.op = discard ? PAGEFILE_DISCARD : PAGEFILE_WRITE_ZEROES;
	if (submit_range(b, r, &error))
		return UINT8_MAX;
	return error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK;
}

static uint8_t start_data(struct blk *b, struct blk_request *r, struct iovec *iov, unsigned n,
			  uint64_t sector, uint64_t bytes, enum pagefile_op op)
{
	if (sector > UINT64_MAX / SECTOR)
		return VIRTIO_BLK_S_IOERR;
	r->pf.op = op;
	r->pf.offset = sector * SECTOR;
	r->pf.bytes = bytes;
	r->pf.iov = iov;
	r->pf.iovcnt = (int)n;
	if (pagefile_submit(b->pf, &r->pf) < 0)
		return VIRTIO_BLK_S_IOERR;
	return UINT8_MAX;
}

static uint8_t get_id(struct blk *b, struct blk_request *r, struct iovec *iov, unsigned n)
{
	char id[VIRTIO_BLK_ID_BYTES] = {0};

	snprintf(id, sizeof(id), "pagefile%u", b->index);
	r->written += (uint32_t)iov_put(&iov, &n, id, sizeof(id));
	return VIRTIO_BLK_S_OK;
}

/* Decodes a chain and starts it: a status, or UINT8_MAX when it is under way. */
static uint8_t start(struct blk *b, struct blk_request *r)
{
	struct iovec *out = r->chain.iov, *in = out + r->chain.nout;
	unsigned nout = r->chain.nout, nin = r->chain.nin;
	struct virtio_blk_outhdr hdr;

	memset(&r->pf, 0, sizeof(r->pf));
	r->pf.user = r;
	r->nranges = r->range = 0;
	r->written = 1;
	iov_take(&out, &nout, &hdr, sizeof(hdr));
	iov_limit(in, &nin, r->chain.in_bytes - 1);

	switch (hdr.type) {
	case VIRTIO_BLK_T_IN:
		if (nout > 0 || r->chain.in_bytes - 1 > PAGEFILE_MAX_REQUEST)
			return VIRTIO_BLK_S_UNSUPP;
		r->written = (uint32_t)r->chain.in_bytes;
		return start_data(b, r, in, nin, hdr.sector, r->chain.in_bytes - 1, PAGEFILE_READ);
	case VIRTIO_BLK_T_OUT:
		return start_data(b, r, out, nout, hdr.sector, r->chain.out_bytes - sizeof(hdr),
				  PAGEFILE_WRITE);
	case VIRTIO_BLK_T_FLUSH:
		return start_data(b, r, NULL, 0, 0, 0, PAGEFILE_FLUSH);
	case VIRTIO_BLK_T_GET_ID:
		return get_id(b, r, in, nin);
	case VIRTIO_BLK_T_DISCARD:
	case VIRTIO_BLK_T_WRITE_ZEROES:
		return start_ranges(b, r, out, nout, hdr.type == VIRTIO_BLK_T_DISCARD);
	default:
		return VIRTIO_BLK_S_UNSUPP;
	}
}

/* Takes what the pagefile has finished. */
static void reap(struct blk *b)
{
	struct pagefile_request *p;
	bool more = false;

	while ((p = pagefile_reap(b->pf)) != NULL) {
		struct blk_request *r = p->user;
		int error = p->result;

		if (error == 0 && r->nranges > 0 && !b->dev.resetting &&
		    submit_range(b, r, &error)) {
			more = true;
			continue;
		}
		finish(b, r, error ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
	}
	if (more)
		pagefile_kick(b->pf);
	virtio_signal(&b->dev, 0);
}

static void blk_notify(struct virtio_dev *dev, unsigned queue)
{
	struct blk *b = (struct blk *)dev;
	struct blk_request *r;

	while ((r = request_get(b)) != NULL) {
		uint8_t status;

		if (!virtio_pop(dev, queue, &r->chain)) {
			request_put(b, r);
			break;
		}
		if (r->chain.out_bytes < sizeof(struct virtio_blk_outhdr) ||
		    r->chain.in_bytes == 0) {
			virtio_complete(dev, queue, r->chain.head, 0);
			request_put(b, r);
			virtio_break(dev, queue, "a request without header or status byte");
			break;
		}
		{
			const struct iovec *last = &r->chain.iov[r->chain.nout + r->chain.nin - 1];

			r->status = (uint8_t *)last->iov_base + last->iov_len - 1;
		}
		status = start(b, r);
		if (status != UINT8_MAX)
			finish(b, r, status);
	}
	pagefile_kick(b->pf);
	reap(b);
}

static void blk_done(struct loop_source *s, uint32_t events)
{
	struct blk *b = (struct blk *)((char *)s - offsetof(struct blk, done));

	(void)events;
	reap(b);
}

static void update_capacity(struct blk *b)
{
	b->config.capacity = pagefile_size(b->pf) / SECTOR;
}

static void blk_destroy(struct virtio_dev *dev)
{
	struct blk *b = (struct blk *)dev;

	pagefile_drain(b->pf);
	while (pagefile_reap(b->pf))
		;
	while (b->free) {
		struct blk_request *r = b->free;

		b->free = r->free_next;
		free(r);
	}
	virtio_detach(dev);
	free(b);
}

static const struct virtio_ops blk_ops = {
    .device_id = VIRTIO_ID_BLOCK,
    .pci_class = PCI_CLASS,
    .notify = blk_notify,
    .destroy = blk_destroy,
};

void virtio_blk_resized(struct virtio_dev *dev)
{
	update_capacity((struct blk *)dev);
	virtio_config_changed(dev);
}

int vm_add_pagefile(struct vm *vm, unsigned index, struct pagefile *pf, struct vm_error *err)
{
	struct blk *b;
	int r;

	if (index >= NTMM_MAX_PAGEFILES || vm->pagefile[index])
		return vm_fail(err, -EINVAL, "pagefile number %u cannot be added", index);
	b = calloc(1, sizeof(*b));
	if (!b)
		return vm_fail(err, -ENOMEM, "out of memory");
	b->pf = pf;
	b->index = index;
	b->config.seg_max = QUEUE_SIZE - 2;
	b->config.blk_size = PAGEFILE_PAGE;
	b->config.max_discard_sectors = b->config.max_write_zeroes_sectors = 1u << 22;
	b->config.max_discard_seg = b->config.max_write_zeroes_seg = MAX_RANGES;
	b->config.discard_sector_alignment = PAGE_SECTORS;
	b->config.write_zeroes_may_unmap = 1;
	update_capacity(b);
	b->dev.ops = &blk_ops;
	b->dev.nqueues = 1;
	b->dev.config = &b->config;
	b->dev.config_len = sizeof(b->config);
	b->dev.offered = 1ull << VIRTIO_BLK_F_SEG_MAX | 1ull << VIRTIO_BLK_F_BLK_SIZE |
			 1ull << VIRTIO_BLK_F_FLUSH | 1ull << VIRTIO_BLK_F_DISCARD |
			 1ull << VIRTIO_BLK_F_WRITE_ZEROES;
	snprintf(b->dev.name, sizeof(b->dev.name), "pagefile%u", index);
	r = virtio_attach(vm, &b->dev, QUEUE_SIZE, err);
	if (r == 0) {
		b->done.fd = pagefile_event_fd(pf);
		b->done.ready = blk_done;
		r = loop_watch(&vm->loop, &b->done, EPOLLIN);
		if (r < 0)
			vm_fail(err, r, "pagefile%u: cannot be watched", index);
	}
	if (r < 0) {
		virtio_detach(&b->dev);
		free(b);
		return r;
	}
	vm->pagefile[index] = pf;
	vm->pagefile_dev[index] = &b->dev;
	return 0;
}
