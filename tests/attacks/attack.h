/*
 * What every attack stands on: arbitrary reads, writes and calls in the kernel, by the vulnerable
 * driver interface that `ntmm run --vulnerable` offers.
 *
 * An attack is one function that tries one thing. It tells what came of it, and undoes what it did,
 * so that the next one finds the machine as it was:
 *   SUCCEEDED  the thing is done, and the attack has seen its effect
 *   REFUSED    it got an exception or an error, and nothing has changed
 *   FAILED     it neither works nor is it refused: the attack itself is no good
 */
#ifndef NTMM_TESTS_ATTACKS_ATTACK_H
#define NTMM_TESTS_ATTACKS_ATTACK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <windows.h>

#include "guest/abi/machine.h"
#include "guest/abi/vulnerable.h"

enum outcome { SUCCEEDED, REFUSED, FAILED };

struct attack {
	const char *name;
	enum outcome (*run)(void);
};

/* One table a file; the last row is empty. */
extern const struct attack attacks_memory[], attacks_tables[], attacks_state[], attacks_calls[],
    attacks_modules[];

typedef struct vulnerable_call call_t;
NTSYSAPI LONG NTAPI NtSystemDebugControl(ULONG command, void *in, ULONG in_bytes, void *out,
					 ULONG out_bytes, ULONG *returned);

/* ---- primitives (kernel.c): 0, or the NTSTATUS of the fault ---- */
LONG driver(call_t *c);
LONG secure_pool(call_t *c);
LONG kread(uint64_t va, void *buf, size_t bytes);
LONG kwrite(uint64_t va, const void *buf, size_t bytes);
LONG kstore(enum store_form form, uint64_t va, uint64_t value);
LONG kcall(uint64_t va, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t *result);
uint64_t place(enum vulnerable_place what);
uint64_t kphys(uint64_t va);
int64_t khypercall(uint32_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d);
LONG device(uint64_t frame, uint64_t slot, unsigned pagefile, bool write);
void note(const char *text);

uint64_t kread64(uint64_t va); /* 0 when it cannot be read */
void kflush(uint64_t va, uint64_t bytes);

/* ---- page tables, through the direct map ---- */
#define DIRECT_MAP 0xffffa00000000000ull
#define PTE_P	   1ull
#define PTE_W	   2ull
#define PTE_U	   4ull
#define PTE_PS	   0x80ull
#define PTE_NX	   (1ull << 63)
#define PTE_FRAME  0x000ffffffffff000ull

/* Address (in the direct map) of the entry that maps va, from the tables in CR3; 0: none. */
uint64_t entry_of(uint64_t va);
/* Stores an entry of a table; where that is refused, the host is asked for it. */
LONG entry_store(uint64_t at, uint64_t value);
/* Changes bits of the entry that maps va and flushes it; *was is the entry before. */
LONG entry_change(uint64_t va, uint64_t clear, uint64_t set, uint64_t *was);
LONG entry_restore(uint64_t va, uint64_t was);

/* Writes at va in spite of its page table entry: made writable for the time. */
LONG kforce(uint64_t va, const void *buf, size_t bytes);

/* Two pages of kernel memory that are the attacker's, no-execute. */
uint64_t scratch(void);

/* REFUSED or SUCCEEDED: did [va, +8) become `want`? */
enum outcome verdict(LONG status, uint64_t va, uint64_t want);

#endif
