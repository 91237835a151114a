/*
 * The Virtual functions: thin forms of the Nt calls, with what Win32 adds: checks of its own, and
 * the last error.
 */
#include "guest/user/kernel32/k32.h"

#define LOWEST_ADDRESS 0x10000

LPVOID WINAPI VirtualAllocEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type, DWORD protect)
{
	PVOID base = address;

	if (address && (ULONG_PTR)address < LOWEST_ADDRESS && (type & MEM_RESERVE)) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	/* MEM_*_PLACEHOLDER bits are for VirtualAlloc2: the Nt call refuses them itself. */
	return succeed(NtAllocateVirtualMemory(process, &base, 0, &size, type, protect)) ? base
											 : NULL;
}

LPVOID WINAPI VirtualAlloc(LPVOID address, SIZE_T size, DWORD type, DWORD protect)
{
	return VirtualAllocEx(NtCurrentProcess(), address, size, type, protect);
}

LPVOID WINAPI VirtualAllocExNuma(HANDLE process, LPVOID address, SIZE_T size, DWORD type,
				 DWORD protect, DWORD node)
{
	if (node != 0 && node != NUMA_NO_PREFERRED_NODE) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	return VirtualAllocEx(process, address, size, type, protect);
}

PVOID WINAPI VirtualAlloc2(HANDLE process, PVOID address, SIZE_T size, ULONG type, ULONG protect,
			   MEM_EXTENDED_PARAMETER *parameters, ULONG count)
{
	PVOID base = address;

	if (!process)
		process = NtCurrentProcess();
	return succeed(NtAllocateVirtualMemoryEx(process, &base, &size, type, protect, parameters,
						 count))
		   ? base
		   : NULL;
}

PVOID WINAPI VirtualAllocFromApp(PVOID address, SIZE_T size, ULONG type, ULONG protect)
{
	if (protect & (PAGE_EXECUTE | PAGE_EXECUTE_READ | PAGE_EXECUTE_READWRITE)) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	return VirtualAlloc(address, size, type, protect);
}

PVOID WINAPI VirtualAlloc2FromApp(HANDLE process, PVOID address, SIZE_T size, ULONG type,
				  ULONG protect, MEM_EXTENDED_PARAMETER *parameters, ULONG count)
{
	return VirtualAlloc2(process, address, size, type, protect, parameters, count);
}

WINBOOL WINAPI VirtualFreeEx(HANDLE process, LPVOID address, SIZE_T size, DWORD type)
{
	/* MEM_RELEASE takes a whole region, except where a placeholder is cut or kept. */
	if (type == MEM_RELEASE && size)
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(NtFreeVirtualMemory(process, &address, &size, type));
}

WINBOOL WINAPI VirtualFree(LPVOID address, SIZE_T size, DWORD type)
{
	return VirtualFreeEx(NtCurrentProcess(), address, size, type);
}

WINBOOL WINAPI VirtualProtectEx(HANDLE process, LPVOID address, SIZE_T size, DWORD protect,
				PDWORD old)
{
	return succeed(NtProtectVirtualMemory(process, &address, &size, protect, old));
}

WINBOOL WINAPI VirtualProtect(LPVOID address, SIZE_T size, DWORD protect, PDWORD old)
{
	return VirtualProtectEx(NtCurrentProcess(), address, size, protect, old);
}

WINBOOL WINAPI VirtualProtectFromApp(PVOID address, SIZE_T size, ULONG protect, PULONG old)
{
	return VirtualProtect(address, size, protect, old);
}

SIZE_T WINAPI VirtualQueryEx(HANDLE process, LPCVOID address, PMEMORY_BASIC_INFORMATION out,
			     SIZE_T length)
{
	SIZE_T got = 0;

	if (!succeed(
		NtQueryVirtualMemory(process, address, MemoryBasicInformation, out, length, &got)))
		return 0;
	return got;
}

SIZE_T WINAPI VirtualQuery(LPCVOID address, PMEMORY_BASIC_INFORMATION out, SIZE_T length)
{
	return VirtualQueryEx(NtCurrentProcess(), address, out, length);
}

WINBOOL WINAPI QueryVirtualMemoryInformation(HANDLE process, const VOID *address,
					     WIN32_MEMORY_INFORMATION_CLASS cls, PVOID out,
					     SIZE_T size, PSIZE_T returned)
{
	if (cls != MemoryRegionInfo)
		return fail(ERROR_INVALID_PARAMETER);
	return succeed(
	    NtQueryVirtualMemory(process, address, MemoryRegionInformation, out, size, returned));
}

WINBOOL WINAPI VirtualLock(LPVOID address, SIZE_T size)
{
	return succeed(NtLockVirtualMemory(NtCurrentProcess(), &address, &size, 1));
}

WINBOOL WINAPI VirtualUnlock(LPVOID address, SIZE_T size)
{
	return succeed(NtUnlockVirtualMemory(NtCurrentProcess(), &address, &size, 1));
}

WINBOOL WINAPI VirtualUnlockEx(HANDLE process, LPVOID address, SIZE_T size)
{
	if (!process)
		process = NtCurrentProcess();
	return succeed(NtUnlockVirtualMemory(process, &address, &size, 1));
}

WINBOOL WINAPI ReadProcessMemory(HANDLE process, LPCVOID from, LPVOID to, SIZE_T size, SIZE_T *done)
{
	return succeed(NtReadVirtualMemory(process, from, to, size, done));
}

/*
 * Code may be written by debuggers: an executable range without write access is made writable for
 * the time, and the instruction cache is flushed. Read-only data stays read-only.
 */
WINBOOL WINAPI WriteProcessMemory(HANDLE process, LPVOID to, LPCVOID from, SIZE_T size,
				  SIZE_T *done)
{
	MEMORY_BASIC_INFORMATION info;
	SIZE_T count = 0, length = size;
	PVOID base = to;
	ULONG old = 0, was;
	NTSTATUS status;

	status =
	    NtQueryVirtualMemory(process, to, MemoryBasicInformation, &info, sizeof(info), NULL);
	if (NT_SUCCESS(status) && info.State == MEM_COMMIT) {
		ULONG protect = info.Protect & 0xff;
		SIZE_T rest = (char *)info.BaseAddress + info.RegionSize - (char *)to;

		if (protect == PAGE_READONLY || protect == PAGE_NOACCESS)
			return fail(ERROR_NOACCESS);
		if ((protect == PAGE_EXECUTE || protect == PAGE_EXECUTE_READ) && size <= rest &&
		    !NT_SUCCESS(NtProtectVirtualMemory(process, &base, &length,
						       PAGE_EXECUTE_READWRITE, &old)))
			old = 0;
	}
	status = NtWriteVirtualMemory(process, to, from, size, &count);
	if (old) {
		NtProtectVirtualMemory(process, &base, &length, old, &was);
		NtFlushInstructionCache(process, to, size);
	}
	if (done)
		*done = count;
	return succeed(status);
}

WINBOOL WINAPI FlushInstructionCache(HANDLE process, LPCVOID address, SIZE_T size)
{
	return succeed(NtFlushInstructionCache(process, address, size));
}

VOID WINAPI FlushProcessWriteBuffers(void)
{
	NtFlushProcessWriteBuffers();
}

UINT WINAPI GetWriteWatch(DWORD flags, PVOID base, SIZE_T size, PVOID *addresses, ULONG_PTR *count,
			  LPDWORD granularity)
{
	return succeed(NtGetWriteWatch(NtCurrentProcess(), flags, base, size, addresses, count,
				       granularity))
		   ? 0
		   : ~0u;
}

UINT WINAPI ResetWriteWatch(LPVOID base, SIZE_T size)
{
	return succeed(NtResetWriteWatch(NtCurrentProcess(), base, size)) ? 0 : ~0u;
}

SIZE_T WINAPI GetLargePageMinimum(void)
{
	return 0x200000;
}

/* --- physical pages (AWE) --- */

WINBOOL WINAPI AllocateUserPhysicalPages(HANDLE process, PULONG_PTR count, PULONG_PTR pages)
{
	return succeed(NtAllocateUserPhysicalPages(process, count, pages));
}

WINBOOL WINAPI AllocateUserPhysicalPagesNuma(HANDLE process, PULONG_PTR count, PULONG_PTR pages,
					     DWORD node)
{
	if (node != 0 && node != NUMA_NO_PREFERRED_NODE)
		return fail(ERROR_INVALID_PARAMETER);
	return AllocateUserPhysicalPages(process, count, pages);
}

WINBOOL WINAPI FreeUserPhysicalPages(HANDLE process, PULONG_PTR count, PULONG_PTR pages)
{
	return succeed(NtFreeUserPhysicalPages(process, count, pages));
}

WINBOOL WINAPI MapUserPhysicalPages(PVOID address, ULONG_PTR count, PULONG_PTR pages)
{
	return succeed(NtMapUserPhysicalPages(address, count, pages));
}

WINBOOL WINAPI MapUserPhysicalPagesScatter(PVOID *addresses, ULONG_PTR count, PULONG_PTR pages)
{
	return succeed(NtMapUserPhysicalPagesScatter(addresses, count, pages));
}

/* --- advice --- */

WINBOOL WINAPI PrefetchVirtualMemory(HANDLE process, ULONG_PTR count,
				     PWIN32_MEMORY_RANGE_ENTRY ranges, ULONG flags)
{
	return succeed(NtSetInformationVirtualMemory(process, VmPrefetchInformation_, count, ranges,
						     &flags, sizeof(flags)));
}

static BOOL whole_pages(const void *address, SIZE_T size)
{
	return size && !(((ULONG_PTR)address | size) & (PAGE_SIZE - 1));
}

DWORD WINAPI OfferVirtualMemory(PVOID address, SIZE_T size, OFFER_PRIORITY priority)
{
	NT_MEMORY_RANGE_ENTRY range = {address, size};
	ULONG value = priority;

	if (!whole_pages(address, size) || priority < VmOfferPriorityVeryLow ||
	    priority > VmOfferPriorityNormal)
		return ERROR_INVALID_PARAMETER;
	return RtlNtStatusToDosError(NtSetInformationVirtualMemory(
	    NtCurrentProcess(), VmPagePriorityInformation_, 1, &range, &value, sizeof(value)));
}

/* ERROR_BUSY: usable again, but some of the contents are gone. */
DWORD WINAPI ReclaimVirtualMemory(PVOID address, SIZE_T size)
{
	PVOID base = address;

	if (!whole_pages(address, size))
		return ERROR_INVALID_PARAMETER;
	return RtlNtStatusToDosError(NtAllocateVirtualMemory(NtCurrentProcess(), &base, 0, &size,
							     MEM_RESET_UNDO, PAGE_NOACCESS));
}

/* Offering with priority 0 gives the contents up at once. */
DWORD WINAPI DiscardVirtualMemory(PVOID address, SIZE_T size)
{
	NT_MEMORY_RANGE_ENTRY range = {address, size};
	ULONG value = 0;

	if (!whole_pages(address, size))
		return ERROR_INVALID_PARAMETER;
	return RtlNtStatusToDosError(NtSetInformationVirtualMemory(
	    NtCurrentProcess(), VmPagePriorityInformation_, 1, &range, &value, sizeof(value)));
}

struct call_targets {
	ULONG count;
	ULONG reserved;
	PULONG done;
	PCFG_CALL_TARGET_INFO targets;
	PVOID section;
	ULONGLONG offset;
};

WINBOOL WINAPI SetProcessValidCallTargets(HANDLE process, PVOID address, SIZE_T size, ULONG count,
					  PCFG_CALL_TARGET_INFO targets)
{
	NT_MEMORY_RANGE_ENTRY range = {address, size};
	ULONG done = 0;
	struct call_targets info = {count, 0, &done, targets, NULL, 0};

	return succeed(NtSetInformationVirtualMemory(process, VmCfgCallTargetInformation_, 1,
						     &range, &info, sizeof(info)));
}

/* --- pointers that may be bad: documented to probe, at least one byte of each page --- */

static BOOL bad_range(const void *p, UINT_PTR size, BOOL write)
{
	ULONG_PTR first = (ULONG_PTR)p, last = first + size - 1;

	if (!size)
		return FALSE;
	if (!p || last < first)
		return TRUE;
	for (ULONG_PTR a = first;; a = (a | (PAGE_SIZE - 1)) + 1) {
		if (!NtmmTouch((void *)min(a, last), write))
			return TRUE;
		if ((a | (PAGE_SIZE - 1)) >= last)
			return FALSE;
	}
}

WINBOOL WINAPI IsBadReadPtr(const VOID *p, UINT_PTR size)
{
	return bad_range(p, size, FALSE);
}

WINBOOL WINAPI IsBadHugeReadPtr(const VOID *p, UINT_PTR size)
{
	return bad_range(p, size, FALSE);
}

WINBOOL WINAPI IsBadWritePtr(LPVOID p, UINT_PTR size)
{
	return bad_range(p, size, TRUE);
}

WINBOOL WINAPI IsBadHugeWritePtr(LPVOID p, UINT_PTR size)
{
	return bad_range(p, size, TRUE);
}

WINBOOL WINAPI IsBadCodePtr(FARPROC p)
{
	return bad_range((const void *)p, 1, FALSE);
}

WINBOOL WINAPI IsBadStringPtrA(LPCSTR p, UINT_PTR max)
{
	if (!max)
		return FALSE;
	if (!p)
		return TRUE;
	for (UINT_PTR i = 0; i < max; i++) {
		if ((i == 0 || !((ULONG_PTR)(p + i) & (PAGE_SIZE - 1))) && !NtmmTouch(p + i, FALSE))
			return TRUE;
		if (!p[i])
			break;
	}
	return FALSE;
}

WINBOOL WINAPI IsBadStringPtrW(LPCWSTR p, UINT_PTR max)
{
	if (!max)
		return FALSE;
	if (!p)
		return TRUE;
	for (UINT_PTR i = 0; i < max; i++) {
		const char *b = (const char *)(p + i);

		if (!NtmmTouch(b, FALSE) ||
		    (((ULONG_PTR)b & (PAGE_SIZE - 1)) == PAGE_SIZE - 1 && !NtmmTouch(b + 1, FALSE)))
			return TRUE;
		if (!p[i])
			break;
	}
	return FALSE;
}
