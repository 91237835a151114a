/*
 * pagefile: the back end of the paging device. One struct pagefile is one file on the host.
 *
 * Words: a *page* is NTMM_PAGE_SIZE bytes of the file at a multiple of that; a page is *stored*
 * once a write to it has been accepted and until it is discarded. A page that is not stored reads
 * as zeroes, whatever the file holds there, so an existing file can be used without being cleaned.
 * For each page the host keeps a 64-bit checksum in memory: a stored page that no longer
 * matches, because somebody changed the file or the disk broke, reads as -EIO and never as wrong
 * data.
 *
 * The life of a request (struct pagefile_request, owned by the caller and embedded where he likes):
 *   1. pagefile_submit() puts it at the end of the queue. Memory and iovecs belong to the library
 *      until step 4.
 *   2. pagefile_kick() starts whatever may start: a request waits as long as an earlier one touches
 *      a page of it and one of the two is not a read. So a read sees all writes submitted before
 * it, and none submitted after it. Neighbouring reads (or writes) that are ready together are
 *      merged into one.
 *   3. The I/O runs in io_uring; the descriptor of pagefile_event_fd() becomes readable.
 *   4. pagefile_reap() hands finished requests back one by one, `result` set; it also starts those
 *      that waited for them.
 *
 * Every function may be called from any thread: one mutex a pagefile, never held across a wait (but
 * for the rare repetition of a failed I/O). A thread that kicks or reaps must outlive the I/O.
 * Memory being written must not change until step 4, or it will not read back (-EIO).
 * Where io_uring cannot be had, or PAGEFILE_SYNC is given, step 3 happens inside step 2.
 *
 * No function prints. Errors are -errno.
 */
#ifndef NTMM_PAGEFILE_PAGEFILE_H
#define NTMM_PAGEFILE_PAGEFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "guest/abi/machine.h"

#define PAGEFILE_PAGE	     NTMM_PAGE_SIZE
#define PAGEFILE_MAX_BYTES   (1ull << 44) /* 2^32 pages, as in NT */
#define PAGEFILE_MAX_REQUEST (64u << 20)  /* bytes of one read or write */
#define PAGEFILE_WHY	     256	  /* bytes that an error text needs at most */

enum pagefile_flags {
	PAGEFILE_TEMPORARY = 1, /* path is a folder: an unnamed file there, gone with the process */
	PAGEFILE_SYNC = 2,	/* no io_uring: requests run inside pagefile_kick() */
};

struct pagefile_config {
	const char *path;
	uint64_t min_bytes; /* size at the start; rounded up to whole pages */
	uint64_t max_bytes; /* how far it may grow; 0 = min_bytes */
	unsigned flags;
};

enum pagefile_op {
	PAGEFILE_READ,
	PAGEFILE_WRITE,
	PAGEFILE_DISCARD,      /* forget the pages and give their disk space back */
	PAGEFILE_WRITE_ZEROES, /* forget the pages; the space may stay allocated */
	PAGEFILE_FLUSH,	       /* everything completed so far is on the disk; no range */
	PAGEFILE_NOPS
};

struct pagefile_request {
	enum pagefile_op op;
	uint64_t offset;	 /* bytes, a multiple of PAGEFILE_PAGE */
	uint64_t bytes;		 /* likewise; for reads and writes the sum of the iovecs */
	const struct iovec *iov; /* reads and writes only; any alignment and split */
	int iovcnt;		 /* at most IOV_MAX */
	int result;		 /* 0, or -EIO, -ENOSPC, ...: valid once reaped */
	void *user;		 /* the caller's */

	/* The library's, from submit to reap. */
	struct pagefile_request *next, *prev; /* queue in order of submission, then the done list */
	struct pagefile_request *merged; /* requests that share this one's I/O, in file order */
	struct pagefile_io *io;
	uint8_t state;
};

/* All counts are since the file was opened. Pages are PAGEFILE_PAGE bytes. */
#define PAGEFILE_STATS(X)                                          \
	X(reads, "read requests")                                  \
	X(writes, "write requests")                                \
	X(pages_read, "pages read")                                \
	X(pages_written, "pages written")                          \
	X(bytes_read, "bytes read from the file")                  \
	X(bytes_written, "bytes written to the file")              \
	X(merges, "requests that shared another one's I/O")        \
	X(ordered, "requests that waited for an earlier one")      \
	X(zero_reads, "pages read that were not stored")           \
	X(discarded, "pages discarded or zeroed that were stored") \
	X(flushes, "flush requests")                               \
	X(grown, "times the file grew")                            \
	X(errors, "requests that failed")                          \
	X(checksum_failures, "stored pages that had changed")      \
	X(injected, "faults injected")                             \
	X(size_bytes, "size now")                                  \
	X(max_bytes, "size it may grow to")                        \
	X(stored_pages, "pages stored now")

#define PAGEFILE_STATS_FIELD(name, text) uint64_t name;
struct pagefile_stats {
	PAGEFILE_STATS(PAGEFILE_STATS_FIELD)
};

struct pagefile;

/*
 * Opens or makes the file, locks it (an open-file-description lock) and sets its size to min_bytes.
 * On failure `why` (PAGEFILE_WHY bytes) gets one line without the path: what is wrong, what to do.
 *   -EINVAL sizes; -ENOENT, -EACCES, -ELOOP, ... the path; -EBUSY in use; -ENOTSUP not a regular
 *   file; -ENOSPC the disk has less than min_bytes; -EFBIG the file system or a limit forbids it.
 */
int pagefile_open(const struct pagefile_config *config, struct pagefile **out, char *why);

/*
 * => no request is outstanding: use pagefile_drain() first
 * A named file stays as it is; its contents mean nothing without the checksums.
 */
void pagefile_close(struct pagefile *pf);

/* Waits until nothing is outstanding; the requests still have to be reaped. */
void pagefile_drain(struct pagefile *pf);

/* -EINVAL (not queued; stays the caller's) if the request is malformed or beyond the file's end. */
int pagefile_submit(struct pagefile *pf, struct pagefile_request *request);
void pagefile_kick(struct pagefile *pf);
struct pagefile_request *pagefile_reap(struct pagefile *pf);

/* An eventfd to poll for reading; pagefile_reap() empties it, so call that until it gives NULL. */
int pagefile_event_fd(const struct pagefile *pf);

/* One request, waited for: submit, kick, drain, reap. => nothing else is outstanding */
int pagefile_do(struct pagefile *pf, struct pagefile_request *request);

/*
 * Grows to `bytes`, or as far as the maximum allows. Never shrinks. *now (may be NULL) gets the
 * size. -ENOSPC when the disk is full (or injected): the size is what it was.
 */
int pagefile_grow(struct pagefile *pf, uint64_t bytes, uint64_t *now);
uint64_t pagefile_size(const struct pagefile *pf);
uint64_t pagefile_max(const struct pagefile *pf);

/*
 * Arms a fault of enum ntmm_inject for the next `count` pages; NTMM_INJECT_NONE disarms all.
 *   READ_ERROR   a read that touches such a page fails with -EIO
 *   WRITE_ERROR  likewise a write: nothing of it is stored, what was there stays
 *   CORRUPT      before a stored page is read, its copy in the file is changed, for good
 *   ENOSPC       writes and growth (which counts as a page) fail with -ENOSPC
 * A request that touches n pages uses up n of the count, or what is left of it.
 */
int pagefile_inject(struct pagefile *pf, enum ntmm_inject kind, uint64_t count);

void pagefile_get_stats(struct pagefile *pf, struct pagefile_stats *stats);

#endif
