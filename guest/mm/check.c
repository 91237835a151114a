/*
 * !pfncheck: proves the invariants of the PFN database and the page tables. Every frame has one
 * owner: it is on exactly the list its state says, or it is referenced and its PTE points back at
 * it; the counts agree with the tables; no slot has two owners. Runs under F, so nothing moves
 * meanwhile but dirty bits.
 */
#include "guest/mm/store.h"

static u64 errors;

static void wrong(const char *what, u64 a, u64 b, u64 c)
{
	if (errors++ < 20)
		dbg_print("pfncheck: %s: %lx %lx %lx\n", what, a, b, c);
}

static bool backing_is_held(MMPTE v)
{
	return v & PTE_IN_STORE ? mm_key_is_used(pte_slot(v))
				: mm_slot_is_used(pte_file(v), pte_slot(v));
}

static void check_list(const struct page_list *l, enum pfn_state s, u64 *on_lists)
{
	u32 prev = 0;
	u64 n = 0;

	for (u32 p = l->head; p; p = mm_pfn[p].flink) {
		MMPFN *f = &mm_pfn[p];

		if (f->state != s)
			wrong("state on list", p, f->state, s);
		if (f->blink != prev)
			wrong("back link", p, f->blink, prev);
		if (f->refs || f->share)
			wrong("referenced page on a list", p, f->refs, f->share);
		prev = p;
		if (++n > mm_total_pages) {
			wrong("list is a ring", p, s, 0);
			return;
		}
	}
	if (l->tail != prev)
		wrong("tail", l->tail, prev, s);
	if (n != l->count)
		wrong("count of list", n, l->count, s);
	*on_lists += n;
}

/* A frame that claims a PTE: does the PTE agree? */
static void check_owner(u32 p)
{
	MMPFN *f = &mm_pfn[p];
	MMPTE v;

	if (!f->pte) {
		wrong("no PTE", p, f->state, f->flags);
		return;
	}
	v = *f->pte;
	if (f->state == PFN_ACTIVE) {
		if (!(v & PTE_VALID) || pte_pfn(v) != p)
			wrong("PTE of an active page", p, v, f->flags);
		if (!f->share || !f->refs)
			wrong("active without share or reference", p, f->share, f->refs);
	} else {
		if (pte_kind(v) != PTE_K_TRANSITION || pte_pfn(v) != p)
			wrong("PTE of a page in transition", p, v, f->state);
	}
	if (pte_kind(f->original_pte) == PTE_K_PAGEFILE && !backing_is_held(f->original_pte))
		wrong("slot not taken", p, f->original_pte, 0);
	if (f->state == PFN_MODIFIED && !(f->flags & PFN_F_MODIFIED))
		wrong("modified list, not modified", p, f->flags, 0);
	if (!(f->flags & PFN_F_PROTOTYPE) && f->pte_frame != pte_table_frame(f->pte))
		wrong("frame of the page table", p, f->pte_frame, pte_table_frame(f->pte));
}

static u64 check_frames(void)
{
	u64 listed = 0;

	for (u32 p = 1; p <= mm_highest_pfn; p++) {
		MMPFN *f = &mm_pfn[p];

		if (!pfn_is_ram(p))
			continue;
		switch (f->state) {
		case PFN_ZEROED:
		case PFN_FREE:
			listed++;
			break;
		case PFN_STANDBY:
		case PFN_MODIFIED:
			listed++;
			check_owner(p);
			break;
		case PFN_ACTIVE:
			if (!(f->flags & (PFN_F_KERNEL | PFN_F_NOPAGE)))
				check_owner(p);
			break;
		case PFN_IN_TRANSITION:
			if (!f->refs)
				wrong("in transition without a reference", p, f->flags, 0);
			if (!(f->flags & (PFN_F_KERNEL | PFN_F_DELETED)))
				check_owner(p);
			break;
		default:
			wrong("state", p, f->state, 0);
		}
	}
	return listed;
}

/* Slots named by page tables, prototypes and frames, against those taken. */
static u64 slots_seen, keys_seen;

static u64 check_table(MMPTE *table, u32 shift, u64 *valid)
{
	u64 used = 0;

	for (u32 i = 0; i < (shift == 39 ? 256u : 512u); i++) {
		MMPTE v = table[i];

		if (!v)
			continue;
		used++;
		if (shift > 12) {
			pfn_t p = pte_pfn(v);
			u64 n;

			if (!(v & PTE_VALID)) {
				wrong("upper table entry", v, shift, i);
				continue;
			}
			if (v & PTE_LARGE)
				continue;
			n = check_table(pfn_to_va(p), shift - 9, valid);
			if (mm_pfn[p].share != n)
				wrong("entries of a page table", p, mm_pfn[p].share, n);
			continue;
		}
		switch (pte_kind(v)) {
		case PTE_K_VALID:
			if (!(mm_pfn[pte_pfn(v)].flags & (PFN_F_NOPAGE | PFN_F_KERNEL)))
				++*valid;
			if (mm_pfn[pte_pfn(v)].state != PFN_ACTIVE)
				wrong("valid PTE, frame not active", v, (u64)&table[i],
				      mm_pfn[pte_pfn(v)].state);
			break;
		case PTE_K_TRANSITION:
			if (mm_pfn[pte_pfn(v)].pte != &table[i])
				wrong("transition PTE, frame is another's", v, (u64)&table[i],
				      (u64)mm_pfn[pte_pfn(v)].pte);
			break;
		case PTE_K_PAGEFILE:
			if (v & PTE_IN_STORE)
				keys_seen++;
			else
				slots_seen++;
			if (!backing_is_held(v))
				wrong("slot of a PTE not taken", v, 0, 0);
			break;
		default:
			break;
		}
	}
	return used;
}

u64 MmPfnCheck(void)
{
	u64 on_lists = 0, listed, slots, keys;
	KIRQL old;

	mutex_lock(&mm_spaces_lock);
	LIST_FOR_EACH(e, &mm_spaces)
	mutex_lock(&CONTAINER_OF(e, struct address_space, all)->lock);
	old = KeAcquireSpinLock(&pfn_lock);
	errors = slots_seen = keys_seen = 0;
	check_list(&mm_zeroed, PFN_ZEROED, &on_lists);
	check_list(&mm_free, PFN_FREE, &on_lists);
	for (u32 i = 0; i < 8; i++)
		check_list(&mm_standby[i], PFN_STANDBY, &on_lists);
	check_list(&mm_modified, PFN_MODIFIED, &on_lists);
	if (mm_available + mm_modified.count != on_lists)
		wrong("available", mm_available, mm_modified.count, on_lists);
	listed = check_frames();
	if (listed != on_lists)
		wrong("pages on lists", listed, on_lists, 0);
	LIST_FOR_EACH(e, &mm_spaces)
	{
		struct address_space *as = CONTAINER_OF(e, struct address_space, all);
		u64 valid = 0;

		check_table(pfn_to_va(as->pml4), 39, &valid);
		if (valid != as->ws_pages)
			wrong("working set size", valid, as->ws_pages, 0);
		if (!vad_check(&as->vads))
			wrong("VAD tree", (u64)as, 0, 0);
	}
	if (!mm_check_slots(&slots))
		wrong("slot bitmaps", slots, 0, 0);
	if (slots_seen > slots)
		wrong("slots in page tables", slots_seen, slots, 0);
	if (!mm_check_store(&keys))
		wrong("store of compressed pages", keys, MmCounters.store_pages,
		      MmCounters.store_frames);
	if (keys_seen > keys)
		wrong("keys in page tables", keys_seen, keys, 0);
	MmCounters.pfncheck_runs++;
	MmCounters.pfncheck_errors += errors;
	KeReleaseSpinLock(&pfn_lock, old);
	LIST_FOR_EACH(e, &mm_spaces)
	mutex_unlock(&CONTAINER_OF(e, struct address_space, all)->lock);
	mutex_unlock(&mm_spaces_lock);
	return errors;
}
