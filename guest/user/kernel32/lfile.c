/*
 * File calls kept for older programs: _lopen and its like, OpenFile; and the A forms and small
 * variants of calls that are elsewhere.
 */
#include "guest/user/kernel32/k32.h"

/* OF_* modes: access in the low two bits, sharing above. */
static DWORD access_of(UINT mode)
{
	switch (mode & 3) {
	case OF_WRITE:
		return GENERIC_WRITE;
	case OF_READWRITE:
		return GENERIC_READ | GENERIC_WRITE;
	default:
		return GENERIC_READ;
	}
}

static DWORD share_of(UINT mode)
{
	switch (mode & 0x70) {
	case OF_SHARE_EXCLUSIVE:
		return 0;
	case OF_SHARE_DENY_WRITE:
		return FILE_SHARE_READ;
	case OF_SHARE_DENY_READ:
		return FILE_SHARE_WRITE;
	default: /* OF_SHARE_COMPAT, OF_SHARE_DENY_NONE */
		return FILE_SHARE_READ | FILE_SHARE_WRITE;
	}
}

HFILE WINAPI _lopen(LPCSTR name, int mode)
{
	return HandleToLong(CreateFileA(name, access_of((UINT)mode), share_of((UINT)mode), NULL,
					OPEN_EXISTING, 0, NULL));
}

HFILE WINAPI _lcreat(LPCSTR name, int attributes)
{
	/* only read-only, hidden and system can be asked for */
	return HandleToLong(CreateFileA(name, GENERIC_READ | GENERIC_WRITE,
					FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, CREATE_ALWAYS,
					(DWORD)attributes & 7, NULL));
}

HFILE WINAPI _lclose(HFILE f)
{
	return CloseHandle(LongToHandle(f)) ? 0 : HFILE_ERROR;
}

__LONG32 WINAPI _hread(HFILE f, LPVOID buffer, __LONG32 bytes)
{
	DWORD n;

	return ReadFile(LongToHandle(f), buffer, (DWORD)bytes, &n, NULL) ? (__LONG32)n
									 : HFILE_ERROR;
}

UINT WINAPI _lread(HFILE f, LPVOID buffer, UINT bytes)
{
	return (UINT)_hread(f, buffer, (__LONG32)bytes);
}

/* Writing nothing cuts the file off where its position is. */
__LONG32 WINAPI _hwrite(HFILE f, LPCCH buffer, __LONG32 bytes)
{
	DWORD n;

	if (!bytes)
		return SetEndOfFile(LongToHandle(f)) ? 0 : HFILE_ERROR;
	return WriteFile(LongToHandle(f), buffer, (DWORD)bytes, &n, NULL) ? (__LONG32)n
									  : HFILE_ERROR;
}

UINT WINAPI _lwrite(HFILE f, LPCCH buffer, UINT bytes)
{
	return (UINT)_hwrite(f, buffer, (__LONG32)bytes);
}

LONG WINAPI _llseek(HFILE f, LONG offset, int origin)
{
	return (LONG)SetFilePointer(LongToHandle(f), offset, NULL, (DWORD)origin);
}

static BOOL no_file(LPOFSTRUCT of, DWORD error)
{
	of->nErrCode = (WORD)error;
	return fail(error);
}

HFILE WINAPI OpenFile(LPCSTR name, LPOFSTRUCT of, UINT mode)
{
	char path[OFS_MAXPATHNAME];
	HANDLE h;

	if (!of)
		return HFILE_ERROR;
	if (!(mode & OF_REOPEN)) {
		memset(of, 0, sizeof(*of));
		of->cBytes = sizeof(*of);
		of->fFixedDisk = TRUE;
		if (!name || (!(mode & OF_CREATE) &&
			      !SearchPathA(NULL, name, NULL, sizeof(path), path, NULL))) {
			no_file(of, ERROR_FILE_NOT_FOUND);
			return HFILE_ERROR;
		}
		if (mode & OF_CREATE && !GetFullPathNameA(name, sizeof(path), path, NULL)) {
			no_file(of, GetLastError());
			return HFILE_ERROR;
		}
		strcpy(of->szPathName, path);
	}
	if (mode & OF_PARSE)
		return 0;
	if (mode & OF_DELETE) {
		if (DeleteFileA(of->szPathName))
			return 1;
		no_file(of, GetLastError());
		return HFILE_ERROR;
	}
	h = CreateFileA(
	    of->szPathName, mode & OF_CREATE ? GENERIC_READ | GENERIC_WRITE : access_of(mode),
	    share_of(mode), NULL, mode & OF_CREATE ? CREATE_ALWAYS : OPEN_EXISTING, 0, NULL);
	if (h == INVALID_HANDLE_VALUE) {
		no_file(of, GetLastError());
		return HFILE_ERROR;
	}
	if (mode & OF_EXIST) {
		CloseHandle(h);
		return 1;
	}
	return HandleToLong(h);
}

/* --- A forms and variants --- */

WINBOOL WINAPI ReplaceFileA(LPCSTR replaced, LPCSTR replacement, LPCSTR backup, DWORD flags,
			    LPVOID exclude, LPVOID reserved)
{
	PWSTR to = NULL, from = NULL, kept = NULL;
	BOOL ok = wide_copy(replaced, &to) && wide_copy(replacement, &from) &&
		  wide_copy(backup, &kept) &&
		  ReplaceFileW(to, from, kept, flags, exclude, reserved);

	heap_delete(to);
	heap_delete(from);
	heap_delete(kept);
	return ok;
}

/* The same file, by the name that its handle has, with other rights. */
HANDLE WINAPI ReOpenFile(HANDLE original, DWORD access, DWORD share, DWORD flags)
{
	HANDLE h = INVALID_HANDLE_VALUE;
	DWORD n = GetFinalPathNameByHandleW(original, NULL, 0, 0);
	PWSTR path = n ? heap_new(n * sizeof(WCHAR)) : NULL;

	if (path && GetFinalPathNameByHandleW(original, path, n, 0))
		h = CreateFileW(path, access, share, NULL, OPEN_EXISTING, flags, NULL);
	heap_delete(path);
	return h;
}

/* What a file takes on its disk; sparse files take less than they are long. */
DWORD WINAPI GetCompressedFileSizeW(LPCWSTR name, LPDWORD high)
{
	FILE_STANDARD_INFORMATION std;
	IO_STATUS_BLOCK iosb;
	HANDLE h = CreateFileW(name, FILE_READ_ATTRIBUTES, 7, NULL, OPEN_EXISTING,
			       FILE_FLAG_BACKUP_SEMANTICS, NULL);
	NTSTATUS status;

	if (h == INVALID_HANDLE_VALUE)
		return INVALID_FILE_SIZE;
	status = NtQueryInformationFile(h, &iosb, &std, sizeof(std), FileStandardInformation);
	NtClose(h);
	if (!succeed(status))
		return INVALID_FILE_SIZE;
	fail(ERROR_SUCCESS); /* the low half may look like an error */
	if (high)
		*high = (DWORD)std.AllocationSize.HighPart;
	return std.AllocationSize.LowPart;
}

DWORD WINAPI GetCompressedFileSizeA(LPCSTR name, LPDWORD high)
{
	DWORD n;
	PWSTR w;

	if (!wide_copy(name, &w))
		return INVALID_FILE_SIZE;
	n = GetCompressedFileSizeW(w, high);
	heap_delete(w);
	return n;
}
