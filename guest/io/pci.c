/*
 * PCI: configuration mechanism #1 (ports 0xCF8/0xCFC), the list of functions, MSI-X.
 *
 * The firmware or the host has assigned the BARs; nothing is sized or moved here. The scan starts
 * at bus 0 and follows bridges by their secondary bus number, each bus once, so a wrong bridge
 * cannot make it loop. All walks over lists that the device gives are bounded.
 *
 * Locks: config_lock covers the address/data port pair. The list of functions is constant after
 * pci_scan().
 */
#include "guest/io/pci.h"
#include "guest/ke/cpu.h"
#include "guest/abi/machine.h"

/* Offsets and bits: PCI Local Bus Specification 3.0, chapter 6. */
#define PCI_VENDOR_ID	    0x00
#define PCI_COMMAND	    0x04
#define PCI_STATUS	    0x06
#define PCI_HEADER_TYPE	    0x0e
#define PCI_BAR0	    0x10
#define PCI_SECONDARY_BUS   0x19
#define PCI_CAP_POINTER	    0x34
#define COMMAND_MEMORY	    0x0002
#define COMMAND_MASTER	    0x0004
#define COMMAND_INTX_OFF    0x0400
#define STATUS_CAPABILITIES 0x0010
#define HEADER_MULTI	    0x80
#define HEADER_BRIDGE	    0x01
#define BAR_IO		    0x01
#define BAR_TYPE_MASK	    0x06
#define BAR_TYPE_64	    0x04
#define MSIX_CONTROL	    2
#define MSIX_TABLE	    4
#define MSIX_ENABLE	    0x8000
#define MSIX_FUNCTION_MASK  0x4000

#define MAX_FUNCTIONS	 64
#define MAX_CAPABILITIES 48 /* as many as 192 bytes can hold */
#define MAX_MAP		 0x100000

static struct pci_function functions[MAX_FUNCTIONS];
static u32 function_count;
static struct spinlock config_lock;

static u32 config_address(const struct pci_function *f, u8 offset)
{
	return 0x80000000u | (u32)f->bus << 16 | (u32)f->device << 11 | (u32)f->function << 8 |
	       (offset & 0xfcu);
}

u32 pci_read32(const struct pci_function *f, u8 offset)
{
	u64 flags = spin_lock_irq(&config_lock);
	u32 value;

	outl(NTMM_PORT_PCI_ADDR, config_address(f, offset));
	value = inl(NTMM_PORT_PCI_DATA);
	spin_unlock_irq(&config_lock, flags);
	return value;
}

u16 pci_read16(const struct pci_function *f, u8 offset)
{
	return (u16)(pci_read32(f, offset) >> (offset & 2) * 8);
}

u8 pci_read8(const struct pci_function *f, u8 offset)
{
	return (u8)(pci_read32(f, offset) >> (offset & 3) * 8);
}

/* Only words whose other half may be written back unchanged or as zero (status: write 1 to clear).
 */
void pci_write16(const struct pci_function *f, u8 offset, u16 value)
{
	u64 flags = spin_lock_irq(&config_lock);

	outl(NTMM_PORT_PCI_ADDR, config_address(f, offset));
	__asm__ volatile("outw %0, %1"
			 :
			 : "a"(value), "Nd"((u16)(NTMM_PORT_PCI_DATA + (offset & 2)))
			 : "memory");
	spin_unlock_irq(&config_lock, flags);
}

static void scan_bus(u8 bus, u8 pending[32])
{
	for (u8 device = 0; device < 32; device++) {
		u8 functions_here = 1;

		for (u8 fn = 0; fn < functions_here; fn++) {
			struct pci_function f = {bus, device, fn, 0, 0};
			u32 id = pci_read32(&f, PCI_VENDOR_ID);
			u8 header;

			if ((id & 0xffff) == 0xffff || id == 0)
				continue;
			f.vendor_id = (u16)id;
			f.device_id = (u16)(id >> 16);
			header = pci_read8(&f, PCI_HEADER_TYPE);
			if (fn == 0 && header & HEADER_MULTI)
				functions_here = 8;
			if ((header & 0x7f) == HEADER_BRIDGE) {
				u8 next = pci_read8(&f, PCI_SECONDARY_BUS);

				pending[next / 8] |= (u8)(1u << next % 8);
			}
			if (function_count < MAX_FUNCTIONS)
				functions[function_count++] = f;
		}
	}
}

u32 pci_scan(void)
{
	u8 pending[32] = {1}, done[32] = {0};

	/* Secondary numbers are greater than their bridge's bus: one pass upwards finds them. */
	for (u32 bus = 0; bus < 256; bus++) {
		u8 bit = (u8)(1u << bus % 8);

		if (!(pending[bus / 8] & bit) || done[bus / 8] & bit)
			continue;
		done[bus / 8] |= bit;
		scan_bus((u8)bus, pending);
	}
	return function_count;
}

const struct pci_function *pci_get(u32 index)
{
	return index < function_count ? &functions[index] : NULL;
}

u8 pci_find_capability(const struct pci_function *f, u8 id, u8 previous)
{
	u8 at;

	if (!previous && !(pci_read16(f, PCI_STATUS) & STATUS_CAPABILITIES))
		return 0;
	at = pci_read8(f, previous ? (u8)(previous + 1) : PCI_CAP_POINTER);
	for (u32 i = 0; i < MAX_CAPABILITIES; i++) {
		u16 head;

		at &= 0xfc;
		if (at < 0x40)
			return 0;
		head = pci_read16(f, at);
		if ((u8)head == id)
			return at;
		at = (u8)(head >> 8);
	}
	return 0;
}

volatile void *pci_map_bar(const struct pci_function *f, u8 bar, u32 offset, u32 bytes)
{
	u32 low;
	u64 pa;
	u8 *base;

	if (bar > 5 || bytes == 0 || bytes > MAX_MAP)
		return NULL;
	low = pci_read32(f, (u8)(PCI_BAR0 + bar * 4));
	if (low & BAR_IO)
		return NULL;
	pa = low & ~0xfu;
	if ((low & BAR_TYPE_MASK) == BAR_TYPE_64) {
		if (bar == 5)
			return NULL;
		pa |= (u64)pci_read32(f, (u8)(PCI_BAR0 + bar * 4 + 4)) << 32;
	}
	if (pa == 0 || pa + offset < pa || pa + offset + bytes > 1ull << 52)
		return NULL;
	pa += offset;
	base = MmMapIoSpace(ALIGN_DOWN(pa, PAGE_SIZE),
			    ALIGN_UP(pa + bytes, PAGE_SIZE) - ALIGN_DOWN(pa, PAGE_SIZE));
	return base ? base + (pa & (PAGE_SIZE - 1)) : NULL;
}

void pci_enable(const struct pci_function *f)
{
	u16 command = pci_read16(f, PCI_COMMAND);

	pci_write16(f, PCI_COMMAND, command | COMMAND_MEMORY | COMMAND_MASTER | COMMAND_INTX_OFF);
}

bool pci_connect_msix(const struct pci_function *f, void (*isr)(void *context), void *context)
{
	u8 cap = pci_find_capability(f, PCI_CAP_MSIX, 0);
	volatile u32 *entry;
	u32 table, data;
	u64 address;
	u8 vector;

	if (!cap)
		return false;
	table = pci_read32(f, (u8)(cap + MSIX_TABLE));
	entry = pci_map_bar(f, table & 7, table & ~7u, 16);
	if (!entry)
		return false;
	vector = KeConnectInterrupt(isr, context);
	if (!vector)
		return false;
	KeMsiMessage(vector, &address, &data);
	entry[0] = (u32)address;
	entry[1] = (u32)(address >> 32);
	entry[2] = data;
	entry[3] = 0; /* not masked */
	pci_write16(f, (u8)(cap + MSIX_CONTROL),
		    (pci_read16(f, (u8)(cap + MSIX_CONTROL)) & ~MSIX_FUNCTION_MASK) | MSIX_ENABLE);
	return true;
}
