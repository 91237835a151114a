/* 9P requests, one function each, and the table from the host's errno to NTSTATUS. */
#include "guest/io/p9.h"

/* Linux' numbers (asm-generic/errno*.h). */
static const struct {
	u16 error;
	NTSTATUS status;
} errors[] = {
    {1, STATUS_ACCESS_DENIED},		 /* EPERM */
    {2, STATUS_OBJECT_NAME_NOT_FOUND},	 /* ENOENT */
    {5, STATUS_IO_DEVICE_ERROR},	 /* EIO */
    {9, STATUS_INVALID_DEVICE_REQUEST},	 /* EBADF */
    {12, STATUS_INSUFFICIENT_RESOURCES}, /* ENOMEM */
    {13, STATUS_ACCESS_DENIED},		 /* EACCES */
    {16, STATUS_SHARING_VIOLATION},	 /* EBUSY */
    {17, STATUS_OBJECT_NAME_COLLISION},	 /* EEXIST */
    {18, STATUS_NOT_SAME_DEVICE},	 /* EXDEV */
    {20, STATUS_OBJECT_PATH_NOT_FOUND},	 /* ENOTDIR */
    {21, STATUS_FILE_IS_A_DIRECTORY},	 /* EISDIR */
    {22, STATUS_INVALID_PARAMETER},	 /* EINVAL */
    {23, STATUS_INSUFFICIENT_RESOURCES}, /* ENFILE */
    {24, STATUS_INSUFFICIENT_RESOURCES}, /* EMFILE */
    {26, STATUS_SHARING_VIOLATION},	 /* ETXTBSY */
    {27, STATUS_DISK_FULL},		 /* EFBIG */
    {28, STATUS_DISK_FULL},		 /* ENOSPC */
    {30, STATUS_MEDIA_WRITE_PROTECTED},	 /* EROFS */
    {36, STATUS_NAME_TOO_LONG},		 /* ENAMETOOLONG */
    {38, STATUS_NOT_SUPPORTED},		 /* ENOSYS */
    {39, STATUS_DIRECTORY_NOT_EMPTY},	 /* ENOTEMPTY */
    {40, STATUS_ACCESS_DENIED},		 /* ELOOP: a symbolic link out of the folder */
    {95, STATUS_NOT_SUPPORTED},		 /* EOPNOTSUPP */
    {122, STATUS_DISK_FULL},		 /* EDQUOT */
};

NTSTATUS p9_status(u32 error)
{
	for (u32 i = 0; i < ARRAY_SIZE(errors); i++)
		if (errors[i].error == error)
			return errors[i].status;
	return STATUS_UNSUCCESSFUL;
}

/* A request whose reply holds nothing of interest. */
static NTSTATUS run_plain(struct p9_call *c)
{
	NTSTATUS s = p9_run(c, NULL, 0, false, 0, 0);

	p9_end(c);
	return s;
}

static void put_name(struct p9_call *c, struct p9_name n)
{
	p9_put_string(&c->out, n.text, n.bytes);
}

#define GETATTR_BASIC 0x7ffull
#define GETATTR_BTIME 0x800ull

NTSTATUS p9_getattr(struct p9_session *s, u32 fid, struct p9_attr *a)
{
	struct p9_call *c = p9_begin(s, P9_GETATTR);
	NTSTATUS status;

	p9_put(&c->out, fid, 4);
	p9_put(&c->out, GETATTR_BASIC | GETATTR_BTIME, 8);
	status = p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		p9_get_attr(&c->in, a);
		if (c->in.bad)
			status = STATUS_IO_DEVICE_ERROR;
	}
	p9_end(c);
	return status;
}

static void put_time(struct p9_call *c, s64 ns)
{
	s64 seconds = ns / 1000000000ll, rest = ns % 1000000000ll;

	if (rest < 0) {
		rest += 1000000000ll;
		seconds--;
	}
	p9_put(&c->out, (u64)seconds, 8);
	p9_put(&c->out, (u64)rest, 8);
}

NTSTATUS p9_setattr(struct p9_session *s, u32 fid, u32 valid, const struct p9_attr *a)
{
	struct p9_call *c = p9_begin(s, P9_SETATTR);

	p9_put(&c->out, fid, 4);
	p9_put(&c->out, valid, 4);
	p9_put(&c->out, a->mode & 07777, 4);
	p9_put(&c->out, 0, 4); /* uid, gid: not set */
	p9_put(&c->out, 0, 4);
	p9_put(&c->out, a->size, 8);
	put_time(c, a->atime);
	put_time(c, a->mtime);
	return run_plain(c);
}

NTSTATUS p9_open(struct p9_session *s, u32 fid, u32 flags)
{
	struct p9_call *c = p9_begin(s, P9_LOPEN);

	p9_put(&c->out, fid, 4);
	p9_put(&c->out, flags, 4);
	return run_plain(c);
}

NTSTATUS p9_create(struct p9_session *s, u32 fid, struct p9_name name, u32 flags, u32 mode,
		   struct p9_qid *qid)
{
	struct p9_call *c = p9_begin(s, P9_LCREATE);
	NTSTATUS status;

	p9_put(&c->out, fid, 4);
	put_name(c, name);
	p9_put(&c->out, flags, 4);
	p9_put(&c->out, mode, 4);
	p9_put(&c->out, 0, 4); /* gid */
	status = p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		*qid = p9_get_qid(&c->in);
		if (c->in.bad)
			status = STATUS_IO_DEVICE_ERROR;
	}
	p9_end(c);
	return status;
}

NTSTATUS p9_mkdir(struct p9_session *s, u32 fid, struct p9_name name, u32 mode)
{
	struct p9_call *c = p9_begin(s, P9_MKDIR);

	p9_put(&c->out, fid, 4);
	put_name(c, name);
	p9_put(&c->out, mode, 4);
	p9_put(&c->out, 0, 4); /* gid */
	return run_plain(c);
}

NTSTATUS p9_rename(struct p9_session *s, u32 from, struct p9_name old, u32 to, struct p9_name new)
{
	struct p9_call *c = p9_begin(s, P9_RENAMEAT);

	p9_put(&c->out, from, 4);
	put_name(c, old);
	p9_put(&c->out, to, 4);
	put_name(c, new);
	return run_plain(c);
}

NTSTATUS p9_link(struct p9_session *s, u32 from, u32 to, struct p9_name new)
{
	struct p9_call *c = p9_begin(s, P9_LINK);

	p9_put(&c->out, to, 4);
	p9_put(&c->out, from, 4);
	put_name(c, new);
	return run_plain(c);
}

NTSTATUS p9_symlink(struct p9_session *s, u32 fid, struct p9_name name, struct p9_name target)
{
	struct p9_call *c = p9_begin(s, P9_SYMLINK);

	p9_put(&c->out, fid, 4);
	put_name(c, name);
	put_name(c, target);
	p9_put(&c->out, 0, 4); /* gid */
	return run_plain(c);
}

#define AT_REMOVEDIR 0x200

NTSTATUS p9_unlink(struct p9_session *s, u32 fid, struct p9_name name, bool folder)
{
	struct p9_call *c = p9_begin(s, P9_UNLINKAT);

	p9_put(&c->out, fid, 4);
	put_name(c, name);
	p9_put(&c->out, folder ? AT_REMOVEDIR : 0, 4);
	return run_plain(c);
}

NTSTATUS p9_fsync(struct p9_session *s, u32 fid)
{
	struct p9_call *c = p9_begin(s, P9_FSYNC);

	p9_put(&c->out, fid, 4);
	p9_put(&c->out, 0, 4); /* data and metadata */
	return run_plain(c);
}

NTSTATUS p9_statfs(struct p9_session *s, u32 fid, struct p9_statfs *v)
{
	struct p9_call *c = p9_begin(s, P9_STATFS);
	NTSTATUS status;

	p9_put(&c->out, fid, 4);
	status = p9_run(c, NULL, 0, false, 0, 0);
	if (status == STATUS_SUCCESS) {
		p9_get(&c->in, 4); /* type */
		v->block_bytes = p9_get(&c->in, 4);
		v->blocks = p9_get(&c->in, 8);
		v->free_blocks = p9_get(&c->in, 8);
		v->available_blocks = p9_get(&c->in, 8);
		p9_get(&c->in, 8); /* files */
		p9_get(&c->in, 8); /* free files */
		v->id = p9_get(&c->in, 8);
		if (c->in.bad || !v->block_bytes)
			status = STATUS_IO_DEVICE_ERROR;
	}
	p9_end(c);
	return status;
}

/* Read, write and readdir: fid[4] offset[8] count[4], and the answer is a count. */
static NTSTATUS transfer(struct p9_session *s, u8 type, u32 fid, u64 offset,
			 const struct vq_seg *seg, u32 nseg, u32 bytes, u32 *done)
{
	struct p9_call *c = p9_begin(s, type);
	bool to_host = type == P9_WRITE;
	NTSTATUS status;

	*done = 0;
	p9_put(&c->out, fid, 4);
	p9_put(&c->out, offset, 8);
	p9_put(&c->out, bytes, 4);
	status = p9_run(c, seg, nseg, to_host, bytes, P9_IO_HEADER);
	if (status == STATUS_SUCCESS) {
		u32 count = (u32)p9_get(&c->in, 4);

		if (c->in.bad || count > bytes || (!to_host && count > c->arrived - P9_IO_HEADER))
			status = STATUS_IO_DEVICE_ERROR;
		else
			*done = count;
	}
	p9_end(c);
	return status;
}

NTSTATUS p9_read(struct p9_session *s, u32 fid, u64 offset, const struct vq_seg *seg, u32 nseg,
		 u32 bytes, u32 *done)
{
	return transfer(s, P9_READ, fid, offset, seg, nseg, bytes, done);
}

NTSTATUS p9_write(struct p9_session *s, u32 fid, u64 offset, const struct vq_seg *seg, u32 nseg,
		  u32 bytes, u32 *done)
{
	return transfer(s, P9_WRITE, fid, offset, seg, nseg, bytes, done);
}

NTSTATUS p9_readdir(struct p9_session *s, u32 fid, u64 offset, void *kernel, u32 bytes, u32 *done)
{
	struct vq_seg seg[P9_MAX_SEGS];
	u32 n = vq_segments(kernel, bytes, seg, ARRAY_SIZE(seg));

	if (!n)
		return STATUS_INVALID_PARAMETER;
	return transfer(s, P9_READDIR, fid, offset, seg, n, bytes, done);
}
