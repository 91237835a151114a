/*
 * Commit: what has been promised against what there is. The limit is RAM the memory manager may use
 * plus the pagefiles' slots; a charge that does not fit asks the host to grow a pagefile first.
 * Pages the kernel has taken since boot (page tables, pool, stacks) come off the limit without
 * being asked, and so do the page tables that what is promised may still need. A process may have a
 * limit of its own and belong to a pool with one (a job). Lock: commit_lock (leaf).
 */
#include "guest/mm/mi.h"

#define GROW_STEP 4096ul /* pages: pagefiles grow by at least 16 MB */
#define SAFETY	  256ul	 /* pages nobody is promised: the kernel's reserve and I/O in flight */

static struct spinlock commit_lock;
static struct mutex grow_lock;

#define total MmCounters.commit_total
#define limit MmCounters.commit_limit

void mm_init_commit(void)
{
	mutex_init(&grow_lock);
	limit = mm_available - SAFETY;
	total = 0;
}

void mm_commit_limit_add(u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	limit += pages;
	KeReleaseSpinLock(&commit_lock, old);
}

/* => commit_lock */
static bool job_forbids(const struct address_space *as, u64 pages)
{
	if (as->commit_limit && as->commit + pages > as->commit_limit)
		return true;
	for (const struct commit_pool *p = as->pool; p; p = p->parent)
		if (p->most && p->used + pages > p->most)
			return true;
	return false;
}

static void pool_add(const struct address_space *as, u64 pages)
{
	for (struct commit_pool *p = as->pool; p; p = p->parent) {
		p->used += pages;
		p->peak = MAX(p->peak, p->used);
		p->space_peak = MAX(p->space_peak, as->commit);
	}
}

static void pool_remove(const struct address_space *as, u64 pages)
{
	for (struct commit_pool *p = as->pool; p; p = p->parent) {
		require(p->used >= pages);
		p->used -= pages;
	}
}

void MmSetCommitPool(struct address_space *as, struct commit_pool *pool)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	pool_remove(as, as->commit);
	as->pool = pool;
	pool_add(as, as->commit);
	KeReleaseSpinLock(&commit_lock, old);
}

void MmSetCommitLimit(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	as->commit_limit = pages;
	KeReleaseSpinLock(&commit_lock, old);
}

void MmSetPoolLimit(struct commit_pool *pool, u64 pages, struct commit_pool *parent)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	require(pool->parent == parent || !pool->used); /* it moves only empty */
	pool->parent = parent;
	pool->most = pages;
	KeReleaseSpinLock(&commit_lock, old);
}

u64 MmCommitAllowed(struct address_space *as)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);
	u64 allowed = as->commit_limit ? as->commit_limit : ~0ul;

	for (const struct commit_pool *p = as->pool; p; p = p->parent)
		if (p->most)
			allowed = MIN(allowed, as->commit + p->most - MIN(p->most, p->used));
	KeReleaseSpinLock(&commit_lock, old);
	return allowed;
}

#define OVER_JOB \
	((NTSTATUS)0xE0000002) /* a larger pagefile would not help; never leaves this file */

/* What can be promised in all, if `pages` more are. => commit_lock */
static u64 usable(u64 pages)
{
	u64 kept = mm_kernel_pages + ((total + pages) >> 9);

	return limit > kept ? limit - kept : 0;
}

static NTSTATUS try_charge(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);
	NTSTATUS st = STATUS_COMMITMENT_LIMIT;

	if (as && job_forbids(as, pages)) {
		st = OVER_JOB;
	} else if (pages <= limit && total + pages <= usable(pages)) {
		total += pages;
		MmCounters.commit_peak = MAX(MmCounters.commit_peak, total);
		if (as) {
			as->commit += pages;
			as->commit_peak = MAX(as->commit_peak, as->commit);
			pool_add(as, pages);
		}
		st = STATUS_SUCCESS;
	}
	KeReleaseSpinLock(&commit_lock, old);
	return st;
}

NTSTATUS mm_charge(struct address_space *as, u64 pages)
{
	NTSTATUS st = try_charge(as, pages);

	if (st != STATUS_COMMITMENT_LIMIT)
		return st == OVER_JOB ? STATUS_COMMITMENT_LIMIT : st;
	mutex_lock(&grow_lock);
	st = try_charge(as, pages);
	while (st == STATUS_COMMITMENT_LIMIT) {
		u64 missing = total + pages - MIN(total + pages, usable(pages));

		if (pages > 1ul << 40 || !mm_grow_pagefiles(MAX(missing, GROW_STEP)))
			break;
		st = try_charge(as, pages);
	}
	mutex_unlock(&grow_lock);
	return st == OVER_JOB ? STATUS_COMMITMENT_LIMIT : st;
}

/* Room to write in whole clusters, and for pages in RAM to keep their slots: a pagefile that is
 * nearly full grows before the commit limit asks for it. */
void mm_keep_slots_free(void)
{
	static bool in_vain;

	if (in_vain || MmCounters.pagefile_used < MmCounters.pagefile_total / 8 * 7)
		return;
	mutex_lock(&grow_lock);
	in_vain = !mm_grow_pagefiles(GROW_STEP);
	mutex_unlock(&grow_lock);
}

void mm_uncharge(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	require(total >= pages);
	total -= pages;
	if (as) {
		require(as->commit >= pages);
		as->commit -= pages;
		pool_remove(as, pages);
	}
	KeReleaseSpinLock(&commit_lock, old);
}

void mm_charge_to_system(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	require(as->commit >= pages);
	as->commit -= pages;
	pool_remove(as, pages);
	KeReleaseSpinLock(&commit_lock, old);
}
#undef total
#undef limit
