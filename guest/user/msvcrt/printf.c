/*
 * The printf family: one engine (format.c), three destinations (a stream, a buffer of bytes, a
 * buffer of wide characters), and the many names.
 */
#include "guest/user/msvcrt/format.h"

enum { CALL_BUFFER = 512 };

static void put_stream(struct sink *sink, const void *text, size_t count)
{
	if (stream_write(sink->stream, text, count) != count)
		sink->failed = true;
}

static void put_stream_wide(struct sink *sink, const void *text, size_t count)
{
	const wchar_t *from = text;

	for (size_t i = 0; i < count && !sink->failed; i++)
		if (stream_putwc(sink->stream, from[i]) == WEOF)
			sink->failed = true;
}

static void put_bytes(struct sink *sink, const void *text, size_t count)
{
	size_t n = count < sink->room ? count : sink->room;

	memcpy(sink->at, text, n);
	sink->at = (char *)sink->at + n;
	sink->room -= n;
}

static void put_wides(struct sink *sink, const void *text, size_t count)
{
	size_t n = count < sink->room ? count : sink->room;

	memcpy(sink->at, text, n * sizeof(wchar_t));
	sink->at = (wchar_t *)sink->at + n;
	sink->room -= n;
}

static int print_stream(FILE *stream, const void *format, bool wide, va_list args, unsigned options)
{
	struct sink sink = {
	    .put = wide ? put_stream_wide : put_stream,
	    .wide = wide,
	    .stream = stream,
	};
	char buffer[CALL_BUFFER];
	bool began;
	int result;

	if (!stream || !format) {
		crt_invalid(EINVAL);
		return -1;
	}
	_lock_file(stream);
	began = stream_begin_output(stream, buffer, sizeof(buffer));
	result = format_output(&sink, format, wide, args, options);
	stream_end_output(stream, began);
	_unlock_file(stream);
	return result;
}

/*
 * Into a buffer of `room` characters: the number of characters, -1 if the text with its zero does
 * not fit. Without room for the zero none is written (old _snprintf).
 */
static int print_buffer(void *to, size_t room, const void *format, bool wide, va_list args,
			unsigned options)
{
	struct sink sink = {
	    .put = wide ? put_wides : put_bytes, .wide = wide, .at = to, .room = room};
	int result;

	if (!format || (!to && room)) {
		crt_invalid(EINVAL);
		return -1;
	}
	result = format_output(&sink, format, wide, args, options);
	if (sink.room && wide)
		*(wchar_t *)sink.at = 0;
	else if (sink.room)
		*(char *)sink.at = 0;
	return result >= 0 && sink.count > room ? -1 : result;
}

/* How long the text would be. */
static int print_count(const void *format, bool wide, va_list args, unsigned options)
{
	struct sink sink = {.put = wide ? put_wides : put_bytes, .wide = wide};

	if (!format) {
		crt_invalid(EINVAL);
		return -1;
	}
	return format_output(&sink, format, wide, args, options);
}

/* The checked versions always end the text; with _TRUNCATE a text too long is only cut. */
static int print_checked(void *to, size_t room, size_t n, const void *format, bool wide,
			 va_list args, unsigned options)
{
	size_t limit = n < room ? n + 1 : room;
	int result;

	if (!format || ((!to || !room) && n)) {
		crt_invalid(EINVAL);
		return -1;
	}
	if (!to || !room)
		return 0;
	result = print_buffer(to, limit, format, wide, args, options);
	if (result >= 0 && (size_t)result < limit)
		return result;
	if (n == _TRUNCATE || n < room) {
		if (wide)
			((wchar_t *)to)[limit - 1] = 0;
		else
			((char *)to)[limit - 1] = 0;
		return -1;
	}
	if (wide)
		*(wchar_t *)to = 0;
	else
		*(char *)to = 0;
	crt_invalid(ERANGE);
	return -1;
}

/* Runs `call` with the arguments after `last` as `args`. */
#define WITH_ARGS(last, call)         \
	do {                          \
		va_list args;         \
		int result_;          \
		va_start(args, last); \
		result_ = (call);     \
		va_end(args);         \
		return result_;       \
	} while (0)

/* To streams. `P` is the suffix of the names, `o` the options, `L` an unused locale or nothing. */
#define STREAM_FAMILY(F, VF, P, VP, C, wide, o)                                 \
	int VF(FILE *stream, const C *format, va_list args)                     \
	{                                                                       \
		return print_stream(stream, format, wide, args, o);             \
	}                                                                       \
	int VP(const C *format, va_list args)                                   \
	{                                                                       \
		return print_stream(stdout, format, wide, args, o);             \
	}                                                                       \
	int F(FILE *stream, const C *format, ...)                               \
	{                                                                       \
		WITH_ARGS(format, print_stream(stream, format, wide, args, o)); \
	}                                                                       \
	int P(const C *format, ...)                                             \
	{                                                                       \
		WITH_ARGS(format, print_stream(stdout, format, wide, args, o)); \
	}

#define STREAM_FAMILY_L(F, VF, P, VP, C, wide, o)                               \
	int VF(FILE *stream, const C *format, _locale_t locale, va_list args)   \
	{                                                                       \
		(void)locale;                                                   \
		return print_stream(stream, format, wide, args, o);             \
	}                                                                       \
	int VP(const C *format, _locale_t locale, va_list args)                 \
	{                                                                       \
		(void)locale;                                                   \
		return print_stream(stdout, format, wide, args, o);             \
	}                                                                       \
	int F(FILE *stream, const C *format, _locale_t locale, ...)             \
	{                                                                       \
		WITH_ARGS(locale, print_stream(stream, format, wide, args, o)); \
	}                                                                       \
	int P(const C *format, _locale_t locale, ...)                           \
	{                                                                       \
		WITH_ARGS(locale, print_stream(stdout, format, wide, args, o)); \
	}

STREAM_FAMILY(fprintf, vfprintf, printf, vprintf, char, false, 0)
STREAM_FAMILY(fprintf_s, vfprintf_s, printf_s, vprintf_s, char, false, 0)
STREAM_FAMILY(_fprintf_p, _vfprintf_p, _printf_p, _vprintf_p, char, false, FORMAT_POSITIONAL)
STREAM_FAMILY_L(_fprintf_l, _vfprintf_l, _printf_l, _vprintf_l, char, false, 0)
STREAM_FAMILY_L(_fprintf_s_l, _vfprintf_s_l, _printf_s_l, _vprintf_s_l, char, false, 0)
STREAM_FAMILY_L(_fprintf_p_l, _vfprintf_p_l, _printf_p_l, _vprintf_p_l, char, false,
		FORMAT_POSITIONAL)
STREAM_FAMILY(fwprintf, vfwprintf, wprintf, vwprintf, wchar_t, true, 0)
STREAM_FAMILY(fwprintf_s, vfwprintf_s, wprintf_s, vwprintf_s, wchar_t, true, 0)
STREAM_FAMILY(_fwprintf_p, _vfwprintf_p, _wprintf_p, _vwprintf_p, wchar_t, true, FORMAT_POSITIONAL)
STREAM_FAMILY_L(_fwprintf_l, _vfwprintf_l, _wprintf_l, _vwprintf_l, wchar_t, true, 0)
STREAM_FAMILY_L(_fwprintf_s_l, _vfwprintf_s_l, _wprintf_s_l, _vwprintf_s_l, wchar_t, true, 0)
STREAM_FAMILY_L(_fwprintf_p_l, _vfwprintf_p_l, _wprintf_p_l, _vwprintf_p_l, wchar_t, true,
		FORMAT_POSITIONAL)

/* Into buffers of unknown size. */
enum { UNLIMITED = INT_MAX };

#define PLAIN_FAMILY(S, VS, C, wide)                                                   \
	int VS(C *to, const C *format, va_list args)                                   \
	{                                                                              \
		return print_buffer(to, UNLIMITED, format, wide, args, 0);             \
	}                                                                              \
	int S(C *to, const C *format, ...)                                             \
	{                                                                              \
		WITH_ARGS(format, print_buffer(to, UNLIMITED, format, wide, args, 0)); \
	}
#define PLAIN_FAMILY_L(S, VS, C, wide)                                                 \
	int VS(C *to, const C *format, _locale_t locale, va_list args)                 \
	{                                                                              \
		(void)locale;                                                          \
		return print_buffer(to, UNLIMITED, format, wide, args, 0);             \
	}                                                                              \
	int S(C *to, const C *format, _locale_t locale, ...)                           \
	{                                                                              \
		WITH_ARGS(locale, print_buffer(to, UNLIMITED, format, wide, args, 0)); \
	}

PLAIN_FAMILY(sprintf, vsprintf, char, false)
PLAIN_FAMILY_L(_sprintf_l, _vsprintf_l, char, false)
PLAIN_FAMILY(_swprintf, _vswprintf, wchar_t, true)
PLAIN_FAMILY_L(__swprintf_l, __vswprintf_l, wchar_t, true)

/* Into buffers of a given size, by `print` = print_buffer. */
#define SIZED_FAMILY(S, VS, C, print, wide, o)                          \
	int VS(C *to, size_t n, const C *format, va_list args)          \
	{                                                               \
		return print(to, n, format, wide, args, o);             \
	}                                                               \
	int S(C *to, size_t n, const C *format, ...)                    \
	{                                                               \
		WITH_ARGS(format, print(to, n, format, wide, args, o)); \
	}
#define SIZED_FAMILY_L(S, VS, C, print, wide, o)                                 \
	int VS(C *to, size_t n, const C *format, _locale_t locale, va_list args) \
	{                                                                        \
		(void)locale;                                                    \
		return print(to, n, format, wide, args, o);                      \
	}                                                                        \
	int S(C *to, size_t n, const C *format, _locale_t locale, ...)           \
	{                                                                        \
		WITH_ARGS(locale, print(to, n, format, wide, args, o));          \
	}

/* A text without its zero is an error for these. */
static int print_whole(void *to, size_t room, const void *format, bool wide, va_list args,
		       unsigned options)
{
	return print_checked(to, room, SIZE_MAX - 1, format, wide, args, options);
}

/* _swprintf_c and its kin: cut, ended, -1. */
static int print_cut(void *to, size_t room, const void *format, bool wide, va_list args,
		     unsigned options)
{
	return print_checked(to, room, _TRUNCATE, format, wide, args, options);
}

SIZED_FAMILY(_snprintf, _vsnprintf, char, print_buffer, false, 0)
SIZED_FAMILY_L(_snprintf_l, _vsnprintf_l, char, print_buffer, false, 0)
SIZED_FAMILY(_snwprintf, _vsnwprintf, wchar_t, print_buffer, true, 0)
SIZED_FAMILY_L(_snwprintf_l, _vsnwprintf_l, wchar_t, print_buffer, true, 0)
SIZED_FAMILY(_snprintf_c, _vsnprintf_c, char, print_cut, false, 0)
SIZED_FAMILY_L(_snprintf_c_l, _vsnprintf_c_l, char, print_cut, false, 0)
SIZED_FAMILY(_swprintf_c, _vswprintf_c, wchar_t, print_cut, true, 0)
SIZED_FAMILY_L(_swprintf_c_l, _vswprintf_c_l, wchar_t, print_cut, true, 0)
SIZED_FAMILY(sprintf_s, vsprintf_s, char, print_whole, false, 0)
SIZED_FAMILY_L(_sprintf_s_l, _vsprintf_s_l, char, print_whole, false, 0)
SIZED_FAMILY(swprintf_s, vswprintf_s, wchar_t, print_whole, true, 0)
SIZED_FAMILY_L(_swprintf_s_l, _vswprintf_s_l, wchar_t, print_whole, true, 0)
SIZED_FAMILY(_sprintf_p, _vsprintf_p, char, print_whole, false, FORMAT_POSITIONAL)
SIZED_FAMILY_L(_sprintf_p_l, _vsprintf_p_l, char, print_whole, false, FORMAT_POSITIONAL)
SIZED_FAMILY(_swprintf_p, _vswprintf_p, wchar_t, print_whole, true, FORMAT_POSITIONAL)
SIZED_FAMILY_L(_swprintf_p_l, _vswprintf_p_l, wchar_t, print_whole, true, FORMAT_POSITIONAL)

#define CHECKED_FAMILY(S, VS, SL, VSL, C, wide)                                                \
	int VS(C *to, size_t room, size_t n, const C *format, va_list args)                    \
	{                                                                                      \
		return print_checked(to, room, n, format, wide, args, 0);                      \
	}                                                                                      \
	int S(C *to, size_t room, size_t n, const C *format, ...)                              \
	{                                                                                      \
		WITH_ARGS(format, print_checked(to, room, n, format, wide, args, 0));          \
	}                                                                                      \
	int VSL(C *to, size_t room, size_t n, const C *format, _locale_t locale, va_list args) \
	{                                                                                      \
		(void)locale;                                                                  \
		return print_checked(to, room, n, format, wide, args, 0);                      \
	}                                                                                      \
	int SL(C *to, size_t room, size_t n, const C *format, _locale_t locale, ...)           \
	{                                                                                      \
		WITH_ARGS(locale, print_checked(to, room, n, format, wide, args, 0));          \
	}

CHECKED_FAMILY(_snprintf_s, _vsnprintf_s, _snprintf_s_l, _vsnprintf_s_l, char, false)
CHECKED_FAMILY(_snwprintf_s, _vsnwprintf_s, _snwprintf_s_l, _vsnwprintf_s_l, wchar_t, true)

/* How long the text would be. */
#define COUNT_FAMILY(S, VS, SL, VSL, C, wide, o)                       \
	int VS(const C *format, va_list args)                          \
	{                                                              \
		return print_count(format, wide, args, o);             \
	}                                                              \
	int S(const C *format, ...)                                    \
	{                                                              \
		WITH_ARGS(format, print_count(format, wide, args, o)); \
	}                                                              \
	int VSL(const C *format, _locale_t locale, va_list args)       \
	{                                                              \
		(void)locale;                                          \
		return print_count(format, wide, args, o);             \
	}                                                              \
	int SL(const C *format, _locale_t locale, ...)                 \
	{                                                              \
		WITH_ARGS(locale, print_count(format, wide, args, o)); \
	}

COUNT_FAMILY(_scprintf, _vscprintf, _scprintf_l, _vscprintf_l, char, false, 0)
COUNT_FAMILY(_scwprintf, _vscwprintf, _scwprintf_l, _vscwprintf_l, wchar_t, true, 0)
COUNT_FAMILY(_scprintf_p, _vscprintf_p, _scprintf_p_l, _vscprintf_p_l, char, false,
	     FORMAT_POSITIONAL)
COUNT_FAMILY(_scwprintf_p, _vscwprintf_p, _scwprintf_p_l, _vscwprintf_p_l, wchar_t, true,
	     FORMAT_POSITIONAL)
