/*
 * pagefile/: contents, order, merging, checksums, growth, errors of the host, injected faults. Each
 * test that moves data runs twice: through io_uring and synchronously.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <signal.h>
#include <unistd.h>

#include "pagefile/pagefile.h"

#define PAGES	64u
#define P	PAGEFILE_PAGE
#define LARGEST 16u

static char folder[256];
static char path[300];
static char why[PAGEFILE_WHY];
static const unsigned modes[] = {0, PAGEFILE_SYNC};

static void make_folder(void)
{
	const char *tmp = getenv("TMPDIR");
	snprintf(folder, sizeof(folder), "%s/ntmm-check-XXXXXX", tmp ? tmp : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pf", folder);
}

static void remove_folder(void)
{
	unlink(path);
	ck_assert_int_eq(rmdir(folder), 0); /* nothing else was left there */
}

static struct pagefile *open_pf(uint64_t min, uint64_t max, unsigned flags)
{
	struct pagefile *pf = NULL;
	struct pagefile_config config = {
	    .path = path, .min_bytes = min, .max_bytes = max, .flags = flags};
	int error = pagefile_open(&config, &pf, why);
	ck_assert_msg(error == 0, "%d %s", error, why);
	return pf;
}

static int open_fails(uint64_t min, uint64_t max, const char *text)
{
	struct pagefile *pf = NULL;
	struct pagefile_config config = {.path = path, .min_bytes = min, .max_bytes = max};
	why[0] = 0;
	int error = pagefile_open(&config, &pf, why);
	ck_assert_int_lt(error, 0);
	ck_assert_ptr_null(pf);
	ck_assert_msg(strstr(why, text) != NULL, "\"%s\" lacks \"%s\"", why, text);
	ck_assert_ptr_null(strchr(why, '\n'));
	return error;
}

/* A page's bytes depend on its number and on `version`. */
static void fill(uint8_t *data, uint64_t page, unsigned pages, unsigned version)
{
	uint64_t *word = (uint64_t *)data;
	for (unsigned i = 0; i < pages * P / 8; i++)
		word[i] = (page * P / 8 + i + 1) * 0x9e3779b97f4a7c15ull + version;
}

static void assert_filled(const uint8_t *data, uint64_t page, unsigned pages, unsigned version)
{
	static uint8_t want[LARGEST * P];
	ck_assert_uint_le(pages, LARGEST);
	fill(want, page, pages, version);
	ck_assert(memcmp(data, want, pages * P) == 0);
}

static int transfer(struct pagefile *pf, enum pagefile_op op, uint64_t page, unsigned pages,
		    uint8_t *data)
{
	struct iovec iov = {.iov_base = data, .iov_len = pages * P};
	struct pagefile_request r = {
	    .op = op, .offset = page * P, .bytes = (uint64_t)pages * P, .iov = &iov, .iovcnt = 1};
	return pagefile_do(pf, &r);
}

static int write_pages(struct pagefile *pf, uint64_t page, unsigned pages, unsigned version)
{
	static uint8_t data[LARGEST * P];
	ck_assert_uint_le(pages, LARGEST);
	fill(data, page, pages, version);
	return transfer(pf, PAGEFILE_WRITE, page, pages, data);
}

static void read_expecting(struct pagefile *pf, uint64_t page, unsigned pages, unsigned version)
{
	static uint8_t data[LARGEST * P];
	memset(data, 0xee, sizeof(data));
	ck_assert_int_eq(transfer(pf, PAGEFILE_READ, page, pages, data), 0);
	assert_filled(data, page, pages, version);
}

static void read_expecting_zeroes(struct pagefile *pf, uint64_t page, unsigned pages)
{
	static uint8_t data[LARGEST * P], zeroes[LARGEST * P];
	memset(data, 0xee, sizeof(data));
	ck_assert_int_eq(transfer(pf, PAGEFILE_READ, page, pages, data), 0);
	ck_assert(memcmp(data, zeroes, pages * P) == 0);
}

static int read_result(struct pagefile *pf, uint64_t page, unsigned pages)
{
	static uint8_t data[LARGEST * P];
	return transfer(pf, PAGEFILE_READ, page, pages, data);
}

static struct pagefile_stats stats_of(struct pagefile *pf)
{
	struct pagefile_stats stats;
	pagefile_get_stats(pf, &stats);
	return stats;
}

static void scribble(uint64_t offset)
{
	int fd = open(path, O_RDWR);
	uint8_t byte;
	ck_assert_int_eq(pread(fd, &byte, 1, (off_t)offset), 1);
	byte ^= 1;
	ck_assert_int_eq(pwrite(fd, &byte, 1, (off_t)offset), 1);
	close(fd);
}

START_TEST(written_is_read)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	for (unsigned page = 0; page < PAGES; page += 4)
		ck_assert_int_eq(write_pages(pf, page, 4, 1), 0);
	for (unsigned page = PAGES; page-- > 0;)
		read_expecting(pf, page, 1, 1);
	ck_assert_int_eq(write_pages(pf, 7, 1, 2), 0);
	read_expecting(pf, 6, 1, 1);
	read_expecting(pf, 7, 1, 2);
	read_expecting(pf, 8, 1, 1);
	struct pagefile_stats s = stats_of(pf);
	ck_assert_uint_eq(s.writes, PAGES / 4 + 1);
	ck_assert_uint_eq(s.pages_written, PAGES + 1);
	ck_assert_uint_eq(s.bytes_written, (PAGES + 1) * P);
	ck_assert_uint_eq(s.pages_read, PAGES + 3);
	ck_assert_uint_eq(s.stored_pages, PAGES);
	ck_assert_uint_eq(s.errors, 0);
	pagefile_close(pf);
}
END_TEST

START_TEST(not_stored_is_zero)
{
	/* The file's own bytes must not shine through, whether the read has stored neighbours or
	 * not. */
	FILE *f = fopen(path, "w");
	for (unsigned i = 0; i < PAGES * P; i++)
		fputc('x', f);
	fclose(f);
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	read_expecting_zeroes(pf, 0, 16);
	ck_assert_int_eq(write_pages(pf, 5, 1, 1), 0);
	static uint8_t data[3 * P], zeroes[P];
	ck_assert_int_eq(transfer(pf, PAGEFILE_READ, 4, 3, data), 0);
	ck_assert(memcmp(data, zeroes, P) == 0);
	assert_filled(data + P, 5, 1, 1);
	ck_assert(memcmp(data + 2 * P, zeroes, P) == 0);
	ck_assert_uint_eq(stats_of(pf).zero_reads, 18);
	pagefile_close(pf);
}
END_TEST

START_TEST(any_split_of_iovecs)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	static uint8_t data[3 * P], back[3 * P];
	fill(data, 9, 3, 1);
	struct iovec out[] = {
	    {data, 100}, {data + 100, P}, {data + 100 + P, 0}, {data + 100 + P, 2 * P - 100}};
	struct pagefile_request w = {
	    .op = PAGEFILE_WRITE, .offset = 9 * P, .bytes = 3 * P, .iov = out, .iovcnt = 4};
	ck_assert_int_eq(pagefile_do(pf, &w), 0);
	struct iovec in[] = {{back, P + 1}, {back + P + 1, 1}, {back + P + 2, 2 * P - 2}};
	struct pagefile_request r = {
	    .op = PAGEFILE_READ, .offset = 9 * P, .bytes = 3 * P, .iov = in, .iovcnt = 3};
	ck_assert_int_eq(pagefile_do(pf, &r), 0);
	assert_filled(back, 9, 3, 1);
	pagefile_close(pf);
}
END_TEST

START_TEST(malformed_requests)
{
	struct pagefile *pf = open_pf(PAGES * P, 2 * PAGES * P, modes[_i]);
	static uint8_t data[2 * P];
	struct iovec iov = {data, P};
	const struct pagefile_request good = {
	    .op = PAGEFILE_WRITE, .offset = 0, .bytes = P, .iov = &iov, .iovcnt = 1};
	struct pagefile_request bad[] = {good, good, good, good, good,
					 good, good, good, good, good};
	unsigned n = 0;
	bad[n++].offset = 1;
	bad[n++].bytes = P / 2;
	bad[n++].bytes = 0;
	bad[n++].offset = PAGES * P; /* the end: growth has not happened */
	bad[n++].offset = UINT64_MAX / P * P;
	bad[n++].bytes = 2 * P; /* more than the iovecs have */
	bad[n++].iovcnt = 0;
	bad[n++].iovcnt = -1;
	bad[n++].iovcnt = 1 << 20;
	bad[n++].op = PAGEFILE_NOPS;
	for (unsigned i = 0; i < n; i++)
		ck_assert_msg(pagefile_submit(pf, &bad[i]) == -EINVAL, "request %u was taken", i);
	struct pagefile_request r = good;
	ck_assert_int_eq(pagefile_do(pf, &r), 0);
	pagefile_close(pf);
}
END_TEST

/* Many requests over few pages, all in flight at once: every read sees the write before it. */
START_TEST(order_is_kept)
{
	enum { N = 600, SPAN = 12 };
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	struct pagefile_request *r = calloc(N, sizeof(*r));
	struct iovec *iov = calloc(N, sizeof(*iov));
	unsigned(*expect)[4] = calloc(N, sizeof(*expect));
	unsigned version[SPAN + 4] = {0};
	srand(7);
	for (unsigned i = 0; i < N; i++) {
		unsigned page = (unsigned)rand() % SPAN, pages = 1 + (unsigned)rand() % 4;
		uint8_t *data = malloc(pages * P);
		iov[i] = (struct iovec){data, pages * P};
		r[i] = (struct pagefile_request){
		    .offset = page * P, .bytes = pages * P, .iov = &iov[i], .iovcnt = 1};
		int kind = rand() % 8;
		r[i].op = kind < 4 ? PAGEFILE_READ : kind < 7 ? PAGEFILE_WRITE : PAGEFILE_DISCARD;
		if (r[i].op == PAGEFILE_WRITE)
			fill(data, page, pages, i + 1);
		for (unsigned k = 0; k < pages; k++) {
			if (r[i].op == PAGEFILE_WRITE)
				version[page + k] = i + 1;
			if (r[i].op == PAGEFILE_DISCARD)
				version[page + k] = 0;
			expect[i][k] = version[page + k];
		}
		ck_assert_int_eq(pagefile_submit(pf, &r[i]), 0);
		if (i % 16 == 0)
			pagefile_kick(pf);
	}
	pagefile_kick(pf);
	struct pollfd poller = {.fd = pagefile_event_fd(pf), .events = POLLIN};
	unsigned seen = 0;
	while (seen < N) {
		ck_assert_int_eq(poll(&poller, 1, 5000), 1);
		for (struct pagefile_request *d; (d = pagefile_reap(pf)); seen++)
			ck_assert_int_eq(d->result, 0);
	}
	static const uint8_t zeroes[P];
	for (unsigned i = 0; i < N; i++) {
		for (unsigned k = 0; r[i].op == PAGEFILE_READ && k < r[i].bytes / P; k++) {
			uint8_t *data = (uint8_t *)iov[i].iov_base + k * P;
			if (expect[i][k])
				assert_filled(data, r[i].offset / P + k, 1, expect[i][k]);
			else
				ck_assert(memcmp(data, zeroes, P) == 0);
		}
		free(iov[i].iov_base);
	}
	if (modes[_i] != PAGEFILE_SYNC)
		ck_assert_uint_gt(stats_of(pf).ordered, 0);
	free(expect);
	free(iov);
	free(r);
	pagefile_close(pf);
}
END_TEST

START_TEST(neighbours_are_merged)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, 0);
	static uint8_t data[PAGES * P];
	struct pagefile_request r[PAGES];
	struct iovec iov[PAGES];
	for (unsigned pass = 0; pass < 2; pass++) {
		if (pass == 0)
			fill(data, 0, PAGES, 1);
		else
			memset(data, 0, sizeof(data));
		for (unsigned i = 0; i < PAGES; i++) {
			iov[i] = (struct iovec){data + i * P, P};
			r[i] =
			    (struct pagefile_request){.op = pass ? PAGEFILE_READ : PAGEFILE_WRITE,
						      .offset = i * P,
						      .bytes = P,
						      .iov = &iov[i],
						      .iovcnt = 1};
			ck_assert_int_eq(pagefile_submit(pf, &r[i]), 0);
		}
		pagefile_kick(pf);
		pagefile_drain(pf);
		unsigned n = 0;
		while (pagefile_reap(pf))
			n++;
		ck_assert_uint_eq(n, PAGES);
		for (unsigned i = 0; i < PAGES; i++)
			ck_assert_int_eq(r[i].result, 0);
	}
	for (unsigned i = 0; i < PAGES; i += LARGEST)
		assert_filled(data + i * P, i, LARGEST, 1);
	uint64_t merges = stats_of(pf).merges;
	/* 0 only where io_uring is not to be had. */
	ck_assert(merges == 0 || merges == 2 * (PAGES - 1));
	pagefile_close(pf);
}
END_TEST

START_TEST(merged_failure_is_only_its_own)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	ck_assert_int_eq(write_pages(pf, 0, 8, 1), 0);
	scribble(3 * P + 17);
	static uint8_t data[8 * P];
	struct pagefile_request r[8];
	struct iovec iov[8];
	for (unsigned i = 0; i < 8; i++) {
		iov[i] = (struct iovec){data + i * P, P};
		r[i] = (struct pagefile_request){
		    .op = PAGEFILE_READ, .offset = i * P, .bytes = P, .iov = &iov[i], .iovcnt = 1};
		ck_assert_int_eq(pagefile_submit(pf, &r[i]), 0);
	}
	pagefile_kick(pf);
	pagefile_drain(pf);
	while (pagefile_reap(pf))
		;
	for (unsigned i = 0; i < 8; i++)
		ck_assert_int_eq(r[i].result, i == 3 ? -EIO : 0);
	pagefile_close(pf);
}
END_TEST

START_TEST(changed_page_is_an_error)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	ck_assert_int_eq(write_pages(pf, 0, 8, 1), 0);
	scribble(2 * P + 4095);
	ck_assert_int_eq(read_result(pf, 2, 1), -EIO);
	ck_assert_int_eq(read_result(pf, 0, 8), -EIO);
	read_expecting(pf, 0, 2, 1);
	read_expecting(pf, 3, 5, 1);
	ck_assert_uint_eq(stats_of(pf).checksum_failures, 2);
	ck_assert_int_eq(write_pages(pf, 2, 1, 2), 0); /* writing mends it */
	read_expecting(pf, 2, 1, 2);
	pagefile_close(pf);
}
END_TEST

START_TEST(swapped_pages_are_an_error)
{
	/* Right bytes in the wrong place: the checksum belongs to the place. */
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	ck_assert_int_eq(write_pages(pf, 0, 2, 1), 0);
	static uint8_t page[P];
	int fd = open(path, O_RDWR);
	ck_assert_int_eq(pread(fd, page, P, 0), P);
	ck_assert_int_eq(pwrite(fd, page, P, P), P);
	close(fd);
	read_expecting(pf, 0, 1, 1);
	ck_assert_int_eq(read_result(pf, 1, 1), -EIO);
	pagefile_close(pf);
}
END_TEST

START_TEST(shortened_file_is_an_error)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	ck_assert_int_eq(write_pages(pf, 0, 8, 1), 0);
	ck_assert_int_eq(truncate(path, 4 * P), 0);
	read_expecting(pf, 0, 4, 1);
	ck_assert_int_eq(read_result(pf, 2, 4), -EIO);
	ck_assert_int_eq(read_result(pf, 6, 1), -EIO);
	pagefile_close(pf);
}
END_TEST

START_TEST(discard_gives_space_back)
{
	struct pagefile *pf = open_pf(PAGES * P, 0, modes[_i]);
	for (unsigned i = 0; i < PAGES; i += 16)
		ck_assert_int_eq(write_pages(pf, i, 16, 1), 0);
	struct stat before, after;
	ck_assert_int_eq(stat(path, &before), 0);
	struct pagefile_request r = {.op = PAGEFILE_DISCARD, .offset = 8 * P, .bytes = 40 * P};
	ck_assert_int_eq(pagefile_do(pf, &r), 0);
	ck_assert_int_eq(stat(path, &after), 0);
	ck_assert_int_eq(after.st_size, before.st_size);
	ck_assert_int_le(after.st_blocks, before.st_blocks - 40 * (long)P / 512);
	read_expecting(pf, 0, 8, 1);
	read_expecting_zeroes(pf, 8, 16);
	read_expecting_zeroes(pf, 32, 16);
	read_expecting(pf, 48, 16, 1);
	r = (struct pagefile_request){.op = PAGEFILE_WRITE_ZEROES, .offset = 0, .bytes = 2 * P};
	ck_assert_int_eq(pagefile_do(pf, &r), 0);
	read_expecting_zeroes(pf, 0, 2);
	r = (struct pagefile_request){.op = PAGEFILE_FLUSH};
	ck_assert_int_eq(pagefile_do(pf, &r), 0);
	struct pagefile_stats s = stats_of(pf);
	ck_assert_uint_eq(s.discarded, 42);
	ck_assert_uint_eq(s.stored_pages, PAGES - 42);
	ck_assert_uint_eq(s.flushes, 1);
	pagefile_close(pf);
}
END_TEST

START_TEST(grows_to_its_maximum)
{
	struct pagefile *pf = open_pf(16 * P, 40 * P, modes[_i]);
	uint64_t now;
	ck_assert_int_eq(write_pages(pf, 0, 16, 1), 0);
	ck_assert_int_eq(pagefile_grow(pf, 20 * P - 1, &now), 0);
	ck_assert_uint_eq(now, 20 * P);
	ck_assert_int_eq(write_pages(pf, 19, 1, 1), 0);
	read_expecting_zeroes(pf, 16, 3);
	ck_assert_int_eq(pagefile_grow(pf, 10 * P, &now), 0); /* never shrinks */
	ck_assert_uint_eq(now, 20 * P);
	ck_assert_int_eq(pagefile_grow(pf, UINT64_MAX, &now), 0);
	ck_assert_uint_eq(now, 40 * P);
	ck_assert_uint_eq(pagefile_size(pf), 40 * P);
	ck_assert_int_eq(write_pages(pf, 39, 1, 1), 0);
	read_expecting(pf, 39, 1, 1);
	read_expecting(pf, 0, 16, 1);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 40 * P);
	ck_assert_uint_eq(stats_of(pf).grown, 2);
	pagefile_close(pf);
}
END_TEST

START_TEST(file_is_sparse_and_reused)
{
	struct pagefile *pf = open_pf(1 << 30, 0, 0);
	ck_assert_int_eq(write_pages(pf, 1000, 4, 1), 0);
	struct stat st;
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 1 << 30);
	ck_assert_int_lt(st.st_blocks * 512, 1 << 20);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	pagefile_close(pf);
	pf = open_pf(PAGES * P, 0, 0);
	read_expecting_zeroes(pf, 0, 16);
	pagefile_close(pf);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, PAGES * P);
}
END_TEST

START_TEST(paths_refused)
{
	ck_assert_int_eq(mkdir(path, 0700), 0);
	ck_assert_int_eq(open_fails(1 << 20, 0, "folder"), -ENOTSUP);
	rmdir(path);
	ck_assert_int_eq(mkfifo(path, 0600), 0);
	ck_assert_int_eq(open_fails(1 << 20, 0, "special file"), -ENOTSUP);
	unlink(path);
	ck_assert_int_eq(symlink(path, path), 0);
	ck_assert_int_eq(open_fails(1 << 20, 0, "loop"), -ELOOP);
	unlink(path);
	snprintf(path, sizeof(path), "%s/no/pf", folder);
	ck_assert_int_eq(open_fails(1 << 20, 0, "does not exist"), -ENOENT);
	snprintf(path, sizeof(path), "%s/pf", folder);
	struct pagefile *pf = open_pf(PAGES * P, 0, 0);
	ck_assert_int_eq(open_fails(PAGES * P, 0, "in use"), -EBUSY);
	pagefile_close(pf);
	pagefile_close(open_pf(PAGES * P, 0, 0)); /* the lock went with the first */
}
END_TEST

START_TEST(sizes_refused)
{
	ck_assert_int_eq(open_fails(0, 0, "size is 0"), -EINVAL);
	ck_assert_int_eq(open_fails(2 << 20, 1 << 20, "below the minimum"), -EINVAL);
	ck_assert_int_eq(open_fails(1ull << 60, 0, "over the limit"), -EINVAL);
	ck_assert_int_eq(open_fails(1 << 20, UINT64_MAX, "over the limit"), -EINVAL);
	ck_assert_int_eq(open_fails(PAGEFILE_MAX_BYTES, 0, "left"), -ENOSPC);
	ck_assert_int_ne(access(path, F_OK), 0); /* a file made in vain does not stay */
	struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = RLIM_INFINITY};
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
	ck_assert_int_eq(open_fails(2 << 20, 0, "ulimit -f"), -EFBIG);
}
END_TEST

START_TEST(temporary_has_no_name)
{
	struct pagefile *pf = NULL;
	struct pagefile_config config = {.path = folder,
					 .min_bytes = PAGES * P,
					 .max_bytes = 2 * PAGES * P,
					 .flags = PAGEFILE_TEMPORARY | modes[_i]};
	ck_assert_int_eq(pagefile_open(&config, &pf, why), 0);
	ck_assert_int_eq(rmdir(folder), 0); /* empty while in use */
	ck_assert_int_eq(mkdir(folder, 0700), 0);
	ck_assert_int_eq(write_pages(pf, 3, 4, 1), 0);
	read_expecting(pf, 3, 4, 1);
	pagefile_close(pf);
	config.path = "/proc";
	ck_assert_int_lt(pagefile_open(&config, &pf, why), 0);
	ck_assert_ptr_nonnull(strstr(why, "temporary"));
}
END_TEST

/* A full disk: a tmpfs of 256 KB, where this user may mount one. */
START_TEST(full_disk)
{
	if (mount("ntmm-check", folder, "tmpfs", 0, "size=256k") < 0)
		return;
	snprintf(path, sizeof(path), "%s/pf", folder);
	ck_assert_int_eq(open_fails(1 << 20, 0, "left"), -ENOSPC);
	struct pagefile *pf = open_pf(32 * P, 1 << 30, modes[_i]);
	uint64_t now;
	ck_assert_int_eq(pagefile_grow(pf, 1 << 30, &now), -ENOSPC);
	ck_assert_uint_eq(now, 32 * P);
	ck_assert_int_eq(pagefile_grow(pf, 64 * P, &now), 0);
	char other[300];
	snprintf(other, sizeof(other), "%s/other", folder);
	int fd = open(other, O_CREAT | O_RDWR, 0600);
	ck_assert_int_eq(posix_fallocate(fd, 0, 48 * P), 0);
	ck_assert_int_eq(write_pages(pf, 0, 8, 1), 0);
	ck_assert_int_eq(write_pages(pf, 8, 16, 1), -ENOSPC);
	read_expecting(pf, 0, 8, 1);
	ck_assert_int_eq(ftruncate(fd, 0), 0);
	ck_assert_int_eq(write_pages(pf, 8, 16, 2), 0);
	read_expecting(pf, 8, 16, 2);
	close(fd);
	pagefile_close(pf);
	unlink(other);
	unlink(path);
	ck_assert_int_eq(umount(folder), 0);
}
END_TEST

START_TEST(injected_errors)
{
	struct pagefile *pf = open_pf(PAGES * P, 2 * PAGES * P, modes[_i]);
	ck_assert_int_eq(write_pages(pf, 0, 16, 1), 0);
	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_READ_ERROR, 3), 0);
	ck_assert_int_eq(read_result(pf, 0, 2), -EIO);
	ck_assert_int_eq(read_result(pf, 0, 2), -EIO); /* the third page */
	read_expecting(pf, 0, 2, 1);

	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_WRITE_ERROR, 1), 0);
	ck_assert_int_eq(write_pages(pf, 0, 2, 2), -EIO);
	read_expecting(pf, 0, 2, 1); /* what was there stays */
	ck_assert_int_eq(write_pages(pf, 0, 2, 3), 0);
	read_expecting(pf, 0, 2, 3);

	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_ENOSPC, 2), 0);
	ck_assert_int_eq(write_pages(pf, 0, 1, 4), -ENOSPC);
	uint64_t now;
	ck_assert_int_eq(pagefile_grow(pf, 2 * PAGES * P, &now), -ENOSPC);
	ck_assert_uint_eq(now, PAGES * P);
	ck_assert_int_eq(pagefile_grow(pf, 2 * PAGES * P, &now), 0);

	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_CORRUPT, 1), 0);
	read_expecting_zeroes(pf, 40, 1);	       /* nothing stored there: stays armed */
	ck_assert_int_eq(read_result(pf, 4, 4), -EIO); /* page 4 is hit */
	ck_assert_int_eq(read_result(pf, 4, 1), -EIO); /* for good */
	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_CORRUPT, 1), 0);
	ck_assert_int_eq(read_result(pf, 4, 1), -EIO); /* a second hit does not undo the first */
	read_expecting(pf, 5, 3, 1);

	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_READ_ERROR, 100), 0);
	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_WRITE_ERROR, 100), 0);
	ck_assert_int_eq(pagefile_inject(pf, NTMM_INJECT_NONE, 0), 0);
	read_expecting(pf, 5, 3, 1);
	ck_assert_int_eq(pagefile_inject(pf, (enum ntmm_inject)99, 1), -EINVAL);
	struct pagefile_stats s = stats_of(pf);
	ck_assert_uint_eq(s.injected, 8);
	ck_assert_uint_eq(s.checksum_failures, 3);
	pagefile_close(pf);
}
END_TEST

/* More requests than the ring has places, handed back through the event descriptor alone. */
START_TEST(more_than_fits_in_flight)
{
	enum { N = 1000 };
	struct pagefile *pf = open_pf(2 * N * P, 0, modes[_i]);
	struct pagefile_request *r = calloc(N, sizeof(*r));
	struct iovec *iov = calloc(N, sizeof(*iov));
	uint8_t *data = malloc((size_t)N * P);
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < N; i++) {
			iov[i] = (struct iovec){data + (size_t)i * P, P};
			/* Every other page: nothing to merge. */
			r[i] =
			    (struct pagefile_request){.op = pass ? PAGEFILE_READ : PAGEFILE_WRITE,
						      .offset = 2ull * i * P,
						      .bytes = P,
						      .iov = &iov[i],
						      .iovcnt = 1};
			if (pass == 0)
				fill(iov[i].iov_base, 2 * i, 1, 1);
			else
				memset(iov[i].iov_base, 0, P);
			ck_assert_int_eq(pagefile_submit(pf, &r[i]), 0);
		}
		pagefile_kick(pf);
		struct pollfd poller = {.fd = pagefile_event_fd(pf), .events = POLLIN};
		for (unsigned seen = 0; seen < N;) {
			ck_assert_int_eq(poll(&poller, 1, 5000), 1);
			for (struct pagefile_request *d; (d = pagefile_reap(pf)); seen++)
				ck_assert_int_eq(d->result, 0);
		}
		ck_assert_int_eq(poll(&poller, 1, 0), 0); /* emptied */
	}
	for (unsigned i = 0; i < N; i++)
		assert_filled(data + (size_t)i * P, 2 * i, 1, 1);
	free(data);
	free(iov);
	free(r);
	pagefile_close(pf);
}
END_TEST

Suite *pagefile_suite(void);
Suite *pagefile_suite(void)
{
	const struct {
		const TTest *test;
		bool both;
	} tests[] = {
	    {written_is_read, true},
	    {not_stored_is_zero, true},
	    {any_split_of_iovecs, true},
	    {malformed_requests, true},
	    {order_is_kept, true},
	    {neighbours_are_merged, false},
	    {merged_failure_is_only_its_own, true},
	    {changed_page_is_an_error, true},
	    {swapped_pages_are_an_error, true},
	    {shortened_file_is_an_error, true},
	    {discard_gives_space_back, true},
	    {grows_to_its_maximum, true},
	    {file_is_sparse_and_reused, false},
	    {paths_refused, false},
	    {sizes_refused, false},
	    {temporary_has_no_name, true},
	    {full_disk, true},
	    {injected_errors, true},
	    {more_than_fits_in_flight, true},
	};
	Suite *suite = suite_create("pagefile");
	TCase *tc = tcase_create("pagefile");
	tcase_add_checked_fixture(tc, make_folder, remove_folder);
	tcase_set_timeout(tc, 30);
	for (unsigned i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		tcase_add_loop_test(tc, tests[i].test, 0, tests[i].both ? 2 : 1);
	suite_add_tcase(suite, tc);
	return suite;
}
