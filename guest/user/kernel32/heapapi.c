/*
 * Heap, Global and Local functions. HeapAlloc, HeapReAlloc, HeapFree and HeapSize are ntdll's,
 * forwarded.
 *
 * A movable block's handle points at a cell of our table: the block's address, its size flags and
 * lock count. Cells lie 16 bytes apart with the address at offset 8, so that a handle has bit 3 set
 * and a fixed block, 16-byte aligned, has not: that is how the two are told apart.
 */
#include "guest/user/kernel32/k32.h"

HANDLE WINAPI HeapCreate(DWORD flags, SIZE_T initial, SIZE_T maximum)
{
	HANDLE h;

	flags &= HEAP_GENERATE_EXCEPTIONS | HEAP_NO_SERIALIZE | HEAP_CREATE_ENABLE_EXECUTE;
	if (!maximum)
		flags |= HEAP_GROWABLE;
	else if (initial > maximum)
		maximum = initial;
	h = RtlCreateHeap(flags, NULL, maximum, initial, NULL, NULL);
	if (!h)
		fail(ERROR_NOT_ENOUGH_MEMORY);
	return h;
}

WINBOOL WINAPI HeapDestroy(HANDLE h)
{
	return !RtlDestroyHeap(h) || fail(ERROR_INVALID_HANDLE);
}

HANDLE WINAPI GetProcessHeap(VOID)
{
	return NtCurrentPeb()->ProcessHeap;
}

DWORD WINAPI GetProcessHeaps(DWORD count, PHANDLE heaps)
{
	return RtlGetProcessHeaps(count, heaps);
}

WINBOOL WINAPI HeapLock(HANDLE h)
{
	return RtlLockHeap(h) || fail(ERROR_INVALID_HANDLE);
}

WINBOOL WINAPI HeapUnlock(HANDLE h)
{
	return RtlUnlockHeap(h) || fail(ERROR_INVALID_HANDLE);
}

WINBOOL WINAPI HeapValidate(HANDLE h, DWORD flags, LPCVOID p)
{
	return RtlValidateHeap(h, flags, p);
}

SIZE_T WINAPI HeapCompact(HANDLE h, DWORD flags)
{
	return RtlCompactHeap(h, flags);
}

WINBOOL WINAPI HeapSetInformation(HANDLE h, HEAP_INFORMATION_CLASS cls, PVOID in, SIZE_T size)
{
	return succeed((NTSTATUS)RtlSetHeapInformation(h, cls, in, size));
}

WINBOOL WINAPI HeapQueryInformation(HANDLE h, HEAP_INFORMATION_CLASS cls, PVOID out, SIZE_T size,
				    PSIZE_T got)
{
	return succeed((NTSTATUS)RtlQueryHeapInformation(h, cls, out, size, got));
}

/* Win32's entry and NT's differ in form only; the walk's position is in the entry itself. */
WINBOOL WINAPI HeapWalk(HANDLE h, LPPROCESS_HEAP_ENTRY e)
{
	RTL_HEAP_WALK_ENTRY nt = {0};
	NTSTATUS status;

	if (!e)
		return fail(ERROR_INVALID_PARAMETER);
	nt.DataAddress = e->lpData;
	nt.SegmentIndex = e->iRegionIndex;
	nt.Flags = e->wFlags & PROCESS_HEAP_REGION ? RTL_HEAP_SEGMENT : 0;
	status = RtlWalkHeap(h, &nt);
	if (!NT_SUCCESS(status)) {
		memset(e, 0, sizeof(*e));
		return succeed(status);
	}
	e->lpData = nt.DataAddress;
	e->cbData = (DWORD)nt.DataSize;
	e->cbOverhead = nt.OverheadBytes;
	e->iRegionIndex = nt.SegmentIndex;
	if (nt.Flags & RTL_HEAP_SEGMENT) {
		e->wFlags = PROCESS_HEAP_REGION;
		e->Region.dwCommittedSize = nt.Segment.CommittedSize;
		e->Region.dwUnCommittedSize = nt.Segment.UnCommittedSize;
		e->Region.lpFirstBlock = nt.Segment.FirstEntry;
		e->Region.lpLastBlock = nt.Segment.LastEntry;
	} else if (nt.Flags & RTL_HEAP_BUSY) {
		e->wFlags = PROCESS_HEAP_ENTRY_BUSY;
	} else {
		e->wFlags =
		    nt.Flags & RTL_HEAP_UNCOMMITTED_RANGE ? PROCESS_HEAP_UNCOMMITTED_RANGE : 0;
	}
	return TRUE;
}

WINBOOL WINAPI HeapSummary(HANDLE h, DWORD flags, LPHEAP_SUMMARY out);
WINBOOL WINAPI HeapSummary(HANDLE h, DWORD flags, LPHEAP_SUMMARY out)
{
	PROCESS_HEAP_ENTRY e = {0};

	if (flags || !out || out->cb != sizeof(*out))
		return fail(ERROR_INVALID_PARAMETER);
	out->cbAllocated = out->cbCommitted = out->cbReserved = 0;
	if (!HeapLock(h))
		return FALSE;
	while (HeapWalk(h, &e)) {
		if (e.wFlags & PROCESS_HEAP_REGION) {
			out->cbCommitted += e.Region.dwCommittedSize;
			out->cbReserved +=
			    (SIZE_T)e.Region.dwCommittedSize + e.Region.dwUnCommittedSize;
		} else if (e.wFlags & PROCESS_HEAP_ENTRY_BUSY) {
			out->cbAllocated += e.cbData;
		}
	}
	out->cbMaxReserve = out->cbReserved;
	return HeapUnlock(h);
}

/* --- Global and Local --- */

#define CELLS_ALLOC 256

/* Flags of a cell, and its layout, are Windows': programs that look inside find what they expect.
 */
#define CELL_USED	 0x0001u
#define CELL_MOVEABLE	 0x0002u
#define CELL_DISCARDABLE 0x0004u
#define CELL_DISCARDED	 0x0008u
#define CELL_DDESHARE	 0x8000u

struct cell {
	USHORT flags; /* 0 when free */
	UCHAR locks;
	UCHAR reserved[5];
	union {
		PVOID data;	   /* busy; NULL: empty or discarded */
		struct cell *next; /* free */
	};
};
_Static_assert(sizeof(struct cell) == 16, "a handle is a cell's address plus 8");

static RTL_CRITICAL_SECTION cells_lock = {.LockCount = -1};
static struct cell *free_cells;

#define MOVABLE	   GMEM_MOVEABLE
#define HANDLE_BIT 8u

static PVOID heap(void)
{
	return NtCurrentPeb()->ProcessHeap;
}

static struct cell *new_cell(void)
{
	struct cell *c;

	RtlEnterCriticalSection(&cells_lock);
	if (!free_cells) {
		c = heap_new(CELLS_ALLOC * sizeof(*c));
		for (int i = 0; c && i < CELLS_ALLOC; i++) {
			c[i].flags = 0;
			c[i].next = free_cells;
			free_cells = &c[i];
		}
	}
	c = free_cells;
	if (c)
		free_cells = c->next;
	RtlLeaveCriticalSection(&cells_lock);
	return c;
}

static void free_cell(struct cell *c)
{
	RtlEnterCriticalSection(&cells_lock);
	c->flags = 0;
	c->next = free_cells;
	free_cells = c;
	RtlLeaveCriticalSection(&cells_lock);
}

static BOOL is_handle(HGLOBAL h)
{
	return ((ULONG_PTR)h & 15) == HANDLE_BIT;
}

/* The busy cell of a handle, or NULL with the last error set. */
static struct cell *cell_of(HGLOBAL h)
{
	struct cell *c = (struct cell *)((ULONG_PTR)h - HANDLE_BIT);

	if (NtmmTouch(c, FALSE) && (c->flags & CELL_USED))
		return c;
	fail(ERROR_INVALID_HANDLE);
	return NULL;
}

HGLOBAL WINAPI GlobalAlloc(UINT flags, SIZE_T size)
{
	ULONG zero = flags & GMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0;
	struct cell *c;
	PVOID p;

	if (!(flags & MOVABLE)) {
		p = RtlAllocateHeap(heap(), zero, size);
		if (!p)
			fail(ERROR_NOT_ENOUGH_MEMORY);
		return p;
	}
	c = new_cell();
	if (!c) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	c->locks = 0;
	c->data = NULL;
	if (size) {
		c->data = RtlAllocateHeap(heap(), zero, size);
		if (!c->data) {
			free_cell(c);
			fail(ERROR_NOT_ENOUGH_MEMORY);
			return NULL;
		}
	}
	c->flags = CELL_USED | CELL_MOVEABLE | (size ? 0 : CELL_DISCARDED) |
		   (flags & GMEM_DISCARDABLE ? CELL_DISCARDABLE : 0) |
		   (flags & GMEM_DDESHARE ? CELL_DDESHARE : 0);
	return (HGLOBAL)((ULONG_PTR)c + HANDLE_BIT);
}

HGLOBAL WINAPI GlobalFree(HGLOBAL h)
{
	struct cell *c;

	if (!h)
		return NULL;
	if (!is_handle(h)) {
		if (RtlValidateHeap(heap(), 0, h) && RtlFreeHeap(heap(), 0, h))
			return NULL;
		fail(ERROR_INVALID_HANDLE);
		return h;
	}
	c = cell_of(h);
	if (!c)
		return h;
	RtlFreeHeap(heap(), 0, c->data);
	free_cell(c);
	return NULL;
}

LPVOID WINAPI GlobalLock(HGLOBAL h)
{
	struct cell *c;
	PVOID p;

	if (!is_handle(h))
		return NtmmTouch(h, FALSE) ? h : (fail(ERROR_INVALID_HANDLE), NULL);
	c = cell_of(h);
	if (!c)
		return NULL;
	RtlEnterCriticalSection(&cells_lock);
	p = c->data;
	if (p && c->locks < 0xff)
		c->locks++;
	RtlLeaveCriticalSection(&cells_lock);
	if (!p)
		fail(ERROR_DISCARDED);
	return p;
}

WINBOOL WINAPI GlobalUnlock(HGLOBAL h)
{
	struct cell *c;
	BOOL still = FALSE;

	if (!is_handle(h))
		return TRUE;
	c = cell_of(h);
	if (!c)
		return FALSE;
	RtlEnterCriticalSection(&cells_lock);
	if (!c->locks)
		fail(ERROR_NOT_LOCKED);
	else if (--c->locks)
		still = TRUE;
	else
		fail(NO_ERROR);
	RtlLeaveCriticalSection(&cells_lock);
	return still;
}

SIZE_T WINAPI GlobalSize(HGLOBAL h)
{
	struct cell *c;
	SIZE_T n;

	if (!is_handle(h)) {
		n = h && NtmmTouch((char *)h - 16, FALSE) ? RtlSizeHeap(heap(), 0, h) : (SIZE_T)-1;
		return n == (SIZE_T)-1 ? (SIZE_T)fail(ERROR_INVALID_HANDLE) : n;
	}
	c = cell_of(h);
	return c && c->data ? RtlSizeHeap(heap(), 0, c->data) : 0;
}

UINT WINAPI GlobalFlags(HGLOBAL h)
{
	struct cell *c;

	if (!is_handle(h))
		return RtlValidateHeap(heap(), 0, h)
			   ? 0
			   : (fail(ERROR_INVALID_HANDLE), GMEM_INVALID_HANDLE);
	c = cell_of(h);
	if (!c)
		return GMEM_INVALID_HANDLE;
	return c->locks | (c->flags & CELL_DISCARDABLE ? GMEM_DISCARDABLE : 0) |
	       (c->flags & CELL_DISCARDED ? GMEM_DISCARDED : 0) |
	       (c->flags & CELL_DDESHARE ? GMEM_DDESHARE : 0);
}

HGLOBAL WINAPI GlobalHandle(LPCVOID p)
{
	/* The cell that holds p is found by looking; nobody asks often. */
	PROCESS_HEAP_ENTRY e = {0};
	HGLOBAL found = NULL;

	if (is_handle((HGLOBAL)p))
		return cell_of((HGLOBAL)p) ? (HGLOBAL)p : NULL;
	HeapLock(heap());
	while (!found && HeapWalk(heap(), &e)) {
		struct cell *c = e.lpData;

		if (!(e.wFlags & PROCESS_HEAP_ENTRY_BUSY) || e.cbData != CELLS_ALLOC * sizeof(*c))
			continue;
		for (int i = 0; i < CELLS_ALLOC; i++)
			if ((c[i].flags & CELL_USED) && c[i].data == p)
				found = (HGLOBAL)((ULONG_PTR)&c[i] + HANDLE_BIT);
	}
	HeapUnlock(heap());
	if (!found && RtlValidateHeap(heap(), 0, p))
		return (HGLOBAL)p;
	if (!found)
		fail(ERROR_INVALID_HANDLE);
	return found;
}

HGLOBAL WINAPI GlobalReAlloc(HGLOBAL h, SIZE_T size, UINT flags)
{
	ULONG zero = flags & GMEM_ZEROINIT ? HEAP_ZERO_MEMORY : 0;
	struct cell *c;
	PVOID p;

	if (!is_handle(h)) {
		if (flags & GMEM_MODIFY) {
			if (!(flags & MOVABLE))
				return h;
			/* a fixed block becomes a movable one */
			c = new_cell();
			if (!c)
				return fail(ERROR_NOT_ENOUGH_MEMORY), NULL;
			*c = (struct cell){.flags = CELL_USED | CELL_MOVEABLE, .data = h};
			return (HGLOBAL)((ULONG_PTR)c + HANDLE_BIT);
		}
		p = RtlReAllocateHeap(
		    heap(), zero | (flags & MOVABLE ? 0 : HEAP_REALLOC_IN_PLACE_ONLY), h, size);
		if (!p)
			fail(ERROR_NOT_ENOUGH_MEMORY);
		return p;
	}
	c = cell_of(h);
	if (!c)
		return NULL;
	if (flags & GMEM_MODIFY) {
		c->flags &= ~CELL_DISCARDABLE;
		c->flags |= flags & GMEM_DISCARDABLE ? CELL_DISCARDABLE : 0;
		return h;
	}
	if (!size) {
		if (c->locks) {
			fail(ERROR_INVALID_HANDLE);
			return NULL;
		}
		RtlFreeHeap(heap(), 0, c->data);
		c->data = NULL;
		c->flags |= CELL_DISCARDED;
		return h;
	}
	if (c->data)
		p = RtlReAllocateHeap(
		    heap(),
		    zero | (c->locks && !(flags & MOVABLE) ? HEAP_REALLOC_IN_PLACE_ONLY : 0),
		    c->data, size);
	else
		p = RtlAllocateHeap(heap(), zero, size);
	if (!p) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	c->data = p;
	c->flags &= ~CELL_DISCARDED;
	return h;
}

/* Local and Global memory are one; only two flag values differ, in bits nothing depends on. */
HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T size)
{
	return GlobalAlloc(flags & (LMEM_MOVEABLE | LMEM_ZEROINIT), size);
}

HLOCAL WINAPI LocalFree(HLOCAL h)
{
	return GlobalFree(h);
}

PVOID WINAPI LocalLock(HLOCAL h)
{
	return GlobalLock(h);
}

WINBOOL WINAPI LocalUnlock(HLOCAL h)
{
	if (!is_handle(h))
		return fail(ERROR_NOT_LOCKED);
	return GlobalUnlock(h);
}

SIZE_T WINAPI LocalSize(HLOCAL h)
{
	return GlobalSize(h);
}

UINT WINAPI LocalFlags(HLOCAL h)
{
	return GlobalFlags(h);
}

HLOCAL WINAPI LocalHandle(LPCVOID p)
{
	return GlobalHandle(p);
}

HLOCAL WINAPI LocalReAlloc(HLOCAL h, SIZE_T size, UINT flags)
{
	return GlobalReAlloc(h, size, flags);
}

SIZE_T WINAPI GlobalCompact(DWORD minimum)
{
	(void)minimum;
	return 0;
}

SIZE_T WINAPI LocalCompact(UINT minimum)
{
	(void)minimum;
	return 0;
}
