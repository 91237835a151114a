/*
 * The guest's split virtqueues against a device that keeps the rules, and against one that does
 * not. The device's side is played here, by the ring's layout alone (virtio 1.2, 2.7).
 */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "guest/io/virtqueue.h"

/* ---- what the kernel would provide ---- */

static void *allocated[16];
static unsigned nallocated;

static void *allocate(size_t bytes)
{
	void *p = aligned_alloc(4096, (bytes + 4095) & ~4095ul);

	ck_assert_ptr_nonnull(p);
	memset(p, 0, (bytes + 4095) & ~4095ul);
	return allocated[nallocated++] = p;
}
void *MmAllocateContiguous(u64 bytes)
{
	return allocate(bytes);
}
void *ExAllocatePool(size_t bytes, u32 tag)
{
	(void)tag;
	return allocate(bytes);
}
/* Pages of odd number lie elsewhere, so that buffers across pages are not contiguous. */
#define ODD_PAGES 0x1000000000000ull
u64 MmGetPhysicalAddress(const void *va)
{
	return (u64)va + ((u64)va & 0x1000 ? ODD_PAGES : 0);
}
static unsigned breaks;
void virtio_break(struct virtio_device *d, const char *why)
{
	(void)why;
	breaks++;
	d->broken = true;
}

/* ---- a queue and its device ---- */

#define SIZE 16

struct fixture {
	struct virtio_device dev;
	struct virtqueue q;
	struct virtqueue_rings pa;
	u16 doorbell;	/* what the driver wrote last */
	u16 next_avail; /* device: next entry to take */
	u16 used_idx;
} f;

struct desc {
	u64 addr;
	u32 len;
	u16 flags, next;
};

static void setup(void)
{
	memset(&f, 0, sizeof f);
	breaks = nallocated = 0;
	f.dev.features = VIRTIO_F_EVENT_IDX;
	ck_assert(virtqueue_init(&f.q, &f.dev, 3, SIZE, &f.pa));
	f.q.notify = &f.doorbell;
}

static void teardown(void)
{
	while (nallocated)
		free(allocated[--nallocated]);
}

static volatile u16 *avail(void)
{
	return f.q.avail;
}
static volatile struct desc *desc(void)
{
	return (volatile struct desc *)f.q.desc;
}

/* The device takes the next offered chain: its head, or -1. */
static int device_take(void)
{
	if (f.next_avail == avail()[1])
		return -1;
	return avail()[2 + f.next_avail++ % SIZE];
}
static void device_put(u32 id, u32 len)
{
	volatile u32 *e = (volatile u32 *)&f.q.used[2 + 4 * (f.used_idx % SIZE)];

	e[0] = id;
	e[1] = len;
	f.q.used[1] = ++f.used_idx;
}
static void device_want_kick(void)
{
	f.q.used[2 + 4 * SIZE] = f.next_avail;
}

static struct vq_seg seg[SIZE + 1];
static int cookie[1000];

START_TEST(layout)
{
	int head;

	for (u32 i = 0; i < 3; i++)
		seg[i] = (struct vq_seg){0x1000 * (i + 1), 10 + i};
	ck_assert(vq_add(&f.q, seg, 1, 2, &cookie[0]));
	head = device_take();
	ck_assert_int_ge(head, 0);
	for (u32 i = 0; i < 3; i++) {
		volatile struct desc *d = &desc()[head];

		ck_assert_uint_eq(d->addr, 0x1000 * (i + 1));
		ck_assert_uint_eq(d->len, 10 + i);
		ck_assert_uint_eq(d->flags, (i < 2 ? 1 : 0) | (i ? 2 : 0));
		head = d->next;
	}
	ck_assert_int_eq(device_take(), -1);
}
END_TEST

START_TEST(kicks)
{
	seg[0] = (struct vq_seg){0x1000, 1};
	f.doorbell = 99;
	device_want_kick();
	ck_assert(vq_add(&f.q, seg, 1, 0, &cookie[0]));
	vq_kick(&f.q);
	ck_assert_uint_eq(f.doorbell, 3);
	f.doorbell = 99;
	vq_kick(&f.q); /* nothing new */
	ck_assert(vq_add(&f.q, seg, 1, 0, &cookie[1]));
	vq_kick(&f.q); /* the device is still busy with the first */
	ck_assert_uint_eq(f.doorbell, 99);
	device_take();
	device_take();
	device_want_kick();
	ck_assert(vq_add(&f.q, seg, 1, 0, &cookie[2]));
	ck_assert(vq_add(&f.q, seg, 1, 0, &cookie[3]));
	vq_kick(&f.q); /* one for both */
	ck_assert_uint_eq(f.doorbell, 3);
}
END_TEST

START_TEST(rearms)
{
	u32 bytes;

	seg[0] = (struct vq_seg){0x1000, 100};
	ck_assert(vq_add(&f.q, seg, 0, 1, &cookie[0]));
	ck_assert(vq_rearm(&f.q));
	ck_assert_uint_eq(avail()[2 + SIZE], 0); /* used_event: at the next completion */
	device_put((u32)device_take(), 7);
	ck_assert(!vq_rearm(&f.q)); /* one came before we asked */
	ck_assert_ptr_eq(vq_pop(&f.q, &bytes), &cookie[0]);
	ck_assert_uint_eq(bytes, 7);
	ck_assert_ptr_null(vq_pop(&f.q, &bytes));
	ck_assert(vq_rearm(&f.q));
	ck_assert_uint_eq(avail()[2 + SIZE], 1);
}
END_TEST

/* Random buffers, completed in any order: each comes back once, and no descriptor is lost. */
START_TEST(random_order)
{
	int pending[SIZE], npending = 0;
	bool out[ARRAY_SIZE(cookie)] = {0};

	srand(11);
	for (u32 round = 0; round < 30000; round++) {
		u32 n = 1 + (u32)rand() % 5, k = round % ARRAY_SIZE(cookie), bytes;
		u16 before = f.q.free_count;
		int head, *back;

		for (u32 i = 0; i < n; i++)
			seg[i] = (struct vq_seg){0x10000 + i * 0x2000, 16};
		if (!out[k] && rand() % 2) {
			bool room = n <= before;

			ck_assert(vq_add(&f.q, seg, n - 1, 1, &cookie[k]) == room);
			ck_assert_uint_eq(f.q.free_count, before - (room ? n : 0));
			out[k] |= room;
		}
		while ((head = device_take()) >= 0)
			pending[npending++] = head;
		if (npending && rand() % 2) {
			int at = rand() % npending;

			device_put((u32)pending[at], 99);
			pending[at] = pending[--npending];
		}
		if (rand() % 3)
			continue;
		while ((back = vq_pop(&f.q, &bytes))) {
			ck_assert(out[back - cookie]);
			ck_assert_uint_eq(bytes, 16); /* never more than there was room for */
			out[back - cookie] = false;
		}
	}
	while (npending)
		device_put((u32)pending[--npending], 0);
	for (u32 bytes; vq_pop(&f.q, &bytes);)
		;
	ck_assert_uint_eq(f.q.free_count, SIZE);
	ck_assert_uint_eq(breaks, 0);
}
END_TEST

/* ---- the device breaks the rules ---- */

START_TEST(wrong_id)
{
	static const u32 ids[] = {SIZE, 0xffffffff, 5}; /* out of range twice; not its to give */
	u32 bytes;

	seg[0] = (struct vq_seg){0x1000, 100};
	ck_assert(vq_add(&f.q, seg, 0, 1, &cookie[0]));
	device_put(ids[_i], 1);
	ck_assert_ptr_null(vq_pop(&f.q, &bytes));
	ck_assert_uint_eq(breaks, 1);
	ck_assert(vq_rearm(&f.q)); /* the loop that drains a queue ends */
	ck_assert(!vq_add(&f.q, seg, 0, 1, &cookie[1]));
	ck_assert_ptr_eq(vq_reclaim(&f.q), &cookie[0]);
	ck_assert_ptr_null(vq_reclaim(&f.q));
	ck_assert_uint_eq(f.q.free_count, SIZE);
}
END_TEST

START_TEST(given_back_twice)
{
	u32 bytes;
	int head;

	seg[0] = (struct vq_seg){0x1000, 100};
	ck_assert(vq_add(&f.q, seg, 0, 1, &cookie[0]));
	head = device_take();
	device_put((u32)head, 1);
	device_put((u32)head, 1);
	ck_assert_ptr_eq(vq_pop(&f.q, &bytes), &cookie[0]);
	ck_assert_ptr_null(vq_pop(&f.q, &bytes));
	ck_assert_uint_eq(breaks, 1);
}
END_TEST

START_TEST(index_jumps)
{
	u32 bytes;

	seg[0] = (struct vq_seg){0x1000, 100};
	ck_assert(vq_add(&f.q, seg, 0, 1, &cookie[0]));
	f.q.used[1] = SIZE + 1;
	ck_assert_ptr_null(vq_pop(&f.q, &bytes));
	ck_assert_uint_eq(breaks, 1);
}
END_TEST

/* Noise in everything the device can write, descriptors included, at every step. */
START_TEST(noise)
{
	srand(5);
	for (u32 round = 0; round < 500; round++) {
		u32 bytes, outstanding = 0;

		teardown();
		setup();
		for (u32 step = 0; step < 50 && !f.dev.broken; step++) {
			for (u32 i = 0; i < 4; i++)
				seg[i] = (struct vq_seg){0x1000, 8};
			if (vq_add(&f.q, seg, 1, 1 + (u32)rand() % 3, &cookie[step]))
				outstanding++;
			for (u32 i = 0; i < SIZE; i++)
				desc()[i].next = (u16)rand();
			device_put((u32)rand() % (rand() % 8 ? SIZE : 1000), (u32)rand());
			if (rand() % 8 == 0)
				f.q.used[1] = (u16)rand();
			while (vq_pop(&f.q, &bytes)) {
				ck_assert_uint_le(bytes, 24);
				outstanding--;
			}
			vq_kick(&f.q);
			vq_rearm(&f.q);
		}
		f.dev.broken = true;
		while (vq_reclaim(&f.q))
			outstanding--;
		ck_assert_uint_eq(outstanding, 0);
		ck_assert_uint_eq(f.q.free_count, SIZE);
	}
}
END_TEST

START_TEST(segments)
{
	static u8 buffer[5 * 4096] __attribute__((aligned(8192)));
	u32 n = vq_segments(buffer + 100, 8192, seg, SIZE), total = 0;

	ck_assert_uint_eq(n, 3);
	for (u32 i = 0; i < n; i++)
		total += seg[i].bytes;
	ck_assert_uint_eq(total, 8192);
	ck_assert_uint_eq(seg[0].bytes, 3996);
	ck_assert_uint_eq(seg[1].pa, (u64)buffer + 4096 + ODD_PAGES);
	ck_assert_uint_eq(vq_segments(buffer + 100, 8192, seg, 2), 0); /* too few */
	ck_assert_uint_eq(vq_segments(buffer, 1, seg, 1), 1);
}
END_TEST

Suite *virtqueue_suite(void);
Suite *virtqueue_suite(void)
{
	Suite *s = suite_create("virtqueue");
	TCase *t = tcase_create("guest");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, layout);
	tcase_add_test(t, kicks);
	tcase_add_test(t, rearms);
	tcase_add_test(t, random_order);
	tcase_add_loop_test(t, wrong_id, 0, 3);
	tcase_add_test(t, given_back_twice);
	tcase_add_test(t, index_jumps);
	tcase_add_test(t, noise);
	tcase_add_test(t, segments);
	suite_add_tcase(s, t);
	return s;
}
