/*
 * Sections of large pages (SEC_LARGE_PAGES, with SEC_HUGE_PAGES of 1 GB): pagefile-backed in name
 * only. Their frames are taken
 * at creation and stay until the last view and handle are gone; a view maps them by page directory
 * entries at once, so no fault ever comes.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

NTSTATUS mm_large_section(u64 size, u64 page, u32 prot, struct control_area **out)
{
	u64 n = size / page, pages = size >> PAGE_SHIFT;
	struct control_area *ca;
	NTSTATUS st;

	if (!size || size & (page - 1))
		return STATUS_INVALID_PARAMETER_4;
	if (page == HUGE_PAGE_SIZE && !mm_has_huge_pages())
		return STATUS_NOT_SUPPORTED;
	if (pages > mm_total_pages)
		return STATUS_INSUFFICIENT_RESOURCES;
	if ((st = mm_charge(NULL, pages)))
		return st;
	ca = mm_new_ca(n, 1);
	if (!ca) {
		mm_uncharge(NULL, pages);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	ca->pages = 0;
	ca->size = size;
	ca->prot = prot;
	ca->charged = pages;
	ca->subsection[0] = (struct subsection){.ca = ca, .prot = MM_READWRITE};
	st = mm_take_large_runs(ca->proto, n, page);
	if (st) {
		mm_dereference_ca(ca);
		return st;
	}
	ca->large_pages = n;
	ca->large_bytes = page;
	*out = ca;
	return STATUS_SUCCESS;
}

void mm_free_large_section(struct control_area *ca)
{
	for (u64 i = 0; i < ca->large_pages; i++)
		mm_free_large_run(ca->proto[i], ca->large_bytes);
}

NTSTATUS mm_map_large_view(struct address_space *as, MMVAD *v)
{
	u64 page = v->ca->large_bytes;
	const MMPTE *run = v->ca->proto + v->first * PAGE_SIZE / page;

	mm_free_empty_tables(as, vad_va(v),
			     vad_end(v)); /* a table of 4 KB pages that is in the way */
	for (u64 va = vad_va(v); va < vad_end(v); va += page, run++)
		if (!mm_set_large(as, va, *run, v->prot, page)) {
			mm_unmap_large_view(as, v);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
	return STATUS_SUCCESS;
}

void mm_unmap_large_view(struct address_space *as, MMVAD *v)
{
	for (u64 va = vad_va(v); va < vad_end(v); va += v->ca->large_bytes)
		mm_clear_large(as, va);
	ke_flush_tlb_all(as->cpus);
	mm_free_empty_tables(as, vad_va(v), vad_end(v));
}
