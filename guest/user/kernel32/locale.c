/*
 * Locales: there is one, English (United States), beside the invariant one.
 */
#include "guest/user/kernel32/k32.h"

LCID WINAPI GetThreadLocale(VOID)
{
	LCID lcid = NtCurrentTeb()->CurrentLocale;

	return lcid ? lcid : ENGLISH;
}

WINBOOL WINAPI SetThreadLocale(LCID lcid)
{
	if (!IsValidLocale(lcid, LCID_SUPPORTED))
		return fail(ERROR_INVALID_PARAMETER);
	NtCurrentTeb()->CurrentLocale = ConvertDefaultLocale(lcid);
	return TRUE;
}

LCID WINAPI GetUserDefaultLCID(VOID)
{
	return ENGLISH;
}

LCID WINAPI GetSystemDefaultLCID(VOID)
{
	return ENGLISH;
}

LANGID WINAPI GetUserDefaultLangID(VOID)
{
	return ENGLISH;
}

LANGID WINAPI GetSystemDefaultLangID(VOID)
{
	return ENGLISH;
}

LANGID WINAPI GetUserDefaultUILanguage(VOID)
{
	return ENGLISH;
}

LANGID WINAPI GetSystemDefaultUILanguage(VOID)
{
	return ENGLISH;
}

LANGID WINAPI GetThreadUILanguage(VOID)
{
	return ENGLISH;
}

LANGID WINAPI SetThreadUILanguage(LANGID id)
{
	return id ? id : ENGLISH;
}

LCID WINAPI ConvertDefaultLocale(LCID lcid)
{
	switch (lcid) {
	case LOCALE_USER_DEFAULT:
	case LOCALE_SYSTEM_DEFAULT:
	case LOCALE_NEUTRAL:
	case 9:
		return ENGLISH;
	}
	return lcid;
}

WINBOOL WINAPI IsValidLocale(LCID lcid, DWORD flags)
{
	(void)flags;
	lcid = ConvertDefaultLocale(lcid);
	return lcid == ENGLISH || lcid == LOCALE_INVARIANT;
}

BOOL known_locale(LPCWSTR name)
{
	return !name || !*name || !_wcsicmp(name, L"en-US") || !_wcsicmp(name, L"en") ||
	       !_wcsicmp(name, LOCALE_NAME_SYSTEM_DEFAULT);
}

WINBOOL WINAPI IsValidLocaleName(LPCWSTR name)
{
	return name && known_locale(name);
}

LCID WINAPI LocaleNameToLCID(LPCWSTR name, DWORD flags)
{
	(void)flags;
	if (!known_locale(name)) {
		fail(ERROR_INVALID_PARAMETER);
		return 0;
	}
	return name && !*name ? LOCALE_INVARIANT : ENGLISH;
}

int WINAPI LCIDToLocaleName(LCID lcid, LPWSTR out, int room, DWORD flags)
{
	LPCWSTR name = lcid == LOCALE_INVARIANT ? L"" : L"en-US";
	int n = (int)wcslen(name) + 1;

	if (!IsValidLocale(lcid, flags))
		return fail(ERROR_INVALID_PARAMETER);
	if (!room)
		return n;
	if (room < n)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	wcscpy(out, name);
	return n;
}

int WINAPI GetUserDefaultLocaleName(LPWSTR out, int room)
{
	return LCIDToLocaleName(ENGLISH, out, room, 0);
}

int WINAPI GetSystemDefaultLocaleName(LPWSTR out, int room)
{
	return LCIDToLocaleName(ENGLISH, out, room, 0);
}

/* What GetLocaleInfo knows; a number is given as text, or as a DWORD with LOCALE_RETURN_NUMBER. */
static const struct {
	LCTYPE type;
	LPCWSTR text;
} facts[] = {
    {LOCALE_ILANGUAGE, L"0409"},
    {LOCALE_SLANGUAGE, L"English (United States)"},
    {LOCALE_SENGLANGUAGE, L"English"},
    {LOCALE_SABBREVLANGNAME, L"ENU"},
    {LOCALE_SNATIVELANGNAME, L"English"},
    {LOCALE_ICOUNTRY, L"1"},
    {LOCALE_SCOUNTRY, L"United States"},
    {LOCALE_SENGCOUNTRY, L"United States"},
    {LOCALE_SABBREVCTRYNAME, L"USA"},
    {LOCALE_SISO639LANGNAME, L"en"},
    {LOCALE_SISO3166CTRYNAME, L"US"},
    {LOCALE_SNAME, L"en-US"},
    {LOCALE_IDEFAULTLANGUAGE, L"0409"},
    {LOCALE_IDEFAULTCODEPAGE, L"437"},
    {LOCALE_IDEFAULTANSICODEPAGE, L"1252"},
    {LOCALE_SLIST, L","},
    {LOCALE_IMEASURE, L"1"},
    {LOCALE_SDECIMAL, L"."},
    {LOCALE_STHOUSAND, L","},
    {LOCALE_SGROUPING, L"3;0"},
    {LOCALE_IDIGITS, L"2"},
    {LOCALE_ILZERO, L"1"},
    {LOCALE_INEGNUMBER, L"1"},
    {LOCALE_SNATIVEDIGITS, L"0123456789"},
    {LOCALE_SCURRENCY, L"$"},
    {LOCALE_SINTLSYMBOL, L"USD"},
    {LOCALE_SMONDECIMALSEP, L"."},
    {LOCALE_SMONTHOUSANDSEP, L","},
    {LOCALE_SMONGROUPING, L"3;0"},
    {LOCALE_ICURRDIGITS, L"2"},
    {LOCALE_SDATE, L"/"},
    {LOCALE_STIME, L":"},
    {LOCALE_SSHORTDATE, L"M/d/yyyy"},
    {LOCALE_SLONGDATE, L"dddd, MMMM d, yyyy"},
    {LOCALE_STIMEFORMAT, L"h:mm:ss tt"},
    {LOCALE_S1159, L"AM"},
    {LOCALE_S2359, L"PM"},
    {LOCALE_SPOSITIVESIGN, L""},
    {LOCALE_SNEGATIVESIGN, L"-"},
    {LOCALE_ITIME, L"0"},
    {LOCALE_IDATE, L"0"},
    {LOCALE_IFIRSTDAYOFWEEK, L"6"},
};

static const WCHAR *const day_names[] = {L"Monday", L"Tuesday",	 L"Wednesday", L"Thursday",
					 L"Friday", L"Saturday", L"Sunday"};
static const WCHAR *const month_names[] = {L"January",	 L"February", L"March",	   L"April",
					   L"May",	 L"June",     L"July",	   L"August",
					   L"September", L"October",  L"November", L"December"};

/* The text of a type in buf or as a constant; NULL when it is not known. */
static LPCWSTR fact(LCTYPE type, WCHAR buf[16])
{
	if (type >= LOCALE_SDAYNAME1 && type < LOCALE_SDAYNAME1 + 7)
		return day_names[type - LOCALE_SDAYNAME1];
	if (type >= LOCALE_SMONTHNAME1 && type < LOCALE_SMONTHNAME1 + 12)
		return month_names[type - LOCALE_SMONTHNAME1];
	if ((type >= LOCALE_SABBREVDAYNAME1 && type < LOCALE_SABBREVDAYNAME1 + 7) ||
	    (type >= LOCALE_SABBREVMONTHNAME1 && type < LOCALE_SABBREVMONTHNAME1 + 12)) {
		LPCWSTR full = type >= LOCALE_SABBREVMONTHNAME1
				   ? month_names[type - LOCALE_SABBREVMONTHNAME1]
				   : day_names[type - LOCALE_SABBREVDAYNAME1];
		memcpy(buf, full, 3 * sizeof(WCHAR));
		buf[3] = 0;
		return buf;
	}
	for (size_t i = 0; i < ARRAY_COUNT(facts); i++)
		if (facts[i].type == type)
			return facts[i].text;
	return NULL;
}

int WINAPI GetLocaleInfoW(LCID lcid, LCTYPE type, LPWSTR out, int room)
{
	WCHAR buf[16];
	LPCWSTR text;
	int n;

	if (room < 0 || (room && !out))
		return fail(ERROR_INVALID_PARAMETER);
	if (!IsValidLocale(lcid, 0))
		return fail(ERROR_INVALID_PARAMETER);
	text = fact(LOWORD(type), buf);
	if (!text)
		return fail(ERROR_INVALID_FLAGS);
	if (type & LOCALE_RETURN_NUMBER) {
		if (room && room < (int)(sizeof(DWORD) / sizeof(WCHAR)))
			return fail(ERROR_INSUFFICIENT_BUFFER);
		if (room) {
			DWORD number =
			    wcstoul(text, NULL, LOWORD(type) == LOCALE_ILANGUAGE ? 16 : 10);
			memcpy(out, &number, sizeof(number));
		}
		return sizeof(DWORD) / sizeof(WCHAR);
	}
	n = (int)wcslen(text) + 1;
	if (!room)
		return n;
	if (room < n)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	wcscpy(out, text);
	return n;
}

int WINAPI GetLocaleInfoA(LCID lcid, LCTYPE type, LPSTR out, int room)
{
	WCHAR wide[64];
	int n = GetLocaleInfoW(lcid, type, wide, ARRAY_COUNT(wide));

	if (!n)
		return 0;
	if (type & LOCALE_RETURN_NUMBER) {
		if (room && room < (int)sizeof(DWORD))
			return fail(ERROR_INSUFFICIENT_BUFFER);
		if (room)
			memcpy(out, wide, sizeof(DWORD));
		return sizeof(DWORD);
	}
	if (!room)
		return n;
	if (room < n)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	ansi_result(wide, n - 1, out, room);
	return n;
}

int WINAPI GetLocaleInfoEx(LPCWSTR name, LCTYPE type, LPWSTR out, int room)
{
	if (!known_locale(name))
		return fail(ERROR_INVALID_PARAMETER);
	return GetLocaleInfoW(ENGLISH, type, out, room);
}
