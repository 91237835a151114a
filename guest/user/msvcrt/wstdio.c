/*
 * stdio on wide characters: in text mode they pass through the locale's code page (or the
 * encoding the file was opened with), in binary mode they are two bytes.
 */
#include "guest/user/msvcrt/crt.h"

static bool is_text(const FILE *stream)
{
	return !(stream->_flag & _IOSTRG) && (fd_flags(stream->_file) & FD_TEXT);
}

static unsigned encoding(const FILE *stream)
{
	return stream->_flag & _IOSTRG ? 0 : fd_encoding(stream->_file);
}

/* Two bytes, low one first; WEOF if there are not two. */
static wint_t get_unit(FILE *stream)
{
	int low = stream_getc(stream), high = low == EOF ? EOF : stream_getc(stream);

	return high == EOF ? WEOF : (wint_t)(high << 8 | low);
}

static wint_t put_unit(FILE *stream, wchar_t c)
{
	return stream_putc(stream, c & 0xFF) == EOF || stream_putc(stream, c >> 8) == EOF ? WEOF
											  : c;
}

/* One character of UTF-8; those beyond 0xFFFF are read as U+FFFD. */
static wint_t get_utf8(FILE *stream)
{
	int first = stream_getc(stream), more;
	unsigned c;

	if (first == EOF)
		return WEOF;
	if (first < 0x80)
		return (wint_t)first;
	more = first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : first >= 0xC0 ? 1 : 0;
	c = first & (0x3F >> more);
	for (int i = 0; i < more; i++) {
		int next = stream_getc(stream);

		if (next == EOF)
			return WEOF;
		c = c << 6 | (next & 0x3F);
	}
	return more && c <= 0xFFFF ? (wint_t)c : 0xFFFD;
}

static wint_t put_utf8(FILE *stream, wchar_t c)
{
	char bytes[3];
	int n = 0;

	if (c < 0x80) {
		bytes[n++] = (char)c;
	} else if (c < 0x800) {
		bytes[n++] = (char)(0xC0 | c >> 6);
		bytes[n++] = (char)(0x80 | (c & 0x3F));
	} else {
		bytes[n++] = (char)(0xE0 | c >> 12);
		bytes[n++] = (char)(0x80 | (c >> 6 & 0x3F));
		bytes[n++] = (char)(0x80 | (c & 0x3F));
	}
	return stream_write(stream, bytes, n) == (size_t)n ? c : WEOF;
}

wint_t stream_getwc(FILE *stream)
{
	char byte;
	wchar_t c;
	int got;

	if (encoding(stream) & FD_UTF8)
		return get_utf8(stream);
	if (!is_text(stream) || (encoding(stream) & FD_UTF16))
		return get_unit(stream);
	got = stream_getc(stream);
	if (got == EOF)
		return WEOF;
	byte = (char)got;
	return crt_mbtowc(&c, &byte, 1) < 0 ? WEOF : c;
}

wint_t stream_putwc(FILE *stream, wchar_t c)
{
	char byte;

	if (encoding(stream) & FD_UTF8)
		return put_utf8(stream, c);
	if (!is_text(stream) || (encoding(stream) & FD_UTF16))
		return put_unit(stream, c);
	if (crt_wctomb(&byte, c) < 0 || stream_putc(stream, byte) == EOF)
		return WEOF;
	return c;
}

wint_t stream_ungetwc(FILE *stream, wint_t c)
{
	char byte;

	if (c == WEOF)
		return WEOF;
	if (is_text(stream) && !encoding(stream)) {
		if (crt_wctomb(&byte, (wchar_t)c) < 0)
			return WEOF;
		return stream_ungetc(stream, (unsigned char)byte) == EOF ? WEOF : c;
	}
	if (encoding(stream) & FD_UTF8) {
		errno = EILSEQ; /* more than one byte may have to go back */
		if (c >= 0x80)
			return WEOF;
		return stream_ungetc(stream, (int)c) == EOF ? WEOF : c;
	}
	if (stream_ungetc(stream, c >> 8) == EOF)
		return WEOF;
	return stream_ungetc(stream, c & 0xFF) == EOF ? WEOF : c;
}

#define LOCKED(stream, type, expression) \
	do {                             \
		type result_;            \
		_lock_file(stream);      \
		result_ = (expression);  \
		_unlock_file(stream);    \
		return result_;          \
	} while (0)

wint_t fgetwc(FILE *stream)
{
	LOCKED(stream, wint_t, stream_getwc(stream));
}

wint_t getwc(FILE *stream)
{
	return fgetwc(stream);
}

wint_t getwchar(void)
{
	return fgetwc(stdin);
}

wint_t _fgetwchar(void)
{
	return fgetwc(stdin);
}

static wint_t put_gathered(FILE *stream, wchar_t c)
{
	char buffer[16];
	bool began = stream_begin_output(stream, buffer, sizeof(buffer));
	wint_t result = stream_putwc(stream, c);

	stream_end_output(stream, began);
	return result;
}

wint_t fputwc(wchar_t c, FILE *stream)
{
	LOCKED(stream, wint_t, put_gathered(stream, c));
}

wint_t putwc(wchar_t c, FILE *stream)
{
	return fputwc(c, stream);
}

wint_t putwchar(wchar_t c)
{
	return fputwc(c, stdout);
}

wint_t _fputwchar(wchar_t c)
{
	return fputwc(c, stdout);
}

wint_t ungetwc(wint_t c, FILE *stream)
{
	LOCKED(stream, wint_t, stream_ungetwc(stream, c));
}

static wchar_t *get_line(wchar_t *to, size_t n, FILE *stream, bool keep)
{
	wchar_t *at = to;

	if (!n)
		return NULL;
	while (--n) {
		wint_t c = stream_getwc(stream);

		if (c == WEOF) {
			if (at == to)
				return NULL;
			break;
		}
		if (c == '\n' && !keep)
			break;
		*at++ = (wchar_t)c;
		if (c == '\n')
			break;
	}
	*at = 0;
	return to;
}

wchar_t *fgetws(wchar_t *to, int n, FILE *stream)
{
	if (!to || n < 0 || !stream) {
		crt_invalid(EINVAL);
		return NULL;
	}
	LOCKED(stream, wchar_t *, get_line(to, n, stream, true));
}

wchar_t *_getws(wchar_t *to)
{
	LOCKED(stdin, wchar_t *, get_line(to, SIZE_MAX, stdin, false));
}

wchar_t *_getws_s(wchar_t *to, size_t n)
{
	if (!to || !n) {
		crt_invalid(EINVAL);
		return NULL;
	}
	LOCKED(stdin, wchar_t *, get_line(to, n, stdin, false));
}

static int put_text(FILE *stream, const wchar_t *text, bool newline)
{
	char buffer[STREAM_BUFFER];
	bool began = stream_begin_output(stream, buffer, sizeof(buffer)), failed = false;

	for (; *text && !failed; text++)
		failed = stream_putwc(stream, *text) == WEOF;
	if (newline && !failed)
		failed = stream_putwc(stream, '\n') == WEOF;
	stream_end_output(stream, began);
	return failed ? (int)WEOF : 0;
}

int fputws(const wchar_t *text, FILE *stream)
{
	LOCKED(stream, int, put_text(stream, text, false));
}

int _putws(const wchar_t *text)
{
	LOCKED(stdout, int, put_text(stdout, text, true));
}
