/*
 * Private to labctl, the lab's client: options and commands (labctl.c), the virtual machine (vm.c),
 * a command's session (client.c).
 */
#ifndef NTMM_LABCTL_LAB_H
#define NTMM_LABCTL_LAB_H

#include <stdbool.h>
#include <sys/types.h>

#include "scripts/labctl/proto.h"

#define LAB_STATUS 125 /* exit status when the lab itself fails */

struct lab_options {
	const char *home;   /* folder with vmlinux, initrd; the lab's state is in home/run */
	unsigned memory_mb; /* 0: chosen by the host's memory */
	unsigned cpus;	    /* 0: 2, or as many as there are */
	bool icount;	    /* one nanosecond an instruction, one CPU */
	const char
	    *disk;	 /* a file as the machine's /dev/vda, its contents worth nothing; or NULL */
	unsigned idle_s; /* a started lab powers off when idle for so long; 0: never */
	const char *writable[64];
	unsigned writables;
	const char *folder; /* working directory of the command */
	char **argv;
};

/* Prints "lab: ..." and ends with LAB_STATUS. */
__attribute__((format(printf, 1, 2), noreturn)) void lab_die(const char *format, ...);

/* A lab of one's own: QEMU as a child that dies with us. The port is a socket. */
struct lab_vm {
	pid_t pid;
	int port;    /* one-shot only */
	int console; /* one-shot only: what the kernel prints */
};
void vm_boot(const struct lab_options *options, struct lab_vm *vm);
void vm_kill(struct lab_vm *vm);

/* The started lab. */
bool vm_is_running(const struct lab_options *options);
void vm_start(const struct lab_options *options);
void vm_stop(const struct lab_options *options);
int vm_status(const struct lab_options *options);
/* A free port of it: waits for one. *lock is to be given to vm_disconnect(). */
int vm_connect(const struct lab_options *options, int *lock);
void vm_disconnect(int port, int lock, bool clean);

/* Waits until the agent answers. False when it does not within the time or the port is closed. */
bool client_greet(int port, int console, unsigned seconds);
/* Runs options->argv with our own stdio. The exit status; *status as of waitpid(). -1: lost. */
int client_run(const struct lab_options *options, int port, int console);
/* The end of what the machine printed, for error messages. */
const char *client_console_tail(void);

#endif
