/* The stack grows by its guard page, page by page, to most of its reserve; "overflow" goes beyond.
 */
#include "tests/guest/check.h"

static volatile unsigned depth_reached;

__attribute__((noinline)) static unsigned descend(unsigned depth)
{
	volatile unsigned char frame[2000];
	for (unsigned i = 0; i < sizeof(frame); i += 500)
		frame[i] = (unsigned char)(depth + i);
	depth_reached++;
	unsigned below = depth ? descend(depth - 1) : 0;
	for (unsigned i = 0; i < sizeof(frame); i += 500)
		below += frame[i] != (unsigned char)(depth + i);
	return below;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "overflow") == 0)
		return (int)descend(1u << 30);
	CHECK_EQ(descend(400), 0); /* 0.8 MB; the default reserve is 2 MB with mingw-w64 */
	CHECK_EQ(depth_reached, 401);
	CHECK_EQ(descend(400), 0);
	return checks_end();
}
