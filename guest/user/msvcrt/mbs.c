/*
 * Multibyte strings. All code pages here have single bytes, so most of these functions are the
 * byte string functions under another name (see msvcrt.def); here are those that differ in what
 * they return or take.
 */
#include "guest/user/msvcrt/crt.h"
#include <ctype.h>
#include <mbctype.h>
#include <mbstring.h>

typedef unsigned char uchar;

/* No lead bytes, no trail bytes. */
uchar crt_mbctype[257];

int _getmbcp(void)
{
	return _MB_CP_SBCS;
}

int _setmbcp(int codepage)
{
	switch (codepage) {
	case _MB_CP_SBCS:
	case _MB_CP_OEM:
	case _MB_CP_ANSI:
	case _MB_CP_LOCALE:
	case 1252:
		return 0;
	default:
		return crt_fail_with(EINVAL);
	}
}

/* Never true of a byte of a single-byte code page. */
int crt_mb_never(unsigned c)
{
	(void)c;
	return 0;
}

int crt_mb_never_in(const uchar *text, const uchar *at)
{
	(void)text;
	(void)at;
	return 0;
}

int _ismbclegal(unsigned c)
{
	(void)c;
	return 0;
}

unsigned crt_mb_same(unsigned c)
{
	return c;
}

int _mbbtype(uchar c, int type)
{
	(void)type;
	return isprint(c) ? _MBC_SINGLE : _MBC_ILLEGAL;
}

int _mbsbtype(const uchar *text, size_t at)
{
	return strnlen((const char *)text, at + 1) > at ? _MBC_SINGLE : _MBC_ILLEGAL;
}

size_t _mbclen(const uchar *text)
{
	(void)text;
	return 1;
}

void _mbccpy(uchar *to, const uchar *from)
{
	*to = *from;
}

errno_t _mbccpy_s(uchar *to, size_t room, int *copied, const uchar *from)
{
	if (copied)
		*copied = 0;
	if (!to || !room)
		return crt_invalid(EINVAL);
	*to = from ? *from : 0;
	if (!from)
		return crt_invalid(EINVAL);
	if (copied)
		*copied = 1;
	return 0;
}

uchar *_mbsinc(const uchar *at)
{
	return (uchar *)at + 1;
}

uchar *_mbsdec(const uchar *start, const uchar *at)
{
	return at > start ? (uchar *)at - 1 : NULL;
}

uchar *_mbsninc(const uchar *text, size_t n)
{
	return text ? (uchar *)text + strnlen((const char *)text, n) : NULL;
}

unsigned _mbsnextc(const uchar *text)
{
	return *text;
}

size_t crt_mbs_count(const uchar *text, size_t n)
{
	return strnlen((const char *)text, n);
}

size_t crt_mbs_length(const char *text)
{
	return strlen(text);
}

uchar *_mbsspnp(const uchar *text, const uchar *characters)
{
	text += strspn((const char *)text, (const char *)characters);
	return *text ? (uchar *)text : NULL;
}
