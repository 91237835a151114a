/* What a process uses, as far as it is not counted as it happens: walks for the longest forms of
 * its memory counters. */
#include "guest/mm/vmcalls.h"

/* Resident pages that nobody else can have. */
u64 mm_count_private(struct address_space *as)
{
	u64 n = 0, end = as->highest + 1;

	mutex_lock(&as->lock);
	for (u64 va = mm_skip_absent(as, 0, end); va < end;
	     va = mm_skip_absent(as, va + LARGE_PAGE_SIZE, end)) {
		const MMPTE *pte = mm_find_pte(as, va);

		for (u32 i = 0; i < 512; i++)
			if (pte[i] & PTE_VALID &&
			    !(mm_pfn[pte_pfn(pte[i])].flags & (PFN_F_PROTOTYPE | PFN_F_KERNEL)))
				n++;
	}
	mutex_unlock(&as->lock);
	return n;
}

/* Pages of pagefile-backed sections that its views show. */
u64 mm_count_shared_commit(struct address_space *as)
{
	u64 n = 0;

	mutex_lock(&as->lock);
	for (struct vad_node *e = vad_first(&as->vads); e; e = vad_next(e)) {
		const MMVAD *v = CONTAINER_OF(e, MMVAD, node);

		if (v->type == VAD_MAPPED && !v->ca->file)
			n += MIN(e->end - e->start + 1, v->ca->charged);
	}
	mutex_unlock(&as->lock);
	return n;
}
