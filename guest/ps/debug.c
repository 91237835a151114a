/*
 * Debug objects: what processes tell their debuggers, and how they wait for it (debug.h).
 *
 * Who tells: PsRaiseUserException and NtRaiseException (exceptions), a thread at its start and its
 * end, a map call with an image in its own process. Nobody is told of a thread that hides from
 * debuggers, and nothing is told before a process's first thread runs.
 */
#include "guest/ps/debug.h"
#include "guest/mm/mi.h"

#define TEB_ARBITRARY_POINTER 0x28
#define PEB_BEING_DEBUGGED    0x02
#define TAG_DEBUG	      TAG('D', 'b', 'g', 'k')

struct mutex debug_lock;

void ps_init_debug(void)
{
	mutex_init(&debug_lock);
}

void debug_mark(EPROCESS *p, bool debugged)
{
	u8 v = debugged;

	if (p->peb)
		MmWriteProcess(p, p->peb + PEB_BEING_DEBUGGED, &v, sizeof(v));
}

/* ---- the queue ---- */

static bool busy(struct debug_object *d, const EPROCESS *p)
{
	LIST_FOR_EACH(e, &d->events)
	{
		const struct debug_event *x = CONTAINER_OF(e, struct debug_event, entry);

		if (x->delivered && x->thread->k.process == p)
			return true;
	}
	return false;
}

struct debug_event *debug_next(struct debug_object *d)
{
	LIST_FOR_EACH(e, &d->events)
	{
		struct debug_event *x = CONTAINER_OF(e, struct debug_event, entry);

		if (!x->delivered && !busy(d, x->thread->k.process))
			return x;
	}
	return NULL;
}

void debug_update(struct debug_object *d)
{
	if (d->closed || debug_next(d))
		KeSetEvent(&d->ready);
	else
		KeResetEvent(&d->ready);
}

/* => G */
static void queue(struct debug_object *d, struct debug_event *e)
{
	list_push_back(&d->events, &e->entry);
	debug_update(d);
}

static void free_event(struct debug_event *e)
{
	if (e->file)
		ObDereferenceObject(e->file);
	ObDereferenceObject(e->thread);
	ExFreePool(e);
}

void debug_freeze(EPROCESS *p, bool freeze)
{
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	ps_freeze(CONTAINER_OF(e, ETHREAD, entry), freeze);
	mutex_unlock(&ps_lock);
}

void debug_answer(struct debug_event *e, NTSTATUS answer)
{
	bool delivered = e->delivered;
	EPROCESS *p = e->thread->k.process;

	list_remove(&e->entry);
	if (delivered)
		debug_freeze(p, false);
	e->answer = answer;
	if (e->nobody)
		free_event(e);
	else
		KeSetEvent(&e->answered); /* *e is gone from here on */
}

void debug_detach(EPROCESS *p)
{
	struct debug_object *d = p->debug;

	p->debug = NULL;
	LIST_FOR_EACH_SAFE(e, n, &d->events)
	{
		struct debug_event *x = CONTAINER_OF(e, struct debug_event, entry);

		if (x->thread->k.process == p)
			debug_answer(x, x->kind == DEBUG_EXCEPTION ? DBG_EXCEPTION_NOT_HANDLED
								   : DBG_CONTINUE);
	}
	debug_update(d);
	debug_mark(p, false);
	ObDereferenceObject(d);
}

/* ---- the object ---- */

static EPROCESS *next_debugged(struct debug_object *d)
{
	EPROCESS *found = NULL;

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (!found && p->debug == d && ObReferenceObjectSafe(p))
			found = p;
	}
	mutex_unlock(&ps_lock);
	return found;
}

/* A debugger that goes takes its processes with it, or lets them go on. */
static void debug_close(EPROCESS *closer, void *object, u32 handles_left)
{
	struct debug_object *d = object;
	EPROCESS *p;

	(void)closer;
	if (handles_left)
		return;
	mutex_lock(&debug_lock);
	d->closed = true;
	ObReferenceObject(d);
	while ((p = next_debugged(d))) {
		if (d->kill_on_exit)
			PsTerminateProcess(p, STATUS_DEBUGGER_INACTIVE);
		debug_detach(p);
		ObDereferenceObject(p);
	}
	debug_update(d);
	mutex_unlock(&debug_lock);
	ObDereferenceObject(d);
}

const struct object_type PsDebugObjectType = {
    .name = "DebugObject",
    .dispatcher_offset = offsetof(struct debug_object, ready.d),
    .generic_read = 0x20001,
    .generic_write = 0x20002,
    .generic_execute = 0x20000 | SYNCHRONIZE,
    .all_access = 0x1f000f,
    .close = debug_close,
};

/* ---- telling ---- */

/* Waits for the debugger's answer; DBG_EXCEPTION_NOT_HANDLED without one. => no locks */
static NTSTATUS tell(struct debug_event *e)
{
	ETHREAD *t = PsGetCurrentThread();
	EPROCESS *p = t->k.process;

	e->thread = t;
	e->nobody = false;
	KeInitializeEvent(&e->answered, DO_EVENT_NOTIFICATION, false);
	mutex_lock(&debug_lock);
	if (!p->debug || t->hide_from_debugger) {
		mutex_unlock(&debug_lock);
		return DBG_EXCEPTION_NOT_HANDLED;
	}
	queue(p->debug, e);
	mutex_unlock(&debug_lock);
	KeWaitForSingleObject(&e->answered, KERNEL_MODE, false, NULL);
	return e->answer;
}

bool ps_debug_exception(const EXCEPTION_RECORD *record, bool first_chance)
{
	struct debug_event e = {.kind = DEBUG_EXCEPTION, .first_chance = first_chance};
	NTSTATUS answer;

	if (LIKELY(!PsGetCurrentProcess()->debug))
		return false;
	e.record = *record;
	answer = tell(&e);
	return answer == DBG_CONTINUE || answer == DBG_EXCEPTION_HANDLED;
}

void ps_debug_thread_starts(bool first)
{
	EPROCESS *p = PsGetCurrentProcess();
	ETHREAD *t = PsGetCurrentThread();
	struct debug_event e = {
	    .kind = first ? DEBUG_CREATE_PROCESS : DEBUG_CREATE_THREAD,
	    .file = first && p->debug ? p->image_section->file : NULL,
	    .base = p->image_base,
	    .start = t->start_address,
	};
	struct debug_event dll = {.kind = DEBUG_LOAD_DLL, .base = p->ntdll_base};

	if (!p->debug)
		return;
	tell(&e);
	if (first) {
		dll.file = mm_image_file(p, p->ntdll_base);
		tell(&dll);
		if (dll.file)
			ObDereferenceObject(dll.file);
	}
}

void ps_debug_thread_ends(void)
{
	struct debug_event e = {
	    .kind = DEBUG_EXIT_THREAD,
	    .exit_status = PsGetCurrentThread()->exit_status,
	};

	if (PsGetCurrentProcess()->debug)
		tell(&e);
}

void ps_debug_process_ends(EPROCESS *p, bool tells)
{
	struct debug_event e = {.kind = DEBUG_EXIT_PROCESS, .exit_status = p->exit_status};

	if (!p->debug)
		return;
	if (tells)
		tell(&e);
	mutex_lock(&debug_lock);
	if (p->debug)
		debug_detach(p);
	mutex_unlock(&debug_lock);
}

NTSTATUS ps_debug_new_process(EPROCESS *p, const EPROCESS *parent, HANDLE h)
{
	struct debug_object *d = NULL;
	NTSTATUS st =
	    h ? ObReferenceObjectByHandle(h, DEBUG_PROCESS_ASSIGN, &PsDebugObjectType, (void **)&d)
	      : STATUS_SUCCESS;

	if (st)
		return st;
	mutex_lock(&debug_lock);
	if (!d && parent->debug && !parent->no_debug_inherit) {
		d = parent->debug;
		ObReferenceObject(d);
	}
	p->debug = d;
	mutex_unlock(&debug_lock);
	return STATUS_SUCCESS;
}

void PsImageMapped(u64 base)
{
	EPROCESS *p = PsGetCurrentProcess();
	struct debug_event e = {.kind = DEBUG_LOAD_DLL, .base = base};

	if (LIKELY(!p->debug))
		return;
	e.file = mm_image_file(p, base);
	e.name = current_thread()->teb + TEB_ARBITRARY_POINTER;
	tell(&e);
	if (e.file)
		ObDereferenceObject(e.file);
}

void PsImageUnmapped(u64 base)
{
	struct debug_event e = {.kind = DEBUG_UNLOAD_DLL, .base = base};

	if (PsGetCurrentProcess()->debug)
		tell(&e);
}

/* ---- attaching ---- */

/* => G. An event that nobody waits for. */
static NTSTATUS post(struct debug_object *d, ETHREAD *t, const struct debug_event *what)
{
	struct debug_event *e = ExAllocatePool(sizeof(*e), TAG_DEBUG);

	if (!e)
		return STATUS_INSUFFICIENT_RESOURCES;
	*e = *what;
	e->nobody = true;
	e->thread = t;
	ObReferenceObject(t);
	if (e->file)
		ObReferenceObject(e->file);
	queue(d, e);
	return STATUS_SUCCESS;
}

/* => G. The process with its first thread, then the other threads; *first is referenced. */
static NTSTATUS post_threads(EPROCESS *p, struct debug_object *d, ETHREAD **first)
{
	NTSTATUS st = STATUS_SUCCESS;

	*first = NULL;
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	{
		ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);
		struct debug_event x = {.kind = DEBUG_CREATE_THREAD, .start = t->start_address};

		if (!*first) {
			x.kind = DEBUG_CREATE_PROCESS;
			x.base = p->image_base;
			x.file = p->image_section->file;
			*first = t;
			ObReferenceObject(t);
		}
		if (!st)
			st = post(d, t, &x);
	}
	mutex_unlock(&ps_lock);
	return *first ? st : STATUS_PROCESS_IS_TERMINATING;
}

NTSTATUS debug_attach(EPROCESS *p, struct debug_object *d)
{
	ETHREAD *first = NULL;
	u64 base = 0;
	NTSTATUS st = STATUS_SUCCESS;

	mutex_lock(&debug_lock);
	if (d->closed)
		st = STATUS_DEBUGGER_INACTIVE;
	else if (p->debug)
		st = STATUS_PORT_ALREADY_SET;
	else if (p->exiting || !p->live_threads)
		st = STATUS_PROCESS_IS_TERMINATING;
	if (!st) {
		ObReferenceObject(d);
		p->debug = d;
		st = post_threads(p, d, &first);
		while (!st && (base = mm_next_image(p, base))) {
			struct debug_event x = {.kind = DEBUG_LOAD_DLL, .base = base};

			if (base == p->image_base)
				continue;
			x.file = mm_image_file(p, base);
			st = post(d, first, &x);
			if (x.file)
				ObDereferenceObject(x.file);
		}
		if (st)
			debug_detach(p);
		else
			debug_mark(p, true);
		if (first)
			ObDereferenceObject(first);
	}
	mutex_unlock(&debug_lock);
	return st;
}
