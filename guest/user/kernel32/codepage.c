/*
 * Code pages: MultiByteToWideChar, WideCharToMultiByte and what they are made from.
 *
 * ANSI is 1252, OEM 437; the other single-byte pages are ntdll's tables; UTF-8, UTF-7's absence,
 * Latin-1 and ASCII are computed. UTF-8 conversion is ntdll's; the flags that make bad input an
 * error are looked at here.
 */
#include "guest/user/kernel32/k32.h"

#define ANSI_PAGE 1252
#define OEM_PAGE  437

UINT WINAPI GetACP(VOID)
{
	return ANSI_PAGE;
}

UINT WINAPI GetOEMCP(VOID)
{
	return OEM_PAGE;
}

static UINT real_page(UINT page)
{
	switch (page) {
	case CP_ACP:
	case CP_MACCP:
	case CP_THREAD_ACP:
		return ANSI_PAGE;
	case CP_OEMCP:
		return OEM_PAGE;
	}
	return page;
}

#define LATIN1 28591
#define ASCII  20127

static BOOL known(UINT page)
{
	return page == CP_UTF8 || page == LATIN1 || page == ASCII || NtmmSingleByteTable(page);
}

WINBOOL WINAPI IsValidCodePage(UINT page)
{
	return page > CP_THREAD_ACP && known(page);
}

WINBOOL WINAPI IsDBCSLeadByteEx(UINT page, BYTE c)
{
	(void)c;
	if (!known(real_page(page)))
		return fail(ERROR_INVALID_PARAMETER);
	return FALSE; /* none of the pages here has double bytes */
}

WINBOOL WINAPI IsDBCSLeadByte(BYTE c)
{
	return IsDBCSLeadByteEx(CP_ACP, c);
}

WINBOOL WINAPI GetCPInfo(UINT page, LPCPINFO info)
{
	page = real_page(page);
	if (!info || !known(page))
		return fail(ERROR_INVALID_PARAMETER);
	memset(info, 0, sizeof(*info));
	info->MaxCharSize = page == CP_UTF8 ? 4 : 1;
	info->DefaultChar[0] = '?';
	return TRUE;
}

WINBOOL WINAPI GetCPInfoExW(UINT page, DWORD flags, LPCPINFOEXW info)
{
	CPINFO basic;

	(void)flags;
	if (!GetCPInfo(page, &basic))
		return FALSE;
	memset(info, 0, sizeof(*info));
	info->MaxCharSize = basic.MaxCharSize;
	info->DefaultChar[0] = '?';
	info->UnicodeDefaultChar = real_page(page) == CP_UTF8 ? 0xfffd : '?';
	info->CodePage = real_page(page);
	_snwprintf(info->CodePageName, MAX_PATH - 1, L"%u", info->CodePage);
	return TRUE;
}

WINBOOL WINAPI GetCPInfoExA(UINT page, DWORD flags, LPCPINFOEXA info)
{
	CPINFOEXW wide;

	if (!GetCPInfoExW(page, flags, &wide))
		return FALSE;
	memset(info, 0, sizeof(*info));
	memcpy(info, &wide, offsetof(CPINFOEXW, CodePageName));
	_snprintf(info->CodePageName, MAX_PATH - 1, "%u", wide.CodePage);
	return TRUE;
}

/* Calls the program's function for each installed page, as text. */
WINBOOL WINAPI EnumSystemCodePagesW(CODEPAGE_ENUMPROCW f, DWORD flags)
{
	(void)flags;
	for (UINT page = 1; page <= CP_UTF8; page++) {
		WCHAR text[8];

		if (!IsValidCodePage(page))
			continue;
		_snwprintf(text, ARRAY_COUNT(text), L"%u", page);
		if (!f(text))
			break;
	}
	return TRUE;
}

/* --- to wide --- */

static WCHAR wide_of(UINT page, const WCHAR *high, UCHAR c)
{
	if (c < 0x80 || page == LATIN1)
		return c;
	return page == ASCII ? (WCHAR)(c & 0x7f) : high[c - 0x80];
}

/* A C1 control that the table maps to itself is a byte the page does not define. */
static BOOL undefined_byte(UINT page, const WCHAR *high, UCHAR c)
{
	if (c < 0x80 || page == LATIN1)
		return FALSE;
	return page == ASCII || (high[c - 0x80] >= 0xe000 && high[c - 0x80] < 0xf900);
}

static int utf8_to_wide(DWORD flags, LPCCH in, int n, LPWSTR out, int room)
{
	ULONG bytes = 0;
	NTSTATUS status;

	if (flags & MB_ERR_INVALID_CHARS) {
		status = RtlUTF8ToUnicodeN(NULL, 0, &bytes, in, (ULONG)n);
		if (status == STATUS_SOME_NOT_MAPPED)
			return fail(ERROR_NO_UNICODE_TRANSLATION);
	}
	status =
	    RtlUTF8ToUnicodeN(room ? out : NULL, (ULONG)room * sizeof(WCHAR), &bytes, in, (ULONG)n);
	if (status == STATUS_BUFFER_TOO_SMALL)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	return (int)(bytes / sizeof(WCHAR));
}

int WINAPI MultiByteToWideChar(UINT page, DWORD flags, LPCCH in, int n, LPWSTR out, int room)
{
	const WCHAR *high;

	page = real_page(page);
	if (!in || !n || room < 0 || (room && (!out || (LPCVOID)out == (LPCVOID)in)))
		return fail(ERROR_INVALID_PARAMETER);
	if (!known(page))
		return fail(ERROR_INVALID_PARAMETER);
	if (flags & ~(DWORD)(page == CP_UTF8 ? MB_ERR_INVALID_CHARS
					     : MB_ERR_INVALID_CHARS | MB_PRECOMPOSED |
						   MB_COMPOSITE | MB_USEGLYPHCHARS))
		return fail(ERROR_INVALID_FLAGS);
	if (n < 0)
		n = (int)strlen(in) + 1;
	if (page == CP_UTF8)
		return utf8_to_wide(flags, in, n, out, room);
	high = NtmmSingleByteTable(page);
	if (flags & MB_ERR_INVALID_CHARS)
		for (int i = 0; i < n; i++)
			if (undefined_byte(page, high, (UCHAR)in[i]))
				return fail(ERROR_NO_UNICODE_TRANSLATION);
	if (!room)
		return n;
	for (int i = 0; i < min(n, room); i++)
		out[i] = wide_of(page, high, (UCHAR)in[i]);
	return n > room ? fail(ERROR_INSUFFICIENT_BUFFER) : n;
}

/* --- from wide --- */

/* What a page lacks may have a likeness in ASCII: letters without their marks, quotes, dashes. */
static const char latin_likeness[] = /* from U+00C0; a blank: none */
    "AAAAAA CEEEEIIII NOOOOO  UUUUY  aaaaaa ceeeeiiii nooooo  uuuuy yAaAaAaCcCcCcCcDd"
    "DdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIi  JjKk LlLlLl  LlNnNnNn   OoOoOo  RrRrRrSsSsSs"
    "SsTtTtTtUuUuUuUuUuUuWwYyYZzZzZz b                Ff             Oo             U"
    "u                            AaIiOoUuUuUuUuUu AaAa    GgKkOoOo  j   Gg  NnAa    "
    "AaAaEeEeIiIiOoOoRrRrUuUuSsTt  Hh      AaEeOoOoOoOoYy                            ";
static const char latin_extended_likeness[] = /* from U+1E00 */
    "AaBbBbBbCcDdDdDdDdDdEeEeEeEeEeFfGgHhHhHhHhHhIiIiKkKkKkLlLlLlLlMmMmMmNnNnNnNnOoOo"
    "OoOoPpPpRrRrRrRrSsSsSsSsSsTtTtTtTtUuUuUuUuUuVvVvWwWwWwWwWwXxXxYyZzZzZzhtwy      "
    "AaAaAaAaAaAaAaAaAaAaAaAaEeEeEeEeEeEeEeEeIiIiOoOoOoOoOoOoOoOoOoOoOoOoUuUuUuUuUuUu"
    "UuYyYyYyYy      ";

static WCHAR best_fit(WCHAR c)
{
	static const struct {
		WCHAR from, to;
	} pairs[] = {
	    {0x0393, 'G'}, {0x0398, 'T'}, {0x03a3, 'S'}, {0x03a6, 'F'},	 {0x03a9, 'O'},
	    {0x03b1, 'a'}, {0x03b4, 'd'}, {0x03b5, 'e'}, {0x03c0, 'p'},	 {0x03c3, 's'},
	    {0x03c4, 't'}, {0x03c6, 'f'}, {0x2002, ' '}, {0x2003, ' '},	 {0x2010, '-'},
	    {0x2011, '-'}, {0x2013, '-'}, {0x2014, '-'}, {0x2018, '\''}, {0x2019, '\''},
	    {0x201c, '"'}, {0x201d, '"'}, {0x2022, '.'}, {0x2026, '.'},	 {0x2032, '\''},
	    {0x2212, '-'}, {0x3000, ' '},
	};
	char like = ' ';

	if (c >= 0xc0 && c < 0xc0 + sizeof(latin_likeness) - 1)
		like = latin_likeness[c - 0xc0];
	else if (c >= 0x1e00 && c < 0x1e00 + sizeof(latin_extended_likeness) - 1)
		like = latin_extended_likeness[c - 0x1e00];
	if (like != ' ')
		return (WCHAR)like;
	if (c >= 0xff01 && c <= 0xff5e)
		return (WCHAR)(c - 0xfee0);
	for (size_t k = 0; k < ARRAY_COUNT(pairs); k++)
		if (pairs[k].from == c)
			return pairs[k].to;
	return 0;
}

static BOOL byte_of(UINT page, const WCHAR *high, WCHAR c, char *out)
{
	if (c < 0x80 || (page == LATIN1 && c < 0x100)) {
		*out = (char)c;
		return TRUE;
	}
	for (int i = 0; high && i < 128; i++)
		if (high[i] == c) {
			*out = (char)(0x80 + i);
			return TRUE;
		}
	return FALSE;
}

static int wide_to_utf8(DWORD flags, LPCWCH in, int n, LPSTR out, int room)
{
	ULONG bytes = 0;
	NTSTATUS status;

	if (flags & WC_ERR_INVALID_CHARS) {
		status = RtlUnicodeToUTF8N(NULL, 0, &bytes, in, (ULONG)n * sizeof(WCHAR));
		if (status == STATUS_SOME_NOT_MAPPED)
			return fail(ERROR_NO_UNICODE_TRANSLATION);
	}
	status =
	    RtlUnicodeToUTF8N(room ? out : NULL, (ULONG)room, &bytes, in, (ULONG)n * sizeof(WCHAR));
	if (status == STATUS_BUFFER_TOO_SMALL)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	return (int)bytes;
}

int WINAPI WideCharToMultiByte(UINT page, DWORD flags, LPCWCH in, int n, LPSTR out, int room,
			       LPCCH missing, LPBOOL used)
{
	const DWORD legal = WC_NO_BEST_FIT_CHARS | WC_COMPOSITECHECK | WC_DISCARDNS | WC_SEPCHARS |
			    WC_DEFAULTCHAR | WC_ERR_INVALID_CHARS;
	const WCHAR *high;
	BOOL replaced = FALSE;

	page = real_page(page);
	if (!in || !n || room < 0 || (room && (!out || (LPCVOID)out == (LPCVOID)in)))
		return fail(ERROR_INVALID_PARAMETER);
	if (!known(page) || (page == CP_UTF8 && (missing || used)))
		return fail(ERROR_INVALID_PARAMETER);
	if (flags & ~(page == CP_UTF8 ? (DWORD)WC_ERR_INVALID_CHARS : legal))
		return fail(ERROR_INVALID_FLAGS);
	if (n < 0)
		n = (int)wcslen(in) + 1;
	if (page == CP_UTF8)
		return wide_to_utf8(flags, in, n, out, room);
	high = NtmmSingleByteTable(page);
	if (room && n > room)
		n = -n; /* convert what fits, then fail */
	for (int i = 0; i < (n < 0 ? room : n); i++) {
		WCHAR fit;
		char c;

		if (!byte_of(page, high, in[i], &c)) {
			fit = flags & WC_NO_BEST_FIT_CHARS ? 0 : best_fit(in[i]);
			if (!fit || !byte_of(page, high, fit, &c)) {
				c = missing ? *missing : '?';
				replaced = TRUE;
			}
		}
		if (room)
			out[i] = c;
	}
	if (used)
		*used = replaced;
	return n < 0 ? fail(ERROR_INSUFFICIENT_BUFFER) : n;
}

static BOOL ansi_files = TRUE;

WINBOOL WINAPI AreFileApisANSI(VOID)
{
	return ansi_files;
}

VOID WINAPI SetFileApisToANSI(VOID)
{
	ansi_files = TRUE;
}

VOID WINAPI SetFileApisToOEM(VOID)
{
	ansi_files = FALSE; /* told back by AreFileApisANSI; names stay in the ANSI page */
}
