/*
 * Control Flow Guard: which addresses an indirect call may lead to. A process whose EXE is built
 * with it has a bitmap, two bits for each 16 bytes of its addresses, which ntdll looks at before
 * each such call:
 *   00  none of them    01  the first    11  any
 * It is a region of its own (VAD_CFG) that the process reads and only this file writes. All of it
 * is reserved at the start (2 TB for 128 TB); a page, which tells of 256 KB, is committed and
 * charged when the first target lies there, and given back with the last one. What is not committed
 * has no targets: ntdll takes the fault for a no.
 *
 * An image's targets are in its guard table; an image without one, and any other executable memory,
 * may be called anywhere, unless PAGE_TARGETS_INVALID was said.
 *
 * Lock: as->cfg_lock, taken before A and held from before memory changes until its bits have: so
 * they belong to the memory that is there. Without a bitmap nothing is locked.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/aslr.h"

#define ADDRESSES_BYTE 64ul			    /* that one byte of the bitmap tells of */
#define ADDRESSES_PAGE (PAGE_SIZE * ADDRESSES_BYTE) /* and one page */
#define TARGET_BYTES   16ul
#define TARGET_FIRST   1u
#define TARGET_ANY     3u
#define AREA_TOP       0x7ff600000000ul /* EXEs and DLLs lie above, where there is room */
#define AREA_SLOTS     0x10000ul	/* of 64 KB, by which ASLR moves the bitmap */

NTSTATUS mm_cfg_create(EPROCESS *p)
{
	struct address_space *as = &p->as;
	u64 bytes = ALIGN_UP((as->highest + 1) / ADDRESSES_BYTE, MM_GRANULARITY);
	u64 top = as->highest;
	MMVAD *v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', 'G'));
	NTSTATUS st;

	if (!v)
		return STATUS_NO_MEMORY;
	if (top > AREA_TOP)
		top = AREA_TOP - ke_aslr(AREA_SLOTS) * MM_GRANULARITY - 1;
	v->type = VAD_CFG;
	v->prot = MM_READONLY;
	v->win32_prot = PAGE_READONLY;
	mutex_init(&as->cfg_lock);
	mutex_lock(&as->lock);
	st = mm_insert_vad(as, v, 0, bytes, MM_GRANULARITY, 0, top, true);
	if (!st)
		as->cfg_base = vad_va(v);
	mutex_unlock(&as->lock);
	if (st)
		ExFreePool(v);
	return st;
}

void mm_cfg_enter(struct address_space *as)
{
	if (UNLIKELY(as->cfg_base))
		mutex_lock(&as->cfg_lock);
}

void mm_cfg_leave(struct address_space *as)
{
	if (UNLIKELY(as->cfg_base))
		mutex_unlock(&as->cfg_lock);
}

/* ---- pages of the bitmap ---- => C */

/* The bitmap's page that tells of va. */
static u64 page_of(const struct address_space *as, u64 va)
{
	return as->cfg_base + ALIGN_DOWN(va / ADDRESSES_BYTE, PAGE_SIZE);
}

static NTSTATUS commit_page(struct address_space *as, u64 page)
{
	NTSTATUS st;
	MMPTE *pte;
	MMVAD *v;

	mutex_lock(&as->lock);
	pte = mm_find_pte(as, page);
	st = pte && *pte ? STATUS_SUCCESS : STATUS_MM_NEEDS_CHARGE;
	mutex_unlock(&as->lock);
	if (st != STATUS_MM_NEEDS_CHARGE || (st = mm_charge(as, 1)))
		return st;
	mutex_lock(&as->lock);
	v = mm_find_vad(as, page);
	if (!v || as->dying)
		st = STATUS_PROCESS_IS_TERMINATING;
	else if (!(pte = mm_make_pte(as, page)))
		st = STATUS_INSUFFICIENT_RESOURCES;
	if (!st) {
		pte_set(pte, pte_demand_zero(MM_READONLY));
		v->commit++;
	}
	mutex_unlock(&as->lock);
	if (st)
		mm_uncharge(as, 1);
	return st;
}

/* A committed page, brought in to be written. On success A is held, until close_page. */
static NTSTATUS open_page(struct address_space *as, u64 page, u8 **bytes)
{
	NTSTATUS st, io;
	MMPTE *pte;
	KIRQL old;

	for (;;) {
		mutex_lock(&as->lock);
		pte = mm_find_pte(as, page);
		if (pte && *pte & PTE_VALID)
			break;
		mutex_unlock(&as->lock);
		st = mm_fault(as, page, 0, &io);
		if (st)
			return st;
	}
	old = KeAcquireSpinLock(&pfn_lock);
	pfn_note_write(pte_pfn(*pte));
	KeReleaseSpinLock(&pfn_lock, old);
	*bytes = pfn_to_va(pte_pfn(*pte));
	return STATUS_SUCCESS;
}

/* Gives a page that tells of no target any more back to the reservation. */
static void close_page(struct address_space *as, u64 page, const u8 *bytes)
{
	const u64 *word = (const u64 *)bytes;
	MMVAD *v = mm_find_vad(as, page);
	u32 i = 0;

	while (i < PAGE_SIZE / sizeof(*word) && !word[i])
		i++;
	if (i == PAGE_SIZE / sizeof(*word)) {
		mm_delete_pages(as, v, page, page + PAGE_SIZE, 0);
		v->commit--;
		mm_uncharge(as, 1);
	}
	mutex_unlock(&as->lock);
}

/* ---- ranges ---- */

/* The next committed page of the bitmap in [page, end), or end. */
static u64 next_page(struct address_space *as, u64 page, u64 end)
{
	mutex_lock(&as->lock);
	for (; page < end; page += PAGE_SIZE) {
		MMPTE *pte;

		page = mm_skip_absent(as, page, end);
		pte = page < end ? mm_find_pte(as, page) : NULL;
		if (!pte || *pte)
			break;
	}
	mutex_unlock(&as->lock);
	return MIN(page, end);
}

static NTSTATUS fill(struct address_space *as, u64 page, u64 start, u64 end, u8 value)
{
	u64 from = as->cfg_base + start / ADDRESSES_BYTE, to = as->cfg_base + end / ADDRESSES_BYTE;
	u8 *bytes;
	NTSTATUS st = open_page(as, page, &bytes);

	if (st)
		return st;
	from = MAX(from, page);
	to = MIN(to, page + PAGE_SIZE);
	if (from < to)
		memset(bytes + (from - page), value, to - from);
	close_page(as, page, bytes);
	return STATUS_SUCCESS;
}

/* Every committed page of the bitmap that tells of [start, end): its bits made 0, or only looked
 * at, whether there are any. */
static void walk(struct address_space *as, u64 start, u64 end, bool zero)
{
	u64 page, last, from = zero ? start : 0, to = zero ? end : 0;

	if (LIKELY(!as->cfg_base) || start >= end)
		return;
	last = page_of(as, end - 1) + PAGE_SIZE;
	for (page = page_of(as, start); (page = next_page(as, page, last)) < last;
	     page += PAGE_SIZE)
		if (fill(as, page, from, to, 0))
			return; /* a bad pagefile: fewer targets than there could be, never more */
}

void mm_cfg_clear(struct address_space *as, u64 start, u64 end)
{
	walk(as, start, end, true);
}

void mm_cfg_trim(struct address_space *as, u64 start, u64 end)
{
	walk(as, start, end, false);
}

NTSTATUS mm_cfg_prepare(struct address_space *as, u64 start, u64 end)
{
	NTSTATUS st = STATUS_SUCCESS;

	if (LIKELY(!as->cfg_base))
		return st;
	for (u64 va = ALIGN_DOWN(start, ADDRESSES_PAGE); va < end && !st; va += ADDRESSES_PAGE)
		st = commit_page(as, page_of(as, va));
	if (st)
		mm_cfg_trim(as, start, end);
	return st;
}

NTSTATUS mm_cfg_fill(struct address_space *as, u64 start, u64 end)
{
	NTSTATUS st = mm_cfg_prepare(as, start, end);

	if (LIKELY(!as->cfg_base))
		return st;
	for (u64 va = start; va < end && !st; va = ALIGN_DOWN(va, ADDRESSES_PAGE) + ADDRESSES_PAGE)
		st = fill(as, page_of(as, va), start, end, 0xff);
	if (st)
		mm_cfg_clear(as, start, end);
	return st;
}

/* ---- single targets ---- */

NTSTATUS mm_cfg_set_target(struct address_space *as, u64 va, bool valid)
{
	u64 page = page_of(as, va), at = va / ADDRESSES_BYTE % PAGE_SIZE;
	u32 shift = (u32)(va / TARGET_BYTES % 4 * 2);
	NTSTATUS st;
	u8 *bytes;

	if (!valid && next_page(as, page, page + PAGE_SIZE) != page)
		return STATUS_SUCCESS;
	if ((st = commit_page(as, page)) || (st = open_page(as, page, &bytes)))
		return st;
	bytes[at] =
	    (u8)((bytes[at] & ~(TARGET_ANY << shift)) | (valid ? TARGET_FIRST << shift : 0));
	close_page(as, page, bytes);
	return STATUS_SUCCESS;
}

/* ---- images ---- */

#define TABLE_CHUNK 256u /* entries of a guard table read at once */

struct page_bits {
	u64 page; /* 0: none yet */
	u8 bits[PAGE_SIZE];
};

/* The bits gathered for one page go into it. */
static NTSTATUS add_bits(struct address_space *as, struct page_bits *b)
{
	u64 *to;
	NTSTATUS st;

	if (!b->page)
		return STATUS_SUCCESS;
	if ((st = commit_page(as, b->page)) || (st = open_page(as, b->page, (u8 **)&to)))
		return st;
	for (u32 i = 0; i < PAGE_SIZE / 8; i++)
		to[i] |= ((u64 *)b->bits)[i];
	close_page(as, b->page, (u8 *)to);
	memset(b->bits, 0, sizeof(b->bits));
	return STATUS_SUCCESS;
}

static NTSTATUS add_table(struct address_space *as, struct control_area *ca, u64 base,
			  const struct pe_guard *g, struct page_bits *b, u8 *chunk)
{
	NTSTATUS st = STATUS_SUCCESS;

	for (u32 i = 0, n; i < g->count && !st; i += n) {
		n = MIN(g->count - i, TABLE_CHUNK);
		st = mm_read_image(ca, g->table_rva + i * g->stride, chunk, n * g->stride);
		for (u32 k = 0; k < n && !st; k++) {
			u32 rva = pe_guard_target(g, chunk + k * g->stride, ca->pe);
			u64 va = base + rva, page = page_of(as, va);

			if (!rva)
				continue;
			if (page != b->page) {
				st = add_bits(as, b);
				b->page = page;
			}
			b->bits[va / ADDRESSES_BYTE % PAGE_SIZE] |=
			    (u8)((va % TARGET_BYTES ? TARGET_ANY : TARGET_FIRST)
				 << va / TARGET_BYTES % 4 * 2);
		}
	}
	return st ? st : add_bits(as, b);
}

static NTSTATUS add_image(struct address_space *as, struct control_area *ca, u64 base)
{
	struct pe_guard g;
	struct page_bits *b;
	NTSTATUS st = pe_find_guard(ca->pe, mm_read_image, ca, &g);

	if (st)
		return st;
	if (!g.table_rva) {
		for (u32 i = 0; i < ca->subsections && !st; i++) {
			const struct subsection *s = &ca->subsection[i];
			u64 start = base + (s->first << PAGE_SHIFT);

			if (mm_prot_executes(s->prot) && s->prot != MM_NOACCESS)
				st = mm_cfg_fill(as, start, start + (s->pages << PAGE_SHIFT));
		}
		return st;
	}
	b = ExAllocatePool(sizeof(*b) + TABLE_CHUNK * PE_GUARD_MOST_STRIDE,
			   TAG('G', 'u', 'r', 'd'));
	if (!b)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = add_table(as, ca, base, &g, b, (u8 *)(b + 1));
	ExFreePool(b);
	return st;
}

NTSTATUS mm_cfg_view(struct address_space *as, u64 base, bool valid)
{
	struct control_area *ca = NULL;
	NTSTATUS st = STATUS_SUCCESS;
	bool fill_it = false;
	u64 end = 0;
	MMVAD *v;

	if (LIKELY(!as->cfg_base))
		return st;
	mutex_lock(&as->lock);
	v = mm_find_vad(as, base);
	if (v && v->type == VAD_IMAGE && !v->no_execute) {
		ca = v->ca;
		mm_reference_ca(ca);
	} else if (v && v->type != VAD_IMAGE && v->ca) {
		fill_it = valid && mm_prot_executes(v->prot) && v->prot != MM_NOACCESS;
	}
	end = v ? vad_end(v) : base;
	mutex_unlock(&as->lock);
	if (ca) {
		st = add_image(as, ca, base);
		mm_dereference_ca(ca);
	} else if (fill_it) {
		st = mm_cfg_fill(as, base, end);
	}
	if (st)
		mm_cfg_clear(as, base, end);
	return st;
}
