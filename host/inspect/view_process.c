/* Processes, and Resource Monitor's page. */
#include <stdlib.h>

#include "host/inspect/view.h"

#define BYTES(pages) ((pages)*LOOK_PAGE)

int show_processes(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	static const struct doc_column columns[] = {
	    {"pid", "PID", DOC_COUNT},		{"parent", "Parent", DOC_COUNT},
	    {"name", "Name", DOC_TEXT},		{"threads", "Threads", DOC_COUNT},
	    {"ws", "Working set", DOC_KB},	{"ws_private", "WS private", DOC_KB},
	    {"ws_peak", "WS peak", DOC_KB},	{"commit", "Commit", DOC_KB},
	    {"commit_peak", "Peak", DOC_KB},	{"virtual", "Virtual", DOC_KB},
	    {"tables", "Page tables", DOC_KB},	{"faults", "Faults", DOC_COUNT},
	    {"hard_faults", "Hard", DOC_COUNT},
	};
	unsigned n;
	struct look_process *p = look_processes(l, &n);

	(void)c;
	(void)err;
	doc_table(d, "processes", "Processes", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 0; i < n; i++) {
		doc_u64(d, p[i].pid);
		doc_u64(d, p[i].parent);
		doc_text(d, p[i].name);
		doc_u64(d, p[i].threads);
		doc_u64(d, BYTES(p[i].ws));
		doc_u64(d, BYTES(regions_private_ws(l, &p[i])));
		doc_u64(d, BYTES(p[i].ws_peak));
		doc_u64(d, BYTES(p[i].commit));
		doc_u64(d, BYTES(p[i].commit_peak));
		doc_u64(d, p[i].virtual_size);
		doc_u64(d, BYTES(p[i].tables));
		doc_u64(d, p[i].faults);
		doc_u64(d, p[i].hard_faults);
	}
	free(p);
	return 0;
}

/* ---- Resource Monitor ---- */

static void show_bar(struct look *l, struct doc *d)
{
	struct view_frames f;
	uint64_t standby, modified, free_, in_use;

	view_count_frames(l, &f, NULL, NULL);
	standby = view_state(&f, NTMM_PFN_STANDBY);
	modified = view_state(&f, NTMM_PFN_MODIFIED) + view_state(&f, NTMM_PFN_MODIFIED_NO_WRITE);
	free_ = view_state(&f, NTMM_PFN_ZEROED) + view_state(&f, NTMM_PFN_FREE);
	in_use = f.managed - standby - modified - free_;
	doc_pairs(d, "memory", "Physical memory");
	doc_pair(d, "hardware_reserved", "Hardware Reserved", DOC_KB, BYTES(f.reserved));
	doc_pair(d, "in_use", "In Use", DOC_KB, BYTES(in_use));
	doc_pair(d, "modified", "Modified", DOC_KB, BYTES(modified));
	doc_pair(d, "standby", "Standby", DOC_KB, BYTES(standby));
	doc_pair(d, "free", "Free", DOC_KB, BYTES(free_));
	doc_pair(d, "available", "Available", DOC_KB, BYTES(standby + free_));
	doc_pair(d, "cached", "Cached", DOC_KB, BYTES(standby + modified));
	doc_pair(d, "total", "Total", DOC_KB, BYTES(f.managed));
	doc_pair(d, "installed", "Installed", DOC_KB, BYTES(l->frames));
}

static double hard_rate(const struct look_process *p, const struct view_sample *before,
			uint64_t now_ns)
{
	double seconds = (double)(now_ns - before->ns) / 1e9;
	uint64_t was = 0; /* of a process that was not there yet */

	for (unsigned i = 0; i < before->processes; i++)
		if (before->process[i].pid == p->pid)
			was = before->process[i].hard_faults;
	return seconds > 0 && p->hard_faults > was ? (double)(p->hard_faults - was) / seconds : 0;
}

int show_resmon(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	const struct doc_column columns[] = {
	    {"name", "Image", DOC_TEXT},
	    {"pid", "PID", DOC_COUNT},
	    {c->before ? "hard_faults_per_sec" : "hard_faults",
	     c->before ? "Hard Faults/sec" : "Hard Faults", DOC_COUNT},
	    {"commit", "Commit", DOC_KB},
	    {"ws", "Working Set", DOC_KB},
	    {"shareable", "Shareable", DOC_KB},
	    {"private", "Private", DOC_KB},
	};
	unsigned n;
	struct look_process *p = look_processes(l, &n);

	(void)err;
	show_bar(l, d);
	doc_table(d, "processes", "Processes", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 0; i < n; i++) {
		uint64_t priv = regions_private_ws(l, &p[i]);

		doc_text(d, p[i].name);
		doc_u64(d, p[i].pid);
		if (c->before)
			doc_real(d, hard_rate(&p[i], c->before, l->window->now_ns));
		else
			doc_u64(d, p[i].hard_faults);
		doc_u64(d, BYTES(p[i].commit));
		doc_u64(d, BYTES(p[i].ws));
		doc_u64(d, BYTES(p[i].ws > priv ? p[i].ws - priv : 0));
		doc_u64(d, BYTES(priv));
	}
	free(p);
	return 0;
}
