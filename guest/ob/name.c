/*
 * name.c: the namespace of named objects, and OBJECT_ATTRIBUTES.
 *
 * Directories are fixed: a table of edges says which name leads from which to which, so that Local,
 * Global, Session\N and \Sessions\N\BaseNamedObjects all end in \BaseNamedObjects. The named
 * objects of all directories lie in one hash table. Names keep their case; they are compared
 * without it when OBJ_CASE_INSENSITIVE asks for that.
 *
 * A name is not a reference. It goes with the object's last handle (unless permanent), at the
 * latest with the object. Lock: name_lock, a mutex; handles are made under it when they come from a
 * name, so that "no handles left" cannot be overtaken by an open. No reference is dropped under it,
 * as the object's destruction takes it too.
 */
#include "guest/ob/obp.h"

#define MAX_DIGITS 10u

/* ---- directories ---- */

enum directory {
	DIR_NONE,
	DIR_ROOT,
	DIR_NAMED, /* \BaseNamedObjects */
	DIR_NAMED_SESSION,
	DIR_SESSIONS,
	DIR_SESSION,
	DIR_KERNEL,
	DIR_DEVICE,
	DIR_DOS,
	DIR_KNOWN,
	DIR_COUNT
};

static const struct {
	const char *path;
	bool user_may_create;
} directories[DIR_COUNT] = {
    [DIR_ROOT] = {"", true},
    [DIR_NAMED] = {"\\BaseNamedObjects", true},
    [DIR_NAMED_SESSION] = {"\\BaseNamedObjects\\Session", false},
    [DIR_SESSIONS] = {"\\Sessions", false},
    [DIR_SESSION] = {"\\Sessions\\1", false},
    [DIR_KERNEL] = {"\\KernelObjects", false},
    [DIR_DEVICE] = {"\\Device", false},
    [DIR_DOS] = {"\\??", false},
    [DIR_KNOWN] = {"\\KnownDlls", false},
};

static const struct edge {
	u8 from, to;
	const char *name; /* "#": any number */
} edges[] = {
    {DIR_ROOT, DIR_NAMED, "BaseNamedObjects"},
    {DIR_ROOT, DIR_SESSIONS, "Sessions"},
    {DIR_ROOT, DIR_KERNEL, "KernelObjects"},
    {DIR_ROOT, DIR_DEVICE, "Device"},
    {DIR_ROOT, DIR_DOS, "??"},
    {DIR_ROOT, DIR_DOS, "DosDevices"},
    {DIR_ROOT, DIR_DOS, "GLOBAL??"},
    {DIR_ROOT, DIR_KNOWN, "KnownDlls"},
    {DIR_NAMED, DIR_NAMED, "Local"},
    {DIR_NAMED, DIR_NAMED, "Global"},
    {DIR_NAMED, DIR_NAMED_SESSION, "Session"},
    {DIR_NAMED_SESSION, DIR_NAMED, "#"},
    {DIR_SESSIONS, DIR_SESSION, "#"},
    {DIR_SESSION, DIR_NAMED, "BaseNamedObjects"},
};

/* ---- names ---- */

struct ob_name {
	struct list entry; /* on its bucket */
	struct object_header *object;
	u8 directory;
	bool permanent;
	u32 chars;
	u16 text[];
};

/* A name as it is looked for. */
struct key {
	u8 directory;
	bool fold; /* without case */
	const u16 *text;
	u32 chars;
};

#define BUCKETS 256u
static struct list buckets[BUCKETS];
static struct mutex name_lock;

/* Upper case of the Latin and Latin-1 letters. */
static u16 fold(u16 c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 0xe0 && c <= 0xfe && c != 0xf7))
		return c - 0x20;
	return c;
}

static struct list *bucket(u8 directory, const u16 *text, u32 chars)
{
	u32 hash = directory;

	for (u32 i = 0; i < chars; i++)
		hash = hash * 31 + fold(text[i]);
	return &buckets[hash % BUCKETS];
}

static bool same_name(const u16 *a, const u16 *b, u32 chars, bool without_case)
{
	for (u32 i = 0; i < chars; i++)
		if (a[i] != b[i] && !(without_case && fold(a[i]) == fold(b[i])))
			return false;
	return true;
}

/*
 * => name_lock. The object of that name and type (NULL: any), referenced, or NULL. *mismatch tells
 * that there is one of another type. One that is going is as good as gone.
 */
static struct object_header *find(const struct key *k, const struct object_type *type,
				  bool *mismatch)
{
	*mismatch = false;
	LIST_FOR_EACH(e, bucket(k->directory, k->text, k->chars))
	{
		struct ob_name *n = CONTAINER_OF(e, struct ob_name, entry);

		if (n->directory != k->directory || n->chars != k->chars ||
		    !same_name(n->text, k->text, k->chars, k->fold))
			continue;
		if (type && n->object->type != type)
			*mismatch = n->object->references > 0;
		else if (ObReferenceObjectSafe(n->object + 1))
			return n->object;
	}
	return NULL;
}

/* => name_lock */
static NTSTATUS add(const struct key *k, struct object_header *h, bool permanent)
{
	struct ob_name *n = ExAllocatePool(sizeof(*n) + k->chars * 2, TAG('O', 'b', 'N', 'm'));

	if (!n)
		return STATUS_INSUFFICIENT_RESOURCES;
	n->object = h;
	n->directory = k->directory;
	n->permanent = permanent;
	n->chars = k->chars;
	memcpy(n->text, k->text, k->chars * 2);
	list_push_back(bucket(k->directory, k->text, k->chars), &n->entry);
	h->name = n;
	return STATUS_SUCCESS;
}

/* => name_lock */
static void drop(struct object_header *h)
{
	list_remove(&h->name->entry);
	ExFreePool(h->name);
	h->name = NULL;
}

void ob_name_released(struct object_header *h)
{
	if (!h->name)
		return;
	mutex_lock(&name_lock);
	if (h->name && !h->name->permanent && !__atomic_load_n(&h->handles, __ATOMIC_ACQUIRE))
		drop(h);
	mutex_unlock(&name_lock);
}

void ob_name_forget(struct object_header *h)
{
	if (!h->name)
		return;
	mutex_lock(&name_lock);
	drop(h);
	mutex_unlock(&name_lock);
}

u32 ob_name_path(struct object_header *h, u16 *path, u32 room)
{
	u32 n = 0;

	mutex_lock(&name_lock);
	if (h->name) {
		const char *d = directories[h->name->directory].path;

		for (; *d; d++, n++)
			if (n < room)
				path[n] = (u8)*d;
		if (n < room)
			path[n] = '\\';
		n++;
		for (u32 i = 0; i < h->name->chars; i++, n++)
			if (n < room)
				path[n] = h->name->text[i];
	}
	mutex_unlock(&name_lock);
	return n;
}

/* ---- paths ---- */

static bool matches(const struct edge *e, const u16 *text, u32 chars, bool without_case)
{
	u32 i = 0;

	if (e->name[0] == '#') {
		for (; i < chars; i++)
			if (text[i] < '0' || text[i] > '9')
				return false;
		return chars && chars <= MAX_DIGITS;
	}
	for (; i < chars && e->name[i]; i++) {
		u16 c = (u8)e->name[i];

		if (text[i] != c && !(without_case && fold(text[i]) == fold(c)))
			return false;
	}
	return i == chars && !e->name[i];
}

/* The type of no object: for asking whether a name is anything at all. */
static const struct object_type not_a_type;

static u8 step(u8 from, const u16 *text, u32 chars, bool without_case)
{
	for (u32 i = 0; i < ARRAY_SIZE(edges); i++)
		if (edges[i].from == from && matches(&edges[i], text, chars, without_case))
			return edges[i].to;
	return DIR_NONE;
}

/* Finds the directory and the last part of a path. STATUS_OBJECT_TYPE_MISMATCH when the whole path
 * is that of a directory. => name_lock */
static NTSTATUS resolve(const u16 *path, u32 chars, bool without_case, struct key *k)
{
	u32 at = 1, end;

	*k = (struct key){.directory = DIR_ROOT, .fold = without_case};
	if (!chars || path[0] != '\\')
		return STATUS_OBJECT_PATH_SYNTAX_BAD;
	for (;; at = end + 1) {
		u8 next;

		for (end = at; end < chars && path[end] != '\\';)
			end++;
		k->text = path + at;
		k->chars = end - at;
		if (end == at)
			return chars == 1 ? STATUS_OBJECT_TYPE_MISMATCH
					  : STATUS_OBJECT_NAME_INVALID;
		next = step(k->directory, k->text, k->chars, without_case);
		if (end == chars)
			return next ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_SUCCESS;
		if (!next) {
			bool is_object;

			find(k, &not_a_type, &is_object);
			return is_object ? STATUS_OBJECT_TYPE_MISMATCH
					 : STATUS_OBJECT_PATH_NOT_FOUND;
		}
		k->directory = next;
	}
}

/* => nothing locked. Names are absolute: no directory has a handle to be relative to. */
static NTSTATUS check_root(const struct object_attributes *a)
{
	void *root;
	NTSTATUS s;

	if (!a->root)
		return STATUS_SUCCESS;
	s = ObReferenceObjectByHandle(a->root, 0, NULL, &root);
	if (!NT_SUCCESS(s))
		return s;
	ObDereferenceObject(root);
	return STATUS_OBJECT_TYPE_MISMATCH;
}

/* ---- inserting and opening ---- */

/* => name_lock; a has a name. *result is referenced when *existed. */
static NTSTATUS insert_locked(struct object_attributes *a, void *object, void **result,
			      bool *existed)
{
	struct object_header *h = ob_header(object), *other;
	struct key k;
	bool mismatch;
	NTSTATUS s = resolve(a->name, a->chars, a->attributes & OBJ_CASE_INSENSITIVE, &k);

	if (!NT_SUCCESS(s))
		return s;
	other = find(&k, h->type, &mismatch);
	if (other) {
		*result = other + 1;
		*existed = true;
		return STATUS_SUCCESS;
	}
	if (mismatch)
		return a->attributes & OBJ_OPENIF ? STATUS_OBJECT_TYPE_MISMATCH
						  : STATUS_OBJECT_NAME_COLLISION;
	if (!directories[k.directory].user_may_create)
		return STATUS_ACCESS_DENIED;
	return add(&k, h, a->attributes & OBJ_PERMANENT);
}

NTSTATUS ObInsertObject(struct object_attributes *a, void *object, ACCESS_MASK access,
			HANDLE *handle)
{
	const struct object_type *type = ObGetType(object);
	bool named = a->chars != 0, existed = false;
	NTSTATUS s = named ? check_root(a) : STATUS_SUCCESS;
	void *result = object;

	access = ObMapAccess(type, access);
	if (named)
		mutex_lock(&name_lock);
	if (named && NT_SUCCESS(s))
		s = insert_locked(a, object, &result, &existed);
	if (existed && !(a->attributes & OBJ_OPENIF))
		s = STATUS_OBJECT_NAME_COLLISION;
	if (NT_SUCCESS(s))
		s = ObCreateHandle(result, access, a->attributes, handle);
	if (named)
		mutex_unlock(&name_lock);
	if (existed)
		ObDereferenceObject(result);
	ObDereferenceObject(object);
	return NT_SUCCESS(s) && existed ? STATUS_OBJECT_NAME_EXISTS : s;
}

/* => name_lock */
static NTSTATUS lookup_locked(struct object_attributes *a, const struct object_type *type,
			      void **object)
{
	struct object_header *h;
	struct key k;
	bool mismatch;
	NTSTATUS s = resolve(a->name, a->chars, a->attributes & OBJ_CASE_INSENSITIVE, &k);

	if (!NT_SUCCESS(s))
		return s;
	h = find(&k, type, &mismatch);
	if (!h)
		return mismatch ? STATUS_OBJECT_TYPE_MISMATCH : STATUS_OBJECT_NAME_NOT_FOUND;
	*object = h + 1;
	return STATUS_SUCCESS;
}

static NTSTATUS check_name(struct object_attributes *a)
{
	return a->chars ? check_root(a) : STATUS_OBJECT_PATH_SYNTAX_BAD;
}

NTSTATUS ObOpenObjectByName(struct object_attributes *a, const struct object_type *type,
			    ACCESS_MASK access, HANDLE *handle)
{
	void *object = NULL;
	NTSTATUS s = check_name(a);

	if (!NT_SUCCESS(s))
		return s;
	mutex_lock(&name_lock);
	s = lookup_locked(a, type, &object);
	if (NT_SUCCESS(s))
		s = ob_check_access(type, access);
	if (NT_SUCCESS(s))
		s = ObCreateHandle(object, ObMapAccess(type, access), a->attributes, handle);
	mutex_unlock(&name_lock);
	if (object)
		ObDereferenceObject(object);
	return s;
}

NTSTATUS ObNameKernelObject(const char *path, void *object)
{
	u16 wide[64];
	u32 chars = 0;
	struct key k;
	NTSTATUS s;

	for (; path[chars]; chars++) {
		require(chars < ARRAY_SIZE(wide));
		wide[chars] = (u8)path[chars];
	}
	mutex_lock(&name_lock);
	s = resolve(wide, chars, false, &k);
	if (NT_SUCCESS(s))
		s = add(&k, ob_header(object), true);
	mutex_unlock(&name_lock);
	return s;
}

void ob_init_names(void)
{
	mutex_init(&name_lock);
	for (u32 i = 0; i < BUCKETS; i++)
		list_init(&buckets[i]);
}
