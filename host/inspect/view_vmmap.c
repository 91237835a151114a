/* VMMap's page of a process: a summary by type, and the regions. */
#include <errno.h>
#include <stdlib.h>

#include "host/inspect/view.h"

static const struct doc_column summary_columns[] = {
    {"type", "Type", DOC_TEXT},
    {"size", "Size", DOC_KB},
    {"committed", "Committed", DOC_KB},
    {"private", "Private", DOC_KB},
    {"ws", "Total WS", DOC_KB},
    {"ws_private", "Private WS", DOC_KB},
    {"ws_shareable", "Shareable WS", DOC_KB},
    {"ws_shared", "Shared WS", DOC_KB},
    {"ws_locked", "Locked WS", DOC_KB},
    {"blocks", "Blocks", DOC_COUNT},
    {"largest", "Largest", DOC_KB},
};
static const struct doc_column region_columns[] = {
    {"address", "Address", DOC_HEX},
    {"type", "Type", DOC_TEXT},
    {"size", "Size", DOC_KB},
    {"committed", "Committed", DOC_KB},
    {"private", "Private", DOC_KB},
    {"ws", "Total WS", DOC_KB},
    {"ws_private", "Private WS", DOC_KB},
    {"ws_shareable", "Shareable WS", DOC_KB},
    {"ws_shared", "Shared WS", DOC_KB},
    {"ws_locked", "Locked WS", DOC_KB},
    {"blocks", "Blocks", DOC_COUNT},
    {"protection", "Protection", DOC_TEXT},
    {"details", "Details", DOC_TEXT},
};

struct sum {
	uint64_t size, committed, priv, ws, ws_private, ws_shareable, ws_shared, ws_locked, largest;
	uint64_t blocks;
};

static void add(struct sum *s, const struct region *r)
{
	uint64_t size = r->end - r->start;

	s->size += size;
	s->committed += r->committed;
	s->priv += r->priv;
	s->ws += r->ws;
	s->ws_private += r->ws_private;
	s->ws_shareable += r->ws_shareable;
	s->ws_shared += r->ws_shared;
	s->ws_locked += r->ws_locked;
	s->blocks += r->blocks;
	if (size > s->largest)
		s->largest = size;
}

static void put_sum(struct doc *d, const char *name, const struct sum *s)
{
	doc_text(d, name);
	doc_u64(d, s->size);
	doc_u64(d, s->committed);
	doc_u64(d, s->priv);
	doc_u64(d, s->ws);
	doc_u64(d, s->ws_private);
	doc_u64(d, s->ws_shareable);
	doc_u64(d, s->ws_shared);
	doc_u64(d, s->ws_locked);
	doc_u64(d, s->blocks);
	doc_u64(d, s->largest);
}

/* Page tables are the kernel's: they are no region, and in no working set. */
static void put_summary(struct doc *d, const struct look_process *p, const struct regions *rs)
{
	struct sum by[REGION_TYPES] = {0}, total = {0};
	uint64_t tables = (p->tables + 1) * LOOK_PAGE; /* the root is not counted there */

	for (unsigned i = 0; i < rs->n; i++) {
		add(&by[rs->region[i].type], &rs->region[i]);
		if (rs->region[i].type != REGION_FREE)
			add(&total, &rs->region[i]);
	}
	by[REGION_TABLE] = (struct sum){.size = tables,
					.committed = tables,
					.priv = tables,
					.blocks = p->tables + 1,
					.largest = LOOK_PAGE};
	total.size += tables;
	total.committed += tables;
	total.priv += tables;
	total.blocks += p->tables + 1;
	doc_table(d, "summary", "Summary", summary_columns,
		  sizeof(summary_columns) / sizeof(summary_columns[0]));
	put_sum(d, "Total", &total);
	for (unsigned t = 0; t < REGION_TYPES; t++)
		put_sum(d, region_name[t], &by[t]);
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
		doc_u64(d, r->end - r->start);
		doc_u64(d, r->committed);
		doc_u64(d, r->priv);
		doc_u64(d, r->ws);
		doc_u64(d, r->ws_private);
		doc_u64(d, r->ws_shareable);
		doc_u64(d, r->ws_shared);
		doc_u64(d, r->ws_locked);
		doc_u64(d, r->blocks);
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
