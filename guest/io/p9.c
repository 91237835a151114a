/*
 * 9P sessions: the virtio-9p transport, requests in flight, fid numbers.
 *
 * Each session has CALLS records; a record's index is its tag, and it owns half a page for the
 * request and half a page for the reply. Bulk data is not copied: the payload's segments are put
 * behind the request's header or the reply's header in the same descriptor chain. A caller takes a
 * free record (waiting for one if need be), sends, sleeps on the record's event until the DPC has
 * taken the reply off the ring.
 *
 * Locks: session.lock (spin) covers the ring, `waiting`, the records' busy flags and the fid
 * bitmap.
 */
#include "guest/io/p9.h"
#include "guest/io/device.h"

#define F_MOUNT_TAG  (1ull << 0)
#define RING_SIZE    256
#define CALLS	     8
#define MAX_FIDS     8192
#define WANTED_MSIZE (PAGEIO_MAX_PAGES * PAGE_SIZE + 64)
#define LEAST_MSIZE  4096u
#define IO_OVERHEAD  24 /* of msize, in the larger of Twrite and Rread */
static const char version[] = "9P2000.L";

struct p9_session {
	char letter;
	struct virtio_device dev;
	struct virtqueue q;
	struct spinlock lock;
	KSEMAPHORE free_calls;
	struct p9_call call[CALLS];
	u32 msize;
	struct p9_qid root;
	u32 next_fid;
	bool waiting; /* a request the host has not been told of */
	u8 fids[MAX_FIDS / 8];
};
_Static_assert(offsetof(struct p9_session, letter) == 0, "the inspector reads it (abi/mminfo.h)");

static struct p9_session *drives[26];

char p9_letter(const struct p9_session *s)
{
	return s->letter;
}

struct p9_session *p9_drive(char letter)
{
	return letter >= 'A' && letter <= 'Z' ? drives[letter - 'A'] : NULL;
}

struct p9_qid p9_root(const struct p9_session *s)
{
	return s->root;
}

u32 p9_max_io(const struct p9_session *s)
{
	return s->msize - IO_OVERHEAD;
}

/* ---- fids ---- */

u32 p9_new_fid(struct p9_session *s)
{
	KIRQL irql = KeAcquireSpinLock(&s->lock);
	u32 fid = P9_NOFID;

	for (u32 i = 0; i < MAX_FIDS; i++) {
		u32 f = s->next_fid++ % MAX_FIDS;

		if (s->fids[f / 8] & 1u << f % 8)
			continue;
		s->fids[f / 8] |= (u8)(1u << f % 8);
		fid = f;
		break;
	}
	KeReleaseSpinLock(&s->lock, irql);
	return fid;
}

/* The host no longer knows the number. */
static void free_fid(struct p9_session *s, u32 fid)
{
	KIRQL irql = KeAcquireSpinLock(&s->lock);

	s->fids[fid / 8] &= (u8) ~(1u << fid % 8);
	KeReleaseSpinLock(&s->lock, irql);
}

/* The message's length, in it and in its segment. */
static void finish_request(struct p9_call *c, u32 payload_bytes, struct vq_seg *seg)
{
	u32 size = c->out.at;

	c->out.at = 0;
	p9_put(&c->out, size + payload_bytes, 4);
	*seg = (struct vq_seg){MmGetPhysicalAddress(c->tx), size};
}

void p9_clunk(struct p9_session *s, u32 fid)
{
	struct p9_call *c;

	if (fid >= MAX_FIDS || fid == P9_ROOT_FID)
		return;
	c = p9_begin(s, P9_CLUNK);
	p9_put(&c->out, fid, 4);
	p9_run(c, NULL, 0, false, 0, 0);
	p9_end(c);
	free_fid(s, fid); /* whatever the answer was, the fid is gone */
}

/* The message waits in the ring, without a notification of its own, for the next one that is sent;
 * the reply is taken by the DPC. One may wait so: a second takes the first along. */
void p9_clunk_later(struct p9_session *s, u32 fid)
{
	struct p9_call *c;
	struct vq_seg seg[2];
	KIRQL irql;

	if (fid >= MAX_FIDS || fid == P9_ROOT_FID)
		return;
	c = p9_begin(s, P9_CLUNK);
	p9_put(&c->out, fid, 4);
	c->forget = true;
	c->fid = fid;
	finish_request(c, 0, seg);
	seg[1] = (struct vq_seg){MmGetPhysicalAddress(c->rx), P9_CALL_BYTES};
	irql = KeAcquireSpinLock(&s->lock);
	if (vq_add(&s->q, seg, 1, 1, c)) {
		if (s->waiting)
			vq_kick(&s->q);
		s->waiting = !s->waiting;
		c = NULL;
	}
	KeReleaseSpinLock(&s->lock, irql);
	if (c) { /* the ring is full: as usual */
		c->forget = false;
		p9_end(c);
		p9_clunk(s, fid);
	}
}

NTSTATUS p9_walk(struct p9_session *s, u32 fid, u32 newfid, const struct p9_name *name, u32 n,
		 u32 *walked, struct p9_qid *qid)
{
	struct p9_call *c = p9_begin(s, P9_WALK);
	NTSTATUS status;
	u32 found = 0;

	*walked = 0;
	p9_put(&c->out, fid, 4);
	p9_put(&c->out, newfid, 4);
	p9_put(&c->out, n, 2);
	for (u32 i = 0; i < n; i++)
		p9_put_string(&c->out, name[i].text, name[i].bytes);
	status = n > P9_MAX_WALK ? STATUS_NAME_TOO_LONG : p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		found = (u32)p9_get(&c->in, 2);
		for (u32 i = 0; i < found && !c->in.bad; i++)
			*qid = p9_get_qid(&c->in);
		if (c->in.bad || found > n)
			status = STATUS_IO_DEVICE_ERROR;
		else if (found < n)
			status = STATUS_OBJECT_NAME_NOT_FOUND;
		*walked = MIN(found, n);
	}
	p9_end(c);
	if (status != STATUS_SUCCESS && newfid != fid)
		free_fid(s, newfid);
	return status;
}

/* ---- calls ---- */

struct p9_call *p9_begin(struct p9_session *s, u8 type)
{
	struct p9_call *c = NULL;
	KIRQL irql;

	KeWaitForSingleObject(&s->free_calls, KERNEL_MODE, false, NULL);
	irql = KeAcquireSpinLock(&s->lock);
	for (u32 i = 0; i < CALLS && !c; i++)
		if (!s->call[i].busy)
			c = &s->call[i];
	require(c);
	c->busy = true;
	KeReleaseSpinLock(&s->lock, irql);
	c->type = type;
	c->arrived = 0;
	p9_cursor_init(&c->out, c->tx, P9_CALL_BYTES);
	p9_put(&c->out, 0, 4); /* size, later */
	p9_put(&c->out, type, 1);
	p9_put(&c->out, type == P9_VERSION ? P9_NOTAG : c->tag, 2);
	return c;
}

void p9_end(struct p9_call *c)
{
	struct p9_session *s = c->session;
	KIRQL irql = KeAcquireSpinLock(&s->lock);

	c->busy = false;
	KeReleaseSpinLock(&s->lock, irql);
	KeReleaseSemaphore(&s->free_calls, 1, NULL);
}

/* Puts the chain into the ring; waits for descriptors when others hold them. */
static bool send(struct p9_call *c, const struct vq_seg *seg, u32 out, u32 in)
{
	struct p9_session *s = c->session;
	const s64 moment = -10000; /* 1 ms */

	KeResetEvent(&c->done);
	for (;;) {
		KIRQL irql = KeAcquireSpinLock(&s->lock);
		bool sent = vq_add(&s->q, seg, out, in, c), broken = s->dev.broken;

		if (sent) {
			vq_kick(&s->q);
			s->waiting = false;
		}
		KeReleaseSpinLock(&s->lock, irql);
		if (sent || broken)
			return sent;
		KeDelayExecution(KERNEL_MODE, false, &moment);
	}
}

NTSTATUS p9_run(struct p9_call *c, const struct vq_seg *payload, u32 nseg, bool payload_out,
		u32 payload_bytes, u32 reply_header)
{
	struct vq_seg seg[P9_MAX_SEGS + 2];
	u32 out = 1, in = 1, error;
	u16 tag = c->type == P9_VERSION ? P9_NOTAG : c->tag;

	if (c->out.bad || nseg > P9_MAX_SEGS)
		return STATUS_NAME_TOO_LONG;
	finish_request(c, payload_out ? payload_bytes : 0, seg);
	if (payload_out) {
		memcpy(&seg[out], payload, nseg * sizeof *seg);
		out += nseg;
	}
	seg[out] = (struct vq_seg){MmGetPhysicalAddress(c->rx),
				   reply_header ? reply_header : P9_CALL_BYTES};
	if (nseg && !payload_out) {
		memcpy(&seg[out + 1], payload, nseg * sizeof *seg);
		in += nseg;
	}
	if (!send(c, seg, out, in))
		return STATUS_IO_DEVICE_ERROR;
	KeWaitForSingleObject(&c->done, KERNEL_MODE, false, NULL);
	p9_cursor_init(&c->in, c->rx, MIN(c->arrived, reply_header ? reply_header : P9_CALL_BYTES));
	if (!p9_get_header(&c->in, c->arrived, c->type, tag, &error))
		return STATUS_IO_DEVICE_ERROR;
	return error ? p9_status(error) : STATUS_SUCCESS;
}

/* => s->lock */
static void call_done(struct p9_call *c)
{
	struct p9_session *s = c->session;

	if (!c->forget) {
		KeSetEvent(&c->done);
		return;
	}
	c->forget = c->busy = false;
	s->fids[c->fid / 8] &= (u8) ~(1u << c->fid % 8);
	KeReleaseSemaphore(&s->free_calls, 1, NULL);
}

static void p9_dpc(void *context)
{
	struct p9_session *s = context;
	struct p9_call *c;
	u32 bytes;

	spin_lock(&s->lock);
	do {
		while ((c = vq_pop(&s->q, &bytes))) {
			c->arrived = bytes;
			call_done(c);
		}
	} while (!vq_rearm(&s->q));
	while (s->dev.broken && (c = vq_reclaim(&s->q)))
		call_done(c); /* with nothing arrived: an error */
	spin_unlock(&s->lock);
}

/* ---- start ---- */

static bool start_device(struct p9_session *s, const struct pci_function *pci)
{
	u8 *pages = MmAllocateContiguous(CALLS * PAGE_SIZE);
	char letter;

	if (!pages || !virtio_open(&s->dev, pci) ||
	    !virtio_negotiate(&s->dev, F_MOUNT_TAG | VIRTIO_F_EVENT_IDX) ||
	    !(s->dev.features & F_MOUNT_TAG) || virtio_config16(&s->dev, 0) != 1)
		return false;
	letter = (char)virtio_config8(&s->dev, 2);
	if (letter < 'a' || letter > 'z' || drives[letter - 'a'])
		return false;
	s->letter = (char)(letter - 'a' + 'A');
	if (!virtio_connect(&s->dev, p9_dpc, s) ||
	    !virtio_queue_setup(&s->dev, &s->q, 0, RING_SIZE) || s->q.size < P9_MAX_SEGS + 2)
		return false;
	for (u32 i = 0; i < CALLS; i++) {
		struct p9_call *c = &s->call[i];

		c->session = s;
		c->tag = (u16)i;
		c->tx = pages + i * PAGE_SIZE;
		c->rx = c->tx + P9_CALL_BYTES;
		KeInitializeEvent(&c->done, DO_EVENT_SYNCHRONIZATION, false);
	}
	KeInitializeSemaphore(&s->free_calls, CALLS, CALLS);
	s->fids[P9_ROOT_FID / 8] |= 1u << P9_ROOT_FID % 8;
	virtio_start(&s->dev);
	return true;
}

/* Tversion and Tattach. */
static NTSTATUS start_session(struct p9_session *s)
{
	struct p9_call *c = p9_begin(s, P9_VERSION);
	NTSTATUS status;
	const char *v;
	u32 bytes;

	p9_put(&c->out, WANTED_MSIZE, 4);
	p9_put_string(&c->out, version, sizeof version - 1);
	status = p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		s->msize = (u32)p9_get(&c->in, 4);
		v = p9_get_string(&c->in, &bytes);
		if (c->in.bad || bytes != sizeof version - 1 || memcmp(v, version, bytes) != 0 ||
		    s->msize < LEAST_MSIZE || s->msize > WANTED_MSIZE)
			status = STATUS_NOT_SUPPORTED;
	}
	p9_end(c);
	if (status != STATUS_SUCCESS)
		return status;
	c = p9_begin(s, P9_ATTACH);
	p9_put(&c->out, P9_ROOT_FID, 4);
	p9_put(&c->out, P9_NOFID, 4);
	p9_put_string(&c->out, "", 0); /* user */
	p9_put_string(&c->out, "", 0); /* tree */
	p9_put(&c->out, 0, 4);	       /* numeric user */
	status = p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		s->root = p9_get_qid(&c->in);
		if (c->in.bad || !(s->root.type & P9_QTDIR))
			status = STATUS_NOT_A_DIRECTORY;
	}
	p9_end(c);
	return status;
}

bool p9_attach_device(const struct pci_function *pci)
{
	struct p9_session *s = ExAllocatePool(sizeof *s, TAG('9', 'P', 's', 's'));
	NTSTATUS status;

	if (!s)
		return false;
	if (!start_device(s, pci)) {
		dbg_print("io: 9P device %u.%u cannot be used\n", pci->bus, pci->device);
		return false;
	}
	status = start_session(s);
	if (status != STATUS_SUCCESS) {
		dbg_print("io: drive %c: cannot be attached (%x)\n", s->letter, (u32)status);
		return false;
	}
	drives[s->letter - 'A'] = s;
	return true;
}
