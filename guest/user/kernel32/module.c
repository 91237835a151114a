/*
 * Modules: LoadLibrary and its like over ntdll's loader; names; resources.
 */
#include "guest/user/kernel32/k32.h"

/* Bits in a module handle that mark a mapping made as data. */
#define DATA_FILE  1
#define DATA_IMAGE 2

static BOOL is_data(HMODULE m)
{
	return ((ULONG_PTR)m & 3) != 0;
}

/* Maps the file as plain data: no code of it runs, resources can be read. */
static HMODULE load_data(LPCWSTR name, DWORD flags)
{
	WCHAR path[MAX_PATH];
	HANDLE file, section;
	PVOID base;

	if (!SearchPathW(NULL, name, L".dll", MAX_PATH, path, NULL)) {
		fail(ERROR_FILE_NOT_FOUND);
		return NULL;
	}
	file = CreateFileW(path, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_DELETE, NULL,
			   OPEN_EXISTING, 0, NULL);
	if (file == INVALID_HANDLE_VALUE)
		return NULL;
	section = CreateFileMappingW(
	    file, NULL, PAGE_READONLY | (flags & LOAD_LIBRARY_AS_IMAGE_RESOURCE ? SEC_IMAGE : 0), 0,
	    0, NULL);
	NtClose(file);
	if (!section)
		return NULL;
	base = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
	NtClose(section);
	if (!base)
		return NULL;
	if (!RtlImageNtHeader(base)) {
		UnmapViewOfFile(base);
		fail(ERROR_BAD_EXE_FORMAT);
		return NULL;
	}
	return (HMODULE)((ULONG_PTR)base |
			 (flags & LOAD_LIBRARY_AS_IMAGE_RESOURCE ? DATA_IMAGE : DATA_FILE));
}

HMODULE WINAPI LoadLibraryExW(LPCWSTR name, HANDLE file, DWORD flags)
{
	ULONG characteristics = 0;
	WCHAR folder[MAX_PATH * 2];
	PWSTR search;
	UNICODE_STRING s;
	NTSTATUS status;
	PVOID base;
	SIZE_T n;

	if (!name || !*name || file) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	/* Blanks at the end do not count. */
	n = wcslen(name);
	while (n && name[n - 1] == ' ')
		n--;
	if (!n || n >= MAX_PATH) {
		fail(ERROR_MOD_NOT_FOUND);
		return NULL;
	}
	memcpy(folder, name, n * sizeof(WCHAR));
	folder[n] = 0;
	RtlInitUnicodeString(&s, folder);
	if (flags & (LOAD_LIBRARY_AS_DATAFILE | LOAD_LIBRARY_AS_DATAFILE_EXCLUSIVE |
		     LOAD_LIBRARY_AS_IMAGE_RESOURCE)) {
		if (NT_SUCCESS(LdrGetDllHandleEx(0, NULL, NULL, &s, &base)))
			return base;
		return load_data(folder, flags);
	}
	if (flags & DONT_RESOLVE_DLL_REFERENCES)
		characteristics |= IMAGE_FILE_EXECUTABLE_IMAGE;
	if (!dll_search_path(folder, flags, &search))
		return NULL;
	status = LdrLoadDll(search, characteristics ? &characteristics : NULL, &s, &base);
	heap_delete(search);
	return succeed(status) ? base : NULL;
}

HMODULE WINAPI LoadLibraryW(LPCWSTR name)
{
	return LoadLibraryExW(name, NULL, 0);
}

HMODULE WINAPI LoadLibraryExA(LPCSTR name, HANDLE file, DWORD flags)
{
	HMODULE m;
	PWSTR w;

	if (!wide_copy(name, &w))
		return NULL;
	m = LoadLibraryExW(w, file, flags);
	heap_delete(w);
	return m;
}

HMODULE WINAPI LoadLibraryA(LPCSTR name)
{
	return LoadLibraryExA(name, NULL, 0);
}

HMODULE WINAPI LoadPackagedLibrary(LPCWSTR name, DWORD reserved)
{
	(void)reserved;
	return LoadLibraryW(name);
}

WINBOOL WINAPI FreeLibrary(HMODULE m)
{
	if (!m)
		return fail(ERROR_INVALID_HANDLE);
	if (is_data(m))
		return UnmapViewOfFile((PVOID)((ULONG_PTR)m & ~(ULONG_PTR)3));
	return NT_SUCCESS(LdrUnloadDll(m)) || fail(ERROR_MOD_NOT_FOUND);
}

FARPROC WINAPI GetProcAddress(HMODULE m, LPCSTR name)
{
	ANSI_STRING s;
	PVOID address;
	NTSTATUS status;

	if (!m)
		m = GetModuleHandleW(NULL);
	if ((ULONG_PTR)name >= 0x10000) {
		RtlInitAnsiString(&s, name);
		status = LdrGetProcedureAddress(m, &s, 0, &address);
	} else {
		status = LdrGetProcedureAddress(m, NULL, LOWORD((ULONG_PTR)name), &address);
	}
	if (NT_SUCCESS(status))
		return (FARPROC)address;
	fail(status == STATUS_DLL_NOT_FOUND ? ERROR_MOD_NOT_FOUND : ERROR_PROC_NOT_FOUND);
	return NULL;
}

WINBOOL WINAPI GetModuleHandleExW(DWORD flags, LPCWSTR name, HMODULE *module)
{
	DWORD kind =
	    flags & (GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT);
	PVOID base = NULL;
	NTSTATUS status = STATUS_SUCCESS;

	if (!module)
		return fail(ERROR_INVALID_PARAMETER);
	*module = NULL;
	if ((flags & ~7u) ||
	    kind == (GET_MODULE_HANDLE_EX_FLAG_PIN | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT))
		return fail(ERROR_INVALID_PARAMETER);
	if (!name) {
		base = NtCurrentPeb()->ImageBaseAddress;
	} else if (flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS) {
		PLDR_DATA_TABLE_ENTRY e;

		status = LdrFindEntryForAddress(name, &e);
		if (NT_SUCCESS(status))
			base = e->DllBase;
		else
			status = STATUS_DLL_NOT_FOUND;
	} else {
		UNICODE_STRING s;

		RtlInitUnicodeString(&s, name);
		status = LdrGetDllHandleEx(1, NULL, NULL, &s, &base);
	}
	if (!succeed(status))
		return FALSE;
	if (!(kind & GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT))
		LdrAddRefDll(kind & GET_MODULE_HANDLE_EX_FLAG_PIN ? 1 : 0, base);
	*module = base;
	return TRUE;
}

WINBOOL WINAPI GetModuleHandleExA(DWORD flags, LPCSTR name, HMODULE *module)
{
	BOOL ok;
	PWSTR w;

	if (!name || (flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS))
		return GetModuleHandleExW(flags, (LPCWSTR)name, module);
	if (!wide_copy(name, &w))
		return FALSE;
	ok = GetModuleHandleExW(flags, w, module);
	heap_delete(w);
	return ok;
}

HMODULE WINAPI GetModuleHandleW(LPCWSTR name)
{
	HMODULE m;

	GetModuleHandleExW(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, name, &m);
	return m;
}

HMODULE WINAPI GetModuleHandleA(LPCSTR name)
{
	HMODULE m;

	GetModuleHandleExA(GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT, name, &m);
	return m;
}

DWORD WINAPI GetModuleFileNameW(HMODULE m, LPWSTR out, DWORD room)
{
	WCHAR path[1024];
	UNICODE_STRING s = {0, sizeof(path), path};
	DWORD n;

	if (!succeed(LdrGetDllFullName(m, &s)))
		return 0;
	n = s.Length / sizeof(WCHAR);
	if (n < room) {
		memcpy(out, path, n * sizeof(WCHAR));
		out[n] = 0;
		fail(ERROR_SUCCESS);
		return n;
	}
	if (room) { /* as much as there is room for, terminated */
		memcpy(out, path, (room - 1) * sizeof(WCHAR));
		out[room - 1] = 0;
	}
	fail(ERROR_INSUFFICIENT_BUFFER);
	return room;
}

DWORD WINAPI GetModuleFileNameA(HMODULE m, LPSTR out, DWORD room)
{
	WCHAR wide[1024];
	DWORD n = GetModuleFileNameW(m, wide, ARRAY_COUNT(wide));

	if (!n)
		return 0;
	if (n < room)
		return ansi_result(wide, n, out, room);
	if (room)
		ansi_result(wide, room - 1, out, room);
	fail(ERROR_INSUFFICIENT_BUFFER);
	return room;
}

WINBOOL WINAPI DisableThreadLibraryCalls(HMODULE m)
{
	return succeed(LdrDisableThreadCalloutsForDll(m));
}

/* --- resources: a tree of three levels, type, name, language --- */

typedef IMAGE_RESOURCE_DIRECTORY directory;
typedef IMAGE_RESOURCE_DIRECTORY_ENTRY entry;

static const directory *resource_root(HMODULE m)
{
	ULONG size;
	PVOID base = m ? (PVOID)((ULONG_PTR)m & ~(ULONG_PTR)3) : NtCurrentPeb()->ImageBaseAddress;

	return RtlImageDirectoryEntryToData(base, !((ULONG_PTR)m & DATA_FILE),
					    IMAGE_DIRECTORY_ENTRY_RESOURCE, &size);
}

static const void *at_offset(const directory *root, ULONG offset)
{
	return (const char *)root + (offset & 0x7fffffff);
}

static BOOL same_name(const directory *root, const entry *e, LPCWSTR name)
{
	const IMAGE_RESOURCE_DIR_STRING_U *s;

	if ((ULONG_PTR)name < 0x10000)
		return !e->NameIsString && e->Id == LOWORD((ULONG_PTR)name);
	if (!e->NameIsString)
		return FALSE;
	s = at_offset(root, e->NameOffset);
	return s->Length == wcslen(name) && !_wcsnicmp(s->NameString, name, s->Length);
}

static const entry *find_entry(const directory *root, const directory *d, LPCWSTR name)
{
	const entry *e = (const entry *)(d + 1);
	int n = d->NumberOfNamedEntries + d->NumberOfIdEntries;

	for (int i = 0; i < n; i++)
		if (same_name(root, &e[i], name))
			return &e[i];
	return NULL;
}

/* "#123" is number 123. */
static LPCWSTR resource_name(LPCWSTR name)
{
	return (ULONG_PTR)name >= 0x10000 && *name == '#' ? MAKEINTRESOURCEW(_wtoi(name + 1))
							  : name;
}

HRSRC WINAPI FindResourceExW(HMODULE m, LPCWSTR type, LPCWSTR name, WORD language)
{
	const directory *root = resource_root(m), *names, *languages;
	const entry *e;

	if (!root) {
		fail(ERROR_RESOURCE_DATA_NOT_FOUND);
		return NULL;
	}
	e = find_entry(root, root, resource_name(type));
	if (!e) {
		fail(ERROR_RESOURCE_TYPE_NOT_FOUND);
		return NULL;
	}
	names = at_offset(root, e->OffsetToData);
	e = find_entry(root, names, resource_name(name));
	if (!e) {
		fail(ERROR_RESOURCE_NAME_NOT_FOUND);
		return NULL;
	}
	languages = at_offset(root, e->OffsetToData);
	e = find_entry(root, languages, MAKEINTRESOURCEW(language));
	if (!e && language)
		e = find_entry(root, languages, MAKEINTRESOURCEW(0));
	if (!e) /* any language rather than none */
		e = (const entry *)(languages + 1);
	return (HRSRC)at_offset(root, e->OffsetToData);
}

HRSRC WINAPI FindResourceW(HMODULE m, LPCWSTR name, LPCWSTR type)
{
	return FindResourceExW(m, type, name, 0);
}

HRSRC WINAPI FindResourceExA(HMODULE m, LPCSTR type, LPCSTR name, WORD language)
{
	PWSTR t = (PWSTR)type, n = (PWSTR)name;
	BOOL wide_type = (ULONG_PTR)type >= 0x10000, wide_name = (ULONG_PTR)name >= 0x10000;
	HRSRC r = NULL;

	if (wide_type && !wide_copy(type, &t))
		return NULL;
	if (!wide_name || wide_copy(name, &n))
		r = FindResourceExW(m, t, n, language);
	if (wide_type)
		heap_delete(t);
	if (wide_name)
		heap_delete(n);
	return r;
}

HRSRC WINAPI FindResourceA(HMODULE m, LPCSTR name, LPCSTR type)
{
	return FindResourceExA(m, type, name, 0);
}

HGLOBAL WINAPI LoadResource(HMODULE m, HRSRC r)
{
	const IMAGE_RESOURCE_DATA_ENTRY *d = (const IMAGE_RESOURCE_DATA_ENTRY *)r;
	PVOID base = m ? (PVOID)((ULONG_PTR)m & ~(ULONG_PTR)3) : NtCurrentPeb()->ImageBaseAddress;

	if (!r)
		return NULL;
	if ((ULONG_PTR)m & DATA_FILE)
		return RtlImageRvaToVa((PIMAGE_NT_HEADERS)RtlImageNtHeader(base), base,
				       d->OffsetToData, NULL);
	return (char *)base + d->OffsetToData;
}

LPVOID WINAPI LockResource(HGLOBAL r)
{
	return r;
}

WINBOOL WINAPI FreeResource(HGLOBAL r)
{
	(void)r;
	return FALSE;
}

DWORD WINAPI SizeofResource(HMODULE m, HRSRC r)
{
	(void)m;
	return r ? ((const IMAGE_RESOURCE_DATA_ENTRY *)r)->Size : 0;
}
