/*
 * pe.c: headers and subsections; see pe.h.
 *
 * Numbers of the file are taken into u64 before they are added, and every sum is compared with the
 * limit it must respect. Rules beyond the specification are those Windows applies: sections
 * contiguous in virtual space, image base on 64 KB, raw data on 512-byte sectors.
 */
#include "guest/mm/pe.h"

#define DOS_MAGIC	    0x5a4du	/* MZ */
#define PE_SIGNATURE	    0x00004550u /* PE\0\0 */
#define NE_MAGIC	    0x454eu
#define NE_EXETYP	    0x36u /* offset of the target system in a 16-bit header */
#define NE_WINDOWS	    2u
#define MACHINE_AMD64	    0x8664u
#define OPTIONAL_MAGIC_PE64 0x20bu
#define SECTOR		    512u
#define IMAGE_LIMIT	    0x7fff0000u /* bytes; images live below 2 GB of extent */

#define SCN_CODE	 0x00000020u
#define SCN_DISCARDABLE	 0x02000000u
#define SCN_SHARED	 0x10000000u
#define SCN_EXECUTE	 0x20000000u /* with READ and WRITE: the top three bits */
#define SCN_ACCESS_SHIFT 29

struct dos_header {
	u16 magic;
	u16 other[29];
	u32 lfanew;
};
struct file_header {
	u16 machine, sections;
	u32 timestamp, symbols, symbol_count;
	u16 optional_bytes, characteristics;
};
struct optional_header { /* PE32+, without the directories */
	u16 magic;
	u8 linker_major, linker_minor;
	u32 code_bytes, data_bytes, bss_bytes, entry, code_base;
	u64 image_base;
	u32 section_alignment, file_alignment;
	u16 os_major, os_minor, image_major, image_minor, subsystem_major, subsystem_minor;
	u32 win32_version, size_of_image, size_of_headers, checksum;
	u16 subsystem, dll_characteristics;
	u64 stack_reserve, stack_commit, heap_reserve, heap_commit;
	u32 loader_flags, directories;
};
struct section_header {
	char name[8];
	u32 virtual_bytes, rva, raw_bytes, raw_offset, relocs, lines;
	u16 reloc_count, line_count;
	u32 characteristics;
};
_Static_assert(sizeof(struct dos_header) == 64 && sizeof(struct file_header) == 20 &&
		   sizeof(struct optional_header) == 112 && sizeof(struct section_header) == 40,
	       "layouts of the PE specification");

struct parse {
	const u8 *header;
	size_t header_bytes;
	u64 file_bytes;
	struct file_header fh;
	struct optional_header oh;
	u64 optional_at, sections_at;
	struct pe_image *out;
};

static bool power_of_two(u32 x)
{
	return x && !(x & (x - 1));
}

/* Copies a piece of the headers; `missing` is returned when the file itself does not reach there.
 */
static NTSTATUS take(struct parse *p, u64 at, void *to, size_t n, NTSTATUS missing)
{
	if (at > p->file_bytes || n > p->file_bytes - at)
		return missing;
	if (at > PE_MAX_HEADER_BYTES - n)
		return STATUS_INVALID_IMAGE_FORMAT;
	if (at + n > p->header_bytes) {
		p->out->header_bytes_needed = (u32)(at + n);
		return STATUS_BUFFER_TOO_SMALL;
	}
	memcpy(to, p->header + at, n);
	return STATUS_SUCCESS;
}

/* ---- DOS and file header ---- */

static NTSTATUS not_pe(struct parse *p, u32 at)
{
	u16 magic = 0;
	u8 system = 0;

	if (!NT_SUCCESS(take(p, at, &magic, sizeof(magic), STATUS_INVALID_IMAGE_PROTECT)) ||
	    magic != NE_MAGIC)
		return STATUS_INVALID_IMAGE_PROTECT;
	if (NT_SUCCESS(take(p, (u64)at + NE_EXETYP, &system, 1, STATUS_INVALID_IMAGE_PROTECT)) &&
	    system == NE_WINDOWS)
		return STATUS_INVALID_IMAGE_WIN_16;
	return STATUS_INVALID_IMAGE_PROTECT;
}

static NTSTATUS parse_file_header(struct parse *p)
{
	struct dos_header dos;
	u32 signature = 0;
	NTSTATUS s;

	if (!p->file_bytes)
		return STATUS_INVALID_FILE_FOR_SECTION;
	s = take(p, 0, &dos, sizeof(dos), STATUS_INVALID_IMAGE_NOT_MZ);
	if (!NT_SUCCESS(s))
		return s;
	if (dos.magic != DOS_MAGIC)
		return STATUS_INVALID_IMAGE_NOT_MZ;
	s = take(p, dos.lfanew, &signature, sizeof(signature), STATUS_INVALID_IMAGE_PROTECT);
	if (s == STATUS_INVALID_IMAGE_FORMAT) /* e_lfanew beyond what a header may take */
		return STATUS_INVALID_IMAGE_PROTECT;
	if (!NT_SUCCESS(s))
		return s;
	if (signature != PE_SIGNATURE)
		return not_pe(p, dos.lfanew);
	if (dos.lfanew % 4)
		return STATUS_INVALID_IMAGE_PROTECT;
	s = take(p, (u64)dos.lfanew + 4, &p->fh, sizeof(p->fh), STATUS_INVALID_IMAGE_FORMAT);
	if (!NT_SUCCESS(s))
		return s;
	p->optional_at = (u64)dos.lfanew + 4 + sizeof(p->fh);
	p->sections_at = p->optional_at + p->fh.optional_bytes;
	return STATUS_SUCCESS;
}

/* ---- optional header ---- */

static bool optional_header_sound(const struct parse *p)
{
	const struct optional_header *o = &p->oh;

	if (p->fh.machine != MACHINE_AMD64 || o->magic != OPTIONAL_MAGIC_PE64)
		return false;
	if (!(p->fh.characteristics & PE_FILE_EXECUTABLE_IMAGE))
		return false;
	if (p->fh.sections > PE_MAX_SECTIONS)
		return false;
	if (!power_of_two(o->file_alignment) || !power_of_two(o->section_alignment) ||
	    o->section_alignment < o->file_alignment)
		return false;
	/* Below a sector (and so below a page) file and memory must be laid out alike. */
	if ((o->file_alignment < SECTOR || o->section_alignment < PAGE_SIZE) &&
	    o->file_alignment != o->section_alignment)
		return false;
	if (!o->size_of_image || o->size_of_image > IMAGE_LIMIT)
		return false;
	if (!o->size_of_headers || o->size_of_headers > o->size_of_image)
		return false;
	if (o->image_base & 0xffff || o->image_base + o->size_of_image < o->image_base)
		return false;
	return o->entry < ALIGN_UP(o->size_of_image, PAGE_SIZE);
}

static NTSTATUS parse_optional_header(struct parse *p)
{
	struct pe_image *out = p->out;
	u64 directories;
	NTSTATUS s;

	if (p->fh.machine != MACHINE_AMD64 || p->fh.optional_bytes < sizeof(p->oh))
		return STATUS_INVALID_IMAGE_FORMAT;
	s = take(p, p->optional_at, &p->oh, sizeof(p->oh), STATUS_INVALID_IMAGE_FORMAT);
	if (!NT_SUCCESS(s))
		return s;
	if (!optional_header_sound(p))
		return STATUS_INVALID_IMAGE_FORMAT;
	directories = (p->fh.optional_bytes - sizeof(p->oh)) / sizeof(struct pe_directory);
	directories = MIN(directories, PE_DIRECTORIES);
	directories = MIN(directories, p->oh.directories);
	return take(p, p->optional_at + sizeof(p->oh), out->directory,
		    directories * sizeof(struct pe_directory), STATUS_INVALID_IMAGE_FORMAT);
}

static void copy_fields(const struct parse *p)
{
	const struct optional_header *o = &p->oh;
	struct pe_image *out = p->out;
	const struct pe_directory *reloc = &out->directory[PE_DIR_RELOC];

	out->machine = p->fh.machine;
	out->characteristics = p->fh.characteristics;
	out->dll_characteristics = o->dll_characteristics;
	out->subsystem = o->subsystem;
	out->subsystem_major = o->subsystem_major;
	out->subsystem_minor = o->subsystem_minor;
	out->os_major = o->os_major;
	out->os_minor = o->os_minor;
	out->timestamp = p->fh.timestamp;
	out->checksum = o->checksum;
	out->loader_flags = o->loader_flags;
	out->entry_rva = o->entry;
	out->size_of_image = (u32)ALIGN_UP(o->size_of_image, PAGE_SIZE);
	out->headers_bytes = o->size_of_headers;
	out->section_alignment = o->section_alignment;
	out->file_alignment = o->file_alignment;
	out->flat = o->section_alignment < PAGE_SIZE;
	out->section_align_pages = out->flat ? 1 : o->section_alignment / PAGE_SIZE;
	out->image_base = o->image_base;
	out->file_bytes = p->file_bytes;
	out->stack_reserve = o->stack_reserve;
	out->stack_commit = o->stack_commit;
	out->heap_reserve = o->heap_reserve;
	out->heap_commit = o->heap_commit;
	out->contains_code = o->code_bytes != 0;
	out->has_relocs = !(p->fh.characteristics & PE_FILE_RELOCS_STRIPPED) && reloc->bytes &&
			  (u64)reloc->rva + reloc->bytes <= out->size_of_image;
	out->sections = p->fh.sections;
}

/* ---- sections ---- */

/* By the access bits: execute 1, read 2, write 4; data of a process is its own unless shared. */
static const u8 private_protection[8] = {
    PE_PROT_NOACCESS,  PE_PROT_EXECUTE,		  PE_PROT_READONLY,  PE_PROT_EXECUTE_READ,
    PE_PROT_WRITECOPY, PE_PROT_EXECUTE_WRITECOPY, PE_PROT_WRITECOPY, PE_PROT_EXECUTE_WRITECOPY,
};
static const u8 shared_protection[8] = {
    PE_PROT_NOACCESS,  PE_PROT_EXECUTE,		  PE_PROT_READONLY,  PE_PROT_EXECUTE_READ,
    PE_PROT_READWRITE, PE_PROT_EXECUTE_READWRITE, PE_PROT_READWRITE, PE_PROT_EXECUTE_READWRITE,
};

static struct pe_section *add_subsection(struct pe_image *out, u64 rva, u64 pages, u8 protection)
{
	struct pe_section *sub = &out->subsection[out->subsections++];

	sub->rva = (u32)rva;
	sub->virtual_pages = (u32)pages;
	sub->protection = protection;
	return sub;
}

/* Where a section's bytes lie in the file; zero bytes when it has none. */
static NTSTATUS raw_extent(const struct parse *p, const struct section_header *h, u64 *offset,
			   u64 *bytes)
{
	u64 start = h->raw_offset, end = start + h->raw_bytes;

	*offset = *bytes = 0;
	if (!h->raw_offset || !h->raw_bytes)
		return STATUS_SUCCESS;
	if (end > p->file_bytes)
		return STATUS_INVALID_FILE_FOR_SECTION;
	if (!p->out->flat)
		start = ALIGN_DOWN(start, SECTOR);
	*offset = start;
	*bytes = end - start;
	return STATUS_SUCCESS;
}

/* Adds a section that must begin at *next; moves *next to where the following one must begin. */
static NTSTATUS add_section(struct parse *p, const struct section_header *h, u64 *next)
{
	u32 c = h->characteristics;
	u32 access = c >> SCN_ACCESS_SHIFT & 7;
	u64 size = h->virtual_bytes ? h->virtual_bytes : h->raw_bytes, offset, bytes, pages, room;
	struct pe_section *sub;
	NTSTATUS s = raw_extent(p, h, &offset, &bytes);

	if (!NT_SUCCESS(s))
		return s;
	size = ALIGN_UP(size, PAGE_SIZE);
	room = p->out->size_of_image - *next;
	if (h->rva != *next || size > room)
		return STATUS_INVALID_IMAGE_FORMAT;
	if (!size)
		return STATUS_SUCCESS; /* nothing of it in memory */
	bytes = MIN(bytes, size);
	/* The padding up to the next section is its own, so that no page is left out. */
	size = ALIGN_UP(size, p->oh.section_alignment);
	size = MIN(size, room);
	pages = size / PAGE_SIZE;
	sub = add_subsection(p->out, h->rva, pages,
			     (c & SCN_SHARED ? shared_protection : private_protection)[access]);
	sub->file_offset = offset;
	sub->file_bytes = bytes;
	sub->shared = c & SCN_SHARED;
	sub->discardable = c & SCN_DISCARDABLE;
	memcpy(sub->name, h->name, sizeof(h->name));
	p->out->contains_code = p->out->contains_code || c & (SCN_CODE | SCN_EXECUTE);
	*next += size;
	return STATUS_SUCCESS;
}

/* Section alignment below a page: file and memory alike, one subsection for all. */
static NTSTATUS check_flat_section(struct parse *p, const struct section_header *h)
{
	u64 offset, bytes, size = h->virtual_bytes ? h->virtual_bytes : h->raw_bytes;
	NTSTATUS s = raw_extent(p, h, &offset, &bytes);

	if (!NT_SUCCESS(s))
		return s;
	if (bytes && h->raw_offset != h->rva)
		return STATUS_INVALID_IMAGE_FORMAT;
	if ((u64)h->rva + size > p->out->size_of_image)
		return STATUS_INVALID_IMAGE_FORMAT;
	return STATUS_SUCCESS;
}

static NTSTATUS parse_sections(struct parse *p)
{
	struct pe_image *out = p->out;
	u64 next = ALIGN_UP(p->oh.size_of_headers, MAX(p->oh.section_alignment, PAGE_SIZE));
	struct pe_section *headers;
	struct section_header h;
	NTSTATUS s;

	if (p->oh.size_of_headers > p->file_bytes)
		return STATUS_INVALID_FILE_FOR_SECTION;
	if (!out->flat && next > out->size_of_image)
		next = out->size_of_image; /* headers only, SizeOfImage not a multiple */
	headers =
	    add_subsection(out, 0, out->flat ? out->size_of_image / PAGE_SIZE : next / PAGE_SIZE,
			   out->flat ? PE_PROT_EXECUTE_WRITECOPY : PE_PROT_READONLY);
	headers->file_bytes =
	    MIN(out->flat ? out->size_of_image : p->oh.size_of_headers, p->file_bytes);
	for (u32 i = 0; i < p->fh.sections; i++) {
		s = take(p, p->sections_at + (u64)i * sizeof(h), &h, sizeof(h),
			 STATUS_INVALID_FILE_FOR_SECTION);
		if (NT_SUCCESS(s))
			s = out->flat ? check_flat_section(p, &h) : add_section(p, &h, &next);
		if (!NT_SUCCESS(s))
			return s;
	}
	if (!out->flat && next < out->size_of_image) /* what no section covers cannot be touched */
		add_subsection(out, next, (out->size_of_image - next) / PAGE_SIZE,
			       PE_PROT_NOACCESS);
	return STATUS_SUCCESS;
}

NTSTATUS pe_parse(const void *header, size_t header_bytes, u64 file_bytes, struct pe_image *out)
{
	struct parse p = {.header = header, .file_bytes = file_bytes, .out = out};
	NTSTATUS s;

	p.header_bytes = MIN(header_bytes, file_bytes);
	memset(out, 0, sizeof(*out));
	s = parse_file_header(&p);
	if (NT_SUCCESS(s))
		s = parse_optional_header(&p);
	if (!NT_SUCCESS(s))
		return s;
	copy_fields(&p);
	return parse_sections(&p);
}
