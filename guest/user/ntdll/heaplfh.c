/*
 * Small blocks: subsegments of equal blocks, one list of partly free subsegments a size class.
 *
 * A class opens after LFH_START requests of its size, so that small programs stay small. Blocks of
 * a subsegment are handed out in address order first (pages are touched only when needed), then
 * last freed first.
 *
 * Locks: a class's own; the heap lock is taken inside it, to get or return a subsegment. While a
 * thread holds the heap by RtlLockHeap, others wait for the heap lock before they go on here.
 */
#include "guest/user/ntdll/heap.h"

#define SUBSEGMENT_MIN 0x1000u
#define SUBSEGMENT_MAX 0x10000u

/* Classes: every unit count up to 64, then sixteen steps for each doubling up to 1024. */
unsigned lfh_class(uint32_t units)
{
	unsigned shift;

	if (units <= 64)
		return units - 1;
	shift = 31 - __builtin_clz(units - 1) - 4; /* 64 < units <= 128: shift 2 */
	return 64 + (shift - 2) * 16 + (((units - 1) >> shift) & 15);
}

static uint32_t class_units(unsigned cls)
{
	unsigned row;

	if (cls < 64)
		return cls + 1;
	row = (cls - 64) / 16;
	return (16 + (cls - 64) % 16 + 1) << (row + 2);
}

void lfh_open(struct heap *h, unsigned cls)
{
	struct size_class *c;

	heap_enter(h, 0);
	if (!h->classes) {
		struct size_class *classes;
		struct block *b = heap_take(
		    h, 1 + (LFH_CLASSES * sizeof(*classes) + UNIT - 1) / UNIT, BLOCK_BUSY);

		if (b) {
			classes = data_of(b);
			memset(classes, 0, LFH_CLASSES * sizeof(*classes));
			for (unsigned i = 0; i < LFH_CLASSES; i++)
				classes[i].partial.Flink = classes[i].partial.Blink =
				    &classes[i].partial;
			__atomic_store_n(&h->classes, classes, __ATOMIC_RELEASE);
		}
	}
	if (h->classes) {
		c = &h->classes[cls];
		__atomic_store_n(&c->units, class_units(cls), __ATOMIC_RELEASE);
	}
	heap_leave(h, 0);
}

static struct subsegment *new_subsegment(struct heap *h, struct size_class *c)
{
	SIZE_T bytes = SUBSEGMENT_MIN, block = (SIZE_T)c->units * UNIT;
	struct subsegment *s;
	struct block *b;

	for (unsigned i = 0; i < c->subsegments && bytes < SUBSEGMENT_MAX; i++)
		bytes *= 2;
	bytes = max(bytes, block * 8);
	heap_enter(h, 0);
	b = heap_take(h, (uint32_t)((sizeof(*s) + bytes) / UNIT), BLOCK_SUBSEGMENT);
	heap_leave(h, 0);
	if (!b)
		return NULL;
	s = (struct subsegment *)b;
	s->owner = c;
	s->free = NULL;
	s->units = c->units;
	s->total = (uint32_t)(((SIZE_T)b->size * UNIT - sizeof(*s)) / block);
	s->used = 0;
	s->fresh = 0;
	c->subsegments++;
	InsertHeadList(&c->partial, &s->link);
	return s;
}

/* Waits until a thread that holds the whole heap lets go; the class lock is dropped meanwhile. */
static void lock_class(struct heap *h, struct size_class *c)
{
	HANDLE me = NtCurrentTeb()->ClientId.UniqueThread;

	RtlAcquireSRWLockExclusive(&c->lock);
	while (h->locked_by && h->locked_by != me) {
		RtlReleaseSRWLockExclusive(&c->lock);
		heap_enter(h, 0);
		heap_leave(h, 0);
		RtlAcquireSRWLockExclusive(&c->lock);
	}
}

void lfh_wait_idle(struct heap *h)
{
	for (unsigned i = 0; h->classes && i < LFH_CLASSES; i++) {
		RtlAcquireSRWLockExclusive(&h->classes[i].lock);
		RtlReleaseSRWLockExclusive(&h->classes[i].lock);
	}
}

void *lfh_allocate(struct heap *h, unsigned cls, SIZE_T bytes)
{
	struct size_class *c = &h->classes[cls];
	struct subsegment *s;
	struct block *b = NULL;

	lock_class(h, c);
	if (c->partial.Flink == &c->partial)
		s = new_subsegment(h, c);
	else
		s = CONTAINING_RECORD(c->partial.Flink, struct subsegment, link);
	if (!s)
		goto out;
	if (s->free) {
		b = block_of(s->free);
		if (b->kind != BLOCK_SMALL_FREE || !sealed(h, b))
			heap_corrupted(h, b);
		s->free = *(void **)s->free;
	} else {
		b = (struct block *)((char *)(s + 1) + (SIZE_T)s->fresh * s->units * UNIT);
		b->size = s->units;
		b->prev = (uint32_t)(b - &s->container);
		b->segment = s->container.segment;
		b->reserved = 0;
		s->fresh++;
	}
	c->empty -= s->used == 0 && c->empty;
	s->used++;
	b->kind = BLOCK_SMALL_BUSY;
	b->user = 0;
	b->unused = (uint16_t)((SIZE_T)(b->size - 1) * UNIT - bytes);
	seal(h, b);
	if (s->used == s->total)
		RemoveEntryList(&s->link);
out:
	RtlReleaseSRWLockExclusive(&c->lock);
	return b ? data_of(b) : NULL;
}

BOOLEAN lfh_free(struct heap *h, struct block *b)
{
	struct subsegment *s = (struct subsegment *)(b - b->prev);
	struct size_class *c;

	if (s->container.kind != BLOCK_SUBSEGMENT || !sealed(h, &s->container))
		heap_corrupted(h, b);
	c = s->owner;
	lock_class(h, c);
	if (b->kind != BLOCK_SMALL_BUSY || !sealed(h, b)) {
		RtlReleaseSRWLockExclusive(&c->lock);
		heap_corrupted(h, b);
	}
	b->kind = BLOCK_SMALL_FREE;
	seal(h, b);
	*(void **)data_of(b) = s->free;
	s->free = data_of(b);
	if (s->used == s->total)
		InsertHeadList(&c->partial, &s->link);
	if (--s->used == 0) {
		if (c->empty) {
			RemoveEntryList(&s->link);
			c->subsegments--;
			heap_enter(h, 0);
			heap_give(h, &s->container);
			heap_leave(h, 0);
		} else {
			c->empty++;
		}
	}
	RtlReleaseSRWLockExclusive(&c->lock);
	return TRUE;
}
