/* NtFreeVirtualMemory: decommit and release, whole regions and parts of them, placeholders. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

/* Cuts v so that a VAD boundary lies at `va`; the right part is returned in *right. */
static NTSTATUS split_vad(struct address_space *as, MMVAD *v, u64 va, MMVAD **right)
{
	u64 left_pages = (va >> PAGE_SHIFT) - v->node.start;
	u64 right_pages = v->node.end + 1 - (va >> PAGE_SHIFT);
	MMVAD *r = ExAllocatePool(sizeof(*r), TAG('V', 'a', 'd', ' '));
	u64 end = v->node.end;

	if (!r)
		return STATUS_INSUFFICIENT_RESOURCES;
	*r = *v;
	if (v->watch) {
		r->watch = mm_new_watch(right_pages);
		if (!r->watch) {
			ExFreePool(r);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
		r->node.start = va >> PAGE_SHIFT;
		mm_split_watch(v, left_pages, r);
		mm_shrink_watch(v, left_pages);
	}
	r->commit = v->commit ? mm_count_committed(as, v, va, vad_end(v)) : 0;
	v->commit -= r->commit;
	require(vad_resize(&as->vads, &v->node, v->node.start, (va >> PAGE_SHIFT) - 1));
	r->node = (struct vad_node){.start = va >> PAGE_SHIFT, .end = end};
	require(vad_insert(&as->vads, &r->node));
	*right = r;
	return STATUS_SUCCESS;
}

/* Makes [start, end), which lies in v, a VAD of its own: *v. */
static NTSTATUS isolate(struct address_space *as, MMVAD **v, u64 start, u64 end)
{
	MMVAD *right;
	NTSTATUS st;

	if (end < vad_end(*v)) {
		st = split_vad(as, *v, end, &right);
		if (st)
			return st;
	}
	if (start > vad_va(*v)) {
		st = split_vad(as, *v, start, &right);
		if (st)
			return st;
		*v = right;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS release(EPROCESS *p, MMVAD *v, u64 start, u64 end, bool keep_placeholder)
{
	struct address_space *as = &p->as;
	u64 commit;
	NTSTATUS st;

	if (v->type == VAD_LARGE && (start != vad_va(v) || end != vad_end(v)))
		return STATUS_UNABLE_TO_FREE_VM;
	if (start > vad_va(v) || end < vad_end(v)) {
		st = isolate(as, &v, start, end);
		if (st)
			return st;
	}
	if (v->type == VAD_LARGE)
		mm_free_large(as, v);
	else if (v->type == VAD_NONPAGED)
		mm_free_nonpaged(as, start, end);
	else
		mm_delete_pages(as, v, start, end, 0);
	commit = v->commit;
	v->commit = 0;
	if (keep_placeholder) {
		v->placeholder = true;
		v->committed = false;
		v->write_watch = false;
		v->type = VAD_PRIVATE;
		v->prot = MM_NOACCESS;
		v->win32_prot = PAGE_NOACCESS;
		if (v->watch)
			ExFreePool(v->watch);
		v->watch = NULL;
	} else {
		mm_free_vad(as, v);
	}
	if (commit)
		mm_uncharge(as, commit);
	return STATUS_SUCCESS;
}

static NTSTATUS decommit(EPROCESS *p, MMVAD *v, u64 start, u64 end)
{
	struct address_space *as = &p->as;
	u64 n = mm_count_committed(as, v, start, end);

	if (v->type == VAD_LARGE || v->type == VAD_AWE || v->type == VAD_NONPAGED)
		return STATUS_MEMORY_NOT_ALLOCATED;
	if (v->committed)
		for (u64 va = start; va < end;
		     va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
			if (!mm_make_pte(as, va))
				return STATUS_INSUFFICIENT_RESOURCES;
	mm_delete_pages(as, v, start, end, v->committed ? pte_demand_zero(MM_DECOMMIT) : 0);
	if (v->watch)
		mm_decommit_watch(v, start, end);
	v->commit -= n;
	if (n)
		mm_uncharge(as, n);
	return STATUS_SUCCESS;
}

/* Adjacent whole placeholders become one. */
static NTSTATUS coalesce(struct address_space *as, u64 start, u64 end)
{
	MMVAD *first = mm_find_vad(as, start), *v = first;

	if (!first || vad_va(first) != start || vad_end(first) >= end)
		return STATUS_CONFLICTING_ADDRESSES;
	for (;;) {
		struct vad_node *n;

		if (!v->placeholder || vad_end(v) > end)
			return STATUS_CONFLICTING_ADDRESSES;
		if (vad_end(v) == end)
			break;
		n = vad_next(&v->node);
		if (!n || n->start != v->node.end + 1)
			return STATUS_CONFLICTING_ADDRESSES;
		v = CONTAINER_OF(n, MMVAD, node);
	}
	while (vad_end(first) < end) {
		u64 last;

		v = CONTAINER_OF(vad_next(&first->node), MMVAD, node);
		last = v->node.end;
		vad_remove(&as->vads, &v->node);
		ExFreePool(v);
		require(vad_resize(&as->vads, &first->node, first->node.start, last));
	}
	return STATUS_SUCCESS;
}

/* => A held. base, size as the caller gave them; returned rounded. */
static NTSTATUS free_locked(EPROCESS *p, u64 *base, u64 *size, u32 type)
{
	struct address_space *as = &p->as;
	u64 start = ALIGN_DOWN(*base, PAGE_SIZE), end = ALIGN_UP(*base + *size, PAGE_SIZE);
	MMVAD *v = mm_find_vad(as, start);
	NTSTATUS st;

	if (type == (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS)) {
		if (!*size)
			return STATUS_INVALID_PARAMETER_3;
		st = coalesce(as, start, end);
		*base = start;
		*size = end - start;
		return st;
	}
	if (type == (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER) && !*size)
		return STATUS_INVALID_PARAMETER_3;
	if (!v)
		return STATUS_MEMORY_NOT_ALLOCATED;
	if (v->ca || v->type == VAD_SHARED_DATA || v->type == VAD_CFG)
		return v->type == VAD_SHARED_DATA ? STATUS_INVALID_PARAMETER
						  : STATUS_UNABLE_TO_DELETE_SECTION;
	if (!*size) {
		if (start != vad_va(v))
			return STATUS_FREE_VM_NOT_AT_BASE;
		end = vad_end(v);
	}
	if (end > vad_end(v))
		return STATUS_UNABLE_TO_FREE_VM;
	if (type == MEM_DECOMMIT) {
		if (v->placeholder)
			return STATUS_CONFLICTING_ADDRESSES;
		st = decommit(p, v, start, end);
		*size = *size ? end - start : 0; /* 0 is returned as 0 since 1803 */
	} else {
		bool keep = type & MEM_PRESERVE_PLACEHOLDER;

		if (keep && v->placeholder) { /* split it */
			if (start == vad_va(v) && end == vad_end(v))
				return STATUS_CONFLICTING_ADDRESSES;
			st = isolate(as, &v, start, end);
		} else if (keep &&
			   (!v->from_placeholder || start != vad_va(v) || end != vad_end(v))) {
			return STATUS_CONFLICTING_ADDRESSES;
		} else {
			st = release(p, v, start, end, keep);
		}
		*size = end - start;
	}
	*base = start;
	return st;
}

NTSTATUS MmFreePrivate(EPROCESS *p, u64 base)
{
	u64 size = 0;
	NTSTATUS st;

	mutex_lock(&p->as.lock);
	st = free_locked(p, &base, &size, MEM_RELEASE);
	mutex_unlock(&p->as.lock);
	return st;
}

/* With the memory go the call targets in it. */
static NTSTATUS free_guarded(EPROCESS *p, u64 *base, u64 *size, u32 type)
{
	struct address_space *as = &p->as;
	u64 end = 0;
	NTSTATUS st;
	MMVAD *v;

	mm_cfg_enter(as);
	mutex_lock(&as->lock);
	st = as->dying ? STATUS_PROCESS_IS_TERMINATING : free_locked(p, base, size, type);
	if (!st) {
		v = mm_find_vad(as, *base); /* still there: decommitted, with 0 for all of it */
		end = v && !*size ? vad_end(v) : *base + *size;
	}
	mutex_unlock(&as->lock);
	mm_cfg_clear(as, *base, end);
	mm_cfg_leave(as);
	return st;
}

NTSYSCALL NTSTATUS NtFreeVirtualMemory(HANDLE process, u64 *user_base, u64 *user_size, u32 type)
{
	EPROCESS *p;
	u64 base, size;
	NTSTATUS st;

	if (type != MEM_DECOMMIT && type != MEM_RELEASE &&
	    type != (MEM_RELEASE | MEM_COALESCE_PLACEHOLDERS) &&
	    type != (MEM_RELEASE | MEM_PRESERVE_PLACEHOLDER))
		return STATUS_INVALID_PARAMETER_4;
	if ((st = mm_capture_inout(&base, user_base)) || (st = mm_capture_inout(&size, user_size)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	if (base > p->as.highest)
		st = STATUS_INVALID_PARAMETER_2;
	else if (size > p->as.highest + 1 - base)
		st = STATUS_INVALID_PARAMETER_3;
	if (!st)
		st = free_guarded(p, &base, &size, type);
	ObDereferenceObject(p);
	if (st)
		return st;
	if ((st = copy_to_user(user_base, &base, 8)))
		return st;
	return copy_to_user(user_size, &size, 8);
}

NTSTATUS mm_delete_vad(EPROCESS *p, MMVAD *v)
{
	if (v->ca)
		return mm_unmap_vad(p, v);
	if (v->type == VAD_SHARED_DATA) {
		MMPTE *pte = mm_find_pte(&p->as, vad_va(v));

		pte_set(pte, 0);
		mm_free_vad(&p->as, v);
		return STATUS_SUCCESS;
	}
	return release(p, v, vad_va(v), vad_end(v), false);
}

void MmCleanAddressSpace(struct address_space *as)
{
	EPROCESS *p = CONTAINER_OF(as, EPROCESS, as);
	struct vad_node *n;

	mutex_lock(&as->lock);
	as->dying = true;
	while ((n = vad_first(&as->vads)))
		require(NT_SUCCESS(mm_delete_vad(p, CONTAINER_OF(n, MMVAD, node))));
	mm_free_physical(as);
	mutex_unlock(&as->lock);
}

NTSTATUS MmDecommitPrivate(EPROCESS *p, u64 base, u64 size)
{
	NTSTATUS st;

	mutex_lock(&p->as.lock);
	st = free_locked(p, &base, &size, MEM_DECOMMIT);
	mutex_unlock(&p->as.lock);
	return st;
}
