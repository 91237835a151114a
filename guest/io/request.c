/*
 * What every system call on a file handle begins and ends with: the handle, the event, the
 * IO_STATUS_BLOCK, the user APC. Requests are carried out in the caller's thread, so each ends with
 * its final status; a completion APC is queued to the thread itself.
 */
#include "guest/io/fs.h"
#include "guest/ps/psi.h"

#define EVENT_MODIFY_STATE 0x0002u

NTSTATUS request_event(HANDLE h, KEVENT **event)
{
	void *object;
	NTSTATUS s;

	*event = NULL;
	if (!h)
		return STATUS_SUCCESS;
	s = ObReferenceObjectByHandle(h, EVENT_MODIFY_STATE, &ExEventType, &object);
	if (s != STATUS_SUCCESS)
		return s;
	*event = object;
	KeResetEvent((KEVENT *)((u8 *)object + ExEventType.dispatcher_offset));
	return STATUS_SUCCESS;
}

NTSTATUS request_begin_apc(struct request *r, HANDLE h, ACCESS_MASK any, HANDLE event,
			   const void *apc, const void *apc_context, void *user_iosb)
{
	IO_STATUS_BLOCK probe;
	void *object;
	NTSTATUS s = copy_from_user(&probe, user_iosb, sizeof probe);

	if (s != STATUS_SUCCESS)
		return s;
	s = ObReferenceObjectByHandle(h, 0, &IoFileType, &object);
	if (s != STATUS_SUCCESS)
		return s;
	r->f = object;
	r->apc = (u64)apc;
	r->apc_context = (u64)apc_context;
	r->iosb = user_iosb;
	r->transfer = false;
	s = ObQueryHandleAccess(h, &r->access);
	if (s == STATUS_SUCCESS && any && !(r->access & any))
		s = STATUS_ACCESS_DENIED;
	if (s == STATUS_SUCCESS)
		s = request_event(event, &r->event);
	if (s != STATUS_SUCCESS) {
		ObDereferenceObject(object);
		return s;
	}
	KeResetEvent(&r->f->event);
	return STATUS_SUCCESS;
}

NTSTATUS request_begin(struct request *r, HANDLE h, ACCESS_MASK any, HANDLE event, void *user_iosb)
{
	return request_begin_apc(r, h, any, event, NULL, NULL, user_iosb);
}

NTSTATUS request_end(struct request *r, NTSTATUS s, u64 information)
{
	IO_STATUS_BLOCK v = {(u32)s, information};
	NTSTATUS copied = copy_to_user(r->iosb, &v, sizeof v);

	if (r->event) {
		KeSetEvent((KEVENT *)((u8 *)r->event + ExEventType.dispatcher_offset));
		ObDereferenceObject(r->event);
	}
	KeSetEvent(&r->f->event);
	if (!r->transfer)
		PsCountIo(IO_OTHER, information);
	if (r->apc && (u32)s >> 30 != 3) /* an error tells itself, by the status */
		ps_queue_apc(PsGetCurrentThread(), r->apc, r->apc_context, (u64)r->iosb, 0);
	ObDereferenceObject(r->f);
	return copied == STATUS_SUCCESS ? s : copied;
}
