/*
 * debug: private to debug.c and debugcalls.c, and what the rest of the kernel tells them.
 *
 * A debug object is a queue of events of the processes that it debugs. A thread that has something
 * to tell puts its event there and waits for the answer; the events of an attachment, which tell
 * what is there already, have nobody waiting. While an event has been delivered and not been
 * answered, the threads of its process are frozen, and no other event of it is delivered.
 *
 * Lock: debug_lock (mutex, letter G; before ps_lock): queues, EPROCESS.debug.
 */
#ifndef NTMM_PS_DEBUG_H
#define NTMM_PS_DEBUG_H

#include "guest/ps/psi.h"

enum debug_kind { /* DBG_STATE (public ntdbg.h) */
		  DEBUG_CREATE_THREAD = 2,
		  DEBUG_CREATE_PROCESS = 3,
		  DEBUG_EXIT_THREAD = 4,
		  DEBUG_EXIT_PROCESS = 5,
		  DEBUG_EXCEPTION = 6,
		  DEBUG_BREAKPOINT = 7,
		  DEBUG_SINGLE_STEP = 8,
		  DEBUG_LOAD_DLL = 9,
		  DEBUG_UNLOAD_DLL = 10,
};

struct debug_object {
	KEVENT ready;	    /* there is an event to be delivered */
	struct list events; /* G; oldest first */
	bool kill_on_exit;  /* G */
	bool closed;	    /* G */
};

struct debug_event {
	struct list entry;
	enum debug_kind kind;
	ETHREAD *thread;	  /* referenced */
	struct FILE_OBJECT *file; /* referenced, or NULL */
	EXCEPTION_RECORD record;
	bool first_chance;
	u64 base, start, name; /* name: address of a pointer to it in the process */
	NTSTATUS exit_status;
	bool delivered;	 /* G */
	bool nobody;	 /* waits for the answer: the event is freed with it */
	NTSTATUS answer; /* DBG_* */
	KEVENT answered;
};

#define DEBUG_PROCESS_ASSIGN 0x2u /* access right */

#define DBG_EXCEPTION_HANDLED	  STATUS(0x00010001)
#define DBG_CONTINUE		  STATUS(0x00010002)
#define DBG_EXCEPTION_NOT_HANDLED STATUS(0x80010001)
#define STATUS_DEBUGGER_INACTIVE  STATUS(0xC0000354)
#define STATUS_PORT_ALREADY_SET	  STATUS(0xC0000048)

extern struct mutex debug_lock;
extern const struct object_type PsDebugObjectType;

/* => G. Whether an event can be delivered shows in d->ready. */
void debug_update(struct debug_object *d);
/* => G. The first event that can be delivered, or NULL. */
struct debug_event *debug_next(struct debug_object *d);
/* => G. Takes it off the queue; its threads go on. */
void debug_answer(struct debug_event *e, NTSTATUS answer);
/* All threads of p, when one of its events has been delivered. => G */
void debug_freeze(EPROCESS *p, bool freeze);
/* => G. No more events of p to its debugger; those that wait are answered. */
void debug_detach(EPROCESS *p);
/* Attaches, and tells of the threads and images there are. */
NTSTATUS debug_attach(EPROCESS *p, struct debug_object *d);
/* PEB.BeingDebugged */
void debug_mark(EPROCESS *p, bool debugged);

#endif
