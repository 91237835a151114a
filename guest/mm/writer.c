/*
 * The modified page writer: takes pages off the modified list in clusters and writes each cluster
 * with one request to consecutive slots. A cluster is the pages that lie in the same 16-page
 * neighbourhood of a page table (or prototype array), so that a later page-in gets them together.
 *
 * While it is written a frame is in no list (IN_TRANSITION, WRITING, one reference) but its PTE
 * stays as it is: who touches it just takes it back. When the write ends: dirty again? the slot is
 * dropped; else the frame settles on the standby list. Pages of files are written by
 * file_cluster(). Where there is a store of compressed pages (store.c), it is asked first.
 */
#include "guest/mm/store.h"

#define WRITES 8u /* requests under way at most */

struct write {
	struct pageio io;
	bool busy;
};
static struct write writes[WRITES];
static KSEMAPHORE slots_left; /* of writes[] */
static KEVENT writer_event, idle_event;
static volatile bool failed; /* the last write did: do not spin */
static volatile u32 in_flight;
static volatile bool flush_all;

static void finish(pfn_t p, NTSTATUS status)
{
	MMPFN *f = &mm_pfn[p];

	f->flags &= ~PFN_F_WRITING;
	if (!NT_SUCCESS(status))
		f->flags |= PFN_F_MODIFIED;
	if (f->flags & PFN_F_MODIFIED && !(f->flags & PFN_F_DELETED)) {
		mm_release_slot(f->original_pte);
		f->original_pte = pte_demand_zero(pte_prot(f->original_pte));
	}
	pfn_drop_ref(p);
}

static void write_done(struct pageio *io)
{
	struct write *w = io->context;
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	for (u32 i = 0; i < io->count; i++)
		finish(io->pfn[i], io->status);
	if (NT_SUCCESS(io->status))
		MmCounters.pages_out += io->count;
	MmCounters.writes_pagefile++;
	failed = !NT_SUCCESS(io->status);
	w->busy = false;
	in_flight--;
	mm_pages_came();
	KeReleaseSpinLock(&pfn_lock, old);
	KeReleaseSemaphore(&slots_left, 1, NULL);
	KeSetEvent(&idle_event);
}

static bool writable(const MMPTE *pte)
{
	MMPTE v = *pte;
	MMPFN *f;

	if (pte_kind(v) != PTE_K_TRANSITION)
		return false;
	if (!pfn_is_ram(pte_pfn(v)))
		return false;
	f = &mm_pfn[pte_pfn(v)];
	return f->state == PFN_MODIFIED && f->pte == pte &&
	       pte_kind(f->original_pte) != PTE_K_PROTOTYPE && !mm_store_wants(pte_pfn(v));
}

/* The neighbourhood of modified page p, in address order. => F */
static u32 gather(pfn_t p, pfn_t *cluster)
{
	MMPTE *group = (MMPTE *)ALIGN_DOWN((u64)mm_pfn[p].pte, MM_CLUSTER * sizeof(MMPTE));
	u32 n = 0;

	for (u32 i = 0; i < MM_CLUSTER; i++)
		if (writable(&group[i]))
			cluster[n++] = pte_pfn(group[i]);
	return n;
}

static void start(pfn_t p, u32 file, u64 slot)
{
	MMPFN *f = &mm_pfn[p];

	page_list_remove(p);
	mm_release_slot(f->original_pte);
	f->state = PFN_IN_TRANSITION;
	f->refs = 1;
	f->flags = (f->flags & ~PFN_F_MODIFIED) | PFN_F_WRITING;
	f->original_pte = pte_pagefile(file, slot, pte_prot(f->original_pte));
}

/* One cluster to a pagefile. False: nothing could be started. */
static bool pagefile_cluster(struct write *w, pfn_t head, KIRQL irql)
{
	pfn_t cluster[MM_CLUSTER];
	u32 n = gather(head, cluster), file;
	u64 got, slot = mm_alloc_slots(n, &got, &file);

	if (!slot && mm_reclaim_slots(MM_CLUSTER * WRITES))
		slot = mm_alloc_slots(n, &got, &file);
	if (!slot) {
		KeReleaseSpinLock(&pfn_lock, irql);
		return false;
	}
	w->io.index = (u8)file;
	w->io.slot = slot;
	w->io.write = true;
	w->io.count = (u16)got;
	w->io.done = write_done;
	w->io.context = w;
	for (u32 i = 0; i < got; i++) {
		start(cluster[i], file, slot + i);
		w->io.pfn[i] = cluster[i];
	}
	w->busy = true;
	in_flight++;
	KeReleaseSpinLock(&pfn_lock, irql);
	IoPagefileSubmit(&w->io);
	return true;
}

static bool write_one(void)
{
	struct write *w = writes;
	KIRQL irql;
	pfn_t head;

	KeWaitForSingleObject(&slots_left, KERNEL_MODE, false, NULL);
	irql = KeAcquireSpinLock(&pfn_lock);
	while (w->busy)
		w++;
	head = mm_modified.head;
	if (!head) {
		KeReleaseSpinLock(&pfn_lock, irql);
	} else if (pte_kind(mm_pfn[head].original_pte) == PTE_K_PROTOTYPE) {
		bool ok = mm_write_file_cluster(head, irql); /* synchronous */

		KeReleaseSemaphore(&slots_left, 1, NULL);
		return ok;
	} else if (mm_store_wants(head)) {
		mm_store_page(head, irql);
		KeReleaseSemaphore(&slots_left, 1, NULL);
		return true;
	} else if (pagefile_cluster(w, head, irql)) {
		return true;
	}
	KeReleaseSemaphore(&slots_left, 1, NULL);
	return false;
}

static bool more_to_do(void)
{
	return mm_modified.count && (flush_all || mm_available < mm_high_pages ||
				     mm_modified.count > mm_total_pages / 8);
}

static void writer_thread(void *context)
{
	const s64 pause = -1000000; /* 100 ms after a failed write */

	(void)context;
	for (;;) {
		KeWaitForSingleObject(&writer_event, KERNEL_MODE, false, NULL);
		while (more_to_do()) {
			mm_keep_slots_free();
			if (failed) {
				KeDelayExecution(KERNEL_MODE, false, &pause);
				failed = false;
			}
			if (!write_one()) {
				KeDelayExecution(KERNEL_MODE, false, &pause);
				break;
			}
		}
		flush_all = false;
		KeSetEvent(&idle_event);
	}
}

void mm_wake_writer(void)
{
	if (!writer_event.d.signal)
		KeSetEvent(&writer_event);
}

void MmFlushModifiedList(void)
{
	const s64 step = -500000;

	flush_all = true;
	mm_wake_writer();
	for (u32 tries = 0; (mm_modified.count || in_flight) && tries < 200; tries++)
		KeWaitForSingleObject(&idle_event, KERNEL_MODE, false, &step);
}

void mm_init_writer(void)
{
	KeInitializeEvent(&writer_event, DO_EVENT_SYNCHRONIZATION, false);
	KeInitializeEvent(&idle_event, DO_EVENT_SYNCHRONIZATION, false);
	KeInitializeSemaphore(&slots_left, WRITES, WRITES);
	PsCreateSystemThread(writer_thread, NULL, 18, "modified page writer");
}
