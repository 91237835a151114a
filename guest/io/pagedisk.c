/*
 * Paging devices: virtio-blk disks whose serial is "pagefileK".
 *
 * A pageio becomes one virtio request: header, the frames (adjacent ones joined), status byte. The
 * submitter never waits. What does not fit the ring waits in `waiting` and is started by the
 * completion DPC; failures found at submission also end there, so done() never runs inside
 * IoPagefileSubmit's caller.
 *
 *   IoPagefileSubmit -> waiting -> start_waiting -> ring -> interrupt -> DPC -> done()
 *
 * Discards are advice, but a device may run requests in any order, so a write must not overtake a
 * discard of the same pages: it waits (and with it what is behind it) until that discard is done. A
 * discard that finds no free record is dropped.
 *
 * Locks: disk->lock covers the ring, the lists and the records; done() is called without it.
 */
#include "guest/io/device.h"
#include "guest/ke/cpu.h"
#include "guest/ke/thread.h"
#include "guest/abi/machine.h"
#include "guest/abi/runblock.h"

/* virtio 1.2, 5.2 */
#define BLK_F_SEG_MAX (1ull << 2)
#define BLK_F_DISCARD (1ull << 13)
enum {
	CONFIG_CAPACITY = 0,
	CONFIG_SEG_MAX = 12,
	CONFIG_MAX_DISCARD_SECTORS = 36,
	CONFIG_MAX_DISCARD_SEG = 40,
};
enum { BLK_IN = 0, BLK_OUT = 1, BLK_GET_ID = 8, BLK_DISCARD = 11 };
#define BLK_OK		 0
#define BLK_ID_BYTES	 20
#define SECTORS_PER_PAGE (PAGE_SIZE / 512)

#define RING_SIZE    256
#define MAX_REQUESTS 64 /* in flight */
#define MAX_DISCARDS 16
#define MAX_SEGS     (PAGEIO_MAX_PAGES + 2)
#define ID_TIMEOUT   (-5 * 10000000ll)

/* What the device reads and writes of one request; physically contiguous. */
struct blk_message {
	u32 type, reserved;
	u64 sector;
	u64 discard_sector;
	u32 discard_sectors, discard_flags;
	char id[BLK_ID_BYTES];
	u8 status;
	u8 pad[11];
};
_Static_assert(sizeof(struct blk_message) == 64, "never crosses a page");

struct blk_request {
	struct blk_message *message;
	struct pageio *io; /* NULL: discard or GET_ID */
	u64 discard_slot, discard_pages;
	KEVENT *event; /* GET_ID */
	struct list entry;
};

struct pagedisk {
	struct virtio_device dev;
	struct spinlock lock;
	struct virtqueue q;
	struct blk_request request[MAX_REQUESTS];
	struct list free;     /* requests */
	struct list waiting;  /* pageio, not yet in the ring */
	struct list finished; /* pageio, done() to be called by the DPC */
	struct list discards; /* requests in flight that discard */
	u32 discards_in_flight;
	u64 pages, max_pages, max_discard_pages;
};

static struct pagedisk *disks[NTMM_MAX_PAGEFILES];
static u32 disk_count;

static void put_request(struct pagedisk *d, struct blk_request *r)
{
	r->io = NULL;
	r->event = NULL;
	list_push_front(&d->free, &r->entry);
}

static struct blk_request *get_request(struct pagedisk *d)
{
	struct list *e = list_pop_front(&d->free);

	return e ? CONTAINER_OF(e, struct blk_request, entry) : NULL;
}

static void finish(struct pagedisk *d, struct pageio *io, NTSTATUS status)
{
	io->status = status;
	list_push_back(&d->finished, &io->entry);
}

static struct vq_seg message_seg(struct blk_message *m, u32 offset, u32 bytes)
{
	return (struct vq_seg){MmGetPhysicalAddress(m) + offset, bytes};
}

/* Fills header and status around the data segments seg[1..n], and offers the request. */
static bool offer(struct pagedisk *d, struct blk_request *r, u32 type, u64 sector,
		  struct vq_seg *seg, u32 n, bool to_device)
{
	struct blk_message *m = r->message;

	m->type = type;
	m->reserved = 0;
	m->sector = sector;
	m->status = 0xff;
	seg[0] = message_seg(m, 0, 16);
	seg[n + 1] = message_seg(m, offsetof(struct blk_message, status), 1);
	return vq_add(&d->q, seg, to_device ? n + 1 : 1, to_device ? 1 : n + 1, r);
}

static bool held_by_discard(struct pagedisk *d, const struct pageio *io)
{
	if (!io->write)
		return false;
	LIST_FOR_EACH(e, &d->discards)
	{
		struct blk_request *r = CONTAINER_OF(e, struct blk_request, entry);

		if (io->slot < r->discard_slot + r->discard_pages &&
		    r->discard_slot < io->slot + io->count)
			return true;
	}
	return false;
}

/* Moves requests from `waiting` to the ring while there is room, then notifies once. => lock */
static void start_waiting(struct pagedisk *d)
{
	struct vq_seg seg[MAX_SEGS];

	while (!list_empty(&d->waiting)) {
		struct pageio *io = CONTAINER_OF(d->waiting.next, struct pageio, entry);
		struct blk_request *r;
		u32 n = 0;

		if (held_by_discard(d, io))
			break;
		r = get_request(d);
		if (!r)
			break;
		for (u32 i = 0; i < io->count; i++) {
			u64 pa = (u64)io->pfn[i] << PAGE_SHIFT;

			if (n && seg[n].pa + seg[n].bytes == pa)
				seg[n].bytes += PAGE_SIZE;
			else
				seg[++n] = (struct vq_seg){pa, PAGE_SIZE};
		}
		r->io = io;
		if (!offer(d, r, io->write ? BLK_OUT : BLK_IN, io->slot * SECTORS_PER_PAGE, seg, n,
			   io->write)) {
			put_request(d, r);
			break;
		}
		list_remove(&io->entry);
	}
	vq_kick(&d->q);
}

/* One request came back (or was taken back from a broken device). => lock */
static void complete(struct pagedisk *d, struct blk_request *r, bool ok)
{
	if (r->io)
		finish(d, r->io, ok ? STATUS_SUCCESS : STATUS_IO_DEVICE_ERROR);
	if (r->discard_pages) {
		list_remove(&r->entry);
		d->discards_in_flight--;
		r->discard_pages = 0;
	}
	if (r->event)
		KeSetEvent(r->event);
	put_request(d, r);
}

/* => lock. A broken device: everything outstanding fails. */
static void fail_all(struct pagedisk *d)
{
	struct blk_request *r;
	struct list *e;

	while ((r = vq_reclaim(&d->q)))
		complete(d, r, false);
	while ((e = list_pop_front(&d->waiting)))
		finish(d, CONTAINER_OF(e, struct pageio, entry), STATUS_IO_DEVICE_ERROR);
}

static void pagedisk_dpc(void *context)
{
	struct pagedisk *d = context;
	struct list finished, *e;
	struct blk_request *r;
	u32 bytes;

	spin_lock(&d->lock);
	do {
		while ((r = vq_pop(&d->q, &bytes)))
			complete(d, r, r->message->status == BLK_OK);
	} while (!vq_rearm(&d->q));
	if (d->dev.broken)
		fail_all(d);
	else
		start_waiting(d);
	list_init(&finished);
	while ((e = list_pop_front(&d->finished)))
		list_push_back(&finished, e);
	spin_unlock(&d->lock);
	while ((e = list_pop_front(&finished))) {
		struct pageio *io = CONTAINER_OF(e, struct pageio, entry);

		io->done(io);
	}
}

void IoPagefileSubmit(struct pageio *io)
{
	struct pagedisk *d;
	KIRQL irql;
	bool ok;

	require(io->index < disk_count);
	d = disks[io->index];
	irql = KeAcquireSpinLock(&d->lock);
	ok = io->count && io->count <= PAGEIO_MAX_PAGES && io->slot < d->pages &&
	     io->count <= d->pages - io->slot;
	if (!ok || d->dev.broken) {
		finish(d, io, ok || !io->write ? STATUS_IO_DEVICE_ERROR : STATUS_DISK_FULL);
		KeInsertQueueDpc(&d->dev.dpc);
	} else {
		list_push_back(&d->waiting, &io->entry);
		start_waiting(d);
	}
	KeReleaseSpinLock(&d->lock, irql);
}

void IoPagefileDiscard(u32 index, u64 slot, u64 pages)
{
	struct pagedisk *d = index < disk_count ? disks[index] : NULL;
	KIRQL irql;

	if (!d || !(d->dev.features & BLK_F_DISCARD))
		return;
	irql = KeAcquireSpinLock(&d->lock);
	while (pages && slot < d->pages && d->discards_in_flight < MAX_DISCARDS) {
		u64 part = MIN(MIN(pages, d->pages - slot), d->max_discard_pages);
		struct blk_request *r = get_request(d);
		struct vq_seg seg[3];

		if (!r)
			break;
		r->message->discard_sector = slot * SECTORS_PER_PAGE;
		r->message->discard_sectors = (u32)(part * SECTORS_PER_PAGE);
		r->message->discard_flags = 0;
		seg[1] = message_seg(r->message, offsetof(struct blk_message, discard_sector), 16);
		if (!offer(d, r, BLK_DISCARD, 0, seg, 1, true)) {
			put_request(d, r);
			break;
		}
		r->discard_slot = slot;
		r->discard_pages = part;
		list_push_back(&d->discards, &r->entry);
		d->discards_in_flight++;
		slot += part;
		pages -= part;
	}
	vq_kick(&d->q);
	KeReleaseSpinLock(&d->lock, irql);
}

/* Pagefiles are numbered without gaps: what lies behind one is not used. */
void pagedisk_number(void)
{
	while (disk_count < NTMM_MAX_PAGEFILES && disks[disk_count])
		disk_count++;
}

u32 IoPagefileCount(void)
{
	return disk_count;
}

u64 IoPagefilePages(u32 index)
{
	return index < disk_count ? disks[index]->pages : 0;
}

u64 IoPagefileMaxPages(u32 index)
{
	return index < disk_count ? disks[index]->max_pages : 0;
}

u64 IoPagefileGrow(u32 index, u64 pages)
{
	struct pagedisk *d;
	s64 bytes;
	KIRQL irql;

	if (index >= disk_count)
		return 0;
	d = disks[index];
	if (ke_on_ntmm && pages > d->pages && pages <= d->max_pages) {
		bytes = hypercall(NTMM_HC_PAGEFILE_GROW, index, pages * PAGE_SIZE, 0, 0);
		irql = KeAcquireSpinLock(&d->lock);
		if (bytes > 0 && (u64)bytes / PAGE_SIZE > d->pages)
			d->pages = MIN((u64)bytes / PAGE_SIZE, d->max_pages);
		KeReleaseSpinLock(&d->lock, irql);
	}
	return d->pages;
}

/* Asks the device for its serial. => PASSIVE_LEVEL, interrupts on */
static bool get_serial(struct pagedisk *d, char serial[BLK_ID_BYTES + 1])
{
	struct blk_request *r;
	struct vq_seg seg[3];
	s64 timeout = ID_TIMEOUT;
	KEVENT event;
	KIRQL irql;
	bool sent;

	KeInitializeEvent(&event, DO_EVENT_NOTIFICATION, false);
	irql = KeAcquireSpinLock(&d->lock);
	r = get_request(d);
	r->event = &event;
	seg[1] = message_seg(r->message, offsetof(struct blk_message, id), BLK_ID_BYTES);
	sent = offer(d, r, BLK_GET_ID, 0, seg, 1, false);
	vq_kick(&d->q);
	KeReleaseSpinLock(&d->lock, irql);
	if (!sent)
		return false;
	if (KeWaitForSingleObject(&event, KERNEL_MODE, false, &timeout) == STATUS_TIMEOUT) {
		irql = KeAcquireSpinLock(&d->lock);
		virtio_break(&d->dev, "no answer to GET_ID");
		fail_all(d);
		KeReleaseSpinLock(&d->lock, irql);
		return false;
	}
	memcpy(serial, r->message->id, BLK_ID_BYTES);
	serial[BLK_ID_BYTES] = 0;
	return r->message->status == BLK_OK;
}

/* "pagefileK" -> K; MAX when it is none of ours. */
static u32 pagefile_index(const char *serial)
{
	static const char prefix[] = "pagefile";
	u32 k = 0, digits = 0;

	if (strncmp(serial, prefix, sizeof prefix - 1) != 0)
		return NTMM_MAX_PAGEFILES;
	for (serial += sizeof prefix - 1; *serial >= '0' && *serial <= '9' && digits < 2; digits++)
		k = k * 10 + (u32)(*serial++ - '0');
	return digits && !*serial && k < NTMM_MAX_PAGEFILES ? k : NTMM_MAX_PAGEFILES;
}

static bool start_disk(struct pagedisk *d, const struct pci_function *pci)
{
	struct blk_message *messages = MmAllocateContiguous(MAX_REQUESTS * sizeof *messages);

	list_init(&d->free);
	list_init(&d->waiting);
	list_init(&d->finished);
	list_init(&d->discards);
	if (!messages || !virtio_open(&d->dev, pci) ||
	    !virtio_negotiate(&d->dev, BLK_F_SEG_MAX | BLK_F_DISCARD | VIRTIO_F_EVENT_IDX) ||
	    !virtio_connect(&d->dev, pagedisk_dpc, d) ||
	    !virtio_queue_setup(&d->dev, &d->q, 0, RING_SIZE) || d->q.size < MAX_SEGS)
		return false;
	for (u32 i = 0; i < MAX_REQUESTS; i++) {
		d->request[i].message = &messages[i];
		put_request(d, &d->request[i]);
	}
	d->pages = virtio_config64(&d->dev, CONFIG_CAPACITY) / SECTORS_PER_PAGE;
	d->max_discard_pages =
	    virtio_config32(&d->dev, CONFIG_MAX_DISCARD_SECTORS) / SECTORS_PER_PAGE;
	if (!d->max_discard_pages || !virtio_config32(&d->dev, CONFIG_MAX_DISCARD_SEG))
		d->dev.features &= ~BLK_F_DISCARD;
	if (d->dev.features & BLK_F_SEG_MAX &&
	    virtio_config32(&d->dev, CONFIG_SEG_MAX) < PAGEIO_MAX_PAGES)
		return false;
	virtio_start(&d->dev);
	return true;
}

bool pagedisk_attach(const struct pci_function *pci)
{
	struct pagedisk *d = ExAllocatePool(sizeof *d, TAG('P', 'g', 'd', 'k'));
	char serial[BLK_ID_BYTES + 1] = "", key[32];
	u32 k;

	if (!d)
		return false;
	if (!start_disk(d, pci)) {
		dbg_print("io: block device %u.%u cannot be used\n", pci->bus, pci->device);
		return false; /* its memory may be known to the device: never reused */
	}
	k = get_serial(d, serial) ? pagefile_index(serial) : NTMM_MAX_PAGEFILES;
	if (k == NTMM_MAX_PAGEFILES || disks[k]) {
		dbg_print("io: block device \"%s\" is no pagefile of ours\n", serial);
		return false;
	}
	ke_snprintf(key, sizeof key, "pagefile.%u.max", k);
	d->max_pages = MAX(ke_on_ntmm ? runblock_number(key, 0) / PAGE_SIZE : 0, d->pages);
	disks[k] = d;
	return true;
}
