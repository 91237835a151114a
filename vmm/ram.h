/*
 * ram: guest RAM as the VMM sees it: one mapping of the memory file, addressed through the map of
 * arenas. Every address a guest gives goes through ram_ptr().
 */
#ifndef VMM_RAM_H
#define VMM_RAM_H

#include "ept/walk.h"

struct guest_ram {
	uint8_t *base; /* of the whole memory file */
	uint64_t size;
	struct ept_map map;
};

/* Host address of [gpa, gpa + len) if the guest itself has the rights `need` to all of it, else
 * NULL. The bytes may change under the caller's hands at any time: copy once, then look. */
static inline void *ram_ptr(const struct guest_ram *ram, gpa_t gpa, uint64_t len,
			    enum ept_rights need)
{
	int64_t offset = ept_translate(&ram->map, gpa, len, need);

	return offset < 0 ? NULL : ram->base + offset;
}

static inline struct ept_memory ram_memory(const struct guest_ram *ram)
{
	return (struct ept_memory){ram->base, &ram->map};
}

#endif
