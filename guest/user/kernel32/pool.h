/* The thread pool's inside: pool.c has the queue and its workers, pooltimer.c and poolwait.c the
 * rest, poolgroup.c instances and clean-up groups. */
#ifndef NTMM_KERNEL32_POOL_H
#define NTMM_KERNEL32_POOL_H

#include "guest/user/kernel32/k32.h"

enum object_kind { POOL_WORK, POOL_TIMER, POOL_WAIT, POOL_SIMPLE };

struct pool_object {
	enum object_kind kind;
	LONG refs;    /* the handle's, and one a queued or running task */
	LONG pending; /* tasks queued or running */
	BOOL closed;
	PVOID callback, context;
	struct pool_object *next; /* in the task queue, for a task */

	struct pool_group *group; /* the clean-up group, or NULL */
	struct pool_object *next_member;
	PTP_CLEANUP_GROUP_CANCEL_CALLBACK group_cancel;
	PTP_SIMPLE_CALLBACK finalization;

	/* timers */
	LIST_ENTRY link;
	LONGLONG due;		   /* system time; 0: not set */
	DWORD period;		   /* ms */
	struct timer_queue *queue; /* of an old timer */
	BOOL spent; /* an old one-shot timer that has fired: it cannot be set again */
	BOOL old_style;
	struct pool_ending *ending; /* counts it until it is quiet */

	/* waits */
	HANDLE object, wake, thread;
	LONGLONG timeout; /* NT form; 0 with no_timeout */
	BOOL no_timeout, once;
	HANDLE done_event;
};

/* Signals an event when several objects are quiet. => pool_lock */
struct pool_ending {
	LONG left;
	HANDLE event;
};
void pool_ended(struct pool_ending *e);

/* One call of a callback: what it asked to be done when it returns (poolgroup.c). */
struct pool_instance {
	struct pool_object *object;
	HANDLE event, semaphore, mutex;
	DWORD count;
	PCRITICAL_SECTION section;
	HMODULE module;
	BOOL disassociated; /* nobody waits for the rest of it */
};
void pool_returned(struct pool_instance *i);
/* A call counts no more among those that are waited for. => pool_lock */
void pool_settle(struct pool_object *o);
/* Takes o's tasks that have not begun off the queue; TRUE when there were any. => pool_lock */
BOOL pool_cancel_tasks(struct pool_object *o);
/* Group and finalization of the environment; the object is new. */
void pool_join(struct pool_object *o, PTP_CALLBACK_ENVIRON env);
/* => pool_lock */
void pool_leave(struct pool_object *o);
void pool_stop_timer(struct pool_object *o); /* => pool_lock */
void pool_stop_wait(struct pool_object *o);  /* => not pool_lock */

extern RTL_SRWLOCK pool_lock; /* all lists and counts */
void pool_acquire(void);
void pool_release(void);

struct pool_object *pool_new(enum object_kind kind, PVOID callback, PVOID context,
			     PTP_CALLBACK_ENVIRON env);
void pool_drop(struct pool_object *o); /* => pool_lock */
/* Queues one call of o's callback. => pool_lock */
BOOL pool_enqueue(struct pool_object *o, TP_WAIT_RESULT result);
/* Waits until none of o's tasks is queued or running. */
void pool_wait_quiet(struct pool_object *o, BOOL cancel);
/* Ends a timer or a wait. The event: NULL do not wait, INVALID_HANDLE_VALUE wait here, else signal
 * it. */
BOOL pool_finish(struct pool_object *o, HANDLE event);

static inline LONGLONG pool_due(PFILETIME f)
{
	return (LONGLONG)((ULONG64)f->dwHighDateTime << 32 | f->dwLowDateTime);
}

#endif
