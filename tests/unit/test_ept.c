/*
 * The map of arenas: its rows by hand, then random carving against a model that says for each page
 * what it is.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>

#include "ept/ept.h"
#include "guest/abi/machine.h"

Suite *ept_suite(void);

#define MB	    (1ull << 20)
#define MODEL_PAGES 512u

START_TEST(layout_leaves_the_hole_free)
{
	struct ept_map m;

	ck_assert_int_eq(ept_layout_ram(&m, 4096 * MB), 0);
	ck_assert_uint_eq(m.count, 2);
	ck_assert_uint_eq(m.arena[0].gpa.end, NTMM_PCI_HOLE_START);
	ck_assert_uint_eq(m.arena[1].gpa.start, NTMM_HIGH_RAM);
	ck_assert_uint_eq(m.arena[1].gpa.end, NTMM_HIGH_RAM + 1024 * MB);
	ck_assert_uint_eq(m.arena[1].offset, NTMM_PCI_HOLE_START);
	ck_assert_ptr_null(ept_find(&m, NTMM_PCI_HOLE_START));
	ck_assert_int_eq(ept_translate(&m, NTMM_HIGH_RAM, 4096, EPT_R), NTMM_PCI_HOLE_START);
	/* Two arenas that touch in the backing do not touch for the guest. */
	ck_assert_int_eq(ept_translate(&m, NTMM_PCI_HOLE_START - 4096, 8192, EPT_R), -EFAULT);
	ck_assert(ept_check(&m));
}
END_TEST

START_TEST(layout_refuses_bad_sizes)
{
	static const uint64_t sizes[] = {0, 1, 4095, 64 * MB + 1, UINT64_MAX, 1ull << 63};
	struct ept_map m;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		ck_assert_int_eq(ept_layout_ram(&m, sizes[i]), -EINVAL);
}
END_TEST

START_TEST(carve_checks_its_range)
{
	static const struct {
		struct gpa_range range;
		enum ept_kind kind;
		enum ept_rights rights;
		int result;
	} rows[] = {
	    {{2 * MB, 4 * MB}, EPT_KERNEL_TEXT, EPT_RX, 0},
	    {{2 * MB, 4 * MB}, EPT_KDP, EPT_R, -EFAULT}, /* not ordinary any more */
	    {{1 * MB, 3 * MB}, EPT_KDP, EPT_R, -EFAULT}, /* reaches into it */
	    {{8 * MB, 8 * MB}, EPT_KDP, EPT_R, -EINVAL}, /* empty */
	    {{9 * MB, 8 * MB}, EPT_KDP, EPT_R, -EINVAL},
	    {{8 * MB + 1, 9 * MB}, EPT_KDP, EPT_R, -EINVAL}, /* unaligned */
	    {{15 * MB, 17 * MB}, EPT_KDP, EPT_R, -EFAULT},   /* beyond RAM */
	    {{100 * MB, 101 * MB}, EPT_KDP, EPT_R, -EFAULT},
	    {{8 * MB, 9 * MB}, EPT_KINDS, EPT_R, -EINVAL}, /* no such kind */
	    {{8 * MB, 9 * MB}, EPT_SECURE, 0, 0},
	    {{0, 4096}, EPT_KDP, EPT_R, 0},
	    {{16 * MB - 4096, 16 * MB}, EPT_KDP, EPT_R, 0},
	};
	struct ept_map m;

	ck_assert_int_eq(ept_layout_ram(&m, 16 * MB), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ck_assert_int_eq(ept_carve(&m, rows[i].range, rows[i].kind, rows[i].rights, 0),
				 rows[i].result);
		ck_assert(ept_check(&m));
	}
	ck_assert_int_eq(ept_translate(&m, 2 * MB, 4096, EPT_W), -EFAULT);
	ck_assert_int_eq(ept_translate(&m, 2 * MB, 4096, EPT_R), 2 * MB);
	ck_assert_int_eq(ept_translate(&m, 2 * MB - 8, 16, EPT_R), 2 * MB - 8);
	ck_assert_int_eq(ept_translate(&m, 2 * MB - 8, 16, EPT_W), -EFAULT);
	ck_assert_int_eq(ept_translate(&m, 8 * MB, 1, EPT_R), -EFAULT);
	ck_assert_int_eq(ept_translate(&m, 16 * MB - 1, 2, EPT_R), -EFAULT);
	ck_assert_int_eq(ept_translate(&m, 4 * MB, UINT64_MAX, EPT_R), -EFAULT);
	ck_assert_int_eq(ept_translate(&m, UINT64_MAX, 1, EPT_R), -EFAULT);
}
END_TEST

START_TEST(slots_express_rights)
{
	static const struct {
		enum ept_kind kind;
		enum ept_rights rights;
		enum ept_slot slot;
		bool protected_;
	} rows[] = {
	    {EPT_RAM, EPT_RWX, EPT_SLOT_RW, false},
	    {EPT_KERNEL_TEXT, EPT_RX, EPT_SLOT_READONLY, true},
	    {EPT_KDP, EPT_R, EPT_SLOT_READONLY, true},
	    {EPT_SECURE, 0, EPT_SLOT_ABSENT, true},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct ept_arena a = {.kind = rows[i].kind, .rights = rows[i].rights};

		ck_assert_int_eq(ept_slot_for(&a), rows[i].slot);
		ck_assert_int_eq(ept_is_protected(&a), rows[i].protected_);
	}
}
END_TEST

START_TEST(random_carving_agrees_with_a_model)
{
	static const struct {
		enum ept_kind kind;
		enum ept_rights rights;
	} kinds[] = {{EPT_KERNEL_TEXT, EPT_RX}, {EPT_KDP, EPT_R}, {EPT_SECURE, 0}};
	enum ept_rights model[MODEL_PAGES];
	bool carved[MODEL_PAGES] = {false};
	struct ept_map m;

	srandom((unsigned)_i + 1);
	ck_assert_int_eq(ept_layout_ram(&m, MODEL_PAGES * 4096), 0);
	for (unsigned i = 0; i < MODEL_PAGES; i++)
		model[i] = EPT_RWX;
	for (unsigned step = 0; step < 200; step++) {
		unsigned a = (unsigned)random() % MODEL_PAGES, n = 1 + (unsigned)random() % 8;
		unsigned k = (unsigned)random() % 3;
		bool free_range = a + n <= MODEL_PAGES;
		int r;

		for (unsigned i = a; free_range && i < a + n; i++)
			free_range = !carved[i];
		r = ept_carve(&m, (struct gpa_range){a * 4096ull, (a + n) * 4096ull}, kinds[k].kind,
			      kinds[k].rights, 0);
		ck_assert(ept_check(&m));
		if (!free_range) {
			ck_assert_int_eq(r, -EFAULT);
			continue;
		}
		if (r == -ENOSPC) {
			ck_assert_uint_ge(m.count, EPT_MAX_ARENAS - 2);
			break;
		}
		ck_assert_int_eq(r, 0);
		for (unsigned i = a; i < a + n; i++) {
			carved[i] = true;
			model[i] = kinds[k].rights;
		}
		for (unsigned i = 0; i < 50; i++) {
			uint64_t gpa = (uint64_t)random() % (MODEL_PAGES * 4096ull);
			uint64_t len = (uint64_t)random() % 20000;
			enum ept_rights need = (enum ept_rights)(1 + random() % 7);
			bool ok = gpa + len <= MODEL_PAGES * 4096ull;

			for (uint64_t p = gpa / 4096; ok && p <= (len ? gpa + len - 1 : gpa) / 4096;
			     p++)
				ok = (model[p] & need) == need;
			ck_assert_int_eq(ept_translate(&m, gpa, len, need),
					 ok ? (int64_t)gpa : -EFAULT);
		}
	}
}
END_TEST

Suite *ept_suite(void)
{
	Suite *s = suite_create("ept");
	TCase *t = tcase_create("map");

	tcase_add_test(t, layout_leaves_the_hole_free);
	tcase_add_test(t, layout_refuses_bad_sizes);
	tcase_add_test(t, carve_checks_its_range);
	tcase_add_test(t, slots_express_rights);
	tcase_add_loop_test(t, random_carving_agrees_with_a_model, 0, 20);
	suite_add_tcase(s, t);
	return s;
}
