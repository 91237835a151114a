/*
 * _setjmp(buffer, frame) and the second half of longjmp.
 *
 * The buffer is Windows' _JUMP_BUFFER. A frame of zero makes longjmp restore the registers alone;
 * otherwise it unwinds to the frame first (longjmp.c).
 */
#define JB_FRAME 0x00
#define JB_RBX	 0x08
#define JB_RSP	 0x10
#define JB_RBP	 0x18
#define JB_RSI	 0x20
#define JB_RDI	 0x28
#define JB_R12	 0x30
#define JB_R13	 0x38
#define JB_R14	 0x40
#define JB_R15	 0x48
#define JB_RIP	 0x50
#define JB_MXCSR 0x58
#define JB_FPCSR 0x5C
#define JB_XMM6	 0x60

	.text

/* int _setjmp(jmp_buf rcx, void *rdx) */
	.globl	_setjmp
	.globl	_setjmpex
	.globl	setjmp
	.def	_setjmp; .scl 2; .type 32; .endef
	.def	_setjmpex; .scl 2; .type 32; .endef
	.def	setjmp; .scl 2; .type 32; .endef
	.seh_proc _setjmp
_setjmp:
_setjmpex:
setjmp:
	.seh_endprologue
	movq	%rdx, JB_FRAME(%rcx)
	movq	%rbx, JB_RBX(%rcx)
	leaq	8(%rsp), %rax
	movq	%rax, JB_RSP(%rcx)
	movq	%rbp, JB_RBP(%rcx)
	movq	%rsi, JB_RSI(%rcx)
	movq	%rdi, JB_RDI(%rcx)
	movq	%r12, JB_R12(%rcx)
	movq	%r13, JB_R13(%rcx)
	movq	%r14, JB_R14(%rcx)
	movq	%r15, JB_R15(%rcx)
	movq	(%rsp), %rax
	movq	%rax, JB_RIP(%rcx)
	stmxcsr	JB_MXCSR(%rcx)
	fnstcw	JB_FPCSR(%rcx)
	movdqa	%xmm6, JB_XMM6 + 0x00(%rcx)
	movdqa	%xmm7, JB_XMM6 + 0x10(%rcx)
	movdqa	%xmm8, JB_XMM6 + 0x20(%rcx)
	movdqa	%xmm9, JB_XMM6 + 0x30(%rcx)
	movdqa	%xmm10, JB_XMM6 + 0x40(%rcx)
	movdqa	%xmm11, JB_XMM6 + 0x50(%rcx)
	movdqa	%xmm12, JB_XMM6 + 0x60(%rcx)
	movdqa	%xmm13, JB_XMM6 + 0x70(%rcx)
	movdqa	%xmm14, JB_XMM6 + 0x80(%rcx)
	movdqa	%xmm15, JB_XMM6 + 0x90(%rcx)
	xorl	%eax, %eax
	ret
	.seh_endproc

/* void crt_jump(const jmp_buf rcx, int edx): restores everything and returns edx from _setjmp. */
	.globl	crt_jump
	.def	crt_jump; .scl 2; .type 32; .endef
	.seh_proc crt_jump
crt_jump:
	.seh_endprologue
	movl	%edx, %eax
	movq	JB_RBX(%rcx), %rbx
	movq	JB_RBP(%rcx), %rbp
	movq	JB_RSI(%rcx), %rsi
	movq	JB_RDI(%rcx), %rdi
	movq	JB_R12(%rcx), %r12
	movq	JB_R13(%rcx), %r13
	movq	JB_R14(%rcx), %r14
	movq	JB_R15(%rcx), %r15
	ldmxcsr	JB_MXCSR(%rcx)
	fldcw	JB_FPCSR(%rcx)
	movdqa	JB_XMM6 + 0x00(%rcx), %xmm6
	movdqa	JB_XMM6 + 0x10(%rcx), %xmm7
	movdqa	JB_XMM6 + 0x20(%rcx), %xmm8
	movdqa	JB_XMM6 + 0x30(%rcx), %xmm9
	movdqa	JB_XMM6 + 0x40(%rcx), %xmm10
	movdqa	JB_XMM6 + 0x50(%rcx), %xmm11
	movdqa	JB_XMM6 + 0x60(%rcx), %xmm12
	movdqa	JB_XMM6 + 0x70(%rcx), %xmm13
	movdqa	JB_XMM6 + 0x80(%rcx), %xmm14
	movdqa	JB_XMM6 + 0x90(%rcx), %xmm15
	movq	JB_RSP(%rcx), %rsp
	jmp	*JB_RIP(%rcx)
	.seh_endproc
