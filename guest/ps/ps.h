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
	NTSTATUS exit_status;
	u64 peb, image_base; /* the PEB begins a region that TEBs follow in */
	u64 teb_slots[4];    /* bit set: taken; P */
	u64 ntdll_base;
	struct control_area *image_section; /* the EXE's; referenced */
	const struct pe_image *image;
	u64 privileges;	 /* bit a LUID: enabled */
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
	u32 mitigation[20]; /* by PROCESS_MITIGATION_POLICY */
	bool is_initial;    /* its exit ends the machine */
} EPROCESS;

typedef struct ETHREAD {
	KTHREAD k;
	u32 tid;
	struct list entry; /* on process->threads; P */
	NTSTATUS exit_status;
	u64 start_address, argument;
	u64 create_time, exit_time;
	u64 user_stack, user_stack_top, user_stack_limit;
	KEVENT stopped; /* suspended and out of user mode */
	struct ktrap_frame *frame; /* the user frame at the top of the kernel stack */
	struct list reap;
	bool hide_from_debugger;
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
