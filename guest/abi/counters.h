/*
 * The counters the kernel publishes (NTMM_PUBLISH_COUNTERS) and --stats prints.
 *
 * A one-way window: the guest writes, the host copies once and believes nothing. One row a counter:
 * field name (the JSON key too), and what it counts. Add rows at the end of a group; the version
 * changes when a row goes. All are unsigned 64-bit; pages are 4 KB.
 */
#ifndef NTMM_ABI_COUNTERS_H
#define NTMM_ABI_COUNTERS_H

#include <stdint.h>

#define NTMM_COUNTERS_MAGIC   0x53544d4d544eull /* "NTMMTS" */
#define NTMM_COUNTERS_VERSION 1u

/* clang-format off */
#define NTMM_COUNTERS(X)                                                                \
	X(faults_total,        "page faults taken")                                     \
	X(faults_demand_zero,  "resolved with a zeroed page (hvci: pages, some ahead)") \
	X(faults_transition,   "soft: page found on the standby or modified list")      \
	X(faults_hard,         "read from a pagefile or file")                          \
	X(faults_prototype,    "soft: shared page made valid here")                     \
	X(faults_cow,          "copy-on-write copies made")                             \
	X(faults_guard,        "guard pages hit")                                       \
	X(faults_access,       "access violations raised")                              \
	X(faults_collided,     "waited for another thread's page-in")                   \
	X(faults_inpage_error, "page-ins that failed")                                  \
	X(pages_in,            "pages read from pagefiles")                             \
	X(pages_out,           "pages written to pagefiles")                            \
	X(reads_pagefile,      "read requests to pagefiles")                            \
	X(writes_pagefile,     "write requests to pagefiles")                           \
	X(pages_in_file,       "pages read from files and images")                      \
	X(pages_out_file,      "pages written to mapped files")                         \
	X(pages_trimmed,       "removed from working sets")                             \
	X(pages_zeroed,        "zeroed by the zero-page thread")                        \
	X(pages_repurposed,    "standby pages given a new use")                         \
	X(phys_total,          "physical pages the memory manager owns")                \
	X(list_zeroed,         "pages on the zeroed list")                              \
	X(list_free,           "pages on the free list")                                \
	X(list_standby,        "pages on the standby lists")                            \
	X(list_modified,       "pages on the modified list")                            \
	X(active,              "pages in use")                                          \
	X(commit_total,        "pages committed")                                       \
	X(commit_limit,        "pages that can be committed")                           \
	X(commit_peak,         "highest commit_total")                                  \
	X(pagefile_total,      "pagefile pages there are")                              \
	X(pagefile_used,       "pagefile pages in use")                                 \
	X(store_frames,        "memory pages that hold compressed pages")               \
	X(store_pages,         "compressed pages in them")                              \
	X(store_bytes,         "bytes these are compressed to")                         \
	X(store_stored,        "pages compressed in place of a write")                  \
	X(store_refused,       "pages that did not shrink, or had no room")             \
	X(store_reads,         "faults on compressed pages")                            \
	X(store_moved,         "compressed pages moved on to a pagefile")               \
	X(pool_bytes,          "kernel pool bytes in use")                              \
	X(large_pages,         "2 MB pages mapped by programs")                         \
	X(huge_pages,          "1 GB pages mapped by programs")                         \
	X(syscalls,            "system calls")                                          \
	X(context_switches,    "thread switches")                                       \
	X(interrupts,          "device and timer interrupts")                           \
	X(ipis,                "inter-processor interrupts sent")                       \
	X(threads_created,     "threads created")                                       \
	X(processes_created,   "processes created")                                     \
	X(exceptions_user,     "exceptions delivered to user mode")                     \
	X(pfncheck_runs,       "times the PFN database was checked")                    \
	X(pfncheck_errors,     "errors it found")                                       \
	X(boot_ticks,          "TSC ticks from kernel entry to user mode, not idle")    \
	X(idle_ticks,          "TSC ticks of processors with nothing to do")            \
	X(pool_allocs,         "allocations of kernel pool")                            \
	X(faults_ahead,        "of faults_demand_zero: pages given ahead (hvci)")
/* clang-format on */

#define NTMM_COUNTER_FIELD(name, text) uint64_t name;
struct ntmm_counters {
	uint64_t magic;
	uint32_t version;
	uint32_t count; /* of counters that follow */
	NTMM_COUNTERS(NTMM_COUNTER_FIELD)
};

/*
 * What images had in memory at the moment when most views of each were there
 * (NTMM_PUBLISH_SHARING): `frames` of it, which page tables mapped `mappings` times in all, the
 * most popular one `most` times. `copies`: private copies that writes have made since boot.
 */
#define NTMM_SHARING_MAGIC  0x53484d4d544eull /* "NTMMHS" */
#define NTMM_SHARING_IMAGES 48u
#define NTMM_SHARING_NAME   32u

struct ntmm_shared_image {
	char name[NTMM_SHARING_NAME]; /* of its file, NUL-terminated; empty: no more images */
	uint64_t views, frames, mappings, most, copies;
};
struct ntmm_sharing {
	uint64_t magic;
	struct ntmm_shared_image image[NTMM_SHARING_IMAGES];
};
_Static_assert(sizeof(struct ntmm_sharing) <= 4096, "a page");

#endif
