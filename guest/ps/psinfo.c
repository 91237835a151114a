/*
 * NtQueryInformationProcess, class by class. Counters are the address space's own; they are read
 * without its lock, since each is one word and no two have to agree. Layouts: public headers of
 * Windows x64.
 */
#include "guest/ps/info.h"
#include "guest/ke/syscall.h"
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define PAGE_BYTES(pages) ((u64)(pages) << PAGE_SHIFT)

static u32 exit_status(const EPROCESS *p)
{
	return (u32)(p->exiting ? p->exit_status : STATUS_PENDING);
}

u64 ps_active_processors(void)
{
	return ke_cpu_count >= 64 ? ~0ul : (1ul << ke_cpu_count) - 1;
}

/* ---- 0: PROCESS_BASIC_INFORMATION, 48 bytes; with its size before and flags behind it, 64 ---- */

struct basic {
	u32 exit_status, pad0;
	u64 peb, affinity;
	s32 base_priority;
	u32 pad1;
	u64 pid, parent_pid;
};
struct extended_basic {
	u64 size;
	struct basic basic;
	u32 flags, pad;
};
#define BASIC_IS_DELETING 4u

static NTSTATUS basic(const struct info_call *c)
{
	const EPROCESS *p = c->object;
	struct extended_basic *e = c->data;
	struct basic b = {
	    .exit_status = exit_status(p),
	    .peb = p->peb,
	    .affinity = p->affinity & ps_active_processors(),
	    .base_priority = p->base_priority,
	    .pid = p->pid,
	    .parent_pid = p->parent_pid,
	};

	if (c->bytes == sizeof(b)) {
		memcpy(c->data, &b, sizeof(b));
		return STATUS_SUCCESS;
	}
	if (e->size != sizeof(*e))
		return STATUS_INVALID_PARAMETER;
	e->basic = b;
	e->flags = p->exiting ? BASIC_IS_DELETING : 0;
	return STATUS_SUCCESS;
}

/* ---- 1: QUOTA_LIMITS, 48 bytes, and QUOTA_LIMITS_EX ---- */

struct quota_limits {
	u64 paged, nonpaged, ws_min, ws_max, pagefile, time;
	u64 ws_limit, reserved[3]; /* from here on: EX */
	u32 flags, cpu_rate;
};
_Static_assert(sizeof(struct quota_limits) == 88, "QUOTA_LIMITS_EX of Windows x64");

static NTSTATUS quota(const struct info_call *c)
{
	EPROCESS *p = c->object;
	u32 set = p->as.ws_flags;
	u64 commit = MmCommitAllowed(&p->as);
	struct quota_limits q = {
	    .paged = ~0ul,
	    .nonpaged = ~0ul,
	    .ws_min = PAGE_BYTES(p->as.ws_min),
	    .ws_max = PAGE_BYTES(p->as.ws_max),
	    .pagefile = commit == ~0ul ? ~0ul : PAGE_BYTES(commit),
	    .time = ~0ul,
	    .flags = (set & QUOTA_LIMITS_HARDWS_MIN_ENABLE ? QUOTA_LIMITS_HARDWS_MIN_ENABLE
							   : QUOTA_LIMITS_HARDWS_MIN_DISABLE) |
		     (set & QUOTA_LIMITS_HARDWS_MAX_ENABLE ? QUOTA_LIMITS_HARDWS_MAX_ENABLE
							   : QUOTA_LIMITS_HARDWS_MAX_DISABLE),
	};

	memcpy(c->data, &q, c->bytes);
	return STATUS_SUCCESS;
}

/* ---- 2: IO_COUNTERS ---- */

static NTSTATUS io_counters(const struct info_call *c)
{
	memcpy(c->data, ((EPROCESS *)c->object)->io, c->bytes);
	return STATUS_SUCCESS;
}

/* ---- 3: VM_COUNTERS (88), _EX (96), _EX2 (112) ---- */

struct vm_counters {
	u64 peak_virtual, virtual;
	u32 faults, pad;
	u64 peak_ws, ws;
	u64 peak_paged, paged, peak_nonpaged, nonpaged;
	u64 pagefile, peak_pagefile;
	u64 private;		       /* EX */
	u64 private_ws, shared_commit; /* EX2 */
};
_Static_assert(sizeof(struct vm_counters) == 112, "VM_COUNTERS_EX2 of Windows x64");
#define VM_EX_BYTES offsetof(struct vm_counters, private_ws)

/* Pool that its objects take: what Windows charges as quota. */
static u64 pool_of_vads(const EPROCESS *p)
{
	return p->as.vads.count * sizeof(MMVAD);
}
static u64 pool_of_threads(const EPROCESS *p)
{
	return sizeof(*p) + p->thread_count * sizeof(ETHREAD);
}

static NTSTATUS vm_counters(const struct info_call *c)
{
	EPROCESS *p = c->object;
	const struct address_space *as = &p->as;
	struct vm_counters v = {
	    .peak_virtual = as->virtual_peak,
	    .virtual = as->virtual_size,
	    .faults = (u32)as->faults,
	    .peak_ws = PAGE_BYTES(as->ws_peak),
	    .ws = PAGE_BYTES(as->ws_pages),
	    .peak_paged = pool_of_vads(p),
	    .paged = pool_of_vads(p),
	    .peak_nonpaged = pool_of_threads(p),
	    .nonpaged = pool_of_threads(p),
	    .pagefile = PAGE_BYTES(as->commit),
	    .peak_pagefile = PAGE_BYTES(as->commit_peak),
	    .private = PAGE_BYTES(as->commit),
	};

	if (c->bytes > VM_EX_BYTES) {
		v.private_ws = PAGE_BYTES(mm_count_private(&p->as));
		v.shared_commit = PAGE_BYTES(mm_count_shared_commit(&p->as));
	}
	memcpy(c->data, &v, c->bytes);
	return STATUS_SUCCESS;
}

/* ---- 4: KERNEL_USER_TIMES; 38: cycles ---- */

void ps_run_times(EPROCESS *p, u64 *kernel, u64 *user)
{
	*kernel = p->kernel_time;
	*user = p->user_time;
	LIST_FOR_EACH(e, &p->threads)
	{
		const KTHREAD *t = &CONTAINER_OF(e, ETHREAD, entry)->k;

		*kernel += t->kernel_time;
		*user += t->user_time;
	}
}

static void run_times(EPROCESS *p, u64 *kernel, u64 *user)
{
	mutex_lock(&ps_lock);
	ps_run_times(p, kernel, user);
	mutex_unlock(&ps_lock);
}

static NTSTATUS times(const struct info_call *c)
{
	EPROCESS *p = c->object;
	u64 t[4] = {p->create_time, p->exit_time};

	run_times(p, &t[2], &t[3]);
	memcpy(c->data, t, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS cycles(const struct info_call *c)
{
	u64 kernel, user, v[2] = {0};

	run_times(c->object, &kernel, &user);
	v[0] = (kernel + user) * (ke_tsc_hz / 100000) / 100; /* 100 ns units to TSC ticks */
	memcpy(c->data, v, c->bytes);
	return STATUS_SUCCESS;
}

/* ---- one number each ---- */

static NTSTATUS number(const struct info_call *c)
{
	const EPROCESS *p = c->object;
	u64 v = 0; /* nobody debugs; no WOW64, no protection, no break on termination */

	switch (c->class) {
	case ProcessDefaultHardErrorMode:
		v = p->default_hard_error;
		break;
	case ProcessAffinityMask:
		v = p->affinity & ps_active_processors();
		break;
	case ProcessPriorityBoost:
		v = p->boost_disabled;
		break;
	case ProcessSessionInformation:
	case ProcessLUIDDeviceMapsEnabled:
		v = 1;
		break;
	case ProcessDebugPort:
		v = p->debug ? ~0ul : 0;
		break;
	case ProcessDebugFlags: /* PROCESS_DEBUG_INHERIT */
		v = !p->no_debug_inherit;
		break;
	case ProcessIoPriority:
		v = p->io_priority;
		break;
	case ProcessPagePriority:
		v = p->page_priority;
		break;
	}
	memcpy(c->data, &v, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS debug_object(const struct info_call *c)
{
	return ps_debug_handle(c->object, c->data);
}

static NTSTATUS priority_class(const struct info_call *c)
{
	u8 v[2] = {false, ((EPROCESS *)c->object)->priority_class}; /* Foreground, class */

	memcpy(c->data, v, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS handle_count(const struct info_call *c)
{
	u32 n[2] = {ObHandleCount(c->object), ObHandleCount(c->object)}; /* now, highest */

	memcpy(c->data, n, c->bytes);
	return STATUS_SUCCESS;
}

/* No-execute is always on for 64-bit programs: there is nothing to ask or set. */
static NTSTATUS execute_flags(const struct info_call *c)
{
	(void)c;
	return STATUS_INVALID_PARAMETER;
}

static NTSTATUS cookie(const struct info_call *c)
{
	EPROCESS *p = c->object;

	if (p != PsGetCurrentProcess())
		return STATUS_INVALID_PARAMETER;
	memcpy(c->data, &p->cookie, c->bytes);
	return STATUS_SUCCESS;
}

static NTSTATUS image_information(const struct info_call *c)
{
	EPROCESS *p = c->object;

	if (!p->image_section)
		return STATUS_INVALID_PARAMETER;
	mm_image_information(p->image_section, c->data);
	return STATUS_SUCCESS;
}

/* ---- texts ---- */

static NTSTATUS image_name(void *object, u16 **text, u32 *chars)
{
	EPROCESS *p = object;

	if (!p->image_section)
		return STATUS_SUCCESS;
	return IoQueryFileName(p->image_section->file, text, chars);
}

/* "\Device\HarddiskVolumeN\x" is drive 'A' + N - 1. */
static NTSTATUS image_name_win32(void *object, u16 **text, u32 *chars)
{
	static const u16 device[] = u"\\Device\\HarddiskVolume";
	u32 skip = ARRAY_SIZE(device) - 1, volume = 0;
	NTSTATUS st = image_name(object, text, chars);

	if (st || !*text || *chars < skip || memcmp(*text, device, skip * 2))
		return st;
	for (; skip < *chars && (*text)[skip] != '\\'; skip++)
		volume = volume * 10 + (*text)[skip] - '0';
	skip -= 2; /* what "X:" takes */
	*chars -= skip;
	memmove(*text, *text + skip, *chars * 2ul);
	(*text)[0] = (u16)('A' + volume - 1);
	(*text)[1] = ':';
	return STATUS_SUCCESS;
}

static NTSTATUS read_process(EPROCESS *p, u64 va, void *out, u64 bytes)
{
	for (u64 n, done = 0; done < bytes; done += n) {
		NTSTATUS st;

		n = MIN(bytes - done, PAGE_SIZE - ((va + done) & (PAGE_SIZE - 1)));
		if ((st = mm_access_other(p, va + done, (u8 *)out + done, n, false)))
			return st;
	}
	return STATUS_SUCCESS;
}

#define PEB_PARAMETERS		0x20
#define PARAMETERS_COMMAND_LINE 0x70

/* What the process's own parameters say now. */
static NTSTATUS command_line(void *object, u16 **text, u32 *chars)
{
	EPROCESS *p = object;
	struct {
		u16 bytes, room;
		u32 pad;
		u64 buffer;
	} s;
	u64 parameters;
	NTSTATUS st;

	if (!p->peb)
		return STATUS_SUCCESS;
	if ((st = read_process(p, p->peb + PEB_PARAMETERS, &parameters, 8)) ||
	    (st = read_process(p, parameters + PARAMETERS_COMMAND_LINE, &s, sizeof(s))))
		return st;
	*text = ExAllocatePool(s.bytes + 2ul, TAG('P', 's', 'C', 'l'));
	if (!*text)
		return STATUS_INSUFFICIENT_RESOURCES;
	*chars = s.bytes / 2;
	st = read_process(p, s.buffer, *text, s.bytes & ~1u);
	if (st) {
		ExFreePool(*text);
		*text = NULL;
	}
	return st;
}

/* ---- the table ---- */

#define LIMITED PROCESS_QUERY_LIMITED
#define FULL	PROCESS_QUERY_INFORMATION
#define MISFIT	STATUS_INFO_LENGTH_MISMATCH

static const struct info_query rows[] = {
    {ProcessBasicInformation, {48, 64}, true, LIMITED, basic, NULL, 0},
    {ProcessQuotaLimits, {48, 88}, false, LIMITED, quota, NULL, 0},
    {ProcessIoCounters, {48}, false, LIMITED, io_counters, NULL, 0},
    {ProcessVmCounters, {88, 96, 112}, false, LIMITED, vm_counters, NULL, 0},
    {ProcessTimes, {32}, false, LIMITED, times, NULL, 0},
    {ProcessDebugPort, {8}, false, FULL, number, NULL, 0},
    {ProcessDefaultHardErrorMode, {4}, false, LIMITED, number, NULL, 0},
    {ProcessPriorityClass, {2}, false, LIMITED, priority_class, NULL, 0},
    {ProcessHandleCount, {4, 8}, false, LIMITED, handle_count, NULL, 0},
    {ProcessAffinityMask, {8}, false, LIMITED, number, NULL, 0},
    {ProcessPriorityBoost, {4}, false, LIMITED, number, NULL, 0},
    {ProcessSessionInformation, {4}, false, LIMITED, number, NULL, 0},
    {ProcessWow64Information, {8}, false, LIMITED, number, NULL, 0},
    {ProcessImageFileName, {0}, false, LIMITED, NULL, image_name, MISFIT},
    {ProcessLUIDDeviceMapsEnabled, {4}, false, LIMITED, number, NULL, 0},
    {ProcessBreakOnTermination, {4}, false, FULL, number, NULL, 0},
    {ProcessDebugObjectHandle, {8}, false, FULL, debug_object, NULL, 0},
    {ProcessDebugFlags, {4}, false, FULL, number, NULL, 0},
    {ProcessIoPriority, {4}, false, LIMITED, number, NULL, 0},
    {ProcessExecuteFlags, {4}, false, FULL, execute_flags, NULL, 0},
    {ProcessCookie, {4}, false, FULL, cookie, NULL, 0},
    {ProcessImageInformation, {64}, false, LIMITED, image_information, NULL, 0},
    {ProcessCycleTime, {16}, false, LIMITED, cycles, NULL, 0},
    {ProcessPagePriority, {4}, false, LIMITED, number, NULL, 0},
    {ProcessImageFileNameWin32, {0}, false, LIMITED, NULL, image_name_win32, MISFIT},
    {ProcessMitigationPolicy, {8, 12}, true, LIMITED, ps_query_mitigation, NULL, 0},
    {ProcessCommandLineInformation, {0}, false, LIMITED, NULL, command_line, MISFIT},
    {ProcessProtectionInformation, {1}, false, LIMITED, number, NULL, 0},
};

NTSYSCALL NTSTATUS NtQueryInformationProcess(HANDLE h, u32 class, void *user, u32 length,
					     u32 *returned)
{
	return ps_query_information(rows, ARRAY_SIZE(rows), &PsProcessType, h, class, user, length,
				    returned);
}
