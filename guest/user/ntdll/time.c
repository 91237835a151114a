/*
 * Time: the counter, the clocks of KUSER_SHARED_DATA, calendar arithmetic.
 *
 * Exact times come from RDTSC and the two base values the kernel keeps for it; where it keeps none,
 * the clocks of the timer tick serve.
 */
#include "guest/user/ntdll/ntdll.h"

#define SECS_1601_TO_1970 11644473600ll
#define SECS_1601_TO_1980 (SECS_1601_TO_1970 + 315532800ll)
#define DAYS_PER_400	  146097
#define DAYS_1601	  584694 /* from 1 March of year 0 to 1 January 1601 */

static ULONG64 counter(void)
{
	_mm_lfence();
	return __builtin_ia32_rdtsc() - KUSER_FIELD(ULONG64, KUSER_QPC_BIAS);
}

static ULONG64 kuser_time(ULONG off)
{
	LONG high;
	ULONG low;

	do {
		high = KUSER_FIELD(LONG, off + 4);
		low = KUSER_FIELD(ULONG, off);
	} while (high != KUSER_FIELD(LONG, off + 8));
	return (ULONG64)(ULONG)high << 32 | low;
}

/* 100 ns units since the base, or 0 when the frequency is not known. */
static BOOLEAN exact(ULONG64 *ticks)
{
	ULONG64 hz = KUSER_FIELD(ULONG64, KUSER_QPC_FREQUENCY);

	if (!hz || !KUSER_FIELD(ULONG64, KUSER_TSC_SYSTEM))
		return FALSE;
	*ticks = (ULONG64)((unsigned __int128)counter() * TICKS_PER_SEC / hz);
	return TRUE;
}

LONGLONG NTAPI NtmmSystemTime(void)
{
	ULONG64 t;

	if (exact(&t))
		return (LONGLONG)(KUSER_FIELD(ULONG64, KUSER_TSC_SYSTEM) + t);
	return (LONGLONG)kuser_time(KUSER_SYSTEM_TIME);
}

LONGLONG NTAPI NtmmInterruptTime(void)
{
	ULONG64 t;

	if (exact(&t))
		return (LONGLONG)(KUSER_FIELD(ULONG64, KUSER_TSC_INTERRUPT) + t);
	return (LONGLONG)kuser_time(KUSER_INTERRUPT_TIME);
}

/* As coarse as the timer tick, and much cheaper. */
LONGLONG NTAPI NtmmCoarseSystemTime(void)
{
	return (LONGLONG)kuser_time(KUSER_SYSTEM_TIME);
}

LONGLONG NTAPI NtmmCoarseInterruptTime(void)
{
	return (LONGLONG)kuser_time(KUSER_INTERRUPT_TIME);
}

BOOL NTAPI RtlQueryPerformanceCounter(PLARGE_INTEGER value)
{
	value->QuadPart = (LONGLONG)counter();
	return TRUE;
}

BOOL NTAPI RtlQueryPerformanceFrequency(PLARGE_INTEGER value)
{
	value->QuadPart = (LONGLONG)KUSER_FIELD(ULONG64, KUSER_QPC_FREQUENCY);
	return TRUE;
}

/* Milliseconds of whole clock ticks, as KUSER_SHARED_DATA's count of them gives. */
ULONG64 NTAPI NtmmTickCount(void)
{
	return kuser_time(KUSER_TICK_COUNT) * KUSER_FIELD(ULONG, KUSER_TICK_MULTIPLIER) >> 24;
}

ULONG NTAPI NtGetTickCount(void)
{
	return (ULONG)NtmmTickCount();
}

/* --- the calendar --- */

VOID NTAPI RtlTimeToTimeFields(const LARGE_INTEGER *time, TIME_FIELDS *f)
{
	LONGLONG secs = time->QuadPart / TICKS_PER_SEC;
	LONGLONG days = secs / 86400, rest = secs % 86400, n;
	LONG era, doe, yoe, doy, mp;

	f->Milliseconds = (SHORT)(time->QuadPart % TICKS_PER_SEC / TICKS_PER_MS);
	f->Hour = (SHORT)(rest / 3600);
	f->Minute = (SHORT)(rest / 60 % 60);
	f->Second = (SHORT)(rest % 60);
	f->Weekday = (SHORT)((days + 1) % 7); /* 1 January 1601 was a Monday */
	/* Years begin in March, so that the leap day is the last of them. */
	n = days + DAYS_1601;
	era = (LONG)(n / DAYS_PER_400);
	doe = (LONG)(n % DAYS_PER_400);
	yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	mp = (5 * doy + 2) / 153;
	f->Day = (SHORT)(doy - (153 * mp + 2) / 5 + 1);
	f->Month = (SHORT)(mp < 10 ? mp + 3 : mp - 9);
	f->Year = (SHORT)(yoe + era * 400 + (f->Month <= 2));
}

static LONG month_days(LONG year, LONG month)
{
	static const UCHAR days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	BOOLEAN leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

BOOLEAN NTAPI RtlTimeFieldsToTime(const TIME_FIELDS *f, PLARGE_INTEGER time)
{
	LONG y = f->Year, era, yoe, doy, doe;
	LONGLONG days;

	if (f->Milliseconds < 0 || f->Milliseconds > 999 || f->Second < 0 || f->Second > 59 ||
	    f->Minute < 0 || f->Minute > 59 || f->Hour < 0 || f->Hour > 23 || f->Month < 1 ||
	    f->Month > 12 || f->Year < 1601 || f->Day < 1 || f->Day > month_days(f->Year, f->Month))
		return FALSE;
	y -= f->Month <= 2;
	era = y / 400;
	yoe = y % 400;
	doy = (153 * (f->Month + (f->Month > 2 ? -3 : 9)) + 2) / 5 + f->Day - 1;
	doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
	days = (LONGLONG)era * DAYS_PER_400 + doe - DAYS_1601;
	time->QuadPart =
	    (((days * 24 + f->Hour) * 60 + f->Minute) * 60 + f->Second) * TICKS_PER_SEC +
	    f->Milliseconds * TICKS_PER_MS;
	return TRUE;
}

BOOLEAN NTAPI RtlTimeToSecondsSince1970(const LARGE_INTEGER *time, PULONG seconds)
{
	LONGLONG s = time->QuadPart / TICKS_PER_SEC - SECS_1601_TO_1970;

	if (s < 0 || s > MAXDWORD)
		return FALSE;
	*seconds = (ULONG)s;
	return TRUE;
}

VOID NTAPI RtlSecondsSince1970ToTime(ULONG seconds, PLARGE_INTEGER time)
{
	time->QuadPart = (seconds + SECS_1601_TO_1970) * TICKS_PER_SEC;
}

BOOLEAN NTAPI RtlTimeToSecondsSince1980(const LARGE_INTEGER *time, PULONG seconds)
{
	LONGLONG s = time->QuadPart / TICKS_PER_SEC - SECS_1601_TO_1980;

	if (s < 0 || s > MAXDWORD)
		return FALSE;
	*seconds = (ULONG)s;
	return TRUE;
}

VOID NTAPI RtlSecondsSince1980ToTime(ULONG seconds, PLARGE_INTEGER time)
{
	time->QuadPart = (seconds + SECS_1601_TO_1980) * TICKS_PER_SEC;
}

/* The machine runs on universal time. */
NTSTATUS NTAPI RtlLocalTimeToSystemTime(const LARGE_INTEGER *local, PLARGE_INTEGER system)
{
	system->QuadPart = local->QuadPart + (LONGLONG)kuser_time(KUSER_TIMEZONE_BIAS);
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI RtlSystemTimeToLocalTime(const LARGE_INTEGER *system, PLARGE_INTEGER local)
{
	local->QuadPart = system->QuadPart - (LONGLONG)kuser_time(KUSER_TIMEZONE_BIAS);
	return STATUS_SUCCESS;
}
