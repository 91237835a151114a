/* The kernel's basic types and the handful of helpers every file needs. */
#ifndef NTMM_KE_TYPES_H
#define NTMM_KE_TYPES_H

#include <stdint.h>
#include <stddef.h>
#include <stdbool.h>

/* Nothing is ever resolved through a GOT: the image is linked whole. */
#ifndef NTMM_NATIVE_TEST
#if !__STDC_HOSTED__ /* the host builds some files for tests, with its own C library */
#pragma GCC visibility push(hidden)
#endif
#endif

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t s8;
typedef int16_t s16;
typedef int32_t s32;
typedef int64_t s64;

typedef s32 NTSTATUS;
typedef u64 HANDLE; /* user-visible handle value */
typedef u32 pfn_t;  /* page frame number: up to 16 TB of RAM */

#define NT_SUCCESS(s) ((NTSTATUS)(s) >= 0)

#define PAGE_SHIFT	12
#define PAGE_SIZE	0x1000ul
#define LARGE_PAGE_SIZE 0x200000ul
#define HUGE_PAGE_SIZE	0x40000000ul

#define ALIGN_DOWN(x, a)	     ((x) & ~((u64)(a)-1))
#define ALIGN_UP(x, a)		     (((x) + (u64)(a)-1) & ~((u64)(a)-1))
#define ARRAY_SIZE(a)		     (sizeof(a) / sizeof((a)[0]))
#define MIN(a, b)		     ((a) < (b) ? (a) : (b))
#define MAX(a, b)		     ((a) > (b) ? (a) : (b))
#define CONTAINER_OF(p, type, field) ((type *)((char *)(p)-offsetof(type, field)))
#define LIKELY(x)		     __builtin_expect(!!(x), 1)
#define UNLIKELY(x)		     __builtin_expect(!!(x), 0)

/* Doubly linked circular lists, as LIST_ENTRY. */
struct list {
	struct list *next, *prev;
};

static inline void list_init(struct list *h)
{
	h->next = h->prev = h;
}
static inline bool list_empty(const struct list *h)
{
	return h->next == h;
}
static inline void list_insert_between(struct list *e, struct list *p, struct list *n)
{
	e->next = n;
	e->prev = p;
	p->next = e;
	n->prev = e;
}
static inline void list_push_back(struct list *h, struct list *e)
{
	list_insert_between(e, h->prev, h);
}
static inline void list_push_front(struct list *h, struct list *e)
{
	list_insert_between(e, h, h->next);
}
/* => e is on a list; afterwards it is an empty list of its own, so removing twice is harmless */
static inline void list_remove(struct list *e)
{
	e->prev->next = e->next;
	e->next->prev = e->prev;
	list_init(e);
}
static inline struct list *list_pop_front(struct list *h)
{
	struct list *e = h->next;

	if (e == h)
		return NULL;
	list_remove(e);
	return e;
}
#define LIST_FOR_EACH(e, h) for (struct list *e = (h)->next; e != (h); e = e->next)
#define LIST_FOR_EACH_SAFE(e, n, h) \
	for (struct list *e = (h)->next, *n = e->next; e != (h); e = n, n = e->next)

/* The compiler may call these; ke/string.c */
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);

#endif
