/*
 * What is resident, and what lies behind an address: NtQueryVirtualMemory's working-set, mapped
 * file name and image classes. Answers are gathered under A into kernel memory and copied out
 * afterwards.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

#define MAX_SHARE 7u /* both layouts have three bits for the share count */

/* What both working-set calls tell of a resident page. */
struct resident {
	u32 prot;  /* code */
	u32 share; /* page tables that map it, as far as MAX_SHARE; 0: private */
	bool shared, locked, large;
	u8 priority;
};

static void describe(MMPTE v, bool large, struct resident *r)
{
	const MMPFN *f = &mm_pfn[pte_pfn(v)];

	r->prot = pte_prot(v);
	r->shared = !large && f->flags & PFN_F_PROTOTYPE;
	r->share = r->shared ? MIN(f->share, MAX_SHARE) : 0;
	r->locked = v & PTE_LOCKED || (!large && f->flags & PFN_F_NOPAGE);
	r->large = large;
	r->priority = f->priority;
}

/* ---- class 1: MEMORY_WORKING_SET_INFORMATION, a count and one word a page ---- */

static u64 block(u64 va, const struct resident *r)
{
	return (va & ~(PAGE_SIZE - 1)) | (u64)r->shared << 8 | (u64)r->share << 5 | r->prot;
}

/* => A. Stores the first `room` entries; returns how many there are. */
static u64 gather(struct address_space *as, u64 *entry, u64 room)
{
	u64 n = 0, end = as->highest + 1;

	for (u64 va = mm_skip_absent(as, 0, end); va < end;
	     va = mm_skip_absent(as, va + LARGE_PAGE_SIZE, end)) {
		MMPTE *pte = mm_find_pte(as, va);

		for (u64 i = 0; i < 512; i++) {
			struct resident r;

			if (!(pte[i] & PTE_VALID) || mm_pfn[pte_pfn(pte[i])].flags & PFN_F_NOPAGE)
				continue;
			describe(pte[i], false, &r);
			if (n < room)
				entry[n] = block(va + (i << PAGE_SHIFT), &r);
			n++;
		}
	}
	return n;
}

NTSTATUS mm_query_working_set(EPROCESS *p, void *out, u64 length, u64 *returned)
{
	u64 room = length / sizeof(u64), n;
	u64 *buffer;
	NTSTATUS st;

	if (!room)
		return STATUS_INFO_LENGTH_MISMATCH;
	room = MIN(room - 1, p->as.ws_pages + 1024); /* it may grow before A is ours */
	buffer = ExAllocatePool((room + 1) * sizeof(u64), TAG('W', 's', 'Q', 'y'));
	if (!buffer)
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&p->as.lock);
	n = gather(&p->as, buffer + 1, room);
	mutex_unlock(&p->as.lock);
	buffer[0] = n;
	*returned = (n + 1) * sizeof(u64);
	if (n <= room)
		st = copy_to_user(out, buffer, *returned);
	else if (!(st = copy_to_user(out, buffer, sizeof(u64))))
		st = STATUS_INFO_LENGTH_MISMATCH;
	ExFreePool(buffer);
	return st;
}

/* ---- class 4: MEMORY_WORKING_SET_EX_INFORMATION, an array that names addresses ---- */

struct ws_ex {
	u64 address, attributes;
};

/* Fields of the attributes; those of invalid pages begin with NV. */
#define EX_VALID	  1ul
#define EX_SHARE_SHIFT	  1
#define EX_PROT_SHIFT	  4
#define EX_SHARED	  (1ul << 15)
#define EX_LOCKED	  (1ul << 22)
#define EX_LARGE	  (1ul << 23)
#define EX_PRIORITY_SHIFT 24
#define NV_LOCATION_SHIFT 22
#define NV_MODIFIED_LIST  (1ul << 27)

enum nv_location { NV_INVALID, NV_RESIDENT, NV_PAGEFILE };

static u64 valid_attributes(const struct resident *r)
{
	return EX_VALID | (u64)r->share << EX_SHARE_SHIFT |
	       (u64)mm_win32_prot(r->prot) << EX_PROT_SHIFT | (r->shared ? EX_SHARED : 0) |
	       (r->locked ? EX_LOCKED : 0) | (r->large ? EX_LARGE : 0) |
	       (u64)r->priority << EX_PRIORITY_SHIFT;
}

/* => A. Where a page is that is not in the working set. */
static u64 invalid_attributes(MMVAD *v, MMPTE *pte, u64 va)
{
	KIRQL old = KeAcquireSpinLock(&pfn_lock);
	MMPTE e = pte ? *pte : 0;
	bool shared = v->ca && (pte_kind(e) == PTE_K_ZERO || pte_kind(e) == PTE_K_PROTOTYPE);
	u64 a = shared ? EX_SHARED : 0;

	if (shared)
		e = *vad_proto(v, va);
	switch (pte_kind(e)) {
	case PTE_K_VALID:
	case PTE_K_TRANSITION: {
		const MMPFN *f = &mm_pfn[pte_pfn(e)];

		a |= (u64)NV_RESIDENT << NV_LOCATION_SHIFT | (u64)f->priority << EX_PRIORITY_SHIFT;
		a |= f->state == PFN_MODIFIED ? NV_MODIFIED_LIST : 0;
		break;
	}
	case PTE_K_PAGEFILE:
		a |= (u64)NV_PAGEFILE << NV_LOCATION_SHIFT;
		break;
	default:
		break;
	}
	KeReleaseSpinLock(&pfn_lock, old);
	return a;
}

/* => A */
static u64 attributes(struct address_space *as, u64 va)
{
	MMVAD *v = va <= as->highest ? mm_find_vad(as, va) : NULL;
	struct resident r;
	MMPTE *pte;
	u64 bytes;

	if (!v)
		return 0;
	if (v->type == VAD_LARGE && (pte = mm_find_large(as, va, &bytes))) {
		describe(*pte, true, &r);
		r.shared = v->ca;
		return valid_attributes(&r);
	}
	pte = mm_find_pte(as, va);
	if (pte && *pte & PTE_VALID) {
		describe(*pte, false, &r);
		return valid_attributes(&r);
	}
	return invalid_attributes(v, pte, va);
}

NTSTATUS mm_query_working_set_ex(EPROCESS *p, void *out, u64 length, u64 *returned)
{
	struct ws_ex entry[16], *user = out;
	u64 count = length / sizeof(entry[0]);
	NTSTATUS st;

	if (!count)
		return STATUS_INFO_LENGTH_MISMATCH;
	for (u64 done = 0; done < count;) {
		u64 n = MIN(count - done, ARRAY_SIZE(entry));

		if ((st = copy_from_user(entry, user + done, n * sizeof(entry[0]))))
			return st;
		mutex_lock(&p->as.lock);
		for (u64 i = 0; i < n; i++)
			entry[i].attributes = attributes(&p->as, entry[i].address);
		mutex_unlock(&p->as.lock);
		if ((st = copy_to_user(user + done, entry, n * sizeof(entry[0]))))
			return st;
		done += n;
	}
	*returned = count * sizeof(entry[0]);
	return STATUS_SUCCESS;
}

/* ---- class 2: the file behind a view, as UNICODE_STRING and its text ---- */

NTSTATUS mm_query_filename(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned)
{
	struct {
		u16 bytes, room;
		u32 pad;
		u64 text;
	} string = {0};
	struct FILE_OBJECT *file = NULL;
	u16 *name;
	u32 chars, bytes;
	NTSTATUS st = STATUS_SUCCESS;
	MMVAD *v;

	mutex_lock(&p->as.lock);
	v = mm_find_vad(&p->as, va);
	if (!v || !v->ca) {
		st = STATUS_INVALID_ADDRESS;
	} else if (!v->ca->file) {
		st = STATUS_FILE_INVALID;
	} else {
		file = v->ca->file;
		IoReferenceFile(file);
	}
	mutex_unlock(&p->as.lock);
	if (st)
		return st;
	st = IoQueryFileName(file, &name, &chars);
	IoDereferenceFile(file);
	if (st)
		return st;
	bytes = chars * sizeof(u16);
	*returned = sizeof(string) + bytes + sizeof(u16);
	if (length < sizeof(string)) {
		st = STATUS_INFO_LENGTH_MISMATCH;
	} else if (length < *returned) {
		st = STATUS_BUFFER_OVERFLOW;
	} else {
		string.bytes = (u16)bytes;
		string.room = (u16)(bytes + sizeof(u16));
		string.text = (u64)out + sizeof(string);
		st = copy_to_user((void *)string.text, name, bytes + sizeof(u16));
		if (!st)
			st = copy_to_user(out, &string, sizeof(string));
	}
	ExFreePool(name);
	return st;
}

/* ---- class 6: MEMORY_IMAGE_INFORMATION; zeroes for what is no image ---- */

NTSTATUS mm_query_image(EPROCESS *p, u64 va, void *out, u64 length, u64 *returned)
{
	struct {
		u64 base, size;
		u32 flags, pad;
	} info = {0};
	MMVAD *v;

	if (length < sizeof(info))
		return STATUS_INFO_LENGTH_MISMATCH;
	mutex_lock(&p->as.lock);
	v = mm_find_vad(&p->as, va);
	if (v && v->type == VAD_IMAGE) {
		info.base = vad_va(v);
		info.size = vad_end(v) - vad_va(v);
		info.flags = v->no_execute ? 1u << 1 : 0; /* ImageNotExecutable */
	}
	mutex_unlock(&p->as.lock);
	if (!v)
		return STATUS_INVALID_ADDRESS;
	*returned = sizeof(info);
	return copy_to_user(out, &info, sizeof(info));
}
