#!/bin/bash
# The lab itself: stdio, exit status, signals, writable folders, a lab of one's own.
. "$(dirname "$0")/lib.sh"
lab=$root/scripts/lab
if ! "$lab" status >/dev/null; then
	tap_skip "the lab" "this host's own KVM is used, and no lab is started"
	tap_end
fi

run "$lab" run bash -c 'echo out; echo err >&2; exit 7'
verdict "streams and exit status" all status_is 7 -- out_is out -- [ "$err" = err ]
head -c 3000000 /dev/urandom >bytes
run "$lab" run cat <bytes
verdict "three megabytes through it" cmp -s bytes .out
run "$lab" run bash -c 'kill -TERM $$'
verdict "a signal's end is passed on" status_is 143
run "$lab" run no-such-command
verdict "a command that is not there" all status_is 127 -- err_has 'no-such-command'
run "$lab" run touch "$work/made"
verdict "the host is read-only" all [ "$status" != 0 ] -- [ ! -e made ]
run "$lab" run --rw . bash -c 'echo text >made'
verdict "--rw" all status_is 0 -- [ "$(cat made)" = text ]
echo changed >made
run "$lab" run cat made
verdict "sees what the host changed" out_is changed
run "$lab" run cat /sys/module/kvm_amd/parameters/npt
verdict "KVM has nested paging" out_is Y
ran="yes | lab run sleep, interrupted"
out=$(yes | timeout -s INT 3 "$lab" run sleep 100 2>&1)
status=$? err=""
verdict "a signal gets past unread input" status_is 124
ran="eight at once"
for i in $(seq 8); do
	"$lab" run bash -c "sleep 1; echo $i" >"n$i" 2>&1 &
done
wait
status=0 out=$(cat n?)
verdict "eight at once" out_is "$(seq 8)"
"$lab" run sleep 4321 &
pid=$!
sleep 2
kill -9 $pid
wait $pid 2>/dev/null
sleep 1
run "$lab" run bash -c 'cat /proc/[0-9]*/cmdline 2>/dev/null | tr "\0" " " | grep -c "sleep [4]321"'
verdict "killing the client kills the command" out_is 0
if [ "$("$lab" run grep -c ^processor /proc/cpuinfo)" -gt 1 ]; then
	run "$lab" run grep Cpus_allowed_list /proc/self/status
	verdict "commands stay off the first processor" out_has ':[[:space:]]+[1-9]'
fi
run "$lab" run bash -c 'mount -t debugfs none /sys/kernel/debug; echo /sys/kernel/debug/kvm/*-*/vcpu0'
verdict "a machine that never runs keeps Linux's code as it is" all status_is 0 -- \
	out_has '/kvm/[0-9]+-[0-9]+/vcpu0'
"$lab" run "$root/build/tests/halts" &
pid=$!
run "$ntmm" run "$exe/spin.exe"
kill -9 $pid
wait $pid 2>/dev/null
verdict "interrupts while the lab's processors halt one another" all status_is 0 -- out_is counted
limit=240
run "$lab" run --one-shot --memory 512 bash -c 'cat /proc/meminfo; exit 9'
verdict "a lab of one's own" all status_is 9 -- out_has '^MemTotal: +[34][0-9]{5} kB'
tap_end
