/* The fuzzer's calls that change no region: protection, locks, watches, resets, offers, copies,
 * touches; and those on views. */
#ifndef NTMM_TESTS_FUZZ_MORE_OPS_H
#define NTMM_TESTS_FUZZ_MORE_OPS_H

#include "tests/guest/fuzz/ops.h"

/* ---- protection ---- */

static inline LONG expect_protect(const struct fuzzer *f, const struct range *g, ULONG protect)
{
	ULONG r = one_region(f, g->first, g->end);
	const struct region *v = &f->region[r];

	if (!g->size)
		return ST_INVALID_PARAMETER_3;
	if (!r || v->kind == R_PLACEHOLDER)
		return ST_CONFLICTING_ADDRESSES;
	if (v->kind == R_VIEW) {
		if (access_of(protect) & ~access_of(v->protect))
			return ST_SECTION_PROTECTION;
	} else if (is_copy_on_write(protect)) {
		return ST_INVALID_PAGE_PROTECTION;
	}
	for (ULONG i = g->first; i < g->end; i++)
		if (f->page[i].state != P_COMMITTED)
			return ST_NOT_COMMITTED;
	return 0;
}

static void op_protect(struct fuzzer *f)
{
	struct range g = pick_range(f);
	BOOL legal;
	ULONG protect = pick_protect(f, &legal), old = 0xdead;
	void *base = (void *)g.base;
	SIZE_T size = g.size;
	LONG want;

	if (chance(f, 10) && legal)
		protect = chance(f, 50) ? PAGE_WRITECOPY : PAGE_EXECUTE_WRITECOPY;
	if (any_offered(f, g.first, g.end))
		return;
	want = legal ? expect_protect(f, &g, protect) : ST_INVALID_PAGE_PROTECTION;
	begin_step(f, "NtProtectVirtualMemory", &g, 0, protect, want);
	end_step(f, NtProtectVirtualMemory(SELF, &base, &size, protect, &old), &g, &base, &size);
	if (!want && old != f->page[g.first].protect) {
		printf("fuzz: the old protection is 0x%lx, not 0x%x\n", old,
		       f->page[g.first].protect);
		f->failed = TRUE;
	}
	if (want || f->failed)
		return;
	for (ULONG i = g.first; i < g.end; i++)
		f->page[i].kept |= f->page[i].written;
	commit_pages(f, f->page[g.first].region, g.first, g.end, protect);
}

/* ---- touches ---- */

static void op_touch(struct fuzzer *f)
{
	struct range g = pick_range(f);
	BOOL write = chance(f, 70);
	ULONG64 words[WORDS_CHECKED];

	for (ULONG i = g.first; i < g.end && i < g.first + 24 && !f->failed; i++) {
		BOOL committed = f->page[i].state == P_COMMITTED;
		LONG want = expect_access(f, i, write);
		struct range one = {page_va(f, i), PAGE, i, i + 1};
		struct content c = {0};

		if (write)
			fill_words(f, i, words, &c);
		begin_step(f, write ? "a write" : "a read", &one, 0, f->page[i].protect, want);
		f->step.got = touch(f, i, write, words);
		f->failed |= f->step.got != want;
		if (!want && write)
			*content_of(f, i) = c;
		else if (!want && !words_agree(f, i, words))
			f->failed = TRUE;
		if (!committed)
			break; /* one access violation is enough */
	}
}

/* One page's words, by the system. */
static void op_copy(struct fuzzer *f)
{
	ULONG i = below(f, WINDOW_PAGES), k = below(f, WORDS_CHECKED);
	BOOL write = chance(f, 50);
	ULONG64 words[WORDS_CHECKED] = {0}, got = 0;
	ULONG64 *there = (ULONG64 *)page_va(f, i) + k * 32;
	struct range one = {(ULONG64)there, 8, i, i + 1};
	SIZE_T done = ~(SIZE_T)0;
	LONG want;

	if (f->page[i].protect & PAGE_GUARD)
		return;
	want = expect_access(f, i, FALSE) ? ST_PARTIAL_COPY : 0;
	if (write && !want) { /* written back as it is */
		const ULONG writable = PAGE_READWRITE | PAGE_EXECUTE_READWRITE;

		if (touch(f, i, FALSE, words) || !words_agree(f, i, words) ||
		    (content_of(f, i)->doubtful))
			return;
		want = f->page[i].protect & writable ? expect_access(f, i, TRUE) : ST_PARTIAL_COPY;
		if (is_copy_on_write(f->page[i].protect))
			return;
	}
	begin_step(f, write ? "NtWriteVirtualMemory" : "NtReadVirtualMemory", &one, 0,
		   f->page[i].protect, want);
	f->step.got = write ? NtWriteVirtualMemory(SELF, there, &words[k], 8, &done)
			    : NtReadVirtualMemory(SELF, there, &got, 8, &done);
	f->failed = f->step.got != want || done != (want ? 0 : 8);
	if (!want && !write)
		f->failed |=
		    got != pattern(content_of(f, i), k) && !(content_of(f, i)->doubtful && !got);
}

/* ---- locks ---- */

static void op_lock(struct fuzzer *f)
{
	struct range g = pick_range(f);
	ULONG guards = 0, closed = 0;
	void *base, *base2;
	SIZE_T size, size2;
	LONG want = 0, got;

	if (!g.size || g.end - g.first > 24)
		return;
	for (ULONG i = g.first; i < g.end; i++) {
		const struct page *p = &f->page[i];

		if (p->state != P_COMMITTED || p->offered || p->protect == PAGE_NOACCESS)
			closed++;
		else if (p->protect & PAGE_GUARD)
			guards++;
	}
	if (guards && closed)
		return;
	want = closed ? ST_ACCESS_VIOLATION : guards ? ST_GUARD_PAGE : 0;
	base = base2 = (void *)g.base;
	size = size2 = g.size;
	begin_step(f, "NtLockVirtualMemory", &g, 1, 0, want);
	got = NtLockVirtualMemory(SELF, &base, &size, 1);
	if (got == ST_WORKING_SET_QUOTA) /* what other threads hold */
		return;
	end_step(f, got, &g, &base, &size);
	for (ULONG i = g.first; i < g.end && !closed; i++) {
		struct page *p = &f->page[i];

		if (p->protect & PAGE_GUARD) {
			p->protect &= ~PAGE_GUARD;
			break;
		}
		if (p->protect == PAGE_READWRITE || p->protect == PAGE_EXECUTE_READWRITE)
			p->written |= f->region[p->region].watched;
	}
	if (want || f->failed)
		return;
	for (ULONG i = g.first; i < g.end; i++)
		f->failed |= !(resident((void *)page_va(f, i)) & WS_LOCKED);
	base = base2;
	size = size2;
	begin_step(f, "NtUnlockVirtualMemory", &g, 1, 0, 0);
	end_step(f, NtUnlockVirtualMemory(SELF, &base, &size, 1), &g, &base, &size);
	if (f->failed || chance(f, 80))
		return;
	begin_step(f, "NtUnlockVirtualMemory, again", &g, 1, 0, ST_NOT_LOCKED);
	end_step(f, NtUnlockVirtualMemory(SELF, &base2, &size2, 1), &g, &base2, &size2);
}

/* ---- write watches ---- */

static void op_watch(struct fuzzer *f)
{
	struct range g = pick_range(f);
	ULONG r = one_region(f, g.first, g.end), flags = below(f, 2), granularity = 0;
	void *page[64];
	ULONG_PTR room = 1 + below(f, 64), n = 0;
	LONG want = !g.size || !r || !f->region[r].watched ? ST_INVALID_PARAMETER : 0;
	BOOL forget = chance(f, 20);

	if (forget) {
		begin_step(f, "NtResetWriteWatch", &g, 0, 0, want);
		f->step.got = NtResetWriteWatch(SELF, (void *)g.base, g.size);
		f->failed = f->step.got != want;
		room = WINDOW_PAGES;
	} else {
		ULONG_PTR count = room;

		begin_step(f, "NtGetWriteWatch", &g, flags, 0, want);
		f->step.got = NtGetWriteWatch(SELF, flags, (void *)g.base, g.size, page, &count,
					      &granularity);
		f->failed = f->step.got != want || granularity != PAGE;
		if (!want) {
			for (ULONG i = g.first; i < g.end && n < room; i++)
				if (f->page[i].written &&
				    (n >= count || page[n++] != (void *)page_va(f, i)))
					f->failed = TRUE;
			f->failed |= n != count;
			if (f->failed)
				printf("fuzz: %lu pages written, not %lu\n", (ULONG)count,
				       (ULONG)n);
		}
	}
	if (want || f->failed || !(forget || flags))
		return;
	n = 0;
	for (ULONG i = g.first; i < g.end && n < room; i++) {
		n += f->page[i].written;
		f->page[i].written = f->page[i].kept = FALSE;
	}
}

/* ---- contents that may go ---- */

static void op_reset(struct fuzzer *f)
{
	struct range g = pick_range(f);
	BOOL undo = chance(f, 40), legal;
	ULONG protect = pick_protect(f, &legal), r = one_region(f, g.first, g.end);
	const ULONG type = undo ? 0x1000000 : MEM_RESET;
	void *base = (void *)g.base;
	SIZE_T size = g.size;
	LONG want = 0, got;

	if (any_offered(f, g.first, g.end) || (r && f->region[r].kind == R_VIEW))
		return;
	if (!g.size)
		want = ST_INVALID_PARAMETER_4;
	else if (!r || f->region[r].kind == R_PLACEHOLDER)
		want = ST_CONFLICTING_ADDRESSES;
	if (!legal)
		want = ST_INVALID_PAGE_PROTECTION;
	got = NtAllocateVirtualMemory(SELF, &base, 0, &size, type, protect);
	if (undo && !want && got == ST_DEVICE_BUSY)
		want = ST_DEVICE_BUSY;
	begin_step(f, undo ? "MEM_RESET_UNDO" : "MEM_RESET", &g, type, protect, want);
	if (want == ST_DEVICE_BUSY)
		f->step.got = got;
	else
		end_step(f, got, &g, &base, &size);
	if (f->failed || (want && want != ST_DEVICE_BUSY))
		return;
	for (ULONG i = g.first; i < g.end; i++) {
		struct content *c = content_of(f, i);

		if (f->page[i].state == P_COMMITTED && (c->tag || undo))
			c->doubtful = undo ? c->doubtful && want : TRUE;
	}
}

/* Offers a piece and takes it back, now or later; or throws it away. */
static void op_offer(struct fuzzer *f)
{
	struct range g = pick_range(f);
	ULONG r = one_region(f, g.first, g.end), value = below(f, 5), offered = 0;
	ULONG64 range[2] = {page_va(f, g.first), (ULONG64)(g.end - g.first) * PAGE};
	BOOL plain = TRUE;
	LONG want = 0;

	if (!g.size || !r || f->region[r].kind == R_VIEW || f->region[r].kind == R_PLACEHOLDER)
		return;
	for (ULONG i = g.first; i < g.end; i++) {
		plain &= f->page[i].state == P_COMMITTED && f->page[i].protect == PAGE_READWRITE;
		offered += f->page[i].offered;
	}
	g = bytes_range(f, range[0], range[1]);
	if (offered == g.end - g.first) { /* all of it: back */
		void *base = (void *)g.base;
		SIZE_T size = g.size;

		begin_step(f, "reclaim", &g, 0, 0, 0);
		f->step.got =
		    NtAllocateVirtualMemory(SELF, &base, 0, &size, 0x1000000, PAGE_NOACCESS);
		f->failed = f->step.got && f->step.got != ST_DEVICE_BUSY;
		for (ULONG i = g.first; i < g.end; i++) {
			f->page[i].offered = FALSE;
			f->page[i].protect = PAGE_READWRITE;
			if (!f->step.got)
				f->page[i].own.doubtful = FALSE;
		}
		return;
	}
	if (offered)
		return;
	want = plain ? 0 : ST_INVALID_PAGE_PROTECTION;
	begin_step(f, value ? "offer" : "discard", &g, value, 0, want);
	f->step.got = NtSetInformationVirtualMemory(SELF, 1, 1, range, &value, sizeof(value));
	f->failed = f->step.got != want;
	for (ULONG i = g.first; i < g.end && !want; i++) {
		f->page[i].own.doubtful |= f->page[i].own.tag != 0;
		f->page[i].offered = value != 0;
		if (value)
			f->page[i].protect = PAGE_NOACCESS;
	}
}

/* Pages leave the working set, or everybody's do. */
static void op_trim(struct fuzzer *f)
{
	struct range g = pick_range(f);
	ULONG64 range[2] = {page_va(f, g.first), (ULONG64)(g.end - g.first + 1) * PAGE};
	ULONG zero = 0;

	begin_step(f, "trim", &g, 0, 0, 0);
	if (chance(f, 90))
		f->step.got = NtSetInformationVirtualMemory(SELF, 7, 1, range, &zero, sizeof(zero));
	else
		f->step.got = SetProcessWorkingSetSize(SELF, (SIZE_T)-1, (SIZE_T)-1) ? 0 : -1;
	f->failed = f->step.got;
}

/* ---- views ---- */

static inline LONG expect_map(const struct fuzzer *f, const struct shadow_section *s, ULONG first,
			      ULONG pages, ULONG at, ULONG protect)
{
	if (first % GRANULE_PAGES || at % GRANULE_PAGES)
		return ST_MAPPED_ALIGNMENT;
	if ((protect & 0xff) >= PAGE_EXECUTE && s->protect != PAGE_EXECUTE_READWRITE)
		return ST_SECTION_PROTECTION;
	if (at >= s->pages || at + pages > s->pages)
		return ST_INVALID_VIEW_SIZE;
	return all_free(f, first, first + pages) ? 0 : ST_CONFLICTING_ADDRESSES;
}

static void op_map(struct fuzzer *f, struct shadow_section *s)
{
	static const ULONG protects[] = {
	    PAGE_READWRITE, PAGE_READWRITE,	    PAGE_READONLY,	    PAGE_WRITECOPY,
	    PAGE_NOACCESS,  PAGE_EXECUTE_READWRITE, PAGE_EXECUTE_WRITECOPY, PAGE_EXECUTE_READ};
	ULONG protect = PICK(f, protects), at = below(f, SECTION_PAGES + 16), r = new_region(f);
	ULONG first = below(f, WINDOW_PAGES - SECTION_PAGES), pages = 1 + below(f, SECTION_PAGES);
	struct range g;
	LARGE_INTEGER offset;
	void *base;
	SIZE_T size;
	LONG want;

	if (!chance(f, 5))
		first &= ~(GRANULE_PAGES - 1);
	if (!chance(f, 5))
		at &= ~(GRANULE_PAGES - 1);
	if (at < s->pages && !chance(f, 10) && at + pages > s->pages)
		pages = s->pages - at;
	g = bytes_range(f, page_va(f, first), (ULONG64)pages * PAGE);
	offset.QuadPart = (LONGLONG)at * PAGE;
	base = (void *)g.base;
	size = g.size;
	want = expect_map(f, s, first, pages, at, protect);
	if (!r)
		return;
	begin_step(f, "NtMapViewOfSection", &g, at, protect, want);
	end_step(f, NtMapViewOfSection(s->handle, SELF, &base, 0, 0, &offset, &size, 2, 0, protect),
		 &g, &base, &size);
	if (want || f->failed)
		return;
	f->region[r] =
	    (struct region){.protect = protect, .kind = R_VIEW, .section = s, .section_page = at};
	clear_pages(f, first, first + pages, P_RESERVED);
	set_region(f, r, first, first + pages);
	for (ULONG i = first; i < first + pages; i++) {
		f->page[i].protect = (USHORT)protect;
		if (s->committed[at + i - first])
			f->page[i].state = P_COMMITTED;
	}
}

static void op_unmap(struct fuzzer *f)
{
	ULONG i = below(f, WINDOW_PAGES), r = f->page[i].region;
	struct range one = {page_va(f, i) + below(f, PAGE), 1, i, i + 1};
	LONG want = r && f->region[r].kind == R_VIEW ? 0 : ST_NOT_MAPPED_VIEW;

	begin_step(f, "NtUnmapViewOfSectionEx", &one, 0, 0, want);
	f->step.got = NtUnmapViewOfSectionEx(SELF, (void *)one.base, 0);
	f->failed = f->step.got != want;
	if (want || f->failed)
		return;
	clear_pages(f, f->region[r].first, f->region[r].first + f->region[r].pages, P_FREE);
	f->region[r].pages = 0;
}

#endif
