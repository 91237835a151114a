/*
 * Job objects: making and opening, who is in them, ending them. Information is in jobinfo.c, time
 * limits in jobtime.c.
 */
#include "guest/ps/job.h"
#include "guest/ex/ex.h"
#include "guest/io/completion.h"
#include "guest/ke/syscall.h"
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define JOB_ASSIGN     0x01u
#define JOB_SET	       0x02u
#define JOB_QUERY      0x04u
#define JOB_TERMINATE  0x08u
#define JOB_ALL_ACCESS 0x1f003fu

static void job_close(EPROCESS *p, void *object, u32 handles_left)
{
	struct job *job = object;

	(void)p;
	if (!handles_left && job->limits.flags & JOB_LIMIT_KILL_ON_CLOSE)
		job_terminate(job, STATUS_SUCCESS);
}

static void job_destroy(void *object)
{
	struct job *job = object;

	mutex_lock(&ps_lock);
	job_forget_time(job);
	mutex_unlock(&ps_lock);
	if (job->parent)
		ObDereferenceObject(job->parent);
	if (job->port)
		ObDereferenceObject(job->port);
}

const struct object_type PsJobType = {
    .name = "Job",
    .dispatcher_offset = offsetof(struct job, d),
    .generic_read = 0x20000 | JOB_QUERY,
    .generic_write = 0x20000 | JOB_ASSIGN | JOB_SET | JOB_TERMINATE,
    .generic_execute = 0x20000 | SYNCHRONIZE,
    .all_access = JOB_ALL_ACCESS,
    .close = job_close,
    .destroy = job_destroy,
};

NTSYSCALL NTSTATUS NtCreateJobObject(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	struct object_attributes a;
	NTSTATUS st = ex_begin_create(handle, attributes, &a);
	struct job *job;

	if (st)
		return st;
	job = ObCreateObject(&PsJobType, sizeof(*job));
	if (job) {
		job->d.type = DO_EVENT_NOTIFICATION;
		list_init(&job->d.waiters);
		list_init(&job->timed);
	}
	return ex_end_create(handle, &a, job, access);
}

NTSYSCALL NTSTATUS NtOpenJobObject(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &PsJobType);
}

/* ---- who is in it ---- */

static bool encloses(const struct job *outer, const struct job *job)
{
	while (job && job != outer)
		job = job->parent;
	return job != NULL;
}

bool job_contains(const struct job *job, const EPROCESS *p)
{
	return encloses(job, p->job);
}

void job_totals(const struct job *job, struct job_totals *t)
{
	*t = (struct job_totals){job->ended_kernel, job->ended_user, job->ended_faults, {0}};
	memcpy(t->io, job->ended_io, sizeof(t->io));
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);
		u64 kernel, user;

		if (!job_contains(job, p) || p->d.signal)
			continue;
		ps_run_times(p, &kernel, &user);
		t->kernel += kernel;
		t->user += user;
		t->faults += p->as.faults;
		for (u32 i = 0; i < ARRAY_SIZE(t->io); i++)
			t->io[i] += p->io[i];
	}
}

/* ---- its completion port ---- */

void job_tell(struct job *job, u32 message, u32 pid)
{
	struct completion_packet *packet =
	    job->port ? completion_new(job->port, job->port_key, pid) : NULL;

	if (packet)
		completion_post(packet, STATUS_SUCCESS, message);
}

NTSTATUS job_set_port(struct job *job, u64 key, HANDLE h)
{
	struct io_completion *port = NULL, *old = NULL;
	NTSTATUS st = h ? IoReferenceCompletion(h, &port) : STATUS_SUCCESS;

	if (st)
		return st;
	mutex_lock(&ps_lock);
	if (port && job->port) {
		old = port;
		st = STATUS_INVALID_PARAMETER;
	} else {
		old = job->port;
		job->port = port;
		job->port_key = key;
		LIST_FOR_EACH(e, &ps_processes) /* those that are in it already */
		{
			const EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

			if (port && job_contains(job, p) && !p->d.signal)
				job_tell(job, JOB_MSG_NEW_PROCESS, p->pid);
		}
	}
	mutex_unlock(&ps_lock);
	if (old)
		ObDereferenceObject(old);
	return st;
}

/* ---- limits that processes feel ---- */

bool ps_job_fixes_priority(const EPROCESS *p)
{
	for (const struct job *j = p->job; j; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_PRIORITY_CLASS)
			return true;
	return false;
}

u64 ps_job_affinity(const EPROCESS *p)
{
	u64 mask = ~0ul;

	for (const struct job *j = p->job; j; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_AFFINITY)
			mask &= j->limits.affinity;
	return mask;
}

static u64 memory_limit(const EPROCESS *p)
{
	u64 pages = 0;

	for (const struct job *j = p->job; j; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_PROCESS_MEMORY) {
			u64 own = j->limits.process_memory >> PAGE_SHIFT;

			pages = pages ? MIN(pages, own) : own;
		}
	return pages;
}

void job_apply_limits(EPROCESS *p)
{
	u64 mask = p->affinity & ps_active_processors() & ps_job_affinity(p);

	MmSetCommitLimit(&p->as, memory_limit(p));
	if (!mask) /* none of its own is left: any that the jobs allow */
		mask = ps_active_processors() & ps_job_affinity(p);
	if (mask != (p->affinity & ps_active_processors()))
		ps_set_affinity(p, mask);
	for (const struct job *j = p->job; j; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_PRIORITY_CLASS) {
			ps_set_priority_class(p, (u8)j->limits.priority_class);
			break;
		}
}

static void apply_working_set(EPROCESS *p)
{
	u64 min = 0, max = 0;

	mutex_lock(&ps_lock);
	for (const struct job *j = p->job; j && !max; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_WORKINGSET) {
			min = j->limits.ws_min;
			max = j->limits.ws_max;
		}
	mutex_unlock(&ps_lock);
	if (max)
		mm_set_working_set_limits(p, min, max, 0);
}

/* => P. Whether one more fits, from job outwards up to `stop` (not included); counts the refusal.
 */
static bool has_room(struct job *job, const struct job *stop)
{
	for (struct job *j = job; j != stop; j = j->parent)
		if (j->limits.flags & JOB_LIMIT_ACTIVE_PROCESS &&
		    j->active >= j->limits.active_processes) {
			j->terminated++;
			job_tell(j, JOB_MSG_ACTIVE_PROCESS_LIMIT, 0);
			return false;
		}
	return true;
}

/* => P */
static void count_in(struct job *job, const struct job *stop, const EPROCESS *p)
{
	for (struct job *j = job; j != stop; j = j->parent) {
		j->total++;
		j->active++;
		job_tell(j, JOB_MSG_NEW_PROCESS, p->pid);
	}
}

/* => P. Puts a process into a job inside the one it is in, if any. */
static NTSTATUS enter(EPROCESS *p, struct job *job)
{
	struct job *outer = p->job;

	if (p->exiting || p->d.signal)
		return STATUS_PROCESS_IS_TERMINATING;
	if (outer && job->parent != outer) {
		/* an unused job becomes a nested one by its first process */
		if (job == outer || job->parent || job->total)
			return STATUS_ACCESS_DENIED;
		ObReferenceObject(outer);
		job->parent = outer;
		MmSetPoolLimit(&job->pool, job->pool.most, &outer->pool);
	}
	if (!has_room(job, outer))
		return STATUS_QUOTA_EXCEEDED;
	ObReferenceObject(job);
	p->job = job;
	count_in(job, outer, p);
	MmSetCommitPool(&p->as, &job->pool);
	job_apply_limits(p);
	if (outer)
		ObDereferenceObject(outer);
	return STATUS_SUCCESS;
}

NTSTATUS ps_job_join(EPROCESS *p, HANDLE h)
{
	struct job *job;
	NTSTATUS st = ObReferenceObjectByHandle(h, JOB_ASSIGN, &PsJobType, (void **)&job);

	if (st)
		return st;
	mutex_lock(&ps_lock);
	st = enter(p, job);
	mutex_unlock(&ps_lock);
	if (!st)
		apply_working_set(p);
	ObDereferenceObject(job);
	return st;
}

NTSYSCALL NTSTATUS NtAssignProcessToJobObject(HANDLE job, HANDLE process)
{
	EPROCESS *p;
	NTSTATUS st = ObReferenceObjectByHandle(process, PROCESS_SET_QUOTA | PROCESS_TERMINATE,
						&PsProcessType, (void **)&p);

	if (st)
		return st;
	st = p == PsInitialSystemProcess ? STATUS_ACCESS_DENIED : ps_job_join(p, job);
	if (st == STATUS_QUOTA_EXCEEDED) /* one too many does not live, as on Windows */
		ps_end_process(p, st);
	ObDereferenceObject(p);
	return st;
}

NTSTATUS ps_job_child(EPROCESS *parent, EPROCESS *child, bool breakaway)
{
	struct job *job;
	NTSTATUS st = STATUS_SUCCESS;

	mutex_lock(&ps_lock);
	job = parent->job;
	/* out of all that let it go; of nested ones, as far as each says so */
	while (job && !st) {
		u32 f = job->limits.flags;

		if (!(f & JOB_LIMIT_SILENT_BREAK) && !(breakaway && f & JOB_LIMIT_BREAKAWAY_OK)) {
			if (breakaway && job == parent->job)
				st = STATUS_ACCESS_DENIED;
			break;
		}
		job = job->parent;
	}
	if (!st && job && !has_room(job, NULL))
		st = STATUS_QUOTA_EXCEEDED;
	if (!st && job) {
		ObReferenceObject(job);
		child->job = job;
		count_in(job, NULL, child);
		MmSetCommitPool(&child->as, &job->pool);
		job_apply_limits(child);
	}
	mutex_unlock(&ps_lock);
	if (!st && job)
		apply_working_set(child);
	return st;
}

/* The exit codes that JOB_OBJECT_MSG_ABNORMAL_EXIT_PROCESS is documented for. */
static bool ended_abnormally(const EPROCESS *p)
{
	static const NTSTATUS codes[] = {
	    STATUS_ACCESS_VIOLATION,
	    STATUS_ARRAY_BOUNDS_EXCEEDED,
	    STATUS_BREAKPOINT,
	    STATUS_DATATYPE_MISALIGNMENT,
	    STATUS_FLOAT_DENORMAL_OPERAND,
	    STATUS_FLOAT_DIVIDE_BY_ZERO,
	    STATUS_FLOAT_INEXACT_RESULT,
	    STATUS_FLOAT_INVALID_OPERATION,
	    STATUS_FLOAT_OVERFLOW,
	    STATUS_FLOAT_STACK_CHECK,
	    STATUS_FLOAT_UNDERFLOW,
	    STATUS_GUARD_PAGE_VIOLATION,
	    STATUS_ILLEGAL_INSTRUCTION,
	    STATUS_IN_PAGE_ERROR,
	    STATUS_INTEGER_DIVIDE_BY_ZERO,
	    STATUS_INTEGER_OVERFLOW,
	    STATUS_NONCONTINUABLE_EXCEPTION,
	    STATUS_PRIVILEGED_INSTRUCTION,
	    STATUS_SINGLE_STEP,
	    STATUS_STACK_OVERFLOW,
	};

	for (u32 i = 0; i < ARRAY_SIZE(codes); i++)
		if (p->exit_status == codes[i])
			return true;
	return false;
}

void ps_job_process_ended(EPROCESS *p)
{
	u64 kernel, user;

	MmSetCommitPool(&p->as, NULL);
	mutex_lock(&ps_lock);
	ps_run_times(p, &kernel, &user);
	for (struct job *j = p->job; j; j = j->parent) {
		j->active--;
		j->ended_kernel += kernel;
		j->ended_user += user;
		j->ended_faults += p->as.faults;
		for (u32 i = 0; i < ARRAY_SIZE(j->ended_io); i++)
			j->ended_io[i] += p->io[i];
		job_tell(j, ended_abnormally(p) ? JOB_MSG_ABNORMAL_EXIT : JOB_MSG_EXIT_PROCESS,
			 p->pid);
		if (!j->active)
			job_tell(j, JOB_MSG_ACTIVE_PROCESS_ZERO, 0);
	}
	mutex_unlock(&ps_lock);
}

/* job NULL: any at all. */
NTSYSCALL NTSTATUS NtIsProcessInJob(HANDLE process, HANDLE job_handle)
{
	struct job *job = NULL;
	EPROCESS *p;
	bool in;
	NTSTATUS st =
	    ObReferenceObjectByHandle(process, PROCESS_QUERY_LIMITED, &PsProcessType, (void **)&p);

	if (st)
		return st;
	if (job_handle)
		st = ObReferenceObjectByHandle(job_handle, JOB_QUERY, &PsJobType, (void **)&job);
	if (!st) {
		mutex_lock(&ps_lock);
		in = job ? job_contains(job, p) : p->job != NULL;
		mutex_unlock(&ps_lock);
		st = in ? STATUS_PROCESS_IN_JOB : STATUS_PROCESS_NOT_IN_JOB;
	}
	if (job)
		ObDereferenceObject(job);
	ObDereferenceObject(p);
	return st;
}

/* ---- the end ---- */

/* One process of the job that is not ending yet, referenced. */
static EPROCESS *next_victim(struct job *job)
{
	EPROCESS *found = NULL;

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (!found && job_contains(job, p) && !p->exiting && ObReferenceObjectSafe(p))
			found = p;
	}
	mutex_unlock(&ps_lock);
	return found;
}

void job_terminate(struct job *job, NTSTATUS status)
{
	EPROCESS *p;

	while ((p = next_victim(job))) {
		ps_end_process(p, status);
		ObDereferenceObject(p);
	}
}

NTSYSCALL NTSTATUS NtTerminateJobObject(HANDLE h, NTSTATUS status)
{
	struct job *job;
	NTSTATUS st = ObReferenceObjectByHandle(h, JOB_TERMINATE, &PsJobType, (void **)&job);

	if (st)
		return st;
	job_terminate(job, status);
	ObDereferenceObject(job);
	return STATUS_SUCCESS;
}
