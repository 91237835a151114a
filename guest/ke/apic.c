/*
 * The local APIC, by x2APIC MSRs or, where a hypervisor has none (plain QEMU), by its memory
 * window; device vectors for MSIs. Register numbers: Intel SDM 3A, chapter 11.
 */
#include "guest/ke/thread.h"
#include "guest/mm/mm.h"

#define APIC_ID		   0x20
#define APIC_TPR	   0x80
#define APIC_EOI	   0xb0
#define APIC_SVR	   0xf0
#define APIC_ICR	   0x300
#define APIC_ICR2	   0x310
#define APIC_LVT_TIMER	   0x320
#define APIC_LVT_LINT0	   0x350
#define APIC_LVT_LINT1	   0x360
#define APIC_LVT_ERROR	   0x370
#define APIC_TIMER_INIT	   0x380
#define APIC_TIMER_CURRENT 0x390
#define APIC_TIMER_DIVIDE  0x3e0
#define APIC_BASE_PHYS	   0xfee00000u
#define APIC_MASKED	   0x10000u
#define ICR_INIT	   0x4500u
#define ICR_STARTUP	   0x4600u
#define ICR_FIXED	   0x4000u

/* KVM's paravirtual EOI (Documentation/virt/kvm/x86/msr.rst): it sets a bit where an EOI may be
 * left out, which saves an exit for most interrupts. */
#define MSR_KVM_PV_EOI 0x4b564d04u

static volatile u32 *window; /* NULL: x2APIC */

static void apic_write(u32 reg, u32 v)
{
	if (window)
		window[reg / 4] = v;
	else
		wrmsr(MSR_X2APIC + reg / 16, v);
}

static u32 apic_read(u32 reg)
{
	return window ? window[reg / 4] : (u32)rdmsr(MSR_X2APIC + reg / 16);
}

void ke_init_apic(void)
{
	u32 r[4];

	cpuid(1, 0, r);
	if (r[2] & (1u << 21))
		wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 0xc00); /* enable, x2APIC */
	else if (!window)
		window = MmMapIoSpace(APIC_BASE_PHYS, PAGE_SIZE);
	this_cpu()->apic_id = window ? apic_read(APIC_ID) >> 24 : apic_read(APIC_ID);
	apic_write(APIC_SVR, 0x100 | VEC_SPURIOUS);
	apic_write(APIC_TPR, 0);
	apic_write(APIC_LVT_LINT0, APIC_MASKED);
	apic_write(APIC_LVT_LINT1, APIC_MASKED);
	apic_write(APIC_LVT_ERROR, APIC_MASKED);
	apic_write(APIC_TIMER_DIVIDE, 0xb);    /* by 1 */
	apic_write(APIC_LVT_TIMER, VEC_TIMER); /* one-shot */
	if (ke_on_ntmm)
		wrmsr(MSR_KVM_PV_EOI, MmGetPhysicalAddress(&this_cpu()->eoi_skippable) | 1);
}

void apic_eoi(void)
{
	u32 skip = 0; /* one instruction: the hypervisor may change its mind between two */

	__asm__ volatile("xchg %0, %1" : "+r"(skip), "+m"(this_cpu()->eoi_skippable) : : "memory");
	if (!(skip & 1))
		apic_write(APIC_EOI, 0);
}

void apic_timer(u32 count)
{
	apic_write(APIC_TIMER_INIT, count);
}

u32 apic_timer_left(void)
{
	return apic_read(APIC_TIMER_CURRENT);
}

static void icr(u32 apic_id, u32 low)
{
	if (window) {
		u64 flags = save_flags();

		cli();
		window[APIC_ICR2 / 4] = apic_id << 24;
		window[APIC_ICR / 4] = low;
		if (flags & RFLAGS_IF)
			sti();
	} else {
		wrmsr(MSR_X2APIC + APIC_ICR / 16, (u64)apic_id << 32 | low);
	}
}

void apic_ipi(u32 apic_id, u8 vector)
{
	icr(apic_id, ICR_FIXED | vector);
}

void apic_init_sipi(u32 apic_id, u8 page)
{
	icr(apic_id, ICR_INIT);
	for (u64 t = rdtsc(); rdtsc() - t < ke_tsc_hz / 1000;)
		cpu_pause();
	icr(apic_id, ICR_STARTUP | page);
}

/* ---- device vectors: written once each, before the device may interrupt ---- */
static struct {
	void (*isr)(void *);
	void *context;
} device[VEC_DEVICE_LAST + 1];
static u8 next_vector = VEC_DEVICE_FIRST;

u8 KeConnectInterrupt(void (*isr)(void *context), void *context)
{
	u8 v = __atomic_fetch_add(&next_vector, 1, __ATOMIC_SEQ_CST);

	if (v > VEC_DEVICE_LAST)
		return 0;
	device[v].context = context;
	device[v].isr = isr;
	return v;
}

void KeMsiMessage(u8 vector, u64 *address, u32 *data)
{
	*address = APIC_BASE_PHYS | ke_cpu[0]->apic_id << 12;
	*data = vector;
}

void ke_device_interrupt(u8 vector)
{
	if (device[vector].isr)
		device[vector].isr(device[vector].context);
}
