/* Copies standard input to standard output, byte for byte. */
#include <fcntl.h>
#include <io.h>
#include <stdio.h>

int main(void)
{
	static char data[65536];
	size_t n;
	_setmode(_fileno(stdin), _O_BINARY);
	_setmode(_fileno(stdout), _O_BINARY);
	while ((n = fread(data, 1, sizeof(data), stdin)) > 0)
		if (fwrite(data, 1, n, stdout) != n)
			return 1;
	return fflush(stdout) ? 1 : 0;
}
