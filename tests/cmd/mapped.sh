#!/bin/bash
# A host file larger than the machine's memory, written through a view: what the host then has; and what
# it has when the machine is killed in the midst of it.
#   MAPPED_MB=1024 tests/cmd/mapped.sh    with a file of 1 GB (default 128 MB)
. "$(dirname "$0")/lib.sh"
mb=${MAPPED_MB:-128}
limit=${MAPPED_SECONDS:-280}
mkdir share

sum_is_the_hosts() {
	[ "$(sed -n 's/^sha256 //p' <<<"$out" | tr -d '\r')" = "$(sha256sum <share/big | cut -d' ' -f1)" ]
}
# Each page of share/big is one word all over, that of generation 1 or of generation 2.
pages() { # write MB | check
	python3 - share/big "$@" <<'END'
import struct, sys
M = (1 << 64) - 1
def content(page, generation):
    x = (page * 0x9e3779b97f4a7c15 + generation) & M
    x ^= x >> 29
    return struct.pack("<Q", (x * 0xbf58476d1ce4e5b9 & M) | 1) * 512
if sys.argv[2] == "write":
    with open(sys.argv[1], "wb") as f:
        for page in range(int(sys.argv[3]) << 8):
            f.write(content(page, 1))
    sys.exit()
count = [0, 0, 0]
with open(sys.argv[1], "rb") as f:
    page = 0
    while data := f.read(4096):
        kind = [data == content(page, 1), data == content(page, 2), True].index(True)
        count[kind] += 1
        if kind == 2:
            print(f"# page {page} is neither old nor new: {data[:8].hex()}")
        page += 1
print("# %d pages old, %d new, %d neither" % tuple(count))
sys.exit(count[2] != 0)
END
}
old_or_new() { pages check; }
some_of_both() { # the kill must have come in the middle for the test to mean anything
	[ "$(old_or_new | sed -n 's/.*pages old, \([0-9]*\) new.*/\1/p')" -gt 0 ]
}

run "$ntmm" run --memory 64M --share S=share:rw --stats=json:stats.json "$exe/mapped.exe" 'S:\big' "$mb"
verdict "$mb MB through a view: the host's sha256 agrees" all status_is 0 -- out_has 'errors 0' -- sum_is_the_hosts

# Killed at two moments of a run that makes the pages of a file new.
small=${MAPPED_KILL_MB:-48}
for moment in 'three quarters' flushing; do
	pages write "$small"
	: >progress
	"$ntmm" run --memory 32M --share S=share:rw "$exe/mapped.exe" 'S:\big' "$small" again >progress 2>&1 &
	child=$!
	for ((i = 0; i < limit * 10; i++)); do
		grep -q "$moment" progress && break
		kill -0 $child 2>/dev/null || break
		sleep 0.1
	done
	kill -9 $child 2>/dev/null
	wait $child 2>/dev/null
	sleep 1
	ran="kill -9 when it said '$moment'" out=$(cat progress) err=
	verdict "killed when it said '$moment': each page is old or new" all old_or_new -- some_of_both
done
tap_end
