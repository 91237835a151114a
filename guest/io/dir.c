/*
 * NtQueryDirectoryFile: folders listed, by pattern, in the layouts of six information classes.
 *
 * A file object has one scan: the pattern (fixed by the first call), the host's offset to go on
 * from, and the piece of the host's listing that is being looked at. The host's names are filtered
 * one at a time; size and times need a walk and a getattr each, on a fid of the scan's own.
 * "." and ".." are ours: first, and not in a drive's root.
 *
 * Lock: f->lock.
 */
#include "guest/io/bounce.h"
#include "guest/io/syscalls.h"

#define LIST_BYTES 2000u /* a small block of pool */

struct dir_scan {
	u16 pattern[NAME_MAX_CHARS];
	u32 pattern_chars; /* 0: everything */
	u32 fid;	   /* of the folder, not opened */
	u32 dots;	   /* of "." and "..": how many are behind us */
	bool found;	   /* something was returned */
	bool again;	   /* the entry below was found, but there was no room */
	bool end;
	u64 offset;
	struct p9_cursor list;
	/* the current entry */
	u16 name[NAME_MAX_CHARS];
	u32 chars;
	struct p9_attr attr;
	u8 *buffer; /* LIST_BYTES, pool */
};

/* Offsets within an entry; 0: the class has no such field. */
static const struct layout {
	u8 info_class, ea, id, name_length, name;
	bool attributes;
} layouts[] = {
    {1, 0, 0, 60, 64, true},	 /* FileDirectoryInformation */
    {2, 64, 0, 60, 68, true},	 /* FileFullDirectoryInformation */
    {3, 64, 0, 60, 94, true},	 /* FileBothDirectoryInformation: no short names */
    {12, 0, 0, 8, 12, false},	 /* FileNamesInformation */
    {37, 64, 96, 60, 104, true}, /* FileIdBothDirectoryInformation */
    {38, 64, 72, 60, 80, true},	 /* FileIdFullDirectoryInformation */
};

void dir_scan_free(struct FILE_OBJECT *f)
{
	p9_clunk(f->fcb->session, f->scan->fid);
	ExFreePool(f->scan->buffer);
	ExFreePool(f->scan);
}

/* The pattern: a UNICODE_STRING of user mode, or NULL. */
static NTSTATUS capture_pattern(struct dir_scan *s, const void *user)
{
	struct {
		u16 bytes, room;
		u32 pad;
		u64 text;
	} v;
	NTSTATUS status;

	s->pattern_chars = 0;
	if (!user)
		return STATUS_SUCCESS;
	status = copy_from_user(&v, user, sizeof v);
	if (status != STATUS_SUCCESS || !v.bytes)
		return status;
	if (v.bytes & 1 || v.bytes / 2 > NAME_MAX_CHARS)
		return STATUS_OBJECT_NAME_INVALID;
	status = copy_from_user(s->pattern, (const void *)v.text, v.bytes);
	s->pattern_chars = v.bytes / 2u;
	if (s->pattern_chars == 1 && s->pattern[0] == '*')
		s->pattern_chars = 0;
	return status;
}

static void rewind(struct dir_scan *s, bool root)
{
	s->dots = root ? 2 : 0;
	s->offset = 0;
	s->again = s->end = false;
	p9_cursor_init(&s->list, s->buffer, 0);
}

/* Makes the scan at the first call. => f->lock */
static NTSTATUS begin_scan(struct FILE_OBJECT *f, const void *user_pattern)
{
	struct dir_scan *s = ExAllocatePool(sizeof *s, TAG('D', 's', 'c', 'n'));
	struct host_path *path = ExAllocatePool(sizeof *path, TAG('P', 'a', 't', 'h'));
	NTSTATUS status = STATUS_INSUFFICIENT_RESOURCES;
	struct lookup l;

	if (s)
		s->buffer = ExAllocatePool(LIST_BYTES, TAG('D', 'l', 's', 't'));
	if (s && s->buffer && path)
		status = capture_pattern(s, user_pattern);
	if (status == STATUS_SUCCESS) {
		mutex_lock(&fs_lock);
		if (!host_path_set(path, f->path))
			status = STATUS_NAME_TOO_LONG;
		else
			status = lookup_path(f->fcb->session, path, &l);
		mutex_unlock(&fs_lock);
	}
	if (status == STATUS_SUCCESS) {
		s->fid = l.fid;
		rewind(s, !f->path[0]);
		f->scan = s;
	} else if (s) {
		if (s->buffer)
			ExFreePool(s->buffer);
		ExFreePool(s);
	}
	if (path)
		ExFreePool(path);
	return status;
}

static bool is_dots(const struct p9_dirent *e)
{
	return (e->name_bytes == 1 && e->name[0] == '.') ||
	       (e->name_bytes == 2 && e->name[0] == '.' && e->name[1] == '.');
}

static bool wanted(const struct dir_scan *s)
{
	return !s->pattern_chars || name_matches(s->pattern, s->pattern_chars, s->name, s->chars);
}

/* Attributes of an entry of the folder; false: it has gone, or cannot be looked at. */
static bool entry_attributes(struct FILE_OBJECT *f, const struct p9_dirent *e)
{
	struct p9_session *session = f->fcb->session;
	struct p9_name name = {e->name, e->name_bytes};
	u32 fid = p9_new_fid(session), walked;
	struct p9_qid qid;
	NTSTATUS s;

	if (fid == P9_NOFID ||
	    p9_walk(session, f->scan->fid, fid, &name, 1, &walked, &qid) != STATUS_SUCCESS)
		return false;
	s = p9_getattr(session, fid, &f->scan->attr);
	p9_clunk(session, fid);
	return s == STATUS_SUCCESS;
}

/* The next entry that matches, into s->name and s->attr. => f->lock */
static NTSTATUS next_entry(struct FILE_OBJECT *f, bool attributes)
{
	struct dir_scan *s = f->scan;
	struct p9_dirent e;
	NTSTATUS status;
	u32 bytes;

	for (; s->dots < 2;) {
		s->chars = ++s->dots;
		s->name[0] = s->name[1] = '.';
		if (wanted(s))
			return file_attributes(f, &s->attr);
	}
	for (;;) {
		while (p9_get_dirent(&s->list, &e)) {
			s->offset = e.next_offset;
			s->chars = name_to_nt(e.name, e.name_bytes, s->name, NAME_MAX_CHARS);
			if (is_dots(&e) || s->chars > NAME_MAX_CHARS || !wanted(s))
				continue;
			s->attr.qid = e.qid;
			if (!attributes || entry_attributes(f, &e))
				return STATUS_SUCCESS;
		}
		if (s->list.bad)
			return STATUS_IO_DEVICE_ERROR;
		status = p9_readdir(f->fcb->session, f->fcb->read_fid, s->offset, s->buffer,
				    LIST_BYTES, &bytes);
		if (status != STATUS_SUCCESS)
			return status;
		if (!bytes)
			return STATUS_NO_MORE_FILES;
		p9_cursor_init(&s->list, s->buffer, bytes);
	}
}

/* Writes the current entry at `out`; the name is cut to `fits` bytes. */
static void put_entry(const struct dir_scan *s, const struct layout *l, u8 *out, u32 fits)
{
	const struct p9_attr *a = &s->attr;
	s64 born = a->has_btime ? a->btime : MIN(a->mtime, a->ctime);
	bool folder = a->qid.type & P9_QTDIR;

	if (l->attributes) {
		*(u64 *)(out + 8) = nt_time(born);
		*(u64 *)(out + 16) = nt_time(a->atime);
		*(u64 *)(out + 24) = nt_time(a->mtime);
		*(u64 *)(out + 32) = nt_time(a->ctime);
		*(u64 *)(out + 40) = folder ? 0 : a->size;
		*(u64 *)(out + 48) = folder ? 0 : a->blocks * 512;
		*(u32 *)(out + 56) = attributes_of(a);
	}
	if (l->id)
		*(u64 *)(out + l->id) = a->qid.path;
	*(u32 *)(out + l->name_length) = s->chars * 2;
	memcpy(out + l->name, s->name, fits);
}

/* Fills `out` with as many entries as fit. => f->lock */
static NTSTATUS fill(struct FILE_OBJECT *f, const struct layout *l, bool single, u8 *out, u32 room,
		     u32 *length)
{
	struct dir_scan *s = f->scan;
	u32 at = 0, previous = 0, entries = 0;
	NTSTATUS status = STATUS_SUCCESS;

	*length = 0;
	while (!entries || !single) {
		u32 bytes;

		if (!s->again) {
			status = s->end ? STATUS_NO_MORE_FILES : next_entry(f, l->attributes);
			if (status != STATUS_SUCCESS)
				break;
		}
		s->again = false;
		bytes = s->chars * 2;
		if (at + l->name + bytes > room || at + l->name > room) {
			if (entries) {
				s->again = true;
				return STATUS_SUCCESS;
			}
			put_entry(s, l, out, (room - l->name) & ~1u);
			*length = room;
			s->found = true;
			return STATUS_BUFFER_OVERFLOW;
		}
		put_entry(s, l, out + at, bytes);
		if (entries)
			*(u32 *)(out + previous) = at - previous;
		s->found = true;
		entries++;
		previous = at;
		*length = at + l->name + bytes;
		at = (u32)ALIGN_UP(*length, 8);
	}
	if (status == STATUS_NO_MORE_FILES)
		s->end = true;
	if (entries)
		return STATUS_SUCCESS;
	return status == STATUS_NO_MORE_FILES && !s->found ? STATUS_NO_SUCH_FILE : status;
}

static NTSTATUS query(struct FILE_OBJECT *f, const struct layout *l, bool single,
		      const void *user_pattern, bool restart, u8 *out, u32 room, u32 *length)
{
	NTSTATUS s = STATUS_SUCCESS;

	mutex_lock(&f->lock);
	if (!f->scan)
		s = begin_scan(f, user_pattern);
	else if (restart)
		rewind(f->scan, !f->path[0]);
	if (s == STATUS_SUCCESS)
		s = fill(f, l, single, out, room, length);
	mutex_unlock(&f->lock);
	return s;
}

NTSYSCALL NTSTATUS NtQueryDirectoryFile(HANDLE h, HANDLE event, void *apc, void *apc_context,
					void *iosb, void *buffer, u32 bytes, u32 info_class,
					u8 single, const void *pattern, u8 restart)
{
	const struct layout *l = NULL;
	u32 room = MIN(bytes, BOUNCE_BYTES), length = 0;
	struct bounce out;
	struct request r;
	NTSTATUS s, copied;

	for (u32 i = 0; i < ARRAY_SIZE(layouts) && !l; i++)
		if (layouts[i].info_class == info_class)
			l = &layouts[i];
	if (!l)
		return STATUS_INVALID_INFO_CLASS;
	if (bytes < ALIGN_UP(l->name + 2u, 8))
		return STATUS_INFO_LENGTH_MISMATCH;
	s = request_begin_apc(&r, h, FILE_LIST_DIRECTORY, event, apc, apc_context, iosb);
	if (s != STATUS_SUCCESS)
		return s;
	if (!is_folder(r.f) || r.f->fcb->read_fid == P9_NOFID)
		return request_end(&r, STATUS_INVALID_PARAMETER, 0);
	out = bounce_get(BOUNCE_USER, room);
	memset(out.data, 0, room);
	s = query(r.f, l, single, pattern, restart, out.data, room, &length);
	if (length) {
		copied = copy_to_user(buffer, out.data, length);
		if (copied != STATUS_SUCCESS)
			s = copied;
	}
	bounce_put(&out);
	return request_end(&r, s, length);
}
