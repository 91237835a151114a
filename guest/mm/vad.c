/*
 * VADs of one address space: making, finding room, splitting, and the pages in them: what state
 * each is in, taking them away. All under A.
 */
#include "guest/mm/mi.h"

NTSTATUS mm_insert_vad(struct address_space *as, MMVAD *v, u64 base, u64 bytes, u64 align,
		       u64 lowest, u64 highest, bool top_down)
{
	u64 pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	u64 start = base >> PAGE_SHIFT;

	if (!base) {
		u64 lo = MAX(lowest, MM_LOWEST_USER), hi = MIN(highest, as->highest);

		start = VAD_NO_GAP;
		if (!top_down && as->bottom_up > lo && as->bottom_up < hi) /* ASLR's start */
			start = vad_find_gap(&as->vads, as->bottom_up >> PAGE_SHIFT,
					     hi >> PAGE_SHIFT, pages, align >> PAGE_SHIFT, false);
		if (top_down && as->top_down < hi && as->top_down > lo)
			start =
			    vad_find_gap(&as->vads, lo >> PAGE_SHIFT, as->top_down >> PAGE_SHIFT,
					 pages, align >> PAGE_SHIFT, true);
		if (start == VAD_NO_GAP)
			start = vad_find_gap(&as->vads, lo >> PAGE_SHIFT, hi >> PAGE_SHIFT, pages,
					     align >> PAGE_SHIFT, top_down);
		if (start == VAD_NO_GAP)
			return STATUS_NO_MEMORY;
	}
	v->node.start = start;
	v->node.end = start + pages - 1;
	if (!vad_insert(&as->vads, &v->node))
		return STATUS_CONFLICTING_ADDRESSES;
	as->virtual_size += pages << PAGE_SHIFT;
	as->virtual_peak = MAX(as->virtual_peak, as->virtual_size);
	return STATUS_SUCCESS;
}

void mm_free_vad(struct address_space *as, MMVAD *v)
{
	as->virtual_size -= vad_end(v) - vad_va(v);
	vad_remove(&as->vads, &v->node);
	if (v->watch)
		ExFreePool(v->watch);
	ExFreePool(v);
}

bool mm_page_state(struct address_space *as, MMVAD *v, u64 va, u32 *prot, u64 *next)
{
	MMPTE *pte = mm_find_pte(as, va), e;

	if (v->type == VAD_LARGE || v->type == VAD_AWE) {
		*next = vad_end(v);
		*prot = v->prot;
		return true;
	}
	*next = pte ? va + PAGE_SIZE : MIN(mm_skip_absent(as, va, vad_end(v)), vad_end(v));
	e = pte ? *pte : 0;
	if (!pte && v->ca && (v->ca->reserve || v->ca->image))
		*next = va + PAGE_SIZE;
	switch (pte_kind(e)) {
	case PTE_K_ZERO:
		*prot = v->type == VAD_IMAGE ? mm_image_prot(v, va) : v->prot;
		if (v->ca)
			return *vad_proto(v, va) != 0;
		return v->committed;
	case PTE_K_DECOMMITTED:
		return false;
	default:
		*prot = pte_prot(e);
		return true;
	}
}

bool mm_is_committed(struct address_space *as, MMVAD *v, u64 va)
{
	u32 prot;
	u64 next;

	return mm_page_state(as, v, va, &prot, &next);
}

u64 mm_count_committed(struct address_space *as, MMVAD *v, u64 start, u64 end)
{
	u64 n = 0, next;
	u32 prot;

	for (u64 va = start; va < end; va = next) {
		bool yes = mm_page_state(as, v, va, &prot, &next);

		next = MIN(next, end);
		n += yes ? (next - va) >> PAGE_SHIFT : 0;
	}
	return n;
}

/* ---- taking pages away ---- */

#define DELETE_BATCH 32u

struct doomed {
	struct pte_queue queue;
	u32 n;
	u64 va[DELETE_BATCH];
	struct {
		pfn_t p;
		bool dirty;
	} page[DELETE_BATCH];
};

static void bury(struct address_space *as, struct doomed *d)
{
	KIRQL old;

	pte_flush(&d->queue);
	if (!d->n)
		return;
	if (UNLIKELY(mm_pool_pages)) /* a full flush is an exit there, INVLPG is not */
		ke_flush_tlb_listed(as->cpus, d->va, d->n);
	else
		ke_flush_tlb_page(as->cpus, d->n == 1 ? d->va[0] : 0);
	old = KeAcquireSpinLock(&pfn_lock);
	for (u32 i = 0; i < d->n; i++) {
		pfn_t p = d->page[i].p;

		if (!(mm_pfn[p].flags & PFN_F_PROTOTYPE)) {
			mm_pfn[p].flags |= PFN_F_DELETED;
			mm_pfn[p].pte = NULL;
			d->page[i].dirty = false;
		}
		pfn_release_share(p, d->page[i].dirty);
	}
	KeReleaseSpinLock(&pfn_lock, old);
	as->ws_pages -= d->n;
	d->n = 0;
}

static void delete_valid(struct address_space *as, struct doomed *d, u64 va, MMPTE *pte,
			 MMPTE leave)
{
	MMPTE v = *pte;
	MMPFN *table = &mm_pfn[pte_table_frame(pte)];

	if (v & PTE_LOCKED)
		as->ws_locked--;
	table->share -= !leave;
	if (mm_pfn[pte_pfn(v)].flags & PFN_F_NOPAGE) { /* AWE: the window only */
		pte_store(pte, leave);
		mm_pfn[pte_pfn(v)].original_pte = 0;
		ke_flush_tlb_page(as->cpus, va);
		return;
	}
	d->va[d->n] = va;
	d->page[d->n].p = pte_pfn(v);
	pte_defer(&d->queue, pte, leave, &d->page[d->n++].dirty);
	if (d->n == DELETE_BATCH)
		bury(as, d);
}

static void delete_invalid(struct doomed *d, MMPTE *pte, MMPTE leave)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	MMPTE v = *pte;

	while (pte_kind(v) == PTE_K_TRANSITION && mm_pfn[pte_pfn(v)].flags & PFN_F_READING) {
		mm_wait_for_read(NULL, pte_pfn(v), old);
		old = KeAcquireSpinLock(&pfn_lock);
		v = *pte;
	}
	mm_pfn[pte_table_frame(pte)].share -= !leave;
	pte_defer(&d->queue, pte, leave, NULL);
	if (pte_kind(v) == PTE_K_TRANSITION)
		pfn_delete_transition(pte_pfn(v));
	else
		mm_release_slot(v);
	KeReleaseSpinLock(&pfn_lock, old);
}

void mm_delete_pages(struct address_space *as, MMVAD *v, u64 start, u64 end, MMPTE leave)
{
	struct doomed d;
	u64 va = start;

	d.n = d.queue.n = 0;
	(void)v;
	while (va < end) {
		MMPTE *pte;
		u64 stop;

		if (!leave)
			va = mm_skip_absent(as, va, end);
		if (va >= end)
			break;
		pte = mm_find_pte(as, va);
		stop = MIN(end, ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE);
		for (; va < stop; va += PAGE_SIZE, pte++) {
			if (!*pte && !leave) { /* most of a range that goes was never touched */
				u32 at = (u32)(va >> PAGE_SHIFT & 511);
				u32 end_at = at + (u32)((stop - va) >> PAGE_SHIFT);
				u32 skip = mm_next_used(pte - at, at, end_at) - at;

				pte += skip;
				va += (u64)skip << PAGE_SHIFT;
				if (va == stop)
					break;
			}
			switch (pte_kind(*pte)) {
			case PTE_K_VALID:
				delete_valid(as, &d, va, pte, leave);
				break;
			case PTE_K_TRANSITION:
			case PTE_K_PAGEFILE:
				delete_invalid(&d, pte, leave);
				break;
			default:
				if (*pte == leave)
					break;
				mm_pfn[pte_table_frame(pte)].share += (leave != 0) - (*pte != 0);
				pte_defer(&d.queue, pte, leave, NULL);
			}
		}
	}
	bury(as, &d);
	if (!leave)
		mm_free_empty_tables(as, start, end);
}

/* ---- protection of one page ---- */

static u32 private_prot(u32 prot) /* a page that is already private has nothing left to copy */
{
	if (MM_BASE(prot) == MM_WRITECOPY)
		return (prot & 0x18) | MM_READWRITE;
	if (MM_BASE(prot) == MM_EXECUTE_WRITECOPY)
		return (prot & 0x18) | MM_EXECUTE_READWRITE;
	return prot;
}

void mm_set_protection(struct address_space *as, MMVAD *v, u64 va, MMPTE *pte, u32 prot,
		       struct pte_queue *q)
{
	MMPTE e = *pte, fresh;
	KIRQL old;
	pfn_t p;

	if (UNLIKELY(v->write_watch))
		mm_keep_watch(v, va);
	switch (pte_kind(e)) {
	case PTE_K_ZERO:
		pte_defer_set(q, pte, v->ca ? pte_prototype(prot) : pte_demand_zero(prot));
		break;
	case PTE_K_VALID:
		p = pte_pfn(e);
		if (!(mm_pfn[p].flags & PFN_F_PROTOTYPE))
			prot = private_prot(prot);
		if (prot == MM_NOACCESS || (prot & 0x18) == MM_GUARD) {
			mm_evict(as, pte, prot);
			break;
		}
		fresh = pte_valid(p, prot) | (e & (PTE_AGE | PTE_LOCKED));
		if (fresh & PTE_WRITE) {
			u64 page = (va >> PAGE_SHIFT) - v->node.start;

			if (!v->write_watch || v->watch[page / 64] >> (page % 64) & 1)
				fresh |= PTE_HW_WRITE;
		}
		pte_defer_protect(q, pte, fresh);
		if (!(mm_pfn[p].flags & PFN_F_PROTOTYPE)) {
			old = KeAcquireSpinLock(&pfn_lock);
			mm_pfn[p].original_pte = pte_with_prot(mm_pfn[p].original_pte, prot);
			KeReleaseSpinLock(&pfn_lock, old);
		}
		break;
	case PTE_K_TRANSITION:
		old = KeAcquireSpinLock(&pfn_lock);
		e = *pte;
		prot = private_prot(prot);
		if (pte_kind(e) == PTE_K_TRANSITION)
			mm_pfn[pte_pfn(e)].original_pte =
			    pte_with_prot(mm_pfn[pte_pfn(e)].original_pte, prot);
		pte_set(pte, pte_with_prot(e, prot));
		KeReleaseSpinLock(&pfn_lock, old);
		break;
	case PTE_K_PROTOTYPE:
		pte_defer_set(q, pte, pte_with_prot(e, prot));
		break;
	default:
		pte_defer_set(q, pte, pte_with_prot(e, private_prot(prot)));
	}
}
