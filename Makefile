# ntmm: everything is made under build/. Each folder lists its own sources in its build.mk.
#
#   make            the command (build/ntmm), the kernel, the DLLs
#   make check      native tests under ASan and UBSan, under a minute
#   make test       sets up and runs every test
#   make test-ept   the quick ones and the policies under EPT, in an emulator
#   make demo       sets up and runs the main job
#   make bench      instruction counts
#   make format     clang-format over all sources;  make lint: clang-tidy and cppcheck

B := build
CC := gcc
MINGW := x86_64-w64-mingw32-gcc
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow
DEPFLAGS = -MMD -MP

.DEFAULT_GOAL := all
.PHONY: all host kernel dlls lab check test test-ept demo format lint clean install
.SECONDARY:

include pagefile/build.mk
include host/build.mk
include guest/build.mk
include guest/user/build.mk
include scripts/build.mk
include tests/build.mk
include tests/bench/build.mk

all: host kernel dlls lab

test:
	scripts/test
test-ept:
	scripts/test-ept
demo:
	scripts/demo

SOURCES = $(shell git ls-files '*.c' '*.h')
format:
	clang-format -i $(SOURCES)

clean:
	rm -rf $(B)/obj $(B)/ntmm $(B)/guest $(B)/tests
