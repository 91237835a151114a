/*
 * Unwind data as it lies in images, and what the exception files share.
 */
#ifndef NTMM_NTDLL_EXCEPT_H
#define NTMM_NTDLL_EXCEPT_H

#include "guest/user/ntdll/ntdll.h"

struct unwind_code {
	union {
		struct {
			UCHAR offset;  /* in the prolog, of the next instruction */
			UCHAR op_info; /* low half: operation; high half: its operand */
		};
		USHORT slot; /* operands of the code before */
	};
};

struct unwind_info {
	UCHAR version_flags;
	UCHAR prolog; /* bytes */
	UCHAR count;  /* of code slots */
	UCHAR frame;  /* low half: register; high half: offset / 16 */
	struct unwind_code codes[];
};

#define UNWIND_VERSION(u)      ((u)->version_flags & 7)
#define UNWIND_FLAGS(u)	       ((u)->version_flags >> 3)
#define UNWIND_FRAME_REG(u)    ((u)->frame & 15u)
#define UNWIND_FRAME_OFFSET(u) ((DWORD64)((u)->frame >> 4) * 16)

#ifndef EXCEPTION_UNWINDING
#define EXCEPTION_UNWINDING	  0x02
#define EXCEPTION_EXIT_UNWIND	  0x04
#define EXCEPTION_STACK_INVALID	  0x08
#define EXCEPTION_NESTED_CALL	  0x10
#define EXCEPTION_TARGET_UNWIND	  0x20
#define EXCEPTION_COLLIDED_UNWIND 0x40
#endif
#define UNWIND_FLAGS_ANY (EXCEPTION_UNWINDING | EXCEPTION_EXIT_UNWIND)

/* unwind.c: the unwind data of an entry, indirection followed. */
const struct unwind_info *unwind_info_of(DWORD64 base, const RUNTIME_FUNCTION *fe);

/* functable.c: images register their .pdata when they are mapped. */
void functable_add_image(void *base, SIZE_T size);
void functable_remove_image(void *base);

/* excasm.S: calls dc->LanguageHandler under a frame that catches nested and collided unwinds. */
EXCEPTION_DISPOSITION execute_handler_for_exception(PEXCEPTION_RECORD rec, PVOID frame,
						    PCONTEXT ctx, PDISPATCHER_CONTEXT dc);
EXCEPTION_DISPOSITION execute_handler_for_unwind(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
						 PDISPATCHER_CONTEXT dc);
/* Not for a context with the trap flag set: it would stop at its first instruction, not behind it.
 */
DECLSPEC_NORETURN void restore_registers(PCONTEXT ctx);
#define EFLAGS_TF 0x100u

/* vectored.c */
BOOLEAN call_vectored(PEXCEPTION_RECORD rec, PCONTEXT ctx);
void call_continue_handlers(PEXCEPTION_RECORD rec, PCONTEXT ctx);

/* guard.c: a check of a call target that could not read its bitmap */
BOOLEAN guard_faulted(const EXCEPTION_RECORD *rec, const CONTEXT *ctx);
DECLSPEC_NORETURN void guard_failed(void);

#endif
