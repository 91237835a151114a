/*
 * Objects, handles and names on the host: the kernel below them (pool, mutexes, user copies,
 * processes) is played by the fakes at the top. "User memory" is the test's own; addresses below
 * 64 KB are bad. Every pool block must be free again at the end of a test.
 */
#include "guest/ob/obp.h"
#include "guest/ob/syscalls.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *ob_suite(void);

/* ---- the kernel below ---- */

static s64 pool_blocks, pool_countdown; /* countdown: fail the n-th allocation from now, 0 never */

void *ExAllocatePool(size_t bytes, u32 tag)
{
	(void)tag;
	if (pool_countdown && !--pool_countdown)
		return NULL;
	pool_blocks++;
	return calloc(1, bytes);
}

void ExFreePool(void *p)
{
	ck_assert_ptr_nonnull(p);
	pool_blocks--;
	free(p);
}

static u32 mutexes_held;

void mutex_init(struct mutex *m)
{
	m->state = 1;
}

void mutex_lock(struct mutex *m)
{
	ck_assert_msg(m->state == 1, "a mutex is taken twice");
	m->state = 0;
	mutexes_held++;
}

void mutex_unlock(struct mutex *m)
{
	ck_assert_int_eq(m->state, 0);
	m->state = 1;
	mutexes_held--;
}

static KIRQL irql;
static thread_fn *destroyer;

KIRQL KeGetCurrentIrql(void)
{
	return irql;
}

u64 KeQuerySystemTime(void)
{
	return 1234567;
}

static u32 events_set;

void KeInitializeEvent(KEVENT *e, enum dispatcher_type type, bool signalled)
{
	(void)e, (void)type, (void)signalled;
}

s32 KeSetEvent(KEVENT *e)
{
	(void)e;
	events_set++;
	return 0;
}

static _Thread_local void *escape[5]; /* out of the destroyer's endless loop */

NTSTATUS KeWaitForSingleObject(void *object, enum wait_mode mode, bool alertable,
			       const s64 *timeout)
{
	(void)object, (void)mode, (void)alertable, (void)timeout;
	if (!events_set)
		__builtin_longjmp(escape, 1);
	events_set--;
	return STATUS_SUCCESS;
}

struct KTHREAD *PsCreateSystemThread(thread_fn *fn, void *context, u8 priority, const char *name)
{
	(void)context, (void)priority, (void)name;
	destroyer = fn;
	return NULL;
}

void KeBugCheckEx(enum bugcheck_code code, u64 p1, u64 p2, u64 p3, u64 p4, const char *text)
{
	(void)p2, (void)p3, (void)p4;
	fprintf(stderr, "bug check %x, line %u: %s\n", code, (u32)p1, text);
	abort();
}

NTSTATUS copy_from_user(void *dst, const void *user_src, size_t n)
{
	if ((u64)user_src < 0x10000)
		return STATUS_ACCESS_VIOLATION;
	memcpy(dst, user_src, n);
	return STATUS_SUCCESS;
}

NTSTATUS copy_to_user(void *user_dst, const void *src, size_t n)
{
	if ((u64)user_dst < 0x10000)
		return STATUS_ACCESS_VIOLATION;
	memcpy(user_dst, src, n);
	return STATUS_SUCCESS;
}

/* ---- types of objects ---- */

static u32 destroyed, closed, last_left;

static void count_destroy(void *object)
{
	(void)object;
	ck_assert_uint_eq(mutexes_held, 0);
	destroyed++;
}

static void count_close(struct EPROCESS *p, void *object, u32 left)
{
	ck_assert_ptr_nonnull(p);
	ck_assert_ptr_nonnull(object);
	ck_assert_uint_eq(mutexes_held, 0);
	closed++;
	last_left = left;
}

#define TYPE(title)                                                                            \
	{                                                                                      \
		.name = title, .dispatcher_offset = NOT_WAITABLE, .generic_read = 0x20001,     \
		.generic_write = 0x20002, .generic_execute = 0x120000, .all_access = 0x1f0003, \
		.close = count_close, .destroy = count_destroy                                 \
	}
static const struct object_type apple = TYPE("Apple"), pear = TYPE("Pear");
const struct object_type IoFileType = TYPE("File");
const struct object_type PsProcessType = {.name = "Process", .all_access = 0x1fffff};
static const struct object_type thread_type = {.name = "Thread", .all_access = 0x1fffff};

static NTSTATUS tell_name(void *object, u16 *name, u32 *chars)
{
	(void)object;
	for (u32 i = 0; i < 3 && i < *chars; i++)
		name[i] = (u16)('x' + i);
	*chars = 3;
	return STATUS_SUCCESS;
}
static const struct object_type named_by_itself = {
    .name = "Own", .query_name = tell_name, .all_access = 1};

/* ---- processes ---- */

struct EPROCESS {
	struct handle_table *table;
};
static struct EPROCESS *here, *there, *thread;

struct handle_table *PsHandleTable(struct EPROCESS *p)
{
	return p->table;
}
struct EPROCESS *ob_current_process(void)
{
	return here;
}
void ob_invalid_handle(void)
{
}
struct KTHREAD *ob_current_thread(void)
{
	return (struct KTHREAD *)thread;
}

static struct EPROCESS *new_process(void)
{
	struct EPROCESS *p = ObCreateObject(&PsProcessType, sizeof(*p));

	p->table = ObCreateHandleTable();
	return p;
}

static void setup(void)
{
	pool_countdown = 0;
	destroyed = closed = 0;
	ObInitSystem();
	here = new_process();
	there = new_process();
	thread = ObCreateObject(&thread_type, sizeof(*thread));
}

static void end_process(struct EPROCESS *p)
{
	ObDestroyHandleTable(p);
	ck_assert_uint_eq(ObHandleCount(p), 0);
	ObFreeHandleTable(p->table);
	ObDereferenceObject(p);
}

static void teardown(void)
{
	end_process(there);
	end_process(here);
	ObDereferenceObject(thread);
	ck_assert_int_eq(pool_blocks, 0);
	ck_assert_uint_eq(mutexes_held, 0);
}

/* A handle whose object has no other reference. */
static HANDLE make(const struct object_type *type, ACCESS_MASK access, u32 attributes)
{
	void *o = ObCreateObject(type, 8);
	HANDLE h = 0;

	ck_assert_int_eq(ObCreateHandle(o, access, attributes, &h), STATUS_SUCCESS);
	ObDereferenceObject(o);
	return h;
}

static NTSTATUS look(HANDLE h, ACCESS_MASK access, const struct object_type *type)
{
	void *o = NULL;
	NTSTATUS s = ObReferenceObjectByHandle(h, access, type, &o);

	if (NT_SUCCESS(s))
		ObDereferenceObject(o);
	else
		ck_assert_ptr_null(o);
	return s;
}

/* ---- handles ---- */

START_TEST(handle_values)
{
	ck_assert_uint_eq(make(&apple, 1, 0), 4);
	ck_assert_uint_eq(make(&apple, 1, 0), 8);
	ck_assert_uint_eq(make(&pear, 3, 0), 12);
	ck_assert_int_eq(look(4, 1, &apple), STATUS_SUCCESS);
	ck_assert_int_eq(look(7, 1, &apple), STATUS_SUCCESS); /* low bits are the program's */
	ck_assert_int_eq(look(4, 0, NULL), STATUS_SUCCESS);
	ck_assert_int_eq(look(4, 2, &apple), STATUS_ACCESS_DENIED);
	ck_assert_int_eq(look(4, 2, &pear), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_int_eq(look(12, 3, &pear), STATUS_SUCCESS);
	ck_assert_int_eq(look(0, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look(3, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look(16, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look(0x100000, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look(0x400000004, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look((HANDLE)-3, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(NtClose(8), STATUS_SUCCESS);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_int_eq(NtClose(8), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(look(8, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_uint_eq(make(&apple, 1, 0), 8); /* used again */
	ck_assert_uint_eq(ObHandleCount(here), 3);
	ck_assert_int_eq(NtClose(0), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(pseudo_handles)
{
	void *o;
	ACCESS_MASK access;

	ck_assert_int_eq(ObReferenceObjectByHandle((HANDLE)-1, 0x1fffff, &PsProcessType, &o), 0);
	ck_assert_ptr_eq(o, here);
	ObDereferenceObject(o);
	ck_assert_int_eq(ObReferenceObjectByHandle((HANDLE)-2, 0, NULL, &o), 0);
	ck_assert_ptr_eq(o, thread);
	ObDereferenceObject(o);
	ck_assert_int_eq(look((HANDLE)-1, 0, &apple), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_int_eq(ObQueryHandleAccess((HANDLE)-1, &access), STATUS_SUCCESS);
	ck_assert_uint_eq(access, 0x1fffff);
	ck_assert_int_eq(NtClose((HANDLE)-1), STATUS_SUCCESS);
	ck_assert_int_eq(NtClose((HANDLE)-6), STATUS_SUCCESS);
	ck_assert_int_eq(NtClose((HANDLE)-7), STATUS_INVALID_HANDLE);
}
END_TEST

START_TEST(many_handles)
{
	void *o = ObCreateObject(&apple, 8);
	HANDLE h;

	for (u32 i = 1; i <= 5000; i++) {
		ck_assert_int_eq(ObCreateHandle(o, i, 0, &h), STATUS_SUCCESS);
		ck_assert_uint_eq(h, i * 4);
	}
	for (u32 i = 1; i <= 5000; i++) {
		ACCESS_MASK access;

		ck_assert_int_eq(ObQueryHandleAccess(i * 4, &access), STATUS_SUCCESS);
		ck_assert_uint_eq(access, i);
	}
	ObDereferenceObject(o);
	ck_assert_uint_eq(destroyed, 0);
	ObDestroyHandleTable(here);
	ck_assert_uint_eq(destroyed, 1);
	ck_assert_uint_eq(closed, 5000);
	ck_assert_uint_eq(last_left, 0);
	o = ObCreateObject(&apple, 8);
	ck_assert_int_eq(ObCreateHandle(o, 1, 0, &h), STATUS_PROCESS_IS_TERMINATING);
	ck_assert_int_eq(look(4, 0, NULL), STATUS_INVALID_HANDLE);
	ObDereferenceObject(o);
}
END_TEST

START_TEST(flags)
{
	HANDLE h = make(&apple, 1, OBJ_INHERIT);
	u8 f[2] = {9, 9};
	u32 n;

	ck_assert_int_eq(NtQueryObject(h, 4, f, 2, &n), STATUS_SUCCESS);
	ck_assert_uint_eq(f[0], 1);
	ck_assert_uint_eq(f[1], 0);
	ck_assert_uint_eq(n, 2);
	f[0] = 0;
	f[1] = 1;
	ck_assert_int_eq(NtSetInformationObject(h, 4, f, 2), STATUS_SUCCESS);
	ck_assert_int_eq(NtClose(h), STATUS_HANDLE_NOT_CLOSABLE);
	ck_assert_int_eq(look(h, 1, &apple), STATUS_SUCCESS);
	ck_assert_int_eq(NtSetInformationObject(h, 4, f, 1), STATUS_INFO_LENGTH_MISMATCH);
	ck_assert_int_eq(NtSetInformationObject(h, 3, f, 2), STATUS_INVALID_INFO_CLASS);
	ck_assert_int_eq(NtSetInformationObject(h, 4, (void *)8, 2), STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(NtSetInformationObject(400, 4, f, 2), STATUS_INVALID_HANDLE);
	f[1] = 0;
	ck_assert_int_eq(NtSetInformationObject(h, 4, f, 2), STATUS_SUCCESS);
	ck_assert_int_eq(NtClose(h), STATUS_SUCCESS);
	h = make(&apple, 1, OBJ_PROTECT_CLOSE); /* the process's end closes it anyway */
	ObDestroyHandleTable(here);
	ck_assert_uint_eq(destroyed, 2);
}
END_TEST

START_TEST(inheritance)
{
	HANDLE list[2];
	struct EPROCESS *other;

	for (u32 i = 1; i <= 600; i++)
		make(i % 2 ? &apple : &pear, i, i % 3 ? 0 : OBJ_INHERIT);
	ck_assert_int_eq(ObInheritHandles(here, there), STATUS_SUCCESS);
	ck_assert_uint_eq(ObHandleCount(there), 200);
	for (u32 i = 1; i <= 600; i++) {
		void *mine, *copy;
		NTSTATUS s = ObReferenceObjectByHandleIn(there, i * 4, i, NULL, &copy);

		ck_assert_int_eq(s, i % 3 ? STATUS_INVALID_HANDLE : STATUS_SUCCESS);
		if (!NT_SUCCESS(s))
			continue;
		ObReferenceObjectByHandle(i * 4, 0, NULL, &mine);
		ck_assert_ptr_eq(mine, copy);
		ck_assert_int_eq(ob_header(mine)->handles, 2);
		ObDereferenceObject(mine);
		ObDereferenceObject(copy);
	}
	ck_assert_int_eq(ObCloseHandleIn(there, 12), STATUS_SUCCESS);
	other = here;
	here = there;
	ck_assert_uint_eq(make(&apple, 1, 0), 12); /* the last freed; then the lowest free ones */
	ck_assert_uint_eq(make(&apple, 1, 0), 4);
	ck_assert_uint_eq(make(&apple, 1, 0), 8);
	ck_assert_uint_eq(make(&apple, 1, 0), 16);
	here = other;

	other = new_process();
	list[0] = 1800;
	list[1] = 300;
	ck_assert_int_eq(ObInheritHandleList(here, other, list, 2), STATUS_SUCCESS);
	ck_assert_uint_eq(ObHandleCount(other), 2);
	ck_assert_int_eq(ObInheritHandleList(here, other, list, 2), STATUS_SUCCESS);
	ck_assert_uint_eq(ObHandleCount(other), 2);
	list[0] = 4;
	ck_assert_int_eq(ObInheritHandleList(here, other, list, 1), STATUS_INVALID_PARAMETER);
	list[0] = 40000;
	ck_assert_int_eq(ObInheritHandleList(here, other, list, 1), STATUS_INVALID_HANDLE);
	end_process(other);
}
END_TEST

/* ---- duplicating ---- */

START_TEST(duplicates)
{
	const HANDLE self = (HANDLE)-1;
	HANDLE h = make(&apple, 1, 0), d = 0, file = make(&IoFileType, 1, OBJ_INHERIT), other;
	ACCESS_MASK access;
	void *o;

	ck_assert_int_eq(NtDuplicateObject(self, h, self, &d, 0, 0, 2), STATUS_SUCCESS);
	ObQueryHandleAccess(d, &access);
	ck_assert_uint_eq(access, 1);
	ck_assert_int_eq(NtDuplicateObject(self, h, self, &d, 2, 0, 0), STATUS_SUCCESS);
	ObQueryHandleAccess(d, &access);
	ck_assert_uint_eq(access, 2);
	ck_assert_int_eq(NtDuplicateObject(self, h, self, &d, GENERIC_ALL, 0, 0), STATUS_SUCCESS);
	ObQueryHandleAccess(d, &access);
	ck_assert_uint_eq(access, 0x1f0003);
	/* a file's rights cannot grow */
	ck_assert_int_eq(NtDuplicateObject(self, file, self, &d, 3, 0, 0), STATUS_ACCESS_DENIED);
	ck_assert_int_eq(NtDuplicateObject(self, file, self, &d, 1, 0, 0), STATUS_SUCCESS);
	ck_assert_int_eq(NtDuplicateObject(self, file, self, &d, MAXIMUM_ALLOWED, 0, 0), 0);
	ObQueryHandleAccess(d, &access);
	ck_assert_uint_eq(access, 1);
	/* pseudo handles become real ones */
	ck_assert_int_eq(NtDuplicateObject(self, self, self, &d, 0, 0, 2), STATUS_SUCCESS);
	ck_assert_int_eq(ObReferenceObjectByHandle(d, 0, &PsProcessType, &o), STATUS_SUCCESS);
	ck_assert_ptr_eq(o, here);
	ObDereferenceObject(o);
	ck_assert_int_eq(NtClose(d), STATUS_SUCCESS);
	/* into another process and back, with the inherit flag kept */
	ck_assert_int_eq(ObCreateHandle(there, 0x40, 0, &other), STATUS_SUCCESS);
	ck_assert_int_eq(NtDuplicateObject(self, file, other, &d, 0, 0, 6), STATUS_SUCCESS);
	ck_assert_int_eq(ObReferenceObjectByHandleIn(there, d, 1, &IoFileType, &o), STATUS_SUCCESS);
	ObDereferenceObject(o);
	ck_assert_int_eq(NtDuplicateObject(other, d, self, &d, 0, 0, 7), STATUS_SUCCESS);
	ck_assert_uint_eq(ObHandleCount(there), 0);
	{
		u8 f[2];

		ck_assert_int_eq(NtQueryObject(d, 4, f, 2, NULL), STATUS_SUCCESS);
		ck_assert_uint_eq(f[0], 1);
	}
	/* refusals */
	ck_assert_int_eq(NtDuplicateObject(self, 4000, self, &d, 0, 0, 2), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(NtDuplicateObject(4000, h, self, &d, 0, 0, 2), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(NtDuplicateObject(h, h, self, &d, 0, 0, 2), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_int_eq(NtDuplicateObject(self, h, h, &d, 0, 0, 2), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_int_eq(NtDuplicateObject(self, h, self, (HANDLE *)8, 0, 0, 3),
			 STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(look(h, 1, &apple), STATUS_SUCCESS); /* still there */
	ck_assert_int_eq(NtDuplicateObject(self, h, 0, NULL, 0, 0, 2), STATUS_INVALID_PARAMETER);
	/* only closing */
	ck_assert_int_eq(NtDuplicateObject(self, h, 0, NULL, 0, 0, 1), STATUS_SUCCESS);
	ck_assert_int_eq(look(h, 1, &apple), STATUS_INVALID_HANDLE);
	ck_assert_int_eq(NtClose(other), STATUS_SUCCESS);
	ck_assert_int_eq(ObCreateHandle(there, 0x1000, 0, &other), STATUS_SUCCESS);
	ck_assert_int_eq(NtDuplicateObject(other, 4, self, &d, 0, 0, 2), STATUS_ACCESS_DENIED);
}
END_TEST

/* ---- names ---- */

struct user_string {
	u16 bytes, max;
	u32 pad;
	const u16 *text;
};
struct user_attributes {
	u32 length, pad;
	HANDLE root;
	struct user_string *name;
	u32 attributes, pad2;
	u64 security[2];
};

/* As user mode gives them; static, so one at a time. */
static struct user_attributes *attributes_of(const char *name, u32 attributes)
{
	static struct user_attributes a;
	static struct user_string s;
	static u16 text[128];
	u32 n = 0;

	for (; name && name[n]; n++)
		text[n] = (u8)name[n];
	s = (struct user_string){(u16)(2 * n), (u16)(2 * n), 0, text};
	a = (struct user_attributes){
	    .length = 0x30, .name = name ? &s : NULL, .attributes = attributes};
	return &a;
}

static NTSTATUS create_named(const struct object_type *type, const char *name, u32 attributes,
			     HANDLE *h)
{
	struct object_attributes a;
	NTSTATUS s = ObCaptureAttributes(attributes_of(name, attributes), &a);
	void *o;

	*h = 0;
	ck_assert_int_eq(s, STATUS_SUCCESS);
	o = ObCreateObject(type, 8);
	s = ObInsertObject(&a, o, GENERIC_ALL, h);
	ObReleaseAttributes(&a);
	return s;
}

static NTSTATUS open_named(const struct object_type *type, const char *name, u32 attributes,
			   HANDLE *h)
{
	struct object_attributes a;
	NTSTATUS s = ObCaptureAttributes(attributes_of(name, attributes), &a);

	*h = 0;
	ck_assert_int_eq(s, STATUS_SUCCESS);
	s = ObOpenObjectByName(&a, type, GENERIC_READ, h);
	ObReleaseAttributes(&a);
	return s;
}

START_TEST(names)
{
	static const char name[] = "\\BaseNamedObjects\\Golden";
	HANDLE h, i, j;
	void *o;

	ck_assert_int_eq(create_named(&apple, name, 0, &h), STATUS_SUCCESS);
	ck_assert_int_eq(create_named(&apple, name, 0, &i), STATUS_OBJECT_NAME_COLLISION);
	ck_assert_int_eq(create_named(&apple, name, OBJ_OPENIF, &i), STATUS_OBJECT_NAME_EXISTS);
	ck_assert_int_eq(create_named(&pear, name, OBJ_OPENIF, &j), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_uint_eq(destroyed, 3);
	ck_assert_int_eq(open_named(&apple, name, 0, &j), STATUS_SUCCESS);
	ck_assert_int_eq(look(j, 0x20001, &apple), STATUS_SUCCESS);
	ck_assert_int_eq(look(j, 2, &apple), STATUS_ACCESS_DENIED);
	ObReferenceObjectByHandle(h, 0, NULL, &o);
	ck_assert_int_eq(ob_header(o)->handles, 3);
	ck_assert_int_eq(open_named(&pear, name, 0, &j), STATUS_OBJECT_TYPE_MISMATCH);
	ck_assert_int_eq(open_named(&apple, "\\BaseNamedObjects\\golden", 0, &j),
			 STATUS_OBJECT_NAME_NOT_FOUND);
	ck_assert_int_eq(open_named(&apple, "\\basenamedobjects\\golden", OBJ_CASE_INSENSITIVE, &j),
			 STATUS_SUCCESS);
	/* the name goes with the last handle, though the object is still referenced */
	ObDestroyHandleTable(here);
	ck_assert_ptr_null(ob_header(o)->name);
	ck_assert_uint_eq(destroyed, 3);
	ObDereferenceObject(o);
	ck_assert_uint_eq(destroyed, 4);
	ObFreeHandleTable(here->table);
	here->table = ObCreateHandleTable();
	ck_assert_int_eq(open_named(&apple, name, 0, &j), STATUS_OBJECT_NAME_NOT_FOUND);
	ck_assert_int_eq(create_named(&pear, name, 0, &j), STATUS_SUCCESS);
}
END_TEST

static const struct {
	const char *path;
	NTSTATUS create, open;
} paths[] = {
    {"\\BaseNamedObjects\\x", 0, 0},
    {"\\BaseNamedObjects\\Local\\x", 0, 0},
    {"\\BaseNamedObjects\\Global\\x", 0, 0},
    {"\\BaseNamedObjects\\Global\\Local\\x", 0, 0},
    {"\\BaseNamedObjects\\Session\\1\\x", 0, 0},
    {"\\Sessions\\12\\BaseNamedObjects\\x", 0, 0},
    {"\\y", 0, STATUS_OBJECT_NAME_NOT_FOUND},
    {"", 0, STATUS_OBJECT_PATH_SYNTAX_BAD},
    {"x", STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_SYNTAX_BAD},
    {"BaseNamedObjects\\x", STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_SYNTAX_BAD},
    {"/BaseNamedObjects/x", STATUS_OBJECT_PATH_SYNTAX_BAD, STATUS_OBJECT_PATH_SYNTAX_BAD},
    {"\\", STATUS_OBJECT_TYPE_MISMATCH, STATUS_OBJECT_TYPE_MISMATCH},
    {"\\BaseNamedObjects", STATUS_OBJECT_TYPE_MISMATCH, STATUS_OBJECT_TYPE_MISMATCH},
    {"\\BaseNamedObjects\\", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
    {"\\\\BaseNamedObjects\\x", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
    {"\\BaseNamedObjects\\\\x", STATUS_OBJECT_NAME_INVALID, STATUS_OBJECT_NAME_INVALID},
    {"\\BaseNamedObjects\\x\\", STATUS_OBJECT_TYPE_MISMATCH, STATUS_OBJECT_TYPE_MISMATCH},
    {"\\BaseNamedObjects\\x\\y", STATUS_OBJECT_TYPE_MISMATCH, STATUS_OBJECT_TYPE_MISMATCH},
    {"\\BaseNamedObjects\\z\\y", STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND},
    {"\\KnownDlls\\x", STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND},
    {"\\NoSuchFolder\\x", STATUS_OBJECT_PATH_NOT_FOUND, STATUS_OBJECT_PATH_NOT_FOUND},
    {"\\BaseNamedObjects\\Session\\1", STATUS_OBJECT_TYPE_MISMATCH, STATUS_OBJECT_TYPE_MISMATCH},
    {"\\BaseNamedObjects\\Session\\q\\x", STATUS_OBJECT_PATH_NOT_FOUND,
     STATUS_OBJECT_PATH_NOT_FOUND},
    {"\\KernelObjects\\x", STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND},
    {"\\Device\\x", STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND},
    {"\\??\\x", STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND},
    {"\\DosDevices\\x", STATUS_ACCESS_DENIED, STATUS_OBJECT_NAME_NOT_FOUND},
};

START_TEST(path_rules)
{
	NTSTATUS s, want = paths[_i].create;
	HANDLE x, h;

	ck_assert_int_eq(create_named(&apple, "\\BaseNamedObjects\\x", 0, &x), STATUS_SUCCESS);
	s = open_named(&apple, paths[_i].path, 0, &h);
	ck_assert_msg(s == paths[_i].open, "open %s: %08x", paths[_i].path, (u32)s);
	s = create_named(&apple, paths[_i].path, OBJ_OPENIF, &h);
	if (!want && !paths[_i].open)
		want = STATUS_OBJECT_NAME_EXISTS;
	ck_assert_msg(s == want, "create %s: %08x", paths[_i].path, (u32)s);
}
END_TEST

START_TEST(permanent_names)
{
	void *o = ObCreateObject(&apple, 8);
	HANDLE h;

	ck_assert_int_eq(ObNameKernelObject("\\KernelObjects\\Low", o), STATUS_SUCCESS);
	ck_assert_int_eq(open_named(&apple, "\\KernelObjects\\Low", 0, &h), STATUS_SUCCESS);
	ck_assert_int_eq(NtClose(h), STATUS_SUCCESS);
	ck_assert_int_eq(open_named(&apple, "\\KernelObjects\\Low", 0, &h), STATUS_SUCCESS);
	ck_assert_int_eq(create_named(&apple, "\\KernelObjects\\Low", OBJ_OPENIF, &h),
			 STATUS_OBJECT_NAME_EXISTS);
	ObDestroyHandleTable(here);
	ObDereferenceObject(o); /* the name goes at the latest with the object */
	ck_assert_uint_eq(destroyed, 2);
}
END_TEST

START_TEST(capturing)
{
	struct object_attributes a;
	struct user_attributes *u;
	HANDLE h;

	ck_assert_int_eq(ObCaptureAttributes(NULL, &a), STATUS_SUCCESS);
	ck_assert_uint_eq(a.chars, 0);
	ck_assert_int_eq(ObCaptureAttributes((void *)0x100, &a), STATUS_ACCESS_VIOLATION);
	u = attributes_of("\\x", OBJ_INHERIT);
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_SUCCESS);
	ck_assert_uint_eq(a.chars, 2);
	ck_assert_uint_eq(a.name[1], 'x');
	ck_assert_uint_eq(a.name[2], 0);
	ck_assert_uint_eq(a.attributes, OBJ_INHERIT);
	ObReleaseAttributes(&a);
	u->length = 0x31;
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_INVALID_PARAMETER);
	u = attributes_of("\\x", 0x80000000);
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_INVALID_PARAMETER);
	u = attributes_of("\\x", 0);
	u->name->bytes = 3;
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_OBJECT_NAME_INVALID);
	u = attributes_of("\\x", 0);
	u->name->text = (void *)16;
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_ACCESS_VIOLATION);
	ck_assert_ptr_null(a.name);
	u = attributes_of("\\x", 0);
	u->name = (void *)16;
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_ACCESS_VIOLATION);
	/* no directory has handles, so a root is wrong one way or the other */
	h = make(&apple, 1, 0);
	u = attributes_of("x", 0);
	u->root = h;
	ck_assert_int_eq(ObCaptureAttributes(u, &a), STATUS_SUCCESS);
	ck_assert_int_eq(ObOpenObjectByName(&a, &apple, 1, &h), STATUS_OBJECT_TYPE_MISMATCH);
	a.root = 4000;
	ck_assert_int_eq(ObOpenObjectByName(&a, &apple, 1, &h), STATUS_INVALID_HANDLE);
	ObReleaseAttributes(&a);
}
END_TEST

/* ---- queries ---- */

START_TEST(queries)
{
	u32 basic[14], n = 0;
	u64 buffer[40];
	struct user_string *s = (struct user_string *)buffer;
	HANDLE h, own = make(&named_by_itself, 1, 0);
	char text[64] = {0};

	create_named(&apple, "\\BaseNamedObjects\\Local\\Seen", OBJ_INHERIT, &h);
	ck_assert_int_eq(NtQueryObject(h, 0, basic, 56, &n), STATUS_SUCCESS);
	ck_assert_uint_eq(n, 56);
	ck_assert_uint_eq(basic[0], OBJ_INHERIT);
	ck_assert_uint_eq(basic[1], 0x1f0003);
	ck_assert_uint_eq(basic[2], 1);
	ck_assert_uint_eq(basic[3], 1);
	ck_assert_int_eq(NtQueryObject(h, 0, basic, 52, &n), STATUS_INFO_LENGTH_MISMATCH);
	ck_assert_int_eq(NtQueryObject(h, 0, (void *)8, 56, &n), STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(NtQueryObject(h, 9, basic, 56, &n), STATUS_INVALID_INFO_CLASS);
	ck_assert_int_eq(NtQueryObject(9000, 0, basic, 56, &n), STATUS_INVALID_HANDLE);

	ck_assert_int_eq(NtQueryObject(h, 1, buffer, sizeof(buffer), &n), STATUS_SUCCESS);
	for (u32 i = 0; i < s->bytes / 2u; i++)
		text[i] = (char)s->text[i];
	ck_assert_str_eq(text, "\\BaseNamedObjects\\Seen");
	ck_assert_ptr_eq(s->text, buffer + 2);
	ck_assert_uint_eq(s->text[s->bytes / 2], 0);
	ck_assert_uint_eq(n, 16u + s->bytes + 2);
	ck_assert_int_eq(NtQueryObject(h, 1, buffer, n - 1, &n), STATUS_BUFFER_OVERFLOW);
	ck_assert_int_eq(NtQueryObject(h, 1, buffer, 15, &n), STATUS_INFO_LENGTH_MISMATCH);
	ck_assert_int_eq(NtQueryObject(own, 1, buffer, sizeof(buffer), &n), STATUS_SUCCESS);
	ck_assert_uint_eq(s->bytes, 6);
	ck_assert_uint_eq(s->text[2], 'z');
	h = make(&apple, 1, 0);
	ck_assert_int_eq(NtQueryObject(h, 1, buffer, sizeof(buffer), &n), STATUS_SUCCESS);
	ck_assert_uint_eq(s->bytes, 0);
	ck_assert_ptr_null(s->text);

	ck_assert_int_eq(NtQueryObject(h, 2, buffer, sizeof(buffer), &n), STATUS_SUCCESS);
	ck_assert_uint_eq(s->bytes, 10);
	ck_assert_uint_eq(s->text[0], 'A');
	ck_assert_uint_eq(n, 104 + 12);
	ck_assert_int_eq(NtQueryObject(h, 2, buffer, 115, &n), STATUS_INFO_LENGTH_MISMATCH);
}
END_TEST

/* ---- returning handles, and objects released where waiting is not allowed ---- */

START_TEST(returning)
{
	HANDLE slot = 77, h = make(&apple, 1, 0);

	ck_assert_int_eq(ObProbeHandle(&slot), STATUS_SUCCESS);
	ck_assert_uint_eq(slot, 77);
	ck_assert_int_eq(ObProbeHandle(NULL), STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(ObReturnHandle(&slot, h, STATUS_OBJECT_NAME_EXISTS),
			 STATUS_OBJECT_NAME_EXISTS);
	ck_assert_uint_eq(slot, h);
	ck_assert_int_eq(ObReturnHandle(&slot, 1, STATUS_NO_MEMORY), STATUS_NO_MEMORY);
	ck_assert_uint_eq(slot, h);
	ck_assert_int_eq(ObReturnHandle(NULL, h, STATUS_SUCCESS), STATUS_ACCESS_VIOLATION);
	ck_assert_int_eq(look(h, 0, NULL), STATUS_INVALID_HANDLE);
	ck_assert_uint_eq(destroyed, 1);
}
END_TEST

START_TEST(released_at_dispatch)
{
	void *a = ObCreateObject(&apple, 8), *b = ObCreateObject(&apple, 8);

	irql = DISPATCH_LEVEL;
	ObDereferenceObject(a);
	ObDereferenceObject(b);
	irql = PASSIVE_LEVEL;
	ck_assert_uint_eq(destroyed, 0);
	ck_assert(!ObReferenceObjectSafe(a));
	if (!__builtin_setjmp(escape))
		destroyer(NULL);
	ck_assert_uint_eq(destroyed, 2);
	a = ObCreateObject(&apple, 8);
	ck_assert(ObReferenceObjectSafe(a));
	ObDereferenceObject(a);
	ObDereferenceObject(a);
	ck_assert_uint_eq(destroyed, 3);
}
END_TEST

/* ---- everything at random, memory running out now and then ---- */

static u64 seed;
static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % below;
}

START_TEST(random_calls)
{
	static const char *const some[] = {"\\BaseNamedObjects\\a", "\\BaseNamedObjects\\b",
					   "\\BaseNamedObjects\\Local\\a", "\\c", NULL};
	HANDLE other;

	seed = (u64)_i + 3;
	ck_assert_int_eq(ObCreateHandle(there, 0x1fffff, OBJ_PROTECT_CLOSE, &other), 0);
	for (u32 step = 0; step < 20000; step++) {
		HANDLE h = 4 * (HANDLE)rnd(600), d;
		const char *name = some[rnd(ARRAY_SIZE(some))];
		const struct object_type *type = rnd(2) ? &apple : &pear;

		switch (rnd(9)) {
		case 0:
		case 1:
			if (rnd(2))
				create_named(type, name, rnd(2) ? OBJ_OPENIF : OBJ_INHERIT, &d);
			else
				open_named(type, name, 0, &d);
			break;
		case 2:
		case 3:
			if (h != other)
				NtClose(h);
			break;
		case 4:
			look(h, rnd(4), rnd(2) ? type : NULL);
			break;
		case 5:
			NtDuplicateObject((HANDLE)-1, h == other ? 4000 : h, other, &d, 0, 0, 2);
			break;
		case 6:
			NtDuplicateObject(other, h, (HANDLE)-1, &d, 0, 0, 2 | rnd(2));
			break;
		case 7:
			ObCloseHandleIn(there, h);
			break;
		case 8: {
			struct object_attributes a;

			/* the n-th allocation from here fails */
			pool_countdown = 1 + rnd(5);
			if (NT_SUCCESS(ObCaptureAttributes(attributes_of(name, 0), &a))) {
				void *o = ObCreateObject(type, 8);

				if (o)
					ObInsertObject(&a, o, 1, &d);
				ObReleaseAttributes(&a);
			}
			pool_countdown = 0;
			break;
		}
		}
		ck_assert_uint_eq(mutexes_held, 0);
	}
	ck_assert_uint_gt(destroyed, 100);
}
END_TEST

Suite *ob_suite(void)
{
	Suite *s = suite_create("ob");
	TCase *t = tcase_create("ob");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, handle_values);
	tcase_add_test(t, pseudo_handles);
	tcase_add_test(t, many_handles);
	tcase_add_test(t, flags);
	tcase_add_test(t, inheritance);
	tcase_add_test(t, duplicates);
	tcase_add_test(t, names);
	tcase_add_loop_test(t, path_rules, 0, (int)ARRAY_SIZE(paths));
	tcase_add_test(t, permanent_names);
	tcase_add_test(t, capturing);
	tcase_add_test(t, queries);
	tcase_add_test(t, returning);
	tcase_add_test(t, released_at_dispatch);
	tcase_add_loop_test(t, random_calls, 0, 3);
	suite_add_tcase(s, t);
	return s;
}
