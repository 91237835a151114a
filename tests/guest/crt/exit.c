/*
 * The end of a program. The argument chooses how: "return", "exit", "_exit", "abort", "assert";
 * what is printed before and by the registered functions is checked by the caller:
 * return and exit print 3 2 1, in that order, and the unflushed line; _exit prints neither.
 */
#include <assert.h>
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void one(void)
{
	printf("1\n");
}

static void two(void)
{
	printf("2\n");
	atexit(one);
}

static int __cdecl three(void)
{
	printf("3\n");
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";

	atexit(two);
	_onexit(three);
	printf("before %s\n", how);
	if (!strcmp(how, "exit"))
		exit(41);
	if (!strcmp(how, "_exit"))
		_exit(42);
	if (!strcmp(how, "abort"))
		abort();
	if (!strcmp(how, "assert"))
		assert(argc == 1);
	return 40;
}
