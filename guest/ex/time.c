/*
 * time.c: the clocks of user mode, and the timer resolution.
 *
 * The kernel's timers are as exact as the LAPIC, so the resolution asked for changes nothing but
 * what the queries tell. One request is kept for all processes: the last.
 */
#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"
#include "guest/ke/thread.h"

/* 100 ns, as Windows on a PC: 15.625 ms and 0.5 ms. */
#define COARSEST 156250u
#define FINEST	 5000u

/* As of the last clock tick, as KUSER_SHARED_DATA has it. */
NTSYSCALL NTSTATUS NtQuerySystemTime(s64 *time)
{
	s64 now = (s64)ke_clock_time();

	return copy_to_user(time, &now, sizeof(now));
}

NTSYSCALL NTSTATUS NtQueryPerformanceCounter(s64 *counter, s64 *frequency)
{
	s64 now = (s64)(rdtsc() - ke_tsc_base), hz = (s64)ke_tsc_hz;
	NTSTATUS s = copy_to_user(counter, &now, sizeof(now));

	if (NT_SUCCESS(s) && frequency)
		s = copy_to_user(frequency, &hz, sizeof(hz));
	return s;
}

/* ---- resolution ---- */

static u32 wanted = COARSEST; /* atomic */
static bool set;	      /* a request holds; atomic */

NTSYSCALL NTSTATUS NtQueryTimerResolution(u32 *coarsest, u32 *finest, u32 *current)
{
	u32 c = COARSEST, f = FINEST, now = __atomic_load_n(&wanted, __ATOMIC_RELAXED);
	NTSTATUS s = copy_to_user(coarsest, &c, sizeof(c));

	if (NT_SUCCESS(s))
		s = copy_to_user(finest, &f, sizeof(f));
	return NT_SUCCESS(s) ? copy_to_user(current, &now, sizeof(now)) : s;
}

NTSYSCALL NTSTATUS NtSetTimerResolution(u32 desired, u8 request, u32 *current)
{
	u32 now = COARSEST;
	NTSTATUS s = copy_from_user(&now, current, sizeof(now)); /* readable: then try to store */

	if (NT_SUCCESS(s))
		s = copy_to_user(current, &now, sizeof(now));
	if (!NT_SUCCESS(s))
		return s;
	if (request)
		now = MAX(FINEST, MIN(desired, COARSEST));
	else
		now = COARSEST;
	if (!__atomic_exchange_n(&set, request, __ATOMIC_RELAXED) && !request)
		s = STATUS_TIMER_RESOLUTION_NOT_SET;
	__atomic_store_n(&wanted, now, __ATOMIC_RELAXED);
	ex_store_u32(current, now, STATUS_SUCCESS);
	return s;
}
