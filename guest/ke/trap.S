/*
 * Entries and exits: exceptions and interrupts (one stub a vector, then trap_common), SYSCALL, the
 * context switch, the return to user mode. The frame is struct ktrap_frame (ke/cpu.h); KPCR offsets
 * too.
 *
 * SWAPGS is done exactly when the saved CS says user mode. NMI, #DF and #MC have stacks of their own
 * (IST) and end in a bug check, so a wrong GS inside the few instructions around SYSCALL/SYSRET does
 * not matter to them: they load it anew.
 */
	.text
	.macro SAVE_REGS
	push %rax
	push %rcx
	push %rdx
	push %rbx
	push %rbp
	push %rsi
	push %rdi
	push %r8
	push %r9
	push %r10
	push %r11
	push %r12
	push %r13
	push %r14
	push %r15
	.endm
	.macro RESTORE_REGS
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %r11
	pop %r10
	pop %r9
	pop %r8
	pop %rdi
	pop %rsi
	pop %rbp
	pop %rbx
	pop %rdx
	pop %rcx
	pop %rax
	.endm

/* 16 bytes a stub. Vectors 8, 10-14, 17, 21, 29, 30 come with an error code. */
	.align 16
	.global trap_stubs
trap_stubs:
	.set v, 0
	.rept 256
	.align 16
	.if !(v == 8 || (v >= 10 && v <= 14) || v == 17 || v == 21 || v == 29 || v == 30)
	push $0
	.endif
	.if v < 128
	push $v
	.else
	pushq $v
	.endif
	jmp trap_common
	.set v, v + 1
	.endr

/*
 * The same for interrupts under NTMM_FEATURE_REDELIVERS: such a processor keeps the vector it was
 * told to inject, and delivers it a second time, with interrupts off or not, when it is held up
 * before the guest's next exception. So an exception comes first; and a second delivery, which can
 * then only have interrupted a stub at its start, goes back there.
 */
	.align 16
	.global trap_stubs_settled
trap_stubs_settled:
	.set v, 0
	.rept 256
	.align 16
	int $0x3e /* VEC_SETTLE */
	push $0
	pushq $v
	jmp settled
	.set v, v + 1
	.endr
settled:
	push %rax
	lea trap_stubs_settled(%rip), %rax
	sub 24(%rsp), %rax /* RIP */
	neg %rax
	cmp $16*256, %rax
	pop %rax
	jae trap_common
	add $16, %rsp
	.global trap_settle
trap_settle:
	iretq

trap_common:
	SAVE_REGS
	cld
	testb $3, 18*8(%rsp) /* CS */
	jz 1f
	swapgs
1:	cmpl $0, syscall_smap(%rip)
	je 3f
	clac /* an interrupted copy from user memory has it lifted; IRETQ lifts it again */
3:	mov %rsp, %rdi
	xor %ebp, %ebp
	call ke_trap
	.global trap_return
trap_return: /* RSP = frame, interrupts off */
	testb $3, 18*8(%rsp)
	jz 2f
	swapgs
2:	RESTORE_REGS
	add $16, %rsp
	.global trap_iretq
trap_iretq:
	iretq

/*
 * SYSCALL: RCX = RIP, R11 = RFLAGS, EAX = number, R10/RDX/R8/R9 = arguments 1-4. A whole trap frame
 * is made, so that exceptions, context calls and the slow way back find everything; the quick way
 * back restores only what the Win64 convention says a call preserves, by SYSRET.
 */
	.global syscall_entry
	.align 64
syscall_entry:
	swapgs
	mov %rsp, %gs:0x08
	mov %gs:0x10, %rsp
	pushq $0x2b
	pushq %gs:0x08
	push %r11
	pushq $0x33
	push %rcx
	pushq $0   /* error */
	pushq $256 /* vector: none */
	SAVE_REGS
	sti
	lock incq MmCounters+336(%rip) /* .syscalls */
	mov %rsp, %rbx /* frame */
	cld
	cmp syscall_count(%rip), %eax
	jae 8f
	lea syscall_table(%rip), %r11
	shl $4, %eax
	add %rax, %r11
	mov 8(%r11), %eax /* number of stack arguments */
	sub $0x80, %rsp	  /* home space and up to 12 stack arguments */
	test %eax, %eax
	jnz 5f
4:	mov %r10, %rcx
	call *(%r11)
	.global syscall_return
syscall_return: /* RAX = status, RBX = frame */
	mov %rbx, %rsp
	movslq %eax, %rcx
	mov %rcx, 14*8(%rsp) /* RAX */
	cli
	mov %gs:0x18, %rcx
	cmpl $0, 0x08(%rcx) /* KTHREAD.user_pending */
	jne 7f
	mov 14*8(%rsp), %rax
	mov 8*8(%rsp), %rdi
	mov 9*8(%rsp), %rsi
	mov 10*8(%rsp), %rbp
	mov 11*8(%rsp), %rbx
	mov 0*8(%rsp), %r15
	mov 1*8(%rsp), %r14
	mov 2*8(%rsp), %r13
	mov 3*8(%rsp), %r12
	mov 17*8(%rsp), %rcx /* RIP */
	mov 19*8(%rsp), %r11 /* RFLAGS */
	mov 20*8(%rsp), %rsp
	xor %edx, %edx
	xor %r8d, %r8d
	xor %r9d, %r9d
	xor %r10d, %r10d
	swapgs
	sysretq
/* Stack arguments: copied from [user RSP + 0x28], with SMAP lifted; a fault goes to the fix-up. The
 * address was checked against the user limit by adding nothing past the guard strip below it. */
5:	mov 20*8(%rbx), %rsi
	movabs $0x7ffffffeff00, %rdi
	cmp %rdi, %rsi
	ja 8f
	add $0x28, %rsi
	lea 0x20(%rsp), %rdi
	mov syscall_smap(%rip), %r12d
	test %r12d, %r12d
	jz 6f
	stac
6:
syscall_copy:
	mov (%rsi), %r13
	mov %r13, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %eax
	jnz 6b
syscall_copy_end:
	test %r12d, %r12d
	jz 4b
	clac
	jmp 4b
	.global syscall_copy_fault
syscall_copy_fault: /* RAX = status from the fault */
	test %r12d, %r12d
	jz syscall_return
	clac
	jmp syscall_return
8:	mov $0xc000001c, %eax /* STATUS_INVALID_SYSTEM_SERVICE */
	jmp syscall_return
7:	sti
	mov %rsp, %rdi
	call ke_user_return /* returns with interrupts off */
	jmp trap_return
	.section .extable, "a"
	.quad syscall_copy, syscall_copy_end, syscall_copy_fault
	.text

/* void ke_switch(u64 *save_rsp, u64 load_rsp): callee-saved registers and the stack. */
	.global ke_switch
	.align 16
ke_switch:
	push %rbp
	push %rbx
	push %r12
	push %r13
	push %r14
	push %r15
	mov %rsp, (%rdi)
	mov %rsi, %rsp
	pop %r15
	pop %r14
	pop %r13
	pop %r12
	pop %rbx
	pop %rbp
	ret

/* A new thread's first return address: RBX = routine, R12 = argument, R13 = 0. */
	.global ke_thread_start
ke_thread_start:
	call ke_thread_begin
	mov %r12, %rdi
	xor %ebp, %ebp
	call *%rbx
	xor %edi, %edi
	call PsExitKernelThread
	ud2

/* void ke_enter_user(struct ktrap_frame *): never returns; interrupts off on the way. */
	.global ke_enter_user
ke_enter_user:
	cli
	mov %rdi, %rsp
	jmp trap_return

/* NTSTATUS user_copy(void *dst, const void *src, size_t n): one side is user memory, SMAP lifted by
 * the caller; 8 bytes at a time, then the rest. A fault comes back as its status. */
	.global user_copy
	.align 16
user_copy:
user_copy_start:
	mov %rdx, %rcx
	shr $3, %rcx
	jz 2f
1:	mov (%rsi), %rax
	mov %rax, (%rdi)
	add $8, %rsi
	add $8, %rdi
	dec %rcx
	jnz 1b
2:	and $7, %edx
	jz 4f
3:	mov (%rsi), %al
	mov %al, (%rdi)
	inc %rsi
	inc %rdi
	dec %edx
	jnz 3b
4:	xor %eax, %eax
user_copy_end:
user_copy_done:
	ret
	.section .extable, "a"
	.quad user_copy_start, user_copy_end, user_copy_done
	.text

