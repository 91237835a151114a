/*
 * Address spaces and their page tables. Tables are kernel pages; the share count of a table's frame
 * is the number of its entries that are not zero (pte_set keeps it). A table goes when a freed
 * range covers all of it, and all of them when the process does.
 */
#include "guest/mm/mi.h"

struct list mm_spaces;
struct mutex mm_spaces_lock;

MMPTE *mm_find_pte(struct address_space *as, u64 va)
{
	MMPTE *t = pfn_to_va(as->pml4), e;

	e = t[va >> 39 & 511];
	if (UNLIKELY(!(e & PTE_VALID)))
		return NULL;
	t = pfn_to_va(pte_pfn(e));
	e = t[va >> 30 & 511];
	if (UNLIKELY((e & (PTE_VALID | PTE_LARGE)) != PTE_VALID))
		return NULL;
	t = pfn_to_va(pte_pfn(e));
	e = t[va >> 21 & 511];
	if (UNLIKELY((e & (PTE_VALID | PTE_LARGE)) != PTE_VALID))
		return NULL;
	t = pfn_to_va(pte_pfn(e));
	return &t[va >> 12 & 511];
}

MMPTE *mm_find_large(struct address_space *as, u64 va, u64 *bytes)
{
	MMPTE *t = pfn_to_va(as->pml4);
	u64 size = 1ul << 39;

	for (u32 shift = 39; shift > 12; shift -= 9, size >>= 9) {
		MMPTE *e = &t[va >> shift & 511];

		if (!(*e & PTE_VALID))
			return NULL;
		if (*e & PTE_LARGE) {
			*bytes = size;
			return e;
		}
		t = pfn_to_va(pte_pfn(*e));
	}
	return NULL;
}

/* The table entry of level `shift` (21: PDE, 30: PPE) for va, tables above it made at need. */
MMPTE *mm_make_entry(struct address_space *as, u64 va, u32 level)
{
	MMPTE *t = pfn_to_va(as->pml4);

	for (u32 shift = 39; shift > level; shift -= 9) {
		MMPTE *e = &t[va >> shift & 511];

		if (UNLIKELY(!(*e & PTE_VALID)) && mm_pool_pages) {
			u32 made = mm_hosted_tables(e, va, shift, level);

			if (!made)
				return NULL;
			as->page_table_pages += made;
		} else if (UNLIKELY(!(*e & PTE_VALID))) {
			pfn_t p = mm_take_table((shift - 12) / 9);

			if (!p)
				return NULL;
			as->page_table_pages++;
			pte_set(e, (u64)p << PAGE_SHIFT | PTE_VALID | PTE_HW_WRITE | PTE_USER |
				       PTE_ACCESSED);
		} else if (*e & PTE_LARGE) {
			return NULL;
		}
		t = pfn_to_va(pte_pfn(*e));
	}
	return &t[va >> level & 511];
}

MMPTE *mm_make_pte(struct address_space *as, u64 va)
{
	MMPTE *pte = mm_find_pte(as, va);

	return LIKELY(pte) ? pte : mm_make_entry(as, va, 12);
}

u64 mm_skip_absent(struct address_space *as, u64 va, u64 end)
{
	while (va < end) {
		MMPTE *t = pfn_to_va(as->pml4);
		u32 shift = 39;

		for (; shift > 12; shift -= 9) {
			MMPTE e = t[va >> shift & 511];

			if ((e & (PTE_VALID | PTE_LARGE)) != PTE_VALID)
				break;
			t = pfn_to_va(pte_pfn(e));
		}
		if (shift == 12)
			return va;
		va = ALIGN_DOWN(va, 1ul << shift) + (1ul << shift);
	}
	return end;
}

u32 mm_next_used(const MMPTE *table, u32 i, u32 end)
{
	for (; i < end; i++) {
		while (!(i & 7) && i < end &&
		       !(table[i] | table[i + 1] | table[i + 2] | table[i + 3] | table[i + 4] |
			 table[i + 5] | table[i + 6] | table[i + 7]))
			i += 8;
		if (i < end && table[i])
			break;
	}
	return MIN(i, end);
}

/* Tables that no entry leads to, or soon none: they are free when no processor remembers them. */
struct unlinked {
	struct address_space *as;
	u64 start, end; /* the tables of these addresses */
	bool force;	/* of all: nobody runs in this address space any more */
	u32 n;
	struct {
		pfn_t p;
		u32 level;
	} table[PTE_QUEUE];
	struct pte_queue queue;
};

static void free_unlinked(struct unlinked *u)
{
	pte_flush(&u->queue);
	if (u->n && !u->force)
		ke_flush_tlb_all(u->as->cpus);
	for (u32 i = 0; i < u->n; i++)
		mm_free_table(u->table[i].p, u->table[i].level);
	u->as->page_table_pages -= u->n;
	u->n = 0;
}

/* Frees tables below `table` that [start, end) covers wholly. The share counts say that they are
 * empty. */
static void free_tables(struct unlinked *u, MMPTE *table, u64 base, u32 shift)
{
	const u64 start = u->start, end = u->end;
	u64 span = 1ul << shift;
	u32 last = shift == 39 ? 256 : 512;
	u32 first = start > base ? (u32)((start - base) >> shift) : 0;
	u32 left = mm_pfn[pte_table_frame(table)].share; /* at most as many entries to come */

	for (u32 i = first; left && (i = mm_next_used(table, i, last)) < last; i++, left--) {
		u64 va = base + i * span;
		MMPTE e = table[i];

		if (va >= end)
			break;
		if ((e & (PTE_VALID | PTE_LARGE)) != PTE_VALID)
			continue;
		if (shift > 21)
			free_tables(u, pfn_to_va(pte_pfn(e)), va, shift - 9);
		if (!u->force && (va < start || va + span > end))
			continue;
		if (mm_pfn[pte_pfn(e)].share)
			continue;
		pte_defer_set(&u->queue, &table[i], 0);
		u->table[u->n].p = pte_pfn(e);
		u->table[u->n].level = (shift - 12) / 9;
		if (++u->n == PTE_QUEUE)
			free_unlinked(u);
	}
}

static void free_all_tables(struct address_space *as, u64 start, u64 end, bool force)
{
	struct unlinked u;

	u.as = as;
	u.start = start;
	u.end = end;
	u.force = force;
	u.n = u.queue.n = 0;
	free_tables(&u, pfn_to_va(as->pml4), 0, 39);
	free_unlinked(&u);
}

void mm_free_empty_tables(struct address_space *as, u64 start, u64 end)
{
	if (end - start >= LARGE_PAGE_SIZE)
		free_all_tables(as, start, end, false);
}

NTSTATUS MmCreateAddressSpace(struct address_space *as, u64 highest)
{
	pfn_t p = mm_take_table(4);

	if (!p)
		return STATUS_NO_MEMORY;
	mm_fill_root(p);
	as->pml4 = p;
	as->highest = highest;
	as->ws_min = 50;
	as->ws_max = 345;
	as->bottom_up = MM_LOWEST_USER;
	as->top_down = highest;
	mutex_init(&as->lock);
	vad_tree_init(&as->vads);
	mutex_lock(&mm_spaces_lock);
	list_push_back(&mm_spaces, &as->all);
	mutex_unlock(&mm_spaces_lock);
	return STATUS_SUCCESS;
}

void MmDeleteAddressSpace(struct address_space *as)
{
	mutex_lock(&mm_spaces_lock);
	list_remove(&as->all);
	mutex_unlock(&mm_spaces_lock);
	if (UNLIKELY(as->cpus)) /* borrowed (sched.c): that ends with a flush */
		ke_flush_tlb_all(as->cpus);
	require(as->cpus == 0);
	require(!as->vads.root);
	free_all_tables(as, 0, 1ul << 47, true);
	require(mm_pfn[as->pml4].share == 0);
	mm_free_table(as->pml4, 4);
}
