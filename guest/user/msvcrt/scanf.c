/*
 * The scanf family: one engine (scan.c) and the many names.
 */
#include "guest/user/msvcrt/scan.h"

static int scan_stream(FILE *stream, const void *format, bool wide, va_list args, unsigned options)
{
	struct source source = {.stream = stream, .wide_input = wide};
	int result;

	if (!stream || !format) {
		crt_invalid(EINVAL);
		return EOF;
	}
	_lock_file(stream);
	result = scan_input(&source, format, wide, args, options);
	_unlock_file(stream);
	return result;
}

static int scan_text(const void *text, size_t size, const void *format, bool wide, va_list args,
		     unsigned options)
{
	struct source source = {
	    .narrow = wide ? NULL : text,
	    .wide = wide ? text : NULL,
	    .left = size,
	    .wide_input = wide,
	};

	if (!text || !format) {
		crt_invalid(EINVAL);
		return EOF;
	}
	return scan_input(&source, format, wide, args, options);
}

#define WITH_ARGS(last, call)         \
	do {                          \
		va_list args;         \
		int result_;          \
		va_start(args, last); \
		result_ = (call);     \
		va_end(args);         \
		return result_;       \
	} while (0)

#define SCAN_FAMILY(F, S, T, C, wide, o)                                             \
	int F(FILE *stream, const C *format, ...)                                    \
	{                                                                            \
		WITH_ARGS(format, scan_stream(stream, format, wide, args, o));       \
	}                                                                            \
	int S(const C *format, ...)                                                  \
	{                                                                            \
		WITH_ARGS(format, scan_stream(stdin, format, wide, args, o));        \
	}                                                                            \
	int T(const C *text, const C *format, ...)                                   \
	{                                                                            \
		WITH_ARGS(format, scan_text(text, SIZE_MAX, format, wide, args, o)); \
	}

#define SCAN_FAMILY_L(F, S, T, C, wide, o)                                           \
	int F(FILE *stream, const C *format, _locale_t locale, ...)                  \
	{                                                                            \
		WITH_ARGS(locale, scan_stream(stream, format, wide, args, o));       \
	}                                                                            \
	int S(const C *format, _locale_t locale, ...)                                \
	{                                                                            \
		WITH_ARGS(locale, scan_stream(stdin, format, wide, args, o));        \
	}                                                                            \
	int T(const C *text, const C *format, _locale_t locale, ...)                 \
	{                                                                            \
		WITH_ARGS(locale, scan_text(text, SIZE_MAX, format, wide, args, o)); \
	}

#define SIZED_FAMILY(N, NL, C, wide, o)                                            \
	int N(const C *text, size_t size, const C *format, ...)                    \
	{                                                                          \
		WITH_ARGS(format, scan_text(text, size, format, wide, args, o));   \
	}                                                                          \
	int NL(const C *text, size_t size, const C *format, _locale_t locale, ...) \
	{                                                                          \
		WITH_ARGS(locale, scan_text(text, size, format, wide, args, o));   \
	}

SCAN_FAMILY(fscanf, scanf, sscanf, char, false, 0)
SCAN_FAMILY(fscanf_s, scanf_s, sscanf_s, char, false, SCAN_SIZES)
SCAN_FAMILY(fwscanf, wscanf, swscanf, wchar_t, true, 0)
SCAN_FAMILY(fwscanf_s, wscanf_s, swscanf_s, wchar_t, true, SCAN_SIZES)
SCAN_FAMILY_L(_fscanf_l, _scanf_l, _sscanf_l, char, false, 0)
SCAN_FAMILY_L(_fscanf_s_l, _scanf_s_l, _sscanf_s_l, char, false, SCAN_SIZES)
SCAN_FAMILY_L(_fwscanf_l, _wscanf_l, _swscanf_l, wchar_t, true, 0)
SCAN_FAMILY_L(_fwscanf_s_l, _wscanf_s_l, _swscanf_s_l, wchar_t, true, SCAN_SIZES)
SIZED_FAMILY(_snscanf, _snscanf_l, char, false, 0)
SIZED_FAMILY(_snscanf_s, _snscanf_s_l, char, false, SCAN_SIZES)
SIZED_FAMILY(_snwscanf, _snwscanf_l, wchar_t, true, 0)
SIZED_FAMILY(_snwscanf_s, _snwscanf_s_l, wchar_t, true, SCAN_SIZES)
