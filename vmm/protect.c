/*
 * Setting up a protection level: arenas before the machine is made, the MSR filter and the baseline
 * of the integrity scans when the guest says that its initialization is over.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/protect.h"

#define PAGE ((uint64_t)NTMM_PAGE_SIZE)

int protect_create(struct vm *vm, struct vm_error *err)
{
	struct protect *p = calloc(1, sizeof(*p));

	if (!p)
		return vm_fail(err, -ENOMEM, "out of memory");
	p->config = vm->config.protection;
	p->timer.fd = -1;
	pthread_mutex_init(&p->pause_lock, NULL);
	pthread_cond_init(&p->pause_cond, NULL);
	pthread_mutex_init(&p->event_lock, NULL);
	pthread_mutex_init(&p->table_lock, NULL);
	vm->prot = p;
	return 0;
}

void protect_destroy(struct vm *vm)
{
	struct protect *p = vm->prot;

	if (!p)
		return;
	pthread_mutex_destroy(&p->pause_lock);
	pthread_cond_destroy(&p->pause_cond);
	pthread_mutex_destroy(&p->event_lock);
	pthread_mutex_destroy(&p->table_lock);
	hvci_destroy(vm);
	free(p);
}

static int carve_region(struct vm *vm, unsigned i, struct vm_error *err)
{
	const struct vm_region *r = &vm->config.protection.region[i];
	const struct elf_image *k = &vm->kernel;
	uint64_t va, size, start, end;

	if (!elf_lookup(k, r->symbol, &va, &size) || va < k->load[0].vaddr)
		return vm_fail(err, -EINVAL, "region %s: the kernel has no symbol %s", r->name,
			       r->symbol);
	start = (va - k->load[0].vaddr + k->load[0].paddr) & ~(PAGE - 1);
	end =
	    (va - k->load[0].vaddr + k->load[0].paddr + (size ? size : 1) + PAGE - 1) & ~(PAGE - 1);
	if (ept_carve(&vm->ram.map, (struct gpa_range){start, end}, EPT_REGION, EPT_R, i) < 0)
		return vm_fail(err, -EINVAL,
			       "region %s: %s lies in memory that is protected already", r->name,
			       r->symbol);
	return 0;
}

int protect_layout(struct vm *vm, gpa_t top, struct vm_error *err)
{
	const struct elf_image *k = &vm->kernel;
	const struct gpa_range kdp = {NTMM_KDP_GPA, NTMM_KDP_END - NTMM_VAULT_BYTES};
	const struct gpa_range secure = {kdp.end, NTMM_KDP_END};
	const bool on = protect_on(vm), text = vm->prot->config.level >= LEVEL_TEXT;
	struct protect *p = vm->prot;
	gpa_t static_end = kdp.start;
	int r = 0;

	for (unsigned i = 0; r == 0 && i < k->nro; i++)
		r = ept_carve(&vm->ram.map, k->ro[i], EPT_KERNEL_TEXT, text ? EPT_RX : EPT_RWX, 0);
	for (unsigned i = 0; i < k->nloads; i++)
		if (k->load[i].protected_) {
			p->has_kdp = true;
			static_end = k->load[i].paddr + k->load[i].memsz;
		}
	if (r == 0 && p->has_kdp &&
	    ((r = ept_carve(&vm->ram.map, kdp, EPT_KDP, on ? EPT_R : EPT_RWX, 0)) < 0 ||
	     (r = ept_carve(&vm->ram.map, secure, EPT_SECURE, on ? (enum ept_rights)0 : EPT_RWX,
			    0)) < 0 ||
	     (r = kdp_init(&p->kdp, kdp, static_end)) < 0))
		return vm_fail(err, r, "the kernel's protected data cannot be set apart");
	if (r < 0)
		return vm_fail(err, r, "the kernel's read-only memory cannot be set apart");
	for (unsigned i = 0; on && i < p->config.nregions; i++)
		if ((r = carve_region(vm, i, err)) < 0)
			return r;
	return hvci_on(vm) ? hvci_layout(vm, top, err) : 0;
}

int protect_start(struct vm *vm, struct vm_error *err)
{
	struct kvm_enable_cap msr = {.cap = KVM_CAP_X86_USER_SPACE_MSR,
				     .args = {KVM_MSR_EXIT_REASON_FILTER}};
	struct protect *p = vm->prot;

	p->memory = ram_memory(&vm->ram);
	if (p->has_kdp)
		p->vault.memory =
		    ept_at(&p->memory, NTMM_KDP_END - NTMM_VAULT_BYTES, NTMM_VAULT_BYTES);
	if (!protect_on(vm))
		return 0;
	if (ioctl(vm->vm_fd, KVM_CHECK_EXTENSION, KVM_CAP_X86_MSR_FILTER) <= 0 ||
	    ioctl(vm->vm_fd, KVM_ENABLE_CAP, &msr) < 0)
		return vm_fail(err, -ENOTSUP,
			       "this host's KVM cannot filter MSRs (KVM_CAP_X86_MSR_FILTER), which "
			       "--vbs needs");
	return hvci_on(vm) ? hvci_start(vm, err) : 0;
}

/* Locked: a clear bit denies. MSRs named in AMD64 volume 2, appendix A. */
static uint8_t deny_efer[1] = {0xe0};	  /* c0000080..87: EFER STAR LSTAR CSTAR FMASK */
static uint8_t deny_sysenter[1] = {0x8f}; /* 170..177: 174, 175, 176 */
static uint8_t deny_pat[1] = {0x7f};	  /* 270..277: PAT */
static uint8_t deny_apic[1] = {0xf7};	  /* 18..1f: 1b, APIC base */
/* KVM's own, by which it is told where in the guest's memory to write. Of the kernel's, end of
 * interrupt is set before it is sealed. */
static uint8_t deny_kvm_old[1] = {0xf9}; /* 10..17: 11, 12 */
static uint8_t deny_kvm[4] = {0};	 /* 4b564d00..1f */
/* Hyper-V's, of which KVM has some write to the guest's memory; before Linux 5.12 it did so for
 * every guest. */
static uint8_t deny_hyperv[0x120 / 8] = {0}; /* 40000000..4000011f */
/* Intel's processor trace writes to guest-physical addresses, past the guest's page tables: where
 * to, and whether (Intel SDM volume 3, "Trace output"). */
static uint8_t deny_trace[3] = {0xfc, 0xff, 0xfe}; /* 560..577: 560, 561, 570 */

static int lock_msrs(struct vm *vm)
{
	struct kvm_msr_filter f = {
	    .flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
	    .ranges = {{KVM_MSR_FILTER_WRITE, 8, 0xc0000080, deny_efer},
		       {KVM_MSR_FILTER_WRITE, 8, 0x170, deny_sysenter},
		       {KVM_MSR_FILTER_WRITE, 8, 0x270, deny_pat},
		       {KVM_MSR_FILTER_WRITE, 8, 0x18, deny_apic},
		       {KVM_MSR_FILTER_WRITE, 8, 0x10, deny_kvm_old},
		       {KVM_MSR_FILTER_WRITE, 32, 0x4b564d00, deny_kvm},
		       {KVM_MSR_FILTER_WRITE, 0x120, 0x40000000, deny_hyperv},
		       {KVM_MSR_FILTER_WRITE, 24, 0x560, deny_trace}},
	};

	return ioctl(vm->vm_fd, KVM_X86_SET_MSR_FILTER, &f) < 0 ? -errno : 0;
}

bool protect_is_protected(void *arg, gpa_t gpa, uint64_t bytes)
{
	const struct protect *p = arg;
	const struct ept_map *map = p->memory.map;

	for (unsigned i = 0; i < map->count; i++) {
		const struct ept_arena *a = &map->arena[i];
		enum ept_rule rule;

		if (gpa >= a->gpa.end || gpa + bytes <= a->gpa.start || !ept_is_protected(a) ||
		    a->kind == EPT_REGION || a->kind == EPT_BOOT)
			continue;
		if (a->kind != EPT_KDP || !kdp_open(&p->kdp, gpa, bytes, &rule))
			return true;
	}
	return false;
}

static int baseline(struct vcpu *v)
{
	static const char *const names[PROTECT_MSRS] = {
	    "STAR",	   "LSTAR",	   "CSTAR",	   "FMASK",
	    "SYSENTER_CS", "SYSENTER_ESP", "SYSENTER_EIP", "PAT"};
	const struct elf_image *k = &v->vm->kernel;
	struct protect *p = v->vm->prot;
	struct scan_baseline *b = &p->baseline;
	int r;

	*b = (struct scan_baseline){
	    .nmsrs = PROTECT_MSRS,
	    .msr_name = names,
	    .image_va = k->load[0].vaddr,
	    .image_gpa = k->load[0].paddr,
	    .image_bytes = k->end - k->load[0].paddr,
	    .protected_ = protect_is_protected,
	    .arg = p,
	};
	for (unsigned i = 0; i < v->vm->nvcpus; i++)
		scan_collect(&v->vm->vcpu[i], &p->cpu[i]);
	r = scan_begin(b, &p->memory, v->run->s.regs.sregs.cr3);
	for (unsigned i = 0; r == 0 && i < k->nloads; i++)
		if (k->load[i].executable && !(hvci_on(v->vm) && k->load[i].init))
			r = scan_approve(b, &p->memory, k->load[i].vaddr, k->load[i].paddr,
					 k->load[i].memsz);
	return r;
}

void protect_seal(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct protect *p = vm->prot;
	int r;

	if (!protect_on(vm) || atomic_load(&p->sealed))
		return;
	world_stop(v);
	pthread_mutex_lock(&vm->io_lock);
	kdp_seal(&p->kdp);
	pthread_mutex_unlock(&vm->io_lock);
	if (hvci_on(vm) && !hvci_enter(v)) {
		world_resume(v);
		return;
	}
	r = baseline(v);
	if (r == 0)
		r = lock_msrs(vm);
	if (r == 0)
		atomic_store(&p->sealed, true);
	world_resume(v);
	if (r < 0) {
		vm_set_crash(vm, VM_END_CRASH, "the kernel cannot be sealed: %s", strerror(-r));
		return;
	}
	protect_scan(v); /* what it looks like now has to be right */
}
