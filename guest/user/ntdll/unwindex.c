/*
 * Unwinding the stack to a frame (RtlUnwindEx), C's scope tables (__C_specific_handler), and walks
 * of the stack for traces.
 *
 * Two contexts of our own are used in turn: `here`, the frame being looked at, which its handler
 * sees, and `above`, its caller's. The caller's ContextRecord is only the place asked for; a
 * handler that unwinds again through the same record (as GCC's does) cannot disturb us.
 */
#include "guest/user/ntdll/except.h"

/* Unwinds the frame of ctx one up; returns its handler. *fe is NULL for a leaf. */
static PEXCEPTION_ROUTINE step(PCONTEXT ctx, DWORD type, PDISPATCHER_CONTEXT dc)
{
	PEXCEPTION_ROUTINE handler;

	dc->ControlPc = ctx->Rip;
	dc->FunctionEntry = RtlLookupFunctionEntry(ctx->Rip, &dc->ImageBase, dc->HistoryTable);
	if (!dc->FunctionEntry) {
		dc->EstablisherFrame = ctx->Rsp;
		unwind_leaf(ctx);
		return NULL;
	}
	handler = RtlVirtualUnwind(type, dc->ImageBase, dc->ControlPc, dc->FunctionEntry, ctx,
				   &dc->HandlerData, &dc->EstablisherFrame, NULL);
	return handler;
}

static BOOLEAN frame_ok(DWORD64 frame)
{
	PTEB teb = NtCurrentTeb();

	return !(frame & 7) && frame >= (DWORD64)teb->NtTib.StackLimit &&
	       frame < (DWORD64)teb->NtTib.StackBase;
}

/*
 * Calls the unwind handler of the frame in dc; after a collision, of the frame the broken-off
 * unwind was at, with `here` and `above` moved there.
 */
static void call_unwind_handlers(PEXCEPTION_RECORD rec, PVOID target, PVOID value, PCONTEXT param,
				 PDISPATCHER_CONTEXT dc, PCONTEXT here, PCONTEXT above)
{
	for (;;) {
		EXCEPTION_DISPOSITION d;

		if (dc->EstablisherFrame == (DWORD64)target)
			rec->ExceptionFlags |= EXCEPTION_TARGET_UNWIND;
		here->Rax = (DWORD64)value;
		dc->ContextRecord = here;
		d = execute_handler_for_unwind(rec, (PVOID)dc->EstablisherFrame, param, dc);
		rec->ExceptionFlags &= ~(EXCEPTION_TARGET_UNWIND | EXCEPTION_COLLIDED_UNWIND);
		if (d == ExceptionContinueSearch)
			return;
		if (d != ExceptionCollidedUnwind)
			RtlRaiseStatus(STATUS_INVALID_DISPOSITION);
		rec->ExceptionFlags |= EXCEPTION_COLLIDED_UNWIND;
		*above = *here; /* the collided handler filled `here` with the other unwind's */
		if (dc->FunctionEntry) {
			PVOID data;
			DWORD64 frame;

			RtlVirtualUnwind(UNW_FLAG_NHANDLER, dc->ImageBase, dc->ControlPc,
					 dc->FunctionEntry, above, &data, &frame, NULL);
		} else {
			unwind_leaf(above);
		}
		if (!dc->LanguageHandler)
			return;
	}
}

VOID NTAPI RtlUnwindEx(PVOID target, PVOID target_ip, PEXCEPTION_RECORD rec, PVOID value,
		       PCONTEXT param, PUNWIND_HISTORY_TABLE history)
{
	EXCEPTION_RECORD own;
	DISPATCHER_CONTEXT dc = {.HistoryTable = history};
	CONTEXT contexts[2], *here = &contexts[0], *above = &contexts[1];

	RtlCaptureContext(here);
	if (param)
		*param = *here;
	if (!rec) {
		own = (EXCEPTION_RECORD){.ExceptionCode = (DWORD)STATUS_UNWIND,
					 .ExceptionAddress = (PVOID)here->Rip};
		rec = &own;
	}
	rec->ExceptionFlags |= EXCEPTION_UNWINDING | (target ? 0 : EXCEPTION_EXIT_UNWIND);
	for (;;) {
		PEXCEPTION_ROUTINE handler;
		PCONTEXT swap;

		*above = *here;
		handler = step(above, UNW_FLAG_UHANDLER, &dc);
		if (dc.FunctionEntry) {
			if (!frame_ok(dc.EstablisherFrame))
				break;
			if (target && (DWORD64)target < dc.EstablisherFrame)
				RtlRaiseStatus(STATUS_INVALID_UNWIND_TARGET);
			if (handler) {
				dc.TargetIp = (DWORD64)target_ip;
				dc.LanguageHandler = handler;
				dc.ScopeIndex = 0;
				call_unwind_handlers(rec, target, value, param, &dc, here, above);
			}
			if (dc.EstablisherFrame == (DWORD64)target)
				break;
		} else if (!frame_ok(above->Rsp - 8) || !above->Rip) {
			dc.EstablisherFrame = 0;
			break;
		}
		swap = here;
		here = above;
		above = swap;
	}
	if (!target || dc.EstablisherFrame != (DWORD64)target) {
		/* An exit unwind, or a target that is not on this stack. */
		if (target)
			RtlRaiseStatus(STATUS_BAD_STACK);
		NtRaiseException(rec, here, FALSE);
		return;
	}
	here->Rax = (DWORD64)value;
	if (rec->ExceptionCode != (DWORD)STATUS_UNWIND_CONSOLIDATE)
		here->Rip = (DWORD64)target_ip;
	if (param)
		*param = *here;
	RtlRestoreContext(here, rec);
}

VOID NTAPI RtlUnwind(PVOID target, PVOID target_ip, PEXCEPTION_RECORD rec, PVOID value)
{
	RtlUnwindEx(target, target_ip, rec, value, NULL, NULL);
}

VOID __cdecl RtlRestoreContext(PCONTEXT ctx, PEXCEPTION_RECORD rec)
{
	if (rec && rec->ExceptionCode == (DWORD)STATUS_LONGJUMP && rec->NumberParameters >= 1) {
		const struct jump_buffer *j =
		    (const struct jump_buffer *)rec->ExceptionInformation[0];

		ctx->Rbx = j->Rbx;
		ctx->Rsp = j->Rsp;
		ctx->Rbp = j->Rbp;
		ctx->Rsi = j->Rsi;
		ctx->Rdi = j->Rdi;
		ctx->R12 = j->R12;
		ctx->R13 = j->R13;
		ctx->R14 = j->R14;
		ctx->R15 = j->R15;
		ctx->Rip = j->Rip;
		ctx->MxCsr = j->MxCsr;
		ctx->FltSave.MxCsr = j->MxCsr;
		ctx->FltSave.ControlWord = j->FpCsr;
		memcpy(&ctx->Xmm6, j->Xmm, sizeof(j->Xmm));
	} else if (rec && rec->ExceptionCode == (DWORD)STATUS_UNWIND_CONSOLIDATE &&
		   rec->NumberParameters >= 1) {
		call_consolidate(ctx, (PVOID)rec->ExceptionInformation[0], rec);
	}
	if (ctx->EFlags & EFLAGS_TF)
		NtContinue(ctx, FALSE);
	restore_registers(ctx);
}

/* longjmp under its own name; setjmp.h's type is an array of 16-byte words */
DECLSPEC_NORETURN void ntdll_longjmp(struct jump_buffer *j, int value)
{
	EXCEPTION_RECORD rec = {.ExceptionCode = (DWORD)STATUS_LONGJUMP,
				.NumberParameters = 1,
				.ExceptionInformation = {(ULONG_PTR)j}};
	PVOID result = (PVOID)(LONG_PTR)(value ? value : 1);

	if (j->Frame) {
		RtlUnwind((PVOID)j->Frame, (PVOID)j->Rip, &rec, result);
	} else { /* no frame given: no handlers are called */
		CONTEXT ctx;

		RtlCaptureContext(&ctx);
		ctx.Rax = (DWORD64)result;
		RtlRestoreContext(&ctx, &rec);
	}
	__builtin_unreachable();
}

/* --- C's __try: the handler data is a count and the scopes, as RVAs, innermost first --- */

struct scope {
	DWORD begin, end;
	DWORD handler; /* __except: filter, or 1 for "always"; __finally: the termination handler */
	DWORD jump;    /* __except: its block; 0 for __finally */
};

struct scope_table {
	DWORD count;
	struct scope scope[];
};

typedef LONG (*c_filter)(PEXCEPTION_POINTERS ep, PVOID frame);
typedef void (*c_finally)(BOOLEAN abnormal, PVOID frame);

static EXCEPTION_DISPOSITION c_dispatch(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
					PDISPATCHER_CONTEXT dc)
{
	const struct scope_table *t = dc->HandlerData;
	DWORD rva = (DWORD)(dc->ControlPc - dc->ImageBase);
	EXCEPTION_POINTERS ep = {rec, ctx};

	for (DWORD i = dc->ScopeIndex; i < t->count; i++) {
		const struct scope *s = &t->scope[i];
		LONG verdict = EXCEPTION_EXECUTE_HANDLER;

		if (rva < s->begin || rva >= s->end || !s->jump)
			continue;
		if (s->handler != 1)
			verdict = ((c_filter)(dc->ImageBase + s->handler))(&ep, frame);
		if (verdict < 0)
			return ExceptionContinueExecution;
		if (verdict > 0)
			RtlUnwindEx(frame, (PVOID)(dc->ImageBase + s->jump), rec,
				    (PVOID)(ULONG_PTR)rec->ExceptionCode, dc->ContextRecord,
				    dc->HistoryTable);
	}
	return ExceptionContinueSearch;
}

/* Does control stay inside scope s? The compiler may have split it into several rows. */
static BOOLEAN stays_in(const struct scope_table *t, const struct scope *s, DWORD target)
{
	for (DWORD i = 0; i < t->count; i++)
		if (target >= t->scope[i].begin && target < t->scope[i].end &&
		    t->scope[i].handler == s->handler && t->scope[i].jump == s->jump)
			return TRUE;
	return FALSE;
}

static EXCEPTION_DISPOSITION c_unwind(PEXCEPTION_RECORD rec, PVOID frame, PDISPATCHER_CONTEXT dc)
{
	const struct scope_table *t = dc->HandlerData;
	DWORD rva = (DWORD)(dc->ControlPc - dc->ImageBase);
	DWORD target = (DWORD)(dc->TargetIp - dc->ImageBase);

	for (DWORD i = dc->ScopeIndex; i < t->count; i++) {
		const struct scope *s = &t->scope[i];

		if (rva < s->begin || rva >= s->end)
			continue;
		if (rec->ExceptionFlags & EXCEPTION_TARGET_UNWIND) {
			/* Control goes to this scope, or to its block: the outer ones stay. */
			if (stays_in(t, s, target))
				return ExceptionContinueSearch;
			if (s->jump && target == s->jump)
				return ExceptionContinueSearch;
		}
		if (s->jump)
			continue;
		dc->ScopeIndex = i + 1; /* a collided unwind goes on behind it */
		((c_finally)(dc->ImageBase + s->handler))(TRUE, frame);
	}
	return ExceptionContinueSearch;
}

EXCEPTION_DISPOSITION __C_specific_handler(PEXCEPTION_RECORD rec, void *frame, PCONTEXT ctx,
					   PDISPATCHER_CONTEXT dc)
{
	if (rec->ExceptionFlags & UNWIND_FLAGS_ANY)
		return c_unwind(rec, frame, dc);
	return c_dispatch(rec, frame, ctx, dc);
}

void _local_unwind(void *frame, void *target_ip)
{
	RtlUnwindEx(frame, target_ip, NULL, NULL, NULL, NULL);
}

/* --- traces --- */

static ULONG walk_stack(PVOID *out, ULONG skip, ULONG count, ULONG *hash)
{
	DISPATCHER_CONTEXT dc = {0};
	CONTEXT ctx;
	ULONG n = 0, sum = 0;

	RtlCaptureContext(&ctx);
	for (ULONG depth = 0; n < count; depth++) {
		if (!frame_ok(ctx.Rsp & ~(DWORD64)7) || !ctx.Rip)
			break;
		if (depth >= skip) {
			out[n++] = (PVOID)ctx.Rip;
			sum += (ULONG)ctx.Rip;
		}
		step(&ctx, UNW_FLAG_NHANDLER, &dc);
	}
	if (hash)
		*hash = sum;
	return n;
}

WORD NTAPI RtlCaptureStackBackTrace(DWORD skip, DWORD count, PVOID *out, PDWORD hash)
{
	return (WORD)walk_stack(out, skip + 2, count, hash);
}

ULONG NTAPI RtlWalkFrameChain(PVOID *out, ULONG count, ULONG flags)
{
	return walk_stack(out, 2 + (flags >> 8), count, NULL);
}
