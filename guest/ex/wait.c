/*
 * wait.c: waiting for handles.
 *
 * The objects are referenced for as long as the wait lasts. APCs, alerts and termination end a wait
 * with their status, which is handed on as it is.
 */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"

#define EVENT_MODIFY_STATE     0x2u
#define SEMAPHORE_MODIFY_STATE 0x2u

/* A time limit of user mode: *limit is NULL for ever, else points to *value. */
static NTSTATUS capture_timeout(const s64 *user, s64 *value, const s64 **limit)
{
	*limit = NULL;
	if (!user)
		return STATUS_SUCCESS;
	*limit = value;
	return copy_from_user(value, user, sizeof(*value));
}

/* A handle's object, referenced, and what a wait for it waits on. */
static NTSTATUS waitable(HANDLE h, void **object, void **dispatcher)
{
	NTSTATUS s = ObReferenceObjectByHandle(h, SYNCHRONIZE, NULL, object);
	u32 offset;

	if (!NT_SUCCESS(s))
		return s;
	offset = ObGetType(*object)->dispatcher_offset;
	if (offset == NOT_WAITABLE) {
		ObDereferenceObject(*object);
		return STATUS_OBJECT_TYPE_MISMATCH;
	}
	*dispatcher = (u8 *)*object + offset;
	return STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtWaitForSingleObject(HANDLE h, u8 alertable, const s64 *timeout)
{
	void *object, *dispatcher;
	const s64 *limit;
	s64 value;
	NTSTATUS s = capture_timeout(timeout, &value, &limit);

	if (NT_SUCCESS(s))
		s = waitable(h, &object, &dispatcher);
	if (!NT_SUCCESS(s))
		return s;
	s = KeWaitForSingleObject(dispatcher, USER_MODE, alertable, limit);
	ObDereferenceObject(object);
	return s;
}

enum wait_type { WAIT_ALL, WAIT_ANY };

static bool named_twice(void *const *objects, u32 count)
{
	for (u32 i = 1; i < count; i++)
		for (u32 j = 0; j < i; j++)
			if (objects[i] == objects[j])
				return true;
	return false;
}

NTSYSCALL NTSTATUS NtWaitForMultipleObjects(u32 count, const HANDLE *user_handles, u32 type,
					    u8 alertable, const s64 *timeout)
{
	HANDLE handle[MAXIMUM_WAIT_OBJECTS];
	void *object[MAXIMUM_WAIT_OBJECTS], *dispatcher[MAXIMUM_WAIT_OBJECTS];
	const s64 *limit;
	s64 value;
	u32 n = 0;
	NTSTATUS s;

	if (!count || count > MAXIMUM_WAIT_OBJECTS)
		return STATUS_INVALID_PARAMETER_1;
	if (type > WAIT_ANY)
		return STATUS_INVALID_PARAMETER_3;
	s = capture_timeout(timeout, &value, &limit);
	if (NT_SUCCESS(s))
		s = copy_from_user(handle, user_handles, count * sizeof(HANDLE));
	while (NT_SUCCESS(s) && n < count) {
		if ((s64)handle[n] < 0) { /* a pseudo handle; of a single wait it may be one */
			s = STATUS_INVALID_HANDLE;
			break;
		}
		s = waitable(handle[n], &object[n], &dispatcher[n]);
		if (NT_SUCCESS(s))
			n++;
	}
	if (NT_SUCCESS(s) && type == WAIT_ALL && named_twice(object, n))
		s = STATUS_INVALID_PARAMETER_MIX;
	if (NT_SUCCESS(s))
		s = KeWaitForMultipleObjects(n, dispatcher, type == WAIT_ALL, USER_MODE, alertable,
					     limit);
	while (n)
		ObDereferenceObject(object[--n]);
	return s;
}

/* ---- NtSignalAndWaitForSingleObject ---- */

static NTSTATUS signal_event(void *object)
{
	KeSetEvent(object);
	return STATUS_SUCCESS;
}

static NTSTATUS signal_mutant(void *object)
{
	return KeReleaseMutant(object, NULL);
}

static NTSTATUS signal_semaphore(void *object)
{
	return KeReleaseSemaphore(object, 1, NULL);
}

static const struct {
	const struct object_type *type;
	ACCESS_MASK access;
	NTSTATUS (*signal)(void *object);
} signals[] = {
    {&ExEventType, EVENT_MODIFY_STATE, signal_event},
    {&ExMutantType, 0, signal_mutant},
    {&ExSemaphoreType, SEMAPHORE_MODIFY_STATE, signal_semaphore},
};

static NTSTATUS signal_handle(HANDLE h)
{
	void *object;
	NTSTATUS s = STATUS_OBJECT_TYPE_MISMATCH;

	for (u32 i = 0; i < ARRAY_SIZE(signals) && s == STATUS_OBJECT_TYPE_MISMATCH; i++) {
		s = ObReferenceObjectByHandle(h, signals[i].access, signals[i].type, &object);
		if (!NT_SUCCESS(s))
			continue;
		s = signals[i].signal(object);
		ObDereferenceObject(object);
	}
	return s;
}

/* Not one step: another thread may run between the signal and the wait. */
NTSYSCALL NTSTATUS NtSignalAndWaitForSingleObject(HANDLE signal, HANDLE wait, u8 alertable,
						  const s64 *timeout)
{
	void *object, *dispatcher;
	const s64 *limit;
	s64 value;
	NTSTATUS s = capture_timeout(timeout, &value, &limit);

	if (NT_SUCCESS(s))
		s = waitable(wait, &object, &dispatcher);
	if (!NT_SUCCESS(s))
		return s;
	s = signal_handle(signal);
	if (NT_SUCCESS(s))
		s = KeWaitForSingleObject(dispatcher, USER_MODE, alertable, limit);
	ObDereferenceObject(object);
	return s;
}

NTSYSCALL NTSTATUS NtDelayExecution(u8 alertable, const s64 *interval)
{
	s64 value;
	NTSTATUS s = copy_from_user(&value, interval, sizeof(value));

	return NT_SUCCESS(s) ? KeDelayExecution(USER_MODE, alertable, &value) : s;
}
