/*
 * RTL bitmaps: numbers of bits over an array of ULONGs.
 */
#include "guest/user/ntdll/ntdll.h"

VOID NTAPI RtlInitializeBitMap(PRTL_BITMAP map, PULONG bits, ULONG size)
{
	map->SizeOfBitMap = size;
	map->Buffer = bits;
}

static BOOLEAN bit(PRTL_BITMAP map, ULONG i)
{
	return map->Buffer[i / 32] >> (i % 32) & 1;
}

VOID NTAPI RtlSetBits(PRTL_BITMAP map, ULONG start, ULONG count)
{
	for (ULONG i = start; i < start + count && i < map->SizeOfBitMap; i++)
		map->Buffer[i / 32] |= 1u << (i % 32);
}

VOID NTAPI RtlClearBits(PRTL_BITMAP map, ULONG start, ULONG count)
{
	for (ULONG i = start; i < start + count && i < map->SizeOfBitMap; i++)
		map->Buffer[i / 32] &= ~(1u << (i % 32));
}

VOID NTAPI RtlSetAllBits(PRTL_BITMAP map)
{
	memset(map->Buffer, 0xff, (map->SizeOfBitMap + 31) / 32 * 4);
}

VOID NTAPI RtlClearAllBits(PRTL_BITMAP map)
{
	memset(map->Buffer, 0, (map->SizeOfBitMap + 31) / 32 * 4);
}

BOOLEAN NTAPI RtlTestBit(PRTL_BITMAP map, ULONG i)
{
	return bit(map, i);
}

static BOOLEAN all_are(PRTL_BITMAP map, ULONG start, ULONG count, BOOLEAN value)
{
	if (!count || start >= map->SizeOfBitMap || count > map->SizeOfBitMap - start)
		return FALSE;
	for (ULONG i = start; i < start + count; i++)
		if (bit(map, i) != value)
			return FALSE;
	return TRUE;
}

BOOLEAN NTAPI RtlAreBitsSet(PRTL_BITMAP map, ULONG start, ULONG count)
{
	return all_are(map, start, count, TRUE);
}

BOOLEAN NTAPI RtlAreBitsClear(PRTL_BITMAP map, ULONG start, ULONG count)
{
	return all_are(map, start, count, FALSE);
}

ULONG NTAPI RtlNumberOfSetBits(PRTL_BITMAP map)
{
	ULONG n = 0;

	for (ULONG i = 0; i < map->SizeOfBitMap; i++)
		n += bit(map, i);
	return n;
}

ULONG NTAPI RtlNumberOfClearBits(PRTL_BITMAP map)
{
	return map->SizeOfBitMap - RtlNumberOfSetBits(map);
}

/* First run of count bits of a value, at hint or after, else from the start; MAXDWORD: none. */
static ULONG find_run(PRTL_BITMAP map, ULONG count, ULONG hint, BOOLEAN value)
{
	ULONG size = map->SizeOfBitMap;

	if (hint >= size)
		hint = 0;
	if (!count)
		return hint & ~7u;
	if (count > size)
		return MAXDWORD;
	for (ULONG pass = 0; pass < 2; pass++) {
		ULONG run = 0, first = pass ? 0 : hint,
		      last = pass ? min(size, hint + count - 1) : size;

		for (ULONG i = first; i < last; i++) {
			run = bit(map, i) == value ? run + 1 : 0;
			if (run == count)
				return i + 1 - count;
		}
	}
	return MAXDWORD;
}

ULONG NTAPI RtlFindClearBits(PRTL_BITMAP map, ULONG count, ULONG hint)
{
	return find_run(map, count, hint, FALSE);
}

ULONG NTAPI RtlFindSetBits(PRTL_BITMAP map, ULONG count, ULONG hint)
{
	return find_run(map, count, hint, TRUE);
}

ULONG NTAPI RtlFindClearBitsAndSet(PRTL_BITMAP map, ULONG count, ULONG hint)
{
	ULONG i = find_run(map, count, hint, FALSE);

	if (i != MAXDWORD)
		RtlSetBits(map, i, count);
	return i;
}

ULONG NTAPI RtlFindSetBitsAndClear(PRTL_BITMAP map, ULONG count, ULONG hint)
{
	ULONG i = find_run(map, count, hint, TRUE);

	if (i != MAXDWORD)
		RtlClearBits(map, i, count);
	return i;
}
