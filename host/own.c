/*
 * Where this program lies, and what lies beside it: in build/ of a source tree, or where `make
 * install` puts bin/ntmm and lib/ntmm.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "host/host.h"

bool own_path(char path[PATH_MAX])
{
	ssize_t n = readlink("/proc/self/exe", path, PATH_MAX - 1);

	if (n < 0)
		return false;
	path[n] = 0;
	return true;
}

bool own_folder(char path[PATH_MAX])
{
	char *slash;

	if (!own_path(path) || !(slash = strrchr(path, '/')))
		return false;
	*slash = 0;
	return true;
}

bool own_find(const char *const places[OWN_PLACES], const char *name, int mode, char *path,
	      size_t size)
{
	char folder[PATH_MAX];

	if (!own_folder(folder))
		return false;
	for (unsigned i = 0; i < OWN_PLACES; i++)
		if ((size_t)snprintf(path, size, "%s/%s/%s", folder, places[i], name) < size &&
		    access(path, mode) == 0)
			return true;
	return false;
}
