/* A kernel module with a VMCALL, which it does not reach by itself. KVM answers one, past all page
 * tables; nobody should let it in, whoever has approved its file. */
#include "guest/ex/driver.h"

static void unload(struct driver_object *d, const struct driver_kernel *kernel)
{
	(void)d;
	(void)kernel;
}

MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel);
MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel)
{
	d->unload = unload;
	if (!kernel)
		__asm__ volatile("vmcall" ::: "memory");
	return STATUS_SUCCESS;
}
