/*
 * Mitigation policies (SetProcessMitigationPolicy): flags a process sets for itself and keeps.
 * Which bits exist, which a running process may set, and that none can be taken back, is a table.
 * What acts on them: dynamic code in mm (PsDynamicCodeBlocked), child processes in create.c, handle
 * checks in NtClose. The others are kept and told, as there is nothing here they could restrict
 * (win32k, extension points, fonts, signatures).
 */
#include "guest/ps/info.h"
#include "guest/mm/pe.h"

struct policy {
	u32 known;    /* flags there are */
	u32 settable; /* that a running process may set */
};

static const struct policy policies[] = {
    [MITIGATION_DEP] = {3, 0}, /* for ever on in 64-bit programs */
    [MITIGATION_ASLR] = {0xf, 0xf},
    [MITIGATION_DYNAMIC_CODE] = {0xf, 0xf},
    [MITIGATION_STRICT_HANDLES] = {3, 3},
    [MITIGATION_SYSTEM_CALLS] = {7, 7},
    [MITIGATION_EXTENSION_POINTS] = {1, 1},
    [MITIGATION_CFG] = {0x1f, 4}, /* strict mode only */
    [MITIGATION_SIGNATURES] = {0x1f, 0x1f},
    [MITIGATION_FONTS] = {3, 3},
    [MITIGATION_IMAGE_LOADS] = {0x1f, 0x1f},
    [MITIGATION_CALL_FILTER] = {0xf, 0},
    [MITIGATION_PAYLOADS] = {0xfff, 0xfff},
    [MITIGATION_CHILDREN] = {7, 7},
    [MITIGATION_SIDE_CHANNELS] = {0x1f, 0x1f},
    [MITIGATION_SHADOW_STACK] = {0x3ff, 0},
    [MITIGATION_REDIRECTION] = {3, 3},
};

/* PROCESS_MITIGATION_POLICY_INFORMATION; DEP has a BOOLEAN more */
struct policy_information {
	u32 policy, flags;
	u8 permanent;
};

/* What a process is born with: from its program's header, and its parent's strictness. */
void ps_init_mitigation(EPROCESS *p, const EPROCESS *parent)
{
	static const u8 inherited[] = {MITIGATION_DYNAMIC_CODE, MITIGATION_CHILDREN};
	u16 dll = p->image->dll_characteristics;

	p->mitigation[MITIGATION_DEP] = 1;
	p->mitigation[MITIGATION_ASLR] =
	    (dll & PE_DLL_DYNAMIC_BASE ? 1u : 0) | (dll & PE_DLL_HIGH_ENTROPY_VA ? 4u : 0);
	p->mitigation[MITIGATION_CFG] = dll & PE_DLL_GUARD_CF ? 1 : 0;
	for (u32 i = 0; parent && i < ARRAY_SIZE(inherited); i++)
		p->mitigation[inherited[i]] = parent->mitigation[inherited[i]];
}

NTSTATUS ps_query_mitigation(const struct info_call *c)
{
	const EPROCESS *p = c->object;
	struct policy_information *i = c->data;

	if (i->policy >= ARRAY_SIZE(policies) || !policies[i->policy].known)
		return STATUS_INVALID_PARAMETER;
	i->flags = p->mitigation[i->policy];
	if (c->bytes > offsetof(struct policy_information, permanent))
		i->permanent = i->policy == MITIGATION_DEP;
	return STATUS_SUCCESS;
}

NTSTATUS ps_set_mitigation(const struct info_call *c)
{
	EPROCESS *p = c->object;
	const struct policy_information *i = c->data;
	const struct policy *rule;
	NTSTATUS st = STATUS_SUCCESS;
	u32 now;

	if (p != PsGetCurrentProcess())
		return STATUS_ACCESS_DENIED;
	if (i->policy >= ARRAY_SIZE(policies) || !policies[i->policy].settable)
		return STATUS_INVALID_PARAMETER;
	rule = &policies[i->policy];
	if (i->flags & ~rule->known)
		return STATUS_INVALID_PARAMETER;
	/* exceptions for bad handles cannot be on for a while only */
	if (i->policy == MITIGATION_STRICT_HANDLES && i->flags && i->flags != rule->known)
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&ps_lock);
	now = p->mitigation[i->policy];
	if (now & ~i->flags) /* nothing is taken back */
		st = STATUS_ACCESS_DENIED;
	else if (i->flags & ~now & ~rule->settable)
		st = STATUS_ACCESS_DENIED;
	else
		p->mitigation[i->policy] = i->flags;
	mutex_unlock(&ps_lock);
	return st;
}

bool PsDynamicCodeBlocked(const EPROCESS *p)
{
	u32 flags = p->mitigation[MITIGATION_DYNAMIC_CODE];

	if (LIKELY(!(flags & DYNAMIC_CODE_PROHIBITED)))
		return false;
	return p != PsGetCurrentProcess() ? !(flags & DYNAMIC_CODE_REMOTE_DOWNGRADE)
					  : !PsGetCurrentThread()->dynamic_code_allowed;
}

void PsInvalidHandle(void)
{
	ETHREAD *t = PsGetCurrentThread();
	struct exception e = {.code = STATUS_INVALID_HANDLE};

	if (t->k.system || !(t->k.process->mitigation[MITIGATION_STRICT_HANDLES] & 1))
		return;
	if (t->frame->rip == ps_ntdll_entry(NTDLL_EXCEPTION_DISPATCHER))
		return; /* once a call */
	t->frame->rax =
	    (u64)(s64)STATUS_INVALID_HANDLE; /* what the call returns if this is handled */
	e.address = t->frame->rip;
	PsRaiseUserException(t->frame, &e);
}
