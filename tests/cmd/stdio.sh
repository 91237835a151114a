#!/bin/bash
# Standard streams, arguments, environment, folders: as with a native command.
. "$(dirname "$0")/lib.sh"

run "$ntmm" run "$exe/hello.exe"
verdict "stdout and stderr are apart" all status_is 0 -- out_is "hello, world" -- [ "$err" = "hello, error" ]

head -c 1000000 /dev/urandom >bytes
run "$ntmm" run "$exe/stdin_echo.exe" <bytes
verdict "a megabyte through stdin to stdout" all status_is 0 -- cmp -s bytes .out

run "$ntmm" run "$exe/stdin_echo.exe" </dev/null
verdict "empty stdin" all status_is 0 -- out_is ""

run "$ntmm" run "$exe/stdin_echo.exe" <&-
verdict "closed stdin" all status_is 0 -- out_is ""

ran="yes | ntmm run stdin_echo.exe | head -n 3"
out=$(yes | timeout 60 "$ntmm" run "$exe/stdin_echo.exe" 2>.err | head -n 3)
status=$? err=$(cat .err)
verdict "a reader that goes away ends it" out_is $'y\ny\ny'

# Arguments.
arguments=("a b" "" 'say "hi"' 'back\slash' 'end\' 'tab	tab' '*.c' '%PATH%' 'ü€' "it's" -- --memory '\\host\x' 'a\\"b')
run "$ntmm" run "$exe/args.exe" "${arguments[@]}"
want=""
for i in "${!arguments[@]}"; do
	want+="$((i + 1)) <${arguments[i]}>"$'\n'
done
ascii() { # without the line whose letters depend on the code page
	grep -v -a '^9 ' <<<"$1"
}
verdict "arguments arrive as they are" [ "$(ascii "${out//$'\r'/}")" = "$(ascii "${want}NTMM_TEST=(unset)")" ]

mkdir "a folder"
cp "$exe/args.exe" "a folder/my program.exe"
run "$ntmm" run "a folder/my program.exe" x
verdict "a program with spaces in its path" all status_is 0 -- out_has '^1 <x>'
run "$ntmm" run --env NTMM_TEST="a b" "$exe/args.exe"
verdict "--env" out_has '^NTMM_TEST=a b'

# Exit statuses.
for code in 0 1 42 116 200; do
	run "$ntmm" run "$exe/exitcode.exe" $code
	verdict "exit code $code" all status_is $code -- [ -z "$err" ]
done
run "$ntmm" run "$exe/exitcode.exe" 0x12345678
verdict "a large exit code is told" all status_is 117 -- err_is_one_line -- err_has '0x12345678|305419896'
run "$ntmm" run "$exe/crash.exe" write
verdict "a crash names code, address and access" all status_is 117 -- err_has '0x[Cc]0000005' -- err_has 'writ'
tap_end
