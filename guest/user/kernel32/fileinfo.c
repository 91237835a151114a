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

DWORD WINAPI GetFinalPathNameByHandleW(HANDLE h, LPWSTR out, DWORD room, DWORD flags)
{
	struct {
		UNICODE_STRING name;
		WCHAR text[1024];
	} info;
	static const WCHAR prefix[] = L"\\\\?\\";
	PWSTR p;
	SIZE_T n;

	if (flags & ~7u) {
		fail(ERROR_INVALID_PARAMETER);
		return 0;
	}
	if (!succeed(
		NtQueryObject(h, ObjectNameInformation, &info, sizeof(info) - sizeof(WCHAR), NULL)))
		return 0;
	p = info.name.Buffer;
	n = info.name.Length / sizeof(WCHAR);
	if (n > 4 && !wcsncmp(p, L"\\??\\", 4))
		p += 4, n -= 4;
	if (n + 5 > room)
		return (DWORD)n + 5;
	wcscpy(out, prefix);
	memcpy(out + 4, p, n * sizeof(WCHAR));
	out[n + 4] = 0;
	return (DWORD)n + 4;
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
