/*
 * Limits of working sets, as NtSetInformationProcess(ProcessQuotaLimits) sets them. They are advice
 * unless made hard: a hard minimum is kept when memory is trimmed, a hard maximum by mm_fault.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"

#define DEFAULT_MIN 50u /* pages */
#define DEFAULT_MAX 345u
#define LEAST_MIN   20u
#define LEAST_MAX   13u
#define SPARED	    512u /* pages that no maximum may claim */

#define MIN_BOTH (QUOTA_LIMITS_HARDWS_MIN_ENABLE | QUOTA_LIMITS_HARDWS_MIN_DISABLE)
#define MAX_BOTH (QUOTA_LIMITS_HARDWS_MAX_ENABLE | QUOTA_LIMITS_HARDWS_MAX_DISABLE)
#define KNOWN	 (MIN_BOTH | MAX_BOTH | QUOTA_LIMITS_USE_DEFAULT_LIMITS)

/* An enable or disable bit in `flags` decides; without either it stays as it was. */
static u32 new_flags(u32 was, u32 flags)
{
	if (flags & MIN_BOTH)
		was = (was & ~MIN_BOTH) | (flags & MIN_BOTH);
	if (flags & MAX_BOTH)
		was = (was & ~MAX_BOTH) | (flags & MAX_BOTH);
	return was;
}

NTSTATUS mm_set_working_set_limits(EPROCESS *p, u64 min, u64 max, u32 flags)
{
	struct address_space *as = &p->as;
	NTSTATUS st = STATUS_SUCCESS;
	bool sizes;
	u64 most = mm_total_pages - MIN(mm_total_pages / 2, SPARED);

	if (flags & ~KNOWN || (flags & MIN_BOTH) == MIN_BOTH || (flags & MAX_BOTH) == MAX_BOTH)
		return STATUS_INVALID_PARAMETER;
	if (min == ~0ul && max == ~0ul) {
		mm_trim_space(as, ~0ul, 0);
		return STATUS_SUCCESS;
	}
	if (!min != !max)
		return STATUS_INVALID_PARAMETER;
	sizes = max != 0;
	min >>= PAGE_SHIFT;
	max >>= PAGE_SHIFT;
	if (flags & QUOTA_LIMITS_USE_DEFAULT_LIMITS) {
		min = DEFAULT_MIN;
		max = DEFAULT_MAX;
	} else if (sizes) {
		min = MAX(min, LEAST_MIN);
		if (max > most) {
			max = most;
			st = STATUS_WORKING_SET_LIMIT_RANGE;
		}
		if (min > max || max < LEAST_MAX)
			return STATUS_BAD_WORKING_SET_LIMIT;
	} else {
		min = as->ws_min;
		max = as->ws_max;
	}
	if (new_flags(as->ws_flags, flags) & QUOTA_LIMITS_HARDWS_MIN_ENABLE && !mm_can_pin(min))
		return STATUS_INSUFFICIENT_RESOURCES;
	mutex_lock(&as->lock);
	as->ws_min = min;
	as->ws_max = max;
	as->ws_flags = new_flags(as->ws_flags, flags);
	mutex_unlock(&as->lock);
	if (flags & QUOTA_LIMITS_HARDWS_MAX_ENABLE && as->ws_pages > max)
		mm_trim_space(as, as->ws_pages - max, 0);
	return st;
}
