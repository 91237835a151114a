/*
 * Is this host fit? The verdict of the probe guest is kept in a small file, so that a run need not
 * ask again until the kernel, its KVM module or the boot changes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cjson/cJSON.h>

#include "host/host.h"

#define CACHE_FORMAT "1"
#define MAX_CAPS     64

/* KVM's modules, the parameters that tell whether nested paging is used. */
static const struct {
	const char *module, *parameter, *what;
} modules[] = {
    {"kvm_intel", "ept", "extended page tables (EPT)"},
    {"kvm_amd", "npt", "nested page tables (NPT)"},
    {"kvm_pvm", NULL, "none: a paravirtual KVM with shadow page tables"},
};

/* Reads the first line of a file; empty if there is none. */
static void read_line(const char *path, char *buf, size_t size)
{
	FILE *f = fopen(path, "re");

	buf[0] = 0;
	if (!f)
		return;
	if (!fgets(buf, (int)size, f))
		buf[0] = 0;
	buf[strcspn(buf, "\n")] = 0;
	fclose(f);
}

/* Which module is loaded, or -1. */
static int loaded_module(void)
{
	char path[96];

	for (size_t i = 0; i < sizeof(modules) / sizeof(modules[0]); i++) {
		snprintf(path, sizeof(path), "/sys/module/%s", modules[i].module);
		if (access(path, F_OK) == 0)
			return (int)i;
	}
	return -1;
}

/* ---- the cache ---- */

static bool cache_path(char *path, size_t size)
{
	const char *base = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
	int n;

	if (base && *base == '/')
		n = snprintf(path, size, "%s/ntmm", base);
	else if (home && *home == '/')
		n = snprintf(path, size, "%s/.cache/ntmm", home);
	else
		return false;
	return n > 0 && (size_t)n + 16 < size;
}

static void cache_key(char *key, size_t size)
{
	char boot[64];
	struct utsname u;
	int m = loaded_module();

	uname(&u);
	read_line("/proc/sys/kernel/random/boot_id", boot, sizeof(boot));
	snprintf(key, size, CACHE_FORMAT " %s %s %s", u.release, m < 0 ? "-" : modules[m].module,
		 boot);
}

/* The cached verdict: true if there is one for this kernel. */
static bool cache_read(bool *fit, char *why, size_t size)
{
	char path[512], key[320], line[320], verdict[320];
	FILE *f;
	bool ok;

	if (!cache_path(path, sizeof(path)))
		return false;
	strcat(path, "/kvm");
	f = fopen(path, "re");
	if (!f)
		return false;
	cache_key(key, sizeof(key));
	ok = fgets(line, sizeof(line), f) && fgets(verdict, sizeof(verdict), f);
	fclose(f);
	if (!ok)
		return false;
	line[strcspn(line, "\n")] = 0;
	verdict[strcspn(verdict, "\n")] = 0;
	if (strcmp(line, key) != 0)
		return false;
	*fit = strcmp(verdict, "fit") == 0;
	snprintf(why, size, "%s", verdict);
	return true;
}

static void cache_write(const struct vm_probe *p)
{
	char path[512], tmp[540], key[320];
	FILE *f;

	if (!cache_path(path, sizeof(path)))
		return;
	for (char *c = path + 1; *c; c++)
		if (*c == '/') {
			*c = 0;
			mkdir(path, 0700);
			*c = '/';
		}
	mkdir(path, 0700);
	strcat(path, "/kvm");
	snprintf(tmp, sizeof(tmp), "%s.%d", path, (int)getpid());
	f = fopen(tmp, "we");
	if (!f)
		return;
	cache_key(key, sizeof(key));
	fprintf(f, "%s\n%s\n", key, p->fit ? "fit" : p->reason);
	if (fclose(f) != 0 || rename(tmp, path) < 0)
		unlink(tmp);
}

bool kvm_fit(char *why, size_t size)
{
	struct vm_probe p;
	bool fit;
	int fd;

	if (getenv("NTMM_IN_LAB")) /* the lab's KVM is known */
		return true;
	fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (fd < 0) {
		snprintf(why, size, "/dev/kvm: %s", strerror(errno));
		return false;
	}
	close(fd);
	if (cache_read(&fit, why, size))
		return fit;
	vm_probe(&p);
	cache_write(&p);
	snprintf(why, size, "%s", p.reason);
	return p.fit;
}

/* ---- the command ---- */

struct findings {
	struct utsname host;
	int module;
	char parameter[16], hugepages[32], thp[64], shmem_thp[64];
	struct vm_probe probe;
	int ncaps;
	struct vm_capability caps[MAX_CAPS];
	const char *advice;
};

static const char *advice_for(const struct findings *d)
{
	const struct vm_probe *p = &d->probe;

	if (p->fit)
		return "nothing: programs run here directly";
	if (!p->opened && (p->open_errno == EACCES || p->open_errno == EPERM))
		return "give your user access to /dev/kvm (usually: add it to the group kvm)";
	if (!p->opened)
		return "load kvm_intel or kvm_amd, switch virtualization on in the firmware, or, "
		       "in "
		       "a virtual machine, have its host allow nested virtualization; until then "
		       "`ntmm run` uses the lab by itself";
	return "this KVM cannot be used; `ntmm run` uses the lab by itself (slower)";
}

static void examine(struct findings *d)
{
	char path[128];
	int n;

	memset(d, 0, sizeof(*d));
	uname(&d->host);
	d->module = loaded_module();
	if (d->module >= 0 && modules[d->module].parameter) {
		snprintf(path, sizeof(path), "/sys/module/%s/parameters/%s",
			 modules[d->module].module, modules[d->module].parameter);
		read_line(path, d->parameter, sizeof(d->parameter));
	}
	read_line("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", d->hugepages,
		  sizeof(d->hugepages));
	read_line("/sys/kernel/mm/transparent_hugepage/enabled", d->thp, sizeof(d->thp));
	read_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", d->shmem_thp,
		  sizeof(d->shmem_thp));
	vm_probe(&d->probe);
	cache_write(&d->probe);
	n = vm_capabilities(d->caps, MAX_CAPS);
	d->ncaps = n < 0 ? 0 : n;
	d->advice = advice_for(d);
}

static void print_text(const struct findings *d)
{
	const struct vm_probe *p = &d->probe;

	printf("host kernel      %s\n", d->host.release);
	printf("KVM module       %s\n",
	       d->module < 0 ? "none loaded (or built in)" : modules[d->module].module);
	if (d->module >= 0)
		printf("nested paging    %s%s%s\n", modules[d->module].what,
		       d->parameter[0] ? ": " : "", d->parameter);
	printf("/dev/kvm         %s\n", p->opened ? "opens" : strerror(p->open_errno));
	if (p->opened)
		printf("KVM API          version %d\n", p->api_version);
	printf("free 2 MB pages  %s\n", d->hugepages[0] ? d->hugepages : "unknown");
	printf("THP              %s; for shared memory: %s\n", d->thp[0] ? d->thp : "unknown",
	       d->shmem_thp[0] ? d->shmem_thp : "unknown");
	printf("capabilities\n");
	for (int i = 0; i < d->ncaps; i++)
		printf("  %-30s %ld%s\n", d->caps[i].name, d->caps[i].value,
		       d->caps[i].required && d->caps[i].value <= 0 ? "  MISSING" : "");
	if (p->opened) {
		printf("probe guest\n");
		for (unsigned i = 0; i < p->ntests; i++)
			printf("  %-45s %s\n", p->test[i].name,
			       p->test[i].text[0] ? p->test[i].text : "not reached");
	}
	printf("lab              %s\n", lab_available() ? "there" : "not there");
	printf("verdict          %s\n", p->fit ? "fit" : p->reason);
	printf("what to do       %s\n", d->advice);
}

static void print_json(const struct findings *d)
{
	const struct vm_probe *p = &d->probe;
	cJSON *o = cJSON_CreateObject(), *capabilities, *tests;

	cJSON_AddBoolToObject(o, "fit", p->fit);
	json_str(o, "reason", p->fit ? NULL : p->reason);
	json_str(o, "advice", d->advice);
	json_str(o, "kernel", d->host.release);
	json_str(o, "module", d->module < 0 ? NULL : modules[d->module].module);
	json_str(o, "nested_paging", d->parameter[0] ? d->parameter : NULL);
	cJSON_AddBoolToObject(o, "dev_kvm_opens", p->opened);
	cJSON_AddNumberToObject(o, "api_version", p->api_version);
	json_str(o, "free_2mb_pages", d->hugepages);
	json_str(o, "thp", d->thp);
	json_str(o, "thp_shmem", d->shmem_thp);
	capabilities = cJSON_AddObjectToObject(o, "capabilities");
	for (int i = 0; i < d->ncaps; i++)
		cJSON_AddNumberToObject(capabilities, d->caps[i].name, d->caps[i].value);
	tests = cJSON_AddArrayToObject(o, "probe");
	for (unsigned i = 0; p->opened && i < p->ntests; i++) {
		cJSON *t = json_add_object(tests);

		json_str(t, "test", p->test[i].name);
		cJSON_AddBoolToObject(t, "ok", p->test[i].ok);
		json_str(t, "seen", p->test[i].text);
	}
	json_u64(o, "instructions_per_second", p->alu_per_second);
	cJSON_AddBoolToObject(o, "lab", lab_available());
	json_print(stdout, o);
}

int cmd_doctor(int argc, char **argv)
{
	bool json = argc == 2 && strcmp(argv[1], "--json") == 0;
	static struct findings d;

	if (argc > 2 || (argc == 2 && !json))
		return complain(STATUS_USAGE, "usage: ntmm doctor [--json]");
	examine(&d);
	if (json)
		print_json(&d);
	else
		print_text(&d);
	return d.probe.fit ? 0 : 1;
}
