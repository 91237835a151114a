/*
 * Life of a process and its threads as ntdll sees it: LdrInitializeThunk, where every thread
 * starts; DllMain calls; the end of threads and of the process; collecting unused modules.
 *
 * The first thread makes the heap, the loader lists, binds the EXE, and calls the DLLs' entry
 * points in initialization order; other threads wait for that, then only attach.
 */
#include "guest/user/ntdll/ldr.h"

RTL_CRITICAL_SECTION loader_lock = {.LockCount = -1, .SpinCount = 0};
static RTL_CRITICAL_SECTION peb_lock = {.LockCount = -1};

PEB_LDR_DATA loader_data = {
    .Length = sizeof(PEB_LDR_DATA),
    .InLoadOrderModuleList = {&loader_data.InLoadOrderModuleList,
			      &loader_data.InLoadOrderModuleList},
    .InMemoryOrderModuleList = {&loader_data.InMemoryOrderModuleList,
				&loader_data.InMemoryOrderModuleList},
    .InInitializationOrderModuleList = {&loader_data.InInitializationOrderModuleList,
					&loader_data.InInitializationOrderModuleList},
};

enum { PROCESS_NEW, PROCESS_STARTING, PROCESS_READY };
static LONG process_state;

typedef BOOL(NTAPI *dll_entry)(PVOID base, ULONG reason, PVOID reserved);

BOOLEAN call_entry(struct module *m, ULONG reason, PVOID reserved)
{
	BOOL ok = TRUE;

	if (reason == DLL_PROCESS_ATTACH || reason == DLL_THREAD_ATTACH)
		tls_callbacks(m, reason);
	if (m->ldr.EntryPoint && (m->ldr.Flags & LDRP_IMAGE_DLL))
		ok = ((dll_entry)m->ldr.EntryPoint)(m->ldr.DllBase, reason, reserved);
	if (reason == DLL_PROCESS_DETACH || reason == DLL_THREAD_DETACH)
		tls_callbacks(m, reason);
	return ok != FALSE;
}

/* Calls DLL_PROCESS_ATTACH of what is bound and not yet initialized. => loader lock */
NTSTATUS initialize_new_modules(void)
{
	LIST_ENTRY *head = &loader_data.InInitializationOrderModuleList;
	PVOID is_static = loader_data.Initialized ? NULL : (PVOID)1;

	for (LIST_ENTRY *e = head->Flink; e != head; e = e->Flink) {
		struct module *m =
		    CONTAINING_RECORD(e, struct module, ldr.InInitializationOrderLinks);

		if (m->ldr.Flags & (LDRP_ENTRY_PROCESSED | LDRP_PROCESS_ATTACH_FAILED))
			continue;
		m->ldr.Flags |= LDRP_ENTRY_PROCESSED;
		if (!call_entry(m, DLL_PROCESS_ATTACH, is_static)) {
			m->ldr.Flags |= LDRP_PROCESS_ATTACH_FAILED;
			load_error.importer = m->ldr.BaseDllName;
			return STATUS_DLL_INIT_FAILED;
		}
		m->ldr.Flags |= LDRP_PROCESS_ATTACH_CALLED;
	}
	return STATUS_SUCCESS;
}

static void mark_from(struct module *m, ULONG mark)
{
	if (m->mark == mark)
		return;
	m->mark = mark;
	for (ULONG i = 0; i < m->nuses; i++)
		mark_from(m->uses[i], mark);
}

/* Unloads what nothing reaches any more, last initialized first. => loader lock */
void collect_modules(void)
{
	static ULONG mark;
	LIST_ENTRY *head = &loader_data.InInitializationOrderModuleList;
	struct module *m;
	LIST_ENTRY *e;

	mark++;
	FOR_EACH_MODULE(m)
	if (m->loads || (m->ldr.Flags & LDRP_PINNED) || m == exe_module)
		mark_from(m, mark);
	for (e = head->Blink; e != head; e = e->Blink) {
		m = CONTAINING_RECORD(e, struct module, ldr.InInitializationOrderLinks);
		if (m->mark != mark && (m->ldr.Flags & LDRP_ENTRY_PROCESSED)) {
			m->ldr.Flags &= ~LDRP_ENTRY_PROCESSED;
			call_entry(m, DLL_PROCESS_DETACH, NULL);
		}
	}
	for (e = loader_data.InLoadOrderModuleList.Flink;
	     e != &loader_data.InLoadOrderModuleList;) {
		m = CONTAINING_RECORD(e, struct module, ldr.InLoadOrderLinks);
		e = e->Flink;
		if (m->mark != mark)
			remove_module(m);
	}
}

/* --- the end of a process that cannot start --- */

static void narrow(char *out, size_t room, PCUNICODE_STRING s)
{
	ULONG n = 0;

	RtlUnicodeToUTF8N(out, (ULONG)room - 1, &n, s->Buffer ? s->Buffer : L"", s->Length);
	out[n] = 0;
}

void write_stderr(const char *text)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;
	UNICODE_STRING name = WSTR_LITERAL(L"\\Device\\ConErr");
	OBJECT_ATTRIBUTES attr;
	IO_STATUS_BLOCK iosb;
	HANDLE h = params ? params->StandardError : NULL;
	size_t n = strlen(text);

	if (h && NT_SUCCESS(NtWriteFile(h, NULL, NULL, NULL, &iosb, text, (ULONG)n, NULL, NULL)))
		return;
	InitializeObjectAttributes(&attr, &name, OBJ_CASE_INSENSITIVE, NULL, NULL);
	if (!NT_SUCCESS(NtOpenFile(&h, GENERIC_WRITE | SYNCHRONIZE, &attr, &iosb, 3,
				   FILE_SYNCHRONOUS_IO_NONALERT)))
		return;
	NtWriteFile(h, NULL, NULL, NULL, &iosb, text, (ULONG)n, NULL, NULL);
	NtClose(h);
}

static DECLSPEC_NORETURN void fail_start(NTSTATUS status)
{
	char program[128] = "the program", importer[128] = "", line[512];

	if (exe_module)
		narrow(program, sizeof(program), &exe_module->ldr.BaseDllName);
	narrow(importer, sizeof(importer), &load_error.importer);
	switch ((ULONG)status) {
	case (ULONG)STATUS_DLL_NOT_FOUND:
		_snprintf(line, sizeof(line),
			  "%s: cannot start: %s not found (%s needs it for %s)\n", program,
			  load_error.dll, importer, load_error.function);
		break;
	case (ULONG)STATUS_ENTRYPOINT_NOT_FOUND:
	case (ULONG)STATUS_ORDINAL_NOT_FOUND:
		_snprintf(line, sizeof(line), "%s: cannot start: %s has no %s (%s needs it)\n",
			  program, load_error.dll, load_error.function, importer);
		break;
	case (ULONG)STATUS_DLL_INIT_FAILED:
		_snprintf(line, sizeof(line), "%s: cannot start: %s failed to initialize\n",
			  program, importer);
		break;
	default:
		_snprintf(line, sizeof(line),
			  "%s: cannot start: status 0x%08x while loading %s for %s\n", program,
			  (ULONG)status, load_error.dll, importer);
	}
	line[sizeof(line) - 1] = 0;
	write_stderr(line);
	for (;;)
		NtTerminateProcess(NtCurrentProcess(), status);
}

/* --- start --- */

static NTSTATUS first_modules(PPEB peb, PVOID ntdll_base)
{
	static const UNICODE_STRING ntdll_path = WSTR_LITERAL(L"C:\\Windows\\System32\\ntdll.dll");
	UNICODE_STRING exe = peb->ProcessParameters->ImagePathName;

	if (exe.Length > 8 && !wcsncmp(exe.Buffer, L"\\??\\", 4)) {
		exe.Buffer += 4;
		exe.Length -= 8;
	}
	exe_module = add_module(peb->ImageBaseAddress, &exe);
	ntdll_module = add_module(ntdll_base, &ntdll_path);
	if (!exe_module || !ntdll_module)
		return STATUS_NO_MEMORY;
	exe_module->ldr.Flags |= LDRP_PINNED;
	ntdll_module->ldr.Flags |= LDRP_PINNED | LDRP_BOUND | LDRP_ENTRY_PROCESSED;
	ntdll_module->ldr.EntryPoint = NULL;
	InsertTailList(&loader_data.InInitializationOrderModuleList,
		       &ntdll_module->ldr.InInitializationOrderLinks);
	return STATUS_SUCCESS;
}

/* kernel32 comes with every process, whether the EXE imports it or not. */
static NTSTATUS load_kernel32(void)
{
	struct module *m;
	NTSTATUS status = map_dll(L"kernel32.dll", NULL, 0, &m);

	if (!NT_SUCCESS(status)) {
		load_error.importer = exe_module->ldr.BaseDllName;
		strcpy(load_error.dll, "kernel32.dll");
		strcpy(load_error.function, "BaseThreadInitThunk");
		return status;
	}
	m->ldr.Flags |= LDRP_PINNED;
	return bind_imports(m, NULL);
}

static void init_process(PVOID ntdll_base)
{
	PPEB peb = NtCurrentPeb();
	NTSTATUS status;

	RtlInitializeCriticalSectionEx(&loader_lock, 0, 0);
	RtlInitializeCriticalSectionEx(&peb_lock, 0, 0);
	peb->LoaderLock = &loader_lock;
	peb->FastPebLock = &peb_lock;
	peb->Ldr = &loader_data;
	peb->ProcessHeap = RtlCreateHeap(HEAP_GROWABLE, NULL, peb->HeapSegmentReserve,
					 peb->HeapSegmentCommit, NULL, NULL);
	if (!peb->ProcessHeap)
		fail_start(STATUS_NO_MEMORY);
	tls_init_process();
	RtlEnterCriticalSection(&loader_lock);
	status = first_modules(peb, ntdll_base);
	if (NT_SUCCESS(status))
		status = load_kernel32();
	if (NT_SUCCESS(status))
		status = bind_imports(exe_module, NULL);
	if (NT_SUCCESS(status))
		status = tls_new_thread();
	if (NT_SUCCESS(status) && peb->BeingDebugged)
		DbgBreakPoint(); /* a debugger's first look: all is there, nothing of it has run */
	if (NT_SUCCESS(status))
		status = initialize_new_modules();
	if (!NT_SUCCESS(status))
		fail_start(status);
	exe_module->ldr.Flags |= LDRP_ENTRY_PROCESSED;
	tls_callbacks(exe_module, DLL_PROCESS_ATTACH);
	loader_data.Initialized = TRUE;
	NtCurrentTeb()->SameTebFlags |= TEB_SAME_RAN_PROCESS_INIT;
	RtlLeaveCriticalSection(&loader_lock);
}

/* Calls all DLLs (and the EXE's TLS callbacks) about a thread. => loader lock */
static void notify_thread(ULONG reason)
{
	LIST_ENTRY *head = &loader_data.InInitializationOrderModuleList, *e;
	BOOLEAN attach = reason == DLL_THREAD_ATTACH;

	if (!attach)
		tls_callbacks(exe_module, reason);
	for (e = attach ? head->Flink : head->Blink; e != head; e = attach ? e->Flink : e->Blink) {
		struct module *m =
		    CONTAINING_RECORD(e, struct module, ldr.InInitializationOrderLinks);

		if ((m->ldr.Flags & LDRP_PROCESS_ATTACH_CALLED) &&
		    !(m->ldr.Flags & LDRP_DONT_CALL_FOR_THREADS))
			call_entry(m, reason, NULL);
	}
	if (attach)
		tls_callbacks(exe_module, reason);
}

static void init_thread(void)
{
	RtlEnterCriticalSection(&loader_lock);
	if (!NT_SUCCESS(tls_new_thread()))
		NtTerminateThread(NtCurrentThread(), STATUS_NO_MEMORY);
	if (!(NtCurrentTeb()->SameTebFlags & TEB_SAME_SKIP_ATTACH))
		notify_thread(DLL_THREAD_ATTACH);
	RtlLeaveCriticalSection(&loader_lock);
}

VOID NTAPI LdrInitializeThunk(PCONTEXT start, PVOID ntdll_base, PVOID call_targets)
{
	LARGE_INTEGER moment = {.QuadPart = -TICKS_PER_MS};

	if (_InterlockedCompareExchange(&process_state, PROCESS_STARTING, PROCESS_NEW) ==
	    PROCESS_NEW) {
		guard_init(call_targets);
		init_process(ntdll_base);
		_InterlockedExchange(&process_state, PROCESS_READY);
	} else {
		/* A thread made by a DllMain starts when that DllMain is through. */
		while (process_state != PROCESS_READY)
			NtDelayExecution(FALSE, &moment);
		init_thread();
	}
	RtlRaiseStatus(NtContinue(start, FALSE));
}

/* --- end --- */

NTSTATUS NTAPI LdrShutdownThread(void)
{
	fls_end_thread();
	RtlEnterCriticalSection(&loader_lock);
	if (!loader_data.ShutdownInProgress)
		notify_thread(DLL_THREAD_DETACH);
	tls_end_thread();
	RtlLeaveCriticalSection(&loader_lock);
	tls_end_slots();
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrShutdownProcess(void)
{
	LIST_ENTRY *head = &loader_data.InInitializationOrderModuleList;

	if (loader_data.ShutdownInProgress)
		return STATUS_SUCCESS;
	loader_data.ShutdownInProgress = TRUE;
	loader_data.ShutdownThreadId = NtCurrentTeb()->ClientId.UniqueThread;
	fls_end_thread();
	if (exe_module)
		tls_callbacks(exe_module, DLL_PROCESS_DETACH);
	for (LIST_ENTRY *e = head->Blink; e != head; e = e->Blink) {
		struct module *m =
		    CONTAINING_RECORD(e, struct module, ldr.InInitializationOrderLinks);

		if (m->ldr.Flags & LDRP_PROCESS_ATTACH_CALLED)
			call_entry(m, DLL_PROCESS_DETACH, (PVOID)1);
	}
	return STATUS_SUCCESS;
}

BOOLEAN NTAPI RtlDllShutdownInProgress(void)
{
	return loader_data.ShutdownInProgress;
}

/*
 * Other threads are ended first. What they hold of the locks below is nobody's then and is made
 * free; the loader lock and the process heap are ours before.
 */
VOID NTAPI RtlExitUserProcess(NTSTATUS status)
{
	RtlEnterCriticalSection(&loader_lock);
	RtlLockHeap(NtCurrentPeb()->ProcessHeap); /* so that nobody is ended inside of it */
	NtTerminateProcess(NULL, status);
	waitaddr_forget();
	vectored_forget();
	functable_forget();
	RtlUnlockHeap(NtCurrentPeb()->ProcessHeap);
	LdrShutdownProcess();
	for (;;)
		NtTerminateProcess(NtCurrentProcess(), status);
}

VOID NTAPI RtlExitUserThread(NTSTATUS status)
{
	ULONG last = 0;

	NtQueryInformationThread(NtCurrentThread(), ThreadAmILastThread, &last, sizeof(last), NULL);
	if (last)
		RtlExitUserProcess(status);
	LdrShutdownThread();
	for (;;)
		NtTerminateThread(NtCurrentThread(), status);
}
