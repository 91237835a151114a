/*
 * Strings of UTF-16 units: the C functions and Microsoft's additions.
 */
#include "guest/user/msvcrt/crt.h"
#include <wctype.h>

size_t wcslen(const wchar_t *text)
{
	const wchar_t *at = text;

	while (*at)
		at++;
	return at - text;
}

size_t wcsnlen(const wchar_t *text, size_t n)
{
	size_t i = 0;

	while (i < n && text[i])
		i++;
	return i;
}

wchar_t *wcscpy(wchar_t *to, const wchar_t *from)
{
	return memcpy(to, from, (wcslen(from) + 1) * sizeof(*to));
}

wchar_t *wcscat(wchar_t *to, const wchar_t *from)
{
	wcscpy(to + wcslen(to), from);
	return to;
}

wchar_t *wcsncpy(wchar_t *to, const wchar_t *from, size_t n)
{
	size_t used = wcsnlen(from, n);

	memcpy(to, from, used * sizeof(*to));
	memset(to + used, 0, (n - used) * sizeof(*to));
	return to;
}

wchar_t *wcsncat(wchar_t *to, const wchar_t *from, size_t n)
{
	wchar_t *end = to + wcslen(to);
	size_t used = wcsnlen(from, n);

	memcpy(end, from, used * sizeof(*to));
	end[used] = 0;
	return to;
}

int wcsncmp(const wchar_t *a, const wchar_t *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (*a > *b) - (*a < *b);
	return 0;
}

int wcscmp(const wchar_t *a, const wchar_t *b)
{
	return wcsncmp(a, b, SIZE_MAX);
}

int _wcsnicmp(const wchar_t *a, const wchar_t *b, size_t n)
{
	for (; n; n--, a++, b++) {
		int difference = towlower(*a) - towlower(*b);

		if (difference || !*a)
			return difference;
	}
	return 0;
}

int _wcsicmp(const wchar_t *a, const wchar_t *b)
{
	return _wcsnicmp(a, b, SIZE_MAX);
}

wchar_t *wcschr(const wchar_t *text, wchar_t c)
{
	for (;; text++) {
		if (*text == c)
			return (wchar_t *)text;
		if (!*text)
			return NULL;
	}
}

wchar_t *wcsrchr(const wchar_t *text, wchar_t c)
{
	const wchar_t *at = text + wcslen(text);

	for (;; at--) {
		if (*at == c)
			return (wchar_t *)at;
		if (at == text)
			return NULL;
	}
}

size_t wcsspn(const wchar_t *text, const wchar_t *characters)
{
	const wchar_t *at = text;

	while (*at && wcschr(characters, *at))
		at++;
	return at - text;
}

size_t wcscspn(const wchar_t *text, const wchar_t *characters)
{
	const wchar_t *at = text;

	while (*at && !wcschr(characters, *at))
		at++;
	return at - text;
}

wchar_t *wcspbrk(const wchar_t *text, const wchar_t *characters)
{
	text += wcscspn(text, characters);
	return *text ? (wchar_t *)text : NULL;
}

wchar_t *wcsstr(const wchar_t *text, const wchar_t *word)
{
	size_t n = wcslen(word);

	if (!n)
		return (wchar_t *)text;
	for (; (text = wcschr(text, *word)); text++)
		if (!wcsncmp(text, word, n))
			return (wchar_t *)text;
	return NULL;
}

wchar_t *wcstok_s(wchar_t *text, const wchar_t *separators, wchar_t **next)
{
	wchar_t *end;

	if (!text)
		text = *next;
	if (!text)
		return NULL;
	text += wcsspn(text, separators);
	if (!*text) {
		*next = text;
		return NULL;
	}
	end = text + wcscspn(text, separators);
	if (*end)
		*end++ = 0;
	*next = end;
	return text;
}

wchar_t *crt_wcstok(wchar_t *text, const wchar_t *separators)
{
	return wcstok_s(text, separators, &crt_thread()->wcstok_next);
}

wchar_t *_wcsdup(const wchar_t *text)
{
	size_t n;
	wchar_t *copy;

	if (!text)
		return NULL;
	n = (wcslen(text) + 1) * sizeof(*copy);
	copy = malloc(n);
	return copy ? memcpy(copy, text, n) : NULL;
}

int wcscoll(const wchar_t *a, const wchar_t *b)
{
	return wcscmp(a, b);
}

int _wcsncoll(const wchar_t *a, const wchar_t *b, size_t n)
{
	return wcsncmp(a, b, n);
}

int _wcsicoll(const wchar_t *a, const wchar_t *b)
{
	return _wcsicmp(a, b);
}

int _wcsnicoll(const wchar_t *a, const wchar_t *b, size_t n)
{
	return _wcsnicmp(a, b, n);
}

size_t wcsxfrm(wchar_t *to, const wchar_t *from, size_t n)
{
	size_t size = wcslen(from);

	if (n)
		wcsncpy(to, from, n);
	return size;
}

wchar_t *_wcslwr(wchar_t *text)
{
	for (wchar_t *at = text; *at; at++)
		*at = towlower(*at);
	return text;
}

wchar_t *_wcsupr(wchar_t *text)
{
	for (wchar_t *at = text; *at; at++)
		*at = towupper(*at);
	return text;
}

wchar_t *_wcsrev(wchar_t *text)
{
	for (wchar_t *from = text, *to = text + wcslen(text); from < to--; from++) {
		wchar_t c = *from;

		*from = *to;
		*to = c;
	}
	return text;
}

wchar_t *_wcsnset(wchar_t *text, wchar_t c, size_t n)
{
	for (wchar_t *at = text; n-- && *at; at++)
		*at = c;
	return text;
}

wchar_t *_wcsset(wchar_t *text, wchar_t c)
{
	return _wcsnset(text, c, SIZE_MAX);
}

/* The checked versions: `room` counts the terminating zero. */
static errno_t too_small(wchar_t *to, int code)
{
	*to = 0;
	return crt_invalid(code);
}

static errno_t append(wchar_t *to, size_t room, size_t used, const wchar_t *from, size_t n)
{
	size_t size;

	if (!from)
		return too_small(to, EINVAL);
	size = wcsnlen(from, n);
	if (size >= room - used) {
		if (n != _TRUNCATE)
			return too_small(to, ERANGE);
		memcpy(to + used, from, (room - used - 1) * sizeof(*to));
		to[room - 1] = 0;
		return STRUNCATE;
	}
	memcpy(to + used, from, size * sizeof(*to));
	to[used + size] = 0;
	return 0;
}

errno_t wcscpy_s(wchar_t *to, size_t room, const wchar_t *from)
{
	if (!to || !room)
		return crt_invalid(EINVAL);
	return append(to, room, 0, from, SIZE_MAX - 1);
}

errno_t wcsncpy_s(wchar_t *to, size_t room, const wchar_t *from, size_t n)
{
	if (!to && !room && !n)
		return 0;
	if (!to || !room)
		return crt_invalid(EINVAL);
	if (!n) {
		*to = 0;
		return 0;
	}
	return append(to, room, 0, from, n);
}

errno_t wcsncat_s(wchar_t *to, size_t room, const wchar_t *from, size_t n)
{
	size_t used;

	if (!to && !room && !n)
		return 0;
	if (!to || !room)
		return crt_invalid(EINVAL);
	used = wcsnlen(to, room);
	if (used == room)
		return too_small(to, EINVAL);
	return n ? append(to, room, used, from, n) : 0;
}

errno_t wcscat_s(wchar_t *to, size_t room, const wchar_t *from)
{
	if (!to || !room)
		return crt_invalid(EINVAL);
	return wcsncat_s(to, room, from, SIZE_MAX - 1);
}

static bool ends_within(const wchar_t *text, size_t room)
{
	return text && wcsnlen(text, room) < room;
}

errno_t _wcslwr_s(wchar_t *text, size_t room)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_wcslwr(text);
	return 0;
}

errno_t _wcsupr_s(wchar_t *text, size_t room)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_wcsupr(text);
	return 0;
}

errno_t _wcsnset_s(wchar_t *text, size_t room, wchar_t c, size_t n)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_wcsnset(text, c, n);
	return 0;
}

errno_t _wcsset_s(wchar_t *text, size_t room, wchar_t c)
{
	return _wcsnset_s(text, room, c, SIZE_MAX);
}
