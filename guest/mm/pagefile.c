/*
 * Pagefiles as the memory manager sees them: slots, growth. The device below is io/pagedisk.c, the
 * files are the host's. Lock: F.
 */
#include "guest/mm/store.h"

struct pfslots mm_pagefiles[NTMM_MAX_PAGEFILES];
static u32 count, next_file;

u64 mm_alloc_slots(u64 want, u64 *got, u32 *file)
{
	for (u32 i = 0; i < count; i++) {
		u32 f = (next_file + i) % count;
		u64 slot = slots_alloc(&mm_pagefiles[f], want, got);

		if (slot) {
			next_file = (f + 1) % count; /* spread over the files */
			*file = f;
			MmCounters.pagefile_used += *got;
			return slot;
		}
	}
	return 0;
}

void mm_free_slot(u32 file, u64 slot)
{
	require(file < count && slots_free(&mm_pagefiles[file], slot, 1));
	MmCounters.pagefile_used--;
}

/* The commit limit counts RAM and slots once each, so a page must not keep both when slots run out.
 */
u64 mm_reclaim_slots(u64 want)
{
	static pfn_t hand; /* where the next search goes on; F */
	u64 got = 0;

	for (u64 n = 0; n < mm_highest_pfn && got < want; n++) {
		MMPFN *f;

		hand = hand < mm_highest_pfn ? hand + 1 : 1;
		if (!pfn_is_ram(hand))
			continue;
		f = &mm_pfn[hand];
		if (f->state != PFN_ACTIVE || /* standby pages are as good as free */
		    f->flags & (PFN_F_KERNEL | PFN_F_NOPAGE | PFN_F_WRITING | PFN_F_READING) ||
		    pte_kind(f->original_pte) != PTE_K_PAGEFILE || !mm_backing(f->original_pte))
			continue;
		mm_release_slot(f->original_pte);
		f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
		f->flags |= PFN_F_MODIFIED;
		got++;
	}
	return got;
}

bool mm_slot_is_used(u32 file, u64 slot)
{
	return file < count && slots_is_used(&mm_pagefiles[file], slot);
}

bool mm_check_slots(u64 *used)
{
	bool ok = true;

	*used = 0;
	for (u32 i = 0; i < count; i++) {
		ok &= slots_check(&mm_pagefiles[i]);
		*used += mm_pagefiles[i].used;
	}
	return ok;
}

/* Asks the host for more room; returns pages won. => PASSIVE, grow_lock held */
u64 mm_grow_pagefiles(u64 pages)
{
	u64 won = 0;

	for (u32 i = 0; i < count && won < pages; i++) {
		u64 was = mm_pagefiles[i].pages, now;
		KIRQL old;

		if (was >= mm_pagefiles[i].max_pages)
			continue;
		now = IoPagefileGrow(i, MIN(was + pages - won, mm_pagefiles[i].max_pages));
		if (now <= was)
			continue;
		now = MIN(now, mm_pagefiles[i].max_pages);
		old = KeAcquireSpinLock(&pfn_lock);
		slots_grow(&mm_pagefiles[i], now);
		KeReleaseSpinLock(&pfn_lock, old);
		won += now - was;
		MmCounters.pagefile_total += now - was;
		mm_commit_limit_add(now - was);
	}
	return won;
}

void mm_init_pagefiles(void)
{
	for (u32 i = 0; i < IoPagefileCount() && i < NTMM_MAX_PAGEFILES; i++) {
		u64 pages = IoPagefilePages(i), max = MAX(IoPagefileMaxPages(i), pages);
		u64 *bitmap;

		max = MIN(max, 0xfffffffful);
		pages = MIN(pages, max);
		bitmap = ExAllocatePool(SLOTS_WORDS(max) * 8, TAG('M', 'm', 'P', 'f'));
		if (!bitmap) {
			max = pages;
			bitmap = ExAllocatePool(SLOTS_WORDS(max) * 8, TAG('M', 'm', 'P', 'f'));
		}
		if (!bitmap || pages < 2)
			break;
		slots_init(&mm_pagefiles[i], bitmap, pages, max);
		count++;
		MmCounters.pagefile_total += pages - 1;
		mm_commit_limit_add(pages - 1);
	}
}
