/*
 * Pool: nonpaged kernel memory. Blocks up to half a page come from pages cut into equal blocks (one
 * list of pages with free blocks a size class); larger ones are whole pages at system PTEs. A page
 * of small blocks begins with its header, and goes when its last block is freed, unless it is the
 * only one of its class with room: the next block would need it again; a large block's length is
 * kept in a table of its own, where an overrun cannot change it. Lock: pool_lock (leaf).
 */
#include "guest/mm/mi.h"

#define POOL_MAGIC 0x6c6f6f50u /* "Pool" */
#define HEADER	   64u	       /* of a page of small blocks */
#define MAX_SMALL  2016u

static const u16 class_size[] = {32,  48,  64,	96,  128, 160,	192,  256,
				 320, 384, 496, 672, 800, 1008, 1344, MAX_SMALL};

struct pool_page {
	u32 magic, class;
	u32 used, capacity;
	void *free;	   /* singly linked through the blocks */
	struct list entry; /* on partial[class] while there are free blocks */
};
_Static_assert(sizeof(struct pool_page) <= HEADER, "pool page header");

/* Large blocks: address and pages, open addressing by address. */
struct large {
	u64 va, pages;
};
#define MAX_LARGE 1024u

static struct spinlock pool_lock;
static struct list partial[ARRAY_SIZE(class_size)];
static struct large large[MAX_LARGE];
static bool ready;

static u32 size_class(size_t n)
{
	u32 c = 0;

	while (class_size[c] < n)
		c++;
	return c;
}

static struct pool_page *new_page(u32 class)
{
	pfn_t p = mm_take_kernel_page(NTMM_USE_POOL);
	struct pool_page *page;
	u32 size = class_size[class];

	if (!p)
		return NULL;
	page = pfn_to_va(p);
	page->magic = POOL_MAGIC;
	page->class = class;
	page->capacity = (u32)(PAGE_SIZE - HEADER) / size;
	for (u32 i = page->capacity; i-- > 0;) {
		void **block = (void **)((u8 *)page + HEADER + i * size);

		*block = page->free;
		page->free = block;
	}
	return page;
}

static void *allocate_large(size_t bytes)
{
	u64 pages = ALIGN_UP(bytes, PAGE_SIZE) >> PAGE_SHIFT;
	void *va = mm_allocate_system(pages, NTMM_USE_POOL);
	KIRQL old;

	if (!va)
		return NULL;
	old = KeAcquireSpinLock(&pool_lock);
	for (u32 i = 0, h = (u32)((u64)va >> PAGE_SHIFT); i < MAX_LARGE; i++, h++)
		if (!large[h % MAX_LARGE].va) {
			large[h % MAX_LARGE] = (struct large){(u64)va, pages};
			MmCounters.pool_bytes += pages << PAGE_SHIFT;
			MmCounters.pool_allocs++;
			KeReleaseSpinLock(&pool_lock, old);
			return va;
		}
	KeReleaseSpinLock(&pool_lock, old);
	mm_free_system(va, pages);
	return NULL;
}

void *ExAllocatePool(size_t bytes, u32 tag)
{
	struct pool_page *page;
	void **block;
	u32 class;
	KIRQL old;

	(void)tag;
	if (bytes > MAX_SMALL)
		return allocate_large(bytes);
	class = size_class(bytes);
	old = KeAcquireSpinLock(&pool_lock);
	if (UNLIKELY(!ready)) {
		for (u32 i = 0; i < ARRAY_SIZE(partial); i++)
			list_init(&partial[i]);
		ready = true;
	}
	if (list_empty(&partial[class])) {
		KeReleaseSpinLock(&pool_lock, old);
		page = new_page(class);
		if (!page)
			return NULL;
		old = KeAcquireSpinLock(&pool_lock);
		list_push_front(&partial[class], &page->entry);
	}
	page = CONTAINER_OF(partial[class].next, struct pool_page, entry);
	block = page->free;
	page->free = *block;
	if (++page->used == page->capacity)
		list_remove(&page->entry);
	MmCounters.pool_bytes += class_size[class];
	MmCounters.pool_allocs++;
	KeReleaseSpinLock(&pool_lock, old);
	memset(block, 0, class_size[class]);
	return block;
}

static void free_large(void *p)
{
	KIRQL old = KeAcquireSpinLock(&pool_lock);
	u64 pages = 0;

	for (u32 i = 0, h = (u32)((u64)p >> PAGE_SHIFT); i < MAX_LARGE; i++, h++)
		if (large[h % MAX_LARGE].va == (u64)p) {
			pages = large[h % MAX_LARGE].pages;
			large[h % MAX_LARGE].va = 0;
			MmCounters.pool_bytes -= pages << PAGE_SHIFT;
			break;
		}
	KeReleaseSpinLock(&pool_lock, old);
	if (!pages)
		KeBugCheckEx(BAD_POOL_HEADER, (u64)p, 0, 0, 0, "ExFreePool: not a pool block");
	mm_free_system(p, pages);
}

void ExFreePool(void *p)
{
	struct pool_page *page = (struct pool_page *)ALIGN_DOWN((u64)p, PAGE_SIZE);
	KIRQL old;

	if ((u64)p >= MM_SYSTEM_PTES && (u64)p < MM_PFN_DATABASE) {
		free_large(p);
		return;
	}
	if (page->magic != POOL_MAGIC || ((u64)p - (u64)page - HEADER) % class_size[page->class])
		KeBugCheckEx(BAD_POOL_HEADER, (u64)p, page->magic, page->class, 0,
			     "ExFreePool: not a pool block");
	old = KeAcquireSpinLock(&pool_lock);
	*(void **)p = page->free;
	page->free = p;
	MmCounters.pool_bytes -= class_size[page->class];
	if (page->used-- == page->capacity)
		list_push_front(&partial[page->class], &page->entry);
	if (!page->used && (page->entry.next != &partial[page->class] ||
			    page->entry.prev != &partial[page->class])) {
		list_remove(&page->entry);
		page->magic = 0;
		KeReleaseSpinLock(&pool_lock, old);
		mm_free_kernel_page((pfn_t)(((u64)page - MM_DIRECT_MAP) >> PAGE_SHIFT));
		return;
	}
	KeReleaseSpinLock(&pool_lock, old);
}
