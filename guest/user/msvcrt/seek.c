/*
 * Positions of streams.
 *
 * The position of a text stream within its buffer is found from the bytes as they are in the file:
 * where translation took carriage returns out, they are read again and counted.
 */
#include "guest/user/msvcrt/crt.h"
#include <io.h>

/*
 * How many file bytes, from `start` on, became the first `count` characters of the buffer. `end`
 * is where the file's position is, and stays.
 */
static __int64 raw_length(FILE *stream, __int64 start, __int64 end, int count)
{
	struct fd_info *info = fd_lock(stream->_file);
	__int64 at = start;
	bool after_cr = false;
	char chunk[512];

	if (!info)
		return 0;
	if (fd_seek_locked(info, start, SEEK_SET) < 0)
		count = 0;
	while (count > 0 && at < end) {
		int got = fd_read_raw_locked(info, chunk, sizeof(chunk));

		if (got <= 0)
			break;
		for (int i = 0; i < got && count > 0; i++, at++) {
			/* A CR counts when it turns out not to stand before an LF. */
			if (after_cr && chunk[i] != '\n' && --count == 0)
				break;
			after_cr = chunk[i] == '\r';
			count -= !after_cr;
		}
	}
	fd_seek_locked(info, end, SEEK_SET);
	fd_unlock(info);
	return at - start;
}

static __int64 position(FILE *stream)
{
	__int64 at;
	int raw, cooked;

	if (stream->_cnt < 0)
		stream->_cnt = 0;
	if ((stream->_flag & _IOWRT) && stream->_ptr > stream->_base) {
		/* What waits is written at the end when appending. */
		if ((fd_flags(stream->_file) & FD_APPEND) &&
		    _lseeki64(stream->_file, 0, SEEK_END) < 0)
			return -1;
		at = _lseeki64(stream->_file, 0, SEEK_CUR);
		if (at < 0)
			return -1;
		for (char *c = stream->_base; c < stream->_ptr; c++)
			at += 1 + (*c == '\n' && (fd_flags(stream->_file) & FD_TEXT));
		return at;
	}
	/* Asking for the position must not undo the end that a Ctrl-Z made. */
	at = fd_position(stream->_file);
	if (at < 0 || (stream->_flag & _IOWRT) || !stream->_cnt)
		return at;
	fd_last_read(stream->_file, &raw, &cooked);
	if (raw == cooked || stream->_ptr - stream->_base + stream->_cnt != cooked)
		return at - stream->_cnt;
	return at - raw + raw_length(stream, at - raw, at, (int)(stream->_ptr - stream->_base));
}

static int move(FILE *stream, __int64 offset, int origin)
{
	stream->_flag &= ~_IOEOF;
	if (origin == SEEK_CUR) {
		__int64 at = position(stream);

		if (at < 0)
			return -1;
		offset += at;
		origin = SEEK_SET;
	}
	if (stream_flush(stream) == EOF)
		return -1;
	stream->_ptr = stream->_base;
	stream->_cnt = 0;
	if (stream->_flag & _IORW)
		stream->_flag &= ~(_IOREAD | _IOWRT);
	return _lseeki64(stream->_file, offset, origin) < 0 ? -1 : 0;
}

int _fseeki64(FILE *stream, __int64 offset, int origin)
{
	int result;

	if (!stream || origin < SEEK_SET || origin > SEEK_END) {
		crt_invalid(EINVAL);
		return -1;
	}
	_lock_file(stream);
	result = move(stream, offset, origin);
	_unlock_file(stream);
	return result;
}

int fseek(FILE *stream, long offset, int origin)
{
	return _fseeki64(stream, offset, origin);
}

__int64 _ftelli64(FILE *stream)
{
	__int64 at;

	if (!stream) {
		crt_invalid(EINVAL);
		return -1;
	}
	_lock_file(stream);
	at = position(stream);
	_unlock_file(stream);
	return at;
}

long ftell(FILE *stream)
{
	__int64 at = _ftelli64(stream);

	return at > LONG_MAX ? crt_fail_with(EINVAL) : (long)at;
}

void rewind(FILE *stream)
{
	_fseeki64(stream, 0, SEEK_SET);
	clearerr(stream);
}

int fgetpos(FILE *stream, fpos_t *position)
{
	*position = _ftelli64(stream);
	return *position < 0 ? -1 : 0;
}

int fsetpos(FILE *stream, const fpos_t *position)
{
	return _fseeki64(stream, *position, SEEK_SET);
}
