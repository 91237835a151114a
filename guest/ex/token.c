/*
 * token.c: token objects and what they tell. See token.h.
 *
 * Who everybody is: one local user in the administrators group, elevated, at high integrity, in
 * session 1. Each information class has a row in `classes`.
 */
#include "guest/ex/token.h"

#define PROCESS_QUERY_INFORMATION	  0x0400u
#define PROCESS_QUERY_LIMITED_INFORMATION 0x1000u
#define THREAD_QUERY_LIMITED_INFORMATION  0x0800u

/* ---- objects ---- */

static void destroy_token(void *object)
{
	ObDereferenceObject(((struct token *)object)->process);
}

const struct object_type SeTokenType = {
    .name = "Token",
    .dispatcher_offset = NOT_WAITABLE,
    .generic_read = 0x20008,  /* READ_CONTROL, QUERY */
    .generic_write = 0x200e0, /* READ_CONTROL, ADJUST_* */
    .generic_execute = 0x20000,
    .all_access = TOKEN_ALL_ACCESS,
    .destroy = destroy_token,
};

static struct token *new_token(EPROCESS *p)
{
	struct token *t = ObCreateObject(&SeTokenType, sizeof(*t));

	if (t) {
		t->process = p;
		ObReferenceObject(p);
	}
	return t;
}

#define CURRENT_PROCESS_TOKEN	((HANDLE)-4)
#define CURRENT_THREAD_TOKEN	((HANDLE)-5)
#define CURRENT_EFFECTIVE_TOKEN ((HANDLE)-6)

NTSTATUS se_reference_token(HANDLE h, ACCESS_MASK access, struct token **t)
{
	void *object;
	NTSTATUS s;

	if (h == CURRENT_THREAD_TOKEN)
		return STATUS_NO_TOKEN;
	if (h == CURRENT_PROCESS_TOKEN || h == CURRENT_EFFECTIVE_TOKEN) {
		if (access & ~(TOKEN_QUERY | TOKEN_QUERY_SOURCE))
			return STATUS_ACCESS_DENIED;
		*t = new_token(PsGetCurrentProcess());
		return *t ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
	}
	s = ObReferenceObjectByHandle(h, access, &SeTokenType, &object);
	*t = object;
	return s;
}

NTSYSCALL NTSTATUS NtOpenProcessTokenEx(HANDLE process, ACCESS_MASK access, u32 attributes,
					HANDLE *token)
{
	struct object_attributes a = {.attributes = attributes & OBJ_INHERIT};
	HANDLE h = 0;
	void *p;
	struct token *t;
	NTSTATUS s = ObProbeHandle(token);

	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(process, PROCESS_QUERY_LIMITED_INFORMATION,
					      &PsProcessType, &p);
	if (s == STATUS_ACCESS_DENIED)
		s = ObReferenceObjectByHandle(process, PROCESS_QUERY_INFORMATION, &PsProcessType,
					      &p);
	if (!NT_SUCCESS(s))
		return s;
	t = new_token(p);
	ObDereferenceObject(p);
	s = t ? ObInsertObject(&a, t, access, &h) : STATUS_INSUFFICIENT_RESOURCES;
	return ObReturnHandle(token, h, s);
}

NTSYSCALL NTSTATUS NtOpenProcessToken(HANDLE process, ACCESS_MASK access, HANDLE *token)
{
	return NtOpenProcessTokenEx(process, access, 0, token);
}

NTSYSCALL NTSTATUS NtOpenThreadToken(HANDLE thread, ACCESS_MASK access, u8 as_self, HANDLE *token)
{
	void *t;
	NTSTATUS s = ObProbeHandle(token);

	(void)access, (void)as_self;
	if (NT_SUCCESS(s))
		s = ObReferenceObjectByHandle(thread, THREAD_QUERY_LIMITED_INFORMATION,
					      &PsThreadType, &t);
	if (!NT_SUCCESS(s))
		return s;
	ObDereferenceObject(t);
	return STATUS_NO_TOKEN;
}

/* ---- security identifiers ---- */

struct sid {
	u8 revision, count, authority[6];
	u32 part[5];
};
static u32 sid_bytes(const struct sid *s)
{
	return 8u + 4u * s->count;
}

static const struct sid user_sid = {
    1, 5, {0, 0, 0, 0, 0, 5}, {21, 1000000001, 1000000002, 1000000003, 1001}};
static const struct sid none_sid = {
    1, 5, {0, 0, 0, 0, 0, 5}, {21, 1000000001, 1000000002, 1000000003, 513}};
static const struct sid everyone_sid = {1, 1, {0, 0, 0, 0, 0, 1}, {0}};
static const struct sid admins_sid = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 544}};
static const struct sid users_sid = {1, 2, {0, 0, 0, 0, 0, 5}, {32, 545}};
static const struct sid interactive_sid = {1, 1, {0, 0, 0, 0, 0, 5}, {4}};
static const struct sid authenticated_sid = {1, 1, {0, 0, 0, 0, 0, 5}, {11}};
static const struct sid high_sid = {1, 1, {0, 0, 0, 0, 0, 16}, {12288}};

/* SE_GROUP_*: MANDATORY 1, ENABLED_BY_DEFAULT 2, ENABLED 4, OWNER 8, INTEGRITY 0x20, ... 0x40 */
static const struct {
	const struct sid *sid;
	u32 attributes;
} groups[] = {
    {&none_sid, 7},	   {&everyone_sid, 7},	    {&admins_sid, 15}, {&users_sid, 7},
    {&interactive_sid, 7}, {&authenticated_sid, 7}, {&high_sid, 0x60},
};

struct sid_attributes { /* with a pointer of user mode */
	u64 sid;
	u32 attributes, pad;
};

/* ---- NtQueryInformationToken: answers are built in a page of pool ---- */

#define ANSWER_BYTES 1024u

struct answer {
	const struct token *token;
	u64 user; /* where the answer will lie, for the pointers in it */
	u8 *data;
	u32 bytes;
};

static void put(struct answer *a, const void *data, u32 n)
{
	require(a->bytes + n <= ANSWER_BYTES);
	memcpy(a->data + a->bytes, data, n);
	a->bytes += n;
}

static void put_u32(struct answer *a, u32 x)
{
	put(a, &x, sizeof(x));
}

/* One SID_AND_ATTRIBUTES and its SID behind it. */
static void put_one_sid(struct answer *a, const struct sid *s, u32 attributes)
{
	struct sid_attributes sa = {a->user + sizeof(sa), attributes, 0};

	put(a, &sa, sizeof(sa));
	put(a, s, sid_bytes(s));
}

static void put_sid_pointer(struct answer *a, const struct sid *s)
{
	u64 pointer = a->user + sizeof(pointer);

	put(a, &pointer, sizeof(pointer));
	put(a, s, sid_bytes(s));
}

static void tell_user(struct answer *a)
{
	put_one_sid(a, &user_sid, 0);
}

static void tell_groups(struct answer *a)
{
	u64 at = a->user + 8 + sizeof(struct sid_attributes) * ARRAY_SIZE(groups);

	put_u32(a, ARRAY_SIZE(groups));
	put_u32(a, 0);
	for (u32 i = 0; i < ARRAY_SIZE(groups); i++) {
		struct sid_attributes sa = {at, groups[i].attributes, 0};

		put(a, &sa, sizeof(sa));
		at += sid_bytes(groups[i].sid);
	}
	for (u32 i = 0; i < ARRAY_SIZE(groups); i++)
		put(a, groups[i].sid, sid_bytes(groups[i].sid));
}

static void tell_privileges(struct answer *a)
{
	const EPROCESS *p = a->token->process;
	u64 held = p->privileges_held;

	put_u32(a, se_count(held));
	for (u32 luid = 0; luid < 64; luid++) {
		if (!(held & 1ull << luid))
			continue;
		put_u32(a, luid);
		put_u32(a, 0);
		put_u32(a, se_attributes(p, luid));
	}
}

static void tell_owner(struct answer *a)
{
	put_sid_pointer(a, &admins_sid);
}

static void tell_primary_group(struct answer *a)
{
	put_sid_pointer(a, &none_sid);
}

static void tell_default_dacl(struct answer *a)
{
	u64 none = 0;

	put(a, &none, sizeof(none));
}

static void tell_source(struct answer *a)
{
	static const char name[8] = "User32 ";

	put(a, name, sizeof(name));
	put_u32(a, 0);
	put_u32(a, 0);
}

static void tell_statistics(struct answer *a)
{
	const EPROCESS *p = a->token->process;
	struct {
		u32 token_id[2], authentication_id[2];
		s64 expires;
		u32 type, impersonation, dynamic_charged, dynamic_available;
		u32 groups, privileges, modified_id[2];
	} s = {
	    .token_id = {p->pid},
	    .authentication_id = {0x3e9},
	    .expires = 0x7fffffffffffffff,
	    .type = 1,
	    .groups = ARRAY_SIZE(groups),
	    .privileges = se_count(p->privileges_held),
	    .modified_id = {p->pid},
	};

	put(a, &s, sizeof(s));
}

static void tell_nobody(struct answer *a) /* TOKEN_GROUPS without any */
{
	put_u32(a, 0);
	put_u32(a, 0);
}

static void tell_integrity(struct answer *a)
{
	put_one_sid(a, &high_sid, 0x60);
}

/* TOKEN_INFORMATION_CLASS (public winnt.h). Either a routine or one number. */
static const struct class
{
	void (*tell)(struct answer *a);
	u32 number;
	ACCESS_MASK access;
} classes[] = {
    [1] = {.tell = tell_user, .access = TOKEN_QUERY},
    [2] = {.tell = tell_groups, .access = TOKEN_QUERY},
    [3] = {.tell = tell_privileges, .access = TOKEN_QUERY},
    [4] = {.tell = tell_owner, .access = TOKEN_QUERY},
    [5] = {.tell = tell_primary_group, .access = TOKEN_QUERY},
    [6] = {.tell = tell_default_dacl, .access = TOKEN_QUERY},
    [7] = {.tell = tell_source, .access = TOKEN_QUERY_SOURCE},
    [8] = {.number = 1, .access = TOKEN_QUERY}, /* type: primary */
    [10] = {.tell = tell_statistics, .access = TOKEN_QUERY},
    [11] = {.tell = tell_nobody, .access = TOKEN_QUERY}, /* restricted SIDs */
    [12] = {.number = 1, .access = TOKEN_QUERY},	 /* session */
    [15] = {.number = 0, .access = TOKEN_QUERY},	 /* sandbox inert */
    [18] = {.number = 1, .access = TOKEN_QUERY},	 /* elevation type: default */
    [20] = {.number = 1, .access = TOKEN_QUERY},	 /* elevated */
    [21] = {.number = 0, .access = TOKEN_QUERY},	 /* has restrictions */
    [23] = {.number = 0, .access = TOKEN_QUERY},	 /* virtualization allowed */
    [24] = {.number = 0, .access = TOKEN_QUERY},	 /* virtualization enabled */
    [25] = {.tell = tell_integrity, .access = TOKEN_QUERY},
    [26] = {.number = 0, .access = TOKEN_QUERY}, /* UI access */
    [27] = {.number = 3, .access = TOKEN_QUERY}, /* mandatory policy */
    [29] = {.number = 0, .access = TOKEN_QUERY}, /* app container */
};

static NTSTATUS tell(const struct token *t, const struct class *c, void *buffer, u32 length,
		     u32 *returned)
{
	struct answer a = {.token = t, .user = (u64)buffer};
	NTSTATUS s;

	a.data = ExAllocatePool(ANSWER_BYTES, TAG('S', 'e', 'T', 'o'));
	if (!a.data)
		return STATUS_INSUFFICIENT_RESOURCES;
	if (c->tell)
		c->tell(&a);
	else
		put_u32(&a, c->number);
	s = copy_to_user(returned, &a.bytes, sizeof(a.bytes));
	if (NT_SUCCESS(s) && length < a.bytes)
		s = STATUS_BUFFER_TOO_SMALL;
	if (NT_SUCCESS(s))
		s = copy_to_user(buffer, a.data, a.bytes);
	ExFreePool(a.data);
	return s;
}

NTSYSCALL NTSTATUS NtQueryInformationToken(HANDLE h, u32 class, void *buffer, u32 length,
					   u32 *returned)
{
	struct token *t;
	NTSTATUS s;

	if (class >= ARRAY_SIZE(classes) || !classes[class].access)
		return STATUS_INVALID_INFO_CLASS;
	s = se_reference_token(h, classes[class].access, &t);
	if (!NT_SUCCESS(s))
		return s;
	s = tell(t, &classes[class], buffer, length, returned);
	ObDereferenceObject(t);
	return s;
}
