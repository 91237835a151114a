/*
 * Page-in from the pagefiles: one read brings the page and those of its 32-page neighbourhood that
 * lie beside it in the pagefile, because the writer put them there together.
 *
 *   1. (A, F held) pick the run, take frames, mark each PTE transition and its frame READING
 *   2. drop the locks, submit, wait; others who touch these pages wait for the same event
 *   3. (F) the frames settle on the standby list; whoever faulted tries again and finds them there.
 *      On an error the PTEs get their pagefile form back and the frames are freed.
 *
 * How many neighbours are worth it depends on the program. Each address space keeps count of pages
 * that were read beside another and of those that were then used; every AHEAD_SAMPLE of them its
 * cluster doubles when at least half were, and halves when less than a quarter were. Where a page's
 * neighbours before or behind it are in memory, the program walks: then the whole neighbourhood is
 * read whatever the count says, and it is from such reads that a cluster of one page grows again.
 */
#include "guest/mm/store.h"

#define INPAGE_COUNT 64u
#define AHEAD_SAMPLE 64u
#define WALK	     3u /* neighbours in memory that show one */

static struct inpage blocks[INPAGE_COUNT];
static struct pte_queue queue;	/* of one run; F */
static struct list free_blocks; /* by io.entry; F */

void mm_init_pagein(void)
{
	list_init(&free_blocks);
	for (u32 i = 0; i < INPAGE_COUNT; i++)
		list_push_back(&free_blocks, &blocks[i].io.entry);
}

struct inpage *mm_get_inpage(void)
{
	struct list *e = list_pop_front(&free_blocks);
	struct inpage *in = e ? CONTAINER_OF(e, struct inpage, io.entry) : NULL;

	if (in) {
		in->refs = 1;
		in->count = 0;
		in->status = STATUS_SUCCESS;
		KeInitializeEvent(&in->done, DO_EVENT_NOTIFICATION, false);
	}
	return in;
}

void mm_put_inpage(struct inpage *in)
{
	if (--in->refs == 0)
		list_push_back(&free_blocks, &in->io.entry);
}

/* Adds a frame for *pte to the read. => F; there is a frame */
void mm_inpage_add(struct inpage *in, MMPTE *pte, bool prototype)
{
	MMPTE old = *pte;
	pfn_t p = pfn_take(false);
	MMPFN *f = &mm_pfn[p];

	f->state = PFN_IN_TRANSITION;
	f->share = 0;
	f->refs = 1;
	f->flags = PFN_F_READING | (prototype ? PFN_F_PROTOTYPE : 0);
	f->pte = pte;
	f->pte_frame = prototype ? 0 : pte_table_frame(pte);
	f->original_pte = old;
	f->read = in;
	in->io.pfn[in->count] = p;
	in->pte[in->count++] = pte;
	pte_defer(&queue, pte, pte_transition(p, pte_prot(old)), NULL);
}

/* The read has ended: => F */
void mm_inpage_finish(struct inpage *in)
{
	for (u32 i = 0; i < in->count; i++) {
		pfn_t p = in->io.pfn[i];
		MMPFN *f = &mm_pfn[p];

		f->flags &= ~PFN_F_READING;
		f->flink = f->blink = 0;
		if (!NT_SUCCESS(in->status) && !(f->flags & PFN_F_DELETED)) {
			pte_store(f->pte, f->original_pte);
			f->original_pte = 0; /* the slot stays the PTE's */
			f->flags |= PFN_F_DELETED;
		}
		pfn_drop_ref(p);
	}
	KeSetEvent(&in->done);
}

static void read_done(struct pageio *io)
{
	struct inpage *in = io->context;
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	in->status = io->status;
	if (NT_SUCCESS(io->status))
		MmCounters.pages_in += in->count;
	MmCounters.reads_pagefile++;
	mm_inpage_finish(in);
	KeReleaseSpinLock(&pfn_lock, old);
}

static bool continues(MMPTE a, MMPTE b)
{
	u64 at = pte_kind(a) == PTE_K_PAGEFILE ? mm_backing(a) : 0;

	return at && pte_kind(b) == PTE_K_PAGEFILE && mm_backing(b) == at + 1;
}

/* Are the WALK entries from `from` on valid? All of them must be in [lo, hi). */
static bool in_memory(const MMPTE *from, const MMPTE *lo, const MMPTE *hi)
{
	if (from < lo || from + WALK > hi)
		return false;
	for (u32 i = 0; i < WALK; i++)
		if (!(from[i] & PTE_VALID))
			return false;
	return true;
}

void mm_choose_cluster(struct address_space *as, const MMPTE *pte, MMPTE **lo, MMPTE **hi)
{
	u32 n = MM_CLUSTER >> as->cluster_shift;
	MMPTE *group;

	if (as->ahead >= AHEAD_SAMPLE) {
		if (as->ahead_used * 2 >= as->ahead && n < MM_CLUSTER)
			as->cluster_shift--;
		else if (as->ahead_used * 4 < as->ahead && n > 1)
			as->cluster_shift++;
		as->ahead = as->ahead_used = 0;
		n = MM_CLUSTER >> as->cluster_shift;
	}
	if (n < MM_CLUSTER && (in_memory(pte - WALK, *lo, *hi) || in_memory(pte + 1, *lo, *hi)))
		n = MM_CLUSTER;
	group = (MMPTE *)ALIGN_DOWN((u64)pte, n * sizeof(MMPTE));
	*lo = MAX(*lo, group);
	*hi = MIN(*hi, group + n);
}

/* As mm_page_in, from the store: one page, without I/O. It leaves the store. `in` is the caller's.
 */
static void expand(struct address_space *as, MMPTE *pte, struct inpage *in, bool prototype,
		   KIRQL irql)
{
	u64 key = pte_slot(*pte);
	MMPFN *f;

	mm_inpage_add(in, pte, prototype);
	pte_flush(&queue);
	f = &mm_pfn[in->io.pfn[0]];
	mm_store_begin_read(key);
	KeReleaseSpinLock(&pfn_lock, irql);
	mutex_unlock(&as->lock);

	mm_store_read(key, pfn_to_va(in->io.pfn[0]));
	irql = KeAcquireSpinLock(&pfn_lock);
	mm_store_end_read(key);
	f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
	f->flags |= PFN_F_MODIFIED;
	mm_inpage_finish(in);
	mm_put_inpage(in);
	KeReleaseSpinLock(&pfn_lock, irql);
}

NTSTATUS mm_page_in(struct address_space *as, MMPTE *pte, MMPTE *lo, MMPTE *hi, bool prototype,
		    KIRQL irql)
{
	MMPTE *first = pte, *last = pte;
	struct inpage *in = mm_get_inpage();
	NTSTATUS st;
	u64 spare = mm_available > MM_RESERVE ? mm_available - MM_RESERVE : 0;

	if (!in || !spare) {
		if (in)
			mm_put_inpage(in);
		KeReleaseSpinLock(&pfn_lock, irql);
		mutex_unlock(&as->lock);
		mm_wait_for_pages();
		return STATUS_SUCCESS;
	}
	if (UNLIKELY(!mm_backing(*pte))) {
		expand(as, pte, in, prototype, irql);
		return STATUS_SUCCESS;
	}
	spare = MIN(spare, MM_CLUSTER);
	while (last + 1 < hi && (u64)(last - first) + 1 < spare && continues(last[0], last[1]))
		last++;
	while (first > lo && (u64)(last - first) + 1 < spare && continues(first[-1], first[0]))
		first--;
	in->io.index = (u8)(mm_backing(*first) >> 32);
	in->io.slot = (u32)mm_backing(*first);
	in->io.write = false;
	in->io.done = read_done;
	in->io.context = in;
	for (MMPTE *q = first; q <= last; q++) {
		mm_inpage_add(in, q, prototype);
		if (q != pte)
			mm_pfn[in->io.pfn[in->count - 1]].flags |= PFN_F_AHEAD;
	}
	as->ahead += in->count - 1;
	pte_flush(&queue);
	in->io.count = (u16)in->count;
	as->hard_faults++;
	counter_inc(MmCounters.faults_hard);
	KeReleaseSpinLock(&pfn_lock, irql);
	mutex_unlock(&as->lock);

	IoPagefileSubmit(&in->io);
	KeWaitForSingleObject(&in->done, KERNEL_MODE, false, NULL);
	irql = KeAcquireSpinLock(&pfn_lock);
	st = in->status;
	mm_put_inpage(in);
	KeReleaseSpinLock(&pfn_lock, irql);
	return !NT_SUCCESS(st) && first != last ? STATUS_MM_RETRY_SINGLE : st;
}

void mm_wait_for_read(struct address_space *as, pfn_t p, KIRQL irql)
{
	struct inpage *in = mm_pfn[p].read;

	in->refs++;
	counter_inc(MmCounters.faults_collided);
	KeReleaseSpinLock(&pfn_lock, irql);
	if (as)
		mutex_unlock(&as->lock);
	KeWaitForSingleObject(&in->done, KERNEL_MODE, false, NULL);
	irql = KeAcquireSpinLock(&pfn_lock);
	mm_put_inpage(in);
	KeReleaseSpinLock(&pfn_lock, irql);
}
