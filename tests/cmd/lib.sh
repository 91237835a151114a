# For the whole-command tests: a scratch folder, commands run with their output kept, and checks.
# Sourced by tests/cmd/*.sh, which are run by scripts/test or by hand: bash tests/cmd/NAME.sh
# shellcheck shell=bash
set -u
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
. "$root/scripts/tap.sh"
ntmm=$root/build/ntmm
exe=$root/build/tests/guest
export NTMM_QUIET=1

work=$(mktemp -d "${TMPDIR:-/tmp}/ntmm-cmd.XXXXXX")
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1

# run COMMAND...: status, out and err are what it gave; standard input is the caller's.
run() {
	ran=$*
	timeout -k 10 "${limit:-120}" "$@" >"$work/.out" 2>"$work/.err"
	status=$?
	out=$(tr -d '\0\r' <"$work/.out")
	err=$(tr -d '\0\r' <"$work/.err")
}

# verdict NAME CONDITION...: ok if the condition (a command) holds, else with what was run.
verdict() {
	local name=$1
	shift
	if "$@"; then
		tap ok "$name"
	else
		tap "not ok" "$name" "condition: $*
command: $ran
status: $status
--- output
$(head -c 2000 <<<"$out")
--- standard error
$(head -c 2000 <<<"$err")"
	fi
}

all() { # conditions separated by --
	local -a one=()
	local word
	for word in "$@" --; do
		if [ "$word" = -- ]; then
			"${one[@]}" || {
				echo "# does not hold: ${one[*]}"
				return 1
			}
			one=()
		else
			one+=("$word")
		fi
	done
}

status_is() { [ "$status" = "$1" ]; }
out_is() { [ "$out" = "$1" ]; }
out_has() { grep -qE -- "$1" <<<"$out"; }
err_has() { grep -qE -- "$1" <<<"$err"; }
err_is_one_line() { [ "$(wc -l <"$work/.err")" = 1 ] && [ "$(wc -c <"$work/.err")" -lt 300 ]; }

# refused NAME PATTERN COMMAND...: status 2, nothing on stdout, one line on stderr that matches.
refused() {
	local name=$1 pattern=$2
	shift 2
	run "$@" </dev/null
	verdict "$name" all status_is 2 -- err_is_one_line -- err_has '^ntmm: ' -- err_has "$pattern" -- out_is ""
}
