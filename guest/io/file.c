/*
 * File objects: the object type, opening by NT path, and what mm and ps ask of files.
 *
 * Opening goes by the kind of the path (names.h): a drive's file or folder to create.c, the console
 * and NUL to devices.c, pipes to pipe.c. Cleanup happens when the last handle is closed, or, for a
 * file object that never had one, when its last reference goes.
 */
#include "guest/io/completion.h"
#include "guest/io/pipe.h"

static void file_cleanup(struct FILE_OBJECT *f)
{
	if (f->cleaned)
		return;
	f->cleaned = true;
	if (f->ops->cleanup)
		f->ops->cleanup(f);
}

static void file_close(struct EPROCESS *p, void *object, u32 handles_left)
{
	(void)p;
	if (!handles_left)
		file_cleanup(object);
}

static void file_destroy(void *object)
{
	struct FILE_OBJECT *f = object;

	file_cleanup(f);
	if (f->scan)
		dir_scan_free(f);
	if (f->ops->destroy)
		f->ops->destroy(f);
	completion_forget(f);
	if (f->path)
		ExFreePool(f->path);
}

/* What NtQueryObject tells: of disk files only. */
static NTSTATUS file_query_name(void *object, u16 *out, u32 *chars)
{
	struct FILE_OBJECT *f = object;
	u32 room = *chars;
	u16 *name;
	NTSTATUS s;

	*chars = 0;
	if (!f->fcb)
		return STATUS_SUCCESS;
	s = IoQueryFileName(f, &name, chars);
	if (s != STATUS_SUCCESS)
		return s;
	memcpy(out, name, MIN(room, *chars) * sizeof *name);
	ExFreePool(name);
	return s;
}

const struct object_type IoFileType = {
    .name = "File",
    .dispatcher_offset = offsetof(struct FILE_OBJECT, event),
    .generic_read =
	READ_CONTROL | SYNCHRONIZE | FILE_READ_DATA | FILE_READ_ATTRIBUTES | FILE_READ_EA,
    .generic_write = READ_CONTROL | SYNCHRONIZE | FILE_WRITE_DATA | FILE_APPEND_DATA |
		     FILE_WRITE_ATTRIBUTES | FILE_WRITE_EA,
    .generic_execute = READ_CONTROL | SYNCHRONIZE | FILE_EXECUTE | FILE_READ_ATTRIBUTES,
    .all_access = FILE_ALL_ACCESS,
    .close = file_close,
    .destroy = file_destroy,
    .query_name = file_query_name,
};

#define MODE_OPTIONS (FILE_WRITE_THROUGH | FILE_NO_INTERMEDIATE_BUFFERING | FILE_SYNCHRONOUS | 0x4u)

struct FILE_OBJECT *file_create_object(const struct file_ops *ops, const struct open_request *rq)
{
	struct FILE_OBJECT *f = ObCreateObject(&IoFileType, sizeof *f);

	if (!f)
		return NULL;
	f->ops = ops;
	f->access = rq->access;
	f->share = rq->share;
	f->options = rq->options;
	f->mode = rq->options & MODE_OPTIONS;
	list_init(&f->fcb_entry);
	mutex_init(&f->lock);
	KeInitializeEvent(&f->event, DO_EVENT_NOTIFICATION, false);
	return f;
}

/* ---- disk files: closing ---- */

static void disk_cleanup(struct FILE_OBJECT *f)
{
	struct fcb *b = f->fcb;

	locks_release_all(f);
	mutex_lock(&fs_lock);
	if (f->counted)
		fcb_remove_share(b, f);
	f->counted = false;
	if (f->delete_on_close)
		b->delete_pending = true;
	b->opens--;
	if (b->delete_pending && (!b->opens || f->delete_at_cleanup))
		delete_file(f);
	mutex_unlock(&fs_lock);
}

static void disk_destroy(struct FILE_OBJECT *f)
{
	mutex_lock(&fs_lock);
	list_remove(&f->fcb_entry);
	fcb_put(f->fcb);
	mutex_unlock(&fs_lock);
}

static NTSTATUS disk_flush(struct FILE_OBJECT *f)
{
	struct fcb *b = f->fcb;
	u32 fid = b->write_fid;

	if (fid == P9_NOFID)
		return STATUS_SUCCESS;
	MmFlushMappedFile(&b->section, 0, ~0ull);
	return p9_fsync(b->session, fid);
}

const struct file_ops disk_ops = {
    .device_type = FILE_DEVICE_DISK,
    .read = disk_read,
    .write = disk_write,
    .flush = disk_flush,
    .cleanup = disk_cleanup,
    .destroy = disk_destroy,
};

/* ---- opening ---- */

static NTSTATUS open_on_drive(const struct nt_path *p, struct FILE_OBJECT *root, const u16 *below,
			      u32 below_chars, const struct open_request *rq,
			      struct FILE_OBJECT **file, u32 *information)
{
	static const u16 windows[] = {'W', 'i', 'n', 'd', 'o', 'w', 's'};
	struct host_path *path = ExAllocatePool(sizeof *path, TAG('P', 'a', 't', 'h'));
	enum path_error e = PATH_OK;
	NTSTATUS s;
	bool fits = true;

	if (!path)
		return STATUS_NO_MEMORY;
	host_path_clear(path);
	if (root) {
		mutex_lock(&fs_lock);
		fits = host_path_set(path, root->path);
		mutex_unlock(&fs_lock);
	} else if (p->in_windows) {
		e = host_path_append(path, windows, ARRAY_SIZE(windows));
	}
	path->folder_only = false;
	if (e == PATH_OK && fits)
		e = host_path_append(path, below, below_chars);
	if (e == PATH_TOO_LONG || !fits)
		s = STATUS_NAME_TOO_LONG;
	else if (e == PATH_INVALID_NAME)
		s = STATUS_OBJECT_NAME_INVALID;
	else
		s = disk_open(root ? p9_letter(root->fcb->session) : p->letter, path, rq, file,
			      information);
	ExFreePool(path);
	return s;
}

NTSTATUS file_open(const u16 *path, u32 chars, struct FILE_OBJECT *root,
		   const struct open_request *rq, struct FILE_OBJECT **file, u32 *information)
{
	struct nt_path p = {0};

	*information = FILE_OPENED;
	if (root) {
		if (root->ops == &pipe_root_ops)
			return pipe_open(path, chars, rq, file);
		if (root->pipe && !chars)
			return pipe_open_client_of(root, rq, file);
		if (!is_folder(root))
			return STATUS_OBJECT_TYPE_MISMATCH;
		if (chars && path[0] == '\\')
			return STATUS_OBJECT_NAME_INVALID;
		return open_on_drive(&p, root, path, chars, rq, file, information);
	}
	if (!chars || path[0] != '\\')
		return STATUS_OBJECT_PATH_SYNTAX_BAD;
	path_parse(path, chars, &p);
	switch (p.kind) {
	case PATH_DRIVE:
		if (!p9_drive(p.letter))
			return STATUS_OBJECT_PATH_NOT_FOUND;
		return open_on_drive(&p, NULL, p.rest, p.rest_chars, rq, file, information);
	case PATH_NULL:
		*file = file_create_object(&null_ops, rq);
		return *file ? STATUS_SUCCESS : STATUS_NO_MEMORY;
	case PATH_CONSOLE:
		return console_open(&p, rq, file);
	case PATH_PIPE:
		return pipe_open(p.rest, p.rest_chars, rq, file);
	case PATH_NONE:
		break;
	}
	return STATUS_OBJECT_NAME_NOT_FOUND;
}

NTSTATUS IoOpenFile(const u16 *path, u32 chars, bool write, struct FILE_OBJECT **file)
{
	struct open_request rq = {
	    .access = FILE_READ_DATA | FILE_EXECUTE | SYNCHRONIZE | (write ? FILE_WRITE_DATA : 0),
	    .share = FILE_SHARE_READ | FILE_SHARE_DELETE | (write ? FILE_SHARE_WRITE : 0),
	    .disposition = FILE_OPEN,
	    .options = FILE_NON_DIRECTORY_FILE | FILE_SYNCHRONOUS_IO_NONALERT,
	};
	u32 information;
	NTSTATUS s = file_open(path, chars, NULL, &rq, file, &information);

	/* As if its handle were closed already: mm says what may be done to a mapped file, and a
	 * reference that it keeps must not count as an open. */
	if (s == STATUS_SUCCESS)
		file_cleanup(*file);
	return s;
}

/* ---- mm and ps ---- */

void IoReferenceFile(struct FILE_OBJECT *f)
{
	ObReferenceObject(f);
}

void IoDereferenceFile(struct FILE_OBJECT *f)
{
	ObDereferenceObject(f);
}

bool IoSameFile(const struct FILE_OBJECT *a, const struct FILE_OBJECT *b)
{
	return a->fcb && a->fcb == b->fcb;
}

struct section_object_pointers *IoSectionPointers(struct FILE_OBJECT *f)
{
	return f->fcb && !f->fcb->directory ? &f->fcb->section : NULL;
}

bool IoIsDiskFile(const struct FILE_OBJECT *f)
{
	return f->fcb && !f->fcb->directory;
}

NTSTATUS file_attributes(struct FILE_OBJECT *f, struct p9_attr *a)
{
	if (!f->fcb)
		return STATUS_INVALID_DEVICE_REQUEST;
	return p9_getattr(f->fcb->session, f->fcb->fid, a);
}

NTSTATUS IoGetFileSize(struct FILE_OBJECT *f, u64 *bytes)
{
	struct p9_attr a;
	NTSTATUS s = file_attributes(f, &a);

	if (s == STATUS_SUCCESS)
		*bytes = a.size;
	return s;
}

#define UNIX_EPOCH 11644473600ll /* seconds from 1601 to 1970 */

u64 nt_time(s64 unix_ns)
{
	s64 ticks = unix_ns / 100 - (unix_ns % 100 < 0);

	return (u64)(ticks + UNIX_EPOCH * 10000000ll);
}

s64 unix_time(u64 nt)
{
	const s64 most = 0x7fffffffffffffffll / 100;
	s64 ticks = (s64)MIN(nt, (u64)INT64_MAX) - UNIX_EPOCH * 10000000ll;

	ticks = ticks > most ? most : ticks < -most ? -most : ticks;
	return ticks * 100;
}

#define MODE_WRITE 0222u

u32 attributes_of(const struct p9_attr *a)
{
	u32 v = a->mode & MODE_WRITE ? 0 : FILE_ATTRIBUTE_READONLY;

	return v | (a->qid.type & P9_QTDIR ? FILE_ATTRIBUTE_DIRECTORY : FILE_ATTRIBUTE_ARCHIVE);
}

/* Room for `front` characters, then "\folder\file" and a NUL; *chars counts all but the NUL. */
static u16 *path_name(struct FILE_OBJECT *f, u32 front, u32 *chars)
{
	u32 n = front, bytes;
	u16 *name;

	mutex_lock(&fs_lock);
	bytes = (u32)strlen(f->path);
	name = ExAllocatePool((front + bytes + 2) * sizeof *name, TAG('F', 'n', 'a', 'm'));
	if (name) {
		name[n++] = '\\';
		for (u32 at = 0; at < bytes;) {
			u32 part = 0;

			while (at + part < bytes && f->path[at + part] != '/')
				part++;
			n += name_to_nt(f->path + at, part, name + n, front + bytes + 1 - n);
			at += part;
			if (at < bytes) {
				name[n++] = '\\';
				at++;
			}
		}
	}
	mutex_unlock(&fs_lock);
	*chars = n;
	return name;
}

u16 *file_nt_name(struct FILE_OBJECT *f, u32 *chars)
{
	return path_name(f, 0, chars);
}

NTSTATUS IoQueryFileName(struct FILE_OBJECT *f, u16 **name, u32 *chars)
{
	char device[32];
	u32 n;

	if (!f->fcb)
		return STATUS_OBJECT_PATH_INVALID;
	n = (u32)ke_snprintf(device, sizeof device, "\\Device\\HarddiskVolume%u",
			     (u32)(p9_letter(f->fcb->session) - 'A' + 1));
	*name = path_name(f, n, chars);
	if (!*name)
		return STATUS_NO_MEMORY;
	for (u32 i = 0; i < n; i++)
		(*name)[i] = (u8)device[i];
	return STATUS_SUCCESS;
}
