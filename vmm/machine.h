/*
 * Private to vmm/: struct vm and what its parts need of each other.
 *
 * Fields by letter: i = set before vm_run and constant after, L = vm.io_lock, l = the loop's thread
 * only, a = atomic.
 *
 *   vm.c         bring-up and end: /dev/kvm, memory slots, vCPUs, the call list of a start
 *   boot.c       kernel and PVH boot information into guest memory
 *   cpuid.c      what CPUID says
 *   vcpu.c       a vCPU's thread and first registers; exit.c: what happens at each exit
 *   hypercall.c  the doorbell port
 *   protect.h    the protection level: protect.c, violate.c, integrity.c, hc_protect.c
 *   loop.c       the device thread's event loop
 *   msi.c        MSI messages as irqfds, doorbells as ioeventfds
 *   inspect.h    others look in: inspect.c here, attach.c there
 *   pci.c        host bridge, configuration space; virtio_pci.c, virtqueue.c, virtio_*.c: devices
 */
#ifndef VMM_MACHINE_H
#define VMM_MACHINE_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdatomic.h>

#include "guest/abi/runblock.h"
#include "vmm/bus.h"
#include "vmm/elf.h"
#include "vmm/loop.h"
#include "vmm/ram.h"
#include "vmm/serial.h"
#include "vmm/vmm.h"

struct inspector;
struct pci_bus;
struct protect;
struct virtio_dev;
struct vm;

struct vcpu {
	struct vm *vm;
	unsigned id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	pthread_t thread;
	bool started;
	unsigned todo;	     /* TODO_*: what a hypercall leaves to be done without io_lock */
	const char *refused; /* likewise: a refusal to be recorded; NULL: none */
	gpa_t refused_gpa;
	enum ept_rule refused_rule;
	gpa_t released; /* TODO_RELEASE: code of a module that has been unloaded */
	char note[NTMM_NOTE_BYTES];
	uint64_t exits[VM_MAX_EXIT_REASONS]; /* its own thread; read after join */
};

enum { TODO_SEAL = 1, TODO_NOTE = 2, TODO_RELEASE = 4, TODO_INSPECT = 8 };

#define VM_MAX_GSI     256
#define VM_MAX_DEVICES 48

/* The thread that serves the 9P shares. L */
struct files_thread {
	pthread_t thread;
	pthread_cond_t wake;
	bool running, quit;
};

struct vm {
	struct vm_config config; /* i */
	int kvm_fd, vm_fd, mem_fd;
	struct guest_ram ram; /* i */
	struct elf_image kernel;
	struct protect *prot;	/* i */
	struct bus ports, mmio; /* i; devices behind them L */
	struct serial serial;	/* L */
	pthread_mutex_t io_lock;

	struct vcpu vcpu[VM_MAX_CPUS]; /* i */
	unsigned nvcpus;
	atomic_bool stopping; /* vCPU threads leave at their next chance */
	uint64_t tsc_khz;     /* i */
	bool any_length_ioeventfd;

	struct loop loop; /* l */
	struct loop_source end_source, signal_source, timer_source;

	/* MSI routes: index is the GSI. L */
	struct kvm_irq_routing *routing;
	unsigned ngsi;

	struct pci_bus *pci;
	struct virtio_dev *device[VM_MAX_DEVICES]; /* i */
	unsigned ndevices;
	struct virtio_dev *console;		       /* i; NULL: none */
	struct pagefile *pagefile[NTMM_MAX_PAGEFILES]; /* i */
	struct virtio_dev *pagefile_dev[NTMM_MAX_PAGEFILES];

	struct files_thread files;
	struct inspector *inspector; /* l; NULL: nobody may look in */

	struct vm_result result;	     /* L */
	bool ended;			     /* L: result is set */
	bool ending;			     /* L: NTMM_HC_ENDING has been called */
	gpa_t published[NTMM_PUBLISH_COUNT]; /* L; 0: not */
	uint64_t published_bytes[NTMM_PUBLISH_COUNT];
	struct vm_stats stats; /* L */
};

uint64_t vm_now_ns(void);

/* Sets the result, unless there is one, and wakes the loop. => io_lock held */
void vm_set_end(struct vm *vm, const struct vm_result *result);
__attribute__((format(printf, 3, 4))) void vm_set_crash(struct vm *vm, enum vm_end end,
							const char *fmt, ...);
__attribute__((format(printf, 2, 3))) void vm_warn(struct vm *vm, const char *fmt, ...);

/* boot.c. Layout first (it carves the arenas), load once memory is mapped. */
int boot_layout(struct vm *vm, struct vm_error *err);
int boot_load(struct vm *vm, gpa_t *start_info, struct vm_error *err);

/* memory.c */
int memory_map(struct vm *vm, struct vm_error *err);
/* How much of guest RAM the host has in memory, and in what pages. */
void memory_measure(const struct vm *vm, struct vm_stats *stats);

/* cpuid.c */
/* Are we on a processor that QEMU translates? Its hypervisor leaf says so. */
bool cpu_is_emulated(void);
int cpuid_setup(struct vm *vm, struct vcpu *vcpu, struct vm_error *err);

/* vcpu.c */
int vcpu_create(struct vm *vm, unsigned id, struct vm_error *err);
int vcpu_reset_pvh(struct vcpu *vcpu, gpa_t entry, gpa_t start_info, struct vm_error *err);
int vcpu_start(struct vcpu *vcpu, struct vm_error *err);
/* Makes every vCPU thread leave and waits for them. => io_lock not held */
void vcpus_stop(struct vm *vm);
void vcpu_destroy(struct vcpu *vcpu);

/* exit.c: after KVM_RUN has returned 0. False: this vCPU is done. */
bool exit_handle(struct vcpu *vcpu);

/* Describes where a vCPU stood; returns buf. */
const char *vcpu_where(struct vcpu *v, char *buf, size_t size);

/* hypercall.c. => io_lock held. False: this vCPU is done. */
bool hypercall(struct vcpu *vcpu);

/* msi.c. A route is made once and changed as the guest writes its MSI-X table. */
int msi_init(struct vm *vm, struct vm_error *err);
/* New GSI with an eventfd that raises it; -errno. */
int msi_alloc(struct vm *vm, int *gsi, int *eventfd);
/* => io_lock held */
int msi_route(struct vm *vm, int gsi, uint64_t address, uint32_t data);
/* Writes of the guest to this address (16 bits wide, or any width) count up the eventfd. */
int doorbell_bind(struct vm *vm, gpa_t gpa, int fd);

/* virtio_9p.c: starts and stops the thread of the shares. => io_lock not held */
int files_start(struct vm *vm);
void files_stop(struct vm *vm);

/* sandbox.c: the seccomp filter for all threads made from now on. */
int sandbox_enter(struct vm *vm, struct vm_error *err);

#endif
