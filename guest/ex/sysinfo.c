/*
 * sysinfo.c: NtQuerySystemInformation and NtSetSystemInformation: the table of classes, and those
 * about processors and time. Class numbers and layouts: public winternl.h and its relatives.
 */
#include "guest/ex/sysinfo.h"
#include "guest/ke/thread.h"
#include "guest/mm/mi.h"

#define CLOCK_INTERVAL 156250u

NTSTATUS sysinfo_answer(struct sysinfo *q, const void *data, u32 bytes, enum sysinfo_fit fit)
{
	q->needed = bytes;
	if ((fit == FIT_EXACT && q->length != bytes) ||
	    (fit == FIT_AT_LEAST && q->length < bytes) ||
	    (fit == FIT_TRUNCATE && q->length > bytes))
		return STATUS_INFO_LENGTH_MISMATCH;
	q->needed = MIN(bytes, q->length);
	return copy_to_user(q->user, data, q->needed);
}

static u64 cpu_mask(void)
{
	return ke_cpu_count >= 64 ? ~0ull : (1ull << ke_cpu_count) - 1;
}

static NTSTATUS query_basic(struct sysinfo *q)
{
	struct {
		u32 reserved, resolution, page_size, pages, lowest, highest, granularity, pad;
		u64 minimum, maximum, cpus;
		u8 cpu_count, pad2[7];
	} i = {
	    .resolution = CLOCK_INTERVAL,
	    .page_size = PAGE_SIZE,
	    .pages = (u32)mm_total_pages,
	    .lowest = 1,
	    .highest = mm_highest_pfn,
	    .granularity = MM_GRANULARITY,
	    .minimum = MM_LOWEST_USER,
	    .maximum = PsGetCurrentProcess()->as.highest,
	    .cpus = cpu_mask(),
	    .cpu_count = (u8)ke_cpu_count,
	};

	_Static_assert(sizeof(i) == 64, "SYSTEM_BASIC_INFORMATION");
	return sysinfo_answer(q, &i, sizeof(i), FIT_EXACT);
}

/* ---- processors ---- */

#define ARCHITECTURE_AMD64 9

static NTSTATUS query_processor(struct sysinfo *q)
{
	struct {
		u16 architecture, level, revision, maximum;
		u32 features;
	} i = {.architecture = ARCHITECTURE_AMD64, .maximum = (u16)ke_cpu_count};
	u32 r[4], family, model;

	cpuid(1, 0, r);
	family = r[0] >> 8 & 15;
	model = r[0] >> 4 & 15;
	if (family == 6 || family == 15)
		model |= r[0] >> 12 & 0xf0;
	if (family == 15)
		family += r[0] >> 20 & 0xff;
	i.level = (u16)family;
	i.revision = (u16)(model << 8 | (r[0] & 15));
	return sysinfo_answer(q, &i, sizeof(i), FIT_AT_LEAST);
}

static NTSTATUS query_processor_performance(struct sysinfo *q)
{
	struct {
		u64 idle, kernel, user, dpc, interrupt; /* 100 ns; kernel contains idle */
		u32 interrupts, pad;
	} i = {0};
	u64 now = ke_time_now();
	u32 n = MIN(q->length / (u32)sizeof(i), ke_cpu_count);
	NTSTATUS s = STATUS_SUCCESS;

	_Static_assert(sizeof(i) == 48, "SYSTEM_PROCESSOR_PERFORMANCE_INFORMATION");
	q->needed = n ? n * (u32)sizeof(i) : ke_cpu_count * (u32)sizeof(i);
	if (!n)
		return STATUS_INFO_LENGTH_MISMATCH;
	for (u32 c = 0; c < n && NT_SUCCESS(s); c++) {
		const KTHREAD *idle = ke_cpu[c]->idle;

		i.idle = idle->kernel_time;
		i.kernel = now;
		i.interrupts = (u32)(MmCounters.interrupts / ke_cpu_count);
		s = copy_to_user(q->user + c * sizeof(i), &i, sizeof(i));
	}
	return s;
}

enum relation { RELATION_CORE, RELATION_NUMA_NODE, RELATION_CACHE, RELATION_PACKAGE };

static NTSTATUS query_topology(struct sysinfo *q)
{
	struct {
		u64 mask;
		u32 relation, pad;
		u64 detail[2];
	} row;
	u32 rows = ke_cpu_count + 2;
	NTSTATUS s = STATUS_SUCCESS;

	_Static_assert(sizeof(row) == 32, "SYSTEM_LOGICAL_PROCESSOR_INFORMATION");
	q->needed = rows * (u32)sizeof(row);
	if (q->length < q->needed)
		return STATUS_INFO_LENGTH_MISMATCH;
	for (u32 i = 0; i < rows && NT_SUCCESS(s); i++) {
		memset(&row, 0, sizeof(row));
		row.mask = i < ke_cpu_count ? 1ull << i : cpu_mask();
		row.relation = RELATION_CORE;
		if (i >= ke_cpu_count)
			row.relation = i == ke_cpu_count ? RELATION_PACKAGE : RELATION_NUMA_NODE;
		s = copy_to_user(q->user + i * sizeof(row), &row, sizeof(row));
	}
	return s;
}

/* ---- time ---- */

static NTSTATUS query_time_of_day(struct sysinfo *q)
{
	u64 now = ke_clock_time();
	struct {
		u64 boot, current, zone_bias;
		u32 zone, reserved;
		u64 boot_bias, sleep_bias;
	} i = {.boot = KeQuerySystemTime() - KeQueryInterruptTime(), .current = now};

	_Static_assert(sizeof(i) == 48, "SYSTEM_TIMEOFDAY_INFORMATION");
	return sysinfo_answer(q, &i, sizeof(i), FIT_TRUNCATE);
}

static NTSTATUS query_time_adjustment(struct sysinfo *q)
{
	struct {
		u32 adjustment, increment;
		u8 disabled, pad[3];
	} i = {CLOCK_INTERVAL, CLOCK_INTERVAL, 1, {0}};

	return sysinfo_answer(q, &i, sizeof(i), FIT_EXACT);
}

static NTSTATUS query_kernel_debugger(struct sysinfo *q)
{
	u8 i[2] = {0, 1}; /* not enabled, not present */

	return sysinfo_answer(q, i, sizeof(i), FIT_AT_LEAST);
}

/* ---- the calls ---- */

static NTSTATUS (*const queries[])(struct sysinfo *q) = {
    [0] = query_basic,
    [1] = query_processor,
    [2] = sysinfo_performance,
    [3] = query_time_of_day,
    [5] = sysinfo_processes,
    [8] = query_processor_performance,
    [18] = sysinfo_pagefiles,
    [21] = sysinfo_file_cache,
    [28] = query_time_adjustment,
    [35] = query_kernel_debugger,
    [62] = query_basic, /* what a program under emulation sees: the same */
    [63] = query_processor,
    [73] = query_topology,
    [80] = sysinfo_memory_lists,
    [81] = sysinfo_file_cache,
};

NTSYSCALL NTSTATUS NtQuerySystemInformation(u32 class, void *buffer, u32 length, u32 *returned)
{
	struct sysinfo q = {.user = buffer, .length = length};
	NTSTATUS s = ex_probe_u32(returned), stored = STATUS_SUCCESS;

	if (!NT_SUCCESS(s))
		return s;
	if (class >= ARRAY_SIZE(queries) || !queries[class])
		return STATUS_INVALID_INFO_CLASS;
	s = queries[class](&q);
	if (returned)
		stored = copy_to_user(returned, &q.needed, sizeof(q.needed));
	return NT_SUCCESS(stored) ? s : stored;
}

NTSYSCALL NTSTATUS NtSetSystemInformation(u32 class, const void *buffer, u32 length)
{
	switch (class) {
	case 21:
	case 81:
		return sysinfo_set_file_cache(buffer, length);
	case 80:
		return sysinfo_set_memory_lists(buffer, length);
	default:
		return STATUS_INVALID_INFO_CLASS;
	}
}
