/*
 * The headers of a PE32+ file (Microsoft's "PE Format"), as far as needed to say at once why a file
 * cannot be run. The kernel checks everything again, and more.
 */
#include <stdbool.h>
#include <string.h>

#include "host/host.h"

#define DOS_HEADER     64u
#define DOS_LFANEW     60u
#define COFF_HEADER    20u
#define COFF_MACHINE   0u
#define COFF_NSECTIONS 2u
#define COFF_OPT_SIZE  16u
#define COFF_CHARACTER 18u
#define OPT_SUBSYSTEM  68u
#define OPT_MIN_SIZE   112u /* of PE32+ without data directories */
#define SECTION_HEADER 40u
#define SECTION_BYTES  16u /* of it in the file, and where */
#define SECTION_OFFSET 20u
#define MACHINE_AMD64  0x8664
#define MACHINE_I386   0x014c
#define MACHINE_ARM64  0xaa64
#define PE32	       0x10b
#define PE32_PLUS      0x20b
#define IS_EXECUTABLE  0x0002
#define IS_DLL	       0x2000
#define SUBSYSTEM_GUI  2
#define SUBSYSTEM_CUI  3

static uint16_t u16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

static uint32_t u32(const uint8_t *p)
{
	return (uint32_t)u16(p) | (uint32_t)u16(p + 2) << 16;
}

/* Does a section's data lie beyond the file's end? Headers beyond `size` are not looked at. */
static bool cut_short(const uint8_t *d, size_t size, size_t table, unsigned sections,
		      uint64_t file_size)
{
	for (unsigned i = 0; i < sections; i++) {
		const uint8_t *s = d + table + (size_t)i * SECTION_HEADER;

		if (table + (size_t)(i + 1) * SECTION_HEADER > size)
			return false;
		if (u32(s + SECTION_OFFSET) && u32(s + SECTION_BYTES) &&
		    (uint64_t)u32(s + SECTION_OFFSET) + u32(s + SECTION_BYTES) > file_size)
			return true;
	}
	return false;
}

const char *pe_check(const uint8_t *d, size_t size, uint64_t file_size)
{
	const uint8_t *coff, *opt;
	uint32_t at;

	if (size == 0)
		return "is empty";
	if (size >= 4 && memcmp(d, "\177ELF", 4) == 0)
		return "is a Linux program, not a Windows one";
	if (size < DOS_HEADER || d[0] != 'M' || d[1] != 'Z')
		return "is not a Windows program (it has no MZ header)";
	at = u32(d + DOS_LFANEW);
	if (at > file_size || file_size - at < 4 + COFF_HEADER || at > size ||
	    size - at < 4 + COFF_HEADER + OPT_MIN_SIZE)
		return "is not a whole Windows program (its PE header lies outside the file)";
	if (memcmp(d + at, "PE\0\0", 4) != 0)
		return "is not a 32- or 64-bit Windows program (it has no PE header)";
	coff = d + at + 4;
	opt = coff + COFF_HEADER;
	switch (u16(coff + COFF_MACHINE)) {
	case MACHINE_AMD64:
		break;
	case MACHINE_I386:
		return "is a 32-bit program; only x86-64 ones can be run";
	case MACHINE_ARM64:
		return "is an ARM64 program; only x86-64 ones can be run";
	default:
		return "is for another processor; only x86-64 programs can be run";
	}
	if (u16(coff + COFF_CHARACTER) & IS_DLL)
		return "is a DLL; a DLL cannot be run by itself";
	if (!(u16(coff + COFF_CHARACTER) & IS_EXECUTABLE))
		return "is an object file that was not linked";
	if (u16(coff + COFF_OPT_SIZE) < OPT_MIN_SIZE || u16(opt) != PE32_PLUS)
		return "is damaged (its optional header is not PE32+)";
	if (u16(coff + COFF_NSECTIONS) == 0 ||
	    (uint64_t)at + 4 + COFF_HEADER + u16(coff + COFF_OPT_SIZE) +
		    (uint64_t)u16(coff + COFF_NSECTIONS) * SECTION_HEADER >
		file_size)
		return "is damaged (its section table lies outside the file)";
	if (cut_short(d, size, at + 4 + COFF_HEADER + u16(coff + COFF_OPT_SIZE),
		      u16(coff + COFF_NSECTIONS), file_size))
		return "is not a whole Windows program (the file ends within a section)";
	if (u16(opt + OPT_SUBSYSTEM) == SUBSYSTEM_GUI)
		return "is a program with windows; only console programs can be run";
	if (u16(opt + OPT_SUBSYSTEM) != SUBSYSTEM_CUI)
		return "is not a console program";
	return NULL;
}
