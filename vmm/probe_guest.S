/*
 * The probe guest: a few instructions whose outcome tells a fit KVM from an unfit one. probe.c
 * copies it to PROBE_CODE, builds tables around it and starts it at CPL 0 in 64-bit mode. It reports
 * by 32-bit OUTs: the port says which test, EAX what was seen.
 */
#include "vmm/probe_guest.h"

	.section .rodata
	.globl probe_guest, probe_guest_end, probe_int, probe_page_fault, probe_unexpected
	.code64

.macro report port
	movw $PROBE_PORT + \port, %dx
	outl %eax, %dx
.endm

probe_guest:
	/* A timed loop: two instructions an iteration. */
	xorl %eax, %eax
	report PROBE_ALU_START
	movl $PROBE_ALU_LOOPS, %ecx
1:	decl %ecx
	jnz 1b
	report PROBE_ALU

	/* CMPXCHG16B: 16 zero bytes become 0x55, which ZF tells. */
	xorl %eax, %eax
	xorl %edx, %edx
	xorl %ecx, %ecx
	movl $0x55, %ebx
	movl $PROBE_DATA, %esi
	cmpxchg16b (%rsi)
	setz %al
	movzbl %al, %eax
	shll $8, %eax
	orb (%rsi), %al
	report PROBE_CMPXCHG16B

	/* An instruction fetch from a page without execute permission. */
	movl $PROBE_NX, %r14d
	leaq 2f(%rip), %r15
	movl $PROBE_NX_PAGE, %eax
	jmp *%rax
2:
	/* A supervisor write to a read-only page with CR0.WP set. */
	movl $PROBE_WP, %r14d
	leaq 3f(%rip), %r15
	movl $PROBE_RO_PAGE, %ecx
	movb $1, (%rcx)
3:
	/* To CPL 3 by IRETQ and back by INT. */
	leaq user_int(%rip), %rax
	pushq $PROBE_USER_DS
	pushq $PROBE_USER_STACK
	pushq $2
	pushq $PROBE_USER_CS
	pushq %rax
	iretq
user_int:
	movl %cs, %eax
	int $PROBE_VECTOR
probe_int:			/* CS from the frame in the upper half, CS as user mode saw it below */
	movl 8(%rsp), %ecx
	shll $16, %ecx
	orl %ecx, %eax
	report PROBE_INT

	/* To CPL 3 by SYSRET and back by SYSCALL. */
	movl $0xc0000081, %ecx	/* STAR */
	xorl %eax, %eax
	movl $PROBE_STAR_HIGH, %edx
	wrmsr
	movl $0xc0000082, %ecx	/* LSTAR */
	leaq on_syscall(%rip), %rax
	xorl %edx, %edx
	wrmsr
	movl $0xc0000084, %ecx	/* SFMASK */
	xorl %eax, %eax
	wrmsr
	leaq user_syscall(%rip), %rcx
	movl $2, %r11d
	movl $PROBE_USER_STACK, %esp
	sysretq
user_syscall:
	movl %cs, %eax
	syscall
on_syscall:
	movl $PROBE_STACK, %esp
	movl %cs, %ecx
	shll $16, %ecx
	orl %ecx, %eax
	report PROBE_SYSCALL
	report PROBE_DONE
	hlt

/* Reports the error code for the test in R14 and goes on at R15. */
probe_page_fault:
	popq %rax
	movw $PROBE_PORT, %dx
	addw %r14w, %dx
	outl %eax, %dx
	movq %r15, (%rsp)
	iretq

probe_unexpected:
	report PROBE_UNEXPECTED
	hlt
probe_guest_end:
	.section .note.GNU-stack, "", @progbits
