/*
 * The 9P server against a folder of its own: what a client does, what a share must not allow, and
 * random messages. Beside the share lies a secret that nothing may reach.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/p9.h"

Suite *vmm_p9_suite(void);

#define OPEN	 12
#define CREATE	 14
#define GETATTR	 24
#define SETATTR	 26
#define READDIR	 40
#define FSYNC	 50
#define SYMLINK	 16
#define LINK	 70
#define MKDIR	 72
#define RENAMEAT 74
#define UNLINKAT 76
#define VERSION	 100
#define ATTACH	 104
#define WALK	 110
#define READ	 116
#define WRITE	 118
#define CLUNK	 120
#define REMOVE	 122

static char top[64], root[80];
static int rootfd;
static struct p9 *p9;

/* A message being written, or a reply being read. */
static uint8_t req[70000], rep[70000];
static size_t req_len, rep_at;

static void u(uint64_t v, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++)
		req[req_len++] = (uint8_t)(v >> 8 * i);
}

static void str(const char *s)
{
	u(strlen(s), 2);
	memcpy(req + req_len, s, strlen(s));
	req_len += strlen(s);
}

static uint64_t g(unsigned bytes)
{
	uint64_t v = 0;

	for (unsigned i = 0; i < bytes; i++)
		v |= (uint64_t)rep[rep_at++] << 8 * i;
	return v;
}

static void begin(uint8_t type)
{
	req_len = 4;
	u(type, 1);
	u(7, 2);
}

/* Sends it, in pieces of odd sizes; the reply's type, or -errno of an Rlerror. */
static int call_room(size_t room)
{
	struct iovec out[3] = {{req, 3}, {req + 3, 10}, {req + 13, 0}},
		     in[2] = {{rep, 5}, {rep + 5, 0}};
	size_t len = req_len;
	int r;

	req_len = 0;
	u(len, 4);
	if (len < 13)
		out[1].iov_len = len - 3;
	else
		out[2].iov_len = len - 13;
	in[1].iov_len = room - 5;
	memset(rep, 0xee, sizeof(rep));
	r = p9_request(p9, out, 3, in, 2);
	if (r < 0)
		return r;
	rep_at = 0;
	ck_assert_uint_eq(g(4), (uint64_t)r);
	r = (int)g(1);
	ck_assert_uint_eq(g(2), 7);
	return r == 7 ? -(int)g(4) : r;
}

static int call(void)
{
	return call_room(sizeof(rep));
}

static void make_file(const char *dir, const char *name, const char *text)
{
	char path[200];
	int fd;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void make_link(const char *target, const char *name)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", root, name);
	ck_assert_int_eq(symlink(target, path), 0);
}

static void serve(bool writable, const char *prefix)
{
	struct p9_share s = {.writable = writable, .ndirs = 1, .dir[0] = {prefix, rootfd}};

	p9_destroy(p9);
	p9 = p9_create(&s);
	begin(VERSION);
	u(65536, 4);
	str("9P2000.L");
	ck_assert_int_eq(call(), VERSION + 1);
	ck_assert_uint_eq(g(4), 65536);
	begin(ATTACH);
	u(0, 4);
	u(UINT32_MAX, 4);
	str("");
	str("");
	u(0, 4);
	ck_assert_int_eq(call(), ATTACH + 1);
}

static void setup(void)
{
	char path[200];

	strcpy(top, "/tmp/ntmm-p9-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(top));
	make_file(top, "secret", "secret");
	snprintf(root, sizeof(root), "%s/share", top);
	mkdir(root, 0755);
	make_file(root, "hello.txt", "hello world");
	snprintf(path, sizeof(path), "%s/sub", root);
	mkdir(path, 0755);
	make_file(path, "inner", "inner text");
	make_link("../secret", "out1");
	snprintf(path, sizeof(path), "%s/secret", top);
	make_link(path, "out2");
	make_link("/proc/self/root", "out3");
	make_link("sub/inner", "in");
	make_link("..", "up");
	snprintf(path, sizeof(path), "%s/fifo", root);
	mkfifo(path, 0644);
	rootfd = open(root, O_PATH | O_DIRECTORY);
	serve(true, "");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *f)
{
	(void)st;
	(void)kind;
	(void)f;
	return remove(path);
}

static void teardown(void)
{
	char path[200], text[16] = {0};
	int fd;

	/* Whatever a test did: the secret is as it was. */
	snprintf(path, sizeof(path), "%s/secret", top);
	fd = open(path, O_RDONLY);
	ck_assert_int_eq(read(fd, text, sizeof(text)), 6);
	ck_assert_str_eq(text, "secret");
	close(fd);
	p9_destroy(p9);
	p9 = NULL;
	close(rootfd);
	nftw(top, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Walks from fid 0 by a path with slashes. */
static int walk(uint32_t fid, const char *path)
{
	char copy[256], *name, *save = NULL;
	unsigned n = 0;
	size_t count_at;
	int r;

	strcpy(copy, path);
	begin(WALK);
	u(0, 4);
	u(fid, 4);
	count_at = req_len;
	u(0, 2);
	for (name = strtok_r(copy, "/", &save); name; name = strtok_r(NULL, "/", &save), n++)
		str(name);
	req[count_at] = (uint8_t)n;
	r = call();
	if (r == WALK + 1 && g(2) < n)
		return -ENOENT;
	return r;
}

static int fid_call(uint8_t type, uint32_t fid, uint32_t arg)
{
	begin(type);
	u(fid, 4);
	if (type == OPEN || type == FSYNC)
		u(arg, 4);
	return call();
}

static int read_fid(uint32_t fid, uint64_t offset, uint32_t count)
{
	begin(READ);
	u(fid, 4);
	u(offset, 8);
	u(count, 4);
	return call();
}

static int write_fid(uint32_t fid, uint64_t offset, const char *text)
{
	begin(WRITE);
	u(fid, 4);
	u(offset, 8);
	u(strlen(text), 4);
	memcpy(req + req_len, text, strlen(text));
	req_len += strlen(text);
	return call();
}

START_TEST(a_file_is_read)
{
	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
	ck_assert_int_eq(read_fid(1, 0, 100), -EBADF); /* not open */
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), OPEN + 1);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), -EBADF); /* twice */
	ck_assert_int_eq(read_fid(1, 6, 100), READ + 1);
	ck_assert_uint_eq(g(4), 5);
	ck_assert_int_eq(memcmp(rep + rep_at, "world", 5), 0);
	ck_assert_uint_eq(rep[rep_at + 5], 0xee); /* and not a byte more */
	ck_assert_int_eq(read_fid(1, 100, 100), READ + 1);
	ck_assert_uint_eq(g(4), 0);
	ck_assert_int_eq(read_fid(1, UINT64_MAX, 100), -EINVAL);
	ck_assert_int_eq(write_fid(1, 0, "x"), -EBADF); /* opened for reading */
	begin(GETATTR);
	u(1, 4);
	u(0x7ff, 8);
	ck_assert_int_eq(call(), GETATTR + 1);
	rep_at += 8 + 13 + 4 + 8 + 8 + 8;
	ck_assert_uint_eq(g(8), 11);
	ck_assert_int_eq(fid_call(CLUNK, 1, 0), CLUNK + 1);
	ck_assert_int_eq(fid_call(CLUNK, 1, 0), -EBADF);
}
END_TEST

START_TEST(a_read_fits_its_room)
{
	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), OPEN + 1);
	begin(READ);
	u(1, 4);
	u(0, 8);
	u(11, 4);
	ck_assert_int_eq(call_room(11 + 4), READ + 1);
	ck_assert_uint_eq(g(4), 4);
	ck_assert_uint_eq(rep[15], 0xee);
	begin(READ);
	u(1, 4);
	u(0, 8);
	u(11, 4);
	ck_assert_int_eq(call_room(10), -EPROTO); /* no room for an error */
}
END_TEST

START_TEST(files_are_made_changed_moved_removed)
{
	struct stat st;
	char path[200];

	ck_assert_int_eq(walk(1, ""), WALK + 1);
	begin(CREATE);
	u(1, 4);
	str("new.txt");
	u(O_RDWR | O_EXCL, 4);
	u(0600, 4);
	u(0, 4);
	ck_assert_int_eq(call(), CREATE + 1);
	ck_assert_int_eq(write_fid(1, 5, "12345"), WRITE + 1);
	ck_assert_uint_eq(g(4), 5);
	ck_assert_int_eq(fid_call(FSYNC, 1, 0), FSYNC + 1);
	begin(SETATTR);
	u(1, 4);
	u(8, 4); /* size */
	u(0, 4);
	u(0, 8);
	u(7, 8);
	for (unsigned i = 0; i < 4; i++)
		u(0, 8);
	ck_assert_int_eq(call(), SETATTR + 1);
	snprintf(path, sizeof(path), "%s/new.txt", root);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 7);
	ck_assert_int_eq(walk(2, "sub"), WALK + 1);
	begin(RENAMEAT);
	u(0, 4);
	str("new.txt");
	u(2, 4);
	str("moved");
	ck_assert_int_eq(call(), RENAMEAT + 1);
	ck_assert_int_ne(stat(path, &st), 0);
	/* The fid went along. */
	ck_assert_int_eq(read_fid(1, 5, 10), READ + 1);
	ck_assert_uint_eq(g(4), 2);
	ck_assert_int_eq(fid_call(REMOVE, 1, 0), REMOVE + 1);
	ck_assert_int_eq(walk(3, "sub/moved"), -ENOENT);
	begin(MKDIR);
	u(0, 4);
	str("dir");
	u(0755, 4);
	u(0, 4);
	ck_assert_int_eq(call(), MKDIR + 1);
	begin(UNLINKAT);
	u(0, 4);
	str("dir");
	u(0, 4);
	ck_assert_int_eq(call(), -EISDIR);
	begin(UNLINKAT);
	u(0, 4);
	str("dir");
	u(AT_REMOVEDIR, 4);
	ck_assert_int_eq(call(), UNLINKAT + 1);
	begin(UNLINKAT);
	u(0, 4);
	str("hello.txt");
	u(AT_SYMLINK_FOLLOW, 4);
	ck_assert_int_eq(call(), -EINVAL);
}
END_TEST

/* Names of one folder, all readdir calls with little room each. */
static unsigned list(uint32_t fid, char names[][64], unsigned max)
{
	uint64_t offset = 0;
	unsigned n = 0;

	for (;;) {
		uint32_t count;
		size_t end;

		begin(READDIR);
		u(fid, 4);
		u(offset, 8);
		u(90, 4);
		ck_assert_int_eq(call(), READDIR + 1);
		count = (uint32_t)g(4);
		ck_assert_uint_le(count, 90);
		if (count == 0)
			return n;
		for (end = rep_at + count; rep_at < end && n < max; n++) {
			unsigned len;

			rep_at += 13;
			offset = g(8);
			rep_at += 1;
			len = (unsigned)g(2);
			ck_assert_uint_lt(len, 64);
			memcpy(names[n], rep + rep_at, len);
			names[n][len] = 0;
			rep_at += len;
		}
		ck_assert_uint_lt(n, max);
	}
}

START_TEST(a_folder_is_listed)
{
	static const char *const want[] = {".", "..", "hello.txt", "sub", "in"};
	char names[32][64];
	unsigned n, hits = 0;

	ck_assert_int_eq(walk(1, ""), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), OPEN + 1);
	n = list(1, names, 32);
	for (unsigned i = 0; i < n; i++)
		for (unsigned k = 0; k < 5; k++)
			hits += strcmp(names[i], want[k]) == 0;
	/* Pipes and links that lead out are not there; ".." of the root is outside. */
	ck_assert_uint_ge(hits, 4);
	for (unsigned i = 0; i < n; i++) {
		ck_assert_str_ne(names[i], "out1");
		ck_assert_str_ne(names[i], "out2");
		ck_assert_str_ne(names[i], "out3");
		ck_assert_str_ne(names[i], "up");
		ck_assert_str_ne(names[i], "fifo");
	}
}
END_TEST

START_TEST(nothing_leads_out)
{
	static const char *const paths[] = {"out1",
					    "out2",
					    "out3",
					    "up",
					    "fifo",
					    "up/secret",
					    "../secret",
					    "sub/../../secret",
					    "../../etc/passwd",
					    "out3/etc/passwd"};
	static const char *const bad_names[] = {"..", ".", "", "a/b", "../x"};

	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		ck_assert_int_lt(walk(1, paths[i]), 0);
	/* ".." at the root stays there. */
	ck_assert_int_eq(walk(1, "../.."), WALK + 1);
	ck_assert_int_eq(walk(2, "../../sub/../sub/inner"), WALK + 1);
	ck_assert_int_eq(walk(3, "in"), WALK + 1);
	begin(WALK);
	u(0, 4);
	u(9, 4);
	u(1, 2);
	str("sub/inner");
	ck_assert_int_eq(call(), -EINVAL);
	for (size_t i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
		begin(CREATE);
		u(1, 4);
		str(bad_names[i]);
		u(O_RDWR, 4);
		u(0600, 4);
		u(0, 4);
		ck_assert_int_eq(call(), -EINVAL);
		begin(UNLINKAT);
		u(0, 4);
		str(bad_names[i]);
		u(0, 4);
		ck_assert_int_eq(call(), -EINVAL);
		begin(RENAMEAT);
		u(0, 4);
		str("hello.txt");
		u(0, 4);
		str(bad_names[i]);
		ck_assert_int_eq(call(), -EINVAL);
	}
	/* Writing through a link that leads out makes nothing there. */
	begin(CREATE);
	u(1, 4);
	str("out1");
	u(O_RDWR | O_TRUNC, 4);
	u(0600, 4);
	u(0, 4);
	ck_assert_int_lt(call(), 0);
}
END_TEST

static int symlink_call(const char *name, const char *target)
{
	begin(SYMLINK);
	u(0, 4);
	str(name);
	str(target);
	u(0, 4);
	return call();
}

static int link_call(uint32_t fid, const char *name)
{
	begin(LINK);
	u(0, 4);
	u(fid, 4);
	str(name);
	return call();
}

START_TEST(links_stay_inside)
{
	static const char *const out[] = {"../secret", "/etc/passwd", "sub/../../secret", "up/..",
					  "",	       ".."};
	struct stat st;
	char path[200];

	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
	ck_assert_int_eq(link_call(1, "second"), LINK + 1);
	snprintf(path, sizeof(path), "%s/second", root);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_uint_eq(st.st_nlink, 2);
	ck_assert_int_eq(link_call(1, "second"), -EEXIST);
	ck_assert_int_eq(link_call(1, "../second"), -EINVAL);
	ck_assert_int_eq(link_call(77, "third"), -EBADF);
	ck_assert_int_eq(symlink_call("soft", "sub/inner"), SYMLINK + 1);
	ck_assert_int_eq(walk(2, "soft"), WALK + 1);
	for (unsigned i = 0; i < sizeof(out) / sizeof(out[0]); i++)
		ck_assert_int_lt(symlink_call("escape", out[i]), 0);
	ck_assert_int_lt(symlink_call("a/b", "sub"), 0);
	snprintf(path, sizeof(path), "%s/escape", root);
	ck_assert_int_ne(lstat(path, &st), 0);
	serve(false, "");
	ck_assert_int_eq(symlink_call("soft2", "sub"), -EROFS);
	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
	ck_assert_int_eq(link_call(1, "fourth"), -EROFS);
}
END_TEST

START_TEST(a_read_only_share_stays)
{
	serve(false, "");
	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 1, O_WRONLY), -EROFS);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDWR), -EROFS);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY | O_TRUNC), -EROFS);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), OPEN + 1);
	ck_assert_int_eq(write_fid(1, 0, "x"), -EBADF);
	begin(SETATTR);
	u(1, 4);
	u(8, 4);
	for (unsigned i = 0; i < 13; i++)
		u(0, 4);
	ck_assert_int_eq(call(), -EROFS);
	ck_assert_int_eq(walk(2, ""), WALK + 1);
	begin(CREATE);
	u(2, 4);
	str("x");
	u(O_RDONLY, 4);
	u(0600, 4);
	u(0, 4);
	ck_assert_int_eq(call(), -EROFS);
	begin(MKDIR);
	u(2, 4);
	str("x");
	u(0755, 4);
	u(0, 4);
	ck_assert_int_eq(call(), -EROFS);
	begin(UNLINKAT);
	u(2, 4);
	str("hello.txt");
	u(0, 4);
	ck_assert_int_eq(call(), -EROFS);
	begin(RENAMEAT);
	u(2, 4);
	str("hello.txt");
	u(2, 4);
	str("y");
	ck_assert_int_eq(call(), -EROFS);
	ck_assert_int_eq(fid_call(REMOVE, 1, 0), -EROFS);
	ck_assert_int_eq(walk(1, "hello.txt"), WALK + 1);
}
END_TEST

START_TEST(a_prefix_makes_folders)
{
	char names[8][64];

	serve(false, "Windows/System32");
	ck_assert_int_eq(walk(1, "Windows/System32/hello.txt"), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 1, O_RDONLY), OPEN + 1);
	ck_assert_int_eq(walk(2, "hello.txt"), -ENOENT);
	ck_assert_int_eq(walk(2, "Windows/hello.txt"), -ENOENT);
	ck_assert_int_eq(walk(2, "Window"), -ENOENT);
	ck_assert_int_eq(walk(2, "Windows/System32/../../Windows"), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 2, O_RDONLY), OPEN + 1);
	ck_assert_uint_eq(list(2, names, 8), 1);
	ck_assert_str_eq(names[0], "System32");
	ck_assert_int_eq(walk(3, ""), WALK + 1);
	ck_assert_int_eq(fid_call(OPEN, 3, O_RDONLY), OPEN + 1);
	ck_assert_uint_eq(list(3, names, 8), 1);
	ck_assert_str_eq(names[0], "Windows");
	ck_assert_int_eq(read_fid(3, 0, 10), -EBADF);
}
END_TEST

START_TEST(messages_must_be_whole)
{
	struct iovec out = {req, 6}, in = {rep, 100};

	ck_assert_int_eq(p9_request(p9, &out, 1, &in, 1), -EPROTO); /* not even a header */
	memcpy(req, "\xff\xff\xff\xff\x64\x07\x00", 7);		    /* larger than what came */
	out = (struct iovec){req, 7};
	in = (struct iovec){rep, 100};
	ck_assert_int_eq(p9_request(p9, &out, 1, &in, 1), 11);
	ck_assert_uint_eq(rep[4], 7);
	begin(99); /* no such type */
	ck_assert_int_eq(call(), -EOPNOTSUPP);
	begin(255);
	ck_assert_int_eq(call(), -EOPNOTSUPP);
	begin(WALK); /* too short */
	u(0, 4);
	ck_assert_int_eq(call(), -EINVAL);
	begin(WRITE); /* says more than it brings */
	u(0, 4);
	u(0, 8);
	u(50, 4);
	ck_assert_int_eq(call(), -EINVAL);
	begin(WALK); /* too many names */
	u(0, 4);
	u(1, 4);
	u(17, 2);
	ck_assert_int_eq(call(), -EINVAL);
	begin(VERSION); /* too small an msize */
	u(100, 4);
	str("9P2000.L");
	ck_assert_int_eq(call(), -EINVAL);
}
END_TEST

/* Messages that are mostly well-formed, on few fids and names, so that they meet each other. */
static void random_message(void)
{
	static const uint8_t types[] = {OPEN,	  CREATE,   GETATTR, SETATTR, READDIR, FSYNC, MKDIR,
					RENAMEAT, UNLINKAT, VERSION, ATTACH,  WALK,    READ,  WRITE,
					CLUNK,	  REMOVE,   8,	     30,      108};
	static const char *const names[] = {"hello.txt", "sub",	 "inner", "..", "out1", "up", "x",
					    "y",	 "fifo", "in",	  "",	"out3", "a/b"};
	uint8_t type = types[random() % (long)sizeof(types)];

	begin(type);
	for (long n = random() % 12; n > 0; n--)
		switch (random() % 6) {
		case 0:
			str(names[random() % 13]);
			break;
		case 1:
			u((uint64_t)random() << 33 | (uint64_t)random(), 8);
			break;
		case 2:
			u((uint64_t)random() % 3, 2);
			break;
		case 3:
			u((uint64_t)random() % 1024, 4);
			break;
		default:
			u((uint64_t)random() % 4, 4);
		}
	if (type == VERSION && random() % 8)
		type = WALK;
	if (type == WALK && random() % 4) {
		begin(WALK);
		u((uint64_t)random() % 4, 4);
		u((uint64_t)random() % 4, 4);
		u(1, 2);
		str(names[random() % 13]);
	}
	if (type == ATTACH && random() % 2) {
		begin(ATTACH);
		u((uint64_t)random() % 4, 4);
	}
}

START_TEST(random_messages_stay_inside)
{
	unsigned ok = 0;

	srandom((unsigned)_i + 1);
	for (unsigned i = 0; i < 6000; i++) {
		random_message();
		ok += call_room(20 + (size_t)random() % 4000) > 0;
	}
	ck_assert_uint_gt(ok, 200);
}
END_TEST

Suite *vmm_p9_suite(void)
{
	Suite *s = suite_create("vmm_p9");
	TCase *t = tcase_create("9p");

	tcase_set_timeout(t, 30);
	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_file_is_read);
	tcase_add_test(t, a_read_fits_its_room);
	tcase_add_test(t, files_are_made_changed_moved_removed);
	tcase_add_test(t, a_folder_is_listed);
	tcase_add_test(t, nothing_leads_out);
	tcase_add_test(t, links_stay_inside);
	tcase_add_test(t, a_read_only_share_stays);
	tcase_add_test(t, a_prefix_makes_folders);
	tcase_add_test(t, messages_must_be_whole);
	tcase_add_loop_test(t, random_messages_stay_inside, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
