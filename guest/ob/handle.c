/*
 * handle.c: handle tables.
 *
 * A handle is 4 times an index into the process's table, from 1 on; its two low bits are ignored,
 * as documented. The table is a list of chunks of 64 entries that only grows until the process
 * ends; free entries are chained through their `access` field, the last one freed first. A dead
 * table (its process has ended) has no entries and takes none.
 *
 * Lock: each table's mutex. Closing runs the type's close routine after the mutex is dropped.
 */
#include "guest/ob/obp.h"

#define CHUNK_ENTRIES 64u
#define MAX_CHUNKS    16384u /* a million handles */

struct entry {
	void *object;	/* NULL: free */
	u32 access;	/* free: index of the next free entry, 0 = none */
	u32 attributes; /* HANDLE_ATTRIBUTES */
};

struct handle_table {
	struct mutex lock;
	struct entry **chunk;
	u32 chunks, chunk_room; /* in use, and what `chunk` has room for */
	u32 free;		/* first free entry; entry 0 is never used */
	u32 count;		/* handles */
	bool dead;
};

/* ---- entries. => table locked ---- */

static struct entry *entry_at(const struct handle_table *t, u32 index)
{
	return &t->chunk[index / CHUNK_ENTRIES][index % CHUNK_ENTRIES];
}

static HANDLE handle_of(u32 index)
{
	return (HANDLE)index * 4;
}

static struct entry *entry_of(const struct handle_table *t, HANDLE h)
{
	u64 index = h / 4;
	struct entry *e;

	if (!index || index >= (u64)t->chunks * CHUNK_ENTRIES)
		return NULL;
	e = entry_at(t, (u32)index);
	return e->object ? e : NULL;
}

static bool more_room(struct handle_table *t)
{
	u32 room = t->chunk_room ? t->chunk_room * 2 : 4;
	struct entry **bigger;

	if (t->chunks < t->chunk_room)
		return true;
	if (t->chunks == MAX_CHUNKS)
		return false;
	bigger = ExAllocatePool(room * sizeof(*bigger), TAG('O', 'b', 't', 'b'));
	if (!bigger)
		return false;
	if (t->chunk) {
		memcpy(bigger, t->chunk, t->chunks * sizeof(*bigger));
		ExFreePool(t->chunk);
	}
	t->chunk = bigger;
	t->chunk_room = room;
	return true;
}

static bool add_chunk(struct handle_table *t)
{
	struct entry *chunk;
	u32 first = t->chunks * CHUNK_ENTRIES;

	if (!more_room(t))
		return false;
	chunk = ExAllocatePool(CHUNK_ENTRIES * sizeof(*chunk), TAG('O', 'b', 't', 'b'));
	if (!chunk)
		return false;
	t->chunk[t->chunks++] = chunk;
	/* Chained so that the lowest is taken first. */
	for (u32 i = CHUNK_ENTRIES; i-- > 0;) {
		if (first + i == 0)
			continue;
		chunk[i].access = t->free;
		t->free = first + i;
	}
	return true;
}

static NTSTATUS take_entry(struct handle_table *t, u32 *index)
{
	if (t->dead)
		return STATUS_PROCESS_IS_TERMINATING;
	if (!t->free && !add_chunk(t))
		return STATUS_INSUFFICIENT_RESOURCES;
	*index = t->free;
	t->free = entry_at(t, *index)->access;
	return STATUS_SUCCESS;
}

/* Takes the reference that the handle holds. */
static void fill_entry(struct handle_table *t, u32 index, void *object, ACCESS_MASK access,
		       u32 attributes)
{
	struct entry *e = entry_at(t, index);

	ObReferenceObject(object);
	__atomic_fetch_add(&ob_header(object)->handles, 1, __ATOMIC_RELAXED);
	e->object = object;
	e->access = access;
	e->attributes = attributes & HANDLE_ATTRIBUTES;
	t->count++;
}

/* Empties an entry; the object's count of handles is still as before. */
static void *clear_entry(struct handle_table *t, struct entry *e, u32 index)
{
	void *object = e->object;

	e->object = NULL;
	e->attributes = 0;
	e->access = t->free;
	t->free = index;
	t->count--;
	return object;
}

/* => nothing locked. A handle to `object` of process p has been removed from the table. */
static void handle_gone(struct EPROCESS *p, void *object)
{
	struct object_header *h = ob_header(object);
	s32 left = __atomic_sub_fetch(&h->handles, 1, __ATOMIC_ACQ_REL);

	if (h->type->close)
		h->type->close(p, object, (u32)left);
	if (!left)
		ob_name_released(h);
	ObDereferenceObject(object);
}

/* ---- tables ---- */

/* The table of p, locked; NULL when p never had one or has lost it. */
static struct handle_table *lock_table(struct EPROCESS *p)
{
	struct handle_table *t = PsHandleTable(p);

	if (t)
		mutex_lock(&t->lock);
	return t;
}

struct handle_table *ObCreateHandleTable(void)
{
	struct handle_table *t = ExAllocatePool(sizeof(*t), TAG('O', 'b', 't', 'b'));

	if (t)
		mutex_init(&t->lock);
	return t;
}

void ObDestroyHandleTable(struct EPROCESS *p)
{
	struct handle_table *t = lock_table(p);

	if (!t)
		return;
	t->dead = true; /* no handle is made from here on */
	for (u32 i = 1; t->count && i < t->chunks * CHUNK_ENTRIES; i++) {
		struct entry *e = entry_at(t, i);
		void *object;

		if (!e->object)
			continue;
		object = clear_entry(t, e, i);
		mutex_unlock(&t->lock);
		handle_gone(p, object);
		mutex_lock(&t->lock);
	}
	for (u32 i = 0; i < t->chunks; i++)
		ExFreePool(t->chunk[i]);
	if (t->chunk)
		ExFreePool(t->chunk);
	t->chunk = NULL;
	t->chunks = t->chunk_room = t->free = 0;
	mutex_unlock(&t->lock);
}

void ObFreeHandleTable(struct handle_table *t)
{
	if (!t)
		return;
	require(!t->count);
	for (u32 i = 0; i < t->chunks; i++)
		ExFreePool(t->chunk[i]);
	if (t->chunk)
		ExFreePool(t->chunk);
	ExFreePool(t);
}

u32 ObHandleCount(struct EPROCESS *p)
{
	struct handle_table *t = PsHandleTable(p);

	return t ? t->count : 0;
}

/* ---- inheritance: the child's table is still its maker's alone ---- */

/* => parent's table locked. The entry comes to lie at the same index in the child. */
static NTSTATUS inherit_entry(struct handle_table *child, u32 index, const struct entry *e)
{
	u32 *link = &child->free;

	while (index >= child->chunks * CHUNK_ENTRIES)
		if (!add_chunk(child))
			return STATUS_INSUFFICIENT_RESOURCES;
	while (*link && *link != index)
		link = &entry_at(child, *link)->access;
	if (!*link)
		return STATUS_SUCCESS; /* there already: named twice in a list */
	*link = entry_at(child, index)->access;
	fill_entry(child, index, e->object, e->access, e->attributes);
	return STATUS_SUCCESS;
}

/* Puts the free entries of a fresh table in order again, the lowest first. */
static void rebuild_free_list(struct handle_table *t)
{
	t->free = 0;
	for (u32 i = t->chunks * CHUNK_ENTRIES; i-- > 1;) {
		struct entry *e = entry_at(t, i);

		if (!e->object) {
			e->access = t->free;
			t->free = i;
		}
	}
}

NTSTATUS ObInheritHandles(struct EPROCESS *parent, struct EPROCESS *child)
{
	struct handle_table *from = PsHandleTable(parent), *to = PsHandleTable(child);
	NTSTATUS s = STATUS_SUCCESS;

	mutex_lock(&from->lock);
	while (to->chunks < from->chunks && NT_SUCCESS(s))
		if (!add_chunk(to))
			s = STATUS_INSUFFICIENT_RESOURCES;
	for (u32 i = 1; i < from->chunks * CHUNK_ENTRIES && NT_SUCCESS(s); i++) {
		struct entry *e = entry_at(from, i);

		if (e->object && e->attributes & OBJ_INHERIT && !entry_at(to, i)->object)
			fill_entry(to, i, e->object, e->access, e->attributes);
	}
	mutex_unlock(&from->lock);
	rebuild_free_list(to);
	return s;
}

NTSTATUS ObInheritHandleList(struct EPROCESS *parent, struct EPROCESS *child, const HANDLE *list,
			     u32 count)
{
	struct handle_table *from = PsHandleTable(parent), *to = PsHandleTable(child);
	NTSTATUS s = STATUS_SUCCESS;

	mutex_lock(&from->lock);
	for (u32 i = 0; i < count && NT_SUCCESS(s); i++) {
		struct entry *e = entry_of(from, list[i]);

		if (!e)
			s = STATUS_INVALID_HANDLE;
		else if (!(e->attributes & OBJ_INHERIT))
			s = STATUS_INVALID_PARAMETER;
		else
			s = inherit_entry(to, (u32)(list[i] / 4), e);
	}
	mutex_unlock(&from->lock);
	rebuild_free_list(to);
	return s;
}

/* ---- handles ---- */

NTSTATUS ObCreateHandleIn(struct EPROCESS *p, void *object, ACCESS_MASK access, u32 attributes,
			  HANDLE *handle)
{
	struct handle_table *t = lock_table(p);
	NTSTATUS s;
	u32 index;

	if (!t)
		return STATUS_PROCESS_IS_TERMINATING;
	s = take_entry(t, &index);
	if (NT_SUCCESS(s)) {
		fill_entry(t, index, object, access, attributes);
		*handle = handle_of(index);
	}
	mutex_unlock(&t->lock);
	return s;
}

NTSTATUS ObCreateHandle(void *object, ACCESS_MASK access, u32 attributes, HANDLE *handle)
{
	return ObCreateHandleIn(ob_current_process(), object, access, attributes, handle);
}

/* The object a pseudo handle names, or NULL; no reference taken. */
static void *pseudo_object(struct EPROCESS *p, HANDLE h)
{
	if (h == CURRENT_PROCESS)
		return p;
	return h == CURRENT_THREAD ? ob_current_thread() : NULL;
}

NTSTATUS ob_query_handle(struct EPROCESS *p, HANDLE h, void **object, ACCESS_MASK *access,
			 u32 *attributes)
{
	struct handle_table *t;
	struct entry *e;

	*object = pseudo_object(p, h);
	*attributes = 0;
	if (UNLIKELY(*object != NULL)) {
		ObReferenceObject(*object);
		*access = ObGetType(*object)->all_access;
		return STATUS_SUCCESS;
	}
	t = lock_table(p);
	if (!t)
		return STATUS_INVALID_HANDLE;
	e = entry_of(t, h);
	if (e) {
		*object = e->object;
		*access = e->access;
		*attributes = e->attributes;
		ObReferenceObject(e->object);
	}
	mutex_unlock(&t->lock);
	return e ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

static NTSTATUS check_handle(const void *object, ACCESS_MASK granted, ACCESS_MASK access,
			     const struct object_type *type)
{
	if (type && ObGetType(object) != type)
		return STATUS_OBJECT_TYPE_MISMATCH;
	return access & ~granted ? STATUS_ACCESS_DENIED : STATUS_SUCCESS;
}

NTSTATUS ObReferenceObjectByHandleIn(struct EPROCESS *p, HANDLE h, ACCESS_MASK access,
				     const struct object_type *type, void **object)
{
	void *found = pseudo_object(p, h);
	struct handle_table *t;
	struct entry *e;
	NTSTATUS s;

	*object = NULL;
	if (found) {
		s = check_handle(found, ObGetType(found)->all_access, access, type);
		if (NT_SUCCESS(s)) {
			ObReferenceObject(found);
			*object = found;
		}
		return s;
	}
	t = lock_table(p);
	if (!t)
		return STATUS_INVALID_HANDLE;
	e = entry_of(t, h);
	s = e ? check_handle(e->object, e->access, access, type) : STATUS_INVALID_HANDLE;
	if (NT_SUCCESS(s)) {
		ObReferenceObject(e->object);
		*object = e->object;
	}
	mutex_unlock(&t->lock);
	return s;
}

NTSTATUS ObReferenceObjectByHandle(HANDLE h, ACCESS_MASK access, const struct object_type *type,
				   void **object)
{
	struct EPROCESS *p = ob_current_process();
	NTSTATUS s;

	if (h == CURRENT_PROCESS && type == &PsProcessType) { /* most memory calls */
		ObReferenceObject(p);
		*object = p;
		return STATUS_SUCCESS;
	}
	s = ObReferenceObjectByHandleIn(p, h, access, type, object);
	if (UNLIKELY(s == STATUS_INVALID_HANDLE))
		ob_invalid_handle();
	return s;
}

NTSTATUS ObQueryHandleAccess(HANDLE h, ACCESS_MASK *access)
{
	void *object;
	u32 attributes;
	NTSTATUS s = ob_query_handle(ob_current_process(), h, &object, access, &attributes);

	if (NT_SUCCESS(s))
		ObDereferenceObject(object);
	return s;
}

NTSTATUS ob_set_handle_attributes(struct EPROCESS *p, HANDLE h, u32 attributes)
{
	struct handle_table *t = lock_table(p);
	struct entry *e;

	if (!t)
		return STATUS_INVALID_HANDLE;
	e = entry_of(t, h);
	if (e)
		e->attributes = attributes & HANDLE_ATTRIBUTES;
	mutex_unlock(&t->lock);
	return e ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

NTSTATUS ObCloseHandleIn(struct EPROCESS *p, HANDLE h)
{
	struct handle_table *t;
	void *object = NULL;
	struct entry *e;
	NTSTATUS s = STATUS_SUCCESS;

	if (h >= LAST_PSEUDO)
		return STATUS_SUCCESS;
	t = lock_table(p);
	if (!t)
		return STATUS_INVALID_HANDLE;
	e = entry_of(t, h);
	if (!e)
		s = STATUS_INVALID_HANDLE;
	else if (e->attributes & OBJ_PROTECT_CLOSE)
		s = STATUS_HANDLE_NOT_CLOSABLE;
	else
		object = clear_entry(t, e, (u32)(h / 4));
	mutex_unlock(&t->lock);
	if (object)
		handle_gone(p, object);
	return s;
}

NTSTATUS ObCloseHandle(HANDLE h)
{
	NTSTATUS s = ObCloseHandleIn(ob_current_process(), h);

	if (UNLIKELY(s == STATUS_INVALID_HANDLE))
		ob_invalid_handle();
	return s;
}
