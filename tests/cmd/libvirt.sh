#!/bin/bash
# ntmm libvirt: machines of libvirt's. Its driver runs in the process (qemu:///embed), so no daemon
# is needed; as root it is used in another user's name, since libvirt then wants no users of its own.
. "$(dirname "$0")/lib.sh"

if ! [ -x "$root/build/ntmm-libvirt" ]; then
	tap_skip "everything" "libvirt-dev was not there when ntmm was built (scripts/setup --libvirt)"
	tap_end
fi
mkdir -p lv/etc tmp build/guest
echo 'stdio_handler = "file"' >lv/etc/qemu.conf # the other way needs a daemon
uri="qemu:///embed?root=$work/lv"
user=()
if [ "$(id -u)" = 0 ]; then # and the clone may be where only root may go
	cp -r "$root/build/guest/ntoskrnl.elf" "$root/build/guest/system32" build/guest
	cp "$root"/build/ntmm "$root"/build/ntmm-libvirt build
	cp "$exe"/{hello,exitcode,args,crash,stdin_echo,hog,spin}.exe .
	chown -R nobody "$work"
	user=(setpriv --reuid=nobody --regid=nogroup --clear-groups)
	ntmm=$work/build/ntmm exe=$work
fi
lv() { # ARGUMENTS of `ntmm libvirt run`
	run "${user[@]}" env HOME="$work" TMPDIR="$work/tmp" "$ntmm" libvirt run -c "$uri" "$@"
}
none_left() { # the pattern is not to find the one who looks for it
	[ -z "$(ls tmp)" ] && ! cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' ' | grep -q "guest=ntmm-.*${work%?}[${work: -1}]"
}

lv "$exe/hello.exe" </dev/null
verdict "hello" all status_is 0 -- out_is "hello, world" -- err_has "^hello, error$"
lv "$exe/exitcode.exe" 7 </dev/null
verdict "its exit status" status_is 7
lv "$exe/exitcode.exe" -1 x </dev/null
verdict "an exit code over 255" all status_is 117 -- err_has "0xFFFFFFFF"
lv "$exe/args.exe" 'a b' 'c"d' </dev/null
verdict "arguments" all status_is 0 -- out_has 'a b' -- out_has 'c"d'
lv "$exe/crash.exe" write </dev/null
verdict "an exception nobody handles" all status_is 117 -- err_has "0xC0000005"

head -c 300000 /dev/urandom | base64 >input
lv "$exe/stdin_echo.exe" <input
echoed() { tr -d '\r' <.out | cmp -s input -; }
verdict "300 KB through standard input and output" echoed
lv "$exe/stdin_echo.exe" < <(echo one && sleep 1 && echo two)
verdict "a pipe" out_is "one
two"

lv --memory 64M "$exe/hog.exe" </dev/null
verdict "four times the memory" all status_is 0 -- out_has "^errors 0$"
truncate -s 64M pf && chmod 666 pf
lv --memory 64M --pagefile "$work/pf:64M:256M" "$exe/hog.exe" 128 </dev/null
verdict "a pagefile that was named" all status_is 0 -- out_has "^errors 0$" -- [ "$(stat -c %s pf)" = 268435456 ]
lv --timeout 3 "$exe/spin.exe" </dev/null
verdict "timeout" all status_is 124 -- err_has "timeout: the program did not end within 3 s"
verdict "nothing is left" none_left

refused "protections" "^ntmm: --vbs and --policy: not in a machine of libvirt's" \
	"$ntmm" libvirt run --vbs kdp "$exe/hello.exe"
refused "statistics" "^ntmm: --stats: not in" "$ntmm" libvirt run --stats "$exe/hello.exe"
refused "views" "^ntmm: --inspect: not in" "$ntmm" libvirt run --inspect vmmap "$exe/hello.exe"
refused "scans" "^ntmm: --scan: not in" "$ntmm" libvirt run --scan 100 "$exe/hello.exe"
refused "a timeout of a description" "^ntmm: --timeout: with" "$ntmm" libvirt xml "$work/x" --timeout 3 "$exe/hello.exe"
refused "no program" "nothere.exe: No such file" "$ntmm" libvirt run nothere.exe
refused "no verb" "usage: ntmm libvirt run" "$ntmm" libvirt
run "$ntmm" libvirt run -c nonsense:///x "$exe/hello.exe" </dev/null
verdict "a connection that is none" all status_is 125 -- err_is_one_line -- err_has "nonsense:///x"

run "$ntmm" libvirt xml "$work/a & 'b'" --memory 48M --cpus 2 "$root/build/tests/guest/hello.exe" x </dev/null
parsed=$(python3 - .out <<'PY'
import os, sys, xml.etree.ElementTree as E
d = E.parse(sys.argv[1]).getroot()
files = [d.find("os/kernel").text, d.find("os/initrd").text]
files += [s.get("file") for s in d.iter("source") if s.get("file")]
files += [s.get("dir") for s in d.iter("source") if s.get("dir")]
print(int(d.find("memory").text) >> 20, d.find("vcpu").text, all(map(os.path.exists, files)), len(files))
PY
)
verdict "a description, of files that exist" all status_is 0 -- [ "$parsed" = "48 2 True 7" ]
tap_end
