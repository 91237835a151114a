/*
 * Pagefile sections of one thread, and the shadow of their pages. The pages a window's views show
 * are the section's: what one view wrote another reads, unless it has a copy of its own.
 */
#ifndef NTMM_TESTS_FUZZ_SECTION_H
#define NTMM_TESTS_FUZZ_SECTION_H

#include "tests/guest/fuzz/model.h"

#define SECTION_PAGES 256u
#define SECTIONS      4u /* a thread */

struct shadow_section {
	HANDLE handle;
	ULONG pages;
	ULONG protect; /* of the section */
	BOOL reserved; /* SEC_RESERVE: pages are committed one by one */
	BOOL committed[SECTION_PAGES];
	struct content content[SECTION_PAGES];
};

NTSYSAPI LONG NTAPI NtCreateSection(HANDLE *, ULONG access, void *attributes, LARGE_INTEGER *size,
				    ULONG protect, ULONG sec, HANDLE file);
NTSYSAPI LONG NTAPI NtMapViewOfSection(HANDLE section, HANDLE process, void *base, ULONG_PTR bits,
				       SIZE_T commit, LARGE_INTEGER *offset, SIZE_T *size,
				       ULONG inherit, ULONG type, ULONG protect);
NTSYSAPI LONG NTAPI NtMapViewOfSectionEx(HANDLE section, HANDLE process, void *base,
					 LARGE_INTEGER *offset, SIZE_T *size, ULONG type,
					 ULONG protect, void *parameters, ULONG count);
NTSYSAPI LONG NTAPI NtUnmapViewOfSectionEx(HANDLE process, void *base, ULONG flags);

#endif
