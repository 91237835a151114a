/*
 * mm: the memory manager, public part.
 *
 * Kernel virtual addresses (PML4 slots are shared by all processes):
 *   FFFFA000'00000000  direct map of all RAM, no-execute; kernel text is read-only in it
 *   FFFFF780'00000000  KUSER_SHARED_DATA, writable here, read-only at 7FFE0000 in user space
 *   FFFFF800'00200000  kernel image (= physical + FFFFF800'00000000)
 *   FFFFF880'00000000  system PTEs: kernel stacks, large pool blocks, device memory
 *   FFFFFA80'00000000  PFN database
 *
 * Words: a frame is a physical page, named by its number (pfn); a page is virtual, named by its
 * number (vpn); a slot is a page of a pagefile.
 */
#ifndef NTMM_MM_MM_H
#define NTMM_MM_MM_H

#include "guest/ke/ke.h"
#include "guest/ke/cpu.h"
#include "guest/abi/counters.h"
#include "guest/mm/vadtree.h"

#define MM_DIRECT_MAP	0xffffa00000000000ul
#define MM_SHARED_DATA	0xfffff78000000000ul
#define MM_KERNEL_IMAGE 0xfffff80000000000ul
#define MM_SYSTEM_PTES	0xfffff88000000000ul
#define MM_PFN_DATABASE 0xfffffa8000000000ul

#define MM_LOWEST_USER 0x10000ul
#define MM_HIGHEST_USER                                                          \
	0x7ffffffefffful /* last usable byte; above it the 64 KB no-access strip \
			  */
#define MM_USER_PROBE  0x7fffffff0000ul
#define MM_USER_SHARED 0x7ffe0000ul
#define MM_GRANULARITY 0x10000ul

extern struct ntmm_counters MmCounters;
extern u8 *MmUserSharedData; /* the writable kernel view */

static inline void *pfn_to_va(pfn_t pfn)
{
	return (void *)(MM_DIRECT_MAP + ((u64)pfn << PAGE_SHIFT));
}

/* Commit that several address spaces are charged together (a job's), inside a larger pool perhaps.
 * All: commit's lock. */
struct commit_pool {
	struct commit_pool *parent;
	u64 used, peak, most; /* pages; most 0: no limit */
	u64 space_peak;	      /* the highest of any one address space in it */
};

/* A process's user half. Lock A = as->lock, D = dispatcher lock; atomics otherwise. */
struct address_space {
	struct mutex lock;
	struct vad_tree vads; /* A */
	pfn_t pml4;
	volatile u64 cpus; /* bit a CPU that has these page tables loaded */
	u64 highest;	   /* last usable byte: 2 GB, 8 TB or 128 TB less the strip; immutable */
	u64 ws_pages, ws_peak;		/* valid user PTEs; A */
	u64 ws_min, ws_max;		/* pages; A */
	u32 ws_flags;			/* QUOTA_LIMITS_HARDWS_*; A */
	u64 ws_locked;			/* pages under NtLockVirtualMemory; A */
	u32 physical_first;		/* AWE pages, chained (awe.c); A */
	u64 physical_pages;		/* A */
	u64 commit, commit_peak;	/* private charge in pages; A */
	u64 commit_limit;		/* of a job, pages; 0: none */
	struct commit_pool *pool;	/* NULL: none */
	u64 virtual_size, virtual_peak; /* bytes in VADs; A */
	u64 page_table_pages;		/* A */
	u64 faults, hard_faults;	/* A */
	u64 trim_hand;			/* vpn where the next trim goes on; A */
	u64 zero_next;		 /* vpn behind the last that got a zeroed frame, level hvci; A */
	u32 zero_run;		 /* and how many got one with it; A */
	u64 bottom_up, top_down; /* where searches for free addresses begin; immutable */
	u64 cfg_base;		 /* the bitmap of call targets (cfg.c), 0: none; immutable */
	struct mutex cfg_lock;	 /* C */
	bool dying;
	struct list all;       /* every address space; mm's list lock */
	u32 ahead, ahead_used; /* pages read beside another since it was last looked, and used; A */
	u8 cluster_shift;      /* reads are for MM_CLUSTER >> this pages; A */
};

/* Boot: start_info is PVH's; builds page tables, PFN database, pool. */
void MmInitSystem(u64 start_info_pa);
void MmInitPaging(void); /* after IoInitSystem: pagefiles, writer, balance set manager */
NTSTATUS MmCreateAddressSpace(struct address_space *as, u64 highest);
void MmDeleteAddressSpace(struct address_space *as); /* user half emptied, tables freed */
void MmCleanAddressSpace(struct address_space *as);  /* deletes every VAD */

/* A trap: STATUS_SUCCESS when the access may be tried again; else what to raise: ACCESS_VIOLATION,
 * GUARD_PAGE_VIOLATION, IN_PAGE_ERROR (then *io_status), STACK_OVERFLOW. */
NTSTATUS MmAccessFault(u64 va, u32 error_code, struct ktrap_frame *f, NTSTATUS *io_status);

/* Kernel stacks, from system PTEs with a guard page below. 0 without memory. */
u64 MmCreateKernelStack(void);
void MmDeleteKernelStack(u64 stack);

/* Private memory, by kernel code for a process: sizes in bytes, base in/out. */
NTSTATUS MmAllocatePrivate(struct EPROCESS *p, u64 *base, u64 *size, u32 type, u32 protect);
NTSTATUS MmAllocatePrivateBelow(struct EPROCESS *p, u64 *base, u64 *size, u32 type, u32 protect,
				u64 zero_bits); /* as NtAllocateVirtualMemory's */
NTSTATUS MmFreePrivate(struct EPROCESS *p, u64 base);
/* Charges of an address space count in a pool from now on (those there are, too); NULL: no more.
 * What a limit forbids fails with STATUS_COMMITMENT_LIMIT; lowering a limit takes nothing back. */
void MmSetCommitPool(struct address_space *as, struct commit_pool *pool);
void MmSetCommitLimit(struct address_space *as, u64 pages); /* 0: none */
/* What jobs let it have charged at this moment, its own charge included; ~0: no limit. */
u64 MmCommitAllowed(struct address_space *as);
void MmSetPoolLimit(struct commit_pool *pool, u64 pages, struct commit_pool *parent);
/* Maps the KUSER_SHARED_DATA page of a new process. */
NTSTATUS MmMapSharedData(struct EPROCESS *p);

/* Whether the user instruction at rip is one that only the kernel may run (for #GP). */
bool MmIsPrivilegedInstruction(u64 rip);
/* Whether the DIV or IDIV that stopped here had a divisor of zero (else its quotient did not fit).
 */
bool MmIsDivisorZero(const struct ktrap_frame *f);

/* From kernel memory into a process, as if it stored there itself. => no locks, PASSIVE */
NTSTATUS MmWriteProcess(struct EPROCESS *p, u64 va, void *kernel, u64 bytes);
/* The system is going to write there: watched pages of the current process count as written. */
void MmNoteWrites(u64 va, u64 bytes);

void MmRefreshCounters(void);
NTSTATUS MmDecommitPrivate(struct EPROCESS *p, u64 base, u64 size);
u64 MmPfnCheck(void); /* number of errors in the PFN database and page tables; prints each */

#endif
