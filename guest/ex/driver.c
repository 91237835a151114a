/*
 * NtLoadDriver and NtUnloadDriver: kernel modules. The name is the module's file itself, as an NT
 * path; there is no registry to look it up in.
 *
 * The host takes the file apart (abi/machine.h) and, where it has protected memory, holds code and
 * constants; at level hvci only those of approved files. The rest is loaded here, into pages of the
 * kernel. Lock: driver_lock, over all of a load or unload.
 */
#include "guest/ex/driver.h"
#include "guest/ex/ex.h"
#include "guest/ke/kdp.h"
#include "guest/ke/syscall.h"
#include "guest/ke/thread.h"
#include "guest/io/io.h"
#include "guest/mm/mi.h"
#include "guest/abi/machine.h"

#define MODULE_PAGES (NTMM_MODULE_MOST >> PAGE_SHIFT)
#define PATH_MOST    512u /* bytes */

struct driver {
	struct list entry;
	struct driver_object object;
	u8 *va; /* MODULE_PAGES and one that is never mapped */
	struct ntmm_module module;
	u64 section; /* gpa of the host's memory for protected data; 0: it is a page of ours */
	u32 path_bytes;
	u16 path[];
};

static struct list drivers = {&drivers, &drivers};
static struct mutex driver_lock = {
    .state = 1,
    .event.d = {.type = DO_EVENT_SYNCHRONIZATION,
		.waiters = {&driver_lock.event.d.waiters, &driver_lock.event.d.waiters}}};
static const struct driver_kernel kernel = {dbg_print, ExAllocatePool, ExFreePool};

static void map(struct driver *d, u64 offset, u64 pa, bool write, bool execute)
{
	pte_store(mm_system_pte((u64)d->va + offset), pa | PTE_VALID | PTE_ACCESSED | PTE_DIRTY |
							  (write ? PTE_HW_WRITE : 0) |
							  (execute ? 0 : PTE_NX));
}

/* Pages the host does not hold: filled from the file. */
static NTSTATUS load_segment(struct driver *d, const struct ntmm_segment *s, const u8 *file)
{
	s64 section = 0;

	if (s->flags & NTMM_SEGMENT_KDP && d->module.code) {
		section = hypercall(NTMM_HC_SECTION, s->bytes, 0, 0, 0);
		if (section <= 0)
			return STATUS_INSUFFICIENT_RESOURCES;
		d->section = (u64)section;
	}
	for (u64 at = 0; at < s->bytes; at += PAGE_SIZE) {
		u64 n = s->file_bytes > at ? MIN(s->file_bytes - at, PAGE_SIZE) : 0;
		pfn_t p = section ? 0 : mm_take_kernel_page(NTMM_USE_DRIVER);

		if (!section && !p)
			return STATUS_NO_MEMORY;
		if (p)
			memcpy(pfn_to_va(p), file + s->file_offset + at, n);
		map(d, s->offset + at, p ? (u64)p << PAGE_SHIFT : (u64)section + at,
		    s->flags & NTMM_SEGMENT_W, s->flags & NTMM_SEGMENT_X);
		if (!p)
			memcpy(d->va + s->offset + at, file + s->file_offset + at, n);
	}
	return STATUS_SUCCESS;
}

static NTSTATUS load_segments(struct driver *d, const u8 *file)
{
	for (u32 i = 0; i < d->module.segments; i++) {
		const struct ntmm_segment *s = &d->module.segment[i];
		NTSTATUS st = STATUS_SUCCESS;

		if (d->module.code && !(s->flags & NTMM_SEGMENT_W))
			for (u64 at = 0; at < s->bytes; at += PAGE_SIZE)
				map(d, s->offset + at, d->module.code + s->offset + at, false,
				    s->flags & NTMM_SEGMENT_X);
		else
			st = load_segment(d, s, file);
		if (st)
			return st;
	}
	return STATUS_SUCCESS;
}

/* Protected data stays as DriverEntry has left it. */
static void seal(struct driver *d)
{
	for (u32 i = 0; i < d->module.segments; i++) {
		const struct ntmm_segment *s = &d->module.segment[i];

		for (u64 at = 0; s->flags & NTMM_SEGMENT_KDP && at < s->bytes; at += PAGE_SIZE) {
			u64 va = (u64)d->va + s->offset + at;

			pte_change(mm_system_pte(va), PTE_HW_WRITE, 0);
			ke_flush_tlb_page((1ul << ke_cpu_count) - 1, va);
		}
	}
	if (d->section)
		hypercall(NTMM_HC_SECTION_SEAL, d->section, 0, 0, 0);
}

/* Everything goes but what the host keeps for ever (a sealed section). */
static void unmap(struct driver *d)
{
	for (u32 i = 0; i < d->module.segments; i++) {
		const struct ntmm_segment *s = &d->module.segment[i];
		bool hosts = (d->module.code && !(s->flags & NTMM_SEGMENT_W)) ||
			     (d->section && s->flags & NTMM_SEGMENT_KDP);

		for (u64 at = 0; at < s->bytes; at += PAGE_SIZE) {
			u64 va = (u64)d->va + s->offset + at;
			MMPTE *pte = mm_system_pte(va), v = *pte;

			if (!v)
				continue;
			pte_store(pte, 0);
			ke_flush_tlb_page((1ul << ke_cpu_count) - 1, va);
			if (!hosts)
				mm_free_kernel_page(pte_pfn(v));
		}
	}
	if (d->module.code)
		hypercall(NTMM_HC_MODULE_UNLOAD, d->module.code, 0, 0, 0);
	mm_release_system(d->va, MODULE_PAGES + 1);
}

static NTSTATUS status_of(s64 r)
{
	switch (r) {
	case 0:
		return STATUS_SUCCESS;
	case -8: /* ENOEXEC */
		return STATUS_INVALID_IMAGE_FORMAT;
	case -13: /* EACCES */
		return STATUS_INVALID_IMAGE_HASH;
	case -38: /* ENOSYS */
		return STATUS_NOT_SUPPORTED;
	default:
		return STATUS_INSUFFICIENT_RESOURCES;
	}
}

/* Asks the host, loads and starts. The file's bytes lie in one piece. */
static NTSTATUS start(struct driver *d, u8 *file, u32 bytes)
{
	/* a page of its own */
	struct ntmm_module *ask = mm_allocate_system(1, NTMM_USE_SYSTEM_PTE);
	NTSTATUS st;

	if (!ask)
		return STATUS_NO_MEMORY;
	*ask = (struct ntmm_module){
	    .file = MmGetPhysicalAddress(file), .file_bytes = bytes, .va = (u64)d->va};
	st = status_of(
	    ke_on_ntmm ? hypercall(NTMM_HC_MODULE_LOAD, MmGetPhysicalAddress(ask), 0, 0, 0) : -38);
	d->module = *ask;
	mm_free_system(ask, 1);
	if (st) {
		d->module.segments = 0;
		d->module.code = 0;
		return st;
	}
	st = load_segments(d, file);
	if (!st)
		st = ((driver_entry_fn *)(u64)(d->va + d->module.entry))(&d->object, &kernel);
	if (NT_SUCCESS(st))
		seal(d);
	return st;
}

static NTSTATUS read_file(const u16 *path, u32 path_bytes, u8 **file, u32 *bytes, u64 *pages)
{
	struct FILE_OBJECT *f;
	u64 size = 0;
	u32 done = 0;
	NTSTATUS st = IoOpenFile(path, path_bytes / 2, false, &f);

	if (st)
		return st;
	st = IoGetFileSize(f, &size);
	if (!st && (!size || size > NTMM_MODULE_MOST))
		st = STATUS_INVALID_IMAGE_FORMAT;
	*pages = ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT;
	if (!st && !(*file = MmAllocateContiguous(size)))
		st = STATUS_INSUFFICIENT_RESOURCES;
	if (!st) {
		st = IoReadFile(f, 0, *file, (u32)size, &done);
		if (!st && done != size)
			st = STATUS_INVALID_IMAGE_FORMAT;
	}
	*bytes = done;
	IoDereferenceFile(f);
	return st;
}

static struct driver *find(const u16 *path, u32 path_bytes)
{
	LIST_FOR_EACH(e, &drivers)
	{
		struct driver *d = CONTAINER_OF(e, struct driver, entry);

		if (d->path_bytes == path_bytes && !memcmp(d->path, path, path_bytes))
			return d;
	}
	return NULL;
}

static NTSTATUS load(const u16 *path, u32 path_bytes)
{
	struct driver *d = ExAllocatePool(sizeof(*d) + path_bytes, TAG('D', 'r', 'v', 'r'));
	u8 *file = NULL;
	u64 pages = 0;
	u32 bytes;
	NTSTATUS st;

	if (!d)
		return STATUS_INSUFFICIENT_RESOURCES;
	memset(d, 0, sizeof(*d));
	memcpy(d->path, path, path_bytes);
	d->path_bytes = path_bytes;
	d->va = mm_reserve_system(MODULE_PAGES + 1);
	st = d->va ? read_file(path, path_bytes, &file, &bytes, &pages)
		   : STATUS_INSUFFICIENT_RESOURCES;
	if (!st)
		st = start(d, file, bytes);
	if (file)
		mm_free_contiguous((pfn_t)(MmGetPhysicalAddress(file) >> PAGE_SHIFT), pages);
	if (NT_SUCCESS(st)) {
		list_push_back(&drivers, &d->entry);
		return STATUS_SUCCESS;
	}
	if (d->va)
		unmap(d);
	ExFreePool(d);
	return st;
}

static NTSTATUS unload(struct driver *d)
{
	if (!d->object.unload)
		return STATUS_INVALID_DEVICE_REQUEST;
	d->object.unload(&d->object, &kernel);
	list_remove(&d->entry);
	unmap(d);
	ExFreePool(d);
	return STATUS_SUCCESS;
}

/* => PASSIVE; name: a UNICODE_STRING of user mode */
static NTSTATUS capture(const void *name, u16 path[PATH_MOST / 2], u32 *bytes)
{
	struct {
		u16 length, most;
		u32 pad;
		u64 buffer;
	} s;
	NTSTATUS st = copy_from_user(&s, name, sizeof(s));

	if (st)
		return st;
	if (s.length == 0 || s.length > PATH_MOST || s.length & 1)
		return STATUS_OBJECT_NAME_INVALID;
	*bytes = s.length;
	return copy_from_user(path, (void *)s.buffer, s.length);
}

NTSYSCALL NTSTATUS NtLoadDriver(const void *name)
{
	u16 path[PATH_MOST / 2];
	u32 bytes;
	NTSTATUS st;

	if (!SeHasPrivilege(SE_LOAD_DRIVER))
		return STATUS_PRIVILEGE_NOT_HELD;
	if ((st = capture(name, path, &bytes)))
		return st;
	mutex_lock(&driver_lock);
	st = find(path, bytes) ? STATUS_IMAGE_ALREADY_LOADED : load(path, bytes);
	mutex_unlock(&driver_lock);
	return st;
}

NTSYSCALL NTSTATUS NtUnloadDriver(const void *name)
{
	u16 path[PATH_MOST / 2];
	struct driver *d;
	u32 bytes;
	NTSTATUS st;

	if (!SeHasPrivilege(SE_LOAD_DRIVER))
		return STATUS_PRIVILEGE_NOT_HELD;
	if ((st = capture(name, path, &bytes)))
		return st;
	mutex_lock(&driver_lock);
	d = find(path, bytes);
	st = d ? unload(d) : STATUS_OBJECT_NAME_NOT_FOUND;
	mutex_unlock(&driver_lock);
	return st;
}

u64 ExLastModule(bool kdp)
{
	struct driver *d =
	    list_empty(&drivers) ? NULL : CONTAINER_OF(drivers.prev, struct driver, entry);

	for (u32 i = 0; d && i < d->module.segments; i++)
		if (!kdp || d->module.segment[i].flags & NTMM_SEGMENT_KDP)
			return (u64)d->va + d->module.segment[i].offset;
	return 0;
}
