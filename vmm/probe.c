/*
 * Is this host's KVM fit? A /dev/kvm that opens proves nothing: a paravirtual KVM may emulate
 * kernel-mode code instruction by instruction, or get the ways between user and kernel mode wrong.
 * So a small guest (probe_guest.S) does what our kernel depends on, and each outcome is compared
 * with the one row it has here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include "vmm/probe_guest.h"
#include "vmm/vmm.h"

#define LIMIT_SECONDS 2
#define LEAST_PER_SECOND                                                        \
	5000000u /* the lab does 80 M, emulation instruction by instruction 1 M \
		  */

extern const uint8_t probe_guest[], probe_guest_end[], probe_int[], probe_page_fault[],
    probe_unexpected[];

static const struct {
	const char *name;
	uint32_t expected;
} tests[VM_PROBE_TESTS] = {
    [PROBE_ALU] = {"timed loop", 0},
    [PROBE_INT] = {"user mode and back by IRETQ and INT", PROBE_USER_CS << 16 | PROBE_USER_CS},
    [PROBE_SYSCALL] = {"user mode and back by SYSRET and SYSCALL",
		       PROBE_KERNEL_CS << 16 | PROBE_USER_CS},
    [PROBE_NX] = {"fault on a page that may not be executed", 0x11},
    [PROBE_WP] = {"fault on a write to a read-only page", 0x3},
    [PROBE_CMPXCHG16B] = {"CMPXCHG16B", 0x155},
};

struct machine {
	int kvm, vm, vcpu;
	uint8_t *mem;
	struct kvm_run *run;
	size_t run_size;
};

static struct kvm_run *volatile alarmed;

static void on_alarm(int sig)
{
	(void)sig;
	if (alarmed)
		alarmed->immediate_exit = 1;
}

static void put64(uint8_t *mem, uint32_t at, uint64_t v)
{
	memcpy(mem + at, &v, sizeof(v));
}

static uint64_t code_address(const uint8_t *label)
{
	return PROBE_CODE + ((uintptr_t)label - (uintptr_t)probe_guest);
}

static void put_gate(uint8_t *mem, unsigned vector, const uint8_t *label, uint8_t dpl)
{
	uint64_t a = code_address(label);

	put64(mem, PROBE_IDT + vector * 16,
	      (a & 0xffff) | (uint64_t)PROBE_KERNEL_CS << 16 | (0x8eull | dpl << 5) << 40 |
		  (a >> 16 & 0xffff) << 48);
	put64(mem, PROBE_IDT + vector * 16 + 8, a >> 32);
}

static void build_tables(uint8_t *mem)
{
	enum { P = 1, W = 2, U = 4 };
	const uint64_t nx = 1ull << 63;

	for (uint32_t t = 0; t < 3; t++)
		put64(mem, PROBE_PML4 + t * 0x1000, (PROBE_PML4 + (t + 1) * 0x1000) | P | W | U);
	for (uint32_t gpa = 0; gpa < PROBE_MEMORY; gpa += 0x1000) {
		uint64_t pte = gpa | P | W;

		if (gpa >= PROBE_CODE && gpa < PROBE_CODE + 0x1000)
			pte = gpa | P | U;
		else if (gpa == PROBE_USER_STACK - 0x1000)
			pte |= U | nx;
		else if (gpa == PROBE_RO_PAGE)
			pte = gpa | P | nx;
		else
			pte |= nx;
		put64(mem, PROBE_PML4 + 0x3000 + gpa / 0x1000 * 8, pte);
	}
	put64(mem, PROBE_GDT + 0x08, 0x00af9b000000ffffull); /* kernel code */
	put64(mem, PROBE_GDT + 0x10, 0x00cf93000000ffffull); /* kernel data */
	put64(mem, PROBE_GDT + 0x20, 0x00cff3000000ffffull); /* user data */
	put64(mem, PROBE_GDT + 0x28, 0x00affb000000ffffull); /* user code */
	put64(mem, PROBE_TSS + 4, PROBE_STACK);		     /* RSP0 */
	for (unsigned v = 0; v < 32; v++)
		put_gate(mem, v, probe_unexpected, 0);
	put_gate(mem, 14, probe_page_fault, 0);
	put_gate(mem, PROBE_VECTOR, probe_int, 3);
	memset(mem + PROBE_NX_PAGE, 0xc3, 16);
	memcpy(mem + PROBE_CODE, probe_guest, (uintptr_t)probe_guest_end - (uintptr_t)probe_guest);
}

static int set_registers(struct machine *m)
{
	struct kvm_segment code = {.limit = 0xffffffff,
				   .selector = PROBE_KERNEL_CS,
				   .type = 0xb,
				   .present = 1,
				   .s = 1,
				   .l = 1,
				   .g = 1};
	struct kvm_segment data = {.limit = 0xffffffff,
				   .selector = PROBE_KERNEL_DS,
				   .type = 3,
				   .present = 1,
				   .db = 1,
				   .s = 1,
				   .g = 1};
	struct kvm_regs regs = {.rip = PROBE_CODE, .rsp = PROBE_STACK, .rflags = 2};
	struct kvm_sregs s;

	if (ioctl(m->vcpu, KVM_GET_SREGS, &s) < 0)
		return -errno;
	s.cs = code;
	s.ds = s.es = s.fs = s.gs = s.ss = data;
	s.tr = (struct kvm_segment){
	    .base = PROBE_TSS, .limit = 0x67, .selector = PROBE_TSS_SEL, .type = 0xb, .present = 1};
	s.gdt = (struct kvm_dtable){.base = PROBE_GDT, .limit = 0x3f};
	s.idt = (struct kvm_dtable){.base = PROBE_IDT, .limit = 0xfff};
	s.cr0 = 0x80010031; /* PG, WP, NE, ET, PE */
	s.cr3 = PROBE_PML4;
	s.cr4 = 0x620;	/* PAE, OSFXSR, OSXMMEXCPT */
	s.efer = 0xd01; /* NXE, LMA, LME, SCE */
	if (ioctl(m->vcpu, KVM_SET_SREGS, &s) < 0 || ioctl(m->vcpu, KVM_SET_REGS, &regs) < 0)
		return -errno;
	return 0;
}

static int set_cpuid(struct machine *m)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} c = {.head.nent = 256};

	if (ioctl(m->kvm, KVM_GET_SUPPORTED_CPUID, &c) < 0 ||
	    ioctl(m->vcpu, KVM_SET_CPUID2, &c) < 0)
		return -errno;
	return 0;
}

static int machine_make(struct machine *m)
{
	struct kvm_userspace_memory_region slot = {.memory_size = PROBE_MEMORY};
	int size, r;

	m->vm = ioctl(m->kvm, KVM_CREATE_VM, 0);
	if (m->vm < 0)
		return -errno;
	ioctl(m->vm, KVM_SET_TSS_ADDR, 0xfffbd000ul);
	m->mem =
	    mmap(NULL, PROBE_MEMORY, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (m->mem == MAP_FAILED) {
		m->mem = NULL;
		return -errno;
	}
	build_tables(m->mem);
	slot.userspace_addr = (uintptr_t)m->mem;
	if (ioctl(m->vm, KVM_SET_USER_MEMORY_REGION, &slot) < 0)
		return -errno;
	m->vcpu = ioctl(m->vm, KVM_CREATE_VCPU, 0);
	size = ioctl(m->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (m->vcpu < 0 || size <= 0)
		return -errno;
	m->run_size = (size_t)size;
	m->run = mmap(NULL, m->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, m->vcpu, 0);
	if (m->run == MAP_FAILED) {
		m->run = NULL;
		return -errno;
	}
	r = set_cpuid(m);
	return r ? r : set_registers(m);
}

static void machine_free(struct machine *m)
{
	if (m->run)
		munmap(m->run, m->run_size);
	if (m->mem)
		munmap(m->mem, PROBE_MEMORY);
	if (m->vcpu >= 0)
		close(m->vcpu);
	if (m->vm >= 0)
		close(m->vm);
	if (m->kvm >= 0)
		close(m->kvm);
}

static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Notes the outcome of one test. */
static void note(struct vm_probe *p, unsigned port, uint32_t seen, uint64_t ns)
{
	struct vm_probe_test *t = &p->test[port];

	if (port == PROBE_ALU) {
		p->alu_per_second = 2ull * PROBE_ALU_LOOPS * 1000000000u / (ns ? ns : 1);
		t->ok = p->alu_per_second >= LEAST_PER_SECOND;
		snprintf(t->text, sizeof(t->text), "%" PRIu64 " million instructions a second%s",
			 p->alu_per_second / 1000000,
			 t->ok ? "" : ": kernel-mode code is emulated");
		return;
	}
	t->ok = seen == tests[port].expected;
	if (t->ok)
		snprintf(t->text, sizeof(t->text), "ok");
	else
		snprintf(t->text, sizeof(t->text), "0x%x seen where 0x%x is right", seen,
			 tests[port].expected);
}

/* Runs the guest until it is done; why: what stopped it before. */
static void run_guest(struct machine *m, struct vm_probe *p, char *why, size_t size)
{
	uint64_t start = 0;

	for (;;) {
		uint32_t v;
		unsigned port;

		if (ioctl(m->vcpu, KVM_RUN, 0) < 0) {
			if (errno == EINTR)
				snprintf(why, size, "not done after %d s", LIMIT_SECONDS);
			else
				snprintf(why, size, "KVM_RUN: %s", strerror(errno));
			return;
		}
		port = m->run->io.port - PROBE_PORT;
		if (m->run->exit_reason == KVM_EXIT_INTERNAL_ERROR) {
			snprintf(why, size, "KVM internal error, suberror %u",
				 m->run->internal.suberror);
			return;
		}
		if (m->run->exit_reason != KVM_EXIT_IO || m->run->io.size != 4 ||
		    port > PROBE_DONE) {
			snprintf(why, size, "exit %u instead of a report", m->run->exit_reason);
			return;
		}
		memcpy(&v, (uint8_t *)m->run + m->run->io.data_offset, sizeof(v));
		if (port == PROBE_DONE)
			return;
		if (port == PROBE_UNEXPECTED) {
			snprintf(why, size, "an exception where none should be");
			return;
		}
		if (port == PROBE_ALU_START)
			start = cpu_ns();
		else
			note(p, port, v, cpu_ns() - start);
	}
}

/* One line: the first thing that is wrong. */
static void conclude(struct vm_probe *p, const char *why)
{
	p->fit = true;
	for (unsigned i = 0; i < p->ntests; i++) {
		struct vm_probe_test *t = &p->test[i];

		if (t->ok)
			continue;
		if (!t->text[0])
			snprintf(t->text, sizeof(t->text), "not reached");
		if (p->fit)
			snprintf(p->reason, sizeof(p->reason), "KVM is not fit: %s: %s%s%s",
				 t->name, t->text, why[0] ? "; " : "", why);
		p->fit = false;
	}
}

void vm_probe(struct vm_probe *p)
{
	struct machine m = {.kvm = -1, .vm = -1, .vcpu = -1};
	struct sigaction sa = {.sa_handler = on_alarm}, old;
	struct itimerval limit = {.it_value = {.tv_sec = LIMIT_SECONDS}}, none = {0};
	char why[128] = "";
	int r;

	memset(p, 0, sizeof(*p));
	p->ntests = VM_PROBE_TESTS;
	for (unsigned i = 0; i < VM_PROBE_TESTS; i++)
		p->test[i].name = tests[i].name;
	m.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (m.kvm < 0) {
		p->open_errno = errno;
		snprintf(p->reason, sizeof(p->reason), "/dev/kvm: %s", strerror(errno));
		return;
	}
	p->opened = true;
	p->api_version = ioctl(m.kvm, KVM_GET_API_VERSION, 0);
	r = p->api_version == KVM_API_VERSION ? machine_make(&m) : -ENOTSUP;
	if (r < 0) {
		snprintf(p->reason, sizeof(p->reason),
			 "KVM is not fit: it cannot make a small machine: %s", strerror(-r));
		machine_free(&m);
		return;
	}
	alarmed = m.run;
	sigaction(SIGALRM, &sa, &old);
	setitimer(ITIMER_REAL, &limit, NULL);
	run_guest(&m, p, why, sizeof(why));
	setitimer(ITIMER_REAL, &none, NULL);
	alarmed = NULL;
	sigaction(SIGALRM, &old, NULL);
	machine_free(&m);
	conclude(p, why);
}
