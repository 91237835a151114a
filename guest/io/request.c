/*
 * What every system call on a file handle begins and ends with: the handle, the event, the
 * IO_STATUS_BLOCK, the user APC or the packet for a completion port. Most requests are carried out
 * in the caller's thread and end with their final status; those of pending.c end later. An error in
 * the call itself is told by its status alone, without APC or packet.
 */
#include "guest/io/completion.h"
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
	r->packet = NULL;
	if (s == STATUS_SUCCESS)
		s = completion_for_request(r->f, r->apc, r->apc_context, &r->packet);
	if (s == STATUS_SUCCESS)
		s = request_event(event, &r->event);
	if (s != STATUS_SUCCESS) {
		if (r->packet)
			completion_drop(r->packet);
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

void request_settle(struct request *r, struct ETHREAD *t, NTSTATUS s, u64 information)
{
	if (r->event) {
		KeSetEvent((KEVENT *)((u8 *)r->event + ExEventType.dispatcher_offset));
		ObDereferenceObject(r->event);
	}
	if (!(r->f->skip & FILE_SKIP_SET_EVENT_ON_HANDLE))
		KeSetEvent(&r->f->event);
	if (r->apc)
		ps_queue_apc(t, r->apc, r->apc_context, (u64)r->iosb, 0);
	if (r->packet)
		completion_post(r->packet, s, information);
	ObDereferenceObject(r->f);
}

NTSTATUS request_end(struct request *r, NTSTATUS s, u64 information)
{
	IO_STATUS_BLOCK v = {(u32)s, information};
	NTSTATUS copied = copy_to_user(r->iosb, &v, sizeof v);
	bool error = (u32)s >> 30 == 3;

	if (!r->transfer)
		PsCountIo(IO_OTHER, information);
	if (error)
		r->apc = 0;
	if (r->packet && (error || r->f->skip & FILE_SKIP_COMPLETION_PORT_ON_SUCCESS)) {
		completion_drop(r->packet);
		r->packet = NULL;
	}
	request_settle(r, PsGetCurrentThread(), s, information);
	return copied == STATUS_SUCCESS ? s : copied;
}
