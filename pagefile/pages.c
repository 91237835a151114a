/*
 * The checksum table, and with it the truth about which pages are stored.
 *
 * sums[page] is SUM_NONE for a page that is not stored, else pagefile_sum() of its bytes (one that
 * happens to be SUM_NONE becomes SUM_NONE + 1). It is set when a write is started, not when it
 * ends: should the write fail half-way, the page reads back only if all of it arrived, and is -EIO
 * otherwise. The table reserves address space for the maximum size and uses memory as pages get
 * stored: 8 bytes a page.
 *
 * A page's bytes may be split over iovecs in any way; struct cursor walks them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pagefile/internal.h"

#define SUM_NONE 0u

struct cursor {
	const struct iovec *iov;
	size_t at; /* bytes of *iov already walked */
};

/* The next run of contiguous bytes, at most *bytes; *bytes becomes its length. */
static uint8_t *cursor_run(struct cursor *c, size_t *bytes)
{
	while (c->at == c->iov->iov_len) {
		c->iov++;
		c->at = 0;
	}
	size_t left = c->iov->iov_len - c->at;
	if (*bytes > left)
		*bytes = left;
	uint8_t *run = (uint8_t *)c->iov->iov_base + c->at;
	c->at += *bytes;
	return run;
}

static uint64_t cursor_sum_page(struct cursor *c)
{
	size_t bytes = PAGEFILE_PAGE;
	uint8_t *run = cursor_run(c, &bytes);
	uint64_t sum;
	if (bytes == PAGEFILE_PAGE && (uintptr_t)run % PAGEFILE_SUM_ALIGN == 0) {
		sum = pagefile_sum(run);
	} else {
		_Alignas(PAGEFILE_SUM_ALIGN) uint8_t page[PAGEFILE_PAGE];
		memcpy(page, run, bytes);
		for (size_t at = bytes; at < PAGEFILE_PAGE; at += bytes) {
			bytes = PAGEFILE_PAGE - at;
			run = cursor_run(c, &bytes);
			memcpy(page + at, run, bytes);
		}
		sum = pagefile_sum(page);
	}
	return sum == SUM_NONE ? SUM_NONE + 1 : sum;
}

static void cursor_zero_page(struct cursor *c)
{
	for (size_t at = 0, bytes; at < PAGEFILE_PAGE; at += bytes) {
		bytes = PAGEFILE_PAGE - at;
		uint8_t *run = cursor_run(c, &bytes);
		memset(run, 0, bytes);
	}
}

static size_t table_bytes(const struct pagefile *pf)
{
	return pf->max / PAGEFILE_PAGE * sizeof(*pf->sums);
}

int pages_init(struct pagefile *pf)
{
	void *table = mmap(NULL, table_bytes(pf), PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (table == MAP_FAILED)
		return -errno;
	pf->sums = table;
	return 0;
}

void pages_free(struct pagefile *pf)
{
	if (pf->sums)
		munmap(pf->sums, table_bytes(pf));
}

bool pages_any_stored(const struct pagefile *pf, const struct pagefile_request *r)
{
	const uint64_t *sum = pf->sums + r->offset / PAGEFILE_PAGE;
	for (uint64_t i = 0; i < r->bytes / PAGEFILE_PAGE; i++)
		if (sum[i] != SUM_NONE)
			return true;
	return false;
}

void pages_forget(struct pagefile *pf, const struct pagefile_request *r)
{
	uint64_t *sum = pf->sums + r->offset / PAGEFILE_PAGE;
	for (uint64_t i = 0; i < r->bytes / PAGEFILE_PAGE; i++) {
		if (sum[i] == SUM_NONE)
			continue;
		sum[i] = SUM_NONE;
		pf->stats.discarded++;
		pf->stats.stored_pages--;
	}
}

void pages_stamp(struct pagefile *pf, const struct pagefile_request *r)
{
	uint64_t *sum = pf->sums + r->offset / PAGEFILE_PAGE;
	struct cursor c = {.iov = r->iov};
	for (uint64_t i = 0; i < r->bytes / PAGEFILE_PAGE; i++) {
		if (sum[i] == SUM_NONE)
			pf->stats.stored_pages++;
		sum[i] = cursor_sum_page(&c);
	}
}

int pages_verify(struct pagefile *pf, const struct pagefile_request *r)
{
	const uint64_t *sum = pf->sums + r->offset / PAGEFILE_PAGE;
	struct cursor c = {.iov = r->iov};
	int result = 0;
	for (uint64_t i = 0; i < r->bytes / PAGEFILE_PAGE; i++) {
		if (sum[i] == SUM_NONE) {
			cursor_zero_page(&c);
			pf->stats.zero_reads++;
		} else if (cursor_sum_page(&c) != sum[i]) {
			pf->stats.checksum_failures++;
			result = -EIO;
		}
	}
	return result;
}

/* Uses up to `pages` of what is armed; true if there was any. */
bool pages_take_fault(struct pagefile *pf, enum ntmm_inject kind, uint64_t pages)
{
	uint64_t take = pf->inject[kind] < pages ? pf->inject[kind] : pages;
	pf->inject[kind] -= take;
	pf->stats.injected += take;
	return take > 0;
}

/* Changes one byte of the stored page in the file. */
static void corrupt_page(struct pagefile *pf, uint64_t offset)
{
	uint8_t byte = 0;
	if (pread(pf->fd, &byte, 1, (off_t)offset) < 0)
		return; /* then reading the page fails by itself */
	byte++;		/* not a flip, which a second time would undo */
	if (pwrite(pf->fd, &byte, 1, (off_t)offset) < 0)
		pf->sums[offset / PAGEFILE_PAGE]++; /* cannot write there: make it mismatch */
}

int pages_injected(struct pagefile *pf, const struct pagefile_request *r)
{
	uint64_t pages = r->bytes / PAGEFILE_PAGE;
	if (r->op == PAGEFILE_WRITE) {
		if (pages_take_fault(pf, NTMM_INJECT_WRITE_ERROR, pages))
			return -EIO;
		if (pages_take_fault(pf, NTMM_INJECT_ENOSPC, pages))
			return -ENOSPC;
	}
	if (r->op == PAGEFILE_READ) {
		if (pages_take_fault(pf, NTMM_INJECT_READ_ERROR, pages))
			return -EIO;
		for (uint64_t i = 0; i < pages && pf->inject[NTMM_INJECT_CORRUPT]; i++) {
			uint64_t offset = r->offset + i * PAGEFILE_PAGE;
			if (pf->sums[offset / PAGEFILE_PAGE] == SUM_NONE)
				continue;
			pages_take_fault(pf, NTMM_INJECT_CORRUPT, 1);
			corrupt_page(pf, offset);
		}
	}
	return 0;
}
