/*
 * Clocks, counters, and the calendar. The machine's local time is universal time.
 */
#include "guest/user/kernel32/k32.h"

WINBOOL WINAPI QueryPerformanceCounter(LARGE_INTEGER *value)
{
	return RtlQueryPerformanceCounter(value);
}

WINBOOL WINAPI QueryPerformanceFrequency(LARGE_INTEGER *value)
{
	return RtlQueryPerformanceFrequency(value);
}

DWORD WINAPI GetTickCount(VOID)
{
	return (DWORD)GetTickCount64();
}

ULONGLONG WINAPI GetTickCount64(VOID)
{
	return NtmmTickCount();
}

static void to_filetime(LPFILETIME out, LONGLONG t)
{
	out->dwLowDateTime = (DWORD)t;
	out->dwHighDateTime = (DWORD)(t >> 32);
}

static LONGLONG from_filetime(const FILETIME *f)
{
	return (LONGLONG)((ULONGLONG)f->dwHighDateTime << 32 | f->dwLowDateTime);
}

VOID WINAPI GetSystemTimeAsFileTime(LPFILETIME out)
{
	to_filetime(out, NtmmCoarseSystemTime());
}

VOID WINAPI GetSystemTimePreciseAsFileTime(LPFILETIME out)
{
	to_filetime(out, NtmmSystemTime());
}

VOID WINAPI QueryInterruptTime(PULONGLONG out)
{
	*out = (ULONGLONG)NtmmCoarseInterruptTime();
}

VOID WINAPI QueryInterruptTimePrecise(PULONGLONG out)
{
	*out = (ULONGLONG)NtmmInterruptTime();
}

WINBOOL WINAPI QueryUnbiasedInterruptTime(PULONGLONG out)
{
	if (!out)
		return fail(ERROR_INVALID_PARAMETER);
	*out = (ULONGLONG)NtmmCoarseInterruptTime(); /* the machine never sleeps */
	return TRUE;
}

VOID WINAPI QueryUnbiasedInterruptTimePrecise(PULONGLONG out)
{
	*out = (ULONGLONG)NtmmInterruptTime();
}

WINBOOL WINAPI GetSystemTimeAdjustment(PDWORD adjustment, PDWORD increment, PBOOL disabled)
{
	*adjustment = *increment = 156250;
	*disabled = TRUE;
	return TRUE;
}

WINBOOL WINAPI GetSystemTimes(LPFILETIME idle, LPFILETIME kernel, LPFILETIME user)
{
	SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION cpu[64];
	LONGLONG i = 0, k = 0, u = 0;
	ULONG got = 0;

	if (!succeed(NtQuerySystemInformation(SystemProcessorPerformanceInformation, cpu,
					      sizeof(cpu), &got)))
		return FALSE;
	for (ULONG n = 0; n < got / sizeof(cpu[0]); n++) {
		i += cpu[n].IdleTime.QuadPart;
		k += cpu[n].KernelTime.QuadPart;
		u += cpu[n].UserTime.QuadPart;
	}
	if (idle)
		to_filetime(idle, i);
	if (kernel)
		to_filetime(kernel, k);
	if (user)
		to_filetime(user, u);
	return TRUE;
}

/* --- the calendar --- */

WINBOOL WINAPI FileTimeToSystemTime(const FILETIME *f, LPSYSTEMTIME s)
{
	LARGE_INTEGER t = {.QuadPart = from_filetime(f)};
	TIME_FIELDS tf;

	if (t.QuadPart < 0)
		return fail(ERROR_INVALID_PARAMETER);
	RtlTimeToTimeFields(&t, &tf);
	s->wYear = (WORD)tf.Year;
	s->wMonth = (WORD)tf.Month;
	s->wDay = (WORD)tf.Day;
	s->wHour = (WORD)tf.Hour;
	s->wMinute = (WORD)tf.Minute;
	s->wSecond = (WORD)tf.Second;
	s->wMilliseconds = (WORD)tf.Milliseconds;
	s->wDayOfWeek = (WORD)tf.Weekday;
	return TRUE;
}

WINBOOL WINAPI SystemTimeToFileTime(const SYSTEMTIME *s, LPFILETIME f)
{
	TIME_FIELDS tf = {
	    (SHORT)s->wYear,   (SHORT)s->wMonth,  (SHORT)s->wDay,	   (SHORT)s->wHour,
	    (SHORT)s->wMinute, (SHORT)s->wSecond, (SHORT)s->wMilliseconds, 0};
	LARGE_INTEGER t;

	if (!RtlTimeFieldsToTime(&tf, &t))
		return fail(ERROR_INVALID_PARAMETER);
	to_filetime(f, t.QuadPart);
	return TRUE;
}

VOID WINAPI GetSystemTime(LPSYSTEMTIME s)
{
	FILETIME f;

	GetSystemTimePreciseAsFileTime(&f);
	FileTimeToSystemTime(&f, s);
}

VOID WINAPI GetLocalTime(LPSYSTEMTIME s)
{
	FILETIME f, local;

	GetSystemTimePreciseAsFileTime(&f);
	FileTimeToLocalFileTime(&f, &local);
	FileTimeToSystemTime(&local, s);
}

WINBOOL WINAPI SetSystemTime(const SYSTEMTIME *s)
{
	(void)s;
	return fail(ERROR_PRIVILEGE_NOT_HELD); /* the host's clock is the host's */
}

WINBOOL WINAPI SetLocalTime(const SYSTEMTIME *s)
{
	(void)s;
	return fail(ERROR_PRIVILEGE_NOT_HELD);
}

LONG WINAPI CompareFileTime(const FILETIME *a, const FILETIME *b)
{
	LONGLONG x = from_filetime(a), y = from_filetime(b);

	return (x > y) - (x < y);
}

WINBOOL WINAPI FileTimeToLocalFileTime(const FILETIME *utc, LPFILETIME local)
{
	LARGE_INTEGER t = {.QuadPart = from_filetime(utc)};

	RtlSystemTimeToLocalTime(&t, &t);
	to_filetime(local, t.QuadPart);
	return TRUE;
}

WINBOOL WINAPI LocalFileTimeToFileTime(const FILETIME *local, LPFILETIME utc)
{
	LARGE_INTEGER t = {.QuadPart = from_filetime(local)};

	RtlLocalTimeToSystemTime(&t, &t);
	to_filetime(utc, t.QuadPart);
	return TRUE;
}

static void utc_zone(WCHAR standard[32], WCHAR daylight[32])
{
	wcscpy(standard, L"Coordinated Universal Time");
	wcscpy(daylight, L"Coordinated Universal Time");
}

DWORD WINAPI GetTimeZoneInformation(LPTIME_ZONE_INFORMATION tz)
{
	memset(tz, 0, sizeof(*tz));
	utc_zone(tz->StandardName, tz->DaylightName);
	return TIME_ZONE_ID_UNKNOWN; /* there is no daylight saving time */
}

DWORD WINAPI GetDynamicTimeZoneInformation(PDYNAMIC_TIME_ZONE_INFORMATION tz)
{
	memset(tz, 0, sizeof(*tz));
	utc_zone(tz->StandardName, tz->DaylightName);
	wcscpy(tz->TimeZoneKeyName, L"UTC");
	return TIME_ZONE_ID_UNKNOWN;
}

WINBOOL WINAPI DosDateTimeToFileTime(WORD date, WORD time, LPFILETIME f)
{
	TIME_FIELDS tf = {(SHORT)(1980 + (date >> 9)),
			  (date >> 5) & 15,
			  date & 31,
			  time >> 11,
			  (time >> 5) & 63,
			  (SHORT)((time & 31) * 2),
			  0,
			  0};
	LARGE_INTEGER t;

	if (!RtlTimeFieldsToTime(&tf, &t))
		return fail(ERROR_INVALID_PARAMETER);
	to_filetime(f, t.QuadPart);
	return TRUE;
}

WINBOOL WINAPI FileTimeToDosDateTime(const FILETIME *f, LPWORD date, LPWORD time)
{
	SYSTEMTIME s = {0};

	if (!FileTimeToSystemTime(f, &s) || s.wYear < 1980 || s.wYear > 2107)
		return fail(ERROR_INVALID_PARAMETER);
	*date = (WORD)((s.wYear - 1980) << 9 | s.wMonth << 5 | s.wDay);
	*time = (WORD)(s.wHour << 11 | s.wMinute << 5 | s.wSecond / 2);
	return TRUE;
}
