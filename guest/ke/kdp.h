/*
 * kdp: kernel data that stays as it is once the kernel is up. The host holds it read-only from the
 * first instruction on (abi/machine.h); until ke_seal() it is written through the host.
 */
#ifndef NTMM_KE_KDP_H
#define NTMM_KE_KDP_H

#include "guest/ke/types.h"
#include "guest/ke/status.h"
#include "guest/abi/machine.h"

#define KDP_DATA __attribute__((section(".kdp"))) /* not initialized in the image: zero */

extern u32 ke_vbs; /* NTMM_FEATURE_*; 0 under another hypervisor */

void ke_init_vbs(void);

/* ---- CR3: by the processor's own instruction, or, at level hvci, by the host ---- */
void ke_native_cr3(u64 cr3);
void ke_hosted_cr3(u64 cr3);
/* Loads these page tables (the same: forgets their translations). Global ones stay. */
static inline void ke_load_cr3(u64 cr3)
{
	if (UNLIKELY(ke_vbs & NTMM_FEATURE_HVCI))
		ke_hosted_cr3(cr3);
	else
		ke_native_cr3(cr3);
}
/* Copies into protected static data. => before ke_seal; src is image, pool or stack memory */
void kdp_write(void *dst, const void *src, u64 bytes);
void ke_publish_mminfo(void); /* mminfo.c: the inspector's root */
/* The kernel is up: protected data is mapped read-only, and the host is told. */
void ke_seal(void);

/*
 * The secure pool (dynamic KDP): memory that is written with its key until it is sealed, and is
 * then constant until it is freed with its key. Addresses are of the direct map.
 * STATUS_NOT_SUPPORTED where the host has no secure pool.
 */
NTSTATUS ExSecurePoolAllocate(u64 bytes, u64 key, void **block);
NTSTATUS ExSecurePoolWrite(void *dst, const void *src, u64 bytes, u64 key);
NTSTATUS ExSecurePoolSeal(void *block, u64 key);
NTSTATUS ExSecurePoolFree(void *block, u64 key);
/* Static KDP: pages that a kernel module may write until they are sealed, for ever then. */
NTSTATUS ExAllocateSection(u64 bytes, void **section);
NTSTATUS MmProtectDriverSection(void *section, u64 bytes);

/* A call to the vault; *result is the handle or the bytes read. */
struct ntmm_vault;
NTSTATUS ExVaultCall(struct ntmm_vault *call, s64 *result);

/* NtSystemDebugControl from 0x1100 on (ex/protection.c). */
NTSTATUS ExProtectionControl(u32 command, const void *in, u32 in_bytes, void *out, u32 out_bytes,
			     u32 *returned);

/*
 * ke/guard.S: calls fn(a, b, c, d); an exception inside ends the call. Returns what fn returns;
 * *status is STATUS_SUCCESS, or what the exception was. One at a time. => PASSIVE
 */
struct ktrap_frame;
u64 ke_guarded_call(u64 fn, const u64 args[4], NTSTATUS *status);
/* Was this exception inside a guarded call? Then the frame now leads out of it. */
bool ke_guard_take(struct ktrap_frame *f, u64 cr2);

#endif
