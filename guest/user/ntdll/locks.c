/*
 * Critical sections and slim reader/writer locks; both sleep by RtlWaitOnAddress.
 *
 * Critical section, LockCount as on Windows since Vista: -1 is free, bit 0 clear means owned, and
 * every waiter subtracts 4. Ownership is not handed over: a leaver wakes one waiter, which
 * competes.
 *
 * SRW lock: 0 free, bit 0 held, bit 1 somebody sleeps, bits 4 and up the number of readers. A woken
 * thread takes the lock with bit 1 set, for it cannot know whether others still sleep.
 */
#include "guest/user/ntdll/ntdll.h"

#define CS_FREE	  1
#define CS_WAITER 4

#define NO_DEBUG_INFO ((PRTL_CRITICAL_SECTION_DEBUG)(LONG_PTR)-1)

NTSTATUS NTAPI RtlInitializeCriticalSectionEx(PRTL_CRITICAL_SECTION cs, ULONG spin, ULONG flags)
{
	if (flags & 0xf8000000u)
		return STATUS_INVALID_PARAMETER_3;
	cs->DebugInfo = NO_DEBUG_INFO;
	cs->LockCount = -1;
	cs->RecursionCount = 0;
	cs->OwningThread = NULL;
	cs->LockSemaphore = NULL;
	cs->SpinCount = NtCurrentPeb()->NumberOfProcessors > 1 ? spin & 0x00ffffff : 0;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlInitializeCriticalSectionAndSpinCount(PRTL_CRITICAL_SECTION cs, ULONG spin)
{
	return RtlInitializeCriticalSectionEx(cs, spin, 0);
}

NTSTATUS NTAPI RtlInitializeCriticalSection(PRTL_CRITICAL_SECTION cs)
{
	return RtlInitializeCriticalSectionEx(cs, 0, 0);
}

ULONG NTAPI RtlSetCriticalSectionSpinCount(PRTL_CRITICAL_SECTION cs, ULONG spin)
{
	ULONG old = (ULONG)cs->SpinCount;

	cs->SpinCount = NtCurrentPeb()->NumberOfProcessors > 1 ? spin : 0;
	return old;
}

NTSTATUS NTAPI RtlDeleteCriticalSection(PRTL_CRITICAL_SECTION cs)
{
	cs->DebugInfo = NULL;
	cs->LockCount = -1;
	cs->RecursionCount = 0;
	cs->OwningThread = NULL;
	cs->LockSemaphore = NULL;
	cs->SpinCount = 0;
	return STATUS_SUCCESS;
}

static BOOLEAN take_free(PRTL_CRITICAL_SECTION cs, LONG add)
{
	LONG v = cs->LockCount;

	while (v & CS_FREE) {
		LONG seen = _InterlockedCompareExchange(&cs->LockCount, (v & ~CS_FREE) + add, v);

		if (seen == v)
			return TRUE;
		v = seen;
	}
	return FALSE;
}

static void wait_for_section(PRTL_CRITICAL_SECTION cs)
{
	for (ULONG_PTR spin = cs->SpinCount; spin; spin--) {
		if (take_free(cs, 0))
			return;
		_mm_pause();
	}
	_InterlockedExchangeAdd(&cs->LockCount, -CS_WAITER);
	while (!take_free(cs, CS_WAITER)) {
		LONG v = cs->LockCount;

		if (!(v & CS_FREE))
			RtlWaitOnAddress(&cs->LockCount, &v, sizeof(v), NULL);
	}
}

NTSTATUS NTAPI RtlEnterCriticalSection(PRTL_CRITICAL_SECTION cs)
{
	HANDLE me = NtCurrentTeb()->ClientId.UniqueThread;

	if (_InterlockedCompareExchange(&cs->LockCount, -2, -1) != -1) {
		if (cs->OwningThread == me) {
			cs->RecursionCount++;
			return STATUS_SUCCESS;
		}
		if (!take_free(cs, 0))
			wait_for_section(cs);
	}
	cs->OwningThread = me;
	cs->RecursionCount = 1;
	return STATUS_SUCCESS;
}

BOOLEAN NTAPI RtlTryEnterCriticalSection(PRTL_CRITICAL_SECTION cs)
{
	HANDLE me = NtCurrentTeb()->ClientId.UniqueThread;

	if (cs->OwningThread == me) {
		cs->RecursionCount++;
		return TRUE;
	}
	if (!take_free(cs, 0))
		return FALSE;
	cs->OwningThread = me;
	cs->RecursionCount = 1;
	return TRUE;
}

NTSTATUS NTAPI RtlLeaveCriticalSection(PRTL_CRITICAL_SECTION cs)
{
	LONG old;

	if (--cs->RecursionCount > 0)
		return STATUS_SUCCESS;
	cs->OwningThread = NULL;
	old = _InterlockedOr(&cs->LockCount, CS_FREE);
	if (old != -2)
		RtlWakeAddressSingle(&cs->LockCount);
	return STATUS_SUCCESS;
}

BOOLEAN NTAPI RtlIsCriticalSectionLocked(PRTL_CRITICAL_SECTION cs)
{
	return cs->RecursionCount != 0;
}

BOOLEAN NTAPI RtlIsCriticalSectionLockedByThread(PRTL_CRITICAL_SECTION cs)
{
	return cs->OwningThread == NtCurrentTeb()->ClientId.UniqueThread && cs->RecursionCount;
}

/* --- slim reader/writer locks --- */

#define SRW_HELD    1ull
#define SRW_WAITERS 2ull
#define SRW_READER  16ull
#define SRW_SPINS   40

#define srw_word(lock) ((volatile LONG64 *)&(lock)->Ptr)

static BOOLEAN srw_swap(PRTL_SRWLOCK lock, ULONG64 *seen, ULONG64 want)
{
	ULONG64 old =
	    (ULONG64)_InterlockedCompareExchange64(srw_word(lock), (LONG64)want, (LONG64)*seen);
	BOOLEAN done = old == *seen;

	*seen = old;
	return done;
}

/* Sleeps while the lock's word is v, which says that it is held; marks it as slept on. */
static void srw_sleep(PRTL_SRWLOCK lock, ULONG64 v)
{
	if (!(v & SRW_WAITERS) && !srw_swap(lock, &v, v | SRW_WAITERS))
		return;
	v |= SRW_WAITERS;
	RtlWaitOnAddress(&lock->Ptr, &v, sizeof(v), NULL);
}

VOID NTAPI RtlInitializeSRWLock(PRTL_SRWLOCK lock)
{
	lock->Ptr = NULL;
}

VOID NTAPI RtlAcquireSRWLockExclusive(PRTL_SRWLOCK lock)
{
	ULONG64 v = 0, slept = 0;
	unsigned spins = 0;

	while (!srw_swap(lock, &v, (v & SRW_WAITERS) | SRW_HELD | slept)) {
		while (v & SRW_HELD) {
			if (spins++ < SRW_SPINS) {
				_mm_pause();
			} else {
				srw_sleep(lock, v);
				slept = SRW_WAITERS;
			}
			v = (ULONG64)*srw_word(lock);
		}
	}
}

BOOLEAN NTAPI RtlTryAcquireSRWLockExclusive(PRTL_SRWLOCK lock)
{
	ULONG64 v = 0;

	return srw_swap(lock, &v, SRW_HELD);
}

VOID NTAPI RtlReleaseSRWLockExclusive(PRTL_SRWLOCK lock)
{
	if ((ULONG64)_InterlockedExchange64(srw_word(lock), 0) & SRW_WAITERS)
		RtlWakeAddressSingle(&lock->Ptr);
}

/* Readers join readers, but not while somebody sleeps: writers would starve. */
static BOOLEAN srw_readable(ULONG64 v)
{
	return !(v & SRW_HELD) || (v >= SRW_READER && !(v & SRW_WAITERS));
}

VOID NTAPI RtlAcquireSRWLockShared(PRTL_SRWLOCK lock)
{
	ULONG64 v = (ULONG64)*srw_word(lock), slept = 0;
	unsigned spins = 0;

	for (;;) {
		/* A woken reader lets itself in beside readers, whoever else sleeps. */
		if (srw_readable(v) || (slept && v >= SRW_READER)) {
			if (srw_swap(lock, &v, (v + SRW_READER) | SRW_HELD | slept))
				break;
			continue;
		}
		if (spins++ < SRW_SPINS) {
			_mm_pause();
		} else {
			srw_sleep(lock, v);
			slept = SRW_WAITERS;
		}
		v = (ULONG64)*srw_word(lock);
	}
	if (slept) /* the next sleeper may be a reader too */
		RtlWakeAddressSingle(&lock->Ptr);
}

BOOLEAN NTAPI RtlTryAcquireSRWLockShared(PRTL_SRWLOCK lock)
{
	ULONG64 v = (ULONG64)*srw_word(lock);

	while (srw_readable(v))
		if (srw_swap(lock, &v, (v + SRW_READER) | SRW_HELD))
			return TRUE;
	return FALSE;
}

VOID NTAPI RtlReleaseSRWLockShared(PRTL_SRWLOCK lock)
{
	ULONG64 v = (ULONG64)*srw_word(lock), want;

	do {
		want = v - SRW_READER;
		if (want < SRW_READER)
			want = 0;
	} while (!srw_swap(lock, &v, want));
	if (!want && (v & SRW_WAITERS))
		RtlWakeAddressSingle(&lock->Ptr);
}
