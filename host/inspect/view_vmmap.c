/* VMMap's page of a process: a summary by type, and the regions. */
#include <errno.h>
#include <stdlib.h>

#include "host/inspect/view.h"

/* What a region and a sum of regions both have; put_figures is in this order. */
#define FIGURES                                                                             \
	{"size", "Size", DOC_KB}, {"committed", "Committed", DOC_KB},                       \
	    {"private", "Private", DOC_KB}, {"ws", "Total WS", DOC_KB},                     \
	    {"ws_private", "Private WS", DOC_KB}, {"ws_shareable", "Shareable WS", DOC_KB}, \
	    {"ws_shared", "Shared WS", DOC_KB}, {"ws_locked", "Locked WS", DOC_KB},         \
	{                                                                                   \
		"blocks", "Blocks", DOC_COUNT                                               \
	}

static const struct doc_column summary_columns[] = {
    {"type", "Type", DOC_TEXT},
    FIGURES,
    {"largest", "Largest", DOC_KB},
};
static const struct doc_column region_columns[] = {
    {"address", "Address", DOC_HEX},	    {"type", "Type", DOC_TEXT},	      FIGURES,
    {"protection", "Protection", DOC_TEXT}, {"details", "Details", DOC_TEXT},
};

static void put_figures(struct doc *d, const struct region *r)
{
	doc_u64(d, r->end - r->start);
	doc_u64(d, r->committed);
	doc_u64(d, r->priv);
	doc_u64(d, r->ws);
	doc_u64(d, r->ws_private);
	doc_u64(d, r->ws_shareable);
	doc_u64(d, r->ws_shared);
	doc_u64(d, r->ws_locked);
	doc_u64(d, r->blocks);
}

/* A sum is a region that begins at 0. */
static void add(struct region *sum, const struct region *r)
{
	sum->end += r->end - r->start;
	sum->committed += r->committed;
	sum->priv += r->priv;
	sum->ws += r->ws;
	sum->ws_private += r->ws_private;
	sum->ws_shareable += r->ws_shareable;
	sum->ws_shared += r->ws_shared;
	sum->ws_locked += r->ws_locked;
	sum->blocks += r->blocks;
	if (r->largest > sum->largest)
		sum->largest = r->largest;
}

static void put_sum(struct doc *d, const char *name, const struct region *sum)
{
	doc_text(d, name);
	put_figures(d, sum);
	doc_u64(d, sum->largest);
}

/* Page tables are the kernel's: they are no region, and in no working set. */
static void put_summary(struct doc *d, const struct look_process *p, const struct regions *rs)
{
	struct region by[REGION_TYPES] = {0}, total = {0}, *t = &by[REGION_TABLE];
	uint64_t tables = (p->tables + 1) * LOOK_PAGE; /* the root is not counted there */

	for (unsigned i = 0; i < rs->n; i++) {
		add(&by[rs->region[i].type], &rs->region[i]);
		if (rs->region[i].type != REGION_FREE)
			add(&total, &rs->region[i]);
	}
	t->end = t->committed = t->priv = tables;
	t->blocks = p->tables + 1;
	t->largest = LOOK_PAGE;
	add(&total, t);
	doc_table(d, "summary", "Summary", summary_columns,
		  sizeof(summary_columns) / sizeof(summary_columns[0]));
	put_sum(d, "Total", &total);
	for (unsigned i = 0; i < REGION_TYPES; i++)
		put_sum(d, region_name[i], &by[i]);
}

static void put_regions(struct doc *d, const struct regions *rs)
{
	char buf[64];

	doc_table(d, "regions", "Regions", region_columns,
		  sizeof(region_columns) / sizeof(region_columns[0]));
	for (unsigned i = 0; i < rs->n; i++) {
		const struct region *r = &rs->region[i];

		doc_u64(d, r->start);
		doc_text(d, region_name[r->type]);
		put_figures(d, r);
		doc_text(d, r->protection ? look_protection(r->protection, buf) : "");
		doc_text(d, r->details);
	}
}

int show_vmmap(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	uint32_t pid = c->args ? (uint32_t)c->arg[0] : 0;
	struct look_process p;
	struct regions rs;

	if (!look_process(l, pid, &p))
		return pid ? vm_fail(err, -ENOENT, "there is no process %u", pid)
			   : vm_fail(err, -ENOENT, "the program does not run yet, or no more");
	if (regions_read(l, &p, &rs))
		return vm_fail(err, -ENOMEM, "out of memory");
	doc_pairs(d, "process", NULL);
	doc_pair(d, "pid", "PID", DOC_COUNT, p.pid);
	doc_pair_text(d, "name", "Name", p.name);
	doc_pair(d, "ws", "Working set", DOC_KB, p.ws * LOOK_PAGE);
	doc_pair(d, "commit", "Commit", DOC_KB, p.commit * LOOK_PAGE);
	doc_pair(d, "awe", "AWE pages", DOC_KB, p.physical * LOOK_PAGE);
	put_summary(d, &p, &rs);
	put_regions(d, &rs);
	if (rs.heaps_unseen)
		doc_note(d, "the list of heaps is paged out in part: some count as Private Data");
	regions_free(&rs);
	return 0;
}
