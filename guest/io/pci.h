/* pci: configuration space by mechanism #1, capabilities, memory BARs, MSI-X. */
#ifndef NTMM_IO_PCI_H
#define NTMM_IO_PCI_H

#include "guest/ke/ke.h"

struct pci_function {
	u8 bus, device, function;
	u16 vendor_id, device_id;
};

/* Finds all functions behind the host bridge; returns how many. Once, at boot. */
u32 pci_scan(void);
const struct pci_function *pci_get(u32 index);

u8 pci_read8(const struct pci_function *f, u8 offset);
u16 pci_read16(const struct pci_function *f, u8 offset);
u32 pci_read32(const struct pci_function *f, u8 offset);
void pci_write16(const struct pci_function *f, u8 offset, u16 value);

#define PCI_CAP_MSIX   0x11
#define PCI_CAP_VENDOR 0x09
/* Offset of the next capability with this id after `previous` (0: the first); 0 = none. */
u8 pci_find_capability(const struct pci_function *f, u8 id, u8 previous);

/* Maps `bytes` at `offset` of memory BAR `bar` (0..5). NULL: no such BAR, or no address space. */
volatile void *pci_map_bar(const struct pci_function *f, u8 bar, u32 offset, u32 bytes);

/* Memory decoding and bus mastering on; INTx off. */
void pci_enable(const struct pci_function *f);

/* Routes MSI-X table entry 0 to the routine and turns MSI-X on. False: no MSI-X, no vector. */
bool pci_connect_msix(const struct pci_function *f, void (*isr)(void *context), void *context);

#endif
