/*
 * C++ exceptions of Microsoft's compiler, as far as code of others meets them: they are raised with
 * their code and four parameters, and who catches one without knowing its type (luajit does) has
 * __DestructExceptionObject end the object's life. Handlers and types are not here; GCC brings its
 * own. Layout: what LLVM's Microsoft ABI emits.
 */
#include "guest/user/msvcrt/crt.h"

#define CXX_EXCEPTION  0xe06d7363 /* "msc" */
#define MAGIC_FIRST    0x19930520
#define MAGIC_LAST     0x19930522
#define CXX_PARAMETERS 4

struct throw_info { /* addresses are relative to the image */
	uint32_t attributes;
	int32_t destructor; /* 0: there is none */
	int32_t forward_compatible, types;
};

void _CxxThrowException(void *object, const struct throw_info *info);
void __DestructExceptionObject(EXCEPTION_RECORD *record);

void _CxxThrowException(void *object, const struct throw_info *info)
{
	ULONG_PTR parameters[CXX_PARAMETERS] = {MAGIC_FIRST, (ULONG_PTR)object, (ULONG_PTR)info};
	void *image = NULL;

	RtlPcToFileHeader((void *)(ULONG_PTR)info, &image);
	parameters[3] = (ULONG_PTR)image;
	RaiseException(CXX_EXCEPTION, EXCEPTION_NONCONTINUABLE, CXX_PARAMETERS, parameters);
}

void __DestructExceptionObject(EXCEPTION_RECORD *record)
{
	const struct throw_info *info;
	void *object;

	if (!record || record->ExceptionCode != CXX_EXCEPTION ||
	    record->NumberParameters != CXX_PARAMETERS ||
	    record->ExceptionInformation[0] < MAGIC_FIRST ||
	    record->ExceptionInformation[0] > MAGIC_LAST)
		return;
	object = (void *)record->ExceptionInformation[1];
	info = (const struct throw_info *)record->ExceptionInformation[2];
	if (object && info && info->destructor)
		((void (*)(void *))(record->ExceptionInformation[3] + (uint32_t)info->destructor))(
		    object);
}
