/*
 * Private to the 9P server: a request in the making and the client's fids, as p9.c keeps them and
 * p9ops.c works on them.
 */
#ifndef VMM_P9MSG_H
#define VMM_P9MSG_H

#include <limits.h>

#include "vmm/p9.h"
#include "vmm/virtqueue.h"

enum {
	T_STATFS = 8,
	R_LERROR = 7,
	T_LOPEN = 12,
	T_LCREATE = 14,
	T_SYMLINK = 16,
	T_GETATTR = 24,
	T_SETATTR = 26,
	T_XATTRWALK = 30,
	T_READDIR = 40,
	T_FSYNC = 50,
	T_LINK = 70,
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

/* Decoding. Beyond the end of the message: `bad`, and zeroes. */
uint64_t p9_get(struct msg *m, unsigned bytes);
static inline uint32_t get_u32(struct msg *m)
{
	return (uint32_t)p9_get(m, 4);
}
static inline uint64_t get_u64(struct msg *m)
{
	return p9_get(m, 8);
}
/* A string of at most NAME_MAX bytes into out[NAME_MAX + 1]; no NUL inside. */
void p9_get_name(struct msg *m, char *out);

/* Encoding. What does not fit is left out: fixed replies always do; readdir looks before. */
void p9_put(struct msg *m, uint64_t v, unsigned bytes);
void p9_put_string(struct msg *m, const char *s);
void p9_put_qid(struct msg *m, const struct stat *st);

/* Fids. */
struct fid *p9_fid_find(struct p9 *p, uint32_t id);
int p9_fid_add(struct p9 *p, uint32_t id, const char *path);
void p9_fid_remove(struct p9 *p, struct fid *f);
int p9_fid_set_path(struct fid *f, const char *path);

static inline struct fid *get_fid(struct msg *m) /* NULL: no such */
{
	return p9_fid_find(m->p, get_u32(m));
}

/* Handlers of messages that concern fids alone. */
int p9_do_version(struct msg *m);
int p9_do_attach(struct msg *m);
int p9_do_walk(struct msg *m);
int p9_do_clunk(struct msg *m);
int p9_do_flush(struct msg *m);

/* p9ops.c: the handlers by message type. Each decodes, checks, works, encodes: 0 or -errno. */
extern int (*const p9_handlers[T_COUNT])(struct msg *m);

#endif
