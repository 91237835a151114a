/*
 * What the inspector (ntmm inspect) reads in guest memory: one constant root, published once
 * (NTMM_PUBLISH_MMINFO), that says where the kernel's variables are and where in its structures the
 * fields are that matter. As with the counters the guest writes and the host believes nothing:
 * whatever these words lead to is checked where it is used.
 *
 * NTMM_FIELDS, one row a field:       name, structure, member, bytes
 * NTMM_VARIABLES, one row a variable: name, symbol, bytes
 *
 * The kernel's own compiler fills in offsets and addresses and proves the sizes
 * (guest/ke/mminfo.c), so nothing here can drift from its structures. The version changes when a
 * row goes or changes its meaning; rows may be added anywhere.
 */
#ifndef NTMM_ABI_MMINFO_H
#define NTMM_ABI_MMINFO_H

#include <stdint.h>

#include "guest/abi/counters.h"

#define NTMM_MMINFO_MAGIC   0x464e494d4d544eull /* "NTMMINF" */
#define NTMM_MMINFO_VERSION 1u

/* clang-format off */
#define NTMM_FIELDS(X)                                              \
	X(process_link,        EPROCESS, entry.next, 8)             \
	X(process_threads,     EPROCESS, threads.next, 8)           \
	X(process_pid,         EPROCESS, pid, 4)                    \
	X(process_parent,      EPROCESS, parent_pid, 4)             \
	X(process_thread_count, EPROCESS, thread_count, 4)          \
	X(process_name,        EPROCESS, name, 32)                  \
	X(process_initial,     EPROCESS, is_initial, 1)             \
	X(process_peb,         EPROCESS, peb, 8)                    \
	X(process_lock,        EPROCESS, as.lock.state, 4)          \
	X(process_vads,        EPROCESS, as.vads.root, 8)           \
	X(process_vad_count,   EPROCESS, as.vads.count, 8)          \
	X(process_root,        EPROCESS, as.pml4, 4)                \
	X(process_highest,     EPROCESS, as.highest, 8)             \
	X(process_ws,          EPROCESS, as.ws_pages, 8)            \
	X(process_ws_peak,     EPROCESS, as.ws_peak, 8)             \
	X(process_ws_min,      EPROCESS, as.ws_min, 8)              \
	X(process_ws_max,      EPROCESS, as.ws_max, 8)              \
	X(process_ws_locked,   EPROCESS, as.ws_locked, 8)           \
	X(process_physical,    EPROCESS, as.physical_pages, 8)      \
	X(process_commit,      EPROCESS, as.commit, 8)              \
	X(process_commit_peak, EPROCESS, as.commit_peak, 8)         \
	X(process_virtual,     EPROCESS, as.virtual_size, 8)        \
	X(process_virtual_peak, EPROCESS, as.virtual_peak, 8)       \
	X(process_tables,      EPROCESS, as.page_table_pages, 8)    \
	X(process_faults,      EPROCESS, as.faults, 8)              \
	X(process_hard_faults, EPROCESS, as.hard_faults, 8)         \
	X(thread_link,         ETHREAD, entry.next, 8)              \
	X(thread_tid,          ETHREAD, tid, 4)                     \
	X(thread_teb,          ETHREAD, k.teb, 8)                   \
	X(thread_user_stack,   ETHREAD, user_stack, 8)              \
	X(vad_left,            MMVAD, node.left, 8)                 \
	X(vad_right,           MMVAD, node.right, 8)                \
	X(vad_start,           MMVAD, node.start, 8)                \
	X(vad_end,             MMVAD, node.end, 8)                  \
	X(vad_type,            MMVAD, type, 1)                      \
	X(vad_prot,            MMVAD, prot, 1)                      \
	X(vad_win32_prot,      MMVAD, win32_prot, 4)                \
	X(vad_committed,       MMVAD, committed, 1)                 \
	X(vad_write_watch,     MMVAD, write_watch, 1)               \
	X(vad_placeholder,     MMVAD, placeholder, 1)               \
	X(vad_no_execute,      MMVAD, no_execute, 1)                \
	X(vad_commit,          MMVAD, commit, 8)                    \
	X(vad_ca,              MMVAD, ca, 8)                        \
	X(vad_first,           MMVAD, first, 8)                     \
	X(vad_page_bytes,      MMVAD, page_bytes, 8)                \
	X(ca_file,             struct control_area, file, 8)        \
	X(ca_image,            struct control_area, image, 1)       \
	X(ca_reserve,          struct control_area, reserve, 1)     \
	X(ca_pages,            struct control_area, pages, 8)       \
	X(ca_proto,            struct control_area, proto, 8)       \
	X(ca_subsections,      struct control_area, subsections, 4) \
	X(ca_subsection,       struct control_area, subsection, 8)  \
	X(ca_large_bytes,      struct control_area, large_bytes, 8) \
	X(subsection_ca,       struct subsection, ca, 8)            \
	X(subsection_first,    struct subsection, first, 8)         \
	X(subsection_prot,     struct subsection, prot, 1)          \
	X(file_path,           struct FILE_OBJECT, path, 8)         \
	X(file_fcb,            struct FILE_OBJECT, fcb, 8)          \
	X(fcb_session,         struct fcb, session, 8) /* its first byte: the drive's letter */ \
	X(pfn_flink,           MMPFN, flink, 4)                     \
	X(pfn_blink,           MMPFN, blink, 4)                     \
	X(pfn_pte,             MMPFN, pte, 8)                       \
	X(pfn_original,        MMPFN, original_pte, 8)              \
	X(pfn_share,           MMPFN, share, 4)                     \
	X(pfn_refs,            MMPFN, refs, 2)                      \
	X(pfn_state,           MMPFN, state, 1)                     \
	X(pfn_flags,           MMPFN, flags, 1)                     \
	X(pfn_pte_frame,       MMPFN, pte_frame, 4)                 \
	X(pfn_priority,        MMPFN, priority, 1)                  \
	X(pfn_use,             MMPFN, use, 1)                       \
	X(list_head,           struct page_list, head, 4)           \
	X(list_tail,           struct page_list, tail, 4)           \
	X(list_count,          struct page_list, count, 8)          \
	X(slots_pages,         struct pfslots, pages, 8)            \
	X(slots_max,           struct pfslots, max_pages, 8)        \
	X(slots_used,          struct pfslots, used, 8)

#define NTMM_VARIABLES(X)                                                  \
	X(system_root,  mm_system_pml4, 4)    /* frame of the system's root */ \
	X(highest_pfn,  mm_highest_pfn, 4)                                 \
	X(total_pages,  mm_total_pages, 8)    /* that mm manages */         \
	X(kernel_pages, mm_kernel_pages, 8)                                \
	X(available,    mm_available, 8)      /* zeroed, free, standby */   \
	X(pfn_lock,     pfn_lock, 4)          /* not 0: held */             \
	X(zeroed,       mm_zeroed, 16)        /* struct page_list */        \
	X(free,         mm_free, 16)                                       \
	X(modified,     mm_modified, 16)                                   \
	X(standby,      mm_standby, 128)      /* eight, by priority */      \
	X(processes,    ps_processes, 16)     /* struct list */             \
	X(process_lock, ps_lock.state, 4)     /* 1: free */                 \
	X(system_ptes,  mm_free_system_ptes, 8)                            \
	X(counters,     MmCounters, sizeof(struct ntmm_counters))          \
	X(pagefiles,    mm_pagefiles, 640)    /* struct pfslots; pages 0: none */
/* clang-format on */

#define NTMM_FIELD_ENUM(name, type, member, size) NTMM_F_##name,
#define NTMM_VARIABLE_ENUM(name, symbol, size)	  NTMM_V_##name,
enum ntmm_field { NTMM_FIELDS(NTMM_FIELD_ENUM) NTMM_F_COUNT };
enum ntmm_variable { NTMM_VARIABLES(NTMM_VARIABLE_ENUM) NTMM_V_COUNT };

struct ntmm_mminfo {
	uint64_t magic;
	uint32_t version;
	uint32_t fields, variables;			      /* NTMM_F_COUNT, NTMM_V_COUNT */
	uint32_t pfn_bytes, subsection_bytes, pagefile_bytes; /* of one entry of their arrays */
	uint32_t user_slots, reserved;	 /* entries of a root that are a process's own */
	uint64_t image;			 /* address of the kernel image less its physical address */
	uint64_t direct_map;		 /* address of all RAM, from physical address 0 on */
	uint64_t code, code_end;	 /* the kernel's instructions */
	uint64_t pfn_database;		 /* address of frame 0's entry */
	uint64_t variable[NTMM_V_COUNT]; /* addresses */
	uint16_t field[NTMM_F_COUNT];	 /* offsets */
};

/*
 * Page table entries (guest/mm/pte.h draws them). A word that is not valid is, in this order:
 * 0: look in the VAD; PROTOTYPE: in a page table, look in the VAD's prototypes, in those the
 * address of a struct subsection, sign-extended from bit 16; TRANSITION: a frame; with a slot: in a
 * pagefile; the rest: demand zero, or decommitted if it is nothing but NTMM_PTE_DECOMMITTED.
 */
#define NTMM_PTE_VALID	     0x1ull
#define NTMM_PTE_WRITE	     0x2ull /* by the processor, now */
#define NTMM_PTE_USER	     0x4ull
#define NTMM_PTE_ACCESSED    0x20ull
#define NTMM_PTE_DIRTY	     0x40ull
#define NTMM_PTE_LARGE	     0x80ull
#define NTMM_PTE_GLOBAL	     0x100ull
#define NTMM_PTE_COW	     0x200ull
#define NTMM_PTE_MAY_WRITE   0x800ull
#define NTMM_PTE_FRAME	     0x000ffffffffff000ull
#define NTMM_PTE_LOCKED	     0x0010000000000000ull
#define NTMM_PTE_NX	     0x8000000000000000ull
#define NTMM_PTE_VALID_PROT  53 /* shift of the protection code in a valid entry, 5 bits */
#define NTMM_PTE_AGE	     58 /* 2 bits */
#define NTMM_PTE_PROT	     5	/* in all others */
#define NTMM_PTE_PROTOTYPE   0x400ull
#define NTMM_PTE_TRANSITION  0x800ull
#define NTMM_PTE_SUBSECTION  16 /* shift */
#define NTMM_PTE_FILE	     12 /* pagefile's number, 4 bits */
#define NTMM_PTE_SLOT	     32
#define NTMM_PTE_OFFERED     0x20000ull /* in demand-zero and pagefile entries */
#define NTMM_PTE_IN_STORE    0x40000ull /* the slot is a key of the compressed store */
#define NTMM_PTE_DECOMMITTED 0x200ull

/* MMPFN.state, NT's PageLocation. */
enum ntmm_pfn_state {
	NTMM_PFN_ZEROED,
	NTMM_PFN_FREE,
	NTMM_PFN_STANDBY,
	NTMM_PFN_MODIFIED,
	NTMM_PFN_MODIFIED_NO_WRITE,
	NTMM_PFN_BAD,
	NTMM_PFN_ACTIVE,
	NTMM_PFN_TRANSITION,
	NTMM_PFN_STATES
};
#define NTMM_PFN_F_MODIFIED  0x01u
#define NTMM_PFN_F_READING   0x02u
#define NTMM_PFN_F_WRITING   0x04u
#define NTMM_PFN_F_PROTOTYPE 0x08u
#define NTMM_PFN_F_KERNEL    0x10u
#define NTMM_PFN_F_DELETED   0x20u
#define NTMM_PFN_F_NOPAGE    0x40u

/* MMPFN.use: what a frame that no page table entry owns was taken for. */
enum ntmm_use {
	NTMM_USE_BOOT,	     /* the kernel image, the PFN database, first tables; or pageable */
	NTMM_USE_TABLE,	     /* page tables */
	NTMM_USE_POOL,	     /* nonpaged pool */
	NTMM_USE_SYSTEM_PTE, /* what drivers map at system PTEs */
	NTMM_USE_STACK,	     /* kernel stacks */
	NTMM_USE_DRIVER,     /* device rings, modules */
	NTMM_USE_STORE,	     /* compressed pages */
	NTMM_USE_AWE,
	NTMM_USE_LARGE,	   /* pages of 2 MB and 1 GB */
	NTMM_USE_NONPAGED, /* nonpaged memory of programs */
	NTMM_USES
};

/* MMVAD.type. */
enum ntmm_vad_type {
	NTMM_VAD_PRIVATE,
	NTMM_VAD_MAPPED,
	NTMM_VAD_IMAGE,
	NTMM_VAD_AWE,
	NTMM_VAD_LARGE,
	NTMM_VAD_NONPAGED,
	NTMM_VAD_SHARED_DATA,
	NTMM_VAD_CFG,
	NTMM_VAD_TYPES
};

/* User memory, as ntdll.dll lays it out: a PEB's list of heaps, and in each heap its segments and
 * the chain of blocks that have a reservation of their own. */
#define NTMM_PEB_HEAP_COUNT	0xe8u /* 4 bytes */
#define NTMM_PEB_HEAPS		0xf0u /* address of an array of addresses */
#define NTMM_HEAP_SIGNATURE	0x10u /* 4 bytes */
#define NTMM_HEAP_SIGNATURE_IS	0xffeeffeeu
#define NTMM_HEAP_LARGE		0xc8u  /* LIST_ENTRY; the others are at their reservations' bases */
#define NTMM_HEAP_SEGMENTS	0x890u /* of 32 bytes, each begins with its base; 0: none */
#define NTMM_HEAP_SEGMENT_BYTES 32u
#define NTMM_HEAP_SEGMENTS_MOST 64u

#endif
