/*
 * Memory resource notifications: plenty of memory at the start, too little while more is written
 * than there is, plenty again afterwards. Also as something to wait for.
 */
#include "tests/guest/check.h"

#define PAGE 4096u

static int holds(HANDLE h)
{
	BOOL state = 7;
	CHECK(QueryMemoryResourceNotification(h, &state));
	return state;
}

int main(int argc, char **argv)
{
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : 64, bytes = mb << 20;
	HANDLE low = CreateMemoryResourceNotification(LowMemoryResourceNotification);
	HANDLE high = CreateMemoryResourceNotification(HighMemoryResourceNotification);
	BOOL state;
	CHECK(low != NULL);
	CHECK(high != NULL);
	CHECK(CreateMemoryResourceNotification(2) == NULL);
	CHECK_EQ(GetLastError(), ERROR_INVALID_PARAMETER);
	CHECK(!QueryMemoryResourceNotification(low, NULL));
	CHECK(!QueryMemoryResourceNotification(NULL, &state));
	CHECK(!SetEvent(low)); /* only the kernel sets it */
	CHECK_EQ(GetLastError(), ERROR_ACCESS_DENIED);
	CHECK_EQ(WaitForSingleObject(high, 20000), WAIT_OBJECT_0);
	CHECK_EQ(holds(high), TRUE);
	CHECK_EQ(holds(low), FALSE);
	CHECK_EQ(WaitForSingleObject(low, 0), WAIT_TIMEOUT);

	volatile char *p = VirtualAlloc(NULL, bytes, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	CHECK(p != NULL);
	if (!p)
		return checks_end();
	unsigned seen_low = 0, lost_high = 0;
	for (unsigned pass = 0; pass < 20 && !(seen_low && lost_high); pass++)
		for (size_t at = 0; at < bytes; at += PAGE) {
			p[at] = (char)(at >> 12);
			if (at % (64 * PAGE))
				continue;
			seen_low += holds(low);
			lost_high += !holds(high);
		}
	CHECK(seen_low > 0);
	CHECK(lost_high > 0);
	CHECK(VirtualFree((void *)p, 0, MEM_RELEASE));
	CHECK_EQ(WaitForSingleObject(high, 20000), WAIT_OBJECT_0);
	CHECK_EQ(holds(low), FALSE);
	CHECK(CloseHandle(low));
	CHECK(CloseHandle(high));
	return checks_end();
}
