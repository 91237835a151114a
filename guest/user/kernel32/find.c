/*
 * Searching folders: FindFirstFile and its like over NtQueryDirectoryFile.
 *
 * A search handle is a heap block with the folder's handle and a buffer of entries.
 */
#include "guest/user/kernel32/k32.h"

#define SEARCH_MAGIC 0x68637253u

struct search {
	ULONG magic;
	HANDLE dir;
	UNICODE_STRING pattern;
	BOOLEAN started, root;
	FILE_BOTH_DIR_INFORMATION *next; /* in buffer, NULL: fetch */
	WCHAR pattern_text[260];
	_Alignas(8) char buffer[4096];
};

/*
 * Win32 patterns to the kernel's: "*.*" means every name; '?' and '*' beside a dot get the DOS
 * meanings, by which "file?.*" matches "file" and "*." names without an extension.
 */
static void translate(PWSTR pattern)
{
	if (!wcscmp(pattern, L"*.*")) {
		pattern[1] = 0;
		return;
	}
	for (PWSTR p = pattern; *p; p++) {
		if (*p == '?')
			*p = '>';
		else if (*p == '.' && (p[1] == '?' || p[1] == '*'))
			*p = '"';
		else if (*p == '*' && p[1] == '.' && !wcschr(p + 2, '.'))
			*p = '<';
	}
}

static void fill(LPWIN32_FIND_DATAW out, const FILE_BOTH_DIR_INFORMATION *e)
{
	SIZE_T n = min(e->FileNameLength / sizeof(WCHAR), MAX_PATH - 1);

	memset(out, 0, offsetof(WIN32_FIND_DATAW, cFileName));
	out->dwFileAttributes = e->FileAttributes;
	memcpy(&out->ftCreationTime, &e->CreationTime, sizeof(FILETIME));
	memcpy(&out->ftLastAccessTime, &e->LastAccessTime, sizeof(FILETIME));
	memcpy(&out->ftLastWriteTime, &e->LastWriteTime, sizeof(FILETIME));
	out->nFileSizeHigh = (DWORD)e->EndOfFile.HighPart;
	out->nFileSizeLow = e->EndOfFile.LowPart;
	memcpy(out->cFileName, e->FileName, n * sizeof(WCHAR));
	out->cFileName[n] = 0;
	out->cAlternateFileName[0] = 0;
}

static NTSTATUS next_entry(struct search *s, LPWIN32_FIND_DATAW out)
{
	for (;;) {
		FILE_BOTH_DIR_INFORMATION *e = s->next;
		SIZE_T n;

		if (!e) {
			IO_STATUS_BLOCK iosb;
			NTSTATUS status = NtQueryDirectoryFile(
			    s->dir, NULL, NULL, NULL, &iosb, s->buffer, sizeof(s->buffer),
			    FileBothDirectoryInformation, FALSE, s->started ? NULL : &s->pattern,
			    !s->started);

			if (!NT_SUCCESS(status))
				return status;
			s->started = TRUE;
			e = (FILE_BOTH_DIR_INFORMATION *)s->buffer;
		}
		s->next = e->NextEntryOffset
			      ? (FILE_BOTH_DIR_INFORMATION *)((char *)e + e->NextEntryOffset)
			      : NULL;
		n = e->FileNameLength / sizeof(WCHAR);
		if (s->root && ((n == 1 && e->FileName[0] == '.') ||
				(n == 2 && e->FileName[0] == '.' && e->FileName[1] == '.')))
			continue; /* a drive's root has neither */
		fill(out, e);
		return STATUS_SUCCESS;
	}
}

static void end_search(struct search *s)
{
	NtClose(s->dir);
	s->magic = 0;
	heap_delete(s);
}

HANDLE WINAPI FindFirstFileExW(LPCWSTR name, FINDEX_INFO_LEVELS level, LPVOID out,
			       FINDEX_SEARCH_OPS op, LPVOID filter, DWORD flags)
{
	OBJECT_ATTRIBUTES attr;
	IO_STATUS_BLOCK iosb;
	UNICODE_STRING nt, folder;
	struct search *s;
	NTSTATUS status;
	PWSTR file = NULL;
	SIZE_T n;

	(void)filter;
	(void)flags;
	if (level > FindExInfoBasic || op > FindExSearchLimitToDirectories || !name) {
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if (!path_attributes(name, &attr, &nt, FALSE))
		return INVALID_HANDLE_VALUE;
	file = wcsrchr(nt.Buffer, '\\') + 1;
	n = wcslen(name);
	if (n && (name[n - 1] == '\\' || name[n - 1] == '/' || !*file)) {
		RtlFreeUnicodeString(&nt);
		fail(ERROR_FILE_NOT_FOUND);
		return INVALID_HANDLE_VALUE;
	}
	s = heap_new(sizeof(*s));
	if (!s || wcslen(file) >= ARRAY_COUNT(s->pattern_text)) {
		heap_delete(s);
		RtlFreeUnicodeString(&nt);
		fail(s ? ERROR_FILENAME_EXCED_RANGE : ERROR_NOT_ENOUGH_MEMORY);
		return INVALID_HANDLE_VALUE;
	}
	memset(s, 0, offsetof(struct search, buffer));
	s->magic = SEARCH_MAGIC;
	wcscpy(s->pattern_text, file);
	translate(s->pattern_text);
	/* The dot of "*." is gone with all dots at a path's end. */
	if (name[n - 1] == '.' && *file && file[wcslen(file) - 1] == '*')
		s->pattern_text[wcslen(file) - 1] = '<';
	RtlInitUnicodeString(&s->pattern, s->pattern_text);
	folder = nt;
	folder.Length = (USHORT)((char *)file - (char *)nt.Buffer);
	s->root = folder.Length == 7 * sizeof(WCHAR); /* \??\X:\ */
	attr.ObjectName = &folder;
	status = NtOpenFile(&s->dir, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attr, &iosb,
			    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			    FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT |
				FILE_OPEN_FOR_BACKUP_INTENT);
	RtlFreeUnicodeString(&nt);
	if (!NT_SUCCESS(status)) {
		heap_delete(s);
		if (status == STATUS_OBJECT_NAME_NOT_FOUND || status == STATUS_NOT_A_DIRECTORY)
			fail(ERROR_PATH_NOT_FOUND);
		else
			succeed(status);
		return INVALID_HANDLE_VALUE;
	}
	status = next_entry(s, out);
	if (!NT_SUCCESS(status)) {
		end_search(s);
		if (status == STATUS_NO_MORE_FILES || status == STATUS_NO_SUCH_FILE)
			fail(ERROR_FILE_NOT_FOUND);
		else
			succeed(status);
		return INVALID_HANDLE_VALUE;
	}
	return s;
}

HANDLE WINAPI FindFirstFileW(LPCWSTR name, LPWIN32_FIND_DATAW out)
{
	return FindFirstFileExW(name, FindExInfoStandard, out, FindExSearchNameMatch, NULL, 0);
}

static struct search *search_of(HANDLE h)
{
	struct search *s = h;

	if (!h || h == INVALID_HANDLE_VALUE || !NtmmTouch(s, FALSE) || s->magic != SEARCH_MAGIC) {
		fail(ERROR_INVALID_HANDLE);
		return NULL;
	}
	return s;
}

WINBOOL WINAPI FindNextFileW(HANDLE h, LPWIN32_FIND_DATAW out)
{
	struct search *s = search_of(h);

	return s && succeed(next_entry(s, out));
}

WINBOOL WINAPI FindClose(HANDLE h)
{
	struct search *s = search_of(h);

	if (s)
		end_search(s);
	return s != NULL;
}

static void narrow_data(LPWIN32_FIND_DATAA out, const WIN32_FIND_DATAW *in)
{
	memcpy(out, in, offsetof(WIN32_FIND_DATAW, cFileName));
	ansi_result(in->cFileName, wcslen(in->cFileName), out->cFileName, MAX_PATH);
	out->cAlternateFileName[0] = 0;
}

HANDLE WINAPI FindFirstFileExA(LPCSTR name, FINDEX_INFO_LEVELS level, LPVOID out,
			       FINDEX_SEARCH_OPS op, LPVOID filter, DWORD flags)
{
	WIN32_FIND_DATAW data;
	HANDLE h;
	PWSTR w;

	if (!wide_copy(name, &w))
		return INVALID_HANDLE_VALUE;
	h = FindFirstFileExW(w, level, &data, op, filter, flags);
	heap_delete(w);
	if (h != INVALID_HANDLE_VALUE)
		narrow_data(out, &data);
	return h;
}

HANDLE WINAPI FindFirstFileA(LPCSTR name, LPWIN32_FIND_DATAA out)
{
	return FindFirstFileExA(name, FindExInfoStandard, out, FindExSearchNameMatch, NULL, 0);
}

WINBOOL WINAPI FindNextFileA(HANDLE h, LPWIN32_FIND_DATAA out)
{
	WIN32_FIND_DATAW data;

	if (!FindNextFileW(h, &data))
		return FALSE;
	narrow_data(out, &data);
	return TRUE;
}
