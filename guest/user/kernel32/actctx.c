/*
 * Activation contexts as objects: made, counted, activated and taken off again in the order of a
 * thread's stack. Manifests are not read, so a context changes neither what LoadLibrary finds nor
 * what FindActCtxSectionString does: it finds nothing.
 *
 * A thread's stack is a list from FLS. A cookie names its entry.
 */
#include "guest/user/kernel32/k32.h"

#define MAGIC 0x78746341u /* "Actx": what a handle must point to */

struct context {
	ULONG magic;
	LONG references;
};

struct active {
	struct active *below;
	struct context *context; /* referenced; NULL: the process's own */
};

static DWORD slot = FLS_OUT_OF_INDEXES;
static RTL_RUN_ONCE once = RTL_RUN_ONCE_INIT;

static void drop(struct context *c)
{
	if (c && !_InterlockedDecrement(&c->references)) {
		c->magic = 0;
		heap_delete(c);
	}
}

static void pop(struct active *top)
{
	drop(top->context);
	heap_delete(top);
}

static VOID WINAPI thread_ends(PVOID stack)
{
	struct active *top = stack, *below;

	for (; top; top = below) {
		below = top->below;
		pop(top);
	}
}

static ULONG NTAPI make_slot(PRTL_RUN_ONCE o, PVOID p, PVOID *c)
{
	(void)o;
	(void)p;
	(void)c;
	slot = FlsAlloc(thread_ends);
	return slot != FLS_OUT_OF_INDEXES;
}

static struct active *stack_top(void)
{
	return slot == FLS_OUT_OF_INDEXES ? NULL : FlsGetValue(slot);
}

static struct context *by_handle(HANDLE h)
{
	struct context *c = h;

	return h && h != INVALID_HANDLE_VALUE && c->magic == MAGIC ? c : NULL;
}

HANDLE WINAPI CreateActCtxW(PCACTCTXW data)
{
	struct context *c;

	if (!data || data->cbSize < offsetof(ACTCTXW, hModule)) {
		fail(ERROR_INVALID_PARAMETER);
		return INVALID_HANDLE_VALUE;
	}
	if (data->lpSource && !(data->dwFlags & ACTCTX_FLAG_RESOURCE_NAME_VALID) &&
	    GetFileAttributesW(data->lpSource) == INVALID_FILE_ATTRIBUTES)
		return INVALID_HANDLE_VALUE;
	c = heap_new(sizeof(*c));
	if (!c) {
		fail(ERROR_NOT_ENOUGH_MEMORY);
		return INVALID_HANDLE_VALUE;
	}
	*c = (struct context){MAGIC, 1};
	return c;
}

HANDLE WINAPI CreateActCtxA(PCACTCTXA data)
{
	ACTCTXW w = {.cbSize = sizeof(w)};
	PWSTR source = NULL;
	HANDLE h = INVALID_HANDLE_VALUE;

	if (!data || data->cbSize < offsetof(ACTCTXA, hModule)) {
		fail(ERROR_INVALID_PARAMETER);
		return h;
	}
	if (wide_copy(data->lpSource, &source)) {
		w.dwFlags = data->dwFlags;
		w.lpSource = source;
		h = CreateActCtxW(&w);
	}
	heap_delete(source);
	return h;
}

VOID WINAPI AddRefActCtx(HANDLE h)
{
	struct context *c = by_handle(h);

	if (c)
		_InterlockedIncrement(&c->references);
}

VOID WINAPI ReleaseActCtx(HANDLE h)
{
	drop(by_handle(h));
}

WINBOOL WINAPI ActivateActCtx(HANDLE h, ULONG_PTR *cookie)
{
	struct context *c = by_handle(h);
	struct active *a;

	if (h && !c)
		return fail(ERROR_INVALID_HANDLE);
	if (!NT_SUCCESS(RtlRunOnceExecuteOnce(&once, make_slot, NULL, NULL)))
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	a = heap_new(sizeof(*a));
	if (!a)
		return fail(ERROR_NOT_ENOUGH_MEMORY);
	AddRefActCtx(h);
	*a = (struct active){stack_top(), c};
	FlsSetValue(slot, a);
	*cookie = (ULONG_PTR)a;
	return TRUE;
}

/* What lies above the cookie's entry goes with it only if the caller says so. */
WINBOOL WINAPI DeactivateActCtx(DWORD flags, ULONG_PTR cookie)
{
	struct active *top = stack_top(), *a = top;

	while (a && (ULONG_PTR)a != cookie)
		a = a->below;
	if (!a) {
		RtlRaiseStatus(STATUS_SXS_INVALID_DEACTIVATION);
		return FALSE;
	}
	if (a != top && !(flags & DEACTIVATE_ACTCTX_FLAG_FORCE_EARLY_DEACTIVATION)) {
		RtlRaiseStatus(STATUS_SXS_EARLY_DEACTIVATION);
		return FALSE;
	}
	for (BOOL last = FALSE; !last;) {
		struct active *next = top->below;

		last = top == a;
		pop(top);
		top = next;
	}
	FlsSetValue(slot, top);
	return TRUE;
}

/* Referenced; NULL is the process's own. */
WINBOOL WINAPI GetCurrentActCtx(HANDLE *h)
{
	struct active *top = stack_top();

	*h = top ? top->context : NULL;
	AddRefActCtx(*h);
	return TRUE;
}

WINBOOL WINAPI FindActCtxSectionStringW(DWORD flags, const GUID *extension, ULONG section,
					LPCWSTR text, PACTCTX_SECTION_KEYED_DATA data)
{
	(void)extension;
	(void)section;
	if (!data || data->cbSize < offsetof(ACTCTX_SECTION_KEYED_DATA, ulAssemblyRosterIndex) ||
	    !text || (flags & ~(ULONG)FIND_ACTCTX_SECTION_KEY_RETURN_HACTCTX))
		return fail(ERROR_INVALID_PARAMETER);
	return fail(ERROR_SXS_KEY_NOT_FOUND);
}

WINBOOL WINAPI FindActCtxSectionStringA(DWORD flags, const GUID *extension, ULONG section,
					LPCSTR text, PACTCTX_SECTION_KEYED_DATA data)
{
	return FindActCtxSectionStringW(flags, extension, section, text ? L"" : NULL, data);
}
