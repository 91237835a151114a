/*
 * 9P2000.L messages. One row a message type; a handler decodes its fields from a private copy of
 * the message, checks them, works, and encodes the reply. Data of reads and writes goes straight
 * between the host's file and the client's buffers.
 *
 * A decoder that runs off the end of the message sets `bad`, gives zeroes from then on, and the
 * request is answered with EINVAL; handlers look before they act. Any handler may return -errno,
 * which becomes Rlerror.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vmm/p9.h"
#include "vmm/virtqueue.h"

enum {
	T_STATFS = 8,
	R_LERROR = 7,
	T_LOPEN = 12,
	T_LCREATE = 14,
	T_GETATTR = 24,
	T_SETATTR = 26,
	T_XATTRWALK = 30,
	T_READDIR = 40,
	T_FSYNC = 50,
	T_MKDIR = 72,
	T_RENAMEAT = 74,
	T_UNLINKAT = 76,
	T_VERSION = 100,
	T_ATTACH = 104,
	T_FLUSH = 108,
	T_WALK = 110,
	T_READ = 116,
	T_WRITE = 118,
	T_CLUNK = 120,
	T_REMOVE = 122,
	T_COUNT = 124
};

#define HEADER	     7u
#define MAX_BODY     (20u << 10) /* the longest message without data: a walk by 16 long names */
#define REPLY_BYTES  (64u << 10)
#define WRITE_FIXED  16u /* fid, offset, count */
#define MAX_WALK     16
#define BUCKETS	     256u
#define QID_DIR	     0x80
#define QID_FILE     0
#define SET_MODE     0x001u /* Tsetattr: valid */
#define SET_UID	     0x002u
#define SET_GID	     0x004u
#define SET_SIZE     0x008u
#define SET_ATIME    0x010u
#define SET_MTIME    0x020u
#define SET_ATIME_TO 0x080u
#define SET_MTIME_TO 0x100u
#define GOT_BASIC    0x7ffu /* Tgetattr: the fields a stat has */
#define OPEN_FLAGS   (O_ACCMODE | O_TRUNC | O_APPEND | O_EXCL | O_DIRECTORY)

struct fid {
	uint32_t id;
	struct fid *next;
	int fd; /* -1: not open; P9FS_VIRTUAL: a virtual folder, open */
	int access;
	char *path;
};

struct p9 {
	struct p9_share share;
	uint32_t msize;
	unsigned nfids;
	struct fid *bucket[BUCKETS];
	uint8_t body[MAX_BODY];
	uint8_t reply[REPLY_BYTES];
};

/* One request while it is worked on. */
struct msg {
	struct p9 *p;
	const uint8_t *in; /* what is left of the body */
	uint32_t left;
	bool bad;
	uint8_t *out;
	uint32_t out_len, out_max;
	struct iovec *data; /* read: room for data; write: the data */
	unsigned ndata;
	bool data_done; /* a read put `direct` bytes into the client's buffers */
	uint32_t direct;
};

/* ---- decoding and encoding ---- */

static uint64_t get_int(struct msg *m, unsigned bytes)
{
	uint64_t v = 0;

	if (m->left < bytes) {
		m->bad = true;
		m->left = 0;
		return 0;
	}
	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)m->in[i] << 8 * i;
	m->in += bytes;
	m->left -= bytes;
	return v;
}

static uint32_t get_u32(struct msg *m)
{
	return (uint32_t)get_int(m, 4);
}

static uint64_t get_u64(struct msg *m)
{
	return get_int(m, 8);
}

/* A string of at most NAME_MAX bytes into out[NAME_MAX + 1]; no NUL inside. */
static void get_name(struct msg *m, char *out)
{
	uint32_t n = (uint32_t)get_int(m, 2);

	out[0] = 0;
	if (n > m->left || n > NAME_MAX || memchr(m->in, 0, n)) {
		m->bad = true;
		return;
	}
	memcpy(out, m->in, n);
	out[n] = 0;
	m->in += n;
	m->left -= n;
}

/* The name of something in a folder: no separator, not empty, not "." or "..". */
static void get_entry_name(struct msg *m, char *out)
{
	get_name(m, out);
	if (!*out || strchr(out, '/') || strcmp(out, ".") == 0 || strcmp(out, "..") == 0)
		m->bad = true;
}

static void put_int(struct msg *m, uint64_t v, unsigned bytes)
{
	if (m->out_max - m->out_len < bytes)
		return; /* fixed replies always fit; readdir looks before */
	for (unsigned i = 0; i < bytes; i++)
		m->out[m->out_len++] = (uint8_t)(v >> 8 * i);
}

static void put_string(struct msg *m, const char *s)
{
	size_t n = strlen(s);

	put_int(m, n, 2);
	if (m->out_max - m->out_len >= n) {
		memcpy(m->out + m->out_len, s, n);
		m->out_len += (uint32_t)n;
	}
}

static void put_qid(struct msg *m, const struct stat *st)
{
	uint64_t version = (uint64_t)st->st_mtim.tv_sec ^ (uint64_t)st->st_mtim.tv_nsec << 8 ^
			   (uint64_t)st->st_size;

	put_int(m, S_ISDIR(st->st_mode) ? QID_DIR : QID_FILE, 1);
	put_int(m, version & 0xffffffffu, 4);
	put_int(m, st->st_ino ^ (uint64_t)st->st_dev << 48, 8);
}

/* ---- fids ---- */

static struct fid *fid_find(struct p9 *p, uint32_t id)
{
	struct fid *f = p->bucket[id % BUCKETS];

	while (f && f->id != id)
		f = f->next;
	return f;
}

static int fid_add(struct p9 *p, uint32_t id, const char *path)
{
	struct fid *f;

	if (fid_find(p, id))
		return -EBADF;
	if (p->nfids == P9_MAX_FIDS)
		return -EMFILE;
	f = malloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	f->path = strdup(path);
	if (!f->path) {
		free(f);
		return -ENOMEM;
	}
	f->id = id;
	f->fd = -1;
	f->access = 0;
	f->next = p->bucket[id % BUCKETS];
	p->bucket[id % BUCKETS] = f;
	p->nfids++;
	return 0;
}

static void fid_remove(struct p9 *p, struct fid *f)
{
	struct fid **at = &p->bucket[f->id % BUCKETS];

	while (*at != f)
		at = &(*at)->next;
	*at = f->next;
	if (f->fd >= 0)
		close(f->fd);
	free(f->path);
	free(f);
	p->nfids--;
}

static int fid_set_path(struct fid *f, const char *path)
{
	char *copy = strdup(path);

	if (!copy)
		return -ENOMEM;
	free(f->path);
	f->path = copy;
	return 0;
}

/* Decodes a fid and finds it; NULL sets bad fields to be answered with EBADF by the caller. */
static struct fid *get_fid(struct msg *m)
{
	return fid_find(m->p, get_u32(m));
}

void p9_reset(struct p9 *p)
{
	for (unsigned i = 0; i < BUCKETS; i++)
		while (p->bucket[i])
			fid_remove(p, p->bucket[i]);
	p->msize = P9_MSIZE_MIN;
}

/* Status of a fid: of the open file if it is open, so that it survives its name. */
static int fid_stat(struct p9 *p, const struct fid *f, struct stat *st)
{
	if (f->fd >= 0)
		return fstat(f->fd, st) < 0 ? -errno : 0;
	return p9fs_stat(&p->share, f->path, st);
}

/* ---- handlers ---- */

static int do_version(struct msg *m)
{
	uint32_t msize = get_u32(m);
	char version[NAME_MAX + 1];

	get_name(m, version);
	if (m->bad || msize < P9_MSIZE_MIN)
		return -EINVAL;
	p9_reset(m->p);
	m->p->msize = msize < P9_MSIZE_MAX ? msize : P9_MSIZE_MAX;
	put_int(m, m->p->msize, 4);
	put_string(m, strcmp(version, "9P2000.L") == 0 ? "9P2000.L" : "unknown");
	return 0;
}

static int do_attach(struct msg *m)
{
	uint32_t id = get_u32(m);
	struct stat st;
	int r;

	if (m->bad)
		return -EINVAL;
	r = p9fs_stat(&m->p->share, "", &st);
	if (r == 0)
		r = fid_add(m->p, id, "");
	if (r == 0)
		put_qid(m, &st);
	return r;
}

static int do_walk(struct msg *m)
{
	struct fid *f = get_fid(m);
	uint32_t id = get_u32(m), n = (uint32_t)get_int(m, 2), count_at = m->out_len, done = 0;
	char path[2][P9_PATH_MAX], name[NAME_MAX + 1];
	struct stat st;
	int r = 0;

	if (m->bad || n > MAX_WALK)
		return -EINVAL;
	if (!f || (id != f->id && fid_find(m->p, id)))
		return -EBADF;
	if (f->fd != -1)
		return -EBUSY; /* an open fid cannot be walked */
	strcpy(path[0], f->path);
	put_int(m, 0, 2);
	while (done < n) {
		const char *from = path[done & 1];
		char *to = path[~done & 1];

		get_name(m, name);
		if (m->bad || !*name || strchr(name, '/'))
			r = -EINVAL;
		else
			r = p9fs_join(to, from, name);
		if (r == 0)
			r = p9fs_stat(&m->p->share, to, &st);
		if (r < 0)
			break;
		put_qid(m, &st);
		done++;
	}
	if (r < 0 && done == 0)
		return r;
	m->out[count_at] = (uint8_t)done;
	if (done < n)
		return 0; /* part of the way: the new fid is not made */
	return id == f->id ? fid_set_path(f, path[n & 1]) : fid_add(m->p, id, path[n & 1]);
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
	put_qid(m, &st);
	put_int(m, 0, 4); /* iounit: msize decides */
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
	r = fid_set_path(f, path);
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
	put_int(m, GOT_BASIC, 8);
	put_qid(m, &st);
	put_int(m, st.st_mode, 4);
	put_int(m, st.st_uid, 4);
	put_int(m, st.st_gid, 4);
	put_int(m, st.st_nlink, 8);
	put_int(m, st.st_rdev, 8);
	put_int(m, (uint64_t)st.st_size, 8);
	put_int(m, (uint64_t)st.st_blksize, 8);
	put_int(m, (uint64_t)st.st_blocks, 8);
	put_int(m, (uint64_t)st.st_atim.tv_sec, 8);
	put_int(m, (uint64_t)st.st_atim.tv_nsec, 8);
	put_int(m, (uint64_t)st.st_mtim.tv_sec, 8);
	put_int(m, (uint64_t)st.st_mtim.tv_nsec, 8);
	put_int(m, (uint64_t)st.st_ctim.tv_sec, 8);
	put_int(m, (uint64_t)st.st_ctim.tv_nsec, 8);
	for (unsigned i = 0; i < 4; i++) /* btime, gen, data_version: not known */
		put_int(m, 0, 8);
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
	put_int(m, m->direct, 4);
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
	put_int(m, done < count ? done : count, 4);
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
	put_qid(m, &st);
	put_int(m, next, 8);
	put_int(m, S_ISDIR(st.st_mode) ? DT_DIR : DT_REG, 1);
	put_string(m, name);
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
	put_int(m, 0, 4);
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
	put_int(m, (uint64_t)s.f_type, 4);
	put_int(m, (uint64_t)s.f_bsize, 4);
	put_int(m, s.f_blocks, 8);
	put_int(m, s.f_bfree, 8);
	put_int(m, s.f_bavail, 8);
	put_int(m, s.f_files, 8);
	put_int(m, s.f_ffree, 8);
	put_int(m, 0, 8);
	put_int(m, (uint64_t)s.f_namelen, 4);
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
		put_qid(m, &st);
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
	fid_remove(m->p, f); /* whether it went or not */
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
				fid_set_path(f, path);
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

static int do_clunk(struct msg *m)
{
	struct fid *f = get_fid(m);

	if (m->bad)
		return -EINVAL;
	if (!f)
		return -EBADF;
	fid_remove(m->p, f);
	return 0;
}

/* Requests are done one after the other: what is to be flushed is done already. */
static int do_flush(struct msg *m)
{
	(void)m;
	return 0;
}

static int do_unsupported(struct msg *m)
{
	(void)m;
	return -EOPNOTSUPP;
}

static int (*const handlers[T_COUNT])(struct msg *m) = {
    [T_STATFS] = do_statfs,	[T_LOPEN] = do_lopen,	    [T_LCREATE] = do_lcreate,
    [T_GETATTR] = do_getattr,	[T_SETATTR] = do_setattr,   [T_XATTRWALK] = do_unsupported,
    [T_READDIR] = do_readdir,	[T_FSYNC] = do_fsync,	    [T_MKDIR] = do_mkdir,
    [T_RENAMEAT] = do_renameat, [T_UNLINKAT] = do_unlinkat, [T_VERSION] = do_version,
    [T_ATTACH] = do_attach,	[T_FLUSH] = do_flush,	    [T_WALK] = do_walk,
    [T_READ] = do_read,		[T_WRITE] = do_write,	    [T_CLUNK] = do_clunk,
    [T_REMOVE] = do_remove,
};

/* ---- a request ---- */

struct header {
	uint32_t size;
	uint8_t type;
	uint16_t tag;
};

static void put_header(uint8_t *out, uint32_t size, uint8_t type, uint16_t tag)
{
	const uint8_t bytes[HEADER] = {
	    (uint8_t)size, (uint8_t)(size >> 8), (uint8_t)(size >> 16), (uint8_t)(size >> 24),
	    type,	   (uint8_t)tag,	 (uint8_t)(tag >> 8)};

	memcpy(out, bytes, HEADER);
}

static uint64_t iov_bytes(const struct iovec *iov, unsigned n)
{
	uint64_t total = 0;

	for (unsigned i = 0; i < n; i++)
		total += iov[i].iov_len;
	return total;
}

/* Splits a copy of an iovec array after `skip` bytes: what is behind them. */
static unsigned iov_behind(struct iovec *copy, const struct iovec *iov, unsigned n, size_t skip)
{
	unsigned out = 0;

	for (unsigned i = 0; i < n; i++) {
		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		copy[out].iov_base = (char *)iov[i].iov_base + skip;
		copy[out++].iov_len = iov[i].iov_len - skip;
		skip = 0;
	}
	return out;
}

/* Takes the message apart: header, body into p->body, write data left in place. */
static int decode(struct msg *m, struct header *h, struct iovec **out, unsigned *nout)
{
	uint64_t total = iov_bytes(*out, *nout);
	uint8_t head[HEADER];
	uint32_t body;

	if (iov_take(out, nout, head, HEADER) < HEADER)
		return -EPROTO;
	h->size = head[0] | head[1] << 8 | head[2] << 16 | (uint32_t)head[3] << 24;
	h->type = head[4];
	h->tag = (uint16_t)(head[5] | head[6] << 8);
	if (h->size < HEADER || h->size > total || h->size > m->p->msize)
		return -EINVAL;
	body = h->size - HEADER;
	if (h->type == T_WRITE) {
		uint32_t data;

		if (body < WRITE_FIXED)
			return -EINVAL;
		data = body - WRITE_FIXED;
		body = WRITE_FIXED;
		iov_take(out, nout, m->p->body, body);
		iov_limit(*out, nout, data);
		m->data = *out;
		m->ndata = *nout;
		memcpy(&body, m->p->body + 12, 4);
		if (body != data)
			return -EINVAL;
		body = WRITE_FIXED;
	} else {
		if (body > MAX_BODY)
			return -EINVAL;
		iov_take(out, nout, m->p->body, body);
	}
	m->in = m->p->body;
	m->left = body;
	return 0;
}

int p9_request(struct p9 *p, struct iovec *out, unsigned nout, struct iovec *in, unsigned nin)
{
	uint64_t room = iov_bytes(in, nin);
	struct msg m = {.p = p, .out = p->reply, .out_len = HEADER};
	struct iovec behind[VIRTQ_MAX_SIZE];
	struct header h = {0};
	uint8_t type;
	int r;

	if (room < HEADER + 4 || nin > VIRTQ_MAX_SIZE)
		return -EPROTO;
	m.out_max = room < REPLY_BYTES ? (uint32_t)room : REPLY_BYTES;
	if (m.out_max > p->msize)
		m.out_max = p->msize;
	r = decode(&m, &h, &out, &nout);
	if (r == -EPROTO)
		return r;
	if (h.type == T_READ) {
		m.ndata = iov_behind(behind, in, nin, HEADER + 4);
		m.data = behind;
	}
	if (r == 0) {
		if (h.type < T_COUNT && handlers[h.type])
			r = handlers[h.type](&m);
		else
			r = -EOPNOTSUPP;
	}
	type = (uint8_t)(h.type + 1);
	if (r < 0) {
		m.out_len = HEADER;
		m.direct = 0;
		put_int(&m, (uint32_t)-r, 4);
		type = R_LERROR;
	}
	put_header(m.out, m.out_len + m.direct, type, h.tag);
	iov_put(&in, &nin, m.out, m.out_len);
	return (int)(m.out_len + m.direct);
}

struct p9 *p9_create(const struct p9_share *share)
{
	struct p9 *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->share = *share;
	p->msize = P9_MSIZE_MIN;
	return p;
}

void p9_destroy(struct p9 *p)
{
	if (!p)
		return;
	p9_reset(p);
	free(p);
}
