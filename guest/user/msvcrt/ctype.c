/*
 * Character classes and case, for bytes by the locale's table and for UTF-16 units.
 *
 * A table has 257 entries, the first for EOF. The one of the "C" locale knows ASCII only; the
 * other, of code page 1252, is made from the classes of the characters its bytes stand for.
 */
#include "guest/user/msvcrt/crt.h"
#include <ctype.h>
#include <wctype.h>

#undef iswascii
#undef isleadbyte
#undef is_wctype
#undef __isascii
#undef __toascii
#undef __iscsym
#undef __iscsymf
#undef iswcntrl
#undef iswgraph
#undef iswprint
#undef iswalnum
#undef iswpunct
#undef iswspace
#undef iswxdigit
#undef iswdigit
#undef iswlower
#undef iswupper
#undef iswalpha

enum {
	ALPHA_BIT = 0x100, /* a letter, besides _UPPER and _LOWER */
	UPPER = _UPPER | ALPHA_BIT,
	LOWER = _LOWER | ALPHA_BIT,
	LATIN1 = 256,
};

/* The wide table; also the byte table of the "C" locale in its first half. */
unsigned short crt_wctype[LATIN1 + 1];
static unsigned short *const wide_class = crt_wctype + 1;
unsigned short crt_ctype[LATIN1 + 1]; /* what old programs read directly */
static unsigned short ansi_table[LATIN1 + 1];
const unsigned short *crt_pctype = crt_ctype + 1;
const unsigned short *crt_pwctype = crt_wctype + 1;
static bool in_c_locale = true;

/* What bytes 0x80 to 0x9F of code page 1252 stand for; 0 where nothing is assigned. */
static const wchar_t cp1252_high[32] = {
    0x20AC, 0x81,   0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160,
    0x2039, 0x0152, 0x8D,   0x017D, 0x8F,   0x90,   0x2018, 0x2019, 0x201C, 0x201D, 0x2022,
    0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0x9D,   0x017E, 0x0178,
};

wchar_t crt_cp1252_to_wide(unsigned char byte)
{
	return byte >= 0x80 && byte <= 0x9F ? cp1252_high[byte - 0x80] : byte;
}

int crt_cp1252_from_wide(wchar_t c)
{
	if (c < 0x80 || (c >= 0xA0 && c <= 0xFF))
		return c;
	for (int i = 0; i < 32; i++)
		if (cp1252_high[i] == c)
			return 0x80 + i;
	return -1;
}

/* Classes of Latin-1, as GetStringTypeW's C1 types give them. */
static unsigned short latin1_class(unsigned c)
{
	if (c >= '0' && c <= '9')
		return _DIGIT | _HEX;
	if ((c >= 'A' && c <= 'Z') || (c >= 0xC0 && c <= 0xDE && c != 0xD7))
		return UPPER | (c <= 'F' ? _HEX : 0);
	if ((c >= 'a' && c <= 'z') || (c >= 0xDF && c != 0xF7) || c == 0xB5 || c == 0xAA ||
	    c == 0xBA)
		return LOWER | (c <= 'f' ? _HEX : 0);
	if ((c >= '\t' && c <= '\r') || c == 0x85)
		return _SPACE | _CONTROL;
	if (c < ' ' || (c >= 0x7F && c < 0xA0) || c == 0xAD)
		return _CONTROL;
	if (c == ' ' || c == 0xA0)
		return _SPACE | _BLANK;
	return _PUNCT;
}

/* Blocks of letters beyond Latin-1 in which case is a matter of distance or of parity. */
static const struct {
	wchar_t first, last;
	short step; /* 0: letters without case; 1: even upper, odd lower; -1: odd upper */
	short distance;
} letters[] = {
    {0x0100, 0x0137, 1, 1},    {0x0139, 0x0148, -1, 1},	  {0x014A, 0x0177, 1, 1},
    {0x0179, 0x017E, -1, 1},   {0x0180, 0x01CC, 0, 0},	  {0x01CD, 0x01DC, -1, 1},
    {0x01DE, 0x01EF, 1, 1},    {0x01F8, 0x021F, 1, 1},	  {0x0222, 0x0233, 1, 1},
    {0x0250, 0x02AF, 0, 0},    {0x0391, 0x03A9, 2, 0x20}, {0x03B1, 0x03C9, 3, 0x20},
    {0x0400, 0x040F, 2, 0x50}, {0x0410, 0x042F, 2, 0x20}, {0x0430, 0x044F, 3, 0x20},
    {0x0450, 0x045F, 3, 0x50}, {0x0460, 0x0481, 1, 1},	  {0x048A, 0x04BF, 1, 1},
    {0x0531, 0x0556, 2, 0x30}, {0x0561, 0x0586, 3, 0x30}, {0x05D0, 0x05EA, 0, 0},
    {0x0620, 0x064A, 0, 0},    {0x0904, 0x0939, 0, 0},	  {0x0E01, 0x0E30, 0, 0},
    {0x10A0, 0x10FF, 0, 0},    {0x1E00, 0x1E95, 1, 1},	  {0x1EA0, 0x1EFF, 1, 1},
    {0x3041, 0x3096, 0, 0},    {0x30A1, 0x30FA, 0, 0},	  {0x3400, 0x4DB5, 0, 0},
    {0x4E00, 0x9FFF, 0, 0},    {0xAC00, 0xD7A3, 0, 0},	  {0xFF21, 0xFF3A, 2, 0x20},
    {0xFF41, 0xFF5A, 3, 0x20},
};

/* 0 for no letter, otherwise its class; *other is the letter of the other case. */
static unsigned letter_class(wchar_t c, wchar_t *other)
{
	*other = c;
	if (c == 0x178) {
		*other = 0xFF;
		return UPPER;
	}
	for (size_t i = 0; i < ARRAYSIZE(letters); i++) {
		bool upper;

		if (c < letters[i].first || c > letters[i].last)
			continue;
		switch (letters[i].step) {
		case 0:
			return ALPHA_BIT;
		case 1:
			upper = c % 2 == 0;
			break;
		case -1:
			upper = c % 2 == 1;
			break;
		default:
			upper = letters[i].step == 2;
			break;
		}
		*other = upper ? c + letters[i].distance : c - letters[i].distance;
		return upper ? UPPER : LOWER;
	}
	return 0;
}

static unsigned wide_class_of(wint_t c)
{
	wchar_t other;
	unsigned class;

	if (c == WEOF)
		return 0;
	if (c < LATIN1)
		return wide_class[c];
	class = letter_class(c, &other);
	if (class)
		return class;
	if ((c >= 0x2000 && c <= 0x200A) || c == 0x3000 || c == 0x1680)
		return _SPACE | _BLANK;
	if (c == 0x2028 || c == 0x2029)
		return _SPACE;
	if (c >= 0xFF10 && c <= 0xFF19)
		return _DIGIT;
	if ((c >= 0x2010 && c <= 0x2BFF) || (c >= 0x3001 && c <= 0x303F) ||
	    (c >= 0xFF01 && c <= 0xFFEE))
		return _PUNCT;
	return 0;
}

void crt_ctype_init(void)
{
	for (unsigned c = 0; c < LATIN1; c++)
		wide_class[c] = latin1_class(c);
	for (unsigned c = 0; c < LATIN1; c++) {
		crt_ctype[c + 1] = c < 0x80 ? wide_class[c] : 0;
		ansi_table[c + 1] =
		    (unsigned short)wide_class_of(crt_cp1252_to_wide((unsigned char)c));
	}
}

void crt_ctype_set(bool c_locale)
{
	in_c_locale = c_locale;
	crt_pctype = (c_locale ? crt_ctype : ansi_table) + 1;
}

const unsigned short *crt_pctype_func(void)
{
	return crt_pctype;
}

const unsigned short *crt_pwctype_func(void)
{
	return crt_pwctype;
}

int _isctype(int c, int mask)
{
	return c >= -1 && c < LATIN1 ? crt_pctype[c] & mask : 0;
}

int iswctype(wint_t c, wctype_t mask)
{
	return (int)(wide_class_of(c) & mask);
}

/* Masks: _ALPHA has the bits of both cases as well. */
#define BYTE_CLASS(name, mask)            \
	int name(int c)                   \
	{                                 \
		return _isctype(c, mask); \
	}
#define WIDE_CLASS(name, mask)            \
	int name(wint_t c)                \
	{                                 \
		return iswctype(c, mask); \
	}

BYTE_CLASS(isalpha, _ALPHA)
BYTE_CLASS(isupper, _UPPER)
BYTE_CLASS(islower, _LOWER)
BYTE_CLASS(isdigit, _DIGIT)
BYTE_CLASS(isxdigit, _HEX)
BYTE_CLASS(isspace, _SPACE)
BYTE_CLASS(ispunct, _PUNCT)
BYTE_CLASS(isalnum, _ALPHA | _DIGIT)
BYTE_CLASS(isprint, _BLANK | _PUNCT | _ALPHA | _DIGIT)
BYTE_CLASS(isgraph, _PUNCT | _ALPHA | _DIGIT)
BYTE_CLASS(iscntrl, _CONTROL)

WIDE_CLASS(iswalpha, _ALPHA)
WIDE_CLASS(iswupper, _UPPER)
WIDE_CLASS(iswlower, _LOWER)
WIDE_CLASS(iswdigit, _DIGIT)
WIDE_CLASS(iswxdigit, _HEX)
WIDE_CLASS(iswspace, _SPACE)
WIDE_CLASS(iswpunct, _PUNCT)
WIDE_CLASS(iswalnum, _ALPHA | _DIGIT)
WIDE_CLASS(iswprint, _BLANK | _PUNCT | _ALPHA | _DIGIT)
WIDE_CLASS(iswgraph, _PUNCT | _ALPHA | _DIGIT)
WIDE_CLASS(iswcntrl, _CONTROL)

int isleadbyte(int c)
{
	(void)c;
	return 0; /* both code pages have single bytes only */
}

int iswascii(wint_t c)
{
	return c < 0x80;
}

int is_wctype(wint_t c, wctype_t mask)
{
	return iswctype(c, mask);
}

int __isascii(int c)
{
	return (unsigned)c < 0x80;
}

int __toascii(int c)
{
	return c & 0x7F;
}

int __iscsymf(int c)
{
	return isalpha(c) || c == '_';
}

int __iscsym(int c)
{
	return isalnum(c) || c == '_';
}

/* The other case of a character of Latin-1 or beyond, itself if it has none. */
static wchar_t other_case(wchar_t c)
{
	wchar_t other;

	if (c >= LATIN1) {
		letter_class(c, &other);
		return other;
	}
	if (wide_class[c] & _UPPER)
		return c + 0x20;
	if (c == 0xFF)
		return 0x178;
	if ((wide_class[c] & _LOWER) && c != 0xDF && c != 0xB5 && c != 0xAA && c != 0xBA)
		return c - 0x20;
	return c;
}

wint_t towlower(wint_t c)
{
	if (c < 0x80 || in_c_locale)
		return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
	return wide_class_of(c) & _UPPER ? other_case(c) : c;
}

wint_t towupper(wint_t c)
{
	if (c < 0x80 || in_c_locale)
		return c >= 'a' && c <= 'z' ? c - 0x20 : c;
	return wide_class_of(c) & _LOWER ? other_case(c) : c;
}

static int change_byte_case(int c, unsigned from)
{
	int byte;

	if (!_isctype(c, (int)from))
		return c;
	if (c < 0x80)
		return c ^ 0x20;
	byte = crt_cp1252_from_wide(other_case(crt_cp1252_to_wide((unsigned char)c)));
	return byte < 0 ? c : byte;
}

int tolower(int c)
{
	return change_byte_case(c, _UPPER);
}

int toupper(int c)
{
	return change_byte_case(c, _LOWER);
}

/* Without a test of the class first, as documented. */
int crt_tolower_plain(int c)
{
	return c + 0x20;
}

int crt_toupper_plain(int c)
{
	return c - 0x20;
}
