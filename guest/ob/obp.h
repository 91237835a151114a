/*
 * obp: what the files of ob share.
 *
 * An object is { header, body }. The header's counters are atomic; `name` belongs to the namespace
 * lock. A name lasts as long as there are handles (or for ever, when permanent), the object as long
 * as there are references; each handle is a reference.
 *
 * Lock order: namespace lock -> a handle table's mutex. Neither is held when close or destroy
 * routines run.
 */
#ifndef NTMM_OB_OBP_H
#define NTMM_OB_OBP_H

#include "guest/ob/ob.h"

struct ob_name;

struct object_header {
	const struct object_type *type;
	volatile s64 references;
	volatile s32 handles;
	u32 reserved;
	struct ob_name *name;
	struct object_header *next_dead; /* waiting for destruction */
	u64 created;			 /* system time */
};
_Static_assert(sizeof(struct object_header) % 16 == 0, "bodies are aligned as pool blocks are");

static inline struct object_header *ob_header(const void *object)
{
	return (struct object_header *)object - 1;
}

/* Pseudo handles. */
#define CURRENT_PROCESS ((HANDLE)-1)
#define CURRENT_THREAD	((HANDLE)-2)
#define LAST_PSEUDO	((HANDLE)-6) /* -4 to -6 name tokens */

/* OBJ_* bits a handle keeps. */
#define OBJ_PROTECT_CLOSE 0x001u
#define HANDLE_ATTRIBUTES (OBJ_PROTECT_CLOSE | OBJ_INHERIT)

struct EPROCESS *ob_current_process(void);
struct KTHREAD *ob_current_thread(void);
/* The current process named a handle that it does not have: where it is strict about that, it gets
 * an exception. */
void ob_invalid_handle(void);

/* object.c */
void ob_start_destroyer(void);

/* handle.c */
NTSTATUS ob_query_handle(struct EPROCESS *p, HANDLE h, void **object, ACCESS_MASK *access,
			 u32 *attributes); /* takes a reference */
NTSTATUS ob_set_handle_attributes(struct EPROCESS *p, HANDLE h, u32 attributes);

/* Opening an object that is there gives rights that its type has, and must ask for some:
 * STATUS_ACCESS_DENIED. Audit rights are nobody's (STATUS_PRIVILEGE_NOT_HELD). */
NTSTATUS ob_check_access(const struct object_type *type, ACCESS_MASK access);

/* name.c */
void ob_init_names(void);
void ob_name_released(struct object_header *h); /* the last handle is gone */
void ob_name_forget(struct object_header *h);	/* the object is going */
/* The full path, at most `room` characters; returns its length, 0 without a name. */
u32 ob_name_path(struct object_header *h, u16 *path, u32 room);

#endif
