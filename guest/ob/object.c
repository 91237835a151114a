/*
 * object.c: headers, reference counts, access masks.
 *
 * A count that reaches zero never rises again: whoever finds objects without holding a reference
 * (the namespace, lists of processes) uses ObReferenceObjectSafe. Destruction may wait, so an
 * object released at DISPATCH_LEVEL goes on a list that a thread empties.
 */
#include "guest/ob/obp.h"

/* ---- destruction ---- */

static struct object_header *volatile dead; /* pushed by anyone, taken as a whole */
static KEVENT dead_event;

static void destroy(struct object_header *h)
{
	ob_name_forget(h);
	if (h->type->destroy)
		h->type->destroy(h + 1);
	ExFreePool(h);
}

static void destroy_later(struct object_header *h)
{
	h->next_dead = __atomic_load_n(&dead, __ATOMIC_RELAXED);
	while (!__atomic_compare_exchange_n(&dead, &h->next_dead, h, true, __ATOMIC_RELEASE,
					    __ATOMIC_RELAXED))
		;
	KeSetEvent(&dead_event);
}

static void destroyer(void *context)
{
	(void)context;
	for (;;) {
		struct object_header *h;

		KeWaitForSingleObject(&dead_event, KERNEL_MODE, false, NULL);
		h = __atomic_exchange_n(&dead, NULL, __ATOMIC_ACQUIRE);
		while (h) {
			struct object_header *next = h->next_dead;

			destroy(h);
			h = next;
		}
	}
}

void ob_start_destroyer(void)
{
	KeInitializeEvent(&dead_event, DO_EVENT_SYNCHRONIZATION, false);
	PsCreateSystemThread(destroyer, NULL, 12, "object destroyer");
}

/* ---- references ---- */

void *ObCreateObject(const struct object_type *type, size_t bytes)
{
	struct object_header *h = ExAllocatePool(sizeof(*h) + bytes, TAG('O', 'b', 'j', ' '));

	if (!h)
		return NULL;
	h->type = type;
	h->references = 1;
	h->created = KeQuerySystemTime();
	return h + 1;
}

void ObReferenceObject(void *object)
{
	s64 was = __atomic_fetch_add(&ob_header(object)->references, 1, __ATOMIC_RELAXED);

	require(was > 0);
}

bool ObReferenceObjectSafe(void *object)
{
	struct object_header *h = ob_header(object);
	s64 n = __atomic_load_n(&h->references, __ATOMIC_RELAXED);

	while (n > 0)
		if (__atomic_compare_exchange_n(&h->references, &n, n + 1, true, __ATOMIC_RELAXED,
						__ATOMIC_RELAXED))
			return true;
	return false;
}

void ObDereferenceObject(void *object)
{
	struct object_header *h = ob_header(object);
	s64 left = __atomic_sub_fetch(&h->references, 1, __ATOMIC_ACQ_REL);

	require(left >= 0);
	if (left)
		return;
	require(h->handles == 0);
	if (KeGetCurrentIrql() >= DISPATCH_LEVEL)
		destroy_later(h);
	else
		destroy(h);
}

const struct object_type *ObGetType(const void *object)
{
	return ob_header(object)->type;
}

/* ---- access masks ---- */

ACCESS_MASK ObMapAccess(const struct object_type *type, ACCESS_MASK access)
{
	ACCESS_MASK mapped = access & (type->all_access | type->own_rights);

	if (access & GENERIC_READ)
		mapped |= type->generic_read;
	if (access & GENERIC_WRITE)
		mapped |= type->generic_write;
	if (access & GENERIC_EXECUTE)
		mapped |= type->generic_execute;
	if (access & (GENERIC_ALL | MAXIMUM_ALLOWED))
		mapped |= type->all_access;
	for (u32 i = 0; i < ARRAY_SIZE(type->implied); i++)
		if (mapped & type->implied[i][0])
			mapped |= type->implied[i][1];
	return mapped;
}

#define ACCESS_SYSTEM_SECURITY 0x01000000u

NTSTATUS ob_check_access(const struct object_type *type, ACCESS_MASK access)
{
	const ACCESS_MASK general =
	    GENERIC_READ | GENERIC_WRITE | GENERIC_EXECUTE | GENERIC_ALL | MAXIMUM_ALLOWED;

	if (access & ACCESS_SYSTEM_SECURITY)
		return STATUS_PRIVILEGE_NOT_HELD;
	return access && !(access & ~(general | type->all_access | type->own_rights))
		   ? STATUS_SUCCESS
		   : STATUS_ACCESS_DENIED;
}

/* ---- handles for user mode ---- */

NTSTATUS ObProbeHandle(HANDLE *user)
{
	HANDLE old;
	NTSTATUS s = copy_from_user(&old, user, sizeof(old));

	return NT_SUCCESS(s) ? copy_to_user(user, &old, sizeof(old)) : s;
}

NTSTATUS ObReturnHandle(HANDLE *user, HANDLE handle, NTSTATUS status)
{
	NTSTATUS s;

	if (!NT_SUCCESS(status))
		return status;
	s = copy_to_user(user, &handle, sizeof(handle));
	if (NT_SUCCESS(s))
		return status;
	ObCloseHandle(handle);
	return s;
}
