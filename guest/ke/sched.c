/*
 * Threads and processors: 32 ready queues under one lock (the dispatcher lock), the highest
 * priority runs, equal ones take turns by quantum. Each CPU has an idle thread that is on no queue.
 *
 * The dispatcher lock is held across the switch: a thread that was switched out cannot be picked up
 * by another CPU before its registers are saved, because the lock is released only by the thread
 * switched to.
 *
 * A thread may be bound to some CPUs (affinity). Until the first is, no queue is looked at beyond
 * its front, and a thread that is pre-empted tells no other CPU (an idle one would have been told
 * first).
 *
 * Run time is measured from switch to switch and at each clock tick; what lies between two of these
 * counts as user or kernel time by what the tick found, or found last.
 */
#include "guest/ke/thread.h"
#include "guest/ke/kdp.h"
#include "guest/mm/mm.h"
#include "guest/ps/ps.h"

#define QUANTUM (2 * 156250) /* two clock intervals of 15.625 ms, in 100 ns */

struct spinlock ke_dispatcher_lock;
static struct list ready[32];
static u32 ready_summary; /* bit p: ready[p] is not empty */
static bool bound;	  /* some thread has been bound to fewer than all CPUs */

void ke_init_scheduler(void)
{
	for (u32 i = 0; i < 32; i++)
		list_init(&ready[i]);
}

void ke_init_thread(KTHREAD *t, struct EPROCESS *p, u8 priority, thread_fn *fn, void *context)
{
	u64 *sp = (u64 *)(t->stack_top - 0x100);

	t->d.type = DO_THREAD;
	t->d.signal = 0;
	list_init(&t->d.waiters);
	list_init(&t->ready);
	list_init(&t->mutants);
	list_init(&t->user_apcs);
	KeInitializeTimer(&t->wait_timer, DO_TIMER_NOTIFICATION);
	KeInitializeEvent(&t->resume, DO_EVENT_NOTIFICATION, true);
	KeInitializeEvent(&t->alert_event, DO_EVENT_SYNCHRONIZATION, false);
	t->process = p;
	t->priority = t->base_priority = priority;
	t->affinity = ~0ul;
	t->state = THREAD_INIT;
	*--sp = 0;
	*--sp = (u64)ke_thread_start; /* what ke_switch returns to */
	*--sp = 0;		      /* rbp */
	*--sp = (u64)fn;	      /* rbx */
	*--sp = (u64)context;	      /* r12 */
	*--sp = 0;
	*--sp = 0;
	*--sp = 0;
	t->rsp = (u64)sp;
}

/* First thing a new thread does: it holds the lock its predecessor took. */
void ke_thread_begin(void);
void ke_thread_begin(void)
{
	spin_unlock(&ke_dispatcher_lock);
	KeLowerIrql(PASSIVE_LEVEL);
}

static bool may_run(const KTHREAD *t, const KPCR *cpu)
{
	return t->affinity >> cpu->number & 1;
}

static void request_resched(KPCR *cpu)
{
	cpu->need_resched = 1;
	if (cpu != this_cpu()) {
		counter_inc(MmCounters.ipis);
		apic_ipi(cpu->apic_id, VEC_IPI_RESCHEDULE);
	}
}

/* Which CPU ought to look: an idle one, else the one that runs the least important thread. */
static void notify_cpu(KTHREAD *t)
{
	KPCR *lowest = NULL;

	for (u32 i = 0; i < ke_cpu_count; i++) {
		KPCR *c = ke_cpu[i];

		if (!c->online || !may_run(t, c))
			continue;
		if (c->current == c->idle) {
			if (!c->need_resched || c == this_cpu()) {
				request_resched(c);
				return;
			}
			continue;
		}
		if (c->current->priority < t->priority &&
		    (!lowest || c->current->priority < lowest->current->priority))
			lowest = c;
	}
	if (lowest)
		request_resched(lowest);
}

static void enqueue(KTHREAD *t, bool front)
{
	t->state = THREAD_READY;
	if (front)
		list_push_front(&ready[t->priority], &t->ready);
	else
		list_push_back(&ready[t->priority], &t->ready);
	ready_summary |= 1u << t->priority;
}

void ke_ready(KTHREAD *t)
{
	enqueue(t, false);
	notify_cpu(t);
}

static void dequeue(KTHREAD *t)
{
	list_remove(&t->ready);
	if (list_empty(&ready[t->priority]))
		ready_summary &= ~(1u << t->priority);
}

/* The most important ready thread that may run here, or NULL. */
static KTHREAD *most_important(const KPCR *cpu)
{
	for (u32 left = ready_summary; left;) {
		u32 top = 31 - __builtin_clz(left);

		LIST_FOR_EACH(e, &ready[top])
		{
			KTHREAD *t = CONTAINER_OF(e, KTHREAD, ready);

			if (LIKELY(may_run(t, cpu)))
				return t;
		}
		left &= ~(1u << top);
	}
	return NULL;
}

static void account(KTHREAD *t, u64 now, bool kernel)
{
	*(kernel ? &t->kernel_time : &t->user_time) += now - t->switched_in;
	t->switched_in = now;
}

void ke_tick(bool user)
{
	KTHREAD *t = current_thread();

	t->ticked_in_kernel = !user;
	account(t, ke_time_now(), !user);
}

/* At level hvci a load of CR3 is an exit, and threads of the system use no user half: they stay in
 * the page tables they find, until another process runs here or somebody flushes all of them. */
static void borrow_or_load(KPCR *cpu, struct EPROCESS *p)
{
	u64 flags = irq_save(); /* a flush may come, which ends the borrowing */
	struct EPROCESS *loaded = cpu->borrowed ? cpu->borrowed : cpu->process;

	cpu->process = p;
	if (p == PsInitialSystemProcess) {
		cpu->borrowed = loaded;
	} else {
		cpu->borrowed = NULL;
		if (p != loaded) {
			__atomic_fetch_or(&p->as.cpus, 1ul << cpu->number, __ATOMIC_SEQ_CST);
			ke_load_cr3((u64)p->as.pml4 << PAGE_SHIFT);
			__atomic_fetch_and(&loaded->as.cpus, ~(1ul << cpu->number),
					   __ATOMIC_SEQ_CST);
		}
	}
	irq_restore(flags);
}

static void load_context(KPCR *cpu, KTHREAD *prev, KTHREAD *next)
{
	struct EPROCESS *p = next->process;

	if (prev->fpu && prev->state != THREAD_DEAD)
		ke_fpu_save(prev->fpu);
	if (p != cpu->process && UNLIKELY(ke_vbs & NTMM_FEATURE_HVCI)) {
		borrow_or_load(cpu, p);
	} else if (p != cpu->process) {
		struct EPROCESS *old = cpu->process;

		__atomic_fetch_or(&p->as.cpus, 1ul << cpu->number, __ATOMIC_SEQ_CST);
		cpu->process = p;
		ke_load_cr3((u64)p->as.pml4 << PAGE_SHIFT);
		__atomic_fetch_and(&old->as.cpus, ~(1ul << cpu->number), __ATOMIC_SEQ_CST);
	}
	if (next->fpu) {
		ke_fpu_restore(next->fpu);
		wrmsr(MSR_KERNEL_GS_BASE, next->teb);
	}
	ke_load_debug(next);
	cpu->tss.rsp[0] = cpu->kernel_rsp = next->stack_top;
}

void ke_schedule(bool yield)
{
	KPCR *cpu = this_cpu();
	KTHREAD *prev = cpu->current, *next = most_important(cpu);
	bool goes_on = prev->state == THREAD_RUNNING && prev != cpu->idle, stays;
	u64 now;

	cpu->need_resched = 0;
	stays = prev->state == THREAD_RUNNING && may_run(prev, cpu);
	if (next ? goes_on && stays &&
		       (prev->priority > next->priority ||
			(prev->priority == next->priority && !yield))
		 : stays) {
		if (!next && yield)
			cpu->quantum_end = ke_time_now() + QUANTUM;
		spin_unlock(&ke_dispatcher_lock);
		return;
	}
	if (next)
		dequeue(next);
	else
		next = cpu->idle;
	if (goes_on) {
		enqueue(prev, !yield);
		if (UNLIKELY(bound))
			notify_cpu(prev);
	}
	next->state = THREAD_RUNNING;
	now = ke_time_now();
	next->switched_in = now;
	__atomic_signal_fence(__ATOMIC_SEQ_CST); /* a clock tick may come: it looks at current */
	cpu->current = next;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	account(prev, now, prev->system || prev->ticked_in_kernel);
	next->switches++;
	cpu->quantum_end = now + QUANTUM;
	counter_inc(MmCounters.context_switches);
	load_context(cpu, prev, next);
	if (prev == cpu->idle || next == cpu->idle)
		ke_arm_cpu_timer();
	ke_switch(&prev->rsp, next->rsp);
	spin_unlock(&ke_dispatcher_lock);
}

void ke_start_thread(KTHREAD *t)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	if (t->state == THREAD_INIT) /* else it has been started in order to end */
		ke_ready(t);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

void KeYield(void)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	ke_schedule(true);
	KeLowerIrql(old);
}

_Noreturn void ke_thread_exit(void)
{
	KTHREAD *t = current_thread();

	KeAcquireSpinLock(&ke_dispatcher_lock);
	while (!list_empty(&t->mutants)) {
		KMUTANT *m = CONTAINER_OF(list_pop_front(&t->mutants), KMUTANT, owned);

		m->abandoned = true;
		m->owner = NULL;
		m->d.signal = 1;
		ke_signal(&m->d);
	}
	t->d.signal = 1;
	ke_signal(&t->d);
	t->state = THREAD_DEAD;
	ps_reap_locked(t);
	ke_schedule(false);
	__builtin_unreachable();
}

/* => D. The CPU that runs t looks whether something else should run now. */
static void look_again(const KTHREAD *t)
{
	for (u32 i = 0; i < ke_cpu_count; i++)
		if (ke_cpu[i]->online && ke_cpu[i]->current == t)
			request_resched(ke_cpu[i]);
}

void ke_set_priority(KTHREAD *t, u8 priority)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	if (t->state == THREAD_READY) {
		dequeue(t);
		t->priority = priority;
		ke_ready(t);
	} else {
		t->priority = priority;
		if (t->state == THREAD_RUNNING)
			look_again(t);
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

void ke_set_affinity(KTHREAD *t, u64 mask)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	bound |= (mask & ~0ul >> (64 - ke_cpu_count)) != ~0ul >> (64 - ke_cpu_count);
	t->affinity = mask;
	if (t->state == THREAD_READY)
		notify_cpu(t);
	else if (t->state == THREAD_RUNNING)
		look_again(t);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

/* DPCs and a pending reschedule, when the level has just gone below DISPATCH. */
/* => DISPATCH_LEVEL, interrupts on */
static void do_pending(void)
{
	if (this_cpu()->dpc_pending)
		ke_run_dpcs();
	if (this_cpu()->need_resched) {
		spin_lock(&ke_dispatcher_lock);
		ke_schedule(ke_time_now() >= this_cpu()->quantum_end);
	}
}

void ke_check_preempt(void)
{
	KIRQL old = irql_now();

	while (cpu_pending() && !this_cpu()->in_dpc) {
		irql_set(DISPATCH_LEVEL);
		do_pending();
		irql_set(old);
	}
}

/*
 * The same at an interrupt's end. Never with interrupts on below DISPATCH_LEVEL: one that comes
 * right away, again and again (an overdue timer, until its DPC has run), would come back here from
 * within, and fill the stack.
 */
void ke_preempt_interrupted(KIRQL old)
{
	while (cpu_pending() && !this_cpu()->in_dpc) {
		irql_set(DISPATCH_LEVEL);
		sti();
		do_pending();
		cli();
	}
	irql_set(old);
}

_Noreturn void ke_idle(void)
{
	for (;;) {
		irql_set(PASSIVE_LEVEL);
		cli();
		if (cpu_pending()) {
			sti();
			ke_check_preempt();
			continue;
		}
		this_cpu()->halted_at = rdtsc(); /* the next interrupt ends it */
		__asm__ volatile("sti; hlt" ::: "memory");
	}
}

void ke_kick(KTHREAD *t)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	for (u32 i = 0; i < ke_cpu_count; i++)
		if (ke_cpu[i]->online && ke_cpu[i]->current == t && ke_cpu[i] != this_cpu())
			apic_ipi(ke_cpu[i]->apic_id, VEC_IPI_RESCHEDULE);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}
