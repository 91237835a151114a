/* System calls on the processors themselves: which one, and what all of them see. */
#include "guest/ps/psi.h"
#include "guest/ke/syscall.h"
#include "guest/mm/nt_memory.h"

NTSYSCALL u32 NtGetCurrentProcessorNumber(void)
{
	return this_cpu()->number;
}

/* Every processor that runs the process has done what it wrote before: a shootdown's interrupt is a
 * barrier there. */
NTSYSCALL NTSTATUS NtFlushProcessWriteBuffers(void)
{
	ke_flush_tlb_all(PsGetCurrentProcess()->as.cpus);
	return STATUS_SUCCESS;
}

/* Caches are coherent with stores, so only the handle is looked at. */
NTSYSCALL NTSTATUS NtFlushInstructionCache(HANDLE process, const void *base, u64 bytes)
{
	EPROCESS *p;
	NTSTATUS st =
	    ObReferenceObjectByHandle(process, PROCESS_VM_WRITE, &PsProcessType, (void **)&p);

	(void)base;
	(void)bytes;
	if (!st)
		ObDereferenceObject(p);
	return st;
}
