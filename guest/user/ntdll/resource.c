/*
 * RTL_RESOURCE: a reader-writer lock that its exclusive owner may take again, in either way. Of
 * those that wait writers come first. Layout: the public one of NT.
 *
 * The inner critical section guards the counts; waiters sleep on a semaphore each kind has, made
 * when the lock is.
 */
#include "guest/user/ntdll/ntdll.h"

typedef struct _RTL_RESOURCE {
	RTL_CRITICAL_SECTION Lock;
	HANDLE SharedReleaseSemaphore;
	ULONG SharedWaiters;
	HANDLE ExclusiveReleaseSemaphore;
	ULONG ExclusiveWaiters;
	LONG Active; /* readers, or minus how often its owner has it */
	HANDLE OwnerThread;
	ULONG TimeoutBoost;
	PVOID DebugInfo;
} RTL_RESOURCE, *PRTL_RESOURCE;

VOID NTAPI RtlInitializeResource(PRTL_RESOURCE r);
VOID NTAPI RtlInitializeResource(PRTL_RESOURCE r)
{
	NTSTATUS status;

	memset(r, 0, sizeof(*r));
	RtlInitializeCriticalSection(&r->Lock);
	status =
	    NtCreateSemaphore(&r->SharedReleaseSemaphore, SEMAPHORE_ALL_ACCESS, NULL, 0, 0xffff);
	if (NT_SUCCESS(status))
		status = NtCreateSemaphore(&r->ExclusiveReleaseSemaphore, SEMAPHORE_ALL_ACCESS,
					   NULL, 0, 0xffff);
	if (!NT_SUCCESS(status))
		RtlRaiseStatus(status);
}

VOID NTAPI RtlDeleteResource(PRTL_RESOURCE r);
VOID NTAPI RtlDeleteResource(PRTL_RESOURCE r)
{
	NtClose(r->SharedReleaseSemaphore);
	NtClose(r->ExclusiveReleaseSemaphore);
	RtlDeleteCriticalSection(&r->Lock);
	memset(r, 0, sizeof(*r));
}

static HANDLE self(void)
{
	return NtCurrentTeb()->ClientId.UniqueThread;
}

/* Counts itself as waiting and sleeps; who releases the lock has then counted it as active.
 * => Lock; returns without */
static void sleep_for(PRTL_RESOURCE r, HANDLE semaphore, ULONG *waiters)
{
	++*waiters;
	RtlLeaveCriticalSection(&r->Lock);
	NtWaitForSingleObject(semaphore, FALSE, NULL);
}

BOOLEAN NTAPI RtlAcquireResourceExclusive(PRTL_RESOURCE r, BOOLEAN wait);
BOOLEAN NTAPI RtlAcquireResourceExclusive(PRTL_RESOURCE r, BOOLEAN wait)
{
	RtlEnterCriticalSection(&r->Lock);
	if (!r->Active || (r->Active < 0 && r->OwnerThread == self())) {
		r->Active--;
		r->OwnerThread = self();
		RtlLeaveCriticalSection(&r->Lock);
		return TRUE;
	}
	if (!wait) {
		RtlLeaveCriticalSection(&r->Lock);
		return FALSE;
	}
	sleep_for(r, r->ExclusiveReleaseSemaphore, &r->ExclusiveWaiters);
	r->OwnerThread = self();
	return TRUE;
}

BOOLEAN NTAPI RtlAcquireResourceShared(PRTL_RESOURCE r, BOOLEAN wait);
BOOLEAN NTAPI RtlAcquireResourceShared(PRTL_RESOURCE r, BOOLEAN wait)
{
	RtlEnterCriticalSection(&r->Lock);
	if (r->Active < 0 && r->OwnerThread == self()) { /* once more, exclusively */
		r->Active--;
		RtlLeaveCriticalSection(&r->Lock);
		return TRUE;
	}
	if (r->Active >= 0) { /* a writer that waits does not keep readers out */
		r->Active++;
		RtlLeaveCriticalSection(&r->Lock);
		return TRUE;
	}
	if (!wait) {
		RtlLeaveCriticalSection(&r->Lock);
		return FALSE;
	}
	sleep_for(r, r->SharedReleaseSemaphore, &r->SharedWaiters);
	return TRUE;
}

VOID NTAPI RtlReleaseResource(PRTL_RESOURCE r);
VOID NTAPI RtlReleaseResource(PRTL_RESOURCE r)
{
	RtlEnterCriticalSection(&r->Lock);
	if (r->Active < 0) {
		if (++r->Active == 0)
			r->OwnerThread = NULL;
	} else if (r->Active > 0) {
		r->Active--;
	}
	if (!r->Active && r->ExclusiveWaiters) {
		r->ExclusiveWaiters--;
		r->Active = -1;
		NtReleaseSemaphore(r->ExclusiveReleaseSemaphore, 1, NULL);
	} else if (!r->Active && r->SharedWaiters) {
		r->Active = (LONG)r->SharedWaiters;
		r->SharedWaiters = 0;
		NtReleaseSemaphore(r->SharedReleaseSemaphore, r->Active, NULL);
	}
	RtlLeaveCriticalSection(&r->Lock);
}
