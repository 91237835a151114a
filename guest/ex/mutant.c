/* mutant.c: mutant objects (mutexes of user mode). The object's body is the KMUTANT. */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"
#include "guest/ke/thread.h"

#define MUTANT_QUERY_STATE 0x1u
#define MUTANT_ALL_ACCESS  0x1f0001u

/* Nobody can wait for it or release it any more, but its owner still lists it. */
static void destroy_mutant(void *object)
{
	KMUTANT *m = object;
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	list_remove(&m->owned);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

const struct object_type ExMutantType = {
    .name = "Mutant",
    .dispatcher_offset = offsetof(KMUTANT, d),
    .generic_read = READ_CONTROL | MUTANT_QUERY_STATE,
    .generic_write = READ_CONTROL,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .all_access = MUTANT_ALL_ACCESS,
    .destroy = destroy_mutant,
};

NTSYSCALL NTSTATUS NtCreateMutant(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				  u8 owned)
{
	struct object_attributes a;
	KMUTANT *m;
	NTSTATUS s = ex_begin_create(handle, attributes, &a);

	if (!NT_SUCCESS(s))
		return s;
	m = ObCreateObject(&ExMutantType, sizeof(*m));
	if (m)
		KeInitializeMutant(m, owned);
	return ex_end_create(handle, &a, m, access);
}

NTSYSCALL NTSTATUS NtOpenMutant(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &ExMutantType);
}

NTSYSCALL NTSTATUS NtReleaseMutant(HANDLE h, u32 *previous)
{
	void *mutant;
	s32 was = 0;
	NTSTATUS s = ex_probe_u32(previous);

	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(h, 0, &ExMutantType, &mutant);
	if (!NT_SUCCESS(s))
		return s;
	s = KeReleaseMutant(mutant, &was);
	ObDereferenceObject(mutant);
	return ex_store_u32(previous, (u32)was, s);
}

NTSYSCALL NTSTATUS NtQueryMutant(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	struct {
		s32 count;
		u8 mine, abandoned, pad[2];
	} info = {0};
	const KMUTANT *m;
	void *object;
	NTSTATUS s = ex_begin_query(h, class, length, sizeof(info), MUTANT_QUERY_STATE,
				    &ExMutantType, &object);

	if (!NT_SUCCESS(s))
		return s;
	m = object;
	info.count = m->d.signal;
	info.mine = m->owner == KeGetCurrentThread();
	info.abandoned = m->abandoned;
	return ex_end_query(object, &info, sizeof(info), buffer, returned);
}
