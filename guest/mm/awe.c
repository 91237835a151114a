/*
 * Address Windowing Extensions: physical pages that a process owns by number and maps, as it likes,
 * into windows (VAD_AWE). They are zeroed, never paged, in no working set, and charged to commit.
 *
 * A page of this kind is ACTIVE and NOPAGE. Its MMPFN keeps, instead of what paging needs:
 *   pte_frame     the owner's process id         flink, blink   the owner's other pages (A)
 *   original_pte  the address where it is mapped, 0: nowhere    priority  1: named in this call
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

#define AWE_CHUNK     512u	 /* page numbers taken from or given to user mode at once */
#define AWE_MAP_LIMIT 0x1000000u /* pages of one map call: 64 GB */

static u32 owner_of(const struct address_space *as)
{
	return CONTAINER_OF(as, const EPROCESS, as)->pid;
}

/* The frame with this number if the process owns it, else 0. => A */
static pfn_t owned(struct address_space *as, u64 number)
{
	pfn_t p = (pfn_t)number;
	bool mine = false;

	if (number <= mm_highest_pfn) {
		KIRQL old = KeAcquireSpinLock(&pfn_lock);

		mine = pfn_is_ram(p) && mm_pfn[p].state == PFN_ACTIVE &&
		       mm_pfn[p].flags & PFN_F_NOPAGE && mm_pfn[p].pte_frame == owner_of(as);
		KeReleaseSpinLock(&pfn_lock, old);
	}
	return mine ? p : 0;
}

/* ---- the owner's chain. => A ---- */

static void link_page(struct address_space *as, pfn_t p)
{
	mm_pfn[p].pte_frame = owner_of(as);
	mm_pfn[p].original_pte = 0;
	mm_pfn[p].priority = 0;
	mm_pfn[p].blink = 0;
	mm_pfn[p].flink = as->physical_first;
	if (as->physical_first)
		mm_pfn[as->physical_first].blink = p;
	as->physical_first = p;
	as->physical_pages++;
}

static void unlink_page(struct address_space *as, pfn_t p)
{
	if (mm_pfn[p].blink)
		mm_pfn[mm_pfn[p].blink].flink = mm_pfn[p].flink;
	else
		as->physical_first = mm_pfn[p].flink;
	if (mm_pfn[p].flink)
		mm_pfn[mm_pfn[p].flink].blink = mm_pfn[p].blink;
	as->physical_pages--;
}

/* Frees pages that are unmapped everywhere. => A */
static void free_pages(struct address_space *as, const pfn_t *page, u64 n)
{
	KIRQL old;

	for (u64 i = 0; i < n; i++)
		unlink_page(as, page[i]);
	old = KeAcquireSpinLock(&pfn_lock);
	for (u64 i = 0; i < n; i++)
		pfn_free(page[i]);
	KeReleaseSpinLock(&pfn_lock, old);
	mm_uncharge(as, n);
}

void mm_free_physical(struct address_space *as)
{
	while (as->physical_first) {
		pfn_t p = as->physical_first;

		require(!mm_pfn[p].original_pte);
		free_pages(as, &p, 1);
	}
}

/* Unmaps the page from where it is; the caller flushes. => A */
static bool unmap_page(struct address_space *as, pfn_t p)
{
	u64 va = mm_pfn[p].original_pte;

	if (!va)
		return false;
	pte_set(mm_find_pte(as, va), 0);
	mm_pfn[p].original_pte = 0;
	return true;
}

/* ---- allocate ---- */

/* => A. Up to n pages; fewer when there are no more. */
static u64 take_pages(struct address_space *as, pfn_t *page, u64 n)
{
	u64 got = 0;

	for (; got < n && mm_enough_pages(); got++) {
		KIRQL old = KeAcquireSpinLock(&pfn_lock);
		pfn_t p = pfn_take(true);

		if (p) {
			mm_pfn[p].flags = PFN_F_NOPAGE;
			mm_pfn[p].use = NTMM_USE_AWE;
		}
		KeReleaseSpinLock(&pfn_lock, old);
		if (!p)
			break;
		link_page(as, p);
		page[got] = p;
	}
	return got;
}

/* One chunk into user memory. *got 0: there is nothing left to have. */
static NTSTATUS allocate_chunk(struct address_space *as, u64 n, u64 *user, u64 *got)
{
	pfn_t *page =
	    ExAllocatePool(AWE_CHUNK * (sizeof(pfn_t) + sizeof(u64)), TAG('A', 'w', 'e', ' '));
	u64 *number;
	NTSTATUS st = STATUS_SUCCESS;

	*got = 0;
	if (!page)
		return STATUS_INSUFFICIENT_RESOURCES;
	number = (u64 *)(page + AWE_CHUNK);
	if ((st = mm_charge(as, n))) {
		ExFreePool(page);
		return st;
	}
	for (u32 tries = 0; tries < 20; tries++) {
		mutex_lock(&as->lock);
		if (as->dying)
			st = STATUS_PROCESS_IS_TERMINATING;
		else
			*got = take_pages(as, page, n);
		mutex_unlock(&as->lock);
		if (*got || st)
			break;
		mm_wait_for_pages();
	}
	if (*got < n)
		mm_uncharge(as, n - *got);
	for (u64 i = 0; i < *got; i++)
		number[i] = page[i];
	if (*got && (st = copy_to_user(user, number, *got * sizeof(u64)))) {
		mutex_lock(&as->lock);
		if (!as->dying) /* else it has freed them */
			free_pages(as, page, *got);
		mutex_unlock(&as->lock);
		*got = 0;
	}
	ExFreePool(page);
	return st;
}

NTSYSCALL NTSTATUS NtAllocateUserPhysicalPages(HANDLE process, u64 *user_count, u64 *user_pages)
{
	EPROCESS *p;
	u64 want, have = 0, got = 1;
	NTSTATUS st;

	if ((st = copy_from_user(&want, user_count, 8)) ||
	    (st = copy_to_user(user_count, &want, 8)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	if (!SeHasPrivilege(SE_LOCK_MEMORY)) {
		ObDereferenceObject(p);
		return STATUS_PRIVILEGE_NOT_HELD;
	}
	mutex_lock(&mm_pin_lock);
	while (have < want && got && !st) {
		u64 n = MIN(want - have, AWE_CHUNK);

		while (n && !mm_can_pin(n))
			n /= 2;
		if (!n)
			break;
		st = allocate_chunk(&p->as, n, user_pages + have, &got);
		have += got;
	}
	mutex_unlock(&mm_pin_lock);
	ObDereferenceObject(p);
	if (!have && want) /* some is success */
		return st ? st : STATUS_INSUFFICIENT_RESOURCES;
	return copy_to_user(user_count, &have, 8);
}

/* ---- free ---- */

/* Frees the pages until one that is not the caller's; returns how many. */
static u64 free_chunk(struct address_space *as, const u64 *number, u64 n)
{
	pfn_t page[64];
	u64 done = 0, count;
	bool more = true;

	mutex_lock(&as->lock);
	while (more && done < n) {
		bool flush = false;

		for (count = 0; count < ARRAY_SIZE(page) && done + count < n; count++) {
			page[count] = owned(as, number[done + count]);
			if (!page[count] || mm_pfn[page[count]].priority) /* or named twice */
				break;
			mm_pfn[page[count]].priority = 1;
			flush |= unmap_page(as, page[count]);
		}
		more = count == ARRAY_SIZE(page);
		if (flush)
			ke_flush_tlb_all(as->cpus);
		free_pages(as, page, count);
		done += count;
	}
	mutex_unlock(&as->lock);
	return done;
}

NTSYSCALL NTSTATUS NtFreeUserPhysicalPages(HANDLE process, u64 *user_count, const u64 *user_pages)
{
	u64 *number = ExAllocatePool(AWE_CHUNK * sizeof(u64), TAG('A', 'w', 'e', ' '));
	u64 count, done = 0;
	EPROCESS *p;
	NTSTATUS st;

	if (!number)
		return STATUS_INSUFFICIENT_RESOURCES;
	if ((st = copy_from_user(&count, user_count, 8)) ||
	    (st = copy_to_user(user_count, &count, 8)) ||
	    (st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType,
					    (void **)&p))) {
		ExFreePool(number);
		return st;
	}
	while (!st && done < count) {
		u64 n = MIN(count - done, AWE_CHUNK), freed;

		if ((st = copy_from_user(number, user_pages + done, n * sizeof(u64))))
			break;
		freed = free_chunk(&p->as, number, n);
		done += freed;
		if (freed < n)
			st = STATUS_CONFLICTING_ADDRESSES;
	}
	ObDereferenceObject(p);
	ExFreePool(number);
	copy_to_user(user_count, &done, 8); /* it could be written before */
	return st;
}

/* ---- map ---- */

/* One call's targets: page i at va[i], or at base + i pages; no numbers: unmap. */
struct window {
	u64 base;
	const u64 *va, *number;
	u64 count;
	u64 marked; /* targets that have been looked at */
};

static u64 target(const struct window *w, u64 i)
{
	return w->va ? ALIGN_DOWN(w->va[i], PAGE_SIZE) : w->base + (i << PAGE_SHIFT);
}

/* => A. Every address in a window, its table there. Targets that are mapped get marked (LOCKED has
 * no other use in a window): what is there is about to go. */
static NTSTATUS check_targets(struct address_space *as, struct window *w)
{
	for (u64 i = 0; i < w->count; w->marked = ++i) {
		MMVAD *v = mm_find_vad(as, target(w, i));
		MMPTE *pte;

		if (!v || v->type != VAD_AWE)
			return STATUS_INVALID_PARAMETER_1;
		pte = mm_make_pte(as, target(w, i));
		if (!pte)
			return STATUS_INSUFFICIENT_RESOURCES;
		if (*pte)
			pte_set(pte, *pte | PTE_LOCKED);
	}
	return STATUS_SUCCESS;
}

/* => A. Every page the caller's, named once, and mapped nowhere but where it will be replaced. */
static NTSTATUS check_pages(struct address_space *as, const struct window *w)
{
	for (u64 i = 0; w->number && i < w->count; i++) {
		pfn_t p = owned(as, w->number[i]);

		if (w->va && !w->number[i])
			continue; /* this one is unmapped */
		if (!p)
			return STATUS_INVALID_PARAMETER_3;
		if (mm_pfn[p].priority)
			return STATUS_CONFLICTING_ADDRESSES;
		mm_pfn[p].priority = 1;
		if (mm_pfn[p].original_pte &&
		    !(*mm_find_pte(as, mm_pfn[p].original_pte) & PTE_LOCKED))
			return STATUS_INVALID_PARAMETER_3;
	}
	return STATUS_SUCCESS;
}

static void remove_marks(struct address_space *as, const struct window *w)
{
	for (u64 i = 0; i < w->marked; i++) {
		MMPTE *pte = mm_find_pte(as, target(w, i));
		pfn_t p = w->number ? owned(as, w->number[i]) : 0;

		if (*pte)
			pte_set(pte, *pte & ~PTE_LOCKED);
		if (p)
			mm_pfn[p].priority = 0;
	}
}

/* => A, checked */
static void change_windows(struct address_space *as, const struct window *w)
{
	bool flush = false;

	for (u64 i = 0; i < w->count; i++) {
		MMPTE *pte = mm_find_pte(as, target(w, i));
		pfn_t was = *pte ? pte_pfn(*pte) : 0;
		pfn_t p = w->number ? (pfn_t)w->number[i] : 0;

		if (was && mm_pfn[was].original_pte == target(w, i))
			mm_pfn[was].original_pte = 0;
		flush |= was != 0;
		if (p)
			mm_pfn[p].original_pte = target(w, i);
		pte_set(pte, p ? pte_valid(p, MM_READWRITE) | PTE_HW_WRITE | PTE_DIRTY : 0);
	}
	if (flush)
		ke_flush_tlb_all(as->cpus);
}

static NTSTATUS map_windows(struct window *w)
{
	struct address_space *as = &PsGetCurrentProcess()->as;
	NTSTATUS st;

	mutex_lock(&as->lock);
	st = check_targets(as, w);
	if (!st)
		st = check_pages(as, w);
	if (!st)
		change_windows(as, w);
	remove_marks(as, w);
	mutex_unlock(&as->lock);
	return st;
}

/* Copies an array of the caller's; NULL stays NULL. */
static NTSTATUS capture(const u64 *user, u64 count, u64 **out)
{
	NTSTATUS st;

	*out = NULL;
	if (!user)
		return STATUS_SUCCESS;
	if (count * sizeof(u64) / PAGE_SIZE > mm_available / 4)
		return STATUS_INSUFFICIENT_RESOURCES;
	*out = ExAllocatePool(count * sizeof(u64), TAG('A', 'w', 'e', 'M'));
	if (!*out)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = copy_from_user(*out, user, count * sizeof(u64));
	if (st) {
		ExFreePool(*out);
		*out = NULL;
	}
	return st;
}

NTSYSCALL NTSTATUS NtMapUserPhysicalPages(u64 va, u64 count, const u64 *user_pages)
{
	struct window w = {.base = ALIGN_DOWN(va, PAGE_SIZE), .count = count};
	u64 *number;
	NTSTATUS st;

	if (!count)
		return STATUS_SUCCESS;
	if (count > AWE_MAP_LIMIT)
		return STATUS_INVALID_PARAMETER_2;
	if (user_pages && count > PsGetCurrentProcess()->as.physical_pages)
		return STATUS_INVALID_PARAMETER_3; /* it does not have so many */
	if ((st = capture(user_pages, count, &number)))
		return st;
	w.number = number;
	st = map_windows(&w);
	if (number)
		ExFreePool(number);
	return st;
}

NTSYSCALL NTSTATUS NtMapUserPhysicalPagesScatter(const u64 *user_va, u64 count,
						 const u64 *user_pages)
{
	struct window w = {.count = count};
	u64 *number, *va;
	NTSTATUS st;

	if (!count)
		return STATUS_SUCCESS;
	if (count > AWE_MAP_LIMIT)
		return STATUS_INVALID_PARAMETER_2;
	if (!user_va)
		return STATUS_ACCESS_VIOLATION;
	if ((st = capture(user_va, count, &va)))
		return st;
	st = capture(user_pages, count, &number);
	if (!st) {
		w.va = va;
		w.number = number;
		st = map_windows(&w);
	}
	ExFreePool(va);
	if (number)
		ExFreePool(number);
	return st;
}
