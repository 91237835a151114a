/*
 * The views over a machine made by hand (inspect_image.h): their numbers; then machines whose
 * kernel lies: lists and trees without end, tables that lead into themselves, sizes and addresses
 * that cannot be, and memory with random words in it. Every look has to end, and in its own bounds.
 */
#define _GNU_SOURCE
#include <check.h>
#include <stdarg.h>
#include <stdio.h>

#include <cjson/cJSON.h>

#include "host/inspect/view.h"
#include "tests/unit/inspect_image.h"

Suite *inspect_suite(void);

#define FUZZ_MACHINES 40u
#define FUZZ_BUDGET   20000u

static struct vm_error err;
static uint64_t image_end; /* of what has been made */
/* Its parts: gpa. */
static uint64_t vad_a, vad_image, vad_reserve, vad_section, image_ca, image_proto, data_proto;
static uint64_t shared_pfn, heap_pfn;

int vm_fail(struct vm_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

/* ---- the machine ---- */

#define A_VA	   0x10000ull  /* PEB, heap and other private pages */
#define IMAGE_VA   0x400000ull /* hello.exe, 8 pages */
#define RESERVE_VA 0x800000ull /* 4 MB, 1 MB of it committed */
#define SECTION_VA 0x7fff0000ull
#define READWRITE  4u

static void resident(uint64_t va, unsigned prot, unsigned flags, unsigned share, uint64_t original,
		     uint64_t more, uint64_t *pfn)
{
	*pfn = take_frame();
	map(root_of(initial), va, valid(*pfn, prot) | more, 1, NTMM_PTE_USER);
	set_frame(*pfn, NTMM_PFN_ACTIVE, flags, 0, share, original);
}

/* 16 pages: PEB; heap; a locked page; one on the standby list; one in the pagefile; the rest not
 * touched. */
static void build_private(void)
{
	uint64_t pfn, original = READWRITE << NTMM_PTE_PROT;

	resident(A_VA, READWRITE, 0, 1, original, 0, &pfn);
	store(pfn * PAGE + NTMM_PEB_HEAP_COUNT, 1, 4);
	store(pfn * PAGE + NTMM_PEB_HEAPS, A_VA + 0x800, 8);
	store(pfn * PAGE + 0x800, A_VA + PAGE, 8);
	resident(A_VA + PAGE, READWRITE, 0, 1, original, 0, &heap_pfn);
	store(heap_pfn * PAGE + NTMM_HEAP_SIGNATURE, NTMM_HEAP_SIGNATURE_IS, 4);
	store(heap_pfn * PAGE + NTMM_HEAP_LARGE, A_VA + PAGE + NTMM_HEAP_LARGE, 8);
	store(heap_pfn * PAGE + NTMM_HEAP_SEGMENTS, A_VA + PAGE, 8);
	resident(A_VA + 2 * PAGE, READWRITE, 0, 1, original, NTMM_PTE_LOCKED, &pfn);
	pfn = take_frame();
	map(root_of(initial), A_VA + 3 * PAGE, transition(pfn, READWRITE), 1, NTMM_PTE_USER);
	set_frame(pfn, NTMM_PFN_STANDBY, 0, 0, 0, 7ull << NTMM_PTE_SLOT | original);
	map(root_of(initial), A_VA + 4 * PAGE, 9ull << NTMM_PTE_SLOT | original, 1, NTMM_PTE_USER);
	vad_a = make_vad(NTMM_VAD_PRIVATE, A_VA, 16, READWRITE, 0x04);
	set_at(vad_a, NTMM_F_vad_committed, 1);
	set_at(vad_a, NTMM_F_vad_commit, 16);
	set_at(initial, NTMM_F_process_peb, A_VA);
}

/* Two pages of code, of which others have one; six of data to be copied, one of which has been. */
static void build_image_view(void)
{
	static const uint64_t first[] = {0, 2};
	static const unsigned prot[] = {3, 5};
	uint64_t file = make_file("dir/hello.exe"), pfn;

	image_ca = make_ca(file, true, 8, &image_proto, 2, first, prot);
	for (unsigned i = 0; i < 8; i++)
		store(image_proto + i * 8ull, in_file(image_ca, i / 2 != 0, prot[i / 2 != 0]), 8);
	resident(IMAGE_VA, 3, NTMM_PFN_F_PROTOTYPE, 2, in_file(image_ca, 0, 3), 0, &shared_pfn);
	store(image_proto, valid(shared_pfn, 3), 8);
	resident(IMAGE_VA + PAGE, 3, NTMM_PFN_F_PROTOTYPE, 1, in_file(image_ca, 0, 3), 0, &pfn);
	store(image_proto + 8, valid(pfn, 3), 8);
	resident(IMAGE_VA + 4 * PAGE, READWRITE, 0, 1, READWRITE << NTMM_PTE_PROT, 0, &pfn);
	vad_image = make_vad(NTMM_VAD_IMAGE, IMAGE_VA, 8, 7, 0x80);
	set_at(vad_image, NTMM_F_vad_ca, kva(image_ca));
	set_at(vad_image, NTMM_F_vad_commit, 6);
}

static void build_reserve(void)
{
	for (unsigned i = 0; i < 256; i++)
		map(root_of(initial), RESERVE_VA + i * PAGE, READWRITE << NTMM_PTE_PROT, 1,
		    NTMM_PTE_USER);
	vad_reserve = make_vad(NTMM_VAD_PRIVATE, RESERVE_VA, 1024, READWRITE, 0x04);
	set_at(vad_reserve, NTMM_F_vad_commit, 256);
}

/* A pagefile-backed section of four pages, one modified and out of the working set. */
static void build_section(void)
{
	static const uint64_t first[] = {0};
	static const unsigned prot[] = {READWRITE};
	uint64_t ca = make_ca(0, false, 4, &data_proto, 1, first, prot), pfn = take_frame();

	for (unsigned i = 0; i < 4; i++)
		store(data_proto + i * 8ull, READWRITE << NTMM_PTE_PROT, 8);
	set_frame(pfn, NTMM_PFN_MODIFIED, NTMM_PFN_F_PROTOTYPE | NTMM_PFN_F_MODIFIED, 0, 0,
		  READWRITE << NTMM_PTE_PROT);
	store(data_proto + 8, transition(pfn, READWRITE), 8);
	vad_section = make_vad(NTMM_VAD_MAPPED, SECTION_VA, 4, READWRITE, 0x04);
	set_at(vad_section, NTMM_F_vad_ca, kva(ca));
}

static void build_kernel(void)
{
	static const uint16_t bytes[NTMM_V_COUNT] = {
#define BYTES(name, symbol, size) [NTMM_V_##name] = (size),
	    NTMM_VARIABLES(BYTES)};
	uint64_t head, counters;

	lay_out();
	for (unsigned v = 0; v < NTMM_V_COUNT; v++)
		root.variable[v] = kva(make(bytes[v]));
	memcpy(ram + 0x1000, &root, sizeof(root));
	system_root = make_page();
	set_variable(NTMM_V_system_root, system_root / PAGE);
	set_variable(NTMM_V_highest_pfn, FRAMES - 1);
	set_variable(NTMM_V_process_lock, 1);
	set_variable(NTMM_V_total_pages, FRAMES - 1);
	head = root.variable[NTMM_V_processes];
	store(head - IMAGE, head, 8);
	store(root.variable[NTMM_V_pagefiles] - IMAGE + 8, 1000, 8);
	counters = root.variable[NTMM_V_counters] - IMAGE;
	{
		struct ntmm_counters c = {.magic = NTMM_COUNTERS_MAGIC,
					  .version = NTMM_COUNTERS_VERSION,
					  .faults_total = 100,
					  .faults_demand_zero = 60,
					  .faults_transition = 10,
					  .faults_hard = 5,
					  .pages_in = 30,
					  .commit_total = 278,
					  .commit_limit = 1112};
		memcpy(ram + counters, &c, sizeof(c));
	}
	next_gpa = (next_gpa + PAGE - 1) & ~(PAGE - 1);
	database_gpa = make(FRAMES * PFN_BYTES);
	for (uint64_t at = 0; at < FRAMES * PFN_BYTES; at += PAGE)
		map(system_root, DATABASE + at, (database_gpa + at) | NTMM_PTE_VALID, 1, 0);
}

static void build(void)
{
	memset(ram, 0, sizeof(ram));
	next_gpa = FIRST_DATA;
	next_page = RAM / 2 / PAGE;
	gone = false;
	window.root = 0x1000;
	window.root_bytes = sizeof(root);
	build_kernel();
	for (uint64_t pfn = 1; pfn < FRAMES; pfn++)
		set_frame(pfn, NTMM_PFN_ZEROED, 0, 0, 0, 0);
	other = make_process(4, "System");
	initial = make_process(100, "hello.exe");
	set_at(initial, NTMM_F_process_initial, 1);
	build_private();
	build_image_view();
	build_reserve();
	build_section();
	/* a in the middle: image at the left's right, so that all ways are walked */
	set_at(initial, NTMM_F_process_vads, kva(vad_reserve));
	set_at(vad_reserve, NTMM_F_vad_left, kva(vad_a));
	set_at(vad_reserve, NTMM_F_vad_right, kva(vad_section));
	set_at(vad_a, NTMM_F_vad_right, kva(vad_image));
	set_at(initial, NTMM_F_process_vad_count, 4);
	set_at(initial, NTMM_F_process_ws, 6);
	set_at(initial, NTMM_F_process_commit, 278);
	set_at(initial, NTMM_F_process_tables, 9);
	{
		uint64_t t = make_object();

		set_at(t, NTMM_F_thread_tid, 104);
		chain(initial + root.field[NTMM_F_process_threads], t, NTMM_F_thread_link);
	}
	for (uint64_t pfn = 1; pfn < (next_gpa + PAGE - 1) / PAGE; pfn++)
		set_frame(pfn, NTMM_PFN_ACTIVE, NTMM_PFN_F_KERNEL,
			  pfn % 2 ? NTMM_USE_BOOT : NTMM_USE_POOL, 0, 0);
	set_list(NTMM_V_zeroed, 0, 5);
	set_list(NTMM_V_standby, 5, 1);
	set_variable(NTMM_V_available, 6);
	image_end = next_gpa;
}

/* ---- showing ---- */

/* The view's JSON; NULL: it could not be shown, `err` says why. */
static cJSON *shown(const char *name, unsigned args, uint64_t a, uint64_t b,
		    const struct view_sample *before)
{
	const struct view *v = view_by_name(name, strlen(name));
	struct view_call c = {.arg = {a, b}, .args = args, .before = before};
	struct doc *d = doc_new();
	cJSON *o = NULL;
	struct look l;

	ck_assert_ptr_nonnull(v);
	if (look_open(&l, &window, &err) == 0) {
		if (view_show(v, &l, &c, d, &err) == 0)
			o = doc_json(d);
		look_close(&l);
	}
	doc_free(d);
	return o;
}

static const cJSON *row_of(const cJSON *o, const char *table, const char *key, const char *value)
{
	const cJSON *row, *t = cJSON_GetObjectItem(o, table);

	cJSON_ArrayForEach(row, t)
	{
		const cJSON *v = cJSON_GetObjectItem(row, key);

		if (cJSON_IsString(v) && strcmp(v->valuestring, value) == 0)
			return row;
	}
	ck_abort_msg("no row of %s has %s %s", table, key, value);
	return NULL;
}
static double number(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItem(o, key);

	ck_assert_msg(cJSON_IsNumber(v), "%s is no number", key);
	return v->valuedouble;
}
static const char *text(const cJSON *o, const char *key)
{
	const cJSON *v = cJSON_GetObjectItem(o, key);

	ck_assert_msg(cJSON_IsString(v), "%s is no text", key);
	return v->valuestring;
}
#define K(n) ((n)*4096.0)

START_TEST(processes_and_their_private_pages)
{
	cJSON *o = shown("processes", 0, 0, 0, NULL);
	const cJSON *row = row_of(o, "processes", "name", "hello.exe");

	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "processes")), 2);
	ck_assert_double_eq(number(row, "pid"), 100);
	ck_assert_double_eq(number(row, "ws"), K(6));
	ck_assert_double_eq(number(row, "ws_private"), K(4));
	ck_assert_double_eq(number(row, "commit"), K(278));
	ck_assert_ptr_null(cJSON_GetObjectItem(o, "notes"));
	cJSON_Delete(o);
}
END_TEST

START_TEST(vmmap_counts_every_page)
{
	static const struct {
		const char *type;
		double size, committed, priv, ws, ws_private, shareable, shared, locked, blocks;
	} rows[] = {
	    {"Heap", K(16), K(16), K(16), K(3), K(3), 0, 0, K(1), 1},
	    {"Image", K(8), K(8), K(6), K(3), K(1), K(2), K(1), 0, 4},
	    {"Private Data", K(1024), K(256), K(256), 0, 0, 0, 0, 0, 2},
	    {"Shareable", K(4), K(4), 0, 0, 0, 0, 0, 0, 1},
	    {"Page Table", K(10), K(10), K(10), 0, 0, 0, 0, 0, 10},
	    {"Unusable", K(8) + K(12), 0, 0, 0, 0, 0, 0, 0, 2},
	    {"Total", K(16 + 8 + 1024 + 4 + 10 + 20), K(16 + 8 + 256 + 4 + 10), K(288), K(6), K(4),
	     K(2), K(1), K(1), 20},
	};
	cJSON *o = shown("vmmap", 0, 0, 0, NULL);
	double all = 0;
	const cJSON *row;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		row = row_of(o, "summary", "type", rows[i].type);
		ck_assert_double_eq(number(row, "size"), rows[i].size);
		ck_assert_double_eq(number(row, "committed"), rows[i].committed);
		ck_assert_double_eq(number(row, "private"), rows[i].priv);
		ck_assert_double_eq(number(row, "ws"), rows[i].ws);
		ck_assert_double_eq(number(row, "ws_private"), rows[i].ws_private);
		ck_assert_double_eq(number(row, "ws_shareable"), rows[i].shareable);
		ck_assert_double_eq(number(row, "ws_shared"), rows[i].shared);
		ck_assert_double_eq(number(row, "ws_locked"), rows[i].locked);
		ck_assert_double_eq(number(row, "blocks"), rows[i].blocks);
	}
	/* of 1,024 pages, 256 committed and 768 reserved */
	ck_assert_double_eq(number(row_of(o, "summary", "type", "Private Data"), "largest"),
			    K(768));
	ck_assert_str_eq(text(row_of(o, "regions", "address", "0x400000"), "details"),
			 "D:\\dir\\hello.exe");
	ck_assert_str_eq(text(row_of(o, "regions", "address", "0x10000"), "details"), "Heap ID: 0");
	ck_assert_str_eq(text(row_of(o, "regions", "address", "0x800000"), "protection"),
			 "Read/Write");
	/* no address is left out, none told twice */
	cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "regions")) all += number(row, "size");
	ck_assert_double_eq(all, (double)(HIGHEST - 0x10000));
	cJSON_Delete(o);
}
END_TEST

START_TEST(rammap_accounts_for_every_frame)
{
	cJSON *o = shown("rammap", 0, 0, 0, NULL);
	const cJSON *total = row_of(o, "uses", "use", "Total"),
		    *ram_ = cJSON_GetObjectItem(o, "ram"), *row;
	double sum = 0, kernel = (double)((image_end + PAGE - 1) / PAGE - 1);

	cJSON_ArrayForEach(row, cJSON_GetObjectItem(o, "uses")) if (row != total) sum +=
	    number(row, "total");
	ck_assert_double_eq(sum, number(total, "total"));
	ck_assert_double_eq(sum, K(FRAMES - 1)); /* frame 0 has no entry */
	ck_assert_double_eq(number(ram_, "reserved"), K(1));
	ck_assert_double_eq(number(ram_, "installed"), K(FRAMES));
	row = row_of(o, "uses", "use", "Process Private");
	ck_assert_double_eq(number(row, "active"), K(4));
	ck_assert_double_eq(number(row, "standby"), K(1));
	row = row_of(o, "uses", "use", "Mapped File");
	ck_assert_double_eq(number(row, "active"), K(2));
	row = row_of(o, "uses", "use", "Shareable");
	ck_assert_double_eq(number(row, "modified"), K(1));
	ck_assert_double_eq(number(row_of(o, "uses", "use", "Kernel"), "total") +
				number(row_of(o, "uses", "use", "Nonpaged Pool"), "total"),
			    K(kernel));
	row = row_of(o, "files", "path", "D:\\dir\\hello.exe");
	ck_assert_double_eq(number(row, "total"), K(2));
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "files")), 1);
	cJSON_Delete(o);
}
END_TEST

START_TEST(counters_and_rates)
{
	cJSON *o = shown("counters", 0, 0, 0, NULL);
	struct view_sample before = {.valid = true, .ns = window.now_ns - 2000000000u};
	const cJSON *counts = cJSON_GetObjectItem(o, "counts"),
		    *values = cJSON_GetObjectItem(o, "values");

	ck_assert_double_eq(number(counts, "page_faults"), 100);
	ck_assert_double_eq(number(counts, "pages_input"), 30);
	ck_assert_double_eq(number(values, "available_bytes"), K(6));
	ck_assert_double_eq(number(values, "standby_normal_bytes"), K(1));
	ck_assert_double_eq(number(values, "committed_percent"), 25);
	ck_assert_str_eq(text(row_of(o, "checks", "left", "Page Faults"), "holds"), "yes");
	ck_assert_str_eq(text(row_of(o, "checks", "left", "Available Bytes"), "holds"), "yes");
	/* this machine's lists are made up */
	ck_assert_str_eq(text(row_of(o, "checks", "left", "Pages on the lists"), "holds"), "no");
	ck_assert_ptr_null(cJSON_GetObjectItem(o, "rates"));
	cJSON_Delete(o);

	before.counters.faults_total = 60;
	o = shown("counters", 0, 0, 0, &before);
	ck_assert_double_eq(number(cJSON_GetObjectItem(o, "rates"), "page_faults_per_sec"), 20);
	ck_assert_double_eq(number(cJSON_GetObjectItem(o, "rates"), "pages_per_sec"), 15);
	cJSON_Delete(o);
}
END_TEST

START_TEST(resmon_adds_up)
{
	cJSON *o = shown("resmon", 0, 0, 0, NULL);
	const cJSON *m = cJSON_GetObjectItem(o, "memory"),
		    *p = row_of(o, "processes", "name", "hello.exe");

	ck_assert_double_eq(number(m, "hardware_reserved") + number(m, "in_use") +
				number(m, "modified") + number(m, "standby") + number(m, "free"),
			    number(m, "installed"));
	ck_assert_double_eq(number(m, "standby"), K(1));
	ck_assert_double_eq(number(m, "modified"), K(1));
	ck_assert_double_eq(number(p, "private"), K(4));
	ck_assert_double_eq(number(p, "shareable"), K(2));
	cJSON_Delete(o);
}
END_TEST

START_TEST(single_entries)
{
	cJSON *o = shown("pte", 2, 100, A_VA + 3 * PAGE, NULL);
	const cJSON *row = row_of(o, "entries", "level", "PTE");
	char pfn[24];

	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "entries")), 4);
	ck_assert_str_eq(text(row, "kind"), "Transition");
	ck_assert_str_eq(text(row, "protection"), "Read/Write");
	cJSON_Delete(o);

	o = shown("pte", 2, 100, A_VA + 4 * PAGE, NULL);
	ck_assert_str_eq(text(row_of(o, "entries", "level", "PTE"), "flags"), "pagefile 0, slot 9");
	cJSON_Delete(o);

	o = shown("pte", 2, 100, IMAGE_VA + 3 * PAGE, NULL);
	ck_assert_str_eq(text(row_of(o, "entries", "level", "Prototype"), "kind"), "Prototype");
	cJSON_Delete(o);

	o = shown("pfn", 1, shared_pfn, 0, NULL);
	row = cJSON_GetObjectItem(o, "frame");
	snprintf(pfn, sizeof(pfn), "0x%llx", (unsigned long long)shared_pfn);
	ck_assert_str_eq(text(row, "pfn"), pfn);
	ck_assert_str_eq(text(row, "state"), "Active");
	ck_assert_str_eq(text(row, "use"), "Mapped File");
	ck_assert_str_eq(text(row, "file"), "D:\\dir\\hello.exe");
	ck_assert_double_eq(number(row, "share"), 2);
	cJSON_Delete(o);

	o = shown("vad", 1, 100, 0, NULL);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "vads")), 4);
	ck_assert_str_eq(text(row_of(o, "vads", "start", "0x400"), "type"), "Mapped Exe");
	ck_assert_double_eq(number(row_of(o, "vads", "start", "0x400"), "level"), 2);
	cJSON_Delete(o);

	o = shown("vm", 0, 0, 0, NULL);
	ck_assert_int_eq(cJSON_GetArraySize(cJSON_GetObjectItem(o, "pagefiles")), 1);
	cJSON_Delete(o);
}
END_TEST

START_TEST(what_is_not_there_is_said)
{
	ck_assert_ptr_null(shown("vmmap", 1, 99, 0, NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "no process 99"));
	ck_assert_ptr_null(shown("pfn", 1, FRAMES, 0, NULL));
	ck_assert_ptr_null(shown("pfn", 1, 0, 0, NULL));
	window.root = 0;
	again_calls = 0;
	ck_assert_ptr_null(shown("vm", 0, 0, 0, NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "not up yet"));
	ck_assert_uint_gt(again_calls, 10);
	build();
	gone = true;
	ck_assert_ptr_null(shown("vm", 0, 0, 0, NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "has ended"));
	build();
	store(0x1000 + offsetof(struct ntmm_mminfo, version), NTMM_MMINFO_VERSION + 1, 4);
	ck_assert_ptr_null(shown("vm", 0, 0, 0, NULL));
	ck_assert_ptr_nonnull(strstr(err.text, "another version"));
}
END_TEST

START_TEST(a_busy_kernel_is_waited_for)
{
	cJSON *o;

	set_at(initial, NTMM_F_process_lock, 0);
	again_calls = 0;
	o = shown("processes", 0, 0, 0, NULL);
	ck_assert_uint_gt(again_calls, 10);
	ck_assert_ptr_nonnull(strstr(
	    cJSON_GetArrayItem(cJSON_GetObjectItem(o, "notes"), 0)->valuestring, "in the middle"));
	cJSON_Delete(o);
}
END_TEST

START_TEST(numbers_as_people_write_them)
{
	static const struct {
		const char *text;
		bool hex, ok;
		uint64_t v;
	} rows[] = {{"100", false, true, 100}, {"100", true, true, 0x100},
		    {"0x10", false, true, 16}, {"7ff`12340000", true, true, 0x7ff12340000},
		    {"", true, false, 0},      {"0x", true, false, 0},
		    {"12z", true, false, 0},   {"-1", false, false, 0},
		    {"a", false, false, 0},    {"11112222333344445", true, false, 0},
		    {"`", true, false, 0},     {"ffffffffffffffff", true, true, UINT64_MAX}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t v = 0;

		ck_assert_int_eq(view_number(rows[i].text, rows[i].hex, &v), rows[i].ok);
		if (rows[i].ok)
			ck_assert_uint_eq(v, rows[i].v);
	}
	ck_assert_ptr_eq(view_by_name("!pte", 4), view_by_name("pte", 3));
	ck_assert_ptr_null(view_by_name("pt", 2));
	ck_assert_ptr_null(view_by_name("!", 1));
}
END_TEST

/* ---- kernels that lie ---- */

/* A view as text and JSON, with little budget. */
static void show_one(struct look *l, const struct view *v, uint64_t a, uint64_t b)
{
	struct view_call c = {.arg = {a, b}, .args = v->args_most};
	struct doc *d = doc_new();
	char *s = NULL;
	size_t size;
	FILE *f;

	l->budget = FUZZ_BUDGET;
	l->cut = false;
	if (view_show(v, l, &c, d, &err) == 0) {
		f = open_memstream(&s, &size);
		doc_print(d, f);
		fclose(f);
		for (size_t at = 0; at < size; at++)
			ck_assert(s[at] == '\n' || (unsigned char)s[at] >= ' ');
		cJSON_Delete(doc_json(d));
	}
	free(s);
	doc_free(d);
}

static void show_everything(void)
{
	struct look l;

	if (look_open(&l, &window, &err))
		return;
	for (unsigned i = 0; view_at(i); i++) {
		show_one(&l, view_at(i), 100, A_VA + 3 * PAGE);
		show_one(&l, view_at(i), 100, IMAGE_VA);
		show_one(&l, view_at(i), 4, 0);
	}
	look_close(&l);
}

static bool cut_in(const char *name)
{
	cJSON *o = shown(name, 0, 0, 0, NULL), *n;
	bool said = false;

	cJSON_ArrayForEach(n, cJSON_GetObjectItem(o, "notes")) said |=
	    strstr(n->valuestring, "left out") != NULL;
	cJSON_Delete(o);
	return said;
}

START_TEST(lists_without_end)
{
	uint64_t link = initial + root.field[NTMM_F_process_link];

	store(link, kva(link), 8); /* never back at the head */
	ck_assert(cut_in("processes"));
	show_everything();
	store(link, 0, 8);
	ck_assert(cut_in("processes"));
	store(link, 0xdeadbeef00000000, 8);
	ck_assert(cut_in("processes"));
}
END_TEST

START_TEST(trees_that_are_none)
{
	set_at(vad_a, NTMM_F_vad_left, kva(vad_reserve)); /* a ring */
	ck_assert(cut_in("vmmap"));
	show_everything();
	build();
	set_at(vad_section, NTMM_F_vad_right, kva(vad_a)); /* out of order */
	ck_assert(cut_in("vmmap"));
	build();
	set_at(vad_section, NTMM_F_vad_end, UINT64_MAX);
	ck_assert(cut_in("vmmap"));
	build();
	set_at(vad_section, NTMM_F_vad_start, 0xffffffffffull);
	ck_assert(cut_in("vmmap"));
	show_everything();
}
END_TEST

START_TEST(tables_that_lead_into_themselves)
{
	uint64_t t = root_of(initial);

	for (unsigned i = 0; i < 256; i++)
		store(t + i * 8ull, t | USER_BITS, 8);
	ck_assert(cut_in("processes"));
	show_everything();
	for (unsigned i = 0; i < 512; i++) /* and the kernel's, where the database is */
		store(system_root + i * 8ull, system_root | NTMM_PTE_VALID, 8);
	show_everything();
}
END_TEST

START_TEST(sizes_that_cannot_be)
{
	uint64_t all = HIGHEST / PAGE - 1;

	/* a section over all addresses whose prototypes have to be looked at one by one */
	set_at(initial, NTMM_F_process_vads, kva(vad_section));
	set_at(vad_section, NTMM_F_vad_start, 16);
	set_at(vad_section, NTMM_F_vad_end, all);
	set_at(vad_section, NTMM_F_vad_ca, kva(image_ca));
	set_at(image_ca, NTMM_F_ca_reserve, 1);
	set_at(image_ca, NTMM_F_ca_pages, UINT64_MAX);
	set_at(image_ca, NTMM_F_ca_subsections, UINT32_MAX);
	ck_assert(cut_in("vmmap"));
	show_everything();
	set_at(image_ca, NTMM_F_ca_proto, UINT64_MAX - 15);
	set_at(image_ca, NTMM_F_ca_subsection, UINT64_MAX - 15);
	show_everything();
	build();
	set_variable(NTMM_V_highest_pfn, UINT32_MAX);
	ck_assert(!cut_in("rammap")); /* there is no more RAM than there is */
	for (unsigned i = 0; i < NTMM_F_COUNT; i++)
		store(0x1000 + offsetof(struct ntmm_mminfo, field) + i * 2, 0xfff0, 2);
	ck_assert_ptr_null(shown("vm", 0, 0, 0, NULL));
	build();
	store(0x1000 + offsetof(struct ntmm_mminfo, pfn_bytes), 0x10000, 4);
	ck_assert_ptr_null(shown("rammap", 0, 0, 0, NULL));
	build();
	window.root = RAM - 8;
	ck_assert_ptr_null(shown("vm", 0, 0, 0, NULL));
}
END_TEST

START_TEST(heaps_of_a_hostile_program)
{
	uint64_t base = heap_pfn * PAGE;

	store(base + NTMM_HEAP_LARGE, A_VA + PAGE + 0x700, 8); /* a ring beside the head */
	store(base + 0x700, A_VA + PAGE + 0x700, 8);
	ck_assert(!cut_in("vmmap"));
	show_everything();
	store(base + NTMM_HEAP_LARGE, 0xffff800000000000, 8);
	show_everything();
	store((heap_pfn - 1) * PAGE + NTMM_PEB_HEAP_COUNT, UINT32_MAX, 4);
	store((heap_pfn - 1) * PAGE + NTMM_PEB_HEAPS, HIGHEST - 4, 8);
	show_everything();
}
END_TEST

START_TEST(names_are_made_printable)
{
	uint64_t path;
	cJSON *o;

	memcpy(ram + initial + root.field[NTMM_F_process_name], "\033[2Jx\xff\n", 8);
	memset(ram + initial + root.field[NTMM_F_process_name] + 7, 'A', 25); /* no end */
	o = shown("processes", 0, 0, 0, NULL);
	row_of(o, "processes", "name", "?[2Jx??AAAAAAAAAAAAAAAAAAAAAAAAA");
	cJSON_Delete(o);
	path = make(16);
	memcpy(ram + path, "\xc3\xa4/\x01.txt", 9);
	{
		uint64_t file;

		memcpy(&file, ram + image_ca + root.field[NTMM_F_ca_file], 8);
		set_at(file - IMAGE, NTMM_F_file_path, kva(path));
	}
	o = shown("vmmap", 0, 0, 0, NULL);
	ck_assert_str_eq(text(row_of(o, "regions", "address", "0x400000"), "details"),
			 "D:\\\xc3\xa4\\?.txt");
	cJSON_Delete(o);
}
END_TEST

/* xorshift64* */
static uint64_t seed;
static uint64_t rnd(void)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return seed * 0x2545f4914f6cdd1dull;
}

static uint64_t nasty(void)
{
	switch (rnd() % 8) {
	case 0:
		return 0;
	case 1:
		return UINT64_MAX;
	case 2:
		return 1ull << rnd() % 64;
	case 3:
		return kva(rnd() % image_end);
	case 4:
		return (rnd() % FRAMES) * PAGE | USER_BITS | (rnd() & 0xf80);
	case 5:
		return (initial + rnd() % 1024) | IMAGE;
	case 6:
		return rnd() % FRAMES;
	}
	return rnd();
}

/* Words of what was made, most often of the objects that matter; and of the root. */
static uint64_t somewhere(uint64_t tables)
{
	const uint64_t parts[] = {initial,     other,	    vad_a,	 vad_image,
				  vad_reserve, vad_section, image_ca,	 image_proto,
				  tables,      0x1000,	    system_root, heap_pfn * PAGE};

	switch (rnd() % 4) {
	case 0:
		return rnd() % image_end;
	case 1:
		return database_gpa + rnd() % (FRAMES * PFN_BYTES);
	}
	return parts[rnd() % (sizeof(parts) / sizeof(parts[0]))] + rnd() % 1024;
}

START_TEST(random_words)
{
	uint64_t tables = root_of(initial);
	unsigned words;

	seed = (unsigned)_i * 7919u + 1;
	for (words = 1u << rnd() % 9; words; words--) {
		uint64_t v = nasty();

		memcpy(ram + (somewhere(tables) & ~3ull), &v, rnd() % 3 ? 8 : 4);
	}
	show_everything();
}
END_TEST

Suite *inspect_suite(void)
{
	Suite *s = suite_create("inspect");
	TCase *t = tcase_create("views"), *lies = tcase_create("lies");

	tcase_add_checked_fixture(t, build, NULL);
	tcase_add_test(t, processes_and_their_private_pages);
	tcase_add_test(t, vmmap_counts_every_page);
	tcase_add_test(t, rammap_accounts_for_every_frame);
	tcase_add_test(t, counters_and_rates);
	tcase_add_test(t, resmon_adds_up);
	tcase_add_test(t, single_entries);
	tcase_add_test(t, what_is_not_there_is_said);
	tcase_add_test(t, a_busy_kernel_is_waited_for);
	tcase_add_test(t, numbers_as_people_write_them);
	suite_add_tcase(s, t);
	tcase_add_checked_fixture(lies, build, NULL);
	tcase_set_timeout(lies, 60);
	tcase_add_test(lies, lists_without_end);
	tcase_add_test(lies, trees_that_are_none);
	tcase_add_test(lies, tables_that_lead_into_themselves);
	tcase_add_test(lies, sizes_that_cannot_be);
	tcase_add_test(lies, heaps_of_a_hostile_program);
	tcase_add_test(lies, names_are_made_printable);
	tcase_add_loop_test(lies, random_words, 0, FUZZ_MACHINES);
	suite_add_tcase(s, lies);
	return s;
}
