/* IRQL, spin locks and mutexes. The reasons for the IRQL rules are in ke.h. */
#include "guest/ke/thread.h"

KIRQL KeGetCurrentIrql(void)
{
	return irql_now();
}

KIRQL KeRaiseIrql(KIRQL irql)
{
	KIRQL old = irql_now();

	irql_set(irql);
	return old;
}

/* The level is written first: an interrupt that comes in between sees it and does the work itself.
 */
void KeLowerIrql(KIRQL irql)
{
	irql_set(irql);
	if (UNLIKELY(cpu_pending()) && irql < DISPATCH_LEVEL)
		ke_check_preempt();
}

void spin_lock(struct spinlock *l)
{
	while (UNLIKELY(__atomic_exchange_n(&l->held, 1, __ATOMIC_ACQUIRE)))
		while (l->held)
			cpu_pause();
}

void spin_unlock(struct spinlock *l)
{
	__atomic_store_n(&l->held, 0, __ATOMIC_RELEASE);
}

KIRQL KeAcquireSpinLock(struct spinlock *l)
{
	KIRQL old = irql_now();

	irql_set(DISPATCH_LEVEL);
	spin_lock(l);
	return old;
}

void KeReleaseSpinLock(struct spinlock *l, KIRQL old)
{
	spin_unlock(l);
	KeLowerIrql(old);
}

u64 spin_lock_irq(struct spinlock *l)
{
	u64 flags = save_flags();

	cli();
	spin_lock(l);
	return flags;
}

void spin_unlock_irq(struct spinlock *l, u64 flags)
{
	spin_unlock(l);
	if (flags & RFLAGS_IF)
		sti();
}

void mutex_init(struct mutex *m)
{
	m->state = 1;
	m->owner = NULL;
	KeInitializeEvent(&m->event, DO_EVENT_SYNCHRONIZATION, false);
}

/* The classic fast mutex: the count goes below zero with waiters; the owner wakes one. */
void mutex_lock(struct mutex *m)
{
	if (UNLIKELY(__atomic_sub_fetch(&m->state, 1, __ATOMIC_ACQUIRE) < 0))
		KeWaitForSingleObject(&m->event, KERNEL_MODE, false, NULL);
	m->owner = current_thread();
}

bool mutex_trylock(struct mutex *m)
{
	s32 one = 1;

	if (!__atomic_compare_exchange_n(&m->state, &one, 0, false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return false;
	m->owner = current_thread();
	return true;
}

void mutex_unlock(struct mutex *m)
{
	m->owner = NULL;
	if (UNLIKELY(__atomic_add_fetch(&m->state, 1, __ATOMIC_RELEASE) < 1))
		KeSetEvent(&m->event);
}
