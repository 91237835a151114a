/* The calendar, time zones by TZ, strftime. */
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <locale.h>
#include <sys/timeb.h>
#include <time.h>
#include <windows.h>

static void calendar(void)
{
	static const struct {
		__time64_t time;
		int year, month, day, hour, minute, second, weekday, yearday;
	} table[] = {
	    {0, 1970, 1, 1, 0, 0, 0, 4, 0},
	    {951782400, 2000, 2, 29, 0, 0, 0, 2, 59},
	    {951868800, 2000, 3, 1, 0, 0, 0, 3, 60},
	    {1000000000, 2001, 9, 9, 1, 46, 40, 0, 251},
	    {1735689599, 2024, 12, 31, 23, 59, 59, 2, 365},
	    {2147483648, 2038, 1, 19, 3, 14, 8, 2, 18},
	    {4107542400, 2100, 3, 1, 0, 0, 0, 1, 59},
	    {32535215999, 3000, 12, 31, 23, 59, 59, 3, 364},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
		struct tm *tm = _gmtime64(&table[i].time), copy;

		CHECK(tm != NULL);
		if (!tm)
			continue;
		CHECK_EQ(tm->tm_year + 1900, table[i].year);
		CHECK_EQ(tm->tm_mon + 1, table[i].month);
		CHECK_EQ(tm->tm_mday, table[i].day);
		CHECK_EQ(tm->tm_hour, table[i].hour);
		CHECK_EQ(tm->tm_min, table[i].minute);
		CHECK_EQ(tm->tm_sec, table[i].second);
		CHECK_EQ(tm->tm_wday, table[i].weekday);
		CHECK_EQ(tm->tm_yday, table[i].yearday);
		copy = *tm;
		CHECK_EQ(_mkgmtime64(&copy), table[i].time);
	}
}

static void zones(void)
{
	struct tm tm = {.tm_year = 123, .tm_mon = 0, .tm_mday = 15, .tm_hour = 12, .tm_isdst = -1};
	__time64_t time;

	_putenv("TZ=UTC0");
	_tzset();
	CHECK_EQ(_mktime64(&tm), 1673784000);
	CHECK_EQ(tm.tm_wday, 0);
	CHECK_EQ(tm.tm_isdst, 0);
	CHECK_STR(asctime(&tm), "Sun Jan 15 12:00:00 2023\n");
	_putenv("TZ=EST5EDT");
	_tzset();
	tm = (struct tm){.tm_year = 123, .tm_mon = 0, .tm_mday = 15, .tm_hour = 12, .tm_isdst = -1};
	CHECK_EQ(_mktime64(&tm), 1673784000 + 5 * 3600);
	tm = (struct tm){.tm_year = 123, .tm_mon = 6, .tm_mday = 15, .tm_hour = 12, .tm_isdst = -1};
	time = _mktime64(&tm);
	CHECK_EQ(time, 1689436800);
	CHECK_EQ(tm.tm_isdst, 1);
	CHECK_EQ(_localtime64(&time)->tm_hour, 12);
	/* Fields out of range are brought into it. */
	tm = (struct tm){.tm_year = 123, .tm_mon = 13, .tm_mday = 32, .tm_hour = 25, .tm_isdst = 0};
	CHECK(_mktime64(&tm) != -1);
	CHECK_EQ(tm.tm_year, 124);
	CHECK_EQ(tm.tm_mon, 2);
	CHECK_EQ(tm.tm_mday, 4);
	CHECK_EQ(tm.tm_hour, 1);
	_putenv("TZ=UTC0");
	_tzset();
}

static void texts(void)
{
	struct tm tm = {.tm_year = 124,
			.tm_mon = 1,
			.tm_mday = 3,
			.tm_hour = 15,
			.tm_min = 4,
			.tm_sec = 5,
			.tm_wday = 6,
			.tm_yday = 33};
	char text[128];

	CHECK_EQ(strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm), 19);
	CHECK_STR(text, "2024-02-03 15:04:05");
	strftime(text, sizeof(text), "%a %A %b %B %d %I %p %j %y %w %%", &tm);
	CHECK_STR(text, "Sat Saturday Feb February 03 03 PM 034 24 6 %");
	strftime(text, sizeof(text), "%U %W", &tm);
	CHECK_STR(text, "04 05");
	strftime(text, sizeof(text), "%c|%x|%X", &tm);
	CHECK_STR(text, "02/03/24 15:04:05|02/03/24|15:04:05");
	strftime(text, sizeof(text), "%#d %#m %#H", &tm);
	CHECK_STR(text, "3 2 15");
	CHECK_EQ(strftime(text, 5, "%Y-%m", &tm), 0);
	CHECK_STR(asctime(&tm), "Sat Feb 03 15:04:05 2024\n");
}

static void now(void)
{
	__time64_t before = _time64(NULL), after;
	struct _timeb timeb;
	SYSTEMTIME system;
	struct tm *tm;
	clock_t start = clock();

	Sleep(30);
	CHECK(clock() - start >= 10); /* the clock ticks every 16 ms */
	_ftime(&timeb);
	after = _time64(NULL);
	CHECK(before > 1600000000 && after >= before && timeb.time >= before &&
	      timeb.time <= after + 1);
	GetSystemTime(&system);
	tm = _gmtime64(&after);
	CHECK_EQ(tm->tm_year + 1900, system.wYear);
	CHECK(difftime(after, before) >= 0);
	CHECK_EQ(strlen(_strdate((char[9]){0})), 8);
	CHECK_EQ(strlen(_strtime((char[9]){0})), 8);
}

int main(void)
{
	calendar();
	zones();
	texts();
	now();
	return checks_end();
}
