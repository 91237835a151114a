# For those who run tests in the started lab: when the lab's own Linux has died or hangs under a test,
# the test says nothing about ntmm, and is done again in a new lab. Sourced; the current folder is
# the root.
#   lab_watch        before a test
#   lab_failed NAME  after one that failed: was it the lab? A new one is there then
# shellcheck shell=bash

lab_watched=no

lab_watch() {
	lab_watched=no
	! scripts/lab status >/dev/null || lab_watched=yes
}

lab_failed() {
	local what=ended
	[ $lab_watched = yes ] || return 1
	if scripts/lab status >/dev/null; then
		timeout -k 5 20 scripts/lab run true </dev/null >/dev/null 2>&1 && return 1
		what="does not answer"
	fi
	echo "# $1: the lab's Linux $what; once more in a new lab"
	tail -n 20 build/lab/run/log 2>/dev/null | sed 's/^/# the lab: /'
	scripts/lab stop
	scripts/lab start </dev/null
}
