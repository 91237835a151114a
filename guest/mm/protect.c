/* NtProtectVirtualMemory: every page is checked before the first is changed. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

/* Access that a view's AllocationProtect stands for: bit 0 read, 1 write, 2 execute. */
static u32 access_of(u32 code)
{
	static const u8 rights[8] = {0, 1, 5, 5, 3, 1, 7, 5}; /* NA RO X RX RW WC RWX XWC */

	return rights[MM_BASE(code)];
}

/* What a view lets one of its pages become; the code may change (images: a write means a copy). */
NTSTATUS mm_check_view_prot(const MMVAD *v, u32 *prot)
{
	u32 base = MM_BASE(*prot);

	if (v->type == VAD_IMAGE) {
		if (v->no_execute && mm_prot_executes(*prot))
			return STATUS_SECTION_PROTECTION;
		if (base == MM_READWRITE)
			*prot = (*prot & 0x18) | MM_WRITECOPY;
		else if (base == MM_EXECUTE_READWRITE)
			*prot = (*prot & 0x18) | MM_EXECUTE_WRITECOPY;
		return STATUS_SUCCESS;
	}
	if (access_of(*prot) & ~access_of(v->prot))
		return STATUS_SECTION_PROTECTION;
	if (base && (v->prot & MM_NOCACHE || (*prot & 0x18) != MM_GUARD)) {
		if (v->prot & MM_NOCACHE && (*prot & 0x18) == MM_GUARD)
			return STATUS_INVALID_PAGE_PROTECTION;
		*prot =
		    base | (v->prot & MM_NOCACHE ? v->prot & 0x18 : 0); /* the section's caching */
	}
	return STATUS_SUCCESS;
}

/* Where dynamic code is prohibited: nothing becomes executable but what an image has so, and
 * nothing executable becomes writable. */
static bool makes_code(const MMVAD *v, u32 had, u32 prot)
{
	if (mm_prot_executes(had) && mm_prot_writes(prot))
		return true;
	return mm_prot_executes(prot) && !(v->type == VAD_IMAGE && mm_prot_executes(had));
}

/* Private copies that pages of a view may need from now on and that nobody has been charged for. */
static u64 new_copies(struct address_space *as, MMVAD *v, u64 start, u64 end, u32 prot)
{
	u64 n = 0, next, most = v->node.end + 1 - v->node.start - v->commit;

	if (!v->ca || !(mm_prot_bits[prot] & PTE_COW))
		return 0;
	for (u64 va = start; va < end && n < most; va = next) {
		MMPTE *pte = mm_find_pte(as, va);
		u32 had = MM_NOACCESS;

		mm_page_state(as, v, va, &had, &next);
		next = MIN(next, end);
		if (mm_prot_bits[had] & PTE_COW ||
		    (v->type == VAD_IMAGE && mm_is_shared_write(v, va)))
			continue;
		if (!pte || !*pte || pte_kind(*pte) == PTE_K_PROTOTYPE ||
		    (*pte & PTE_VALID && mm_pfn[pte_pfn(*pte)].flags & PFN_F_PROTOTYPE))
			n += (next - va) >> PAGE_SHIFT;
	}
	return MIN(n, most);
}

/* Of a code: no-cache or write-combine, which MM_GUARD is not. */
static u32 cache_bits(u32 prot)
{
	return (prot & 0x18) == MM_GUARD ? 0 : 0x18;
}

NTSTATUS mm_protect(EPROCESS *p, MMVAD *v, u64 start, u64 end, u32 prot, u32 *old, u64 *budget)
{
	struct address_space *as = &p->as;
	struct pte_queue q;
	bool flush = false, no_code = PsDynamicCodeBlocked(p);
	u64 next, copies;
	u32 had;
	NTSTATUS st;

	if (v->ca) {
		st = mm_check_view_prot(v, &prot);
		if (st)
			return st;
	} else if (prot != MM_NOACCESS &&
		   (MM_BASE(prot) == MM_WRITECOPY || MM_BASE(prot) == MM_EXECUTE_WRITECOPY)) {
		return STATUS_INVALID_PAGE_PROTECTION;
	}
	if (!v->ca && MM_BASE(prot) && (prot & 0x18) != MM_GUARD) /* caching is the region's */
		prot = MM_BASE(prot) | (v->prot == MM_NOACCESS ? 0 : v->prot & cache_bits(v->prot));
	if (v->type == VAD_LARGE || v->type == VAD_AWE || v->type == VAD_SHARED_DATA ||
	    v->type == VAD_CFG || v->no_change ||
	    (v->type == VAD_NONPAGED && !mm_stays_resident(prot)))
		return STATUS_INVALID_PAGE_PROTECTION;
	for (u64 va = start; va < end; va = next) {
		if (!mm_page_state(as, v, va, &had, &next))
			return STATUS_NOT_COMMITTED;
		if (UNLIKELY(no_code) && makes_code(v, had, prot))
			return STATUS_DYNAMIC_CODE_BLOCKED;
		if (va == start)
			*old = had;
	}
	copies = new_copies(as, v, start, end, prot);
	if (copies > *budget) {
		*budget = copies;
		return STATUS_MM_NEEDS_CHARGE;
	}
	for (u64 va = start; va < end; va = ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE)
		if (!mm_make_pte(as, va))
			return STATUS_INSUFFICIENT_RESOURCES;
	v->commit += copies;
	*budget -= copies;
	q.n = 0;
	for (u64 va = start; va < end; va += PAGE_SIZE) {
		MMPTE *pte = mm_find_pte(as, va);
		u32 to = prot;

		if (v->type == VAD_IMAGE && mm_is_shared_write(v, va) &&
		    MM_BASE(prot) == MM_WRITECOPY)
			to = (prot & 0x18) | MM_READWRITE;
		flush |= *pte & PTE_VALID;
		mm_set_protection(as, v, va, pte, to, &q);
	}
	pte_flush(&q);
	if (flush)
		ke_flush_tlb_page(as->cpus, end - start == PAGE_SIZE ? start : 0);
	return STATUS_SUCCESS;
}

static NTSTATUS protect_range(EPROCESS *p, u64 start, u64 end, u32 code, u32 *old)
{
	u64 charged = 0, budget = 0;
	NTSTATUS st;
	MMVAD *v;

	for (;;) {
		mutex_lock(&p->as.lock);
		v = mm_find_vad(&p->as, start);
		if (p->as.dying)
			st = STATUS_PROCESS_IS_TERMINATING;
		else if (!v || end > vad_end(v) || v->placeholder)
			st = STATUS_CONFLICTING_ADDRESSES;
		else
			st = mm_protect(p, v, start, end, code, old, &budget);
		mutex_unlock(&p->as.lock);
		if (LIKELY(st != STATUS_MM_NEEDS_CHARGE))
			break;
		/* not under A: a pagefile may have to grow */
		if ((st = mm_charge(&p->as, budget - charged))) {
			budget = charged;
			break;
		}
		charged = budget;
	}
	if (UNLIKELY(budget))
		mm_uncharge(&p->as, budget);
	return st;
}

/* What becomes executable may also be called anywhere, if targets says so. */
static NTSTATUS protect_guarded(EPROCESS *p, u64 start, u64 end, u32 code, bool targets, u32 *old)
{
	struct address_space *as = &p->as;
	NTSTATUS st = STATUS_SUCCESS;

	mm_cfg_enter(as);
	if (targets)
		st = mm_cfg_prepare(as, start, end);
	if (!st)
		st = protect_range(p, start, end, code, old);
	if (targets) {
		if (!st)
			st = mm_cfg_fill(as, start, end);
		else
			mm_cfg_trim(as, start, end);
	}
	mm_cfg_leave(as);
	return st;
}

NTSYSCALL NTSTATUS NtProtectVirtualMemory(HANDLE process, u64 *user_base, u64 *user_size,
					  u32 protect, u32 *user_old)
{
	u32 code = mm_make_prot(protect & ~PAGE_TARGETS_NO_UPDATE), old = 0;
	bool targets = protect & PAGE_EXECUTE_ANY && !(protect & PAGE_TARGETS_NO_UPDATE);
	u64 base, size, start, end;
	EPROCESS *p;
	NTSTATUS st;

	if (!code || (protect & PAGE_TARGETS_NO_UPDATE && !(protect & PAGE_EXECUTE_ANY)))
		return STATUS_INVALID_PAGE_PROTECTION;
	if ((st = mm_capture_inout(&base, user_base)) ||
	    (st = mm_capture_inout(&size, user_size)) || (st = copy_to_user(user_old, &old, 4)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	start = ALIGN_DOWN(base, PAGE_SIZE);
	end = ALIGN_UP(base + size, PAGE_SIZE);
	if (base > p->as.highest) {
		st = STATUS_INVALID_PARAMETER_2;
	} else if (!size || size > p->as.highest + 1 - base) {
		st = STATUS_INVALID_PARAMETER_3;
	} else {
		st = protect_guarded(p, start, end, code, targets, &old);
	}
	if (!st && (code & 0x18) == MM_GUARD && p == PsGetCurrentProcess())
		mm_note_stack_guard(start, end);
	ObDereferenceObject(p);
	if (st)
		return st;
	old = mm_win32_prot(old);
	size = end - start;
	if ((st = copy_to_user(user_base, &start, 8)) || (st = copy_to_user(user_size, &size, 8)))
		return st;
	return copy_to_user(user_old, &old, 4);
}
