/* NtDeviceIoControlFile, NtFsControlFile, NtCancelIoFile, NtCreateNamedPipeFile. */
#include "guest/io/syscalls.h"
#include "guest/io/device.h"
#include "guest/io/pending.h"
#include "guest/io/pipe.h"
#include "guest/ps/ps.h"

/* FSCTL_PIPE_* of the public ntifs.h / winioctl.h */
#define FSCTL_PIPE_DISCONNECT 0x00110004u
#define FSCTL_PIPE_LISTEN     0x00110008u
#define FSCTL_PIPE_PEEK	      0x0011400cu
#define FSCTL_PIPE_TRANSCEIVE 0x0011c017u
#define FSCTL_PIPE_WAIT	      0x00110018u

struct control {
	struct FILE_OBJECT *f;
	const void *in;
	u32 in_bytes;
	void *out;
	u32 out_bytes;
	u64 information;
};

/* PeekNamedPipe on a redirected stdin: how much there is; the data itself is not shown. */
static NTSTATUS peek_console(struct control *c)
{
	struct {
		u32 state, available, messages, message_bytes;
	} p = {.state = PIPE_CONNECTED};

	if (c->f->console != CONSOLE_IN || console_is_terminal(c->f->console))
		return STATUS_INVALID_DEVICE_REQUEST;
	if (c->out_bytes < sizeof p)
		return STATUS_INFO_LENGTH_MISMATCH;
	if (console_at_end())
		return STATUS_PIPE_BROKEN;
	p.available = console_available();
	c->information = sizeof p;
	return copy_to_user(c->out, &p, sizeof p);
}

static NTSTATUS peek(struct control *c)
{
	if (c->f->ops == &console_ops)
		return peek_console(c);
	return c->f->pipe ? pipe_peek(c->f, c->out, c->out_bytes, &c->information)
			  : STATUS_INVALID_DEVICE_REQUEST;
}

static NTSTATUS listen(struct control *c)
{
	return c->f->pipe ? pipe_listen(c->f) : STATUS_INVALID_DEVICE_REQUEST;
}

static NTSTATUS disconnect(struct control *c)
{
	return c->f->pipe ? pipe_disconnect(c->f) : STATUS_INVALID_DEVICE_REQUEST;
}

static NTSTATUS transceive(struct control *c)
{
	NTSTATUS s;
	u32 done;

	if (!c->f->pipe)
		return STATUS_INVALID_DEVICE_REQUEST;
	s = pipe_write_all(c->f, c->in, c->in_bytes, &done);
	if (s != STATUS_SUCCESS)
		return s;
	s = pipe_read(c->f, c->out, c->out_bytes, 0, &done);
	c->information = done;
	return s;
}

/* FILE_PIPE_WAIT_FOR_BUFFER: timeout, length and text of the name. */
static NTSTATUS wait_for_pipe(struct control *c)
{
	struct {
		s64 timeout;
		u32 name_bytes;
		u8 has_timeout, pad;
		u16 name[NAME_MAX_CHARS];
	} v;
	const u32 fixed = 14;
	NTSTATUS s;

	if (c->f->ops != &pipe_root_ops)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (c->in_bytes < fixed)
		return STATUS_INVALID_PARAMETER;
	s = copy_from_user(&v, c->in, MIN(c->in_bytes, (u32)sizeof v));
	if (s != STATUS_SUCCESS)
		return s;
	if (v.name_bytes & 1 || v.name_bytes > sizeof v.name || v.name_bytes > c->in_bytes - fixed)
		return STATUS_INVALID_PARAMETER;
	return pipe_wait(v.name, v.name_bytes / 2, v.has_timeout ? &v.timeout : NULL);
}

#define FSCTL_SET_REPARSE_POINT	  0x000900a4u
#define IO_REPARSE_TAG_SYMLINK	  0xa000000cu
#define SYMLINK_FLAG_RELATIVE	  1u
#define SYMLINK_FIXED		  20u /* bytes before the names */
#define STATUS_IO_REPARSE_TAG_BAD ((NTSTATUS)0xC0000276)

/* A file that has just been made becomes a symbolic link; other tags mean nothing here. */
static NTSTATUS set_reparse_point(struct control *c)
{
	struct { /* REPARSE_DATA_BUFFER, as far as a symbolic link needs it */
		u32 tag;
		u16 bytes, reserved, at, target_bytes, print_at, print_bytes;
		u32 flags;
		u16 names[512];
	} * v;
	NTSTATUS s;

	if (!c->f->fcb)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (c->in_bytes < SYMLINK_FIXED)
		return STATUS_INVALID_PARAMETER;
	v = ExAllocatePool(sizeof *v, TAG('R', 'p', 'r', 's'));
	if (!v)
		return STATUS_INSUFFICIENT_RESOURCES;
	s = copy_from_user(v, c->in, MIN(c->in_bytes, (u32)sizeof *v));
	if (s == STATUS_SUCCESS && v->tag != IO_REPARSE_TAG_SYMLINK)
		s = STATUS_IO_REPARSE_TAG_BAD;
	if (s == STATUS_SUCCESS &&
	    ((v->at | v->target_bytes) & 1 || (u32)v->at + v->target_bytes > sizeof v->names ||
	     SYMLINK_FIXED + v->at + v->target_bytes > c->in_bytes))
		s = STATUS_INVALID_PARAMETER;
	if (s == STATUS_SUCCESS)
		s = symlink_file(c->f, v->names + v->at / 2, v->target_bytes / 2u,
				 v->flags & SYMLINK_FLAG_RELATIVE);
	ExFreePool(v);
	return s;
}

static const struct {
	u32 code;
	NTSTATUS (*run)(struct control *c);
} controls[] = {
    {FSCTL_SET_REPARSE_POINT, set_reparse_point},
    {FSCTL_PIPE_PEEK, peek},
    {FSCTL_PIPE_LISTEN, listen},
    {FSCTL_PIPE_DISCONNECT, disconnect},
    {FSCTL_PIPE_TRANSCEIVE, transceive},
    {FSCTL_PIPE_WAIT, wait_for_pipe},
};

static NTSTATUS run_control(struct control *c, u32 code)
{
	for (u32 i = 0; i < ARRAY_SIZE(controls); i++)
		if (controls[i].code == code)
			return controls[i].run(c);
	return STATUS_INVALID_DEVICE_REQUEST;
}

NTSYSCALL NTSTATUS NtFsControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
				   u32 code, const void *in, u32 in_bytes, void *out, u32 out_bytes)
{
	struct control c = {.in = in, .in_bytes = in_bytes, .out = out, .out_bytes = out_bytes};
	struct request r;
	NTSTATUS s = request_begin_apc(&r, h, 0, event, apc, apc_context, iosb);

	if (s != STATUS_SUCCESS)
		return s;
	c.f = r.f;
	s = run_control(&c, code);
	if (s == STATUS_PENDING)
		return pending_add(&r, code == FSCTL_PIPE_LISTEN ? PENDING_LISTEN : PENDING_READ,
				   c.out, c.out_bytes);
	return request_end(&r, s, c.information);
}

/* No device here has controls of its own. */
NTSYSCALL NTSTATUS NtDeviceIoControlFile(HANDLE h, HANDLE event, void *apc, void *apc_context,
					 void *iosb, u32 code, const void *in, u32 in_bytes,
					 void *out, u32 out_bytes)
{
	struct request r;
	NTSTATUS s = request_begin_apc(&r, h, 0, event, apc, apc_context, iosb);

	(void)code;
	(void)in;
	(void)in_bytes;
	(void)out;
	(void)out_bytes;
	return s == STATUS_SUCCESS ? request_end(&r, STATUS_INVALID_DEVICE_REQUEST, 0) : s;
}

/* => what is to be cancelled; any: none is no error. The cancelled file's own event stays its. */
static NTSTATUS cancel(HANDLE h, const struct ETHREAD *thread, const void *which, void *iosb,
		       bool any)
{
	IO_STATUS_BLOCK v = {0};
	struct FILE_OBJECT *f;
	NTSTATUS s = copy_from_user(&v, iosb, sizeof v);

	if (s != STATUS_SUCCESS)
		return s;
	s = ObReferenceObjectByHandle(h, 0, &IoFileType, (void **)&f);
	if (s != STATUS_SUCCESS)
		return s;
	if (!pending_cancel(f, thread, which) && !any)
		s = STATUS_NOT_FOUND;
	ObDereferenceObject(f);
	v = (IO_STATUS_BLOCK){(u32)s, 0};
	copy_to_user(iosb, &v, sizeof v);
	return s;
}

/* The calling thread's requests on the file. */
NTSYSCALL NTSTATUS NtCancelIoFile(HANDLE h, void *iosb)
{
	return cancel(h, PsGetCurrentThread(), NULL, iosb, true);
}

/* Any thread's; which NULL: all of them. */
NTSYSCALL NTSTATUS NtCancelIoFileEx(HANDLE h, const void *which, void *iosb)
{
	return cancel(h, NULL, which, iosb, false);
}

/* The name: below a handle of \Device\NamedPipe\, or a full path. Empty below one: anonymous. */
static NTSTATUS pipe_name(const struct object_attributes *a, const u16 **name, u32 *chars)
{
	struct nt_path p;
	struct FILE_OBJECT *root;
	NTSTATUS s;

	*name = a->name;
	*chars = a->chars;
	if (a->root) {
		s = ObReferenceObjectByHandle(a->root, 0, &IoFileType, (void **)&root);
		if (s != STATUS_SUCCESS)
			return s;
		s = root->ops == &pipe_root_ops ? STATUS_SUCCESS : STATUS_OBJECT_TYPE_MISMATCH;
		ObDereferenceObject(root);
		return s;
	}
	path_parse(a->name, a->chars, &p);
	*name = p.rest;
	*chars = p.rest_chars;
	if (p.kind != PATH_PIPE)
		return STATUS_OBJECT_PATH_NOT_FOUND;
	return p.rest_chars ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
}

NTSYSCALL NTSTATUS NtCreateNamedPipeFile(HANDLE *handle, u32 access, const void *attributes,
					 void *iosb, u32 share, u32 disposition, u32 options,
					 u32 type, u32 read_mode, u32 completion_mode,
					 u32 instances, u32 in_quota, u32 out_quota,
					 const s64 *timeout)
{
	struct open_request rq = {
	    .access = access, .share = share, .disposition = disposition, .options = options};
	struct pipe_parameters v = {
	    .messages = type & 1,
	    .by_message = read_mode & 1,
	    .no_wait = completion_mode & 1,
	    .max = instances,
	    .in_quota = in_quota,
	    .out_quota = out_quota,
	    .share = share,
	    .default_timeout = -500000, /* 50 ms */
	};
	struct object_attributes a;
	struct FILE_OBJECT *f;
	u32 information, chars;
	const u16 *name;
	NTSTATUS s;

	s = create_begin(handle, iosb, &rq);
	if (s == STATUS_SUCCESS && timeout)
		s = copy_from_user(&v.default_timeout, timeout, sizeof *timeout);
	if (s != STATUS_SUCCESS)
		return s;
	s = ObCaptureAttributes(attributes, &a);
	if (s != STATUS_SUCCESS)
		return s;
	s = pipe_name(&a, &name, &chars);
	if (s == STATUS_SUCCESS)
		s = pipe_create(name, chars, &rq, &v, &f, &information);
	ObReleaseAttributes(&a);
	return s == STATUS_SUCCESS ? create_end(handle, iosb, f, a.attributes, information) : s;
}
