/*
 * advapi32: tokens and privileges, security descriptors in memory, user name. There is one user,
 * who holds the privileges the kernel's token lists.
 */
#include <intrin.h>
#include "guest/user/include/nt.h"

static BOOL succeed(NTSTATUS status)
{
	if (NT_SUCCESS(status))
		return TRUE;
	NtCurrentTeb()->LastErrorValue = RtlNtStatusToDosError(status);
	return FALSE;
}

static BOOL fail(DWORD error)
{
	NtCurrentTeb()->LastErrorValue = error;
	return FALSE;
}

/* --- tokens --- */

WINBOOL WINAPI OpenProcessToken(HANDLE process, DWORD access, PHANDLE token)
{
	return succeed(NtOpenProcessToken(process, access, token));
}

WINBOOL WINAPI OpenThreadToken(HANDLE thread, DWORD access, WINBOOL self, PHANDLE token)
{
	return succeed(NtOpenThreadToken(thread, access, (BOOLEAN)self, token));
}

WINBOOL WINAPI GetTokenInformation(HANDLE token, TOKEN_INFORMATION_CLASS cls, LPVOID out,
				   DWORD size, PDWORD got)
{
	return succeed(NtQueryInformationToken(token, cls, out, size, got));
}

WINBOOL WINAPI AdjustTokenPrivileges(HANDLE token, WINBOOL disable_all, PTOKEN_PRIVILEGES want,
				     DWORD size, PTOKEN_PRIVILEGES old, PDWORD got)
{
	NTSTATUS status =
	    NtAdjustPrivilegesToken(token, (BOOLEAN)disable_all, want, size, old, got);

	/* Success may be partial: the last error tells. */
	NtCurrentTeb()->LastErrorValue = RtlNtStatusToDosError(status);
	return NT_SUCCESS(status);
}

/* Privileges by name; the number is the row's. */
static const struct {
	ULONG luid;
	LPCWSTR name;
} privileges[] = {
    {2, L"SeCreateTokenPrivilege"},
    {3, L"SeAssignPrimaryTokenPrivilege"},
    {4, L"SeLockMemoryPrivilege"},
    {5, L"SeIncreaseQuotaPrivilege"},
    {6, L"SeMachineAccountPrivilege"},
    {7, L"SeTcbPrivilege"},
    {8, L"SeSecurityPrivilege"},
    {9, L"SeTakeOwnershipPrivilege"},
    {10, L"SeLoadDriverPrivilege"},
    {11, L"SeSystemProfilePrivilege"},
    {12, L"SeSystemtimePrivilege"},
    {13, L"SeProfileSingleProcessPrivilege"},
    {14, L"SeIncreaseBasePriorityPrivilege"},
    {15, L"SeCreatePagefilePrivilege"},
    {16, L"SeCreatePermanentPrivilege"},
    {17, L"SeBackupPrivilege"},
    {18, L"SeRestorePrivilege"},
    {19, L"SeShutdownPrivilege"},
    {20, L"SeDebugPrivilege"},
    {21, L"SeAuditPrivilege"},
    {22, L"SeSystemEnvironmentPrivilege"},
    {23, L"SeChangeNotifyPrivilege"},
    {24, L"SeRemoteShutdownPrivilege"},
    {25, L"SeUndockPrivilege"},
    {26, L"SeSyncAgentPrivilege"},
    {27, L"SeEnableDelegationPrivilege"},
    {28, L"SeManageVolumePrivilege"},
    {29, L"SeImpersonatePrivilege"},
    {30, L"SeCreateGlobalPrivilege"},
    {31, L"SeTrustedCredManAccessPrivilege"},
    {32, L"SeRelabelPrivilege"},
    {33, L"SeIncreaseWorkingSetPrivilege"},
    {34, L"SeTimeZonePrivilege"},
    {35, L"SeCreateSymbolicLinkPrivilege"},
};
#define PRIVILEGES (sizeof(privileges) / sizeof(privileges[0]))

WINBOOL WINAPI LookupPrivilegeValueW(LPCWSTR system, LPCWSTR name, PLUID luid)
{
	(void)system;
	for (size_t i = 0; i < PRIVILEGES; i++) {
		if (_wcsicmp(privileges[i].name, name))
			continue;
		luid->LowPart = privileges[i].luid;
		luid->HighPart = 0;
		return TRUE;
	}
	return fail(ERROR_NO_SUCH_PRIVILEGE);
}

WINBOOL WINAPI LookupPrivilegeValueA(LPCSTR system, LPCSTR name, PLUID luid)
{
	WCHAR wide[64];
	size_t n = 0;

	(void)system;
	for (; name[n] && n < 63; n++)
		wide[n] = (UCHAR)name[n];
	wide[n] = 0;
	return LookupPrivilegeValueW(NULL, wide, luid);
}

WINBOOL WINAPI LookupPrivilegeNameW(LPCWSTR system, PLUID luid, LPWSTR out, LPDWORD room)
{
	(void)system;
	for (size_t i = 0; i < PRIVILEGES; i++) {
		DWORD n = (DWORD)wcslen(privileges[i].name);

		if (privileges[i].luid != luid->LowPart || luid->HighPart)
			continue;
		if (*room <= n) {
			*room = n + 1;
			return fail(ERROR_INSUFFICIENT_BUFFER);
		}
		wcscpy(out, privileges[i].name);
		*room = n;
		return TRUE;
	}
	return fail(ERROR_NO_SUCH_PRIVILEGE);
}

/* --- security descriptors, access control lists, identifiers: plain structures in memory --- */

WINBOOL WINAPI InitializeSecurityDescriptor(PSECURITY_DESCRIPTOR sd, DWORD revision)
{
	SECURITY_DESCRIPTOR *s = sd;

	if (revision != SECURITY_DESCRIPTOR_REVISION)
		return fail(ERROR_UNKNOWN_REVISION);
	memset(s, 0, sizeof(*s));
	s->Revision = SECURITY_DESCRIPTOR_REVISION;
	return TRUE;
}

WINBOOL WINAPI SetSecurityDescriptorDacl(PSECURITY_DESCRIPTOR sd, WINBOOL present, PACL acl,
					 WINBOOL defaulted)
{
	SECURITY_DESCRIPTOR *s = sd;

	if (s->Revision != SECURITY_DESCRIPTOR_REVISION)
		return fail(ERROR_UNKNOWN_REVISION);
	if (s->Control & SE_SELF_RELATIVE)
		return fail(ERROR_INVALID_SECURITY_DESCR);
	s->Control &= ~(SE_DACL_PRESENT | SE_DACL_DEFAULTED);
	s->Control |= (present ? SE_DACL_PRESENT : 0) | (defaulted ? SE_DACL_DEFAULTED : 0);
	s->Dacl = present ? acl : NULL;
	return TRUE;
}

WINBOOL WINAPI GetSecurityDescriptorDacl(PSECURITY_DESCRIPTOR sd, LPBOOL present, PACL *acl,
					 LPBOOL defaulted)
{
	SECURITY_DESCRIPTOR *s = sd;

	*present = (s->Control & SE_DACL_PRESENT) != 0;
	if (*present) {
		*acl = s->Dacl;
		*defaulted = (s->Control & SE_DACL_DEFAULTED) != 0;
	}
	return TRUE;
}

WINBOOL WINAPI IsValidSecurityDescriptor(PSECURITY_DESCRIPTOR sd)
{
	return sd && ((SECURITY_DESCRIPTOR *)sd)->Revision == SECURITY_DESCRIPTOR_REVISION;
}

WINBOOL WINAPI InitializeAcl(PACL acl, DWORD size, DWORD revision)
{
	if (size < sizeof(*acl))
		return fail(ERROR_INSUFFICIENT_BUFFER);
	if (revision < MIN_ACL_REVISION || revision > MAX_ACL_REVISION || size > 0xfffc)
		return fail(ERROR_INVALID_PARAMETER);
	memset(acl, 0, sizeof(*acl));
	acl->AclRevision = (BYTE)revision;
	acl->AclSize = (WORD)(size & ~3u);
	return TRUE;
}

WINBOOL WINAPI IsValidSid(PSID sid)
{
	SID *s = sid;

	return s && s->Revision == SID_REVISION && s->SubAuthorityCount <= SID_MAX_SUB_AUTHORITIES;
}

DWORD WINAPI GetLengthSid(PSID sid)
{
	return (DWORD)(offsetof(SID, SubAuthority) +
		       ((SID *)sid)->SubAuthorityCount * sizeof(DWORD));
}

WINBOOL WINAPI EqualSid(PSID a, PSID b)
{
	return GetLengthSid(a) == GetLengthSid(b) && !memcmp(a, b, GetLengthSid(a));
}

WINBOOL WINAPI AllocateAndInitializeSid(PSID_IDENTIFIER_AUTHORITY authority, BYTE count, DWORD a,
					DWORD b, DWORD c, DWORD d, DWORD e, DWORD f, DWORD g,
					DWORD h, PSID *out)
{
	const DWORD subs[8] = {a, b, c, d, e, f, g, h};
	SID *s;

	if (count > 8)
		return fail(ERROR_INVALID_SID);
	s = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0,
			    offsetof(SID, SubAuthority) + count * sizeof(DWORD));
	if (!s)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	s->Revision = SID_REVISION;
	s->SubAuthorityCount = count;
	s->IdentifierAuthority = *authority;
	memcpy(s->SubAuthority, subs, count * sizeof(DWORD));
	*out = s;
	return TRUE;
}

PVOID WINAPI FreeSid(PSID sid)
{
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, sid);
	return NULL;
}

/* The one user may do everything: membership in any group is answered with yes. */
WINBOOL WINAPI CheckTokenMembership(HANDLE token, PSID sid, PBOOL member)
{
	(void)token;
	if (!IsValidSid(sid))
		return fail(ERROR_INVALID_SID);
	*member = TRUE;
	return TRUE;
}

/* --- names --- */

static const WCHAR user[] = L"user";

WINBOOL WINAPI GetUserNameW(LPWSTR out, LPDWORD room)
{
	DWORD need = sizeof(user) / sizeof(user[0]);

	if (*room < need) {
		*room = need;
		return fail(ERROR_INSUFFICIENT_BUFFER);
	}
	wcscpy(out, user);
	*room = need;
	return TRUE;
}

WINBOOL WINAPI GetUserNameA(LPSTR out, LPDWORD room)
{
	DWORD need = sizeof(user) / sizeof(user[0]);

	if (*room < need) {
		*room = need;
		return fail(ERROR_INSUFFICIENT_BUFFER);
	}
	for (DWORD i = 0; i < need; i++)
		out[i] = (char)user[i];
	*room = need;
	return TRUE;
}

/* --- random bytes: RtlGenRandom --- */

BOOLEAN WINAPI SystemFunction036(PVOID out, ULONG count);
BOOLEAN WINAPI SystemFunction036(PVOID out, ULONG count)
{
	static ULONG64 state;
	unsigned char *p = out;
	int regs[4];

	__cpuid(regs, 1);
	for (ULONG i = 0; i < count; i += 8) {
		unsigned long long x = 0;

		/* RDRAND where there is one, stirred with the counter; else the counter alone. */
		if (regs[2] & (1 << 30))
			__asm__ volatile("rdrand %0" : "=r"(x) : : "cc");
		state = (state ^ x ^ __builtin_ia32_rdtsc()) * 0x9e3779b97f4a7c15ull;
		state ^= state >> 29;
		memcpy(p + i, &state, count - i < 8 ? count - i : 8);
	}
	return TRUE;
}
