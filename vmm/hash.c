/* SHA-256, of OpenSSL's libcrypto. */
#include <openssl/sha.h>

#include "vmm/vmm.h"

void vm_hash(const void *data, size_t bytes, uint8_t hash[VM_HASH])
{
	SHA256(data, bytes, hash);
}
