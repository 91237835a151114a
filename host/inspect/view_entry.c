/* Single entries as WinDbg shows them: page tables (!pte), frames (!pfn), the VAD tree (!vad). */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/view.h"

static int no_process(struct vm_error *err, uint32_t pid)
{
	return pid ? vm_fail(err, -ENOENT, "there is no process %u", pid)
		   : vm_fail(err, -ENOENT, "the program does not run yet, or no more");
}

/* ---- !pte ---- */

/* Copy on write, global, large, dirty, accessed, no cache, write through, user or kernel, writable,
 * executable, valid; - for what it is not. Not-valid entries: a word about where the page is. */
static void describe(uint64_t e, bool leaf, char *out, size_t size)
{
	switch (leaf ? look_kind(e) : e & NTMM_PTE_VALID ? KIND_VALID : KIND_ZERO) {
	case KIND_VALID:
		snprintf(out, size, "%c%c%c%c%c%c%c%c%c%cV%s age %u", e & NTMM_PTE_COW ? 'C' : '-',
			 e & NTMM_PTE_GLOBAL ? 'G' : '-', e & NTMM_PTE_LARGE ? 'L' : '-',
			 e & NTMM_PTE_DIRTY ? 'D' : '-', e & NTMM_PTE_ACCESSED ? 'A' : '-',
			 e & 0x10 ? 'N' : '-', e & 0x8 ? 'T' : '-', e & NTMM_PTE_USER ? 'U' : 'K',
			 e & NTMM_PTE_WRITE ? 'W' : 'R', e & NTMM_PTE_NX ? '-' : 'E',
			 e & NTMM_PTE_LOCKED ? " locked" : "", (unsigned)(e >> NTMM_PTE_AGE & 3));
		break;
	case KIND_PAGEFILE:
		if (e & NTMM_PTE_IN_STORE)
			snprintf(out, size, "compressed, key %" PRIx64, e >> NTMM_PTE_SLOT);
		else
			snprintf(out, size, "pagefile %u, slot %" PRIx64,
				 (unsigned)(e >> NTMM_PTE_FILE & 15), e >> NTMM_PTE_SLOT);
		break;
	case KIND_PROTOTYPE:
		snprintf(out, size, "look in the section%s",
			 (int64_t)e >> NTMM_PTE_SUBSECTION == -1 ? " of the VAD" : "");
		break;
	case KIND_ZERO:
		snprintf(out, size, "%s", leaf ? "look in the VAD" : "no table");
		break;
	default:
		out[0] = 0;
	}
	if (!(e & NTMM_PTE_VALID) && e & NTMM_PTE_OFFERED &&
	    (look_kind(e) == KIND_DEMAND_ZERO || look_kind(e) == KIND_PAGEFILE))
		snprintf(out + strlen(out), size - strlen(out), " offered");
}

static void put_entry(struct doc *d, const char *name, uint64_t at, uint64_t e, bool leaf)
{
	bool framed = e & NTMM_PTE_VALID || (leaf && look_kind(e) == KIND_TRANSITION);
	char text[96], prot[64];

	describe(e, leaf, text, sizeof(text));
	doc_text(d, name);
	doc_u64(d, at);
	doc_u64(d, e);
	doc_text(d, leaf ? look_kind_name(look_kind(e)) : e & NTMM_PTE_VALID ? "Valid" : "Zero");
	doc_u64(d, framed ? look_frame_of(e) : 0);
	doc_text(d, text);
	doc_text(d, leaf && e && look_kind(e) != KIND_DECOMMITTED
			? look_protection(look_win32(look_prot(e)), prot)
			: "");
}

static const struct look_vad *vad_of(const struct look_vad *v, unsigned n, uint64_t va)
{
	for (unsigned i = 0; i < n; i++)
		if (va >= v[i].start && va < v[i].end)
			return &v[i];
	return NULL;
}

int show_pte(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	static const struct doc_column columns[] = {
	    {"level", "Level", DOC_TEXT},
	    {"at", "At", DOC_HEX},
	    {"contains", "Contains", DOC_HEX},
	    {"kind", "Kind", DOC_TEXT},
	    {"pfn", "PFN", DOC_HEX},
	    {"flags", "Flags", DOC_TEXT},
	    {"protection", "Protection", DOC_TEXT},
	};
	static const char *const names[5] = {"", "PTE", "PDE", "PPE", "PXE"};
	uint64_t va = c->arg[1], table, e = 0, at;
	struct look_process p;
	struct look_vad *v;
	const struct look_vad *own;
	unsigned n, level = 4;

	if (!look_process(l, (uint32_t)c->arg[0], &p))
		return no_process(err, (uint32_t)c->arg[0]);
	doc_pairs(d, "address", NULL);
	doc_pair(d, "va", "VA", DOC_HEX, va);
	doc_table(d, "entries", NULL, columns, sizeof(columns) / sizeof(columns[0]));
	for (table = p.root; level; level--) {
		bool leaf;

		at = table * LOOK_PAGE + (va >> (12 + 9 * (level - 1)) & 511) * 8;
		if (!look_physical(l, at, &e, 8))
			break;
		leaf = level == 1 || (level < 4 && (e & NTMM_PTE_VALID) && (e & NTMM_PTE_LARGE));
		put_entry(d, names[level], at, e, leaf);
		if (leaf || !(e & NTMM_PTE_VALID))
			break;
		table = look_frame_of(e);
	}
	v = look_vads(l, &p, &n);
	own = vad_of(v, n, va);
	if (own && look_prototype(l, own, va & ~(LOOK_PAGE - 1), &e))
		put_entry(d, "Prototype",
			  own->proto + (own->first + (va - own->start) / LOOK_PAGE) * 8, e, true);
	free(v);
	return 0;
}

/* ---- !pfn ---- */

int show_pfn(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	static const struct {
		unsigned bit;
		const char *name;
	} flags[] = {
	    {NTMM_PFN_F_MODIFIED, "Modified"},	     {NTMM_PFN_F_READING, "ReadInProgress"},
	    {NTMM_PFN_F_WRITING, "WriteInProgress"}, {NTMM_PFN_F_PROTOTYPE, "Prototype"},
	    {NTMM_PFN_F_KERNEL, "Kernel"},	     {NTMM_PFN_F_DELETED, "Deleted"},
	    {NTMM_PFN_F_NOPAGE, "NotPaged"}};
	uint64_t pfn = c->arg[0], ca;
	char text[128] = "", name[LOOK_FILE_NAME];
	struct look_frame f;

	if (pfn > l->highest)
		return vm_fail(err, -ENOENT, "there is no frame %" PRIx64 "; the last is %" PRIx64,
			       pfn, l->highest);
	if (!look_frame(l, pfn, &f))
		return vm_fail(err, -ENOENT,
			       "frame %" PRIx64 " is not the memory manager's: it has no entry",
			       pfn);
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++)
		if (f.flags & flags[i].bit)
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s",
				 text[0] ? " " : "", flags[i].name);
	doc_pairs(d, "frame", NULL);
	doc_pair(d, "pfn", "PFN", DOC_HEX, pfn);
	doc_pair(d, "at", "at address", DOC_HEX, l->info.pfn_database + pfn * l->info.pfn_bytes);
	doc_pair_text(d, "state", "state", look_state_name[f.state]);
	doc_pair_text(d, "use", "use", look_use_name[look_use(&f)]);
	doc_pair(d, "flink", "flink", DOC_HEX, f.flink);
	doc_pair(d, "blink", "blink", DOC_HEX, f.blink);
	doc_pair(d, "share", "share count", DOC_COUNT, f.share);
	doc_pair(d, "refs", "reference count", DOC_COUNT, f.refs);
	doc_pair(d, "pte", "pteaddress", DOC_HEX, f.pte);
	doc_pair(d, "original", "restore pte", DOC_HEX, f.original);
	doc_pair(d, "containing", "containing page", DOC_HEX, f.pte_frame);
	doc_pair(d, "priority", "priority", DOC_COUNT, f.priority);
	doc_pair_text(d, "flags", "flags", text);
	ca = f.flags & NTMM_PFN_F_PROTOTYPE ? look_frame_ca(l, &f) : 0;
	if (ca) {
		look_file_name(l, look_get(l, ca, NTMM_F_ca_file), name);
		doc_pair_text(d, "file", "file", name);
	}
	return 0;
}

/* ---- !vad ---- */

static const char *vad_type(const struct look_vad *v)
{
	static const char *const names[NTMM_VAD_TYPES] = {
	    [NTMM_VAD_PRIVATE] = "Private",
	    [NTMM_VAD_MAPPED] = "Mapped",
	    [NTMM_VAD_IMAGE] = "Mapped Exe",
	    [NTMM_VAD_AWE] = "Private Awe",
	    [NTMM_VAD_LARGE] = "Private Large",
	    [NTMM_VAD_NONPAGED] = "Private Nonpaged",
	    [NTMM_VAD_SHARED_DATA] = "Private Shared data",
	    [NTMM_VAD_CFG] = "Mapped Cfg",
	};

	if (v->type == NTMM_VAD_LARGE && v->ca)
		return "Mapped Large";
	return v->type < NTMM_VAD_TYPES ? names[v->type] : "?";
}

int show_vad(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	static const struct doc_column columns[] = {
	    {"vad", "VAD", DOC_HEX},
	    {"level", "Level", DOC_COUNT},
	    {"start", "Start", DOC_HEX},
	    {"end", "End", DOC_HEX},
	    {"commit", "Commit", DOC_COUNT},
	    {"type", "Type", DOC_TEXT},
	    {"protection", "Protection", DOC_TEXT},
	    {"file", "File", DOC_TEXT},
	};
	uint32_t pid = c->args ? (uint32_t)c->arg[0] : 0;
	char name[LOOK_FILE_NAME], prot[64];
	struct look_process p;
	struct look_vad *v;
	unsigned n;

	if (!look_process(l, pid, &p))
		return no_process(err, pid);
	v = look_vads(l, &p, &n);
	doc_table(d, "vads", NULL, columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 0; i < n; i++) {
		look_file_name(l, v[i].file, name);
		doc_u64(d, v[i].va);
		doc_u64(d, v[i].level);
		doc_u64(d, v[i].start / LOOK_PAGE);
		doc_u64(d, v[i].end / LOOK_PAGE - 1);
		doc_u64(d, v[i].commit);
		doc_text(d, vad_type(&v[i]));
		doc_text(d, look_protection(v[i].win32_prot, prot));
		doc_text(d, name);
	}
	free(v);
	doc_pairs(d, "tree", NULL);
	doc_pair(d, "count", "Total VADs", DOC_COUNT, n);
	doc_pair(d, "expected", "as the tree counts", DOC_COUNT, p.vad_count);
	return 0;
}
