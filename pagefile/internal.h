/*
 * Private to pagefile/: the open file and what its parts need of each other.
 *
 * Locks, by letter:  m = pagefile.mutex,  i = set at open and constant after,
 *                    a = atomic, written under the mutex.
 *
 *   open.c   making, locking, sizing the file
 *   pages.c  the checksum table: which pages are stored, verification, injected faults
 *   sum.c    the checksum of a page
 *   queue.c  requests: order, merging, I/O, completion
 */
#ifndef NTMM_PAGEFILE_INTERNAL_H
#define NTMM_PAGEFILE_INTERNAL_H

#include <liburing.h>
#include <pthread.h>
#include <stdatomic.h>

#include "pagefile/pagefile.h"

#define PAGEFILE_DEPTH	     64 /* I/Os in flight at most */
#define PAGEFILE_MERGE_BYTES (1u << 20)
#define PAGEFILE_MERGE_IOV   256

/* One I/O given to the host kernel: a request or several merged ones. */
struct pagefile_io {
	struct pagefile_request *first;
	struct pagefile_io *free_next;
	const struct iovec *iov;
	int iovcnt;
	struct iovec merged_iov[PAGEFILE_MERGE_IOV]; /* touched only when merging */
};

struct pagefile_list {
	struct pagefile_request *head, *tail;
};

struct pagefile {
	pthread_mutex_t mutex;
	int fd;		       /* i */
	int eventfd;	       /* i */
	bool uring;	       /* i: requests go through `ring` */
	struct io_uring ring;  /* m */
	uint64_t max;	       /* i */
	_Atomic uint64_t size; /* a */
	uint64_t *sums;	       /* m: one a page up to max; SUM_NONE = not stored */
	bool no_punch;	       /* m: the file system cannot punch holes */
	uint64_t inject[NTMM_INJECT_ENOSPC + 1]; /* m: pages left, by enum ntmm_inject */
	struct pagefile_list queue;		 /* m: submitted, in order, waiting or in flight */
	struct pagefile_list done;		 /* m: finished, not reaped */
	unsigned in_flight;			 /* m: I/Os in the ring */
	struct pagefile_io *ios;		 /* m: PAGEFILE_DEPTH of them */
	struct pagefile_io *free_ios;		 /* m */
	struct pagefile_stats stats;		 /* m */
};

/* pages.c. => mutex held, but for init and free */
int pages_init(struct pagefile *pf);
void pages_free(struct pagefile *pf);
bool pages_any_stored(const struct pagefile *pf, const struct pagefile_request *r);
void pages_forget(struct pagefile *pf, const struct pagefile_request *r);
/* Notes the checksums of what is about to be written. */
void pages_stamp(struct pagefile *pf, const struct pagefile_request *r);
/* After a read: zeroes what is not stored, checks the rest. 0 or -EIO. */
int pages_verify(struct pagefile *pf, const struct pagefile_request *r);
/* Uses up armed faults. 0, or the -errno the request has to fail with. */
int pages_injected(struct pagefile *pf, const struct pagefile_request *r);
bool pages_take_fault(struct pagefile *pf, enum ntmm_inject kind, uint64_t pages);

/* sum.c. => aligned so */
#define PAGEFILE_SUM_ALIGN 16
uint64_t pagefile_sum(const void *page);

/* queue.c */
int queue_init(struct pagefile *pf, bool sync);
void queue_free(struct pagefile *pf);

#endif
