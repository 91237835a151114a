/*
 * The scheduler's view of a thread. ETHREAD (ps/ps.h) begins with it.
 *
 * Locks: D dispatcher lock, O owner thread only, I immutable once started.
 */
#ifndef NTMM_KE_THREAD_H
#define NTMM_KE_THREAD_H

#include "guest/ke/ke.h"
#include "guest/ke/cpu.h"

enum thread_state { THREAD_INIT, THREAD_READY, THREAD_RUNNING, THREAD_WAITING, THREAD_DEAD };

/* user_pending: what has to be done before the thread may run user code again */
#define PENDING_TERMINATE 1u
#define PENDING_SUSPEND	  2u
#define PENDING_APC	  4u /* user APCs queued and deliverable */

struct wait_block {
	struct list entry; /* on object->waiters; D */
	struct KTHREAD *thread;
	struct dispatcher *object;
};

#define KERNEL_STACK_SIZE 0x6000ul

typedef struct KTHREAD {
	u64 rsp;		    /* 0x00 saved while not running; D. Known to trap.S */
	volatile u32 user_pending;  /* 0x08 PENDING_*; atomic. Known to trap.S */
	u8 state;		    /* D */
	u8 priority, base_priority; /* D */
	bool system;		    /* never runs user code; I */
	struct dispatcher d;	    /* signalled at exit */
	struct list ready;	    /* D */
	struct EPROCESS *process;   /* I */
	u64 stack, stack_top;	    /* kernel stack; I */
	void *fpu_block;	    /* the pool block fpu lies in */
	void *fpu;		    /* XSAVE area, 64-byte aligned; NULL for system threads */
	u64 teb;		    /* user GS base; I */
	u8 wait_mode;		    /* D from here on */
	bool alertable, wait_all, alerted[2];
	u32 wait_count;
	struct wait_block *blocks;
	NTSTATUS wait_status;
	KTIMER wait_timer;
	struct list mutants; /* owned */
	u32 suspend_count;
	bool frozen;	       /* by its process's debugger */
	KEVENT resume;	       /* signalled while not suspended */
	struct list user_apcs; /* struct apc; D */
	u64 address_wait;      /* key of NtWaitForAlertByThreadId, 0 when not waiting */
	bool address_alert;    /* an alert that came before its wait */
	KEVENT alert_event;
	u64 kernel_time, user_time, switched_in; /* 100 ns */
	bool ticked_in_kernel;			 /* where the last clock tick found it */
	u32 switches;
	u64 affinity;	     /* bit a CPU it may run on; D */
	u64 dr[4], dr6, dr7; /* debug registers: debugreg.c */
	const char *name;
} KTHREAD;

_Static_assert(offsetof(KTHREAD, user_pending) == 8, "trap.S");

extern struct spinlock ke_dispatcher_lock;

/* sched.c */
void ke_init_scheduler(void);
void ke_init_thread(KTHREAD *t, struct EPROCESS *p, u8 priority, thread_fn *fn, void *context);
void ke_start_thread(KTHREAD *t);
void ke_ready(KTHREAD *t);	     /* => D held */
void ke_schedule(bool yield);	     /* => D held at DISPATCH; returns with D released */
_Noreturn void ke_thread_exit(void); /* the current thread is gone; never returns */
_Noreturn void ke_idle(void);
void ke_set_priority(KTHREAD *t, u8 priority);
/* A running thread moves away soon; the current one by KeYield(). mask: some bit of a CPU there is
 */
void ke_set_affinity(KTHREAD *t, u64 mask);
void ke_tick(bool user);     /* a clock tick found the current thread in user or kernel mode */
void ke_kick(KTHREAD *t);    /* makes it look at user_pending soon: ends user waits for termination,
				IPIs a runner */
void ke_check_preempt(void); /* from an interrupt about to return below DISPATCH */
/* At the end of an interrupt that came below DISPATCH. => interrupts off, and again on return */
void ke_preempt_interrupted(KIRQL old);

/* trap.S */
void ke_switch(u64 *save, u64 load);
void ke_thread_start(void);
_Noreturn void ke_enter_user(struct ktrap_frame *f);

/* fpu.c: user floating-point state; size ke_xsave_size */
void ke_user_return(struct ktrap_frame *f); /* => interrupts off */
void ke_init_fpu(void);
void ke_fpu_save(void *area);
void ke_fpu_restore(const void *area);
void ke_fpu_init_area(void *area);

/* debugreg.c */
void ke_load_debug(const KTHREAD *t); /* => interrupts off, or DISPATCH; t is about to run here */
u64 ke_take_dr6(void);		      /* what the last #DB was for. => interrupts off */
void ke_set_debug(KTHREAD *t, const u64 dr[6]); /* DR0-3, DR6, DR7, made harmless */

/* wait.c */
void ke_signal(struct dispatcher *d);			  /* => D held; object became signalled */
void ke_unwait(KTHREAD *t, NTSTATUS status);		  /* => D held; thread is waiting */
void ke_interrupt_user_wait(KTHREAD *t, NTSTATUS status); /* => D held; if in a user-mode wait */
/* => D held; due, period as KeSetTimer */
void ke_arm_timer_locked(KTIMER *t, s64 due, u32 period_ms, struct KDPC *dpc);
extern KDPC ke_wait_timeout; /* marks a KTIMER as the time limit of a thread's wait */

/* time.c */
void ke_init_time(void);
void ke_timer_interrupt(void);
void ke_arm_cpu_timer(void);
u64 ke_clock_time(void); /* system time at the last clock tick, 100 ns */
u64 ke_time_now(void);	 /* interrupt time, 100 ns, from the TSC */
extern u64 ke_tsc_hz, ke_tsc_base, ke_entry_tsc;

/* kuser.c */
void ke_init_shared_data(void);
void ke_publish_processors(void); /* when all have started */

/* apic.c */
void ke_init_apic(void);
void apic_eoi(void);
void apic_timer(u32 count);
u32 apic_timer_left(void);
void apic_ipi(u32 apic_id, u8 vector);
void apic_init_sipi(u32 apic_id, u8 page);
void ke_device_interrupt(u8 vector);

/* dpc.c */
void ke_run_dpcs(void); /* => DISPATCH, interrupts on */

/* smp.c */
void ke_init_cpu(KPCR *pcr, u32 number);
void ke_start_cpus(void);
void ke_flush_tlb_all(u64 cpu_mask); /* shootdown: full flush on these CPUs, self included */
void ke_flush_tlb_page(u64 cpu_mask, u64 va);
void ke_flush_tlb_listed(u64 cpu_mask, const u64 *va, u32 n); /* by INVLPG; n > 0 */
/* At level hvci a thread of the system runs in the page tables of whatever process was there
 * before; this ends it on this CPU. => interrupts off */
void ke_return_borrowed(void);
void ke_flush_interrupt(void);
extern u32 ke_cpu_count;

/* init.c */
extern bool ke_on_ntmm; /* our own VMM: hypercalls exist */
extern bool ke_has_smap, ke_has_fsgsbase;
extern u32 ke_xsave_size;
extern u64 ke_xsave_mask;

#endif
