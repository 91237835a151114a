/*
 * What happens when KVM_RUN returns: one row an exit reason, with its name and its handler.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/inspect.h"
#include "vmm/machine.h"
#include "vmm/protect.h"

const char *vcpu_where(struct vcpu *v, char *buf, size_t size)
{
	const struct kvm_regs *r = &v->run->s.regs.regs;
	const uint64_t cr3 = v->run->s.regs.sregs.cr3;
	char sym[128];

	if (!vm_symbol(v->vm, r->rip, sym, sizeof(sym)))
		snprintf(sym, sizeof(sym), "no symbol");
	snprintf(buf, size, "CPU %u at 0x%" PRIx64 " (%s), cr3 0x%" PRIx64 ", rsp 0x%" PRIx64 "%s",
		 v->id, (uint64_t)r->rip, sym, cr3, (uint64_t)r->rsp,
		 cr3 >= v->vm->ram.size ? "; page tables outside its memory" : "");
	return buf;
}

static bool exit_again(struct vcpu *v)
{
	(void)v;
	return true;
}

/* What a hypercall has left to be done without the lock. False: the machine ends. */
static bool after_hypercall(struct vcpu *v)
{
	struct vm *vm = v->vm;
	unsigned todo = v->todo;
	bool more = true;

	v->todo = 0;
	if (v->refused)
		more = violation_plain(vm, v, v->refused_rule, ACCESS_WRITE, v->refused_gpa,
				       v->refused);
	v->refused = NULL;
	if (todo & TODO_SEAL)
		protect_seal(v);
	if (todo & TODO_RELEASE)
		module_release(v);
	if (todo & TODO_INSPECT)
		inspect_ending(v);
	if (todo & TODO_NOTE) {
		protect_scan(v);
		violations_flush(vm);
		memcpy(vm->prot->note, v->note, sizeof(v->note));
	}
	return more;
}

static bool exit_io(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	uint8_t *data = (uint8_t *)run + run->io.data_offset;
	bool out = run->io.direction == KVM_EXIT_IO_OUT, more = true;
	struct vm *vm = v->vm;
	bool call =
	    run->io.port == NTMM_PORT_HYPERCALL && out && run->io.size == 4 && run->io.count == 1;

	if (call && (uint32_t)run->s.regs.regs.rax == NTMM_HC_EXIT)
		protect_scan(v);
	if (call && hvci_call(v, &more))
		return more;
	pthread_mutex_lock(&vm->io_lock);
	if (call) {
		vm->stats.hypercalls++;
		more = hypercall(v);
	} else if (run->io.port == NTMM_PORT_SERIAL && out && run->io.size == 1 &&
		   run->io.count > 1) {
		serial_transmit(&vm->serial, data, run->io.count);
	} else {
		vm->stats.io_requests++;
		for (uint32_t i = 0; i < run->io.count; i++, data += run->io.size)
			bus_access(&vm->ports, run->io.port, data, run->io.size, out);
	}
	pthread_mutex_unlock(&vm->io_lock);
	return (!call || after_hypercall(v)) && more;
}

static bool exit_mmio(struct vcpu *v)
{
	struct kvm_run *run = v->run;
	struct vm *vm = v->vm;
	const struct ept_arena *a = ept_find(&vm->ram.map, run->mmio.phys_addr);

	if (a)
		return protect_mmio(v, a);
	pthread_mutex_lock(&vm->io_lock);
	vm->stats.mmio_requests++;
	bus_access(&vm->mmio, run->mmio.phys_addr, run->mmio.data, run->mmio.len,
		   run->mmio.is_write);
	pthread_mutex_unlock(&vm->io_lock);
	return true;
}

static bool exit_shutdown(struct vcpu *v)
{
	char buf[256];
	bool reset = v->run->s.regs.sregs.cr3 == 0; /* kvm_amd resets the processor first */

	if (reset)
		vm_set_crash(v->vm, VM_END_CRASH, "triple fault: CPU %u (its registers are lost)",
			     v->id);
	else
		vm_set_crash(v->vm, VM_END_CRASH, "triple fault: %s",
			     vcpu_where(v, buf, sizeof(buf)));
	return false;
}

static bool exit_fail_entry(struct vcpu *v)
{
	vm_set_crash(v->vm, VM_END_CRASH,
		     "the processor refused the guest's state (hardware reason 0x%" PRIx64
		     ", CPU %u)",
		     (uint64_t)v->run->fail_entry.hardware_entry_failure_reason, v->id);
	return false;
}

static bool exit_internal(struct vcpu *v)
{
	char buf[256];

	vm_set_crash(v->vm, VM_END_CRASH, "KVM internal error, suberror %u: %s",
		     v->run->internal.suberror, vcpu_where(v, buf, sizeof(buf)));
	return false;
}

static bool exit_unexpected(struct vcpu *v)
{
	const char *name = vm_exit_name(v->run->exit_reason);
	char buf[256];

	vm_set_crash(v->vm, VM_END_CRASH, "unexpected exit %u (%s): %s", v->run->exit_reason,
		     name ? name : "unknown", vcpu_where(v, buf, sizeof(buf)));
	return false;
}

static const struct {
	const char *name;
	bool (*handler)(struct vcpu *v);
} exits[VM_MAX_EXIT_REASONS] = {
    [KVM_EXIT_UNKNOWN] = {"unknown", exit_unexpected},
    [KVM_EXIT_EXCEPTION] = {"exception", exit_unexpected},
    [KVM_EXIT_IO] = {"io", exit_io},
    [KVM_EXIT_HYPERCALL] = {"hypercall", exit_unexpected},
    [KVM_EXIT_DEBUG] = {"debug", exit_unexpected},
    [KVM_EXIT_HLT] = {"hlt", exit_unexpected},
    [KVM_EXIT_MMIO] = {"mmio", exit_mmio},
    [KVM_EXIT_IRQ_WINDOW_OPEN] = {"irq_window_open", exit_again},
    [KVM_EXIT_SHUTDOWN] = {"shutdown", exit_shutdown},
    [KVM_EXIT_FAIL_ENTRY] = {"fail_entry", exit_fail_entry},
    [KVM_EXIT_INTR] = {"intr", exit_again},
    [KVM_EXIT_INTERNAL_ERROR] = {"internal_error", exit_internal},
    [KVM_EXIT_SYSTEM_EVENT] = {"system_event", exit_unexpected},
    [KVM_EXIT_IOAPIC_EOI] = {"ioapic_eoi", exit_again},
    [KVM_EXIT_X86_RDMSR] = {"rdmsr", exit_unexpected},
    [KVM_EXIT_X86_WRMSR] = {"wrmsr", protect_wrmsr},
};

const char *vm_exit_name(unsigned reason)
{
	return reason < VM_MAX_EXIT_REASONS ? exits[reason].name : NULL;
}

bool exit_handle(struct vcpu *v)
{
	uint32_t reason = v->run->exit_reason;

	if (reason >= VM_MAX_EXIT_REASONS || !exits[reason].handler)
		return exit_unexpected(v);
	v->exits[reason]++;
	return exits[reason].handler(v);
}
