/*
 * The walks. One routine for the whole tree, with the level as a parameter.
 */
#include <errno.h>
#include <string.h>

#include "ept/walk.h"
#include "guest/abi/machine.h"

#define PAGE ((uint64_t)NTMM_PAGE_SIZE)

void *ept_at(const struct ept_memory *m, gpa_t gpa, uint64_t len)
{
	int64_t offset = ept_translate(m->map, gpa, len, (enum ept_rights)0);

	return offset < 0 ? NULL : m->base + offset;
}

static const uint64_t *table_at(const struct ept_memory *m, uint64_t entry)
{
	return ept_at(m, entry & PT_FRAME, PAGE);
}

static uint64_t entry_of(const uint64_t *table, unsigned slot)
{
	return __atomic_load_n(&table[slot], __ATOMIC_RELAXED);
}

static uint64_t canonical(uint64_t va)
{
	return va & 1ull << 47 ? va | 0xffff000000000000ull : va;
}

static bool is_leaf(uint64_t e, unsigned level)
{
	return level == 1 || (level <= 3 && (e & PT_LARGE));
}

/* Fills in a leaf; path: AND of the W and U bits, OR of the NX bits of all levels. */
static void set_leaf(struct ept_leaf *l, uint64_t va, uint64_t e, uint64_t path, unsigned level,
		     gpa_t entry)
{
	*l = (struct ept_leaf){
	    .va = canonical(va),
	    .gpa = e & PT_FRAME & ~(PT_SPAN(level) - 1),
	    .bytes = PT_SPAN(level),
	    .write = (path & PT_WRITE) != 0,
	    .user = (path & PT_USER) != 0,
	    .execute = !(path & PT_NX),
	    .entry = entry,
	};
}

static uint64_t join(uint64_t path, uint64_t e)
{
	return ((path & e) & (PT_WRITE | PT_USER)) | ((path | e) & PT_NX);
}

int ept_walk(const struct ept_memory *m, uint64_t cr3, uint64_t va, struct ept_leaf *leaf)
{
	uint64_t e = cr3, path = PT_WRITE | PT_USER;

	for (unsigned level = PT_LEVELS; level > 0; level--) {
		const uint64_t *t = table_at(m, e);
		unsigned slot = PT_SLOT(va, level);
		gpa_t at = (e & PT_FRAME) + slot * UINT64_C(8);

		if (!t)
			return -EFAULT;
		e = entry_of(t, slot);
		if (!(e & PT_PRESENT))
			return -EFAULT;
		path = join(path, e);
		if (is_leaf(e, level)) {
			set_leaf(leaf, va & ~(PT_SPAN(level) - 1), e, path, level, at);
			return 0;
		}
	}
	return -EFAULT;
}

int ept_virtual(const struct ept_memory *m, uint64_t cr3, uint64_t va, gpa_t *gpa)
{
	struct ept_leaf l;
	int r = ept_walk(m, cr3, va, &l);

	*gpa = r == 0 ? l.gpa + (va & (l.bytes - 1)) : 0;
	return r;
}

uint64_t ept_read_virtual(const struct ept_memory *m, uint64_t cr3, uint64_t va, void *buf,
			  uint64_t len)
{
	uint64_t done = 0;

	while (done < len) {
		uint64_t n = PAGE - ((va + done) & (PAGE - 1));
		const void *p;
		gpa_t gpa;

		if (n > len - done)
			n = len - done;
		if (ept_virtual(m, cr3, va + done, &gpa) < 0)
			break;
		p = ept_at(m, gpa, n);
		if (!p)
			break;
		memcpy((uint8_t *)buf + done, p, n);
		done += n;
	}
	return done;
}

struct all {
	const struct ept_memory *m;
	int (*fn)(void *arg, const struct ept_leaf *leaf);
	void *arg;
};

static int walk_table(const struct all *a, uint64_t table, unsigned first, unsigned last,
		      unsigned level, uint64_t va, uint64_t path)
{
	const uint64_t *t = table_at(a->m, table);
	struct ept_leaf leaf;

	for (unsigned i = first; t && i < last; i++) {
		uint64_t e = entry_of(t, i), here = va + i * PT_SPAN(level);
		int r;

		if (!(e & PT_PRESENT))
			continue;
		if (is_leaf(e, level)) {
			set_leaf(&leaf, here, e, join(path, e), level,
				 (table & PT_FRAME) + i * UINT64_C(8));
			r = a->fn(a->arg, &leaf);
		} else {
			r = walk_table(a, e, 0, PT_ENTRIES, level - 1, here, join(path, e));
		}
		if (r)
			return r;
	}
	return 0;
}

int ept_walk_all(const struct ept_memory *m, uint64_t cr3, unsigned first, unsigned last,
		 int (*fn)(void *arg, const struct ept_leaf *leaf), void *arg)
{
	const struct all a = {m, fn, arg};

	return walk_table(&a, cr3, first, last, PT_LEVELS, 0, PT_WRITE | PT_USER);
}
