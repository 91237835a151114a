/*
 * Imports and exports: binding a module's import tables, finding exported names and ordinals,
 * following forwarders.
 *
 * The first thing that is missing is written down in load_error, so that the process' end (or
 * nobody, when a program asked by LdrLoadDll) can name program, DLL and function.
 */
#include "guest/user/ntdll/ldr.h"

#define MAX_FORWARDS 16

struct load_error load_error;

static void note_error(struct module *importer, const char *dll, const char *function,
		       ULONG ordinal)
{
	load_error.importer = importer->ldr.BaseDllName;
	_snprintf(load_error.dll, sizeof(load_error.dll) - 1, "%s", dll);
	if (function)
		_snprintf(load_error.function, sizeof(load_error.function) - 1, "%s", function);
	else
		_snprintf(load_error.function, sizeof(load_error.function) - 1, "ordinal %u",
			  ordinal);
}

/* Remembers that user needs used. */
NTSTATUS use_module(struct module *user, struct module *used)
{
	if (user == used)
		return STATUS_SUCCESS;
	for (ULONG i = 0; i < user->nuses; i++)
		if (user->uses[i] == used)
			return STATUS_SUCCESS;
	if (user->nuses == user->room) {
		ULONG room = user->room ? 2 * user->room : 8;
		struct module **bigger =
		    RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, room * sizeof(*bigger));

		if (!bigger)
			return STATUS_NO_MEMORY;
		memcpy(bigger, user->uses, user->nuses * sizeof(*bigger));
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, user->uses);
		user->uses = bigger;
		user->room = room;
	}
	user->uses[user->nuses++] = used;
	return STATUS_SUCCESS;
}

/* A module's export directory, looked up once for many names. */
struct exports {
	struct module *m;
	const IMAGE_EXPORT_DIRECTORY *dir; /* NULL: exports nothing */
	ULONG size;
};

static struct exports exports_of(struct module *m)
{
	struct exports x = {.m = m};

	x.dir = RtlImageDirectoryEntryToData(m->ldr.DllBase, TRUE, IMAGE_DIRECTORY_ENTRY_EXPORT,
					     &x.size);
	return x;
}

static NTSTATUS follow_forwarder(struct module *m, const char *text, PVOID *address);

/* The address of export number `index`. */
static NTSTATUS export_address(const struct exports *x, ULONG index, PVOID *address)
{
	const ULONG *functions = rva_to(x->m, x->dir->AddressOfFunctions);
	char *p;

	if (index >= x->dir->NumberOfFunctions || !functions[index])
		return STATUS_ORDINAL_NOT_FOUND;
	p = rva_to(x->m, functions[index]);
	if (p >= (char *)x->dir && p < (char *)x->dir + x->size)
		return follow_forwarder(x->m, p, address);
	*address = p;
	return STATUS_SUCCESS;
}

/* By name when there is one (ordinal is then a hint: its place among the names, counted from 1 by
 * dlltool, as in our own DLLs, by others from 0), else by ordinal. => loader lock */
static NTSTATUS look_up(const struct exports *x, const char *name, ULONG ordinal, PVOID *address)
{
	const ULONG *names;
	const USHORT *ordinals;
	ULONG lo = 0, hi;

	if (!x->dir)
		return STATUS_PROCEDURE_NOT_FOUND;
	if (!name)
		return export_address(x, ordinal - x->dir->Base, address);
	names = rva_to(x->m, x->dir->AddressOfNames);
	ordinals = rva_to(x->m, x->dir->AddressOfNameOrdinals);
	hi = x->dir->NumberOfNames;
	for (ULONG i = ordinal - 1, n = 0; n < 2; i++, n++)
		if (i < hi && !strcmp(rva_to(x->m, names[i]), name))
			return export_address(x, ordinals[i], address);
	while (lo < hi) {
		ULONG mid = (lo + hi) / 2;
		int c = strcmp(name, rva_to(x->m, names[mid]));

		if (!c)
			return export_address(x, ordinals[mid], address);
		if (c < 0)
			hi = mid;
		else
			lo = mid + 1;
	}
	return STATUS_ENTRYPOINT_NOT_FOUND;
}

NTSTATUS find_export(struct module *m, const char *name, ULONG ordinal, PVOID *address)
{
	struct exports x = exports_of(m);

	return look_up(&x, name, ordinal, address);
}

/* "dll.function" or "dll.#ordinal": load that DLL if need be and look there. */
static NTSTATUS follow_forwarder(struct module *m, const char *text, PVOID *address)
{
	static ULONG depth; /* under the loader lock */
	const char *dot = strrchr(text, '.');
	WCHAR dll[128];
	struct module *target;
	NTSTATUS status;
	size_t n = dot ? (size_t)(dot - text) : 0;

	if (!dot || n + 5 > ARRAY_COUNT(dll) || depth >= MAX_FORWARDS)
		return STATUS_ENTRYPOINT_NOT_FOUND;
	for (size_t i = 0; i < n; i++)
		dll[i] = (UCHAR)text[i];
	wcscpy(dll + n, L".dll");
	depth++;
	status = map_dll(dll, NULL, 0, &target);
	if (NT_SUCCESS(status))
		status = use_module(m, target);
	if (NT_SUCCESS(status))
		status = bind_imports(target, NULL);
	if (NT_SUCCESS(status))
		status = dot[1] == '#' ? find_export(target, NULL, atoi(dot + 2), address)
				       : find_export(target, dot + 1, MAXDWORD, address);
	depth--;
	return status;
}

/* Makes [start, start + size) writable if its section is not; *old gets what to restore, or 0. */
static NTSTATUS unlock_table(struct module *m, PVOID start, SIZE_T size, PULONG old)
{
	PIMAGE_SECTION_HEADER s = IMAGE_FIRST_SECTION(m->nt);
	ULONG rva = (ULONG)((char *)start - (char *)m->ldr.DllBase);

	*old = 0;
	for (unsigned i = 0; i < m->nt->FileHeader.NumberOfSections; i++, s++)
		if (rva >= s->VirtualAddress &&
		    rva - s->VirtualAddress < max(s->Misc.VirtualSize, s->SizeOfRawData) &&
		    (s->Characteristics & IMAGE_SCN_MEM_WRITE))
			return STATUS_SUCCESS;
	return NtProtectVirtualMemory(NtCurrentProcess(), &start, &size, PAGE_READWRITE, old);
}

static void lock_table(PVOID start, SIZE_T size, ULONG old)
{
	if (old)
		NtProtectVirtualMemory(NtCurrentProcess(), &start, &size, old, &old);
}

/* Binds the functions m imports from one DLL. */
static NTSTATUS bind_table(struct module *m, struct module *from, const char *dll,
			   const ULONGLONG *lookup, ULONGLONG *table)
{
	struct exports x = exports_of(from);
	SIZE_T n = 0;
	NTSTATUS status;
	ULONG old;

	while (lookup[n])
		n++;
	status = unlock_table(m, table, (n + 1) * sizeof(*table), &old);
	if (!NT_SUCCESS(status))
		return status;
	for (SIZE_T i = 0; i < n; i++) {
		BOOLEAN by_ordinal = IMAGE_SNAP_BY_ORDINAL64(lookup[i]);
		PIMAGE_IMPORT_BY_NAME hint = by_ordinal ? NULL : rva_to(m, (ULONG)lookup[i]);
		ULONG ordinal = by_ordinal ? IMAGE_ORDINAL64(lookup[i]) : hint->Hint;
		const char *name = by_ordinal ? NULL : (const char *)hint->Name;
		PVOID address;

		status = look_up(&x, name, ordinal, &address);
		if (!NT_SUCCESS(status)) {
			note_error(m, dll, name, ordinal);
			if (status != STATUS_DLL_NOT_FOUND)
				status = by_ordinal ? STATUS_ORDINAL_NOT_FOUND
						    : STATUS_ENTRYPOINT_NOT_FOUND;
			break;
		}
		table[i] = (ULONGLONG)address;
	}
	lock_table(table, (n + 1) * sizeof(*table), old);
	return status;
}

/* Loads what m imports and fills its tables; then m joins the initialization order. => loader lock
 */
NTSTATUS bind_imports(struct module *m, PCWSTR search_path)
{
	const IMAGE_IMPORT_DESCRIPTOR *d;
	ULONG size = 0;
	NTSTATUS status = STATUS_SUCCESS;

	if (m->ldr.Flags & LDRP_BOUND)
		return STATUS_SUCCESS;
	m->ldr.Flags |= LDRP_BOUND | LDRP_LOAD_IN_PROGRESS;
	d = RtlImageDirectoryEntryToData(m->ldr.DllBase, TRUE, IMAGE_DIRECTORY_ENTRY_IMPORT, &size);
	for (; d && d->Name && d->FirstThunk && NT_SUCCESS(status); d++) {
		const char *name = rva_to(m, d->Name);
		const ULONGLONG *lookup =
		    rva_to(m, d->OriginalFirstThunk ? d->OriginalFirstThunk : d->FirstThunk);
		struct module *from;
		WCHAR wide[128];
		size_t n = 0;

		for (; name[n] && n < ARRAY_COUNT(wide) - 1; n++)
			wide[n] = (UCHAR)name[n];
		wide[n] = 0;
		if (!lookup[0])
			continue;
		status = map_dll(wide, search_path, 0, &from);
		if (!NT_SUCCESS(status)) {
			PIMAGE_IMPORT_BY_NAME first = rva_to(m, (ULONG)lookup[0]);
			BOOLEAN by_ordinal = IMAGE_SNAP_BY_ORDINAL64(lookup[0]);

			note_error(m, name, by_ordinal ? NULL : (const char *)first->Name,
				   IMAGE_ORDINAL64(lookup[0]));
			break;
		}
		status = use_module(m, from);
		if (NT_SUCCESS(status))
			status = bind_imports(from, search_path);
		if (NT_SUCCESS(status))
			status = bind_table(m, from, name, lookup, rva_to(m, d->FirstThunk));
	}
	if (NT_SUCCESS(status))
		status = tls_add_module(m);
	if (!NT_SUCCESS(status))
		return status;
	m->ldr.Flags &= ~LDRP_LOAD_IN_PROGRESS;
	if (!m->ldr.InInitializationOrderLinks.Flink && m != exe_module)
		InsertTailList(&loader_data.InInitializationOrderModuleList,
			       &m->ldr.InInitializationOrderLinks);
	return STATUS_SUCCESS;
}
