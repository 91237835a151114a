/*
 * The loader's calls: loading, unloading, handles, addresses, enumeration.
 */
#include "guest/user/ntdll/ldr.h"

#define LDR_GET_DLL_HANDLE_UNCHANGED 1
#define LDR_GET_DLL_HANDLE_PIN	     2
#define LDR_ADDREF_PIN		     1

static struct module *module_of_handle(PVOID base)
{
	struct module *m;

	FOR_EACH_MODULE(m)
	if (m->ldr.DllBase == base)
		return m;
	return NULL;
}

NTSTATUS NTAPI LdrLoadDll(PCWSTR search_path, PULONG characteristics, PCUNICODE_STRING name,
			  PVOID *base)
{
	struct module *m = NULL;
	NTSTATUS status;
	BOOLEAN resolve = !(characteristics && (*characteristics & IMAGE_FILE_EXECUTABLE_IMAGE));

	*base = NULL;
	if ((ULONG_PTR)search_path < 0x10000) /* newer callers pass flags here */
		search_path = NULL;
	RtlEnterCriticalSection(&loader_lock);
	status = map_dll(name->Buffer, search_path, 0, &m);
	if (NT_SUCCESS(status)) {
		m->loads++;
		/* a program runs in its own process only; what was taken as data stays that */
		if (!(m->ldr.Flags & LDRP_IMAGE_DLL) || m->ldr.Flags & LDRP_DATA_FILE)
			resolve = FALSE;
		if (resolve)
			status = bind_imports(m, search_path);
		else if (!(m->ldr.Flags & LDRP_BOUND))
			m->ldr.Flags |= LDRP_DATA_FILE;
		if (NT_SUCCESS(status) && resolve)
			status = initialize_new_modules();
		if (NT_SUCCESS(status))
			*base = m->ldr.DllBase;
		else
			m->loads--;
	}
	if (!NT_SUCCESS(status)) {
		collect_modules();
		if (status == STATUS_OBJECT_NAME_NOT_FOUND ||
		    status == STATUS_OBJECT_PATH_NOT_FOUND)
			status = STATUS_DLL_NOT_FOUND;
	}
	RtlLeaveCriticalSection(&loader_lock);
	return status;
}

NTSTATUS NTAPI LdrUnloadDll(PVOID base)
{
	NTSTATUS status = STATUS_SUCCESS;
	struct module *m;

	if (loader_data.ShutdownInProgress)
		return STATUS_SUCCESS;
	RtlEnterCriticalSection(&loader_lock);
	m = module_of_handle(base);
	if (!m) {
		status = STATUS_DLL_NOT_FOUND;
	} else if (m->loads && !--m->loads) {
		collect_modules();
	}
	RtlLeaveCriticalSection(&loader_lock);
	return status;
}

NTSTATUS NTAPI LdrAddRefDll(ULONG flags, PVOID base)
{
	struct module *m;

	if (flags & ~LDR_ADDREF_PIN)
		return STATUS_INVALID_PARAMETER;
	RtlEnterCriticalSection(&loader_lock);
	m = module_of_handle(base);
	if (m && (flags & LDR_ADDREF_PIN))
		m->ldr.Flags |= LDRP_PINNED;
	else if (m)
		m->loads++;
	RtlLeaveCriticalSection(&loader_lock);
	return m ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

NTSTATUS NTAPI LdrGetDllHandleEx(ULONG flags, PCWSTR path, PULONG characteristics,
				 PCUNICODE_STRING name, PVOID *base)
{
	struct module *m;

	(void)path;
	(void)characteristics;
	if (flags & ~(LDR_GET_DLL_HANDLE_UNCHANGED | LDR_GET_DLL_HANDLE_PIN))
		return STATUS_INVALID_PARAMETER;
	RtlEnterCriticalSection(&loader_lock);
	m = find_module_by_name(name->Buffer);
	if (m && base)
		*base = m->ldr.DllBase;
	if (m && (flags & LDR_GET_DLL_HANDLE_PIN))
		m->ldr.Flags |= LDRP_PINNED;
	else if (m && !(flags & LDR_GET_DLL_HANDLE_UNCHANGED))
		m->loads++;
	RtlLeaveCriticalSection(&loader_lock);
	return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

NTSTATUS NTAPI LdrGetDllHandle(PCWSTR path, PULONG characteristics, PCUNICODE_STRING name,
			       PVOID *base)
{
	return LdrGetDllHandleEx(LDR_GET_DLL_HANDLE_UNCHANGED, path, characteristics, name, base);
}

NTSTATUS NTAPI LdrGetProcedureAddress(PVOID base, PCANSI_STRING name, ULONG ordinal, PVOID *address)
{
	NTSTATUS status;
	struct module *m;

	RtlEnterCriticalSection(&loader_lock);
	m = module_of_handle(base);
	if (!m)
		status = STATUS_DLL_NOT_FOUND;
	else
		status =
		    find_export(m, name ? name->Buffer : NULL, name ? MAXDWORD : ordinal, address);
	/* A forwarder may have loaded a DLL. */
	if (NT_SUCCESS(status) && loader_data.Initialized)
		status = initialize_new_modules();
	RtlLeaveCriticalSection(&loader_lock);
	return status;
}

NTSTATUS NTAPI LdrDisableThreadCalloutsForDll(PVOID base)
{
	struct module *m;

	RtlEnterCriticalSection(&loader_lock);
	m = module_of_handle(base);
	if (m && m->tls_index < 0)
		m->ldr.Flags |= LDRP_DONT_CALL_FOR_THREADS;
	RtlLeaveCriticalSection(&loader_lock);
	return m ? STATUS_SUCCESS : STATUS_DLL_NOT_FOUND;
}

NTSTATUS NTAPI LdrFindEntryForAddress(const void *address, PLDR_DATA_TABLE_ENTRY *entry)
{
	struct module *m;

	RtlEnterCriticalSection(&loader_lock);
	m = find_module_by_address(address);
	RtlLeaveCriticalSection(&loader_lock);
	if (!m)
		return STATUS_NO_MORE_ENTRIES;
	*entry = &m->ldr;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrLockLoaderLock(ULONG flags, PULONG disposition, PULONG_PTR cookie)
{
	if (disposition)
		*disposition = 0;
	if (flags & ~3u)
		return STATUS_INVALID_PARAMETER_1;
	if (!cookie)
		return STATUS_INVALID_PARAMETER_3;
	*cookie = 0;
	if (flags & 2) {
		if (!disposition)
			return STATUS_INVALID_PARAMETER_2;
		if (!RtlTryEnterCriticalSection(&loader_lock)) {
			*disposition = 2;
			return STATUS_SUCCESS;
		}
	} else {
		RtlEnterCriticalSection(&loader_lock);
	}
	if (disposition)
		*disposition = 1;
	*cookie = (ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread;
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrUnlockLoaderLock(ULONG flags, ULONG_PTR cookie)
{
	if (flags & ~1u)
		return STATUS_INVALID_PARAMETER_1;
	if (!cookie)
		return STATUS_SUCCESS;
	if (cookie != (ULONG_PTR)NtCurrentTeb()->ClientId.UniqueThread)
		return STATUS_INVALID_PARAMETER_2;
	RtlLeaveCriticalSection(&loader_lock);
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrEnumerateLoadedModules(ULONG flags, ldr_enum_callback callback, PVOID context)
{
	BOOLEAN stop = FALSE;
	struct module *m;

	if (flags || !callback)
		return STATUS_INVALID_PARAMETER;
	RtlEnterCriticalSection(&loader_lock);
	FOR_EACH_MODULE(m)
	{
		callback(&m->ldr, context, &stop);
		if (stop)
			break;
	}
	RtlLeaveCriticalSection(&loader_lock);
	return STATUS_SUCCESS;
}

NTSTATUS NTAPI LdrGetDllFullName(PVOID base, PUNICODE_STRING out)
{
	NTSTATUS status = STATUS_DLL_NOT_FOUND;
	struct module *m;

	RtlEnterCriticalSection(&loader_lock);
	m = base ? module_of_handle(base) : exe_module;
	if (m) {
		RtlCopyUnicodeString(out, &m->ldr.FullDllName);
		status = out->MaximumLength < m->ldr.FullDllName.Length + sizeof(WCHAR)
			     ? STATUS_BUFFER_TOO_SMALL
			     : STATUS_SUCCESS;
	}
	RtlLeaveCriticalSection(&loader_lock);
	return status;
}
