/*
 * Integrity scans. Every vCPU thread waits while one of them, the scanner, looks: so the page
 * tables and registers are of one moment.
 *
 * When: at random times (seeded, exponential with the given mean), at every Nth exit, when the
 * program ends, and before each note of --vulnerable. What an earlier scan has found is not told
 * again until it is gone.
 */
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>

#include "vmm/protect.h"

#define CR0_PG (1ull << 31)

/* ---- stopping the world ---- */

static void wait_out(struct protect *p) /* => pause_lock */
{
	p->parked++;
	pthread_cond_broadcast(&p->pause_cond);
	while (atomic_load(&p->pausing))
		pthread_cond_wait(&p->pause_cond, &p->pause_lock);
	p->parked--;
	pthread_cond_broadcast(&p->pause_cond);
}

void protect_park(struct vcpu *v)
{
	struct protect *p = v->vm->prot;

	if (!atomic_load(&p->pausing))
		return;
	pthread_mutex_lock(&p->pause_lock);
	if (atomic_load(&p->pausing))
		wait_out(p);
	pthread_mutex_unlock(&p->pause_lock);
}

void protect_gone(struct vcpu *v)
{
	struct protect *p = v->vm->prot;

	pthread_mutex_lock(&p->pause_lock);
	p->gone++;
	pthread_cond_broadcast(&p->pause_cond);
	pthread_mutex_unlock(&p->pause_lock);
}

/* Stops every vCPU but this one, which may be NULL. */
static void stop_but(struct vm *vm, const struct vcpu *v)
{
	struct protect *p = vm->prot;

	pthread_mutex_lock(&p->pause_lock);
	while (atomic_load(&p->pausing) || p->resuming)
		if (v && atomic_load(&p->pausing))
			wait_out(p);
		else
			pthread_cond_wait(&p->pause_cond, &p->pause_lock);
	atomic_store(&p->pausing, true);
	for (unsigned i = 0; i < vm->nvcpus; i++)
		if (&vm->vcpu[i] != v && vm->vcpu[i].started)
			pthread_kill(vm->vcpu[i].thread, SIGUSR1);
	while (p->parked + p->gone < vm->nvcpus - (v != NULL))
		pthread_cond_wait(&p->pause_cond, &p->pause_lock);
	pthread_mutex_unlock(&p->pause_lock);
}

void world_stop(struct vcpu *v)
{
	stop_but(v->vm, v);
}

void world_stop_outside(struct vm *vm)
{
	stop_but(vm, NULL);
}

void world_resume(struct vcpu *v)
{
	world_resume_outside(v->vm);
}

void world_resume_outside(struct vm *vm)
{
	struct protect *p = vm->prot;

	pthread_mutex_lock(&p->pause_lock);
	atomic_store(&p->pausing, false);
	p->resuming = true; /* nobody stops it until all have left, or the next would count them */
	pthread_cond_broadcast(&p->pause_cond);
	while (p->parked)
		pthread_cond_wait(&p->pause_cond, &p->pause_lock);
	p->resuming = false;
	pthread_cond_broadcast(&p->pause_cond);
	pthread_mutex_unlock(&p->pause_lock);
}

/* ---- the scan ---- */

void scan_collect(struct vcpu *v, struct scan_cpu *out)
{
	static const uint32_t index[PROTECT_MSRS] = {0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084,
						     0x174,	 0x175,	     0x176,	 0x277};
	const struct kvm_sregs *s = &v->run->s.regs.sregs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[PROTECT_MSRS];
	} m = {.head = {.nmsrs = PROTECT_MSRS}};

	*out = (struct scan_cpu){
	    .valid = (s->cr0 & CR0_PG) && (s->efer & 1u << 10),
	    .cr0 = s->cr0,
	    .cr3 = s->cr3,
	    .cr4 = s->cr4,
	    .efer = s->efer,
	    .gdt_base = s->gdt.base,
	    .idt_base = s->idt.base,
	    .gdt_limit = s->gdt.limit,
	    .idt_limit = s->idt.limit,
	    .ldt = s->ldt.selector,
	    .tr = s->tr.selector,
	};
	for (unsigned i = 0; i < PROTECT_MSRS; i++)
		m.entry[i].index = index[i];
	if (ioctl(v->fd, KVM_GET_MSRS, &m) == (int)PROTECT_MSRS)
		for (unsigned i = 0; i < PROTECT_MSRS; i++)
			out->msr[i] = m.entry[i].data;
}

static bool remember(struct protect *p, enum ept_rule rule, uint64_t where)
{
	bool known = false;

	for (unsigned i = 0; i < p->nseen; i++)
		if (p->seen[i].rule == rule && p->seen[i].where == where)
			return true;
	for (unsigned i = 0; i < p->nknown; i++)
		known |= p->known[i].rule == rule && p->known[i].where == where;
	if (p->nseen == PROTECT_FINDINGS)
		return true; /* the flood is told of already */
	p->seen[p->nseen++] = (struct finding_key){rule, where};
	return known;
}

static void on_finding(void *arg, const struct scan_finding *f)
{
	struct vcpu *cpu = arg;
	struct protect *p = cpu->vm->prot;
	enum ept_action action = p->config.rules.action[f->rule];
	struct ept_violation r = {
	    .rule = f->rule,
	    .action = action,
	    .access = ACCESS_STATE,
	    .has_gpa = f->has_gpa,
	    .has_gva = f->has_gva,
	    .gpa = f->gpa,
	    .gva = f->gva,
	    .value = f->value,
	};
	uint64_t where = f->has_gva ? f->gva : f->target ? (uintptr_t)f->target : 0;

	if (action == ACTION_NONE || remember(p, f->rule, where))
		return;
	if (action == ACTION_REFUSE) /* it should have been refused, and was not */
		r.action = ACTION_STOP;
	if (f->target)
		strncpy(r.target, f->target, sizeof(r.target) - 1);
	violation(cpu->vm, cpu, &r);
}

void protect_scan(struct vcpu *v)
{
	struct vm *vm = v->vm;
	struct protect *p = vm->prot;

	if (!atomic_load(&p->sealed))
		return;
	world_stop(v);
	p->nseen = 0;
	p->scans++;
	scan_hashes(&p->baseline, &p->memory, on_finding, v);
	for (unsigned i = 0; i < vm->nvcpus; i++) {
		struct vcpu *each = &vm->vcpu[i];
		struct scan_cpu now;
		bool walked = false;

		scan_collect(each, &now);
		if (!now.valid)
			continue;
		if (!p->cpu[i].valid)
			p->cpu[i] = now;
		scan_registers(&p->baseline, &p->cpu[i], &now, on_finding, each);
		for (unsigned k = 0; k < i; k++)
			walked |= vm->vcpu[k].run->s.regs.sregs.cr3 == now.cr3;
		if (!walked)
			scan_tables(&p->baseline, &p->memory, now.cr3, on_finding, each);
	}
	memcpy(p->known, p->seen, sizeof(p->seen));
	p->nknown = p->nseen;
	world_resume(v);
}

/* ---- when ---- */

void protect_after_exit(struct vcpu *v)
{
	struct protect *p = v->vm->prot;
	uint64_t n = p->config.scan_exits;

	if (!atomic_load(&p->sealed))
		return;
	if ((n && (atomic_fetch_add(&p->exits, 1) + 1) % n == 0) ||
	    atomic_exchange(&p->scan_due, false))
		protect_scan(v);
}

/* xorshift64* */
static uint64_t next_random(uint64_t *s)
{
	*s ^= *s >> 12;
	*s ^= *s << 25;
	*s ^= *s >> 27;
	return *s * 0x2545f4914f6cdd1dull;
}

static int arm(struct protect *p)
{
	double u = (double)(next_random(&p->random) >> 11) * 0x1p-53;
	double ns = -log(1 - u) * (double)p->config.scan_mean_ns + 1e6;
	struct itimerspec t = {
	    .it_value = {(time_t)(ns / 1e9), (long)((uint64_t)ns % 1000000000u)}};

	return timerfd_settime(p->timer.fd, 0, &t, NULL) < 0 ? -errno : 0;
}

static void on_timer(struct loop_source *s, uint32_t events)
{
	struct protect *p = (struct protect *)((char *)s - offsetof(struct protect, timer));

	(void)events;
	loop_clear_eventfd(s->fd);
	if (atomic_load(&p->sealed)) {
		atomic_store(&p->scan_due, true);
		pthread_kill(p->scanner->thread, SIGUSR1);
	}
	arm(p);
}

int scan_start_timer(struct vm *vm)
{
	struct protect *p = vm->prot;

	p->scanner = &vm->vcpu[0];
	if (!protect_on(vm) || !p->config.scan_mean_ns)
		return 0;
	p->random = p->config.scan_seed * 2 + 1;
	p->timer.fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	p->timer.ready = on_timer;
	if (p->timer.fd < 0)
		return -errno;
	arm(p);
	return loop_watch(&vm->loop, &p->timer, EPOLLIN);
}
