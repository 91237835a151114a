/*
 * The heap calls: RtlCreateHeap, RtlAllocateHeap and their relatives. heap.h tells the design.
 *
 * Lock: heap.lock, a critical section; HEAP_NO_SERIALIZE in the call or the heap's flags skips it.
 */
#include "guest/user/ntdll/heap.h"

#define MAX_HEAPS 1024

static RTL_CRITICAL_SECTION list_lock = {.LockCount = -1};
static PVOID heap_list[MAX_HEAPS];

/* Corruption ends the process at once: nothing later could be trusted. */
DECLSPEC_NORETURN void heap_corrupted(struct heap *h, const void *where)
{
	EXCEPTION_RECORD rec = {.ExceptionCode = (DWORD)STATUS_HEAP_CORRUPTION,
				.ExceptionFlags = EXCEPTION_NONCONTINUABLE,
				.NumberParameters = 2};
	CONTEXT ctx;

	RtlCaptureContext(&ctx);
	rec.ExceptionAddress = (PVOID)ctx.Rip;
	rec.ExceptionInformation[0] = (ULONG_PTR)h;
	rec.ExceptionInformation[1] = (ULONG_PTR)where;
	NtRaiseException(&rec, &ctx, FALSE);
	for (;;)
		NtTerminateProcess(NtCurrentProcess(), STATUS_HEAP_CORRUPTION);
}

void heap_enter(struct heap *h, ULONG flags)
{
	if (!((flags | h->flags) & HEAP_NO_SERIALIZE))
		RtlEnterCriticalSection(&h->lock);
}

void heap_leave(struct heap *h, ULONG flags)
{
	if (!((flags | h->flags) & HEAP_NO_SERIALIZE))
		RtlLeaveCriticalSection(&h->lock);
}

struct heap *heap_check_handle(PVOID handle)
{
	struct heap *h = handle;

	return h && !((uintptr_t)h & (PAGE_SIZE - 1)) && h->signature == HEAP_SIGNATURE ? h : NULL;
}

/* Failure of an allocation, as the flags want it told. */
static void *no_memory(ULONG flags, SIZE_T size)
{
	if (flags & HEAP_GENERATE_EXCEPTIONS) {
		EXCEPTION_RECORD rec = {.ExceptionCode = (DWORD)STATUS_NO_MEMORY,
					.NumberParameters = 1,
					.ExceptionInformation = {size}};
		RtlRaiseException(&rec);
	}
	RtlSetLastWin32ErrorAndNtStatusFromNtStatus(STATUS_NO_MEMORY);
	return NULL;
}

PVOID NTAPI RtlCreateHeap(ULONG flags, PVOID address, SIZE_T reserve, SIZE_T commit, PVOID lock,
			  PVOID parameters)
{
	PPEB peb = NtCurrentPeb();
	BOOLEAN fixed = !(flags & HEAP_GROWABLE);
	SIZE_T head = sizeof(struct heap), size;
	PVOID base = address;
	struct heap *h;

	(void)lock;
	(void)parameters;
	flags &= HEAP_NO_SERIALIZE | HEAP_GROWABLE | HEAP_GENERATE_EXCEPTIONS | HEAP_ZERO_MEMORY |
		 HEAP_TAIL_CHECKING_ENABLED | HEAP_FREE_CHECKING_ENABLED |
		 HEAP_DISABLE_COALESCE_ON_FREE | HEAP_CREATE_ALIGN_16 | HEAP_CREATE_ENABLE_EXECUTE;
	if (!commit)
		commit = PAGE_SIZE;
	if (!reserve)
		reserve = peb->HeapSegmentReserve ? peb->HeapSegmentReserve : 0x100000;
	reserve = max(reserve, commit);
	/* The bookkeeping is ours, not part of what was asked for. */
	commit = (commit + head + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1);
	reserve = (reserve + (fixed ? head : 0) + 0xffff) & ~(SIZE_T)0xffff;
	if (!address) {
		size = reserve;
		if (NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_RESERVE,
					    flags & HEAP_CREATE_ENABLE_EXECUTE
						? PAGE_EXECUTE_READWRITE
						: PAGE_READWRITE) < 0)
			return NULL;
	}
	size = commit;
	if (NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size, MEM_COMMIT,
				    flags & HEAP_CREATE_ENABLE_EXECUTE ? PAGE_EXECUTE_READWRITE
								       : PAGE_READWRITE) < 0) {
		size = 0;
		if (!address)
			NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
		return NULL;
	}
	h = base;
	if (address)
		memset(h, 0, head);
	h->signature = HEAP_SIGNATURE;
	h->flags = flags;
	h->force_flags = flags & (HEAP_NO_SERIALIZE | HEAP_GENERATE_EXCEPTIONS | HEAP_ZERO_MEMORY |
				  HEAP_TAIL_CHECKING_ENABLED | HEAP_FREE_CHECKING_ENABLED);
	h->cookie = __builtin_ia32_rdtsc() * 0x9e3779b97f4a7c15ull ^ (uintptr_t)h;
	h->fixed = fixed;
	h->compatibility = fixed || (flags & HEAP_NO_SERIALIZE) ? 0 : 2;
	h->large.Flink = h->large.Blink = &h->large;
	RtlInitializeCriticalSection(&h->lock);
	heap_add_segment(h, (char *)h, reserve, commit, head);

	RtlEnterCriticalSection(&list_lock);
	if (!peb->ProcessHeaps) {
		peb->ProcessHeaps = heap_list;
		peb->MaximumNumberOfHeaps = MAX_HEAPS;
	}
	h->index = MAX_HEAPS;
	if (peb->NumberOfHeaps < MAX_HEAPS) {
		h->index = peb->NumberOfHeaps;
		peb->ProcessHeaps[peb->NumberOfHeaps++] = h;
	}
	RtlLeaveCriticalSection(&list_lock);
	return h;
}

/* The heap of that handle if it is on the process' list: any value may be asked about. */
static struct heap *find_heap(PVOID handle)
{
	struct heap *found = NULL;

	RtlEnterCriticalSection(&list_lock);
	for (ULONG i = 0; i < NtCurrentPeb()->NumberOfHeaps && !found; i++)
		if (NtCurrentPeb()->ProcessHeaps[i] == handle)
			found = handle;
	RtlLeaveCriticalSection(&list_lock);
	return found;
}

/* Returns NULL on success, the handle when it was none. */
PVOID NTAPI RtlDestroyHeap(PVOID handle)
{
	struct heap *h = find_heap(handle);
	PPEB peb = NtCurrentPeb();
	struct segment segments[MAX_SEGMENTS];
	SIZE_T size;
	PVOID base;

	if (!h || handle == peb->ProcessHeap)
		return handle;
	RtlEnterCriticalSection(&list_lock);
	if (h->index < MAX_HEAPS) {
		struct heap *last = peb->ProcessHeaps[--peb->NumberOfHeaps];

		peb->ProcessHeaps[h->index] = last;
		last->index = h->index;
	}
	RtlLeaveCriticalSection(&list_lock);
	while (h->large.Flink != &h->large) {
		struct large *l = CONTAINING_RECORD(h->large.Flink, struct large, link);

		RemoveEntryList(&l->link);
		base = l;
		size = 0;
		NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
	}
	RtlDeleteCriticalSection(&h->lock);
	h->signature = 0;
	memcpy(segments, h->segments, sizeof(segments));
	for (int i = MAX_SEGMENTS - 1; i >= 0; i--) {
		base = segments[i].base;
		size = 0;
		if (base)
			NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
	}
	return NULL;
}

static void *allocate_large(struct heap *h, ULONG flags, SIZE_T size)
{
	SIZE_T bytes = size + sizeof(struct large);
	PVOID base = NULL;
	struct large *l;

	if (h->fixed || bytes < size)
		return NULL;
	if (NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &bytes, MEM_RESERVE | MEM_COMMIT,
				    heap_protection(h)) < 0)
		return NULL;
	l = base;
	l->reserve = (bytes + 0xffff) & ~(SIZE_T)0xffff;
	l->commit = bytes;
	l->size = size;
	l->block.kind = BLOCK_LARGE;
	seal(h, &l->block);
	heap_enter(h, flags);
	InsertTailList(&h->large, &l->link);
	h->large_bytes += bytes;
	heap_leave(h, flags);
	return data_of(&l->block);
}

static struct large *large_of(struct block *b)
{
	return CONTAINING_RECORD(b, struct large, block);
}

PVOID NTAPI RtlAllocateHeap(PVOID handle, ULONG flags, SIZE_T size)
{
	struct heap *h = heap_check_handle(handle);
	uint32_t units;
	void *p = NULL;

	if (!h) {
		RtlSetLastWin32ErrorAndNtStatusFromNtStatus(STATUS_INVALID_HANDLE);
		return NULL;
	}
	flags |= h->flags;
	if (size >= LARGE_BYTES) {
		p = allocate_large(h, flags, size);
		return p ? p : no_memory(flags, size);
	}
	units = (uint32_t)((size + UNIT - 1) / UNIT) + 1;
	units = max(units, MIN_UNITS);
	if (size <= LFH_MAX_BYTES - UNIT && h->compatibility == 2 && !(flags & HEAP_NO_SERIALIZE)) {
		unsigned cls = lfh_class(units);

		if (h->classes && h->classes[cls].units)
			p = lfh_allocate(h, cls, size);
		else if (++h->asked[cls] == LFH_START)
			lfh_open(h, cls);
	}
	if (!p) {
		struct block *b;

		heap_enter(h, flags);
		b = heap_take(h, units, BLOCK_BUSY);
		if (b) {
			b->unused = (uint16_t)((SIZE_T)(b->size - 1) * UNIT - size);
			p = data_of(b);
		}
		heap_leave(h, flags);
	}
	if (!p)
		return no_memory(flags, size);
	if (flags & HEAP_ZERO_MEMORY)
		memset(p, 0, size);
	return p;
}

/* The header of a busy block of h, or NULL; for blocks of a segment the lock need not be held. */
static struct block *busy_block(struct heap *h, const void *p)
{
	struct block *b = block_of(p);

	if ((uintptr_t)p & (UNIT - 1) || !sealed(h, b))
		return NULL;
	return b->kind == BLOCK_BUSY || b->kind == BLOCK_SMALL_BUSY || b->kind == BLOCK_LARGE
		   ? b
		   : NULL;
}

BOOLEAN NTAPI RtlFreeHeap(PVOID handle, ULONG flags, PVOID p)
{
	struct heap *h = heap_check_handle(handle);
	struct block *b;

	if (!p)
		return TRUE;
	if (!h) {
		RtlSetLastWin32ErrorAndNtStatusFromNtStatus(STATUS_INVALID_HANDLE);
		return FALSE;
	}
	b = busy_block(h, p);
	if (!b)
		heap_corrupted(h, p);
	if (b->kind == BLOCK_SMALL_BUSY)
		return lfh_free(h, b);
	if (b->kind == BLOCK_LARGE) {
		struct large *l = large_of(b);
		PVOID base = l;
		SIZE_T size = 0;

		heap_enter(h, flags);
		RemoveEntryList(&l->link);
		h->large_bytes -= l->commit;
		heap_leave(h, flags);
		NtFreeVirtualMemory(NtCurrentProcess(), &base, &size, MEM_RELEASE);
		return TRUE;
	}
	heap_enter(h, flags);
	if (b->kind != BLOCK_BUSY || !sealed(h, b))
		heap_corrupted(h, p);
	heap_give(h, b);
	heap_leave(h, flags);
	return TRUE;
}

SIZE_T NTAPI RtlSizeHeap(PVOID handle, ULONG flags, const void *p)
{
	struct heap *h = heap_check_handle(handle);
	struct block *b;

	(void)flags;
	if (!h || !p || !(b = busy_block(h, p))) {
		RtlSetLastWin32ErrorAndNtStatusFromNtStatus(!h	? STATUS_INVALID_HANDLE
							    : p ? STATUS_INVALID_PARAMETER
								: STATUS_ACCESS_VIOLATION);
		return (SIZE_T)-1;
	}
	return b->kind == BLOCK_LARGE ? large_of(b)->size : data_size(b);
}

/* Grows or shrinks a large block inside its reservation. A block that has become small moves,
 * unless it must not. */
static BOOLEAN resize_large(struct heap *h, ULONG flags, struct large *l, SIZE_T size)
{
	SIZE_T need = (size + sizeof(*l) + PAGE_SIZE - 1) & ~(SIZE_T)(PAGE_SIZE - 1);

	if (size < LARGE_BYTES && !(flags & HEAP_REALLOC_IN_PLACE_ONLY))
		return FALSE;
	if (need < size || need > l->reserve)
		return FALSE;
	if (need > l->commit && !heap_commit(h, (char *)l + l->commit, (char *)l + need))
		return FALSE;
	if (need < l->commit)
		heap_decommit((char *)l + need, (char *)l + l->commit);
	h->large_bytes += need - l->commit;
	l->commit = need;
	l->size = size;
	return TRUE;
}

static BOOLEAN resize_in_place(struct heap *h, ULONG flags, struct block *b, SIZE_T size)
{
	uint32_t units = max((uint32_t)((size + UNIT - 1) / UNIT) + 1, MIN_UNITS);
	BOOLEAN done = FALSE;

	if (b->kind == BLOCK_SMALL_BUSY) { /* kept as long as half of it is used */
		done = units <= b->size && units > b->size / 2;
		if (done || ((flags & HEAP_REALLOC_IN_PLACE_ONLY) && units <= b->size)) {
			b->unused = (uint16_t)((SIZE_T)(b->size - 1) * UNIT - size);
			done = TRUE;
		}
		return done;
	}
	heap_enter(h, flags);
	if (b->kind == BLOCK_LARGE) {
		done = resize_large(h, flags, large_of(b), size);
	} else if (size < LARGE_BYTES && heap_resize(h, b, units)) {
		b->unused = (uint16_t)((SIZE_T)(b->size - 1) * UNIT - size);
		done = TRUE;
	}
	heap_leave(h, flags);
	return done;
}

PVOID NTAPI RtlReAllocateHeap(PVOID handle, ULONG flags, PVOID p, SIZE_T size)
{
	struct heap *h = heap_check_handle(handle);
	struct block *b;
	SIZE_T old;
	PVOID q;

	if (!p) { /* no block, and no error either */
		RtlSetLastWin32ErrorAndNtStatusFromNtStatus(STATUS_SUCCESS);
		return NULL;
	}
	if (!h) {
		RtlSetLastWin32ErrorAndNtStatusFromNtStatus(STATUS_INVALID_HANDLE);
		return NULL;
	}
	flags |= h->flags;
	b = busy_block(h, p);
	if (!b)
		heap_corrupted(h, p);
	old = b->kind == BLOCK_LARGE ? large_of(b)->size : data_size(b);
	if (resize_in_place(h, flags, b, size)) {
		if (size > old && (flags & HEAP_ZERO_MEMORY))
			memset((char *)p + old, 0, size - old);
		return p;
	}
	if (flags & HEAP_REALLOC_IN_PLACE_ONLY)
		return no_memory(flags, size);
	q = RtlAllocateHeap(h, flags & ~(ULONG)HEAP_ZERO_MEMORY, size);
	if (!q)
		return NULL;
	memcpy(q, p, min(old, size));
	block_of(q)->user = b->kind == BLOCK_LARGE ? 0 : b->user;
	if (size > old && (flags & HEAP_ZERO_MEMORY))
		memset((char *)q + old, 0, size - old);
	RtlFreeHeap(h, flags, p);
	return q;
}

BOOLEAN NTAPI RtlLockHeap(PVOID handle)
{
	struct heap *h = heap_check_handle(handle);
	HANDLE me = NtCurrentTeb()->ClientId.UniqueThread;

	if (!h)
		return FALSE;
	if (h->flags & HEAP_NO_SERIALIZE)
		return TRUE;
	RtlEnterCriticalSection(&h->lock);
	while (h->locked_by && h->locked_by != me) { /* that thread is about to take it again */
		RtlLeaveCriticalSection(&h->lock);
		NtYieldExecution();
		RtlEnterCriticalSection(&h->lock);
	}
	if (!h->locked_by) {
		h->locked_by = me;
		/* Others may hold class locks and wait for this one: let them through. */
		RtlLeaveCriticalSection(&h->lock);
		lfh_wait_idle(h);
		RtlEnterCriticalSection(&h->lock);
	}
	return TRUE;
}

BOOLEAN NTAPI RtlUnlockHeap(PVOID handle)
{
	struct heap *h = heap_check_handle(handle);

	if (!h)
		return FALSE;
	if (!(h->flags & HEAP_NO_SERIALIZE)) {
		if (h->lock.RecursionCount <= 1)
			h->locked_by = NULL;
		RtlLeaveCriticalSection(&h->lock);
	}
	return TRUE;
}

SIZE_T NTAPI RtlCompactHeap(PVOID handle, ULONG flags)
{
	struct heap *h = heap_check_handle(handle);
	SIZE_T largest;

	if (!h)
		return 0;
	heap_enter(h, flags);
	largest = heap_compact(h);
	heap_leave(h, flags);
	return largest;
}

ULONG NTAPI RtlGetProcessHeaps(ULONG count, PVOID *heaps)
{
	PPEB peb = NtCurrentPeb();
	ULONG n;

	RtlEnterCriticalSection(&list_lock);
	n = peb->NumberOfHeaps;
	if (count >= n)
		memcpy(heaps, peb->ProcessHeaps, n * sizeof(PVOID));
	else
		memcpy(heaps, peb->ProcessHeaps, count * sizeof(PVOID));
	RtlLeaveCriticalSection(&list_lock);
	return n;
}
