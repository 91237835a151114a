/*
 * lstrlen and its kin: strings that may be bad. Their documentation promises structured exception
 * handling: a string that cannot be read or written ends the call, lstrlen with 0, the others with
 * NULL, and what was copied until then stays, without a terminator.
 */
#include "guest/user/kernel32/k32.h"

struct strings {
	void *to;
	const void *from;
	int chars;
};

/* Whether work went through without an exception. */
static BOOL try(void (*work)(PVOID), struct strings *s)
{
	return !NtmmGuardedCall(work, s, NULL);
}

static void length_a(PVOID arg)
{
	struct strings *s = arg;

	s->chars = (int)strlen(s->from);
}

static void length_w(PVOID arg)
{
	struct strings *s = arg;

	s->chars = (int)wcslen(s->from);
}

static void copy_a(PVOID arg)
{
	struct strings *s = arg;

	strcpy(s->to, s->from);
}

static void copy_w(PVOID arg)
{
	struct strings *s = arg;

	wcscpy(s->to, s->from);
}

static void append_a(PVOID arg)
{
	struct strings *s = arg;

	strcat(s->to, s->from);
}

static void append_w(PVOID arg)
{
	struct strings *s = arg;

	wcscat(s->to, s->from);
}

static void copy_some_a(PVOID arg)
{
	struct strings *s = arg;
	const char *from = s->from;
	char *to = s->to;
	int i = 0;

	for (; i < s->chars - 1 && from[i]; i++)
		to[i] = from[i];
	if (s->chars > 0)
		to[i] = 0;
}

static void copy_some_w(PVOID arg)
{
	struct strings *s = arg;
	const WCHAR *from = s->from;
	WCHAR *to = s->to;
	int i = 0;

	for (; i < s->chars - 1 && from[i]; i++)
		to[i] = from[i];
	if (s->chars > 0)
		to[i] = 0;
}

int WINAPI lstrlenA(LPCSTR text)
{
	struct strings s = {.from = text};

	return text && try(length_a, &s) ? s.chars : 0;
}

int WINAPI lstrlenW(LPCWSTR text)
{
	struct strings s = {.from = text};

	return text && try(length_w, &s) ? s.chars : 0;
}

LPSTR WINAPI lstrcpyA(LPSTR to, LPCSTR from)
{
	struct strings s = {to, from, 0};

	return try(copy_a, &s) ? to : NULL;
}

LPWSTR WINAPI lstrcpyW(LPWSTR to, LPCWSTR from)
{
	struct strings s = {to, from, 0};

	return try(copy_w, &s) ? to : NULL;
}

LPSTR WINAPI lstrcatA(LPSTR to, LPCSTR from)
{
	struct strings s = {to, from, 0};

	return try(append_a, &s) ? to : NULL;
}

LPWSTR WINAPI lstrcatW(LPWSTR to, LPCWSTR from)
{
	struct strings s = {to, from, 0};

	return try(append_w, &s) ? to : NULL;
}

LPSTR WINAPI lstrcpynA(LPSTR to, LPCSTR from, int chars)
{
	struct strings s = {to, from, chars};

	return try(copy_some_a, &s) ? to : NULL;
}

LPWSTR WINAPI lstrcpynW(LPWSTR to, LPCWSTR from, int chars)
{
	struct strings s = {to, from, chars};

	return try(copy_some_w, &s) ? to : NULL;
}
