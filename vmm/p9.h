/*
 * p9: a server of 9P2000.L for one shared folder. Pure but for the host's files: a request is a
 * pair of iovec arrays, whatever transport they came by.
 *
 *   p9.c    messages: decoding, fids, replies     p9ops.c  what each message does
 *   p9fs.c  paths and files of the host
 *
 * A *share* is a folder of the host (or several, each seen under a prefix). A *fid* is the client's
 * number for a file; here it is a path relative to the share's root, and an open descriptor once it
 * is opened. Every path is opened beneath the share's own descriptor with openat2 and
 * RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS, so that neither ".." nor a symbolic link leads out.
 * Symbolic links that stay inside are followed and never shown; devices, pipes and sockets are not
 * there at all.
 */
#ifndef VMM_P9_H
#define VMM_P9_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>

#include "vmm/vmm.h"

#define P9_MSIZE_MAX (512u << 10)
#define P9_MSIZE_MIN 4096u
#define P9_MAX_FIDS  16384u
#define P9_PATH_MAX  4096u
#define P9_MAX_DIRS  4

struct p9_share {
	bool writable;
	unsigned ndirs;
	struct vm_share_dir dir[P9_MAX_DIRS]; /* sorted by nothing; prefixes differ */
};

/* ---- p9fs.c: every path is relative to the share's root, "" is the root. -errno. ---- */

/* Follows links. Regular files and folders only, else -ENOENT. */
int p9fs_stat(const struct p9_share *s, const char *path, struct stat *st);
/* A descriptor, or P9FS_VIRTUAL for a folder that exists only because a prefix goes through it. */
#define P9FS_VIRTUAL (-4096)
int p9fs_open(const struct p9_share *s, const char *path, int flags, mode_t mode);
int p9fs_mkdir(const struct p9_share *s, const char *path, mode_t mode);
int p9fs_unlink(const struct p9_share *s, const char *path, int flags);
int p9fs_rename(const struct p9_share *s, const char *from, const char *to);
int p9fs_link(const struct p9_share *s, const char *from, const char *to);
/* A relative target without ".."; else -EPERM. */
int p9fs_symlink(const struct p9_share *s, const char *target, const char *path);
int p9fs_utimens(const struct p9_share *s, const char *path, const struct timespec times[2]);
int p9fs_statfs(const struct p9_share *s, const char *path, struct statfs *st);
/* Name of the n-th entry of a virtual folder: false after the last. */
bool p9fs_virtual_entry(const struct p9_share *s, const char *path, unsigned n, char *name,
			size_t size);
/* path + "/" + name into out (P9_PATH_MAX bytes); -ENAMETOOLONG. ".." goes up, "." stays. */
int p9fs_join(char *out, const char *path, const char *name);

/* ---- p9.c ---- */

struct p9;

struct p9 *p9_create(const struct p9_share *share);
void p9_destroy(struct p9 *p);

/* Forgets all fids, as after a device reset. */
void p9_reset(struct p9 *p);

/*
 * Performs one request: `out` holds the T-message, the R-message goes to `in`. Both arrays are used
 * up. Returns the bytes of the reply, or -EPROTO when there is not even a header or no room for an
 * error reply.
 */
int p9_request(struct p9 *p, struct iovec *out, unsigned nout, struct iovec *in, unsigned nin);

#endif
