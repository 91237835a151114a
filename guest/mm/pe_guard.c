/* The load configuration of an image as far as Control Flow Guard needs it: the table of functions
 * that may be called indirectly. What the image says wrongly counts as not said. */
#include "guest/mm/pe.h"

/* Offsets in IMAGE_LOAD_CONFIG_DIRECTORY64 (Microsoft's "PE Format" and public winnt.h). */
#define CONFIG_TABLE 0x80u
#define CONFIG_COUNT 0x88u
#define CONFIG_FLAGS 0x90u
#define CONFIG_LEAST 0x94u

#define GUARD_INSTRUMENTED  0x100u
#define GUARD_TABLE_PRESENT 0x400u
#define GUARD_STRIDE_SHIFT  28 /* bytes an entry has beyond its RVA */
#define ENTRY_SUPPRESSED    1u /* in the first of them: not a target */

NTSTATUS pe_find_guard(const struct pe_image *image, pe_read_fn *read, void *context,
		       struct pe_guard *out)
{
	struct pe_directory d = image->directory[PE_DIR_CONFIG];
	u8 config[CONFIG_LEAST];
	u64 table, count, bytes;
	u32 size, flags;
	NTSTATUS st;

	memset(out, 0, sizeof(*out));
	if (!(image->dll_characteristics & PE_DLL_GUARD_CF) || !d.rva ||
	    d.rva > image->size_of_image || image->size_of_image - d.rva < CONFIG_LEAST)
		return STATUS_SUCCESS;
	st = read(context, d.rva, config, sizeof(config));
	if (st)
		return st;
	memcpy(&size, config, sizeof(size));
	memcpy(&table, config + CONFIG_TABLE, sizeof(table));
	memcpy(&count, config + CONFIG_COUNT, sizeof(count));
	memcpy(&flags, config + CONFIG_FLAGS, sizeof(flags));
	if (size < CONFIG_LEAST || !(flags & GUARD_INSTRUMENTED) || !(flags & GUARD_TABLE_PRESENT))
		return STATUS_SUCCESS;
	out->stride = 4 + (flags >> GUARD_STRIDE_SHIFT);
	table -= image->image_base; /* an address, as the file has it */
	bytes = count * out->stride;
	if (!count || count > image->size_of_image / 4 || table >= image->size_of_image || !table ||
	    bytes > image->size_of_image - table)
		return STATUS_SUCCESS;
	out->table_rva = (u32)table;
	out->count = (u32)count;
	return STATUS_SUCCESS;
}

u32 pe_guard_target(const struct pe_guard *g, const u8 *entry, const struct pe_image *image)
{
	u32 rva;

	memcpy(&rva, entry, sizeof(rva));
	if (rva >= image->size_of_image || (g->stride > 4 && entry[4] & ENTRY_SUPPRESSED))
		return 0;
	return rva;
}
