/*
 * Threads: making and ending them, user APCs, the way to and from user mode. Suspension: suspend.c.
 *
 * A user thread begins in kernel mode in its own process (begin_user): it writes what its user half
 * needs to its own stack and leaves for ntdll. It ends in PsTerminateCurrentThread; the reaper, a
 * system thread, frees the kernel stack when no processor is on it any more.
 */
#include "guest/ps/ps.h"
#include "guest/ps/context.h"
#include "guest/io/io.h"
#include "guest/ps/psi.h"
#include "guest/ke/aslr.h"
#include "guest/mm/nt_memory.h"

#define TEB_SELF	       0x30
#define TEB_STACK_BASE	       0x08
#define TEB_CLIENT_ID	       0x40
#define TEB_PEB		       0x60
#define TEB_DEALLOCATION_STACK 0x1478
#define TEB_SIZE	       0x2000ul
#define DEFAULT_PRIORITY       8

struct apc {
	struct list entry;
	u64 routine, context, arg1, arg2;
};

static struct list reap_list; /* D */
static KEVENT reap_event;
static u32 last_id = 0;

u32 ps_new_id(void)
{
	return __atomic_add_fetch(&last_id, 4, __ATOMIC_SEQ_CST);
}

static void thread_destroy(void *object)
{
	ETHREAD *t = object;

	mutex_lock(&ps_lock);
	list_remove(&t->entry);
	mutex_unlock(&ps_lock);
	if (t->k.stack)
		MmDeleteKernelStack(t->k.stack);
	if (t->k.fpu)
		ExFreePool(t->k.fpu_block);
	if (t->name)
		ExFreePool(t->name);
	ObDereferenceObject(t->k.process);
}

const struct object_type PsThreadType = {
    .name = "Thread",
    .dispatcher_offset = offsetof(ETHREAD, k.d),
    .generic_read = 0x20000 | THREAD_GET_CONTEXT | THREAD_QUERY_INFORMATION,
    .generic_write = 0x20000 | THREAD_TERMINATE | THREAD_SUSPEND_RESUME | THREAD_SET_CONTEXT |
		     THREAD_SET_INFORMATION,
    .generic_execute = 0x20000 | SYNCHRONIZE,
    .all_access = THREAD_ALL_ACCESS,
    .implied = {{THREAD_QUERY_INFORMATION, THREAD_QUERY_LIMITED},
		{THREAD_SET_INFORMATION, THREAD_SET_LIMITED}},
    .destroy = thread_destroy,
};

/* ---- the end ---- */

void ps_reap_locked(KTHREAD *k)
{
	ETHREAD *t = CONTAINER_OF(k, ETHREAD, k);

	list_push_back(&reap_list, &t->reap);
	reap_event.d.signal = 1;
	ke_signal(&reap_event.d);
}

static void reaper(void *context)
{
	(void)context;
	for (;;) {
		KeWaitForSingleObject(&reap_event, KERNEL_MODE, false, NULL);
		for (;;) {
			KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
			struct list *e = list_pop_front(&reap_list);

			KeReleaseSpinLock(&ke_dispatcher_lock, old);
			if (!e)
				break;
			ObDereferenceObject(CONTAINER_OF(e, ETHREAD, reap));
		}
	}
}

_Noreturn void PsExitKernelThread(u64 unused)
{
	(void)unused;
	ps_thread_gone(PsGetCurrentThread());
	ke_thread_exit();
}

_Noreturn void PsTerminateCurrentThread(NTSTATUS status)
{
	ETHREAD *t = PsGetCurrentThread();
	EPROCESS *p = t->k.process;
	bool last;
	KIRQL old;

	t->exit_status = status;
	t->exit_time = KeQuerySystemTime();
	old = KeAcquireSpinLock(&ke_dispatcher_lock);
	while (!list_empty(&t->k.user_apcs)) {
		struct list *e = list_pop_front(&t->k.user_apcs);

		KeReleaseSpinLock(&ke_dispatcher_lock, old);
		ExFreePool(CONTAINER_OF(e, struct apc, entry));
		old = KeAcquireSpinLock(&ke_dispatcher_lock);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	IoCancelThread(t);
	mutex_lock(&ps_lock);
	last = p->live_threads == 1;
	mutex_unlock(&ps_lock);
	if (!last) {
		u64 bottom = 0;

		ps_debug_thread_ends();

		/* the stack of an ended thread goes with it, as on Windows */
		if (t->k.teb && !p->exiting &&
		    !copy_from_user(&bottom, (void *)(t->k.teb + TEB_DEALLOCATION_STACK), 8) &&
		    bottom && bottom == t->user_stack)
			MmFreePrivate(p, bottom);
		if (!p->exiting)
			ps_free_teb(p, t->k.teb);
	}
	ps_thread_gone(t);
	ke_thread_exit();
}

/* => P held, t is not the current thread */
void ps_terminate_other(ETHREAD *t, NTSTATUS status)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	if (!(t->k.user_pending & PENDING_TERMINATE)) {
		t->exit_status = status;
		__atomic_fetch_or(&t->k.user_pending, PENDING_TERMINATE, __ATOMIC_SEQ_CST);
		ke_interrupt_user_wait(&t->k, STATUS_THREAD_IS_TERMINATING);
		if (t->k.state == THREAD_INIT) /* never started: it ends when it first runs */
			ke_ready(&t->k);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	ke_kick(&t->k);
}

/* ---- on the way back to user mode ---- */

static bool take_apc(KTHREAD *t, struct apc *out)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	struct list *e = list_pop_front(&t->user_apcs);
	struct apc *a = e ? CONTAINER_OF(e, struct apc, entry) : NULL;

	if (list_empty(&t->user_apcs))
		__atomic_fetch_and(&t->user_pending, ~PENDING_APC, __ATOMIC_SEQ_CST);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (!a)
		return false;
	*out = *a;
	ExFreePool(a);
	return true;
}

static void deliver_apc(KTHREAD *t, struct ktrap_frame *f)
{
	u64 entry = ps_ntdll_entry(NTDLL_APC_DISPATCHER), sp;
	struct apc a;
	CONTEXT c;

	if (!take_apc(t, &a))
		return;
	memset(&c, 0, offsetof(CONTEXT, rax));
	c.flags = ps_context_all;
	ps_frame_to_context(t, f, &c);
	c.p_home[0] = a.context;
	c.p_home[1] = a.arg1;
	c.p_home[2] = a.arg2;
	c.p_home[3] = a.routine;
	sp = ((c.rsp - 128) & ~15ul) - sizeof(CONTEXT);
	if (!entry || copy_to_user((void *)sp, &c, CONTEXT_COPIED)) {
		PsTerminateProcess(t->process, STATUS_STACK_OVERFLOW);
		return;
	}
	f->rsp = sp;
	f->rip = entry;
}

void ps_user_work(struct ktrap_frame *f)
{
	KTHREAD *t = current_thread();

	if (t->user_pending & PENDING_TERMINATE)
		PsTerminateCurrentThread(CONTAINER_OF(t, ETHREAD, k)->exit_status);
	if (t->user_pending & PENDING_SUSPEND) {
		KeSetEvent(&CONTAINER_OF(t, ETHREAD, k)->stopped);
		KeWaitForSingleObject(&t->resume, USER_MODE, false, NULL);
		return;
	}
	if (t->user_pending & PENDING_APC)
		deliver_apc(t, f);
}

void ps_test_alert(KTHREAD *t)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	if (!list_empty(&t->user_apcs))
		__atomic_fetch_or(&t->user_pending, PENDING_APC, __ATOMIC_SEQ_CST);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

NTSTATUS ps_queue_apc(ETHREAD *t, u64 routine, u64 context, u64 arg1, u64 arg2)
{
	struct apc *a = ExAllocatePool(sizeof(*a), TAG('A', 'p', 'c', ' '));
	KIRQL old;

	if (!a)
		return STATUS_NO_MEMORY;
	*a = (struct apc){.routine = routine, .context = context, .arg1 = arg1, .arg2 = arg2};
	old = KeAcquireSpinLock(&ke_dispatcher_lock);
	if (t->k.d.signal) {
		KeReleaseSpinLock(&ke_dispatcher_lock, old);
		ExFreePool(a);
		return STATUS_UNSUCCESSFUL;
	}
	if (!routine) { /* there is nothing to do in user mode */
		KeReleaseSpinLock(&ke_dispatcher_lock, old);
		ExFreePool(a);
		return STATUS_SUCCESS;
	}
	list_push_back(&t->k.user_apcs, &a->entry);
	if (t->k.state == THREAD_WAITING && t->k.wait_mode == USER_MODE && t->k.alertable) {
		__atomic_fetch_or(&t->k.user_pending, PENDING_APC, __ATOMIC_SEQ_CST);
		ke_unwait(&t->k, STATUS_USER_APC);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return STATUS_SUCCESS;
}

/* Takes back a queued APC that has not been delivered. */
void ps_remove_apc(ETHREAD *t, u64 routine, u64 context)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	struct apc *found = NULL;

	LIST_FOR_EACH(e, &t->k.user_apcs)
	{
		struct apc *a = CONTAINER_OF(e, struct apc, entry);

		if (a->routine == routine && a->context == context) {
			found = a;
			break;
		}
	}
	if (found)
		list_remove(&found->entry);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	if (found)
		ExFreePool(found);
}

/* ---- beginning ---- */

struct begin {
	struct thread_request r;
	u64 teb;
};

#define LEAST_COMMIT (2 * PAGE_SIZE) /* of a stack: what a thread's start takes */

static NTSTATUS make_stack(EPROCESS *p, ETHREAD *t, const struct thread_request *r)
{
	const struct pe_image *pe = p->image;
	u64 reserve = r->stack_reserve ? r->stack_reserve : pe ? pe->stack_reserve : 0x100000;
	u64 commit = r->stack_commit ? r->stack_commit : pe ? pe->stack_commit : PAGE_SIZE;
	u64 base = 0, size, at, top, guard;
	NTSTATUS st;

	commit = ALIGN_UP(MAX(commit, LEAST_COMMIT), PAGE_SIZE); /* an image may ask for nothing */
	if (commit > reserve - MIN(reserve, 2 * PAGE_SIZE))
		reserve = ALIGN_UP(commit + 2 * PAGE_SIZE, 0x100000);
	reserve = ALIGN_UP(reserve, MM_GRANULARITY);
	size = reserve;
	st = MmAllocatePrivateBelow(p, &base, &size, MEM_RESERVE, PAGE_READWRITE, r->zero_bits);
	if (st)
		return st;
	top = base + size;
	at = top - commit;
	size = commit;
	st = MmAllocatePrivate(p, &at, &size, MEM_COMMIT, PAGE_READWRITE);
	guard = at - PAGE_SIZE;
	size = PAGE_SIZE;
	if (!st && guard > base)
		st = MmAllocatePrivate(p, &guard, &size, MEM_COMMIT, PAGE_READWRITE | PAGE_GUARD);
	if (st) {
		MmFreePrivate(p, base);
		return st;
	}
	t->user_stack = base;
	t->user_stack_top = top;
	t->user_stack_limit = at;
	return STATUS_SUCCESS;
}

static NTSTATUS write_user_half(ETHREAD *t, const struct begin *b, u64 *context_va)
{
	EPROCESS *p = t->k.process;
	u64 teb = b->teb, peb = p->peb, self = teb;
	u64 bounds[2] = {t->user_stack_top, t->user_stack_limit};
	u64 id[2] = {p->pid, t->tid};
	u64 top = t->user_stack_top - (ke_aslr(0x80) << 4), sp;
	CONTEXT c = {0};
	NTSTATUS st;

	if ((st = copy_to_user((void *)(teb + TEB_SELF), &self, 8)) ||
	    (st = copy_to_user((void *)(teb + TEB_STACK_BASE), bounds, 16)) ||
	    (st = copy_to_user((void *)(teb + TEB_CLIENT_ID), id, 16)) ||
	    (st = copy_to_user((void *)(teb + TEB_PEB), &peb, 8)) ||
	    (st = copy_to_user((void *)(teb + TEB_DEALLOCATION_STACK), &t->user_stack, 8)))
		return st;
	if (b->r.first && (st = ps_write_startup(b->r.startup)))
		return st;
	sp = ALIGN_DOWN(top - sizeof(CONTEXT) - 0x100, 16);
	/* breakpoints may have been set before it ran */
	c.flags = ps_context_all & ~(CONTEXT_DEBUG & ~CONTEXT_AMD64);
	c.rip = ps_ntdll_entry(NTDLL_USER_THREAD_START);
	c.rcx = b->r.first ? p->image_base + p->image->entry_rva : b->r.start;
	c.rdx = b->r.first ? peb : b->r.argument;
	c.rsp = ALIGN_DOWN(top - 0x28, 16) - 8;
	c.eflags = 0x202;
	c.cs = SEL_USER_CS;
	c.ss = SEL_USER_SS;
	memcpy(c.fxsave, t->k.fpu, 512);
	c.mxcsr = *(u32 *)(c.fxsave + 24);
	*context_va = sp;
	return copy_to_user((void *)sp, &c, sizeof(c));
}

static void end_startup(struct startup *s, NTSTATUS st)
{
	struct startup_written *w = s->written;

	ps_free_startup(s);
	if (w) {
		w->status = st;
		KeSetEvent(&w->done); /* *w is gone from here on */
	}
}

static void begin_user(void *context)
{
	struct begin b = *(struct begin *)context;
	ETHREAD *t = PsGetCurrentThread();
	EPROCESS *p = t->k.process;
	u64 context_va = 0;
	NTSTATUS st;

	ExFreePool(context);
	st = write_user_half(t, &b, &context_va);
	if (b.r.first)
		end_startup(b.r.startup, st);
	if (st || !ps_ntdll_entry(NTDLL_INITIALIZE_THUNK)) {
		PsTerminateProcess(p, st ? st : STATUS_ENTRYPOINT_NOT_FOUND);
		PsTerminateCurrentThread(st);
	}
	memset(t->frame, 0, sizeof(*t->frame));
	t->frame->rip = ps_ntdll_entry(NTDLL_INITIALIZE_THUNK);
	t->frame->cs = SEL_USER_CS;
	t->frame->ss = SEL_USER_SS;
	t->frame->rflags = RFLAGS_IF | 2;
	t->frame->rsp = context_va - 0x28;
	t->frame->rcx = context_va;
	t->frame->rdx = p->ntdll_base;
	t->frame->r8 = p->as.cfg_base;
	if (b.r.first && p->is_initial)
		ps_mark_first_user();
	ps_debug_thread_starts(b.r.first);
	cli();
	ke_user_return(t->frame);
	ke_enter_user(t->frame);
}

static ETHREAD *new_thread(EPROCESS *p)
{
	ETHREAD *t = ObCreateObject(&PsThreadType, sizeof(*t));

	if (!t)
		return NULL;
	ObReferenceObject(p);
	t->k.process = p;
	t->tid = ps_new_id();
	t->create_time = KeQuerySystemTime();
	t->io_priority = 2;
	t->page_priority = 5;
	list_init(&t->entry);
	list_init(&t->reap);
	KeInitializeEvent(&t->stopped, DO_EVENT_NOTIFICATION, false);
	t->k.stack = MmCreateKernelStack();
	if (!t->k.stack) {
		ObDereferenceObject(t);
		return NULL;
	}
	t->k.stack_top = t->k.stack + KERNEL_STACK_SIZE;
	t->frame = (struct ktrap_frame *)t->k.stack_top - 1;
	counter_inc(MmCounters.threads_created);
	return t;
}

static void add_thread(EPROCESS *p, ETHREAD *t)
{
	mutex_lock(&ps_lock);
	list_push_back(&p->threads, &t->entry);
	p->thread_count++;
	p->live_threads++;
	if (p->exiting) { /* it came too late to be told */
		t->exit_status = p->exit_status;
		t->k.user_pending |= PENDING_TERMINATE;
	}
	mutex_unlock(&ps_lock);
}

NTSTATUS ps_create_thread(EPROCESS *p, const struct thread_request *r, ETHREAD **out)
{
	struct begin *b = ExAllocatePool(sizeof(*b), TAG('P', 's', 'B', 'g'));
	ETHREAD *t = b ? new_thread(p) : NULL;
	NTSTATUS st = STATUS_NO_MEMORY;

	if (!t)
		goto fail;
	t->k.fpu_block = ExAllocatePool(ke_xsave_size + 64, TAG('F', 'p', 'u', ' '));
	if (!t->k.fpu_block)
		goto fail;
	t->k.fpu = (void *)ALIGN_UP((u64)t->k.fpu_block, 64);
	ke_fpu_init_area(t->k.fpu);
	st = ps_allocate_teb(p, &b->teb);
	if (st)
		goto fail;
	st = make_stack(p, t, r);
	if (st) {
		ps_free_teb(p, b->teb);
		goto fail;
	}
	b->r = *r;
	t->k.teb = b->teb;
	t->start_address = r->first ? p->image_base + p->image->entry_rva : r->start;
	t->argument = r->argument;
	ke_init_thread(&t->k, p, p->base_priority, begin_user, b);
	t->k.affinity = p->affinity;
	t->k.suspend_count = r->suspended;
	if (r->suspended) {
		t->k.user_pending = PENDING_SUSPEND;
		t->k.resume.d.signal = 0;
	}
	add_thread(p, t);
	ObReferenceObject(t); /* the reaper's; the caller has the first */
	*out = t;
	return STATUS_SUCCESS;
fail:
	if (t)
		ObDereferenceObject(t);
	if (b)
		ExFreePool(b);
	return st;
}

struct KTHREAD *PsCreateSystemThread(thread_fn *fn, void *context, u8 priority, const char *name)
{
	ETHREAD *t = new_thread(PsInitialSystemProcess);

	if (!t)
		return NULL;
	t->k.system = true;
	t->k.name = name;
	ke_init_thread(&t->k, PsInitialSystemProcess, priority, fn, context);
	add_thread(PsInitialSystemProcess, t);
	ke_start_thread(&t->k);
	return &t->k;
}

KTHREAD *ps_create_idle_thread(void)
{
	ETHREAD *t = new_thread(PsInitialSystemProcess);

	if (!t)
		return NULL;
	t->k.system = true;
	t->k.name = "idle";
	ke_init_thread(&t->k, PsInitialSystemProcess, 0, NULL, NULL);
	t->k.state = THREAD_RUNNING;
	return &t->k;
}

void ps_init_threads(void)
{
	list_init(&reap_list);
	KeInitializeEvent(&reap_event, DO_EVENT_SYNCHRONIZATION, false);
}

void ps_start_reaper(void)
{
	PsCreateSystemThread(reaper, NULL, 9, "reaper");
}

struct KTHREAD *KeGetCurrentThread(void)
{
	return current_thread();
}

/* Referenced. => ps_lock */
static ETHREAD *find_among(struct list *threads, u32 tid)
{
	LIST_FOR_EACH(e, threads)
	{
		ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);

		if (t->tid == tid && ObReferenceObjectSafe(t))
			return t;
	}
	return NULL;
}

ETHREAD *ps_find_thread(u32 tid)
{
	ETHREAD *found = NULL;

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(pe, &ps_processes)
	{
		if (!found)
			found = find_among(&CONTAINER_OF(pe, EPROCESS, entry)->threads, tid);
	}
	if (!found)
		found = find_among(&ps_ended_threads, tid);
	mutex_unlock(&ps_lock);
	return found;
}
