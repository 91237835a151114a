#!/bin/bash
# --stats, --stats=json, doctor.
. "$(dirname "$0")/lib.sh"

is_json() { python3 -m json.tool <"$1" >/dev/null; }
# value FILE KEY: the first number under that key, wherever it is.
value() {
	python3 - "$1" "$2" <<'END'
import json, sys
def find(node):
    if isinstance(node, dict):
        if isinstance(node.get(sys.argv[2]), (int, float)):
            return node[sys.argv[2]]
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        found = find(child)
        if found is not None:
            return found
print(find(json.load(open(sys.argv[1]))))
END
}
at_least() { [ "$1" != None ] && [ "$1" -ge "$2" ]; }

limit=300
run "$ntmm" run --memory 32M --cpus 2 --stats=json:stats.json "$exe/hog.exe" 64 1
verdict "--stats=json:FILE" all status_is 0 -- out_has '^errors 0' -- is_json stats.json
[ -s stats.json ] || echo null >stats.json
verdict "pages went out" at_least "$(value stats.json pages_out)" 8000
verdict "pages came in" at_least "$(value stats.json pages_in)" 8000
verdict "demand-zero faults are counted" at_least "$(value stats.json faults_demand_zero)" 16000
verdict "hard faults are counted" at_least "$(value stats.json faults_hard)" 500
verdict "system calls are counted" at_least "$(value stats.json syscalls)" 20
verdict "nothing is left committed beyond the limit" \
	at_least "$(value stats.json commit_limit)" "$(value stats.json commit_peak)"

run "$ntmm" run --memory 32M --memory-compression --stats=json:store.json "$exe/store.exe" 96 1
verdict "--memory-compression" all status_is 0 -- out_has 'errors 0$' -- is_json store.json
[ -s store.json ] || echo null >store.json
verdict "pages were compressed" at_least "$(value store.json store_stored)" 4000
verdict "and read from memory" at_least "$(value store.json store_reads)" 4000
verdict "some did not shrink" at_least "$(value store.json store_refused)" 1000
verdict "those that came first moved on" at_least "$(value store.json store_moved)" 32
verdict "a pagefile took only these" at_least \
	$(($(value store.json store_refused) + $(value store.json store_moved))) \
	"$(value store.json pages_out)"

run "$ntmm" run --stats=json "$exe/hello.exe"
grep -v '^hello, error' .err >json.err
verdict "--stats=json on stderr" all status_is 0 -- out_is "hello, world" -- is_json json.err
run "$ntmm" run --stats "$exe/hello.exe"
verdict "--stats" all status_is 0 -- err_has 'fault' -- err_has 'commit'

run "$ntmm" doctor --json
verdict "doctor --json" is_json .out
run "$ntmm" doctor
verdict "doctor" out_has '/dev/kvm|KVM'
tap_end
