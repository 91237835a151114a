/*
 * NtQueryInformationThread and NtSetInformationThread, class by class. Layouts: public headers of
 * Windows x64. Lock: ps_lock for names and increments.
 */
#include "guest/ps/info.h"
#include "guest/ke/syscall.h"
#include "guest/ex/ex.h"
#include "guest/mm/vmcalls.h"

/* ---- asked ---- */

static u64 thread_affinity(const ETHREAD *t)
{
	return t->k.affinity & t->k.process->affinity & ps_active_processors();
}

static NTSTATUS basic(const struct info_call *c)
{
	const ETHREAD *t = c->object;
	struct {
		u32 exit_status, pad;
		u64 teb, pid, tid, affinity;
		s32 priority, increment;
	} b = {
	    .exit_status = (u32)(t->k.d.signal ? t->exit_status : STATUS_PENDING),
	    .teb = t->k.teb,
	    .pid = t->k.process->pid,
	    .tid = t->tid,
	    .affinity = thread_affinity(t),
	    .priority = t->k.priority,
	    .increment = t->increment,
	};

	memcpy(c->data, &b, sizeof(b));
	return STATUS_SUCCESS;
}

static NTSTATUS times(const struct info_call *c)
{
	const ETHREAD *t = c->object;
	u64 v[4] = {t->create_time, t->exit_time, t->k.kernel_time, t->k.user_time};

	memcpy(c->data, v, sizeof(v));
	return STATUS_SUCCESS;
}

static NTSTATUS number(const struct info_call *c)
{
	const ETHREAD *t = c->object;
	u64 v = 0; /* no IRP is ever pending, nothing breaks on termination */

	switch (c->class) {
	case ThreadQuerySetWin32StartAddress:
		v = t->start_address;
		break;
	case ThreadAmILastThread:
		if (t != PsGetCurrentThread())
			return STATUS_INVALID_PARAMETER;
		v = t->k.process->live_threads == 1;
		break;
	case ThreadPriorityBoost:
		v = t->boost_disabled;
		break;
	case ThreadHideFromDebugger:
		v = t->hide_from_debugger;
		break;
	case ThreadIsTerminated:
		v = t->k.d.signal != 0;
		break;
	case ThreadIoPriority:
		v = t->io_priority;
		break;
	case ThreadPagePriority:
		v = t->page_priority;
		break;
	case ThreadActualBasePriority:
		v = t->k.base_priority;
		break;
	case ThreadSuspendCount:
		v = t->k.suspend_count;
		break;
	case ThreadDynamicCodePolicyInfo:
		v = t->dynamic_code_allowed;
		break;
	}
	memcpy(c->data, &v, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS cycles(const struct info_call *c)
{
	const ETHREAD *t = c->object;
	u64 v[2] = {(t->k.kernel_time + t->k.user_time) * (ke_tsc_hz / 100000) / 100};

	memcpy(c->data, v, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS group(const struct info_call *c)
{
	*(u64 *)c->data = thread_affinity(c->object); /* GROUP_AFFINITY: group 0 */
	return STATUS_SUCCESS;
}

/* PROCESSOR_NUMBER: group (16 bits), number, reserved */
static NTSTATUS ideal_processor(const struct info_call *c)
{
	const ETHREAD *t = c->object;

	((u8 *)c->data)[2] = (u8)t->ideal_processor;
	return STATUS_SUCCESS;
}

/* THREAD_TEB_INFORMATION: bytes of the thread's TEB, copied to where the caller says. */
static NTSTATUS teb_information(const struct info_call *c)
{
	const ETHREAD *t = c->object;
	const struct {
		u64 buffer;
		u32 offset, bytes;
	} *i = c->data;
	u8 part[64];
	NTSTATUS st = STATUS_SUCCESS;

	if (!t->k.teb)
		return STATUS_INVALID_PARAMETER;
	if (i->offset > PAGE_SIZE || i->bytes > PAGE_SIZE - i->offset)
		return STATUS_INVALID_PARAMETER;
	for (u32 n, done = 0; done < i->bytes && !st; done += n) {
		u64 from = t->k.teb + i->offset + done;

		n = (u32)MIN(MIN(i->bytes - done, sizeof(part)),
			     PAGE_SIZE - (from & (PAGE_SIZE - 1)));
		st = mm_access_other(t->k.process, from, part, n, false);
		if (!st)
			st = copy_to_user((void *)(i->buffer + done), part, n);
	}
	return st;
}

static NTSTATUS name(void *object, u16 **text, u32 *chars)
{
	ETHREAD *t = object;
	u32 room = t->name_bytes;
	u16 *copy = ExAllocatePool(room + 2ul, TAG('P', 's', 'T', 'n'));

	if (!copy)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&ps_lock);
	*chars = MIN(room, t->name_bytes) / 2;
	if (t->name)
		memcpy(copy, t->name, *chars * 2ul);
	mutex_unlock(&ps_lock);
	*text = copy;
	return STATUS_SUCCESS;
}

#define LIMITED THREAD_QUERY_LIMITED
#define FULL	THREAD_QUERY_INFORMATION
#define MISFIT	STATUS_BUFFER_TOO_SMALL

static const struct info_query queries[] = {
    {ThreadBasicInformation, {48}, false, LIMITED, basic, NULL, 0},
    {ThreadTimes, {32}, false, LIMITED, times, NULL, 0},
    {ThreadQuerySetWin32StartAddress, {8}, false, FULL, number, NULL, 0},
    {ThreadAmILastThread, {4}, false, LIMITED, number, NULL, 0},
    {ThreadPriorityBoost, {4}, false, LIMITED, number, NULL, 0},
    {ThreadIsIoPending, {4}, false, FULL, number, NULL, 0},
    {ThreadHideFromDebugger, {1}, false, FULL, number, NULL, 0},
    {ThreadBreakOnTermination, {4}, false, FULL, number, NULL, 0},
    {ThreadIsTerminated, {4}, false, LIMITED, number, NULL, 0},
    {ThreadIoPriority, {4}, false, FULL, number, NULL, 0},
    {ThreadCycleTime, {16}, false, LIMITED, cycles, NULL, 0},
    {ThreadPagePriority, {4}, false, LIMITED, number, NULL, 0},
    {ThreadActualBasePriority, {4}, false, LIMITED, number, NULL, 0},
    {ThreadTebInformation, {16}, true, FULL, teb_information, NULL, 0},
    {ThreadGroupInformation, {16}, false, LIMITED, group, NULL, 0},
    {ThreadIdealProcessorEx, {4}, false, LIMITED, ideal_processor, NULL, 0},
    {ThreadSuspendCount, {4}, false, LIMITED, number, NULL, 0},
    {ThreadNameInformation, {0}, false, LIMITED, NULL, name, MISFIT},
    {ThreadDynamicCodePolicyInfo, {4}, false, FULL, number, NULL, 0},
};

NTSYSCALL NTSTATUS NtQueryInformationThread(HANDLE h, u32 class, void *user, u32 length,
					    u32 *returned)
{
	return ps_query_information(queries, ARRAY_SIZE(queries), &PsThreadType, h, class, user,
				    length, returned);
}

/* ---- set ---- */

#define LOW_REALTIME  16
#define HIGHEST	      31
#define MAX_INCREMENT 2
#define SATURATED     15 /* THREAD_PRIORITY_TIME_CRITICAL; 16 is how the kernel's callers spell it */

static NTSTATUS priority(const struct info_call *c)
{
	ETHREAD *t = c->object;
	s32 v = *(const s32 *)c->data;

	if (v < 1 || v > HIGHEST)
		return STATUS_INVALID_PARAMETER;
	if (v >= LOW_REALTIME && v > t->k.priority && !SeHasPrivilege(SE_INCREASE_BASE_PRIORITY))
		return STATUS_PRIVILEGE_NOT_HELD;
	ke_set_priority(&t->k, (u8)v);
	return STATUS_SUCCESS;
}

/* The increment over the process's base: -2 to 2, or the ends of the range. */
static NTSTATUS base_priority(const struct info_call *c)
{
	ETHREAD *t = c->object;
	EPROCESS *p = t->k.process;
	s32 v = *(const s32 *)c->data;

	if (v > MAX_INCREMENT && v != SATURATED && v != SATURATED + 1 &&
	    p->priority_class != PRIORITY_CLASS_REALTIME)
		return STATUS_INVALID_PARAMETER;
	if (v < -MAX_INCREMENT && v != -SATURATED && v != -SATURATED - 1 &&
	    p->priority_class != PRIORITY_CLASS_REALTIME)
		return STATUS_INVALID_PARAMETER;
	if (v > SATURATED + 1 || v < -SATURATED - 1)
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&ps_lock);
	t->increment = (s8)v;
	t->k.base_priority = ps_thread_base(p, v);
	ke_set_priority(&t->k, t->k.base_priority);
	mutex_unlock(&ps_lock);
	return STATUS_SUCCESS;
}

/* All bits mean: wherever the process may. */
static NTSTATUS set_affinity(ETHREAD *t, u64 mask)
{
	NTSTATUS st = STATUS_SUCCESS;
	u64 allowed;

	mutex_lock(&ps_lock);
	allowed = t->k.process->affinity & ps_active_processors();
	if ((u32)mask == ~0u) /* all, whatever the upper half says */
		mask = allowed;
	if (!mask || mask & ~allowed)
		st = STATUS_INVALID_PARAMETER;
	else
		ke_set_affinity(&t->k, mask);
	mutex_unlock(&ps_lock);
	if (!st && t == PsGetCurrentThread())
		KeYield();
	return st;
}

static NTSTATUS affinity(const struct info_call *c)
{
	return set_affinity(c->object, *(const u64 *)c->data);
}

static NTSTATUS set_group(const struct info_call *c)
{
	const struct {
		u64 mask;
		u16 group, reserved[3];
	} *a = c->data;

	if (a->group || a->reserved[0] || a->reserved[1] || a->reserved[2])
		return STATUS_INVALID_PARAMETER;
	return set_affinity(c->object, a->mask);
}

#define NO_IDEAL_PROCESSOR 64u /* MAXIMUM_PROCESSORS: asks only */

static NTSTATUS set_ideal(const struct info_call *c)
{
	ETHREAD *t = c->object;
	u32 v = *(const u32 *)c->data, was = t->ideal_processor;

	if (v > NO_IDEAL_PROCESSOR || (v < NO_IDEAL_PROCESSOR && v >= ke_cpu_count))
		return STATUS_INVALID_PARAMETER;
	if (v < NO_IDEAL_PROCESSOR)
		t->ideal_processor = (u8)v;
	return (NTSTATUS)was;
}

static NTSTATUS set_ideal_ex(const struct info_call *c)
{
	ETHREAD *t = c->object;
	const u8 *v = c->data;

	if (v[0] || v[1] || v[2] >= ke_cpu_count || v[3])
		return STATUS_INVALID_PARAMETER;
	t->ideal_processor = v[2];
	return STATUS_SUCCESS;
}

#define TEB_TLS_SLOTS	  0x1480
#define TEB_TLS_EXPANSION 0x1780
#define TLS_SLOTS	  64u
#define TLS_ALL		  (TLS_SLOTS + 1024u)

static void zero_slot(u64 teb, u32 index)
{
	u64 zero = 0, at = teb + TEB_TLS_SLOTS + index * 8ul;

	if (index >= TLS_SLOTS) {
		u64 table = 0;

		if (copy_from_user(&table, (void *)(teb + TEB_TLS_EXPANSION), 8) || !table)
			return;
		at = table + (index - TLS_SLOTS) * 8ul;
	}
	(void)!copy_to_user((void *)at, &zero, 8); /* a thread may end meanwhile */
}

/* A TLS index in all threads of the caller's process. TEBs are looked at without a lock held, since
 * they are user memory: their addresses are gathered first. */
static NTSTATUS zero_tls(const struct info_call *c)
{
	u32 index = *(const u32 *)c->data, n = 0, room;
	EPROCESS *p = PsGetCurrentProcess();
	u64 *tebs;

	if (c->object != PsGetCurrentThread() || index >= TLS_ALL)
		return STATUS_INVALID_PARAMETER;
	room = p->thread_count + 8;
	tebs = ExAllocatePool(room * 8ul, TAG('P', 's', 'T', 'l'));
	if (!tebs)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	if (n < room)
		tebs[n++] = CONTAINER_OF(e, ETHREAD, entry)->k.teb;
	mutex_unlock(&ps_lock);
	while (n--)
		zero_slot(tebs[n], index);
	ExFreePool(tebs);
	return STATUS_SUCCESS;
}

#define MAX_IO_PRIORITY	  2u
#define MAX_PAGE_PRIORITY 5u

static NTSTATUS set_number(const struct info_call *c)
{
	ETHREAD *t = c->object;
	u64 v = c->bytes == 8 ? *(const u64 *)c->data : *(const u32 *)c->data;

	switch (c->class) {
	case ThreadQuerySetWin32StartAddress:
		t->start_address = v;
		break;
	case ThreadPriorityBoost:
		t->boost_disabled = v;
		break;
	case ThreadIoPriority:
		if (v > MAX_IO_PRIORITY)
			return STATUS_INVALID_PARAMETER;
		t->io_priority = (u8)v;
		break;
	case ThreadPagePriority:
		if (!v || v > MAX_PAGE_PRIORITY)
			return STATUS_INVALID_PARAMETER;
		t->page_priority = (u8)v;
		break;
	case ThreadDynamicCodePolicyInfo: /* may opt out, if its process lets threads do so */
		if (t != PsGetCurrentThread() || v > 1)
			return STATUS_INVALID_PARAMETER;
		if (v && !(t->k.process->mitigation[MITIGATION_DYNAMIC_CODE] &
			   DYNAMIC_CODE_THREAD_OPT_OUT))
			return STATUS_ACCESS_DENIED;
		t->dynamic_code_allowed = v;
		break;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS hide(const struct info_call *c)
{
	((ETHREAD *)c->object)->hide_from_debugger = true;
	return STATUS_SUCCESS;
}

static NTSTATUS set_name(const struct info_call *c)
{
	const struct {
		u16 bytes, room;
		u32 pad;
		u64 text;
	} *s = c->data;
	ETHREAD *t = c->object;
	u16 *fresh, *was;
	NTSTATUS st;

	if (s->bytes % 2 || s->bytes > s->room)
		return STATUS_INVALID_PARAMETER;
	fresh = ExAllocatePool(s->bytes + 2ul, TAG('P', 's', 'T', 'n'));
	if (!fresh)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = copy_from_user(fresh, (void *)s->text, s->bytes);
	if (st) {
		ExFreePool(fresh);
		return st;
	}
	mutex_lock(&ps_lock);
	was = t->name;
	t->name = fresh;
	t->name_bytes = s->bytes;
	mutex_unlock(&ps_lock);
	if (was)
		ExFreePool(was);
	return STATUS_SUCCESS;
}

#define SET	    THREAD_SET_INFORMATION
#define SET_LIMITED THREAD_SET_LIMITED

static const struct info_set sets[] = {
    {ThreadPriority, {4}, false, SET, priority},
    {ThreadBasePriority, {4}, false, SET_LIMITED, base_priority},
    {ThreadAffinityMask, {8}, false, SET, affinity},
    {ThreadQuerySetWin32StartAddress, {8}, false, SET, set_number},
    {ThreadZeroTlsCell, {4}, false, SET, zero_tls},
    {ThreadIdealProcessor, {4}, false, SET, set_ideal},
    {ThreadPriorityBoost, {4}, false, SET_LIMITED, set_number},
    {ThreadHideFromDebugger, {0}, true, SET, hide},
    {ThreadIoPriority, {4}, false, SET, set_number},
    {ThreadPagePriority, {4}, false, SET, set_number},
    {ThreadGroupInformation, {16}, false, SET, set_group},
    {ThreadIdealProcessorEx, {4}, false, SET, set_ideal_ex},
    {ThreadNameInformation, {16}, false, SET_LIMITED, set_name},
    {ThreadDynamicCodePolicyInfo, {4}, false, SET, set_number},
};

NTSYSCALL NTSTATUS NtSetInformationThread(HANDLE h, u32 class, const void *user, u32 length)
{
	return ps_set_information(sets, ARRAY_SIZE(sets), &PsThreadType, h, class, user, length);
}
