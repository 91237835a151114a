/*
 * Volumes by name: each drive is one, \\?\Volume{6e746d6d-0000-0000-0000-0000000000NN}\ with NN its
 * letter's number from 1.
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
