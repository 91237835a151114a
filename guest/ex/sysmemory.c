/*
 * sysmemory.c: system information about memory: counters, pagefiles, page lists, the file cache.
 *
 * Everything is read without locks: numbers for people and programs to look at, each of them right,
 * not all of the same instant.
 */
#include "guest/ex/sysinfo.h"
#include "guest/mm/mi.h"

NTSTATUS sysinfo_performance(struct sysinfo *q)
{
	const struct ntmm_counters *c = &MmCounters;
	struct {
		u64 idle_time, read_bytes, write_bytes, other_bytes;
		u32 reads, writes, others;
		u32 available, committed, commit_limit, commit_peak;
		u32 faults, copy_on_write, transition, cache_transition, demand_zero;
		u32 pages_read, read_requests, cache_read, cache_requests;
		u32 dirty_written, dirty_writes, mapped_written, mapped_writes;
		u32 paged_pool, nonpaged_pool, paged_allocs, paged_frees;
		u32 nonpaged_allocs, nonpaged_frees, free_system_ptes;
		u32 unused[9];
		u32 cache_manager[30];
		u32 context_switches, first_level_fills, second_level_fills, syscalls;
		u64 dirty_pages, dirty_threshold;
		s64 resident_available;
		u64 shared_committed;
	} i = {
	    .idle_time = ke_cpu[0]->idle->kernel_time,
	    .read_bytes = (c->pages_in + c->pages_in_file) * PAGE_SIZE,
	    .write_bytes = (c->pages_out + c->pages_out_file) * PAGE_SIZE,
	    .reads = (u32)c->reads_pagefile,
	    .writes = (u32)c->writes_pagefile,
	    .available = (u32)mm_available,
	    .committed = (u32)c->commit_total,
	    .commit_limit = (u32)c->commit_limit,
	    .commit_peak = (u32)c->commit_peak,
	    .faults = (u32)c->faults_total,
	    .copy_on_write = (u32)c->faults_cow,
	    .transition = (u32)c->faults_transition,
	    .demand_zero = (u32)c->faults_demand_zero,
	    .pages_read = (u32)(c->pages_in + c->pages_in_file),
	    .read_requests = (u32)c->faults_hard,
	    .dirty_written = (u32)c->pages_out,
	    .dirty_writes = (u32)c->writes_pagefile,
	    .mapped_written = (u32)c->pages_out_file,
	    .nonpaged_pool = (u32)(c->pool_bytes >> PAGE_SHIFT),
	    .context_switches = (u32)c->context_switches,
	    .syscalls = (u32)c->syscalls,
	    .dirty_pages = mm_modified.count,
	    .resident_available = (s64)mm_available,
	};

	_Static_assert(sizeof(i) == 344, "SYSTEM_PERFORMANCE_INFORMATION of Windows 10");
	/* The structure has grown; programs built for the older one give its length. */
	if (q->length >= 312 && q->length < sizeof(i))
		return sysinfo_answer(q, &i, q->length, FIT_EXACT);
	return sysinfo_answer(q, &i, sizeof(i), FIT_AT_LEAST);
}

/* ---- pagefiles ---- */

static u64 pagefile_used(u32 file, u64 pages)
{
	u64 used = 0;

	if (IoPagefileCount() == 1)
		return MmCounters.pagefile_used;
	for (u64 slot = 1; slot < pages; slot++)
		used += mm_slot_is_used(file, slot);
	return used;
}

#define NAME_CHARS 32u

NTSTATUS sysinfo_pagefiles(struct sysinfo *q)
{
	struct {
		u32 next, total, used, peak;
		u16 name_bytes, name_max;
		u32 pad;
		u64 name;
		u16 text[NAME_CHARS];
	} i;
	u32 count = IoPagefileCount();
	NTSTATUS s = STATUS_SUCCESS;

	q->needed = count * (u32)sizeof(i);
	if (q->length < q->needed || !count)
		return STATUS_INFO_LENGTH_MISMATCH;
	for (u32 f = 0; f < count && NT_SUCCESS(s); f++) {
		char name[NAME_CHARS];
		u8 *at = q->user + f * sizeof(i);
		u64 pages = IoPagefilePages(f), used = pagefile_used(f, pages);
		int chars = ke_snprintf(name, sizeof(name), "\\??\\C:\\pagefile%u.sys", f);

		memset(&i, 0, sizeof(i));
		i.next = f + 1 < count ? (u32)sizeof(i) : 0;
		i.total = (u32)pages;
		i.used = i.peak = (u32)used;
		i.name_bytes = (u16)(chars * 2);
		i.name_max = i.name_bytes + 2;
		i.name = (u64)at + (u64)((u8 *)i.text - (u8 *)&i);
		for (int c = 0; c < chars; c++)
			i.text[c] = (u8)name[c];
		s = copy_to_user(at, &i, sizeof(i));
	}
	return s;
}

/* ---- the file cache: files are cached as pages of sections, so it is the standby lists ---- */

static u64 standby_pages(void)
{
	u64 n = 0;

	for (u32 p = 0; p < ARRAY_SIZE(mm_standby); p++)
		n += mm_standby[p].count;
	return n;
}

NTSTATUS sysinfo_file_cache(struct sysinfo *q)
{
	u64 bytes = standby_pages() * PAGE_SIZE;
	struct {
		u64 size, peak;
		u32 faults, pad;
		u64 minimum, maximum, with_transition, peak_with_transition;
		u32 repurposed, flags;
	} i = {
	    .size = bytes,
	    .peak = bytes,
	    .faults = (u32)MmCounters.faults_transition,
	    .minimum = 1 << 8,
	    .maximum = mm_total_pages,
	    .with_transition = bytes >> PAGE_SHIFT,
	    .peak_with_transition = bytes >> PAGE_SHIFT,
	    .repurposed = (u32)MmCounters.pages_repurposed,
	};

	_Static_assert(sizeof(i) == 64, "SYSTEM_FILECACHE_INFORMATION");
	return sysinfo_answer(q, &i, sizeof(i), FIT_AT_LEAST);
}

#define CACHE_MINIMUM (1u << 20) /* bytes, documented */

/* SetSystemFileCacheSize: the only limits with an effect are (-1, -1), which empties the cache. */
NTSTATUS sysinfo_set_file_cache(const void *buffer, u32 length)
{
	u64 fields[8], minimum, maximum;
	NTSTATUS s;

	if (length < sizeof(fields))
		return STATUS_INFO_LENGTH_MISMATCH;
	s = copy_from_user(fields, buffer, sizeof(fields));
	if (!NT_SUCCESS(s))
		return s;
	if (!SeHasPrivilege(SE_INCREASE_QUOTA))
		return STATUS_PRIVILEGE_NOT_HELD;
	minimum = fields[3];
	maximum = fields[4];
	if (minimum == ~0ull && maximum == ~0ull) {
		MmPurgeStandbyList();
		return STATUS_SUCCESS;
	}
	if (minimum > maximum || (minimum && minimum < CACHE_MINIMUM))
		return STATUS_INVALID_PARAMETER;
	return STATUS_SUCCESS;
}

/* ---- page lists ---- */

#define PRIORITIES	8u
#define NORMAL_PRIORITY 5u

NTSTATUS sysinfo_memory_lists(struct sysinfo *q)
{
	struct {
		u64 zeroed, free, modified, modified_no_write, bad;
		u64 standby[PRIORITIES], repurposed[PRIORITIES];
		u64 modified_pagefile;
	} i = {
	    .zeroed = mm_zeroed.count,
	    .free = mm_free.count,
	    .modified = mm_modified.count,
	    .modified_pagefile = mm_modified.count,
	    .repurposed[NORMAL_PRIORITY] = MmCounters.pages_repurposed,
	};

	_Static_assert(sizeof(i) == 176, "SYSTEM_MEMORY_LIST_INFORMATION");
	for (u32 p = 0; p < PRIORITIES; p++)
		i.standby[p] = mm_standby[p].count;
	return sysinfo_answer(q, &i, sizeof(i), FIT_AT_LEAST);
}

/* SYSTEM_MEMORY_LIST_COMMAND: capturing accessed bits (0, 1) has nothing to do here. */
enum memory_list_command {
	CAPTURE_ACCESSED_BITS,
	CAPTURE_AND_RESET_ACCESSED_BITS,
	EMPTY_WORKING_SETS,
	FLUSH_MODIFIED_LIST,
	PURGE_STANDBY_LIST,
	PURGE_LOW_PRIORITY_STANDBY_LIST,
};

NTSTATUS sysinfo_set_memory_lists(const void *buffer, u32 length)
{
	u32 command;
	NTSTATUS s;

	if (length != sizeof(command))
		return STATUS_INFO_LENGTH_MISMATCH;
	s = copy_from_user(&command, buffer, sizeof(command));
	if (!NT_SUCCESS(s))
		return s;
	if (!SeHasPrivilege(SE_PROFILE_SINGLE_PROCESS))
		return STATUS_PRIVILEGE_NOT_HELD;
	switch ((enum memory_list_command)command) {
	case CAPTURE_ACCESSED_BITS:
	case CAPTURE_AND_RESET_ACCESSED_BITS:
		return STATUS_SUCCESS;
	case EMPTY_WORKING_SETS:
		MmEmptyAllWorkingSets();
		return STATUS_SUCCESS;
	case FLUSH_MODIFIED_LIST:
		MmFlushModifiedList();
		return STATUS_SUCCESS;
	case PURGE_STANDBY_LIST:
		MmPurgeStandbyList();
		return STATUS_SUCCESS;
	case PURGE_LOW_PRIORITY_STANDBY_LIST:
		if (mm_standby[0].count) /* pages of the lowest priority: all there is to purge */
			MmPurgeStandbyList();
		return STATUS_SUCCESS;
	}
	return STATUS_INVALID_PARAMETER;
}
