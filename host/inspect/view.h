/*
 * view: what can be seen. Each view reads a stopped machine through look.h and fills a doc; a row
 * in view.c's table gives its name, its arguments and its function.
 *
 *   view_process.c  processes, resmon      view_vmmap.c    vmmap; regions.c counts a process's
 * pages view_ram.c      rammap, memusage       view_counters.c counters, vm view_entry.c    pte,
 * pfn, vad
 */
#ifndef HOST_INSPECT_VIEW_H
#define HOST_INSPECT_VIEW_H

#include "host/inspect/doc.h"
#include "host/inspect/look.h"

#define VIEW_ARGS 2u

/* Running counts at one moment, for rates. */
struct view_sample {
	bool valid;
	uint64_t ns;
	struct ntmm_counters counters;
	struct look_process *process; /* owned */
	unsigned processes;
};

struct view_call {
	uint64_t arg[VIEW_ARGS];
	unsigned args;
	const struct view_sample *before; /* NULL: there is none, and so no rates */
};

struct view {
	const char *name, *args, *summary;
	unsigned args_least, args_most;
	unsigned hex; /* bit an argument: it is hexadecimal */
	bool rates;   /* an earlier sample makes it say more */
	/* 0, or -errno with a line of text: there is no such process, frame, ... */
	int (*show)(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
};

/* The view of this name, a leading ! or not; NULL: there is none. */
const struct view *view_by_name(const char *name, size_t len);
const struct view *view_at(unsigned i); /* NULL behind the last */
/* A number as WinDbg's users write it: 0x1000, 7ff`12340000; hexadecimal without 0x, too, if hex.
 */
bool view_number(const char *text, bool hex, uint64_t *v);
/* Shows it, and says what could not be seen. */
int view_show(const struct view *v, struct look *l, const struct view_call *c, struct doc *d,
	      struct vm_error *err);

void view_take_sample(struct look *l, struct view_sample *s);
void view_free_sample(struct view_sample *s);
bool view_counters(struct look *l, struct ntmm_counters *c);

/* ---- frames by use and state (view_ram.c) ---- */
struct view_frames {
	uint64_t n[USES][NTMM_PFN_STATES];
	uint64_t standby[8];
	uint64_t managed, reserved; /* together all frames of RAM */
};
uint64_t view_state(const struct view_frames *f, enum ntmm_pfn_state s);

typedef void view_frame_fn(void *arg, struct look *l, const struct look_frame *f, enum look_use u);
/* Counts all of RAM; fn (may be NULL) sees each frame, too. */
void view_count_frames(struct look *l, struct view_frames *f, view_frame_fn *fn, void *arg);

/* ---- a process's memory by regions (regions.c) ---- */
enum region_type {
	REGION_IMAGE,
	REGION_MAPPED_FILE,
	REGION_SHAREABLE,
	REGION_HEAP,
	REGION_STACK,
	REGION_PRIVATE,
	REGION_TABLE,
	REGION_UNUSABLE,
	REGION_FREE,
	REGION_TYPES
};
extern const char *const region_name[REGION_TYPES];

struct region {
	uint64_t start, end;
	enum region_type type;
	uint64_t committed, priv, ws, ws_private, ws_shareable, ws_shared, ws_locked; /* bytes */
	uint64_t blocks, largest; /* parts of one state and protection; bytes of the largest */
	uint32_t protection;	  /* PAGE_*; 0: none to tell */
	char details[LOOK_FILE_NAME];
};
struct regions {
	struct region *region; /* owned */
	unsigned n;
	bool heaps_unseen; /* the list of heaps is paged out */
};
int regions_read(struct look *l, const struct look_process *p, struct regions *out);
void regions_free(struct regions *r);
/* Private pages of the working set. */
uint64_t regions_private_ws(struct look *l, const struct look_process *p);

/* ---- the views ---- */
int show_processes(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_vmmap(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_rammap(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_memusage(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_counters(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_vm(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_resmon(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_pte(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_pfn(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);
int show_vad(struct look *l, const struct view_call *c, struct doc *d, struct vm_error *err);

#endif
