/* Small services of mm to the rest of the kernel: the KUSER_SHARED_DATA page, decommit by the
 * kernel, counters that are computed rather than counted. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"

NTSTATUS MmMapSharedData(EPROCESS *p)
{
	MMVAD *v = ExAllocatePool(sizeof(*v), TAG('V', 'a', 'd', 'S'));
	MMPTE *pte;
	NTSTATUS st;

	if (!v)
		return STATUS_NO_MEMORY;
	v->type = VAD_SHARED_DATA;
	v->prot = MM_READONLY;
	v->win32_prot = PAGE_READONLY;
	v->committed = true;
	mutex_lock(&p->as.lock);
	st =
	    mm_insert_vad(&p->as, v, MM_USER_SHARED, PAGE_SIZE, PAGE_SIZE, 0, p->as.highest, false);
	pte = st ? NULL : mm_make_pte(&p->as, MM_USER_SHARED);
	if (pte)
		pte_set(pte, pte_valid(mm_shared_data_pfn, MM_READONLY));
	else if (!st)
		st = STATUS_NO_MEMORY;
	mutex_unlock(&p->as.lock);
	return st;
}

void MmRefreshCounters(void)
{
	u64 standby = 0, idle = 0;

	for (u32 i = 0; i < ke_cpu_count; i++)
		idle += ke_cpu[i]->idle_ticks;
	MmCounters.idle_ticks = idle;
	for (u32 i = 0; i < 8; i++)
		standby += mm_standby[i].count;
	MmCounters.list_zeroed = mm_zeroed.count;
	MmCounters.list_free = mm_free.count;
	MmCounters.list_standby = standby;
	MmCounters.list_modified = mm_modified.count;
	MmCounters.active =
	    mm_total_pages - mm_zeroed.count - mm_free.count - standby - mm_modified.count;
}
