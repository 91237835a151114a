#!/bin/bash
# ntmm inspect: a running machine's views against what the system told a program in it
# (tests/guest/inspect.c), sums, rates, watching; --inspect at a program's end, at each level.
. "$(dirname "$0")/lib.sh"

cat >"$work/compare.py" <<'END'
# compare.py OUT VMMAP PROCESSES: what the program printed, and views of it. Says what differs.
import json, sys
told, values = {}, {}
for line in open(sys.argv[1], encoding="latin-1"):
    words = line.split()
    if words[:1] == ["region"]:
        told[words[1]] = [int(words[2], 16)] + [int(w) for w in words[3:]]
    elif len(words) == 2 and words[1].isdigit():
        values[words[0]] = int(words[1])
view = json.load(open(sys.argv[2]))
regions = {int(r["address"], 16): r for r in view["regions"]}
summary = {r["type"]: r for r in view["summary"]}
process = view["process"]
def check(what, is_, should):
    if is_ != should:
        print(f"# {what}: {is_}, not {should}")
kinds = {"partial": "Private Data", "file": "Mapped File", "section": "Shareable",
         "locked": "Private Data", "heap": "Heap", "image": "Image"}
check("regions told", sorted(told), sorted(kinds))
for name, (base, *numbers) in told.items():
    r = regions.get(base)
    if not r:
        print(f"# no region at {base:x} ({name})")
        continue
    check(f"{name}: type", r["type"], kinds[name])
    for key, number in zip(["size", "committed", "ws", "ws_shareable", "ws_shared", "ws_locked"],
                           numbers):
        check(f"{name}: {key}", r[key], number)
check("partial", told["partial"][1:4], [4 << 20, 1 << 20, 64 * 4096])
check("partial: blocks", regions[told["partial"][0]]["blocks"], 3)
check("locked pages", told["locked"][6], 8 * 4096)
check("shared pages", told["section"][5], 5 * 4096)
check("file", regions[told["file"][0]]["details"], "T:\\inspect.dat")
check("image", regions[told["image"][0]]["details"].lower().rsplit("\\", 1)[1], "advapi32.dll")
check("working set", summary["Total"]["ws"], process["ws"])
check("private and shareable", summary["Total"]["ws_private"] + summary["Total"]["ws_shareable"],
      process["ws"])
check("commit", summary["Total"]["private"] - summary["Page Table"]["private"] + process["awe"],
      process["commit"])
check("commit as told", process["commit"], values["private"])
check("stacks", sum(r["type"] == "Stack" for r in view["regions"]), 2)
check("all addresses", sum(r["size"] for r in view["regions"]), 0x7fffffff0000 - 0x10000)
check("notes", view.get("notes"), None)
row = [p for p in json.load(open(sys.argv[3]))["processes"] if p["pid"] == values["pid"]][0]
check("threads", row["threads"], 2)
check("processes: ws", row["ws"], process["ws"])
check("processes: private", row["ws_private"], summary["Total"]["ws_private"])
END
cat >"$work/sums.py" <<'END'
# sums.py VIEWS MEMORY: rammap, vmmap and counters of one moment. Says what does not add up.
import json, sys
v = json.load(open(sys.argv[1]))
def check(what, is_, should):
    if is_ != should:
        print(f"# {what}: {is_}, not {should}")
ram = v["rammap"]["ram"]
uses = {u["use"]: u for u in v["rammap"]["uses"]}
columns = ["active", "standby", "modified", "modified_no_write", "transition", "zeroed", "free", "bad"]
for u in uses.values():
    check(u["use"], sum(u[c] for c in columns), u["total"])
check("rows", sum(u["total"] for u in uses.values()), 2 * uses["Total"]["total"])
check("managed", uses["Total"]["total"], ram["managed"])
check("all of RAM", ram["managed"] + ram["reserved"], int(sys.argv[2]) << 20)
check("priorities", [p["standby"] for p in v["rammap"]["priorities"]],
      [p["list"] for p in v["rammap"]["priorities"]])
total = {r["type"]: r for r in v["vmmap"]["summary"]}["Total"]
check("working set", total["ws"], v["vmmap"]["process"]["ws"])
check("pages of the process", total["ws"] > 0, True)
check("page tables", uses["Page Table"]["total"] > 0, True)
for c in v["counters"]["checks"]:
    check(f"{c['left']} {c['left_value']} {c['relation']} {c['right_value']} {c['right']}",
          c["holds"], "yes")
bar = v["resmon"]["memory"]
check("bar", sum(bar[k] for k in ["hardware_reserved", "in_use", "modified", "standby", "free"]),
      bar["installed"])
for name in ["rammap", "vmmap", "counters", "resmon"]:
    check(f"notes of {name}", v[name].get("notes"), None)
END
agrees() { # SCRIPT ARGUMENTS...: it says nothing
	local said
	said=$(python3 "$work/$1" "${@:2}" 2>&1) && [ -z "$said" ] && return
	echo "$said" | sed 's/^[^#]/# &/'
	return 1
}
inspect() { # FILE ARGUMENTS...
	run "$ntmm" inspect --machine "$pid" "${@:2}"
	cp .out "$1"
}

refused "no such view" 'no view .nothing' "$ntmm" inspect nothing
refused "no view" 'view is missing' "$ntmm" inspect
refused "an argument too many" 'too many' "$ntmm" inspect rammap 3
refused "an argument too few" 'PID VA' "$ntmm" inspect pte 8
refused "no number" 'hexadecimal' "$ntmm" inspect pfn xyz
refused "no such machine" 'no machine 4000000000' "$ntmm" inspect --machine 4000000000 vm
refused "an option's views" 'no view .nothing' "$ntmm" run --inspect nothing "$exe/hello.exe"
refused "JSON of nothing" 'needs views' "$ntmm" run --inspect-json x.json "$exe/hello.exe"

# A machine that waits for a line of input.
mkfifo go
"$ntmm" run --memory 64M --cpus 2 --timeout 200 --inspect vmmap,rammap,counters,resmon \
	--inspect-json end.json "$exe/inspect.exe" <go >told 2>told.err &
pid=$!
exec 3>go
for ((i = 0; i < 600; i++)); do
	grep -q '^ready' told && break
	kill -0 $pid 2>/dev/null || break
	sleep 0.2
done
ran="inspect.exe"
status=0 out=$(cat told) err=$(cat told.err)
verdict "the program set its memory up" out_has '^ready'
run "$ntmm" inspect list
verdict "list" out_has "^$pid\$"
inspect vmmap.json --json vmmap
verdict "vmmap --json" status_is 0
inspect processes.json --json processes
verdict "processes --json" status_is 0
tr -d '\r' <told >told.txt
verdict "vmmap and processes agree with the system itself" \
	agrees compare.py told.txt vmmap.json processes.json
inspect text vmmap
verdict "vmmap as text" all status_is 0 -- out_has '^Mapped File +256 K' -- \
	out_has 'Read/Write +T:\\inspect.dat'
base=$(awk '$2 == "locked" { print $3 }' told.txt)
inspect text '!pte' 8 "$base"
guest=$(awk '$1 == "pid" { print $2 }' told.txt)
inspect text '!pte' "$guest" "$base"
verdict "!pte of a locked page" all status_is 0 -- out_has '^PTE .* Valid .*DA--UW-V locked'
frame=$(awk '$1 == "PTE" { print $5 }' .out)
inspect text '!pfn' "$frame"
verdict "!pfn of its frame" all status_is 0 -- out_has '^state +Active' -- \
	out_has '^use +Process Private' -- out_has '^share count +1$'
inspect text '!vad' "$guest"
verdict "!vad" all status_is 0 -- out_has 'Mapped Exe .*ntdll.dll' -- out_has '^Total VADs +[1-9]'
inspect text '!vm'
verdict "!vm" all status_is 0 -- out_has '^Commit limit' -- out_has 'inspect.exe'
inspect text '!memusage'
verdict "!memusage" all status_is 0 -- out_has '^TOTAL +16384$' -- out_has 'T:\\inspect.dat'
inspect rates.json --json --interval 1 counters
verdict "rates" grep -q '"page_faults_per_sec"' rates.json
run timeout 6 "$ntmm" inspect --machine $pid --watch=0.5 --json resmon
verdict "--watch" [ "$(grep -c '^{.*}$' .out)" -ge 2 ]
inspect text vmmap 77777
verdict "no such process" all [ "$status" != 0 ] -- err_has 'no process 77777'
echo go >&3
exec 3>&-
wait $pid
status=$? ran="the end of inspect.exe" out=$(cat told) err=$(cat told.err)
verdict "the machine went on and ended" all status_is 0 -- out_has 'errors 0'
[ -s end.json ] || echo null >end.json
verdict "--inspect at the end adds up" agrees sums.py end.json 64

# One that pages as fast as it can, on two processors: no number may be of another moment.
cat >"$work/busy.py" <<'END'
import json, sys
ram, process = (json.load(open(f)) for f in sys.argv[1:])
uses = {u["use"]: u["total"] for u in ram["uses"]}
total = {r["type"]: r for r in process["summary"]}["Total"]
if 2 * uses["Total"] != sum(uses.values()) or uses["Total"] + ram["ram"]["reserved"] != 32 << 20:
    print("# rammap", uses, ram["ram"])
if any(p["standby"] != p["list"] for p in ram["priorities"]):
    print("# priorities", ram["priorities"])
if total["ws"] != process["process"]["ws"]:
    print("# working set", total["ws"], process["process"]["ws"])
END
"$ntmm" run --memory 32M --cpus 2 --timeout 200 "$exe/hog.exe" 128 2 >told 2>told.err &
pid=$!
for ((i = 0; i < 600; i++)); do
	grep -q 'filled *64 MB' told && break
	sleep 0.1
done
for i in 1 2 3; do
	inspect ram.json --json rammap
	inspect process.json --json vmmap
	verdict "a busy machine adds up, $i" all status_is 0 -- agrees busy.py ram.json process.json
done
wait $pid
status=$? ran="hog.exe" out=$(cat told) err=$(cat told.err)
verdict "and loses nothing by it" all status_is 0 -- out_has '^errors 0'

for level in off kdp hvci; do
	run "$ntmm" run --vbs $level --memory 48M --inspect vmmap,rammap,counters,resmon \
		--inspect-json $level.json "$exe/hello.exe"
	[ -s $level.json ] || echo null >$level.json
	verdict "views at level $level add up" all status_is 0 -- agrees sums.py $level.json 48
done
run "$ntmm" run --inspect 'processes,pfn:1000' "$exe/hello.exe"
verdict "--inspect as text" all status_is 0 -- out_is "hello, world" -- err_has 'hello.exe' -- \
	err_has '^PFN +1000'
tap_end
