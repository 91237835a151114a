# The machine of the EPT leg, for scripts/test-ept and scripts/lab-ept: what it gets, what it is to
# do, and its run. Sourced; the current folder is the root, which set-up and build are done for.
#   ept_open                              takes the machine; build/ept/{bochs.log,serial,output} stay
#   ept_add_job NAME FOLDER SECONDS INPUT COMMAND...  after the others; INPUT is a file, or empty
#   ept_run HANDLER                       boots; calls HANDLER for each line of scripts/ept/agent.c,
#                                         without its "@ept "
# $ept_root is the machine's file system, to be filled before ept_run; $ept_work a scratch folder.
# shellcheck shell=bash

ept=$PWD/build/ept
ept_pid="" # the emulator's process
ept_jobs=0

ept_open() {
	exec 9>"$ept/.lock"
	flock -n 9 || { echo "$(basename "$0"): another one runs in $ept" >&2; exit 1; }
	ept_work=$(mktemp -d "$ept/run.XXXXXX") || exit 1
	ept_root=$ept_work/root
	trap ept_close EXIT
	trap 'exit 130' INT TERM
	mkdir -p "$ept_root"/{dev,proc,sys,tmp,jobs}
	cp -r "$ept/modules" "$ept_root/modules"
	cp "$ept/agent" "$ept_root/init"
	local library
	while read -r library; do
		install -D "$library" "$ept_root$library"
	done < <(ldd build/ntmm | grep -oE '/[^ ]+')
}

ept_close() {
	[ -z "$ept_pid" ] || kill "$ept_pid" 2>/dev/null
	rm -rf "$ept_work"
}

ept_add_job() {
	ept_jobs=$((ept_jobs + 1))
	[ -z "$4" ] || cp "$4" "$ept_root/jobs/$ept_jobs.in"
	printf '%s\0' "${@:1:3}" "${@:5}" >"$ept_root/jobs/$ept_jobs"
}

ept_run() {
	local handler=$1 line options
	local -a apart=()
	(cd "$ept_root" && find . | LC_ALL=C sort | cpio -o -H newc --quiet -R 0:0) \
		>"$ept_work/initrd" || exit 1
	scripts/ept/image "$ept/vmlinux" "$ept_work/initrd" "$ept_work/disk" || exit 1
	rm -rf "$ept_root"
	echo c >"$ept_work/continue" # to Bochs' debugger, which Debian builds in
	# Its display listens for viewers: not on this machine's network.
	for options in -n -rn; do
		unshare $options true 2>/dev/null && apart=(unshare "$options") && break
	done
	mkfifo "$ept_work/pipe"
	"${apart[@]}" timeout -k 5 "${EPT_SECONDS:-1200}" bochs -q -f scripts/ept/bochsrc \
		-rc "$ept_work/continue" "ata0-master: type=disk, mode=flat, path=$ept_work/disk" \
		"log: $ept/bochs.log" "com1: enabled=1, mode=file, dev=$ept/serial" \
		</dev/null >"$ept_work/pipe" 2>&1 9>&- &
	ept_pid=$!
	: >"$ept/output"
	while IFS= read -r line; do
		printf '%s\n' "$line" >>"$ept/output"
		[[ $line != "@ept "* ]] || "$handler" "${line#@ept }"
	done <"$ept_work/pipe"
	wait "$ept_pid"
	ept_pid=""
}
