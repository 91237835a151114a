/*
 * The engine of the scanf family; see scan.c.
 */
#ifndef GUEST_USER_MSVCRT_SCAN_H
#define GUEST_USER_MSVCRT_SCAN_H

#include "guest/user/msvcrt/crt.h"

/* Where characters come from: a stream, or text of `left` characters at most. */
struct source {
	FILE *stream;
	const char *narrow;
	const wchar_t *wide;
	size_t left;
	bool wide_input;
	size_t taken;  /* characters read so far, for %n */
	wint_t pushed; /* one character given back */
	bool has_pushed;
};

enum { SCAN_SIZES = 1 }; /* the _s functions: a size follows each buffer */

/* The number of conversions stored, EOF if the input ended before the first. */
int scan_input(struct source *source, const void *format, bool wide_format, va_list list,
	       unsigned options);

#endif
