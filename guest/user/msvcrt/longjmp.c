/*
 * longjmp: with a frame in the buffer, cleanup handlers between here and there run first. ntdll
 * ends an unwind whose record says STATUS_LONGJUMP by restoring the registers of the buffer that
 * the record points at.
 */
#include "guest/user/msvcrt/crt.h"
#include <setjmp.h>

#define STATUS_LONGJUMP_CODE 0x80000026

__attribute__((noreturn)) void crt_jump(const void *buffer, int value);
__attribute__((noreturn)) void crt_longjmp(jmp_buf buffer, int value);

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
	if (!jump->Frame)
		crt_jump(jump, value);
	RtlUnwind((void *)jump->Frame, (void *)jump->Rip, &record, (void *)(intptr_t)value);
	/* Not reached unless the unwinding failed. */
	crt_jump(jump, value);
}
