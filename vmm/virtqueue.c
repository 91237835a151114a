/*
 * Split ring mechanics. Memory order: an available index is loaded with acquire before its entries
 * are read; a used index is stored with release after its entry is written; a full fence stands
 * between that and the look at what the driver wants to be told.
 */
#include <errno.h>
#include <string.h>

#include "vmm/virtqueue.h"

static uint16_t load16(const void *p)
{
	return __atomic_load_n((const uint16_t *)p, __ATOMIC_ACQUIRE);
}

static void store16(void *p, uint16_t v)
{
	__atomic_store_n((uint16_t *)p, v, __ATOMIC_RELEASE);
}

/* The two words behind the rings that VIRTIO_RING_F_EVENT_IDX adds. */
static uint16_t *used_event(const struct virtq *q)
{
	return (uint16_t *)&q->avail->ring[q->size];
}

static uint16_t *avail_event(const struct virtq *q)
{
	return (uint16_t *)&q->used->ring[q->size];
}

static int broken(struct virtq *q, const char *why)
{
	q->bad = why;
	q->enabled = false;
	return -EPROTO;
}

void virtq_reset(struct virtq *q, const struct guest_ram *ram, uint16_t size)
{
	*q = (struct virtq){.ram = ram, .size = size};
}

int virtq_enable(struct virtq *q)
{
	uint64_t n = q->size;

	if (n == 0 || n > VIRTQ_MAX_SIZE || (n & (n - 1)))
		return broken(q, "queue size is not a power of two within the limit");
	if (q->desc_gpa % VRING_DESC_ALIGN_SIZE || q->avail_gpa % VRING_AVAIL_ALIGN_SIZE ||
	    q->used_gpa % VRING_USED_ALIGN_SIZE)
		return broken(q, "a ring is not aligned");
	q->desc = ram_ptr(q->ram, q->desc_gpa, n * sizeof(struct vring_desc), EPT_R);
	q->avail = ram_ptr(q->ram, q->avail_gpa, sizeof(struct vring_avail) + n * 2 + 2, EPT_R);
	q->used = ram_ptr(q->ram, q->used_gpa,
			  sizeof(struct vring_used) + n * sizeof(struct vring_used_elem) + 2,
			  EPT_R | EPT_W);
	if (!q->desc || !q->avail || !q->used)
		q->bad_gpa = !q->desc ? q->desc_gpa : !q->avail ? q->avail_gpa : q->used_gpa;
	if (!q->desc || !q->avail || !q->used)
		return broken(q, "a ring lies outside of memory");
	q->last_avail = q->next_used = q->signalled = 0;
	q->bad = NULL;
	q->enabled = true;
	return 0;
}

/* Adds one descriptor's buffer to the chain. */
static int add_buffer(struct virtq *q, struct virtq_chain *c, const struct vring_desc *d)
{
	bool in = (d->flags & VRING_DESC_F_WRITE) != 0;
	void *p;

	if (!in && c->nin > 0)
		return broken(q, "a readable buffer follows a writable one");
	if (d->len == 0)
		return 0;
	if (c->nout + c->nin == VIRTQ_MAX_SIZE)
		return broken(q, "a chain is longer than the queue");
	p = ram_ptr(q->ram, d->addr, d->len, in ? EPT_W : EPT_R);
	if (!p)
		q->bad_gpa = d->addr;
	if (!p)
		return broken(q, "a buffer lies outside of memory the device may touch");
	c->iov[c->nout + c->nin] = (struct iovec){p, d->len};
	if (in) {
		c->nin++;
		c->in_bytes += d->len;
	} else {
		c->nout++;
		c->out_bytes += d->len;
	}
	return 0;
}

/* Follows a chain in a table of n descriptors from `i`. Stops with *indirect set at an indirect one
 * when that is allowed. */
static int walk(struct virtq *q, struct virtq_chain *c, const struct vring_desc *table, uint32_t n,
		uint32_t i, struct vring_desc *indirect)
{
	for (uint32_t steps = 0;; steps++) {
		struct vring_desc d;

		if (i >= n)
			return broken(q, "a descriptor number is out of range");
		if (steps == n || steps == q->size)
			return broken(q, "a chain of descriptors has no end");
		memcpy(&d, &table[i], sizeof(d));
		if (d.flags & VRING_DESC_F_INDIRECT) {
			if (!indirect || !q->indirect || (d.flags & VRING_DESC_F_NEXT))
				return broken(q, "an indirect descriptor where none may be");
			*indirect = d;
			return 0;
		}
		if (add_buffer(q, c, &d) < 0)
			return -EPROTO;
		if (!(d.flags & VRING_DESC_F_NEXT))
			return 0;
		i = d.next;
	}
}

int virtq_pop(struct virtq *q, struct virtq_chain *c)
{
	struct vring_desc ind = {.len = 0};
	uint16_t avail, head;
	int r;

	if (!q->enabled)
		return 0;
	avail = load16(&q->avail->idx);
	if (avail == q->last_avail)
		return 0;
	if ((uint16_t)(avail - q->last_avail) > q->size)
		return broken(q, "the available index ran away");
	head = load16(&q->avail->ring[q->last_avail % q->size]);
	c->head = head;
	c->nout = c->nin = 0;
	c->out_bytes = c->in_bytes = 0;
	r = walk(q, c, q->desc, q->size, head, &ind);
	if (r < 0)
		return r;
	if (ind.flags & VRING_DESC_F_INDIRECT) {
		const struct vring_desc *table;

		if (ind.len == 0 || ind.len % sizeof(ind))
			return broken(q, "an indirect table's length is wrong");
		table = ram_ptr(q->ram, ind.addr, ind.len, EPT_R);
		if (!table)
			return broken(q, "an indirect table lies outside of memory");
		r = walk(q, c, table, ind.len / (uint32_t)sizeof(ind), 0, NULL);
		if (r < 0)
			return r;
	}
	q->last_avail++;
	return 1;
}

bool virtq_pending(const struct virtq *q)
{
	return q->enabled && load16(&q->avail->idx) != q->last_avail;
}

void virtq_push(struct virtq *q, uint16_t head, uint32_t written)
{
	if (!q->enabled)
		return;
	q->used->ring[q->next_used % q->size] = (struct vring_used_elem){head, written};
	store16(&q->used->idx, ++q->next_used);
}

bool virtq_should_signal(struct virtq *q)
{
	uint16_t old = q->signalled;

	if (!q->enabled || old == q->next_used)
		return false;
	q->signalled = q->next_used;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (q->event_idx)
		return vring_need_event(load16(used_event(q)), q->next_used, old);
	return !(load16(&q->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT);
}

void virtq_want_notify(struct virtq *q, bool want)
{
	if (!q->enabled)
		return;
	if (!q->event_idx)
		store16(&q->used->flags, want ? 0 : VRING_USED_F_NO_NOTIFY);
	else if (want)
		store16(avail_event(q), q->last_avail);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

/* Copies between the front of the array and a buffer, one way or the other. */
static size_t iov_move(struct iovec **iov, unsigned *count, char *buf, size_t len, bool take)
{
	size_t done = 0;

	while (done<len && * count> 0) {
		size_t n = (*iov)->iov_len < len - done ? (*iov)->iov_len : len - done;

		if (take)
			memcpy(buf + done, (*iov)->iov_base, n);
		else
			memcpy((*iov)->iov_base, buf + done, n);
		done += n;
		(*iov)->iov_base = (char *)(*iov)->iov_base + n;
		(*iov)->iov_len -= n;
		if ((*iov)->iov_len == 0) {
			(*iov)++;
			(*count)--;
		}
	}
	return done;
}

size_t iov_take(struct iovec **iov, unsigned *count, void *buf, size_t len)
{
	return iov_move(iov, count, buf, len, true);
}

size_t iov_put(struct iovec **iov, unsigned *count, const void *buf, size_t len)
{
	return iov_move(iov, count, (char *)(uintptr_t)buf, len, false);
}

void iov_limit(struct iovec *iov, unsigned *count, uint64_t len)
{
	for (unsigned i = 0; i < *count; i++) {
		if (iov[i].iov_len >= len) {
			iov[i].iov_len = (size_t)len;
			*count = len ? i + 1 : i;
			return;
		}
		len -= iov[i].iov_len;
	}
}
