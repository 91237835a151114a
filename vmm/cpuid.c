/*
 * CPUID of the guest: what KVM supports here, with the per-vCPU identity, the x2APIC and TSC
 * deadline bits, and our own hypervisor leaves (abi/machine.h) in the place of KVM's.
 *
 * The rows of edits are a table: leaf, which register, bits to clear, bits to set.
 */
#include <cpuid.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vmm/machine.h"
#include "vmm/protect.h"

#define MAX_ENTRIES	256u
#define APIC_BUS_KHZ	1000000u /* KVM's local APIC timer counts nanoseconds */
#define XCR0_STARTS	7u	 /* x87, SSE, AVX */
#define HYPERVISOR_BASE 0x40000000u
#define HYPERVISOR_LAST 0x4fffffffu

enum reg { EAX, EBX, ECX, EDX };

struct edit {
	uint32_t leaf;
	enum reg reg;
	uint32_t clear, set;
};

static uint32_t *reg_of(struct kvm_cpuid_entry2 *e, enum reg reg)
{
	uint32_t *regs[] = {&e->eax, &e->ebx, &e->ecx, &e->edx};

	return regs[reg];
}

/* Leaves 0xb and 0x1f: level 0 is one thread a core, level 1 all cores. */
static void topology(struct kvm_cpuid_entry2 *e, const struct vm *vm, unsigned id)
{
	unsigned bits = 0;

	while ((1u << bits) < vm->nvcpus)
		bits++;
	e->edx = id;
	e->ecx = e->index & 0xff;
	if (e->index == 0) {
		e->eax = 0;
		e->ebx = 1;
		e->ecx |= 1u << 8; /* level type: SMT */
	} else if (e->index == 1) {
		e->eax = bits;
		e->ebx = vm->nvcpus;
		e->ecx |= 2u << 8; /* core */
	} else {
		e->eax = e->ebx = 0;
	}
}

bool cpu_is_emulated(void)
{
	uint32_t eax, ebx, ecx, edx;
	char name[12];

	__cpuid(1, eax, ebx, ecx, edx);
	if (!(ecx & 1u << 31))
		return false;
	__cpuid(HYPERVISOR_BASE, eax, ebx, ecx, edx);
	memcpy(name, &ebx, 4);
	memcpy(name + 4, &ecx, 4);
	memcpy(name + 8, &edx, 4);
	return memcmp(name, "TCGTCGTCGTCG", sizeof(name)) == 0;
}

static uint32_t features(const struct vm *vm)
{
	const struct vm_protection *p = &vm->config.protection;

	return (cpu_is_emulated() ? NTMM_FEATURE_REDELIVERS : 0) |
	       (p->level >= LEVEL_KDP ? NTMM_FEATURE_KDP : 0) |
	       (p->level >= LEVEL_HVCI ? NTMM_FEATURE_HVCI : 0) |
	       (p->vulnerable ? NTMM_FEATURE_VULNERABLE : 0);
}

static void add_ours(struct kvm_cpuid2 *c, const struct vm *vm)
{
	const struct gpa_range *pool = &vm->prot->table_pool;
	const struct kvm_cpuid_entry2 ours[] = {
	    {.function = NTMM_CPUID_SIGNATURE,
	     .eax = NTMM_CPUID_TIMING,
	     .ebx = NTMM_CPUID_EBX,
	     .ecx = NTMM_CPUID_EBX,
	     .edx = NTMM_CPUID_EBX},
	    {.function = NTMM_CPUID_INFO,
	     .eax = NTMM_ABI_VERSION,
	     .ebx = vm->nvcpus,
	     .ecx = NTMM_PORT_HYPERCALL,
	     .edx = features(vm)},
	    {.function = NTMM_CPUID_TABLES,
	     .eax = (uint32_t)(pool->start / NTMM_PAGE_SIZE),
	     .ebx = (uint32_t)((pool->end - pool->start) / NTMM_PAGE_SIZE)},
	    {.function = NTMM_CPUID_TIMING, .eax = (uint32_t)vm->tsc_khz, .ebx = APIC_BUS_KHZ},
	};

	for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
		c->entries[c->nent++] = ours[i];
}

/*
 * XCR0 starts as what the kernel will set: x87, SSE, AVX as far as they are there. The architecture
 * has it start with x87 alone, but an emulated SVM may not intercept XSETBV (QEMU 7's does not);
 * KVM would then keep loading the old value on every entry.
 */
static int preset_xcr0(struct vcpu *vcpu, const struct kvm_cpuid2 *c)
{
	struct kvm_xcrs xcrs = {.nr_xcrs = 1};

	for (unsigned i = 0; i < c->nent; i++)
		if (c->entries[i].function == 0xd && c->entries[i].index == 0)
			xcrs.xcrs[0].value = c->entries[i].eax & XCR0_STARTS;
	if (xcrs.xcrs[0].value == 0)
		return 0; /* no XSAVE */
	return ioctl(vcpu->fd, KVM_SET_XCRS, &xcrs) < 0 ? -errno : 0;
}

int cpuid_setup(struct vm *vm, struct vcpu *vcpu, struct vm_error *err)
{
	struct kvm_cpuid2 *c;
	unsigned kept = 0;
	bool deadline = ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_TSC_DEADLINE_TIMER) > 0;
	const struct edit edits[] = {
	    {1, EBX, 0xffff0000u, vcpu->id << 24 | vm->nvcpus << 16},
	    {1, ECX, 0, 1u << 13 | 1u << 21 | 1u << 31}, /* CMPXCHG16B (our host may hide it; each
							    processor with VMX or SVM has it),
							    x2APIC, hypervisor */
	    {1, ECX, 1u << 24, deadline ? 1u << 24 : 0}, /* TSC deadline timer */
	    {1, EDX, 0, vm->nvcpus > 1 ? 1u << 28 : 0},	 /* more than one logical CPU */
	    {4, EAX, 0xffffc000u, 0},			 /* caches are per CPU */
	    {7, EBX, 1u << 25, 0},   /* processor trace: writes past the page tables */
	    {7, EDX, 1u << 15, 0},   /* hybrid */
	    {0xd, EAX, 1u << 19, 0}, /* APX: ept/gadget.h */
	    {0x80000008u, ECX, 0xf0ffu, (vm->nvcpus - 1) & 0xff}, /* AMD: cores */
	    {0x8000001eu, EAX, 0xffffffffu, vcpu->id},		  /* AMD: extended APIC id */
	    {0x8000001eu, EBX, 0xffffu, vcpu->id & 0xff},	  /* one thread a core */
	};
	int r = 0;

	c = calloc(1, sizeof(*c) + (MAX_ENTRIES + 8) * sizeof(c->entries[0]));
	if (!c)
		return vm_fail(err, -ENOMEM, "out of memory");
	c->nent = MAX_ENTRIES;
	if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, c) < 0) {
		r = vm_fail(err, -errno, "KVM_GET_SUPPORTED_CPUID: %s", strerror(errno));
		goto out;
	}
	for (unsigned i = 0; i < c->nent; i++) {
		struct kvm_cpuid_entry2 *e = &c->entries[i];

		if (e->function >= HYPERVISOR_BASE && e->function <= HYPERVISOR_LAST)
			continue;
		for (unsigned k = 0; k < sizeof(edits) / sizeof(edits[0]); k++)
			if (edits[k].leaf == e->function) {
				uint32_t *v = reg_of(e, edits[k].reg);

				*v = (*v & ~edits[k].clear) | edits[k].set;
			}
		if (e->function == 0xb || e->function == 0x1f)
			topology(e, vm, vcpu->id);
		c->entries[kept++] = *e;
	}
	c->nent = kept;
	add_ours(c, vm);
	if (ioctl(vcpu->fd, KVM_SET_CPUID2, c) < 0)
		r = vm_fail(err, -errno, "KVM_SET_CPUID2: %s", strerror(errno));
	else if ((r = preset_xcr0(vcpu, c)) < 0)
		vm_fail(err, r, "KVM_SET_XCRS: %s", strerror(-r));
out:
	free(c);
	return r;
}
