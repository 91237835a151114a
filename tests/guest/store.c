/*
 * store [MB [THREADS]]: memory of every kind that the store of compressed pages has to deal with
 * (run it with --memory-compression and less RAM than MB): pages that shrink to a little, to half,
 * not at all; pages of a pagefile section; pages rewritten, decommitted, reset, protected and
 * copied on write while they are compressed. Each page's contents follow from its number and the
 * times it was written.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#define PAGE	 4096u
#define WORDS	 (PAGE / 8)
#define MOST_THR 4u

enum kind { ZEROS, FEW_WORDS, TEXT, HALF_NOISE, MORE_NOISE, NOISE, KINDS };

static volatile LONG errors;
static size_t pages;
static unsigned threads;
static uint8_t *private_memory, *view;
static uint8_t *times; /* how often each page was written; 0: must read as zeros */

static void fail(const char *what, size_t page)
{
	if (InterlockedIncrement(&errors) <= 10)
		printf("page %llu: %s\n", (unsigned long long)page, what);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ x >> 27) * 0x94d049bb133111ebull;
	return x ^ x >> 31;
}

/* Word i of a page. */
static uint64_t word(size_t page, unsigned written, unsigned i)
{
	uint64_t id = page * 256 + written, noise = mix(id * WORDS + i);

	if (!written)
		return 0;
	switch ((page ^ written) % KINDS) {
	case ZEROS:
		return i == id % WORDS ? id : 0;
	case FEW_WORDS:
		return id + i % 7;
	case TEXT: /* of sixteen words */
		return mix(noise & 15);
	case HALF_NOISE:
		return i & 4 ? noise : id;
	case MORE_NOISE:
		return i % 8 < 5 ? noise : id;
	default:
		return noise;
	}
}

static void fill(uint8_t *at, size_t page)
{
	uint64_t *w = (uint64_t *)at;

	times[page]++;
	for (unsigned i = 0; i < WORDS; i++)
		w[i] = word(page, times[page], i);
}

static void check(const uint8_t *at, size_t page)
{
	const uint64_t *w = (const uint64_t *)at;

	for (unsigned i = 0; i < WORDS; i++) {
		if (w[i] != word(page, times[page], i)) {
			fail("other contents than were written", page);
			return;
		}
	}
}

/* Pages belong to threads by turns of 16; the upper half of them are those of the section. */
static uint8_t *where(size_t page)
{
	return page < pages / 2 ? private_memory + page * PAGE : view + (page - pages / 2) * PAGE;
}

static void change(size_t page, unsigned how)
{
	uint8_t *at = where(page);
	DWORD old;

	switch (how % 8) {
	case 0: /* decommitted and committed again: zeros */
		if (page >= pages / 2)
			break;
		if (!VirtualFree(at, PAGE, MEM_DECOMMIT) ||
		    !VirtualAlloc(at, PAGE, MEM_COMMIT, PAGE_READWRITE))
			fail("decommit and commit", page);
		times[page] = 0;
		break;
	case 1: /* read through another protection */
		if (!VirtualProtect(at, PAGE, PAGE_READONLY, &old))
			fail("VirtualProtect", page);
		check(at, page);
		if (!VirtualProtect(at, PAGE, old, &old))
			fail("VirtualProtect back", page);
		break;
	case 2: /* given up, then written: only the new contents count */
		if (page < pages / 2 && !VirtualAlloc(at, PAGE, MEM_RESET, PAGE_READWRITE))
			fail("MEM_RESET", page);
		fill(at, page);
		break;
	case 3: /* locked in memory for a while */
		if (VirtualLock(at, PAGE)) {
			check(at, page);
			VirtualUnlock(at, PAGE);
		}
		break;
	case 4:
	case 5:
		fill(at, page);
		break;
	default:
		check(at, page);
	}
}

static DWORD WINAPI work(void *number)
{
	unsigned mine = (unsigned)(uintptr_t)number;
	uint64_t random = mine + 1;

	for (size_t page = 0; page < pages; page++)
		if (page / 16 % threads == mine)
			fill(where(page), page);
	for (unsigned round = 0; round < 2; round++) {
		for (size_t n = 0; n < pages / threads; n++) {
			random = mix(random + n);
			size_t page = random % pages;

			if (page / 16 % threads == mine)
				change(page, (unsigned)(random >> 40));
		}
		for (size_t page = pages; page-- > 0;)
			if (page / 16 % threads == mine)
				check(where(page), page);
	}
	return 0;
}

/* A private copy of a compressed page of the section is the same page, and then its own. (A view of
 * a part: all of it is charged to commit.) */
static void copy_on_write(HANDLE section)
{
	size_t there = pages - pages / 2, some = there < 1024 ? there : 1024;
	uint8_t *copy = MapViewOfFile(section, FILE_MAP_COPY, 0, 0, some * PAGE);

	if (!copy) {
		fail("MapViewOfFile for copies", 0);
		return;
	}
	for (size_t page = pages / 2; page < pages / 2 + some; page += 9) {
		uint8_t *at = copy + (page - pages / 2) * PAGE;

		check(at, page);
		at[0]++;
		check(where(page), page);
		at[0]--;
		check(at, page);
	}
	UnmapViewOfFile(copy);
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 10) : 96;
	HANDLE thread[MOST_THR], section;

	threads = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 10) : 2;
	if (!threads || threads > MOST_THR || !mb || mb > 4096) {
		fprintf(stderr, "store: MB from 1 to 4096, THREADS from 1 to %u\n", MOST_THR);
		return 2;
	}
	pages = mb << 8;
	times = calloc(pages, 1);
	private_memory =
	    VirtualAlloc(NULL, pages / 2 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	section = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0,
				     (DWORD)((pages - pages / 2) * PAGE), NULL);
	view = section ? MapViewOfFile(section, FILE_MAP_ALL_ACCESS, 0, 0, 0) : NULL;
	if (!times || !private_memory || !view) {
		fprintf(stderr, "store: no %zu MB\n", mb);
		return 1;
	}
	for (unsigned i = 0; i < threads; i++)
		thread[i] = CreateThread(NULL, 0, work, (void *)(uintptr_t)i, 0, NULL);
	for (unsigned i = 0; i < threads; i++)
		WaitForSingleObject(thread[i], INFINITE);
	copy_on_write(section);
	for (size_t page = 0; page < pages; page++)
		check(where(page), page);
	printf("%zu MB, errors %ld\n", mb, errors);
	return errors != 0;
}
