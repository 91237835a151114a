/*
 * NtLockVirtualMemory, NtUnlockVirtualMemory: pages made resident and kept so. A locked page has
 * PTE_LOCKED in its valid PTE, which trimming passes by; as->ws_locked counts them. There is no
 * lock count: one unlock is enough.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

#define MAP_PROCESS 1u
#define MAP_SYSTEM  2u
#define WS_OVERHEAD 8u /* pages of the minimum working set that cannot be locked */

struct lock_call {
	EPROCESS *p;
	u64 start, end;
	u64 *ours; /* bit a page: this call locked it */
	bool was_locked;
};

static bool always_resident(const MMVAD *v)
{
	return v->type == VAD_LARGE || v->type == VAD_NONPAGED || v->type == VAD_AWE ||
	       v->type == VAD_SHARED_DATA;
}

/* => A. All of it committed and accessible, and within the quota. */
static NTSTATUS check_range(const struct lock_call *c)
{
	struct address_space *as = &c->p->as;
	u64 more = 0, next;

	for (u64 va = c->start; va < c->end; va = next) {
		MMVAD *v = mm_find_vad(as, va);
		MMPTE *pte = mm_find_pte(as, va);
		u32 prot;

		if (!v || !mm_page_state(as, v, va, &prot, &next) ||
		    MM_BASE(prot) == MM_NOACCESS_BASE)
			return STATUS_ACCESS_VIOLATION;
		next = MIN(next, c->end);
		if (!always_resident(v) && !(pte && *pte & PTE_VALID && *pte & PTE_LOCKED))
			more += (next - va) >> PAGE_SHIFT;
		/* a page that cannot be locked for want of quota should say so before pages come in
		 */
		if (as->ws_locked + more + WS_OVERHEAD > as->ws_min)
			return STATUS_WORKING_SET_QUOTA;
	}
	return STATUS_SUCCESS;
}

/* What to do to have the page in: a writable one is taken for writing, so that no copy comes later.
 */
static u32 access_for(struct address_space *as, MMVAD *v, u64 va)
{
	u32 prot;
	u64 next;

	if (!mm_page_state(as, v, va, &prot, &next))
		return 0;
	return MM_BASE(prot) == MM_READWRITE || MM_BASE(prot) == MM_EXECUTE_READWRITE ? PF_WRITE
										      : 0;
}

static NTSTATUS lock_page(struct lock_call *c, u64 va)
{
	struct address_space *as = &c->p->as;
	u64 i = (va - c->start) >> PAGE_SHIFT;
	NTSTATUS st, io;

	for (;;) {
		u32 access = 0;
		MMPTE *pte;
		MMVAD *v;

		mutex_lock(&as->lock);
		v = mm_find_vad(as, va);
		pte = mm_find_pte(as, va);
		if (v && always_resident(v)) {
			mutex_unlock(&as->lock);
			return STATUS_SUCCESS;
		}
		if (v)
			access = access_for(as, v, va);
		if (v && pte && *pte & PTE_VALID && (!access || *pte & PTE_HW_WRITE)) {
			if (*pte & PTE_LOCKED) {
				c->was_locked = true;
			} else {
				pte_change(pte, 0, PTE_LOCKED);
				as->ws_locked++;
				c->ours[i / 64] |= 1ul << (i % 64);
			}
			mutex_unlock(&as->lock);
			return STATUS_SUCCESS;
		}
		mutex_unlock(&as->lock);
		st = mm_fault(as, va, access, &io);
		if (st)
			return st;
	}
}

/* => A */
static void unlock_page(struct address_space *as, u64 va)
{
	MMPTE *pte = mm_find_pte(as, va);

	if (pte && *pte & PTE_VALID && *pte & PTE_LOCKED) {
		pte_change(pte, PTE_LOCKED, 0);
		as->ws_locked--;
	}
}

static NTSTATUS lock_range(struct lock_call *c)
{
	u64 pages = (c->end - c->start) >> PAGE_SHIFT;
	NTSTATUS st;
	u64 va;

	mutex_lock(&c->p->as.lock);
	st = check_range(c);
	mutex_unlock(&c->p->as.lock);
	if (st)
		return st;
	c->ours = ExAllocatePool((pages + 63) / 64 * 8, TAG('M', 'm', 'L', 'k'));
	if (!c->ours)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&mm_pin_lock);
	st = mm_can_pin(pages) ? STATUS_SUCCESS : STATUS_WORKING_SET_QUOTA;
	for (va = c->start; va < c->end && !st; va += PAGE_SIZE)
		st = lock_page(c, va);
	mutex_unlock(&mm_pin_lock);
	if (st) { /* all or nothing */
		mutex_lock(&c->p->as.lock);
		for (u64 i = 0; i < pages; i++)
			if (c->ours[i / 64] >> (i % 64) & 1)
				unlock_page(&c->p->as, c->start + (i << PAGE_SHIFT));
		mutex_unlock(&c->p->as.lock);
	} else if (c->was_locked) {
		st = STATUS_WAS_LOCKED;
	}
	ExFreePool(c->ours);
	return st;
}

/* A range with pages that are not locked: an error, and those leave the working set. */
static NTSTATUS unlock_range(struct lock_call *c)
{
	struct address_space *as = &c->p->as;
	NTSTATUS st = STATUS_SUCCESS;

	mutex_lock(&as->lock);
	for (u64 va = c->start; va < c->end && !st; va += PAGE_SIZE) {
		MMVAD *v = mm_find_vad(as, va);
		MMPTE *pte = mm_find_pte(as, va);

		if (!v)
			st = STATUS_ACCESS_VIOLATION;
		else if (!always_resident(v) &&
			 (!pte || !(*pte & PTE_VALID) || !(*pte & PTE_LOCKED)))
			st = STATUS_NOT_LOCKED;
	}
	if (st == STATUS_NOT_LOCKED)
		mm_trim_range(as, c->start, c->end);
	for (u64 va = c->start; va < c->end && !st; va += PAGE_SIZE)
		unlock_page(as, va);
	mutex_unlock(&as->lock);
	return st;
}

static NTSTATUS lock_call(HANDLE process, u64 *user_base, u64 *user_size, u32 type,
			  NTSTATUS (*work)(struct lock_call *))
{
	struct lock_call c = {0};
	u64 base, size;
	NTSTATUS st;

	if (!type || type & ~(MAP_PROCESS | MAP_SYSTEM))
		return STATUS_INVALID_PARAMETER;
	if ((st = copy_from_user(&base, user_base, 8)) ||
	    (st = copy_from_user(&size, user_size, 8)))
		return st;
	st =
	    ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&c.p);
	if (st)
		return st;
	c.start = ALIGN_DOWN(base, PAGE_SIZE);
	c.end = ALIGN_UP(base + size, PAGE_SIZE);
	if (base > c.p->as.highest)
		st = STATUS_INVALID_PARAMETER_2;
	else if (!size || size > c.p->as.highest + 1 - base)
		st = STATUS_INVALID_PARAMETER_3;
	else if (type & MAP_SYSTEM && !SeHasPrivilege(SE_LOCK_MEMORY))
		st = STATUS_PRIVILEGE_NOT_HELD;
	else
		st = work(&c);
	ObDereferenceObject(c.p);
	if (!NT_SUCCESS(st))
		return st;
	size = c.end - c.start;
	if (copy_to_user(user_base, &c.start, 8) || copy_to_user(user_size, &size, 8))
		return STATUS_ACCESS_VIOLATION;
	return st;
}

NTSYSCALL NTSTATUS NtLockVirtualMemory(HANDLE process, u64 *base, u64 *size, u32 type)
{
	return lock_call(process, base, size, type, lock_range);
}

NTSYSCALL NTSTATUS NtUnlockVirtualMemory(HANDLE process, u64 *base, u64 *size, u32 type)
{
	return lock_call(process, base, size, type, unlock_range);
}
