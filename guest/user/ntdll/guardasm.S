/*
 * The checks of Control Flow Guard. They change R10, R11 and the flags only: what is called gets
 * every argument as the caller left it. A read that faults between guard_code and guard_code_end is
 * a target outside the bitmap (guard.c).
 */
#define FAST_FAIL_GUARD_ICALL_CHECK_FAILURE 10

	.text
	.globl	guard_code, guard_code_end
guard_code:

/* Bits 2n and 2n+1 of the bitmap tell of addresses 16n to 16n+15; a 64-bit word of 512 bytes. */
.macro	look_up target, low
	mov	guard_bitmap(%rip), %r11
	mov	\target, %r10
	shr	$9, %r10
	mov	(%r11,%r10,8), %r11
	mov	\target, %r10
	shr	$3, %r10
	test	$15, \low
	jnz	1f
	bt	%r10, %r11
	jnc	guard_failed
	jmp	2f
1:	and	$-2, %r10 /* not the first byte: both bits */
	bt	%r10, %r11
	jnc	guard_failed
	or	$1, %r10
	bt	%r10, %r11
	jnc	guard_failed
2:
.endm

/* RCX: the address to be called */
	.globl	guard_check
guard_check:
	look_up	%rcx, %cl
	ret

/* RAX: the address, called by a jump */
	.globl	guard_dispatch
guard_dispatch:
	look_up	%rax, %al
	jmp	*%rax

guard_code_end:

	.globl	guard_failed
guard_failed:
	mov	$FAST_FAIL_GUARD_ICALL_CHECK_FAILURE, %ecx
	int	$0x29

	.globl	guard_nothing
guard_nothing:
	ret
