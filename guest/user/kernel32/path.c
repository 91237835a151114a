/*
 * Files by name: attributes, deleting, moving, copying, folders, temporary names, volumes.
 */
#include "guest/user/kernel32/k32.h"

DWORD WINAPI GetFileAttributesW(LPCWSTR name)
{
	WIN32_FILE_ATTRIBUTE_DATA data;

	return GetFileAttributesExW(name, GetFileExInfoStandard, &data) ? data.dwFileAttributes
									: INVALID_FILE_ATTRIBUTES;
}

WINBOOL WINAPI GetFileAttributesExW(LPCWSTR name, GET_FILEEX_INFO_LEVELS level, LPVOID out)
{
	FILE_NETWORK_OPEN_INFORMATION info;
	WIN32_FILE_ATTRIBUTE_DATA *d = out;
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING nt;
	NTSTATUS status;

	if (level != GetFileExInfoStandard)
		return fail(ERROR_INVALID_PARAMETER);
	if (!path_attributes(name, &attr, &nt, FALSE))
		return FALSE;
	status = NtQueryFullAttributesFile(&attr, &info);
	RtlFreeUnicodeString(&nt);
	if (!succeed(status))
		return FALSE;
	d->dwFileAttributes = info.FileAttributes;
	memcpy(&d->ftCreationTime, &info.CreationTime, sizeof(FILETIME));
	memcpy(&d->ftLastAccessTime, &info.LastAccessTime, sizeof(FILETIME));
	memcpy(&d->ftLastWriteTime, &info.LastWriteTime, sizeof(FILETIME));
	d->nFileSizeHigh = (DWORD)info.EndOfFile.HighPart;
	d->nFileSizeLow = info.EndOfFile.LowPart;
	return TRUE;
}

static HANDLE open_path(LPCWSTR name, ACCESS_MASK access, ULONG options)
{
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING nt;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE h;

	if (!path_attributes(name, &attr, &nt, FALSE))
		return NULL;
	status = NtOpenFile(&h, access | SYNCHRONIZE, &attr, &iosb,
			    FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
			    options | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT);
	RtlFreeUnicodeString(&nt);
	return succeed(status) ? h : NULL;
}

WINBOOL WINAPI SetFileAttributesW(LPCWSTR name, DWORD attributes)
{
	FILE_BASIC_INFORMATION b = {.FileAttributes =
					attributes & ~(DWORD)FILE_ATTRIBUTE_DIRECTORY};
	IO_STATUS_BLOCK iosb;
	HANDLE h = open_path(name, FILE_WRITE_ATTRIBUTES, 0);
	NTSTATUS status;

	if (!h)
		return FALSE;
	if (!b.FileAttributes)
		b.FileAttributes = FILE_ATTRIBUTE_NORMAL;
	status = NtSetInformationFile(h, &iosb, &b, sizeof(b), FileBasicInformation);
	NtClose(h);
	return succeed(status);
}

static BOOL remove_path(LPCWSTR name, ULONG options)
{
	FILE_DISPOSITION_INFORMATION d = {TRUE};
	IO_STATUS_BLOCK iosb;
	HANDLE h = open_path(name, DELETE, options);
	NTSTATUS status;

	if (!h)
		return FALSE;
	status = NtSetInformationFile(h, &iosb, &d, sizeof(d), FileDispositionInformation);
	NtClose(h);
	return succeed(status);
}

WINBOOL WINAPI DeleteFileW(LPCWSTR name)
{
	return remove_path(name, FILE_NON_DIRECTORY_FILE);
}

WINBOOL WINAPI RemoveDirectoryW(LPCWSTR name)
{
	return remove_path(name, FILE_DIRECTORY_FILE);
}

WINBOOL WINAPI CreateDirectoryW(LPCWSTR name, LPSECURITY_ATTRIBUTES sa)
{
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING nt;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE h;

	(void)sa;
	if (!path_attributes(name, &attr, &nt, FALSE))
		return FALSE;
	status = NtCreateFile(
	    &h, FILE_LIST_DIRECTORY | SYNCHRONIZE, &attr, &iosb, NULL, FILE_ATTRIBUTE_NORMAL,
	    FILE_SHARE_READ | FILE_SHARE_WRITE, FILE_CREATE,
	    FILE_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT | FILE_OPEN_FOR_BACKUP_INTENT, NULL,
	    0);
	RtlFreeUnicodeString(&nt);
	if (NT_SUCCESS(status))
		NtClose(h);
	return succeed(status);
}

WINBOOL WINAPI CreateDirectoryExW(LPCWSTR like, LPCWSTR name, LPSECURITY_ATTRIBUTES sa)
{
	(void)like;
	return CreateDirectoryW(name, sa);
}

WINBOOL WINAPI CopyFileW(LPCWSTR from, LPCWSTR to, WINBOOL fail_if_exists)
{
	enum { CHUNK = 0x10000 };
	HANDLE in, out;
	FILETIME written;
	char *buffer;
	DWORD n, m;
	BOOL ok = TRUE;

	in = CreateFileW(from, GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, NULL,
			 OPEN_EXISTING, FILE_FLAG_SEQUENTIAL_SCAN, NULL);
	if (in == INVALID_HANDLE_VALUE)
		return FALSE;
	out = CreateFileW(to, GENERIC_WRITE, 0, NULL, fail_if_exists ? CREATE_NEW : CREATE_ALWAYS,
			  GetFileAttributesW(from) & 0x27, NULL);
	if (out == INVALID_HANDLE_VALUE) {
		NtClose(in);
		return FALSE;
	}
	buffer = heap_new(CHUNK);
	ok = buffer != NULL;
	while (ok) {
		ok = ReadFile(in, buffer, CHUNK, &n, NULL);
		if (!ok || !n)
			break;
		ok = WriteFile(out, buffer, n, &m, NULL) && m == n;
	}
	if (ok && GetFileTime(in, NULL, NULL, &written))
		SetFileTime(out, NULL, NULL, &written);
	heap_delete(buffer);
	NtClose(in);
	NtClose(out);
	return ok;
}

WINBOOL WINAPI CopyFileExW(LPCWSTR from, LPCWSTR to, LPPROGRESS_ROUTINE progress, LPVOID data,
			   LPBOOL cancel, DWORD flags)
{
	(void)progress;
	(void)data;
	if (cancel && *cancel)
		return fail(ERROR_REQUEST_ABORTED);
	return CopyFileW(from, to, flags & COPY_FILE_FAIL_IF_EXISTS);
}

WINBOOL WINAPI MoveFileExW(LPCWSTR from, LPCWSTR to, DWORD flags)
{
	FILE_RENAME_INFORMATION *info;
	UNICODE_STRING nt;
	IO_STATUS_BLOCK iosb;
	NTSTATUS status;
	HANDLE h;
	SIZE_T size;

	if (flags & MOVEFILE_DELAY_UNTIL_REBOOT)
		return fail(ERROR_ACCESS_DENIED);
	if (!to)
		return fail(ERROR_INVALID_PARAMETER);
	h = open_path(from, DELETE | FILE_READ_ATTRIBUTES, 0);
	if (!h)
		return FALSE;
	status = RtlDosPathNameToNtPathName_U_WithStatus(to, &nt, NULL, NULL);
	if (!NT_SUCCESS(status)) {
		NtClose(h);
		return fail(ERROR_PATH_NOT_FOUND);
	}
	size = offsetof(FILE_RENAME_INFORMATION, FileName) + nt.Length;
	info = heap_new(size + sizeof(WCHAR));
	if (!info) {
		status = STATUS_NO_MEMORY;
	} else {
		info->ReplaceIfExists = (flags & MOVEFILE_REPLACE_EXISTING) != 0;
		info->RootDirectory = NULL;
		info->FileNameLength = nt.Length;
		memcpy(info->FileName, nt.Buffer, nt.Length);
		status = NtSetInformationFile(h, &iosb, info, (ULONG)size, FileRenameInformation);
	}
	heap_delete(info);
	RtlFreeUnicodeString(&nt);
	NtClose(h);
	if (status == STATUS_NOT_SAME_DEVICE && (flags & MOVEFILE_COPY_ALLOWED))
		return CopyFileW(from, to, !(flags & MOVEFILE_REPLACE_EXISTING)) &&
		       DeleteFileW(from);
	return succeed(status);
}

WINBOOL WINAPI MoveFileW(LPCWSTR from, LPCWSTR to)
{
	return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED);
}

WINBOOL WINAPI ReplaceFileW(LPCWSTR replaced, LPCWSTR replacement, LPCWSTR backup, DWORD flags,
			    LPVOID exclude, LPVOID reserved)
{
	(void)flags;
	(void)exclude;
	(void)reserved;
	if (GetFileAttributesW(replaced) == INVALID_FILE_ATTRIBUTES) /* it must be there */
		return FALSE;
	if (backup && !CopyFileW(replaced, backup, FALSE))
		return FALSE;
	return MoveFileExW(replacement, replaced, MOVEFILE_REPLACE_EXISTING);
}

/* --- paths --- */

/* Bytes from an Rtl path call to what Win32 returns: characters; with the terminator if short. */
static DWORD chars(ULONG bytes)
{
	return bytes / sizeof(WCHAR);
}

DWORD WINAPI GetFullPathNameW(LPCWSTR name, DWORD room, LPWSTR out, LPWSTR *part)
{
	return chars(RtlGetFullPathName_U(name, room * sizeof(WCHAR), out, part));
}

DWORD WINAPI GetFullPathNameA(LPCSTR name, DWORD room, LPSTR out, LPSTR *part)
{
	PWSTR w, full, wide_part = NULL;
	DWORD n;

	if (part)
		*part = NULL;
	if (!wide_copy(name, &w))
		return 0;
	n = GetFullPathNameW(w, 0, NULL, NULL);
	full = n ? heap_new(n * sizeof(WCHAR)) : NULL;
	if (full) {
		n = GetFullPathNameW(w, n, full, &wide_part);
		if (n + 1 > room) {
			n++;
		} else {
			ansi_result(full, n, out, room);
			if (part && wide_part)
				*part = out + (wide_part - full);
		}
		heap_delete(full);
	}
	heap_delete(w);
	return n;
}

DWORD WINAPI GetLongPathNameW(LPCWSTR name, LPWSTR out, DWORD room)
{
	SIZE_T n = wcslen(name);

	if (GetFileAttributesW(name) == INVALID_FILE_ATTRIBUTES)
		return 0;
	if (n + 1 > room)
		return (DWORD)n + 1;
	wcscpy(out, name);
	return (DWORD)n;
}

/* Files here have no second, short name. */
DWORD WINAPI GetShortPathNameW(LPCWSTR name, LPWSTR out, DWORD room)
{
	return GetLongPathNameW(name, out, room);
}

DWORD WINAPI GetCurrentDirectoryW(DWORD room, LPWSTR out)
{
	return chars(RtlGetCurrentDirectory_U(room * sizeof(WCHAR), out));
}

WINBOOL WINAPI SetCurrentDirectoryW(LPCWSTR name)
{
	UNICODE_STRING s;

	RtlInitUnicodeString(&s, name);
	return succeed(RtlSetCurrentDirectory_U(&s));
}

static UINT fixed_path(LPCWSTR path, LPWSTR out, UINT room)
{
	SIZE_T n = wcslen(path);

	if (n + 1 > room)
		return (UINT)n + 1;
	wcscpy(out, path);
	return (UINT)n;
}

UINT WINAPI GetSystemDirectoryW(LPWSTR out, UINT room)
{
	return fixed_path(L"C:\\Windows\\system32", out, room);
}

UINT WINAPI GetWindowsDirectoryW(LPWSTR out, UINT room)
{
	return fixed_path(L"C:\\Windows", out, room);
}

UINT WINAPI GetSystemWindowsDirectoryW(LPWSTR out, UINT room)
{
	return fixed_path(L"C:\\Windows", out, room);
}

DWORD WINAPI GetTempPathW(DWORD room, LPWSTR out)
{
	static const LPCWSTR names[] = {L"TMP", L"TEMP", L"USERPROFILE"};
	WCHAR path[MAX_PATH + 2];
	DWORD n = 0;

	for (size_t i = 0; !n && i < ARRAY_COUNT(names); i++) {
		n = GetEnvironmentVariableW(names[i], path, MAX_PATH);
		if (n >= MAX_PATH)
			n = 0;
	}
	if (!n)
		n = (DWORD)wcslen(wcscpy(path, L"T:\\"));
	if (path[n - 1] != '\\' && path[n - 1] != '/') {
		path[n++] = '\\';
		path[n] = 0;
	}
	if (n + 1 > room)
		return n + 1;
	wcscpy(out, path);
	return n;
}

UINT WINAPI GetTempFileNameW(LPCWSTR folder, LPCWSTR prefix, UINT unique, LPWSTR out)
{
	SIZE_T n = folder ? wcslen(folder) : 0;
	UINT number = unique & 0xffff, tries = 0;
	DWORD attributes;

	if (!folder || n > MAX_PATH - 14 || !out) {
		fail(folder ? ERROR_BUFFER_OVERFLOW : ERROR_INVALID_PARAMETER);
		return 0;
	}
	if (!number) {
		attributes = GetFileAttributesW(folder);
		if (n && (attributes == INVALID_FILE_ATTRIBUTES ||
			  !(attributes & FILE_ATTRIBUTE_DIRECTORY))) {
			fail(ERROR_DIRECTORY);
			return 0;
		}
		number = (UINT)(NtmmSystemTime() / TICKS_PER_MS) & 0xffff;
	}
	wcscpy(out, folder);
	if (n && out[n - 1] != '\\' && out[n - 1] != '/')
		out[n++] = '\\';
	for (int i = 0; prefix && i < 3 && prefix[i]; i++)
		out[n++] = prefix[i];
	for (;; number = (number + 1) & 0xffff) {
		HANDLE h;

		number += number == 0;
		_snwprintf(out + n, 12, L"%x.tmp", number);
		if (unique & 0xffff)
			return number;
		h = CreateFileW(out, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL,
				NULL);
		if (h != INVALID_HANDLE_VALUE) {
			NtClose(h);
			return number;
		}
		if (GetLastError() != ERROR_FILE_EXISTS &&
		    GetLastError() != ERROR_SHARING_VIOLATION)
			return 0;
		if (++tries > 0xffff)
			return 0;
	}
}

/* --- volumes --- */

static HANDLE open_volume(LPCWSTR root)
{
	WCHAR here[4];

	if (!root) {
		wcsncpy(here, NtCurrentPeb()->ProcessParameters->CurrentDirectory.DosPath.Buffer,
			3);
		here[3] = 0;
		root = here;
	}
	return open_path(root, FILE_READ_ATTRIBUTES, FILE_DIRECTORY_FILE);
}

static BOOL volume_sizes(LPCWSTR root, FILE_FS_FULL_SIZE_INFORMATION *s)
{
	IO_STATUS_BLOCK iosb;
	HANDLE h = open_volume(root);
	NTSTATUS status;

	if (!h)
		return FALSE;
	status = NtQueryVolumeInformationFile(h, &iosb, s, sizeof(*s), FileFsFullSizeInformation);
	NtClose(h);
	return succeed(status);
}

WINBOOL WINAPI GetDiskFreeSpaceW(LPCWSTR root, LPDWORD sectors, LPDWORD bytes, LPDWORD free_units,
				 LPDWORD units)
{
	FILE_FS_FULL_SIZE_INFORMATION s;

	if (!volume_sizes(root, &s))
		return FALSE;
	if (sectors)
		*sectors = s.SectorsPerAllocationUnit;
	if (bytes)
		*bytes = s.BytesPerSector;
	if (free_units)
		*free_units = (DWORD)min(s.CallerAvailableAllocationUnits.QuadPart, 0xffffffffll);
	if (units)
		*units = (DWORD)min(s.TotalAllocationUnits.QuadPart, 0xffffffffll);
	return TRUE;
}

WINBOOL WINAPI GetDiskFreeSpaceExW(LPCWSTR root, PULARGE_INTEGER caller, PULARGE_INTEGER total,
				   PULARGE_INTEGER free_bytes)
{
	FILE_FS_FULL_SIZE_INFORMATION s;
	ULONG64 unit;

	if (!volume_sizes(root, &s))
		return FALSE;
	unit = (ULONG64)s.SectorsPerAllocationUnit * s.BytesPerSector;
	if (caller)
		caller->QuadPart = (ULONG64)s.CallerAvailableAllocationUnits.QuadPart * unit;
	if (total)
		total->QuadPart = (ULONG64)s.TotalAllocationUnits.QuadPart * unit;
	if (free_bytes)
		free_bytes->QuadPart = (ULONG64)s.ActualAvailableAllocationUnits.QuadPart * unit;
	return TRUE;
}

DWORD WINAPI GetLogicalDrives(void)
{
	WCHAR root[] = L"A:\\";
	DWORD mask = 0;

	for (int i = 0; i < 26; i++) {
		root[0] = (WCHAR)('A' + i);
		if (GetFileAttributesW(root) != INVALID_FILE_ATTRIBUTES)
			mask |= 1u << i;
	}
	return mask;
}

DWORD WINAPI GetLogicalDriveStringsW(DWORD room, LPWSTR out)
{
	DWORD mask = GetLogicalDrives(), need = (DWORD)__builtin_popcount(mask) * 4;

	if (room <= need)
		return need + 1;
	for (int i = 0; i < 26; i++)
		if (mask >> i & 1) {
			out[0] = (WCHAR)('A' + i);
			out[1] = ':';
			out[2] = '\\';
			out[3] = 0;
			out += 4;
		}
	*out = 0;
	return need;
}

UINT WINAPI GetDriveTypeW(LPCWSTR root)
{
	HANDLE h = open_volume(root);

	if (!h)
		return DRIVE_NO_ROOT_DIR;
	NtClose(h);
	return DRIVE_FIXED;
}

WINBOOL WINAPI GetVolumeInformationW(LPCWSTR root, LPWSTR label, DWORD label_room, LPDWORD serial,
				     LPDWORD component, LPDWORD flags, LPWSTR fs, DWORD fs_room)
{
	struct {
		FILE_FS_VOLUME_INFORMATION v;
		WCHAR more[64];
	} vol = {0};
	struct {
		FILE_FS_ATTRIBUTE_INFORMATION a;
		WCHAR more[32];
	} att = {0};
	IO_STATUS_BLOCK iosb;
	HANDLE h = open_volume(root);
	NTSTATUS status;

	if (!h)
		return FALSE;
	status = NtQueryVolumeInformationFile(h, &iosb, &vol, sizeof(vol), FileFsVolumeInformation);
	if (NT_SUCCESS(status))
		status = NtQueryVolumeInformationFile(h, &iosb, &att, sizeof(att),
						      FileFsAttributeInformation);
	NtClose(h);
	if (!succeed(status))
		return FALSE;
	if ((label && vol.v.VolumeLabelLength / sizeof(WCHAR) >= label_room) ||
	    (fs && att.a.FileSystemNameLength / sizeof(WCHAR) >= fs_room))
		return fail(ERROR_BAD_LENGTH);
	if (label) {
		memcpy(label, vol.v.VolumeLabel, vol.v.VolumeLabelLength);
		label[vol.v.VolumeLabelLength / sizeof(WCHAR)] = 0;
	}
	if (fs) {
		memcpy(fs, att.a.FileSystemName, att.a.FileSystemNameLength);
		fs[att.a.FileSystemNameLength / sizeof(WCHAR)] = 0;
	}
	if (serial)
		*serial = vol.v.VolumeSerialNumber;
	if (component)
		*component = (DWORD)att.a.MaximumComponentNameLength;
	if (flags)
		*flags = att.a.FileSystemAttributes;
	return TRUE;
}
