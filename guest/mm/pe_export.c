/*
 * pe_export.c: finding an exported function by name; see pe.h.
 *
 * The export directory names three tables: functions (RVAs, by ordinal), names (RVAs of strings, in
 * ascending order) and, beside each name, its ordinal. A binary search over the names; every table
 * index is checked before it is read. A function that lies inside the directory is a forwarder.
 */
#include "guest/mm/pe.h"

struct export_directory {
	u32 characteristics, timestamp;
	u16 major, minor;
	u32 name, ordinal_base, function_count, name_count, functions, names, ordinals;
};
_Static_assert(sizeof(struct export_directory) == 40, "layout of the PE specification");

#define MAX_NAMES 0x10000u /* ordinals are 16 bits wide */

struct reader {
	const struct pe_image *image;
	pe_read_fn *read;
	void *context;
};

static NTSTATUS fetch(const struct reader *r, u64 rva, void *to, u32 n)
{
	if (rva + n > r->image->size_of_image)
		return STATUS_INVALID_IMAGE_FORMAT;
	return r->read(r->context, (u32)rva, to, n);
}

/* Compares `name` with the string at rva, a piece at a time: *order as strcmp's. */
static NTSTATUS compare(const struct reader *r, const char *name, u64 rva, int *order)
{
	char piece[32];

	for (;;) {
		u64 left = rva < r->image->size_of_image ? r->image->size_of_image - rva : 1;
		u32 n = (u32)MIN(sizeof(piece), left);
		NTSTATUS s = fetch(r, rva, piece, n);

		if (!NT_SUCCESS(s))
			return s;
		for (u32 i = 0; i < n; i++, name++) {
			*order = (u8)*name - (u8)piece[i];
			if (*order || !*name)
				return STATUS_SUCCESS;
		}
		rva += n;
	}
}

/* The index among the names. */
static NTSTATUS find_name(const struct reader *r, const struct export_directory *d,
			  const char *name, u32 *index)
{
	u32 low = 0, high = d->name_count;

	while (low < high) {
		u32 middle = low + (high - low) / 2, name_rva;
		NTSTATUS s = fetch(r, d->names + 4ull * middle, &name_rva, sizeof(name_rva));
		int order = 0;

		if (NT_SUCCESS(s))
			s = compare(r, name, name_rva, &order);
		if (!NT_SUCCESS(s))
			return s;
		if (!order) {
			*index = middle;
			return STATUS_SUCCESS;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return STATUS_ENTRYPOINT_NOT_FOUND;
}

NTSTATUS pe_find_export(const struct pe_image *image, pe_read_fn *read, void *context,
			const char *name, u32 *rva)
{
	struct reader r = {image, read, context};
	struct pe_directory dir = image->directory[PE_DIR_EXPORT];
	struct export_directory d;
	u16 ordinal;
	u32 index, function;
	NTSTATUS s;

	if (!dir.rva || !dir.bytes)
		return STATUS_ENTRYPOINT_NOT_FOUND;
	s = fetch(&r, dir.rva, &d, sizeof(d));
	if (NT_SUCCESS(s) && d.name_count > MAX_NAMES)
		s = STATUS_INVALID_IMAGE_FORMAT;
	if (NT_SUCCESS(s))
		s = find_name(&r, &d, name, &index);
	if (NT_SUCCESS(s))
		s = fetch(&r, d.ordinals + 2ull * index, &ordinal, sizeof(ordinal));
	if (NT_SUCCESS(s) && ordinal >= d.function_count)
		s = STATUS_INVALID_IMAGE_FORMAT;
	if (NT_SUCCESS(s))
		s = fetch(&r, d.functions + 4ull * ordinal, &function, sizeof(function));
	if (!NT_SUCCESS(s))
		return s;
	if (function - dir.rva < dir.bytes || !function)
		return STATUS_ENTRYPOINT_NOT_FOUND;
	if (function >= image->size_of_image)
		return STATUS_INVALID_IMAGE_FORMAT;
	*rva = function;
	return STATUS_SUCCESS;
}
