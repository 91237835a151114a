/* semaphore.c: semaphore objects. The object's body is the KSEMAPHORE. */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"

#define SEMAPHORE_QUERY_STATE  0x1u
#define SEMAPHORE_MODIFY_STATE 0x2u
#define SEMAPHORE_ALL_ACCESS   0x1f0003u

const struct object_type ExSemaphoreType = {
    .name = "Semaphore",
    .dispatcher_offset = offsetof(KSEMAPHORE, d),
    .generic_read = READ_CONTROL | SEMAPHORE_QUERY_STATE,
    .generic_write = READ_CONTROL | SEMAPHORE_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .all_access = SEMAPHORE_ALL_ACCESS,
};

NTSYSCALL NTSTATUS NtCreateSemaphore(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				     s32 count, s32 limit)
{
	struct object_attributes a;
	KSEMAPHORE *sem;
	NTSTATUS s = ObProbeHandle(handle);

	if (NT_SUCCESS(s) && (limit <= 0 || count < 0 || count > limit))
		s = STATUS_INVALID_PARAMETER;
	if (NT_SUCCESS(s))
		s = ObCaptureAttributes(attributes, &a);
	if (!NT_SUCCESS(s))
		return s;
	sem = ObCreateObject(&ExSemaphoreType, sizeof(*sem));
	if (sem)
		KeInitializeSemaphore(sem, count, limit);
	return ex_end_create(handle, &a, sem, access);
}

NTSYSCALL NTSTATUS NtOpenSemaphore(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &ExSemaphoreType);
}

NTSYSCALL NTSTATUS NtReleaseSemaphore(HANDLE h, s32 count, u32 *previous)
{
	void *sem;
	s32 was = 0;
	NTSTATUS s = ex_probe_u32(previous);

	if (NT_SUCCESS(s) && count <= 0)
		s = STATUS_INVALID_PARAMETER;
	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(h, SEMAPHORE_MODIFY_STATE, &ExSemaphoreType, &sem);
	if (!NT_SUCCESS(s))
		return s;
	s = KeReleaseSemaphore(sem, count, &was);
	ObDereferenceObject(sem);
	return ex_store_u32(previous, (u32)was, s);
}

NTSYSCALL NTSTATUS NtQuerySemaphore(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	struct {
		s32 count, limit;
	} info;
	const KSEMAPHORE *sem;
	void *object;
	NTSTATUS s = ex_begin_query(h, class, length, sizeof(info), SEMAPHORE_QUERY_STATE,
				    &ExSemaphoreType, &object);

	if (!NT_SUCCESS(s))
		return s;
	sem = object;
	info.count = sem->d.signal;
	info.limit = sem->limit;
	return ex_end_query(object, &info, sizeof(info), buffer, returned);
}
