/*
 * A machine from /dev/kvm to its end. vm_create is a list of steps, each of which leaves struct vm
 * in a state that vm_destroy can take down.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/memfd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "vmm/inspect.h"
#include "vmm/machine.h"
#include "vmm/pci.h"
#include "vmm/protect.h"
#include "vmm/virtio.h"

#define TSS_GPA	     0xfffbd000ul /* three pages that Intel's KVM needs; no RAM is there */
#define IDENTITY_GPA 0xfffbc000ul

int vm_fail(struct vm_error *err, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err->text, sizeof(err->text), fmt, ap);
	va_end(ap);
	return code;
}

void vm_warn(struct vm *vm, const char *fmt, ...)
{
	char line[320];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (vm->config.warn)
		vm->config.warn(vm->config.warn_arg, line);
}

uint64_t vm_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* ---- creation ---- */

static const struct {
	long cap;
	const char *name;
	bool required;
} capabilities[] = {
    {KVM_CAP_USER_MEMORY, "KVM_CAP_USER_MEMORY", true},
    {KVM_CAP_READONLY_MEM, "KVM_CAP_READONLY_MEM", true},
    {KVM_CAP_SYNC_REGS, "KVM_CAP_SYNC_REGS", true},
    {KVM_CAP_SPLIT_IRQCHIP, "KVM_CAP_SPLIT_IRQCHIP", true},
    {KVM_CAP_IRQFD, "KVM_CAP_IRQFD", true},
    {KVM_CAP_IOEVENTFD, "KVM_CAP_IOEVENTFD", true},
    {KVM_CAP_IRQ_ROUTING, "KVM_CAP_IRQ_ROUTING", true},
    {KVM_CAP_SIGNAL_MSI, "KVM_CAP_SIGNAL_MSI", true},
    {KVM_CAP_IMMEDIATE_EXIT, "KVM_CAP_IMMEDIATE_EXIT", true},
    {KVM_CAP_EXT_CPUID, "KVM_CAP_EXT_CPUID", true},
    {KVM_CAP_GET_TSC_KHZ, "KVM_CAP_GET_TSC_KHZ", true},
    {KVM_CAP_TSC_DEADLINE_TIMER, "KVM_CAP_TSC_DEADLINE_TIMER", false},
    {KVM_CAP_IOEVENTFD_ANY_LENGTH, "KVM_CAP_IOEVENTFD_ANY_LENGTH", false},
    {KVM_CAP_X2APIC_API, "KVM_CAP_X2APIC_API", false},
    {KVM_CAP_NR_MEMSLOTS, "KVM_CAP_NR_MEMSLOTS", false},
    {KVM_CAP_MAX_VCPUS, "KVM_CAP_MAX_VCPUS", false},
    {KVM_CAP_X86_USER_SPACE_MSR, "KVM_CAP_X86_USER_SPACE_MSR", false},
    {KVM_CAP_X86_MSR_FILTER, "KVM_CAP_X86_MSR_FILTER", false},
    {KVM_CAP_BINARY_STATS_FD, "KVM_CAP_BINARY_STATS_FD", false},
#ifdef KVM_CAP_MEMORY_FAULT_INFO
    {KVM_CAP_MEMORY_FAULT_INFO, "KVM_CAP_MEMORY_FAULT_INFO", false},
#endif
};
#define NCAPABILITIES (sizeof(capabilities) / sizeof(capabilities[0]))

int vm_capabilities(struct vm_capability *rows, unsigned max)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd, e;

	if (kvm < 0)
		return -errno;
	fd = ioctl(kvm, KVM_CREATE_VM, 0);
	e = errno;
	close(kvm);
	if (fd < 0)
		return -e;
	for (unsigned i = 0; i < NCAPABILITIES && i < max; i++)
		rows[i] = (struct vm_capability){
		    capabilities[i].name, ioctl(fd, KVM_CHECK_EXTENSION, capabilities[i].cap),
		    capabilities[i].required};
	close(fd);
	return NCAPABILITIES;
}

static int open_kvm(struct vm *vm, struct vm_error *err)
{
	vm->kvm_fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm->kvm_fd < 0)
		return vm_fail(err, -errno, "/dev/kvm: %s", strerror(errno));
	do
		vm->vm_fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	while (vm->vm_fd < 0 && errno == EINTR);
	if (vm->vm_fd < 0)
		return vm_fail(err, -errno, "KVM cannot make a machine: %s", strerror(errno));
	for (unsigned i = 0; i < NCAPABILITIES; i++)
		if (capabilities[i].required &&
		    ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, capabilities[i].cap) <= 0)
			return vm_fail(err, -ENOTSUP, "this host's KVM lacks %s",
				       capabilities[i].name);
	vm->any_length_ioeventfd =
	    ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IOEVENTFD_ANY_LENGTH) > 0;
	return 0;
}

/* One slot for each arena the guest may at least read. */
static int make_slots(struct vm *vm, struct vm_error *err)
{
	const struct ept_map *map = &vm->ram.map;

	for (unsigned i = 0; i < map->count; i++) {
		const struct ept_arena *a = &map->arena[i];
		enum ept_slot kind = ept_slot_for(a);
		struct kvm_userspace_memory_region r = {
		    .slot = i,
		    .flags = kind == EPT_SLOT_READONLY ? KVM_MEM_READONLY : 0,
		    .guest_phys_addr = a->gpa.start,
		    .memory_size = a->gpa.end - a->gpa.start,
		    .userspace_addr = (uintptr_t)vm->ram.base + a->offset,
		};

		if (kind == EPT_SLOT_ABSENT)
			continue;
		if (ioctl(vm->vm_fd, KVM_SET_USER_MEMORY_REGION, &r) < 0)
			return vm_fail(err, -errno, "KVM refused memory slot %u (%s): %s", i,
				       ept_kind_name(a->kind), strerror(errno));
		vm->stats.slots++;
		vm->stats.slots_readonly += kind == EPT_SLOT_READONLY;
	}
	return 0;
}

/* The local APICs stay in KVM; there is no I/O APIC, no PIC and no PIT. */
static int make_irqchip(struct vm *vm, struct vm_error *err)
{
	struct kvm_enable_cap split = {.cap = KVM_CAP_SPLIT_IRQCHIP, .args = {0}};
	uint64_t identity = IDENTITY_GPA;

	if (ioctl(vm->vm_fd, KVM_SET_TSS_ADDR, TSS_GPA) < 0 ||
	    ioctl(vm->vm_fd, KVM_SET_IDENTITY_MAP_ADDR, &identity) < 0)
		return vm_fail(err, -errno, "KVM_SET_TSS_ADDR: %s", strerror(errno));
	if (ioctl(vm->vm_fd, KVM_ENABLE_CAP, &split) < 0)
		return vm_fail(err, -errno, "KVM_CAP_SPLIT_IRQCHIP: %s", strerror(errno));
	return msi_init(vm, err);
}

static int make_devices(struct vm *vm, struct vm_error *err)
{
	int r = serial_init(&vm->serial, &vm->ports, vm->config.serial_fd);

	vm->pci = calloc(1, sizeof(*vm->pci));
	if (!vm->pci)
		return vm_fail(err, -ENOMEM, "out of memory");
	if (r == 0)
		r = pci_init(vm->pci, &vm->ports);
	if (r == 0)
		r = loop_init(&vm->loop);
	return r ? vm_fail(err, r, "devices cannot be set up: %s", strerror(-r)) : 0;
}

int vm_check_kernel(const void *kernel, size_t size, const char *name, struct vm_error *err)
{
	struct elf_image image;

	return elf_parse(kernel, size, name, &image, err);
}

static int check_config(const struct vm_config *c, struct vm_error *err)
{
	if (c->memory < VM_MIN_MEMORY || c->memory > VM_MAX_MEMORY || c->memory % NTMM_PAGE_SIZE)
		return vm_fail(err, -EINVAL,
			       "memory has to be %u MB to %llu GB, in whole pages of 4 KB",
			       VM_MIN_MEMORY >> 20, VM_MAX_MEMORY >> 30);
	if (c->cpus < 1 || c->cpus > VM_MAX_CPUS)
		return vm_fail(err, -EINVAL, "the number of CPUs has to be 1 to %u", VM_MAX_CPUS);
	return 0;
}

int vm_create(const struct vm_config *config, struct vm **out, struct vm_error *err)
{
	struct vm *vm = calloc(1, sizeof(*vm));
	gpa_t info = 0;
	int r;

	*out = NULL;
	if (!vm)
		return vm_fail(err, -ENOMEM, "out of memory");
	vm->config = *config;
	vm->kvm_fd = vm->vm_fd = vm->mem_fd = vm->loop.epoll_fd = -1;
	vm->end_source.fd = vm->signal_source.fd = vm->timer_source.fd = -1;
	for (unsigned i = 0; i < VM_MAX_CPUS; i++)
		vm->vcpu[i].fd = -1;
	pthread_mutex_init(&vm->io_lock, NULL);

	if ((r = protect_create(vm, err)) < 0 || (r = check_config(config, err)) < 0 ||
	    (r = elf_parse(config->kernel, config->kernel_size, config->kernel_name, &vm->kernel,
			   err)) < 0 ||
	    (r = boot_layout(vm, err)) < 0 || (r = open_kvm(vm, err)) < 0 ||
	    (r = memory_map(vm, err)) < 0 || (r = boot_load(vm, &info, err)) < 0 ||
	    (r = make_slots(vm, err)) < 0 || (r = make_irqchip(vm, err)) < 0 ||
	    (r = make_devices(vm, err)) < 0)
		goto fail;
	vm->nvcpus = config->cpus;
	for (unsigned i = 0; i < vm->nvcpus; i++)
		if ((r = vcpu_create(vm, i, err)) < 0)
			goto fail;
	if ((r = protect_start(vm, err)) < 0)
		goto fail;
	if ((r = vcpu_reset_pvh(&vm->vcpu[0], vm->kernel.entry, info, err)) < 0)
		goto fail;
	*out = vm;
	return 0;
fail:
	vm_destroy(vm);
	return r;
}

void vm_destroy(struct vm *vm)
{
	const int fds[] = {vm->end_source.fd,
			   vm->signal_source.fd,
			   vm->timer_source.fd,
			   vm->mem_fd,
			   vm->vm_fd,
			   vm->kvm_fd,
			   vm->prot ? vm->prot->timer.fd : -1};

	inspect_close(vm);
	for (unsigned i = 0; i < vm->ndevices; i++)
		vm->device[i]->ops->destroy(vm->device[i]);
	for (unsigned i = 0; i < VM_MAX_CPUS; i++)
		vcpu_destroy(&vm->vcpu[i]);
	loop_destroy(&vm->loop);
	if (vm->ram.base)
		munmap(vm->ram.base, vm->ram.size);
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	protect_destroy(vm);
	free(vm->routing);
	free(vm->pci);
	pthread_mutex_destroy(&vm->io_lock);
	free(vm);
}

/* ---- the run ---- */

void vm_set_end(struct vm *vm, const struct vm_result *result)
{
	if (vm->ended)
		return;
	vm->ended = true;
	vm->result = *result;
	vm->stats.end_ns = vm_now_ns();
	eventfd_write(vm->end_source.fd, 1);
}

void vm_set_crash(struct vm *vm, enum vm_end end, const char *fmt, ...)
{
	struct vm_result r = {.end = end};
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r.text, sizeof(r.text), fmt, ap);
	va_end(ap);
	pthread_mutex_lock(&vm->io_lock);
	vm_set_end(vm, &r);
	pthread_mutex_unlock(&vm->io_lock);
}

static void on_end(struct loop_source *s, uint32_t events)
{
	struct vm *vm = (struct vm *)((char *)s - offsetof(struct vm, end_source));

	(void)events;
	vm->loop.quit = true;
}

static void on_signal(struct loop_source *s, uint32_t events)
{
	struct vm *vm = (struct vm *)((char *)s - offsetof(struct vm, signal_source));
	struct vm_result r = {.end = VM_END_SIGNAL};
	struct signalfd_siginfo info;

	(void)events;
	if (read(s->fd, &info, sizeof(info)) != sizeof(info))
		return;
	r.signal = (int)info.ssi_signo;
	vm_set_end(vm, &r);
}

static void on_timer(struct loop_source *s, uint32_t events)
{
	struct vm *vm = (struct vm *)((char *)s - offsetof(struct vm, timer_source));
	struct vm_result r = {.end = VM_END_TIMEOUT};

	(void)events;
	vm_set_end(vm, &r);
}

static int watch_events(struct vm *vm)
{
	sigset_t set;
	int r;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	vm->signal_source.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	vm->signal_source.ready = on_signal;
	vm->end_source.fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	vm->end_source.ready = on_end;
	vm->timer_source.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	vm->timer_source.ready = on_timer;
	if (vm->signal_source.fd < 0 || vm->end_source.fd < 0 || vm->timer_source.fd < 0)
		return -errno;
	if (vm->config.timeout_ns) {
		struct itimerspec t = {.it_value = {(time_t)(vm->config.timeout_ns / 1000000000u),
						    (long)(vm->config.timeout_ns % 1000000000u)}};

		if (timerfd_settime(vm->timer_source.fd, 0, &t, NULL) < 0)
			return -errno;
	}
	if ((r = loop_watch(&vm->loop, &vm->signal_source, EPOLLIN)) < 0 ||
	    (r = loop_watch(&vm->loop, &vm->end_source, EPOLLIN)) < 0)
		return r;
	return loop_watch(&vm->loop, &vm->timer_source, EPOLLIN);
}

/* What the guest had handed over before it ended must still come out. */
static void drain_console(struct vm *vm)
{
	bool wait = vm->result.end != VM_END_SIGNAL && vm->result.end != VM_END_TIMEOUT;

	pthread_mutex_lock(&vm->io_lock);
	if (vm->console)
		virtio_console_flush(vm->console, wait);
	serial_flush(&vm->serial);
	pthread_mutex_unlock(&vm->io_lock);
}

int vm_run(struct vm *vm, struct vm_result *result, struct vm_error *err)
{
	int r = watch_events(vm);

	if (r == 0)
		r = scan_start_timer(vm);

	if (r < 0)
		return vm_fail(err, r, "the event loop cannot be set up: %s", strerror(-r));
	if (vm->config.sandbox && (r = sandbox_enter(vm, err)) < 0)
		return r;
	if ((r = files_start(vm)) < 0)
		return vm_fail(err, r, "no thread can be started: %s", strerror(-r));
	vm->stats.start_ns = vm_now_ns();
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		r = vcpu_start(&vm->vcpu[i], err);
		if (r < 0) {
			vcpus_stop(vm);
			files_stop(vm);
			return r;
		}
	}
	loop_run(&vm->loop, &vm->io_lock);
	inspect_close(vm);
	vcpus_stop(vm);
	files_stop(vm);
	violations_flush(vm);
	drain_console(vm);
	*result = vm->result;
	return 0;
}

/* ---- what is known afterwards ---- */

void vm_get_stats(struct vm *vm, struct vm_stats *stats)
{
	*stats = vm->stats;
	stats->ram_bytes = vm->ram.size;
	stats->scans = vm->prot->scans;
	stats->violations = vm->prot->violations;
	stats->table_changes = vm->prot->table_changes;
	stats->cr3_loads = vm->prot->cr3_loads;
	memory_measure(vm, stats);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		for (unsigned k = 0; k < VM_MAX_EXIT_REASONS; k++) {
			stats->exits[k] += vm->vcpu[i].exits[k];
			stats->exits_total += vm->vcpu[i].exits[k];
		}
}

int vm_get_counters(struct vm *vm, struct ntmm_counters *counters)
{
	const void *p;

	if (vm->published_bytes[NTMM_PUBLISH_COUNTERS] == 0)
		return -ENOENT;
	p = ram_ptr(&vm->ram, vm->published[NTMM_PUBLISH_COUNTERS], sizeof(*counters), EPT_R);
	memcpy(counters, p, sizeof(*counters));
	if (counters->magic != NTMM_COUNTERS_MAGIC || counters->version != NTMM_COUNTERS_VERSION ||
	    counters->count !=
		(sizeof(*counters) - offsetof(struct ntmm_counters, count) - 4) / sizeof(uint64_t))
		return -EPROTO;
	return 0;
}

int vm_get_sharing(struct vm *vm, struct ntmm_sharing *sharing)
{
	const void *p;

	if (vm->published_bytes[NTMM_PUBLISH_SHARING] == 0)
		return -ENOENT;
	p = ram_ptr(&vm->ram, vm->published[NTMM_PUBLISH_SHARING], sizeof(*sharing), EPT_R);
	memcpy(sharing, p, sizeof(*sharing));
	if (sharing->magic != NTMM_SHARING_MAGIC)
		return -EPROTO;
	for (unsigned i = 0; i < NTMM_SHARING_IMAGES; i++)
		for (unsigned k = 0; k < NTMM_SHARING_NAME; k++) {
			char *c = &sharing->image[i].name[k];

			if (k == NTMM_SHARING_NAME - 1)
				*c = 0;
			else if (*c && (*c < ' ' || *c > '~')) /* a hostile kernel's text */
				*c = '?';
		}
	return 0;
}

bool vm_symbol(struct vm *vm, uint64_t va, char *buf, size_t size)
{
	const char *name;
	uint64_t offset;

	if (!elf_symbol(&vm->kernel, va, &name, &offset))
		return false;
	snprintf(buf, size, "%s+0x%" PRIx64, name, offset);
	return true;
}

bool vm_where(struct vm *vm, unsigned cpu, char *buf, size_t size)
{
	if (cpu >= vm->nvcpus)
		return false;
	vcpu_where(&vm->vcpu[cpu], buf, size);
	return true;
}

const char *vm_serial_tail(struct vm *vm)
{
	return serial_tail(&vm->serial);
}
