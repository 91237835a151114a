/*
 * Which unwind entry covers an address: .pdata of images, and tables added at run time.
 *
 * Images stand in an array sorted by base; a reader-writer lock guards it and the list of dynamic
 * tables. Callbacks of dynamic tables are called after the lock is dropped.
 */
#include "guest/user/ntdll/except.h"

struct image {
	DWORD64 base, end;
	RUNTIME_FUNCTION *table;
	DWORD count;
};

enum table_kind { TABLE_STATIC, TABLE_CALLBACK, TABLE_GROWABLE };

struct dynamic {
	LIST_ENTRY link;
	enum table_kind kind;
	BOOLEAN sorted;
	DWORD64 id; /* table address or the callback's identifier */
	DWORD64 base, start, end;
	RUNTIME_FUNCTION *table;
	DWORD count, limit;
	PGET_RUNTIME_FUNCTION_CALLBACK callback;
	PVOID context;
};

static RTL_SRWLOCK lock;
static struct image first_images[32];
static struct image *images = first_images; /* sorted by base */
static size_t nimages, room = ARRAY_COUNT(first_images);
static LIST_ENTRY dynamics = {&dynamics, &dynamics};

void functable_add_image(void *base, SIZE_T size)
{
	ULONG bytes = 0;
	RUNTIME_FUNCTION *table =
	    RtlImageDirectoryEntryToData(base, TRUE, IMAGE_DIRECTORY_ENTRY_EXCEPTION, &bytes);
	size_t i;

	RtlAcquireSRWLockExclusive(&lock);
	if (nimages == room) {
		struct image *bigger =
		    RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, 2 * room * sizeof(*bigger));
		if (!bigger)
			goto out;
		memcpy(bigger, images, nimages * sizeof(*images));
		if (images != first_images)
			RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, images);
		images = bigger;
		room *= 2;
	}
	for (i = nimages; i > 0 && images[i - 1].base > (DWORD64)base; i--)
		images[i] = images[i - 1];
	images[i] = (struct image){(DWORD64)base, (DWORD64)base + size, table,
				   table ? bytes / (DWORD)sizeof(*table) : 0};
	nimages++;
out:
	RtlReleaseSRWLockExclusive(&lock);
}

void functable_remove_image(void *base)
{
	RtlAcquireSRWLockExclusive(&lock);
	for (size_t i = 0; i < nimages; i++) {
		if (images[i].base != (DWORD64)base)
			continue;
		memmove(&images[i], &images[i + 1], (nimages - i - 1) * sizeof(*images));
		nimages--;
		break;
	}
	RtlReleaseSRWLockExclusive(&lock);
}

static struct image *find_image(DWORD64 pc)
{
	size_t lo = 0, hi = nimages;

	while (lo < hi) {
		size_t mid = (lo + hi) / 2;

		if (pc < images[mid].base)
			hi = mid;
		else if (pc >= images[mid].end)
			lo = mid + 1;
		else
			return &images[mid];
	}
	return NULL;
}

static RUNTIME_FUNCTION *find_sorted(RUNTIME_FUNCTION *table, DWORD count, DWORD rva)
{
	DWORD lo = 0, hi = count;

	while (lo < hi) {
		DWORD mid = (lo + hi) / 2;

		if (rva < table[mid].BeginAddress)
			hi = mid;
		else if (rva >= table[mid].EndAddress)
			lo = mid + 1;
		else
			return &table[mid];
	}
	return NULL;
}

static RUNTIME_FUNCTION *find_linear(RUNTIME_FUNCTION *table, DWORD count, DWORD rva)
{
	for (DWORD i = 0; i < count; i++)
		if (rva >= table[i].BeginAddress && rva < table[i].EndAddress)
			return &table[i];
	return NULL;
}

static struct dynamic *find_dynamic(DWORD64 pc)
{
	for (LIST_ENTRY *e = dynamics.Flink; e != &dynamics; e = e->Flink) {
		struct dynamic *d = CONTAINING_RECORD(e, struct dynamic, link);

		if (pc >= d->start && pc < d->end)
			return d;
	}
	return NULL;
}

PRUNTIME_FUNCTION NTAPI RtlLookupFunctionEntry(DWORD64 pc, PDWORD64 base, PUNWIND_HISTORY_TABLE h)
{
	RUNTIME_FUNCTION *fe = NULL;
	struct image *m;

	(void)h;
	RtlAcquireSRWLockShared(&lock);
	m = find_image(pc);
	if (m) {
		*base = m->base;
		fe = find_sorted(m->table, m->count, (DWORD)(pc - m->base));
	} else {
		struct dynamic *d = find_dynamic(pc);

		if (d) {
			*base = d->base;
			if (d->kind == TABLE_CALLBACK) {
				PGET_RUNTIME_FUNCTION_CALLBACK fn = d->callback;
				PVOID context = d->context;

				RtlReleaseSRWLockShared(&lock);
				return fn(pc, context);
			}
			fe = (d->sorted ? find_sorted : find_linear)(d->table, d->count,
								     (DWORD)(pc - d->base));
		} else {
			*base = 0;
		}
	}
	RtlReleaseSRWLockShared(&lock);
	if (fe && (fe->UnwindData & 1))
		fe = (RUNTIME_FUNCTION *)(*base + (fe->UnwindData & ~1u));
	return fe;
}

PVOID NTAPI RtlPcToFileHeader(PVOID pc, PVOID *base)
{
	struct image *m;
	PVOID found;

	RtlAcquireSRWLockShared(&lock);
	m = find_image((DWORD64)pc);
	found = m ? (PVOID)m->base : NULL;
	RtlReleaseSRWLockShared(&lock);
	*base = found;
	return found;
}

/* --- tables added at run time --- */

static BOOLEAN add_dynamic(const struct dynamic *proto)
{
	struct dynamic *d = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof(*d));

	if (!d)
		return FALSE;
	*d = *proto;
	RtlAcquireSRWLockExclusive(&lock);
	InsertTailList(&dynamics, &d->link);
	RtlReleaseSRWLockExclusive(&lock);
	return TRUE;
}

static BOOLEAN remove_dynamic(DWORD64 id)
{
	struct dynamic *found = NULL;

	RtlAcquireSRWLockExclusive(&lock);
	for (LIST_ENTRY *e = dynamics.Flink; e != &dynamics && !found; e = e->Flink) {
		struct dynamic *d = CONTAINING_RECORD(e, struct dynamic, link);

		if (d->id == id)
			found = d;
	}
	if (found)
		RemoveEntryList(&found->link);
	RtlReleaseSRWLockExclusive(&lock);
	return found && RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, found);
}

BOOLEAN __cdecl RtlAddFunctionTable(PRUNTIME_FUNCTION table, DWORD count, DWORD64 base)
{
	struct dynamic d = {.kind = TABLE_STATIC,
			    .sorted = TRUE,
			    .id = (DWORD64)table,
			    .base = base,
			    .table = table,
			    .count = count};
	DWORD lowest = MAXDWORD, highest = 0;

	for (DWORD i = 0; i < count; i++) {
		lowest = min(lowest, table[i].BeginAddress);
		highest = max(highest, table[i].EndAddress);
		if (i && table[i].BeginAddress < table[i - 1].EndAddress)
			d.sorted = FALSE;
	}
	if (count) {
		d.start = base + lowest;
		d.end = base + highest;
	}
	return add_dynamic(&d);
}

BOOLEAN __cdecl RtlDeleteFunctionTable(PRUNTIME_FUNCTION table)
{
	return remove_dynamic((DWORD64)table);
}

BOOLEAN __cdecl RtlInstallFunctionTableCallback(DWORD64 id, DWORD64 base, DWORD length,
						PGET_RUNTIME_FUNCTION_CALLBACK callback,
						PVOID context, PCWSTR dll)
{
	struct dynamic d = {.kind = TABLE_CALLBACK,
			    .id = id,
			    .base = base,
			    .start = base,
			    .end = base + length,
			    .callback = callback,
			    .context = context};

	(void)dll; /* for debuggers out of process */
	if ((id & 3) != 3)
		return FALSE;
	return add_dynamic(&d);
}

DWORD NTAPI RtlAddGrowableFunctionTable(PVOID *handle, PRUNTIME_FUNCTION table, DWORD count,
					DWORD limit, ULONG_PTR start, ULONG_PTR end)
{
	struct dynamic d = {.kind = TABLE_GROWABLE,
			    .sorted = TRUE,
			    .id = (DWORD64)table,
			    .base = start,
			    .start = start,
			    .end = end,
			    .table = table,
			    .count = count,
			    .limit = limit};

	if (!add_dynamic(&d))
		return (DWORD)STATUS_NO_MEMORY;
	*handle = table;
	return STATUS_SUCCESS;
}

VOID NTAPI RtlGrowFunctionTable(PVOID handle, DWORD count)
{
	RtlAcquireSRWLockExclusive(&lock);
	for (LIST_ENTRY *e = dynamics.Flink; e != &dynamics; e = e->Flink) {
		struct dynamic *d = CONTAINING_RECORD(e, struct dynamic, link);

		if (d->id == (DWORD64)handle && d->kind == TABLE_GROWABLE && count <= d->limit)
			d->count = count;
	}
	RtlReleaseSRWLockExclusive(&lock);
}

VOID NTAPI RtlDeleteGrowableFunctionTable(PVOID handle)
{
	remove_dynamic((DWORD64)handle);
}

/* The other threads are gone; none of them holds the lock any more. */
void functable_forget(void)
{
	RtlInitializeSRWLock(&lock);
}
