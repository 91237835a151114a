/* System calls on debug objects; layouts: DBGUI_WAIT_STATE_CHANGE of x64. */
#include "guest/ps/debug.h"
#include "guest/ex/ex.h"
#include "guest/ke/syscall.h"

#define DEBUG_READ_EVENT 0x1u
#define DEBUG_SET	 0x4u
#define KILL_ON_CLOSE	 1u

#define DBG_TERMINATE_THREAD  STATUS(0x40010003)
#define DBG_TERMINATE_PROCESS STATUS(0x40010004)

#define FILE_READ	 0x1200a9u /* FILE_GENERIC_READ and _EXECUTE */
#define PROCESS_SUSPENDS 0x0800u

NTSYSCALL NTSTATUS NtCreateDebugObject(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				       u32 flags)
{
	struct object_attributes a;
	struct debug_object *d;
	NTSTATUS st;

	if (flags & ~KILL_ON_CLOSE)
		return STATUS_INVALID_PARAMETER;
	st = ex_begin_create(handle, attributes, &a);
	if (st)
		return st;
	d = ObCreateObject(&PsDebugObjectType, sizeof(*d));
	if (d) {
		KeInitializeEvent(&d->ready, DO_EVENT_NOTIFICATION, false);
		list_init(&d->events);
		d->kill_on_exit = flags & KILL_ON_CLOSE;
	}
	return ex_end_create(handle, &a, d, access);
}

/* A process and a debug object by their handles, referenced. */
static NTSTATUS both(HANDLE process, HANDLE object, EPROCESS **p, struct debug_object **d)
{
	NTSTATUS st =
	    ObReferenceObjectByHandle(process, PROCESS_SUSPENDS, &PsProcessType, (void **)p);

	if (st)
		return st;
	st =
	    ObReferenceObjectByHandle(object, DEBUG_PROCESS_ASSIGN, &PsDebugObjectType, (void **)d);
	if (st)
		ObDereferenceObject(*p);
	return st;
}

NTSYSCALL NTSTATUS NtDebugActiveProcess(HANDLE process, HANDLE object)
{
	struct debug_object *d;
	EPROCESS *p;
	NTSTATUS st = both(process, object, &p, &d);

	if (st)
		return st;
	st = p == PsGetCurrentProcess() || p == PsInitialSystemProcess ? STATUS_ACCESS_DENIED
								       : debug_attach(p, d);
	ObDereferenceObject(p);
	ObDereferenceObject(d);
	return st;
}

NTSYSCALL NTSTATUS NtRemoveProcessDebug(HANDLE process, HANDLE object)
{
	struct debug_object *d;
	EPROCESS *p;
	NTSTATUS st = both(process, object, &p, &d);

	if (st)
		return st;
	mutex_lock(&debug_lock);
	if (p->debug == d)
		debug_detach(p);
	else
		st = STATUS_PORT_NOT_SET;
	mutex_unlock(&debug_lock);
	ObDereferenceObject(p);
	ObDereferenceObject(d);
	return st;
}

NTSYSCALL NTSTATUS NtSetInformationDebugObject(HANDLE h, u32 class, const void *user, u32 length,
					       u32 *returned)
{
	struct debug_object *d;
	u32 flags;
	NTSTATUS st = ex_probe_u32(returned);

	if (st)
		return st;
	if (class != 1) /* DebugObjectFlags: the only class */
		return STATUS_INVALID_PARAMETER;
	if (length != sizeof(flags)) {
		ex_store_u32(returned, sizeof(flags), STATUS_SUCCESS);
		return STATUS_INFO_LENGTH_MISMATCH;
	}
	st = copy_from_user(&flags, user, sizeof(flags));
	if (!st && flags & ~KILL_ON_CLOSE)
		st = STATUS_INVALID_PARAMETER;
	if (!st)
		st = ObReferenceObjectByHandle(h, DEBUG_SET, &PsDebugObjectType, (void **)&d);
	if (st)
		return st;
	mutex_lock(&debug_lock);
	d->kill_on_exit = flags & KILL_ON_CLOSE;
	mutex_unlock(&debug_lock);
	ObDereferenceObject(d);
	return STATUS_SUCCESS;
}

NTSTATUS ps_debug_handle(EPROCESS *p, HANDLE *h)
{
	struct debug_object *d;
	NTSTATUS st;

	*h = 0;
	mutex_lock(&debug_lock);
	d = p->debug;
	if (d)
		ObReferenceObject(d);
	mutex_unlock(&debug_lock);
	if (!d)
		return STATUS_PORT_NOT_SET;
	st = ObCreateHandle(d, PsDebugObjectType.all_access, 0, h);
	ObDereferenceObject(d);
	return st;
}

/* ---- waiting for an event ---- */

struct state_change { /* DBGUI_WAIT_STATE_CHANGE */
	u32 state, pad;
	u64 pid, tid;
	union {
		struct {
			EXCEPTION_RECORD record;
			u32 first_chance;
		} exception;
		struct {
			HANDLE thread;
			u32 key, pad;
			u64 start;
		} create_thread;
		struct {
			HANDLE process, thread;
			u32 key, pad;
			HANDLE file;
			u64 base;
			u32 debug_offset, debug_size;
			u32 thread_key, pad2;
			u64 start;
		} create_process;
		NTSTATUS exit_status;
		struct {
			HANDLE file;
			u64 base;
			u32 debug_offset, debug_size;
			u64 name;
		} load;
		u64 unloaded;
	};
};
_Static_assert(sizeof(struct state_change) == 0xb8, "DBGUI_WAIT_STATE_CHANGE of x64");

static HANDLE open_for(void *object, ACCESS_MASK access)
{
	HANDLE h;

	return object && !ObCreateHandle(object, access, 0, &h) ? h : 0;
}

static enum debug_kind kind_of(const struct debug_event *e)
{
	if (e->kind != DEBUG_EXCEPTION)
		return e->kind;
	return e->record.code == (u32)STATUS_BREAKPOINT	   ? DEBUG_BREAKPOINT
	       : e->record.code == (u32)STATUS_SINGLE_STEP ? DEBUG_SINGLE_STEP
							   : DEBUG_EXCEPTION;
}

/* => G. Handles are the debugger's. */
static void describe(const struct debug_event *e, struct state_change *s)
{
	EPROCESS *p = e->thread->k.process;

	s->state = kind_of(e);
	s->pid = p->pid;
	s->tid = e->thread->tid;
	switch (e->kind) {
	case DEBUG_CREATE_THREAD:
		s->create_thread.thread = open_for(e->thread, THREAD_ALL_ACCESS);
		s->create_thread.start = e->start;
		break;
	case DEBUG_CREATE_PROCESS:
		s->create_process.process = open_for(p, PROCESS_ALL_ACCESS);
		s->create_process.thread = open_for(e->thread, THREAD_ALL_ACCESS);
		s->create_process.file = open_for(e->file, FILE_READ);
		s->create_process.base = e->base;
		s->create_process.start = e->start;
		break;
	case DEBUG_EXIT_THREAD:
	case DEBUG_EXIT_PROCESS:
		s->exit_status = e->exit_status;
		break;
	case DEBUG_LOAD_DLL:
		s->load.file = open_for(e->file, FILE_READ);
		s->load.base = e->base;
		s->load.name = e->name;
		break;
	case DEBUG_UNLOAD_DLL:
		s->unloaded = e->base;
		break;
	default:
		s->exception.record = e->record;
		s->exception.first_chance = e->first_chance;
	}
}

/* Marks the next event as delivered and describes it. False: another debugger thread had it. */
static bool deliver(struct debug_object *d, struct state_change *s, NTSTATUS *st)
{
	struct debug_event *e;
	bool done = true;

	mutex_lock(&debug_lock);
	e = debug_next(d);
	if (d->closed) {
		*st = STATUS_DEBUGGER_INACTIVE;
	} else if (e) {
		e->delivered = true;
		debug_freeze(e->thread->k.process, true);
		describe(e, s);
		debug_update(d);
	} else {
		done = false;
	}
	mutex_unlock(&debug_lock);
	return done;
}

NTSYSCALL NTSTATUS NtWaitForDebugEvent(HANDLE h, u8 alertable, const s64 *timeout,
				       struct state_change *user)
{
	struct state_change s = {0};
	struct debug_object *d;
	s64 limit;
	NTSTATUS st = timeout ? copy_from_user(&limit, timeout, sizeof(limit)) : STATUS_SUCCESS;

	if (st || (st = probe_for_write(user, sizeof(s))))
		return st;
	if (timeout && limit < 0) /* as an end, whatever comes between */
		limit = (s64)KeQuerySystemTime() - limit;
	st = ObReferenceObjectByHandle(h, DEBUG_READ_EVENT, &PsDebugObjectType, (void **)&d);
	if (st)
		return st;
	do
		st =
		    KeWaitForSingleObject(&d->ready, USER_MODE, alertable, timeout ? &limit : NULL);
	while (!st && !deliver(d, &s, &st));
	ObDereferenceObject(d);
	return st ? st : copy_to_user(user, &s, sizeof(s));
}

NTSYSCALL NTSTATUS NtDebugContinue(HANDLE h, const u64 *user_id, NTSTATUS answer)
{
	static const NTSTATUS answers[] = {DBG_CONTINUE, DBG_EXCEPTION_HANDLED,
					   DBG_EXCEPTION_NOT_HANDLED, DBG_TERMINATE_THREAD,
					   DBG_TERMINATE_PROCESS};
	struct debug_object *d;
	bool known = false;
	u64 id[2];
	NTSTATUS st = copy_from_user(id, user_id, sizeof(id));

	for (u32 i = 0; i < ARRAY_SIZE(answers); i++)
		known |= answer == answers[i];
	if (st || !known)
		return st ? st : STATUS_INVALID_PARAMETER;
	st = ObReferenceObjectByHandle(h, DEBUG_READ_EVENT, &PsDebugObjectType, (void **)&d);
	if (st)
		return st;
	st = STATUS_INVALID_PARAMETER;
	mutex_lock(&debug_lock);
	LIST_FOR_EACH(e, &d->events)
	{
		struct debug_event *x = CONTAINER_OF(e, struct debug_event, entry);

		if (!x->delivered || x->thread->tid != id[1] || x->thread->k.process->pid != id[0])
			continue;
		debug_answer(x, answer);
		st = STATUS_SUCCESS;
		break;
	}
	debug_update(d);
	mutex_unlock(&debug_lock);
	ObDereferenceObject(d);
	return st;
}
