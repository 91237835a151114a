/* NtQueryVirtualMemory: what is where, run by run, as Windows merges it. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

enum memory_class {
	MemoryBasicInformation = 0,
	MemoryWorkingSetInformation = 1,
	MemoryMappedFilenameInformation = 2,
	MemoryRegionInformation = 3,
	MemoryWorkingSetExInformation = 4,
	MemoryImageInformation = 6,
	MemoryPrivilegedBasicInformation = 8,
};

static u32 win32_type(const MMVAD *v)
{
	return v->type == VAD_IMAGE	     ? MEM_IMAGE
	       : v->ca || v->type == VAD_CFG ? MEM_MAPPED
					     : MEM_PRIVATE;
}

static bool is_private(const MMVAD *v)
{
	return v->type == VAD_PRIVATE || v->type == VAD_CFG;
}

/* How far pages of a private region from va on are like the first: one look at each PTE. => A */
static u64 private_run(struct address_space *as, MMVAD *v, u64 va, bool committed, u32 prot)
{
	bool zero_is_alike = v->committed == committed && (!committed || v->prot == prot);

	while (va < vad_end(v)) {
		u64 stop = MIN(vad_end(v), ALIGN_DOWN(va, LARGE_PAGE_SIZE) + LARGE_PAGE_SIZE);
		MMPTE *pte = mm_find_pte(as, va);

		if (!pte) {
			if (!zero_is_alike)
				return va;
			va = MIN(mm_skip_absent(as, va, vad_end(v)), vad_end(v));
			continue;
		}
		for (; va < stop; va += PAGE_SIZE, pte++) {
			MMPTE e = *pte;

			if (!e) {
				if (!zero_is_alike)
					return va;
			} else if (pte_kind(e) == PTE_K_DECOMMITTED) {
				if (committed)
					return va;
			} else if (!committed || pte_prot(e) != prot) {
				return va;
			}
		}
	}
	return va;
}

/* => A. The run of pages from va on that agree in everything. */
static void basic(struct address_space *as, u64 va, MEMORY_BASIC_INFORMATION *m)
{
	MMVAD *v = mm_find_vad(as, va);
	u32 prot = 0, other;
	bool committed;
	u64 next, end;

	memset(m, 0, sizeof(*m));
	m->BaseAddress = va;
	if (!v) {
		struct vad_node *n =
		    vad_find_overlap(&as->vads, va >> PAGE_SHIFT, as->highest >> PAGE_SHIFT);

		end = n ? n->start << PAGE_SHIFT : as->highest + 1;
		m->RegionSize = end - va;
		m->State = MEM_FREE;
		m->Protect = PAGE_NOACCESS;
		return;
	}
	committed = mm_page_state(as, v, va, &prot, &next);
	if (is_private(v))
		next = private_run(as, v, next, committed, prot);
	for (end = next; !is_private(v) && end < vad_end(v); end = next) {
		bool same = mm_page_state(as, v, end, &other, &next) == committed;

		if (!same || (committed && other != prot))
			break;
	}
	m->AllocationBase = vad_va(v);
	m->AllocationProtect = v->win32_prot;
	m->RegionSize = end - va;
	m->State = committed ? MEM_COMMIT : MEM_RESERVE;
	m->Protect = committed ? mm_win32_prot(prot) : 0;
	m->Type = win32_type(v);
}

static NTSTATUS query_basic(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned)
{
	MEMORY_BASIC_INFORMATION m;
	bool dying;

	if (length < sizeof(m))
		return STATUS_INFO_LENGTH_MISMATCH;
	mutex_lock(&p->as.lock);
	dying = p->as.dying;
	if (!dying)
		basic(&p->as, ALIGN_DOWN(va, PAGE_SIZE), &m);
	mutex_unlock(&p->as.lock);
	if (dying)
		return STATUS_PROCESS_IS_TERMINATING;
	*returned = sizeof(m);
	return copy_to_user(out, &m, sizeof(m));
}

/* MEMORY_REGION_INFORMATION; callers may know only the first fields. */
static NTSTATUS query_region(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned)
{
	struct {
		u64 AllocationBase;
		u32 AllocationProtect, RegionType;
		u64 RegionSize, CommitSize, PartitionId, NodePreference;
	} r = {0};
	MMVAD *v;
	bool dying;

	if (length < 0x18)
		return STATUS_INFO_LENGTH_MISMATCH;
	mutex_lock(&p->as.lock);
	dying = p->as.dying;
	v = mm_find_vad(&p->as, va);
	if (v) {
		r.AllocationBase = vad_va(v);
		r.AllocationProtect = v->win32_prot;
		r.RegionType = v->type == VAD_IMAGE   ? 1u << 2
			       : v->ca && v->ca->file ? 1u << 1
						      : 0; /* nothing is told of pagefile views */
		r.RegionType |= v->placeholder ? 1u << 8 : 0;
		r.RegionType |= v->type == VAD_AWE ? 1u << 9 : 0;
		r.RegionType |= v->write_watch ? 1u << 10 : 0;
		r.RegionType |=
		    v->type == VAD_LARGE ? 1u << (v->page_bytes > LARGE_PAGE_SIZE ? 12 : 11) : 0;
		r.RegionSize = vad_end(v) - vad_va(v);
		r.CommitSize = mm_count_committed(&p->as, v, vad_va(v), vad_end(v)) << PAGE_SHIFT;
	}
	mutex_unlock(&p->as.lock);
	if (!v)
		return dying ? STATUS_PROCESS_IS_TERMINATING : STATUS_INVALID_ADDRESS;
	*returned = MIN(length, sizeof(r));
	return copy_to_user(out, &r, *returned);
}

NTSYSCALL NTSTATUS NtQueryVirtualMemory(HANDLE process, u64 va, u32 class, void *out, u64 length,
					u64 *user_returned)
{
	EPROCESS *p;
	u64 returned = 0;
	NTSTATUS st;

	st = ObReferenceObjectByHandle(process, PROCESS_QUERY_LIMITED, &PsProcessType, (void **)&p);
	if (st)
		return st;
	if (va > p->as.highest && class != MemoryWorkingSetInformation &&
	    class != MemoryWorkingSetExInformation) {
		ObDereferenceObject(p);
		return class == MemoryBasicInformation && length < 48 ? STATUS_INFO_LENGTH_MISMATCH
								      : STATUS_INVALID_PARAMETER;
	}
	switch (class) {
	case MemoryBasicInformation:
	case MemoryPrivilegedBasicInformation:
		st = query_basic(p, va, out, length, &returned);
		break;
	case MemoryRegionInformation:
		st = query_region(p, va, out, length, &returned);
		break;
	case MemoryMappedFilenameInformation:
		st = mm_query_filename(p, va, out, length, &returned);
		break;
	case MemoryWorkingSetInformation:
		st = mm_query_working_set(p, out, length, &returned);
		break;
	case MemoryWorkingSetExInformation:
		st = mm_query_working_set_ex(p, out, length, &returned);
		break;
	case MemoryImageInformation:
		st = mm_query_image(p, va, out, length, &returned);
		break;
	default:
		st = STATUS_INVALID_INFO_CLASS;
	}
	ObDereferenceObject(p);
	if (returned && user_returned) { /* also tells how long a buffer too short should be */
		NTSTATUS back = copy_to_user(user_returned, &returned, 8);

		if (!st)
			st = back;
	}
	return st;
}
