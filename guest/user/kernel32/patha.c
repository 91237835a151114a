/*
 * ANSI forms of path.c's functions: widen, call, narrow.
 */
#include "guest/user/kernel32/k32.h"

/* Calls `call` with w = the wide form of name; `bad` when it cannot be widened. */
#define WITH_WIDE(type, bad, name, call) \
	PWSTR w;                         \
	type result;                     \
	if (!wide_copy(name, &w))        \
		return bad;              \
	result = call;                   \
	heap_delete(w);                  \
	return result

#define WITH_TWO(type, bad, name, name2, call) \
	PWSTR w, w2;                           \
	type result = bad;                     \
	if (!wide_copy(name, &w))              \
		return bad;                    \
	if (wide_copy(name2, &w2)) {           \
		result = call;                 \
		heap_delete(w2);               \
	}                                      \
	heap_delete(w);                        \
	return result

DWORD WINAPI GetFileAttributesA(LPCSTR name)
{
	WITH_WIDE(DWORD, INVALID_FILE_ATTRIBUTES, name, GetFileAttributesW(w));
}

WINBOOL WINAPI GetFileAttributesExA(LPCSTR name, GET_FILEEX_INFO_LEVELS level, LPVOID out)
{
	WITH_WIDE(BOOL, FALSE, name, GetFileAttributesExW(w, level, out));
}

WINBOOL WINAPI SetFileAttributesA(LPCSTR name, DWORD attributes)
{
	WITH_WIDE(BOOL, FALSE, name, SetFileAttributesW(w, attributes));
}

WINBOOL WINAPI DeleteFileA(LPCSTR name)
{
	WITH_WIDE(BOOL, FALSE, name, DeleteFileW(w));
}

WINBOOL WINAPI RemoveDirectoryA(LPCSTR name)
{
	WITH_WIDE(BOOL, FALSE, name, RemoveDirectoryW(w));
}

WINBOOL WINAPI CreateDirectoryA(LPCSTR name, LPSECURITY_ATTRIBUTES sa)
{
	WITH_WIDE(BOOL, FALSE, name, CreateDirectoryW(w, sa));
}

WINBOOL WINAPI CreateDirectoryExA(LPCSTR like, LPCSTR name, LPSECURITY_ATTRIBUTES sa)
{
	(void)like;
	return CreateDirectoryA(name, sa);
}

WINBOOL WINAPI CopyFileA(LPCSTR from, LPCSTR to, WINBOOL fail_if_exists)
{
	WITH_TWO(BOOL, FALSE, from, to, CopyFileW(w, w2, fail_if_exists));
}

WINBOOL WINAPI CopyFileExA(LPCSTR from, LPCSTR to, LPPROGRESS_ROUTINE progress, LPVOID data,
			   LPBOOL cancel, DWORD flags)
{
	WITH_TWO(BOOL, FALSE, from, to, CopyFileExW(w, w2, progress, data, cancel, flags));
}

WINBOOL WINAPI MoveFileExA(LPCSTR from, LPCSTR to, DWORD flags)
{
	WITH_TWO(BOOL, FALSE, from, to, MoveFileExW(w, w2, flags));
}

WINBOOL WINAPI MoveFileA(LPCSTR from, LPCSTR to)
{
	WITH_TWO(BOOL, FALSE, from, to, MoveFileW(w, w2));
}

WINBOOL WINAPI SetCurrentDirectoryA(LPCSTR name)
{
	WITH_WIDE(BOOL, FALSE, name, SetCurrentDirectoryW(w));
}

UINT WINAPI GetDriveTypeA(LPCSTR root)
{
	WITH_WIDE(UINT, DRIVE_UNKNOWN, root, GetDriveTypeW(w));
}

WINBOOL WINAPI GetDiskFreeSpaceA(LPCSTR root, LPDWORD sectors, LPDWORD bytes, LPDWORD free_units,
				 LPDWORD units)
{
	WITH_WIDE(BOOL, FALSE, root, GetDiskFreeSpaceW(w, sectors, bytes, free_units, units));
}

WINBOOL WINAPI GetDiskFreeSpaceExA(LPCSTR root, PULARGE_INTEGER caller, PULARGE_INTEGER total,
				   PULARGE_INTEGER free_bytes)
{
	WITH_WIDE(BOOL, FALSE, root, GetDiskFreeSpaceExW(w, caller, total, free_bytes));
}

/* Narrows the result of a call that fills `wide`. */
static DWORD narrow_result(PCWSTR wide, DWORD n, LPSTR out, DWORD room)
{
	return n ? ansi_result(wide, n, out, room) : 0;
}

DWORD WINAPI GetLongPathNameA(LPCSTR name, LPSTR out, DWORD room)
{
	WCHAR wide[MAX_PATH + 1];
	WITH_WIDE(DWORD, 0, name,
		  narrow_result(wide, GetLongPathNameW(w, wide, MAX_PATH + 1), out, room));
}

DWORD WINAPI GetShortPathNameA(LPCSTR name, LPSTR out, DWORD room)
{
	return GetLongPathNameA(name, out, room);
}

DWORD WINAPI GetCurrentDirectoryA(DWORD room, LPSTR out)
{
	WCHAR wide[MAX_PATH + 1];

	return narrow_result(wide, GetCurrentDirectoryW(MAX_PATH + 1, wide), out, room);
}

UINT WINAPI GetSystemDirectoryA(LPSTR out, UINT room)
{
	WCHAR wide[MAX_PATH + 1];

	return narrow_result(wide, GetSystemDirectoryW(wide, MAX_PATH + 1), out, room);
}

UINT WINAPI GetWindowsDirectoryA(LPSTR out, UINT room)
{
	WCHAR wide[MAX_PATH + 1];

	return narrow_result(wide, GetWindowsDirectoryW(wide, MAX_PATH + 1), out, room);
}

UINT WINAPI GetSystemWindowsDirectoryA(LPSTR out, UINT room)
{
	return GetWindowsDirectoryA(out, room);
}

DWORD WINAPI GetTempPathA(DWORD room, LPSTR out)
{
	WCHAR wide[MAX_PATH + 2];

	return narrow_result(wide, GetTempPathW(MAX_PATH + 2, wide), out, room);
}

DWORD WINAPI GetTempPath2W(DWORD room, LPWSTR out);
DWORD WINAPI GetTempPath2A(DWORD room, LPSTR out);

DWORD WINAPI GetTempPath2W(DWORD room, LPWSTR out)
{
	return GetTempPathW(room, out);
}

DWORD WINAPI GetTempPath2A(DWORD room, LPSTR out)
{
	return GetTempPathA(room, out);
}

UINT WINAPI GetTempFileNameA(LPCSTR folder, LPCSTR prefix, UINT unique, LPSTR out)
{
	WCHAR wide[MAX_PATH + 1];
	UINT number;
	PWSTR w, w2;

	if (!wide_copy(folder, &w))
		return 0;
	if (!wide_copy(prefix, &w2)) {
		heap_delete(w);
		return 0;
	}
	number = GetTempFileNameW(w, w2, unique, wide);
	if (number)
		ansi_result(wide, wcslen(wide), out, MAX_PATH);
	heap_delete(w);
	heap_delete(w2);
	return number;
}

DWORD WINAPI SearchPathA(LPCSTR path, LPCSTR file, LPCSTR extension, DWORD room, LPSTR out,
			 LPSTR *part)
{
	WCHAR wide[MAX_PATH * 2];
	PWSTR p = NULL, f = NULL, e = NULL, wide_part = NULL;
	DWORD n = 0;

	if (part)
		*part = NULL;
	if (wide_copy(path, &p) && wide_copy(file, &f) && wide_copy(extension, &e)) {
		n = SearchPathW(p, f, e, ARRAY_COUNT(wide), wide, &wide_part);
		if (n) {
			n = ansi_result(wide, n, out, room);
			if (part && wide_part && n < room)
				*part = out + (wide_part - wide);
		}
	}
	heap_delete(p);
	heap_delete(f);
	heap_delete(e);
	return n;
}

DWORD WINAPI GetLogicalDriveStringsA(DWORD room, LPSTR out)
{
	WCHAR wide[26 * 4 + 1];
	DWORD n = GetLogicalDriveStringsW(ARRAY_COUNT(wide), wide);

	if (room <= n)
		return n + 1;
	for (DWORD i = 0; i <= n; i++)
		out[i] = (char)wide[i];
	return n;
}

WINBOOL WINAPI GetVolumeInformationA(LPCSTR root, LPSTR label, DWORD label_room, LPDWORD serial,
				     LPDWORD component, LPDWORD flags, LPSTR fs, DWORD fs_room)
{
	WCHAR wide_label[64], wide_fs[32];
	PWSTR w;
	BOOL ok;

	if (!wide_copy(root, &w))
		return FALSE;
	ok = GetVolumeInformationW(w, label ? wide_label : NULL, 64, serial, component, flags,
				   fs ? wide_fs : NULL, 32);
	heap_delete(w);
	if (!ok)
		return FALSE;
	if ((label && wcslen(wide_label) >= label_room) || (fs && wcslen(wide_fs) >= fs_room))
		return fail(ERROR_BAD_LENGTH);
	if (label)
		ansi_result(wide_label, wcslen(wide_label), label, label_room);
	if (fs)
		ansi_result(wide_fs, wcslen(wide_fs), fs, fs_room);
	return TRUE;
}
