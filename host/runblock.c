/*
 * The run block (abi/runblock.h): "NTMM1" NUL, KEY=VALUE NUL ..., a last NUL.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "host/host.h"

static void end_entry(struct text *t)
{
	text_add(t, "", 1);
}

static void entry(struct text *t, const char *key, const char *value)
{
	text_puts(t, key);
	text_puts(t, "=");
	text_puts(t, value);
	end_entry(t);
}

/* The small environment every program finds; --env overrides a row of the same name. */
static const char *const environment[] = {
    "COMPUTERNAME=NTMM",
    "ComSpec=C:\\Windows\\System32\\cmd.exe",
    "HOMEDRIVE=T:",
    "HOMEPATH=\\",
    "OS=Windows_NT",
    "PATHEXT=.COM;.EXE",
    "PROCESSOR_ARCHITECTURE=AMD64",
    "SystemDrive=C:",
    "SystemRoot=C:\\Windows",
    "TEMP=T:\\",
    "TMP=T:\\",
    "USERDOMAIN=NTMM",
    "USERNAME=user",
    "USERPROFILE=T:\\",
    "windir=C:\\Windows",
};

static size_t name_length(const char *assignment)
{
	return (size_t)(strchr(assignment, '=') - assignment);
}

static bool overridden(const struct run_options *o, const char *assignment)
{
	size_t n = name_length(assignment);

	for (unsigned i = 0; i < o->nenv; i++)
		if (name_length(o->env[i]) == n && strncasecmp(o->env[i], assignment, n) == 0)
			return true;
	return false;
}

static void add_env(struct text *t, const struct run_options *o, const char *assignment)
{
	if (!overridden(o, assignment))
		entry(t, "env", assignment);
}

static void add_environment(struct text *t, const struct runblock_input *in)
{
	char buf[64];

	for (size_t i = 0; i < sizeof(environment) / sizeof(environment[0]); i++)
		add_env(t, in->options, environment[i]);
	snprintf(buf, sizeof(buf), "NUMBER_OF_PROCESSORS=%u", in->options->cpus);
	add_env(t, in->options, buf);
	snprintf(buf, sizeof(buf), "PATH=C:\\Windows\\System32;C:\\Windows;%c:\\", in->exe[0]);
	add_env(t, in->options, buf);
	for (unsigned i = 0; i < in->options->nenv; i++)
		entry(t, "env", in->options->env[i]);
}

int runblock_build(const struct runblock_input *in, struct text *t)
{
	const struct run_options *o = in->options;
	struct text line = {0};

	text_add(t, NTMM_RUNBLOCK_MAGIC, sizeof(NTMM_RUNBLOCK_MAGIC));
	entry(t, "exe", in->exe);
	winargs_add_program(&line, in->program_name);
	for (int i = 0; i < o->nargs; i++)
		winargs_add(&line, o->args[i]);
	if (line.failed)
		t->failed = true;
	else
		entry(t, "cmdline", line.data);
	text_free(&line);
	entry(t, "cwd", "D:\\");
	add_environment(t, in);
	text_printf(t, "tty=%u", in->tty);
	end_entry(t);
	text_printf(t, "cpus=%u", o->cpus);
	end_entry(t);
	for (unsigned i = 0; i < in->npagefiles; i++) {
		text_printf(t, "pagefile.%u.max=%" PRIu64, i, in->pagefile_max[i]);
		end_entry(t);
	}
	for (unsigned i = 0; i < in->ndrives; i++) {
		text_printf(t, "drive.%c=%s", in->drive[i].letter,
			    in->drive[i].writable ? "rw" : "ro");
		end_entry(t);
	}
	if (in->ram_is_zero)
		entry(t, "ram", "zero");
	if (o->aslr)
		entry(t, "aslr", o->aslr);
	else {
		text_printf(t, "aslr=0x%" PRIx64, in->random);
		end_entry(t);
	}
	text_printf(t, "time=%" PRIu64, in->time_ns);
	end_entry(t);
	if (o->debug)
		entry(t, "debug", o->debug);
	if (o->largeaddress)
		entry(t, "largeaddress", o->largeaddress);
	if (o->memory_compression)
		entry(t, "compression", "on");
	end_entry(t);
	if (t->failed)
		return -ENOMEM;
	return t->len > NTMM_RUNBLOCK_MAX ? -E2BIG : 0;
}
