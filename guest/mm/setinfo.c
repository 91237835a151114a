/*
 * NtSetInformationVirtualMemory: advice about ranges. The array of ranges is checked as a whole,
 * then handled piece by piece.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

enum vm_class { /* VIRTUAL_MEMORY_INFORMATION_CLASS */
		VmPrefetchInformation = 0,
		VmPagePriorityInformation = 1,
		VmCfgCallTargetInformation = 2,
		VmRemoveFromWorkingSetInformation = 7,
		VM_CLASSES
};

struct range { /* MEMORY_RANGE_ENTRY */
	u64 va, bytes;
};
#define RANGE_CHUNK 32u

/* ---- prefetch ---- */

/* => A and F; both dropped: the page at proto (of a view) or pte is on its way in. */
static void read_private(struct address_space *as, MMPTE *pte, KIRQL irql)
{
	MMPTE *group = (MMPTE *)ALIGN_DOWN((u64)pte, MM_CLUSTER * sizeof(MMPTE));

	mm_page_in(as, pte, group, group + MM_CLUSTER, false, irql);
}

static void read_shared(struct address_space *as, struct control_area *ca, MMPTE *proto, KIRQL irql)
{
	MMPTE *group = (MMPTE *)ALIGN_DOWN((u64)proto, MM_CLUSTER * sizeof(MMPTE));

	if (pte_kind(*proto) == PTE_K_PROTOTYPE)
		mm_page_in_file(as, proto, false, irql);
	else
		mm_page_in(as, proto, MAX(group, ca->proto),
			   MIN(group + MM_CLUSTER, ca->proto + ca->pages), true, irql);
}

/* Brings the page to the standby list if it lies in a file or pagefile. Returns where to go on. */
static u64 prefetch_page(struct address_space *as, u64 va, u64 end)
{
	struct vad_node *n;
	MMPTE *pte, *proto;
	enum pte_kind k;
	KIRQL irql;
	MMVAD *v;

	mutex_lock(&as->lock);
	n = vad_find_overlap(&as->vads, va >> PAGE_SHIFT, (end - 1) >> PAGE_SHIFT);
	v = n ? CONTAINER_OF(n, MMVAD, node) : NULL;
	if (!v || v->type == VAD_LARGE || v->type == VAD_AWE || v->type == VAD_NONPAGED ||
	    v->type == VAD_SHARED_DATA) {
		va = v ? vad_end(v) : end;
		mutex_unlock(&as->lock);
		return va;
	}
	va = MAX(va, vad_va(v));
	if (!v->ca)
		va = mm_skip_absent(as, va, vad_end(v));
	if (va >= vad_end(v) || va >= end) {
		mutex_unlock(&as->lock);
		return va;
	}
	pte = mm_find_pte(as, va);
	irql = KeAcquireSpinLock(&pfn_lock);
	k = pte ? pte_kind(*pte) : PTE_K_ZERO;
	proto = v->ca && (k == PTE_K_ZERO || k == PTE_K_PROTOTYPE) ? vad_proto(v, va) : NULL;
	if (k == PTE_K_PAGEFILE && !(*pte & PTE_OFFERED)) {
		read_private(as, pte, irql);
	} else if (proto &&
		   (pte_kind(*proto) == PTE_K_PAGEFILE || pte_kind(*proto) == PTE_K_PROTOTYPE)) {
		read_shared(as, v->ca, proto, irql);
	} else {
		KeReleaseSpinLock(&pfn_lock, irql);
		mutex_unlock(&as->lock);
	}
	return va + PAGE_SIZE;
}

static NTSTATUS prefetch(EPROCESS *p, u64 start, u64 end, u32 flags)
{
	(void)flags;
	for (u64 va = start;
	     va < end && mm_available > mm_low_pages && !PsGetCurrentProcess()->exiting;)
		va = prefetch_page(&p->as, va, end);
	return STATUS_SUCCESS; /* only advice */
}

/* ---- the other classes ---- */

static NTSTATUS offer(EPROCESS *p, u64 start, u64 end, u32 priority)
{
	NTSTATUS st;

	mutex_lock(&p->as.lock);
	st = mm_offer_range(&p->as, start, end, priority);
	mutex_unlock(&p->as.lock);
	return st;
}

static NTSTATUS remove_from_set(EPROCESS *p, u64 start, u64 end, u32 flags)
{
	(void)flags;
	mutex_lock(&p->as.lock);
	mm_trim_range(&p->as, start, end);
	mutex_unlock(&p->as.lock);
	return STATUS_SUCCESS;
}

static const struct {
	NTSTATUS (*work)(EPROCESS *p, u64 start, u64 end, u32 data);
	bool any_length; /* of the data; else it is a ULONG */
} class_table[VM_CLASSES] = {
    [VmPrefetchInformation] = {prefetch, false},
    [VmPagePriorityInformation] = {offer, false},
    [VmCfgCallTargetInformation] = {NULL, true}, /* call_targets */
    [VmRemoveFromWorkingSetInformation] = {remove_from_set, false},
};

/* Every range through `work`, or, without it, only looked at. */
static NTSTATUS each_range(EPROCESS *p, u64 count, const struct range *user, u32 data,
			   NTSTATUS (*work)(EPROCESS *p, u64 start, u64 end, u32 data))
{
	struct range range[RANGE_CHUNK];
	NTSTATUS st = STATUS_SUCCESS;

	for (u64 done = 0, n; done < count && !st; done += n) {
		n = MIN(count - done, RANGE_CHUNK);
		if ((st = copy_from_user(range, user + done, n * sizeof(range[0]))))
			return st;
		for (u64 i = 0; i < n && !st; i++) {
			u64 top = PsGetCurrentProcess()->as.highest, last;

			if (!range[i].bytes)
				return STATUS_INVALID_PARAMETER_4;
			last = range[i].va + range[i].bytes - 1;
			if (last < range[i].va || last > top)
				last = top;
			if (work && range[i].va <= top)
				st = work(p, ALIGN_DOWN(range[i].va, PAGE_SIZE),
					  ALIGN_DOWN(last, PAGE_SIZE) + PAGE_SIZE, data);
		}
	}
	return st;
}

/* ---- call targets ---- */

struct call_targets { /* CFG_CALL_TARGET_LIST_INFORMATION */
	u32 count, reserved;
	u64 done, targets, section,
	    offset; /* user pointers: u32, struct call_target[]; section's two: 0 */
};
struct call_target { /* CFG_CALL_TARGET_INFO */
	u64 offset, flags;
};
#define TARGET_VALID	 1u
#define TARGET_PROCESSED 2u /* out */
#define TARGET_EXPORT	 4u /* CONVERT_EXPORT_SUPPRESSED_TO_VALID */
#define TARGET_GRANULE	 16u
#define TARGETS_LEAST	 40u /* bytes of the structure */

/* The next target, checked; *last is the offset of the one before it. */
static NTSTATUS take_target(const struct call_target *user, u32 i, u64 bytes, u64 *last,
			    struct call_target *t)
{
	NTSTATUS st = copy_from_user(t, user, sizeof(*t));

	if (st)
		return st;
	if (t->offset % TARGET_GRANULE || t->offset >= bytes || (i && t->offset <= *last) ||
	    t->flags & ~(u64)(TARGET_VALID | TARGET_EXPORT))
		return STATUS_INVALID_PARAMETER;
	*last = t->offset;
	return STATUS_SUCCESS;
}

/* In order, up to the first that is wrong; *done says how many were set. */
static NTSTATUS set_targets(EPROCESS *p, u64 va, u64 bytes, const struct call_targets *list,
			    u32 *done)
{
	struct call_target *user = (struct call_target *)list->targets, t;
	NTSTATUS st = STATUS_SUCCESS;
	u64 last = 0;

	for (*done = 0; *done < list->count; ++*done) {
		if ((st = take_target(user + *done, *done, bytes, &last, &t)) ||
		    (st = mm_cfg_set_target(&p->as, va + t.offset, t.flags)))
			return st;
		t.flags |= TARGET_PROCESSED;
		if ((st = copy_to_user(user + *done, &t, sizeof(t))))
			return st;
	}
	return st;
}

/* Nothing is set where nothing guards calls, but what is wrong is told. */
static NTSTATUS check_targets(const struct call_targets *list, u64 bytes)
{
	struct call_target t;
	NTSTATUS st = STATUS_SUCCESS;
	u64 last = 0;

	for (u32 i = 0; i < list->count && !st; i++)
		st = take_target((struct call_target *)list->targets + i, i, bytes, &last, &t);
	return st ? st : STATUS_INVALID_PARAMETER_1;
}

/* The pages must be executable and of one region. => A not held */
static NTSTATUS check_code(struct address_space *as, u64 start, u64 end)
{
	NTSTATUS st = STATUS_SUCCESS;
	u64 next;
	u32 prot;
	MMVAD *v;

	mutex_lock(&as->lock);
	v = start <= as->highest ? mm_find_vad(as, start) : NULL;
	if (!v || end > vad_end(v))
		st = STATUS_CONFLICTING_ADDRESSES;
	for (u64 va = start; va < end && !st && as->cfg_base; va = next)
		if (!mm_page_state(as, v, va, &prot, &next))
			st = STATUS_NOT_COMMITTED;
		else if (!mm_prot_executes(prot) || prot == MM_NOACCESS)
			st = STATUS_INVALID_PAGE_PROTECTION;
	mutex_unlock(&as->lock);
	return st;
}

static NTSTATUS call_targets(HANDLE process, u64 count, const struct range *user,
			     const struct call_targets *user_list, u32 length)
{
	struct call_targets list;
	struct range range;
	u32 done = 0;
	EPROCESS *p;
	NTSTATUS st, told;

	if (count != 1)
		return STATUS_INVALID_PARAMETER_3;
	if (length < TARGETS_LEAST)
		return STATUS_INVALID_PARAMETER_6;
	if ((st = copy_from_user(&range, user, sizeof(range))) ||
	    (st = copy_from_user(&list, user_list, sizeof(list))))
		return st;
	if (!range.bytes || (range.va | range.bytes) & (PAGE_SIZE - 1))
		return STATUS_INVALID_PARAMETER_4;
	if (!list.count || list.reserved)
		return STATUS_INVALID_PARAMETER_5;
	if ((st = copy_to_user((void *)list.done, &done, sizeof(done))))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	mm_cfg_enter(&p->as);
	st = range.va + range.bytes < range.va
		 ? STATUS_INVALID_PARAMETER_4
		 : check_code(&p->as, range.va, range.va + range.bytes);
	if (!st)
		st = p->as.cfg_base ? set_targets(p, range.va, range.bytes, &list, &done)
				    : check_targets(&list, range.bytes);
	mm_cfg_leave(&p->as);
	ObDereferenceObject(p);
	told = copy_to_user((void *)list.done, &done, sizeof(done));
	return st ? st : told;
}

NTSYSCALL NTSTATUS NtSetInformationVirtualMemory(HANDLE process, u32 class, u64 count,
						 const struct range *user, const void *user_data,
						 u32 length)
{
	u32 data = 0;
	EPROCESS *p;
	NTSTATUS st;

	if (class >= VM_CLASSES ||
	    (!class_table[class].work && class != VmCfgCallTargetInformation))
		return STATUS_INVALID_PARAMETER_2;
	if (!user_data)
		return STATUS_INVALID_PARAMETER_5;
	if (!class_table[class].any_length && length != sizeof(data))
		return STATUS_INVALID_PARAMETER_6;
	if (!count)
		return STATUS_INVALID_PARAMETER_3;
	if (class == VmCfgCallTargetInformation)
		return call_targets(process, count, user, user_data, length);
	if ((!class_table[class].any_length &&
	     (st = copy_from_user(&data, user_data, sizeof(data)))) ||
	    (st = each_range(NULL, count, user, 0, NULL)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	st = each_range(p, count, user, data, class_table[class].work);
	ObDereferenceObject(p);
	return st;
}
