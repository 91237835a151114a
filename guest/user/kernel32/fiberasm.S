/*
 * void switch_stacks(struct fiber *from, struct fiber *to)
 *
 * Saves the calling fiber's registers on its stack and its TEB stack fields in `from`, then takes
 * those of `to`. Offsets are struct fiber's (fiber.c) and the TEB's.
 */
#define FIBER_BASE    0x10
#define FIBER_LIMIT   0x18
#define FIBER_DEALLOC 0x20
#define FIBER_RSP     0x28
#define FIBER_FLS     0x30
#define FIBER_GUARANTEED 0x38

#define TEB_BASE       0x08
#define TEB_LIMIT      0x10
#define TEB_FIBER      0x20
#define TEB_DEALLOC    0x1478
#define TEB_GUARANTEED 0x1748
#define TEB_FLS	       0x17c8

#define XMM_SPACE 0xb8 /* ten registers, MXCSR, control word; keeps 16-byte alignment */

	.text
	.globl	switch_stacks
	.seh_proc switch_stacks
switch_stacks:
	push	%rbx
	.seh_pushreg %rbx
	push	%rbp
	.seh_pushreg %rbp
	push	%rsi
	.seh_pushreg %rsi
	push	%rdi
	.seh_pushreg %rdi
	push	%r12
	.seh_pushreg %r12
	push	%r13
	.seh_pushreg %r13
	push	%r14
	.seh_pushreg %r14
	push	%r15
	.seh_pushreg %r15
	sub	$XMM_SPACE, %rsp
	.seh_stackalloc XMM_SPACE
	.seh_endprologue
	movaps	%xmm6, 0x00(%rsp)
	movaps	%xmm7, 0x10(%rsp)
	movaps	%xmm8, 0x20(%rsp)
	movaps	%xmm9, 0x30(%rsp)
	movaps	%xmm10, 0x40(%rsp)
	movaps	%xmm11, 0x50(%rsp)
	movaps	%xmm12, 0x60(%rsp)
	movaps	%xmm13, 0x70(%rsp)
	movaps	%xmm14, 0x80(%rsp)
	movaps	%xmm15, 0x90(%rsp)
	stmxcsr	0xa0(%rsp)
	fnstcw	0xa8(%rsp)

	mov	%gs:0x30, %rax
	mov	TEB_BASE(%rax), %r8
	mov	%r8, FIBER_BASE(%rcx)
	mov	TEB_LIMIT(%rax), %r8
	mov	%r8, FIBER_LIMIT(%rcx)
	mov	TEB_DEALLOC(%rax), %r8
	mov	%r8, FIBER_DEALLOC(%rcx)
	mov	TEB_FLS(%rax), %r8
	mov	%r8, FIBER_FLS(%rcx)
	mov	TEB_GUARANTEED(%rax), %r8d
	mov	%r8d, FIBER_GUARANTEED(%rcx)
	mov	%rsp, FIBER_RSP(%rcx)

	mov	FIBER_BASE(%rdx), %r8
	mov	%r8, TEB_BASE(%rax)
	mov	FIBER_LIMIT(%rdx), %r8
	mov	%r8, TEB_LIMIT(%rax)
	mov	FIBER_DEALLOC(%rdx), %r8
	mov	%r8, TEB_DEALLOC(%rax)
	mov	FIBER_FLS(%rdx), %r8
	mov	%r8, TEB_FLS(%rax)
	mov	FIBER_GUARANTEED(%rdx), %r8d
	mov	%r8d, TEB_GUARANTEED(%rax)
	mov	%rdx, TEB_FIBER(%rax)
	mov	FIBER_RSP(%rdx), %rsp

	movaps	0x00(%rsp), %xmm6
	movaps	0x10(%rsp), %xmm7
	movaps	0x20(%rsp), %xmm8
	movaps	0x30(%rsp), %xmm9
	movaps	0x40(%rsp), %xmm10
	movaps	0x50(%rsp), %xmm11
	movaps	0x60(%rsp), %xmm12
	movaps	0x70(%rsp), %xmm13
	movaps	0x80(%rsp), %xmm14
	movaps	0x90(%rsp), %xmm15
	ldmxcsr	0xa0(%rsp)
	fldcw	0xa8(%rsp)
	add	$XMM_SPACE, %rsp
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	ret
	.seh_endproc

/* A new fiber's first return leads here, with its start routine in R12: never returns. */
	.globl	fiber_entry
	.seh_proc fiber_entry
fiber_entry:
	.seh_stackalloc 0x28
	.seh_endprologue
	mov	%r12, %rcx
	call	run_fiber
	int3
	.seh_endproc
