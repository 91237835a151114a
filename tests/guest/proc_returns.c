/*
 * What processes took comes back: frames, commit, kernel pool, after children that ended by
 * themselves, by an exception, by TerminateProcess and by a job, with memory, views and copies of
 * every kind.
 */
#include "guest/abi/counters.h"
#include "tests/guest/sect.h"

#define DEBUG_COUNTERS 0x1001

static int child(const char *how)
{
	HANDLE h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 64 * PAGE,
				      "ntmm returns");
	volatile char *v = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0),
		      *w = MapViewOfFile(h, FILE_MAP_COPY, 0, 0, 0);
	volatile char *p = VirtualAlloc(NULL, 300 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	HANDLE r = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE | SEC_RESERVE, 0,
				      64 * PAGE, NULL);
	volatile char *x = MapViewOfFile(r, FILE_MAP_WRITE, 0, 0, 0);
	HANDLE f = temp_file(NULL, DELETE, 8 * PAGE),
	       fm = CreateFileMappingA(f, NULL, PAGE_READWRITE, 0, 0, NULL);
	volatile char *y = MapViewOfFile(fm, FILE_MAP_WRITE, 0, 0, 0);

	VirtualAlloc((void *)x, 20 * PAGE, MEM_COMMIT, PAGE_READWRITE);
	for (int i = 0; i < 300; i++)
		p[i * (int)PAGE] = 1;
	for (int i = 0; i < 64; i += 2)
		v[i * (int)PAGE] = w[(i + 1) * (int)PAGE] = 2;
	for (int i = 0; i < 8; i++)
		x[i * (int)PAGE] = y[i * (int)PAGE] = 3;
	for (int i = 0; i < 3; i++)
		CreateThread(NULL, 0, (LPTHREAD_START_ROUTINE)(void *)Sleep, (void *)60000, 0,
			     NULL);
	if (!strcmp(how, "crash"))
		RaiseException(0xe0000001, 0, 0, NULL);
	if (!strcmp(how, "wait"))
		Sleep(60000);
	return 5;
}

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c;
	ULONG n;
	CHECK_EQ(NtSystemDebugControl(DEBUG_COUNTERS, NULL, 0, &c, sizeof(c), &n), 0);
	return c;
}

static void run(const char *how)
{
	STARTUPINFOA si = {.cb = sizeof(si)};
	PROCESS_INFORMATION pi;
	char path[MAX_PATH], text[100];
	JOBOBJECT_EXTENDED_LIMIT_INFORMATION limit = {0};
	HANDLE job = CreateJobObjectA(NULL, NULL);
	BOOL by_job = !strcmp(how, "job"), terminate = !strcmp(how, "terminate");

	limit.BasicLimitInformation.LimitFlags =
	    JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE | JOB_OBJECT_LIMIT_JOB_MEMORY;
	limit.JobMemoryLimit = 16 << 20;
	CHECK(
	    SetInformationJobObject(job, JobObjectExtendedLimitInformation, &limit, sizeof(limit)));
	GetModuleFileNameA(NULL, path, sizeof(path));
	snprintf(text, sizeof(text), "proc_returns %s", by_job || terminate ? "wait" : how);
	CHECK(
	    CreateProcessA(path, text, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &si, &pi));
	CHECK(AssignProcessToJobObject(job, pi.hProcess));
	ResumeThread(pi.hThread);
	if (by_job || terminate)
		Sleep(60);
	if (terminate)
		TerminateProcess(pi.hProcess, 1);
	if (by_job)
		CloseHandle(job);
	CHECK_EQ(WaitForSingleObject(pi.hProcess, 60000), WAIT_OBJECT_0);
	CloseHandle(pi.hThread);
	CloseHandle(pi.hProcess);
	if (!by_job)
		CloseHandle(job);
}

static uint64_t frames_left(const struct ntmm_counters *c)
{
	return c->list_zeroed + c->list_free + c->list_standby + c->list_modified;
}

int main(int argc, char **argv)
{
	static const char *const how[] = {"end", "crash", "terminate", "job"};
	struct ntmm_counters before, after;

	if (argc > 1)
		return child(argv[1]);
	for (int i = 0; i < 4; i++) /* caches fill */
		run(how[i]);
	Sleep(100);
	before = counters();
	for (int i = 0; i < 12; i++)
		run(how[i % 4]);
	for (int i = 0; i < 50; i++) { /* the last references may go a little later */
		Sleep(20);
		after = counters();
		if (after.commit_total == before.commit_total)
			break;
	}
	CHECK_EQ(after.commit_total, before.commit_total);
	CHECK(after.pool_bytes <= before.pool_bytes + 0x2000);
	CHECK(frames_left(&after) + 16 >= frames_left(&before));
	printf("commit %llu, pool %llu then %llu, frames left %llu then %llu\n",
	       (unsigned long long)after.commit_total, (unsigned long long)before.pool_bytes,
	       (unsigned long long)after.pool_bytes, (unsigned long long)frames_left(&before),
	       (unsigned long long)frames_left(&after));
	CHECK_EQ(pfncheck_errors(), 0);
	return checks_end();
}
