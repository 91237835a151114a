/*
 * insn: what the instruction was that touched protected memory. Decoding is Zydis'.
 *
 * KVM carries out a write to a read-only slot up to the write itself and then asks; by then the
 * instruction pointer is behind the instruction and its other effects are there. insn_find_store()
 * finds the instruction again and the registers as they were before it: pointers and counts of
 * string instructions, the stack pointer, the register of XCHG and XADD. What cannot be known any
 * more (arithmetic flags, the accumulator of a CMPXCHG that failed) stays as it is.
 */
#ifndef EPT_INSN_H
#define EPT_INSN_H

#include <stddef.h>

#include "ept/walk.h"

#define INSN_MAX 15

enum ept_gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI }; /* then R8 to R15, as encoded */

struct ept_regs {
	uint64_t gpr[16];
	uint64_t rip, rflags, fs_base, gs_base;
};

struct ept_insn {
	uint64_t rip;	  /* of its first byte */
	unsigned length;  /* 0: could not be found */
	uint64_t address; /* virtual address of the memory operand */
	unsigned width;	  /* bytes it touches there */
	char text[96];	  /* in Intel's syntax */
};

/* One access that was caught. */
struct ept_access {
	gpa_t gpa;
	uint32_t bytes;
	bool write;
	uint64_t value; /* of a write: its first 8 bytes */
};

/* Decodes the instruction at regs->rip; its memory operand is the one written, or read, as asked,
 * else the other. -EFAULT: its bytes cannot be read; -EINVAL: not an instruction. */
int insn_at(const struct ept_memory *m, uint64_t cr3, const struct ept_regs *regs, bool write,
	    struct ept_insn *insn);

/* The store that has just been carried out, with regs as they are after it. `from` is a place
 * before it where an instruction is known to begin (the start of the function), or 0. On success
 * *before are the registers to begin it again with. -ENOENT. */
int insn_find_store(const struct ept_memory *m, uint64_t cr3, const struct ept_regs *regs,
		    const struct ept_access *access, uint64_t from, struct ept_insn *insn,
		    struct ept_regs *before);

#endif
