/*
 * vmm: a KVM virtual machine that boots a PVH kernel and gives it virtio devices.
 *
 * Glossary. gpa: guest-physical address. slot: a KVM memory slot, one for each arena of the
 * guest-physical map (ept/). exit: a return from KVM_RUN. loop: the one thread that serves devices.
 *
 * Life of a machine: vm_create (memory, kernel, vCPUs), vm_add_* (devices, in the order in which
 * the guest finds them), vm_run (blocks until the machine ends), vm_destroy.
 *
 * Threads. One a vCPU, one for the files of the shares, and the thread that calls vm_run, which
 * serves all other devices (the loop). vm.io_lock guards every device: held by a vCPU thread while
 * it performs a port or MMIO access or a hypercall, and by the loop around each event. The
 * guest-physical map is constant once vm_run has begun.
 *
 * No function here prints or exits: errors are -errno with a line of text in struct vm_error.
 */
#ifndef VMM_VMM_H
#define VMM_VMM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ept/rules.h"
#include "guest/abi/counters.h"
#include "guest/abi/machine.h"
#include "pagefile/pagefile.h"

struct vm;

struct vm_error {
	char text[320]; /* one line: what, where, what to do */
};

/* Fills in the text and returns code. */
__attribute__((format(printf, 3, 4))) int vm_fail(struct vm_error *err, int code, const char *fmt,
						  ...);

#define VM_MAX_CPUS   64
#define VM_MIN_MEMORY (8u << 20)
#define VM_MAX_MEMORY (1ull << 42)

/* A piece of kernel memory that a policy protects: the object of that name in the kernel's symbol
 * table, in whole pages. */
#define VM_MAX_REGIONS 16
struct vm_region {
	char name[48]; /* in events */
	const char *symbol;
	enum ept_action action;
};

#define VM_MAX_APPROVED 32
#define VM_HASH		32u
void vm_hash(const void *data, size_t bytes, uint8_t hash[VM_HASH]); /* SHA-256 */

struct vm_protection {
	enum ept_level level;
	struct ept_rules rules;
	bool vulnerable;    /* the kernel offers its vulnerable driver interface */
	unsigned napproved; /* SHA-256 of the kernel modules that level hvci lets in */
	uint8_t approved[VM_MAX_APPROVED][VM_HASH];
	unsigned nregions;
	struct vm_region region[VM_MAX_REGIONS];
	uint64_t scan_seed;    /* of the random times */
	uint64_t scan_mean_ns; /* between scans; 0: none by time */
	uint64_t scan_exits;   /* a scan at every so many exits; 0: none */
	/* Called from any thread, one call at a time. */
	void (*event)(void *arg, const struct ept_violation *v);
	void *event_arg;
};

/*
 * The memory of a machine that stands still, of this process (vm_config.ending) or of another
 * (vm_attach), for somebody who looks and changes nothing. Secure memory is never to be seen.
 */
#define VM_MOMENT_NS 1000000
struct vm_window {
	uint64_t ram_bytes;
	uint64_t root, root_bytes; /* gpa of struct ntmm_mminfo; 0: not published yet */
	uint64_t now_ns;	   /* CLOCK_MONOTONIC, when it was stopped */
	unsigned cpus;
	/* Copies memory. 0; -EFAULT: there is none, or secure memory; other: the machine is gone.
	 */
	int (*read)(struct vm_window *w, uint64_t gpa, void *buf, size_t len);
	/* The machine goes on for VM_MOMENT_NS and is stopped again. */
	int (*again)(struct vm_window *w);
};

struct vm_config {
	struct vm_protection protection;
	uint64_t memory; /* bytes, whole pages */
	unsigned cpus;
	const void *kernel; /* the ELF file; must stay until vm_destroy */
	size_t kernel_size;
	const char *kernel_name; /* for messages */
	const char *cmdline;
	const void *runblock; /* first PVH module; may be NULL */
	size_t runblock_size;
	int serial_fd;	     /* serial port output goes here; -1: kept for vm_serial_tail() only */
	bool test_faults;    /* NTMM_HC_INJECT allowed */
	bool sandbox;	     /* seccomp filter on every thread before the guest runs */
	uint64_t timeout_ns; /* 0: none */
	/* Called from the loop with one line about a device that was stopped and the like. */
	void (*warn)(void *arg, const char *line);
	void *warn_arg;
	/* NULL, or called in a vCPU's thread when the program has ended: its memory is still there,
	 * nothing runs. */
	void (*ending)(void *arg, struct vm_window *w);
	void *ending_arg;
};

/* Can this file be booted? -ENOEXEC with a line of text. */
int vm_check_kernel(const void *kernel, size_t size, const char *name, struct vm_error *err);

int vm_create(const struct vm_config *config, struct vm **out, struct vm_error *err);
void vm_destroy(struct vm *vm);

/* virtio-blk over pagefile number `index`. The pagefile stays the caller's. */
int vm_add_pagefile(struct vm *vm, unsigned index, struct pagefile *pf, struct vm_error *err);

/* virtio-console: port 0 reads in_fd and writes out_fd, port 1 writes err_fd. */
int vm_add_console(struct vm *vm, int in_fd, int out_fd, int err_fd, struct vm_error *err);

/* A folder of a 9P share. The share's root shows the content of the folder whose `prefix` is "";
 * other prefixes ("Windows/System32") are seen as if their folders lay there. */
struct vm_share_dir {
	const char *prefix;
	int dirfd; /* stays the caller's */
};

/* virtio-9p with the given lower-case letter as its mount tag. */
int vm_add_share(struct vm *vm, char letter, bool writable, const struct vm_share_dir *dirs,
		 unsigned ndirs, struct vm_error *err);

/*
 * Other processes of the same user may look into the machine by this name (digits) while it runs,
 * and stop it for some seconds. -EADDRINUSE: there is a machine of that name.
 */
#define VM_MACHINE_NAME 16u
int vm_add_inspector(struct vm *vm, const char *name, struct vm_error *err);

/* The other side. vm_attach stops the machine, vm_detach lets it go on; in between there is not
 * more than half a minute. -ENOENT: there is no such machine. */
int vm_attach(const char *name, struct vm_window **out, struct vm_error *err);
void vm_detach(struct vm_window *w);
/* The machines of this user, at most max; how many. */
unsigned vm_machines(char name[][VM_MACHINE_NAME], unsigned max);

enum vm_end {
	VM_END_EXIT,	  /* the program ended: exit_code */
	VM_END_BUGCHECK,  /* the kernel stopped itself: bugcheck */
	VM_END_SIGNAL,	  /* SIGINT, SIGTERM or SIGHUP: signal */
	VM_END_TIMEOUT,	  /* timeout_ns is over */
	VM_END_CRASH,	  /* triple fault or KVM could not go on: text */
	VM_END_VIOLATION, /* the guest touched protected memory: text */
};

struct vm_result {
	enum vm_end end;
	uint32_t exit_code;
	int signal;
	struct ntmm_bugcheck bugcheck;
	char text[320];
};

/*
 * Runs the machine to its end. SIGINT, SIGTERM and SIGHUP are blocked in the whole process and
 * taken by the loop. 0, or -errno if it could not be started.
 */
int vm_run(struct vm *vm, struct vm_result *result, struct vm_error *err);

/* KVM exits by reason and what else the VMM counts. Valid when vm_run has returned. */
#define VM_MAX_EXIT_REASONS 48
struct vm_stats {
	uint64_t exits[VM_MAX_EXIT_REASONS]; /* index: KVM_EXIT_* */
	uint64_t exits_total;
	uint64_t hypercalls;
	uint64_t io_requests, mmio_requests; /* of those, device accesses */
	uint64_t interrupts;		     /* MSI-X messages sent by devices */
	uint64_t notifies;		     /* queue notifications received */
	uint64_t start_ns;		     /* CLOCK_MONOTONIC at vm_run */
	uint64_t end_ns;
	uint64_t mark_ns[NTMM_MARK_COUNT]; /* 0: not reached */
	uint64_t scans, violations;
	uint64_t table_changes, cr3_loads; /* by hypercall, at level hvci */
	unsigned slots, slots_readonly;
	/* of guest RAM: in host memory, and of that in transparent large pages and in hugetlb's */
	uint64_t ram_bytes, ram_resident, ram_thp, ram_hugetlb;
};
void vm_get_stats(struct vm *vm, struct vm_stats *stats);
const char *vm_exit_name(unsigned reason); /* NULL: unknown */

/* The guest's counters, or -ENOENT when it published none, -EPROTO when they make no sense. */
int vm_get_counters(struct vm *vm, struct ntmm_counters *counters);
/* What its images shared; likewise. Names are NUL-terminated and printable. */
int vm_get_sharing(struct vm *vm, struct ntmm_sharing *sharing);

/* Names a kernel address as "name+0x12"; false if the kernel has no symbol for it. */
bool vm_symbol(struct vm *vm, uint64_t va, char *buf, size_t size);

/* Where a CPU stood when it last left the guest; false if there is no such CPU. */
bool vm_where(struct vm *vm, unsigned cpu, char *buf, size_t size);

/* The last bytes that the guest wrote to its serial port, NUL-terminated. */
const char *vm_serial_tail(struct vm *vm);

/* What this host's KVM offers and whether it is fit (probe.c). */
#define VM_PROBE_TESTS 6
struct vm_probe_test {
	const char *name;
	bool ok;
	char text[160]; /* what was seen */
};
struct vm_probe {
	bool opened; /* /dev/kvm can be used at all */
	int open_errno;
	int api_version;
	bool fit; /* every test passed */
	unsigned ntests;
	struct vm_probe_test test[VM_PROBE_TESTS];
	uint64_t alu_per_second; /* instructions a second of the timed loop */
	char reason[320];	 /* one line: why it is not fit */
};
void vm_probe(struct vm_probe *probe);

/* A capability the VMM asks for. */
struct vm_capability {
	const char *name;
	long value; /* as KVM_CHECK_EXTENSION says, of a VM */
	bool required;
};
/* Number of rows; rows are filled up to max. -errno when /dev/kvm cannot be used. */
int vm_capabilities(struct vm_capability *rows, unsigned max);

#endif
