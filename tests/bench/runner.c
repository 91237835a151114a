/*
 * runner PREFIX COMMAND...: brackets the phases a command announces (bench.h): for each it prints
 * "op PREFIX_PHASE TICKS", the ticks a page that the machine was busy, whoever was at work, and
 * "exits PREFIX_PHASE NUMBER", the VM exits in a thousand pages as KVM counts them.
 *
 * The machine has one CPU: busy is what the time-stamp counter went forward, less the time Linux
 * was idle (/proc/timer_list has it to the nanosecond; under -icount that is an instruction).
 * Other lines of the command are passed on.
 */
#define _GNU_SOURCE
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/ticks.h"

static uint64_t idle(void)
{
	FILE *f = fopen("/proc/timer_list", "r");
	uint64_t sum = 0, v;
	char line[256];

	while (f && fgets(line, sizeof(line), f))
		if (sscanf(line, " .idle_sleeptime : %" SCNu64, &v) == 1 ||
		    sscanf(line, " .iowait_sleeptime: %" SCNu64, &v) == 1 ||
		    sscanf(line, " .iowait_sleeptime : %" SCNu64, &v) == 1)
			sum += v;
	if (!f) {
		perror("runner: /proc/timer_list");
		exit(1);
	}
	fclose(f);
	return sum;
}

/* Of all virtual machines there are; 0 where debugfs is not mounted. */
static uint64_t exits(void)
{
	FILE *f = fopen("/sys/kernel/debug/kvm/exits", "r");
	uint64_t n = 0;

	if (f) {
		if (fscanf(f, "%" SCNu64, &n) != 1)
			n = 0;
		fclose(f);
	}
	return n;
}

static pid_t start(char **argv, FILE **to, FILE **from)
{
	int in[2], out[2];
	pid_t pid;

	if (pipe(in) || pipe(out)) {
		perror("runner: pipe");
		exit(1);
	}
	pid = fork();
	if (pid == 0) {
		dup2(in[0], 0);
		dup2(out[1], 1);
		close(in[0]);
		close(in[1]);
		close(out[0]);
		close(out[1]);
		execvp(argv[0], argv);
		perror(argv[0]);
		_exit(127);
	}
	close(in[0]);
	close(out[1]);
	*to = fdopen(in[1], "w");
	*from = fdopen(out[0], "r");
	return pid;
}

int main(int argc, char **argv)
{
	uint64_t at = 0, was_idle = 0, exits_before = 0;
	char line[256], phase[64] = "";
	FILE *to, *from;
	int status;
	pid_t pid;

	if (argc < 3)
		return 2;
	pid = start(argv + 2, &to, &from);
	while (fgets(line, sizeof(line), from)) {
		uint64_t now = ticks();
		unsigned pages;

		if (sscanf(line, "phase %63s", phase) == 1) {
			exits_before = exits();
			was_idle = idle();
			fputs("go\n", to);
			at = ticks();
			fflush(to);
		} else if (sscanf(line, "done %u", &pages) == 1 && pages) {
			uint64_t slept = idle() - was_idle;

			printf("op %s_%s %" PRIu64 "\n", argv[1], phase,
			       (now - at - slept) / pages);
			printf("exits %s_%s %" PRIu64 "\n", argv[1], phase,
			       (exits() - exits_before) * 1000 / pages);
			fflush(stdout);
		} else {
			fputs(line, stdout);
		}
	}
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}
