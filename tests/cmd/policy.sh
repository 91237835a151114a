#!/bin/bash
# Policies: what is wrong with one is told with line and column; those of tests/policies hold, each
# attack in it as an `ok` line of its own; events as lines and as JSON.
. "$(dirname "$0")/lib.sh"

policy() { # TEXT: as a file, with \n as line ends
	printf '%b' "$1" >p.yaml
}
while IFS='|' read -r name pattern text; do
	policy "$text"
	refused "a policy with $name" "p.yaml:$pattern" "$ntmm" policy check p.yaml
done <<'END'
no level|1:1: .*level|name: x\n
an unknown level|1:8: .*mega|level: mega\n
an unknown key|2:1: .*colour|level: kdp\ncolour: red\n
an unknown rule|2:11: .*tex|level: kdp\nactions: {tex: stop}\n
an action that cannot be|2:15: .*afterwards|level: kdp\nactions: {wx: refuse}\n
a key twice|3:1: .*twice|level: kdp\nname: a\nname: b\n
a module that is not there|2:11: .*none.sys|level: hvci\napprove: [none.sys]\n
a wrong outcome|2:33: .*maybe|level: kdp\nattacks: [{run: pte-x, outcome: maybe}]\n
an unknown event|3:25: .*smoke|level: kdp\nattacks:\n  - {run: pat, events: [smoke]}\n
no YAML|2:|level: kdp\nattacks: [}\n
END
policy 'level: kdp\nattacks: [{run: pat, outcome: refused, events: [msr refuse]}]\n'
run "$ntmm" policy check p.yaml
verdict "a good policy" all status_is 0 -- out_has 'ok: level kdp, 1 attacks'

limit=700 run "$ntmm" policy test --tap --table table.md "$root/tests/policies"
tests=$(grep -E '^(not )?ok ' <<<"$out")
while read -r line; do
	case $line in
	'ok '*) tap ok "policy: ${line#ok * - }" ;;
	'not ok '*) tap "not ok" "policy: ${line#not ok * - }" "$(sed -n '/^# output/,$p' <<<"$out" | head -c 3000)" ;;
	esac
done <<<"$tests"
verdict "all policies were run" all [ -n "$tests" ] -- status_is 0

verdict "the README's table of attacks is that of this run" \
	diff <(sed -n '/^| attack |/,/^$/p' "$root/README.md" | grep '^|') table.md
verdict "every attack at off succeeds" [ -z "$(awk -F'|' 'NR > 2 && $3 !~ /succeeds|ends/ && $3 !~ /^ *$/' table.md)" ]

cat >events.json <<'END'
{"time_ms":12.5,"cpu":1,"rule":"text","action":"refuse","access":"write","gpa":"0x200000","va":"0xfffff80000200000","bytes":8,"value":"0x5a","rip":"0xfffff80000201000","symbol":"store_q+0x0","instruction":"mov [rdi], rsi","cr3":"0x1000","pid":4,"process":"a.exe","repeated":2}
END
run "$ntmm" events events.json
verdict "events as lines" all status_is 0 -- out_has 'cpu 1 refuse text: .*gpa 0x200000.*store_q.*mov \[rdi\], rsi.*process 4 a.exe, and 2 times more'
run "$ntmm" events --json events.json
verdict "events as JSON" all status_is 0 -- out_has '"rule":"text"'
tap_end
