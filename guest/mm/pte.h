/*
 * MMPTE: what a page table entry says in each of its states, and how it is made and read. Changes
 * of entries are in mi.h (pte_store and the like).
 */
#ifndef NTMM_MM_PTE_H
#define NTMM_MM_PTE_H

#include "guest/mm/mm.h"

/*
 * ---- Page table entries ----
 * One 64-bit word with several meanings; pte_kind() tells which.
 *
 *            63 62..60 59-58 57-53 52    51..12      11    10    9     8..0
 * valid      NX  0     age   prot  lock  frame       write 0     cow   hardware (G LP D A CD WT U W
 * 1) 63..32               31..16 15..12      11    10    9..5  4..1  0 zero       0
 * ......................................................................... look in the VAD demand
 * 0   0                    0      0           0     0     prot  0     0 pagefile   slot (not 0) 0
 * file        0     0     prot  0     0 transition 0 .. frame in 51..12 ................   1     0
 * prot  0     0 prototype  all ones in 63..16: look in the VAD     0     1     prot  0     0   (in
 * page tables) subsection address of struct subsection in 63..16  0     1     prot  0     0   (in
 * prototype arrays) decommit   0                    0      0           0     0     0x10  0     0
 *
 * "write": the page may be written; the hardware's W bit (1) is set only when no write watch, clean
 * mapped file page or copy-on-write has to see the first write.
 */
typedef u64 MMPTE;

#define PTE_VALID	     (1ul << 0)
#define PTE_HW_WRITE	     (1ul << 1)
#define PTE_USER	     (1ul << 2)
#define PTE_PWT		     (1ul << 3)
#define PTE_PCD		     (1ul << 4)
#define PTE_ACCESSED	     (1ul << 5)
#define PTE_DIRTY	     (1ul << 6)
#define PTE_LARGE	     (1ul << 7)
#define PTE_GLOBAL	     (1ul << 8)
#define PTE_COW		     (1ul << 9)
#define PTE_WRITE	     (1ul << 11)
#define PTE_FRAME	     0x000ffffffffff000ul
#define PTE_LOCKED	     (1ul << 52)
#define PTE_NX		     (1ul << 63)
#define PTE_VALID_PROT_SHIFT 53
#define PTE_AGE_SHIFT	     58
#define PTE_AGE		     (3ul << PTE_AGE_SHIFT)

#define PTE_PROT_SHIFT	  5
#define PTE_PROT	  (0x1ful << PTE_PROT_SHIFT)
#define PTE_PROTOTYPE	  (1ul << 10)
#define PTE_TRANSITION	  (1ul << 11)
#define PTE_FILE_SHIFT	  12
#define PTE_SLOT_SHIFT	  32
#define PTE_ADDRESS_SHIFT 16
#define PTE_IN_VAD	  (~0ul << PTE_ADDRESS_SHIFT)
/* In demand-zero and pagefile PTEs, and in MMPFN.original_pte (reset.c): */
#define PTE_RESET \
	(1ul << 16) /* MEM_RESET: once this form is in the page table, contents are lost */
#define PTE_OFFERED (1ul << 17) /* offered: no access until it is reclaimed */
/* In pagefile PTEs: the slot is a key of the store of compressed pages (store.c). */
#define PTE_IN_STORE (1ul << 18)

/* Protection codes, NT's 5 bits: base in the low three. */
enum mm_prot {
	MM_NOACCESS_BASE = 0,
	MM_READONLY = 1,
	MM_EXECUTE = 2,
	MM_EXECUTE_READ = 3,
	MM_READWRITE = 4,
	MM_WRITECOPY = 5,
	MM_EXECUTE_READWRITE = 6,
	MM_EXECUTE_WRITECOPY = 7,
	MM_NOCACHE = 0x08,
	MM_GUARD = 0x10,
	MM_WRITECOMBINE = 0x18,
	MM_DECOMMIT = 0x10,
	MM_NOACCESS = 0x18,
};
#define MM_BASE(p) ((p)&7u)
static inline bool mm_prot_executes(u32 code)
{
	return code & 2;
}
static inline bool mm_prot_writes(u32 code) /* copy-on-write included */
{
	return code & 4;
}

enum pte_kind {
	PTE_K_ZERO,
	PTE_K_VALID,
	PTE_K_DEMAND_ZERO,
	PTE_K_PAGEFILE,
	PTE_K_TRANSITION,
	PTE_K_PROTOTYPE, /* in an array of prototypes: subsection */
	PTE_K_DECOMMITTED,
	PTE_KINDS
};

static inline enum pte_kind pte_kind(MMPTE p)
{
	if (p & PTE_VALID)
		return PTE_K_VALID;
	if (!p)
		return PTE_K_ZERO;
	if (p & PTE_PROTOTYPE)
		return PTE_K_PROTOTYPE;
	if (p & PTE_TRANSITION)
		return PTE_K_TRANSITION;
	if (p >> PTE_SLOT_SHIFT)
		return PTE_K_PAGEFILE;
	return p == MM_DECOMMIT << PTE_PROT_SHIFT ? PTE_K_DECOMMITTED : PTE_K_DEMAND_ZERO;
}
static inline u32 pte_prot(MMPTE p)
{
	return (u32)(p & PTE_VALID ? p >> PTE_VALID_PROT_SHIFT : p >> PTE_PROT_SHIFT) & 0x1f;
}
static inline pfn_t pte_pfn(MMPTE p)
{
	return (pfn_t)((p & PTE_FRAME) >> PAGE_SHIFT);
}
static inline MMPTE pte_demand_zero(u32 prot)
{
	return (u64)prot << PTE_PROT_SHIFT;
}
static inline MMPTE pte_transition(pfn_t pfn, u32 prot)
{
	return (u64)pfn << PAGE_SHIFT | (u64)prot << PTE_PROT_SHIFT | PTE_TRANSITION;
}
static inline MMPTE pte_prototype(u32 prot)
{
	return PTE_IN_VAD | PTE_PROTOTYPE | (u64)prot << PTE_PROT_SHIFT;
}
static inline MMPTE pte_pagefile(u32 file, u64 slot, u32 prot)
{
	return slot << PTE_SLOT_SHIFT | (u64)file << PTE_FILE_SHIFT | (u64)prot << PTE_PROT_SHIFT;
}
static inline u32 pte_file(MMPTE p)
{
	return p >> PTE_FILE_SHIFT & 15;
}
static inline u64 pte_slot(MMPTE p)
{
	return p >> PTE_SLOT_SHIFT;
}
static inline MMPTE pte_with_prot(MMPTE p, u32 prot)
{
	return (p & ~PTE_PROT) | (u64)prot << PTE_PROT_SHIFT;
}

extern const u64 mm_prot_bits[32]; /* hardware bits of a valid user PTE, WRITE included */
/* A valid user PTE; hardware write only when asked (it wants dirty too, then). */
static inline MMPTE pte_valid(pfn_t pfn, u32 prot)
{
	return (u64)pfn << PAGE_SHIFT | mm_prot_bits[prot] | (u64)prot << PTE_VALID_PROT_SHIFT;
}
/* Win32 PAGE_* <-> code. mm_make_prot returns 0 for what is illegal. */
u32 mm_make_prot(u32 win32);
u32 mm_win32_prot(u32 code);

#endif
