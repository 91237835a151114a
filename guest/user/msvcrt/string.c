/*
 * Strings of bytes: the C functions and Microsoft's additions. Case follows the locale (ctype.c).
 */
#include "guest/user/msvcrt/crt.h"
#include <ctype.h>

char *strcpy(char *to, const char *from)
{
	return memcpy(to, from, strlen(from) + 1);
}

char *strcat(char *to, const char *from)
{
	strcpy(to + strlen(to), from);
	return to;
}

char *strncpy(char *to, const char *from, size_t n)
{
	size_t used = strnlen(from, n);

	memcpy(to, from, used);
	memset(to + used, 0, n - used);
	return to;
}

char *strncat(char *to, const char *from, size_t n)
{
	char *end = to + strlen(to);
	size_t used = strnlen(from, n);

	memcpy(end, from, used);
	end[used] = 0;
	return to;
}

size_t strnlen(const char *text, size_t n)
{
	const char *end = memchr(text, 0, n);

	return end ? (size_t)(end - text) : n;
}

int strcmp(const char *a, const char *b)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;

	while (*x && *x == *y)
		x++, y++;
	return (*x > *y) - (*x < *y);
}

int strncmp(const char *a, const char *b, size_t n)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;

	for (; n; n--, x++, y++)
		if (*x != *y || !*x)
			return (*x > *y) - (*x < *y);
	return 0;
}

int _strnicmp(const char *a, const char *b, size_t n)
{
	const unsigned char *x = (const unsigned char *)a, *y = (const unsigned char *)b;

	for (; n; n--, x++, y++) {
		int difference = tolower(*x) - tolower(*y);

		if (difference || !*x)
			return difference;
	}
	return 0;
}

int _stricmp(const char *a, const char *b)
{
	return _strnicmp(a, b, SIZE_MAX);
}

char *strchr(const char *text, int c)
{
	for (;; text++) {
		if (*text == (char)c)
			return (char *)text;
		if (!*text)
			return NULL;
	}
}

char *strrchr(const char *text, int c)
{
	const char *at = text + strlen(text);

	for (;; at--) {
		if (*at == (char)c)
			return (char *)at;
		if (at == text)
			return NULL;
	}
}

/* The set of a string's characters, one bit each. */
struct byte_set {
	uint64_t bits[4];
};

static struct byte_set set_of(const char *text)
{
	struct byte_set set = {{0}};

	for (const unsigned char *at = (const unsigned char *)text; *at; at++)
		set.bits[*at / 64] |= 1ull << *at % 64;
	return set;
}

/* The length of the leading part whose bytes are all (`inside`) or none in the set. */
static size_t span(const char *text, const char *characters, bool inside)
{
	struct byte_set set = set_of(characters);
	const unsigned char *at = (const unsigned char *)text;

	while (*at && (set.bits[*at / 64] >> *at % 64 & 1) == inside)
		at++;
	return at - (const unsigned char *)text;
}

size_t strspn(const char *text, const char *characters)
{
	return span(text, characters, true);
}

size_t strcspn(const char *text, const char *characters)
{
	return span(text, characters, false);
}

char *strpbrk(const char *text, const char *characters)
{
	text += span(text, characters, false);
	return *text ? (char *)text : NULL;
}

char *strstr(const char *text, const char *word)
{
	size_t n = strlen(word);

	if (!n)
		return (char *)text;
	for (; (text = strchr(text, *word)); text++)
		if (!strncmp(text, word, n))
			return (char *)text;
	return NULL;
}

char *strtok_s(char *text, const char *separators, char **next)
{
	char *end;

	if (!text)
		text = *next;
	if (!text)
		return NULL;
	text += strspn(text, separators);
	if (!*text) {
		*next = text;
		return NULL;
	}
	end = text + strcspn(text, separators);
	if (*end)
		*end++ = 0;
	*next = end;
	return text;
}

char *strtok(char *text, const char *separators)
{
	return strtok_s(text, separators, &crt_thread()->strtok_next);
}

char *_strdup(const char *text)
{
	size_t n;
	char *copy;

	if (!text)
		return NULL;
	n = strlen(text) + 1;
	copy = malloc(n);
	return copy ? memcpy(copy, text, n) : NULL;
}

/* Collation is by value in both locales. */
int strcoll(const char *a, const char *b)
{
	return strcmp(a, b);
}

int _strncoll(const char *a, const char *b, size_t n)
{
	return strncmp(a, b, n);
}

int _stricoll(const char *a, const char *b)
{
	return _stricmp(a, b);
}

int _strnicoll(const char *a, const char *b, size_t n)
{
	return _strnicmp(a, b, n);
}

size_t strxfrm(char *to, const char *from, size_t n)
{
	size_t size = strlen(from);

	if (n)
		strncpy(to, from, n);
	return size;
}

char *_strlwr(char *text)
{
	for (char *at = text; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	return text;
}

char *_strupr(char *text)
{
	for (char *at = text; *at; at++)
		*at = (char)toupper((unsigned char)*at);
	return text;
}

char *_strrev(char *text)
{
	for (char *from = text, *to = text + strlen(text); from < to--; from++) {
		char c = *from;

		*from = *to;
		*to = c;
	}
	return text;
}

char *_strnset(char *text, int c, size_t n)
{
	memset(text, c, strnlen(text, n));
	return text;
}

char *_strset(char *text, int c)
{
	return _strnset(text, c, SIZE_MAX);
}

/* The checked versions: `room` counts the terminating zero. */
static errno_t too_small(char *to, int code)
{
	*to = 0;
	return crt_invalid(code);
}

static errno_t append(char *to, size_t room, size_t used, const char *from, size_t n)
{
	size_t size;

	if (!from)
		return too_small(to, EINVAL);
	size = strnlen(from, n);
	if (size >= room - used) {
		if (n != _TRUNCATE)
			return too_small(to, ERANGE);
		memcpy(to + used, from, room - used - 1);
		to[room - 1] = 0;
		return STRUNCATE;
	}
	memcpy(to + used, from, size);
	to[used + size] = 0;
	return 0;
}

errno_t strcpy_s(char *to, size_t room, const char *from)
{
	if (!to || !room)
		return crt_invalid(EINVAL);
	return append(to, room, 0, from, SIZE_MAX - 1);
}

errno_t strncpy_s(char *to, size_t room, const char *from, size_t n)
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

errno_t strncat_s(char *to, size_t room, const char *from, size_t n)
{
	size_t used;

	if (!to && !room && !n)
		return 0;
	if (!to || !room)
		return crt_invalid(EINVAL);
	used = strnlen(to, room);
	if (used == room)
		return too_small(to, EINVAL);
	return n ? append(to, room, used, from, n) : 0;
}

errno_t strcat_s(char *to, size_t room, const char *from)
{
	if (!to || !room)
		return crt_invalid(EINVAL);
	return strncat_s(to, room, from, SIZE_MAX - 1);
}

static bool ends_within(const char *text, size_t room)
{
	return text && strnlen(text, room) < room;
}

errno_t _strlwr_s(char *text, size_t room)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_strlwr(text);
	return 0;
}

errno_t _strupr_s(char *text, size_t room)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_strupr(text);
	return 0;
}

errno_t _strnset_s(char *text, size_t room, int c, size_t n)
{
	if (!ends_within(text, room))
		return crt_invalid(EINVAL);
	_strnset(text, c, n);
	return 0;
}

errno_t _strset_s(char *text, size_t room, int c)
{
	return _strnset_s(text, room, c, SIZE_MAX);
}
