/* Prints its arguments, one a line, in angle brackets; then a variable of the environment. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%d <%s>\n", i, argv[i]);
	const char *value = getenv("NTMM_TEST");
	printf("NTMM_TEST=%s\n", value ? value : "(unset)");
	return 0;
}
