/*
 * From a DLL's name to a module: search order, opening, mapping, the loader lists.
 *
 * Search order: \KnownDlls (the system's own DLLs, by their plain names), the EXE's folder,
 * C:\Windows\System32, C:\Windows, the current folder, PATH (or the caller's search path, which is
 * such a list). Names of API sets lead to the DLL that has the functions here. The kernel
 * relocates; data-file mappings are not made here.
 */
#include "guest/user/ntdll/ldr.h"
#include "guest/user/ntdll/except.h"

#define MAX_NAME  1024
#define MAX_KNOWN 64 /* the longest path of \KnownDlls or of the system folder */
#define IMAGE_SECTION_ACCESS \
	(SECTION_MAP_READ | SECTION_MAP_EXECUTE | SECTION_MAP_WRITE | SECTION_QUERY)

struct module *exe_module, *ntdll_module;

/* API sets: the longest prefix that matches decides. */
static const struct {
	PCWSTR prefix, dll;
} api_sets[] = {
    {L"api-ms-win-crt-", L"msvcrt.dll"},	{L"api-ms-win-core-", L"kernelbase.dll"},
    {L"api-ms-win-security-", L"advapi32.dll"}, {L"api-ms-win-eventing-", L"advapi32.dll"},
    {L"api-ms-win-service-", L"advapi32.dll"},	{L"api-ms-win-", L"kernelbase.dll"},
    {L"ext-ms-win-", L"kernelbase.dll"},
};

PCWSTR redirect_name(PCWSTR name)
{
	for (size_t i = 0; i < ARRAY_COUNT(api_sets); i++)
		if (!_wcsnicmp(name, api_sets[i].prefix, wcslen(api_sets[i].prefix)))
			return api_sets[i].dll;
	return name;
}

static PCWSTR base_name(PCWSTR path)
{
	PCWSTR base = path;

	for (; *path; path++)
		if (*path == '\\' || *path == '/' || (*path == ':' && path[1]))
			base = path + 1;
	return base;
}

/* Appends ".dll" where there is no extension; a dot at the end means "none, really". */
static BOOLEAN complete_name(PWSTR out, size_t room, PCWSTR name)
{
	size_t n = wcslen(name);
	PCWSTR base = base_name(name);

	if (n + 5 > room)
		return FALSE;
	wcscpy(out, name);
	for (PWSTR p = out; *p; p++)
		if (*p == '/')
			*p = '\\';
	if (!wcsrchr(base, '.'))
		wcscpy(out + n, L".dll");
	else if (n && name[n - 1] == '.')
		out[n - 1] = 0;
	return TRUE;
}

static struct module *find_loaded(PCWSTR file, BOOLEAN by_path)
{
	UNICODE_STRING want;
	struct module *m;

	RtlInitUnicodeString(&want, file);
	FOR_EACH_MODULE(m)
	if (RtlEqualUnicodeString(by_path ? &m->ldr.FullDllName : &m->ldr.BaseDllName, &want, TRUE))
		return m;
	return NULL;
}

struct module *find_module_by_name(PCWSTR name)
{
	WCHAR file[MAX_NAME];
	struct module *m;

	name = redirect_name(name);
	if (!complete_name(file, MAX_NAME, name))
		return NULL;
	m = find_loaded(file, base_name(file) != file);
	/* Always there, programs believe; its functions are kernel32's. */
	return m || _wcsicmp(file, L"kernelbase.dll") ? m : find_loaded(L"kernel32.dll", FALSE);
}

struct module *find_module_by_address(const void *p)
{
	struct module *m;

	FOR_EACH_MODULE(m)
	if ((char *)p >= (char *)m->ldr.DllBase &&
	    (char *)p < (char *)m->ldr.DllBase + m->ldr.SizeOfImage)
		return m;
	return NULL;
}

static NTSTATUS open_image(PCWSTR dos_path, PHANDLE file)
{
	OBJECT_ATTRIBUTES attr;
	IO_STATUS_BLOCK iosb;
	UNICODE_STRING nt;
	NTSTATUS status = RtlDosPathNameToNtPathName_U_WithStatus(dos_path, &nt, NULL, NULL);

	if (!NT_SUCCESS(status))
		return status;
	InitializeObjectAttributes(&attr, &nt, OBJ_CASE_INSENSITIVE, NULL, NULL);
	status =
	    NtOpenFile(file, FILE_EXECUTE | FILE_READ_DATA | FILE_READ_ATTRIBUTES | SYNCHRONIZE,
		       &attr, &iosb, FILE_SHARE_READ | FILE_SHARE_DELETE,
		       FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT);
	RtlFreeUnicodeString(&nt);
	return status;
}

/* Tries `file` in each folder of a ';' list. On success `full` is its path. */
static NTSTATUS search_list(PCWSTR list, size_t chars, PCWSTR file, PWSTR full, PHANDLE handle)
{
	WCHAR path[MAX_NAME];

	while (chars) {
		size_t n = 0, skip;

		while (n < chars && list[n] != ';')
			n++;
		skip = n < chars ? n + 1 : n;
		if (n && n + wcslen(file) + 2 < MAX_NAME) {
			memcpy(path, list, n * sizeof(WCHAR));
			if (path[n - 1] != '\\' && path[n - 1] != '/')
				path[n++] = '\\';
			wcscpy(path + n, file);
			if (NT_SUCCESS(open_image(path, handle))) {
				RtlGetFullPathName_U(path, MAX_NAME * sizeof(WCHAR), full, NULL);
				return STATUS_SUCCESS;
			}
		}
		list += skip;
		chars -= skip;
	}
	return STATUS_DLL_NOT_FOUND;
}

static NTSTATUS search(PCWSTR file, PCWSTR search_path, PWSTR full, PHANDLE handle)
{
	PRTL_USER_PROCESS_PARAMETERS params = NtCurrentPeb()->ProcessParameters;
	UNICODE_STRING name = WSTR_LITERAL(L"PATH"), value = {0};
	PCWSTR exe = params->ImagePathName.Buffer;
	NTSTATUS status;

	/* a path of its own; one that is relative belongs to the current folder, or to those given
	 */
	if (base_name(file) != file &&
	    (!search_path || RtlDetermineDosPathNameType_U(file) != PATH_RELATIVE)) {
		status = open_image(file, handle);
		if (NT_SUCCESS(status))
			RtlGetFullPathName_U(file, MAX_NAME * sizeof(WCHAR), full, NULL);
		return NT_SUCCESS(status) ? status : STATUS_DLL_NOT_FOUND;
	}
	if (search_path)
		return search_list(search_path, wcslen(search_path), file, full, handle);
	if (exe_module)
		exe = exe_module->ldr.FullDllName.Buffer;
	if (NT_SUCCESS(search_list(exe, base_name(exe) - exe, file, full, handle)))
		return STATUS_SUCCESS;
	if (NT_SUCCESS(search_list(SYSTEM_FOLDERS, wcslen(SYSTEM_FOLDERS), file, full, handle)))
		return STATUS_SUCCESS;
	if (NT_SUCCESS(search_list(params->CurrentDirectory.DosPath.Buffer,
				   params->CurrentDirectory.DosPath.Length / sizeof(WCHAR), file,
				   full, handle)))
		return STATUS_SUCCESS;
	status = RtlQueryEnvironmentVariable_U(NULL, &name, &value);
	if (status != STATUS_BUFFER_TOO_SMALL)
		return STATUS_DLL_NOT_FOUND;
	value.MaximumLength = value.Length + sizeof(WCHAR);
	value.Buffer = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, value.MaximumLength);
	if (!value.Buffer)
		return STATUS_NO_MEMORY;
	status = RtlQueryEnvironmentVariable_U(NULL, &name, &value);
	if (NT_SUCCESS(status))
		status =
		    search_list(value.Buffer, value.Length / sizeof(WCHAR), file, full, handle);
	RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, value.Buffer);
	return status;
}

/* Puts an image that is mapped at base on the lists. */
struct module *add_module(void *base, PCUNICODE_STRING path)
{
	PVOID heap = NtCurrentPeb()->ProcessHeap;
	struct module *m = RtlAllocateHeap(heap, HEAP_ZERO_MEMORY, sizeof(*m));
	PIMAGE_NT_HEADERS64 nt = RtlImageNtHeader(base);
	LDR_DATA_TABLE_ENTRY *l;
	PCWSTR file;

	if (!m)
		return NULL;
	l = &m->ldr;
	l->FullDllName.Buffer = RtlAllocateHeap(heap, 0, path->Length + sizeof(WCHAR));
	if (!l->FullDllName.Buffer) {
		RtlFreeHeap(heap, 0, m);
		return NULL;
	}
	memcpy(l->FullDllName.Buffer, path->Buffer, path->Length);
	l->FullDllName.Buffer[path->Length / sizeof(WCHAR)] = 0;
	l->FullDllName.Length = path->Length;
	l->FullDllName.MaximumLength = path->Length + sizeof(WCHAR);
	file = base_name(l->FullDllName.Buffer);
	RtlInitUnicodeString(&l->BaseDllName, file);
	l->DllBase = base;
	l->SizeOfImage = nt->OptionalHeader.SizeOfImage;
	l->TimeDateStamp = nt->FileHeader.TimeDateStamp;
	l->OriginalBase = nt->OptionalHeader.ImageBase;
	l->Flags = nt->FileHeader.Characteristics & IMAGE_FILE_DLL ? LDRP_IMAGE_DLL : 0;
	if (nt->OptionalHeader.AddressOfEntryPoint)
		l->EntryPoint = (char *)base + nt->OptionalHeader.AddressOfEntryPoint;
	l->ObsoleteLoadCount = 0xffff;
	l->ReferenceCount = 1;
	l->LoadTime.QuadPart = NtmmSystemTime();
	l->HashLinks.Flink = l->HashLinks.Blink = &l->HashLinks;
	l->NodeModuleLink.Flink = l->NodeModuleLink.Blink = &l->NodeModuleLink;
	l->InInitializationOrderLinks.Flink = l->InInitializationOrderLinks.Blink = NULL;
	m->nt = nt;
	m->tls_index = -1;
	if (!NT_SUCCESS(guard_module(m))) {
		RtlFreeHeap(heap, 0, l->FullDllName.Buffer);
		RtlFreeHeap(heap, 0, m);
		return NULL;
	}
	InsertTailList(&loader_data.InLoadOrderModuleList, &l->InLoadOrderLinks);
	InsertTailList(&loader_data.InMemoryOrderModuleList, &l->InMemoryOrderLinks);
	functable_add_image(base, l->SizeOfImage);
	return m;
}

/* Takes a module off the lists and unmaps it. */
void remove_module(struct module *m)
{
	PVOID heap = NtCurrentPeb()->ProcessHeap;

	RemoveEntryList(&m->ldr.InLoadOrderLinks);
	RemoveEntryList(&m->ldr.InMemoryOrderLinks);
	if (m->ldr.InInitializationOrderLinks.Flink)
		RemoveEntryList(&m->ldr.InInitializationOrderLinks);
	tls_remove_module(m);
	functable_remove_image(m->ldr.DllBase);
	NtUnmapViewOfSection(NtCurrentProcess(), m->ldr.DllBase);
	RtlFreeHeap(heap, 0, m->uses);
	RtlFreeHeap(heap, 0, m->ldr.FullDllName.Buffer);
	RtlFreeHeap(heap, 0, m);
}

/* Maps an image section and puts it on the lists; consumes the handle. */
static NTSTATUS map_section(HANDLE section, PCWSTR full, struct module **out)
{
	PTEB teb = NtCurrentTeb();
	PVOID base = NULL, arbitrary = teb->NtTib.ArbitraryUserPointer;
	SIZE_T size = 0;
	UNICODE_STRING path;
	PIMAGE_NT_HEADERS64 nt;
	NTSTATUS status;

	teb->NtTib.ArbitraryUserPointer = (PVOID)full; /* where a debugger finds the name */
	status = NtMapViewOfSection(section, NtCurrentProcess(), &base, 0, 0, NULL, &size,
				    ViewUnmap, 0, PAGE_EXECUTE_WRITECOPY);
	teb->NtTib.ArbitraryUserPointer = arbitrary;
	NtClose(section);
	if (!NT_SUCCESS(status))
		return status;
	nt = RtlImageNtHeader(base);
	if (status == STATUS_IMAGE_MACHINE_TYPE_MISMATCH || !nt ||
	    nt->FileHeader.Machine != IMAGE_FILE_MACHINE_AMD64) {
		NtUnmapViewOfSection(NtCurrentProcess(), base);
		return STATUS_INVALID_IMAGE_FORMAT;
	}
	if (status == STATUS_IMAGE_NOT_AT_BASE &&
	    nt->FileHeader.Characteristics & IMAGE_FILE_RELOCS_STRIPPED &&
	    nt->FileHeader.Characteristics & IMAGE_FILE_DLL) {
		/* it can run nowhere else; a program is only looked at */
		NtUnmapViewOfSection(NtCurrentProcess(), base);
		return STATUS_CONFLICTING_ADDRESSES;
	}
	RtlInitUnicodeString(&path, full);
	*out = add_module(base, &path);
	if (!*out) {
		NtUnmapViewOfSection(NtCurrentProcess(), base);
		return STATUS_NO_MEMORY;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS map_file(HANDLE file, PCWSTR full, struct module **out)
{
	HANDLE section;
	NTSTATUS status = NtCreateSection(&section, IMAGE_SECTION_ACCESS, NULL, NULL, PAGE_EXECUTE,
					  SEC_IMAGE, file);

	return NT_SUCCESS(status) ? map_section(section, full, out) : status;
}

/* A plain name of \KnownDlls, which needs no search. */
static NTSTATUS map_known(PCWSTR file, struct module **out)
{
	WCHAR name[MAX_KNOWN] = L"\\KnownDlls\\", full[MAX_KNOWN] = L"C:\\Windows\\System32\\";
	OBJECT_ATTRIBUTES attr;
	UNICODE_STRING path;
	HANDLE section;
	NTSTATUS status;

	if (wcslen(file) > MAX_KNOWN - ARRAY_COUNT(L"C:\\Windows\\System32\\"))
		return STATUS_OBJECT_NAME_NOT_FOUND;
	wcscat(name, file);
	wcscat(full, file);
	RtlInitUnicodeString(&path, name);
	InitializeObjectAttributes(&attr, &path, OBJ_CASE_INSENSITIVE, NULL, NULL);
	status = NtOpenSection(&section, IMAGE_SECTION_ACCESS, &attr);
	return NT_SUCCESS(status) ? map_section(section, full, out) : status;
}

/*
 * The module of that name: one already there, or newly mapped with its imports not yet bound.
 * => loader lock
 */
NTSTATUS map_dll(PCWSTR name, PCWSTR search_path, ULONG flags, struct module **out)
{
	WCHAR file[MAX_NAME], full[MAX_NAME];
	NTSTATUS status;
	HANDLE handle;

	(void)flags;
	name = redirect_name(name);
	if (!complete_name(file, MAX_NAME, name))
		return STATUS_NAME_TOO_LONG;
	*out = find_loaded(file, base_name(file) != file);
	if (*out)
		return STATUS_SUCCESS;
	if (base_name(file) == file && NT_SUCCESS(map_known(file, out)))
		return STATUS_SUCCESS;
	status = search(file, search_path, full, &handle);
	if (!NT_SUCCESS(status))
		return status;
	*out = find_loaded(full, TRUE);
	if (!*out)
		status = map_file(handle, full, out);
	NtClose(handle);
	return status;
}
