/*
 * pe: PE32+ images for AMD64, read without trust (layout: Microsoft's "PE Format" specification).
 *
 * pe_parse turns a file's headers into a list of subsections that cover the image from its first
 * page on without a gap; whatever it accepts, the rest of mm can map without more checks.
 * Relocations are put in order by page once, so that a page can be relocated alone, when it is
 * read. Exports are looked up through a reader, as the image may lie anywhere.
 *
 * pe.c: headers; pe_reloc.c: relocations; pe_export.c: exports; pe_guard.c: call targets. Pure
 * logic, no memory of its own, no locks.
 */
#ifndef NTMM_MM_PE_H
#define NTMM_MM_PE_H

#include "guest/ke/types.h"
#include "guest/ke/status.h"

#define PE_MAX_SECTIONS	    96u			  /* the loader's documented limit */
#define PE_MAX_SUBSECTIONS  (PE_MAX_SECTIONS + 2) /* headers and a tail besides */
#define PE_DIRECTORIES	    16u
#define PE_MAX_HEADER_BYTES 0x10000u /* DOS header to section table must lie in this much */

/* FileHeader.Characteristics */
#define PE_FILE_RELOCS_STRIPPED	    0x0001u
#define PE_FILE_EXECUTABLE_IMAGE    0x0002u
#define PE_FILE_LARGE_ADDRESS_AWARE 0x0020u
#define PE_FILE_DLL		    0x2000u
/* OptionalHeader.DllCharacteristics */
#define PE_DLL_HIGH_ENTROPY_VA	     0x0020u
#define PE_DLL_DYNAMIC_BASE	     0x0040u
#define PE_DLL_FORCE_INTEGRITY	     0x0080u
#define PE_DLL_NX_COMPAT	     0x0100u
#define PE_DLL_NO_SEH		     0x0400u
#define PE_DLL_APPCONTAINER	     0x1000u
#define PE_DLL_GUARD_CF		     0x4000u
#define PE_DLL_TERMINAL_SERVER_AWARE 0x8000u
/* Data directories */
#define PE_DIR_EXPORT 0u
#define PE_DIR_IMPORT 1u
#define PE_DIR_RELOC  5u
#define PE_DIR_TLS    9u
#define PE_DIR_CONFIG 10u

/* NT's 5-bit page protection codes, as far as an image needs them. */
enum pe_protection {
	PE_PROT_NOACCESS = 0,
	PE_PROT_READONLY = 1,
	PE_PROT_EXECUTE = 2,
	PE_PROT_EXECUTE_READ = 3,
	PE_PROT_READWRITE = 4,
	PE_PROT_WRITECOPY = 5,
	PE_PROT_EXECUTE_READWRITE = 6,
	PE_PROT_EXECUTE_WRITECOPY = 7,
};

/* A run of the image's pages with one source and one protection. */
struct pe_section {
	u32 rva;	   /* page aligned */
	u32 virtual_pages; /* at least 1 */
	u64 file_offset;   /* of the first byte; a multiple of 512 unless the image is flat */
	u64 file_bytes;	   /* <= virtual_pages * 4096; zeroes follow */
	u8 protection;	   /* enum pe_protection */
	bool shared;	   /* writable pages are one copy for all processes */
	bool discardable;
	char name[9]; /* NUL-terminated; "" for the headers and the tail */
};

struct pe_directory {
	u32 rva, bytes;
};

struct pe_image {
	u16 machine, characteristics, dll_characteristics, subsystem;
	u16 subsystem_major, subsystem_minor, os_major, os_minor;
	u32 timestamp, checksum, loader_flags;
	u32 entry_rva;	   /* 0: none; else inside the image */
	u32 size_of_image; /* bytes, a multiple of 4096: the subsections cover it exactly */
	u32 headers_bytes; /* SizeOfHeaders */
	u32 section_alignment, file_alignment;
	u32 section_align_pages; /* 1 for flat images */
	u64 image_base;
	u64 file_bytes;
	u64 stack_reserve, stack_commit, heap_reserve, heap_commit;
	bool contains_code, flat;
	bool has_relocs;			       /* a .reloc directory, inside the image */
	u32 sections;				       /* as the header says */
	struct pe_directory directory[PE_DIRECTORIES]; /* as found; only those of the file */
	u32 subsections;
	struct pe_section subsection[PE_MAX_SUBSECTIONS]; /* [0] are the headers */
	u32 header_bytes_needed;
};

/*
 * Reads the first header_bytes bytes of a file of file_bytes bytes. Give at least the first
 * min(file_bytes, 4096); when the section table goes further the answer is STATUS_BUFFER_TOO_SMALL
 * and out->header_bytes_needed tells how much to read (at most PE_MAX_HEADER_BYTES).
 *   STATUS_INVALID_IMAGE_NOT_MZ    no DOS header
 *   STATUS_INVALID_IMAGE_PROTECT   a DOS program (no PE header where e_lfanew points)
 *   STATUS_INVALID_IMAGE_WIN_16    a 16-bit Windows program
 *   STATUS_INVALID_IMAGE_FORMAT    another machine or broken headers
 *   STATUS_INVALID_FILE_FOR_SECTION empty, or shorter than its headers and sections say
 */
NTSTATUS pe_parse(const void *header, size_t header_bytes, u64 file_bytes, struct pe_image *out);

/* Reads n bytes of an image, as the file has them (not relocated), at rva. */
typedef NTSTATUS pe_read_fn(void *context, u32 rva, void *buffer, u32 n);

/* ---- relocations ---- */

/* Relocations in order by page: those of page p are entry[first[p]] to entry[first[p + 1] - 1]. */
struct pe_reloc_index {
	u32 pages;
	const u32 *first;
	const u16 *entry; /* kind << 12 | offset in the page */
};

/* How many bytes of memory the index of this .reloc directory takes; STATUS_INVALID_IMAGE_FORMAT
 * when it is malformed or points outside the image. */
NTSTATUS pe_reloc_index_measure(const void *reloc, size_t reloc_bytes, u32 size_of_image,
				size_t *bytes);
/* Builds the index in `memory` (of the size measured, 4-byte aligned, zeroed); `reloc` is not
 * needed afterwards. Same statuses. */
NTSTATUS pe_reloc_index_build(const void *reloc, size_t reloc_bytes, u32 size_of_image,
			      void *memory, size_t bytes, struct pe_reloc_index *out);
/* True when relocating that page changes nothing. */
static inline bool pe_page_has_relocs(const struct pe_reloc_index *x, u32 page)
{
	return page < x->pages && x->first[page] != x->first[page + 1];
}
/*
 * Relocates one page image: `bytes` are the 4096 original bytes of page number `page`, `delta` the
 * distance from the preferred base. A value that straddles two pages is computed from original
 * bytes; the neighbour's few come from `read` (called for such values only). On a failed read its
 * status is returned and `bytes` are of no use.
 */
NTSTATUS pe_relocate_page(const struct pe_reloc_index *x, u32 page, u64 delta, u8 *bytes,
			  pe_read_fn *read, void *context);

/* ---- exports ---- */

/* The RVA of a function exported by name. STATUS_ENTRYPOINT_NOT_FOUND without it or when it is a
 * forwarder, STATUS_INVALID_IMAGE_FORMAT for a broken table, or what `read` returned. */
NTSTATUS pe_find_export(const struct pe_image *image, pe_read_fn *read, void *context,
			const char *name, u32 *rva);

/* ---- Control Flow Guard ---- */

#define PE_GUARD_MOST_STRIDE 19u
struct pe_guard {
	u32 table_rva, count; /* 0: any address may be called */
	u32 stride;	      /* bytes of an entry */
};
/* The table of an image built with it; else, or when it makes no sense, an empty one. */
NTSTATUS pe_find_guard(const struct pe_image *image, pe_read_fn *read, void *context,
		       struct pe_guard *out);
/* The RVA that an entry names, 0 for one that is no target. */
u32 pe_guard_target(const struct pe_guard *g, const u8 *entry, const struct pe_image *image);

#endif
