/*
 * Demand-zero pages in runs, at level hvci, where each change of an entry by itself is an exit.
 * While a program goes on touching where the last run ended, the next one is twice as long: one
 * page, two, at most ZERO_RUN. The pages behind the first are neither accessed nor dirty: a trim
 * takes them first and loses nothing. Not where somebody counts (write watch, a hard limit of the
 * working set), nor when frames are few.
 */
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"

#define ZERO_RUN 16u

static struct pte_queue queue; /* F */

static u32 run_length(struct address_space *as, const MMVAD *v, u64 vpn)
{
	u64 left = MIN(v->node.end + 1 - vpn, 512 - (vpn & 511)); /* in the region and the table */

	as->zero_run = vpn == as->zero_next ? MIN(as->zero_run * 2, ZERO_RUN) : 1;
	if (v->write_watch || as->ws_flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE ||
	    mm_available < mm_high_pages + ZERO_RUN)
		as->zero_run = 1;
	return (u32)MIN(left, as->zero_run);
}

void mm_add_zeroed(struct address_space *as, const MMVAD *v, u64 va, MMPTE *pte, MMPTE fresh)
{
	const MMPTE was = *pte;
	const u32 prot = pte_prot(fresh), run = run_length(as, v, va >> PAGE_SHIFT);
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	u32 n = 1;

	pte_defer_set(&queue, pte, fresh);
	fresh &= ~(PTE_FRAME | PTE_ACCESSED | PTE_DIRTY);
	for (; n < run && pte[n] == was && (mm_zeroed.head || mm_free.head); n++) {
		pfn_t p = pfn_take(true);

		pfn_own(p, &pte[n], prot);
		pte_defer_set(&queue, &pte[n], fresh | (u64)p << PAGE_SHIFT);
	}
	pte_flush(&queue);
	KeReleaseSpinLock(&pfn_lock, old);
	as->zero_next = (va >> PAGE_SHIFT) + n;
	as->ws_pages += n;
	as->ws_peak = MAX(as->ws_peak, as->ws_pages);
	__atomic_fetch_add(&MmCounters.faults_demand_zero, n - 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&MmCounters.faults_ahead, n - 1, __ATOMIC_RELAXED);
}
