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

/* AWE: what is left of it when the address space goes. => A, no VADs left */
void mm_free_physical(struct address_space *as);

#endif
