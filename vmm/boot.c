/*
 * What lies in guest memory when the first instruction runs: the kernel's segments, and the boot
 * information of Xen's "x86/HVM direct boot ABI" (start_info.h of Xen's public headers).
 *
 *   0x90000   struct start_info, module list, memory map, command line     one page
 *   behind the kernel's memory: the run block (the first module)
 */
#include <errno.h>
#include <string.h>

#include "vmm/machine.h"
#include "vmm/protect.h"

#define INFO_GPA      0x90000u
#define INFO_BYTES    NTMM_PAGE_SIZE
#define START_MAGIC   0x336ec578u
#define START_VERSION 1u /* the first with a memory map */
#define MEMMAP_RAM    1u

struct start_info {
	uint32_t magic, version, flags, nr_modules;
	uint64_t modlist, cmdline, rsdp, memmap;
	uint32_t memmap_entries, reserved;
};
struct start_module {
	uint64_t paddr, size, cmdline, reserved;
};
struct start_memmap {
	uint64_t addr, size;
	uint32_t type, reserved;
};
_Static_assert(sizeof(struct start_info) == 56 && sizeof(struct start_memmap) == 24,
	       "layout of the boot protocol");

/* Everything in one page, in the order of use. */
struct info_page {
	struct start_info info;
	struct start_module module;
	struct start_memmap memmap[2];
	char cmdline[INFO_BYTES - sizeof(struct start_info) - sizeof(struct start_module) -
		     2 * sizeof(struct start_memmap)];
};
_Static_assert(sizeof(struct info_page) == INFO_BYTES, "fits its page");

#define AT(field) (INFO_GPA + offsetof(struct info_page, field))

static uint64_t page_up(uint64_t v)
{
	return (v + NTMM_PAGE_SIZE - 1) & ~(uint64_t)(NTMM_PAGE_SIZE - 1);
}

/* The run block lies behind the image and behind all that is read-only. */
static uint64_t runblock_gpa(const struct elf_image *k)
{
	uint64_t gpa = page_up(k->end);

	for (unsigned i = 0; i < k->nro; i++)
		if (k->ro[i].end > gpa)
			gpa = k->ro[i].end;
	return gpa;
}

int boot_layout(struct vm *vm, struct vm_error *err)
{
	const struct elf_image *k = &vm->kernel;
	uint64_t top = runblock_gpa(k) + page_up(vm->config.runblock_size);
	int r = ept_layout_ram(&vm->ram.map, vm->config.memory);

	if (r < 0)
		return vm_fail(err, r, "%llu bytes of memory cannot be laid out",
			       (unsigned long long)vm->config.memory);
	if (top > vm->config.memory || top > NTMM_PCI_HOLE_START)
		return vm_fail(
		    err, -ENOMEM,
		    "%llu MB of memory is too little for the kernel %s: it needs %llu MB",
		    (unsigned long long)(vm->config.memory >> 20), vm->config.kernel_name,
		    (unsigned long long)((top + 0xfffff) >> 20));
	return protect_layout(vm, top, err);
}

int boot_load(struct vm *vm, gpa_t *start_info, struct vm_error *err)
{
	const struct elf_image *k = &vm->kernel;
	const struct vm_config *c = &vm->config;
	const uint64_t low = c->memory < NTMM_PCI_HOLE_START ? c->memory : NTMM_PCI_HOLE_START;
	struct info_page *page = ram_ptr(&vm->ram, INFO_GPA, INFO_BYTES, EPT_W);
	const char *cmdline = c->cmdline ? c->cmdline : "";
	gpa_t module = runblock_gpa(k);

	for (unsigned i = 0; i < k->nloads; i++)
		memcpy(ram_ptr(&vm->ram, k->load[i].paddr, k->load[i].filesz, EPT_R),
		       k->data + k->load[i].offset, k->load[i].filesz);
	if (strlen(cmdline) >= sizeof(page->cmdline))
		return vm_fail(err, -E2BIG, "the kernel's command line is longer than %zu bytes",
			       sizeof(page->cmdline) - 1);
	page->info = (struct start_info){
	    .magic = START_MAGIC,
	    .version = START_VERSION,
	    .nr_modules = c->runblock_size > 0,
	    .modlist = c->runblock_size > 0 ? AT(module) : 0,
	    .cmdline = AT(cmdline),
	    .memmap = AT(memmap),
	    .memmap_entries = c->memory > low ? 2 : 1,
	};
	page->module = (struct start_module){.paddr = module, .size = c->runblock_size};
	page->memmap[0] = (struct start_memmap){0, low, MEMMAP_RAM, 0};
	page->memmap[1] = (struct start_memmap){NTMM_HIGH_RAM, c->memory - low, MEMMAP_RAM, 0};
	strcpy(page->cmdline, cmdline);
	if (c->runblock_size)
		memcpy(ram_ptr(&vm->ram, module, c->runblock_size, EPT_W), c->runblock,
		       c->runblock_size);
	*start_info = AT(info);
	return 0;
}
