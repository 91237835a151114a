#!/bin/bash
# Ways to end: timeout, Ctrl-C, kill. Nothing is left behind but the pagefile that was named.
. "$(dirname "$0")/lib.sh"

mkdir tmp
export TMPDIR=$work/tmp

# Everything this test starts is below it: names the machine processes among those.
descendants() {
	local child
	for child in $(cat /proc/"$1"/task/*/children 2>/dev/null); do
		echo "$child"
		descendants "$child"
	done
}
start() { # COMMAND...: in the background, with a terminal's signals
	ran=$*
	: >.bg.out
	: >.bg.err
	setsid bash -c 'trap - INT; exec "$@"' bash "$@" >.bg.out 2>.bg.err </dev/null &
	pid=$!
	# A background job ignores SIGINT; see to it that this one does not.
}
wait_for() { # pattern: until the program has printed it
	local i
	for i in $(seq 600); do
		grep -q "$1" .bg.out && return 0
		kill -0 "$pid" 2>/dev/null || return 1
		sleep 0.1
	done
	return 1
}
finish() { # waits for it, at most 20 s
	local i
	for i in $(seq 200); do
		kill -0 "$pid" 2>/dev/null || break
		sleep 0.1
	done
	took=$i
	{ wait "$pid"; } 2>/dev/null
	status=$?
	out=$(tr -d '\0\r' <.bg.out) err=$(tr -d '\0\r' <.bg.err)
}
leaves_nothing() {
	sleep 0.5
	[ -z "$(ls -A tmp)" ] || {
		echo "# left: $(ls -A tmp)"
		return 1
	}
}

SECONDS=0
run "$ntmm" run --memory 32M --timeout 3 "$exe/hog.exe" 64 100000
verdict "--timeout ends it with 124" all status_is 124 -- [ $SECONDS -lt 60 ] -- err_has 'tim'

python3 - "$ntmm" "$exe/hog.exe" >.out 2>.err <<'END'
import signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
p = subprocess.Popen([sys.argv[1], "run", "--memory", "32M", sys.argv[2], "64", "100000"],
                     stdout=subprocess.PIPE, stderr=subprocess.PIPE)
p.stdout.readline()
p.send_signal(signal.SIGINT)
began = time.time()
try:
    p.communicate(timeout=20)
except subprocess.TimeoutExpired:
    p.kill()
    sys.exit("does not end")
print("status", p.returncode, "after", round(time.time() - began, 1))
END
ran="ntmm run hog.exe, Ctrl-C" status=$? out=$(cat .out) err=$(cat .err)
verdict "Ctrl-C ends it" out_has '^status (130|-2) after'
verdict "and leaves nothing" leaves_nothing

start "$ntmm" run --memory 32M --pagefile pf:64M:128M "$exe/hog.exe" 64 100000
verdict "a run with a pagefile starts" wait_for 'pass 1: filled'
refused "its pagefile is locked" 'in use' "$ntmm" run --pagefile pf:64M "$exe/hello.exe"
ran="ntmm run hog.exe, kill -9"
before=$(descendants $pid)
kill -9 "$pid"
finish
gone() {
	local p
	sleep 1
	for p in $before; do
		[ -d "/proc/$p" ] && echo "# still there: $(tr '\0' ' ' <"/proc/$p/cmdline")" && return 1
	done
	return 0
}
verdict "kill -9 leaves no process" gone
verdict "kill -9 leaves no file but the pagefile" all leaves_nothing -- [ -f pf ]
run "$ntmm" run --memory 32M --pagefile pf:64M:128M "$exe/hog.exe" 48 1
verdict "the pagefile is good for the next run" all status_is 0 -- out_has '^errors 0'

# Two at once, each with its own memory and pagefile.
"$ntmm" run --memory 32M "$exe/hog.exe" 48 1 >one.out 2>one.err &
first=$!
"$ntmm" run --memory 32M "$exe/hog.exe" 40 1 >two.out 2>two.err &
second=$!
wait $first
one=$?
wait $second
two=$?
ran="two at once" status="$one $two" out=$(tail -n 3 one.out two.out) err=$(cat one.err two.err)
verdict "two at once" all status_is "0 0" -- grep -q '^errors 0' one.out -- grep -q '^errors 0' two.out
verdict "all of it left nothing" leaves_nothing
tap_end
