/*
 * Processes: command lines split by Microsoft's rules, exit codes, descriptors and environment
 * handed to a child. The program runs itself, so it needs no other.
 */
#include "tests/guest/crt/expect.h"
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <process.h>
#include <windows.h>

static const struct {
	const char *line;
	const char *args[6];
} command_lines[] = {
    {"\"a b c\" d e", {"a b c", "d", "e"}},
    {"\"ab\\\"c\" \"\\\\\" d", {"ab\"c", "\\", "d"}},
    {"a\\\\\\b d\"e f\"g h", {"a\\\\\\b", "de fg", "h"}},
    {"a\\\\\\\"b c d", {"a\\\"b", "c", "d"}},
    {"a\\\\\\\\\"b c\" d e", {"a\\\\b c", "d", "e"}},
    {"  x\t \"\" y ", {"x", "", "y"}},
    {"*.none ?", {"*.none", "?"}},
};

static int run(const char *self, const char *arguments)
{
	STARTUPINFOA start = {.cb = sizeof(start)};
	PROCESS_INFORMATION process;
	char line[600];
	DWORD code = 0;

	_snprintf(line, sizeof(line), "\"%s\" %s", self, arguments);
	if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, 0, NULL, NULL, &start, &process))
		return -1;
	WaitForSingleObject(process.hProcess, INFINITE);
	GetExitCodeProcess(process.hProcess, &code);
	CloseHandle(process.hProcess);
	CloseHandle(process.hThread);
	return (int)code;
}

/* The child: argument "line", its number, and then the command line of the table. */
static int check_line(int argc, char **argv)
{
	int which = atoi(argv[2]), n = 0;

	while (n < 6 && command_lines[which].args[n]) {
		if (argc <= 3 + n || strcmp(argv[3 + n], command_lines[which].args[n])) {
			printf("line %d argument %d is <%s>, not <%s>\n", which, n,
			       argc > 3 + n ? argv[3 + n] : "(none)", command_lines[which].args[n]);
			return 1;
		}
		n++;
	}
	return argc == 3 + n ? 100 : 2;
}

/* The child: reads numbers from the descriptor it is told, and exits with their sum. */
static int sum_numbers(const char *fd)
{
	FILE *file = _fdopen(atoi(fd), "r");
	int n, sum = 0;

	if (!file)
		return 250;
	while (fscanf(file, "%d", &n) == 1)
		sum += n;
	return sum;
}

int main(int argc, char **argv)
{
	char text[64];
	int fds[2], code = 0;
	intptr_t child;

	if (argc > 3 && !strcmp(argv[1], "line"))
		return check_line(argc, argv);
	if (argc > 2 && !strcmp(argv[1], "exit"))
		return atoi(argv[2]);
	if (argc > 2 && !strcmp(argv[1], "sum"))
		return sum_numbers(argv[2]);
	if (argc > 1 && !strcmp(argv[1], "env"))
		return getenv("CRT_CHILD") ? atoi(getenv("CRT_CHILD")) : 0;

	for (size_t i = 0; i < sizeof(command_lines) / sizeof(*command_lines); i++) {
		char line[300];

		_snprintf(line, sizeof(line), "line %d %s", (int)i, command_lines[i].line);
		CHECK_EQ(run(argv[0], line), 100);
	}
	CHECK_EQ(_spawnl(_P_WAIT, argv[0], "self", "exit", "17", NULL), 17);
	child = _spawnl(_P_NOWAIT, argv[0], "self", "exit", "18", NULL);
	CHECK(child != -1);
	CHECK_EQ(_cwait(&code, child, 0), child);
	CHECK_EQ(code, 18);
	CHECK_EQ(_spawnl(_P_WAIT, "no such program", "x", NULL), -1);
	CHECK_EQ(errno, ENOENT);
	_putenv("CRT_CHILD=33");
	CHECK_EQ(_spawnl(_P_WAIT, argv[0], "self", "env", NULL), 33);
	/* The child reads what was put into a pipe whose end it inherits by number. */
	CHECK_EQ(_pipe(fds, 4096, _O_BINARY), 0);
	CHECK_EQ(_write(fds[1], "1 2 3 4\n", 8), 8);
	_close(fds[1]);
	sprintf(text, "%d", fds[0]);
	CHECK_EQ(_spawnl(_P_WAIT, argv[0], "self", "sum", text, NULL), 10);
	_close(fds[0]);
	return checks_end();
}
