/*
 * Small calls of every kind: processor groups, thread and process information classes, links,
 * power.
 */
#include "guest/user/kernel32/k32.h"

int WINAPI MulDiv(int a, int b, int c)
{
	LONGLONG product = (LONGLONG)a * b, half;

	if (!c)
		return -1;
	if (c < 0) {
		product = -product;
		c = -c;
	}
	half = product < 0 ? -(c / 2) : c / 2;
	product = (product + half) / c;
	return product > INT_MAX || product < -INT_MAX ? -1 : (int)product;
}

/* --- processor groups: there is group 0 --- */

static ULONG_PTR all_processors(void)
{
	ULONG n = NtCurrentPeb()->NumberOfProcessors;

	return n >= 64 ? ~(ULONG_PTR)0 : ((ULONG_PTR)1 << n) - 1;
}

WINBOOL WINAPI GetThreadGroupAffinity(HANDLE h, PGROUP_AFFINITY out)
{
	THREAD_BASIC_INFORMATION info;

	if (!out)
		return fail(ERROR_INVALID_PARAMETER);
	if (!succeed(
		NtQueryInformationThread(h, ThreadBasicInformation, &info, sizeof(info), NULL)))
		return FALSE;
	memset(out, 0, sizeof(*out));
	out->Mask = info.AffinityMask;
	return TRUE;
}

WINBOOL WINAPI SetThreadGroupAffinity(HANDLE h, const GROUP_AFFINITY *want, PGROUP_AFFINITY old)
{
	ULONG_PTR mask;

	if (!want)
		return fail(ERROR_NOACCESS);
	mask = want->Mask;
	if (want->Group || (ULONG)mask == ~0u) /* "all processors" is not known here */
		return fail(ERROR_INVALID_PARAMETER);
	if (old && !GetThreadGroupAffinity(h, old))
		return FALSE;
	return succeed(NtSetInformationThread(h, ThreadAffinityMask, &mask, sizeof(mask)));
}

WINBOOL WINAPI GetProcessGroupAffinity(HANDLE h, PUSHORT count, PUSHORT groups)
{
	if (!GetProcessId(h))
		return FALSE;
	if (*count < 1) {
		*count = 1;
		return fail(ERROR_INSUFFICIENT_BUFFER);
	}
	*count = 1;
	groups[0] = 0;
	return TRUE;
}

WINBOOL WINAPI GetNumaProcessorNodeEx(PPROCESSOR_NUMBER processor, PUSHORT node)
{
	if (processor->Group || processor->Number >= NtCurrentPeb()->NumberOfProcessors) {
		*node = 0xffff;
		return fail(ERROR_INVALID_PARAMETER);
	}
	*node = 0;
	return TRUE;
}

WINBOOL WINAPI GetNumaNodeProcessorMaskEx(USHORT node, PGROUP_AFFINITY out)
{
	if (node)
		return fail(ERROR_INVALID_PARAMETER);
	memset(out, 0, sizeof(*out));
	out->Mask = all_processors();
	return TRUE;
}

WINBOOL WINAPI GetNumaAvailableMemoryNodeEx(USHORT node, PULONGLONG bytes)
{
	return node ? fail(ERROR_INVALID_PARAMETER) : GetNumaAvailableMemoryNode(0, bytes);
}

WINBOOL WINAPI SetThreadIdealProcessorEx(HANDLE h, PPROCESSOR_NUMBER ideal, PPROCESSOR_NUMBER old)
{
	if (ideal->Group || ideal->Number >= NtCurrentPeb()->NumberOfProcessors)
		return fail(ERROR_INVALID_PARAMETER);
	if (old)
		memset(old, 0, sizeof(*old));
	return GetThreadId(h) != 0;
}

WINBOOL WINAPI GetThreadIdealProcessorEx(HANDLE h, PPROCESSOR_NUMBER out)
{
	memset(out, 0, sizeof(*out));
	return GetThreadId(h) != 0;
}

/* --- information classes --- */

WINBOOL WINAPI GetThreadInformation(HANDLE h, THREAD_INFORMATION_CLASS cls, LPVOID out, DWORD size)
{
	if (cls != ThreadMemoryPriority || size != sizeof(ULONG))
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtQueryInformationThread(h, ThreadPagePriority, out, size, NULL));
}

WINBOOL WINAPI SetThreadInformation(HANDLE h, THREAD_INFORMATION_CLASS cls, LPVOID in, DWORD size)
{
	if (cls == ThreadPowerThrottling)
		return GetThreadId(h) != 0; /* the clock never slows down */
	if (cls != ThreadMemoryPriority || size != sizeof(ULONG))
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtSetInformationThread(h, ThreadPagePriority, in, size));
}

WINBOOL WINAPI GetProcessInformation(HANDLE h, PROCESS_INFORMATION_CLASS cls, LPVOID out,
				     DWORD size)
{
	if (cls != ProcessMemoryPriority || size != sizeof(ULONG))
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtQueryInformationProcess(h, ProcessPagePriority, out, size, NULL));
}

WINBOOL WINAPI SetProcessInformation(HANDLE h, PROCESS_INFORMATION_CLASS cls, LPVOID in, DWORD size)
{
	if (cls == ProcessPowerThrottling)
		return GetProcessId(h) != 0;
	if (cls != ProcessMemoryPriority || size != sizeof(ULONG))
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtSetInformationProcess(h, ProcessPagePriority, in, size));
}

WINBOOL WINAPI GetProcessIoCounters(HANDLE h, PIO_COUNTERS out)
{
	return succeed(NtQueryInformationProcess(h, ProcessIoCounters, out, sizeof(*out), NULL));
}

DWORD WINAPI WTSGetActiveConsoleSessionId(VOID);
DWORD WINAPI WTSGetActiveConsoleSessionId(VOID)
{
	return NtCurrentPeb()->SessionId; /* there is one */
}

#define ProcessImageInformation_ 37

DWORD WINAPI GetProcessVersion(DWORD id)
{
	HANDLE h =
	    OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id ? id : GetCurrentProcessId());
	struct { /* SECTION_IMAGE_INFORMATION */
		ULONG before[9];
		WORD minor, major;
		ULONG behind[6];
	} image;
	NTSTATUS status;

	if (!h)
		return 0;
	status =
	    NtQueryInformationProcess(h, ProcessImageInformation_, &image, sizeof(image), NULL);
	NtClose(h);
	return succeed(status) ? (DWORD)MAKELONG(image.minor, image.major) : 0;
}

WINBOOL WINAPI SetProcessShutdownParameters(DWORD level, DWORD flags)
{
	(void)flags;
	return level <= 0x4ff || fail(ERROR_INVALID_PARAMETER);
}

EXECUTION_STATE WINAPI SetThreadExecutionState(EXECUTION_STATE flags)
{
	(void)flags; /* the machine does not sleep */
	return ES_CONTINUOUS;
}

WINBOOL WINAPI GetSystemPowerStatus(LPSYSTEM_POWER_STATUS out)
{
	memset(out, 0, sizeof(*out));
	out->ACLineStatus = 1;
	out->BatteryFlag = 128; /* there is none */
	out->BatteryLifePercent = 255;
	out->BatteryLifeTime = out->BatteryFullLifeTime = MAXDWORD;
	return TRUE;
}

WINBOOL WINAPI CancelIoEx(HANDLE h, LPOVERLAPPED ov)
{
	IO_STATUS_BLOCK iosb;

	return succeed(NtCancelIoFileEx(h, ov ? (PIO_STATUS_BLOCK)&ov->Internal : NULL, &iosb));
}
