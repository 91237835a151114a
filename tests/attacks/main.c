/* attack NAME...: runs attacks one after another; a line each. Exit code: how many FAILED. */
#include "tests/attacks/attack.h"

static const struct attack *const tables[] = {attacks_memory, attacks_tables, attacks_state,
					      attacks_calls, attacks_modules};
static const char *const outcomes[] = {"succeeded", "refused", "failed"};

static const struct attack *find(const char *name)
{
	for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
		for (const struct attack *a = tables[t]; a->name; a++)
			if (strcmp(a->name, name) == 0)
				return a;
	return NULL;
}

int main(int argc, char **argv)
{
	int failed = 0;

	if (argc < 2) {
		for (size_t t = 0; t < sizeof(tables) / sizeof(tables[0]); t++)
			for (const struct attack *a = tables[t]; a->name; a++)
				printf("%s\n", a->name);
		return 0;
	}
	if (!scratch()) {
		printf("the vulnerable driver is not there: ntmm run --vulnerable\n");
		return 255;
	}
	/* what is changed in a processor's registers has to be undone in the same one */
	SetThreadAffinityMask(GetCurrentThread(), 1);
	for (int i = 1; i < argc; i++) {
		const struct attack *a = find(argv[i]);
		enum outcome o;

		if (!a) {
			printf("attack %s: unknown\n", argv[i]);
			failed++;
			continue;
		}
		printf("attack %s: begins\n", a->name);
		fflush(stdout);
		note(a->name);
		o = a->run();
		note(""); /* scans, so that what is found still has the attack's name */
		printf("attack %s: %s\n", a->name, outcomes[o]);
		fflush(stdout);
		failed += o == FAILED;
	}
	return failed;
}
