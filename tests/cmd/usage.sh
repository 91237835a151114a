#!/bin/bash
# Bad arguments and bad files: one clear line, status 2, nothing else.
. "$(dirname "$0")/lib.sh"

cp "$exe/hello.exe" hello.exe

run "$ntmm" --help
verdict "--help" all status_is 0 -- out_has '^usage: ntmm'
run "$ntmm" run --help
verdict "run --help" all status_is 0 -- out_has '--pagefile PATH:MIN'
run "$ntmm" --version
verdict "--version" all status_is 0 -- out_has '^ntmm [0-9]'
run "$ntmm"
verdict "no command" all status_is 2 -- err_has '^usage: ntmm'
refused "unknown command" 'no-such' "$ntmm" no-such
refused "unknown option" '--frobnicate' "$ntmm" run --frobnicate hello.exe
refused "no program" 'program' "$ntmm" run
refused "option without value" '--memory' "$ntmm" run --memory

for size in 0 -5M abc "" 1K 1M 64X 99999T 18446744073709551616 1e3 "6 4M"; do
	refused "--memory '$size'" '--memory' "$ntmm" run --memory "$size" hello.exe
done
for cpus in 0 -1 x 100000 1.5 ""; do
	refused "--cpus '$cpus'" '--cpus' "$ntmm" run --cpus "$cpus" hello.exe
done
for seconds in 0 -3 soon "" 1s; do
	refused "--timeout '$seconds'" '--timeout' "$ntmm" run --timeout "$seconds" hello.exe
done
refused "--stats=xml" '--stats' "$ntmm" run --stats=xml hello.exe
NTMM_LAB=perhaps refused "NTMM_LAB" 'NTMM_LAB' "$ntmm" run hello.exe

# Pagefiles.
for spec in "" pf pf: :64M pf:0 pf:x pf:64M:32M pf:64M: pf:-1M pf:99T; do
	refused "--pagefile '$spec'" '--pagefile' "$ntmm" run --pagefile "$spec" hello.exe
done
mkdir folder
ln -s loop loop
mkfifo pipe
refused "pagefile is a folder" 'folder' "$ntmm" run --pagefile folder:16M hello.exe
refused "pagefile is a pipe" 'pipe.*regular' "$ntmm" run --pagefile pipe:16M hello.exe
refused "pagefile in no folder" 'nowhere/pf' "$ntmm" run --pagefile nowhere/pf:16M hello.exe
refused "pagefile is a loop" 'loop' "$ntmm" run --pagefile loop:16M hello.exe
refused "disk too small" 'needs|space|left' "$ntmm" run --pagefile pf:15T hello.exe
refused "pagefile given twice" 'twice|in use' "$ntmm" run --pagefile pf:16M --pagefile pf:16M hello.exe
many=()
for i in $(seq 17); do
	many+=(--pagefile "pf$i:16M")
done
refused "17 pagefiles" '16' "$ntmm" run "${many[@]}" hello.exe

# Programs.
refused "program missing" 'missing\.exe' "$ntmm" run missing.exe
refused "program is a folder" 'folder' "$ntmm" run folder
: >empty.exe
refused "program is empty" 'empty\.exe' "$ntmm" run empty.exe
echo "just text, no program at all; certainly not one for Windows" >text.exe
refused "program is text" 'text\.exe' "$ntmm" run text.exe
head -c 100 hello.exe >short.exe
refused "program is cut in its header" 'short\.exe' "$ntmm" run short.exe
head -c 3000 hello.exe >cut.exe
refused "program is cut in a section" 'cut\.exe' "$ntmm" run cut.exe
refused "program is an ELF" 'true' "$ntmm" run /bin/true
patch_byte() { # file offset byte
	printf "%b" "\\x$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}
pe=$(od -An -tu4 -j60 -N4 hello.exe | tr -d ' ')
cp hello.exe x86.exe
patch_byte x86.exe $((pe + 4)) 4c
patch_byte x86.exe $((pe + 5)) 01
refused "program is for 32 bits" 'x86\.exe' "$ntmm" run x86.exe
cp hello.exe far.exe
patch_byte far.exe 63 7f
refused "header lies beyond the file" 'far\.exe' "$ntmm" run far.exe
cp hello.exe lib.exe
patch_byte lib.exe $((pe + 23)) 20
refused "program is a DLL" 'lib\.exe' "$ntmm" run lib.exe

# Kernels.
refused "kernel missing" 'no-kernel' "$ntmm" run --kernel no-kernel hello.exe
refused "kernel is text" 'text\.exe' "$ntmm" run --kernel text.exe hello.exe
head -c 5000 "$root/build/guest/ntoskrnl.elf" >cut.elf
refused "kernel is cut" 'cut\.elf' "$ntmm" run --kernel cut.elf hello.exe
refused "kernel is another ELF" 'true' "$ntmm" run --kernel /bin/true hello.exe
refused "system folder missing" 'no-system' "$ntmm" run --system no-system hello.exe
tap_end
