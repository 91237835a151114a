/*
 * The debugger's half of ntdll: a thread's debug object (TEB.DbgSsReserved[1]), the calls on it,
 * and its events in the words of Win32.
 */
#include "guest/user/ntdll/ntdll.h"

#define DEBUG_OBJECT_ALL_ACCESS 0x1f000f
#define DEBUG_KILL_ON_CLOSE	1

#define DBG_PRINTEXCEPTION_WIDE_C_ 0x4001000a

HANDLE NTAPI DbgUiGetThreadDebugObject(void)
{
	return NtCurrentTeb()->DbgSsReserved[1];
}

VOID NTAPI DbgUiSetThreadDebugObject(HANDLE h)
{
	NtCurrentTeb()->DbgSsReserved[1] = h;
}

/* Once a thread: as many processes as it likes are debugged by the one object. */
NTSTATUS NTAPI DbgUiConnectToDbg(void)
{
	OBJECT_ATTRIBUTES attr;

	if (NtCurrentTeb()->DbgSsReserved[1])
		return STATUS_SUCCESS;
	InitializeObjectAttributes(&attr, NULL, 0, NULL, NULL);
	return NtCreateDebugObject(&NtCurrentTeb()->DbgSsReserved[1], DEBUG_OBJECT_ALL_ACCESS,
				   &attr, DEBUG_KILL_ON_CLOSE);
}

NTSTATUS NTAPI DbgUiWaitStateChange(DBGUI_WAIT_STATE_CHANGE *s, PLARGE_INTEGER timeout)
{
	return NtWaitForDebugEvent(DbgUiGetThreadDebugObject(), TRUE, timeout, s);
}

NTSTATUS NTAPI DbgUiContinue(PCLIENT_ID id, NTSTATUS answer)
{
	return NtDebugContinue(DbgUiGetThreadDebugObject(), id, answer);
}

NTSTATUS NTAPI DbgUiStopDebugging(HANDLE process)
{
	return NtRemoveProcessDebug(process, DbgUiGetThreadDebugObject());
}

VOID NTAPI DbgUiRemoteBreakin(PVOID unused)
{
	(void)unused;
	if (NtCurrentPeb()->BeingDebugged)
		DbgBreakPoint();
	RtlExitUserThread(STATUS_SUCCESS);
}

NTSTATUS NTAPI DbgUiIssueRemoteBreakin(HANDLE process)
{
	HANDLE thread;
	NTSTATUS status = RtlCreateUserThread(process, NULL, FALSE, 0, 0, 0,
					      (PVOID)DbgUiRemoteBreakin, NULL, &thread, NULL);

	if (NT_SUCCESS(status))
		NtClose(thread);
	return status;
}

NTSTATUS NTAPI DbgUiDebugActiveProcess(HANDLE process)
{
	NTSTATUS status = NtDebugActiveProcess(process, DbgUiGetThreadDebugObject());

	if (!NT_SUCCESS(status))
		return status;
	status = DbgUiIssueRemoteBreakin(process);
	if (!NT_SUCCESS(status))
		DbgUiStopDebugging(process);
	return status;
}

/* --- events --- */

/* An exception: text for the debugger, or what it is. */
static void convert_exception(const DBGUI_WAIT_STATE_CHANGE *s, LPDEBUG_EVENT event, BOOLEAN wide)
{
	const EXCEPTION_RECORD *r = &s->StateInfo.Exception.ExceptionRecord;
	BOOLEAN is_wide = r->ExceptionCode == DBG_PRINTEXCEPTION_WIDE_C_;

	if (r->ExceptionCode == DBG_PRINTEXCEPTION_C || is_wide) {
		/* length and text; the wide form has those of the narrow one behind */
		const ULONG_PTR *text = &r->ExceptionInformation[is_wide && !wide ? 2 : 0];

		event->dwDebugEventCode = OUTPUT_DEBUG_STRING_EVENT;
		event->u.DebugString.nDebugStringLength = (WORD)text[0];
		event->u.DebugString.lpDebugStringData = (LPSTR)text[1];
		event->u.DebugString.fUnicode = is_wide && wide;
	} else if (r->ExceptionCode == DBG_RIPEXCEPTION) {
		event->dwDebugEventCode = RIP_EVENT;
		event->u.RipInfo.dwType = (DWORD)r->ExceptionInformation[0];
		event->u.RipInfo.dwError = (DWORD)r->ExceptionInformation[1];
	} else {
		event->dwDebugEventCode = EXCEPTION_DEBUG_EVENT;
		event->u.Exception.ExceptionRecord = *r;
		event->u.Exception.dwFirstChance = s->StateInfo.Exception.FirstChance;
	}
}

/* TEB of a thread by its handle, which the debugger has full access to. */
static PVOID teb_of(HANDLE thread)
{
	THREAD_BASIC_INFORMATION b;

	return NT_SUCCESS(
		   NtQueryInformationThread(thread, ThreadBasicInformation, &b, sizeof(b), NULL))
		   ? b.TebBaseAddress
		   : NULL;
}

static NTSTATUS convert(DBGUI_WAIT_STATE_CHANGE *s, LPDEBUG_EVENT event, BOOLEAN wide)
{
	event->dwProcessId = HandleToULong(s->AppClientId.UniqueProcess);
	event->dwThreadId = HandleToULong(s->AppClientId.UniqueThread);
	switch (s->NewState) {
	case DbgCreateThreadStateChange:
		event->dwDebugEventCode = CREATE_THREAD_DEBUG_EVENT;
		event->u.CreateThread.hThread = s->StateInfo.CreateThread.HandleToThread;
		event->u.CreateThread.lpThreadLocalBase = teb_of(event->u.CreateThread.hThread);
		event->u.CreateThread.lpStartAddress =
		    (LPTHREAD_START_ROUTINE)s->StateInfo.CreateThread.StartAddress;
		break;
	case DbgCreateProcessStateChange: {
		CREATE_PROCESS_DEBUG_INFO *c = &event->u.CreateProcessInfo;

		event->dwDebugEventCode = CREATE_PROCESS_DEBUG_EVENT;
		*c = (CREATE_PROCESS_DEBUG_INFO){
		    .hFile = s->StateInfo.CreateProcessInfo.FileHandle,
		    .hProcess = s->StateInfo.CreateProcessInfo.HandleToProcess,
		    .hThread = s->StateInfo.CreateProcessInfo.HandleToThread,
		    .lpBaseOfImage = s->StateInfo.CreateProcessInfo.BaseOfImage,
		    .lpThreadLocalBase = teb_of(s->StateInfo.CreateProcessInfo.HandleToThread),
		    .lpStartAddress =
			(LPTHREAD_START_ROUTINE)s->StateInfo.CreateProcessInfo.StartAddress,
		    .fUnicode = TRUE,
		};
		break;
	}
	case DbgExitThreadStateChange:
		event->dwDebugEventCode = EXIT_THREAD_DEBUG_EVENT;
		event->u.ExitThread.dwExitCode = (DWORD)s->StateInfo.ExitStatus;
		break;
	case DbgExitProcessStateChange:
		event->dwDebugEventCode = EXIT_PROCESS_DEBUG_EVENT;
		event->u.ExitProcess.dwExitCode = (DWORD)s->StateInfo.ExitStatus;
		break;
	case DbgExceptionStateChange:
	case DbgBreakpointStateChange:
	case DbgSingleStepStateChange:
		convert_exception(s, event, wide);
		break;
	case DbgLoadDllStateChange:
		event->dwDebugEventCode = LOAD_DLL_DEBUG_EVENT;
		event->u.LoadDll = (LOAD_DLL_DEBUG_INFO){
		    .hFile = s->StateInfo.LoadDll.FileHandle,
		    .lpBaseOfDll = s->StateInfo.LoadDll.BaseOfDll,
		    .lpImageName = s->StateInfo.LoadDll.NamePointer,
		    .fUnicode = TRUE,
		};
		break;
	case DbgUnloadDllStateChange:
		event->dwDebugEventCode = UNLOAD_DLL_DEBUG_EVENT;
		event->u.UnloadDll.lpBaseOfDll = s->StateInfo.UnloadedBase;
		break;
	default:
		return STATUS_UNSUCCESSFUL;
	}
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI DbgUiConvertStateChangeStructure(DBGUI_WAIT_STATE_CHANGE *s, LPDEBUG_EVENT event)
{
	return convert(s, event, FALSE);
}

NTSTATUS NTAPI DbgUiConvertStateChangeStructureEx(DBGUI_WAIT_STATE_CHANGE *s, LPDEBUG_EVENT event)
{
	return convert(s, event, TRUE);
}
