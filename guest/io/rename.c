/*
 * Renaming: within one drive, by folder fids and last names.
 *
 * Paths are kept in the file objects, so all objects of the file get the new one; a folder with
 * open files below it cannot be renamed (as on NT), which keeps everybody else's path true.
 */
#include "guest/io/fs.h"

struct p9_name host_path_last(const struct host_path *p)
{
	return (struct p9_name){p->text + p->start[p->count - 1], p->length[p->count - 1]};
}
#define last_name host_path_last

/* The target path: a plain name (same folder), below `root`, or a full NT path. => fs_lock */
static NTSTATUS target_path(struct renaming *r, struct FILE_OBJECT *root, const u16 *name,
			    u32 chars)
{
	const char *base = r->f->path;
	struct nt_path p = {0};
	enum path_error e;
	bool fits;

	if (root) {
		if (!is_folder(root) || root->fcb->session != r->s)
			return STATUS_NOT_SAME_DEVICE;
		base = root->path;
	} else if (name[0] == '\\') {
		path_parse(name, chars, &p);
		if (p.kind != PATH_DRIVE || p.in_windows)
			return STATUS_OBJECT_PATH_NOT_FOUND;
		if (p9_drive(p.letter) != r->s)
			return STATUS_NOT_SAME_DEVICE;
		base = "";
		name = p.rest;
		chars = p.rest_chars;
	}
	fits = host_path_set(&r->to, base);
	if (fits && !root && base == r->f->path) { /* its own folder */
		r->to.bytes = r->to.count > 1 ? r->to.start[r->to.count - 1] - 1u : 0;
		r->to.text[r->to.bytes] = 0;
		r->to.count--;
	}
	e = fits ? host_path_append(&r->to, name, chars) : PATH_TOO_LONG;
	if (e != PATH_OK || !r->to.count)
		return e == PATH_TOO_LONG ? STATUS_NAME_TOO_LONG : STATUS_OBJECT_NAME_INVALID;
	r->last_bytes = last_name(&r->to).bytes;
	memcpy(r->last, last_name(&r->to).text, r->last_bytes);
	return STATUS_SUCCESS;
}

/* Something has the new name already. Removes it if that is asked for and can be. => fs_lock */
static NTSTATUS clear_target(struct renaming *r, struct lookup *l, u32 folder)
{
	struct fcb *b = fcb_get(r->s, l);
	NTSTATUS s = STATUS_SUCCESS;
	struct p9_attr a;

	if (!b)
		return STATUS_NO_MEMORY;
	if (b == r->f->fcb) {
		fcb_put(b); /* the same file: only the spelling changes */
		return STATUS_SUCCESS;
	}
	if (!r->replace)
		s = STATUS_OBJECT_NAME_COLLISION;
	else if (b->directory || b->opens)
		s = STATUS_ACCESS_DENIED;
	else
		s = p9_getattr(r->s, b->fid, &a);
	if (s == STATUS_SUCCESS && attributes_of(&a) & FILE_ATTRIBUTE_READONLY)
		s = STATUS_ACCESS_DENIED;
	if (s == STATUS_SUCCESS && (b->section.image || b->section.data))
		s = STATUS_ACCESS_DENIED;
	/* Another spelling would be left over; the same one is replaced by the rename itself. */
	if (s == STATUS_SUCCESS && (last_name(&r->to).bytes != r->last_bytes ||
				    memcmp(last_name(&r->to).text, r->last, r->last_bytes) != 0))
		s = p9_unlink(r->s, folder, last_name(&r->to), false);
	if (s == STATUS_SUCCESS)
		list_remove(&b->entry);
	fcb_put(b);
	return s;
}

/* Every file object of the file that was opened by the old path. => fs_lock */
static NTSTATUS move_paths(struct renaming *r)
{
	LIST_FOR_EACH(e, &r->f->fcb->files)
	{
		struct FILE_OBJECT *f = CONTAINER_OF(e, struct FILE_OBJECT, fcb_entry);
		char *text;

		if (strcmp(f->path, r->from.text) != 0)
			continue;
		text = ExAllocatePool(r->to.bytes + 1, TAG('P', 'a', 't', 'h'));
		if (!text)
			return STATUS_NO_MEMORY;
		memcpy(text, r->to.text, r->to.bytes + 1);
		ExFreePool(f->path);
		f->path = text;
	}
	return STATUS_SUCCESS;
}

NTSTATUS renaming_target(struct renaming *r, u32 *folder)
{
	struct lookup l;
	NTSTATUS s, found = lookup_path(r->s, &r->to, &l);

	*folder = P9_NOFID;
	if (found != STATUS_SUCCESS && !(found == STATUS_OBJECT_NAME_NOT_FOUND && l.parent_found))
		return found;
	s = lookup_parent(r->s, &r->to, folder);
	if (found == STATUS_SUCCESS) {
		if (s == STATUS_SUCCESS)
			s = clear_target(r, &l, *folder);
		else
			p9_clunk(r->s, l.fid);
	}
	if (s == STATUS_SUCCESS &&
	    !host_path_replace(&r->to, r->to.count - 1, r->last, r->last_bytes))
		s = STATUS_NAME_TOO_LONG;
	return s;
}

/* => fs_lock */
static NTSTATUS rename_locked(struct renaming *r)
{
	u32 from_fid = P9_NOFID, to_fid = P9_NOFID;
	NTSTATUS s;

	if (r->f->fcb->directory && fcb_any_below(r->s, r->from.text))
		return STATUS_ACCESS_DENIED;
	s = renaming_target(r, &to_fid);
	if (s == STATUS_SUCCESS)
		s = lookup_parent(r->s, &r->from, &from_fid);
	if (s == STATUS_SUCCESS)
		s = p9_rename(r->s, from_fid, last_name(&r->from), to_fid, last_name(&r->to));
	p9_clunk(r->s, from_fid);
	p9_clunk(r->s, to_fid);
	return s == STATUS_SUCCESS ? move_paths(r) : s;
}

NTSTATUS renaming_begin(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
			bool replace, struct renaming **out)
{
	struct renaming *r;
	NTSTATUS s;

	if (f->read_only_drive)
		return STATUS_ACCESS_DENIED;
	r = ExAllocatePool(sizeof *r, TAG('R', 'e', 'n', 'm'));
	if (!r)
		return STATUS_INSUFFICIENT_RESOURCES;
	r->f = f;
	r->s = f->fcb->session;
	r->replace = replace;
	mutex_lock(&fs_lock);
	s = host_path_set(&r->from, f->path) && r->from.count ? STATUS_SUCCESS
							      : STATUS_ACCESS_DENIED;
	if (s == STATUS_SUCCESS && chars)
		s = target_path(r, root, name, chars);
	if (s != STATUS_SUCCESS)
		renaming_end(r);
	else
		*out = r;
	return s;
}

void renaming_end(struct renaming *r)
{
	mutex_unlock(&fs_lock);
	ExFreePool(r);
}

NTSTATUS rename_file(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
		     bool replace)
{
	struct renaming *r;
	NTSTATUS s = renaming_begin(f, root, name, chars, replace, &r);

	if (s != STATUS_SUCCESS)
		return s;
	s = rename_locked(r);
	renaming_end(r);
	return s;
}
