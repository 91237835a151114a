/*
 * Configuration space behind ports 0xcf8 and 0xcfc.
 *
 * The bridge is 00:00.0. Function number n (in order of addition) sits at device n + 1, function 0;
 * from the 32nd on they become function 1 of devices 1, 2, ..., which then say they have several.
 */
#include <errno.h>
#include <string.h>

#include "guest/abi/machine.h"
#include "vmm/pci.h"

#define DEVICES		31u /* beside the bridge */
#define ADDRESS_ENABLE	0x80000000u
#define BRIDGE_VENDOR	0x1b36 /* Red Hat: generic host bridge */
#define BRIDGE_DEVICE	0x0008
#define CLASS_HOST	0x06000000u
#define FIRST_CAP	0x40
#define HEADER_MULTIPLE 0x80

static struct pci_dev *find(struct pci_bus *pci)
{
	unsigned bus = pci->address >> 16 & 0xff, slot = pci->address >> 11 & 0x1f,
		 fn = pci->address >> 8 & 7, n;

	if (!(pci->address & ADDRESS_ENABLE) || bus != 0)
		return NULL;
	if (slot == 0)
		return fn == 0 ? &pci->bridge : NULL;
	n = slot - 1 + fn * DEVICES;
	return n < pci->ndevs ? pci->function[n] : NULL;
}

static bool touches(unsigned offset, unsigned len, unsigned reg, unsigned reg_len)
{
	return offset < reg + reg_len && reg < offset + len;
}

static void config_write(struct pci_dev *d, unsigned offset, const uint8_t *data, unsigned len)
{
	for (unsigned i = 0; i < len; i++) {
		uint8_t w = d->writable[offset + i];

		d->cfg[offset + i] = (uint8_t)((d->cfg[offset + i] & ~w) | (data[i] & w));
	}
	if (d->bar_size && touches(offset, len, PCI_BASE_ADDRESS_0, 4)) {
		d->bar_sizing =
		    offset == PCI_BASE_ADDRESS_0 && len == 4 && get32(data) == 0xffffffffu;
		put32(d->cfg + PCI_BASE_ADDRESS_0,
		      d->bar_sizing ? ~(d->bar_size - 1) : d->bar_addr);
	}
	if (d->config_written)
		d->config_written(d, offset, len);
}

static void address_write(void *dev, uint64_t offset, const void *data, unsigned len)
{
	struct pci_bus *pci = dev;

	if (offset == 0 && len == 4)
		pci->address = get32(data);
}

static void address_read(void *dev, uint64_t offset, void *data, unsigned len)
{
	struct pci_bus *pci = dev;

	if (offset == 0 && len == 4)
		put32(data, pci->address);
}

static void data_write(void *dev, uint64_t offset, const void *data, unsigned len)
{
	struct pci_bus *pci = dev;
	struct pci_dev *d = find(pci);

	if (d && offset + len <= 4)
		config_write(d, (pci->address & 0xfc) + (unsigned)offset, data, len);
}

static void data_read(void *dev, uint64_t offset, void *data, unsigned len)
{
	struct pci_bus *pci = dev;
	struct pci_dev *d = find(pci);
	unsigned reg = (pci->address & 0xfc) + (unsigned)offset;

	if (!d || offset + len > 4)
		return;
	if (d->config_read)
		d->config_read(d, reg, len);
	memcpy(data, d->cfg + reg, len);
}

static const struct bus_ops address_ops = {address_read, address_write};
static const struct bus_ops data_ops = {data_read, data_write};

int pci_init(struct pci_bus *pci, struct bus *ports)
{
	int r;

	memset(pci, 0, sizeof(*pci));
	pci->next_mmio = NTMM_PCI_HOLE_START;
	pci_dev_init(&pci->bridge, BRIDGE_VENDOR, BRIDGE_DEVICE, CLASS_HOST, 0);
	r = bus_add(ports, NTMM_PORT_PCI_ADDR, 4, &address_ops, pci);
	return r ? r : bus_add(ports, NTMM_PORT_PCI_DATA, 4, &data_ops, pci);
}

void pci_dev_init(struct pci_dev *d, uint16_t vendor, uint16_t device, uint32_t class_rev,
		  uint16_t subsystem)
{
	memset(d, 0, sizeof(*d));
	put16(d->cfg + PCI_VENDOR_ID, vendor);
	put16(d->cfg + PCI_DEVICE_ID, device);
	put32(d->cfg + PCI_CLASS_REVISION, class_rev);
	put16(d->cfg + PCI_SUBSYSTEM_VENDOR_ID, vendor);
	put16(d->cfg + PCI_SUBSYSTEM_ID, subsystem);
	put16(d->writable + PCI_COMMAND,
	      PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER | PCI_COMMAND_INTX_DISABLE);
	d->writable[PCI_INTERRUPT_LINE] = 0xff;
	d->next_cap = FIRST_CAP;
	d->last_link = d->cfg + PCI_CAPABILITY_LIST;
}

unsigned pci_add_capability(struct pci_dev *d, uint8_t id, unsigned len)
{
	unsigned at = d->next_cap;

	d->cfg[at] = id;
	*d->last_link = (uint8_t)at;
	d->last_link = &d->cfg[at + 1];
	d->next_cap = (uint8_t)(at + ((len + 3) & ~3u));
	d->cfg[PCI_STATUS] |= PCI_STATUS_CAP_LIST;
	return at;
}

int pci_add(struct pci_bus *pci, struct pci_dev *d, uint32_t bar_size)
{
	unsigned n = pci->ndevs;

	if (n == PCI_MAX_FUNCTIONS || n == DEVICES * 2)
		return -ENOSPC;
	if (bar_size) {
		d->bar_size = bar_size;
		d->bar_addr = (pci->next_mmio + bar_size - 1) & ~(bar_size - 1);
		pci->next_mmio = d->bar_addr + bar_size;
		put32(d->cfg + PCI_BASE_ADDRESS_0, d->bar_addr);
		d->cfg[PCI_COMMAND] |= PCI_COMMAND_MEMORY;
	}
	if (n >= DEVICES)
		pci->function[n - DEVICES]->cfg[PCI_HEADER_TYPE] |= HEADER_MULTIPLE;
	pci->function[pci->ndevs++] = d;
	return 0;
}

bool pci_memory_enabled(const struct pci_dev *d)
{
	return d->cfg[PCI_COMMAND] & PCI_COMMAND_MEMORY;
}
