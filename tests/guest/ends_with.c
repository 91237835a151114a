/* The least program that ends with a number, END_CODE. */
#include <windows.h>

void start(void);

void start(void)
{
	ExitProcess(END_CODE);
}
