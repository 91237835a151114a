/*
 * The calls of the fuzzer: each picks arguments, foretells status and effect from the model, calls,
 * and compares. A status that no model can foretell (no quota to lock) is let pass where it is
 * named.
 */
#ifndef NTMM_TESTS_FUZZ_OPS_H
#define NTMM_TESTS_FUZZ_OPS_H

#include "tests/guest/fuzz/access.h"

#define ARRAY_COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define PICK(f, a)     ((a)[below(f, ARRAY_COUNT(a))])

/* A range as a caller may give it: bytes, perhaps crooked. Pages it covers: first .. end - 1. */
struct range {
	ULONG64 base, size;
	ULONG first, end;
};

static inline struct range bytes_range(struct fuzzer *f, ULONG64 base, ULONG64 size)
{
	struct range r = {base, size, (ULONG)((base - f->base) / PAGE), 0};

	r.end = size ? (ULONG)((base + size - f->base + PAGE - 1) / PAGE) : r.first;
	return r;
}

static inline struct range pick_range(struct fuzzer *f)
{
	static const ULONG most[] = {2, 4, 16, 16, 32, 64, 256};
	ULONG page = below(f, WINDOW_PAGES), pages = 1 + below(f, PICK(f, most)), end;
	const struct region *r = &f->region[f->page[page].region];
	ULONG64 base, size;

	if (f->page[page].region && chance(f, 65)) { /* within what is there */
		ULONG room = r->first + r->pages - page;

		if (chance(f, 35))
			page = r->first;
		if (chance(f, 25))
			pages = r->first + r->pages - page;
		else if (pages > room && chance(f, 90))
			pages = 1 + below(f, room);
	}
	end = page + pages > WINDOW_PAGES ? WINDOW_PAGES : page + pages;
	base = page_va(f, page);
	size = (ULONG64)(end - page) * PAGE;
	if (chance(f, 12)) { /* not whole pages */
		base += below(f, PAGE);
		size -=
		    size > PAGE ? below(f, PAGE) : PAGE - 1 - below(f, PAGE - (base & (PAGE - 1)));
		if (base + size > f->base + WINDOW_BYTES)
			size = f->base + WINDOW_BYTES - base;
	}
	if (chance(f, 4))
		size = 0;
	return bytes_range(f, base, size);
}

/* The region that holds all of [first, end); 0: none */
static inline ULONG one_region(const struct fuzzer *f, ULONG first, ULONG end)
{
	ULONG r = f->page[first].region;

	return r && end <= f->region[r].first + f->region[r].pages ? r : 0;
}

static inline BOOL all_free(const struct fuzzer *f, ULONG first, ULONG end)
{
	for (ULONG i = first; i < end; i++)
		if (f->page[i].state != P_FREE)
			return FALSE;
	return TRUE;
}

static inline BOOL any_offered(const struct fuzzer *f, ULONG first, ULONG end)
{
	for (ULONG i = first; i < end; i++)
		if (f->page[i].offered)
			return TRUE;
	return FALSE;
}

static inline void begin_step(struct fuzzer *f, const char *call, const struct range *r, ULONG type,
			      ULONG protect, LONG want)
{
	f->step = (struct step){call, r->base, r->size, type, protect, 0, want};
}

/* Compares what a call returned, and what it wrote back: the rounded range, or on failure nothing.
 */
static inline void end_step(struct fuzzer *f, LONG got, const struct range *r, void *const *base,
			    const SIZE_T *size)
{
	ULONG64 want_base = r->base, want_size = r->size;

	f->step.got = got;
	if (!f->step.want) {
		want_base = page_va(f, r->first);
		want_size = (ULONG64)(r->end - r->first) * PAGE;
	}
	if (got != f->step.want || (ULONG64)*base != want_base || *size != want_size) {
		printf("fuzz: %s gave base %p size 0x%llx, not 0x%llx 0x%llx\n", f->step.call,
		       *base, (unsigned long long)*size, want_base, want_size);
		f->failed = TRUE;
	}
}

/* ---- allocation ---- */

static const ULONG good_protects[] = {
    PAGE_READWRITE,
    PAGE_READWRITE,
    PAGE_READWRITE,
    PAGE_READWRITE,
    PAGE_READONLY,
    PAGE_NOACCESS,
    PAGE_EXECUTE,
    PAGE_EXECUTE_READ,
    PAGE_EXECUTE_READWRITE,
    PAGE_READWRITE | PAGE_GUARD,
    PAGE_READONLY | PAGE_GUARD,
};
static const ULONG bad_protects[] = {
    0,
    PAGE_READWRITE | PAGE_READONLY,
    PAGE_NOACCESS | PAGE_GUARD,
    PAGE_GUARD,
    0x1000,
    0x44,
    PAGE_EXECUTE_READ | 0x800000,
    PAGE_READWRITE | PAGE_NOCACHE | PAGE_GUARD,
};

static inline ULONG pick_protect(struct fuzzer *f, BOOL *legal)
{
	*legal = !chance(f, 3);
	return *legal ? PICK(f, good_protects) : PICK(f, bad_protects);
}

/* The model of MEM_COMMIT inside region r. */
static inline void commit_pages(struct fuzzer *f, ULONG r, ULONG first, ULONG end, ULONG protect)
{
	struct region *g = &f->region[r];

	for (ULONG i = first; i < end; i++) {
		struct page *p = &f->page[i];

		p->kept |= p->written && p->state == P_COMMITTED && p->protect != protect;
	}
	for (ULONG i = first; i < end; i++) {
		struct page *p = &f->page[i];
		ULONG at = g->section_page + i - g->first;

		p->state = P_COMMITTED;
		p->protect = (USHORT)protect;
		if (p->copied && is_copy_on_write(protect))
			p->protect = (USHORT)((protect & PAGE_GUARD) |
					      (protect & PAGE_WRITECOPY ? PAGE_READWRITE
									: PAGE_EXECUTE_READWRITE));
		if (g->kind != R_VIEW || g->section->committed[at])
			continue;
		g->section->committed[at] = TRUE;
		for (ULONG k = 1; k < MAX_REGIONS; k++) { /* every other view shows it */
			struct region *v = &f->region[k];
			ULONG j = v->first + at - v->section_page;

			if (v->pages && k != r && v->section == g->section &&
			    at >= v->section_page && j < v->first + v->pages)
				f->page[j].state = P_COMMITTED;
		}
	}
}

/* Access an AllocationProtect stands for: 1 read, 2 write, 4 execute. */
static inline ULONG access_of(ULONG protect)
{
	switch (protect & 0xff) {
	case PAGE_READONLY:
	case PAGE_WRITECOPY:
		return 1;
	case PAGE_READWRITE:
		return 3;
	case PAGE_EXECUTE:
	case PAGE_EXECUTE_READ:
	case PAGE_EXECUTE_WRITECOPY:
		return 5;
	case PAGE_EXECUTE_READWRITE:
		return 7;
	}
	return 0;
}

static inline LONG expect_commit(const struct fuzzer *f, const struct range *g, ULONG protect)
{
	ULONG r = one_region(f, g->first, g->end);

	if (!r || f->region[r].kind == R_PLACEHOLDER)
		return ST_CONFLICTING_ADDRESSES;
	if (f->region[r].kind == R_VIEW && access_of(protect) & ~access_of(f->region[r].protect))
		return ST_SECTION_PROTECTION;
	return 0;
}

static void op_allocate(struct fuzzer *f)
{
	static const ULONG types[] = {
	    MEM_COMMIT,
	    MEM_COMMIT,
	    MEM_COMMIT,
	    MEM_COMMIT,
	    MEM_RESERVE,
	    MEM_RESERVE,
	    MEM_RESERVE | MEM_COMMIT,
	    MEM_RESERVE | MEM_COMMIT,
	    MEM_RESERVE | MEM_COMMIT | MEM_TOP_DOWN,
	    MEM_RESERVE | MEM_WRITE_WATCH,
	    MEM_RESERVE | MEM_COMMIT | MEM_WRITE_WATCH,
	};
	static const ULONG bad_types[] = {
	    0,
	    MEM_TOP_DOWN,
	    MEM_COMMIT | MEM_WRITE_WATCH,
	    MEM_RESET | MEM_COMMIT,
	    MEM_DECOMMIT,
	    MEM_RESERVE | 0x40000,
	    0x40000000 | MEM_COMMIT,
	    MEM_RESET | 0x1000000,
	};
	BOOL legal_type = !chance(f, 3), legal_protect;
	ULONG type = legal_type ? PICK(f, types) : PICK(f, bad_types), r;
	ULONG protect = pick_protect(f, &legal_protect);
	struct range g = pick_range(f);
	LONG want = 0;
	void *base = (void *)g.base;
	SIZE_T size = g.size;

	if (any_offered(f, g.first, g.end))
		return;
	if (type & MEM_RESERVE && g.size) {
		ULONG first = g.first & ~(GRANULE_PAGES - 1);

		if (!legal_type || !legal_protect)
			;
		else if (!all_free(f, first, g.end))
			want = ST_CONFLICTING_ADDRESSES;
		else
			g.first = first;
	} else if (g.size) {
		want = expect_commit(f, &g, protect);
	} else {
		want = ST_INVALID_PARAMETER_4;
	}
	if (!legal_protect)
		want = ST_INVALID_PAGE_PROTECTION;
	if (!legal_type)
		want = ST_INVALID_PARAMETER;
	r = type & MEM_RESERVE ? new_region(f) : f->page[g.first].region;
	if (!want && !r)
		return;
	begin_step(f, "NtAllocateVirtualMemory", &g, type, protect, want);
	end_step(f, NtAllocateVirtualMemory(SELF, &base, 0, &size, type, protect), &g, &base,
		 &size);
	if (want || f->failed)
		return;
	if (type & MEM_RESERVE) {
		f->region[r] =
		    (struct region){.protect = protect, .watched = !!(type & MEM_WRITE_WATCH)};
		clear_pages(f, g.first, g.end, P_RESERVED);
		set_region(f, r, g.first, g.end);
	}
	if (type & MEM_COMMIT)
		commit_pages(f, r, g.first, g.end, protect);
}

/* The system chooses, within limits and an alignment. */
static void op_allocate_within(struct fuzzer *f)
{
	ULONG low = below(f, WINDOW_PAGES) & ~(GRANULE_PAGES - 1),
	      align = GRANULE_PAGES << below(f, 4);
	ULONG high = low + 1 + below(f, WINDOW_PAGES - low), pages = 1 + below(f, 200);
	ULONG type =
	    MEM_RESERVE | (chance(f, 50) ? MEM_COMMIT : 0) | (chance(f, 40) ? MEM_TOP_DOWN : 0);
	ULONG64 requirements[3] = {page_va(f, low), page_va(f, high) - 1, (ULONG64)align * PAGE};
	ULONG64 parameter[2] = {1, (ULONG64)requirements};
	struct range g = {0, (ULONG64)pages * PAGE, 0, 0};
	void *base = NULL;
	SIZE_T size = g.size;
	ULONG r = new_region(f), fits = 0, step = align;

	for (ULONG i = (low + align - 1) / step * step; i + pages <= high && !fits; i += step)
		fits = all_free(f, i, i + pages);
	if (!r)
		return;
	begin_step(f, "NtAllocateVirtualMemoryEx, within limits", &g, type, PAGE_READWRITE,
		   fits ? 0 : ST_NO_MEMORY);
	f->step.base = requirements[0];
	f->step.got =
	    NtAllocateVirtualMemoryEx(SELF, &base, &size, type, PAGE_READWRITE, parameter, 1);
	if (!f->step.got) {
		g = bytes_range(f, (ULONG64)base, size);
		f->failed = size != g.size || g.first < low || g.end > high || g.first % align ||
			    !all_free(f, g.first, g.end);
	}
	f->failed |= f->step.got != f->step.want;
	if (f->step.got || f->failed)
		return;
	f->region[r] = (struct region){.protect = PAGE_READWRITE};
	clear_pages(f, g.first, g.end, P_RESERVED);
	set_region(f, r, g.first, g.end);
	if (type & MEM_COMMIT)
		commit_pages(f, r, g.first, g.end, PAGE_READWRITE);
}

#define MEM_PRESERVE  2u
#define MEM_COALESCE  1u
#define MEM_REPLACE   0x4000u
#define MEM_PLACEHOLD 0x40000u

static void op_placeholder(struct fuzzer *f)
{
	struct range g = pick_range(f);
	BOOL replace = chance(f, 60);
	ULONG type = MEM_RESERVE | (replace ? MEM_REPLACE | (chance(f, 60) ? MEM_COMMIT : 0) |
						  (chance(f, 20) ? MEM_WRITE_WATCH : 0)
					    : MEM_PLACEHOLD);
	ULONG protect = replace ? PAGE_READWRITE : PAGE_NOACCESS, r;
	LONG want = 0;
	void *base;
	SIZE_T size;

	if (!g.size)
		return;
	if (replace) { /* whole pages, as VirtualAlloc2 has it */
		for (ULONG i = 0; i < 8 && f->region[f->page[g.first].region].kind != R_PLACEHOLDER;
		     i++)
			g = pick_range(f);
		if (!g.size)
			return;
		g = bytes_range(f, page_va(f, g.first), (ULONG64)(g.end - g.first) * PAGE);
		r = one_region(f, g.first, g.end);
		if (!r || f->region[r].kind != R_PLACEHOLDER || f->region[r].first != g.first ||
		    f->region[r].pages != g.end - g.first)
			want = ST_CONFLICTING_ADDRESSES;
	} else {
		ULONG first = g.first & ~(GRANULE_PAGES - 1);

		if (!all_free(f, first, g.end))
			want = ST_CONFLICTING_ADDRESSES;
		else
			g.first = first;
		r = new_region(f);
	}
	if (!want && !r)
		return;
	base = (void *)g.base;
	size = g.size;
	begin_step(f, "NtAllocateVirtualMemoryEx, placeholder", &g, type, protect, want);
	end_step(f, NtAllocateVirtualMemoryEx(SELF, &base, &size, type, protect, NULL, 0), &g,
		 &base, &size);
	if (want || f->failed)
		return;
	f->region[r] = (struct region){.protect = protect,
				       .kind = replace ? R_REPLACED : R_PLACEHOLDER,
				       .watched = !!(type & MEM_WRITE_WATCH)};
	clear_pages(f, g.first, g.end, P_RESERVED);
	set_region(f, r, g.first, g.end);
	if (type & MEM_COMMIT)
		commit_pages(f, r, g.first, g.end, protect);
}

/* ---- free ---- */

static inline LONG expect_coalesce(const struct fuzzer *f, const struct range *g)
{
	const struct region *r = &f->region[f->page[g->first].region];
	ULONG i = g->first;

	if (f->page[i].region && r->first + r->pages >= g->end)
		return ST_CONFLICTING_ADDRESSES; /* one is not enough */
	while (i < g->end) {
		r = &f->region[f->page[i].region];
		if (!f->page[i].region || r->kind != R_PLACEHOLDER || r->first != i)
			return ST_CONFLICTING_ADDRESSES;
		i += r->pages;
	}
	return i == g->end ? 0 : ST_CONFLICTING_ADDRESSES;
}

/* *g becomes the range that goes. */
static inline LONG expect_free(struct fuzzer *f, ULONG type, struct range *g)
{
	ULONG r = f->page[g->first].region;
	const struct region *v = &f->region[r];

	if (type == (MEM_RELEASE | MEM_COALESCE))
		return g->size ? expect_coalesce(f, g) : ST_INVALID_PARAMETER_3;
	if (type == (MEM_RELEASE | MEM_PRESERVE) && !g->size)
		return ST_INVALID_PARAMETER_3;
	if (!r)
		return ST_MEMORY_NOT_ALLOCATED;
	if (v->kind == R_VIEW)
		return ST_UNABLE_TO_DELETE_SECTION;
	if (!g->size && g->first != v->first)
		return ST_FREE_VM_NOT_AT_BASE;
	if (!g->size)
		g->end = v->first + v->pages;
	if (g->end > v->first + v->pages)
		return ST_UNABLE_TO_FREE_VM;
	if (type == MEM_DECOMMIT)
		return v->kind == R_PLACEHOLDER ? ST_CONFLICTING_ADDRESSES : 0;
	if (type & MEM_PRESERVE) {
		BOOL whole = g->first == v->first && g->end == v->first + v->pages;

		if (v->kind == R_PLACEHOLDER ? whole : v->kind != R_REPLACED || !whole)
			return ST_CONFLICTING_ADDRESSES;
	}
	return 0;
}

static inline void merge_regions(struct fuzzer *f, ULONG first, ULONG end)
{
	ULONG r = f->page[first].region;

	for (ULONG i = first + f->region[r].pages, n; i < end; i += n) {
		ULONG gone = f->page[i].region;

		n = f->region[gone].pages;
		f->region[gone].pages = 0;
	}
	set_region(f, r, first, end);
}

static void op_free(struct fuzzer *f)
{
	static const ULONG types[] = {
	    MEM_DECOMMIT,
	    MEM_DECOMMIT,
	    MEM_RELEASE,
	    MEM_RELEASE,
	    MEM_RELEASE | MEM_PRESERVE,
	    MEM_RELEASE | MEM_COALESCE,
	};
	static const ULONG bad_types[] = {
	    0,
	    MEM_RELEASE | MEM_DECOMMIT,
	    MEM_FREE,
	    MEM_DECOMMIT | 1,
	    MEM_COALESCE,
	    MEM_PRESERVE,
	    MEM_RELEASE | MEM_PRESERVE | MEM_COALESCE,
	};
	BOOL legal = !chance(f, 3);
	ULONG type = legal ? PICK(f, types) : PICK(f, bad_types), r;
	struct range g = pick_range(f);
	BOOL whole = type == MEM_RELEASE && !chance(f, 40), empty;
	void *base;
	SIZE_T size;
	LONG want;

	if (whole)
		g = bytes_range(f, g.base, 0);
	if (type == (MEM_RELEASE | MEM_COALESCE) && chance(f, 70)) { /* two or three neighbours */
		ULONG first = f->region[f->page[g.first].region].first, end = first;

		for (ULONG n = 0; n < 3 && end < WINDOW_PAGES && f->page[end].region; n++)
			end += f->region[f->page[end].region].pages;
		if (end > first)
			g = bytes_range(f, page_va(f, first), (ULONG64)(end - first) * PAGE);
	}
	base = (void *)g.base;
	size = g.size;
	empty = !g.size;
	want = legal ? expect_free(f, type, &g) : ST_INVALID_PARAMETER_4;
	r = f->page[g.first].region;
	if (!want && type & MEM_RELEASE &&
	    type != (MEM_RELEASE | MEM_COALESCE)) { /* may cut twice */
		ULONG n = new_region(f);

		f->region[n].pages = 1;
		if (!n || !new_region(f)) {
			f->region[n].pages = 0;
			return;
		}
		f->region[n].pages = 0;
	}
	begin_step(f, "NtFreeVirtualMemory", &g, type, 0, want);
	f->step.got = NtFreeVirtualMemory(SELF, &base, &size, type);
	if (!want && type == MEM_DECOMMIT && empty) { /* its size stays 0 */
		f->failed = f->step.got || size || (ULONG64)base != page_va(f, g.first);
	} else {
		end_step(f, f->step.got, &g, &base, &size);
	}
	if (want || f->failed)
		return;
	if (type == MEM_DECOMMIT) {
		for (ULONG i = g.first; i < g.end; i++) {
			UCHAR kept = f->page[i].kept;

			clear_pages(f, i, i + 1, P_RESERVED);
			f->page[i].written = f->page[i].kept = kept;
		}
		return;
	}
	if (type & MEM_COALESCE) {
		merge_regions(f, g.first, g.end);
		return;
	}
	if (g.end < f->region[r].first + f->region[r].pages)
		cut_region(f, r, g.end);
	if (g.first > f->region[r].first) {
		cut_region(f, r, g.first);
		r = f->page[g.first].region;
	}
	if (type & MEM_PRESERVE) {
		f->region[r].kind = R_PLACEHOLDER;
		f->region[r].protect = PAGE_NOACCESS;
		f->region[r].watched = FALSE;
		clear_pages(f, g.first, g.end, P_RESERVED);
	} else {
		f->region[r].pages = 0;
		clear_pages(f, g.first, g.end, P_FREE);
	}
}

#endif
