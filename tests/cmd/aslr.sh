#!/bin/bash
# Layouts that can be had again: --aslr-seed, --aslr off.
. "$(dirname "$0")/lib.sh"

cp "$exe/aslr.exe" aslr.exe
layout() { # OPTION...: the line that tells where things lie
	run "$ntmm" run "$@" aslr.exe print
	[ "$status" = 0 ] && printf '%s' "$out"
}

first=$(layout --aslr-seed 7)
again=$(layout --aslr-seed 7)
other=$(layout --aslr-seed 8)
off=$(layout --aslr off)
off_again=$(layout --aslr off)
differ() { [ -n "$1" ] && [ -n "$2" ] && [ "$1" != "$2" ]; }
same() { [ -n "$1" ] && [ "$1" = "$2" ]; }
verdict "the same seed gives the same layout" same "$first" "$again"
verdict "another seed gives another" differ "$first" "$other"
verdict "without ASLR it is always the same" same "$off" "$off_again"
verdict "and not that of a seed" differ "$off" "$first"
tap_end
