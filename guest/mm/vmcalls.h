/* Between the files that implement the virtual memory calls. */
#ifndef NTMM_MM_VMCALLS_H
#define NTMM_MM_VMCALLS_H

#include "guest/mm/mi.h"

#define SE_LOCK_MEMORY 4u /* SeLockMemoryPrivilege */
bool SeHasPrivilege(u32 luid);

/* One allocation, checked or not yet. Bytes and addresses. */
struct alloc_request {
	u64 base, size;	   /* in: as asked; out: as given */
	u32 type, protect; /* MEM_*, PAGE_* */
	u32 prot;	   /* code of protect; mm_check_alloc makes it */
	u64 lowest, highest, align;
	bool extended;	/* NtAllocateVirtualMemoryEx: placeholders may be used */
	u64 attributes; /* MEM_EXTENDED_PARAMETER_* flags */
};

NTSTATUS mm_check_alloc(struct address_space *as, struct alloc_request *r);
NTSTATUS mm_allocate(EPROCESS *p, struct alloc_request *r);
/* A value that will be written back: a place that cannot take it fails the call before it does
 * anything. */
NTSTATUS mm_capture_inout(u64 *value, u64 *user);
NTSTATUS mm_zero_bits_limit(u64 bits, u64 highest, u64 *limit);
NTSTATUS mm_allocate_large(EPROCESS *p, struct alloc_request *r);
NTSTATUS mm_allocate_nonpaged(EPROCESS *p, struct alloc_request *r);
void mm_free_nonpaged(struct address_space *as, u64 start, u64 end); /* => A */
/* A page with this protection keeps its valid PTE. */
static inline bool mm_stays_resident(u32 prot)
{
	return MM_BASE(prot) != MM_NOACCESS_BASE && (prot & 0x18) != MM_GUARD;
}
/* Commits pages of a SEC_RESERVE view. *pages: charged by the caller; what was used is taken off.
 */
NTSTATUS mm_commit_view(struct address_space *as, MMVAD *v, u64 start, u64 end, u32 prot,
			u64 *pages);
/* MEM_RESET and MEM_RESET_UNDO, which also takes back what was offered (then STATUS_DEVICE_BUSY:
 * usable, but contents were lost). Ranges are within one private VAD. => A */
NTSTATUS mm_reset_range(struct address_space *as, u64 start, u64 end, bool undo);
/* The same for a view of a pagefile-backed section. => A */
NTSTATUS mm_reset_view(struct address_space *as, MMVAD *v, u64 start, u64 end, bool undo);
/* OfferVirtualMemory with its priorities 1..4: committed read/write pages become inaccessible and
 * the first to be reused. Priority 0 discards them at once. => A */
#define MM_OFFER_DISCARD 0u
#define MM_OFFER_NORMAL	 4u
NTSTATUS mm_offer_range(struct address_space *as, u64 start, u64 end, u32 priority);

/* Limits of the working set in bytes, QUOTA_LIMITS_* flags; both (u64)-1 empty it; both 0 leave the
 * sizes alone. => no locks, PASSIVE */
NTSTATUS mm_set_working_set_limits(EPROCESS *p, u64 min, u64 max, u32 flags);

void mm_free_large(struct address_space *as, MMVAD *v); /* => A */
bool mm_is_shared_write(const MMVAD *v, u64 va);	/* an image's shared section */
/* watch.c: the bitmaps of a write-watched VAD. => A */
u64 *mm_new_watch(u64 pages); /* NULL: no memory */
/* v's bits from left_pages on into those of right, a VAD cut from it that has its node and memory
 */
void mm_split_watch(const MMVAD *v, u64 left_pages, MMVAD *right);
void mm_shrink_watch(MMVAD *v, u64 pages); /* => its node is still the old one */
void mm_decommit_watch(MMVAD *v, u64 start, u64 end);
void mm_note_stack_guard(u64 start, u64 end);
NTSTATUS mm_query_filename(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned);
NTSTATUS mm_query_working_set(EPROCESS *p, void *out, u64 length, u64 *returned);
NTSTATUS mm_query_working_set_ex(EPROCESS *p, void *out, u64 length, u64 *returned);
NTSTATUS mm_query_image(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned);

/* Copies bytes that lie within one page of p from or to kernel memory; the page is brought in with
 * this right first. kernel NULL: only that. STATUS_ACCESS_VIOLATION, STATUS_GUARD_PAGE_VIOLATION
 * (the guard is gone then), STATUS_IN_PAGE_ERROR. => no locks, PASSIVE */
NTSTATUS mm_access_other(EPROCESS *p, u64 va, void *kernel, u64 bytes, bool write);

/* SECTION_IMAGE_INFORMATION, 64 bytes. */
void mm_image_information(const struct control_area *ca, void *out);
/* usage.c: pages. => A not held */
u64 mm_count_private(struct address_space *as);
u64 mm_count_shared_commit(struct address_space *as);

/* Whether a view lets its pages become *prot; images turn writable into copy-on-write. */
NTSTATUS mm_check_view_prot(const MMVAD *v, u32 *prot);

/*
 * Control Flow Guard (cfg.c): nothing, successfully, in a process that runs without. All but create
 * are called between enter and leave, which take no other lock.
 */
NTSTATUS mm_cfg_create(EPROCESS *p); /* => before anything is mapped that may be called */
void mm_cfg_enter(struct address_space *as);
void mm_cfg_leave(struct address_space *as);
/* Commit for what fill needs, so that it cannot fail for that. */
NTSTATUS mm_cfg_prepare(struct address_space *as, u64 start, u64 end);
void mm_cfg_trim(struct address_space *as, u64 start, u64 end);	    /* gives it back */
NTSTATUS mm_cfg_fill(struct address_space *as, u64 start, u64 end); /* any address is a target */
void mm_cfg_clear(struct address_space *as, u64 start, u64 end);    /* none */
NTSTATUS mm_cfg_set_target(struct address_space *as, u64 va, bool valid);
/* What the view at base may be called at; valid: all of it if it is no image. */
NTSTATUS mm_cfg_view(struct address_space *as, u64 base, bool valid);

/* The parent's views of ViewShare into a new process. => no locks; the child does not run yet */
NTSTATUS mm_inherit_views(EPROCESS *parent, EPROCESS *child);

/* MEM_EXTENDED_PARAMETERs, captured. */
struct extended {
	bool has_address;
	u64 lowest, highest, alignment; /* MEM_ADDRESS_REQUIREMENTS; highest inclusive, 0: none */
	u64 attributes;			/* MEM_EXTENDED_PARAMETER_* flags */
};
NTSTATUS mm_capture_extended(const void *parameters, u32 count, struct extended *out);

#endif
