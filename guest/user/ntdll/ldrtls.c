/*
 * Static TLS: each module with a TLS directory has an index; each thread has a vector of pointers
 * to its copies (TEB.ThreadLocalStoragePointer), which compiled code reads without asking.
 *
 * All vectors are on one list, so that a module loaded later gets its copies for every thread that
 * there is. Vectors have spare room; one that must grow is replaced, and the old one kept until its
 * thread ends, because the thread may be reading it. Threads that were terminated leave theirs
 * behind: a vector is only ever replaced after its thread was found alive.
 *
 * Lock: the loader lock.
 */
#include "guest/user/ntdll/ldr.h"

#define SPARE 16

struct vector {
	LIST_ENTRY link;
	PTEB teb;
	HANDLE thread;
	struct vector *older; /* replaced, freed with this one */
	ULONG room;
	PVOID slots[];
};

struct tls_slot {
	struct module *module; /* NULL: unused */
	const IMAGE_TLS_DIRECTORY64 *dir;
};

static struct tls_slot *slots;
static ULONG nslots;
static LIST_ENTRY vectors = {&vectors, &vectors};

static PVOID heap(void)
{
	return NtCurrentPeb()->ProcessHeap;
}

/* A copy of a module's TLS data for one thread; 16-byte alignment or what the directory asks. */
static PVOID new_block(const IMAGE_TLS_DIRECTORY64 *dir)
{
	SIZE_T data = dir->EndAddressOfRawData - dir->StartAddressOfRawData;
	ULONG code = (dir->Characteristics >> 20) & 15;
	SIZE_T align = code ? (SIZE_T)1 << (code - 1) : 16;
	char *raw, *p;

	align = max(align, 16);
	raw = RtlAllocateHeap(heap(), 0, data + dir->SizeOfZeroFill + align + sizeof(PVOID));
	if (!raw)
		return NULL;
	p = (char *)(((ULONG_PTR)raw + sizeof(PVOID) + align - 1) & ~(align - 1));
	((PVOID *)p)[-1] = raw; /* what to free */
	memcpy(p, (PVOID)dir->StartAddressOfRawData, data);
	memset(p + data, 0, dir->SizeOfZeroFill);
	return p;
}

static void free_block(PVOID p)
{
	if (p)
		RtlFreeHeap(heap(), 0, ((PVOID *)p)[-1]);
}

static struct vector *my_vector(void)
{
	PVOID *p = NtCurrentTeb()->ThreadLocalStoragePointer;

	return p ? CONTAINING_RECORD(p, struct vector, slots) : NULL;
}

static BOOLEAN alive(const struct vector *v)
{
	OBJECT_ATTRIBUTES attr;
	CLIENT_ID id = {NULL, v->thread};
	THREAD_BASIC_INFORMATION info;
	BOOLEAN found;
	HANDLE h;

	if (v->teb == NtCurrentTeb())
		return TRUE;
	InitializeObjectAttributes(&attr, NULL, 0, NULL, NULL);
	if (!NT_SUCCESS(NtOpenThread(&h, THREAD_QUERY_INFORMATION, &attr, &id)))
		return FALSE;
	found = NT_SUCCESS(NtQueryInformationThread(h, ThreadBasicInformation, &info, sizeof(info),
						    NULL)) &&
		info.TebBaseAddress == v->teb && info.ExitStatus == STATUS_PENDING;
	NtClose(h);
	return found;
}

static struct vector *make_vector(PTEB teb, HANDLE thread, ULONG room)
{
	struct vector *v =
	    RtlAllocateHeap(heap(), HEAP_ZERO_MEMORY, sizeof(*v) + room * sizeof(PVOID));

	if (v) {
		v->teb = teb;
		v->thread = thread;
		v->room = room;
	}
	return v;
}

/* Gives the thread of v a copy of slot i's data. */
static NTSTATUS fill_slot(struct vector *v, ULONG i)
{
	if (i >= v->room) {
		struct vector *bigger;

		if (!alive(v))
			return STATUS_SUCCESS;
		bigger = make_vector(v->teb, v->thread, i + SPARE);
		if (!bigger)
			return STATUS_NO_MEMORY;
		memcpy(bigger->slots, v->slots, v->room * sizeof(PVOID));
		bigger->older = v;
		bigger->link = v->link;
		v->link.Flink->Blink = v->link.Blink->Flink = &bigger->link;
		v->teb->ThreadLocalStoragePointer = bigger->slots;
		v = bigger;
	}
	v->slots[i] = new_block(slots[i].dir);
	return v->slots[i] ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

NTSTATUS tls_add_module(struct module *m)
{
	ULONG size = 0, i;
	const IMAGE_TLS_DIRECTORY64 *dir =
	    RtlImageDirectoryEntryToData(m->ldr.DllBase, TRUE, IMAGE_DIRECTORY_ENTRY_TLS, &size);
	NTSTATUS status = STATUS_SUCCESS;

	if (!dir || m->tls_index >= 0)
		return STATUS_SUCCESS;
	for (i = 0; i < nslots && slots[i].module; i++)
		;
	if (i == nslots) {
		struct tls_slot *bigger =
		    RtlAllocateHeap(heap(), HEAP_ZERO_MEMORY, (nslots + SPARE) * sizeof(*slots));

		if (!bigger)
			return STATUS_NO_MEMORY;
		memcpy(bigger, slots, nslots * sizeof(*slots));
		RtlFreeHeap(heap(), 0, slots);
		slots = bigger;
		nslots += SPARE;
	}
	slots[i] = (struct tls_slot){m, dir};
	m->tls_index = (LONG)i;
	m->ldr.TlsIndex = 0xffff;
	if (dir->AddressOfIndex)
		*(ULONG *)dir->AddressOfIndex = i;
	for (LIST_ENTRY *e = vectors.Flink; e != &vectors && NT_SUCCESS(status);) {
		struct vector *v = CONTAINING_RECORD(e, struct vector, link);

		e = e->Flink;
		status = fill_slot(v, i);
	}
	return status;
}

void tls_remove_module(struct module *m)
{
	ULONG i = (ULONG)m->tls_index;

	if (m->tls_index < 0)
		return;
	slots[i].module = NULL;
	for (LIST_ENTRY *e = vectors.Flink; e != &vectors; e = e->Flink) {
		struct vector *v = CONTAINING_RECORD(e, struct vector, link);

		if (i < v->room) {
			free_block(v->slots[i]);
			v->slots[i] = NULL;
		}
	}
}

/* The calling thread is new: all modules' copies. */
NTSTATUS tls_new_thread(void)
{
	PTEB teb = NtCurrentTeb();
	struct vector *v;
	NTSTATUS status = STATUS_SUCCESS;

	if (my_vector())
		return STATUS_SUCCESS;
	v = make_vector(teb, teb->ClientId.UniqueThread, nslots + SPARE);
	if (!v)
		return STATUS_NO_MEMORY;
	for (ULONG i = 0; i < nslots && NT_SUCCESS(status); i++)
		if (slots[i].module)
			status = fill_slot(v, i);
	InsertTailList(&vectors, &v->link);
	teb->ThreadLocalStoragePointer = v->slots;
	return status;
}

void tls_end_thread(void)
{
	struct vector *v = my_vector();

	if (!v)
		return;
	NtCurrentTeb()->ThreadLocalStoragePointer = NULL;
	RemoveEntryList(&v->link);
	for (ULONG i = 0; i < v->room; i++)
		free_block(v->slots[i]);
	while (v) {
		struct vector *older = v->older;

		RtlFreeHeap(heap(), 0, v);
		v = older;
	}
}

void tls_callbacks(struct module *m, ULONG reason)
{
	const IMAGE_TLS_DIRECTORY64 *dir;
	const PIMAGE_TLS_CALLBACK *call;

	if (m->tls_index < 0)
		return;
	dir = slots[m->tls_index].dir;
	for (call = (const PIMAGE_TLS_CALLBACK *)dir->AddressOfCallBacks; call && *call; call++)
		(*call)(m->ldr.DllBase, reason, NULL);
}
