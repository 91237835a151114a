/*
 * Debugging: what a debugger is told of its child, from the creation to the end, and what its
 * answers do; attaching and letting go; breakpoints in the debug registers, set in one's own
 * thread, in a suspended one and by a debugger.
 */
#include <string.h>
#include "tests/guest/vm.h"

static char self[MAX_PATH + 16];

/* ---- hardware breakpoints ---- */

static volatile LONG watched;
static volatile unsigned hits;
static volatile DWORD64 hit_dr6, hit_rip;

static LONG CALLBACK on_single_step(EXCEPTION_POINTERS *info)
{
	if (info->ExceptionRecord->ExceptionCode != EXCEPTION_SINGLE_STEP)
		return EXCEPTION_CONTINUE_SEARCH;
	hits++;
	hit_dr6 = info->ContextRecord->Dr6;
	hit_rip = info->ContextRecord->Rip;
	if (info->ContextRecord->Dr6 & 2) /* an instruction: stopped before it, so let it go on */
		info->ContextRecord->EFlags |= 0x10000;
	return EXCEPTION_CONTINUE_EXECUTION;
}

/* DR0: writes of four bytes to `watched`; DR1: execution of `code`. */
static void set_breakpoints(HANDLE thread, void *code)
{
	CONTEXT c = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};

	c.Dr0 = (DWORD64)&watched;
	c.Dr1 = (DWORD64)code;
	c.Dr7 = 1 | 1 << 16 | 3 << 18 | (code ? 4 : 0);
	CHECK(SetThreadContext(thread, &c));
	memset(&c, 0, sizeof(c));
	c.ContextFlags = CONTEXT_DEBUG_REGISTERS;
	CHECK(GetThreadContext(thread, &c));
	CHECK_EQ(c.Dr0, (DWORD64)&watched);
	CHECK_EQ(c.Dr1, (DWORD64)code);
	CHECK_EQ(c.Dr7 & 0xffff00ff, 1 | 1 << 16 | 3 << 18 | (code ? 4 : 0));
}

static void clear_breakpoints(HANDLE thread)
{
	CONTEXT c = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};

	CHECK(SetThreadContext(thread, &c));
}

static __attribute__((noipa)) int called(int v)
{
	__asm__ volatile("");
	return v + 1;
}

static DWORD WINAPI toucher(void *unused)
{
	(void)unused;
	watched = 5;
	Sleep(5); /* the processor is another thread's meanwhile */
	watched = 6;
	return 0;
}

static void registers(void)
{
	void *handler = AddVectoredExceptionHandler(1, on_single_step);
	CONTEXT c = {.ContextFlags = CONTEXT_DEBUG_REGISTERS};
	HANDLE t;
	LONG got;

	set_breakpoints(GetCurrentThread(), (void *)called);
	watched = 1;
	CHECK_EQ(hits, 1);
	CHECK_EQ(hit_dr6 & 0xf, 1);
	got = watched; /* reading is not writing */
	CHECK_EQ(got, 1);
	CHECK_EQ(hits, 1);
	CHECK_EQ(called(3), 4);
	CHECK_EQ(hits, 2);
	CHECK_EQ(hit_dr6 & 0xf, 2);
	CHECK_EQ(hit_rip, (DWORD64)called);
	/* the kernel's own writes are not the program's */
	CHECK(ReadProcessMemory(GetCurrentProcess(), &got, (void *)&watched, sizeof(got), NULL));
	CHECK_EQ(hits, 2);
	/* and another thread has registers of its own */
	t = CreateThread(NULL, 0, toucher, NULL, 0, NULL);
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CloseHandle(t);
	CHECK_EQ(hits, 2);
	clear_breakpoints(GetCurrentThread());
	watched = 2;
	CHECK_EQ(called(3), 4);
	CHECK_EQ(hits, 2);

	t = CreateThread(NULL, 0, toucher, NULL, CREATE_SUSPENDED, NULL);
	set_breakpoints(t, NULL);
	CHECK_EQ(ResumeThread(t), 1);
	CHECK_EQ(WaitForSingleObject(t, 5000), 0);
	CHECK_EQ(hits, 4);
	CloseHandle(t);

	c.Dr0 = 0xffff800000001000; /* not the program's to watch */
	c.Dr7 = 1;
	SetThreadContext(GetCurrentThread(), &c);
	memset(&c, 0, sizeof(c));
	c.ContextFlags = CONTEXT_DEBUG_REGISTERS;
	CHECK(GetThreadContext(GetCurrentThread(), &c));
	CHECK_EQ(c.Dr0, 0);
	clear_breakpoints(GetCurrentThread());
	RemoveVectoredExceptionHandler(handler);
}

/* ---- a debugged child ---- */

static DWORD WINAPI idle_thread(void *unused)
{
	(void)unused;
	return 33;
}

static LONG CALLBACK handle_one(EXCEPTION_POINTERS *info)
{
	if (info->ExceptionRecord->ExceptionCode != 0xe0001234)
		return EXCEPTION_CONTINUE_SEARCH;
	return EXCEPTION_CONTINUE_EXECUTION;
}

static int child(void)
{
	HMODULE m;
	HANDLE t;

	if (!IsDebuggerPresent())
		return 50;
	m = LoadLibraryA("psapi.dll");
	FreeLibrary(m);
	t = CreateThread(NULL, 0, idle_thread, NULL, 0, NULL);
	WaitForSingleObject(t, INFINITE);
	OutputDebugStringA("to the debugger");
	RaiseException(0xe0001111, 0, 0, NULL); /* the debugger handles it, or it would end us */
	AddVectoredExceptionHandler(1, handle_one);
	RaiseException(0xe0001234, 0, 0, NULL); /* the debugger does not */
	watched = 7;				/* breaks where the debugger set a breakpoint */
	__asm__ volatile("int3; nop");
	RaiseException(0xe0002222, 0, 0, NULL); /* nobody does: the debugger gets a second chance */
	return 44;
}

struct seen {
	unsigned process, threads, dlls, unloads, thread_ends, texts, breakpoints, steps;
	unsigned first[3], second;
	DWORD exit_code;
	HANDLE thread;
};

static void on_exception(const DEBUG_EVENT *e, struct seen *s, DWORD *answer)
{
	const EXCEPTION_RECORD *r = &e->u.Exception.ExceptionRecord;
	BOOL first = e->u.Exception.dwFirstChance != 0;

	*answer = DBG_CONTINUE;
	switch (r->ExceptionCode) {
	case EXCEPTION_BREAKPOINT:
		if (!s->breakpoints++) /* the loader's: everything is there, nothing has run */
			set_breakpoints(s->thread, NULL);
		break;
	case EXCEPTION_SINGLE_STEP:
		s->steps++;
		break;
	case 0xe0001111:
		s->first[0] += first;
		break;
	case 0xe0001234:
		s->first[1] += first;
		*answer = DBG_EXCEPTION_NOT_HANDLED;
		break;
	case 0xe0002222:
		s->first[2] += first;
		s->second += !first;
		*answer = first ? DBG_EXCEPTION_NOT_HANDLED : DBG_CONTINUE;
		break;
	default:
		CHECK_EQ(r->ExceptionCode, 0);
		*answer = DBG_EXCEPTION_NOT_HANDLED;
	}
}

/* Events until the process has ended. */
static void follow(DWORD pid, struct seen *s)
{
	char text[32] = "";
	DEBUG_EVENT e;
	DWORD answer;
	SIZE_T n;

	for (;;) {
		if (!WaitForDebugEvent(&e, 20000)) {
			CHECK(!"an event");
			return;
		}
		CHECK_EQ(e.dwProcessId, pid);
		answer = DBG_CONTINUE;
		switch (e.dwDebugEventCode) {
		case CREATE_PROCESS_DEBUG_EVENT:
			s->process++;
			s->thread = e.u.CreateProcessInfo.hThread;
			CHECK(e.u.CreateProcessInfo.hFile && e.u.CreateProcessInfo.hProcess);
			CHECK(GetProcessId(e.u.CreateProcessInfo.hProcess) == pid);
			CloseHandle(e.u.CreateProcessInfo.hFile);
			break;
		case CREATE_THREAD_DEBUG_EVENT:
			s->threads++;
			CHECK_EQ(GetThreadId(e.u.CreateThread.hThread), e.dwThreadId);
			break;
		case LOAD_DLL_DEBUG_EVENT:
			s->dlls++;
			CHECK(e.u.LoadDll.lpBaseOfDll != NULL);
			CloseHandle(e.u.LoadDll.hFile);
			break;
		case UNLOAD_DLL_DEBUG_EVENT:
			s->unloads++;
			break;
		case EXIT_THREAD_DEBUG_EVENT:
			s->thread_ends++;
			if (s->thread_ends == 1)
				CHECK_EQ(e.u.ExitThread.dwExitCode, 33);
			break;
		case OUTPUT_DEBUG_STRING_EVENT: {
			HANDLE h = OpenProcess(PROCESS_VM_READ, FALSE, pid);

			s->texts++;
			CHECK(!e.u.DebugString.fUnicode);
			CHECK(ReadProcessMemory(h, e.u.DebugString.lpDebugStringData, text,
						e.u.DebugString.nDebugStringLength, &n));
			CHECK(!strcmp(text, "to the debugger"));
			CloseHandle(h);
			break;
		}
		case EXCEPTION_DEBUG_EVENT:
			on_exception(&e, s, &answer);
			break;
		case EXIT_PROCESS_DEBUG_EVENT:
			s->exit_code = e.u.ExitProcess.dwExitCode;
			CHECK(ContinueDebugEvent(e.dwProcessId, e.dwThreadId, DBG_CONTINUE));
			return;
		}
		CHECK(ContinueDebugEvent(e.dwProcessId, e.dwThreadId, answer));
	}
}

static PROCESS_INFORMATION start(const char *what, DWORD flags)
{
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi = {0};
	char line[sizeof(self) + 16];

	snprintf(line, sizeof(line), "\"%s\" %s", self, what);
	CHECK(CreateProcessA(NULL, line, NULL, NULL, TRUE, flags, NULL, NULL, &si, &pi));
	return pi;
}

static void debugged_child(void)
{
	struct seen s = {0};
	PROCESS_INFORMATION pi;
	DEBUG_EVENT e;
	BOOL present;

	SetLastError(0);
	CHECK(!WaitForDebugEvent(&e, 0)); /* nothing is debugged yet */
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	pi = start("child", DEBUG_ONLY_THIS_PROCESS);
	CHECK(CheckRemoteDebuggerPresent(pi.hProcess, &present) && present);
	follow(pi.dwProcessId, &s);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 5000), 0);
	CHECK_EQ(s.process, 1);
	CHECK_EQ(s.threads, 1);
	CHECK(s.dlls >= 4); /* ntdll, kernel32, msvcrt, psapi */
	CHECK_EQ(s.unloads, 1);
	CHECK(s.thread_ends >= 1);
	CHECK_EQ(s.texts, 1);
	CHECK_EQ(s.breakpoints, 2);
	CHECK_EQ(s.steps, 1);
	CHECK_EQ(s.first[0], 1);
	CHECK_EQ(s.first[1], 1);
	CHECK_EQ(s.first[2], 1);
	CHECK_EQ(s.second, 1);
	CHECK_EQ(s.exit_code, 44);
	SetLastError(0);
	CHECK(!WaitForDebugEvent(&e, 0));
	CHECK_EQ(GetLastError(), ERROR_SEM_TIMEOUT);
	CHECK(!ContinueDebugEvent(pi.dwProcessId, pi.dwThreadId, DBG_CONTINUE));
	CloseHandle(pi.hProcess);
	CloseHandle(pi.hThread);
}

/* ---- attaching ---- */

/* Events up to the breakpoint of the thread that attaching starts. */
static void follow_attachment(unsigned *processes, unsigned *threads, unsigned *dlls)
{
	DEBUG_EVENT e;
	BOOL last = FALSE;

	*processes = *threads = *dlls = 0;
	while (!last && WaitForDebugEvent(&e, 10000)) {
		*processes += e.dwDebugEventCode == CREATE_PROCESS_DEBUG_EVENT;
		*threads += e.dwDebugEventCode == CREATE_THREAD_DEBUG_EVENT;
		*dlls += e.dwDebugEventCode == LOAD_DLL_DEBUG_EVENT;
		last = e.dwDebugEventCode == EXCEPTION_DEBUG_EVENT;
		if (last)
			CHECK_EQ(e.u.Exception.ExceptionRecord.ExceptionCode, EXCEPTION_BREAKPOINT);
		CHECK(ContinueDebugEvent(e.dwProcessId, e.dwThreadId, DBG_CONTINUE));
	}
	CHECK(last);
}

static void attaching(void)
{
	PROCESS_INFORMATION pi = start("sleep", 0);
	unsigned processes, threads, dlls;
	BOOL present = TRUE;
	DWORD code = 0;

	Sleep(300);
	CHECK(DebugActiveProcess(pi.dwProcessId));
	CHECK(!DebugActiveProcess(pi.dwProcessId)); /* it is debugged already */
	follow_attachment(&processes, &threads, &dlls);
	CHECK_EQ(processes, 1);
	CHECK(threads >= 1 && dlls >= 3);
	CHECK(DebugActiveProcessStop(pi.dwProcessId));
	CHECK(CheckRemoteDebuggerPresent(pi.hProcess, &present) && !present);
	CHECK(!DebugActiveProcessStop(pi.dwProcessId));
	CHECK(GetExitCodeProcess(pi.hProcess, &code) && code == STILL_ACTIVE);
	TerminateProcess(pi.hProcess, 9);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 5000), 0);
	CHECK(!DebugActiveProcess(GetCurrentProcessId()));
	CHECK(!DebugActiveProcess(0xfffffff0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
}

/* A debugger that goes takes its processes with it, unless it was told not to. */
static int leaves(BOOL kill)
{
	PROCESS_INFORMATION pi = start("sleep", DEBUG_ONLY_THIS_PROCESS);
	DEBUG_EVENT e;

	DebugSetProcessKillOnExit(kill);
	WaitForDebugEvent(&e, 5000);
	return (int)pi.dwProcessId;
}

static void left(void)
{
	for (int kill = 0; kill < 2; kill++) {
		PROCESS_INFORMATION pi = start(kill ? "leaves" : "lets go", 0);
		DWORD pid = 0;
		HANDLE h;

		CHECK_EQ(WaitForSingleObject(pi.hProcess, 10000), 0);
		CHECK(GetExitCodeProcess(pi.hProcess, &pid));
		h = OpenProcess(PROCESS_TERMINATE | SYNCHRONIZE, FALSE, pid);
		if (kill) {
			CHECK(!h || WaitForSingleObject(h, 5000) == 0);
		} else {
			CHECK(h != NULL);
			CHECK_EQ(WaitForSingleObject(h, 200), WAIT_TIMEOUT);
			TerminateProcess(h, 0);
		}
		CloseHandle(h);
	}
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child"))
		return child();
	GetModuleFileNameA(NULL, self, sizeof(self));
	if (argc > 1 && !strcmp(argv[1], "leaves"))
		return leaves(TRUE);
	if (argc > 1 && !strcmp(argv[1], "lets"))
		return leaves(FALSE);
	if (argc > 1 && !strcmp(argv[1], "sleep"))
		Sleep(30000);
	if (argc > 1)
		return 0;
	registers();
	debugged_child();
	attaching();
	left();
	return checks_end();
}
