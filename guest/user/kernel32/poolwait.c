/* Waits: one that is set has a thread of its own; that is simple, and programs have few. */
#include "guest/user/kernel32/pool.h"

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
		pool_acquire();
		again = !o->once && !o->closed;
		if (!o->closed)
			pool_enqueue(o, status == STATUS_TIMEOUT ? WAIT_TIMEOUT : WAIT_OBJECT_0);
		pool_release();
		if (!again)
			break;
	}
	pool_acquire();
	pool_drop(o);
	pool_release();
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
void pool_stop_wait(struct pool_object *o)
{
	HANDLE thread;

	pool_acquire();
	thread = o->thread;
	o->thread = NULL;
	pool_release();
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
	struct pool_object *o = pool_new(POOL_WAIT, (PVOID)f, context, NULL);
	BOOL ok;

	if (!o)
		return FALSE;
	o->old_style = TRUE;
	o->object = object;
	o->once = (flags & WT_EXECUTEONLYONCE) != 0;
	o->no_timeout = ms == INFINITE;
	o->timeout = -(LONGLONG)ms * TICKS_PER_MS;
	pool_acquire();
	ok = start_wait(o);
	if (!ok)
		pool_drop(o);
	pool_release();
	if (ok)
		*out = o;
	return ok;
}

WINBOOL WINAPI UnregisterWaitEx(HANDLE wait, HANDLE event)
{
	struct pool_object *o = wait;

	if (!o)
		return fail(ERROR_INVALID_HANDLE);
	pool_acquire();
	o->closed = TRUE;
	pool_release();
	pool_stop_wait(o);
	return pool_finish(o, event);
}

WINBOOL WINAPI UnregisterWait(HANDLE wait)
{
	return UnregisterWaitEx(wait, NULL);
}

PTP_WAIT WINAPI CreateThreadpoolWait(PTP_WAIT_CALLBACK f, PVOID context, PTP_CALLBACK_ENVIRON env)
{
	struct pool_object *o = pool_new(POOL_WAIT, (PVOID)f, context, env);

	if (o)
		o->once = TRUE; /* each SetThreadpoolWait waits once */
	return (PTP_WAIT)o;
}

VOID WINAPI SetThreadpoolWait(PTP_WAIT wait, HANDLE object, PFILETIME timeout)
{
	struct pool_object *o = (struct pool_object *)wait;

	pool_stop_wait(o);
	if (!object)
		return;
	pool_acquire();
	o->object = object;
	o->no_timeout = !timeout;
	o->timeout = timeout ? pool_due(timeout) : 0;
	start_wait(o);
	pool_release();
}

VOID WINAPI WaitForThreadpoolWaitCallbacks(PTP_WAIT wait, WINBOOL cancel)
{
	pool_wait_quiet((struct pool_object *)wait, cancel);
}

VOID WINAPI CloseThreadpoolWait(PTP_WAIT wait)
{
	struct pool_object *o = (struct pool_object *)wait;

	pool_stop_wait(o);
	pool_acquire();
	pool_leave(o);
	pool_drop(o);
	pool_release();
}
