/*
 * Commit: what has been promised against what there is. The limit is RAM the memory manager may use
 * plus the pagefiles' slots; a charge that does not fit asks the host to grow a pagefile first.
 * Kernel pages count as commit without being asked. Lock: commit_lock (leaf).
 */
#include "guest/mm/mi.h"

#define GROW_STEP  4096ul /* pages: pagefiles grow by at least 16 MB */
#define SAFETY	   128ul  /* pages nobody is promised, for page tables and in-flight I/O */

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

static NTSTATUS try_charge(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);
	NTSTATUS st = STATUS_COMMITMENT_LIMIT;

	if (as && as->commit_limit && as->commit + pages > as->commit_limit) {
		st = STATUS_QUOTA_EXCEEDED;
	} else if (pages <= limit && total + pages <= limit) {
		total += pages;
		MmCounters.commit_peak = MAX(MmCounters.commit_peak, total);
		if (as) {
			as->commit += pages;
			as->commit_peak = MAX(as->commit_peak, as->commit);
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
		return st;
	mutex_lock(&grow_lock);
	st = try_charge(as, pages);
	while (st == STATUS_COMMITMENT_LIMIT) {
		u64 missing = total + pages - limit;

		if (pages > 1ul << 40 || !mm_grow_pagefiles(MAX(missing, GROW_STEP)))
			break;
		st = try_charge(as, pages);
	}
	mutex_unlock(&grow_lock);
	return st;
}

void mm_uncharge(struct address_space *as, u64 pages)
{
	KIRQL old = KeAcquireSpinLock(&commit_lock);

	require(total >= pages);
	total -= pages;
	if (as) {
		require(as->commit >= pages);
		as->commit -= pages;
	}
	KeReleaseSpinLock(&commit_lock, old);
}
#undef total
#undef limit
