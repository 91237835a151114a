/*
 * From the PVH entry (32-bit, paging off, EBX = hvm_start_info) to ke_start() in the higher half, and
 * the same for the other CPUs from their real-mode start-up page.
 *
 * The first page tables map the first 16 MB twice: at 0 (until the switch is done) and at KERNEL_VA,
 * with 2 MB pages. mm builds the real ones.
 */
#define KERNEL_VA 0xfffff80000000000
#define PHYS(x) ((x) - KERNEL_VA)
#define EFER 0xc0000080

	.section .note.pvh, "a"
	.align 4
	.long 4f - 1f, 8, 18 /* XEN_ELFNOTE_PHYS32_ENTRY */
1:	.asciz "Xen"
4:	.quad pvh_entry_phys
	.global pvh_entry_phys
	.set pvh_entry_phys, PHYS(pvh_entry)

	.section .init.boot, "ax"
	.code32
	.global pvh_entry
pvh_entry:
	cld
	mov $PHYS(boot_pml4), %eax
	mov %eax, %cr3
	mov %cr4, %eax
	or $0xa0, %eax /* PAE, PGE */
	mov %eax, %cr4
	mov $EFER, %ecx
	rdmsr
	or $0x901, %eax /* SCE, LME, NXE */
	wrmsr
	mov %cr0, %eax
	or $0x80010021, %eax /* PG, WP, NE, PE */
	and $0x9fffffff, %eax /* not CD, NW */
	mov %eax, %cr0
	mov $PHYS(boot_gdt_pointer), %eax
	lgdt (%eax)
	ljmp $0x10, $PHYS(entry64)

	.code64
entry64:
	movabs $1f, %rax
	jmp *%rax
1:	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	movabs $boot_gdt_pointer_high, %rax
	lgdt (%rax)
	lea boot_stack_end(%rip), %rsp
	xor %ebp, %ebp
	mov %ebx, %edi
	call ke_start
	ud2

/* Start-up code of the other CPUs, copied to AP_START (below 64 KB); real mode, CS = AP_START >> 4.
 * The words after ap_data are filled in by ke/smp.c. */
	.global ap_start, ap_start_end, ap_data
	.code16
ap_start:
	cli
	cld
	mov %cs, %ax
	mov %ax, %ds
	lgdtl ap_gdt_pointer - ap_start
	mov %cr4, %eax
	or $0xa0, %eax
	mov %eax, %cr4
	mov ap_data - ap_start, %eax /* boot page tables */
	mov %eax, %cr3
	mov $EFER, %ecx
	rdmsr
	or $0x901, %eax
	wrmsr
	mov $0x80010031, %eax
	mov %eax, %cr0
	ljmpl *ap_far - ap_start
	.align 8
ap_gdt_pointer:
	.word 0x1f
ap_gdt_base:
	.long PHYS(boot_gdt)
ap_far:
	.long PHYS(ap_entry64)
	.word 0x10
	.align 8
ap_data:
	.long PHYS(boot_pml4)
ap_start_end:

	.code64
ap_entry64:
	movabs $1f, %rax
	jmp *%rax
1:	mov $0x18, %eax
	mov %eax, %ds
	mov %eax, %es
	mov %eax, %ss
	xor %eax, %eax
	mov %eax, %fs
	mov %eax, %gs
	mov mm_system_pml4(%rip), %eax
	shl $12, %rax
	mov %rax, %cr3 /* the stack is not in the boot tables */
	mov ke_ap_stack(%rip), %rsp
	xor %ebp, %ebp
	call ke_ap_main
	ud2

	.section .rodata
	.align 8
boot_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff /* 0x10 kernel code */
	.quad 0x00cf93000000ffff /* 0x18 kernel data */
boot_gdt_pointer:
	.word 0x1f
	.long PHYS(boot_gdt)
	.align 8
boot_gdt_pointer_high:
	.word 0x1f
	.quad boot_gdt

	.data
	.align 4096
	.global boot_pml4
boot_pml4:
	.quad PHYS(boot_pdpt) + 3
	.fill 495, 8, 0
	.quad PHYS(boot_pdpt) + 3 /* 0x1f0: 0xfffff800_00000000 */
	.fill 15, 8, 0
boot_pdpt:
	.quad PHYS(boot_pd) + 3
	.fill 511, 8, 0
boot_pd:
	.set page, 0
	.rept 8
	.quad page + 0x83
	.set page, page + 0x200000
	.endr
	.fill 504, 8, 0

	.bss
	.align 16
boot_stack:
	.skip 16384
	.global boot_stack_end
boot_stack_end:
