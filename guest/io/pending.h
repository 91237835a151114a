/* Requests that outlive their system call (pending.c). */
#ifndef NTMM_IO_PENDING_H
#define NTMM_IO_PENDING_H

#include "guest/io/fs.h"

struct ETHREAD;
enum pending_kind { PENDING_READ, PENDING_WRITE, PENDING_LISTEN };

void pending_init(void);
/* Something has changed that pending requests may have waited for. Any lock may be held. */
void pending_poke(void);
/* Takes the request over and returns STATUS_PENDING, or ends it with an error. What is to be
 * written is copied. */
NTSTATUS pending_add(struct request *r, enum pending_kind kind, void *user, u32 bytes);
/* Ends requests with STATUS_CANCELLED: of a file object, of a thread, with this IO_STATUS_BLOCK
 * (NULL: any). Returns how many. => PASSIVE, no locks */
u32 pending_cancel(const struct FILE_OBJECT *f, const struct ETHREAD *thread,
		   const IO_STATUS_BLOCK *iosb);

#endif
