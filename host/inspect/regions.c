/*
 * A process's address space as regions, counted page by page: what is committed, what of it is in
 * the working set, and whether others have it, too. A region is an allocation or a view (a VAD), or
 * what lies between: free, or too small a rest below 64 KB for anything to begin there. Which
 * private regions are heaps the process's own memory tells (PEB, heaps); that they are stacks, its
 * threads.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/view.h"

#define GRANULARITY 0x10000ull
#define HEAPS_MOST  256u
#define LARGE_MOST  4096u /* blocks of their own, in one heap */
#define LOWEST	    0x10000ull

const char *const region_name[REGION_TYPES] = {
    [REGION_IMAGE] = "Image",	      [REGION_MAPPED_FILE] = "Mapped File",
    [REGION_SHAREABLE] = "Shareable", [REGION_HEAP] = "Heap",
    [REGION_STACK] = "Stack",	      [REGION_PRIVATE] = "Private Data",
    [REGION_TABLE] = "Page Table",    [REGION_UNUSABLE] = "Unusable",
    [REGION_FREE] = "Free",
};

/* ---- heaps ---- */

struct heaps {
	struct {
		uint64_t va;
		unsigned heap;
	} * at;
	unsigned n, room;
	bool unseen;
};

static void add_heap(struct heaps *h, uint64_t va, unsigned heap)
{
	if (h->n == h->room) {
		void *more = realloc(h->at, (h->room * 2 + 64) * sizeof(*h->at));

		if (!more)
			return;
		h->at = more;
		h->room = h->room * 2 + 64;
	}
	h->at[h->n].va = va;
	h->at[h->n++].heap = heap;
}

static void read_heap(struct look *l, const struct look_process *p, uint64_t heap, unsigned i,
		      struct heaps *h)
{
	uint8_t segments[NTMM_HEAP_SEGMENTS_MOST * NTMM_HEAP_SEGMENT_BYTES];
	uint64_t head = heap + NTMM_HEAP_LARGE, next;
	uint32_t signature;

	if (!look_user(l, p, heap + NTMM_HEAP_SIGNATURE, &signature, 4) ||
	    signature != NTMM_HEAP_SIGNATURE_IS) {
		h->unseen = true;
		return;
	}
	add_heap(h, heap, i);
	if (look_user(l, p, heap + NTMM_HEAP_SEGMENTS, segments, sizeof(segments)))
		for (unsigned k = 0; k < NTMM_HEAP_SEGMENTS_MOST; k++) {
			uint64_t base;

			memcpy(&base, segments + (size_t)k * NTMM_HEAP_SEGMENT_BYTES, 8);
			if (base)
				add_heap(h, base, i);
		}
	if (!look_user(l, p, head, &next, 8)) {
		h->unseen = true;
		return;
	}
	for (unsigned k = 0; next != head && k < LARGE_MOST && look_spend(l, 1); k++) {
		add_heap(h, next, i);
		if (!look_user(l, p, next, &next, 8)) {
			h->unseen = true;
			return;
		}
	}
}

static void read_heaps(struct look *l, const struct look_process *p, struct heaps *h)
{
	uint32_t count = 0;
	uint64_t array = 0;

	if (!p->peb)
		return;
	if (!look_user(l, p, p->peb + NTMM_PEB_HEAP_COUNT, &count, 4) ||
	    !look_user(l, p, p->peb + NTMM_PEB_HEAPS, &array, 8)) {
		h->unseen = true;
		return;
	}
	if (!array) /* it has not got that far */
		return;
	for (uint32_t i = 0; i < count && i < HEAPS_MOST; i++) {
		uint64_t heap;

		if (look_user(l, p, array + i * 8ull, &heap, 8) && heap)
			read_heap(l, p, heap, i, h);
	}
}

/* ---- what a region is ---- */

struct owner {
	const struct look_process *p;
	struct heaps heaps;
	struct look_thread *thread;
	unsigned threads;
};

static bool inside(uint64_t va, const struct look_vad *v)
{
	return va >= v->start && va < v->end;
}

static void name_private(const struct owner *o, const struct look_vad *v, struct region *r)
{
	r->type = REGION_PRIVATE;
	for (unsigned i = 0; i < o->heaps.n; i++)
		if (inside(o->heaps.at[i].va, v)) {
			r->type = REGION_HEAP;
			snprintf(r->details, sizeof(r->details), "Heap ID: %u",
				 o->heaps.at[i].heap);
			return;
		}
	for (unsigned i = 0; i < o->threads; i++)
		if (o->thread[i].user_stack && inside(o->thread[i].user_stack, v)) {
			r->type = REGION_STACK;
			snprintf(r->details, sizeof(r->details), "Thread ID: %u", o->thread[i].tid);
			return;
		}
	if (o->p->peb && inside(o->p->peb, v))
		strcpy(r->details, "PEB and TEBs");
	else if (v->placeholder)
		strcpy(r->details, "Placeholder");
	else if (v->write_watch)
		strcpy(r->details, "Write watch");
}

static void name_region(struct look *l, const struct owner *o, const struct look_vad *v,
			struct region *r)
{
	r->protection = v->win32_prot;
	switch (v->type) {
	case NTMM_VAD_IMAGE:
		r->type = REGION_IMAGE;
		look_file_name(l, v->file, r->details);
		return;
	case NTMM_VAD_MAPPED:
		r->type = v->file ? REGION_MAPPED_FILE : REGION_SHAREABLE;
		look_file_name(l, v->file, r->details);
		return;
	case NTMM_VAD_LARGE:
		r->type = v->ca ? REGION_SHAREABLE : REGION_PRIVATE;
		snprintf(r->details, sizeof(r->details), "Large pages, not in the working set");
		return;
	case NTMM_VAD_CFG:
		r->type = REGION_SHAREABLE;
		strcpy(r->details, "Control Flow Guard's bitmap");
		return;
	case NTMM_VAD_AWE:
		r->type = REGION_PRIVATE;
		strcpy(r->details, "AWE window, not in the working set");
		return;
	case NTMM_VAD_NONPAGED:
		r->type = REGION_PRIVATE;
		strcpy(r->details, "Nonpaged, not in the working set");
		return;
	case NTMM_VAD_SHARED_DATA:
		r->type = REGION_PRIVATE;
		strcpy(r->details, "KUSER_SHARED_DATA");
		return;
	default:
		name_private(o, v, r);
	}
}

/* ---- its pages ---- */

static void count_resident(struct look *l, const struct look_page *page, struct region *r)
{
	struct look_frame f;

	if (page->bytes != LOOK_PAGE || !look_frame(l, page->frame, &f) || !look_in_ws(&f))
		return;
	r->ws += LOOK_PAGE;
	if (f.flags & NTMM_PFN_F_PROTOTYPE) {
		r->ws_shareable += LOOK_PAGE;
		r->ws_shared += f.share > 1 ? LOOK_PAGE : 0;
	} else {
		r->ws_private += LOOK_PAGE;
	}
	r->ws_locked += page->pte & NTMM_PTE_LOCKED ? LOOK_PAGE : 0;
}

static void count_pages(struct look *l, const struct look_process *p, const struct look_vad *v,
			struct region *r)
{
	struct look_page page, last = {0};
	uint64_t block = 0;

	for (uint64_t va = v->start; va < v->end; va = page.next) {
		look_page(l, p, v, va, &page);
		if (va == v->start || page.committed != last.committed ||
		    (page.committed && page.prot != last.prot)) {
			r->blocks++;
			block = 0;
		}
		block += page.next - va;
		r->largest = block > r->largest ? block : r->largest;
		r->committed += page.committed ? page.next - va : 0;
		if (page.resident)
			count_resident(l, &page, r);
		last = page;
	}
}

/* ---- all of it ---- */

static struct region *add_region(struct regions *rs, uint64_t start, uint64_t end)
{
	struct region *more;

	if (rs->n % 64 == 0) {
		more = realloc(rs->region, (rs->n + 64) * sizeof(*more));
		if (!more)
			return NULL;
		rs->region = more;
	}
	more = &rs->region[rs->n++];
	*more = (struct region){.start = start, .end = end};
	return more;
}

/* What lies between two regions. */
static bool add_gap(struct regions *rs, uint64_t start, uint64_t end)
{
	uint64_t next = (start + GRANULARITY - 1) & ~(GRANULARITY - 1);
	struct region *r;

	next = next > end ? end : next;
	for (unsigned pass = 0; pass < 2; pass++) {
		uint64_t from = pass ? next : start, to = pass ? end : next;

		if (from >= to)
			continue;
		r = add_region(rs, from, to);
		if (!r)
			return false;
		r->type = pass ? REGION_FREE : REGION_UNUSABLE;
		r->blocks = 1;
		r->largest = to - from;
	}
	return true;
}

static bool add_all(struct look *l, const struct owner *o, const struct look_vad *v, unsigned n,
		    struct regions *out)
{
	uint64_t at = LOWEST;

	for (unsigned i = 0; i < n; i++) {
		struct region *r;

		if (v[i].start > at && !add_gap(out, at, v[i].start))
			return false;
		r = add_region(out, v[i].start, v[i].end);
		if (!r)
			return false;
		r->priv = v[i].commit * LOOK_PAGE;
		name_region(l, o, &v[i], r);
		count_pages(l, o->p, &v[i], r);
		at = v[i].end;
	}
	return o->p->highest < at || add_gap(out, at, o->p->highest + 1);
}

int regions_read(struct look *l, const struct look_process *p, struct regions *out)
{
	struct owner o = {.p = p};
	struct look_vad *v;
	unsigned n;
	bool ok;

	*out = (struct regions){0};
	v = look_vads(l, p, &n);
	o.thread = look_threads(l, p, &o.threads);
	read_heaps(l, p, &o.heaps);
	ok = add_all(l, &o, v, n, out);
	out->heaps_unseen = o.heaps.unseen;
	free(v);
	free(o.thread);
	free(o.heaps.at);
	if (!ok)
		regions_free(out);
	return ok ? 0 : -ENOMEM;
}

void regions_free(struct regions *r)
{
	free(r->region);
	*r = (struct regions){0};
}

/* ---- private pages, by the page tables alone ---- */

static uint64_t private_in(struct look *l, uint64_t table, unsigned level, unsigned slots)
{
	uint64_t entry[512], n = 0;

	if (!look_spend(l, 16) || !look_physical(l, table * LOOK_PAGE, entry, sizeof(entry)))
		return 0;
	for (unsigned i = 0; i < slots; i++) {
		struct look_frame f;

		if (!(entry[i] & NTMM_PTE_VALID))
			continue;
		if (level == 1)
			n += look_frame(l, look_frame_of(entry[i]), &f) && look_in_ws(&f) &&
			     !(f.flags & NTMM_PFN_F_PROTOTYPE);
		else if (!(entry[i] & NTMM_PTE_LARGE))
			n += private_in(l, look_frame_of(entry[i]), level - 1, 512);
	}
	return n;
}

uint64_t regions_private_ws(struct look *l, const struct look_process *p)
{
	return private_in(l, p->root, 4, l->info.user_slots);
}
