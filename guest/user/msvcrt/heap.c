/*
 * malloc and its family over the process heap, whose blocks are 16-byte aligned; aligned blocks
 * keep the original pointer in the word before them.
 */
#include "guest/user/msvcrt/crt.h"
#include <malloc.h>
#include <new.h>

static crt_new_handler handler;
static int new_mode;

int _set_new_mode(int mode)
{
	int old = new_mode;

	if (mode != 0 && mode != 1) {
		crt_invalid(EINVAL);
		return -1;
	}
	new_mode = mode;
	return old;
}

int _query_new_mode(void)
{
	return new_mode;
}

crt_new_handler crt_set_new_handler(crt_new_handler function)
{
	return InterlockedExchangePointer((void **)&handler, function);
}

crt_new_handler crt_query_new_handler(void)
{
	return handler;
}

int _callnewh(size_t size)
{
	return handler && handler(size);
}

/* HeapAlloc or HeapReAlloc, asking the new handler again as long as it says so. */
static void *allocate(void *old, size_t size, DWORD flags, bool ask)
{
	HANDLE heap = GetProcessHeap();

	do {
		void *block =
		    old ? HeapReAlloc(heap, flags, old, size) : HeapAlloc(heap, flags, size);

		if (block)
			return block;
	} while (ask && _callnewh(size));
	errno = ENOMEM;
	return NULL;
}

void *malloc(size_t size)
{
	return allocate(NULL, size ? size : 1, 0, new_mode);
}

void *calloc(size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	return allocate(NULL, bytes ? bytes : 1, HEAP_ZERO_MEMORY, new_mode);
}

void free(void *block)
{
	if (block)
		HeapFree(GetProcessHeap(), 0, block);
}

void *realloc(void *block, size_t size)
{
	if (!block)
		return malloc(size);
	if (!size) {
		free(block);
		return NULL;
	}
	return allocate(block, size, 0, new_mode);
}

/* MinGW-w64's headers from 11 on have these for the UCRT alone. */
void *_recalloc(void *block, size_t count, size_t size);
void *_aligned_recalloc(void *block, size_t count, size_t size, size_t align);
void *_aligned_offset_recalloc(void *block, size_t count, size_t size, size_t align, size_t offset);

void *_recalloc(void *block, size_t count, size_t size)
{
	size_t bytes, old = block ? _msize(block) : 0;
	char *bigger;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	bigger = realloc(block, bytes);
	if (bigger && bytes > old)
		memset(bigger + old, 0, bytes - old);
	return bigger;
}

void *_expand(void *block, size_t size)
{
	if (!block) {
		crt_invalid(EINVAL);
		return NULL;
	}
	return allocate(block, size ? size : 1, HEAP_REALLOC_IN_PLACE_ONLY, false);
}

size_t _msize(void *block)
{
	if (!block) {
		crt_invalid(EINVAL);
		return (size_t)-1;
	}
	return HeapSize(GetProcessHeap(), 0, block);
}

/* operator new and delete */
void *crt_operator_new(size_t size)
{
	return allocate(NULL, size ? size : 1, 0, true);
}

/* The word before an aligned block is the block it lies in. */
static void **header_of(void *aligned)
{
	return (void **)((uintptr_t)aligned & ~(sizeof(void *) - 1)) - 1;
}

void *_aligned_offset_malloc(size_t size, size_t align, size_t offset)
{
	size_t extra, bytes;
	char *block;
	uintptr_t at;

	if ((align & (align - 1)) || (offset && offset >= size)) {
		crt_invalid(EINVAL);
		return NULL;
	}
	if (align < sizeof(void *))
		align = sizeof(void *);
	extra = align - 1 + 2 * sizeof(void *);
	if (__builtin_add_overflow(size, extra, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	block = malloc(bytes);
	if (!block)
		return NULL;
	at = (((uintptr_t)block + extra + offset) & ~(uintptr_t)(align - 1)) - offset;
	*header_of((void *)at) = block;
	return (void *)at;
}

void *_aligned_malloc(size_t size, size_t align)
{
	return _aligned_offset_malloc(size, align, 0);
}

void _aligned_free(void *block)
{
	if (block)
		free(*header_of(block));
}

size_t _aligned_msize(void *block, size_t align, size_t offset)
{
	char *start;

	(void)align;
	(void)offset;
	if (!block) {
		crt_invalid(EINVAL);
		return (size_t)-1;
	}
	start = *header_of(block);
	return _msize(start) - ((char *)block - start);
}

void *_aligned_offset_realloc(void *block, size_t size, size_t align, size_t offset)
{
	void *moved;
	size_t old;

	if (!block)
		return _aligned_offset_malloc(size, align, offset);
	if (!size) {
		_aligned_free(block);
		return NULL;
	}
	moved = _aligned_offset_malloc(size, align, offset);
	if (!moved)
		return NULL;
	old = _aligned_msize(block, align, offset);
	memcpy(moved, block, old < size ? old : size);
	_aligned_free(block);
	return moved;
}

void *_aligned_realloc(void *block, size_t size, size_t align)
{
	return _aligned_offset_realloc(block, size, align, 0);
}

static void *aligned_recalloc(void *block, size_t count, size_t size, size_t align, size_t offset)
{
	size_t bytes, old = block ? _aligned_msize(block, align, offset) : 0;
	char *moved;

	if (__builtin_mul_overflow(count, size, &bytes)) {
		errno = ENOMEM;
		return NULL;
	}
	moved = _aligned_offset_realloc(block, bytes, align, offset);
	if (moved && bytes > old)
		memset(moved + old, 0, bytes - old);
	return moved;
}

void *_aligned_recalloc(void *block, size_t count, size_t size, size_t align)
{
	return aligned_recalloc(block, count, size, align, 0);
}

void *_aligned_offset_recalloc(void *block, size_t count, size_t size, size_t align, size_t offset)
{
	return aligned_recalloc(block, count, size, align, offset);
}

/* Checks */
int _heapchk(void)
{
	return HeapValidate(GetProcessHeap(), 0, NULL) ? _HEAPOK : _HEAPBADNODE;
}

int _heapset(unsigned fill)
{
	(void)fill;
	return _heapchk();
}

int _heapmin(void)
{
	return 0;
}

int _heapadd(void *block, size_t size)
{
	(void)block;
	(void)size;
	return crt_fail_with(ENOSYS);
}

size_t _heapused(size_t *used, size_t *commit)
{
	(void)used;
	(void)commit;
	errno = ENOSYS;
	return 0;
}

intptr_t _get_heap_handle(void)
{
	return (intptr_t)GetProcessHeap();
}

/* There is no small-block heap. */
size_t _get_sbh_threshold(void)
{
	return 0;
}

int _set_sbh_threshold(size_t threshold)
{
	(void)threshold;
	return 0;
}
