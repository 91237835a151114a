/*
 * NtGetWriteWatch, NtResetWriteWatch. The VAD's bitmap has a bit for each page; it is set by the
 * fault of the first write, which happens because a page whose bit is clear is mapped without the
 * hardware's write bit (fault.c). So clearing a bit means taking that right away again. A page
 * whose protection was changed after it was written stays reported even when it is decommitted;
 * that is the second bitmap.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

#define WRITE_WATCH_FLAG_RESET 1u

/* => A. The watched region around the whole of [start, end). */
static MMVAD *watched(struct address_space *as, u64 start, u64 end)
{
	MMVAD *v = mm_find_vad(as, start);

	return v && v->write_watch && end <= vad_end(v) ? v : NULL;
}

static u64 words_of(u64 pages)
{
	return (pages + 63) / 64;
}

static u64 *kept_bits(const MMVAD *v)
{
	return v->watch + words_of(v->node.end - v->node.start + 1);
}

u64 *mm_new_watch(u64 pages)
{
	return ExAllocatePool(2 * words_of(pages) * sizeof(u64), TAG('V', 'a', 'd', 'W'));
}

void mm_split_watch(const MMVAD *v, u64 left_pages, MMVAD *right)
{
	u64 pages = right->node.end - right->node.start + 1;

	for (u64 i = 0; i < pages; i++) {
		u64 j = left_pages + i;

		if (v->watch[j / 64] >> (j % 64) & 1)
			right->watch[i / 64] |= 1ul << (i % 64);
		if (kept_bits(v)[j / 64] >> (j % 64) & 1)
			kept_bits(right)[i / 64] |= 1ul << (i % 64);
	}
}

void mm_shrink_watch(MMVAD *v, u64 pages)
{
	u64 *kept = kept_bits(v);

	memmove(v->watch + words_of(pages), kept, words_of(pages) * sizeof(u64));
}

void mm_keep_watch(MMVAD *v, u64 va)
{
	u64 i = (va >> PAGE_SHIFT) - v->node.start;

	if (v->watch[i / 64] >> (i % 64) & 1)
		kept_bits(v)[i / 64] |= 1ul << (i % 64);
}

void mm_decommit_watch(MMVAD *v, u64 start, u64 end)
{
	for (u64 va = start; va < end; va += PAGE_SIZE) {
		u64 i = (va >> PAGE_SHIFT) - v->node.start;

		if (!(kept_bits(v)[i / 64] >> (i % 64) & 1))
			v->watch[i / 64] &= ~(1ul << (i % 64));
	}
}

void MmNoteWrites(u64 base, u64 bytes)
{
	struct address_space *as = &PsGetCurrentProcess()->as;
	u64 end = base + bytes;

	if (!bytes || end < base || end > as->highest)
		return;
	mutex_lock(&as->lock);
	for (u64 va = ALIGN_DOWN(base, PAGE_SIZE); va < end;) {
		MMVAD *v = mm_find_vad(as, va);
		u64 stop = v ? MIN(end, vad_end(v)) : end;

		for (; v && v->write_watch && va < stop; va += PAGE_SIZE) {
			u64 i = (va >> PAGE_SHIFT) - v->node.start;

			v->watch[i / 64] |= 1ul << (i % 64);
		}
		va = stop;
	}
	mutex_unlock(&as->lock);
}

/* => A; the caller flushes when it is told to */
static bool forget_write(struct address_space *as, MMVAD *v, u64 va)
{
	u64 i = (va >> PAGE_SHIFT) - v->node.start;
	MMPTE *pte = mm_find_pte(as, va);

	v->watch[i / 64] &= ~(1ul << (i % 64));
	kept_bits(v)[i / 64] &= ~(1ul << (i % 64));
	if (!pte || !(*pte & PTE_VALID) || !(*pte & PTE_HW_WRITE))
		return false;
	pte_change(pte, PTE_HW_WRITE, 0);
	return true;
}

static bool range_is_legal(const struct address_space *as, u64 base, u64 size)
{
	return base && base <= as->highest && size && size <= as->highest + 1 - base;
}

/* => A. The lowest `room` written pages, unmarked if asked; returns how many. */
static u64 gather(struct address_space *as, MMVAD *v, u64 start, u64 end, u64 *page, u64 room,
		  bool reset)
{
	bool flush = false;
	u64 n = 0;

	for (u64 va = start; va < end && n < room; va += PAGE_SIZE) {
		u64 i = (va >> PAGE_SHIFT) - v->node.start;

		if (!v->watch[i / 64]) { /* none of the 64 */
			va += (63 - i % 64) << PAGE_SHIFT;
			continue;
		}
		if (!(v->watch[i / 64] >> (i % 64) & 1))
			continue;
		page[n++] = va;
		if (reset)
			flush |= forget_write(as, v, va);
	}
	if (flush)
		ke_flush_tlb_all(as->cpus);
	return n;
}

static NTSTATUS get_watch(struct address_space *as, u32 flags, u64 base, u64 size, u64 *user_page,
			  u64 *count)
{
	u64 start = ALIGN_DOWN(base, PAGE_SIZE), end = ALIGN_UP(base + size, PAGE_SIZE);
	u64 room = MIN(*count, (end - start) >> PAGE_SHIFT);
	u64 *page;
	NTSTATUS st;
	MMVAD *v;

	mutex_lock(&as->lock);
	v = watched(as, start, end);
	mutex_unlock(&as->lock);
	if (!v) /* before memory is taken for the answer: a region bounds it */
		return STATUS_INVALID_PARAMETER;
	page = ExAllocatePool(room * sizeof(u64), TAG('M', 'm', 'W', 'w'));
	if (!page)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&as->lock);
	v = watched(as, start, end);
	*count = v ? gather(as, v, start, end, page, room, flags & WRITE_WATCH_FLAG_RESET) : 0;
	mutex_unlock(&as->lock);
	st = v ? copy_to_user(user_page, page, *count * sizeof(u64)) : STATUS_INVALID_PARAMETER;
	ExFreePool(page);
	return st;
}

NTSYSCALL NTSTATUS NtGetWriteWatch(HANDLE process, u32 flags, u64 base, u64 size, u64 *user_pages,
				   u64 *user_count, u32 *user_granularity)
{
	u32 granularity = PAGE_SIZE;
	u64 count;
	EPROCESS *p;
	NTSTATUS st;

	if ((st = copy_from_user(&count, user_count, 8)) ||
	    (st = copy_to_user(user_count, &count, 8)) ||
	    (st = copy_to_user(user_granularity, &granularity, 4)))
		return st;
	if (flags & ~WRITE_WATCH_FLAG_RESET || !count)
		return STATUS_INVALID_PARAMETER;
	if (!user_pages)
		return STATUS_ACCESS_VIOLATION;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	st = range_is_legal(&p->as, base, size)
		 ? get_watch(&p->as, flags, base, size, user_pages, &count)
		 : STATUS_INVALID_PARAMETER;
	ObDereferenceObject(p);
	return st ? st : copy_to_user(user_count, &count, 8);
}

NTSYSCALL NTSTATUS NtResetWriteWatch(HANDLE process, u64 base, u64 size)
{
	u64 start = ALIGN_DOWN(base, PAGE_SIZE), end = ALIGN_UP(base + size, PAGE_SIZE);
	bool flush = false;
	EPROCESS *p;
	NTSTATUS st;
	MMVAD *v;

	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	mutex_lock(&p->as.lock);
	v = range_is_legal(&p->as, base, size) ? watched(&p->as, start, end) : NULL;
	for (u64 va = start; v && va < end; va += PAGE_SIZE)
		flush |= forget_write(&p->as, v, va);
	if (flush)
		ke_flush_tlb_all(p->as.cpus);
	mutex_unlock(&p->as.lock);
	ObDereferenceObject(p);
	return v ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}
