/*
 * The PFN database: entries, what a frame is used for in RAMMap's words, lists.
 */
#include <string.h>

#include "host/inspect/look.h"

const char *const look_use_name[USES] = {
    [USE_PRIVATE] = "Process Private", [USE_MAPPED_FILE] = "Mapped File",
    [USE_SHAREABLE] = "Shareable",     [USE_TABLE] = "Page Table",
    [USE_PAGED_POOL] = "Paged Pool",   [USE_NONPAGED_POOL] = "Nonpaged Pool",
    [USE_SYSTEM_PTE] = "System PTE",   [USE_SESSION] = "Session Private",
    [USE_METAFILE] = "Metafile",       [USE_AWE] = "AWE",
    [USE_DRIVER] = "Driver Locked",    [USE_STACK] = "Kernel Stack",
    [USE_LARGE] = "Large Page",	       [USE_STORE] = "Compressed",
    [USE_KERNEL] = "Kernel",	       [USE_UNUSED] = "Unused",
};

const char *const look_state_name[NTMM_PFN_STATES] = {
    [NTMM_PFN_ZEROED] = "Zeroed",
    [NTMM_PFN_FREE] = "Free",
    [NTMM_PFN_STANDBY] = "Standby",
    [NTMM_PFN_MODIFIED] = "Modified",
    [NTMM_PFN_MODIFIED_NO_WRITE] = "Modified no-write",
    [NTMM_PFN_BAD] = "Bad",
    [NTMM_PFN_ACTIVE] = "Active",
    [NTMM_PFN_TRANSITION] = "Transition",
};

/* A number of an entry that has been read. */
static uint64_t part(const struct look *l, const uint8_t *entry, enum ntmm_field f)
{
	uint64_t v = 0;

	memcpy(&v, entry + l->info.field[f], look_width(f));
	return v;
}

bool look_frame(struct look *l, uint64_t pfn, struct look_frame *f)
{
	uint8_t e[LOOK_PFN_MOST];
	uint64_t before = l->unreadable;

	memset(f, 0, sizeof(*f));
	if (!pfn || pfn > l->highest || !look_spend(l, 1))
		return false;
	if (!look_virtual(l, l->system_root, l->info.pfn_database + pfn * l->info.pfn_bytes, e,
			  l->info.pfn_bytes)) {
		l->unreadable = before; /* the database has holes where RAM has */
		return false;
	}
	*f = (struct look_frame){
	    .pte = part(l, e, NTMM_F_pfn_pte),
	    .original = part(l, e, NTMM_F_pfn_original),
	    .flink = (uint32_t)part(l, e, NTMM_F_pfn_flink),
	    .blink = (uint32_t)part(l, e, NTMM_F_pfn_blink),
	    .share = (uint32_t)part(l, e, NTMM_F_pfn_share),
	    .pte_frame = (uint32_t)part(l, e, NTMM_F_pfn_pte_frame),
	    .refs = (uint16_t)part(l, e, NTMM_F_pfn_refs),
	    .state = (uint8_t)part(l, e, NTMM_F_pfn_state),
	    .flags = (uint8_t)part(l, e, NTMM_F_pfn_flags),
	    .priority = (uint8_t)part(l, e, NTMM_F_pfn_priority),
	    .use = (uint8_t)part(l, e, NTMM_F_pfn_use),
	};
	return f->state != NTMM_PFN_BAD && f->state < NTMM_PFN_STATES;
}

bool look_next_frame(const struct look *l, uint64_t *pfn)
{
	const uint64_t hole = NTMM_PCI_HOLE_START / LOOK_PAGE, high = NTMM_HIGH_RAM / LOOK_PAGE;
	uint64_t low = l->frames < hole ? l->frames : hole;

	if (*pfn < low)
		return true;
	if (*pfn < high)
		*pfn = high;
	return *pfn - high < l->frames - low;
}

uint64_t look_frame_ca(struct look *l, const struct look_frame *f)
{
	uint64_t o = f->original;

	if (look_kind(o) != KIND_PROTOTYPE)
		return 0;
	return look_get(l, (uint64_t)((int64_t)o >> NTMM_PTE_SUBSECTION), NTMM_F_subsection_ca);
}

enum look_use look_use(const struct look_frame *f)
{
	static const enum look_use taken[NTMM_USES] = {
	    [NTMM_USE_BOOT] = USE_KERNEL,	 [NTMM_USE_TABLE] = USE_TABLE,
	    [NTMM_USE_POOL] = USE_NONPAGED_POOL, [NTMM_USE_SYSTEM_PTE] = USE_SYSTEM_PTE,
	    [NTMM_USE_STACK] = USE_STACK,	 [NTMM_USE_DRIVER] = USE_DRIVER,
	    [NTMM_USE_STORE] = USE_STORE,	 [NTMM_USE_AWE] = USE_AWE,
	    [NTMM_USE_LARGE] = USE_LARGE,	 [NTMM_USE_NONPAGED] = USE_PRIVATE,
	};

	if (f->state == NTMM_PFN_ZEROED || f->state == NTMM_PFN_FREE)
		return USE_UNUSED;
	/* the zero-page thread has it in hand */
	if (f->state == NTMM_PFN_TRANSITION && f->flags & NTMM_PFN_F_KERNEL)
		return USE_UNUSED;
	if (f->flags & (NTMM_PFN_F_KERNEL | NTMM_PFN_F_NOPAGE))
		return f->use < NTMM_USES ? taken[f->use] : USE_KERNEL;
	if (!(f->flags & NTMM_PFN_F_PROTOTYPE))
		return USE_PRIVATE;
	return look_kind(f->original) == KIND_PROTOTYPE ? USE_MAPPED_FILE : USE_SHAREABLE;
}

struct look_list look_list(struct look *l, enum ntmm_variable v, unsigned index)
{
	uint64_t va = l->info.variable[v] + index * (uint64_t)16;

	return (struct look_list){look_get(l, va, NTMM_F_list_head),
				  look_get(l, va, NTMM_F_list_tail),
				  look_get(l, va, NTMM_F_list_count)};
}
