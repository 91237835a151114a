/*
 * The virtio devices without KVM (vmm_machine.h): what each does for a driver that behaves, and
 * that they survive one that does anything at all.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/virtio_blk.h>
#include <linux/virtio_console.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "tests/unit/vmm_machine.h"
#include "vmm/pci.h"

Suite *vmm_devices_suite(void);

/* ---- blk ---- */

START_TEST(blk_keeps_pages)
{
	uint8_t *page = vm->ram.base + DATA + 0x10000;
	struct virtio_blk_discard_write_zeroes *range = (void *)page;

	start_blk();
	ck_assert_uint_eq(mmio(&blk, blk.device, 4, false, 0), PF_BYTES / 512);
	memset(page, 0x5a, 65536);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 16, DATA + 0x10000, 65536), VIRTIO_BLK_S_OK);
	ck_assert(interrupted(&blk, 1));
	memset(page, 0, 65536);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 16, DATA + 0x10000, 65536), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(used(&blk, 0)->ring[1].len, 65537);
	for (unsigned i = 0; i < 65536; i++)
		if (page[i] != 0x5a)
			ck_abort_msg("byte %u was lost", i);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), VIRTIO_BLK_S_OK);
	range[0] = (struct virtio_blk_discard_write_zeroes){24, 8, 0};
	range[1] = (struct virtio_blk_discard_write_zeroes){40, 0, 0}; /* nothing */
	range[2] = (struct virtio_blk_discard_write_zeroes){16, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, DATA + 0x10000, 48), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 16, DATA + 0x10000, 12288), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(page[0], 0);
	ck_assert_uint_eq(page[8191], 0);
	ck_assert_uint_eq(page[8192], 0x5a);
	range[0] =
	    (struct virtio_blk_discard_write_zeroes){32, 8, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_WRITE_ZEROES, 0, DATA + 0x10000, 16),
			  VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 32, DATA + 0x10000, 4096), VIRTIO_BLK_S_OK);
	ck_assert_uint_eq(page[0], 0);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_GET_ID, 0, DATA + 0x10000, 20), VIRTIO_BLK_S_OK);
	ck_assert_str_eq((char *)page, "pagefile0");
	ck_assert_uint_eq(warnings, 0);
}
END_TEST

START_TEST(blk_refuses_what_is_wrong)
{
	struct virtio_blk_discard_write_zeroes *r = (void *)(vm->ram.base + DATA + 0x10000);
	uint64_t g = DATA + 0x10000;

	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, PF_BYTES / 512, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, PF_BYTES / 512 - 8, g, 8192), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, UINT64_MAX, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, UINT64_MAX / 512, g, 4096), VIRTIO_BLK_S_IOERR);
	/* A number of bytes that wraps round to 0. */
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 1ull << 55, g, 4096), VIRTIO_BLK_S_IOERR);
	*r = (struct virtio_blk_discard_write_zeroes){1ull << 55, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 1, g, 4096), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_OUT, 0, g, 512), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(99, 0, g, 4096), VIRTIO_BLK_S_UNSUPP);
	*r = (struct virtio_blk_discard_write_zeroes){0, 8, 2};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_UNSUPP);
	*r = (struct virtio_blk_discard_write_zeroes){0, UINT32_MAX, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	*r = (struct virtio_blk_discard_write_zeroes){UINT64_MAX, 8, 0};
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16), VIRTIO_BLK_S_IOERR);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 15), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_DISCARD, 0, g, 16 * 33), VIRTIO_BLK_S_UNSUPP);
	ck_assert_uint_eq(warnings, 0); /* none of these stops the device */
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, 0, g, 4096), VIRTIO_BLK_S_OK);
}
END_TEST

START_TEST(blk_has_many_in_flight)
{
	unsigned seen[QSIZE / 3] = {0};

	start_blk();
	for (unsigned i = 0; i < QSIZE / 3; i++) {
		struct virtio_blk_outhdr *h = (void *)(vm->ram.base + DATA + i * 32);
		struct part p[3] = {{DATA + i * 32, sizeof(*h), false},
				    {DATA + 0x10000 + i * 4096, 4096, false},
				    {DATA + i * 32 + 16, 1, true}};

		*h = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_OUT, .sector = i * 8};
		memset(vm->ram.base + DATA + 0x10000 + i * 4096, (int)i + 1, 4096);
		offer(&blk, 0, (uint16_t)(i * 3), p, 3);
	}
	wait_used(&blk, 0, QSIZE / 3);
	for (unsigned i = 0; i < QSIZE / 3; i++)
		seen[used(&blk, 0)->ring[i].id / 3]++;
	for (unsigned i = 0; i < QSIZE / 3; i++)
		ck_assert_uint_eq(seen[i], 1);
	for (unsigned i = 0; i < QSIZE / 3; i++) {
		ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_IN, i * 8, DATA + 0x80000, 4096),
				  VIRTIO_BLK_S_OK);
		ck_assert_uint_eq(vm->ram.base[DATA + 0x80000 + i], i + 1);
	}
}
END_TEST

/* ---- console ---- */

static void start_console(void)
{
	find(&con, 1);
	start(&con, 1ull << VIRTIO_CONSOLE_F_MULTIPORT);
}

static void control(uint32_t id, uint16_t event, uint16_t value)
{
	struct part p = {DATA + 0x100, sizeof(struct virtio_console_control), false};

	*(struct virtio_console_control *)(vm->ram.base + DATA + 0x100) =
	    (struct virtio_console_control){id, event, value};
	offer(&con, 3, 0, &p, 1);
	wait_used(&con, 3, (uint16_t)(used(&con, 3)->idx + 1));
}

/* Buffers for control messages; the n-th message that came. */
static void give_control(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		struct part p = {DATA + 0x200 + i * 16, 8, true};

		offer(&con, 2, (uint16_t)i, &p, 1);
	}
	ring(&con, 2);
	work();
}

static struct virtio_console_control *message(unsigned n)
{
	ck_assert_uint_gt(used(&con, 2)->idx, n);
	return (void *)(vm->ram.base + DATA + 0x200 + used(&con, 2)->ring[n].id * 16);
}

static void open_ports(void)
{
	start_console();
	give_control(8);
	control(0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	ck_assert_uint_eq(used(&con, 2)->idx, 2);
	ck_assert_uint_eq(message(1)->id, 1);
	ck_assert_uint_eq(message(1)->event, VIRTIO_CONSOLE_PORT_ADD);
	control(0, VIRTIO_CONSOLE_PORT_READY, 1);
	control(1, VIRTIO_CONSOLE_PORT_READY, 1);
	ck_assert_uint_eq(message(2)->event, VIRTIO_CONSOLE_PORT_OPEN);
	ck_assert_uint_eq(message(2)->value, 1);
}

START_TEST(console_carries_output)
{
	struct part p[2] = {{DATA + 0x1000, 6, false}, {DATA + 0x2000, 5, false}};
	char buf[32] = {0};

	open_ports();
	memcpy(vm->ram.base + DATA + 0x1000, "hello ", 6);
	memcpy(vm->ram.base + DATA + 0x2000, "world", 5);
	offer(&con, 1, 0, p, 2);
	wait_used(&con, 1, 1);
	ck_assert_int_eq(read(out_pipe[0], buf, sizeof(buf)), 11);
	ck_assert_str_eq(buf, "hello world");
	offer(&con, 5, 0, p, 1);
	wait_used(&con, 5, 1);
	ck_assert_int_eq(read(err_pipe[0], buf, sizeof(buf)), 6);
}
END_TEST

START_TEST(console_waits_for_a_full_pipe)
{
	static char buf[1 << 20];
	struct part p = {DATA, 200000, false};
	size_t got = 0;

	open_ports();
	for (unsigned i = 0; i < p.len; i++)
		vm->ram.base[DATA + i] = (uint8_t)(i * 7);
	offer(&con, 1, 0, &p, 1);
	ring(&con, 1);
	work(); /* does not block */
	ck_assert_uint_eq(used(&con, 1)->idx, 0);
	while (got < p.len) {
		ssize_t n = read(out_pipe[0], buf + got, 5000);

		ck_assert_int_gt(n, 0);
		got += (size_t)n;
		work();
	}
	ck_assert_uint_eq(used(&con, 1)->idx, 1);
	for (unsigned i = 0; i < p.len; i++)
		if ((uint8_t)buf[i] != (uint8_t)(i * 7))
			ck_abort_msg("byte %u is wrong", i);
}
END_TEST

START_TEST(console_reads_only_when_asked)
{
	struct part p[2] = {{DATA + 0x3000, 4, true}, {DATA + 0x3100, 100, true}};
	int left;

	open_ports();
	ck_assert_int_eq(write(in_pipe[1], "abcdefgh", 8), 8);
	work();
	ck_assert_int_eq(ioctl(in_pipe[0], FIONREAD, &left), 0);
	ck_assert_int_eq(left, 8); /* nobody asked */
	offer(&con, 0, 0, p, 1);
	wait_used(&con, 0, 1);
	ck_assert_uint_eq(used(&con, 0)->ring[0].len, 4);
	ck_assert_int_eq(memcmp(vm->ram.base + DATA + 0x3000, "abcd", 4), 0);
	ck_assert_int_eq(ioctl(in_pipe[0], FIONREAD, &left), 0);
	ck_assert_int_eq(left, 4);
	close(in_pipe[1]);
	ck_assert_uint_eq(used(&con, 2)->idx, 4); /* two added, two opened: no end yet */
	offer(&con, 0, 1, p + 1, 1);
	wait_used(&con, 0, 2);
	ck_assert_uint_eq(used(&con, 0)->ring[1].len, 4);
	ck_assert_uint_eq(used(&con, 2)->idx, 4);
	offer(&con, 0, 2, p + 1, 1);
	wait_used(&con, 0, 3);
	ck_assert_uint_eq(used(&con, 0)->ring[2].len, 0);
	work();
	ck_assert_uint_eq(message(4)->event, VIRTIO_CONSOLE_PORT_OPEN);
	ck_assert_uint_eq(message(4)->id, 0);
	ck_assert_uint_eq(message(4)->value, 0);
}
END_TEST

START_TEST(console_tells_of_a_reader_that_left)
{
	struct part p = {DATA, 10, false};

	open_ports();
	signal(SIGPIPE, SIG_IGN);
	close(out_pipe[0]);
	offer(&con, 1, 0, &p, 1);
	wait_used(&con, 1, 1);
	ck_assert(vm->ended);
	ck_assert_int_eq(vm->result.signal, SIGPIPE);
}
END_TEST

/* ---- transport ---- */

START_TEST(features_must_make_sense)
{
	find(&blk, 0);
	COMMON(&blk, device_status, 1, true, 3);
	COMMON(&blk, device_status, 1, true, 11); /* without VERSION_1 */
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	COMMON(&blk, guest_feature_select, 4, true, 1);
	COMMON(&blk, guest_feature, 4, true, 0xffffffff); /* what was never offered */
	COMMON(&blk, device_status, 1, true, 11);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	COMMON(&blk, device_status, 1, true, 15);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0) & 4, 0);
}
END_TEST

START_TEST(a_masked_vector_waits)
{
	start_blk();
	mmio(&blk, blk.table + 16 + 12, 4, true, 1);
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	ck_assert(!interrupted(&blk, 1));
	ck_assert_uint_eq(mmio(&blk, blk.table + 0x1000, 4, false, 0), 2); /* its pending bit */
	mmio(&blk, blk.table + 16 + 12, 4, true, 0);
	ck_assert(interrupted(&blk, 1));
	ck_assert_uint_eq(mmio(&blk, blk.table + 0x1000, 4, false, 0), 0);
}
END_TEST

START_TEST(a_bad_chain_stops_one_device)
{
	struct part p = {RAM_BYTES - 8, 64, false};

	start_blk();
	start_console();
	offer(&blk, 0, 0, &p, 1);
	ring(&blk, 0);
	work();
	ck_assert_uint_eq(warnings, 1);
	ck_assert_ptr_nonnull(strstr(warning, "pagefile0: device stopped"));
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0) & 0x40, 0x40);
	ring(&blk, 0);
	work();
	ck_assert_uint_eq(warnings, 1); /* said once */
	ck_assert_uint_eq(COMMON(&con, device_status, 1, false, 0), 15);
	/* A reset makes it work again. */
	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
}
END_TEST

START_TEST(a_request_without_status_stops_the_device)
{
	struct part p = {DATA, 16, false};

	start_blk();
	offer(&blk, 0, 0, &p, 1);
	ring(&blk, 0);
	work();
	ck_assert_ptr_nonnull(strstr(warning, "without header or status"));
}
END_TEST

START_TEST(a_reset_in_flight_waits)
{
	for (unsigned round = 0; round < 200; round++) {
		start_blk();
		for (unsigned i = 0; i < 8; i++) {
			struct virtio_blk_outhdr *h = (void *)(vm->ram.base + DATA + i * 32);
			struct part p[3] = {{DATA + i * 32, 16, false},
					    {DATA + 0x10000 + i * 65536, 65536, i & 1},
					    {DATA + i * 32 + 16, 1, true}};

			*h = (struct virtio_blk_outhdr){
			    .type = i & 1 ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, .sector = i * 128};
			offer(&blk, 0, (uint16_t)(i * 3), p, 3);
		}
		ring(&blk, 0);
		loop_once(&vm->loop, &vm->io_lock, 0);
		COMMON(&blk, device_status, 1, true, 0);
		for (unsigned i = 0; i < 2000 && COMMON(&blk, device_status, 1, false, 0); i++)
			loop_once(&vm->loop, &vm->io_lock, 5);
		ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 0);
		ck_assert_uint_eq(blk.dev->outstanding, 0);
	}
}
END_TEST

START_TEST(the_window_reaches_the_bar)
{
	unsigned at;

	find(&blk, 0);
	for (at = config8(&blk, PCI_CAPABILITY_LIST);
	     config8(&blk, at) != PCI_CAP_ID_VNDR ||
	     config8(&blk, at + 3) != VIRTIO_PCI_CAP_PCI_CFG;
	     at = config8(&blk, at + 1))
		ck_assert_uint_ne(at, 0);
	config_out(&blk, at + 4, 0, 1);
	config_out(&blk, at + 8, blk.common + 20, 4); /* device_status */
	config_out(&blk, at + 12, 1, 4);
	config_out(&blk, at + 16, 3, 1);
	ck_assert_uint_eq(COMMON(&blk, device_status, 1, false, 0), 3);
	ck_assert_uint_eq(config8(&blk, at + 16), 3);
	config_out(&blk, at + 8, UINT32_MAX - 3, 4); /* far outside */
	config_out(&blk, at + 12, 4, 4);
	config32(&blk, at + 16);
	config_out(&blk, at + 16, 1, 4);
	config_out(&blk, at + 12, UINT32_MAX, 4);
	config32(&blk, at + 16);
}
END_TEST

/* ---- anything at all ---- */

static void random_access_to(struct driver *d)
{
	unsigned len = 1u << random() % 4;
	uint32_t area = (uint32_t)(random() % 6) * 0x1000;
	uint32_t at = area + (uint32_t)(random() % 0x40) * (random() % 8 ? 1 : 61);
	uint64_t v =
	    random() % 3 ? (uint64_t)random() % 20 : (uint64_t)random() << 40 ^ (uint64_t)random();

	if (at + len <= 0x8000)
		mmio(d, at, len, random() % 3, v);
}

static void random_ring(struct driver *d)
{
	unsigned nq = d->dev->nqueues, q = (unsigned)random() % nq;

	if (!d->desc[q])
		return;
	for (unsigned i = 0; i < QSIZE; i++)
		desc(d, q)[i] = (struct vring_desc){
		    random() % 16 ? DATA + (uint64_t)random() % 0x100000 : (uint64_t)random() << 33,
		    (uint32_t)random() % (random() % 4 ? 100 : 20000), (uint16_t)(random() % 4),
		    (uint16_t)(random() % 8 ? (i + 1) % QSIZE : (unsigned)random() % 40)};
	for (unsigned i = 0; i < 64; i++) {
		uint32_t *h = (uint32_t *)(vm->ram.base + DATA + (uint64_t)random() % 0x100000);

		h = (uint32_t *)((uintptr_t)h & ~3ul);
		*h = (uint32_t)random() % 16;
	}
	for (unsigned i = 0; i < QSIZE; i++)
		avail(d, q)->ring[i] = (uint16_t)(random() % QSIZE);
	avail(d, q)->idx = (uint16_t)(d->dev->queue[q].vq.last_avail + random() % QSIZE);
	ring(d, q);
}

START_TEST(any_driver_is_survived)
{
	struct driver *d[3] = {&blk, &con, &fs};
	unsigned alive = 0;

	srandom((unsigned)_i + 1);
	fcntl(in_pipe[1], F_SETFL, O_NONBLOCK);
	for (unsigned i = 0; i < 3; i++)
		find(d[i], i);
	for (unsigned round = 0; round < 3000; round++) {
		struct driver *x = d[random() % 3];
		char junk[4096];

		if (random() % 8 == 0) {
			COMMON(x, device_status, 1, true, 0);
			for (unsigned i = 0; i < 2000 && COMMON(x, device_status, 1, false, 0); i++)
				loop_once(&vm->loop, &vm->io_lock, 5);
			ck_assert_uint_eq(COMMON(x, device_status, 1, false, 0), 0);
			start(x, x == &con ? 1ull << VIRTIO_CONSOLE_F_MULTIPORT : 0);
		}
		for (unsigned i = random() % 4; i > 0; i--)
			random_access_to(x);
		random_ring(x);
		alive += virtio_ready(x->dev);
		if (write(in_pipe[1], junk, 10) < 0)
			ck_assert_int_eq(errno, EAGAIN);
		work();
		for (int fd = 0; fd < 2; fd++) {
			int p = fd ? err_pipe[0] : out_pipe[0];

			fcntl(p, F_SETFL, O_NONBLOCK);
			while (read(p, junk, sizeof(junk)) > 0)
				;
		}
	}
	ck_assert_uint_gt(alive, 100);
	ck_assert(!vm->ended);
	/* And everything still works. */
	for (unsigned i = 0; i < 2000 && blk.dev->outstanding; i++)
		loop_once(&vm->loop, &vm->io_lock, 5);
	COMMON(&blk, device_status, 1, true, 0);
	work();
	start_blk();
	ck_assert_uint_eq(blk_do(VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
}
END_TEST

Suite *vmm_devices_suite(void)
{
	Suite *s = suite_create("vmm_devices");
	TCase *t = tcase_create("devices");

	tcase_set_timeout(t, 60);
	tcase_add_checked_fixture(t, machine_setup, machine_teardown);
	tcase_add_test(t, blk_keeps_pages);
	tcase_add_test(t, blk_refuses_what_is_wrong);
	tcase_add_test(t, blk_has_many_in_flight);
	tcase_add_test(t, console_carries_output);
	tcase_add_test(t, console_waits_for_a_full_pipe);
	tcase_add_test(t, console_reads_only_when_asked);
	tcase_add_test(t, console_tells_of_a_reader_that_left);
	tcase_add_test(t, features_must_make_sense);
	tcase_add_test(t, a_masked_vector_waits);
	tcase_add_test(t, a_bad_chain_stops_one_device);
	tcase_add_test(t, a_request_without_status_stops_the_device);
	tcase_add_test(t, a_reset_in_flight_waits);
	tcase_add_test(t, the_window_reaches_the_bar);
	tcase_add_loop_test(t, any_driver_is_survived, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
