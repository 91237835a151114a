/*
 * The processor: privileged instructions, control registers, MSRs, the per-CPU block (KPCR), trap
 * frames. Numbers: AMD64 Architecture Programmer's Manual volume 2, Intel SDM volume 3 and 4.
 */
#ifndef NTMM_KE_CPU_H
#define NTMM_KE_CPU_H

#include "guest/ke/types.h"

#define MAX_CPUS 64

/* Selectors, in the order SYSCALL/SYSRET want: kernel CS, SS, (user 32), user SS, user CS. The user
 * values are Windows' own: CS 0x33, SS 0x2b. */
#define SEL_KERNEL_CS 0x10
#define SEL_KERNEL_SS 0x18
#define SEL_USER_CS32 0x23
#define SEL_USER_SS   0x2b
#define SEL_USER_CS   0x33
#define SEL_TSS	      0x40

#define CR0_PE	       (1ul << 0)
#define CR0_MP	       (1ul << 1)
#define CR0_NE	       (1ul << 5)
#define CR0_WP	       (1ul << 16)
#define CR0_AM	       (1ul << 18)
#define CR0_PG	       (1ul << 31)
#define CR4_PAE	       (1ul << 5)
#define CR4_PGE	       (1ul << 7)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP       (1ul << 11)
#define CR4_FSGSBASE   (1ul << 16)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)
#define CR4_SMAP       (1ul << 21)

#define MSR_APIC_BASE	   0x1b
#define MSR_EFER	   0xc0000080
#define MSR_STAR	   0xc0000081
#define MSR_LSTAR	   0xc0000082
#define MSR_FMASK	   0xc0000084
#define MSR_FS_BASE	   0xc0000100
#define MSR_GS_BASE	   0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_X2APIC	   0x800 /* + register / 16 */
#define EFER_SCE	   (1ul << 0)
#define EFER_LME	   (1ul << 8)
#define EFER_NXE	   (1ul << 11)

#define RFLAGS_TF   (1ul << 8)
#define RFLAGS_IF   (1ul << 9)
#define RFLAGS_DF   (1ul << 10)
#define RFLAGS_IOPL (3ul << 12)
#define RFLAGS_NT   (1ul << 14)
#define RFLAGS_AC   (1ul << 18)
/* What user mode may set: CF PF AF ZF SF TF DF OF RF AC ID */
#define RFLAGS_USER 0x250dd5ul

enum vector {
	VEC_DE = 0,
	VEC_DB = 1,
	VEC_NMI = 2,
	VEC_BP = 3,
	VEC_OF = 4,
	VEC_BR = 5,
	VEC_UD = 6,
	VEC_NM = 7,
	VEC_DF = 8,
	VEC_TS = 10,
	VEC_NP = 11,
	VEC_SS = 12,
	VEC_GP = 13,
	VEC_PF = 14,
	VEC_MF = 16,
	VEC_AC = 17,
	VEC_MC = 18,
	VEC_XM = 19,
	VEC_FASTFAIL = 0x29,
	VEC_SETTLE = 0x3e, /* does nothing (trap.S) */
	VEC_DEVICE_FIRST = 0x40,
	VEC_DEVICE_LAST = 0xdf,
	VEC_TIMER = 0xe0,
	VEC_IPI_RESCHEDULE = 0xe1,
	VEC_IPI_FLUSH = 0xe2,
	VEC_IPI_STOP = 0xe3,
	VEC_SPURIOUS = 0xff,
};

/* #PF error code */
#define PF_PRESENT 1u
#define PF_WRITE   2u
#define PF_USER	   4u
#define PF_RSVD	   8u
#define PF_FETCH   16u

/* What trap.S pushes; the last five by the CPU. */
struct ktrap_frame {
	u64 r15, r14, r13, r12, r11, r10, r9, r8;
	u64 rdi, rsi, rbp, rbx, rdx, rcx, rax;
	u64 vector, error;
	u64 rip, cs, rflags, rsp, ss;
};
static inline bool from_user(const struct ktrap_frame *f)
{
	return f->cs & 3;
}

struct tss {
	u32 reserved0;
	u64 rsp[3];
	u64 reserved1;
	u64 ist[7];
	u64 reserved2;
	u16 reserved3, iomap;
} __attribute__((packed));

struct KTHREAD;
struct EPROCESS;

/* One a CPU, found through GS in kernel mode. Offsets up to `current` are known to trap.S. */
typedef struct KPCR {
	struct KPCR *self;	  /* 0x00 */
	u64 user_rsp;		  /* 0x08 scratch of the system-call entry */
	u64 kernel_rsp;		  /* 0x10 top of the current thread's kernel stack */
	struct KTHREAD *current;  /* 0x18 */
	volatile u8 irql;	  /* 0x20 */
	volatile u8 need_resched; /* 0x21 */
	volatile u8 dpc_pending;  /* 0x22 */
	volatile u8 in_dpc;
	u32 number;
	u32 apic_id;
	volatile u8 online;
	volatile u8 idle_now;
	struct KTHREAD *idle;
	struct EPROCESS *process;   /* whose page tables are loaded */
	struct EPROCESS *borrowed;  /* instead of the system's: see ke_return_borrowed */
	struct list dpcs;	    /* queued on this CPU; interrupts off */
	u64 quantum_end;	    /* interrupt time */
	u64 timer_at;		    /* interrupt time the LAPIC timer is set for; 0: not */
	u32 eoi_skippable;	    /* bit 0: the hypervisor wants no EOI for this interrupt */
	u64 breakpoints;	    /* enabled in DR7 */
	u64 halted_at;		    /* TSC when it stopped for want of work; 0: it is at work */
	u64 idle_ticks;		    /* TSC ticks it has been so */
	volatile u32 flush_request; /* 1 while a shootdown waits for this CPU */
	u64 gdt[10];
	struct tss tss;
} KPCR;

extern KPCR *ke_cpu[MAX_CPUS];
extern u32 ke_cpu_count;

static inline KPCR *this_cpu(void)
{
	KPCR *p;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(p));
	return p;
}
static inline struct KTHREAD *current_thread(void)
{
	struct KTHREAD *t;
	__asm__ volatile("mov %%gs:0x18, %0" : "=r"(t));
	return t;
}
static inline u8 irql_now(void)
{
	u8 v;
	__asm__ volatile("movb %%gs:0x20, %0" : "=q"(v)::"memory");
	return v;
}
static inline void irql_set(u8 v)
{
	__asm__ volatile("movb %0, %%gs:0x20" ::"qi"(v) : "memory");
}
/* need_resched and dpc_pending in one look (two adjacent bytes) */
static inline u16 cpu_pending(void)
{
	u16 v;
	__asm__ volatile("movw %%gs:0x21, %0" : "=r"(v)::"memory");
	return v;
}

static inline void cpu_pause(void)
{
	__asm__ volatile("pause" ::: "memory");
}
static inline void cli(void)
{
	__asm__ volatile("cli" ::: "memory");
}
static inline void sti(void)
{
	__asm__ volatile("sti" ::: "memory");
}
static inline u64 save_flags(void)
{
	u64 f;
	__asm__ volatile("pushfq; pop %0" : "=r"(f)::"memory");
	return f;
}
static inline u64 irq_save(void)
{
	u64 f = save_flags();
	cli();
	return f;
}
static inline void irq_restore(u64 flags)
{
	__asm__ volatile("push %0; popfq" ::"r"(flags) : "memory", "cc");
}
static inline void outb(u16 port, u8 v)
{
	__asm__ volatile("outb %0, %1" ::"a"(v), "Nd"(port));
}

static inline void outw(u16 port, u16 v)
{
	__asm__ volatile("outw %0, %1" ::"a"(v), "Nd"(port));
}
static inline u8 inb(u16 port)
{
	u8 v;
	__asm__ volatile("inb %1, %0" : "=a"(v) : "Nd"(port));
	return v;
}
static inline void outl(u16 port, u32 v)
{
	__asm__ volatile("outl %0, %1" ::"a"(v), "Nd"(port) : "memory");
}
static inline u32 inl(u16 port)
{
	u32 v;
	__asm__ volatile("inl %1, %0" : "=a"(v) : "Nd"(port) : "memory");
	return v;
}
static inline u64 rdmsr(u32 msr)
{
	u32 lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (u64)hi << 32 | lo;
}
static inline void wrmsr(u32 msr, u64 v)
{
	__asm__ volatile("wrmsr" ::"c"(msr), "a"((u32)v), "d"((u32)(v >> 32)) : "memory");
}
static inline u64 rdtsc(void)
{
	u32 lo, hi;
	__asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
	return (u64)hi << 32 | lo;
}
static inline void cpuid(u32 leaf, u32 sub, u32 r[4])
{
	__asm__ volatile("cpuid"
			 : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
			 : "a"(leaf), "c"(sub));
}
#define CR_ACCESS(n)                                                        \
	static inline u64 read_cr##n(void)                                  \
	{                                                                   \
		u64 v;                                                      \
		__asm__ volatile("mov %%cr" #n ", %0" : "=r"(v)::"memory"); \
		return v;                                                   \
	}                                                                   \
	static inline void write_cr##n(u64 v)                               \
	{                                                                   \
		__asm__ volatile("mov %0, %%cr" #n ::"r"(v) : "memory");    \
	}
/* Code that is needed only until the kernel is sealed, and that alone may use the four below: all
 * other code could not be approved (level hvci). */
#define INIT_CODE __attribute__((section(".init.text"), noinline))
CR_ACCESS(0)
CR_ACCESS(2)
CR_ACCESS(3)
CR_ACCESS(4)
static inline void invlpg(u64 va)
{
	__asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}

/* Atomics (sequentially consistent where it matters). */
#define atomic_add(p, n)      __atomic_fetch_add((p), (n), __ATOMIC_SEQ_CST)
#define atomic_load(p)	      __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define atomic_store(p, v)    __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define atomic_exchange(p, v) __atomic_exchange_n((p), (v), __ATOMIC_SEQ_CST)
/* A statistic: exact only when its lock is held, cheap always. */
#define counter_inc(c) ((void)__atomic_fetch_add(&(c), 1, __ATOMIC_RELAXED))

/* One hypercall (abi/machine.h). Harmless under another hypervisor: the port is not there. */
static inline s64 hypercall(u32 number, u64 a, u64 b, u64 c, u64 d)
{
	u64 rax = number;
	register u64 r8 __asm__("r8") = c;
	register u64 r9 __asm__("r9") = d;

	__asm__ volatile("outl %%eax, %%dx"
			 : "+a"(rax)
			 : "d"(0x6e74), "D"(a), "S"(b), "r"(r8), "r"(r9)
			 : "memory");
	return (s64)rax;
}

#endif
