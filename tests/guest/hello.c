/* The least program: a line on each output. */
#include <stdio.h>

int main(void)
{
	printf("hello, world\n");
	fprintf(stderr, "hello, error\n");
	return 0;
}
