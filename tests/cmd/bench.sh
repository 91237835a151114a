#!/bin/bash
# The benchmark's targets hold: instructions counted, so the machine's load does not matter.
. "$(dirname "$0")/lib.sh"

make -s -C "$root" bench-programs || exit 1
limit=280
run "$root/scripts/bench" --quick
verdict "it runs" out_has '^(all targets hold|targets are missed)$'
# Lines "NAME VALUE LIMIT" of the rows that have a target.
rows() {
	python3 - "$root/build/bench.json" <<'END'
import json, sys
for row in json.load(open(sys.argv[1]))["rows"]:
    if row["target"] is not None:
        print(row["name"], row["value"] if row["value"] is not None else "none", row["target"])
END
}
holds() { [ "$1" != none ] && [ "$1" -gt 0 ] && [ "$1" -le "$2" ]; }
while read -r name value most; do
	verdict "$name: $value, at most $most" holds "$value" "$most"
done < <(rows)
tap_end
