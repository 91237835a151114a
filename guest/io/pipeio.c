/*
 * Data of pipes: two queues of chunks an instance. A writer waits while its queue is full, a reader
 * while it is empty; both wait without the lock, on an event that is reset under it.
 */
#include "guest/io/pending.h"
#include "guest/io/pipe.h"

#define CHUNK_LEAST 512u
#define CHUNK_MOST  1952u /* with its header a small block of pool */

void pipe_queue_init(struct pipe_queue *q, u32 quota)
{
	list_init(&q->chunks);
	q->quota = quota;
	KeInitializeEvent(&q->data, DO_EVENT_NOTIFICATION, false);
	KeInitializeEvent(&q->room, DO_EVENT_NOTIFICATION, false);
}

void pipe_queue_clear(struct pipe_queue *q)
{
	struct list *e;

	while ((e = list_pop_front(&q->chunks)))
		ExFreePool(CONTAINER_OF(e, struct pipe_chunk, entry));
	q->bytes = 0;
}

void pipe_wake(struct pipe_instance *i)
{
	KeSetEvent(&i->changed);
	for (u32 side = 0; side < 2; side++) {
		KeSetEvent(&i->queue[side].data);
		KeSetEvent(&i->queue[side].room);
	}
	pending_poke();
}

/* A client of an earlier connection sees a disconnected pipe, whatever the server does now. */
NTSTATUS pipe_state(const struct FILE_OBJECT *f)
{
	const struct pipe_instance *i = f->pipe;

	if (f->pipe_side == PIPE_CLIENT && f->connection != i->connection)
		return STATUS_PIPE_DISCONNECTED;
	switch (i->state) {
	case PIPE_DISCONNECTED:
		return STATUS_PIPE_DISCONNECTED;
	case PIPE_LISTENING:
		return STATUS_PIPE_LISTENING;
	case PIPE_CLOSING:
		return STATUS_PIPE_CLOSING;
	case PIPE_CONNECTED:
		break;
	}
	return STATUS_SUCCESS;
}

static struct pipe_queue *incoming(struct FILE_OBJECT *f)
{
	return &f->pipe->queue[f->pipe_side];
}

static struct pipe_queue *outgoing(struct FILE_OBJECT *f)
{
	return &f->pipe->queue[!f->pipe_side];
}

/* Waits for the event, which is reset before the lock is dropped. => Q; returns without */
static NTSTATUS wait_unlocked(struct pipe_instance *i, KEVENT *e)
{
	KeResetEvent(e);
	mutex_unlock(&i->lock);
	return KeWaitForSingleObject(e, USER_MODE, false, NULL);
}

static NTSTATUS copy_to_kernel(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return STATUS_SUCCESS;
}

/* Moves data out of the queue: of one message, or as much as there is. => Q, queue not empty */
static NTSTATUS take(struct FILE_OBJECT *f, struct pipe_queue *q, void *to, u32 bytes, u32 *done,
		     NTSTATUS (*copy)(void *to, const void *from, size_t bytes))
{
	bool by_message = f->pipe->by_message[f->pipe_side];

	while (!list_empty(&q->chunks)) {
		struct pipe_chunk *c = CONTAINER_OF(q->chunks.next, struct pipe_chunk, entry);
		u32 part = MIN(bytes - *done, c->bytes - c->consumed);
		NTSTATUS s = copy((u8 *)to + *done, c->data + c->consumed, part);

		if (s != STATUS_SUCCESS)
			return s;
		c->consumed += part;
		q->bytes -= part;
		*done += part;
		KeSetEvent(&q->room);
		if (q->writers)
			pending_poke();
		if (c->consumed < c->bytes)
			return by_message ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
		list_remove(&c->entry);
		ExFreePool(c);
		if (by_message)
			break;
	}
	return STATUS_SUCCESS;
}

NTSTATUS pipe_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = incoming(f);

	(void)offset;
	*done = 0;
	for (;;) {
		NTSTATUS s;

		mutex_lock(&i->lock);
		s = pipe_state(f);
		if ((s == STATUS_SUCCESS || s == STATUS_PIPE_CLOSING) && !list_empty(&q->chunks) &&
		    !q->readers)
			s = take(f, q, user, bytes, done, copy_to_user);
		else if (s == STATUS_PIPE_CLOSING && !q->readers)
			s = STATUS_PIPE_BROKEN;
		else if (s == STATUS_SUCCESS && i->no_wait[f->pipe_side])
			s = STATUS_PIPE_EMPTY;
		else if ((s == STATUS_SUCCESS || s == STATUS_PIPE_CLOSING) && !is_synchronous(f)) {
			q->readers++;
			s = STATUS_PENDING;
		} else if (s == STATUS_SUCCESS) {
			s = wait_unlocked(i, &q->data);
			if (s != STATUS_SUCCESS)
				return s;
			continue;
		}
		mutex_unlock(&i->lock);
		return s;
	}
}

NTSTATUS pipe_read_ready(struct FILE_OBJECT *f, u32 bytes, u8 **data, u32 *done)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = incoming(f);
	NTSTATUS s;

	*data = NULL;
	*done = 0;
	mutex_lock(&i->lock);
	s = pipe_state(f);
	if ((s == STATUS_SUCCESS || s == STATUS_PIPE_CLOSING) && !list_empty(&q->chunks)) {
		*data = ExAllocatePool(MAX(MIN(bytes, q->bytes), 1), TAG('P', 'i', 'p', 'r'));
		s = *data ? take(f, q, *data, bytes, done, copy_to_kernel) : STATUS_PENDING;
	} else if (s == STATUS_PIPE_CLOSING) {
		s = STATUS_PIPE_BROKEN;
	} else if (s == STATUS_SUCCESS) {
		s = STATUS_PENDING;
	}
	if (s != STATUS_PENDING)
		q->readers--;
	mutex_unlock(&i->lock);
	return s;
}

/* Appends to the queue; in a byte pipe to the last chunk if there is room. => Q */
static NTSTATUS put(struct pipe_queue *q, bool messages, const void *from, u32 bytes,
		    NTSTATUS (*copy)(void *to, const void *from, size_t bytes))
{
	struct pipe_chunk *c = NULL;
	bool fresh = true;
	NTSTATUS s;

	if (!messages && !list_empty(&q->chunks)) {
		c = CONTAINER_OF(q->chunks.prev, struct pipe_chunk, entry);
		fresh = c->room - c->bytes < bytes;
	}
	if (fresh) {
		u32 room = messages ? bytes : MAX(bytes, CHUNK_LEAST);

		c = ExAllocatePool(sizeof *c + room, TAG('P', 'i', 'p', 'c'));
		if (!c)
			return STATUS_INSUFFICIENT_RESOURCES;
		c->room = room;
	}
	s = copy(c->data + c->bytes, from, bytes);
	if (s != STATUS_SUCCESS) {
		if (fresh)
			ExFreePool(c);
		return s;
	}
	c->bytes += bytes;
	q->bytes += bytes;
	if (fresh)
		list_push_back(&q->chunks, &c->entry);
	KeSetEvent(&q->data);
	pending_poke();
	return STATUS_SUCCESS;
}

/* How many of `bytes` may be put in now: a message as a whole, or anything into an empty queue. */
static u32 fits(const struct pipe_queue *q, bool messages, u32 bytes)
{
	u32 room = q->bytes < q->quota ? q->quota - q->bytes : 0;

	if (messages)
		return bytes <= room || !q->bytes ? bytes : 0;
	return MIN(MIN(bytes, room), CHUNK_MOST);
}

NTSTATUS pipe_write_all(struct FILE_OBJECT *f, const void *user, u32 bytes, u32 *done)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = outgoing(f);
	bool messages = i->pipe->messages;
	NTSTATUS s = STATUS_SUCCESS;

	for (*done = 0; *done < bytes;) {
		u32 part;

		mutex_lock(&i->lock);
		s = pipe_state(f);
		part = fits(q, messages, bytes - *done);
		if (s == STATUS_SUCCESS && !part && !i->no_wait[f->pipe_side]) {
			s = wait_unlocked(i, &q->room);
			if (s != STATUS_SUCCESS)
				return s;
			continue;
		}
		if (s == STATUS_SUCCESS && part)
			s = put(q, messages, (const u8 *)user + *done, part, copy_from_user);
		mutex_unlock(&i->lock);
		if (s != STATUS_SUCCESS || !part)
			break;
		*done += part;
	}
	return s;
}

/* Asynchronous: all of it now, or all of it by a pending request. */
static NTSTATUS write_or_pend(struct FILE_OBJECT *f, const void *user, u32 bytes, u32 *done)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = outgoing(f);
	NTSTATUS s;
	bool now;
	u32 room;

	*done = 0;
	mutex_lock(&i->lock);
	s = pipe_state(f);
	room = q->bytes < q->quota ? q->quota - q->bytes : 0;
	now = !q->writers && (bytes <= room || (i->pipe->messages && !q->bytes));
	if (s == STATUS_SUCCESS && !now) {
		q->writers++;
		s = STATUS_PENDING;
	} else if (s == STATUS_SUCCESS) {
		s = put(q, i->pipe->messages, user, bytes, copy_from_user);
		*done = s == STATUS_SUCCESS ? bytes : 0;
	}
	mutex_unlock(&i->lock);
	return s;
}

NTSTATUS pipe_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done)
{
	(void)offset;
	return is_synchronous(f) || f->pipe->no_wait[f->pipe_side]
		   ? pipe_write_all(f, user, bytes, done)
		   : write_or_pend(f, user, bytes, done);
}

NTSTATUS pipe_write_ready(struct FILE_OBJECT *f, const u8 *data, u32 bytes, u32 *done)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = outgoing(f);
	NTSTATUS s;
	u32 part;

	mutex_lock(&i->lock);
	s = pipe_state(f);
	while (s == STATUS_SUCCESS && *done < bytes &&
	       (part = fits(q, i->pipe->messages, bytes - *done))) {
		s = put(q, i->pipe->messages, data + *done, part, copy_to_kernel);
		*done += s == STATUS_SUCCESS ? part : 0;
	}
	if (s == STATUS_SUCCESS && *done < bytes)
		s = STATUS_PENDING;
	if (s != STATUS_PENDING)
		q->writers--;
	mutex_unlock(&i->lock);
	return s;
}

void pipe_pending_ended(struct FILE_OBJECT *f, bool write)
{
	mutex_lock(&f->pipe->lock);
	if (write)
		outgoing(f)->writers--;
	else
		incoming(f)->readers--;
	mutex_unlock(&f->pipe->lock);
}

/* Until the other end has read everything, or is gone. */
NTSTATUS pipe_flush(struct FILE_OBJECT *f)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = outgoing(f);

	for (;;) {
		NTSTATUS s;

		mutex_lock(&i->lock);
		s = pipe_state(f);
		if (s != STATUS_SUCCESS || !q->bytes) {
			mutex_unlock(&i->lock);
			return s == STATUS_PIPE_CLOSING ? STATUS_SUCCESS : s;
		}
		s = wait_unlocked(i, &q->room);
		if (s != STATUS_SUCCESS)
			return s;
	}
}

/* FILE_PIPE_PEEK_DATA_BUFFER: state, bytes there, messages, length of the first; then data. */
struct peek {
	u32 state, available, messages, message_bytes;
};

NTSTATUS pipe_peek(struct FILE_OBJECT *f, void *out, u32 out_bytes, u64 *information)
{
	struct pipe_instance *i = f->pipe;
	struct pipe_queue *q = incoming(f);
	u32 at = sizeof(struct peek);
	struct peek p = {0};
	NTSTATUS s;

	if (out_bytes < sizeof p)
		return STATUS_INFO_LENGTH_MISMATCH;
	mutex_lock(&i->lock);
	s = pipe_state(f);
	if (s == STATUS_PIPE_CLOSING)
		s = list_empty(&q->chunks) ? STATUS_PIPE_BROKEN : STATUS_SUCCESS;
	p.state = i->state;
	p.available = q->bytes;
	for (struct list *e = q->chunks.next; s == STATUS_SUCCESS && e != &q->chunks; e = e->next) {
		struct pipe_chunk *c = CONTAINER_OF(e, struct pipe_chunk, entry);
		u32 part = MIN(out_bytes - at, c->bytes - c->consumed);

		if (i->pipe->messages && !p.messages++)
			p.message_bytes = c->bytes - c->consumed;
		if (i->by_message[f->pipe_side] && p.messages > 1)
			continue; /* only counted */
		s = copy_to_user((u8 *)out + at, c->data + c->consumed, part);
		at += part;
	}
	mutex_unlock(&i->lock);
	if (s == STATUS_SUCCESS)
		s = copy_to_user(out, &p, sizeof p);
	*information = at;
	if (s == STATUS_SUCCESS &&
	    at - sizeof p < (p.message_bytes ? p.message_bytes : p.available))
		s = STATUS_BUFFER_OVERFLOW;
	return s;
}
