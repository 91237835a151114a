/*
 * ex: the executive's objects for user mode (events, mutants, semaphores, timers), waiting calls,
 * time, system information, tokens and privileges. The pool is declared in ke.h.
 */
#ifndef NTMM_EX_EX_H
#define NTMM_EX_EX_H

#include "guest/ob/ob.h"

/* ---- objects (ex/create.c) ---- */

/* The common beginning and end of Nt*Create: probes *handle and captures OBJECT_ATTRIBUTES; then
 * inserts the object (consumed, NULL: no memory) and stores the handle. */
NTSTATUS ex_begin_create(HANDLE *handle, const void *attributes, struct object_attributes *a);
NTSTATUS ex_end_create(HANDLE *handle, struct object_attributes *a, void *object,
		       ACCESS_MASK access);
/* The whole of Nt*Open. */
NTSTATUS ex_open(HANDLE *handle, ACCESS_MASK access, const void *attributes,
		 const struct object_type *type);
/* The beginning and end of NtQuery{Event,Mutant,Semaphore,Timer}, which have one class (0) and an
 * answer of one length: checks and references; releases and stores. */
NTSTATUS ex_begin_query(HANDLE h, u32 class, u32 length, u32 bytes, ACCESS_MASK access,
			const struct object_type *type, void **object);
NTSTATUS ex_end_query(void *object, const void *answer, u32 bytes, void *buffer, u32 *returned);
/* Optional outputs of user mode: checked before anything is done, stored afterwards. */
NTSTATUS ex_probe_u32(const void *user);
NTSTATUS ex_store_u32(void *user, u32 value, NTSTATUS status);

/* An event object for kernel code, as user mode may have a handle to. NULL without memory. */
KEVENT *ExCreateEvent(enum dispatcher_type type, bool signalled);

/* ---- memory resource notifications (ex/condition.c) ---- */
void ExInitMemoryConditions(void);   /* after ObInitSystem and mm's start; PASSIVE */
void ExUpdateMemoryConditions(void); /* from one thread */

/* ---- privileges (ex/token.c): LUIDs as in public winnt.h, SE_*_PRIVILEGE ---- */
enum privilege {
	SE_LOCK_MEMORY = 4,
	SE_INCREASE_QUOTA = 5,
	SE_TCB = 7,
	SE_SECURITY = 8,
	SE_TAKE_OWNERSHIP = 9,
	SE_LOAD_DRIVER = 10,
	SE_SYSTEM_PROFILE = 11,
	SE_SYSTEM_TIME = 12,
	SE_PROFILE_SINGLE_PROCESS = 13,
	SE_INCREASE_BASE_PRIORITY = 14,
	SE_CREATE_PAGEFILE = 15,
	SE_BACKUP = 17,
	SE_RESTORE = 18,
	SE_SHUTDOWN = 19,
	SE_DEBUG = 20,
	SE_SYSTEM_ENVIRONMENT = 22,
	SE_CHANGE_NOTIFY = 23,
	SE_REMOTE_SHUTDOWN = 24,
	SE_UNDOCK = 25,
	SE_MANAGE_VOLUME = 28,
	SE_IMPERSONATE = 29,
	SE_CREATE_GLOBAL = 30,
	SE_INCREASE_WORKING_SET = 33,
	SE_TIME_ZONE = 34,
	SE_CREATE_SYMBOLIC_LINK = 35,
};
/* Whether the current process has that privilege enabled. */
bool SeHasPrivilege(u32 luid);
/* What a new process may do: an administrator's privileges, or its parent's (NULL: none). */
void SeInitPrivileges(struct EPROCESS *p, const struct EPROCESS *parent);

#endif
