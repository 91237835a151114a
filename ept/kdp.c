/*
 * Protected data: which stores pass, and the blocks of the secure pool, as a sorted array.
 */
#include <errno.h>
#include <string.h>

#include "ept/kdp.h"
#include "guest/abi/machine.h"

#define PAGE ((uint64_t)NTMM_PAGE_SIZE)

static uint64_t round_up(uint64_t v, uint64_t unit)
{
	return (v + unit - 1) & ~(unit - 1);
}

int kdp_init(struct ept_kdp *k, struct gpa_range arena, gpa_t static_end)
{
	memset(k, 0, sizeof(*k));
	if (arena.start >= arena.end || arena.end - arena.start > KDP_MAX_BYTES ||
	    static_end < arena.start || static_end > arena.end)
		return -EINVAL;
	k->arena = arena;
	k->static_end = round_up(static_end, PAGE);
	return 0;
}

/* The block that holds gpa, or NULL. */
static const struct kdp_block *find(const struct ept_kdp *k, gpa_t gpa)
{
	for (unsigned i = 0; i < k->nblocks; i++)
		if (gpa - k->block[i].gpa < k->block[i].bytes)
			return &k->block[i];
	return NULL;
}

bool kdp_open(const struct ept_kdp *k, gpa_t gpa, uint64_t len, enum ept_rule *rule)
{
	const struct kdp_block *b;

	*rule = gpa < k->static_end ? RULE_KDP : RULE_POOL;
	if (len == 0 || gpa < k->arena.start || len > k->arena.end - gpa || gpa >= k->arena.end)
		return false;
	if (gpa < k->static_end)
		return !k->static_sealed && len <= k->static_end - gpa;
	b = find(k, gpa);
	if (!b || !b->section)
		return false;
	*rule = RULE_KDP;
	return !b->sealed && len <= b->gpa + b->bytes - gpa;
}

void kdp_seal(struct ept_kdp *k)
{
	k->static_sealed = true;
}

int kdp_alloc(struct ept_kdp *k, uint64_t bytes, uint64_t key, bool section, gpa_t *gpa)
{
	uint64_t unit = section ? PAGE : KDP_UNIT;
	gpa_t at = k->static_end;
	unsigned i;

	if (bytes == 0 || bytes > k->arena.end - k->arena.start)
		return -EINVAL;
	if (k->nblocks == KDP_MAX_BLOCKS)
		return -ENOMEM;
	bytes = round_up(bytes, unit);
	for (i = 0; i < k->nblocks; i++) { /* first fit */
		at = round_up(at, unit);
		if (at + bytes <= k->block[i].gpa)
			break;
		at = k->block[i].gpa + k->block[i].bytes;
	}
	at = round_up(at, unit);
	if (at > k->arena.end || bytes > k->arena.end - at)
		return -ENOMEM;
	memmove(&k->block[i + 1], &k->block[i], (k->nblocks - i) * sizeof(k->block[0]));
	k->block[i] = (struct kdp_block){at, bytes, key, false, section};
	k->nblocks++;
	*gpa = at;
	return 0;
}

int kdp_may_write(const struct ept_kdp *k, gpa_t gpa, uint64_t len, uint64_t key)
{
	const struct kdp_block *b = find(k, gpa);

	if (!b || len > b->gpa + b->bytes - gpa)
		return -ENOENT;
	if (b->key != key)
		return -EACCES;
	return b->sealed ? -EROFS : 0;
}

/* The block that begins at gpa, if the key is its own. */
static int own(struct ept_kdp *k, gpa_t gpa, uint64_t key, struct kdp_block **block)
{
	for (unsigned i = 0; i < k->nblocks; i++)
		if (k->block[i].gpa == gpa) {
			*block = &k->block[i];
			return k->block[i].key == key ? 0 : -EACCES;
		}
	return -ENOENT;
}

int kdp_seal_block(struct ept_kdp *k, gpa_t gpa, uint64_t key)
{
	struct kdp_block *b;
	int r = own(k, gpa, key, &b);

	if (r < 0)
		return r;
	if (b->sealed)
		return -EALREADY;
	b->sealed = true;
	return 0;
}

static int remove_block(struct ept_kdp *k, struct kdp_block *b, uint64_t *bytes)
{
	*bytes = b->bytes;
	memmove(b, b + 1, (size_t)(&k->block[k->nblocks] - (b + 1)) * sizeof(*b));
	k->nblocks--;
	return 0;
}

int kdp_free(struct ept_kdp *k, gpa_t gpa, uint64_t key, uint64_t *bytes)
{
	struct kdp_block *b;
	int r = own(k, gpa, key, &b);

	if (r < 0 || b->section) /* sections are for ever, for those who know no key */
		return r < 0 ? r : -EACCES;
	return remove_block(k, b, bytes);
}

int kdp_release(struct ept_kdp *k, gpa_t gpa, uint64_t *bytes)
{
	struct kdp_block *b;
	int r = own(k, gpa, 0, &b);

	return r < 0 || !b->section ? -ENOENT : remove_block(k, b, bytes);
}
