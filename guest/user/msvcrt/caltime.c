/*
 * The calendar: seconds since 1970 into years, months, days and back, local times, clock().
 */
#include "guest/user/msvcrt/caltime.h"
#include <sys/timeb.h>

#define UNIX_EPOCH     116444736000000000ull /* 1970 in 100 ns since 1601 */
#define TICKS_A_SECOND 10000000ull
#define MAX_TIME       0x793406FFFll /* the end of the year 3000, UTC: Microsoft's limit */

enum { MIN_LOCAL_TIME = -43200, LEAP_CYCLE_DAYS = 146097, DAYS_TO_1970 = 719468 };

__time64_t time_from_file(uint64_t filetime)
{
	return (__time64_t)(filetime / TICKS_A_SECOND) - (__time64_t)(UNIX_EPOCH / TICKS_A_SECOND);
}

uint64_t time_to_file(__time64_t time)
{
	return (uint64_t)time * TICKS_A_SECOND + UNIX_EPOCH;
}

static uint64_t now(void)
{
	FILETIME time;

	GetSystemTimeAsFileTime(&time);
	return (uint64_t)time.dwHighDateTime << 32 | time.dwLowDateTime;
}

static int64_t divide_down(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

/* Years start in March here, so that the leap day is the last; eras are 400 years. */
int64_t days_from_date(int64_t year, int64_t month, int64_t day)
{
	int64_t shifted, era, of_era, of_year;

	year += divide_down(month, 12);
	month -= divide_down(month, 12) * 12;
	shifted = month < 2 ? year - 1 : year;
	era = divide_down(shifted, 400);
	of_era = shifted - era * 400;
	of_year = (153 * (month < 2 ? month + 10 : month - 2) + 2) / 5 + day - 1;
	return era * LEAP_CYCLE_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year -
	       DAYS_TO_1970;
}

void tm_from_seconds(struct tm *tm, int64_t seconds)
{
	int64_t days = divide_down(seconds, SECONDS_A_DAY);
	int rest = (int)(seconds - days * SECONDS_A_DAY);
	int64_t shifted = days + DAYS_TO_1970, era = divide_down(shifted, LEAP_CYCLE_DAYS);
	int64_t of_era = shifted - era * LEAP_CYCLE_DAYS;
	int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
	int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
	int64_t month = (5 * of_year + 2) / 153;

	year += era * 400 + (month >= 10);
	tm->tm_sec = rest % 60;
	tm->tm_min = rest / 60 % 60;
	tm->tm_hour = rest / 3600;
	tm->tm_mday = (int)(of_year - (153 * month + 2) / 5 + 1);
	tm->tm_mon = (int)(month < 10 ? month + 2 : month - 10);
	tm->tm_year = (int)(year - 1900);
	tm->tm_wday = (int)((days % 7 + 11) % 7); /* 1970-01-01 was a Thursday */
	tm->tm_yday = (int)(days - days_from_date(year, 0, 1));
	tm->tm_isdst = 0;
}

errno_t _gmtime64_s(struct tm *tm, const __time64_t *time)
{
	if (!tm || !time || *time < MIN_LOCAL_TIME || *time > MAX_TIME) {
		if (tm)
			memset(tm, 0xFF, sizeof(*tm));
		return crt_invalid(EINVAL);
	}
	tm_from_seconds(tm, *time);
	return 0;
}

errno_t _localtime64_s(struct tm *tm, const __time64_t *time)
{
	struct tm standard;

	if (!tm || !time || *time < 0 || *time > MAX_TIME) {
		if (tm)
			memset(tm, 0xFF, sizeof(*tm));
		return crt_invalid(EINVAL);
	}
	tz_ready();
	tm_from_seconds(&standard, *time - crt_timezone);
	*tm = standard;
	if (tz_is_summer(&standard)) {
		tm_from_seconds(tm, *time - crt_timezone - crt_dstbias);
		tm->tm_isdst = 1;
	}
	return 0;
}

struct tm *_gmtime64(const __time64_t *time)
{
	struct tm *tm = &crt_thread()->tm;

	return _gmtime64_s(tm, time) ? NULL : tm;
}

struct tm *_localtime64(const __time64_t *time)
{
	struct tm *tm = &crt_thread()->tm;

	return _localtime64_s(tm, time) ? NULL : tm;
}

/* Seconds of a broken-up time taken as UTC; its fields may be out of range. */
static int64_t seconds_of(const struct tm *tm)
{
	int64_t days = days_from_date((int64_t)tm->tm_year + 1900, tm->tm_mon, tm->tm_mday);

	return days * SECONDS_A_DAY + (int64_t)tm->tm_hour * 3600 + (int64_t)tm->tm_min * 60 +
	       tm->tm_sec;
}

static __time64_t make_time(struct tm *tm, bool local)
{
	int64_t seconds = seconds_of(tm);
	__time64_t time = seconds;

	if (local) {
		bool summer = tm->tm_isdst > 0;

		tz_ready();
		if (tm->tm_isdst < 0) {
			/* Which it is shows by breaking up the time as standard time. */
			struct tm standard;

			tm_from_seconds(&standard, seconds + crt_dstbias);
			summer = tz_is_summer(&standard);
			if (!summer)
				tm_from_seconds(&standard, seconds);
		}
		time = seconds + crt_timezone + (summer ? crt_dstbias : 0);
	}
	if (time < 0 || time > MAX_TIME) {
		errno = EINVAL;
		return -1;
	}
	if (local)
		_localtime64_s(tm, &time);
	else
		_gmtime64_s(tm, &time);
	return time;
}

__time64_t _mktime64(struct tm *tm)
{
	return make_time(tm, true);
}

__time64_t _mkgmtime64(struct tm *tm)
{
	return make_time(tm, false);
}

__time64_t _time64(__time64_t *to)
{
	__time64_t time = time_from_file(now());

	if (to)
		*to = time;
	return time;
}

double _difftime64(__time64_t end, __time64_t start)
{
	return (double)(end - start);
}

/* The versions with 32 bits, good until 2038. */
static __time32_t to_32(__time64_t time)
{
	return time > LONG_MAX ? -1 : (__time32_t)time;
}

__time32_t _time32(__time32_t *to)
{
	__time32_t time = to_32(_time64(NULL));

	if (to)
		*to = time;
	return time;
}

__time32_t _mktime32(struct tm *tm)
{
	return to_32(_mktime64(tm));
}

__time32_t _mkgmtime32(struct tm *tm)
{
	return to_32(_mkgmtime64(tm));
}

double _difftime32(__time32_t end, __time32_t start)
{
	return (double)((__time64_t)end - start);
}

struct tm *_gmtime32(const __time32_t *time)
{
	return _gmtime64(time ? &(__time64_t){*time} : NULL);
}

struct tm *_localtime32(const __time32_t *time)
{
	return _localtime64(time ? &(__time64_t){*time} : NULL);
}

errno_t _gmtime32_s(struct tm *tm, const __time32_t *time)
{
	return _gmtime64_s(tm, time ? &(__time64_t){*time} : NULL);
}

errno_t _localtime32_s(struct tm *tm, const __time32_t *time)
{
	return _localtime64_s(tm, time ? &(__time64_t){*time} : NULL);
}

/* Time since the process started, in milliseconds. */
clock_t clock(void)
{
	FILETIME start, end, kernel, user;
	uint64_t since;

	if (!GetProcessTimes(GetCurrentProcess(), &start, &end, &kernel, &user))
		return -1;
	since = (uint64_t)start.dwHighDateTime << 32 | start.dwLowDateTime;
	return (clock_t)((now() - since) / (TICKS_A_SECOND / CLOCKS_PER_SEC));
}

errno_t _ftime64_s(struct __timeb64 *to)
{
	uint64_t time = now();
	struct tm standard;

	if (!to)
		return crt_invalid(EINVAL);
	tz_ready();
	to->time = time_from_file(time);
	to->millitm = (unsigned short)(time / (TICKS_A_SECOND / 1000) % 1000);
	to->timezone = (short)(crt_timezone / 60);
	tm_from_seconds(&standard, to->time - crt_timezone);
	to->dstflag = tz_is_summer(&standard);
	return 0;
}

void _ftime64(struct __timeb64 *to)
{
	_ftime64_s(to);
}

errno_t _ftime32_s(struct __timeb32 *to)
{
	struct __timeb64 wide;

	if (!to)
		return crt_invalid(EINVAL);
	_ftime64_s(&wide);
	to->time = to_32(wide.time);
	to->millitm = wide.millitm;
	to->timezone = wide.timezone;
	to->dstflag = wide.dstflag;
	return 0;
}

void _ftime32(struct __timeb32 *to)
{
	_ftime32_s(to);
}

unsigned _getsystime(struct tm *tm)
{
	__time64_t time = _time64(NULL);

	_localtime64_s(tm, &time);
	return (unsigned)(now() / (TICKS_A_SECOND / 1000) % 1000);
}
