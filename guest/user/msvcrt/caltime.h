/*
 * Times of the calendar; see caltime.c and timezone.c.
 */
#ifndef GUEST_USER_MSVCRT_CALTIME_H
#define GUEST_USER_MSVCRT_CALTIME_H

#include "guest/user/msvcrt/crt.h"

enum { SECONDS_A_DAY = 86400, FIRST_YEAR = 1970 };

/* From 100 ns since 1601 to seconds since 1970, rounded down. */
__time64_t time_from_file(uint64_t filetime);
uint64_t time_to_file(__time64_t time);

/* Days from 1970-01-01 to a date; the month (0-11) may be out of range. */
int64_t days_from_date(int64_t year, int64_t month, int64_t day);
/* Breaks seconds since 1970 up, without any time zone. */
void tm_from_seconds(struct tm *tm, int64_t seconds);

/* The local time zone: reads TZ or the system's zone when this has not been done. */
void tz_ready(void);
/* Whether a local standard time lies in the zone's summer time. */
bool tz_is_summer(const struct tm *standard);
const char *tz_name(bool summer);

extern long crt_timezone, crt_dstbias;
extern int crt_daylight;
extern char *crt_tzname[2];

#endif
