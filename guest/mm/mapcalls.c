/* NtMapViewOfSection, NtUnmapViewOfSection, their Ex forms, NtFlushVirtualMemory. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

/* What a view protection needs: of the handle, and of the section (by the section's own code). */
static NTSTATUS check_view(const struct section *s, ACCESS_MASK have, u32 prot)
{
	static const u32 right[8] = {
	    SECTION_MAP_READ,
	    SECTION_MAP_READ,
	    SECTION_MAP_EXECUTE,
	    SECTION_MAP_EXECUTE | SECTION_MAP_READ,
	    SECTION_MAP_WRITE,
	    SECTION_MAP_READ,
	    SECTION_MAP_EXECUTE | SECTION_MAP_WRITE,
	    SECTION_MAP_EXECUTE | SECTION_MAP_READ,
	};
	/* by section protection: bit n set = a view of base protection n is allowed */
	static const u8 allowed[8] = {
	    [MM_READONLY] = 0x23,	   [MM_WRITECOPY] = 0x23,    [MM_READWRITE] = 0x33,
	    [MM_EXECUTE] = 0x2f,	   [MM_EXECUTE_READ] = 0xaf, [MM_EXECUTE_WRITECOPY] = 0xaf,
	    [MM_EXECUTE_READWRITE] = 0xff,
	};
	u32 base = MM_BASE(prot);

	if (have & SECTION_MAP_EXECUTE_EXPLICIT)
		have |= SECTION_MAP_EXECUTE;
	if ((have & right[base]) != right[base])
		return STATUS_ACCESS_DENIED;
	if (s->ca->image)
		return STATUS_SUCCESS; /* its sections say what its pages are */
	return allowed[MM_BASE(s->prot)] >> base & 1 ? STATUS_SUCCESS : STATUS_SECTION_PROTECTION;
}

struct map_call {
	HANDLE section, process;
	u64 *base, *offset, *size; /* user; offset may be NULL */
	u32 type, protect;
	u64 zero_bits, lowest, highest;
	u64 commit; /* bytes of a SEC_RESERVE view to be committed at once */
	bool inherit;
};

/* The first pages of a view that has just been mapped. */
static NTSTATUS commit_view(EPROCESS *p, u64 base, u64 bytes, u32 prot)
{
	u64 pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	NTSTATUS st = mm_charge(&p->as, pages);
	MMVAD *v;

	if (st)
		return st;
	mutex_lock(&p->as.lock);
	v = mm_find_vad(&p->as, base);
	if (v && v->ca) /* who knows what another thread did meanwhile */
		st = mm_commit_view(&p->as, v, base, MIN(base + (pages << PAGE_SHIFT), vad_end(v)),
				    prot, &pages);
	mutex_unlock(&p->as.lock);
	mm_uncharge(&p->as, pages);
	return st;
}

static void unmap_at(EPROCESS *p, u64 va)
{
	MMVAD *v;

	mutex_lock(&p->as.lock);
	v = mm_find_vad(&p->as, va);
	if (v && v->ca)
		mm_unmap_vad(p, v);
	mutex_unlock(&p->as.lock);
}

/* A view, and with it where it may be called. */
static NTSTATUS map_guarded(EPROCESS *p, struct section *s, const struct map_call *c, u64 *base,
			    u64 offset, u64 *size, u32 prot, u64 highest)
{
	NTSTATUS st, guard;

	mm_cfg_enter(&p->as);
	st = mm_map_view(p, s, base, offset, size, c->type, prot, c->lowest, highest, c->inherit);
	if (NT_SUCCESS(st) &&
	    (guard = mm_cfg_view(&p->as, *base, !(c->protect & PAGE_TARGETS_INVALID)))) {
		unmap_at(p, *base);
		st = guard;
	}
	mm_cfg_leave(&p->as);
	return st;
}

static NTSTATUS map_view(struct map_call *c)
{
	u32 prot = mm_make_prot(c->protect & ~PAGE_TARGETS_INVALID);
	u64 base, size, offset = 0, highest = 0;
	ACCESS_MASK have;
	struct section *s;
	EPROCESS *p;
	NTSTATUS st;
	bool image;

	if (!prot || (c->protect & PAGE_TARGETS_INVALID && !(c->protect & PAGE_EXECUTE_ANY)) ||
	    (MM_BASE(prot) && prot & MM_NOCACHE)) /* caching is the section's business */
		return STATUS_INVALID_PAGE_PROTECTION;
	if ((st = copy_from_user(&base, c->base, 8)) || (st = copy_from_user(&size, c->size, 8)) ||
	    (c->offset && (st = copy_from_user(&offset, c->offset, 8))))
		return st;
	if (base && c->zero_bits && !mm_zero_bits_limit(c->zero_bits, MM_HIGHEST_USER, &highest) &&
	    base > highest)
		return STATUS_INVALID_PARAMETER_4;
	if (c->type & MEM_REPLACE_PLACEHOLDER ? base & (PAGE_SIZE - 1)
					      : base & (MM_GRANULARITY - 1))
		return STATUS_MAPPED_ALIGNMENT;
	if (offset & (MM_GRANULARITY - 1))
		return STATUS_MAPPED_ALIGNMENT;
	st = ObReferenceObjectByHandle(c->section, 0, &MmSectionType, (void **)&s);
	if (st)
		return st;
	st = ObQueryHandleAccess(c->section, &have);
	if (!st)
		st = ObReferenceObjectByHandle(c->process, PROCESS_VM_OPERATION, &PsProcessType,
					       (void **)&p);
	if (st) {
		ObDereferenceObject(s);
		return st;
	}
	if (size && c->commit > size)
		st = STATUS_INVALID_PARAMETER_5;
	if (!st)
		st = mm_zero_bits_limit(c->zero_bits, p->as.highest, &highest);
	if (c->highest)
		highest = MIN(highest, c->highest);
	if (!st && base && (base > p->as.highest || base + size - (size != 0) > p->as.highest))
		st = STATUS_INVALID_PARAMETER_3;
	if (!st)
		st = check_view(s, have, prot);
	if (!st && !s->ca->image && mm_prot_executes(prot) && PsDynamicCodeBlocked(p))
		st = STATUS_DYNAMIC_CODE_BLOCKED;
	if (!st)
		st = map_guarded(p, s, c, &base, offset, &size, prot, highest);
	if (NT_SUCCESS(st) && c->commit && s->ca->reserve &&
	    (commit_view(p, base, MIN(c->commit, size), prot))) {
		unmap_at(p, base);
		st = STATUS_COMMITMENT_LIMIT;
	}
	image = s->ca->image && p == PsGetCurrentProcess();
	ObDereferenceObject(p);
	ObDereferenceObject(s);
	if (NT_SUCCESS(st)) {
		NTSTATUS back = copy_to_user(c->base, &base, 8);

		if (!back)
			back = copy_to_user(c->size, &size, 8);
		if (!back && c->offset)
			back = copy_to_user(c->offset, &offset, 8);
		if (back)
			st = back;
		else if (image)
			PsImageMapped(base);
	}
	return st;
}

#define VIEW_TYPES (MEM_RESERVE | MEM_TOP_DOWN | MEM_LARGE_PAGES | MEM_DIFFERENT_IMAGE_BASE_OK)

NTSYSCALL NTSTATUS NtMapViewOfSection(HANDLE section, HANDLE process, u64 *base, u64 zero_bits,
				      u64 commit, u64 *offset, u64 *size, u32 inherit, u32 type,
				      u32 protect)
{
	struct map_call c = {section, process,	 base, offset, size,   type,
			     protect, zero_bits, 0,    0,      commit, inherit == 1};

	if (inherit != 1 && inherit != 2)
		return STATUS_INVALID_PARAMETER_8;
	if (type & ~VIEW_TYPES)
		return STATUS_INVALID_PARAMETER_9;
	if (zero_bits > 21 && zero_bits < 32)
		return STATUS_INVALID_PARAMETER_4;
	return map_view(&c);
}

NTSYSCALL NTSTATUS NtMapViewOfSectionEx(HANDLE section, HANDLE process, u64 *base, u64 *offset,
					u64 *size, u32 type, u32 protect, const void *parameters,
					u32 count)
{
	struct map_call c = {section, process, base, offset, size, type,
			     protect, 0,       0,    0,	     0,	   false};
	struct extended e;
	NTSTATUS st;
	u64 given;

	if (type & ~(VIEW_TYPES | MEM_REPLACE_PLACEHOLDER))
		return STATUS_INVALID_PARAMETER;
	st = mm_capture_extended(parameters, count, &e);
	if (st)
		return st;
	if ((st = copy_from_user(&given, base, 8)))
		return st;
	if (given && e.has_address && (e.lowest || e.highest || e.alignment))
		return STATUS_INVALID_PARAMETER;
	if (e.alignment)
		return STATUS_INVALID_PARAMETER;
	c.lowest = e.lowest;
	c.highest = e.highest;
	return map_view(&c);
}

static NTSTATUS unmap(HANDLE process, u64 va, u32 flags)
{
	u64 start = 0, end = 0;
	bool image = false;
	EPROCESS *p;
	NTSTATUS st;
	MMVAD *v;

	if (flags & ~(1u | MEM_PRESERVE_PLACEHOLDER))
		return STATUS_INVALID_PARAMETER;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	mm_cfg_enter(&p->as);
	mutex_lock(&p->as.lock);
	v = va <= p->as.highest ? mm_find_vad(&p->as, va) : NULL;
	if (v) {
		start = vad_va(v);
		end = vad_end(v);
		image = v->type == VAD_IMAGE && p == PsGetCurrentProcess();
	}
	if (!v || !v->ca) {
		st = STATUS_NOT_MAPPED_VIEW;
	} else if (flags & MEM_PRESERVE_PLACEHOLDER) {
		MMVAD *hole = ExAllocatePool(sizeof(*hole), TAG('V', 'a', 'd', ' '));

		if (!hole) {
			st = STATUS_INSUFFICIENT_RESOURCES;
		} else if (!v->from_placeholder) {
			ExFreePool(hole);
			st = STATUS_CONFLICTING_ADDRESSES;
		} else {
			u64 at = vad_va(v), bytes = vad_end(v) - at;

			hole->type = VAD_PRIVATE;
			hole->prot = MM_NOACCESS;
			hole->win32_prot = PAGE_NOACCESS;
			hole->placeholder = true;
			st = mm_unmap_vad(p, v);
			require(!mm_insert_vad(&p->as, hole, at, bytes, PAGE_SIZE, 0, p->as.highest,
					       false));
		}
	} else {
		st = mm_unmap_vad(p, v);
	}
	mutex_unlock(&p->as.lock);
	if (!st)
		mm_cfg_clear(&p->as, start, end);
	mm_cfg_leave(&p->as);
	ObDereferenceObject(p);
	if (!st && image)
		PsImageUnmapped(start);
	return st;
}

NTSYSCALL NTSTATUS NtUnmapViewOfSection(HANDLE process, u64 va)
{
	return unmap(process, va, 0);
}

NTSYSCALL NTSTATUS NtUnmapViewOfSectionEx(HANDLE process, u64 va, u32 flags)
{
	return unmap(process, va, flags);
}

NTSYSCALL NTSTATUS NtFlushVirtualMemory(HANDLE process, u64 *user_base, u64 *user_size, void *iosb)
{
	u64 base, size, start, end, first = 0, count = 0;
	struct control_area *ca = NULL;
	struct {
		u64 status, information;
	} io = {0};
	EPROCESS *p;
	NTSTATUS st;
	MMVAD *v;

	if ((st = copy_from_user(&base, user_base, 8)) ||
	    (st = copy_from_user(&size, user_size, 8)) ||
	    (st = copy_to_user(iosb, &io, sizeof(io))))
		return st;
	st = ObReferenceObjectByHandle(process, PROCESS_VM_OPERATION, &PsProcessType, (void **)&p);
	if (st)
		return st;
	start = ALIGN_DOWN(base, PAGE_SIZE);
	mutex_lock(&p->as.lock);
	v = base <= p->as.highest ? mm_find_vad(&p->as, start) : NULL;
	end = v && !size ? vad_end(v) : ALIGN_UP(base + size, PAGE_SIZE);
	if (!v || !v->ca) {
		st = STATUS_NOT_MAPPED_VIEW;
	} else if (end > vad_end(v) || end < start) {
		st = STATUS_INVALID_PARAMETER_3;
	} else if (!v->ca->file || v->ca->image) {
		st = STATUS_NOT_MAPPED_DATA;
	} else {
		mm_harvest_dirty(&p->as, start, end);
		ca = v->ca;
		mm_reference_ca(ca);
		first = v->first + (start >> PAGE_SHIFT) - v->node.start;
		count = (end - start) >> PAGE_SHIFT;
	}
	mutex_unlock(&p->as.lock);
	if (ca) {
		st = mm_flush_pages(ca, first, count);
		mm_dereference_ca(ca);
	}
	ObDereferenceObject(p);
	size = end - start;
	io.status = (u32)st;
	io.information = st ? 0 : size;
	if (!st) {
		copy_to_user(user_base, &start, 8);
		copy_to_user(user_size, &size, 8);
	}
	copy_to_user(iosb, &io, sizeof(io));
	return st;
}

/* One and the same view; or the first is an image, and the second a view of its file. */
NTSYSCALL NTSTATUS NtAreMappedFilesTheSame(u64 a, u64 b)
{
	EPROCESS *p = PsGetCurrentProcess();
	NTSTATUS st = STATUS_NOT_SAME_DEVICE;
	MMVAD *x, *y;

	mutex_lock(&p->as.lock);
	x = a <= p->as.highest ? mm_find_vad(&p->as, a) : NULL;
	y = b <= p->as.highest ? mm_find_vad(&p->as, b) : NULL;
	if (!x || !y)
		st = STATUS_INVALID_ADDRESS;
	else if (!x->ca || !y->ca)
		st = STATUS_CONFLICTING_ADDRESSES;
	else if (x == y || (x->type == VAD_IMAGE && x->ca->file && y->ca->file &&
			    IoSameFile(x->ca->file, y->ca->file)))
		st = STATUS_SUCCESS;
	mutex_unlock(&p->as.lock);
	return st;
}
