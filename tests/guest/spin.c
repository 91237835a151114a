/* A processor that is only interrupted: counts for three seconds, without a system call or a fault.
 */
#include <stdio.h>
#include <windows.h>

int main(void)
{
	volatile unsigned long long n = 0;
	DWORD start = GetTickCount();

	while (GetTickCount() - start < 3000)
		for (int i = 0; i < 100000; i++)
			n++;
	printf("counted\n");
	return 0;
}
