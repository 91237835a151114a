/*
 * System call stubs, one a row of guest/include/syscalls.def; the row's position is its number.
 * The bytes are those of Windows' stubs (mov r10, rcx; mov eax, N; syscall; ret), because tools
 * read the number out of them.
 */
	.text
	.set	number, 0
#define SYSCALL(name, nargs)                                                                       \
	.globl name;                                                                               \
	.p2align 4;                                                                                \
	.seh_proc name;                                                                            \
name:	.seh_endprologue;                                                                          \
	.byte 0x4c, 0x8b, 0xd1;                                                                    \
	.byte 0xb8;                                                                                \
	.long number;                                                                              \
	syscall;                                                                                   \
	ret;                                                                                       \
	.seh_endproc;                                                                              \
	.set number, number + 1;
#include "guest/include/syscalls.def"
