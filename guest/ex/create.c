/* create.c: what all Nt*Create, Nt*Open and NtQuery* calls of ex's objects have in common. */
#include "guest/ex/ex.h"

NTSTATUS ex_begin_create(HANDLE *handle, const void *attributes, struct object_attributes *a)
{
	NTSTATUS s = ObProbeHandle(handle);

	return NT_SUCCESS(s) ? ObCaptureAttributes(attributes, a) : s;
}

NTSTATUS ex_end_create(HANDLE *handle, struct object_attributes *a, void *object,
		       ACCESS_MASK access)
{
	NTSTATUS s = STATUS_INSUFFICIENT_RESOURCES;
	HANDLE h = 0;

	if (object)
		s = ObInsertObject(a, object, access, &h);
	ObReleaseAttributes(a);
	return ObReturnHandle(handle, h, s);
}

NTSTATUS ex_open(HANDLE *handle, ACCESS_MASK access, const void *attributes,
		 const struct object_type *type)
{
	struct object_attributes a;
	HANDLE h = 0;
	NTSTATUS s = ObProbeHandle(handle);

	if (NT_SUCCESS(s))
		s = attributes ? ObCaptureAttributes(attributes, &a) : STATUS_INVALID_PARAMETER;
	if (!NT_SUCCESS(s))
		return s;
	s = ObOpenObjectByName(&a, type, access, &h);
	ObReleaseAttributes(&a);
	return ObReturnHandle(handle, h, s);
}

NTSTATUS ex_begin_query(HANDLE h, u32 class, u32 length, u32 bytes, ACCESS_MASK access,
			const struct object_type *type, void **object)
{
	if (class != 0)
		return STATUS_INVALID_INFO_CLASS;
	if (length != bytes)
		return STATUS_INFO_LENGTH_MISMATCH;
	return ObReferenceObjectByHandle(h, access, type, object);
}

NTSTATUS ex_end_query(void *object, const void *answer, u32 bytes, void *buffer, u32 *returned)
{
	ObDereferenceObject(object);
	return ex_store_u32(returned, bytes, copy_to_user(buffer, answer, bytes));
}

NTSTATUS ex_probe_u32(const void *user)
{
	u32 old;
	NTSTATUS s;

	if (!user)
		return STATUS_SUCCESS;
	s = copy_from_user(&old, user, sizeof(old));
	return NT_SUCCESS(s) ? copy_to_user((void *)user, &old, sizeof(old)) : s;
}

NTSTATUS ex_store_u32(void *user, u32 value, NTSTATUS status)
{
	NTSTATUS s = STATUS_SUCCESS;

	if (user && NT_SUCCESS(status))
		s = copy_to_user(user, &value, sizeof(value));
	return NT_SUCCESS(s) ? status : s;
}
