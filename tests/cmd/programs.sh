#!/bin/bash
# Programs nobody here wrote, built from the distribution's sources: lua, zstd, bzip2, luajit, lz4,
# and mimalloc's stress test.
. "$(dirname "$0")/lib.sh"
programs=$root/build/programs
limit=900 # they are built when they are not there
run "$root/scripts/programs"
verdict "fetched and built" all status_is 0 -- [ -s "$programs/lua.exe" ] -- [ -s "$programs/zstd.exe" ]
[ "$status" = 0 ] || {
	tap_end
	exit
}
limit=200
lua() { # SCRIPT [OPTIONS OF ntmm...]
	local script=$1
	shift
	run "$ntmm" run --share D=.:rw "$@" "$programs/lua.exe" "$script"
}

for script in "$root"/tests/programs/*.lua; do
	cp "$script" .
	lua "$(basename "$script")"
	verdict "lua: $(basename "$script" .lua)" all status_is 0 -- out_has '^ok'
done
run "$ntmm" run "$programs/lua.exe" -e 'io.write(io.read("a"):upper())' <<<"some text"
verdict "lua: a pipe through it" out_has '^SOME TEXT.?$'
run "$ntmm" run "$programs/lua.exe" -e 'error("thrown")'
verdict "lua: an error ends with 1" all status_is 1 -- err_has 'thrown'
run "$ntmm" run "$programs/lua.exe" -e 'os.exit(7)'
verdict "lua: os.exit" status_is 7

# 16 MB that compress somewhat, with 24 MB of RAM and windows that need more.
head -c 6000000 /dev/urandom >data
for _ in 1 2 3; do head -c 3500000 data; done >>data.more
cat data data.more | head -c 16777216 >input
sum=$(sha256sum <input)
run "$ntmm" run --memory 24M --share D=.:rw --stats=json:stats.json "$programs/zstd.exe" -q -f --long=24 -9 input -o packed.zst
verdict "zstd: compresses 16 MB in 24 MB of RAM" all status_is 0 -- [ -s packed.zst ] -- [ "$(stat -c %s packed.zst)" -lt 9000000 ]
pages_out=$(sed -n 's/.*"pages_out": *\([0-9]*\).*/\1/p' stats.json | head -n 1)
verdict "zstd: which took paging" [ "${pages_out:-0}" -gt 1000 ]
run "$ntmm" run --memory 24M --share D=.:rw "$programs/zstd.exe" -q -f -d --long=24 packed.zst -o output
verdict "zstd: and gives them back" all status_is 0 -- [ "$(sha256sum <output)" = "$sum" ]
if command -v zstd >/dev/null; then
	zstd -q -d --long=24 packed.zst -o native
	verdict "zstd: what it wrote is what Linux's zstd reads" [ "$(sha256sum <native)" = "$sum" ]
fi
run "$ntmm" run --cpus 2 "$programs/zstd.exe" -b1 -i0 -T2
verdict "zstd: benchmark with threads" all status_is 0 -- out_has 'MB/s'

run "$ntmm" run --share D=.:rw "$programs/bzip2.exe" -k -f packed.zst
verdict "bzip2: compresses" all status_is 0 -- [ -s packed.zst.bz2 ]
mv packed.zst kept.zst
run "$ntmm" run --share D=.:rw "$programs/bzip2.exe" -d packed.zst.bz2
verdict "bzip2: and gives it back" all status_is 0 -- cmp -s packed.zst kept.zst

cp "$root/tests/programs/luajit/ffi.lua" .
run "$ntmm" run --share D=.:rw "$programs/luajit.exe" ffi.lua
verdict "luajit: compiles, calls DLLs, is called back" all status_is 0 -- out_has '^ok'

run "$ntmm" run --share D=.:rw "$programs/lz4.exe" -q -f -1 kept.zst packed.lz4
verdict "lz4: compresses" all status_is 0 -- [ -s packed.lz4 ]
run "$ntmm" run --share D=.:rw "$programs/lz4.exe" -q -f -d packed.lz4 unpacked
verdict "lz4: and gives it back" all status_is 0 -- cmp -s unpacked kept.zst

run "$ntmm" run --cpus 2 --memory 96M "$programs/mimalloc.exe" 4 10 3
verdict "mimalloc: threads free what others allocated" status_is 0
tap_end
