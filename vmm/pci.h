/*
 * pci: a host bridge with one bus, configuration mechanism #1, and type 0 functions whose single
 * 32-bit memory BAR is assigned when the function is added, as firmware would. The assignment is
 * final: a BAR answers the sizing protocol but keeps its address.
 */
#ifndef VMM_PCI_H
#define VMM_PCI_H

#include <linux/pci_regs.h>
#include <stdbool.h>
#include <stdint.h>

#include "vmm/bus.h"

#define PCI_CFG_BYTES	  256
#define PCI_MAX_FUNCTIONS 64

struct pci_dev {
	uint8_t cfg[PCI_CFG_BYTES];
	uint8_t writable[PCI_CFG_BYTES]; /* bits the guest may change */
	uint32_t bar_addr, bar_size;	 /* BAR 0; size 0: none */
	bool bar_sizing;		 /* the guest wrote all ones */
	uint8_t next_cap;		 /* where the next capability goes */
	uint8_t *last_link;
	/* After the guest wrote configuration bytes; before it reads them. May be NULL. */
	void (*config_written)(struct pci_dev *dev, unsigned offset, unsigned len);
	void (*config_read)(struct pci_dev *dev, unsigned offset, unsigned len);
};

struct pci_bus {
	uint32_t address; /* last value written to 0xcf8 */
	uint32_t next_mmio;
	unsigned ndevs;
	struct pci_dev bridge;
	struct pci_dev *function[PCI_MAX_FUNCTIONS]; /* in order of addition; see pci.c */
};

/* Registers the configuration ports. */
int pci_init(struct pci_bus *pci, struct bus *ports);

/* Fills in a header. */
void pci_dev_init(struct pci_dev *dev, uint16_t vendor, uint16_t device, uint32_t class_rev,
		  uint16_t subsystem);

/* Appends a capability of `len` bytes (its id and link included); returns its offset. */
unsigned pci_add_capability(struct pci_dev *dev, uint8_t id, unsigned len);

/* Gives it a place on the bus and an address for its BAR of bar_size bytes (a power of two). */
int pci_add(struct pci_bus *pci, struct pci_dev *dev, uint32_t bar_size);

/* Does the function answer memory accesses? */
bool pci_memory_enabled(const struct pci_dev *dev);

static inline uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t get32(const uint8_t *p)
{
	return (uint32_t)get16(p) | (uint32_t)get16(p + 2) << 16;
}

static inline void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static inline void put32(uint8_t *p, uint32_t v)
{
	put16(p, (uint16_t)v);
	put16(p + 2, (uint16_t)(v >> 16));
}

#endif
