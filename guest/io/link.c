/*
 * Links: one more name for a file (FileLinkInformation), and symbolic links
 * (FSCTL_SET_REPARSE_POINT). The host follows links: here they look like what they lead to. A
 * target is kept on the host relative to the link's folder, so that it means the same there, and
 * must lie below that folder: the host refuses ways up, which could lead out of the share once the
 * link is moved.
 */
#include "guest/io/fs.h"

NTSTATUS link_file(struct FILE_OBJECT *f, struct FILE_OBJECT *root, const u16 *name, u32 chars,
		   bool replace)
{
	struct renaming *r;
	u32 folder;
	NTSTATUS s;

	if (f->fcb->directory)
		return STATUS_FILE_IS_A_DIRECTORY;
	s = renaming_begin(f, root, name, chars, replace, &r);
	if (s != STATUS_SUCCESS)
		return s;
	s = renaming_target(r, &folder);
	if (s == STATUS_SUCCESS)
		s = p9_link(r->s, f->fcb->fid, folder, host_path_last(&r->to));
	p9_clunk(r->s, folder);
	renaming_end(r);
	return s;
}

#define TARGET_MAX 255u /* bytes, as the host's server takes them */

struct target {
	char text[TARGET_MAX];
	u32 bytes;
};

static bool add(struct target *t, const char *name, u32 bytes)
{
	if (t->bytes + bytes + 1 > TARGET_MAX)
		return false;
	if (t->bytes)
		t->text[t->bytes++] = '/';
	memcpy(t->text + t->bytes, name, bytes);
	t->bytes += bytes;
	return true;
}

/* NT names between backslashes become the host's; "." and ".." stay what they are. */
static NTSTATUS add_names(struct target *t, const u16 *nt, u32 chars)
{
	for (u32 at = 0; at < chars;) {
		char name[NAME_MAX_CHARS];
		u32 n = 0, bytes;

		while (at + n < chars && nt[at + n] != '\\' && nt[at + n] != '/')
			n++;
		bytes = n ? name_to_host(nt + at, n, name, sizeof name) : 0;
		if (n && n <= 2 && nt[at] == '.' && nt[at + n - 1] == '.') {
			memcpy(name, "..", n);
			bytes = n;
		}
		if (n && !bytes)
			return STATUS_OBJECT_NAME_INVALID;
		if (n && !add(t, name, bytes))
			return STATUS_NAME_TOO_LONG;
		at += n + 1;
	}
	return t->bytes ? STATUS_SUCCESS : STATUS_OBJECT_NAME_INVALID;
}

/* => fs_lock; r->from is where the link goes */
static NTSTATUS make_target(const struct renaming *r, const u16 *nt, u32 chars, bool relative,
			    struct target *t)
{
	struct nt_path p;

	t->bytes = 0;
	if (relative)
		return add_names(t, nt, chars);
	path_parse(nt, chars, &p);
	if (p.kind != PATH_DRIVE || p.in_windows)
		return STATUS_OBJECT_PATH_NOT_FOUND;
	if (p9_drive(p.letter) != r->s)
		return STATUS_NOT_SAME_DEVICE;
	for (u32 k = 0; k + 1 < r->from.count; k++) { /* it must lie below the link's folder */
		u32 n = 0;

		while (n < p.rest_chars && p.rest[n] != '\\')
			n++;
		if (!name_equal(p.rest, n, r->from.text + r->from.start[k], r->from.length[k]))
			return STATUS_ACCESS_DENIED;
		n += n < p.rest_chars;
		p.rest += n;
		p.rest_chars -= n;
	}
	return add_names(t, p.rest, p.rest_chars);
}

NTSTATUS symlink_file(struct FILE_OBJECT *f, const u16 *target, u32 chars, bool relative)
{
	struct renaming *r;
	struct target t;
	u32 folder = P9_NOFID;
	NTSTATUS s = renaming_begin(f, NULL, NULL, 0, false, &r);

	if (s != STATUS_SUCCESS)
		return s;
	s = make_target(r, target, chars, relative, &t);
	if (s == STATUS_SUCCESS)
		s = lookup_parent(r->s, &r->from, &folder);
	if (s == STATUS_SUCCESS) /* fails where there is anything in it, if it is a folder */
		s = p9_unlink(r->s, folder, host_path_last(&r->from), f->fcb->directory);
	if (s == STATUS_SUCCESS) {
		list_remove(&f->fcb->entry); /* the host may use its inode number again */
		s = p9_symlink(r->s, folder, host_path_last(&r->from),
			       (struct p9_name){t.text, t.bytes});
	}
	p9_clunk(r->s, folder);
	renaming_end(r);
	return s;
}
