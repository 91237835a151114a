/* create.c: what all Nt*Create and Nt*Open calls of ex have in common. */
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
