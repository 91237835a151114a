/*
 * Opening and making files and folders on a drive: the dispositions of NtCreateFile.
 *
 *              there                         not there
 *   OPEN       opened                        not found
 *   CREATE     collision                     created
 *   OPEN_IF    opened                        created
 *   OVERWRITE  emptied                       not found
 *   OVERWRITE_IF, SUPERSEDE   emptied        created
 *
 * All of it under fs_lock, so that of two opens of one name the second sees what the first did. The
 * host may still make or remove the file in between: then the whole is tried again.
 */
#include "guest/io/fs.h"

#define MODE_FILE     0666u
#define MODE_READONLY 0444u
#define MODE_FOLDER   0777u
#define TRIES	      4

static const struct {
	bool open, empty, create;
	u8 information; /* of one that was there */
} disposition[] = {
    [FILE_SUPERSEDE] = {true, true, true, FILE_SUPERSEDED},
    [FILE_OPEN] = {true, false, false, FILE_OPENED},
    [FILE_CREATE] = {false, false, true, 0},
    [FILE_OPEN_IF] = {true, false, true, FILE_OPENED},
    [FILE_OVERWRITE] = {true, true, false, FILE_OVERWRITTEN},
    [FILE_OVERWRITE_IF] = {true, true, true, FILE_OVERWRITTEN},
};

static bool wants_write(ACCESS_MASK a)
{
	return a & (FILE_WRITE_DATA | FILE_APPEND_DATA);
}

/* What a handle on a read-only drive cannot have. MAXIMUM_ALLOWED gets what there is. */
static bool changes_drive(const struct open_request *rq)
{
	return wants_write(rq->access) || rq->access & (DELETE_ACCESS | FILE_DELETE_CHILD) ||
	       rq->options & FILE_DELETE_ON_CLOSE || disposition[rq->disposition].empty;
}

/* An existing file: everything that can refuse the open, before anything is changed. */
static NTSTATUS check_existing(struct fcb *b, const struct host_path *path,
			       const struct open_request *rq)
{
	bool empty = disposition[rq->disposition].empty;
	bool write = wants_write(rq->access) || empty;

	if (!disposition[rq->disposition].open)
		return STATUS_OBJECT_NAME_COLLISION;
	if (b->directory && rq->options & FILE_NON_DIRECTORY_FILE)
		return STATUS_FILE_IS_A_DIRECTORY;
	if (!b->directory && rq->options & FILE_DIRECTORY_FILE)
		return STATUS_NOT_A_DIRECTORY;
	if (!b->directory && path->folder_only)
		return STATUS_OBJECT_NAME_INVALID;
	if (b->directory && empty)
		return STATUS_OBJECT_NAME_COLLISION;
	if (b->delete_pending)
		return STATUS_DELETE_PENDING;
	if (!b->directory && (write || rq->options & FILE_DELETE_ON_CLOSE)) {
		struct p9_attr a;
		NTSTATUS s = p9_getattr(b->session, b->fid, &a);

		if (s != STATUS_SUCCESS)
			return s;
		if (attributes_of(&a) & FILE_ATTRIBUTE_READONLY)
			return write ? STATUS_ACCESS_DENIED : STATUS_CANNOT_DELETE;
	}
	return fcb_check_share(b, rq->access | (empty ? FILE_WRITE_DATA : 0), rq->share);
}

/* The file object for an fcb whose data fids are ready. Takes over the reference to `b`. */
static NTSTATUS make_object(struct fcb *b, const struct host_path *path,
			    const struct open_request *rq, bool writable, struct FILE_OBJECT **file)
{
	char *text = ExAllocatePool(path->bytes + 1, TAG('P', 'a', 't', 'h'));
	struct FILE_OBJECT *f = text ? file_create_object(&disk_ops, rq) : NULL;

	if (!f) {
		if (text)
			ExFreePool(text);
		fcb_put(b);
		return STATUS_NO_MEMORY;
	}
	memcpy(text, path->text, path->bytes + 1);
	f->path = text;
	f->fcb = b;
	f->read_only_drive = !writable;
	f->delete_on_close = rq->options & FILE_DELETE_ON_CLOSE;
	fcb_add_share(b, f);
	f->counted = true;
	b->opens++;
	list_push_back(&b->files, &f->fcb_entry);
	*file = f;
	return STATUS_SUCCESS;
}

static NTSTATUS open_existing(struct fcb *b, const struct host_path *path,
			      const struct open_request *rq, bool writable,
			      struct FILE_OBJECT **file, u32 *information)
{
	bool empty = disposition[rq->disposition].empty;
	NTSTATUS s = check_existing(b, path, rq);

	if (s == STATUS_SUCCESS)
		s = fcb_open_data(b, path, rq->access | (empty ? FILE_WRITE_DATA : 0));
	if (s == STATUS_SUCCESS && empty) {
		struct p9_attr a = {.size = 0};

		s = p9_setattr(b->session, b->fid, P9_SET_SIZE, &a);
	}
	if (s != STATUS_SUCCESS) {
		fcb_put(b);
		return s;
	}
	*information = disposition[rq->disposition].information;
	return make_object(b, path, rq, writable, file);
}

/* Makes the last name of the path. *l then describes it; *opened: l->fid is open for read/write. */
static NTSTATUS make_new(struct p9_session *s, struct host_path *path,
			 const struct open_request *rq, struct lookup *l, bool *opened)
{
	u32 last = path->count - 1, fid;
	struct p9_name name = {path->text + path->start[last], path->length[last]};
	NTSTATUS status = lookup_parent(s, path, &fid);

	*opened = false;
	if (status != STATUS_SUCCESS)
		return STATUS_OBJECT_PATH_NOT_FOUND;
	if (rq->options & FILE_DIRECTORY_FILE) {
		status = p9_mkdir(s, fid, name, MODE_FOLDER);
		p9_clunk(s, fid);
		return status == STATUS_SUCCESS ? lookup_path(s, path, l) : status;
	}
	status = p9_create(s, fid, name, P9_RDWR | P9_CREAT | P9_EXCL,
			   rq->attributes & FILE_ATTRIBUTE_READONLY ? MODE_READONLY : MODE_FILE,
			   &l->qid);
	if (status != STATUS_SUCCESS) {
		p9_clunk(s, fid);
		return status;
	}
	l->fid = fid;
	*opened = true;
	return STATUS_SUCCESS;
}

static NTSTATUS create_new(struct p9_session *s, struct host_path *path,
			   const struct open_request *rq, struct FILE_OBJECT **file,
			   u32 *information)
{
	struct lookup l;
	struct fcb *b;
	NTSTATUS status;
	bool opened;

	if (path->folder_only && !(rq->options & FILE_DIRECTORY_FILE))
		return STATUS_OBJECT_NAME_INVALID;
	status = make_new(s, path, rq, &l, &opened);
	if (status != STATUS_SUCCESS)
		return status;
	b = fcb_get(s, &l);
	if (!b)
		return STATUS_NO_MEMORY;
	if (opened && b->fid == l.fid)
		b->read_fid = b->write_fid = l.fid;
	status = fcb_open_data(b, path, rq->access);
	if (status != STATUS_SUCCESS) {
		fcb_put(b);
		return status;
	}
	*information = FILE_CREATED;
	return make_object(b, path, rq, true, file);
}

/* What mm has to say to an open, asked without our locks: images in use cannot be written, mapped
 * data cannot be cut off. The fcb is referenced. */
static NTSTATUS ask_mm(struct fcb *b, const struct open_request *rq)
{
	bool empty = disposition[rq->disposition].empty;

	if ((wants_write(rq->access) || empty) && !MmCanFileBeWritten(&b->section))
		return STATUS_SHARING_VIOLATION;
	if (rq->options & FILE_DELETE_ON_CLOSE && !MmCanFileBeWritten(&b->section))
		return STATUS_CANNOT_DELETE;
	if (empty && !MmCanFileBeTruncated(&b->section, 0))
		return STATUS_USER_MAPPED_FILE;
	return STATUS_SUCCESS;
}

/*
 * What mm has to say to the open of a file it knows: its lock is taken, ours is dropped meanwhile.
 *
 * Images stay in memory for the next use. The host tells with every name that is looked up whether
 * the file is still the one it was (qid.version: a mix of modification time and size), so a file
 * that somebody changed there is read anew by the next program started from it, at no request more.
 * An image in use stays as it is until it is not. *again: nothing but the image kept the file open;
 * it is to be opened anew.
 */
static NTSTATUS settle_with_mm(struct fcb *b, u32 version, const struct open_request *rq,
			       bool *again)
{
	bool changed = b->version != version, dropped = false;
	NTSTATUS status;

	mutex_unlock(&fs_lock);
	status = ask_mm(b, rq);
	if (changed)
		dropped = MmCanFileBeWritten(&b->section);
	mutex_lock(&fs_lock);
	if (dropped)
		b->version = version;
	*again = dropped && b->references == 1;
	return status;
}

/* One try, under fs_lock; the lock is dropped and taken again around settle_with_mm(). */
static NTSTATUS try_open(struct p9_session *s, struct host_path *path,
			 const struct open_request *rq, bool writable, struct FILE_OBJECT **file,
			 u32 *information, bool *again)
{
	struct lookup l;
	struct fcb *b;
	NTSTATUS status = lookup_path(s, path, &l);

	*again = false;
	if (status == STATUS_SUCCESS) {
		b = fcb_get(s, &l);
		if (!b)
			return STATUS_NO_MEMORY;
		if (b->section.data || b->section.image)
			status = settle_with_mm(b, l.qid.version, rq, again);
		else
			b->version = l.qid.version;
		if (status == STATUS_SUCCESS && !writable && changes_drive(rq))
			status = STATUS_ACCESS_DENIED;
		if (status != STATUS_SUCCESS || *again) {
			fcb_put(b);
			return status;
		}
		return open_existing(b, path, rq, writable, file, information);
	}
	if (status != STATUS_OBJECT_NAME_NOT_FOUND || !l.parent_found ||
	    !disposition[rq->disposition].create)
		return status;
	if (!writable)
		return STATUS_ACCESS_DENIED;
	return create_new(s, path, rq, file, information);
}

NTSTATUS disk_open(char letter, struct host_path *path, const struct open_request *rq,
		   struct FILE_OBJECT **file, u32 *information)
{
	struct p9_session *s = p9_drive(letter);
	bool writable = fs_drive_writable(letter);
	struct open_request own = *rq;
	NTSTATUS status = STATUS_UNSUCCESSFUL;

	if (own.access & MAXIMUM_ALLOWED) {
		own.access &= ~MAXIMUM_ALLOWED;
		own.access |= writable ? FILE_ALL_ACCESS : IoFileType.generic_read;
	}
	for (u32 i = 0; i < TRIES; i++) {
		bool raced, again;

		mutex_lock(&fs_lock);
		status = try_open(s, path, &own, writable, file, information, &again);
		mutex_unlock(&fs_lock);
		raced = disposition[own.disposition].open && disposition[own.disposition].create &&
			(status == STATUS_OBJECT_NAME_COLLISION ||
			 status == STATUS_OBJECT_NAME_NOT_FOUND);
		if (!raced && !(again && status == STATUS_SUCCESS))
			return status;
	}
	return status == STATUS_SUCCESS ? STATUS_SHARING_VIOLATION : status;
}
