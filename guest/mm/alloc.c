/*
 * NtAllocateVirtualMemory: reserve, commit, reset; in two halves: checks that change nothing
 * (capture, check_types), then the work under A. Statuses and rounding: public documentation of the
 * call.
 */
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

#define KNOWN_TYPES                                                                               \
	(MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO | MEM_TOP_DOWN | MEM_WRITE_WATCH | \
	 MEM_PHYSICAL | MEM_LARGE_PAGES)

static bool copies_on_write(u32 prot)
{
	return MM_BASE(prot) == MM_WRITECOPY || MM_BASE(prot) == MM_EXECUTE_WRITECOPY;
}

static NTSTATUS check_types(const struct alloc_request *r)
{
	u32 t = r->type;
	u32 allowed = KNOWN_TYPES;

	if (r->extended)
		allowed |= MEM_RESERVE_PLACEHOLDER | MEM_REPLACE_PLACEHOLDER;
	if (t & ~allowed)
		return STATUS_INVALID_PARAMETER;
	if (!(t & (MEM_COMMIT | MEM_RESERVE | MEM_RESET | MEM_RESET_UNDO)))
		return STATUS_INVALID_PARAMETER;
	if (t & (MEM_RESET | MEM_RESET_UNDO) && t & (t - 1))
		return STATUS_INVALID_PARAMETER;
	if (t & MEM_WRITE_WATCH && !(t & MEM_RESERVE))
		return STATUS_INVALID_PARAMETER;
	if (t & MEM_PHYSICAL &&
	    (t & ~(MEM_PHYSICAL | MEM_RESERVE | MEM_TOP_DOWN) || !(t & MEM_RESERVE)))
		return STATUS_INVALID_PARAMETER_5;
	if (t & MEM_PHYSICAL && r->protect != PAGE_READWRITE)
		return STATUS_INVALID_PARAMETER_6;
	if (t & MEM_LARGE_PAGES &&
	    ((t & (MEM_COMMIT | MEM_RESERVE)) != (MEM_COMMIT | MEM_RESERVE) || t & MEM_WRITE_WATCH))
		return STATUS_INVALID_PARAMETER;
	if (t & MEM_RESERVE_PLACEHOLDER &&
	    (t & ~(MEM_RESERVE | MEM_RESERVE_PLACEHOLDER | MEM_TOP_DOWN) || !(t & MEM_RESERVE) ||
	     r->protect != PAGE_NOACCESS))
		return STATUS_INVALID_PARAMETER;
	if (t & MEM_REPLACE_PLACEHOLDER && !(t & MEM_RESERVE))
		return STATUS_INVALID_PARAMETER;
	return STATUS_SUCCESS;
}

/* ---- reserve ---- */

static NTSTATUS make_vad(const struct alloc_request *r, u64 pages, MMVAD **out)
{
	MMVAD *v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', ' '));

	if (!v)
		return STATUS_INSUFFICIENT_RESOURCES;
	v->type = r->type & MEM_PHYSICAL ? VAD_AWE : VAD_PRIVATE;
	v->prot = (u8)r->prot;
	v->win32_prot = mm_win32_prot(r->prot);
	v->committed = r->type & MEM_COMMIT;
	v->placeholder = r->type & MEM_RESERVE_PLACEHOLDER;
	v->from_placeholder = r->type & MEM_REPLACE_PLACEHOLDER;
	v->top_down = r->type & MEM_TOP_DOWN;
	if (r->type & MEM_WRITE_WATCH) {
		v->write_watch = true;
		v->watch = mm_new_watch(pages);
		if (!v->watch) {
			ExFreePool(v);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
	}
	*out = v;
	return STATUS_SUCCESS;
}

static void discard_vad(MMVAD *v)
{
	if (v->watch)
		ExFreePool(v->watch);
	ExFreePool(v);
}

static NTSTATUS reserve(EPROCESS *p, struct alloc_request *r)
{
	struct address_space *as = &p->as;
	u64 base = r->base ? ALIGN_DOWN(r->base, MM_GRANULARITY) : 0;
	u64 size =
	    r->base ? ALIGN_UP(r->base + r->size, PAGE_SIZE) - base : ALIGN_UP(r->size, PAGE_SIZE);
	MMVAD *v = NULL, *hole = NULL;
	NTSTATUS st;

	if (r->type & MEM_REPLACE_PLACEHOLDER) { /* placeholders are split by pages */
		base = r->base;
		size = ALIGN_UP(r->size, PAGE_SIZE);
	}
	if (r->type & MEM_LARGE_PAGES)
		return mm_allocate_large(p, r);
	if (r->attributes & MEM_EXTENDED_PARAMETER_NONPAGED)
		return mm_allocate_nonpaged(p, r);
	st = make_vad(r, size >> PAGE_SHIFT, &v);
	if (st)
		return st;
	if (r->type & MEM_COMMIT) {
		st = mm_charge(as, size >> PAGE_SHIFT);
		if (st) {
			discard_vad(v);
			return st;
		}
		v->commit = size >> PAGE_SHIFT;
	}
	mutex_lock(&as->lock);
	if (as->dying)
		st = STATUS_PROCESS_IS_TERMINATING;
	if (!st && r->type & MEM_REPLACE_PLACEHOLDER) {
		hole = base ? mm_find_vad(as, base) : NULL;
		if (!hole || !hole->placeholder || vad_va(hole) != base ||
		    vad_end(hole) != base + size)
			st = STATUS_CONFLICTING_ADDRESSES;
		else
			mm_free_vad(as, hole);
	}
	if (!st)
		st = mm_insert_vad(as, v, base, size, r->align, r->lowest, r->highest,
				   r->type & MEM_TOP_DOWN);
	mutex_unlock(&as->lock);
	if (st) {
		if (v->commit)
			mm_uncharge(as, v->commit);
		discard_vad(v);
		return st;
	}
	r->base = vad_va(v);
	r->size = size;
	return STATUS_SUCCESS;
}

/* ---- commit ---- */

/* => A. Writes the PTEs of [start, end); pages that are committed already get the protection. */
static NTSTATUS commit_private(struct address_space *as, MMVAD *v, u64 start, u64 end, u32 prot)
{
	struct pte_queue q;
	bool flush = false;

	q.n = 0;
	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va);
		u32 had;
		u64 next;

		if (v->committed && v->prot == prot && (!pte || !*pte))
			continue;
		if (!pte)
			pte = mm_make_pte(as, va);
		if (!pte) {
			pte_flush(&q);
			return STATUS_INSUFFICIENT_RESOURCES;
		}
		if (mm_page_state(as, v, va, &had, &next)) {
			if (had != prot) {
				flush |= *pte & PTE_VALID;
				mm_set_protection(as, v, va, pte, prot, &q);
			}
		} else {
			pte_defer_set(&q, pte, pte_demand_zero(prot));
		}
	}
	pte_flush(&q);
	if (flush)
		ke_flush_tlb_all(as->cpus);
	return STATUS_SUCCESS;
}

/* All tables a commit may need, before anything is changed. */
static NTSTATUS make_tables(struct address_space *as, MMVAD *v, u64 start, u64 end, u32 prot)
{
	if (v->committed && v->prot == prot)
		return STATUS_SUCCESS;
	for (u64 va = start; va < end; va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
		if (!mm_make_pte(as, va))
			return STATUS_INSUFFICIENT_RESOURCES;
	return STATUS_SUCCESS;
}

static NTSTATUS commit(EPROCESS *p, struct alloc_request *r)
{
	struct address_space *as = &p->as;
	u64 start = ALIGN_DOWN(r->base, PAGE_SIZE), end = ALIGN_UP(r->base + r->size, PAGE_SIZE);
	u64 pages = (end - start) >> PAGE_SHIFT, have;
	bool charged;
	NTSTATUS st;
	MMVAD *v;

	/* Charged for all of it first, outside A (a pagefile may have to grow); what was committed
	 * before is given back. */
	st = mm_charge(as, pages);
	if (st == STATUS_COMMITMENT_LIMIT) { /* perhaps most of it is committed already */
		mutex_lock(&as->lock);
		v = mm_find_vad(as, start);
		have = v && end <= vad_end(v) ? mm_count_committed(as, v, start, end) : 0;
		mutex_unlock(&as->lock);
		pages -= have;
		st = pages ? mm_charge(as, pages) : STATUS_SUCCESS;
	}
	charged = !st;
	mutex_lock(&as->lock);
	v = mm_find_vad(as, start);
	if (as->dying)
		st = STATUS_PROCESS_IS_TERMINATING;
	else if (!v || end > vad_end(v) || v->placeholder)
		st = STATUS_CONFLICTING_ADDRESSES;
	else if (st)
		;
	else if (v->ca)
		st = mm_commit_view(as, v, start, end, r->prot, &pages);
	else if (v->type != VAD_PRIVATE)
		st = STATUS_CONFLICTING_ADDRESSES;
	else if (copies_on_write(r->prot))
		st = STATUS_INVALID_PAGE_PROTECTION;
	else if (!(st = make_tables(as, v, start, end, r->prot))) {
		u64 fresh = ((end - start) >> PAGE_SHIFT) - mm_count_committed(as, v, start, end);

		if (fresh > pages) { /* raced with a decommit between the charge and now */
			st = STATUS_COMMITMENT_LIMIT;
		} else {
			st = commit_private(as, v, start, end, r->prot);
			v->commit += fresh;
			pages -= fresh;
		}
	} else {
		;
	}
	mutex_unlock(&as->lock);
	if (charged && pages)
		mm_uncharge(as, pages);
	if (!st) {
		r->base = start;
		r->size = end - start;
	}
	return st;
}

/* ---- reset ---- */

/* The contents may be forgotten: nothing is written out for these pages any more. */
static NTSTATUS reset(EPROCESS *p, struct alloc_request *r)
{
	struct address_space *as = &p->as;
	u64 start = ALIGN_DOWN(r->base, PAGE_SIZE), end = ALIGN_UP(r->base + r->size, PAGE_SIZE);
	NTSTATUS st = STATUS_SUCCESS;
	MMVAD *v;

	mutex_lock(&as->lock);
	v = mm_find_vad(as, start);
	if (!v || end > vad_end(v) || (v->type != VAD_PRIVATE && v->type != VAD_MAPPED) ||
	    v->placeholder)
		st = STATUS_CONFLICTING_ADDRESSES;
	else if (v->ca && v->ca->file)
		st = STATUS_CONFLICTING_ADDRESSES;
	else if (v->ca)
		st = mm_reset_view(as, v, start, end, r->type & MEM_RESET_UNDO);
	else
		st = mm_reset_range(as, start, end, r->type & MEM_RESET_UNDO);
	mutex_unlock(&as->lock);
	r->base = start;
	r->size = end - start;
	return st;
}

/* => r->prot not yet made. The checks that depend on nothing but the arguments. */
NTSTATUS mm_check_alloc(struct address_space *as, struct alloc_request *r)
{
	NTSTATUS st = check_types(r);
	u32 protect = r->protect;

	if (st)
		return st;
	if (protect & PAGE_TARGETS_INVALID) {
		if (!(protect & PAGE_EXECUTE_ANY))
			return STATUS_INVALID_PAGE_PROTECTION;
		protect &= ~PAGE_TARGETS_INVALID;
	}
	r->prot = mm_make_prot(protect);
	if (!r->prot ||
	    (copies_on_write(r->prot) && (!r->base || !(r->type & MEM_COMMIT) ||
					  r->type & MEM_RESERVE))) /* views have it, perhaps */
		return STATUS_INVALID_PAGE_PROTECTION;
	if (r->base > as->highest)
		return STATUS_INVALID_PARAMETER_2;
	if (!r->size || r->size > as->highest + 1 ||
	    (r->base && r->base + r->size - 1 > as->highest))
		return r->size && r->base
			   ? STATUS_INVALID_PARAMETER_4
			   : (r->size ? STATUS_NO_MEMORY : STATUS_INVALID_PARAMETER_4);
	return STATUS_SUCCESS;
}

static NTSTATUS allocate(EPROCESS *p, struct alloc_request *r)
{
	if (r->type & (MEM_RESET | MEM_RESET_UNDO))
		return reset(p, r);
	if (mm_prot_executes(r->prot) && PsDynamicCodeBlocked(p))
		return STATUS_DYNAMIC_CODE_BLOCKED;
	if (!r->base)
		r->type |= MEM_RESERVE; /* MEM_COMMIT alone reserves too */
	if (r->type & MEM_RESERVE) {
		if (r->base && r->base < MM_LOWEST_USER)
			return STATUS_INVALID_PARAMETER_2;
		return reserve(p, r);
	}
	return commit(p, r);
}

/* Executable memory, in a process that must know where it may be called. */
static NTSTATUS allocate_guarded(EPROCESS *p, struct alloc_request *r)
{
	struct address_space *as = &p->as;
	u64 start = ALIGN_DOWN(r->base, PAGE_SIZE), end = ALIGN_UP(r->base + r->size, PAGE_SIZE);
	bool valid = !(r->protect & PAGE_TARGETS_INVALID), made = !r->base;
	NTSTATUS st = STATUS_SUCCESS;

	mm_cfg_enter(as);
	if (r->base && valid)
		st = mm_cfg_prepare(as, start, end);
	if (!st)
		st = allocate(p, r);
	else
		start = end;
	if (st) {
		mm_cfg_trim(as, start, end);
	} else if (valid) {
		st = mm_cfg_fill(as, r->base, r->base + r->size);
		if (st && made)
			MmFreePrivate(p, r->base);
	} else {
		mm_cfg_clear(as, r->base, r->base + r->size);
	}
	mm_cfg_leave(as);
	return st;
}

/* => checked by mm_check_alloc */
NTSTATUS mm_allocate(EPROCESS *p, struct alloc_request *r)
{
	if (UNLIKELY(p->as.cfg_base) && r->protect & PAGE_EXECUTE_ANY && r->type & MEM_COMMIT)
		return allocate_guarded(p, r);
	return allocate(p, r);
}

NTSTATUS MmAllocatePrivateBelow(EPROCESS *p, u64 *base, u64 *size, u32 type, u32 protect,
				u64 zero_bits)
{
	struct alloc_request r = {
	    .base = *base,
	    .size = *size,
	    .type = type,
	    .protect = protect,
	    .align = MM_GRANULARITY,
	    .highest = p->as.highest,
	};
	NTSTATUS st = mm_check_alloc(&p->as, &r);

	if (!st)
		st = mm_zero_bits_limit(zero_bits, p->as.highest, &r.highest);
	if (!st)
		st = mm_allocate(p, &r);
	if (!st) {
		*base = r.base;
		*size = r.size;
	}
	return st;
}

NTSTATUS MmAllocatePrivate(EPROCESS *p, u64 *base, u64 *size, u32 type, u32 protect)
{
	return MmAllocatePrivateBelow(p, base, size, type, protect, 0);
}

/* The highest address ZeroBits allows: up to 21 it counts leading zeroes of a 32-bit address, from
 * 32 on it is a mask whose leading zero bits count. */
NTSTATUS mm_zero_bits_limit(u64 bits, u64 highest, u64 *limit)
{
	*limit = highest;
	if (!bits)
		return STATUS_SUCCESS;
	if (bits > 21 && bits < 32)
		return STATUS_INVALID_PARAMETER;
	if (bits < 32)
		*limit = MIN(highest, (1ul << (32 - bits)) - 1);
	else
		*limit = MIN(highest, (1ul << (64 - __builtin_clzl(bits))) - 1);
	return STATUS_SUCCESS;
}

NTSTATUS mm_capture_inout(u64 *value, u64 *user)
{
	NTSTATUS st = copy_from_user(value, user, sizeof(*value));

	return st ? st : copy_to_user(user, value, sizeof(*value));
}

NTSYSCALL NTSTATUS NtAllocateVirtualMemory(HANDLE process, u64 *user_base, u64 zero_bits,
					   u64 *user_size, u32 type, u32 protect)
{
	struct alloc_request r = {.type = type, .protect = protect, .align = MM_GRANULARITY};
	EPROCESS *p = NULL;
	NTSTATUS st;

	if (zero_bits > 21 && zero_bits < 32)
		return STATUS_INVALID_PARAMETER_3;
	st = check_types(&r);
	if (st)
		return st;
	if ((st = mm_capture_inout(&r.base, user_base)) ||
	    (st = mm_capture_inout(&r.size, user_size)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	st = mm_check_alloc(&p->as, &r);
	if (!st)
		st = mm_zero_bits_limit(zero_bits, p->as.highest, &r.highest);
	if (!st && type & (MEM_LARGE_PAGES | MEM_PHYSICAL) && !SeHasPrivilege(SE_LOCK_MEMORY))
		st = STATUS_PRIVILEGE_NOT_HELD;
	if (!st)
		st = mm_allocate(p, &r);
	if (!st && (r.prot & 0x18) == MM_GUARD && type & MEM_COMMIT && p == PsGetCurrentProcess())
		mm_note_stack_guard(r.base, r.base + r.size);
	ObDereferenceObject(p);
	if (st)
		return st;
	if ((st = copy_to_user(user_base, &r.base, 8)))
		return st;
	return copy_to_user(user_size, &r.size, 8);
}
