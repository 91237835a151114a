/*
 * The vault: secrets in memory that the guest does not have. A key is 16 bytes; comparing one takes
 * the same time whatever it is, and after VAULT_TRIES wrong ones a secret gives itself up to
 * nobody.
 */
#include <errno.h>
#include <string.h>

#include "ept/kdp.h"

static uint8_t *memory_of(struct ept_vault *v, unsigned slot)
{
	return v->memory + (size_t)slot * VAULT_SLOT;
}

static int open_secret(struct ept_vault *v, uint64_t handle, const uint64_t key[2], unsigned *slot)
{
	struct vault_secret *s;

	if (handle == 0 || handle > VAULT_SLOTS || v->secret[handle - 1].bytes == 0)
		return -ENOENT;
	*slot = (unsigned)handle - 1;
	s = &v->secret[*slot];
	if (s->wrong >= VAULT_TRIES)
		return -EPERM;
	if ((s->key[0] ^ key[0]) | (s->key[1] ^ key[1])) {
		s->wrong++;
		return -EACCES;
	}
	s->wrong = 0;
	return 0;
}

int vault_store(struct ept_vault *v, const void *data, uint64_t bytes, const uint64_t key[2])
{
	if (bytes == 0)
		return -EINVAL;
	if (bytes > VAULT_SLOT)
		return -E2BIG;
	for (unsigned i = 0; i < VAULT_SLOTS; i++) {
		if (v->secret[i].bytes)
			continue;
		memcpy(memory_of(v, i), data, bytes);
		v->secret[i] =
		    (struct vault_secret){.bytes = (uint32_t)bytes, .key = {key[0], key[1]}};
		return (int)i + 1;
	}
	return -ENOSPC;
}

int vault_replace(struct ept_vault *v, uint64_t handle, const uint64_t key[2], const void *data,
		  uint64_t bytes)
{
	unsigned slot;
	int r = open_secret(v, handle, key, &slot);

	if (r < 0)
		return r;
	if (v->secret[slot].sealed)
		return -EROFS;
	if (bytes == 0 || bytes > VAULT_SLOT)
		return bytes ? -E2BIG : -EINVAL;
	memset(memory_of(v, slot), 0, VAULT_SLOT);
	memcpy(memory_of(v, slot), data, bytes);
	v->secret[slot].bytes = (uint32_t)bytes;
	return 0;
}

int vault_seal(struct ept_vault *v, uint64_t handle, const uint64_t key[2])
{
	unsigned slot;
	int r = open_secret(v, handle, key, &slot);

	if (r == 0)
		v->secret[slot].sealed = true;
	return r;
}

int vault_read(struct ept_vault *v, uint64_t handle, const uint64_t key[2], void *buf,
	       uint64_t room)
{
	unsigned slot;
	int r = open_secret(v, handle, key, &slot);

	if (r < 0)
		return r;
	if (v->secret[slot].bytes > room)
		return -E2BIG;
	memcpy(buf, memory_of(v, slot), v->secret[slot].bytes);
	return (int)v->secret[slot].bytes;
}

int vault_erase(struct ept_vault *v, uint64_t handle, const uint64_t key[2])
{
	unsigned slot;
	int r = open_secret(v, handle, key, &slot);

	if (r < 0)
		return r;
	memset(memory_of(v, slot), 0, VAULT_SLOT);
	v->secret[slot] = (struct vault_secret){.bytes = 0};
	return 0;
}
