/*
 * pe_reloc.c: base relocations, one page at a time; see pe.h.
 *
 * The .reloc directory is a list of blocks { u32 page rva, u32 block bytes, u16 entries[] }, an
 * entry being type << 12 | offset. Blocks may come in any order, so the index sorts the entries by
 * page with two passes: count, then place. An entry whose value reaches into the next page is
 * listed with both pages, in the second one as a "spill" with the offset it has in the first.
 *
 * When values overlap (which no linker makes), each page is still relocated without reading or
 * writing outside it; what the overlapped bytes become is then unspecified.
 */
#include "guest/mm/pe.h"

#define TYPE_ABSOLUTE 0u
#define TYPE_HIGH     1u
#define TYPE_LOW      2u
#define TYPE_HIGHLOW  3u
#define TYPE_DIR64    10u
#define SPILL	      4u /* added to the type of an entry that began in the page before */

#define BLOCK_HEADER 8u

/* Bytes of the value at an entry of this type; 0 for types AMD64 has no use for. */
static const u8 type_bytes[16] = {
    [TYPE_HIGH] = 2, [TYPE_LOW] = 2, [TYPE_HIGHLOW] = 4, [TYPE_DIR64] = 8};

/* A walk over all entries but the padding. */
struct walk {
	const u8 *reloc;
	size_t bytes, at, block_end;
	u32 block_rva, image_bytes;
	NTSTATUS status;
};
struct entry {
	u32 rva;
	u8 type;
};

static u32 get32(const u8 *p)
{
	u32 x;

	memcpy(&x, p, sizeof(x));
	return x;
}

static bool next_block(struct walk *w)
{
	u32 block;

	if (w->bytes - w->at < BLOCK_HEADER)
		return false; /* a few bytes of padding */
	w->block_rva = get32(w->reloc + w->at);
	block = get32(w->reloc + w->at + 4);
	if (!block)
		return false; /* zeroes up to the end */
	if (block < BLOCK_HEADER || block % 2 || block > w->bytes - w->at) {
		w->status = STATUS_INVALID_IMAGE_FORMAT;
		return false;
	}
	w->block_end = w->at + block;
	w->at += BLOCK_HEADER;
	return true;
}

/* False at the end or, with w->status set, at the first bad entry. */
static bool next_entry(struct walk *w, struct entry *e)
{
	for (;;) {
		u32 raw;

		while (w->at == w->block_end)
			if (!next_block(w))
				return false;
		raw = w->reloc[w->at] | (u32)w->reloc[w->at + 1] << 8;
		w->at += 2;
		e->type = (u8)(raw >> 12);
		if (e->type == TYPE_ABSOLUTE)
			continue;
		e->rva = w->block_rva + (raw & 0xfff);
		if (!type_bytes[e->type] || e->rva < w->block_rva ||
		    (u64)e->rva + type_bytes[e->type] > w->image_bytes) {
			w->status = STATUS_INVALID_IMAGE_FORMAT;
			return false;
		}
		return true;
	}
}

static bool spills(const struct entry *e)
{
	return e->rva % PAGE_SIZE + type_bytes[e->type] > PAGE_SIZE;
}

static struct walk start(const void *reloc, size_t bytes, u32 image_bytes)
{
	return (struct walk){.reloc = reloc, .bytes = bytes, .image_bytes = image_bytes};
}

static size_t index_bytes(u32 pages, u64 entries)
{
	return (pages + 1ull) * sizeof(u32) + entries * sizeof(u16);
}

NTSTATUS pe_reloc_index_measure(const void *reloc, size_t reloc_bytes, u32 size_of_image,
				size_t *bytes)
{
	struct walk w = start(reloc, reloc_bytes, size_of_image);
	struct entry e;
	u64 entries = 0;

	while (next_entry(&w, &e))
		entries += spills(&e) ? 2 : 1;
	if (entries > UINT32_MAX)
		return STATUS_INVALID_IMAGE_FORMAT;
	*bytes = index_bytes(size_of_image / PAGE_SIZE, entries);
	return w.status;
}

NTSTATUS pe_reloc_index_build(const void *reloc, size_t reloc_bytes, u32 size_of_image,
			      void *memory, size_t bytes, struct pe_reloc_index *out)
{
	u32 pages = size_of_image / PAGE_SIZE, *first = memory, total = 0;
	u16 *entry = (u16 *)(first + pages + 1);
	struct walk w = start(reloc, reloc_bytes, size_of_image);
	struct entry e;

	if (bytes < index_bytes(pages, 0))
		return STATUS_INVALID_IMAGE_FORMAT;
	for (; next_entry(&w, &e); total++) {
		first[e.rva / PAGE_SIZE]++;
		if (spills(&e)) {
			first[e.rva / PAGE_SIZE + 1]++;
			total++;
		}
	}
	if (!NT_SUCCESS(w.status) || bytes < index_bytes(pages, total))
		return STATUS_INVALID_IMAGE_FORMAT;
	/* Counts become the end of each page's entries; placing from the end makes them starts. */
	for (u32 p = 0, sum = 0; p <= pages; p++) {
		sum += first[p];
		first[p] = sum;
	}
	for (w = start(reloc, reloc_bytes, size_of_image); next_entry(&w, &e);) {
		u32 page = e.rva / PAGE_SIZE, offset = e.rva % PAGE_SIZE;

		entry[--first[page]] = (u16)((u32)e.type << 12 | offset);
		if (spills(&e))
			entry[--first[page + 1]] = (u16)((e.type + SPILL) << 12 | offset);
	}
	*out = (struct pe_reloc_index){pages, first, entry};
	return STATUS_SUCCESS;
}

/* The value at `p` (of the type's width) moved by delta. */
static void relocate(u8 *p, u32 type, u64 delta)
{
	u64 value = 0;

	if (LIKELY(type == TYPE_DIR64)) {
		memcpy(&value, p, sizeof(value));
		value += delta;
		memcpy(p, &value, sizeof(value));
		return;
	}
	memcpy(&value, p, type_bytes[type]);
	value += type == TYPE_HIGH ? delta >> 16 : delta;
	memcpy(p, &value, type_bytes[type]);
}

/* A value of which only a part lies in this page: `here` bytes at `at`, the others elsewhere. */
static NTSTATUS relocate_part(u32 page, u32 raw, u64 delta, u8 *bytes, pe_read_fn *read,
			      void *context)
{
	bool tail = !type_bytes[raw >> 12];
	u32 type = (raw >> 12) - (tail ? SPILL : 0), offset = raw & 0xfff;
	u32 low = (u32)PAGE_SIZE - offset, high = type_bytes[type] - low;
	u32 elsewhere = tail ? (page - 1) * (u32)PAGE_SIZE + offset : (page + 1) * (u32)PAGE_SIZE;
	u8 value[8];
	NTSTATUS s;

	if (tail) {
		s = read(context, elsewhere, value, low);
		memcpy(value + low, bytes, high);
	} else {
		memcpy(value, bytes + offset, low);
		s = read(context, elsewhere, value + low, high);
	}
	if (!NT_SUCCESS(s))
		return s;
	relocate(value, type, delta);
	if (tail)
		memcpy(bytes, value + low, high);
	else
		memcpy(bytes + offset, value, low);
	return STATUS_SUCCESS;
}

NTSTATUS pe_relocate_page(const struct pe_reloc_index *x, u32 page, u64 delta, u8 *bytes,
			  pe_read_fn *read, void *context)
{
	NTSTATUS s;

	if (page >= x->pages || !delta)
		return STATUS_SUCCESS;
	for (u32 i = x->first[page]; i < x->first[page + 1]; i++) {
		u32 raw = x->entry[i], type = raw >> 12, offset = raw & 0xfff;

		if (type_bytes[type] && offset + type_bytes[type] <= PAGE_SIZE) {
			relocate(bytes + offset, type, delta);
			continue;
		}
		s = relocate_part(page, raw, delta, bytes, read, context);
		if (!NT_SUCCESS(s))
			return s;
	}
	return STATUS_SUCCESS;
}
