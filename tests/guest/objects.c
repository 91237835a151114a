/*
 * Kernel objects through ntdll: events, mutants, semaphores, timers, waits, handles, names, tokens
 * and system information, with the statuses documented for wrong arguments.
 */
#include "tests/guest/check.h"

#include <winternl.h>
#include <ntstatus.h>

typedef struct {
	ULONG type;
	LONG state;
} event_state;
#define OPENIF 0x80

NTSTATUS NTAPI NtCreateEvent(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG, BOOLEAN);
NTSTATUS NTAPI NtOpenEvent(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtSetEvent(HANDLE, LONG *);
NTSTATUS NTAPI NtResetEvent(HANDLE, LONG *);
NTSTATUS NTAPI NtClearEvent(HANDLE);
NTSTATUS NTAPI NtPulseEvent(HANDLE, LONG *);
NTSTATUS NTAPI NtQueryEvent(HANDLE, ULONG, void *, ULONG, ULONG *);
NTSTATUS NTAPI NtCreateMutant(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, BOOLEAN);
NTSTATUS NTAPI NtOpenMutant(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtReleaseMutant(HANDLE, LONG *);
NTSTATUS NTAPI NtCreateSemaphore(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, LONG, LONG);
NTSTATUS NTAPI NtReleaseSemaphore(HANDLE, LONG, LONG *);
NTSTATUS NTAPI NtCreateTimer(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *, ULONG);
NTSTATUS NTAPI NtQueryMutant(HANDLE, ULONG, void *, ULONG, ULONG *);
NTSTATUS NTAPI NtQuerySemaphore(HANDLE, ULONG, void *, ULONG, ULONG *);
NTSTATUS NTAPI NtQueryTimer(HANDLE, ULONG, void *, ULONG, ULONG *);
NTSTATUS NTAPI NtOpenTimer(HANDLE *, ACCESS_MASK, OBJECT_ATTRIBUTES *);
NTSTATUS NTAPI NtSetTimer(HANDLE, LARGE_INTEGER *, void *, void *, BOOLEAN, LONG, BOOLEAN *);
NTSTATUS NTAPI NtCancelTimer(HANDLE, BOOLEAN *);
NTSTATUS NTAPI NtWaitForMultipleObjects(ULONG, const HANDLE *, ULONG, BOOLEAN, LARGE_INTEGER *);
NTSTATUS NTAPI NtSignalAndWaitForSingleObject(HANDLE, HANDLE, BOOLEAN, LARGE_INTEGER *);
NTSTATUS NTAPI NtDelayExecution(BOOLEAN, LARGE_INTEGER *);
NTSTATUS NTAPI NtQueueApcThread(HANDLE, void *, void *, void *, void *);
NTSTATUS NTAPI NtDuplicateObject(HANDLE, HANDLE, HANDLE, HANDLE *, ACCESS_MASK, ULONG, ULONG);
NTSTATUS NTAPI NtSetInformationObject(HANDLE, ULONG, void *, ULONG);
NTSTATUS NTAPI NtQueryTimerResolution(ULONG *, ULONG *, ULONG *);
NTSTATUS NTAPI NtSetTimerResolution(ULONG, BOOLEAN, ULONG *);
NTSTATUS NTAPI NtQueryPerformanceCounter(LARGE_INTEGER *, LARGE_INTEGER *);
NTSTATUS NTAPI NtOpenProcessToken(HANDLE, ACCESS_MASK, HANDLE *);
NTSTATUS NTAPI NtOpenThreadToken(HANDLE, ACCESS_MASK, BOOLEAN, HANDLE *);
NTSTATUS NTAPI NtAdjustPrivilegesToken(HANDLE, BOOLEAN, TOKEN_PRIVILEGES *, ULONG,
				       TOKEN_PRIVILEGES *, ULONG *);
NTSTATUS NTAPI NtQueryInformationToken(HANDLE, ULONG, void *, ULONG, ULONG *);

#define SELF	((HANDLE)(LONG_PTR)-1)
#define THREAD	((HANDLE)(LONG_PTR)-2)
#define BAD	((HANDLE)(LONG_PTR)0x7770)
#define NOWHERE ((void *)8)

#define STATUS_IS(got, want) CHECK_EQ((ULONG)(got), (ULONG)(want))

/* A time limit from now on, in milliseconds. */
static LARGE_INTEGER *in_ms(LONGLONG ms)
{
	static LARGE_INTEGER t;
	t.QuadPart = -ms * 10000;
	return &t;
}

static NTSTATUS poll_object(HANDLE h)
{
	return NtWaitForSingleObject(h, FALSE, in_ms(0));
}

static OBJECT_ATTRIBUTES *named(const WCHAR *name, ULONG attributes)
{
	static OBJECT_ATTRIBUTES a;
	static UNICODE_STRING s;
	RtlInitUnicodeString(&s, name);
	InitializeObjectAttributes(&a, &s, attributes, NULL, NULL);
	return &a;
}

static HANDLE event(ULONG type, BOOLEAN signalled)
{
	HANDLE h = NULL;
	STATUS_IS(NtCreateEvent(&h, EVENT_ALL_ACCESS, NULL, type, signalled), 0);
	return h;
}

static HANDLE semaphore(LONG count, LONG limit)
{
	HANDLE h = NULL;
	STATUS_IS(NtCreateSemaphore(&h, SEMAPHORE_ALL_ACCESS, NULL, count, limit), 0);
	return h;
}

static HANDLE mutant(BOOLEAN owned)
{
	HANDLE h = NULL;
	STATUS_IS(NtCreateMutant(&h, MUTEX_ALL_ACCESS, NULL, owned), 0);
	return h;
}

static HANDLE start(LPTHREAD_START_ROUTINE routine, void *arg)
{
	HANDLE h = CreateThread(NULL, 0, routine, arg, 0, NULL);
	CHECK(h != NULL);
	return h;
}

static void finish(HANDLE thread)
{
	STATUS_IS(NtWaitForSingleObject(thread, FALSE, in_ms(20000)), 0);
	NtClose(thread);
}

/* ---- events ---- */

static void test_events(void)
{
	HANDLE n = event(0, FALSE), s = event(1, TRUE), h = NULL;
	event_state state;
	LONG was = 9;
	ULONG length;

	STATUS_IS(poll_object(n), STATUS_TIMEOUT);
	STATUS_IS(NtSetEvent(n, &was), 0);
	CHECK_EQ(was, 0);
	STATUS_IS(NtSetEvent(n, &was), 0);
	CHECK_EQ(was, 1);
	STATUS_IS(poll_object(n), 0);
	STATUS_IS(poll_object(n), 0); /* stays */
	STATUS_IS(NtResetEvent(n, &was), 0);
	CHECK_EQ(was, 1);
	STATUS_IS(poll_object(n), STATUS_TIMEOUT);
	STATUS_IS(poll_object(s), 0);
	STATUS_IS(poll_object(s), STATUS_TIMEOUT); /* was consumed */
	STATUS_IS(NtSetEvent(s, NULL), 0);
	STATUS_IS(NtClearEvent(s), 0);
	STATUS_IS(poll_object(s), STATUS_TIMEOUT);
	STATUS_IS(NtSetEvent(s, NULL), 0);
	STATUS_IS(NtPulseEvent(s, &was), 0);
	CHECK_EQ(was, 1);
	STATUS_IS(poll_object(s), STATUS_TIMEOUT);

	NtSetEvent(n, NULL);
	STATUS_IS(NtQueryEvent(n, 0, &state, sizeof(state), &length), 0);
	CHECK_EQ(state.type, 0);
	CHECK_EQ(state.state, 1);
	CHECK_EQ(length, sizeof(state));
	STATUS_IS(NtQueryEvent(s, 0, &state, sizeof(state), NULL), 0);
	CHECK_EQ(state.type, 1);
	CHECK_EQ(state.state, 0);
	STATUS_IS(NtQueryEvent(s, 0, &state, 7, NULL), STATUS_INFO_LENGTH_MISMATCH);
	STATUS_IS(NtQueryEvent(s, 1, &state, sizeof(state), NULL), STATUS_INVALID_INFO_CLASS);

	STATUS_IS(NtCreateEvent(&h, EVENT_ALL_ACCESS, NULL, 2, FALSE), STATUS_INVALID_PARAMETER);
	STATUS_IS(NtSetEvent(BAD, NULL), STATUS_INVALID_HANDLE);
	STATUS_IS(NtSetEvent(SELF, NULL), STATUS_OBJECT_TYPE_MISMATCH);
	STATUS_IS(NtCreateEvent(&h, SYNCHRONIZE, NULL, 0, FALSE), 0);
	STATUS_IS(NtSetEvent(h, NULL), STATUS_ACCESS_DENIED);
	STATUS_IS(NtQueryEvent(h, 0, &state, sizeof(state), NULL), STATUS_ACCESS_DENIED);
	STATUS_IS(poll_object(h), STATUS_TIMEOUT);
	STATUS_IS(NtClose(h), 0);
	STATUS_IS(NtCreateEvent(&h, EVENT_MODIFY_STATE, NULL, 0, TRUE), 0);
	STATUS_IS(poll_object(h), STATUS_ACCESS_DENIED);
	STATUS_IS(NtClose(h), 0);
	STATUS_IS(NtClose(h), STATUS_INVALID_HANDLE);
	NtClose(n);
	NtClose(s);
}

/* ---- semaphores ---- */

static void test_semaphores(void)
{
	HANDLE s = semaphore(1, 3), h;
	LONG was, info[2];

	STATUS_IS(NtQuerySemaphore(s, 0, info, sizeof(info), NULL), 0);
	CHECK_EQ(info[0], 1);
	CHECK_EQ(info[1], 3);
	STATUS_IS(NtQuerySemaphore(s, 0, info, 4, NULL), STATUS_INFO_LENGTH_MISMATCH);
	STATUS_IS(poll_object(s), 0);
	STATUS_IS(poll_object(s), STATUS_TIMEOUT);
	STATUS_IS(NtReleaseSemaphore(s, 2, &was), 0);
	CHECK_EQ(was, 0);
	STATUS_IS(NtReleaseSemaphore(s, 2, &was), STATUS_SEMAPHORE_LIMIT_EXCEEDED);
	STATUS_IS(NtReleaseSemaphore(s, 1, &was), 0);
	CHECK_EQ(was, 2);
	STATUS_IS(NtReleaseSemaphore(s, 0, NULL), STATUS_INVALID_PARAMETER);
	STATUS_IS(poll_object(s), 0);
	STATUS_IS(poll_object(s), 0);
	STATUS_IS(poll_object(s), 0);
	STATUS_IS(poll_object(s), STATUS_TIMEOUT);
	STATUS_IS(NtCreateSemaphore(&h, SEMAPHORE_ALL_ACCESS, NULL, 2, 1),
		  STATUS_INVALID_PARAMETER);
	STATUS_IS(NtCreateSemaphore(&h, SEMAPHORE_ALL_ACCESS, NULL, -1, 1),
		  STATUS_INVALID_PARAMETER);
	STATUS_IS(NtCreateSemaphore(&h, SEMAPHORE_ALL_ACCESS, NULL, 0, 0),
		  STATUS_INVALID_PARAMETER);
	NtClose(s);
}

/* ---- mutants ---- */

static DWORD WINAPI take_and_leave(void *arg)
{
	return (DWORD)NtWaitForSingleObject(arg, FALSE, in_ms(0));
}

static DWORD WINAPI release_others(void *arg)
{
	return (DWORD)NtReleaseMutant(arg, NULL);
}

static DWORD status_of(LPTHREAD_START_ROUTINE routine, void *arg)
{
	DWORD code = 0;
	HANDLE t = start(routine, arg);
	STATUS_IS(NtWaitForSingleObject(t, FALSE, in_ms(20000)), 0);
	GetExitCodeThread(t, &code);
	NtClose(t);
	return code;
}

static void test_mutants(void)
{
	HANDLE m = mutant(TRUE), abandoned = mutant(FALSE);
	LONG was = 9;
	struct {
		LONG count;
		BOOLEAN mine, abandoned;
	} info;

	STATUS_IS(NtQueryMutant(m, 0, &info, sizeof(info), NULL), 0);
	CHECK_EQ(info.count, 0);
	CHECK_EQ(info.mine, 1);
	CHECK_EQ(info.abandoned, 0);
	STATUS_IS(status_of(take_and_leave, m), STATUS_TIMEOUT);
	STATUS_IS(status_of(release_others, m), STATUS_MUTANT_NOT_OWNED);
	STATUS_IS(poll_object(m), 0); /* the owner takes it again */
	STATUS_IS(NtReleaseMutant(m, &was), 0);
	CHECK_EQ(was, -1);
	STATUS_IS(NtReleaseMutant(m, &was), 0);
	CHECK_EQ(was, 0);
	STATUS_IS(NtReleaseMutant(m, NULL), STATUS_MUTANT_NOT_OWNED);
	STATUS_IS(status_of(take_and_leave, abandoned), 0);
	STATUS_IS(NtQueryMutant(abandoned, 0, &info, sizeof(info), NULL), 0);
	CHECK_EQ(info.count, 1);
	CHECK_EQ(info.mine, 0);
	CHECK_EQ(info.abandoned, 1);
	STATUS_IS(poll_object(abandoned), STATUS_ABANDONED_WAIT_0);
	STATUS_IS(poll_object(abandoned), 0); /* told once */
	NtReleaseMutant(abandoned, NULL);
	NtReleaseMutant(abandoned, NULL);
	NtClose(abandoned);
	m = (NtClose(m), mutant(TRUE));
	STATUS_IS(NtClose(m), 0); /* owned, and gone */
	STATUS_IS(NtReleaseMutant(BAD, NULL), STATUS_INVALID_HANDLE);
}

/* ---- waits ---- */

static DWORD WINAPI set_later(void *arg)
{
	NtDelayExecution(FALSE, in_ms(50));
	return (DWORD)NtSetEvent(arg, NULL);
}

static volatile LONG woken;
static DWORD WINAPI wait_and_count(void *arg)
{
	NTSTATUS s = NtWaitForSingleObject(arg, FALSE, NULL);
	InterlockedIncrement(&woken);
	return (DWORD)s;
}

static void test_waits(void)
{
	HANDLE h[3] = {event(1, FALSE), event(1, FALSE), semaphore(1, 1)}, many[65], t[4];
	LARGE_INTEGER limit;
	ULONGLONG before;

	STATUS_IS(NtWaitForMultipleObjects(3, h, 1, FALSE, in_ms(0)), 2); /* any */
	STATUS_IS(NtWaitForMultipleObjects(3, h, 1, FALSE, in_ms(0)), STATUS_TIMEOUT);
	NtSetEvent(h[1], NULL);
	NtSetEvent(h[0], NULL);
	STATUS_IS(NtWaitForMultipleObjects(3, h, 0, FALSE, in_ms(0)), STATUS_TIMEOUT);
	STATUS_IS(poll_object(h[0]), 0); /* nothing was taken by the failed wait for all */
	NtSetEvent(h[0], NULL);
	NtReleaseSemaphore(h[2], 1, NULL);
	STATUS_IS(NtWaitForMultipleObjects(3, h, 0, FALSE, in_ms(0)), 0);
	STATUS_IS(poll_object(h[0]), STATUS_TIMEOUT);
	STATUS_IS(poll_object(h[1]), STATUS_TIMEOUT);
	STATUS_IS(poll_object(h[2]), STATUS_TIMEOUT);

	STATUS_IS(NtWaitForMultipleObjects(0, h, 1, FALSE, NULL), STATUS_INVALID_PARAMETER_1);
	for (unsigned i = 0; i < 65; i++)
		many[i] = h[0];
	STATUS_IS(NtWaitForMultipleObjects(65, many, 1, FALSE, in_ms(0)),
		  STATUS_INVALID_PARAMETER_1);
	STATUS_IS(NtWaitForMultipleObjects(64, many, 1, FALSE, in_ms(0)), STATUS_TIMEOUT);
	many[1] = BAD;
	STATUS_IS(NtWaitForMultipleObjects(2, many, 1, FALSE, in_ms(0)), STATUS_INVALID_HANDLE);
	STATUS_IS(NtWaitForSingleObject(BAD, FALSE, in_ms(0)), STATUS_INVALID_HANDLE);

	/* a wait that another thread ends, and time limits that do */
	t[0] = start(set_later, h[0]);
	STATUS_IS(NtWaitForSingleObject(h[0], FALSE, in_ms(20000)), 0);
	finish(t[0]);
	before = GetTickCount64();
	STATUS_IS(NtWaitForSingleObject(h[0], FALSE, in_ms(60)), STATUS_TIMEOUT);
	CHECK(GetTickCount64() - before >= 40);
	NtQuerySystemTime(&limit);
	limit.QuadPart += 300000; /* a moment of the clock */
	STATUS_IS(NtWaitForSingleObject(h[0], FALSE, &limit), STATUS_TIMEOUT);
	limit.QuadPart = 1; /* long ago */
	STATUS_IS(NtWaitForSingleObject(h[0], FALSE, &limit), STATUS_TIMEOUT);

	/* a synchronization event wakes one, a notification event all */
	for (unsigned i = 0; i < 4; i++)
		t[i] = start(wait_and_count, h[1]);
	NtDelayExecution(FALSE, in_ms(50));
	CHECK_EQ(woken, 0);
	for (unsigned i = 0; i < 4; i++)
		for (NtSetEvent(h[1], NULL); woken <= (LONG)i;)
			NtDelayExecution(FALSE, in_ms(1));
	CHECK_EQ(woken, 4);
	STATUS_IS(poll_object(h[1]), STATUS_TIMEOUT);
	for (unsigned i = 0; i < 4; i++)
		finish(t[i]);
	NtClose(h[0]);
	h[0] = event(0, FALSE);
	for (unsigned i = 0; i < 4; i++)
		t[i] = start(wait_and_count, h[0]);
	NtSetEvent(h[0], NULL);
	STATUS_IS(NtWaitForMultipleObjects(4, t, 0, FALSE, in_ms(20000)), 0); /* all */
	CHECK_EQ(woken, 8);
	for (unsigned i = 0; i < 4; i++)
		NtClose(t[i]);

	/* signal one, wait for another */
	NtReleaseSemaphore(h[2], 1, NULL);
	STATUS_IS(NtSignalAndWaitForSingleObject(h[1], h[2], FALSE, in_ms(0)), 0);
	STATUS_IS(poll_object(h[1]), 0);
	STATUS_IS(NtSignalAndWaitForSingleObject(h[2], h[1], FALSE, in_ms(0)), STATUS_TIMEOUT);
	STATUS_IS(poll_object(h[2]), 0);
	STATUS_IS(NtSignalAndWaitForSingleObject(SELF, h[1], FALSE, in_ms(0)),
		  STATUS_OBJECT_TYPE_MISMATCH);
	for (unsigned i = 0; i < 3; i++)
		NtClose(h[i]);
}

/* ---- timers and APCs ---- */

static volatile LONG apcs;
static void *apc_context;

static VOID CALLBACK count_timer(void *context, ULONG low, LONG high)
{
	CHECK(low || high);
	apc_context = context;
	apcs++;
}

static VOID CALLBACK count_apc(ULONG_PTR a, ULONG_PTR b, ULONG_PTR c)
{
	if (a == 1 && b == 2 && c == 3)
		apcs++;
}

static void test_timers(void)
{
	HANDLE n = NULL, s = NULL;
	LARGE_INTEGER due;
	BOOLEAN was = 9;
	struct {
		LARGE_INTEGER remaining;
		BOOLEAN signalled;
	} info;

	STATUS_IS(NtCreateTimer(&n, TIMER_ALL_ACCESS, NULL, 0), 0);
	STATUS_IS(NtCreateTimer(&s, TIMER_ALL_ACCESS, NULL, 1), 0);
	STATUS_IS(poll_object(n), STATUS_TIMEOUT);
	STATUS_IS(NtSetTimer(n, in_ms(30), NULL, NULL, FALSE, 0, &was), 0);
	CHECK_EQ(was, 0);
	STATUS_IS(poll_object(n), STATUS_TIMEOUT);
	STATUS_IS(NtWaitForSingleObject(n, FALSE, in_ms(20000)), 0);
	STATUS_IS(poll_object(n), 0);
	STATUS_IS(NtSetTimer(n, in_ms(100000), NULL, NULL, FALSE, 0, &was), 0);
	CHECK_EQ(was, 1);
	STATUS_IS(NtQueryTimer(n, 0, &info, sizeof(info), NULL), 0);
	CHECK_EQ(info.signalled, 0);
	CHECK(info.remaining.QuadPart > 0 && info.remaining.QuadPart <= 1000000000);
	STATUS_IS(poll_object(n), STATUS_TIMEOUT);
	STATUS_IS(NtCancelTimer(n, &was), 0);
	CHECK_EQ(was, 0);
	STATUS_IS(NtSetTimer(s, in_ms(1), NULL, NULL, FALSE, 10, NULL), 0); /* periodic */
	for (unsigned i = 0; i < 4; i++)
		STATUS_IS(NtWaitForSingleObject(s, FALSE, in_ms(20000)), 0);
	STATUS_IS(NtCancelTimer(s, NULL), 0);
	poll_object(s);
	STATUS_IS(NtWaitForSingleObject(s, FALSE, in_ms(50)), STATUS_TIMEOUT);

	/* a routine of the thread that set it, when it waits alertably */
	STATUS_IS(NtSetTimer(n, in_ms(10), count_timer, (void *)&apcs, FALSE, 0, NULL), 0);
	STATUS_IS(NtDelayExecution(FALSE, in_ms(60)), 0);
	CHECK_EQ(apcs, 0);
	STATUS_IS(NtDelayExecution(TRUE, in_ms(20000)), STATUS_USER_APC);
	CHECK_EQ(apcs, 1);
	CHECK(apc_context == &apcs);
	/* periodic: one waits at a time */
	STATUS_IS(NtSetTimer(n, in_ms(5), count_timer, (void *)&apcs, FALSE, 10, NULL), 0);
	NtDelayExecution(FALSE, in_ms(100));
	STATUS_IS(NtDelayExecution(TRUE, in_ms(20000)), STATUS_USER_APC);
	CHECK_EQ(apcs, 2);
	STATUS_IS(NtDelayExecution(TRUE, in_ms(20000)), STATUS_USER_APC);
	CHECK_EQ(apcs, 3);
	NtDelayExecution(FALSE, in_ms(40));
	STATUS_IS(NtCancelTimer(n, NULL), 0); /* takes back the one that waits */
	STATUS_IS(NtDelayExecution(TRUE, in_ms(50)), 0);
	CHECK_EQ(apcs, 3);

	due.QuadPart = 0;
	STATUS_IS(NtSetTimer(n, &due, NULL, NULL, FALSE, 0, NULL), 0);
	STATUS_IS(NtWaitForSingleObject(n, FALSE, in_ms(20000)), 0);
	STATUS_IS(NtCreateTimer(&n, TIMER_ALL_ACCESS, NULL, 2), STATUS_INVALID_PARAMETER_4);
	STATUS_IS(NtSetTimer(BAD, in_ms(1), NULL, NULL, FALSE, 0, NULL), STATUS_INVALID_HANDLE);
	NtClose(n);
	NtClose(s);

	apcs = 0;
	STATUS_IS(NtQueueApcThread(THREAD, count_apc, (void *)1, (void *)2, (void *)3), 0);
	STATUS_IS(NtQueueApcThread(THREAD, count_apc, (void *)1, (void *)2, (void *)3), 0);
	n = event(0, FALSE);
	STATUS_IS(NtWaitForSingleObject(n, FALSE, in_ms(0)), STATUS_TIMEOUT);
	CHECK_EQ(apcs, 0);
	STATUS_IS(NtWaitForSingleObject(n, TRUE, in_ms(20000)), STATUS_USER_APC);
	CHECK_EQ(apcs, 2);
	NtClose(n);
}

/* ---- handles ---- */

static void test_handles(void)
{
	HANDLE e = event(0, FALSE), d = NULL;
	struct {
		BOOLEAN inherit, protect;
	} flags;
	PUBLIC_OBJECT_BASIC_INFORMATION basic;
	UCHAR text[600];
	ULONG length;

	CHECK_EQ((ULONG_PTR)e % 4, 0);
	STATUS_IS(NtDuplicateObject(SELF, e, SELF, &d, SYNCHRONIZE, 0, 0), 0);
	STATUS_IS(NtSetEvent(d, NULL), STATUS_ACCESS_DENIED);
	NtSetEvent(e, NULL);
	STATUS_IS(poll_object(d), 0);
	STATUS_IS(NtClose(d), 0);
	STATUS_IS(NtDuplicateObject(SELF, e, SELF, &d, 0, OBJ_INHERIT,
				    DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE),
		  0);
	if (d != e)
		STATUS_IS(NtSetEvent(e, NULL), STATUS_INVALID_HANDLE);
	STATUS_IS(NtQueryObject(d, 4, &flags, sizeof(flags), &length), 0);
	CHECK_EQ(flags.inherit, 1);
	CHECK_EQ(flags.protect, 0);
	flags.protect = 1;
	STATUS_IS(NtSetInformationObject(d, 4, &flags, sizeof(flags)), 0);
	STATUS_IS(NtClose(d), STATUS_HANDLE_NOT_CLOSABLE);
	flags.protect = 0;
	STATUS_IS(NtSetInformationObject(d, 4, &flags, sizeof(flags)), 0);
	STATUS_IS(NtQueryObject(d, 0, &basic, sizeof(basic), &length), 0);
	CHECK_EQ(basic.GrantedAccess, EVENT_ALL_ACCESS);
	CHECK_EQ(basic.HandleCount, 1);
	STATUS_IS(NtQueryObject(d, 0, &basic, sizeof(basic) - 4, &length),
		  STATUS_INFO_LENGTH_MISMATCH);
	STATUS_IS(NtQueryObject(d, 2, text, sizeof(text), &length), 0);
	CHECK(((UNICODE_STRING *)text)->Length == 10 &&
	      !memcmp(((UNICODE_STRING *)text)->Buffer, L"Event", 10));
	STATUS_IS(NtClose(d), 0);
	STATUS_IS(NtDuplicateObject(SELF, THREAD, SELF, &d, 0, 0, DUPLICATE_SAME_ACCESS), 0);
	STATUS_IS(poll_object(d), STATUS_TIMEOUT);
	CHECK_EQ(GetThreadId(d), GetCurrentThreadId());
	NtClose(d);
	STATUS_IS(NtDuplicateObject(SELF, BAD, SELF, &d, 0, 0, 2), STATUS_INVALID_HANDLE);
	STATUS_IS(NtClose(NULL), STATUS_INVALID_HANDLE);

	/* thousands, closed in another order */
	{
		static HANDLE many[3000];
		for (unsigned i = 0; i < 3000; i++)
			many[i] = event(0, FALSE);
		for (unsigned i = 0; i < 3000; i++)
			STATUS_IS(NtClose(many[i * 7 % 3000]), 0);
		e = event(0, TRUE);
		STATUS_IS(poll_object(e), 0);
		NtClose(e);
	}
}

/* ---- names ---- */

static void test_names(void)
{
	HANDLE a = NULL, b = NULL, c = NULL;
	HANDLE w = CreateEventW(NULL, TRUE, FALSE, L"ntmm objects test");

	CHECK(w != NULL);
	CHECK_EQ(GetLastError(), 0);
	a = CreateEventW(NULL, TRUE, FALSE, L"Local\\ntmm objects test");
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	NtSetEvent(a, NULL);
	STATUS_IS(poll_object(w), 0);
	CHECK(CreateMutexW(NULL, FALSE, L"ntmm objects test") == NULL);
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	b = OpenEventW(EVENT_MODIFY_STATE, FALSE, L"ntmm objects test");
	CHECK(b != NULL);
	CHECK(OpenEventW(EVENT_MODIFY_STATE, FALSE, L"NTMM objects test") == NULL);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);
	NtClose(a);
	NtClose(w);
	CHECK((a = OpenEventW(SYNCHRONIZE, FALSE, L"ntmm objects test")) != NULL);
	NtClose(a);
	NtClose(b);
	CHECK(OpenEventW(SYNCHRONIZE, FALSE, L"ntmm objects test") == NULL);
	CHECK_EQ(GetLastError(), ERROR_FILE_NOT_FOUND);

	STATUS_IS(NtCreateMutant(&a, MUTEX_ALL_ACCESS, named(L"\\BaseNamedObjects\\ntmm m", 0), 0),
		  0);
	STATUS_IS(NtCreateMutant(&b, MUTEX_ALL_ACCESS, named(L"\\BaseNamedObjects\\ntmm m", 0), 0),
		  STATUS_OBJECT_NAME_COLLISION);
	CHECK_EQ(
	    NtCreateMutant(&b, MUTEX_ALL_ACCESS, named(L"\\BaseNamedObjects\\ntmm m", OPENIF), 1),
	    STATUS_OBJECT_NAME_EXISTS);
	STATUS_IS(NtReleaseMutant(b, NULL), STATUS_MUTANT_NOT_OWNED); /* 1 had no effect */
	STATUS_IS(NtOpenMutant(&c, MUTEX_ALL_ACCESS,
			       named(L"\\BaseNamedObjects\\NTMM m", OBJ_CASE_INSENSITIVE)),
		  0);
	STATUS_IS(NtOpenEvent(&w, EVENT_ALL_ACCESS, named(L"\\BaseNamedObjects\\ntmm m", 0)),
		  STATUS_OBJECT_TYPE_MISMATCH);
	STATUS_IS(NtOpenEvent(&w, EVENT_ALL_ACCESS, named(L"BaseNamedObjects\\ntmm m", 0)),
		  STATUS_OBJECT_PATH_SYNTAX_BAD);
	STATUS_IS(NtOpenEvent(&w, EVENT_ALL_ACCESS, named(L"\\BaseNamedObjects\\no\\x", 0)),
		  STATUS_OBJECT_PATH_NOT_FOUND);
	STATUS_IS(NtOpenEvent(&w, EVENT_ALL_ACCESS, NULL), STATUS_INVALID_PARAMETER);
	NtClose(a);
	NtClose(b);
	NtClose(c);
	STATUS_IS(NtOpenMutant(&c, MUTEX_ALL_ACCESS, named(L"\\BaseNamedObjects\\ntmm m", 0)),
		  STATUS_OBJECT_NAME_NOT_FOUND);
}

/* ---- tokens ---- */

#define LOCK_MEMORY    4
#define DEBUG_PROGRAMS 20

static void test_tokens(void)
{
	HANDLE t = NULL;
	TOKEN_PRIVILEGES want = {1, {{{LOCK_MEMORY, 0}, SE_PRIVILEGE_ENABLED}}}, old;
	UCHAR buffer[1024];
	ULONG n = 0, value = 9;

	STATUS_IS(NtOpenThreadToken(THREAD, TOKEN_QUERY, FALSE, &t), STATUS_NO_TOKEN);
	STATUS_IS(NtOpenProcessToken(SELF, TOKEN_QUERY | TOKEN_ADJUST_PRIVILEGES, &t), 0);
	STATUS_IS(NtQueryInformationToken(t, TokenType, &value, sizeof(value), &n), 0);
	CHECK_EQ(value, TokenPrimary);
	STATUS_IS(NtQueryInformationToken(t, TokenUser, buffer, 8, &n), STATUS_BUFFER_TOO_SMALL);
	CHECK(n > 16 && n <= sizeof(buffer));
	STATUS_IS(NtQueryInformationToken(t, TokenUser, buffer, n, &n), 0);
	CHECK((UCHAR *)((TOKEN_USER *)buffer)->User.Sid > buffer &&
	      (UCHAR *)((TOKEN_USER *)buffer)->User.Sid < buffer + n);
	STATUS_IS(NtQueryInformationToken(t, TokenPrivileges, buffer, sizeof(buffer), &n), 0);
	CHECK(((TOKEN_PRIVILEGES *)buffer)->PrivilegeCount > 3);
	CHECK_EQ(n, 4 + 12 * ((TOKEN_PRIVILEGES *)buffer)->PrivilegeCount);
	STATUS_IS(NtQueryInformationToken(t, TokenElevation, &value, sizeof(value), &n), 0);
	STATUS_IS(NtQueryInformationToken(t, 0, &value, sizeof(value), &n),
		  STATUS_INVALID_INFO_CLASS);
	STATUS_IS(NtQueryInformationToken(BAD, TokenType, &value, sizeof(value), &n),
		  STATUS_INVALID_HANDLE);

	want.Privileges[0].Luid.LowPart = DEBUG_PROGRAMS;
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, &want, sizeof(old), &old, &n), 0);
	CHECK_EQ(old.PrivilegeCount, 1);
	CHECK_EQ(n, sizeof(old));
	CHECK_EQ(old.Privileges[0].Attributes & SE_PRIVILEGE_ENABLED, 0);
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, &want, sizeof(old), &old, &n), 0);
	CHECK_EQ(old.PrivilegeCount, 0); /* nothing changed */
	want.Privileges[0].Attributes = 0;
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, &want, 0, NULL, NULL), 0);
	want.Privileges[0].Luid.LowPart = 63;
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, &want, 0, NULL, NULL), STATUS_NOT_ALL_ASSIGNED);
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, NULL, 0, NULL, NULL), STATUS_INVALID_PARAMETER);
	NtClose(t);
	STATUS_IS(NtOpenProcessToken(SELF, TOKEN_QUERY, &t), 0);
	STATUS_IS(NtAdjustPrivilegesToken(t, FALSE, &want, 0, NULL, NULL), STATUS_ACCESS_DENIED);
	NtClose(t);
}

/* ---- time and system information ---- */

static void test_information(void)
{
	static UCHAR list[64 * 1024];
	SYSTEM_BASIC_INFORMATION basic;
	SYSTEM_PERFORMANCE_INFORMATION performance;
	LARGE_INTEGER a, b, hz;
	ULONG n = 0, coarsest, finest, current, seen = 0;
	struct {
		LARGE_INTEGER boot, now, bias;
		ULONG zone, pad;
		ULONGLONG more[2];
	} day;

	STATUS_IS(NtQuerySystemInformation(0, &basic, sizeof(basic), &n), 0);
	CHECK_EQ(n, sizeof(basic));
	CHECK(basic.NumberOfProcessors >= 1);
	STATUS_IS(NtQuerySystemInformation(0, &basic, sizeof(basic) - 1, &n),
		  STATUS_INFO_LENGTH_MISMATCH);
	STATUS_IS(NtQuerySystemInformation(2, &performance, 312, &n), 0);
	STATUS_IS(NtQuerySystemInformation(2, &performance, 100, &n), STATUS_INFO_LENGTH_MISMATCH);
	STATUS_IS(NtQuerySystemInformation(3, &day, sizeof(day), &n), 0);
	NtQuerySystemTime(&a);
	CHECK(day.now.QuadPart > day.boot.QuadPart && day.now.QuadPart <= a.QuadPart);
	STATUS_IS(NtQuerySystemInformation(5, list, 16, &n), STATUS_INFO_LENGTH_MISMATCH);
	CHECK(n > 0x100);
	STATUS_IS(NtQuerySystemInformation(5, list, sizeof(list), &n), 0);
	for (UCHAR *p = list;;) {
		SYSTEM_PROCESS_INFORMATION *i = (SYSTEM_PROCESS_INFORMATION *)p;
		if ((ULONG_PTR)i->UniqueProcessId == GetCurrentProcessId()) {
			seen++;
			CHECK(*(ULONG *)(p + 4) >= 1); /* threads */
		}
		if (!i->NextEntryOffset)
			break;
		p += i->NextEntryOffset;
	}
	CHECK_EQ(seen, 1);
	STATUS_IS(NtQuerySystemInformation(0xffff, list, sizeof(list), &n),
		  STATUS_INVALID_INFO_CLASS);

	STATUS_IS(NtQueryPerformanceCounter(&a, &hz), 0);
	NtDelayExecution(FALSE, in_ms(30));
	STATUS_IS(NtQueryPerformanceCounter(&b, NULL), 0);
	CHECK(hz.QuadPart > 0 && b.QuadPart - a.QuadPart >= hz.QuadPart / 50);
	STATUS_IS(NtQueryTimerResolution(&coarsest, &finest, &current), 0);
	CHECK(finest <= current && current <= coarsest && coarsest == 156250);
	STATUS_IS(NtSetTimerResolution(10000, TRUE, &current), 0);
	CHECK_EQ(current, 10000);
	STATUS_IS(NtSetTimerResolution(10000, FALSE, &current), 0);
	STATUS_IS(NtSetTimerResolution(10000, FALSE, &current), STATUS_TIMER_RESOLUTION_NOT_SET);
}

/* ---- pointers that are none: the kernel answers, nothing is left behind ---- */

static void test_bad_pointers(void)
{
	HANDLE e = event(0, FALSE), none;
	const NTSTATUS av = STATUS_ACCESS_VIOLATION;
	ULONG n;

	STATUS_IS(NtCreateEvent(NOWHERE, EVENT_ALL_ACCESS, NULL, 0, FALSE), av);
	STATUS_IS(NtCreateEvent(&none, EVENT_ALL_ACCESS, NOWHERE, 0, FALSE), av);
	STATUS_IS(NtSetEvent(e, NOWHERE), av);
	STATUS_IS(poll_object(e), STATUS_TIMEOUT); /* was not set */
	STATUS_IS(NtQueryEvent(e, 0, NOWHERE, 8, NULL), av);
	STATUS_IS(NtWaitForSingleObject(e, FALSE, NOWHERE), av);
	STATUS_IS(NtWaitForMultipleObjects(2, NOWHERE, 1, FALSE, NULL), av);
	STATUS_IS(NtDelayExecution(FALSE, NULL), av);
	STATUS_IS(NtDuplicateObject(SELF, e, SELF, NOWHERE, 0, 0, 3), av);
	STATUS_IS(poll_object(e), STATUS_TIMEOUT); /* was not closed */
	STATUS_IS(NtQueryObject(e, 0, NOWHERE, 56, &n), av);
	STATUS_IS(NtQuerySystemInformation(0, (void *)0xffff800000000000, 64, &n), av);
	STATUS_IS(NtQuerySystemInformation(0, (void *)0x7fffffff0000, 64, &n), av);
	STATUS_IS(NtQuerySystemTime(NOWHERE), av);
	STATUS_IS(NtOpenProcessToken(SELF, TOKEN_QUERY, NOWHERE), av);
	NtClose(e);
}

int main(void)
{
	test_events();
	test_semaphores();
	test_mutants();
	test_waits();
	test_timers();
	test_handles();
	test_names();
	test_tokens();
	test_information();
	test_bad_pointers();
	return checks_end();
}
