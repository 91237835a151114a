/*
 * I/O completion ports: a queue of packets, and a list of threads that wait for one.
 *
 * Either of the two is empty. A packet goes to the thread that began to wait last (its stack and
 * its caches are the warmest), packets leave in the order in which they came. The thread finds its
 * packet in its own `struct waiter`, whatever ended its wait: a packet that was handed over at the
 * same moment as a time-out or an APC is not lost, and that of a thread which is being ended goes
 * to another. A wait for the port's handle itself sees only whether packets are queued.
 *
 * How many threads run at a time is left to the scheduler: the number given to
 * NtCreateIoCompletion is advice, and not taken.
 *
 * Locks: port->lock (spin; letter P below; before the dispatcher lock); association (mutex: the
 * ports of all file objects).
 */
#include "guest/io/completion.h"
#include "guest/io/fs.h"
#include "guest/io/syscalls.h"
#include "guest/ex/ex.h"

#define IO_COMPLETION_QUERY_STATE  0x1u
#define IO_COMPLETION_MODIFY_STATE 0x2u
#define IO_COMPLETION_ALL_ACCESS   0x1f0003u

struct io_completion {
	KEVENT queued; /* signalled while packets wait */
	struct spinlock lock;
	struct list packets; /* P; oldest first */
	struct list waiters; /* P; who came last first */
	u32 depth;	     /* P; of packets */
	bool closed;	     /* P; no handle is left */
};

struct waiter {
	struct list entry;
	KEVENT woken;
	struct completion_packet *packet; /* P */
};

static struct mutex association;

void completion_init(void)
{
	mutex_init(&association);
}

/* ---- the object ---- */

static void port_close(struct EPROCESS *p, void *object, u32 handles_left)
{
	struct io_completion *port = object;
	KIRQL old;

	(void)p;
	if (handles_left)
		return;
	old = KeAcquireSpinLock(&port->lock);
	port->closed = true;
	LIST_FOR_EACH(e, &port->waiters)
	KeSetEvent(&CONTAINER_OF(e, struct waiter, entry)->woken);
	KeReleaseSpinLock(&port->lock, old);
}

/* Packets hold references to their port only while they are not queued in it. */
static void port_destroy(void *object)
{
	struct io_completion *port = object;
	struct list *e;

	while ((e = list_pop_front(&port->packets)))
		ExFreePool(CONTAINER_OF(e, struct completion_packet, entry));
}

const struct object_type IoCompletionType = {
    .name = "IoCompletion",
    .dispatcher_offset = offsetof(struct io_completion, queued.d),
    .generic_read = READ_CONTROL | IO_COMPLETION_QUERY_STATE,
    .generic_write = READ_CONTROL | IO_COMPLETION_MODIFY_STATE,
    .generic_execute = READ_CONTROL | SYNCHRONIZE,
    .all_access = IO_COMPLETION_ALL_ACCESS,
    .close = port_close,
    .destroy = port_destroy,
};

NTSTATUS IoReferenceCompletion(HANDLE h, struct io_completion **port)
{
	return ObReferenceObjectByHandle(h, IO_COMPLETION_MODIFY_STATE, &IoCompletionType,
					 (void **)port);
}

/* ---- packets ---- */

struct completion_packet *completion_new(struct io_completion *port, u64 key, u64 context)
{
	struct completion_packet *p = ExAllocatePool(sizeof(*p), TAG('I', 'o', 'c', 'p'));

	if (!p)
		return NULL;
	ObReferenceObject(port);
	p->port = port;
	p->key = key;
	p->context = context;
	return p;
}

void completion_drop(struct completion_packet *p)
{
	ObDereferenceObject(p->port);
	ExFreePool(p);
}

/* To a waiting thread, or to the queue's front or back. => P */
static void give(struct io_completion *port, struct completion_packet *p, bool front)
{
	struct list *e = list_pop_front(&port->waiters);

	if (e) {
		struct waiter *w = CONTAINER_OF(e, struct waiter, entry);

		w->packet = p;
		KeSetEvent(&w->woken);
		return;
	}
	if (front)
		list_push_front(&port->packets, &p->entry);
	else
		list_push_back(&port->packets, &p->entry);
	port->depth++;
	KeSetEvent(&port->queued);
}

void completion_post(struct completion_packet *p, NTSTATUS status, u64 information)
{
	struct io_completion *port = p->port;
	KIRQL old;

	p->status = (u32)status;
	p->information = information;
	old = KeAcquireSpinLock(&port->lock);
	give(port, p, false);
	KeReleaseSpinLock(&port->lock, old);
	ObDereferenceObject(port);
}

/* => P */
static struct completion_packet *pop(struct io_completion *port)
{
	struct list *e = list_pop_front(&port->packets);

	if (!e)
		return NULL;
	if (!--port->depth)
		KeResetEvent(&port->queued);
	return CONTAINER_OF(e, struct completion_packet, entry);
}

/* Takes a packet, or waits for one. The caller frees it. STATUS_SUCCESS: *packet is set. */
static NTSTATUS take(struct io_completion *port, const s64 *limit, bool alertable,
		     struct completion_packet **packet)
{
	struct waiter w = {0};
	KIRQL old;
	NTSTATUS s;

	KeInitializeEvent(&w.woken, DO_EVENT_NOTIFICATION, false);
	old = KeAcquireSpinLock(&port->lock);
	*packet = pop(port);
	s = *packet ? STATUS_SUCCESS : port->closed ? STATUS_ABANDONED : STATUS_PENDING;
	if (s == STATUS_PENDING)
		list_push_front(&port->waiters, &w.entry);
	KeReleaseSpinLock(&port->lock, old);
	if (s != STATUS_PENDING)
		return s;
	s = KeWaitForSingleObject(&w.woken, USER_MODE, alertable, limit);
	old = KeAcquireSpinLock(&port->lock);
	if (!w.packet) {
		list_remove(&w.entry);
		if (s == STATUS_SUCCESS)
			s = STATUS_ABANDONED;
	} else if (s == STATUS_THREAD_IS_TERMINATING) {
		give(port, w.packet, true);
	} else {
		*packet = w.packet;
		s = STATUS_SUCCESS;
	}
	KeReleaseSpinLock(&port->lock, old);
	return s;
}

/* ---- ports of files ---- */

/* Fast I/O of NT: requests that need no IRP. There are none here, so the flag changes nothing. */
#define FILE_SKIP_SET_USER_EVENT_ON_FAST_IO 4u
#define SKIP_FLAGS                                                              \
	(FILE_SKIP_COMPLETION_PORT_ON_SUCCESS | FILE_SKIP_SET_EVENT_ON_HANDLE | \
	 FILE_SKIP_SET_USER_EVENT_ON_FAST_IO)

NTSTATUS completion_for_request(struct FILE_OBJECT *f, u64 apc, u64 context,
				struct completion_packet **packet)
{
	NTSTATUS s = STATUS_SUCCESS;

	*packet = NULL;
	if (!f->port)
		return s;
	mutex_lock(&association);
	if (f->port && apc) {
		s = STATUS_INVALID_PARAMETER; /* it could be told in one way only */
	} else if (f->port && context) {
		*packet = completion_new(f->port, f->port_key, context);
		s = *packet ? s : STATUS_INSUFFICIENT_RESOURCES;
	}
	mutex_unlock(&association);
	return s;
}

NTSTATUS completion_set(struct FILE_OBJECT *f, HANDLE h, u64 key, bool replace)
{
	struct io_completion *port = NULL, *old = NULL;
	NTSTATUS s = STATUS_SUCCESS;

	if (is_synchronous(f))
		return STATUS_INVALID_PARAMETER;
	if (h || !replace)
		s = IoReferenceCompletion(h, &port);
	if (s != STATUS_SUCCESS)
		return s;
	mutex_lock(&association);
	if (f->port && !replace) {
		s = STATUS_INVALID_PARAMETER;
		old = port;
	} else {
		old = f->port;
		f->port = port;
		f->port_key = key;
	}
	mutex_unlock(&association);
	if (old)
		ObDereferenceObject(old);
	return s;
}

/* Flags can be set, not taken away again. */
NTSTATUS completion_set_flags(struct FILE_OBJECT *f, u32 flags)
{
	if (flags & ~SKIP_FLAGS)
		return STATUS_INVALID_PARAMETER;
	__atomic_fetch_or(&f->skip, (u8)flags, __ATOMIC_SEQ_CST);
	return STATUS_SUCCESS;
}

void completion_forget(struct FILE_OBJECT *f)
{
	if (f->port)
		ObDereferenceObject(f->port);
}

/* ---- system calls ---- */

NTSYSCALL NTSTATUS NtCreateIoCompletion(HANDLE *handle, ACCESS_MASK access, const void *attributes,
					u32 threads)
{
	struct object_attributes a;
	struct io_completion *port;
	NTSTATUS s = ex_begin_create(handle, attributes, &a);

	(void)threads;
	if (!NT_SUCCESS(s))
		return s;
	port = ObCreateObject(&IoCompletionType, sizeof(*port));
	if (port) {
		KeInitializeEvent(&port->queued, DO_EVENT_NOTIFICATION, false);
		list_init(&port->packets);
		list_init(&port->waiters);
	}
	return ex_end_create(handle, &a, port, access);
}

NTSYSCALL NTSTATUS NtOpenIoCompletion(HANDLE *handle, ACCESS_MASK access, const void *attributes)
{
	return ex_open(handle, access, attributes, &IoCompletionType);
}

NTSYSCALL NTSTATUS NtQueryIoCompletion(HANDLE h, u32 class, void *buffer, u32 length, u32 *returned)
{
	void *object;
	u32 depth;
	NTSTATUS s = ex_begin_query(h, class, length, sizeof(depth), IO_COMPLETION_QUERY_STATE,
				    &IoCompletionType, &object);

	if (!NT_SUCCESS(s))
		return s;
	depth = ((struct io_completion *)object)->depth;
	return ex_end_query(object, &depth, sizeof(depth), buffer, returned);
}

NTSYSCALL NTSTATUS NtSetIoCompletion(HANDLE h, u64 key, u64 context, NTSTATUS status,
				     u64 information)
{
	struct completion_packet *p;
	struct io_completion *port;
	NTSTATUS s = IoReferenceCompletion(h, &port);

	if (!NT_SUCCESS(s))
		return s;
	p = completion_new(port, key, context);
	if (p)
		completion_post(p, status, information);
	ObDereferenceObject(port);
	return p ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

static NTSTATUS capture_limit(const s64 *user, s64 *value, const s64 **limit)
{
	*limit = user ? value : NULL;
	return user ? copy_from_user(value, user, sizeof(*value)) : STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtRemoveIoCompletion(HANDLE h, u64 *key, u64 *context, IO_STATUS_BLOCK *iosb,
					const s64 *timeout)
{
	struct completion_packet *p = NULL;
	struct io_completion *port;
	const s64 *limit;
	s64 value;
	NTSTATUS s = capture_limit(timeout, &value, &limit);

	if (!NT_SUCCESS(s) || (s = probe_for_write(key, sizeof(*key))) ||
	    (s = probe_for_write(context, sizeof(*context))) ||
	    (s = probe_for_write(iosb, sizeof(*iosb))))
		return s;
	s = IoReferenceCompletion(h, &port);
	if (!NT_SUCCESS(s))
		return s;
	s = take(port, limit, false, &p);
	ObDereferenceObject(port);
	if (!p)
		return s;
	if (!(s = copy_to_user(key, &p->key, sizeof(p->key))) &&
	    !(s = copy_to_user(context, &p->context, sizeof(p->context))))
		s = copy_to_user(iosb, &p->status, sizeof(*iosb));
	ExFreePool(p);
	return s;
}

/* FILE_IO_COMPLETION_INFORMATION, and OVERLAPPED_ENTRY */
struct completion_entry {
	u64 key, context, status, information;
};

/* One packet is waited for; what else is there comes along. */
NTSYSCALL NTSTATUS NtRemoveIoCompletionEx(HANDLE h, struct completion_entry *entries, u32 count,
					  u32 *removed, const s64 *timeout, u8 alertable)
{
	struct completion_packet *p = NULL;
	struct io_completion *port;
	const s64 *limit;
	s64 value;
	u32 n = 0;
	NTSTATUS s = capture_limit(timeout, &value, &limit);

	if (!NT_SUCCESS(s))
		return s;
	if (!count)
		return STATUS_INVALID_PARAMETER;
	if ((s = probe_for_write(entries, (u64)count * sizeof(*entries))) ||
	    (s = probe_for_write(removed, sizeof(*removed))))
		return s;
	s = IoReferenceCompletion(h, &port);
	if (!NT_SUCCESS(s))
		return s;
	s = take(port, limit, alertable, &p);
	while (p) {
		struct completion_entry e = {p->key, p->context, p->status, p->information};
		KIRQL old;

		ExFreePool(p);
		p = NULL;
		s = copy_to_user(&entries[n], &e, sizeof(e));
		if (s != STATUS_SUCCESS || ++n == count)
			break;
		old = KeAcquireSpinLock(&port->lock);
		p = pop(port);
		KeReleaseSpinLock(&port->lock, old);
	}
	ObDereferenceObject(port);
	if (s == STATUS_SUCCESS || s == STATUS_TIMEOUT)
		copy_to_user(removed, &n, sizeof(n));
	return s;
}
