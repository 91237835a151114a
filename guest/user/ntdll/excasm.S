/*
 * Exceptions, the part that touches registers: capture and restore of contexts, the kernel's entry
 * points into user mode, frames that call handlers, the first frame of a thread.
 *
 * Offsets into CONTEXT, DISPATCHER_CONTEXT and EXCEPTION_RECORD are the x64 ABI's.
 */
#define CTX_FLAGS  0x30
#define CTX_MXCSR  0x34
#define CTX_CS	   0x38
#define CTX_DS	   0x3a
#define CTX_ES	   0x3c
#define CTX_FS	   0x3e
#define CTX_GS	   0x40
#define CTX_SS	   0x42
#define CTX_EFLAGS 0x44
#define CTX_RAX	   0x78
#define CTX_RCX	   0x80
#define CTX_RDX	   0x88
#define CTX_RBX	   0x90
#define CTX_RSP	   0x98
#define CTX_RBP	   0xa0
#define CTX_RSI	   0xa8
#define CTX_RDI	   0xb0
#define CTX_R8	   0xb8
#define CTX_R9	   0xc0
#define CTX_R10	   0xc8
#define CTX_R11	   0xd0
#define CTX_R12	   0xd8
#define CTX_R13	   0xe0
#define CTX_R14	   0xe8
#define CTX_R15	   0xf0
#define CTX_RIP	   0xf8
#define CTX_FXSAVE 0x100
#define CTX_XMM(n) (0x1a0 + 16 * (n))
#define CTX_SIZE   0x4d0
#define CTX_FULL   0x10000f /* control, integer, segments, floating point */

#define DC_HANDLER 0x30 /* DISPATCHER_CONTEXT.LanguageHandler */

	.text

/* void RtlCaptureContext(CONTEXT *): the caller's registers, as after the call returned. */
	.globl	RtlCaptureContext
	.seh_proc RtlCaptureContext
RtlCaptureContext:
	pushfq
	.seh_stackalloc 8
	.seh_endprologue
	mov	%rax, CTX_RAX(%rcx)
	mov	%rcx, CTX_RCX(%rcx)
	mov	%rdx, CTX_RDX(%rcx)
	mov	%rbx, CTX_RBX(%rcx)
	mov	%rbp, CTX_RBP(%rcx)
	mov	%rsi, CTX_RSI(%rcx)
	mov	%rdi, CTX_RDI(%rcx)
	mov	%r8, CTX_R8(%rcx)
	mov	%r9, CTX_R9(%rcx)
	mov	%r10, CTX_R10(%rcx)
	mov	%r11, CTX_R11(%rcx)
	mov	%r12, CTX_R12(%rcx)
	mov	%r13, CTX_R13(%rcx)
	mov	%r14, CTX_R14(%rcx)
	mov	%r15, CTX_R15(%rcx)
	fxsave	CTX_FXSAVE(%rcx)
	stmxcsr	CTX_MXCSR(%rcx)
	mov	%cs, CTX_CS(%rcx)
	mov	%ds, CTX_DS(%rcx)
	mov	%es, CTX_ES(%rcx)
	mov	%fs, CTX_FS(%rcx)
	mov	%gs, CTX_GS(%rcx)
	mov	%ss, CTX_SS(%rcx)
	mov	8(%rsp), %rax
	mov	%rax, CTX_RIP(%rcx)
	lea	16(%rsp), %rax
	mov	%rax, CTX_RSP(%rcx)
	mov	(%rsp), %eax
	mov	%eax, CTX_EFLAGS(%rcx)
	movl	$CTX_FULL, CTX_FLAGS(%rcx)
	mov	CTX_RAX(%rcx), %rax
	add	$8, %rsp
	ret
	.seh_endproc

/* void restore_registers(CONTEXT *): loads everything but debug registers; does not return. */
	.globl	restore_registers
	.seh_proc restore_registers
restore_registers:
	sub	$0x28, %rsp
	.seh_stackalloc 0x28
	.seh_endprologue
	fxrstor	CTX_FXSAVE(%rcx)
	ldmxcsr	CTX_MXCSR(%rcx)
	/* RFLAGS and RIP go just below the target stack, where Win64 keeps nothing, for POPFQ and RET.
	 * (IRETQ would do it in one, but emulators read its frame with the kernel's rights.) */
	mov	CTX_RSP(%rcx), %rsp
	sub	$16, %rsp
	mov	CTX_EFLAGS(%rcx), %eax
	mov	%rax, (%rsp)
	mov	CTX_RIP(%rcx), %rax
	mov	%rax, 8(%rsp)
	mov	CTX_RAX(%rcx), %rax
	mov	CTX_RDX(%rcx), %rdx
	mov	CTX_RBX(%rcx), %rbx
	mov	CTX_RBP(%rcx), %rbp
	mov	CTX_RSI(%rcx), %rsi
	mov	CTX_RDI(%rcx), %rdi
	mov	CTX_R8(%rcx), %r8
	mov	CTX_R9(%rcx), %r9
	mov	CTX_R10(%rcx), %r10
	mov	CTX_R11(%rcx), %r11
	mov	CTX_R12(%rcx), %r12
	mov	CTX_R13(%rcx), %r13
	mov	CTX_R14(%rcx), %r14
	mov	CTX_R15(%rcx), %r15
	mov	CTX_RCX(%rcx), %rcx
	popfq
	ret
	.seh_endproc

/* void RtlRaiseException(EXCEPTION_RECORD *) */
#define RAISE_FRAME (0x20 + CTX_SIZE + 8)
	.globl	RtlRaiseException
	.seh_proc RtlRaiseException
RtlRaiseException:
	sub	$RAISE_FRAME, %rsp
	.seh_stackalloc RAISE_FRAME
	.seh_endprologue
	mov	%rcx, RAISE_FRAME + 8(%rsp)
	lea	0x20(%rsp), %rcx
	call	RtlCaptureContext
	lea	0x20(%rsp), %rdx
	mov	RAISE_FRAME + 8(%rsp), %rcx
	mov	RAISE_FRAME(%rsp), %rax
	mov	%rax, CTX_RIP(%rdx)
	mov	%rcx, CTX_RCX(%rdx)
	lea	RAISE_FRAME + 8(%rsp), %rax
	mov	%rax, CTX_RSP(%rdx)
	call	raise_exception
	int3
	.seh_endproc

/*
 * The kernel's way in. RSP -> CONTEXT; below it we build a machine frame, so that a walk of the
 * stack goes from here on to the interrupted code:
 *	rsp+0x00 home space   rsp+0x20 machine frame   rsp+0x50 CONTEXT   rsp+0x540 EXCEPTION_RECORD
 */
#define IN_FRAME 0x50
#define IN_CTX(off) (IN_FRAME + off)
.macro	interrupted_frame
	.seh_pushframe
	.seh_stackalloc 0x20
	.seh_savereg %rbx, IN_CTX(CTX_RBX)
	.seh_savereg %rbp, IN_CTX(CTX_RBP)
	.seh_savereg %rsi, IN_CTX(CTX_RSI)
	.seh_savereg %rdi, IN_CTX(CTX_RDI)
	.seh_savereg %r12, IN_CTX(CTX_R12)
	.seh_savereg %r13, IN_CTX(CTX_R13)
	.seh_savereg %r14, IN_CTX(CTX_R14)
	.seh_savereg %r15, IN_CTX(CTX_R15)
	.seh_savexmm %xmm6, IN_CTX(CTX_XMM(6))
	.seh_savexmm %xmm7, IN_CTX(CTX_XMM(7))
	.seh_savexmm %xmm8, IN_CTX(CTX_XMM(8))
	.seh_savexmm %xmm9, IN_CTX(CTX_XMM(9))
	.seh_savexmm %xmm10, IN_CTX(CTX_XMM(10))
	.seh_savexmm %xmm11, IN_CTX(CTX_XMM(11))
	.seh_savexmm %xmm12, IN_CTX(CTX_XMM(12))
	.seh_savexmm %xmm13, IN_CTX(CTX_XMM(13))
	.seh_savexmm %xmm14, IN_CTX(CTX_XMM(14))
	.seh_savexmm %xmm15, IN_CTX(CTX_XMM(15))
	.seh_endprologue
	sub	$IN_FRAME, %rsp
	mov	IN_CTX(CTX_RIP)(%rsp), %rax
	mov	%rax, 0x20(%rsp)
	mov	IN_CTX(CTX_RSP)(%rsp), %rax
	mov	%rax, 0x38(%rsp)
.endm

	.globl	KiUserExceptionDispatcher
	.seh_proc KiUserExceptionDispatcher
KiUserExceptionDispatcher:
	interrupted_frame
	cld
	lea	0x4f0 + IN_FRAME(%rsp), %rcx
	lea	IN_FRAME(%rsp), %rdx
	call	dispatch_and_continue /* does not return */
	int3
	.seh_endproc

	.globl	KiUserApcDispatcher
	.seh_proc KiUserApcDispatcher
KiUserApcDispatcher:
	interrupted_frame
	mov	IN_CTX(0x00)(%rsp), %rcx
	mov	IN_CTX(0x08)(%rsp), %rdx
	mov	IN_CTX(0x10)(%rsp), %r8
	lea	IN_FRAME(%rsp), %r9
	call	*IN_CTX(0x18)(%rsp)
	lea	IN_FRAME(%rsp), %rcx
	mov	$1, %edx
	call	NtContinue
	mov	%eax, %ecx
	call	RtlRaiseStatus
	int3
	.seh_endproc

	.globl	KiRaiseUserExceptionDispatcher
	.seh_proc KiRaiseUserExceptionDispatcher
KiRaiseUserExceptionDispatcher:
	sub	$0x28, %rsp
	.seh_stackalloc 0x28
	.seh_endprologue
	mov	%gs:0x30, %rax
	mov	0x2c0(%rax), %ecx
	call	RtlRaiseStatus
	add	$0x28, %rsp
	ret
	.seh_endproc

/*
 * (record, frame, context, dispatcher context): call dispatcher->LanguageHandler. The dispatcher
 * context is kept at frame+0x20, where the handlers of these two frames find it.
 */
.macro	execute_handler name, handler
	.globl	\name
	.seh_proc \name
	.seh_handler \handler, @except, @unwind
\name:
	sub	$0x28, %rsp
	.seh_stackalloc 0x28
	.seh_endprologue
	mov	%r9, 0x20(%rsp)
	call	*DC_HANDLER(%r9)
	nop
	add	$0x28, %rsp
	ret
	.seh_endproc
.endm
	execute_handler execute_handler_for_exception, nested_exception_handler
	execute_handler execute_handler_for_unwind, collided_unwind_handler

/* Calls f(arg) of a consolidated unwind on the stack of the target frame: (ctx, f, record) */
	.globl	call_consolidate
	.seh_proc call_consolidate
call_consolidate:
	.seh_pushframe
	.seh_stackalloc 0x20
	.seh_savereg %rbx, IN_CTX(CTX_RBX)
	.seh_savereg %rbp, IN_CTX(CTX_RBP)
	.seh_savereg %rsi, IN_CTX(CTX_RSI)
	.seh_savereg %rdi, IN_CTX(CTX_RDI)
	.seh_savereg %r12, IN_CTX(CTX_R12)
	.seh_savereg %r13, IN_CTX(CTX_R13)
	.seh_savereg %r14, IN_CTX(CTX_R14)
	.seh_savereg %r15, IN_CTX(CTX_R15)
	.seh_savexmm %xmm6, IN_CTX(CTX_XMM(6))
	.seh_savexmm %xmm7, IN_CTX(CTX_XMM(7))
	.seh_savexmm %xmm8, IN_CTX(CTX_XMM(8))
	.seh_savexmm %xmm9, IN_CTX(CTX_XMM(9))
	.seh_savexmm %xmm10, IN_CTX(CTX_XMM(10))
	.seh_savexmm %xmm11, IN_CTX(CTX_XMM(11))
	.seh_savexmm %xmm12, IN_CTX(CTX_XMM(12))
	.seh_savexmm %xmm13, IN_CTX(CTX_XMM(13))
	.seh_savexmm %xmm14, IN_CTX(CTX_XMM(14))
	.seh_savexmm %xmm15, IN_CTX(CTX_XMM(15))
	.seh_endprologue
	/* a copy of the context below us, laid out as interrupted_frame wants it */
	sub	$(IN_FRAME + CTX_SIZE + 0x38), %rsp
	and	$-16, %rsp
	mov	%rdx, %rbx
	mov	%r8, %r14
	mov	%rcx, %rsi
	lea	IN_FRAME(%rsp), %rdi
	mov	$(CTX_SIZE / 8), %ecx
	cld
	rep movsq
	mov	IN_CTX(CTX_RIP)(%rsp), %rax
	mov	%rax, 0x20(%rsp)
	mov	IN_CTX(CTX_RSP)(%rsp), %rax
	mov	%rax, 0x38(%rsp)
	mov	%r14, %rcx
	call	*%rbx
	lea	IN_FRAME(%rsp), %rcx
	mov	%rax, CTX_RIP(%rcx)
	call	restore_registers
	int3
	.seh_endproc

/*
 * void RtlUserThreadStart(start, argument): first frame of every thread, its last handler. The stack
 * is aligned here, whatever it was made with, and the return address is 0, where walks end.
 */
	.globl	RtlUserThreadStart
	.seh_proc RtlUserThreadStart
	.seh_handler thread_start_handler, @except
RtlUserThreadStart:
	.seh_stackalloc 0x38
	.seh_endprologue
	and	$-16, %rsp
	sub	$0x40, %rsp
	movq	$0, 0x38(%rsp)
	call	*guard_check_own(%rip)
	mov	%rcx, %rax
	mov	%rdx, %rcx
	xor	%ebp, %ebp
	call	*%rax
	mov	%eax, %ecx
	call	RtlExitUserThread
	int3
	.seh_endproc

/*
 * ULONG guarded_call(f, arg, filter): f(arg) with an exception filter around it, called as
 * filter(EXCEPTION_POINTERS *, arg); a NULL filter takes all. Returns 0, or the exception's code:
 * guarded_call_handler (except.c) continues at guarded_call_failed with it in RAX.
 */
	.globl	guarded_call
	.globl	guarded_call_failed
	.seh_proc guarded_call
	.seh_handler guarded_call_handler, @except
guarded_call:
	sub	$0x38, %rsp
	.seh_stackalloc 0x38
	.seh_endprologue
	mov	%rdx, 0x20(%rsp)
	mov	%r8, 0x28(%rsp)
	mov	%rcx, %rax
	mov	%rdx, %rcx
	call	*%rax
	xor	%eax, %eax
guarded_call_failed:
	add	$0x38, %rsp
	ret
	.seh_endproc

/* BOOL NtmmTouch(const void *p, BOOL write): can the byte be read, or read and written back? */
	.globl	NtmmTouch
	.globl	touch_failed
	.seh_proc NtmmTouch
	.seh_handler touch_handler, @except
NtmmTouch:
	sub	$0x28, %rsp
	.seh_stackalloc 0x28
	.seh_endprologue
	test	%edx, %edx
	jnz	1f
	movzbl	(%rcx), %eax
	jmp	2f
1:	lock orb $0, (%rcx)
2:	mov	$1, %eax
	add	$0x28, %rsp
	ret
touch_failed:
	xor	%eax, %eax
	add	$0x28, %rsp
	ret
	.seh_endproc

	.globl	DbgBreakPoint
	.seh_proc DbgBreakPoint
DbgBreakPoint:
	.seh_endprologue
	int3
	ret
	.seh_endproc

	.globl	DbgUserBreakPoint
	.seh_proc DbgUserBreakPoint
DbgUserBreakPoint:
	.seh_endprologue
	int3
	ret
	.seh_endproc

/* int _setjmp(_JUMP_BUFFER *, frame): layout of setjmp.h; longjmp is in unwindex.c. */
	.globl	_setjmp
	.globl	_setjmpex
	.seh_proc _setjmp
_setjmp:
_setjmpex:
	.seh_endprologue
	mov	%rdx, 0x00(%rcx)
	mov	%rbx, 0x08(%rcx)
	lea	8(%rsp), %rax
	mov	%rax, 0x10(%rcx)
	mov	%rbp, 0x18(%rcx)
	mov	%rsi, 0x20(%rcx)
	mov	%rdi, 0x28(%rcx)
	mov	%r12, 0x30(%rcx)
	mov	%r13, 0x38(%rcx)
	mov	%r14, 0x40(%rcx)
	mov	%r15, 0x48(%rcx)
	mov	(%rsp), %rax
	mov	%rax, 0x50(%rcx)
	stmxcsr	0x58(%rcx)
	fnstcw	0x5c(%rcx)
	movaps	%xmm6, 0x60(%rcx)
	movaps	%xmm7, 0x70(%rcx)
	movaps	%xmm8, 0x80(%rcx)
	movaps	%xmm9, 0x90(%rcx)
	movaps	%xmm10, 0xa0(%rcx)
	movaps	%xmm11, 0xb0(%rcx)
	movaps	%xmm12, 0xc0(%rcx)
	movaps	%xmm13, 0xd0(%rcx)
	movaps	%xmm14, 0xe0(%rcx)
	movaps	%xmm15, 0xf0(%rcx)
	xor	%eax, %eax
	ret
	.seh_endproc
