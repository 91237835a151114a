/*
 * Looking into a machine without KVM: requests, who may be read and when, the socket between two
 * ends of one process, and threads that stand for vCPUs and stop one another as fast as they can.
 */
#define _GNU_SOURCE
#include <check.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "vmm/inspect.h"
#include "vmm/protect.h"

Suite *vmm_inspect_suite(void);

#define RAM_BYTES (1u << 20)
#define SECURE	  0x80000u
#define CPUS	  4u
#define ROUNDS	  3000u

static struct vm *vm;
static struct vm_error err;

/* ---- what is needed of a machine ---- */

int vm_fail(struct vm_error *e, int code, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return code;
}

bool violation(struct vm *m, struct vcpu *v, struct ept_violation *r)
{
	(void)m;
	(void)v;
	(void)r;
	return true;
}

uint64_t vm_now_ns(void)
{
	return 12345;
}

static void set_up(void)
{
	vm = calloc(1, sizeof(*vm));
	vm->prot = calloc(1, sizeof(*vm->prot));
	pthread_mutex_init(&vm->io_lock, NULL);
	pthread_mutex_init(&vm->prot->pause_lock, NULL);
	pthread_cond_init(&vm->prot->pause_cond, NULL);
	vm->ram.size = RAM_BYTES;
	vm->ram.base = malloc(RAM_BYTES);
	for (unsigned i = 0; i < RAM_BYTES; i++)
		vm->ram.base[i] = (uint8_t)(i ^ i >> 8 ^ i >> 16);
	ck_assert_int_eq(ept_layout_ram(&vm->ram.map, RAM_BYTES), 0);
	ck_assert_int_eq(ept_carve(&vm->ram.map, (struct gpa_range){SECURE, SECURE + 0x8000},
				   EPT_SECURE, EPT_RWX, 0),
			 0);
	vm->published[NTMM_PUBLISH_MMINFO] = 0x3000;
	vm->published_bytes[NTMM_PUBLISH_MMINFO] = 100;
}

static void tear_down(void)
{
	free(vm->ram.base);
	free(vm->prot);
	free(vm);
}

/* ---- requests ---- */

START_TEST(memory_is_copied_but_not_secure_memory)
{
	uint8_t buf[0x4000];

	/* whatever the level says of its rights */
	ck_assert_int_eq(inspect_read(vm, SECURE - 16, buf, 16), 0);
	ck_assert_mem_eq(buf, vm->ram.base + SECURE - 16, 16);
	ck_assert_int_eq(inspect_read(vm, SECURE - 16, buf, 17), -EFAULT);
	ck_assert_int_eq(inspect_read(vm, SECURE, buf, 1), -EFAULT);
	ck_assert_int_eq(inspect_read(vm, SECURE + 0x7fff, buf, 1), -EFAULT);
	ck_assert_int_eq(inspect_read(vm, SECURE + 0x8000, buf, sizeof(buf)), 0);
	ck_assert_int_eq(inspect_read(vm, RAM_BYTES - 1, buf, 1), 0);
	ck_assert_int_eq(inspect_read(vm, RAM_BYTES - 1, buf, 2), -EFAULT);
	ck_assert_int_eq(inspect_read(vm, UINT64_MAX, buf, 2), -EFAULT);
}
END_TEST

START_TEST(requests_are_checked)
{
	struct inspector *s = calloc(1, sizeof(*s));
	struct inspect_request q = {.op = INSPECT_READ, .gpa = 0x100, .bytes = 64};
	struct inspect_info info;

	s->vm = vm;
	pthread_mutex_lock(&vm->io_lock);
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD);
	ck_assert_int_eq(s->reply.result, -EBUSY); /* it runs */
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q) - 1), 0);

	q.op = INSPECT_STOP;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD + sizeof(info));
	memcpy(&info, s->reply.data, sizeof(info));
	ck_assert_uint_eq(info.ram_bytes, RAM_BYTES);
	ck_assert_uint_eq(info.root, 0x3000);
	ck_assert(s->stopped && atomic_load(&vm->prot->pausing));

	q.op = INSPECT_READ;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD + 64);
	ck_assert_mem_eq(s->reply.data, vm->ram.base + 0x100, 64);
	q.bytes = INSPECT_BYTES + 1;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD);
	ck_assert_int_eq(s->reply.result, -EINVAL);
	q.bytes = UINT32_MAX;
	inspect_answer(s, &q, sizeof(q));
	ck_assert_int_eq(s->reply.result, -EINVAL);
	q.gpa = SECURE - 8;
	q.bytes = 16;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD);
	ck_assert_int_eq(s->reply.result, -EFAULT);
	q.op = 77;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), 0);

	q.op = INSPECT_GO;
	ck_assert_uint_eq(inspect_answer(s, &q, sizeof(q)), INSPECT_HEAD);
	ck_assert(!s->stopped && !atomic_load(&vm->prot->pausing));
	pthread_mutex_unlock(&vm->io_lock);
	free(s);
}
END_TEST

/* ---- through the socket ---- */

static struct loop_source quit;

static void on_quit(struct loop_source *s, uint32_t events)
{
	(void)s;
	(void)events;
	vm->loop.quit = true;
}

static void *loop_thread(void *arg)
{
	(void)arg;
	loop_run(&vm->loop, &vm->io_lock);
	return NULL;
}

static bool is_there(const char *name)
{
	char names[64][VM_MACHINE_NAME];
	unsigned n = vm_machines(names, 64);

	for (unsigned i = 0; i < n; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

START_TEST(another_process_looks_in)
{
	static uint8_t buf[RAM_BYTES];
	struct vm_window *w;
	char name[VM_MACHINE_NAME];
	pthread_t thread;

	snprintf(name, sizeof(name), "%d", (int)getpid());
	ck_assert_int_eq(loop_init(&vm->loop), 0);
	quit = (struct loop_source){.fd = eventfd(0, EFD_NONBLOCK), .ready = on_quit};
	ck_assert_int_eq(loop_watch(&vm->loop, &quit, EPOLLIN), 0);
	ck_assert(!is_there(name));
	ck_assert_int_eq(vm_attach(name, &w, &err), -ENOENT);
	ck_assert_int_eq(vm_add_inspector(vm, name, &err), 0);
	ck_assert(is_there(name));
	pthread_create(&thread, NULL, loop_thread, NULL);

	ck_assert_int_eq(vm_attach(name, &w, &err), 0);
	ck_assert(atomic_load(&vm->prot->pausing));
	ck_assert_uint_eq(w->ram_bytes, RAM_BYTES);
	ck_assert_int_eq(w->read(w, 0, buf, SECURE), 0);
	ck_assert_mem_eq(buf, vm->ram.base, SECURE);
	ck_assert_int_eq(w->read(w, SECURE + 0x1000, buf, 16), -EFAULT);
	ck_assert_int_eq(w->read(w, RAM_BYTES - 0x8000, buf, 0x8001), -EFAULT);
	ck_assert_int_eq(w->again(w), 0);
	ck_assert(atomic_load(&vm->prot->pausing));
	vm_detach(w);

	/* it goes on as soon as the other side is gone */
	for (unsigned i = 0; i < 2000 && atomic_load(&vm->prot->pausing); i++)
		usleep(1000);
	ck_assert(!atomic_load(&vm->prot->pausing));

	/* the machine ends while somebody looks */
	ck_assert_int_eq(vm_attach(name, &w, &err), 0);
	eventfd_write(quit.fd, 1);
	pthread_join(thread, NULL);
	inspect_close(vm);
	ck_assert(!atomic_load(&vm->prot->pausing));
	ck_assert_int_lt(w->read(w, 0, buf, 16), 0);
	vm_detach(w);
	ck_assert(!is_there(name));
	close(quit.fd);
	loop_destroy(&vm->loop);
}
END_TEST

START_TEST(two_machines_of_one_name)
{
	struct vm_window *w;

	ck_assert_int_eq(loop_init(&vm->loop), 0);
	ck_assert_int_eq(vm_add_inspector(vm, "4000000001", &err), 0);
	{
		struct vm *first = vm;

		set_up();
		ck_assert_int_eq(loop_init(&vm->loop), 0);
		ck_assert_int_eq(vm_add_inspector(vm, "4000000001", &err), -EADDRINUSE);
		ck_assert_ptr_null(vm->inspector);
		loop_destroy(&vm->loop);
		tear_down();
		vm = first;
	}
	ck_assert_int_lt(vm_attach("a-name-that-is-much-too-long-for-any-socket-of-this-kind-and-"
				   "for-every-other-that-there-may-be-some-day-on-this-system",
				   &w, &err),
			 0);
	inspect_close(vm);
	loop_destroy(&vm->loop);
}
END_TEST

/* ---- stopping the world ---- */

static pthread_barrier_t ready;
static atomic_uint running; /* vCPUs that are not parked, but for whoever stopped them */
static atomic_uint stops;
static bool held;

static void on_kick(int sig)
{
	(void)sig;
}

static void stopped_world(void)
{
	ck_assert(!held);
	held = true;
	for (unsigned i = 0; i < 3; i++) {
		ck_assert_uint_eq(atomic_load(&running), 0);
		sched_yield();
	}
	held = false;
	atomic_fetch_add(&stops, 1);
}

static void *cpu(void *arg)
{
	struct vcpu *v = arg;

	pthread_barrier_wait(&ready);
	for (unsigned i = 0; i < ROUNDS; i++) {
		atomic_fetch_add(&running, 1);
		if (i % 3 == 0)
			sched_yield();
		atomic_fetch_sub(&running, 1);
		protect_park(v);
		if ((i + v->id) % 5 == 0) {
			world_stop(v);
			stopped_world();
			world_resume(v);
		}
	}
	protect_gone(v);
	return NULL;
}

START_TEST(everybody_stops_everybody)
{
	signal(SIGUSR1, on_kick);
	pthread_barrier_init(&ready, NULL, CPUS + 1);
	vm->nvcpus = CPUS;
	for (unsigned i = 0; i < CPUS; i++) {
		vm->vcpu[i].vm = vm;
		vm->vcpu[i].id = i;
		vm->vcpu[i].started = true;
		pthread_create(&vm->vcpu[i].thread, NULL, cpu, &vm->vcpu[i]);
	}
	pthread_barrier_wait(&ready);
	for (unsigned i = 0; i < ROUNDS / 10; i++) {
		world_stop_outside(vm);
		stopped_world();
		world_resume_outside(vm);
	}
	for (unsigned i = 0; i < CPUS; i++)
		pthread_join(vm->vcpu[i].thread, NULL);
	ck_assert_uint_eq(atomic_load(&stops), CPUS * ROUNDS / 5 + ROUNDS / 10);
}
END_TEST

Suite *vmm_inspect_suite(void)
{
	Suite *s = suite_create("vmm_inspect");
	TCase *t = tcase_create("inspect");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_set_timeout(t, 60);
	tcase_add_test(t, memory_is_copied_but_not_secure_memory);
	tcase_add_test(t, requests_are_checked);
	tcase_add_test(t, another_process_looks_in);
	tcase_add_test(t, two_machines_of_one_name);
	tcase_add_test(t, everybody_stops_everybody);
	suite_add_tcase(s, t);
	return s;
}
