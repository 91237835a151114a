/*
 * Copies between kernel and user memory. The loop is in trap.S with an entry in the fix-up table;
 * here the address is checked and SMAP lifted. A page fault inside is served like any other.
 */
#include "guest/mm/mi.h"

NTSTATUS user_copy(void *dst, const void *src, size_t n);

static bool in_user_range(const void *p, size_t n)
{
	return (u64)p < MM_USER_PROBE && n <= MM_USER_PROBE - (u64)p;
}

static NTSTATUS guarded_copy(void *dst, const void *src, size_t n)
{
	NTSTATUS st;

	if (ke_has_smap)
		__asm__ volatile("stac" ::: "memory");
	st = user_copy(dst, src, n);
	if (ke_has_smap)
		__asm__ volatile("clac" ::: "memory");
	return st;
}

NTSTATUS copy_from_user(void *dst, const void *user_src, size_t n)
{
	return in_user_range(user_src, n) ? guarded_copy(dst, user_src, n)
					  : STATUS_ACCESS_VIOLATION;
}

NTSTATUS copy_to_user(void *user_dst, const void *src, size_t n)
{
	return in_user_range(user_dst, n) ? guarded_copy(user_dst, src, n)
					  : STATUS_ACCESS_VIOLATION;
}

NTSTATUS probe_for_write(void *user, size_t n)
{
	u8 *p = user, *end = p + n, byte;
	NTSTATUS st = in_user_range(user, n) ? STATUS_SUCCESS : STATUS_ACCESS_VIOLATION;

	for (; p < end && !st; p = (u8 *)ALIGN_DOWN((u64)p, PAGE_SIZE) + PAGE_SIZE)
		if (!(st = copy_from_user(&byte, p, 1)))
			st = copy_to_user(p, &byte, 1);
	return st;
}

NTSTATUS zero_user(void *user_dst, size_t n)
{
	static const u8 zeroes[256];

	for (size_t done = 0; done < n;) {
		size_t k = MIN(n - done, sizeof(zeroes));
		NTSTATUS st = copy_to_user((u8 *)user_dst + done, zeroes, k);

		if (st)
			return st;
		done += k;
	}
	return STATUS_SUCCESS;
}

/* What raises #GP in user mode because of the privilege level: a look at the bytes, prefixes
 * skipped. IN, OUT, INS, OUTS, CLI, STI, HLT and the 0F 00/01/06/08/09/20-23/30/32/33/35 groups. */
bool MmIsPrivilegedInstruction(u64 rip)
{
	u8 b[15];
	u32 i = 0;

	for (u32 n = sizeof(b); n && copy_from_user(b, (void *)rip, n); n--)
		b[n - 1] = 0;
	while (i < 13 && (b[i] == 0x66 || b[i] == 0x67 || b[i] == 0xf0 || b[i] == 0xf2 ||
			  b[i] == 0xf3 || b[i] == 0x2e || b[i] == 0x3e || b[i] == 0x26 ||
			  b[i] == 0x36 || b[i] == 0x64 || b[i] == 0x65 || (b[i] & 0xf0) == 0x40))
		i++;
	switch (b[i]) {
	case 0xe4 ... 0xe7:
	case 0xec ... 0xef:
	case 0x6c ... 0x6f:
	case 0xf4:
	case 0xfa:
	case 0xfb:
		return true;
	case 0x0f:
		switch (b[i + 1]) {
		case 0x00:
		case 0x01:
		case 0x06:
		case 0x08:
		case 0x09:
		case 0x20 ... 0x23:
		case 0x30:
		case 0x32:
		case 0x33:
		case 0x35:
			return true;
		}
	}
	return false;
}
