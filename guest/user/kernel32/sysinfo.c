/*
 * The system: processors, memory, sizes of working sets and of the file cache, versions, names.
 */
#include "guest/user/kernel32/k32.h"

VOID WINAPI GetSystemInfo(LPSYSTEM_INFO si)
{
	SYSTEM_BASIC_INFORMATION b = {0};
	int regs[4];

	NtQuerySystemInformation(SystemBasicInformation, &b, sizeof(b), NULL);
	__cpuid(regs, 1);
	memset(si, 0, sizeof(*si));
	si->wProcessorArchitecture = PROCESSOR_ARCHITECTURE_AMD64;
	si->dwPageSize = b.PageSize;
	si->lpMinimumApplicationAddress = (LPVOID)b.MinimumUserModeAddress;
	si->lpMaximumApplicationAddress = (LPVOID)b.MaximumUserModeAddress;
	si->dwActiveProcessorMask = b.ActiveProcessorsAffinityMask;
	si->dwNumberOfProcessors = (DWORD)(UCHAR)b.NumberOfProcessors;
	si->dwProcessorType = PROCESSOR_AMD_X8664;
	si->dwAllocationGranularity = b.AllocationGranularity;
	si->wProcessorLevel = (WORD)(((regs[0] >> 8) & 15) + ((regs[0] >> 20) & 255));
	si->wProcessorRevision =
	    (WORD)((((regs[0] >> 4) & 15) | ((regs[0] >> 12) & 0xf0)) << 8 | (regs[0] & 15));
}

VOID WINAPI GetNativeSystemInfo(LPSYSTEM_INFO si)
{
	GetSystemInfo(si);
}

WINBOOL WINAPI IsProcessorFeaturePresent(DWORD feature)
{
	return RtlIsProcessorFeaturePresent(feature);
}

DWORD64 WINAPI GetEnabledXStateFeatures(void)
{
	return RtlGetEnabledExtendedFeatures(~0ull);
}

DWORD WINAPI GetActiveProcessorCount(WORD group)
{
	if (group != 0 && group != ALL_PROCESSOR_GROUPS) {
		fail(ERROR_INVALID_PARAMETER);
		return 0;
	}
	return NtCurrentPeb()->NumberOfProcessors;
}

DWORD WINAPI GetMaximumProcessorCount(WORD group)
{
	return GetActiveProcessorCount(group);
}

WORD WINAPI GetActiveProcessorGroupCount(VOID)
{
	return 1;
}

WORD WINAPI GetMaximumProcessorGroupCount(VOID)
{
	return 1;
}

WINBOOL WINAPI GetNumaHighestNodeNumber(PULONG node)
{
	*node = 0;
	return TRUE;
}

WINBOOL WINAPI GetNumaNodeProcessorMask(UCHAR node, PULONGLONG mask)
{
	SYSTEM_BASIC_INFORMATION b;

	if (node || !succeed(NtQuerySystemInformation(SystemBasicInformation, &b, sizeof(b), NULL)))
		return fail(ERROR_INVALID_PARAMETER);
	*mask = b.ActiveProcessorsAffinityMask;
	return TRUE;
}

WINBOOL WINAPI GetNumaProcessorNode(UCHAR processor, PUCHAR node)
{
	*node = processor < NtCurrentPeb()->NumberOfProcessors ? 0 : 0xff;
	return *node == 0 || fail(ERROR_INVALID_PARAMETER);
}

WINBOOL WINAPI GetNumaAvailableMemoryNode(UCHAR node, PULONGLONG bytes)
{
	MEMORYSTATUSEX ms = {.dwLength = sizeof(ms)};

	if (node || !GlobalMemoryStatusEx(&ms))
		return fail(ERROR_INVALID_PARAMETER);
	*bytes = ms.ullAvailPhys;
	return TRUE;
}

/* --- memory --- */

BOOL system_memory(SYSTEM_BASIC_INFORMATION *b, SYSTEM_PERFORMANCE_INFORMATION *p)
{
	return succeed(NtQuerySystemInformation(SystemBasicInformation, b, sizeof(*b), NULL)) &&
	       succeed(NtQuerySystemInformation(SystemPerformanceInformation, p, sizeof(*p), NULL));
}

WINBOOL WINAPI GlobalMemoryStatusEx(LPMEMORYSTATUSEX ms)
{
	SYSTEM_BASIC_INFORMATION b;
	SYSTEM_PERFORMANCE_INFORMATION p;
	VM_COUNTERS_EX2 vm = {0};
	QUOTA_LIMITS quota;

	if (ms->dwLength != sizeof(*ms))
		return fail(ERROR_INVALID_PARAMETER);
	if (!system_memory(&b, &p))
		return FALSE;
	NtQueryInformationProcess(NtCurrentProcess(), ProcessVmCounters, &vm, VM_COUNTERS_SIZE,
				  NULL);
	ms->ullTotalPhys = (ULONG64)b.NumberOfPhysicalPages * PAGE_SIZE;
	ms->ullAvailPhys = (ULONG64)p.AvailablePages * PAGE_SIZE;
	ms->ullTotalPageFile = (ULONG64)p.CommitLimit * PAGE_SIZE;
	ms->ullAvailPageFile =
	    (ULONG64)(p.CommitLimit - min(p.CommitLimit, p.CommittedPages)) * PAGE_SIZE;
	if (NT_SUCCESS(NtQueryInformationProcess(NtCurrentProcess(), ProcessQuotaLimits, &quota,
						 sizeof(quota), NULL))) {
		/* what a job lets this process have */
		ms->ullTotalPageFile = min(ms->ullTotalPageFile, quota.PagefileLimit);
		ms->ullAvailPageFile =
		    min(ms->ullAvailPageFile,
			quota.PagefileLimit - min(quota.PagefileLimit, vm.PagefileUsage));
	}
	ms->ullTotalVirtual = b.MaximumUserModeAddress - b.MinimumUserModeAddress + 1;
	ms->ullAvailVirtual = ms->ullTotalVirtual - min(ms->ullTotalVirtual, vm.VirtualSize);
	ms->ullAvailExtendedVirtual = 0;
	ms->dwMemoryLoad = (DWORD)(100 - ms->ullAvailPhys * 100 / max(ms->ullTotalPhys, 1ull));
	return TRUE;
}

VOID WINAPI GlobalMemoryStatus(LPMEMORYSTATUS out)
{
	MEMORYSTATUSEX ms = {.dwLength = sizeof(ms)};

	memset(out, 0, sizeof(*out));
	out->dwLength = sizeof(*out);
	if (!GlobalMemoryStatusEx(&ms))
		return;
	out->dwMemoryLoad = ms.dwMemoryLoad;
	out->dwTotalPhys = ms.ullTotalPhys;
	out->dwAvailPhys = ms.ullAvailPhys;
	out->dwTotalPageFile = ms.ullTotalPageFile;
	out->dwAvailPageFile = ms.ullAvailPageFile;
	out->dwTotalVirtual = ms.ullTotalVirtual;
	out->dwAvailVirtual = ms.ullAvailVirtual;
}

WINBOOL WINAPI GetPhysicallyInstalledSystemMemory(PULONGLONG kilobytes)
{
	MEMORYSTATUSEX ms = {.dwLength = sizeof(ms)};

	if (!kilobytes)
		return fail(ERROR_INVALID_PARAMETER);
	if (!GlobalMemoryStatusEx(&ms))
		return FALSE;
	*kilobytes = (ms.ullTotalPhys + 0xfffff) / 0x100000 * 1024;
	return TRUE;
}

WINBOOL WINAPI SetProcessWorkingSetSizeEx(HANDLE h, SIZE_T minimum, SIZE_T maximum, DWORD flags)
{
	QUOTA_LIMITS_EX q = {
	    .MinimumWorkingSetSize = minimum, .MaximumWorkingSetSize = maximum, .Flags = flags};

	if (!minimum || !maximum)
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtSetInformationProcess(h, ProcessQuotaLimits, &q, sizeof(q)));
}

WINBOOL WINAPI SetProcessWorkingSetSize(HANDLE h, SIZE_T minimum, SIZE_T maximum)
{
	return SetProcessWorkingSetSizeEx(h, minimum, maximum, 0);
}

WINBOOL WINAPI GetProcessWorkingSetSizeEx(HANDLE h, PSIZE_T minimum, PSIZE_T maximum, PDWORD flags)
{
	QUOTA_LIMITS_EX q;

	if (!succeed(NtQueryInformationProcess(h, ProcessQuotaLimits, &q, sizeof(q), NULL)))
		return FALSE;
	*minimum = q.MinimumWorkingSetSize;
	*maximum = q.MaximumWorkingSetSize;
	*flags = q.Flags;
	return TRUE;
}

WINBOOL WINAPI GetProcessWorkingSetSize(HANDLE h, PSIZE_T minimum, PSIZE_T maximum)
{
	DWORD flags;

	return GetProcessWorkingSetSizeEx(h, minimum, maximum, &flags);
}

WINBOOL WINAPI GetSystemFileCacheSize(PSIZE_T minimum, PSIZE_T maximum, PDWORD flags)
{
	SYSTEM_FILECACHE_INFORMATION info;

	if (!minimum || !maximum || !flags)
		return fail(ERROR_INVALID_PARAMETER);
	if (!succeed(
		NtQuerySystemInformation(SystemFileCacheInformationEx, &info, sizeof(info), NULL)))
		return FALSE;
	*minimum = info.MinimumWorkingSet;
	*maximum = info.MaximumWorkingSet;
	*flags = info.Flags;
	return TRUE;
}

WINBOOL WINAPI SetSystemFileCacheSize(SIZE_T minimum, SIZE_T maximum, DWORD flags)
{
	SYSTEM_FILECACHE_INFORMATION info = {
	    .MinimumWorkingSet = minimum, .MaximumWorkingSet = maximum, .Flags = flags};

	return succeed(NtSetSystemInformation(SystemFileCacheInformationEx, &info, sizeof(info)));
}

/* --- versions and names --- */

/* Programs that do not say otherwise are told 6.2, which is what Windows 10 tells them. */
DWORD WINAPI GetVersion(VOID)
{
	return 2u << 8 | 6 | 9200u << 16;
}

WINBOOL WINAPI GetVersionExW(LPOSVERSIONINFOW out)
{
	RTL_OSVERSIONINFOEXW v = {.dwOSVersionInfoSize = sizeof(v)};
	DWORD size = out->dwOSVersionInfoSize;

	if (size != sizeof(OSVERSIONINFOW) && size != sizeof(OSVERSIONINFOEXW))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	RtlGetVersion(&v);
	v.dwMajorVersion = 6;
	v.dwMinorVersion = 2;
	v.dwBuildNumber = 9200;
	v.dwOSVersionInfoSize = size;
	memcpy(out, &v, size);
	return TRUE;
}

WINBOOL WINAPI GetVersionExA(LPOSVERSIONINFOA out)
{
	OSVERSIONINFOEXW v = {.dwOSVersionInfoSize = sizeof(v)};
	OSVERSIONINFOEXA a = {0};
	DWORD size = out->dwOSVersionInfoSize;

	if (size != sizeof(OSVERSIONINFOA) && size != sizeof(OSVERSIONINFOEXA))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	GetVersionExW((LPOSVERSIONINFOW)&v);
	a.dwOSVersionInfoSize = size;
	a.dwMajorVersion = v.dwMajorVersion;
	a.dwMinorVersion = v.dwMinorVersion;
	a.dwBuildNumber = v.dwBuildNumber;
	a.dwPlatformId = v.dwPlatformId;
	a.wSuiteMask = v.wSuiteMask;
	a.wProductType = v.wProductType;
	memcpy(out, &a, size);
	return TRUE;
}

WINBOOL WINAPI VerifyVersionInfoW(LPOSVERSIONINFOEXW want, DWORD type, DWORDLONG mask)
{
	NTSTATUS status = RtlVerifyVersionInfo((const RTL_OSVERSIONINFOEXW *)want, type, mask);

	if (status == STATUS_REVISION_MISMATCH)
		return fail(ERROR_OLD_WIN_VERSION);
	return status == STATUS_INVALID_PARAMETER ? fail(ERROR_BAD_ARGUMENTS) : succeed(status);
}

WINBOOL WINAPI VerifyVersionInfoA(LPOSVERSIONINFOEXA want, DWORD type, DWORDLONG mask)
{
	OSVERSIONINFOEXW w = {.dwOSVersionInfoSize = sizeof(w),
			      .dwMajorVersion = want->dwMajorVersion,
			      .dwMinorVersion = want->dwMinorVersion,
			      .dwBuildNumber = want->dwBuildNumber,
			      .dwPlatformId = want->dwPlatformId,
			      .wServicePackMajor = want->wServicePackMajor,
			      .wServicePackMinor = want->wServicePackMinor,
			      .wSuiteMask = want->wSuiteMask,
			      .wProductType = want->wProductType};

	return VerifyVersionInfoW(&w, type, mask);
}

WINBOOL WINAPI GetProductInfo(DWORD major, DWORD minor, DWORD sp, DWORD spminor, PDWORD type)
{
	return RtlGetProductInfo(major, minor, sp, spminor, type);
}

static const WCHAR computer_name[] = L"NTMM";

WINBOOL WINAPI GetComputerNameExW(COMPUTER_NAME_FORMAT kind, LPWSTR out, LPDWORD room)
{
	DWORD need = ARRAY_COUNT(computer_name);

	if (kind >= ComputerNameMax)
		return fail(ERROR_INVALID_PARAMETER);
	if (kind == ComputerNameDnsDomain || kind == ComputerNamePhysicalDnsDomain) {
		if (out && *room)
			*out = 0;
		*room = 0;
		return TRUE;
	}
	if (!out || *room < need) {
		*room = need;
		return fail(ERROR_MORE_DATA);
	}
	wcscpy(out, computer_name);
	*room = need - 1;
	return TRUE;
}

WINBOOL WINAPI GetComputerNameW(LPWSTR out, LPDWORD room)
{
	return GetComputerNameExW(ComputerNameNetBIOS, out, room) || fail(ERROR_BUFFER_OVERFLOW);
}

WINBOOL WINAPI GetComputerNameA(LPSTR out, LPDWORD room)
{
	DWORD need = ARRAY_COUNT(computer_name);

	if (!out || *room < need) {
		*room = need;
		return fail(ERROR_BUFFER_OVERFLOW);
	}
	*room = ansi_result(computer_name, need - 1, out, *room);
	return TRUE;
}

WINBOOL WINAPI GetComputerNameExA(COMPUTER_NAME_FORMAT kind, LPSTR out, LPDWORD room)
{
	WCHAR wide[16];
	DWORD n = ARRAY_COUNT(wide);

	if (!GetComputerNameExW(kind, wide, &n))
		return FALSE;
	if (!out || *room < n + 1) {
		*room = n + 1;
		return fail(ERROR_MORE_DATA);
	}
	*room = ansi_result(wide, n, out, *room);
	return TRUE;
}
