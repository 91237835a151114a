/* NtSetInformationFile: one table of classes; renames are in rename.c. */
#include "guest/io/completion.h"
#include "guest/io/syscalls.h"
#include "guest/io/pipe.h"

/* Captured input; `bytes` of it, at least the class's. */
struct setting {
	struct FILE_OBJECT *f;
	ACCESS_MASK access;
	const u8 *in;
	u32 bytes;
};
#define GET(s, at, type) (*(const type *)((s)->in + (at)))

static NTSTATUS set_basic(struct setting *s)
{
	u64 atime = GET(s, 8, u64), mtime = GET(s, 16, u64);
	u32 attributes = GET(s, 32, u32), valid = 0;
	struct fcb *b = s->f->fcb;
	struct p9_attr a;
	NTSTATUS status = file_attributes(s->f, &a);

	if (status != STATUS_SUCCESS)
		return status;
	for (u32 at = 0; at < 32; at += 8)
		if (GET(s, at, s64) < -2)
			return STATUS_INVALID_PARAMETER;
	if (attributes & FILE_ATTRIBUTE_DIRECTORY && !b->directory)
		return STATUS_INVALID_PARAMETER;
	if (s->f->read_only_drive)
		return STATUS_ACCESS_DENIED;
	/* 0: as it is; -1, -2: about later updates. Creation and change time are the host's. */
	if (atime && (s64)atime > 0) {
		a.atime = unix_time(atime);
		valid |= P9_SET_ATIME;
	}
	if (mtime && (s64)mtime > 0) {
		a.mtime = unix_time(mtime);
		valid |= P9_SET_MTIME;
	}
	if (attributes && !b->directory) {
		u32 mode = attributes & FILE_ATTRIBUTE_READONLY
			       ? a.mode & ~0222u
			       : a.mode | (a.mode & 0222u ? 0 : 0200u);

		if (mode != a.mode)
			valid |= P9_SET_MODE;
		a.mode = mode;
	}
	return valid ? p9_setattr(b->session, b->fid, valid, &a) : STATUS_SUCCESS;
}

static NTSTATUS set_position(struct setting *s)
{
	s64 position = GET(s, 0, s64);

	if (position < 0 || !is_synchronous(s->f))
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&s->f->lock);
	s->f->position = (u64)position;
	mutex_unlock(&s->f->lock);
	return STATUS_SUCCESS;
}

static NTSTATUS set_end_of_file(struct setting *s)
{
	if (s->f->fcb->directory)
		return STATUS_INVALID_PARAMETER;
	return disk_set_size(s->f, GET(s, 0, u64));
}

/* Only cutting off is visible; room is not reserved on the host. */
static NTSTATUS set_allocation(struct setting *s)
{
	u64 wanted = GET(s, 0, u64), size;
	NTSTATUS status;

	if (s->f->fcb->directory || wanted >> 63)
		return STATUS_INVALID_PARAMETER;
	status = IoGetFileSize(s->f, &size);
	return status == STATUS_SUCCESS && wanted < size ? disk_set_size(s->f, wanted) : status;
}

static NTSTATUS set_mode(struct setting *s)
{
	u32 mode = GET(s, 0, u32);
	const u32 valid = FILE_WRITE_THROUGH | 4u | FILE_SYNCHRONOUS;

	if (mode & ~valid || (mode & FILE_SYNCHRONOUS) != (s->f->mode & FILE_SYNCHRONOUS))
		return STATUS_INVALID_PARAMETER;
	s->f->mode = (s->f->mode & ~valid) | mode;
	return STATUS_SUCCESS;
}

#define DISPOSITION_DELETE	    1u
#define DISPOSITION_POSIX	    2u
#define DISPOSITION_ON_CLOSE	    8u
#define DISPOSITION_IGNORE_READONLY 16u

static NTSTATUS set_disposition_flags(struct setting *s, u32 flags)
{
	struct FILE_OBJECT *f = s->f;
	struct fcb *b = f->fcb;
	NTSTATUS status = STATUS_SUCCESS;

	if (flags & DISPOSITION_DELETE) {
		status = delete_allowed(f, flags & DISPOSITION_IGNORE_READONLY);
		if (status != STATUS_SUCCESS)
			return status;
	}
	mutex_lock(&fs_lock);
	if (flags & DISPOSITION_ON_CLOSE)
		f->delete_on_close = flags & DISPOSITION_DELETE;
	else
		b->delete_pending = flags & DISPOSITION_DELETE;
	f->delete_at_cleanup = flags & DISPOSITION_DELETE && flags & DISPOSITION_POSIX;
	mutex_unlock(&fs_lock);
	return status;
}

static NTSTATUS set_disposition(struct setting *s)
{
	return set_disposition_flags(s, GET(s, 0, u8) ? DISPOSITION_DELETE : 0);
}

static NTSTATUS set_disposition_ex(struct setting *s)
{
	return set_disposition_flags(s, GET(s, 0, u32));
}

#define RENAME_FIXED 20u /* bytes before the name */

static NTSTATUS with_name(struct setting *s, bool replace,
			  NTSTATUS (*act)(struct FILE_OBJECT *f, struct FILE_OBJECT *root,
					  const u16 *name, u32 chars, bool replace))
{
	struct FILE_OBJECT *root = NULL;
	HANDLE root_handle = GET(s, 8, u64);
	u32 bytes = GET(s, 16, u32);
	NTSTATUS status = STATUS_SUCCESS;

	if (bytes & 1 || !bytes || bytes > s->bytes - RENAME_FIXED)
		return STATUS_INVALID_PARAMETER;
	if (root_handle)
		status = ObReferenceObjectByHandle(root_handle, 0, &IoFileType, (void **)&root);
	if (status == STATUS_SUCCESS)
		status = act(s->f, root, (const u16 *)(s->in + RENAME_FIXED), bytes / 2, replace);
	if (root)
		ObDereferenceObject(root);
	return status;
}

static NTSTATUS set_rename(struct setting *s)
{
	return with_name(s, GET(s, 0, u8), rename_file);
}

static NTSTATUS set_rename_ex(struct setting *s)
{
	return with_name(s, GET(s, 0, u32) & 1, rename_file);
}

/* FILE_PIPE_INFORMATION */
static NTSTATUS set_pipe(struct setting *s)
{
	struct pipe_instance *i = s->f->pipe;
	u32 by_message = GET(s, 0, u32), no_wait = GET(s, 4, u32);

	if (!i)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (by_message > 1 || no_wait > 1 || (by_message && !i->pipe->messages))
		return STATUS_INVALID_PARAMETER;
	mutex_lock(&i->lock);
	i->by_message[s->f->pipe_side] = by_message;
	i->no_wait[s->f->pipe_side] = no_wait;
	mutex_unlock(&i->lock);
	return STATUS_SUCCESS;
}

/* FILE_COMPLETION_INFORMATION: port, key */
static NTSTATUS set_completion(struct setting *s)
{
	return completion_set(s->f, GET(s, 0, HANDLE), GET(s, 8, u64), false);
}

static NTSTATUS replace_completion(struct setting *s)
{
	return completion_set(s->f, GET(s, 0, HANDLE), GET(s, 8, u64), true);
}

static NTSTATUS set_completion_flags(struct setting *s)
{
	return completion_set_flags(s->f, GET(s, 0, u32));
}

static NTSTATUS set_link(struct setting *s)
{
	return with_name(s, GET(s, 0, u8), link_file);
}

static const struct {
	u8 info_class, least;
	bool disk;
	ACCESS_MASK access;
	NTSTATUS (*set)(struct setting *s);
} classes[] = {
    {4, 40, true, FILE_WRITE_ATTRIBUTES, set_basic},
    {10, RENAME_FIXED + 2, true, DELETE_ACCESS, set_rename},
    {11, RENAME_FIXED + 2, true, 0, set_link},
    {13, 1, true, DELETE_ACCESS, set_disposition},
    {14, 8, true, FILE_READ_DATA | FILE_WRITE_DATA | FILE_APPEND_DATA, set_position},
    {16, 4, false, 0, set_mode},
    {19, 8, true, FILE_WRITE_DATA, set_allocation},
    {20, 8, true, FILE_WRITE_DATA, set_end_of_file},
    {23, 8, false, FILE_WRITE_DATA | FILE_WRITE_ATTRIBUTES, set_pipe},
    {30, 16, false, 0, set_completion},
    {41, 4, false, 0, set_completion_flags},
    {61, 16, false, 0, replace_completion},
    {64, 4, true, DELETE_ACCESS, set_disposition_ex},
    {65, RENAME_FIXED + 2, true, DELETE_ACCESS, set_rename_ex},
};

#define IN_MAX 0x10100u

NTSYSCALL NTSTATUS NtSetInformationFile(HANDLE h, void *iosb, const void *buffer, u32 bytes,
					u32 info_class)
{
	struct request r;
	NTSTATUS s;
	u8 *in;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(classes) && classes[i].info_class != info_class; i++)
		;
	if (i == ARRAY_SIZE(classes))
		return STATUS_INVALID_INFO_CLASS;
	if (bytes < classes[i].least)
		return STATUS_INFO_LENGTH_MISMATCH;
	if (bytes > IN_MAX)
		return STATUS_INVALID_PARAMETER;
	s = request_begin(&r, h, classes[i].access, 0, iosb);
	if (s != STATUS_SUCCESS)
		return s;
	in = ExAllocatePool(bytes, TAG('S', 'f', 'i', 'l'));
	s = in ? copy_from_user(in, buffer, bytes) : STATUS_INSUFFICIENT_RESOURCES;
	if (s == STATUS_SUCCESS && classes[i].disk && !r.f->fcb)
		s = STATUS_INVALID_DEVICE_REQUEST;
	if (s == STATUS_SUCCESS)
		s = classes[i].set(&(struct setting){r.f, r.access, in, bytes});
	if (in)
		ExFreePool(in);
	return request_end(&r, s, 0);
}
