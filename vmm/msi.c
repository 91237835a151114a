/*
 * The two eventfds between KVM and the devices. Interrupts: each MSI-X vector of a device owns a
 * GSI: an eventfd bound to it by KVM_IRQFD and a route that says which message the GSI is. Writing
 * the eventfd sends the message. Notifications: a doorbell address is bound to an eventfd by
 * KVM_IOEVENTFD, so that ringing it needs no exit to us.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "vmm/machine.h"

#define FIRST_GSI 24u /* below: what an I/O APIC would have */

int msi_init(struct vm *vm, struct vm_error *err)
{
	vm->routing =
	    calloc(1, sizeof(*vm->routing) + VM_MAX_GSI * sizeof(struct kvm_irq_routing_entry));
	return vm->routing ? 0 : vm_fail(err, -ENOMEM, "out of memory");
}

int msi_alloc(struct vm *vm, int *gsi, int *eventfd_out)
{
	struct kvm_irqfd irqfd = {.gsi = FIRST_GSI + vm->ngsi};

	if (vm->ngsi == VM_MAX_GSI)
		return -ENOSPC;
	*eventfd_out = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (*eventfd_out < 0)
		return -errno;
	irqfd.fd = (uint32_t)*eventfd_out;
	if (ioctl(vm->vm_fd, KVM_IRQFD, &irqfd) < 0) {
		int e = -errno;

		close(*eventfd_out);
		return e;
	}
	*gsi = (int)irqfd.gsi;
	vm->ngsi++;
	return 0;
}

int msi_route(struct vm *vm, int gsi, uint64_t address, uint32_t data)
{
	struct kvm_irq_routing_entry *e = NULL;
	struct kvm_irq_routing *r = vm->routing;

	for (unsigned i = 0; i < r->nr && !e; i++)
		if (r->entries[i].gsi == (uint32_t)gsi)
			e = &r->entries[i];
	if (e && e->u.msi.address_lo == (uint32_t)address &&
	    e->u.msi.address_hi == (uint32_t)(address >> 32) && e->u.msi.data == data)
		return 0;
	if (!e)
		e = &r->entries[r->nr++];
	*e = (struct kvm_irq_routing_entry){
	    .gsi = (uint32_t)gsi,
	    .type = KVM_IRQ_ROUTING_MSI,
	    .u.msi = {.address_lo = (uint32_t)address,
		      .address_hi = (uint32_t)(address >> 32),
		      .data = data},
	};
	return ioctl(vm->vm_fd, KVM_SET_GSI_ROUTING, r) < 0 ? -errno : 0;
}

int doorbell_bind(struct vm *vm, gpa_t gpa, int fd)
{
	struct kvm_ioeventfd io = {
	    .addr = gpa,
	    .len = vm->any_length_ioeventfd ? 0 : 2, /* else the width drivers use */
	    .fd = fd,
	};

	return ioctl(vm->vm_fd, KVM_IOEVENTFD, &io) < 0 ? -errno : 0;
}
