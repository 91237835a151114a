/*
 * Nonpaged memory in pages of 4 KB: MEM_EXTENDED_PARAMETER_NONPAGED without large pages. As with
 * large pages all of it is there from the start or the call fails, it is charged to commit, it is
 * in no working set and so never trimmed, and it cannot be decommitted. Its pages keep their
 * frames, so they can have any protection but none and PAGE_GUARD. VirtualLock finds it locked.
 *
 * The frames are found before the range is taken; they wait in a chain by MMPFN.flink.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

#define TRIES 20u /* without a single page, before it is given up */

static void free_chain(pfn_t first)
{
	while (first) {
		pfn_t p = first;

		first = mm_pfn[p].flink;
		mm_pfn[p].flink = 0;
		mm_free_contiguous(p, 1);
	}
}

/* One zeroed frame, ACTIVE and NOPAGE; 0: none just now. */
static pfn_t take_frame(void)
{
	pfn_t p;
	KIRQL old;

	if (!mm_enough_pages())
		return 0;
	old = KeAcquireSpinLock(&pfn_lock);
	p = pfn_take(true);
	if (p) {
		mm_pfn[p].flags = PFN_F_NOPAGE;
		mm_pfn[p].use = NTMM_USE_NONPAGED;
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return p;
}

static NTSTATUS take_frames(u64 pages, pfn_t *first)
{
	u32 tries = 0;

	*first = 0;
	mutex_lock(&mm_pin_lock);
	if (!mm_can_pin(pages))
		tries = TRIES;
	while (pages && tries < TRIES) {
		pfn_t p = take_frame();

		if (!p) {
			mm_wait_for_pages();
			tries++;
			continue;
		}
		tries = 0;
		mm_pfn[p].flink = *first;
		*first = p;
		pages--;
	}
	mutex_unlock(&mm_pin_lock);
	if (!pages)
		return STATUS_SUCCESS;
	free_chain(*first);
	return STATUS_INSUFFICIENT_RESOURCES;
}

static MMPTE present(pfn_t p, u32 prot)
{
	MMPTE v = pte_valid(p, prot) | PTE_DIRTY;

	return v & PTE_WRITE ? v | PTE_HW_WRITE : v;
}

/* => A. Takes the frames, or none; v is gone if it fails. */
static NTSTATUS insert(struct address_space *as, MMVAD *v, const struct alloc_request *r, u64 base,
		       u64 size, pfn_t first)
{
	NTSTATUS st = STATUS_PROCESS_IS_TERMINATING;

	if (!as->dying)
		st = mm_insert_vad(as, v, base, size, r->align, r->lowest, r->highest,
				   r->type & MEM_TOP_DOWN);
	if (st) {
		ExFreePool(v);
		return st;
	}
	for (u64 va = vad_va(v); va < vad_end(v);
	     va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
		if (!mm_make_pte(as, va)) {
			mm_free_empty_tables(as, vad_va(v), vad_end(v));
			mm_free_vad(as, v);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
	for (u64 va = vad_va(v); va < vad_end(v); va += PAGE_SIZE) {
		pfn_t p = first;

		first = mm_pfn[p].flink;
		mm_pfn[p].flink = 0;
		pte_set(mm_find_pte(as, va), present(p, v->prot));
	}
	return STATUS_SUCCESS;
}

static NTSTATUS allocate(struct address_space *as, struct alloc_request *r, u64 base, u64 size)
{
	MMVAD *v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', 'N'));
	pfn_t first;
	NTSTATUS st;

	if (!v)
		return STATUS_INSUFFICIENT_RESOURCES;
	v->type = VAD_NONPAGED;
	v->prot = (u8)r->prot;
	v->win32_prot = mm_win32_prot(r->prot);
	v->committed = true;
	v->top_down = r->type & MEM_TOP_DOWN;
	v->commit = size >> PAGE_SHIFT;
	st = take_frames(size >> PAGE_SHIFT, &first);
	if (st) {
		ExFreePool(v);
		return st;
	}
	mutex_lock(&as->lock);
	st = insert(as, v, r, base, size, first);
	if (!st) {
		r->base = vad_va(v);
		r->size = size;
	}
	mutex_unlock(&as->lock);
	if (st)
		free_chain(first);
	return st;
}

NTSTATUS mm_allocate_nonpaged(EPROCESS *p, struct alloc_request *r)
{
	u64 base = r->base ? ALIGN_DOWN(r->base, MM_GRANULARITY) : 0;
	u64 size = ALIGN_UP(r->base + r->size, PAGE_SIZE) - base;
	NTSTATUS st;

	if ((r->type & ~MEM_TOP_DOWN) != (MEM_RESERVE | MEM_COMMIT))
		return STATUS_INVALID_PARAMETER;
	if (!mm_stays_resident(r->prot))
		return STATUS_INVALID_PAGE_PROTECTION;
	if ((st = mm_charge(&p->as, size >> PAGE_SHIFT)))
		return st;
	st = allocate(&p->as, r, base, size);
	if (st)
		mm_uncharge(&p->as, size >> PAGE_SHIFT);
	return st;
}

/* => A. Pages of [start, end), which lies in a VAD_NONPAGED; the VAD stays. */
void mm_free_nonpaged(struct address_space *as, u64 start, u64 end)
{
	pfn_t gone = 0;

	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va);
		pfn_t p = pte_pfn(*pte);

		pte_set(pte, 0);
		mm_pfn[p].flink = gone;
		gone = p;
	}
	ke_flush_tlb_all(as->cpus);
	free_chain(gone);
	mm_free_empty_tables(as, start, end);
}
