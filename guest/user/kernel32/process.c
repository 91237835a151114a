/*
 * Processes: making, ending, asking about them; handles; jobs.
 *
 * CreateProcess finds the image, builds the parameters and the NT call; the kernel maps the image
 * and starts its first thread. Standard handles are handed down as numbers: inherited, or
 * duplicated by the kernel where handles are not inherited (PS_ATTRIBUTE_STD_HANDLE_INFO is not
 * needed: consoles are ordinary handles here).
 */
#include "guest/user/kernel32/k32.h"

#ifndef ERROR_NOT_SAME_OBJECT /* newer headers have it */
#define ERROR_NOT_SAME_OBJECT 1656
#endif

VOID WINAPI ExitProcess(UINT code)
{
	RtlExitUserProcess((NTSTATUS)code);
	__builtin_unreachable();
}

WINBOOL WINAPI TerminateProcess(HANDLE h, UINT code)
{
	if (!h)
		return fail(ERROR_INVALID_HANDLE);
	return succeed(NtTerminateProcess(h, (NTSTATUS)code));
}

HANDLE WINAPI GetCurrentProcess(VOID)
{
	return NtCurrentProcess();
}

DWORD WINAPI GetCurrentProcessId(VOID)
{
	return (DWORD)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueProcess;
}

HANDLE WINAPI OpenProcess(DWORD access, WINBOOL inherit, DWORD id)
{
	CLIENT_ID cid = {(HANDLE)(ULONG_PTR)id, NULL};
	OBJECT_ATTRIBUTES attr;
	HANDLE h;

	if (!id) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	InitializeObjectAttributes(&attr, NULL, inherit ? OBJ_INHERIT : 0, NULL, NULL);
	return succeed(NtOpenProcess(&h, access, &attr, &cid)) ? h : NULL;
}

static BOOL query(HANDLE h, ULONG cls, PVOID out, ULONG size)
{
	return succeed(NtQueryInformationProcess(h, cls, out, size, NULL));
}

WINBOOL WINAPI GetExitCodeProcess(HANDLE h, LPDWORD code)
{
	PROCESS_BASIC_INFORMATION info;

	if (!query(h, ProcessBasicInformation, &info, sizeof(info)))
		return FALSE;
	*code = (DWORD)info.ExitStatus;
	return TRUE;
}

DWORD WINAPI GetProcessId(HANDLE h)
{
	PROCESS_BASIC_INFORMATION info;

	return query(h, ProcessBasicInformation, &info, sizeof(info)) ? (DWORD)info.UniqueProcessId
								      : 0;
}

WINBOOL WINAPI GetProcessTimes(HANDLE h, LPFILETIME created_, LPFILETIME exited, LPFILETIME kernel,
			       LPFILETIME user)
{
	KERNEL_USER_TIMES t;

	if (!query(h, ProcessTimes, &t, sizeof(t)))
		return FALSE;
	memcpy(created_, &t.CreateTime, sizeof(FILETIME));
	memcpy(exited, &t.ExitTime, sizeof(FILETIME));
	memcpy(kernel, &t.KernelTime, sizeof(FILETIME));
	memcpy(user, &t.UserTime, sizeof(FILETIME));
	return TRUE;
}

WINBOOL WINAPI GetProcessAffinityMask(HANDLE h, PDWORD_PTR process, PDWORD_PTR system)
{
	PROCESS_BASIC_INFORMATION info;
	SYSTEM_BASIC_INFORMATION sys;

	if (!query(h, ProcessBasicInformation, &info, sizeof(info)) ||
	    !succeed(NtQuerySystemInformation(SystemBasicInformation, &sys, sizeof(sys), NULL)))
		return FALSE;
	*process = info.AffinityMask;
	*system = sys.ActiveProcessorsAffinityMask;
	return TRUE;
}

WINBOOL WINAPI SetProcessAffinityMask(HANDLE h, DWORD_PTR mask)
{
	return succeed(NtSetInformationProcess(h, ProcessAffinityMask, &mask, sizeof(mask)));
}

/* Win32's priority classes; the index is NT's number. */
static const DWORD classes[] = {
    0,
    IDLE_PRIORITY_CLASS,
    NORMAL_PRIORITY_CLASS,
    HIGH_PRIORITY_CLASS,
    REALTIME_PRIORITY_CLASS,
    BELOW_NORMAL_PRIORITY_CLASS,
    ABOVE_NORMAL_PRIORITY_CLASS,
};

DWORD WINAPI GetPriorityClass(HANDLE h)
{
	PROCESS_PRIORITY_CLASS c;

	if (!query(h, ProcessPriorityClass, &c, sizeof(c)))
		return 0;
	return c.PriorityClass < ARRAY_COUNT(classes) ? classes[c.PriorityClass] : 0;
}

static UCHAR nt_class(DWORD cls)
{
	for (UCHAR i = 1; i < ARRAY_COUNT(classes); i++)
		if (classes[i] == cls)
			return i;
	return 0;
}

WINBOOL WINAPI SetPriorityClass(HANDLE h, DWORD cls)
{
	PROCESS_PRIORITY_CLASS c = {FALSE, nt_class(cls)};

	if (cls == PROCESS_MODE_BACKGROUND_BEGIN || cls == PROCESS_MODE_BACKGROUND_END)
		return TRUE;
	if (!c.PriorityClass)
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtSetInformationProcess(h, ProcessPriorityClass, &c, sizeof(c)));
}

WINBOOL WINAPI SetProcessPriorityBoost(HANDLE h, WINBOOL disable)
{
	ULONG value = disable != 0;

	return succeed(NtSetInformationProcess(h, ProcessPriorityBoost, &value, sizeof(value)));
}

WINBOOL WINAPI GetProcessPriorityBoost(HANDLE h, PBOOL disabled)
{
	ULONG value = 0;

	if (!query(h, ProcessPriorityBoost, &value, sizeof(value)))
		return FALSE;
	*disabled = value != 0;
	return TRUE;
}

WINBOOL WINAPI GetProcessHandleCount(HANDLE h, PDWORD count)
{
	return query(h, ProcessHandleCount, count, sizeof(*count));
}

WINBOOL WINAPI IsWow64Process(HANDLE h, PBOOL wow)
{
	PROCESS_BASIC_INFORMATION info;

	*wow = FALSE;
	return query(h, ProcessBasicInformation, &info, sizeof(info));
}

WINBOOL WINAPI IsWow64Process2(HANDLE h, USHORT *process, USHORT *native)
{
	PROCESS_BASIC_INFORMATION info;

	*process = IMAGE_FILE_MACHINE_UNKNOWN;
	if (native)
		*native = IMAGE_FILE_MACHINE_AMD64;
	return query(h, ProcessBasicInformation, &info, sizeof(info));
}

WINBOOL WINAPI ProcessIdToSessionId(DWORD id, DWORD *session)
{
	HANDLE h = OpenProcess(PROCESS_QUERY_LIMITED_INFORMATION, FALSE, id);

	if (!h)
		return FALSE;
	NtClose(h);
	*session = NtCurrentPeb()->SessionId;
	return TRUE;
}

WINBOOL WINAPI QueryFullProcessImageNameW(HANDLE h, DWORD flags, LPWSTR out, PDWORD room)
{
	struct {
		UNICODE_STRING name;
		WCHAR text[520];
	} info;
	PWSTR p;
	DWORD n;

	if (!query(h,
		   flags & PROCESS_NAME_NATIVE ? ProcessImageFileName : ProcessImageFileNameWin32,
		   &info, sizeof(info)))
		return FALSE;
	p = info.name.Buffer;
	n = info.name.Length / sizeof(WCHAR);
	if (!(flags & PROCESS_NAME_NATIVE) && n > 4 && !wcsncmp(p, L"\\??\\", 4))
		p += 4, n -= 4;
	if (n >= *room)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	memcpy(out, p, n * sizeof(WCHAR));
	out[n] = 0;
	*room = n;
	return TRUE;
}

WINBOOL WINAPI QueryFullProcessImageNameA(HANDLE h, DWORD flags, LPSTR out, PDWORD room)
{
	WCHAR wide[520];
	DWORD n = ARRAY_COUNT(wide);

	if (!QueryFullProcessImageNameW(h, flags, wide, &n))
		return FALSE;
	if (!out)
		return fail(ERROR_INVALID_PARAMETER);
	if (n >= *room)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	*room = ansi_result(wide, n, out, *room);
	return TRUE;
}

WINBOOL WINAPI GetProcessMitigationPolicy(HANDLE h, PROCESS_MITIGATION_POLICY policy, PVOID out,
					  SIZE_T size)
{
	struct {
		ULONG policy;
		ULONG flags[2];
	} info = {policy, {0, 0}};
	SIZE_T want = policy == ProcessDEPPolicy ? 2 * sizeof(ULONG) : sizeof(ULONG);

	if (policy == ProcessMitigationOptionsMask)
		want = size == 2 * sizeof(ULONG64) ? 2 * sizeof(ULONG64) : sizeof(ULONG64);
	if (size != want)
		return fail(ERROR_INVALID_PARAMETER);
	if (policy == ProcessDEPPolicy) { /* always on for 64-bit programs */
		((ULONG *)out)[0] = 1;
		((ULONG *)out)[1] = 1;
		return TRUE;
	}
	if (policy == ProcessMitigationOptionsMask) {
		memset(out, 0, size);
		return TRUE;
	}
	if (!query(h, ProcessMitigationPolicy_, &info, sizeof(info)))
		return FALSE;
	*(ULONG *)out = info.flags[0];
	return TRUE;
}

WINBOOL WINAPI SetProcessMitigationPolicy(PROCESS_MITIGATION_POLICY policy, PVOID in, SIZE_T size)
{
	struct {
		ULONG policy;
		ULONG flags[2];
	} info = {policy, {0, 0}};

	if (size != sizeof(ULONG) && !(policy == ProcessDEPPolicy && size == 2 * sizeof(ULONG)))
		return fail(ERROR_INVALID_PARAMETER);
	memcpy(info.flags, in, size);
	return succeed(NtSetInformationProcess(NtCurrentProcess(), ProcessMitigationPolicy_, &info,
					       sizeof(info)));
}

/* --- handles --- */

WINBOOL WINAPI DuplicateHandle(HANDLE source_process, HANDLE source, HANDLE target_process,
			       LPHANDLE target, DWORD access, WINBOOL inherit, DWORD options)
{
	return succeed(NtDuplicateObject(source_process, source, target_process, target, access,
					 inherit ? OBJ_INHERIT : 0, options));
}

WINBOOL WINAPI GetHandleInformation(HANDLE h, LPDWORD flags)
{
	OBJECT_HANDLE_FLAG_INFORMATION info;

	if (!succeed(NtQueryObject(h, ObjectHandleFlagInformation, &info, sizeof(info), NULL)))
		return FALSE;
	*flags = (info.Inherit ? HANDLE_FLAG_INHERIT : 0) |
		 (info.ProtectFromClose ? HANDLE_FLAG_PROTECT_FROM_CLOSE : 0);
	return TRUE;
}

WINBOOL WINAPI SetHandleInformation(HANDLE h, DWORD mask, DWORD flags)
{
	OBJECT_HANDLE_FLAG_INFORMATION info;

	if (!succeed(NtQueryObject(h, ObjectHandleFlagInformation, &info, sizeof(info), NULL)))
		return FALSE;
	if (mask & HANDLE_FLAG_INHERIT)
		info.Inherit = (flags & HANDLE_FLAG_INHERIT) != 0;
	if (mask & HANDLE_FLAG_PROTECT_FROM_CLOSE)
		info.ProtectFromClose = (flags & HANDLE_FLAG_PROTECT_FROM_CLOSE) != 0;
	return succeed(NtSetInformationObject(h, ObjectHandleFlagInformation, &info, sizeof(info)));
}

WINBOOL WINAPI CompareObjectHandles(HANDLE a, HANDLE b)
{
	struct {
		UNICODE_STRING name;
		WCHAR text[300];
	} x, y;
	OBJECT_BASIC_INFORMATION p, q;

	if (a == b)
		return TRUE;
	/* Without a call that compares objects: same kind of counts and same name. */
	if (!NT_SUCCESS(NtQueryObject(a, ObjectBasicInformation, &p, sizeof(p), NULL)) ||
	    !NT_SUCCESS(NtQueryObject(b, ObjectBasicInformation, &q, sizeof(q), NULL)))
		return fail(ERROR_INVALID_HANDLE);
	if (p.HandleCount != q.HandleCount ||
	    !NT_SUCCESS(NtQueryObject(a, ObjectNameInformation, &x, sizeof(x), NULL)) ||
	    !NT_SUCCESS(NtQueryObject(b, ObjectNameInformation, &y, sizeof(y), NULL)))
		return fail(ERROR_NOT_SAME_OBJECT);
	return (x.name.Length && RtlEqualUnicodeString(&x.name, &y.name, TRUE)) ||
	       fail(ERROR_NOT_SAME_OBJECT);
}

UINT WINAPI SetHandleCount(UINT count)
{
	return count;
}

/* --- jobs --- */

HANDLE WINAPI CreateJobObjectW(LPSECURITY_ATTRIBUTES sa, LPCWSTR name)
{
	struct named n;
	HANDLE h = NULL;

	if (!named_attributes(&n, name, sa, 0))
		return NULL;
	return created(NtCreateJobObject(&h, JOB_OBJECT_ALL_ACCESS, &n.attr), &h);
}

HANDLE WINAPI CreateJobObjectA(LPSECURITY_ATTRIBUTES sa, LPCSTR name)
{
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	h = CreateJobObjectW(sa, w);
	heap_delete(w);
	return h;
}

WINBOOL WINAPI AssignProcessToJobObject(HANDLE job, HANDLE process)
{
	return succeed(NtAssignProcessToJobObject(job, process));
}

WINBOOL WINAPI TerminateJobObject(HANDLE job, UINT code)
{
	return succeed(NtTerminateJobObject(job, (NTSTATUS)code));
}

WINBOOL WINAPI QueryInformationJobObject(HANDLE job, JOBOBJECTINFOCLASS cls, LPVOID out, DWORD size,
					 LPDWORD got)
{
	return succeed(NtQueryInformationJobObject(job, cls, out, size, got));
}

WINBOOL WINAPI SetInformationJobObject(HANDLE job, JOBOBJECTINFOCLASS cls, LPVOID in, DWORD size)
{
	return succeed(NtSetInformationJobObject(job, cls, in, size));
}

HANDLE WINAPI OpenJobObjectW(DWORD access, WINBOOL inherit, LPCWSTR name)
{
	return open_named(NtOpenJobObject, access, inherit, name);
}

HANDLE WINAPI OpenJobObjectA(DWORD access, WINBOOL inherit, LPCSTR name)
{
	return open_named_a(NtOpenJobObject, access, inherit, name);
}

WINBOOL WINAPI IsProcessInJob(HANDLE process, HANDLE job, PBOOL result)
{
	NTSTATUS status = NtIsProcessInJob(process, job);

	if (!NT_SUCCESS(status))
		return succeed(status);
	*result = status == STATUS_PROCESS_IN_JOB;
	return TRUE;
}
