/*
 * Working set limits, what PSAPI and kernel32 count, memory resource notifications, mitigation
 * policies, offers through kernel32, the system's page lists.
 */
#include <string.h>
#include "tests/guest/vm.h"

#include <psapi.h> /* wants windows.h before it */

NTSYSAPI LONG NTAPI NtQuerySystemInformation(ULONG class, void *out, ULONG bytes, ULONG *returned);
NTSYSAPI LONG NTAPI NtSetSystemInformation(ULONG class, void *in, ULONG bytes);

#define MB (1ull << 20)

#define CHECK_FAILS(call, error)                 \
	do {                                     \
		SetLastError(0);                 \
		CHECK(!(call));                  \
		CHECK_EQ(GetLastError(), error); \
	} while (0)

static void limits(void)
{
	SIZE_T min = 0, max = 0;
	DWORD flags = 99;

	CHECK(GetProcessWorkingSetSize(SELF, &min, &max));
	CHECK_EQ(min, 50 * PAGE); /* documented defaults */
	CHECK_EQ(max, 345 * PAGE);
	CHECK(SetProcessWorkingSetSize(SELF, 100 * PAGE, 400 * PAGE));
	CHECK(GetProcessWorkingSetSizeEx(SELF, &min, &max, &flags));
	CHECK_EQ(min, 100 * PAGE);
	CHECK_EQ(max, 400 * PAGE);
	CHECK(!(flags & (QUOTA_LIMITS_HARDWS_MIN_ENABLE | QUOTA_LIMITS_HARDWS_MAX_ENABLE)));
	CHECK_FAILS(SetProcessWorkingSetSize(SELF, 400 * PAGE, 100 * PAGE),
		    ERROR_INVALID_PARAMETER);
	CHECK_FAILS(SetProcessWorkingSetSize(SELF, 0, 100 * PAGE), ERROR_INVALID_PARAMETER);
	CHECK_FAILS(SetProcessWorkingSetSizeEx(SELF, 100 * PAGE, 400 * PAGE,
					       QUOTA_LIMITS_HARDWS_MIN_ENABLE |
						   QUOTA_LIMITS_HARDWS_MIN_DISABLE),
		    ERROR_INVALID_PARAMETER);
	CHECK(SetProcessWorkingSetSize(SELF, PAGE, 400 * PAGE)); /* below 20 pages: 20 */
	CHECK(GetProcessWorkingSetSize(SELF, &min, &max));
	CHECK_EQ(min, 20 * PAGE);
	CHECK(SetProcessWorkingSetSizeEx(SELF, 60 * PAGE, 100 * PAGE,
					 QUOTA_LIMITS_HARDWS_MAX_ENABLE));
	CHECK(GetProcessWorkingSetSizeEx(SELF, &min, &max, &flags));
	CHECK(flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE);
	CHECK(SetProcessWorkingSetSizeEx(SELF, 60 * PAGE, 400 * PAGE,
					 QUOTA_LIMITS_HARDWS_MAX_DISABLE));
	CHECK_FAILS(SetProcessWorkingSetSize(NULL, 60 * PAGE, 400 * PAGE), ERROR_INVALID_HANDLE);
}

/* Counters that follow what is done. */
static void process_counters(void)
{
	PROCESS_MEMORY_COUNTERS_EX before = {.cb = sizeof(before)}, after = before;
	unsigned char *p;

	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&before, sizeof(before)));
	p = allocate(4 * MB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after, sizeof(after)));
	CHECK_EQ(after.PrivateUsage - before.PrivateUsage, 4 * MB); /* charged at the call */
	CHECK_EQ(after.PagefileUsage, after.PrivateUsage);
	CHECK(after.WorkingSetSize < before.WorkingSetSize + MB);
	memset(p, 1, 4 * MB);
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after, sizeof(after)));
	CHECK(after.PageFaultCount >= before.PageFaultCount + 1024);
	CHECK(after.WorkingSetSize >= 4 * MB && after.PeakWorkingSetSize >= after.WorkingSetSize);
	CHECK(after.PeakPagefileUsage >= after.PagefileUsage);
	CHECK(EmptyWorkingSet(SELF));
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after, sizeof(after)));
	CHECK(after.WorkingSetSize < 2 * MB);
	CHECK_EQ(p[12345], 1);
	CHECK(VirtualFree(p, 0, MEM_RELEASE));
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after, sizeof(after)));
	CHECK_EQ(after.PrivateUsage, before.PrivateUsage);
	CHECK(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after,
				   sizeof(PROCESS_MEMORY_COUNTERS)));
	CHECK_FAILS(GetProcessMemoryInfo(SELF, (PROCESS_MEMORY_COUNTERS *)&after, 71),
		    ERROR_INSUFFICIENT_BUFFER);
}

static void system_counters(void)
{
	PERFORMANCE_INFORMATION p = {.cb = sizeof(p)};
	MEMORYSTATUSEX m = {.dwLength = sizeof(m)};

	CHECK(GetPerformanceInfo(&p, sizeof(p)));
	CHECK_EQ(p.PageSize, PAGE);
	CHECK(p.CommitTotal && p.CommitTotal <= p.CommitPeak && p.CommitTotal < p.CommitLimit);
	CHECK(p.PhysicalAvailable < p.PhysicalTotal &&
	      p.KernelTotal == p.KernelPaged + p.KernelNonpaged);
	CHECK(p.ProcessCount >= 1 && p.ThreadCount >= 1 && p.HandleCount >= 1);
	CHECK_FAILS(GetPerformanceInfo(&p, sizeof(p) - 1), ERROR_BAD_LENGTH);
	CHECK(GlobalMemoryStatusEx(&m));
	CHECK(m.dwMemoryLoad <= 100 && m.ullAvailPhys <= m.ullTotalPhys);
	CHECK_EQ(m.ullTotalPageFile, p.CommitLimit * PAGE);
	CHECK_EQ(m.ullTotalVirtual, 0x7ffffffe0000ull);
	CHECK(m.ullAvailVirtual < m.ullTotalVirtual && !m.ullAvailExtendedVirtual);
	m.dwLength = sizeof(m) - 1;
	CHECK_FAILS(GlobalMemoryStatusEx(&m), ERROR_INVALID_PARAMETER);
	CHECK_EQ(GetLargePageMinimum(), LARGE);
}

static BOOL CALLBACK one_pagefile(void *context, ENUM_PAGE_FILE_INFORMATION *info, LPCSTR name)
{
	CHECK_EQ(info->cb, sizeof(*info));
	CHECK(info->TotalSize && info->TotalInUse <= info->TotalSize &&
	      info->PeakUsage >= info->TotalInUse);
	CHECK(name && *name);
	++*(ULONG *)context;
	return TRUE;
}

static void pagefiles_and_lists(void)
{
	struct { /* SYSTEM_MEMORY_LIST_INFORMATION */
		ULONG64 zero, free, modified, no_write, bad, standby[8], repurposed[8],
		    modified_pagefile;
	} lists = {0};
	ULONG n = 0, returned = 0, command = 2;

	CHECK(EnumPageFilesA(one_pagefile, &n));
	CHECK(n >= 1);
	CHECK_EQ(NtQuerySystemInformation(80, &lists, sizeof(lists), &returned), 0);
	CHECK(lists.zero + lists.free + lists.standby[5] > 0 && lists.bad == 0);
	CHECK(NtSetSystemInformation(80, &command, sizeof(command)) == 0 ||
	      NtSetSystemInformation(80, &command, sizeof(command)) == ST_PRIVILEGE_NOT_HELD);
}

static void notifications(void)
{
	HANDLE low = CreateMemoryResourceNotification(LowMemoryResourceNotification);
	HANDLE high = CreateMemoryResourceNotification(HighMemoryResourceNotification);
	BOOL is_low = 99, is_high = 99;

	CHECK(low && high);
	CHECK_FAILS(CreateMemoryResourceNotification(2), ERROR_INVALID_PARAMETER);
	CHECK(QueryMemoryResourceNotification(low, &is_low));
	CHECK(QueryMemoryResourceNotification(high, &is_high));
	CHECK(is_low == (WaitForSingleObject(low, 0) == WAIT_OBJECT_0));
	CHECK(is_high == (WaitForSingleObject(high, 0) == WAIT_OBJECT_0));
	CHECK(!(is_low && is_high));
	CloseHandle(low);
	CloseHandle(high);
}

static DWORD(WINAPI *offer)(PVOID, SIZE_T, ULONG), (WINAPI * reclaim)(PVOID, SIZE_T),
    (WINAPI * discard)(PVOID, SIZE_T);
static BOOL(WINAPI *prefetch)(HANDLE, ULONG_PTR, void *, ULONG);

static void offers(void)
{
	HMODULE k = GetModuleHandleA("kernel32.dll");
	unsigned char *p = allocate(16 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	ULONG64 range[2] = {(ULONG64)p, 16 * PAGE};
	DWORD r;

	offer = (void *)GetProcAddress(k, "OfferVirtualMemory");
	reclaim = (void *)GetProcAddress(k, "ReclaimVirtualMemory");
	discard = (void *)GetProcAddress(k, "DiscardVirtualMemory");
	prefetch = (void *)GetProcAddress(k, "PrefetchVirtualMemory");
	CHECK(offer && reclaim && discard && prefetch);
	memset(p, 9, 16 * PAGE);
	CHECK_EQ(offer(p, 16 * PAGE, 4), ERROR_SUCCESS);
	CHECK(!try_read(p) && fault.ExceptionCode == EXCEPTION_ACCESS_VIOLATION);
	CHECK(!try_write(p + 5 * PAGE));
	r = reclaim(p, 16 * PAGE);
	CHECK(r == ERROR_SUCCESS || r == ERROR_BUSY);
	CHECK(p[0] == (r ? p[0] : 9));
	CHECK_EQ(offer(p + 1, 16 * PAGE, 4), ERROR_INVALID_PARAMETER);
	CHECK_EQ(offer(p, 100, 4), ERROR_INVALID_PARAMETER);
	CHECK_EQ(offer(p, 16 * PAGE, 5), ERROR_INVALID_PARAMETER);
	CHECK_EQ(offer(p, 16 * PAGE, 0), ERROR_INVALID_PARAMETER);
	CHECK_EQ(discard(p, 4 * PAGE), ERROR_SUCCESS);
	CHECK(p[0] == 0 || p[0] == 9);
	CHECK_EQ(discard(p, 0), ERROR_INVALID_PARAMETER);
	CHECK(protect_pages(p, PAGE, PAGE_READONLY) == 0);
	CHECK(offer(p, 16 * PAGE, 1) != ERROR_SUCCESS); /* only what is read/write */
	CHECK(prefetch(SELF, 1, range, 0));
	CHECK_FAILS(prefetch(SELF, 0, range, 0), ERROR_INVALID_PARAMETER);
	CHECK_FAILS(prefetch(SELF, 1, NULL, 0), ERROR_NOACCESS);
	CHECK_EQ(release(p), 0);
}

/* The policies can be asked for; prohibited dynamic code is enforced and cannot be taken back. */
static void mitigations(void)
{
	BOOL(WINAPI * get)
	(HANDLE, ULONG, void *, SIZE_T) =
	    (void *)GetProcAddress(GetModuleHandleA("kernel32.dll"), "GetProcessMitigationPolicy");
	BOOL(WINAPI * set)
	(ULONG, void *, SIZE_T) =
	    (void *)GetProcAddress(GetModuleHandleA("kernel32.dll"), "SetProcessMitigationPolicy");
	unsigned char *code = allocate(PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_EXECUTE_READWRITE);
	struct {
		ULONG flags;
		BOOLEAN permanent;
	} dep = {0};
	ULONG v = 0, old;

	CHECK(get && set && code);
	CHECK(get(SELF, 0, &dep, sizeof(dep)));
	CHECK((dep.flags & 1) && dep.permanent); /* DEP is always on for 64-bit programs */
	CHECK(get(SELF, 1, &v, sizeof(v)));
	CHECK(get(SELF, 7, &v, sizeof(v)));
	CHECK_EQ(v & 1, 0); /* no control-flow guard */
	CHECK(!get(SELF, 99, &v, sizeof(v)));
	v = 1;
	CHECK(set(2, &v, sizeof(v)));
	CHECK(get(SELF, 2, &v, sizeof(v)) && v == 1);
	SetLastError(0);
	CHECK(!VirtualAlloc(NULL, PAGE, MEM_COMMIT, PAGE_EXECUTE_READ));
	CHECK_EQ(GetLastError(), 1655); /* ERROR_DYNAMIC_CODE_BLOCKED */
	CHECK(!VirtualProtect(code, PAGE, PAGE_EXECUTE_READWRITE, &old));
	v = 0;
	CHECK_FAILS(set(2, &v, sizeof(v)), ERROR_ACCESS_DENIED);
}

int main(void)
{
	probes_begin();
	limits();
	process_counters();
	system_counters();
	pagefiles_and_lists();
	notifications();
	offers();
	mitigations();
	return checks_end();
}
