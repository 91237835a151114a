#!/bin/bash
# One program in the lab's EPT leg; scripts/test-ept has many in one machine.
. "$(dirname "$0")/lib.sh"
export NTMM_LAB=ept
limit=400
cp "$exe/stdin_echo.exe" .
run "$ntmm" run --quiet stdin_echo.exe <<<"through EPT"
verdict "stdin and stdout of a program under EPT" all status_is 0 -- out_is "through EPT"
tap_end
