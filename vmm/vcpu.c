/*
 * A vCPU: its descriptor, first registers, thread.
 *
 * vCPU 0 starts at the kernel's PVH entry; the others wait inside KVM until the kernel sends them
 * INIT and SIPI. The general, special and event registers are shared with KVM through the run
 * structure (KVM_CAP_SYNC_REGS), so that no exit needs a get or set call.
 *
 * Stopping: vm.stopping is set, then every thread gets VCPU_SIGNAL, whose handler sets
 * immediate_exit of the thread's own run structure. A signal that arrives before KVM_RUN makes the
 * next KVM_RUN return at once, one that arrives inside makes it return with EINTR.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vmm/machine.h"
#include "vmm/protect.h"

#define VCPU_SIGNAL SIGUSR1
#define VCPU_STACK  (256u << 10)

static __thread struct kvm_run *my_run;

static void on_kick(int sig)
{
	(void)sig;
	if (my_run)
		__atomic_store_n(&my_run->immediate_exit, 1, __ATOMIC_RELAXED);
}

int vcpu_create(struct vm *vm, unsigned id, struct vm_error *err)
{
	struct vcpu *v = &vm->vcpu[id];
	int size = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	v->vm = vm;
	v->id = id;
	v->fd = ioctl(vm->vm_fd, KVM_CREATE_VCPU, (unsigned long)id);
	if (v->fd < 0)
		return vm_fail(err, -errno, "cannot make CPU %u: %s", id, strerror(errno));
	if (size < (int)sizeof(*v->run))
		return vm_fail(err, -EIO, "KVM gave no size for a CPU's run structure");
	v->run_size = (size_t)size;
	v->run = mmap(NULL, v->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return vm_fail(err, -errno, "cannot map CPU %u: %s", id, strerror(errno));
	}
	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS | KVM_SYNC_X86_SREGS;
	if (id == 0) {
		int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

		vm->tsc_khz = khz > 0 ? (uint64_t)khz : 0;
	}
	return cpuid_setup(vm, v, err);
}

/* The boot protocol: 32-bit protected mode, flat segments, paging off, EBX = start info. */
int vcpu_reset_pvh(struct vcpu *v, gpa_t entry, gpa_t start_info, struct vm_error *err)
{
	const struct kvm_segment code = {
	    .limit = 0xffffffff, .selector = 8, .type = 0xb, .present = 1, .db = 1, .s = 1, .g = 1};
	const struct kvm_segment data = {
	    .limit = 0xffffffff, .selector = 16, .type = 3, .present = 1, .db = 1, .s = 1, .g = 1};
	const struct kvm_segment tss = {.limit = 0x67, .type = 0xb, .present = 1};
	const struct kvm_regs regs = {.rip = entry, .rbx = start_info, .rflags = 2};
	struct kvm_sregs sregs;

	if (ioctl(v->fd, KVM_GET_SREGS, &sregs) < 0)
		return vm_fail(err, -errno, "KVM_GET_SREGS: %s", strerror(errno));
	sregs.cs = code;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = data;
	sregs.tr = tss;
	sregs.cr0 = 0x11; /* PE, ET */
	sregs.cr3 = sregs.cr4 = sregs.efer = 0;
	if (ioctl(v->fd, KVM_SET_SREGS, &sregs) < 0 || ioctl(v->fd, KVM_SET_REGS, &regs) < 0)
		return vm_fail(err, -errno, "cannot set the first registers: %s", strerror(errno));
	return 0;
}

static void *vcpu_main(void *arg)
{
	struct vcpu *v = arg;
	struct vm *vm = v->vm;
	sigset_t set;

	my_run = v->run;
	sigemptyset(&set);
	sigaddset(&set, VCPU_SIGNAL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);

	while (!atomic_load(&vm->stopping)) {
		v->run->immediate_exit = 0; /* a signal after this makes KVM_RUN return at once */
		protect_park(v);
		if (atomic_load(&vm->stopping))
			break;
		if (ioctl(v->fd, KVM_RUN, 0) == 0) {
			if (!exit_handle(v))
				break;
			protect_after_exit(v);
		} else if (errno == EFAULT) {
			if (!protect_fault(v))
				break;
		} else if (errno == EINTR) {
			protect_after_exit(v);
		} else if (errno != EAGAIN) {
			vm_set_crash(vm, VM_END_CRASH, "KVM_RUN failed on CPU %u: %s", v->id,
				     strerror(errno));
			break;
		}
	}
	protect_gone(v);
	return NULL;
}

int vcpu_start(struct vcpu *v, struct vm_error *err)
{
	struct sigaction sa = {.sa_handler = on_kick};
	pthread_attr_t attr;
	sigset_t set;
	int r;

	sigaction(VCPU_SIGNAL, &sa, NULL);
	sigemptyset(&set);
	sigaddset(&set, VCPU_SIGNAL);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, VCPU_STACK);
	r = pthread_create(&v->thread, &attr, vcpu_main, v);
	pthread_attr_destroy(&attr);
	if (r)
		return vm_fail(err, -r, "cannot start CPU %u: %s", v->id, strerror(r));
	v->started = true;
	return 0;
}

void vcpus_stop(struct vm *vm)
{
	atomic_store(&vm->stopping, true);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		if (vm->vcpu[i].started)
			pthread_kill(vm->vcpu[i].thread, VCPU_SIGNAL);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		if (vm->vcpu[i].started) {
			pthread_join(vm->vcpu[i].thread, NULL);
			vm->vcpu[i].started = false;
		}
}

void vcpu_destroy(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_size);
	if (v->fd > 0)
		close(v->fd);
	v->run = NULL;
	v->fd = -1;
}
