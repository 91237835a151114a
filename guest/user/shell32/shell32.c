/*
 * shell32.dll: the command line as arguments. Its documented rules: the program's name ends at a
 * blank, or at the second quote; after it, 2n backslashes before a quote are n of them and the
 * quote begins or ends a quoted part, 2n + 1 are n of them and a quote that counts as text. Inside
 * of a quoted part two quotes are one that counts as text, and end the part.
 */
#define _SHELL32_ /* its own function is no import */
#include "guest/user/include/nt.h"

__declspec(dllimport) HLOCAL WINAPI LocalAlloc(UINT flags, SIZE_T bytes);
__declspec(dllimport) DWORD WINAPI GetModuleFileNameW(HMODULE m, LPWSTR out, DWORD room);

struct args {
	PWSTR *argv; /* NULL: only counted */
	PWSTR text;
	SIZE_T count, chars;
};

static void put(struct args *a, WCHAR c)
{
	if (a->argv)
		a->text[a->chars] = c;
	a->chars++;
}

static void begin(struct args *a)
{
	if (a->argv)
		a->argv[a->count] = a->text + a->chars;
	a->count++;
}

static PCWSTR program(struct args *a, PCWSTR p)
{
	BOOLEAN quoted = *p == '"';

	begin(a);
	p += quoted;
	for (; *p && (quoted ? *p != '"' : *p > ' '); p++)
		put(a, *p);
	put(a, 0);
	return quoted && *p ? p + 1 : p;
}

static PCWSTR argument(struct args *a, PCWSTR p)
{
	BOOLEAN quoted = FALSE;

	begin(a);
	while (*p && (quoted || (*p != ' ' && *p != '\t'))) {
		SIZE_T slashes = 0;

		while (p[slashes] == '\\')
			slashes++;
		if (p[slashes] != '"') {
			for (SIZE_T i = 0; i < slashes; i++)
				put(a, '\\');
			p += slashes;
			if (!slashes)
				put(a, *p++);
			continue;
		}
		for (SIZE_T i = 0; i < slashes / 2; i++)
			put(a, '\\');
		p += slashes + 1;
		if (slashes % 2) {
			put(a, '"');
		} else if (quoted && *p == '"') {
			put(a, '"');
			p++;
			quoted = FALSE;
		} else {
			quoted = !quoted;
		}
	}
	put(a, 0);
	return p;
}

static void parse(struct args *a, PCWSTR line)
{
	line = program(a, line);
	for (;;) {
		while (*line == ' ' || *line == '\t')
			line++;
		if (!*line)
			break;
		line = argument(a, line);
	}
	if (a->argv)
		a->argv[a->count] = NULL;
}

/* An empty line is the program's own path. The result is one block, for LocalFree. */
PWSTR *WINAPI CommandLineToArgvW(PCWSTR line, int *count);
PWSTR *WINAPI CommandLineToArgvW(PCWSTR line, int *count)
{
	WCHAR own[MAX_PATH + 3];
	struct args a = {0};
	PWSTR *argv;

	if (!line || !count) {
		NtCurrentTeb()->LastErrorValue = ERROR_INVALID_PARAMETER;
		return NULL;
	}
	if (!*line) {
		own[0] = '"';
		GetModuleFileNameW(NULL, own + 1, MAX_PATH);
		wcscat(own, L"\"");
		line = own;
	}
	parse(&a, line);
	argv = LocalAlloc(LMEM_FIXED, (a.count + 1) * sizeof(*argv) + a.chars * sizeof(WCHAR));
	if (!argv)
		return NULL;
	a = (struct args){argv, (PWSTR)(argv + a.count + 1), 0, 0};
	parse(&a, line);
	*count = (int)a.count;
	return argv;
}
