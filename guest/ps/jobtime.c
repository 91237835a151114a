/*
 * Time limits of jobs. One system thread, started with the first limit, looks at all jobs that have
 * one once a second; user time over the limit ends the process, or all of the job. Lock: ps_lock.
 */
#include "guest/ps/job.h"

#define CHECK_INTERVAL	(-10000000ll) /* one second, relative */
#define JOB_POST_AT_END 1u	      /* EndOfJobTimeAction: a message only */

static struct list timed = {&timed, &timed};
static KEVENT came = {.d = {.type = DO_EVENT_NOTIFICATION, /* a job, onto an empty list */
			    .waiters = {&came.d.waiters, &came.d.waiters}}};
static bool running;

void job_forget_time(struct job *job)
{
	list_remove(&job->timed);
}

/* => P. A process over its own limit; referenced. */
static EPROCESS *over_process_limit(const struct job *job)
{
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);
		u64 kernel, user;

		if (!job_contains(job, p) || p->exiting)
			continue;
		ps_run_times(p, &kernel, &user);
		if (user > job->limits.process_time && ObReferenceObjectSafe(p))
			return p;
	}
	return NULL;
}

static bool over_job_limit(const struct job *job)
{
	struct job_totals t;

	job_totals(job, &t);
	return t.user - job->period_user > job->limits.job_time;
}

/* => P, dropped and taken again when something is done. Returns whether anything was. */
static bool enforce(struct job *job)
{
	EPROCESS *p = job->limits.flags & JOB_LIMIT_PROCESS_TIME ? over_process_limit(job) : NULL;
	KIRQL old;

	if (p) {
		job->terminated++;
		job_tell(job, JOB_MSG_END_OF_PROCESS_TIME, p->pid);
		mutex_unlock(&ps_lock);
		ps_end_process(p, JOB_TIME_UP_STATUS);
		ObDereferenceObject(p);
		mutex_lock(&ps_lock);
		return true;
	}
	if (!(job->limits.flags & JOB_LIMIT_JOB_TIME) || !over_job_limit(job) ||
	    !ObReferenceObjectSafe(job))
		return false;
	job->limits.flags &= ~JOB_LIMIT_JOB_TIME; /* once */
	job_tell(job, JOB_MSG_END_OF_JOB_TIME, 0);
	if (job->end_action != JOB_POST_AT_END) {
		job->terminated += job->active;
		mutex_unlock(&ps_lock);
		job_terminate(job, JOB_TIME_UP_STATUS);
		mutex_lock(&ps_lock);
	}
	old = KeAcquireSpinLock(&ke_dispatcher_lock);
	job->d.signal = 1;
	ke_signal(&job->d);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	mutex_unlock(&ps_lock);
	ObDereferenceObject(job);
	mutex_lock(&ps_lock);
	return true;
}

static void watch(void *unused)
{
	const s64 interval = CHECK_INTERVAL;

	(void)unused;
	for (;;) {
		bool again, none;

		KeDelayExecution(KERNEL_MODE, false, &interval);
		mutex_lock(&ps_lock);
		do {
			again = false;
			LIST_FOR_EACH(e, &timed)
			{
				again = enforce(CONTAINER_OF(e, struct job, timed));
				if (again) /* the list may be another by now */
					break;
			}
		} while (again);
		none = list_empty(&timed);
		if (none)
			KeResetEvent(&came);
		mutex_unlock(&ps_lock);
		if (none)
			KeWaitForSingleObject(&came, KERNEL_MODE, false, NULL);
	}
}

NTSTATUS job_start_clock(void)
{
	if (__atomic_exchange_n(&running, true, __ATOMIC_SEQ_CST))
		return STATUS_SUCCESS;
	if (PsCreateSystemThread(watch, NULL, 16, "job clock"))
		return STATUS_SUCCESS;
	running = false;
	return STATUS_INSUFFICIENT_RESOURCES;
}

void job_watch_time(struct job *job)
{
	list_remove(&job->timed);
	if (job->limits.flags & (JOB_LIMIT_PROCESS_TIME | JOB_LIMIT_JOB_TIME)) {
		list_push_back(&timed, &job->timed);
		KeSetEvent(&came);
	}
}
