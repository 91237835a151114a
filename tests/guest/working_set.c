/* The working set as a program sees it: the list, single pages, names of mapped files, images. */
#include "tests/guest/vm.h"

#define PAGES 40u

static ULONG64 list[0x8000];

/* The entry of a page in the working set list, 0 when it is not there. */
static ULONG64 entry_of(const void *p)
{
	for (ULONG64 i = 1; i <= list[0]; i++)
		if (list[i] >> 12 == (ULONG_PTR)p >> 12)
			return list[i];
	return 0;
}

static void take_list(void)
{
	SIZE_T returned = 0;
	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 1, list, sizeof(list), &returned), 0);
	CHECK_EQ(returned, (list[0] + 1) * 8);
}

static void check_list(unsigned char *p)
{
	ULONG64 few[4] = {0};

	take_list();
	CHECK(list[0] > 4);
	CHECK_EQ(entry_of(p), 0);
	for (unsigned i = 0; i < PAGES; i += 2)
		p[i * PAGE] = 1;
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(protect_pages(p + 4 * PAGE, PAGE, PAGE_EXECUTE_READWRITE), 0);
	take_list();
	for (unsigned i = 0; i < PAGES; i++)
		CHECK_EQ(entry_of(p + i * PAGE) != 0, i % 2 == 0);
	/* protection code, share count 0, not shared */
	CHECK_EQ(entry_of(p) & 0x1ff, 4);
	CHECK_EQ(entry_of(p + 2 * PAGE) & 0x1ff, 1);
	CHECK_EQ(entry_of(p + 4 * PAGE) & 0x1ff, 6);
	for (ULONG64 i = 2; i <= list[0]; i++)
		if (list[i] >> 12 <= list[i - 1] >> 12)
			CHECK_EQ(list[i] >> 12, 0); /* ascending, each once */
	/* code of this program: shared, from an image */
	CHECK_EQ(entry_of((void *)probe_read) & 0x11f, 0x103);
	CHECK((entry_of((void *)probe_read) >> 5 & 7) >= 1);

	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 1, few, sizeof(few), NULL),
		 ST_INFO_LENGTH_MISMATCH);
	CHECK(few[0] > 4);
	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 1, few, 4, NULL), ST_INFO_LENGTH_MISMATCH);
}

static void check_pages(unsigned char *p)
{
	ULONG64 several[40][2] = {{0}};

	CHECK_EQ(resident(p) & (WS_VALID | WS_SHARED | WS_LOCKED | WS_LARGE), WS_VALID);
	CHECK_EQ(WS_PROTECT(resident(p)), PAGE_READWRITE);
	CHECK_EQ(WS_PROTECT(resident(p + 2 * PAGE)), PAGE_READONLY);
	CHECK_EQ(WS_PROTECT(resident(p + 4 * PAGE)), PAGE_EXECUTE_READWRITE);
	CHECK_EQ(WS_SHARE(resident(p)), 0);
	CHECK_EQ(resident((void *)probe_read) & (WS_VALID | WS_SHARED), WS_VALID | WS_SHARED);
	CHECK_EQ(WS_PROTECT(resident((void *)probe_read)), PAGE_EXECUTE_READ);
	/* any address will do */
	CHECK_EQ(resident(NULL), 0);
	CHECK_EQ(resident((void *)~(ULONG_PTR)0), 0);
	CHECK_EQ(resident((void *)0xffff800000000000ull), 0);
	CHECK_EQ(resident(p + PAGE) & WS_VALID, 0);
	for (unsigned i = 0; i < 40; i++)
		several[i][0] = (ULONG_PTR)p + i * PAGE + i;
	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 4, several, sizeof(several), NULL), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		CHECK_EQ(several[i][1] & 1, i % 2 == 0);
		CHECK_EQ(several[i][0], (ULONG_PTR)p + i * PAGE + i);
	}
	CHECK_EQ(NtQueryVirtualMemory(SELF, NULL, 4, several, 15, NULL), ST_INFO_LENGTH_MISMATCH);
	/* where the others are: resident, modified; then in the pagefile */
	CHECK_EQ(debug(DEBUG_TRIM), 0);
	CHECK_EQ(resident(p) & WS_VALID, 0);
	CHECK_EQ(resident(p) >> 22 & 3, 1);
	send_all_to_pagefile();
	CHECK_EQ(resident(p) >> 22 & 3, 2);
	CHECK_EQ(p[0], 1);
	CHECK_EQ(resident(p) & WS_VALID, WS_VALID);
}

static char variable = 1;

static void check_image(unsigned char *p)
{
	struct {
		ULONG_PTR base, size;
		ULONG flags, pad;
	} image;
	union {
		struct {
			USHORT bytes, room;
			ULONG pad;
			WCHAR *text;
		} name;
		char room[600];
	} file;
	SIZE_T returned = 0;
	const unsigned char *mz;

	CHECK_EQ(NtQueryVirtualMemory(SELF, &variable, 6, &image, sizeof(image), &returned), 0);
	CHECK_EQ(returned, sizeof(image));
	mz = (const unsigned char *)image.base;
	CHECK_EQ(image.base, basic(&variable).AllocationBase);
	CHECK(mz[0] == 'M' && mz[1] == 'Z');
	CHECK(image.base + image.size > (ULONG_PTR)&variable);
	CHECK_EQ(NtQueryVirtualMemory(SELF, p, 6, &image, sizeof(image), NULL), 0);
	CHECK_EQ(image.base, 0);
	CHECK_EQ(NtQueryVirtualMemory(SELF, (void *)0x12340000, 6, &image, sizeof(image), NULL),
		 ST_INVALID_ADDRESS);
	CHECK_EQ(NtQueryVirtualMemory(SELF, p, 6, &image, sizeof(image) - 1, NULL),
		 ST_INFO_LENGTH_MISMATCH);
	/* a copied page of the image is private from then on */
	*(volatile char *)&variable = 2;
	CHECK_EQ(resident(&variable) & (WS_VALID | WS_SHARED), WS_VALID);

	CHECK_EQ(NtQueryVirtualMemory(SELF, &variable, 2, &file, sizeof(file), &returned), 0);
	CHECK_EQ(file.name.text, &file.name + 1);
	CHECK_EQ(file.name.text[0], '\\');
	CHECK_EQ(file.name.text[file.name.bytes / 2], 0);
	CHECK_EQ(file.name.text[file.name.bytes / 2 - 1], 'e'); /* .exe */
	CHECK_EQ(returned, sizeof(file.name) + file.name.bytes + 2u);
	CHECK_EQ(NtQueryVirtualMemory(SELF, &variable, 2, &file, 30, &returned),
		 ST_BUFFER_OVERFLOW);
	CHECK(returned > 30);
	CHECK_EQ(NtQueryVirtualMemory(SELF, &variable, 2, &file, 8, NULL), ST_INFO_LENGTH_MISMATCH);
	CHECK_EQ(NtQueryVirtualMemory(SELF, p, 2, &file, sizeof(file), NULL), ST_INVALID_ADDRESS);
}

int main(void)
{
	unsigned char *p;

	probes_begin();
	p = allocate(PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	check_list(p);
	check_pages(p);
	check_image(p);
	return checks_end();
}
