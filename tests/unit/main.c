/*
 * The main program of every native test: runs the one suite it is built for (SUITE, set by
 * tests/build.mk), each test in a process of its own.
 *
 * Prints Check's summary and failures; with CK_TAP_LOG_FILE_NAME=FILE also TAP. CK_FORK=no helps
 * when debugging.
 */
#include <check.h>
#include <stdlib.h>

Suite *SUITE(void);

int main(void)
{
	SRunner *runner = srunner_create(SUITE());
	srunner_run_all(runner, CK_NORMAL);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
