/*
 * How random addresses are. The program starts itself many times, and copies of itself with other
 * bits in their headers; each child tells where its things lie, and the spread of each is measured
 * against what Windows 8 and later have: bits that differ between children must be those that are
 * random, and no address may come twice where there are many. aslr.exe           the statistics
 *   aslr.exe off       under --aslr off: everything is the same in every process
 *   aslr.exe print     one line of the layout, for comparisons between runs
 */
#include <string.h>
#include "tests/guest/vm.h"

#define SAMPLES 40u
#define GB2	0x80000000ull
#define LAA	0x0020u /* IMAGE_FILE_LARGE_ADDRESS_AWARE */
#define ENTROPY 0x0020u /* IMAGE_DLLCHARACTERISTICS_HIGH_ENTROPY_VA */
#define DYNAMIC 0x0040u /* ..._DYNAMIC_BASE */

enum thing {
	BOTTOM_UP,
	TOP_DOWN,
	STACK,
	STACK_POINTER,
	HEAP,
	PEB,
	TEB,
	EXE,
	NTDLL,
	THREAD,
	THINGS
};
static const char *const names[] = {"bottom-up", "top-down",	"stack", "stack pointer",
				    "heap",	 "PEB",		"TEB",	 "EXE",
				    "ntdll",	 "thread stack"};

struct layout {
	ULONG64 at[THINGS];
	ULONG64 limit; /* lpMaximumApplicationAddress */
	ULONG errors;
};

static ULONG64 gs(ULONG offset)
{
	ULONG64 v;

	__asm__ volatile("movq %%gs:(%1), %0" : "=r"(v) : "r"((ULONG64)offset));
	return v;
}

static DWORD WINAPI thread_stack(void *out)
{
	*(ULONG64 *)out = gs(8);
	return 0;
}

static void look(struct layout *l)
{
	SYSTEM_INFO si;
	ULONG64 here;
	HANDLE t;

	GetSystemInfo(&si);
	l->limit = (ULONG64)si.lpMaximumApplicationAddress;
	l->at[BOTTOM_UP] = (ULONG64)VirtualAlloc(NULL, PAGE, MEM_RESERVE, PAGE_NOACCESS);
	l->at[TOP_DOWN] =
	    (ULONG64)VirtualAlloc(NULL, PAGE, MEM_RESERVE | MEM_TOP_DOWN, PAGE_NOACCESS);
	l->at[STACK] = gs(8);
	__asm__ volatile("movq %%rsp, %0" : "=r"(here));
	l->at[STACK_POINTER] = gs(8) - here;
	l->at[HEAP] = (ULONG64)GetProcessHeap();
	l->at[PEB] = gs(0x60);
	l->at[TEB] = gs(0x30);
	l->at[EXE] = (ULONG64)GetModuleHandleA(NULL);
	l->at[NTDLL] = (ULONG64)GetModuleHandleA("ntdll.dll");
	t = CreateThread(NULL, 0, thread_stack, &l->at[THREAD], 0, NULL);
	WaitForSingleObject(t, 10000);
	CloseHandle(t);
}

/* A child: its layout goes into the section that it was named. */
static int child(const char *name)
{
	HANDLE section = OpenFileMappingA(FILE_MAP_WRITE, FALSE, name);
	struct layout *l = section ? MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0) : NULL;

	if (!l)
		return 1;
	look(l);
	if (l->limit < GB2) { /* nothing may lie above */
		MEMORY_BASIC_INFORMATION m;
		LONG st;

		l->errors += l->limit != 0x7ffeffff;
		for (int i = 0; i < THINGS; i++)
			l->errors += l->at[i] >= GB2;
		l->errors += (ULONG64)l >= GB2 ||
			     (ULONG64)GetModuleHandleA("kernel32.dll") >= GB2 ||
			     (ULONG64)GetModuleHandleA("msvcrt.dll") >= GB2 ||
			     (ULONG64)malloc(1 << 20) >= GB2;
		allocate_at((void *)GB2, PAGE, MEM_RESERVE, PAGE_NOACCESS, &st);
		l->errors += st != ST_INVALID_PARAMETER_2;
		l->errors += VirtualQuery((void *)0x7fff0000, &m, sizeof(m)) != 0;
	}
	return 0;
}

static const char *self_name(void)
{
	static char name[MAX_PATH];

	GetModuleFileNameA(NULL, name, sizeof(name));
	return name;
}

static void run(const char *exe, struct layout *out)
{
	static const char section_name[] = "Local\\aslr-layout";
	HANDLE section =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGE, section_name);
	struct layout *l = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
	STARTUPINFOA start = {.cb = sizeof(start)};
	PROCESS_INFORMATION made;
	char line[600];
	DWORD code = 99;

	memset(l, 0, sizeof(*l));
	snprintf(line, sizeof(line), "\"%s\" child %s", exe, section_name);
	if (CreateProcessA(exe, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &made)) {
		WaitForSingleObject(made.hProcess, 30000);
		GetExitCodeProcess(made.hProcess, &code);
		CloseHandle(made.hProcess);
		CloseHandle(made.hThread);
	}
	CHECK_EQ(code, 0);
	CHECK_EQ(l->errors, 0);
	*out = *l;
	UnmapViewOfFile(l);
	CloseHandle(section);
}

/* A copy of this program without some bits of its header. */
static const char *copy(const char *name, USHORT characteristics, USHORT dll)
{
	static char path[MAX_PATH];
	char folder[MAX_PATH];
	static char bytes[4 << 20];
	IMAGE_NT_HEADERS *nt;
	HANDLE h;
	DWORD n = 0;

	h = CreateFileA(self_name(), GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING, 0, NULL);
	CHECK(ReadFile(h, bytes, sizeof(bytes), &n, NULL) && n > 1000);
	CloseHandle(h);
	nt = (IMAGE_NT_HEADERS *)(bytes + ((IMAGE_DOS_HEADER *)bytes)->e_lfanew);
	nt->FileHeader.Characteristics &= ~characteristics;
	nt->OptionalHeader.DllCharacteristics &= ~dll;
	GetTempPathA(sizeof(folder), folder);
	snprintf(path, sizeof(path), "%s%s.exe", folder, name);
	h = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_ALWAYS, 0, NULL);
	CHECK(h != INVALID_HANDLE_VALUE && WriteFile(h, bytes, n, &n, NULL));
	CloseHandle(h);
	return path;
}

struct spread {
	ULONG64 varying, lowest, highest; /* bits that differ between samples */
	ULONG distinct;
};

static struct spread measure(const struct layout *l, ULONG n, enum thing t)
{
	struct spread s = {0, ~0ull, 0, 0};

	for (ULONG i = 0; i < n; i++) {
		ULONG64 a = l[i].at[t];
		ULONG j = 0;

		s.varying |= a ^ l[0].at[t];
		s.lowest = a < s.lowest ? a : s.lowest;
		s.highest = a > s.highest ? a : s.highest;
		while (j < i && l[j].at[t] != a)
			j++;
		s.distinct += j == i;
	}
	return s;
}

static ULONG64 bits(ULONG low, ULONG count)
{
	return ((1ull << count) - 1) << low;
}

static void tell(const char *who, enum thing t, const struct spread *s)
{
	printf("%-12s %-13s %2u different of %u, bits %012llx, %012llx to %012llx\n", who, names[t],
	       (unsigned)s->distinct, SAMPLES, s->varying, s->lowest, s->highest);
}

/* All of `random` must have been seen at both values; at least `distinct` addresses. */
static void expect(const char *who, const struct layout *l, enum thing t, ULONG64 random,
		   ULONG distinct)
{
	struct spread s = measure(l, SAMPLES, t);

	tell(who, t, &s);
	CHECK_EQ(s.varying & random, random);
	CHECK(s.distinct >= distinct);
}

static void sample(const char *exe, struct layout *l)
{
	for (ULONG i = 0; i < SAMPLES; i++)
		run(exe, &l[i]);
}

static void statistics(void)
{
	static struct layout l[SAMPLES];

	sample(self_name(), l);
	expect("default", l, BOTTOM_UP, bits(16, 23), SAMPLES - 1);
	expect("default", l, STACK, bits(16, 23), SAMPLES - 1);
	expect("default", l, THREAD, bits(16, 23), SAMPLES - 1);
	expect("default", l, STACK_POINTER, bits(4, 6), SAMPLES / 3);
	expect("default", l, HEAP, bits(16, 23), SAMPLES - 1);
	expect("default", l, PEB, bits(16, 23), SAMPLES - 1);
	expect("default", l, TEB, bits(16, 23), SAMPLES - 1);
	expect("default", l, TOP_DOWN, bits(16, 16), SAMPLES - 2);
	/* images: one base a boot, so that their pages are shared */
	CHECK_EQ(measure(l, SAMPLES, EXE).distinct, 1);
	CHECK_EQ(measure(l, SAMPLES, NTDLL).distinct, 1);
	CHECK(l[0].at[EXE] >> 33 == 0x7ff600000000ull >> 33);
	CHECK(l[0].at[NTDLL] >> 35 == 0x7ff800000000ull >> 35);

	/* each file is an image of its own */
	for (ULONG i = 0; i < SAMPLES; i++) {
		char name[20];
		const char *path;

		snprintf(name, sizeof(name), "aslr-%u", (unsigned)i);
		path = copy(name, 0, 0);
		run(path, &l[i]);
		DeleteFileA(path);
	}
	expect("files", l, EXE, bits(16, 16), SAMPLES - 2);

	sample(copy("aslr-low", 0, ENTROPY), l); /* 8 bits */
	expect("no entropy", l, BOTTOM_UP, bits(16, 7), SAMPLES / 2);
	CHECK(measure(l, SAMPLES, BOTTOM_UP).highest < 0x10000000ull);
	expect("no entropy", l, STACK, bits(16, 7), SAMPLES / 2);

	sample(copy("aslr-fixed", 0, DYNAMIC), l); /* did not ask for it */
	CHECK_EQ(measure(l, SAMPLES, BOTTOM_UP).distinct, 1);
	CHECK_EQ(measure(l, SAMPLES, EXE).distinct, 1);
	CHECK_EQ(l[0].at[EXE], 0x140000000ull); /* where it was linked to */

	sample(copy("aslr-2gb", LAA, 0), l); /* below 2 GB, child() checks */
	expect("2 GB", l, BOTTOM_UP, bits(16, 7), SAMPLES / 2);
	CHECK_EQ(l[0].limit, 0x7ffeffff);
}

static void all_the_same(void)
{
	static struct layout l[SAMPLES];

	for (ULONG i = 0; i < 4; i++)
		run(self_name(), &l[i]);
	for (int t = 0; t < THINGS; t++)
		CHECK_EQ(measure(l, 4, t).distinct, 1);
	CHECK_EQ(l[0].at[EXE], 0x140000000ull);
}

int main(int argc, char **argv)
{
	if (argc > 2 && !strcmp(argv[1], "child"))
		return child(argv[2]);
	if (argc > 1 && !strcmp(argv[1], "print")) {
		struct layout l = {0};

		look(&l);
		for (int t = 0; t < THINGS; t++)
			printf("%llx ", l.at[t]);
		printf("\n");
		return 0;
	}
	if (argc > 1)
		all_the_same();
	else
		statistics();
	return checks_end();
}
