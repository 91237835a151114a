/*
 * Last error, error mode, unhandled exceptions, debugger calls, beeps.
 */
#include "guest/user/kernel32/k32.h"

static LPTOP_LEVEL_EXCEPTION_FILTER top_filter;
static UINT error_mode;

UINT WINAPI SetErrorMode(UINT mode)
{
	UINT old = error_mode;

	/* Once no alignment faults are wanted, that cannot be undone. */
	error_mode = mode | (old & SEM_NOALIGNMENTFAULTEXCEPT);
	return old;
}

UINT WINAPI GetErrorMode(void)
{
	return error_mode;
}

DWORD WINAPI GetThreadErrorMode(void)
{
	DWORD mode = RtlGetThreadErrorMode(), out = 0;

	/* NT's bits: 0x10 critical errors, 0x20 GP faults, 0x40 open-file boxes */
	out |= mode & 0x10 ? SEM_FAILCRITICALERRORS : 0;
	out |= mode & 0x20 ? SEM_NOGPFAULTERRORBOX : 0;
	out |= mode & 0x40 ? SEM_NOOPENFILEERRORBOX : 0;
	return out;
}

WINBOOL WINAPI SetThreadErrorMode(DWORD mode, LPDWORD old)
{
	ULONG nt = 0;

	if (mode & ~(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX))
		return fail(ERROR_INVALID_PARAMETER);
	if (old)
		*old = GetThreadErrorMode();
	nt |= mode & SEM_FAILCRITICALERRORS ? 0x10 : 0;
	nt |= mode & SEM_NOGPFAULTERRORBOX ? 0x20 : 0;
	nt |= mode & SEM_NOOPENFILEERRORBOX ? 0x40 : 0;
	return succeed(RtlSetThreadErrorMode(nt, NULL));
}

LPTOP_LEVEL_EXCEPTION_FILTER WINAPI SetUnhandledExceptionFilter(LPTOP_LEVEL_EXCEPTION_FILTER filter)
{
	return (LPTOP_LEVEL_EXCEPTION_FILTER)_InterlockedExchangePointer(
	    (PVOID volatile *)&top_filter, (PVOID)filter);
}

LONG WINAPI UnhandledExceptionFilter(PEXCEPTION_POINTERS ep)
{
	LPTOP_LEVEL_EXCEPTION_FILTER filter = top_filter;

	if (NtCurrentPeb()->BeingDebugged)
		return EXCEPTION_CONTINUE_SEARCH;
	if (filter) {
		LONG verdict = filter(ep);

		if (verdict != EXCEPTION_CONTINUE_SEARCH) {
			if (verdict == EXCEPTION_EXECUTE_HANDLER) /* it has reported it: just end */
				NtTerminateProcess(NtCurrentProcess(),
						   (NTSTATUS)ep->ExceptionRecord->ExceptionCode);
			return verdict;
		}
	}
	/* Nobody handles it: the kernel prints the one line and ends the process. */
	NtRaiseException(ep->ExceptionRecord, ep->ContextRecord, FALSE);
	return EXCEPTION_EXECUTE_HANDLER;
}

void init_unhandled_filter(void)
{
	RtlSetUnhandledExceptionFilter(UnhandledExceptionFilter);
}

VOID WINAPI RaiseException(DWORD code, DWORD flags, DWORD count, const ULONG_PTR *args)
{
	EXCEPTION_RECORD rec = {.ExceptionCode = code,
				.ExceptionFlags = flags & EXCEPTION_NONCONTINUABLE,
				.ExceptionAddress = (PVOID)RaiseException};

	if (args) {
		rec.NumberParameters = min(count, EXCEPTION_MAXIMUM_PARAMETERS);
		memcpy(rec.ExceptionInformation, args, rec.NumberParameters * sizeof(ULONG_PTR));
	}
	RtlRaiseException(&rec);
}

VOID WINAPI RaiseFailFastException(PEXCEPTION_RECORD rec, PCONTEXT ctx, DWORD flags)
{
	EXCEPTION_RECORD own = {.ExceptionCode = (DWORD)STATUS_FAIL_FAST_EXCEPTION,
				.ExceptionFlags = EXCEPTION_NONCONTINUABLE,
				.ExceptionAddress = __builtin_return_address(0)};
	CONTEXT here;

	(void)flags;
	RtlCaptureContext(&here);
	NtRaiseException(rec ? rec : &own, ctx ? ctx : &here, FALSE);
}

VOID WINAPI FatalAppExitA(UINT action, LPCSTR text)
{
	(void)action;
	NtmmOutputDebug(text, strlen(text));
	ExitProcess(3);
}

VOID WINAPI FatalAppExitW(UINT action, LPCWSTR text)
{
	(void)action;
	OutputDebugStringW(text);
	ExitProcess(3);
}

VOID WINAPI FatalExit(int code)
{
	ExitProcess((UINT)code);
}

/* --- debuggers: none is ever attached from inside --- */

VOID WINAPI OutputDebugStringA(LPCSTR text)
{
	if (text)
		NtmmOutputDebug(text, strlen(text));
}

VOID WINAPI OutputDebugStringW(LPCWSTR text)
{
	SIZE_T n = text ? wcslen(text) : 0;
	char *a = heap_new(n + 1);

	if (!a)
		return;
	ansi_result(text, n, a, (DWORD)n + 1);
	NtmmOutputDebug(a, n);
	heap_delete(a);
}

/* There is no speaker: the call waits as long as the tone would take. */
WINBOOL WINAPI Beep(DWORD frequency, DWORD ms)
{
	if (frequency < 0x25 || frequency > 0x7fff)
		return fail(ERROR_INVALID_PARAMETER);
	Sleep(ms);
	return TRUE;
}
