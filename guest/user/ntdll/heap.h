/*
 * The heap's inside, shared by heap.c (the calls), heapback.c (segments), heaplfh.c (small blocks)
 * and heapwalk.c (checks and walks).
 *
 * Words: a *unit* is 16 bytes. A *block* is a 16-byte header and the caller's bytes, whole units.
 * A *segment* is one reserved range cut into blocks without gaps. A *subsegment* is a busy block
 * cut again into small blocks of one size. A *large* block is a reservation of its own.
 *
 *   request <= 16 KB, asked often  -> subsegment of its size class    (class lock)
 *   request <  LARGE_BYTES         -> segment, two-level segregated fit (heap lock)
 *   above                          -> NtAllocateVirtualMemory           (heap lock for the list)
 *
 * In a segment two neighbours are never both FREE nor both DECOMMITTED. A DECOMMITTED block is free
 * and the whole pages behind its header and links are not committed; only it is bigger than a page.
 *
 * Each header holds a checksum of its own address, size and kind under the heap's cookie: a
 * write past a block's end, a second free and a pointer that never came from a heap show in it.
 */
#ifndef NTMM_NTDLL_HEAP_H
#define NTMM_NTDLL_HEAP_H

#include "guest/abi/mminfo.h"
#include "guest/user/ntdll/ntdll.h"

#define UNIT	       16u
#define MIN_UNITS      2u
#define LARGE_BYTES    0xff000u /* from here on a block is its own reservation */
#define LFH_MAX_BYTES  0x4000u
#define LFH_CLASSES    129
#define LFH_START      17 /* allocations of a size before its class opens */
#define MAX_SEGMENTS   64
#define SEGMENT_MAX    0x10000000ull
#define COMMIT_STEP    0x10000u
#define DECOMMIT_AT    0x80000u /* free runs this long give their pages back */
#define HEAP_SIGNATURE 0xffeeffeeu
#define LEVEL_ROWS     26
#define LEVEL_COLUMNS  8

enum block_kind {
	BLOCK_FREE = 0x11,
	BLOCK_DECOMMITTED = 0x22,
	BLOCK_BUSY = 0x33,
	BLOCK_SUBSEGMENT = 0x44,
	BLOCK_SMALL_BUSY = 0x55,
	BLOCK_SMALL_FREE = 0x66,
	BLOCK_LARGE = 0x77,
};

struct block {
	uint32_t size;	 /* units, header included */
	uint32_t prev;	 /* units of the block before, 0 for a segment's first; in a
			    subsegment: units back to it */
	uint8_t kind;	 /* enum block_kind */
	uint8_t user;	 /* flags the caller may set (HEAP_SETTABLE_USER_FLAGS >> 4) */
	uint8_t segment; /* index in heap.segments */
	uint8_t reserved;
	uint16_t unused; /* bytes at the end that were not asked for */
	uint16_t check;
};
_Static_assert(sizeof(struct block) == UNIT, "a header is one unit");

/* Behind the header of a free block. */
struct free_links {
	struct block *next, *prev;
};

struct segment {
	char *base;	     /* reservation */
	SIZE_T reserve;	     /* its bytes */
	struct block *first; /* first block */
	char *end;	     /* end of the last one */
};

struct large {
	LIST_ENTRY link;
	SIZE_T reserve; /* bytes of the reservation, this header included */
	SIZE_T commit;
	SIZE_T size; /* bytes asked for */
	PVOID user_value;
	struct block block; /* kind LARGE */
};
_Static_assert(sizeof(struct large) == 64, "a large block's data is 64 bytes into its pages");

struct subsegment {
	struct block container; /* its own header, kind SUBSEGMENT */
	LIST_ENTRY link;	/* in size_class.partial, when some block is free */
	struct size_class *owner;
	void *free;	/* freed blocks, linked through their first word */
	uint32_t units; /* of a block */
	uint32_t total, used;
	uint32_t fresh; /* blocks never handed out lie from this index on */
};

struct size_class {
	RTL_SRWLOCK lock;
	LIST_ENTRY partial; /* subsegments with a free block */
	uint32_t units;
	uint32_t subsegments;
	uint32_t empty; /* of them, wholly free ones (at most one is kept) */
};

struct heap {
	PVOID reserved1[2];
	ULONG signature; /* 0x10, as in Windows' _HEAP */
	ULONG index;	 /* place in PEB.ProcessHeaps */
	PVOID reserved2[11];
	ULONG flags;	   /* 0x70 */
	ULONG force_flags; /* 0x74 */
	uint64_t cookie;
	ULONG compatibility; /* HeapCompatibilityInformation: 0 or 2 (small blocks on) */
	ULONG nsegments;
	BOOLEAN fixed;	      /* one segment, no large blocks */
	BOOLEAN walk_counter; /* keeps padding explicit */
	HANDLE locked_by;     /* thread holding RtlLockHeap */
	SIZE_T large_bytes;
	RTL_CRITICAL_SECTION lock;
	LIST_ENTRY large;
	struct block *decommitted; /* DECOMMITTED blocks, linked */
	uint32_t rows;		   /* bit r: some column of row r is not empty */
	uint8_t columns[LEVEL_ROWS];
	struct block *lists[LEVEL_ROWS][LEVEL_COLUMNS];
	struct size_class *classes; /* LFH_CLASSES of them, once one is opened */
	uint16_t asked[LFH_CLASSES];
	struct segment segments[MAX_SEGMENTS];
};
_Static_assert(offsetof(struct heap, signature) == 0x10, "as in Windows");
_Static_assert(offsetof(struct heap, flags) == 0x70, "as in Windows");
/* What the inspector reads. */
_Static_assert(offsetof(struct heap, signature) == NTMM_HEAP_SIGNATURE, "abi/mminfo.h");
_Static_assert(offsetof(struct heap, large) == NTMM_HEAP_LARGE, "abi/mminfo.h");
_Static_assert(offsetof(struct heap, segments) == NTMM_HEAP_SEGMENTS, "abi/mminfo.h");
_Static_assert(sizeof(struct segment) == NTMM_HEAP_SEGMENT_BYTES, "abi/mminfo.h");
_Static_assert(MAX_SEGMENTS == NTMM_HEAP_SEGMENTS_MOST, "abi/mminfo.h");
_Static_assert(HEAP_SIGNATURE == NTMM_HEAP_SIGNATURE_IS, "abi/mminfo.h");
_Static_assert(offsetof(struct large, link) == 0 && offsetof(struct segment, base) == 0,
	       "abi/mminfo.h");
_Static_assert(offsetof(PEB, NumberOfHeaps) == NTMM_PEB_HEAP_COUNT, "abi/mminfo.h");
_Static_assert(offsetof(PEB, ProcessHeaps) == NTMM_PEB_HEAPS, "abi/mminfo.h");

static inline struct block *block_of(const void *p)
{
	return (struct block *)p - 1;
}

static inline void *data_of(struct block *b)
{
	return b + 1;
}

static inline struct block *next_block(struct block *b)
{
	return b + b->size;
}

static inline struct free_links *links(struct block *b)
{
	return (struct free_links *)(b + 1);
}

static inline uint16_t block_check(const struct heap *h, const struct block *b)
{
	uint64_t x = ((uintptr_t)b ^ h->cookie) + ((uint64_t)b->size << 8 | b->kind);

	x *= 0x9e3779b97f4a7c15ull;
	return (uint16_t)(x >> 48);
}

static inline void seal(const struct heap *h, struct block *b)
{
	b->check = block_check(h, b);
}

static inline BOOLEAN sealed(const struct heap *h, const struct block *b)
{
	return b->check == block_check(h, b);
}

static inline SIZE_T data_size(const struct block *b)
{
	return (SIZE_T)(b->size - 1) * UNIT - b->unused;
}

/* heapback.c. All need the heap lock. */
BOOLEAN heap_add_segment(struct heap *h, char *base, SIZE_T reserve, SIZE_T commit, SIZE_T skip);
struct block *heap_take(struct heap *h, uint32_t units, enum block_kind kind);
void heap_give(struct heap *h, struct block *b);
BOOLEAN heap_resize(struct heap *h, struct block *b, uint32_t units);
SIZE_T heap_compact(struct heap *h);
BOOLEAN heap_commit(struct heap *h, char *start, char *end);
void heap_decommit(char *start, char *end);
ULONG heap_protection(const struct heap *h);

/* heaplfh.c. None needs a lock held; the heap lock is taken inside a class lock. */
unsigned lfh_class(uint32_t units);
void *lfh_allocate(struct heap *h, unsigned cls, SIZE_T bytes);
BOOLEAN lfh_free(struct heap *h, struct block *b);
void lfh_open(struct heap *h, unsigned cls);
void lfh_wait_idle(struct heap *h);

/* heap.c */
DECLSPEC_NORETURN void heap_corrupted(struct heap *h, const void *where);
void heap_enter(struct heap *h, ULONG flags);
void heap_leave(struct heap *h, ULONG flags);
struct heap *heap_check_handle(PVOID handle);
BOOLEAN heap_verify(struct heap *h);

#endif
