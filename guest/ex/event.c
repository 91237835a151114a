/* event.c: event objects. The object's body is the KEVENT. */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"

#define EVENT_QUERY_STATE  0x1u
#define EVENT_MODIFY_STATE 0x2u
#define EVENT_ALL_ACCESS   0x1f0003u

const struct object_type ExEventType = {
    .name = "Event",
    .dispatcher_offset = offsetof(KEVENT, d),
    .generic_read = READ_CONTROL | EVENT_QUERY_STATE,
    .generic_write = READ_CONTROL | EVENT_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .all_access = EVENT_ALL_ACCESS,
};

KEVENT *ExCreateEvent(enum dispatcher_type type, bool signalled)
{
	KEVENT *e = ObCreateObject(&ExEventType, sizeof(*e));

	if (e)
		KeInitializeEvent(e, type, signalled);
	return e;
}

/* EVENT_TYPE: NotificationEvent 0, SynchronizationEvent 1, as enum dispatcher_type begins. */
NTSYSCALL NTSTATUS NtCreateEvent(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				 u32 type, u8 signalled)
{
	struct object_attributes a;
	NTSTATUS s;

	if (type > DO_EVENT_SYNCHRONIZATION) {
		s = ObProbeHandle(handle);
		return NT_SUCCESS(s) ? STATUS_INVALID_PARAMETER : s;
	}
	s = ex_begin_create(handle, attributes, &a);
	if (!NT_SUCCESS(s))
		return s;
	return ex_end_create(handle, &a, ExCreateEvent((enum dispatcher_type)type, signalled),
			     access);
}

NTSYSCALL NTSTATUS NtOpenEvent(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &ExEventType);
}

/* Set, reset and pulse differ in what they call. */
static NTSTATUS change(HANDLE h, u32 *previous, s32 (*change_event)(KEVENT *e))
{
	void *event;
	s32 was;
	NTSTATUS s = ex_probe_u32(previous);

	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(h, EVENT_MODIFY_STATE, &ExEventType, &event);
	if (!NT_SUCCESS(s))
		return s;
	was = change_event(event);
	ObDereferenceObject(event);
	return ex_store_u32(previous, (u32)was, STATUS_SUCCESS);
}

NTSYSCALL NTSTATUS NtSetEvent(HANDLE h, u32 *previous)
{
	return change(h, previous, KeSetEvent);
}

NTSYSCALL NTSTATUS NtResetEvent(HANDLE h, u32 *previous)
{
	return change(h, previous, KeResetEvent);
}

NTSYSCALL NTSTATUS NtClearEvent(HANDLE h)
{
	return change(h, NULL, KeResetEvent);
}

NTSYSCALL NTSTATUS NtPulseEvent(HANDLE h, u32 *previous)
{
	return change(h, previous, KePulseEvent);
}

NTSYSCALL NTSTATUS NtQueryEvent(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	struct {
		u32 type;
		s32 state;
	} info;
	void *object;
	NTSTATUS s = ex_begin_query(h, class, length, sizeof(info), EVENT_QUERY_STATE, &ExEventType,
				    &object);

	if (!NT_SUCCESS(s))
		return s;
	info.type = ((KEVENT *)object)->d.type;
	info.state = ((KEVENT *)object)->d.signal;
	return ex_end_query(object, &info, sizeof(info), buffer, returned);
}
