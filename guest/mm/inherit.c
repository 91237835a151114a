/*
 * Views a new process gets from its parent: those of sections mapped with ViewShare, at the same
 * addresses and with the protection they were mapped with. What is taken there already (the
 * program, ntdll) stays; private copies of pages are not handed on.
 *
 * The parent's views are noted under its A, each with a reference to its control area; the child's
 * are made afterwards, as no two address spaces are locked at once.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define TAG_INHERIT TAG('V', 'i', 'w', 's')

struct inherited {
	struct control_area *ca;
	u64 base, first, pages;
	u32 prot;
	bool no_change, no_execute;
};

static bool is_inherited(const MMVAD *v)
{
	return v->ca && v->inherit;
}

/* => A of the parent */
static u32 count_views(struct address_space *as)
{
	u32 n = 0;

	for (struct vad_node *e = vad_first(&as->vads); e; e = vad_next(e))
		n += is_inherited(CONTAINER_OF(e, MMVAD, node));
	return n;
}

static NTSTATUS note_views(struct address_space *as, struct inherited **list, u32 *count)
{
	NTSTATUS st = STATUS_SUCCESS;
	u32 n;

	*list = NULL;
	*count = 0;
	mutex_lock(&as->lock);
	n = count_views(as);
	if (n && !(*list = ExAllocatePool(n * sizeof(**list), TAG_INHERIT)))
		st = STATUS_INSUFFICIENT_RESOURCES;
	for (struct vad_node *e = vad_first(&as->vads); e && *list; e = vad_next(e)) {
		MMVAD *v = CONTAINER_OF(e, MMVAD, node);

		if (!is_inherited(v))
			continue;
		mm_reference_ca(v->ca);
		(*list)[(*count)++] = (struct inherited){
		    .ca = v->ca,
		    .base = vad_va(v),
		    .first = v->first,
		    .pages = v->node.end + 1 - v->node.start,
		    .prot = v->prot,
		    .no_change = v->no_change,
		    .no_execute = v->no_execute,
		};
	}
	mutex_unlock(&as->lock);
	return st;
}

static NTSTATUS map(EPROCESS *child, const struct inherited *i)
{
	struct section s = {
	    .ca = i->ca,
	    .size = (i->first + i->pages) << PAGE_SHIFT,
	    .no_change = i->no_change,
	    .no_execute = i->no_execute,
	};
	u64 base = i->base, size = i->pages << PAGE_SHIFT;
	NTSTATUS st = mm_map_view(child, &s, &base, i->first << PAGE_SHIFT, &size, 0, i->prot, 0,
				  child->as.highest, true);

	if (st == STATUS_CONFLICTING_ADDRESSES || st == STATUS_INVALID_PARAMETER_3)
		return STATUS_SUCCESS; /* no place for it */
	return NT_SUCCESS(st) ? mm_cfg_view(&child->as, base, true) : st;
}

NTSTATUS mm_inherit_views(EPROCESS *parent, EPROCESS *child)
{
	struct inherited *list;
	u32 count;
	NTSTATUS st = note_views(&parent->as, &list, &count);

	for (u32 i = 0; i < count; i++) {
		if (!st)
			st = map(child, &list[i]);
		mm_dereference_ca(list[i].ca);
	}
	if (list)
		ExFreePool(list);
	return st;
}
