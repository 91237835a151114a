/*
 * The thread pool's callbacks at the end of requests on files: CreateThreadpoolIo and its like, and
 * BindIoCompletionCallback.
 *
 * One port takes the packets of all such files; one thread waits for it and queues a call of the
 * pool for each. A packet's key is its struct pool_io, which counts the requests that were
 * announced and have not been told yet. Lock: pool_lock.
 */
#include "guest/user/kernel32/pool.h"

struct pool_io {
	PVOID callback, context;
	BOOL old_style; /* of BindIoCompletionCallback: announces nothing, lives for ever */
	LONG refs;	/* the handle's, and one a request under way */
	LONG pending;	/* requests */
};

struct ended {
	struct pool_io *io;
	LPOVERLAPPED ov;
	DWORD error, bytes;
};

static HANDLE port;
static RTL_CONDITION_VARIABLE told;

static void drop(struct pool_io *io) /* => pool_lock */
{
	if (!--io->refs)
		heap_delete(io);
}

/* One request less under way. => pool_lock */
static void settle_one(struct pool_io *io)
{
	io->pending--;
	RtlWakeAllConditionVariable(&told);
	drop(io);
}

static DWORD WINAPI call(LPVOID arg)
{
	struct ended e = *(struct ended *)arg;
	struct pool_instance instance = {0};

	heap_delete(arg);
	if (e.io->old_style) {
		((LPOVERLAPPED_COMPLETION_ROUTINE)e.io->callback)(e.error, e.bytes, e.ov);
		return 0;
	}
	((PTP_WIN32_IO_CALLBACK)e.io->callback)((PTP_CALLBACK_INSTANCE)&instance, e.io->context,
						e.ov, e.error, e.bytes, (PTP_IO)e.io);
	pool_returned(&instance);
	pool_acquire();
	settle_one(e.io);
	pool_release();
	return 0;
}

static DWORD WINAPI port_thread(LPVOID unused)
{
	(void)unused;
	for (;;) {
		struct ended *e = heap_new(sizeof(*e));
		IO_STATUS_BLOCK iosb;
		ULONG_PTR key;
		PVOID ov;

		if (!e) {
			Sleep(10);
			continue;
		}
		if (NtRemoveIoCompletion(port, &key, &ov, &iosb, NULL) != STATUS_SUCCESS) {
			heap_delete(e);
			continue;
		}
		*e = (struct ended){(struct pool_io *)key, ov, RtlNtStatusToDosError(iosb.Status),
				    (DWORD)iosb.Information};
		if (!QueueUserWorkItem(call, e, 0))
			call(e);
	}
	return 0;
}

/* => pool_lock */
static BOOL start_port(void)
{
	HANDLE thread;

	if (port)
		return TRUE;
	if (!succeed(NtCreateIoCompletion(&port, IO_COMPLETION_ALL_ACCESS, NULL, 0)))
		return FALSE;
	thread = CreateThread(NULL, 0, port_thread, NULL, 0, NULL);
	if (!thread) {
		NtClose(port);
		port = NULL;
		return FALSE;
	}
	NtClose(thread);
	return TRUE;
}

static struct pool_io *bind_file(HANDLE file, PVOID callback, PVOID context, BOOL old_style)
{
	struct pool_io *io = heap_new(sizeof(*io));
	BOOL ok;

	if (!io) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return NULL;
	}
	*io = (struct pool_io){callback, context, old_style, 1, 0};
	pool_acquire();
	ok = start_port();
	pool_release();
	if (ok && CreateIoCompletionPort(file, port, (ULONG_PTR)io, 0))
		return io;
	heap_delete(io);
	return NULL;
}

WINBOOL WINAPI BindIoCompletionCallback(HANDLE file, LPOVERLAPPED_COMPLETION_ROUTINE f, ULONG flags)
{
	(void)flags;
	return bind_file(file, (PVOID)f, NULL, TRUE) != NULL;
}

PTP_IO WINAPI CreateThreadpoolIo(HANDLE file, PTP_WIN32_IO_CALLBACK f, PVOID context,
				 PTP_CALLBACK_ENVIRON env)
{
	(void)env;
	return (PTP_IO)bind_file(file, (PVOID)f, context, FALSE);
}

VOID WINAPI StartThreadpoolIo(PTP_IO p)
{
	struct pool_io *io = (struct pool_io *)p;

	pool_acquire();
	io->pending++;
	io->refs++;
	pool_release();
}

VOID WINAPI CancelThreadpoolIo(PTP_IO p)
{
	pool_acquire();
	settle_one((struct pool_io *)p);
	pool_release();
}

/* Calls that have begun, and requests that were announced, come to their end either way. */
VOID WINAPI WaitForThreadpoolIoCallbacks(PTP_IO p, WINBOOL cancel)
{
	struct pool_io *io = (struct pool_io *)p;

	(void)cancel;
	pool_acquire();
	while (io->pending)
		RtlSleepConditionVariableSRW(&told, &pool_lock, NULL, 0);
	pool_release();
}

VOID WINAPI CloseThreadpoolIo(PTP_IO p)
{
	pool_acquire();
	drop((struct pool_io *)p);
	pool_release();
}
