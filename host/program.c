/*
 * What is run, and what with: the program's file, the drives it sees, the kernel and the system's
 * DLLs, and the run block that tells the kernel of them. Whose machine it then is, ours or another
 * VMM's, does not matter here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "host/host.h"

#define PE_HEAD 65536

static int open_exe(struct program *p, const char *name)
{
	static uint8_t head[PE_HEAD];
	const char *wrong;
	char *real, *slash;
	struct stat st;
	ssize_t n;
	int fd;

	fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return complain(STATUS_USAGE, "%s: is not a file", name);
	}
	n = pread(fd, head, sizeof(head), 0);
	close(fd);
	if (n < 0)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	wrong = pe_check(head, (size_t)n, (uint64_t)st.st_size);
	if (wrong)
		return complain(STATUS_USAGE, "%s: %s", name, wrong);
	real = realpath(name, NULL);
	if (!real)
		return complain(STATUS_USAGE, "%s: %s", name, strerror(errno));
	if (!utf8_valid(real)) {
		free(real);
		return complain(STATUS_USAGE, "%s: its path is not UTF-8", name);
	}
	slash = strrchr(real, '/');
	p->exe_name = strdup(slash + 1);
	*slash = 0;
	p->exe_dir = *real ? real : strdup("/");
	if (p->exe_dir != real)
		free(real);
	if (!p->exe_name || !p->exe_dir)
		return complain(STATUS_HOST, "out of memory");
	return 0;
}

static int set_drives(struct program *p, const struct run_options *o)
{
	char letter;
	int e = drives_share(&p->drives, o);

	if (!e)
		e = drives_program(&p->drives, p->exe_dir, &letter);
	if (e)
		return e;
	if ((size_t)snprintf(p->guest_exe, sizeof(p->guest_exe), "%c:\\%s", letter - 'a' + 'A',
			     p->exe_name) >= sizeof(p->guest_exe))
		return complain(STATUS_USAGE, "%s: its name is too long", o->program);
	return 0;
}

/* build/ntmm finds build/guest/..., an installed ntmm finds ../lib/ntmm/... */
static int find_system(struct program *p, const struct run_options *o)
{
	static const char *const places[OWN_PLACES] = {"guest", "../lib/ntmm"};
	char self[PATH_MAX], path[PATH_MAX + 64];

	if (!own_folder(self))
		return complain(STATUS_HOST, "/proc/self/exe: %s", strerror(errno));
	if (o->kernel)
		p->kernel = strdup(o->kernel);
	else if (own_find(places, "ntoskrnl.elf", R_OK, path, sizeof(path)))
		p->kernel = strdup(path);
	if (o->system_dir)
		p->system = strdup(o->system_dir);
	else if (own_find(places, "system32", X_OK, path, sizeof(path)))
		p->system = strdup(path);
	if (!p->kernel)
		return complain(STATUS_HOST,
				"%s/guest/ntoskrnl.elf: the kernel is not there; run "
				"make, or name one with --kernel",
				self);
	if (!p->system)
		return complain(STATUS_HOST,
				"%s/guest/system32: the system's DLLs are not there; "
				"run make, or name a folder with --system",
				self);
	return drives_set(&p->drives, SYSTEM_DRIVE, p->system, false);
}

int program_open(struct program *p, const struct run_options *o)
{
	int e = open_exe(p, o->program);

	if (!e)
		e = set_drives(p, o);
	return e ? e : find_system(p, o);
}

int program_block(const struct program *p, struct runblock_input *in, struct text *block)
{
	struct timespec now;
	int e;

	in->exe = p->guest_exe;
	/* argv[0] names the program wherever the current folder is, as what a user types does. */
	in->program_name =
	    p->guest_exe[0] == CURRENT_DRIVE - 'a' + 'A' ? p->exe_name : p->guest_exe;
	for (unsigned i = 0; i < DRIVES; i++)
		if (p->drives.drive[i].path || i == TEMPORARY_DRIVE - 'a')
			in->drive[in->ndrives++] = (struct runblock_drive){
			    (char)('a' + i),
			    p->drives.drive[i].writable || i == TEMPORARY_DRIVE - 'a'};
	if (getrandom(&in->random, sizeof(in->random), 0) != sizeof(in->random))
		return complain(STATUS_HOST, "getrandom: %s", strerror(errno));
	clock_gettime(CLOCK_REALTIME, &now);
	in->time_ns = (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
	e = runblock_build(in, block);
	if (e == -E2BIG)
		return complain(STATUS_USAGE,
				"the arguments and environment are longer than %u "
				"bytes",
				NTMM_RUNBLOCK_MAX);
	return e ? complain(STATUS_HOST, "out of memory") : 0;
}

void program_close(struct program *p)
{
	drives_close(&p->drives);
	free(p->kernel);
	free(p->system);
	free(p->exe_dir);
	free(p->exe_name);
}
