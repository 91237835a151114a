/*
 * Runs of consecutive frames: device rings, large and huge pages. Frames on the zeroed, free and
 * standby lists can be had; the search goes over the database, a list is no help.
 */
#include "guest/mm/mi.h"

static bool can_take(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	return f->state <= PFN_STANDBY;
}

/* `pages` frames from a multiple of `align` (a power of two), zeroed, ACTIVE with these flags. 0:
 * there is no such run. Takes F. */
pfn_t mm_take_contiguous(u64 pages, u64 align, u8 flags, enum ntmm_use use)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	u64 first = align, n;

	if (mm_available < pages + MM_RESERVE)
		goto none;
	for (; first + pages - 1 <= mm_highest_pfn; first = ALIGN_UP(first + n + 1, align)) {
		for (n = 0; n < pages; n++)
			if (!pfn_is_ram((pfn_t)(first + n)) || !can_take((pfn_t)(first + n)))
				break;
		if (n == pages)
			goto found;
	}
none:
	KeReleaseSpinLock(&pfn_lock, old);
	return 0;
found:
	for (n = 0; n < pages; n++) {
		pfn_t p = (pfn_t)(first + n);
		MMPFN *f = &mm_pfn[p];
		bool dirty = f->state != PFN_ZEROED;

		if (f->state == PFN_STANDBY)
			pfn_repurpose(p);
		else
			page_list_remove(p);
		f->pte = NULL;
		f->original_pte = 0;
		f->share = flags & PFN_F_KERNEL ? 0 : 1;
		f->refs = 1;
		f->state = PFN_ACTIVE;
		f->flags = flags;
		f->use = (u8)use;
		f->pte_frame = 0;
		f->priority = 5;
		f->flink = dirty; /* an active frame is on no list */
	}
	KeReleaseSpinLock(&pfn_lock, old);
	for (n = 0; n < pages; n++) /* a gigabyte takes too long for F */
		if (mm_pfn[first + n].flink) {
			mm_pfn[first + n].flink = 0;
			mm_zero_page((pfn_t)(first + n));
		}
	return (pfn_t)first;
}

void mm_free_contiguous(pfn_t first, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	for (u64 n = 0; n < pages; n++)
		pfn_free((pfn_t)(first + n));
	KeReleaseSpinLock(&pfn_lock, old);
}
