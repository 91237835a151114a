/*
 * The thread pool: what a callback asks to be done when it returns, and clean-up groups.
 *
 * A group is a list of the objects that were made with it in their environment. Ending its members
 * is to each of them what its own Close call is, but for waiting until it is quiet. Lock:
 * pool_lock.
 */
#include "guest/user/kernel32/pool.h"

struct pool_group {
	struct pool_object *members;
};

/* --- instances --- */

void pool_returned(struct pool_instance *i)
{
	if (i->section)
		RtlLeaveCriticalSection((PRTL_CRITICAL_SECTION)i->section);
	if (i->mutex)
		NtReleaseMutant(i->mutex, NULL);
	if (i->semaphore)
		NtReleaseSemaphore(i->semaphore, (LONG)i->count, NULL);
	if (i->event)
		NtSetEvent(i->event, NULL);
	if (i->module)
		FreeLibrary(i->module);
}

VOID WINAPI SetEventWhenCallbackReturns(PTP_CALLBACK_INSTANCE i, HANDLE event)
{
	((struct pool_instance *)i)->event = event;
}

VOID WINAPI ReleaseSemaphoreWhenCallbackReturns(PTP_CALLBACK_INSTANCE i, HANDLE semaphore,
						DWORD count)
{
	((struct pool_instance *)i)->semaphore = semaphore;
	((struct pool_instance *)i)->count = count;
}

VOID WINAPI ReleaseMutexWhenCallbackReturns(PTP_CALLBACK_INSTANCE i, HANDLE mutex)
{
	((struct pool_instance *)i)->mutex = mutex;
}

VOID WINAPI LeaveCriticalSectionWhenCallbackReturns(PTP_CALLBACK_INSTANCE i,
						    PCRITICAL_SECTION section)
{
	((struct pool_instance *)i)->section = section;
}

VOID WINAPI FreeLibraryWhenCallbackReturns(PTP_CALLBACK_INSTANCE i, HMODULE module)
{
	((struct pool_instance *)i)->module = module;
}

VOID WINAPI DisassociateCurrentThreadFromCallback(PTP_CALLBACK_INSTANCE instance)
{
	struct pool_instance *i = (struct pool_instance *)instance;

	pool_acquire();
	if (!i->disassociated && i->object) {
		i->disassociated = TRUE;
		pool_settle(i->object);
	}
	pool_release();
}

/* --- groups --- */

void pool_join(struct pool_object *o, PTP_CALLBACK_ENVIRON env)
{
	if (!env)
		return;
	o->finalization = env->FinalizationCallback;
	if (!env->CleanupGroup)
		return;
	o->group_cancel = env->CleanupGroupCancelCallback;
	pool_acquire();
	o->group = (struct pool_group *)env->CleanupGroup;
	o->next_member = o->group->members;
	o->group->members = o;
	pool_release();
}

void pool_leave(struct pool_object *o)
{
	struct pool_object **at;

	if (!o->group)
		return;
	for (at = &o->group->members; *at != o; at = &(*at)->next_member)
		;
	*at = o->next_member;
	o->group = NULL;
}

PTP_CLEANUP_GROUP WINAPI CreateThreadpoolCleanupGroup(VOID)
{
	struct pool_group *g = heap_new(sizeof(*g));

	if (g)
		g->members = NULL;
	else
		fail(ERROR_NOT_ENOUGH_MEMORY);
	return (PTP_CLEANUP_GROUP)g;
}

/* One member, taken off the list, that the group's owner has not closed itself. */
static struct pool_object *next_member(struct pool_group *g)
{
	struct pool_object *o;

	pool_acquire();
	o = g->members;
	if (o)
		pool_leave(o);
	pool_release();
	return o;
}

VOID WINAPI CloseThreadpoolCleanupGroupMembers(PTP_CLEANUP_GROUP group, WINBOOL cancel,
					       PVOID context)
{
	struct pool_object *o;

	while ((o = next_member((struct pool_group *)group))) {
		if (o->kind == POOL_WAIT)
			pool_stop_wait(o);
		pool_acquire();
		if (o->kind == POOL_TIMER)
			pool_stop_timer(o);
		pool_release();
		pool_wait_quiet(o, cancel);
		if (cancel && o->group_cancel)
			o->group_cancel(o->context, context);
		pool_acquire();
		pool_drop(o);
		pool_release();
	}
}

VOID WINAPI CloseThreadpoolCleanupGroup(PTP_CLEANUP_GROUP group)
{
	heap_delete((struct pool_group *)group);
}
