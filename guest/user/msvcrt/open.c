/*
 * Opening: _open and its kin on file names, fopen and its kin on top of them.
 */
#include "guest/user/msvcrt/crt.h"
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>

static int file_umask;

int _umask(int mask)
{
	int old = file_umask;

	file_umask = mask & (_S_IREAD | _S_IWRITE);
	return old;
}

errno_t _umask_s(int mask, int *old)
{
	if (!old)
		return crt_invalid(EINVAL);
	*old = _umask(mask);
	return 0;
}

static DWORD share_mode(int share, DWORD access)
{
	switch (share) {
	case _SH_DENYRW:
		return 0;
	case _SH_DENYWR:
		return FILE_SHARE_READ;
	case _SH_DENYRD:
		return FILE_SHARE_WRITE;
	case _SH_SECURE:
		return access == GENERIC_READ ? FILE_SHARE_READ : 0;
	default:
		return FILE_SHARE_READ | FILE_SHARE_WRITE;
	}
}

static DWORD disposition(int flags)
{
	switch (flags & (_O_CREAT | _O_EXCL | _O_TRUNC)) {
	case _O_CREAT:
		return OPEN_ALWAYS;
	case _O_CREAT | _O_EXCL:
	case _O_CREAT | _O_EXCL | _O_TRUNC:
		return CREATE_NEW;
	case _O_TRUNC:
	case _O_TRUNC | _O_EXCL:
		return TRUNCATE_EXISTING;
	case _O_CREAT | _O_TRUNC:
		return CREATE_ALWAYS;
	default:
		return OPEN_EXISTING;
	}
}

static HANDLE open_handle(const wchar_t *path, int flags, int share, int mode)
{
	SECURITY_ATTRIBUTES security = {
	    .nLength = sizeof(security),
	    .bInheritHandle = !(flags & _O_NOINHERIT),
	};
	DWORD access = GENERIC_READ, attributes = FILE_ATTRIBUTE_NORMAL;

	switch (flags & (_O_RDONLY | _O_WRONLY | _O_RDWR)) {
	case _O_WRONLY:
		access = GENERIC_WRITE;
		break;
	case _O_RDWR:
		access = GENERIC_READ | GENERIC_WRITE;
		break;
	}
	if ((flags & _O_CREAT) && !((mode & ~file_umask) & _S_IWRITE))
		attributes = FILE_ATTRIBUTE_READONLY;
	if (flags & _O_TEMPORARY) {
		attributes |= FILE_FLAG_DELETE_ON_CLOSE;
		access |= DELETE;
	}
	if (flags & _O_SHORT_LIVED)
		attributes |= FILE_ATTRIBUTE_TEMPORARY;
	if (flags & _O_SEQUENTIAL)
		attributes |= FILE_FLAG_SEQUENTIAL_SCAN;
	else if (flags & _O_RANDOM)
		attributes |= FILE_FLAG_RANDOM_ACCESS;
	return CreateFileW(path, access,
			   share_mode(share, access) |
			       (flags & _O_TEMPORARY ? FILE_SHARE_DELETE : 0),
			   &security, disposition(flags), attributes, NULL);
}

static unsigned text_flag(int flags)
{
	if (flags & (_O_TEXT | _O_WTEXT | _O_U16TEXT | _O_U8TEXT))
		return FD_TEXT;
	if (flags & _O_BINARY)
		return 0;
	return crt_fmode & _O_BINARY ? 0 : FD_TEXT;
}

/* A Ctrl-Z at the end of a text file opened for both is taken away, so that it can be extended. */
static void drop_ctrl_z(HANDLE handle)
{
	char last = 0;
	DWORD got;

	if (SetFilePointer(handle, -1, NULL, FILE_END) != INVALID_SET_FILE_POINTER &&
	    ReadFile(handle, &last, 1, &got, NULL) && got == 1 && last == 0x1A) {
		SetFilePointer(handle, -1, NULL, FILE_END);
		SetEndOfFile(handle);
	}
	SetFilePointer(handle, 0, NULL, FILE_BEGIN);
}

static int open_fd(const wchar_t *path, int flags, int share, int mode)
{
	unsigned fd_type = text_flag(flags), extra = 0;
	HANDLE handle;
	int fd;

	handle = open_handle(path, flags, share, mode);
	if (handle == INVALID_HANDLE_VALUE)
		return crt_fail();
	switch (GetFileType(handle)) {
	case FILE_TYPE_CHAR:
		fd_type |= FD_DEVICE;
		break;
	case FILE_TYPE_PIPE:
		fd_type |= FD_PIPE;
		break;
	}
	if (flags & _O_NOINHERIT)
		fd_type |= FD_NOINHERIT;
	if ((fd_type & (FD_TEXT | FD_DEVICE | FD_PIPE)) == FD_TEXT && (flags & _O_RDWR))
		drop_ctrl_z(handle);
	if ((flags & _O_APPEND) && !(fd_type & (FD_DEVICE | FD_PIPE)))
		fd_type |= FD_APPEND;
	if (flags & _O_U8TEXT)
		extra = FD_UTF8;
	else if (flags & (_O_U16TEXT | _O_WTEXT))
		extra = FD_UTF16;
	fd = fd_new(handle, fd_type, extra);
	if (fd < 0)
		CloseHandle(handle);
	return fd;
}

errno_t _wsopen_s(int *fd, const wchar_t *path, int flags, int share, int mode)
{
	if (!fd || !path)
		return crt_invalid(EINVAL);
	*fd = open_fd(path, flags, share, mode);
	return *fd < 0 ? errno : 0;
}

errno_t _sopen_s(int *fd, const char *path, int flags, int share, int mode)
{
	wchar_t *wide;
	errno_t code;

	if (!fd || !path)
		return crt_invalid(EINVAL);
	*fd = -1;
	wide = crt_wide(path);
	code = wide ? _wsopen_s(fd, wide, flags, share, mode) : ENOMEM;
	free(wide);
	return code;
}

/* The mode follows as an argument only when a file may be made. */
static int mode_argument(int flags, va_list args)
{
	return flags & _O_CREAT ? va_arg(args, int) : 0;
}

int _wsopen(const wchar_t *path, int flags, int share, ...)
{
	va_list args;
	int fd;

	va_start(args, share);
	_wsopen_s(&fd, path, flags, share, mode_argument(flags, args));
	va_end(args);
	return fd;
}

int _sopen(const char *path, int flags, int share, ...)
{
	va_list args;
	int fd;

	va_start(args, share);
	_sopen_s(&fd, path, flags, share, mode_argument(flags, args));
	va_end(args);
	return fd;
}

int _wopen(const wchar_t *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	_wsopen_s(&fd, path, flags, _SH_DENYNO, mode_argument(flags, args));
	va_end(args);
	return fd;
}

int _open(const char *path, int flags, ...)
{
	va_list args;
	int fd;

	va_start(args, flags);
	_sopen_s(&fd, path, flags, _SH_DENYNO, mode_argument(flags, args));
	va_end(args);
	return fd;
}

int _creat(const char *path, int mode)
{
	return _open(path, _O_CREAT | _O_TRUNC | _O_RDWR, mode);
}

int _wcreat(const wchar_t *path, int mode)
{
	return _wopen(path, _O_CREAT | _O_TRUNC | _O_RDWR, mode);
}

/* "ccs=UTF-8" after a mode's comma. */
static bool text_encoding(const wchar_t *at, int *open_flags)
{
	while (*at == ' ')
		at++;
	if (_wcsnicmp(at, L"ccs", 3))
		return false;
	for (at += 3; *at == ' ' || *at == '='; at++)
		;
	if (!_wcsicmp(at, L"UTF-8"))
		*open_flags |= _O_U8TEXT;
	else if (!_wcsicmp(at, L"UTF-16LE"))
		*open_flags |= _O_U16TEXT;
	else if (!_wcsicmp(at, L"UNICODE"))
		*open_flags |= _O_WTEXT;
	else
		return false;
	return true;
}

bool stream_mode(const wchar_t *mode, int *open_flags, int *stream_flags)
{
	int base;

	while (*mode == ' ')
		mode++;
	switch (*mode++) {
	case 'r':
		base = 0;
		*stream_flags = _IOREAD;
		break;
	case 'w':
		base = _O_CREAT | _O_TRUNC;
		*stream_flags = _IOWRT;
		break;
	case 'a':
		base = _O_CREAT | _O_APPEND;
		*stream_flags = _IOWRT;
		break;
	default:
		return false;
	}
	*open_flags = base | (*stream_flags == _IOREAD ? _O_RDONLY : _O_WRONLY);
	if (crt_commode)
		*stream_flags |= STREAM_COMMIT;
	for (; *mode; mode++) {
		switch (*mode) {
		case '+':
			*open_flags = (*open_flags & ~(_O_RDONLY | _O_WRONLY)) | _O_RDWR;
			*stream_flags = (*stream_flags & ~(_IOREAD | _IOWRT)) | _IORW;
			break;
		case 'b':
			*open_flags |= _O_BINARY;
			break;
		case 't':
			*open_flags |= _O_TEXT;
			break;
		case 'c':
			*stream_flags |= STREAM_COMMIT;
			break;
		case 'n':
			*stream_flags &= ~STREAM_COMMIT;
			break;
		case 'S':
			*open_flags |= _O_SEQUENTIAL;
			break;
		case 'R':
			*open_flags |= _O_RANDOM;
			break;
		case 'T':
			*open_flags |= _O_SHORT_LIVED;
			break;
		case 'D':
			*open_flags |= _O_TEMPORARY;
			break;
		case 'N':
			*open_flags |= _O_NOINHERIT;
			break;
		case ' ':
			break;
		case ',':
			return text_encoding(mode + 1, open_flags);
		default:
			return false;
		}
	}
	return true;
}

FILE *stream_open_fd(FILE *stream, int fd, int flags)
{
	stream->_flag = flags;
	stream->_file = fd;
	stream->_cnt = 0;
	stream->_ptr = stream->_base = NULL;
	stream->_tmpfname = NULL;
	return stream;
}

/* Opens a file on a stream that stream_new gave; the stream is free again if that fails. */
static FILE *open_on(FILE *stream, const wchar_t *path, const wchar_t *mode, int share)
{
	int open_flags, flags, fd;

	if (!stream)
		return NULL;
	if (!stream_mode(mode, &open_flags, &flags)) {
		stream_free(stream);
		crt_invalid(EINVAL);
		return NULL;
	}
	_wsopen_s(&fd, path, open_flags, share, _S_IREAD | _S_IWRITE);
	if (fd < 0) {
		stream_free(stream);
		return NULL;
	}
	return stream_open_fd(stream, fd, flags);
}

FILE *_wfsopen(const wchar_t *path, const wchar_t *mode, int share)
{
	if (!path || !mode) {
		crt_invalid(EINVAL);
		return NULL;
	}
	return open_on(stream_new(), path, mode, share);
}

FILE *_fsopen(const char *path, const char *mode, int share)
{
	wchar_t *wide = path ? crt_wide(path) : NULL, *wide_mode = mode ? crt_wide(mode) : NULL;
	FILE *stream = _wfsopen(wide, wide_mode, share);

	free(wide);
	free(wide_mode);
	return stream;
}

FILE *fopen(const char *path, const char *mode)
{
	return _fsopen(path, mode, _SH_DENYNO);
}

FILE *_wfopen(const wchar_t *path, const wchar_t *mode)
{
	return _wfsopen(path, mode, _SH_DENYNO);
}

errno_t fopen_s(FILE **stream, const char *path, const char *mode)
{
	if (!stream)
		return crt_invalid(EINVAL);
	*stream = _fsopen(path, mode, _SH_SECURE);
	return *stream ? 0 : errno;
}

errno_t _wfopen_s(FILE **stream, const wchar_t *path, const wchar_t *mode)
{
	if (!stream)
		return crt_invalid(EINVAL);
	*stream = _wfsopen(path, mode, _SH_SECURE);
	return *stream ? 0 : errno;
}

static FILE *reopen(const wchar_t *path, const wchar_t *mode, FILE *stream, int share)
{
	FILE *result;

	if (!path || !mode || !stream) {
		crt_invalid(EINVAL);
		return NULL;
	}
	_lock_file(stream);
	/* The lowest free descriptor is taken: that of a standard stream is again its own. */
	stream_close(stream);
	result = open_on(stream, path, mode, share);
	_unlock_file(stream);
	return result;
}

FILE *_wfreopen(const wchar_t *path, const wchar_t *mode, FILE *stream)
{
	return reopen(path, mode, stream, _SH_DENYNO);
}

FILE *freopen(const char *path, const char *mode, FILE *stream)
{
	wchar_t *wide = path ? crt_wide(path) : NULL, *wide_mode = mode ? crt_wide(mode) : NULL;
	FILE *result = reopen(wide, wide_mode, stream, _SH_DENYNO);

	free(wide);
	free(wide_mode);
	return result;
}

errno_t freopen_s(FILE **result, const char *path, const char *mode, FILE *stream)
{
	if (!result)
		return crt_invalid(EINVAL);
	*result = freopen(path, mode, stream);
	return *result ? 0 : errno;
}

errno_t _wfreopen_s(FILE **result, const wchar_t *path, const wchar_t *mode, FILE *stream)
{
	if (!result)
		return crt_invalid(EINVAL);
	*result = _wfreopen(path, mode, stream);
	return *result ? 0 : errno;
}

FILE *_wfdopen(int fd, const wchar_t *mode)
{
	int open_flags, flags;
	FILE *stream;

	if (!mode || !(fd_flags(fd) & FD_OPEN) || !stream_mode(mode, &open_flags, &flags)) {
		crt_invalid(mode && !(fd_flags(fd) & FD_OPEN) ? EBADF : EINVAL);
		return NULL;
	}
	stream = stream_new();
	if (!stream)
		return NULL;
	if (open_flags & (_O_TEXT | _O_BINARY))
		_setmode(fd, open_flags & (_O_TEXT | _O_BINARY));
	return stream_open_fd(stream, fd, flags);
}

FILE *_fdopen(int fd, const char *mode)
{
	wchar_t *wide = mode ? crt_wide(mode) : NULL;
	FILE *stream = _wfdopen(fd, wide);

	free(wide);
	return stream;
}
