/*
 * Names on the host: case-sensitive there, case-insensitive here.
 *
 * A path is walked as spelled first: one request when the spelling is right, which it nearly always
 * is. Where a name is not found, its folder is read and the first name equal but for case is taken;
 * then the walk goes on. Every turn either goes deeper or ends, so a host that lies about its
 * folders costs time, not termination.
 */
#include "guest/io/bounce.h"
#include "guest/io/fs.h"

#define LIST_BYTES	0x2000u
#define MAX_LIST_ROUNDS 100000 /* replies of one folder */

/* Looks for the path's component `index` in the folder `dir` (an unopened fid, which this opens).
 */
static NTSTATUS find_in_folder(struct p9_session *s, u32 dir, struct host_path *path, u32 index)
{
	u16 wanted[NAME_MAX_CHARS];
	const char *spelled = path->text + path->start[index];
	u32 chars = name_to_nt(spelled, path->length[index], wanted, NAME_MAX_CHARS);
	NTSTATUS status = p9_open(s, dir, P9_RDONLY | P9_DIRECTORY);
	struct bounce list;
	bool found = false;
	u64 offset = 0;

	if (status != STATUS_SUCCESS)
		return status;
	list = bounce_get(BOUNCE_KERNEL, LIST_BYTES);
	for (u32 round = 0; !found && status == STATUS_SUCCESS; round++) {
		struct p9_cursor c;
		struct p9_dirent e;
		u32 bytes = 0;

		if (round < MAX_LIST_ROUNDS)
			status = p9_readdir(s, dir, offset, list.data, LIST_BYTES, &bytes);
		if (status == STATUS_SUCCESS && !bytes)
			status = STATUS_OBJECT_NAME_NOT_FOUND;
		p9_cursor_init(&c, list.data, bytes);
		while (!found && p9_get_dirent(&c, &e)) {
			offset = e.next_offset;
			found = name_equal(wanted, chars, e.name, e.name_bytes);
		}
		if (c.bad)
			status = STATUS_IO_DEVICE_ERROR;
		else if (found && e.name_bytes == path->length[index] &&
			 memcmp(e.name, spelled, e.name_bytes) == 0)
			status = STATUS_ACCESS_DENIED; /* there, but cannot be walked to */
		else if (found && !host_path_replace(path, index, e.name, e.name_bytes))
			status = STATUS_NAME_TOO_LONG;
	}
	bounce_put(&list);
	return status;
}

/* Walks names [from, to) below fid into a new fid. *at counts the names found. */
static NTSTATUS walk_names(struct p9_session *s, const struct host_path *path, u32 base, u32 from,
			   u32 to, u32 *fid, struct p9_qid *qid, u32 *at)
{
	struct p9_name name[P9_MAX_WALK];
	u32 walked;

	for (u32 i = from; i < to; i++)
		name[i - from] = (struct p9_name){path->text + path->start[i], path->length[i]};
	*at = from;
	*fid = p9_new_fid(s);
	if (*fid == P9_NOFID)
		return STATUS_INSUFFICIENT_RESOURCES;
	NTSTATUS status = p9_walk(s, base, *fid, name, to - from, &walked, qid);
	*at = from + walked;
	return status;
}

/* How many names from `at` on fit into one request. */
static u32 stretch(const struct host_path *path, u32 at, u32 end)
{
	u32 bytes = 64, to = at;

	while (to < end && to - at < P9_MAX_WALK && bytes + path->length[to] + 2u < P9_CALL_BYTES)
		bytes += path->length[to++] + 2u;
	return to;
}

/* Walks the first `count` names as they are spelled. */
static NTSTATUS walk_prefix(struct p9_session *s, const struct host_path *path, u32 count, u32 *fid,
			    struct p9_qid *qid, u32 *at)
{
	u32 base = P9_ROOT_FID, done = 0;

	for (;;) {
		u32 to = stretch(path, done, count), next;
		NTSTATUS status = walk_names(s, path, base, done, to, &next, qid, at);

		p9_clunk(s, base); /* the root stays */
		if (status != STATUS_SUCCESS)
			return status;
		done = to;
		base = next;
		if (done == count) {
			*fid = next;
			return STATUS_SUCCESS;
		}
	}
}

NTSTATUS lookup_parent(struct p9_session *s, const struct host_path *path, u32 *fid)
{
	struct p9_qid qid;
	u32 at;

	if (!path->count)
		return STATUS_OBJECT_NAME_INVALID;
	return walk_prefix(s, path, path->count - 1, fid, &qid, &at);
}

NTSTATUS lookup_path(struct p9_session *s, struct host_path *path, struct lookup *l)
{
	u32 corrected = 0; /* names before this one are the host's spelling */

	l->parent_found = false;
	l->qid = p9_root(s);
	for (;;) {
		u32 at, dir, ignored;
		struct p9_qid qid;
		NTSTATUS status = walk_prefix(s, path, path->count, &l->fid, &l->qid, &at);

		if (status != STATUS_OBJECT_NAME_NOT_FOUND &&
		    status != STATUS_OBJECT_PATH_NOT_FOUND)
			return status;
		if (at >= path->count || at < corrected)
			return STATUS_OBJECT_PATH_NOT_FOUND;
		status = walk_prefix(s, path, at, &dir, &qid, &ignored);
		if (status != STATUS_SUCCESS)
			return STATUS_OBJECT_PATH_NOT_FOUND;
		if (at && !(qid.type & P9_QTDIR)) {
			p9_clunk(s, dir);
			return STATUS_OBJECT_PATH_NOT_FOUND;
		}
		status = find_in_folder(s, dir, path, at);
		p9_clunk(s, dir);
		if (status == STATUS_OBJECT_NAME_NOT_FOUND) {
			l->parent_found = at + 1 == path->count;
			return l->parent_found ? status : STATUS_OBJECT_PATH_NOT_FOUND;
		}
		if (status != STATUS_SUCCESS)
			return status;
		corrected = at + 1;
	}
}
