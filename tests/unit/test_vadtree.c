/*
 * vadtree against a model: an array that says for each page which node holds it. Seeded random
 * inserts, removes, resizes and searches; after each the tree proves its own invariants.
 */
#include "guest/mm/vadtree.h"

#include <check.h>
#include <stdlib.h>

#define PAGES 2048u
#define NODES 400u
#define STEPS 12000u

Suite *vadtree_suite(void);

static u64 seed;
static u32 rnd(u32 below)
{
	seed = seed * 6364136223846793005ull + 1442695040888963407ull;
	return (u32)(seed >> 33) % below;
}

static struct vad_node nodes[NODES];
static bool in_tree[NODES];
static struct vad_node *owner[PAGES];
static struct vad_tree tree;

static void own(struct vad_node *n, struct vad_node *value)
{
	for (u64 p = n->start; p <= n->end; p++)
		owner[p] = value;
}

static void reset(u64 s)
{
	seed = s;
	vad_tree_init(&tree);
	for (u32 i = 0; i < NODES; i++)
		in_tree[i] = false;
	for (u32 i = 0; i < PAGES; i++)
		owner[i] = NULL;
}

static struct vad_node *model_overlap(u64 start, u64 end)
{
	for (u64 p = start; p <= end && p < PAGES; p++)
		if (owner[p])
			return owner[p];
	return NULL;
}

static u64 model_gap(u64 lo, u64 hi, u64 pages, u64 align, bool top_down)
{
	u64 found = VAD_NO_GAP;

	for (u64 at = ALIGN_UP(lo, align); at + pages - 1 <= hi; at += align) {
		if (model_overlap(at, at + pages - 1))
			continue;
		found = at;
		if (!top_down)
			break;
	}
	return found;
}

static void step_insert(u32 i)
{
	struct vad_node *n = &nodes[i];
	bool fits;

	n->start = rnd(PAGES);
	n->end = n->start + rnd(20);
	n->end = MIN(n->end, PAGES - 1);
	fits = !model_overlap(n->start, n->end);
	ck_assert_int_eq(vad_insert(&tree, n), fits);
	if (fits)
		own(n, n);
	in_tree[i] = fits;
}

static void step_resize(u32 i)
{
	struct vad_node *n = &nodes[i], old = *n;
	u64 start = n->start + rnd(8) - 4, end = n->end + rnd(12) - 6;
	bool fits;

	if (start >= PAGES || end >= PAGES)
		return;
	own(n, NULL);
	/* Growing over a whole neighbour is no resize either. */
	fits = start <= end && !model_overlap(MIN(start, old.start), MAX(end, old.end));
	ck_assert_int_eq(vad_resize(&tree, n, start, end), fits);
	own(n, n);
}

static void step_queries(void)
{
	static const u64 aligns[] = {1, 1, 2, 4, 16, 16, 64};
	u64 vpn = rnd(PAGES), end = vpn + rnd(30);
	u64 lo = rnd(PAGES), hi = lo + rnd(PAGES - (u32)lo), pages = 1 + rnd(40);
	u64 align = aligns[rnd(ARRAY_SIZE(aligns))];
	bool top = rnd(2);

	end = MIN(end, PAGES - 1);
	ck_assert_ptr_eq(vad_find(&tree, vpn), owner[vpn]);
	ck_assert_ptr_eq(vad_find(&tree, vpn), owner[vpn]);
	ck_assert_ptr_eq(vad_find_overlap(&tree, vpn, end), model_overlap(vpn, end));
	ck_assert_uint_eq(vad_find_gap(&tree, lo, hi, pages, align, top),
			  model_gap(lo, hi, pages, align, top));
}

static void check_walk(void)
{
	struct vad_node *n, *prev = NULL;
	u64 count = 0;

	for (n = vad_first(&tree); n; prev = n, n = vad_next(n), count++) {
		ck_assert_ptr_eq(vad_prev(n), prev);
		if (prev)
			ck_assert_uint_lt(prev->end, n->start);
	}
	ck_assert_ptr_eq(prev, vad_last(&tree));
	ck_assert_uint_eq(count, tree.count);
}

START_TEST(random_against_model)
{
	reset((u64)_i * 7919 + 1);
	for (u32 step = 0; step < STEPS; step++) {
		u32 i = rnd(NODES);

		if (!in_tree[i]) {
			step_insert(i);
		} else if (rnd(3) == 0) {
			step_resize(i);
		} else if (rnd(2)) {
			own(&nodes[i], NULL);
			vad_remove(&tree, &nodes[i]);
			in_tree[i] = false;
		}
		step_queries();
		if (step % 4 == 0)
			ck_assert(vad_check(&tree));
		if (step % 512 == 0)
			check_walk();
	}
	for (u32 i = 0; i < NODES; i++) {
		if (in_tree[i])
			vad_remove(&tree, &nodes[i]);
		ck_assert(vad_check(&tree));
	}
	ck_assert_uint_eq(tree.count, 0);
	ck_assert_ptr_null(tree.root);
}
END_TEST

START_TEST(ascending_stays_balanced)
{
	struct vad_node *many = calloc(10000, sizeof(*many));

	ck_assert_ptr_nonnull(many);
	vad_tree_init(&tree);
	for (u32 i = 0; i < 10000; i++) {
		/* 3 pages on every 64 KB: no gap is of use to a 64 KB request but the last */
		many[i].start = 16 + 16ull * i;
		many[i].end = many[i].start + 2;
		ck_assert(vad_insert(&tree, &many[i]));
	}
	ck_assert(vad_check(&tree));
	ck_assert_uint_le(tree.root->height, 20);
	ck_assert_uint_eq(vad_find_gap(&tree, 16, 1ull << 35, 1, 16, false), 16 + 16 * 10000);
	ck_assert_uint_eq(vad_find_gap(&tree, 16, 1ull << 35, 1, 1, false), 19);
	ck_assert_uint_eq(vad_find_gap(&tree, 16, 16 + 16 * 10000 - 1, 14, 1, true), VAD_NO_GAP);
	ck_assert_uint_eq(vad_find_gap(&tree, 16, 16 + 16 * 10000 - 1, 13, 1, true),
			  16 + 16 * 9999 + 3);
	free(many);
}
END_TEST

START_TEST(limits)
{
	struct vad_node a = {.start = 5, .end = 5}, bad = {.start = 9, .end = 8};

	vad_tree_init(&tree);
	ck_assert_ptr_null(vad_find(&tree, 0));
	ck_assert_ptr_null(vad_first(&tree));
	ck_assert_ptr_null(vad_last(&tree));
	ck_assert_ptr_null(vad_find_overlap(&tree, 0, ~0ull));
	ck_assert_uint_eq(vad_find_gap(&tree, 3, 9, 7, 1, false), 3);
	ck_assert_uint_eq(vad_find_gap(&tree, 3, 9, 8, 1, false), VAD_NO_GAP);
	ck_assert_uint_eq(vad_find_gap(&tree, 3, 9, 0, 1, false), VAD_NO_GAP);
	ck_assert_uint_eq(vad_find_gap(&tree, 9, 3, 1, 1, false), VAD_NO_GAP);
	ck_assert_uint_eq(vad_find_gap(&tree, 1, (1ull << 35) - 1, 1, 16, true), (1ull << 35) - 16);
	ck_assert(!vad_insert(&tree, &bad));
	ck_assert(vad_insert(&tree, &a));
	ck_assert_ptr_eq(vad_find(&tree, 5), &a);
	ck_assert_ptr_null(vad_find(&tree, 4));
	ck_assert_ptr_null(vad_find(&tree, 6));
	ck_assert(!vad_resize(&tree, &a, 6, 5));
	ck_assert(vad_resize(&tree, &a, 0, 9));
	ck_assert_uint_eq(vad_find_gap(&tree, 0, 20, 11, 1, false), 10);
	vad_remove(&tree, &a);
	ck_assert_ptr_null(vad_find(&tree, 5)); /* not through a stale hint */
}
END_TEST

Suite *vadtree_suite(void)
{
	Suite *s = suite_create("vadtree");
	TCase *t = tcase_create("vadtree");

	tcase_set_timeout(t, 60);
	tcase_add_loop_test(t, random_against_model, 0, 4);
	tcase_add_test(t, ascending_stays_balanced);
	tcase_add_test(t, limits);
	suite_add_tcase(s, t);
	return s;
}
