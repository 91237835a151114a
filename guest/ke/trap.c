/*
 * Traps: the vector table, page faults to mm, other exceptions to user mode as Windows raises them,
 * interrupts, and the fix-up table that lets copies from user memory fail softly.
 */
#include "guest/ke/thread.h"
#include "guest/ke/kdp.h"
#include "guest/mm/mm.h"
#include "guest/ps/ps.h"

struct extable {
	u64 start, end, fixup;
};
extern const struct extable ke_extable_start[], ke_extable_end[];

_Noreturn void ke_bugcheck_at(enum bugcheck_code code, const u64 p[4], const char *text, u64 rip,
			      u64 rsp, u64 rbp);
void ke_trap(struct ktrap_frame *f);

/* How an exception vector looks to a program: NTSTATUS, and whether RIP names the instruction. */
static const struct {
	NTSTATUS code;
	const char *name;
} user_exception[32] = {
    [VEC_DE] = {STATUS_INTEGER_DIVIDE_BY_ZERO, "#DE"},
    [VEC_DB] = {STATUS_SINGLE_STEP, "#DB"},
    [VEC_BP] = {STATUS_BREAKPOINT, "#BP"},
    [VEC_OF] = {STATUS_INTEGER_OVERFLOW, "#OF"},
    [VEC_BR] = {STATUS_ARRAY_BOUNDS_EXCEEDED, "#BR"},
    [VEC_UD] = {STATUS_ILLEGAL_INSTRUCTION, "#UD"},
    [VEC_NM] = {STATUS_ILLEGAL_INSTRUCTION, "#NM"},
    [VEC_NP] = {STATUS_ACCESS_VIOLATION, "#NP"},
    [VEC_SS] = {STATUS_ACCESS_VIOLATION, "#SS"},
    [VEC_GP] = {STATUS_ACCESS_VIOLATION, "#GP"},
    [VEC_MF] = {STATUS_FLOAT_INVALID_OPERATION, "#MF"},
    [VEC_AC] = {STATUS_DATATYPE_MISALIGNMENT, "#AC"},
    [VEC_XM] = {STATUS_FLOAT_INVALID_OPERATION, "#XM"},
};

static _Noreturn void kernel_trap_stop(struct ktrap_frame *f, u64 cr2)
{
	u64 p[4] = {f->vector, f->error, cr2, f->rip};

	ke_bugcheck_at(f->vector != VEC_PF ? UNEXPECTED_KERNEL_MODE_TRAP
		       : (f->error & (PF_PRESENT | PF_WRITE)) == (PF_PRESENT | PF_WRITE) &&
			       cr2 >= MM_USER_PROBE
			   ? ATTEMPTED_WRITE_TO_READONLY_MEMORY
			   : PAGE_FAULT_IN_NONPAGED_AREA,
		       p, "exception in the kernel: vector, error code, CR2, RIP", f->rip, f->rsp,
		       f->rbp);
}

static bool fix_up(struct ktrap_frame *f, NTSTATUS status)
{
	for (const struct extable *e = ke_extable_start; e < ke_extable_end; e++)
		if (f->rip >= e->start && f->rip < e->end) {
			f->rip = e->fixup;
			f->rax = (u64)(s64)status;
			return true;
		}
	return false;
}

static void page_fault(struct ktrap_frame *f)
{
	u64 cr2 = read_cr2();
	NTSTATUS io = 0, st;

	if (f->rflags & RFLAGS_IF)
		sti();
	/* the kernel never executes user memory (SMEP): no page of any kind would help */
	if (!from_user(f) &&
	    (cr2 >= MM_USER_PROBE || irql_now() >= DISPATCH_LEVEL || f->error & PF_FETCH)) {
		if (ke_guard_take(f, cr2))
			return;
		kernel_trap_stop(f, cr2);
	}
	st = MmAccessFault(cr2, (u32)f->error, f, &io);
	if (NT_SUCCESS(st))
		return;
	if (!from_user(f)) {
		if (!fix_up(f, st) && !ke_guard_take(f, cr2))
			kernel_trap_stop(f, cr2);
		return;
	}
	struct exception e = {
	    .code = st,
	    .address = f->rip,
	    .count = st == STATUS_IN_PAGE_ERROR ? 3 : 2,
	    .info = {f->error & PF_FETCH   ? 8
		     : f->error & PF_WRITE ? 1
					   : 0,
		     cr2, (u64)(s64)io & 0xffffffff},
	};
	PsRaiseUserException(f, &e);
}

/* #MF and #XM: which flag it was decides. Order as Windows tests them. */
static NTSTATUS float_status(u64 vector)
{
	static const struct {
		u8 bit;
		NTSTATUS code;
	} rows[] = {
	    {0, STATUS_FLOAT_INVALID_OPERATION}, {2, STATUS_FLOAT_DIVIDE_BY_ZERO},
	    {1, STATUS_FLOAT_DENORMAL_OPERAND},	 {3, STATUS_FLOAT_OVERFLOW},
	    {4, STATUS_FLOAT_UNDERFLOW},	 {5, STATUS_FLOAT_INEXACT_RESULT},
	};
	u32 raised;

	if (vector == VEC_XM) {
		u32 mxcsr;

		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		raised = mxcsr & ~(mxcsr >> 7) & 0x3f;
	} else {
		u16 sw, cw;

		__asm__ volatile("fnstsw %0; fnstcw %1" : "=m"(sw), "=m"(cw));
		if (sw & 0x40 && sw & 1)
			return STATUS_FLOAT_STACK_CHECK;
		raised = sw & ~cw & 0x3f;
	}
	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		if (raised & 1u << rows[i].bit)
			return rows[i].code;
	return STATUS_FLOAT_INVALID_OPERATION;
}

static void user_trap(struct ktrap_frame *f)
{
	struct exception e = {.address = f->rip};

	if (f->vector == VEC_DB)
		current_thread()->dr6 = ke_take_dr6();
	sti();
	if (f->vector == VEC_FASTFAIL) { /* int 0x29: code in ECX */
		e.code = STATUS_STACK_BUFFER_OVERRUN;
		e.flags = 1; /* noncontinuable */
		e.count = 1;
		e.info[0] = f->rcx & 0xffffffff;
		e.address = f->rip - 2;
		PsRaiseUserException(f, &e);
		return;
	}
	if (f->vector >= 32 || !user_exception[f->vector].name) {
		e.code = STATUS_ACCESS_VIOLATION; /* an INT n that user mode may not use */
		e.count = 2;
		e.info[1] = ~0ul;
		PsRaiseUserException(f, &e);
		return;
	}
	e.code = user_exception[f->vector].code;
	switch (f->vector) {
	case VEC_BP:
		e.address = f->rip - 1; /* the INT3 itself */
		e.count = 1;
		break;
	case VEC_DB:
		f->rflags &= ~RFLAGS_TF;
		break;
	case VEC_DE:
		if (!MmIsDivisorZero(f))
			e.code = STATUS_INTEGER_OVERFLOW;
		break;
	case VEC_GP:
		e.code = MmIsPrivilegedInstruction(f->rip) ? STATUS_PRIVILEGED_INSTRUCTION
							   : STATUS_ACCESS_VIOLATION;
		/* fall through */
	case VEC_SS:
	case VEC_NP:
		if (e.code == STATUS_ACCESS_VIOLATION) {
			e.count = 2;
			e.info[1] = ~0ul;
		}
		break;
	case VEC_MF:
	case VEC_XM:
		e.code = float_status(f->vector);
		e.count = f->vector == VEC_XM ? 2 : 1;
		break;
	}
	PsRaiseUserException(f, &e);
}

static void interrupt(struct ktrap_frame *f)
{
	KIRQL old = irql_now();
	KPCR *cpu = this_cpu();

	if (cpu->halted_at) {
		cpu->idle_ticks += rdtsc() - cpu->halted_at;
		cpu->halted_at = 0;
	}
	irql_set(DEVICE_LEVEL);
	counter_inc(MmCounters.interrupts);
	switch (f->vector) {
	case VEC_TIMER:
		ke_tick(from_user(f));
		ke_timer_interrupt();
		break;
	case VEC_IPI_RESCHEDULE:
		break;
	case VEC_IPI_FLUSH:
		ke_flush_interrupt();
		break;
	case VEC_IPI_STOP:
		for (;;)
			__asm__ volatile("cli; hlt");
	case VEC_SPURIOUS:
		irql_set(old);
		return;
	default:
		ke_device_interrupt((u8)f->vector);
	}
	apic_eoi();
	if (old < DISPATCH_LEVEL)
		ke_preempt_interrupted(old);
	else
		irql_set(old);
}

/* => interrupts off, and again on return */
void ke_trap(struct ktrap_frame *f)
{
	if (f->vector >= VEC_DEVICE_FIRST) {
		interrupt(f);
	} else if (f->vector == VEC_PF) {
		page_fault(f);
		cli();
	} else if (from_user(f) && f->vector != VEC_NMI && f->vector != VEC_DF &&
		   f->vector != VEC_MC) {
		user_trap(f);
		cli();
	} else if (f->vector == VEC_DB && this_cpu()->breakpoints && ke_take_dr6()) {
		return; /* the kernel touched memory that a program watches */
	} else if (f->vector == VEC_GP && fix_up(f, STATUS_ACCESS_VIOLATION)) {
		return; /* a non-canonical user pointer */
	} else if (ke_guard_take(f, 0)) {
		return;
	} else {
		kernel_trap_stop(f, read_cr2());
	}
	if (from_user(f) && current_thread()->user_pending)
		ke_user_return(f);
}

/* The slow way back to user mode. => returns with interrupts off and nothing pending */
void ke_user_return(struct ktrap_frame *f)
{
	cli();
	while (current_thread()->user_pending) {
		sti();
		ps_user_work(f);
		cli();
	}
}
