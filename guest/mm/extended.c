/*
 * MEM_EXTENDED_PARAMETER arrays, and NtAllocateVirtualMemoryEx, which takes one. The array and what
 * it points to are copied once and checked as a whole; the request then goes the way of every other
 * allocation (alloc.c).
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

/* Public winnt.h. */
enum extended_type {
	MemExtendedParameterAddressRequirements = 1,
	MemExtendedParameterNumaNode,
	MemExtendedParameterPartitionHandle,
	MemExtendedParameterUserPhysicalHandle,
	MemExtendedParameterAttributeFlags,
	MemExtendedParameterMax,
};

struct user_parameter { /* MEM_EXTENDED_PARAMETER */
	u64 type;	/* low 8 bits; the rest is reserved */
	u64 value;
};
_Static_assert(sizeof(struct user_parameter) == 16, "as Windows x64");

struct user_requirements { /* MEM_ADDRESS_REQUIREMENTS */
	u64 lowest, highest, alignment;
};
_Static_assert(sizeof(struct user_requirements) == 24, "as Windows x64");

#define NUMA_NO_PREFERRED_NODE	 0xffffffffu
#define MEMORY_CURRENT_PARTITION ((u64)-1)
#define MEMORY_SYSTEM_PARTITION	 ((u64)-2)
#define KNOWN_ATTRIBUTES                                                                      \
	(MEM_EXTENDED_PARAMETER_GRAPHICS | MEM_EXTENDED_PARAMETER_NONPAGED |                  \
	 MEM_EXTENDED_PARAMETER_ZERO_PAGES_OPTIONAL | MEM_EXTENDED_PARAMETER_NONPAGED_LARGE | \
	 MEM_EXTENDED_PARAMETER_NONPAGED_HUGE)

static NTSTATUS take_requirements(u64 value, struct extended *e)
{
	struct user_requirements r;
	u64 top = PsGetCurrentProcess()->as.highest;
	NTSTATUS st = copy_from_user(&r, (void *)value, sizeof(r));

	if (st)
		return st;
	if (r.highest && (((r.highest + 1) & (PAGE_SIZE - 1)) || r.highest > top))
		return STATUS_INVALID_PARAMETER;
	if (r.lowest & (MM_GRANULARITY - 1) || r.lowest >= (r.highest ? r.highest : top))
		return STATUS_INVALID_PARAMETER;
	if (r.alignment & (r.alignment - 1) || (r.alignment && r.alignment < MM_GRANULARITY))
		return STATUS_INVALID_PARAMETER;
	e->has_address = true;
	e->lowest = r.lowest;
	e->highest = r.highest;
	e->alignment = r.alignment;
	return STATUS_SUCCESS;
}

static NTSTATUS take_node(u64 value, struct extended *e)
{
	(void)e; /* there is one node, 0 */
	return (u32)value == 0 || (u32)value == NUMA_NO_PREFERRED_NODE ? STATUS_SUCCESS
								       : STATUS_INVALID_PARAMETER;
}

static NTSTATUS take_partition(u64 value, struct extended *e)
{
	(void)e; /* and one partition */
	return value == MEMORY_CURRENT_PARTITION || value == MEMORY_SYSTEM_PARTITION
		   ? STATUS_SUCCESS
		   : STATUS_INVALID_HANDLE;
}

static NTSTATUS take_physical(u64 value, struct extended *e)
{
	(void)value; /* AWE sections are not made here: no handle can be one */
	(void)e;
	return STATUS_INVALID_HANDLE;
}

static NTSTATUS take_attributes(u64 value, struct extended *e)
{
	if (value & ~(u64)KNOWN_ATTRIBUTES)
		return STATUS_INVALID_PARAMETER;
	e->attributes = value;
	return STATUS_SUCCESS;
}

static NTSTATUS (*const take[MemExtendedParameterMax])(u64 value, struct extended *e) = {
    [MemExtendedParameterAddressRequirements] = take_requirements,
    [MemExtendedParameterNumaNode] = take_node,
    [MemExtendedParameterPartitionHandle] = take_partition,
    [MemExtendedParameterUserPhysicalHandle] = take_physical,
    [MemExtendedParameterAttributeFlags] = take_attributes,
};

NTSTATUS mm_capture_extended(const void *parameters, u32 count, struct extended *e)
{
	const struct user_parameter *user = parameters;
	struct user_parameter p;
	u32 seen = 0;
	NTSTATUS st;

	memset(e, 0, sizeof(*e));
	if (!count)
		return STATUS_SUCCESS;
	if (!parameters || count >= MemExtendedParameterMax) /* one would be there twice */
		return STATUS_INVALID_PARAMETER;
	for (u32 i = 0; i < count; i++) {
		u32 type;

		if ((st = copy_from_user(&p, &user[i], sizeof(p))))
			return st;
		type = p.type & 0xff;
		if (!type || type >= MemExtendedParameterMax || p.type >> 8 || seen >> type & 1)
			return STATUS_INVALID_PARAMETER;
		seen |= 1u << type;
		if ((st = take[type](p.value, e)))
			return st;
	}
	return STATUS_SUCCESS;
}

/* What the attributes and the rest of the request have to say to each other. */
static NTSTATUS check_extended(const struct alloc_request *r, const struct extended *e)
{
	const u64 big =
	    MEM_EXTENDED_PARAMETER_NONPAGED_LARGE | MEM_EXTENDED_PARAMETER_NONPAGED_HUGE;

	if (e->lowest || e->highest || e->alignment)
		if (r->base || !(r->type & MEM_RESERVE))
			return STATUS_INVALID_PARAMETER;
	if (e->attributes & MEM_EXTENDED_PARAMETER_NONPAGED && !(r->type & MEM_RESERVE))
		return STATUS_INVALID_PARAMETER; /* a region is so as a whole */
	if ((e->attributes & big) == big || (e->attributes & big && !(r->type & MEM_LARGE_PAGES)))
		return STATUS_INVALID_PARAMETER;
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtAllocateVirtualMemoryEx(HANDLE process, u64 *user_base, u64 *user_size,
					     u32 type, u32 protect, const void *parameters,
					     u32 count)
{
	struct alloc_request r = {.type = type, .protect = protect, .extended = true};
	struct extended e;
	EPROCESS *p;
	NTSTATUS st;

	st = mm_capture_extended(parameters, count, &e);
	if (st)
		return st;
	if ((st = mm_capture_inout(&r.base, user_base)) ||
	    (st = mm_capture_inout(&r.size, user_size)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	r.lowest = e.lowest;
	r.highest = e.highest ? MIN(e.highest, p->as.highest) : p->as.highest;
	r.align = e.alignment ? e.alignment : MM_GRANULARITY;
	r.attributes = e.attributes;
	st = mm_check_alloc(&p->as, &r);
	if (!st)
		st = check_extended(&r, &e);
	if (!st &&
	    (type & (MEM_LARGE_PAGES | MEM_PHYSICAL) ||
	     e.attributes & MEM_EXTENDED_PARAMETER_NONPAGED) &&
	    !SeHasPrivilege(SE_LOCK_MEMORY))
		st = STATUS_PRIVILEGE_NOT_HELD;
	if (!st)
		st = mm_allocate(p, &r);
	ObDereferenceObject(p);
	if (st)
		return st;
	if ((st = copy_to_user(user_base, &r.base, 8)))
		return st;
	return copy_to_user(user_size, &r.size, 8);
}
