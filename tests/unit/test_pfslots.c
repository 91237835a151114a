/* pfslots against a model: one byte a slot. Seeded random allocations, frees and growth. */
#include "guest/mm/pfslots.h"

#include <check.h>
#include <string.h>

#define MAX_PAGES 5000u

Suite *pfslots_suite(void);

static u64 seed;
static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % below;
}

static u64 bitmap[SLOTS_WORDS(MAX_PAGES)];
static u8 taken[MAX_PAGES];

static void model_take(const struct pfslots *s, u64 first, u64 got)
{
	ck_assert_uint_gt(first, 0);
	ck_assert_uint_le(first + got, s->pages);
	for (u64 i = first; i < first + got; i++) {
		ck_assert(!taken[i]);
		taken[i] = 1;
	}
}

START_TEST(random_against_model)
{
	struct pfslots s;
	u64 used = 0, got;

	seed = (u64)_i + 1;
	memset(taken, 0, sizeof(taken));
	memset(bitmap, 0x5a, sizeof(bitmap));
	slots_init(&s, bitmap, 100 + rnd(900), MAX_PAGES - rnd(70));
	for (u32 step = 0; step < 20000; step++) {
		u32 what = rnd(step % 4000 < 2000 ? 4 : 6); /* filling phases and draining ones */

		if (what < 2) {
			u64 want = 1 + rnd(64), first = slots_alloc(&s, want, &got);

			ck_assert_uint_le(got, want);
			ck_assert_int_eq(first == 0, got == 0);
			ck_assert_int_eq(got == 0, used == s.pages - 1);
			if (got)
				model_take(&s, first, got);
			used += got;
		} else {
			u64 first = 1 + rnd((u32)s.pages - 1);
			u64 n = 1 + rnd(24), i = 0;
			bool all = true;

			n = MIN(n, s.pages - first);
			for (i = first; i < first + n; i++)
				all = all && taken[i];
			ck_assert_int_eq(slots_free(&s, first, n), all);
			if (all) {
				memset(taken + first, 0, n);
				used -= n;
			}
		}
		if (rnd(3000) == 0)
			slots_grow(&s, s.pages + rnd(800));
		ck_assert_uint_eq(s.used, used);
		ck_assert_uint_eq(slots_available(&s), s.pages - 1 - used);
		if (step % 8 == 0)
			ck_assert(slots_check(&s));
	}
	for (u64 i = 0; i < s.pages; i++)
		ck_assert_int_eq(slots_is_used(&s, i), taken[i]);
}
END_TEST

START_TEST(sequential_runs)
{
	struct pfslots s;
	u64 got;

	slots_init(&s, bitmap, 1000, MAX_PAGES);
	ck_assert_uint_eq(slots_alloc(&s, 64, &got), 1);
	ck_assert_uint_eq(got, 64);
	ck_assert_uint_eq(slots_alloc(&s, 64, &got), 65);
	ck_assert(slots_free(&s, 10, 5));
	ck_assert_uint_eq(slots_alloc(&s, 1, &got), 129); /* on, not back into the hole */
	ck_assert_uint_eq(slots_alloc(&s, 4000, &got), 130);
	ck_assert_uint_eq(got, 870);
	ck_assert_uint_eq(slots_alloc(&s, 64, &got), 10); /* around to the hole */
	ck_assert_uint_eq(got, 5);
	ck_assert_uint_eq(slots_alloc(&s, 1, &got), 0);
	ck_assert_uint_eq(got, 0);
	slots_grow(&s, 1010);
	ck_assert_uint_eq(slots_alloc(&s, 64, &got), 1000);
	ck_assert_uint_eq(got, 10);
	slots_grow(&s, 500); /* never shrinks */
	ck_assert_uint_eq(s.pages, 1010);
	slots_grow(&s, MAX_PAGES + 999);
	ck_assert_uint_eq(s.pages, MAX_PAGES);
	ck_assert(slots_check(&s));
}
END_TEST

/* A long run is preferred over a nearer short one. */
START_TEST(prefers_full_runs)
{
	struct pfslots s;
	u64 got;

	slots_init(&s, bitmap, 1000, 1000);
	ck_assert_uint_eq(slots_alloc(&s, 999, &got), 1);
	ck_assert(slots_free(&s, 100, 3));
	ck_assert(slots_free(&s, 200, 16));
	ck_assert_uint_eq(slots_alloc(&s, 16, &got), 200);
	ck_assert_uint_eq(got, 16);
	ck_assert_uint_eq(slots_alloc(&s, 16, &got), 100);
	ck_assert_uint_eq(got, 3);
}
END_TEST

START_TEST(refuses_bad_frees)
{
	struct pfslots s;
	u64 got;

	slots_init(&s, bitmap, 1000, 1000);
	slots_alloc(&s, 10, &got);
	ck_assert(!slots_free(&s, 0, 1));
	ck_assert(!slots_free(&s, 5, 7));
	ck_assert(!slots_free(&s, 11, 1));
	ck_assert(!slots_free(&s, 1000, 1));
	ck_assert(!slots_free(&s, 999, ~0ull));
	ck_assert_uint_eq(s.used, 10);
	ck_assert(slots_free(&s, 1, 10));
	ck_assert(slots_check(&s));
	slots_init(&s, bitmap, 0, 0);
	ck_assert_uint_eq(slots_alloc(&s, 1, &got), 0);
	ck_assert(slots_check(&s));
	slots_init(&s, bitmap, 1, 64);
	ck_assert_uint_eq(slots_alloc(&s, 1, &got), 0);
	ck_assert(slots_check(&s));
}
END_TEST

Suite *pfslots_suite(void)
{
	Suite *s = suite_create("pfslots");
	TCase *t = tcase_create("pfslots");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_against_model, 0, 3);
	tcase_add_test(t, sequential_runs);
	tcase_add_test(t, prefers_full_runs);
	tcase_add_test(t, refuses_bad_frees);
	suite_add_tcase(s, t);
	return s;
}
