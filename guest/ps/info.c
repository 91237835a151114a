/* The engine behind the information calls on processes and threads: see info.h. */
#include "guest/ps/info.h"

#define ALIGNMENT 4u

struct string {
	u16 bytes, room;
	u32 pad;
	u64 text;
};

static bool takes(const u16 *sizes, u32 length)
{
	for (u32 i = 0; i < INFO_SIZES; i++)
		if (sizes[i] && sizes[i] == length)
			return true;
	return false;
}

static NTSTATUS tell_length(u32 *returned, u32 length)
{
	return returned ? copy_to_user(returned, &length, sizeof(length)) : STATUS_SUCCESS;
}

static NTSTATUS answer_fixed(const struct info_query *q, void *object, void *user, u32 length,
			     u32 *returned)
{
	u8 buffer[INFO_MAX_BYTES] __attribute__((aligned(8))) = {0};
	NTSTATUS st = q->in ? copy_from_user(buffer, user, length) : STATUS_SUCCESS, copied;

	if (st)
		return st;
	st = q->fn(&(struct info_call){object, q->class, length, buffer});
	if (!NT_SUCCESS(st) && st != STATUS_PORT_NOT_SET)
		return st;
	copied = copy_to_user(user, buffer, length);
	if (!copied)
		copied = tell_length(returned, length);
	return copied ? copied : st;
}

static NTSTATUS answer_text(const struct info_query *q, void *object, u8 *user, u32 length,
			    u32 *returned)
{
	struct string s = {0};
	u16 *text = NULL;
	u32 chars = 0, needed;
	NTSTATUS st = q->text(object, &text, &chars), told;

	if (st)
		return st;
	s.bytes = (u16)(chars * 2);
	needed = sizeof(s) + (text ? s.bytes + 2u : 0);
	if (length < needed) {
		st = q->too_short;
	} else if (text) {
		s.room = (u16)(s.bytes + 2);
		s.text = (u64)user + sizeof(s);
		st = copy_to_user(user + sizeof(s), text, s.bytes);
		if (!st)
			st = zero_user(user + sizeof(s) + s.bytes, 2);
	}
	if (!st)
		st = copy_to_user(user, &s, sizeof(s));
	if (text)
		ExFreePool(text);
	told = tell_length(returned, needed);
	return told ? told : st;
}

NTSTATUS ps_query_information(const struct info_query *rows, u32 count,
			      const struct object_type *type, HANDLE h, u32 class, void *user,
			      u32 length, u32 *returned)
{
	const struct info_query *q = NULL;
	void *object;
	NTSTATUS st;

	for (u32 i = 0; i < count && !q; i++)
		if (rows[i].class == class)
			q = &rows[i];
	if (!q)
		return STATUS_INVALID_INFO_CLASS;
	if (q->fn && !takes(q->size, length))
		return STATUS_INFO_LENGTH_MISMATCH;
	if (length >= ALIGNMENT && (u64)user % ALIGNMENT)
		return STATUS_DATATYPE_MISALIGNMENT;
	st = ObReferenceObjectByHandle(h, q->access, type, &object);
	if (st)
		return st;
	st = q->fn ? answer_fixed(q, object, user, length, returned)
		   : answer_text(q, object, user, length, returned);
	ObDereferenceObject(object);
	return st;
}

NTSTATUS ps_set_information(const struct info_set *rows, u32 count, const struct object_type *type,
			    HANDLE h, u32 class, const void *user, u32 length)
{
	u8 buffer[INFO_MAX_BYTES] __attribute__((aligned(8)));
	const struct info_set *s = NULL;
	void *object;
	NTSTATUS st = STATUS_SUCCESS;

	for (u32 i = 0; i < count && !s; i++)
		if (rows[i].class == class)
			s = &rows[i];
	if (!s)
		return STATUS_INVALID_INFO_CLASS;
	if (s->empty ? length != 0 : !takes(s->size, length))
		return STATUS_INFO_LENGTH_MISMATCH;
	if (length >= ALIGNMENT && (u64)user % ALIGNMENT)
		return STATUS_DATATYPE_MISALIGNMENT;
	if (length)
		st = copy_from_user(buffer, user, length);
	if (st)
		return st;
	st = ObReferenceObjectByHandle(h, s->access, type, &object);
	if (st)
		return st;
	st = s->fn(&(struct info_call){object, class, length, buffer});
	ObDereferenceObject(object);
	return st;
}
