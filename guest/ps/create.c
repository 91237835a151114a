/*
 * NtCreateUserProcess: a process around an EXE with its first thread, as CreateProcess asks for it.
 *
 * Everything the caller hands over is captured first; then the process is made, gets its handles
 * and its job, and a first thread. That thread writes its own PEB, parameters and stack before the
 * call returns, so the maker of a suspended process finds them there. A process that does not come
 * to that point is taken back as a whole.
 */
#include "guest/ps/info.h"
#include "guest/ps/params.h"
#include "guest/io/io.h"
#include "guest/ke/syscall.h"
#include "guest/mm/vmcalls.h"

/* Process flags (PROCESS_CREATE_FLAGS_*) and thread flags */
#define CREATE_BREAKAWAY	0x001u
#define CREATE_NO_DEBUG_INHERIT 0x002u
#define CREATE_INHERIT_HANDLES	0x004u
#define CREATE_SUSPENDED	0x200u
#define THREAD_SUSPENDED	0x001u

/* PS_ATTRIBUTE_*: number, and bits for "of a thread too", "input", "additive" */
#define ATTRIBUTE_NUMBER      0xffffu
#define ATTRIBUTES	      32u
#define ATTRIBUTE_PARENT      0x60000u
#define ATTRIBUTE_DEBUG	      0x60001u
#define ATTRIBUTE_CLIENT_ID   0x10003u
#define ATTRIBUTE_TEB	      0x10004u
#define ATTRIBUTE_IMAGE_NAME  0x20005u
#define ATTRIBUTE_IMAGE_INFO  0x00006u
#define ATTRIBUTE_PRIORITY    0x20008u
#define ATTRIBUTE_ERROR_MODE  0x20009u
#define ATTRIBUTE_STD_HANDLES 0x2000au
#define ATTRIBUTE_HANDLE_LIST 0x2000bu
#define ATTRIBUTE_JOB_LIST    0x20013u

struct ps_attribute {
	u64 attribute, size, value, returned;
};

/* PS_STD_HANDLE_INFO.Flags: two bits of state, a mask of handles that are pseudo handles */
#define STD_STATE     3u
#define STD_NEVER     0u
#define STD_REQUEST   1u
#define STD_ALWAYS    2u
#define STD_UNDECIDED 3u /* ours: no such attribute */

/* PS_CREATE_INFO: size, state, then by state */
struct create_info {
	u64 size;
	u32 state, pad;
	u32 flags, pad2; /* in: init flags; out: output flags */
	u64 file, section, parameters;
	u32 parameters32, parameter_flags;
	u64 peb, peb32, manifest;
	u32 manifest_bytes, pad3;
};
_Static_assert(sizeof(struct create_info) == 0x58, "PS_CREATE_INFO");
enum create_state { /* PS_CREATE_STATE */
		    CREATE_INITIAL = 0,
		    CREATE_FAIL_FILE = 1,
		    CREATE_FAIL_SECTION = 2,
		    CREATE_FAIL_FORMAT = 3,
		    CREATE_SUCCESS = 6,
};

#define MAX_PATH_BYTES	0xfffeu
#define MAX_ENVIRONMENT 0x100000u /* bytes */
#define MAX_HANDLE_LIST 4096u
#define TAG_CREATE	TAG('P', 's', 'C', 'r')

/* One call, captured. */
struct creation {
	u32 process_flags, thread_flags;
	struct object_attributes process_oa, thread_oa;
	struct create_info info;
	struct ps_attribute out[3]; /* client id, TEB, image information; value 0: not asked */
	EPROCESS *parent;
	HANDLE debug; /* debug object, or 0 */
	u16 *path;    /* NT path of the program */
	u32 path_chars;
	HANDLE *handles; /* the only ones inherited; NULL: all */
	u32 handle_count;
	HANDLE *jobs;
	u32 job_count;
	u32 std_state, std_subsystem;
	u8 priority_class; /* 0: by the parent */
	bool has_error_mode;
	u32 error_mode;
	struct startup *startup;
};

/* ---- capture ---- */

static NTSTATUS capture_block(u64 from, u64 bytes, void *out)
{
	void *p = ExAllocatePool(bytes + 4, TAG_CREATE); /* zeroes follow */
	NTSTATUS st;

	if (!p)
		return STATUS_NO_MEMORY;
	st = bytes ? copy_from_user(p, (const void *)from, bytes) : STATUS_SUCCESS;
	if (st)
		ExFreePool(p);
	else
		*(void **)out = p;
	return st;
}

static NTSTATUS capture_handles(const struct ps_attribute *a, HANDLE **list, u32 *count)
{
	if (!a->size || a->size % sizeof(HANDLE) || a->size > MAX_HANDLE_LIST * sizeof(HANDLE) ||
	    *list)
		return STATUS_INVALID_PARAMETER;
	*count = (u32)(a->size / sizeof(HANDLE));
	return capture_block(a->value, a->size, list);
}

static NTSTATUS capture_parent(struct creation *c, const struct ps_attribute *a)
{
	if (c->parent)
		return STATUS_INVALID_PARAMETER;
	return ObReferenceObjectByHandle(a->value, PROCESS_CREATE_PROCESS, &PsProcessType,
					 (void **)&c->parent);
}

static NTSTATUS capture_path(struct creation *c, const struct ps_attribute *a)
{
	if (!a->size || a->size % 2 || a->size > MAX_PATH_BYTES || c->path)
		return STATUS_INVALID_PARAMETER;
	c->path_chars = (u32)(a->size / 2);
	return capture_block(a->value, a->size, &c->path);
}

static NTSTATUS capture_std(struct creation *c, const struct ps_attribute *a)
{
	u32 v[2]; /* flags, subsystem */
	NTSTATUS st = a->size == sizeof(v) ? copy_from_user(v, (const void *)a->value, sizeof(v))
					   : STATUS_INVALID_PARAMETER;

	if (st)
		return st;
	c->std_state = v[0] & STD_STATE;
	c->std_subsystem = v[1];
	return c->std_state == STD_UNDECIDED ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;
}

static NTSTATUS capture_priority(struct creation *c, const struct ps_attribute *a)
{
	u8 v[2]; /* PROCESS_PRIORITY_CLASS */
	NTSTATUS st = a->size == sizeof(v) ? copy_from_user(v, (const void *)a->value, sizeof(v))
					   : STATUS_INVALID_PARAMETER;

	if (!st && (!v[1] || v[1] > PRIORITY_CLASS_ABOVE_NORMAL))
		st = STATUS_INVALID_PARAMETER;
	c->priority_class = v[1];
	return st;
}

static NTSTATUS capture_attribute(struct creation *c, const struct ps_attribute *a)
{
	switch (a->attribute) {
	case ATTRIBUTE_PARENT:
		return capture_parent(c, a);
	case ATTRIBUTE_DEBUG:
		c->debug = a->value;
		return STATUS_SUCCESS;
	case ATTRIBUTE_IMAGE_NAME:
		return capture_path(c, a);
	case ATTRIBUTE_HANDLE_LIST:
		return capture_handles(a, &c->handles, &c->handle_count);
	case ATTRIBUTE_JOB_LIST:
		return capture_handles(a, &c->jobs, &c->job_count);
	case ATTRIBUTE_STD_HANDLES:
		return capture_std(c, a);
	case ATTRIBUTE_PRIORITY:
		return capture_priority(c, a);
	case ATTRIBUTE_ERROR_MODE:
		if (a->size != sizeof(u32))
			return STATUS_INVALID_PARAMETER;
		c->has_error_mode = true;
		return copy_from_user(&c->error_mode, (const void *)a->value, sizeof(u32));
	case ATTRIBUTE_CLIENT_ID:
		c->out[0] = *a;
		return a->size == 16 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
	case ATTRIBUTE_TEB:
		c->out[1] = *a;
		return a->size == 8 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
	case ATTRIBUTE_IMAGE_INFO:
		c->out[2] = *a;
		return a->size == 64 ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
	default: /* memory reserves, processor groups, tokens: not for us */
		return (a->attribute & ATTRIBUTE_NUMBER) < ATTRIBUTES ? STATUS_SUCCESS
								      : STATUS_INVALID_PARAMETER;
	}
}

static NTSTATUS capture_attributes(struct creation *c, const u8 *list)
{
	struct ps_attribute a;
	u64 total, at = sizeof(total);
	NTSTATUS st = copy_from_user(&total, list, sizeof(total));

	if (st)
		return st;
	if (total < at || (total - at) % sizeof(a) || (total - at) / sizeof(a) > ATTRIBUTES)
		return STATUS_INVALID_PARAMETER;
	for (; at < total && !st; at += sizeof(a)) {
		st = copy_from_user(&a, list + at, sizeof(a));
		if (!st)
			st = capture_attribute(c, &a);
	}
	return st ? st : c->path ? STATUS_SUCCESS : STATUS_INVALID_PARAMETER;
}

/* ---- the parameters ---- */

/* A string of the parameters; `base` is added to what is an offset. */
static NTSTATUS capture_string(const struct unicode_string *u, u64 base, u16 **text, u32 *chars)
{
	*chars = u->bytes / 2;
	if (u->bytes % 2)
		return STATUS_INVALID_PARAMETER;
	return capture_block(base + u->buffer, u->bytes, text);
}

/* An environment without a size ends with two zeroes. */
static NTSTATUS environment_bytes(u64 at, u64 *bytes)
{
	u16 part[64], last = 1;

	for (*bytes = 0; *bytes < MAX_ENVIRONMENT;) {
		u64 n = MIN(sizeof(part), PAGE_SIZE - ((at + *bytes) & (PAGE_SIZE - 1)));
		NTSTATUS st = copy_from_user(part, (const void *)(at + *bytes), n);

		if (st)
			return st;
		for (u32 i = 0; i < n / 2; last = part[i++]) {
			*bytes += 2;
			if (!last && !part[i])
				return STATUS_SUCCESS;
		}
	}
	return STATUS_INVALID_PARAMETER;
}

static NTSTATUS capture_environment(u64 at, u64 bytes, struct startup *s)
{
	NTSTATUS st = STATUS_SUCCESS;

	if (!at) /* an empty one */
		return (s->environment = ExAllocatePool(4, TAG_CREATE))
			   ? (s->environment_chars = 2, STATUS_SUCCESS)
			   : STATUS_NO_MEMORY;
	if (!bytes)
		st = environment_bytes(at, &bytes);
	if (!st && (bytes > MAX_ENVIRONMENT || bytes % 2))
		st = STATUS_INVALID_PARAMETER;
	if (!st)
		st = capture_block(at, bytes, &s->environment);
	s->environment_chars = (u32)(bytes / 2);
	return st;
}

static void end_in_backslash(u16 *path, u32 *chars)
{
	if (*chars && *chars < MAX_PATH_BYTES / 2 - 1 &&
	    path[*chars - 1] != '\\') /* capture_block left room */
		path[(*chars)++] = '\\';
}

static NTSTATUS capture_parameters(u64 user, struct startup *s)
{
	struct process_parameters *pp = NULL;
	u64 base;
	NTSTATUS st = capture_block(user, sizeof(*pp), &pp);

	if (st)
		return st;
	base = pp->flags & PARAMETERS_NORMALIZED ? 0 : user;
	if (!(st = capture_string(&pp->image_path, base, &s->image_path, &s->image_chars)) &&
	    !(st = capture_string(&pp->command_line, base, &s->command_line, &s->command_chars)) &&
	    !(st = capture_string(&pp->cwd, base, &s->cwd, &s->cwd_chars)) &&
	    !(st = capture_string(&pp->title, base, &s->title, &s->title_chars)) &&
	    !(st = capture_string(&pp->desktop, base, &s->desktop, &s->desktop_chars)) &&
	    !(st = capture_block(base + pp->runtime.buffer, pp->runtime.bytes, &s->runtime_data)) &&
	    pp->dll_path.bytes)
		st = capture_string(&pp->dll_path, base, &s->dll_path, &s->dll_chars);
	if (!st)
		st = capture_environment(pp->environment ? base + pp->environment : 0,
					 pp->environment_size, s);
	if (!st)
		end_in_backslash(s->cwd, &s->cwd_chars);
	s->runtime_bytes = pp->runtime.bytes;
	memcpy(s->std, pp->std, sizeof(s->std));
	memcpy(s->start, pp->start, sizeof(s->start));
	s->window_flags = pp->window_flags;
	s->show_window = pp->show_window;
	ExFreePool(pp);
	return st;
}

static void release(struct creation *c)
{
	void *blocks[] = {c->path, c->handles, c->jobs};

	for (u32 i = 0; i < ARRAY_SIZE(blocks); i++)
		if (blocks[i])
			ExFreePool(blocks[i]);
	if (c->parent)
		ObDereferenceObject(c->parent);
	if (c->startup)
		ps_free_startup(c->startup);
	ObReleaseAttributes(&c->process_oa);
	ObReleaseAttributes(&c->thread_oa);
}

/* ---- making it ---- */

static NTSTATUS make_process(struct creation *c, EPROCESS **p)
{
	struct FILE_OBJECT *f;
	NTSTATUS st = IoOpenFile(c->path, c->path_chars, false, &f);

	c->info.state = CREATE_FAIL_FILE;
	if (st)
		return st;
	st = ps_create_process(f, c->path, c->path_chars, c->parent, p);
	IoDereferenceFile(f);
	if (st == STATUS_INVALID_IMAGE_FORMAT || st == STATUS_INVALID_IMAGE_WIN_16)
		c->info.state = CREATE_FAIL_FORMAT;
	else if (st)
		c->info.state = CREATE_FAIL_SECTION;
	return st;
}

static NTSTATUS give_handles(struct creation *c, EPROCESS *p)
{
	if (!(c->process_flags & CREATE_INHERIT_HANDLES))
		return STATUS_SUCCESS;
	return c->handles ? ObInheritHandleList(c->parent, p, c->handles, c->handle_count)
			  : ObInheritHandles(c->parent, p);
}

static bool has_handle(EPROCESS *p, HANDLE h)
{
	void *object;

	if (ObReferenceObjectByHandleIn(p, h, 0, NULL, &object))
		return false;
	ObDereferenceObject(object);
	return true;
}

/* Standard handles that were not inherited are duplicated, unless the caller chose them itself or
 * says otherwise. What cannot be is left as it is: a number that means nothing there. */
static void give_std_handles(struct creation *c, EPROCESS *p)
{
	struct startup *s = c->startup;
	bool wanted =
	    c->std_state == STD_ALWAYS ||
	    (c->std_state == STD_REQUEST && p->image->subsystem == c->std_subsystem) ||
	    (c->std_state == STD_UNDECIDED && !(s->window_flags & STARTF_USE_STD_HANDLES));
	HANDLE copy;

	for (u32 i = 0; wanted && i < ARRAY_SIZE(s->std); i++)
		if (s->std[i] && !has_handle(p, s->std[i]) &&
		    !ObDuplicateHandle(c->parent, s->std[i], p, &copy))
			s->std[i] = copy;
}

static NTSTATUS make_thread(struct creation *c, EPROCESS *p, ETHREAD **t)
{
	struct thread_request r = {
	    .first = true,
	    .suspended = c->thread_flags & THREAD_SUSPENDED || c->process_flags & CREATE_SUSPENDED,
	    .startup = c->startup,
	};
	NTSTATUS st = ps_create_thread(p, &r, t);

	if (!st)
		c->startup = NULL; /* the thread's now */
	return st;
}

static NTSTATUS answer(const struct creation *c, const EPROCESS *p, const ETHREAD *t)
{
	u64 id[2] = {p->pid, t->tid};
	u8 image[64];
	const void *data[] = {id, &t->k.teb, image};
	NTSTATUS st = STATUS_SUCCESS;

	mm_image_information(p->image_section, image);
	for (u32 i = 0; i < ARRAY_SIZE(c->out) && !st; i++) {
		const struct ps_attribute *a = &c->out[i];

		if (a->value)
			st = copy_to_user((void *)a->value, data[i], a->size);
		if (!st && a->value && a->returned)
			st = copy_to_user((void *)a->returned, &a->size, sizeof(a->size));
	}
	return st;
}

static NTSTATUS return_handles(struct creation *c, EPROCESS *p, ETHREAD *t, HANDLE *user_process,
			       HANDLE *user_thread, ACCESS_MASK process_access,
			       ACCESS_MASK thread_access)
{
	HANDLE h = 0, th = 0;
	NTSTATUS st = ObCreateHandle(p, ObMapAccess(&PsProcessType, process_access),
				     c->process_oa.attributes, &h);

	if (!st)
		st = ObCreateHandle(t, ObMapAccess(&PsThreadType, thread_access),
				    c->thread_oa.attributes, &th);
	if (!st)
		st = answer(c, p, t);
	if (!st)
		st = copy_to_user(user_process, &h, sizeof(h));
	if (!st)
		st = copy_to_user(user_thread, &th, sizeof(th));
	if (!st)
		return st;
	if (h)
		ObCloseHandle(h);
	if (th)
		ObCloseHandle(th);
	return st;
}

/* The process as far as it is before its first thread runs. */
static NTSTATUS prepare(struct creation *c, EPROCESS *p)
{
	NTSTATUS st = give_handles(c, p);

	if (!st)
		st = ps_debug_new_process(p, c->parent, c->debug);
	if (!st)
		st = ps_job_child(c->parent, p, c->process_flags & CREATE_BREAKAWAY);
	for (u32 i = 0; i < c->job_count && !st; i++)
		st = ps_job_join(p, c->jobs[i]);
	if (st)
		return st;
	give_std_handles(c, p);
	if (c->debug || c->process_flags & CREATE_NO_DEBUG_INHERIT)
		p->no_debug_inherit = c->process_flags & CREATE_NO_DEBUG_INHERIT;
	if (c->has_error_mode)
		p->default_hard_error = c->error_mode;
	if (c->priority_class) {
		mutex_lock(&ps_lock);
		if (!ps_job_fixes_priority(p))
			ps_set_priority_class(p, c->priority_class);
		mutex_unlock(&ps_lock);
	}
	return STATUS_SUCCESS;
}

static NTSTATUS create(struct creation *c, HANDLE *user_process, HANDLE *user_thread,
		       ACCESS_MASK process_access, ACCESS_MASK thread_access)
{
	struct startup_written written = {.parameters = 0};
	EPROCESS *p;
	ETHREAD *t;
	NTSTATUS st = make_process(c, &p);

	if (st)
		return st;
	c->info.state = CREATE_INITIAL;
	KeInitializeEvent(&written.done, DO_EVENT_NOTIFICATION, false);
	c->startup->written = &written;
	st = prepare(c, p);
	if (!st)
		st = make_thread(c, p, &t);
	if (st) {
		ps_discard_process(p);
		return st;
	}
	ObReferenceObject(p); /* it may end before we are through */
	ke_start_thread(&t->k);
	KeWaitForSingleObject(&written.done, KERNEL_MODE, false, NULL);
	st = written.status;
	if (!st) {
		c->info.state = CREATE_SUCCESS;
		c->info.parameters = written.parameters;
		c->info.parameter_flags = PARAMETERS_NORMALIZED;
		c->info.peb = p->peb;
		st = return_handles(c, p, t, user_process, user_thread, process_access,
				    thread_access);
		if (st)
			PsTerminateProcess(p, st);
	}
	ObDereferenceObject(t);
	ObDereferenceObject(p);
	return st;
}

NTSYSCALL NTSTATUS NtCreateUserProcess(HANDLE *user_process, HANDLE *user_thread,
				       ACCESS_MASK process_access, ACCESS_MASK thread_access,
				       const void *process_attributes,
				       const void *thread_attributes, u32 process_flags,
				       u32 thread_flags, u64 parameters,
				       struct create_info *user_info, const u8 *attribute_list)
{
	struct creation c = {
	    .process_flags = process_flags,
	    .thread_flags = thread_flags,
	    .std_state = STD_UNDECIDED,
	};
	NTSTATUS st = ObProbeHandle(user_process), told;

	if (st || (st = ObProbeHandle(user_thread)) ||
	    (st = copy_from_user(&c.info, user_info, sizeof(c.info))))
		return st;
	if (thread_flags & ~THREAD_SUSPENDED || c.info.size != sizeof(c.info) ||
	    c.info.state != CREATE_INITIAL || !attribute_list)
		return STATUS_INVALID_PARAMETER;
	c.startup = ExAllocatePool(sizeof(*c.startup), TAG_CREATE);
	if (!c.startup)
		return STATUS_NO_MEMORY;
	if ((st = ObCaptureAttributes(process_attributes, &c.process_oa)) ||
	    (st = ObCaptureAttributes(thread_attributes, &c.thread_oa)) ||
	    (st = capture_attributes(&c, attribute_list)) ||
	    (st = capture_parameters(parameters, c.startup)))
		goto out;
	if (!c.parent) {
		c.parent = PsGetCurrentProcess();
		ObReferenceObject(c.parent);
	}
	if (PsGetCurrentProcess()->mitigation[MITIGATION_CHILDREN] & CHILDREN_PROHIBITED) {
		st = STATUS_CHILD_PROCESS_BLOCKED;
		goto out;
	}
	st = create(&c, user_process, user_thread, process_access, thread_access);
	told = copy_to_user(user_info, &c.info, sizeof(c.info));
	if (!st)
		st = told;
out:
	release(&c);
	return st;
}
