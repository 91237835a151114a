/*
 * Deletion: a file goes when its last handle is closed after somebody asked for it.
 *
 * The fcb leaves the table, so that a new file by that name, even one with the same inode number,
 * gets an fcb of its own.
 */
#include "guest/io/fs.h"

#define LIST_BYTES 2000u /* a small block of pool */

/* Whether the folder holds anything but itself and its parent. */
static NTSTATUS folder_empty(struct FILE_OBJECT *f)
{
	struct p9_session *s = f->fcb->session;
	struct host_path *path = ExAllocatePool(sizeof *path, TAG('P', 'a', 't', 'h'));
	u8 *list = ExAllocatePool(LIST_BYTES, TAG('F', 'l', 's', 't'));
	NTSTATUS status = STATUS_NO_MEMORY;
	struct lookup l = {.fid = P9_NOFID};
	u64 offset = 0;
	u32 bytes = 1;

	mutex_lock(&fs_lock);
	if (path && list && host_path_set(path, f->path))
		status = lookup_path(s, path, &l);
	mutex_unlock(&fs_lock);
	if (status == STATUS_SUCCESS)
		status = p9_open(s, l.fid, P9_RDONLY | P9_DIRECTORY);
	while (status == STATUS_SUCCESS && bytes) {
		struct p9_cursor c;
		struct p9_dirent e;

		status = p9_readdir(s, l.fid, offset, list, LIST_BYTES, &bytes);
		p9_cursor_init(&c, list, status == STATUS_SUCCESS ? bytes : 0);
		while (p9_get_dirent(&c, &e)) {
			offset = e.next_offset;
			if (!(e.name_bytes <= 2 && e.name[0] == '.' &&
			      e.name[e.name_bytes - 1] == '.'))
				status = STATUS_DIRECTORY_NOT_EMPTY;
		}
		if (c.bad)
			status = STATUS_IO_DEVICE_ERROR;
	}
	p9_clunk(s, l.fid);
	if (path)
		ExFreePool(path);
	if (list)
		ExFreePool(list);
	return status;
}

NTSTATUS delete_allowed(struct FILE_OBJECT *f, bool even_readonly)
{
	struct fcb *b = f->fcb;
	struct p9_attr a;
	NTSTATUS s;

	if (f->read_only_drive)
		return STATUS_ACCESS_DENIED;
	if (!f->path[0])
		return STATUS_CANNOT_DELETE; /* a drive's root */
	s = file_attributes(f, &a);
	if (s != STATUS_SUCCESS)
		return s;
	if (attributes_of(&a) & FILE_ATTRIBUTE_READONLY && !even_readonly)
		return STATUS_CANNOT_DELETE;
	if (b->directory)
		return folder_empty(f);
	/* A mapped file, as image or as data, stays. */
	return MmCanFileBeTruncated(&b->section, 0) ? STATUS_SUCCESS : STATUS_CANNOT_DELETE;
}

void delete_file(struct FILE_OBJECT *f)
{
	struct fcb *b = f->fcb;
	struct host_path *path = ExAllocatePool(sizeof *path, TAG('P', 'a', 't', 'h'));
	NTSTATUS s = STATUS_NO_MEMORY;
	u32 parent, last;

	if (path && host_path_set(path, f->path) && path->count) {
		s = lookup_parent(b->session, path, &parent);
		if (s == STATUS_SUCCESS) {
			last = path->count - 1;
			s = p9_unlink(
			    b->session, parent,
			    (struct p9_name){path->text + path->start[last], path->length[last]},
			    b->directory);
			p9_clunk(b->session, parent);
		}
	}
	if (path)
		ExFreePool(path);
	b->delete_pending = false;
	if (s == STATUS_SUCCESS)
		list_remove(&b->entry);
}
