/*
 * The shadow model of one thread's window of the address space: what Windows documents each page to
 * be after the calls so far. A window is WINDOW_PAGES pages at a fixed address; reservations just
 * below and above it keep free runs from reaching out of it, and nobody else allocates there.
 *
 * Contents: a page is written as a whole, by one tag: word i of every 256 bytes is a mix of tag,
 * address and i; tag 0 is a page of zeroes. Pages of views have theirs in the section's shadow.
 */
#ifndef NTMM_TESTS_FUZZ_MODEL_H
#define NTMM_TESTS_FUZZ_MODEL_H

#include "tests/guest/vm.h"

#define WINDOW_PAGES  4096u /* 16 MB */
#define WINDOW_BYTES  ((ULONG64)WINDOW_PAGES * PAGE)
#define GRANULE	      0x10000u
#define GRANULE_PAGES (GRANULE / PAGE)
#define MAX_REGIONS   1024u
#define WORDS_CHECKED 16u

enum page_state { P_FREE, P_RESERVED, P_COMMITTED };
enum region_kind { R_PRIVATE, R_PLACEHOLDER, R_REPLACED, R_VIEW };

struct shadow_section; /* section.h */

struct content {
	ULONG tag;	/* 0: zeroes */
	ULONG key;	/* the page it was written to */
	UCHAR doubtful; /* MEM_RESET: the tag's bytes or zeroes */
};
struct page {
	UCHAR state;   /* enum page_state */
	UCHAR written; /* as a write watch sees it */
	UCHAR kept;    /* so even after a decommit: its protection was changed since */
	UCHAR offered;
	UCHAR copied;	/* of a copy-on-write view: private by now */
	USHORT region;	/* 0: none */
	USHORT protect; /* PAGE_*; of committed pages */
	struct content own;
};
struct region {
	ULONG first, pages; /* pages 0: not in use */
	ULONG protect;	    /* AllocationProtect */
	UCHAR kind;	    /* enum region_kind */
	UCHAR watched;
	struct shadow_section *section; /* R_VIEW */
	ULONG section_page;
};

/* What a thread is about to do, for the report of a mismatch. */
struct step {
	const char *call;
	ULONG64 base, size;
	ULONG type, protect;
	LONG got, want;
};

struct fuzzer {
	ULONG64 base; /* of the window */
	ULONG64 random;
	ULONG thread;
	ULONG64 seed, steps, done;
	struct step step;
	BOOL failed;
	struct page page[WINDOW_PAGES];
	struct region region[MAX_REGIONS];
	/* the access that faulted last (fault.h) */
	EXCEPTION_RECORD record;
};

static inline ULONG64 next_random(struct fuzzer *f)
{
	f->random ^= f->random >> 12;
	f->random ^= f->random << 25;
	f->random ^= f->random >> 27;
	return f->random * 0x2545f4914f6cdd1dull >> 16;
}

static inline ULONG below(struct fuzzer *f, ULONG n)
{
	return (ULONG)(next_random(f) % n);
}

static inline BOOL chance(struct fuzzer *f, ULONG percent)
{
	return below(f, 100) < percent;
}

static inline ULONG64 page_va(const struct fuzzer *f, ULONG page)
{
	return f->base + (ULONG64)page * PAGE;
}

static inline ULONG new_region(struct fuzzer *f)
{
	for (ULONG i = 1; i < MAX_REGIONS; i++)
		if (!f->region[i].pages)
			return i;
	return 0;
}

/* Pages [first, end) become part of region r as its whole. */
static inline void set_region(struct fuzzer *f, ULONG r, ULONG first, ULONG end)
{
	f->region[r].first = first;
	f->region[r].pages = end - first;
	for (ULONG i = first; i < end; i++)
		f->page[i].region = (USHORT)r;
}

static inline void clear_pages(struct fuzzer *f, ULONG first, ULONG end, UCHAR state)
{
	for (ULONG i = first; i < end; i++) {
		USHORT region = f->page[i].region;

		f->page[i] = (struct page){.state = state};
		if (state != P_FREE)
			f->page[i].region = region;
	}
}

/* A region boundary at page `at`, which is inside region r: what lies right of it is a new one. */
static inline BOOL cut_region(struct fuzzer *f, ULONG r, ULONG at)
{
	ULONG n = new_region(f), end = f->region[r].first + f->region[r].pages;

	if (!n)
		return FALSE;
	f->region[n] = f->region[r];
	set_region(f, n, at, end);
	f->region[r].pages = at - f->region[r].first;
	return TRUE;
}

/* What VirtualQuery says about page i. */
static inline MEMORY_BASIC_INFORMATION expected(const struct fuzzer *f, ULONG i)
{
	const struct page *p = &f->page[i];
	MEMORY_BASIC_INFORMATION m = {.BaseAddress = (void *)page_va(f, i)};
	ULONG end = WINDOW_PAGES, j = i + 1;

	if (p->state == P_FREE) {
		while (j < end && f->page[j].state == P_FREE)
			j++;
		m.State = MEM_FREE;
		m.Protect = PAGE_NOACCESS;
	} else {
		const struct region *r = &f->region[p->region];

		end = r->first + r->pages;
		while (j < end && f->page[j].state == p->state &&
		       (p->state != P_COMMITTED || f->page[j].protect == p->protect))
			j++;
		m.AllocationBase = (void *)page_va(f, r->first);
		m.AllocationProtect = r->protect;
		m.State = p->state == P_COMMITTED ? MEM_COMMIT : MEM_RESERVE;
		m.Protect = p->state == P_COMMITTED ? p->protect : 0;
		m.Type = r->kind == R_VIEW ? MEM_MAPPED : MEM_PRIVATE;
	}
	m.RegionSize = (SIZE_T)(j - i) * PAGE;
	return m;
}

static inline ULONG64 pattern(const struct content *c, ULONG i)
{
	ULONG64 x = (ULONG64)c->tag << 32 ^ (ULONG64)c->key << 8 ^ i;

	return c->tag ? (x ^ x >> 29) * 0xbf58476d1ce4e5b9ull | 1 : 0;
}

#endif
