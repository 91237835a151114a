/* NtCreateSection and its relatives: section objects, made from pagefile, data file or image. */
#include "guest/mm/nt_memory.h"
#include "guest/mm/pin.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

static void section_destroy(void *object)
{
	struct section *s = object;

	if (s->ca)
		mm_dereference_ca(s->ca);
}

const struct object_type MmSectionType = {
    .name = "Section",
    .dispatcher_offset = NOT_WAITABLE,
    .generic_read = 0x20000 | SECTION_QUERY | SECTION_MAP_READ,
    .generic_write = 0x20000 | SECTION_MAP_WRITE,
    .generic_execute = 0x20000 | SECTION_MAP_EXECUTE,
    .all_access = SECTION_ALL_ACCESS,
    .own_rights = SECTION_MAP_EXECUTE_EXPLICIT,
    .destroy = section_destroy,
};

NTSTATUS mm_create_section_object(struct control_area *ca, u32 attributes, u32 win32_prot, u64 size,
				  struct section **out)
{
	struct section *s = ObCreateObject(&MmSectionType, sizeof(*s));

	if (!s)
		return STATUS_INSUFFICIENT_RESOURCES;
	s->ca = ca;
	s->attributes = attributes;
	s->win32_prot = win32_prot;
	s->prot = mm_make_prot(win32_prot);
	s->size = size;
	*out = s;
	return STATUS_SUCCESS;
}

static NTSTATUS pagefile_section(u64 size, u32 attributes, u32 prot, struct control_area **out)
{
	u64 pages = ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT;
	struct control_area *ca;
	NTSTATUS st;

	if (!size)
		return STATUS_INVALID_PARAMETER_4;
	if (pages > 1ul << 31)
		return STATUS_SECTION_TOO_BIG;
	if (attributes & SEC_COMMIT && (st = mm_charge(NULL, pages)))
		return st;
	ca = mm_new_ca(pages, 1);
	if (!ca) {
		if (attributes & SEC_COMMIT)
			mm_uncharge(NULL, pages);
		return STATUS_INSUFFICIENT_RESOURCES;
	}
	ca->size = pages << PAGE_SHIFT;
	ca->prot = prot;
	ca->subsection[0] = (struct subsection){.ca = ca, .pages = pages, .prot = MM_READWRITE};
	if (attributes & SEC_COMMIT) {
		ca->charged = pages;
		for (u64 i = 0; i < pages; i++)
			ca->proto[i] = pte_demand_zero(MM_READWRITE);
	} else {
		ca->reserve = true;
	}
	*out = ca;
	return STATUS_SUCCESS;
}

/* More prototypes for a data file that has grown. When the array is full a longer one takes its
 * place; the old one stays until the control area goes, because A alone lets its entries be looked
 * at. */
static NTSTATUS grow_data(struct control_area *ca, u64 size)
{
	u64 pages = ALIGN_UP(size, PAGE_SIZE) >> PAGE_SHIFT;
	MMPTE *fresh;
	KIRQL old;

	if (pages > ca->room) {
		u64 room = MAX(pages, 2 * ca->room);

		fresh = mm_new_prototypes(room, ca->proto);
		if (!fresh)
			fresh = mm_new_prototypes(room = pages, ca->proto);
		if (!fresh)
			return STATUS_INSUFFICIENT_RESOURCES;
		old = KeAcquireSpinLock(&pfn_lock);
		for (u64 i = 0; i < ca->pages; i++) {
			fresh[i] = ca->proto[i];
			if (pte_kind(fresh[i]) == PTE_K_VALID ||
			    pte_kind(fresh[i]) == PTE_K_TRANSITION)
				mm_pfn[pte_pfn(fresh[i])].pte = &fresh[i];
		}
		ca->proto = fresh;
		ca->room = room;
	} else {
		old = KeAcquireSpinLock(&pfn_lock);
	}
	for (u64 i = ca->pages; i < pages; i++)
		ca->proto[i] = pte_subsection(&ca->subsection[0], MM_READWRITE);
	ca->pages = ca->subsection[0].pages = MAX(ca->pages, pages);
	ca->size = ca->subsection[0].file_bytes = MAX(ca->size, size);
	KeReleaseSpinLock(&pfn_lock, old);
	return STATUS_SUCCESS;
}

static NTSTATUS data_section(struct FILE_OBJECT *f, u64 *size, bool may_extend,
			     struct control_area **out)
{
	struct section_object_pointers *sop = IoSectionPointers(f);
	struct control_area *ca;
	u64 bytes, pages;
	NTSTATUS st = IoGetFileSize(f, &bytes);

	if (st)
		return st;
	if (!*size)
		*size = bytes;
	if (!*size)
		return STATUS_MAPPED_FILE_SIZE_ZERO;
	if (*size > bytes) {
		if (!may_extend)
			return STATUS_SECTION_TOO_BIG;
		if ((st = IoSetFileSize(f, *size)))
			return st;
		bytes = *size;
	}
	ca = mm_find_ca(&sop->data);
	if (!ca) {
		pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
		ca = mm_new_ca(pages, 1);
		if (!ca)
			return STATUS_INSUFFICIENT_RESOURCES;
		ca->file = f;
		IoReferenceFile(f);
		ca->size = bytes;
		ca->prot = MM_EXECUTE_READWRITE;
		ca->subsection[0] = (struct subsection){
		    .ca = ca, .pages = pages, .file_bytes = bytes, .prot = MM_READWRITE};
		for (u64 i = 0; i < pages; i++)
			ca->proto[i] = pte_subsection(&ca->subsection[0], MM_READWRITE);
		ca = mm_publish_ca(ca, &sop->data, sop);
	}
	mutex_lock(&ca->lock);
	st = bytes > ca->size ? grow_data(ca, bytes) : STATUS_SUCCESS;
	mutex_unlock(&ca->lock);
	if (st) {
		mm_dereference_ca(ca);
		return st;
	}
	*out = ca;
	return STATUS_SUCCESS;
}

#define FILE_READ_DATA	0x1u
#define FILE_WRITE_DATA 0x2u
#define FILE_EXECUTE	0x20u

static NTSTATUS check_attributes(u32 a, bool file, u32 protect, u32 *reported)
{
	u32 kind = a & (SEC_COMMIT | SEC_RESERVE | SEC_IMAGE);
	u32 known = SEC_COMMIT | SEC_RESERVE | SEC_IMAGE | SEC_NOCACHE | SEC_WRITECOMBINE |
		    SEC_LARGE_PAGES | SEC_HUGE_PAGES | SEC_NO_CHANGE | SEC_BASED | SEC_64K_PAGES;

	if (a & ~known || a & SEC_BASED)
		return STATUS_INVALID_PARAMETER_6;
	if (kind != SEC_COMMIT && kind != SEC_RESERVE && kind != SEC_IMAGE)
		return STATUS_INVALID_PARAMETER_6;
	if (a & SEC_IMAGE && a & (SEC_WRITECOMBINE | SEC_LARGE_PAGES))
		return STATUS_INVALID_PARAMETER_6;
	if (a & SEC_NOCACHE && a & SEC_WRITECOMBINE)
		return STATUS_INVALID_PARAMETER_6;
	if (a & SEC_LARGE_PAGES && (!(a & SEC_COMMIT) || file))
		return STATUS_INVALID_PARAMETER_6;
	if (a & SEC_HUGE_PAGES && !(a & SEC_LARGE_PAGES))
		return STATUS_INVALID_PARAMETER_6;
	if (a & SEC_IMAGE && protect != PAGE_READONLY &&
	    (a & SEC_IMAGE_NO_EXECUTE) == SEC_IMAGE_NO_EXECUTE)
		return STATUS_INVALID_PAGE_PROTECTION;
	if (a & SEC_IMAGE)
		*reported = SEC_FILE | SEC_IMAGE;
	else
		*reported =
		    (file ? SEC_FILE : kind) |
		    (a & (SEC_NOCACHE | SEC_WRITECOMBINE | SEC_LARGE_PAGES | SEC_HUGE_PAGES));
	return STATUS_SUCCESS;
}

static NTSTATUS file_section(HANDLE file, u64 *size, u32 prot, u32 attributes,
			     struct control_area **out)
{
	static const u32 needs[8] = {
	    [MM_READONLY] = FILE_READ_DATA,
	    [MM_EXECUTE] = FILE_EXECUTE,
	    [MM_EXECUTE_READ] = FILE_EXECUTE | FILE_READ_DATA,
	    [MM_READWRITE] = FILE_READ_DATA | FILE_WRITE_DATA,
	    [MM_WRITECOPY] = FILE_READ_DATA,
	    [MM_EXECUTE_READWRITE] = FILE_EXECUTE | FILE_READ_DATA | FILE_WRITE_DATA,
	    [MM_EXECUTE_WRITECOPY] = FILE_EXECUTE | FILE_READ_DATA,
	};
	struct FILE_OBJECT *f;
	ACCESS_MASK have;
	NTSTATUS st = ObReferenceObjectByHandle(file, 0, &IoFileType, (void **)&f);

	if (st)
		return st;
	st = ObQueryHandleAccess(file, &have);
	if (!st && !IoIsDiskFile(f))
		st = STATUS_INVALID_FILE_FOR_SECTION;
	if (!st && (have & needs[MM_BASE(prot)]) != needs[MM_BASE(prot)])
		st = STATUS_ACCESS_DENIED;
	if (!st && attributes & SEC_IMAGE) {
		st = mm_image_control_area(f, 0, out);
		if (!st)
			*size = (*out)->size;
	} else if (!st) {
		st = data_section(
		    f, size, MM_BASE(prot) == MM_READWRITE || MM_BASE(prot) == MM_EXECUTE_READWRITE,
		    out);
	}
	ObDereferenceObject(f);
	return st;
}

/* What views take over from the section's attributes. */
static void set_attributes(struct section *s, u32 attributes)
{
	s->no_change = attributes & SEC_NO_CHANGE;
	if (s->ca->image)
		s->no_execute = attributes & SEC_NOCACHE;
	else if (attributes & (SEC_NOCACHE | SEC_WRITECOMBINE))
		s->cache = attributes & SEC_NOCACHE ? MM_NOCACHE : MM_WRITECOMBINE;
}

static NTSTATUS create_section(HANDLE *user_handle, ACCESS_MASK access, const void *user_attributes,
			       const u64 *user_size, u32 protect, u32 attributes, HANDLE file)
{
	u32 prot = mm_make_prot(protect), reported;
	struct object_attributes oa;
	struct control_area *ca;
	struct section *s;
	u64 size = 0;
	HANDLE h = 0;
	NTSTATUS st;

	st = check_attributes(attributes, file != 0, protect, &reported);
	if (st)
		return st;
	if (!prot || prot == MM_NOACCESS || prot & 0x18)
		return STATUS_INVALID_PAGE_PROTECTION;
	if ((user_size && (st = copy_from_user(&size, user_size, 8))) ||
	    (st = ObProbeHandle(user_handle)))
		return st;
	if (attributes & SEC_IMAGE && !file)
		return STATUS_INVALID_FILE_FOR_SECTION;
	if (attributes & SEC_LARGE_PAGES && !SeHasPrivilege(SE_LOCK_MEMORY))
		return STATUS_PRIVILEGE_NOT_HELD;
	st = ObCaptureAttributes(user_attributes, &oa);
	if (st)
		return st;
	if (file)
		st = file_section(file, &size, prot, attributes, &ca);
	else if (attributes & SEC_LARGE_PAGES)
		st = mm_large_section(
		    size, attributes & SEC_HUGE_PAGES ? HUGE_PAGE_SIZE : LARGE_PAGE_SIZE, prot,
		    &ca);
	else
		st = pagefile_section(size, attributes, prot, &ca);
	if (!st) {
		st = mm_create_section_object(ca, reported, protect, file ? size : ca->size, &s);
		if (st)
			mm_dereference_ca(ca);
	}
	if (!st) {
		set_attributes(s, attributes);
		st = ObInsertObject(&oa, s, access, &h);
	}
	ObReleaseAttributes(&oa);
	return ObReturnHandle(user_handle, h, st);
}

NTSYSCALL NTSTATUS NtCreateSection(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				   const u64 *size, u32 protect, u32 allocation, HANDLE file)
{
	return create_section(handle, access, attributes, size, protect, allocation, file);
}

/* MEM_SECTION_EXTENDED_PARAMETER_TYPE: 1 user-physical flags, 2 node, 3 signing level */
#define SECTION_USER_PHYSICAL 1u
#define SECTION_PARAMETERS    4u

NTSYSCALL NTSTATUS NtCreateSectionEx(HANDLE *handle, ACCESS_MASK access, const void *attributes,
				     const u64 *size, u32 protect, u32 allocation, HANDLE file,
				     const void *parameters, u32 count)
{
	struct {
		u64 type, value;
	} p;
	u32 seen = 0;
	NTSTATUS st;

	if (count && (!parameters || count >= SECTION_PARAMETERS)) /* one would be there twice */
		return STATUS_INVALID_PARAMETER;
	for (u32 i = 0; i < count; i++) {
		if ((st = copy_from_user(&p, (const u8 *)parameters + i * sizeof(p), sizeof(p))))
			return st;
		if (!p.type || p.type >= SECTION_PARAMETERS || seen >> p.type & 1)
			return STATUS_INVALID_PARAMETER;
		seen |= 1u << p.type;
		if (p.type == SECTION_USER_PHYSICAL && p.value) /* AWE sections */
			return STATUS_NOT_SUPPORTED;
	}
	return create_section(handle, access, attributes, size, protect, allocation, file);
}

NTSYSCALL NTSTATUS NtOpenSection(HANDLE *user_handle, ACCESS_MASK access, const void *attributes)
{
	struct object_attributes oa;
	HANDLE h = 0;
	NTSTATUS st = ObProbeHandle(user_handle);

	if (!st)
		st = attributes ? ObCaptureAttributes(attributes, &oa) : STATUS_INVALID_PARAMETER;
	if (st)
		return st;
	mm_want_known_dll(oa.name, oa.chars, oa.attributes & OBJ_CASE_INSENSITIVE);
	st = ObOpenObjectByName(&oa, &MmSectionType, access, &h);
	ObReleaseAttributes(&oa);
	return ObReturnHandle(user_handle, h, st);
}

NTSYSCALL NTSTATUS NtExtendSection(HANDLE h, u64 *user_size)
{
	struct section *s;
	u64 size;
	NTSTATUS st = copy_from_user(&size, user_size, 8);

	if (st)
		return st;
	st = ObReferenceObjectByHandle(h, SECTION_EXTEND_SIZE, &MmSectionType, (void **)&s);
	if (st)
		return st;
	if (!s->ca->file || s->ca->image) {
		st = STATUS_SECTION_NOT_EXTENDED;
	} else if (size > s->size) {
		u64 bytes;

		st = IoGetFileSize(s->ca->file, &bytes);
		if (!st && size > bytes)
			st = IoSetFileSize(s->ca->file, size);
		mutex_lock(&s->ca->lock);
		if (!st)
			st = grow_data(s->ca, MAX(size, s->ca->size));
		if (!st)
			s->size = size;
		mutex_unlock(&s->ca->lock);
	}
	size = s->size;
	ObDereferenceObject(s);
	return st ? st : copy_to_user(user_size, &size, 8);
}

/* SECTION_BASIC_INFORMATION and SECTION_IMAGE_INFORMATION of x64 */
struct section_basic {
	u64 base;
	u32 attributes, pad;
	u64 size;
};
struct section_image {
	u64 entry;
	u32 zero_bits, pad;
	u64 stack_reserve, stack_commit;
	u32 subsystem;
	u16 subsystem_minor, subsystem_major;
	u32 os_version;
	u16 characteristics, dll_characteristics, machine;
	u8 contains_code, flags;
	u32 loader_flags, file_size, checksum;
};
_Static_assert(sizeof(struct section_image) == 64, "as Windows x64");
struct section_internal_image {
	struct section_image image;
	u32 extended_flags, pad;
};
#define IMAGE_DYNAMICALLY_RELOCATED 0x4u

void mm_image_information(const struct control_area *ca, void *out)
{
	const struct pe_image *pe = ca->pe;
	struct section_image i = {
	    .entry = ca->base + pe->entry_rva,
	    .stack_reserve = pe->stack_reserve,
	    .stack_commit = pe->stack_commit,
	    .subsystem = pe->subsystem,
	    .subsystem_minor = pe->subsystem_minor,
	    .subsystem_major = pe->subsystem_major,
	    .os_version = (u32)pe->os_major << 16 | pe->os_minor,
	    .characteristics = pe->characteristics,
	    .dll_characteristics = pe->dll_characteristics,
	    .machine = pe->machine,
	    .contains_code = pe->contains_code,
	    .flags = ca->base != pe->image_base ? IMAGE_DYNAMICALLY_RELOCATED : 0,
	    .loader_flags = pe->loader_flags,
	    .file_size = (u32)pe->file_bytes,
	    .checksum = pe->checksum,
	};

	memcpy(out, &i, sizeof(i));
}

NTSYSCALL NTSTATUS NtQuerySection(HANDLE h, u32 class, void *out, u64 length, u64 *returned)
{
	static const u64 need[] = {sizeof(struct section_basic), sizeof(struct section_image), 8, 8,
				   sizeof(struct section_internal_image)};
	union {
		struct section_basic basic;
		struct section_internal_image image;
		u64 address;
	} u = {0};
	struct section *s;
	NTSTATUS st;

	if (class >= ARRAY_SIZE(need))
		return STATUS_INVALID_INFO_CLASS;
	if (length < need[class])
		return STATUS_INFO_LENGTH_MISMATCH;
	if ((st = probe_for_write(out, length)))
		return st;
	st = ObReferenceObjectByHandle(h, SECTION_QUERY, &MmSectionType, (void **)&s);
	if (st)
		return st;
	if (class == 0) {
		u.basic.attributes = s->attributes;
		u.basic.size = s->size;
	} else if (!s->ca->image) {
		st = STATUS_SECTION_NOT_IMAGE;
	} else if (class == 2) { /* SectionRelocationInformation */
		u.address = s->ca->base - s->ca->pe->image_base;
	} else if (class == 3) { /* SectionOriginalBaseInformation */
		u.address = s->ca->pe->image_base;
	} else {
		mm_image_information(s->ca, &u.image);
	}
	ObDereferenceObject(s);
	if (!st)
		st = copy_to_user(out, &u, need[class]);
	if (!st && returned)
		st = copy_to_user(returned, &need[class], 8);
	return st;
}
