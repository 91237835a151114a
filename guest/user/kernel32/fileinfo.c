/* What files are by handle: times, information classes, final paths; locks of ranges; device
 * control. */
#include "guest/user/kernel32/k32.h"

static FILETIME filetime(LARGE_INTEGER t)
{
	FILETIME f = {t.LowPart, (DWORD)t.HighPart};

	return f;
}

static LARGE_INTEGER from_filetime(const FILETIME *f)
{
	LARGE_INTEGER t = {.QuadPart = 0}; /* 0: leave as it is */

	if (f) {
		t.LowPart = f->dwLowDateTime;
		t.HighPart = (LONG)f->dwHighDateTime;
	}
	return t;
}

WINBOOL WINAPI GetFileTime(HANDLE h, LPFILETIME created_, LPFILETIME accessed, LPFILETIME written)
{
	FILE_BASIC_INFORMATION b;
	IO_STATUS_BLOCK iosb;

	if (!succeed(NtQueryInformationFile(h, &iosb, &b, sizeof(b), FileBasicInformation)))
		return FALSE;
	if (created_)
		*created_ = filetime(b.CreationTime);
	if (accessed)
		*accessed = filetime(b.LastAccessTime);
	if (written)
		*written = filetime(b.LastWriteTime);
	return TRUE;
}

WINBOOL WINAPI SetFileTime(HANDLE h, const FILETIME *created_, const FILETIME *accessed,
			   const FILETIME *written)
{
	FILE_BASIC_INFORMATION b = {.CreationTime = from_filetime(created_),
				    .LastAccessTime = from_filetime(accessed),
				    .LastWriteTime = from_filetime(written)};
	IO_STATUS_BLOCK iosb;

	return succeed(NtSetInformationFile(h, &iosb, &b, sizeof(b), FileBasicInformation));
}

WINBOOL WINAPI GetFileInformationByHandle(HANDLE h, LPBY_HANDLE_FILE_INFORMATION out)
{
	FILE_BASIC_INFORMATION b;
	FILE_STANDARD_INFORMATION std;
	FILE_INTERNAL_INFORMATION id = {{.QuadPart = 0}};
	struct {
		FILE_FS_VOLUME_INFORMATION v;
		WCHAR more[64];
	} vol = {0};
	IO_STATUS_BLOCK iosb;

	if (!succeed(NtQueryInformationFile(h, &iosb, &b, sizeof(b), FileBasicInformation)) ||
	    !succeed(NtQueryInformationFile(h, &iosb, &std, sizeof(std), FileStandardInformation)))
		return FALSE;
	NtQueryInformationFile(h, &iosb, &id, sizeof(id), FileInternalInformation);
	NtQueryVolumeInformationFile(h, &iosb, &vol, sizeof(vol), FileFsVolumeInformation);
	out->dwFileAttributes = b.FileAttributes;
	out->ftCreationTime = filetime(b.CreationTime);
	out->ftLastAccessTime = filetime(b.LastAccessTime);
	out->ftLastWriteTime = filetime(b.LastWriteTime);
	out->dwVolumeSerialNumber = vol.v.VolumeSerialNumber;
	out->nFileSizeHigh = (DWORD)std.EndOfFile.HighPart;
	out->nFileSizeLow = std.EndOfFile.LowPart;
	out->nNumberOfLinks = std.NumberOfLinks;
	out->nFileIndexHigh = (DWORD)id.IndexNumber.HighPart;
	out->nFileIndexLow = id.IndexNumber.LowPart;
	return TRUE;
}

/* Win32's numbers of information classes: the NT class and least size of each. */
static const struct {
	UCHAR nt_class;
	UCHAR size;
} info_classes[] = {
    [FileBasicInfo] = {FileBasicInformation, sizeof(FILE_BASIC_INFORMATION)},
    [FileStandardInfo] = {FileStandardInformation, sizeof(FILE_STANDARD_INFORMATION)},
    [FileNameInfo] = {FileNameInformation, sizeof(FILE_NAME_INFORMATION)},
    [FileRenameInfo] = {FileRenameInformation, sizeof(FILE_RENAME_INFORMATION)},
    [FileDispositionInfo] = {FileDispositionInformation, sizeof(FILE_DISPOSITION_INFORMATION)},
    [FileAllocationInfo] = {FileAllocationInformation, sizeof(LARGE_INTEGER)},
    [FileEndOfFileInfo] = {FileEndOfFileInformation, sizeof(LARGE_INTEGER)},
    [FileAttributeTagInfo] = {FileAttributeTagInformation, 2 * sizeof(ULONG)},
};

static BOOL info_class(FILE_INFO_BY_HANDLE_CLASS cls, DWORD size)
{
	if ((unsigned)cls >= ARRAY_COUNT(info_classes) || !info_classes[cls].nt_class)
		return fail(ERROR_INVALID_PARAMETER);
	if (size < info_classes[cls].size)
		return fail(ERROR_BAD_LENGTH);
	return TRUE;
}

WINBOOL WINAPI GetFileInformationByHandleEx(HANDLE h, FILE_INFO_BY_HANDLE_CLASS cls, LPVOID out,
					    DWORD size)
{
	IO_STATUS_BLOCK iosb;

	return info_class(cls, size) &&
	       succeed(NtQueryInformationFile(h, &iosb, out, size, info_classes[cls].nt_class));
}

WINBOOL WINAPI SetFileInformationByHandle(HANDLE h, FILE_INFO_BY_HANDLE_CLASS cls, LPVOID in,
					  DWORD size)
{
	IO_STATUS_BLOCK iosb;

	return info_class(cls, size) &&
	       succeed(NtSetInformationFile(h, &iosb, in, size, info_classes[cls].nt_class));
}

/* "\Device\HarddiskVolumeN\..." from its end on as a DOS path has it; the volume's number. */
static PCWSTR behind_volume(PCWSTR name, unsigned *number)
{
	static const WCHAR device[] = L"\\Device\\HarddiskVolume";

	*number = 0;
	if (wcsncmp(name, device, ARRAY_COUNT(device) - 1))
		return name;
	for (name += ARRAY_COUNT(device) - 1; *name >= '0' && *name <= '9'; name++)
		*number = *number * 10 + (unsigned)(*name - '0');
	return name;
}

DWORD WINAPI GetFinalPathNameByHandleW(HANDLE h, LPWSTR out, DWORD room, DWORD flags)
{
	struct {
		UNICODE_STRING name;
		WCHAR text[1024];
	} info;
	WCHAR front[64] = L"", root[] = L"A:\\";
	unsigned number;
	DWORD need;
	PCWSTR p;

	if ((flags &
	     ~(DWORD)(VOLUME_NAME_GUID | VOLUME_NAME_NT | VOLUME_NAME_NONE | FILE_NAME_OPENED)) ||
	    ((flags & 7) & ((flags & 7) - 1))) {
		fail(ERROR_INVALID_PARAMETER);
		return 0;
	}
	if (!succeed(
		NtQueryObject(h, ObjectNameInformation, &info, sizeof(info) - sizeof(WCHAR), NULL)))
		return 0;
	info.text[min(info.name.Length / sizeof(WCHAR), ARRAY_COUNT(info.text) - 1)] = 0;
	p = behind_volume(info.name.Length ? info.name.Buffer : L"", &number);
	if (!number) { /* a pipe, a console: it has no path */
		fail(ERROR_INVALID_FUNCTION);
		return 0;
	}
	root[0] = (WCHAR)('A' + number - 1);
	if (flags & VOLUME_NAME_NT)
		p = info.name.Buffer;
	else if (!(flags & (VOLUME_NAME_NONE | VOLUME_NAME_GUID)))
		_snwprintf(front, ARRAY_COUNT(front), L"\\\\?\\%c:", root[0]);
	else if (flags & VOLUME_NAME_GUID) {
		if (!GetVolumeNameForVolumeMountPointW(root, front, ARRAY_COUNT(front)))
			return 0;
		front[wcslen(front) - 1] = 0; /* the path begins with a backslash of its own */
	}
	need = (DWORD)(wcslen(front) + wcslen(p));
	if (need + 1 > room)
		return need + 1;
	wcscpy(out, front);
	wcscat(out, p);
	return need;
}

DWORD WINAPI GetFinalPathNameByHandleA(HANDLE h, LPSTR out, DWORD room, DWORD flags)
{
	WCHAR wide[1100];
	DWORD n = GetFinalPathNameByHandleW(h, wide, ARRAY_COUNT(wide), flags);

	return n ? ansi_result(wide, n, out, room) : 0;
}

/* --- byte-range locks --- */

static BOOL lock_range(HANDLE h, DWORD flags, ULONG64 at, ULONG64 size, LPOVERLAPPED ov)
{
	LARGE_INTEGER offset = {.QuadPart = (LONGLONG)at}, length = {.QuadPart = (LONGLONG)size};
	IO_STATUS_BLOCK own, *iosb = ov ? (PIO_STATUS_BLOCK)&ov->Internal : &own;
	NTSTATUS status = NtLockFile(h, ov ? ov->hEvent : NULL, NULL, NULL, iosb, &offset, &length,
				     0, (flags & LOCKFILE_FAIL_IMMEDIATELY) != 0,
				     (flags & LOCKFILE_EXCLUSIVE_LOCK) != 0);

	if (status == STATUS_PENDING && ov)
		return fail(ERROR_IO_PENDING);
	return succeed(settle(h, status, iosb));
}

static BOOL unlock_range(HANDLE h, ULONG64 at, ULONG64 size)
{
	LARGE_INTEGER offset = {.QuadPart = (LONGLONG)at}, length = {.QuadPart = (LONGLONG)size};
	IO_STATUS_BLOCK iosb;

	return succeed(NtUnlockFile(h, &iosb, &offset, &length, 0));
}

#define JOIN(low, high) ((ULONG64)(high) << 32 | (low))

WINBOOL WINAPI LockFile(HANDLE h, DWORD low, DWORD high, DWORD count_low, DWORD count_high)
{
	return lock_range(h, LOCKFILE_FAIL_IMMEDIATELY | LOCKFILE_EXCLUSIVE_LOCK, JOIN(low, high),
			  JOIN(count_low, count_high), NULL);
}

WINBOOL WINAPI LockFileEx(HANDLE h, DWORD flags, DWORD reserved, DWORD low, DWORD high,
			  LPOVERLAPPED ov)
{
	if (reserved || !ov)
		return fail(ERROR_INVALID_PARAMETER);
	return lock_range(h, flags, JOIN(ov->Offset, ov->OffsetHigh), JOIN(low, high), ov);
}

WINBOOL WINAPI UnlockFile(HANDLE h, DWORD low, DWORD high, DWORD count_low, DWORD count_high)
{
	return unlock_range(h, JOIN(low, high), JOIN(count_low, count_high));
}

WINBOOL WINAPI UnlockFileEx(HANDLE h, DWORD reserved, DWORD low, DWORD high, LPOVERLAPPED ov)
{
	if (reserved || !ov)
		return fail(ERROR_INVALID_PARAMETER);
	return unlock_range(h, JOIN(ov->Offset, ov->OffsetHigh), JOIN(low, high));
}

WINBOOL WINAPI DeviceIoControl(HANDLE h, DWORD code, LPVOID in, DWORD in_size, LPVOID out,
			       DWORD out_size, LPDWORD done, LPOVERLAPPED ov)
{
	IO_STATUS_BLOCK own = {{0}, 0}, *iosb = ov ? (PIO_STATUS_BLOCK)&ov->Internal : &own;
	BOOL fs = code >> 16 == FILE_DEVICE_FILE_SYSTEM_ || code >> 16 == FILE_DEVICE_NAMED_PIPE_;
	NTSTATUS status;

	if (ov)
		ov->Internal = STATUS_PENDING;
	status = (fs ? NtFsControlFile : NtDeviceIoControlFile)(
	    h, ov ? ov->hEvent : NULL, NULL, NULL, iosb, code, in, in_size, out, out_size);
	if (!ov)
		status = settle(h, status, iosb);
	if (status == STATUS_PENDING)
		return fail(ERROR_IO_PENDING);
	if (done)
		*done = (DWORD)iosb->Information;
	return succeed(status);
}
