/*
 * NtSetInformationProcess, class by class; priorities and processors of a process and its threads.
 * Lock: ps_lock for what threads inherit.
 */
#include "guest/ps/info.h"
#include "guest/ke/syscall.h"
#include "guest/ex/ex.h"
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

/* ---- priorities ---- */

#define LOW_REALTIME 16
#define HIGHEST	     31
#define SATURATED    15 /* from there on an increment means the end of the range */

static const u8 class_base[] = {
    [PRIORITY_CLASS_IDLE] = 4,	       [PRIORITY_CLASS_NORMAL] = 8,
    [PRIORITY_CLASS_HIGH] = 13,	       [PRIORITY_CLASS_REALTIME] = 24,
    [PRIORITY_CLASS_BELOW_NORMAL] = 6, [PRIORITY_CLASS_ABOVE_NORMAL] = 10,
};

u8 ps_thread_base(const EPROCESS *p, s32 increment)
{
	s32 low = p->base_priority >= LOW_REALTIME ? LOW_REALTIME : 1;
	s32 high = p->base_priority >= LOW_REALTIME ? HIGHEST : LOW_REALTIME - 1;

	if (increment >= SATURATED)
		return (u8)high;
	if (increment <= -SATURATED)
		return (u8)low;
	return (u8)MIN(MAX(p->base_priority + increment, low), high);
}

void ps_set_base_priority(EPROCESS *p, u8 base)
{
	p->base_priority = base;
	LIST_FOR_EACH(e, &p->threads)
	{
		ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);

		t->k.base_priority = ps_thread_base(p, t->increment);
		ke_set_priority(&t->k, t->k.base_priority);
	}
}

void ps_set_priority_class(EPROCESS *p, u8 class)
{
	p->priority_class = class;
	ps_set_base_priority(p, class_base[class]);
}

static NTSTATUS base_priority(const struct info_call *c)
{
	EPROCESS *p = c->object;
	s32 base = *(const s32 *)c->data;

	if (base < 1 || base > HIGHEST)
		return STATUS_INVALID_PARAMETER;
	if (base > p->base_priority && !SeHasPrivilege(SE_INCREASE_BASE_PRIORITY))
		return STATUS_PRIVILEGE_NOT_HELD;
	mutex_lock(&ps_lock);
	ps_set_base_priority(p, (u8)base);
	mutex_unlock(&ps_lock);
	return STATUS_SUCCESS;
}

static NTSTATUS priority_class(const struct info_call *c)
{
	const u8 *v = c->data; /* Foreground, class */
	EPROCESS *p = c->object;

	if (!v[1] || v[1] >= ARRAY_SIZE(class_base))
		return STATUS_INVALID_PARAMETER;
	if (v[1] == PRIORITY_CLASS_REALTIME && p->priority_class != v[1] &&
	    !SeHasPrivilege(SE_INCREASE_BASE_PRIORITY))
		return STATUS_PRIVILEGE_NOT_HELD;
	mutex_lock(&ps_lock);
	if (!ps_job_fixes_priority(p)) /* then it is not heard, as on Windows */
		ps_set_priority_class(p, v[1]);
	mutex_unlock(&ps_lock);
	return STATUS_SUCCESS;
}

/* ---- processors ---- */

NTSTATUS ps_set_affinity(EPROCESS *p, u64 mask)
{
	if (!mask || mask & ~ps_active_processors())
		return STATUS_INVALID_PARAMETER;
	p->affinity = mask;
	LIST_FOR_EACH(e, &p->threads)
	ke_set_affinity(&CONTAINER_OF(e, ETHREAD, entry)->k, mask);
	return STATUS_SUCCESS;
}

static NTSTATUS affinity(const struct info_call *c)
{
	const struct {
		u64 mask;
		u16 group, reserved[3]; /* GROUP_AFFINITY */
	} *a = c->data;
	EPROCESS *p = c->object;
	NTSTATUS st;

	if (c->bytes > 8 && (a->group || a->reserved[0] || a->reserved[1] || a->reserved[2]))
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&ps_lock);
	st = ps_job_affinity(p) & a->mask ? ps_set_affinity(p, ps_job_affinity(p) & a->mask)
					  : STATUS_INVALID_PARAMETER;
	mutex_unlock(&ps_lock);
	if (!st && p == PsGetCurrentProcess())
		KeYield(); /* to a processor that is allowed, if this is not */
	return st;
}

/* ---- limits ---- */

struct quota_limits {
	u64 paged, nonpaged, ws_min, ws_max, pagefile, time;
	u64 ws_limit, reserved[3]; /* from here on: QUOTA_LIMITS_EX */
	u32 flags, cpu_rate;
};

static NTSTATUS quota(const struct info_call *c)
{
	const struct quota_limits *q = c->data;
	u32 flags = 0;

	if (c->bytes == sizeof(*q)) {
		if (q->ws_limit || q->reserved[0] || q->reserved[1] || q->reserved[2] ||
		    q->cpu_rate)
			return STATUS_INVALID_PARAMETER;
		flags = q->flags;
	}
	if (!q->ws_min && !q->ws_max && !flags) /* the pools' limits: there are none here */
		return SeHasPrivilege(SE_INCREASE_QUOTA) ? STATUS_SUCCESS
							 : STATUS_PRIVILEGE_NOT_HELD;
	return mm_set_working_set_limits(c->object, q->ws_min, q->ws_max, flags);
}

/* ---- one number each ---- */

#define MAX_IO_PRIORITY	  2u /* very low, low, normal; higher ones are the kernel's */
#define MAX_PAGE_PRIORITY 5u

static NTSTATUS number(const struct info_call *c)
{
	EPROCESS *p = c->object;
	u32 v = *(const u32 *)c->data;

	switch (c->class) {
	case ProcessDefaultHardErrorMode:
		p->default_hard_error = v;
		return STATUS_SUCCESS;
	case ProcessPriorityBoost:
		p->boost_disabled = v;
		return STATUS_SUCCESS;
	case ProcessDebugFlags:
		if (v > 1)
			return STATUS_INVALID_PARAMETER;
		p->no_debug_inherit = !v;
		return STATUS_SUCCESS;
	case ProcessIoPriority:
		if (v > MAX_IO_PRIORITY)
			return STATUS_INVALID_PARAMETER;
		p->io_priority = (u8)v;
		return STATUS_SUCCESS;
	case ProcessPagePriority:
		if (!v || v > MAX_PAGE_PRIORITY)
			return STATUS_INVALID_PARAMETER;
		p->page_priority = (u8)v;
		return STATUS_SUCCESS;
	default: /* ProcessExecuteFlags: for 64-bit programs there is nothing to set */
		return STATUS_INVALID_PARAMETER;
	}
}

#define SET   PROCESS_SET_INFORMATION
#define QUOTA PROCESS_SET_QUOTA

static const struct info_set rows[] = {
    {ProcessQuotaLimits, {48, 88}, false, QUOTA, quota},
    {ProcessBasePriority, {4}, false, SET, base_priority},
    {ProcessDefaultHardErrorMode, {4}, false, SET, number},
    {ProcessPriorityClass, {2}, false, SET, priority_class},
    {ProcessAffinityMask, {8, 16}, false, SET, affinity},
    {ProcessPriorityBoost, {4}, false, SET, number},
    {ProcessDebugFlags, {4}, false, SET, number},
    {ProcessIoPriority, {4}, false, SET, number},
    {ProcessExecuteFlags, {4}, false, SET, number},
    {ProcessPagePriority, {4}, false, SET, number},
    {ProcessMitigationPolicy, {8, 12}, false, SET, ps_set_mitigation},
};

NTSYSCALL NTSTATUS NtSetInformationProcess(HANDLE h, u32 class, const void *user, u32 length)
{
	return ps_set_information(rows, ARRAY_SIZE(rows), &PsProcessType, h, class, user, length);
}
