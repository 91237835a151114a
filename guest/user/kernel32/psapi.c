/*
 * Process status (PSAPI): working sets, memory counters, lists of processes, modules and pagefiles.
 * psapi.dll forwards here.
 */
#include "guest/user/kernel32/k32.h"
#include <psapi.h>

WINBOOL WINAPI K32EmptyWorkingSet(HANDLE h)
{
	return SetProcessWorkingSetSize(h, (SIZE_T)-1, (SIZE_T)-1);
}

WINBOOL WINAPI K32QueryWorkingSet(HANDLE h, PVOID out, DWORD size)
{
	return succeed(NtQueryVirtualMemory(h, NULL, MemoryWorkingSetInformation, out, size, NULL));
}

WINBOOL WINAPI K32QueryWorkingSetEx(HANDLE h, PVOID out, DWORD size)
{
	return succeed(
	    NtQueryVirtualMemory(h, NULL, MemoryWorkingSetExInformation, out, size, NULL));
}

WINBOOL WINAPI K32GetProcessMemoryInfo(HANDLE h, PPROCESS_MEMORY_COUNTERS out, DWORD size)
{
	VM_COUNTERS_EX2 vm = {0};
	PROCESS_MEMORY_COUNTERS_EX pmc;

	if (size < sizeof(*out))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	if (!NT_SUCCESS(NtQueryInformationProcess(h, ProcessVmCounters, &vm, sizeof(vm), NULL)) &&
	    !succeed(
		NtQueryInformationProcess(h, ProcessVmCounters, &vm, VM_COUNTERS_EX_SIZE, NULL)))
		return FALSE;
	pmc.cb = size >= sizeof(pmc) ? sizeof(pmc) : sizeof(*out);
	pmc.PageFaultCount = vm.PageFaultCount;
	pmc.PeakWorkingSetSize = vm.PeakWorkingSetSize;
	pmc.WorkingSetSize = vm.WorkingSetSize;
	pmc.QuotaPeakPagedPoolUsage = vm.QuotaPeakPagedPoolUsage;
	pmc.QuotaPagedPoolUsage = vm.QuotaPagedPoolUsage;
	pmc.QuotaPeakNonPagedPoolUsage = vm.QuotaPeakNonPagedPoolUsage;
	pmc.QuotaNonPagedPoolUsage = vm.QuotaNonPagedPoolUsage;
	pmc.PagefileUsage = vm.PagefileUsage;
	pmc.PeakPagefileUsage = vm.PeakPagefileUsage;
	pmc.PrivateUsage = vm.PrivateUsage;
	memcpy(out, &pmc, pmc.cb);
	if (size >= sizeof(pmc) + 2 * sizeof(SIZE_T)) { /* the EX2 form */
		SIZE_T *more = (SIZE_T *)((char *)out + sizeof(pmc));

		more[0] = vm.PrivateWorkingSetSize;
		more[1] = vm.SharedCommitUsage;
		out->cb = sizeof(pmc) + 2 * sizeof(SIZE_T);
	}
	return TRUE;
}

/* The whole list of processes; heap_delete it. */
static SYSTEM_PROCESS_INFORMATION *process_list(void)
{
	ULONG size = 0x10000;

	for (;; size *= 2) {
		void *list = heap_new(size);
		NTSTATUS status;

		if (!list) {
			fail(ERROR_NOT_ENOUGH_MEMORY);
			return NULL;
		}
		status = NtQuerySystemInformation(SystemProcessInformation, list, size, NULL);
		if (NT_SUCCESS(status))
			return list;
		heap_delete(list);
		if (status != STATUS_INFO_LENGTH_MISMATCH || size > 0x1000000) {
			succeed(status);
			return NULL;
		}
	}
}

static SYSTEM_PROCESS_INFORMATION *next_process(SYSTEM_PROCESS_INFORMATION *p)
{
	return p->NextEntryOffset ? (SYSTEM_PROCESS_INFORMATION *)((char *)p + p->NextEntryOffset)
				  : NULL;
}

WINBOOL WINAPI K32EnumProcesses(DWORD *ids, DWORD size, DWORD *got)
{
	SYSTEM_PROCESS_INFORMATION *list = process_list();
	DWORD n = 0;

	if (!list)
		return FALSE;
	for (SYSTEM_PROCESS_INFORMATION *p = list; p && (n + 1) * sizeof(*ids) <= size;
	     p = next_process(p))
		ids[n++] = (DWORD)(ULONG_PTR)p->UniqueProcessId;
	heap_delete(list);
	*got = n * sizeof(*ids);
	return TRUE;
}

WINBOOL WINAPI K32GetPerformanceInfo(PPERFORMANCE_INFORMATION out, DWORD size)
{
	SYSTEM_BASIC_INFORMATION b;
	SYSTEM_PERFORMANCE_INFORMATION p;
	SYSTEM_PROCESS_INFORMATION *list;

	if (size < sizeof(*out))
		return fail(ERROR_BAD_LENGTH);
	if (!system_memory(&b, &p))
		return FALSE;
	memset(out, 0, sizeof(*out));
	out->cb = sizeof(*out);
	out->CommitTotal = p.CommittedPages;
	out->CommitLimit = p.CommitLimit;
	out->CommitPeak = p.PeakCommitment;
	out->PhysicalTotal = b.NumberOfPhysicalPages;
	out->PhysicalAvailable = p.AvailablePages;
	out->SystemCache = p.ResidentSystemCachePage;
	out->KernelPaged = p.PagedPoolPages;
	out->KernelNonpaged = p.NonPagedPoolPages;
	out->KernelTotal = out->KernelPaged + out->KernelNonpaged;
	out->PageSize = b.PageSize;
	list = process_list();
	for (SYSTEM_PROCESS_INFORMATION *i = list; i; i = next_process(i)) {
		out->HandleCount += i->HandleCount;
		out->ThreadCount += i->NumberOfThreads;
		out->ProcessCount++;
	}
	heap_delete(list);
	return TRUE;
}

WINBOOL WINAPI K32EnumPageFilesW(PENUM_PAGE_FILE_CALLBACKW callback, LPVOID context)
{
	_Alignas(8) char buffer[4096];
	SYSTEM_PAGEFILE_INFORMATION *p = (SYSTEM_PAGEFILE_INFORMATION *)buffer;
	ULONG got = 0;

	if (!succeed(
		NtQuerySystemInformation(SystemPageFileInformation, buffer, sizeof(buffer), &got)))
		return FALSE;
	while (got) {
		ENUM_PAGE_FILE_INFORMATION info = {.cb = sizeof(info),
						   .TotalSize = p->TotalSize,
						   .TotalInUse = p->TotalInUse,
						   .PeakUsage = p->PeakUsage};
		WCHAR name[MAX_PATH];
		SIZE_T n = min(p->PageFileName.Length / sizeof(WCHAR), MAX_PATH - 1);

		memcpy(name, p->PageFileName.Buffer, n * sizeof(WCHAR));
		name[n] = 0;
		if (!callback(context, &info, name) || !p->NextEntryOffset)
			break;
		p = (SYSTEM_PAGEFILE_INFORMATION *)((char *)p + p->NextEntryOffset);
	}
	return TRUE;
}

struct narrow_callback {
	PENUM_PAGE_FILE_CALLBACKA callback;
	LPVOID context;
};

static WINBOOL CALLBACK narrow_page_file(LPVOID arg, PENUM_PAGE_FILE_INFORMATION info, LPCWSTR name)
{
	struct narrow_callback *c = arg;
	char narrow[MAX_PATH];

	ansi_result(name, wcslen(name), narrow, MAX_PATH);
	return c->callback(c->context, info, narrow);
}

WINBOOL WINAPI K32EnumPageFilesA(PENUM_PAGE_FILE_CALLBACKA callback, LPVOID context)
{
	struct narrow_callback c = {callback, context};

	return K32EnumPageFilesW(narrow_page_file, &c);
}

DWORD WINAPI K32GetMappedFileNameW(HANDLE h, LPVOID address, LPWSTR out, DWORD room)
{
	struct {
		UNICODE_STRING name;
		WCHAR text[520];
	} info;
	DWORD n;

	if (!succeed(NtQueryVirtualMemory(h, address, MemoryMappedFilenameInformation, &info,
					  sizeof(info), NULL)))
		return 0;
	n = info.name.Length / sizeof(WCHAR);
	if (n >= room) {
		fail(ERROR_INSUFFICIENT_BUFFER);
		n = room ? room - 1 : 0;
	}
	memcpy(out, info.name.Buffer, n * sizeof(WCHAR));
	if (room)
		out[n] = 0;
	return n;
}

DWORD WINAPI K32GetMappedFileNameA(HANDLE h, LPVOID address, LPSTR out, DWORD room)
{
	WCHAR wide[520];
	DWORD n = K32GetMappedFileNameW(h, address, wide, ARRAY_COUNT(wide));

	return n ? ansi_result(wide, n, out, room) : 0;
}

DWORD WINAPI K32GetProcessImageFileNameW(HANDLE h, LPWSTR out, DWORD room)
{
	DWORD n = room;

	return QueryFullProcessImageNameW(h, PROCESS_NAME_NATIVE, out, &n) ? n : 0;
}

DWORD WINAPI K32GetProcessImageFileNameA(HANDLE h, LPSTR out, DWORD room)
{
	DWORD n = room;

	return QueryFullProcessImageNameA(h, PROCESS_NAME_NATIVE, out, &n) ? n : 0;
}

/* --- modules of a process --- */

struct module_walk {
	HMODULE *out;
	DWORD room, count;
};

static BOOL note_module(const struct module_note *m, PVOID context)
{
	struct module_walk *w = context;

	if (w->count < w->room)
		w->out[w->count] = m->base;
	w->count++;
	return FALSE;
}

WINBOOL WINAPI K32EnumProcessModules(HANDLE h, HMODULE *out, DWORD size, LPDWORD got)
{
	struct module_walk w = {out, size / sizeof(*out), 0};

	if (!walk_modules(h, note_module, &w))
		return FALSE;
	*got = w.count * sizeof(*out);
	return TRUE;
}

WINBOOL WINAPI K32EnumProcessModulesEx(HANDLE h, HMODULE *out, DWORD size, LPDWORD got,
				       DWORD filter)
{
	(void)filter;
	return K32EnumProcessModules(h, out, size, got);
}

struct module_wanted {
	HMODULE m; /* NULL: the first, which is the program */
	BOOL found;
	struct module_note note;
};

static BOOL is_wanted(const struct module_note *m, PVOID context)
{
	struct module_wanted *w = context;

	if (w->m && m->base != (PVOID)w->m)
		return FALSE;
	w->note = *m;
	w->found = TRUE;
	return TRUE;
}

static BOOL find_module(HANDLE h, HMODULE m, struct module_wanted *w)
{
	w->m = m;
	w->found = FALSE;
	return walk_modules(h, is_wanted, w) && (w->found || fail(ERROR_INVALID_HANDLE));
}

WINBOOL WINAPI K32GetModuleInformation(HANDLE h, HMODULE m, LPMODULEINFO info, DWORD size)
{
	struct module_wanted w;

	if (size < sizeof(*info))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	if (!find_module(h, m, &w))
		return FALSE;
	info->lpBaseOfDll = w.note.base;
	info->SizeOfImage = w.note.size;
	info->EntryPoint = w.note.entry;
	return TRUE;
}

/* As much as there is room for, terminated; its length. */
static DWORD give_name(LPCWSTR name, LPWSTR out, DWORD room)
{
	DWORD n = min((DWORD)wcslen(name), room ? room - 1 : 0);

	memcpy(out, name, n * sizeof(WCHAR));
	if (room)
		out[n] = 0;
	return n;
}

DWORD WINAPI K32GetModuleBaseNameW(HANDLE h, HMODULE m, LPWSTR out, DWORD room)
{
	struct module_wanted w;

	return find_module(h, m, &w) ? give_name(w.note.name, out, room) : 0;
}

DWORD WINAPI K32GetModuleFileNameExW(HANDLE h, HMODULE m, LPWSTR out, DWORD room)
{
	struct module_wanted w;

	return find_module(h, m, &w) ? give_name(w.note.path, out, room) : 0;
}

DWORD WINAPI K32GetModuleBaseNameA(HANDLE h, HMODULE m, LPSTR out, DWORD room)
{
	WCHAR wide[MAX_PATH];
	DWORD n = K32GetModuleBaseNameW(h, m, wide, MAX_PATH);

	return n ? ansi_result(wide, n, out, room) : 0;
}

DWORD WINAPI K32GetModuleFileNameExA(HANDLE h, HMODULE m, LPSTR out, DWORD room)
{
	WCHAR wide[520];
	DWORD n = K32GetModuleFileNameExW(h, m, wide, ARRAY_COUNT(wide));

	return n ? ansi_result(wide, n, out, room) : 0;
}
