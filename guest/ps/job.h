/*
 * job: sets of processes with common limits (private to job*.c).
 *
 * A process is in the innermost job it was given to, and so in all that enclose it (`parent`:
 * nested jobs). A job lasts as long as a handle or a process of it does; who is in it is found by a
 * walk over all processes. Lock: ps_lock for everything; what memory it has charged is commit's.
 */
#ifndef NTMM_PS_JOB_H
#define NTMM_PS_JOB_H

#include "guest/ps/info.h"
#include "guest/ob/ob.h"

/* LimitFlags (public winnt.h) */
#define JOB_LIMIT_WORKINGSET	 0x0001u
#define JOB_LIMIT_PROCESS_TIME	 0x0002u
#define JOB_LIMIT_JOB_TIME	 0x0004u
#define JOB_LIMIT_ACTIVE_PROCESS 0x0008u
#define JOB_LIMIT_AFFINITY	 0x0010u
#define JOB_LIMIT_PRIORITY_CLASS 0x0020u
#define JOB_LIMIT_PRESERVE_TIME	 0x0040u
#define JOB_LIMIT_SCHEDULING	 0x0080u
#define JOB_LIMIT_PROCESS_MEMORY 0x0100u
#define JOB_LIMIT_JOB_MEMORY	 0x0200u
#define JOB_LIMIT_DIE_UNHANDLED	 0x0400u
#define JOB_LIMIT_BREAKAWAY_OK	 0x0800u
#define JOB_LIMIT_SILENT_BREAK	 0x1000u
#define JOB_LIMIT_KILL_ON_CLOSE	 0x2000u
#define JOB_LIMIT_SUBSET	 0x4000u
#define JOB_LIMITS_BASIC	 0x00ffu
#define JOB_LIMITS_EXTENDED	 0x7fffu

struct job_limits { /* JOBOBJECT_EXTENDED_LIMIT_INFORMATION of x64; the first 64 bytes are BASIC */
	u64 process_time, job_time;
	u32 flags, pad0;
	u64 ws_min, ws_max;
	u32 active_processes, pad1;
	u64 affinity;
	u32 priority_class, scheduling_class;
	u64 io[6];
	u64 process_memory, job_memory;
	u64 peak_process, peak_job;
};
_Static_assert(sizeof(struct job_limits) == 144, "JOBOBJECT_EXTENDED_LIMIT_INFORMATION");
#define JOB_BASIC_LIMIT_BYTES offsetof(struct job_limits, io)

struct job {
	struct dispatcher d; /* signalled when its time was up */
	struct job *parent;  /* referenced */
	struct job_limits limits;
	struct commit_pool pool;
	u32 total, active, terminated;
	u64 ended_kernel, ended_user, ended_faults; /* of processes that are gone */
	u64 ended_io[6];
	u64 period_kernel, period_user; /* what there was when the job time limit was last set */
	u32 ui_restrictions, end_action;
	struct list timed;	    /* on the list of jobs with time limits */
	struct io_completion *port; /* told what happens, or NULL; referenced */
	u64 port_key;
};

/* JOB_OBJECT_MSG_* (public winnt.h) */
#define JOB_MSG_END_OF_JOB_TIME	     1u
#define JOB_MSG_END_OF_PROCESS_TIME  2u
#define JOB_MSG_ACTIVE_PROCESS_LIMIT 3u
#define JOB_MSG_ACTIVE_PROCESS_ZERO  4u
#define JOB_MSG_NEW_PROCESS	     6u
#define JOB_MSG_EXIT_PROCESS	     7u
#define JOB_MSG_ABNORMAL_EXIT	     8u
/* To the job's port, if it has one; pid 0: of no process. Lost without memory. => P */
void job_tell(struct job *job, u32 message, u32 pid);
/* JOBOBJECT_ASSOCIATE_COMPLETION_PORT: one port, once; port 0 ends it. */
NTSTATUS job_set_port(struct job *job, u64 key, HANDLE port);

#define JOB_TIME_UP_STATUS \
	((NTSTATUS)1816) /* ERROR_NOT_ENOUGH_QUOTA, what those processes end with */

bool job_contains(const struct job *job, const EPROCESS *p);
/* Sums over the processes there were and are. */
struct job_totals {
	u64 kernel, user, faults, io[6];
};
void job_totals(const struct job *job, struct job_totals *t);
/* Ends all its processes; the current one on its way back to user mode. => P not held */
void job_terminate(struct job *job, NTSTATUS status);
void job_apply_limits(EPROCESS *p); /* => P; all but working set sizes */

/* jobtime.c: the clock, before any job has a time limit; puts a job under watch, as its limits say
 */
NTSTATUS job_start_clock(void);	       /* => P not held */
void job_watch_time(struct job *job);  /* => P */
void job_forget_time(struct job *job); /* => P */

#endif
