/*
 * File descriptors: the table, opening handles, reading and writing bytes with text translation.
 *
 * Descriptors lie in blocks of 32 that are made as needed and never freed, so a descriptor's
 * fd_info has a fixed address. LOCK_FD_TABLE covers handing descriptors out, each fd_info's own
 * lock its use. Order: stream lock, LOCK_FD_TABLE, a descriptor's lock.
 */
#include "guest/user/msvcrt/crt.h"
#include <fcntl.h>
#include <io.h>

struct fd_info *crt_pioinfo[FD_BLOCKS];
/* What lies outside the table looks closed (programs reach for it through __badioinfo). */
struct fd_info crt_badioinfo = {.handle = INVALID_HANDLE_VALUE};

/* What each descriptor's last _read took from the file and what it became; see seek.c. */
static struct last_read {
	int raw, cooked;
} last_read[FD_MAX];

enum { CTRL_Z = 0x1A };

static struct fd_info *fd_slot(int fd)
{
	struct fd_info *block;

	if (fd < 0 || fd >= FD_MAX)
		return NULL;
	block = crt_pioinfo[fd / FD_BLOCK];
	return block ? &block[fd % FD_BLOCK] : NULL;
}

static bool add_block(int index)
{
	struct fd_info *block =
	    HeapAlloc(GetProcessHeap(), HEAP_ZERO_MEMORY, FD_BLOCK * sizeof(*block));

	if (!block)
		return false;
	for (int i = 0; i < FD_BLOCK; i++) {
		block[i].handle = INVALID_HANDLE_VALUE;
		InitializeCriticalSection(&block[i].lock);
	}
	crt_pioinfo[index] = block;
	return true;
}

struct fd_info *fd_lock(int fd)
{
	struct fd_info *info = fd_slot(fd);

	if (info && (info->flags & FD_OPEN)) {
		EnterCriticalSection(&info->lock);
		if (info->flags & FD_OPEN)
			return info;
		LeaveCriticalSection(&info->lock);
	}
	crt_fail_with(EBADF);
	return NULL;
}

void fd_unlock(struct fd_info *info)
{
	LeaveCriticalSection(&info->lock);
}

/* Descriptors 0, 1 and 2 are the process's standard handles. */
static DWORD std_handle_of(int fd)
{
	static const DWORD numbers[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};

	return numbers[fd];
}

static void set_handle(int fd, HANDLE handle)
{
	fd_slot(fd)->handle = handle;
	if (fd < 3 && crt_app_type == 1)
		SetStdHandle(std_handle_of(fd), handle);
}

/* Type flags of a handle, 0 with an error if it is none. */
static unsigned type_flags(HANDLE handle)
{
	switch (GetFileType(handle) & ~FILE_TYPE_REMOTE) {
	case FILE_TYPE_CHAR:
		return FD_OPEN | FD_DEVICE;
	case FILE_TYPE_PIPE:
		return FD_OPEN | FD_PIPE;
	case FILE_TYPE_UNKNOWN:
		if (GetLastError() != NO_ERROR)
			return 0;
		/* fall through */
	default:
		return FD_OPEN;
	}
}

int fd_put(int fd, HANDLE handle, unsigned flags, unsigned extra)
{
	struct fd_info *info;

	_lock(LOCK_FD_TABLE);
	for (int i = 0; i <= fd / FD_BLOCK; i++) {
		if (!crt_pioinfo[i] && !add_block(i)) {
			_unlock(LOCK_FD_TABLE);
			return crt_fail_with(ENOMEM);
		}
	}
	info = fd_slot(fd);
	EnterCriticalSection(&info->lock);
	info->extra = (int)extra;
	info->flags = flags | FD_OPEN;
	set_handle(fd, handle);
	LeaveCriticalSection(&info->lock);
	_unlock(LOCK_FD_TABLE);
	return 0;
}

int fd_new(HANDLE handle, unsigned flags, unsigned extra)
{
	int fd;

	_lock(LOCK_FD_TABLE);
	for (fd = 0; fd < FD_MAX; fd++) {
		struct fd_info *info;

		if (!crt_pioinfo[fd / FD_BLOCK] && !add_block(fd / FD_BLOCK))
			break;
		info = fd_slot(fd);
		if (info->flags & FD_OPEN)
			continue;
		EnterCriticalSection(&info->lock);
		info->extra = (int)extra;
		set_handle(fd, handle);
		info->flags = flags | FD_OPEN;
		LeaveCriticalSection(&info->lock);
		_unlock(LOCK_FD_TABLE);
		return fd;
	}
	_unlock(LOCK_FD_TABLE);
	return crt_fail_with(fd == FD_MAX ? EMFILE : ENOMEM);
}

/*
 * A parent hands its descriptors over in STARTUPINFO: a count, a flag byte each, a handle each.
 */
static void inherit(void)
{
	STARTUPINFOA start;
	const unsigned char *block, *flags;
	int count;

	GetStartupInfoA(&start);
	block = start.lpReserved2;
	if (!block || start.cbReserved2 < sizeof(count))
		return;
	memcpy(&count, block, sizeof(count));
	if (count < 0 || count > FD_MAX ||
	    sizeof(count) + count * (1 + sizeof(HANDLE)) > start.cbReserved2)
		return;
	flags = block + sizeof(count);
	for (int fd = 0; fd < count; fd++) {
		HANDLE handle;

		memcpy(&handle, flags + count + fd * sizeof(handle), sizeof(handle));
		if (!(flags[fd] & FD_OPEN) || handle == INVALID_HANDLE_VALUE || !handle)
			continue;
		if (!(flags[fd] & FD_PIPE) && !type_flags(handle))
			continue;
		if (!crt_pioinfo[fd / FD_BLOCK] && !add_block(fd / FD_BLOCK))
			return;
		fd_slot(fd)->handle = handle;
		fd_slot(fd)->flags = flags[fd];
	}
}

void *fd_inherit_block(WORD *size)
{
	int count = 0;
	unsigned char *block;

	for (int fd = 0; fd < FD_MAX && crt_pioinfo[fd / FD_BLOCK]; fd++)
		if ((fd_slot(fd)->flags & (FD_OPEN | FD_NOINHERIT)) == FD_OPEN)
			count = fd + 1;
	*size = (WORD)(sizeof(count) + count * (1 + sizeof(HANDLE)));
	block = calloc(1, *size);
	if (!block)
		return NULL;
	memcpy(block, &count, sizeof(count));
	for (int fd = 0; fd < count; fd++) {
		struct fd_info *info = fd_slot(fd);
		HANDLE handle = INVALID_HANDLE_VALUE;

		if ((info->flags & (FD_OPEN | FD_NOINHERIT)) == FD_OPEN) {
			block[sizeof(count) + fd] = info->flags;
			handle = info->handle;
		}
		memcpy(block + sizeof(count) + count + fd * sizeof(handle), &handle,
		       sizeof(handle));
	}
	return block;
}

bool crt_fd_init(void)
{
	if (!add_block(0))
		return false;
	inherit();
	for (int fd = 0; fd < 3; fd++) {
		struct fd_info *info = fd_slot(fd);
		unsigned flags;

		if (info->flags & FD_OPEN)
			continue;
		info->handle = GetStdHandle(std_handle_of(fd));
		flags = info->handle && info->handle != INVALID_HANDLE_VALUE
			    ? type_flags(info->handle)
			    : 0;
		/* Without a handle the descriptor is open all the same, and its use fails. */
		if (!flags)
			flags = FD_OPEN | FD_DEVICE;
		info->flags = flags | FD_TEXT;
	}
	return true;
}

int _open_osfhandle(intptr_t os, int mode)
{
	unsigned flags = type_flags((HANDLE)os);

	if (!flags)
		return crt_fail();
	if (mode & _O_APPEND)
		flags |= FD_APPEND;
	if (mode & _O_TEXT)
		flags |= FD_TEXT;
	if (mode & _O_NOINHERIT)
		flags |= FD_NOINHERIT;
	return fd_new((HANDLE)os, flags, 0);
}

intptr_t _get_osfhandle(int fd)
{
	struct fd_info *info = fd_slot(fd);

	if (!info || !(info->flags & FD_OPEN))
		return crt_fail_with(EBADF);
	return (intptr_t)info->handle;
}

int _close(int fd)
{
	struct fd_info *info = fd_lock(fd), *other;
	BOOL done = TRUE;

	if (!info)
		return -1;
	/* Standard output and error may be one handle; the last of them closes it. */
	other = fd == 1 ? fd_slot(2) : fd == 2 ? fd_slot(1) : NULL;
	if (!(other && (other->flags & FD_OPEN) && other->handle == info->handle) &&
	    info->handle != INVALID_HANDLE_VALUE)
		done = CloseHandle(info->handle);
	if (!done)
		crt_fail();
	set_handle(fd, INVALID_HANDLE_VALUE);
	info->flags = 0;
	info->extra = 0;
	fd_unlock(info);
	return done ? 0 : -1;
}

__int64 fd_seek_locked(struct fd_info *info, __int64 offset, int origin)
{
	LARGE_INTEGER to = {.QuadPart = offset};

	to.LowPart = SetFilePointer(info->handle, to.LowPart, &to.HighPart, (DWORD)origin);
	if (to.LowPart == INVALID_SET_FILE_POINTER && GetLastError() != NO_ERROR)
		return crt_fail();
	info->flags &= ~FD_EOF;
	info->extra &= ~FD_LOOKAHEAD;
	return to.QuadPart;
}

static int read_raw(struct fd_info *info, void *buffer, unsigned size)
{
	DWORD got = 0;

	if (ReadFile(info->handle, buffer, size, &got, NULL))
		return (int)got;
	switch (GetLastError()) {
	case ERROR_BROKEN_PIPE:
	case ERROR_HANDLE_EOF:
		return 0;
	case ERROR_ACCESS_DENIED:
		/* Reading from a file opened for writing only. */
		_doserrno = ERROR_ACCESS_DENIED;
		errno = EBADF;
		return -1;
	default:
		return crt_fail();
	}
}

/*
 * The buffer ends with a carriage return: adds what it stands for. The next byte decides. From a
 * device or pipe it is kept for the next read; in a file the position goes back, and of a CR LF
 * only the LF is read again.
 */
static int translate_last(struct fd_info *info, char *buffer, int to, int *raw)
{
	char next;
	int got = read_raw(info, &next, 1);

	if (got > 0 && next == '\n' && (!to || (info->flags & (FD_DEVICE | FD_PIPE)))) {
		buffer[to++] = '\n';
		++*raw;
		return to;
	}
	if (got > 0 && (info->flags & (FD_DEVICE | FD_PIPE))) {
		info->lookahead[0] = next;
		info->extra |= FD_LOOKAHEAD;
	} else if (got > 0) {
		fd_seek_locked(info, -1, SEEK_CUR);
		if (next == '\n')
			return to;
	}
	buffer[to++] = '\r';
	return to;
}

/* CR LF -> LF, stops at Ctrl-Z (a device's is kept: it ends this read only). */
static int translate_input(struct fd_info *info, char *buffer, int *raw)
{
	int to = 0, size = *raw;

	for (int from = 0; from < size; from++) {
		char c = buffer[from];

		if (c == CTRL_Z) {
			if (!(info->flags & FD_DEVICE))
				info->flags |= FD_EOF;
			else
				buffer[to++] = c;
			break;
		}
		if (c == '\r' && from + 1 == size)
			return translate_last(info, buffer, to, raw);
		if (c == '\r' && buffer[from + 1] == '\n')
			continue;
		buffer[to++] = c;
	}
	return to;
}

int fd_read_raw_locked(struct fd_info *info, void *buffer, unsigned size)
{
	return read_raw(info, buffer, size);
}

/* *raw is how many bytes of the file the result was made from. */
static int read_locked(struct fd_info *info, char *buffer, unsigned size, int *raw)
{
	*raw = 0;
	if (!size || (info->flags & FD_EOF))
		return 0;
	if (info->extra & FD_LOOKAHEAD) {
		/* More would wait for input although there is some. */
		info->extra &= ~FD_LOOKAHEAD;
		buffer[0] = info->lookahead[0];
		*raw = 1;
	} else {
		*raw = read_raw(info, buffer, size);
	}
	if (*raw < 0)
		return *raw;
	return info->flags & FD_TEXT ? translate_input(info, buffer, raw) : *raw;
}

static int write_failed(void)
{
	DWORD code = GetLastError();

	if (code == ERROR_ACCESS_DENIED) {
		_doserrno = code;
		errno = EBADF;
		return -1;
	}
	_dosmaperr(code);
	return -1;
}

/*
 * LF -> CR LF through a buffer. A short write counts the source bytes whose translation was
 * written whole.
 */
static int write_text(struct fd_info *info, const char *from, unsigned size)
{
	char buffer[4096];
	unsigned done = 0;

	while (done < size) {
		unsigned n = 0, at = done;
		DWORD written = 0;

		for (; at < size && n < sizeof(buffer) - 1; at++) {
			if (from[at] == '\n')
				buffer[n++] = '\r';
			buffer[n++] = from[at];
		}
		if (!WriteFile(info->handle, buffer, n, &written, NULL))
			return done ? (int)done : write_failed();
		if (written < n) {
			for (unsigned w = 0; w < written; done++)
				w += from[done] == '\n' ? 2 : 1;
			return (int)done;
		}
		done = at;
	}
	return (int)done;
}

static int write_locked(struct fd_info *info, const void *buffer, unsigned size)
{
	DWORD written = 0;

	if (!size)
		return 0;
	if (info->flags & FD_APPEND)
		SetFilePointer(info->handle, 0, NULL, FILE_END);
	if (info->flags & FD_TEXT)
		return write_text(info, buffer, size);
	if (!WriteFile(info->handle, buffer, size, &written, NULL))
		return write_failed();
	if (!written) {
		/* Nothing failed and nothing was written: the disk is full. */
		errno = ENOSPC;
		_doserrno = 0;
		return -1;
	}
	return (int)written;
}

int _read(int fd, void *buffer, unsigned size)
{
	struct fd_info *info = fd_lock(fd);
	int got, raw = 0;

	if (!info)
		return -1;
	got = size > INT_MAX ? crt_fail_with(EINVAL) : read_locked(info, buffer, size, &raw);
	last_read[fd] = (struct last_read){.raw = raw, .cooked = got};
	fd_unlock(info);
	return got;
}

int _write(int fd, const void *buffer, unsigned size)
{
	struct fd_info *info = fd_lock(fd);
	int done;

	if (!info)
		return -1;
	done = size > INT_MAX ? crt_fail_with(EINVAL) : write_locked(info, buffer, size);
	fd_unlock(info);
	return done;
}

__int64 _lseeki64(int fd, __int64 offset, int origin)
{
	struct fd_info *info = fd_lock(fd);
	__int64 at;

	if (!info)
		return -1;
	at = origin < SEEK_SET || origin > SEEK_END ? crt_fail_with(EINVAL)
						    : fd_seek_locked(info, offset, origin);
	fd_unlock(info);
	return at;
}

long _lseek(int fd, long offset, int origin)
{
	__int64 at = _lseeki64(fd, offset, origin);

	return at > LONG_MAX ? crt_fail_with(EOVERFLOW) : (long)at;
}

int _isatty(int fd)
{
	struct fd_info *info = fd_slot(fd);

	if (!info || !(info->flags & FD_OPEN)) {
		crt_fail_with(EBADF);
		return 0;
	}
	return info->flags & FD_DEVICE;
}

void fd_last_read(int fd, int *raw, int *cooked)
{
	*raw = last_read[fd].raw;
	*cooked = last_read[fd].cooked;
}

__int64 fd_position(int fd)
{
	LARGE_INTEGER at = {.QuadPart = 0};
	struct fd_info *info = fd_lock(fd);

	if (!info)
		return -1;
	at.LowPart = SetFilePointer(info->handle, 0, &at.HighPart, FILE_CURRENT);
	if (at.LowPart == INVALID_SET_FILE_POINTER && GetLastError() != NO_ERROR)
		at.QuadPart = crt_fail();
	fd_unlock(info);
	return at.QuadPart;
}

unsigned fd_flags(int fd)
{
	struct fd_info *info = fd_slot(fd);

	return info ? info->flags : 0;
}

int fd_extra(int fd)
{
	struct fd_info *info = fd_slot(fd);

	return info ? info->extra : 0;
}

void fd_clear_eof(int fd)
{
	struct fd_info *info = fd_slot(fd);

	if (info)
		info->flags &= ~FD_EOF;
}
