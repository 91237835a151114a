/*
 * The first process, from the run block; the PEB and process parameters that every first thread
 * writes into its own process; and the end of the machine when the first process ends.
 */
#include "guest/ps/ps.h"
#include "guest/ps/psi.h"
#include "guest/ps/params.h"
#include "guest/mm/mi.h"
#include "guest/mm/nt_memory.h"
#include "guest/io/io.h"
#include "guest/abi/machine.h"
#include "guest/abi/runblock.h"

void ps_free_startup(struct startup *s)
{
	void *blocks[] = {s->image_path, s->command_line, s->cwd,	   s->environment,
			  s->desktop,	 s->title,	  s->runtime_data, s->dll_path};

	for (u32 i = 0; i < ARRAY_SIZE(blocks); i++)
		if (blocks[i])
			ExFreePool(blocks[i]);
	ExFreePool(s);
}

static NTSTATUS put_string(u64 *at, const void *data, u64 bytes, struct unicode_string *u)
{
	u16 zero = 0;
	NTSTATUS st = bytes ? copy_to_user((void *)*at, data, bytes) : STATUS_SUCCESS;

	if (!st)
		st = copy_to_user((void *)(*at + bytes), &zero, 2);
	u->bytes = (u16)bytes;
	u->room = (u16)MIN(bytes + 2, 0xfffeul);
	u->buffer = *at;
	*at = ALIGN_UP(*at + bytes + 2, 16);
	return st;
}

static NTSTATUS write_parameters(struct startup *s, u64 *where)
{
	static const u16 system_path[] = u"C:\\Windows\\System32;C:\\Windows";
	const u16 *dll_path = s->dll_path ? s->dll_path : system_path;
	u32 dll_chars = s->dll_path ? s->dll_chars : ARRAY_SIZE(system_path) - 1;
	EPROCESS *p = PsGetCurrentProcess();
	struct process_parameters pp = {0};
	u64 size = sizeof(pp) + 1024 +
		   2ul * (s->image_chars + s->command_chars + s->cwd_chars + s->environment_chars +
			  s->desktop_chars + s->title_chars + dll_chars) +
		   s->runtime_bytes;
	u64 base = 0, at;
	NTSTATUS st = MmAllocatePrivate(p, &base, &size, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);

	if (st)
		return st;
	at = ALIGN_UP(base + sizeof(pp), 16);
	pp.maximum_length = pp.length = (u32)size;
	pp.flags = PARAMETERS_NORMALIZED;
	for (u32 i = 0; i < 3; i++)
		pp.std[i] = s->std[i];
	pp.cwd_handle = s->cwd_handle;
	memcpy(pp.start, s->start, sizeof(pp.start));
	pp.window_flags = s->window_flags;
	pp.show_window = s->show_window;
	if ((st = put_string(&at, s->cwd, s->cwd_chars * 2ul, &pp.cwd)) ||
	    (st = put_string(&at, dll_path, dll_chars * 2ul, &pp.dll_path)) ||
	    (st = put_string(&at, s->image_path, s->image_chars * 2ul, &pp.image_path)) ||
	    (st = put_string(&at, s->command_line, s->command_chars * 2ul, &pp.command_line)) ||
	    (st = put_string(&at, s->title, s->title_chars * 2ul, &pp.title)) ||
	    (st = put_string(&at, s->desktop, s->desktop_chars * 2ul, &pp.desktop)) ||
	    (st = put_string(&at, s->runtime_data, s->runtime_bytes, &pp.runtime)))
		return st;
	pp.environment = at;
	pp.environment_size = s->environment_chars * 2ul;
	st = copy_to_user((void *)at, s->environment, s->environment_chars * 2ul);
	*where = base;
	if (s->written)
		s->written->parameters = base;
	return st ? st : copy_to_user((void *)base, &pp, sizeof(pp));
}

static NTSTATUS put(u64 va, u64 value, u32 bytes)
{
	return copy_to_user((void *)va, &value, bytes);
}

NTSTATUS ps_write_startup(struct startup *s)
{
	EPROCESS *p = PsGetCurrentProcess();
	const struct pe_image *pe = p->image;
	u64 peb = p->peb, parameters = 0;
	NTSTATUS st = write_parameters(s, &parameters);
	const struct {
		u32 offset, bytes;
		u64 value;
	} fields[] = {
	    {0x02, 1, p->debug != NULL}, /* BeingDebugged */
	    {0x08, 8, ~0ul},		 /* Mutant */
	    {0x10, 8, p->image_base},
	    {0x20, 8, parameters},
	    {0xb8, 4, ke_cpu_count},
	    {0xc8, 8, pe->heap_reserve},
	    {0xd0, 8, pe->heap_commit},
	    {0xd8, 8, 0x10000}, /* HeapDeCommitTotalFreeThreshold */
	    {0xe0, 8, 0x1000},	/* HeapDeCommitFreeBlockThreshold */
	    {0x118, 4, 10},	/* OSMajorVersion */
	    {0x11c, 4, 0},
	    {0x120, 2, 19045}, /* OSBuildNumber */
	    {0x124, 4, 2},     /* OSPlatformId */
	    {0x128, 4, pe->subsystem},
	    {0x12c, 4, pe->subsystem_major},
	    {0x130, 4, pe->subsystem_minor},
	    {0x2c0, 4, 1}, /* SessionId */
	};

	for (u32 i = 0; !st && i < ARRAY_SIZE(fields); i++)
		st = put(peb + fields[i].offset, fields[i].value, fields[i].bytes);
	return st;
}

/* ---- the first process ---- */

static u16 *utf16(const char *s, u32 *chars, const char *prefix)
{
	size_t n = strlen(s) + strlen(prefix), out = 0;
	u16 *w = ExAllocatePool(2 * n + 2, TAG('U', 't', '1', '6'));
	const char *parts[] = {prefix, s};

	if (!w)
		return NULL;
	for (u32 k = 0; k < 2; k++)
		for (const u8 *p = (const u8 *)parts[k]; *p;) {
			u32 c = *p++;
			u32 more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;

			if (more)
				c &= 0x3fu >> more;
			while (more-- && (*p & 0xc0) == 0x80)
				c = c << 6 | (*p++ & 0x3f);
			if (c >= 0x10000) {
				w[out++] = (u16)(0xd800 + ((c - 0x10000) >> 10));
				c = 0xdc00 + ((c - 0x10000) & 0x3ff);
			}
			w[out++] = (u16)c;
		}
	*chars = (u32)out;
	return w;
}

static u16 *environment(u32 *chars)
{
	u32 room = 2, at = 0;
	const char *e = NULL;
	u16 *block;

	while ((e = runblock_next("env", e)))
		room += (u32)strlen(e) + 1;
	block = ExAllocatePool(room * 2ul, TAG('E', 'n', 'v', ' '));
	if (!block)
		return NULL;
	while ((e = runblock_next("env", e))) {
		u32 n;
		u16 *w = utf16(e, &n, "");

		if (!w)
			break;
		memcpy(block + at, w, n * 2ul);
		at += n + 1;
		ExFreePool(w);
	}
	*chars = at ? at + 1 : 2;
	return block;
}

static NTSTATUS open_std(EPROCESS *p, const u16 *name, u32 chars, bool write, HANDLE *h)
{
	struct FILE_OBJECT *f;
	NTSTATUS st = IoOpenFile(name, chars, write, &f);

	if (st)
		return st;
	st = ObCreateHandleIn(p, f,
			      write ? 0x120196 | 0x80 : 0x120089, /* FILE_GENERIC_WRITE, _READ */
			      OBJ_INHERIT, h);
	ObDereferenceObject(f);
	return st;
}

static _Noreturn void fail(const char *what, const char *name, NTSTATUS st)
{
	char line[256];
	int n = ke_snprintf(line, sizeof(line), "ntmm: %s %s (status 0x%08x)\n", what,
			    name ? name : "", (u32)st);

	IoConsoleWrite(NTMM_CONSOLE_STDERR, line, (u32)MIN(n, 255));
	ps_end_machine(st);
}

static NTSTATUS std_handles(EPROCESS *p, struct startup *s)
{
	static const u16 in[] = u"\\Device\\ConIn", out[] = u"\\Device\\ConOut",
			 err[] = u"\\Device\\ConErr";
	NTSTATUS st = open_std(p, in, ARRAY_SIZE(in) - 1, false, &s->std[0]);

	if (!st)
		st = open_std(p, out, ARRAY_SIZE(out) - 1, true, &s->std[1]);
	if (!st)
		st = open_std(p, err, ARRAY_SIZE(err) - 1, true, &s->std[2]);
	return st;
}

void PsStartInitialProcess(void)
{
	const char *exe = runblock_get("exe"), *line = runblock_get("cmdline"),
		   *cwd = runblock_get("cwd");
	struct startup *s = ExAllocatePool(sizeof(*s), TAG('P', 's', 'S', 't'));
	struct thread_request r = {.first = true, .startup = s};
	struct FILE_OBJECT *f;
	u32 path_chars;
	EPROCESS *p;
	ETHREAD *t;
	NTSTATUS st;
	u16 *path;

	if (!exe)
		fail("the run block names no program", "", STATUS_NO_SUCH_FILE);
	path = utf16(exe, &path_chars, "\\??\\");
	if (!s || !path)
		fail("no memory to start", exe, STATUS_NO_MEMORY);
	s->image_path = utf16(exe, &s->image_chars, "");
	s->command_line = utf16(line ? line : exe, &s->command_chars, "");
	s->cwd = utf16(cwd ? cwd : "D:\\", &s->cwd_chars, "");
	s->environment = environment(&s->environment_chars);
	if (!s->image_path || !s->command_line || !s->cwd || !s->environment)
		fail("no memory to start", exe, STATUS_NO_MEMORY);
	st = IoOpenFile(path, path_chars, false, &f);
	if (st)
		fail("cannot open", exe, st);
	st = ps_create_process(f, path, path_chars, NULL, &p);
	IoDereferenceFile(f);
	ExFreePool(path);
	if (!NT_SUCCESS(st))
		fail("cannot load", exe, st);
	p->is_initial = true;
	st = std_handles(p, s);
	if (!st)
		st = ps_create_thread(p, &r, &t);
	if (st)
		fail("cannot start", exe, st);
	ke_start_thread(&t->k);
	ObDereferenceObject(t);
}

void ps_mark_first_user(void)
{
	MmCounters.boot_ticks = rdtsc() - ke_entry_tsc - ke_cpu[0]->idle_ticks;
	if (ke_on_ntmm)
		hypercall(NTMM_HC_MARK, NTMM_MARK_FIRST_USER, 0, 0, 0);
}

_Noreturn void ps_end_machine(NTSTATUS status)
{
	const char *debug = runblock_get("debug");
	u64 errors = 0;

	if (ke_on_ntmm)
		hypercall(NTMM_HC_MARK, NTMM_MARK_PROGRAM_EXIT, 0, 0, 0);
	if (debug && !strncmp(debug, "pfncheck", 8))
		errors = MmPfnCheck();
	IoConsoleDrain();
	if (errors)
		KeBugCheckEx(PFN_LIST_CORRUPT, errors, 0, 0, 0, "pfncheck at exit");
	MmRefreshCounters();
	if (ke_on_ntmm)
		hypercall(NTMM_HC_EXIT, (u32)status, 0, 0, 0);
	dbg_print("exit 0x%x\n", (u32)status);
	outb(0xf4, (u8)status); /* QEMU's isa-debug-exit, where it has one; else */
	outw(0x604, 0x2000);	/* PM1a_CNT where its firmware puts it on a q35: soft off */
	for (;;)
		__asm__ volatile("cli; hlt");
}
