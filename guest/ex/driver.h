/*
 * What the kernel and its modules know of each other. A module is a shared object without
 * relocations (guest/modules/module.ld): it reaches the kernel through a table of functions.
 *
 * DriverEntry is its first function, called once at PASSIVE_LEVEL. What it marks MODULE_KDP it can
 * write until DriverEntry has returned, and nobody after that where the host has protected memory.
 */
#ifndef NTMM_EX_DRIVER_H
#define NTMM_EX_DRIVER_H

#include "guest/ke/types.h"
#include "guest/ke/status.h"

#define MODULE_KDP   __attribute__((section(".kdp")))
#define MODULE_ENTRY __attribute__((section(".text.entry"), used))

struct driver_kernel {
	void (*print)(const char *format, ...);
	void *(*allocate)(u64 bytes, u32 tag);
	void (*free)(void *block);
};

struct driver_object {
	void (*unload)(struct driver_object *d,
		       const struct driver_kernel *kernel); /* NULL: never */
};

typedef NTSTATUS driver_entry_fn(struct driver_object *d, const struct driver_kernel *kernel);

/* For the vulnerable interface: the module loaded last, its protected data; 0: none. */
u64 ExLastModule(bool kdp);

#endif
