/*
 * System PTEs: kernel virtual addresses for what the direct map cannot give: kernel stacks with a
 * guard page, pool blocks of many pages, device memory. One bitmap of pages, first fit from a hint.
 * Lock: syspte_lock for the bitmap; the tables below are made under it and never freed.
 */
#include "guest/mm/mi.h"

#define SYSTEM_PAGES 0x40000ul /* 1 GB of addresses */

static struct spinlock syspte_lock;
static u64 used[SYSTEM_PAGES / 64];
static u64 hint;
u64 mm_free_system_ptes = SYSTEM_PAGES;
pfn_t mm_system_pml4;

MMPTE *mm_system_pte(u64 va)
{
	MMPTE *t = pfn_to_va(mm_system_pml4);

	for (u32 shift = 39; shift > 12; shift -= 9) {
		MMPTE *e = &t[va >> shift & 511];

		if (!(*e & PTE_VALID))
			return NULL;
		t = pfn_to_va(pte_pfn(*e));
	}
	return &t[va >> 12 & 511];
}

static MMPTE *make_system_pte(u64 va)
{
	MMPTE *t = pfn_to_va(mm_system_pml4);

	for (u32 shift = 39; shift > 12; shift -= 9) {
		MMPTE *e = &t[va >> shift & 511];

		if (!(*e & PTE_VALID)) {
			pfn_t p = mm_take_kernel_table();

			if (!p)
				return NULL;
			pte_store(e,
				  (u64)p << PAGE_SHIFT | PTE_VALID | PTE_HW_WRITE | PTE_ACCESSED);
		}
		t = pfn_to_va(pte_pfn(*e));
	}
	return &t[va >> 12 & 511];
}

void *mm_reserve_system(u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&syspte_lock);
	u64 run = 0;

	for (u64 n = 0, i = hint; n < 2 * SYSTEM_PAGES; n++, i++) {
		if (i >= SYSTEM_PAGES) {
			i = 0;
			run = 0;
		}
		if (used[i / 64] >> (i % 64) & 1) {
			run = 0;
			continue;
		}
		if (++run == pages) {
			u64 first = i + 1 - pages, va = MM_SYSTEM_PTES + first * PAGE_SIZE;

			for (u64 k = first; k <= i; k++)
				used[k / 64] |= 1ul << (k % 64);
			hint = i + 1;
			mm_free_system_ptes -= pages;
			for (u64 k = 0; k < pages; k++)
				if (!make_system_pte(va + k * PAGE_SIZE)) {
					KeReleaseSpinLock(&syspte_lock, old);
					mm_release_system((void *)va, pages);
					return NULL;
				}
			KeReleaseSpinLock(&syspte_lock, old);
			return (void *)va;
		}
	}
	KeReleaseSpinLock(&syspte_lock, old);
	return NULL;
}

/* PTEs are cleared and flushed everywhere before the addresses can be given out again. */
void mm_release_system(void *va, u64 pages)
{
	u64 first = ((u64)va - MM_SYSTEM_PTES) >> PAGE_SHIFT;
	KIRQL old;

	for (u64 k = 0; k < pages; k++) {
		MMPTE *pte = mm_system_pte((u64)va + k * PAGE_SIZE);

		if (pte && *pte) {
			pte_store(pte, 0);
			ke_flush_tlb_page((1ul << ke_cpu_count) - 1, (u64)va + k * PAGE_SIZE);
		}
	}
	old = KeAcquireSpinLock(&syspte_lock);
	for (u64 k = first; k < first + pages; k++)
		used[k / 64] &= ~(1ul << (k % 64));
	hint = MIN(hint, first);
	mm_free_system_ptes += pages;
	KeReleaseSpinLock(&syspte_lock, old);
}

void *mm_map_system(const pfn_t *frames, u64 pages, u64 bits)
{
	u8 *va = mm_reserve_system(pages);

	for (u64 k = 0; va && k < pages; k++)
		pte_store(mm_system_pte((u64)va + k * PAGE_SIZE), (u64)frames[k] << PAGE_SHIFT |
								      bits | PTE_VALID | PTE_NX |
								      PTE_ACCESSED | PTE_DIRTY);
	return va;
}

void *MmMapIoSpace(u64 pa, u64 bytes)
{
	u64 first = pa >> PAGE_SHIFT, pages = ((pa + bytes - 1) >> PAGE_SHIFT) - first + 1;
	u8 *va = mm_reserve_system(pages);

	for (u64 k = 0; va && k < pages; k++)
		pte_store(mm_system_pte((u64)va + k * PAGE_SIZE), (first + k) << PAGE_SHIFT |
								      PTE_VALID | PTE_HW_WRITE |
								      PTE_NX | PTE_PCD | PTE_PWT);
	return va ? va + (pa & (PAGE_SIZE - 1)) : NULL;
}

/* `pages` fresh zeroed frames at consecutive kernel addresses; NULL without memory. */
void *mm_allocate_system(u64 pages, enum ntmm_use use)
{
	u8 *va = mm_reserve_system(pages);

	for (u64 k = 0; va && k < pages; k++) {
		pfn_t p = mm_take_kernel_page(use);

		if (!p) {
			mm_free_system(va, pages);
			return NULL;
		}
		pte_store(mm_system_pte((u64)va + k * PAGE_SIZE), (u64)p << PAGE_SHIFT | PTE_VALID |
								      PTE_HW_WRITE | PTE_NX |
								      PTE_ACCESSED | PTE_DIRTY);
	}
	return va;
}

void mm_free_system(void *va, u64 pages)
{
	pfn_t p[64];

	/* unmap before the frames can get a new owner; 64 at a time */
	for (u64 done = 0; done < pages;) {
		u64 n = 0;

		for (; n < 64 && done < pages; done++) {
			MMPTE *pte = mm_system_pte((u64)va + done * PAGE_SIZE);

			if (!pte || !*pte)
				continue;
			p[n++] = pte_pfn(*pte);
			pte_store(pte, 0);
			ke_flush_tlb_page((1ul << ke_cpu_count) - 1, (u64)va + done * PAGE_SIZE);
		}
		while (n)
			mm_free_kernel_page(p[--n]);
	}
	mm_release_system(va, pages);
}

/* Stacks of threads that ended, for the next ones; each holds the address of another at its low
 * end. The lock is syspte_lock. */
#define SPARE_STACKS 4u
static u64 spare_stack;
static u32 spare_stacks;

static u64 take_spare_stack(void)
{
	KIRQL old = KeAcquireSpinLock(&syspte_lock);
	u64 stack = spare_stack;

	if (stack) {
		spare_stack = *(u64 *)stack;
		spare_stacks--;
	}
	KeReleaseSpinLock(&syspte_lock, old);
	return stack;
}

static bool keep_spare_stack(u64 stack)
{
	KIRQL old = KeAcquireSpinLock(&syspte_lock);
	bool kept = spare_stacks < SPARE_STACKS;

	if (kept) {
		*(u64 *)stack = spare_stack;
		spare_stack = stack;
		spare_stacks++;
	}
	KeReleaseSpinLock(&syspte_lock, old);
	return kept;
}

/* A stack has one unmapped page below it: running over is a double fault, not a silent loss. */
u64 MmCreateKernelStack(void)
{
	u64 pages = KERNEL_STACK_SIZE >> PAGE_SHIFT, spare = take_spare_stack();
	u8 *va = spare ? NULL : mm_reserve_system(pages + 1);

	if (spare)
		return spare;

	for (u64 k = 1; va && k <= pages; k++) {
		pfn_t p = mm_take_kernel_page(NTMM_USE_STACK);

		if (!p) {
			mm_free_system(va, pages + 1);
			return 0;
		}
		pte_store(mm_system_pte((u64)va + k * PAGE_SIZE), (u64)p << PAGE_SHIFT | PTE_VALID |
								      PTE_HW_WRITE | PTE_NX |
								      PTE_ACCESSED | PTE_DIRTY);
	}
	return va ? (u64)va + PAGE_SIZE : 0;
}

void MmDeleteKernelStack(u64 stack)
{
	if (!keep_spare_stack(stack))
		mm_free_system((void *)(stack - PAGE_SIZE), (KERNEL_STACK_SIZE >> PAGE_SHIFT) + 1);
}
