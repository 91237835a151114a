/* NtReadVirtualMemory, NtWriteVirtualMemory: bytes, counts and what bad pages do, on one's own. */
#include "tests/guest/vm.h"

static unsigned char buffer[0x20000];
static SIZE_T done;

static LONG read_from(const void *from, SIZE_T n)
{
	done = 0x55;
	return NtReadVirtualMemory(SELF, from, buffer, n, &done);
}

static LONG write_to(void *to, SIZE_T n)
{
	done = 0x55;
	return NtWriteVirtualMemory(SELF, to, buffer, n, &done);
}

static void check_whole(unsigned char *p)
{
	for (unsigned i = 0; i < 0x10000; i++)
		buffer[i] = (unsigned char)(i * 7 + (i >> 8));
	CHECK_EQ(write_to(p + 3, 0xf123), 0);
	CHECK_EQ(done, 0xf123);
	CHECK_EQ(memcmp(p + 3, buffer, 0xf123), 0);
	CHECK_EQ(p[0] | p[2] | p[3 + 0xf123], 0);
	send_all_to_pagefile();
	memset(buffer, 0, sizeof(buffer));
	CHECK_EQ(read_from(p + 3, 0xf123), 0);
	CHECK_EQ(done, 0xf123);
	CHECK_EQ(memcmp(p + 3, buffer, 0xf123), 0);
	CHECK_EQ(buffer[0x1234], (unsigned char)(0x1234 * 7 + 0x12));
	CHECK_EQ(read_from(p, 0), 0);
	CHECK_EQ(done, 0);
	CHECK_EQ(NtReadVirtualMemory(SELF, p, buffer, 16, NULL), 0);
}

static void check_bad_pages(unsigned char *p)
{
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_NOACCESS), 0);
	/* a big read: the chunk with the bad page is not read at all; a small one is exact */
	CHECK_EQ(read_from(p + PAGE, 2 * PAGE), ST_PARTIAL_COPY);
	CHECK_EQ(done, 0);
	CHECK_EQ(read_from(p + 2 * PAGE - 100, 200), ST_PARTIAL_COPY);
	CHECK_EQ(done, 100);
	CHECK_EQ(read_from(p + 2 * PAGE, 4), ST_PARTIAL_COPY);
	CHECK_EQ(done, 0);
	/* a write goes as far as it can */
	CHECK_EQ(write_to(p, 0x8000), ST_PARTIAL_COPY);
	CHECK_EQ(done, 0x2000);
	CHECK_EQ(write_to(p + 2 * PAGE, 4), ST_PARTIAL_COPY);
	CHECK_EQ(done, 0);
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_READONLY), 0);
	CHECK_EQ(read_from(p, 0x8000), 0);
	CHECK_EQ(write_to(p + 2 * PAGE, 4), ST_PARTIAL_COPY);
	CHECK_EQ(done, 0);
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_EXECUTE_READ), 0);
	CHECK_EQ(write_to(p + 2 * PAGE, 4), ST_PARTIAL_COPY);
	/* a guard page fails once */
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_READWRITE | PAGE_GUARD), 0);
	CHECK_EQ(read_from(p + 2 * PAGE, 4), ST_PARTIAL_COPY);
	CHECK_EQ(read_from(p + 2 * PAGE, 4), 0);
	/* free and kernel addresses, and our own side bad */
	CHECK_EQ(NtWriteVirtualMemory(SELF, buffer, p, 2 * PAGE, &done), 0);
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_NOACCESS), 0);
	CHECK_EQ(NtWriteVirtualMemory(SELF, buffer, p, 4 * PAGE, &done), ST_ACCESS_VIOLATION);
	CHECK_EQ(done, 0); /* what is written is looked at before the first byte goes */
	CHECK_EQ(NtReadVirtualMemory(SELF, buffer, p, 4 * PAGE, &done), ST_PARTIAL_COPY);
	CHECK(done > PAGE && done <= 2 * PAGE);
	CHECK_EQ(protect_pages(p + 2 * PAGE, PAGE, PAGE_READWRITE), 0);
	CHECK_EQ(read_from((void *)16, 4), ST_PARTIAL_COPY);
	CHECK_EQ(read_from((void *)0xffff800000000000ull, 4), ST_ACCESS_VIOLATION);
	CHECK_EQ(read_from((void *)(ULONG_PTR)-2, 4), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtReadVirtualMemory(SELF, p, (void *)16, 4, &done), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtWriteVirtualMemory(SELF, p, (void *)16, 4, &done), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtReadVirtualMemory(SELF, p, buffer, 4, (void *)16), ST_ACCESS_VIOLATION);
	CHECK_EQ(NtReadVirtualMemory(NULL, p, buffer, 4, &done), ST_INVALID_HANDLE);
}

/* A write into an image's data makes a private copy, as an ordinary store does. */
static const char constant[PAGE * 2] __attribute__((aligned(4096))) = {1, 2, 3};
static char variable[PAGE * 2] __attribute__((aligned(4096))) = {1, 2, 3};

static void check_image(void)
{
	CHECK_EQ(NtWriteVirtualMemory(SELF, (void *)constant, "x", 1, &done), ST_PARTIAL_COPY);
	CHECK_EQ(NtWriteVirtualMemory(SELF, variable + PAGE, "xyz", 3, &done), 0);
	CHECK_EQ(done, 3);
	CHECK_EQ(((volatile char *)variable)[PAGE + 2], 'z');
	CHECK_EQ(resident(variable + PAGE) & WS_SHARED, 0);
}

int main(void)
{
	unsigned char *p;

	probes_begin();
	p = allocate(16 * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
	check_whole(p);
	check_bad_pages(p);
	check_image();
	return checks_end();
}
