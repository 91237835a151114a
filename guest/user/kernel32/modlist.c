/*
 * The modules of any process, in the order they were loaded in: of this one by the loader, of
 * another by its PEB's lists, which are read as they are at that moment. A list that changes under
 * the reader may end early; it is never followed for longer than MOST entries.
 */
#include "guest/user/kernel32/k32.h"

#define MOST 4096

static BOOL read(HANDLE process, const void *at, void *to, SIZE_T bytes)
{
	return succeed(NtReadVirtualMemory(process, (PVOID)at, to, bytes, NULL));
}

static void read_text(HANDLE process, const UNICODE_STRING *s, WCHAR *to, SIZE_T room)
{
	SIZE_T n = min(s->Length / sizeof(WCHAR), room - 1);

	if (!NT_SUCCESS(NtReadVirtualMemory(process, s->Buffer, to, n * sizeof(WCHAR), NULL)))
		n = 0;
	to[n] = 0;
}

struct own_walk {
	module_visit *visit;
	PVOID context;
};

static VOID NTAPI own_module(PLDR_DATA_TABLE_ENTRY e, PVOID arg, BOOLEAN *stop)
{
	struct own_walk *w = arg;
	struct module_note m = {e->DllBase, e->EntryPoint, e->SizeOfImage, L"", L""};

	read_text(NtCurrentProcess(), &e->BaseDllName, m.name, ARRAY_COUNT(m.name));
	read_text(NtCurrentProcess(), &e->FullDllName, m.path, ARRAY_COUNT(m.path));
	*stop = (BOOLEAN)w->visit(&m, w->context);
}

BOOL walk_modules(HANDLE process, module_visit *visit, PVOID context)
{
	PROCESS_BASIC_INFORMATION basic;
	struct own_walk own = {visit, context};
	LDR_DATA_TABLE_ENTRY e;
	PEB_LDR_DATA list;
	PEB peb;
	const void *head;

	if (!succeed(NtQueryInformationProcess(process, ProcessBasicInformation, &basic,
					       sizeof(basic), NULL)))
		return FALSE;
	if ((DWORD)basic.UniqueProcessId == GetCurrentProcessId()) {
		LdrEnumerateLoadedModules(0, own_module, &own);
		return TRUE;
	}
	if (!read(process, basic.PebBaseAddress, &peb, sizeof(peb)))
		return FALSE;
	if (!peb.Ldr || !read(process, peb.Ldr, &list, sizeof(list)))
		return fail(ERROR_PARTIAL_COPY); /* it has not got so far */
	head = (const char *)peb.Ldr + offsetof(PEB_LDR_DATA, InLoadOrderModuleList);
	for (int i = 0; i < MOST && list.InLoadOrderModuleList.Flink != head; i++) {
		struct module_note m = {0};

		if (!read(process,
			  CONTAINING_RECORD(list.InLoadOrderModuleList.Flink, LDR_DATA_TABLE_ENTRY,
					    InLoadOrderLinks),
			  &e, sizeof(e)))
			break;
		m.base = e.DllBase;
		m.entry = e.EntryPoint;
		m.size = e.SizeOfImage;
		read_text(process, &e.BaseDllName, m.name, ARRAY_COUNT(m.name));
		read_text(process, &e.FullDllName, m.path, ARRAY_COUNT(m.path));
		if (visit(&m, context))
			break;
		list.InLoadOrderModuleList.Flink = e.InLoadOrderLinks.Flink;
	}
	return TRUE;
}
