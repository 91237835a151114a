/* CONTEXT and EXCEPTION_RECORD of x64 (public winnt.h). */
#ifndef NTMM_PS_CONTEXT_H
#define NTMM_PS_CONTEXT_H

#include "guest/ke/types.h"

#define CONTEXT_AMD64	       0x100000u
#define CONTEXT_CONTROL	       (CONTEXT_AMD64 | 1)
#define CONTEXT_INTEGER	       (CONTEXT_AMD64 | 2)
#define CONTEXT_SEGMENTS       (CONTEXT_AMD64 | 4)
#define CONTEXT_FLOATING_POINT (CONTEXT_AMD64 | 8)
#define CONTEXT_DEBUG	       (CONTEXT_AMD64 | 0x10)
#define CONTEXT_ALL_WE_HAVE                                                              \
	(CONTEXT_CONTROL | CONTEXT_INTEGER | CONTEXT_SEGMENTS | CONTEXT_FLOATING_POINT | \
	 CONTEXT_DEBUG)
extern const volatile u32 ps_context_all; /* this, for code (except.c) */

typedef struct {
	u64 p_home[6];
	u32 flags, mxcsr;
	u16 cs, ds, es, fs, gs, ss;
	u32 eflags;
	u64 dr[6];
	u64 rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi;
	u64 r8, r9, r10, r11, r12, r13, r14, r15;
	u64 rip;
	u8 fxsave[512] __attribute__((aligned(16)));
	u8 vector[26][16];
	u64 vector_control, debug_control;
	u64 last_branch_to, last_branch_from, last_exception_to, last_exception_from;
} __attribute__((aligned(16))) CONTEXT;
_Static_assert(sizeof(CONTEXT) == 0x4d0 && offsetof(CONTEXT, fxsave) == 0x100, "as Windows x64");
#define CONTEXT_COPIED offsetof(CONTEXT, vector) /* what the kernel fills and reads */

typedef struct {
	u32 code, flags;
	u64 record, address;
	u32 count, pad;
	u64 info[15];
} EXCEPTION_RECORD;
_Static_assert(sizeof(EXCEPTION_RECORD) == 0x98, "as Windows x64");

#define EXCEPTION_RECORD_AT 0x4f0 /* from the CONTEXT, in an exception frame */

struct ktrap_frame;
struct KTHREAD;
/* The user state in a frame (and the FPU area saved in t) to a CONTEXT and back; by flags. */
void ps_frame_to_context(struct KTHREAD *t, const struct ktrap_frame *f, CONTEXT *c);
void ps_context_to_frame(struct KTHREAD *t, struct ktrap_frame *f, const CONTEXT *c);

#endif
