/*
 * The store: pages kept compressed in memory in place of the pagefile (store.c). To the rest of the
 * memory manager it is one more place that a page table entry in pagefile form can name:
 * PTE_IN_STORE is set then and the slot is a key, which says where the page is, in the store or
 * moved on to a pagefile.
 */
#ifndef NTMM_MM_STORE_H
#define NTMM_MM_STORE_H

#include "guest/mm/mi.h"

void mm_init_store(void);

static inline bool pte_in_store(MMPTE p)
{
	return pte_kind(p) == PTE_K_PAGEFILE && p & PTE_IN_STORE;
}

/* Is there a store, and may frame p go there? => F */
bool mm_store_wants(pfn_t p);
/* Compresses the modified page p into the store; a page that does not shrink, or for which there is
 * no room, goes back to the modified list, not to be asked about again. => F, dropped; the writer's
 * thread, PASSIVE */
void mm_store_page(pfn_t p, KIRQL irql);

/* Where the page of a pagefile entry is. A pagefile: its number in the upper half, its slot in the
 * lower. 0: compressed in memory. => F */
u64 mm_backing(MMPTE pte);
/* The key is not used any more. => F */
void mm_store_free(u64 key);

/* Reading a compressed page: begin (F) pins it, so that it stays where it is while read() fills a
 * frame without locks; end (F) frees the key. */
void mm_store_begin_read(u64 key);
void mm_store_read(u64 key, void *page);
void mm_store_end_read(u64 key);

/* For !pfncheck: the store's own books; *keys: how many are used. => F */
bool mm_check_store(u64 *keys);
bool mm_key_is_used(u64 key);

#endif
