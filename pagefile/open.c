/*
 * Making, locking and sizing the file.
 *
 * A pagefile is an ordinary sparse file. A named one is locked with an open-file-description lock,
 * so that two virtual machines never share one; it stays afterwards. A temporary one has no name
 * from the start, so nothing is left of it however the process ends.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "pagefile/internal.h"

#define MB(bytes) ((unsigned long long)(bytes) >> 20)

__attribute__((format(printf, 3, 4))) static int fail(char *why, int error, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(why, PAGEFILE_WHY, format, args);
	va_end(args);
	return error;
}

static uint64_t round_up(uint64_t bytes)
{
	return (bytes + PAGEFILE_PAGE - 1) / PAGEFILE_PAGE * PAGEFILE_PAGE;
}

static int check_sizes(uint64_t min, uint64_t max, char *why)
{
	if (min == 0)
		return fail(why, -EINVAL, "the size is 0; give at least 1M");
	if (min > PAGEFILE_MAX_BYTES || max > PAGEFILE_MAX_BYTES)
		return fail(why, -EINVAL, "the size is over the limit of %llu MB",
			    MB(PAGEFILE_MAX_BYTES));
	if (max < min)
		return fail(why, -EINVAL, "the maximum (%llu MB) is below the minimum (%llu MB)",
			    MB(max), MB(min));
	return 0;
}

static int open_temporary(const char *folder, char *why)
{
	int fd = open(folder, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	if (fd >= 0)
		return fd;
	/* Not every file system has O_TMPFILE (9p, NFS). */
	char path[4096];
	if (snprintf(path, sizeof(path), "%s/ntmm-pagefile-XXXXXX", folder) >= (int)sizeof(path))
		return fail(why, -ENAMETOOLONG, "the path is too long");
	fd = mkostemp(path, O_CLOEXEC);
	if (fd < 0) {
		int error = -errno;
		return fail(why, error, "cannot make a temporary file there: %s", strerror(errno));
	}
	unlink(path);
	return fd;
}

static int open_named(const char *path, bool *made, char *why)
{
	struct stat st;
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return fail(why, -ENOTSUP, "is a %s, not a regular file; name another",
			    S_ISDIR(st.st_mode) ? "folder" : "special file");
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOCTTY, 0600);
	*made = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd >= 0)
		return fd;
	int error = -errno;
	switch (errno) {
	case ELOOP:
		return fail(why, error, "is a loop of symbolic links; name the file itself");
	case ENOENT:
		return fail(why, error, "its folder does not exist; make it first");
	case ENOTDIR:
		return fail(why, error, "a part of the path is not a folder");
	case EROFS:
		return fail(why, error, "lies on a read-only file system; name another place");
	case ENOSPC:
		return fail(why, error, "cannot be made: the disk is full");
	default:
		return fail(why, error, "cannot be opened for writing: %s", strerror(errno));
	}
}

static int lock_file(int fd, char *why)
{
	struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
	if (fcntl(fd, F_OFD_SETLK, &lock) == 0)
		return 0;
	if (errno == EAGAIN || errno == EACCES)
		return fail(why, -EBUSY, "is in use by another ntmm (or named twice)");
	return 0; /* a file system without locks: go on without */
}

/* Disk space that the file could still get. */
static uint64_t space_left(int fd)
{
	struct statvfs vfs;
	if (fstatvfs(fd, &vfs) < 0)
		return UINT64_MAX;
	return (uint64_t)vfs.f_bavail * vfs.f_frsize;
}

static int set_size(int fd, uint64_t min, char *why)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur < min)
		return fail(why, -EFBIG,
			    "needs %llu MB, but the file size limit (ulimit -f) is %llu MB",
			    MB(min), MB(limit.rlim_cur));
	struct stat st;
	if (fstat(fd, &st) < 0)
		return fail(why, -errno, "%s", strerror(errno));
	if (!S_ISREG(st.st_mode))
		return fail(why, -ENOTSUP, "is not a regular file; name another");
	uint64_t has = (uint64_t)st.st_blocks * 512, left = space_left(fd);
	if (has < min && left < min - has)
		return fail(why, -ENOSPC, "needs %llu MB, but the disk has %llu MB left",
			    MB(min - has), MB(left));
	if (ftruncate(fd, (off_t)min) < 0) {
		int error = -errno;
		return fail(why, error, "cannot be made %llu MB long: %s", MB(min),
			    strerror(errno));
	}
	return 0;
}

static int open_file(const struct pagefile_config *config, uint64_t min, int *out, char *why)
{
	bool temporary = config->flags & PAGEFILE_TEMPORARY, made = false;
	int fd =
	    temporary ? open_temporary(config->path, why) : open_named(config->path, &made, why);
	if (fd < 0)
		return fd;
	int error = temporary ? 0 : lock_file(fd, why);
	if (error == 0)
		error = set_size(fd, min, why);
	if (error < 0) {
		if (made)
			unlink(config->path);
		close(fd);
		return error;
	}
	*out = fd;
	return 0;
}

int pagefile_open(const struct pagefile_config *config, struct pagefile **out, char *why)
{
	uint64_t min = config->min_bytes, max = config->max_bytes ? config->max_bytes : min;
	int error = check_sizes(min, max, why);
	if (error < 0)
		return error;
	min = round_up(min);
	max = round_up(max);

	struct pagefile *pf = calloc(1, sizeof(*pf));
	if (!pf)
		return fail(why, -ENOMEM, "no memory");
	pthread_mutex_init(&pf->mutex, NULL);
	pf->max = max;
	pf->eventfd = -1;
	error = open_file(config, min, &pf->fd, why);
	if (error < 0)
		goto free_pf;
	atomic_store(&pf->size, min);
	error = pages_init(pf);
	if (error < 0) {
		fail(why, error, "no address space for the checksums of %llu MB", MB(max));
		goto close_fd;
	}
	error = queue_init(pf, config->flags & PAGEFILE_SYNC);
	if (error < 0) {
		fail(why, error, "no event descriptor or memory: %s", strerror(-error));
		goto free_pages;
	}
	*out = pf;
	return 0;

free_pages:
	pages_free(pf);
close_fd:
	close(pf->fd);
free_pf:
	pthread_mutex_destroy(&pf->mutex);
	free(pf);
	return error;
}

void pagefile_close(struct pagefile *pf)
{
	if (!pf)
		return;
	queue_free(pf);
	pages_free(pf);
	close(pf->fd);
	pthread_mutex_destroy(&pf->mutex);
	free(pf);
}

int pagefile_grow(struct pagefile *pf, uint64_t bytes, uint64_t *now)
{
	int error = 0;
	pthread_mutex_lock(&pf->mutex);
	uint64_t size = atomic_load(&pf->size);
	uint64_t want = bytes < pf->max ? round_up(bytes) : pf->max;
	if (want > size) {
		if (pages_take_fault(pf, NTMM_INJECT_ENOSPC, 1) || space_left(pf->fd) < want - size)
			error = -ENOSPC;
		else if (ftruncate(pf->fd, (off_t)want) < 0)
			error = -errno;
		if (error == 0) {
			atomic_store(&pf->size, want);
			size = want;
			pf->stats.grown++;
		}
	}
	pthread_mutex_unlock(&pf->mutex);
	if (now)
		*now = size;
	return error;
}

uint64_t pagefile_size(const struct pagefile *pf)
{
	return atomic_load(&pf->size);
}

uint64_t pagefile_max(const struct pagefile *pf)
{
	return pf->max;
}

int pagefile_inject(struct pagefile *pf, enum ntmm_inject kind, uint64_t count)
{
	if ((unsigned)kind > NTMM_INJECT_ENOSPC)
		return -EINVAL;
	pthread_mutex_lock(&pf->mutex);
	if (kind == NTMM_INJECT_NONE)
		memset(pf->inject, 0, sizeof(pf->inject));
	else
		pf->inject[kind] = count;
	pthread_mutex_unlock(&pf->mutex);
	return 0;
}

void pagefile_get_stats(struct pagefile *pf, struct pagefile_stats *stats)
{
	pthread_mutex_lock(&pf->mutex);
	*stats = pf->stats;
	pthread_mutex_unlock(&pf->mutex);
	stats->size_bytes = pagefile_size(pf);
	stats->max_bytes = pf->max;
}
