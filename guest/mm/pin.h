/* Memory that cannot be paged: large pages, AWE, locked pages. */
#ifndef NTMM_MM_PIN_H
#define NTMM_MM_PIN_H

#include "guest/mm/mi.h"

/*
 * Whether `pages` more may become unpageable and what remains still serves everybody else: what is
 * available, can be written out or trimmed, less a floor. => pin_lock held from the question until
 * the frames are taken, so that two answers do not promise the same pages; A not held
 */
bool mm_can_pin(u64 pages);
extern struct mutex mm_pin_lock;
void mm_init_pin(void);

bool mm_has_huge_pages(void); /* does the processor know pages of 1 GB? */
/* `n` frames' runs of 2 MB or 1 GB, as valid PTEs in run[]; all of them or
 * STATUS_INSUFFICIENT_RESOURCES. May trim everybody. => no locks, PASSIVE */
NTSTATUS mm_take_large_runs(MMPTE *run, u64 n, u64 bytes);
void mm_free_large_run(MMPTE run, u64 bytes);
/* Puts such a page into the page tables, or takes it out (the caller flushes then). => A */
bool mm_set_large(struct address_space *as, u64 va, MMPTE run, u32 prot, u64 bytes);
void mm_clear_large(struct address_space *as, u64 va);

/* Sections of large pages (largesect.c). The frames are in ca->proto, a page of ca->large_bytes an
 * entry, from the beginning to the end; ca->pages is 0, so that nobody takes them for prototypes.
 */
struct control_area;
NTSTATUS mm_large_section(u64 size, u64 page, u32 prot, struct control_area **out);
void mm_free_large_section(struct control_area *ca);
/* => A; the VAD is in the tree. STATUS_INSUFFICIENT_RESOURCES: nothing is mapped */
NTSTATUS mm_map_large_view(struct address_space *as, MMVAD *v);
void mm_unmap_large_view(struct address_space *as, MMVAD *v);

/* AWE: what is left of it when the address space goes. => A, no VADs left */
void mm_free_physical(struct address_space *as);

#endif
