/*
 * p9: the host's folders, one 9P2000.L session a drive letter.
 *
 * Calls block their thread only, many threads may call at once; none allocates memory, so paging
 * may use them. Errors are NTSTATUS (from the host's errno). => PASSIVE_LEVEL
 */
#ifndef NTMM_IO_P9_H
#define NTMM_IO_P9_H

#include "guest/io/p9wire.h"
#include "guest/io/virtio.h"

struct p9_session;

char p9_letter(const struct p9_session *s); /* 'A'..'Z' */
struct p9_session *p9_drive(char letter);   /* NULL: no such drive */
#define P9_ROOT_FID 0
struct p9_qid p9_root(const struct p9_session *s);

/* A name or relative path piece in the host's UTF-8. */
struct p9_name {
	const char *text;
	u32 bytes;
};

/* A new fid number, P9_NOFID when there is none left; p9_clunk() frees it. */
u32 p9_new_fid(struct p9_session *s);
/* newfid (from p9_new_fid) = fid/name[0]/...; on failure newfid is free again, and *walked tells
 * how many names were found. *qid is the last one's (untouched when n is 0). */
NTSTATUS p9_walk(struct p9_session *s, u32 fid, u32 newfid, const struct p9_name *name, u32 n,
		 u32 *walked, struct p9_qid *qid);
void p9_clunk(struct p9_session *s, u32 fid);
/* The same for a fid that is not open, at no cost of its own: the host hears of it with the next
 * request. */
void p9_clunk_later(struct p9_session *s, u32 fid);
NTSTATUS p9_getattr(struct p9_session *s, u32 fid, struct p9_attr *a);

#define P9_SET_MODE  0x001u
#define P9_SET_SIZE  0x008u
#define P9_SET_ATIME 0x090u /* to the value given */
#define P9_SET_MTIME 0x120u
NTSTATUS p9_setattr(struct p9_session *s, u32 fid, u32 valid, const struct p9_attr *a);

#define P9_RDONLY    0u
#define P9_WRONLY    1u
#define P9_RDWR	     2u
#define P9_CREAT     0100u
#define P9_EXCL	     0200u
#define P9_DIRECTORY 0200000u
NTSTATUS p9_open(struct p9_session *s, u32 fid, u32 flags);
/* Makes the file in the folder `fid`, which then is the open new file. */
NTSTATUS p9_create(struct p9_session *s, u32 fid, struct p9_name name, u32 flags, u32 mode,
		   struct p9_qid *qid);
NTSTATUS p9_mkdir(struct p9_session *s, u32 fid, struct p9_name name, u32 mode);
NTSTATUS p9_rename(struct p9_session *s, u32 from, struct p9_name old, u32 to, struct p9_name new);
/* One more name, in the folder `to`, for the file of fid `from`. */
NTSTATUS p9_link(struct p9_session *s, u32 from, u32 to, struct p9_name new);
NTSTATUS p9_symlink(struct p9_session *s, u32 fid, struct p9_name name, struct p9_name target);
NTSTATUS p9_unlink(struct p9_session *s, u32 fid, struct p9_name name, bool folder);
NTSTATUS p9_fsync(struct p9_session *s, u32 fid);

struct p9_statfs {
	u64 block_bytes, blocks, free_blocks, available_blocks, id;
};
NTSTATUS p9_statfs(struct p9_session *s, u32 fid, struct p9_statfs *v);

/* At most p9_max_io() bytes a call; the data goes straight to or from the segments. */
u32 p9_max_io(const struct p9_session *s);
#define P9_MAX_SEGS 68
NTSTATUS p9_read(struct p9_session *s, u32 fid, u64 offset, const struct vq_seg *seg, u32 nseg,
		 u32 bytes, u32 *done);
NTSTATUS p9_write(struct p9_session *s, u32 fid, u64 offset, const struct vq_seg *seg, u32 nseg,
		  u32 bytes, u32 *done);
/* Directory entries for p9_get_dirent(), into kernel memory. *done == 0: the end. */
NTSTATUS p9_readdir(struct p9_session *s, u32 fid, u64 offset, void *kernel, u32 bytes, u32 *done);

/* ---- between p9.c and p9calls.c ---- */
struct p9_call {
	struct p9_session *session;
	u8 type;
	u16 tag;
	bool busy;
	bool forget; /* nobody waits: a clunk of `fid` */
	u32 fid;
	u32 arrived; /* bytes of the reply */
	u8 *tx, *rx;
	struct p9_cursor out, in;
	KEVENT done;
};
#define P9_CALL_BYTES 2048 /* each of tx, rx */

/* Waits for a free call and begins its message. */
struct p9_call *p9_begin(struct p9_session *s, u8 type);
/* Sends it and waits. `payload` (may be NULL) follows the message, or is where the reply goes on
 * behind `reply_header` bytes. STATUS_SUCCESS: call->in stands behind the reply's header. The call
 * is still to be ended. */
NTSTATUS p9_run(struct p9_call *c, const struct vq_seg *payload, u32 nseg, bool payload_out,
		u32 payload_bytes, u32 reply_header);
void p9_end(struct p9_call *c);
NTSTATUS p9_status(u32 linux_errno);

#endif
