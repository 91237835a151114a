/*
 * The thread pool: work; timers (pooltimer.c), waits (poolwait.c). The older calls
 * (QueueUserWorkItem, timer queues, registered waits) are made of the same three.
 *
 * One queue of tasks feeds workers, which are made while tasks wait and nobody is idle, and leave
 * after IDLE_MS without work.
 *
 * An object (struct pool_object) counts its tasks that are queued or running; Wait... waits for
 * none, Close... frees it once there are none. `pool_lock` guards all lists and counts.
 */
#include "guest/user/kernel32/pool.h"

#define IDLE_MS	    10000
#define MAX_WORKERS 512

struct task {
	struct task *next;
	struct pool_object *object;
	TP_WAIT_RESULT result;
};

RTL_SRWLOCK pool_lock;
static RTL_CONDITION_VARIABLE more, quiet;
static struct task *first_task, **last_task = &first_task;
static LONG workers, idle, queued; /* queued: tasks that no worker has taken */

void pool_acquire(void)
{
	RtlAcquireSRWLockExclusive(&pool_lock);
}

void pool_release(void)
{
	RtlReleaseSRWLockExclusive(&pool_lock);
}

void pool_drop(struct pool_object *o) /* with the lock */
{
	if (--o->refs)
		return;
	if (o->wake)
		NtClose(o->wake);
	heap_delete(o);
}

/* --- workers --- */

static void run(struct task *t, struct pool_instance *i)
{
	PTP_CALLBACK_INSTANCE instance = (PTP_CALLBACK_INSTANCE)i;
	struct pool_object *o = t->object;

	switch (o->kind) {
	case POOL_WORK:
		((PTP_WORK_CALLBACK)o->callback)(instance, o->context, (PTP_WORK)o);
		break;
	case POOL_SIMPLE:
		if (o->old_style)
			((LPTHREAD_START_ROUTINE)o->callback)(o->context);
		else
			((PTP_SIMPLE_CALLBACK)o->callback)(instance, o->context);
		break;
	case POOL_TIMER:
		if (o->old_style)
			((WAITORTIMERCALLBACK)o->callback)(o->context, TRUE);
		else
			((PTP_TIMER_CALLBACK)o->callback)(instance, o->context, (PTP_TIMER)o);
		break;
	case POOL_WAIT:
		if (o->old_style)
			((WAITORTIMERCALLBACK)o->callback)(o->context, t->result == WAIT_TIMEOUT);
		else
			((PTP_WAIT_CALLBACK)o->callback)(instance, o->context, (PTP_WAIT)o,
							 t->result);
		break;
	}
	if (o->finalization)
		o->finalization(instance, o->context);
}

void pool_ended(struct pool_ending *e)
{
	if (--e->left)
		return;
	if (e->event)
		NtSetEvent(e->event, NULL);
	heap_delete(e);
}

void pool_settle(struct pool_object *o)
{
	if (--o->pending)
		return;
	if (o->done_event)
		NtSetEvent(o->done_event, NULL);
	if (o->ending)
		pool_ended(o->ending);
	o->ending = NULL;
	RtlWakeAllConditionVariable(&quiet);
}

static DWORD WINAPI worker(LPVOID unused)
{
	LARGE_INTEGER patience = {.QuadPart = -(LONGLONG)IDLE_MS * TICKS_PER_MS};
	struct pool_instance i;

	(void)unused;
	pool_acquire();
	for (;;) {
		struct task *t = first_task;

		if (!t) {
			NTSTATUS status;

			idle++;
			status = RtlSleepConditionVariableSRW(&more, &pool_lock, &patience, 0);
			idle--;
			if (status == STATUS_TIMEOUT && !first_task)
				break;
			continue;
		}
		first_task = t->next;
		if (!first_task)
			last_task = &first_task;
		queued--;
		pool_release();
		i = (struct pool_instance){.object = t->object};
		run(t, &i);
		pool_returned(&i);
		pool_acquire();
		if (!i.disassociated)
			pool_settle(t->object);
		pool_drop(t->object);
		heap_delete(t);
	}
	workers--;
	pool_release();
	return 0;
}

/* Queues one call of o's callback. => lock */
BOOL pool_enqueue(struct pool_object *o, TP_WAIT_RESULT result)
{
	struct task *t = heap_new(sizeof(*t));

	if (!t)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	*t = (struct task){NULL, o, result};
	o->refs++;
	o->pending++;
	*last_task = t;
	last_task = &t->next;
	if (++queued <= idle) { /* those who sleep will take all there is */
		RtlWakeConditionVariable(&more);
	} else if (workers < MAX_WORKERS) {
		HANDLE h = CreateThread(NULL, 0, worker, NULL, 0, NULL);

		if (h) {
			workers++;
			NtClose(h);
		}
	}
	return TRUE;
}

struct pool_object *pool_new(enum object_kind kind, PVOID callback, PVOID context,
			     PTP_CALLBACK_ENVIRON env)
{
	struct pool_object *o = heap_new(sizeof(*o));

	if (!o) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	memset(o, 0, sizeof(*o));
	o->kind = kind;
	o->refs = 1;
	o->callback = callback;
	o->context = context;
	pool_join(o, env);
	return o;
}

BOOL pool_cancel_tasks(struct pool_object *o)
{
	struct task **at = &first_task, *t;
	BOOL any = FALSE;

	while ((t = *at)) {
		if (t->object != o) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		queued--;
		any = TRUE;
		o->pending--;
		pool_drop(o); /* never the last: the caller has one */
		heap_delete(t);
	}
	last_task = at;
	return any;
}

void pool_wait_quiet(struct pool_object *o, BOOL cancel)
{
	pool_acquire();
	if (cancel)
		pool_cancel_tasks(o);
	while (o->pending)
		RtlSleepConditionVariableSRW(&quiet, &pool_lock, NULL, 0);
	pool_release();
}

/* Ends a timer or a wait. The event: NULL do not wait, INVALID wait here, else signal it. */
BOOL pool_finish(struct pool_object *o, HANDLE event)
{
	BOOL busy;

	pool_acquire();
	pool_cancel_tasks(o);
	busy = o->pending != 0;
	if (busy && event && event != INVALID_HANDLE_VALUE)
		o->done_event = event;
	if (event == INVALID_HANDLE_VALUE) {
		while (o->pending)
			RtlSleepConditionVariableSRW(&quiet, &pool_lock, NULL, 0);
		busy = FALSE;
	}
	pool_drop(o);
	pool_release();
	if (!busy && event && event != INVALID_HANDLE_VALUE)
		NtSetEvent(event, NULL);
	return !busy || fail(ERROR_IO_PENDING);
}

/* --- work --- */

PTP_WORK WINAPI CreateThreadpoolWork(PTP_WORK_CALLBACK f, PVOID context, PTP_CALLBACK_ENVIRON env)
{
	return (PTP_WORK)pool_new(POOL_WORK, (PVOID)f, context, env);
}

VOID WINAPI SubmitThreadpoolWork(PTP_WORK work)
{
	pool_acquire();
	pool_enqueue((struct pool_object *)work, 0);
	pool_release();
}

VOID WINAPI WaitForThreadpoolWorkCallbacks(PTP_WORK work, WINBOOL cancel)
{
	pool_wait_quiet((struct pool_object *)work, cancel);
}

VOID WINAPI CloseThreadpoolWork(PTP_WORK work)
{
	pool_acquire();
	pool_leave((struct pool_object *)work);
	pool_drop((struct pool_object *)work);
	pool_release();
}

/* Of a simple callback nobody has a handle: the group keeps it, or nobody does. */
static BOOL queue_simple(PVOID f, PVOID context, PTP_CALLBACK_ENVIRON env, BOOL old_style)
{
	struct pool_object *o = pool_new(POOL_SIMPLE, f, context, env);
	BOOL ok;

	if (!o)
		return FALSE;
	o->old_style = old_style;
	pool_acquire();
	ok = pool_enqueue(o, 0);
	if (!ok)
		pool_leave(o);
	if (!ok || !o->group)
		pool_drop(o);
	pool_release();
	return ok;
}

WINBOOL WINAPI TrySubmitThreadpoolCallback(PTP_SIMPLE_CALLBACK f, PVOID context,
					   PTP_CALLBACK_ENVIRON env)
{
	return queue_simple((PVOID)f, context, env, FALSE);
}

WINBOOL WINAPI QueueUserWorkItem(LPTHREAD_START_ROUTINE f, PVOID context, ULONG flags)
{
	(void)flags;
	return queue_simple((PVOID)f, context, NULL, TRUE);
}

/* --- pools and groups of one's own: there is the one pool --- */

PTP_POOL WINAPI CreateThreadpool(PVOID reserved)
{
	LONG *p = heap_new(2 * sizeof(*p));

	(void)reserved;
	if (!p)
		fail(ERROR_NOT_ENOUGH_MEMORY);
	return (PTP_POOL)p;
}

VOID WINAPI SetThreadpoolThreadMaximum(PTP_POOL pool, DWORD n)
{
	((LONG *)pool)[0] = (LONG)n;
}

WINBOOL WINAPI SetThreadpoolThreadMinimum(PTP_POOL pool, DWORD n)
{
	((LONG *)pool)[1] = (LONG)n;
	return TRUE;
}

VOID WINAPI CloseThreadpool(PTP_POOL pool)
{
	heap_delete(pool);
}

WINBOOL WINAPI CallbackMayRunLong(PTP_CALLBACK_INSTANCE instance)
{
	(void)instance; /* workers are made as needed anyway */
	return TRUE;
}
