/* System calls on threads and processes: create, end, suspend, open. Queries are in psinfo.c. */
#include "guest/ps/ps.h"
#include "guest/ps/context.h"
#include "guest/ps/psi.h"
#include "guest/ke/syscall.h"
#include "guest/mm/nt_memory.h"

/* ---- threads ---- */

#define THREAD_CREATE_SUSPENDED 0x1u
#define PS_ATTRIBUTE_CLIENT_ID	0x10003u
#define PS_ATTRIBUTE_TEB	0x10004u

struct ps_attribute {
	u64 attribute, size, value, returned;
};

/* Answers the attributes that ask for the new thread's ids or TEB; others are accepted silently. */
static NTSTATUS answer_attributes(const u64 *list, const ETHREAD *t)
{
	u64 total, id[2] = {t->k.process->pid, t->tid};
	NTSTATUS st;

	if (!list)
		return STATUS_SUCCESS;
	if ((st = copy_from_user(&total, list, 8)))
		return st;
	if (total < 8 || total > 8 + 32 * sizeof(struct ps_attribute))
		return STATUS_INVALID_PARAMETER;
	for (u64 at = 8; at + sizeof(struct ps_attribute) <= total;
	     at += sizeof(struct ps_attribute)) {
		struct ps_attribute a;

		if ((st = copy_from_user(&a, (const u8 *)list + at, sizeof(a))))
			return st;
		if ((a.attribute & 0x1ffff) == PS_ATTRIBUTE_CLIENT_ID && a.size >= 16)
			st = copy_to_user((void *)a.value, id, 16);
		else if ((a.attribute & 0x1ffff) == PS_ATTRIBUTE_TEB && a.size >= 8)
			st = copy_to_user((void *)a.value, &t->k.teb, 8);
		if (st)
			return st;
	}
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtCreateThreadEx(HANDLE *user_handle, ACCESS_MASK access, const void *attributes,
				    HANDLE process, u64 start, u64 argument, u32 flags,
				    u64 zero_bits, u64 stack_commit, u64 stack_reserve,
				    const u64 *list)
{
	struct thread_request r = {
	    .start = start,
	    .argument = argument,
	    .stack_commit = stack_commit,
	    .stack_reserve = stack_reserve,
	    .zero_bits = zero_bits,
	    .suspended = flags & THREAD_CREATE_SUSPENDED,
	};
	struct object_attributes oa;
	EPROCESS *p;
	ETHREAD *t;
	HANDLE h = 0;
	NTSTATUS st;

	if ((st = copy_to_user(user_handle, &h, 8)))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_CREATE_THREAD, &PsProcessType, (void **)&p);
	if (st)
		return st;
	st = ObCaptureAttributes(attributes, &oa);
	if (st)
		goto out_process;
	if (p->exiting || p->closing_down || p->live_threads == 0) {
		st = STATUS_PROCESS_IS_TERMINATING;
		goto out;
	}
	st = ps_create_thread(p, &r, &t);
	if (st)
		goto out;
	st = ObCreateHandle(t, ObMapAccess(&PsThreadType, access), oa.attributes, &h);
	if (!st)
		st = answer_attributes(list, t);
	if (!st)
		st = copy_to_user(user_handle, &h, 8);
	if (st) /* cannot be told about it: it ends before it begins */
		ps_terminate_other(t, st);
	else
		ke_start_thread(&t->k);
	ObDereferenceObject(t);
out:
	ObReleaseAttributes(&oa);
out_process:
	ObDereferenceObject(p);
	return st;
}

NTSYSCALL NTSTATUS NtTerminateThread(HANDLE h, NTSTATUS status)
{
	ETHREAD *t;
	NTSTATUS st;

	if (!h)
		h = (HANDLE)-2;
	st = ObReferenceObjectByHandle(h, THREAD_TERMINATE, &PsThreadType, (void **)&t);
	if (st)
		return st;
	if (t == PsGetCurrentThread()) {
		ObDereferenceObject(t);
		PsTerminateCurrentThread(status);
	}
	mutex_lock(&ps_lock);
	ps_terminate_other(t, status);
	mutex_unlock(&ps_lock);
	ObDereferenceObject(t);
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtSuspendThread(HANDLE h, u32 *user_previous)
{
	ETHREAD *t;
	u32 was;
	NTSTATUS st =
	    ObReferenceObjectByHandle(h, THREAD_SUSPEND_RESUME, &PsThreadType, (void **)&t);

	if (st)
		return st;
	was = ps_suspend(t, &st);
	ObDereferenceObject(t);
	if (!st && user_previous)
		st = copy_to_user(user_previous, &was, 4);
	return st;
}

NTSYSCALL NTSTATUS NtResumeThread(HANDLE h, u32 *user_previous)
{
	ETHREAD *t;
	u32 was;
	NTSTATUS st =
	    ObReferenceObjectByHandle(h, THREAD_SUSPEND_RESUME, &PsThreadType, (void **)&t);

	if (st)
		return st;
	was = ps_resume(t);
	ObDereferenceObject(t);
	return user_previous ? copy_to_user(user_previous, &was, 4) : STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtQueueApcThread(HANDLE h, u64 routine, u64 context, u64 arg1, u64 arg2)
{
	ETHREAD *t;
	NTSTATUS st = ObReferenceObjectByHandle(h, THREAD_SET_CONTEXT, &PsThreadType, (void **)&t);

	if (st)
		return st;
	st = t->k.system ? STATUS_INVALID_HANDLE : ps_queue_apc(t, routine, context, arg1, arg2);
	ObDereferenceObject(t);
	return st;
}

NTSYSCALL NTSTATUS NtTestAlert(void)
{
	KTHREAD *t = current_thread();
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	bool alerted = t->alerted[USER_MODE];

	t->alerted[USER_MODE] = false;
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	ps_test_alert(t);
	return alerted ? STATUS_ALERTED : STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtAlertThread(HANDLE h)
{
	ETHREAD *t;
	KIRQL old;
	NTSTATUS st =
	    ObReferenceObjectByHandle(h, THREAD_SUSPEND_RESUME, &PsThreadType, (void **)&t);

	if (st)
		return st;
	old = KeAcquireSpinLock(&ke_dispatcher_lock);
	if (t->k.state == THREAD_WAITING && t->k.wait_mode == USER_MODE && t->k.alertable)
		ke_unwait(&t->k, STATUS_ALERTED);
	else
		t->k.alerted[USER_MODE] = true;
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	ObDereferenceObject(t);
	return STATUS_SUCCESS;
}

/* An alert is kept, one at the most, until the thread waits for it. */
NTSYSCALL NTSTATUS NtWaitForAlertByThreadId(u64 address, const s64 *user_timeout)
{
	KTHREAD *t = current_thread();
	s64 timeout;
	NTSTATUS st;

	(void)address;
	if (user_timeout && (st = copy_from_user(&timeout, user_timeout, 8)))
		return st;
	st = KeWaitForSingleObject(&t->alert_event, USER_MODE, false,
				   user_timeout ? &timeout : NULL);
	return st == STATUS_WAIT_0 ? STATUS_ALERTED : st;
}

NTSYSCALL NTSTATUS NtAlertThreadByThreadId(u64 tid)
{
	ETHREAD *t = ps_find_thread((u32)tid);

	if (!t)
		return STATUS_INVALID_CID;
	if (t->k.process != PsGetCurrentProcess()) {
		ObDereferenceObject(t);
		return STATUS_ACCESS_DENIED;
	}
	KeSetEvent(&t->k.alert_event);
	ObDereferenceObject(t);
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtYieldExecution(void)
{
	KeYield();
	return STATUS_SUCCESS;
}

/* ---- processes ---- */

NTSYSCALL NTSTATUS NtTerminateProcess(HANDLE h, NTSTATUS status)
{
	EPROCESS *p, *me = PsGetCurrentProcess();
	bool others_only = !h;
	NTSTATUS st;

	if (others_only)
		h = (HANDLE)-1;
	st = ObReferenceObjectByHandle(h, PROCESS_TERMINATE, &PsProcessType, (void **)&p);
	if (st)
		return st;
	if (others_only) {
		p->closing_down = true;
		ps_terminate_others(p, status);
		ObDereferenceObject(p);
		return STATUS_SUCCESS;
	}
	if (p->d.signal || p == PsInitialSystemProcess) {
		ObDereferenceObject(p);
		return p == PsInitialSystemProcess ? STATUS_ACCESS_DENIED
						   : STATUS_PROCESS_IS_TERMINATING;
	}
	PsTerminateProcess(p, status);
	ObDereferenceObject(p);
	if (p == me)
		PsTerminateCurrentThread(status);
	return STATUS_SUCCESS;
}

/* All its threads as they are now; what one of them refuses stays as it was. */
static NTSTATUS for_all_threads(HANDLE h, bool suspend)
{
	NTSTATUS st, refused = STATUS_SUCCESS;
	EPROCESS *p;

	st = ObReferenceObjectByHandle(h, PROCESS_SUSPEND_RESUME, &PsProcessType, (void **)&p);
	if (st)
		return st;
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	{
		ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);

		if (!suspend)
			ps_resume(t);
		else
			ps_suspend(t, &st);
		refused = st ? st : refused;
	}
	mutex_unlock(&ps_lock);
	ObDereferenceObject(p);
	return refused;
}

NTSYSCALL NTSTATUS NtSuspendProcess(HANDLE h)
{
	return for_all_threads(h, true);
}

NTSYSCALL NTSTATUS NtResumeProcess(HANDLE h)
{
	return for_all_threads(h, false);
}

/* CLIENT_ID: which of the two is not zero decides. */
static NTSTATUS open_by_id(HANDLE *user_handle, ACCESS_MASK access, const void *attributes,
			   const u64 *user_id, bool thread)
{
	struct object_attributes oa;
	HANDLE h = 0;
	void *object;
	u64 id[2];
	NTSTATUS st;

	if ((st = copy_to_user(user_handle, &h, 8)) || (st = copy_from_user(id, user_id, 16)) ||
	    (st = ObCaptureAttributes(attributes, &oa)))
		return st;
	object = thread ? (void *)ps_find_thread((u32)id[1]) : (void *)ps_find_process((u32)id[0]);
	if (!object) {
		st = STATUS_INVALID_CID;
	} else {
		st = ObCreateHandle(object, ObMapAccess(ObGetType(object), access), oa.attributes,
				    &h);
		ObDereferenceObject(object);
	}
	ObReleaseAttributes(&oa);
	return st ? st : copy_to_user(user_handle, &h, 8);
}

NTSYSCALL NTSTATUS NtOpenProcess(HANDLE *h, ACCESS_MASK access, const void *attributes,
				 const u64 *id)
{
	return open_by_id(h, access, attributes, id, false);
}

NTSYSCALL NTSTATUS NtOpenThread(HANDLE *h, ACCESS_MASK access, const void *attributes,
				const u64 *id)
{
	return open_by_id(h, access, attributes, id, true);
}
