/*
 * Split virtqueues (virtio 1.2, section 2.7), with the used_event/avail_event indexes when the
 * device offers them.
 *
 *   descriptor table  size * 16     free ones are chained by slot[].next from free_head
 *   available ring    6 + size * 2  what we offer; its last word is used_event
 *   used ring         6 + size * 8  what the device gives back; its last word is avail_event
 *
 * The chain of a buffer is kept in slot[], which the device never sees, so that whatever it does
 * to the shared memory cannot confuse the free list. The driver's spin lock is held for every call.
 */
#include "guest/io/virtqueue.h"

#define DESC_NEXT      1
#define DESC_WRITE     2
#define USED_NO_NOTIFY 1

struct vring_desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};
_Static_assert(sizeof(struct vring_desc) == 16, "virtio 1.2, 2.7.5");

struct vq_slot {
	void *cookie; /* of a head that the device has; else NULL */
	u32 in_bytes; /* it may write */
	u16 next;     /* in the chain or the free list */
	u16 chain;    /* descriptors of the chain that starts here */
};

static inline void fence(void)
{
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static volatile u16 *used_event(struct virtqueue *q)
{
	return &q->avail[2 + q->size];
}
static u16 avail_event(struct virtqueue *q)
{
	return q->used[2 + 4 * q->size];
}

bool virtqueue_init(struct virtqueue *q, struct virtio_device *d, u16 index, u16 size,
		    struct virtqueue_rings *pa)
{
	u64 avail_at = (u64)size * sizeof(struct vring_desc);
	u64 used_at = ALIGN_UP(avail_at + 6 + 2ul * size, 4);
	u8 *ring = MmAllocateContiguous(used_at + 6 + 8ul * size);

	memset(q, 0, sizeof *q);
	q->slot = ExAllocatePool(size * sizeof *q->slot, TAG('V', 'i', 'r', 'q'));
	if (!ring || !q->slot)
		return false;
	q->dev = d;
	q->index = index;
	q->size = size;
	q->free_count = size;
	q->desc = (volatile struct vring_desc *)ring;
	q->avail = (volatile u16 *)(ring + avail_at);
	q->used = (volatile u16 *)(ring + used_at);
	for (u16 i = 0; i < size; i++)
		q->slot[i].next = i + 1;
	pa->desc = MmGetPhysicalAddress(ring);
	pa->avail = pa->desc + avail_at;
	pa->used = pa->desc + used_at;
	return true;
}

bool vq_add(struct virtqueue *q, const struct vq_seg *seg, u32 out, u32 in, void *cookie)
{
	u32 n = out + in;
	u16 head = q->free_head, at = head;
	u32 in_bytes = 0;

	if (n == 0 || n > q->free_count || q->dev->broken)
		return false;
	for (u32 i = 0; i < n; i++) {
		volatile struct vring_desc *d = &q->desc[at];

		d->addr = seg[i].pa;
		d->len = seg[i].bytes;
		d->flags = (i + 1 < n ? DESC_NEXT : 0) | (i >= out ? DESC_WRITE : 0);
		d->next = q->slot[at].next;
		if (i >= out)
			in_bytes += seg[i].bytes;
		at = q->slot[at].next;
	}
	q->slot[head].cookie = cookie;
	q->slot[head].in_bytes = in_bytes;
	q->slot[head].chain = (u16)n;
	q->free_head = at;
	q->free_count -= (u16)n;
	q->avail[2 + (q->avail_idx & (q->size - 1))] = head;
	q->avail_idx++;
	__atomic_store_n(&q->avail[1], q->avail_idx, __ATOMIC_RELEASE);
	return true;
}

void vq_kick(struct virtqueue *q)
{
	u16 old = q->kicked_idx, new = q->avail_idx;
	bool wanted;

	if (old == new || q->dev->broken)
		return;
	fence(); /* the index is visible before we look at what the device wants */
	q->kicked_idx = new;
	if (q->dev->features & VIRTIO_F_EVENT_IDX)
		wanted = (u16)(new - avail_event(q) - 1) < (u16)(new - old);
	else
		wanted = !(q->used[0] & USED_NO_NOTIFY);
	if (wanted)
		*q->notify = q->index;
}

/* Gives a chain's descriptors back to the free list. */
static void *release_chain(struct virtqueue *q, u16 head)
{
	struct vq_slot *s = &q->slot[head];
	void *cookie = s->cookie;
	u16 last = head;

	for (u16 i = 1; i < s->chain; i++)
		last = q->slot[last].next;
	q->slot[last].next = q->free_head;
	q->free_head = head;
	q->free_count += s->chain;
	s->cookie = NULL;
	return cookie;
}

void *vq_pop(struct virtqueue *q, u32 *bytes)
{
	u16 used_idx = __atomic_load_n(&q->used[1], __ATOMIC_ACQUIRE);
	volatile u32 *entry;
	u32 id, len;

	if (q->dev->broken || used_idx == q->last_used)
		return NULL;
	if ((u16)(used_idx - q->last_used) > q->size) {
		virtio_break(q->dev, "used index out of range");
		return NULL;
	}
	entry = (volatile u32 *)&q->used[2 + 4 * (q->last_used & (q->size - 1))];
	id = entry[0];
	len = entry[1];
	if (id >= q->size || !q->slot[id].cookie) {
		virtio_break(q->dev, "returned a buffer that it does not have");
		return NULL;
	}
	q->last_used++;
	*bytes = MIN(len, q->slot[id].in_bytes);
	return release_chain(q, (u16)id);
}

bool vq_rearm(struct virtqueue *q)
{
	if (q->dev->broken)
		return true;
	*used_event(q) = q->last_used;
	fence();
	return __atomic_load_n(&q->used[1], __ATOMIC_ACQUIRE) == q->last_used;
}

void *vq_reclaim(struct virtqueue *q)
{
	for (u16 i = 0; i < q->size; i++)
		if (q->slot[i].cookie)
			return release_chain(q, i);
	return NULL;
}

u32 vq_segments(const void *kernel, u32 bytes, struct vq_seg *seg, u32 max)
{
	const u8 *p = kernel;
	u32 n = 0;

	while (bytes) {
		u32 part = MIN(bytes, (u32)(PAGE_SIZE - ((u64)p & (PAGE_SIZE - 1))));
		u64 pa = MmGetPhysicalAddress(p);

		if (n && seg[n - 1].pa + seg[n - 1].bytes == pa) {
			seg[n - 1].bytes += part;
		} else {
			if (n == max)
				return 0;
			seg[n++] = (struct vq_seg){pa, part};
		}
		p += part;
		bytes -= part;
	}
	return n;
}
