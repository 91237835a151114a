/*
 * Waiting on addresses, and what is built on it: condition variables and one-time initialization.
 *
 * A waiter lies on its own stack, queued in the bucket its address hashes to; the value is compared
 * under the bucket's lock, so a waker that changed the value before cannot be missed. A woken
 * waiter is unlinked by the waker, marked, then alerted by thread id. Alerts are kept by the
 * kernel, and one may be left over from earlier: only the mark counts.
 */
#include "guest/user/ntdll/ntdll.h"

#define BUCKETS 64

struct waiter {
	LIST_ENTRY link;
	const volatile void *address;
	HANDLE thread;
	LONG woken;
};

static struct bucket {
	LONG lock;
	LIST_ENTRY waiters; /* Flink NULL: none yet */
	char pad[40];	    /* a cache line each */
} buckets[BUCKETS];

static struct bucket *bucket_of(const volatile void *address)
{
	uintptr_t a = (uintptr_t)address >> 3;

	return &buckets[(a ^ a >> 7 ^ a >> 17) % BUCKETS];
}

static void lock_bucket(struct bucket *b)
{
	for (unsigned spins = 0; _InterlockedExchange(&b->lock, 1); spins++) {
		while (b->lock && spins++ < 100)
			_mm_pause();
		if (spins >= 100)
			NtYieldExecution();
	}
	if (!b->waiters.Flink)
		b->waiters.Flink = b->waiters.Blink = &b->waiters;
}

static void unlock_bucket(struct bucket *b)
{
	__atomic_store_n(&b->lock, 0, __ATOMIC_RELEASE);
}

static BOOLEAN same_value(const volatile void *a, const void *b, SIZE_T size)
{
	switch (size) {
	case 1:
		return *(const volatile UCHAR *)a == *(const UCHAR *)b;
	case 2:
		return *(const volatile USHORT *)a == *(const USHORT *)b;
	case 4:
		return *(const volatile ULONG *)a == *(const ULONG *)b;
	default:
		return *(const volatile ULONGLONG *)a == *(const ULONGLONG *)b;
	}
}

NTSTATUS NTAPI RtlWaitOnAddress(const volatile void *address, const void *compare, SIZE_T size,
				PLARGE_INTEGER timeout)
{
	struct bucket *b = bucket_of(address);
	struct waiter w = {.address = address, .thread = NtCurrentTeb()->ClientId.UniqueThread};
	LARGE_INTEGER until;
	NTSTATUS status;

	if (size != 1 && size != 2 && size != 4 && size != 8)
		return STATUS_INVALID_PARAMETER;
	if (timeout && timeout->QuadPart < 0) { /* a wait may be repeated: fix its end now */
		until.QuadPart = NtmmSystemTime() - timeout->QuadPart;
		timeout = &until;
	}
	lock_bucket(b);
	if (!same_value(address, compare, size)) {
		unlock_bucket(b);
		return STATUS_SUCCESS;
	}
	InsertTailList(&b->waiters, &w.link);
	unlock_bucket(b);
	do {
		status = NtWaitForAlertByThreadId((PVOID)address, timeout);
	} while (!__atomic_load_n(&w.woken, __ATOMIC_ACQUIRE) && status != STATUS_TIMEOUT &&
		 NT_SUCCESS(status));
	if (__atomic_load_n(&w.woken, __ATOMIC_ACQUIRE))
		return STATUS_SUCCESS;
	lock_bucket(b);
	if (!w.woken) {
		RemoveEntryList(&w.link);
		unlock_bucket(b);
		return status;
	}
	unlock_bucket(b);
	return STATUS_SUCCESS;
}

static void wake(const void *address, BOOLEAN all)
{
	HANDLE threads[32];
	struct bucket *b = bucket_of(address);
	unsigned n;

	do {
		n = 0;
		lock_bucket(b);
		for (LIST_ENTRY *e = b->waiters.Flink, *next; e != &b->waiters; e = next) {
			struct waiter *w = CONTAINING_RECORD(e, struct waiter, link);

			next = e->Flink;
			if (w->address != address)
				continue;
			RemoveEntryList(e);
			threads[n++] = w->thread;
			__atomic_store_n(&w->woken, 1, __ATOMIC_RELEASE);
			if (!all || n == ARRAY_COUNT(threads))
				break;
		}
		unlock_bucket(b);
		for (unsigned i = 0; i < n; i++)
			NtAlertThreadByThreadId(threads[i]);
	} while (all && n == ARRAY_COUNT(threads));
}

VOID NTAPI RtlWakeAddressSingle(PVOID address)
{
	wake(address, FALSE);
}

VOID NTAPI RtlWakeAddressAll(PVOID address)
{
	wake(address, TRUE);
}

/* The other threads are gone, with the stacks their waiters lay on. */
void waitaddr_forget(void)
{
	memset(buckets, 0, sizeof(buckets));
}

/* --- condition variables: a counter of wakes; sleepers wait for it to change --- */

VOID NTAPI RtlInitializeConditionVariable(PRTL_CONDITION_VARIABLE cv)
{
	cv->Ptr = NULL;
}

VOID NTAPI RtlWakeConditionVariable(PRTL_CONDITION_VARIABLE cv)
{
	_InterlockedIncrement((LONG *)&cv->Ptr);
	wake(&cv->Ptr, FALSE);
}

VOID NTAPI RtlWakeAllConditionVariable(PRTL_CONDITION_VARIABLE cv)
{
	_InterlockedIncrement((LONG *)&cv->Ptr);
	wake(&cv->Ptr, TRUE);
}

NTSTATUS NTAPI RtlSleepConditionVariableCS(PRTL_CONDITION_VARIABLE cv, PRTL_CRITICAL_SECTION cs,
					   PLARGE_INTEGER timeout)
{
	LONG seen = *(volatile LONG *)&cv->Ptr;
	NTSTATUS status;

	RtlLeaveCriticalSection(cs);
	status = RtlWaitOnAddress(&cv->Ptr, &seen, sizeof(seen), timeout);
	RtlEnterCriticalSection(cs);
	return status;
}

NTSTATUS NTAPI RtlSleepConditionVariableSRW(PRTL_CONDITION_VARIABLE cv, PRTL_SRWLOCK lock,
					    PLARGE_INTEGER timeout, ULONG flags)
{
	LONG seen = *(volatile LONG *)&cv->Ptr;
	NTSTATUS status;

	if (flags & CONDITION_VARIABLE_LOCKMODE_SHARED)
		RtlReleaseSRWLockShared(lock);
	else
		RtlReleaseSRWLockExclusive(lock);
	status = RtlWaitOnAddress(&cv->Ptr, &seen, sizeof(seen), timeout);
	if (flags & CONDITION_VARIABLE_LOCKMODE_SHARED)
		RtlAcquireSRWLockShared(lock);
	else
		RtlAcquireSRWLockExclusive(lock);
	return status;
}

/* --- one-time initialization: the low two bits are the state, the rest the context --- */

enum { ONCE_NONE = 0, ONCE_RUNNING = 1, ONCE_DONE = 2, ONCE_ASYNC = 3, ONCE_MASK = 3 };

VOID NTAPI RtlRunOnceInitialize(PRTL_RUN_ONCE once)
{
	once->Ptr = NULL;
}

DWORD NTAPI RtlRunOnceBeginInitialize(PRTL_RUN_ONCE once, ULONG flags, PVOID *context)
{
	if ((flags & RTL_RUN_ONCE_CHECK_ONLY) && (flags & RTL_RUN_ONCE_ASYNC))
		return (DWORD)STATUS_INVALID_PARAMETER;
	for (;;) {
		ULONG_PTR v = (ULONG_PTR)__atomic_load_n(&once->Ptr, __ATOMIC_ACQUIRE);

		if ((v & ONCE_MASK) == ONCE_DONE) {
			if (context)
				*context = (PVOID)(v & ~(ULONG_PTR)ONCE_MASK);
			return STATUS_SUCCESS;
		}
		if (flags & RTL_RUN_ONCE_CHECK_ONLY)
			return (DWORD)STATUS_UNSUCCESSFUL;
		if ((v & ONCE_MASK) == ONCE_NONE) {
			PVOID want = (PVOID)(ULONG_PTR)(flags & RTL_RUN_ONCE_ASYNC ? ONCE_ASYNC
										   : ONCE_RUNNING);

			if (_InterlockedCompareExchangePointer(&once->Ptr, want, (PVOID)v) ==
			    (PVOID)v)
				return STATUS_PENDING;
		} else if ((v & ONCE_MASK) == ONCE_RUNNING) {
			if (flags & RTL_RUN_ONCE_ASYNC)
				return (DWORD)STATUS_INVALID_PARAMETER;
			RtlWaitOnAddress(&once->Ptr, &v, sizeof(v), NULL);
		} else {
			return (DWORD)(flags & RTL_RUN_ONCE_ASYNC ? STATUS_PENDING
								  : STATUS_INVALID_PARAMETER);
		}
	}
}

DWORD NTAPI RtlRunOnceComplete(PRTL_RUN_ONCE once, ULONG flags, PVOID context)
{
	ULONG_PTR v = (ULONG_PTR)once->Ptr, state = v & ONCE_MASK;
	PVOID want;

	if ((ULONG_PTR)context & ONCE_MASK)
		return (DWORD)STATUS_INVALID_PARAMETER;
	if (flags & RTL_RUN_ONCE_INIT_FAILED) {
		if (context || (flags & RTL_RUN_ONCE_ASYNC))
			return (DWORD)STATUS_INVALID_PARAMETER;
		want = NULL;
	} else {
		want = (PVOID)((ULONG_PTR)context | ONCE_DONE);
	}
	if (state == ONCE_RUNNING) {
		if (flags & RTL_RUN_ONCE_ASYNC)
			return (DWORD)STATUS_INVALID_PARAMETER;
		__atomic_store_n(&once->Ptr, want, __ATOMIC_RELEASE);
		RtlWakeAddressAll(&once->Ptr);
		return STATUS_SUCCESS;
	}
	if (state == ONCE_ASYNC && !(flags & RTL_RUN_ONCE_ASYNC))
		return (DWORD)STATUS_INVALID_PARAMETER;
	if (state == ONCE_ASYNC &&
	    _InterlockedCompareExchangePointer(&once->Ptr, want, (PVOID)v) == (PVOID)v)
		return STATUS_SUCCESS;
	return (DWORD)STATUS_UNSUCCESSFUL;
}

DWORD NTAPI RtlRunOnceExecuteOnce(PRTL_RUN_ONCE once, PRTL_RUN_ONCE_INIT_FN fn, PVOID parameter,
				  PVOID *context)
{
	NTSTATUS status = (NTSTATUS)RtlRunOnceBeginInitialize(once, 0, context);
	PVOID result = NULL;

	if (status != STATUS_PENDING)
		return (DWORD)status;
	if (!fn(once, parameter, context ? context : &result)) {
		RtlRunOnceComplete(once, RTL_RUN_ONCE_INIT_FAILED, NULL);
		return (DWORD)STATUS_UNSUCCESSFUL;
	}
	return RtlRunOnceComplete(once, 0, context ? *context : result);
}
