/*
 * Pages of files: reading them into prototypes (data and images), writing modified ones back, and what
 * keeps views and ReadFile/WriteFile telling the same story.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

/* ---- in ---- */

/* After the transfer: zero what the file does not have, relocate, check that the file is as long as
 * it was. Page `at` is the subsection's page of the first frame. */
static NTSTATUS complete_pages(struct subsection *s, u64 at, struct inpage *in, u64 got)
{
	for (u32 i = 0; i < in->count; i++) {
		u64 off = (at + i) << PAGE_SHIFT;
		u64 want = s->file_bytes > off ? MIN(s->file_bytes - off, PAGE_SIZE) : 0;
		u64 have = got > (u64)i << PAGE_SHIFT ? got - ((u64)i << PAGE_SHIFT) : 0;
		u8 *bytes = pfn_to_va(in->io.pfn[i]);
		NTSTATUS st;

		if (have < want)
			return STATUS_END_OF_FILE; /* cut beneath us */
		if (want < PAGE_SIZE)
			memset(bytes + want, 0, PAGE_SIZE - want);
		if (s->ca->image && (st = mm_relocate_image_page(s->ca, s->first + at + i, bytes)))
			return st;
	}
	return STATUS_SUCCESS;
}

NTSTATUS mm_page_in_file(struct address_space *as, MMPTE *proto, bool single, KIRQL irql)
{
	struct subsection *s = pte_to_subsection(*proto);
	struct control_area *ca = s->ca;
	u64 page = (u64)(proto - ca->proto), first = page, last = page;
	u64 lo = MAX(ALIGN_DOWN(page, MM_CLUSTER), s->first);
	u64 hi = MIN(ALIGN_DOWN(page, MM_CLUSTER) + MM_CLUSTER, s->first + s->pages);
	struct inpage *in = mm_get_inpage();
	u64 spare = mm_available > MM_RESERVE ? mm_available - MM_RESERVE : 0, got = 0;
	NTSTATUS st;

	if (!in || !spare) {
		if (in)
			mm_put_inpage(in);
		KeReleaseSpinLock(&pfn_lock, irql);
		mutex_unlock(&as->lock);
		mm_wait_for_pages();
		return STATUS_SUCCESS;
	}
	spare = MIN(spare, MM_CLUSTER);
	while (!single && last + 1 < hi && last - first + 1 < spare &&
	       pte_kind(ca->proto[last + 1]) == PTE_K_PROTOTYPE)
		last++;
	while (!single && first > lo && last - first + 1 < spare &&
	       pte_kind(ca->proto[first - 1]) == PTE_K_PROTOTYPE)
		first--;
	for (u64 i = first; i <= last; i++)
		mm_inpage_add(in, &ca->proto[i], true);
	as->hard_faults++;
	counter_inc(MmCounters.faults_hard);
	KeReleaseSpinLock(&pfn_lock, irql);
	mutex_unlock(&as->lock);

	st = IoReadFilePages(ca->file, s->file_offset + ((first - s->first) << PAGE_SHIFT),
			     in->io.pfn, in->count, &got);
	if (NT_SUCCESS(st))
		st = complete_pages(s, first - s->first, in, got);
	irql = KeAcquireSpinLock(&pfn_lock);
	in->status = st;
	if (NT_SUCCESS(st)) {
		MmCounters.pages_in_file += in->count;
		ca->resident += in->count;
		if (s->shared_write) /* from now on the pagefile's */
			for (u32 i = 0; i < in->count; i++) {
				mm_pfn[in->io.pfn[i]].original_pte = pte_demand_zero(s->prot);
				mm_pfn[in->io.pfn[i]].flags |= PFN_F_MODIFIED;
			}
	}
	mm_inpage_finish(in);
	mm_put_inpage(in);
	KeReleaseSpinLock(&pfn_lock, irql);
	return !NT_SUCCESS(st) && first != last ? STATUS_MM_RETRY_SINGLE : st;
}

/* ---- out ---- */

struct outpage {
	u32 n;
	pfn_t pfn[MM_CLUSTER];
};

/* Marks a modified page of the file as being written. => F */
static void begin_write(struct outpage *o, pfn_t p)
{
	MMPFN *f = &mm_pfn[p];

	if (f->state == PFN_MODIFIED)
		page_list_remove(p);
	if (f->state != PFN_ACTIVE)
		f->state = PFN_IN_TRANSITION;
	f->refs++;
	f->flags = (f->flags & ~PFN_F_MODIFIED) | PFN_F_WRITING;
	o->pfn[o->n++] = p;
}

static void end_write(struct outpage *o, NTSTATUS st)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);

	for (u32 i = 0; i < o->n; i++) {
		mm_pfn[o->pfn[i]].flags &= ~PFN_F_WRITING;
		if (!NT_SUCCESS(st))
			mm_pfn[o->pfn[i]].flags |= PFN_F_MODIFIED;
		pfn_drop_ref(o->pfn[i]);
	}
	if (NT_SUCCESS(st))
		MmCounters.pages_out_file += o->n;
	KeReleaseSpinLock(&pfn_lock, old);
}

static NTSTATUS transfer(struct subsection *s, u64 at, struct outpage *o)
{
	u64 off = at << PAGE_SHIFT, bytes = (u64)o->n << PAGE_SHIFT;

	if (off >= s->file_bytes)
		return STATUS_SUCCESS;
	return IoWriteFilePages(s->ca->file, s->file_offset + off, o->pfn,
				(u32)MIN(bytes, s->file_bytes - off));
}

/* A frame of this prototype that has to be written, or 0. => F */
static pfn_t dirty_frame(MMPTE v, bool active_too)
{
	pfn_t p = pte_pfn(v);
	enum pte_kind k = pte_kind(v);
	MMPFN *f = &mm_pfn[p];

	if (k != PTE_K_TRANSITION && (k != PTE_K_VALID || !active_too))
		return 0;
	if (!(f->flags & PFN_F_MODIFIED) || f->flags & (PFN_F_WRITING | PFN_F_READING) ||
	    pte_kind(f->original_pte) != PTE_K_PROTOTYPE)
		return 0;
	return p;
}

bool mm_write_file_cluster(pfn_t head, KIRQL irql)
{
	struct subsection *s = pte_to_subsection(mm_pfn[head].original_pte);
	struct control_area *ca = s->ca;
	u64 page = (u64)(mm_pfn[head].pte - ca->proto), first = page;
	struct outpage o = {0};
	NTSTATUS st;

	while (first > s->first && first > ALIGN_DOWN(page, MM_CLUSTER) &&
	       dirty_frame(ca->proto[first - 1], false))
		first--;
	for (u64 i = first; o.n < MM_CLUSTER && i < s->first + s->pages; i++) {
		pfn_t p = dirty_frame(ca->proto[i], false);

		if (!p)
			break;
		begin_write(&o, p);
	}
	KeReleaseSpinLock(&pfn_lock, irql);
	st = transfer(s, first - s->first, &o);
	end_write(&o, st);
	return NT_SUCCESS(st);
}

NTSTATUS mm_flush_pages(struct control_area *ca, u64 first, u64 count)
{
	NTSTATUS result = STATUS_SUCCESS;
	u64 i = first, end = MIN(first + count, ca->pages);

	if (!ca->file || ca->image)
		return STATUS_SUCCESS;
	while (i < end) {
		struct outpage o = {0};
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		struct subsection *s = mm_subsection_of(ca, i);
		u64 start;
		NTSTATUS st;
		pfn_t p;

		while (i < end && !dirty_frame(ca->proto[i], true))
			i++;
		start = i;
		for (; i < end && o.n < MM_CLUSTER && (p = dirty_frame(ca->proto[i], true)); i++)
			begin_write(&o, p);
		KeReleaseSpinLock(&pfn_lock, old);
		if (!o.n)
			break;
		st = transfer(s, start - s->first, &o);
		end_write(&o, st);
		if (!NT_SUCCESS(st))
			result = st;
	}
	mm_wait_for_writes(ca);
	return result;
}

/* Until no page of it is being written. => PASSIVE */
void mm_wait_for_writes(struct control_area *ca)
{
	const s64 step = -10000; /* 1 ms */

	for (;;) {
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		bool busy = false;

		for (u64 i = 0; i < ca->pages && !busy; i++) {
			enum pte_kind k = pte_kind(ca->proto[i]);

			if (k == PTE_K_TRANSITION || k == PTE_K_VALID)
				busy = mm_pfn[pte_pfn(ca->proto[i])].flags & PFN_F_WRITING;
		}
		KeReleaseSpinLock(&pfn_lock, old);
		if (!busy)
			return;
		KeDelayExecution(KERNEL_MODE, false, &step);
	}
}

void mm_harvest_dirty(struct address_space *as, MMVAD *v, u64 start, u64 end)
{
	bool flush = false;

	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va);
		KIRQL old;

		if (!pte || (*pte & (PTE_VALID | PTE_DIRTY)) != (PTE_VALID | PTE_DIRTY))
			continue;
		if (!(mm_pfn[pte_pfn(*pte)].flags & PFN_F_PROTOTYPE))
			continue;
		old = KeAcquireSpinLock(&pfn_lock);
		mm_pfn[pte_pfn(*pte)].flags |= PFN_F_MODIFIED;
		KeReleaseSpinLock(&pfn_lock, old);
		__atomic_fetch_and(pte, ~PTE_DIRTY, __ATOMIC_SEQ_CST);
		flush = true;
	}
	(void)v;
	if (flush)
		ke_flush_tlb_all(as->cpus);
}

/* ---- what io asks (fs.h) ---- */

bool MmCanFileBeTruncated(struct section_object_pointers *p, u64 size);
bool MmCanFileBeWritten(struct section_object_pointers *p);
void MmFlushMappedFile(struct section_object_pointers *p, u64 offset, u64 bytes);
void MmUpdateMappedFile(struct section_object_pointers *p, u64 offset, const void *data, u32 bytes);

bool MmCanFileBeTruncated(struct section_object_pointers *p, u64 size)
{
	struct control_area *ca = mm_find_ca(&p->data);
	bool yes = true;

	if (ca) {
		yes = !ca->views || size >= ca->size;
		mm_dereference_ca(ca);
	}
	return yes && MmCanFileBeWritten(p);
}

bool MmCanFileBeWritten(struct section_object_pointers *p)
{
	struct control_area *ca = mm_find_ca(&p->image);
	bool yes = true;

	if (ca) {
		yes = ca->refs == 1; /* ours: nobody maps it */
		if (yes)
			mm_forget_image(p);
		mm_dereference_ca(ca);
	}
	return yes;
}

void MmFlushMappedFile(struct section_object_pointers *p, u64 offset, u64 bytes)
{
	struct control_area *ca = mm_find_ca(&p->data);
	u64 first = offset >> PAGE_SHIFT;

	if (!ca)
		return;
	mm_harvest_all(ca);
	if (first < ca->pages)
		mm_flush_pages(ca, first,
			       bytes > ca->size ? ca->pages
						: ((offset + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT) - first);
	mm_dereference_ca(ca);
}

void MmUpdateMappedFile(struct section_object_pointers *p, u64 offset, const void *data, u32 bytes)
{
	struct control_area *ca = mm_find_ca(&p->data);

	if (!ca)
		return;
	for (u32 at = 0; at < bytes;) {
		u64 page = (offset + at) >> PAGE_SHIFT, in = (offset + at) & (PAGE_SIZE - 1);
		u32 part = (u32)MIN(bytes - at, PAGE_SIZE - in);
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		MMPTE v = page < ca->pages ? ca->proto[page] : 0;

		while (pte_kind(v) == PTE_K_TRANSITION && mm_pfn[pte_pfn(v)].flags & PFN_F_READING) {
			mm_wait_for_read(NULL, pte_pfn(v), old);
			old = KeAcquireSpinLock(&pfn_lock);
			v = ca->proto[page];
		}
		if (pte_kind(v) == PTE_K_VALID || pte_kind(v) == PTE_K_TRANSITION)
			memcpy((u8 *)pfn_to_va(pte_pfn(v)) + in, (const u8 *)data + at, part);
		KeReleaseSpinLock(&pfn_lock, old);
		at += part;
	}
	mm_dereference_ca(ca);
}
