/*
 * What kernel32 offers around threads: fibers, the thread pool in its old and new forms, timer
 * queues, atoms, module snapshots.
 */
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
	names();
	modules();
	return checks_end();
}
