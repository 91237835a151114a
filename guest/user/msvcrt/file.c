/*
 * Files beyond reading and writing: names, attributes, lengths, duplicates, modes, locks.
 */
#include "guest/user/msvcrt/crt.h"
#include <direct.h>
#include <fcntl.h>
#include <io.h>
#include <sys/locking.h>
#include <sys/stat.h>

/* Calls a wide function with a narrow name. */
#define WITH_WIDE(path, type, failure, call)                          \
	do {                                                          \
		wchar_t *wide_ = (path) ? crt_wide(path) : NULL;      \
		const wchar_t *wide = wide_;                          \
		type result_ = (path) && !wide_ ? (failure) : (call); \
		free(wide_);                                          \
		return result_;                                       \
	} while (0)

int _wunlink(const wchar_t *path)
{
	return DeleteFileW(path) ? 0 : crt_fail();
}

int _unlink(const char *path)
{
	WITH_WIDE(path, int, -1, _wunlink(wide));
}

int _wremove(const wchar_t *path)
{
	return _wunlink(path);
}

int remove(const char *path)
{
	return _unlink(path);
}

int _wrename(const wchar_t *from, const wchar_t *to)
{
	return MoveFileExW(from, to, MOVEFILE_COPY_ALLOWED) ? 0 : crt_fail();
}

int rename(const char *from, const char *to)
{
	wchar_t *wide_from = crt_wide(from), *wide_to = crt_wide(to);
	int result = wide_from && wide_to ? _wrename(wide_from, wide_to) : crt_fail_with(ENOMEM);

	free(wide_from);
	free(wide_to);
	return result;
}

int _wmkdir(const wchar_t *path)
{
	return CreateDirectoryW(path, NULL) ? 0 : crt_fail();
}

int _mkdir(const char *path)
{
	WITH_WIDE(path, int, -1, _wmkdir(wide));
}

int _wrmdir(const wchar_t *path)
{
	return RemoveDirectoryW(path) ? 0 : crt_fail();
}

int _rmdir(const char *path)
{
	WITH_WIDE(path, int, -1, _wrmdir(wide));
}

errno_t _waccess_s(const wchar_t *path, int mode)
{
	enum { MAY_WRITE = 2, ALL_MODES = 6 };
	DWORD attributes;

	if (!path || (mode & ~ALL_MODES))
		return crt_invalid(EINVAL);
	attributes = GetFileAttributesW(path);
	if (attributes == INVALID_FILE_ATTRIBUTES) {
		crt_fail();
		return errno;
	}
	if ((attributes & FILE_ATTRIBUTE_READONLY) && !(attributes & FILE_ATTRIBUTE_DIRECTORY) &&
	    (mode & MAY_WRITE)) {
		_doserrno = ERROR_ACCESS_DENIED;
		return errno = EACCES;
	}
	return 0;
}

int _waccess(const wchar_t *path, int mode)
{
	return _waccess_s(path, mode) ? -1 : 0;
}

errno_t _access_s(const char *path, int mode)
{
	WITH_WIDE(path, errno_t, ENOMEM, _waccess_s(wide, mode));
}

int _access(const char *path, int mode)
{
	return _access_s(path, mode) ? -1 : 0;
}

int _wchmod(const wchar_t *path, int mode)
{
	DWORD attributes = GetFileAttributesW(path);

	if (attributes == INVALID_FILE_ATTRIBUTES)
		return crt_fail();
	if (mode & _S_IWRITE)
		attributes &= ~FILE_ATTRIBUTE_READONLY;
	else
		attributes |= FILE_ATTRIBUTE_READONLY;
	return SetFileAttributesW(path, attributes) ? 0 : crt_fail();
}

int _chmod(const char *path, int mode)
{
	WITH_WIDE(path, int, -1, _wchmod(wide, mode));
}

int _commit(int fd)
{
	struct fd_info *info = fd_lock(fd);
	int result;

	if (!info)
		return -1;
	result = FlushFileBuffers(info->handle) ? 0 : crt_fail_with(EBADF);
	fd_unlock(info);
	return result;
}

int _setmode(int fd, int mode)
{
	struct fd_info *info = fd_lock(fd);
	int old;

	if (!info)
		return -1;
	old = !(info->flags & FD_TEXT) ? _O_BINARY
	      : info->extra & FD_UTF8  ? _O_U8TEXT
	      : info->extra & FD_UTF16 ? _O_WTEXT
				       : _O_TEXT;
	switch (mode) {
	case _O_BINARY:
		info->flags &= ~FD_TEXT;
		break;
	case _O_TEXT:
		info->flags |= FD_TEXT;
		info->extra &= ~(FD_UTF8 | FD_UTF16);
		break;
	case _O_U8TEXT:
		info->flags |= FD_TEXT;
		info->extra = (info->extra & ~FD_UTF16) | FD_UTF8;
		break;
	case _O_WTEXT:
	case _O_U16TEXT:
		info->flags |= FD_TEXT;
		info->extra = (info->extra & ~FD_UTF8) | FD_UTF16;
		break;
	default:
		old = -1;
		crt_invalid(EINVAL);
		break;
	}
	fd_unlock(info);
	return old;
}

unsigned fd_encoding(int fd)
{
	return (unsigned)fd_extra(fd) & (FD_UTF8 | FD_UTF16);
}

__int64 _filelengthi64(int fd)
{
	struct fd_info *info = fd_lock(fd);
	__int64 here, end;

	if (!info)
		return -1;
	here = fd_seek_locked(info, 0, SEEK_CUR);
	end = here < 0 ? -1 : fd_seek_locked(info, 0, SEEK_END);
	if (end >= 0)
		fd_seek_locked(info, here, SEEK_SET);
	fd_unlock(info);
	return end;
}

long _filelength(int fd)
{
	return (long)_filelengthi64(fd);
}

__int64 _telli64(int fd)
{
	return _lseeki64(fd, 0, SEEK_CUR);
}

long _tell(int fd)
{
	return _lseek(fd, 0, SEEK_CUR);
}

int _eof(int fd)
{
	__int64 here = _telli64(fd), end = here < 0 ? -1 : _filelengthi64(fd);

	return end < 0 ? -1 : here >= end;
}

/* Cuts the file, or fills it up with zeros. */
errno_t _chsize_s(int fd, __int64 size)
{
	struct fd_info *info;
	__int64 here;
	errno_t code = 0;

	if (size < 0)
		return crt_invalid(EINVAL);
	info = fd_lock(fd);
	if (!info)
		return errno;
	here = fd_seek_locked(info, 0, SEEK_CUR);
	if (here < 0 || fd_seek_locked(info, size, SEEK_SET) < 0) {
		code = errno;
	} else {
		if (!SetEndOfFile(info->handle)) {
			crt_fail();
			code = errno;
		}
		fd_seek_locked(info, here, SEEK_SET);
	}
	fd_unlock(info);
	return code;
}

int _chsize(int fd, long size)
{
	return _chsize_s(fd, size) ? -1 : 0;
}

static HANDLE duplicate(int fd)
{
	HANDLE copy = INVALID_HANDLE_VALUE;
	struct fd_info *info = fd_lock(fd);

	if (!info)
		return copy;
	if (!DuplicateHandle(GetCurrentProcess(), info->handle, GetCurrentProcess(), &copy, 0, TRUE,
			     DUPLICATE_SAME_ACCESS)) {
		crt_fail();
		copy = INVALID_HANDLE_VALUE;
	}
	fd_unlock(info);
	return copy;
}

int _dup(int fd)
{
	HANDLE copy = duplicate(fd);
	int result;

	if (copy == INVALID_HANDLE_VALUE)
		return -1;
	result = fd_new(copy, fd_flags(fd) & ~FD_NOINHERIT, fd_encoding(fd));
	if (result < 0)
		CloseHandle(copy);
	return result;
}

int _dup2(int fd, int to)
{
	HANDLE copy;

	if (!(fd_flags(fd) & FD_OPEN) || to < 0 || to >= FD_MAX)
		return crt_fail_with(EBADF);
	if (fd == to)
		return 0;
	copy = duplicate(fd);
	if (copy == INVALID_HANDLE_VALUE)
		return -1;
	if (fd_flags(to) & FD_OPEN)
		_close(to);
	if (fd_put(to, copy, fd_flags(fd) & ~FD_NOINHERIT, fd_encoding(fd)) < 0) {
		CloseHandle(copy);
		return -1;
	}
	return 0;
}

/* Locks bytes from the current position; the waiting modes try ten times, a second apart. */
int _locking(int fd, int mode, long size)
{
	enum { TRIES = 10, PAUSE_MS = 1000 };
	struct fd_info *info = fd_lock(fd);
	__int64 at;
	bool waits = mode == _LK_LOCK || mode == _LK_RLCK, done = false;

	if (!info)
		return -1;
	at = fd_seek_locked(info, 0, SEEK_CUR);
	if (at < 0 || mode < _LK_UNLCK || mode > _LK_NBRLCK || size < 0) {
		fd_unlock(info);
		return at < 0 ? -1 : crt_fail_with(EINVAL);
	}
	for (int i = 0; !done && i < (waits ? TRIES : 1); i++) {
		if (i)
			Sleep(PAUSE_MS);
		if (mode == _LK_UNLCK)
			done =
			    UnlockFile(info->handle, (DWORD)at, (DWORD)(at >> 32), (DWORD)size, 0);
		else
			done = LockFile(info->handle, (DWORD)at, (DWORD)(at >> 32), (DWORD)size, 0);
	}
	fd_unlock(info);
	if (done)
		return 0;
	crt_fail();
	if (waits)
		errno = EDEADLOCK;
	return -1;
}
