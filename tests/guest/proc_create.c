/*
 * CreateProcess and what passes to the child: exit codes, handles that are inherited and those that
 * are not, a list of handles, standard handles, environment, folder, a suspended start, priority;
 * and programs that cannot be started.
 */
#include "tests/guest/proc.h"

static char temporary[MAX_PATH]; /* ends in a backslash */

/* ---- the child's side ---- */

static int child_event(const char *argument)
{
	return SetEvent(handle_of(argument)) ? 1 : 2;
}

static int child_echo(void)
{
	char line[64];

	if (!fgets(line, sizeof(line), stdin))
		return 2;
	printf("out %s", line);
	fflush(stdout);
	fprintf(stderr, "err %s", line);
	fflush(stderr);
	return 3;
}

static int child_environment(void)
{
	char value[32], folder[MAX_PATH];

	if (GetEnvironmentVariableA("NTMM_CHILD", value, sizeof(value)) != 3 ||
	    strcmp(value, "yes"))
		return 2;
	if (GetEnvironmentVariableA("NTMM_PARENT", value, sizeof(value)))
		return 3;
	GetCurrentDirectoryA(sizeof(folder), folder);
	strcat(folder, folder[strlen(folder) - 1] == '\\' ? "" : "\\");
	return strcmp(folder, temporary) ? 4 : 0;
}

static int child(int argc, char **argv)
{
	const char *role = argv[2], *argument = argc > 3 ? argv[3] : "";

	if (!strcmp(role, "exit"))
		return (int)strtoul(argument, NULL, 0);
	if (!strcmp(role, "event"))
		return child_event(argument);
	if (!strcmp(role, "echo"))
		return child_echo();
	if (!strcmp(role, "environment"))
		return child_environment();
	if (!strcmp(role, "class"))
		return (int)GetPriorityClass(GetCurrentProcess());
	if (!strcmp(role, "crash"))
		*(volatile int *)strtoull("8", NULL, 0) = 1; /* the compiler must not see it */
	if (!strcmp(role, "sleep"))
		Sleep(60000);
	return 99;
}

/* ---- the parent's ---- */

static void exit_codes(void)
{
	PROCESS_INFORMATION pi;
	DWORD code;

	CHECK_EQ(run_child("exit", "0", FALSE), 0);
	CHECK_EQ(run_child("exit", "7", FALSE), 7);
	CHECK_EQ(run_child("exit", "0xC0000005", FALSE), 0xC0000005);
	CHECK_EQ(run_child("crash", NULL, FALSE), 0xC0000005);

	CHECK(spawn("sleep", NULL, FALSE, 0, NULL, &pi));
	CHECK(pi.dwProcessId != GetCurrentProcessId() && pi.dwProcessId && pi.dwThreadId);
	CHECK_EQ(GetProcessId(pi.hProcess), pi.dwProcessId);
	CHECK(GetExitCodeProcess(pi.hProcess, &code));
	CHECK_EQ(code, STILL_ACTIVE);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 0), WAIT_TIMEOUT);
	CHECK(TerminateProcess(pi.hProcess, 42));
	CHECK_EQ(finish(&pi), 42);
}

static void inheritance(void)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
	HANDLE yes = CreateEventA(&inherit, TRUE, FALSE, NULL);
	HANDLE no = CreateEventA(NULL, TRUE, FALSE, NULL);
	char text[32];

	snprintf(text, sizeof(text), "%p", yes);
	CHECK_EQ(run_child("event", text, FALSE), 2); /* nothing is inherited without the flag */
	CHECK_EQ(WaitForSingleObject(yes, 0), WAIT_TIMEOUT);
	CHECK_EQ(run_child("event", text, TRUE), 1);
	CHECK_EQ(WaitForSingleObject(yes, 0), WAIT_OBJECT_0);

	snprintf(text, sizeof(text), "%p", no);
	CHECK_EQ(run_child("event", text, TRUE), 2);
	CHECK(SetHandleInformation(no, HANDLE_FLAG_INHERIT, HANDLE_FLAG_INHERIT));
	CHECK_EQ(run_child("event", text, TRUE), 1);
	CloseHandle(yes);
	CloseHandle(no);
}

static void handle_list(void)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
	HANDLE in = CreateEventA(&inherit, TRUE, FALSE, NULL);
	HANDLE out = CreateEventA(&inherit, TRUE, FALSE, NULL);
	STARTUPINFOEXA si = {.StartupInfo.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	SIZE_T size = 0;
	char text[32];

	CHECK(!InitializeProcThreadAttributeList(NULL, 1, 0, &size));
	si.lpAttributeList = malloc(size);
	CHECK(InitializeProcThreadAttributeList(si.lpAttributeList, 1, 0, &size));
	CHECK(UpdateProcThreadAttribute(si.lpAttributeList, 0, PROC_THREAD_ATTRIBUTE_HANDLE_LIST,
					&in, sizeof(in), NULL, NULL));
	snprintf(text, sizeof(text), "%p", in);
	CHECK(spawn("event", text, TRUE, EXTENDED_STARTUPINFO_PRESENT, &si.StartupInfo, &pi));
	CHECK_EQ(finish(&pi), 1);
	snprintf(text, sizeof(text), "%p", out);
	CHECK(spawn("event", text, TRUE, EXTENDED_STARTUPINFO_PRESENT, &si.StartupInfo, &pi));
	CHECK_EQ(finish(&pi), 2);
	DeleteProcThreadAttributeList(si.lpAttributeList);
	free(si.lpAttributeList);
	CloseHandle(in);
	CloseHandle(out);
}

static void read_all(HANDLE pipe, char *out, DWORD room)
{
	DWORD got, n = 0;

	while (n < room - 1 && ReadFile(pipe, out + n, room - 1 - n, &got, NULL) && got)
		n += got;
	out[n] = 0;
}

static void standard_handles(void)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
	STARTUPINFOA si = {.cb = sizeof(si), .dwFlags = STARTF_USESTDHANDLES};
	HANDLE in, out, err;
	PROCESS_INFORMATION pi;
	char text[64];
	DWORD done;

	CHECK(CreatePipe(&si.hStdInput, &in, &inherit, 0));
	CHECK(CreatePipe(&out, &si.hStdOutput, &inherit, 0));
	CHECK(CreatePipe(&err, &si.hStdError, &inherit, 0));
	SetHandleInformation(in, HANDLE_FLAG_INHERIT, 0);
	SetHandleInformation(out, HANDLE_FLAG_INHERIT, 0);
	SetHandleInformation(err, HANDLE_FLAG_INHERIT, 0);
	CHECK(spawn("echo", NULL, TRUE, 0, &si, &pi));
	CloseHandle(si.hStdInput);
	CloseHandle(si.hStdOutput);
	CloseHandle(si.hStdError);
	CHECK(WriteFile(in, "hello\n", 6, &done, NULL));
	CloseHandle(in);
	read_all(out, text, sizeof(text)); /* ends when the child's end of the pipe does */
	CHECK(!strcmp(text, "out hello\r\n"));
	read_all(err, text, sizeof(text));
	CHECK(!strcmp(text, "err hello\r\n"));
	CHECK_EQ(finish(&pi), 3);
	CloseHandle(out);
	CloseHandle(err);
}

static void environment(void)
{
	char block[2 * MAX_PATH];
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	char self[MAX_PATH], line[MAX_PATH + 32], folder[2 * MAX_PATH];
	int n = snprintf(block, sizeof(block), "NTMM_CHILD=yes");

	block[n] = 0; /* one string after the other, then an empty one */
	n += 1 + snprintf(block + n + 1, sizeof(block) - n - 1, "TEMP=%s", temporary);
	n += 2 + snprintf(block + n + 1, sizeof(block) - n - 1, "TMP=%s", temporary);
	block[n] = 0;
	SetEnvironmentVariableA("NTMM_PARENT", "here");
	GetModuleFileNameA(NULL, self, sizeof(self));
	snprintf(line, sizeof(line), "\"%s\" child environment", self);
	CHECK(CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, block, temporary, &si, &pi));
	CHECK_EQ(finish(&pi), 0);
	snprintf(folder, sizeof(folder), "%snowhere", temporary);
	CHECK(!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, block, folder, &si, &pi));
	CHECK_EQ(GetLastError(), ERROR_DIRECTORY);
}

static void suspended(void)
{
	PROCESS_INFORMATION pi;

	CHECK(spawn("exit", "5", FALSE, CREATE_SUSPENDED, NULL, &pi));
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 200), WAIT_TIMEOUT);
	CHECK_EQ(ResumeThread(pi.hThread), 1);
	CHECK_EQ(finish(&pi), 5);

	/* ends without ever having run */
	CHECK(spawn("exit", "5", FALSE, CREATE_SUSPENDED, NULL, &pi));
	CHECK(TerminateProcess(pi.hProcess, 6));
	CHECK_EQ(finish(&pi), 6);
}

static void priorities(void)
{
	PROCESS_INFORMATION pi;

	CHECK_EQ(run_child("class", NULL, FALSE), NORMAL_PRIORITY_CLASS);
	CHECK(spawn("class", NULL, FALSE, HIGH_PRIORITY_CLASS, NULL, &pi));
	CHECK_EQ(finish(&pi), HIGH_PRIORITY_CLASS);
	CHECK(SetPriorityClass(GetCurrentProcess(), BELOW_NORMAL_PRIORITY_CLASS));
	CHECK_EQ(run_child("class", NULL, FALSE), BELOW_NORMAL_PRIORITY_CLASS);
	CHECK(SetPriorityClass(GetCurrentProcess(), ABOVE_NORMAL_PRIORITY_CLASS));
	CHECK_EQ(run_child("class", NULL, FALSE), NORMAL_PRIORITY_CLASS);
	CHECK(SetPriorityClass(GetCurrentProcess(), NORMAL_PRIORITY_CLASS));
}

/* A path in the temporary folder. */
static const char *in_temporary(const char *name)
{
	static char path[2 * MAX_PATH];

	snprintf(path, sizeof(path), "%s%s", temporary, name);
	return path;
}

static void cannot_start(const char *name, DWORD error)
{
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;

	SetLastError(0);
	CHECK(!CreateProcessA(name, NULL, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi));
	CHECK_EQ(GetLastError(), error);
}

/* Starts what is in a file of the temporary folder, which is made of these bytes first and deleted
 * afterwards. It does not start, for the reason given. */
static void bad_program(const void *data, DWORD bytes, DWORD error)
{
	const char *name = in_temporary("ntmm_bad.exe");
	HANDLE f = CreateFileA(name, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	DWORD done;

	CHECK(f != INVALID_HANDLE_VALUE);
	CHECK(WriteFile(f, data, bytes, &done, NULL));
	CloseHandle(f);
	cannot_start(name, error);
	CHECK(DeleteFileA(name));
}

static void failures(void)
{
	static char big[4096] = "MZ";

	cannot_start(in_temporary("missing.exe"), ERROR_FILE_NOT_FOUND);
	cannot_start(in_temporary("nowhere\\missing.exe"), ERROR_PATH_NOT_FOUND);
	cannot_start("C:\\Windows\\System32\\ntdll.dll", ERROR_BAD_EXE_FORMAT);
	bad_program("this is no program\r\n", 20, ERROR_BAD_EXE_FORMAT);
	bad_program(big, sizeof(big), ERROR_BAD_EXE_FORMAT);
}

int main(int argc, char **argv)
{
	GetTempPathA(sizeof(temporary), temporary);
	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argc, argv);
	exit_codes();
	inheritance();
	handle_list();
	standard_handles();
	environment();
	suspended();
	priorities();
	failures();
	return checks_end();
}
