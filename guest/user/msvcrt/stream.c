/*
 * Streams: the table, buffers, and the byte-wise core that all of stdio uses.
 *
 * A FILE has Microsoft's layout, because old programs' getc and putc macros work on _ptr and
 * _cnt. The first 20 are static; others lie in allocated cells with their lock behind them, as
 * mingw-w64's own _lock_file expects. LOCK_STREAM_TABLE covers the table. The stream_ functions
 * want the stream locked by the caller.
 *
 * While reading, _cnt bytes are left at _ptr. While writing, _ptr - _base bytes wait and _cnt
 * more fit.
 */
#include "guest/user/msvcrt/crt.h"
#include <io.h>

FILE crt_iob[_IOB_ENTRIES];

struct stream_cell {
	FILE file;
	CRITICAL_SECTION lock;
};
static struct stream_cell **cells;
static int cell_count;
static int cell_limit = 512;

/* The two-byte buffer of streams that have no other lies in _charbuf. */
enum { TINY_BUFFER = 2 };

static bool is_static(const FILE *stream)
{
	return stream >= crt_iob && stream < crt_iob + _IOB_ENTRIES;
}

void _lock_file(FILE *stream)
{
	if (is_static(stream))
		_lock(LOCK_STREAM_0 + (int)(stream - crt_iob));
	else
		EnterCriticalSection(&((struct stream_cell *)stream)->lock);
}

void _unlock_file(FILE *stream)
{
	if (is_static(stream))
		_unlock(LOCK_STREAM_0 + (int)(stream - crt_iob));
	else
		LeaveCriticalSection(&((struct stream_cell *)stream)->lock);
}

FILE *crt_iob_func(void)
{
	return crt_iob;
}

FILE *crt_acrt_iob_func(unsigned index)
{
	return &crt_iob[index];
}

void crt_streams_init(void)
{
	static const int flags[] = {_IOREAD, _IOWRT, _IOWRT | _IONBF};

	for (int i = 0; i < 3; i++) {
		crt_iob[i]._flag = flags[i];
		crt_iob[i]._file = i;
	}
	for (int i = 3; i < _IOB_ENTRIES; i++)
		crt_iob[i]._file = -1;
}

static bool in_use(const FILE *stream)
{
	return stream->_flag & (_IOREAD | _IOWRT | _IORW);
}

static void reset(FILE *stream)
{
	*stream = (FILE){._file = -1};
}

/* A free stream, marked as taken; NULL with EMFILE or ENOMEM. */
FILE *stream_new(void)
{
	FILE *found = NULL;
	struct stream_cell **bigger;

	_lock(LOCK_STREAM_TABLE);
	for (int i = 0; i < _IOB_ENTRIES && !found; i++)
		if (!in_use(&crt_iob[i]))
			found = &crt_iob[i];
	for (int i = 0; i < cell_count && !found; i++)
		if (!in_use(&cells[i]->file))
			found = &cells[i]->file;
	if (!found && _IOB_ENTRIES + cell_count < cell_limit) {
		struct stream_cell *cell = calloc(1, sizeof(*cell));

		bigger = realloc(cells, (cell_count + 1) * sizeof(struct stream_cell *));
		if (bigger)
			cells = bigger;
		if (cell && bigger) {
			InitializeCriticalSection(&cell->lock);
			cells[cell_count++] = cell;
			found = &cell->file;
		} else {
			free(cell);
		}
	}
	if (found) {
		reset(found);
		found->_flag = _IORW;
	} else {
		errno = EMFILE;
	}
	_unlock(LOCK_STREAM_TABLE);
	return found;
}

void stream_free(FILE *stream)
{
	reset(stream);
}

int crt_getmaxstdio(void)
{
	return cell_limit;
}

int crt_setmaxstdio(int limit)
{
	if (limit < _IOB_ENTRIES || limit > FD_MAX) {
		crt_invalid(EINVAL);
		return -1;
	}
	cell_limit = limit;
	return limit;
}

/* Calls a function for every open stream, locked unless that would wait for an ended thread. */
static int for_each(int (*function)(FILE *), bool wait)
{
	int count = 0;

	if (wait)
		_lock(LOCK_STREAM_TABLE);
	for (int i = 0; i < _IOB_ENTRIES + cell_count; i++) {
		FILE *stream = i < _IOB_ENTRIES ? &crt_iob[i] : &cells[i - _IOB_ENTRIES]->file;

		if (!in_use(stream))
			continue;
		if (wait) {
			_lock_file(stream);
		} else if (!TryEnterCriticalSection(is_static(stream)
							? crt_lock(LOCK_STREAM_0 + i)
							: &((struct stream_cell *)stream)->lock)) {
			continue;
		}
		if (in_use(stream))
			count += function(stream);
		_unlock_file(stream);
	}
	if (wait)
		_unlock(LOCK_STREAM_TABLE);
	return count;
}

static int flush_one(FILE *stream)
{
	stream_flush(stream);
	return 1;
}

static int flush_output(FILE *stream)
{
	if (stream->_flag & _IOWRT)
		stream_flush(stream);
	return 1;
}

static int close_one(FILE *stream)
{
	if (is_static(stream) && stream - crt_iob < 3)
		return 0;
	stream_close(stream);
	return 1;
}

int _flushall(void)
{
	return for_each(flush_one, true);
}

void crt_streams_detach(void)
{
	for_each(flush_output, false);
}

int _fcloseall(void)
{
	return for_each(close_one, true);
}

static int close_temporary(FILE *stream)
{
	return stream->_tmpfname ? stream_close(stream), 1 : 0;
}

int _rmtmp(void)
{
	return for_each(close_temporary, true);
}

int stream_flush_all_output(void)
{
	for_each(flush_output, true);
	return 0;
}

static bool has_buffer(const FILE *stream)
{
	return stream->_flag & (_IOMYBUF | _IONBF | STREAM_USER_BUFFER);
}

static void give_buffer(FILE *stream)
{
	stream->_base = malloc(STREAM_BUFFER);
	if (stream->_base) {
		stream->_flag |= _IOMYBUF;
		stream->_bufsiz = STREAM_BUFFER;
	} else {
		stream->_flag |= _IONBF;
		stream->_base = (char *)&stream->_charbuf;
		stream->_bufsiz = TINY_BUFFER;
	}
	stream->_ptr = stream->_base;
	stream->_cnt = 0;
}

/* Writes out what waits. EOF and the error flag if that fails. */
int stream_flush(FILE *stream)
{
	int result = 0;

	if (stream->_flag & _IOWRT) {
		int waiting = (int)(stream->_ptr - stream->_base);

		if (has_buffer(stream) && stream->_base && waiting > 0) {
			if (_write(stream->_file, stream->_base, waiting) == waiting) {
				if (stream->_flag & _IORW)
					stream->_flag &= ~_IOWRT;
			} else {
				stream->_flag |= _IOERR;
				result = EOF;
			}
		} else if (stream->_flag & _IORW) {
			stream->_flag &= ~_IOWRT;
		}
		stream->_ptr = stream->_base;
		stream->_cnt = 0;
	}
	return result;
}

int stream_close(FILE *stream)
{
	int result;

	if (!in_use(stream))
		return EOF;
	result = stream_flush(stream);
	if (stream->_flag & _IOMYBUF)
		free(stream->_base);
	if (_close(stream->_file) < 0)
		result = EOF;
	free(stream->_tmpfname); /* the file itself goes with its last handle */
	reset(stream);
	return result;
}

/* Fills the buffer and returns its first byte; EOF at the end or on an error. */
int _filbuf(FILE *stream)
{
	int got;

	if (!in_use(stream) || (stream->_flag & _IOSTRG))
		return EOF;
	if (stream->_flag & _IOWRT) {
		if (!(stream->_flag & _IORW) || stream->_ptr != stream->_base) {
			stream->_flag |= _IOERR;
			return EOF;
		}
		stream->_flag &= ~_IOWRT;
	}
	stream->_flag |= _IOREAD;
	if (!has_buffer(stream))
		give_buffer(stream);
	if (!stream->_base) {
		stream->_base = (char *)&stream->_charbuf;
		stream->_bufsiz = TINY_BUFFER;
	}
	stream->_ptr = stream->_base;
	got = _read(stream->_file, stream->_base,
		    stream->_flag & _IONBF ? 1 : (unsigned)stream->_bufsiz);
	if (got <= 0) {
		stream->_flag |= got < 0 ? _IOERR : _IOEOF;
		stream->_cnt = 0;
		return EOF;
	}
	stream->_cnt = got - 1;
	return (unsigned char)*stream->_ptr++;
}

/* Makes a stream ready to be written to; false if it is not open for that. */
static bool begin_write(FILE *stream)
{
	if (!(stream->_flag & (_IOWRT | _IORW))) {
		errno = EBADF;
		stream->_flag |= _IOERR;
		return false;
	}
	if (stream->_flag & _IOREAD) {
		if (!(stream->_flag & _IORW)) {
			errno = EBADF;
			stream->_flag |= _IOERR;
			return false;
		}
		/* After reading, writing goes on where the program has read to. */
		if (stream->_cnt > 0 && !(stream->_flag & _IOEOF)) {
			stream->_flag |= _IOERR;
			return false;
		}
		stream->_flag &= ~_IOREAD;
		stream->_ptr = stream->_base;
	}
	stream->_flag = (stream->_flag & ~_IOEOF) | _IOWRT;
	if (!has_buffer(stream)) {
		/* Output to a console is not held back. */
		if ((stream == stdout || stream == stderr) && _isatty(stream->_file))
			return true;
		give_buffer(stream);
	}
	return true;
}

/*
 * Programs with a printf of their own (mingw-w64's) call fputc for each character, with the stream
 * locked around the whole text. What they write to an unbuffered standard stream is gathered until
 * they let go of the lock, and so goes out at once.
 */
static bool begin_gathering(FILE *stream)
{
	enum { GATHERED = 512, STANDARD_STREAMS = 3 };
	static char gathered[STANDARD_STREAMS][GATHERED];
	ptrdiff_t index = stream - crt_iob;

	if (!is_static(stream) || index >= STANDARD_STREAMS ||
	    crt_lock_depth(LOCK_STREAM_0 + (int)index) < 2)
		return false;
	return stream_begin_output(stream, gathered[index], GATHERED);
}

void stream_end_gathering(FILE *stream)
{
	if (stream->_flag & STREAM_TEMP_BUFFER)
		stream_end_output(stream, true);
}

/* Called when the buffer is full: writes it out and starts it anew with c. */
int _flsbuf(int c, FILE *stream)
{
	char byte = (char)c;
	int waiting, done;

	if (stream->_flag & _IOSTRG || !begin_write(stream)) {
		stream->_cnt = 0;
		return EOF;
	}
	if (begin_gathering(stream)) {
		stream->_cnt--;
		return (unsigned char)(*stream->_ptr++ = byte);
	}
	if ((stream->_flag & (_IOMYBUF | STREAM_USER_BUFFER)) && stream->_bufsiz > 0) {
		waiting = (int)(stream->_ptr - stream->_base);
		done = waiting > 0 ? _write(stream->_file, stream->_base, waiting) : waiting;
		stream->_ptr = stream->_base;
		*stream->_ptr++ = byte;
		stream->_cnt = stream->_bufsiz - 1;
	} else {
		waiting = 1;
		done = _write(stream->_file, &byte, 1);
		stream->_cnt = 0;
	}
	if (done != waiting) {
		stream->_flag |= _IOERR;
		return EOF;
	}
	return (unsigned char)byte;
}

int stream_getc(FILE *stream)
{
	return --stream->_cnt >= 0 ? (unsigned char)*stream->_ptr++ : _filbuf(stream);
}

int stream_putc(FILE *stream, int c)
{
	return --stream->_cnt >= 0 ? (unsigned char)(*stream->_ptr++ = (char)c)
				   : _flsbuf(c, stream);
}

int stream_ungetc(FILE *stream, int c)
{
	if (c == EOF || !(stream->_flag & (_IOREAD | _IORW)) ||
	    ((stream->_flag & (_IOWRT | _IORW | _IOREAD)) == (_IOWRT | _IORW)))
		return EOF;
	if (!stream->_base && !(stream->_flag & _IOSTRG)) {
		if (has_buffer(stream)) {
			stream->_base = (char *)&stream->_charbuf;
			stream->_bufsiz = TINY_BUFFER;
			stream->_ptr = stream->_base;
		} else {
			give_buffer(stream);
		}
	}
	if (stream->_ptr == stream->_base) {
		if (stream->_cnt > 0)
			return EOF;
		stream->_ptr++;
	}
	if (stream->_flag & _IOSTRG) {
		/* A string that is being scanned cannot be written to. */
		if (*--stream->_ptr != (char)c) {
			stream->_ptr++;
			return EOF;
		}
	} else {
		*--stream->_ptr = (char)c;
	}
	stream->_cnt = stream->_cnt < 0 ? 1 : stream->_cnt + 1;
	stream->_flag = (stream->_flag & ~_IOEOF) | _IOREAD;
	return (unsigned char)c;
}

/* Reads as fread does: what the buffer holds, then whole buffers straight into place. */
size_t stream_read(FILE *stream, void *data, size_t size)
{
	char *to = data;
	size_t left = size;

	while (left) {
		if (stream->_cnt > 0 && !(stream->_flag & _IOWRT)) {
			size_t n = (size_t)stream->_cnt < left ? (size_t)stream->_cnt : left;

			memcpy(to, stream->_ptr, n);
			stream->_ptr += n;
			stream->_cnt -= (int)n;
			to += n;
			left -= n;
		} else if (left >= STREAM_BUFFER && (stream->_flag & _IOREAD) &&
			   !(stream->_flag & (_IOWRT | _IOSTRG)) &&
			   left >= (size_t)stream->_bufsiz) {
			unsigned n = left > INT_MAX ? INT_MAX : (unsigned)left;
			int got;

			/* Keep later reads aligned to whole buffers. */
			if (stream->_bufsiz > 1)
				n -= n % (unsigned)stream->_bufsiz;
			stream->_cnt = 0;
			stream->_ptr = stream->_base;
			got = _read(stream->_file, to, n);
			if (got <= 0) {
				stream->_flag |= got < 0 ? _IOERR : _IOEOF;
				break;
			}
			to += got;
			left -= got;
		} else {
			int c = _filbuf(stream);

			if (c == EOF)
				break;
			*to++ = (char)c;
			left--;
		}
	}
	return size - left;
}

/* Writes as fwrite does: fills the buffer, and passes larger pieces on without copying. */
size_t stream_write(FILE *stream, const void *data, size_t size)
{
	const char *from = data;
	size_t left = size;

	while (left) {
		bool buffered =
		    (stream->_flag & (_IOMYBUF | STREAM_USER_BUFFER)) && stream->_bufsiz > 0;

		if (stream->_cnt > 0 && (stream->_flag & _IOWRT)) {
			size_t n = (size_t)stream->_cnt < left ? (size_t)stream->_cnt : left;

			memcpy(stream->_ptr, from, n);
			stream->_ptr += n;
			stream->_cnt -= (int)n;
			from += n;
			left -= n;
		} else if ((stream->_flag & _IOWRT) && has_buffer(stream) &&
			   (!buffered || left >= (size_t)stream->_bufsiz)) {
			unsigned n = left > INT_MAX ? INT_MAX : (unsigned)left;
			int done;

			if (buffered) {
				int flag = stream->_flag;

				if (stream_flush(stream) == EOF)
					break;
				stream->_flag |= flag & _IOWRT;
				n -= n % (unsigned)stream->_bufsiz;
			}
			done = _write(stream->_file, from, n);
			if (done > 0) {
				from += done;
				left -= done;
			}
			if (done != (int)n) {
				stream->_flag |= _IOERR;
				break;
			}
		} else {
			if (_flsbuf((unsigned char)*from, stream) == EOF)
				break;
			from++;
			left--;
		}
	}
	return size - left;
}

/*
 * Output to an unbuffered stream: one call's characters are gathered in the caller's buffer and
 * written at its end.
 */
bool stream_begin_output(FILE *stream, char *buffer, int size)
{
	bool console = (stream == stdout || stream == stderr) && !has_buffer(stream) &&
		       stream->_file >= 0 && _isatty(stream->_file);

	if (stream->_flag & (_IOSTRG | _IOREAD | STREAM_TEMP_BUFFER))
		return false;
	if (!console && !((stream->_flag & _IONBF) && (stream->_flag & _IOWRT)))
		return false;
	if (!console)
		stream->_flag &= ~_IONBF;
	else
		stream->_charbuf = 1; /* had no _IONBF */
	stream->_flag |= STREAM_USER_BUFFER | STREAM_TEMP_BUFFER | _IOWRT;
	stream->_base = stream->_ptr = buffer;
	stream->_bufsiz = stream->_cnt = size;
	return true;
}

void stream_end_output(FILE *stream, bool began)
{
	bool console;

	if (!began)
		return;
	console = stream->_charbuf == 1;
	stream_flush(stream);
	stream->_flag &= ~(STREAM_USER_BUFFER | STREAM_TEMP_BUFFER);
	if (!console)
		stream->_flag |= _IONBF;
	stream->_flag |= _IOWRT;
	stream->_charbuf = 0;
	stream->_base = stream->_ptr = NULL;
	stream->_cnt = stream->_bufsiz = 0;
}
