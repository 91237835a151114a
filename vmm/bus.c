/*
 * Sorted registration and dispatch of port and MMIO regions.
 */
#include <errno.h>
#include <string.h>

#include "vmm/bus.h"

int bus_add(struct bus *bus, uint64_t start, uint64_t len, const struct bus_ops *ops, void *dev)
{
	struct bus_region r = {start, start + len, ops, dev};
	unsigned i;

	if (len == 0 || r.end < start)
		return -EINVAL;
	if (bus->count == BUS_MAX_REGIONS)
		return -ENOSPC;
	for (i = 0; i < bus->count; i++)
		if (bus->region[i].start < r.end && r.start < bus->region[i].end)
			return -EEXIST;
	for (i = bus->count; i > 0 && bus->region[i - 1].start > start; i--)
		bus->region[i] = bus->region[i - 1];
	bus->region[i] = r;
	bus->count++;
	return 0;
}

static const struct bus_region *find(const struct bus *bus, uint64_t addr)
{
	unsigned lo = 0, hi = bus->count;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct bus_region *r = &bus->region[mid];

		if (addr < r->start)
			hi = mid;
		else if (addr >= r->end)
			lo = mid + 1;
		else
			return r;
	}
	return NULL;
}

bool bus_access(struct bus *bus, uint64_t addr, void *data, unsigned len, bool write)
{
	const struct bus_region *r = find(bus, addr);

	if (!write)
		memset(data, 0xff, len);
	if (!r || len > r->end - addr)
		return false;
	if (write && r->ops->write)
		r->ops->write(r->dev, addr - r->start, data, len);
	else if (!write && r->ops->read)
		r->ops->read(r->dev, addr - r->start, data, len);
	return true;
}
