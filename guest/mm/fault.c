/*
 * Page faults. The state of the PTE decides; one table (resolve[]) names the routine for each.
 *
 *   PTE            what happens
 *   zero           private: demand-zero if the VAD is committed, else access violation
 *                  view: as prototype, with the VAD's protection
 *   demand-zero    a zeroed frame
 *   transition     the frame comes back from the standby or modified list (or its read is awaited)
 *   pagefile       clustered read, then again                                          (pagein.c)
 *   prototype      the shared PTE is made valid by these same rules, then this one; a write to a
 *                  copy-on-write page gets a private copy at once
 *   valid          first write to a copy-on-write or watched page; or a right that is missing;
 *                  or the processor's memory was old: again
 *   decommitted    access violation
 *
 * A routine returns STATUS_SUCCESS when the access may be tried again, or what to raise;
 * FAULT_AGAIN when it has dropped the locks to wait and the whole fault must be looked at anew.
 * Before a routine touches a page the protection in the PTE is tested; a guard page loses its guard
 * there.
 */
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"

#define FAULT_AGAIN ((NTSTATUS)0xE0000002) /* never leaves this file; A has been dropped */

struct fault {
	struct address_space *as;
	u64 va;
	bool write, fetch, single;
	bool hard; /* something has been read for it, so it is not soft, too */
	MMVAD *vad;
	MMPTE *pte;
};

/* ---- protection ---- */

static bool allows(u32 prot, const struct fault *f)
{
	static const u8 writable = 1 << MM_READWRITE | 1 << MM_WRITECOPY |
				   1 << MM_EXECUTE_READWRITE | 1 << MM_EXECUTE_WRITECOPY;
	static const u8 executable = 1 << MM_EXECUTE | 1 << MM_EXECUTE_READ |
				     1 << MM_EXECUTE_READWRITE | 1 << MM_EXECUTE_WRITECOPY;
	u32 base = MM_BASE(prot);

	if (f->write)
		return writable >> base & 1;
	return f->fetch ? executable >> base & 1 : base != 0;
}

static bool is_guard(u32 prot)
{
	return (prot & 0x18) == MM_GUARD && MM_BASE(prot);
}

/* => A. Takes the guard off a page that has one. */
static void remove_guard(struct fault *f, u32 prot)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	MMPTE p = *f->pte;

	prot &= ~(u32)MM_GUARD;
	if (pte_kind(p) == PTE_K_ZERO)
		pte_set(f->pte, f->vad->ca ? pte_prototype(prot) : pte_demand_zero(prot));
	else
		pte_set(f->pte, pte_with_prot(p, prot));
	if (pte_kind(p) == PTE_K_TRANSITION)
		mm_pfn[pte_pfn(p)].original_pte =
		    pte_with_prot(mm_pfn[pte_pfn(p)].original_pte, prot);
	KeReleaseSpinLock(&pfn_lock, old);
	counter_inc(MmCounters.faults_guard);
}

static NTSTATUS check_access(struct fault *f, u32 prot)
{
	if (UNLIKELY(is_guard(prot))) {
		remove_guard(f, prot);
		return STATUS_GUARD_PAGE_VIOLATION;
	}
	return LIKELY(allows(prot, f)) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;
}

/* ---- making PTEs valid ---- */

/* Whether a store may go ahead unseen: then the hardware gets its write bit. */
static MMPTE hardware_write(const struct fault *f, MMPTE v)
{
	if (!(v & PTE_WRITE) || v & PTE_COW)
		return v;
	if (UNLIKELY(f->vad->write_watch)) {
		u64 page = (f->va >> PAGE_SHIFT) - f->vad->node.start;

		if (f->write)
			f->vad->watch[page / 64] |= 1ul << (page % 64);
		else if (!(f->vad->watch[page / 64] >> (page % 64) & 1))
			return v;
	}
	return v | PTE_HW_WRITE | (f->write ? PTE_DIRTY : 0);
}

static __attribute__((noinline)) void add_hosted(struct fault *f, MMPTE v, bool zeroed)
{
	struct address_space *as = f->as;

	if (zeroed) {
		mm_add_zeroed(as, f->vad, f->va, f->pte, v);
		return;
	}
	pte_set(f->pte, v);
	as->ws_pages++;
	as->ws_peak = MAX(as->ws_peak, as->ws_pages);
}

static inline void make_valid(struct fault *f, pfn_t p, u32 prot, bool zeroed)
{
	MMPTE v = hardware_write(f, pte_valid(p, prot));
	struct address_space *as = f->as;

	if (pte_is_hosted(f->pte)) {
		add_hosted(f, v, zeroed);
		return;
	}
	mm_pfn[pte_table_frame(f->pte)].share += !*f->pte;
	__atomic_store_n(f->pte, v, __ATOMIC_RELAXED);
	if (++as->ws_pages > as->ws_peak)
		as->ws_peak = as->ws_pages;
}

static void add_valid(struct fault *f, pfn_t p, u32 prot)
{
	make_valid(f, p, prot, false);
}

/* At level hvci each change of an entry by itself is an exit: these go in one. F */
static struct pte_queue together;

static NTSTATUS wait_for_pages(struct fault *f)
{
	mutex_unlock(&f->as->lock);
	mm_wait_for_pages();
	return FAULT_AGAIN;
}

/* A frame that belongs to a private PTE. => A; takes F. 0: none */
static pfn_t take_private(struct fault *f, u32 prot, bool zeroed)
{
	KIRQL old;
	pfn_t p;

	if (UNLIKELY(!mm_enough_pages()))
		return 0;
	old = KeAcquireSpinLock(&pfn_lock);
	p = pfn_take(zeroed);
	if (LIKELY(p))
		pfn_own(p, f->pte, prot);
	KeReleaseSpinLock(&pfn_lock, old);
	return p;
}

/* ---- the routines ---- */

static NTSTATUS demand_zero(struct fault *f, u32 prot)
{
	NTSTATUS st = check_access(f, prot);
	pfn_t p;

	if (UNLIKELY(st))
		return st;
	p = take_private(f, prot, true);
	if (UNLIKELY(!p))
		return wait_for_pages(f);
	if (pte_is_hosted(f->pte))
		mm_add_zeroed(f->as, f->vad, f->va, f->pte, hardware_write(f, pte_valid(p, prot)));
	else
		add_valid(f, p, prot);
	counter_inc(MmCounters.faults_demand_zero);
	return STATUS_SUCCESS;
}

static NTSTATUS on_demand_zero(struct fault *f)
{
	return demand_zero(f, pte_prot(*f->pte));
}

static NTSTATUS on_prototype(struct fault *f);

static NTSTATUS on_zero(struct fault *f)
{
	if (f->vad->ca)
		return on_prototype(f);
	return f->vad->committed ? demand_zero(f, f->vad->prot) : STATUS_ACCESS_VIOLATION;
}

static NTSTATUS on_decommitted(struct fault *f)
{
	(void)f;
	return STATUS_ACCESS_VIOLATION;
}

static NTSTATUS on_transition(struct fault *f)
{
	u32 prot = pte_prot(*f->pte);
	NTSTATUS st = check_access(f, prot);
	KIRQL old;
	MMPTE v;
	pfn_t p;

	if (st)
		return st;
	old = KeAcquireSpinLock(&pfn_lock);
	v = *f->pte;
	if (pte_kind(v) != PTE_K_TRANSITION) { /* repurposed under us */
		KeReleaseSpinLock(&pfn_lock, old);
		return STATUS_SUCCESS;
	}
	p = pte_pfn(v);
	if (mm_pfn[p].flags & PFN_F_READING) {
		mm_wait_for_read(f->as, p, old);
		return FAULT_AGAIN;
	}
	mm_note_use(f->as, &mm_pfn[p]);
	pfn_activate(p);
	KeReleaseSpinLock(&pfn_lock, old);
	add_valid(f, p, prot);
	if (!f->hard)
		counter_inc(MmCounters.faults_transition);
	return STATUS_SUCCESS;
}

/* Reads for `pte` under F and A, both dropped. lo..hi: where neighbours may be looked for. */
static NTSTATUS read_in(struct fault *f, MMPTE *pte, MMPTE *lo, MMPTE *hi, bool proto, KIRQL irql)
{
	NTSTATUS st;

	f->hard = true;
	if (f->single) {
		lo = pte;
		hi = pte + 1;
	} else {
		mm_choose_cluster(f->as, pte, &lo, &hi);
	}
	st = mm_page_in(f->as, pte, lo, hi, proto, irql);
	if (st == STATUS_MM_RETRY_SINGLE)
		f->single = true;
	else if (!NT_SUCCESS(st))
		return st;
	return FAULT_AGAIN;
}

static NTSTATUS on_pagefile(struct fault *f)
{
	NTSTATUS st = check_access(f, pte_prot(*f->pte));
	MMPTE *table = (MMPTE *)ALIGN_DOWN((u64)f->pte, PAGE_SIZE);

	if (st)
		return st;
	return read_in(f, f->pte, table, table + 512, false, KeAcquireSpinLock(&pfn_lock));
}

/* The private copy of a shared page, at the first write. => A; src stays valid (F or a share held).
 */
static NTSTATUS copy_on_write(struct fault *f, u32 prot, pfn_t src, bool was_valid)
{
	u32 own = MM_BASE(prot) == MM_WRITECOPY		  ? (prot & 0x18) | MM_READWRITE
		  : MM_BASE(prot) == MM_EXECUTE_WRITECOPY ? (prot & 0x18) | MM_EXECUTE_READWRITE
							  : prot;
	pfn_t p = take_private(f, own, false);
	KIRQL old;

	if (!p)
		return STATUS_NO_MEMORY;
	memcpy(pfn_to_va(p), pfn_to_va(src), PAGE_SIZE);
	mm_pfn[p].flags |= PFN_F_MODIFIED;
	if (was_valid) {
		pte_set(f->pte, hardware_write(f, pte_valid(p, own)) | (*f->pte & PTE_LOCKED));
		ke_flush_tlb_page(f->as->cpus, f->va & ~(PAGE_SIZE - 1));
	} else {
		add_valid(f, p, own);
	}
	old = KeAcquireSpinLock(&pfn_lock);
	pfn_release_share(src, false);
	KeReleaseSpinLock(&pfn_lock, old);
	counter_inc(MmCounters.faults_cow);
	counter_inc(f->vad->ca->copies);
	return STATUS_SUCCESS;
}

/* The shared PTE becomes valid and gets one share more. *kind: the counter of what it took. => A,
 * F; *again says both were dropped. */
static NTSTATUS make_prototype_valid(struct fault *f, MMPTE *proto, KIRQL irql, pfn_t *frame,
				     u64 **kind, bool *again)
{
	MMPTE v = *proto;
	pfn_t p = pte_pfn(v);
	struct control_area *ca = f->vad->ca;

	*again = false;
	switch (pte_kind(v)) {
	case PTE_K_VALID:
		mm_pfn[p].share++;
		*kind = f->hard ? NULL : &MmCounters.faults_prototype;
		break;
	case PTE_K_TRANSITION:
		if (mm_pfn[p].flags & PFN_F_READING) {
			*again = true;
			mm_wait_for_read(f->as, p, irql);
			return FAULT_AGAIN;
		}
		mm_note_use(f->as, &mm_pfn[p]);
		pfn_activate(p);
		*proto = (u64)p << PAGE_SHIFT | PTE_VALID;
		*kind = f->hard ? NULL : &MmCounters.faults_transition;
		break;
	case PTE_K_DEMAND_ZERO:
		p = mm_available > MM_RESERVE ? pfn_take(true) : 0;
		if (!p) {
			*again = true;
			KeReleaseSpinLock(&pfn_lock, irql);
			return wait_for_pages(f);
		}
		mm_pfn[p].flags = PFN_F_PROTOTYPE;
		mm_pfn[p].pte = proto;
		mm_pfn[p].original_pte = v;
		*proto = (u64)p << PAGE_SHIFT | PTE_VALID;
		ca->resident++;
		*kind = &MmCounters.faults_demand_zero;
		break;
	case PTE_K_PAGEFILE:
		*again = true;
		return read_in(f, proto, ca->proto, ca->proto + ca->pages, true, irql);
	case PTE_K_PROTOTYPE: {
		NTSTATUS st;

		*again = f->hard = true;
		st = mm_page_in_file(f->as, proto, f->single, irql);
		if (st == STATUS_MM_RETRY_SINGLE)
			f->single = true;
		else if (!NT_SUCCESS(st))
			return st;
		return FAULT_AGAIN;
	}
	default:
		return STATUS_ACCESS_VIOLATION; /* reserved, not committed */
	}
	*frame = p;
	return STATUS_SUCCESS;
}

#define AROUND 16u /* pages; as views of images begin at 64 KB, these are in one page table */

/* Pages of an image beside the one that was touched, which others have in use right now, become
 * valid here too: a new process touches most of them a moment later. They count as not yet used
 * (no accessed bit), so a trim takes them first. At level hvci frame p, unless it will be copied,
 * becomes valid with them: true. => A, F */
static bool map_around(struct fault *f, u32 prot, pfn_t p)
{
	struct control_area *ca = f->vad->ca;
	u64 page = (u64)(vad_proto(f->vad, f->va) - ca->proto);
	struct subsection *s = mm_subsection_of(ca, page);
	u64 lo = MAX(ALIGN_DOWN(page, AROUND), s->first);
	u64 hi = MIN(ALIGN_DOWN(page, AROUND) + AROUND, s->first + s->pages);
	MMPTE fresh = pte_valid(0, prot) & ~PTE_ACCESSED;
	bool copies;

	for (u64 i = lo; i < hi; i++) {
		MMPTE *pte = f->pte - page + i, shared = ca->proto[i];

		if (i == page || *pte || !(shared & PTE_VALID))
			continue;
		mm_pfn[pte_pfn(shared)].share++;
		pte_defer_set(&together, pte, fresh | (shared & PTE_FRAME));
		f->as->ws_pages++;
	}
	if (LIKELY(!together.n))
		return false;
	copies = f->write && mm_prot_bits[prot] & PTE_COW;
	if (!copies) {
		pte_defer_set(&together, f->pte, hardware_write(f, pte_valid(p, prot)));
		f->as->ws_pages++;
		f->as->ws_peak = MAX(f->as->ws_peak, f->as->ws_pages);
	}
	pte_flush(&together);
	return !copies;
}

static NTSTATUS on_prototype(struct fault *f)
{
	u32 prot = *f->pte		       ? pte_prot(*f->pte)
		   : f->vad->type == VAD_IMAGE ? mm_image_prot(f->vad, f->va)
					       : f->vad->prot;
	u64 *kind = NULL;
	NTSTATUS st;
	KIRQL old;
	bool dropped;
	pfn_t p;

	if (!*vad_proto(f->vad, f->va))
		return STATUS_ACCESS_VIOLATION;
	st = check_access(f, prot);
	if (st)
		return st;
	old = KeAcquireSpinLock(&pfn_lock);
	st = make_prototype_valid(f, vad_proto(f->vad, f->va), old, &p, &kind, &dropped);
	if (dropped)
		return st;
	if (!st && !*f->pte && f->vad->type == VAD_IMAGE && map_around(f, prot, p)) {
		KeReleaseSpinLock(&pfn_lock, old);
		if (kind)
			counter_inc(*kind);
		return STATUS_SUCCESS;
	}
	KeReleaseSpinLock(&pfn_lock, old);
	if (st)
		return st;
	if (f->write && mm_prot_bits[prot] & PTE_COW) {
		st = copy_on_write(f, prot, p, false);
		if (st == STATUS_NO_MEMORY) {
			old = KeAcquireSpinLock(&pfn_lock);
			pfn_release_share(p, false);
			KeReleaseSpinLock(&pfn_lock, old);
			return wait_for_pages(f);
		}
		return st; /* a copy is what it counts as */
	}
	add_valid(f, p, prot);
	if (kind)
		counter_inc(*kind);
	return STATUS_SUCCESS;
}

static NTSTATUS on_valid(struct fault *f)
{
	MMPTE v = *f->pte;

	if (f->write && !(v & PTE_HW_WRITE)) {
		if (v & PTE_COW) {
			NTSTATUS st = copy_on_write(f, pte_prot(v), pte_pfn(v), true);

			return st == STATUS_NO_MEMORY ? wait_for_pages(f) : st;
		}
		if (!(v & PTE_WRITE))
			return STATUS_ACCESS_VIOLATION;
		pte_set(f->pte, hardware_write(f, v));
	} else if (f->fetch && v & PTE_NX) {
		return STATUS_ACCESS_VIOLATION;
	}
	invlpg(f->va); /* this processor remembered less than the table says */
	return STATUS_SUCCESS;
}

static NTSTATUS (*const resolve[PTE_KINDS])(struct fault *) = {
    [PTE_K_ZERO] = on_zero,
    [PTE_K_VALID] = on_valid,
    [PTE_K_DEMAND_ZERO] = on_demand_zero,
    [PTE_K_PAGEFILE] = on_pagefile,
    [PTE_K_TRANSITION] = on_transition,
    [PTE_K_PROTOTYPE] = on_prototype,
    [PTE_K_DECOMMITTED] = on_decommitted,
};

static NTSTATUS large_page(struct fault *f)
{
	u64 bytes;
	MMPTE *e = mm_find_large(f->as, f->va, &bytes);

	if (!e)
		return STATUS_ACCESS_VIOLATION;
	if ((f->write && !(*e & PTE_HW_WRITE)) || (f->fetch && *e & PTE_NX))
		return STATUS_ACCESS_VIOLATION;
	return STATUS_SUCCESS;
}

/* => A held; FAULT_AGAIN: dropped */
static NTSTATUS one_try(struct fault *f)
{
	f->vad = mm_find_vad(f->as, f->va);
	if (UNLIKELY(!f->vad))
		return STATUS_ACCESS_VIOLATION;
	if (UNLIKELY(f->vad->type == VAD_LARGE))
		return large_page(f);
	f->pte = mm_find_pte(f->as, f->va);
	if (UNLIKELY(!f->pte)) {
		if (!f->vad->committed && !f->vad->ca)
			return STATUS_ACCESS_VIOLATION;
		f->pte = mm_make_pte(f->as, f->va);
		if (UNLIKELY(!f->pte && !mm_tables_left())) { /* waiting might be for ever */
			mutex_unlock(&f->as->lock);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
		if (!f->pte)
			return wait_for_pages(f);
	}
	return resolve[pte_kind(*f->pte)](f);
}

NTSTATUS mm_fault(struct address_space *as, u64 va, u32 error, NTSTATUS *io_status)
{
	struct fault f = {
	    .as = as,
	    .va = va,
	    .write = error & PF_WRITE,
	    .fetch = error & PF_FETCH,
	};
	NTSTATUS st;

	counter_inc(MmCounters.faults_total);
	if (va > as->highest || error & PF_RSVD)
		return STATUS_ACCESS_VIOLATION;
	do {
		mutex_lock(&as->lock);
		st = one_try(&f);
	} while (st == FAULT_AGAIN);
	as->faults++;
	if (st != STATUS_ACCESS_VIOLATION && st != STATUS_GUARD_PAGE_VIOLATION &&
	    st != STATUS_SUCCESS) { /* a read failed: A was dropped */
		*io_status = st;
		counter_inc(MmCounters.faults_inpage_error);
		return STATUS_IN_PAGE_ERROR;
	}
	mutex_unlock(&as->lock);
	if (UNLIKELY(as->ws_flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE) && as->ws_pages > as->ws_max)
		mm_trim_space(as, as->ws_pages - as->ws_max, 0);
	return st;
}

NTSTATUS MmAccessFault(u64 va, u32 error, struct ktrap_frame *frame, NTSTATUS *io_status)
{
	NTSTATUS st = mm_fault(&PsGetCurrentProcess()->as, va, error, io_status);

	if (st == STATUS_GUARD_PAGE_VIOLATION)
		st = mm_grow_stack(va, frame);
	if (st == STATUS_ACCESS_VIOLATION)
		counter_inc(MmCounters.faults_access);
	return st;
}
