/*
 * Exceptions to user mode: CONTEXT and EXCEPTION_RECORD onto the thread's stack, RIP to ntdll's
 * dispatcher (docs/user-kernel.md). The way back is NtContinue. What nobody handles comes to
 * NtRaiseException with first_chance FALSE: one line on stderr and the end of the process.
 */
#include "guest/ps/ps.h"
#include "guest/ps/context.h"
#include "guest/ps/psi.h"
#include "guest/ke/syscall.h"
#include "guest/io/io.h"
#include "guest/abi/runblock.h"

/* In memory, not in an instruction: its bytes there, 0F 00 10, could be entered as LLDT. */
const volatile u32 ps_context_all = CONTEXT_ALL_WE_HAVE;

#define FX_MXCSR    24 /* in the FXSAVE image */
#define MXCSR_VALID 0xffffu
#define XSAVE_BV    512

static bool is_current(struct KTHREAD *t)
{
	return t == current_thread();
}

void ps_frame_to_context(struct KTHREAD *t, const struct ktrap_frame *f, CONTEXT *c)
{
	if ((c->flags & CONTEXT_CONTROL) == CONTEXT_CONTROL) {
		c->rip = f->rip;
		c->rsp = f->rsp;
		c->eflags = (u32)f->rflags;
		c->cs = SEL_USER_CS;
		c->ss = SEL_USER_SS;
	}
	if ((c->flags & CONTEXT_INTEGER) == CONTEXT_INTEGER) {
		c->rax = f->rax;
		c->rcx = f->rcx;
		c->rdx = f->rdx;
		c->rbx = f->rbx;
		c->rbp = f->rbp;
		c->rsi = f->rsi;
		c->rdi = f->rdi;
		c->r8 = f->r8;
		c->r9 = f->r9;
		c->r10 = f->r10;
		c->r11 = f->r11;
		c->r12 = f->r12;
		c->r13 = f->r13;
		c->r14 = f->r14;
		c->r15 = f->r15;
	}
	if ((c->flags & CONTEXT_SEGMENTS) == CONTEXT_SEGMENTS) {
		c->ds = c->es = c->gs = SEL_USER_SS;
		c->fs = 0x53;
	}
	if ((c->flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT) {
		if (is_current(t))
			__asm__ volatile("fxsave64 %0" : "=m"(c->fxsave));
		else
			memcpy(c->fxsave, t->fpu, sizeof(c->fxsave));
		c->mxcsr = *(u32 *)(c->fxsave + FX_MXCSR);
	}
	if ((c->flags & CONTEXT_DEBUG) == CONTEXT_DEBUG) {
		memcpy(c->dr, t->dr, sizeof(t->dr));
		c->dr[4] = t->dr6;
		c->dr[5] = t->dr7;
	}
}

void ps_context_to_frame(struct KTHREAD *t, struct ktrap_frame *f, const CONTEXT *c)
{
	if ((c->flags & CONTEXT_CONTROL) == CONTEXT_CONTROL) {
		f->rip = c->rip;
		f->rsp = c->rsp;
		f->rflags = (c->eflags & RFLAGS_USER) | RFLAGS_IF | 2;
		f->cs = SEL_USER_CS;
		f->ss = SEL_USER_SS;
	}
	if ((c->flags & CONTEXT_INTEGER) == CONTEXT_INTEGER) {
		f->rax = c->rax;
		f->rcx = c->rcx;
		f->rdx = c->rdx;
		f->rbx = c->rbx;
		f->rbp = c->rbp;
		f->rsi = c->rsi;
		f->rdi = c->rdi;
		f->r8 = c->r8;
		f->r9 = c->r9;
		f->r10 = c->r10;
		f->r11 = c->r11;
		f->r12 = c->r12;
		f->r13 = c->r13;
		f->r14 = c->r14;
		f->r15 = c->r15;
	}
	if ((c->flags & CONTEXT_FLOATING_POINT) == CONTEXT_FLOATING_POINT) {
		u8 fx[512] __attribute__((aligned(16)));

		memcpy(fx, c->fxsave, sizeof(fx));
		*(u32 *)(fx + FX_MXCSR) = c->mxcsr & MXCSR_VALID;
		if (is_current(t)) {
			__asm__ volatile("fxrstor64 %0" ::"m"(fx));
		} else {
			memcpy(t->fpu, fx, 416); /* what FXSAVE defines */
			if (ke_xsave_mask)
				*(u64 *)((u8 *)t->fpu + XSAVE_BV) |= 3;
		}
	}
	if ((c->flags & CONTEXT_DEBUG) == CONTEXT_DEBUG)
		ke_set_debug(t, c->dr);
	/* an address no canonical form has would fault inside the kernel's IRETQ */
	if (f->rip > MM_HIGHEST_USER)
		f->rip = MM_USER_PROBE;
}

/* ---- the last word ---- */

static const char *exception_name(u32 code)
{
	static const struct {
		u32 code;
		const char *name;
	} names[] = {
	    {0x80000001, "STATUS_GUARD_PAGE_VIOLATION"},
	    {0x80000002, "STATUS_DATATYPE_MISALIGNMENT"},
	    {0x80000003, "STATUS_BREAKPOINT"},
	    {0x80000004, "STATUS_SINGLE_STEP"},
	    {0xC0000005, "STATUS_ACCESS_VIOLATION"},
	    {0xC0000006, "STATUS_IN_PAGE_ERROR"},
	    {0xC000001D, "STATUS_ILLEGAL_INSTRUCTION"},
	    {0xC000008C, "STATUS_ARRAY_BOUNDS_EXCEEDED"},
	    {0xC000008E, "STATUS_FLOAT_DIVIDE_BY_ZERO"},
	    {0xC0000094, "STATUS_INTEGER_DIVIDE_BY_ZERO"},
	    {0xC0000095, "STATUS_INTEGER_OVERFLOW"},
	    {0xC0000096, "STATUS_PRIVILEGED_INSTRUCTION"},
	    {0xC00000FD, "STATUS_STACK_OVERFLOW"},
	    {0xC0000374, "STATUS_HEAP_CORRUPTION"},
	    {0xC0000409, "STATUS_STACK_BUFFER_OVERRUN"},
	    {0x20474343, "C++ exception (GCC)"},
	    {0xE06D7363, "C++ exception"},
	};

	for (u32 i = 0; i < ARRAY_SIZE(names); i++)
		if (names[i].code == code)
			return names[i].name;
	return "unhandled exception";
}

static void say_unhandled(const EXCEPTION_RECORD *e)
{
	static const char *const access[] = {"reading", "writing", "?", "?",	    "?",
					     "?",	"?",	   "?", "executing"};
	char line[256];
	int n;

	if ((e->code == (u32)STATUS_ACCESS_VIOLATION ||
	     e->code == (u32)STATUS_GUARD_PAGE_VIOLATION || e->code == (u32)STATUS_IN_PAGE_ERROR) &&
	    e->count >= 2)
		n = ke_snprintf(line, sizeof(line), "%s: %s (0x%08x) at 0x%lx, %s 0x%lx",
				PsGetCurrentProcess()->name, exception_name(e->code), e->code,
				e->address, e->info[0] <= 8 ? access[e->info[0]] : "touching",
				e->info[1]);
	else
		n = ke_snprintf(line, sizeof(line), "%s: %s (0x%08x) at 0x%lx",
				PsGetCurrentProcess()->name, exception_name(e->code), e->code,
				e->address);
	n = MIN(n, (int)sizeof(line) - 40);
	if (e->code == (u32)STATUS_IN_PAGE_ERROR && e->count >= 3)
		n += ke_snprintf(line + n, sizeof(line) - (size_t)n, ", I/O status 0x%08x",
				 (u32)e->info[2]);
	line[n++] = '\n';
	IoConsoleWrite(NTMM_CONSOLE_STDERR, line, (u32)n);
}

/* => the current thread's frame is what caused it */
static _Noreturn void end_process(const EXCEPTION_RECORD *e)
{
	say_unhandled(e);
	PsTerminateProcess(PsGetCurrentProcess(), (NTSTATUS)e->code);
	PsTerminateCurrentThread((NTSTATUS)e->code);
}

/* ---- delivery ---- */

static void deliver(struct ktrap_frame *f, const EXCEPTION_RECORD *e, const CONTEXT *c, u64 copied)
{
	u64 dispatcher = ps_ntdll_entry(NTDLL_EXCEPTION_DISPATCHER);
	u64 sp = ((c->rsp - 128) & ~15ul) - (EXCEPTION_RECORD_AT + ALIGN_UP(sizeof(*e), 16));
	u64 used = offsetof(EXCEPTION_RECORD, info) + MIN(e->count, 15u) * 8;

	counter_inc(MmCounters.exceptions_user);
	/* top down, so that stack growth meets its guard page first */
	if (!dispatcher || copy_to_user((void *)(sp + EXCEPTION_RECORD_AT), e, used) ||
	    copy_to_user((void *)sp, c, copied))
		end_process(e);
	f->rsp = sp;
	f->rip = dispatcher;
	f->cs = SEL_USER_CS;
	f->ss = SEL_USER_SS;
	f->rflags = (f->rflags & ~(RFLAGS_TF | RFLAGS_DF | RFLAGS_AC)) | RFLAGS_IF;
}

void PsRaiseUserException(struct ktrap_frame *f, const struct exception *x)
{
	EXCEPTION_RECORD e;
	CONTEXT c;

	e.code = (u32)x->code;
	e.flags = x->flags;
	e.record = 0;
	e.address = x->address;
	e.count = x->count;
	e.pad = 0;
	memcpy(e.info, x->info, x->count * 8);
	if (ps_debug_exception(&e, x->code != STATUS_STACK_BUFFER_OVERRUN))
		return;
	if (x->code == STATUS_STACK_BUFFER_OVERRUN) /* __fastfail: no handler is asked */
		end_process(&e);
	if (x->code == STATUS_BREAKPOINT) /* a handler sees the INT3, a debugger what follows */
		f->rip = x->address;
	memset(&c, 0, offsetof(CONTEXT, rax));
	c.flags = ps_context_all;
	ps_frame_to_context(current_thread(), f, &c);
	deliver(f, &e, &c, CONTEXT_COPIED);
}

static _Noreturn void leave_to(struct ktrap_frame *f)
{
	cli();
	ke_user_return(f);
	ke_enter_user(f);
}

NTSYSCALL NTSTATUS NtContinue(const CONTEXT *user, u32 test_alert)
{
	ETHREAD *t = PsGetCurrentThread();
	CONTEXT c;
	NTSTATUS st = copy_from_user(&c, user, CONTEXT_COPIED);

	if (st)
		return st;
	if (test_alert & 0xff)
		ps_test_alert(&t->k);
	ps_context_to_frame(&t->k, t->frame, &c);
	leave_to(t->frame);
}

NTSYSCALL NTSTATUS NtRaiseException(const EXCEPTION_RECORD *user_record, const CONTEXT *user,
				    u32 first_chance)
{
	ETHREAD *t = PsGetCurrentThread();
	EXCEPTION_RECORD e;
	CONTEXT c;
	NTSTATUS st = copy_from_user(&e, user_record, sizeof(e));

	if (st)
		return st;
	if (e.count > 15)
		return STATUS_INVALID_PARAMETER;
	st = copy_from_user(&c, user, sizeof(c));
	if (st && (first_chance & 0xff))
		return st;
	if (!st && t->k.process->debug) { /* who looks at the thread now sees what raised it */
		ps_context_to_frame(&t->k, t->frame, &c);
		if (ps_debug_exception(&e, first_chance & 0xff))
			leave_to(t->frame);
		c.flags &= ps_context_all;
		ps_frame_to_context(&t->k, t->frame, &c);
	}
	if (!(first_chance & 0xff))
		end_process(&e);
	deliver(t->frame, &e, &c, sizeof(c));
	leave_to(t->frame);
}

NTSYSCALL NTSTATUS NtGetContextThread(HANDLE h, CONTEXT *user)
{
	ETHREAD *t;
	CONTEXT c;
	NTSTATUS st = copy_from_user(&c, user, sizeof(c));

	if (st)
		return st;
	st = ObReferenceObjectByHandle(h, THREAD_GET_CONTEXT, &PsThreadType, (void **)&t);
	if (st)
		return st;
	st = ps_stop_for_context(t);
	if (!st)
		ps_frame_to_context(&t->k, t->frame, &c);
	ObDereferenceObject(t);
	return st ? st : copy_to_user(user, &c, sizeof(c));
}

NTSYSCALL NTSTATUS NtSetContextThread(HANDLE h, const CONTEXT *user)
{
	ETHREAD *t;
	CONTEXT c;
	NTSTATUS st = copy_from_user(&c, user, sizeof(c));

	if (st)
		return st;
	st = ObReferenceObjectByHandle(h, THREAD_SET_CONTEXT, &PsThreadType, (void **)&t);
	if (st)
		return st;
	st = ps_stop_for_context(t);
	if (!st) {
		ps_context_to_frame(&t->k, t->frame, &c);
		if (t == PsGetCurrentThread()) {
			if (!(c.flags & CONTEXT_INTEGER & ~CONTEXT_AMD64))
				t->frame->rax = STATUS_SUCCESS; /* the call returns as others do */
			ObDereferenceObject(t);
			leave_to(t->frame);
		}
	}
	ObDereferenceObject(t);
	return st;
}
