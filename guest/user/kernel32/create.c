/*
 * CreateProcess: the parameter block, the NT call for each file that may be meant; WinExec;
 * start-up information; attribute lists.
 */
#include "guest/user/kernel32/k32.h"

#define MAX_COMMAND 32768

struct attribute_list {
	DWORD count, room;
	DWORD64 present;
	struct {
		DWORD_PTR attribute;
		PVOID value;
		SIZE_T size;
	} item[];
};

WINBOOL WINAPI InitializeProcThreadAttributeList(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD count,
						 DWORD flags, PSIZE_T size)
{
	struct attribute_list *l = (struct attribute_list *)list;
	SIZE_T need = sizeof(*l) + count * sizeof(l->item[0]);
	BOOL enough = l && *size >= need;

	if (flags)
		return fail(ERROR_INVALID_PARAMETER);
	*size = need;
	if (!enough)
		return fail(ERROR_INSUFFICIENT_BUFFER);
	memset(l, 0, need);
	l->room = count;
	return TRUE;
}

WINBOOL WINAPI UpdateProcThreadAttribute(LPPROC_THREAD_ATTRIBUTE_LIST list, DWORD flags,
					 DWORD_PTR attribute, PVOID value, SIZE_T size, PVOID old,
					 PSIZE_T got)
{
	struct attribute_list *l = (struct attribute_list *)list;

	(void)old;
	(void)got;
	if (flags || l->count >= l->room)
		return fail(flags ? ERROR_INVALID_PARAMETER : ERROR_GEN_FAILURE);
	l->item[l->count].attribute = attribute;
	l->item[l->count].value = value;
	l->item[l->count].size = size;
	l->count++;
	return TRUE;
}

VOID WINAPI DeleteProcThreadAttributeList(LPPROC_THREAD_ATTRIBUTE_LIST list)
{
	(void)list; /* holds nothing of its own */
}

static SIZE_T environment_bytes(PCWSTR env)
{
	PCWSTR p = env;

	while (*p)
		p += wcslen(p) + 1;
	return (p - env + 1) * sizeof(WCHAR);
}

static void put_string(PUNICODE_STRING out, char **at, PCWSTR text, SIZE_T chars)
{
	out->Buffer = (PWSTR)*at;
	out->Length = (USHORT)(chars * sizeof(WCHAR));
	out->MaximumLength = out->Length + sizeof(WCHAR);
	memcpy(out->Buffer, text, out->Length);
	out->Buffer[chars] = 0;
	*at += (out->MaximumLength + 7) & ~7u;
}

/* One block: the structure, its strings, then the environment. */
static PRTL_USER_PROCESS_PARAMETERS make_parameters(PCWSTR image, PCWSTR command, PCWSTR folder,
						    PCWSTR env, const STARTUPINFOW *si)
{
	PRTL_USER_PROCESS_PARAMETERS mine = NtCurrentPeb()->ProcessParameters, p;
	PCWSTR title = si->lpTitle ? si->lpTitle : image;
	PCWSTR desktop = si->lpDesktop ? si->lpDesktop : L"";
	SIZE_T env_size = environment_bytes(env), size;
	char *at;

	size = sizeof(*p) + env_size + si->cbReserved2 + 128 +
	       (wcslen(image) + wcslen(command) + wcslen(folder) + wcslen(title) + wcslen(desktop) +
		mine->DllPath.Length / sizeof(WCHAR)) *
		   sizeof(WCHAR);
	p = heap_new(size);
	if (!p)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->MaximumLength = p->Length = (ULONG)size;
	p->Flags = RTL_USER_PROC_PARAMS_NORMALIZED;
	at = (char *)(p + 1);
	put_string(&p->CurrentDirectory.DosPath, &at, folder, wcslen(folder));
	put_string(&p->DllPath, &at, mine->DllPath.Buffer ? mine->DllPath.Buffer : L"",
		   mine->DllPath.Length / sizeof(WCHAR));
	put_string(&p->ImagePathName, &at, image, wcslen(image));
	put_string(&p->CommandLine, &at, command, wcslen(command));
	put_string(&p->WindowTitle, &at, title, wcslen(title));
	put_string(&p->DesktopInfo, &at, desktop, wcslen(desktop));
	if (si->cbReserved2 && si->lpReserved2) {
		p->RuntimeData.Buffer = (PWSTR)at;
		p->RuntimeData.Length = p->RuntimeData.MaximumLength = si->cbReserved2;
		memcpy(at, si->lpReserved2, si->cbReserved2);
		at += (si->cbReserved2 + 7) & ~7u;
	}
	p->Environment = (PWSTR)at;
	p->EnvironmentSize = env_size;
	memcpy(at, env, env_size);
	p->StartingX = si->dwX;
	p->StartingY = si->dwY;
	p->CountX = si->dwXSize;
	p->CountY = si->dwYSize;
	p->CountCharsX = si->dwXCountChars;
	p->CountCharsY = si->dwYCountChars;
	p->FillAttribute = si->dwFillAttribute;
	p->WindowFlags = si->dwFlags;
	p->ShowWindowFlags = si->wShowWindow;
	if (si->dwFlags & STARTF_USESTDHANDLES) {
		p->StandardInput = si->hStdInput;
		p->StandardOutput = si->hStdOutput;
		p->StandardError = si->hStdError;
	} else {
		p->StandardInput = mine->StandardInput;
		p->StandardOutput = mine->StandardOutput;
		p->StandardError = mine->StandardError;
	}
	return p;
}

/* An ANSI environment block as a wide one of the heap. */
static PWSTR widen_environment(const char *env)
{
	SIZE_T n = 0;
	PWSTR w;
	ULONG got;

	while (env[n])
		n += strlen(env + n) + 1;
	n++;
	w = heap_new((n + 1) * sizeof(WCHAR));
	if (w) {
		RtlMultiByteToUnicodeN(w, (ULONG)(n * sizeof(WCHAR)), &got, env, (ULONG)n);
		w[n] = 0;
	}
	return w;
}

/* One call, as far as it does not depend on which file the program turns out to be. */
struct creation {
	PCWSTR command, folder, env;
	const STARTUPINFOW *si;
	LPSECURITY_ATTRIBUTES process_sa, thread_sa;
	BOOL inherit;
	DWORD flags;
	const struct attribute_list *extra;
	LPPROCESS_INFORMATION pi;
	NTSTATUS status; /* of the last file tried */
};

static BOOL is_no_program(NTSTATUS status)
{
	switch ((ULONG)status) {
	case (ULONG)STATUS_OBJECT_NAME_NOT_FOUND:
	case (ULONG)STATUS_OBJECT_PATH_NOT_FOUND:
	case (ULONG)STATUS_OBJECT_NAME_INVALID:
	case (ULONG)STATUS_OBJECT_PATH_SYNTAX_BAD:
	case (ULONG)STATUS_NOT_A_DIRECTORY:
	case (ULONG)STATUS_FILE_IS_A_DIRECTORY:
	case (ULONG)STATUS_DELETE_PENDING:
		return TRUE;
	}
	return FALSE;
}

static NTSTATUS start_process(const struct creation *c, PCWSTR image,
			      PRTL_USER_PROCESS_PARAMETERS params)
{
	PS_ATTRIBUTE_LIST list = {0};
	OBJECT_ATTRIBUTES process_attr, thread_attr;
	PS_CREATE_INFO info = {.Size = sizeof(info)};
	LPPROCESS_INFORMATION pi = c->pi;
	PROCESS_PRIORITY_CLASS cls;
	UNICODE_STRING nt;
	CLIENT_ID id = {0};
	NTSTATUS status;
	ULONG n = 0;

	status = RtlDosPathNameToNtPathName_U_WithStatus(image, &nt, NULL, NULL);
	if (!NT_SUCCESS(status))
		return status;
	list.Attributes[n].Attribute = PS_ATTRIBUTE_IMAGE_NAME;
	list.Attributes[n].Size = nt.Length;
	list.Attributes[n++].ValuePtr = nt.Buffer;
	list.Attributes[n].Attribute = PS_ATTRIBUTE_CLIENT_ID;
	list.Attributes[n].Size = sizeof(id);
	list.Attributes[n++].ValuePtr = &id;
	if (c->flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS)) {
		list.Attributes[n].Attribute = PS_ATTRIBUTE_DEBUG_OBJECT;
		list.Attributes[n].Size = sizeof(HANDLE);
		list.Attributes[n++].ValuePtr = DbgUiGetThreadDebugObject();
	}
	for (DWORD i = 0; c->extra && i < c->extra->count && n < ARRAY_COUNT(list.Attributes);
	     i++) {
		if (c->extra->item[i].attribute == PROC_THREAD_ATTRIBUTE_HANDLE_LIST) {
			list.Attributes[n].Attribute = PS_ATTRIBUTE_HANDLE_LIST;
			list.Attributes[n].Size = c->extra->item[i].size;
			list.Attributes[n++].ValuePtr = c->extra->item[i].value;
		}
	}
	list.TotalLength = offsetof(PS_ATTRIBUTE_LIST, Attributes) + n * sizeof(list.Attributes[0]);
	InitializeObjectAttributes(
	    &process_attr, NULL, c->process_sa && c->process_sa->bInheritHandle ? OBJ_INHERIT : 0,
	    NULL, c->process_sa ? c->process_sa->lpSecurityDescriptor : NULL);
	InitializeObjectAttributes(&thread_attr, NULL,
				   c->thread_sa && c->thread_sa->bInheritHandle ? OBJ_INHERIT : 0,
				   NULL, c->thread_sa ? c->thread_sa->lpSecurityDescriptor : NULL);
	/* The thread starts suspended when more is to be done before it runs. */
	status = NtCreateUserProcess(
	    &pi->hProcess, &pi->hThread, PROCESS_ALL_ACCESS, THREAD_ALL_ACCESS, &process_attr,
	    &thread_attr,
	    (c->inherit ? PROCESS_CREATE_FLAGS_INHERIT_HANDLES : 0) |
		(c->flags & CREATE_BREAKAWAY_FROM_JOB ? PROCESS_CREATE_FLAGS_BREAKAWAY : 0) |
		(c->flags & DEBUG_ONLY_THIS_PROCESS ? PROCESS_CREATE_FLAGS_NO_DEBUG_INHERIT : 0),
	    THREAD_CREATE_FLAGS_CREATE_SUSPENDED, params, &info, &list);
	RtlFreeUnicodeString(&nt);
	if (!NT_SUCCESS(status))
		return status;
	pi->dwProcessId = (DWORD)(ULONG_PTR)id.UniqueProcess;
	pi->dwThreadId = (DWORD)(ULONG_PTR)id.UniqueThread;
	cls.Foreground = FALSE;
	cls.PriorityClass = c->flags & IDLE_PRIORITY_CLASS	     ? 1
			    : c->flags & HIGH_PRIORITY_CLASS	     ? 3
			    : c->flags & REALTIME_PRIORITY_CLASS     ? 4
			    : c->flags & BELOW_NORMAL_PRIORITY_CLASS ? 5
			    : c->flags & ABOVE_NORMAL_PRIORITY_CLASS ? 6
								     : 0;
	if (cls.PriorityClass)
		NtSetInformationProcess(pi->hProcess, ProcessPriorityClass, &cls, sizeof(cls));
	if (!(c->flags & CREATE_SUSPENDED))
		NtResumeThread(pi->hThread, NULL);
	return status;
}

/* A search_visit: tries to start this file. TRUE ends the search: it runs, or it is there and
 * cannot be run. */
static BOOL try_program(PCWSTR path, PVOID context)
{
	struct creation *c = context;
	PRTL_USER_PROCESS_PARAMETERS params;
	WCHAR image[MAX_PATH];
	DWORD got = GetFullPathNameW(path, MAX_PATH, image, NULL);

	c->status = STATUS_OBJECT_NAME_NOT_FOUND;
	if (!got || got >= MAX_PATH)
		return FALSE;
	RtlAcquirePebLock();
	params = make_parameters(image, c->command, c->folder,
				 c->env ? c->env : NtCurrentPeb()->ProcessParameters->Environment,
				 c->si);
	RtlReleasePebLock();
	c->status = params ? start_process(c, image, params) : STATUS_NO_MEMORY;
	heap_delete(params);
	return !is_no_program(c->status);
}

/* The current folder of the new process, ending in a backslash. */
static BOOL folder_of(PCWSTR asked, PWSTR here)
{
	SIZE_T n;

	if (asked) {
		DWORD a;

		n = GetFullPathNameW(asked, MAX_PATH, here, NULL);
		a = n && n < MAX_PATH ? GetFileAttributesW(here) : INVALID_FILE_ATTRIBUTES;
		if (a == INVALID_FILE_ATTRIBUTES || !(a & FILE_ATTRIBUTE_DIRECTORY))
			return fail(ERROR_DIRECTORY);
	} else {
		n = GetCurrentDirectoryW(MAX_PATH, here);
	}
	if (here[n - 1] != '\\') {
		here[n++] = '\\';
		here[n] = 0;
	}
	return TRUE;
}

static BOOL run_program(PCWSTR application, struct creation *c)
{
	BOOL taken =
	    application ? try_program(application, c) : search_program(c->command, try_program, c);

	if (!taken)
		return fail(application && c->status == STATUS_OBJECT_PATH_NOT_FOUND
				? ERROR_PATH_NOT_FOUND
				: ERROR_FILE_NOT_FOUND);
	if (c->status == STATUS_INVALID_IMAGE_NOT_MZ || c->status == STATUS_INVALID_IMAGE_FORMAT)
		return fail(ERROR_BAD_EXE_FORMAT);
	return succeed(c->status);
}

WINBOOL WINAPI CreateProcessW(LPCWSTR application, LPWSTR command, LPSECURITY_ATTRIBUTES process_sa,
			      LPSECURITY_ATTRIBUTES thread_sa, WINBOOL inherit, DWORD flags,
			      LPVOID env, LPCWSTR folder, LPSTARTUPINFOW si,
			      LPPROCESS_INFORMATION pi)
{
	WCHAR here[MAX_PATH + 2];
	struct creation c = {
	    .command = command,
	    .folder = here,
	    .env = env,
	    .si = si,
	    .process_sa = process_sa,
	    .thread_sa = thread_sa,
	    .inherit = inherit,
	    .flags = flags,
	    .pi = pi,
	};
	PWSTR wide_env = NULL, quoted = NULL;
	BOOL ok;

	memset(pi, 0, sizeof(*pi));
	if (!application && (!command || !*command))
		return fail(ERROR_INVALID_PARAMETER);
	if ((flags & (DEBUG_PROCESS | DEBUG_ONLY_THIS_PROCESS)) && !succeed(DbgUiConnectToDbg()))
		return FALSE;
	if (!folder_of(folder, here))
		return FALSE;
	if (!command || !*command) { /* the application's name, quoted, is the command line */
		quoted = heap_new((wcslen(application) + 3) * sizeof(WCHAR));
		if (!quoted)
			return fail(ERROR_NOT_ENOUGH_MEMORY);
		wcscpy(quoted, L"\"");
		wcscat(quoted, application);
		wcscat(quoted, L"\"");
		c.command = quoted;
	}
	if (wcslen(c.command) >= MAX_COMMAND) {
		heap_delete(quoted);
		return fail(ERROR_FILENAME_EXCED_RANGE);
	}
	if (env && !(flags & CREATE_UNICODE_ENVIRONMENT)) {
		c.env = wide_env = widen_environment(env);
		if (!wide_env) {
			heap_delete(quoted);
			return fail(ERROR_NOT_ENOUGH_MEMORY);
		}
	}
	if ((flags & EXTENDED_STARTUPINFO_PRESENT) && si->cb >= sizeof(STARTUPINFOEXW))
		c.extra = (const struct attribute_list *)((LPSTARTUPINFOEXW)si)->lpAttributeList;
	ok = run_program(application, &c);
	heap_delete(wide_env);
	heap_delete(quoted);
	return ok;
}

WINBOOL WINAPI CreateProcessA(LPCSTR application, LPSTR command, LPSECURITY_ATTRIBUTES process_sa,
			      LPSECURITY_ATTRIBUTES thread_sa, WINBOOL inherit, DWORD flags,
			      LPVOID env, LPCSTR folder, LPSTARTUPINFOA si,
			      LPPROCESS_INFORMATION pi)
{
	PWSTR app = NULL, cmd = NULL, dir = NULL, title = NULL, desktop = NULL;
	STARTUPINFOEXW wide = {0};
	BOOL ok = FALSE;

	memcpy(&wide, si,
	       (flags & EXTENDED_STARTUPINFO_PRESENT) && si->cb >= sizeof(wide) ? sizeof(wide)
										: sizeof(*si));
	if (wide_copy(application, &app) && wide_copy(command, &cmd) && wide_copy(folder, &dir) &&
	    wide_copy(si->lpTitle, &title) && wide_copy(si->lpDesktop, &desktop)) {
		wide.StartupInfo.lpTitle = title;
		wide.StartupInfo.lpDesktop = desktop;
		ok = CreateProcessW(app, cmd, process_sa, thread_sa, inherit, flags, env, dir,
				    &wide.StartupInfo, pi);
	}
	heap_delete(app);
	heap_delete(cmd);
	heap_delete(dir);
	heap_delete(title);
	heap_delete(desktop);
	return ok;
}

UINT WINAPI WinExec(LPCSTR command, UINT show)
{
	STARTUPINFOA si = {
	    .cb = sizeof(si), .dwFlags = STARTF_USESHOWWINDOW, .wShowWindow = (WORD)show};
	PROCESS_INFORMATION pi;
	char *copy = heap_new(strlen(command) + 1);
	BOOL ok;

	if (!copy)
		return ERROR_NOT_ENOUGH_MEMORY;
	strcpy(copy, command);
	ok = CreateProcessA(NULL, copy, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi);
	heap_delete(copy);
	if (!ok) /* results up to 31 are errors */
		return GetLastError() < 32 ? GetLastError() : ERROR_BAD_FORMAT;
	NtClose(pi.hThread);
	NtClose(pi.hProcess);
	return 33;
}

/* --- what this process was started with --- */

VOID WINAPI GetStartupInfoW(LPSTARTUPINFOW si)
{
	PRTL_USER_PROCESS_PARAMETERS p = NtCurrentPeb()->ProcessParameters;

	memset(si, 0, sizeof(*si));
	si->cb = sizeof(*si);
	si->lpDesktop = p->DesktopInfo.Buffer;
	si->lpTitle = p->WindowTitle.Buffer;
	si->dwX = p->StartingX;
	si->dwY = p->StartingY;
	si->dwXSize = p->CountX;
	si->dwYSize = p->CountY;
	si->dwXCountChars = p->CountCharsX;
	si->dwYCountChars = p->CountCharsY;
	si->dwFillAttribute = p->FillAttribute;
	si->dwFlags = p->WindowFlags;
	si->wShowWindow = (WORD)p->ShowWindowFlags;
	si->cbReserved2 = p->RuntimeData.Length;
	si->lpReserved2 = (LPBYTE)p->RuntimeData.Buffer;
	if (si->dwFlags & STARTF_USESTDHANDLES) {
		si->hStdInput = p->StandardInput;
		si->hStdOutput = p->StandardOutput;
		si->hStdError = p->StandardError;
	}
}

static PWSTR command_line_w;
static PSTR command_line_a, title_a, desktop_a;

static PSTR ansi_copy(PCUNICODE_STRING s)
{
	SIZE_T n = s->Length / sizeof(WCHAR);
	PSTR a = heap_new(n + 1);

	if (a)
		ansi_result(s->Buffer, n, a, (DWORD)n + 1);
	return a;
}

void init_command_line(void)
{
	PRTL_USER_PROCESS_PARAMETERS p = NtCurrentPeb()->ProcessParameters;

	command_line_w = p->CommandLine.Buffer;
	command_line_a = ansi_copy(&p->CommandLine);
}

LPWSTR WINAPI GetCommandLineW(VOID)
{
	return command_line_w;
}

LPSTR WINAPI GetCommandLineA(VOID)
{
	return command_line_a;
}

VOID WINAPI GetStartupInfoA(LPSTARTUPINFOA si)
{
	PRTL_USER_PROCESS_PARAMETERS p = NtCurrentPeb()->ProcessParameters;
	STARTUPINFOW w;

	if (!title_a) { /* made once; a race makes one copy too many, no more */
		desktop_a = ansi_copy(&p->DesktopInfo);
		title_a = ansi_copy(&p->WindowTitle);
	}
	GetStartupInfoW(&w);
	memcpy(si, &w, sizeof(*si));
	si->lpDesktop = w.lpDesktop ? desktop_a : NULL;
	si->lpTitle = w.lpTitle ? title_a : NULL;
}
