/*
 * Images: an executable file as a control area. One subsection for the headers and one for each
 * section; pages are read, and relocated to the one base the image has this boot, when they are
 * first touched, and shared by every process that maps it.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/aslr.h"

/* Where images are based under ASLR: 64 KB slots (windows-internals: 19 bits for DLLs, 17 for
 * EXEs). */
#define DLL_AREA_START 0x7ff800000000ul
#define DLL_AREA_SLOTS 0x7ffe0ul
#define EXE_AREA_START 0x7ff600000000ul
#define EXE_AREA_SLOTS 0x20000ul
#define LOW_AREA_START 0x10000000ul /* for images that must lie below 2 GB */
#define LOW_AREA_SLOTS 0x6000ul

static u64 next_dll; /* slots are given out in order from a random start, so DLLs do not collide */

static u64 choose_base(const struct pe_image *pe)
{
	u64 slots = ALIGN_UP(pe->size_of_image, MM_GRANULARITY) / MM_GRANULARITY, at;

	if (!(pe->characteristics & PE_FILE_DLL) &&
	    !(pe->characteristics & PE_FILE_LARGE_ADDRESS_AWARE))
		return LOW_AREA_START + (ke_aslr(LOW_AREA_SLOTS)) * MM_GRANULARITY;
	if (!(pe->characteristics & PE_FILE_DLL))
		return EXE_AREA_START + ke_aslr(EXE_AREA_SLOTS - slots) * MM_GRANULARITY;
	if (!next_dll)
		next_dll = DLL_AREA_SLOTS - ke_aslr(DLL_AREA_SLOTS - slots);
	if (next_dll <= slots)
		next_dll = DLL_AREA_SLOTS;
	next_dll -= slots;
	at = next_dll;
	return DLL_AREA_START + at * MM_GRANULARITY;
}

static NTSTATUS read_headers(struct FILE_OBJECT *f, u64 bytes, struct pe_image *pe)
{
	u32 n = (u32)MIN(bytes, 4096), done;
	u8 *h = ExAllocatePool(PE_MAX_HEADER_BYTES, TAG('P', 'e', 'H', 'd'));
	NTSTATUS st;

	if (!h)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = IoReadFile(f, 0, h, n, &done);
	if (NT_SUCCESS(st))
		st = pe_parse(h, done, bytes, pe);
	if (st == STATUS_BUFFER_TOO_SMALL) {
		st = IoReadFile(f, 0, h, pe->header_bytes_needed, &done);
		if (NT_SUCCESS(st))
			st = pe_parse(h, done, bytes, pe);
	}
	ExFreePool(h);
	return st;
}

/* Original bytes of the image at rva: from the file, zeroes where it has none. */
static NTSTATUS read_image(void *context, u32 rva, void *buffer, u32 n)
{
	struct control_area *ca = context;

	for (u32 at = 0; at < n;) {
		u64 page = (rva + at) >> PAGE_SHIFT;
		struct subsection *s = mm_subsection_of(ca, page);
		u64 in = rva + at - (s->first << PAGE_SHIFT);
		u64 run = MIN((u64)(n - at), (s->pages << PAGE_SHIFT) - in);
		u32 done = 0;

		if (page >= ca->pages)
			return STATUS_INVALID_IMAGE_FORMAT;
		if (in < s->file_bytes) {
			NTSTATUS st;

			run = MIN(run, s->file_bytes - in);
			st = IoReadFile(ca->file, s->file_offset + in, (u8 *)buffer + at, (u32)run,
					&done);
			if (!NT_SUCCESS(st) || done != run)
				return NT_SUCCESS(st) ? STATUS_END_OF_FILE : st;
		} else {
			memset((u8 *)buffer + at, 0, run);
		}
		at += (u32)run;
	}
	return STATUS_SUCCESS;
}

NTSTATUS mm_read_image(void *ca, u32 rva, void *buffer, u32 n)
{
	return read_image(ca, rva, buffer, n);
}

static NTSTATUS build_relocs(struct control_area *ca)
{
	struct pe_directory d = ca->pe->directory[PE_DIR_RELOC];
	size_t bytes;
	NTSTATUS st;
	u8 *raw;

	if (!ca->pe->has_relocs || !d.bytes)
		return STATUS_SUCCESS;
	raw = ExAllocatePool(d.bytes, TAG('P', 'e', 'R', 'l'));
	if (!raw)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = read_image(ca, d.rva, raw, d.bytes);
	if (!st)
		st = pe_reloc_index_measure(raw, d.bytes, ca->pe->size_of_image, &bytes);
	if (!st) {
		ca->reloc_memory = ExAllocatePool(bytes, TAG('P', 'e', 'R', 'x'));
		st = ca->reloc_memory ? pe_reloc_index_build(raw, d.bytes, ca->pe->size_of_image,
							     ca->reloc_memory, bytes, &ca->relocs)
				      : STATUS_INSUFFICIENT_RESOURCES;
	}
	ExFreePool(raw);
	return st;
}

static void fill_prototypes(struct control_area *ca)
{
	for (u32 i = 0; i < ca->subsections; i++) {
		struct subsection *s = &ca->subsection[i];
		u64 in_file = ALIGN_UP(s->file_bytes, PAGE_SIZE) >> PAGE_SHIFT;
		u32 prot = s->prot ? s->prot : MM_NOACCESS;

		s->prot = (u8)prot;
		for (u64 k = 0; k < s->pages; k++)
			ca->proto[s->first + k] =
			    k < in_file ? pte_subsection(s, prot) : pte_demand_zero(prot);
	}
}

static void drop(struct control_area *ca)
{
	ca->file = NULL; /* the caller's */
	if (ca->charged)
		mm_uncharge(NULL, ca->charged);
	mm_free_ca(ca);
}

static NTSTATUS build(struct FILE_OBJECT *f, struct pe_image *pe, u64 private_base,
		      struct control_area **out)
{
	struct control_area *ca = mm_new_ca(pe->size_of_image >> PAGE_SHIFT, pe->subsections);
	NTSTATUS st = STATUS_SUCCESS;
	u64 shared = 0;

	if (!ca) {
		ExFreePool(pe);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	ca->pe = pe;
	ca->image = true;
	ca->file = f;
	ca->size = pe->size_of_image;
	ca->prot = MM_EXECUTE_READWRITE;
	for (u32 i = 0; i < pe->subsections; i++) {
		const struct pe_section *s = &pe->subsection[i];

		ca->subsection[i] = (struct subsection){
		    .ca = ca,
		    .first = s->rva >> PAGE_SHIFT,
		    .pages = s->virtual_pages,
		    .file_offset = s->file_offset,
		    .file_bytes = s->file_bytes,
		    .prot = s->protection,
		    .shared_write = s->shared && (s->protection == PE_PROT_READWRITE ||
						  s->protection == PE_PROT_EXECUTE_READWRITE),
		};
		shared += ca->subsection[i].shared_write ? s->virtual_pages : 0;
	}
	fill_prototypes(ca);
	if (shared) {
		st = mm_charge(NULL, shared);
		ca->charged = st ? 0 : shared;
	}
	if (!st)
		st = build_relocs(ca);
	if (st) {
		drop(ca);
		return st;
	}
	ca->base = pe->image_base;
	if (private_base)
		ca->base = private_base;
	else if (ca->relocs.pages && pe->dll_characteristics & PE_DLL_DYNAMIC_BASE &&
		 ke_aslr_enabled())
		ca->base = choose_base(pe);
	IoReferenceFile(f);
	*out = ca;
	return STATUS_SUCCESS;
}

NTSTATUS mm_image_control_area(struct FILE_OBJECT *f, u64 private_base, struct control_area **out)
{
	struct section_object_pointers *sop = IoSectionPointers(f);
	struct pe_image *pe;
	NTSTATUS st;
	u64 bytes;

	if (!private_base && (*out = mm_find_ca(&sop->image)))
		return STATUS_SUCCESS;
	st = IoGetFileSize(f, &bytes);
	if (st)
		return st;
	pe = ExAllocatePool(sizeof(*pe), TAG('P', 'e', 'I', 'm'));
	if (!pe)
		return STATUS_INSUFFICIENT_RESOURCES;
	st = bytes ? read_headers(f, bytes, pe) : STATUS_INVALID_FILE_FOR_SECTION;
	if (st) {
		ExFreePool(pe);
		return st;
	}
	st = build(f, pe, private_base, out);
	if (!st && !private_base) {
		mm_name_image(*out);
		*out = mm_publish_ca(*out, &sop->image, sop);
	}
	return st;
}

/* A page has just been read: what its place in memory makes of it. => PASSIVE, no locks */
NTSTATUS mm_relocate_image_page(struct control_area *ca, u64 page, u8 *bytes)
{
	u64 delta = ca->base - ca->pe->image_base;
	NTSTATUS st = STATUS_SUCCESS;

	if (!delta)
		return st;
	if (pe_page_has_relocs(&ca->relocs, (u32)page))
		st = pe_relocate_page(&ca->relocs, (u32)page, delta, bytes, read_image, ca);
	if (!st && page == 0) { /* OptionalHeader.ImageBase tells the truth */
		u32 at = *(u32 *)(bytes + 0x3c) + 24 + 24;

		if (at <= PAGE_SIZE - 8)
			memcpy(bytes + at, &ca->base, 8);
	}
	return st;
}

NTSTATUS mm_find_image_export(struct control_area *ca, const char *name, u32 *rva)
{
	return pe_find_export(ca->pe, read_image, ca, name, rva);
}
