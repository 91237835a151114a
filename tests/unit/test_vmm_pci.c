/*
 * Configuration space through its two ports, as a kernel uses it, and the dispatch of ports and
 * addresses.
 */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/abi/machine.h"
#include "vmm/pci.h"

Suite *vmm_pci_suite(void);

#define BAR_BYTES 0x8000u

static struct bus ports;
static struct pci_bus pci;
static struct pci_dev dev[63];

static void setup(void)
{
	memset(&ports, 0, sizeof(ports));
	ck_assert_int_eq(pci_init(&pci, &ports), 0);
}

static void add(unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		pci_dev_init(&dev[i], 0x1af4, (uint16_t)(0x1040 + i), 0x01800001, 0);
		ck_assert_int_eq(pci_add(&pci, &dev[i], BAR_BYTES), 0);
	}
}

static void out32(uint16_t port, uint32_t v)
{
	uint8_t b[4];

	put32(b, v);
	bus_access(&ports, port, b, 4, true);
}

static void pick(unsigned slot, unsigned fn, unsigned reg)
{
	out32(NTMM_PORT_PCI_ADDR, 0x80000000u | slot << 11 | fn << 8 | reg);
}

static uint32_t read32(unsigned slot, unsigned fn, unsigned reg)
{
	uint8_t b[4];

	pick(slot, fn, reg);
	bus_access(&ports, NTMM_PORT_PCI_DATA, b, 4, false);
	return get32(b);
}

static void write32(unsigned slot, unsigned fn, unsigned reg, uint32_t v)
{
	pick(slot, fn, reg);
	out32(NTMM_PORT_PCI_DATA, v);
}

START_TEST(a_scan_finds_what_is_there)
{
	unsigned found = 0;

	add(40);
	for (unsigned slot = 0; slot < 32; slot++)
		for (unsigned fn = 0; fn < 8; fn++) {
			uint32_t id = read32(slot, fn, 0);

			if (id == 0xffffffffu)
				continue;
			found++;
			if (slot == 0) {
				ck_assert_uint_eq(read32(slot, fn, PCI_CLASS_REVISION) >> 16,
						  0x0600);
				continue;
			}
			ck_assert_uint_eq(id >> 16, 0x1040 + slot - 1 + fn * 31);
		}
	ck_assert_uint_eq(found, 41);
	/* Devices with a second function say so, others do not. */
	ck_assert_uint_eq(read32(1, 0, 0x0c) >> 16 & 0x80, 0x80);
	ck_assert_uint_eq(read32(9, 0, 0x0c) >> 16 & 0x80, 0x80);
	ck_assert_uint_eq(read32(10, 0, 0x0c) >> 16 & 0x80, 0);
}
END_TEST

START_TEST(a_bar_answers_sizing_and_stays)
{
	uint32_t addr;

	add(2);
	addr = read32(2, 0, PCI_BASE_ADDRESS_0);
	ck_assert_uint_eq(addr, NTMM_PCI_HOLE_START + BAR_BYTES);
	write32(2, 0, PCI_BASE_ADDRESS_0, 0xffffffffu);
	ck_assert_uint_eq(read32(2, 0, PCI_BASE_ADDRESS_0), ~(BAR_BYTES - 1));
	write32(2, 0, PCI_BASE_ADDRESS_0, addr);
	ck_assert_uint_eq(read32(2, 0, PCI_BASE_ADDRESS_0), addr);
	write32(2, 0, PCI_BASE_ADDRESS_0, 0x12345678);
	ck_assert_uint_eq(read32(2, 0, PCI_BASE_ADDRESS_0), addr);
	write32(2, 0, PCI_BASE_ADDRESS_1, 0xffffffffu);
	ck_assert_uint_eq(read32(2, 0, PCI_BASE_ADDRESS_1), 0);
}
END_TEST

START_TEST(only_some_bits_can_be_written)
{
	add(1);
	for (unsigned reg = 0; reg < 256; reg += 4)
		if (reg != PCI_BASE_ADDRESS_0)
			write32(1, 0, reg, 0xffffffffu);
	ck_assert_uint_eq(read32(1, 0, 0), 0x10401af4u);
	ck_assert_uint_eq(read32(1, 0, PCI_CLASS_REVISION), 0x01800001u);
	ck_assert_uint_eq(read32(1, 0, PCI_COMMAND) & 0xffff,
			  PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	write32(1, 0, PCI_COMMAND, 0);
	ck_assert(!pci_memory_enabled(&dev[0]));
}
END_TEST

START_TEST(capabilities_form_a_list)
{
	unsigned first, second, seen = 0;

	pci_dev_init(&dev[0], 1, 2, 3, 4);
	first = pci_add_capability(&dev[0], PCI_CAP_ID_VNDR, 18);
	second = pci_add_capability(&dev[0], PCI_CAP_ID_MSIX, 12);
	ck_assert_uint_eq(second, first + 20);
	ck_assert(dev[0].cfg[PCI_STATUS] & PCI_STATUS_CAP_LIST);
	for (unsigned at = dev[0].cfg[PCI_CAPABILITY_LIST]; at; at = dev[0].cfg[at + 1])
		ck_assert_uint_lt(seen++, 3);
	ck_assert_uint_eq(seen, 2);
}
END_TEST

START_TEST(odd_accesses_do_no_harm)
{
	uint8_t b[8];

	add(3);
	srandom(1);
	for (unsigned i = 0; i < 200000; i++) {
		unsigned len = 1u << random() % 3;
		uint16_t port = (uint16_t)(NTMM_PORT_PCI_ADDR + random() % 9);

		for (unsigned k = 0; k < 4; k++)
			b[k] = (uint8_t)random();
		if (random() & 1)
			b[3] = 0x80;
		bus_access(&ports, port, b, len, random() & 1);
	}
	write32(1, 0, PCI_BASE_ADDRESS_0, 0);
	ck_assert_uint_eq(read32(1, 0, PCI_BASE_ADDRESS_0), NTMM_PCI_HOLE_START);
	ck_assert_uint_eq(read32(1, 0, 0), 0x10401af4u);
}
END_TEST

START_TEST(the_bus_has_room_for_so_many)
{
	unsigned n = 0;

	for (; n < 63; n++) {
		pci_dev_init(&dev[n], 1, 2, 3, 4);
		if (pci_add(&pci, &dev[n], BAR_BYTES) < 0)
			break;
	}
	ck_assert_uint_eq(n, 62);
}
END_TEST

static uint64_t last_offset;
static unsigned last_len;

static void note_write(void *d, uint64_t offset, const void *data, unsigned len)
{
	(void)d;
	(void)data;
	last_offset = offset;
	last_len = len;
}

static const struct bus_ops write_only = {NULL, note_write};

START_TEST(dispatch)
{
	struct bus b = {0};
	uint32_t v = 0;

	ck_assert_int_eq(bus_add(&b, 0x2000, 0x1000, &write_only, NULL), 0);
	ck_assert_int_eq(bus_add(&b, 0x1000, 0x1000, &write_only, NULL), 0);
	ck_assert_int_eq(bus_add(&b, 0x1fff, 2, &write_only, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&b, 0, UINT64_MAX, &write_only, NULL), -EEXIST);
	ck_assert_int_eq(bus_add(&b, 2, UINT64_MAX, &write_only, NULL), -EINVAL);
	ck_assert_int_eq(bus_add(&b, 2, 0, &write_only, NULL), -EINVAL);
	ck_assert(bus_access(&b, 0x2ffc, &v, 4, true));
	ck_assert_uint_eq(last_offset, 0xffc);
	ck_assert_uint_eq(last_len, 4);
	ck_assert(!bus_access(&b, 0x2ffd, &v, 4, true)); /* over the end */
	ck_assert(!bus_access(&b, 0x3000, &v, 4, true));
	ck_assert(!bus_access(&b, 0xfff, &v, 4, false));
	ck_assert_uint_eq(v, 0xffffffffu); /* nobody there: ones */
	v = 0;
	ck_assert(bus_access(&b, 0x1000, &v, 4, false));
	ck_assert_uint_eq(v, 0xffffffffu); /* somebody who cannot be read: ones */
}
END_TEST

Suite *vmm_pci_suite(void)
{
	Suite *s = suite_create("vmm_pci");
	TCase *t = tcase_create("pci");

	tcase_add_checked_fixture(t, setup, NULL);
	tcase_add_test(t, a_scan_finds_what_is_there);
	tcase_add_test(t, a_bar_answers_sizing_and_stays);
	tcase_add_test(t, only_some_bits_can_be_written);
	tcase_add_test(t, capabilities_form_a_list);
	tcase_add_test(t, odd_accesses_do_no_harm);
	tcase_add_test(t, the_bus_has_room_for_so_many);
	tcase_add_test(t, dispatch);
	suite_add_tcase(s, t);
	return s;
}
