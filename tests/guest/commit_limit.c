/*
 * Commits until there is no more: the failure is ERROR_COMMITMENT_LIMIT, nothing that was written
 * is lost, and what is given back can be had again. The argument bounds the megabytes tried.
 */
#include "tests/guest/check.h"

#define CHUNK (1u << 20)
#define MOST  4096u

static uint64_t *chunk[MOST];

static uint64_t value(unsigned i, unsigned at)
{
	return (i + 1) * 0x9e3779b97f4a7c15ull + at;
}

static void fill(unsigned i)
{
	for (unsigned at = 0; at < CHUNK / 8; at++)
		chunk[i][at] = value(i, at);
}

static unsigned wrong(unsigned i)
{
	unsigned bad = 0;
	for (unsigned at = 0; at < CHUNK / 8; at++)
		bad += chunk[i][at] != value(i, at);
	return bad;
}

int main(int argc, char **argv)
{
	unsigned most = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 0) : MOST, n = 0;
	MEMORYSTATUSEX before = {.dwLength = sizeof(before)}, status = before;
	CHECK(most <= MOST);
	CHECK(GlobalMemoryStatusEx(&before));
	SetLastError(0);
	while (n < most) {
		chunk[n] = VirtualAlloc(NULL, CHUNK, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
		if (!chunk[n])
			break;
		fill(n++);
	}
	DWORD error = GetLastError();
	CHECK(n < most);
	CHECK(n > 0);
	CHECK_EQ(error, ERROR_COMMITMENT_LIMIT);
	CHECK(GlobalMemoryStatusEx(&status));
	CHECK(status.ullAvailPageFile < 2 * CHUNK); /* page tables and the like aside */
	CHECK(status.ullTotalPageFile >= before.ullTotalPageFile);
	printf("the limit %s\n",
	       status.ullTotalPageFile > before.ullTotalPageFile ? "has grown" : "stayed");

	/* Reserving takes no commit. */
	void *reserved = VirtualAlloc(NULL, 64 * CHUNK, MEM_RESERVE, PAGE_READWRITE);
	CHECK(reserved != NULL);
	SetLastError(0);
	CHECK(VirtualAlloc(reserved, CHUNK, MEM_COMMIT, PAGE_READWRITE) == NULL);
	CHECK_EQ(GetLastError(), ERROR_COMMITMENT_LIMIT);

	unsigned bad = 0;
	for (unsigned i = 0; i < n; i++)
		bad += wrong(i);
	CHECK_EQ(bad, 0);

	CHECK(VirtualFree(chunk[n / 2], 0, MEM_RELEASE));
	chunk[n / 2] = VirtualAlloc(reserved, CHUNK, MEM_COMMIT, PAGE_READWRITE);
	CHECK(chunk[n / 2] == reserved);
	if (chunk[n / 2])
		fill(n / 2);
	for (unsigned i = n; i-- > 0;)
		bad += chunk[i] ? wrong(i) : 1;
	CHECK_EQ(bad, 0);
	printf("%u MB committed of %llu MB\n", n, status.ullTotalPageFile >> 20);
	return checks_end();
}
