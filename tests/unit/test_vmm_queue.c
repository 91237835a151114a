/*
 * Virtqueues on plain memory: a driver that follows the rules, one row for each rule broken, and
 * random rings. Whatever comes, a buffer that is handed out lies in memory the guest itself may
 * touch that way.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/virtqueue.h"

Suite *vmm_queue_suite(void);

#define RAM_BYTES (256u << 10)
#define RO_START  0x20000u /* a page that the guest may only read */
#define DESC	  0x1000u
#define AVAIL	  0x2000u
#define USED	  0x3000u
#define TABLE	  0x4000u /* an indirect table */
#define BUFFER	  0x8000u
#define SIZE	  8u

static struct guest_ram ram;
static struct virtq q;
static struct virtq_chain chain;

static void start_queue(void)
{
	virtq_reset(&q, &ram, SIZE);
	q.desc_gpa = DESC;
	q.avail_gpa = AVAIL;
	q.used_gpa = USED;
	q.indirect = true;
	ck_assert_int_eq(virtq_enable(&q), 0);
}

static void setup(void)
{
	ram.size = RAM_BYTES;
	ram.base = calloc(1, RAM_BYTES);
	ept_layout_ram(&ram.map, RAM_BYTES);
	ept_carve(&ram.map, (struct gpa_range){RO_START, RO_START + 4096}, EPT_KERNEL_TEXT, EPT_RX,
		  0);
	start_queue();
}

static void teardown(void)
{
	free(ram.base);
}

static struct vring_desc *desc(unsigned i)
{
	return (struct vring_desc *)(ram.base + DESC) + i;
}

static struct vring_avail *avail(void)
{
	return (struct vring_avail *)(ram.base + AVAIL);
}

static struct vring_used *used(void)
{
	return (struct vring_used *)(ram.base + USED);
}

static void offer(uint16_t head)
{
	avail()->ring[avail()->idx % SIZE] = head;
	avail()->idx++;
}

START_TEST(a_chain_goes_round)
{
	*desc(3) = (struct vring_desc){BUFFER, 16, VRING_DESC_F_NEXT, 5};
	*desc(5) = (struct vring_desc){BUFFER + 64, 100, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1};
	*desc(1) = (struct vring_desc){BUFFER + 512, 1, VRING_DESC_F_WRITE, 0};
	for (unsigned round = 0; round < 70000; round++) {
		bool none = virtq_pop(&q, &chain) == 0;

		offer(3);
		if (!none || !virtq_pending(&q) || virtq_pop(&q, &chain) != 1)
			ck_abort_msg("round %u: not exactly one chain", round);
		if (chain.nout != 1 || chain.nin != 2 || chain.out_bytes != 16 ||
		    chain.in_bytes != 101 || chain.iov[2].iov_base != ram.base + BUFFER + 512)
			ck_abort_msg("round %u: the chain is wrong", round);
		virtq_push(&q, chain.head, round);
		if (used()->idx != (uint16_t)(round + 1) || used()->ring[round % SIZE].id != 3 ||
		    used()->ring[round % SIZE].len != round)
			ck_abort_msg("round %u: the used ring is wrong", round);
	}
}
END_TEST

START_TEST(an_indirect_table_is_followed)
{
	struct vring_desc *t = (struct vring_desc *)(ram.base + TABLE);

	t[0] = (struct vring_desc){BUFFER, 16, VRING_DESC_F_NEXT, 2};
	t[2] = (struct vring_desc){RO_START, 4096, 0, 0}; /* reading protected memory is fine */
	*desc(0) = (struct vring_desc){TABLE, 3 * sizeof(*t), VRING_DESC_F_INDIRECT, 0};
	offer(0);
	ck_assert_int_eq(virtq_pop(&q, &chain), 1);
	ck_assert_uint_eq(chain.nout, 2);
	ck_assert_uint_eq(chain.out_bytes, 16 + 4096);
}
END_TEST

/* Each breaks one rule; the queue has to say so and to stop. */
static void bad_index(void)
{
	avail()->idx = SIZE + 1;
}
static void bad_head(void)
{
	offer(SIZE);
}
static void bad_next(void)
{
	*desc(0) = (struct vring_desc){BUFFER, 1, VRING_DESC_F_NEXT, SIZE};
	offer(0);
}
static void bad_loop(void)
{
	*desc(0) = (struct vring_desc){BUFFER, 1, VRING_DESC_F_NEXT, 1};
	*desc(1) = (struct vring_desc){BUFFER, 1, VRING_DESC_F_NEXT, 0};
	offer(0);
}
static void bad_address(void)
{
	*desc(0) = (struct vring_desc){RAM_BYTES - 8, 16, 0, 0};
	offer(0);
}
static void bad_wrap(void)
{
	*desc(0) = (struct vring_desc){UINT64_MAX - 7, 16, 0, 0};
	offer(0);
}
static void bad_length(void)
{
	*desc(0) = (struct vring_desc){BUFFER, UINT32_MAX, 0, 0};
	offer(0);
}
static void bad_order(void)
{
	*desc(0) = (struct vring_desc){BUFFER, 1, VRING_DESC_F_WRITE | VRING_DESC_F_NEXT, 1};
	*desc(1) = (struct vring_desc){BUFFER, 1, 0, 0};
	offer(0);
}
static void bad_readonly(void)
{
	*desc(0) = (struct vring_desc){RO_START - 8, 16, VRING_DESC_F_WRITE, 0};
	offer(0);
}
static void bad_indirect_next(void)
{
	*desc(0) = (struct vring_desc){TABLE, 16, VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT, 1};
	offer(0);
}
static void bad_indirect_length(void)
{
	*desc(0) = (struct vring_desc){TABLE, 17, VRING_DESC_F_INDIRECT, 0};
	offer(0);
}
static void bad_indirect_empty(void)
{
	*desc(0) = (struct vring_desc){TABLE, 0, VRING_DESC_F_INDIRECT, 0};
	offer(0);
}
static void bad_indirect_address(void)
{
	*desc(0) = (struct vring_desc){RAM_BYTES, 16, VRING_DESC_F_INDIRECT, 0};
	offer(0);
}
static void bad_indirect_nested(void)
{
	*(struct vring_desc *)(ram.base + TABLE) =
	    (struct vring_desc){TABLE, 16, VRING_DESC_F_INDIRECT, 0};
	*desc(0) = (struct vring_desc){TABLE, 16, VRING_DESC_F_INDIRECT, 0};
	offer(0);
}
static void bad_indirect_unwanted(void)
{
	q.indirect = false;
	*desc(0) = (struct vring_desc){TABLE, 16, VRING_DESC_F_INDIRECT, 0};
	offer(0);
}

static const struct {
	void (*make)(void);
	const char *text;
} broken[] = {
    {bad_index, "ran away"},
    {bad_head, "out of range"},
    {bad_next, "out of range"},
    {bad_loop, "no end"},
    {bad_address, "outside of memory"},
    {bad_wrap, "outside of memory"},
    {bad_length, "outside of memory"},
    {bad_order, "follows a writable"},
    {bad_readonly, "outside of memory"},
    {bad_indirect_next, "indirect"},
    {bad_indirect_length, "length is wrong"},
    {bad_indirect_empty, "length is wrong"},
    {bad_indirect_address, "outside of memory"},
    {bad_indirect_nested, "indirect"},
    {bad_indirect_unwanted, "indirect"},
};

START_TEST(a_broken_rule_stops_the_queue)
{
	broken[_i].make();
	ck_assert_int_eq(virtq_pop(&q, &chain), -EPROTO);
	ck_assert_ptr_nonnull(strstr(q.bad, broken[_i].text));
	ck_assert_int_eq(virtq_pop(&q, &chain), 0);
	ck_assert(!virtq_pending(&q));
	used()->idx = 77;
	virtq_push(&q, 0, 1);
	ck_assert_uint_eq(used()->idx, 77);
}
END_TEST

START_TEST(rings_are_checked_when_enabled)
{
	static const struct {
		uint16_t size;
		gpa_t desc, avail, used;
	} rows[] = {
	    {0, DESC, AVAIL, USED},	    {3, DESC, AVAIL, USED},
	    {256, DESC, AVAIL, USED},	    {SIZE, DESC + 8, AVAIL, USED},
	    {SIZE, DESC, AVAIL + 1, USED},  {SIZE, DESC, AVAIL, USED + 2},
	    {SIZE, RAM_BYTES, AVAIL, USED}, {SIZE, DESC, RAM_BYTES - 4, USED},
	    {SIZE, DESC, AVAIL, RO_START},  {SIZE, DESC, AVAIL, RAM_BYTES - 16},
	    {SIZE, ~15ull, AVAIL, USED},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		virtq_reset(&q, &ram, rows[i].size);
		q.desc_gpa = rows[i].desc;
		q.avail_gpa = rows[i].avail;
		q.used_gpa = rows[i].used;
		ck_assert_int_eq(virtq_enable(&q), -EPROTO);
		ck_assert_ptr_nonnull(q.bad);
		ck_assert_int_eq(virtq_pop(&q, &chain), 0);
	}
}
END_TEST

START_TEST(the_driver_is_told_when_it_wants)
{
	uint16_t *used_event = &avail()->ring[SIZE];
	uint16_t *avail_event = (uint16_t *)&used()->ring[SIZE];

	ck_assert(!virtq_should_signal(&q)); /* nothing was pushed */
	virtq_push(&q, 0, 0);
	ck_assert(virtq_should_signal(&q));
	ck_assert(!virtq_should_signal(&q)); /* once */
	avail()->flags = VRING_AVAIL_F_NO_INTERRUPT;
	virtq_push(&q, 0, 0);
	ck_assert(!virtq_should_signal(&q));
	virtq_want_notify(&q, false);
	ck_assert_uint_eq(used()->flags, VRING_USED_F_NO_NOTIFY);
	virtq_want_notify(&q, true);
	ck_assert_uint_eq(used()->flags, 0);

	q.event_idx = true;
	*used_event = 4; /* tell me when entry 4 is filled */
	virtq_push(&q, 0, 0);
	virtq_push(&q, 0, 0);
	ck_assert(!virtq_should_signal(&q));
	virtq_push(&q, 0, 0);
	ck_assert(virtq_should_signal(&q));
	q.last_avail = 0x1234;
	virtq_want_notify(&q, true);
	ck_assert_uint_eq(*avail_event, 0x1234);
}
END_TEST

START_TEST(iovecs_are_cut)
{
	char a[3] = "abc", b[5] = "defgh", out[8] = {0};
	struct iovec v[2] = {{a, 3}, {b, 5}}, *p = v;
	unsigned n = 2;

	ck_assert_uint_eq(iov_take(&p, &n, out, 4), 4);
	ck_assert_str_eq(out, "abcd");
	ck_assert_uint_eq(n, 1);
	iov_limit(p, &n, 2);
	ck_assert_uint_eq(iov_take(&p, &n, out, 8), 2);
	ck_assert_uint_eq(n, 0);
	ck_assert_int_eq(memcmp(out, "ef", 2), 0);
	ck_assert_uint_eq(iov_take(&p, &n, out, 8), 0);
	v[0] = (struct iovec){a, 3};
	n = 1;
	iov_limit(v, &n, 0);
	ck_assert_uint_eq(n, 0);
}
END_TEST

/* Random descriptors, mostly near the truth so that they get far. */
static void scribble(void)
{
	struct vring_desc *tables[] = {desc(0), (struct vring_desc *)(ram.base + TABLE)};

	for (unsigned t = 0; t < 2; t++)
		for (unsigned i = 0; i < SIZE; i++) {
			uint64_t addr = (uint64_t)random() % (RAM_BYTES + 4096);

			if (random() % 16 == 0)
				addr = (uint64_t)random() << 33 | (uint64_t)random();
			if (random() % 4 == 0)
				addr = TABLE;
			tables[t][i] = (struct vring_desc){
			    addr, random() % 8 ? (uint32_t)random() % 5000 : (uint32_t)random(),
			    (uint16_t)(random() % 8), (uint16_t)(random() % (SIZE + 2))};
		}
	for (unsigned i = 0; i < SIZE; i++)
		avail()->ring[i] = (uint16_t)(random() % (SIZE + (random() % 64 == 0)));
	avail()->idx = (uint16_t)(q.last_avail + random() % (SIZE + 2));
}

START_TEST(random_rings_stay_inside)
{
	unsigned got = 0, refused = 0;

	srandom((unsigned)_i + 1);
	for (unsigned round = 0; round < 5000; round++) {
		int r;

		scribble();
		while ((r = virtq_pop(&q, &chain)) > 0) {
			got++;
			ck_assert_uint_le(chain.nout + chain.nin, SIZE);
			for (unsigned i = 0; i < chain.nout + chain.nin; i++) {
				uint8_t *p = chain.iov[i].iov_base;
				uint64_t at = (uint64_t)(p - ram.base);

				if (at > RAM_BYTES || chain.iov[i].iov_len > RAM_BYTES - at)
					ck_abort_msg("a buffer lies outside");
				if (i >= chain.nout && at + chain.iov[i].iov_len > RO_START &&
				    at < RO_START + 4096)
					ck_abort_msg("a writable buffer is protected");
			}
			virtq_push(&q, chain.head, 0);
		}
		if (r < 0) {
			refused++;
			start_queue();
		}
	}
	ck_assert_uint_gt(got, 1000);
	ck_assert_uint_gt(refused, 1000);
}
END_TEST

Suite *vmm_queue_suite(void)
{
	Suite *s = suite_create("vmm_queue");
	TCase *t = tcase_create("virtqueue");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_chain_goes_round);
	tcase_add_test(t, an_indirect_table_is_followed);
	tcase_add_loop_test(t, a_broken_rule_stops_the_queue, 0,
			    sizeof(broken) / sizeof(broken[0]));
	tcase_add_test(t, rings_are_checked_when_enabled);
	tcase_add_test(t, the_driver_is_told_when_it_wants);
	tcase_add_test(t, iovecs_are_cut);
	tcase_add_loop_test(t, random_rings_stay_inside, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
