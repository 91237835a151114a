/* current.c: the one place where ob looks at ps's and the scheduler's structures. */
#include "guest/ob/obp.h"
#include "guest/ps/ps.h"

struct EPROCESS *ob_current_process(void)
{
	return PsGetCurrentProcess();
}

struct KTHREAD *ob_current_thread(void)
{
	return KeGetCurrentThread();
}

void ob_invalid_handle(void)
{
	PsInvalidHandle();
}
