/*
 * stdio on bytes: characters, lines, blocks, buffers and states of streams.
 */
#include "guest/user/msvcrt/crt.h"
#include <io.h>

/* Locks, evaluates, unlocks. */
#define LOCKED(stream, type, expression) \
	do {                             \
		type result_;            \
		_lock_file(stream);      \
		result_ = (expression);  \
		_unlock_file(stream);    \
		return result_;          \
	} while (0)

int fgetc(FILE *stream)
{
	LOCKED(stream, int, stream_getc(stream));
}

int getc(FILE *stream)
{
	return fgetc(stream);
}

int getchar(void)
{
	return fgetc(stdin);
}

int _fgetchar(void)
{
	return fgetc(stdin);
}

int fputc(int c, FILE *stream)
{
	LOCKED(stream, int, stream_putc(stream, c));
}

int putc(int c, FILE *stream)
{
	return fputc(c, stream);
}

int putchar(int c)
{
	return fputc(c, stdout);
}

int _fputchar(int c)
{
	return fputc(c, stdout);
}

int ungetc(int c, FILE *stream)
{
	LOCKED(stream, int, stream_ungetc(stream, c));
}

/* A line into `to`; keep: with its newline, up to n - 1 characters. NULL at the end. */
static char *get_line(char *to, size_t n, FILE *stream, bool keep)
{
	char *at = to;

	if (!n)
		return NULL;
	while (--n) {
		int c = stream_getc(stream);

		if (c == EOF) {
			if (at == to)
				return NULL;
			break;
		}
		if (c == '\n' && !keep)
			break;
		*at++ = (char)c;
		if (c == '\n')
			break;
	}
	*at = 0;
	return to;
}

char *fgets(char *to, int n, FILE *stream)
{
	if (!to || n < 0 || !stream) {
		crt_invalid(EINVAL);
		return NULL;
	}
	LOCKED(stream, char *, get_line(to, n, stream, true));
}

char *gets(char *to)
{
	LOCKED(stdin, char *, get_line(to, SIZE_MAX, stdin, false));
}

static char *get_line_checked(char *to, size_t n, FILE *stream)
{
	size_t i = 0;
	int c;

	while ((c = stream_getc(stream)) != EOF && c != '\n')
		if (i < n)
			to[i++] = (char)c;
	if (c == EOF && !i) {
		*to = 0;
		return NULL;
	}
	if (i >= n) {
		*to = 0;
		crt_invalid(ERANGE);
		return NULL;
	}
	to[i] = 0;
	return to;
}

char *gets_s(char *to, size_t n)
{
	if (!to || !n) {
		crt_invalid(EINVAL);
		return NULL;
	}
	LOCKED(stdin, char *, get_line_checked(to, n, stdin));
}

/* Output of one call: gathered even on an unbuffered stream. */
static size_t write_gathered(FILE *stream, const void *data, size_t size, bool newline)
{
	char buffer[STREAM_BUFFER];
	bool began =
	    size + newline < sizeof(buffer) && stream_begin_output(stream, buffer, sizeof(buffer));
	size_t done = stream_write(stream, data, size);

	if (done == size && newline && stream_putc(stream, '\n') == EOF)
		done = 0;
	stream_end_output(stream, began);
	return done;
}

int fputs(const char *text, FILE *stream)
{
	size_t n = strlen(text);

	LOCKED(stream, int, write_gathered(stream, text, n, false) == n ? 0 : EOF);
}

int puts(const char *text)
{
	size_t n = strlen(text);

	LOCKED(stdout, int,
	       write_gathered(stdout, text, n, true) == n && !(stdout->_flag & _IOERR) ? 0 : EOF);
}

size_t fread(void *to, size_t size, size_t count, FILE *stream)
{
	size_t bytes;

	if (!size || !count)
		return 0;
	if (__builtin_mul_overflow(size, count, &bytes)) {
		crt_invalid(EINVAL);
		return 0;
	}
	LOCKED(stream, size_t, stream_read(stream, to, bytes) / size);
}

size_t fread_s(void *to, size_t room, size_t size, size_t count, FILE *stream)
{
	size_t bytes;

	if (!size || !count)
		return 0;
	if (!to || !stream || __builtin_mul_overflow(size, count, &bytes) || bytes > room) {
		if (to)
			memset(to, 0, room);
		crt_invalid(to && stream ? ERANGE : EINVAL);
		return 0;
	}
	return fread(to, size, count, stream);
}

size_t fwrite(const void *from, size_t size, size_t count, FILE *stream)
{
	size_t bytes;

	if (!size || !count)
		return 0;
	if (__builtin_mul_overflow(size, count, &bytes)) {
		crt_invalid(EINVAL);
		return 0;
	}
	LOCKED(stream, size_t, write_gathered(stream, from, bytes, false) / size);
}

int _getw(FILE *stream)
{
	int value;

	return fread(&value, sizeof(value), 1, stream) ? value : EOF;
}

int _putw(int value, FILE *stream)
{
	return fwrite(&value, sizeof(value), 1, stream) ? value : EOF;
}

static int flush_committed(FILE *stream)
{
	if (stream_flush(stream) == EOF)
		return EOF;
	return (stream->_flag & STREAM_COMMIT) && _commit(stream->_file) ? EOF : 0;
}

int fflush(FILE *stream)
{
	if (!stream)
		return stream_flush_all_output();
	LOCKED(stream, int, flush_committed(stream));
}

int fclose(FILE *stream)
{
	if (!stream) {
		crt_invalid(EINVAL);
		return EOF;
	}
	LOCKED(stream, int, stream_close(stream));
}

static void drop_buffer(FILE *stream)
{
	stream_flush(stream);
	if (stream->_flag & _IOMYBUF)
		free(stream->_base);
	stream->_flag &= ~(_IOMYBUF | STREAM_USER_BUFFER | _IONBF | STREAM_SETVBUF | _IOEOF);
	stream->_base = stream->_ptr = NULL;
	stream->_cnt = 0;
}

static int set_buffer(FILE *stream, char *buffer, int mode, size_t size)
{
	drop_buffer(stream);
	if (mode == _IONBF) {
		stream->_flag |= _IONBF;
		stream->_base = (char *)&stream->_charbuf;
		stream->_bufsiz = 1;
	} else {
		stream->_flag |= STREAM_SETVBUF | (buffer ? STREAM_USER_BUFFER : _IOMYBUF);
		stream->_base = buffer ? buffer : malloc(size);
		if (!stream->_base) {
			stream->_flag &= ~(STREAM_SETVBUF | _IOMYBUF);
			return -1;
		}
		stream->_bufsiz = (int)size;
	}
	stream->_ptr = stream->_base;
	return 0;
}

int setvbuf(FILE *stream, char *buffer, int mode, size_t size)
{
	if (!stream || (mode != _IONBF && mode != _IOFBF && mode != _IOLBF) ||
	    (mode != _IONBF && (size < 2 || size > INT_MAX))) {
		crt_invalid(EINVAL);
		return -1;
	}
	LOCKED(stream, int, set_buffer(stream, buffer, mode, size & ~(size_t)1));
}

void setbuf(FILE *stream, char *buffer)
{
	setvbuf(stream, buffer, buffer ? _IOFBF : _IONBF, BUFSIZ);
}

int feof(FILE *stream)
{
	return stream->_flag & _IOEOF;
}

int ferror(FILE *stream)
{
	return stream->_flag & _IOERR;
}

static int clear_flags(FILE *stream)
{
	stream->_flag &= ~(_IOERR | _IOEOF);
	if (stream->_file >= 0)
		fd_clear_eof(stream->_file);
	return 0;
}

errno_t clearerr_s(FILE *stream)
{
	if (!stream)
		return crt_invalid(EINVAL);
	LOCKED(stream, errno_t, clear_flags(stream));
}

void clearerr(FILE *stream)
{
	clearerr_s(stream);
}

int _fileno(FILE *stream)
{
	if (!stream) {
		crt_invalid(EINVAL);
		return -1;
	}
	return stream->_file;
}
