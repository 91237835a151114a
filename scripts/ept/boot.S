/*
 * boot: the first eight sectors of the EPT leg's disk. Loads the two pieces that follow it there, an
 * unpacked Linux kernel and an initial file system, and enters the kernel as Xen's "x86/HVM direct
 * boot ABI" says, which spares the machine both a boot loader and the kernel's own decompressor.
 *
 *   disk     | this | kernel, flat, as it lies in memory | initial file system |
 *   0x00600  the memory map of the BIOS, 24 bytes an entry
 *   0x07c00  this, and the stack below it
 *   0x10000  what the BIOS reads, 32 KB at a time; from there it is copied up
 *   KERNEL_AT, INITRD_AT  where the pieces go, above 1 MB
 *
 * The BIOS reads below 1 MB and in real mode. Copying up needs 32-bit addresses: segment limits of
 * 4 GB stay in force after a visit to protected mode ("unreal mode").
 *
 * scripts/ept/image defines KERNEL_LBA, KERNEL_SECTORS, KERNEL_AT, KERNEL_ENTRY, INITRD_LBA,
 * INITRD_SECTORS, INITRD_AT, INITRD_BYTES and COMMAND_LINE.
 */
#define BOOT_SECTORS  8
#define BOUNCE	      0x10000
#define CHUNK_SECTORS 64
#define SECTOR	      512
#define MEMORY_MAP    0x600
#define MAX_MAP	      64 /* entries */
#define MAP_ENTRY     24

#define START_MAGIC 0x336ec578 /* Xen public headers: hvm/start_info.h */
#define SMAP	    0x534d4150
#define DEBUG_PORT  0xe9

#define SEL_CODE 0x08
#define SEL_DATA 0x10

	.code16
	.text
	.globl _start
_start:
	ljmp	$0, $1f
1:	cli
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movw	$_start, %sp
	sti
	cld
	movb	%dl, drive
	movw	$packet, %si		/* the rest of this */
	movb	$0x42, %ah
	int	$0x13
	jc	no_disk
	jmp	stage2

no_disk:
	movw	$no_disk_text, %si
/* Prints the text at %si on the emulator's debug port and stops. */
fail:
	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, $DEBUG_PORT
	jmp	fail
2:	cli
	hlt
	jmp	2b

no_disk_text: .asciz "boot: the disk cannot be read\n"
no_map_text:  .asciz "boot: the BIOS has no memory map\n"
drive:	.byte	0

	.balign	4
packet:				/* of INT 13h, function 42h */
	.byte	16, 0
packet_sectors:
	.word	BOOT_SECTORS - 1
packet_offset:
	.word	_start + SECTOR
packet_segment:
	.word	0
packet_lba:
	.long	1, 0

	.org	510
	.word	0xaa55

/* ---- the second sector on ---- */

stage2:
	movw	$0x2401, %ax		/* address line 20, by the BIOS and by hand */
	int	$0x15
	inb	$0x92, %al
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92

	movl	$KERNEL_LBA, %eax
	movl	$KERNEL_SECTORS, %ecx
	movl	$KERNEL_AT, %edi
	call	load
	movl	$INITRD_LBA, %eax
	movl	$INITRD_SECTORS, %ecx
	movl	$INITRD_AT, %edi
	call	load
	call	memory_map

	cli
	lgdt	gdt_register
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	ljmpl	$SEL_CODE, $enter

/* %ecx sectors from %eax on, to %edi. */
load:
	movl	%eax, packet_lba
	movw	$BOUNCE >> 4, packet_segment
	movw	$0, packet_offset
3:	movl	%ecx, %edx
	cmpl	$CHUNK_SECTORS, %edx
	jbe	4f
	movl	$CHUNK_SECTORS, %edx
4:	movw	%dx, packet_sectors
	pushal
	movw	$packet, %si
	movb	$0x42, %ah
	movb	drive, %dl
	int	$0x13
	jc	no_disk
	call	flat_segments
	popal
	pushl	%ecx
	movl	$BOUNCE, %esi
	movl	%edx, %ecx
	shll	$7, %ecx		/* sectors in units of 4 bytes */
	addr32 rep movsl
	popl	%ecx
	addl	%edx, packet_lba
	subl	%edx, %ecx
	jnz	3b
	ret

/* %ds and %es: base 0 and a limit of 4 GB, though in real mode. */
flat_segments:
	cli
	lgdt	gdt_register
	movl	%cr0, %eax
	orl	$1, %eax
	movl	%eax, %cr0
	movw	$SEL_DATA, %bx
	movw	%bx, %ds
	movw	%bx, %es
	andl	$~1, %eax
	movl	%eax, %cr0
	xorw	%bx, %bx
	movw	%bx, %ds
	movw	%bx, %es
	sti
	ret

/* The BIOS has entries of 20 bytes in the order the kernel wants them, which adds 4 of padding. */
memory_map:
	xorl	%ebx, %ebx
	movw	$MEMORY_MAP, %di
5:	movl	$0xe820, %eax
	movl	$SMAP, %edx
	movl	$20, %ecx
	movl	$0, 20(%di)
	int	$0x15
	jc	6f
	cmpl	$SMAP, %eax
	jne	6f
	incl	map_entries
	addw	$MAP_ENTRY, %di
	cmpl	$MAX_MAP, map_entries
	jae	6f
	testl	%ebx, %ebx
	jnz	5b
6:	cmpl	$0, map_entries
	je	7f
	ret
7:	movw	$no_map_text, %si
	jmp	fail

	.code32
enter:
	movw	$SEL_DATA, %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %ss
	movl	$start_info, %ebx
	movl	$KERNEL_ENTRY, %eax
	jmp	*%eax

	.balign	8
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* code, 32 bits, 4 GB */
	.quad	0x00cf93000000ffff	/* data, 4 GB */
gdt_register:
	.word	. - gdt - 1
	.long	gdt

	.balign	8
start_info:
	.long	START_MAGIC, 1, 0, 1	/* magic, version, flags, modules */
	.quad	module, command_line
	.quad	0			/* ACPI: the kernel looks for itself */
	.quad	MEMORY_MAP
map_entries:
	.long	0, 0
module:
	.quad	INITRD_AT, INITRD_BYTES, 0, 0
command_line:
	.asciz	COMMAND_LINE

	.org	BOOT_SECTORS * SECTOR
