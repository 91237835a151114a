/*
 * Working sets. The list of a process's valid pages is its page tables: age and lock bit live in
 * the valid PTE (mi.h), so a fault adds nothing to any list, and trimming is a clock hand over the
 * tables.
 *
 * The balance set manager (a thread) wakes when available pages fall below mm_low_pages, or once a
 * second to age. It trims until what is available, with what the writer will make so, reaches
 * mm_high_pages: first pages not touched since the hand last passed, then any.
 */
#include "guest/mm/mi.h"
#include "guest/ex/ex.h"
#include "guest/mm/nt_memory.h"

#define TRIM_BATCH 64u

static KEVENT balance_event, zero_event, pages_event;
static volatile u32 page_waiters;

/* ---- taking pages out of one working set ---- */

struct batch {
	struct pte_queue queue;
	u32 n;
	struct {
		pfn_t p;
		bool dirty;
	} page[TRIM_BATCH];
};

/* The PTEs are invalid already; once no processor remembers them the frames may move. => A */
static void settle_batch(struct address_space *as, struct batch *b)
{
	KIRQL old;

	pte_flush(&b->queue);
	if (!b->n)
		return;
	ke_flush_tlb_all(as->cpus);
	old = KeAcquireSpinLock(&pfn_lock);
	for (u32 i = 0; i < b->n; i++)
		pfn_release_share(b->page[i].p, b->page[i].dirty);
	KeReleaseSpinLock(&pfn_lock, old);
	as->ws_pages -= b->n;
	MmCounters.pages_trimmed += b->n;
	b->n = 0;
}

/* Makes a valid PTE invalid: private pages go to transition, shared ones back to their prototype.
 */
static void invalidate(struct batch *b, MMPTE *pte, u32 prot)
{
	pfn_t p = pte_pfn(*pte);
	MMPTE gone =
	    mm_pfn[p].flags & PFN_F_PROTOTYPE ? pte_prototype(prot) : pte_transition(p, prot);

	b->page[b->n].p = p;
	pte_defer(&b->queue, pte, gone,
		  &b->page[b->n++].dirty); /* the dirty bit to the last moment */
}

/* One page out of the working set, with another protection for its return. => A */
void mm_evict(struct address_space *as, MMPTE *pte, u32 prot)
{
	struct batch b;
	pfn_t p = pte_pfn(*pte);

	b.n = b.queue.n = 0;

	if (*pte & PTE_LOCKED)
		as->ws_locked--;
	if (!(mm_pfn[p].flags & PFN_F_PROTOTYPE))
		mm_pfn[p].original_pte = pte_with_prot(mm_pfn[p].original_pte, prot);
	invalidate(&b, pte, prot);
	settle_batch(as, &b);
}

/* => A. Goes round at most once from the hand; min_age 0 takes whatever it meets. */
static u64 trim_locked(struct address_space *as, u64 want, u32 min_age, u64 from, u64 to)
{
	struct batch b;
	u64 taken = 0, va = from;

	b.n = b.queue.n = 0;
	while (va < to && taken < want) {
		MMPTE *pte, v;

		if (!(va & (LARGE_PAGE_SIZE - 1)) || va == from) {
			va = mm_skip_absent(as, va, to);
			if (va >= to)
				break;
		}
		pte = mm_find_pte(as, va);
		for (u64 stop = MIN(to, ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE);
		     va < stop && taken < want; va += PAGE_SIZE, pte++) {
			u64 age;

			v = *pte;
			if (!(v & PTE_VALID) || v & PTE_LOCKED ||
			    mm_pfn[pte_pfn(v)].flags & (PFN_F_NOPAGE | PFN_F_KERNEL))
				continue;
			age = (v & PTE_AGE) >> PTE_AGE_SHIFT;
			if (min_age && v & PTE_ACCESSED) {
				pte_defer_change(&b.queue, pte, PTE_ACCESSED | PTE_AGE, 0);
				continue;
			}
			if (age + 1 < min_age) {
				pte_defer_change(&b.queue, pte, PTE_AGE,
						 (age + 1) << PTE_AGE_SHIFT);
				continue;
			}
			invalidate(&b, pte, pte_prot(v));
			taken++;
			if (b.n == TRIM_BATCH)
				settle_batch(as, &b);
		}
	}
	settle_batch(as, &b);
	as->trim_hand = va >= as->highest ? 0 : va;
	return taken;
}

u64 mm_trim_space(struct address_space *as, u64 want, u32 min_age)
{
	u64 taken, hand, top;

	mutex_lock(&as->lock);
	top = as->highest + 1;
	hand = as->trim_hand;
	taken = trim_locked(as, want, min_age, hand, top);
	if (taken < want && hand)
		taken += trim_locked(as, want - taken, min_age, 0, hand);
	mutex_unlock(&as->lock);
	return taken;
}

/* Part of one: NtUnlock's side effect, decommit of shared pages. => A */
u64 mm_trim_range(struct address_space *as, u64 start, u64 end)
{
	u64 hand = as->trim_hand, n = trim_locked(as, ~0ul, 0, start, end);

	as->trim_hand = hand;
	return n;
}

void MmEmptyAllWorkingSets(void)
{
	mutex_lock(&mm_spaces_lock);
	LIST_FOR_EACH(e, &mm_spaces)
	mm_trim_space(CONTAINER_OF(e, struct address_space, all), ~0ul, 0);
	mutex_unlock(&mm_spaces_lock);
}

void MmPurgeStandbyList(void)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	for (u32 i = 0; i < 8; i++)
		while (mm_standby[i].head) {
			pfn_t p = mm_standby[i].head;

			pfn_repurpose(p);
			pfn_free(p);
		}
	KeReleaseSpinLock(&pfn_lock, old);
}

/* ---- the balance set manager ---- */

static u64 coming(void) /* available now or when the writer is through */
{
	return mm_available + mm_modified.count;
}

/* Larger working sets give more. */
static void trim_all(u64 want, u32 min_age)
{
	u64 total = 0;

	mutex_lock(&mm_spaces_lock);
	LIST_FOR_EACH(e, &mm_spaces)
	total += CONTAINER_OF(e, struct address_space, all)->ws_pages;
	LIST_FOR_EACH(e, &mm_spaces)
	{
		struct address_space *as = CONTAINER_OF(e, struct address_space, all);
		u64 share = total ? want * as->ws_pages / total + 1 : 0;

		if (as->ws_flags & QUOTA_LIMITS_HARDWS_MIN_ENABLE)
			share = MIN(share, as->ws_pages - MIN(as->ws_pages, as->ws_min));
		if (share && as->ws_pages)
			mm_trim_space(as, share, min_age);
	}
	mutex_unlock(&mm_spaces_lock);
}

static void balance_thread(void *context)
{
	const s64 second = -10000000;

	(void)context;
	for (;;) {
		NTSTATUS st = KeWaitForSingleObject(&balance_event, KERNEL_MODE, false, &second);

		ExUpdateMemoryConditions();
		if (st == STATUS_TIMEOUT && mm_available >= mm_low_pages)
			continue;
		for (u32 pass = 0; pass < 3 && coming() < mm_high_pages; pass++)
			trim_all(mm_high_pages - coming(), pass < 2 ? 1 : 0);
		if (mm_available < mm_high_pages)
			mm_wake_writer();
	}
}

void mm_wake_balance(void)
{
	static u64 last;

	if (!balance_event.d.signal || last != mm_available)
		KeSetEvent(&balance_event);
	last = mm_available;
}

/* Frames have come free (=> F): let those who wait look. */
void mm_pages_came(void)
{
	if (UNLIKELY(page_waiters) && mm_available > MM_RESERVE + MM_CLUSTER)
		KeSetEvent(&pages_event);
}

void mm_wait_for_pages(void)
{
	const s64 limit = -500000; /* 50 ms: look again, whatever woke or did not wake us */

	atomic_add(&page_waiters, 1);
	KeResetEvent(&pages_event);
	mm_wake_balance();
	mm_wake_writer();
	if (mm_available <= MM_RESERVE + MM_CLUSTER)
		KeWaitForSingleObject(&pages_event, KERNEL_MODE, false, &limit);
	atomic_add(&page_waiters, -1);
}

/* ---- the zero-page thread: priority 0, so only when nobody else wants to run ---- */

static void zero_thread(void *context)
{
	(void)context;
	for (;;) {
		KIRQL old;
		pfn_t p;

		KeWaitForSingleObject(&zero_event, KERNEL_MODE, false, NULL);
		for (;;) {
			old = KeAcquireSpinLock(&pfn_lock);
			p = mm_free.head;
			if (p) {
				page_list_remove(p);
				mm_pfn[p].state = PFN_IN_TRANSITION;
				mm_pfn[p].flags = PFN_F_KERNEL;
				mm_pfn[p].refs = 1;
			}
			KeReleaseSpinLock(&pfn_lock, old);
			if (!p)
				break;
			mm_zero_page(p);
			old = KeAcquireSpinLock(&pfn_lock);
			mm_pfn[p].flags = 0;
			mm_pfn[p].refs = 0;
			page_list_push(&mm_zeroed, p, PFN_ZEROED);
			MmCounters.pages_zeroed++;
			KeReleaseSpinLock(&pfn_lock, old);
		}
	}
}

void mm_wake_zero_thread(void)
{
	if (!zero_event.d.signal)
		KeSetEvent(&zero_event);
}

/* Before anything can wait on them. */
void mm_init_events(void)
{
	KeInitializeEvent(&balance_event, DO_EVENT_SYNCHRONIZATION, false);
	KeInitializeEvent(&zero_event, DO_EVENT_SYNCHRONIZATION, false);
	KeInitializeEvent(&pages_event, DO_EVENT_NOTIFICATION, false);
	list_init(&mm_spaces);
	mutex_init(&mm_spaces_lock);
}

void mm_init_balance(void)
{
	ExInitMemoryConditions();
	PsCreateSystemThread(balance_thread, NULL, 17, "balance set manager");
	PsCreateSystemThread(zero_thread, NULL, 1, "zero page");
}
