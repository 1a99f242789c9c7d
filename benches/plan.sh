#!/usr/bin/env bash
# How long `ovenbird plan` takes as a table and with `--format json`, and how much memory, for 1 to 256 cells of a matrix. See README.md.
#
#   benches/plan.sh [ROUNDS]        default: 10; the fastest counts
#   OVENBIRD_BIN                    use this binary instead of building one
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
rounds=${1:-10}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ovenbird-plan.XXXXXX")
trap 'rm -rf "$work"' EXIT

# What planning should stay below with 256 cells.
most_ms=50
most_mib=30

# A list of so many values: `a0, a1, …`.
values() {
    local name=$1 count=$2 index list=
    for ((index = 0; index < count; index++)); do
        list+="${list:+, }$name$index"
    done
    echo "$list"
}

# A definition of suites × roles cells, with fifteen steps that use expressions as people do.
definition() {
    local suites roles step
    suites=$(values suite "$1") roles=$(values role "$2")
    sed -e "s/SUITES/$suites/" -e "s/ROLES/$roles/" "$root/benches/plan/head.yml"
    for ((step = 0; step < 15; step++)); do
        sed -e "s/STEP/$step/g" "$root/benches/plan/step.yml"
    done
}

# The processor time of one plan in microseconds, and its peak memory in KiB. Planning is one thread that waits for nothing,
# so on an idle machine this is the wall-clock time, and on a busy one it still means something.
measure() {
    local TIMEFORMAT='%3U %3S' user system
    { time /usr/bin/time -f '%M' -o "$work/memory" "$binary" plan --file "$1" --format "$2" >/dev/null 2>"$work/told"; } 2>"$work/time"
    read -r user system <"$work/time"
    echo $((10#${user/./} * 1000 + 10#${system/./} * 1000)) "$(<"$work/memory")"
}

main() {
    if [[ ! -x /usr/bin/time ]]; then
        echo "error: /usr/bin/time is missing" >&2
        echo "hint: install the package \`time\`" >&2
        exit 1
    fi
    binary=${OVENBIRD_BIN:-}
    if [[ -z $binary ]]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/ovenbird/target}
        (cd "$root" && cargo build --locked --release)
        binary=$CARGO_TARGET_DIR/release/ovenbird
    fi
    local cells suites roles table json memory us kib round
    printf '%-6s %12s %12s %12s %10s\n' cells 'table ms' 'json ms' 'ms per cell' 'peak MiB'
    while read -r cells suites roles; do
        definition "$suites" "$roles" >"$work/ovenbird.yml"
        table=60000000 json=60000000 memory=0
        for ((round = 0; round < rounds; round++)); do
            read -r us kib < <(measure "$work/ovenbird.yml" table)
            table=$((us < table ? us : table))
            read -r us kib < <(measure "$work/ovenbird.yml" json)
            json=$((us < json ? us : json))
            memory=$((kib > memory ? kib : memory))
        done
        awk -v cells="$cells" -v table="$table" -v json="$json" -v kib="$memory" 'BEGIN {
            printf "%-6d %12.1f %12.1f %12.2f %10.1f\n", cells, table / 1000, json / 1000, table / 1000 / cells, kib / 1024
        }'
    done <<<$'1 1 1\n16 4 4\n64 8 8\n256 16 16'
    if ((table > most_ms * 1000 || memory > most_mib * 1024)); then
        echo "256 cells should take at most $most_ms ms and $most_mib MiB." >&2
    fi
}

main
