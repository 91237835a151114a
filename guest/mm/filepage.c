/*
 * Pages of files: reading them into prototypes (data and images), writing modified ones back, and
 * what keeps views and ReadFile/WriteFile telling the same story.
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

#define SCAN 512u /* prototypes looked at before F is let go */

/* The next run of modified pages from *at on, marked as being written; *at is behind it then. */
static u64 next_run(struct control_area *ca, u64 *at, u64 end, struct outpage *o)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	u64 i = *at, stop = MIN(end, i + SCAN), start;
	pfn_t p;

	while (i < stop && !dirty_frame(ca->proto[i], true))
		i++;
	start = i;
	for (; i < end && o->n < MM_CLUSTER && (p = dirty_frame(ca->proto[i], true)); i++)
		begin_write(o, p);
	KeReleaseSpinLock(&pfn_lock, old);
	*at = i;
	return start;
}

NTSTATUS mm_flush_pages(struct control_area *ca, u64 first, u64 count)
{
	NTSTATUS result = STATUS_SUCCESS;
	u64 i = first, end = MIN(first + count, ca->pages);

	if (!ca->file || ca->image)
		return STATUS_SUCCESS;
	while (i < end) {
		struct outpage o = {0};
		u64 start = next_run(ca, &i, end, &o);
		NTSTATUS st;

		if (!o.n)
			continue;
		st = transfer(ca->subsection, start, &o);
		end_write(&o, st);
		if (!NT_SUCCESS(st))
			result = st;
	}
	mm_wait_for_writes(ca, first, end);
	return result;
}

/* Until no page of [first, end) is being written, by whomever. => PASSIVE */
void mm_wait_for_writes(struct control_area *ca, u64 first, u64 end)
{
	const s64 step = -10000; /* 1 ms */

	for (u64 i = first; i < end;) {
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		bool busy = false;

		for (u64 stop = MIN(end, i + SCAN); i < stop; i++) {
			enum pte_kind k = pte_kind(ca->proto[i]);

			busy = (k == PTE_K_TRANSITION || k == PTE_K_VALID) &&
			       mm_pfn[pte_pfn(ca->proto[i])].flags & PFN_F_WRITING;
			if (busy)
				break;
		}
		KeReleaseSpinLock(&pfn_lock, old);
		if (busy)
			KeDelayExecution(KERNEL_MODE, false, &step);
	}
}

void mm_harvest_dirty(struct address_space *as, u64 start, u64 end)
{
	bool flush = false;

	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte;
		KIRQL old;

		if (va == start || !(va & (LARGE_PAGE_SIZE - 1)))
			va = mm_skip_absent(as, va, end);
		if (va >= end)
			break;
		pte = mm_find_pte(as, va);
		if ((*pte & (PTE_VALID | PTE_DIRTY)) != (PTE_VALID | PTE_DIRTY) ||
		    !(mm_pfn[pte_pfn(*pte)].flags & PFN_F_PROTOTYPE))
			continue;
		old = KeAcquireSpinLock(&pfn_lock);
		mm_pfn[pte_pfn(*pte)].flags |= PFN_F_MODIFIED;
		KeReleaseSpinLock(&pfn_lock, old);
		pte_change(pte, PTE_DIRTY, 0);
		flush = true;
	}
	if (flush)
		ke_flush_tlb_all(as->cpus);
}

/* ---- what io asks (fs.h) ---- */

bool MmCanFileBeTruncated(struct section_object_pointers *p, u64 size)
{
	struct control_area *ca = mm_find_ca(&p->data);
	bool yes = true;

	if (ca) {
		yes =
		    ca->refs == 1 || size >= ca->size; /* ours is one; sections count as views do */
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
	u64 first = offset >> PAGE_SHIFT, count;

	if (!ca)
		return;
	if (first < ca->pages) {
		bytes = MIN(bytes, (ca->pages << PAGE_SHIFT) - offset);
		count = ((offset + bytes + PAGE_SIZE - 1) >> PAGE_SHIFT) - first;
		mm_harvest_all(ca, first, count);
		mm_flush_pages(ca, first, count);
	}
	mm_dereference_ca(ca);
}

/* The file is this long now: what it has more of its last page is no longer beyond its end. */
static void note_growth(struct control_area *ca, u64 bytes)
{
	KIRQL old;

	mutex_lock(&ca->lock);
	old = KeAcquireSpinLock(&pfn_lock);
	bytes = MIN(bytes, ca->pages << PAGE_SHIFT);
	ca->size = ca->subsection[0].file_bytes = MAX(ca->size, bytes);
	KeReleaseSpinLock(&pfn_lock, old);
	mutex_unlock(&ca->lock);
}

void MmFileGrew(struct section_object_pointers *p, u64 bytes)
{
	struct control_area *ca = mm_find_ca(&p->data);

	if (!ca)
		return;
	note_growth(ca, bytes);
	mm_dereference_ca(ca);
}

void MmUpdateMappedFile(struct section_object_pointers *p, u64 offset, const void *data, u32 bytes,
			bool written)
{
	struct control_area *ca = mm_find_ca(&p->data);

	if (!ca)
		return;
	for (u32 at = 0; at < bytes;) {
		u64 page = (offset + at) >> PAGE_SHIFT, in = (offset + at) & (PAGE_SIZE - 1);
		u32 part = (u32)MIN(bytes - at, PAGE_SIZE - in);
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		MMPTE v = page < ca->pages ? ca->proto[page] : 0;

		while (pte_kind(v) == PTE_K_TRANSITION &&
		       mm_pfn[pte_pfn(v)].flags & PFN_F_READING) {
			mm_wait_for_read(NULL, pte_pfn(v), old);
			old = KeAcquireSpinLock(&pfn_lock);
			v = ca->proto[page];
		}
		if (pte_kind(v) == PTE_K_VALID || pte_kind(v) == PTE_K_TRANSITION) {
			MMPFN *f = &mm_pfn[pte_pfn(v)];

			memcpy((u8 *)pfn_to_va(pte_pfn(v)) + in, (const u8 *)data + at, part);
			if (f->flags & PFN_F_WRITING) /* older bytes are under way to the file */
				f->flags |= PFN_F_MODIFIED;
		}
		KeReleaseSpinLock(&pfn_lock, old);
		at += part;
	}
	if (written)
		note_growth(ca, offset + bytes);
	mm_dereference_ca(ca);
}
