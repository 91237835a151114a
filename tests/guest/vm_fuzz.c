/*
 * Random calls of the memory API, by threads that each own a window of the address space and a
 * shadow model of it (fuzz/model.h). After every step VirtualQuery and contents are compared with
 * the model around what was done and elsewhere, and all of the window now and then; any difference
 * ends the program with a report that names seed, step and call, and 1.
 *   vm_fuzz.exe [SEED [CALLS [THREADS]]]
 * CALLS counts those of all threads together.
 */
#include "tests/guest/fuzz/more_ops.h"

#define MAX_THREADS 8u
#define WINDOWS	    0x200000000000ull /* far from where the system allocates by itself */
#define WINDOW_STEP 0x10000000ull
#define FULL_LOOK   1024u /* steps between looks at the whole window */

static volatile LONG stop;

static void print_info(const char *who, const MEMORY_BASIC_INFORMATION *m)
{
	printf(
	    "  %s: base %p size 0x%llx allocation %p 0x%lx state 0x%lx protect 0x%lx type 0x%lx\n",
	    who, m->BaseAddress, (unsigned long long)m->RegionSize, m->AllocationBase,
	    m->AllocationProtect, m->State, m->Protect, m->Type);
}

static void report(const struct fuzzer *f, const char *what)
{
	const struct step *s = &f->step;

	if (InterlockedExchange(&stop, 1))
		return;
	printf("fuzz: seed %llu thread %lu step %llu: %s\n"
	       "  %s(0x%llx, 0x%llx, type 0x%lx, protect 0x%lx): 0x%lx, expected 0x%lx\n",
	       f->seed, f->thread, f->done, what, s->call, s->base, s->size, s->type, s->protect,
	       s->got, s->want);
}

static BOOL same_info(const MEMORY_BASIC_INFORMATION *a, const MEMORY_BASIC_INFORMATION *b)
{
	return a->BaseAddress == b->BaseAddress && a->AllocationBase == b->AllocationBase &&
	       a->AllocationProtect == b->AllocationProtect && a->RegionSize == b->RegionSize &&
	       a->State == b->State && a->Protect == b->Protect && a->Type == b->Type;
}

/* TRUE: the system's view of page i is the model's. *pages: how far its run goes. */
static BOOL check_query(struct fuzzer *f, ULONG i, ULONG *pages)
{
	MEMORY_BASIC_INFORMATION got, want;

	memset(&got, 0, sizeof(got));
	want = expected(f, i);
	if (NtQueryVirtualMemory(SELF, (char *)page_va(f, i) + below(f, PAGE), 0, &got, sizeof(got),
				 NULL) ||
	    !same_info(&got, &want)) {
		report(f, "VirtualQuery differs");
		print_info("system", &got);
		print_info("model ", &want);
		return FALSE;
	}
	*pages = (ULONG)(want.RegionSize / PAGE);
	return TRUE;
}

/* Contents of page i, if it can be read without a change. */
static BOOL check_content(struct fuzzer *f, ULONG i)
{
	const struct page *p = &f->page[i];
	ULONG64 words[WORDS_CHECKED];
	LONG got;

	if (p->state != P_COMMITTED || p->offered || p->protect & (PAGE_GUARD | PAGE_NOACCESS))
		return TRUE;
	got = touch(f, i, FALSE, words);
	if (!got && words_agree(f, i, words))
		return TRUE;
	report(f, "contents differ");
	printf("  page %p, protect 0x%x: 0x%lx\n", (void *)page_va(f, i), p->protect, got);
	for (ULONG k = 0; k < WORDS_CHECKED && !got; k++)
		printf("  %016llx, expected %016llx%s\n", words[k], pattern(content_of(f, i), k),
		       content_of(f, i)->doubtful ? " or 0" : "");
	return FALSE;
}

static BOOL check_window(struct fuzzer *f)
{
	ULONG pages;

	for (ULONG i = 0; i < WINDOW_PAGES; i += pages)
		if (!check_query(f, i, &pages))
			return FALSE;
	for (ULONG i = 0; i < WINDOW_PAGES; i++)
		if (!check_content(f, i))
			return FALSE;
	return TRUE;
}

static BOOL check_around(struct fuzzer *f)
{
	ULONG64 offset = f->step.base - f->base;
	ULONG first = offset < WINDOW_BYTES ? (ULONG)(offset / PAGE) : 0, pages;
	ULONG end = first + (ULONG)(f->step.size / PAGE) + 1;
	const ULONG look[] = {first ? first - 1 : 0, first, end - 1, end, below(f, WINDOW_PAGES)};

	for (ULONG i = 0; i < ARRAY_COUNT(look); i++)
		if (look[i] < WINDOW_PAGES &&
		    (!check_query(f, look[i], &pages) || !check_content(f, look[i])))
			return FALSE;
	return TRUE;
}

static void one_step(struct fuzzer *f, struct shadow_section *sections)
{
	static const struct {
		void (*work)(struct fuzzer *);
		ULONG weight;
	} ops[] = {
	    {op_allocate, 26},	     {op_touch, 22},	  {op_free, 13}, {op_protect, 12},
	    {op_allocate_within, 3}, {op_placeholder, 5}, {op_copy, 3},	 {op_lock, 3},
	    {op_watch, 4},	     {op_reset, 2},	  {op_offer, 3}, {op_trim, 1},
	    {op_unmap, 1},
	};
	ULONG n = below(f, 100);

	f->step = (struct step){.call = "nothing", .base = f->base};
	for (ULONG i = 0; i < ARRAY_COUNT(ops); i++) {
		if (n < ops[i].weight) {
			ops[i].work(f);
			return;
		}
		n -= ops[i].weight;
	}
	op_map(f, &sections[below(f, SECTIONS)]);
}

static BOOL make_sections(struct shadow_section *s)
{
	for (ULONG i = 0; i < SECTIONS; i++) {
		LARGE_INTEGER size = {.QuadPart = SECTION_PAGES * PAGE};

		s[i].pages = SECTION_PAGES;
		s[i].protect = i & 1 ? PAGE_EXECUTE_READWRITE : PAGE_READWRITE;
		s[i].reserved = i >= SECTIONS / 2;
		for (ULONG k = 0; k < SECTION_PAGES; k++)
			s[i].committed[k] = !s[i].reserved;
		if (NtCreateSection(&s[i].handle, SECTION_ALL_ACCESS, NULL, &size, s[i].protect,
				    s[i].reserved ? SEC_RESERVE : SEC_COMMIT, NULL))
			return FALSE;
	}
	return TRUE;
}

static DWORD WINAPI fuzz_thread(void *context)
{
	struct fuzzer *f = context;
	struct shadow_section *sections = calloc(SECTIONS, sizeof(*sections));

	set_current_fuzzer(f);
	f->random = (f->seed + 1) * 0x9e3779b97f4a7c15ull + f->thread * 0xd1342543de82ef95ull;
	if (!sections || !make_sections(sections)) {
		report(f, "no sections");
		return 1;
	}
	for (f->done = 0; f->done < f->steps && !stop; f->done++) {
		one_step(f, sections);
		if (f->failed)
			report(f, "the call");
		if (f->failed || !check_around(f) ||
		    (f->done % FULL_LOOK == FULL_LOOK - 1 && !check_window(f)))
			break;
	}
	return f->done != f->steps || !check_window(f);
}

/* The window and a sentinel on either side of it. */
static BOOL make_window(struct fuzzer *f)
{
	return allocate_at((void *)(f->base - GRANULE), GRANULE, MEM_RESERVE, PAGE_NOACCESS,
			   NULL) &&
	       allocate_at((void *)(f->base + WINDOW_BYTES), GRANULE, MEM_RESERVE, PAGE_NOACCESS,
			   NULL);
}

/* Memory that makes the rest short: three quarters of RAM, gone over again and again while the
 * threads work, and checked. */
struct ballast {
	ULONG64 *words;
	ULONG64 pages, next, wrong;
};

static void lay_ballast(struct ballast *b)
{
	MEMORYSTATUSEX m = {.dwLength = sizeof(m)};

	GlobalMemoryStatusEx(&m);
	b->pages = m.ullTotalPhys / 4 * 3 / PAGE;
	b->words = (ULONG64 *)allocate(b->pages * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	for (ULONG64 i = 0; b->words && i < b->pages; i++)
		b->words[i * (PAGE / 8)] = ~i;
}

static void go_over(struct ballast *b)
{
	for (ULONG i = 0; i < 256 && b->words; i++) {
		ULONG64 n = b->next++ % b->pages;

		b->wrong += b->words[n * (PAGE / 8)] != ~n;
		if (n & 1)
			b->words[n * (PAGE / 8)] = ~n; /* half of it is dirty again */
	}
}

int main(int argc, char **argv)
{
	ULONG64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	ULONG64 calls = argc > 2 ? strtoull(argv[2], NULL, 0) : 100000;
	ULONG threads = argc > 3 ? (ULONG)atoi(argv[3]) : 4;
	HANDLE thread[MAX_THREADS];
	struct ballast ballast = {0};
	ULONG64 done = 0;

	threads = threads < 1 ? 1 : threads > MAX_THREADS ? MAX_THREADS : threads;
	AddVectoredExceptionHandler(1, fuzz_handler);
	CHECK(SetProcessWorkingSetSize(SELF, 8 << 20, 32 << 20)); /* room to lock */
	for (ULONG i = 0; i < threads; i++) {
		struct fuzzer *f = calloc(1, sizeof(*f));

		if (!f)
			return 2;
		f->base = WINDOWS + i * WINDOW_STEP;
		f->seed = seed;
		f->thread = i;
		f->steps = calls / threads;
		CHECK(make_window(f));
		thread[i] = CreateThread(NULL, 0, fuzz_thread, f, 0, NULL);
		CHECK(thread[i]);
	}
	lay_ballast(&ballast);
	while (WaitForMultipleObjects(threads, thread, TRUE, 30) == WAIT_TIMEOUT)
		go_over(&ballast);
	CHECK_EQ(ballast.wrong, 0);
	for (ULONG i = 0; i < threads; i++) {
		DWORD code = 1;

		GetExitCodeThread(thread[i], &code);
		CHECK_EQ(code, 0);
		done += calls / threads;
	}
	printf("seed %llu, %llu steps by %lu threads\n", seed, done, threads);
	return checks_end();
}
