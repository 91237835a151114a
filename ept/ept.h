/*
 * ept: the guest-physical map as data. Plain library: no KVM, no ioctl, no allocation.
 *
 * Glossary. gpa: guest-physical address. arena: one run of guest-physical memory with one kind and
 * one set of rights; the vmm makes exactly one KVM memory slot of each present arena. backing
 * offset: where the arena's first byte lies in the memory file behind guest RAM. violation: an
 * access that an arena's rights forbid.
 *
 * Guest RAM is carved once, before the machine runs; afterwards the map only changes while every
 * vCPU is stopped. So readers need no lock.
 */
#ifndef EPT_EPT_H
#define EPT_EPT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t gpa_t;

struct gpa_range { /* half-open */
	gpa_t start, end;
};

enum ept_kind {
	EPT_RAM,	 /* ordinary */
	EPT_KERNEL_TEXT, /* code and read-only data of the kernel image */
	EPT_KDP,	 /* protected data: written only by the host after a check */
	EPT_SECURE,	 /* absent for the guest: reached only through hypercalls */
	EPT_REGION,	 /* named by a policy */
	EPT_TABLES, /* page tables, changed only by the host (tables.h): the slot is ordinary, since
		       the processor writes them, but nobody else has the right */
	EPT_BOOT,   /* below 1 MB: gone when a kernel's initialization is over, at level hvci */
	EPT_KINDS
};

enum ept_rights { EPT_R = 1, EPT_W = 2, EPT_X = 4, EPT_RX = EPT_R | EPT_X, EPT_RWX = 7 };

/* How mainline KVM can hold given rights: it knows no execute permission. */
enum ept_slot { EPT_SLOT_RW, EPT_SLOT_READONLY, EPT_SLOT_ABSENT };

struct ept_arena {
	struct gpa_range gpa;
	uint64_t offset; /* backing offset of gpa.start */
	enum ept_kind kind;
	enum ept_rights rights; /* of the guest's instructions and of devices */
	unsigned tag;		/* EPT_REGION: which */
};

#define EPT_MAX_ARENAS 64

/* Sorted by gpa; no two overlap; all bounds are page aligned. */
struct ept_map {
	unsigned count;
	struct ept_arena arena[EPT_MAX_ARENAS];
};

/* Lays out `bytes` of RAM from gpa 0, leaving the PCI hole free (abi/machine.h). -EINVAL: not a
 * multiple of the page size or none at all. */
int ept_layout_ram(struct ept_map *map, uint64_t bytes);

/* Gives a piece of ordinary RAM another kind and rights, splitting its arena. -EINVAL: unaligned or
 * empty; -EFAULT: not wholly inside one ordinary arena; -ENOSPC: too many arenas. */
int ept_carve(struct ept_map *map, struct gpa_range range, enum ept_kind kind,
	      enum ept_rights rights, unsigned tag);

/* The arena that holds gpa, or NULL. */
const struct ept_arena *ept_find(const struct ept_map *map, gpa_t gpa);

/* Backing offset of [gpa, gpa + len) when all of it is present with at least `need` rights and lies
 * in one piece in the backing, else -EFAULT. len 0 is allowed anywhere an address is. */
int64_t ept_translate(const struct ept_map *map, gpa_t gpa, uint64_t len, enum ept_rights need);

/* What kind of slot the arena needs. */
enum ept_slot ept_slot_for(const struct ept_arena *arena);
/* May the guest never write it, whatever way it takes? */
bool ept_is_protected(const struct ept_arena *arena);

const char *ept_kind_name(enum ept_kind kind);

/* Every invariant named above; false when one is broken. */
bool ept_check(const struct ept_map *map);

#endif
