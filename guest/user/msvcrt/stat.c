/*
 * The stat and findfirst families and setting files' times. One 64-bit routine gathers the facts;
 * the variants copy them into their layouts.
 */
#include "guest/user/msvcrt/caltime.h"
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#include <sys/utime.h>

static uint64_t ticks(const FILETIME *time)
{
	return (uint64_t)time->dwHighDateTime << 32 | time->dwLowDateTime;
}

static __time64_t unix_time(const FILETIME *time)
{
	return ticks(time) ? time_from_file(ticks(time)) : 0;
}

/* Read for all; write unless read-only; execute for programs and folders, for group and others too.
 */
static unsigned short mode_of(DWORD attributes, const wchar_t *path)
{
	static const wchar_t *const programs[] = {L".exe", L".com", L".cmd", L".bat"};
	unsigned mode = _S_IREAD;
	const wchar_t *dot = path ? wcsrchr(path, '.') : NULL;

	if (!(attributes & FILE_ATTRIBUTE_READONLY))
		mode |= _S_IWRITE;
	if (attributes & FILE_ATTRIBUTE_DIRECTORY)
		mode |= _S_IEXEC;
	for (size_t i = 0; dot && i < ARRAYSIZE(programs); i++)
		if (!_wcsicmp(dot, programs[i]))
			mode |= _S_IEXEC;
	mode |= mode >> 3 | mode >> 6;
	mode |= attributes & FILE_ATTRIBUTE_DIRECTORY ? _S_IFDIR : _S_IFREG;
	return (unsigned short)mode;
}

/* 0 for A:, 1 for B: and so on: of the path, else of the current folder. */
static unsigned drive_of(const wchar_t *path)
{
	wchar_t current[MAX_PATH];

	if (!*path || path[1] != ':') {
		if (!GetCurrentDirectoryW(MAX_PATH, current) || current[1] != ':')
			return 0;
		path = current;
	}
	return (unsigned)(*path | 0x20) - 'a';
}

static int stat_path(const wchar_t *path, struct _stat64 *to)
{
	WIN32_FILE_ATTRIBUTE_DATA data;
	wchar_t *copy = NULL;
	size_t n = wcslen(path);

	/* Names with wildcards name no file; "dir\" names a folder. */
	if (wcspbrk(path, L"?*"))
		return crt_fail_with(ENOENT);
	if (n > 1 && (path[n - 1] == '\\' || path[n - 1] == '/') && path[n - 2] != ':') {
		copy = _wcsdup(path);
		if (copy)
			copy[n - 1] = 0;
	}
	if (!GetFileAttributesExW(copy ? copy : path, GetFileExInfoStandard, &data)) {
		crt_fail();
		errno = ENOENT;
		free(copy);
		return -1;
	}
	free(copy);
	memset(to, 0, sizeof(*to));
	to->st_mode = mode_of(data.dwFileAttributes, path);
	to->st_nlink = 1;
	to->st_dev = to->st_rdev = drive_of(path);
	to->st_size = (__int64)data.nFileSizeHigh << 32 | data.nFileSizeLow;
	if (data.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY)
		to->st_size = 0;
	to->st_mtime = unix_time(&data.ftLastWriteTime);
	to->st_atime = unix_time(&data.ftLastAccessTime);
	to->st_ctime = unix_time(&data.ftCreationTime);
	if (!to->st_atime)
		to->st_atime = to->st_mtime;
	if (!to->st_ctime)
		to->st_ctime = to->st_mtime;
	return 0;
}

static int stat_handle(struct fd_info *info, int fd, struct _stat64 *to)
{
	BY_HANDLE_FILE_INFORMATION data;

	memset(to, 0, sizeof(*to));
	to->st_nlink = 1;
	if (info->flags & (FD_DEVICE | FD_PIPE)) {
		to->st_mode = info->flags & FD_DEVICE ? _S_IFCHR : _S_IFIFO;
		to->st_dev = to->st_rdev = (unsigned)fd;
		return 0;
	}
	if (!GetFileInformationByHandle(info->handle, &data))
		return crt_fail();
	to->st_mode = mode_of(data.dwFileAttributes, NULL);
	to->st_nlink = (short)data.nNumberOfLinks;
	to->st_size = (__int64)data.nFileSizeHigh << 32 | data.nFileSizeLow;
	to->st_mtime = unix_time(&data.ftLastWriteTime);
	to->st_atime = unix_time(&data.ftLastAccessTime);
	to->st_ctime = unix_time(&data.ftCreationTime);
	return 0;
}

int _wstat64(const wchar_t *path, struct _stat64 *to)
{
	if (!path || !to) {
		crt_invalid(EINVAL);
		return -1;
	}
	return stat_path(path, to);
}

int _stat64(const char *path, struct _stat64 *to)
{
	wchar_t *wide = path ? crt_wide(path) : NULL;
	int result = _wstat64(wide, to);

	free(wide);
	return result;
}

int _fstat64(int fd, struct _stat64 *to)
{
	struct fd_info *info;
	int result;

	if (!to) {
		crt_invalid(EINVAL);
		return -1;
	}
	info = fd_lock(fd);
	if (!info)
		return -1;
	result = stat_handle(info, fd, to);
	fd_unlock(info);
	return result;
}

/* 64-bit times, 32-bit size: what _stat is on x64. */
static int narrow_size(int result, const struct _stat64 *from, struct _stat64i32 *to)
{
	if (result)
		return result;
	if (from->st_size > LONG_MAX)
		return crt_fail_with(EOVERFLOW);
	to->st_dev = from->st_dev;
	to->st_ino = from->st_ino;
	to->st_mode = from->st_mode;
	to->st_nlink = from->st_nlink;
	to->st_uid = from->st_uid;
	to->st_gid = from->st_gid;
	to->st_rdev = from->st_rdev;
	to->st_size = (_off_t)from->st_size;
	to->st_atime = from->st_atime;
	to->st_mtime = from->st_mtime;
	to->st_ctime = from->st_ctime;
	return 0;
}

int _stat64i32(const char *path, struct _stat64i32 *to)
{
	struct _stat64 wide;

	return narrow_size(_stat64(path, &wide), &wide, to);
}

int _wstat64i32(const wchar_t *path, struct _stat64i32 *to)
{
	struct _stat64 wide;

	return narrow_size(_wstat64(path, &wide), &wide, to);
}

int _fstat64i32(int fd, struct _stat64i32 *to)
{
	struct _stat64 wide;

	return narrow_size(_fstat64(fd, &wide), &wide, to);
}

/* Searching folders */
static void fill(struct _wfinddata64_t *to, const WIN32_FIND_DATAW *from)
{
	to->attrib = from->dwFileAttributes == FILE_ATTRIBUTE_NORMAL ? 0 : from->dwFileAttributes;
	to->time_create = unix_time(&from->ftCreationTime);
	to->time_access = unix_time(&from->ftLastAccessTime);
	to->time_write = unix_time(&from->ftLastWriteTime);
	to->size = (__int64)from->nFileSizeHigh << 32 | from->nFileSizeLow;
	wcscpy(to->name, from->cFileName);
}

/* The search's own errors: a bad name is EINVAL, no memory ENOMEM, all else ENOENT. */
static int search_failed(void)
{
	DWORD code = GetLastError();

	_dosmaperr(code);
	errno = code == ERROR_NOT_ENOUGH_MEMORY					? ENOMEM
		: code == ERROR_BAD_PATHNAME || code == ERROR_INVALID_PARAMETER ? EINVAL
										: ENOENT;
	return -1;
}

intptr_t _wfindfirst64(const wchar_t *pattern, struct _wfinddata64_t *to)
{
	WIN32_FIND_DATAW found;
	HANDLE search;

	if (!pattern || !to) {
		crt_invalid(EINVAL);
		return -1;
	}
	search = FindFirstFileW(pattern, &found);
	if (search == INVALID_HANDLE_VALUE)
		return search_failed();
	fill(to, &found);
	return (intptr_t)search;
}

int _wfindnext64(intptr_t search, struct _wfinddata64_t *to)
{
	WIN32_FIND_DATAW found;

	if (!to) {
		crt_invalid(EINVAL);
		return -1;
	}
	if (!FindNextFileW((HANDLE)search, &found))
		return search_failed();
	fill(to, &found);
	return 0;
}

int _findclose(intptr_t search)
{
	return FindClose((HANDLE)search) ? 0 : crt_fail_with(EINVAL);
}

static void narrow_name(char *to, size_t room, const wchar_t *from)
{
	if (!WideCharToMultiByte(CP_ACP, 0, from, -1, to, (int)room, NULL, NULL))
		*to = 0;
}

/* Copies the fields that all layouts have; `N` converts the name. */
#define COPY_FOUND(to, from)                             \
	do {                                             \
		(to)->attrib = (from)->attrib;           \
		(to)->time_create = (from)->time_create; \
		(to)->time_access = (from)->time_access; \
		(to)->time_write = (from)->time_write;   \
		(to)->size = (_fsize_t)(from)->size;     \
	} while (0)

#define FIND_FAMILY(first, next, type)                                               \
	static void fill_##first(struct type *to, const struct _wfinddata64_t *from) \
	{                                                                            \
		COPY_FOUND(to, from);                                                \
		narrow_name(to->name, sizeof(to->name), from->name);                 \
		to->size = from->size;                                               \
	}                                                                            \
	intptr_t first(const char *pattern, struct type *to)                         \
	{                                                                            \
		struct _wfinddata64_t wide;                                          \
		wchar_t *wide_pattern = pattern ? crt_wide(pattern) : NULL;          \
		intptr_t search = _wfindfirst64(to ? wide_pattern : NULL, &wide);    \
		free(wide_pattern);                                                  \
		if (search != -1)                                                    \
			fill_##first(to, &wide);                                     \
		return search;                                                       \
	}                                                                            \
	int next(intptr_t search, struct type *to)                                   \
	{                                                                            \
		struct _wfinddata64_t wide;                                          \
		int result = _wfindnext64(search, to ? &wide : NULL);                \
		if (!result)                                                         \
			fill_##first(to, &wide);                                     \
		return result;                                                       \
	}

FIND_FAMILY(_findfirst64, _findnext64, __finddata64_t)
FIND_FAMILY(_findfirst64i32, _findnext64i32, _finddata64i32_t)

intptr_t _wfindfirst64i32(const wchar_t *pattern, struct _wfinddata64i32_t *to)
{
	struct _wfinddata64_t wide;
	intptr_t search = _wfindfirst64(to ? pattern : NULL, &wide);

	if (search != -1) {
		COPY_FOUND(to, &wide);
		wcscpy(to->name, wide.name);
	}
	return search;
}

int _wfindnext64i32(intptr_t search, struct _wfinddata64i32_t *to)
{
	struct _wfinddata64_t wide;
	int result = _wfindnext64(search, to ? &wide : NULL);

	if (!result) {
		COPY_FOUND(to, &wide);
		wcscpy(to->name, wide.name);
	}
	return result;
}

/* Setting times: NULL means now. */
int _futime64(int fd, struct __utimbuf64 *times)
{
	struct __utimbuf64 now;
	struct fd_info *info = fd_lock(fd);
	uint64_t access, write;
	FILETIME access_time, write_time;
	int result;

	if (!info)
		return -1;
	if (!times) {
		now.actime = now.modtime = _time64(NULL);
		times = &now;
	}
	access = time_to_file(times->actime);
	write = time_to_file(times->modtime);
	access_time = (FILETIME){(DWORD)access, (DWORD)(access >> 32)};
	write_time = (FILETIME){(DWORD)write, (DWORD)(write >> 32)};
	result = SetFileTime(info->handle, NULL, &access_time, &write_time) ? 0 : crt_fail();
	fd_unlock(info);
	return result;
}

int _wutime64(const wchar_t *path, struct __utimbuf64 *times)
{
	int fd = _wopen(path, _O_RDWR | _O_BINARY), result;

	if (fd < 0)
		return -1;
	result = _futime64(fd, times);
	_close(fd);
	return result;
}

int _utime64(const char *path, struct __utimbuf64 *times)
{
	int fd = _open(path, _O_RDWR | _O_BINARY), result;

	if (fd < 0)
		return -1;
	result = _futime64(fd, times);
	_close(fd);
	return result;
}

static struct __utimbuf64 *widen_times(struct __utimbuf64 *to, const struct __utimbuf32 *from)
{
	if (!from)
		return NULL;
	to->actime = from->actime;
	to->modtime = from->modtime;
	return to;
}

int _utime32(const char *path, struct __utimbuf32 *times)
{
	return _utime64(path, widen_times(&(struct __utimbuf64){0}, times));
}

int _wutime32(const wchar_t *path, struct __utimbuf32 *times)
{
	return _wutime64(path, widen_times(&(struct __utimbuf64){0}, times));
}

int _futime32(int fd, struct __utimbuf32 *times)
{
	return _futime64(fd, widen_times(&(struct __utimbuf64){0}, times));
}
