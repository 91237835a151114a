/*
 * Data of disk files: by frames for paging and mapped files, by bounce buffer for NtReadFile and
 * NtWriteFile.
 *
 * Paging I/O takes no lock and allocates nothing. Everything else passes through bounce buffers.
 */
#include "guest/io/bounce.h"
#include "guest/io/fs.h"
#include "guest/mm/mm.h"

static u32 read_fid(const struct fcb *b)
{
	return b->read_fid != P9_NOFID ? b->read_fid : b->write_fid;
}

/* ---- by frames ---- */

/* Bytes [from, from + bytes) of the frames as segments, adjacent frames joined. */
static u32 frame_segments(const pfn_t *pfn, u32 from, u32 bytes, struct vq_seg *seg)
{
	u32 n = 0;

	while (bytes) {
		u32 in_page = from & (PAGE_SIZE - 1), part = MIN(bytes, (u32)PAGE_SIZE - in_page);
		u64 pa = ((u64)pfn[from >> PAGE_SHIFT] << PAGE_SHIFT) + in_page;

		if (n && seg[n - 1].pa + seg[n - 1].bytes == pa)
			seg[n - 1].bytes += part;
		else
			seg[n++] = (struct vq_seg){pa, part};
		from += part;
		bytes -= part;
	}
	return n;
}

static void zero_frames(const pfn_t *pfn, u64 from, u64 end)
{
	while (from < end) {
		u64 in_page = from & (PAGE_SIZE - 1), part = MIN(end - from, PAGE_SIZE - in_page);

		memset((u8 *)pfn_to_va(pfn[from >> PAGE_SHIFT]) + in_page, 0, part);
		from += part;
	}
}

NTSTATUS IoReadFilePages(struct FILE_OBJECT *f, u64 offset, const pfn_t *pfn, u32 count, u64 *bytes)
{
	struct vq_seg seg[PAGEIO_MAX_PAGES + 1];
	struct fcb *b = f->fcb;
	u32 total = count * (u32)PAGE_SIZE, at = 0, done;

	*bytes = 0;
	if (!b || b->directory || read_fid(b) == P9_NOFID || count > PAGEIO_MAX_PAGES)
		return STATUS_INVALID_DEVICE_REQUEST;
	while (at < total) {
		u32 part = MIN(total - at, p9_max_io(b->session));
		u32 n = frame_segments(pfn, at, part, seg);
		NTSTATUS s = p9_read(b->session, read_fid(b), offset + at, seg, n, part, &done);

		if (s != STATUS_SUCCESS)
			return s;
		if (!done)
			break;
		at += done;
	}
	zero_frames(pfn, at, total);
	*bytes = at;
	return STATUS_SUCCESS;
}

NTSTATUS IoWriteFilePages(struct FILE_OBJECT *f, u64 offset, const pfn_t *pfn, u32 bytes)
{
	struct vq_seg seg[PAGEIO_MAX_PAGES + 1];
	struct fcb *b = f->fcb;
	u32 at = 0, done;

	if (!b || b->write_fid == P9_NOFID || bytes > PAGEIO_MAX_PAGES * PAGE_SIZE)
		return STATUS_INVALID_DEVICE_REQUEST;
	while (at < bytes) {
		u32 part = MIN(bytes - at, p9_max_io(b->session));
		u32 n = frame_segments(pfn, at, part, seg);
		NTSTATUS s = p9_write(b->session, b->write_fid, offset + at, seg, n, part, &done);

		if (s != STATUS_SUCCESS)
			return s;
		if (!done)
			return STATUS_DISK_FULL;
		at += done;
	}
	return STATUS_SUCCESS;
}

/* ---- kernel memory ---- */

NTSTATUS disk_read_kernel(struct fcb *b, u64 offset, void *pool, u32 bytes, u32 *done)
{
	struct vq_seg seg[P9_MAX_SEGS];
	u32 n, part, got;

	for (*done = 0; *done < bytes; *done += got) {
		NTSTATUS s;

		part = MIN(MIN(bytes - *done, p9_max_io(b->session)), BOUNCE_BYTES);
		n = vq_segments((u8 *)pool + *done, part, seg, P9_MAX_SEGS);
		s = p9_read(b->session, read_fid(b), offset + *done, seg, n, part, &got);
		if (s != STATUS_SUCCESS)
			return s;
		if (!got)
			break;
	}
	return STATUS_SUCCESS;
}

NTSTATUS disk_write_kernel(struct fcb *b, u64 offset, const void *pool, u32 bytes, u32 *done)
{
	struct vq_seg seg[P9_MAX_SEGS];
	u32 n, part, got;

	for (*done = 0; *done < bytes; *done += got) {
		NTSTATUS s;

		part = MIN(MIN(bytes - *done, p9_max_io(b->session)), BOUNCE_BYTES);
		n = vq_segments((const u8 *)pool + *done, part, seg, P9_MAX_SEGS);
		s = p9_write(b->session, b->write_fid, offset + *done, seg, n, part, &got);
		if (s != STATUS_SUCCESS)
			return s;
		if (!got)
			return STATUS_DISK_FULL;
	}
	return STATUS_SUCCESS;
}

NTSTATUS IoReadFile(struct FILE_OBJECT *f, u64 offset, void *kernel_buffer, u32 bytes, u32 *done)
{
	NTSTATUS s = STATUS_SUCCESS;
	struct bounce bounce;
	u32 got;

	*done = 0;
	if (!f->fcb || read_fid(f->fcb) == P9_NOFID)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (!bytes)
		return STATUS_SUCCESS;
	bounce = bounce_get(BOUNCE_KERNEL, bytes);
	while (*done < bytes) {
		s = disk_read_kernel(f->fcb, offset + *done, bounce.data,
				     MIN(bounce.size, bytes - *done), &got);
		if (s != STATUS_SUCCESS || !got)
			break;
		memcpy((u8 *)kernel_buffer + *done, bounce.data, got);
		*done += got;
	}
	bounce_put(&bounce);
	return s;
}

/* ---- user memory ---- */

NTSTATUS disk_read(struct FILE_OBJECT *f, void *user, u32 bytes, u64 offset, u32 *done)
{
	struct fcb *b = f->fcb;
	NTSTATUS s = STATUS_SUCCESS;
	struct bounce bounce;
	u32 got = 1;

	*done = 0;
	if (b->directory || read_fid(b) == P9_NOFID)
		return STATUS_INVALID_DEVICE_REQUEST;
	if (b->section.data)
		MmFlushMappedFile(&b->section, offset, bytes);
	bounce = bounce_get(BOUNCE_USER, bytes);
	while (*done < bytes && got) {
		s = disk_read_kernel(b, offset + *done, bounce.data,
				     MIN(bounce.size, bytes - *done), &got);
		if (s == STATUS_SUCCESS && got)
			s = copy_to_user((u8 *)user + *done, bounce.data, got);
		if (s != STATUS_SUCCESS)
			break;
		*done += got;
	}
	bounce_put(&bounce);
	if (s == STATUS_SUCCESS && !*done)
		s = STATUS_END_OF_FILE;
	return s;
}

NTSTATUS disk_write(struct FILE_OBJECT *f, const void *user, u32 bytes, u64 offset, u32 *done)
{
	struct fcb *b = f->fcb;
	NTSTATUS s = STATUS_SUCCESS;
	struct bounce bounce;
	u32 got;

	*done = 0;
	if (b->directory || b->write_fid == P9_NOFID)
		return STATUS_INVALID_DEVICE_REQUEST;
	bounce = bounce_get(BOUNCE_USER, bytes);
	while (*done < bytes) {
		u32 part = MIN(bounce.size, bytes - *done);

		s = copy_from_user(bounce.data, (const u8 *)user + *done, part);
		if (s != STATUS_SUCCESS)
			break;
		/* Before, so that a flush of older bytes cannot come later; after, for pages that
		 * were read meanwhile. */
		if (b->section.data)
			MmUpdateMappedFile(&b->section, offset + *done, bounce.data, part, false);
		s = disk_write_kernel(b, offset + *done, bounce.data, part, &got);
		if (b->section.data && got)
			MmUpdateMappedFile(&b->section, offset + *done, bounce.data, got, true);
		*done += got;
		if (s != STATUS_SUCCESS)
			break;
	}
	bounce_put(&bounce);
	return s;
}

/* ---- size ---- */

NTSTATUS IoSetFileSize(struct FILE_OBJECT *f, u64 bytes)
{
	struct p9_attr a = {.size = bytes};
	NTSTATUS s;

	if (!f->fcb || f->fcb->directory || f->fcb->write_fid == P9_NOFID)
		return STATUS_INVALID_DEVICE_REQUEST;
	s = p9_setattr(f->fcb->session, f->fcb->write_fid, P9_SET_SIZE, &a);
	if (s == STATUS_SUCCESS && f->fcb->section.data)
		MmFileGrew(&f->fcb->section, bytes);
	return s;
}

NTSTATUS disk_set_size(struct FILE_OBJECT *f, u64 bytes)
{
	if (bytes >> 63)
		return STATUS_INVALID_PARAMETER;
	if (!MmCanFileBeTruncated(&f->fcb->section, bytes))
		return STATUS_USER_MAPPED_FILE;
	return IoSetFileSize(f, bytes);
}
