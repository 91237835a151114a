/*
 * hog [MB [PASSES]]: commits MB megabytes (default: four times the RAM), fills them with a pattern
 * that depends on address and pass, and reads all of it back in another order.
 *
 * Reading goes by blocks of 64 KB in the order of a stride that has no factor in common with their
 * number: neither forwards nor backwards, and never twice.
 */
#define PSAPI_VERSION 2
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>
#include <psapi.h>

#define BLOCK (64u << 10)
#define WORDS (BLOCK / 8)
#define STEPS 4 /* lines of progress each way */

static uint64_t seed(const uint64_t *block, unsigned pass)
{
	uint64_t x = (uint64_t)(uintptr_t)block ^ (pass + 1) * 0x9e3779b97f4a7c15ull;
	x = (x ^ x >> 31) * 0xbf58476d1ce4e5b9ull;
	return x ^ x >> 29;
}

static void fill(uint64_t *block, unsigned pass)
{
	uint64_t value = seed(block, pass);
	for (unsigned i = 0; i < WORDS; i++, value += 0x9e3779b97f4a7c15ull)
		block[i] = value;
}

static size_t wrong_words(const uint64_t *block, unsigned pass)
{
	uint64_t value = seed(block, pass);
	size_t wrong = 0;
	for (unsigned i = 0; i < WORDS; i++, value += 0x9e3779b97f4a7c15ull)
		wrong += block[i] != value;
	return wrong;
}

static size_t common_factor(size_t a, size_t b)
{
	while (b) {
		size_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static void progress(const char *what, unsigned pass, size_t done, size_t blocks)
{
	size_t step = blocks / STEPS;
	if (done == blocks || (step && done % step == 0 && done / step < STEPS)) {
		printf("pass %u: %s %5zu MB\n", pass + 1, what, done * BLOCK >> 20);
		fflush(stdout);
	}
}

int main(int argc, char **argv)
{
	MEMORYSTATUSEX memory = {.dwLength = sizeof(memory)};
	if (!GlobalMemoryStatusEx(&memory)) {
		printf("GlobalMemoryStatusEx failed: error %lu\n", GetLastError());
		return 1;
	}
	size_t mb = argc > 1 ? strtoul(argv[1], NULL, 0) : (size_t)(memory.ullTotalPhys * 4 >> 20);
	unsigned passes = argc > 2 ? (unsigned)strtoul(argv[2], NULL, 0) : 2;
	size_t blocks = (mb << 20) / BLOCK, stride = blocks * 5 / 8 | 1, errors = 0;
	if (blocks == 0 || passes == 0) {
		printf("usage: hog [MB [PASSES]]\n");
		return 2;
	}
	while (common_factor(stride, blocks) != 1)
		stride += 2;
	printf("hog: %zu MB of data, %llu MB of RAM, %u passes\n", mb, memory.ullTotalPhys >> 20,
	       passes);
	uint64_t *data = VirtualAlloc(NULL, mb << 20, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	if (!data) {
		printf("VirtualAlloc of %zu MB failed: error %lu\n", mb, GetLastError());
		return 1;
	}
	for (unsigned pass = 0; pass < passes; pass++) {
		for (size_t i = 0; i < blocks; i++) {
			fill(data + i * WORDS, pass);
			progress("filled", pass, i + 1, blocks);
		}
		for (size_t i = 0, at = blocks / 2; i < blocks; i++, at = (at + stride) % blocks) {
			errors += wrong_words(data + at * WORDS, pass);
			progress("read  ", pass, i + 1, blocks);
		}
	}
	PROCESS_MEMORY_COUNTERS counters = {.cb = sizeof(counters)};
	if (GetProcessMemoryInfo(GetCurrentProcess(), &counters, sizeof(counters))) {
		printf("page faults         %10lu\n", (unsigned long)counters.PageFaultCount);
		printf("peak working set    %7zu KB\n", counters.PeakWorkingSetSize >> 10);
		printf("peak pagefile usage %7zu KB\n", counters.PeakPagefileUsage >> 10);
	} else {
		printf("GetProcessMemoryInfo failed: error %lu\n", GetLastError());
		errors++;
	}
	printf("bytes written       %7zu MB\n", mb * passes);
	printf("bytes verified      %7zu MB\n", mb * passes);
	if (!VirtualFree(data, 0, MEM_RELEASE))
		errors++;
	printf("errors %zu\n", errors);
	return errors ? 1 : 0;
}
