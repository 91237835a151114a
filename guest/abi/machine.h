/*
 * The machine as the guest kernel sees it: guest-physical layout, CPUID leaves, hypercalls.
 *
 * This folder is the whole contract between host and guest. Host code includes nothing else of
 * guest/; guest code includes nothing outside guest/. Only <stdint.h> and static asserts here.
 *
 * Guest-physical memory (--memory M):
 *
 *   0        1M    2M        3M          4M                M (or 3G)   3G      4G   4G + rest
 *   +--------+-----+---------+-----------+-----------------+ ......... +-------+----+-------+
 *   | low RAM|     | kernel  | protected | kernel data,    |           | PCI   |APIC| RAM   |
 *   | PVH info|    | text +  | kernel    | modules,        |           | MMIO  |    | > 3G  |
 *   |        |     | rodata  | data      | free RAM        |           |       |    |       |
 *   +--------+-----+---------+-----------+-----------------+ ......... +-------+----+-------+
 *     RW       RW    READ-ONLY slots       RW
 *
 * At level off the read-only slots are ordinary memory. The last NTMM_VAULT_BYTES of the protected
 * data are secure memory: absent for the guest. At level hvci page tables lie in a pool that
 * NTMM_CPUID_TABLES names, and memory below 1 MB is there only until the kernel is sealed.
 *
 * The kernel is an ELF64 with the PVH note (XEN_ELFNOTE_PHYS32_ENTRY): entered in 32-bit protected
 * mode, EBX = address of struct hvm_start_info (Xen's public "x86/HVM direct boot ABI"). Its
 * non-writable PT_LOAD segments share 2 MB aligned memory with nothing else, so the host can put
 * them into a read-only slot. The first PVH module is the run block (abi/runblock.h).
 */
#ifndef NTMM_ABI_MACHINE_H
#define NTMM_ABI_MACHINE_H

#include <stdint.h>

#define NTMM_PAGE_SIZE	    0x1000u
#define NTMM_LARGE_PAGE	    0x200000u
#define NTMM_KERNEL_GPA	    0x200000u /* first byte of the kernel image's text segment */
#define NTMM_KDP_GPA	    0x300000u /* protected kernel data (ELF segment with NTMM_PF_KDP) */
#define NTMM_KDP_END	    0x400000u
#define NTMM_VAULT_BYTES    0x8000u
#define NTMM_PF_KDP	    0x00100000u /* in p_flags */
#define NTMM_PF_INIT	    0x00200000u /* code that is needed only until the kernel is sealed */
#define NTMM_LOW_RAM_END    0x100000u
#define NTMM_PCI_HOLE_START 0xc0000000u /* RAM stops here and goes on at 4 GB */
#define NTMM_PCI_HOLE_END   0xfec00000u
#define NTMM_HIGH_RAM	    0x100000000ull

/* CPUID. The signature leaf follows the hypervisor convention (0x40000000: max leaf, 12 bytes). */
#define NTMM_CPUID_SIGNATURE 0x40000000u
#define NTMM_CPUID_EBX	     0x4d4d544eu /* "NTMM" in each of EBX, ECX, EDX */
#define NTMM_CPUID_INFO	     0x40000001u /* EAX ABI version, EBX CPU count, ECX hypercall port, */
					 /* EDX NTMM_FEATURE_* */
#define NTMM_CPUID_TABLES 0x40000002u /* EAX first frame of the pool of page tables, EBX frames */
#define NTMM_CPUID_TIMING 0x40000010u /* EAX TSC kHz, EBX LAPIC bus kHz (VMware's convention) */
#define NTMM_ABI_VERSION  1u

#define NTMM_FEATURE_KDP	1u /* the read-only slots are in force */
#define NTMM_FEATURE_HVCI	2u /* the host changes page tables */
#define NTMM_FEATURE_VULNERABLE 4u /* the vulnerable driver interface is to be offered */
#define NTMM_FEATURE_REDELIVERS                                               \
	8u /* the processor may deliver an injected interrupt twice unless an \
	      exception comes first (QEMU's emulated SVM, 7.2 at least) */

/* Ports. */
#define NTMM_PORT_SERIAL    0x3f8u /* 16550, output only; string I/O works */
#define NTMM_PORT_PCI_ADDR  0xcf8u /* PCI configuration mechanism #1 */
#define NTMM_PORT_PCI_DATA  0xcfcu
#define NTMM_PORT_HYPERCALL 0x6e74u /* 32-bit OUT; see below */

/*
 * A hypercall is `out %eax, %dx` with DX = NTMM_PORT_HYPERCALL, EAX = number, arguments in RDI,
 * RSI, R8, R9 and the result in RAX (0 or a value; negative: -errno of Linux). Only CPL 0 can reach
 * the port (IOPL 0). Every guest-physical range given is checked by the host before use, and copied
 * once before it is looked at.
 */
enum ntmm_hypercall {
	NTMM_HC_EXIT = 1,	   /* rdi = 32-bit exit code of the program; does not return */
	NTMM_HC_BUGCHECK = 2,	   /* rdi = gpa of struct ntmm_bugcheck; does not return */
	NTMM_HC_MARK = 3,	   /* rdi = enum ntmm_mark: the host notes the time */
	NTMM_HC_PUBLISH = 4,	   /* rdi = enum ntmm_publish, rsi = gpa, r8 = bytes */
	NTMM_HC_PAGEFILE_GROW = 5, /* rdi = index, rsi = wanted bytes; result: bytes it now has */
	NTMM_HC_INJECT = 6,	   /* rdi = pagefile index, rsi = enum ntmm_inject, r8 = count;
				      -EPERM unless ntmm run --test-faults */

	/* Protections. Keys are 64-bit numbers of the caller's choice. */
	NTMM_HC_SEAL = 7,	 /* initialization is over: what is protected stays as it is. At
				    level hvci all page tables are looked at, and their rules are in
				    force; code of NTMM_PF_INIT is gone */
	NTMM_HC_KDP_WRITE = 8,	 /* rdi = gpa in protected static data, rsi = source gpa, r8 =
				    bytes; -EROFS once sealed */
	NTMM_HC_POOL_ALLOC = 9,	 /* rdi = bytes, rsi = key; result: gpa of a secure pool block */
	NTMM_HC_POOL_WRITE = 10, /* rdi = gpa in the block, rsi = source gpa, r8 = bytes, r9 = key;
				    -EROFS once sealed, -EACCES for a wrong key */
	NTMM_HC_POOL_SEAL = 11,	 /* rdi = gpa of the block, rsi = key */
	NTMM_HC_POOL_FREE = 12,	 /* rdi = gpa of the block, rsi = key; it is zeroed */
	NTMM_HC_SECTION = 13,	 /* rdi = bytes; result: gpa of pages that can be written until */
	NTMM_HC_SECTION_SEAL = 14, /* rdi = their gpa, rsi = 0 */
	NTMM_HC_VAULT = 15,	   /* rdi = gpa of struct ntmm_vault */
	NTMM_HC_NOTE = 16, /* rdi = gpa of NTMM_NOTE_BYTES of text for events that follow; scans
			      first. -EPERM unless ntmm run --vulnerable */

	/*
	 * Page tables, at level hvci. They are changed by these calls alone: as they come until the
	 * kernel is sealed, then as ept/tables.h allows; the processor's translations are the
	 * kernel's to flush. -EPERM: the rules forbid it; -EFAULT: not an entry of a table.
	 */
	NTMM_HC_TABLES = 17, /* rdi = gpa of the system's root: from now on */
	NTMM_HC_ROOT = 18,   /* rdi = gpa of an empty page of the pool: a root with the system's
				kernel half */
	NTMM_HC_PTE = 19,    /* rdi = gpa of an entry, which becomes (old & ~rsi) | r8; r9: old */
	NTMM_HC_PTES = 20,   /* rdi = gpa of rsi struct ntmm_pte, in one page: in their order, up to
				the first that is refused; result: how many were changed */
	NTMM_HC_CR3 = 21,    /* rdi = gpa of a root: loaded here, this CPU's translations flushed */

	/* Kernel modules. -ENOEXEC: no module; -EACCES: not approved. */
	NTMM_HC_MODULE_LOAD = 22, /* rdi = gpa of struct ntmm_module, in one page */
	NTMM_HC_MODULE_UNLOAD =
	    23, /* rdi = gpa of its code, which no entry maps any more (-EBUSY) */

	NTMM_HC_RECYCLE = 24, /* level hvci; rdi = gpa of the addresses (u64) of rsi pages of the
				 pool, at most NTMM_RECYCLE: tables of the user's half that are
				 empty and in no table, and roots that no CPU has loaded. They can
				 become tables of any kind. result: how many, up to the first that
				 is something else. All CPUs forget their translations */

	NTMM_HC_ENDING = 25, /* the first program has ended, and all it has is still there */
	NTMM_HC_COUNT,
};

/*
 * A kernel module: an ELF64 shared object without relocations, whose segments lie from address 0 on
 * in pages of their own. What is not writable the host copies, where it has protected memory (kdp
 * and hvci), into memory that the guest cannot write; the rest is the kernel's to load.
 */
#define NTMM_MODULE_MOST     0x40000u /* bytes of file, and of addresses */
#define NTMM_MODULE_SEGMENTS 4u
#define NTMM_SEGMENT_W	     1u
#define NTMM_SEGMENT_X	     2u
#define NTMM_SEGMENT_KDP     4u /* written until the module has been started */
struct ntmm_segment {
	uint64_t offset, bytes; /* in memory, from the module's first address; whole pages */
	uint64_t file_offset, file_bytes; /* what is there at first; then zeroes */
	uint32_t flags, reserved;
};
struct ntmm_module {
	uint64_t file, file_bytes; /* in: gpa of the file's bytes, in one piece */
	uint64_t va;		   /* in: where its first byte will be */
	uint64_t code;		   /* out: gpa of what the host has copied; 0: it has not */
	uint64_t entry;		   /* out: offset of its first instruction */
	uint32_t segments, reserved;
	struct ntmm_segment segment[NTMM_MODULE_SEGMENTS];
};

struct ntmm_pte {
	uint64_t gpa, clear, set;
	uint64_t old; /* filled in */
};
#define NTMM_PTES    (NTMM_PAGE_SIZE / sizeof(struct ntmm_pte))
#define NTMM_RECYCLE 64u

#define NTMM_NOTE_BYTES 48u

/* A secret of a program, kept where the guest cannot look. Result: the handle, or bytes read. */
enum ntmm_vault_op {
	NTMM_VAULT_STORE = 0,	/* bytes, data, key; result: handle */
	NTMM_VAULT_REPLACE = 1, /* handle, key, bytes, data; -EROFS once sealed */
	NTMM_VAULT_SEAL = 2,	/* handle, key */
	NTMM_VAULT_UNSEAL = 3,	/* handle, key; result: bytes, data is filled in */
	NTMM_VAULT_ERASE = 4,	/* handle, key */
};
#define NTMM_VAULT_DATA 1024u
struct ntmm_vault {
	uint32_t op, handle;
	uint64_t key[2];
	uint64_t bytes;
	uint8_t data[NTMM_VAULT_DATA];
};
_Static_assert(sizeof(struct ntmm_vault) == 1056, "host and guest agree on the layout");

enum ntmm_mark {
	NTMM_MARK_KERNEL_ENTRY = 0, /* first instructions in 64-bit mode */
	NTMM_MARK_MM_READY = 1,
	NTMM_MARK_DEVICES_READY = 2,
	NTMM_MARK_FIRST_USER = 3, /* just before the first user-mode instruction */
	NTMM_MARK_PROGRAM_EXIT = 4,
	NTMM_MARK_COUNT
};

enum ntmm_publish {
	NTMM_PUBLISH_COUNTERS = 0, /* struct ntmm_counters (abi/counters.h) */
	NTMM_PUBLISH_SHARING = 1,  /* struct ntmm_sharing (abi/counters.h) */
	NTMM_PUBLISH_LAYOUT = 2,   /* struct ntmm_layout */
	NTMM_PUBLISH_MMINFO = 3,   /* struct ntmm_mminfo (abi/mminfo.h) */
	NTMM_PUBLISH_COUNT
};

/* What the pagefile back end does to the next `count` page reads or writes. */
enum ntmm_inject {
	NTMM_INJECT_NONE = 0,
	NTMM_INJECT_READ_ERROR = 1,  /* reads fail with an I/O error */
	NTMM_INJECT_WRITE_ERROR = 2, /* writes fail with an I/O error */
	NTMM_INJECT_CORRUPT = 3,     /* the stored page is changed: the checksum must catch it */
	NTMM_INJECT_ENOSPC = 4,	     /* growth and writes fail with ENOSPC */
};

/* Where the host finds the name of the process a CPU runs: offsets in the block that the GS base
 * points to and in what that points to. For messages only. */
#define NTMM_PROCESS_NAME 32u
struct ntmm_layout {
	uint32_t cpu_process, process_pid, process_name, reserved;
};

#define NTMM_BUGCHECK_FRAMES 32
struct ntmm_bugcheck {
	uint32_t code; /* NT's bug check code */
	uint32_t cpu;
	uint64_t param[4];
	uint64_t rip, rsp, rbp;
	uint32_t nframes; /* valid entries of frame[] */
	uint32_t reserved;
	uint64_t frame[NTMM_BUGCHECK_FRAMES]; /* return addresses, innermost first */
	char text[128];			      /* NUL-terminated, printable: what broke */
};
_Static_assert(sizeof(struct ntmm_bugcheck) == 456, "host and guest agree on the layout");

#endif
