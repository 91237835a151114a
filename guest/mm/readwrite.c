/*
 * NtReadVirtualMemory, NtWriteVirtualMemory: memory of another process (or one's own), through a
 * page in between: the other side under its A, by the direct map; our side as ordinary user memory,
 * with no lock held, since both may fault.
 *
 * How much counts as copied when a page refuses: where a write goes to is told exactly, page by
 * page. What is copied from, for a write and for a read of more than EXACT_READ bytes, is taken in
 * chunks of CHUNK_PAGES: a chunk with a bad page is not copied at all.
 */
#include "guest/mm/nt_memory.h"
#include "guest/mm/vmcalls.h"
#include "guest/ke/syscall.h"

#define EXACT_READ  511u
#define CHUNK_PAGES 14u

/* The bytes of a page that is in, or NULL: it must be faulted in for this access first. => A */
static u8 *resident_bytes(struct address_space *as, u64 va, bool write)
{
	u64 size, need = write ? PTE_HW_WRITE | PTE_USER : PTE_USER;
	MMPTE *e = mm_find_pte(as, va);

	if (e)
		return *e & PTE_VALID && (*e & need) == need
			   ? (u8 *)pfn_to_va(pte_pfn(*e)) + (va & (PAGE_SIZE - 1))
			   : NULL;
	e = mm_find_large(as, va, &size);
	if (!e || (*e & need) != need)
		return NULL;
	return (u8 *)pfn_to_va(pte_pfn(*e)) + (va & (size - 1));
}

NTSTATUS mm_access_other(EPROCESS *p, u64 va, void *kernel, u64 bytes, bool write)
{
	struct address_space *as = &p->as;
	NTSTATUS st, io = STATUS_SUCCESS;
	u8 *there;

	if (va > as->highest || bytes > as->highest + 1 - va)
		return STATUS_ACCESS_VIOLATION;
	for (;;) {
		mutex_lock(&as->lock);
		there = mm_find_vad(as, va) ? resident_bytes(as, va, write) : NULL;
		if (there)
			break;
		mutex_unlock(&as->lock);
		st = mm_fault(as, va, write ? PF_WRITE : 0, &io);
		if (st)
			return st;
	}
	if (write) {
		MMPTE *pte = mm_find_pte(as, va);

		if (pte) /* the processor does not see this store */
			pte_change(pte, 0, PTE_DIRTY | PTE_ACCESSED);
		memcpy(there, kernel, bytes);
	} else if (kernel) {
		memcpy(kernel, there, bytes);
	}
	mutex_unlock(&as->lock);
	return STATUS_SUCCESS;
}

static u64 to_page_end(u64 va, u64 left)
{
	return MIN(left, PAGE_SIZE - (va & (PAGE_SIZE - 1)));
}

NTSTATUS MmWriteProcess(EPROCESS *p, u64 va, void *kernel, u64 bytes)
{
	NTSTATUS st = STATUS_SUCCESS;

	for (u64 n; bytes && !st; va += n, kernel = (u8 *)kernel + n, bytes -= n) {
		n = to_page_end(va, bytes);
		st = mm_access_other(p, va, kernel, n, true);
	}
	return st;
}

/* Whether all of [va, va + bytes) can be read. */
static NTSTATUS probe(EPROCESS *p, u64 va, u64 bytes)
{
	NTSTATUS st = STATUS_SUCCESS;

	for (u64 n; bytes && !st; va += n, bytes -= n) {
		n = to_page_end(va, bytes);
		st = mm_access_other(p, va, NULL, n, false);
	}
	return st;
}

struct copy {
	EPROCESS *p;
	u64 remote, local, bytes;
	u64 done;
	u8 *page; /* in between */
};

static NTSTATUS read_part(struct copy *c, u64 bytes)
{
	NTSTATUS st;

	for (u64 n; bytes; bytes -= n, c->done += n) {
		n = to_page_end(c->remote + c->done, bytes);
		if (mm_access_other(c->p, c->remote + c->done, c->page, n, false))
			return STATUS_PARTIAL_COPY;
		if ((st = copy_to_user((void *)(c->local + c->done), c->page, n)))
			return st;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS read_all(struct copy *c)
{
	NTSTATUS st = STATUS_SUCCESS;

	if (c->bytes <= EXACT_READ)
		return read_part(c, c->bytes);
	while (c->done < c->bytes && !st) {
		u64 n = MIN(c->bytes - c->done, CHUNK_PAGES * PAGE_SIZE);

		st = probe(c->p, c->remote + c->done, n) ? STATUS_PARTIAL_COPY : read_part(c, n);
	}
	return st;
}

static NTSTATUS write_all(struct copy *c)
{
	u64 good = 0; /* bytes of ours that have been found readable */
	NTSTATUS st;

	for (u64 n; c->done < c->bytes; c->done += n) {
		n = to_page_end(c->remote + c->done, c->bytes - c->done);
		if (c->done + n > good) {
			u64 more = MIN(c->bytes - good, CHUNK_PAGES * PAGE_SIZE);

			if ((st = probe(PsGetCurrentProcess(), c->local + good, more)))
				return st;
			good += more;
		}
		if ((st = copy_from_user(c->page, (void *)(c->local + c->done), n)))
			return st;
		if (mm_access_other(c->p, c->remote + c->done, c->page, n, true))
			return STATUS_PARTIAL_COPY;
	}
	return STATUS_SUCCESS;
}

static NTSTATUS copy_call(HANDLE process, ACCESS_MASK access, struct copy *c, u64 *user_done,
			  NTSTATUS (*work)(struct copy *))
{
	u64 none = 0;
	NTSTATUS st;

	if (user_done && (st = copy_to_user(user_done, &none, 8)))
		return st;
	if (c->remote + c->bytes < c->remote || c->local + c->bytes < c->local ||
	    c->remote + c->bytes > MM_USER_PROBE || c->local + c->bytes > MM_USER_PROBE)
		return STATUS_ACCESS_VIOLATION;
	st = ObReferenceObjectByHandle(process, access, &PsProcessType, (void **)&c->p);
	if (st)
		return st;
	c->page = ExAllocatePool(PAGE_SIZE, TAG('M', 'm', 'R', 'w'));
	st = c->page ? work(c) : STATUS_INSUFFICIENT_RESOURCES;
	if (st && c->done) /* whichever side it was */
		st = STATUS_PARTIAL_COPY;
	if (c->page)
		ExFreePool(c->page);
	ObDereferenceObject(c->p);
	if (user_done && copy_to_user(user_done, &c->done, 8))
		st = STATUS_ACCESS_VIOLATION;
	return st;
}

NTSYSCALL NTSTATUS NtReadVirtualMemory(HANDLE process, u64 from, u64 to, u64 bytes, u64 *done)
{
	struct copy c = {.remote = from, .local = to, .bytes = bytes};

	return copy_call(process, PROCESS_VM_READ, &c, done, read_all);
}

NTSYSCALL NTSTATUS NtWriteVirtualMemory(HANDLE process, u64 to, u64 from, u64 bytes, u64 *done)
{
	struct copy c = {.remote = to, .local = from, .bytes = bytes};

	return copy_call(process, PROCESS_VM_WRITE, &c, done, write_all);
}
