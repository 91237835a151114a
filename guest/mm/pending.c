/* Weak answers for what is still being written. */
#include "guest/mm/vmcalls.h"
#define W __attribute__((weak))
W NTSTATUS mm_allocate_large(EPROCESS *p, struct alloc_request *r) { (void)p;(void)r; return STATUS_NOT_SUPPORTED; }
W NTSTATUS mm_capture_extended(const void *q, u32 c, struct extended *o) { (void)q;(void)c;(void)o; return STATUS_NOT_SUPPORTED; }
W void mm_free_large(struct address_space *as, MMVAD *v) { (void)as;(void)v; }
W NTSTATUS mm_query_filename(EPROCESS *p, u64 va, void *out, u64 l, u64 *r) { (void)p;(void)va;(void)out;(void)l;(void)r; return STATUS_NOT_SUPPORTED; }
W NTSTATUS mm_query_image(EPROCESS *p, u64 va, void *out, u64 l, u64 *r) { (void)p;(void)va;(void)out;(void)l;(void)r; return STATUS_NOT_SUPPORTED; }
W NTSTATUS mm_query_working_set(EPROCESS *p, void *out, u64 l, u64 *r) { (void)p;(void)out;(void)l;(void)r; return STATUS_NOT_SUPPORTED; }
W NTSTATUS mm_query_working_set_ex(EPROCESS *p, void *out, u64 l, u64 *r) { (void)p;(void)out;(void)l;(void)r; return STATUS_NOT_SUPPORTED; }
W NTSTATUS mm_reset_range(struct address_space *as, u64 s, u64 e, bool u) { (void)as;(void)s;(void)e;(void)u; return STATUS_SUCCESS; }
