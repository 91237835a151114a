/*
 * The PE parser: a small sound image is built here, changed in one place a case, and the answer
 * compared. Relocation a page at a time is compared with relocating the whole image; the export
 * search with a list. Then seeded damage to headers, .reloc and exports: whatever is accepted must
 * keep the promises of pe.h (ASan watches the rest).
 */
#include "guest/mm/pe.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *pe_suite(void);

static u64 seed;
static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % below;
}

/* ---- a sound image ---- */

#define LFANEW	   0x80u
#define FILE_AT	   (LFANEW + 4)
#define OPT_AT	   (FILE_AT + 20)
#define DIR_AT	   (OPT_AT + 112)
#define SECTION_AT (DIR_AT + 16 * 8)
#define FILE_BYTES 0x2000u
#define CODE	   0x60000020u
#define DATA	   0xc0000040u
#define RDATA	   0x40000040u

static u8 file[FILE_BYTES];
static struct pe_image image;

static void put(u32 at, u64 value, u32 bytes)
{
	memcpy(file + at, &value, bytes);
}

static void put_section(u32 i, const char *name, u32 virtual_bytes, u32 rva, u32 raw, u32 offset,
			u32 characteristics)
{
	u32 at = SECTION_AT + i * 40;

	memcpy(file + at, name, strlen(name));
	put(at + 8, virtual_bytes, 4);
	put(at + 12, rva, 4);
	put(at + 16, raw, 4);
	put(at + 20, offset, 4);
	put(at + 36, characteristics, 4);
}

static void build(void)
{
	memset(file, 0, sizeof(file));
	put(0, 0x5a4d, 2);
	put(0x3c, LFANEW, 4);
	put(LFANEW, 0x4550, 4);
	put(FILE_AT, 0x8664, 2);
	put(FILE_AT + 2, 3, 2);
	put(FILE_AT + 16, 240, 2);
	put(FILE_AT + 18, 0x22, 2);
	put(OPT_AT, 0x20b, 2);
	put(OPT_AT + 16, 0x1010, 4);	  /* entry */
	put(OPT_AT + 24, 0x140000000, 8); /* base */
	put(OPT_AT + 32, 0x1000, 4);	  /* section alignment */
	put(OPT_AT + 36, 0x200, 4);	  /* file alignment */
	put(OPT_AT + 56, 0x6000, 4);	  /* size of image */
	put(OPT_AT + 60, 0x400, 4);	  /* size of headers */
	put(OPT_AT + 68, 3, 2);		  /* console */
	put(OPT_AT + 70, 0x160, 2);	  /* high entropy, dynamic base, NX */
	put(OPT_AT + 72, 0x200000, 8);	  /* stack reserve */
	put(OPT_AT + 80, 0x1000, 8);
	put(OPT_AT + 108, 16, 4);
	put_section(0, ".text", 0x1080, 0x1000, 0x1200, 0x400, CODE);
	put_section(1, ".data", 0x1800, 0x3000, 0x200, 0x1600, DATA);
	put_section(2, ".rdata", 0x10, 0x5000, 0x200, 0x1800, RDATA);
}

static NTSTATUS parse_bytes(u64 bytes)
{
	/* An own allocation of that size, so that reading past it is caught. */
	u8 *copy = malloc(bytes ? bytes : 1);
	NTSTATUS s;

	memcpy(copy, file, bytes);
	s = pe_parse(copy, bytes, bytes, &image);
	free(copy);
	return s;
}

START_TEST(sound)
{
	const struct pe_section *s = image.subsection;

	build();
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert_uint_eq(image.image_base, 0x140000000);
	ck_assert_uint_eq(image.entry_rva, 0x1010);
	ck_assert_uint_eq(image.size_of_image, 0x6000);
	ck_assert_uint_eq(image.dll_characteristics, 0x160);
	ck_assert_uint_eq(image.stack_reserve, 0x200000);
	ck_assert_uint_eq(image.subsections, 4);
	ck_assert_uint_eq(s[0].virtual_pages, 1);
	ck_assert_uint_eq(s[0].file_bytes, 0x400);
	ck_assert_uint_eq(s[0].protection, PE_PROT_READONLY);
	ck_assert_uint_eq(s[1].rva, 0x1000);
	ck_assert_uint_eq(s[1].virtual_pages, 2);
	ck_assert_uint_eq(s[1].file_offset, 0x400);
	ck_assert_uint_eq(s[1].file_bytes, 0x1200);
	ck_assert_uint_eq(s[1].protection, PE_PROT_EXECUTE_READ);
	ck_assert_str_eq(s[1].name, ".text");
	ck_assert_uint_eq(s[2].protection, PE_PROT_WRITECOPY);
	ck_assert_uint_eq(s[2].virtual_pages, 2);
	ck_assert_uint_eq(s[3].protection, PE_PROT_READONLY);
	ck_assert(!image.flat);
	ck_assert(image.contains_code);
	ck_assert(!image.has_relocs);
}
END_TEST

START_TEST(protections)
{
	static const struct {
		u32 characteristics;
		u8 protection;
		bool shared;
	} rows[] = {
	    {0x00000040, PE_PROT_NOACCESS, false},  {0x20000020, PE_PROT_EXECUTE, false},
	    {0x40000040, PE_PROT_READONLY, false},  {0x60000020, PE_PROT_EXECUTE_READ, false},
	    {0x80000040, PE_PROT_WRITECOPY, false}, {0xa0000020, PE_PROT_EXECUTE_WRITECOPY, false},
	    {0xc0000040, PE_PROT_WRITECOPY, false}, {0xe0000020, PE_PROT_EXECUTE_WRITECOPY, false},
	    {0xd0000040, PE_PROT_READWRITE, true},  {0xf0000020, PE_PROT_EXECUTE_READWRITE, true},
	    {0x50000040, PE_PROT_READONLY, true},
	};

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++) {
		build();
		put(SECTION_AT + 40 + 36, rows[i].characteristics, 4);
		ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
		ck_assert_uint_eq(image.subsection[2].protection, rows[i].protection);
		ck_assert_int_eq(image.subsection[2].shared, rows[i].shared);
	}
}
END_TEST

/* One field changed: the answer. */
static const struct {
	const char *what;
	u32 at, bytes;
	u64 value;
	NTSTATUS status;
} damage[] = {
    {"not MZ", 0, 2, 0x4d5a, STATUS_INVALID_IMAGE_NOT_MZ},
    {"header pointer past the end", 0x3c, 4, FILE_BYTES, STATUS_INVALID_IMAGE_PROTECT},
    {"header pointer negative", 0x3c, 4, 0xffffffff, STATUS_INVALID_IMAGE_PROTECT},
    {"header pointer far", 0x3c, 4, 0x7ffffffc, STATUS_INVALID_IMAGE_PROTECT},
    {"signature", LFANEW, 4, 0x4551, STATUS_INVALID_IMAGE_PROTECT},
    {"signature's upper half", LFANEW, 4, 0x14550, STATUS_INVALID_IMAGE_PROTECT},
    {"16-bit OS/2", LFANEW, 4, 0x454e, STATUS_INVALID_IMAGE_PROTECT},
    {"machine i386", FILE_AT, 2, 0x14c, STATUS_INVALID_IMAGE_FORMAT},
    {"machine ARM64", FILE_AT, 2, 0xaa64, STATUS_INVALID_IMAGE_FORMAT},
    {"97 sections", FILE_AT + 2, 2, 97, STATUS_INVALID_IMAGE_FORMAT},
    {"no optional header", FILE_AT + 16, 2, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"short optional header", FILE_AT + 16, 2, 111, STATUS_INVALID_IMAGE_FORMAT},
    {"optional header past the end", FILE_AT + 16, 2, 0xffff, STATUS_INVALID_FILE_FOR_SECTION},
    {"not executable", FILE_AT + 18, 2, 0x20, STATUS_INVALID_IMAGE_FORMAT},
    {"PE32", OPT_AT, 2, 0x10b, STATUS_INVALID_IMAGE_FORMAT},
    {"ROM image", OPT_AT, 2, 0x107, STATUS_INVALID_IMAGE_FORMAT},
    {"entry outside", OPT_AT + 16, 4, 0x6000, STATUS_INVALID_IMAGE_FORMAT},
    {"no entry", OPT_AT + 16, 4, 0, STATUS_SUCCESS},
    {"base off 64 KB", OPT_AT + 24, 8, 0x140001000, STATUS_INVALID_IMAGE_FORMAT},
    {"base in the upper half", OPT_AT + 24, 8, 0xffffffffffff0000, STATUS_SUCCESS},
    {"section alignment 0", OPT_AT + 32, 4, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"section alignment 3000", OPT_AT + 32, 4, 0x3000, STATUS_INVALID_IMAGE_FORMAT},
    {"section alignment above the layout", OPT_AT + 32, 4, 0x2000, STATUS_INVALID_IMAGE_FORMAT},
    {"section alignment low, unequal", OPT_AT + 32, 4, 0x400, STATUS_INVALID_IMAGE_FORMAT},
    {"file alignment 0", OPT_AT + 36, 4, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"file alignment 600", OPT_AT + 36, 4, 0x600, STATUS_INVALID_IMAGE_FORMAT},
    {"file alignment above section's", OPT_AT + 36, 4, 0x2000, STATUS_INVALID_IMAGE_FORMAT},
    {"file alignment 10", OPT_AT + 36, 4, 0x10, STATUS_INVALID_IMAGE_FORMAT},
    {"size of image 0", OPT_AT + 56, 4, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"size of image short", OPT_AT + 56, 4, 0x5000, STATUS_INVALID_IMAGE_FORMAT},
    {"size of image odd", OPT_AT + 56, 4, 0x5010, STATUS_SUCCESS},
    {"size of image long", OPT_AT + 56, 4, 0x9000, STATUS_SUCCESS},
    {"size of image huge", OPT_AT + 56, 4, 0xfffff000, STATUS_INVALID_IMAGE_FORMAT},
    {"size of headers 0", OPT_AT + 60, 4, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"size of headers into .text", OPT_AT + 60, 4, 0x1001, STATUS_INVALID_IMAGE_FORMAT},
    {"size of headers over all", OPT_AT + 60, 4, 0x7000, STATUS_INVALID_IMAGE_FORMAT},
    {"no directories", OPT_AT + 108, 4, 0, STATUS_SUCCESS},
    {"too many directories", OPT_AT + 108, 4, 0xffffffff, STATUS_SUCCESS},
    {"section begins early", SECTION_AT + 12, 4, 0, STATUS_INVALID_IMAGE_FORMAT},
    {"section off a page", SECTION_AT + 12, 4, 0x1200, STATUS_INVALID_IMAGE_FORMAT},
    {"sections apart", SECTION_AT + 40 + 12, 4, 0x4000, STATUS_INVALID_IMAGE_FORMAT},
    {"sections overlap", SECTION_AT + 8, 4, 0x2001, STATUS_INVALID_IMAGE_FORMAT},
    {"section size wraps", SECTION_AT + 80 + 8, 4, 0xfffffff0, STATUS_INVALID_IMAGE_FORMAT},
    {"virtual size 0: raw size", SECTION_AT + 8, 4, 0, STATUS_SUCCESS},
    {"raw data past the end", SECTION_AT + 16, 4, FILE_BYTES, STATUS_INVALID_FILE_FOR_SECTION},
    {"raw offset past the end", SECTION_AT + 20, 4, 0xfffffe00, STATUS_INVALID_FILE_FOR_SECTION},
    {"raw offset 0: no data", SECTION_AT + 20, 4, 0, STATUS_SUCCESS},
};

START_TEST(one_field_wrong)
{
	NTSTATUS s;

	build();
	put(damage[_i].at, damage[_i].value, damage[_i].bytes);
	s = parse_bytes(FILE_BYTES);
	ck_assert_msg(s == damage[_i].status, "%s: %08x, not %08x", damage[_i].what, (u32)s,
		      (u32)damage[_i].status);
}
END_TEST

START_TEST(other_layouts)
{
	build();
	put(LFANEW, 0x454e, 4); /* 16-bit Windows */
	put(LFANEW + 0x36, 2, 1);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_INVALID_IMAGE_WIN_16);

	build();
	put(0x3c, LFANEW + 2, 4); /* a header off its 4-byte boundary */
	memmove(file + LFANEW + 2, file + LFANEW, 0x300);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_INVALID_IMAGE_PROTECT);

	build(); /* the raw offset is rounded down to a sector */
	put(SECTION_AT + 40 + 20, 0x16ab, 4);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert_uint_eq(image.subsection[2].file_offset, 0x1600);
	ck_assert_uint_eq(image.subsection[2].file_bytes, 0x2ab);

	build(); /* raw data longer than the section: only what its pages take */
	put(SECTION_AT + 80 + 16, 0x1800, 4);
	put(SECTION_AT + 80 + 20, 0x800, 4);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert_uint_eq(image.subsection[3].file_bytes, 0x1000);

	build(); /* pages that no section covers */
	put(OPT_AT + 56, 0x9000, 4);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert_uint_eq(image.subsections, 5);
	ck_assert_uint_eq(image.subsection[4].protection, PE_PROT_NOACCESS);
	ck_assert_uint_eq(image.subsection[4].virtual_pages, 3);

	build(); /* flat: memory as the file */
	put(OPT_AT + 32, 0x200, 4);
	put(OPT_AT + 56, 0x1a00, 4);
	put(FILE_AT + 2, 1, 2);
	put(SECTION_AT + 12, 0x400, 4);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert(image.flat);
	ck_assert_uint_eq(image.subsections, 1);
	ck_assert_uint_eq(image.subsection[0].protection, PE_PROT_EXECUTE_WRITECOPY);
	ck_assert_uint_eq(image.subsection[0].virtual_pages, 2);
	ck_assert_uint_eq(image.subsection[0].file_bytes, 0x2000);
	put(SECTION_AT + 12, 0x600, 4);
	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_INVALID_IMAGE_FORMAT);
}
END_TEST

START_TEST(cut_short)
{
	for (u32 n = 0; n < FILE_BYTES; n++) {
		NTSTATUS s, want;

		build();
		s = parse_bytes(n);
		if (!n)
			want = STATUS_INVALID_FILE_FOR_SECTION;
		else if (n < 64)
			want = STATUS_INVALID_IMAGE_NOT_MZ;
		else if (n < LFANEW + 4)
			want = STATUS_INVALID_IMAGE_PROTECT;
		else if (n < SECTION_AT)
			want = STATUS_INVALID_IMAGE_FORMAT;
		else
			want = n < 0x1a00 ? STATUS_INVALID_FILE_FOR_SECTION : STATUS_SUCCESS;
		ck_assert_msg(s == want, "%u bytes: %08x, not %08x", n, (u32)s, (u32)want);
	}
}
END_TEST

/* Given too few header bytes it says how many it needs, never more than there are. */
START_TEST(asks_for_headers)
{
	build();
	for (size_t n = 0;;) {
		u8 *part = malloc(n + 1);
		NTSTATUS s;

		memcpy(part, file, n);
		s = pe_parse(part, n, FILE_BYTES, &image);
		free(part);
		if (s == STATUS_SUCCESS) {
			ck_assert_uint_eq(n, SECTION_AT + 3 * 40);
			break;
		}
		ck_assert_int_eq(s, STATUS_BUFFER_TOO_SMALL);
		ck_assert_uint_gt(image.header_bytes_needed, n);
		ck_assert_uint_le(image.header_bytes_needed, PE_MAX_HEADER_BYTES);
		n = image.header_bytes_needed;
	}
}
END_TEST

/* ---- what mm relies on, whatever was parsed ---- */

static void check_promises(u64 file_bytes)
{
	u64 next = 0;

	ck_assert_uint_eq(image.size_of_image % 4096, 0);
	ck_assert_uint_le(image.subsections, PE_MAX_SUBSECTIONS);
	ck_assert_uint_ge(image.subsections, 1);
	ck_assert_uint_lt(image.entry_rva, image.size_of_image);
	ck_assert_uint_eq(image.image_base % 0x10000, 0);
	for (u32 i = 0; i < image.subsections; i++) {
		const struct pe_section *s = &image.subsection[i];

		ck_assert_uint_eq(s->rva, next);
		ck_assert_uint_ge(s->virtual_pages, 1);
		ck_assert_uint_le(s->file_bytes, s->virtual_pages * 4096ull);
		ck_assert_uint_le(s->file_offset + s->file_bytes, file_bytes);
		ck_assert_uint_eq(s->file_offset % 512, 0);
		ck_assert_uint_le(s->protection, 7);
		ck_assert_uint_eq(s->name[8], 0);
		next += s->virtual_pages * 4096ull;
	}
	ck_assert_uint_eq(next, image.size_of_image);
	if (image.has_relocs)
		ck_assert_uint_le((u64)image.directory[PE_DIR_RELOC].rva +
				      image.directory[PE_DIR_RELOC].bytes,
				  image.size_of_image);
}

START_TEST(random_headers)
{
	static const u64 odd_values[] = {0,	     1,		 0x200,	     0x1000, 0x7fffffff,
					 0x80000000, 0xffffffff, 0xfffff000, 0x10000};
	u32 accepted = 0;

	seed = (u64)_i + 5;
	for (u32 round = 0; round < 6000; round++) {
		u32 changes = 1 + rnd(3), bytes = FILE_BYTES;

		build();
		while (changes--) {
			u32 at = rnd(4) ? LFANEW + rnd(SECTION_AT + 120 - LFANEW) : rnd(64);

			if (rnd(2))
				file[at] = (u8)(file[at] ^ 1u << rnd(8));
			else
				put(at & ~1u, odd_values[rnd(ARRAY_SIZE(odd_values))],
				    1u << rnd(4));
		}
		if (!rnd(8))
			bytes = rnd(FILE_BYTES);
		if (parse_bytes(bytes) == STATUS_SUCCESS) {
			accepted++;
			check_promises(bytes);
		}
	}
	ck_assert_uint_gt(accepted, 300); /* the damage is not always deadly */
	ck_assert_uint_lt(accepted, 5800);
}
END_TEST

/* ---- relocations ---- */

#define IMAGE_PAGES 12u
#define IMAGE_BYTES (IMAGE_PAGES * 4096u)

static u8 original[IMAGE_BYTES], expected[IMAGE_BYTES], moved[4096];
static u8 reloc[0x4000];
static u32 reloc_bytes, reads;

static NTSTATUS read_original(void *context, u32 rva, void *buffer, u32 n)
{
	ck_assert_ptr_eq(context, original);
	ck_assert_uint_le((u64)rva + n, IMAGE_BYTES);
	memcpy(buffer, original + rva, n);
	reads++;
	return STATUS_SUCCESS;
}

static NTSTATUS read_fails(void *context, u32 rva, void *buffer, u32 n)
{
	(void)context, (void)rva, (void)buffer, (void)n;
	return STATUS_IN_PAGE_ERROR;
}

static void reloc_put16(u32 x)
{
	memcpy(reloc + reloc_bytes, &x, 2);
	reloc_bytes += 2;
}

/* Random relocations that do not overlap, in blocks whose order is `backwards` or not. */
static void make_relocs(u64 delta, bool backwards)
{
	static const u8 types[] = {10, 10, 10, 3, 2, 1}, widths[] = {8, 8, 8, 4, 2, 2};
	static struct {
		u32 rva;
		u8 type;
	} list[2000];
	u32 n = 0;

	for (u32 i = 0; i < IMAGE_BYTES; i++)
		original[i] = (u8)rnd(256);
	memcpy(expected, original, IMAGE_BYTES);
	for (u32 rva = rnd(40);;) {
		u32 k = rnd(ARRAY_SIZE(types));
		u64 value = 0;

		if (rva % 4096 > 4000 && rva % 4096 < 4088 && rnd(2)) /* many that straddle */
			rva = (rva | 4095) - rnd(7);
		if (rva + widths[k] > IMAGE_BYTES)
			break;
		list[n].rva = rva;
		list[n++].type = types[k];
		memcpy(&value, original + rva, widths[k]);
		value += types[k] == 1 ? delta >> 16 : delta;
		memcpy(expected + rva, &value, widths[k]);
		rva += widths[k] + rnd(100);
	}
	reloc_bytes = 0;
	for (u32 page = 0; page < IMAGE_PAGES; page++) {
		u32 p = backwards ? IMAGE_PAGES - 1 - page : page, head = reloc_bytes, size;
		u32 rva = p * 4096;

		memcpy(reloc + head, &rva, 4);
		reloc_bytes += 8;
		for (u32 i = 0; i < n; i++)
			if (list[i].rva / 4096 == p)
				reloc_put16((u32)list[i].type << 12 | list[i].rva % 4096);
		if (reloc_bytes % 4)
			reloc_put16(0);
		size = reloc_bytes - head;
		memcpy(reloc + head + 4, &size, 4);
	}
}

START_TEST(relocates_by_page)
{
	seed = (u64)_i + 77;
	for (u32 round = 0; round < 60; round++) {
		u64 delta = ((u64)rnd(0x7fffffff) << 16) * (rnd(2) ? 1 : ~0ull);
		struct pe_reloc_index x;
		size_t bytes;
		void *memory;

		make_relocs(delta, rnd(2));
		ck_assert_int_eq(pe_reloc_index_measure(reloc, reloc_bytes, IMAGE_BYTES, &bytes),
				 STATUS_SUCCESS);
		memory = calloc(1, bytes);
		ck_assert_int_eq(
		    pe_reloc_index_build(reloc, reloc_bytes, IMAGE_BYTES, memory, bytes, &x),
		    STATUS_SUCCESS);
		for (u32 p = 0; p < IMAGE_PAGES; p++) {
			memcpy(moved, original + p * 4096, 4096);
			ck_assert_int_eq(
			    pe_relocate_page(&x, p, delta, moved, read_original, original),
			    STATUS_SUCCESS);
			ck_assert_mem_eq(moved, expected + p * 4096, 4096);
			if (!pe_page_has_relocs(&x, p))
				ck_assert_mem_eq(moved, original + p * 4096, 4096);
		}
		free(memory);
	}
	ck_assert_uint_gt(reads, 20);
}
END_TEST

static NTSTATUS measure(const void *bytes, size_t n)
{
	size_t need;

	return pe_reloc_index_measure(bytes, n, IMAGE_BYTES, &need);
}

START_TEST(reloc_refusals)
{
	static const struct {
		u32 page, block;
		u16 entry[2];
		NTSTATUS status;
	} rows[] = {
	    {0, 12, {0xa000, 0}, STATUS_SUCCESS},
	    {0, 12, {0xa000, 0x5000}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 12, {0x4000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 4, {0xa000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 11, {0xa000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 14, {0xa000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 0xfffffff0, {0xa000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0, 0, {0xa000, 0}, STATUS_SUCCESS},
	    {IMAGE_BYTES - 4096, 12, {0xaff8, 0}, STATUS_SUCCESS},
	    {IMAGE_BYTES - 4096, 12, {0xaff9, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {IMAGE_BYTES, 12, {0xa000, 0}, STATUS_INVALID_IMAGE_FORMAT},
	    {0xfffff800, 12, {0xaff8, 0}, STATUS_INVALID_IMAGE_FORMAT},
	};
	struct pe_reloc_index x;
	u32 memory[256] = {0};
	size_t need;

	for (u32 i = 0; i < ARRAY_SIZE(rows); i++)
		ck_assert_msg(measure(&rows[i], 12) == rows[i].status, "row %u", i);
	ck_assert_int_eq(measure(&rows[0], 0), STATUS_SUCCESS);
	ck_assert_int_eq(measure(&rows[0], 7), STATUS_SUCCESS);
	/* too little memory, a failing neighbour */
	ck_assert_int_eq(pe_reloc_index_measure(&rows[0], 12, IMAGE_BYTES, &need), 0);
	ck_assert_int_eq(pe_reloc_index_build(&rows[0], 12, IMAGE_BYTES, memory, need - 1, &x),
			 STATUS_INVALID_IMAGE_FORMAT);
	memset(memory, 0, sizeof(memory));
	memcpy(reloc, (u32[]){0, 12, 0xaffc}, 12);
	ck_assert_int_eq(pe_reloc_index_build(reloc, 12, IMAGE_BYTES, memory, sizeof(memory), &x),
			 STATUS_SUCCESS);
	ck_assert(pe_page_has_relocs(&x, 0));
	ck_assert(pe_page_has_relocs(&x, 1));
	ck_assert(!pe_page_has_relocs(&x, 2));
	ck_assert_int_eq(pe_relocate_page(&x, 0, 1, moved, read_fails, NULL), STATUS_IN_PAGE_ERROR);
	ck_assert_int_eq(pe_relocate_page(&x, 1, 1, moved, read_fails, NULL), STATUS_IN_PAGE_ERROR);
	ck_assert_int_eq(pe_relocate_page(&x, 2, 1, moved, read_fails, NULL), STATUS_SUCCESS);
	ck_assert_int_eq(pe_relocate_page(&x, 999, 1, moved, read_fails, NULL), STATUS_SUCCESS);
}
END_TEST

START_TEST(random_relocs)
{
	u32 built = 0;

	seed = (u64)_i + 99;
	for (u32 round = 0; round < 300; round++) {
		u32 changes = rnd(4);
		struct pe_reloc_index x;
		size_t bytes, n;
		u8 *copy;

		make_relocs(0x10000, rnd(2));
		n = rnd(8) ? reloc_bytes : rnd(reloc_bytes);
		copy = malloc(n + 1);
		memcpy(copy, reloc, n);
		while (changes-- && n)
			copy[rnd(4) ? rnd((u32)n) : rnd(MIN(16, (u32)n))] = (u8)rnd(256);
		if (pe_reloc_index_measure(copy, n, IMAGE_BYTES, &bytes) == STATUS_SUCCESS) {
			void *memory = calloc(1, bytes);

			ck_assert_int_eq(
			    pe_reloc_index_build(copy, n, IMAGE_BYTES, memory, bytes, &x),
			    STATUS_SUCCESS);
			for (u32 p = 0; p < IMAGE_PAGES; p++) {
				u8 *page = malloc(4096);

				memcpy(page, original + p * 4096, 4096);
				pe_relocate_page(&x, p, 0x10000, page, read_original, original);
				free(page);
			}
			free(memory);
			built++;
		}
		free(copy);
	}
	ck_assert_uint_gt(built, 20);
}
END_TEST

/* ---- exports ---- */

#define EXPORTS 40u

static void make_exports(void)
{
	u32 functions = 0x1100, names = 0x1300, ordinals = 0x1500, text = 0x1600;
	u32 d[10] = {0, 0, 0, 0, 1, EXPORTS, EXPORTS, functions, names, ordinals};

	memset(&image, 0, sizeof(image));
	memset(original, 0, sizeof(original));
	image.size_of_image = IMAGE_BYTES;
	image.directory[PE_DIR_EXPORT] = (struct pe_directory){0x1000, 0x1000};
	memcpy(original + 0x1000, d, sizeof(d));
	for (u32 i = 0; i < EXPORTS; i++) {
		u32 rva = i == 7 ? 0x1800 /* a forwarder */ : 0x3000 + 16 * i;
		u16 ordinal = (u16)(EXPORTS - 1 - i);

		memcpy(original + functions + 4 * (EXPORTS - 1 - i), &rva, 4);
		memcpy(original + names + 4 * i, &text, 4);
		memcpy(original + ordinals + 2 * i, &ordinal, 2);
		text += 1 + (u32)sprintf((char *)original + text, "Function%02u%s", i,
					 i % 3 ? "" : "WithAnotherLongerTailOfItsName");
	}
}

START_TEST(finds_exports)
{
	char name[64];
	u32 rva;

	make_exports();
	for (u32 i = 0; i < EXPORTS; i++) {
		NTSTATUS want = i == 7 ? STATUS_ENTRYPOINT_NOT_FOUND : STATUS_SUCCESS;

		sprintf(name, "Function%02u%s", i, i % 3 ? "" : "WithAnotherLongerTailOfItsName");
		ck_assert_int_eq(pe_find_export(&image, read_original, original, name, &rva), want);
		if (want == STATUS_SUCCESS)
			ck_assert_uint_eq(rva, 0x3000 + 16 * i);
		strcat(name, "X");
		ck_assert_int_eq(pe_find_export(&image, read_original, original, name, &rva),
				 STATUS_ENTRYPOINT_NOT_FOUND);
	}
	ck_assert_int_eq(pe_find_export(&image, read_original, original, "", &rva),
			 STATUS_ENTRYPOINT_NOT_FOUND);
	ck_assert_int_eq(pe_find_export(&image, read_fails, original, "A", &rva),
			 STATUS_IN_PAGE_ERROR);
	image.directory[PE_DIR_EXPORT].bytes = 0;
	ck_assert_int_eq(pe_find_export(&image, read_original, original, "Function01", &rva),
			 STATUS_ENTRYPOINT_NOT_FOUND);
}
END_TEST

START_TEST(random_exports)
{
	u32 rva;

	seed = 4711;
	for (u32 round = 0; round < 4000; round++) {
		u32 changes = 1 + rnd(3);

		make_exports();
		while (changes--)
			original[0x1000 + rnd(rnd(2) ? 40 : 0x600)] = (u8)rnd(256);
		if (pe_find_export(&image, read_original, original,
				   "Function21WithAnotherLonger"
				   "TailOfItsName",
				   &rva) == STATUS_SUCCESS)
			ck_assert_uint_lt(rva, IMAGE_BYTES);
	}
}
END_TEST

/* ---- Control Flow Guard ---- */

#define CONFIG_AT 0x1600u /* .data in the file, 0x3000 in the image */
#define TABLE_RVA 0x3100u
#define TABLE_AT  0x1700u

static NTSTATUS read_file(void *context, u32 rva, void *buffer, u32 n)
{
	(void)context;
	if (rva < 0x3000 || rva + n > 0x3200)
		return STATUS_END_OF_FILE;
	memcpy(buffer, file + CONFIG_AT + (rva - 0x3000), n);
	return STATUS_SUCCESS;
}

static void build_guard(void)
{
	build();
	put(OPT_AT + 70, 0x4160, 2);
	put(DIR_AT + PE_DIR_CONFIG * 8, 0x3000, 4);
	put(DIR_AT + PE_DIR_CONFIG * 8 + 4, 0x94, 4);
	put(CONFIG_AT, 0x138, 4);
	put(CONFIG_AT + 0x80, 0x140000000 + TABLE_RVA, 8);
	put(CONFIG_AT + 0x88, 3, 8);
	put(CONFIG_AT + 0x90, 0x10000500, 4);
	put(TABLE_AT, 0x1010, 4);
	put(TABLE_AT + 5, 0x1020, 4);
	put(TABLE_AT + 9, 1, 1); /* suppressed */
	put(TABLE_AT + 10, 0x123456, 4);
}

static u32 guard_count(void)
{
	struct pe_guard g;

	ck_assert_int_eq(parse_bytes(FILE_BYTES), STATUS_SUCCESS);
	ck_assert_int_eq(pe_find_guard(&image, read_file, NULL, &g), STATUS_SUCCESS);
	ck_assert(!g.table_rva == !g.count);
	return g.count;
}

START_TEST(guard_table)
{
	struct pe_guard g;

	build_guard();
	ck_assert_uint_eq(guard_count(), 3);
	pe_find_guard(&image, read_file, NULL, &g);
	ck_assert_uint_eq(g.table_rva, TABLE_RVA);
	ck_assert_uint_eq(g.stride, 5);
	ck_assert_uint_eq(pe_guard_target(&g, file + TABLE_AT, &image), 0x1010);
	ck_assert_uint_eq(pe_guard_target(&g, file + TABLE_AT + 5, &image), 0);
	ck_assert_uint_eq(pe_guard_target(&g, file + TABLE_AT + 10, &image), 0);
}
END_TEST

/* What makes no sense, or is not there: as an image built without. */
START_TEST(guard_nonsense)
{
	static const struct {
		u32 at, bytes;
		u64 value;
	} rows[] = {
	    {OPT_AT + 70, 2, 0x160},
	    {DIR_AT + PE_DIR_CONFIG * 8, 4, 0},
	    {DIR_AT + PE_DIR_CONFIG * 8, 4, 0x5ff0},
	    {DIR_AT + PE_DIR_CONFIG * 8, 4, 0xfffffff0},
	    {CONFIG_AT, 4, 0x70},
	    {CONFIG_AT + 0x80, 8, 0},
	    {CONFIG_AT + 0x80, 8, 0x140000000},
	    {CONFIG_AT + 0x80, 8, 0x140005ffc},
	    {CONFIG_AT + 0x80, 8, 0x140006000},
	    {CONFIG_AT + 0x80, 8, ~0ull},
	    {CONFIG_AT + 0x88, 8, 0},
	    {CONFIG_AT + 0x88, 8, ~0ull},
	    {CONFIG_AT + 0x88, 8, 0x4000000000000001},
	    {CONFIG_AT + 0x88, 8, 0x1800},
	    {CONFIG_AT + 0x90, 4, 0x100},
	    {CONFIG_AT + 0x90, 4, 0x400},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		build_guard();
		put(rows[i].at, rows[i].value, rows[i].bytes);
		ck_assert_uint_eq(guard_count(), 0);
	}
}
END_TEST

Suite *pe_suite(void)
{
	Suite *s = suite_create("pe");
	TCase *t = tcase_create("pe");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, sound);
	tcase_add_test(t, protections);
	tcase_add_loop_test(t, one_field_wrong, 0, (int)ARRAY_SIZE(damage));
	tcase_add_test(t, other_layouts);
	tcase_add_test(t, cut_short);
	tcase_add_test(t, asks_for_headers);
	tcase_add_loop_test(t, random_headers, 0, 3);
	tcase_add_loop_test(t, relocates_by_page, 0, 2);
	tcase_add_test(t, reloc_refusals);
	tcase_add_loop_test(t, random_relocs, 0, 2);
	tcase_add_test(t, guard_table);
	tcase_add_test(t, guard_nonsense);
	tcase_add_test(t, finds_exports);
	tcase_add_test(t, random_exports);
	suite_add_tcase(s, t);
	return s;
}
