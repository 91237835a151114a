/*
 * Times as text: strftime and wcsftime by one engine, asctime, ctime, _strdate, _strtime.
 */
#include "guest/user/msvcrt/caltime.h"

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
				   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",	  "February", "March",	  "April",
				     "May",	  "June",     "July",	  "August",
				     "September", "October",  "November", "December"};

/* Where the text goes; `failed` when it does not fit or a field of the time is out of range. */
struct time_text {
	char *narrow;
	wchar_t *wide;
	size_t room, used;
	bool failed;
};

static void put(struct time_text *text, unsigned c)
{
	if (text->used >= text->room) {
		text->failed = true;
		return;
	}
	if (text->wide)
		text->wide[text->used++] = (wchar_t)c;
	else
		text->narrow[text->used++] = (char)c;
}

static void put_name(struct time_text *text, const char *name, size_t n)
{
	for (size_t i = 0; name[i] && i < n; i++)
		put(text, (unsigned char)name[i]);
}

/* `width` digits, zeros in front; plain (the # flag): without them. */
static void put_number(struct time_text *text, int value, int width, bool plain)
{
	char digits[12];
	int n = 0;

	if (value < 0) {
		put(text, '-');
		value = -value;
	}
	do {
		digits[n++] = (char)('0' + value % 10);
	} while (value /= 10);
	while (!plain && n < width)
		digits[n++] = '0';
	while (n)
		put(text, digits[--n]);
}

/* The week of the year whose first day is `first` (0: Sunday); days before it are week 0. */
static int week_of_year(const struct tm *tm, int first)
{
	return (tm->tm_yday + 7 - (tm->tm_wday - first + 7) % 7) / 7;
}

/* The week and year of ISO 8601. */
static int iso_week(const struct tm *tm, int *year)
{
	int weekday = (tm->tm_wday + 6) % 7, week = (tm->tm_yday - weekday + 10) / 7;
	int64_t first, next;

	*year = tm->tm_year + 1900;
	if (week < 1) {
		first = days_from_date(--*year, 0, 1);
		next = days_from_date(*year + 1, 0, 1) + tm->tm_yday;
		week = (int)((next - first - weekday + 10) / 7);
	} else if (week == 53) {
		int64_t jan1 = days_from_date(*year + 1, 0, 1);
		int64_t day = days_from_date(*year, 0, 1) + tm->tm_yday;

		/* The week belongs to the year its Thursday is in. */
		if (day - weekday + 3 >= jan1) {
			week = 1;
			++*year;
		}
	}
	return week;
}

static bool in_range(const struct tm *tm, unsigned c)
{
	switch (c) {
	case 'a':
	case 'A':
	case 'w':
	case 'u':
		return tm->tm_wday >= 0 && tm->tm_wday <= 6;
	case 'b':
	case 'B':
	case 'h':
	case 'm':
		return tm->tm_mon >= 0 && tm->tm_mon <= 11;
	case 'd':
	case 'e':
		return tm->tm_mday >= 1 && tm->tm_mday <= 31;
	case 'H':
	case 'I':
	case 'p':
		return tm->tm_hour >= 0 && tm->tm_hour <= 23;
	case 'j':
		return tm->tm_yday >= 0 && tm->tm_yday <= 365;
	case 'M':
		return tm->tm_min >= 0 && tm->tm_min <= 59;
	case 'S':
		return tm->tm_sec >= 0 && tm->tm_sec <= 60;
	case 'U':
	case 'W':
	case 'G':
	case 'g':
	case 'V':
		return tm->tm_wday >= 0 && tm->tm_wday <= 6 && tm->tm_yday >= 0 &&
		       tm->tm_yday <= 365;
	default:
		return true;
	}
}

/* Conversions that are made of others; the # flag chooses the long form. */
static const char *composite(unsigned c, bool alternate)
{
	switch (c) {
	case 'c':
		return alternate ? "%A, %B %d, %Y %H:%M:%S" : "%m/%d/%y %H:%M:%S";
	case 'x':
		return alternate ? "%A, %B %d, %Y" : "%m/%d/%y";
	case 'X':
	case 'T':
		return "%H:%M:%S";
	case 'D':
		return "%m/%d/%y";
	case 'F':
		return "%Y-%m-%d";
	case 'r':
		return "%I:%M:%S %p";
	case 'R':
		return "%H:%M";
	default:
		return NULL;
	}
}

static void put_item(struct time_text *text, unsigned c, bool plain, const struct tm *tm)
{
	const char *parts = composite(c, plain);
	int year;

	if (!in_range(tm, c)) {
		text->failed = true;
		crt_invalid(EINVAL);
		return;
	}
	for (; parts && *parts; parts++) {
		if (*parts == '%')
			put_item(text, (unsigned char)*++parts, false, tm);
		else
			put(text, (unsigned char)*parts);
	}
	switch (c) {
	case 'a':
		put_name(text, days[tm->tm_wday], 3);
		break;
	case 'A':
		put_name(text, days[tm->tm_wday], SIZE_MAX);
		break;
	case 'b':
	case 'h':
		put_name(text, months[tm->tm_mon], 3);
		break;
	case 'B':
		put_name(text, months[tm->tm_mon], SIZE_MAX);
		break;
	case 'd':
		put_number(text, tm->tm_mday, 2, plain);
		break;
	case 'e':
		if (tm->tm_mday < 10)
			put(text, ' ');
		put_number(text, tm->tm_mday, 1, plain);
		break;
	case 'H':
		put_number(text, tm->tm_hour, 2, plain);
		break;
	case 'I':
		put_number(text, tm->tm_hour % 12 ? tm->tm_hour % 12 : 12, 2, plain);
		break;
	case 'j':
		put_number(text, tm->tm_yday + 1, 3, plain);
		break;
	case 'm':
		put_number(text, tm->tm_mon + 1, 2, plain);
		break;
	case 'M':
		put_number(text, tm->tm_min, 2, plain);
		break;
	case 'n':
		put(text, '\n');
		break;
	case 'p':
		put_name(text, tm->tm_hour < 12 ? "AM" : "PM", 2);
		break;
	case 'S':
		put_number(text, tm->tm_sec, 2, plain);
		break;
	case 't':
		put(text, '\t');
		break;
	case 'u':
		put_number(text, tm->tm_wday ? tm->tm_wday : 7, 1, plain);
		break;
	case 'U':
		put_number(text, week_of_year(tm, 0), 2, plain);
		break;
	case 'w':
		put_number(text, tm->tm_wday, 1, plain);
		break;
	case 'W':
		put_number(text, week_of_year(tm, 1), 2, plain);
		break;
	case 'C':
		put_number(text, (tm->tm_year + 1900) / 100, 2, plain);
		break;
	case 'y':
		put_number(text, (tm->tm_year + 1900) % 100, 2, plain);
		break;
	case 'Y':
		put_number(text, tm->tm_year + 1900, 4, plain);
		break;
	case 'V':
		put_number(text, iso_week(tm, &year), 2, plain);
		break;
	case 'G':
		iso_week(tm, &year);
		put_number(text, year, 4, plain);
		break;
	case 'g':
		iso_week(tm, &year);
		put_number(text, year % 100, 2, plain);
		break;
	case 'z':
	case 'Z':
		tz_ready();
		put_name(text, tz_name(tm->tm_isdst > 0), SIZE_MAX);
		break;
	case '%':
		put(text, '%');
		break;
	default:
		if (!parts) {
			text->failed = true;
			crt_invalid(EINVAL);
		}
		break;
	}
}

static size_t write_time(struct time_text *text, const void *format, bool wide, const struct tm *tm)
{
	if ((!text->narrow && !text->wide) || !text->room || !format) {
		crt_invalid(EINVAL);
		return 0;
	}
	for (size_t i = 0;; i++) {
		unsigned c =
		    wide ? ((const wchar_t *)format)[i] : ((const unsigned char *)format)[i];
		bool plain = false;

		if (c != '%') {
			put(text, c);
			if (!c || text->failed)
				break;
			continue;
		}
		c = wide ? ((const wchar_t *)format)[++i] : ((const unsigned char *)format)[++i];
		if (c == '#') {
			plain = true;
			c = wide ? ((const wchar_t *)format)[++i]
				 : ((const unsigned char *)format)[++i];
		}
		if (!tm) {
			crt_invalid(EINVAL);
			text->failed = true;
		} else {
			put_item(text, c, plain, tm);
		}
		if (text->failed)
			break;
	}
	if (!text->failed)
		return text->used - 1;
	/* What does not fit is an empty text. */
	if (text->used >= text->room)
		errno = ERANGE;
	if (text->wide)
		*text->wide = 0;
	else
		*text->narrow = 0;
	return 0;
}

size_t strftime(char *to, size_t room, const char *format, const struct tm *tm)
{
	struct time_text text = {.narrow = to, .room = room};

	return write_time(&text, format, false, tm);
}

size_t wcsftime(wchar_t *to, size_t room, const wchar_t *format, const struct tm *tm)
{
	struct time_text text = {.wide = to, .room = room};

	return write_time(&text, format, true, tm);
}

/* The names of days, ":Sun:Sunday:Mon...", as malloc'd text. */
static char *name_list(const char *const *names, int count)
{
	enum { LONGEST = 16 };
	char *text = malloc(count * LONGEST), *at = text;

	for (int i = 0; text && i < count; i++) {
		*at++ = ':';
		memcpy(at, names[i], 3);
		at += 3;
		*at++ = ':';
		strcpy(at, names[i]);
		at += strlen(at);
	}
	return text;
}

char *_Getdays(void)
{
	return name_list(days, 7);
}

char *_Getmonths(void)
{
	return name_list(months, 12);
}

/* Fixed forms: `text` must have a room of 26. */
static errno_t write_fixed(char *text, const struct tm *tm)
{
	static const char format[] = "%a %b %d %H:%M:%S %Y\n";
	enum { FIXED_TEXT = 26 };

	if (!tm)
		return crt_invalid(EINVAL);
	return strftime(text, FIXED_TEXT, format, tm) ? 0 : EINVAL;
}

static void widen(wchar_t *to, const char *from)
{
	do {
		*to++ = (unsigned char)*from;
	} while (*from++);
}

errno_t asctime_s(char *to, size_t room, const struct tm *tm)
{
	char text[26];

	if (!to || room < sizeof(text)) {
		if (to && room)
			*to = 0;
		return crt_invalid(EINVAL);
	}
	*to = 0;
	if (write_fixed(text, tm))
		return EINVAL;
	strcpy(to, text);
	return 0;
}

errno_t _wasctime_s(wchar_t *to, size_t room, const struct tm *tm)
{
	char text[26];
	errno_t code;

	if (!to || room < sizeof(text))
		return crt_invalid(EINVAL);
	code = asctime_s(text, sizeof(text), tm);
	widen(to, text);
	return code;
}

char *asctime(const struct tm *tm)
{
	char *text = crt_thread()->asctime_text;

	return asctime_s(text, 26, tm) ? NULL : text;
}

wchar_t *_wasctime(const struct tm *tm)
{
	wchar_t *text = crt_thread()->wasctime_text;

	return _wasctime_s(text, 26, tm) ? NULL : text;
}

#define CTIME(name, checked, wide_name, wide_checked, type, local)       \
	errno_t checked(char *to, size_t room, const type *time)         \
	{                                                                \
		struct tm tm;                                            \
		errno_t code = local(&tm, time);                         \
		return code ? code : asctime_s(to, room, &tm);           \
	}                                                                \
	errno_t wide_checked(wchar_t *to, size_t room, const type *time) \
	{                                                                \
		struct tm tm;                                            \
		errno_t code = local(&tm, time);                         \
		return code ? code : _wasctime_s(to, room, &tm);         \
	}                                                                \
	char *name(const type *time)                                     \
	{                                                                \
		char *text = crt_thread()->asctime_text;                 \
		return checked(text, 26, time) ? NULL : text;            \
	}                                                                \
	wchar_t *wide_name(const type *time)                             \
	{                                                                \
		wchar_t *text = crt_thread()->wasctime_text;             \
		return wide_checked(text, 26, time) ? NULL : text;       \
	}

CTIME(_ctime64, _ctime64_s, _wctime64, _wctime64_s, __time64_t, _localtime64_s)
CTIME(_ctime32, _ctime32_s, _wctime32, _wctime32_s, __time32_t, _localtime32_s)

/* Today's date and the time, in eight characters. */
static errno_t write_now(char *to, size_t room, const char *format)
{
	enum { NOW_TEXT = 9 };
	__time64_t time = _time64(NULL);
	struct tm tm;

	if (!to || room < NOW_TEXT) {
		if (to && room)
			*to = 0;
		return crt_invalid(to ? ERANGE : EINVAL);
	}
	_localtime64_s(&tm, &time);
	strftime(to, room, format, &tm);
	return 0;
}

#define NOW(name, checked, wide_name, wide_checked, format)       \
	errno_t checked(char *to, size_t room)                    \
	{                                                         \
		return write_now(to, room, format);               \
	}                                                         \
	char *name(char *to)                                      \
	{                                                         \
		checked(to, 9);                                   \
		return to;                                        \
	}                                                         \
	errno_t wide_checked(wchar_t *to, size_t room)            \
	{                                                         \
		char text[9];                                     \
		if (!to || room < sizeof(text))                   \
			return crt_invalid(to ? ERANGE : EINVAL); \
		write_now(text, sizeof(text), format);            \
		widen(to, text);                                  \
		return 0;                                         \
	}                                                         \
	wchar_t *wide_name(wchar_t *to)                           \
	{                                                         \
		wide_checked(to, 9);                              \
		return to;                                        \
	}

NOW(_strdate, _strdate_s, _wstrdate, _wstrdate_s, "%m/%d/%y")
NOW(_strtime, _strtime_s, _wstrtime, _wstrtime_s, "%H:%M:%S")
