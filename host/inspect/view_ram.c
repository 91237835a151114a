/* All of RAM, frame by frame: RAMMap's use counts, priorities and files; WinDbg's !memusage. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/view.h"

#define FILES_MOST 1024u /* control areas that are told apart */
#define BUCKETS	   2048u

uint64_t view_state(const struct view_frames *f, enum ntmm_pfn_state s)
{
	uint64_t n = 0;

	for (unsigned u = 0; u < USES; u++)
		n += f->n[u][s];
	return n;
}

void view_count_frames(struct look *l, struct view_frames *out, view_frame_fn *fn, void *arg)
{
	struct look_frame f;

	*out = (struct view_frames){0};
	for (uint64_t pfn = 0; look_next_frame(l, &pfn); pfn++) {
		enum look_use u;

		if (!look_frame(l, pfn, &f)) {
			out->reserved++;
			continue;
		}
		u = look_use(&f);
		out->managed++;
		out->n[u][f.state]++;
		if (f.state == NTMM_PFN_STANDBY)
			out->standby[f.priority & 7]++;
		if (fn)
			fn(arg, l, &f, u);
	}
}

/* ---- pages by file ---- */

struct file {
	uint64_t ca, n[NTMM_PFN_STATES], shared;
	unsigned next; /* in its bucket; 0: none */
};
struct files {
	struct file file[FILES_MOST + 1]; /* from 1 on */
	unsigned bucket[BUCKETS], n;
	uint64_t others; /* pages of files beyond the most */
};

static struct file *file_of(struct files *fs, uint64_t ca)
{
	unsigned *b = &fs->bucket[ca / 16 % BUCKETS];

	for (unsigned i = *b; i; i = fs->file[i].next)
		if (fs->file[i].ca == ca)
			return &fs->file[i];
	if (fs->n == FILES_MOST)
		return NULL;
	fs->file[++fs->n] = (struct file){.ca = ca, .next = *b};
	*b = fs->n;
	return &fs->file[fs->n];
}

static void note_file(void *arg, struct look *l, const struct look_frame *f, enum look_use u)
{
	struct files *fs = arg;
	struct file *file;
	uint64_t ca = u == USE_MAPPED_FILE ? look_frame_ca(l, f) : 0;

	if (!ca)
		return;
	file = file_of(fs, ca);
	if (!file) {
		fs->others++;
		return;
	}
	file->n[f->state]++;
	file->shared += f->share > 1;
}

static uint64_t total_of(const struct file *f)
{
	uint64_t n = 0;

	for (unsigned s = 0; s < NTMM_PFN_STATES; s++)
		n += f->n[s];
	return n;
}

static int larger_first(const void *a, const void *b)
{
	uint64_t x = total_of(a), y = total_of(b);

	return x < y ? 1 : x > y ? -1 : 0;
}

static void sort_files(struct files *fs) /* the chains are worth nothing afterwards */
{
	qsort(fs->file + 1, fs->n, sizeof(fs->file[0]), larger_first);
}

static void put_name(struct look *l, struct doc *d, uint64_t ca)
{
	char name[LOOK_FILE_NAME];

	look_file_name(l, look_get(l, ca, NTMM_F_ca_file), name);
	doc_text(d, name[0] ? name : "?");
}

/* ---- rammap ---- */

static const enum ntmm_pfn_state columns_of[] = {
    NTMM_PFN_ACTIVE,	 NTMM_PFN_STANDBY, NTMM_PFN_MODIFIED, NTMM_PFN_MODIFIED_NO_WRITE,
    NTMM_PFN_TRANSITION, NTMM_PFN_ZEROED,  NTMM_PFN_FREE,     NTMM_PFN_BAD};
#define NCOLUMNS (sizeof(columns_of) / sizeof(columns_of[0]))
static const struct doc_column use_columns[] = {
    {"use", "Usage", DOC_TEXT},
    {"total", "Total", DOC_KB},
    {"active", "Active", DOC_KB},
    {"standby", "Standby", DOC_KB},
    {"modified", "Modified", DOC_KB},
    {"modified_no_write", "Modified No Write", DOC_KB},
    {"transition", "Transition", DOC_KB},
    {"zeroed", "Zeroed", DOC_KB},
    {"free", "Free", DOC_KB},
    {"bad", "Bad", DOC_KB},
};

static void put_use(struct doc *d, const char *name, const uint64_t *n)
{
	uint64_t total = 0;

	for (unsigned s = 0; s < NTMM_PFN_STATES; s++)
		total += n[s];
	doc_text(d, name);
	doc_u64(d, total * LOOK_PAGE);
	for (unsigned i = 0; i < NCOLUMNS; i++)
		doc_u64(d, n[columns_of[i]] * LOOK_PAGE);
}

static void put_priorities(struct doc *d, struct look *l, const struct view_frames *f)
{
	static const struct doc_column columns[] = {
	    {"priority", "Priority", DOC_COUNT},
	    {"standby", "Standby", DOC_KB},
	    {"list", "Its list's count", DOC_KB},
	};

	doc_table(d, "priorities", "Priority summary", columns, 3);
	for (unsigned i = 0; i < 8; i++) {
		doc_u64(d, i);
		doc_u64(d, f->standby[i] * LOOK_PAGE);
		doc_u64(d, look_list(l, NTMM_V_standby, i).count * LOOK_PAGE);
	}
}

static void put_files(struct doc *d, struct look *l, struct files *fs)
{
	static const struct doc_column columns[] = {
	    {"total", "Total", DOC_KB},		  {"active", "Active", DOC_KB},
	    {"standby", "Standby", DOC_KB},	  {"modified", "Modified", DOC_KB},
	    {"transition", "Transition", DOC_KB}, {"path", "Path", DOC_TEXT},
	};

	sort_files(fs);
	doc_table(d, "files", "File summary", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 1; i <= fs->n; i++) {
		const uint64_t *n = fs->file[i].n;

		doc_u64(d, total_of(&fs->file[i]) * LOOK_PAGE);
		doc_u64(d, n[NTMM_PFN_ACTIVE] * LOOK_PAGE);
		doc_u64(d, n[NTMM_PFN_STANDBY] * LOOK_PAGE);
		doc_u64(d, n[NTMM_PFN_MODIFIED] * LOOK_PAGE);
		doc_u64(d, n[NTMM_PFN_TRANSITION] * LOOK_PAGE);
		put_name(l, d, fs->file[i].ca);
	}
	if (fs->others)
		doc_note(d, "%llu more pages are of other files", (unsigned long long)fs->others);
}

int show_rammap(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	struct files *fs = calloc(1, sizeof(*fs));
	uint64_t all[NTMM_PFN_STATES] = {0};
	struct view_frames f;

	(void)c;
	if (!fs)
		return vm_fail(err, -ENOMEM, "out of memory");
	view_count_frames(l, &f, note_file, fs);
	doc_table(d, "uses", "Use counts", use_columns,
		  sizeof(use_columns) / sizeof(use_columns[0]));
	for (unsigned u = 0; u < USES; u++) {
		put_use(d, look_use_name[u], f.n[u]);
		for (unsigned s = 0; s < NTMM_PFN_STATES; s++)
			all[s] += f.n[u][s];
	}
	put_use(d, "Total", all);
	doc_pairs(d, "ram", "RAM");
	doc_pair(d, "managed", "Managed (the total above)", DOC_KB, f.managed * LOOK_PAGE);
	doc_pair(d, "reserved", "Hardware reserved", DOC_KB, f.reserved * LOOK_PAGE);
	doc_pair(d, "installed", "Installed", DOC_KB, l->frames * LOOK_PAGE);
	put_priorities(d, l, &f);
	put_files(d, l, fs);
	free(fs);
	return 0;
}

/* ---- memusage ---- */

int show_memusage(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err)
{
	static const struct doc_column columns[] = {
	    {"control", "Control", DOC_HEX}, {"valid", "Valid", DOC_KB},
	    {"standby", "Standby", DOC_KB},  {"dirty", "Dirty", DOC_KB},
	    {"shared", "Shared", DOC_KB},    {"transition", "Transition", DOC_KB},
	    {"name", "Name", DOC_TEXT},
	};
	static const struct {
		enum ntmm_pfn_state s;
		const char *key, *title;
	} rows[] = {{NTMM_PFN_ZEROED, "zeroed", "Zeroed"},
		    {NTMM_PFN_FREE, "free", "Free"},
		    {NTMM_PFN_STANDBY, "standby", "Standby"},
		    {NTMM_PFN_MODIFIED, "modified", "Modified"},
		    {NTMM_PFN_MODIFIED_NO_WRITE, "modified_no_write", "ModifiedNoWrite"},
		    {NTMM_PFN_ACTIVE, "active", "Active/Valid"},
		    {NTMM_PFN_TRANSITION, "transition", "Transition"}};
	struct files *fs = calloc(1, sizeof(*fs));
	struct view_frames f;

	(void)c;
	if (!fs)
		return vm_fail(err, -ENOMEM, "out of memory");
	view_count_frames(l, &f, note_file, fs);
	doc_pairs(d, "pages", "Pages (4 KB)");
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		doc_pair(d, rows[i].key, rows[i].title, DOC_COUNT, view_state(&f, rows[i].s));
	doc_pair(d, "bad", "Bad", DOC_COUNT, f.reserved);
	doc_pair(d, "total", "TOTAL", DOC_COUNT, f.managed + f.reserved);
	sort_files(fs);
	doc_table(d, "files", "Usage summary", columns, sizeof(columns) / sizeof(columns[0]));
	for (unsigned i = 1; i <= fs->n; i++) {
		const struct file *file = &fs->file[i];

		doc_u64(d, file->ca);
		doc_u64(d, file->n[NTMM_PFN_ACTIVE] * LOOK_PAGE);
		doc_u64(d, file->n[NTMM_PFN_STANDBY] * LOOK_PAGE);
		doc_u64(d, file->n[NTMM_PFN_MODIFIED] * LOOK_PAGE);
		doc_u64(d, file->shared * LOOK_PAGE);
		doc_u64(d, file->n[NTMM_PFN_TRANSITION] * LOOK_PAGE);
		put_name(l, d, file->ca);
	}
	free(fs);
	return 0;
}
