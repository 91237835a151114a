/*
 * bus: which device answers at an I/O port or an MMIO address. Two of these: ports and MMIO.
 * Regions are registered before the machine runs; access is under vm.io_lock.
 */
#ifndef VMM_BUS_H
#define VMM_BUS_H

#include <stdbool.h>
#include <stdint.h>

struct bus_ops {
	/* `len` is 1, 2, 4 or 8; the access lies inside the region. Unhandled reads give ones. */
	void (*read)(void *dev, uint64_t offset, void *data, unsigned len);
	void (*write)(void *dev, uint64_t offset, const void *data, unsigned len);
};

struct bus_region {
	uint64_t start, end;
	const struct bus_ops *ops;
	void *dev;
};

#define BUS_MAX_REGIONS 64
struct bus {
	unsigned count;
	struct bus_region region[BUS_MAX_REGIONS]; /* sorted, disjoint */
};

/* -EEXIST: overlaps another; -ENOSPC: too many. */
int bus_add(struct bus *bus, uint64_t start, uint64_t len, const struct bus_ops *ops, void *dev);

/* Performs the access: false if no device is there (a read is then filled with ones). */
bool bus_access(struct bus *bus, uint64_t addr, void *data, unsigned len, bool write);

#endif
