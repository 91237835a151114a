/* Returns its argument, in decimal or 0x-hex: from main, or by ExitProcess with a second one. */
#include <stdlib.h>
#include <windows.h>

int main(int argc, char **argv)
{
	unsigned long code = argc > 1 ? strtoul(argv[1], NULL, 0) : 0;
	if (argc > 2)
		ExitProcess(code);
	return (int)code;
}
