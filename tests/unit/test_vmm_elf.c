/*
 * Kernel images: one that is right, one row for each thing that can be wrong, and random damage.
 * The file lies in a block of exactly its size, so that the sanitizer sees a read beyond it.
 */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/elf.h"

Suite *vmm_elf_suite(void);

/* The parser's only tie to the rest. */
int vm_fail(struct vm_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

#define VIRT 0xfffff80000000000ull
#define MB   (1ull << 20)

struct kernel_file {
	Elf64_Ehdr eh;
	Elf64_Phdr ph[4]; /* text, rodata, data, note */
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint32_t desc;
	} note;
	Elf64_Shdr sh[3];
	Elf64_Sym sym[4];
	char strings[32];
	char text[256];
};

#define RODATA (2 * MB + MB / 2)

static struct kernel_file good;
static struct elf_image image;
static struct vm_error err;

#define AT(field) offsetof(struct kernel_file, field)

static void setup(void)
{
	memset(&good, 0, sizeof(good));
	memcpy(good.eh.e_ident, ELFMAG, SELFMAG);
	good.eh.e_ident[EI_CLASS] = ELFCLASS64;
	good.eh.e_ident[EI_DATA] = ELFDATA2LSB;
	good.eh.e_type = ET_EXEC;
	good.eh.e_machine = EM_X86_64;
	good.eh.e_phoff = AT(ph);
	good.eh.e_phentsize = sizeof(Elf64_Phdr);
	good.eh.e_phnum = 4;
	good.eh.e_shoff = AT(sh);
	good.eh.e_shentsize = sizeof(Elf64_Shdr);
	good.eh.e_shnum = 3;
	good.ph[0] =
	    (Elf64_Phdr){PT_LOAD, PF_R | PF_X, AT(text), VIRT + 2 * MB, 2 * MB, 256, 4096, 4096};
	good.ph[1] = (Elf64_Phdr){PT_LOAD, PF_R, AT(text), VIRT + RODATA, RODATA, 16, 16, 4096};
	good.ph[2] =
	    (Elf64_Phdr){PT_LOAD, PF_R | PF_W, AT(text), VIRT + 4 * MB, 4 * MB, 64, 3 * MB, 4096};
	good.ph[3] = (Elf64_Phdr){PT_NOTE, PF_R, AT(note), 0, 0, sizeof(good.note), 0, 4};
	good.note.head = (Elf64_Nhdr){4, 4, 18};
	memcpy(good.note.name, "Xen", 4);
	good.note.desc = 2 * MB + 16;
	good.sh[1] = (Elf64_Shdr){
	    .sh_type = SHT_SYMTAB, .sh_link = 2, .sh_offset = AT(sym), .sh_size = sizeof(good.sym)};
	good.sh[2] = (Elf64_Shdr){
	    .sh_type = SHT_STRTAB, .sh_offset = AT(strings), .sh_size = sizeof(good.strings)};
	memcpy(good.strings, "\0start\0main", 12);
	good.sym[1] = (Elf64_Sym){.st_name = 1,
				  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				  .st_shndx = 1,
				  .st_value = VIRT + 2 * MB,
				  .st_size = 32};
	good.sym[2] = (Elf64_Sym){.st_name = 7,
				  .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
				  .st_shndx = 1,
				  .st_value = VIRT + 2 * MB + 64};
}

static int parse(const struct kernel_file *f, size_t size)
{
	void *copy = malloc(size ? size : 1);
	const char *name;
	uint64_t offset;
	int r;

	memcpy(copy, f, size);
	r = elf_parse(copy, size, "k.elf", &image, &err);
	if (r == 0) { /* what a boot and a crash report do with it */
		for (unsigned i = 0; i < image.nloads; i++) {
			volatile uint8_t sum = 0;

			for (uint64_t k = 0; k < image.load[i].filesz; k++)
				sum ^= image.data[image.load[i].offset + k];
		}
		for (uint64_t va = VIRT + 2 * MB; va < VIRT + 2 * MB + 128; va += 8)
			elf_symbol(&image, va, &name, &offset);
	}
	free(copy);
	return r;
}

START_TEST(a_good_kernel)
{
	ck_assert_int_eq(parse(&good, sizeof(good)), 0);
	ck_assert_uint_eq(image.entry, 2 * MB + 16);
	ck_assert_uint_eq(image.nloads, 3);
	ck_assert_uint_eq(image.end, 7 * MB);
	ck_assert_uint_eq(image.nro, 1); /* up to where protected data lies */
	ck_assert_uint_eq(image.ro[0].start, 2 * MB);
	ck_assert_uint_eq(image.ro[0].end, NTMM_KDP_GPA);
}
END_TEST

START_TEST(symbols)
{
	const char *name;
	uint64_t offset;

	ck_assert_int_eq(elf_parse(&good, sizeof(good), "k", &image, &err), 0);
	ck_assert(elf_symbol(&image, VIRT + 2 * MB + 5, &name, &offset));
	ck_assert_str_eq(name, "start");
	ck_assert_uint_eq(offset, 5);
	ck_assert(!elf_symbol(&image, VIRT + 2 * MB + 40, &name, &offset)); /* behind its size */
	ck_assert(elf_symbol(&image, VIRT + 2 * MB + 100, &name, &offset));
	ck_assert_str_eq(name, "main");
	ck_assert(!elf_symbol(&image, VIRT + 100 * MB, &name, &offset)); /* beyond the image */
	ck_assert(!elf_symbol(&image, 0, &name, &offset));
	good.strings[31] = 'x'; /* a string table without an end is not used */
	ck_assert_int_eq(elf_parse(&good, sizeof(good), "k", &image, &err), 0);
	ck_assert(!elf_symbol(&image, VIRT + 2 * MB + 5, &name, &offset));
}
END_TEST

static void no_magic(void)
{
	good.eh.e_ident[0] = 0;
}
static void class32(void)
{
	good.eh.e_ident[EI_CLASS] = ELFCLASS32;
}
static void machine(void)
{
	good.eh.e_machine = EM_AARCH64;
}
static void object(void)
{
	good.eh.e_type = ET_REL;
}
static void headers_outside(void)
{
	good.eh.e_phoff = UINT64_MAX - 8;
}
static void headers_size(void)
{
	good.eh.e_phentsize = 1;
}
static void no_headers(void)
{
	good.eh.e_phnum = 0;
}
static void no_load(void)
{
	good.ph[0].p_type = good.ph[1].p_type = good.ph[2].p_type = PT_NULL;
}
static void no_note(void)
{
	good.ph[3].p_type = PT_NULL;
}
static void other_note(void)
{
	good.note.head.n_type = 17;
}
static void note_overflow(void)
{
	good.note.head.n_namesz = UINT32_MAX;
}
static void file_larger(void)
{
	good.ph[0].p_filesz = 8192;
}
static void beyond_file(void)
{
	good.ph[0].p_offset = sizeof(good) - 8;
}
static void offset_wraps(void)
{
	good.ph[0].p_offset = UINT64_MAX - 4;
}
static void too_high(void)
{
	good.ph[2].p_paddr = 1ull << 31;
}
static void size_wraps(void)
{
	good.ph[2].p_memsz = UINT64_MAX;
}
static void too_low(void)
{
	good.ph[0].p_paddr = 4096;
}
static void overlap(void)
{
	good.ph[1].p_paddr = 2 * MB + 2048;
}
static void shared(void)
{
	good.ph[2].p_paddr = 3 * MB + 4096;
}
static void entry_outside(void)
{
	good.note.desc = 64 * MB;
}

static const struct {
	void (*damage)(void);
	const char *text;
} rows[] = {
    {no_magic, "not an ELF file"},
    {class32, "not an x86-64"},
    {machine, "not an x86-64"},
    {object, "not an executable"},
    {headers_outside, "program headers"},
    {headers_size, "program headers"},
    {no_headers, "program headers"},
    {no_load, "nothing to load"},
    {no_note, "no PVH"},
    {other_note, "no PVH"},
    {note_overflow, "no PVH"},
    {file_larger, "larger in the file"},
    {beyond_file, "beyond the end"},
    {offset_wraps, "beyond the end"},
    {too_high, "above 1 GB"},
    {size_wraps, "above 1 GB"},
    {too_low, "below 1 MB"},
    {overlap, "overlap"},
    {shared, "shares 2 MB"},
    {entry_outside, "outside its segments"},
};

START_TEST(a_damaged_kernel_is_named)
{
	rows[_i].damage();
	ck_assert_int_eq(parse(&good, sizeof(good)), -ENOEXEC);
	ck_assert_msg(strstr(err.text, rows[_i].text), "%s", err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "k.elf"));
	ck_assert_ptr_null(strchr(err.text, '\n'));
}
END_TEST

START_TEST(every_cut_is_survived)
{
	for (size_t n = 0; n < sizeof(good); n++)
		parse(&good, n);
}
END_TEST

START_TEST(random_damage_is_survived)
{
	unsigned accepted = 0;

	srandom((unsigned)_i + 1);
	for (unsigned round = 0; round < 8000; round++) {
		struct kernel_file f = good;

		for (long n = 1 + random() % 4; n > 0; n--) {
			size_t at = (size_t)random() % AT(text);
			static const uint8_t edges[] = {0, 1, 0x7f, 0x80, 0xff};

			((uint8_t *)&f)[at] =
			    random() & 1 ? (uint8_t)random() : edges[random() % 5];
		}
		accepted += parse(&f, sizeof(f)) == 0;
	}
	ck_assert_uint_gt(accepted, 100);
	ck_assert_uint_lt(accepted, 8000);
}
END_TEST

Suite *vmm_elf_suite(void)
{
	Suite *s = suite_create("vmm_elf");
	TCase *t = tcase_create("elf");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_good_kernel);
	tcase_add_test(t, symbols);
	tcase_add_loop_test(t, a_damaged_kernel_is_named, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_test(t, every_cut_is_survived);
	tcase_add_loop_test(t, random_damage_is_survived, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
