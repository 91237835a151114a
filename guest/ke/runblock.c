/* The run block (abi/runblock.h), copied at boot; NUL-separated KEY=VALUE strings. */
#include "guest/ke/ke.h"
#include "guest/ke/runblock.h"
#include "guest/abi/runblock.h"

static const char *first, *end; /* the strings after the magic */

void ke_set_runblock(const char *block, u64 bytes)
{
	if (bytes < 7 || bytes > NTMM_RUNBLOCK_MAX || strcmp(block, NTMM_RUNBLOCK_MAGIC) ||
	    block[bytes - 1])
		return;
	first = block + sizeof(NTMM_RUNBLOCK_MAGIC);
	end = block + bytes;
}

const char *runblock_next(const char *key, const char *previous)
{
	const char *p = previous ? previous + strlen(previous) + 1 : first;
	size_t n = strlen(key);

	for (; p && p < end && *p; p += strlen(p) + 1)
		if (!strncmp(p, key, n) && p[n] == '=')
			return p + n + 1;
	return NULL;
}

const char *runblock_get(const char *key)
{
	return runblock_next(key, NULL);
}

u64 runblock_number(const char *key, u64 otherwise)
{
	const char *s = runblock_get(key);
	u64 v = 0, base = 10;

	if (!s || !*s)
		return otherwise;
	if (s[0] == '0' && (s[1] | 32) == 'x') {
		base = 16;
		s += 2;
	}
	for (; *s; s++) {
		u32 d = *s >= '0' && *s <= '9'		       ? (u32)(*s - '0')
			: (*s | 32) >= 'a' && (*s | 32) <= 'f' ? (u32)((*s | 32) - 'a' + 10)
							       : 99u;

		if (d >= base)
			break;
		v = v * base + d;
	}
	return v;
}
