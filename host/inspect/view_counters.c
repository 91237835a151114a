/*
 * The counters of Performance Monitor's Memory object by their names there, and WinDbg's !vm.
 *
 * Rates need an earlier sample; without one the running counts are shown. What this kernel does not
 * have counts 0: its pool is all nonpaged, and files are cached as pages of sections.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "guest/abi/runblock.h"
#include "host/inspect/view.h"

#define BYTES(pages) ((pages)*LOOK_PAGE)

/* ---- running counts ---- */

static const struct {
	const char *key, *title, *rate_key, *rate_title;
	size_t offset[2]; /* in struct ntmm_counters: their sum; 0: nothing */
	size_t less;	  /* taken off */
} running[] = {
#define AT(field) offsetof(struct ntmm_counters, field)
#define ROW(key, title, ...)                                               \
	{                                                                  \
		key, title, key "_per_sec", title "/sec", {__VA_ARGS__}, 0 \
	}
    ROW("page_faults", "Page Faults", AT(faults_total)),
    ROW("cache_faults", "Cache Faults", 0),
    ROW("transition_faults", "Transition Faults", AT(faults_transition), AT(faults_prototype)),
    {"demand_zero_faults",
     "Demand Zero Faults",
     "demand_zero_faults_per_sec",
     "Demand Zero Faults/sec",
     {AT(faults_demand_zero)},
     AT(faults_ahead)},
    ROW("write_copies", "Write Copies", AT(faults_cow)),
    ROW("page_reads", "Page Reads", AT(faults_hard)),
    ROW("pages_input", "Pages Input", AT(pages_in), AT(pages_in_file)),
    ROW("page_writes", "Page Writes", AT(writes_pagefile)),
    ROW("pages_output", "Pages Output", AT(pages_out), AT(pages_out_file)),
    ROW("pages_repurposed", "Transition Pages RePurposed", AT(pages_repurposed)),
    ROW("pool_nonpaged_allocs", "Pool Nonpaged Allocs", AT(pool_allocs)),
#undef ROW
#undef AT
};
#define NRUNNING (sizeof(running) / sizeof(running[0]))

static uint64_t counter_at(const struct ntmm_counters *c, size_t offset)
{
	uint64_t v = 0;

	if (offset)
		memcpy(&v, (const char *)c + offset, sizeof(v));
	return v;
}

static uint64_t count_of(const struct ntmm_counters *c, size_t row)
{
	return counter_at(c, running[row].offset[0]) + counter_at(c, running[row].offset[1]) -
	       counter_at(c, running[row].less);
}

static uint64_t by_key(const struct ntmm_counters *c, const char *key)
{
	for (size_t i = 0; i < NRUNNING; i++)
		if (strcmp(running[i].key, key) == 0)
			return count_of(c, i);
	return 0;
}

static void put_rates(struct doc *d, const struct ntmm_counters *c,
		      const struct view_sample *before, uint64_t now_ns)
{
	double seconds = (double)(now_ns - before->ns) / 1e9, pages = 0;

	doc_pairs(d, "rates", "Rates");
	for (size_t i = 0; i < NRUNNING; i++) {
		uint64_t now = count_of(c, i), was = count_of(&before->counters, i);
		double rate = seconds > 0 && now > was ? (double)(now - was) / seconds : 0;

		if (strcmp(running[i].key, "pages_input") == 0 ||
		    strcmp(running[i].key, "pages_output") == 0)
			pages += rate;
		doc_pair_real(d, running[i].rate_key, running[i].rate_title, rate);
	}
	doc_pair_real(d, "pages_per_sec", "Pages/sec", pages);
	doc_pair_real(d, "seconds", "(over seconds)", seconds);
}

static void put_counts(struct doc *d, const struct ntmm_counters *c)
{
	doc_pairs(d, "counts", "Counts since the start");
	for (size_t i = 0; i < NRUNNING; i++)
		doc_pair(d, running[i].key, running[i].title, DOC_COUNT, count_of(c, i));
}

/* ---- values ---- */

struct values {
	uint64_t zeroed, free, modified, standby[8], available; /* pages, of the lists */
	uint64_t code;						/* bytes */
};

static void read_values(struct look *l, struct values *v)
{
	*v = (struct values){.zeroed = look_list(l, NTMM_V_zeroed, 0).count,
			     .free = look_list(l, NTMM_V_free, 0).count,
			     .modified = look_list(l, NTMM_V_modified, 0).count};
	v->available = v->zeroed + v->free;
	for (unsigned i = 0; i < 8; i++) {
		v->standby[i] = look_list(l, NTMM_V_standby, i).count;
		v->available += v->standby[i];
	}
	if (l->info.code_end > l->info.code)
		v->code = l->info.code_end - l->info.code;
}

static uint64_t standby_of(const struct values *v, unsigned first, unsigned last)
{
	uint64_t n = 0;

	for (unsigned i = first; i <= last; i++)
		n += v->standby[i];
	return n;
}

static void put_values(struct look *l, struct doc *d, const struct ntmm_counters *c,
		       const struct values *v)
{
	const struct {
		const char *key, *title;
		enum doc_format format;
		uint64_t v;
	} rows[] = {
	    {"available_bytes", "Available Bytes", DOC_COUNT, BYTES(v->available)},
	    {"available_kbytes", "Available KBytes", DOC_COUNT, BYTES(v->available) >> 10},
	    {"available_mbytes", "Available MBytes", DOC_COUNT, BYTES(v->available) >> 20},
	    {"free_zero_bytes", "Free & Zero Page List Bytes", DOC_COUNT,
	     BYTES(v->zeroed + v->free)},
	    {"modified_bytes", "Modified Page List Bytes", DOC_COUNT, BYTES(v->modified)},
	    {"standby_reserve_bytes", "Standby Cache Reserve Bytes", DOC_COUNT,
	     BYTES(standby_of(v, 0, 3))},
	    {"standby_normal_bytes", "Standby Cache Normal Priority Bytes", DOC_COUNT,
	     BYTES(standby_of(v, 4, 5))},
	    {"standby_core_bytes", "Standby Cache Core Bytes", DOC_COUNT,
	     BYTES(standby_of(v, 6, 7))},
	    {"committed_bytes", "Committed Bytes", DOC_COUNT, BYTES(c->commit_total)},
	    {"commit_limit", "Commit Limit", DOC_COUNT, BYTES(c->commit_limit)},
	    {"pool_paged_bytes", "Pool Paged Bytes", DOC_COUNT, 0},
	    {"pool_paged_resident_bytes", "Pool Paged Resident Bytes", DOC_COUNT, 0},
	    {"pool_nonpaged_bytes", "Pool Nonpaged Bytes", DOC_COUNT, c->pool_bytes},
	    {"cache_bytes", "Cache Bytes", DOC_COUNT, v->code},
	    {"system_code_bytes", "System Code Resident Bytes", DOC_COUNT, v->code},
	    {"free_system_ptes", "Free System Page Table Entries", DOC_COUNT,
	     look_variable(l, NTMM_V_system_ptes)},
	};

	doc_pairs(d, "values", "Values");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		doc_pair(d, rows[i].key, rows[i].title, rows[i].format, rows[i].v);
	doc_pair_real(d, "committed_percent", "% Committed Bytes In Use",
		      c->commit_limit ? 100.0 * (double)c->commit_total / (double)c->commit_limit
				      : 0);
}

/* ---- do they agree? A fault may both read a page and copy it. ---- */

static void put_check(struct doc *d, const char *left, uint64_t a, bool equal, uint64_t b,
		      const char *right)
{
	doc_text(d, left);
	doc_u64(d, a);
	doc_text(d, equal ? "=" : ">=");
	doc_u64(d, b);
	doc_text(d, right);
	doc_text(d, (equal ? a == b : a >= b) ? "yes" : "no");
}

static void put_checks(struct look *l, struct doc *d, const struct ntmm_counters *c,
		       const struct values *v)
{
	static const struct doc_column columns[] = {
	    {"left", "This", DOC_TEXT},	    {"left_value", "is", DOC_COUNT},
	    {"relation", "", DOC_TEXT},	    {"right_value", "what", DOC_COUNT},
	    {"right", "this is", DOC_TEXT}, {"holds", "Holds", DOC_TEXT},
	};
	uint64_t listed = 0;
	struct view_frames f;

	view_count_frames(l, &f, NULL, NULL);
	for (unsigned s = NTMM_PFN_ZEROED; s <= NTMM_PFN_MODIFIED; s++)
		listed += view_state(&f, (enum ntmm_pfn_state)s);
	doc_table(d, "checks", "Consistency", columns, sizeof(columns) / sizeof(columns[0]));
	put_check(d, "Page Faults", by_key(c, "page_faults"), false,
		  by_key(c, "transition_faults") + by_key(c, "demand_zero_faults") +
		      by_key(c, "write_copies"),
		  "Transition + Demand Zero + Write Copies");
	put_check(d, "Pages Input", by_key(c, "pages_input"), false, by_key(c, "page_reads"),
		  "Page Reads");
	put_check(d, "Available Bytes", BYTES(look_variable(l, NTMM_V_available)), true,
		  BYTES(v->zeroed + v->free + standby_of(v, 0, 7)),
		  "Free & Zero + Standby Cache Reserve, Normal, Core");
	put_check(d, "Pages on the lists", v->available + v->modified, true, listed,
		  "frames in those states");
}

int show_counters(struct look *l, const struct view_call *call, struct doc *d, struct vm_error *err)
{
	struct ntmm_counters c;
	struct values v;

	if (!view_counters(l, &c))
		return vm_fail(err, -EPROTO, "the kernel's counters make no sense");
	read_values(l, &v);
	if (call->before)
		put_rates(d, &c, call->before, l->window->now_ns);
	put_counts(d, &c);
	put_values(l, d, &c, &v);
	put_checks(l, d, &c, &v);
	return 0;
}

/* ---- !vm ---- */

static void put_pagefiles(struct look *l, struct doc *d)
{
	static const struct doc_column columns[] = {
	    {"pagefile", "Pagefile", DOC_COUNT},
	    {"current", "Current", DOC_KB},
	    {"free", "Free Space", DOC_KB},
	    {"maximum", "Maximum", DOC_KB},
	};

	doc_table(d, "pagefiles", "Paging files", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 0; i < NTMM_MAX_PAGEFILES; i++) {
		uint64_t va =
		    l->info.variable[NTMM_V_pagefiles] + i * (uint64_t)l->info.pagefile_bytes;
		uint64_t pages = look_get(l, va, NTMM_F_slots_pages);
		uint64_t used =
		    look_get(l, va, NTMM_F_slots_used) + 1; /* the first is never used */

		if (!pages)
			continue;
		doc_u64(d, i);
		doc_u64(d, BYTES(pages));
		doc_u64(d, pages > used ? BYTES(pages - used) : 0);
		doc_u64(d, BYTES(look_get(l, va, NTMM_F_slots_max)));
	}
}

static int more_commit_first(const void *a, const void *b)
{
	uint64_t x = ((const struct look_process *)a)->commit,
		 y = ((const struct look_process *)b)->commit;

	return x < y ? 1 : x > y ? -1 : 0;
}

int show_vm(struct look *l, const struct view_call *call, struct doc *d, struct vm_error *err)
{
	static const struct doc_column columns[] = {
	    {"pid", "PID", DOC_COUNT}, {"name", "Name", DOC_TEXT}, {"commit", "Commit", DOC_KB}};
	struct ntmm_counters c;
	struct look_process *p;
	struct values v;
	unsigned n;

	(void)call;
	if (!view_counters(l, &c))
		return vm_fail(err, -EPROTO, "the kernel's counters make no sense");
	read_values(l, &v);
	doc_pairs(d, "memory", "Virtual memory usage");
	doc_pair(d, "physical", "Physical Memory", DOC_KB,
		 BYTES(look_variable(l, NTMM_V_total_pages)));
	doc_pair(d, "available", "Available Pages", DOC_KB, BYTES(v.available));
	doc_pair(d, "modified", "Modified Pages", DOC_KB, BYTES(v.modified));
	doc_pair(d, "kernel", "Kernel Pages", DOC_KB, BYTES(look_variable(l, NTMM_V_kernel_pages)));
	doc_pair(d, "pool_nonpaged", "NonPagedPool Usage", DOC_KB, c.pool_bytes);
	doc_pair(d, "pool_paged", "PagedPool Usage", DOC_KB, 0);
	doc_pair(d, "compressed", "Compressed Store", DOC_KB, BYTES(c.store_frames));
	doc_pair(d, "free_system_ptes", "Free System PTEs", DOC_COUNT,
		 look_variable(l, NTMM_V_system_ptes));
	doc_pair(d, "committed", "Committed pages", DOC_KB, BYTES(c.commit_total));
	doc_pair(d, "commit_limit", "Commit limit", DOC_KB, BYTES(c.commit_limit));
	doc_pair(d, "commit_peak", "Peak commit", DOC_KB, BYTES(c.commit_peak));
	put_pagefiles(l, d);
	p = look_processes(l, &n);
	if (n)
		qsort(p, n, sizeof(*p), more_commit_first);
	doc_table(d, "processes", "Process commit", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 0; i < n; i++) {
		doc_u64(d, p[i].pid);
		doc_text(d, p[i].name);
		doc_u64(d, BYTES(p[i].commit));
	}
	free(p);
	return 0;
}
