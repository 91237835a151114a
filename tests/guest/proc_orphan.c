/* The run goes on until the last process has ended; its exit code is that of the first. */
#include "tests/guest/proc.h"

int main(int argc, char **argv)
{
	PROCESS_INFORMATION pi;
	DWORD depth = argc > 3 ? strtoul(argv[3], NULL, 10) : 3;
	char text[16];

	if (argc > 2)
		Sleep(300); /* whoever made this one has ended by now */
	printf("generation %lu\n", 3 - depth);
	fflush(stdout);
	if (!depth)
		return 9;
	snprintf(text, sizeof(text), "%lu", depth - 1);
	if (!spawn("orphan", text, TRUE, 0, NULL, &pi))
		return 8;
	return 4 + (int)(3 - depth);
}
