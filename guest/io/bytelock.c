/*
 * Byte-range locks: kept in the fcb, seen by the programs in the machine only, and enforced on
 * reads and writes.
 *
 * An exclusive lock keeps everybody else from reading and writing its range, a shared one everybody
 * from writing. Its owner is (file object, process, key). Lock: fcb->lock.
 */
#include "guest/io/syscalls.h"
#include "guest/io/fs.h"
#include "guest/ps/ps.h"

struct byte_lock {
	struct list entry; /* fcb->locks */
	struct FILE_OBJECT *file;
	const void *process;
	u32 key;
	u64 first, bytes;
	bool exclusive;
};

static bool overlaps(const struct byte_lock *l, u64 first, u64 bytes)
{
	return bytes && l->bytes && first <= l->first + l->bytes - 1 &&
	       l->first <= first + bytes - 1;
}

static bool owned(const struct byte_lock *l, const struct FILE_OBJECT *f, u32 key)
{
	return l->file == f && l->process == PsGetCurrentProcess() && l->key == key;
}

bool locks_allow(struct FILE_OBJECT *f, u64 offset, u64 bytes, u32 key, bool write)
{
	struct fcb *b = f->fcb;
	bool allowed = true;

	if (list_empty(&b->locks))
		return true;
	mutex_lock(&b->lock);
	LIST_FOR_EACH(e, &b->locks)
	{
		const struct byte_lock *l = CONTAINER_OF(e, struct byte_lock, entry);

		if (overlaps(l, offset, bytes) && (l->exclusive ? !owned(l, f, key) : write))
			allowed = false;
	}
	mutex_unlock(&b->lock);
	return allowed;
}

static void wake(struct fcb *b)
{
	KePulseEvent(&b->unlocked);
}

static void remove_locks(struct FILE_OBJECT *f, const void *process)
{
	struct fcb *b = f->fcb;

	mutex_lock(&b->lock);
	LIST_FOR_EACH_SAFE(e, n, &b->locks)
	{
		struct byte_lock *l = CONTAINER_OF(e, struct byte_lock, entry);

		if (l->file == f && (!process || l->process == process)) {
			list_remove(e);
			ExFreePool(l);
		}
	}
	mutex_unlock(&b->lock);
	wake(b);
}

void locks_release_all(struct FILE_OBJECT *f)
{
	if (!list_empty(&f->fcb->locks))
		remove_locks(f, NULL);
}

/* => fcb->lock. A second lock by the same owner conflicts too, if one of them is exclusive. */
static bool conflicts(struct fcb *b, const struct byte_lock *wanted)
{
	LIST_FOR_EACH(e, &b->locks)
	{
		const struct byte_lock *l = CONTAINER_OF(e, struct byte_lock, entry);

		if (overlaps(l, wanted->first, wanted->bytes) &&
		    (l->exclusive || wanted->exclusive))
			return true;
	}
	return false;
}

/* Puts the lock on the list, waiting for others to go if told to. */
static NTSTATUS take(struct fcb *b, struct byte_lock *l, bool fail_at_once)
{
	const s64 moment = -100000; /* 10 ms: a pulse may have come before our wait */

	for (;;) {
		NTSTATUS s;
		bool free;

		mutex_lock(&b->lock);
		free = !conflicts(b, l);
		if (free)
			list_push_back(&b->locks, &l->entry);
		mutex_unlock(&b->lock);
		if (free)
			return STATUS_SUCCESS;
		if (fail_at_once)
			return STATUS_LOCK_NOT_GRANTED;
		s = KeWaitForSingleObject(&b->unlocked, USER_MODE, false, &moment);
		if (s != STATUS_SUCCESS && s != STATUS_TIMEOUT)
			return s;
	}
}

static NTSTATUS capture_range(const s64 *user_offset, const s64 *user_bytes, u64 *first, u64 *bytes)
{
	NTSTATUS s = copy_from_user(first, user_offset, sizeof *first);

	if (s == STATUS_SUCCESS)
		s = copy_from_user(bytes, user_bytes, sizeof *bytes);
	if (s == STATUS_SUCCESS && *bytes && *first + *bytes - 1 < *first)
		s = STATUS_INVALID_LOCK_RANGE;
	return s;
}

NTSYSCALL NTSTATUS NtLockFile(HANDLE h, HANDLE event, void *apc, void *apc_context, void *iosb,
			      s64 *offset, s64 *bytes, u32 key, u8 fail_at_once, u8 exclusive)
{
	struct byte_lock *l;
	struct request r;
	NTSTATUS s = request_begin_apc(&r, h, FILE_READ_DATA | FILE_WRITE_DATA, event, apc,
				       apc_context, iosb);

	if (s != STATUS_SUCCESS)
		return s;
	if (!r.f->fcb || r.f->fcb->directory)
		return request_end(&r, STATUS_INVALID_DEVICE_REQUEST, 0);
	l = ExAllocatePool(sizeof *l, TAG('B', 'l', 'c', 'k'));
	if (!l)
		return request_end(&r, STATUS_INSUFFICIENT_RESOURCES, 0);
	l->file = r.f;
	l->process = PsGetCurrentProcess();
	l->key = key;
	l->exclusive = exclusive;
	s = capture_range(offset, bytes, &l->first, &l->bytes);
	if (s == STATUS_SUCCESS)
		s = take(r.f->fcb, l, fail_at_once);
	if (s != STATUS_SUCCESS)
		ExFreePool(l);
	return request_end(&r, s, 0);
}

NTSYSCALL NTSTATUS NtUnlockFile(HANDLE h, void *iosb, s64 *offset, s64 *bytes, u32 key)
{
	struct byte_lock *found = NULL;
	u64 first, length;
	struct request r;
	struct fcb *b;
	NTSTATUS s = request_begin(&r, h, FILE_READ_DATA | FILE_WRITE_DATA, 0, iosb);

	if (s != STATUS_SUCCESS)
		return s;
	b = r.f->fcb;
	s = b ? capture_range(offset, bytes, &first, &length) : STATUS_INVALID_DEVICE_REQUEST;
	if (s != STATUS_SUCCESS)
		return request_end(&r, s, 0);
	mutex_lock(&b->lock);
	LIST_FOR_EACH(e, &b->locks)
	{
		struct byte_lock *l = CONTAINER_OF(e, struct byte_lock, entry);

		if (!found && owned(l, r.f, key) && l->first == first && l->bytes == length)
			found = l;
	}
	if (found)
		list_remove(&found->entry);
	mutex_unlock(&b->lock);
	if (found) {
		ExFreePool(found);
		wake(b);
	}
	return request_end(&r, found ? STATUS_SUCCESS : STATUS_RANGE_NOT_LOCKED, 0);
}
