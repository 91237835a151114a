/* One thread keeps all timers, in order of time. Timer queues are made of them. */
#include "guest/user/kernel32/pool.h"

static RTL_CONDITION_VARIABLE timers_changed;
static LIST_ENTRY timers = {&timers, &timers}; /* pool_lock */
static BOOL timer_thread_runs;

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

void pool_stop_timer(struct pool_object *o)
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
	pool_acquire();
	for (;;) {
		struct pool_object *o;
		LARGE_INTEGER until;

		if (timers.Flink == &timers) {
			RtlSleepConditionVariableSRW(&timers_changed, &pool_lock, NULL, 0);
			continue;
		}
		o = CONTAINING_RECORD(timers.Flink, struct pool_object, link);
		if (o->due > NtmmSystemTime()) {
			until.QuadPart = o->due;
			RtlSleepConditionVariableSRW(&timers_changed, &pool_lock, &until, 0);
			continue;
		}
		pool_stop_timer(o);
		pool_enqueue(o, 0);
		if (o->period) {
			o->due += (LONGLONG)o->period * TICKS_PER_MS;
			insert_timer(o);
		} else {
			o->spent = TRUE;
		}
	}
	return 0;
}

/* due: NT time (negative: from now). => lock */
static BOOL set_timer(struct pool_object *o, LONGLONG due, DWORD period)
{
	pool_stop_timer(o);
	o->due = due <= 0 ? NtmmSystemTime() - due : due;
	o->period = period;
	insert_timer(o);
	if (!timer_thread_runs) {
		HANDLE h = CreateThread(NULL, 0, timer_thread, NULL, 0, NULL);

		if (!h) {
			pool_stop_timer(o);
			return FALSE;
		}
		NtClose(h);
		timer_thread_runs = TRUE;
	}
	RtlWakeConditionVariable(&timers_changed);
	return TRUE;
}

PTP_TIMER WINAPI CreateThreadpoolTimer(PTP_TIMER_CALLBACK f, PVOID context,
				       PTP_CALLBACK_ENVIRON env)
{
	return (PTP_TIMER)pool_new(POOL_TIMER, (PVOID)f, context, env);
}

VOID WINAPI SetThreadpoolTimer(PTP_TIMER timer, PFILETIME due, DWORD period, DWORD window)
{
	struct pool_object *o = (struct pool_object *)timer;

	(void)window;
	pool_acquire();
	if (due)
		set_timer(o, pool_due(due), period);
	else
		pool_stop_timer(o);
	pool_release();
}

WINBOOL WINAPI IsThreadpoolTimerSet(PTP_TIMER timer)
{
	return ((struct pool_object *)timer)->link.Flink != NULL;
}

VOID WINAPI WaitForThreadpoolTimerCallbacks(PTP_TIMER timer, WINBOOL cancel)
{
	pool_wait_quiet((struct pool_object *)timer, cancel);
}

VOID WINAPI CloseThreadpoolTimer(PTP_TIMER timer)
{
	struct pool_object *o = (struct pool_object *)timer;

	pool_acquire();
	pool_stop_timer(o);
	pool_leave(o);
	pool_drop(o);
	pool_release();
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
	struct pool_object *o = pool_new(POOL_TIMER, (PVOID)f, context, NULL);
	struct queue *entry = heap_new(sizeof(*entry));
	BOOL ok;

	(void)flags;
	if (!o || !entry) {
		heap_delete(o);
		heap_delete(entry);
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	o->old_style = TRUE;
	pool_acquire();
	ok = set_timer(o, -(LONGLONG)due * TICKS_PER_MS, period);
	if (ok) {
		*entry = (struct queue){o, q->timers};
		q->timers = entry;
		o->queue = q;
	}
	pool_release();
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
	pool_acquire();
	ok = ((struct pool_object *)timer)->spent ||
	     set_timer(timer, -(LONGLONG)due * TICKS_PER_MS, period);
	pool_release();
	return ok;
}

WINBOOL WINAPI DeleteTimerQueueTimer(HANDLE queue, HANDLE timer, HANDLE event)
{
	struct pool_object *o = timer;
	struct queue **at, *entry = NULL;

	(void)queue; /* the timer knows its own */
	if (!o)
		return fail(ERROR_INVALID_PARAMETER);
	pool_acquire();
	for (at = &o->queue->timers; *at; at = &(*at)->next)
		if ((*at)->timer == o) {
			entry = *at;
			*at = entry->next;
			break;
		}
	pool_stop_timer(o);
	pool_release();
	if (!entry)
		return fail(ERROR_INVALID_PARAMETER);
	heap_delete(entry);
	return pool_finish(o, event);
}

WINBOOL WINAPI DeleteTimerQueueEx(HANDLE queue, HANDLE event)
{
	struct timer_queue *q = queue;
	struct pool_ending *all;
	BOOL ok = TRUE;

	if (!q)
		return fail(ERROR_INVALID_HANDLE);
	all = heap_new(sizeof(*all));
	if (!all)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	*all = (struct pool_ending){1, event == INVALID_HANDLE_VALUE ? NULL : event};
	while (q->timers) {
		struct pool_object *o = q->timers->timer;

		pool_acquire();
		pool_stop_timer(o);
		pool_cancel_tasks(o);
		if (o->pending && all->event) { /* the event comes when the last one is quiet */
			all->left++;
			o->ending = all;
		}
		pool_release();
		ok =
		    DeleteTimerQueueTimer(q, o, event == INVALID_HANDLE_VALUE ? event : NULL) && ok;
	}
	pool_acquire();
	pool_ended(all);
	pool_release();
	heap_delete(q);
	return ok || fail(ERROR_IO_PENDING);
}

WINBOOL WINAPI DeleteTimerQueue(HANDLE queue)
{
	return DeleteTimerQueueEx(queue, NULL);
}
