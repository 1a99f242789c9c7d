#!/usr/bin/env bash
# Runs each fuzz target for so many seconds (default 60), from its seeds and what earlier runs found.
#
#   scripts/fuzz.sh [SECONDS] [TARGET]...
#
# Without a sanitizer, which only a nightly compiler has: the code under test has no `unsafe`, so what is looked for are
# panics, overflows, broken laws (fuzz/laws.rs), and inputs that take longer than ten seconds or more than a gigabyte.
# A finding is in fuzz/artifacts/TARGET; made small with `cargo fuzz tmin`, it belongs into fuzz/seeds/TARGET.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../fuzz"

seconds=${1:-60}
targets=("${@:2}")
if ((${#targets[@]} == 0)); then
    targets=(definition expression github-workflow gitlab-ci)
fi

# The versions that Ovenbird is built with.
cp ../Cargo.lock Cargo.lock
cargo fuzz build --fuzz-dir . --sanitizer none
for target in "${targets[@]}"; do
    echo "== $target, $seconds s"
    mkdir -p "corpus/$target"
    cargo fuzz run --fuzz-dir . --sanitizer none "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=65536 -print_final_stats=1 2>&1 |
        grep -vE '^#[0-9]+\s+(NEW|REDUCE|RELOAD)' || exit 1
done
