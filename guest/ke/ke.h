/*
 * ke: what the rest of the kernel builds on. IRQL, locks, dispatcher objects and waits, threads as
 * the scheduler sees them, DPCs, interrupts, time, bug checks.
 *
 * IRQL is a per-CPU number, not the hardware's TPR: PASSIVE (0) may block and be pre-empted, APC
 * (1) blocks user APCs, DISPATCH (2) may neither block nor be pre-empted; interrupts stay enabled.
 * Interrupt service routines run at DEVICE with interrupts disabled, touch nothing but their
 * device's ring and queue a DPC. DPCs run at DISPATCH when IRQL is about to drop below it.
 *
 * Lock order of the whole kernel (take left before right; no lock but the mutexes may be held
 * across a wait):
 *   mutexes:    process address space (mm/vad) -> section/control area -> handle table
 *   spin locks: pfn_lock -> dispatcher lock -> pool lock -> console/serial
 */
#ifndef NTMM_KE_KE_H
#define NTMM_KE_KE_H

#include "guest/ke/types.h"
#include "guest/ke/status.h"

/* ---- IRQL and spin locks (ke/lock.c, inline in ke/cpu.h) ---- */
typedef u8 KIRQL;
#define PASSIVE_LEVEL  0
#define APC_LEVEL      1
#define DISPATCH_LEVEL 2
#define DEVICE_LEVEL   3

struct spinlock {
	volatile u32 held;
};

KIRQL KeGetCurrentIrql(void);
KIRQL KeRaiseIrql(KIRQL irql); /* returns the old level */
void KeLowerIrql(KIRQL irql);  /* runs pending DPCs and a pending reschedule */
/* => IRQL <= DISPATCH; returns with DISPATCH */
KIRQL KeAcquireSpinLock(struct spinlock *l);
void KeReleaseSpinLock(struct spinlock *l, KIRQL old);
/* => already at DISPATCH or above */
void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
/* For data shared with an ISR: interrupts off. Returns the old RFLAGS. */
u64 spin_lock_irq(struct spinlock *l);
void spin_unlock_irq(struct spinlock *l, u64 rflags);

/* ---- dispatcher objects (ke/wait.c) ---- */
enum dispatcher_type {
	DO_EVENT_NOTIFICATION,
	DO_EVENT_SYNCHRONIZATION,
	DO_MUTANT,
	DO_SEMAPHORE,
	DO_TIMER_NOTIFICATION,
	DO_TIMER_SYNCHRONIZATION,
	DO_THREAD,
	DO_PROCESS,
};

struct dispatcher { /* all fields: dispatcher lock */
	u8 type;    /* enum dispatcher_type */
	s32 signal; /* > 0: signalled (mutant: 1 = free) */
	struct list waiters;
};

typedef struct {
	struct dispatcher d;
} KEVENT;

struct KTHREAD;
typedef struct {
	struct dispatcher d;
	struct KTHREAD *owner;
	struct list owned; /* on owner->mutants */
	bool abandoned;
} KMUTANT;

typedef struct {
	struct dispatcher d;
	s32 limit;
} KSEMAPHORE;

struct KDPC;
typedef struct {
	struct dispatcher d;
	u64 due; /* interrupt time, 100 ns */
	u64 period;
	bool armed;
	struct list entry;
	struct KDPC *dpc;
} KTIMER;

void KeInitializeEvent(KEVENT *e, enum dispatcher_type type, bool signalled);
s32 KeSetEvent(KEVENT *e);   /* any IRQL <= DISPATCH; returns the old state */
s32 KeResetEvent(KEVENT *e); /* returns the old state */
s32 KePulseEvent(KEVENT *e);
void KeInitializeSemaphore(KSEMAPHORE *s, s32 count, s32 limit);
NTSTATUS KeReleaseSemaphore(KSEMAPHORE *s, s32 count, s32 *old);
void KeInitializeMutant(KMUTANT *m, bool owned);
NTSTATUS KeReleaseMutant(KMUTANT *m, s32 *old);
void KeInitializeTimer(KTIMER *t, enum dispatcher_type type);
/* due: negative = relative, positive = absolute system time, 100 ns; period in ms, 0 = once.
 * Returns whether it was armed before. */
bool KeSetTimer(KTIMER *t, s64 due, u32 period_ms, struct KDPC *dpc);
bool KeCancelTimer(KTIMER *t);

enum wait_mode { KERNEL_MODE, USER_MODE };
#define MAXIMUM_WAIT_OBJECTS 64

/* timeout: NULL = for ever, else as KeSetTimer's due; *timeout == 0 polls.
 * Returns STATUS_WAIT_0 + index, STATUS_ABANDONED + index, STATUS_TIMEOUT, STATUS_USER_APC,
 * STATUS_ALERTED, STATUS_THREAD_IS_TERMINATING (user waits of a dying thread).
 * => IRQL < DISPATCH, no spin lock held */
NTSTATUS KeWaitForSingleObject(void *object, enum wait_mode mode, bool alertable,
			       const s64 *timeout);
NTSTATUS KeWaitForMultipleObjects(u32 count, void **objects, bool all, enum wait_mode mode,
				  bool alertable, const s64 *timeout);
NTSTATUS KeDelayExecution(enum wait_mode mode, bool alertable, const s64 *interval);

/* A sleeping lock for kernel data: not recursive, owner must release it. */
struct mutex {
	volatile s32 state; /* 1 free, 0 held, < 0 held and waited for */
	struct KTHREAD *owner;
	KEVENT event;
};
void mutex_init(struct mutex *m);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);

/* ---- DPCs and interrupts (ke/dpc.c, ke/apic.c) ---- */
typedef void dpc_fn(void *context);
typedef struct KDPC {
	struct list entry;
	dpc_fn *fn;
	void *context;
	volatile bool queued;
} KDPC;
void KeInitializeDpc(KDPC *d, dpc_fn *fn, void *context);
bool KeInsertQueueDpc(KDPC *d); /* any IRQL; runs on this CPU; false when already queued */

/* Gives a free vector to an MSI: returns it (0x40..0xdf), or 0 when there is none left. The routine
 * runs at DEVICE_LEVEL with interrupts disabled, on CPU 0. */
u8 KeConnectInterrupt(void (*isr)(void *context), void *context);
/* MSI-X table entry contents for that vector. */
void KeMsiMessage(u8 vector, u64 *address, u32 *data);

/* ---- time (ke/time.c): 100 ns units ---- */
u64 KeQueryInterruptTime(void); /* since boot */
u64 KeQuerySystemTime(void);	/* since 1601 */

/* ---- threads (ke/sched.c) ---- */
struct EPROCESS;
typedef void thread_fn(void *context);
/* A kernel thread of the system process; priority 1..31. Never fails at boot; NULL without memory.
 */
struct KTHREAD *PsCreateSystemThread(thread_fn *fn, void *context, u8 priority, const char *name);
struct KTHREAD *KeGetCurrentThread(void);
void KeYield(void);

/* ---- ex: pool (ex/pool.c). Nonpaged, 16-byte aligned, zeroed; NULL without memory ---- */
void *ExAllocatePool(size_t bytes, u32 tag);
void ExFreePool(void *p);
#define TAG(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)

/* ---- memory for drivers (mm/mminit.c) ---- */
void *MmMapIoSpace(u64 pa, u64 bytes); /* uncached, page granular, for ever; NULL without space */
u64 MmGetPhysicalAddress(const void *kernel_va); /* pool and kernel image addresses */
/* Physically contiguous, page-aligned, zeroed, for ever (rings). NULL without memory. */
void *MmAllocateContiguous(u64 bytes);

/* ---- debug (ke/bugcheck.c, ke/print.c) ---- */
enum bugcheck_code {
	IRQL_NOT_LESS_OR_EQUAL = 0x0A,
	KMODE_EXCEPTION_NOT_HANDLED = 0x1E,
	PFN_LIST_CORRUPT = 0x4E,
	PAGE_FAULT_IN_NONPAGED_AREA = 0x50,
	PROCESS1_INITIALIZATION_FAILED = 0x6B,
	KERNEL_DATA_INPAGE_ERROR = 0x7A,
	INACCESSIBLE_BOOT_DEVICE = 0x7B,
	UNEXPECTED_KERNEL_MODE_TRAP = 0x7F,
	KERNEL_SECURITY_CHECK_FAILURE = 0x139,
	MEMORY_MANAGEMENT = 0x1A,
	BAD_POOL_HEADER = 0x19,
	PHASE0_INITIALIZATION_FAILED = 0x31,
	ATTEMPTED_WRITE_TO_READONLY_MEMORY = 0xBE,
	MANUALLY_INITIATED_CRASH = 0xE2,
};
_Noreturn void KeBugCheckEx(enum bugcheck_code code, u64 p1, u64 p2, u64 p3, u64 p4,
			    const char *text);
void dbg_print(const char *fmt, ...) __attribute__((format(printf, 1, 2))); /* serial port */
int ke_snprintf(char *buf, size_t n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
int ke_vsnprintf(char *buf, size_t n, const char *fmt, __builtin_va_list ap);

/* Broken invariant: stop. Always on. */
#define require(cond)                                                                            \
	do {                                                                                     \
		if (UNLIKELY(!(cond)))                                                           \
			KeBugCheckEx(MEMORY_MANAGEMENT, __LINE__, 0, 0, 0, __FILE__ ": " #cond); \
	} while (0)

/* ---- the run block (ke/runblock.c) ---- */
const char *runblock_get(const char *key);			  /* NULL when absent */
const char *runblock_next(const char *key, const char *previous); /* repeated keys */
u64 runblock_number(const char *key, u64 otherwise);

#endif
