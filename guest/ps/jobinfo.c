/* NtQueryInformationJobObject and NtSetInformationJobObject. Layouts: public winnt.h, x64. */
#include "guest/ps/job.h"
#include "guest/ex/ex.h"
#include "guest/ke/syscall.h"
#include "guest/mm/vmcalls.h"

#define JOB_SET	  0x02u
#define JOB_QUERY 0x04u

enum job_class { /* JOBOBJECTINFOCLASS */
		 JobBasicAccounting = 1,
		 JobBasicLimits = 2,
		 JobProcessIds = 3,
		 JobUiRestrictions = 4,
		 JobEndOfJobTime = 6,
		 JobCompletionPort = 7,
		 JobAccountingAndIo = 8,
		 JobExtendedLimits = 9,
};

/* ---- asked ---- */

struct accounting {
	u64 user, kernel, period_user, period_kernel;
	u32 faults, total, active, terminated;
	u64 io[6]; /* JOBOBJECT_BASIC_AND_IO_ACCOUNTING_INFORMATION */
};
#define ACCOUNTING_BYTES offsetof(struct accounting, io)

static void accounting(struct job *job, void *out, u32 bytes)
{
	struct job_totals t;
	struct accounting a;

	job_totals(job, &t);
	a = (struct accounting){
	    .user = t.user,
	    .kernel = t.kernel,
	    .period_user = t.user - job->period_user,
	    .period_kernel = t.kernel - job->period_kernel,
	    .faults = (u32)t.faults,
	    .total = job->total,
	    .active = job->active,
	    .terminated = job->terminated,
	};
	memcpy(a.io, t.io, sizeof(a.io));
	memcpy(out, &a, bytes);
}

static void limits(struct job *job, void *out, u32 bytes)
{
	struct job_limits l = job->limits;

	if (bytes == JOB_BASIC_LIMIT_BYTES)
		l.flags &= JOB_LIMITS_BASIC;
	l.peak_process = job->pool.space_peak << PAGE_SHIFT;
	l.peak_job = job->pool.peak << PAGE_SHIFT;
	memcpy(out, &l, bytes);
}

static void ui_restrictions(struct job *job, void *out, u32 bytes)
{
	memcpy(out, &job->ui_restrictions, bytes);
}

static void end_of_job(struct job *job, void *out, u32 bytes)
{
	memcpy(out, &job->end_action, bytes);
}

static const struct {
	u32 class, bytes;
	void (*fn)(struct job *job, void *out, u32 bytes); /* => P */
} queries[] = {
    {JobBasicAccounting, ACCOUNTING_BYTES, accounting},
    {JobBasicLimits, JOB_BASIC_LIMIT_BYTES, limits},
    {JobUiRestrictions, 4, ui_restrictions},
    {JobEndOfJobTime, 4, end_of_job},
    {JobAccountingAndIo, sizeof(struct accounting), accounting},
    {JobExtendedLimits, sizeof(struct job_limits), limits},
};

static NTSTATUS tell_length(u32 *returned, u32 bytes)
{
	return returned ? copy_to_user(returned, &bytes, sizeof(bytes)) : STATUS_SUCCESS;
}

#define ID_LIST_HEADER 8u /* two counts, then the ids */

/* JOBOBJECT_BASIC_PROCESS_ID_LIST: as many as fit. */
static NTSTATUS process_ids(struct job *job, u8 *user, u32 length, u32 *returned)
{
	u32 head[2] = {0}, room = (length - ID_LIST_HEADER) / 8;
	u64 *ids;
	NTSTATUS st;

	room = MIN(room, 4096u);
	ids = ExAllocatePool(room * 8ul + 8, TAG('P', 's', 'J', 'b'));
	if (!ids)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	{
		const EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (!job_contains(job, p) || p->d.signal)
			continue;
		if (head[1] < room)
			ids[head[1]++] = p->pid;
		head[0]++;
	}
	mutex_unlock(&ps_lock);
	st = copy_to_user(user, head, sizeof(head));
	if (!st)
		st = copy_to_user(user + ID_LIST_HEADER, ids, head[1] * 8ul);
	ExFreePool(ids);
	if (!st)
		st = tell_length(returned, ID_LIST_HEADER + head[1] * 8);
	return st ? st : head[1] < head[0] ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* The job of a handle; without one, the caller's own. Referenced. */
static NTSTATUS find_job(HANDLE h, struct job **job)
{
	if (h)
		return ObReferenceObjectByHandle(h, JOB_QUERY, &PsJobType, (void **)job);
	*job = PsGetCurrentProcess()->job;
	if (!*job)
		return STATUS_ACCESS_DENIED;
	ObReferenceObject(*job);
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtQueryInformationJobObject(HANDLE h, u32 class, void *user, u32 length,
					       u32 *returned)
{
	union {
		struct accounting accounting;
		struct job_limits limits;
	} u;
	struct job *job;
	u32 i = 0;
	NTSTATUS st;

	while (i < ARRAY_SIZE(queries) && queries[i].class != class)
		i++;
	if (class != JobProcessIds && i == ARRAY_SIZE(queries))
		return STATUS_INVALID_INFO_CLASS;
	if (class == JobProcessIds ? length < ID_LIST_HEADER + 8 : length != queries[i].bytes)
		return STATUS_INFO_LENGTH_MISMATCH;
	st = find_job(h, &job);
	if (st)
		return st;
	if (class == JobProcessIds) {
		st = process_ids(job, user, length, returned);
	} else {
		mutex_lock(&ps_lock);
		queries[i].fn(job, &u, length);
		mutex_unlock(&ps_lock);
		st = copy_to_user(user, &u, length);
		if (!st)
			st = tell_length(returned, length);
	}
	ObDereferenceObject(job);
	return st;
}

/* ---- set ---- */

#define MAX_SCHEDULING_CLASS 9u

/* Win32's priority classes (public winbase.h) and the kernel's numbers; either may be given. */
static u32 priority_class(u32 v)
{
	static const struct {
		u32 win32, class;
	} rows[] = {
	    {0x40, PRIORITY_CLASS_IDLE},	   {0x20, PRIORITY_CLASS_NORMAL},
	    {0x80, PRIORITY_CLASS_HIGH},	   {0x100, PRIORITY_CLASS_REALTIME},
	    {0x4000, PRIORITY_CLASS_BELOW_NORMAL}, {0x8000, PRIORITY_CLASS_ABOVE_NORMAL},
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (v == rows[i].win32 || v == rows[i].class)
			return rows[i].class;
	return 0;
}

static NTSTATUS check_limits(struct job_limits *l, u32 known)
{
	u32 f = l->flags;

	if (f & ~known)
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_JOB_TIME && f & JOB_LIMIT_PRESERVE_TIME)
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_WORKINGSET && (!l->ws_min || !l->ws_max || l->ws_min > l->ws_max))
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_AFFINITY && (!l->affinity || l->affinity & ~ps_active_processors()))
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_SCHEDULING && l->scheduling_class > MAX_SCHEDULING_CLASS)
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_PROCESS_MEMORY && l->process_memory < PAGE_SIZE)
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_JOB_MEMORY && l->job_memory < PAGE_SIZE)
		return STATUS_INVALID_PARAMETER;
	if (f & JOB_LIMIT_PRIORITY_CLASS) {
		l->priority_class = priority_class(l->priority_class);
		if (!l->priority_class)
			return STATUS_INVALID_PARAMETER;
		if (l->priority_class == PRIORITY_CLASS_REALTIME &&
		    !SeHasPrivilege(SE_INCREASE_BASE_PRIORITY))
			return STATUS_PRIVILEGE_NOT_HELD;
	}
	return STATUS_SUCCESS;
}

/* => P. What is not limited is not kept. */
static void take_limits(struct job *job, const struct job_limits *l, u32 known)
{
	struct job_limits *own = &job->limits;
	u32 f = l->flags;

	if (!(f & JOB_LIMIT_PRESERVE_TIME)) {
		own->flags &= ~JOB_LIMIT_JOB_TIME;
		own->job_time = 0;
	} else {
		f |= own->flags & JOB_LIMIT_JOB_TIME;
	}
	if (l->flags & JOB_LIMIT_JOB_TIME) {
		struct job_totals t;

		job_totals(job, &t);
		job->period_user = t.user;
		job->period_kernel = t.kernel;
		own->job_time = l->job_time;
		job->d.signal = 0;
	}
	own->flags = (own->flags & ~known) | (f & ~JOB_LIMIT_PRESERVE_TIME);
	own->process_time = f & JOB_LIMIT_PROCESS_TIME ? l->process_time : 0;
	own->ws_min = f & JOB_LIMIT_WORKINGSET ? l->ws_min : 0;
	own->ws_max = f & JOB_LIMIT_WORKINGSET ? l->ws_max : 0;
	own->active_processes = f & JOB_LIMIT_ACTIVE_PROCESS ? l->active_processes : 0;
	own->affinity = f & JOB_LIMIT_AFFINITY ? l->affinity : 0;
	own->priority_class = f & JOB_LIMIT_PRIORITY_CLASS ? l->priority_class : 0;
	own->scheduling_class = f & JOB_LIMIT_SCHEDULING ? l->scheduling_class : 5;
	if (known == JOB_LIMITS_BASIC)
		return;
	own->process_memory = f & JOB_LIMIT_PROCESS_MEMORY ? l->process_memory : 0;
	own->job_memory = f & JOB_LIMIT_JOB_MEMORY ? l->job_memory : 0;
	MmSetPoolLimit(&job->pool, own->job_memory >> PAGE_SHIFT,
		       job->parent ? &job->parent->pool : NULL);
}

/* The process of the job with the lowest id above `pid`, referenced, or NULL. */
static EPROCESS *next_process(const struct job *job, u32 pid)
{
	EPROCESS *p = NULL;

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *q = CONTAINER_OF(e, EPROCESS, entry);

		if (q->pid > pid && (!p || q->pid < p->pid) && job_contains(job, q))
			p = q;
	}
	if (p)
		ObReferenceObject(p); /* on the list, it has its own */
	mutex_unlock(&ps_lock);
	return p;
}

/* The working set limit, for those already in the job; mm's work needs ps_lock free. */
static void limit_working_sets(struct job *job)
{
	u32 pid = 0;
	EPROCESS *p;

	while ((p = next_process(job, pid))) {
		pid = p->pid;
		mm_set_working_set_limits(p, job->limits.ws_min, job->limits.ws_max, 0);
		ObDereferenceObject(p);
	}
}

static NTSTATUS set_limits(struct job *job, struct job_limits *l, u32 known)
{
	NTSTATUS st = check_limits(l, known);

	if (!st && l->flags & (JOB_LIMIT_JOB_TIME | JOB_LIMIT_PROCESS_TIME))
		st = job_start_clock();
	if (st)
		return st;
	mutex_lock(&ps_lock);
	take_limits(job, l, known);
	job_watch_time(job);
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (job_contains(job, p) && !p->d.signal)
			job_apply_limits(p);
	}
	mutex_unlock(&ps_lock);
	if (l->flags & JOB_LIMIT_WORKINGSET)
		limit_working_sets(job);
	return STATUS_SUCCESS;
}

static NTSTATUS set(struct job *job, u32 class, void *data)
{
	u32 v = *(u32 *)data;

	switch (class) {
	case JobBasicLimits:
		return set_limits(job, data, JOB_LIMITS_BASIC);
	case JobExtendedLimits:
		return set_limits(job, data, JOB_LIMITS_EXTENDED);
	case JobUiRestrictions:
		if (v & ~0xffu)
			return STATUS_INVALID_PARAMETER;
		job->ui_restrictions = v;
		return STATUS_SUCCESS;
	case JobEndOfJobTime:
		if (v > 1)
			return STATUS_INVALID_PARAMETER;
		job->end_action = v;
		return STATUS_SUCCESS;
	default:
		return job_set_port(job, ((u64 *)data)[0], ((u64 *)data)[1]);
	}
}

NTSYSCALL NTSTATUS NtSetInformationJobObject(HANDLE h, u32 class, const void *user, u32 length)
{
	static const u16 bytes[] = {
	    [JobBasicLimits] = JOB_BASIC_LIMIT_BYTES,
	    [JobUiRestrictions] = 4,
	    [JobEndOfJobTime] = 4,
	    [JobCompletionPort] = 16,
	    [JobExtendedLimits] = sizeof(struct job_limits),
	};
	struct job_limits buffer = {0};
	struct job *job;
	NTSTATUS st;

	if (class >= ARRAY_SIZE(bytes) || !bytes[class])
		return STATUS_INVALID_INFO_CLASS;
	if (length != bytes[class])
		return STATUS_INFO_LENGTH_MISMATCH;
	st = copy_from_user(&buffer, user, length);
	if (st)
		return st;
	st = ObReferenceObjectByHandle(h, JOB_SET, &PsJobType, (void **)&job);
	if (st)
		return st;
	st = set(job, class, &buffer);
	ObDereferenceObject(job);
	return st;
}
