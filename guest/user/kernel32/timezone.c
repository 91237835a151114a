/*
 * Times of a zone that a TIME_ZONE_INFORMATION describes. Daylight time begins at DaylightDate,
 * told in standard time, and ends at StandardDate, told in daylight time; in the south it begins
 * later in the year than it ends. A date without a year is the wDay-th weekday of its month, 5
 * being the last. Without transitions only Bias counts. A local time that there is twice is taken
 * as daylight time.
 */
#include "guest/user/kernel32/k32.h"

#define MINUTE (60 * TICKS_PER_SEC)

static LONGLONG ticks(const FILETIME *f)
{
	return (LONGLONG)((ULONG64)f->dwHighDateTime << 32 | f->dwLowDateTime);
}

static void put_ticks(LPFILETIME f, LONGLONG t)
{
	f->dwLowDateTime = (DWORD)t;
	f->dwHighDateTime = (DWORD)(t >> 32);
}

static int days_in_month(int year, int month)
{
	static const UCHAR days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	BOOL leap = (year % 4 == 0 && year % 100) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* When the transition is in that year, as a clock of the zone shows it. */
static BOOL transition(const SYSTEMTIME *rule, WORD year, LONGLONG *at)
{
	SYSTEMTIME s = *rule;
	FILETIME f;

	s.wDayOfWeek = 0;
	if (!rule->wYear) {
		SYSTEMTIME first;
		int day;

		s.wYear = year;
		s.wDay = 1;
		if (!SystemTimeToFileTime(&s, &f) || !FileTimeToSystemTime(&f, &first))
			return FALSE;
		day = 1 + (rule->wDayOfWeek + 7 - first.wDayOfWeek) % 7 + (rule->wDay - 1) * 7;
		while (day > days_in_month(year, s.wMonth))
			day -= 7;
		s.wDay = (WORD)day;
	}
	if (!SystemTimeToFileTime(&s, &f))
		return FALSE;
	*at = ticks(&f);
	return TRUE;
}

/* What to add to local time for UTC, in minutes. `standard` and `daylight` are what clocks that
 * show standard and daylight time show. */
static BOOL bias_at(const TIME_ZONE_INFORMATION *tz, WORD year, LONGLONG standard,
		    LONGLONG daylight, LONG *bias)
{
	LONGLONG begins, ends;
	BOOL begun, ended;

	*bias = tz->Bias;
	if (!tz->StandardDate.wMonth || !tz->DaylightDate.wMonth)
		return TRUE;
	if (!transition(&tz->DaylightDate, year, &begins) ||
	    !transition(&tz->StandardDate, year, &ends))
		return fail(ERROR_INVALID_PARAMETER);
	begun = standard >= begins;
	ended = daylight >= ends;
	if (begins < ends ? begun && !ended : begun || !ended)
		*bias += tz->DaylightBias;
	else
		*bias += tz->StandardBias;
	return TRUE;
}

/* The machine's own zone is UTC. */
static const TIME_ZONE_INFORMATION utc_zone = {0};

WINBOOL WINAPI SystemTimeToTzSpecificLocalTime(const TIME_ZONE_INFORMATION *tz,
					       const SYSTEMTIME *utc, LPSYSTEMTIME local)
{
	LONGLONG t, standard;
	SYSTEMTIME s;
	FILETIME f;
	LONG bias;

	if (!tz)
		tz = &utc_zone;
	if (!SystemTimeToFileTime(utc, &f))
		return FALSE;
	t = ticks(&f);
	standard = t - (tz->Bias + tz->StandardBias) * MINUTE;
	put_ticks(&f, standard);
	if (!FileTimeToSystemTime(&f, &s) ||
	    !bias_at(tz, s.wYear, standard, t - (tz->Bias + tz->DaylightBias) * MINUTE, &bias))
		return FALSE;
	put_ticks(&f, t - bias * MINUTE);
	return FileTimeToSystemTime(&f, local);
}

WINBOOL WINAPI TzSpecificLocalTimeToSystemTime(const TIME_ZONE_INFORMATION *tz,
					       const SYSTEMTIME *local, LPSYSTEMTIME utc)
{
	FILETIME f;
	LONG bias;

	if (!tz)
		tz = &utc_zone;
	if (!SystemTimeToFileTime(local, &f) ||
	    !bias_at(tz, local->wYear, ticks(&f), ticks(&f), &bias))
		return FALSE;
	put_ticks(&f, ticks(&f) + bias * MINUTE);
	return FileTimeToSystemTime(&f, utc);
}
