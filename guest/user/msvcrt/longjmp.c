/*
 * longjmp: with a frame in the buffer, cleanup handlers between here and there run first. ntdll
 * ends an unwind whose record says STATUS_LONGJUMP by restoring the registers of the buffer that
 * the record points at.
 *
 * The stack is walked once before: without handlers on the way there is nothing to unwind. Nor is
 * there a way when the walk does not meet the frame, which happens because GCC moves unlikely
 * parts of a function apart and describes their frame differently; then the registers are restored
 * all the same.
 */
#include "guest/user/msvcrt/crt.h"
#include <setjmp.h>

#define STATUS_LONGJUMP_CODE 0x80000026

__attribute__((noreturn)) void crt_jump(const void *buffer, int value);
__attribute__((noreturn)) void crt_longjmp(jmp_buf buffer, int value);

/* Do functions up to the one with this frame have handlers that must run? */
static bool handlers_before(DWORD64 target)
{
	CONTEXT context;
	bool found = false;

	RtlCaptureContext(&context);
	while (context.Rip) {
		DWORD64 image, frame = context.Rsp;
		RUNTIME_FUNCTION *function = RtlLookupFunctionEntry(context.Rip, &image, NULL);
		void *data;

		if (!function) { /* it has changed nothing but the stack pointer */
			context.Rip = *(DWORD64 *)context.Rsp;
			context.Rsp += sizeof(DWORD64);
		} else if (RtlVirtualUnwind(UNW_FLAG_UHANDLER, image, context.Rip, function,
					    &context, &data, &frame, NULL)) {
			found = true;
		}
		if (frame == target)
			return found;
		if (frame > target)
			return false;
	}
	return false;
}

void crt_longjmp(jmp_buf buffer, int value)
{
	_JUMP_BUFFER *jump = (_JUMP_BUFFER *)buffer;
	EXCEPTION_RECORD record = {
	    .ExceptionCode = STATUS_LONGJUMP_CODE,
	    .NumberParameters = 1,
	    .ExceptionInformation = {(ULONG_PTR)buffer},
	};

	if (!value)
		value = 1;
	if (jump->Frame && handlers_before(jump->Frame))
		RtlUnwind((void *)jump->Frame, (void *)jump->Rip, &record, (void *)(intptr_t)value);
	crt_jump(jump, value);
}
