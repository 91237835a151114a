/*
 * The root that the inspector reads (abi/mminfo.h): where the kernel's variables and the fields of
 * its structures are. A constant, so it lies with the kernel's code in memory that the host keeps
 * from being written. It looks into private structures of io and ps on purpose: nobody else should
 * have to know that somebody outside reads them.
 */
#include "guest/ke/kdp.h"
#include "guest/io/fs.h"
#include "guest/mm/mi.h"
#include "guest/ps/psi.h"

extern char ke_text_start[], ke_text_end[];

#define FIELD(name, type, member, size) [NTMM_F_##name] = offsetof(type, member),
#define VARIABLE(name, symbol, size)	[NTMM_V_##name] = (u64)(&(symbol)),
#define FIELD_SIZE(name, type, member, size) \
	_Static_assert(sizeof(((type *)0)->member) == (size), #name ": the inspector reads it");
#define VARIABLE_SIZE(name, symbol, size) \
	_Static_assert(sizeof(symbol) == (size), #name ": the inspector reads it");
NTMM_FIELDS(FIELD_SIZE)
NTMM_VARIABLES(VARIABLE_SIZE)

static const struct ntmm_mminfo root = {
    .magic = NTMM_MMINFO_MAGIC,
    .version = NTMM_MMINFO_VERSION,
    .fields = NTMM_F_COUNT,
    .variables = NTMM_V_COUNT,
    .pfn_bytes = sizeof(MMPFN),
    .subsection_bytes = sizeof(struct subsection),
    .pagefile_bytes = sizeof(struct pfslots),
    .user_slots = 256,
    .image = MM_KERNEL_IMAGE,
    .direct_map = MM_DIRECT_MAP,
    .code = (u64)ke_text_start,
    .code_end = (u64)ke_text_end,
    .pfn_database = MM_PFN_DATABASE,
    .variable = {NTMM_VARIABLES(VARIABLE)},
    .field = {NTMM_FIELDS(FIELD)},
};

#define SAME(name, value) _Static_assert((u64)(name) == (u64)(value), #name);
SAME(NTMM_PTE_VALID, PTE_VALID)
SAME(NTMM_PTE_WRITE, PTE_HW_WRITE)
SAME(NTMM_PTE_USER, PTE_USER)
SAME(NTMM_PTE_ACCESSED, PTE_ACCESSED)
SAME(NTMM_PTE_DIRTY, PTE_DIRTY)
SAME(NTMM_PTE_LARGE, PTE_LARGE)
SAME(NTMM_PTE_GLOBAL, PTE_GLOBAL)
SAME(NTMM_PTE_COW, PTE_COW)
SAME(NTMM_PTE_MAY_WRITE, PTE_WRITE)
SAME(NTMM_PTE_FRAME, PTE_FRAME)
SAME(NTMM_PTE_LOCKED, PTE_LOCKED)
SAME(NTMM_PTE_NX, PTE_NX)
SAME(NTMM_PTE_VALID_PROT, PTE_VALID_PROT_SHIFT)
SAME(NTMM_PTE_AGE, PTE_AGE_SHIFT)
SAME(NTMM_PTE_PROT, PTE_PROT_SHIFT)
SAME(NTMM_PTE_PROTOTYPE, PTE_PROTOTYPE)
SAME(NTMM_PTE_TRANSITION, PTE_TRANSITION)
SAME(NTMM_PTE_SUBSECTION, PTE_ADDRESS_SHIFT)
SAME(NTMM_PTE_FILE, PTE_FILE_SHIFT)
SAME(NTMM_PTE_SLOT, PTE_SLOT_SHIFT)
SAME(NTMM_PTE_OFFERED, PTE_OFFERED)
SAME(NTMM_PTE_IN_STORE, PTE_IN_STORE)
SAME(NTMM_PTE_DECOMMITTED, MM_DECOMMIT << PTE_PROT_SHIFT)
SAME(NTMM_PFN_ZEROED, PFN_ZEROED)
SAME(NTMM_PFN_FREE, PFN_FREE)
SAME(NTMM_PFN_STANDBY, PFN_STANDBY)
SAME(NTMM_PFN_MODIFIED, PFN_MODIFIED)
SAME(NTMM_PFN_MODIFIED_NO_WRITE, PFN_MODIFIED_NO_WRITE)
SAME(NTMM_PFN_BAD, PFN_BAD)
SAME(NTMM_PFN_ACTIVE, PFN_ACTIVE)
SAME(NTMM_PFN_TRANSITION, PFN_IN_TRANSITION)
SAME(NTMM_PFN_F_MODIFIED, PFN_F_MODIFIED)
SAME(NTMM_PFN_F_READING, PFN_F_READING)
SAME(NTMM_PFN_F_WRITING, PFN_F_WRITING)
SAME(NTMM_PFN_F_PROTOTYPE, PFN_F_PROTOTYPE)
SAME(NTMM_PFN_F_KERNEL, PFN_F_KERNEL)
SAME(NTMM_PFN_F_DELETED, PFN_F_DELETED)
SAME(NTMM_PFN_F_NOPAGE, PFN_F_NOPAGE)
SAME(NTMM_VAD_PRIVATE, VAD_PRIVATE)
SAME(NTMM_VAD_MAPPED, VAD_MAPPED)
SAME(NTMM_VAD_IMAGE, VAD_IMAGE)
SAME(NTMM_VAD_AWE, VAD_AWE)
SAME(NTMM_VAD_LARGE, VAD_LARGE)
SAME(NTMM_VAD_NONPAGED, VAD_NONPAGED)
SAME(NTMM_VAD_SHARED_DATA, VAD_SHARED_DATA)
SAME(NTMM_VAD_CFG, VAD_CFG)
SAME(offsetof(MMVAD, node), 0) /* the tree's pointers are VADs */

void ke_publish_mminfo(void)
{
	if (ke_on_ntmm)
		hypercall(NTMM_HC_PUBLISH, NTMM_PUBLISH_MMINFO, MmGetPhysicalAddress(&root),
			  sizeof(root), 0);
}
