/*
 * The thread pool: work, timers, waits; the older calls (QueueUserWorkItem, timer queues,
 * registered waits) are made of the same three.
 *
 * One queue of tasks feeds workers, which are made while tasks wait and nobody is idle, and leave
 * after IDLE_MS without work. One thread keeps all timers, in order of time. A registered wait has
 * a thread of its own for as long as it is set; that is simple, and programs have few.
 *
 * An object (struct pool_object) counts its tasks that are queued or running; Wait... waits for
 * none, Close... frees it once there are none. `lock` guards all lists and counts.
 */
#include "guest/user/kernel32/k32.h"

#define IDLE_MS	    10000
#define MAX_WORKERS 512

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

struct task {
	struct task *next;
	struct pool_object *object;
	TP_WAIT_RESULT result;
};

static RTL_SRWLOCK lock;
static RTL_CONDITION_VARIABLE more, quiet, timers_changed;
static struct task *first_task, **last_task = &first_task;
static LONG workers, idle;
static LIST_ENTRY timers = {&timers, &timers};
static BOOL timer_thread_runs;

static void acquire(void)
{
	RtlAcquireSRWLockExclusive(&lock);
}

static void release(void)
{
	RtlReleaseSRWLockExclusive(&lock);
}

static void drop(struct pool_object *o) /* with the lock */
{
	if (--o->refs)
		return;
	if (o->wake)
		NtClose(o->wake);
	heap_delete(o);
}

/* --- workers --- */

static void run(struct task *t)
{
	struct pool_object *o = t->object;

	switch (o->kind) {
	case POOL_WORK:
		((PTP_WORK_CALLBACK)o->callback)(NULL, o->context, (PTP_WORK)o);
		break;
	case POOL_SIMPLE:
		((LPTHREAD_START_ROUTINE)o->callback)(o->context);
		break;
	case POOL_TIMER:
		if (o->old_style)
			((WAITORTIMERCALLBACK)o->callback)(o->context, TRUE);
		else
			((PTP_TIMER_CALLBACK)o->callback)(NULL, o->context, (PTP_TIMER)o);
		break;
	case POOL_WAIT:
		if (o->old_style)
			((WAITORTIMERCALLBACK)o->callback)(o->context, t->result == WAIT_TIMEOUT);
		else
			((PTP_WAIT_CALLBACK)o->callback)(NULL, o->context, (PTP_WAIT)o, t->result);
		break;
	}
}

static DWORD WINAPI worker(LPVOID unused)
{
	LARGE_INTEGER patience = {.QuadPart = -(LONGLONG)IDLE_MS * TICKS_PER_MS};

	(void)unused;
	acquire();
	for (;;) {
		struct task *t = first_task;

		if (!t) {
			NTSTATUS status;

			idle++;
			status = RtlSleepConditionVariableSRW(&more, &lock, &patience, 0);
			idle--;
			if (status == STATUS_TIMEOUT && !first_task)
				break;
			continue;
		}
		first_task = t->next;
		if (!first_task)
			last_task = &first_task;
		release();
		run(t);
		acquire();
		if (!--t->object->pending) {
			if (t->object->done_event)
				NtSetEvent(t->object->done_event, NULL);
			RtlWakeAllConditionVariable(&quiet);
		}
		drop(t->object);
		heap_delete(t);
	}
	workers--;
	release();
	return 0;
}

/* Queues one call of o's callback. => lock */
static BOOL enqueue(struct pool_object *o, TP_WAIT_RESULT result)
{
	struct task *t = heap_new(sizeof(*t));

	if (!t)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	*t = (struct task){NULL, o, result};
	o->refs++;
	o->pending++;
	*last_task = t;
	last_task = &t->next;
	if (idle) {
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

static struct pool_object *new_object(enum object_kind kind, PVOID callback, PVOID context)
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
	return o;
}

/* Takes o's tasks that have not begun off the queue. => lock */
static void cancel_tasks(struct pool_object *o)
{
	struct task **at = &first_task, *t;

	while ((t = *at)) {
		if (t->object != o) {
			at = &t->next;
			continue;
		}
		*at = t->next;
		o->pending--;
		drop(o); /* never the last: the caller has one */
		heap_delete(t);
	}
	last_task = at;
}

static void wait_quiet(struct pool_object *o, BOOL cancel)
{
	acquire();
	if (cancel)
		cancel_tasks(o);
	while (o->pending)
		RtlSleepConditionVariableSRW(&quiet, &lock, NULL, 0);
	release();
}

/* --- work --- */

PTP_WORK WINAPI CreateThreadpoolWork(PTP_WORK_CALLBACK f, PVOID context, PTP_CALLBACK_ENVIRON env)
{
	(void)env;
	return (PTP_WORK)new_object(POOL_WORK, (PVOID)f, context);
}

VOID WINAPI SubmitThreadpoolWork(PTP_WORK work)
{
	acquire();
	enqueue((struct pool_object *)work, 0);
	release();
}

VOID WINAPI WaitForThreadpoolWorkCallbacks(PTP_WORK work, WINBOOL cancel)
{
	wait_quiet((struct pool_object *)work, cancel);
}

VOID WINAPI CloseThreadpoolWork(PTP_WORK work)
{
	acquire();
	drop((struct pool_object *)work);
	release();
}

/* The simple callback has an instance before its context: adapted by a small record. */
struct simple {
	PTP_SIMPLE_CALLBACK callback;
	PVOID context;
};

static DWORD WINAPI call_simple(LPVOID arg)
{
	struct simple s = *(struct simple *)arg;

	heap_delete(arg);
	s.callback(NULL, s.context);
	return 0;
}

static BOOL queue_simple(PVOID f, PVOID context)
{
	struct pool_object *o = new_object(POOL_SIMPLE, f, context);
	BOOL ok;

	if (!o)
		return FALSE;
	acquire();
	ok = enqueue(o, 0);
	drop(o);
	release();
	return ok;
}

WINBOOL WINAPI TrySubmitThreadpoolCallback(PTP_SIMPLE_CALLBACK f, PVOID context,
					   PTP_CALLBACK_ENVIRON env)
{
	struct simple *s = heap_new(sizeof(*s));

	(void)env;
	if (!s)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	*s = (struct simple){f, context};
	return queue_simple((PVOID)call_simple, s);
}

WINBOOL WINAPI QueueUserWorkItem(LPTHREAD_START_ROUTINE f, PVOID context, ULONG flags)
{
	(void)flags;
	return queue_simple((PVOID)f, context);
}

/* --- timers --- */

static void insert_timer(struct pool_object *o)
{
	LIST_ENTRY *e = timers.Flink;

	while (e != &timers && CONTAINING_RECORD(e, struct pool_object, link)->due <= o->due)
		e = e->Flink;
	o->link.Flink = e;
	o->link.Blink = e->Blink;
	e->Blink->Flink = &o->link;
	e->Blink = &o->link;
}

static void remove_timer(struct pool_object *o)
{
	if (!o->link.Flink)
		return;
	o->link.Flink->Blink = o->link.Blink;
	o->link.Blink->Flink = o->link.Flink;
	o->link.Flink = NULL;
}

static DWORD WINAPI timer_thread(LPVOID unused)
{
	(void)unused;
	acquire();
	for (;;) {
		struct pool_object *o;
		LARGE_INTEGER until;

		if (timers.Flink == &timers) {
			RtlSleepConditionVariableSRW(&timers_changed, &lock, NULL, 0);
			continue;
		}
		o = CONTAINING_RECORD(timers.Flink, struct pool_object, link);
		if (o->due > NtmmSystemTime()) {
			until.QuadPart = o->due;
			RtlSleepConditionVariableSRW(&timers_changed, &lock, &until, 0);
			continue;
		}
		remove_timer(o);
		enqueue(o, 0);
		if (o->period) {
			o->due += (LONGLONG)o->period * TICKS_PER_MS;
			insert_timer(o);
		}
	}
	return 0;
}

/* due: NT time (negative: from now). => lock */
static BOOL set_timer(struct pool_object *o, LONGLONG due, DWORD period)
{
	remove_timer(o);
	o->due = due <= 0 ? NtmmSystemTime() - due : due;
	o->period = period;
	insert_timer(o);
	if (!timer_thread_runs) {
		HANDLE h = CreateThread(NULL, 0, timer_thread, NULL, 0, NULL);

		if (!h) {
			remove_timer(o);
			return FALSE;
		}
		NtClose(h);
		timer_thread_runs = TRUE;
	}
	RtlWakeConditionVariable(&timers_changed);
	return TRUE;
}

static LONGLONG filetime_value(PFILETIME f)
{
	return (LONGLONG)((ULONG64)f->dwHighDateTime << 32 | f->dwLowDateTime);
}

PTP_TIMER WINAPI CreateThreadpoolTimer(PTP_TIMER_CALLBACK f, PVOID context,
				       PTP_CALLBACK_ENVIRON env)
{
	(void)env;
	return (PTP_TIMER)new_object(POOL_TIMER, (PVOID)f, context);
}

VOID WINAPI SetThreadpoolTimer(PTP_TIMER timer, PFILETIME due, DWORD period, DWORD window)
{
	struct pool_object *o = (struct pool_object *)timer;

	(void)window;
	acquire();
	if (due)
		set_timer(o, filetime_value(due), period);
	else
		remove_timer(o);
	release();
}

WINBOOL WINAPI IsThreadpoolTimerSet(PTP_TIMER timer)
{
	return ((struct pool_object *)timer)->link.Flink != NULL;
}

VOID WINAPI WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, WINBOOL cancel)
{
	wait_quiet((struct pool_object *)timer, cancel);
}

VOID WINAPI CloseThreadpoolTimer(PTP_TIMER timer)
{
	struct pool_object *o = (struct pool_object *)timer;

	acquire();
	remove_timer(o);
	drop(o);
	release();
}

/* Timer queues: the queue is only a name for deleting all of its timers at once. */
struct queue {
	struct pool_object *timer;
	struct queue *next;
};

struct timer_queue {
	struct queue *timers;
};

static struct timer_queue default_queue;

HANDLE WINAPI CreateTimerQueue(VOID)
{
	struct timer_queue *q = heap_new(sizeof(*q));

	if (q)
		q->timers = NULL;
	else
		fail(ERROR_NOT_ENOUGH_MEMORY);
	return q;
}

WINBOOL WINAPI CreateTimerQueueTimer(PHANDLE out, HANDLE queue, WAITORTIMERCALLBACK f,
				     PVOID context, DWORD due, DWORD period, ULONG flags)
{
	struct timer_queue *q = queue ? queue : &default_queue;
	struct pool_object *o = new_object(POOL_TIMER, (PVOID)f, context);
	struct queue *entry = heap_new(sizeof(*entry));
	BOOL ok;

	(void)flags;
	if (!o || !entry) {
		heap_delete(o);
		heap_delete(entry);
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	o->old_style = TRUE;
	acquire();
	ok = set_timer(o, -(LONGLONG)due * TICKS_PER_MS, period);
	if (ok) {
		*entry = (struct queue){o, q->timers};
		q->timers = entry;
	}
	release();
	if (!ok) {
		heap_delete(o);
		heap_delete(entry);
		return FALSE;
	}
	*out = o;
	return TRUE;
}

WINBOOL WINAPI ChangeTimerQueueTimer(HANDLE queue, HANDLE timer, ULONG due, ULONG period)
{
	BOOL ok;

	(void)queue;
	acquire();
	ok = set_timer(timer, -(LONGLONG)due * TICKS_PER_MS, period);
	release();
	return ok;
}

/* Ends a timer or a wait. The event: NULL do not wait, INVALID wait here, else signal it. */
static BOOL finish(struct pool_object *o, HANDLE event)
{
	BOOL busy;

	acquire();
	cancel_tasks(o);
	busy = o->pending != 0;
	if (busy && event && event != INVALID_HANDLE_VALUE)
		o->done_event = event;
	if (event == INVALID_HANDLE_VALUE) {
		while (o->pending)
			RtlSleepConditionVariableSRW(&quiet, &lock, NULL, 0);
		busy = FALSE;
	}
	drop(o);
	release();
	if (!busy && event && event != INVALID_HANDLE_VALUE)
		NtSetEvent(event, NULL);
	return !busy || fail(ERROR_IO_PENDING);
}

WINBOOL WINAPI DeleteTimerQueueTimer(HANDLE queue, HANDLE timer, HANDLE event)
{
	struct timer_queue *q = queue ? queue : &default_queue;
	struct pool_object *o = timer;
	struct queue **at, *entry = NULL;

	if (!o)
		return fail(ERROR_INVALID_PARAMETER);
	acquire();
	for (at = &q->timers; *at; at = &(*at)->next)
		if ((*at)->timer == o) {
			entry = *at;
			*at = entry->next;
			break;
		}
	remove_timer(o);
	release();
	if (!entry)
		return fail(ERROR_INVALID_PARAMETER);
	heap_delete(entry);
	return finish(o, event);
}

WINBOOL WINAPI DeleteTimerQueueEx(HANDLE queue, HANDLE event)
{
	struct timer_queue *q = queue;
	BOOL ok = TRUE;

	if (!q)
		return fail(ERROR_INVALID_HANDLE);
	while (q->timers)
		ok = DeleteTimerQueueTimer(q, q->timers->timer,
					   event == INVALID_HANDLE_VALUE ? event : NULL) &&
		     ok;
	if (event && event != INVALID_HANDLE_VALUE)
		NtSetEvent(event, NULL);
	heap_delete(q);
	return ok || fail(ERROR_IO_PENDING);
}

WINBOOL WINAPI DeleteTimerQueue(HANDLE queue)
{
	return DeleteTimerQueueEx(queue, NULL);
}

/* --- waits --- */

static DWORD WINAPI wait_thread(LPVOID arg)
{
	struct pool_object *o = arg;
	HANDLE both[2] = {o->wake, o->object};
	LARGE_INTEGER t = {.QuadPart = o->timeout};

	for (;;) {
		NTSTATUS status =
		    NtWaitForMultipleObjects(2, both, WaitAny, FALSE, o->no_timeout ? NULL : &t);
		BOOL again;

		if (status == STATUS_WAIT_0 || !NT_SUCCESS(status))
			break;
		acquire();
		again = !o->once && !o->closed;
		if (!o->closed)
			enqueue(o, status == STATUS_TIMEOUT ? WAIT_TIMEOUT : WAIT_OBJECT_0);
		release();
		if (!again)
			break;
	}
	acquire();
	drop(o);
	release();
	return 0;
}

/* Starts waiting for o->object. => lock */
static BOOL start_wait(struct pool_object *o)
{
	if (!o->wake &&
	    !succeed(NtCreateEvent(&o->wake, EVENT_ALL_ACCESS, NULL, SynchronizationEvent, FALSE)))
		return FALSE;
	o->refs++;
	o->thread = CreateThread(NULL, 0, wait_thread, o, 0, NULL);
	if (o->thread)
		return TRUE;
	o->refs--;
	return FALSE;
}

/* Ends the wait's thread, if it has one. */
static void stop_wait(struct pool_object *o)
{
	HANDLE thread;

	acquire();
	thread = o->thread;
	o->thread = NULL;
	release();
	if (!thread)
		return;
	NtSetEvent(o->wake, NULL);
	if (GetThreadId(thread) != GetCurrentThreadId())
		NtWaitForSingleObject(thread, FALSE, NULL);
	NtClose(thread);
	NtResetEvent(o->wake, NULL);
}

WINBOOL WINAPI RegisterWaitForSingleObject(PHANDLE out, HANDLE object, WAITORTIMERCALLBACK f,
					   PVOID context, ULONG ms, ULONG flags)
{
	struct pool_object *o = new_object(POOL_WAIT, (PVOID)f, context);
	BOOL ok;

	if (!o)
		return FALSE;
	o->old_style = TRUE;
	o->object = object;
	o->once = (flags & WT_EXECUTEONLYONCE) != 0;
	o->no_timeout = ms == INFINITE;
	o->timeout = -(LONGLONG)ms * TICKS_PER_MS;
	acquire();
	ok = start_wait(o);
	if (!ok)
		drop(o);
	release();
	if (ok)
		*out = o;
	return ok;
}

WINBOOL WINAPI UnregisterWaitEx(HANDLE wait, HANDLE event)
{
	struct pool_object *o = wait;

	if (!o)
		return fail(ERROR_INVALID_HANDLE);
	acquire();
	o->closed = TRUE;
	release();
	stop_wait(o);
	return finish(o, event);
}

WINBOOL WINAPI UnregisterWait(HANDLE wait)
{
	return UnregisterWaitEx(wait, NULL);
}

PTP_WAIT WINAPI CreateThreadpoolWait(PTP_WAIT_CALLBACK f, PVOID context, PTP_CALLBACK_ENVIRON env)
{
	struct pool_object *o = new_object(POOL_WAIT, (PVOID)f, context);

	(void)env;
	if (o)
		o->once = TRUE; /* each SetThreadpoolWait waits once */
	return (PTP_WAIT)o;
}

VOID WINAPI SetThreadpoolWait(PTP_WAIT wait, HANDLE object, PFILETIME timeout)
{
	struct pool_object *o = (struct pool_object *)wait;

	stop_wait(o);
	if (!object)
		return;
	acquire();
	o->object = object;
	o->no_timeout = !timeout;
	o->timeout = timeout ? filetime_value(timeout) : 0;
	start_wait(o);
	release();
}

VOID WINAPI WaitForThreadpoolWaitCallbacks(PTP_WAIT wait, WINBOOL cancel)
{
	wait_quiet((struct pool_object *)wait, cancel);
}

VOID WINAPI CloseThreadpoolWait(PTP_WAIT wait)
{
	struct pool_object *o = (struct pool_object *)wait;

	stop_wait(o);
	acquire();
	drop(o);
	release();
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
