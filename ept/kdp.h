/*
 * kdp: protected kernel data, kept for the guest by the host. Plain library; the caller has a lock.
 *
 * The arena is a read-only slot from the first instruction on, and every store to it comes here:
 *
 *   first          static_end                    secure           end
 *   +--------------+-----------------------------+----------------+
 *   | IDT, GDTs,   | secure pool and sections    | secure memory  |
 *   | call table   | of kernel modules           | (no slot)      |
 *   +--------------+-----------------------------+----------------+
 *
 * Static data and sections are open until they are sealed, for ever then: a store to an open page
 * is carried out. Blocks of the pool are never open to stores; they are written by hypercall with
 * their key until they are sealed, and freed only with their key.
 *
 * The vault keeps secrets of programs in secure memory, which the guest cannot reach at all.
 */
#ifndef EPT_KDP_H
#define EPT_KDP_H

#include "ept/rules.h"

#define KDP_MAX_BYTES  (4ull << 20)
#define KDP_MAX_BLOCKS 512u
#define KDP_UNIT       64u /* pool blocks begin and end at multiples of it */

struct kdp_block {
	gpa_t gpa;
	uint64_t bytes; /* 0: no block */
	uint64_t key;
	bool sealed, section;
};

struct ept_kdp {
	struct gpa_range arena; /* without secure memory */
	gpa_t static_end;
	bool static_sealed;
	struct kdp_block block[KDP_MAX_BLOCKS]; /* sorted by gpa, the free ones last */
	unsigned nblocks;
};

int kdp_init(struct ept_kdp *k, struct gpa_range arena, gpa_t static_end);

/* Is this store carried out as if nothing were? Else *rule says what it breaks. */
bool kdp_open(const struct ept_kdp *k, gpa_t gpa, uint64_t len, enum ept_rule *rule);

/* Initialization is over: static data is sealed. */
void kdp_seal(struct ept_kdp *k);

/* A new block or section of whole KDP_UNITs (sections: pages): 0 and *gpa; -EINVAL, -ENOMEM. */
int kdp_alloc(struct ept_kdp *k, uint64_t bytes, uint64_t key, bool section, gpa_t *gpa);
/* May [gpa, gpa + len) of one block be written with this key? -ENOENT: not in a block; -EACCES: the
 * key is wrong; -EROFS: it is sealed. */
int kdp_may_write(const struct ept_kdp *k, gpa_t gpa, uint64_t len, uint64_t key);
/* Blocks by their first byte; as kdp_may_write, -EALREADY. */
int kdp_seal_block(struct ept_kdp *k, gpa_t gpa, uint64_t key);
int kdp_free(struct ept_kdp *k, gpa_t gpa, uint64_t key, uint64_t *bytes); /* no section */
/* The host's own doing: a section goes. */
int kdp_release(struct ept_kdp *k, gpa_t gpa, uint64_t *bytes);

#define VAULT_SLOTS 32u
#define VAULT_SLOT  1024u /* bytes of secure memory a secret may take */
#define VAULT_TRIES 3u	  /* wrong keys until a secret is locked for ever */

struct vault_secret {
	uint32_t bytes; /* 0: free */
	uint32_t wrong; /* keys */
	uint64_t key[2];
	bool sealed;
};
struct ept_vault {
	uint8_t *memory; /* VAULT_SLOTS * VAULT_SLOT bytes */
	struct vault_secret secret[VAULT_SLOTS];
};

/* Handles are 1 and up. -ENOSPC, -E2BIG, -EINVAL. */
int vault_store(struct ept_vault *v, const void *data, uint64_t bytes, const uint64_t key[2]);
/* All of these: -ENOENT, -EACCES for a wrong key, -EPERM after too many of them. */
int vault_replace(struct ept_vault *v, uint64_t handle, const uint64_t key[2], const void *data,
		  uint64_t bytes); /* -EROFS: sealed */
int vault_seal(struct ept_vault *v, uint64_t handle, const uint64_t key[2]);
int vault_read(struct ept_vault *v, uint64_t handle, const uint64_t key[2], void *buf,
	       uint64_t room); /* the bytes; -E2BIG */
int vault_erase(struct ept_vault *v, uint64_t handle, const uint64_t key[2]);

#endif
