/*
 * NtReadFile, NtWriteFile, their forms for scattered pages, NtFlushBuffersFile.
 *
 * A synchronous file object has a current position and serializes its requests (f->lock); consoles
 * and pipes have no position and are not held up by each other. An asynchronous one needs a byte
 * offset. Requests are carried out before the call returns, but for those on an empty or full pipe
 * whose handle is asynchronous (pending.c).
 */
#include "guest/io/pending.h"
#include "guest/io/syscalls.h"
#include "guest/mm/mm.h"
#include "guest/ps/ps.h"

#define OFFSET_END     (-1ll) /* FILE_WRITE_TO_END_OF_FILE */
#define OFFSET_CURRENT (-2ll) /* FILE_USE_FILE_POINTER_POSITION */

struct transfer {
	struct request r;
	s64 offset; /* or OFFSET_* */
	u32 key;
	void *user;
	u32 bytes;
	bool write;
	u64 *pages; /* scattered: addresses of the pages, in pool; NULL: all at `user` */
};

#define MAX_SCATTERED (16u << 20) /* bytes of one request; as many addresses are 32 KB */

/* Page by page, up to the first that is not done whole. */
static NTSTATUS move_scattered(struct transfer *t, u64 offset, u32 *done)
{
	struct FILE_OBJECT *f = t->r.f;
	NTSTATUS s = STATUS_SUCCESS;

	for (*done = 0; s == STATUS_SUCCESS && *done < t->bytes;) {
		u32 want = MIN(t->bytes - *done, (u32)PAGE_SIZE), part = 0;
		void *page = (void *)t->pages[*done / PAGE_SIZE];

		s = t->write ? f->ops->write(f, page, want, offset + *done, &part)
			     : f->ops->read(f, page, want, offset + *done, &part);
		*done += part;
		if (part < want)
			break;
	}
	return *done ? STATUS_SUCCESS : s; /* the end of the file may come in between */
}

/* On a disk file, with the position and the end of file resolved. => f->lock if synchronous */
static NTSTATUS move_data(struct transfer *t, u64 offset, u32 *done)
{
	struct FILE_OBJECT *f = t->r.f;

	if (f->fcb && !locks_allow(f, offset, t->bytes, t->key, t->write))
		return STATUS_FILE_LOCK_CONFLICT;
	if (t->pages)
		return move_scattered(t, offset, done);
	return t->write ? f->ops->write(f, t->user, t->bytes, offset, done)
			: f->ops->read(f, t->user, t->bytes, offset, done);
}

/* Writes behind the end; the fcb's lock keeps other appends out. */
static NTSTATUS append(struct transfer *t, u64 *offset, u32 *done)
{
	struct FILE_OBJECT *f = t->r.f;
	NTSTATUS s;

	mutex_lock(&f->fcb->append_lock);
	s = IoGetFileSize(f, offset);
	if (s == STATUS_SUCCESS)
		s = move_data(t, *offset, done);
	mutex_unlock(&f->fcb->append_lock);
	return s;
}

static NTSTATUS disk_transfer(struct transfer *t, u32 *done)
{
	struct FILE_OBJECT *f = t->r.f;
	bool sync = is_synchronous(f);
	u64 offset = (u64)t->offset;
	NTSTATUS s;

	if (sync)
		mutex_lock(&f->lock);
	if (t->offset == OFFSET_CURRENT)
		offset = f->position;
	if (t->write && t->offset == OFFSET_END)
		s = append(t, &offset, done);
	else
		s = move_data(t, offset, done);
	if (sync) {
		if (NT_SUCCESS(s))
			f->position = offset + *done;
		mutex_unlock(&f->lock);
	}
	return s;
}

/* Fetches offset and key; checks what can be checked before the request. */
static NTSTATUS capture(struct transfer *t, const s64 *user_offset, const u32 *user_key)
{
	struct FILE_OBJECT *f = t->r.f;
	NTSTATUS s = STATUS_SUCCESS;

	t->offset = OFFSET_CURRENT;
	t->key = 0;
	if (user_offset)
		s = copy_from_user(&t->offset, user_offset, sizeof t->offset);
	if (s == STATUS_SUCCESS && user_key)
		s = copy_from_user(&t->key, user_key, sizeof t->key);
	if (s != STATUS_SUCCESS || !f->fcb)
		return s;
	if (t->write && (t->r.access & (FILE_WRITE_DATA | FILE_APPEND_DATA)) == FILE_APPEND_DATA)
		t->offset = OFFSET_END;
	if (t->offset == OFFSET_END && t->write)
		return s;
	if (t->offset == OFFSET_CURRENT)
		return is_synchronous(f) ? s : STATUS_INVALID_PARAMETER;
	if (t->offset < 0 || t->offset + t->bytes < t->offset)
		return STATUS_INVALID_PARAMETER;
	return s;
}

static NTSTATUS run(struct transfer *t, HANDLE h, HANDLE event, const void *apc,
		    const void *apc_context, void *iosb, const s64 *offset, const u32 *key)
{
	ACCESS_MASK any = t->write ? FILE_WRITE_DATA | FILE_APPEND_DATA : FILE_READ_DATA;
	NTSTATUS s = request_begin_apc(&t->r, h, any, event, apc, apc_context, iosb);
	struct FILE_OBJECT *f;
	u32 done = 0;

	if (s != STATUS_SUCCESS)
		return s;
	f = t->r.f;
	s = capture(t, offset, key);
	if (s != STATUS_SUCCESS)
		goto end;
	if (!t->write && !t->pages)
		MmNoteWrites((u64)t->user, t->bytes); /* the whole buffer, however much comes */
	if (t->pages && !(f->options & FILE_NO_INTERMEDIATE_BUFFERING)) {
		s = STATUS_INVALID_PARAMETER;
		goto end;
	}
	if (is_folder(f) || (t->pages && !f->fcb) ||
	    !(t->write ? (void *)f->ops->write : (void *)f->ops->read))
		s = STATUS_INVALID_DEVICE_REQUEST;
	else if (!t->bytes)
		s = STATUS_SUCCESS;
	else if (f->fcb)
		s = disk_transfer(t, &done);
	else
		s = move_data(t, 0, &done);
	if (s == STATUS_PENDING)
		return pending_add(&t->r, t->write ? PENDING_WRITE : PENDING_READ, t->user,
				   t->bytes);
end:
	t->r.transfer = true;
	PsCountIo(t->write ? IO_WRITE : IO_READ, done);
	return request_end(&t->r, s, done);
}

NTSYSCALL NTSTATUS NtReadFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			      void *buffer, u32 bytes, s64 *offset, u32 *key)
{
	struct transfer t = {.user = buffer, .bytes = bytes, .write = false};

	return run(&t, h, event, apc, apc_context, iosb, offset, key);
}

NTSYSCALL NTSTATUS NtWriteFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			       const void *buffer, u32 bytes, s64 *offset, u32 *key)
{
	struct transfer t = {.user = (void *)buffer, .bytes = bytes, .write = true};

	return run(&t, h, event, apc, apc_context, iosb, offset, key);
}

/* FILE_SEGMENT_ELEMENTs: the addresses of whole pages, for as many as `bytes` needs. */
static NTSTATUS run_scattered(struct transfer *t, const u64 *segments, HANDLE h, HANDLE event,
			      const void *apc, const void *apc_context, void *iosb,
			      const s64 *offset, const u32 *key)
{
	u32 count = (u32)((t->bytes + PAGE_SIZE - 1) / PAGE_SIZE);
	NTSTATUS s;

	if (!t->bytes || t->bytes > MAX_SCATTERED)
		return STATUS_INVALID_PARAMETER;
	t->pages = ExAllocatePool(count * sizeof(*t->pages), TAG('I', 'o', 's', 'g'));
	if (!t->pages)
		return STATUS_INSUFFICIENT_RESOURCES;
	s = copy_from_user(t->pages, segments, count * sizeof(*t->pages));
	for (u32 i = 0; i < count && s == STATUS_SUCCESS; i++)
		if (t->pages[i] & (PAGE_SIZE - 1))
			s = STATUS_DATATYPE_MISALIGNMENT;
	if (s == STATUS_SUCCESS)
		s = run(t, h, event, apc, apc_context, iosb, offset, key);
	ExFreePool(t->pages);
	return s;
}

NTSYSCALL NTSTATUS NtReadFileScatter(HANDLE h, HANDLE event, void *apc, void *apc_context,
				     void *iosb, const u64 *segments, u32 bytes, s64 *offset,
				     u32 *key)
{
	struct transfer t = {.bytes = bytes, .write = false};

	return run_scattered(&t, segments, h, event, apc, apc_context, iosb, offset, key);
}

NTSYSCALL NTSTATUS NtWriteFileGather(HANDLE h, HANDLE event, void *apc, void *apc_context,
				     void *iosb, const u64 *segments, u32 bytes, s64 *offset,
				     u32 *key)
{
	struct transfer t = {.bytes = bytes, .write = true};

	return run_scattered(&t, segments, h, event, apc, apc_context, iosb, offset, key);
}

NTSYSCALL NTSTATUS NtFlushBuffersFile(HANDLE h, void *iosb)
{
	struct request r;
	NTSTATUS s = request_begin(&r, h, FILE_WRITE_DATA | FILE_APPEND_DATA, 0, iosb);

	if (s != STATUS_SUCCESS)
		return s;
	s = r.f->ops->flush ? r.f->ops->flush(r.f) : STATUS_INVALID_DEVICE_REQUEST;
	return request_end(&r, s, 0);
}
