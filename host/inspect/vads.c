/*
 * Address spaces: the tree of VADs in order, and for each page of a region what the kernel itself
 * would say of it (guest/mm/vad.c, mm_page_state), from the page tables and prototypes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/look.h"

#define DEPTH 96u /* a balanced tree of all there can be is lower */
#define LIMIT 0x1000000u

/* ---- protections: NT's code, base in the low three bits ---- */

uint32_t look_win32(unsigned prot)
{
	static const uint32_t base[8] = {0x01, 0x02, 0x10, 0x20, 0x04, 0x08, 0x40, 0x80};
	static const uint32_t extra[4] = {0, 0x200, 0x100, 0x400}; /* none, no cache, guard, wc */

	return prot & 7 ? base[prot & 7] | extra[prot >> 3 & 3] : base[0];
}

const char *look_protection(uint32_t win32, char buf[64])
{
	static const struct {
		uint32_t bit;
		const char *text;
	} names[] = {{0x01, "No access"},
		     {0x02, "Read"},
		     {0x04, "Read/Write"},
		     {0x08, "Copy on write"},
		     {0x10, "Execute"},
		     {0x20, "Execute/Read"},
		     {0x40, "Execute/Read/Write"},
		     {0x80, "Execute/Copy on write"}};
	const char *text = "";

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if ((win32 & 0xff) == names[i].bit)
			text = names[i].text;
	snprintf(buf, 64, "%s%s%s%s", text, win32 & 0x100 ? " Guard" : "",
		 win32 & 0x200 ? " No cache" : "", win32 & 0x400 ? " Write combine" : "");
	return buf;
}

/* ---- the tree ---- */

static void read_vad(struct look *l, uint64_t va, struct look_vad *v)
{
#define GET(f)	  look_get(l, va, NTMM_F_vad_##f)
#define GET_CA(f) look_get(l, v->ca, NTMM_F_ca_##f)
	*v = (struct look_vad){
	    .va = va,
	    .start = GET(start) * LOOK_PAGE,
	    .end = (GET(end) + 1) * LOOK_PAGE,
	    .type = (unsigned)GET(type),
	    .prot = (unsigned)GET(prot),
	    .win32_prot = (uint32_t)GET(win32_prot),
	    .committed = GET(committed) != 0,
	    .write_watch = GET(write_watch) != 0,
	    .placeholder = GET(placeholder) != 0,
	    .no_execute = GET(no_execute) != 0,
	    .commit = GET(commit),
	    .ca = GET(ca),
	    .first = GET(first),
	    .page_bytes = GET(page_bytes),
	};
	if (!v->ca)
		return;
	v->image = GET_CA(image) != 0;
	v->reserve = GET_CA(reserve) != 0;
	v->file = GET_CA(file);
	v->proto = GET_CA(proto);
	v->pages = GET_CA(pages);
	v->subsection = GET_CA(subsection);
	v->subsections = (uint32_t)GET_CA(subsections);
#undef GET
#undef GET_CA
}

struct look_vad *look_vads(struct look *l, const struct look_process *p, unsigned *n)
{
	struct {
		uint64_t va;
		unsigned level;
	} stack[DEPTH];
	uint64_t at = p->vads, before = 0;
	struct look_vad *found = NULL;
	unsigned depth = 0, level = 0, room = 0;

	*n = 0;
	while (at || depth) {
		struct look_vad v;

		for (; at; at = look_get(l, at, NTMM_F_vad_left)) {
			if (depth == DEPTH || !look_spend(l, 1)) {
				l->cut = true;
				return found;
			}
			stack[depth].va = at;
			stack[depth++].level = level++;
		}
		read_vad(l, stack[--depth].va, &v);
		v.level = stack[depth].level;
		/* in order and apart, or it is no tree: then what follows could go on for ever */
		if (v.start < before || v.end <= v.start || v.end - 1 > p->highest || *n == LIMIT) {
			l->cut = true;
			return found;
		}
		if (*n == room) {
			struct look_vad *more = realloc(found, (room = room * 2 + 64) * sizeof(v));

			if (!more)
				return found;
			found = more;
		}
		found[(*n)++] = v;
		before = v.end;
		at = look_get(l, v.va, NTMM_F_vad_right);
		level = v.level + 1;
	}
	return found;
}

/* ---- pages ---- */

enum look_kind look_kind(uint64_t pte)
{
	if (pte & NTMM_PTE_VALID)
		return KIND_VALID;
	if (!pte)
		return KIND_ZERO;
	if (pte & NTMM_PTE_PROTOTYPE)
		return KIND_PROTOTYPE;
	if (pte & NTMM_PTE_TRANSITION)
		return KIND_TRANSITION;
	if (pte >> NTMM_PTE_SLOT)
		return KIND_PAGEFILE;
	return pte == NTMM_PTE_DECOMMITTED ? KIND_DECOMMITTED : KIND_DEMAND_ZERO;
}

const char *look_kind_name(enum look_kind k)
{
	static const char *const names[KINDS] = {
	    [KIND_ZERO] = "Zero",
	    [KIND_VALID] = "Valid",
	    [KIND_DEMAND_ZERO] = "DemandZero",
	    [KIND_PAGEFILE] = "PageFile",
	    [KIND_TRANSITION] = "Transition",
	    [KIND_PROTOTYPE] = "Prototype",
	    [KIND_DECOMMITTED] = "Decommitted",
	};

	return names[k];
}

bool look_prototype(struct look *l, const struct look_vad *v, uint64_t va, uint64_t *pte)
{
	uint64_t i = v->first + (va - v->start) / LOOK_PAGE;

	*pte = 0;
	return v->ca && i < v->pages && look_kernel(l, v->proto + i * 8, pte, 8);
}

/* What is left of a protection where an image may not run. */
static unsigned without_execute(unsigned prot)
{
	static const unsigned plain[8] = {0, 1, 1, 1, 4, 5, 4, 5};

	return (prot & 0x18) | plain[prot & 7];
}

/* Of a page of an image that nobody has changed: its subsection's. */
static unsigned image_prot(struct look *l, const struct look_vad *v, uint64_t va)
{
	uint64_t page = v->first + (va - v->start) / LOOK_PAGE;
	uint32_t lo = 0, hi = v->subsections;
	unsigned prot;

	while (hi > lo + 1 && look_spend(l, 1)) {
		uint32_t mid = lo + (hi - lo) / 2;

		if (look_get(l, v->subsection + (uint64_t)mid * l->info.subsection_bytes,
			     NTMM_F_subsection_first) <= page)
			lo = mid;
		else
			hi = mid;
	}
	prot = (unsigned)look_get(l, v->subsection + (uint64_t)lo * l->info.subsection_bytes,
				  NTMM_F_subsection_prot) &
	       31;
	return v->no_execute ? without_execute(prot) : prot;
}

/* Of a page whose entry says nothing: whether it is committed, and its protection. */
static void from_vad(struct look *l, const struct look_vad *v, uint64_t va, struct look_page *out)
{
	uint64_t proto = 0;

	out->committed = v->ca ? look_prototype(l, v, va, &proto) && proto : v->committed;
	out->prot = v->type == NTMM_VAD_IMAGE && v->ca ? image_prot(l, v, va) : v->prot & 31;
}

void look_page(struct look *l, const struct look_process *p, const struct look_vad *v, uint64_t va,
	       struct look_page *out)
{
	uint64_t entry = 0, gpa, span;
	unsigned level = look_entry(l, p->root, va, &entry, &gpa);

	*out = (struct look_page){.next = v->end};
	if (!level || !look_spend(l, 1)) {
		l->cut = true;
		return;
	}
	span = LOOK_PAGE << 9 * (level - 1);
	out->next = (va & ~(span - 1)) + span;
	if (v->type == NTMM_VAD_LARGE || v->type == NTMM_VAD_AWE) {
		out->committed = true;
		out->prot = v->prot & 31;
		if (entry & NTMM_PTE_VALID) {
			out->resident = true;
			out->pte = entry;
			out->frame = look_frame_of(entry) + (va & (span - 1)) / LOOK_PAGE;
			out->bytes = out->next - va;
		}
	} else if (level > 1) { /* there is no table for it, or nonsense */
		/* prototypes differ from page to page where not all of them are committed */
		if (v->ca && (v->reserve || v->image))
			out->next = va + LOOK_PAGE;
		from_vad(l, v, va, out);
	} else {
		out->pte = entry;
		switch (look_kind(entry)) {
		case KIND_ZERO:
			from_vad(l, v, va, out);
			break;
		case KIND_DECOMMITTED:
			break;
		default:
			out->committed = true;
			out->prot = look_prot(entry);
		}
		out->resident = entry & NTMM_PTE_VALID;
		out->frame = out->resident ? look_frame_of(entry) : 0;
		out->bytes = LOOK_PAGE;
	}
	if (out->next > v->end || out->next <= va)
		out->next = v->end;
}

bool look_user(struct look *l, const struct look_process *p, uint64_t va, void *buf, size_t len)
{
	uint8_t *to = buf;

	for (size_t done = 0, n; done < len; done += n) {
		uint64_t at = va + done, entry = 0, gpa, span;
		unsigned level = at <= p->highest ? look_entry(l, p->root, at, &entry, &gpa) : 0;
		enum look_kind k = look_kind(entry);

		n = LOOK_PAGE - at % LOOK_PAGE;
		if (n > len - done)
			n = len - done;
		if (!level || (k != KIND_VALID && !(k == KIND_TRANSITION && level == 1))) {
			memset(buf, 0, len);
			return false; /* paged out: nothing is wrong */
		}
		span = LOOK_PAGE << 9 * (level - 1);
		gpa = (entry & NTMM_PTE_FRAME & ~(span - 1)) | (at & (span - 1));
		if (!look_physical(l, gpa, to + done, n))
			return false;
	}
	return true;
}
