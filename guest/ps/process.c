/*
 * Processes: making one around an EXE, its region for PEB and TEBs, ending it. ps_lock guards the
 * list of processes, their lists of threads, and ids.
 */
#include "guest/ps/ps.h"
#include "guest/ke/kdp.h"
#include "guest/ps/info.h"
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"
#include "guest/ke/aslr.h"
#include "guest/ex/ex.h"
#include "guest/ob/ob.h"
#include "guest/io/io.h"
#include "guest/abi/machine.h"
#include "guest/mm/vmcalls.h"

#define TEB_REGION  0x200000ul /* PEB, then TEBs of 8 KB */
#define TEB_SIZE    0x2000ul
#define PEB_SIZE    0x2000ul /* PEB and what lies beside it */
#define TEB_SLOTS   255u
#define HIGHEST_2GB 0x7ffeffffUL
#define HIGHEST_8TB 0x7fffffeffffUL

struct mutex ps_lock;
struct list ps_processes;
struct list ps_ended_processes, ps_ended_threads;
EPROCESS *PsInitialSystemProcess;

/* The machine runs as long as any process does; its status is the first one's. All others descend
 * from that, and a parent lives while it makes a child, so the number is not 0 in between. */
static u32 live_processes;
static NTSTATUS machine_status;

static void process_destroy(void *object)
{
	EPROCESS *p = object;

	mutex_lock(&ps_lock);
	list_remove(&p->entry);
	mutex_unlock(&ps_lock);
	if (p->as.pml4)
		MmDeleteAddressSpace(&p->as);
	if (p->image_section)
		mm_dereference_ca(p->image_section);
	if (p->image_name)
		ExFreePool(p->image_name);
	if (p->job)
		ObDereferenceObject(p->job);
	ObFreeHandleTable(p->handles);
}

const struct object_type PsProcessType = {
    .name = "Process",
    .dispatcher_offset = offsetof(EPROCESS, d),
    .generic_read = 0x20000 | PROCESS_QUERY_INFORMATION | PROCESS_VM_READ,
    .generic_write = 0x20000 | PROCESS_CREATE_THREAD | PROCESS_VM_OPERATION | PROCESS_VM_WRITE |
		     PROCESS_SET_QUOTA | PROCESS_SET_INFORMATION,
    .generic_execute = 0x20000 | SYNCHRONIZE | PROCESS_TERMINATE,
    .all_access = PROCESS_ALL_ACCESS,
    .implied = {{PROCESS_QUERY_INFORMATION, PROCESS_QUERY_LIMITED},
		{PROCESS_SET_INFORMATION, PROCESS_SET_LIMITED}},
    .destroy = process_destroy,
};

struct handle_table *PsHandleTable(EPROCESS *p)
{
	return p->handles;
}

static NTSTATUS init_process(EPROCESS *p, u64 highest)
{
	p->d.type = DO_PROCESS;
	list_init(&p->d.waiters);
	list_init(&p->entry);
	list_init(&p->threads);
	list_init(&p->job_entry);
	p->base_priority = 8;
	p->priority_class = PRIORITY_CLASS_NORMAL;
	p->affinity = ~0ul;
	p->io_priority = 2;
	p->page_priority = 5;
	p->default_hard_error = HARD_ERROR_DEFAULT;
	p->cookie = (u32)ke_random();
	p->create_time = KeQuerySystemTime();
	return MmCreateAddressSpace(&p->as, highest);
}

void ps_init_threads(void);
void ps_start_reaper(void);

void PsInitSystem(void)
{
	KPCR *cpu = this_cpu();
	ETHREAD *idle;

	mutex_init(&ps_lock);
	list_init(&ps_processes);
	list_init(&ps_ended_processes);
	list_init(&ps_ended_threads);
	ps_init_debug();
	ps_init_threads();
	mm_init_sections();
	PsInitialSystemProcess = ObCreateObject(&PsProcessType, sizeof(EPROCESS));
	require(PsInitialSystemProcess);
	require(!init_process(PsInitialSystemProcess, MM_HIGHEST_USER));
	PsInitialSystemProcess->pid = 4;
	memcpy(PsInitialSystemProcess->name, "System", 7);
	PsInitialSystemProcess->handles = ObCreateHandleTable();
	list_push_back(&ps_processes, &PsInitialSystemProcess->entry);
	ps_new_id();
	ke_load_cr3((u64)PsInitialSystemProcess->as.pml4 << PAGE_SHIFT);
	PsInitialSystemProcess->as.cpus = 1;
	cpu->process = PsInitialSystemProcess;
	idle = CONTAINER_OF(ps_create_idle_thread(), ETHREAD, k);
	cpu->idle = cpu->current = &idle->k;
	ps_start_reaper();
}

/* ---- PEB and TEBs ---- */

static u64 teb_of_slot(EPROCESS *p, u32 slot)
{
	return p->peb + PEB_SIZE + slot * TEB_SIZE;
}

NTSTATUS ps_allocate_teb(EPROCESS *p, u64 *teb)
{
	u64 size = TEB_SIZE;
	u32 slot = 0;

	mutex_lock(&ps_lock);
	while (slot < TEB_SLOTS && p->teb_slots[slot / 64] >> (slot % 64) & 1)
		slot++;
	if (slot < TEB_SLOTS)
		p->teb_slots[slot / 64] |= 1ul << (slot % 64);
	mutex_unlock(&ps_lock);
	if (slot == TEB_SLOTS) { /* a region of its own */
		*teb = 0;
		return MmAllocatePrivate(p, teb, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	}
	*teb = teb_of_slot(p, slot);
	return MmAllocatePrivate(p, teb, &size, MEM_COMMIT, PAGE_READWRITE);
}

void ps_free_teb(EPROCESS *p, u64 teb)
{
	u64 slot = (teb - p->peb - PEB_SIZE) / TEB_SIZE;

	if (teb < p->peb || slot >= TEB_SLOTS) {
		MmFreePrivate(p, teb);
		return;
	}
	MmDecommitPrivate(p, teb, TEB_SIZE);
	mutex_lock(&ps_lock);
	p->teb_slots[slot / 64] &= ~(1ul << (slot % 64));
	mutex_unlock(&ps_lock);
}

static NTSTATUS make_peb(EPROCESS *p)
{
	u64 base = 0, size = TEB_REGION;
	NTSTATUS st = MmAllocatePrivate(p, &base, &size, MEM_RESERVE, PAGE_READWRITE);

	if (st)
		return st;
	p->peb = base;
	size = PEB_SIZE;
	return MmAllocatePrivate(p, &base, &size, MEM_COMMIT, PAGE_READWRITE);
}

/* ---- images ---- */

static const char *const ntdll_names[NTDLL_ENTRIES] = {
    [NTDLL_INITIALIZE_THUNK] = "LdrInitializeThunk",
    [NTDLL_USER_THREAD_START] = "RtlUserThreadStart",
    [NTDLL_EXCEPTION_DISPATCHER] = "KiUserExceptionDispatcher",
    [NTDLL_APC_DISPATCHER] = "KiUserApcDispatcher",
};
static u32 ntdll_rva[NTDLL_ENTRIES]; /* the same file for every process */
static struct control_area *ntdll;   /* referenced for ever */

u64 ps_ntdll_entry(enum ntdll_entry e)
{
	EPROCESS *p = PsGetCurrentProcess();

	return ntdll_rva[e] ? p->ntdll_base + ntdll_rva[e] : 0;
}

static NTSTATUS load_ntdll(void)
{
	static const u16 path[] = u"\\??\\C:\\Windows\\System32\\ntdll.dll";
	struct FILE_OBJECT *f;
	NTSTATUS st;

	if (ntdll)
		return STATUS_SUCCESS;
	st = IoOpenFile(path, ARRAY_SIZE(path) - 1, false, &f);
	if (st)
		return st;
	st = mm_image_control_area(f, 0, &ntdll);
	IoDereferenceFile(f);
	for (u32 i = 0; !st && i < NTDLL_ENTRIES; i++)
		st = mm_find_image_export(ntdll, ntdll_names[i], &ntdll_rva[i]);
	return st;
}

static NTSTATUS map_image(EPROCESS *p, struct control_area *ca, u64 *base)
{
	struct section s = {.ca = ca, .size = ca->size, .prot = MM_EXECUTE_READWRITE};
	u64 size = 0;
	NTSTATUS st;

	*base = 0;
	st = mm_map_view(p, &s, base, 0, &size, 0, MM_EXECUTE_WRITECOPY, 0, p->as.highest, false);
	if (!NT_SUCCESS(st))
		return st;
	return mm_cfg_view(&p->as, *base, true); /* elsewhere than at its base will do */
}

static void set_name(EPROCESS *p, const u16 *path, u32 chars)
{
	u32 start = chars, n = 0;

	while (start && path[start - 1] != '\\')
		start--;
	for (; start < chars && n < sizeof(p->name) - 1; start++)
		p->name[n++] = path[start] < 127 ? (char)path[start] : '?';
}

/* A child runs where its parent may, and not more eagerly than usual. */
static void inherit_settings(EPROCESS *p, const EPROCESS *parent)
{
	u8 class = parent->priority_class;

	if (class == PRIORITY_CLASS_IDLE || class == PRIORITY_CLASS_BELOW_NORMAL)
		ps_set_priority_class(p, class);
	p->affinity = parent->affinity;
	p->default_hard_error = parent->default_hard_error;
	p->no_debug_inherit = parent->no_debug_inherit;
}

static void signal_end(EPROCESS *p)
{
	KIRQL old = KeAcquireSpinLock(&ke_dispatcher_lock);

	p->d.signal = 1;
	ke_signal(&p->d);
	KeReleaseSpinLock(&ke_dispatcher_lock, old);
}

void ps_discard_process(EPROCESS *p)
{
	mutex_lock(&ps_lock);
	list_remove(&p->entry);
	p->exiting = true;
	mutex_unlock(&ps_lock);
	ps_debug_process_ends(p, false);
	ObDestroyHandleTable(p);
	MmCleanAddressSpace(&p->as);
	ps_job_process_ended(p);
	signal_end(p);
	__atomic_fetch_sub(&live_processes, 1, __ATOMIC_SEQ_CST);
	ObDereferenceObject(p);
}

/* Where searches for free addresses begin, in steps of 64 KB: from below 24 bits for programs with
 * HIGH_ENTROPY_VA, 8 for others, none without DYNAMIC_BASE; from above 17, or 8 in 2 GB. */
static void randomize(EPROCESS *p)
{
	u32 dll = p->image->dll_characteristics;
	bool large = p->as.highest > HIGHEST_2GB;

	if (!(dll & PE_DLL_DYNAMIC_BASE))
		return;
	p->as.bottom_up +=
	    ke_aslr(large && dll & PE_DLL_HIGH_ENTROPY_VA ? 1ul << 24 : 1ul << 8) * MM_GRANULARITY;
	p->as.top_down -= ke_aslr(large ? 1ul << 17 : 1ul << 8) * MM_GRANULARITY;
}

/* The highest address of programs that can use all there are. */
static u64 largest_space(void)
{
	static u64 highest;
	const char *layout;

	if (!highest) {
		layout = runblock_get("largeaddress");
		highest = layout && !strcmp(layout, "8tb") ? HIGHEST_8TB : MM_HIGHEST_USER;
	}
	return highest;
}

NTSTATUS ps_create_process(struct FILE_OBJECT *exe, const u16 *path, u32 chars, EPROCESS *parent,
			   EPROCESS **out)
{
	struct control_area *ca;
	u64 highest = largest_space();
	EPROCESS *p;
	NTSTATUS st = load_ntdll();

	if (st)
		return st;
	st = mm_image_control_area(exe, 0, &ca);
	if (st)
		return st;
	if (ca->pe->characteristics & PE_FILE_DLL) {
		mm_dereference_ca(ca);
		return STATUS_INVALID_IMAGE_FORMAT;
	}
	if (!(ca->pe->characteristics & PE_FILE_LARGE_ADDRESS_AWARE))
		highest = HIGHEST_2GB;
	p = ObCreateObject(&PsProcessType, sizeof(*p));
	if (!p) {
		mm_dereference_ca(ca);
		return STATUS_NO_MEMORY;
	}
	st = init_process(p, highest);
	if (st) {
		mm_dereference_ca(ca);
		p->as.pml4 = 0; /* nothing of it was made */
		ObDereferenceObject(p);
		return st;
	}
	p->image_section = ca;
	p->image = ca->pe;
	p->parent_pid = parent ? parent->pid : 0;
	SeInitPrivileges(p, parent);
	ps_init_mitigation(p, parent);
	p->pid = ps_new_id();
	randomize(p);
	set_name(p, path, chars);
	p->image_name = ExAllocatePool(chars * 2ul + 2, TAG('P', 's', 'N', 'm'));
	p->handles = ObCreateHandleTable();
	if (!p->image_name || !p->handles)
		st = STATUS_NO_MEMORY;
	else
		memcpy(p->image_name, path, chars * 2ul);
	p->image_name_chars = chars;
	if (!st)
		st = MmMapSharedData(p);
	if (!st && p->mitigation[MITIGATION_CFG])
		st = mm_cfg_create(p);
	if (!st)
		st = map_image(p, ca, &p->image_base);
	if (NT_SUCCESS(st))
		st = map_image(p, ntdll, &p->ntdll_base);
	if (NT_SUCCESS(st) && parent)
		st = mm_inherit_views(parent, p);
	if (NT_SUCCESS(st))
		st = make_peb(p);
	if (!NT_SUCCESS(st)) {
		MmCleanAddressSpace(&p->as);
		if (p->handles)
			ObDestroyHandleTable(p);
		ObDereferenceObject(p);
		return st;
	}
	if (parent)
		inherit_settings(p, parent);
	__atomic_fetch_add(&live_processes, 1, __ATOMIC_SEQ_CST);
	mutex_lock(&ps_lock);
	list_push_back(&ps_processes, &p->entry);
	mutex_unlock(&ps_lock);
	counter_inc(MmCounters.processes_created);
	*out = p;
	return STATUS_SUCCESS;
}

/* Referenced. => ps_lock */
static EPROCESS *find_among(struct list *processes, u32 pid)
{
	LIST_FOR_EACH(e, processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (p->pid == pid && ObReferenceObjectSafe(p))
			return p;
	}
	return NULL;
}

EPROCESS *ps_find_process(u32 pid)
{
	EPROCESS *found;

	mutex_lock(&ps_lock);
	found = find_among(&ps_processes, pid);
	if (!found)
		found = find_among(&ps_ended_processes, pid);
	mutex_unlock(&ps_lock);
	return found;
}

/* ---- the end ---- */

void PsTerminateProcess(EPROCESS *p, NTSTATUS status)
{
	mutex_lock(&ps_lock);
	if (!p->exiting) {
		p->exiting = true;
		p->exit_status = status;
	}
	mutex_unlock(&ps_lock);
	ps_terminate_others(p, status);
}

void ps_end_process(EPROCESS *p, NTSTATUS status)
{
	PsTerminateProcess(p, status);
	if (p == PsGetCurrentProcess()) {
		mutex_lock(&ps_lock);
		ps_terminate_other(PsGetCurrentThread(), status);
		mutex_unlock(&ps_lock);
	}
}

/* Every thread but the current one. */
void ps_terminate_others(EPROCESS *p, NTSTATUS status)
{
	ETHREAD *me = PsGetCurrentThread();

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	{
		ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);

		if (t != me)
			ps_terminate_other(t, status);
	}
	mutex_unlock(&ps_lock);
}

/* => P. Its run time becomes its process's. */
static void leave_list(ETHREAD *t)
{
	EPROCESS *p = t->k.process;

	p->kernel_time += t->k.kernel_time;
	p->user_time += t->k.user_time;
	list_remove(&t->entry);
	list_push_back(&ps_ended_threads, &t->entry);
	p->thread_count--;
}

/* The thread has done all it will; with the last one goes what the process holds. => the current
 * one */
void ps_thread_gone(ETHREAD *t)
{
	EPROCESS *p = t->k.process;
	bool last;

	mutex_lock(&ps_lock);
	last = --p->live_threads == 0;
	if (!last)
		leave_list(t);
	mutex_unlock(&ps_lock);
	if (!last || p == PsInitialSystemProcess)
		return;
	if (!p->exiting) { /* the last thread's status is the process's */
		p->exiting = true;
		p->exit_status = t->exit_status;
	}
	ps_debug_process_ends(p, true);
	ps_rundown(p);
	mutex_lock(&ps_lock);
	leave_list(t);
	list_remove(&p->entry);
	list_push_back(&ps_ended_processes, &p->entry);
	mutex_unlock(&ps_lock);
}

void ps_rundown(EPROCESS *p)
{
	p->exit_time = KeQuerySystemTime();
	if (p->is_initial && ke_on_ntmm) /* all but its threads can still be looked at */
		hypercall(NTMM_HC_ENDING, 0, 0, 0, 0);
	ObDestroyHandleTable(p); /* dead from here on; freed with the process */
	MmCleanAddressSpace(&p->as);
	require(p->as.commit == 0);
	ps_job_process_ended(p);
	signal_end(p);
	if (p->is_initial)
		machine_status = p->exit_status;
	if (__atomic_sub_fetch(&live_processes, 1, __ATOMIC_SEQ_CST) == 0)
		ps_end_machine(machine_status);
	ObDereferenceObject(p); /* the one it was born with */
}
