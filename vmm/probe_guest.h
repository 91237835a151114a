/*
 * What probe.c and its guest agree on. Also included by assembly.
 */
#ifndef VMM_PROBE_GUEST_H
#define VMM_PROBE_GUEST_H

/* Guest-physical layout, mapped one to one. */
#define PROBE_MEMORY	 0x40000
#define PROBE_PML4	 0x1000 /* then PDPT, PD, PT */
#define PROBE_GDT	 0x5000
#define PROBE_IDT	 0x6000
#define PROBE_TSS	 0x7000
#define PROBE_CODE	 0x10000 /* user may execute */
#define PROBE_STACK	 0x21000 /* top */
#define PROBE_USER_STACK 0x23000 /* top */
#define PROBE_DATA	 0x24000
#define PROBE_RO_PAGE	 0x25000
#define PROBE_NX_PAGE	 0x26000

/* Selectors, in SYSCALL's order. */
#define PROBE_KERNEL_CS 0x08
#define PROBE_KERNEL_DS 0x10
#define PROBE_USER_DS	0x23
#define PROBE_USER_CS	0x2b
#define PROBE_TSS_SEL	0x30
#define PROBE_STAR_HIGH 0x00180008

#define PROBE_VECTOR	0x80
#define PROBE_ALU_LOOPS 200000

/* Ports, from PROBE_PORT. */
#define PROBE_PORT	 0x6e00
#define PROBE_ALU	 0
#define PROBE_INT	 1
#define PROBE_SYSCALL	 2
#define PROBE_NX	 3
#define PROBE_WP	 4
#define PROBE_CMPXCHG16B 5
#define PROBE_ALU_START	 6
#define PROBE_UNEXPECTED 7
#define PROBE_DONE	 8

#endif
