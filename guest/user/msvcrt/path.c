/*
 * Paths: their parts, full names, searching, the current folder and drive.
 *
 * The wide functions do the work; narrow ones convert by the ANSI code page.
 */
#include "guest/user/msvcrt/crt.h"
#include <direct.h>
#include <dos.h>

/* A path's parts as ranges of it. */
struct parts {
	size_t drive, folder, name, extension; /* lengths; each starts where the last ended */
};

static bool is_separator(wchar_t c)
{
	return c == '\\' || c == '/';
}

static struct parts split(const wchar_t *path)
{
	struct parts parts = {0};
	size_t n = wcslen(path), start, dot;

	if (n >= 2 && path[1] == ':')
		parts.drive = 2;
	start = parts.drive;
	for (size_t i = start; i < n; i++)
		if (is_separator(path[i]))
			start = i + 1;
	parts.folder = start - parts.drive;
	dot = n;
	for (size_t i = start; i < n; i++)
		if (path[i] == '.')
			dot = i;
	parts.name = dot - start;
	parts.extension = n - dot;
	return parts;
}

/* One part into its buffer, if there is one; false if it does not fit. */
static bool put_part(wchar_t *to, size_t room, const wchar_t *from, size_t n)
{
	if (!to)
		return true;
	if (n >= room)
		return false;
	memcpy(to, from, n * sizeof(*to));
	to[n] = 0;
	return true;
}

errno_t _wsplitpath_s(const wchar_t *path, wchar_t *drive, size_t drive_room, wchar_t *folder,
		      size_t folder_room, wchar_t *name, size_t name_room, wchar_t *extension,
		      size_t extension_room)
{
	struct parts parts;

	if (!path || (!drive != !drive_room) || (!folder != !folder_room) ||
	    (!name != !name_room) || (!extension != !extension_room))
		return crt_invalid(EINVAL);
	parts = split(path);
	if (put_part(drive, drive_room, path, parts.drive) &&
	    put_part(folder, folder_room, path + parts.drive, parts.folder) &&
	    put_part(name, name_room, path + parts.drive + parts.folder, parts.name) &&
	    put_part(extension, extension_room, path + parts.drive + parts.folder + parts.name,
		     parts.extension))
		return 0;
	if (drive)
		*drive = 0;
	if (folder)
		*folder = 0;
	if (name)
		*name = 0;
	if (extension)
		*extension = 0;
	return crt_invalid(ERANGE);
}

errno_t _splitpath_s(const char *path, char *drive, size_t drive_room, char *folder,
		     size_t folder_room, char *name, size_t name_room, char *extension,
		     size_t extension_room)
{
	char *const to[4] = {drive, folder, name, extension};
	const size_t rooms[4] = {drive_room, folder_room, name_room, extension_room};
	size_t n = path ? strlen(path) : 0, lengths[4], start = 0;
	wchar_t *wide;
	struct parts parts;

	for (int i = 0; i < 4; i++)
		if (!path || !to[i] != !rooms[i])
			return crt_invalid(EINVAL);
	/* Bytes as characters: what separates is ASCII, and the lengths are those of bytes. */
	wide = malloc((n + 1) * sizeof(*wide));
	if (!wide)
		return errno = ENOMEM;
	for (size_t i = 0; i <= n; i++)
		wide[i] = (unsigned char)path[i];
	parts = split(wide);
	free(wide);
	lengths[0] = parts.drive;
	lengths[1] = parts.folder;
	lengths[2] = parts.name;
	lengths[3] = parts.extension;
	for (int i = 0; i < 4; start += lengths[i++]) {
		if (!to[i])
			continue;
		if (lengths[i] >= rooms[i]) {
			for (int j = 0; j < 4; j++)
				if (to[j])
					*to[j] = 0;
			return crt_invalid(ERANGE);
		}
		memcpy(to[i], path + start, lengths[i]);
		to[i][lengths[i]] = 0;
	}
	return 0;
}

/* The old functions trust their buffers to have the documented sizes. */
void _wsplitpath(const wchar_t *path, wchar_t *drive, wchar_t *folder, wchar_t *name,
		 wchar_t *extension)
{
	_wsplitpath_s(path, drive, drive ? _MAX_DRIVE : 0, folder, folder ? _MAX_DIR : 0, name,
		      name ? _MAX_FNAME : 0, extension, extension ? _MAX_EXT : 0);
}

void _splitpath(const char *path, char *drive, char *folder, char *name, char *extension)
{
	_splitpath_s(path, drive, drive ? _MAX_DRIVE : 0, folder, folder ? _MAX_DIR : 0, name,
		     name ? _MAX_FNAME : 0, extension, extension ? _MAX_EXT : 0);
}

/* Puts the parts together: "c" + ':' + folder + '\' + name + '.' + extension. */
#define MAKE_PATH(checked, plain, C, length)                                                  \
	errno_t checked(C *to, size_t room, const C *drive, const C *folder, const C *name,   \
			const C *extension)                                                   \
	{                                                                                     \
		size_t used = 0;                                                              \
		bool fits = true;                                                             \
		const C *const texts[3] = {folder, name, extension};                          \
		if (!to || !room)                                                             \
			return crt_invalid(EINVAL);                                           \
		if (drive && *drive) {                                                        \
			fits = room > 2;                                                      \
			if (fits) {                                                           \
				to[used++] = *drive;                                          \
				to[used++] = ':';                                             \
			}                                                                     \
		}                                                                             \
		for (int i = 0; i < 3 && fits; i++) {                                         \
			size_t n = texts[i] ? length(texts[i]) : 0;                           \
			if (!n)                                                               \
				continue;                                                     \
			fits = used + n + 1 < room;                                           \
			if (i == 2 && *texts[i] != '.' && fits)                               \
				to[used++] = '.';                                             \
			if (fits)                                                             \
				memcpy(to + used, texts[i], n * sizeof(C));                   \
			used += n;                                                            \
			if (i == 0 && fits && !is_separator((wchar_t)texts[i][n - 1]))        \
				to[used++] = '\\';                                            \
		}                                                                             \
		if (!fits || used >= room) {                                                  \
			*to = 0;                                                              \
			return crt_invalid(ERANGE);                                           \
		}                                                                             \
		to[used] = 0;                                                                 \
		return 0;                                                                     \
	}                                                                                     \
	void plain(C *to, const C *drive, const C *folder, const C *name, const C *extension) \
	{                                                                                     \
		checked(to, _MAX_PATH, drive, folder, name, extension);                       \
	}

MAKE_PATH(_makepath_s, _makepath, char, strlen)
MAKE_PATH(_wmakepath_s, _wmakepath, wchar_t, wcslen)

/* Gives a result to a caller's buffer, or a new one if there is none. */
static wchar_t *give(wchar_t *to, size_t room, const wchar_t *from)
{
	if (!to) {
		size_t n = wcslen(from) + 1;

		if (room < n)
			room = n;
		to = malloc(room * sizeof(*to));
		if (!to)
			errno = ENOMEM;
	} else if (wcslen(from) >= room) {
		errno = ERANGE;
		return NULL;
	}
	return to ? wcscpy(to, from) : NULL;
}

static char *give_narrow(char *to, size_t room, const wchar_t *from)
{
	char *narrow = crt_narrow(from), *result = to;
	size_t n;

	if (!narrow) {
		errno = ENOMEM;
		return NULL;
	}
	n = strlen(narrow) + 1;
	if (!to) {
		result = malloc(room < n ? n : room);
		if (!result)
			errno = ENOMEM;
	} else if (n > room) {
		errno = ERANGE;
		result = NULL;
	}
	if (result)
		memcpy(result, narrow, n);
	free(narrow);
	return result;
}

static bool full_path(const wchar_t *path, wchar_t to[MAX_PATH])
{
	DWORD n;

	if (!path || !*path)
		path = L".";
	n = GetFullPathNameW(path, MAX_PATH, to, NULL);
	if (n && n < MAX_PATH)
		return true;
	if (n)
		errno = ERANGE;
	else
		crt_fail();
	return false;
}

wchar_t *_wfullpath(wchar_t *to, const wchar_t *path, size_t room)
{
	wchar_t full[MAX_PATH];

	return full_path(path, full) ? give(to, room, full) : NULL;
}

char *_fullpath(char *to, const char *path, size_t room)
{
	wchar_t full[MAX_PATH], *wide = path ? crt_wide(path) : NULL;
	char *result = full_path(wide, full) ? give_narrow(to, room, full) : NULL;

	free(wide);
	return result;
}

/* The current folder of a drive (1 is A:, 0 the current one). */
static bool current_folder(int drive, wchar_t to[MAX_PATH])
{
	wchar_t name[] = L"A:.";

	if (!drive) {
		DWORD n = GetCurrentDirectoryW(MAX_PATH, to);

		if (n && n < MAX_PATH)
			return true;
		crt_fail_with(n ? ERANGE : EACCES);
		return false;
	}
	if (drive < 0 || drive > 26) {
		crt_invalid(EACCES);
		return false;
	}
	name[0] = (wchar_t)('A' + drive - 1);
	return full_path(name, to);
}

wchar_t *_wgetdcwd(int drive, wchar_t *to, int room)
{
	wchar_t folder[MAX_PATH];

	return current_folder(drive, folder) ? give(to, room > 0 ? (size_t)room : 0, folder) : NULL;
}

char *_getdcwd(int drive, char *to, int room)
{
	wchar_t folder[MAX_PATH];

	return current_folder(drive, folder) ? give_narrow(to, room > 0 ? (size_t)room : 0, folder)
					     : NULL;
}

wchar_t *_wgetcwd(wchar_t *to, int room)
{
	return _wgetdcwd(0, to, room);
}

char *_getcwd(char *to, int room)
{
	return _getdcwd(0, to, room);
}

int _wchdir(const wchar_t *path)
{
	return SetCurrentDirectoryW(path) ? 0 : crt_fail();
}

int _chdir(const char *path)
{
	wchar_t *wide = crt_wide(path);
	int result = wide ? _wchdir(wide) : crt_fail_with(ENOMEM);

	free(wide);
	return result;
}

int _getdrive(void)
{
	wchar_t folder[MAX_PATH];

	if (!current_folder(0, folder) || folder[1] != ':')
		return 0;
	return (folder[0] | 0x20) - 'a' + 1;
}

int _chdrive(int drive)
{
	wchar_t name[] = L"A:";

	if (drive < 1 || drive > 26)
		return crt_fail_with(EACCES);
	name[0] = (wchar_t)('A' + drive - 1);
	return _wchdir(name);
}

unsigned long _getdrives(void)
{
	return GetLogicalDrives();
}

unsigned _getdiskfree(unsigned drive, struct _diskfree_t *to)
{
	wchar_t root[] = L"A:\\";
	DWORD sectors, bytes, free_clusters, clusters;

	if (!to || drive > 26) {
		crt_invalid(EINVAL);
		return ERROR_INVALID_PARAMETER;
	}
	root[0] = (wchar_t)('A' + drive - 1);
	if (!GetDiskFreeSpaceW(drive ? root : NULL, &sectors, &bytes, &free_clusters, &clusters)) {
		crt_fail();
		return GetLastError();
	}
	to->total_clusters = clusters;
	to->avail_clusters = free_clusters;
	to->sectors_per_cluster = sectors;
	to->bytes_per_sector = bytes;
	return 0;
}

/* Looks for a file here, then in the folders that an environment variable lists. */
static bool search_env(const wchar_t *file, const wchar_t *variable, wchar_t to[MAX_PATH])
{
	const wchar_t *at;

	if (GetFileAttributesW(file) != INVALID_FILE_ATTRIBUTES)
		return full_path(file, to);
	at = _wgetenv(variable);
	while (at && *at) {
		size_t n = wcscspn(at, L";");

		if (n && n + wcslen(file) + 2 < MAX_PATH) {
			memcpy(to, at, n * sizeof(*to));
			to[n] = 0;
			if (!is_separator(to[n - 1]))
				wcscat(to, L"\\");
			wcscat(to, file);
			if (GetFileAttributesW(to) != INVALID_FILE_ATTRIBUTES)
				return true;
		}
		at += n + (at[n] == ';');
	}
	errno = ENOENT;
	return false;
}

errno_t _wsearchenv_s(const wchar_t *file, const wchar_t *variable, wchar_t *to, size_t room)
{
	wchar_t found[MAX_PATH];

	if (!file || !to || !room)
		return crt_invalid(EINVAL);
	*to = 0;
	if (!*file || !search_env(file, variable, found))
		return errno = ENOENT;
	return give(to, room, found) ? 0 : ERANGE;
}

errno_t _searchenv_s(const char *file, const char *variable, char *to, size_t room)
{
	wchar_t found[MAX_PATH], *wide, *wide_variable;
	errno_t code = ENOENT;

	if (!file || !to || !room)
		return crt_invalid(EINVAL);
	*to = 0;
	wide = crt_wide(file);
	wide_variable = crt_wide(variable);
	if (wide && wide_variable && *wide && search_env(wide, wide_variable, found))
		code = give_narrow(to, room, found) ? 0 : ERANGE;
	free(wide);
	free(wide_variable);
	return code;
}

void _wsearchenv(const wchar_t *file, const wchar_t *variable, wchar_t *to)
{
	_wsearchenv_s(file, variable, to, _MAX_PATH);
}

void _searchenv(const char *file, const char *variable, char *to)
{
	_searchenv_s(file, variable, to, _MAX_PATH);
}
