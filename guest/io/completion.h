/*
 * I/O completion ports, for what posts to them: requests on files (request.c, pending.c), jobs
 * (ps).
 *
 * A packet is made before the work it will tell of, so that telling cannot fail.
 */
#ifndef NTMM_IO_COMPLETION_H
#define NTMM_IO_COMPLETION_H

#include "guest/ob/ob.h"

struct io_completion;
struct FILE_OBJECT;

struct completion_packet {
	struct list entry;
	struct io_completion *port; /* referenced */
	u64 key, context;	    /* what the program gave with the file, and with the request */
	u64 status, information;    /* IO_STATUS_BLOCK */
};

extern const struct object_type IoCompletionType;

/* FILE_OBJECT.skip (public winbase.h) */
#define FILE_SKIP_COMPLETION_PORT_ON_SUCCESS 1u
#define FILE_SKIP_SET_EVENT_ON_HANDLE	     2u

/* The port of a user's handle, referenced, with the right to post to it. */
NTSTATUS IoReferenceCompletion(HANDLE h, struct io_completion **port);
/* NULL without memory. */
struct completion_packet *completion_new(struct io_completion *port, u64 key, u64 context);
/* Consumes the packet: hands it to the thread that began to wait last, or queues it. */
void completion_post(struct completion_packet *p, NTSTATUS status, u64 information);
void completion_drop(struct completion_packet *p);

/* What is posted when a request on the file ends; *packet stays NULL without a port, or when the
 * request has no context. */
NTSTATUS completion_for_request(struct FILE_OBJECT *f, u64 apc, u64 context,
				struct completion_packet **packet);
/* FileCompletionInformation: once; FileReplaceCompletionInformation: as often as wanted, and with
 * handle 0 to end it. Asynchronous files only. */
NTSTATUS completion_set(struct FILE_OBJECT *f, HANDLE port, u64 key, bool replace);
NTSTATUS completion_set_flags(struct FILE_OBJECT *f, u32 flags);
void completion_forget(struct FILE_OBJECT *f); /* the file object goes */
void completion_init(void);

#endif
