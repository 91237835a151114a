/* Files of kernel modules: a good one, and each way in which one is not. */
#include <check.h>
#include <elf.h>
#include <errno.h>
#include <string.h>

#include "ept/module.h"

Suite *module_suite(void);

static uint8_t file[0x5000];
static struct ntmm_module m;

static Elf64_Ehdr *head(void)
{
	return (Elf64_Ehdr *)(void *)file;
}
static Elf64_Phdr *segment(unsigned i)
{
	return (Elf64_Phdr *)(void *)(file + sizeof(Elf64_Ehdr)) + i;
}

/* Code, constants, data, protected data; the first two of one page, data of two. */
static void setup(void)
{
	static const uint32_t flags[] = {PF_R | PF_X, PF_R, PF_R | PF_W, PF_R | PF_W | NTMM_PF_KDP};
	static const uint64_t va[] = {0, 0x1000, 0x2000, 0x4000};

	memset(file, 0, sizeof(file));
	memcpy(head()->e_ident, ELFMAG, SELFMAG);
	head()->e_ident[EI_CLASS] = ELFCLASS64;
	head()->e_ident[EI_DATA] = ELFDATA2LSB;
	head()->e_machine = EM_X86_64;
	head()->e_type = ET_DYN;
	head()->e_phentsize = sizeof(Elf64_Phdr);
	head()->e_phoff = sizeof(Elf64_Ehdr);
	head()->e_phnum = 4;
	head()->e_entry = 0x10;
	for (unsigned i = 0; i < 4; i++)
		*segment(i) = (Elf64_Phdr){.p_type = PT_LOAD,
					   .p_flags = flags[i],
					   .p_offset = 0x1000 * (i + 1),
					   .p_vaddr = va[i],
					   .p_filesz = 0x100,
					   .p_memsz = i == 2 ? 0x1100 : 0x100};
}

START_TEST(a_module_is_taken_apart)
{
	ck_assert_int_eq(module_parse(file, sizeof(file), &m), 0);
	ck_assert_uint_eq(m.segments, 4);
	ck_assert_uint_eq(m.entry, 0x10);
	ck_assert_uint_eq(m.segment[2].bytes, 0x2000);
	ck_assert_uint_eq(m.segment[2].file_bytes, 0x100);
	ck_assert_uint_eq(m.segment[0].flags, NTMM_SEGMENT_X);
	ck_assert_uint_eq(m.segment[3].flags, NTMM_SEGMENT_W | NTMM_SEGMENT_KDP);
	ck_assert_uint_eq(module_span(&m), 0x5000);
	ck_assert_uint_eq(module_constant(&m), 0x2000);
	segment(3)->p_type = PT_NOTE; /* others do not matter */
	ck_assert_int_eq(module_parse(file, sizeof(file), &m), 0);
	ck_assert_uint_eq(m.segments, 3);
}
END_TEST

static void short_magic(void)
{
	file[0] = 0;
}
static void class32(void)
{
	head()->e_ident[EI_CLASS] = ELFCLASS32;
}
static void big_endian(void)
{
	head()->e_ident[EI_DATA] = ELFDATA2MSB;
}
static void other_machine(void)
{
	head()->e_machine = EM_386;
}
static void not_shared(void)
{
	head()->e_type = ET_EXEC;
}
static void headers_outside(void)
{
	head()->e_phoff = sizeof(file) - 8;
}
static void headers_far_outside(void)
{
	head()->e_phoff = ~0ull - 8;
}
static void entry_outside(void)
{
	head()->e_entry = 0x100;
}
static void no_segments(void)
{
	head()->e_phnum = 0;
}
static void segment_outside(void)
{
	segment(2)->p_filesz = segment(2)->p_memsz = 0x1000 * 3;
	segment(3)->p_vaddr = 0x5000;
}
static void segment_far_outside(void)
{
	segment(3)->p_offset = ~0ull - 0x10;
}
static void more_in_the_file(void)
{
	segment(1)->p_filesz = 0x101;
}
static void a_gap(void)
{
	segment(3)->p_vaddr = 0x5000;
}
static void an_overlap(void)
{
	segment(3)->p_vaddr = 0x3000;
}
static void much_too_large(void)
{
	segment(3)->p_memsz = NTMM_MODULE_MOST;
}
static void empty_segment(void)
{
	segment(3)->p_memsz = segment(3)->p_filesz = 0;
}
static void writable_code(void)
{
	segment(0)->p_flags |= PF_W;
}
static void code_twice(void)
{
	segment(1)->p_flags |= PF_X;
}
static void executable_data(void)
{
	segment(2)->p_flags |= PF_X;
}
static void no_code(void)
{
	segment(0)->p_flags = PF_R;
}
static void constants_after_data(void)
{
	segment(3)->p_flags = PF_R;
}
static void protected_constants(void)
{
	segment(1)->p_flags |= NTMM_PF_KDP;
}
static void too_many(void)
{
	head()->e_phnum = 5;
	*segment(4) = *segment(2);
	segment(4)->p_vaddr = 0x5000;
}

static const struct {
	const char *name;
	void (*spoil)(void);
} bad[] = {{"magic", short_magic},
	   {"class", class32},
	   {"order", big_endian},
	   {"machine", other_machine},
	   {"type", not_shared},
	   {"headers outside", headers_outside},
	   {"headers far outside", headers_far_outside},
	   {"entry", entry_outside},
	   {"no segments", no_segments},
	   {"segment outside", segment_outside},
	   {"segment far outside", segment_far_outside},
	   {"more in the file", more_in_the_file},
	   {"gap", a_gap},
	   {"overlap", an_overlap},
	   {"too large", much_too_large},
	   {"empty segment", empty_segment},
	   {"writable code", writable_code},
	   {"code twice", code_twice},
	   {"executable data", executable_data},
	   {"no code", no_code},
	   {"constants after data", constants_after_data},
	   {"protected constants", protected_constants},
	   {"too many", too_many}};

START_TEST(bad_modules_are_none)
{
	bad[_i].spoil();
	ck_assert_msg(module_parse(file, sizeof(file), &m) == -ENOEXEC, "%s", bad[_i].name);
}
END_TEST

START_TEST(every_length_is_survived)
{
	for (size_t n = 0; n < 0x4100; n += 7)
		ck_assert_int_eq(module_parse(file, n, &m), -ENOEXEC);
}
END_TEST

Suite *module_suite(void)
{
	Suite *s = suite_create("module");
	TCase *t = tcase_create("module");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_module_is_taken_apart);
	tcase_add_loop_test(t, bad_modules_are_none, 0, sizeof(bad) / sizeof(bad[0]));
	tcase_add_test(t, every_length_is_survived);
	suite_add_tcase(s, t);
	return s;
}
