/*
 * Xpress, plain LZ77 ([MS-XCA] 2.3 and 2.4): fast to write and to read. The store of compressed
 * pages (mm/store.c) keeps pages in it.
 *
 * A stream is groups of a 32-bit word of flags, highest bit first, and what the flags tell: 0 a
 * byte as it is, 1 a match, "the same `length` bytes as `offset` bytes before":
 *
 *   16 bits   offset - 1 in 15..3, length - 3 in 2..0 if that is less than 7
 *   7 there   then 4 bits of length - 10; two matches share a byte, the first has the low half
 *   15 there  then a byte of length - 25 if that is less than 255
 *   255 there then 16 bits of length - 3; 0 there: 32 bits of it
 *
 * Flags that are left over are ones. Pure logic, no locks, nothing allocated.
 */
#ifndef NTMM_RTL_XPRESS_H
#define NTMM_RTL_XPRESS_H

#include "guest/ke/types.h"

#define XPRESS_HEADS 2048u
struct xpress_work { /* what a compression needs beside its buffers */
	u32 head[XPRESS_HEADS];
};

/* Compresses `bytes` (less than 4 GB) into `out`. Returns how many bytes that are; 0: it does not
 * fit into `room`. `in` may change meanwhile: the result is then of no use, but nothing else is
 * touched. */
u32 xpress_compress(const void *in, u32 bytes, void *out, u32 room, struct xpress_work *work);

/* Undoes it. Returns the bytes written, at most `room`; XPRESS_BAD: no such stream, or more than
 * that. What is written then is undefined. */
#define XPRESS_BAD (~0u)
u32 xpress_decompress(const void *in, u32 bytes, void *out, u32 room);

#endif
