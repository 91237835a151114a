/* Faults in the pagefile on purpose, and pages sent there: NtSystemDebugControl's private commands.
 */
#ifndef NTMM_TESTS_GUEST_INJECT_H
#define NTMM_TESTS_GUEST_INJECT_H

#include "guest/abi/machine.h"
#include "tests/guest/check.h"

enum debug_command {
	DEBUG_PFNCHECK = 0x1000,
	DEBUG_INJECT = 0x1002,
	DEBUG_TRIM = 0x1003,
	DEBUG_FLUSH_MODIFIED = 0x1004,
	DEBUG_PURGE_STANDBY = 0x1005,
};

NTSYSAPI LONG NTAPI NtSystemDebugControl(ULONG command, void *in, ULONG in_bytes, void *out,
					 ULONG out_bytes, ULONG *returned);

static inline LONG debug(enum debug_command command)
{
	return NtSystemDebugControl(command, NULL, 0, NULL, 0, NULL);
}

static inline LONG inject(uint32_t kind, uint32_t count)
{
	uint32_t in[3] = {0, kind, count};
	return NtSystemDebugControl(DEBUG_INJECT, in, sizeof(in), NULL, 0, NULL);
}

/* After this, no private page of ours is in memory but those in use right now. */
static inline void send_all_to_pagefile(void)
{
	CHECK_EQ(debug(DEBUG_TRIM), 0);
	CHECK_EQ(debug(DEBUG_FLUSH_MODIFIED), 0);
	CHECK_EQ(debug(DEBUG_PURGE_STANDBY), 0);
}

/* Brings in all that taking an exception needs (stack, dispatcher, tables), so that an injected
 * error hits the access that the test means. */
static __attribute__((noinline, unused)) void rehearse(void)
{
	volatile unsigned char deep[16384];
	for (unsigned i = 0; i < sizeof(deep); i += 4096)
		deep[i] = 0;
	unsigned char *none = VirtualAlloc(NULL, 1, MEM_RESERVE, PAGE_NOACCESS);
	CHECK(none != NULL);
	CHECK(!try_read(none));
	CHECK(!try_write(none));
	CHECK_EQ(inject(NTMM_INJECT_NONE, 0), 0);
	VirtualFree(none, 0, MEM_RELEASE);
}

static inline uint64_t pfncheck_errors(void)
{
	uint64_t errors = ~0ull;
	ULONG returned;
	CHECK_EQ(NtSystemDebugControl(DEBUG_PFNCHECK, NULL, 0, &errors, sizeof(errors), &returned),
		 0);
	return errors;
}

#endif
