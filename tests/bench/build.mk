# The benchmark: programs for the guest (bench.exe, null.exe, tiny.dll) and for the lab's Linux beside
# it (linux, runner, null, tiny.so). `make bench` runs them: scripts/bench.
BENCH := $(B)/tests/bench
BENCH_GUEST := $(BENCH)/bench.exe $(BENCH)/null.exe $(BENCH)/tiny.dll
BENCH_LINUX := $(BENCH)/linux $(BENCH)/runner $(BENCH)/null $(BENCH)/tiny.so
BENCH_WARN := -Wall -Wextra -Werror

.PHONY: bench bench-programs
bench-programs: $(BENCH_GUEST) $(BENCH_LINUX)

bench: all bench-programs
	scripts/bench

$(BENCH)/bench.exe: tests/bench/guest.c
	@mkdir -p $(@D)
	$(MINGW) -O2 $(BENCH_WARN) $(DEPFLAGS) -I. $< -lntdll -o $@
$(BENCH)/null.exe: tests/bench/null.c
	@mkdir -p $(@D)
	$(MINGW) -O2 $(BENCH_WARN) -nostdlib -e start $< -lkernel32 -o $@
$(BENCH)/tiny.dll: tests/bench/tiny.c
	@mkdir -p $(@D)
	$(MINGW) -O2 $(BENCH_WARN) -shared -nostdlib -e 0 $< -o $@

$(BENCH)/linux $(BENCH)/runner: $(BENCH)/%: tests/bench/%.c
	@mkdir -p $(@D)
	$(CC) -std=gnu17 -O2 $(BENCH_WARN) $(DEPFLAGS) -I. $< -o $@ -lpthread -ldl
$(BENCH)/null: tests/bench/empty.c
	@mkdir -p $(@D)
	$(CC) -static -O2 $(BENCH_WARN) $< -o $@
$(BENCH)/tiny.so: tests/bench/tiny.c
	@mkdir -p $(@D)
	$(CC) -O2 $(BENCH_WARN) -fPIC -shared $< -o $@

-include $(wildcard $(BENCH)/*.d)
