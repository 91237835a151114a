/*
 * calls.c: system calls on handles: NtClose, NtDuplicateObject, NtQueryObject,
 * NtSetInformationObject.
 */
#include "guest/ob/obp.h"
#include "guest/ke/syscall.h"
#include "guest/ob/syscalls.h"

NTSYSCALL NTSTATUS NtClose(HANDLE h)
{
	return ObCloseHandle(h);
}

/* ---- NtDuplicateObject ---- */

#define PROCESS_DUP_HANDLE	  0x0040u
#define DUPLICATE_CLOSE_SOURCE	  1u
#define DUPLICATE_SAME_ACCESS	  2u
#define DUPLICATE_SAME_ATTRIBUTES 4u

/* What the new handle may do. A file's rights were decided when it was opened. */
static NTSTATUS duplicate_access(const struct object_type *type, ACCESS_MASK had,
				 ACCESS_MASK wanted, u32 options, ACCESS_MASK *access)
{
	if (options & DUPLICATE_SAME_ACCESS) {
		*access = had;
		return STATUS_SUCCESS;
	}
	*access = ObMapAccess(type, wanted);
	if (type != &IoFileType || !(*access & ~had))
		return STATUS_SUCCESS;
	if (!(wanted & MAXIMUM_ALLOWED))
		return STATUS_ACCESS_DENIED;
	*access &= had;
	return STATUS_SUCCESS;
}

static NTSTATUS duplicate(struct EPROCESS *from, HANDLE h, struct EPROCESS *to, ACCESS_MASK access,
			  u32 attributes, u32 options, HANDLE *new_handle)
{
	ACCESS_MASK had;
	u32 old_attributes;
	void *object;
	NTSTATUS s = ob_query_handle(from, h, &object, &had, &old_attributes);

	if (options &
	    DUPLICATE_CLOSE_SOURCE) /* first, so that its value is free; whatever follows */
		ObCloseHandleIn(from, h);
	if (!NT_SUCCESS(s))
		return s;
	s = duplicate_access(ObGetType(object), had, access, options, &access);
	if (options & DUPLICATE_SAME_ATTRIBUTES)
		attributes = old_attributes;
	if (NT_SUCCESS(s))
		s = ObCreateHandleIn(to, object, access, attributes, new_handle);
	ObDereferenceObject(object);
	return s;
}

NTSTATUS ObDuplicateHandle(struct EPROCESS *from, HANDLE h, struct EPROCESS *to, HANDLE *new_handle)
{
	return duplicate(from, h, to, 0, 0, DUPLICATE_SAME_ACCESS | DUPLICATE_SAME_ATTRIBUTES,
			 new_handle);
}

NTSYSCALL NTSTATUS NtDuplicateObject(HANDLE source_process, HANDLE source, HANDLE target_process,
				     HANDLE *target, ACCESS_MASK access, u32 attributes,
				     u32 options)
{
	HANDLE new_handle = 0;
	void *from, *to = NULL;
	NTSTATUS s = STATUS_SUCCESS;

	if (target)
		s = ObProbeHandle(target);
	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(source_process, PROCESS_DUP_HANDLE, &PsProcessType,
					      &from);
	if (!NT_SUCCESS(s))
		return s;
	if (target_process)
		s = ObReferenceObjectByHandle(target_process, PROCESS_DUP_HANDLE, &PsProcessType,
					      &to);
	if (to)
		s = duplicate(from, source, to, access, attributes, options, &new_handle);
	else if (!target_process && !(options & DUPLICATE_CLOSE_SOURCE))
		s = STATUS_INVALID_PARAMETER;
	if (!to && options & DUPLICATE_CLOSE_SOURCE)
		ObCloseHandleIn(from, source);
	if (to && NT_SUCCESS(s) && target) {
		s = copy_to_user(target, &new_handle, sizeof(new_handle));
		if (!NT_SUCCESS(s))
			ObCloseHandleIn(to, new_handle);
	}
	if (to)
		ObDereferenceObject(to);
	ObDereferenceObject(from);
	return s;
}

/* ---- NtQueryObject ---- */

enum object_information {
	OBJECT_BASIC,
	OBJECT_NAME,
	OBJECT_TYPE,
	OBJECT_TYPES,
	OBJECT_HANDLE_FLAGS,
};

struct basic_information {
	u32 attributes, access, handles, pointers, paged, nonpaged, reserved[3];
	u32 name_bytes, type_bytes, security_bytes;
	u64 created;
};
struct string {
	u16 bytes, max_bytes;
	u32 pad;
	u64 text;
};
struct type_information {
	struct string name;
	u32 objects, handles, unused[10];
	u32 invalid_attributes;
	u32 generic_read, generic_write, generic_execute, generic_all;
	u32 valid_access;
	u8 security_required, maintain_count;
	u16 index;
	u32 pool_type, paged, nonpaged;
};
struct handle_flags {
	u8 inherit, protect;
};
_Static_assert(sizeof(struct basic_information) == 56 && sizeof(struct type_information) == 104,
	       "layouts of Windows x64");

struct query {
	void *object;
	ACCESS_MASK access;
	u32 attributes;
	u8 *user;
	u32 length, needed;
};

/* A fixed structure that the buffer must match exactly. */
static NTSTATUS answer_exact(struct query *q, const void *data, u32 n)
{
	q->needed = n;
	if (q->length != n)
		return STATUS_INFO_LENGTH_MISMATCH;
	return copy_to_user(q->user, data, n);
}

static NTSTATUS query_basic(struct query *q)
{
	struct object_header *h = ob_header(q->object);
	struct basic_information i = {
	    .attributes = q->attributes,
	    .access = q->access,
	    .handles = (u32)h->handles,
	    .pointers = (u32)h->references - 1, /* not counting this call's own */
	    .created = h->created,
	};
	u32 chars = ob_name_path(h, NULL, 0);

	i.name_bytes = chars ? (u32)sizeof(struct string) + 2 * chars + 2 : 0;
	i.type_bytes = (u32)(sizeof(struct type_information) + 2 * strlen(h->type->name) + 2);
	return answer_exact(q, &i, sizeof(i));
}

#define MAX_NAME_CHARS 0x7ffeu

static NTSTATUS object_name(void *object, u16 *name, u32 *chars)
{
	struct object_header *h = ob_header(object);

	if (h->type->query_name)
		return h->type->query_name(object, name, chars);
	*chars = ob_name_path(h, name, *chars);
	return STATUS_SUCCESS;
}

/* UNICODE_STRING and text behind it, as `head` (whose first part is the string) asks. */
static NTSTATUS put_string(struct query *q, struct string *head, u32 head_bytes, const u16 *text,
			   u32 chars)
{
	NTSTATUS s;

	head->bytes = (u16)(chars * 2);
	head->max_bytes = (u16)(chars * 2 + 2);
	head->text = (u64)(q->user + head_bytes);
	s = copy_to_user(q->user, head, head_bytes);
	return NT_SUCCESS(s) ? copy_to_user(q->user + head_bytes, text, chars * 2ul + 2) : s;
}

static NTSTATUS query_name(struct query *q)
{
	struct string none = {0};
	u32 chars = 0, room;
	u16 *text;
	NTSTATUS s = object_name(q->object, NULL, &chars);

	if (!NT_SUCCESS(s))
		return s;
	q->needed = (u32)sizeof(none) + (chars ? 2 * chars + 2 : 0);
	if (q->length < sizeof(none))
		return STATUS_INFO_LENGTH_MISMATCH;
	if (!chars)
		return copy_to_user(q->user, &none, sizeof(none));
	if (q->length < q->needed)
		return STATUS_BUFFER_OVERFLOW;
	room = MIN(chars, MAX_NAME_CHARS);
	text = ExAllocatePool(room * 2ul + 2, TAG('O', 'b', 'N', 'm'));
	if (!text)
		return STATUS_INSUFFICIENT_RESOURCES;
	chars = room;
	s = object_name(q->object, text, &chars); /* may be another name by now: only what fits */
	if (NT_SUCCESS(s))
		s = put_string(q, &none, sizeof(none), text, MIN(chars, room));
	ExFreePool(text);
	return s;
}

static NTSTATUS query_type(struct query *q)
{
	const struct object_type *type = ObGetType(q->object);
	struct type_information i = {
	    .generic_read = type->generic_read,
	    .generic_write = type->generic_write,
	    .generic_execute = type->generic_execute,
	    .generic_all = type->all_access,
	    .valid_access = type->all_access,
	};
	u32 chars = (u32)strlen(type->name);
	u16 text[32] = {0};

	q->needed = (u32)sizeof(i) + 2 * chars + 2;
	if (q->length < q->needed)
		return STATUS_INFO_LENGTH_MISMATCH;
	for (u32 c = 0; c < chars && c < ARRAY_SIZE(text) - 1; c++)
		text[c] = (u8)type->name[c];
	return put_string(q, &i.name, sizeof(i), text, chars);
}

static NTSTATUS query_flags(struct query *q)
{
	struct handle_flags f = {
	    .inherit = !!(q->attributes & OBJ_INHERIT),
	    .protect = !!(q->attributes & OBJ_PROTECT_CLOSE),
	};

	return answer_exact(q, &f, sizeof(f));
}

static NTSTATUS (*const queries[])(struct query *q) = {
    [OBJECT_BASIC] = query_basic,
    [OBJECT_NAME] = query_name,
    [OBJECT_TYPE] = query_type,
    [OBJECT_HANDLE_FLAGS] = query_flags,
};

NTSYSCALL NTSTATUS NtQueryObject(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	struct query q = {.user = buffer, .length = length};
	NTSTATUS s, copied = STATUS_SUCCESS;

	if (class >= ARRAY_SIZE(queries) || !queries[class])
		return STATUS_INVALID_INFO_CLASS;
	s = ob_query_handle(ob_current_process(), h, &q.object, &q.access, &q.attributes);
	if (!NT_SUCCESS(s))
		return s;
	s = queries[class](&q);
	ObDereferenceObject(q.object);
	if (returned)
		copied = copy_to_user(returned, &q.needed, sizeof(q.needed));
	return NT_SUCCESS(copied) ? s : copied;
}

NTSYSCALL NTSTATUS NtSetInformationObject(HANDLE h, u32 class, const void *buffer, u32 length)
{
	struct handle_flags f;
	NTSTATUS s;

	if (class != OBJECT_HANDLE_FLAGS)
		return STATUS_INVALID_INFO_CLASS;
	if (length != sizeof(f))
		return STATUS_INFO_LENGTH_MISMATCH;
	s = copy_from_user(&f, buffer, sizeof(f));
	if (!NT_SUCCESS(s))
		return s;
	return ob_set_handle_attributes(ob_current_process(), h,
					(f.inherit ? OBJ_INHERIT : 0) |
					    (f.protect ? OBJ_PROTECT_CLOSE : 0));
}
