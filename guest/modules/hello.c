/* A small kernel module: sets up data that nobody is to change after it, and says hello. */
#include "guest/ex/driver.h"

MODULE_KDP static volatile u64 secret;
static volatile u64 loads;

static void unload(struct driver_object *d, const struct driver_kernel *kernel)
{
	(void)d;
	kernel->print("hello module: unloaded, secret %lx\n", secret);
}

MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel);
MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel)
{
	void *block = kernel->allocate(64, 0x6f6c6c48);

	secret = 0x1122334455667788;
	loads++;
	d->unload = unload;
	kernel->free(block);
	kernel->print("hello module: loaded\n");
	return block ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}
