/* Guarded calls: one at a time, by one thread. */
#include "guest/ke/thread.h"
#include "guest/ke/kdp.h"

extern const char guard_fault[];
u64 guard_call(u64 fn, const u64 args[4], u64 *save_rsp);

static struct mutex one;
static bool ready;
static KTHREAD *volatile guarded;
static u64 saved_rsp, saved_flags;
static KIRQL saved_irql;
static NTSTATUS outcome;

u64 ke_guarded_call(u64 fn, const u64 args[4], NTSTATUS *status)
{
	u64 r;

	if (!ready) {
		mutex_init(&one);
		ready = true;
	}
	mutex_lock(&one);
	outcome = STATUS_SUCCESS;
	saved_irql = irql_now();
	saved_flags = save_flags();
	guarded = current_thread();
	r = guard_call(fn, args, &saved_rsp);
	guarded = NULL;
	*status = outcome;
	mutex_unlock(&one);
	return r;
}

bool ke_guard_take(struct ktrap_frame *f, u64 cr2)
{
	(void)cr2;
	if (!guarded || guarded != current_thread() || from_user(f) || f->vector == VEC_NMI ||
	    f->vector == VEC_DF || f->vector == VEC_MC)
		return false;
	guarded = NULL;
	outcome = f->vector == VEC_UD ? STATUS_ILLEGAL_INSTRUCTION : STATUS_ACCESS_VIOLATION;
	f->rip = (u64)guard_fault;
	f->cs = SEL_KERNEL_CS;
	f->ss = SEL_KERNEL_SS;
	f->rsp = saved_rsp;
	f->rflags = saved_flags;
	irql_set(saved_irql);
	return true;
}
