/*
 * Two processes, two threads each, share one pagefile section and a book about it: for each page a
 * lock, the tag of what it holds now and how often it was written. Each thread maps views of pieces
 * of it with random protections, writes and reads through them, copies on write, changes
 * protections, resets, trims, flushes and unmaps. What one process wrote the other must read; what
 * a copy-on-write view wrote must never be seen by anybody else, nor change when the shared page
 * does. vm_fuzz_shared.exe [SEED [STEPS a thread]]
 */
#include <string.h>
#include "tests/guest/fuzz/section.h"

#define PAGES	512u /* of the section: 2 MB */
#define VIEWS	8u   /* a thread may have at a time */
#define WORDS	(PAGE / 8)
#define THREADS 2u

struct entry {
	volatile LONG lock;
	ULONG tag;
};
struct book {
	struct entry page[PAGES];
	volatile LONG stop;
	volatile LONG writes, reads, copies;
};
struct view {
	volatile ULONG64 *base;
	ULONG first, pages, protect;
	ULONG copy[PAGES]; /* tag of the private copy; 0: none */
};
struct worker {
	ULONG64 random;
	ULONG id, steps;
	struct view view[VIEWS];
};

static HANDLE section;
static struct book *book;

static ULONG pick(struct worker *w, ULONG n)
{
	w->random ^= w->random << 13;
	w->random ^= w->random >> 7;
	w->random ^= w->random << 17;
	return (ULONG)((w->random >> 20) % n);
}

static ULONG64 word(ULONG tag, ULONG page, ULONG i)
{
	return tag ? ((ULONG64)tag << 32 | page << 12 | i) * 0x9e3779b97f4a7c15ull : 0;
}

static void lock(ULONG page)
{
	while (InterlockedExchange(&book->page[page].lock, 1))
		SwitchToThread();
}

static void unlock(ULONG page)
{
	InterlockedExchange(&book->page[page].lock, 0);
}

static BOOL wrong(struct worker *w, const char *what, struct view *v, ULONG i, ULONG64 got,
		  ULONG64 want)
{
	printf("process %lu worker %lu: %s, page %lu through view %p of protection 0x%lx: %016llx, "
	       "not %016llx\n",
	       GetCurrentProcessId(), w->id, what, v->first + i, (void *)v->base, v->protect, got,
	       want);
	InterlockedExchange(&book->stop, 1);
	return FALSE;
}

/* => the page's lock, if it is not a copy */
static BOOL check_page(struct worker *w, struct view *v, ULONG i)
{
	ULONG page = v->first + i, tag = v->copy[i] ? v->copy[i] : book->page[page].tag;
	volatile ULONG64 *p = v->base + (ULONG64)i * WORDS;

	for (ULONG k = pick(w, 8); k < WORDS; k += 37)
		if (p[k] != word(tag, page, k))
			return wrong(w, v->copy[i] ? "a private copy" : "the shared page", v, i,
				     p[k], word(tag, page, k));
	InterlockedIncrement(&book->reads);
	return TRUE;
}

static void fill_page(struct view *v, ULONG i, ULONG tag)
{
	volatile ULONG64 *p = v->base + (ULONG64)i * WORDS;

	for (ULONG k = 0; k < WORDS; k++)
		p[k] = word(tag, v->first + i, k);
}

static BOOL use_page(struct worker *w, struct view *v)
{
	ULONG i = pick(w, v->pages), page = v->first + i, tag = (ULONG)w->random | 1;
	BOOL write = pick(w, 2) && v->protect != PAGE_READONLY, ok = TRUE;

	if (v->copy[i]) { /* nobody else's business */
		ok = check_page(w, v, i);
		if (ok && write)
			fill_page(v, i, v->copy[i] = tag);
		return ok;
	}
	lock(page);
	ok = check_page(w, v, i);
	if (ok && write) {
		if (v->protect == PAGE_WRITECOPY) {
			v->copy[i] = tag;
			InterlockedIncrement(&book->copies);
		} else {
			book->page[page].tag = tag;
			InterlockedIncrement(&book->writes);
		}
		fill_page(v, i, tag);
	}
	unlock(page);
	return ok;
}

static BOOL map(struct worker *w, struct view *v)
{
	static const ULONG protects[] = {PAGE_READWRITE, PAGE_READWRITE, PAGE_READONLY,
					 PAGE_WRITECOPY};
	LARGE_INTEGER offset;
	void *base = NULL;
	SIZE_T size;
	LONG st;

	memset(v, 0, sizeof(*v));
	v->first = pick(w, PAGES) & ~15u;
	v->pages = 1 + pick(w, PAGES - v->first);
	v->protect = protects[pick(w, 4)];
	offset.QuadPart = (LONGLONG)v->first * PAGE;
	size = (SIZE_T)v->pages * PAGE;
	st = NtMapViewOfSection(section, SELF, &base, 0, 0, &offset, &size, 2, 0, v->protect);
	if (st == ST_COMMITMENT_LIMIT)
		return TRUE; /* copies of all its pages are promised */
	if (st)
		return wrong(w, "map", v, 0, (ULONG)st, 0);
	v->base = base;
	return TRUE;
}

static BOOL unmap(struct worker *w, struct view *v)
{
	BOOL ok = TRUE;

	for (ULONG i = 0; i < v->pages && ok; i++)
		if (v->copy[i])
			ok = check_page(w, v, i);
	if (NtUnmapViewOfSectionEx(SELF, (char *)v->base + pick(w, v->pages) * PAGE, 0))
		ok = wrong(w, "unmap", v, 0, 0, 0);
	v->base = NULL;
	return ok;
}

/* Protections of a piece of a view come and go; contents stay. */
static BOOL protect(struct worker *w, struct view *v)
{
	ULONG i = pick(w, v->pages), n = 1 + pick(w, v->pages - i), old;
	void *at = (void *)(v->base + (ULONG64)i * WORDS);

	if (!VirtualProtect(at, (SIZE_T)n * PAGE, pick(w, 2) ? PAGE_NOACCESS : PAGE_READONLY, &old))
		return wrong(w, "protect", v, i, GetLastError(), 0);
	if (!VirtualProtect(at, (SIZE_T)n * PAGE, v->protect, &old))
		return wrong(w, "protect back", v, i, GetLastError(), 0);
	return TRUE;
}

static BOOL one_step(struct worker *w)
{
	struct view *v = &w->view[pick(w, VIEWS)];
	ULONG what = pick(w, 100);

	if (!v->base)
		return map(w, v);
	if (what < 80)
		return use_page(w, v);
	if (what < 90)
		return protect(w, v);
	if (what < 93) {
		ULONG64 range[2] = {(ULONG64)v->base, (ULONG64)v->pages * PAGE};
		ULONG zero = 0;

		NtSetInformationVirtualMemory(SELF, 7, 1, range, &zero, sizeof(zero));
		return TRUE;
	}
	if (what < 94) {
		debug(pick(w, 2) ? DEBUG_TRIM : DEBUG_FLUSH_MODIFIED);
		debug(DEBUG_PURGE_STANDBY);
		return TRUE;
	}
	return unmap(w, v);
}

static DWORD WINAPI work(void *context)
{
	struct worker *w = context;

	for (ULONG i = 0; i < w->steps && !book->stop; i++)
		if (!one_step(w))
			return 1;
	return 0;
}

static int work_all(ULONG64 seed, ULONG steps)
{
	HANDLE thread[THREADS];
	int bad = 0;

	for (ULONG i = 0; i < THREADS; i++) {
		struct worker *w = calloc(1, sizeof(*w));

		if (!w)
			return 2;
		w->random = (seed * THREADS + i + 1) * 0x9e3779b97f4a7c15ull;
		w->id = i;
		w->steps = steps;
		thread[i] = CreateThread(NULL, 0, work, w, 0, NULL);
	}
	for (ULONG i = 0; i < THREADS; i++) {
		DWORD code = 1;

		WaitForSingleObject(thread[i], INFINITE);
		GetExitCodeThread(thread[i], &code);
		bad |= code != 0;
	}
	return bad;
}

static HANDLE share(SIZE_T bytes)
{
	SECURITY_ATTRIBUTES inherit = {sizeof(inherit), NULL, TRUE};

	return CreateFileMappingA(INVALID_HANDLE_VALUE, &inherit, PAGE_READWRITE, 0, (DWORD)bytes,
				  NULL);
}

static BOOL run_child(const char *self, HANDLE book_section, ULONG64 seed, ULONG steps,
		      HANDLE *process)
{
	STARTUPINFOA start = {.cb = sizeof(start)};
	PROCESS_INFORMATION made;
	char line[600];

	snprintf(line, sizeof(line), "\"%s\" %llu %lu %llu %llu", self, seed, steps,
		 (ULONG64)(ULONG_PTR)section, (ULONG64)(ULONG_PTR)book_section);
	if (!CreateProcessA(self, line, NULL, NULL, TRUE, 0, NULL, NULL, &start, &made))
		return FALSE;
	CloseHandle(made.hThread);
	*process = made.hProcess;
	return TRUE;
}

int main(int argc, char **argv)
{
	ULONG64 seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 1;
	ULONG steps = argc > 2 ? (ULONG)atoi(argv[2]) : 10000;
	HANDLE book_section, child = NULL;
	DWORD code = 1;
	char self[400];

	if (argc > 4) { /* the second process */
		section = (HANDLE)(ULONG_PTR)strtoull(argv[3], NULL, 0);
		book = MapViewOfFile((HANDLE)(ULONG_PTR)strtoull(argv[4], NULL, 0), FILE_MAP_WRITE,
				     0, 0, 0);
		return book ? work_all(seed + 1000, steps) : 3;
	}
	section = share(PAGES * PAGE);
	book_section = share(sizeof(*book));
	book = MapViewOfFile(book_section, FILE_MAP_WRITE, 0, 0, 0);
	CHECK(section && book);
	GetModuleFileNameA(NULL, self, sizeof(self));
	CHECK(run_child(self, book_section, seed, steps, &child));
	CHECK_EQ(work_all(seed, steps), 0);
	CHECK_EQ(WaitForSingleObject(child, 120000), 0);
	GetExitCodeProcess(child, &code);
	CHECK_EQ(code, 0);
	CHECK(!book->stop);
	printf("%ld writes, %ld reads, %ld private copies\n", book->writes, book->reads,
	       book->copies);
	CHECK(book->writes > 0 && book->copies > 0);
	CHECK_EQ(pfncheck_errors(), 0);
	return checks_end();
}
