/*
 * A PVH guest without a kernel: prints a line on the serial port, then two by string OUT, says what
 * it found in the boot information and ends with exit code 7 by the hypercall port.
 */
#define SERIAL	  0x3f8
#define HYPERCALL 0x6e74
#define HC_EXIT	  1

	.section .note.pvh, "a", @note
	.long 4, 4, 18
	.asciz "Xen"
	.long start

	.section .text, "ax"
	.code32
	.globl start
start:
	cld
	movl $stack_top, %esp
	cmpl $0x336ec578, (%ebx)
	jne bad
	movl $hello, %esi
	movl $hello_len, %ecx
	movw $SERIAL, %dx
	rep outsb
	movl 24(%ebx), %esi	/* command line */
1:	lodsb
	testb %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	movb $'\n', %al
	outb %al, %dx
	xorl %edi, %edi
	movl $7, %edi
	jmp out
bad:
	movl $99, %edi
out:
	movl $HC_EXIT, %eax
	movw $HYPERCALL, %dx
	outl %eax, %dx
	hlt

	.section .rodata, "a"
hello:	.ascii "hello from the guest\ncommand line: "
	.set hello_len, . - hello

	.section .bss, "aw", @nobits
	.skip 4096
stack_top:
