/* setjmp and longjmp: values, registers kept, through many frames, out of signal handlers. */
#include "tests/guest/crt/expect.h"
#include <setjmp.h>
#include <signal.h>

static jmp_buf place;
static volatile int depth_reached;

__attribute__((noinline)) static int dive(int depth, int value)
{
	volatile char frame[200];

	frame[depth % 200] = (char)depth;
	depth_reached = depth;
	if (!depth && value)
		longjmp(place, value);
	if (depth < -9)
		return 0;
	return dive(depth - 1, value) + frame[depth % 200];
}

static void values(void)
{
	volatile int round = 0;
	int got = setjmp(place);

	if (round == 0) {
		CHECK_EQ(got, 0);
		round = 1;
		longjmp(place, 0);
	} else if (round == 1) {
		CHECK_EQ(got, 1); /* zero is not allowed */
		round = 2;
		longjmp(place, -5);
	}
	CHECK_EQ(got, -5);
	CHECK_EQ(round, 2);
}

static void deep(void)
{
	volatile double kept = 1.25;
	volatile int tries = 0;
	int got;

	for (volatile int i = 1; i <= 50; i++) {
		got = setjmp(place);
		if (!got) {
			tries++;
			dive(i * 3, i);
		}
		CHECK_EQ(depth_reached, 0);
	}
	CHECK_EQ(tries, 50);
	CHECK(kept == 1.25);
}

/* A recovery loop as interpreters have it. */
static void loop(void)
{
	volatile int errors = 0, done = 0;

	while (done < 1000) {
		if (setjmp(place)) {
			errors++;
			done++;
			continue;
		}
		if (done % 3 == 0)
			dive(5, 1);
		done++;
	}
	CHECK_EQ(errors, 334);
}

static volatile int signals;

static void on_signal(int number)
{
	signals = number;
}

static void on_abort(int number)
{
	signals = number;
	longjmp(place, 9);
}

static void signal_tests(void)
{
	CHECK(signal(SIGTERM, on_signal) == SIG_DFL);
	CHECK_EQ(raise(SIGTERM), 0);
	CHECK_EQ(signals, SIGTERM);
	/* A handler is called once. */
	CHECK(signal(SIGTERM, SIG_IGN) == SIG_DFL);
	CHECK_EQ(raise(SIGTERM), 0);
	CHECK(signal(12345, on_signal) == SIG_ERR);
	signal(SIGABRT, on_abort);
	if (!setjmp(place))
		abort();
	CHECK_EQ(signals, SIGABRT);
}

int main(void)
{
	values();
	deep();
	loop();
	signal_tests();
	return checks_end();
}
