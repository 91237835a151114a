/*
 * The PFN database: page lists and the moves between states (the table is in mi.h). Everything here
 * is under pfn_lock (F); only these functions write MMPFN.state.
 */
#include "guest/mm/store.h"

struct spinlock pfn_lock;
pfn_t mm_highest_pfn;
u64 mm_total_pages, mm_low_pages, mm_high_pages;
struct page_list mm_zeroed, mm_free, mm_standby[8], mm_modified;
volatile u64 mm_available, mm_kernel_pages;
struct ntmm_counters MmCounters __attribute__((aligned(4096)));

bool pfn_is_ram(pfn_t p)
{
	MMPTE *pte;

	if (!p || p > mm_highest_pfn)
		return false;
	pte = mm_system_pte((u64)&mm_pfn[p]);
	return pte && *pte & PTE_VALID && mm_pfn[p].state != PFN_BAD;
}

static struct page_list *list_of(const MMPFN *f)
{
	switch (f->state) {
	case PFN_ZEROED:
		return &mm_zeroed;
	case PFN_FREE:
		return &mm_free;
	case PFN_STANDBY:
		return &mm_standby[f->priority];
	case PFN_MODIFIED:
		return &mm_modified;
	}
	KeBugCheckEx(PFN_LIST_CORRUPT, (u64)(f - mm_pfn), f->state, f->refs, f->share,
		     "frame is on no list");
}

static bool counts_as_available(enum pfn_state s)
{
	return s <= PFN_STANDBY;
}

void page_list_push(struct page_list *l, pfn_t p, enum pfn_state s)
{
	MMPFN *f = &mm_pfn[p];

	f->state = s;
	f->flink = 0;
	f->blink = l->tail;
	if (l->tail)
		mm_pfn[l->tail].flink = p;
	else
		l->head = p;
	l->tail = p;
	l->count++;
	if (counts_as_available(s))
		mm_available++;
}

void page_list_remove(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];
	struct page_list *l = list_of(f);

	if (f->blink)
		mm_pfn[f->blink].flink = f->flink;
	else
		l->head = f->flink;
	if (f->flink)
		mm_pfn[f->flink].blink = f->blink;
	else
		l->tail = f->blink;
	l->count--;
	if (counts_as_available(f->state))
		mm_available--;
	f->flink = f->blink = 0;
}

/* Gives the frame of a standby page a new use: its PTE gets back what tells where the contents are.
 */
void pfn_repurpose(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	page_list_remove(p);
	pte_store(f->pte, f->original_pte);
	if (f->flags & PFN_F_PROTOTYPE)
		mm_prototype_left(f->original_pte);
	counter_inc(MmCounters.pages_repurposed);
}

pfn_t pfn_take(bool zeroed)
{
	pfn_t p = zeroed ? mm_zeroed.head : mm_free.head;
	MMPFN *f;
	bool dirty = false;

	if (!p)
		p = zeroed ? mm_free.head : mm_zeroed.head;
	if (LIKELY(p)) {
		dirty = mm_pfn[p].state == PFN_FREE;
		page_list_remove(p);
	} else {
		for (u32 i = 0; i < 8 && !p; i++)
			p = mm_standby[i].head;
		if (!p)
			return 0;
		pfn_repurpose(p);
		dirty = true;
	}
	f = &mm_pfn[p];
	f->pte = NULL;
	f->original_pte = 0;
	f->share = 1;
	f->refs = 1;
	f->state = PFN_ACTIVE;
	f->flags = 0;
	f->pte_frame = 0;
	f->priority = 5;
	f->not_stored = false;
	f->use = NTMM_USE_BOOT;
	if (zeroed && dirty)
		mm_zero_page(p);
	if (UNLIKELY(mm_available < mm_low_pages))
		mm_wake_balance();
	return p;
}

void pfn_free(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	f->pte = NULL;
	f->original_pte = 0;
	f->share = 0;
	f->refs = 0;
	f->flags = 0;
	page_list_push(&mm_free, p, PFN_FREE);
	if (mm_free.count >= 8)
		mm_wake_zero_thread();
	mm_pages_came();
}

/* No valid PTE and no reference is left: where the frame goes follows from what it holds. */
static void settle(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	if (f->flags & PFN_F_DELETED) {
		mm_release_slot(f->original_pte);
		pfn_free(p);
	} else if (f->flags & PFN_F_MODIFIED) {
		page_list_push(&mm_modified, p, PFN_MODIFIED);
		if (mm_modified.count >= MM_CLUSTER * 4)
			mm_wake_writer();
	} else {
		page_list_push(&mm_standby[f->priority], p, PFN_STANDBY);
	}
}

void pfn_drop_ref(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	require(f->refs);
	if (--f->refs == 0)
		settle(p);
}

void pfn_note_write(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	if (f->flags & PFN_F_MODIFIED)
		return;
	f->flags |= PFN_F_MODIFIED;
	f->not_stored = false;
	/* the copy in the pagefile is old now; while it is being written the writer decides */
	if (!(f->flags & PFN_F_WRITING) && pte_kind(f->original_pte) == PTE_K_PAGEFILE) {
		mm_release_slot(f->original_pte);
		f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
	}
}

/* Its PTE (or, for a shared page, one of those that map it) is no longer valid. The last one turns
 * the owning PTE into the transition state; a caller that wants the page gone sets DELETED before.
 */
void pfn_release_share(pfn_t p, bool dirty)
{
	MMPFN *f = &mm_pfn[p];

	require(f->state == PFN_ACTIVE && f->share);
	if (dirty)
		pfn_note_write(p);
	if (--f->share)
		return;
	if (!(f->flags & PFN_F_DELETED) && f->flags & PFN_F_PROTOTYPE)
		pte_store(f->pte, pte_transition(p, pte_prot(f->original_pte)));
	f->state = PFN_IN_TRANSITION;
	pfn_drop_ref(p);
}

void pfn_activate(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	if (f->state == PFN_STANDBY || f->state == PFN_MODIFIED) {
		page_list_remove(p);
		require(f->refs == 0);
	}
	f->state = PFN_ACTIVE;
	f->share = 1;
	f->refs++;
	if (UNLIKELY(pte_in_store(f->original_pte)) && !mm_backing(f->original_pte)) {
		mm_release_slot(f->original_pte); /* in use it is not in the store */
		f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
		f->flags |= PFN_F_MODIFIED;
	}
}

void pfn_delete_transition(pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	f->flags |= PFN_F_DELETED;
	f->pte = NULL;
	if (f->state == PFN_STANDBY || f->state == PFN_MODIFIED) {
		page_list_remove(p);
		mm_release_slot(f->original_pte);
		pfn_free(p);
	} /* else: being written; the writer's last reference frees it */
}

void mm_release_slot(MMPTE pte)
{
	if (pte_kind(pte) != PTE_K_PAGEFILE)
		return;
	if (UNLIKELY(pte & PTE_IN_STORE))
		mm_store_free(pte_slot(pte));
	else
		mm_free_slot(pte_file(pte), pte_slot(pte));
}

pfn_t mm_take_kernel_page(enum ntmm_use use)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	pfn_t p = pfn_take(true);

	if (p) {
		mm_pfn[p].flags = PFN_F_KERNEL;
		mm_pfn[p].use = (u8)use;
		mm_pfn[p].share = 0;
		mm_kernel_pages++;
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return p;
}

void mm_free_kernel_page(pfn_t p)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	require(mm_pfn[p].state == PFN_ACTIVE && mm_pfn[p].flags & PFN_F_KERNEL);
	pfn_free(p);
	mm_kernel_pages--;
	KeReleaseSpinLock(&pfn_lock, old);
}
