/*
 * virtio-9p: a mount tag and one queue of 9P requests, each a chain with the T-message to read and
 * room for the R-message to write.
 *
 * While a machine runs, one thread of its own serves all shares, request by request, so that a slow
 * disk holds up neither paging nor the console. A notification marks the queue as held and wakes
 * the thread; it takes the mark off when it has found the queue empty.
 */
#include <errno.h>
#include <linux/virtio_9p.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/machine.h"
#include "vmm/p9.h"
#include "vmm/virtio.h"

#define QUEUE_SIZE  128
#define PCI_CLASS   0x01800000u /* as QEMU's: mass storage, other */
#define TAG_BYTES   1
#define FILES_STACK (256u << 10)

struct dev9p {
	struct virtio_dev dev; /* first */
	struct p9 *p9;
	struct virtq_chain chain;
	struct {
		uint16_t tag_len;
		char tag[TAG_BYTES];
	} config;
};

static const struct virtio_ops dev9p_ops;

static struct dev9p *dev9p_of(struct virtio_dev *dev)
{
	return (struct dev9p *)dev;
}

/* Takes and answers requests until there are none. The server itself runs without io_lock, when
 * there is a thread of its own for it; then only that thread comes here. */
static void serve(struct dev9p *d, pthread_mutex_t *unlocked)
{
	struct virtq_chain *c = &d->chain;
	int n;

	while (virtio_pop(&d->dev, 0, c)) {
		if (unlocked)
			pthread_mutex_unlock(unlocked);
		n = p9_request(d->p9, c->iov, c->nout, c->iov + c->nout, c->nin);
		if (unlocked)
			pthread_mutex_lock(unlocked);
		virtio_complete(&d->dev, 0, c->head, n < 0 ? 0 : (uint32_t)n);
		if (n < 0)
			virtio_break(&d->dev, 0, "a request without header or room for a reply");
		if (unlocked) /* do not keep a reply back while the next request waits for a disk */
			virtio_signal(&d->dev, 0);
	}
	virtio_signal(&d->dev, 0);
}

static void dev9p_notify(struct virtio_dev *dev, unsigned queue)
{
	struct files_thread *t = &dev->vm->files;

	if (!t->running) {
		serve(dev9p_of(dev), NULL);
		return;
	}
	dev->queue[queue].held = true; /* until the thread has been here */
	pthread_cond_signal(&t->wake);
}

static void *files_main(void *arg)
{
	struct vm *vm = arg;
	struct files_thread *t = &vm->files;

	pthread_mutex_lock(&vm->io_lock);
	while (!t->quit) {
		bool worked = false;

		for (unsigned i = 0; i < vm->ndevices; i++) {
			struct virtio_dev *dev = vm->device[i];
			struct virtq *q = &dev->queue[0].vq;

			if (dev->ops != &dev9p_ops || !dev->queue[0].held || !virtio_ready(dev))
				continue;
			serve(dev9p_of(dev), &vm->io_lock);
			virtq_want_notify(q, true);
			/* Requests that came just before that are found by looking once more. */
			dev->queue[0].held = virtio_ready(dev) && virtq_pending(q);
			worked = true; /* nor is a signal heard that came for another device */
		}
		if (!worked && !t->quit)
			pthread_cond_wait(&t->wake, &vm->io_lock);
	}
	pthread_mutex_unlock(&vm->io_lock);
	return NULL;
}

int files_start(struct vm *vm)
{
	struct files_thread *t = &vm->files;
	pthread_attr_t attr;
	int r;

	pthread_cond_init(&t->wake, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, FILES_STACK);
	t->running = true;
	r = pthread_create(&t->thread, &attr, files_main, vm);
	pthread_attr_destroy(&attr);
	t->running = r == 0;
	return -r;
}

void files_stop(struct vm *vm)
{
	struct files_thread *t = &vm->files;

	if (!t->running)
		return;
	pthread_mutex_lock(&vm->io_lock);
	t->quit = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&vm->io_lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	t->running = false;
}

static void dev9p_reset(struct virtio_dev *dev)
{
	struct dev9p *d = dev9p_of(dev);

	p9_reset(d->p9);
}

static void dev9p_destroy(struct virtio_dev *dev)
{
	struct dev9p *d = dev9p_of(dev);

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
