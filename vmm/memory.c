/*
 * The memory behind guest RAM: one file in memory (memfd), mapped once at a 2 MB boundary, so that
 * whoever is handed the file sees the same pages; in large pages where the host has them, so that
 * the nested page tables can use large entries, too.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"

#define COLLAPSE_SHARE 8u /* of the free memory */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE 25
#endif
#define HUGE_PAGE ((uint64_t)NTMM_LARGE_PAGE)

static uint64_t free_hugepages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "re");
	uint64_t n = 0;

	if (!f)
		return 0;
	if (fscanf(f, "%" SCNu64, &n) != 1)
		n = 0;
	fclose(f);
	return n;
}

/* Maps the memory file at a 2 MB boundary, so that large host pages can back large guest pages. */
static void *map_aligned(int fd, uint64_t size)
{
	uint8_t *area = mmap(NULL, size + HUGE_PAGE, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	uint8_t *base;

	if (area == MAP_FAILED)
		return NULL;
	base = (uint8_t *)(((uintptr_t)area + HUGE_PAGE - 1) & ~(uintptr_t)(HUGE_PAGE - 1));
	if (base > area)
		munmap(area, (size_t)(base - area));
	if (area + HUGE_PAGE > base)
		munmap(base + size, (size_t)(area + HUGE_PAGE - base));
	if (mmap(base, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED | MAP_NORESERVE, fd,
		 0) == MAP_FAILED) {
		munmap(base, size);
		return NULL;
	}
	return base;
}

/*
 * Large pages for it. For files in memory the kernel gives them by itself only where the
 * administrator has set shmem_enabled to "advise" or "always"; elsewhere they can be asked for
 * (MADV_COLLAPSE, Linux 6.1), which takes all of the memory at once: that is done while it is a
 * small part of what is free. On an emulated processor they gain nothing.
 */
static void ask_for_large_pages(const struct vm *vm)
{
	const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	const uint64_t free = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page;
	char allowed[80] = "";
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");

	madvise(vm->ram.base, vm->ram.size, MADV_HUGEPAGE);
	if (!f)
		return;
	if (fgets(allowed, sizeof(allowed), f) && strstr(allowed, "[never]") &&
	    vm->ram.size <= free / COLLAPSE_SHARE && !cpu_is_emulated())
		madvise(vm->ram.base, vm->ram.size, MADV_COLLAPSE);
	fclose(f);
}

int memory_map(struct vm *vm, struct vm_error *err)
{
	uint64_t size = vm->config.memory;

	vm->ram.size = size;
	if (size % HUGE_PAGE == 0 && free_hugepages() >= size / HUGE_PAGE) {
		int flags = MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_2MB;

		vm->mem_fd = memfd_create("ntmm-ram", (unsigned)flags);
		if (vm->mem_fd >= 0 && ftruncate(vm->mem_fd, (off_t)size) == 0) {
			/* Without MAP_NORESERVE the pages are ours or the call fails. */
			vm->ram.base =
			    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, vm->mem_fd, 0);
			if (vm->ram.base != MAP_FAILED) {
				return 0;
			}
		}
		vm->ram.base = NULL;
		if (vm->mem_fd >= 0)
			close(vm->mem_fd);
	}
	vm->mem_fd = memfd_create("ntmm-ram", MFD_CLOEXEC);
	if (vm->mem_fd < 0 || ftruncate(vm->mem_fd, (off_t)size) < 0)
		return vm_fail(err, -errno, "no memory file of %" PRIu64 " MB can be made: %s",
			       size >> 20, strerror(errno));
	vm->ram.base = map_aligned(vm->mem_fd, size);
	if (!vm->ram.base)
		return vm_fail(err, -ENOMEM, "%" PRIu64 " MB of memory cannot be mapped: %s",
			       size >> 20, strerror(errno));
	ask_for_large_pages(vm);
	madvise(vm->ram.base, size, MADV_DONTDUMP);
	madvise(vm->ram.base, size, MADV_DONTFORK);
	return 0;
}

/* How much of guest RAM the host has in memory, from the mapping's entry in smaps. */
void memory_measure(const struct vm *vm, struct vm_stats *stats)
{
	const struct {
		const char *format;
		uint64_t *sum;
	} rows[] = {{"Rss: %" SCNu64, &stats->ram_resident},
		    {"ShmemPmdMapped: %" SCNu64, &stats->ram_thp},
		    {"Shared_Hugetlb: %" SCNu64, &stats->ram_hugetlb},
		    {"Private_Hugetlb: %" SCNu64, &stats->ram_hugetlb}};
	FILE *f = fopen("/proc/self/smaps", "re");
	bool ours = false;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		uint64_t a, b;

		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " ", &a, &b) == 2)
			ours = a >= (uintptr_t)vm->ram.base &&
			       b <= (uintptr_t)vm->ram.base + vm->ram.size;
		for (size_t i = 0; ours && i < sizeof(rows) / sizeof(rows[0]); i++)
			if (sscanf(line, rows[i].format, &a) == 1)
				*rows[i].sum += a << 10;
	}
	if (f)
		fclose(f);
	stats->ram_resident += stats->ram_hugetlb; /* Rss leaves it out */
}
