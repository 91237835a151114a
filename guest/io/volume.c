/* NtQueryVolumeInformationFile: what lies under a file handle. */
#include "guest/io/syscalls.h"

#define SECTOR		       512u
#define OUT_BYTES	       64u
#define CHARACTERISTIC_MOUNTED 0x20u /* FILE_DEVICE_IS_MOUNTED */
/* case preserved, Unicode on disk, sparse files */
#define FS_ATTRIBUTES	(0x2u | 0x4u | 0x40u)
#define FS_ATTRIBUTE_RO 0x00080000u
static const u16 fs_name[] = {'N', 'T', 'F', 'S'};
static const u16 label[] = {'n', 't', 'm', 'm', '-'}; /* and the drive's letter */

struct volume_query {
	struct FILE_OBJECT *f;
	u8 out[OUT_BYTES];
	u32 length;
};
#define PUT(q, at, type, value) (*(type *)((q)->out + (at)) = (type)(value))

/* A name that may be cut by a short buffer; the fixed part's length says where. */
static void put_name(struct volume_query *q, u32 length_at, u32 name_at, const u16 *name, u32 chars)
{
	PUT(q, length_at, u32, chars * 2);
	memcpy(q->out + name_at, name, chars * 2);
	q->length = name_at + chars * 2;
}

static NTSTATUS query_volume(struct volume_query *q)
{
	u16 name[ARRAY_SIZE(label) + 1];
	struct p9_session *s = q->f->fcb->session;
	struct p9_statfs v;
	NTSTATUS status = p9_statfs(s, q->f->fcb->fid, &v);

	if (status != STATUS_SUCCESS)
		return status;
	memcpy(name, label, sizeof label);
	name[ARRAY_SIZE(label)] = (u16)p9_letter(s);
	PUT(q, 8, u32, (v.id ^ v.id >> 32) + (u8)p9_letter(s));
	put_name(q, 12, 18, name, ARRAY_SIZE(name));
	return STATUS_SUCCESS;
}

/* Blocks as allocation units; both size classes begin with total and free for the caller. */
static NTSTATUS query_space(struct volume_query *q, bool full)
{
	struct p9_statfs v;
	NTSTATUS s = p9_statfs(q->f->fcb->session, q->f->fcb->fid, &v);
	u32 at = 16;

	if (s != STATUS_SUCCESS)
		return s;
	PUT(q, 0, u64, v.blocks);
	PUT(q, 8, u64, v.available_blocks);
	if (full) {
		PUT(q, 16, u64, v.free_blocks);
		at = 24;
	}
	PUT(q, at, u32, v.block_bytes >= SECTOR ? v.block_bytes / SECTOR : 1);
	PUT(q, at + 4, u32, v.block_bytes >= SECTOR ? SECTOR : v.block_bytes);
	q->length = at + 8;
	return STATUS_SUCCESS;
}

static NTSTATUS query_size(struct volume_query *q)
{
	return query_space(q, false);
}

static NTSTATUS query_full_size(struct volume_query *q)
{
	return query_space(q, true);
}

static NTSTATUS query_device(struct volume_query *q)
{
	u32 type = q->f->ops->device_type;

	/* What is no terminal on the host is a pipe here, as a redirected handle on Windows. */
	if (type == FILE_DEVICE_CONSOLE && !console_is_terminal(q->f->console))
		type = FILE_DEVICE_NAMED_PIPE;
	PUT(q, 0, u32, type);
	PUT(q, 4, u32, q->f->fcb ? CHARACTERISTIC_MOUNTED : 0);
	q->length = 8;
	return STATUS_SUCCESS;
}

static NTSTATUS query_attributes(struct volume_query *q)
{
	PUT(q, 0, u32, FS_ATTRIBUTES | (q->f->read_only_drive ? FS_ATTRIBUTE_RO : 0));
	PUT(q, 4, u32, NAME_MAX_CHARS);
	put_name(q, 8, 12, fs_name, ARRAY_SIZE(fs_name));
	return STATUS_SUCCESS;
}

static const struct {
	u8 info_class, least;
	bool disk;
	NTSTATUS (*query)(struct volume_query *q);
} classes[] = {
    {1, 24, true, query_volume},     {3, 24, true, query_size},	     {4, 8, false, query_device},
    {5, 16, true, query_attributes}, {7, 32, true, query_full_size},
};

NTSYSCALL NTSTATUS NtQueryVolumeInformationFile(HANDLE h, void *iosb, void *buffer, u32 bytes,
						u32 info_class)
{
	struct volume_query q = {0};
	struct request r;
	NTSTATUS s, copied;
	u32 i;

	for (i = 0; i < ARRAY_SIZE(classes) && classes[i].info_class != info_class; i++)
		;
	if (i == ARRAY_SIZE(classes))
		return STATUS_INVALID_INFO_CLASS;
	if (bytes < classes[i].least)
		return STATUS_INFO_LENGTH_MISMATCH;
	s = request_begin(&r, h, 0, 0, iosb);
	if (s != STATUS_SUCCESS)
		return s;
	q.f = r.f;
	s = classes[i].disk && !q.f->fcb ? STATUS_INVALID_DEVICE_REQUEST : classes[i].query(&q);
	if (s == STATUS_SUCCESS) {
		if (q.length > bytes) {
			q.length = bytes;
			s = STATUS_BUFFER_OVERFLOW;
		}
		copied = copy_to_user(buffer, q.out, q.length);
		if (copied != STATUS_SUCCESS)
			s = copied;
	}
	return request_end(&r, s, NT_SUCCESS(s) || s == STATUS_BUFFER_OVERFLOW ? q.length : 0);
}
