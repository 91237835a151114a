/*
 * look: a stopped machine's memory as the kernel's structures say it is, read from outside.
 *
 *   look.c     memory: physical, kernel, of a process; the root; fields
 *   objects.c  processes, threads, names of files
 *   vads.c     address spaces: VADs and the state of each page
 *   frames.c   the PFN database
 *
 * Glossary: as abi/mminfo.h and guest/mm/mm.h. An address is guest-virtual unless it is called gpa.
 *
 * The kernel may be taken over, or stopped in the middle of a change, so nothing read is believed:
 * lists and trees have bounds, numbers are compared with what there can be at most, text is made
 * printable, and all of a look's work has a budget. What cannot be read counts as zero and is
 * counted (`unreadable`). Not for several threads.
 */
#ifndef HOST_INSPECT_LOOK_H
#define HOST_INSPECT_LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/abi/machine.h"
#include "guest/abi/mminfo.h"
#include "vmm/vmm.h"

#define LOOK_PAGE	  4096ull
#define LOOK_PFN_MOST	  256u /* bytes of a frame's entry */
#define LOOK_PROCESSES	  8192u
#define LOOK_THREADS	  4096u /* of one process */
#define LOOK_FILE_NAME	  264u
#define LOOK_LINE_PAGES	  16u /* memory is fetched and kept by so many pages */
#define LOOK_LINES	  128u
#define LOOK_TRANSLATIONS 512u

struct look_line {
	uint64_t first; /* its first page's number, a multiple of LOOK_LINE_PAGES */
	uint32_t valid; /* bit a page */
	uint32_t absent;
	uint8_t data[LOOK_LINE_PAGES * LOOK_PAGE];
};
struct look_translation {
	uint64_t root, page, gpa; /* frame, page number; gpa of the page */
	bool valid;
};

struct look {
	struct vm_window *window;
	struct ntmm_mminfo info;
	uint64_t frames;      /* pages of RAM */
	uint64_t highest;     /* last frame that may have an entry in the PFN database */
	uint64_t system_root; /* frame */
	uint64_t budget;      /* steps left */
	uint64_t unreadable;  /* reads that failed */
	bool cut;	      /* something was left out: budget, bounds or nonsense */
	bool busy;	      /* the kernel was in the middle of a change */
	int lost;	      /* -errno: the machine is gone */
	struct look_line *line;
	struct look_translation *translation;
};

/* Begins to look through w, which stays the caller's. Waits, for a moment, until the kernel holds
 * no lock on what is looked at. 0, or -errno with a line of text. */
int look_open(struct look *l, struct vm_window *w, struct vm_error *err);
void look_close(struct look *l);

/* Takes n steps off the budget; false: there are no more, and `cut` is set. */
bool look_spend(struct look *l, uint64_t n);

/* All of len bytes, or false and zeroes. */
bool look_physical(struct look *l, uint64_t gpa, void *buf, size_t len);
bool look_virtual(struct look *l, uint64_t root, uint64_t va, void *buf, size_t len);
bool look_kernel(struct look *l, uint64_t va, void *buf, size_t len);
/* An unsigned number of a structure at va; 0 if it cannot be read. */
uint64_t look_get(struct look *l, uint64_t va, enum ntmm_field f);
uint64_t look_variable(struct look *l, enum ntmm_variable v); /* up to 8 bytes of it */
unsigned look_width(enum ntmm_field f);
/* NUL-terminated kernel text, at most size - 1 bytes of it; what is not printable becomes ?. */
void look_text(struct look *l, uint64_t va, char *out, size_t size);
void look_clean(char *text); /* makes it printable: ASCII, or UTF-8 if all of it is */

/* The entry that decides about va in this root's tables: its own at level 1, a large page's or the
 * first invalid one above. Returns its level, 4 to 1; 0: unreadable. */
unsigned look_entry(struct look *l, uint64_t root, uint64_t va, uint64_t *entry, uint64_t *gpa);

/* ---- objects.c ---- */
struct look_process {
	uint64_t va;
	uint32_t pid, parent, threads;
	bool initial; /* the program that was run */
	uint64_t root, highest, peb, vads, vad_count;
	uint64_t ws, ws_peak, ws_locked, physical, commit, commit_peak, tables; /* pages */
	uint64_t virtual_size, virtual_peak;					/* bytes */
	uint64_t faults, hard_faults;
	char name[33];
};
struct look_thread {
	uint32_t tid;
	uint64_t teb, user_stack;
};
/* Arrays to be freed; NULL if there are none. */
struct look_process *look_processes(struct look *l, unsigned *n);
struct look_thread *look_threads(struct look *l, const struct look_process *p, unsigned *n);
/* One by number; 0: the program that was run. */
bool look_process(struct look *l, uint32_t pid, struct look_process *out);
/* "D:\folder\file" of a FILE_OBJECT; "" without one. */
void look_file_name(struct look *l, uint64_t file, char out[LOOK_FILE_NAME]);

/* ---- vads.c ---- */
struct look_vad {
	uint64_t va, start, end; /* start, end: addresses, half-open */
	unsigned type, prot, level;
	uint32_t win32_prot;
	bool committed, write_watch, placeholder, no_execute;
	uint64_t commit, ca, first, page_bytes;
	/* of the control area */
	bool image, reserve;
	uint64_t file, proto, pages, subsection;
	uint32_t subsections;
};
/* In order of addresses; an array to be freed. */
struct look_vad *look_vads(struct look *l, const struct look_process *p, unsigned *n);

enum look_kind {
	KIND_ZERO,
	KIND_VALID,
	KIND_DEMAND_ZERO,
	KIND_PAGEFILE,
	KIND_TRANSITION,
	KIND_PROTOTYPE,
	KIND_DECOMMITTED,
	KINDS
};
enum look_kind look_kind(uint64_t pte);
const char *look_kind_name(enum look_kind k);
static inline unsigned look_prot(uint64_t pte)
{
	return (unsigned)(pte & NTMM_PTE_VALID ? pte >> NTMM_PTE_VALID_PROT
					       : pte >> NTMM_PTE_PROT) &
	       31;
}
static inline uint64_t look_frame_of(uint64_t pte)
{
	return (pte & NTMM_PTE_FRAME) / LOOK_PAGE;
}

/* What a page of a region is, and where pages that are all like it end. */
struct look_page {
	uint64_t next; /* address; > that of the page, <= the region's end */
	bool committed;
	unsigned prot;	/* code */
	bool resident;	/* by a valid entry */
	uint64_t frame; /* resident */
	uint64_t pte;	/* its own entry, 0 without one */
	uint64_t bytes; /* resident: of the entry */
};
void look_page(struct look *l, const struct look_process *p, const struct look_vad *v, uint64_t va,
	       struct look_page *out);
/* The entry in the section's array that va's page has; false: none. */
bool look_prototype(struct look *l, const struct look_vad *v, uint64_t va, uint64_t *pte);
/* PAGE_* of a protection code, and their text. */
uint32_t look_win32(unsigned prot);
const char *look_protection(uint32_t win32, char buf[64]);
/* User memory, as far as it is in RAM. */
bool look_user(struct look *l, const struct look_process *p, uint64_t va, void *buf, size_t len);

/* ---- frames.c ---- */
struct look_frame {
	uint64_t pte, original;
	uint32_t flink, blink, share, pte_frame;
	uint16_t refs;
	uint8_t state, flags, priority, use;
};
/* The entry of a frame; false: it has none, the memory manager does not know it. */
bool look_frame(struct look *l, uint64_t pfn, struct look_frame *f);
/* Is it in the working set of whoever maps it? */
static inline bool look_in_ws(const struct look_frame *f)
{
	return !(f->flags & (NTMM_PFN_F_KERNEL | NTMM_PFN_F_NOPAGE));
}
/* The next frame of RAM >= pfn; false: none. */
bool look_next_frame(const struct look *l, uint64_t *pfn);
/* The control area a prototype's frame belongs to, if its entry tells; 0: it does not. */
uint64_t look_frame_ca(struct look *l, const struct look_frame *f);

enum look_use {
	USE_PRIVATE,
	USE_MAPPED_FILE,
	USE_SHAREABLE,
	USE_TABLE,
	USE_PAGED_POOL,
	USE_NONPAGED_POOL,
	USE_SYSTEM_PTE,
	USE_SESSION,
	USE_METAFILE,
	USE_AWE,
	USE_DRIVER,
	USE_STACK,
	USE_LARGE,
	USE_STORE,
	USE_KERNEL,
	USE_UNUSED,
	USES
};
extern const char *const look_use_name[USES];
extern const char *const look_state_name[NTMM_PFN_STATES];
enum look_use look_use(const struct look_frame *f);

struct look_list {
	uint64_t head, tail, count;
};
struct look_list look_list(struct look *l, enum ntmm_variable v, unsigned index);

#endif
