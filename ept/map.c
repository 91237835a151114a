/*
 * The sorted array of arenas: layout, carving, lookup, translation.
 */
#include <errno.h>
#include <string.h>

#include "ept/ept.h"
#include "guest/abi/machine.h"

static const char *const kinds[EPT_KINDS] = {
    [EPT_RAM] = "ram",
    [EPT_KERNEL_TEXT] = "kernel text",
    [EPT_KDP] = "protected data",
    [EPT_SECURE] = "secure memory",
    [EPT_REGION] = "region",
    [EPT_TABLES] = "page tables",
    [EPT_BOOT] = "boot memory",
};

static bool aligned(uint64_t v)
{
	return (v & (NTMM_PAGE_SIZE - 1)) == 0;
}

const char *ept_kind_name(enum ept_kind kind)
{
	return kind < EPT_KINDS ? kinds[kind] : "unknown";
}

enum ept_slot ept_slot_for(const struct ept_arena *a)
{
	if (!(a->rights & EPT_R))
		return EPT_SLOT_ABSENT;
	return a->rights & EPT_W || a->kind == EPT_TABLES ? EPT_SLOT_RW : EPT_SLOT_READONLY;
}

bool ept_is_protected(const struct ept_arena *a)
{
	return !(a->rights & EPT_W);
}

int ept_layout_ram(struct ept_map *map, uint64_t bytes)
{
	const uint64_t hole = NTMM_PCI_HOLE_START;
	uint64_t low = bytes < hole ? bytes : hole;

	if (bytes == 0 || !aligned(bytes) || bytes > INT64_MAX - NTMM_HIGH_RAM)
		return -EINVAL;
	memset(map, 0, sizeof(*map));
	map->arena[map->count++] = (struct ept_arena){{0, low}, 0, EPT_RAM, EPT_RWX, 0};
	if (bytes > low)
		map->arena[map->count++] = (struct ept_arena){
		    {NTMM_HIGH_RAM, NTMM_HIGH_RAM + (bytes - low)}, low, EPT_RAM, EPT_RWX, 0};
	return 0;
}

/* Index of the arena that holds gpa, or -1. */
static int find_index(const struct ept_map *map, gpa_t gpa)
{
	unsigned lo = 0, hi = map->count;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;
		const struct ept_arena *a = &map->arena[mid];

		if (gpa < a->gpa.start)
			hi = mid;
		else if (gpa >= a->gpa.end)
			lo = mid + 1;
		else
			return (int)mid;
	}
	return -1;
}

const struct ept_arena *ept_find(const struct ept_map *map, gpa_t gpa)
{
	int i = find_index(map, gpa);

	return i < 0 ? NULL : &map->arena[i];
}

int ept_carve(struct ept_map *map, struct gpa_range range, enum ept_kind kind,
	      enum ept_rights rights, unsigned tag)
{
	struct ept_arena whole, piece[3];
	unsigned n = 0;
	int i;

	if (!aligned(range.start) || !aligned(range.end) || range.start >= range.end ||
	    kind >= EPT_KINDS)
		return -EINVAL;
	i = find_index(map, range.start);
	if (i < 0 || map->arena[i].kind != EPT_RAM || range.end > map->arena[i].gpa.end)
		return -EFAULT;

	whole = map->arena[i];
	if (range.start > whole.gpa.start) {
		piece[n] = whole;
		piece[n++].gpa.end = range.start;
	}
	piece[n++] = (struct ept_arena){range, whole.offset + (range.start - whole.gpa.start), kind,
					rights, tag};
	if (range.end < whole.gpa.end) {
		piece[n] = whole;
		piece[n].gpa.start = range.end;
		piece[n++].offset = whole.offset + (range.end - whole.gpa.start);
	}
	if (map->count + n - 1 > EPT_MAX_ARENAS)
		return -ENOSPC;
	memmove(&map->arena[(unsigned)i + n], &map->arena[i + 1],
		(map->count - (unsigned)i - 1) * sizeof(piece[0]));
	memcpy(&map->arena[i], piece, n * sizeof(piece[0]));
	map->count += n - 1;
	return 0;
}

int64_t ept_translate(const struct ept_map *map, gpa_t gpa, uint64_t len, enum ept_rights need)
{
	int i = find_index(map, gpa);
	int64_t result;

	if (i < 0)
		return -EFAULT;
	result = (int64_t)(map->arena[i].offset + (gpa - map->arena[i].gpa.start));
	for (;; i++) {
		const struct ept_arena *a = &map->arena[i];
		uint64_t here = a->gpa.end - gpa;

		if ((a->rights & need) != need)
			return -EFAULT;
		if (len <= here)
			return result;
		if ((unsigned)i + 1 == map->count || a[1].gpa.start != a->gpa.end ||
		    a[1].offset != a->offset + (a->gpa.end - a->gpa.start))
			return -EFAULT;
		gpa += here;
		len -= here;
	}
}

bool ept_check(const struct ept_map *map)
{
	if (map->count > EPT_MAX_ARENAS)
		return false;
	for (unsigned i = 0; i < map->count; i++) {
		const struct ept_arena *a = &map->arena[i];

		if (!aligned(a->gpa.start) || !aligned(a->gpa.end) || !aligned(a->offset) ||
		    a->gpa.start >= a->gpa.end || a->kind >= EPT_KINDS)
			return false;
		if (i > 0 && a[-1].gpa.end > a->gpa.start)
			return false;
	}
	return true;
}
