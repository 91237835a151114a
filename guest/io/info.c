/*
 * NtQueryInformationFile, NtQueryAttributesFile, NtQueryFullAttributesFile.
 *
 * One table: class, least length, access needed, function. A function writes the class's structure
 * into a zeroed kernel buffer as large as the user's (within reason); a name that does not fit is
 * cut and the call ends with STATUS_BUFFER_OVERFLOW.
 */
#include "guest/io/syscalls.h"
#include "guest/io/pipe.h"

#define OUT_MAX (104u + 2 * HOST_PATH_MAX) /* the fixed parts, and the longest name */

struct query {
	struct FILE_OBJECT *f;
	ACCESS_MASK access;
	struct p9_attr attr; /* of disk files, for classes that want it */
	u8 *out;
	u32 room, length; /* of out; written */
};

#define PUT(q, at, type, value) (*(type *)((q)->out + (at)) = (type)(value))

static void put_times(struct query *q, u32 at)
{
	const struct p9_attr *a = &q->attr;
	s64 born = a->has_btime ? a->btime : MIN(a->mtime, a->ctime);

	PUT(q, at, u64, nt_time(born));
	PUT(q, at + 8, u64, nt_time(a->atime));
	PUT(q, at + 16, u64, nt_time(a->mtime));
	PUT(q, at + 24, u64, nt_time(a->ctime));
}

static NTSTATUS query_basic(struct query *q, u32 at)
{
	put_times(q, at);
	PUT(q, at + 32, u32, attributes_of(&q->attr));
	q->length = at + 40;
	return STATUS_SUCCESS;
}

static NTSTATUS query_standard(struct query *q, u32 at)
{
	struct fcb *b = q->f->fcb;

	if (b && !b->directory) {
		PUT(q, at, u64, q->attr.blocks * 512);
		PUT(q, at + 8, u64, q->attr.size);
	}
	PUT(q, at + 16, u32, b ? q->attr.links : 1);
	PUT(q, at + 20, u8, b && b->delete_pending);
	PUT(q, at + 21, u8, b && b->directory);
	q->length = at + 24;
	return STATUS_SUCCESS;
}

static NTSTATUS query_internal(struct query *q, u32 at)
{
	PUT(q, at, u64, q->f->fcb ? q->f->fcb->inode : 0);
	q->length = at + 8;
	return STATUS_SUCCESS;
}

static NTSTATUS query_ea(struct query *q, u32 at)
{
	PUT(q, at, u32, 0);
	q->length = at + 4;
	return STATUS_SUCCESS;
}

static NTSTATUS query_access(struct query *q, u32 at)
{
	PUT(q, at, u32, q->access);
	q->length = at + 4;
	return STATUS_SUCCESS;
}

static NTSTATUS query_position(struct query *q, u32 at)
{
	PUT(q, at, u64, q->f->position);
	q->length = at + 8;
	return STATUS_SUCCESS;
}

static NTSTATUS query_mode(struct query *q, u32 at)
{
	PUT(q, at, u32, q->f->mode);
	q->length = at + 4;
	return STATUS_SUCCESS;
}

static NTSTATUS query_name(struct query *q, u32 at)
{
	u32 chars, bytes, fits;
	u16 *name;

	if (!q->f->fcb)
		return STATUS_INVALID_DEVICE_REQUEST;
	name = file_nt_name(q->f, &chars);
	if (!name)
		return STATUS_INSUFFICIENT_RESOURCES;
	bytes = chars * 2;
	fits = MIN(bytes, (q->room - at - 4) & ~1u);
	PUT(q, at, u32, bytes);
	memcpy(q->out + at + 4, name, fits);
	ExFreePool(name);
	q->length = at + 4 + fits;
	return fits < bytes ? STATUS_BUFFER_OVERFLOW : STATUS_SUCCESS;
}

/* FILE_ALL_INFORMATION: the others one behind the other. */
static NTSTATUS query_all(struct query *q, u32 at)
{
	query_basic(q, at);
	query_standard(q, at + 40);
	query_internal(q, at + 64);
	query_ea(q, at + 72);
	query_access(q, at + 76);
	query_position(q, at + 80);
	query_mode(q, at + 88);
	query_ea(q, at + 92); /* alignment: none */
	return query_name(q, at + 96);
}

static NTSTATUS query_network_open(struct query *q, u32 at)
{
	put_times(q, at);
	if (!(q->attr.qid.type & P9_QTDIR)) {
		PUT(q, at + 32, u64, q->attr.blocks * 512);
		PUT(q, at + 40, u64, q->attr.size);
	}
	PUT(q, at + 48, u32, attributes_of(&q->attr));
	q->length = at + 56;
	return STATUS_SUCCESS;
}

static NTSTATUS query_attribute_tag(struct query *q, u32 at)
{
	PUT(q, at, u32, attributes_of(&q->attr));
	q->length = at + 8;
	return STATUS_SUCCESS;
}

static NTSTATUS query_false(struct query *q, u32 at)
{
	PUT(q, at, u8, 0);
	q->length = at + 1;
	return STATUS_SUCCESS;
}

/* FILE_PIPE_INFORMATION: read mode, completion mode of this end */
static NTSTATUS query_pipe(struct query *q, u32 at)
{
	struct pipe_instance *i = q->f->pipe;

	if (!i)
		return STATUS_INVALID_DEVICE_REQUEST;
	PUT(q, at, u32, i->by_message[q->f->pipe_side]);
	PUT(q, at + 4, u32, i->no_wait[q->f->pipe_side]);
	q->length = at + 8;
	return STATUS_SUCCESS;
}

/* FILE_PIPE_LOCAL_INFORMATION */
static NTSTATUS query_pipe_local(struct query *q, u32 at)
{
	struct pipe_instance *i = q->f->pipe;
	struct pipe_queue *in, *out;

	if (!i)
		return STATUS_INVALID_DEVICE_REQUEST;
	mutex_lock(&pipe_lock);
	mutex_lock(&i->lock);
	in = &i->queue[q->f->pipe_side];
	out = &i->queue[!q->f->pipe_side];
	PUT(q, at, u32, i->pipe->messages);
	PUT(q, at + 4, u32, i->pipe->configuration);
	PUT(q, at + 8, u32, i->pipe->max);
	PUT(q, at + 12, u32, pipe_instances(i->pipe));
	PUT(q, at + 16, u32, in->quota);
	PUT(q, at + 20, u32, in->bytes);
	PUT(q, at + 24, u32, out->quota);
	PUT(q, at + 28, u32, out->bytes < out->quota ? out->quota - out->bytes : 0);
	PUT(q, at + 32, u32, i->state);
	PUT(q, at + 36, u32, q->f->pipe_side == PIPE_SERVER);
	mutex_unlock(&i->lock);
	mutex_unlock(&pipe_lock);
	q->length = at + 40;
	return STATUS_SUCCESS;
}

#define ATTR   1 /* wants q->attr when it is a disk file */
#define DISK   2 /* nothing else has it */
#define READAT FILE_READ_ATTRIBUTES

static const struct {
	u8 info_class, least, flags;
	ACCESS_MASK access;
	NTSTATUS (*query)(struct query *q, u32 at);
} classes[] = {
    {4, 40, ATTR | DISK, READAT, query_basic},
    {5, 24, ATTR, 0, query_standard},
    {6, 8, DISK, 0, query_internal},
    {7, 4, DISK, 0, query_ea},
    {8, 4, 0, 0, query_access},
    {9, 8, DISK, 0, query_name},
    {14, 8, 0, 0, query_position},
    {16, 4, 0, 0, query_mode},
    {17, 4, 0, 0, query_ea}, /* FileAlignmentInformation: bytes, 0 */
    {18, 104, ATTR | DISK, READAT, query_all},
    {23, 8, 0, 0, query_pipe},
    {24, 40, 0, 0, query_pipe_local},
    {34, 56, ATTR | DISK, READAT, query_network_open},
    {35, 8, ATTR | DISK, READAT, query_attribute_tag},
    {48, 8, DISK, 0, query_name},  /* FileNormalizedNameInformation */
    {51, 1, DISK, 0, query_false}, /* FileIsRemoteDeviceInformation */
};

NTSYSCALL NTSTATUS NtQueryInformationFile(HANDLE h, void *iosb, void *buffer, u32 bytes,
					  u32 info_class)
{
	struct query q = {0};
	struct request r;
	NTSTATUS s, copied;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(classes) && classes[i].info_class != info_class; i++)
		;
	if (i == ARRAY_SIZE(classes))
		return STATUS_INVALID_INFO_CLASS;
	if (bytes < classes[i].least)
		return STATUS_INFO_LENGTH_MISMATCH;
	s = request_begin(&r, h, classes[i].access, 0, iosb);
	if (s != STATUS_SUCCESS)
		return s;
	q.f = r.f;
	q.access = r.access;
	q.room = MIN(bytes, OUT_MAX);
	q.out = ExAllocatePool(q.room, TAG('Q', 'f', 'i', 'l'));
	if (!q.out)
		s = STATUS_INSUFFICIENT_RESOURCES;
	else if (classes[i].flags & DISK && !q.f->fcb)
		s = STATUS_INVALID_DEVICE_REQUEST;
	else if (classes[i].flags & ATTR && q.f->fcb)
		s = file_attributes(q.f, &q.attr);
	if (s == STATUS_SUCCESS)
		s = classes[i].query(&q, 0);
	if (q.length) {
		copied = copy_to_user(buffer, q.out, q.length);
		if (copied != STATUS_SUCCESS)
			s = copied;
	}
	if (q.out)
		ExFreePool(q.out);
	return request_end(&r, s, q.length);
}

/* Opens by name, for attributes only. A device has none but its being there. */
static NTSTATUS query_by_name(const void *user_attributes, struct query *q, bool *device)
{
	static const struct open_request rq = {
	    .access = FILE_READ_ATTRIBUTES,
	    .share = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE,
	    .disposition = FILE_OPEN,
	    .look = true,
	};
	struct FILE_OBJECT *f;
	u32 ignored;
	NTSTATUS s = open_by_attributes(user_attributes, &rq, &f, &ignored, &ignored);

	if (s != STATUS_SUCCESS)
		return s;
	s = f->fcb ? file_attributes(f, &q->attr) : STATUS_SUCCESS;
	*device = !f->fcb;
	ObDereferenceObject(f);
	return s;
}

NTSYSCALL NTSTATUS NtQueryAttributesFile(const void *attributes, void *basic)
{
	u64 out[5] = {0};
	struct query q = {.out = (u8 *)out, .room = sizeof out};
	bool device;
	NTSTATUS s = query_by_name(attributes, &q, &device);

	if (s == STATUS_SUCCESS && device)
		PUT(&q, 32, u32, FILE_ATTRIBUTE_NORMAL);
	else if (s == STATUS_SUCCESS)
		query_basic(&q, 0);
	return s == STATUS_SUCCESS ? copy_to_user(basic, out, sizeof out) : s;
}

NTSYSCALL NTSTATUS NtQueryFullAttributesFile(const void *attributes, void *open)
{
	u64 out[7] = {0};
	struct query q = {.out = (u8 *)out, .room = sizeof out};
	bool device;
	NTSTATUS s = query_by_name(attributes, &q, &device);

	if (s == STATUS_SUCCESS && device)
		PUT(&q, 48, u32, FILE_ATTRIBUTE_NORMAL);
	else if (s == STATUS_SUCCESS)
		query_network_open(&q, 0);
	return s == STATUS_SUCCESS ? copy_to_user(open, out, sizeof out) : s;
}
