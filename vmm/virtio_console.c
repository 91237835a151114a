/*
 * virtio-console with MULTIPORT (virtio 1.2, section 5.3). Port 0 is stdin and stdout, port 1 is
 * stderr.
 *
 *   queue 0, 1   port 0 receive (stdin), transmit (stdout)
 *   queue 2, 3   control receive, transmit
 *   queue 4, 5   port 1 receive (unused), transmit (stderr)
 *
 * Input is read only when the driver has given a buffer, so that what a program does not read stays
 * with the host. The end of input is told by PORT_OPEN 0 for port 0, once all data is in buffers.
 *
 * Output is written in the order it was given; the chain being written is held until it is done. A
 * descriptor that can be polled is written PIPE_BUF bytes at a time when it is said to be ready, so
 * that the loop never blocks in a full pipe; anything else is written directly. Descriptors keep
 * their flags: others share them.
 */
#include <errno.h>
#include <limits.h>
#include <linux/virtio_console.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "guest/abi/runblock.h"
#include "vmm/machine.h"
#include "vmm/virtio.h"

#define QUEUE_SIZE  64
#define NPORTS	    2
#define MAX_CONTROL 16
#define PCI_CLASS   0x07800000u /* communication, other */

enum { RX0, TX0, CONTROL_RX, CONTROL_TX, RX1, TX1, NQUEUES };

struct output {
	struct loop_source source;
	unsigned queue;
	bool pollable;
	int error; /* errno that ended it: what comes is dropped */
	bool busy; /* chain is being written; iov, count: what is left of it */
	struct virtq_chain chain;
	struct iovec *iov;
	unsigned count;
};

struct console {
	struct virtio_dev dev; /* first */
	struct virtio_console_config config;
	struct loop_source in;
	bool in_pollable, in_eof, eof_told, port_ready[NPORTS];
	struct output out[NPORTS];
	unsigned ncontrol; /* messages waiting for a buffer */
	struct virtio_console_control control[MAX_CONTROL];
};

/* ---- control messages ---- */

static void control_flush(struct console *c)
{
	struct virtq_chain chain;
	unsigned sent = 0;

	while (sent < c->ncontrol && virtio_pop(&c->dev, CONTROL_RX, &chain)) {
		struct iovec *iov = chain.iov + chain.nout;
		unsigned n = chain.nin;
		size_t done = iov_put(&iov, &n, &c->control[sent], sizeof(c->control[0]));

		virtio_complete(&c->dev, CONTROL_RX, chain.head, (uint32_t)done);
		sent++;
	}
	c->ncontrol -= sent;
	memmove(c->control, c->control + sent, c->ncontrol * sizeof(c->control[0]));
	c->dev.queue[CONTROL_RX].held = c->ncontrol == 0;
	virtio_signal(&c->dev, CONTROL_RX);
}

static void control_send(struct console *c, uint32_t port, uint16_t event, uint16_t value)
{
	if (c->ncontrol == MAX_CONTROL)
		return; /* a driver that asks and never listens */
	c->control[c->ncontrol++] = (struct virtio_console_control){port, event, value};
	control_flush(c);
}

static void tell_eof(struct console *c)
{
	if (!c->in_eof || c->eof_told || !c->port_ready[NTMM_CONSOLE_STDIO])
		return;
	c->eof_told = true;
	control_send(c, NTMM_CONSOLE_STDIO, VIRTIO_CONSOLE_PORT_OPEN, 0);
}

static void control_received(struct console *c, const struct virtio_console_control *m)
{
	switch (m->event) {
	case VIRTIO_CONSOLE_DEVICE_READY:
		if (m->value)
			for (uint32_t i = 0; i < NPORTS; i++)
				control_send(c, i, VIRTIO_CONSOLE_PORT_ADD, 1);
		break;
	case VIRTIO_CONSOLE_PORT_READY:
		if (m->id >= NPORTS || !m->value)
			break;
		c->port_ready[m->id] = true;
		control_send(c, m->id, VIRTIO_CONSOLE_PORT_OPEN, 1);
		tell_eof(c);
		break;
	default: /* PORT_OPEN of the driver's side: nothing to do */
		break;
	}
}

static void control_notify(struct console *c)
{
	struct virtio_console_control m;
	struct virtq_chain chain;

	while (virtio_pop(&c->dev, CONTROL_TX, &chain)) {
		struct iovec *iov = chain.iov;
		unsigned n = chain.nout;
		size_t got = iov_take(&iov, &n, &m, sizeof(m));

		virtio_complete(&c->dev, CONTROL_TX, chain.head, 0);
		if (got == sizeof(m))
			control_received(c, &m);
	}
	virtio_signal(&c->dev, CONTROL_TX);
}

/* ---- input ---- */

/* Reads into one buffer. False: nothing more to do now. */
static bool read_one(struct console *c)
{
	struct virtq_chain chain;
	ssize_t n;

	if (!virtio_pop(&c->dev, RX0, &chain))
		return false;
	do
		n = chain.nin ? readv(c->in.fd, chain.iov + chain.nout, (int)chain.nin) : 0;
	while (n < 0 && errno == EINTR);
	if (n <= 0)
		c->in_eof = true; /* an error ends the input too */
	virtio_complete(&c->dev, RX0, chain.head, n > 0 ? (uint32_t)n : 0);
	return !c->in_eof;
}

static void input(struct console *c)
{
	struct virtq *q = &c->dev.queue[RX0].vq;

	if (!c->in_pollable)
		while (!c->in_eof && read_one(c))
			;
	virtio_signal(&c->dev, RX0);
	tell_eof(c);
	c->dev.queue[RX0].held = true;
	if (c->in_pollable)
		loop_watch(&c->dev.vm->loop, &c->in,
			   !c->in_eof && virtio_ready(&c->dev) && virtq_pending(q) ? EPOLLIN : 0);
}

static void input_ready(struct loop_source *s, uint32_t events)
{
	struct console *c = (struct console *)((char *)s - offsetof(struct console, in));

	(void)events;
	read_one(c);
	virtq_want_notify(&c->dev.queue[RX0].vq, true);
	input(c);
}

/* ---- output ---- */

static struct console *console_of(struct output *o)
{
	return (struct console *)((char *)(o - (o->queue == TX1)) - offsetof(struct console, out));
}

static bool can_write(const struct output *o, int timeout)
{
	struct pollfd p = {.fd = o->source.fd, .events = POLLOUT};

	return !o->pollable || poll(&p, 1, timeout) > 0;
}

/* Writes what it can of the current chain. True when all of it is done with. */
static bool write_some(struct console *c, struct output *o, bool wait)
{
	while (o->count > 0 && !o->error) {
		struct iovec part = *o->iov;
		ssize_t n;

		if (o->pollable && part.iov_len > PIPE_BUF)
			part.iov_len = PIPE_BUF;
		if (!can_write(o, wait ? -1 : 0))
			return false;
		n = writev(o->source.fd, &part, 1);
		if (n < 0 && errno == EAGAIN && wait)
			continue;
		if (n < 0 && errno == EAGAIN)
			return false;
		if (n < 0 && errno != EINTR) {
			o->error = errno;
			if (o->error == EPIPE) {
				struct vm_result r = {.end = VM_END_SIGNAL, .signal = SIGPIPE};

				vm_set_end(c->dev.vm, &r);
			} else {
				vm_warn(c->dev.vm, "%s cannot be written: %s",
					o->queue == TX0 ? "standard output" : "standard error",
					strerror(errno));
			}
		}
		for (; n > 0; n -= (ssize_t)part.iov_len) {
			part.iov_len = (size_t)n < o->iov->iov_len ? (size_t)n : o->iov->iov_len;
			o->iov->iov_base = (char *)o->iov->iov_base + part.iov_len;
			o->iov->iov_len -= part.iov_len;
			if (o->iov->iov_len == 0) {
				o->iov++;
				o->count--;
			}
		}
	}
	return true;
}

static void output(struct console *c, struct output *o, bool wait)
{
	for (;;) {
		if (!o->busy) {
			if (!virtio_pop(&c->dev, o->queue, &o->chain))
				break;
			o->busy = true;
			o->iov = o->chain.iov;
			o->count = o->chain.nout;
		}
		if (!write_some(c, o, wait))
			break;
		o->busy = false;
		virtio_complete(&c->dev, o->queue, o->chain.head, 0);
	}
	c->dev.queue[o->queue].held = o->busy;
	virtio_signal(&c->dev, o->queue);
	loop_watch(&c->dev.vm->loop, &o->source, o->busy ? EPOLLOUT : 0);
}

static void output_ready(struct loop_source *s, uint32_t events)
{
	struct output *o = (struct output *)((char *)s - offsetof(struct output, source));

	(void)events;
	output(console_of(o), o, false);
	virtq_want_notify(&console_of(o)->dev.queue[o->queue].vq, true);
}

void virtio_console_flush(struct virtio_dev *dev, bool wait)
{
	struct console *c = (struct console *)dev;

	for (unsigned i = 0; i < NPORTS; i++)
		output(c, &c->out[i], wait);
}

/* ---- the device ---- */

static void console_notify(struct virtio_dev *dev, unsigned queue)
{
	struct console *c = (struct console *)dev;

	switch (queue) {
	case RX0:
		input(c);
		break;
	case CONTROL_RX:
		control_flush(c);
		break;
	case CONTROL_TX:
		control_notify(c);
		break;
	case RX1:
		dev->queue[RX1].held = true; /* stderr has no input */
		break;
	default:
		output(c, &c->out[queue == TX1], false);
	}
}

static void console_cancel(struct virtio_dev *dev)
{
	struct console *c = (struct console *)dev;

	for (unsigned i = 0; i < NPORTS; i++) {
		struct output *o = &c->out[i];

		if (!o->busy)
			continue;
		o->busy = false;
		loop_watch(&dev->vm->loop, &o->source, 0);
		virtio_complete(dev, o->queue, o->chain.head, 0);
	}
}

static void console_reset(struct virtio_dev *dev)
{
	struct console *c = (struct console *)dev;

	c->ncontrol = 0;
	c->eof_told = false;
	memset(c->port_ready, 0, sizeof(c->port_ready));
	loop_watch(&dev->vm->loop, &c->in, 0);
}

static void console_destroy(struct virtio_dev *dev)
{
	virtio_detach(dev);
	free(dev);
}

static const struct virtio_ops console_ops = {
    .device_id = VIRTIO_ID_CONSOLE,
    .pci_class = PCI_CLASS,
    .notify = console_notify,
    .cancel = console_cancel,
    .reset = console_reset,
    .destroy = console_destroy,
};

/* Can epoll watch it? Regular files and /dev/null cannot: they are always ready. */
static bool is_pollable(struct vm *vm, struct loop_source *s, uint32_t events)
{
	bool ok = loop_watch(&vm->loop, s, events) == 0;

	if (ok)
		loop_watch(&vm->loop, s, 0);
	return ok;
}

int vm_add_console(struct vm *vm, int in_fd, int out_fd, int err_fd, struct vm_error *err)
{
	const int fds[NPORTS] = {[NTMM_CONSOLE_STDIO] = out_fd, [NTMM_CONSOLE_STDERR] = err_fd};
	static const unsigned queues[NPORTS] = {
	    [NTMM_CONSOLE_STDIO] = TX0, [NTMM_CONSOLE_STDERR] = TX1};
	struct console *c = calloc(1, sizeof(*c));
	int r;

	if (!c)
		return vm_fail(err, -ENOMEM, "out of memory");
	c->dev.ops = &console_ops;
	c->dev.nqueues = NQUEUES;
	c->config.max_nr_ports = NPORTS;
	c->dev.config = &c->config;
	c->dev.config_len = sizeof(c->config);
	c->dev.offered = 1ull << VIRTIO_CONSOLE_F_MULTIPORT;
	strcpy(c->dev.name, "console");
	c->in.fd = in_fd;
	c->in.ready = input_ready;
	c->in_pollable = is_pollable(vm, &c->in, EPOLLIN);
	for (unsigned i = 0; i < NPORTS; i++) {
		c->out[i].source.fd = fds[i];
		c->out[i].source.ready = output_ready;
		c->out[i].queue = queues[i];
		c->out[i].pollable = is_pollable(vm, &c->out[i].source, EPOLLOUT);
	}
	r = virtio_attach(vm, &c->dev, QUEUE_SIZE, err);
	if (r < 0) {
		virtio_detach(&c->dev);
		free(c);
		return r;
	}
	vm->console = &c->dev;
	return 0;
}
