/*
 * Vectored exception handlers and vectored continue handlers.
 *
 * Two lists under one lock. The lock is not held while a handler runs: its node is referenced
 * instead, so that handlers may add and remove handlers, themselves too.
 */
#include "guest/user/ntdll/except.h"

struct vectored {
	LIST_ENTRY link;
	PVECTORED_EXCEPTION_HANDLER handler;
	LONG refs; /* one for the list, one for each call in progress */
	BOOLEAN removed;
};

static RTL_SRWLOCK lock;
static LIST_ENTRY exception_list = {&exception_list, &exception_list};
static LIST_ENTRY continue_list = {&continue_list, &continue_list};

static PVOID add(LIST_ENTRY *list, ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
	struct vectored *v = RtlAllocateHeap(NtCurrentPeb()->ProcessHeap, 0, sizeof(*v));

	if (!v)
		return NULL;
	v->handler = handler;
	v->refs = 1;
	v->removed = FALSE;
	RtlAcquireSRWLockExclusive(&lock);
	if (first)
		InsertHeadList(list, &v->link);
	else
		InsertTailList(list, &v->link);
	RtlReleaseSRWLockExclusive(&lock);
	return v;
}

/* Needs the lock; frees the node with its last reference. */
static BOOLEAN drop(struct vectored *v)
{
	if (--v->refs)
		return FALSE;
	RemoveEntryList(&v->link);
	return TRUE;
}

static ULONG remove_handler(LIST_ENTRY *list, PVOID handle)
{
	struct vectored *found = NULL;
	BOOLEAN dead = FALSE;

	RtlAcquireSRWLockExclusive(&lock);
	for (LIST_ENTRY *e = list->Flink; e != list; e = e->Flink) {
		struct vectored *v = CONTAINING_RECORD(e, struct vectored, link);

		if (v == handle && !v->removed) {
			found = v;
			v->removed = TRUE;
			dead = drop(v);
			break;
		}
	}
	RtlReleaseSRWLockExclusive(&lock);
	if (dead)
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0, found);
	return found != NULL;
}

static LONG call_list(LIST_ENTRY *list, PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	EXCEPTION_POINTERS ep = {rec, ctx};
	LONG verdict = EXCEPTION_CONTINUE_SEARCH;
	LIST_ENTRY dead = {&dead, &dead}, *e;

	if (list->Flink == list)
		return verdict;
	RtlAcquireSRWLockExclusive(&lock);
	for (e = list->Flink; e != list && verdict != EXCEPTION_CONTINUE_EXECUTION;) {
		struct vectored *v = CONTAINING_RECORD(e, struct vectored, link);

		if (v->removed) {
			e = e->Flink;
			continue;
		}
		v->refs++;
		RtlReleaseSRWLockExclusive(&lock);
		verdict = v->handler(&ep);
		RtlAcquireSRWLockExclusive(&lock);
		e = e->Flink;
		if (drop(v))
			InsertHeadList(&dead, &v->link);
	}
	RtlReleaseSRWLockExclusive(&lock);
	while (dead.Flink != &dead) {
		e = RemoveHeadList(&dead);
		RtlFreeHeap(NtCurrentPeb()->ProcessHeap, 0,
			    CONTAINING_RECORD(e, struct vectored, link));
	}
	return verdict;
}

BOOLEAN call_vectored(PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	return call_list(&exception_list, rec, ctx) == EXCEPTION_CONTINUE_EXECUTION;
}

void call_continue_handlers(PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	call_list(&continue_list, rec, ctx);
}

PVOID NTAPI RtlAddVectoredExceptionHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
	return add(&exception_list, first, handler);
}

ULONG NTAPI RtlRemoveVectoredExceptionHandler(PVOID handle)
{
	return remove_handler(&exception_list, handle);
}

PVOID NTAPI RtlAddVectoredContinueHandler(ULONG first, PVECTORED_EXCEPTION_HANDLER handler)
{
	return add(&continue_list, first, handler);
}

ULONG NTAPI RtlRemoveVectoredContinueHandler(PVOID handle)
{
	return remove_handler(&continue_list, handle);
}

/* The other threads are gone; none of them holds the lock any more. */
void vectored_forget(void)
{
	RtlInitializeSRWLock(&lock);
}
