/*
 * ob: objects with a type, a reference count and maybe a name; handle tables.
 *
 * An object is the body that ObCreateObject returns; its header lies before it. Reference counts
 * are atomic; the type's `destroy` runs when the last reference goes, at PASSIVE_LEVEL. `close`
 * runs when a handle is closed (handles left tells how many remain).
 */
#ifndef NTMM_OB_OB_H
#define NTMM_OB_OB_H

#include "guest/ke/ke.h"

struct EPROCESS;

typedef u32 ACCESS_MASK;
#define GENERIC_READ	0x80000000u
#define GENERIC_WRITE	0x40000000u
#define GENERIC_EXECUTE 0x20000000u
#define GENERIC_ALL	0x10000000u
#define MAXIMUM_ALLOWED 0x02000000u
#define SYNCHRONIZE	0x00100000u
#define DELETE_ACCESS	0x00010000u
#define READ_CONTROL	0x00020000u

struct object_type {
	const char *name;
	u32 dispatcher_offset; /* of its struct dispatcher; NOT_WAITABLE without */
	ACCESS_MASK generic_read, generic_write, generic_execute, all_access;
	ACCESS_MASK
	own_rights; /* rights that must be asked for by name, all_access not having them */
	ACCESS_MASK implied[2][2]; /* who is granted the first gets the second, too */
	void (*close)(struct EPROCESS *p, void *object, u32 handles_left);
	void (*destroy)(void *object);
	/* Optional: the name NtQueryObject tells; at most *chars characters are stored, *chars
	 * becomes the name's length. Without it, the name in the namespace. */
	NTSTATUS (*query_name)(void *object, u16 *name, u32 *chars);
};
#define NOT_WAITABLE 0xffffffffu

extern const struct object_type PsProcessType, PsThreadType, PsJobType, ExEventType, ExMutantType,
    ExSemaphoreType, ExTimerType, MmSectionType, IoFileType, SeTokenType;

/* OBJECT_ATTRIBUTES of user mode, captured. */
struct object_attributes {
	u16 *name; /* pool, NUL-terminated; NULL when there is none */
	u32 chars;
	HANDLE root;
	u32 attributes; /* OBJ_* */
};
#define OBJ_INHERIT	     0x002
#define OBJ_PERMANENT	     0x010
#define OBJ_CASE_INSENSITIVE 0x040
#define OBJ_OPENIF	     0x080

/* Makes the namespace and the thread that destroys objects released above APC level. */
void ObInitSystem(void);

/* Copies OBJECT_ATTRIBUTES (may be NULL) out of user memory; free with ObReleaseAttributes. */
NTSTATUS ObCaptureAttributes(const void *user, struct object_attributes *out);
void ObReleaseAttributes(struct object_attributes *a);

/* A zeroed body of `bytes`, with one reference. NULL without memory. */
void *ObCreateObject(const struct object_type *type, size_t bytes);
void ObReferenceObject(void *object);
/* False when the last reference is already gone (for lists that hold none of their own). */
bool ObReferenceObjectSafe(void *object);
/* => IRQL <= DISPATCH; destroy runs later, in another thread, when above APC level */
void ObDereferenceObject(void *object);
const struct object_type *ObGetType(const void *object);

/* Handles of the current process unless told otherwise. A new handle holds a reference. */
NTSTATUS ObCreateHandle(void *object, ACCESS_MASK access, u32 attributes, HANDLE *handle);
NTSTATUS ObCreateHandleIn(struct EPROCESS *p, void *object, ACCESS_MASK access, u32 attributes,
			  HANDLE *handle);
/* Checks type (NULL: any) and access, takes a reference. (HANDLE)-1 and -2 are the current process
 * and thread. STATUS_INVALID_HANDLE, STATUS_OBJECT_TYPE_MISMATCH, STATUS_ACCESS_DENIED. */
NTSTATUS ObReferenceObjectByHandle(HANDLE h, ACCESS_MASK access, const struct object_type *type,
				   void **object);
/* The access rights the handle was opened with. */
NTSTATUS ObQueryHandleAccess(HANDLE h, ACCESS_MASK *access);
NTSTATUS ObCloseHandle(HANDLE h);

/* Maps GENERIC_* and MAXIMUM_ALLOWED to the type's own bits, and drops those it does not have. */
ACCESS_MASK ObMapAccess(const struct object_type *type, ACCESS_MASK access);

/*
 * What Nt*Create calls do at their end: gives the new object its name, when it has one, and a
 * handle to the current process. The caller's reference is consumed, whatever happens. An object of
 * the same type that already has the name is opened instead with OBJ_OPENIF, the answer then being
 * STATUS_OBJECT_NAME_EXISTS; else STATUS_OBJECT_NAME_COLLISION. The name goes with the last handle.
 */
NTSTATUS ObInsertObject(struct object_attributes *a, void *object, ACCESS_MASK access,
			HANDLE *handle);
/* What Nt*Open calls do. Lookup and handle are one step, so the name cannot go in between. */
NTSTATUS ObOpenObjectByName(struct object_attributes *a, const struct object_type *type,
			    ACCESS_MASK access, HANDLE *handle);
/* A permanent name for an object of the kernel, as "\\KernelObjects\\LowMemoryCondition". */
NTSTATUS ObNameKernelObject(const char *path, void *object);

/* Checks that a handle can be stored at a user address, before anything is made. */
NTSTATUS ObProbeHandle(HANDLE *user);
/* Stores a new handle for user mode, or closes it and tells why not. `status` on success. */
NTSTATUS ObReturnHandle(HANDLE *user, HANDLE handle, NTSTATUS status);

/* ---- handle tables: one a process. Lock: the table's mutex, inside ---- */
struct handle_table;
struct handle_table *PsHandleTable(struct EPROCESS *p); /* ps */
struct handle_table *ObCreateHandleTable(void);		/* NULL without memory */
/* Copies the inheritable handles, at the same values. */
NTSTATUS ObInheritHandles(struct EPROCESS *parent, struct EPROCESS *child);
/* The same for a list (PS_ATTRIBUTE_HANDLE_LIST) only; each must be inheritable. */
NTSTATUS ObInheritHandleList(struct EPROCESS *parent, struct EPROCESS *child, const HANDLE *list,
			     u32 count);
/* At process exit: closes all handles; from then on the table refuses every call. */
void ObDestroyHandleTable(struct EPROCESS *p);
/* When the process object goes: frees the table itself. */
void ObFreeHandleTable(struct handle_table *t);
u32 ObHandleCount(struct EPROCESS *p);
/* Handles of any process. */
NTSTATUS ObReferenceObjectByHandleIn(struct EPROCESS *p, HANDLE h, ACCESS_MASK access,
				     const struct object_type *type, void **object);
/* A handle with the same rights and attributes in another process. */
NTSTATUS ObDuplicateHandle(struct EPROCESS *from, HANDLE h, struct EPROCESS *to,
			   HANDLE *new_handle);
NTSTATUS ObCloseHandleIn(struct EPROCESS *p, HANDLE h);

/* ---- user memory, from system calls (mm/usercopy.c). => IRQL PASSIVE, no mutex of mm held ----
 * Pages are faulted in as usual; a bad address gives STATUS_ACCESS_VIOLATION, a guard page
 * STATUS_GUARD_PAGE_VIOLATION, a failed page-in STATUS_IN_PAGE_ERROR. */
NTSTATUS copy_from_user(void *dst, const void *user_src, size_t n);
NTSTATUS copy_to_user(void *user_dst, const void *src, size_t n);
NTSTATUS zero_user(void *user_dst, size_t n);
NTSTATUS probe_for_write(void *user, size_t n); /* each page of it: read, and written back */

#endif
