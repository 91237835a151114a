/*
 * The local time zone: from the variable TZ ("PST8PDT": a name, hours west, a summer name), else
 * from the system.
 *
 * With TZ, summer time follows the rules of the United States, as Microsoft documents; the
 * system's zone brings its own days of change. LOCK_TIME covers the making; the public variables
 * are read without a lock.
 */
#include "guest/user/msvcrt/caltime.h"

enum { DEFAULT_WEST = 8 * 3600, NAME_MAX_ = 64, HOUR = 3600 };

long crt_timezone = DEFAULT_WEST, crt_dstbias = -HOUR;
int crt_daylight = 1;
static char standard_name[NAME_MAX_] = "PST", summer_name[NAME_MAX_] = "PDT";
char *crt_tzname[2] = {standard_name, summer_name};

/* When summer time starts (by standard time) and ends (by summer time), as in Windows' zones. */
static SYSTEMTIME summer_start, summer_end;
static bool system_rules, ready;

static void copy_wide_name(char *to, const wchar_t *from)
{
	size_t i;

	for (i = 0; from[i] && i < NAME_MAX_ - 1; i++)
		to[i] = from[i] < 0x80 ? (char)from[i] : '?';
	to[i] = 0;
}

static void use_system(void)
{
	TIME_ZONE_INFORMATION zone;

	if (GetTimeZoneInformation(&zone) == TIME_ZONE_ID_INVALID)
		return;
	crt_timezone = zone.Bias * 60;
	if (zone.StandardDate.wMonth)
		crt_timezone += zone.StandardBias * 60;
	crt_daylight = zone.DaylightDate.wMonth && zone.DaylightBias;
	crt_dstbias = crt_daylight ? (zone.DaylightBias - zone.StandardBias) * 60 : 0;
	copy_wide_name(standard_name, zone.StandardName);
	copy_wide_name(summer_name, zone.DaylightName);
	summer_start = zone.DaylightDate;
	summer_end = zone.StandardDate;
	system_rules = true;
}

/* hh[:mm[:ss]] with a sign */
static long take_offset(const char **at)
{
	long seconds = 0, unit = HOUR;
	bool negative = **at == '-';

	if (**at == '-' || **at == '+')
		++*at;
	for (;;) {
		seconds += strtol(*at, (char **)at, 10) * unit;
		unit /= 60;
		if (**at != ':' || !unit)
			break;
		++*at;
	}
	return negative ? -seconds : seconds;
}

static void use_variable(const char *text)
{
	enum { NAME_LENGTH = 3 };

	memset(standard_name, 0, NAME_MAX_);
	strncpy(standard_name, text, NAME_LENGTH);
	text += strnlen(text, NAME_LENGTH);
	crt_timezone = take_offset(&text);
	crt_daylight = *text != 0;
	crt_dstbias = -HOUR;
	memset(summer_name, 0, NAME_MAX_);
	strncpy(summer_name, text, NAME_LENGTH);
	system_rules = false;
}

void _tzset(void)
{
	const char *variable = getenv("TZ");

	_lock(LOCK_TIME);
	if (variable && *variable)
		use_variable(variable);
	else
		use_system();
	ready = true;
	_unlock(LOCK_TIME);
}

void tz_ready(void)
{
	if (!ready)
		_tzset();
}

/* Seconds since 1970 (local) of a change: the nth weekday of a month, or a date of one year. */
static int64_t change_time(int year, const SYSTEMTIME *rule)
{
	int64_t day;

	if (rule->wYear) {
		day = days_from_date(rule->wYear, rule->wMonth - 1, rule->wDay);
	} else {
		int64_t first = days_from_date(year, rule->wMonth - 1, 1);
		int64_t next = days_from_date(year, rule->wMonth, 1);
		int64_t weekday = (first + 4) % 7;

		if (weekday < 0)
			weekday += 7;
		day = first + (rule->wDayOfWeek - weekday + 7) % 7 + (rule->wDay - 1) * 7;
		/* "The fifth" is the last there is. */
		while (day >= next)
			day -= 7;
	}
	return day * SECONDS_A_DAY + rule->wHour * HOUR + rule->wMinute * 60 + rule->wSecond;
}

bool tz_is_summer(const struct tm *standard)
{
	enum { NEW_RULES_YEAR = 2007 };
	static const SYSTEMTIME us[2][2] = {
	    {{.wMonth = 4, .wDay = 1, .wHour = 2}, {.wMonth = 10, .wDay = 5, .wHour = 2}},
	    {{.wMonth = 3, .wDay = 2, .wHour = 2}, {.wMonth = 11, .wDay = 1, .wHour = 2}},
	};
	int year = standard->tm_year + 1900;
	const SYSTEMTIME *start = &summer_start, *end = &summer_end;
	int64_t at, from, to;

	if (!crt_daylight)
		return false;
	if (!system_rules) {
		start = &us[year >= NEW_RULES_YEAR][0];
		end = &us[year >= NEW_RULES_YEAR][1];
	}
	at = days_from_date(year, standard->tm_mon, standard->tm_mday) * SECONDS_A_DAY +
	     standard->tm_hour * HOUR + standard->tm_min * 60 + standard->tm_sec;
	from = change_time(year, start);
	to = change_time(year, end) + crt_dstbias; /* as standard time */
	return from < to ? at >= from && at < to : at >= from || at < to;
}

const char *tz_name(bool summer)
{
	return crt_tzname[summer];
}

int *crt_p_daylight(void)
{
	return &crt_daylight;
}

long *crt_p_dstbias(void)
{
	return &crt_dstbias;
}

long *crt_p_timezone(void)
{
	return &crt_timezone;
}

char **crt_p_tzname(void)
{
	return crt_tzname;
}

errno_t _get_daylight(int *to)
{
	if (!to)
		return crt_invalid(EINVAL);
	*to = crt_daylight;
	return 0;
}

errno_t _get_dstbias(long *to)
{
	if (!to)
		return crt_invalid(EINVAL);
	*to = crt_dstbias;
	return 0;
}

errno_t _get_timezone(long *to)
{
	if (!to)
		return crt_invalid(EINVAL);
	*to = crt_timezone;
	return 0;
}

errno_t _get_tzname(size_t *needed, char *to, size_t room, int index)
{
	size_t n;

	if (!needed || (!to && room) || index < 0 || index > 1)
		return crt_invalid(EINVAL);
	n = strlen(crt_tzname[index]) + 1;
	*needed = n;
	if (!to)
		return 0;
	return n > room ? ERANGE : strcpy_s(to, room, crt_tzname[index]);
}
