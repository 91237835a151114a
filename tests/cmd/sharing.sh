#!/bin/bash
# Twenty processes run one image: one frame a clean page, and a private copy for each page written.
. "$(dirname "$0")/lib.sh"

limit=280
# image FILE NAME KEY
image() {
	python3 -c '
import json, sys
for row in json.load(open(sys.argv[1]))["shared"]:
    if row["name"] == sys.argv[2]:
        print(row[sys.argv[3]])
' "$@"
}
holds() { [ "$(($1))" = 1 ]; }

for pages in 0 5; do
	run "$ntmm" run --memory 96M --stats=json:$pages.json "$exe/sharing.exe" 20 $pages
	verdict "20 processes, $pages pages written by each" all status_is 0 -- out_has 'errors 0'
done
for name in sharing.exe ntdll.dll kernel32.dll msvcrt.dll; do
	ran="--stats=json of $name"
	out=$(for key in views frames mappings most copies; do echo "$key $(image 5.json $name $key)"; done)
	read -r views frames mappings most <<<"$(for key in views frames mappings most; do image 5.json $name $key; done | xargs)"
	verdict "$name: 21 views" holds "$views == 21"
	verdict "$name: each frame is there once, for all" all \
		holds "$most == 21" -- holds "$mappings > 2 * $frames" -- holds "$mappings <= 21 * $frames"
done
ran="copies of sharing.exe" out="$(image 0.json sharing.exe copies) without, $(image 5.json sharing.exe copies) with 5 pages written"
verdict "20 times 5 pages written are 100 copies more" \
	holds "$(image 5.json sharing.exe copies) - $(image 0.json sharing.exe copies) == 100"
tap_end
