/*
 * --stats: what the guest's memory manager counted, what the machine did, what the pagefiles saw.
 * As text for people, as JSON for programs. The guest's counters are what it says of itself; all
 * else is the host's own.
 */
#include <inttypes.h>
#include <string.h>

#include <cjson/cJSON.h>

#include "host/host.h"

#define ROW(name, text) {#name, text},
static const struct {
	const char *name, *text;
} counters[] = {NTMM_COUNTERS(ROW)}, pagefile_rows[] = {PAGEFILE_STATS(ROW)};
#define NCOUNTERS (sizeof(counters) / sizeof(counters[0]))
#define NPAGEFILE (sizeof(pagefile_rows) / sizeof(pagefile_rows[0]))

static const struct {
	const char *key, *text;
} marks[NTMM_MARK_COUNT] = {
    [NTMM_MARK_KERNEL_ENTRY] = {"kernel_entry_ms", "first kernel instructions"},
    [NTMM_MARK_MM_READY] = {"mm_ready_ms", "memory manager ready"},
    [NTMM_MARK_DEVICES_READY] = {"devices_ready_ms", "devices ready"},
    [NTMM_MARK_FIRST_USER] = {"first_user_ms", "first user instruction"},
    [NTMM_MARK_PROGRAM_EXIT] = {"program_exit_ms", "program's exit"},
};

/* The counters as an array; they follow the header in struct ntmm_counters, in order. */
static const uint64_t *values(const struct ntmm_counters *c)
{
	return (const uint64_t *)((const char *)c + sizeof(*c) - NCOUNTERS * sizeof(uint64_t));
}

/* Milliseconds since the machine was started; a mark not reached gives UINT64_MAX. */
static uint64_t mark(const struct vm_stats *s, unsigned i)
{
	return s->mark_ns[i] ? s->mark_ns[i] - s->start_ns : UINT64_MAX;
}

/* What the process has in memory besides guest RAM. */
static uint64_t vmm_resident(void)
{
	uint64_t total = 0, v;
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];

	if (!f)
		return 0;
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "RssAnon: %" SCNu64, &v) == 1 ||
		    sscanf(line, "RssFile: %" SCNu64, &v) == 1)
			total += v << 10;
	fclose(f);
	return total;
}

void report_text(FILE *f, const struct report *r)
{
	struct ntmm_counters c;
	struct vm_stats s;

	vm_get_stats(r->vm, &s);
	fprintf(f, "--- memory manager\n");
	if (vm_get_counters(r->vm, &c) == 0)
		for (size_t i = 0; i < NCOUNTERS; i++)
			fprintf(f, "%14" PRIu64 "  %-20s %s\n", values(&c)[i], counters[i].name,
				counters[i].text);
	else
		fprintf(f, "the kernel has published no counters\n");
	fprintf(f, "--- machine\n");
	for (unsigned i = 0; i < VM_MAX_EXIT_REASONS; i++)
		if (s.exits[i])
			fprintf(f, "%14" PRIu64 "  exits: %s\n", s.exits[i], vm_exit_name(i));
	fprintf(f, "%14" PRIu64 "  exits in all\n", s.exits_total);
	fprintf(f, "%14" PRIu64 "  hypercalls\n", s.hypercalls);
	if (s.table_changes)
		fprintf(f,
			"%14" PRIu64 "  changes of page tables by the host, %" PRIu64
			" loads of page tables\n",
			s.table_changes, s.cr3_loads);
	fprintf(f, "%14" PRIu64 "  integrity scans, %" PRIu64 " violations\n", s.scans,
		s.violations);
	fprintf(f, "%14" PRIu64 "  queue notifications (without an exit to the VMM)\n", s.notifies);
	fprintf(f, "%14" PRIu64 "  device interrupts\n", s.interrupts);
	fprintf(f, "%14.3f  ms before the machine was started\n",
		(double)(s.start_ns - r->process_start_ns) / 1e6);
	for (unsigned i = 0; i < NTMM_MARK_COUNT; i++)
		if (s.mark_ns[i])
			fprintf(f, "%14.3f  ms to %s\n", (double)mark(&s, i) / 1e6, marks[i].text);
	fprintf(f, "%14.3f  ms to its end\n", (double)(s.end_ns - s.start_ns) / 1e6);
	fprintf(f, "%14" PRIu64 "  bytes of guest RAM, %u slots, %u of them read-only\n",
		s.ram_bytes, s.slots, s.slots_readonly);
	fprintf(f, "%14" PRIu64 "  bytes of it in host memory\n", s.ram_resident);
	fprintf(f,
		"%14" PRIu64 "  of those in transparent pages of 2 MB, %" PRIu64 " in hugetlb's\n",
		s.ram_thp, s.ram_hugetlb);
	fprintf(f, "%14" PRIu64 "  bytes resident beside guest RAM\n", vmm_resident());
	for (unsigned i = 0; i < r->npagefiles; i++) {
		const uint64_t *v = (const uint64_t *)&r->pagefile[i];

		fprintf(f, "--- pagefile %u: %s\n", i,
			r->pagefile_path[i] ? r->pagefile_path[i] : "temporary");
		for (size_t k = 0; k < NPAGEFILE; k++)
			fprintf(f, "%14" PRIu64 "  %s\n", v[k], pagefile_rows[k].text);
	}
}

static void json_machine(cJSON *vm, const struct report *r, const struct vm_stats *s)
{
	cJSON *exits = cJSON_AddObjectToObject(vm, "exits"), *boot, *memory;

	for (unsigned i = 0; i < VM_MAX_EXIT_REASONS; i++)
		if (s->exits[i])
			json_u64(exits, vm_exit_name(i), s->exits[i]);
	json_u64(exits, "total", s->exits_total);
	json_u64(vm, "hypercalls", s->hypercalls);
	json_u64(vm, "scans", s->scans);
	json_u64(vm, "violations", s->violations);
	json_u64(vm, "table_changes", s->table_changes);
	json_u64(vm, "cr3_loads", s->cr3_loads);
	json_u64(vm, "port_accesses", s->io_requests);
	json_u64(vm, "mmio_accesses", s->mmio_requests);
	json_u64(vm, "notifies", s->notifies);
	json_u64(vm, "device_interrupts", s->interrupts);
	boot = cJSON_AddObjectToObject(vm, "boot");
	json_ms(boot, "host_setup_ms", s->start_ns - r->process_start_ns);
	for (unsigned i = 0; i < NTMM_MARK_COUNT; i++)
		if (s->mark_ns[i])
			json_ms(boot, marks[i].key, mark(s, i));
	json_ms(boot, "end_ms", s->end_ns - s->start_ns);
	memory = cJSON_AddObjectToObject(vm, "memory");
	json_u64(memory, "ram_bytes", s->ram_bytes);
	json_u64(memory, "slots", s->slots);
	json_u64(memory, "slots_readonly", s->slots_readonly);
	json_u64(memory, "ram_resident_bytes", s->ram_resident);
	json_u64(memory, "ram_thp_bytes", s->ram_thp);
	json_u64(memory, "ram_hugetlb_bytes", s->ram_hugetlb);
	json_u64(memory, "vmm_resident_bytes", vmm_resident());
}

static const char *const end_names[] = {
    [VM_END_EXIT] = "exit",	  [VM_END_BUGCHECK] = "bugcheck", [VM_END_SIGNAL] = "signal",
    [VM_END_TIMEOUT] = "timeout", [VM_END_CRASH] = "crash",	  [VM_END_VIOLATION] = "violation",
};

static void json_sharing(cJSON *shared, struct vm *vm)
{
	struct ntmm_sharing s;

	if (vm_get_sharing(vm, &s) < 0)
		return;
	for (size_t i = 0; i < NTMM_SHARING_IMAGES && s.image[i].name[0]; i++) {
		cJSON *o = json_add_object(shared);

		json_str(o, "name", s.image[i].name);
		json_u64(o, "views", s.image[i].views);
		json_u64(o, "frames", s.image[i].frames);
		json_u64(o, "mappings", s.image[i].mappings);
		json_u64(o, "most", s.image[i].most);
		json_u64(o, "copies", s.image[i].copies);
	}
}

static void json_pagefiles(cJSON *pagefiles, const struct report *r)
{
	for (unsigned i = 0; i < r->npagefiles; i++) {
		const uint64_t *v = (const uint64_t *)&r->pagefile[i];
		cJSON *o = json_add_object(pagefiles);

		json_str(o, "path", r->pagefile_path[i]);
		for (size_t k = 0; k < NPAGEFILE; k++)
			json_u64(o, pagefile_rows[k].name, v[k]);
	}
}

void report_json(FILE *f, const struct report *r)
{
	cJSON *o = cJSON_CreateObject(), *mm;
	struct ntmm_counters c;
	struct vm_stats s;

	vm_get_stats(r->vm, &s);
	json_str(o, "end", end_names[r->result->end]);
	json_u64(o, "exit_code", r->result->exit_code);
	cJSON_AddNumberToObject(o, "status", r->status);
	if (vm_get_counters(r->vm, &c) == 0) {
		mm = cJSON_AddObjectToObject(o, "mm");
		for (size_t i = 0; i < NCOUNTERS; i++)
			json_u64(mm, counters[i].name, values(&c)[i]);
	} else {
		cJSON_AddNullToObject(o, "mm");
	}
	json_sharing(cJSON_AddArrayToObject(o, "shared"), r->vm);
	json_machine(cJSON_AddObjectToObject(o, "vm"), r, &s);
	json_pagefiles(cJSON_AddArrayToObject(o, "pagefiles"), r);
	json_print(f, o);
}
