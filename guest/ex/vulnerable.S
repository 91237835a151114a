/*
 * Stores of every kind, for the vulnerable driver interface: void store_FORM(void *to, u64 value),
 * one instruction that writes `to` in each. Reached only through guarded calls.
 */
	.text
	.macro FORM name
	.global store_\name
store_\name:
	.endm
FORM b
	movb %sil, (%rdi)
	ret
FORM w
	movw %si, (%rdi)
	ret
FORM d
	movl %esi, (%rdi)
	ret
FORM q
	movq %rsi, (%rdi)
	ret
FORM stosb /* 16 bytes */
	mov %rsi, %rax
	mov $16, %ecx
	rep stosb
	ret
FORM stosq /* 4 quadwords */
	mov %rsi, %rax
	mov $4, %ecx
	rep stosq
	ret
FORM movsb /* 16 bytes of the value, twice */
	push %rsi
	push %rsi
	mov %rsp, %rsi
	mov $16, %ecx
	rep movsb
	add $16, %rsp
	ret
FORM push
	pushfq
	cli
	mov %rsp, %rax
	lea 8(%rdi), %rsp
	push %rsi
	mov %rax, %rsp
	popfq
	ret
FORM xchg
	xchg %rsi, (%rdi)
	mov %rsi, %rax
	ret
FORM xadd
	lock xadd %rsi, (%rdi)
	mov %rsi, %rax
	ret
FORM add
	addq %rsi, (%rdi)
	ret
FORM or
	lock orl %esi, (%rdi)
	ret
FORM cmpxchg
	mov (%rdi), %rax
	lock cmpxchg %rsi, (%rdi)
	ret
FORM movups
	movq %rsi, %xmm0
	punpcklqdq %xmm0, %xmm0
	movups %xmm0, (%rdi)
	ret
FORM bts
	btsq %rsi, (%rdi)
	ret
	.global store_back
store_back: /* 16 bytes, downwards from `to` + 15 */
	mov %rsi, %rax
	mov $16, %ecx
	add $15, %rdi
	std
	rep stosb
	cld
	ret
	.global vulnerable_read
vulnerable_read: /* (to, from, bytes) */
	mov %rdx, %rcx
	rep movsb
	mov $1, %eax
	ret

	.global vulnerable_wrmsr
vulnerable_wrmsr: /* (index, value) */
	mov %edi, %ecx
	mov %esi, %eax
	mov %rsi, %rdx
	shr $32, %rdx
	wrmsr
	ret

	.section .rodata
	.align 8
	.global store_forms, store_forms_end
store_forms:
	.quad store_b, store_w, store_d, store_q, store_stosb, store_stosq, store_movsb, store_push
	.quad store_xchg, store_xadd, store_add, store_or, store_cmpxchg, store_movups, store_bts
	.quad store_back
store_forms_end:
