/*
 * privilege.c: which privileges a process has, and which of them are enabled.
 *
 * Two bit masks in EPROCESS, bit n for LUID n. A process has its parent's, the first one those of
 * an administrator, with the same few enabled as on Windows. They change only by
 * NtAdjustPrivilegesToken. Lock: one mutex, so that "change and tell what was" is one step; readers
 * need none, as a mask is one word.
 */
#include "guest/ex/token.h"

#define BIT(luid) (1ull << (luid))

static const u8 administrator[] = {
    SE_LOCK_MEMORY,
    SE_INCREASE_QUOTA,
    SE_SECURITY,
    SE_TAKE_OWNERSHIP,
    SE_LOAD_DRIVER,
    SE_SYSTEM_PROFILE,
    SE_SYSTEM_TIME,
    SE_PROFILE_SINGLE_PROCESS,
    SE_INCREASE_BASE_PRIORITY,
    SE_CREATE_PAGEFILE,
    SE_BACKUP,
    SE_RESTORE,
    SE_SHUTDOWN,
    SE_DEBUG,
    SE_SYSTEM_ENVIRONMENT,
    SE_CHANGE_NOTIFY,
    SE_REMOTE_SHUTDOWN,
    SE_UNDOCK,
    SE_MANAGE_VOLUME,
    SE_IMPERSONATE,
    SE_CREATE_GLOBAL,
    SE_INCREASE_WORKING_SET,
    SE_TIME_ZONE,
    SE_CREATE_SYMBOLIC_LINK,
};
#define ENABLED_BY_DEFAULT (BIT(SE_CHANGE_NOTIFY) | BIT(SE_IMPERSONATE) | BIT(SE_CREATE_GLOBAL))

static struct mutex privilege_lock = {
    .state = 1,
    .event.d = {.type = DO_EVENT_SYNCHRONIZATION,
		.waiters = {&privilege_lock.event.d.waiters, &privilege_lock.event.d.waiters}}};

bool SeHasPrivilege(u32 luid)
{
	return luid < 64 && PsGetCurrentProcess()->privileges & BIT(luid);
}

void SeInitPrivileges(EPROCESS *p, const EPROCESS *parent)
{
	p->privileges_held = 0;
	for (u32 i = 0; i < ARRAY_SIZE(administrator); i++)
		p->privileges_held |= BIT(administrator[i]);
	p->privileges = ENABLED_BY_DEFAULT;
	if (parent && parent->privileges_held) {
		p->privileges_held = parent->privileges_held;
		p->privileges = parent->privileges;
	}
}

u32 se_attributes(const EPROCESS *p, u32 luid)
{
	u32 attributes = 0;

	if (ENABLED_BY_DEFAULT & BIT(luid))
		attributes |= SE_PRIVILEGE_ENABLED_BY_DEFAULT;
	if (p->privileges & BIT(luid))
		attributes |= SE_PRIVILEGE_ENABLED;
	return attributes;
}

/* ---- NtAdjustPrivilegesToken ---- */

#define MAX_ADJUST 256u /* entries of one call */

struct luid_attributes {
	u32 luid, luid_high, attributes;
};

/* What a call is to do: masks of privileges to enable, disable, remove; and whether others that the
 * process does not have were named. */
struct change {
	u64 enable, disable, remove;
	bool unknown;
};

static void add_change(struct change *c, const struct luid_attributes *l, u64 held)
{
	u64 bit = l->luid < 64 && !l->luid_high ? BIT(l->luid) & held : 0;

	if (!bit)
		c->unknown = true;
	else if (l->attributes & SE_PRIVILEGE_REMOVED)
		c->remove |= bit;
	else if (l->attributes & SE_PRIVILEGE_ENABLED)
		c->enable |= bit;
	else
		c->disable |= bit;
}

static NTSTATUS capture_change(const void *user, u64 held, struct change *c)
{
	struct luid_attributes *list;
	u32 count;
	NTSTATUS s = copy_from_user(&count, user, sizeof(count));

	if (!NT_SUCCESS(s) || !count)
		return s;
	if (count > MAX_ADJUST)
		return STATUS_INVALID_PARAMETER;
	list = ExAllocatePool(count * sizeof(*list), TAG('S', 'e', 'P', 'r'));
	if (!list)
		return STATUS_INSUFFICIENT_RESOURCES;
	s = copy_from_user(list, (const u8 *)user + sizeof(count), count * sizeof(*list));
	for (u32 i = 0; i < count && NT_SUCCESS(s); i++)
		add_change(c, &list[i], held);
	ExFreePool(list);
	return s;
}

/* Tells the privileges of `mask` as they are now. */
static NTSTATUS store_previous(const EPROCESS *p, u64 mask, void *user, u32 length, u32 *returned)
{
	u8 *at = (u8 *)user + sizeof(u32);
	u32 count = (u32)se_count(mask);
	u32 need = (u32)(sizeof(u32) + count * sizeof(struct luid_attributes));
	NTSTATUS s = copy_to_user(returned, &need, sizeof(need));

	if (!NT_SUCCESS(s))
		return s;
	if (length < need)
		return STATUS_BUFFER_TOO_SMALL;
	s = copy_to_user(user, &count, sizeof(count));
	for (u32 luid = 0; luid < 64 && NT_SUCCESS(s); luid++) {
		struct luid_attributes l = {luid, 0, 0};

		if (!(mask & BIT(luid)))
			continue;
		l.attributes = se_attributes(p, luid);
		s = copy_to_user(at, &l, sizeof(l));
		at += sizeof(l);
	}
	return s;
}

static NTSTATUS adjust(EPROCESS *p, bool disable_all, const void *wanted, u32 length,
		       void *previous, u32 *returned)
{
	struct change c = {0};
	u64 changed;
	NTSTATUS s = STATUS_SUCCESS;

	if (disable_all)
		c.disable = p->privileges_held;
	else
		s = capture_change(wanted, p->privileges_held, &c);
	changed = (c.enable & ~p->privileges) | (c.disable & p->privileges) | c.remove;
	if (NT_SUCCESS(s) && previous)
		s = store_previous(p, changed, previous, length, returned);
	if (!NT_SUCCESS(s))
		return s;
	p->privileges = ((p->privileges | c.enable) & ~c.disable) & ~c.remove;
	p->privileges_held &= ~c.remove;
	return c.unknown ? STATUS_NOT_ALL_ASSIGNED : STATUS_SUCCESS;
}

NTSYSCALL NTSTATUS NtAdjustPrivilegesToken(HANDLE h, u8 disable_all, const void *wanted, u32 length,
					   void *previous, u32 *returned)
{
	struct token *t;
	NTSTATUS s;

	if (!disable_all && !wanted)
		return STATUS_INVALID_PARAMETER;
	s = se_reference_token(h, TOKEN_ADJUST_PRIVILEGES | (previous ? TOKEN_QUERY : 0), &t);
	if (!NT_SUCCESS(s))
		return s;
	mutex_lock(&privilege_lock);
	s = adjust(t->process, disable_all, wanted, length, previous, returned);
	mutex_unlock(&privilege_lock);
	ObDereferenceObject(t);
	return s;
}
