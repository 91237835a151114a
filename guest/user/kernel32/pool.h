/* The thread pool's inside: pool.c has the queue and its workers, pooltimer.c and poolwait.c the
 * rest. */
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

	/* timers */
	LIST_ENTRY link;
	LONGLONG due; /* system time; 0: not set */
	DWORD period; /* ms */
	BOOL old_style;

	/* waits */
	HANDLE object, wake, thread;
	LONGLONG timeout; /* NT form; 0 with no_timeout */
	BOOL no_timeout, once;
	HANDLE done_event;
};

extern RTL_SRWLOCK pool_lock; /* all lists and counts */
void pool_acquire(void);
void pool_release(void);

struct pool_object *pool_new(enum object_kind kind, PVOID callback, PVOID context);
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
