/*
 * ps: processes and threads.
 *
 * A process is an address space, a handle table and threads; it lives as an object as long as a
 * handle or a thread does. Locks: P = ps_lock (a mutex: lists, ids), D = dispatcher lock.
 */
#ifndef NTMM_PS_PS_H
#define NTMM_PS_PS_H

#include "guest/ke/thread.h"
#include "guest/mm/mm.h"
#include "guest/ob/ob.h"

struct handle_table;
struct job;
struct debug_object;

typedef struct EPROCESS {
	struct dispatcher d; /* signalled at exit */
	u32 pid, parent_pid;
	struct address_space as;
	struct handle_table *handles;
	struct list entry;   /* on the list of processes; P */
	struct list threads; /* ETHREAD.entry; P */
	u32 thread_count;    /* P */
	u32 live_threads;    /* not yet through PsTerminateCurrentThread; P */
	volatile bool exiting;
	volatile bool closing_down; /* it is ending itself: no new threads */
	NTSTATUS exit_status;
	u64 peb, image_base; /* the PEB begins a region that TEBs follow in */
	u64 teb_slots[4];    /* bit set: taken; P */
	u64 ntdll_base;
	struct control_area *image_section; /* the EXE's; referenced */
	const struct pe_image *image;
	u64 privileges; /* bit a LUID: enabled */
	u64 privileges_held;
	u64 create_time, exit_time;
	u64 kernel_time, user_time; /* of ended threads */
	u8 base_priority;
	u32 default_hard_error;
	struct job *job;
	struct list job_entry;
	char name[32];
	u16 *image_name; /* NT path, pool */
	u32 image_name_chars;
	u32 mitigation[20]; /* by PROCESS_MITIGATION_POLICY; P */
	bool is_initial;    /* its status is the machine's */
	u64 affinity;	    /* processors its threads may use; P */
	u8 priority_class;  /* PROCESS_PRIORITY_CLASS_*; P */
	u8 io_priority, page_priority;
	bool boost_disabled, no_debug_inherit;
	struct debug_object *debug; /* told what happens; referenced; debug_lock */
	u32 cookie;
	u64 io[6]; /* reads, writes, others: requests, then bytes; atomic */
} EPROCESS;

typedef struct ETHREAD {
	KTHREAD k;
	u32 tid;
	struct list entry; /* on process->threads; P */
	NTSTATUS exit_status;
	u64 start_address, argument;
	u64 create_time, exit_time;
	u64 user_stack, user_stack_top, user_stack_limit;
	KEVENT stopped;		   /* suspended and out of user mode */
	struct ktrap_frame *frame; /* the user frame at the top of the kernel stack */
	struct list reap;
	bool hide_from_debugger;
	bool boost_disabled;
	bool dynamic_code_allowed; /* opted out of its process's ProhibitDynamicCode */
	s8 increment;		   /* of its priority over the process's; P */
	u8 io_priority, page_priority, ideal_processor;
	u16 *name; /* pool; P */
	u32 name_bytes;
} ETHREAD;

extern EPROCESS *PsInitialSystemProcess;

static inline ETHREAD *PsGetCurrentThread(void)
{
	return (ETHREAD *)current_thread();
}
static inline EPROCESS *PsGetCurrentProcess(void)
{
	return current_thread()->process;
}
struct handle_table *PsHandleTable(EPROCESS *p);

/* Counts a finished request in the current process's IO_COUNTERS. */
enum io_kind { IO_READ, IO_WRITE, IO_OTHER };
static inline void PsCountIo(enum io_kind kind, u64 bytes)
{
	EPROCESS *p = PsGetCurrentProcess();

	__atomic_fetch_add(&p->io[kind], 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&p->io[kind + 3], bytes, __ATOMIC_RELAXED);
}

void PsInitSystem(void);
KTHREAD *ps_create_idle_thread(void);
void ps_reap_locked(KTHREAD *t); /* => D held; frees the thread later */
_Noreturn void PsExitKernelThread(u64 unused);
_Noreturn void PsTerminateCurrentThread(NTSTATUS status);
void PsTerminateProcess(EPROCESS *p, NTSTATUS status);
/* Starts the program named by the run block as the first process. */
void PsStartInitialProcess(void);
_Noreturn void ps_end_machine(NTSTATUS status);
void ps_mark_first_user(void);
/* Work before a return to user mode: termination, suspension, APCs. => interrupts on */
void ps_user_work(struct ktrap_frame *f);

/* PROCESS_MITIGATION_POLICY (public winnt.h): indices of EPROCESS.mitigation (ps/mitigation.c) */
enum mitigation {
	MITIGATION_DEP = 0,
	MITIGATION_ASLR = 1,
	MITIGATION_DYNAMIC_CODE = 2,
	MITIGATION_STRICT_HANDLES = 3,
	MITIGATION_SYSTEM_CALLS = 4,
	MITIGATION_EXTENSION_POINTS = 6,
	MITIGATION_CFG = 7,
	MITIGATION_SIGNATURES = 8,
	MITIGATION_FONTS = 9,
	MITIGATION_IMAGE_LOADS = 10,
	MITIGATION_CALL_FILTER = 11,
	MITIGATION_PAYLOADS = 12,
	MITIGATION_CHILDREN = 13,
	MITIGATION_SIDE_CHANNELS = 14,
	MITIGATION_SHADOW_STACK = 15,
	MITIGATION_REDIRECTION = 16,
};
#define DYNAMIC_CODE_PROHIBITED	      1u
#define DYNAMIC_CODE_THREAD_OPT_OUT   2u
#define DYNAMIC_CODE_REMOTE_DOWNGRADE 4u
#define CHILDREN_PROHIBITED	      1u
/* Whether the current thread may neither make memory of p executable nor executable memory writable
 * (STATUS_DYNAMIC_CODE_BLOCKED). Images are not concerned. */
bool PsDynamicCodeBlocked(const EPROCESS *p);

/* In a system call that was given a bad handle: raises STATUS_INVALID_HANDLE where
 * MITIGATION_STRICT_HANDLES says so; the call goes on to its end. */
void PsInvalidHandle(void);

/* The current process has mapped an image, or unmapped it (ps/debug.c). => no locks */
void PsImageMapped(u64 base);
void PsImageUnmapped(u64 base);

/* Exceptions (ps/except.c): an exception in user mode at frame f. */
struct exception {
	NTSTATUS code;
	u32 flags;
	u64 address;
	u32 count;
	u64 info[15];
};
void PsRaiseUserException(struct ktrap_frame *f, const struct exception *e);

#endif
