/*
 * What each 9P message does: one handler a type, in a table at the end. p9.c has taken the message
 * apart as far as its header and keeps the fids; p9fs.c knows the host's files.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/p9msg.h"

/* The name of something in a folder: no separator, not empty, not "." or "..". */
static void get_entry_name(struct msg *m, char *out)
{
	p9_get_name(m, out);
	if (!*out || strchr(out, '/') || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		m->bad = true;
}

/* Status of a fid: of the open file if it is open, so that it survives its name. */
static int fid_stat(struct p9 *p, const struct fid *f, struct stat *st)
{
	if (f->fd >= 0)
		return fstat(f->fd, st) < 0 ? -errno : 0;
	return p9fs_stat(&p->share, f->path, st);
}
static int open_allowed(struct msg *m, uint32_t flags)
{
	bool writes = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC);

	if ((flags & O_ACCMODE) == O_ACCMODE)
		return -EINVAL;
	return writes && !m->p->share.writable ? -EROFS : 0;
}

static int reply_opened(struct msg *m, struct fid *f)
{
	struct stat st;
	int r = fid_stat(m->p, f, &st);

	if (r < 0)
		return r;
	p9_put_qid(m, &st);
	p9_put(m, 0, 4); /* iounit: msize decides */
	return 0;
}

static int do_lopen(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint32_t flags = get_u32(m);
	int fd, r;

	if (m->bad)
		return -EINVAL;
	if (!f || f->fd != -1)
		return -EBADF;
	r = open_allowed(m, flags);
	if (r < 0)
		return r;
	fd = p9fs_open(&m->p->share, f->path, (int)(flags & OPEN_FLAGS & ~(uint32_t)O_EXCL), 0);
	if (fd < 0 && fd != P9FS_VIRTUAL)
		return fd;
	f->fd = fd;
	f->access = (int)(flags & O_ACCMODE);
	return reply_opened(m, f);
}

static int do_lcreate(struct msg *m)
{
	struct fid *f = get_fid(m);
	char name[NAME_MAX + 1], path[P9_PATH_MAX];
	uint32_t flags, mode;
	int fd, r;

	get_entry_name(m, name);
	flags = get_u32(m);
	mode = get_u32(m);
	if (m->bad)
		return -EINVAL;
	if (!f || f->fd != -1)
		return -EBADF;
	if (!m->p->share.writable)
		return -EROFS;
	r = open_allowed(m, flags);
	if (r == 0)
		r = p9fs_join(path, f->path, name);
	if (r < 0)
		return r;
	fd = p9fs_open(&m->p->share, path,
		       (int)(flags & OPEN_FLAGS & ~(uint32_t)O_DIRECTORY) | O_CREAT, mode & 0777);
	if (fd < 0)
		return fd == P9FS_VIRTUAL ? -EISDIR : fd;
	r = p9_fid_set_path(f, path);
	if (r < 0) {
		close(fd);
		return r;
	}
	f->fd = fd;
	f->access = (int)(flags & O_ACCMODE);
	return reply_opened(m, f);
}

static int do_getattr(struct msg *m)
{
	struct fid *f = get_fid(m);
	struct stat st;
	int r;

	get_u64(m);
	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	r = fid_stat(m->p, f, &st);
	if (r < 0)
		return r;
	p9_put(m, GOT_BASIC, 8);
	p9_put_qid(m, &st);
	p9_put(m, st.st_mode, 4);
	p9_put(m, st.st_uid, 4);
	p9_put(m, st.st_gid, 4);
	p9_put(m, st.st_nlink, 8);
	p9_put(m, st.st_rdev, 8);
	p9_put(m, (uint64_t)st.st_size, 8);
	p9_put(m, (uint64_t)st.st_blksize, 8);
	p9_put(m, (uint64_t)st.st_blocks, 8);
	p9_put(m, (uint64_t)st.st_atim.tv_sec, 8);
	p9_put(m, (uint64_t)st.st_atim.tv_nsec, 8);
	p9_put(m, (uint64_t)st.st_mtim.tv_sec, 8);
	p9_put(m, (uint64_t)st.st_mtim.tv_nsec, 8);
	p9_put(m, (uint64_t)st.st_ctim.tv_sec, 8);
	p9_put(m, (uint64_t)st.st_ctim.tv_nsec, 8);
	for (unsigned i = 0; i < 4; i++) /* btime, gen, data_version: not known */
		p9_put(m, 0, 8);
	return 0;
}

static int set_size(struct msg *m, struct fid *f, uint64_t size)
{
	int fd = f->fd, r;

	if (size > INT64_MAX)
		return -EFBIG;
	if (fd < 0 || f->access == O_RDONLY)
		fd = p9fs_open(&m->p->share, f->path, O_WRONLY, 0);
	if (fd < 0)
		return fd == P9FS_VIRTUAL ? -EISDIR : fd;
	r = ftruncate(fd, (off_t)size) < 0 ? -errno : 0;
	if (fd != f->fd)
		close(fd);
	return r;
}

static int set_mode(struct msg *m, struct fid *f, uint32_t mode)
{
	int fd = f->fd >= 0 ? f->fd : p9fs_open(&m->p->share, f->path, O_RDONLY, 0), r;

	if (fd < 0)
		return fd == P9FS_VIRTUAL ? -EROFS : fd;
	r = fchmod(fd, mode & 0777) < 0 ? -errno : 0;
	if (fd != f->fd)
		close(fd);
	return r;
}

static struct timespec time_for(uint32_t valid, uint32_t set, uint32_t to, uint64_t sec,
				uint64_t nsec)
{
	if (!(valid & set))
		return (struct timespec){0, UTIME_OMIT};
	if (!(valid & to))
		return (struct timespec){0, UTIME_NOW};
	return (struct timespec){(time_t)sec, nsec < 1000000000u ? (long)nsec : 0};
}

static int do_setattr(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint32_t valid = get_u32(m), mode = get_u32(m);
	uint64_t size, t[4];
	int r = 0;

	get_u64(m); /* uid, gid */
	size = get_u64(m);
	for (unsigned i = 0; i < 4; i++)
		t[i] = get_u64(m);
	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	if (!m->p->share.writable)
		return -EROFS;
	if (valid & (SET_UID | SET_GID))
		return -EPERM;
	if (valid & SET_MODE)
		r = set_mode(m, f, mode);
	if (r == 0 && (valid & SET_SIZE))
		r = set_size(m, f, size);
	if (r == 0 && (valid & (SET_ATIME | SET_MTIME))) {
		const struct timespec times[2] = {
		    time_for(valid, SET_ATIME, SET_ATIME_TO, t[0], t[1]),
		    time_for(valid, SET_MTIME, SET_MTIME_TO, t[2], t[3])};

		r = p9fs_utimens(&m->p->share, f->path, times);
	}
	return r;
}

/* Reads straight into the client's buffers, behind the reply's header and count. */
static int do_read(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint64_t offset = get_u64(m);
	uint32_t count = get_u32(m);
	ssize_t n;

	if (m->bad || offset > INT64_MAX)
		return -EINVAL;
	if (!f || f->fd < 0 || f->access == O_WRONLY)
		return -EBADF;
	if (count > m->p->msize - HEADER - 4)
		count = m->p->msize - HEADER - 4;
	iov_limit(m->data, &m->ndata, count);
	do
		n = m->ndata ? preadv(f->fd, m->data, (int)m->ndata, (off_t)offset) : 0;
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	m->data_done = true;
	m->direct = (uint32_t)n;
	p9_put(m, m->direct, 4);
	return 0;
}

static int do_write(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint64_t offset = get_u64(m);
	uint32_t count = get_u32(m), done = 0;

	if (m->bad || offset > INT64_MAX - UINT32_MAX)
		return -EINVAL;
	if (!f || f->fd < 0 || f->access == O_RDONLY)
		return -EBADF;
	while (m->ndata > 0) {
		ssize_t n = pwritev(f->fd, m->data, (int)m->ndata, (off_t)(offset + done));
		size_t left;

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && done == 0)
			return -errno;
		if (n <= 0)
			break;
		done += (uint32_t)n;
		for (left = (size_t)n; left > 0;) {
			size_t cut = left < m->data->iov_len ? left : m->data->iov_len;

			m->data->iov_base = (char *)m->data->iov_base + cut;
			m->data->iov_len -= cut;
			left -= cut;
			if (m->data->iov_len == 0) {
				m->data++;
				m->ndata--;
			}
		}
	}
	p9_put(m, done < count ? done : count, 4);
	return 0;
}

/* Adds one folder entry to a readdir reply; false: no room. Things that are not shown are skipped.
 */
static bool put_entry(struct msg *m, const struct fid *f, const char *name, uint64_t next,
		      uint32_t limit)
{
	char path[P9_PATH_MAX];
	struct stat st;

	if (m->out_len + 13 + 8 + 1 + 2 + strlen(name) > limit)
		return false;
	if (p9fs_join(path, f->path, name) < 0 || p9fs_stat(&m->p->share, path, &st) < 0)
		return true;
	p9_put_qid(m, &st);
	p9_put(m, next, 8);
	p9_put(m, S_ISDIR(st.st_mode) ? DT_DIR : DT_REG, 1);
	p9_put_string(m, name);
	return true;
}

static void list_virtual(struct msg *m, struct fid *f, uint64_t offset, uint32_t limit)
{
	char name[NAME_MAX + 1];

	for (uint64_t n = offset;
	     n < P9_MAX_DIRS &&
	     p9fs_virtual_entry(&m->p->share, f->path, (unsigned)n, name, sizeof(name));
	     n++)
		if (!put_entry(m, f, name, n + 1, limit))
			return;
}

struct dirent64_head {
	uint64_t ino;
	int64_t off;
	uint16_t reclen;
	uint8_t type;
	char name[];
};

static int list_folder(struct msg *m, struct fid *f, uint64_t offset, uint32_t limit)
{
	_Alignas(8) char buf[4096];
	uint32_t start = m->out_len;

	if (lseek(f->fd, (off_t)offset, SEEK_SET) < 0)
		return -errno;
	for (;;) {
		long n = syscall(SYS_getdents64, f->fd, buf, sizeof(buf));

		if (n < 0)
			return m->out_len > start ? 0 : -errno;
		if (n == 0)
			return 0;
		for (long at = 0; at < n;) {
			const struct dirent64_head *e = (const void *)(buf + at);

			if (!put_entry(m, f, e->name, (uint64_t)e->off, limit))
				return m->out_len > start ? 0 : -EINVAL;
			at += e->reclen;
		}
	}
}

static int do_readdir(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint64_t offset = get_u64(m);
	uint32_t count = get_u32(m), count_at = m->out_len, limit;
	int r = 0;

	if (m->bad || offset > INT64_MAX)
		return -EINVAL;
	if (!f || f->fd == -1)
		return -EBADF;
	p9_put(m, 0, 4);
	limit = m->out_max - m->out_len < count ? m->out_max : m->out_len + count;
	if (f->fd == P9FS_VIRTUAL)
		list_virtual(m, f, offset, limit);
	else
		r = list_folder(m, f, offset, limit);
	count = m->out_len - count_at - 4;
	for (unsigned i = 0; i < 4; i++)
		m->out[count_at + i] = (uint8_t)(count >> 8 * i);
	return r;
}

static int do_statfs(struct msg *m)
{
	struct fid *f = get_fid(m);
	struct statfs s;
	int r;

	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	r = p9fs_statfs(&m->p->share, f->path, &s);
	if (r < 0)
		return r;
	p9_put(m, (uint64_t)s.f_type, 4);
	p9_put(m, (uint64_t)s.f_bsize, 4);
	p9_put(m, s.f_blocks, 8);
	p9_put(m, s.f_bfree, 8);
	p9_put(m, s.f_bavail, 8);
	p9_put(m, s.f_files, 8);
	p9_put(m, s.f_ffree, 8);
	p9_put(m, 0, 8);
	p9_put(m, (uint64_t)s.f_namelen, 4);
	return 0;
}

static int do_fsync(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint32_t data_only = m->left >= 4 ? get_u32(m) : 0;

	if (m->bad)
		return -EINVAL;
	if (!f || f->fd == -1)
		return -EBADF;
	if (f->fd == P9FS_VIRTUAL)
		return 0;
	return (data_only ? fdatasync(f->fd) : fsync(f->fd)) < 0 ? -errno : 0;
}

/* Path of an entry, for the calls that change a folder. */
static int entry_path(struct msg *m, struct fid *dir, const char *name, char *path)
{
	if (m->bad)
		return -EINVAL;
	if (!dir)
		return -EBADF;
	if (!m->p->share.writable)
		return -EROFS;
	return p9fs_join(path, dir->path, name);
}

static int do_mkdir(struct msg *m)
{
	struct fid *dir = get_fid(m);
	char name[NAME_MAX + 1], path[P9_PATH_MAX];
	struct stat st;
	uint32_t mode;
	int r;

	get_entry_name(m, name);
	mode = get_u32(m);
	r = entry_path(m, dir, name, path);
	if (r == 0)
		r = p9fs_mkdir(&m->p->share, path, mode & 0777);
	if (r == 0)
		r = p9fs_stat(&m->p->share, path, &st);
	if (r == 0)
		p9_put_qid(m, &st);
	return r;
}

static int do_unlinkat(struct msg *m)
{
	struct fid *dir = get_fid(m);
	char name[NAME_MAX + 1], path[P9_PATH_MAX];
	uint32_t flags;
	int r;

	get_entry_name(m, name);
	flags = get_u32(m);
	if (flags & ~(uint32_t)AT_REMOVEDIR)
		m->bad = true;
	r = entry_path(m, dir, name, path);
	return r ? r : p9fs_unlink(&m->p->share, path, (int)flags);
}

static int do_remove(struct msg *m)
{
	struct fid *f = get_fid(m);
	struct stat st;
	int r;

	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	r = m->p->share.writable ? p9fs_stat(&m->p->share, f->path, &st) : -EROFS;
	if (r == 0)
		r = p9fs_unlink(&m->p->share, f->path, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	p9_fid_remove(m->p, f); /* whether it went or not */
	return r;
}

/* After a rename: fids at or below the old name follow. */
static void move_fids(struct p9 *p, const char *from, const char *to)
{
	size_t n = strlen(from);

	for (unsigned i = 0; i < BUCKETS; i++)
		for (struct fid *f = p->bucket[i]; f; f = f->next) {
			char path[2 * P9_PATH_MAX];

			if (strncmp(f->path, from, n) != 0 || (f->path[n] && f->path[n] != '/'))
				continue;
			strcpy(path, to);
			strcat(path, f->path + n);
			if (strlen(path) < P9_PATH_MAX)
				p9_fid_set_path(f, path);
		}
}

static int do_renameat(struct msg *m)
{
	struct fid *from_dir = get_fid(m), *to_dir;
	char name[NAME_MAX + 1], from[P9_PATH_MAX], to[P9_PATH_MAX];
	int r;

	get_entry_name(m, name);
	r = entry_path(m, from_dir, name, from);
	if (r < 0)
		return r;
	to_dir = get_fid(m);
	get_entry_name(m, name);
	r = entry_path(m, to_dir, name, to);
	if (r == 0)
		r = p9fs_rename(&m->p->share, from, to);
	if (r == 0)
		move_fids(m->p, from, to);
	return r;
}

static int do_link(struct msg *m)
{
	struct fid *dir = get_fid(m), *f = get_fid(m);
	char name[NAME_MAX + 1], path[P9_PATH_MAX];
	int r;

	get_entry_name(m, name);
	r = entry_path(m, dir, name, path);
	if (r == 0 && !f)
		r = -EBADF;
	return r ? r : p9fs_link(&m->p->share, f->path, path);
}

static int do_symlink(struct msg *m)
{
	struct fid *dir = get_fid(m);
	char name[NAME_MAX + 1], target[NAME_MAX + 1], path[P9_PATH_MAX];
	struct stat st = {.st_mode = S_IFLNK}; /* a link is never shown: its qid means nothing */
	int r;

	get_entry_name(m, name);
	p9_get_name(m, target);
	r = entry_path(m, dir, name, path);
	if (r == 0)
		r = p9fs_symlink(&m->p->share, target, path);
	if (r == 0)
		p9_put_qid(m, &st);
	return r;
}

static int do_unsupported(struct msg *m)
{
	(void)m;
	return -EOPNOTSUPP;
}
int (*const p9_handlers[T_COUNT])(struct msg *m) = {
    [T_STATFS] = do_statfs,	[T_LOPEN] = do_lopen,	    [T_LCREATE] = do_lcreate,
    [T_GETATTR] = do_getattr,	[T_SETATTR] = do_setattr,   [T_XATTRWALK] = do_unsupported,
    [T_READDIR] = do_readdir,	[T_FSYNC] = do_fsync,	    [T_MKDIR] = do_mkdir,
    [T_RENAMEAT] = do_renameat, [T_UNLINKAT] = do_unlinkat, [T_VERSION] = p9_do_version,
    [T_ATTACH] = p9_do_attach,	[T_FLUSH] = p9_do_flush,    [T_WALK] = p9_do_walk,
    [T_READ] = do_read,		[T_WRITE] = do_write,	    [T_CLUNK] = p9_do_clunk,
    [T_REMOVE] = do_remove,	[T_LINK] = do_link,	    [T_SYMLINK] = do_symlink,
};
