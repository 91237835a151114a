/*
 * Exceptions: dispatching a record along the stack, and handlers of ntdll's own frames.
 *
 *   KiUserExceptionDispatcher / RtlRaiseException
 *     vectored handlers -> frame handlers, innermost first -> (RtlUserThreadStart's: the unhandled
 *     exception filter) -> continue handlers -> resume; or NtRaiseException(..., FALSE): the end.
 *
 * Frame handlers run under execute_handler_for_exception (excasm.S), whose own handler tells a
 * second dispatch on top of the first that it is nested.
 */
#include "guest/user/ntdll/except.h"

extern const char guarded_call_failed[], touch_failed[];

static LPTOP_LEVEL_EXCEPTION_FILTER unhandled_filter;

VOID NTAPI RtlSetUnhandledExceptionFilter(LPTOP_LEVEL_EXCEPTION_FILTER filter)
{
	unhandled_filter = filter;
}

static BOOLEAN in_stack(DWORD64 frame)
{
	PTEB teb = NtCurrentTeb();

	return !(frame & 7) && frame >= (DWORD64)teb->NtTib.StackLimit &&
	       frame < (DWORD64)teb->NtTib.StackBase;
}

/* Continues the unwinding of a function without unwind data: it has not moved RSP. */
void unwind_leaf(PCONTEXT ctx)
{
	ctx->Rip = *(DWORD64 *)ctx->Rsp;
	ctx->Rsp += 8;
}

static DECLSPEC_NORETURN void raise_from(NTSTATUS status, PEXCEPTION_RECORD cause)
{
	EXCEPTION_RECORD rec = {.ExceptionCode = (DWORD)status,
				.ExceptionFlags = EXCEPTION_NONCONTINUABLE,
				.ExceptionRecord = cause};

	RtlRaiseException(&rec);
	NtTerminateProcess(NtCurrentProcess(), status);
	__builtin_unreachable();
}

/* Calls the handlers of one frame and of what collided with it. TRUE: go on where ctx says. */
static BOOLEAN call_frame(PEXCEPTION_RECORD rec, PCONTEXT ctx, PDISPATCHER_CONTEXT dc,
			  DWORD64 *nested)
{
	for (;;) {
		EXCEPTION_DISPOSITION d;
		DWORD64 frame;

		frame = dc->EstablisherFrame;
		d = execute_handler_for_exception(rec, (PVOID)frame, ctx, dc);
		if (frame == *nested) { /* frames further out see it for the first time */
			rec->ExceptionFlags &= ~EXCEPTION_NESTED_CALL;
			*nested = 0;
		}
		switch (d) {
		case ExceptionContinueExecution:
			if (rec->ExceptionFlags & EXCEPTION_NONCONTINUABLE)
				raise_from(STATUS_NONCONTINUABLE_EXCEPTION, rec);
			return TRUE;
		case ExceptionContinueSearch:
			return FALSE;
		case ExceptionNestedException:
			rec->ExceptionFlags |= EXCEPTION_NESTED_CALL;
			if (dc->EstablisherFrame > *nested)
				*nested = dc->EstablisherFrame;
			return FALSE;
		case ExceptionCollidedUnwind: {
			PVOID data;

			/* dc now tells of the frame that was being unwound; go on from it. */
			RtlVirtualUnwind(UNW_FLAG_NHANDLER, dc->ImageBase, dc->ControlPc,
					 dc->FunctionEntry, dc->ContextRecord, &data, &frame, NULL);
			if (!dc->LanguageHandler)
				return FALSE;
			break;
		}
		default:
			raise_from(STATUS_INVALID_DISPOSITION, rec);
		}
	}
}

BOOLEAN NTAPI RtlDispatchException(PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	UNWIND_HISTORY_TABLE history;
	DISPATCHER_CONTEXT dc;
	CONTEXT walk;
	DWORD64 nested = 0, frame = 0;

	if (call_vectored(rec, ctx)) {
		call_continue_handlers(rec, ctx);
		return TRUE;
	}
	walk = *ctx;
	history.Count = 0;
	for (;;) {
		PRUNTIME_FUNCTION fe;
		PEXCEPTION_ROUTINE handler;
		DWORD64 base, pc = walk.Rip, rsp = walk.Rsp;
		PVOID data = NULL;

		if (!in_stack(rsp) && rsp != (DWORD64)NtCurrentTeb()->NtTib.StackBase)
			break;
		fe = RtlLookupFunctionEntry(pc, &base, &history);
		if (!fe) {
			unwind_leaf(&walk);
			if (!walk.Rip)
				break;
			continue;
		}
		handler =
		    RtlVirtualUnwind(UNW_FLAG_EHANDLER, base, pc, fe, &walk, &data, &frame, NULL);
		if (!in_stack(frame)) {
			rec->ExceptionFlags |= EXCEPTION_STACK_INVALID;
			break;
		}
		if (handler) {
			dc = (DISPATCHER_CONTEXT){.ControlPc = pc,
						  .ImageBase = base,
						  .FunctionEntry = fe,
						  .EstablisherFrame = frame,
						  .ContextRecord = &walk,
						  .LanguageHandler = handler,
						  .HandlerData = data,
						  .HistoryTable = &history};
			if (call_frame(rec, ctx, &dc, &nested)) {
				call_continue_handlers(rec, ctx);
				return TRUE;
			}
			if (dc.ContextRecord != &walk)
				walk = *dc.ContextRecord;
		} else if (frame == nested) {
			rec->ExceptionFlags &= ~EXCEPTION_NESTED_CALL;
			nested = 0;
		}
		if (!walk.Rip || (walk.Rip == pc && walk.Rsp == rsp))
			break;
	}
	return FALSE;
}

/* Resumes ctx. Debug registers, which only the kernel can load, go through it; so does the trap
 * flag, which else would stop at ctx's first instruction and not behind it. */
static DECLSPEC_NORETURN void resume(PCONTEXT ctx)
{
	if (ctx->EFlags & EFLAGS_TF ||
	    (ctx->ContextFlags & CONTEXT_DEBUG_REGISTERS) == CONTEXT_DEBUG_REGISTERS ||
	    (ctx->ContextFlags & CONTEXT_FULL) != CONTEXT_FULL)
		RtlRaiseStatus(NtContinue(ctx, FALSE));
	restore_registers(ctx);
}

/* excasm.S, KiUserExceptionDispatcher */
DECLSPEC_NORETURN void dispatch_and_continue(PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	BOOLEAN armed = ctx->Dr7 != 0;

	if (guard_faulted(rec, ctx))
		guard_failed();
	if (RtlDispatchException(rec, ctx)) {
		if (!armed && !ctx->Dr7) /* no breakpoint then and now: nothing for the kernel */
			ctx->ContextFlags &= ~(DWORD)(CONTEXT_DEBUG_REGISTERS & ~CONTEXT_AMD64);
		resume(ctx);
	}
	RtlRaiseStatus(NtRaiseException(rec, ctx, FALSE));
}

/* excasm.S, RtlRaiseException: ctx is the caller's */
void raise_exception(PEXCEPTION_RECORD rec, PCONTEXT ctx)
{
	NTSTATUS status;

	rec->ExceptionAddress = (PVOID)ctx->Rip;
	if (NtCurrentPeb()->BeingDebugged)
		status = NtRaiseException(rec, ctx, TRUE);
	else if (RtlDispatchException(rec, ctx))
		resume(ctx);
	else
		status = NtRaiseException(rec, ctx, FALSE);
	RtlRaiseStatus(status);
}

DECLSPEC_NORETURN VOID NTAPI RtlRaiseStatus(NTSTATUS status)
{
	raise_from(status, NULL);
}

/* --- handlers of the frames in excasm.S --- */

EXCEPTION_DISPOSITION nested_exception_handler(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
					       PDISPATCHER_CONTEXT dc)
{
	PDISPATCHER_CONTEXT outer = *(PDISPATCHER_CONTEXT *)((char *)frame + 0x20);

	(void)ctx;
	if (rec->ExceptionFlags & UNWIND_FLAGS_ANY)
		return ExceptionContinueSearch;
	dc->EstablisherFrame = outer->EstablisherFrame;
	return ExceptionNestedException;
}

EXCEPTION_DISPOSITION collided_unwind_handler(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
					      PDISPATCHER_CONTEXT dc)
{
	PDISPATCHER_CONTEXT outer = *(PDISPATCHER_CONTEXT *)((char *)frame + 0x20);
	PCONTEXT mine = dc->ContextRecord;
	DWORD64 target = dc->TargetIp;

	(void)rec;
	(void)ctx;
	*mine = *outer->ContextRecord;
	*dc = *outer;
	dc->ContextRecord = mine;
	dc->TargetIp = target;
	return ExceptionCollidedUnwind;
}

EXCEPTION_DISPOSITION touch_handler(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
				    PDISPATCHER_CONTEXT dc)
{
	(void)frame;
	(void)dc;
	if (rec->ExceptionFlags & UNWIND_FLAGS_ANY)
		return ExceptionContinueSearch;
	ctx->Rip = (DWORD64)touch_failed;
	return ExceptionContinueExecution;
}

EXCEPTION_DISPOSITION guarded_call_handler(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
					   PDISPATCHER_CONTEXT dc)
{
	guarded_filter filter = *(guarded_filter *)((char *)frame + 0x28);
	PVOID arg = *(PVOID *)((char *)frame + 0x20);
	EXCEPTION_POINTERS ep = {rec, ctx};
	LONG verdict;

	if (rec->ExceptionFlags & UNWIND_FLAGS_ANY)
		return ExceptionContinueSearch;
	verdict = filter ? filter(&ep, arg) : EXCEPTION_EXECUTE_HANDLER;
	if (verdict == EXCEPTION_CONTINUE_EXECUTION)
		return ExceptionContinueExecution;
	if (verdict == EXCEPTION_CONTINUE_SEARCH)
		return ExceptionContinueSearch;
	RtlUnwindEx(frame, (PVOID)guarded_call_failed, rec, (PVOID)(ULONG_PTR)rec->ExceptionCode,
		    dc->ContextRecord, dc->HistoryTable);
	return ExceptionContinueSearch;
}

/* The last handler of every thread: the unhandled exception filter, then the end. */
EXCEPTION_DISPOSITION thread_start_handler(PEXCEPTION_RECORD rec, PVOID frame, PCONTEXT ctx,
					   PDISPATCHER_CONTEXT dc)
{
	EXCEPTION_POINTERS ep = {rec, ctx};

	(void)frame;
	(void)dc;
	if (rec->ExceptionFlags & UNWIND_FLAGS_ANY)
		return ExceptionContinueSearch;
	if (unhandled_filter && unhandled_filter(&ep) == EXCEPTION_CONTINUE_EXECUTION)
		return ExceptionContinueExecution;
	NtRaiseException(rec, ctx, FALSE);
	return ExceptionContinueSearch;
}
