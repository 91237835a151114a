/*
 * Looking at heaps: validation, walking, the information classes, user flags and values.
 */
#include "guest/user/ntdll/heap.h"

static BOOLEAN valid_subsegment(struct heap *h, struct block *container)
{
	struct subsegment *s = (struct subsegment *)container;
	char *data = (char *)(s + 1);
	uint32_t used = 0, freed = 0;

	for (uint32_t i = 0; i < s->fresh; i++) {
		struct block *b = (struct block *)(data + (SIZE_T)i * s->units * UNIT);

		if (!sealed(h, b) || b->size != s->units || b - b->prev != container)
			return FALSE;
		used += b->kind == BLOCK_SMALL_BUSY;
		freed += b->kind == BLOCK_SMALL_FREE;
	}
	return used == s->used && used + freed == s->fresh;
}

/* Every block of every segment: sealed, in step with its neighbours, of a known kind. */
BOOLEAN heap_verify(struct heap *h)
{
	for (unsigned i = 0; i < MAX_SEGMENTS; i++) {
		struct segment *s = &h->segments[i];
		uint32_t prev = 0;

		if (!s->base)
			continue;
		for (struct block *b = s->first; (char *)b < s->end; b = next_block(b)) {
			if (!sealed(h, b) || b->prev != prev || b->size < MIN_UNITS ||
			    b->segment != i || (char *)next_block(b) > s->end)
				return FALSE;
			if (b->kind == BLOCK_SUBSEGMENT && !valid_subsegment(h, b))
				return FALSE;
			prev = b->size;
		}
	}
	for (LIST_ENTRY *e = h->large.Flink; e != &h->large; e = e->Flink) {
		struct large *l = CONTAINING_RECORD(e, struct large, link);

		if (!sealed(h, &l->block) || l->block.kind != BLOCK_LARGE)
			return FALSE;
	}
	return TRUE;
}

/* Is p a busy block of h? Reads only inside h's own ranges, so any p will do. */
static BOOLEAN valid_block(struct heap *h, const void *p)
{
	struct block *b = block_of(p);

	if ((uintptr_t)p & (UNIT - 1))
		return FALSE;
	for (LIST_ENTRY *e = h->large.Flink; e != &h->large; e = e->Flink)
		if (&CONTAINING_RECORD(e, struct large, link)->block == b)
			return sealed(h, b);
	for (unsigned i = 0; i < MAX_SEGMENTS; i++) {
		struct segment *s = &h->segments[i];

		if (!s->base || (char *)b < (char *)s->first || (char *)b >= s->end)
			continue;
		for (struct block *c = s->first; (char *)c < s->end && c <= b; c = next_block(c)) {
			if (c == b)
				return sealed(h, b) && b->kind == BLOCK_BUSY;
			if (!c->size)
				return FALSE;
			if (c->kind == BLOCK_SUBSEGMENT && b > c && b < next_block(c)) {
				struct subsegment *sub = (struct subsegment *)c;
				SIZE_T off = (char *)b - (char *)(sub + 1);

				return b >= (struct block *)(sub + 1) &&
				       off % (sub->units * UNIT) == 0 &&
				       off / (sub->units * UNIT) < sub->fresh && sealed(h, b) &&
				       b->kind == BLOCK_SMALL_BUSY;
			}
		}
	}
	return FALSE;
}

BOOLEAN NTAPI RtlValidateHeap(PVOID handle, ULONG flags, const void *p)
{
	struct heap *h = heap_check_handle(handle);
	BOOLEAN ok;

	if (!h)
		return FALSE;
	RtlLockHeap(h);
	ok = p ? valid_block(h, p) : heap_verify(h);
	RtlUnlockHeap(h);
	(void)flags;
	return ok;
}

BOOLEAN NTAPI RtlValidateProcessHeaps(void)
{
	PVOID heaps[64];
	ULONG n = RtlGetProcessHeaps(ARRAY_COUNT(heaps), heaps);
	BOOLEAN ok = TRUE;

	for (ULONG i = 0; i < min(n, ARRAY_COUNT(heaps)); i++)
		ok = RtlValidateHeap(heaps[i], 0, NULL) && ok;
	return ok;
}

/* --- walking: segments in order, each a region entry and its blocks, then the large blocks --- */

static NTSTATUS show_block(struct heap *h, RTL_HEAP_WALK_ENTRY *e, struct block *b)
{
	memset(e, 0, sizeof(*e));
	e->DataAddress = data_of(b);
	e->DataSize = (SIZE_T)(b->size - 1) * UNIT;
	e->OverheadBytes = UNIT;
	e->SegmentIndex = b->segment;
	switch (b->kind) {
	case BLOCK_LARGE:
		e->DataSize = CONTAINING_RECORD(b, struct large, block)->size;
		e->OverheadBytes = sizeof(struct large);
		e->Flags = RTL_HEAP_BUSY;
		e->SegmentIndex = 0xff;
		break;
	case BLOCK_BUSY:
	case BLOCK_SMALL_BUSY:
		e->DataSize = data_size(b);
		e->OverheadBytes = (UCHAR)min(UNIT + b->unused, 255u);
		e->Flags = RTL_HEAP_BUSY;
		break;
	case BLOCK_DECOMMITTED:
		e->Flags = RTL_HEAP_UNCOMMITTED_RANGE;
		break;
	}
	e->Flags |= (USHORT)(b->user << 4 & RTL_HEAP_SETTABLE_FLAGS);
	(void)h;
	return STATUS_SUCCESS;
}

static NTSTATUS show_segment(struct heap *h, RTL_HEAP_WALK_ENTRY *e, unsigned i)
{
	struct segment *s = &h->segments[i];
	SIZE_T committed = s->reserve;

	for (struct block *b = s->first; (char *)b < s->end; b = next_block(b))
		if (b->kind == BLOCK_DECOMMITTED)
			committed -= (SIZE_T)b->size * UNIT;
	memset(e, 0, sizeof(*e));
	e->DataAddress = s->base;
	e->DataSize = s->reserve;
	e->SegmentIndex = (UCHAR)i;
	e->Flags = RTL_HEAP_SEGMENT;
	e->Segment.CommittedSize = (ULONG)committed;
	e->Segment.UnCommittedSize = (ULONG)(s->reserve - committed);
	e->Segment.FirstEntry = s->first;
	e->Segment.LastEntry = s->end;
	return STATUS_SUCCESS;
}

static NTSTATUS show_large(struct heap *h, RTL_HEAP_WALK_ENTRY *e, LIST_ENTRY *link)
{
	if (link == &h->large)
		return STATUS_NO_MORE_ENTRIES;
	return show_block(h, e, &CONTAINING_RECORD(link, struct large, link)->block);
}

static NTSTATUS show_from_segment(struct heap *h, RTL_HEAP_WALK_ENTRY *e, unsigned i)
{
	for (; i < MAX_SEGMENTS; i++)
		if (h->segments[i].base)
			return show_segment(h, e, i);
	return show_large(h, e, h->large.Flink);
}

/* Shows b, or what stands in its place: a subsegment is shown as its small blocks. */
static NTSTATUS show_from_block(struct heap *h, RTL_HEAP_WALK_ENTRY *e, struct block *b,
				unsigned seg)
{
	for (; (char *)b < h->segments[seg].end; b = next_block(b)) {
		struct subsegment *s = (struct subsegment *)b;

		if (b->kind != BLOCK_SUBSEGMENT)
			return show_block(h, e, b);
		if (s->fresh)
			return show_block(h, e, (struct block *)(s + 1));
	}
	return show_from_segment(h, e, seg + 1);
}

NTSTATUS NTAPI RtlWalkHeap(PVOID handle, PVOID entry)
{
	struct heap *h = heap_check_handle(handle);
	RTL_HEAP_WALK_ENTRY *e = entry;
	NTSTATUS status;
	struct block *b;
	unsigned seg;

	if (!h || !e)
		return STATUS_INVALID_PARAMETER;
	RtlLockHeap(h);
	seg = e->SegmentIndex;
	b = block_of(e->DataAddress);
	if (!e->DataAddress) {
		status = show_from_segment(h, e, 0);
	} else if (seg == 0xff) {
		status = show_large(h, e, CONTAINING_RECORD(b, struct large, block)->link.Flink);
	} else if (seg >= MAX_SEGMENTS || !h->segments[seg].base) {
		status = STATUS_INVALID_PARAMETER;
	} else if (e->Flags & RTL_HEAP_SEGMENT) {
		status = show_from_block(h, e, h->segments[seg].first, seg);
	} else if (!sealed(h, b)) {
		status = STATUS_INVALID_PARAMETER;
	} else if (b->kind == BLOCK_SMALL_BUSY || b->kind == BLOCK_SMALL_FREE) {
		struct subsegment *s = (struct subsegment *)(b - b->prev);
		char *stop = (char *)(s + 1) + (SIZE_T)s->fresh * s->units * UNIT;

		if ((char *)(b + b->size) < stop)
			status = show_block(h, e, b + b->size);
		else
			status = show_from_block(h, e, next_block(&s->container), seg);
	} else {
		status = show_from_block(h, e, next_block(b), seg);
	}
	RtlUnlockHeap(h);
	return status;
}

/* --- information, user flags and values --- */

DWORD NTAPI RtlQueryHeapInformation(PVOID handle, HEAP_INFORMATION_CLASS cls, PVOID out,
				    SIZE_T length, PSIZE_T result)
{
	struct heap *h;

	if (cls != HeapCompatibilityInformation)
		return (DWORD)STATUS_UNSUCCESSFUL;
	if (result)
		*result = sizeof(ULONG);
	if (length < sizeof(ULONG))
		return (DWORD)STATUS_BUFFER_TOO_SMALL;
	h = heap_check_handle(handle);
	if (!h)
		return (DWORD)STATUS_INVALID_HANDLE;
	*(ULONG *)out = h->compatibility;
	return STATUS_SUCCESS;
}

DWORD NTAPI RtlSetHeapInformation(PVOID handle, HEAP_INFORMATION_CLASS cls, PVOID in, SIZE_T length)
{
	struct heap *h;
	ULONG wanted;

	if (cls == HeapEnableTerminationOnCorruption)
		return STATUS_SUCCESS; /* always on */
	if (cls == 3 /* HeapOptimizeResources */)
		return STATUS_SUCCESS; /* free pages go back as they come */
	if (cls != HeapCompatibilityInformation)
		return (DWORD)STATUS_SUCCESS;
	if (length < sizeof(ULONG))
		return (DWORD)STATUS_BUFFER_TOO_SMALL;
	h = heap_check_handle(handle);
	if (!h)
		return (DWORD)STATUS_INVALID_HANDLE;
	wanted = *(ULONG *)in;
	if (wanted != 0 && wanted != 2)
		return (DWORD)STATUS_UNSUCCESSFUL;
	if (h->compatibility == 2 && wanted == 0) /* the choice cannot be taken back */
		return (DWORD)STATUS_UNSUCCESSFUL;
	if (wanted == 2 && (h->fixed || (h->flags & HEAP_NO_SERIALIZE)))
		return (DWORD)STATUS_UNSUCCESSFUL;
	h->compatibility = wanted;
	return STATUS_SUCCESS;
}

static struct block *user_block(PVOID handle, const void *p)
{
	struct heap *h = heap_check_handle(handle);
	struct block *b = p ? block_of(p) : NULL;

	return h && b && sealed(h, b) ? b : NULL;
}

BOOLEAN NTAPI RtlSetUserFlagsHeap(PVOID handle, ULONG flags, PVOID p, ULONG clear, ULONG set)
{
	struct block *b = user_block(handle, p);

	(void)flags;
	if (!b || ((clear | set) & ~(ULONG)RTL_HEAP_SETTABLE_FLAGS))
		return FALSE;
	b->user = (uint8_t)((b->user & ~(clear >> 4)) | set >> 4);
	return TRUE;
}

BOOLEAN NTAPI RtlGetUserInfoHeap(PVOID handle, ULONG flags, PVOID p, PVOID *value, PULONG user)
{
	struct block *b = user_block(handle, p);

	(void)flags;
	if (!b)
		return FALSE;
	if (value)
		*value = NULL;
	if (user)
		*user = (ULONG)b->user << 4;
	return TRUE;
}

ULONG NTAPI RtlMultipleAllocateHeap(PVOID heap, ULONG flags, SIZE_T size, ULONG count, PVOID *out)
{
	for (ULONG i = 0; i < count; i++)
		if (!(out[i] = RtlAllocateHeap(heap, flags, size)))
			return i;
	return count;
}

ULONG NTAPI RtlMultipleFreeHeap(PVOID heap, ULONG flags, ULONG count, PVOID *list)
{
	for (ULONG i = 0; i < count; i++)
		if (!RtlFreeHeap(heap, flags, list[i]))
			return i;
	return count;
}
