/*
 * The engine of the printf family; see format.c and float.c.
 */
#ifndef GUEST_USER_MSVCRT_FORMAT_H
#define GUEST_USER_MSVCRT_FORMAT_H

#include "guest/user/msvcrt/crt.h"

/* Where the characters of one call go. */
struct sink {
	/* Takes `count` characters of the sink's own width. */
	void (*put)(struct sink *sink, const void *text, size_t count);
	bool wide;
	bool failed;
	size_t count; /* characters asked for */
	void *at;     /* next place in a buffer */
	size_t room;  /* characters that still fit there */
	FILE *stream;
};

enum { FORMAT_POSITIONAL = 1 }; /* %1$d */

/* The number of characters, or -1 if one of them could not be written. */
int format_output(struct sink *sink, const void *format, bool wide_format, va_list list,
		  unsigned options);

/* A floating-point number as text, but for its sign and 0x: body, zeros, exponent. */
struct float_text {
	bool negative, hexadecimal;
	const char *body;
	size_t length;
	int zeros;
	char exponent[8];
	char *allocated;
	char small[400];
};

/* precision < 0: the conversion's default. format_float_free ends the text's life. */
void format_float(struct float_text *text, double value, unsigned conversion, int precision,
		  bool alternate, bool short_exponent);
void format_float_free(struct float_text *text);

#endif
