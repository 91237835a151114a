/*
 * NtSystemDebugControl commands around protections, between programs and the kernel.
 *
 * DEBUG_VAULT takes and gives struct ntmm_vault (abi/machine.h). The others take and give struct
 * vulnerable_call and are there only with `ntmm run --vulnerable`: what a kernel driver with a hole
 * would let a program do, for attacks in tests.
 */
#ifndef NTMM_ABI_VULNERABLE_H
#define NTMM_ABI_VULNERABLE_H

#include <stdint.h>

#define DEBUG_VULNERABLE 0x1100
#define DEBUG_POOL	 0x1101
#define DEBUG_VAULT	 0x1102

enum vulnerable_op {
	VULNERABLE_READ,      /* address, bytes -> data */
	VULNERABLE_WRITE,     /* address, bytes, data: by REP MOVSB */
	VULNERABLE_STORE,     /* address, arg[0] = value, form = enum store_form */
	VULNERABLE_CALL,      /* address, arg[0..3] in RDI, RSI, RDX, RCX -> result */
	VULNERABLE_PLACE,     /* address = enum vulnerable_place -> result */
	VULNERABLE_FLUSH,     /* address, bytes: out of every TLB */
	VULNERABLE_DEVICE,    /* address = frame, arg[0] = slot, arg[1] = pagefile << 8 | write */
	VULNERABLE_NOTE,      /* data: text for the events that follow */
	VULNERABLE_HYPERCALL, /* form = number, arg -> result */
	VULNERABLE_PHYSICAL,  /* address of the kernel -> its physical address in result */
};

enum store_form {
	STORE_B,
	STORE_W,
	STORE_D,
	STORE_Q,
	STORE_STOSB,
	STORE_STOSQ,
	STORE_MOVSB,
	STORE_PUSH,
	STORE_XCHG,
	STORE_XADD,
	STORE_ADD,
	STORE_OR,
	STORE_CMPXCHG,
	STORE_MOVUPS,
	STORE_BTS,
	STORE_BACK,
	STORE_FORMS
};

enum vulnerable_place {
	VULNERABLE_IDT = 1,
	VULNERABLE_GDT,
	VULNERABLE_SYSCALLS,
	VULNERABLE_TEXT,
	VULNERABLE_TEXT_END,
	VULNERABLE_RODATA,
	VULNERABLE_SCRATCH,
	VULNERABLE_CR3,
	VULNERABLE_KDP,
	VULNERABLE_DATA,
	VULNERABLE_CPU,
	VULNERABLE_PROCESS,
	VULNERABLE_SYSTEM_CR3,
	VULNERABLE_REGION,     /* a page of the driver's, for regions of policies */
	VULNERABLE_MODULE,     /* the module that was loaded last: its first byte */
	VULNERABLE_MODULE_KDP, /* its protected data */
	VULNERABLE_SIPI,       /* void (CPU's APIC number, page): starts a processor anew */
	VULNERABLE_WRMSR,      /* void (index, value): approved code writes an MSR */
};

enum pool_op {
	POOL_ALLOCATE,	      /* bytes, arg[0] = key -> result = address */
	POOL_WRITE,	      /* address, bytes, data, arg[0] = key */
	POOL_SEAL,	      /* address, arg[0] = key */
	POOL_FREE,	      /* address, arg[0] = key */
	POOL_SECTION,	      /* bytes -> result = address: pages that can be written until */
	POOL_PROTECT_SECTION, /* address */
};

#define VULNERABLE_DATA_BYTES 4096u
struct vulnerable_call {
	uint32_t op, form;
	uint64_t address, bytes, result;
	uint64_t arg[4];
	uint8_t data[VULNERABLE_DATA_BYTES];
};

#endif
