/*
 * Requests on asynchronous pipe handles that have to wait: reads of an empty pipe, writes to a full
 * one (behind those that wait already), and listening. The system call answers STATUS_PENDING; the
 * request stays on one list. Whatever may let one end (data, a client, an end that closes) pokes a
 * system thread, which tries every request on the list again and hands in what has ended: data and
 * IO_STATUS_BLOCK into the requester's memory, then event and APC or packet. Cancelled are the
 * requests of a thread that ends, but for those told by a packet (they belong to the port), and of
 * a file object that loses its last handle. Lock: pending_lock (mutex; the list), before the
 * instance's lock.
 */
#include "guest/io/pending.h"
#include "guest/io/pipe.h"
#include "guest/mm/mm.h"
#include "guest/ps/psi.h"

#define WORKER_PRIORITY 13

struct pending {
	struct list entry;
	struct request r; /* its references are ours */
	ETHREAD *thread;  /* referenced */
	enum pending_kind kind;
	u64 user;
	u32 bytes;
	u32 connection;	 /* of the pipe when it began */
	NTSTATUS status; /* of what has ended */
	u8 *data;	 /* read, or to be written; pool */
	u32 done;
};

static struct mutex pending_lock;
static struct list pending_list;
static KEVENT poke;

void pending_poke(void)
{
	KeSetEvent(&poke);
}

/* Requests of a kind on a file are served in the order they came in. => pending_lock */
static bool must_wait(const struct pending *q)
{
	for (const struct list *e = pending_list.next; e != &q->entry; e = e->next) {
		const struct pending *earlier = CONTAINER_OF(e, struct pending, entry);

		if (earlier->kind == q->kind && earlier->r.f == q->r.f)
			return true;
	}
	return false;
}

/* A read or write ends without pipeio's doing: it counts no more. */
static void forget(const struct pending *q)
{
	if (q->kind != PENDING_LISTEN)
		pipe_pending_ended(q->r.f, q->kind == PENDING_WRITE);
}

/* => pending_lock. True: it has ended. */
static bool try_again(struct pending *q)
{
	struct FILE_OBJECT *f = q->r.f;

	if (q->kind == PENDING_LISTEN) {
		q->status = pipe_listen_state(f);
	} else if (must_wait(q)) {
		q->status = STATUS_PENDING;
	} else if (q->connection != f->pipe->connection) {
		q->status = STATUS_PIPE_DISCONNECTED;
		forget(q);
	} else if (q->kind == PENDING_WRITE) {
		q->status = pipe_write_ready(f, q->data, q->bytes, &q->done);
	} else {
		q->status = pipe_read_ready(f, q->bytes, &q->data, &q->done);
	}
	return q->status != STATUS_PENDING;
}

/* => no locks */
static void hand_in(struct pending *q)
{
	EPROCESS *p = q->thread->k.process;
	IO_STATUS_BLOCK v = {(u32)q->status, q->done};

	if (q->data && q->kind == PENDING_READ) {
		if (MmWriteProcess(p, q->user, q->data, q->done))
			v.status = (u32)(q->status = STATUS_ACCESS_VIOLATION);
	}
	MmWriteProcess(p, (u64)q->r.iosb, &v, sizeof v); /* gone: its owner's loss */
	request_settle(&q->r, q->thread, q->status, q->done);
	ObDereferenceObject(q->thread);
	if (q->data)
		ExFreePool(q->data);
	ExFreePool(q);
}

static void hand_in_all(struct list *ended)
{
	struct list *e;

	while ((e = list_pop_front(ended)))
		hand_in(CONTAINER_OF(e, struct pending, entry));
}

static void worker(void *unused)
{
	(void)unused;
	for (;;) {
		struct list ended;

		KeWaitForSingleObject(&poke, KERNEL_MODE, false, NULL);
		list_init(&ended);
		mutex_lock(&pending_lock);
		for (struct list *e = pending_list.next, *next; e != &pending_list; e = next) {
			struct pending *q = CONTAINER_OF(e, struct pending, entry);

			next = e->next;
			if (try_again(q)) {
				list_remove(e);
				list_push_back(&ended, e);
			}
		}
		mutex_unlock(&pending_lock);
		hand_in_all(&ended);
	}
}

void pending_init(void)
{
	mutex_init(&pending_lock);
	list_init(&pending_list);
	KeInitializeEvent(&poke, DO_EVENT_SYNCHRONIZATION, false);
	require(PsCreateSystemThread(worker, NULL, WORKER_PRIORITY, "pending requests"));
}

NTSTATUS pending_add(struct request *r, enum pending_kind kind, void *user, u32 bytes)
{
	struct pending *q = ExAllocatePool(sizeof *q, TAG('P', 'e', 'n', 'd'));
	NTSTATUS s = q ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;

	if (q && kind == PENDING_WRITE) {
		q->data = ExAllocatePool(bytes, TAG('P', 'e', 'n', 'w'));
		s = q->data ? copy_from_user(q->data, user, bytes) : STATUS_INSUFFICIENT_RESOURCES;
	}
	if (s != STATUS_SUCCESS) {
		if (q && q->data)
			ExFreePool(q->data);
		if (q)
			ExFreePool(q);
		if (kind != PENDING_LISTEN)
			pipe_pending_ended(r->f, kind == PENDING_WRITE);
		return request_end(r, s, 0);
	}
	q->r = *r;
	q->connection = r->f->pipe->connection;
	q->thread = PsGetCurrentThread();
	ObReferenceObject(q->thread);
	q->kind = kind;
	q->user = (u64)user;
	q->bytes = bytes;
	mutex_lock(&pending_lock);
	list_push_back(&pending_list, &q->entry);
	mutex_unlock(&pending_lock);
	pending_poke(); /* what it waits for may have come meanwhile */
	return STATUS_PENDING;
}

static u32 cancel(const struct FILE_OBJECT *f, const struct ETHREAD *thread,
		  const IO_STATUS_BLOCK *iosb, bool packets)
{
	struct list ended;
	u32 n = 0;

	list_init(&ended);
	mutex_lock(&pending_lock);
	for (struct list *e = pending_list.next, *next; e != &pending_list; e = next) {
		struct pending *q = CONTAINER_OF(e, struct pending, entry);

		next = e->next;
		if ((f && q->r.f != f) || (thread && q->thread != thread) ||
		    (iosb && q->r.iosb != iosb) || (q->r.packet && !packets))
			continue;
		q->status = STATUS_CANCELLED;
		forget(q);
		list_remove(e);
		list_push_back(&ended, e);
		n++;
	}
	mutex_unlock(&pending_lock);
	hand_in_all(&ended);
	if (n)
		pending_poke(); /* some may have waited behind them */
	return n;
}

u32 pending_cancel(const struct FILE_OBJECT *f, const struct ETHREAD *thread,
		   const IO_STATUS_BLOCK *iosb)
{
	return cancel(f, thread, iosb, true);
}

void IoCancelThread(struct ETHREAD *t)
{
	cancel(NULL, t, NULL, false);
}
