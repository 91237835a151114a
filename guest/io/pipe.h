/*
 * pipe: named and anonymous pipes, all inside the machine.
 *
 * A pipe is a name with instances; an instance has a server end, at most one client end, and two
 * queues. Locks: pipe_lock (mutex; names, lists of instances, states), then instance->lock (mutex;
 * queues, and states too: reading a state takes either, changing it both). Letters: N pipe_lock,
 * Q instance->lock, I immutable.
 */
#ifndef NTMM_IO_PIPE_H
#define NTMM_IO_PIPE_H

#include "guest/io/fs.h"

enum pipe_state { PIPE_DISCONNECTED = 1, PIPE_LISTENING, PIPE_CONNECTED, PIPE_CLOSING };
enum pipe_side { PIPE_SERVER, PIPE_CLIENT };
enum { PIPE_INBOUND, PIPE_OUTBOUND, PIPE_DUPLEX }; /* client to server, server to client, both */

struct pipe_chunk {
	struct list entry;
	u32 bytes, consumed, room; /* data[consumed..bytes) is to be read */
	u8 data[];
};

struct pipe_queue {
	struct list chunks;   /* Q; of a message pipe each is a message */
	u32 bytes;	      /* Q; to be read */
	u32 quota;	      /* I */
	KEVENT data;	      /* there is data, or will be none */
	KEVENT room;	      /* something was read, or nobody will read */
	u32 readers, writers; /* Q; pending: who comes later waits behind them */
};

struct pipe {
	struct list entry; /* in the table; N. Anonymous: not in it */
	u16 *name;
	u32 name_chars;
	struct list instances; /* with an open server end; N */
	u32 count, max;
	bool messages;	  /* I: written as messages */
	u8 configuration; /* I: PIPE_INBOUND... */
	s64 default_timeout;
	KEVENT listening; /* pulsed when an instance begins to listen */
};

struct pipe_instance {
	struct list entry; /* pipe->instances; N */
	struct pipe *pipe; /* I */
	u32 references;	   /* file objects; N */
	struct mutex lock;
	enum pipe_state state;
	u32 connection;		    /* counts clients: an end of an earlier connection is dead */
	bool open[2];		    /* by side */
	bool by_message[2];	    /* read mode; Q */
	bool no_wait[2];	    /* completion mode; Q */
	struct pipe_queue queue[2]; /* by the side that reads */
	KEVENT changed;		    /* a client came, or the server went */
};

extern struct mutex pipe_lock;
extern const struct file_ops pipe_ops, pipe_root_ops;

/* ---- pipe.c ---- */
struct pipe_parameters {
	bool messages, by_message, no_wait;
	u32 max, in_quota, out_quota, share;
	s64 default_timeout;
};
/* A server end. name_chars 0: anonymous. */
NTSTATUS pipe_create(const u16 *name, u32 name_chars, const struct open_request *rq,
		     const struct pipe_parameters *v, struct FILE_OBJECT **file, u32 *information);
/* A client end, by name or of that very server end. */
NTSTATUS pipe_open(const u16 *name, u32 name_chars, const struct open_request *rq,
		   struct FILE_OBJECT **file);
NTSTATUS pipe_open_client_of(struct FILE_OBJECT *server, const struct open_request *rq,
			     struct FILE_OBJECT **file);
NTSTATUS pipe_listen(struct FILE_OBJECT *f);
NTSTATUS pipe_disconnect(struct FILE_OBJECT *f);
NTSTATUS pipe_wait(const u16 *name, u32 name_chars, const s64 *timeout);
u32 pipe_instances(const struct pipe *p);

/* ---- pipeio.c ---- */
/* The end's state as its owner sees it. => Q */
NTSTATUS pipe_state(const struct FILE_OBJECT *f);
void pipe_queue_init(struct pipe_queue *q, u32 quota);
void pipe_queue_clear(struct pipe_queue *q); /* => Q, or nobody else has it */
void pipe_wake(struct pipe_instance *i);     /* everybody looks again; => Q */
NTSTATUS pipe_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done);
NTSTATUS pipe_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done);
/* The same, waiting for room whatever the handle is. */
NTSTATUS pipe_write_all(struct FILE_OBJECT *f, const void *user, u32 bytes, u32 *done);
/* For requests that wait (pending.c): STATUS_PENDING as long as they must. Data: in pool, *data
 * NULL when there is none. */
NTSTATUS pipe_read_ready(struct FILE_OBJECT *f, u32 bytes, u8 **data, u32 *done);
/* A write that waits: as much as fits of data[*done..]. */
NTSTATUS pipe_write_ready(struct FILE_OBJECT *f, const u8 *data, u32 bytes, u32 *done);
/* A pending read or write has ended otherwise: it counts no more. */
void pipe_pending_ended(struct FILE_OBJECT *f, bool write);
NTSTATUS pipe_listen_state(struct FILE_OBJECT *f);
NTSTATUS pipe_flush(struct FILE_OBJECT *f);
NTSTATUS pipe_peek(struct FILE_OBJECT *f, void *out, u32 out_bytes, u64 *information);

#endif
