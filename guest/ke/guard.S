/*
 * u64 guard_call(u64 fn, const u64 args[4], u64 *save_rsp): a call that an exception can end. The
 * trap handler sets RSP to what was saved and RIP to guard_fault; RAX is then 0.
 */
	.text
	.global guard_call, guard_fault
guard_call:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdx)
	mov %rdi, %rax
	mov %rsi, %r10
	mov (%r10), %rdi
	mov 8(%r10), %rsi
	mov 16(%r10), %rdx
	mov 24(%r10), %rcx
	sub $8, %rsp
	call *%rax
	add $8, %rsp
	jmp 1f
guard_fault:
	xor %eax, %eax
	cld
1:	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret
