/*
 * Dispatcher objects and waiting. All state is under the dispatcher lock. The waker consumes the
 * signal on the waiter's behalf and takes it off every queue; the waiter only reads its status.
 */
#include "guest/ke/thread.h"

void KeInitializeEvent(KEVENT *e, enum dispatcher_type type, bool signalled)
{
	e->d.type = type;
	e->d.signal = signalled;
	list_init(&e->d.waiters);
}

void KeInitializeSemaphore(KSEMAPHORE *s, s32 count, s32 limit)
{
	s->d.type = DO_SEMAPHORE;
	s->d.signal = count;
	s->limit = limit;
	list_init(&s->d.waiters);
}

void KeInitializeMutant(KMUTANT *m, bool owned)
{
	m->d.type = DO_MUTANT;
	m->d.signal = 1;
	m->owner = NULL;
	m->abandoned = false;
	list_init(&m->d.waiters);
	list_init(&m->owned);
	if (owned)
		KeWaitForSingleObject(m, KERNEL_MODE, false, NULL);
}

static bool is_signalled(const struct dispatcher *d, const KTHREAD *t)
{
	if (d->signal > 0)
		return true;
	return d->type == DO_MUTANT && CONTAINER_OF(d, KMUTANT, d)->owner == t;
}

/* Takes what a wait takes from the object. Returns whether it was an abandoned mutant. */
static bool consume(struct dispatcher *d, KTHREAD *t)
{
	bool abandoned = false;

	switch (d->type) {
	case DO_EVENT_SYNCHRONIZATION:
	case DO_TIMER_SYNCHRONIZATION:
		d->signal = 0;
		break;
	case DO_SEMAPHORE:
		d->signal--;
		break;
	case DO_MUTANT: {
		KMUTANT *m = CONTAINER_OF(d, KMUTANT, d);

		d->signal--;
		if (!m->owner) {
			m->owner = t;
			list_push_back(&t->mutants, &m->owned);
			abandoned = m->abandoned;
			m->abandoned = false;
		}
		break;
	}
	}
	return abandoned;
}

/* Can t's wait be satisfied now? If so consumes and returns the status; else -1. */
static s64 try_satisfy(KTHREAD *t)
{
	bool abandoned = false;

	for (u32 i = 0; i < t->wait_count; i++) {
		bool ready = is_signalled(t->blocks[i].object, t);

		if (ready && !t->wait_all)
			return (consume(t->blocks[i].object, t) ? STATUS_ABANDONED : 0) + i;
		if (!ready && t->wait_all)
			return -1;
	}
	if (!t->wait_all || !t->wait_count)
		return -1;
	for (u32 i = 0; i < t->wait_count; i++)
		abandoned |= consume(t->blocks[i].object, t);
	return abandoned ? STATUS_ABANDONED : STATUS_WAIT_0;
}

void ke_unwait(KTHREAD *t, NTSTATUS status)
{
	for (u32 i = 0; i < t->wait_count; i++)
		list_remove(&t->blocks[i].entry);
	t->wait_count = 0;
	t->wait_status = status;
	if (t->wait_timer.armed) {
		t->wait_timer.armed = false;
		list_remove(&t->wait_timer.entry);
	}
	ke_ready(t);
}

void ke_signal(struct dispatcher *d)
{
	struct list *e = d->waiters.next;

	while (e != &d->waiters && (d->signal > 0)) {
		struct wait_block *b = CONTAINER_OF(e, struct wait_block, entry);
		KTHREAD *t = b->thread;
		s64 status;

		e = e->next;
		status = try_satisfy(t);
		if (status >= 0) {
			/* the next waiter's block may be the same thread's: start over */
			ke_unwait(t, (NTSTATUS)status);
			e = d->waiters.next;
		}
	}
}

void ke_interrupt_user_wait(KTHREAD *t, NTSTATUS status)
{
	if (t->state == THREAD_WAITING && t->wait_mode == USER_MODE)
		ke_unwait(t, status);
}

s32 KeSetEvent(KEVENT *e)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	s32 was = e->d.signal;

	e->d.signal = 1;
	if (!was)
		ke_signal(&e->d);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

s32 KeResetEvent(KEVENT *e)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	s32 was = e->d.signal;

	e->d.signal = 0;
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

s32 KePulseEvent(KEVENT *e)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	s32 was = e->d.signal;

	e->d.signal = 1;
	ke_signal(&e->d);
	e->d.signal = 0;
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

NTSTATUS KeReleaseSemaphore(KSEMAPHORE *s, s32 count, s32 *previous)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	NTSTATUS st = STATUS_SUCCESS;

	if (count <= 0) {
		st = STATUS_INVALID_PARAMETER;
	} else if (count > s->limit - s->d.signal) {
		st = STATUS_SEMAPHORE_LIMIT_EXCEEDED;
	} else {
		if (previous)
			*previous = s->d.signal;
		s->d.signal += count;
		ke_signal(&s->d);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return st;
}

NTSTATUS KeReleaseMutant(KMUTANT *m, s32 *previous)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	NTSTATUS st = STATUS_SUCCESS;

	if (m->owner != current_thread()) {
		st = STATUS_MUTANT_NOT_OWNED;
	} else {
		if (previous)
			*previous = m->d.signal;
		if (++m->d.signal == 1) {
			m->owner = NULL;
			list_remove(&m->owned);
			ke_signal(&m->d);
		}
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return st;
}

/* => D held. What ends a user-mode wait before it begins. */
static NTSTATUS user_interruption(KTHREAD *t, bool alertable)
{
	if (t->user_pending & PENDING_TERMINATE)
		return STATUS_THREAD_IS_TERMINATING;
	if (alertable && t->alerted[USER_MODE]) {
		t->alerted[USER_MODE] = false;
		return STATUS_ALERTED;
	}
	if (alertable && !list_empty(&t->user_apcs)) {
		__atomic_fetch_or(&t->user_pending, PENDING_APC, __ATOMIC_SEQ_CST);
		return STATUS_USER_APC;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS wait_common(KTHREAD *t, struct wait_block *blocks, u32 count, bool all,
			    enum wait_mode mode, bool alertable, const s64 *timeout)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	s64 st;

	t->blocks = blocks;
	t->wait_count = count;
	t->wait_all = all;
	t->wait_mode = mode;
	t->alertable = alertable;
	st = try_satisfy(t);
	if (st < 0 && mode == USER_MODE) {
		NTSTATUS why = user_interruption(t, alertable);

		if (why)
			st = why;
	}
	if (st < 0 && timeout && *timeout == 0)
		st = STATUS_TIMEOUT;
	if (st >= 0 || st == STATUS_THREAD_IS_TERMINATING) {
		t->wait_count = 0;
		KeReleaseSpinLock(&ke_dispatcher_lock, old);
		return (NTSTATUS)st;
	}
	for (u32 i = 0; i < count; i++)
		list_push_back(&blocks[i].object->waiters, &blocks[i].entry);
	if (timeout)
		ke_arm_timer_locked(&t->wait_timer, *timeout, 0, &ke_wait_timeout);
	t->state = THREAD_WAITING;
	ke_schedule(false);
	KeLowerIrql(old);
	return t->wait_status;
}

NTSTATUS KeWaitForSingleObject(void *object, enum wait_mode mode, bool alertable,
			       const s64 *timeout)
{
	KTHREAD *t = current_thread();
	struct wait_block b = {.thread = t, .object = object};

	return wait_common(t, &b, 1, false, mode, alertable, timeout);
}

NTSTATUS KeWaitForMultipleObjects(u32 count, void **objects, bool all, enum wait_mode mode,
				  bool alertable, const s64 *timeout)
{
	KTHREAD *t = current_thread();
	struct wait_block b[MAXIMUM_WAIT_OBJECTS];

	if (!count || count > MAXIMUM_WAIT_OBJECTS)
		return STATUS_INVALID_PARAMETER_1;
	for (u32 i = 0; i < count; i++) {
		b[i].thread = t;
		b[i].object = objects[i];
	}
	return wait_common(t, b, count, all, mode, alertable, timeout);
}

NTSTATUS KeDelayExecution(enum wait_mode mode, bool alertable, const s64 *interval)
{
	NTSTATUS st = STATUS_TIMEOUT;

	if (*interval || alertable) /* an alert or APC that waits comes before a mere yield, too */
		st = wait_common(current_thread(), NULL, 0, false, mode, alertable, interval);
	if (st != STATUS_TIMEOUT)
		return st;
	if (*interval == 0)
		KeYield();
	return STATUS_SUCCESS;
}
