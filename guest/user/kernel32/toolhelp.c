/*
 * Toolhelp: snapshots of processes, threads and the modules of a process.
 */
#include "guest/user/kernel32/k32.h"
#include <tlhelp32.h>

struct snapshot_header {
	DWORD processes, threads, modules;
	DWORD next_process, next_thread, next_module;
};

/*
 * The snapshot is put into a section, as on Windows, so that its handle is a real one: header,
 * process entries, thread entries, module entries.
 */
static BOOL write_snapshot(HANDLE section, const struct snapshot_header *h,
			   const PROCESSENTRY32W *p, const THREADENTRY32 *t,
			   const MODULEENTRY32W *m)
{
	char *view = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0), *at = view;

	if (!view)
		return FALSE;
	memcpy(at, h, sizeof(*h));
	at += sizeof(*h);
	memcpy(at, p, h->processes * sizeof(*p));
	at += h->processes * sizeof(*p);
	memcpy(at, t, h->threads * sizeof(*t));
	at += h->threads * sizeof(*t);
	memcpy(at, m, h->modules * sizeof(*m));
	return UnmapViewOfFile(view);
}

struct module_list {
	MODULEENTRY32W *entries;
	DWORD count, room, process;
};

static BOOL add_module_entry(const struct module_note *note, PVOID context)
{
	struct module_list *l = context;
	MODULEENTRY32W *m = &l->entries[l->count];

	if (l->count == l->room)
		return TRUE;
	memset(m, 0, sizeof(*m));
	m->dwSize = sizeof(*m);
	m->th32ModuleID = 1;
	m->th32ProcessID = l->process;
	m->GlblcntUsage = m->ProccntUsage = 0xffff;
	m->modBaseAddr = note->base;
	m->modBaseSize = note->size;
	m->hModule = note->base;
	wcsncpy(m->szModule, note->name, MAX_MODULE_NAME32);
	wcsncpy(m->szExePath, note->path, MAX_PATH - 1);
	l->count++;
	return FALSE;
}

static BOOL list_modules(struct module_list *l, DWORD id)
{
	HANDLE h = OpenProcess(PROCESS_QUERY_INFORMATION | PROCESS_VM_READ, FALSE, id);
	BOOL ok;

	if (!h)
		return FALSE;
	l->process = id;
	ok = walk_modules(h, add_module_entry, l);
	NtClose(h);
	return ok;
}

HANDLE WINAPI CreateToolhelp32Snapshot(DWORD flags, DWORD id)
{
	enum { MAX_ENTRIES = 256 };
	struct snapshot_header h = {0};
	PROCESSENTRY32W *p = NULL;
	THREADENTRY32 *t = NULL;
	struct module_list l = {NULL, 0, MAX_ENTRIES, 0};
	char *list = NULL;
	HANDLE section = NULL;
	SIZE_T size;

	p = heap_new(MAX_ENTRIES * sizeof(*p));
	t = heap_new(4 * MAX_ENTRIES * sizeof(*t));
	l.entries = heap_new(MAX_ENTRIES * sizeof(MODULEENTRY32W));
	list = heap_new(0x40000);
	if (!p || !t || !l.entries || !list) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		goto out;
	}
	if ((flags & (TH32CS_SNAPPROCESS | TH32CS_SNAPTHREAD)) &&
	    succeed(NtQuerySystemInformation(SystemProcessInformation, list, 0x40000, NULL))) {
		SYSTEM_PROCESS_INFORMATION *i = (SYSTEM_PROCESS_INFORMATION *)list;

		for (;; i = (SYSTEM_PROCESS_INFORMATION *)((char *)i + i->NextEntryOffset)) {
			if ((flags & TH32CS_SNAPPROCESS) && h.processes < MAX_ENTRIES) {
				PROCESSENTRY32W *e = &p[h.processes++];

				memset(e, 0, sizeof(*e));
				e->dwSize = sizeof(*e);
				e->th32ProcessID = (DWORD)(ULONG_PTR)i->UniqueProcessId;
				e->th32ParentProcessID =
				    (DWORD)(ULONG_PTR)i->InheritedFromUniqueProcessId;
				e->cntThreads = i->NumberOfThreads;
				e->pcPriClassBase = i->BasePriority;
				wcsncpy(e->szExeFile,
					i->ImageName.Buffer ? i->ImageName.Buffer : L"",
					min(i->ImageName.Length / sizeof(WCHAR), MAX_PATH - 1));
			}
			for (ULONG k = 0; (flags & TH32CS_SNAPTHREAD) && k < i->NumberOfThreads &&
					  h.threads < 4 * MAX_ENTRIES;
			     k++) {
				THREADENTRY32 *e = &t[h.threads++];

				memset(e, 0, sizeof(*e));
				e->dwSize = sizeof(*e);
				e->th32ThreadID =
				    (DWORD)(ULONG_PTR)i->Threads[k].ClientId.UniqueThread;
				e->th32OwnerProcessID = (DWORD)(ULONG_PTR)i->UniqueProcessId;
				e->tpBasePri = i->Threads[k].BasePriority;
			}
			if (!i->NextEntryOffset)
				break;
		}
	}
	if ((flags & (TH32CS_SNAPMODULE | TH32CS_SNAPMODULE32)) &&
	    !list_modules(&l, id ? id : GetCurrentProcessId()))
		goto out;
	h.modules = l.count;
	size = sizeof(h) + h.processes * sizeof(*p) + h.threads * sizeof(*t) +
	       h.modules * sizeof(MODULEENTRY32W);
	section =
	    CreateFileMappingW(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, (DWORD)size, NULL);
	if (section && !write_snapshot(section, &h, p, t, l.entries)) {
		NtClose(section);
		section = NULL;
	}
out:
	heap_delete(p);
	heap_delete(t);
	heap_delete(l.entries);
	heap_delete(list);
	return section ? section : INVALID_HANDLE_VALUE;
}

enum snapshot_list { LIST_PROCESS, LIST_THREAD, LIST_MODULE };

static BOOL next_entry(HANDLE section, enum snapshot_list which, BOOL first, PVOID out, SIZE_T size)
{
	struct snapshot_header *h = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
	char *at = (char *)(h + 1);
	DWORD *next, count;
	BOOL ok;

	if (!h)
		return FALSE;
	if (which == LIST_PROCESS) {
		next = &h->next_process;
		count = h->processes;
	} else if (which == LIST_THREAD) {
		next = &h->next_thread;
		count = h->threads;
		at += h->processes * sizeof(PROCESSENTRY32W);
	} else {
		next = &h->next_module;
		count = h->modules;
		at += h->processes * sizeof(PROCESSENTRY32W) + h->threads * sizeof(THREADENTRY32);
	}
	if (first)
		*next = 0;
	ok = *next < count;
	if (ok)
		memcpy(out, at + (*next)++ * size, size);
	UnmapViewOfFile(h);
	return ok || fail(ERROR_NO_MORE_FILES);
}

WINBOOL WINAPI Process32FirstW(HANDLE section, LPPROCESSENTRY32W out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_PROCESS, TRUE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI Process32NextW(HANDLE section, LPPROCESSENTRY32W out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_PROCESS, FALSE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI Thread32First(HANDLE section, LPTHREADENTRY32 out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_THREAD, TRUE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI Thread32Next(HANDLE section, LPTHREADENTRY32 out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_THREAD, FALSE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI Module32FirstW(HANDLE section, LPMODULEENTRY32W out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_MODULE, TRUE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

WINBOOL WINAPI Module32NextW(HANDLE section, LPMODULEENTRY32W out)
{
	return out->dwSize >= sizeof(*out)
		   ? next_entry(section, LIST_MODULE, FALSE, out, sizeof(*out))
		   : fail(ERROR_INSUFFICIENT_BUFFER);
}

static BOOL narrow_process(HANDLE section, LPPROCESSENTRY32 out, BOOL first)
{
	PROCESSENTRY32W w = {.dwSize = sizeof(w)};

	if (out->dwSize < sizeof(*out))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	if (!next_entry(section, LIST_PROCESS, first, &w, sizeof(w)))
		return FALSE;
	memcpy(out, &w, offsetof(PROCESSENTRY32W, szExeFile));
	out->dwSize = sizeof(*out);
	ansi_result(w.szExeFile, wcslen(w.szExeFile), out->szExeFile, MAX_PATH);
	return TRUE;
}

WINBOOL WINAPI Process32First(HANDLE section, LPPROCESSENTRY32 out)
{
	return narrow_process(section, out, TRUE);
}

WINBOOL WINAPI Process32Next(HANDLE section, LPPROCESSENTRY32 out)
{
	return narrow_process(section, out, FALSE);
}

static BOOL narrow_module(HANDLE section, LPMODULEENTRY32 out, BOOL first)
{
	MODULEENTRY32W w = {.dwSize = sizeof(w)};

	if (out->dwSize < sizeof(*out))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	if (!next_entry(section, LIST_MODULE, first, &w, sizeof(w)))
		return FALSE;
	memcpy(out, &w, offsetof(MODULEENTRY32W, szModule));
	out->dwSize = sizeof(*out);
	ansi_result(w.szModule, wcslen(w.szModule), out->szModule, MAX_MODULE_NAME32 + 1);
	ansi_result(w.szExePath, wcslen(w.szExePath), out->szExePath, MAX_PATH);
	return TRUE;
}

WINBOOL WINAPI Module32First(HANDLE section, LPMODULEENTRY32 out)
{
	return narrow_module(section, out, TRUE);
}

WINBOOL WINAPI Module32Next(HANDLE section, LPMODULEENTRY32 out)
{
	return narrow_module(section, out, FALSE);
}
