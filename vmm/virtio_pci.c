/*
 * virtio 1.x over PCI (virtio 1.2, section 4.1), modern interface only, MSI-X only.
 *
 * BAR 0, 32 KB of memory:
 *
 *   0x0000  common configuration      0x3000  notify: queue n at 4 * n
 *   0x1000  ISR status (always 0)     0x4000  MSI-X table
 *   0x2000  device configuration      0x5000  MSI-X pending bits
 *
 * The common configuration is handled as an image: a read copies from a freshly filled one, a write
 * patches one and applies the fields it touched. Rows of `fields` say how.
 */
#include <errno.h>
#include <linux/virtio_pci.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/protect.h"
#include "vmm/virtio.h"

#define VENDOR_VIRTIO	 0x1af4
#define DEVICE_BASE	 0x1040 /* + virtio device id */
#define REVISION	 1
#define BAR_BYTES	 0x8000u
#define AREA_BYTES	 0x1000u
#define NOTIFY_MULT	 4u
#define MSIX_ENTRY_BYTES 16u
#define MSIX_MASKED	 1u /* in an entry's control word */
#define NO_VECTOR	 VIRTIO_MSI_NO_VECTOR

enum area { COMMON, ISR, DEVICE, NOTIFY, MSIX_TABLE, MSIX_PBA, AREAS };

/* ---- interrupts ---- */

static bool msix_enabled(const struct virtio_dev *d)
{
	return get16(d->pci.cfg + d->msix_cap + PCI_MSIX_FLAGS) & PCI_MSIX_FLAGS_ENABLE;
}

static bool vector_open(const struct virtio_dev *d, unsigned v)
{
	uint16_t flags = get16(d->pci.cfg + d->msix_cap + PCI_MSIX_FLAGS);

	return (flags & PCI_MSIX_FLAGS_ENABLE) && !(flags & PCI_MSIX_FLAGS_MASKALL) &&
	       !(d->vector[v].control & MSIX_MASKED);
}

static void send(struct virtio_dev *d, unsigned v)
{
	const uint64_t one = 1;

	if (v >= d->nqueues + 1 || !msix_enabled(d))
		return;
	if (!vector_open(d, v) || d->vector[v].eventfd < 0) {
		d->vector[v].pending = true;
		return;
	}
	d->vm->stats.interrupts++;
	if (write(d->vector[v].eventfd, &one, sizeof(one)) < 0)
		d->vector[v].pending = true;
}

/* After the table or the masks changed: routes what is open, sends what was held back. */
static void set_route(struct virtio_dev *d, unsigned v)
{
	struct virtio_vector *e = &d->vector[v];

	if (!vector_open(d, v))
		return;
	if (e->eventfd < 0 && msi_alloc(d->vm, &e->gsi, &e->eventfd) < 0) {
		e->eventfd = -1;
		vm_warn(d->vm, "%s: no interrupt vector can be had from KVM", d->name);
		return;
	}
	if (msi_route(d->vm, e->gsi, (uint64_t)e->addr_hi << 32 | e->addr_lo, e->data) < 0)
		vm_warn(d->vm, "%s: KVM refused the interrupt message 0x%x/0x%x", d->name,
			e->addr_lo, e->data);
	if (e->pending) {
		e->pending = false;
		send(d, v);
	}
}

static void msix_write(struct virtio_dev *d, uint64_t offset, const void *data, unsigned len)
{
	unsigned v = (unsigned)(offset / MSIX_ENTRY_BYTES), at = offset % MSIX_ENTRY_BYTES;

	if (v >= d->nqueues + 1 || len < 4 || at % len)
		return;
	memcpy((uint8_t *)&d->vector[v] + at, data, len);
	set_route(d, v);
}

static void msix_read(struct virtio_dev *d, enum area area, uint64_t offset, void *data,
		      unsigned len)
{
	unsigned v = (unsigned)(offset / MSIX_ENTRY_BYTES), at = offset % MSIX_ENTRY_BYTES;
	uint64_t pending = 0;

	if (len < 4 || at % len)
		return;
	if (area == MSIX_TABLE && v < d->nqueues + 1)
		memcpy(data, (uint8_t *)&d->vector[v] + at, len);
	if (area == MSIX_PBA && offset < sizeof(pending)) {
		for (unsigned i = 0; i < d->nqueues + 1; i++)
			pending |= (uint64_t)d->vector[i].pending << i;
		memcpy(data, (uint8_t *)&pending + offset, len);
	}
}

/* ---- life of the device ---- */

static void reset_now(struct virtio_dev *d)
{
	if (d->ops->reset)
		d->ops->reset(d);
	for (unsigned i = 0; i < d->nqueues; i++) {
		virtq_reset(&d->queue[i].vq, &d->vm->ram, d->queue[i].max_size);
		d->queue[i].held = false;
		d->queue[i].vector = NO_VECTOR;
	}
	d->accepted = 0;
	d->offered_select = d->accepted_select = 0;
	d->queue_select = 0;
	d->config_vector = NO_VECTOR;
	d->status = 0;
	d->broken = d->resetting = false;
}

static void start_reset(struct virtio_dev *d)
{
	if (d->resetting)
		return;
	d->resetting = true;
	if (d->ops->cancel)
		d->ops->cancel(d);
	if (d->outstanding == 0)
		reset_now(d);
}

void virtio_break(struct virtio_dev *d, unsigned queue, const char *why)
{
	if (d->broken || d->resetting)
		return;
	d->broken = true;
	d->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	vm_warn(d->vm, "%s: device stopped, queue %u: %s", d->name, queue, why);
	if (d->status & VIRTIO_CONFIG_S_DRIVER_OK)
		send(d, d->config_vector);
}

/* The address that was refused lies in memory under protection: somebody has told the device to do
 * what the processor may not. */
static void tell_of_protected(struct virtio_dev *d, const struct virtq *q)
{
	const struct ept_arena *a = ept_find(&d->vm->ram.map, q->bad_gpa);

	if (q->bad_gpa && a && ept_is_protected(a))
		violation_plain(d->vm, NULL, RULE_DMA, ACCESS_WRITE, q->bad_gpa, d->name);
}

bool virtio_pop(struct virtio_dev *d, unsigned queue, struct virtq_chain *chain)
{
	struct virtq *q = &d->queue[queue].vq;
	int r;

	if (!virtio_ready(d))
		return false;
	r = virtq_pop(q, chain);
	if (r < 0) {
		tell_of_protected(d, q);
		virtio_break(d, queue, q->bad);
	}
	if (r > 0)
		d->outstanding++;
	return r > 0;
}

void virtio_complete(struct virtio_dev *d, unsigned queue, uint16_t head, uint32_t written)
{
	d->outstanding--;
	if (!d->resetting) {
		if (!d->broken)
			virtq_push(&d->queue[queue].vq, head, written);
	} else if (d->outstanding == 0) {
		reset_now(d);
	}
}

void virtio_signal(struct virtio_dev *d, unsigned queue)
{
	if (!d->broken && !d->resetting && virtq_should_signal(&d->queue[queue].vq))
		send(d, d->queue[queue].vector);
}

void virtio_config_changed(struct virtio_dev *d)
{
	d->config_generation++;
	if (virtio_ready(d))
		send(d, d->config_vector);
}

static void service(struct virtio_dev *d, unsigned queue)
{
	struct virtq *q = &d->queue[queue].vq;

	if (!virtio_ready(d))
		return;
	/* Notifications are off while the queue is worked on. */
	do {
		virtq_want_notify(q, false);
		d->ops->notify(d, queue);
		virtq_want_notify(q, true);
	} while (virtio_ready(d) && virtq_pending(q) && !d->queue[queue].held);
}

static void kicked(struct loop_source *s, uint32_t events)
{
	struct virtio_queue *q =
	    (struct virtio_queue *)((char *)s - offsetof(struct virtio_queue, kick));

	(void)events;
	loop_clear_eventfd(s->fd);
	q->dev->vm->stats.notifies++;
	service(q->dev, (unsigned)(q - q->dev->queue));
}

void virtio_poll(struct virtio_dev *d)
{
	for (unsigned i = 0; i < d->nqueues; i++)
		service(d, i);
}

/* ---- common configuration ---- */

static struct virtio_queue *selected(struct virtio_dev *d)
{
	return d->queue_select < d->nqueues ? &d->queue[d->queue_select] : NULL;
}

static void fill(struct virtio_dev *d, struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = selected(d);

	memset(c, 0, sizeof(*c));
	c->device_feature_select = d->offered_select;
	c->device_feature =
	    d->offered_select < 2 ? (uint32_t)(d->offered >> d->offered_select * 32) : 0;
	c->guest_feature_select = d->accepted_select;
	c->guest_feature =
	    d->accepted_select < 2 ? (uint32_t)(d->accepted >> d->accepted_select * 32) : 0;
	c->msix_config = d->config_vector;
	c->num_queues = (uint16_t)d->nqueues;
	c->device_status = d->status;
	c->config_generation = d->config_generation;
	c->queue_select = d->queue_select;
	c->queue_msix_vector = NO_VECTOR;
	if (!q)
		return;
	c->queue_size = q->vq.size;
	c->queue_msix_vector = q->vector;
	c->queue_enable = q->vq.enabled;
	c->queue_notify_off = d->queue_select;
	c->queue_desc_lo = (uint32_t)q->vq.desc_gpa;
	c->queue_desc_hi = (uint32_t)(q->vq.desc_gpa >> 32);
	c->queue_avail_lo = (uint32_t)q->vq.avail_gpa;
	c->queue_avail_hi = (uint32_t)(q->vq.avail_gpa >> 32);
	c->queue_used_lo = (uint32_t)q->vq.used_gpa;
	c->queue_used_hi = (uint32_t)(q->vq.used_gpa >> 32);
}

static void set_offered_select(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	d->offered_select = c->device_feature_select;
}

static void set_accepted_select(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	d->accepted_select = c->guest_feature_select;
}

static void set_accepted(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	unsigned shift = d->accepted_select * 32;

	if (d->accepted_select < 2 && !(d->status & VIRTIO_CONFIG_S_FEATURES_OK))
		d->accepted = (d->accepted & ~(0xffffffffull << shift)) | (uint64_t)c->guest_feature
									      << shift;
}

static uint16_t checked_vector(const struct virtio_dev *d, uint16_t v)
{
	return v < d->nqueues + 1 ? v : NO_VECTOR;
}

static void set_config_vector(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	d->config_vector = checked_vector(d, c->msix_config);
}

static void set_status(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	const uint64_t must = 1ull << VIRTIO_F_VERSION_1;
	uint8_t s = c->device_status;

	if (s == 0) {
		start_reset(d);
		return;
	}
	if (d->resetting)
		return;
	s |= d->status; /* bits are only ever added */
	if ((s & VIRTIO_CONFIG_S_FEATURES_OK) && !(d->status & VIRTIO_CONFIG_S_FEATURES_OK) &&
	    ((d->accepted & ~d->offered) || !(d->accepted & must)))
		s &= (uint8_t)~VIRTIO_CONFIG_S_FEATURES_OK;
	if (!(s & VIRTIO_CONFIG_S_FEATURES_OK))
		s &= (uint8_t)~VIRTIO_CONFIG_S_DRIVER_OK;
	d->status = s;
}

static void set_queue_select(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	d->queue_select = c->queue_select;
}

/* The rest concerns a queue that is not enabled yet. */
static struct virtio_queue *configurable(struct virtio_dev *d)
{
	struct virtio_queue *q = selected(d);

	return q && !q->vq.enabled && !q->vq.bad && !d->resetting ? q : NULL;
}

static void set_queue_size(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = configurable(d);

	if (q)
		q->vq.size = c->queue_size;
}

static void set_queue_vector(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = selected(d);

	if (q)
		q->vector = checked_vector(d, c->queue_msix_vector);
}

static void set_queue_addresses(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = configurable(d);

	if (!q)
		return;
	q->vq.desc_gpa = (uint64_t)c->queue_desc_hi << 32 | c->queue_desc_lo;
	q->vq.avail_gpa = (uint64_t)c->queue_avail_hi << 32 | c->queue_avail_lo;
	q->vq.used_gpa = (uint64_t)c->queue_used_hi << 32 | c->queue_used_lo;
}

static void set_queue_enable(struct virtio_dev *d, const struct virtio_pci_common_cfg *c)
{
	struct virtio_queue *q = configurable(d);

	if (!q || c->queue_enable != 1)
		return;
	q->vq.event_idx = d->accepted & 1ull << VIRTIO_RING_F_EVENT_IDX;
	q->vq.indirect = d->accepted & 1ull << VIRTIO_RING_F_INDIRECT_DESC;
	if (virtq_enable(&q->vq) < 0) {
		tell_of_protected(d, &q->vq);
		virtio_break(d, d->queue_select, q->vq.bad);
	}
}

#define FIELD(first, last, apply)                                          \
	{                                                                  \
		offsetof(struct virtio_pci_common_cfg, first),             \
		    offsetof(struct virtio_pci_common_cfg, last) +         \
			sizeof(((struct virtio_pci_common_cfg *)0)->last), \
		    apply                                                  \
	}
static const struct {
	unsigned start, end;
	void (*apply)(struct virtio_dev *d, const struct virtio_pci_common_cfg *c);
} fields[] = {
    FIELD(device_feature_select, device_feature_select, set_offered_select),
    FIELD(guest_feature_select, guest_feature_select, set_accepted_select),
    FIELD(guest_feature, guest_feature, set_accepted),
    FIELD(msix_config, msix_config, set_config_vector),
    FIELD(device_status, device_status, set_status),
    FIELD(queue_select, queue_select, set_queue_select),
    FIELD(queue_size, queue_size, set_queue_size),
    FIELD(queue_msix_vector, queue_msix_vector, set_queue_vector),
    FIELD(queue_desc_lo, queue_used_hi, set_queue_addresses),
    FIELD(queue_enable, queue_enable, set_queue_enable),
};

static void common_write(struct virtio_dev *d, uint64_t offset, const void *data, unsigned len)
{
	struct virtio_pci_common_cfg c;

	fill(d, &c);
	if (offset + len > sizeof(c))
		return;
	memcpy((uint8_t *)&c + offset, data, len);
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (offset < fields[i].end && fields[i].start < offset + len)
			fields[i].apply(d, &c);
}

/* ---- the BAR ---- */

static void bar_read(void *dev, uint64_t offset, void *data, unsigned len)
{
	struct virtio_dev *d = dev;
	enum area area = (enum area)(offset / AREA_BYTES);
	struct virtio_pci_common_cfg c;

	offset %= AREA_BYTES;
	if (!pci_memory_enabled(&d->pci))
		return;
	memset(data, 0, len);
	if (area == COMMON && offset + len <= sizeof(c)) {
		fill(d, &c);
		memcpy(data, (uint8_t *)&c + offset, len);
	} else if (area == DEVICE && offset + len <= d->config_len) {
		memcpy(data, (const uint8_t *)d->config + offset, len);
	} else if (area == MSIX_TABLE || area == MSIX_PBA) {
		msix_read(d, area, offset, data, len);
	}
}

static void bar_write(void *dev, uint64_t offset, const void *data, unsigned len)
{
	struct virtio_dev *d = dev;
	enum area area = (enum area)(offset / AREA_BYTES);

	offset %= AREA_BYTES;
	if (!pci_memory_enabled(&d->pci))
		return;
	if (area == COMMON)
		common_write(d, offset, data, len);
	else if (area == MSIX_TABLE)
		msix_write(d, offset, data, len);
	else if (area == NOTIFY && offset / NOTIFY_MULT < d->nqueues)
		eventfd_write(d->queue[offset / NOTIFY_MULT].kick.fd, 1);
}

static const struct bus_ops bar_ops = {bar_read, bar_write};

/* ---- configuration space ---- */

static struct virtio_pci_cap window(const struct virtio_dev *d)
{
	struct virtio_pci_cap cap;

	memcpy(&cap, d->pci.cfg + d->window_cap, sizeof(cap));
	return cap;
}

static bool window_ok(const struct virtio_pci_cap *cap)
{
	return cap->bar == 0 && (cap->length == 1 || cap->length == 2 || cap->length == 4) &&
	       cap->offset % cap->length == 0 && cap->offset <= BAR_BYTES - cap->length;
}

static void config_written(struct pci_dev *pci, unsigned offset, unsigned len)
{
	struct virtio_dev *d = (struct virtio_dev *)pci;
	unsigned data = d->window_cap + sizeof(struct virtio_pci_cap);

	if (offset < d->msix_cap + 4 && d->msix_cap < offset + len)
		for (unsigned v = 0; v < d->nqueues + 1; v++)
			set_route(d, v);
	if (offset < data + 4 && data < offset + len) {
		struct virtio_pci_cap cap = window(d);

		if (window_ok(&cap))
			bar_write(d, cap.offset, pci->cfg + data, cap.length);
	}
}

static void config_read(struct pci_dev *pci, unsigned offset, unsigned len)
{
	struct virtio_dev *d = (struct virtio_dev *)pci;
	unsigned data = d->window_cap + sizeof(struct virtio_pci_cap);

	if (offset < data + 4 && data < offset + len) {
		struct virtio_pci_cap cap = window(d);

		if (window_ok(&cap))
			bar_read(d, cap.offset, pci->cfg + data, cap.length);
	}
}

/* One vendor capability: where in the BAR a structure lies. */
static unsigned add_cap(struct virtio_dev *d, uint8_t type, enum area area, uint32_t length,
			unsigned extra)
{
	struct virtio_pci_cap cap = {
	    .cap_vndr = PCI_CAP_ID_VNDR,
	    .cap_len = (uint8_t)(sizeof(cap) + extra),
	    .cfg_type = type,
	    .offset = area * AREA_BYTES,
	    .length = length,
	};
	unsigned at = pci_add_capability(&d->pci, PCI_CAP_ID_VNDR, cap.cap_len);

	/* The id and the link are there already. */
	memcpy(d->pci.cfg + at + 2, (uint8_t *)&cap + 2, sizeof(cap) - 2);
	return at;
}

static void add_caps(struct virtio_dev *d)
{
	uint8_t *cfg = d->pci.cfg, *w = d->pci.writable;
	unsigned at;

	add_cap(d, VIRTIO_PCI_CAP_COMMON_CFG, COMMON, sizeof(struct virtio_pci_common_cfg), 0);
	at = add_cap(d, VIRTIO_PCI_CAP_NOTIFY_CFG, NOTIFY, d->nqueues * NOTIFY_MULT, 4);
	put32(cfg + at + sizeof(struct virtio_pci_cap), NOTIFY_MULT);
	add_cap(d, VIRTIO_PCI_CAP_ISR_CFG, ISR, 1, 0);
	if (d->config_len)
		add_cap(d, VIRTIO_PCI_CAP_DEVICE_CFG, DEVICE, d->config_len, 0);
	at = add_cap(d, VIRTIO_PCI_CAP_PCI_CFG, COMMON, 0, 4);
	d->window_cap = at;
	memset(w + at + offsetof(struct virtio_pci_cap, bar), 0xff, 1);
	memset(w + at + offsetof(struct virtio_pci_cap, offset), 0xff, 4 + 4 + 4);

	at = pci_add_capability(&d->pci, PCI_CAP_ID_MSIX, PCI_CAP_MSIX_SIZEOF);
	d->msix_cap = at;
	put16(cfg + at + PCI_MSIX_FLAGS, (uint16_t)d->nqueues); /* vectors - 1 */
	put16(w + at + PCI_MSIX_FLAGS, PCI_MSIX_FLAGS_ENABLE | PCI_MSIX_FLAGS_MASKALL);
	put32(cfg + at + PCI_MSIX_TABLE, MSIX_TABLE * AREA_BYTES); /* BAR 0 */
	put32(cfg + at + PCI_MSIX_PBA, MSIX_PBA * AREA_BYTES);
}

/* Binds a queue's doorbell address to its eventfd. */
static int add_doorbell(struct virtio_dev *d, unsigned i)
{
	struct loop_source *s = &d->queue[i].kick;
	int r;

	s->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (s->fd < 0)
		return -errno;
	s->ready = kicked;
	r = doorbell_bind(d->vm, d->pci.bar_addr + NOTIFY * AREA_BYTES + i * NOTIFY_MULT, s->fd);
	return r < 0 ? r : loop_watch(&d->vm->loop, s, EPOLLIN);
}

int virtio_attach(struct vm *vm, struct virtio_dev *d, uint16_t queue_size, struct vm_error *err)
{
	int r;

	d->vm = vm;
	d->offered |= 1ull << VIRTIO_F_VERSION_1 | 1ull << VIRTIO_RING_F_EVENT_IDX |
		      1ull << VIRTIO_RING_F_INDIRECT_DESC;
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++) {
		d->queue[i].dev = d;
		d->queue[i].kick.fd = -1;
		d->queue[i].max_size = queue_size;
	}
	for (unsigned v = 0; v < VIRTIO_MAX_VECTORS; v++) {
		d->vector[v].control = MSIX_MASKED;
		d->vector[v].eventfd = -1;
	}
	pci_dev_init(&d->pci, VENDOR_VIRTIO, (uint16_t)(DEVICE_BASE + d->ops->device_id),
		     d->ops->pci_class | REVISION, (uint16_t)(DEVICE_BASE + d->ops->device_id));
	d->pci.config_written = config_written;
	d->pci.config_read = config_read;
	add_caps(d);
	reset_now(d);
	if (vm->ndevices == VM_MAX_DEVICES)
		return vm_fail(err, -ENOSPC, "%s: too many devices", d->name);
	r = pci_add(vm->pci, &d->pci, BAR_BYTES);
	if (r == 0)
		r = bus_add(&vm->mmio, d->pci.bar_addr, BAR_BYTES, &bar_ops, d);
	for (unsigned i = 0; r == 0 && i < d->nqueues; i++)
		r = add_doorbell(d, i);
	if (r < 0)
		return vm_fail(err, r, "%s: cannot be put on the bus: %s", d->name, strerror(-r));
	vm->device[vm->ndevices++] = d;
	return 0;
}

void virtio_detach(struct virtio_dev *d)
{
	for (unsigned i = 0; i < VIRTIO_MAX_QUEUES; i++)
		if (d->queue[i].kick.fd >= 0)
			close(d->queue[i].kick.fd);
	for (unsigned v = 0; v < VIRTIO_MAX_VECTORS; v++)
		if (d->vector[v].eventfd >= 0)
			close(d->vector[v].eventfd);
}
