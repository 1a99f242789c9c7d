#!/usr/bin/env bash
# What testing an image costs beyond booting it: a copy is booted and tested without any goss file, then with a hundred checks.
#
#   benches/tests.sh IMAGE      an image that boots (default: the bookworm of examples/debian-web, which is baked if it is not there)
#
#   OVENBIRD_BIN      use this binary instead of building an optimized one
#   ROUNDS            rounds (default 3); the medians count
#
# Seconds of one machine mean little without another's, so each row says how the two compare on this one.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
example=$root/examples/debian-web
image=${1:-$example/ovenbird-out/qemu-bookworm/debian-web.qcow2}
rounds=${ROUNDS:-3}
work=$(mktemp -d "${TMPDIR:-/var/tmp}/ovenbird-bench.XXXXXX")
trap 'rm -rf "$work"' EXIT

# A hundred assertions about what every Debian has, of the types that tests mostly have; three are commands.
hundred() {
    local n
    echo "file:"
    for n in passwd group shadow hosts hostname fstab profile issue os-release debian_version login.defs; do
        printf '  /etc/%s:\n    exists: true\n    owner: root\n    filetype: { or: [file, symlink] }\n' "$n"
    done
    echo "package:"
    for n in bash coreutils dash dpkg grep gzip libc6 login mount passwd perl-base sed sysvinit-utils tar util-linux; do
        printf '  %s: { installed: true }\n' "$n"
    done
    echo "user:"
    for n in root daemon bin sys sync games man lp mail news; do
        printf '  %s: { exists: true, shell: { match-regexp: "^/" } }\n' "$n"
    done
    echo "group:"
    for n in root daemon bin sys adm tty disk lp mail news; do
        printf '  %s: { exists: true }\n' "$n"
    done
    echo "kernel-param:"
    for n in kernel.ostype net.ipv4.ip_forward vm.swappiness fs.file-max kernel.pid_max; do
        printf '  %s: { value: { match-regexp: "." } }\n' "$n"
    done
    printf 'process:\n  systemd: { running: true }\n  sshd: { running: true }\n'
    printf 'mount:\n  /: { exists: true, filesystem: ext4 }\n  /proc: { exists: true, filesystem: proc }\n'
    printf 'service:\n  ssh: { enabled: true, running: true }\n  systemd-journald: { running: true }\n'
    printf 'port:\n  tcp:22: { listening: true }\n'
    printf 'interface:\n  lo: { exists: true, mtu: 65536 }\n'
    printf 'command:\n'
    printf '  uname: { exit-status: 0, stdout: [Linux] }\n  id -u: { exit-status: 0, stdout: ["0"] }\n'
    printf '  "true": { exit-status: 0 }\n'
}

# Tests the image; prints seconds from power-on to the login, from there to the end of the goss assertions' own time, the
# number of tests, and the accelerator.
tested() {
    local out=$1
    shift
    "$binary" test "$image" --out "$out" --cache-dir "$work/cache" --no-rerun --quiet "$@" >/dev/null 2>"$work/log" || true
    python3 - "$out" <<'PYTHON'
import glob, json, sys
from datetime import datetime
events = [json.loads(line) for line in open(glob.glob(sys.argv[1] + "/*/events.jsonl")[0])]
body = lambda kind: [event for event in events if event["event"]["type"] == kind]
time = lambda event: datetime.fromisoformat(event["time"].replace("Z", "+00:00")[:26] + "+00:00")
end, begin = body("tests-finished")[0], [e for e in body("phase-started") if e["event"]["phase"] == "test"][0]
goss = [event["event"] for event in body("tested") if event["event"]["suite"] == "goss"]
login, verdict = end["event"]["boot-seconds"], end["event"]["seconds"]
failed = [e["event"]["kind"] + " " + e["event"]["id"] for e in body("tested") if e["event"]["verdict"] == "failed"]
if failed:
    print("failed:", ", ".join(failed), file=sys.stderr)
print(login, verdict, len(goss), body("accelerator")[0]["event"]["accelerator"])
PYTHON
}

median() {
    sort -n | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'
}

main() {
    binary=${OVENBIRD_BIN:-}
    if [[ -z $binary ]]; then
        export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/ovenbird/target}
        (cd "$root" && cargo build --locked --release)
        binary=$CARGO_TARGET_DIR/release/ovenbird
    fi
    if [[ $# == 0 && ! -f $image ]]; then
        (cd "$example" && "$binary" build qemu-bookworm)
    fi
    hundred >"$work/hundred.yaml"
    local round login verdict count accelerator
    for ((round = 1; round <= rounds; round++)); do
        read -r login verdict count accelerator <<<"$(tested "$work/bare-$round")"
        awk -v a="$verdict" -v b="$login" 'BEGIN { print a - b }' >>"$work/bare"
        echo "$login" >>"$work/login"
        read -r login verdict count accelerator <<<"$(tested "$work/hundred-$round" --goss "$work/hundred.yaml")"
        awk -v a="$verdict" -v b="$login" 'BEGIN { print a - b }' >>"$work/full"
        echo "$login" >>"$work/login"
        echo "round $round: done" >&2
    done
    local bare full
    bare=$(median <"$work/bare") full=$(median <"$work/full") login=$(median <"$work/login")
    printf '%-52s %8s\n' "medians of $rounds rounds ($accelerator, load $(cut -d' ' -f1 /proc/loadavg))" seconds
    printf '%-52s %8.1f\n' "power-on to login" "$login"
    printf '%-52s %8.1f\n' "login to verdict, what is always tested" "$bare"
    printf '%-52s %8.1f\n' "login to verdict, with $count goss assertions besides" "$full"
    awk -v a="$full" -v b="$bare" -v l="$login" -v c="$count" \
        'BEGIN { printf "%-52s %8.1f\n%-52s %8.2f\n", c " assertions alone", a - b, "ratio of these to the boot", (a - b) / l }'
}

main "$@"
