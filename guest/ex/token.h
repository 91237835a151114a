/*
 * token: access tokens, private to ex.
 *
 * A process has one primary token; threads never impersonate. A token object is no more than a way
 * to name the process whose privileges it tells and changes (they live in EPROCESS), so each open
 * makes a new object.
 */
#ifndef NTMM_EX_TOKEN_H
#define NTMM_EX_TOKEN_H

#include "guest/ex/ex.h"
#include "guest/ex/syscalls.h"
#include "guest/ps/ps.h"

struct token {
	EPROCESS *process; /* referenced; immutable */
};

/* Token access rights and privilege attributes (public winnt.h). */
#define TOKEN_QUERY		0x0008u
#define TOKEN_QUERY_SOURCE	0x0010u
#define TOKEN_ADJUST_PRIVILEGES 0x0020u
#define TOKEN_ALL_ACCESS	0xf01ffu

#define SE_PRIVILEGE_ENABLED_BY_DEFAULT 1u
#define SE_PRIVILEGE_ENABLED		2u
#define SE_PRIVILEGE_REMOVED		4u

/* A handle's token, or that of the pseudo handles -4 (process), -6 (effective), referenced. */
NTSTATUS se_reference_token(HANDLE h, ACCESS_MASK access, struct token **t);
/* SE_PRIVILEGE_* of a privilege that the process holds. */
u32 se_attributes(const EPROCESS *p, u32 luid);

static inline u32 se_count(u64 mask)
{
	u32 n = 0;

	for (; mask; mask &= mask - 1)
		n++;
	return n;
}

#endif
