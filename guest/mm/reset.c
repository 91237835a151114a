/*
 * Memory whose contents the program can do without: MEM_RESET, MEM_RESET_UNDO, and what
 * OfferVirtualMemory, ReclaimVirtualMemory and DiscardVirtualMemory ask for.
 *
 * A reset page becomes clean although nothing was written: its frame's original PTE is demand-zero
 * with PTE_RESET, so when the frame is reused the page reads as zero, and that same mark then tells
 * an undo that contents were lost. An offered page is the same, and out of the working set with no
 * access; PTE_OFFERED is in whatever is or will be its PTE.
 *
 * MEM_RESET is allowed on views of pagefile-backed sections. It says that the caller has no more
 * use for the contents, not that nobody has: so a shared page is given up while the section has no
 * other view, and kept, successfully, while it has. The marks are then in the prototype PTE.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define MARKS	       (PTE_RESET | PTE_OFFERED)
#define RESET_PRIORITY 1u /* standby list of reset pages: reused early */
#define USUAL_PRIORITY 5u

/* The frame at *pte has nobody reading or writing it when this returns true, with F held. False (F
 * not held): it is another kind of PTE by now. => A */
static bool settle_io(MMPTE *pte, KIRQL *irql)
{
	const s64 step = -10000; /* 1 ms */

	for (;;) {
		MMPFN *f;
		enum pte_kind k;

		*irql = KeAcquireSpinLock(&pfn_lock);
		k = pte_kind(*pte);
		if (k != PTE_K_VALID && k != PTE_K_TRANSITION) {
			KeReleaseSpinLock(&pfn_lock, *irql);
			return false;
		}
		f = &mm_pfn[pte_pfn(*pte)];
		if (f->flags & PFN_F_READING) {
			mm_wait_for_read(NULL, pte_pfn(*pte), *irql);
		} else if (f->flags & PFN_F_WRITING) {
			KeReleaseSpinLock(&pfn_lock, *irql);
			KeDelayExecution(KERNEL_MODE, false, &step);
		} else {
			return true;
		}
	}
}

/* => F. The frame's contents are to be kept again: onto the right list, if it is on one. */
static void keep(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];
	bool listed = f->state == PFN_STANDBY || f->state == PFN_MODIFIED;

	if (listed) /* by state and priority as they were */
		page_list_remove(p);
	if (f->original_pte & PTE_RESET)
		f->flags |= PFN_F_MODIFIED;
	f->original_pte &= ~MARKS;
	f->priority = USUAL_PRIORITY;
	if (listed && f->flags & PFN_F_MODIFIED)
		page_list_push(&mm_modified, p, PFN_MODIFIED);
	else if (listed)
		page_list_push(&mm_standby[f->priority], p, PFN_STANDBY);
}

/* => F. The frame's contents need not be kept: `marks` tell of it, prot is what the page will have.
 */
static void give_up(pfn_t p, u32 prot, MMPTE marks, u8 priority)
{
	MMPFN *f = &mm_pfn[p];
	u8 was = f->state;

	if (was == PFN_STANDBY || was == PFN_MODIFIED)
		page_list_remove(p);
	mm_release_slot(f->original_pte);
	f->original_pte = pte_demand_zero(prot) | marks;
	f->flags &= ~PFN_F_MODIFIED;
	f->priority = priority;
	if (was == PFN_STANDBY || was == PFN_MODIFIED)
		page_list_push(&mm_standby[priority], p, PFN_STANDBY);
}

/* => A; true: the TLB has to be flushed */
static bool reset_page(MMPTE *pte)
{
	bool flush = false;
	KIRQL old;

	switch (pte_kind(*pte)) {
	case PTE_K_VALID:
	case PTE_K_TRANSITION:
		if (!settle_io(pte, &old))
			break;
		if (mm_pfn[pte_pfn(*pte)].original_pte & PTE_OFFERED) { /* as good as reset */
			KeReleaseSpinLock(&pfn_lock, old);
			break;
		}
		if (*pte & PTE_VALID) {
			pte_change(pte, PTE_DIRTY, 0);
			flush = true;
		}
		give_up(pte_pfn(*pte), pte_prot(*pte), PTE_RESET, RESET_PRIORITY);
		KeReleaseSpinLock(&pfn_lock, old);
		break;
	case PTE_K_PAGEFILE:
		old = KeAcquireSpinLock(&pfn_lock);
		mm_release_slot(*pte);
		pte_set(pte, pte_demand_zero(pte_prot(*pte)) | PTE_RESET | (*pte & PTE_OFFERED));
		KeReleaseSpinLock(&pfn_lock, old);
		break;
	default:
		break;
	}
	return flush;
}

/* => A; true: contents were lost. Offered pages become read/write again. */
static bool undo_page(MMPTE *pte)
{
	bool lost = false;
	MMPTE v = *pte;
	MMPFN *f;
	KIRQL old;

	switch (pte_kind(v)) {
	case PTE_K_VALID:
	case PTE_K_TRANSITION:
		if (!settle_io(pte, &old))
			return undo_page(pte); /* its frame has just been reused */
		v = *pte;
		f = &mm_pfn[pte_pfn(v)];
		if (f->original_pte & PTE_OFFERED && !(v & PTE_VALID)) {
			f->original_pte = pte_with_prot(f->original_pte, MM_READWRITE);
			pte_set(pte, pte_with_prot(v, MM_READWRITE));
		}
		keep(pte_pfn(v));
		KeReleaseSpinLock(&pfn_lock, old);
		break;
	case PTE_K_DEMAND_ZERO:
		lost = v & PTE_RESET;
		/* fall through */
	case PTE_K_PAGEFILE:
		if (v & PTE_OFFERED)
			v = pte_with_prot(v, MM_READWRITE);
		pte_set(pte, v & ~MARKS);
		break;
	default:
		break;
	}
	return lost;
}

NTSTATUS mm_reset_range(struct address_space *as, u64 start, u64 end, bool undo)
{
	bool flush = false, lost = false;

	for (u64 va = mm_skip_absent(as, start, end); va < end;
	     va = mm_skip_absent(as, va + PAGE_SIZE, end)) {
		MMPTE *pte = mm_find_pte(as, va);

		if (undo)
			lost |= undo_page(pte);
		else
			flush |= reset_page(pte);
	}
	if (flush)
		ke_flush_tlb_all(as->cpus);
	return lost ? STATUS_DEVICE_BUSY : STATUS_SUCCESS;
}

/* ---- views of pagefile-backed sections ---- */

/* => A, F; others may have put into the page what they want to find there */
static bool has_other_views(const struct control_area *ca, pfn_t p)
{
	return ca->views != 1 || mm_pfn[p].share > 1;
}

/* => A. pte: what maps the page, NULL if there is no table. True: the TLB has to be flushed */
static bool reset_shared(const struct control_area *ca, MMPTE *pte, MMPTE *proto)
{
	bool flush = false;
	KIRQL old;
	pfn_t p;

	if (settle_io(proto, &old)) {
		p = pte_pfn(*proto);
		if (!has_other_views(ca, p)) {
			if (pte && *pte & PTE_VALID) {
				pte_change(pte, PTE_DIRTY, 0);
				flush = true;
			}
			give_up(p, pte_prot(mm_pfn[p].original_pte), PTE_RESET, RESET_PRIORITY);
		}
	} else {
		old = KeAcquireSpinLock(&pfn_lock);
		if (pte_kind(*proto) == PTE_K_PAGEFILE && ca->views == 1) {
			mm_release_slot(*proto);
			pte_store(proto, pte_demand_zero(pte_prot(*proto)) | PTE_RESET);
		}
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return flush;
}

/* => A; true: contents were lost. */
static bool undo_shared(MMPTE *proto)
{
	bool lost = false;
	KIRQL old;

	if (settle_io(proto, &old)) {
		keep(pte_pfn(*proto));
	} else {
		old = KeAcquireSpinLock(&pfn_lock);
		if (pte_kind(*proto) == PTE_K_DEMAND_ZERO && *proto & PTE_RESET) {
			lost = true;
			pte_store(proto, *proto & ~PTE_RESET);
		}
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return lost;
}

/* The page at va is one of the section's, not a private copy. */
static bool is_shared(const MMPTE *pte)
{
	if (!pte)
		return true;
	switch (pte_kind(*pte)) {
	case PTE_K_ZERO:
	case PTE_K_PROTOTYPE:
		return true;
	case PTE_K_VALID:
		return mm_pfn[pte_pfn(*pte)].flags & PFN_F_PROTOTYPE;
	default:
		return false;
	}
}

NTSTATUS mm_reset_view(struct address_space *as, MMVAD *v, u64 start, u64 end, bool undo)
{
	bool flush = false, lost = false;

	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va), *proto = vad_proto(v, va);

		bool shared = is_shared(pte);

		if (undo)
			lost |= shared ? undo_shared(proto) : undo_page(pte);
		else
			flush |= shared ? reset_shared(v->ca, pte, proto) : reset_page(pte);
	}
	if (flush)
		ke_flush_tlb_all(as->cpus);
	return lost ? STATUS_DEVICE_BUSY : STATUS_SUCCESS;
}

/* ---- offers ---- */

/* => A; the page is committed and read/write */
static void offer_page(struct address_space *as, MMPTE *pte, u32 priority)
{
	MMPTE v;
	KIRQL old;

	if (*pte & PTE_VALID)
		mm_evict(as, pte, MM_NOACCESS);
	v = *pte;
	switch (pte_kind(v)) {
	case PTE_K_TRANSITION:
		if (!settle_io(pte, &old)) {
			offer_page(as, pte, priority); /* reused meanwhile */
			return;
		}
		give_up(pte_pfn(*pte), MM_NOACCESS, MARKS, (u8)(priority - 1));
		pte_set(pte, pte_with_prot(*pte, MM_NOACCESS));
		KeReleaseSpinLock(&pfn_lock, old);
		break;
	case PTE_K_ZERO:
		v = pte_demand_zero(MM_READWRITE);
		/* fall through */
	default: /* nothing in memory: it stays where it is */
		pte_set(pte, pte_with_prot(v, MM_NOACCESS) | PTE_OFFERED);
	}
}

NTSTATUS mm_offer_range(struct address_space *as, u64 start, u64 end, u32 priority)
{
	MMVAD *v = mm_find_vad(as, start);
	u64 next;
	u32 prot;

	if (priority > MM_OFFER_NORMAL || !v || v->type != VAD_PRIVATE || end > vad_end(v))
		return STATUS_INVALID_PARAMETER;
	for (u64 va = start; va < end; va = next)
		if (!mm_page_state(as, v, va, &prot, &next) || prot != MM_READWRITE)
			return STATUS_INVALID_PAGE_PROTECTION;
	for (u64 va = start; va < end; va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
		if (!mm_make_pte(as, va))
			return STATUS_INSUFFICIENT_RESOURCES;
	if (priority == MM_OFFER_DISCARD) {
		mm_delete_pages(as, v, start, end, pte_demand_zero(MM_READWRITE));
		return STATUS_SUCCESS;
	}
	for (u64 va = start; va < end; va += PAGE_SIZE)
		offer_page(as, mm_find_pte(as, va), priority);
	return STATUS_SUCCESS;
}
