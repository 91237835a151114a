/*
 * The console: characters read without echo or line editing, text written past stdio.
 *
 * Input is read from CONIN$ with line input and echo switched off for the moment; where there is
 * no console, from standard input. LOCK_CONIO covers the state.
 */
#include "guest/user/msvcrt/format.h"
#include "guest/user/msvcrt/scan.h"
#include <conio.h>

enum { LINE_MAX_ = 255 };

static HANDLE input = INVALID_HANDLE_VALUE, output = INVALID_HANDLE_VALUE;
static int pushed = EOF;

static HANDLE open_console(HANDLE *handle, const wchar_t *name, DWORD standard)
{
	if (*handle == INVALID_HANDLE_VALUE)
		*handle =
		    CreateFileW(name, GENERIC_READ | GENERIC_WRITE,
				FILE_SHARE_READ | FILE_SHARE_WRITE, NULL, OPEN_EXISTING, 0, NULL);
	if (*handle == INVALID_HANDLE_VALUE)
		*handle = GetStdHandle(standard);
	return *handle;
}

static int read_byte(bool echo)
{
	HANDLE console = open_console(&input, L"CONIN$", STD_INPUT_HANDLE);
	DWORD mode, got = 0;
	bool has_mode;
	unsigned char byte;

	if (pushed != EOF) {
		int c = pushed;

		pushed = EOF;
		return c;
	}
	has_mode = GetConsoleMode(console, &mode);
	if (has_mode)
		SetConsoleMode(console, mode & ~(DWORD)(ENABLE_LINE_INPUT | ENABLE_ECHO_INPUT));
	if (!ReadFile(console, &byte, 1, &got, NULL))
		got = 0;
	if (has_mode)
		SetConsoleMode(console, mode);
	if (!got)
		return EOF;
	if (echo)
		WriteFile(open_console(&output, L"CONOUT$", STD_OUTPUT_HANDLE), &byte, 1, &got,
			  NULL);
	return byte;
}

static int get_locked(bool echo)
{
	int c;

	_lock(LOCK_CONIO);
	c = read_byte(echo);
	_unlock(LOCK_CONIO);
	return c;
}

int _getch(void)
{
	return get_locked(false);
}

int _getche(void)
{
	return get_locked(true);
}

wint_t _getwch(void)
{
	int c = _getch();

	return c == EOF ? WEOF : (wint_t)c;
}

wint_t _getwche(void)
{
	int c = _getche();

	return c == EOF ? WEOF : (wint_t)c;
}

int _ungetch(int c)
{
	int result = EOF;

	_lock(LOCK_CONIO);
	if (c != EOF && pushed == EOF)
		result = pushed = c & 0xFF;
	_unlock(LOCK_CONIO);
	return result;
}

wint_t _ungetwch(wint_t c)
{
	return c == WEOF || _ungetch(c) == EOF ? WEOF : c;
}

int _kbhit(void)
{
	DWORD count = 0;

	if (pushed != EOF)
		return 1;
	if (!GetNumberOfConsoleInputEvents(open_console(&input, L"CONIN$", STD_INPUT_HANDLE),
					   &count))
		return 0;
	return count != 0;
}

static int write_bytes(const char *text, size_t n)
{
	HANDLE console = open_console(&output, L"CONOUT$", STD_OUTPUT_HANDLE);
	DWORD done;

	return WriteFile(console, text, (DWORD)n, &done, NULL) && done == n ? 0 : EOF;
}

int _putch(int c)
{
	char byte = (char)c;

	return write_bytes(&byte, 1) ? EOF : c;
}

wint_t _putwch(wchar_t c)
{
	char bytes[8];
	int n = WideCharToMultiByte(CP_ACP, 0, &c, 1, bytes, sizeof(bytes), NULL, NULL);

	return n <= 0 || write_bytes(bytes, n) ? WEOF : c;
}

int _cputs(const char *text)
{
	return write_bytes(text, strlen(text));
}

int _cputws(const wchar_t *text)
{
	char *narrow = crt_narrow(text);
	int result = narrow ? _cputs(narrow) : EOF;

	free(narrow);
	return result;
}

/* A line with echo into `to`, at most n - 1 characters; the end of line is dropped. */
static size_t read_line(char *to, size_t n)
{
	size_t used = 0;
	int c;

	while ((c = _getche()) != EOF && c != '\r' && c != '\n') {
		if (c == '\b')
			used -= used > 0;
		else if (used + 1 < n)
			to[used++] = (char)c;
	}
	to[used] = 0;
	return used;
}

errno_t _cgets_s(char *to, size_t room, size_t *used)
{
	if (!to || !room || !used)
		return crt_invalid(EINVAL);
	*used = read_line(to, room);
	return 0;
}

/* The first byte says how much fits; the second one will say how much was read. */
char *_cgets(char *buffer)
{
	buffer[1] = (char)read_line(buffer + 2, (unsigned char)buffer[0]);
	return buffer + 2;
}

errno_t _cgetws_s(wchar_t *to, size_t room, size_t *used)
{
	char line[LINE_MAX_ + 1];

	if (!to || !room || !used)
		return crt_invalid(EINVAL);
	*used = read_line(line, room < sizeof(line) ? room : sizeof(line));
	for (size_t i = 0; i <= *used; i++)
		to[i] = (unsigned char)line[i];
	return 0;
}

wchar_t *_cgetws(wchar_t *buffer)
{
	size_t used;

	_cgetws_s(buffer + 2, buffer[0], &used);
	buffer[1] = (wchar_t)used;
	return buffer + 2;
}

/* printf to the console */
static void put_console(struct sink *sink, const void *text, size_t count)
{
	if (write_bytes(text, count))
		sink->failed = true;
}

static void put_console_wide(struct sink *sink, const void *text, size_t count)
{
	const wchar_t *from = text;

	for (size_t i = 0; i < count && !sink->failed; i++)
		if (_putwch(from[i]) == WEOF)
			sink->failed = true;
}

static int print_console(const void *format, bool wide, va_list args, unsigned options)
{
	struct sink sink = {.put = wide ? put_console_wide : put_console, .wide = wide};

	return format_output(&sink, format, wide, args, options);
}

/* scanf from a line of the console */
static int scan_console(const void *format, bool wide, va_list args, unsigned options)
{
	char line[LINE_MAX_ + 1];
	wchar_t wide_line[LINE_MAX_ + 1];
	struct source source = {.narrow = line, .left = SIZE_MAX};
	size_t n = read_line(line, sizeof(line));

	if (wide) {
		for (size_t i = 0; i <= n; i++)
			wide_line[i] = (unsigned char)line[i];
		source = (struct source){.wide = wide_line, .left = SIZE_MAX, .wide_input = true};
	}
	return scan_input(&source, format, wide, args, options);
}

#define CONSOLE_PRINT(P, VP, PL, VPL, C, wide, o)                \
	int VP(const C *format, va_list args)                    \
	{                                                        \
		return print_console(format, wide, args, o);     \
	}                                                        \
	int P(const C *format, ...)                              \
	{                                                        \
		va_list args;                                    \
		int result;                                      \
		va_start(args, format);                          \
		result = print_console(format, wide, args, o);   \
		va_end(args);                                    \
		return result;                                   \
	}                                                        \
	int VPL(const C *format, _locale_t locale, va_list args) \
	{                                                        \
		(void)locale;                                    \
		return print_console(format, wide, args, o);     \
	}                                                        \
	int PL(const C *format, _locale_t locale, ...)           \
	{                                                        \
		va_list args;                                    \
		int result;                                      \
		va_start(args, locale);                          \
		result = print_console(format, wide, args, o);   \
		va_end(args);                                    \
		return result;                                   \
	}

CONSOLE_PRINT(_cprintf, _vcprintf, _cprintf_l, _vcprintf_l, char, false, 0)
CONSOLE_PRINT(_cprintf_s, _vcprintf_s, _cprintf_s_l, _vcprintf_s_l, char, false, 0)
CONSOLE_PRINT(_cprintf_p, _vcprintf_p, _cprintf_p_l, _vcprintf_p_l, char, false, FORMAT_POSITIONAL)
CONSOLE_PRINT(_cwprintf, _vcwprintf, _cwprintf_l, _vcwprintf_l, wchar_t, true, 0)
CONSOLE_PRINT(_cwprintf_s, _vcwprintf_s, _cwprintf_s_l, _vcwprintf_s_l, wchar_t, true, 0)
CONSOLE_PRINT(_cwprintf_p, _vcwprintf_p, _cwprintf_p_l, _vcwprintf_p_l, wchar_t, true,
	      FORMAT_POSITIONAL)

#define CONSOLE_SCAN(S, SL, C, wide, o)                       \
	int S(const C *format, ...)                           \
	{                                                     \
		va_list args;                                 \
		int result;                                   \
		va_start(args, format);                       \
		result = scan_console(format, wide, args, o); \
		va_end(args);                                 \
		return result;                                \
	}                                                     \
	int SL(const C *format, _locale_t locale, ...)        \
	{                                                     \
		va_list args;                                 \
		int result;                                   \
		va_start(args, locale);                       \
		result = scan_console(format, wide, args, o); \
		va_end(args);                                 \
		return result;                                \
	}

CONSOLE_SCAN(_cscanf, _cscanf_l, char, false, 0)
CONSOLE_SCAN(_cscanf_s, _cscanf_s_l, char, false, SCAN_SIZES)
CONSOLE_SCAN(_cwscanf, _cwscanf_l, wchar_t, true, 0)
CONSOLE_SCAN(_cwscanf_s, _cwscanf_s_l, wchar_t, true, SCAN_SIZES)
