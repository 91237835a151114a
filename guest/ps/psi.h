/* Between the files of ps. */
#ifndef NTMM_PS_PSI_H
#define NTMM_PS_PSI_H

#include "guest/ps/ps.h"
#include "guest/mm/pe.h"
#include "guest/ps/context.h"

struct FILE_OBJECT;

#define THREAD_TERMINATE	 0x0001u
#define THREAD_SUSPEND_RESUME	 0x0002u
#define THREAD_GET_CONTEXT	 0x0008u
#define THREAD_SET_CONTEXT	 0x0010u
#define THREAD_SET_INFORMATION	 0x0020u
#define THREAD_QUERY_INFORMATION 0x0040u
#define THREAD_QUERY_LIMITED	 0x0800u
#define THREAD_ALL_ACCESS	 0x1fffffu
#define PROCESS_ALL_ACCESS	 0x1fffffu
#define PROCESS_CREATE_THREAD	 0x0002u
#define PROCESS_CREATE_PROCESS	 0x0080u
#define PROCESS_SET_INFORMATION	 0x0200u
#define PROCESS_SUSPEND_RESUME	 0x0800u
#define PROCESS_SET_LIMITED	 0x2000u
#define THREAD_SET_LIMITED	 0x0400u

/* ntdll's entries the kernel jumps to */
enum ntdll_entry {
	NTDLL_INITIALIZE_THUNK,
	NTDLL_USER_THREAD_START,
	NTDLL_EXCEPTION_DISPATCHER,
	NTDLL_APC_DISPATCHER,
	NTDLL_ENTRIES
};
u64 ps_ntdll_entry(enum ntdll_entry e); /* in the current process; 0: not exported */

extern struct mutex ps_lock;
extern struct list ps_processes;
extern struct list ps_ended_processes, ps_ended_threads; /* as long as somebody refers to them; P */
u32 ps_new_id(void);
EPROCESS *ps_find_process(u32 pid); /* referenced, or NULL; one that has ended is found, too */
ETHREAD *ps_find_thread(u32 tid);

/* Makes a user thread, suspended: it runs after ps_resume(). stack sizes in bytes. */
struct thread_request {
	u64 start, argument;
	u64 stack_commit, stack_reserve, zero_bits;
	bool first;	/* of its process: sets up the process's memory, too */
	bool suspended; /* stays so until NtResumeThread */
	void *startup;	/* first: struct startup, owned by the thread from then on */
};
NTSTATUS ps_create_thread(EPROCESS *p, const struct thread_request *r, ETHREAD **out);

/* What the first thread of a process writes into its memory. UTF-16 in pool, counts in characters.
 */
struct startup {
	u16 *image_path, *command_line, *cwd, *environment;
	u32 image_chars, command_chars, cwd_chars, environment_chars;
	HANDLE std[3];
	HANDLE cwd_handle;
	u32 start[7], window_flags, show_window;
	u16 *desktop, *title, *dll_path; /* dll_path NULL: the system's */
	u32 desktop_chars, title_chars, dll_chars;
	u8 *runtime_data;
	u32 runtime_bytes;
	struct startup_written *written; /* NULL: nobody waits for it */
};
struct startup_written { /* the maker's: how the first thread's writing ended */
	KEVENT done;
	NTSTATUS status;
	u64 parameters;
};
void ps_free_startup(struct startup *s);
NTSTATUS ps_write_startup(struct startup *s); /* in the process itself */

/* ---- jobs (job.c) ---- */
bool ps_job_fixes_priority(const EPROCESS *p); /* => P: a job's limit decides the priority class */
u64 ps_job_affinity(const EPROCESS *p);	       /* => P: processors its jobs leave it */
/* A new process joins its parent's job, unless it is let go. STATUS_ACCESS_DENIED (no breakaway),
 * STATUS_QUOTA_EXCEEDED (one too many). */
NTSTATUS ps_job_child(EPROCESS *parent, EPROCESS *child, bool breakaway);
NTSTATUS ps_job_join(EPROCESS *p, HANDLE job); /* one more, inside the one it is in */
void ps_job_process_ended(EPROCESS *p);	       /* => nothing charged any more */

void ps_init_mitigation(EPROCESS *p, const EPROCESS *parent);

/* An empty process around an EXE's control area. */
NTSTATUS ps_create_process(struct FILE_OBJECT *exe, const u16 *path, u32 chars, EPROCESS *parent,
			   EPROCESS **out);
void ps_discard_process(EPROCESS *p); /* it never got a thread */
/* Ends a process, from any thread; the current one does on its way back to user mode. */
void ps_end_process(EPROCESS *p, NTSTATUS status);
void ps_run_times(EPROCESS *p, u64 *kernel, u64 *user); /* => P; of all its threads, 100 ns */
void ps_rundown(EPROCESS *p);				/* the last thread: handles, memory */
void ps_thread_gone(ETHREAD *t);

void ps_test_alert(KTHREAD *t);
NTSTATUS ps_stop_for_context(ETHREAD *t); /* suspended, or waits until it is out of user mode */
u32 ps_suspend(ETHREAD *t, NTSTATUS *st);
u32 ps_resume(ETHREAD *t);

NTSTATUS ps_queue_apc(ETHREAD *t, u64 routine, u64 context, u64 arg1, u64 arg2);
void ps_remove_apc(ETHREAD *t, u64 routine, u64 context);
void ps_terminate_other(ETHREAD *t, NTSTATUS status);	/* => P held */
void ps_terminate_others(EPROCESS *p, NTSTATUS status); /* => P not held */

/* ---- debuggers (debug.c) ---- */
void ps_init_debug(void);
/* True: the debugger has dealt with it, and the thread goes on as its frame says now. */
bool ps_debug_exception(const EXCEPTION_RECORD *record, bool first_chance);
void ps_debug_thread_starts(bool first); /* => the current one, in user address space */
void ps_debug_thread_ends(void);	 /* not the last of its process */
/* The last thread has ended; or (tells false) there never was one. */
void ps_debug_process_ends(EPROCESS *p, bool tells);
/* The debugger of a new process: of a handle, or its parent's if that is handed on. */
NTSTATUS ps_debug_new_process(EPROCESS *p, const EPROCESS *parent, HANDLE h);
NTSTATUS ps_debug_handle(EPROCESS *p, HANDLE *h); /* its debug object; STATUS_PORT_NOT_SET */
void ps_freeze(ETHREAD *t, bool freeze);	  /* as suspended, but not counted */

/* TEBs: one slot of the process's region each */
NTSTATUS ps_allocate_teb(EPROCESS *p, u64 *teb);
void ps_free_teb(EPROCESS *p, u64 teb);

#endif
