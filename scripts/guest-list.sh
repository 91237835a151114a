# The rows of tests/guest/list, for those who run them. Sourced, with tap.sh; the current folder is
# the root.
#   list_rows HANDLER [--quick | NAME...]   calls HANDLER with the fields of each row that is meant
#   row_input FIELDS...                     what the row's program reads
#   row_judge FILES STATUS FIELDS...        says what is wrong with a run whose streams are FILES/out
#                                           and FILES/err; nothing if all is as the row says
# shellcheck shell=bash

trim() {
	local text=$1
	text=${text#"${text%%[![:space:]]*}"}
	printf '%s' "${text%"${text##*[![:space:]]}"}"
}

# The fields of a row, into `fields`. Regular expressions may have a | of their own only inside
# parentheses.
split_row() { # LINE
	local line=$1 field="" depth=0 i c
	fields=()
	for ((i = 0; i < ${#line}; i++)); do
		c=${line:i:1}
		case $c in
		'(') depth=$((depth + 1)) ;;
		')') depth=$((depth - 1)) ;;
		esac
		if [ "$c" = '|' ] && [ $depth = 0 ]; then
			fields+=("$(trim "$field")")
			field=""
		else
			field+=$c
		fi
	done
	fields+=("$(trim "$field")")
}

list_rows() {
	local handler=$1 line known=" " name quick=no wanted
	local -a fields
	shift
	if [ "${1:-}" = --quick ]; then
		quick=yes
		shift
	fi
	while IFS= read -r line; do
		case $(trim "$line") in
		'' | '#'*) continue ;;
		esac
		split_row "$line"
		known+="${fields[0]} "
		wanted=yes
		[ $# = 0 ] || [[ " $* " == *" ${fields[0]} "* ]] || wanted=no
		[ $quick = no ] || [[ " ${fields[*]:5} " == *" quick "* ]] || wanted=no
		[ $wanted = no ] || "$handler" "${fields[@]}"
	done <tests/guest/list
	for name in "$@"; do
		case $known in
		*" $name "*) ;;
		*) tap "not ok" "$name" "tests/guest/list has no such name" ;;
		esac
	done
}

row_input() {
	local field
	for field in "${@:6}"; do
		case $field in
		in=*) printf '%s' "${field#in=}" ;;
		esac
	done
}

row_judge() {
	local files=$1 got=$2 status=$5 field stream
	[ "$got" = "$status" ] || echo "exit status $got, not $status"
	for field in "${@:8}"; do
		case $field in
		in=* | quick) continue ;;
		out=* | err=*) stream=${field%%=*} ;;
		*)
			echo "the list has an unknown expectation: $field"
			continue
			;;
		esac
		tr -d '\r' <"$files/$stream" | grep -qP -- "${field#*=}" ||
			echo "no line of $stream matches: ${field#*=}"
	done
	if grep -q 'pfncheck: [1-9]' "$files/err"; then
		echo "the page frame database has errors"
	fi
}

# The line for a row's run; a failure with the ends of what it printed.
row_tap() { # FILES STATUS SECONDS FIELDS...
	local files=$1 got=$2 took=$3 complaints
	shift 3
	complaints=$(row_judge "$files" "$got" "$@")
	if [ -z "$complaints" ]; then
		tap ok "$1 ($took s)"
	else
		tap "not ok" "$1 ($took s)" "$complaints
--- ntmm run $4 $5
$(tail -n 12 "$files/out")
--- its standard error
$(tail -n 8 "$files/err")"
	fi
}
