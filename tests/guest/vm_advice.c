/* MEM_RESET and its undo, offered memory, prefetching, taking pages out of the working set. */
#include "tests/guest/vm.h"
#include "guest/abi/counters.h"

#define PAGES 64u

enum vm_class { PREFETCH = 0, PAGE_PRIORITY = 1, CALL_TARGETS = 2, REMOVE_FROM_SET = 7 };

static struct ntmm_counters counters(void)
{
	struct ntmm_counters c = {0};
	CHECK_EQ(NtSystemDebugControl(0x1001, NULL, 0, &c, sizeof(c), NULL), 0);
	return c;
}

static void fill(unsigned char *p, unsigned seed)
{
	for (unsigned i = 0; i < PAGES; i++)
		*(unsigned *)(p + i * PAGE) = seed + i;
}

/* How many pages are as filled, and how many zero. */
static void tell(const unsigned char *p, unsigned seed, unsigned *good, unsigned *zero)
{
	*good = *zero = 0;
	for (unsigned i = 0; i < PAGES; i++) {
		unsigned v = *(const volatile unsigned *)(p + i * PAGE);
		*good += v == seed + i;
		*zero += v == 0;
	}
}

static LONG reset(unsigned char *p, ULONG type)
{
	LONG st;
	allocate_at(p, PAGES * PAGE, type, PAGE_NOACCESS, &st);
	return st;
}

static LONG set_info(ULONG class, void *p, SIZE_T size, ULONG data)
{
	void *range[2] = {p, (void *)size};
	return NtSetInformationVirtualMemory(SELF, class, 1, range, &data, sizeof(data));
}

static void check_reset(unsigned char *p)
{
	struct ntmm_counters before, after;
	unsigned good, zero;
	LONG st;

	fill(p, 1000);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	CHECK_EQ(basic(p).State, MEM_COMMIT);
	CHECK_EQ(basic(p).Protect, PAGE_READWRITE);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0); /* memory is plentiful: nothing was lost */
	tell(p, 1000, &good, &zero);
	CHECK_EQ(good, PAGES);
	/* after an undo the contents are worth keeping again */
	send_all_to_pagefile();
	tell(p, 1000, &good, &zero);
	CHECK_EQ(good, PAGES);
	/* reset pages are not written out; once reused they are zero, and the undo tells */
	fill(p, 2000);
	CHECK_EQ(debug(DEBUG_TRIM), 0);
	CHECK_EQ(debug(DEBUG_FLUSH_MODIFIED), 0);
	fill(p, 2000);
	before = counters();
	CHECK_EQ(reset(p, MEM_RESET), 0);
	send_all_to_pagefile();
	after = counters();
	CHECK(after.pages_out < before.pages_out + PAGES / 2);
	st = reset(p, MEM_RESET_UNDO);
	CHECK_EQ(st, ST_DEVICE_BUSY);
	tell(p, 2000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
	/* in the pagefile when reset */
	fill(p, 3000);
	send_all_to_pagefile();
	CHECK_EQ(reset(p, MEM_RESET), 0);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), ST_DEVICE_BUSY);
	/* written after the reset: kept like any other */
	fill(p, 4000);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	fill(p, 5000);
	send_all_to_pagefile();
	tell(p, 5000, &good, &zero);
	CHECK_EQ(good, PAGES);
	CHECK_EQ(pfncheck_errors(), 0);

	CHECK(!allocate_at(p + PAGE, PAGES * PAGE, MEM_RESET, PAGE_NOACCESS, &st));
	CHECK_EQ(st, ST_CONFLICTING_ADDRESSES);
	CHECK(!allocate_at(p, PAGE, MEM_RESET | MEM_COMMIT, PAGE_READWRITE, &st));
	CHECK_EQ(st, ST_INVALID_PARAMETER);
	CHECK(!allocate_at(p, PAGE, MEM_RESET, 0, &st));
	CHECK_EQ(st, ST_INVALID_PAGE_PROTECTION);
}

/* A view of a pagefile-backed section: as private memory while it is the only one. */
static void check_reset_view(void)
{
	HANDLE h =
	    CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGES * PAGE, NULL);
	unsigned char *p = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0), *q;
	struct ntmm_counters before, after;
	unsigned good, zero;

	fill(p, 1000);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
	send_all_to_pagefile();
	tell(p, 1000, &good, &zero);
	CHECK_EQ(good, PAGES);
	/* not written out, and gone when the frames are reused: resident, on a list, in the file */
	fill(p, 2000);
	before = counters();
	CHECK_EQ(reset(p, MEM_RESET), 0);
	send_all_to_pagefile();
	after = counters();
	CHECK(after.pages_out < before.pages_out + PAGES / 2);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), ST_DEVICE_BUSY);
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
	tell(p, 2000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	fill(p, 3000);
	CHECK_EQ(debug(DEBUG_TRIM), 0);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	send_all_to_pagefile();
	tell(p, 3000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	fill(p, 4000);
	send_all_to_pagefile();
	CHECK_EQ(reset(p, MEM_RESET), 0);
	CHECK_EQ(pfncheck_errors(), 0);
	tell(p, 4000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	/* written after the reset: kept */
	CHECK_EQ(reset(p, MEM_RESET), 0);
	fill(p, 5000);
	send_all_to_pagefile();
	tell(p, 5000, &good, &zero);
	CHECK_EQ(good, PAGES);
	/* somebody else has a view: his data stays */
	q = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	send_all_to_pagefile();
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
	tell(q, 5000, &good, &zero);
	CHECK_EQ(good, PAGES);
	CHECK(UnmapViewOfFile(q));
	CHECK_EQ(reset(p, MEM_RESET), 0);
	CHECK(UnmapViewOfFile(p));
	CHECK(CloseHandle(h));
	CHECK_EQ(pfncheck_errors(), 0);

	/* private copies are the caller's own, whoever else has a view */
	h = CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, PAGES * PAGE, NULL);
	p = MapViewOfFile(h, FILE_MAP_COPY, 0, 0, 0);
	q = MapViewOfFile(h, FILE_MAP_WRITE, 0, 0, 0);
	fill(q, 6000);
	fill(p, 7000);
	CHECK_EQ(reset(p, MEM_RESET), 0);
	send_all_to_pagefile();
	CHECK_EQ(reset(p, MEM_RESET_UNDO), ST_DEVICE_BUSY);
	tell(q, 6000, &good, &zero);
	CHECK_EQ(good, PAGES);
	CHECK(UnmapViewOfFile(p) && UnmapViewOfFile(q) && CloseHandle(h));
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_offer(unsigned char *p)
{
	unsigned good, zero;

	for (ULONG priority = 1; priority <= 4; priority++) {
		fill(p, priority * 1000);
		CHECK_EQ(set_info(PAGE_PRIORITY, p, PAGES * PAGE, priority), 0);
		CHECK_EQ(resident(p) & WS_VALID, 0);
		CHECK(!try_read(p));
		CHECK_EQ(fault.ExceptionCode, EXCEPTION_ACCESS_VIOLATION);
		CHECK(!try_write(p + 5 * PAGE));
		CHECK_EQ(pfncheck_errors(), 0);
		CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
		tell(p, priority * 1000, &good, &zero);
		CHECK_EQ(good, PAGES);
		CHECK(try_write(p));
	}
	/* offered and reused */
	fill(p, 9000);
	CHECK_EQ(set_info(PAGE_PRIORITY, p, PAGES * PAGE, 1), 0);
	send_all_to_pagefile();
	CHECK(!try_read(p));
	CHECK_EQ(reset(p, MEM_RESET_UNDO), ST_DEVICE_BUSY);
	tell(p, 9000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	/* offered from the pagefile, and never touched ones: intact */
	fill(p, 7000);
	send_all_to_pagefile();
	CHECK_EQ(set_info(PAGE_PRIORITY, p, PAGES * PAGE, 2), 0);
	CHECK(!try_read(p + PAGE));
	CHECK_EQ(set_info(PREFETCH, p, PAGES * PAGE, 0), 0);
	CHECK(!try_read(p + PAGE));
	CHECK_EQ(reset(p, MEM_RESET_UNDO), 0);
	tell(p, 7000, &good, &zero);
	CHECK_EQ(good, PAGES);
	/* discarded at once */
	CHECK_EQ(set_info(PAGE_PRIORITY, p, PAGES * PAGE, 0), 0);
	tell(p, 7000, &good, &zero);
	CHECK_EQ(zero, PAGES);
	/* only read/write pages */
	CHECK_EQ(protect_pages(p + PAGE, PAGE, PAGE_READONLY), 0);
	CHECK(set_info(PAGE_PRIORITY, p, 3 * PAGE, 1) < 0);
	CHECK(try_write(p));
	CHECK_EQ(protect_pages(p + PAGE, PAGE, PAGE_READWRITE), 0);
	CHECK(set_info(PAGE_PRIORITY, p, PAGE, 5) < 0);
	/* released while offered */
	CHECK_EQ(set_info(PAGE_PRIORITY, p, PAGES * PAGE, 3), 0);
	CHECK_EQ(release(p), 0);
	CHECK_EQ(pfncheck_errors(), 0);
}

static void check_prefetch(void)
{
	unsigned char *p = allocate(PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	void *range[2] = {p, (void *)(SIZE_T)(PAGES * PAGE)}, *nothing[2] = {p, NULL};
	struct ntmm_counters before, after;
	unsigned good, zero;
	ULONG flags = 0;

	fill(p, 100);
	send_all_to_pagefile();
	before = counters();
	CHECK_EQ(set_info(PREFETCH, p, PAGES * PAGE, 0), 0);
	after = counters();
	CHECK(after.pages_in >= before.pages_in + PAGES);
	CHECK_EQ(resident(p) & WS_VALID, 0); /* not in the working set */
	CHECK_EQ(resident(p) >> 22 & 3, 1);  /* but resident */
	before = counters();
	tell(p, 100, &good, &zero);
	after = counters();
	CHECK_EQ(good, PAGES);
	CHECK_EQ(after.faults_hard, before.faults_hard);

	/* out again, by name */
	CHECK_EQ(resident(p) & WS_VALID, WS_VALID);
	CHECK_EQ(set_info(REMOVE_FROM_SET, p, PAGES * PAGE, 0), 0);
	CHECK_EQ(resident(p) & WS_VALID, 0);
	tell(p, 100, &good, &zero);
	CHECK_EQ(good, PAGES);

	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 99, 1, range, &flags, 4),
		 ST_INVALID_PARAMETER_2);
	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 0, 1, range, NULL, 4), ST_INVALID_PARAMETER_5);
	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 0, 1, range, &flags, 2),
		 ST_INVALID_PARAMETER_6);
	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 0, 0, range, &flags, 4),
		 ST_INVALID_PARAMETER_3);
	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 0, 1, NULL, &flags, 4), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtSetInformationVirtualMemory(SELF, 0, 1, nothing, &flags, 4),
		 ST_INVALID_PARAMETER_4);
	CHECK_EQ(set_info(PREFETCH, NULL, PAGE, 0), 0);
	CHECK_EQ(set_info(PREFETCH, p + 123, 456, 0), 0);
	CHECK_EQ(set_info(PREFETCH, (void *)0x10000, ~(SIZE_T)0 >> 1, 0), 0);
	CHECK_EQ(release(p), 0);
}

int main(void)
{
	unsigned char *p;

	probes_begin();
	p = allocate(PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	check_reset(p);
	check_reset_view();
	check_offer(p);
	check_prefetch();
	return checks_end();
}
