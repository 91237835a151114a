/*
 * The drives a program sees: folders of the host under letters. C: holds our DLLs, D: is the
 * current folder, T: a temporary one; --share adds more or moves D:, and the program is started
 * from whichever has its folder, E: if none has.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "host/host.h"

#define PROGRAM_DRIVE	 'e'
#define FIRST_FREE_DRIVE 'f'

static struct drive *drive(struct drives *d, char letter)
{
	return &d->drive[letter - 'a'];
}

int drives_set(struct drives *drives, char letter, const char *path, bool writable)
{
	struct drive *d = drive(drives, letter);
	struct stat st;

	d->path = realpath(path, NULL);
	if (!d->path)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	if (stat(d->path, &st) < 0 || !S_ISDIR(st.st_mode))
		return complain(STATUS_USAGE, "%s: is not a folder", path);
	if (writable && access(d->path, W_OK) < 0)
		return complain(STATUS_USAGE, "%s: cannot be shared :rw: %s", path,
				strerror(errno));
	d->dirfd = open(d->path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (d->dirfd < 0)
		return complain(STATUS_USAGE, "%s: %s", path, strerror(errno));
	d->writable = writable;
	return 0;
}

static bool same_folder(const char *a, const char *b)
{
	struct stat sa, sb;

	return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
	       sa.st_ino == sb.st_ino;
}

static char free_letter(const struct drives *d)
{
	for (unsigned i = FIRST_FREE_DRIVE - 'a'; i < DRIVES; i++)
		if (i != TEMPORARY_DRIVE - 'a' && !d->drive[i].path)
			return (char)('a' + i);
	return 0;
}

int drives_share(struct drives *d, const struct run_options *o)
{
	for (unsigned pass = 0; pass < 2; pass++) /* those with a letter first */
		for (unsigned i = 0; i < o->nshares; i++) {
			const struct share_option *s = &o->share[i];
			char letter = s->letter;
			int e;

			if ((pass == 0) != (letter != 0))
				continue;
			if (!letter && same_folder(s->dir, ".") && !drive(d, CURRENT_DRIVE)->path)
				letter = CURRENT_DRIVE;
			if (!letter)
				letter = free_letter(d);
			if (!letter)
				return complain(STATUS_USAGE, "--share %s: no drive letter is free",
						s->dir);
			e = drives_set(d, letter, s->dir, s->writable);
			if (e)
				return e;
		}
	return drive(d, CURRENT_DRIVE)->path ? 0 : drives_set(d, CURRENT_DRIVE, ".", false);
}

int drives_program(struct drives *d, const char *folder, char *letter)
{
	for (unsigned i = CURRENT_DRIVE - 'a'; i < DRIVES; i++)
		if (d->drive[i].path && same_folder(d->drive[i].path, folder)) {
			*letter = (char)('a' + i);
			return 0;
		}
	*letter = PROGRAM_DRIVE;
	if (drive(d, PROGRAM_DRIVE)->path)
		return complain(STATUS_USAGE,
				"--share E=...: E: is the program's folder; take another "
				"letter, or share %s",
				folder);
	return drives_set(d, PROGRAM_DRIVE, folder, false);
}

void drives_close(struct drives *d)
{
	for (unsigned i = 0; i < DRIVES; i++) {
		if (d->drive[i].path && d->drive[i].dirfd > 0)
			close(d->drive[i].dirfd);
		free(d->drive[i].path);
	}
}
