/*
 * timer.c: timer objects, and the APCs they send.
 *
 * A timer set with a routine is on the list `callers`: each time it fires, the thread that set it
 * gets a user APC (of one timer at most one waits at a time, as on Windows). One DPC serves all
 * timers: it looks for those that have fired since it last looked, which a one-shot timer shows by
 * being no longer armed and a periodic one by another due time. So no DPC can outlive its timer.
 *
 * Lock: the dispatcher lock for the list and everything in struct timer.
 */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"
#include "guest/io/io.h"
#include "guest/ps/psi.h"

#define TIMER_QUERY_STATE  0x1u
#define TIMER_MODIFY_STATE 0x2u
#define TIMER_ALL_ACCESS   0x1f0003u

struct timer {
	KTIMER t;
	struct list caller;	   /* on callers while a routine is to be called */
	ETHREAD *thread;	   /* referenced while on callers */
	u64 routine, context, due; /* due: as t.due was when last looked at */
};

static struct list callers = {&callers, &callers};

/* ---- sending APCs ---- */

struct call {
	ETHREAD *thread; /* referenced */
	u64 routine, context;
};

/* => D. Nothing will be called for this timer any more; the thread is for the caller to release. */
static ETHREAD *forget_caller(struct timer *t)
{
	ETHREAD *thread = t->thread;

	t->thread = NULL;
	list_remove(&t->caller);
	return thread;
}

/* A timer that has fired and is still to be told of. */
static bool next_call(struct call *c)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	bool found = false;

	LIST_FOR_EACH(e, &callers)
	{
		struct timer *t = CONTAINER_OF(e, struct timer, caller);

		if (t->t.armed && t->t.due == t->due)
			continue;
		*c = (struct call){t->thread, t->routine, t->context};
		t->due = t->t.due;
		if (t->t.armed)
			ObReferenceObject(t->thread);
		else
			forget_caller(t); /* its reference is ours now */
		found = true;
		break;
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return found;
}

static void call_threads(void *context)
{
	u64 now = KeQuerySystemTime();
	struct call c;

	(void)context;
	while (next_call(&c)) {
		ps_remove_apc(c.thread, c.routine, c.context);
		/* routine(context, time low, time high). Without memory, or for a thread that has
		 * ended, there is no call. */
		ps_queue_apc(c.thread, c.routine, c.context, (u32)now, now >> 32);
		ObDereferenceObject(c.thread);
	}
}

static KDPC call_dpc = {.entry = {&call_dpc.entry, &call_dpc.entry}, .fn = call_threads};

/* ---- objects ---- */

static void stop(struct timer *t)
{
	/* Cancelled and forgotten in one step, or the DPC would take it for one that fired. */
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	u64 routine = t->routine;
	ETHREAD *thread;

	if (t->t.armed) {
		list_remove(&t->t.entry);
		t->t.armed = false;
	}
	thread = forget_caller(t);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (!thread)
		return;
	ps_remove_apc(thread, routine, t->context);
	ObDereferenceObject(thread);
}

static void destroy_timer(void *object)
{
	stop(object);
}

const struct object_type ExTimerType = {
    .name = "Timer",
    .dispatcher_offset = offsetof(struct timer, t) + offsetof(KTIMER, d),
    .generic_read = READ_CONTROL | TIMER_QUERY_STATE,
    .generic_write = READ_CONTROL | TIMER_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .all_access = TIMER_ALL_ACCESS,
    .destroy = destroy_timer,
};

/* TIMER_TYPE: NotificationTimer 0, SynchronizationTimer 1 */
static const u8 dispatcher_type[] = {DO_TIMER_NOTIFICATION, DO_TIMER_SYNCHRONIZATION};

NTSYSCALL NTSTATUS NtCreateTimer(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				 u32 type)
{
	struct object_attributes a;
	struct timer *t;
	NTSTATUS s;

	if (type >= ARRAY_SIZE(dispatcher_type))
		return STATUS_INVALID_PARAMETER_4;
	s = ex_begin_create(handle, attributes, &a);
	if (!NT_SUCCESS(s))
		return s;
	t = ObCreateObject(&ExTimerType, sizeof(*t));
	if (t) {
		KeInitializeTimer(&t->t, (enum dispatcher_type)dispatcher_type[type]);
		list_init(&t->caller);
	}
	return ex_end_create(handle, &a, t, access);
}

NTSYSCALL NTSTATUS NtOpenTimer(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &ExTimerType);
}

NTSYSCALL NTSTATUS NtQueryTimer(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	struct {
		s64 remaining;
		u8 signalled, pad[7];
	} info = {0};
	const KTIMER *t;
	void *object;
	NTSTATUS s = ex_begin_query(h, class, length, sizeof(info), TIMER_QUERY_STATE, &ExTimerType,
				    &object);

	if (!NT_SUCCESS(s))
		return s;
	t = &((struct timer *)object)->t;
	info.remaining = (s64)(t->due - KeQueryInterruptTime()); /* negative: how long ago */
	info.signalled = t->d.signal > 0;
	return ex_end_query(object, &info, sizeof(info), buffer, returned);
}

/* ---- setting ---- */

static bool arm(struct timer *t, s64 due, u32 period, u64 routine, u64 context)
{
	ETHREAD *me = PsGetCurrentThread();
	bool was;
	KIRQL old;

	stop(t);
	if (routine)
		ObReferenceObject(me);
	old = KeAcquireSpinLock(&ke_dispatcher_lock);
	was = t->t.d.signal > 0;
	t->t.d.signal = 0;
	ke_arm_timer_locked(&t->t, due, period, routine ? &call_dpc : NULL);
	if (routine && !t->thread) {
		t->thread = me;
		t->routine = routine;
		t->context = context;
		t->due = t->t.due;
		list_push_back(&callers, &t->caller);
		routine = 0;
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (routine) /* another thread set it at the same moment: that one is called */
		ObDereferenceObject(me);
	return was;
}

static NTSTATUS probe_byte(u8 *user)
{
	u8 old;
	NTSTATUS s = user ? copy_from_user(&old, user, 1) : STATUS_SUCCESS;

	return user && NT_SUCCESS(s) ? copy_to_user(user, &old, 1) : s;
}

NTSYSCALL NTSTATUS NtSetTimer(HANDLE h, const s64 *user_due, u64 routine, u64 context, u8 resume,
			      s32 period, u8 *previous)
{
	void *t;
	u8 was;
	s64 due;
	NTSTATUS s = probe_byte(previous);

	if (NT_SUCCESS(s))
		s = copy_from_user(&due, user_due, sizeof(due));
	if (NT_SUCCESS(s) && period < 0)
		s = STATUS_INVALID_PARAMETER_6;
	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(h, TIMER_MODIFY_STATE, &ExTimerType, &t);
	if (!NT_SUCCESS(s))
		return s;
	was = arm(t, due, (u32)period, routine, context);
	ObDereferenceObject(t);
	if (resume) /* no power states here */
		s = STATUS_TIMER_RESUME_IGNORED;
	if (previous && !NT_SUCCESS(copy_to_user(previous, &was, 1)))
		return STATUS_ACCESS_VIOLATION;
	return s;
}

NTSYSCALL NTSTATUS NtCancelTimer(HANDLE h, u8 *current)
{
	void *object;
	u8 state;
	NTSTATUS s = probe_byte(current);

	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(h, TIMER_MODIFY_STATE, &ExTimerType, &object);
	if (!NT_SUCCESS(s))
		return s;
	stop(object);
	state = ((struct timer *)object)->t.d.signal > 0;
	ObDereferenceObject(object);
	return current ? copy_to_user(current, &state, 1) : STATUS_SUCCESS;
}
