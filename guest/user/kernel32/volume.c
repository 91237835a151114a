/*
 * Volumes by name: each drive is one, \\?\Volume{6e746d6d-0000-0000-0000-0000000000NN}\ with NN its
 * letter's number from 1, and \Device\HarddiskVolumeNN to the kernel.
 */
#include "guest/user/kernel32/k32.h"

#define VOLUME_CHARS 49 /* without the terminator */

struct search {
	DWORD left; /* drives not told yet, a bit each */
};

static BOOL volume_name(unsigned letter, LPWSTR out, DWORD room)
{
	static const WCHAR hex[] = L"0123456789abcdef";

	if (room <= VOLUME_CHARS)
		return fail(ERROR_FILENAME_EXCED_RANGE);
	wcscpy(out, L"\\\\?\\Volume{6e746d6d-0000-0000-0000-0000000000");
	out[VOLUME_CHARS - 4] = hex[(letter + 1) >> 4];
	out[VOLUME_CHARS - 3] = hex[(letter + 1) & 15];
	wcscpy(out + VOLUME_CHARS - 2, L"}\\");
	return TRUE;
}

static BOOL next(struct search *s, LPWSTR out, DWORD room)
{
	unsigned letter;

	if (!s->left)
		return fail(ERROR_NO_MORE_FILES);
	letter = (unsigned)__builtin_ctz((unsigned)s->left);
	if (!volume_name(letter, out, room))
		return FALSE;
	s->left &= s->left - 1;
	return TRUE;
}

HANDLE WINAPI FindFirstVolumeW(LPWSTR out, DWORD room)
{
	struct search *s = heap_new(sizeof(*s));

	if (!s)
		return INVALID_HANDLE_VALUE;
	s->left = GetLogicalDrives();
	if (!next(s, out, room)) {
		heap_delete(s);
		return INVALID_HANDLE_VALUE;
	}
	return (HANDLE)s;
}

WINBOOL WINAPI FindNextVolumeW(HANDLE h, LPWSTR out, DWORD room)
{
	return h && h != INVALID_HANDLE_VALUE ? next((struct search *)h, out, room)
					      : fail(ERROR_INVALID_HANDLE);
}

WINBOOL WINAPI FindVolumeClose(HANDLE h)
{
	if (!h || h == INVALID_HANDLE_VALUE)
		return fail(ERROR_INVALID_HANDLE);
	heap_delete((struct search *)h);
	return TRUE;
}

WINBOOL WINAPI GetVolumeNameForVolumeMountPointW(LPCWSTR root, LPWSTR out, DWORD room)
{
	WCHAR c = root ? root[0] & ~0x20 : 0;

	if (c < 'A' || c > 'Z' || root[1] != ':' || root[2] != '\\' || root[3] ||
	    !(GetLogicalDrives() >> (c - 'A') & 1))
		return fail(ERROR_INVALID_NAME);
	return volume_name((unsigned)(c - 'A'), out, room);
}

WINBOOL WINAPI GetVolumeNameForVolumeMountPointA(LPCSTR root, LPSTR out, DWORD room)
{
	WCHAR name[VOLUME_CHARS + 1];
	BOOL ok;
	PWSTR w;

	if (!wide_copy(root, &w))
		return FALSE;
	ok = GetVolumeNameForVolumeMountPointW(w, name, ARRAY_COUNT(name));
	heap_delete(w);
	if (ok && room <= VOLUME_CHARS)
		return fail(ERROR_FILENAME_EXCED_RANGE);
	if (ok)
		ansi_result(name, VOLUME_CHARS, out, room);
	return ok;
}

/* --- where a path is --- */

/* The root of the path's drive. Nothing is mounted in folders here. */
WINBOOL WINAPI GetVolumePathNameW(LPCWSTR name, LPWSTR out, DWORD room)
{
	WCHAR full[MAX_PATH];
	PCWSTR p = full;
	DWORD n;

	if (!name || !*name || !out || !room)
		return fail(ERROR_INVALID_PARAMETER);
	n = GetFullPathNameW(name, MAX_PATH, full, NULL);
	if (!n || n >= MAX_PATH)
		return fail(ERROR_FILENAME_EXCED_RANGE);
	if (!wcsncmp(p, L"\\\\?\\", 4) || !wcsncmp(p, L"\\\\.\\", 4))
		p += 4;
	if (!*p || p[1] != ':')
		return fail(ERROR_INVALID_NAME);
	if (!(GetLogicalDrives() >> ((p[0] & ~0x20) - 'A') & 1))
		return fail(ERROR_FILE_NOT_FOUND);
	if ((DWORD)(p - full) + 4 > room)
		return fail(ERROR_FILENAME_EXCED_RANGE);
	memcpy(out, full, (SIZE_T)(p - full + 2) * sizeof(WCHAR));
	wcscpy(out + (p - full) + 2, L"\\");
	return TRUE;
}

WINBOOL WINAPI GetVolumePathNameA(LPCSTR name, LPSTR out, DWORD room)
{
	WCHAR root[MAX_PATH];
	DWORD n;
	BOOL ok;
	PWSTR w;

	if (!name || !*name || !out || !room)
		return fail(ERROR_INVALID_PARAMETER);
	if (!wide_copy(name, &w))
		return FALSE;
	ok = GetVolumePathNameW(w, root, MAX_PATH);
	heap_delete(w);
	n = ok ? (DWORD)wcslen(root) : 0;
	if (ok && n + 1 > room)
		return fail(ERROR_FILENAME_EXCED_RANGE);
	if (ok)
		ansi_result(root, n, out, room);
	return ok;
}

/* The one place where a volume is seen: "X:\\", and the end of the list. */
WINBOOL WINAPI GetVolumePathNamesForVolumeNameW(LPCWSTR volume, LPWSTR out, DWORD room,
						LPDWORD length)
{
	for (unsigned letter = 0; letter < 26; letter++) {
		WCHAR name[VOLUME_CHARS + 1];

		if (!(GetLogicalDrives() >> letter & 1) ||
		    !volume_name(letter, name, ARRAY_COUNT(name)) || _wcsicmp(name, volume))
			continue;
		if (length)
			*length = 5;
		if (room < 5)
			return fail(ERROR_MORE_DATA);
		memcpy(out, L"?:\\\0", 5 * sizeof(WCHAR));
		out[0] = (WCHAR)('A' + letter);
		return TRUE;
	}
	return fail(ERROR_FILE_NOT_FOUND);
}

/* --- names of devices --- */

static const struct {
	PCWSTR name, target;
} devices[] = {
    {L"CON", L"\\Device\\ConDrv\\Console"},
    {L"CONIN$", L"\\Device\\ConDrv\\CurrentIn"},
    {L"CONOUT$", L"\\Device\\ConDrv\\CurrentOut"},
    {L"NUL", L"\\Device\\Null"},
    {L"PIPE", L"\\Device\\NamedPipe"},
};

/* A text and two terminators: the answer for one name. */
static DWORD device_answer(PCWSTR target, LPWSTR out, DWORD room)
{
	DWORD n = (DWORD)wcslen(target) + 2;

	if (n > room) {
		fail(ERROR_INSUFFICIENT_BUFFER);
		return 0;
	}
	wcscpy(out, target);
	out[n - 1] = 0;
	return n;
}

/* All names there are, one behind the other. */
static DWORD device_names(LPWSTR out, DWORD room)
{
	DWORD n = 0;

	for (unsigned i = 0; i < 26 + ARRAY_COUNT(devices); i++) {
		WCHAR drive[3] = {(WCHAR)('A' + i), ':', 0};
		PCWSTR name = i < 26 ? drive : devices[i - 26].name;
		DWORD chars = (DWORD)wcslen(name) + 1;

		if (i < 26 && !(GetLogicalDrives() >> i & 1))
			continue;
		if (n + chars + 1 > room) {
			fail(ERROR_INSUFFICIENT_BUFFER);
			return 0;
		}
		wcscpy(out + n, name);
		n += chars;
	}
	out[n++] = 0;
	return n;
}

DWORD WINAPI QueryDosDeviceW(LPCWSTR name, LPWSTR out, DWORD room)
{
	WCHAR target[40], c;

	if (!name)
		return device_names(out, room);
	c = name[0] & ~0x20;
	if (c >= 'A' && c <= 'Z' && name[1] == ':' && !name[2] &&
	    GetLogicalDrives() >> (c - 'A') & 1) {
		_snwprintf(target, ARRAY_COUNT(target), L"\\Device\\HarddiskVolume%u",
			   (unsigned)(c - 'A' + 1));
		return device_answer(target, out, room);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(devices); i++)
		if (!_wcsicmp(name, devices[i].name))
			return device_answer(devices[i].target, out, room);
	fail(ERROR_FILE_NOT_FOUND);
	return 0;
}

DWORD WINAPI QueryDosDeviceA(LPCSTR name, LPSTR out, DWORD room)
{
	PWSTR w = NULL, wide = heap_new((room + 1) * sizeof(WCHAR));
	DWORD n = 0;

	if (!wide)
		fail(ERROR_NOT_ENOUGH_MEMORY);
	else if (wide_copy(name, &w))
		n = QueryDosDeviceW(w, wide, room);
	for (DWORD i = 0; i < n; i++)
		out[i] = (CHAR)wide[i]; /* plain ASCII, all of them */
	heap_delete(w);
	heap_delete(wide);
	return n;
}
