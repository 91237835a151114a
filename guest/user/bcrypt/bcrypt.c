/* bcrypt.dll: the random number generator, which is RtlGenRandom; no other algorithm. */
#include "guest/user/include/nt.h"

#define ALGORITHM_RNG	    L"RNG"
#define USE_SYSTEM_RNG	    2u /* BCRYPT_USE_SYSTEM_PREFERRED_RNG */
#define RNG_ENTROPY_IN_DATA 1u /* BCRYPT_RNG_USE_ENTROPY_IN_BUFFER: it is stirred in anyway */

__declspec(dllimport) BOOLEAN WINAPI SystemFunction036(PVOID out, ULONG count);

/* The one handle there is. */
static const ULONG rng_provider = 0x474e5252;

NTSTATUS WINAPI BCryptOpenAlgorithmProvider(PVOID *handle, LPCWSTR algorithm, LPCWSTR provider,
					    ULONG flags);
NTSTATUS WINAPI BCryptOpenAlgorithmProvider(PVOID *handle, LPCWSTR algorithm, LPCWSTR provider,
					    ULONG flags)
{
	(void)provider;
	if (!handle || !algorithm || flags)
		return STATUS_INVALID_PARAMETER;
	if (wcscmp(algorithm, ALGORITHM_RNG))
		return STATUS_NOT_FOUND;
	*handle = (PVOID)&rng_provider;
	return STATUS_SUCCESS;
}

NTSTATUS WINAPI BCryptCloseAlgorithmProvider(PVOID handle, ULONG flags);
NTSTATUS WINAPI BCryptCloseAlgorithmProvider(PVOID handle, ULONG flags)
{
	(void)flags;
	return handle == &rng_provider ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

NTSTATUS WINAPI BCryptGenRandom(PVOID handle, PUCHAR out, ULONG count, ULONG flags);
NTSTATUS WINAPI BCryptGenRandom(PVOID handle, PUCHAR out, ULONG count, ULONG flags)
{
	if (flags & ~(USE_SYSTEM_RNG | RNG_ENTROPY_IN_DATA))
		return STATUS_INVALID_PARAMETER;
	/* a provider, or the system's own generator: one of the two */
	if (handle ? handle != &rng_provider : !(flags & USE_SYSTEM_RNG))
		return STATUS_INVALID_HANDLE;
	if (!out)
		return STATUS_INVALID_PARAMETER;
	SystemFunction036(out, count);
	return STATUS_SUCCESS;
}
