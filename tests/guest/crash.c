/* Ends by an unhandled exception of the kind its argument names. */
#include <stdio.h>
#include <string.h>
#include <windows.h>

static volatile int zero;
static volatile int *volatile null = NULL;

int main(int argc, char **argv)
{
	const char *kind = argc > 1 ? argv[1] : "write";
	printf("crashing: %s\n", kind);
	fflush(stdout);
	if (strcmp(kind, "write") == 0)
		*null = 1;
	else if (strcmp(kind, "read") == 0)
		zero = *(volatile int *)(uintptr_t)0x7ffffff00000ull;
	else if (strcmp(kind, "execute") == 0)
		((void (*)(void))(uintptr_t)&zero)();
	else if (strcmp(kind, "divide") == 0)
		zero = 100 / zero;
	else if (strcmp(kind, "illegal") == 0)
		__asm__ volatile("ud2");
	else if (strcmp(kind, "raise") == 0)
		RaiseException(0xE0001234, 0, 0, NULL);
	else if (strcmp(kind, "abort") == 0)
		__asm__ volatile("int $0x29" : : "c"(7));
	printf("still here\n");
	return 0;
}
