/* The least program: no C library, ends at once. */
#include <windows.h>

void start(void);

void start(void)
{
	ExitProcess(0);
}
