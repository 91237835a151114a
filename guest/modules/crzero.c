/* A kernel module that loads CR0. Nobody should let it in, whoever has approved its file. */
#include "guest/ex/driver.h"

MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel);
MODULE_ENTRY NTSTATUS DriverEntry(struct driver_object *d, const struct driver_kernel *kernel)
{
	u64 v;

	(void)d;
	__asm__ volatile("mov %%cr0, %0; mov %0, %%cr0" : "=r"(v)::"memory");
	kernel->print("crzero module: loaded\n");
	return STATUS_SUCCESS;
}
