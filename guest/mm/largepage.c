/*
 * Large pages: private memory in pages of 2 MB, and of 1 GB where a whole aligned gigabyte of the
 * request is there and the processor knows such pages. Present from the start, never paged, not in
 * the working set; all of the request or nothing.
 *
 * The runs of frames are found first, without any lock of the address space (the search may trim
 * everybody to make room); they wait in a chain: MMPFN.flink of a run's first frame is the next
 * run's first frame, blink its length in pages. Only then is the range taken and mapped under A.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

#define LARGE_PAGES (LARGE_PAGE_SIZE >> PAGE_SHIFT)
#define HUGE_PAGES  (HUGE_PAGE_SIZE >> PAGE_SHIFT)
#define PDE_LEVEL   21u
#define PPE_LEVEL   30u

#define CPUID_EXTENDED	  0x80000001u
#define CPUID_EDX_PAGE1GB (1u << 26)

struct mutex mm_pin_lock;

void mm_init_pin(void)
{
	mutex_init(&mm_pin_lock);
}

bool mm_can_pin(u64 pages)
{
	u64 can = mm_available + mm_modified.count;

	mutex_lock(&mm_spaces_lock);
	LIST_FOR_EACH(e, &mm_spaces)
	{
		struct address_space *as = CONTAINER_OF(e, struct address_space, all);

		can += as->ws_pages - MIN(as->ws_pages, as->ws_locked);
	}
	mutex_unlock(&mm_spaces_lock);
	return can >= pages && can - pages >= mm_high_pages;
}

bool mm_has_huge_pages(void)
{
	u32 r[4];

	cpuid(CPUID_EXTENDED & 0x80000000u, 0, r);
	if (r[0] < CPUID_EXTENDED)
		return false;
	cpuid(CPUID_EXTENDED, 0, r);
	return r[3] & CPUID_EDX_PAGE1GB;
}

/* ---- runs of frames ---- */

struct runs {
	pfn_t first, last;
	bool tried_hard; /* everybody has been trimmed once: it is not done again */
};

static pfn_t take_run(struct runs *r, u64 pages, bool hard)
{
	pfn_t p = mm_take_contiguous(pages, pages, PFN_F_NOPAGE, NTMM_USE_LARGE);

	if (p || !hard || r->tried_hard)
		return p;
	r->tried_hard = true;
	MmEmptyAllWorkingSets();
	MmFlushModifiedList();
	return mm_take_contiguous(pages, pages, PFN_F_NOPAGE, NTMM_USE_LARGE);
}

static void add_run(struct runs *r, pfn_t p, u64 pages)
{
	mm_pfn[p].flink = 0;
	mm_pfn[p].blink = (u32)pages;
	if (r->last)
		mm_pfn[r->last].flink = p;
	else
		r->first = p;
	r->last = p;
}

static void free_runs(struct runs *r)
{
	while (r->first) {
		pfn_t p = r->first;
		u64 pages = mm_pfn[p].blink;

		r->first = mm_pfn[p].flink;
		for (u64 i = 0; i < pages; i += LARGE_PAGES) /* short holds of F */
			mm_free_contiguous(p + (pfn_t)i, LARGE_PAGES);
	}
}

/* Frames for [va, va + size): gigabytes where they fit (only those: huge == HUGE_ONLY). */
enum huge_use { HUGE_NONE, HUGE_MAY, HUGE_ONLY };

static NTSTATUS take_runs(struct runs *r, u64 va, u64 size, enum huge_use huge)
{
	u64 end = va + size, bytes;

	for (; va < end; va += bytes) {
		pfn_t p = 0;

		bytes = HUGE_PAGE_SIZE;
		if (huge && !(va & (HUGE_PAGE_SIZE - 1)) && end - va >= HUGE_PAGE_SIZE)
			p = take_run(r, HUGE_PAGES, huge == HUGE_ONLY);
		if (!p && huge != HUGE_ONLY) {
			bytes = LARGE_PAGE_SIZE;
			p = take_run(r, LARGE_PAGES, true);
		}
		if (!p) {
			free_runs(r);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
		add_run(r, p, bytes >> PAGE_SHIFT);
	}
	return STATUS_SUCCESS;
}

/* ---- mapping ---- */

static u64 *counter_of(u64 pages)
{
	return pages == HUGE_PAGES ? &MmCounters.huge_pages : &MmCounters.large_pages;
}

static MMPTE large_pte(pfn_t p, u32 prot)
{
	MMPTE v = pte_valid(p, prot) | PTE_LARGE | PTE_DIRTY;

	return v & PTE_WRITE ? v | PTE_HW_WRITE : v;
}

NTSTATUS mm_take_large_runs(MMPTE *run, u64 n, u64 bytes)
{
	struct runs runs = {0};
	NTSTATUS st = STATUS_INSUFFICIENT_RESOURCES;

	mutex_lock(&mm_pin_lock);
	if (mm_can_pin(n * bytes >> PAGE_SHIFT))
		st =
		    take_runs(&runs, 0, n * bytes, bytes == HUGE_PAGE_SIZE ? HUGE_ONLY : HUGE_NONE);
	mutex_unlock(&mm_pin_lock);
	for (u64 i = 0; !st && i < n; i++) {
		run[i] = (u64)runs.first << PAGE_SHIFT | PTE_VALID;
		runs.first = mm_pfn[runs.first].flink;
	}
	return st;
}

void mm_free_large_run(MMPTE run, u64 bytes)
{
	for (u64 i = 0; i < bytes >> PAGE_SHIFT; i += LARGE_PAGES) /* short holds of F */
		mm_free_contiguous(pte_pfn(run) + (pfn_t)i, LARGE_PAGES);
}

bool mm_set_large(struct address_space *as, u64 va, MMPTE run, u32 prot, u64 bytes)
{
	MMPTE *e = mm_make_entry(as, va, bytes == HUGE_PAGE_SIZE ? PPE_LEVEL : PDE_LEVEL);

	if (!e)
		return false;
	require(!*e);
	pte_set(e, large_pte(pte_pfn(run), prot));
	atomic_add(counter_of(bytes >> PAGE_SHIFT), 1);
	return true;
}

void mm_clear_large(struct address_space *as, u64 va)
{
	u64 bytes;
	MMPTE *e = mm_find_large(as, va, &bytes);

	if (!e)
		return;
	pte_set(e, 0);
	atomic_add(counter_of(bytes >> PAGE_SHIFT), -1);
}

/* => A. Takes the runs off the chain as it maps them; false: no memory for tables. */
static bool map_runs(struct address_space *as, MMVAD *v, struct runs *r)
{
	mm_free_empty_tables(as, vad_va(v),
			     vad_end(v)); /* a table of 4 KB pages that is in the way */
	for (u64 va = vad_va(v); r->first;) {
		pfn_t p = r->first;
		u64 pages = mm_pfn[p].blink;
		MMPTE *e = mm_make_entry(as, va, pages == HUGE_PAGES ? PPE_LEVEL : PDE_LEVEL);

		if (!e)
			return false;
		require(!*e);
		r->first = mm_pfn[p].flink;
		pte_set(e, large_pte(p, v->prot));
		atomic_add(counter_of(pages), 1);
		va += pages << PAGE_SHIFT;
	}
	return true;
}

/* => A. Unmaps all of it and frees the frames; v stays. */
void mm_free_large(struct address_space *as, MMVAD *v)
{
	struct runs gone = {0};
	u64 bytes = LARGE_PAGE_SIZE;

	for (u64 va = vad_va(v); va < vad_end(v); va += bytes) {
		MMPTE *e = mm_find_large(as, va, &bytes);

		if (!e) { /* of a mapping that was never finished */
			bytes = LARGE_PAGE_SIZE;
			continue;
		}
		add_run(&gone, pte_pfn(*e), bytes >> PAGE_SHIFT);
		pte_set(e, 0);
		atomic_add(counter_of(bytes >> PAGE_SHIFT), -1);
	}
	if (gone.first)
		ke_flush_tlb_all(as->cpus);
	free_runs(&gone);
	mm_free_empty_tables(as, vad_va(v), vad_end(v));
}

static NTSTATUS insert_large(struct address_space *as, MMVAD *v, const struct alloc_request *r,
			     u64 align, struct runs *runs)
{
	NTSTATUS st;

	mutex_lock(&as->lock);
	if (as->dying)
		st = STATUS_PROCESS_IS_TERMINATING;
	else
		st = mm_insert_vad(as, v, r->base, r->size, MAX(align, r->align), r->lowest,
				   r->highest, r->type & MEM_TOP_DOWN);
	if (!st && !map_runs(as, v, runs)) {
		mm_free_large(as, v);
		mm_free_vad(as, v);
		st = STATUS_INSUFFICIENT_RESOURCES;
	} else if (st) {
		ExFreePool(v);
	}
	mutex_unlock(&as->lock);
	return st;
}

static NTSTATUS allocate(struct address_space *as, struct alloc_request *r, enum huge_use huge)
{
	u64 page = huge == HUGE_ONLY ? HUGE_PAGE_SIZE : LARGE_PAGE_SIZE;
	u64 align = huge ? HUGE_PAGE_SIZE : LARGE_PAGE_SIZE;
	struct runs runs = {0};
	NTSTATUS st;
	MMVAD *v;

	mutex_lock(&mm_pin_lock);
	st = mm_can_pin(r->size >> PAGE_SHIFT)
		 ? take_runs(&runs, r->base, r->size, huge) /* base 0: as aligned as any */
		 : STATUS_INSUFFICIENT_RESOURCES;
	mutex_unlock(&mm_pin_lock);
	if (st)
		return st;
	v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', 'L'));
	if (!v) {
		free_runs(&runs);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	v->type = VAD_LARGE;
	v->prot = (u8)r->prot;
	v->win32_prot = mm_win32_prot(r->prot);
	v->committed = true;
	v->top_down = r->type & MEM_TOP_DOWN;
	v->commit = r->size >> PAGE_SHIFT;
	v->page_bytes = page;
	st = insert_large(as, v, r, align, &runs);
	if (st)
		free_runs(&runs);
	else
		r->base = vad_va(v);
	return st;
}

NTSTATUS mm_allocate_large(EPROCESS *p, struct alloc_request *r)
{
	struct address_space *as = &p->as;
	bool only = r->attributes & MEM_EXTENDED_PARAMETER_NONPAGED_HUGE;
	bool may = !(r->attributes & MEM_EXTENDED_PARAMETER_NONPAGED_LARGE) &&
		   r->size >= HUGE_PAGE_SIZE && mm_has_huge_pages();
	u64 page = only ? HUGE_PAGE_SIZE : LARGE_PAGE_SIZE;
	NTSTATUS st;

	if ((r->base | r->size) & (page - 1) ||
	    r->type & (MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER))
		return STATUS_INVALID_PARAMETER;
	if (!mm_stays_resident(r->prot))
		return STATUS_INVALID_PAGE_PROTECTION;
	if (only && !mm_has_huge_pages())
		return STATUS_NOT_SUPPORTED;
	if ((st = mm_charge(as, r->size >> PAGE_SHIFT)))
		return st;
	st = allocate(as, r, only ? HUGE_ONLY : may ? HUGE_MAY : HUGE_NONE);
	if (st == STATUS_NO_MEMORY && may && !only) /* no place on a gigabyte boundary */
		st = allocate(as, r, HUGE_NONE);
	if (st)
		mm_uncharge(as, r->size >> PAGE_SHIFT);
	return st;
}
