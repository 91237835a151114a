/*
 * Jobs: who is in them, limits of memory (of a process, of the job), of processes and of time, what
 * happens when the last handle is closed, nested jobs, breaking away, accounting; bad arguments.
 */
#include "tests/guest/proc.h"

#define MB 0x100000u

/* ---- the child's side ---- */

/* Commits 1 MB after the other; the exit code is how many there were. */
static int child_commit(const char *argument)
{
	DWORD wanted = strtoul(argument, NULL, 10), n = 0;

	while (n < wanted && VirtualAlloc(NULL, MB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE))
		n++;
	return n < wanted && GetLastError() != ERROR_COMMITMENT_LIMIT ? 255 : (int)n;
}

/* Commits some, says so, and waits to be ended. */
static int child_hold(const char *argument)
{
	HANDLE ready = handle_of(argument);

	if (!VirtualAlloc(NULL, 4 * MB, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE))
		return 2;
	SetEvent(ready);
	Sleep(60000);
	return 3;
}

static int child_in_job(void)
{
	BOOL in = FALSE;

	return IsProcessInJob(GetCurrentProcess(), NULL, &in) ? in : 2;
}

static int child_spin(void)
{
	DWORD64 end = GetTickCount64() + 60000;

	while (GetTickCount64() < end)
		;
	return 3;
}

static int child(int argc, char **argv)
{
	const char *role = argv[2], *argument = argc > 3 ? argv[3] : "";

	if (!strcmp(role, "commit"))
		return child_commit(argument);
	if (!strcmp(role, "hold"))
		return child_hold(argument);
	if (!strcmp(role, "injob"))
		return child_in_job();
	if (!strcmp(role, "spin"))
		return child_spin();
	if (!strcmp(role, "parent")) /* a process of its own: is it in the job as well? */
		return (int)run_child("injob", NULL, FALSE);
	return 99;
}

/* ---- the parent's ---- */

static BOOL start_in(HANDLE job, const char *role, const char *argument, PROCESS_INFORMATION *pi)
{
	if (!spawn(role, argument, TRUE, CREATE_SUSPENDED, NULL, pi))
		return FALSE;
	if (!AssignProcessToJobObject(job, pi->hProcess))
		return FALSE;
	return ResumeThread(pi->hThread) == 1;
}

static BOOL limit(HANDLE job, DWORD flags, SIZE_T process, SIZE_T whole)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION l = {0};

	l.BasicLimitInformation.LimitFlags = flags;
	l.ProcessMemoryLimit = process;
	l.JobMemoryLimit = whole;
	return SetInformationJobObject(job, JobObjectExtendedLimitInformation, &l, sizeof(l));
}

static JOBOBJECT_EXTENDED_LIMIT_INFORMATION limits_of(HANDLE job)
{
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION l = {0};

	CHECK(
	    QueryInformationJobObject(job, JobObjectExtendedLimitInformation, &l, sizeof(l), NULL));
	return l;
}

static JOBOBJECT_BASIC_ACCOUNTING_INFORMATION accounts_of(HANDLE job)
{
	JOBOBJECT_BASIC_ACCOUNTING_INFORMATION a = {0};

	CHECK(QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &a, sizeof(a),
					NULL));
	return a;
}

static void membership(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL), other = CreateJobObjectA(NULL, NULL);
	JOBOBJECT_BASIC_PROCESS_ID_LIST list[4];
	PROCESS_INFORMATION pi;
	BOOL in = TRUE;

	CHECK(job && other);
	CHECK(spawn("injob", NULL, FALSE, CREATE_SUSPENDED, NULL, &pi));
	CHECK(IsProcessInJob(pi.hProcess, job, &in));
	CHECK(!in);
	CHECK(AssignProcessToJobObject(job, pi.hProcess));
	CHECK(IsProcessInJob(pi.hProcess, job, &in));
	CHECK(in);
	CHECK(IsProcessInJob(pi.hProcess, other, &in));
	CHECK(!in);
	CHECK(
	    QueryInformationJobObject(job, JobObjectBasicProcessIdList, list, sizeof(list), NULL));
	CHECK_EQ(list->NumberOfAssignedProcesses, 1);
	CHECK_EQ(list->NumberOfProcessIdsInList, 1);
	CHECK_EQ(list->ProcessIdList[0], pi.dwProcessId);
	ResumeThread(pi.hThread);
	CHECK_EQ(finish(&pi), 1);
	CHECK_EQ(run_child("injob", NULL, FALSE), 0);
	CHECK(start_in(job, "parent", NULL, &pi)); /* children are in it, too */
	CHECK_EQ(finish(&pi), 1);
	CHECK_EQ(accounts_of(job).TotalProcesses, 3);
	CHECK_EQ(accounts_of(job).ActiveProcesses, 0);
	CloseHandle(job);
	CloseHandle(other);
}

static void process_memory(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL);
	PROCESS_INFORMATION pi;
	DWORD n;

	CHECK_EQ(run_child("commit", "24", FALSE), 24);
	CHECK(limit(job, JOB_OBJECT_LIMIT_PROCESS_MEMORY, 16 * MB, 0));
	CHECK(start_in(job, "commit", "24", &pi));
	n = finish(&pi);
	CHECK(n >= 8 && n < 16);
	CHECK(limits_of(job).PeakProcessMemoryUsed <= 16 * MB);
	CHECK(limits_of(job).PeakProcessMemoryUsed > 15 * MB);
	CHECK_EQ(limits_of(job).ProcessMemoryLimit, 16 * MB);
	CHECK(limit(job, 0, 0, 0)); /* and without it again */
	CHECK(start_in(job, "commit", "24", &pi));
	CHECK_EQ(finish(&pi), 24);
	CloseHandle(job);
}

static void job_memory(void)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};
	HANDLE job = CreateJobObjectA(NULL, NULL),
	       ready = CreateEventA(&inherit, FALSE, FALSE, NULL);
	PROCESS_INFORMATION first, second;
	char text[32];
	DWORD alone, beside;

	CHECK(limit(job, JOB_OBJECT_LIMIT_JOB_MEMORY, 0, 16 * MB));
	CHECK(start_in(job, "commit", "24", &second));
	alone = finish(&second);
	CHECK(alone >= 8 && alone < 16);
	snprintf(text, sizeof(text), "%p", ready);
	CHECK(start_in(job, "hold", text, &first));
	CHECK_EQ(WaitForSingleObject(ready, 30000), WAIT_OBJECT_0);
	CHECK(start_in(job, "commit", "24", &second));
	beside = finish(&second);
	CHECK(beside + 4 <= alone); /* what the other has is missing here */
	CHECK(limits_of(job).PeakJobMemoryUsed <= 16 * MB);
	CHECK(limits_of(job).PeakJobMemoryUsed > 15 * MB);
	CHECK(TerminateJobObject(job, 77));
	CHECK_EQ(finish(&first), 77);
	CHECK_EQ(accounts_of(job).ActiveProcesses, 0);
	CloseHandle(job);
	CloseHandle(ready);
}

static void active_processes(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL);
	JOBOBJECT_BASIC_LIMIT_INFORMATION l = {.LimitFlags = JOB_OBJECT_LIMIT_ACTIVE_PROCESS,
					       .ActiveProcessLimit = 1};
	PROCESS_INFORMATION one, two;

	CHECK(SetInformationJobObject(job, JobObjectBasicLimitInformation, &l, sizeof(l)));
	CHECK(spawn("injob", NULL, FALSE, CREATE_SUSPENDED, NULL, &one));
	CHECK(spawn("injob", NULL, FALSE, CREATE_SUSPENDED, NULL, &two));
	CHECK(AssignProcessToJobObject(job, one.hProcess));
	CHECK(!AssignProcessToJobObject(job, two.hProcess));
	CHECK_EQ(GetLastError(), ERROR_NOT_ENOUGH_QUOTA);
	CHECK_EQ(WaitForSingleObject(two.hProcess, 30000), WAIT_OBJECT_0); /* it had to go */
	finish(&two);
	ResumeThread(one.hThread);
	CHECK_EQ(finish(&one), 1);
	CHECK(start_in(job, "parent", NULL, &one)); /* whose child is one too many */
	CHECK_EQ(finish(&one), (0xbad0000 | ERROR_NOT_ENOUGH_QUOTA));
	CloseHandle(job);
}

static void kill_on_close(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL), again;
	PROCESS_INFORMATION pi;

	CHECK(limit(job, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE, 0, 0));
	CHECK(start_in(job, "spin", NULL, &pi));
	CHECK(DuplicateHandle(GetCurrentProcess(), job, GetCurrentProcess(), &again, 0, FALSE,
			      DUPLICATE_SAME_ACCESS));
	CloseHandle(job);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 100), WAIT_TIMEOUT);
	CloseHandle(again);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 30000), WAIT_OBJECT_0);
	finish(&pi);
}

static void time_limit(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL);
	JOBOBJECT_BASIC_LIMIT_INFORMATION l = {.LimitFlags = JOB_OBJECT_LIMIT_JOB_TIME};
	PROCESS_INFORMATION pi;

	l.PerJobUserTimeLimit.QuadPart = 5000000; /* half a second */
	CHECK(SetInformationJobObject(job, JobObjectBasicLimitInformation, &l, sizeof(l)));
	CHECK(start_in(job, "spin", NULL, &pi));
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 20000), WAIT_OBJECT_0);
	CHECK_EQ(finish(&pi), ERROR_NOT_ENOUGH_QUOTA);
	CHECK_EQ(WaitForSingleObject(job, 5000), WAIT_OBJECT_0);
	CHECK(accounts_of(job).TotalUserTime.QuadPart >= 4000000);
	CHECK_EQ(accounts_of(job).TotalTerminatedProcesses, 1);
	CloseHandle(job);
}

static void nested(void)
{
	HANDLE outer = CreateJobObjectA(NULL, NULL), inner = CreateJobObjectA(NULL, NULL);
	PROCESS_INFORMATION pi;
	BOOL in = FALSE;
	DWORD n;

	CHECK(limit(outer, JOB_OBJECT_LIMIT_PROCESS_MEMORY, 12 * MB, 0));
	CHECK(limit(inner, JOB_OBJECT_LIMIT_PROCESS_MEMORY, 20 * MB, 0));
	CHECK(spawn("commit", "32", FALSE, CREATE_SUSPENDED, NULL, &pi));
	CHECK(AssignProcessToJobObject(outer, pi.hProcess));
	CHECK(AssignProcessToJobObject(inner, pi.hProcess));
	CHECK(IsProcessInJob(pi.hProcess, outer, &in) && in);
	CHECK(IsProcessInJob(pi.hProcess, inner, &in) && in);
	CHECK_EQ(accounts_of(outer).ActiveProcesses, 1);
	CHECK_EQ(accounts_of(inner).ActiveProcesses, 1);
	ResumeThread(pi.hThread);
	n = finish(&pi);
	CHECK(n >= 6 && n < 12); /* the stricter one counts */
	CHECK_EQ(accounts_of(outer).ActiveProcesses, 0);
	CloseHandle(inner);
	CloseHandle(outer);
}

static void breakaway(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL);
	PROCESS_INFORMATION pi;

	/* this process itself, from here on */
	CHECK(AssignProcessToJobObject(job, GetCurrentProcess()));
	CHECK_EQ(run_child("injob", NULL, FALSE), 1);
	CHECK(!spawn("injob", NULL, FALSE, CREATE_BREAKAWAY_FROM_JOB, NULL, &pi));
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK(limit(job, JOB_OBJECT_LIMIT_BREAKAWAY_OK, 0, 0));
	CHECK(spawn("injob", NULL, FALSE, CREATE_BREAKAWAY_FROM_JOB, NULL, &pi));
	CHECK_EQ(finish(&pi), 0);
	CHECK_EQ(run_child("injob", NULL, FALSE), 1);
	CHECK(limit(job, JOB_OBJECT_LIMIT_SILENT_BREAKAWAY_OK, 0, 0));
	CHECK_EQ(run_child("injob", NULL, FALSE), 0);
	CloseHandle(job);
}

static void bad_arguments(void)
{
	HANDLE job = CreateJobObjectA(NULL, NULL), twin;
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION l = {0};
	JOBOBJECT_BASIC_ACCOUNTING_INFORMATION a;

	CHECK(!limit(job, 0x80000000, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!limit(job, JOB_OBJECT_LIMIT_JOB_TIME | JOB_OBJECT_LIMIT_PRESERVE_JOB_TIME, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!limit(job, JOB_OBJECT_LIMIT_WORKINGSET, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!limit(job, JOB_OBJECT_LIMIT_PROCESS_MEMORY, 0, 0));
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!SetInformationJobObject(job, JobObjectExtendedLimitInformation, &l, sizeof(l) - 1));
	CHECK_EQ(GetLastError(), ERROR_BAD_LENGTH);
	CHECK(!QueryInformationJobObject(job, JobObjectBasicAccountingInformation, &a,
					 sizeof(a) - 1, NULL));
	CHECK_EQ(GetLastError(), ERROR_BAD_LENGTH);
	CHECK(!AssignProcessToJobObject((HANDLE)(uintptr_t)0x7ffc, GetCurrentProcess()));
	CHECK_EQ(GetLastError(), ERROR_INVALID_HANDLE);
	CHECK(!AssignProcessToJobObject(GetCurrentProcess(), GetCurrentProcess()));
	CloseHandle(job);

	job = CreateJobObjectA(NULL, "ntmm-job");
	twin = CreateJobObjectA(NULL, "ntmm-job");
	CHECK(job && twin);
	CHECK_EQ(GetLastError(), ERROR_ALREADY_EXISTS);
	CHECK(limit(job, JOB_OBJECT_LIMIT_PROCESS_MEMORY, 8 * MB, 0));
	CHECK_EQ(limits_of(twin).ProcessMemoryLimit, 8 * MB);
	CloseHandle(job);
	CloseHandle(twin);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argc, argv);
	membership();
	process_memory();
	job_memory();
	active_processes();
	kill_on_close();
	time_limit();
	nested();
	bad_arguments();
	breakaway(); /* the last: this process stays in its job */
	return checks_end();
}
