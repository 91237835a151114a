/* The rules, one routine for all levels, with the kind as a parameter. */
#include <errno.h>
#include <string.h>

#include "ept/tables.h"
#include "guest/abi/machine.h"

#define PAGE	   ((uint64_t)NTMM_PAGE_SIZE)
#define ENTRY	   8u
#define HALF	   256u
#define AD_BITS	   0x60ull
#define PT_PAT	   (1ull << 12) /* of a large leaf */
#define LINK_RIGHT (PT_PRESENT | PT_WRITE)
/* In an entry that leads to a table: everything else but accessed and what the processor ignores
 * (dirty, global, and what is left to the kernel). */
#define LINK_FIXED (PT_PRESENT | PT_WRITE | PT_USER | 1ull << 3 | 1ull << 4 | PT_LARGE | PT_NX)

static const struct {
	uint8_t level, below;
	bool user;
} kinds[TABLE_KINDS] = {
    [TABLE_ROOT] = {4, TABLE_NONE, false},	 [TABLE_USER3] = {3, TABLE_USER2, true},
    [TABLE_USER2] = {2, TABLE_USER1, true},	 [TABLE_USER1] = {1, TABLE_NONE, true},
    [TABLE_KERNEL3] = {3, TABLE_KERNEL2, false}, [TABLE_KERNEL2] = {2, TABLE_KERNEL1, false},
    [TABLE_KERNEL1] = {1, TABLE_NONE, false},
};

/* One entry that is being looked at. */
struct look {
	enum table_kind kind; /* of its table */
	gpa_t table;
	unsigned slot;
	uint64_t va; /* KERNEL*, ROOT: what it maps */
	uint64_t value;
	struct table_refusal *refused;
};

static bool adopt(struct ept_tables *t, gpa_t table, enum table_kind kind, uint64_t va,
		  struct table_refusal *refused);

static struct table_page *page_of(const struct ept_tables *t, gpa_t gpa)
{
	if (gpa < t->pool.start || gpa >= t->pool.end)
		return NULL;
	return &t->page[(gpa - t->pool.start) / PAGE];
}

static uint64_t *entries(const struct ept_tables *t, gpa_t table)
{
	return ept_at(t->memory, table, PAGE);
}

static bool zero_until(const uint64_t *table, unsigned end)
{
	for (unsigned i = 0; i < end; i++)
		if (__atomic_load_n(&table[i], __ATOMIC_RELAXED))
			return false;
	return true;
}

static bool all_zero(const uint64_t *table)
{
	return zero_until(table, PT_ENTRIES);
}

static bool refuse(const struct look *l, enum ept_rule rule, bool leaf)
{
	*l->refused = (struct table_refusal){
	    .rule = rule,
	    .leaf = leaf,
	    .has_va = l->kind >= TABLE_KERNEL3 || (l->kind == TABLE_ROOT && l->slot >= HALF),
	    .va = l->va,
	    .entry = l->value,
	};
	return false;
}

/* May the entry lead to this table? The table gets its kind. */
static bool link(struct ept_tables *t, const struct look *l, enum table_kind below, bool user)
{
	const uint64_t right = LINK_RIGHT | (user ? PT_USER : 0);
	gpa_t child = l->value & PT_FRAME;
	struct table_page *p = page_of(t, child);

	if (!p || (l->value & LINK_FIXED) != right)
		return refuse(l, RULE_TABLE, false);
	if (p->kind == TABLE_NONE && t->entered && !all_zero(entries(t, child)))
		return refuse(l, RULE_TABLE, false);
	if (p->kind == TABLE_NONE)
		return adopt(t, child, below, l->va, l->refused);
	if (p->kind != below || (!user && p->va != l->va))
		return refuse(l, RULE_TABLE, false);
	return true;
}

static bool is_approved(const struct ept_tables *t, uint64_t va, gpa_t gpa, uint64_t bytes)
{
	for (unsigned i = 0; i < TABLES_MAX_CODE; i++) {
		const struct table_code *c = &t->code[i];

		if (!c->leaving && bytes <= c->bytes && gpa >= c->gpa &&
		    gpa - c->gpa <= c->bytes - bytes && va - c->va == gpa - c->gpa)
			return true;
	}
	return false;
}

/* Do the addresses [va, va + bytes) of the kernel's image lead where they have to? */
static bool image_stays(const struct ept_tables *t, uint64_t va, gpa_t gpa, uint64_t bytes)
{
	if (va - t->image_va >= t->image_bytes && t->image_va - va >= bytes)
		return true;
	return gpa - t->image_gpa == va - t->image_va;
}

static bool is_memory(const struct ept_tables *t, gpa_t gpa, uint64_t bytes)
{
	return ept_at(t->memory, gpa, bytes) != NULL;
}

static bool is_device(const struct ept_tables *t, gpa_t gpa, uint64_t bytes)
{
	return gpa >= t->devices.start && gpa < t->devices.end && bytes <= t->devices.end - gpa;
}

static bool leaf(struct ept_tables *t, const struct look *l, unsigned level, bool user)
{
	const uint64_t v = l->value, bytes = PT_SPAN(level);
	const gpa_t gpa = v & PT_FRAME & ~(level > 1 ? PT_PAT : 0);
	const bool write = v & PT_WRITE, execute = !(v & PT_NX);

	if (gpa & (bytes - 1)) /* reserved bits */
		return refuse(l, RULE_TABLE, false);
	if (!is_memory(t, gpa, bytes) && (user || execute || !is_device(t, gpa, bytes)))
		return refuse(l, RULE_TABLE, false);
	if (user && !(v & PT_USER))
		return refuse(l, RULE_SUPERVISOR, true);
	if (!user && v & PT_USER)
		return refuse(l, RULE_USER_KERNEL, true);
	if (write && t->protected_(t->arg, gpa, bytes))
		return refuse(l, RULE_ALIAS, false);
	if (user)
		return true;
	if (execute && write)
		return refuse(l, RULE_WX, true);
	if (!image_stays(t, l->va, gpa, bytes))
		return refuse(l, RULE_REMAP, true);
	if (execute && !is_approved(t, l->va, gpa, bytes))
		return refuse(l, RULE_UNKNOWN_CODE, true);
	return true;
}

static bool root_entry(struct ept_tables *t, const struct look *l)
{
	const uint64_t *system = entries(t, t->root);

	if (l->slot < HALF)
		return !(l->value & PT_PRESENT) || link(t, l, TABLE_USER3, true);
	if (l->table == t->root && !t->entered)
		return !(l->value & PT_PRESENT) || link(t, l, TABLE_KERNEL3, false);
	if ((l->value ^ system[l->slot]) & ~AD_BITS)
		return refuse(l, RULE_REMAP, false);
	return true;
}

static bool allowed(struct ept_tables *t, const struct look *l)
{
	const unsigned level = kinds[l->kind].level;
	const bool user = kinds[l->kind].user;

	if (l->kind == TABLE_ROOT)
		return root_entry(t, l);
	if (!(l->value & PT_PRESENT))
		return true;
	if (level == 1 || l->value & PT_LARGE)
		return leaf(t, l, level, user);
	return link(t, l, kinds[l->kind].below, user);
}

static uint64_t entry_va(enum table_kind kind, uint64_t va, unsigned slot)
{
	if (kind == TABLE_ROOT)
		return (slot >= HALF ? ~0ull << 48 : 0) | slot * PT_SPAN(4);
	return va + slot * PT_SPAN(kinds[kind].level);
}

/* Gives a page its kind, and all below it theirs. */
static bool adopt(struct ept_tables *t, gpa_t table, enum table_kind kind, uint64_t va,
		  struct table_refusal *refused)
{
	struct table_page *p = page_of(t, table);
	const uint64_t *e = entries(t, table);

	p->kind = kind;
	p->va = va;
	for (unsigned i = 0; i < PT_ENTRIES; i++) {
		const struct look l = {kind,
				       table,
				       i,
				       entry_va(kind, va, i),
				       __atomic_load_n(&e[i], __ATOMIC_RELAXED),
				       refused};

		if (!allowed(t, &l))
			return false;
	}
	return true;
}

int tables_init(struct ept_tables *t, const struct ept_memory *memory, struct gpa_range pool,
		struct table_page *pages)
{
	memset(t, 0, sizeof(*t));
	if (pool.start >= pool.end || (pool.start | pool.end) & (PAGE - 1) ||
	    !ept_at(memory, pool.start, pool.end - pool.start))
		return -EINVAL;
	t->memory = memory;
	t->pool = pool;
	t->page = pages;
	return 0;
}

int tables_system_root(struct ept_tables *t, gpa_t root)
{
	struct table_page *p = page_of(t, root);

	if (t->root)
		return -EALREADY;
	if (!p || root & (PAGE - 1))
		return -EINVAL;
	t->root = root;
	p->kind = TABLE_ROOT;
	return 0;
}

int tables_enter(struct ept_tables *t, struct table_refusal *refused)
{
	const uint64_t pages = (t->pool.end - t->pool.start) / PAGE;

	*refused = (struct table_refusal){.rule = RULE_TABLE};
	if (!t->root || t->entered)
		return -EPERM;
	if (!adopt(t, t->root, TABLE_ROOT, 0, refused))
		return -EPERM;
	for (uint64_t i = 0; i < pages; i++) {
		gpa_t gpa = t->pool.start + i * PAGE;

		if (t->page[i].kind == TABLE_ROOT && gpa != t->root &&
		    !adopt(t, gpa, TABLE_ROOT, 0, refused))
			return -EPERM;
	}
	t->entered = true;
	return 0;
}

bool tables_is_root(const struct ept_tables *t, gpa_t root)
{
	const struct table_page *p = page_of(t, root);

	return p && !(root & (PAGE - 1)) && p->kind == TABLE_ROOT;
}

int tables_add_root(struct ept_tables *t, gpa_t root)
{
	struct table_page *p = page_of(t, root);
	uint64_t *e;

	if (!p || root & (PAGE - 1) || !t->root)
		return -EINVAL;
	if (p->kind == TABLE_ROOT)
		return 0;
	e = entries(t, root);
	if (p->kind != TABLE_NONE || !all_zero(e))
		return -EINVAL;
	for (unsigned i = HALF; i < PT_ENTRIES; i++)
		__atomic_store_n(&e[i], __atomic_load_n(&entries(t, t->root)[i], __ATOMIC_RELAXED),
				 __ATOMIC_RELAXED);
	p->kind = TABLE_ROOT;
	return 0;
}

/* Says of each page whether an entry of the user's half leads to it. */
static void mark_linked(struct ept_tables *t)
{
	const uint64_t pages = (t->pool.end - t->pool.start) / PAGE;

	for (uint64_t i = 0; i < pages; i++)
		t->page[i].linked = false;
	for (uint64_t i = 0; i < pages; i++) {
		const enum table_kind kind = (enum table_kind)t->page[i].kind;
		const uint64_t *e = entries(t, t->pool.start + i * PAGE);
		const unsigned end = kind == TABLE_ROOT				  ? HALF
				     : kind == TABLE_USER3 || kind == TABLE_USER2 ? PT_ENTRIES
										  : 0;

		for (unsigned k = 0; k < end; k++) {
			const uint64_t v = __atomic_load_n(&e[k], __ATOMIC_RELAXED);
			struct table_page *child = page_of(t, v & PT_FRAME);

			if ((v & (PT_PRESENT | PT_LARGE)) == PT_PRESENT && child)
				child->linked = true;
		}
	}
}

static bool is_idle(const struct ept_tables *t, gpa_t gpa, const gpa_t *loaded, unsigned nloaded)
{
	const struct table_page *p = page_of(t, gpa);

	if (!p || gpa & (PAGE - 1) || p->linked || gpa == t->root)
		return false;
	for (unsigned i = 0; i < nloaded; i++)
		if (loaded[i] == gpa)
			return false;
	if (p->kind == TABLE_ROOT)
		return zero_until(entries(t, gpa), HALF);
	return kinds[p->kind].user && all_zero(entries(t, gpa));
}

unsigned tables_recycle(struct ept_tables *t, const gpa_t *page, unsigned n, const gpa_t *loaded,
			unsigned nloaded)
{
	unsigned done = 0;

	mark_linked(t);
	for (; done < n && is_idle(t, page[done], loaded, nloaded); done++) {
		memset(entries(t, page[done]), 0, PAGE); /* a root has the system's half */
		page_of(t, page[done])->kind = TABLE_NONE;
	}
	return done;
}

int tables_change(struct ept_tables *t, gpa_t gpa, uint64_t clear, uint64_t set, bool force,
		  uint64_t *old, struct table_refusal *refused)
{
	const struct table_page *p = page_of(t, gpa);
	const gpa_t table = gpa & ~(PAGE - 1);
	const unsigned slot = (unsigned)(gpa & (PAGE - 1)) / ENTRY;
	uint64_t *e, was;

	if (!p || gpa & (ENTRY - 1) || (t->entered && p->kind == TABLE_NONE))
		return -EFAULT;
	e = &entries(t, table)[slot];
	was = __atomic_load_n(e, __ATOMIC_RELAXED);
	do { /* the processor sets accessed and dirty meanwhile */
		const struct look l = {(enum table_kind)p->kind,
				       table,
				       slot,
				       entry_va((enum table_kind)p->kind, p->va, slot),
				       (was & ~clear) | set,
				       refused};

		if (t->entered && !allowed(t, &l) && !(force && refused->leaf))
			return -EPERM;
	} while (!__atomic_compare_exchange_n(e, &was, (was & ~clear) | set, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
	*old = was;
	return 0;
}

int tables_approve(struct ept_tables *t, uint64_t va, gpa_t gpa, uint64_t bytes)
{
	struct table_code *room = NULL;

	bytes = (bytes + PAGE - 1) & ~(PAGE - 1);
	for (unsigned i = 0; i < TABLES_MAX_CODE; i++) {
		struct table_code *c = &t->code[i];

		if (!c->bytes)
			room = c;
		else if (va <= c->va + c->bytes && c->va <= va + bytes)
			return -EEXIST; /* an instruction may begin in one and end in the other */
	}
	if (!room)
		return -ENOSPC;
	*room = (struct table_code){va, bytes, gpa, false};
	return 0;
}

void tables_disapprove(struct ept_tables *t, gpa_t gpa)
{
	for (unsigned i = 0; i < TABLES_MAX_CODE; i++)
		if (t->code[i].bytes && t->code[i].gpa == gpa)
			t->code[i].leaving = true;
}

void tables_forgotten(struct ept_tables *t, gpa_t gpa)
{
	for (unsigned i = 0; i < TABLES_MAX_CODE; i++)
		if (t->code[i].leaving && t->code[i].gpa == gpa)
			t->code[i] = (struct table_code){0};
}

bool tables_maps(const struct ept_tables *t, gpa_t gpa, uint64_t bytes)
{
	const uint64_t pages = (t->pool.end - t->pool.start) / PAGE;

	for (uint64_t i = 0; i < pages; i++) {
		const uint64_t *e = entries(t, t->pool.start + i * PAGE);

		for (unsigned k = 0; t->page[i].kind == TABLE_KERNEL1 && k < PT_ENTRIES; k++)
			if (e[k] & PT_PRESENT && !(e[k] & PT_NX) && (e[k] & PT_FRAME) - gpa < bytes)
				return true;
	}
	return false;
}
