/*
 * Search paths: SearchPath, and the program that a command line means. Both go through the same
 * folders in the same order, and hand each full name to a visitor: one that only asks whether the
 * file is there, or one that starts it, which costs the host no question of its own.
 */
#include "guest/user/kernel32/k32.h"

static const WCHAR standard_folders[] = L".;C:\\Windows\\system32;C:\\Windows;";

/* The program's folder, the current one, the system's, PATH; of the heap. NULL: no memory */
static PWSTR standard_path(void)
{
	DWORD env = GetEnvironmentVariableW(L"PATH", NULL, 0);
	SIZE_T total = ARRAY_COUNT(standard_folders) + env + MAX_PATH;
	PWSTR list = heap_new(total * sizeof(WCHAR)), name;

	if (!list)
		return NULL;
	wcsncpy(list, NtCurrentPeb()->ProcessParameters->ImagePathName.Buffer, MAX_PATH - 1);
	list[MAX_PATH - 1] = 0;
	name = wcsrchr(list, '\\');
	if (name)
		name[1] = 0;
	wcscat(list, L";");
	wcscat(list, standard_folders);
	GetEnvironmentVariableW(L"PATH", list + wcslen(list), env);
	return list;
}

BOOL search_along(PCWSTR path, PCWSTR file, PCWSTR extension, search_visit *visit, PVOID context)
{
	WCHAR name[MAX_PATH + 8], candidate[MAX_PATH * 2 + 8];
	PWSTR list = NULL;
	BOOL found = FALSE;

	if (!file || wcslen(file) + (extension ? wcslen(extension) : 0) > MAX_PATH)
		return fail(ERROR_INVALID_PARAMETER);
	wcscpy(name, file);
	if (extension && !wcschr(file, '.'))
		wcscat(name, extension);
	if (RtlDetermineDosPathNameType_U(name) != PATH_RELATIVE)
		return visit(name, context) || fail(ERROR_FILE_NOT_FOUND);
	if (!path) {
		path = list = standard_path();
		if (!list)
			return fail(ERROR_NOT_ENOUGH_MEMORY);
	}
	while (*path && !found) {
		SIZE_T len = wcscspn(path, L";");

		if (len && len < MAX_PATH) {
			memcpy(candidate, path, len * sizeof(WCHAR));
			candidate[len] = 0;
			if (candidate[len - 1] != '\\')
				wcscat(candidate, L"\\");
			wcscat(candidate, name);
			found = visit(candidate, context);
		}
		path += len;
		path += *path == ';';
	}
	heap_delete(list);
	return found || fail(ERROR_FILE_NOT_FOUND);
}

struct wanted {
	DWORD room, length;
	PWSTR out;
	PWSTR *part;
};

static BOOL is_there(PCWSTR path, PVOID context)
{
	struct wanted *w = context;

	if (GetFileAttributesW(path) == INVALID_FILE_ATTRIBUTES)
		return FALSE;
	w->length = GetFullPathNameW(path, w->room, w->out, w->part);
	return w->length != 0;
}

DWORD WINAPI SearchPathW(LPCWSTR path, LPCWSTR file, LPCWSTR extension, DWORD room, LPWSTR out,
			 LPWSTR *part)
{
	struct wanted w = {.room = room, .out = out, .part = part};

	return search_along(path, file, extension, is_there, &w) ? w.length : 0;
}

/* The program called `name` (quotes gone), with or without .exe. */
static BOOL find_program(PCWSTR name, search_visit *visit, PVOID context)
{
	return search_along(NULL, name, L".exe", visit, context) ||
	       (!wcschr(name, '.') && search_along(NULL, name, NULL, visit, context));
}

/*
 * The first word of the command line, quoted or not. Without quotes each longer piece that ends
 * before a blank is tried in turn, as the documentation has it.
 */
BOOL search_program(PCWSTR command, search_visit *visit, PVOID context)
{
	WCHAR name[MAX_PATH];
	SIZE_T n = 0;

	if (*command == '"') {
		for (command++; *command && *command != '"' && n < MAX_PATH - 1; command++)
			name[n++] = *command;
		name[n] = 0;
		return find_program(name, visit, context);
	}
	for (; n < MAX_PATH - 1; n++) {
		WCHAR c = command[n];

		if (!c || c == ' ' || c == '\t') {
			name[n] = 0;
			if (n && find_program(name, visit, context))
				return TRUE;
			if (!c)
				break;
		}
		name[n] = c;
	}
	return FALSE;
}
