/*
 * Runs a program once for each line of its standard input, and tells how each time ended; for
 * tests/cmd/changed.sh, which changes the program in between.
 *   rerun.exe PROGRAM
 */
#include <stdio.h>
#include <windows.h>

int main(int argc, char **argv)
{
	char line[64];

	while (argc == 2 && fgets(line, sizeof(line), stdin)) {
		STARTUPINFOA si = {.cb = sizeof(si)};
		PROCESS_INFORMATION pi;
		DWORD code = 0;

		if (!CreateProcessA(argv[1], NULL, NULL, NULL, FALSE, 0, NULL, NULL, &si, &pi)) {
			printf("error %lu\n", GetLastError());
		} else {
			WaitForSingleObject(pi.hProcess, INFINITE);
			GetExitCodeProcess(pi.hProcess, &code);
			CloseHandle(pi.hThread);
			CloseHandle(pi.hProcess);
			printf("ended with %lu\n", code);
		}
		fflush(stdout);
	}
	return 0;
}
