/*
 * Pipes: names, instances, connections. States of an instance:
 *
 *   LISTENING     pipe_create, pipe_listen    a client may connect
 *   CONNECTED     pipe_open                   both ends are there
 *   CLOSING       one end was closed          the other may read what is left
 *   DISCONNECTED  pipe_disconnect             the client's end is dead, data is thrown away
 *
 * The client of an earlier connection is told by its number (f->connection), so that a server may
 * listen again while the old client still has its handle.
 */
#include "guest/io/pending.h"
#include "guest/io/pipe.h"

#define QUOTA_DEFAULT 0x1000u
#define QUOTA_MOST    0x100000u

struct mutex pipe_lock;
static struct list pipes;

void pipe_init(void)
{
	mutex_init(&pipe_lock);
	list_init(&pipes);
}

/* ---- closing ---- */

/* => N; nothing refers to it any more */
static void free_pipe(struct pipe *p)
{
	list_remove(&p->entry);
	if (p->name)
		ExFreePool(p->name);
	ExFreePool(p);
}

static void put_instance(struct pipe_instance *i)
{
	struct pipe *p = i->pipe;

	if (--i->references)
		return;
	list_remove(&i->entry);
	pipe_queue_clear(&i->queue[PIPE_SERVER]);
	pipe_queue_clear(&i->queue[PIPE_CLIENT]);
	ExFreePool(i);
	if (--p->count == 0)
		free_pipe(p);
}

/* The end's last handle is closed. */
static void pipe_cleanup(struct FILE_OBJECT *f)
{
	struct pipe_instance *i = f->pipe;

	pending_cancel(f, NULL, NULL);
	mutex_lock(&pipe_lock);
	mutex_lock(&i->lock);
	if (f->pipe_side == PIPE_SERVER || f->connection == i->connection) {
		i->open[f->pipe_side] = false;
		if (i->state == PIPE_CONNECTED)
			i->state = PIPE_CLOSING;
		else if (f->pipe_side == PIPE_SERVER)
			i->state = PIPE_DISCONNECTED;
		pipe_wake(i);
	}
	mutex_unlock(&i->lock);
	if (f->pipe_side == PIPE_SERVER) {
		list_remove(&i->entry);
		if (list_empty(&i->pipe->instances))
			list_remove(&i->pipe->entry); /* the name is free again */
	}
	mutex_unlock(&pipe_lock);
}

static void pipe_destroy(struct FILE_OBJECT *f)
{
	mutex_lock(&pipe_lock);
	put_instance(f->pipe);
	mutex_unlock(&pipe_lock);
}

const struct file_ops pipe_ops = {
    .device_type = FILE_DEVICE_NAMED_PIPE,
    .read = pipe_read,
    .write = pipe_write,
    .flush = pipe_flush,
    .cleanup = pipe_cleanup,
    .destroy = pipe_destroy,
};

/* \Device\NamedPipe\ itself: something to open names below, and to wait on. */
const struct file_ops pipe_root_ops = {
    .device_type = FILE_DEVICE_NAMED_PIPE,
};

/* ---- making ---- */

/* => N */
static struct pipe *find(const u16 *name, u32 chars)
{
	LIST_FOR_EACH(e, &pipes)
	{
		struct pipe *p = CONTAINER_OF(e, struct pipe, entry);

		if (name_equal_nt(p->name, p->name_chars, name, chars))
			return p;
	}
	return NULL;
}

static struct pipe *make_pipe(const u16 *name, u32 chars, const struct pipe_parameters *v,
			      u8 configuration)
{
	struct pipe *p = ExAllocatePool(sizeof *p, TAG('P', 'i', 'p', 'e'));

	if (!p)
		return NULL;
	list_init(&p->entry);
	list_init(&p->instances);
	KeInitializeEvent(&p->listening, DO_EVENT_NOTIFICATION, false);
	p->messages = v->messages;
	p->configuration = configuration;
	p->max = v->max;
	p->default_timeout = v->default_timeout;
	if (chars) {
		p->name = ExAllocatePool(chars * sizeof *name, TAG('P', 'i', 'p', 'n'));
		if (!p->name) {
			ExFreePool(p);
			return NULL;
		}
		memcpy(p->name, name, chars * sizeof *name);
		p->name_chars = chars;
		list_push_back(&pipes, &p->entry);
	}
	return p;
}

static u32 quota(u32 wanted)
{
	return wanted ? MIN(ALIGN_UP(wanted, 16), QUOTA_MOST) : QUOTA_DEFAULT;
}

/* A file object for one end; counts as a reference. */
static struct FILE_OBJECT *make_end(struct pipe_instance *i, enum pipe_side side,
				    const struct open_request *rq)
{
	struct FILE_OBJECT *f = file_create_object(&pipe_ops, rq);

	if (!f)
		return NULL;
	f->pipe = i;
	f->pipe_side = (u8)side;
	i->references++;
	i->open[side] = true;
	return f;
}

/* => N */
static NTSTATUS make_instance(struct pipe *p, const struct open_request *rq,
			      const struct pipe_parameters *v, struct FILE_OBJECT **file)
{
	struct pipe_instance *i = ExAllocatePool(sizeof *i, TAG('P', 'i', 'p', 'i'));

	if (!i)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_init(&i->lock);
	KeInitializeEvent(&i->changed, DO_EVENT_NOTIFICATION, false);
	pipe_queue_init(&i->queue[PIPE_SERVER], quota(v->in_quota));
	pipe_queue_init(&i->queue[PIPE_CLIENT], quota(v->out_quota));
	i->pipe = p;
	i->state = PIPE_LISTENING;
	i->by_message[PIPE_SERVER] = v->by_message;
	i->no_wait[PIPE_SERVER] = v->no_wait;
	*file = make_end(i, PIPE_SERVER, rq);
	if (!*file) {
		ExFreePool(i);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	p->count++;
	list_push_back(&p->instances, &i->entry);
	KePulseEvent(&p->listening);
	return STATUS_SUCCESS;
}

u32 pipe_instances(const struct pipe *p)
{
	u32 n = 0;

	LIST_FOR_EACH(e, &p->instances)
	n++;
	return n;
}

/* => N. The pipe for a new instance: found, or made. */
static NTSTATUS pipe_for(const u16 *name, u32 chars, u32 disposition,
			 const struct pipe_parameters *v, u8 configuration, struct pipe **pipe,
			 u32 *information)
{
	struct pipe *p = chars ? find(name, chars) : NULL;

	if (p) {
		if (disposition == FILE_CREATE || p->messages != v->messages ||
		    p->configuration != configuration)
			return STATUS_ACCESS_DENIED;
		if (pipe_instances(p) >= p->max)
			return STATUS_INSTANCE_NOT_AVAILABLE;
		*information = FILE_OPENED;
	} else {
		if (disposition == FILE_OPEN)
			return STATUS_OBJECT_NAME_NOT_FOUND;
		p = make_pipe(name, chars, v, configuration);
		if (!p)
			return STATUS_INSUFFICIENT_RESOURCES;
		*information = FILE_CREATED;
	}
	*pipe = p;
	return STATUS_SUCCESS;
}

NTSTATUS pipe_create(const u16 *name, u32 name_chars, const struct open_request *rq,
		     const struct pipe_parameters *v, struct FILE_OBJECT **file, u32 *information)
{
	/* The share bits say what a client may do: read, write, both. */
	static const u8 configuration[] = {
	    [FILE_SHARE_READ] = PIPE_OUTBOUND,
	    [FILE_SHARE_WRITE] = PIPE_INBOUND,
	    [FILE_SHARE_READ | FILE_SHARE_WRITE] = PIPE_DUPLEX,
	};
	struct pipe *p;
	NTSTATUS s;

	if (!v->share || v->share > (FILE_SHARE_READ | FILE_SHARE_WRITE) || !v->max ||
	    (v->by_message && !v->messages))
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&pipe_lock);
	s = pipe_for(name, name_chars, rq->disposition, v, configuration[v->share], &p,
		     information);
	if (s == STATUS_SUCCESS) {
		s = make_instance(p, rq, v, file);
		if (s != STATUS_SUCCESS && !p->count)
			free_pipe(p);
	}
	mutex_unlock(&pipe_lock);
	return s;
}

/* ---- connecting ---- */

/* => N; the instance is listening */
static NTSTATUS connect(struct pipe_instance *i, const struct open_request *rq,
			struct FILE_OBJECT **file)
{
	u8 c = i->pipe->configuration;

	if ((c == PIPE_INBOUND && rq->access & FILE_READ_DATA) ||
	    (c == PIPE_OUTBOUND && rq->access & FILE_WRITE_DATA))
		return STATUS_ACCESS_DENIED;
	*file = make_end(i, PIPE_CLIENT, rq);
	if (!*file)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&i->lock);
	(*file)->connection = ++i->connection;
	i->by_message[PIPE_CLIENT] = i->no_wait[PIPE_CLIENT] = false;
	i->state = PIPE_CONNECTED;
	pipe_wake(i);
	mutex_unlock(&i->lock);
	return STATUS_SUCCESS;
}

/* Something that is there, without an instance. */
static NTSTATUS open_root(const struct open_request *rq, struct FILE_OBJECT **file)
{
	*file = file_create_object(&pipe_root_ops, rq);
	return *file ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

NTSTATUS pipe_open(const u16 *name, u32 name_chars, const struct open_request *rq,
		   struct FILE_OBJECT **file)
{
	NTSTATUS s = STATUS_OBJECT_NAME_NOT_FOUND;
	struct pipe *p;

	if (!name_chars)
		return open_root(rq, file);
	mutex_lock(&pipe_lock);
	p = find(name, name_chars);
	if (p) {
		s = STATUS_PIPE_NOT_AVAILABLE;
		LIST_FOR_EACH(e, &p->instances)
		{
			struct pipe_instance *i = CONTAINER_OF(e, struct pipe_instance, entry);

			if (i->state == PIPE_LISTENING) {
				s = rq->look ? open_root(rq, file) : connect(i, rq, file);
				break;
			}
		}
	}
	mutex_unlock(&pipe_lock);
	return s;
}

NTSTATUS pipe_open_client_of(struct FILE_OBJECT *server, const struct open_request *rq,
			     struct FILE_OBJECT **file)
{
	NTSTATUS s = STATUS_PIPE_NOT_AVAILABLE;

	if (server->pipe_side != PIPE_SERVER)
		return STATUS_OBJECT_TYPE_MISMATCH;
	mutex_lock(&pipe_lock);
	if (!server->cleaned && server->pipe->state == PIPE_LISTENING)
		s = connect(server->pipe, rq, file);
	mutex_unlock(&pipe_lock);
	return s;
}

/* ConnectNamedPipe */
NTSTATUS pipe_listen(struct FILE_OBJECT *f)
{
	struct pipe_instance *i = f->pipe;
	NTSTATUS s = STATUS_SUCCESS;
	bool wait = false;

	if (f->pipe_side != PIPE_SERVER)
		return STATUS_ACCESS_DENIED;
	mutex_lock(&pipe_lock);
	mutex_lock(&i->lock);
	if (i->state == PIPE_CONNECTED) {
		s = STATUS_PIPE_CONNECTED;
	} else if (i->state == PIPE_CLOSING) {
		s = STATUS_PIPE_CLOSING;
	} else {
		i->state = PIPE_LISTENING;
		KeResetEvent(&i->changed);
		KePulseEvent(&i->pipe->listening);
		wait = !i->no_wait[PIPE_SERVER];
		s = wait ? s : STATUS_PIPE_LISTENING;
	}
	mutex_unlock(&i->lock);
	mutex_unlock(&pipe_lock);
	if (wait && !is_synchronous(f))
		return STATUS_PENDING;
	if (wait)
		s = KeWaitForSingleObject(&i->changed, USER_MODE, false, NULL);
	return s;
}

NTSTATUS pipe_listen_state(struct FILE_OBJECT *f)
{
	struct pipe_instance *i = f->pipe;
	NTSTATUS s;

	mutex_lock(&i->lock);
	s = i->state == PIPE_LISTENING	    ? STATUS_PENDING
	    : i->state == PIPE_DISCONNECTED ? STATUS_PIPE_DISCONNECTED
					    : STATUS_SUCCESS;
	mutex_unlock(&i->lock);
	return s;
}

/* DisconnectNamedPipe */
NTSTATUS pipe_disconnect(struct FILE_OBJECT *f)
{
	struct pipe_instance *i = f->pipe;
	NTSTATUS s = STATUS_SUCCESS;

	if (f->pipe_side != PIPE_SERVER)
		return STATUS_ACCESS_DENIED;
	mutex_lock(&pipe_lock);
	mutex_lock(&i->lock);
	if (i->state == PIPE_CONNECTED || i->state == PIPE_CLOSING) {
		i->state = PIPE_DISCONNECTED;
		i->connection++;
		i->open[PIPE_CLIENT] = false;
		pipe_queue_clear(&i->queue[PIPE_SERVER]);
		pipe_queue_clear(&i->queue[PIPE_CLIENT]);
		pipe_wake(i);
	} else {
		s = i->state == PIPE_LISTENING ? STATUS_PIPE_LISTENING : STATUS_PIPE_DISCONNECTED;
	}
	mutex_unlock(&i->lock);
	mutex_unlock(&pipe_lock);
	return s;
}

/* WaitNamedPipe: until an instance listens. timeout NULL: the pipe's own. */
NTSTATUS pipe_wait(const u16 *name, u32 name_chars, const s64 *timeout)
{
	const s64 moment = -100000; /* 10 ms: the pulse may come before our wait */
	u64 end = 0, now;
	s64 limit;

	for (bool first = true;; first = false) {
		bool found = false;
		struct pipe *p;
		NTSTATUS s;

		mutex_lock(&pipe_lock);
		p = find(name, name_chars);
		if (p) {
			limit = timeout ? *timeout : p->default_timeout;
			LIST_FOR_EACH(e, &p->instances)
			found |=
			    CONTAINER_OF(e, struct pipe_instance, entry)->state == PIPE_LISTENING;
		}
		mutex_unlock(&pipe_lock);
		if (!p)
			return STATUS_OBJECT_NAME_NOT_FOUND;
		if (found)
			return STATUS_SUCCESS;
		now = KeQueryInterruptTime();
		if (first)
			end = limit == INT64_MIN ? ~0ull : now + (u64)(limit < 0 ? -limit : 0);
		if (now >= end)
			return STATUS_IO_TIMEOUT;
		s = KeDelayExecution(USER_MODE, false, &moment);
		if (s != STATUS_SUCCESS && s != STATUS_TIMEOUT)
			return s;
	}
}
