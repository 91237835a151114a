/*
 * Debugging other processes, over ntdll's DbgUi calls.
 *
 * The handles of processes and threads that come with events are the system's: it closes them when
 * the event of their end is continued. Until then they are on a list here. Lock: `lock`.
 */
#include "guest/user/kernel32/k32.h"

struct kept {
	struct kept *next;
	DWORD process, thread; /* thread 0: the process's own handle */
	HANDLE handle;
	BOOL ended;
};

static RTL_SRWLOCK lock;
static struct kept *kept;

static void keep(DWORD process, DWORD thread, HANDLE handle)
{
	struct kept *k = handle ? heap_new(sizeof(*k)) : NULL;

	if (!k) /* then it is only never closed */
		return;
	RtlAcquireSRWLockExclusive(&lock);
	*k = (struct kept){kept, process, thread, handle, FALSE};
	kept = k;
	RtlReleaseSRWLockExclusive(&lock);
}

static void mark_ended(DWORD process, DWORD thread, BOOL all)
{
	RtlAcquireSRWLockExclusive(&lock);
	for (struct kept *k = kept; k; k = k->next)
		if (k->process == process && (all || k->thread == thread))
			k->ended = TRUE;
	RtlReleaseSRWLockExclusive(&lock);
}

static void close_ended(DWORD process)
{
	RtlAcquireSRWLockExclusive(&lock);
	for (struct kept **at = &kept, *k; (k = *at);) {
		if (k->process != process || !k->ended) {
			at = &k->next;
			continue;
		}
		*at = k->next;
		NtClose(k->handle);
		heap_delete(k);
	}
	RtlReleaseSRWLockExclusive(&lock);
}

static void note_handles(const DEBUG_EVENT *e)
{
	switch (e->dwDebugEventCode) {
	case CREATE_THREAD_DEBUG_EVENT:
		keep(e->dwProcessId, e->dwThreadId, e->u.CreateThread.hThread);
		break;
	case CREATE_PROCESS_DEBUG_EVENT:
		keep(e->dwProcessId, 0, e->u.CreateProcessInfo.hProcess);
		keep(e->dwProcessId, e->dwThreadId, e->u.CreateProcessInfo.hThread);
		break;
	case EXIT_THREAD_DEBUG_EVENT:
		mark_ended(e->dwProcessId, e->dwThreadId, FALSE);
		break;
	case EXIT_PROCESS_DEBUG_EVENT:
		mark_ended(e->dwProcessId, 0, TRUE);
		break;
	}
}

static BOOL wait_for_event(LPDEBUG_EVENT event, DWORD ms,
			   NTSTATUS(NTAPI *convert)(DBGUI_WAIT_STATE_CHANGE *s, LPDEBUG_EVENT e))
{
	LARGE_INTEGER t;
	DBGUI_WAIT_STATE_CHANGE s;
	NTSTATUS status;

	do
		status = DbgUiWaitStateChange(&s, nt_timeout(ms, &t));
	while (status == STATUS_ALERTED || status == STATUS_USER_APC);
	if (status == STATUS_TIMEOUT)
		return fail(ERROR_SEM_TIMEOUT);
	if (!succeed(status))
		return FALSE;
	memset(event, 0, sizeof(*event));
	if (!succeed(convert(&s, event)))
		return FALSE;
	note_handles(event);
	return TRUE;
}

WINBOOL WINAPI WaitForDebugEvent(LPDEBUG_EVENT event, DWORD ms)
{
	return wait_for_event(event, ms, DbgUiConvertStateChangeStructure);
}

WINBOOL WINAPI WaitForDebugEventEx(LPDEBUG_EVENT event, DWORD ms);
WINBOOL WINAPI WaitForDebugEventEx(LPDEBUG_EVENT event, DWORD ms)
{
	return wait_for_event(event, ms, DbgUiConvertStateChangeStructureEx);
}

WINBOOL WINAPI ContinueDebugEvent(DWORD process, DWORD thread, DWORD status)
{
	CLIENT_ID id = {ULongToHandle(process), ULongToHandle(thread)};

	if (!succeed(DbgUiContinue(&id, (NTSTATUS)status)))
		return FALSE;
	close_ended(process);
	return TRUE;
}

static HANDLE open_debuggee(DWORD id)
{
	return OpenProcess(PROCESS_CREATE_THREAD | PROCESS_VM_OPERATION | PROCESS_VM_WRITE |
			       PROCESS_VM_READ | PROCESS_SUSPEND_RESUME | PROCESS_QUERY_INFORMATION,
			   FALSE, id);
}

WINBOOL WINAPI DebugActiveProcess(DWORD id)
{
	HANDLE h;
	BOOL ok;

	if (!succeed(DbgUiConnectToDbg()))
		return FALSE;
	h = open_debuggee(id);
	if (!h)
		return FALSE;
	ok = succeed(DbgUiDebugActiveProcess(h));
	NtClose(h);
	return ok;
}

WINBOOL WINAPI DebugActiveProcessStop(DWORD id)
{
	HANDLE h = open_debuggee(id);
	NTSTATUS status;

	if (!h)
		return FALSE;
	mark_ended(id, 0, TRUE);
	close_ended(id);
	status = DbgUiStopDebugging(h);
	NtClose(h);
	/* whatever the reason is, this thread does not debug it */
	return NT_SUCCESS(status) || fail(ERROR_ACCESS_DENIED);
}

WINBOOL WINAPI DebugBreakProcess(HANDLE process)
{
	return succeed(DbgUiIssueRemoteBreakin(process));
}

WINBOOL WINAPI DebugSetProcessKillOnExit(WINBOOL kill)
{
	HANDLE h = DbgUiGetThreadDebugObject();
	ULONG flags = kill ? 1 : 0;

	if (!h)
		return fail(ERROR_INVALID_HANDLE);
	return succeed(NtSetInformationDebugObject(h, 1, &flags, sizeof(flags), NULL));
}

WINBOOL WINAPI CheckRemoteDebuggerPresent(HANDLE process, PBOOL present)
{
	HANDLE port = NULL;

	if (!process || !present)
		return fail(ERROR_INVALID_PARAMETER);
	if (!succeed(
		NtQueryInformationProcess(process, ProcessDebugPort, &port, sizeof(port), NULL)))
		return FALSE;
	*present = port != NULL;
	return TRUE;
}

WINBOOL WINAPI IsDebuggerPresent(void)
{
	return NtCurrentPeb()->BeingDebugged;
}

VOID WINAPI DebugBreak(void)
{
	DbgBreakPoint();
}
