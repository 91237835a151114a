/*
 * Threads that are stopped: suspended, as often as they are told to, or frozen by their process's
 * debugger. Either is carried out when the thread is about to run user code (ps_user_work). Lock:
 * the dispatcher's.
 */
#include "guest/ps/psi.h"

#define MAXIMUM_SUSPEND_COUNT 127u

/* => D. It stops before it runs user code again, or goes on if nothing else stops it. */
static void stop(ETHREAD *t)
{
	t->k.resume.d.signal = 0;
	t->stopped.d.signal = 0;
	__atomic_fetch_or(&t->k.user_pending, PENDING_SUSPEND, __ATOMIC_SEQ_CST);
}

static void go_on(ETHREAD *t)
{
	if (t->k.suspend_count || t->k.frozen)
		return;
	__atomic_fetch_and(&t->k.user_pending, ~PENDING_SUSPEND, __ATOMIC_SEQ_CST);
	t->k.resume.d.signal = 1;
	ke_signal(&t->k.resume.d);
}

void ps_freeze(ETHREAD *t, bool freeze)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	bool was = t->k.frozen || t->k.suspend_count;

	t->k.frozen = freeze && !t->k.d.signal;
	if (t->k.frozen)
		stop(t);
	else
		go_on(t);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (freeze && !was)
		ke_kick(&t->k);
}

u32 ps_suspend(ETHREAD *t, NTSTATUS *st)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	u32 was = t->k.suspend_count;

	*st = STATUS_SUCCESS;
	if (t->k.d.signal) {
		*st = STATUS_THREAD_IS_TERMINATING;
	} else if (was >= MAXIMUM_SUSPEND_COUNT) {
		*st = STATUS_SUSPEND_COUNT_EXCEEDED;
	} else {
		t->k.suspend_count++;
		stop(t);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (!*st && !was)
		ke_kick(&t->k);
	return was;
}

u32 ps_resume(ETHREAD *t)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	u32 was = t->k.suspend_count;

	if (was && !--t->k.suspend_count)
		go_on(t);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

/* Its user registers lie still in its frame: it is this thread, or suspended and out of user mode.
 * A thread in a kernel wait has them there, too. */
NTSTATUS ps_stop_for_context(ETHREAD *t)
{
	const s64 step = -10000;

	if (t == PsGetCurrentThread())
		return STATUS_SUCCESS;
	if (t->k.system || !t->frame)
		return STATUS_INVALID_PARAMETER;
	for (u32 i = 0; i < 1000; i++) {
		if (t->k.d.signal || t->k.state == THREAD_WAITING || t->k.state == THREAD_INIT)
			return t->k.d.signal ? STATUS_THREAD_IS_TERMINATING : STATUS_SUCCESS;
		if (!t->k.suspend_count && !t->k.frozen)
			break; /* as Windows: whatever it is at this moment */
		KeDelayExecution(KERNEL_MODE, false, &step);
	}
	return STATUS_SUCCESS;
}
