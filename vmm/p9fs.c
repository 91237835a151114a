/*
 * A share's paths on the host. One place opens them: beneath().
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/p9.h"

#define RETRIES 16 /* openat2 gives EAGAIN when somebody renames on the way */

/* Opens a path beneath dirfd, and nowhere else. */
static int beneath(int dirfd, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
	    .flags = (uint64_t)(flags | O_CLOEXEC),
	    .mode = flags & O_CREAT ? mode : 0,
	    .resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	};
	long fd;

	for (int i = 0; i < RETRIES; i++) {
		fd = syscall(SYS_openat2, dirfd, *path ? path : ".", &how, sizeof(how));
		if (fd >= 0)
			return (int)fd;
		if (errno != EAGAIN && errno != EINTR)
			break;
	}
	/* A link that leads out of the share leads nowhere. */
	return errno == EXDEV || errno == ELOOP ? -ENOENT : -errno;
}

/* If `path` lies at or below `prefix`, what is left of it behind that. */
static const char *behind(const char *path, const char *prefix)
{
	size_t n = strlen(prefix);

	if (n == 0)
		return path;
	/* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): a path is never NULL */
	if (strncmp(path, prefix, n) != 0 || (path[n] != 0 && path[n] != '/'))
		return NULL;
	return path[n] ? path + n + 1 : path + n;
}

/* Does a prefix go through this folder? Then what follows of it, else NULL. */
static const char *through(const char *prefix, const char *path)
{
	const char *rest = *path ? behind(prefix, path) : prefix;

	return rest && *rest ? rest : NULL;
}

/* The share's folder that holds a path. -ENOENT: none. */
static int find_dir(const struct p9_share *s, const char *path, const char **rest)
{
	int best = -ENOENT;
	size_t best_len = 0;

	for (unsigned i = 0; i < s->ndirs; i++) {
		size_t len = strlen(s->dir[i].prefix);
		const char *r = behind(path, s->dir[i].prefix);

		if (r && (best < 0 || len > best_len)) {
			best = s->dir[i].dirfd;
			best_len = len;
			*rest = r;
		}
	}
	return best;
}

static bool is_virtual(const struct p9_share *s, const char *path)
{
	for (unsigned i = 0; i < s->ndirs; i++)
		if (through(s->dir[i].prefix, path))
			return true;
	return false;
}

static bool is_shown(const struct stat *st)
{
	return S_ISREG(st->st_mode) || S_ISDIR(st->st_mode);
}

/* O_PATH descriptor and status of a path. */
static int locate(const struct p9_share *s, const char *path, struct stat *st)
{
	const char *rest = NULL;
	int dirfd = find_dir(s, path, &rest), fd;

	if (dirfd < 0)
		return dirfd;
	fd = beneath(dirfd, rest, O_PATH, 0);
	if (fd < 0)
		return fd;
	if (fstat(fd, st) < 0 || !is_shown(st)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

static void virtual_stat(const char *path, struct stat *st)
{
	uint64_t hash = 14695981039346656037ull; /* FNV-1a */

	for (; *path; path++)
		hash = (hash ^ (uint8_t)*path) * 1099511628211ull;
	memset(st, 0, sizeof(*st));
	st->st_ino = hash | 1ull << 63;
	st->st_mode = S_IFDIR | 0555;
	st->st_nlink = 2;
	st->st_blksize = 4096;
}

int p9fs_stat(const struct p9_share *s, const char *path, struct stat *st)
{
	int fd = locate(s, path, st);

	if (fd >= 0) {
		close(fd);
		return 0;
	}
	if (!is_virtual(s, path))
		return fd;
	virtual_stat(path, st);
	return 0;
}

int p9fs_open(const struct p9_share *s, const char *path, int flags, mode_t mode)
{
	const char *rest = NULL;
	struct stat before, after;
	int dirfd, fd = locate(s, path, &before);

	if (fd >= 0) {
		close(fd);
	} else if (fd != -ENOENT || !(flags & O_CREAT)) {
		if (is_virtual(s, path))
			return flags & O_ACCMODE ? -EISDIR : P9FS_VIRTUAL;
		return fd;
	}
	dirfd = find_dir(s, path, &rest);
	if (dirfd < 0)
		return dirfd;
	/* O_NONBLOCK: whatever took its place meanwhile must not hold us up. */
	fd = beneath(dirfd, rest, flags | O_NONBLOCK | O_NOCTTY, mode);
	if (fd < 0)
		return fd;
	if (fstat(fd, &after) < 0 || !is_shown(&after)) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

/* Descriptor of the folder that holds a path, and the last part of the path. */
static int open_parent(const struct p9_share *s, const char *path, const char **name)
{
	char parent[P9_PATH_MAX];
	const char *slash = strrchr(path, '/');
	struct stat st;
	int fd;

	*name = slash ? slash + 1 : path;
	if (**name == 0)
		return -EBUSY; /* the root itself */
	snprintf(parent, sizeof(parent), "%.*s", slash ? (int)(slash - path) : 0, path);
	fd = locate(s, parent, &st);
	if (fd >= 0 && !S_ISDIR(st.st_mode)) {
		close(fd);
		return -ENOTDIR;
	}
	return fd;
}

int p9fs_mkdir(const struct p9_share *s, const char *path, mode_t mode)
{
	const char *name;
	int fd = open_parent(s, path, &name), r;

	if (fd < 0)
		return fd;
	r = mkdirat(fd, name, mode) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int p9fs_unlink(const struct p9_share *s, const char *path, int flags)
{
	const char *name;
	int fd = open_parent(s, path, &name), r;

	if (fd < 0)
		return fd;
	r = unlinkat(fd, name, flags) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int p9fs_rename(const struct p9_share *s, const char *from, const char *to)
{
	const char *old_name, *new_name;
	int old_fd = open_parent(s, from, &old_name), new_fd, r;

	if (old_fd < 0)
		return old_fd;
	new_fd = open_parent(s, to, &new_name);
	if (new_fd < 0) {
		close(old_fd);
		return new_fd;
	}
	r = renameat(old_fd, old_name, new_fd, new_name) < 0 ? -errno : 0;
	close(old_fd);
	close(new_fd);
	return r;
}

int p9fs_link(const struct p9_share *s, const char *from, const char *to)
{
	const char *old_name, *new_name;
	int old_fd = open_parent(s, from, &old_name), new_fd, r;

	if (old_fd < 0)
		return old_fd;
	new_fd = open_parent(s, to, &new_name);
	if (new_fd < 0) {
		close(old_fd);
		return new_fd;
	}
	r = linkat(old_fd, old_name, new_fd, new_name, 0) < 0 ? -errno : 0;
	close(old_fd);
	close(new_fd);
	return r;
}

/* Down from the link's own folder, and never up: then it leads out of the share from nowhere that
 * it, or a folder with it, may later be moved to. */
static bool leads_down(const char *target)
{
	if (*target == '/' || !*target)
		return false;
	while (*target) {
		size_t n = strcspn(target, "/");

		if (n == 2 && memcmp(target, "..", 2) == 0)
			return false;
		target += n + (target[n] == '/');
	}
	return true;
}

int p9fs_symlink(const struct p9_share *s, const char *target, const char *path)
{
	const char *name;
	int fd, r;

	if (!leads_down(target))
		return -EPERM;
	fd = open_parent(s, path, &name);
	if (fd < 0)
		return fd;
	r = symlinkat(target, fd, name) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int p9fs_utimens(const struct p9_share *s, const char *path, const struct timespec times[2])
{
	struct stat st;
	int fd = locate(s, path, &st), r;

	if (fd < 0)
		return fd;
	r = utimensat(fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
	close(fd);
	return r;
}

int p9fs_statfs(const struct p9_share *s, const char *path, struct statfs *out)
{
	struct stat st;
	int fd = locate(s, path, &st), r;

	if (fd < 0 && is_virtual(s, path)) {
		memset(out, 0, sizeof(*out));
		out->f_bsize = 4096;
		out->f_namelen = 255;
		return 0;
	}
	if (fd < 0)
		return fd;
	r = fstatfs(fd, out) < 0 ? -errno : 0;
	close(fd);
	return r;
}

bool p9fs_virtual_entry(const struct p9_share *s, const char *path, unsigned n, char *name,
			size_t size)
{
	for (unsigned i = 0; i < s->ndirs; i++) {
		const char *rest = through(s->dir[i].prefix, path);

		if (rest && n-- == 0) {
			snprintf(name, size, "%.*s", (int)strcspn(rest, "/"), rest);
			return true;
		}
	}
	return false;
}

int p9fs_join(char *out, const char *path, const char *name)
{
	const char *slash = strrchr(path, '/');
	int n;

	if (strcmp(name, "..") == 0)
		n = snprintf(out, P9_PATH_MAX, "%.*s", slash ? (int)(slash - path) : 0, path);
	else if (strcmp(name, ".") == 0)
		n = snprintf(out, P9_PATH_MAX, "%s", path);
	else
		n = snprintf(out, P9_PATH_MAX, "%s%s%s", path, *path ? "/" : "", name);
	return n < 0 || n >= (int)P9_PATH_MAX ? -ENAMETOOLONG : 0;
}
