# For the test scripts: progress lines in the manner of TAP, and the count that scripts/test sums up.
# Sourced. NTMM_RESULTS, if set, names a file that gets a line `ok` or `not ok` for each test.
# shellcheck shell=bash
tap_number=0
tap_failed=0
tap_group=${tap_group:-$(basename "$0" .sh)}

tap() { # ok|not ok, name, [text that explains a failure]
	tap_number=$((tap_number + 1))
	printf '%s %d - %s: %s\n' "$1" "$tap_number" "$tap_group" "$2"
	if [ "$1" != ok ]; then
		tap_failed=$((tap_failed + 1))
		[ -n "${3:-}" ] && printf '%s\n' "$3" | tail -n 25 | sed 's/^/#   /'
	fi
	if [ -n "${NTMM_RESULTS:-}" ]; then
		printf '%s\n' "$1" >>"$NTMM_RESULTS"
	fi
}

tap_skip() { # name, reason: counted as neither
	tap_number=$((tap_number + 1))
	printf 'ok %d - %s: %s # SKIP %s\n' "$tap_number" "$tap_group" "$1" "$2"
}

tap_end() {
	[ "$tap_failed" = 0 ]
	exit
}
