/*
 * Time: interrupt time from the TSC, timers in one sorted list, the clock.
 *
 * Each CPU's LAPIC timer is one-shot. While a CPU runs a thread it fires every 15.625 ms for the
 * quantum; CPU 0 also when idle, to refresh KUSER_SHARED_DATA; any CPU that arms a timer due
 * earlier fires then, and whoever fires expires all that are due. Locks: timers under the
 * dispatcher lock.
 */
#include "guest/ke/thread.h"
#include "guest/mm/mm.h"
#include "guest/abi/machine.h"

#define CLOCK_INTERVAL 156250ull	     /* 15.625 ms in 100 ns, as Windows' clock */
#define UNIX_EPOCH     116444736000000000ull /* 1970 in 100 ns since 1601 */
#define LAPIC_HZ       1000000000ull	     /* KVM's and QEMU's LAPIC timer counts nanoseconds */

u64 ke_tsc_hz, ke_tsc_base;
KDPC ke_wait_timeout;
static struct list timers;
static u64 boot_system_time;
static u32 tsc_mult; /* 100 ns units = tsc * mult >> 32 */

/* KUSER_SHARED_DATA offsets (windows-internals layout, public headers). */
#define KUSER_INTERRUPT_TIME 0x008
#define KUSER_SYSTEM_TIME    0x014
#define KUSER_QPC_FREQUENCY  0x300
#define KUSER_TICK_COUNT     0x320
#define KUSER_QPC_BIAS	     0x3b8
#define KUSER_OUR_INTERRUPT  0xf00
#define KUSER_OUR_SYSTEM     0xf08

u64 ke_time_now(void)
{
	return (u64)(((unsigned __int128)(rdtsc() - ke_tsc_base) * tsc_mult) >> 32);
}

u64 KeQueryInterruptTime(void)
{
	return ke_time_now();
}

u64 KeQuerySystemTime(void)
{
	return boot_system_time + ke_time_now();
}

/* KSYSTEM_TIME: High2 first, then Low, then High1, so that a reader sees a torn value. */
static void set_system_time(u32 offset, u64 v)
{
	volatile u32 *p = (volatile u32 *)(MmUserSharedData + offset);

	p[2] = (u32)(v >> 32);
	p[0] = (u32)v;
	p[1] = (u32)(v >> 32);
}

static volatile u64 clock_time;

u64 ke_clock_time(void)
{
	return clock_time;
}

static void update_shared_data(u64 now)
{
	clock_time = boot_system_time + now;
	set_system_time(KUSER_INTERRUPT_TIME, now);
	set_system_time(KUSER_SYSTEM_TIME, boot_system_time + now);
	set_system_time(KUSER_TICK_COUNT, now / CLOCK_INTERVAL);
}

void ke_init_time(void)
{
	u32 r[4];

	list_init(&timers);
	if (ke_on_ntmm) {
		cpuid(NTMM_CPUID_TIMING, 0, r);
		ke_tsc_hz = (u64)r[0] * 1000;
	}
	if (!ke_tsc_hz) { /* measure against 1 ms of the LAPIC timer */
		u64 t0;

		apic_timer(0xffffffff);
		t0 = rdtsc();
		while ((u64)apic_timer_left() > 0xfffffffful - LAPIC_HZ / 1000)
			;
		this_cpu()->idle_ticks = rdtsc() - t0;
		ke_tsc_hz = this_cpu()->idle_ticks * 1000;
	}
	tsc_mult = (u32)((10000000ull << 32) / ke_tsc_hz);
	ke_tsc_base = rdtsc();
	boot_system_time = UNIX_EPOCH + runblock_number("time", 0) / 100;
	*(u64 *)(MmUserSharedData + KUSER_QPC_FREQUENCY) = ke_tsc_hz;
	*(u64 *)(MmUserSharedData + KUSER_QPC_BIAS) = ke_tsc_base;
	*(u64 *)(MmUserSharedData + KUSER_OUR_INTERRUPT) = 0;
	*(u64 *)(MmUserSharedData + KUSER_OUR_SYSTEM) = boot_system_time;
	update_shared_data(0);
	ke_init_shared_data();
}

/* Each setting of the timer is a VM exit: one that comes early enough stays. */
void ke_arm_cpu_timer(void)
{
	KPCR *cpu = this_cpu();
	u64 now = ke_time_now(), next = ~0ul, wait;

	if (cpu->number == 0 || cpu->current != cpu->idle)
		next = now + CLOCK_INTERVAL;
	if (!list_empty(&timers)) {
		u64 due = CONTAINER_OF(timers.next, KTIMER, entry)->due;

		next = MIN(next, due);
	}
	if (cpu->timer_at > now && cpu->timer_at <= next)
		return;
	if (next == ~0ul) {
		cpu->timer_at = 0;
		apic_timer(0);
		return;
	}
	cpu->timer_at = next;
	wait = next > now ? (next - now) * 100 : 1;
	apic_timer((u32)MIN(wait, 0xfffffffful));
}

static void insert_timer(KTIMER *t)
{
	struct list *e = &timers;

	while (e->prev != &timers && CONTAINER_OF(e->prev, KTIMER, entry)->due > t->due)
		e = e->prev;
	list_insert_between(&t->entry, e->prev, e);
	t->armed = true;
}

void ke_arm_timer_locked(KTIMER *t, s64 due, u32 period_ms, struct KDPC *dpc)
{
	u64 now = ke_time_now();

	if (t->armed)
		list_remove(&t->entry);
	if (due < 0)
		t->due = now + (u64)-due;
	else
		t->due = (u64)due > boot_system_time ? (u64)due - boot_system_time : 0;
	t->period = (u64)period_ms * 10000;
	t->dpc = dpc;
	insert_timer(t);
	if (timers.next == &t->entry)
		ke_arm_cpu_timer();
}

void KeInitializeTimer(KTIMER *t, enum dispatcher_type type)
{
	t->d.type = type;
	t->d.signal = 0;
	list_init(&t->d.waiters);
	list_init(&t->entry);
	t->armed = false;
}

bool KeSetTimer(KTIMER *t, s64 due, u32 period_ms, struct KDPC *dpc)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	bool was = t->armed;

	t->d.signal = 0;
	ke_arm_timer_locked(t, due, period_ms, dpc);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

bool KeCancelTimer(KTIMER *t)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);
	bool was = t->armed;

	if (was) {
		list_remove(&t->entry);
		t->armed = false;
	}
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
	return was;
}

static void expire_timers(u64 now)
{
	while (!list_empty(&timers)) {
		KTIMER *t = CONTAINER_OF(timers.next, KTIMER, entry);

		if (t->due > now)
			break;
		list_remove(&t->entry);
		t->armed = false;
		if (t->dpc == &ke_wait_timeout) {
			ke_unwait(CONTAINER_OF(t, KTHREAD, wait_timer), STATUS_TIMEOUT);
			continue;
		}
		t->d.signal = 1;
		ke_signal(&t->d);
		if (t->dpc)
			KeInsertQueueDpc(t->dpc);
		if (t->period) {
			t->due = MAX(t->due + t->period, now + 1);
			insert_timer(t);
		}
	}
}

static void clock_dpc(void *context)
{
	KPCR *cpu = this_cpu();
	u64 now = ke_time_now();

	(void)context;
	spin_lock(&ke_dispatcher_lock);
	expire_timers(now);
	ke_arm_cpu_timer();
	spin_unlock(&ke_dispatcher_lock);
	if (now >= cpu->quantum_end && cpu->current != cpu->idle)
		cpu->need_resched = 1;
}

static KDPC clock_dpcs[MAX_CPUS];

void ke_timer_interrupt(void)
{
	KPCR *cpu = this_cpu();
	KDPC *d = &clock_dpcs[cpu->number];

	cpu->timer_at = 0;
	if (cpu->number == 0)
		update_shared_data(ke_time_now());
	if (!d->fn)
		KeInitializeDpc(d, clock_dpc, NULL);
	KeInsertQueueDpc(d);
}
