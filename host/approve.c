/* The kernel modules that a machine lets in: by the SHA-256 of their files, given as 64 hexadecimal
 * digits or as the file itself. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

static bool parse_hash(const char *text, uint8_t hash[VM_HASH])
{
	if (strlen(text) != (size_t)2 * VM_HASH)
		return false;
	for (size_t i = 0; i < VM_HASH; i++) {
		const char pair[3] = {text[2 * i], text[2 * i + 1], 0};

		if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
			return false;
		hash[i] = (uint8_t)strtoul(pair, NULL, 16);
	}
	return true;
}

static int hash_file(const char *path, uint8_t hash[VM_HASH])
{
	FILE *f = fopen(path, "re");
	uint8_t *bytes = malloc(NTMM_MODULE_MOST + 1);
	int r = f && bytes ? 0 : -errno;

	if (r == 0) {
		size_t n = fread(bytes, 1, NTMM_MODULE_MOST + 1, f);

		r = ferror(f) ? -EIO : n > NTMM_MODULE_MOST ? -EFBIG : 0;
		if (r == 0)
			vm_hash(bytes, n, hash);
	}
	if (f)
		fclose(f);
	free(bytes);
	return r;
}

int approve_module(struct vm_protection *p, const char *text, const char *beside)
{
	const char *slash = beside ? strrchr(beside, '/') : NULL;
	char path[4096];
	int r = 0;

	if (p->napproved == VM_MAX_APPROVED)
		return -ENOSPC;
	snprintf(path, sizeof(path), "%.*s%s",
		 slash && text[0] != '/' ? (int)(slash - beside + 1) : 0, beside ? beside : "",
		 text);
	if (!parse_hash(text, p->approved[p->napproved]))
		r = hash_file(path, p->approved[p->napproved]);
	p->napproved += r == 0;
	return r;
}
