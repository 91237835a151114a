/*
 * A small machine's memory made by hand, as the kernel would have it, for tests of what looks into
 * it: kernel image, PFN database, two processes, regions of each kind. Field offsets are the test's
 * own, since the root says what they are.
 */
#ifndef TESTS_INSPECT_IMAGE_H
#define TESTS_INSPECT_IMAGE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/inspect/look.h"

#define FRAMES	   2048u
#define PAGE	   4096ull
#define RAM	   (FRAMES * PAGE)
#define IMAGE	   0xfffff80000000000ull
#define DIRECT	   0xffffa00000000000ull
#define DATABASE   0xfffffa8000000000ull
#define PFN_BYTES  48u
#define HIGHEST	   0x7fffffff0000ull
#define FIRST_DATA 0x2000u /* gpa: what is made lies from here on */

#define USER_BITS (NTMM_PTE_VALID | NTMM_PTE_USER | NTMM_PTE_ACCESSED)

static uint8_t ram[RAM];
static struct ntmm_mminfo root;
static uint64_t next_gpa; /* of what is made next */
static uint64_t system_root, initial, other;
static bool gone; /* reads fail: the machine has ended */
static uint64_t again_calls;

static uint64_t make(size_t bytes)
{
	uint64_t gpa = next_gpa;

	next_gpa += (bytes + 15) & ~15ull;
	ck_assert_uint_lt(next_gpa, RAM / 2);
	return gpa;
}
static uint64_t make_page(void)
{
	next_gpa = (next_gpa + PAGE - 1) & ~(PAGE - 1);
	return make(PAGE);
}
static void store(uint64_t gpa, uint64_t v, size_t bytes)
{
	memcpy(ram + gpa, &v, bytes);
}
static void set_at(uint64_t gpa, enum ntmm_field f, uint64_t v)
{
	store(gpa + root.field[f], v, look_width(f) < 8 ? look_width(f) : 8);
}
static uint64_t kva(uint64_t gpa)
{
	return gpa ? IMAGE + gpa : 0;
}

/* ---- page tables ---- */

static void map(uint64_t table_root, uint64_t va, uint64_t entry, unsigned level, uint64_t bits)
{
	uint64_t table = table_root;

	for (unsigned at = 4; at > level; at--) {
		uint64_t slot = table + (va >> (12 + 9 * (at - 1)) & 511) * 8, e;

		memcpy(&e, ram + slot, 8);
		if (!e) {
			e = make_page() | NTMM_PTE_VALID | NTMM_PTE_WRITE | bits;
			store(slot, e, 8);
		}
		table = e & NTMM_PTE_FRAME;
	}
	store(table + (va >> (12 + 9 * (level - 1)) & 511) * 8, entry, 8);
}

/* ---- frames ---- */

static uint64_t database_gpa;

static uint64_t frame_gpa(uint64_t pfn)
{
	return database_gpa + pfn * PFN_BYTES;
}
static void set_frame(uint64_t pfn, unsigned state, unsigned flags, unsigned use, unsigned share,
		      uint64_t original)
{
	uint64_t at = frame_gpa(pfn);

	set_at(at, NTMM_F_pfn_state, state);
	set_at(at, NTMM_F_pfn_flags, flags);
	set_at(at, NTMM_F_pfn_use, use);
	set_at(at, NTMM_F_pfn_share, share);
	set_at(at, NTMM_F_pfn_refs, share ? 1 : 0);
	set_at(at, NTMM_F_pfn_original, original);
	set_at(at, NTMM_F_pfn_priority, 5);
}

static uint64_t next_page = RAM / 2 / PAGE; /* frames of programs */
static uint64_t take_frame(void)
{
	ck_assert_uint_lt(next_page, FRAMES);
	return next_page++;
}

static uint64_t valid(uint64_t pfn, unsigned prot)
{
	return pfn * PAGE | USER_BITS | (uint64_t)prot << NTMM_PTE_VALID_PROT;
}
static uint64_t transition(uint64_t pfn, unsigned prot)
{
	return pfn * PAGE | NTMM_PTE_TRANSITION | (uint64_t)prot << NTMM_PTE_PROT;
}

/* ---- objects ---- */

static uint64_t make_object(void)
{
	return make(1024); /* larger than any offset below */
}

static void lay_out(void)
{
	static const struct {
		enum ntmm_field f;
		uint16_t offset;
	} fixed[] = {{NTMM_F_list_head, 0},	{NTMM_F_list_tail, 4},	{NTMM_F_list_count, 8},
		     {NTMM_F_slots_pages, 8},	{NTMM_F_slots_max, 16}, {NTMM_F_slots_used, 24},
		     {NTMM_F_pfn_flink, 0},	{NTMM_F_pfn_blink, 4},	{NTMM_F_pfn_pte, 8},
		     {NTMM_F_pfn_original, 16}, {NTMM_F_pfn_share, 24}, {NTMM_F_pfn_refs, 28},
		     {NTMM_F_pfn_state, 30},	{NTMM_F_pfn_flags, 31}, {NTMM_F_pfn_pte_frame, 32},
		     {NTMM_F_pfn_priority, 36}, {NTMM_F_pfn_use, 37}};
	uint16_t offset = 0;

	memset(&root, 0, sizeof(root));
	root.magic = NTMM_MMINFO_MAGIC;
	root.version = NTMM_MMINFO_VERSION;
	root.fields = NTMM_F_COUNT;
	root.variables = NTMM_V_COUNT;
	root.pfn_bytes = PFN_BYTES;
	root.subsection_bytes = 1024;
	root.pagefile_bytes = 40;
	root.user_slots = 256;
	root.image = IMAGE;
	root.direct_map = DIRECT;
	root.code = IMAGE + 0x200000;
	root.code_end = IMAGE + 0x240000;
	root.pfn_database = DATABASE;
	for (unsigned f = 0; f < NTMM_F_COUNT; f++) {
		root.field[f] = offset;
		offset = (uint16_t)((offset + look_width(f) + 7) & ~7u);
	}
	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		root.field[fixed[i].f] = fixed[i].offset;
	ck_assert_uint_lt(offset, 1024);
}

static void set_variable(enum ntmm_variable v, uint64_t value)
{
	store(root.variable[v] - IMAGE, value, 8);
}
static void set_list(enum ntmm_variable v, unsigned i, uint64_t count)
{
	store(root.variable[v] - IMAGE + i * 16ull + 8, count, 8);
}

/* Puts an object at the end of the list whose head is at `head`. */
static void chain(uint64_t head, uint64_t object, enum ntmm_field link)
{
	uint64_t at = head, next;

	for (memcpy(&next, ram + at, 8); next != kva(head); memcpy(&next, ram + at, 8))
		at = next - IMAGE;
	store(at, kva(object + root.field[link]), 8);
	store(object + root.field[link], kva(head), 8);
}

static uint64_t make_process(uint32_t pid, const char *name)
{
	uint64_t p = make_object(), table = make_page();

	memcpy(ram + p + root.field[NTMM_F_process_name], name, strlen(name) + 1);
	set_at(p, NTMM_F_process_pid, pid);
	set_at(p, NTMM_F_process_lock, 1);
	set_at(p, NTMM_F_process_root, table / PAGE);
	set_at(p, NTMM_F_process_highest, HIGHEST - 1);
	store(p + root.field[NTMM_F_process_threads], kva(p + root.field[NTMM_F_process_threads]),
	      8);
	chain(root.variable[NTMM_V_processes] - IMAGE, p, NTMM_F_process_link);
	return p;
}

static uint64_t root_of(uint64_t process)
{
	uint32_t pfn;

	memcpy(&pfn, ram + process + root.field[NTMM_F_process_root], 4);
	return pfn * PAGE;
}

static uint64_t make_vad(unsigned type, uint64_t start, uint64_t pages, unsigned prot,
			 uint32_t win32)
{
	uint64_t v = make_object();

	set_at(v, NTMM_F_vad_start, start / PAGE);
	set_at(v, NTMM_F_vad_end, start / PAGE + pages - 1);
	set_at(v, NTMM_F_vad_type, type);
	set_at(v, NTMM_F_vad_prot, prot);
	set_at(v, NTMM_F_vad_win32_prot, win32);
	return v;
}

/* A file object D:\dir\NAME. */
static uint64_t make_file(const char *path)
{
	uint64_t f = make_object(), fcb = make_object(), session = make(16), text = make(300);

	ram[session] = 'D';
	memcpy(ram + text, path, strlen(path) + 1);
	set_at(f, NTMM_F_file_path, kva(text));
	set_at(f, NTMM_F_file_fcb, kva(fcb));
	set_at(fcb, NTMM_F_fcb_session, kva(session));
	return f;
}

/* A control area of so many pages; *proto: gpa of its prototypes. One subsection a protection. */
static uint64_t make_ca(uint64_t file, bool image, uint64_t pages, uint64_t *proto,
			unsigned subsections, const uint64_t first[], const unsigned prot[])
{
	uint64_t ca = make_object(), sub = make(subsections * 1024ull);

	*proto = make(pages * 8);
	set_at(ca, NTMM_F_ca_file, kva(file));
	set_at(ca, NTMM_F_ca_image, image);
	set_at(ca, NTMM_F_ca_pages, pages);
	set_at(ca, NTMM_F_ca_proto, kva(*proto));
	set_at(ca, NTMM_F_ca_subsection, kva(sub));
	set_at(ca, NTMM_F_ca_subsections, subsections);
	for (unsigned i = 0; i < subsections; i++) {
		set_at(sub + i * 1024ull, NTMM_F_subsection_ca, kva(ca));
		set_at(sub + i * 1024ull, NTMM_F_subsection_first, first[i]);
		set_at(sub + i * 1024ull, NTMM_F_subsection_prot, prot[i]);
	}
	return ca;
}
/* The entry of a prototype whose page is in its file: names subsection i. */
static uint64_t in_file(uint64_t ca, unsigned i, unsigned prot)
{
	uint64_t sub;

	memcpy(&sub, ram + ca + root.field[NTMM_F_ca_subsection], 8);
	return (sub + i * 1024ull) << NTMM_PTE_SUBSECTION | NTMM_PTE_PROTOTYPE |
	       (uint64_t)prot << NTMM_PTE_PROT;
}

/* ---- the window ---- */

static int window_read(struct vm_window *w, uint64_t gpa, void *buf, size_t len)
{
	(void)w;
	if (gone)
		return -EPIPE;
	if (gpa > RAM || len > RAM - gpa)
		return -EFAULT;
	memcpy(buf, ram + gpa, len);
	return 0;
}
static int window_again(struct vm_window *w)
{
	(void)w;
	again_calls++;
	return 0;
}
static struct vm_window window = {.ram_bytes = RAM,
				  .root = 0x1000,
				  .root_bytes = sizeof(root),
				  .now_ns = 5000000000,
				  .cpus = 1,
				  .read = window_read,
				  .again = window_again};

#endif
