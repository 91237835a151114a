/*
 * The arguments of `ntmm run`: one row an option. What follows the program's name is the program's.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "host/host.h"

#define DEFAULT_MEMORY (256ull << 20)

const char run_help[] =
    "usage: ntmm run [OPTIONS] PROG.exe [ARGUMENTS]\n"
    "\n"
    "Runs a 64-bit Windows console program in a virtual machine of its own. Standard input,\n"
    "output and error are the program's, and so is the exit status.\n"
    "\n"
    "  --memory SIZE            physical memory of the machine (default 256M)\n"
    "  --cpus N                 virtual CPUs (default 1)\n"
    "  --pagefile PATH:MIN[:MAX]  a pagefile; repeatable, up to 16. Default: a temporary one\n"
    "  --no-pagefile            none at all\n"
    "  --share LETTER=DIR[:rw]  a folder of the host as a drive; repeatable\n"
    "  --share DIR[:rw]         the same; the current folder is D:, others the next free letter\n"
    "  --env NAME=VALUE         an environment variable for the program; repeatable\n"
    "  --timeout SECONDS        end the machine after this time, with status 124\n"
    "  --stats[=json[:FILE]]    at the end, what the memory manager and the machine did\n"
    "  --inspect VIEW[,VIEW]    when the program ends, views of `ntmm inspect`, VIEW:ARG with one\n"
    "  --inspect-json FILE      these as JSON in FILE\n"
    "  --aslr SEED|off          address-space layout randomization; --aslr-seed N is the same\n"
    "  --memory-compression     pages are compressed in memory before a pagefile is used\n"
    "  --largeaddress 8tb       Windows 8's user address space in place of 128 TB\n"
    "  --vbs off|text|kdp|hvci  what the host keeps a kernel that was taken over from doing\n"
    "                           (default text; see docs/threat-model.md)\n"
    "  --approve FILE|HASH      a kernel module that level hvci lets in; repeatable\n"
    "  --policy FILE            level, regions, actions and scans from a policy file\n"
    "  --events FILE            violations go there, as JSON lines; see `ntmm help events`\n"
    "  --scan N|MS:SEED         integrity scans at every Nth exit, or every MS ms on average\n"
    "  --vulnerable             the kernel offers a driver with holes, for attacks in tests\n"
    "  --test-faults            let the program inject pagefile faults\n"
    "  --debug KEYWORDS         pfncheck, verbose: passed to the kernel\n"
    "  --serial FILE            the kernel's early messages; - is standard error\n"
    "  --kernel FILE            another kernel\n"
    "  --system DIR             another folder for C:\\Windows\\System32\n"
    "  --no-sandbox             leave out the seccomp filter\n"
    "  --quiet                  no notices\n"
    "\n"
    "Drives: C: the system, D: the current folder (read-only unless shared :rw), E: the\n"
    "program's folder if it is another one, T: a temporary folder.\n"
    "Exit status: the program's if it is 0 to 255; 117 if it is larger (it is then told on\n"
    "standard error), 2 bad arguments or files, 118 protected memory was touched, 119 bug check\n"
    "of the kernel, 120 the machine crashed, 124 timeout, 125 the host cannot do it, 128+N\n"
    "ended by signal N.\n";

static int opt_memory(struct run_options *o, const char *v)
{
	int r = parse_size(v, &o->memory);

	if (r < 0)
		return complain(STATUS_USAGE,
				"--memory %s: not a size; give one as 64M, 1G or 4096K", v);
	if (o->memory < VM_MIN_MEMORY || o->memory > VM_MAX_MEMORY)
		return complain(STATUS_USAGE, "--memory %s: it has to be %uM to %lluG", v,
				VM_MIN_MEMORY >> 20, VM_MAX_MEMORY >> 30);
	o->memory &= ~(uint64_t)(NTMM_PAGE_SIZE - 1);
	return 0;
}

static int opt_cpus(struct run_options *o, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);

	if (*end || end == v || n < 1 || n > VM_MAX_CPUS)
		return complain(STATUS_USAGE, "--cpus %s: it has to be 1 to %u", v, VM_MAX_CPUS);
	o->cpus = (unsigned)n;
	return 0;
}

static int opt_pagefile(struct run_options *o, const char *v)
{
	const char *why;

	if (o->npagefiles == NTMM_MAX_PAGEFILES)
		return complain(STATUS_USAGE, "--pagefile %s: there can be %u at most", v,
				NTMM_MAX_PAGEFILES);
	if (parse_pagefile(v, &o->pagefile[o->npagefiles], &why) < 0)
		return complain(STATUS_USAGE, "--pagefile %s: %s", v, why);
	o->npagefiles++;
	return 0;
}

static int opt_no_pagefile(struct run_options *o, const char *v)
{
	(void)v;
	o->no_pagefile = true;
	return 0;
}

static int opt_share(struct run_options *o, const char *v)
{
	const char *why;

	if (o->nshares == MAX_SHARES)
		return complain(STATUS_USAGE, "--share %s: there can be %u at most", v, MAX_SHARES);
	if (parse_share(v, &o->share[o->nshares], &why) < 0)
		return complain(STATUS_USAGE, "--share %s: %s", v, why);
	for (unsigned i = 0; i < o->nshares; i++)
		if (o->share[i].letter && o->share[i].letter == o->share[o->nshares].letter) {
			free(o->share[o->nshares].dir);
			return complain(STATUS_USAGE, "--share %s: the drive is given twice", v);
		}
	o->nshares++;
	return 0;
}

static int opt_env(struct run_options *o, const char *v)
{
	const char **more;

	if (!strchr(v, '=') || v[0] == '=' || !utf8_valid(v))
		return complain(STATUS_USAGE, "--env %s: it has to be NAME=VALUE, in UTF-8", v);
	more = realloc(o->env, (o->nenv + 1) * sizeof(*more));
	if (!more)
		return complain(STATUS_HOST, "out of memory");
	o->env = more;
	o->env[o->nenv++] = v;
	return 0;
}

static int opt_timeout(struct run_options *o, const char *v)
{
	char *end;
	double s = strtod(v, &end);

	if (*end || end == v || !(s > 0) || s > 1e9)
		return complain(STATUS_USAGE, "--timeout %s: it has to be a number of seconds", v);
	o->timeout_ns = (uint64_t)(s * 1e9);
	return 0;
}

static int opt_stats(struct run_options *o, const char *v)
{
	o->stats = true;
	if (!v)
		return 0;
	if (strcmp(v, "json") != 0 && strncmp(v, "json:", 5) != 0)
		return complain(STATUS_USAGE, "--stats=%s: it has to be json or json:FILE", v);
	o->stats_json = true;
	if (v[4] && !v[5])
		return complain(STATUS_USAGE, "--stats=%s: the file's name is missing", v);
	o->stats_file = v[4] ? v + 5 : NULL;
	return 0;
}

static int opt_inspect(struct run_options *o, const char *v)
{
	return inspect_parse(v, &o->inspect);
}

static int opt_inspect_json(struct run_options *o, const char *v)
{
	o->inspect.json = v;
	return 0;
}

static int opt_aslr(struct run_options *o, const char *v)
{
	char *end;

	errno = 0;
	if (strcmp(v, "off") != 0 && (strtoull(v, &end, 0), *end || end == v || *v == '-' || errno))
		return complain(STATUS_USAGE, "--aslr %s: it has to be a number or off", v);
	o->aslr = v;
	return 0;
}

static int opt_largeaddress(struct run_options *o, const char *v)
{
	if (strcasecmp(v, "8tb") != 0 && strcasecmp(v, "128tb") != 0)
		return complain(STATUS_USAGE, "--largeaddress %s: it has to be 8tb or 128tb", v);
	o->largeaddress = v;
	return 0;
}

static int opt_vbs(struct run_options *o, const char *v)
{
	enum ept_level level;

	if (!level_by_name(v, &level))
		return complain(STATUS_USAGE, "--vbs %s: it has to be off, text, kdp or hvci", v);
	o->protection.level = level;
	rules_default(&o->protection.rules, level);
	return 0;
}

static int opt_approve(struct run_options *o, const char *v)
{
	int r = approve_module(&o->protection, v, NULL);

	return r < 0 ? complain(STATUS_USAGE, "--approve %s: %s", v, strerror(-r)) : 0;
}

static int opt_vulnerable(struct run_options *o, const char *v)
{
	(void)v;
	o->protection.vulnerable = true;
	return 0;
}

static int opt_scan(struct run_options *o, const char *v)
{
	char *end;
	unsigned long n = strtoul(v, &end, 10);

	if (end == v || n > 1000000000ul)
		goto bad;
	if (*end == 0) {
		o->protection.scan_exits = n;
		return 0;
	}
	if (*end == ':') {
		o->protection.scan_mean_ns = n * 1000000ull;
		o->protection.scan_seed = strtoull(v = end + 1, &end, 0);
		if (end != v && *end == 0)
			return 0;
	}
bad:
	return complain(STATUS_USAGE, "--scan %s: it has to be a number of exits, or MS:SEED", v);
}

#define STRING_OPTION(field)                                         \
	static int opt_##field(struct run_options *o, const char *v) \
	{                                                            \
		o->field = v;                                        \
		return 0;                                            \
	}
STRING_OPTION(kernel)
STRING_OPTION(system_dir)
STRING_OPTION(serial)
STRING_OPTION(debug)
STRING_OPTION(events)

#define FLAG_OPTION(field)                                           \
	static int opt_##field(struct run_options *o, const char *v) \
	{                                                            \
		(void)v;                                             \
		o->field = true;                                     \
		return 0;                                            \
	}
static int opt_policy(struct run_options *o, const char *v)
{
	return policy_apply(v, o);
}

FLAG_OPTION(test_faults)
FLAG_OPTION(memory_compression)
FLAG_OPTION(quiet)
FLAG_OPTION(no_sandbox)

enum takes { NOTHING, VALUE, MAYBE };
static const struct {
	const char *name;
	enum takes takes;
	int (*set)(struct run_options *o, const char *v);
} rows[] = {
    {"--memory", VALUE, opt_memory},
    {"--cpus", VALUE, opt_cpus},
    {"--pagefile", VALUE, opt_pagefile},
    {"--no-pagefile", NOTHING, opt_no_pagefile},
    {"--share", VALUE, opt_share},
    {"--env", VALUE, opt_env},
    {"--timeout", VALUE, opt_timeout},
    {"--stats", MAYBE, opt_stats},
    {"--inspect", VALUE, opt_inspect},
    {"--inspect-json", VALUE, opt_inspect_json},
    {"--aslr", VALUE, opt_aslr},
    {"--aslr-seed", VALUE, opt_aslr},
    {"--memory-compression", NOTHING, opt_memory_compression},
    {"--largeaddress", VALUE, opt_largeaddress},
    {"--kernel", VALUE, opt_kernel},
    {"--system", VALUE, opt_system_dir},
    {"--serial", VALUE, opt_serial},
    {"--debug", VALUE, opt_debug},
    {"--vbs", VALUE, opt_vbs},
    {"--policy", VALUE, opt_policy},
    {"--approve", VALUE, opt_approve},
    {"--events", VALUE, opt_events},
    {"--scan", VALUE, opt_scan},
    {"--vulnerable", NOTHING, opt_vulnerable},
    {"--test-faults", NOTHING, opt_test_faults},
    {"--quiet", NOTHING, opt_quiet},
    {"--no-sandbox", NOTHING, opt_no_sandbox},
};

/* Takes one option and its value off argv. A status after complaining, else 0. */
static int one_option(struct run_options *o, int argc, char **argv, int *i)
{
	const char *arg = argv[*i], *equals = strchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);

	for (size_t k = 0; k < sizeof(rows) / sizeof(rows[0]); k++) {
		const char *v = equals ? equals + 1 : NULL;

		if (strlen(rows[k].name) != len || memcmp(rows[k].name, arg, len) != 0)
			continue;
		if (rows[k].takes == NOTHING && v)
			return complain(STATUS_USAGE, "%s takes no value", rows[k].name);
		if (rows[k].takes == VALUE && !v) {
			if (*i + 1 >= argc)
				return complain(STATUS_USAGE, "%s needs a value", rows[k].name);
			v = argv[++*i];
		}
		return rows[k].set(o, v);
	}
	return complain(STATUS_USAGE, "no option `%s`; see `ntmm help run`", arg);
}

int run_options_parse(int argc, char **argv, struct run_options *o)
{
	const char *quiet = getenv("NTMM_QUIET");
	int i = 1;

	memset(o, 0, sizeof(*o));
	o->memory = DEFAULT_MEMORY;
	o->protection.level = LEVEL_TEXT;
	rules_default(&o->protection.rules, LEVEL_TEXT);
	o->cpus = 1;
	o->protection.scan_mean_ns = SCAN_MEAN_NS;
	o->quiet = quiet && strcmp(quiet, "1") == 0;
	for (; i < argc && argv[i] && argv[i][0] == '-' && argv[i][1]; i++) {
		int r;
		if (strcmp(argv[i], "--") == 0) {
			i++;
			break;
		}
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return -1;
		r = one_option(o, argc, argv, &i);
		if (r)
			return r;
	}
	if (i == argc)
		return complain(STATUS_USAGE, "the program to run is missing; see `ntmm help run`");
	if (o->no_pagefile && o->npagefiles)
		return complain(STATUS_USAGE, "--pagefile and --no-pagefile exclude each other");
	if (o->inspect.json && !o->inspect.n)
		return complain(STATUS_USAGE, "--inspect-json needs views: --inspect VIEW");
	o->program = argv[i];
	o->args = argv + i + 1;
	o->nargs = argc - i - 1;
	for (int k = 0; k < o->nargs; k++)
		if (!utf8_valid(o->args[k]))
			return complain(STATUS_USAGE, "the program's argument %d is not UTF-8",
					k + 1);
	return 0;
}

void run_options_free(struct run_options *o)
{
	for (unsigned i = 0; i < o->npagefiles; i++)
		free(o->pagefile[i].path);
	for (unsigned i = 0; i < o->nshares; i++)
		free(o->share[i].dir);
	free(o->env);
}
