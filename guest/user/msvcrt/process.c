/*
 * Other processes: the spawn and exec families, system, popen, waiting.
 *
 * Every call comes down to start(): a command line made of the arguments, an environment block,
 * and CreateProcessW with our open descriptors in lpReserved2.
 */
#include "guest/user/msvcrt/crt.h"
#include <fcntl.h>
#include <io.h>
#include <process.h>

enum { ARGUMENTS_MAX = 1024 };

/* Arguments joined by spaces; a program's own quotes are its business, as documented. */
static wchar_t *join(const wchar_t *const *items, wchar_t separator)
{
	size_t n = 2;
	wchar_t *text, *at;

	for (size_t i = 0; items[i]; i++)
		n += wcslen(items[i]) + 1;
	text = malloc(n * sizeof(*text));
	if (!text)
		return NULL;
	at = text;
	for (size_t i = 0; items[i]; i++) {
		if (i && separator)
			*at++ = separator;
		wcscpy(at, items[i]);
		at += wcslen(items[i]) + !separator;
	}
	at[0] = at[1] = 0;
	return text;
}

static bool has_folder(const wchar_t *name)
{
	return wcspbrk(name, L"\\/:") != NULL;
}

static bool has_extension(const wchar_t *name)
{
	const wchar_t *dot = wcsrchr(name, '.');

	return dot && !wcspbrk(dot, L"\\/");
}

/* Waits and closes, or hands the process over, by the spawn mode. */
static intptr_t finish(int mode, PROCESS_INFORMATION *process)
{
	DWORD code = 0;

	CloseHandle(process->hThread);
	switch (mode) {
	case _P_OVERLAY:
		CloseHandle(process->hProcess);
		_exit(0);
	case _P_WAIT:
		WaitForSingleObject(process->hProcess, INFINITE);
		GetExitCodeProcess(process->hProcess, &code);
		CloseHandle(process->hProcess);
		return (int)code;
	case _P_DETACH:
		CloseHandle(process->hProcess);
		return 0;
	default:
		return (intptr_t)process->hProcess;
	}
}

static bool create(const wchar_t *path, wchar_t *command, wchar_t *environment, int mode,
		   PROCESS_INFORMATION *process)
{
	STARTUPINFOW start = {.cb = sizeof(start)};
	DWORD flags = CREATE_UNICODE_ENVIRONMENT | (mode == _P_DETACH ? DETACHED_PROCESS : 0);
	BOOL done;

	start.lpReserved2 = fd_inherit_block(&start.cbReserved2);
	if (mode == _P_DETACH) {
		free(start.lpReserved2);
		start.lpReserved2 = NULL;
		start.cbReserved2 = 0;
	}
	done = CreateProcessW(path, command, NULL, NULL, TRUE, flags, environment, NULL, &start,
			      process);
	free(start.lpReserved2);
	return done;
}

/* Tries the name as it is and, without an extension, with those of programs. */
static bool create_with_extensions(const wchar_t *name, wchar_t *command, wchar_t *environment,
				   int mode, PROCESS_INFORMATION *process)
{
	static const wchar_t *const extensions[] = {L".com", L".exe", L".bat", L".cmd"};
	wchar_t path[MAX_PATH];

	if (has_extension(name))
		return create(name, command, environment, mode, process);
	for (size_t i = 0; i < ARRAYSIZE(extensions); i++) {
		if (wcslen(name) + wcslen(extensions[i]) >= MAX_PATH)
			break;
		wcscpy(path, name);
		wcscat(path, extensions[i]);
		if (GetFileAttributesW(path) != INVALID_FILE_ATTRIBUTES)
			return create(path, command, environment, mode, process);
	}
	SetLastError(ERROR_FILE_NOT_FOUND);
	return false;
}

static bool create_on_path(const wchar_t *name, wchar_t *command, wchar_t *environment, int mode,
			   PROCESS_INFORMATION *process)
{
	const wchar_t *at = _wgetenv(L"PATH");
	wchar_t path[MAX_PATH];

	if (create_with_extensions(name, command, environment, mode, process))
		return true;
	if (GetLastError() != ERROR_FILE_NOT_FOUND && GetLastError() != ERROR_PATH_NOT_FOUND)
		return false;
	while (!has_folder(name) && at && *at) {
		size_t n = wcscspn(at, L";");

		if (n && n + wcslen(name) + 2 < MAX_PATH) {
			memcpy(path, at, n * sizeof(*path));
			path[n] = 0;
			if (path[n - 1] != '\\' && path[n - 1] != '/')
				wcscat(path, L"\\");
			wcscat(path, name);
			if (create_with_extensions(path, command, environment, mode, process))
				return true;
		}
		at += n + (at[n] == ';');
	}
	SetLastError(ERROR_FILE_NOT_FOUND);
	return false;
}

static intptr_t start(int mode, const wchar_t *name, const wchar_t *const *args,
		      const wchar_t *const *env, bool search)
{
	wchar_t *command, *environment = NULL;
	PROCESS_INFORMATION process;
	bool done;

	if (!name || !*name || !args || !args[0] || mode < _P_WAIT || mode > _P_DETACH)
		return crt_invalid(EINVAL), -1;
	command = join(args, ' ');
	if (env)
		environment = join(env, 0);
	if (!command || (env && !environment)) {
		free(command);
		free(environment);
		return crt_fail_with(ENOMEM);
	}
	fflush(NULL);
	done = (search ? create_on_path : create_with_extensions)(name, command, environment, mode,
								  &process);
	if (!done)
		crt_fail();
	free(command);
	free(environment);
	return done ? finish(mode, &process) : -1;
}

/* NULL-ended narrow lists as wide ones; free_list takes them back. */
static wchar_t **widen_list(const char *const *list)
{
	size_t n = 0;
	wchar_t **wide;

	if (!list)
		return NULL;
	while (list[n])
		n++;
	wide = calloc(n + 1, sizeof(*wide));
	for (size_t i = 0; wide && i < n; i++)
		wide[i] = crt_wide(list[i]);
	return wide;
}

static void free_list(wchar_t **list)
{
	for (size_t i = 0; list && list[i]; i++)
		free(list[i]);
	free(list);
}

static intptr_t start_narrow(int mode, const char *name, const char *const *args,
			     const char *const *env, bool search)
{
	wchar_t *wide = name ? crt_wide(name) : NULL, **wide_args = widen_list(args);
	wchar_t **wide_env = widen_list(env);
	intptr_t result = start(mode, wide, (const wchar_t *const *)wide_args,
				(const wchar_t *const *)wide_env, search);

	free(wide);
	free_list(wide_args);
	free_list(wide_env);
	return result;
}

/* Arguments given one by one: on x64 they lie in a row, the list's NULL at their end. */
#define LIST_ARGS(C, last)                                                \
	const C *args[ARGUMENTS_MAX];                                     \
	const C *const *env = NULL;                                       \
	va_list rest;                                                     \
	size_t n = 0;                                                     \
	va_start(rest, last);                                             \
	for (args[n++] = last; n < ARGUMENTS_MAX - 1 && args[n - 1]; n++) \
		args[n] = va_arg(rest, const C *);                        \
	args[n] = NULL

#define SPAWN_FAMILY(C, begin, vector, vector_env, list, list_env, search)                      \
	intptr_t vector(int mode, const C *name, const C *const *args)                          \
	{                                                                                       \
		return begin(mode, name, args, NULL, search);                                   \
	}                                                                                       \
	intptr_t vector_env(int mode, const C *name, const C *const *args, const C *const *env) \
	{                                                                                       \
		return begin(mode, name, args, env, search);                                    \
	}                                                                                       \
	intptr_t list(int mode, const C *name, const C *first, ...)                             \
	{                                                                                       \
		LIST_ARGS(C, first);                                                            \
		va_end(rest);                                                                   \
		return begin(mode, name, args, env, search);                                    \
	}                                                                                       \
	intptr_t list_env(int mode, const C *name, const C *first, ...)                         \
	{                                                                                       \
		LIST_ARGS(C, first);                                                            \
		env = va_arg(rest, const C *const *);                                           \
		va_end(rest);                                                                   \
		return begin(mode, name, args, env, search);                                    \
	}

#define EXEC_FAMILY(C, begin, vector, vector_env, list, list_env, search)             \
	intptr_t vector(const C *name, const C *const *args)                          \
	{                                                                             \
		return begin(_P_OVERLAY, name, args, NULL, search);                   \
	}                                                                             \
	intptr_t vector_env(const C *name, const C *const *args, const C *const *env) \
	{                                                                             \
		return begin(_P_OVERLAY, name, args, env, search);                    \
	}                                                                             \
	intptr_t list(const C *name, const C *first, ...)                             \
	{                                                                             \
		LIST_ARGS(C, first);                                                  \
		va_end(rest);                                                         \
		return begin(_P_OVERLAY, name, args, env, search);                    \
	}                                                                             \
	intptr_t list_env(const C *name, const C *first, ...)                         \
	{                                                                             \
		LIST_ARGS(C, first);                                                  \
		env = va_arg(rest, const C *const *);                                 \
		va_end(rest);                                                         \
		return begin(_P_OVERLAY, name, args, env, search);                    \
	}

SPAWN_FAMILY(char, start_narrow, _spawnv, _spawnve, _spawnl, _spawnle, false)
SPAWN_FAMILY(char, start_narrow, _spawnvp, _spawnvpe, _spawnlp, _spawnlpe, true)
SPAWN_FAMILY(wchar_t, start, _wspawnv, _wspawnve, _wspawnl, _wspawnle, false)
SPAWN_FAMILY(wchar_t, start, _wspawnvp, _wspawnvpe, _wspawnlp, _wspawnlpe, true)
EXEC_FAMILY(char, start_narrow, _execv, _execve, _execl, _execle, false)
EXEC_FAMILY(char, start_narrow, _execvp, _execvpe, _execlp, _execlpe, true)
EXEC_FAMILY(wchar_t, start, _wexecv, _wexecve, _wexecl, _wexecle, false)
EXEC_FAMILY(wchar_t, start, _wexecvp, _wexecvpe, _wexeclp, _wexeclpe, true)

intptr_t _cwait(int *code, intptr_t process, int action)
{
	DWORD exit_code;

	(void)action;
	if (process == -1 || process == -2)
		return crt_fail_with(EINVAL);
	if (WaitForSingleObject((HANDLE)process, INFINITE) ||
	    !GetExitCodeProcess((HANDLE)process, &exit_code)) {
		crt_fail();
		errno = ECHILD;
		return -1;
	}
	if (code)
		*code = (int)exit_code;
	CloseHandle((HANDLE)process);
	return process;
}

/* The command interpreter: COMSPEC, or cmd.exe where PATH has it. */
static intptr_t run_shell(int mode, const wchar_t *command)
{
	const wchar_t *shell = _wgetenv(L"COMSPEC");
	const wchar_t *args[] = {shell, L"/c", command, NULL};
	intptr_t result = -1;

	if (shell)
		result = start(mode, shell, args, NULL, false);
	if (result == -1 && (!shell || errno == ENOENT || errno == EACCES)) {
		args[0] = L"cmd.exe";
		result = start(mode, L"cmd.exe", args, NULL, true);
	}
	return result;
}

int _wsystem(const wchar_t *command)
{
	const wchar_t *shell = _wgetenv(L"COMSPEC");

	if (command)
		return (int)run_shell(_P_WAIT, command);
	if (shell && GetFileAttributesW(shell) != INVALID_FILE_ATTRIBUTES)
		return 1;
	errno = ENOENT;
	return 0;
}

int system(const char *command)
{
	wchar_t *wide = command ? crt_wide(command) : NULL;
	int result = _wsystem(wide);

	free(wide);
	return result;
}

int _pipe(int *fds, unsigned size, int mode)
{
	SECURITY_ATTRIBUTES security = {
	    .nLength = sizeof(security),
	    .bInheritHandle = !(mode & _O_NOINHERIT),
	};
	HANDLE ends[2];
	unsigned flags = FD_PIPE | (mode & _O_NOINHERIT ? FD_NOINHERIT : 0);

	if (!fds) {
		crt_invalid(EINVAL);
		return -1;
	}
	if (!CreatePipe(&ends[0], &ends[1], &security, size))
		return crt_fail();
	if ((mode & _O_TEXT) || (!(mode & _O_BINARY) && !(crt_fmode & _O_BINARY)))
		flags |= FD_TEXT;
	for (int i = 0; i < 2; i++) {
		fds[i] = fd_new(ends[i], flags, 0);
		if (fds[i] >= 0)
			continue;
		CloseHandle(ends[i]);
		if (i)
			_close(fds[0]);
		else
			CloseHandle(ends[1]);
		return -1;
	}
	return 0;
}

/* Streams of popen and the processes at their other ends; LOCK_POPEN. */
static struct popened {
	FILE *stream;
	HANDLE process;
} popened[32];

FILE *_wpopen(const wchar_t *command, const wchar_t *mode)
{
	bool reading = mode && *mode == 'r';
	int fds[2], ours, theirs, saved;
	intptr_t process;
	FILE *stream = NULL;
	struct popened *entry = NULL;

	if (!command || !mode || (*mode != 'r' && *mode != 'w')) {
		crt_invalid(EINVAL);
		return NULL;
	}
	if (_pipe(fds, 1024, _O_NOINHERIT | (wcschr(mode, 'b') ? _O_BINARY : _O_TEXT)))
		return NULL;
	ours = fds[!reading];
	theirs = fds[reading];
	_lock(LOCK_POPEN);
	for (size_t i = 0; i < ARRAYSIZE(popened) && !entry; i++)
		if (!popened[i].stream)
			entry = &popened[i];
	/* The child inherits its end as its standard stream, which is ours for a moment. */
	saved = entry ? _dup(reading) : -1;
	if (saved >= 0 && !_dup2(theirs, reading)) {
		process = run_shell(_P_NOWAIT, command);
		_dup2(saved, reading);
		if (process != -1)
			stream = _wfdopen(ours, mode);
		if (stream)
			*entry = (struct popened){stream, (HANDLE)process};
	}
	_unlock(LOCK_POPEN);
	if (saved >= 0)
		_close(saved);
	_close(theirs);
	if (!stream)
		_close(ours);
	return stream;
}

FILE *_popen(const char *command, const char *mode)
{
	wchar_t *wide = command ? crt_wide(command) : NULL,
		*wide_mode = mode ? crt_wide(mode) : NULL;
	FILE *stream = _wpopen(wide, wide_mode);

	free(wide);
	free(wide_mode);
	return stream;
}

int _pclose(FILE *stream)
{
	HANDLE process = NULL;
	int code = -1;

	if (!stream) {
		crt_invalid(EINVAL);
		return -1;
	}
	_lock(LOCK_POPEN);
	for (size_t i = 0; i < ARRAYSIZE(popened); i++) {
		if (popened[i].stream != stream)
			continue;
		process = popened[i].process;
		popened[i].stream = NULL;
		break;
	}
	_unlock(LOCK_POPEN);
	if (!process)
		return crt_fail_with(EBADF);
	fclose(stream);
	return _cwait(&code, (intptr_t)process, 0) == -1 ? -1 : code;
}

int _getpid(void)
{
	return (int)GetCurrentProcessId();
}

intptr_t crt_loaddll(char *name)
{
	return (intptr_t)LoadLibraryA(name);
}

int crt_unloaddll(intptr_t dll)
{
	return FreeLibrary((HMODULE)dll) ? 0 : (int)GetLastError();
}

crt_void_fn crt_getdllprocaddr(intptr_t dll, char *name, intptr_t ordinal)
{
	if (name)
		return (crt_void_fn)(void *)GetProcAddress((HMODULE)dll, name);
	if (ordinal > USHRT_MAX)
		return NULL;
	return (crt_void_fn)(void *)GetProcAddress((HMODULE)dll, (char *)ordinal);
}
