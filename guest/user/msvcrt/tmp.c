/*
 * Temporary names and files. Names are made of the process's number and a counter, so that two
 * processes do not meet; a file made for the program is deleted when its stream is closed.
 */
#include "guest/user/msvcrt/crt.h"
#include <fcntl.h>
#include <io.h>
#include <share.h>
#include <sys/stat.h>

static unsigned counter;

/* "s" + process in base 36 + "." + counter in base 36, after the folder. */
static void make_name(wchar_t *to, const wchar_t *folder, unsigned number)
{
	wcscpy(to, folder);
	wcscat(to, L"s");
	_ultow(GetCurrentProcessId(), to + wcslen(to), 36);
	wcscat(to, L".");
	if (number)
		_ultow(number, to + wcslen(to), 36);
}

/* A name in `folder` that no file has, or false. */
static bool free_name(wchar_t *to, const wchar_t *folder)
{
	for (;;) {
		unsigned number;

		_lock(LOCK_TMPNAM);
		number = counter++;
		_unlock(LOCK_TMPNAM);
		if (number > INT_MAX)
			return false;
		make_name(to, folder, number);
		if (GetFileAttributesW(to) == INVALID_FILE_ATTRIBUTES)
			return true;
	}
}

wchar_t *_wtmpnam(wchar_t *to)
{
	if (!to)
		to = crt_thread()->wtmpnam_text;
	return free_name(to, L"\\") ? to : NULL;
}

char *tmpnam(char *to)
{
	struct thread_data *data = crt_thread();
	wchar_t *name = _wtmpnam(NULL);
	size_t i = 0;

	if (!name)
		return NULL;
	if (!to)
		to = data->tmpnam_text;
	do {
		to[i] = (char)name[i];
	} while (name[i++]);
	return to;
}

errno_t tmpnam_s(char *to, size_t room)
{
	char *name;

	if (!to || !room)
		return crt_invalid(EINVAL);
	name = tmpnam(NULL);
	return name ? strcpy_s(to, room, name) : ENOENT;
}

errno_t _wtmpnam_s(wchar_t *to, size_t room)
{
	wchar_t *name;

	if (!to || !room)
		return crt_invalid(EINVAL);
	name = _wtmpnam(NULL);
	return name ? wcscpy_s(to, room, name) : ENOENT;
}

FILE *tmpfile(void)
{
	wchar_t folder[MAX_PATH + 1], name[MAX_PATH + 32];
	DWORD n = GetTempPathW(MAX_PATH, folder);
	FILE *stream;
	int fd;

	if (!n || n > MAX_PATH)
		wcscpy(folder, L"\\");
	do {
		if (!free_name(name, folder))
			return NULL;
		_wsopen_s(&fd, name, _O_CREAT | _O_EXCL | _O_RDWR | _O_BINARY | _O_TEMPORARY,
			  _SH_DENYNO, _S_IREAD | _S_IWRITE);
	} while (fd < 0 && errno == EEXIST);
	if (fd < 0)
		return NULL;
	stream = stream_new();
	if (!stream) {
		_close(fd);
		return NULL;
	}
	stream_open_fd(stream, fd, _IORW);
	/* Marks the stream as _rmtmp's; the file goes with its handle. */
	stream->_tmpfname = crt_narrow(name);
	return stream;
}

errno_t tmpfile_s(FILE **stream)
{
	if (!stream)
		return crt_invalid(EINVAL);
	*stream = tmpfile();
	return *stream ? 0 : errno;
}

/* "folder\prefixN": TMP's folder if it is there, else the one asked for, else the current one. */
wchar_t *_wtempnam(const wchar_t *folder, const wchar_t *prefix)
{
	enum { NUMBER_DIGITS = 12 };
	const wchar_t *tmp = _wgetenv(L"TMP");
	wchar_t *name;
	size_t n;

	if (tmp && *tmp && GetFileAttributesW(tmp) != INVALID_FILE_ATTRIBUTES)
		folder = tmp;
	else if (!folder || GetFileAttributesW(folder) == INVALID_FILE_ATTRIBUTES)
		folder = L".";
	n = wcslen(folder) + (prefix ? wcslen(prefix) : 0) + NUMBER_DIGITS;
	name = malloc(n * sizeof(*name));
	if (!name)
		return NULL;
	do {
		unsigned number;

		_lock(LOCK_TMPNAM);
		number = ++counter;
		_unlock(LOCK_TMPNAM);
		wcscpy(name, folder);
		if (*name && !wcschr(L"\\/", name[wcslen(name) - 1]))
			wcscat(name, L"\\");
		if (prefix)
			wcscat(name, prefix);
		_ultow(number, name + wcslen(name), 10);
	} while (GetFileAttributesW(name) != INVALID_FILE_ATTRIBUTES);
	return name;
}

char *_tempnam(const char *folder, const char *prefix)
{
	wchar_t *wide = folder ? crt_wide(folder) : NULL;
	wchar_t *wide_prefix = prefix ? crt_wide(prefix) : NULL;
	wchar_t *name = _wtempnam(wide, wide_prefix);
	char *narrow = name ? crt_narrow(name) : NULL;

	free(wide);
	free(wide_prefix);
	free(name);
	return narrow;
}

/* Replaces the six X at the end by a letter and five digits of the process's number. */
wchar_t *_wmktemp(wchar_t *template)
{
	enum { MARKS = 6 };
	size_t n = wcslen(template);
	wchar_t *at = template + n - MARKS;
	unsigned id = GetCurrentProcessId();

	if (n < MARKS || wcscmp(at, L"XXXXXX")) {
		crt_invalid(EINVAL);
		return NULL;
	}
	for (int i = MARKS - 1; i > 0; i--, id /= 10)
		at[i] = (wchar_t)('0' + id % 10);
	for (*at = 'a'; *at <= 'z'; ++*at)
		if (GetFileAttributesW(template) == INVALID_FILE_ATTRIBUTES)
			return template;
	errno = EEXIST;
	return NULL;
}

char *_mktemp(char *template)
{
	wchar_t *wide = crt_wide(template), *made = wide ? _wmktemp(wide) : NULL;
	size_t n = strlen(template);

	/* What has changed is ASCII, at the end of both. */
	for (size_t i = 1; made && i <= 6; i++)
		template[n - i] = (char)made[wcslen(made) - i];
	free(wide);
	return made ? template : NULL;
}

errno_t _mktemp_s(char *template, size_t room)
{
	if (!template || strnlen(template, room) >= room)
		return crt_invalid(EINVAL);
	return _mktemp(template) ? 0 : errno;
}

errno_t _wmktemp_s(wchar_t *template, size_t room)
{
	if (!template || wcsnlen(template, room) >= room)
		return crt_invalid(EINVAL);
	return _wmktemp(template) ? 0 : errno;
}
