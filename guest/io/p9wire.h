/*
 * p9wire: the bytes of 9P2000.L messages (Linux Documentation/filesystems/9p, diod's protocol.md).
 *
 * A cursor over a buffer. Writing past the end, or reading past it, sets `bad` and does nothing
 * else, so a whole message is made or taken apart without a check a field, and `bad` looked at
 * once. Pure: no kernel services.
 */
#ifndef NTMM_IO_P9WIRE_H
#define NTMM_IO_P9WIRE_H

#include "guest/ke/types.h"

enum p9_type {
	P9_LERROR = 7,
	P9_STATFS = 8,
	P9_LOPEN = 12,
	P9_LCREATE = 14,
	P9_SYMLINK = 16,
	P9_GETATTR = 24,
	P9_SETATTR = 26,
	P9_READDIR = 40,
	P9_FSYNC = 50,
	P9_LINK = 70,
	P9_MKDIR = 72,
	P9_RENAMEAT = 74,
	P9_UNLINKAT = 76,
	P9_VERSION = 100,
	P9_ATTACH = 104,
	P9_WALK = 110,
	P9_READ = 116,
	P9_WRITE = 118,
	P9_CLUNK = 120,
}; /* requests; a reply has the number + 1 */

#define P9_NOTAG       0xffffu
#define P9_NOFID       0xffffffffu
#define P9_HEADER      7  /* size[4] type[1] tag[2] */
#define P9_IO_HEADER   11 /* Rread, Rwrite, Rreaddir: header and count[4] */
#define P9_ERROR_BYTES 11 /* Rlerror */
#define P9_MAX_WALK    16
#define P9_QTDIR       0x80
#define P9_QTSYMLINK   0x02

struct p9_qid {
	u8 type;
	u32 version;
	u64 path;
};

struct p9_cursor {
	u8 *base;
	u32 size, at;
	bool bad;
};

void p9_cursor_init(struct p9_cursor *c, void *base, u32 size);
void p9_put(struct p9_cursor *c, u64 value, u32 bytes);
void p9_put_bytes(struct p9_cursor *c, const void *p, u32 bytes);
void p9_put_string(struct p9_cursor *c, const char *s, u32 bytes);
u64 p9_get(struct p9_cursor *c, u32 bytes);
struct p9_qid p9_get_qid(struct p9_cursor *c);
/* The string lies in the buffer and is not NUL-terminated. NULL when bad. */
const char *p9_get_string(struct p9_cursor *c, u32 *bytes);

struct p9_attr {
	struct p9_qid qid;
	u32 mode, links;
	u64 size, blocks;		/* of 512 bytes */
	s64 atime, mtime, ctime, btime; /* nanoseconds since 1970 */
	bool has_btime;
};
void p9_get_attr(struct p9_cursor *c, struct p9_attr *a);

struct p9_dirent {
	struct p9_qid qid;
	u64 next_offset;
	u8 type; /* DT_* of Linux */
	const char *name;
	u32 name_bytes;
};
/* False at the end, and when the rest is malformed (c->bad). */
bool p9_get_dirent(struct p9_cursor *c, struct p9_dirent *d);

/* Checks a reply's header: its size against what arrived, its type, its tag. On true the cursor
 * stands behind the header; *error is the host's errno or 0. */
bool p9_get_header(struct p9_cursor *c, u32 arrived, u8 request_type, u16 tag, u32 *error);

#endif
