/*
 * Where DLLs are looked for: SetDllDirectory, AddDllDirectory, the flags of LoadLibraryEx.
 *
 * Without any of these the loader's own order holds (ntdll/ldrmap.c). Else dll_search_path() makes
 * the list of folders for one load; the DLLs that the loaded one imports are looked for along it,
 * too. Lock: `lock`.
 */
#include "guest/user/kernel32/k32.h"

#define SYSTEM_FOLDER L"C:\\Windows\\System32;"
#define OWN_FOLDERS   SYSTEM_FOLDER L"C:\\Windows;"

#define SEARCH_FLAGS                                                              \
	(LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_APPLICATION_DIR | \
	 LOAD_LIBRARY_SEARCH_USER_DIRS | LOAD_LIBRARY_SEARCH_SYSTEM32 |           \
	 LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
#define DEFAULT_FLAGS                                                          \
	(LOAD_LIBRARY_SEARCH_APPLICATION_DIR | LOAD_LIBRARY_SEARCH_USER_DIRS | \
	 LOAD_LIBRARY_SEARCH_SYSTEM32)

struct added {
	struct added *next;
	WCHAR path[];
};

static RTL_SRWLOCK lock;
static PWSTR dll_directory; /* NULL: never set; empty: the current folder is left out */
static struct added *added;
static DWORD default_flags;

/* --- the list for one load --- */

struct list {
	PWSTR text;
	SIZE_T chars, room;
};

static BOOL append(struct list *l, PCWSTR folder, SIZE_T chars)
{
	PWSTR grown;

	if (l->chars + chars + 2 > l->room) {
		grown = heap_new((l->chars + chars + 2) * 2 * sizeof(WCHAR));
		if (!grown)
			return FALSE;
		memcpy(grown, l->text, l->chars * sizeof(WCHAR));
		heap_delete(l->text);
		l->text = grown;
		l->room = (l->chars + chars + 2) * 2;
	}
	memcpy(l->text + l->chars, folder, chars * sizeof(WCHAR));
	l->chars += chars;
	if (chars && folder[chars - 1] != ';')
		l->text[l->chars++] = ';';
	l->text[l->chars] = 0;
	return TRUE;
}

/* The folder of a file's path. */
static BOOL append_folder_of(struct list *l, PCWSTR path)
{
	PCWSTR end = wcsrchr(path, '\\'), other = wcsrchr(path, '/');

	end = !end || (other && other > end) ? other : end;
	return !end || append(l, path, (SIZE_T)(end - path) + 1);
}

static BOOL append_program_folder(struct list *l)
{
	WCHAR path[MAX_PATH * 2];

	return GetModuleFileNameW(NULL, path, ARRAY_COUNT(path)) && append_folder_of(l, path);
}

static BOOL append_path_variable(struct list *l)
{
	DWORD n = GetEnvironmentVariableW(L"PATH", NULL, 0);
	PWSTR value = n ? heap_new(n * sizeof(WCHAR)) : NULL;
	BOOL ok = TRUE;

	if (value && GetEnvironmentVariableW(L"PATH", value, n))
		ok = append(l, value, wcslen(value));
	heap_delete(value);
	return ok;
}

/* The documented order of the LOAD_LIBRARY_SEARCH_ flags. => lock */
static BOOL by_flags(struct list *l, PCWSTR name, DWORD flags)
{
	if (flags & LOAD_LIBRARY_SEARCH_DEFAULT_DIRS)
		flags |= DEFAULT_FLAGS;
	if ((flags & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR) && !append_folder_of(l, name))
		return FALSE;
	if ((flags & LOAD_LIBRARY_SEARCH_APPLICATION_DIR) && !append_program_folder(l))
		return FALSE;
	if (flags & LOAD_LIBRARY_SEARCH_USER_DIRS) {
		for (struct added *a = added; a; a = a->next)
			if (!append(l, a->path, wcslen(a->path)))
				return FALSE;
		if (dll_directory && *dll_directory &&
		    !append(l, dll_directory, wcslen(dll_directory)))
			return FALSE;
	}
	return !(flags & LOAD_LIBRARY_SEARCH_SYSTEM32) ||
	       append(l, SYSTEM_FOLDER, ARRAY_COUNT(SYSTEM_FOLDER) - 1);
}

/* The standard order, as far as SetDllDirectory and LOAD_WITH_ALTERED_SEARCH_PATH change it. */
static BOOL altered(struct list *l, PCWSTR name, BOOL by_name)
{
	WCHAR here[MAX_PATH + 2];

	if (!(by_name ? append_folder_of(l, name) : append_program_folder(l)))
		return FALSE;
	if (dll_directory && *dll_directory && !append(l, dll_directory, wcslen(dll_directory)))
		return FALSE;
	if (!append(l, OWN_FOLDERS, ARRAY_COUNT(OWN_FOLDERS) - 1))
		return FALSE;
	if (!dll_directory && GetCurrentDirectoryW(ARRAY_COUNT(here), here) &&
	    !append(l, here, wcslen(here)))
		return FALSE;
	return append_path_variable(l);
}

BOOL dll_search_path(LPCWSTR name, DWORD flags, PWSTR *path)
{
	ULONG type = RtlDetermineDosPathNameType_U(name);
	BOOL absolute = type != PATH_RELATIVE && type != PATH_DRIVE_RELATIVE;
	BOOL by_name = (flags & LOAD_WITH_ALTERED_SEARCH_PATH) && absolute, ok = TRUE;
	struct list l = {0};

	*path = NULL;
	if ((flags & LOAD_WITH_ALTERED_SEARCH_PATH) && (flags & SEARCH_FLAGS))
		return fail(ERROR_INVALID_PARAMETER);
	if ((flags & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR) && !absolute)
		return fail(ERROR_INVALID_PARAMETER);
	RtlAcquireSRWLockShared(&lock);
	if (!(flags & SEARCH_FLAGS) && !(flags & LOAD_WITH_ALTERED_SEARCH_PATH))
		flags |= default_flags;
	if (flags & SEARCH_FLAGS)
		ok = by_flags(&l, name, flags);
	else if (by_name || dll_directory)
		ok = altered(&l, name, by_name);
	RtlReleaseSRWLockShared(&lock);
	if (!ok) {
		heap_delete(l.text);
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	*path = l.text;
	return TRUE;
}

/* --- SetDllDirectory --- */

WINBOOL WINAPI SetDllDirectoryW(LPCWSTR folder)
{
	PWSTR copy = NULL, old;

	if (folder) {
		if (wcschr(folder, ';'))
			return fail(ERROR_INVALID_PARAMETER);
		copy = heap_new((wcslen(folder) + 1) * sizeof(WCHAR));
		if (!copy)
			return fail(ERROR_NOT_ENOUGH_MEMORY);
		wcscpy(copy, folder);
	}
	RtlAcquireSRWLockExclusive(&lock);
	old = dll_directory;
	dll_directory = copy;
	RtlReleaseSRWLockExclusive(&lock);
	heap_delete(old);
	return TRUE;
}

WINBOOL WINAPI SetDllDirectoryA(LPCSTR folder)
{
	BOOL ok;
	PWSTR w;

	if (!wide_copy(folder, &w))
		return FALSE;
	ok = SetDllDirectoryW(w);
	heap_delete(w);
	return ok;
}

DWORD WINAPI GetDllDirectoryW(DWORD room, LPWSTR out)
{
	DWORD n;

	RtlAcquireSRWLockShared(&lock);
	n = dll_directory ? (DWORD)wcslen(dll_directory) : 0;
	if (room > n)
		wcscpy(out, dll_directory ? dll_directory : L"");
	else
		n++;
	RtlReleaseSRWLockShared(&lock);
	if (room && room < n)
		out[0] = 0;
	return n;
}

DWORD WINAPI GetDllDirectoryA(DWORD room, LPSTR out)
{
	DWORD n;

	RtlAcquireSRWLockShared(&lock);
	n = dll_directory ? (DWORD)wcslen(dll_directory) : 0;
	n = ansi_result(dll_directory ? dll_directory : L"", n, out, room);
	RtlReleaseSRWLockShared(&lock);
	if (room && room < n)
		out[0] = 0;
	return n;
}

/* --- AddDllDirectory --- */

DLL_DIRECTORY_COOKIE WINAPI AddDllDirectory(PCWSTR folder)
{
	ULONG type = RtlDetermineDosPathNameType_U(folder);
	struct added *a;

	if (type == PATH_RELATIVE || type == PATH_DRIVE_RELATIVE) {
		fail(ERROR_INVALID_PARAMETER);
		return NULL;
	}
	if (GetFileAttributesW(folder) == INVALID_FILE_ATTRIBUTES)
		return NULL;
	a = heap_new(sizeof(*a) + (wcslen(folder) + 1) * sizeof(WCHAR));
	if (!a) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	wcscpy(a->path, folder);
	RtlAcquireSRWLockExclusive(&lock);
	a->next = added;
	added = a;
	RtlReleaseSRWLockExclusive(&lock);
	return a;
}

WINBOOL WINAPI RemoveDllDirectory(DLL_DIRECTORY_COOKIE cookie)
{
	struct added **at, *found;

	RtlAcquireSRWLockExclusive(&lock);
	for (at = &added; *at && *at != cookie; at = &(*at)->next)
		;
	found = *at;
	if (found)
		*at = found->next;
	RtlReleaseSRWLockExclusive(&lock);
	heap_delete(found);
	return found || fail(ERROR_INVALID_PARAMETER);
}

WINBOOL WINAPI SetDefaultDllDirectories(DWORD flags)
{
	if (!flags || (flags & ~(DWORD)SEARCH_FLAGS) || (flags & LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR))
		return fail(ERROR_INVALID_PARAMETER);
	RtlAcquireSRWLockExclusive(&lock);
	default_flags = flags;
	RtlReleaseSRWLockExclusive(&lock);
	return TRUE;
}
