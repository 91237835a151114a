/*
 * tables: the guest's page tables, changed by nobody but the host, which checks each change first
 * (level hvci). Plain library; the caller has a lock around every call.
 *
 * All tables lie in one arena, the pool. It is an ordinary slot, since the processor's own walk
 * counts as a write there; what keeps the guest from writing it is that no entry of any table maps
 * a page of the pool writable, from tables_enter() on.
 *
 *   kind      entries lead to                       in the kernel's half: one address for ever
 *   ROOT      slots 0..255 USER3, the others as the system's root has them, unchangeable
 *   USER3..1  the next kind down, or a leaf that user mode can reach
 *   KERNEL3..1  the same of the kernel's half, a leaf that user mode cannot reach
 *
 * A page of the pool has no kind until an entry leads to it; then it keeps its kind, and a table of
 * the kernel's half its address, too. So it does not matter what the processor remembers of entries
 * that are gone (translations, paging-structure caches): whatever was a table of some kind still is
 * one, and no entry has ever given a right that the rules forbid. Only tables_recycle() takes the
 * kind away again, when no processor remembers anything.
 *
 * An entry that leads to a table has exactly the rights of its half (write, and user in the user's
 * half); so the rights of a leaf are those of the path.
 */
#ifndef EPT_TABLES_H
#define EPT_TABLES_H

#include "ept/rules.h"

enum table_kind {
	TABLE_NONE,
	TABLE_ROOT,
	TABLE_USER3,
	TABLE_USER2,
	TABLE_USER1,
	TABLE_KERNEL3,
	TABLE_KERNEL2,
	TABLE_KERNEL1,
	TABLE_KINDS
};

struct table_page {
	uint64_t va; /* KERNEL*: what its first entry maps */
	uint8_t kind;
	bool linked; /* an entry leads to it; while tables_recycle() looks */
};

/* Code the kernel may execute, at this address and no other: instructions may cross pages. */
struct table_code {
	uint64_t va, bytes; /* whole pages; bytes 0: none */
	gpa_t gpa;
	bool leaving; /* approved no more, but processors may still remember it */
};
#define TABLES_MAX_CODE 40u

struct ept_tables {
	const struct ept_memory *memory;
	struct gpa_range pool;
	struct table_page *page; /* one for each page of the pool; the caller's memory */
	gpa_t root;		 /* the system's; 0: not told yet */
	bool entered;		 /* the rules are in force */
	struct table_code code[TABLES_MAX_CODE];
	/* The kernel's image: its addresses lead to its own memory or nowhere. */
	uint64_t image_va, image_bytes;
	gpa_t image_gpa;
	struct gpa_range devices; /* beside RAM, the kernel may map this */
	/* Must no mapping of these bytes be writable? */
	bool (*protected_)(void *arg, gpa_t gpa, uint64_t bytes);
	void *arg;
};

/* What is wrong with a change. */
struct table_refusal {
	enum ept_rule rule;
	bool leaf;   /* the entry maps memory: it could be let through without harm to the rest */
	bool has_va; /* of the kernel's half: the address is known */
	uint64_t va; /* that the entry maps */
	uint64_t entry; /* the value that was refused */
};

/* pages: as many as the pool has, zeroed. */
int tables_init(struct ept_tables *t, const struct ept_memory *memory, struct gpa_range pool,
		struct table_page *pages);

/* The system's root: once, before any other. -EINVAL, -EALREADY. */
int tables_system_root(struct ept_tables *t, gpa_t root);

/* Looks at everything below the roots that are there and gives each page its kind; on success the
 * rules are in force. -EPERM with *refused. */
int tables_enter(struct ept_tables *t, struct table_refusal *refused);

/* A page becomes a root, its kernel half the system's. 0 too when it is one. -EINVAL: not a page of
 * the pool that can be one. */
int tables_add_root(struct ept_tables *t, gpa_t root);
bool tables_is_root(const struct ept_tables *t, gpa_t root);

/*
 * Empty tables of the user's half and roots that no entry leads to and that are not `loaded` have
 * no kind from now on. Returns how many, of those in `page` up to the first that is something else.
 * => no processor runs, and each forgets all translations before it does
 */
unsigned tables_recycle(struct ept_tables *t, const gpa_t *page, unsigned n, const gpa_t *loaded,
			unsigned nloaded);

/* The entry at gpa becomes (old & ~clear) | set in one step, *old what it was. -EFAULT: no entry in
 * a table; -EPERM: *refused says what rule forbids it. `force`: a leaf is changed all the same. */
int tables_change(struct ept_tables *t, gpa_t gpa, uint64_t clear, uint64_t set, bool force,
		  uint64_t *old, struct table_refusal *refused);

/* Approves code; -ENOSPC; -EEXIST: there is some beside it already. Takes approval back: no entry
 * is changed, and its addresses stay taken until every processor has been made to forget it; else
 * an instruction could begin in old code and end in new. */
int tables_approve(struct ept_tables *t, uint64_t va, gpa_t gpa, uint64_t bytes);
void tables_disapprove(struct ept_tables *t, gpa_t gpa);
void tables_forgotten(struct ept_tables *t, gpa_t gpa);
/* Does an entry of the kernel's half still map any of it? */
bool tables_maps(const struct ept_tables *t, gpa_t gpa, uint64_t bytes);

#endif
