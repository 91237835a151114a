/*
 * Between bytes and UTF-16: single characters by the locale's code page, whole strings likewise,
 * and file names, arguments and the environment by the system's ANSI code page.
 */
#include "guest/user/msvcrt/crt.h"
#include <locale.h>
#include <mbstring.h>

int crt_mbtowc(wchar_t *to, const char *from, size_t size)
{
	unsigned char byte;

	if (!size)
		return -1;
	byte = (unsigned char)*from;
	if (to)
		*to = ___lc_codepage_func() ? crt_cp1252_to_wide(byte) : byte;
	return byte != 0;
}

int crt_wctomb(char *to, wchar_t from)
{
	int byte = ___lc_codepage_func() ? crt_cp1252_from_wide(from) : from <= 0xFF ? from : -1;

	if (byte < 0)
		return crt_fail_with(EILSEQ);
	*to = (char)byte;
	return 1;
}

wchar_t *crt_wide(const char *text)
{
	int n = MultiByteToWideChar(CP_ACP, 0, text, -1, NULL, 0);
	wchar_t *wide = malloc((n + 1) * sizeof(*wide));

	if (wide && !MultiByteToWideChar(CP_ACP, 0, text, -1, wide, n))
		*wide = 0;
	return wide;
}

char *crt_narrow(const wchar_t *text)
{
	int n = WideCharToMultiByte(CP_ACP, 0, text, -1, NULL, 0, NULL, NULL);
	char *narrow = malloc(n + 1);

	if (narrow && !WideCharToMultiByte(CP_ACP, 0, text, -1, narrow, n, NULL, NULL))
		*narrow = 0;
	return narrow;
}

int mbtowc(wchar_t *to, const char *from, size_t size)
{
	if (!from)
		return 0;
	return crt_mbtowc(to, from, size);
}

int mblen(const char *from, size_t size)
{
	return mbtowc(NULL, from, size);
}

int wctomb(char *to, wchar_t from)
{
	return to ? crt_wctomb(to, from) : 0;
}

errno_t wctomb_s(int *used, char *to, size_t room, wchar_t from)
{
	char byte = 0;

	if (!to) {
		if (used)
			*used = 0;
		return 0;
	}
	if (crt_wctomb(&byte, from) < 0)
		return errno;
	if (room < 1)
		return crt_invalid(ERANGE);
	*to = byte;
	if (used)
		*used = 1;
	return 0;
}

size_t mbstowcs(wchar_t *to, const char *from, size_t n)
{
	size_t i;

	if (!to)
		return strlen(from);
	for (i = 0; i < n; i++)
		if (!crt_mbtowc(&to[i], &from[i], 1))
			break;
	return i;
}

size_t wcstombs(char *to, const wchar_t *from, size_t n)
{
	size_t i;
	char byte;

	for (i = 0; !to || i < n; i++) {
		if (crt_wctomb(to ? &to[i] : &byte, from[i]) < 0)
			return (size_t)-1;
		if (!from[i])
			break;
	}
	return i;
}

errno_t mbstowcs_s(size_t *used, wchar_t *to, size_t room, const char *from, size_t n)
{
	size_t size;

	if (used)
		*used = 0;
	if ((!to && room) || (to && !room))
		return crt_invalid(EINVAL);
	if (!from) {
		if (to)
			*to = 0;
		return crt_invalid(EINVAL);
	}
	size = strnlen(from, n == _TRUNCATE ? SIZE_MAX : n);
	if (to && size >= room) {
		if (n != _TRUNCATE) {
			*to = 0;
			return crt_invalid(ERANGE);
		}
		mbstowcs(to, from, room - 1);
		to[room - 1] = 0;
		if (used)
			*used = room;
		return STRUNCATE;
	}
	if (to) {
		mbstowcs(to, from, size);
		to[size] = 0;
	}
	if (used)
		*used = size + 1;
	return 0;
}

errno_t wcstombs_s(size_t *used, char *to, size_t room, const wchar_t *from, size_t n)
{
	size_t size;

	if (used)
		*used = 0;
	if ((!to && room) || (to && !room))
		return crt_invalid(EINVAL);
	if (!from) {
		if (to)
			*to = 0;
		return crt_invalid(EINVAL);
	}
	size = wcsnlen(from, n == _TRUNCATE ? SIZE_MAX : n);
	if (to && size >= room && n != _TRUNCATE) {
		*to = 0;
		return crt_invalid(ERANGE);
	}
	if (to) {
		size_t fits = size < room ? size : room - 1;

		if (wcstombs(to, from, fits) == (size_t)-1) {
			*to = 0;
			return errno;
		}
		to[fits] = 0;
		if (used)
			*used = fits + 1;
		return fits < size ? STRUNCATE : 0;
	}
	if (used)
		*used = size + 1;
	return 0;
}

/* The restartable versions have nothing to remember: a character is one byte. */
wint_t btowc(int c)
{
	wchar_t wide;

	if (c == EOF)
		return WEOF;
	crt_mbtowc(&wide, &(char){(char)c}, 1);
	return wide;
}

int wctob(wint_t c)
{
	char byte = 0;

	if (c == WEOF || crt_wctomb(&byte, (wchar_t)c) < 0)
		return EOF;
	return (unsigned char)byte;
}

size_t mbrtowc(wchar_t *to, const char *from, size_t n, mbstate_t *state)
{
	(void)state;
	if (!from)
		return 0;
	return n ? (size_t)crt_mbtowc(to, from, n) : (size_t)-2;
}

size_t mbrlen(const char *from, size_t n, mbstate_t *state)
{
	return mbrtowc(NULL, from, n, state);
}

size_t wcrtomb(char *to, wchar_t from, mbstate_t *state)
{
	(void)state;
	return to ? (size_t)crt_wctomb(to, from) : 1;
}

size_t mbsrtowcs(wchar_t *to, const char **from, size_t n, mbstate_t *state)
{
	size_t done = mbstowcs(to, *from, n);

	(void)state;
	if (to)
		*from = done < n ? NULL : *from + done;
	return done;
}

size_t wcsrtombs(char *to, const wchar_t **from, size_t n, mbstate_t *state)
{
	size_t done = wcstombs(to, *from, n);

	(void)state;
	if (to && done != (size_t)-1)
		*from = done < n ? NULL : *from + done;
	return done;
}

errno_t mbsrtowcs_s(size_t *used, wchar_t *to, size_t room, const char **from, size_t n,
		    mbstate_t *state)
{
	errno_t code = mbstowcs_s(used, to, room, from ? *from : NULL, n);

	(void)state;
	if (!code && to)
		*from = NULL;
	return code;
}

errno_t wcsrtombs_s(size_t *used, char *to, size_t room, const wchar_t **from, size_t n,
		    mbstate_t *state)
{
	errno_t code = wcstombs_s(used, to, room, from ? *from : NULL, n);

	(void)state;
	if (!code && to)
		*from = NULL;
	return code;
}

errno_t wcrtomb_s(size_t *used, char *to, size_t room, wchar_t from, mbstate_t *state)
{
	int n = 1;
	errno_t code = to ? wctomb_s(&n, to, room, from) : 0;

	(void)state;
	if (used)
		*used = code ? (size_t)-1 : (size_t)n;
	return code;
}
