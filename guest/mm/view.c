/*
 * Views: a control area's pages in an address space. The VAD says which prototypes; page tables are
 * filled by faults. Private copies of copy-on-write pages are charged when the view is mapped.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

/* Pages of the view that may become private copies. */
static u64 copy_pages(const struct control_area *ca, u64 first, u64 pages, u32 prot)
{
	u64 n = 0;

	if (!ca->image)
		return MM_BASE(prot) == MM_WRITECOPY || MM_BASE(prot) == MM_EXECUTE_WRITECOPY
			   ? pages
			   : 0;
	for (u32 i = 0; i < ca->subsections; i++) {
		const struct subsection *s = &ca->subsection[i];

		if (MM_BASE(s->prot) == MM_WRITECOPY || MM_BASE(s->prot) == MM_EXECUTE_WRITECOPY)
			n += s->pages;
	}
	(void)first;
	return n;
}

static bool writes(u32 prot)
{
	return MM_BASE(prot) == MM_READWRITE || MM_BASE(prot) == MM_EXECUTE_READWRITE;
}

struct view_request {
	EPROCESS *p;
	struct control_area *ca;
	u64 base, first, pages;
	u32 type, prot;
	u64 lowest, highest;
	bool inherit, no_change, no_execute;
};

/* => ca is referenced for the view; on failure the caller keeps that reference */
static NTSTATUS insert_view(struct view_request *r, u64 *base)
{
	struct address_space *as = &r->p->as;
	MMVAD *v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', 'm'));
	u64 last = r->base + (r->pages << PAGE_SHIFT) - 1;
	NTSTATUS st;

	if (!v)
		return STATUS_INSUFFICIENT_RESOURCES;
	if (r->base && (r->pages > as->highest >> PAGE_SHIFT || last > as->highest)) {
		ExFreePool(v);
		return STATUS_INVALID_PARAMETER_3;
	}
	v->type = r->ca->image ? VAD_IMAGE : r->ca->large_pages ? VAD_LARGE : VAD_MAPPED;
	v->page_bytes = r->ca->large_bytes;
	v->prot = (u8)(r->ca->image ? MM_EXECUTE_WRITECOPY : r->prot);
	v->win32_prot = mm_win32_prot(v->prot);
	v->ca = r->ca;
	v->first = r->first;
	v->inherit = r->inherit;
	v->no_change = r->no_change;
	v->no_execute = r->no_execute;
	v->commit = copy_pages(r->ca, r->first, r->pages, r->prot);
	if (v->commit && (st = mm_charge(as, v->commit))) {
		ExFreePool(v);
		return st;
	}
	mutex_lock(&as->lock);
	if (as->dying) {
		st = STATUS_PROCESS_IS_TERMINATING;
	} else if (r->type & MEM_REPLACE_PLACEHOLDER) {
		MMVAD *hole = r->base ? mm_find_vad(as, r->base) : NULL;

		if (!hole || !hole->placeholder || vad_va(hole) != r->base ||
		    vad_end(hole) != r->base + (r->pages << PAGE_SHIFT)) {
			st = STATUS_CONFLICTING_ADDRESSES;
		} else {
			mm_free_vad(as, hole);
			v->from_placeholder = true;
			st = mm_insert_vad(as, v, r->base, r->pages << PAGE_SHIFT, PAGE_SIZE, 0,
					   as->highest, false);
		}
	} else {
		st = mm_insert_vad(as, v, r->base, r->pages << PAGE_SHIFT,
				   r->ca->large_pages ? r->ca->large_bytes : MM_GRANULARITY,
				   r->lowest, r->highest, r->type & MEM_TOP_DOWN);
	}
	if (!st && r->ca->large_pages && (st = mm_map_large_view(as, v))) {
		mm_free_vad(as, v);
		v = NULL;
	}
	if (!st) {
		__atomic_add_fetch(&r->ca->views, 1, __ATOMIC_SEQ_CST);
		if (writes(r->prot))
			__atomic_add_fetch(&r->ca->writable_views, 1, __ATOMIC_SEQ_CST);
		*base = vad_va(v);
	}
	mutex_unlock(&as->lock);
	if (st && v) {
		if (v->commit)
			mm_uncharge(as, v->commit);
		ExFreePool(v);
	}
	return st;
}

/* Where an image of that size would fit. */
static NTSTATUS find_room(struct view_request *r, u64 *base)
{
	struct address_space *as = &r->p->as;
	MMVAD probe = {0};
	NTSTATUS st;

	mutex_lock(&as->lock);
	st = mm_insert_vad(as, &probe, 0, r->ca->size, MM_GRANULARITY, r->lowest, r->highest,
			   r->type & MEM_TOP_DOWN);
	if (!st) {
		*base = vad_va(&probe);
		as->virtual_size -= vad_end(&probe) - *base;
		vad_remove(&as->vads, &probe.node);
	}
	mutex_unlock(&as->lock);
	return st;
}

/* At the base all processes share, if that is where it may be; else in a copy of its own, relocated
 * to where it goes: pages cannot be shared then. */
static NTSTATUS map_image(struct view_request *r, u64 *base, u64 *size)
{
	u64 asked = r->base, shared = r->ca->base;
	NTSTATUS st = STATUS_CONFLICTING_ADDRESSES;

	r->first = 0;
	r->pages = r->ca->pages;
	r->base = shared;
	*size = r->ca->size;
	if (shared + r->ca->size - 1 <= r->highest && shared >= r->lowest &&
	    (!asked || asked == shared))
		st = insert_view(r, base);
	for (u32 tries = 0; st == STATUS_CONFLICTING_ADDRESSES && tries < 8; tries++) {
		struct control_area *mine;
		u64 to = asked;

		if (asked == shared || (!to && (st = find_room(r, &to))))
			return st;
		st = mm_image_control_area(r->ca->file, to, &mine);
		if (st)
			return st;
		mm_dereference_ca(r->ca);
		r->ca = mine;
		r->base = to;
		st = insert_view(r, base);
		if (!st)
			return STATUS_IMAGE_NOT_AT_BASE;
		if (asked)
			return st; /* else somebody was quicker: again */
	}
	return st;
}

NTSTATUS mm_map_view(EPROCESS *p, struct section *s, u64 *base, u64 offset, u64 *size, u32 type,
		     u32 prot, u64 lowest, u64 highest, bool inherit)
{
	struct view_request r = {
	    .p = p,
	    .ca = s->ca,
	    .base = *base,
	    .type = type,
	    .prot = MM_BASE(prot) ? prot | s->cache : prot,
	    .lowest = lowest,
	    .highest = highest,
	    .inherit = inherit,
	    .no_change = s->no_change,
	    .no_execute = s->no_execute,
	};
	NTSTATUS st;

	if (s->ca->large_pages) {
		if ((*base | offset) & (s->ca->large_bytes - 1))
			return STATUS_MAPPED_ALIGNMENT;
		if (*size & (s->ca->large_bytes - 1) || type & MEM_REPLACE_PLACEHOLDER)
			return STATUS_INVALID_PARAMETER;
		if (MM_BASE(prot) == MM_NOACCESS_BASE || prot & 0x18 ||
		    mm_prot_bits[prot] & PTE_COW)
			return STATUS_INVALID_PAGE_PROTECTION;
	} else if (type & MEM_LARGE_PAGES || (s->ca->image && type & MEM_REPLACE_PLACEHOLDER)) {
		return STATUS_INVALID_PARAMETER;
	}
	mm_reference_ca(s->ca);
	if (s->ca->image) {
		st = map_image(&r, base, size);
	} else {
		u64 bytes = *size ? *size : s->size - MIN(offset, s->size);

		st = bytes && offset < s->size && bytes <= s->size - offset
			 ? STATUS_SUCCESS
			 : STATUS_INVALID_VIEW_SIZE;
		if (!st) {
			r.first = offset >> PAGE_SHIFT;
			r.pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
			st = insert_view(&r, base);
			*size = r.pages << PAGE_SHIFT;
		}
	}
	if (!NT_SUCCESS(st))
		mm_dereference_ca(r.ca);
	return st;
}

/* => A; deletes v */
NTSTATUS mm_unmap_vad(EPROCESS *p, MMVAD *v)
{
	struct control_area *ca = v->ca;
	u64 commit = v->commit;

	if (ca->image)
		mm_note_sharing(ca);
	if (ca->large_pages)
		mm_unmap_large_view(&p->as, v);
	else
		mm_delete_pages(&p->as, v, vad_va(v), vad_end(v), 0);
	if (!ca->image && writes(v->prot))
		__atomic_sub_fetch(&ca->writable_views, 1, __ATOMIC_SEQ_CST);
	if (!__atomic_sub_fetch(&ca->views, 1, __ATOMIC_SEQ_CST) && ca->image)
		mm_note_copies(ca);
	mm_free_vad(&p->as, v);
	if (commit)
		mm_uncharge(&p->as, commit);
	mm_dereference_ca(ca);
	return STATUS_SUCCESS;
}

NTSTATUS mm_commit_view(struct address_space *as, MMVAD *v, u64 start, u64 end, u32 prot,
			u64 *pages)
{
	struct control_area *ca = v->ca;
	struct pte_queue q;
	u64 fresh = 0;
	bool flush = false;
	NTSTATUS st;
	KIRQL old;

	if (ca->file || ca->image || ca->large_pages)
		return STATUS_ALREADY_COMMITTED;
	if ((st = mm_check_view_prot(v, &prot)))
		return st;
	if (v->no_change && prot != v->prot)
		return STATUS_INVALID_PAGE_PROTECTION;
	for (u64 va = start; va < end; va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
		if (!mm_make_pte(as, va))
			return STATUS_INSUFFICIENT_RESOURCES;
	q.n = 0;
	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va);

		old = KeAcquireSpinLock(&pfn_lock);
		if (!*vad_proto(v, va) && fresh < *pages) {
			*vad_proto(v, va) = pte_demand_zero(MM_READWRITE);
			fresh++;
		}
		KeReleaseSpinLock(&pfn_lock, old);
		flush |= *pte & PTE_VALID;
		if (prot != v->prot || *pte)
			mm_set_protection(as, v, va, pte, prot, &q);
	}
	pte_flush(&q);
	if (flush)
		ke_flush_tlb_all(as->cpus);
	/* the charge is the section's from now on, not the process's */
	mm_charge_to_system(as, fresh);
	__atomic_add_fetch(&ca->charged, fresh, __ATOMIC_SEQ_CST);
	*pages -= fresh;
	return STATUS_SUCCESS;
}

void mm_harvest_all(struct control_area *ca, u64 first, u64 count)
{
	mutex_lock(&mm_spaces_lock);
	LIST_FOR_EACH(e, &mm_spaces)
	{
		struct address_space *as = CONTAINER_OF(e, struct address_space, all);

		mutex_lock(&as->lock);
		for (struct vad_node *n = vad_first(&as->vads); n; n = vad_next(n)) {
			MMVAD *v = CONTAINER_OF(n, MMVAD, node);
			u64 from, to;

			if (v->ca != ca || !writes(v->prot))
				continue;
			from = MAX(first, v->first);
			to = MIN(first + count, v->first + (n->end + 1 - n->start));
			if (from < to)
				mm_harvest_dirty(as, (n->start + from - v->first) << PAGE_SHIFT,
						 (n->start + to - v->first) << PAGE_SHIFT);
		}
		mutex_unlock(&as->lock);
	}
	mutex_unlock(&mm_spaces_lock);
}
