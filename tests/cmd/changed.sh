#!/bin/bash
# A program is changed on the host while a machine runs that has its pages from the last time: each
# run is of what is there then. (Another file put in its place by mv is not tried here: the Linux in
# the lab does not see that as long as the old one is open.)
. "$(dirname "$0")/lib.sh"

mkdir share
mkfifo lines
cp "$exe/ends_with_7.exe" share/child.exe
"$ntmm" run --timeout 100 --share S=share:rw "$exe/rerun.exe" 'S:\child.exe' <lines >said 2>&1 &
machine=$!
exec 9>lines

# next WORD: runs it once more; the last line said afterwards is in `out`.
next() {
	local lines
	lines=$(wc -l <said)
	ran=$1
	echo "$1" >&9
	for ((i = 0; i < 900; i++)); do
		[ "$(wc -l <said)" -gt "$lines" ] && break
		kill -0 $machine 2>/dev/null || break
		sleep 0.1
	done
	out=$(tail -n 1 said | tr -d '\r')
	status=- err=
}

next first
verdict "a program ends with 7" out_is 'ended with 7'
next again
verdict "and once more, from memory" out_is 'ended with 7'
cat "$exe/ends_with_8.exe" >share/child.exe
next 'the file changed'
verdict "changed in place: ends with 8" out_is 'ended with 8'
rm share/child.exe
next 'no file'
verdict "no such file any more: error 2" out_is 'error 2'
exec 9>&-
wait $machine
tap_end
