/*
 * Reading mapped images: headers, directories, sections, relocations.
 */
#include "guest/user/ntdll/ntdll.h"

PIMAGE_NT_HEADERS64 NTAPI RtlImageNtHeader(PVOID base)
{
	PIMAGE_DOS_HEADER dos = base;
	PIMAGE_NT_HEADERS64 nt;

	if (!base || base == (PVOID)(LONG_PTR)-1 || dos->e_magic != IMAGE_DOS_SIGNATURE ||
	    (ULONG)dos->e_lfanew >= 0x10000000)
		return NULL;
	nt = (PIMAGE_NT_HEADERS64)((char *)base + dos->e_lfanew);
	return nt->Signature == IMAGE_NT_SIGNATURE ? nt : NULL;
}

NTSTATUS NTAPI RtlImageNtHeaderEx(ULONG flags, PVOID base, ULONG64 size, PIMAGE_NT_HEADERS64 *out)
{
	PIMAGE_DOS_HEADER dos = base;

	if (!out || !base || base == (PVOID)(LONG_PTR)-1)
		return STATUS_INVALID_PARAMETER;
	*out = NULL;
	if (!(flags & 1) && size < sizeof(*dos))
		return STATUS_INVALID_IMAGE_FORMAT;
	if (dos->e_magic != IMAGE_DOS_SIGNATURE)
		return STATUS_INVALID_IMAGE_FORMAT;
	if (!(flags & 1) && (ULONG64)(ULONG)dos->e_lfanew + sizeof(IMAGE_NT_HEADERS64) > size)
		return STATUS_INVALID_IMAGE_FORMAT;
	*out = RtlImageNtHeader(base);
	return *out ? STATUS_SUCCESS : STATUS_INVALID_IMAGE_FORMAT;
}

PIMAGE_SECTION_HEADER NTAPI RtlImageRvaToSection(const IMAGE_NT_HEADERS *nt, PVOID base, ULONG rva)
{
	PIMAGE_SECTION_HEADER s = IMAGE_FIRST_SECTION((PIMAGE_NT_HEADERS64)nt);

	(void)base;
	for (unsigned i = 0; i < nt->FileHeader.NumberOfSections; i++, s++)
		if (rva >= s->VirtualAddress && rva < s->VirtualAddress + s->SizeOfRawData)
			return s;
	return NULL;
}

PVOID NTAPI RtlImageRvaToVa(const IMAGE_NT_HEADERS *nt, PVOID base, ULONG rva,
			    PIMAGE_SECTION_HEADER *last)
{
	PIMAGE_SECTION_HEADER s = last ? *last : NULL;

	if (!s || rva < s->VirtualAddress || rva >= s->VirtualAddress + s->SizeOfRawData)
		s = RtlImageRvaToSection(nt, base, rva);
	if (!s)
		return NULL;
	if (last)
		*last = s;
	return (char *)base + (rva - s->VirtualAddress) + s->PointerToRawData;
}

PVOID NTAPI RtlImageDirectoryEntryToData(PVOID base, BOOLEAN mapped, USHORT dir, PULONG size)
{
	PIMAGE_NT_HEADERS64 nt;
	ULONG rva;

	if ((ULONG_PTR)base & 1) { /* a data-file mapping, by convention */
		base = (PVOID)((ULONG_PTR)base & ~(ULONG_PTR)3);
		mapped = FALSE;
	}
	nt = RtlImageNtHeader(base);
	if (!nt || nt->OptionalHeader.Magic != IMAGE_NT_OPTIONAL_HDR64_MAGIC ||
	    dir >= nt->OptionalHeader.NumberOfRvaAndSizes)
		return NULL;
	rva = nt->OptionalHeader.DataDirectory[dir].VirtualAddress;
	if (!rva)
		return NULL;
	*size = nt->OptionalHeader.DataDirectory[dir].Size;
	if (mapped || rva < nt->OptionalHeader.SizeOfHeaders)
		return (char *)base + rva;
	return RtlImageRvaToVa((PIMAGE_NT_HEADERS)nt, base, rva, NULL);
}

/*
 * Applies one relocation block to a page: count TypeOffset words; delta is added. Returns the next
 * block, or NULL for a type that is not of this machine.
 */
PIMAGE_BASE_RELOCATION NTAPI LdrProcessRelocationBlock(PVOID page, ULONG count, PUSHORT items,
						       LONG_PTR delta)
{
	for (; count; count--, items++) {
		char *at = (char *)page + (*items & 0xfff);

		switch (*items >> 12) {
		case IMAGE_REL_BASED_ABSOLUTE:
			break;
		case IMAGE_REL_BASED_HIGH:
			*(USHORT *)at += HIWORD(delta);
			break;
		case IMAGE_REL_BASED_LOW:
			*(USHORT *)at += LOWORD(delta);
			break;
		case IMAGE_REL_BASED_HIGHLOW:
			*(ULONG *)at += (ULONG)delta;
			break;
		case IMAGE_REL_BASED_DIR64:
			*(ULONGLONG *)at += delta;
			break;
		default:
			return NULL;
		}
	}
	return (PIMAGE_BASE_RELOCATION)items;
}
