/*
 * virtio-9p: a mount tag and one queue of 9P requests, each a chain with the T-message to read and
 * room for the R-message to write.
 */
#include <errno.h>
#include <linux/virtio_9p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/machine.h"
#include "vmm/p9.h"
#include "vmm/virtio.h"

#define QUEUE_SIZE 128
#define PCI_CLASS  0x01800000u /* as QEMU's: mass storage, other */
#define TAG_BYTES  1

struct dev9p {
	struct virtio_dev dev; /* first */
	struct p9 *p9;
	struct virtq_chain chain;
	struct {
		uint16_t tag_len;
		char tag[TAG_BYTES];
	} config;
};

static void dev9p_notify(struct virtio_dev *dev, unsigned queue)
{
	struct dev9p *d = (struct dev9p *)dev;

	while (virtio_pop(dev, queue, &d->chain)) {
		struct virtq_chain *c = &d->chain;
		int n = p9_request(d->p9, c->iov, c->nout, c->iov + c->nout, c->nin);

		virtio_complete(dev, queue, c->head, n < 0 ? 0 : (uint32_t)n);
		if (n < 0)
			virtio_break(dev, queue, "a request without header or room for a reply");
	}
	virtio_signal(dev, queue);
}

static void dev9p_reset(struct virtio_dev *dev)
{
	struct dev9p *d = (struct dev9p *)dev;

	p9_reset(d->p9);
}

static void dev9p_destroy(struct virtio_dev *dev)
{
	struct dev9p *d = (struct dev9p *)dev;

	virtio_detach(dev);
	p9_destroy(d->p9);
	free(d);
}

static const struct virtio_ops dev9p_ops = {
    .device_id = VIRTIO_ID_9P,
    .pci_class = PCI_CLASS,
    .notify = dev9p_notify,
    .reset = dev9p_reset,
    .destroy = dev9p_destroy,
};

int vm_add_share(struct vm *vm, char letter, bool writable, const struct vm_share_dir *dirs,
		 unsigned ndirs, struct vm_error *err)
{
	struct p9_share share = {.writable = writable, .ndirs = ndirs};
	struct dev9p *d;
	int r;

	if (ndirs == 0 || ndirs > P9_MAX_DIRS)
		return vm_fail(err, -EINVAL, "drive %c: has too many folders", letter);
	memcpy(share.dir, dirs, ndirs * sizeof(*dirs));
	d = calloc(1, sizeof(*d));
	if (!d || !(d->p9 = p9_create(&share))) {
		free(d);
		return vm_fail(err, -ENOMEM, "out of memory");
	}
	d->config.tag_len = TAG_BYTES;
	d->config.tag[0] = letter;
	d->dev.ops = &dev9p_ops;
	d->dev.nqueues = 1;
	d->dev.offered = 1ull << VIRTIO_9P_MOUNT_TAG;
	d->dev.config = &d->config;
	d->dev.config_len = sizeof(d->config.tag_len) + TAG_BYTES;
	snprintf(d->dev.name, sizeof(d->dev.name), "drive %c:", letter);
	r = virtio_attach(vm, &d->dev, QUEUE_SIZE, err);
	if (r < 0)
		dev9p_destroy(&d->dev);
	return r;
}
