/*
 * Threads: making, ending, priorities, contexts, names; TLS and FLS.
 */
#include "guest/user/kernel32/k32.h"

HANDLE WINAPI CreateRemoteThreadEx(HANDLE process, LPSECURITY_ATTRIBUTES sa, SIZE_T stack,
				   LPTHREAD_START_ROUTINE start, LPVOID arg, DWORD flags,
				   LPPROC_THREAD_ATTRIBUTE_LIST attributes, LPDWORD id)
{
	BOOL is_reserve = (flags & STACK_SIZE_PARAM_IS_A_RESERVATION) != 0;
	OBJECT_ATTRIBUTES attr;
	CLIENT_ID made = {0};
	PS_ATTRIBUTE_LIST list = {
	    .TotalLength = sizeof(SIZE_T) + sizeof(PS_ATTRIBUTE),
	    .Attributes = {{PS_ATTRIBUTE_CLIENT_ID, sizeof(made), {.ValuePtr = &made}, NULL}}};
	NTSTATUS status;
	HANDLE h;

	(void)attributes;
	InitializeObjectAttributes(&attr, NULL, sa && sa->bInheritHandle ? OBJ_INHERIT : 0, NULL,
				   sa ? sa->lpSecurityDescriptor : NULL);
	status =
	    NtCreateThreadEx(&h, THREAD_ALL_ACCESS, &attr, process, (PVOID)start, arg,
			     flags & CREATE_SUSPENDED ? THREAD_CREATE_FLAGS_CREATE_SUSPENDED : 0, 0,
			     is_reserve ? 0 : stack, is_reserve ? stack : 0, &list);
	if (!succeed(status))
		return NULL;
	if (id)
		*id = (DWORD)(ULONG_PTR)made.UniqueThread;
	return h;
}

HANDLE WINAPI CreateRemoteThread(HANDLE process, LPSECURITY_ATTRIBUTES sa, SIZE_T stack,
				 LPTHREAD_START_ROUTINE start, LPVOID arg, DWORD flags, LPDWORD id)
{
	return CreateRemoteThreadEx(process, sa, stack, start, arg, flags, NULL, id);
}

HANDLE WINAPI CreateThread(LPSECURITY_ATTRIBUTES sa, SIZE_T stack, LPTHREAD_START_ROUTINE start,
			   LPVOID arg, DWORD flags, LPDWORD id)
{
	return CreateRemoteThreadEx(NtCurrentProcess(), sa, stack, start, arg, flags, NULL, id);
}

/* Where Windows' threads pass through before their start routine; debuggers know the name. */
VOID WINAPI BaseThreadInitThunk(DWORD unused, LPTHREAD_START_ROUTINE start, LPVOID arg);
VOID WINAPI BaseThreadInitThunk(DWORD unused, LPTHREAD_START_ROUTINE start, LPVOID arg)
{
	(void)unused;
	RtlExitUserThread((NTSTATUS)start(arg));
}

VOID WINAPI ExitThread(DWORD code)
{
	RtlExitUserThread((NTSTATUS)code);
	__builtin_unreachable();
}

VOID WINAPI FreeLibraryAndExitThread(HMODULE module, DWORD code)
{
	FreeLibrary(module);
	ExitThread(code);
}

WINBOOL WINAPI TerminateThread(HANDLE h, DWORD code)
{
	return succeed(NtTerminateThread(h, (NTSTATUS)code));
}

HANDLE WINAPI OpenThread(DWORD access, WINBOOL inherit, DWORD id)
{
	CLIENT_ID cid = {NULL, (HANDLE)(ULONG_PTR)id};
	OBJECT_ATTRIBUTES attr;
	HANDLE h;

	InitializeObjectAttributes(&attr, NULL, inherit ? OBJ_INHERIT : 0, NULL, NULL);
	return succeed(NtOpenThread(&h, access, &attr, &cid)) ? h : NULL;
}

HANDLE WINAPI GetCurrentThread(VOID)
{
	return NtCurrentThread();
}

DWORD WINAPI GetCurrentThreadId(VOID)
{
	return (DWORD)(ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread;
}

static BOOL basic_info(HANDLE h, THREAD_BASIC_INFORMATION *info)
{
	return succeed(
	    NtQueryInformationThread(h, ThreadBasicInformation, info, sizeof(*info), NULL));
}

DWORD WINAPI GetThreadId(HANDLE h)
{
	THREAD_BASIC_INFORMATION info;

	return basic_info(h, &info) ? (DWORD)(ULONG_PTR)info.ClientId.UniqueThread : 0;
}

DWORD WINAPI GetProcessIdOfThread(HANDLE h)
{
	THREAD_BASIC_INFORMATION info;

	return basic_info(h, &info) ? (DWORD)(ULONG_PTR)info.ClientId.UniqueProcess : 0;
}

WINBOOL WINAPI GetExitCodeThread(HANDLE h, LPDWORD code)
{
	THREAD_BASIC_INFORMATION info;

	if (!basic_info(h, &info))
		return FALSE;
	*code = (DWORD)info.ExitStatus;
	return TRUE;
}

DWORD WINAPI SuspendThread(HANDLE h)
{
	ULONG count;

	return succeed(NtSuspendThread(h, &count)) ? count : (DWORD)-1;
}

DWORD WINAPI ResumeThread(HANDLE h)
{
	ULONG count;

	return succeed(NtResumeThread(h, &count)) ? count : (DWORD)-1;
}

WINBOOL WINAPI GetThreadContext(HANDLE h, LPCONTEXT ctx)
{
	return succeed(NtGetContextThread(h, ctx));
}

WINBOOL WINAPI SetThreadContext(HANDLE h, const CONTEXT *ctx)
{
	return succeed(NtSetContextThread(h, ctx));
}

/* --- priorities and processors --- */

WINBOOL WINAPI SetThreadPriority(HANDLE h, int priority)
{
	LONG base = priority;

	/* The two ends stand for saturation, which NT spells as 16 levels away. */
	if (priority == THREAD_PRIORITY_TIME_CRITICAL)
		base = 16;
	else if (priority == THREAD_PRIORITY_IDLE)
		base = -16;
	return succeed(NtSetInformationThread(h, ThreadBasePriority, &base, sizeof(base)));
}

int WINAPI GetThreadPriority(HANDLE h)
{
	THREAD_BASIC_INFORMATION info;

	if (!basic_info(h, &info))
		return THREAD_PRIORITY_ERROR_RETURN;
	if (info.BasePriority >= 16)
		return THREAD_PRIORITY_TIME_CRITICAL;
	if (info.BasePriority <= -16)
		return THREAD_PRIORITY_IDLE;
	return info.BasePriority;
}

WINBOOL WINAPI SetThreadPriorityBoost(HANDLE h, WINBOOL disable)
{
	ULONG value = disable != 0;

	return succeed(NtSetInformationThread(h, ThreadPriorityBoost, &value, sizeof(value)));
}

WINBOOL WINAPI GetThreadPriorityBoost(HANDLE h, PBOOL disabled)
{
	ULONG value = 0;

	if (!succeed(NtQueryInformationThread(h, ThreadPriorityBoost, &value, sizeof(value), NULL)))
		return FALSE;
	*disabled = value != 0;
	return TRUE;
}

DWORD_PTR WINAPI SetThreadAffinityMask(HANDLE h, DWORD_PTR mask)
{
	THREAD_BASIC_INFORMATION info;

	if (!basic_info(h, &info) ||
	    !succeed(NtSetInformationThread(h, ThreadAffinityMask, &mask, sizeof(mask))))
		return 0;
	return info.AffinityMask;
}

DWORD WINAPI SetThreadIdealProcessor(HANDLE h, DWORD processor)
{
	THREAD_BASIC_INFORMATION info;

	if (processor > MAXIMUM_PROCESSORS) {
		fail(ERROR_INVALID_PARAMETER);
		return (DWORD)-1;
	}
	return basic_info(h, &info) ? 0 : (DWORD)-1; /* a hint that the scheduler does not need */
}

DWORD WINAPI GetCurrentProcessorNumber(VOID)
{
	return NtGetCurrentProcessorNumber();
}

WINBOOL WINAPI GetThreadTimes(HANDLE h, LPFILETIME created_, LPFILETIME exited, LPFILETIME kernel,
			      LPFILETIME user)
{
	KERNEL_USER_TIMES t;

	if (!succeed(NtQueryInformationThread(h, ThreadTimes, &t, sizeof(t), NULL)))
		return FALSE;
	memcpy(created_, &t.CreateTime, sizeof(FILETIME));
	memcpy(exited, &t.ExitTime, sizeof(FILETIME));
	memcpy(kernel, &t.KernelTime, sizeof(FILETIME));
	memcpy(user, &t.UserTime, sizeof(FILETIME));
	return TRUE;
}

WINBOOL WINAPI GetThreadIOPendingFlag(HANDLE h, PBOOL pending)
{
	ULONG value = 0;

	if (!succeed(NtQueryInformationThread(h, ThreadIsIoPending, &value, sizeof(value), NULL)))
		return FALSE;
	*pending = value != 0;
	return TRUE;
}

/* --- stacks --- */

VOID WINAPI GetCurrentThreadStackLimits(PULONG_PTR low, PULONG_PTR high)
{
	*low = (ULONG_PTR)NtCurrentTeb()->DeallocationStack;
	*high = (ULONG_PTR)NtCurrentTeb()->NtTib.StackBase;
}

#define LEAST_GUARANTEE (2 * PAGE_SIZE) /* in 64-bit processes */

WINBOOL WINAPI SetThreadStackGuarantee(PULONG bytes)
{
	PTEB teb = NtCurrentTeb();
	ULONG old = teb->GuaranteedStackBytes;
	ULONG_PTR room = (ULONG_PTR)teb->NtTib.StackBase - (ULONG_PTR)teb->DeallocationStack;
	ULONG want;

	if (!bytes)
		return fail(ERROR_NOACCESS);
	want = *bytes;
	*bytes = old; /* in any case, as documented */
	if (want >= room - 3 * PAGE_SIZE)
		return fail(ERROR_INVALID_PARAMETER);
	if (want > old)
		teb->GuaranteedStackBytes =
		    max((want + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1), LEAST_GUARANTEE);
	return TRUE;
}

/* --- descriptions --- */

HRESULT WINAPI SetThreadDescription(HANDLE h, PCWSTR text);
HRESULT WINAPI GetThreadDescription(HANDLE h, PWSTR *text);

HRESULT WINAPI SetThreadDescription(HANDLE h, PCWSTR text)
{
	UNICODE_STRING s;
	NTSTATUS status;

	RtlInitUnicodeString(&s, text);
	status = NtSetInformationThread(h, ThreadNameInformation, &s, sizeof(s));
	return NT_SUCCESS(status) ? S_OK : (HRESULT)(status | FACILITY_NT_BIT);
}

HRESULT WINAPI GetThreadDescription(HANDLE h, PWSTR *text)
{
	struct {
		UNICODE_STRING s;
		WCHAR buffer[256];
	} info;
	NTSTATUS status = NtQueryInformationThread(h, ThreadNameInformation, &info,
						   sizeof(info) - sizeof(WCHAR), NULL);

	*text = NULL;
	if (!NT_SUCCESS(status))
		return (HRESULT)(status | FACILITY_NT_BIT);
	*text = LocalAlloc(LMEM_FIXED, info.s.Length + sizeof(WCHAR));
	if (!*text)
		return E_OUTOFMEMORY;
	memcpy(*text, info.s.Buffer, info.s.Length);
	(*text)[info.s.Length / sizeof(WCHAR)] = 0;
	return S_OK;
}

/* --- thread- and fiber-local storage --- */

DWORD WINAPI TlsAlloc(VOID)
{
	ULONG index;

	if (NT_SUCCESS(NtmmTlsAlloc(&index)))
		return index;
	fail(ERROR_NO_MORE_ITEMS);
	return TLS_OUT_OF_INDEXES;
}

WINBOOL WINAPI TlsFree(DWORD index)
{
	return succeed(NtmmTlsFree(index));
}

LPVOID WINAPI TlsGetValue(DWORD index)
{
	PTEB teb = NtCurrentTeb();
	PVOID *slot;

	teb->LastErrorValue = ERROR_SUCCESS;
	if (index < TLS_SLOTS)
		return teb->TlsSlots[index];
	slot = NtmmTlsSlot(index, FALSE);
	if (!slot && index >= TLS_SLOTS + TLS_EXPANSION)
		fail(ERROR_INVALID_PARAMETER);
	return slot ? *slot : NULL;
}

WINBOOL WINAPI TlsSetValue(DWORD index, LPVOID value)
{
	PVOID *slot = NtmmTlsSlot(index, TRUE);

	if (!slot)
		return fail(index >= TLS_SLOTS + TLS_EXPANSION ? ERROR_INVALID_PARAMETER
							       : ERROR_NOT_ENOUGH_MEMORY);
	*slot = value;
	return TRUE;
}

DWORD WINAPI FlsAlloc(PFLS_CALLBACK_FUNCTION callback)
{
	ULONG index;

	return succeed(RtlFlsAlloc(callback, &index)) ? index : FLS_OUT_OF_INDEXES;
}

WINBOOL WINAPI FlsFree(DWORD index)
{
	return succeed(RtlFlsFree(index));
}

PVOID WINAPI FlsGetValue(DWORD index)
{
	PVOID value = NULL;

	/* A thread that never set a value has none: that is no error. */
	if (!NT_SUCCESS(RtlFlsGetValue(index, &value)) && NtCurrentTeb()->FlsData)
		fail(ERROR_INVALID_PARAMETER);
	else
		fail(index && index < FLS_MAXIMUM_AVAILABLE_ ? ERROR_SUCCESS
							     : ERROR_INVALID_PARAMETER);
	return value;
}

WINBOOL WINAPI FlsSetValue(DWORD index, PVOID value)
{
	return succeed(RtlFlsSetValue(index, value));
}
