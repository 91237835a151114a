/*
 * Processors: their blocks, tables and start; TLB shootdown.
 *
 * Shootdown: one at a time under shootdown_lock (taken with interrupts on, so that a CPU waiting
 * for it still answers another's). The asker sets each target's flush_request, sends the IPI and
 * waits until all are zero again.
 */
#include "guest/ke/thread.h"
#include "guest/ke/kdp.h"
#include "guest/mm/mm.h"
#include "guest/ps/ps.h"
#include "guest/abi/machine.h"

#define AP_START 0x8000u /* page of the other CPUs' start-up code */

KPCR *ke_cpu[MAX_CPUS];
u32 ke_cpu_count = 1;
u64 ke_ap_stack;

extern const char ap_start[], ap_start_end[];
extern const u8 trap_stubs[], trap_stubs_settled[], trap_settle[];
extern void syscall_entry(void);
extern u32 syscall_smap;
_Noreturn void ke_ap_main(void);

struct idt_entry {
	u16 offset0, selector;
	u8 ist, type;
	u16 offset1;
	u32 offset2, zero;
};
/* What the processors use, and where the interrupt table is made. */
KDP_DATA struct idt_entry ke_idt[256] __attribute__((aligned(4096)));
KDP_DATA u64 ke_gdt[MAX_CPUS][ARRAY_SIZE(((KPCR *)0)->gdt)];
static struct idt_entry idt[256];

struct descriptor {
	u16 limit;
	u64 base;
} __attribute__((packed));

#define STUB_SIZE      16
#define GATE_INTERRUPT 0x8e
#define GATE_USER      0xee /* INT3, INTO, INT 0x29 from user mode */

static void init_idt(void)
{
	for (u32 v = 0; v < 256; v++) {
		bool settle = ke_vbs & NTMM_FEATURE_REDELIVERS && v >= VEC_DEVICE_FIRST;
		u64 stub = v == VEC_SETTLE
			       ? (u64)trap_settle
			       : (u64)(settle ? trap_stubs_settled : trap_stubs) + v * STUB_SIZE;

		idt[v] = (struct idt_entry){
		    .offset0 = (u16)stub,
		    .selector = SEL_KERNEL_CS,
		    .ist = v == VEC_NMI	 ? 1
			   : v == VEC_DF ? 2
			   : v == VEC_MC ? 3
					 : 0,
		    .type = v == VEC_BP || v == VEC_OF || v == VEC_FASTFAIL ? GATE_USER
									    : GATE_INTERRUPT,
		    .offset1 = (u16)(stub >> 16),
		    .offset2 = (u32)(stub >> 32),
		};
	}
	kdp_write(ke_idt, idt, sizeof(idt));
}

static u8 ist_stacks[3][4096] __attribute__((aligned(16))); /* fatal vectors only: shared */

/* What every CPU does for itself. => GS still free */
void INIT_CODE ke_init_cpu(KPCR *pcr, u32 number)
{
	u64 tss = (u64)&pcr->tss;
	struct descriptor d = {sizeof(pcr->gdt) - 1, (u64)pcr->gdt};
	u32 r[4], extended[4];
	u64 cr4;

	pcr->self = pcr;
	pcr->number = number;
	list_init(&pcr->dpcs);
	pcr->gdt[2] = 0x00af9b000000ffff; /* kernel code */
	pcr->gdt[3] = 0x00cf93000000ffff; /* kernel data */
	pcr->gdt[4] = 0x00cffb000000ffff; /* user 32-bit code (SYSRET's base) */
	pcr->gdt[5] = 0x00cff3000000ffff; /* user data */
	pcr->gdt[6] = 0x00affb000000ffff; /* user code */
	pcr->gdt[8] = 0x0000890000000000 | (sizeof(struct tss) - 1) | (tss & 0xffffff) << 16 |
		      (tss >> 24 & 0xff) << 56;
	pcr->gdt[9] = tss >> 32;
	for (u32 i = 0; i < 3; i++)
		pcr->tss.ist[i] = (u64)ist_stacks[i] + sizeof(ist_stacks[i]);
	pcr->tss.iomap = sizeof(struct tss);
	/* LTR marks the descriptor: in memory that can be written; then the table goes to its
	 * place. */
	__asm__ volatile("lgdt %0; ltr %w1" ::"m"(d), "r"(SEL_TSS) : "memory");
	kdp_write(ke_gdt[number], pcr->gdt, sizeof(pcr->gdt));
	d.base = (u64)ke_gdt[number];
	__asm__ volatile("lgdt %0" ::"m"(d));
	d = (struct descriptor){sizeof(ke_idt) - 1, (u64)ke_idt};
	__asm__ volatile("lidt %0" ::"m"(d));
	wrmsr(MSR_GS_BASE, (u64)pcr);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_STAR, (u64)SEL_USER_CS32 << 48 | (u64)SEL_KERNEL_CS << 32);
	wrmsr(MSR_LSTAR, (u64)syscall_entry);
	wrmsr(MSR_FMASK, RFLAGS_IF | RFLAGS_DF | RFLAGS_TF | RFLAGS_AC | RFLAGS_NT | RFLAGS_IOPL);
	cpuid(0, 0, r);
	cr4 = read_cr4();
	if (r[0] >= 7) {
		cpuid(7, 0, extended);
		if (extended[1] & 1u << 0)
			cr4 |= CR4_FSGSBASE;
		if (extended[1] & 1u << 7)
			cr4 |= CR4_SMEP;
		if (extended[1] & 1u << 20) {
			cr4 |= CR4_SMAP;
			ke_has_smap = true;
			syscall_smap = 1;
		}
		if (extended[2] & 1u << 2)
			cr4 |= CR4_UMIP;
	}
	write_cr4(cr4 | CR4_PGE);
	write_cr0(read_cr0() | CR0_WP);
	ke_init_fpu();
}

void ke_init_boot_cpu(void);
void ke_init_boot_cpu(void)
{
	static KPCR boot_pcr;

	init_idt();
	ke_cpu[0] = &boot_pcr;
	ke_init_cpu(&boot_pcr, 0);
	boot_pcr.online = 1;
}

static volatile u32 ap_ready;

_Noreturn void ke_ap_main(void)
{
	KPCR *pcr = ke_cpu[ke_cpu_count];

	ke_init_cpu(pcr, ke_cpu_count);
	irql_set(DISPATCH_LEVEL);
	ke_init_apic();
	pcr->process = PsInitialSystemProcess;
	pcr->current = pcr->idle;
	pcr->online = 1;
	ap_ready = 1;
	sti();
	ke_idle();
}

void ke_start_cpus(void)
{
	u32 wanted = 1, r[4];

	if (ke_on_ntmm) {
		cpuid(NTMM_CPUID_INFO, 0, r);
		wanted = r[1];
	} else {
		wanted = (u32)runblock_number("cpus", 1);
	}
	wanted = MIN(wanted, MAX_CPUS);
	memcpy(pfn_to_va(AP_START >> PAGE_SHIFT), ap_start, (u64)(ap_start_end - ap_start));
	for (u32 id = 1; id < wanted; id++) {
		KPCR *pcr = ExAllocatePool(sizeof(KPCR), TAG('K', 'p', 'c', 'r'));
		KTHREAD *idle = ps_create_idle_thread();
		u64 t0;

		if (!pcr || !idle)
			return;
		pcr->idle = idle;
		ke_ap_stack = idle->stack_top;
		ke_cpu[ke_cpu_count] = pcr;
		ap_ready = 0;
		apic_init_sipi(id, AP_START >> PAGE_SHIFT);
		for (t0 = rdtsc(); !ap_ready && rdtsc() - t0 < ke_tsc_hz;)
			cpu_pause();
		if (!ap_ready) {
			dbg_print("CPU %u did not start\n", id);
			return;
		}
		ke_cpu_count++;
	}
}

/* ---- page tables ---- */

void INIT_CODE ke_native_cr3(u64 cr3)
{
	write_cr3(cr3);
}

/* ---- shootdown ---- */
static struct spinlock shootdown_lock;
static volatile u64 flush_va; /* 0: everything */
static const u64 *flush_list;
static u32 flush_count; /* 0: flush_va says it */

void ke_return_borrowed(void)
{
	KPCR *cpu = this_cpu();
	EPROCESS *lender = cpu->borrowed;

	cpu->borrowed = NULL;
	ke_load_cr3((u64)PsInitialSystemProcess->as.pml4 << PAGE_SHIFT);
	__atomic_fetch_and(&lender->as.cpus, ~(1ul << cpu->number), __ATOMIC_SEQ_CST);
}

static void flush_all_local(void)
{
	if (UNLIKELY(this_cpu()->borrowed)) { /* nobody needs what it remembers */
		u64 flags = irq_save();

		if (this_cpu()->borrowed)
			ke_return_borrowed();
		irq_restore(flags);
		return;
	}
	ke_load_cr3(read_cr3()); /* user pages are not global */
}

static void flush_local(u64 va)
{
	if (va)
		invlpg(va);
	else
		flush_all_local();
}

static void flush_pages_local(const u64 *va, u32 n)
{
	for (u32 i = 0; i < n; i++)
		invlpg(va[i]);
}

void ke_flush_interrupt(void)
{
	KPCR *cpu = this_cpu();

	if (!cpu->flush_request)
		return;
	if (flush_count)
		flush_pages_local(flush_list, flush_count);
	else
		flush_local(flush_va);
	atomic_store(&cpu->flush_request, 0);
}

/* => shootdown_lock, what is to be flushed is set */
static void flush_others(u64 others)
{
	for (u64 m = others; m; m &= m - 1) {
		KPCR *c = ke_cpu[__builtin_ctzl(m)];

		atomic_store(&c->flush_request, 1);
		apic_ipi(c->apic_id, VEC_IPI_FLUSH);
		counter_inc(MmCounters.ipis);
	}
	for (u64 m = others; m; m &= m - 1)
		while (atomic_load(&ke_cpu[__builtin_ctzl(m)]->flush_request))
			cpu_pause();
}

void ke_flush_tlb_page(u64 mask, u64 va)
{
	KIRQL old = KeRaiseIrql(DISPATCH_LEVEL);
	u64 others = mask & ~(1ul << this_cpu()->number);

	if (mask & 1ul << this_cpu()->number)
		flush_local(va);
	if (others) {
		spin_lock(&shootdown_lock);
		flush_va = va;
		flush_others(others);
		spin_unlock(&shootdown_lock);
	}
	KeLowerIrql(old);
}

void ke_flush_tlb_listed(u64 mask, const u64 *va, u32 n)
{
	KIRQL old = KeRaiseIrql(DISPATCH_LEVEL);
	u64 others = mask & ~(1ul << this_cpu()->number);

	if (mask & 1ul << this_cpu()->number)
		flush_pages_local(va, n);
	if (others) {
		spin_lock(&shootdown_lock);
		flush_list = va;
		flush_count = n;
		flush_others(others);
		flush_count = 0;
		spin_unlock(&shootdown_lock);
	}
	KeLowerIrql(old);
}

void ke_flush_tlb_all(u64 mask)
{
	ke_flush_tlb_page(mask, 0);
}
