/*
 * Synchronization objects and waits. Critical sections, SRW locks, condition variables and one-time
 * initialization are ntdll's (forwarded, or adapted where Win32's results differ).
 */
#include "guest/user/kernel32/k32.h"

/* --- named objects: the W Ex form does the work, the others call it --- */

HANDLE WINAPI CreateEventExW(LPSECURITY_ATTRIBUTES sa, LPCWSTR name, DWORD flags, DWORD access)
{
	struct named n;
	HANDLE h = NULL;

	if (flags & ~(DWORD)(CREATE_EVENT_MANUAL_RESET | CREATE_EVENT_INITIAL_SET)) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(NtCreateEvent(&h, access, &n.attr,
				     flags & CREATE_EVENT_MANUAL_RESET ? NotificationEvent
								       : SynchronizationEvent,
				     (flags & CREATE_EVENT_INITIAL_SET) != 0),
		       &h);
}

HANDLE WINAPI CreateEventExA(LPSECURITY_ATTRIBUTES sa, LPCSTR name, DWORD flags, DWORD access)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateEventExW(sa, w, flags, access);
	heap_delete(w);
	return h;
}

static DWORD event_flags(BOOL manual, BOOL set)
{
	return (manual ? CREATE_EVENT_MANUAL_RESET : 0) | (set ? CREATE_EVENT_INITIAL_SET : 0);
}

HANDLE WINAPI CreateEventW(LPSECURITY_ATTRIBUTES sa, WINBOOL manual, WINBOOL set, LPCWSTR name)
{
	return CreateEventExW(sa, name, event_flags(manual, set), EVENT_ALL_ACCESS);
}

HANDLE WINAPI CreateEventA(LPSECURITY_ATTRIBUTES sa, WINBOOL manual, WINBOOL set, LPCSTR name)
{
	return CreateEventExA(sa, name, event_flags(manual, set), EVENT_ALL_ACCESS);
}

HANDLE WINAPI CreateMutexExW(LPSECURITY_ATTRIBUTES sa, LPCWSTR name, DWORD flags, DWORD access)
{
	struct named n;
	HANDLE h = NULL;

	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(
	    NtCreateMutant(&h, access, &n.attr, (flags & CREATE_MUTEX_INITIAL_OWNER) != 0), &h);
}

HANDLE WINAPI CreateMutexExA(LPSECURITY_ATTRIBUTES sa, LPCSTR name, DWORD flags, DWORD access)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateMutexExW(sa, w, flags, access);
	heap_delete(w);
	return h;
}

HANDLE WINAPI CreateMutexW(LPSECURITY_ATTRIBUTES sa, WINBOOL owner, LPCWSTR name)
{
	return CreateMutexExW(sa, name, owner ? CREATE_MUTEX_INITIAL_OWNER : 0, MUTEX_ALL_ACCESS);
}

HANDLE WINAPI CreateMutexA(LPSECURITY_ATTRIBUTES sa, WINBOOL owner, LPCSTR name)
{
	return CreateMutexExA(sa, name, owner ? CREATE_MUTEX_INITIAL_OWNER : 0, MUTEX_ALL_ACCESS);
}

HANDLE WINAPI CreateSemaphoreExW(LPSECURITY_ATTRIBUTES sa, LONG count, LONG limit, LPCWSTR name,
				 DWORD flags, DWORD access)
{
	struct named n;
	HANDLE h = NULL;

	(void)flags;
	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(NtCreateSemaphore(&h, access, &n.attr, count, limit), &h);
}

HANDLE WINAPI CreateSemaphoreExA(LPSECURITY_ATTRIBUTES sa, LONG count, LONG limit, LPCSTR name,
				 DWORD flags, DWORD access)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateSemaphoreExW(sa, count, limit, w, flags, access);
	heap_delete(w);
	return h;
}

HANDLE WINAPI CreateSemaphoreW(LPSECURITY_ATTRIBUTES sa, LONG count, LONG limit, LPCWSTR name)
{
	return CreateSemaphoreExW(sa, count, limit, name, 0, SEMAPHORE_ALL_ACCESS);
}

HANDLE WINAPI CreateSemaphoreA(LPSECURITY_ATTRIBUTES sa, LONG count, LONG limit, LPCSTR name)
{
	return CreateSemaphoreExA(sa, count, limit, name, 0, SEMAPHORE_ALL_ACCESS);
}

HANDLE WINAPI CreateWaitableTimerExW(LPSECURITY_ATTRIBUTES sa, LPCWSTR name, DWORD flags,
				     DWORD access)
{
	struct named n;
	HANDLE h = NULL;

	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(NtCreateTimer(&h, access, &n.attr,
				     flags & CREATE_WAITABLE_TIMER_MANUAL_RESET
					 ? NotificationTimer
					 : SynchronizationTimer),
		       &h);
}

HANDLE WINAPI CreateWaitableTimerExA(LPSECURITY_ATTRIBUTES sa, LPCSTR name, DWORD flags,
				     DWORD access)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateWaitableTimerExW(sa, w, flags, access);
	heap_delete(w);
	return h;
}

HANDLE WINAPI CreateWaitableTimerW(LPSECURITY_ATTRIBUTES sa, WINBOOL manual, LPCWSTR name)
{
	return CreateWaitableTimerExW(sa, name, manual ? CREATE_WAITABLE_TIMER_MANUAL_RESET : 0,
				      TIMER_ALL_ACCESS);
}

HANDLE WINAPI CreateWaitableTimerA(LPSECURITY_ATTRIBUTES sa, WINBOOL manual, LPCSTR name)
{
	return CreateWaitableTimerExA(sa, name, manual ? CREATE_WAITABLE_TIMER_MANUAL_RESET : 0,
				      TIMER_ALL_ACCESS);
}

HANDLE WINAPI OpenEventW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	return open_named(NtOpenEvent, access, inherit, name);
}

HANDLE WINAPI OpenEventA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	return open_named_a(NtOpenEvent, access, inherit, name);
}

HANDLE WINAPI OpenMutexW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	return open_named(NtOpenMutant, access, inherit, name);
}

HANDLE WINAPI OpenMutexA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	return open_named_a(NtOpenMutant, access, inherit, name);
}

HANDLE WINAPI OpenSemaphoreW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	return open_named(NtOpenSemaphore, access, inherit, name);
}

HANDLE WINAPI OpenSemaphoreA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	return open_named_a(NtOpenSemaphore, access, inherit, name);
}

HANDLE WINAPI OpenWaitableTimerW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	return open_named(NtOpenTimer, access, inherit, name);
}

HANDLE WINAPI OpenWaitableTimerA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	return open_named_a(NtOpenTimer, access, inherit, name);
}

/* --- operations --- */

WINBOOL WINAPI SetEvent(HANDLE h)
{
	return succeed(NtSetEvent(h, NULL));
}

WINBOOL WINAPI ResetEvent(HANDLE h)
{
	return succeed(NtResetEvent(h, NULL));
}

WINBOOL WINAPI PulseEvent(HANDLE h)
{
	return succeed(NtPulseEvent(h, NULL));
}

WINBOOL WINAPI ReleaseMutex(HANDLE h)
{
	return succeed(NtReleaseMutant(h, NULL));
}

WINBOOL WINAPI ReleaseSemaphore(HANDLE h, LONG count, LPLONG previous)
{
	return succeed(NtReleaseSemaphore(h, count, previous));
}

/* Timer APCs carry the time in two halves; the program's routine takes them so. */
WINBOOL WINAPI SetWaitableTimer(HANDLE h, const LARGE_INTEGER *due, LONG period,
				PTIMERAPCROUTINE routine, LPVOID arg, WINBOOL resume)
{
	LARGE_INTEGER when = *due;

	return succeed(NtSetTimer(h, &when, (PVOID)routine, arg, (BOOLEAN)resume, period, NULL));
}

WINBOOL WINAPI SetWaitableTimerEx(HANDLE h, const LARGE_INTEGER *due, LONG period,
				  PTIMERAPCROUTINE routine, LPVOID arg, PREASON_CONTEXT wake,
				  ULONG tolerance)
{
	(void)wake;
	(void)tolerance;
	return SetWaitableTimer(h, due, period, routine, arg, FALSE);
}

WINBOOL WINAPI CancelWaitableTimer(HANDLE h)
{
	return succeed(NtCancelTimer(h, NULL));
}

/* --- waits --- */

static DWORD wait_result(NTSTATUS status)
{
	if (!NT_SUCCESS(status)) {
		succeed(status);
		return WAIT_FAILED;
	}
	return (DWORD)
	    status; /* WAIT_OBJECT_0+n, WAIT_ABANDONED_0+n, WAIT_IO_COMPLETION, WAIT_TIMEOUT */
}

static HANDLE waitable(HANDLE h)
{
	ULONG_PTR n = (ULONG_PTR)h;

	return n == (ULONG)STD_INPUT_HANDLE || n == (ULONG)STD_OUTPUT_HANDLE ||
		       n == (ULONG)STD_ERROR_HANDLE
		   ? GetStdHandle((DWORD)n)
		   : h;
}

DWORD WINAPI WaitForSingleObjectEx(HANDLE h, DWORD ms, WINBOOL alertable)
{
	LARGE_INTEGER t, *timeout = nt_timeout(ms, &t);
	NTSTATUS status;

	do {
		status = NtWaitForSingleObject(waitable(h), (BOOLEAN)alertable, timeout);
	} while (status == STATUS_ALERTED && alertable);
	return wait_result(status);
}

DWORD WINAPI WaitForSingleObject(HANDLE h, DWORD ms)
{
	return WaitForSingleObjectEx(h, ms, FALSE);
}

DWORD WINAPI WaitForMultipleObjectsEx(DWORD count, const HANDLE *handles, WINBOOL all, DWORD ms,
				      WINBOOL alertable)
{
	LARGE_INTEGER t, *timeout = nt_timeout(ms, &t);
	HANDLE real[MAXIMUM_WAIT_OBJECTS];
	NTSTATUS status;

	if (count > MAXIMUM_WAIT_OBJECTS) {
		fail(ERROR_INVALID_PARAMETER);
		return WAIT_FAILED;
	}
	for (DWORD i = 0; i < count; i++)
		real[i] = waitable(handles[i]);
	do {
		status = NtWaitForMultipleObjects(count, real, all ? WaitAll : WaitAny,
						  (BOOLEAN)alertable, timeout);
	} while (status == STATUS_ALERTED && alertable);
	return wait_result(status);
}

DWORD WINAPI WaitForMultipleObjects(DWORD count, const HANDLE *handles, WINBOOL all, DWORD ms)
{
	return WaitForMultipleObjectsEx(count, handles, all, ms, FALSE);
}

DWORD WINAPI SignalObjectAndWait(HANDLE signal, HANDLE wait, DWORD ms, WINBOOL alertable)
{
	LARGE_INTEGER t;

	return wait_result(NtSignalAndWaitForSingleObject(signal, waitable(wait),
							  (BOOLEAN)alertable, nt_timeout(ms, &t)));
}

DWORD WINAPI SleepEx(DWORD ms, WINBOOL alertable)
{
	LARGE_INTEGER t = {.QuadPart = -(LONGLONG)ms * TICKS_PER_MS};
	NTSTATUS status;

	if (ms == INFINITE)
		t.QuadPart = INT64_MIN;
	if (!ms && !alertable) {
		NtYieldExecution();
		return 0;
	}
	do {
		status = NtDelayExecution((BOOLEAN)alertable, &t);
	} while (status == STATUS_ALERTED && alertable);
	return status == STATUS_USER_APC ? WAIT_IO_COMPLETION : 0;
}

VOID WINAPI Sleep(DWORD ms)
{
	SleepEx(ms, FALSE);
}

WINBOOL WINAPI SwitchToThread(VOID)
{
	return NtYieldExecution() != STATUS_NO_YIELD_PERFORMED;
}

DWORD WINAPI QueueUserAPC(PAPCFUNC f, HANDLE thread, ULONG_PTR arg)
{
	return succeed(NtQueueApcThread(thread, (PVOID)f, (PVOID)arg, NULL, NULL));
}

/* --- adapted from ntdll --- */

WINBOOL WINAPI InitializeCriticalSectionAndSpinCount(LPCRITICAL_SECTION cs, DWORD spin)
{
	return succeed(RtlInitializeCriticalSectionAndSpinCount(cs, spin));
}

WINBOOL WINAPI InitializeCriticalSectionEx(LPCRITICAL_SECTION cs, DWORD spin, DWORD flags)
{
	return succeed(RtlInitializeCriticalSectionEx(cs, spin, flags));
}

VOID WINAPI InitializeCriticalSection(LPCRITICAL_SECTION cs)
{
	RtlInitializeCriticalSection(cs);
}

static BOOL waited(NTSTATUS status)
{
	return status == STATUS_TIMEOUT ? fail(ERROR_TIMEOUT) : succeed(status);
}

WINBOOL WINAPI SleepConditionVariableCS(PCONDITION_VARIABLE cv, PCRITICAL_SECTION cs, DWORD ms)
{
	LARGE_INTEGER t;

	return waited(RtlSleepConditionVariableCS(cv, cs, nt_timeout(ms, &t)));
}

WINBOOL WINAPI SleepConditionVariableSRW(PCONDITION_VARIABLE cv, PSRWLOCK lock, DWORD ms,
					 ULONG flags)
{
	LARGE_INTEGER t;

	return waited(RtlSleepConditionVariableSRW(cv, lock, nt_timeout(ms, &t), flags));
}

WINBOOL WINAPI WaitOnAddress(volatile VOID *address, PVOID compare, SIZE_T size, DWORD ms)
{
	LARGE_INTEGER t;

	return waited(RtlWaitOnAddress(address, compare, size, nt_timeout(ms, &t)));
}

WINBOOL WINAPI InitOnceExecuteOnce(PINIT_ONCE once, PINIT_ONCE_FN f, PVOID arg, LPVOID *context)
{
	return !RtlRunOnceExecuteOnce(once, (PRTL_RUN_ONCE_INIT_FN)f, arg, context);
}

WINBOOL WINAPI InitOnceBeginInitialize(LPINIT_ONCE once, DWORD flags, PBOOL pending,
				       LPVOID *context)
{
	NTSTATUS status = (NTSTATUS)RtlRunOnceBeginInitialize(once, flags, context);

	if (!NT_SUCCESS(status))
		return succeed(status);
	*pending = status == STATUS_PENDING;
	return TRUE;
}

WINBOOL WINAPI InitOnceComplete(LPINIT_ONCE once, DWORD flags, LPVOID context)
{
	return succeed((NTSTATUS)RtlRunOnceComplete(once, flags, context));
}

HANDLE WINAPI CreateMemoryResourceNotification(MEMORY_RESOURCE_NOTIFICATION_TYPE type)
{
	static const UNICODE_STRING names[] = {
	    WSTR_LITERAL(L"\\KernelObjects\\LowMemoryCondition"),
	    WSTR_LITERAL(L"\\KernelObjects\\HighMemoryCondition"),
	};
	OBJECT_ATTRIBUTES attr;
	HANDLE h = NULL;

	if ((unsigned)type > HighMemoryResourceNotification) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	InitializeObjectAttributes(&attr, (PUNICODE_STRING)&names[type], OBJ_CASE_INSENSITIVE, NULL,
				   NULL);
	return succeed(NtOpenEvent(&h, 1 /* EVENT_QUERY_STATE */ | SYNCHRONIZE, &attr)) ? h : NULL;
}

WINBOOL WINAPI QueryMemoryResourceNotification(HANDLE h, PBOOL state)
{
	EVENT_BASIC_INFORMATION info;

	if (!state)
		return fail(ERROR_INVALID_PARAMETER);
	if (!succeed(NtQueryEvent(h, 0, &info, sizeof(info), NULL)))
		return FALSE;
	*state = info.EventState != 0;
	return TRUE;
}
