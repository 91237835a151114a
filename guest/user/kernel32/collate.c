/* Text by the rules of the locale (locale.c): kinds of characters, comparing, mapping. */
#include "guest/user/kernel32/k32.h"

/* --- characters --- */

static WORD class1(WCHAR c)
{
	WORD t = 0;

	if (c < 32 || (c >= 127 && c < 160))
		t |= C1_CNTRL;
	if (c == ' ' || (c >= 9 && c <= 13) || c == 0x85 || c == 0xa0 || c == 0x3000)
		t |= C1_SPACE;
	if (c == ' ' || c == 9 || c == 0xa0)
		t |= C1_BLANK;
	if (c >= '0' && c <= '9')
		t |= C1_DIGIT | C1_XDIGIT;
	if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
		t |= C1_XDIGIT;
	if (c >= 33 && c < 127 && !((c | 32) >= 'a' && (c | 32) <= 'z') && !(t & C1_DIGIT))
		t |= C1_PUNCT;
	if (RtlUpcaseUnicodeChar(c) != c || c == 0xdf || c == 0xb5)
		t |= C1_LOWER | C1_ALPHA;
	else if (RtlDowncaseUnicodeChar(c) != c)
		t |= C1_UPPER | C1_ALPHA;
	else if ((c >= 0x100 && c < 0x2000 && c != 0xd7 && c != 0xf7) ||
		 (c >= 0x3040 && c < 0xd800) || c == 0xaa || c == 0xba)
		t |= C1_ALPHA;
	else if (c >= 0xa1 && c < 0x100)
		t |= C1_PUNCT;
	return t;
}

WINBOOL WINAPI GetStringTypeW(DWORD kind, LPCWCH text, int n, LPWORD out)
{
	if (n == -1)
		n = (int)wcslen(text) + 1;
	for (int i = 0; i < n; i++) {
		switch (kind) {
		case CT_CTYPE1:
			out[i] = class1(text[i]) | C1_DEFINED;
			break;
		case CT_CTYPE2:
			out[i] = class1(text[i]) & C1_DIGIT   ? C2_EUROPENUMBER
				 : class1(text[i]) & C1_ALPHA ? C2_LEFTTORIGHT
				 : class1(text[i]) & C1_SPACE ? C2_WHITESPACE
							      : C2_OTHERNEUTRAL;
			break;
		case CT_CTYPE3:
			out[i] = class1(text[i]) & C1_ALPHA ? C3_ALPHA : C3_SYMBOL;
			break;
		default:
			return fail(ERROR_INVALID_PARAMETER);
		}
	}
	return TRUE;
}

WINBOOL WINAPI GetStringTypeExW(LCID lcid, DWORD kind, LPCWCH text, int n, LPWORD out)
{
	(void)lcid;
	return GetStringTypeW(kind, text, n, out);
}

WINBOOL WINAPI GetStringTypeA(LCID lcid, DWORD kind, LPCSTR text, int n, LPWORD out)
{
	(void)lcid;
	if (n == -1)
		n = (int)strlen(text) + 1;
	for (int i = 0; i < n; i++) {
		WCHAR c;

		MultiByteToWideChar(CP_ACP, 0, text + i, 1, &c, 1);
		if (!GetStringTypeW(kind, &c, 1, out + i))
			return FALSE;
	}
	return TRUE;
}

WINBOOL WINAPI GetStringTypeExA(LCID lcid, DWORD kind, LPCSTR text, int n, LPWORD out)
{
	return GetStringTypeA(lcid, kind, text, n, out);
}

/* --- comparing and mapping --- */

/*
 * Word order: letters before their case counts (lower before upper on a tie), punctuation before
 * digits before letters, as the default English collation has it for ASCII and Latin letters.
 */
static unsigned weight(WCHAR c)
{
	WCHAR up = RtlUpcaseUnicodeChar(c);

	if (class1(c) & C1_DIGIT)
		return 0x10000u + c;
	if (class1(c) & C1_ALPHA)
		return 0x20000u + up;
	return c;
}

/* In word order hyphens and apostrophes count only when all else is equal. */
static int skip_marks(LPCWCH s, int i, int n)
{
	while (i < n && (s[i] == '-' || s[i] == '\''))
		i++;
	return i;
}

static int compare(LPCWCH a, int na, LPCWCH b, int nb, BOOL fold)
{
	int i = 0, j = 0, tie = 0;

	for (;; i++, j++) {
		unsigned x, y;

		i = skip_marks(a, i, na);
		j = skip_marks(b, j, nb);
		if (i >= na || j >= nb)
			break;
		x = weight(a[i]);
		y = weight(b[j]);
		if (x != y)
			return x < y ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
		if (!tie && a[i] != b[j])
			tie =
			    RtlUpcaseUnicodeChar(a[i]) == a[i] ? CSTR_GREATER_THAN : CSTR_LESS_THAN;
	}
	if (i < na || j < nb)
		return i < na ? CSTR_GREATER_THAN : CSTR_LESS_THAN;
	if (!fold && tie)
		return tie;
	if (na != nb)
		return na < nb ? CSTR_LESS_THAN : CSTR_GREATER_THAN;
	return CSTR_EQUAL;
}

int WINAPI CompareStringW(LCID lcid, DWORD flags, LPCWCH a, int na, LPCWCH b, int nb)
{
	(void)lcid;
	if (!a || !b)
		return fail(ERROR_INVALID_PARAMETER);
	return compare(a, na < 0 ? (int)wcslen(a) : na, b, nb < 0 ? (int)wcslen(b) : nb,
		       (flags & (NORM_IGNORECASE | LINGUISTIC_IGNORECASE)) != 0);
}

int WINAPI CompareStringEx(LPCWSTR name, DWORD flags, LPCWCH a, int na, LPCWCH b, int nb,
			   LPNLSVERSIONINFO version, LPVOID reserved, LPARAM param)
{
	(void)version;
	(void)reserved;
	(void)param;
	if (!known_locale(name))
		return fail(ERROR_INVALID_PARAMETER);
	return CompareStringW(ENGLISH, flags, a, na, b, nb);
}

int WINAPI CompareStringA(LCID lcid, DWORD flags, LPCCH a, int na, LPCCH b, int nb)
{
	int result = 0;
	PWSTR x, y;

	if (!a || !b)
		return fail(ERROR_INVALID_PARAMETER);
	na = na < 0 ? (int)strlen(a) : na;
	nb = nb < 0 ? (int)strlen(b) : nb;
	x = heap_new((na + nb + 2) * sizeof(WCHAR));
	if (!x)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	y = x + na + 1;
	if (na)
		MultiByteToWideChar(CP_ACP, 0, a, na, x, na);
	if (nb)
		MultiByteToWideChar(CP_ACP, 0, b, nb, y, nb);
	result = CompareStringW(lcid, flags, x, na, y, nb);
	heap_delete(x);
	return result;
}

int WINAPI CompareStringOrdinal(LPCWCH a, int na, LPCWCH b, int nb, WINBOOL fold)
{
	LONG d;

	if (!a || !b)
		return fail(ERROR_INVALID_PARAMETER);
	d = RtlCompareUnicodeStrings(a, na < 0 ? wcslen(a) : (SIZE_T)na, b,
				     nb < 0 ? wcslen(b) : (SIZE_T)nb, (BOOLEAN)fold);
	return d < 0 ? CSTR_LESS_THAN : d > 0 ? CSTR_GREATER_THAN : CSTR_EQUAL;
}

/* Sort keys compare by memcmp as compare() does: weights, a separator, case bits, the end. */
static int sort_key(DWORD flags, LPCWSTR in, int n, BYTE *out, int room)
{
	int need = 3 * n + 1 + (flags & NORM_IGNORECASE ? 0 : n) + 1, k = 0;

	if (!room)
		return need;
	if (room < need)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	for (int i = 0; i < n; i++) {
		unsigned w = weight(in[i]) + 0x10000;

		out[k++] = (BYTE)(w >> 16 | 0x10);
		out[k++] = (BYTE)(w >> 8);
		out[k++] = (BYTE)w;
	}
	out[k++] = 1;
	for (int i = 0; i < n && !(flags & NORM_IGNORECASE); i++)
		out[k++] = RtlDowncaseUnicodeChar(in[i]) != in[i] ? 3 : 2;
	out[k++] = 0;
	return k;
}

int WINAPI LCMapStringW(LCID lcid, DWORD flags, LPCWSTR in, int n, LPWSTR out, int room)
{
	(void)lcid;
	if (!in || !n || room < 0 || (room && !out))
		return fail(ERROR_INVALID_PARAMETER);
	if ((flags & (LCMAP_LOWERCASE | LCMAP_UPPERCASE)) == (LCMAP_LOWERCASE | LCMAP_UPPERCASE))
		return fail(ERROR_INVALID_FLAGS);
	if (n < 0)
		n = (int)wcslen(in) + (flags & LCMAP_SORTKEY ? 0 : 1);
	if (flags & LCMAP_SORTKEY)
		return sort_key(flags, in, n, (BYTE *)out, room);
	if (!room)
		return n;
	if (room < n)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	for (int i = 0; i < n; i++)
		out[i] = flags & LCMAP_LOWERCASE   ? RtlDowncaseUnicodeChar(in[i])
			 : flags & LCMAP_UPPERCASE ? RtlUpcaseUnicodeChar(in[i])
						   : in[i];
	return n;
}

int WINAPI LCMapStringEx(LPCWSTR name, DWORD flags, LPCWSTR in, int n, LPWSTR out, int room,
			 LPNLSVERSIONINFO version, LPVOID reserved, LPARAM param)
{
	(void)version;
	(void)reserved;
	(void)param;
	if (!known_locale(name))
		return fail(ERROR_INVALID_PARAMETER);
	return LCMapStringW(ENGLISH, flags, in, n, out, room);
}

int WINAPI LCMapStringA(LCID lcid, DWORD flags, LPCSTR in, int n, LPSTR out, int room)
{
	PWSTR w;
	int result;

	if (!in || !n)
		return fail(ERROR_INVALID_PARAMETER);
	if (n < 0)
		n = (int)strlen(in) + (flags & LCMAP_SORTKEY ? 0 : 1);
	w = heap_new(n * sizeof(WCHAR) + 2);
	if (!w)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	MultiByteToWideChar(CP_ACP, 0, in, n, w, n);
	if (flags & LCMAP_SORTKEY) {
		result = sort_key(flags, w, n, (BYTE *)out, room);
	} else if (!room || room < n) {
		result = room ? fail(ERROR_INSUFFICIENT_BUFFER) : n;
	} else {
		result = LCMapStringW(lcid, flags, w, n, w, n);
		if (result)
			WideCharToMultiByte(CP_ACP, 0, w, n, out, room, NULL, NULL);
	}
	heap_delete(w);
	return result;
}

int WINAPI FoldStringW(DWORD flags, LPCWCH in, int n, LPWSTR out, int room)
{
	if (!in || !n)
		return fail(ERROR_INVALID_PARAMETER);
	if (n < 0)
		n = (int)wcslen(in) + 1;
	if (!room)
		return n;
	if (room < n)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	for (int i = 0; i < n; i++)
		out[i] = (flags & MAP_FOLDDIGITS) && in[i] >= 0xff10 && in[i] <= 0xff19
			     ? (WCHAR)(in[i] - 0xff10 + '0')
			     : in[i];
	return n;
}

/* --- the lstr functions --- */

int WINAPI lstrcmpW(LPCWSTR a, LPCWSTR b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return CompareStringW(ENGLISH, 0, a, -1, b, -1) - CSTR_EQUAL;
}

int WINAPI lstrcmpiW(LPCWSTR a, LPCWSTR b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return CompareStringW(ENGLISH, NORM_IGNORECASE, a, -1, b, -1) - CSTR_EQUAL;
}

int WINAPI lstrcmpA(LPCSTR a, LPCSTR b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return CompareStringA(ENGLISH, 0, a, -1, b, -1) - CSTR_EQUAL;
}

int WINAPI lstrcmpiA(LPCSTR a, LPCSTR b)
{
	if (!a || !b)
		return (a != NULL) - (b != NULL);
	return CompareStringA(ENGLISH, NORM_IGNORECASE, a, -1, b, -1) - CSTR_EQUAL;
}
