/*
 * Requests: order, merging, I/O, completion.
 *
 *                submit            start_ready             complete              reap
 *   caller's --------> QUEUED ------------------> RUNNING ----------> FINISHED -------> caller's
 *                         \______________________________________________/
 *                           no I/O needed, or an injected fault
 *
 * QUEUED and RUNNING requests are on pf->queue in the order they were submitted, FINISHED ones on
 * pf->done. start_ready() walks the queue from its head; a request may start when none before it
 * conflicts (overlap, and one of the two changes the pages). Walking in order keeps the promise of
 * pagefile.h without any other bookkeeping; queues are as long as a virtqueue at most.
 *
 * During one walk the last I/O stays open (struct batch) so that the next request can join it when
 * it continues where that one ends; then the I/O uses its own iovec array.
 *
 * Short transfers, interrupted ones and failed merged ones are finished or repeated by plain
 * preadv/pwritev, each request for itself, so that one bad page fails only the request it is in.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "pagefile/internal.h"

enum request_state {
	REQUEST_IDLE,
	REQUEST_QUEUED,
	REQUEST_BLOCKED,
	REQUEST_RUNNING,
	REQUEST_FINISHED
};

struct batch {
	struct pagefile_io *io; /* open: may still be joined */
	struct pagefile_request *last;
	uint64_t bytes;
};

static void list_add(struct pagefile_list *list, struct pagefile_request *r)
{
	r->next = NULL;
	r->prev = list->tail;
	if (list->tail)
		list->tail->next = r;
	else
		list->head = r;
	list->tail = r;
}

static void list_remove(struct pagefile_list *list, struct pagefile_request *r)
{
	if (r->prev)
		r->prev->next = r->next;
	else
		list->head = r->next;
	if (r->next)
		r->next->prev = r->prev;
	else
		list->tail = r->prev;
	r->next = r->prev = NULL;
}

static void finish(struct pagefile *pf, struct pagefile_request *r, int result)
{
	r->result = result;
	r->state = REQUEST_FINISHED;
	if (result < 0)
		pf->stats.errors++;
	list_remove(&pf->queue, r);
	list_add(&pf->done, r);
}

static bool has_data(const struct pagefile_request *r)
{
	return r->op == PAGEFILE_READ || r->op == PAGEFILE_WRITE;
}

/* --- plain, synchronous transfer --- */

static ssize_t transfer_some(struct pagefile *pf, enum pagefile_op op, const struct iovec *iov,
			     int iovcnt, uint64_t offset)
{
	ssize_t n;
	do {
		n = op == PAGEFILE_READ ? preadv(pf->fd, iov, iovcnt, (off_t)offset)
					: pwritev(pf->fd, iov, iovcnt, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n ? n : -EIO; /* end of file: somebody made it shorter */
}

/* Transfers a request's bytes from `done` on. 0 or -errno. */
static int transfer_rest(struct pagefile *pf, const struct pagefile_request *r, uint64_t done)
{
	uint64_t start = 0;
	for (int i = 0; i < r->iovcnt; i++) {
		size_t len = r->iov[i].iov_len;
		while (done < start + len) {
			struct iovec part = {.iov_base =
						 (char *)r->iov[i].iov_base + (done - start),
					     .iov_len = len - (done - start)};
			ssize_t n = transfer_some(pf, r->op, &part, 1, r->offset + done);
			if (n < 0)
				return (int)n;
			done += (uint64_t)n;
		}
		start += len;
	}
	return 0;
}

static int transfer_all(struct pagefile *pf, const struct pagefile_request *r)
{
	ssize_t n = transfer_some(pf, r->op, r->iov, r->iovcnt, r->offset);
	if (n < 0)
		return (int)n;
	return transfer_rest(pf, r, (uint64_t)n);
}

static int punch(struct pagefile *pf, const struct pagefile_request *r)
{
	int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
	return fallocate(pf->fd, mode, (off_t)r->offset, (off_t)r->bytes) < 0 ? -errno : 0;
}

static int run_sync(struct pagefile *pf, const struct pagefile_request *r)
{
	switch (r->op) {
	case PAGEFILE_READ:
	case PAGEFILE_WRITE:
		return transfer_all(pf, r);
	case PAGEFILE_DISCARD:
		return punch(pf, r);
	case PAGEFILE_FLUSH:
		return fdatasync(pf->fd) < 0 ? -errno : 0;
	default:
		return -EINVAL;
	}
}

/* --- completion --- */

static int read_done(struct pagefile *pf, struct pagefile_request *r, int result)
{
	pf->stats.bytes_read += result == 0 ? r->bytes : 0;
	return result == 0 ? pages_verify(pf, r) : result;
}

static int write_done(struct pagefile *pf, struct pagefile_request *r, int result)
{
	pf->stats.bytes_written += result == 0 ? r->bytes : 0;
	return result;
}

static int discard_done(struct pagefile *pf, struct pagefile_request *r, int result)
{
	(void)r;
	if (result != -EOPNOTSUPP && result != -ENOSYS)
		return result;
	pf->no_punch = true; /* the pages are forgotten all the same */
	return 0;
}

static int flush_done(struct pagefile *pf, struct pagefile_request *r, int result)
{
	(void)pf;
	(void)r;
	return result;
}

typedef int done_fn(struct pagefile *pf, struct pagefile_request *r, int result);
static done_fn *const done_by_op[PAGEFILE_NOPS] = {
    [PAGEFILE_READ] = read_done,
    [PAGEFILE_WRITE] = write_done,
    [PAGEFILE_DISCARD] = discard_done,
    [PAGEFILE_FLUSH] = flush_done,
};

static void finish_io(struct pagefile *pf, struct pagefile_request *r, int result)
{
	finish(pf, r, done_by_op[r->op](pf, r, result));
}

/* `res` is what io_uring says: bytes or -errno, for all requests of the I/O together. */
static void complete(struct pagefile *pf, struct pagefile_io *io, int res)
{
	struct pagefile_request *next, *r = io->first;
	bool again = res < 0 && (r->merged || res == -EINTR || res == -EAGAIN);
	uint64_t done = res < 0 ? 0 : (uint64_t)res;
	for (; r; r = next) {
		next = r->merged;
		int result = res < 0 ? res : 0;
		if (again) {
			result = run_sync(pf, r);
		} else if (has_data(r) && result == 0) {
			if (done < r->bytes)
				result = transfer_rest(pf, r, done);
			done -= done < r->bytes ? done : r->bytes;
		}
		finish_io(pf, r, result);
	}
	io->free_next = pf->free_ios;
	pf->free_ios = io;
	pf->in_flight--;
}

static bool complete_ready(struct pagefile *pf)
{
	struct io_uring_cqe *cqe;
	bool any = false;
	while (pf->uring && pf->in_flight && io_uring_peek_cqe(&pf->ring, &cqe) == 0) {
		struct pagefile_io *io = io_uring_cqe_get_data(cqe);
		int res = cqe->res;
		io_uring_cqe_seen(&pf->ring, cqe);
		complete(pf, io, res);
		any = true;
	}
	return any;
}

/* --- starting --- */

static bool conflicts(const struct pagefile_request *a, const struct pagefile_request *b)
{
	if (a->op == PAGEFILE_READ && b->op == PAGEFILE_READ)
		return false;
	return a->offset < b->offset + b->bytes && b->offset < a->offset + a->bytes;
}

static bool is_blocked(const struct pagefile *pf, const struct pagefile_request *r)
{
	for (const struct pagefile_request *e = pf->queue.head; e != r; e = e->next)
		if (conflicts(e, r))
			return true;
	return false;
}

/* Closes the batch: its I/O goes to the ring. */
static void batch_issue(struct pagefile *pf, struct batch *batch)
{
	struct pagefile_io *io = batch->io;
	if (!io)
		return;
	batch->io = NULL;
	const struct pagefile_request *r = io->first;
	/* There are as many entries in the ring as there are I/Os. */
	struct io_uring_sqe *sqe = io_uring_get_sqe(&pf->ring);
	switch (r->op) {
	case PAGEFILE_READ:
		io_uring_prep_readv(sqe, pf->fd, io->iov, (unsigned)io->iovcnt, r->offset);
		break;
	case PAGEFILE_WRITE:
		io_uring_prep_writev(sqe, pf->fd, io->iov, (unsigned)io->iovcnt, r->offset);
		break;
	case PAGEFILE_DISCARD:
		io_uring_prep_fallocate(sqe, pf->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
					(off_t)r->offset, (off_t)r->bytes);
		break;
	default:
		io_uring_prep_fsync(sqe, pf->fd, IORING_FSYNC_DATASYNC);
		break;
	}
	io_uring_sqe_set_data(sqe, io);
}

static bool batch_join(struct pagefile *pf, struct batch *batch, struct pagefile_request *r)
{
	struct pagefile_io *io = batch->io;
	if (!io || !has_data(r) || io->first->op != r->op ||
	    batch->last->offset + batch->last->bytes != r->offset ||
	    batch->bytes + r->bytes > PAGEFILE_MERGE_BYTES ||
	    io->iovcnt + r->iovcnt > PAGEFILE_MERGE_IOV)
		return false;
	if (io->iov != io->merged_iov) {
		memcpy(io->merged_iov, io->iov, (size_t)io->iovcnt * sizeof(*io->iov));
		io->iov = io->merged_iov;
	}
	memcpy(io->merged_iov + io->iovcnt, r->iov, (size_t)r->iovcnt * sizeof(*r->iov));
	io->iovcnt += r->iovcnt;
	batch->last->merged = r;
	batch->last = r;
	batch->bytes += r->bytes;
	pf->stats.merges++;
	return true;
}

/* The I/O that a ready request needs. => a free I/O is there */
static void start_io(struct pagefile *pf, struct batch *batch, struct pagefile_request *r)
{
	r->state = REQUEST_RUNNING;
	if (!pf->uring) {
		finish_io(pf, r, run_sync(pf, r));
		return;
	}
	if (batch_join(pf, batch, r))
		return;
	batch_issue(pf, batch);
	struct pagefile_io *io = pf->free_ios;
	pf->free_ios = io->free_next;
	pf->in_flight++;
	io->first = r;
	io->iov = r->iov;
	io->iovcnt = r->iovcnt;
	*batch = (struct batch){.io = io, .last = r, .bytes = r->bytes};
}

/* A request that nothing blocks: does what needs no I/O, starts the rest. */
static void start(struct pagefile *pf, struct batch *batch, struct pagefile_request *r)
{
	int error = pages_injected(pf, r);
	if (error < 0) {
		finish(pf, r, error);
		return;
	}
	bool stored = has_data(r) || r->op == PAGEFILE_DISCARD ? pages_any_stored(pf, r) : false;
	switch (r->op) {
	case PAGEFILE_READ:
		if (stored)
			start_io(pf, batch, r);
		else
			finish(pf, r, pages_verify(pf, r)); /* all zeroes */
		break;
	case PAGEFILE_WRITE:
		pages_stamp(pf, r);
		start_io(pf, batch, r);
		break;
	case PAGEFILE_DISCARD:
		pages_forget(pf, r);
		if (stored && !pf->no_punch)
			start_io(pf, batch, r);
		else
			finish(pf, r, 0);
		break;
	case PAGEFILE_WRITE_ZEROES:
		pages_forget(pf, r); /* what is not stored reads as zeroes */
		finish(pf, r, 0);
		break;
	default:
		start_io(pf, batch, r);
		break;
	}
}

static void start_ready(struct pagefile *pf)
{
	struct batch batch = {0};
	struct pagefile_request *next;
	for (struct pagefile_request *r = pf->queue.head; r; r = next) {
		next = r->next;
		if (pf->uring && !pf->free_ios)
			break;
		if (r->state == REQUEST_RUNNING)
			continue;
		if (is_blocked(pf, r)) {
			pf->stats.ordered += r->state == REQUEST_QUEUED;
			r->state = REQUEST_BLOCKED;
			continue;
		}
		start(pf, &batch, r);
	}
	if (!pf->uring)
		return;
	batch_issue(pf, &batch);
	while (io_uring_sq_ready(&pf->ring)) {
		int n = io_uring_submit(&pf->ring);
		if (n == -EINTR)
			continue;
		if (n < 0)
			eventfd_write(pf->eventfd, 1); /* short of memory: again at the next reap */
		break;
	}
}

/* --- the public side --- */

static bool is_valid(const struct pagefile *pf, const struct pagefile_request *r)
{
	uint64_t size = pagefile_size(pf);
	if ((unsigned)r->op >= PAGEFILE_NOPS)
		return false;
	if (r->op == PAGEFILE_FLUSH)
		return r->bytes == 0;
	if (r->offset % PAGEFILE_PAGE || r->bytes % PAGEFILE_PAGE || r->bytes == 0 ||
	    r->offset > size || r->bytes > size - r->offset)
		return false;
	if (!has_data(r))
		return true;
	if (r->bytes > PAGEFILE_MAX_REQUEST || r->iovcnt <= 0 || r->iovcnt > IOV_MAX)
		return false;
	uint64_t sum = 0;
	for (int i = 0; i < r->iovcnt; i++) {
		if (r->iov[i].iov_len > r->bytes)
			return false;
		sum += r->iov[i].iov_len;
	}
	return sum == r->bytes;
}

int pagefile_submit(struct pagefile *pf, struct pagefile_request *r)
{
	if (!is_valid(pf, r))
		return -EINVAL;
	pthread_mutex_lock(&pf->mutex);
	r->state = REQUEST_QUEUED;
	r->merged = NULL;
	r->result = 0;
	list_add(&pf->queue, r);
	switch (r->op) {
	case PAGEFILE_READ:
		pf->stats.reads++;
		pf->stats.pages_read += r->bytes / PAGEFILE_PAGE;
		break;
	case PAGEFILE_WRITE:
		pf->stats.writes++;
		pf->stats.pages_written += r->bytes / PAGEFILE_PAGE;
		break;
	case PAGEFILE_FLUSH:
		pf->stats.flushes++;
		break;
	default:
		break;
	}
	pthread_mutex_unlock(&pf->mutex);
	return 0;
}

void pagefile_kick(struct pagefile *pf)
{
	pthread_mutex_lock(&pf->mutex);
	start_ready(pf);
	if (pf->done.head)
		eventfd_write(pf->eventfd, 1);
	pthread_mutex_unlock(&pf->mutex);
}

/* Completes what the ring has, and starts what that lets go. */
static bool advance(struct pagefile *pf)
{
	bool any = complete_ready(pf);
	if (any || (pf->uring && io_uring_sq_ready(&pf->ring)))
		start_ready(pf);
	return any;
}

struct pagefile_request *pagefile_reap(struct pagefile *pf)
{
	pthread_mutex_lock(&pf->mutex);
	if (!pf->done.head && !advance(pf)) {
		eventfd_t count;
		if (eventfd_read(pf->eventfd, &count) == 0)
			advance(pf); /* what came between the look and the read */
	}
	struct pagefile_request *r = pf->done.head;
	if (r) {
		list_remove(&pf->done, r);
		r->state = REQUEST_IDLE;
	}
	pthread_mutex_unlock(&pf->mutex);
	return r;
}

void pagefile_drain(struct pagefile *pf)
{
	for (;;) {
		pthread_mutex_lock(&pf->mutex);
		start_ready(pf);
		while (advance(pf))
			;
		bool idle = !pf->queue.head;
		if (pf->done.head)
			eventfd_write(pf->eventfd, 1);
		pthread_mutex_unlock(&pf->mutex);
		if (idle)
			return;
		/* The eventfd may be read by somebody else, or stay readable: do not rely on it. */
		poll(NULL, 0, 1);
	}
}

int pagefile_do(struct pagefile *pf, struct pagefile_request *request)
{
	int error = pagefile_submit(pf, request);
	if (error < 0)
		return error;
	pagefile_kick(pf);
	pagefile_drain(pf);
	while (pagefile_reap(pf))
		;
	return request->result;
}

int pagefile_event_fd(const struct pagefile *pf)
{
	return pf->eventfd;
}

int queue_init(struct pagefile *pf, bool sync)
{
	pf->eventfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pf->eventfd < 0)
		return -errno;
	if (sync || io_uring_queue_init(PAGEFILE_DEPTH, &pf->ring, 0) < 0)
		return 0;
	pf->ios = calloc(PAGEFILE_DEPTH, sizeof(*pf->ios));
	if (!pf->ios || io_uring_register_eventfd(&pf->ring, pf->eventfd) < 0) {
		int error = pf->ios ? 0 : -ENOMEM;
		free(pf->ios);
		pf->ios = NULL;
		io_uring_queue_exit(&pf->ring);
		if (error < 0)
			close(pf->eventfd);
		return error;
	}
	for (unsigned i = 0; i < PAGEFILE_DEPTH; i++) {
		pf->ios[i].free_next = pf->free_ios;
		pf->free_ios = &pf->ios[i];
	}
	pf->uring = true;
	return 0;
}

void queue_free(struct pagefile *pf)
{
	if (pf->uring)
		io_uring_queue_exit(&pf->ring);
	free(pf->ios);
	close(pf->eventfd);
}
