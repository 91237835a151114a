/*
 * inspect: what a running machine's process (inspect.c) and an inspector in another one (attach.c)
 * say to each other. A Unix socket of records (SOCK_SEQPACKET) with an abstract name, so that it is
 * found across mount and process name spaces and nothing is left behind; both sides ask the kernel
 * who the other is (SO_PEERCRED) and talk only to their own user.
 *
 * One connection at a time, for a few seconds at most: while it is stopped by one, the machine does
 * nothing. Memory is copied, not shared, because the memory file also holds what nobody may read.
 */
#ifndef VMM_INSPECT_H
#define VMM_INSPECT_H

#include <sys/socket.h>
#include <sys/un.h>

#include "vmm/machine.h"

#define INSPECT_VERSION 1u
#define INSPECT_BYTES	65536u /* of memory in one reply */
#define INSPECT_SECONDS 30     /* then the machine goes on, whatever the other side does */

enum inspect_op {
	INSPECT_STOP, /* the machine stands still; reply: struct inspect_info */
	INSPECT_GO,
	INSPECT_READ, /* bytes at gpa; the machine stands still. -EFAULT: not to be read */
};
struct inspect_request {
	uint32_t op, bytes;
	uint64_t gpa;
};
struct inspect_info {
	uint32_t version, cpus;
	uint64_t ram_bytes, root, root_bytes; /* root 0: the kernel has published none yet */
	uint64_t now_ns;		      /* CLOCK_MONOTONIC */
};
struct inspect_reply {
	int32_t result; /* 0 or -errno */
	uint32_t bytes; /* of data that follow */
	uint8_t data[INSPECT_BYTES];
};
#define INSPECT_HEAD offsetof(struct inspect_reply, data)

struct inspector {
	struct vm *vm;
	struct loop_source listen, client, limit; /* l */
	bool stopped;				  /* l: the machine stands still */
	struct inspect_reply reply;		  /* l */
};

/* The abstract address of the machine that this user calls `name`; its length, 0: too long. */
socklen_t inspect_address(const char *name, struct sockaddr_un *a);
/* The user at the other end of a socket; -1: unknown. */
int64_t inspect_peer(int fd);

/* Answers a request of n bytes. Returns the length of the reply; 0: it is no request at all.
 * => io_lock held; dropped while the machine stops */
size_t inspect_answer(struct inspector *s, const struct inspect_request *q, size_t n);
/* No inspection from now on; the machine goes on. => the loop's thread, io_lock not held */
void inspect_close(struct vm *vm);
/* The program has ended (TODO_INSPECT). => no lock held, in a vCPU's thread */
void inspect_ending(struct vcpu *v);

/* Copies guest memory; whatever the guest's rights, but never secure memory. -EFAULT */
int inspect_read(const struct vm *vm, gpa_t gpa, void *buf, size_t len);

#endif
