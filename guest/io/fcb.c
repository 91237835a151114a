/*
 * File control blocks: one for each host file that is open here, found by (drive, inode).
 *
 * An fcb keeps one fid for attributes. The first open for data opens that same fid; an open that
 * needs more (write after read) walks a second one. They stay until the fcb goes, so that a mapped
 * file can be paged after its handles are closed.
 */
#include "guest/io/completion.h"
#include "guest/io/fs.h"
#include "guest/io/pending.h"

#define BUCKETS 64

struct mutex fs_lock;
static struct list table[BUCKETS];
static bool writable[26]; /* drives */

/* drive.L=rw in the run block; the letter in either case. */
static bool told_writable(char letter)
{
	char key[] = "drive.X";
	const char *value;

	key[6] = letter;
	value = runblock_get(key);
	if (!value) {
		key[6] = (char)(letter - 'A' + 'a');
		value = runblock_get(key);
	}
	return value && strcmp(value, "rw") == 0;
}

void fs_init(void)
{
	mutex_init(&fs_lock);
	pipe_init();
	pending_init();
	completion_init();
	for (u32 i = 0; i < BUCKETS; i++)
		list_init(&table[i]);
	for (char letter = 'A'; letter <= 'Z'; letter++)
		writable[letter - 'A'] = told_writable(letter);
}

bool fs_drive(char letter)
{
	return p9_drive(letter);
}

bool fs_drive_writable(char letter)
{
	return letter >= 'A' && letter <= 'Z' && writable[letter - 'A'];
}

static struct list *bucket(const struct p9_session *s, u64 inode)
{
	return &table[(inode + (u8)p9_letter(s)) % BUCKETS];
}

struct fcb *fcb_get(struct p9_session *s, struct lookup *l)
{
	struct list *head = bucket(s, l->qid.path);
	struct fcb *b;

	LIST_FOR_EACH(e, head)
	{
		b = CONTAINER_OF(e, struct fcb, entry);
		if (b->session == s && b->inode == l->qid.path) {
			p9_clunk_later(s, l->fid);
			b->references++;
			return b;
		}
	}
	b = ExAllocatePool(sizeof *b, TAG('F', 'c', 'b', ' '));
	if (!b) {
		p9_clunk(s, l->fid);
		return NULL;
	}
	b->references = 1;
	b->session = s;
	b->inode = l->qid.path;
	b->version = l->qid.version;
	b->directory = l->qid.type & P9_QTDIR;
	b->fid = l->fid;
	b->read_fid = b->write_fid = P9_NOFID;
	mutex_init(&b->lock);
	mutex_init(&b->append_lock);
	list_init(&b->locks);
	list_init(&b->files);
	KeInitializeEvent(&b->unlocked, DO_EVENT_NOTIFICATION, false);
	list_push_front(head, &b->entry);
	return b;
}

void fcb_put(struct fcb *b)
{
	if (--b->references)
		return;
	list_remove(&b->entry);
	if (b->read_fid != b->fid)
		p9_clunk(b->session, b->read_fid);
	if (b->write_fid != b->fid && b->write_fid != b->read_fid)
		p9_clunk(b->session, b->write_fid);
	p9_clunk(b->session, b->fid);
	ExFreePool(b);
}

/* An opened fid with these flags: fcb->fid itself if nobody has opened it yet, else another one. */
static NTSTATUS open_fid(struct fcb *b, const struct host_path *path, u32 flags, u32 *fid)
{
	struct host_path *again;
	struct lookup l;
	NTSTATUS status;

	if (b->read_fid != b->fid && b->write_fid != b->fid) {
		status = p9_open(b->session, b->fid, flags);
		if (status == STATUS_SUCCESS)
			*fid = b->fid;
		return status;
	}
	again = ExAllocatePool(sizeof *again, TAG('P', 'a', 't', 'h'));
	if (!again)
		return STATUS_NO_MEMORY;
	*again = *path;
	status = lookup_path(b->session, again, &l);
	ExFreePool(again);
	if (status != STATUS_SUCCESS)
		return status;
	status = l.qid.path == b->inode ? p9_open(b->session, l.fid, flags) : STATUS_FILE_DELETED;
	if (status == STATUS_SUCCESS)
		*fid = l.fid;
	else
		p9_clunk(b->session, l.fid);
	return status;
}

NTSTATUS fcb_open_data(struct fcb *b, const struct host_path *path, ACCESS_MASK access)
{
	bool want_read = access & (FILE_READ_DATA | FILE_EXECUTE);
	bool want_write = access & (FILE_WRITE_DATA | FILE_APPEND_DATA) && !b->directory;
	NTSTATUS status;
	u32 fid;

	if (want_write && b->write_fid == P9_NOFID) {
		status = open_fid(b, path, P9_RDWR, &fid);
		if (status == STATUS_ACCESS_DENIED && !want_read) {
			status = open_fid(b, path, P9_WRONLY, &fid);
			if (status == STATUS_SUCCESS)
				b->write_fid = fid;
			return status;
		}
		if (status != STATUS_SUCCESS)
			return status;
		b->write_fid = fid;
		if (b->read_fid == P9_NOFID)
			b->read_fid = fid;
	}
	if (want_read && b->read_fid == P9_NOFID) {
		status = open_fid(b, path, P9_RDONLY | (b->directory ? P9_DIRECTORY : 0), &fid);
		if (status != STATUS_SUCCESS)
			return status;
		b->read_fid = fid;
	}
	return STATUS_SUCCESS;
}

/* ---- sharing: as IoCheckShareAccess does it ---- */

static bool reads(ACCESS_MASK a)
{
	return a & (FILE_READ_DATA | FILE_EXECUTE);
}
static bool writes(ACCESS_MASK a)
{
	return a & (FILE_WRITE_DATA | FILE_APPEND_DATA);
}
static bool deletes(ACCESS_MASK a)
{
	return a & DELETE_ACCESS;
}

NTSTATUS fcb_check_share(const struct fcb *b, ACCESS_MASK access, u32 share)
{
	bool r = reads(access), w = writes(access), d = deletes(access);

	if (!r && !w && !d)
		return STATUS_SUCCESS;
	if ((r && b->share_read < b->shared) || (w && b->share_write < b->shared) ||
	    (d && b->share_delete < b->shared) || (b->readers && !(share & FILE_SHARE_READ)) ||
	    (b->writers && !(share & FILE_SHARE_WRITE)) ||
	    (b->deleters && !(share & FILE_SHARE_DELETE)))
		return STATUS_SHARING_VIOLATION;
	return STATUS_SUCCESS;
}

static void count_share(struct fcb *b, const struct FILE_OBJECT *f, u32 n)
{
	ACCESS_MASK a = f->access;

	if (!reads(a) && !writes(a) && !deletes(a))
		return;
	b->shared += n;
	b->readers += reads(a) ? n : 0;
	b->writers += writes(a) ? n : 0;
	b->deleters += deletes(a) ? n : 0;
	b->share_read += f->share & FILE_SHARE_READ ? n : 0;
	b->share_write += f->share & FILE_SHARE_WRITE ? n : 0;
	b->share_delete += f->share & FILE_SHARE_DELETE ? n : 0;
}

void fcb_add_share(struct fcb *b, const struct FILE_OBJECT *f)
{
	count_share(b, f, 1);
}

void fcb_remove_share(struct fcb *b, const struct FILE_OBJECT *f)
{
	count_share(b, f, -1u);
}

bool fcb_any_below(struct p9_session *s, const char *folder)
{
	size_t n = strlen(folder);

	for (u32 i = 0; i < BUCKETS; i++)
		LIST_FOR_EACH(e, &table[i])
		{
			struct fcb *b = CONTAINER_OF(e, struct fcb, entry);

			if (b->session != s)
				continue;
			LIST_FOR_EACH(fe, &b->files)
			{
				struct FILE_OBJECT *f =
				    CONTAINER_OF(fe, struct FILE_OBJECT, fcb_entry);

				if (!f->cleaned && strncmp(f->path, folder, n) == 0 &&
				    (n == 0 || f->path[n] == '/'))
					return true;
			}
		}
	return false;
}
