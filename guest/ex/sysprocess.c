/*
 * sysprocess.c: the list of processes and their threads (class 5).
 *
 * Each process is one entry: a fixed part, one record a thread, then its name. Entries are built in
 * pool, under ps_lock, and copied one by one; the offset to the next goes into the previous one
 * when there is a next. A buffer too small is told the size it would need now.
 */
#include "guest/ex/sysinfo.h"
#include "guest/io/io.h"
#include "guest/ps/psi.h"

struct thread_record {
	u64 kernel, user, created;
	u32 wait_time, pad;
	u64 start, process_id, thread_id;
	s32 priority, base_priority;
	u32 switches, state, wait_reason, pad2;
};
struct process_record {
	u32 next, threads;
	u64 private_ws;
	u32 hard_faults, threads_peak;
	u64 cycles, created, user, kernel;
	u16 name_bytes, name_max;
	u32 pad;
	u64 name;
	s32 base_priority;
	u32 pad2;
	u64 process_id, parent_id;
	u32 handles, session;
	u64 key;
	u64 virtual_peak, virtual_size;
	u32 faults, pad3;
	u64 ws_peak, ws;
	u64 quota[4];
	u64 pagefile, pagefile_peak, private_bytes;
	u64 io[6];
};
_Static_assert(sizeof(struct thread_record) == 0x50 && sizeof(struct process_record) == 0x100,
	       "SYSTEM_PROCESS_INFORMATION and SYSTEM_THREAD_INFORMATION of Windows x64");

/* KTHREAD_STATE by ours */
static const u8 windows_state[] = {
    [THREAD_INIT] = 0,	  [THREAD_READY] = 1, [THREAD_RUNNING] = 2,
    [THREAD_WAITING] = 5, [THREAD_DEAD] = 4,
};
#define WAIT_REASON_USER_REQUEST 6u

static void fill_thread(struct thread_record *r, const EPROCESS *p, const ETHREAD *t)
{
	r->kernel = t->k.kernel_time;
	r->user = t->k.user_time;
	r->created = t->create_time;
	r->start = t->start_address;
	r->process_id = p->pid;
	r->thread_id = t->tid;
	r->priority = t->k.priority;
	r->base_priority = t->k.base_priority;
	r->switches = t->k.switches;
	r->state = windows_state[t->k.state];
	r->wait_reason = t->k.state == THREAD_WAITING ? WAIT_REASON_USER_REQUEST : 0;
}

static void fill_process(struct process_record *r, EPROCESS *p)
{
	const struct address_space *as = &p->as;

	r->private_ws = as->ws_pages << PAGE_SHIFT;
	r->hard_faults = (u32)as->hard_faults;
	r->created = p->create_time;
	r->user = p->user_time;
	r->kernel = p->kernel_time;
	r->base_priority = p->base_priority;
	r->process_id = p->pid;
	r->parent_id = p->parent_pid;
	r->handles = ObHandleCount(p);
	r->session = 1;
	r->virtual_peak = as->virtual_peak;
	r->virtual_size = as->virtual_size;
	r->faults = (u32)as->faults;
	r->ws_peak = as->ws_peak << PAGE_SHIFT;
	r->ws = as->ws_pages << PAGE_SHIFT;
	r->pagefile = r->private_bytes = as->commit << PAGE_SHIFT;
	r->pagefile_peak = as->commit_peak << PAGE_SHIFT;
}

/* Room for the threads there are now and a few that may come before they are looked at. */
#define SPARE_THREADS 8u

/* The entry of p as it will lie at `user`; NULL without memory. */
static struct process_record *build(EPROCESS *p, u64 user, u32 *bytes)
{
	u32 room = p->thread_count + SPARE_THREADS, n = 0, chars = (u32)strlen(p->name);
	struct process_record *r =
	    ExAllocatePool(sizeof(*r) + room * sizeof(struct thread_record) + 2 * chars + 16,
			   TAG('E', 'x', 'P', 'r'));
	struct thread_record *threads;
	u16 *text;

	if (!r)
		return NULL;
	fill_process(r, p);
	threads = (struct thread_record *)(r + 1);
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &p->threads)
	{
		const ETHREAD *t = CONTAINER_OF(e, ETHREAD, entry);

		if (n == room)
			break;
		fill_thread(&threads[n++], p, t);
		r->kernel += t->k.kernel_time;
		r->user += t->k.user_time;
	}
	mutex_unlock(&ps_lock);
	r->threads = r->threads_peak = n;
	text = (u16 *)(threads + n);
	for (u32 i = 0; i < chars; i++)
		text[i] = (u8)p->name[i];
	*bytes = (u32)((u8 *)(text + chars + 1) - (u8 *)r);
	if (chars) {
		r->name_bytes = (u16)(2 * chars);
		r->name_max = (u16)(2 * chars + 2);
		r->name = user + (u64)((u8 *)text - (u8 *)r);
	}
	*bytes = (u32)ALIGN_UP(*bytes, 8);
	return r;
}

/* Puts the entry of p behind the others; *last is where the previous one lies. */
static NTSTATUS add(struct sysinfo *q, EPROCESS *p, u64 *last)
{
	u64 at = (u64)q->user + q->needed;
	u32 bytes, step = (u32)(at - *last);
	struct process_record *r = build(p, at, &bytes);
	NTSTATUS s = STATUS_SUCCESS;

	if (!r)
		return STATUS_INSUFFICIENT_RESOURCES;
	if ((u64)q->needed + bytes <= q->length) {
		s = copy_to_user((void *)at, r, bytes);
		if (NT_SUCCESS(s) && *last)
			s = copy_to_user((void *)*last, &step, sizeof(step));
		*last = at;
	}
	q->needed += bytes;
	ExFreePool(r);
	return s;
}

#define SPARE_PROCESSES 8u

/* All processes there are, referenced, in an array of pool. */
static EPROCESS **snapshot(u32 *count)
{
	EPROCESS **list;
	u32 room = SPARE_PROCESSES, n = 0;

	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	room++;
	mutex_unlock(&ps_lock);
	list = ExAllocatePool(room * sizeof(EPROCESS *), TAG('E', 'x', 'P', 'r'));
	if (!list)
		return NULL;
	mutex_lock(&ps_lock);
	LIST_FOR_EACH(e, &ps_processes)
	{
		EPROCESS *p = CONTAINER_OF(e, EPROCESS, entry);

		if (n < room && ObReferenceObjectSafe(p))
			list[n++] = p;
	}
	mutex_unlock(&ps_lock);
	*count = n;
	return list;
}

NTSTATUS sysinfo_processes(struct sysinfo *q)
{
	NTSTATUS s = STATUS_SUCCESS;
	EPROCESS **list;
	u64 last = 0;
	u32 count = 0;

	list = snapshot(&count);
	if (!list)
		return STATUS_INSUFFICIENT_RESOURCES;
	for (u32 i = 0; i < count; i++) {
		if (NT_SUCCESS(s))
			s = add(q, list[i], &last);
		ObDereferenceObject(list[i]);
	}
	ExFreePool(list);
	if (!NT_SUCCESS(s))
		return s;
	return q->needed > q->length ? STATUS_INFO_LENGTH_MISMATCH : STATUS_SUCCESS;
}
