/*
 * protect: the machine's protection level at work. Private to vmm/.
 *
 *   protect.c    set-up, sealing, the MSR filter, regions
 *   violate.c    records of violations, and the three actions at the instruction that did it
 *   integrity.c  scans: stopping the machine, collecting registers, what was found
 *   hc_protect.c the hypercalls of protected data, secure pool and vault
 *   module.c     kernel modules: approval, and code that the guest cannot write
 *   hvci.c       page tables at level hvci: their hypercalls, loads of CR3
 *
 * Locks. kdp and vault: vm.io_lock. Page tables: table_lock, taken after it if both. Events:
 * event_lock, taken last. Stopping the world: pause_lock, never taken with another lock held but by
 * nobody who waits for it.
 */
#ifndef VMM_PROTECT_H
#define VMM_PROTECT_H

#include "ept/kdp.h"
#include "ept/scan.h"
#include "ept/tables.h"
#include "vmm/machine.h"

#define PROTECT_MSRS	 8u
#define PROTECT_FINDINGS 64u

struct finding_key {
	enum ept_rule rule;
	uint64_t where;
};

struct protect {
	struct vm_protection config; /* i */
	struct ept_memory memory;    /* i */
	struct ept_kdp kdp;	     /* L */
	struct ept_vault vault;	     /* L */
	bool has_kdp;		     /* i */

	pthread_mutex_t table_lock;
	struct ept_tables tables;	   /* table_lock */
	struct gpa_range table_pool;	   /* i; empty: not at level hvci */
	uint64_t table_changes, cr3_loads; /* table_lock */
	atomic_bool sealed;

	pthread_mutex_t pause_lock;
	pthread_cond_t pause_cond;
	atomic_bool pausing;
	bool resuming; /* pause_lock, as the two below */
	unsigned parked, gone;

	/* While the world is stopped. */
	struct scan_baseline baseline;
	struct scan_cpu cpu[VM_MAX_CPUS];
	struct finding_key known[PROTECT_FINDINGS], seen[PROTECT_FINDINGS];
	unsigned nknown, nseen;
	struct vcpu *scanner;

	atomic_bool scan_due;
	atomic_uint_fast64_t exits; /* counted for scan_exits */
	struct loop_source timer;   /* l */
	uint64_t random;	    /* l */

	pthread_mutex_t event_lock;
	struct ept_violation last; /* not given out again yet while it repeats */
	bool has_last;
	uint64_t violations, scans;
	char note[NTMM_NOTE_BYTES];
};

/* ---- protect.c ---- */
int protect_create(struct vm *vm, struct vm_error *err);
void protect_destroy(struct vm *vm);
/* Carves the arenas of the level; memory is free from `top` on. => as boot_layout */
int protect_layout(struct vm *vm, gpa_t top, struct vm_error *err);
/* Once the machine and its vCPUs are there. */
int protect_start(struct vm *vm, struct vm_error *err);
/* Initialization of the guest is over. => no lock held, in a vCPU's thread */
void protect_seal(struct vcpu *v);
static inline bool protect_on(const struct vm *vm)
{
	return vm->prot->config.level >= LEVEL_KDP;
}

/* ---- violate.c ---- */

/* Gives out a record; v may be NULL. Fills in what the vCPU tells. Returns whether the machine goes
 * on (action is not STOP). => event_lock not held */
bool violation(struct vm *vm, struct vcpu *v, struct ept_violation *record);
/* A record for an operation that needs no instruction to be named. */
bool violation_plain(struct vm *vm, struct vcpu *v, enum ept_rule rule, enum ept_access_kind access,
		     gpa_t gpa, const char *target);
void violations_flush(struct vm *vm);
/* An MMIO exit at an address that belongs to an arena. False: this vCPU is done. */
bool protect_mmio(struct vcpu *v, const struct ept_arena *a);
/* KVM_RUN failed with EFAULT, or told of a memory fault. */
bool protect_fault(struct vcpu *v);
/* KVM_EXIT_X86_WRMSR. */
bool protect_wrmsr(struct vcpu *v);
struct ept_regs vcpu_regs(const struct vcpu *v);

/* ---- hvci.c ---- */
static inline bool hvci_on(const struct vm *vm)
{
	return vm->prot->config.level >= LEVEL_HVCI;
}
/* Carves the pool of page tables and boot memory. => as protect_layout */
int hvci_layout(struct vm *vm, gpa_t top, struct vm_error *err);
int hvci_start(struct vm *vm, struct vm_error *err);
void hvci_destroy(struct vm *vm);
/* The rules come into force: false, and the machine's end is set. => the world is stopped */
bool hvci_enter(struct vcpu *v);
/* Every vCPU forgets all translations. => no lock held, in a vCPU's thread */
void hvci_flush(struct vcpu *v);
/* A hypercall about page tables; false: it is another. *more false: this vCPU is done.
 * => no lock held */
bool hvci_call(struct vcpu *v, bool *more);
/* Must no mapping of it be writable? What is still open is no finding, and neither is a region of
 * the policy: the kernel maps it as it likes. */
bool protect_is_protected(void *arg, gpa_t gpa, uint64_t bytes);

/* ---- integrity.c ---- */

/* A vCPU thread's place to wait while the world is stopped. => no lock held */
void protect_park(struct vcpu *v);
/* A vCPU's thread ends. */
void protect_gone(struct vcpu *v);
/* Stops every other vCPU, registers up to date. => no lock held */
void world_stop(struct vcpu *v);
void world_resume(struct vcpu *v);
/* The same for a thread that is no vCPU's: all of them stop. => no lock held */
void world_stop_outside(struct vm *vm);
void world_resume_outside(struct vm *vm);
void protect_scan(struct vcpu *v);
void scan_collect(struct vcpu *v, struct scan_cpu *out);
int scan_start_timer(struct vm *vm);
/* After an exit of this vCPU: is a scan due? */
void protect_after_exit(struct vcpu *v);

/* ---- hc_protect.c: rows of the hypercall table ---- */
struct call {
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t arg[4];
	uint64_t result;
};
int hc_seal(struct call *c);
int hc_kdp_write(struct call *c);
int hc_pool_alloc(struct call *c);
int hc_pool_write(struct call *c);
int hc_pool_seal(struct call *c);
int hc_pool_free(struct call *c);
int hc_section(struct call *c);
int hc_section_seal(struct call *c);
int hc_vault(struct call *c);
int hc_note(struct call *c);
/* module.c */
int hc_module_load(struct call *c);
int hc_module_unload(struct call *c);
/* What is left to be done of an unload. => no lock held */
void module_release(struct vcpu *v);

#endif
