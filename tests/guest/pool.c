/*
 * What kernel32 offers around threads: fibers, the thread pool in its old and new forms, timer
 * queues, atoms, module snapshots.
 */
#define _WIN32_WINNT 0x0A00
#include <windows.h>
#include <tlhelp32.h>

#include <string.h>

#include "tests/guest/check.h"

static LPVOID main_fiber;
static int sum;

static VOID CALLBACK add(LPVOID step)
{
	for (;;) {
		sum += (int)(INT_PTR)step;
		SwitchToFiber(main_fiber);
	}
}

static VOID CALLBACK count_work(PTP_CALLBACK_INSTANCE instance, PVOID counter, PTP_WORK work)
{
	(void)instance;
	(void)work;
	InterlockedIncrement(counter);
}

static VOID CALLBACK count_timer(PVOID counter, BOOLEAN fired)
{
	(void)fired;
	InterlockedIncrement(counter);
}

static DWORD WINAPI count_item(LPVOID counter)
{
	InterlockedIncrement(counter);
	return 0;
}

static void fibers(void)
{
	LPVOID fiber;

	main_fiber = ConvertThreadToFiber(NULL);
	CHECK(main_fiber != NULL);
	CHECK(IsThreadAFiber());
	fiber = CreateFiber(0, add, (LPVOID)5);
	CHECK(fiber != NULL);
	for (int i = 0; i < 1000; i++)
		SwitchToFiber(fiber);
	CHECK(sum == 5000);
	DeleteFiber(fiber);
	CHECK(ConvertFiberToThread());
	CHECK(!IsThreadAFiber());
}

static void pool(void)
{
	LONG worked = 0, items = 0;
	PTP_WORK work = CreateThreadpoolWork(count_work, &worked, NULL);

	CHECK(work != NULL);
	for (int i = 0; i < 100; i++)
		SubmitThreadpoolWork(work);
	WaitForThreadpoolWorkCallbacks(work, FALSE);
	CHECK(worked == 100);
	CloseThreadpoolWork(work);
	for (int i = 0; i < 50; i++)
		CHECK(QueueUserWorkItem(count_item, &items, 0));
	while (*(volatile LONG *)&items < 50)
		Sleep(1);
}

static void timers(void)
{
	LONG fired = 0, after;
	HANDLE timer;

	CHECK(CreateTimerQueueTimer(&timer, NULL, count_timer, &fired, 1, 1, 0));
	while (*(volatile LONG *)&fired < 5)
		Sleep(1);
	CHECK(DeleteTimerQueueTimer(NULL, timer, INVALID_HANDLE_VALUE));
	after = fired;
	Sleep(20);
	CHECK(fired == after);
}

/* ---- the end of a queue, of a callback, of a group ---- */

static HANDLE may_end;

static VOID CALLBACK slow_timer(PVOID counter, BOOLEAN fired)
{
	(void)fired;
	InterlockedIncrement(counter);
	WaitForSingleObject(may_end, 5000);
}

static void queue_end(void)
{
	HANDLE queue = CreateTimerQueue(), timer[2], event = CreateEventA(NULL, TRUE, FALSE, NULL);
	LONG begun = 0;

	may_end = CreateEventA(NULL, TRUE, FALSE, NULL);
	for (int i = 0; i < 2; i++)
		CHECK(CreateTimerQueueTimer(&timer[i], queue, slow_timer, &begun, 0, 0, 0));
	while (*(volatile LONG *)&begun < 2)
		Sleep(1);
	SetLastError(0);
	CHECK(DeleteTimerQueueEx(queue, event) || GetLastError() == ERROR_IO_PENDING);
	CHECK(WaitForSingleObject(event, 50) == WAIT_TIMEOUT); /* they still run */
	SetEvent(may_end);
	CHECK(WaitForSingleObject(event, 5000) == 0);
	CHECK(!DeleteTimerQueueTimer(NULL, NULL, NULL));
	CHECK(GetLastError() == ERROR_INVALID_PARAMETER);
	CloseHandle(event);
}

struct returning {
	HANDLE event, semaphore;
	CRITICAL_SECTION section;
	LONG inside;
};

static VOID CALLBACK returns(PTP_CALLBACK_INSTANCE instance, PVOID context)
{
	struct returning *r = context;

	EnterCriticalSection(&r->section);
	LeaveCriticalSectionWhenCallbackReturns(instance, &r->section);
	ReleaseSemaphoreWhenCallbackReturns(instance, r->semaphore, 2);
	SetEventWhenCallbackReturns(instance, r->event);
	r->inside = WaitForSingleObject(r->event, 20) == WAIT_TIMEOUT;
}

static void when_callback_returns(void)
{
	struct returning r = {
	    CreateEventA(NULL, TRUE, FALSE, NULL), CreateSemaphoreA(NULL, 0, 5, NULL), {0}, 0};
	LONG count = 0;

	InitializeCriticalSection(&r.section);
	CHECK(TrySubmitThreadpoolCallback(returns, &r, NULL));
	CHECK(WaitForSingleObject(r.event, 5000) == 0);
	CHECK(r.inside);
	CHECK(ReleaseSemaphore(r.semaphore, 1, &count) && count == 2);
	CHECK(TryEnterCriticalSection(&r.section));
}

static volatile LONG cancelled;

static VOID CALLBACK on_cancel(PVOID context, PVOID of_group)
{
	CHECK(of_group == (PVOID)0x77);
	CHECK(context != NULL);
	InterlockedIncrement(&cancelled);
}

static VOID CALLBACK slow_work(PTP_CALLBACK_INSTANCE instance, PVOID counter, PTP_WORK work)
{
	(void)instance;
	(void)work;
	Sleep(30);
	InterlockedIncrement(counter);
}

static VOID CALLBACK pool_timer(PTP_CALLBACK_INSTANCE instance, PVOID counter, PTP_TIMER timer)
{
	(void)instance;
	(void)timer;
	InterlockedIncrement(counter);
}

static void groups(void)
{
	TP_CALLBACK_ENVIRON env = {.Version = 3, .Size = sizeof(env)};
	FILETIME hour = {(DWORD)-36000000000ll, (DWORD)(-36000000000ll >> 32)};
	LONG worked = 0, fired = 0;
	PTP_TIMER timer;
	PTP_WORK work;

	env.CleanupGroup = CreateThreadpoolCleanupGroup();
	env.CleanupGroupCancelCallback = on_cancel;
	CHECK(env.CleanupGroup != NULL);
	work = CreateThreadpoolWork(slow_work, &worked, &env);
	timer = CreateThreadpoolTimer(pool_timer, &fired, &env);
	CHECK(work && timer);
	SetThreadpoolTimer(timer, &hour, 0, 0);
	SubmitThreadpoolWork(work);
	SubmitThreadpoolWork(work);
	CloseThreadpoolCleanupGroupMembers(env.CleanupGroup, FALSE, (PVOID)0x77);
	CHECK(worked == 2); /* it waits for what was asked for */
	CHECK(!fired && !cancelled);
	work = CreateThreadpoolWork(slow_work, &worked, &env);
	timer = CreateThreadpoolTimer(pool_timer, &fired, &env);
	CloseThreadpoolTimer(timer); /* a member no more */
	CloseThreadpoolCleanupGroupMembers(env.CleanupGroup, TRUE, (PVOID)0x77);
	CHECK(cancelled == 1);
	CloseThreadpoolCleanupGroup(env.CleanupGroup);
}

static void names(void)
{
	char name[16];
	ATOM atom = GlobalAddAtomA("Something");

	CHECK(atom >= 0xc000);
	CHECK(GlobalFindAtomA("sOMETHING") == atom);
	CHECK(GlobalGetAtomNameA(atom, name, sizeof(name)) == 9);
	CHECK(!strcmp(name, "Something"));
	CHECK(GlobalDeleteAtom(atom) == 0);
	CHECK(GlobalFindAtomA("Something") == 0);
}

static void modules(void)
{
	HANDLE snapshot = CreateToolhelp32Snapshot(TH32CS_SNAPMODULE, 0);
	MODULEENTRY32 entry = {.dwSize = sizeof(entry)};
	int found = 0;

	CHECK(snapshot != INVALID_HANDLE_VALUE);
	CHECK(Module32First(snapshot, &entry));
	CHECK(entry.hModule == GetModuleHandleA(NULL));
	do
		found += !lstrcmpiA(entry.szModule, "kernel32.dll") ||
			 !lstrcmpiA(entry.szModule, "ntdll.dll");
	while (Module32Next(snapshot, &entry));
	CHECK(found == 2);
	CHECK(GetLastError() == ERROR_NO_MORE_FILES);
	CloseHandle(snapshot);
}

int main(void)
{
	fibers();
	pool();
	timers();
	queue_end();
	when_callback_returns();
	groups();
	names();
	modules();
	return checks_end();
}
