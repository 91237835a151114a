/*
 * Xpress, plain LZ77: the two examples of [MS-XCA] 3.1, round trips of pages of many kinds, and
 * streams that nobody has written.
 */
#include "guest/rtl/xpress.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

Suite *xpress_suite(void);

static struct xpress_work work;
static u64 seed;
static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % below;
}

/* Buffers of exactly the size that is named, so that ASan sees each byte beside them. */
static u32 compress(const u8 *in, u32 n, u8 **out, u32 room)
{
	*out = malloc(room);
	return xpress_compress(in, n, *out, room, &work);
}

static void round_trip(const u8 *data, u32 n)
{
	u8 *packed, *in = malloc(n), *again = malloc(n);
	u32 got;

	memcpy(in, data, n);
	got = compress(in, n, &packed, n + n / 8 + 64);
	ck_assert_uint_ne(got, 0);
	u8 *exact = malloc(got);
	memcpy(exact, packed, got);
	ck_assert_uint_eq(xpress_decompress(exact, got, again, n), n);
	ck_assert_mem_eq(in, again, n);
	if (n) /* never more than there is room for */
		ck_assert_uint_eq(xpress_decompress(exact, got, again, n - 1), XPRESS_BAD);
	free(packed), free(in), free(again), free(exact);
}

START_TEST(documented_examples)
{
	static const u8 alphabet[] = {0x3f, 0,	 0,   0,   'a', 'b', 'c', 'd', 'e', 'f',
				      'g',  'h', 'i', 'j', 'k', 'l', 'm', 'n', 'o', 'p',
				      'q',  'r', 's', 't', 'u', 'v', 'w', 'x', 'y', 'z'};
	static const u8 hundred[] = {0xff, 0xff, 0xff, 0x1f, 'a',  'b', 'c',
				     0x17, 0x00, 0x0f, 0xff, 0x26, 0x01};
	u8 abc[300], out[400], *packed;

	ck_assert_uint_eq(compress((const u8 *)"abcdefghijklmnopqrstuvwxyz", 26, &packed, 100),
			  sizeof(alphabet));
	ck_assert_mem_eq(packed, alphabet, sizeof(alphabet));
	free(packed);
	for (u32 i = 0; i < 300; i++)
		abc[i] = "abc"[i % 3];
	ck_assert_uint_eq(compress(abc, 300, &packed, 100), sizeof(hundred));
	ck_assert_mem_eq(packed, hundred, sizeof(hundred));
	free(packed);
	ck_assert_uint_eq(xpress_decompress(hundred, sizeof(hundred), out, sizeof(out)), 300);
	ck_assert_mem_eq(out, abc, 300);
}
END_TEST

START_TEST(lengths_of_every_form)
{
	static u8 run[200000];
	static const u32 lengths[] = {
	    0,	 1,   2,   3,	4,   9,	   10,	  11,	 12,	23,    24,    25,    26,    27,
	    278, 279, 280, 281, 282, 1000, 65535, 65536, 65537, 65538, 65539, 65540, 70000, 200000};

	for (u32 i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		memset(run, 'x', sizeof(run));
		round_trip(run, lengths[i]);
		if (lengths[i] > 100) { /* two long matches share the byte of halves */
			run[lengths[i] / 2] = 'y';
			round_trip(run, lengths[i]);
		}
	}
}
END_TEST

START_TEST(pages)
{
	static u8 page[4096];

	seed = (u64)_i + 1;
	for (u32 round = 0; round < 200; round++) {
		u32 alphabet = 1 + rnd(255), copies = rnd(60);

		for (u32 i = 0; i < sizeof(page); i++)
			page[i] = (u8)rnd(alphabet);
		for (u32 i = 0; i < copies; i++) {
			u32 n = 1 + rnd(400), from = rnd((u32)sizeof(page) - n);

			memmove(page + rnd((u32)sizeof(page) - n), page + from, n);
		}
		round_trip(page, 1 + rnd(sizeof(page)));
	}
}
END_TEST

START_TEST(room_is_kept)
{
	u8 noise[4096], *packed;

	seed = 7;
	for (u32 i = 0; i < sizeof(noise); i++)
		noise[i] = (u8)rnd(256);
	for (u32 room = 4; room < 3000; room += 37) {
		ck_assert_uint_eq(compress(noise, sizeof(noise), &packed, room), 0);
		free(packed);
	}
}
END_TEST

START_TEST(streams_of_nobody)
{
	u8 out[4096];

	seed = (u64)_i + 1;
	for (u32 round = 0; round < 20000; round++) {
		u32 n = rnd(80), got;
		u8 *in = malloc(n ? n : 1);

		for (u32 i = 0; i < n; i++)
			in[i] = (u8)(rnd(3) ? rnd(256) : 0xff);
		got = xpress_decompress(in, n, out, sizeof(out));
		ck_assert(got == XPRESS_BAD || got <= sizeof(out));
		free(in);
	}
	static const u8 no_flags[] = {0xff, 0xff, 0xff}, far[] = {0, 0, 0, 0x40, 'a', 0x08, 0};

	ck_assert_uint_eq(xpress_decompress(no_flags, 3, out, sizeof(out)), XPRESS_BAD);
	ck_assert_uint_eq(xpress_decompress(far, sizeof(far), out, sizeof(out)), XPRESS_BAD);
}
END_TEST

Suite *xpress_suite(void)
{
	Suite *s = suite_create("xpress");
	TCase *t = tcase_create("all");

	tcase_set_timeout(t, 60);
	tcase_add_test(t, documented_examples);
	tcase_add_test(t, lengths_of_every_form);
	tcase_add_loop_test(t, pages, 0, 4);
	tcase_add_test(t, room_is_kept);
	tcase_add_loop_test(t, streams_of_nobody, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
