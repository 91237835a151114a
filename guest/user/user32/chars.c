/*
 * What console programs use of user32 without a window: case and kind of characters, walks over
 * strings, the OEM code page (the ANSI one's bytes up to 127 are its; the others go by Unicode),
 * wsprintf, strings of the resources.
 */
#include "guest/user/include/nt.h"
#include <winuser.h>

#define WSPRINTF_MAX 1024 /* characters, with the terminator; documented */
#define STRINGS	     16	  /* a resource of type RT_STRING holds so many */

__declspec(dllimport) HRSRC WINAPI FindResourceW(HMODULE m, LPCWSTR name, LPCWSTR type);
__declspec(dllimport) HGLOBAL WINAPI LoadResource(HMODULE m, HRSRC r);
__declspec(dllimport) WINBOOL WINAPI
    GetStringTypeW(DWORD kind, LPCWSTR text, int chars, LPWORD out);

static WCHAR wide(char c)
{
	WCHAR w;
	ULONG got;

	RtlMultiByteToUnicodeN(&w, sizeof(w), &got, &c, 1);
	return w;
}

static char narrow(WCHAR w)
{
	ULONG got;
	char c;

	RtlUnicodeToMultiByteN(&c, 1, &got, &w, sizeof(w));
	return c;
}

/* --- case: of a string, of so many characters, or of the one that a small "pointer" is --- */

DWORD WINAPI CharLowerBuffW(LPWSTR text, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++)
		text[i] = RtlDowncaseUnicodeChar(text[i]);
	return chars;
}

DWORD WINAPI CharUpperBuffW(LPWSTR text, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++)
		text[i] = RtlUpcaseUnicodeChar(text[i]);
	return chars;
}

DWORD WINAPI CharLowerBuffA(LPSTR text, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++)
		text[i] = narrow(RtlDowncaseUnicodeChar(wide(text[i])));
	return chars;
}

DWORD WINAPI CharUpperBuffA(LPSTR text, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++)
		text[i] = narrow(RtlUpcaseUnicodeChar(wide(text[i])));
	return chars;
}

#define IS_CHARACTER(p) ((ULONG_PTR)(p) < 0x10000)

LPWSTR WINAPI CharLowerW(LPWSTR text)
{
	if (IS_CHARACTER(text))
		return (LPWSTR)(ULONG_PTR)RtlDowncaseUnicodeChar((WCHAR)(ULONG_PTR)text);
	CharLowerBuffW(text, (DWORD)wcslen(text));
	return text;
}

LPWSTR WINAPI CharUpperW(LPWSTR text)
{
	if (IS_CHARACTER(text))
		return (LPWSTR)(ULONG_PTR)RtlUpcaseUnicodeChar((WCHAR)(ULONG_PTR)text);
	CharUpperBuffW(text, (DWORD)wcslen(text));
	return text;
}

LPSTR WINAPI CharLowerA(LPSTR text)
{
	char c = (char)(ULONG_PTR)text;

	if (IS_CHARACTER(text)) {
		CharLowerBuffA(&c, 1);
		return (LPSTR)(ULONG_PTR)(UCHAR)c;
	}
	CharLowerBuffA(text, (DWORD)strlen(text));
	return text;
}

LPSTR WINAPI CharUpperA(LPSTR text)
{
	char c = (char)(ULONG_PTR)text;

	if (IS_CHARACTER(text)) {
		CharUpperBuffA(&c, 1);
		return (LPSTR)(ULONG_PTR)(UCHAR)c;
	}
	CharUpperBuffA(text, (DWORD)strlen(text));
	return text;
}

/* --- kind --- */

static BOOL is_kind(WCHAR c, WORD kinds)
{
	WORD kind;

	return GetStringTypeW(CT_CTYPE1, &c, 1, &kind) && (kind & kinds);
}

WINBOOL WINAPI IsCharAlphaW(WCHAR c)
{
	return is_kind(c, C1_ALPHA);
}

WINBOOL WINAPI IsCharAlphaNumericW(WCHAR c)
{
	return is_kind(c, C1_ALPHA | C1_DIGIT);
}

WINBOOL WINAPI IsCharUpperW(WCHAR c)
{
	return is_kind(c, C1_UPPER);
}

WINBOOL WINAPI IsCharLowerW(WCHAR c)
{
	return is_kind(c, C1_LOWER);
}

WINBOOL WINAPI IsCharAlphaA(CHAR c)
{
	return IsCharAlphaW(wide(c));
}

WINBOOL WINAPI IsCharAlphaNumericA(CHAR c)
{
	return IsCharAlphaNumericW(wide(c));
}

WINBOOL WINAPI IsCharUpperA(CHAR c)
{
	return IsCharUpperW(wide(c));
}

WINBOOL WINAPI IsCharLowerA(CHAR c)
{
	return IsCharLowerW(wide(c));
}

/* --- walks: every character is one byte, or one word --- */

LPSTR WINAPI CharNextA(LPCSTR p)
{
	return (LPSTR)p + (*p != 0);
}

LPWSTR WINAPI CharNextW(LPCWSTR p)
{
	return (LPWSTR)p + (*p != 0);
}

LPSTR WINAPI CharPrevA(LPCSTR start, LPCSTR p)
{
	return (LPSTR)p - (p > start);
}

LPWSTR WINAPI CharPrevW(LPCWSTR start, LPCWSTR p)
{
	return (LPWSTR)p - (p > start);
}

/* --- OEM --- */

WINBOOL WINAPI CharToOemBuffW(LPCWSTR from, LPSTR to, DWORD chars)
{
	ULONG got;

	return NT_SUCCESS(RtlUnicodeToOemN(to, chars, &got, from, chars * (ULONG)sizeof(WCHAR)));
}

WINBOOL WINAPI OemToCharBuffW(LPCSTR from, LPWSTR to, DWORD chars)
{
	ULONG got;

	return NT_SUCCESS(RtlOemToUnicodeN(to, chars * (ULONG)sizeof(WCHAR), &got, from, chars));
}

WINBOOL WINAPI CharToOemBuffA(LPCSTR from, LPSTR to, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++) {
		WCHAR w = wide(from[i]);

		CharToOemBuffW(&w, to + i, 1);
	}
	return TRUE;
}

WINBOOL WINAPI OemToCharBuffA(LPCSTR from, LPSTR to, DWORD chars)
{
	for (DWORD i = 0; i < chars; i++) {
		WCHAR w;

		OemToCharBuffW(from + i, &w, 1);
		to[i] = narrow(w);
	}
	return TRUE;
}

WINBOOL WINAPI CharToOemW(LPCWSTR from, LPSTR to)
{
	return from && to && CharToOemBuffW(from, to, (DWORD)wcslen(from) + 1);
}

WINBOOL WINAPI OemToCharW(LPCSTR from, LPWSTR to)
{
	return from && to && OemToCharBuffW(from, to, (DWORD)strlen(from) + 1);
}

WINBOOL WINAPI CharToOemA(LPCSTR from, LPSTR to)
{
	return from && to && CharToOemBuffA(from, to, (DWORD)strlen(from) + 1);
}

WINBOOL WINAPI OemToCharA(LPCSTR from, LPSTR to)
{
	return from && to && OemToCharBuffA(from, to, (DWORD)strlen(from) + 1);
}

/* --- wsprintf: at most WSPRINTF_MAX characters, always terminated --- */

int WINAPI wvsprintfA(LPSTR out, LPCSTR format, va_list ap)
{
	int n = _vsnprintf(out, WSPRINTF_MAX - 1, format, ap);

	if (n < 0)
		n = WSPRINTF_MAX - 1;
	out[n] = 0;
	return n;
}

int WINAPI wvsprintfW(LPWSTR out, LPCWSTR format, va_list ap)
{
	int n = _vsnwprintf(out, WSPRINTF_MAX - 1, format, ap);

	if (n < 0)
		n = WSPRINTF_MAX - 1;
	out[n] = 0;
	return n;
}

int WINAPIV wsprintfA(LPSTR out, LPCSTR format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = wvsprintfA(out, format, ap);
	va_end(ap);
	return n;
}

int WINAPIV wsprintfW(LPWSTR out, LPCWSTR format, ...)
{
	va_list ap;
	int n;

	va_start(ap, format);
	n = wvsprintfW(out, format, ap);
	va_end(ap);
	return n;
}

/* --- strings of the resources: a length and characters each --- */

static const WCHAR *find_string(HINSTANCE m, UINT id)
{
	HRSRC r = FindResourceW(m, MAKEINTRESOURCEW((id / STRINGS) + 1), (LPCWSTR)RT_STRING);
	const WCHAR *p = r ? LoadResource(m, r) : NULL;

	for (UINT i = 0; p && i < id % STRINGS; i++)
		p += *p + 1;
	return p;
}

/* With room 0 *out becomes a pointer to the resource itself. */
int WINAPI LoadStringW(HINSTANCE m, UINT id, LPWSTR out, int room)
{
	const WCHAR *p = find_string(m, id);
	int n;

	if (!p || !out)
		return 0;
	n = *p;
	if (!room) {
		*(const WCHAR **)out = p + 1;
		return n;
	}
	n = n < room ? n : room - 1;
	memcpy(out, p + 1, (SIZE_T)n * sizeof(WCHAR));
	out[n] = 0;
	return n;
}

int WINAPI LoadStringA(HINSTANCE m, UINT id, LPSTR out, int room)
{
	const WCHAR *p = find_string(m, id);
	ULONG got = 0;

	if (!out || room <= 0)
		return 0;
	if (p)
		RtlUnicodeToMultiByteN(out, (ULONG)room - 1, &got, p + 1,
				       *p * (ULONG)sizeof(WCHAR));
	out[got] = 0;
	return (int)got;
}
